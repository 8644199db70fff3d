#!/bin/sh
# The rules of form that a script can judge: who may include whom, sizes, banned calls, blanks. Each
# check is a function that prints every place that breaks it. No built program is needed.
. "$(dirname "$0")/lib.sh"
[ -z "${SANITIZED:-}" ] || skip_all "the form of the sources is no matter of how they are built"
cd "$ROOT" || exit 1
ROOMS="cmd proto store keys crypto"

none() { # TITLE COMMAND...: it must print nothing
	title=$1
	shift
	"$@" >"$HOME_DIR/found" 2>&1
	count=$(wc -l <"$HOME_DIR/found")
	if [ "$count" -gt 0 ]; then
		report 1 "$title"
		diag "$(head -n 200 "$HOME_DIR/found")"
		diag "$count in all"
	else
		report 0 "$title"
	fi
}

# The sources, by kind. Only what the rooms and t/ hold: build/ and stray files are no business of
# ours. shellcheck disable=SC2086
room_files() { find smtp361.c $ROOMS -name '*.[ch]' -type f | sort; }
c_files() {
	room_files
	find t -name '*.[ch]' -type f | sort
}
headers() { room_files | grep '\.h$'; }
scripts() { find t .ci -type f \( -name '*.sh' -o -name '*.t' -o -path '.ci/*' \) 2>/dev/null | sort; }
sources() {
	c_files
	scripts
	find t -name '*.py' -type f | sort
	echo Makefile
}
documents() { printf '%s\n' README.md cmd/smtp361.1 proto/PROTOCOL.md proto/SECURITY.md; }

# --- rooms ---

# "FILE:LINE TARGET" for each include of a file of ours, both by their paths from the top.
includes() {
	room_files | xargs grep -n '^[[:space:]]*#[[:space:]]*include "' |
		sed 's/#[[:space:]]*include "//; s/".*//' |
		while IFS=':' read -r file line target; do
			case $target in
			../*) echo "$file:$line ${target#../}" ;;
			*/*) echo "$file:$line $target" ;;
			*) echo "$file:$line $(dirname "$file")/$target" ;;
			esac
		done
}

wrong_arrows() {
	includes | awk '
		BEGIN {
			may["smtp361.c"] = " cmd "
			may["cmd"] = " cmd proto store keys crypto "
			may["proto"] = " proto store keys crypto "
			may["store"] = " store crypto "
			may["keys"] = " keys crypto "
			may["crypto"] = " crypto "
		}
		{
			from = $1; sub(/[\/:].*/, "", from)
			to = $2; sub(/\/.*/, "", to)
			if (!index(may[from], " " to " ")) print $1 " includes " $2
		}'
}
none "a room includes only what lies below it" wrong_arrows

store_from_clients() {
	includes | awk '/^proto\// && $2 ~ /^store\// && $1 !~ /^proto\/[a-z_]*server[a-z_]*\.[ch]:/ {
		print $1 " includes " $2
	}'
}
none "in proto/, only the server halves include store/" store_from_clients

ciphers_outside() {
	room_files | xargs grep -nE '^[[:space:]]*#[[:space:]]*include <(bearssl|argon2)' | grep -v '^crypto/'
}
none "BearSSL and libargon2 are included in crypto/ alone" ciphers_outside

json_outside() {
	room_files | xargs grep -n '#[[:space:]]*include <jansson' | grep -Ev '^(cmd|store)/|^proto/(enhanced|fields)[a-z_]*\.[ch]:'
}
none "jansson is included in cmd/, store/ and for the enhanced wire alone" json_outside

# proto/ works over any engine of the store; cmd/ chooses the engine, and tells people of its files.
store_names_outside() { room_files | grep -E '^proto/' | xargs grep -nE 'user_pass|\.spool'; }
none "no file of the store is named in proto/" store_names_outside

mains() { room_files | xargs grep -lE '^int main\(' | grep -vx smtp361.c; }
none "smtp361.c has the only main" mains

prints_or_exits() {
	room_files | grep -E '^(crypto|keys|store)/' | xargs grep -nwE \
		'(printf|fprintf|vfprintf|dprintf|puts|fputs|putchar|perror|exit|_exit|abort|syslog) ?\('
}
none "crypto/, keys/ and store/ neither print nor exit" prints_or_exits

strays() {
	git ls-files | sed 's,/.*,/,' | sort -u | grep -v '^\.' |
		grep -vxE 'LICENSE|Makefile|README\.md|smtp361\.c|(cmd|crypto|keys|proto|store|t)/'
}
if git ls-files >/dev/null 2>&1; then
	none "the top level holds what it should and nothing else" strays
else
	skip "the top level holds what it should and nothing else" "this is no git work tree"
fi

# --- applets ---

applets=$(sed -n 's/^[[:space:]]*APPLET(\([a-z_0-9]*\), .*".*/\1/p' smtp361.c | sort)
like "the table of applets is found" "$applets" '^serve$'

applets_without_file() {
	for a in $applets; do
		grep -qs "^APPLET_MAIN($a)" "cmd/$a.c" || echo "no APPLET_MAIN($a) in cmd/$a.c"
	done
}
none "every applet of the table has its file in cmd/" applets_without_file

is "every applet in cmd/ has its row in the table" \
	"$(grep -h '^APPLET_MAIN(' cmd/*.c | sed 's/.*(\(.*\)).*/\1/' | sort)" "$applets"

# --- sizes ---

lines_over() { # LIMIT: of the files named on stdin
	xargs wc -l | awk -v max="$1" '$2 != "total" && $1 > max { print $2 " has " $1 " lines" }'
}
long_headers() { headers | lines_over 200; }
long_files() { c_files | lines_over 500; }
none "no header has more than 200 lines" long_headers
none "no source file has more than 500 lines" long_files

# A function's body is what stands between { and } in the first column; a table's { stands
# elsewhere.
long_functions() {
	room_files | xargs awk '
		FNR == 1 { start = 0 }
		/^[A-Za-z_].*\(/ { name = $0 }
		/^\{/ { start = FNR }
		/^\}/ {
			if (start && FNR - start - 1 > 60)
				print FILENAME ":" start " has " FNR - start - 1 " lines: " name
			start = 0
		}'
}
none "no function has more than 60 lines" long_functions

# --- form ---

inner_ifs() {
	c_files | xargs awk '
		FNR == 1 { inside = 0 }
		/^\{/ { inside = 1 }
		/^\}/ { inside = 0 }
		inside && /^[ \t]*#[ \t]*(if|else|elif|endif)/ { print FILENAME ":" FNR ": " $0 }'
}
none "no #if stands inside a function" inner_ifs

unguarded() {
	headers | while read -r h; do
		guard=$(echo "$h" | tr '[:lower:]/.' '[:upper:]__')
		if ! grep -q "^#ifndef $guard\$" "$h" || ! grep -q "^#define $guard\$" "$h"; then
			echo "$h has no guard $guard"
		fi
	done
}
none "every header has a guard named for its path" unguarded

headless() {
	c_files | while read -r f; do
		[ "$(head -c 2 "$f")" = '/*' ] || echo "$f"
	done
}
none "every C file begins by saying what it is for" headless

# crypto/banned.h poisons most of these; signal it cannot, and the shell's friends it does not.
banned='strcpy|strcat|sprintf|vsprintf|strncpy|strncat|strtok|gets|atoi|atol|alloca|signal|mktemp|tmpnam'
banned="$banned|localtime|gmtime|ctime|asctime|rand|srand|system|popen"
banned_calls() { room_files | xargs grep -nwE "($banned) ?\\("; }
none "no banned call" banned_calls

left_to_do() {
	for word in TO''DO FIX''ME; do
		{
			sources
			documents
		} | xargs grep -nw "$word"
	done
}
none "nothing is left to do in a comment" left_to_do

# The classic menu ends in a blank, and PROTOCOL.md shows it.
trailing_blanks() {
	{
		sources
		documents
	} | xargs grep -nE '[[:blank:]]+$' | grep -v '^proto/PROTOCOL\.md:[0-9]*:choice: $'
}
none "no line ends in a blank" trailing_blanks

tab=$(printf '\t')
blank_indents() { c_files | xargs grep -nE "^(  | *$tab* +$tab)"; }
none "C is indented by tabs" blank_indents

# Columns are characters, and a tab goes to the next multiple of 8. Some awks count bytes: the bytes
# that continue a UTF-8 character are taken out first.
# not the scripts: a test's title and its expectation are long by nature
wide_lines() {
	sources | grep '\.[ch]$' | LC_ALL=C xargs awk '
		{
			line = $0
			gsub(/[\200-\277]/, "", line)
			n = split(line, piece, "\t")
			width = 0
			for (i = 1; i <= n; i++) {
				width += length(piece[i])
				if (i < n) width += 8 - width % 8
			}
			if (width > 100) print FILENAME ":" FNR ": " width " columns"
		}'
}
none "no line of C is wider than 100 columns" wide_lines

if command -v clang-format >/dev/null 2>&1; then
	unformatted() { c_files | xargs clang-format --dry-run -Werror 2>&1; }
	none "every C file is as clang-format has it" unformatted
else
	skip "every C file is as clang-format has it" "no clang-format"
fi

no_last_newline() {
	{
		sources
		documents
	} | while read -r f; do
		[ -z "$(tail -c 1 "$f")" ] || echo "$f"
	done
}
none "every file ends in a line end" no_last_newline

# --- scripts ---

shell_scripts() {
	scripts | while read -r s; do
		case $(head -n 1 "$s") in
		'#!/bin/sh'*) echo "$s" ;;
		'#!'*) ;;
		*) case $s in *.sh) echo "$s" ;; *) ;; esac ;;
		esac
	done
}
unparsed() {
	shell_scripts | while read -r s; do
		sh -n "$s" || echo "$s"
	done
}
none "every shell script parses" unparsed

not_executable() { find t -name '*.t' -type f ! -perm -u+x; }
none "every test can be executed" not_executable

# Alone, a script seems to set what only lib.sh uses, and the other way round. No name here has a
# blank.
shell_warnings() {
	shell_scripts | xargs shellcheck -s sh -S warning -e SC1091,SC2034,SC2038,SC2154 -f gcc
}
if command -v shellcheck >/dev/null 2>&1; then
	none "shellcheck has no warning" shell_warnings
else
	skip "shellcheck has no warning" "shellcheck is not installed"
fi

done_testing
