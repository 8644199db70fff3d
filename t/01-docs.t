#!/bin/sh
# The documents say what the program does: the manual against each --help, README's transcript run
# again, PROTOCOL.md's example checked and played against the client.
. "$(dirname "$0")/lib.sh"
[ -z "$SANITIZED" ] || skip_all "the documents are the same, however the program is built"
MAN=$ROOT/cmd/smtp361.1
README=$ROOT/README.md
PROTOCOL=$ROOT/proto/PROTOCOL.md
SECURITY=$ROOT/proto/SECURITY.md
EXAMPLE=$ROOT/t/peer/example.py
applets=$(smtp361 --list)

# same TITLE: two sorted lists that must be equal, and what only one of them has
same() { # TITLE FILE-A FILE-B
	is "$1" "$(diff "$2" "$3" | grep '^[<>]')" ""
}

# --- the manual: form ---

if command -v mandoc >/dev/null 2>&1; then
	ok "the manual has no fault that mandoc warns of" mandoc -Tlint -W warning "$MAN"
else
	skip "the manual has no fault that mandoc warns of" "mandoc is not installed"
fi
for section in NAME SYNOPSIS DESCRIPTION ENVIRONMENT FILES "EXIT STATUS" EXAMPLES "SEE ALSO" \
	"SECURITY CONSIDERATIONS"; do
	grep -qx ".Sh $section" "$MAN" || echo "$section"
done >"$HOME_DIR/missing"
is "the manual has every section" "$(cat "$HOME_DIR/missing")" ""

# --- the manual against the program ---

echo "$applets" | sort >"$HOME_DIR/list"

sed -n 's/^\.Nm smtp361 \([a-z]*\)$/\1/p' "$MAN" | sort -u >"$HOME_DIR/synopsis"
same "the applets of SYNOPSIS are those of --list" "$HOME_DIR/list" "$HOME_DIR/synopsis"

sed -n 's/^\.Ss \([a-z]*\)$/\1/p' "$MAN" | sort >"$HOME_DIR/described"
same "the applets of DESCRIPTION are those of --list" "$HOME_DIR/list" "$HOME_DIR/described"

# The options that a .Ss describes, by its .It lines ("" for what stands ahead of the first .Ss).
manual_options() { # SECTION
	awk -v want="$1" '
		/^\.Sh / { here = $0 == ".Sh DESCRIPTION"; section = "" }
		/^\.Ss / { section = substr($0, 5) }
		/^\.It / && here && section == want {
			for (i = 3; $2 == "Fl" && i <= NF && $i ~ /^(,|-?[a-z0-9-]+|[A-Z])$/; i++)
				if ($i != ",") print "-" $i
		}' "$MAN" | sort -u
}
# The options that a help text mentions anywhere, long and short, but for the commands that it quotes.
# Only "--help" goes without saying.
help_options() { # HELP-FILE
	sed 's/`[^`]*`//g' "$1" >"$HOME_DIR/unquoted"
	{
		grep -oE -- '(^|[^a-z-])--[a-z][a-z0-9-]*' "$HOME_DIR/unquoted" | grep -oE -- '--.*'
		grep -oE -- '(^|[[ (,|])-[a-z]([] ,)|]|$)|^  -[A-Z], --' "$HOME_DIR/unquoted" | grep -oE -- '-[A-Za-z]'
	} | grep -vx -- --help | sort -u
}
# An applet whose help ends like this takes the account options.
takes_account() { grep -q '^which .smtp361 join. writes: ' "$HOME_DIR/help"; }

for applet in $applets; do
	smtp361 "$applet" --help >"$HOME_DIR/help" || diag "$applet --help failed"
	help_options "$HOME_DIR/help" >"$HOME_DIR/helped"
	{
		manual_options "$applet"
		# what its help lists of the account options, it takes from their own section
		if takes_account; then
			manual_options "Account options"
		fi
	} | sort -u >"$HOME_DIR/manual"
	same "the options of $applet are the same in its --help and in the manual" \
		"$HOME_DIR/helped" "$HOME_DIR/manual"
	awk -v want="$applet" '/^\.Ss / { here = $2 == want } /^\.Sh / { here = 0 } here' "$MAN" \
		>"$HOME_DIR/section"
	if takes_account; then
		like "the manual says that $applet takes the account options" \
			"$(cat "$HOME_DIR/section")" '^It takes the account options'
		awk '/^\.Ss / { here = $2 == "Account" } /^\.Sh / { here = 0 } here' "$MAN" \
			>>"$HOME_DIR/section"
	fi
	# the short name and the long one belong together in both
	grep -oE -- '^  -[A-Za-z], --[a-z-]+' "$HOME_DIR/help" | tr -d ' ' | while IFS=, read -r short long; do
		grep -qE "^\.It Fl ${short#-} , ${long#-}( |\$)" "$HOME_DIR/section" ||
			echo "$short $long"
	done >"$HOME_DIR/unpaired"
	is "short and long options of $applet belong together in the manual" \
		"$(cat "$HOME_DIR/unpaired")" ""
	# one of the two stands in SYNOPSIS; the account options are one word there
	awk -v want="$applet" '/^\.Nm / { here = $3 == want } /^\.Sh D/ { exit } here' "$MAN" |
		grep -oE '(Fl|\|) (-?[a-z0-9-]+|[A-Z]\b)' | sed 's/^[^ ]* /-/' | sort -u >"$HOME_DIR/synopsis"
	awk -v want="$applet" '/^\.Ss / { here = $2 == want } here && /^\.It Fl /' "$MAN" |
		sed 's/^\.It //; s/ A[r].*//' | while read -r _ one _ two; do
		grep -qx -e "-$one" ${two:+-e "-$two"} "$HOME_DIR/synopsis" || echo "$one $two"
	done >"$HOME_DIR/missing"
	is "SYNOPSIS has every option of $applet" "$(cat "$HOME_DIR/missing")" ""
done

smtp361 --help >"$HOME_DIR/help"
help_options "$HOME_DIR/help" >"$HOME_DIR/helped"
manual_options "" | grep -vx -- --help >"$HOME_DIR/manual"
same "the program's own options are the same in --help and in the manual" \
	"$HOME_DIR/helped" "$HOME_DIR/manual"

smtp361 user --help | sed -n 's/^  \([a-z][a-z]*\)  *[A-Za-z].*/\1/p' | sort >"$HOME_DIR/helped"
awk '/^\.Ss / { here = $2 == "user" } here && /^\.It Cm / { print $3 }' "$MAN" | sort \
	>"$HOME_DIR/manual"
same "the verbs of user are the same in its --help and in the manual" "$HOME_DIR/helped" "$HOME_DIR/manual"

# fields SECTION: the names that lists and sentences of the manual give to fields
fields() { awk -v want="$1" '/^\.S[sh] / { here = $2 == want } here && /^\.It Cm /{ print $3 }' "$MAN" | sort; }
grep -ohE '(json_object_get|fields_text)\(o, "[a-z]+"' "$ROOT/cmd/batch.c" | grep -oE '"[a-z]+"' |
	tr -d '"' | sort -u >"$HOME_DIR/names"
fields send >"$HOME_DIR/manual"
same "the manual has the fields of a batch's line" "$HOME_DIR/names" "$HOME_DIR/manual"
ok "... of which there are some" test "$(wc -l <"$HOME_DIR/names")" -gt 4
grep -ohE '[{]"[a-z0-9_]+", &a->|json_object_get\(root, "[a-z]+"|take_flag\(path, root, "[a-z-]+"' "$ROOT/cmd/account.c" |
	grep -oE '"[a-z0-9_-]+"' | tr -d '"' | sort -u >"$HOME_DIR/names"
sed -n '/config\.json$/,/^\.Ed/p' "$MAN" | grep -oE '"[a-z_-]+":' | tr -d '":' | sort >"$HOME_DIR/manual"
same "the manual's configuration has every field" "$HOME_DIR/names" "$HOME_DIR/manual"
smtp361 inbox --help | sed -n '/^which .* writes: /,/\.$/p' | tr -d ' .\n' | sed 's/.*writes://' | tr , '\n' | sort \
	>"$HOME_DIR/helped"
same "... and so has --help" "$HOME_DIR/names" "$HOME_DIR/helped"
sed -n 's/^#define USERS_[A-Z_]*[[:space:]]*"\([a-z0-9_]*\)".*/\1/p' "$ROOT/store/users_text.h" | grep -vx -e hash -e expires |
	sort >"$HOME_DIR/names"
sed -n '/^\.It Pa user_pass\.json/,/^\.It Pa server/p' "$MAN" | sed -n 's/^\.Cm \([a-z0-9_]*\)$/\1/p' | sort \
	>"$HOME_DIR/manual"
same "the manual has the fields of an account" "$HOME_DIR/names" "$HOME_DIR/manual"

# --- what else the sources settle ---

# Every sysexits code that a source names, by its number, and the two that have no name.
sed -n 's/^#define[[:space:]]*\(EX_[A-Z]*\)[[:space:]]*\([0-9]*\)[[:space:]].*/\1 \2/p' \
	/usr/include/sysexits.h >"$HOME_DIR/sysexits"
{
	grep -ohwE 'EX_[A-Z]+' "$ROOT"/smtp361.c "$ROOT"/*/*.c | sort -u |
		while read -r name; do sed -n "s/^$name //p" "$HOME_DIR/sysexits"; done
	grep -q '128 + SIGINT' "$ROOT"/cmd/*.c && echo 130
} | sort >"$HOME_DIR/codes"
ok "the codes that sources use are found" test "$(wc -l <"$HOME_DIR/codes")" -gt 10
awk '/^\.Sh / { here = $0 == ".Sh EXIT STATUS" } here && /^\.It / { print $2 }' "$MAN" | sort \
	>"$HOME_DIR/manual"
same "the manual has every exit code, and no other" "$HOME_DIR/codes" "$HOME_DIR/manual"
sed -n 's/^| \([0-9][0-9]*\) | .*/\1/p' "$README" | sort >"$HOME_DIR/readme"
same "README has every exit code, and no other" "$HOME_DIR/codes" "$HOME_DIR/readme"

grep -oh 'getenv("[A-Z0-9_]*")\|, "SMTP361_[A-Z_]*")' "$ROOT"/cmd/*.c | grep -o '[A-Z][A-Z0-9_]*' |
	sort -u >"$HOME_DIR/names"
# TZ is the C library's
sed -n 's/^\.It Ev //p' "$MAN" | tr -d , | tr ' ' '\n' | grep -vx TZ | grep . | sort >"$HOME_DIR/manual"
same "the manual has every environment variable, and no other" "$HOME_DIR/names" "$HOME_DIR/manual"

smtp361 --help | sed -n 's/^  \([a-z]\{1,\}\)  *\(.*\)/\1 \2/p' >"$HOME_DIR/table"
sed -n '/^| applet /,/^$/s/^| `\([a-z]*\)` | \(.*\) |$/\1 \2/p' "$README" >"$HOME_DIR/readme"
same "README's table of applets is the program's" "$HOME_DIR/table" "$HOME_DIR/readme"

smtp361 serve --help | grep -oE -- '--(max|login|idle|mail)[a-z-]* [A-Z]+ .*\([0-9]+\)' |
	sed 's/^\(--[a-z-]* [A-Z]*\) .*(\([0-9]*\))$/\1 \2/' >"$HOME_DIR/helped"
sed -n 's/^| `\(--[a-z-]* [A-Z]*\)` | \([0-9]*\) | .*/\1 \2/p' "$README" >"$HOME_DIR/readme"
same "README has the limits of serve and their defaults" "$HOME_DIR/helped" "$HOME_DIR/readme"

# --- links ---

for doc in "$README" "$PROTOCOL" "$SECURITY"; do
	grep -oE '\]\([^)]*\)' "$doc" | sed 's/^](//; s/)$//; s/#.*//' | grep -v '://' | grep . |
		while read -r link; do
			[ -e "$(dirname "$doc")/$link" ] || echo "$link"
		done >"$HOME_DIR/dead"
	is "what ${doc##*/} links to is there" "$(cat "$HOME_DIR/dead")" ""
done
for doc in "$README" "$SECURITY"; do
	grep -oE '`[a-z0-9]+/[A-Za-z0-9_./-]+`' "$doc" | tr -d '`' | sort -u | while read -r path; do
		[ -e "$ROOT/$path" ] || echo "$path"
	done >"$HOME_DIR/dead"
	is "the paths that ${doc##*/} names are there" "$(cat "$HOME_DIR/dead")" ""
done

# --- SECURITY.md ---

# threat NUMBER: its row of the table
threat() { grep "^| T$1 [^|]*|[^|]*|[^|]*|[^|]*|\$" "$SECURITY"; }
n=0
while [ $n -lt 45 ]; do
	n=$((n + 1))
	case $n:$(threat $n) in
	*:) echo "T$n" ;;
	*:*'| '*'`t/'*.t'`'* | *:*'| '*'`t/'*.[pc]*'`'*) ;;
	*) echo "T$n has no test" ;;
	esac
done >"$HOME_DIR/missing"
is "SECURITY.md has a row for each threat, with a test" "$(cat "$HOME_DIR/missing")" ""
is "... one each" "$(grep -c '^| T[0-9]' "$SECURITY")" 45
smtp361 mitm --attacks >"$HOME_DIR/attacks"
ok "there are attacks" test "$(wc -l <"$HOME_DIR/attacks")" -gt 10
while read -r attack rest; do
	for n in $(echo "$rest" | grep -oE '^(T[0-9]+ )+' | tr -d T); do
		threat "$n" | grep -q "\`$attack\`" || echo "T$n $attack"
	done
done <"$HOME_DIR/attacks" >"$HOME_DIR/missing"
is "the row of a threat names each attack of mitm that shows it" "$(cat "$HOME_DIR/missing")" ""

# --- README's transcripts, run again, on a terminal ---

like "README's transcript begins within 15 lines" "$(head -n 15 "$README")" '^\$ '

# on_terminal COMMAND: its output as a person sees it
on_terminal() {
	/usr/bin/python3 -c '
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(["/bin/sh", "-c", sys.argv[1]])))' "$1" </dev/null |
		tr -d '\r'
}

# Fingerprints, invitations and times differ each time; the port is what was free.
masked() {
	sed -E 's/SHA256:[A-Za-z0-9+\/]{43}/SHA256:FINGERPRINT/
		s/\/[A-Za-z0-9_-]{43}\/[A-Za-z0-9_-]{22}\/[0-9]{10}/\/KEY\/SECRET\/EXPIRES/
		s/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}/TIME/'
}

# Each "$ COMMAND" of a console block is run, and what it prints follows it. Not in a pipe: the
# server's process id must reach the cleanup.
replay() { # COMMANDS
	port=$(free_ports 1)
	while IFS= read -r command <&3; do
		printf '$ %s\n' "$command"
		here=$(echo "$command" | sed "s/127\.0\.0\.1:13000/127.0.0.1:$port/g")
		case $here in
		'smtp361 serve '*'&')
			eval "\"\$SMTP361\" ${here#smtp361 }"
			PIDS="$PIDS $!"
			wait_for 10 grep -q 'ready to accept' serve.log
			;;
		umask* | export*) eval "$here" ;;
		*) on_terminal "$here" | sed "s/127\.0\.0\.1:$port/127.0.0.1:13000/g" ;;
		esac
	done 3<"$1"
}

# transcript NUMBER: a console block of README, in a folder of its own
transcript() {
	mkdir "$HOME_DIR/tour$1" && cd "$HOME_DIR/tour$1" || exit 1
	awk -v want="$1" '/^```console$/ { here = ++n == want; next } /^```$/ { here = 0 } here' \
		"$README" >"$HOME_DIR/transcript"
	sed -n 's/^\$ //p' "$HOME_DIR/transcript" >"$HOME_DIR/commands"
	replay "$HOME_DIR/commands" >"$HOME_DIR/replayed" 2>&1
	masked <"$HOME_DIR/transcript" >"$HOME_DIR/want"
	masked <"$HOME_DIR/replayed" >"$HOME_DIR/got"
	unset SMTP361_SERVER XDG_CONFIG_HOME
	rm -rf "$HOME/.config"
}

mkdir "$HOME_DIR/bin" && ln -s "$SMTP361" "$HOME_DIR/bin/smtp361"
PATH=$HOME_DIR/bin:$PATH
transcript 1
for command in 'smtp361 keygen' 'smtp361 user invite' 'smtp361 serve' 'smtp361 join' '.*smtp361 send' \
	'smtp361 inbox' 'smtp361 read --last'; do
	like "README's first transcript has: $command" "$(cat "$HOME_DIR/commands")" "^$command( |\$)"
done
is "README's first transcript is what the program prints" "$(cat "$HOME_DIR/got")" \
	"$(cat "$HOME_DIR/want")"
transcript 2
like "README's second transcript is the classic protocol" "$(cat serve.log)" 'wire=classic user=client1'
is "README's second transcript is what the program prints" "$(cat "$HOME_DIR/got")" \
	"$(cat "$HOME_DIR/want")"
is "there are no more" "$(grep -c '^```console' "$README")" 2

# --- PROTOCOL.md ---

ok "the texts and bytes of PROTOCOL.md's example agree" "$EXAMPLE" check "$PROTOCOL"

# The document's literal texts are those of the sources.
{
	sed -n 's/^#define CLASSIC_[A-Z_]* "\(.*\)".*/\1/p' "$ROOT/proto/classic.h"
	sed -n '/ dialects\[\] = {$/,/^};/p' "$ROOT/proto/classic_dialect.c" | grep -oE '"[^"]+"' | tr -d '"'
} >"$HOME_DIR/texts"
while IFS= read -r text; do
	grep -qF -- "$text" "$PROTOCOL" || echo "$text"
done <"$HOME_DIR/texts" >"$HOME_DIR/missing"
is "PROTOCOL.md has every text of classic.h, and of the dialects" "$(cat "$HOME_DIR/missing")" ""
ok "... of which there are some" grep -qx ERROR2 "$HOME_DIR/texts"

# of the enhanced protocol, which t/50-enhanced-peer.t plays: its errors, their exit codes, what ends it
while read -r name code ends; do
	code=$(sed -n "s/^$code //p" "$HOME_DIR/sysexits")
	grep -q "^| \`$name\` | .* | $([ "$ends" = true ] && echo ends || echo 'goes on').* | $code |" "$PROTOCOL" ||
		echo "$name $code $ends"
done >"$HOME_DIR/missing" <<END
$(sed -n 's/.*\[ENHANCED_[A-Z_]*\] = {"\([a-z-]*\)", \(EX_[A-Z]*\), \([a-z]*\)}.*/\1 \2 \3/p' "$ROOT/proto/enhanced.c")
END
is "PROTOCOL.md has every error of the enhanced protocol" "$(cat "$HOME_DIR/missing")" ""
is "... and no other" "$(grep -c '^| `[a-z-]*` | .* | \(goes on\|ends\).* | [0-9]* |$' "$PROTOCOL")" \
	"$(grep -c '\[ENHANCED_[A-Z_]*\] = {"' "$ROOT/proto/enhanced.c")"
smtp361 serve --help | sed -n 's/^ *\(--[a-z-]*\) [A-Z]* .*(\([0-9]*\)).*/\1 \2/p' | while read -r option value; do
	tr -d , <"$PROTOCOL" | grep -q "$value.*\`$option\`\|$value; .*\`$option\`" || echo "$option $value"
done >"$HOME_DIR/missing"
is "PROTOCOL.md has the limits of serve and their defaults" "$(cat "$HOME_DIR/missing")" ""

# The example's server answers the real client: each byte of each side is the document's.
play() {
	umask 022
	"$EXAMPLE" serve "$PROTOCOL" "$HOME_DIR/site" port >played 2>&1 &
	player=$!
	PIDS="$PIDS $player"
	wait_for 10 test -f port || return 1
	printf '%s\n' 1 'client1;client2' Lunch N 'Meet at noon. ☕' 2 3 1 4 |
		smtp361 client -s "127.0.0.1:$(cat port)" -u client1 --password-file pw1 >said 2>&1
	wait "$player" || {
		cat played said
		return 1
	}
	grep -q 'Meet at noon. ☕' said && grep -q '^1      client1    2026-11-21' said
}
if /usr/bin/python3 -c 'import Cryptodome' 2>/dev/null; then
	site
	ok "our client speaks the bytes of PROTOCOL.md's example" play
else
	skip "our client speaks the bytes of PROTOCOL.md's example" "python3-pycryptodome is not installed"
fi

done_testing
