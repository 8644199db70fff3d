#!/bin/sh
# The documents say what the program does: the manual against each --help, README's transcript run
# again, PROTOCOL.md's example checked and played against the client.
. "$(dirname "$0")/lib.sh"
MAN=$ROOT/cmd/smtp361.1
README=$ROOT/README.md
PROTOCOL=$ROOT/proto/PROTOCOL.md
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
			for (i = 3; $2 == "Fl" && i <= NF && $i ~ /^(,|-?[a-z-]+)$/; i++)
				if ($i != ",") print "-" $i
		}' "$MAN" | sort -u
}
# The options that a help text mentions anywhere, long and short. Only "--help" goes without saying.
help_options() { # HELP-FILE
	{
		grep -oE -- '(^|[^a-z-])--[a-z][a-z-]*' "$1" | grep -oE -- '--.*'
		grep -oE -- '(^|[[ (,|])-[a-z]([] ,)|]|$)' "$1" | grep -oE -- '-[a-z]'
	} | grep -vx -- --help | sort -u
}

for applet in $applets; do
	smtp361 "$applet" --help >"$HOME_DIR/help" || diag "$applet --help failed"
	help_options "$HOME_DIR/help" >"$HOME_DIR/helped"
	{
		manual_options "$applet"
		# what its help lists of the account options, it takes from their own section
		if grep -q '^  -s, --server ' "$HOME_DIR/help"; then
			manual_options "Account options"
		fi
	} | sort -u >"$HOME_DIR/manual"
	same "the options of $applet are the same in its --help and in the manual" \
		"$HOME_DIR/helped" "$HOME_DIR/manual"
	awk -v want="$applet" '/^\.Ss / { here = $2 == want } here' "$MAN" >"$HOME_DIR/section"
	if grep -q '^  -s, --server ' "$HOME_DIR/help"; then
		like "the manual says that $applet takes the account options" \
			"$(cat "$HOME_DIR/section")" '^It takes the account options'
	fi
	# the short name and the long one belong together in both
	grep -oE -- '^  -[a-z], --[a-z-]+' "$HOME_DIR/help" | tr -d ' ' | while IFS=, read -r short long; do
		grep -qE "^\.It Fl ${short#-} , ${long#-}( |\$)" "$MAN" || echo "$short $long"
	done >"$HOME_DIR/unpaired"
	is "short and long options of $applet belong together in the manual" \
		"$(cat "$HOME_DIR/unpaired")" ""
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

for doc in "$README" "$PROTOCOL"; do
	grep -oE '\]\([^)]*\)' "$doc" | sed 's/^](//; s/)$//; s/#.*//' | grep -v '://' | grep . |
		while read -r link; do
			[ -e "$(dirname "$doc")/$link" ] || echo "$link"
		done >"$HOME_DIR/dead"
	is "what ${doc##*/} links to is there" "$(cat "$HOME_DIR/dead")" ""
done
grep -oE '`[a-z0-9]+/[A-Za-z0-9_./-]+`' "$README" | tr -d '`' | sort -u | while read -r path; do
	[ -e "$ROOT/$path" ] || echo "$path"
done >"$HOME_DIR/dead"
is "the paths that README names are there" "$(cat "$HOME_DIR/dead")" ""

# --- README's transcript, run again, on a terminal ---

like "README's transcript begins within 15 lines" "$(head -n 15 "$README")" '^\$ '

# on_terminal COMMAND: its output as a person sees it
on_terminal() {
	/usr/bin/python3 -c '
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(["/bin/sh", "-c", sys.argv[1]])))' "$1" </dev/null |
		tr -d '\r'
}

# Fingerprints and times differ each time; the port is what was free.
masked() {
	sed -E 's/SHA256:[A-Za-z0-9+\/]{43}/SHA256:FINGERPRINT/
		s/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}/TIME/'
}

# The first console block: each "$ COMMAND" is run, and what it prints follows it. Not in a pipe:
# the server's process id must reach the cleanup.
replay() {
	port=0
	while IFS= read -r command <&3; do
		printf '$ %s\n' "$command"
		here=$(echo "$command" | sed "s/127\.0\.0\.1:13000/127.0.0.1:$port/")
		case $here in
		'smtp361 serve '*'&')
			eval "\"\$SMTP361\" ${here#smtp361 }"
			PIDS="$PIDS $!"
			wait_for 10 grep -q 'ready to accept' serve.log
			port=$(sed -n 's/^Listening on .*://p' serve.log)
			;;
		umask* | export*) eval "$here" ;;
		*) on_terminal "$here" | sed "s/127\.0\.0\.1:$port/127.0.0.1:13000/" ;;
		esac
	done 3<"$HOME_DIR/commands"
}

mkdir "$HOME_DIR/tour" "$HOME_DIR/bin" && cd "$HOME_DIR/tour" || exit 1
ln -s "$SMTP361" "$HOME_DIR/bin/smtp361"
PATH=$HOME_DIR/bin:$PATH
sed -n '/^```console$/,/^```$/p' "$README" | sed '1d;$d' >"$HOME_DIR/transcript"
sed -n 's/^\$ //p' "$HOME_DIR/transcript" >"$HOME_DIR/commands"
like "README's transcript has its commands" "$(cat "$HOME_DIR/commands")" '^smtp361 keygen --all$'
replay >"$HOME_DIR/replayed" 2>&1
masked <"$HOME_DIR/transcript" >"$HOME_DIR/want"
masked <"$HOME_DIR/replayed" >"$HOME_DIR/got"
is "README's transcript is what the program prints" "$(cat "$HOME_DIR/got")" "$(cat "$HOME_DIR/want")"
unset SMTP361_SERVER

# --- PROTOCOL.md ---

ok "the texts and bytes of PROTOCOL.md's example agree" "$EXAMPLE" check "$PROTOCOL"

# The document's literal texts are those of the sources.
sed -n 's/^#define CLASSIC_[A-Z_]* "\(.*\)".*/\1/p' "$ROOT/proto/classic.h" | while IFS= read -r text; do
	grep -qF -- "$text" "$PROTOCOL" || echo "$text"
done >"$HOME_DIR/missing"
is "PROTOCOL.md has every text of classic.h" "$(cat "$HOME_DIR/missing")" ""
like "PROTOCOL.md says that the enhanced protocol is not part of this version" \
	"$(sed -n '/^## The enhanced protocol/,$p' "$PROTOCOL" | tr '\n' ' ')" 'not part of this version yet'

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
