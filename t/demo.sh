#!/bin/sh
# The founding transcript, live: keys for a server and five clients, a server on a free port, and the
# sessions of the founding document, printed as they happen. Then a sixth user joins by an invitation,
# and writes over the enhanced protocol. Leaves nothing behind.
set -eu
cd "$(dirname "$0")/.."
. t/settled.sh
program=${SMTP361:-$PWD/smtp361}
dir=$(mktemp -d "${TMPDIR:-/tmp}/smtp361-demo.XXXXXX")
server=
trap '[ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || :; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir"
HOME=$dir
export HOME
unset SMTP361_SERVER SMTP361_USER SMTP361_PASSWORD_FILE XDG_CONFIG_HOME || :

fail() {
	echo "demo: $*" >&2
	cat server.err >&2
	exit 1
}

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '\n$ %s\n' "$*"; }

# talk USER PASSWORD ANSWER...: one session of the interactive client; the answers are echoed where a
# person would have typed them, but not the password
talk() {
	user=$1 password=$2
	shift 2
	say "smtp361 client   # as $user"
	printf '%s\n' "127.0.0.1:$port" "$user" "$password" "$@" | "$program" client | (
		# the prompts in the order that they come, each followed by its answer
		exec awk -v user="$user" -v server="127.0.0.1:$port" -v answers="$(printf '%s\034' "$@")" '
			BEGIN {
				n = split(answers, a, "\034"); i = 0
				p = "Enter the server IP or name: |Enter your username: |Enter your password: |choice: |" \
				    "Enter destinations \\(separated by ;\\): |Enter title: |" \
				    "Would you like to load contents from a file\\?\\(Y/N\\) |" \
				    "Enter message contents: |Enter filename: |Enter the email index you wish to view: "
			}
			{
				line = $0
				while (match(line, p)) {
					prompt = substr(line, RSTART, RLENGTH)
					printf "%s", substr(line, 1, RSTART + RLENGTH - 1)
					line = substr(line, RSTART + RLENGTH)
					if (prompt ~ /server IP/) print server
					else if (prompt ~ /username/) print user
					else if (prompt ~ /password/) print ""
					else print a[++i]
				}
				if (length(line) > 76) line = substr(line, 1, 60) "... (" length(line) " characters)"
				if (++printed <= 40 || line !~ /^\.\.\./) print line
			}'
	) || :
}

say "smtp361 keygen --all"
"$program" keygen --all

say "cat user_pass.json"
printf '{\n    "client1": "password1",\n    "client2": "password2",\n    "client3": "password3",\n    "client4": "password4",\n    "client5": "password5"\n}\n' |
	(umask 077 && tee user_pass.json)

say "smtp361 serve -l 127.0.0.1:0 &"
"$program" serve -l 127.0.0.1:0 >server.out 2>server.err &
server=$!
tries=500
until grep -q "ready to accept" server.out; do
	tries=$((tries - 1))
	[ "$tries" -gt 0 ] && kill -0 "$server" || {
		cat server.err
		exit 1
	}
	sleep 0.02
done
cat server.err server.out
port=$(sed -n 's/^Listening on .*:\([0-9]*\)$/\1/p' server.err)

# client10 is nobody: its key alone does not let it in
"$program" keygen client10 >/dev/null 2>&1
talk client10 password10

talk client1 password1 1 "client2;client4;client5" Test N "Welcome to CMPT 361 class." 4

awk 'BEGIN { for (i = 1; i <= 221070; i++) printf "%s", (i % 73 == 0 ? "\n" : substr("the quick brown fox jumps over the lazy dog ", i % 44 + 1, 1)) }' >big.txt
say "wc -c <big.txt"
wc -c <big.txt
talk client2 password2 1 "client1;client5" Test2 Y big.txt 4

talk client5 password5 2 3 1 4

say "smtp361 read 2 --content | cmp - big.txt   # as client5, for a script"
echo password5 >pw5
"$program" read 2 --content -s "127.0.0.1:$port" -u client5 --password-file pw5 >got || fail "client5 cannot read"
cmp got big.txt || fail "what client5 read is not what client2 sent"
echo "the same 221070 characters"

say "smtp361 user invite ada -s 127.0.0.1:$port >invitation"
"$program" user invite ada -s "127.0.0.1:$port" >invitation
say "smtp361 join invitation   # as ada"
"$program" join invitation || fail "ada cannot join"
say "echo 'No password, no menu.' | smtp361 send -v --to client3 --title Hello   # as ada, enhanced"
echo 'No password, no menu.' | "$program" send -v --to client3 --title Hello || fail "ada cannot send"
say "smtp361 read --last --classic ...   # as client3"
echo password3 >pw3
"$program" read --last --classic -s "127.0.0.1:$port" -k . -u client3 --password-file pw3 ||
	fail "client3 cannot read"

wait_settled . || fail "the text files did not come"
say "ls -l client1 client5; what the server printed"
ls -l client1 client5
cat server.out
for box in client1=1 client2=1 client3=1 client4=1 client5=2 ada=0; do
	n=$(find "${box%=*}" -name '*.txt' | wc -l)
	[ "$n" -eq "${box#*=}" ] || fail "$n messages for ${box%=*}, not ${box#*=}"
done
kill "$server"
wait "$server" || :
server=
grep stopped server.err
echo
echo "That was the whole of it: a message is on disk in every mailbox named before its sender sees the menu again."
