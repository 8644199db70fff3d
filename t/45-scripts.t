#!/bin/sh
# send, inbox and read as a script uses them, and as a person at a terminal does.
# shellcheck disable=SC2015
. "$(dirname "$0")/lib.sh"

PYTHON=/usr/bin/python3
site
run() {
	RC=0
	timeout 30 "$@" >o 2>e </dev/null || RC=$?
}
c() { # N APPLET...: as clientN
	n=$1 applet=$2
	shift 2
	timeout 30 "$SMTP361" "$applet" -u "client$n" --password-file "pw$n" "$@"
}
titles() { c "$1" inbox | cut -f 4-; }
start_server || exit 1
GOOD=$SMTP361_SERVER

# --- who and where: options, then the environment, then the configuration ---

echo one | c 3 send --to client1 --title "for one"
echo two | c 3 send --to client2 --title "for two"
unset SMTP361_SERVER
mkdir -p xdg/smtp361 keys
cp client1_private.pem client2_private.pem server_public.pem keys/
PW=$PWD
account="\"server\": \"$GOOD\", \"user\": \"client1\", \"keys\": \"$PW/keys\""
account="$account, \"password_file\": \"$PW/pw1\""
config() { printf '%s\n' "$1" >xdg/smtp361/config.json; }
# who [NAME=VALUE...] OPTIONS: whose inbox is it?
inbox_of() { run env XDG_CONFIG_HOME="$PWD/xdg" "$@"; echo "$RC $(cut -f 4 o)"; }
config "{$account}"
is "the configuration alone is enough" "$(inbox_of "$SMTP361" inbox)" "0 for one"
is "the environment goes before the configuration" \
	"$(inbox_of SMTP361_USER=client2 SMTP361_PASSWORD_FILE=pw2 "$SMTP361" inbox)" "0 for two"
is "an option goes before the environment" \
	"$(inbox_of SMTP361_USER=client2 SMTP361_PASSWORD_FILE=pw2 "$SMTP361" inbox -u client1 \
		--password-file pw1)" \
	\
	"0 for one"
is "an option goes before the configuration" \
	"$(inbox_of "$SMTP361" inbox -u client2 --password-file pw2)" "0 for two"
is "the environment's password file goes before the configuration's" \
	"$(inbox_of SMTP361_PASSWORD_FILE=pw2 "$SMTP361" inbox)" "77 "
is "the environment's server goes before the configuration's" \
	"$(inbox_of SMTP361_SERVER=127.0.0.1:1 "$SMTP361" inbox)" "69 "
is "-s goes before the environment's server" \
	"$(inbox_of SMTP361_SERVER=127.0.0.1:1 "$SMTP361" inbox -s "$GOOD")" "0 for one"
is "-k goes before the configuration's keys" "$(inbox_of "$SMTP361" inbox -k no/folder)" "66 "
is "an empty variable is no value" "$(inbox_of SMTP361_USER= SMTP361_SERVER= "$SMTP361" inbox)" \
	"0 for one"
is "a relative XDG_CONFIG_HOME is ignored, as its specification says" \
	"$(inbox_of XDG_CONFIG_HOME=xdg "$SMTP361" inbox)" "64 "
mkdir -p "$HOME/.config" && cp -r xdg/smtp361 "$HOME/.config/"
is "without XDG_CONFIG_HOME it is ~/.config" "$(inbox_of env -u XDG_CONFIG_HOME "$SMTP361" inbox)" \
	"0 for one"
rm -r "$HOME/.config"
config "{$account, \"later\": [1]}"
is "a field of a later version does no harm" "$(inbox_of "$SMTP361" inbox)" "0 for one"
for text in '' 'nonsense' '[]' '"client1"' '{"user": 1}' '{"server": null}' '{"keys": ["."]}' \
	'{"password_file": {}}' \
	'{"user": "client1", "user": "client2"}' '{"user": "client1"} {}' '{"user": "client1",}' \
	'{"user": "cli'; do
	config "$text"
	for a in inbox 'read --last' 'send --to client1 --title t o' client; do
		# shellcheck disable=SC2086
		run env XDG_CONFIG_HOME="$PWD/xdg" "$SMTP361" $a
		like "the configuration \"$text\": $a ends with 78 and names the file" \
			"$RC $(cat e)" '^78 .*config\.json'
	done
done
for what in folder FIFO large; do
	rm -rf xdg/smtp361/config.json
	case $what in
	folder) mkdir xdg/smtp361/config.json ;;
	FIFO) mkfifo xdg/smtp361/config.json ;;
	large) head -c 1000000 /dev/zero | tr '\0' ' ' >xdg/smtp361/config.json ;;
	esac
	run env XDG_CONFIG_HOME="$PWD/xdg" timeout 30 "$SMTP361" inbox
	like "a $what as the configuration: 78, or 66, at once and named" "$RC $(cat e)" \
		'^(78|66) .*config\.json'
done
# cut at 4095 bytes, it would be the path of config.js
rm -rf xdg/smtp361/config.json
echo "{$account}" >xdg/smtp361/config.js
deep=$(head -c $((4095 - 18 - ${#PW} - 4)) /dev/zero | tr '\0' /)$PW/xdg # and /smtp361/config.js
run env XDG_CONFIG_HOME="$deep" "$SMTP361" inbox
like "a path that is too long is not cut: 78" "$RC $(cat e)" '^78 .*path of the configuration is too long'
run env -u XDG_CONFIG_HOME HOME="$deep" "$SMTP361" inbox
is "... of a home, too" "$RC" 78
run env XDG_CONFIG_HOME="${deep#//}" "$SMTP361" inbox
is "... and one that just fits is looked for" "$RC" 64
rm -r xdg/smtp361/config.js
run "$SMTP361" inbox -u client1 --password-file pw1
like "no server anywhere: 64, and how to give one" "$RC $(cat e)" '^64 .*server'
run "$SMTP361" inbox -s "$GOOD" --password-file pw1
like "no user anywhere: 64" "$RC $(cat e)" '^64 .*user'
run "$SMTP361" inbox -s "$GOOD" -u client1
like "no password and no terminal: 64, and nothing is asked" "$RC $(cat o e | tr '\n' ' ')" \
	'^64 .*--password-file'
export SMTP361_SERVER="$GOOD"

# --- exit codes, each by its cause ---

# code TITLE CODE COMMAND...: on stdout nothing, on stderr a line or two led by the program's name
code() {
	title=$1 want=$2
	shift 2
	run "$@"
	if [ "$RC" = "$want" ] && [ ! -s o ] && sed -n 1p e | grep -q '^smtp361 ' && [ \
		"$(wc -l <e)" -le 3 ]; then
		report 0 "$title: $want"
	else
		report 1 "$title: $want"
		diag "exit $RC: $(head -c 500 o e)"
	fi
}
I="$SMTP361 inbox -u client1 --password-file pw1"
S="$SMTP361 send -u client1 --password-file pw1"
echo content >content
before=$(stored)
# shellcheck disable=SC2086
{
	for s in 127.0.0.1:65536 127.0.0.1:-1 127.0.0.1:x 127.0.0.1:1e3 127.0.0.1: '' :13000 \
		'[::1' '[::1]x' 'a b:c'; do
		code "the server \"$s\"" 64 $I -s "$s"
	done
	code "nobody listens" 69 $I -s 127.0.0.1:1
	code "nobody listens on IPv6" 69 $I -s '[::1]:1'
	code "port 0" 69 $I -s 127.0.0.1:0
	code "a host that does not resolve" 69 $I -s no-such-host.invalid
	code "a wrong password" 77 "$SMTP361" inbox -u client1 --password-file pw2
	cp client1_private.pem nobody_private.pem
	code "an unknown user" 77 "$SMTP361" inbox -u nobody --password-file pw1
	code "a password that no login block can hold" 65 sh -c \
		"head -c 900 /dev/zero | tr '\\0' x |
		'$SMTP361' inbox -u client1 --password-file -"
	code "read --last of an empty inbox" 66 "$SMTP361" read -u client5 --password-file pw5 \
		--last
	is "an empty inbox is no line" "$(c 5 inbox 2>&1)" ""
	is "an empty inbox is an empty JSON array" "$(c 5 inbox --json 2>&1 | tr -d ' \n')" "[]"
	code "read 1 of an empty inbox" 66 "$SMTP361" read -u client5 --password-file pw5 1
	code "read of an index beyond the list" 66 "$SMTP361" read -u client1 --password-file pw1 99
	for a in inbox 'read --last' 'read 1' 'send --to client2 --title t content'; do
		code "$a without a private key" 66 "$SMTP361" $a -u keyless --password-file pw1
		code "$a without a password file" 66 "$SMTP361" $a -u client1 --password-file \
			no-such-file
		code "$a with an empty stdin for the password" 66 "$SMTP361" $a -u client1 \
			--password-file -
	done
	code "send of a file that is not there" 66 $S --to client2 --title t no-such-file
	code "send of a folder" 66 $S --to client2 --title t .
	code "a title of 101 characters" 65 $S --to client2 --title "$(printf %0101d 0)" content
	code "a title with a line end" 65 $S --to client2 --title "$(printf 'a\nb')" content
	code "a title with a carriage return" 65 $S --to client2 --title "$(printf 'a\rb')" content
	code "a title of invalid UTF-8" 65 $S --to client2 --title "$(printf 'a\377')" content
	code "a title of overlong UTF-8" 65 $S --to client2 --title "$(printf 'a\300\257')" content
	code "an unknown recipient" 65 $S --to nobody --title t content
	like "... is named" "$(cat e)" 'nobody'
	code "an unknown recipient among known ones" 65 $S --to 'client2;nobody;client3' --title t \
		content
	code "the server as recipient" 65 $S --to server --title t content
	for to in '' ';' ';;' ../x /etc/passwd . .. 'client2,client3' CLIENT2 \
		"client2$(printf '\t\tx')"; do
		run $S --to "$to" --title t content
		like "the recipient \"$(printf %s "$to" | tr '\t' '?')\" is refused: 64 or 65" \
			"$RC" '^6[45]$'
	done
	run $S --to "$(printf 'client2\nTitle: x')" --title t content
	like "a recipient with a line end is refused: 64 or 65" "$RC" '^6[45]$'
	printf 'a\377b' >invalid
	code "content of invalid UTF-8" 65 $S --to client2 --title t invalid
	printf 'a\355\240\200b' >invalid
	code "content with a surrogate" 65 $S --to client2 --title t invalid
	head -c 1000001 /dev/zero | tr '\0' x >over
	code "content of 1,000,001 characters" 65 $S --to client2 --title t over
	code "content without end" 65 $S --to client2 --title t /dev/zero
	many=$($PYTHON -c 'print(";".join("u%d" % i for i in range(1001)))')
	code "1001 recipients" 65 $S --to "$many" --title t content
}
is "none of these stored anything" "$(stored)" "$before"

# a server that is none
$PYTHON - >fake.port 2>/dev/null <<'END' &
import socket, struct
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(5)
print(s.getsockname()[1], flush=True)
for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 256, b"", None):
    c, _ = s.accept()
    c.recv(4096)
    if answer is None:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        c.sendall(answer)
    c.close()
END
PIDS="$PIDS $!"
wait_for 10 test -s fake.port
fake="127.0.0.1:$(cat fake.port)"
# shellcheck disable=SC2086
{
	code "a server that answers with HTTP" 76 $I -s "$fake"
	code "a server that answers with 256 bytes of nothing" 76 $I -s "$fake"
	code "a server that closes at once" 75 $I -s "$fake"
	code "a server that resets" 75 $I -s "$fake"
}

# --- content: what is sent is what is read, byte for byte ---

# same TITLE FILE: FILE as client1's newest content
same() {
	c 1 read --last --content >got 2>e || { cat e; return 1; }
	cmp "$1" got
}
printf 'no last newline' >c1
printf 'one\n\n\n' >c2
printf 'dos\r\nlines\r\n' >c3
: >c4
head -c 1000000 /dev/zero | tr '\0' x >c5
$PYTHON -c 'import sys; sys.stdout.buffer.write("\U0001f600".encode() * 1000000)' >c6
printf 'From: client5\nTo: client1\nTitle: x\nContent Length: 3\nContent:\nabc' >c7
printf '\033]0;pwned\007\033[31m \342\200\256reversed \377' | head -c 30 | iconv -c -f UTF-8 -t \
	UTF-8 >c8 2>/dev/null ||
	printf '\033[31m' >c8
printf '\020\020\020\020\020\020\020\020\020\020\020\020\020\020\020\020' >c9 # looks like padding
printf '.\n.\r\n..\n' >c10
printf 'sixteen bytes 16' >c11
printf '\n' >c12
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	ok "content $i is sent from a file" c 2 send --to client1 --title "c$i" c$i
	ok "content $i is read as it was" same c$i
done
wait_settled
is "1,000,000 characters of 4 bytes are counted as such" \
	"$(grep -a '^Content Length' client1/client2_c6.txt)" 'Content Length: 1000000'
from_stdin() { c 2 send --to client1 --title stdin "$@" <c1; }
ok "content from stdin" from_stdin
ok "... is read as it was" same c1
ok "content from -" from_stdin -
ok "... is read as it was" same c1
from_pipe() { cat c5 | c 2 send --to client1 --title pipe; }
ok "1,000,000 characters from a pipe" from_pipe
ok "... are read as they were" same c5
mkfifo fifo
(cat c6 >fifo) &
PIDS="$PIDS $!"
ok "content from a FIFO" c 2 send --to client1 --title fifo fifo
ok "... is read as it was" same c6
ok "no stdin is no content" c 2 send --to client1 --title empty
ok "... but a message" same c4
printf 'a\000b' >nul
run "$SMTP361" send -u client2 --password-file pw2 --to client1 --title nul nul
if [ "$RC" = 0 ]; then
	ok "content with a NUL is read as it was" same nul
else
	is "content with a NUL is refused with 65" "$RC" 65
fi
run "$SMTP361" send -u client2 --password-file pw2 --to client1 --title quiet c1
is "send says nothing when all is well" "$RC$(cat o e)" 0

# --- recipients ---

before=$(stored)
ok "recipients in one option and in several, some twice" c 1 send --to 'client3; client4;;client3' \
	--to client4 \
	--to client5 --title "to three" c1
is "... each gets it once" "$(titles 3 | grep -c 'to three') $(titles 4 | grep -c 'to three') $(
	titles 5 | grep -c 'to three'
) $(($(stored) - before))" "1 1 1 3"
ok "a message to oneself" c 5 send --to client5 --title "to me" c1
is "... arrives" "$(titles 5 | tail -n 1)" "to me"

# --- titles, hostile ones too: the list, JSON and the message give them back ---

e_acute=$(printf '\303\251') smile=$(printf '\360\237\230\200')
t100=$($PYTHON -c 'print("x" * 100)') t100e=$($PYTHON -c 'print("'"$e_acute"'" * 100)')
t100s=$($PYTHON -c 'print("'"$smile"'" * 100)') tab=$(printf '\t')
ok "an empty title" c 1 send --to client4 --title "" c1
is "... is an empty field of the list" "$(titles 4 | tail -n 1)" ""
is "... whose other fields are there" "$(c 4 inbox | tail -n 1 | awk -F '\t' '{print NF, $2}')" \
	"4 client1"
for t in "$t100" "$t100e" "$t100s" a/b ../../../etc/passwd /abs . .. ' leading' 'trailing ' '  ' \
	'%2f' '~2' \
	'quote " backslash \ end' -t --help '1      client2    2022-07-21 19:29:35.768508  x' \
	'{"a": 1}' "Title: x" 'a;b' '$(reboot)' '*'; do
	shown=$(printf %s "$t" | head -c 24 | tr -c '!-~' '?')
	run "$SMTP361" send -u client1 --password-file pw1 --to client4 "--title=$t" c1
	is "the title $shown is sent" "$RC" 0
	is "... listed as it was" "$(titles 4 | tail -n 1)" "$t"
	is "... and read as it was" "$(c 4 read --last | sed -n 's/^Title: //p')" "$t"
done
# a list is lines: what could end one, move a cursor or turn text round is escaped there, not lost
for t in "tab${tab}inside" "$(printf 'esc\033[31m\033]0;x\007')" "$(printf 'rtl\342\200\256x')" \
	"$(printf 'c1\302\233x')" "$(printf 'line\342\200\250sep')"; do
	shown=$(printf %s "$t" | head -c 24 | tr -c '!-~' '?')
	run "$SMTP361" send -u client1 --password-file pw1 --to client4 "--title=$t" c1
	is "the title $shown is sent" "$RC" 0
	is "... and read as it was" "$(c 4 read --last | sed -n 's/^Title: //p')" "$t"
	is "... and by JSON" \
		"$(c 4 read --last --json |
			$PYTHON -c 'import json, sys; print(json.load(sys.stdin)["title"])')" \
		"$t"
	c 4 inbox >list
	is "... and listed in a line of four fields" \
		"$(tail -n 1 list | awk -F '\t' '{print NF}')" 4
	ok "... without a control byte" must_fail 1 grep -aq \
		"$(printf '[\001-\010\013-\037\177]')" list
done
ok "a title twice makes two messages" sh -c "
	'$SMTP361' send -u client1 --password-file pw1 --to client4 --title twice c1 &&
	'$SMTP361' send -u client1 --password-file pw1 --to client4 --title twice c2"
is "... both listed" "$(titles 4 | grep -c '^twice$')" 2
wait_settled
is "nothing was written outside of the mailboxes" \
	"$(find . "$HOME_DIR" -name '*.txt' ! -path '*/client?/*')" ""
c 4 inbox >list
is "every line of the list has its index" "$(cut -f 1 list | tr '\n' ' ')" \
	"$(seq -s ' ' "$(wc -l <list)") "
is "every line of the list has its time" "$(cut -f 3 list |
	grep -cvE '^20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}$')" 0
ok "the list is sorted by time" sh -c 'cut -f 3 list | sort -c'
c 4 inbox --json >list.json
ok "inbox --json is JSON" $PYTHON -m json.tool list.json
$PYTHON -c '
import json
rows = json.load(open("list.json", encoding="utf-8"))
lines = open("list", encoding="utf-8", newline="").read().split("\n")[:-1]
assert len(rows) == len(lines), (len(rows), len(lines))
for r, l in zip(rows, lines):
    index, source, time, title = l.split("\t", 3)
    assert (str(r["index"]), r["from"]) == (index, source), (r, l)
    assert (r["time"], r["title"]) == (time, title), (r, l)
' >o 2>&1
is "inbox --json says what the lines say, hostile titles too" "$(cat o)" ""
bad=''
for i in $(cut -f 1 list); do
	c 4 read --json "$i" >m.json && c 4 read "$i" --content >m.content && $PYTHON -c '
import json, sys
m, rows = (json.load(open(f, encoding="utf-8")) for f in ("m.json", "list.json"))
r = rows[int(sys.argv[1]) - 1]
assert (m["from"], m["time"]) == (r["from"], r["time"])
assert m["title"] == r["title"] or "\\" in r["title"]
assert m["content"] == open("m.content", encoding="utf-8", newline="").read()
assert m["length"] == len(m["content"])
assert "client4" in m["to"]
' "$i" || bad="$bad $i"
done
is "read --json agrees with the list and with read --content, for each message" "$bad" ""
ok "send --json is JSON" sh -c \
	"'$SMTP361' send -u client1 --password-file pw1 --to 'client4;client5' \
	--title '\"\\' --json c1 >s.json && $PYTHON -m json.tool s.json"
# --- part of a list, the same over both wires ---

echo x | c 4 send --to client4 --title own
c 4 inbox >whole
for wire in --classic --enhanced; do
	part() { c 4 inbox $wire -k . "$@"; }
	is "inbox $wire --limit 3 is the last three rows" "$(part --limit 3)" "$(tail -n 3 whole)"
	is "... --limit above them all is all" "$(part --limit 1000000000)" "$(cat whole)"
	is "... --from is one sender's rows" "$(part --from client1)" \
		"$(awk -F '\t' '$2 == "client1"' whole)"
	is "... --from with --limit: filtered first" "$(part --from client1 --limit 2)" \
		"$(awk -F '\t' '$2 == "client1"' whole | tail -n 2)"
	is "... --from somebody who sent nothing: nothing, and 0" "$(part --from client5; echo $?)" 0
	is "... --json, too" "$(part --from client4 --json | grep -c '"title": "own"')" 1
	run "$SMTP361" inbox $wire -k . -u client4 --password-file pw4 --wait --from client5 --timeout 1
	is "... --wait --from waits for that sender" "$RC $(cat o)" "75 "
done
for o in --since --after; do
	run "$SMTP361" inbox -u client4 --password-file pw4 $o 0
	is "$o over the classic protocol, which has no ids: 64" "$RC" 64
done

# --- output that does not get out ---

full() { "$@" >/dev/full; }
closed() { "$@" >&-; }
for way in full closed; do
	for what in inbox 'inbox --json' 'read --last' 'read --content 1' 'read --json 1' \
		'send --json --to client5 --title j c1'; do
		# shellcheck disable=SC2086
		ok "$what with stdout $way: 74" must_fail 74 $way "$SMTP361" $what -u client4 \
			--password-file pw4
	done
done
early() { c 1 read --content 6 2>early.err | head -c 10; }
is "a reader that ends early does no harm" "$(early)" "xxxxxxxxxx"

# --- waiting ---

run "$SMTP361" inbox -u client3 --password-file pw3 --wait --timeout 1
like "--wait --timeout 1 without a message: 75, nothing on stdout" "$RC $(cat o)" '^75 $'
(
	rc=0
	c 3 inbox --wait --timeout 30 >w.out 2>w.err || rc=$?
	echo $rc >w.rc
) &
PIDS="$PIDS $!"
# it must have listed once before the message that it waits for: send until it returns
poke() {
	[ -s w.rc ] || c 2 send --to client3 --title wake c1
	test -s w.rc
}
ok "--wait returns when a message comes" wait_for 20 poke
is "... with 0" "$(cat w.rc)" 0
is "... and lists new messages alone" "$(cut -f 4 w.out | sort -u)" "wake"

(
	rc=0
	c 3 inbox --wait --from client5 --limit 1 --timeout 30 >w.out 2>w.err || rc=$?
	echo $rc >w2.rc
) &
PIDS="$PIDS $!"
poke() {
	[ -s w2.rc ] || { c 2 send --to client3 --title other c1 && c 5 send --to client3 --title this c1; }
	test -s w2.rc
}
ok "--wait --from returns when that sender's comes" wait_for 20 poke
is "... with 0, and that one alone" "$(cat w2.rc) $(cut -f 2,4 w.out)" "0 client5	this"

# --- mailboxes that are full, over both wires ---

ok "the server ends well" stop_server
mkdir limits
cp -p server_private.pem server_x25519_private.pem client?_public.pem client?_x25519_public.pem limits/
cat >limits/user_pass.json <<'END'
{"client1": "password1", "client2": {"max_messages": 3}, "client3": "password3",
 "client4": {"max_bytes": 1000}, "client5": {"max_messages": 100, "max_bytes": 100000}}
END
chmod 600 limits/user_pass.json
start_server -d limits --max-messages 2 --max-bytes 3K
held() {
	wait_settled limits
	find "limits/client$1" -name '*.txt' -type f | wc -l
}
limited() { # WIRE TO TITLE FILE [OPTION...]
	wire=$1 to=$2 title=$3 file=$4
	shift 4
	run "$SMTP361" send "$wire" -k . -u client1 --password-file pw1 --to "$to" --title "$title" "$@" "$file"
}
head -c 900 /dev/zero | tr '\0' x >c900
head -c 2900 /dev/zero | tr '\0' x >c2900
for wire in --classic --enhanced; do
	limited $wire client3 one c1
	limited $wire client3 two c1
	is "send $wire up to --max-messages is stored" "$RC $(held 3)" "0 2"
	limited $wire client3 three c1
	is "... one more is 75" "$RC $(held 3)" "75 2"
	like "... and says whose mailbox is full, of what, and what to do" "$(cat e)" \
		'try again later: mailbox client3 is full: it holds 2 of at most 2 messages$'
	limited $wire 'client5;client3;client2' several c1
	is "... one of several that is full refuses all" "$RC $(held 5) $(held 2)" "75 0 0"
	rm -f limits/client3/*.txt
	limited $wire client3 large c2900
	is "... a message that --max-bytes just leaves room for is stored" "$RC $(held 3)" "0 1"
	limited $wire client3 more c900
	is "... one that it does not is 75" "$RC $(held 3)" "75 1"
	like "... and says by how much" "$(cat e)" \
		'mailbox client3 is full: it holds [0-9]{4} of at most 3072 bytes, and this message has (9|10)[0-9]{2}$'
	for i in 1 2 3; do
		limited $wire client2 "own $i" c1
	done
	is "... an account's own limit goes before the default" "$RC $(held 2)" "0 3"
	limited $wire client2 "own 4" c1
	is "... and holds, too" "$RC $(held 2)" "75 3"
	limited $wire client4 "own bytes" c900
	is "... the bytes of its own" "$RC $(held 4)" "75 0"
	limited $wire client4 "own bytes" c1
	limited $wire client4 "own bytes" c1
	is "... beside the default of messages" "$RC $(held 4)" "0 2"
	limited $wire client4 "own bytes" c1
	is "... which holds" "$RC $(held 4)" "75 2"
	rm -f limits/client?/*.txt
done
mine=00112233445566778899aabbccddeeff
limited --enhanced client3 filler c1
limited --enhanced client3 last c1 --id $mine
limited --enhanced client3 last c1 --id $mine --json
is "a retry of what filled the mailbox is stored before, not refused" \
	"$RC $(held 3) $(grep -c '"again": true' o)" "0 2 1"
like "the log has why" "$(cat err)" 'rejected user=client1 code=75 text="(try again later: )?mailbox client3 is full'
printf '%s\n' '{"to": "client3", "title": "a", "content": "x"}' '{"to": "client5", "title": "b", "content": "x"}' >letters.jsonl
"$SMTP361" send --enhanced -k . -u client1 --password-file pw1 --batch <letters.jsonl >o 2>e
is "a batch goes on behind a mailbox that is full, and is 75" "$? $(cut -f 2 o | tr '\n' ' ')" "75 failed stored "

# --- a full disk at the server ---

ok "the server ends well" stop_server
ROOM=
SOCKET=smtp361-t-$$-0
mkdir small
trap '[ -z "$ROOM" ] || umount -l "$ROOM"
	! command -v tmux >/dev/null || tmux -L "$SOCKET" kill-server 2>/dev/null; cleanup' EXIT
if is_root && mount -t tmpfs -o size=1m smtp361-t small 2>/dev/null; then
	ROOM=$PWD/small
	cp -p server_private.pem client?_public.pem user_pass.json small/
	start_server -d small
	ok "with room: sent" c 1 send --to 'client2;client3' --title room c1
	wait_settled small
	ls -1 small/client? >before
	dd if=/dev/zero of=small/filler bs=1024 2>/dev/null
	head -c 100000 /dev/zero | tr '\0' x >c100k
	head -c 20000 /dev/zero | tr '\0' x >c20k
	fills() { c 1 send --to 'client2;client3' --title "$1" "$2"; }
	ok "a full disk: the room that the journal has taken ahead still takes a small message" fills small c1
	is "... which is listed, and can be read" "$(titles 2 | tr '\n' ' ')$(c 3 read --last --content)" \
		"room small $(cat c1)"
	code "... but no large one: 75" 75 "$SMTP361" send -u client1 --password-file pw1 --to \
		'client2;client3' --title large c100k
	more=0
	while [ $more -lt 40 ] && fills "more" c20k 2>full.err; do
		more=$((more + 1))
	done
	ok "... and when that room is full ($more more), small ones are refused, too" test $more -lt 40
	like "... with the reason" "$(cat full.err)" 'try again later: cannot .*: No space left on device'
	is "... what was acknowledged is listed, and nothing else" "$(titles 3 | sort | uniq -c | tr -s ' ' | tr '\n' ';')" \
		"$([ $more = 0 ] || echo " $more more;") 1 room; 1 small;"
	ls -1 small/client? >after
	ok "... no text file came, and nothing is left over" cmp before after
	rm small/filler
	ok "with room again: a large one is stored" fills again c100k
	is "... and listed, behind all the others" "$(titles 3 | tail -n 1)" again
	ok "that server ends well" stop_server
	is "... with every text file there, once" "$(find small/client2 small/client3 -name '*.txt' | wc -l)" \
		$((2 * (more + 3)))
	is "... and nothing left in the spool" "$(ls -A small/.spool)" ""
	umount "$ROOM" && ROOM=
else
	skip "a full disk: 75" "no tmpfs can be mounted"
fi
start_server || exit 1

# --- the end of input does not spin ---

for text in '' 'client1\n' 'client1\nclient2'; do
	start=$(date +%s)
	RC=0
	printf "$text" | timeout 10 "$SMTP361" client -s "$SMTP361_SERVER" >o 2>e || RC=$?
	ok "client whose input ends after \"$text\" ends too, not with 0" test "$RC" != 0 -a "$RC" \
		-lt 124
done
RC=0
printf '1\nclient1\nTitle' | timeout 10 "$SMTP361" client -s "$SMTP361_SERVER" -u client1 \
	--password-file pw1 >o 2>e || RC=$?
ok "client whose input ends inside of a message ends, and sends nothing" sh -c \
	". '$ROOT/t/settled.sh' && [ $RC -lt 124 ] && wait_settled && ! ls client1 | grep client1_Title"
RC=0
timeout 10 "$SMTP361" client -s "$SMTP361_SERVER" -u client1 --password-file pw1 >o 2>e <&- || RC=$?
ok "client without a stdin ends" test "$RC" -lt 124

# --- at a terminal ---

if ! command -v tmux >/dev/null || [ -n "$SANITIZED" ]; then
	skip "what a terminal shows" "no tmux, or a sanitizer build"
	done_testing
fi
unset TMUX
export TERM=screen TMUX_TMPDIR="$HOME_DIR"
mkfifo go
# tty_run COMMANDS: by sh in a terminal of 120 x 40; they write to `raw`, their end is in tty.rc. The server of the one
# before may still be going
runs=0
tty_run() {
	runs=$((runs + 1))
	SOCKET=smtp361-t-$$-$runs
	rm -f raw tty.rc stty.after
	# the shell itself outlives a Ctrl-C; a trap is not inherited
	printf 'trap : INT\nread -r x <go\n%s\nrc=$?\nstty -a >stty.after\necho $rc >tty.rc\n' \
		"$1" >tty.sh
	tmux -L "$SOCKET" -f /dev/null new-session -d -x 120 -y 40 "sh tty.sh"
	: >raw
	tmux -L "$SOCKET" pipe-pane "cat >>'$PWD/raw'"
	echo go >go
}
tty_end() { # wait for the end, then end the terminal; the exit code
	wait_for 20 test -s tty.rc || echo hangs
	tmux -L "$SOCKET" kill-session 2>/dev/null
	cat tty.rc 2>/dev/null
}
# what is on the screen comes a moment before it is in `raw`
raw_has() { wait_for 10 grep -aEq -- "$1" raw; }
keys() { tmux -L "$SOCKET" send-keys "$@"; }
echoes() { grep -q ' echo ' stty.after; }
P="$SMTP361"

esc=$(printf '\033') rtl=$(printf '\342\200\256')
printf \
	'red \033[31m \033]0;owned\007 %sabc, del \177, c1 \302\233, \001, \there\nsecond line\n' \
	"$rtl" >hostile
c 1 send --to client2 --title "title ${esc}[31m${rtl}x" hostile
tty_run \
	"'$P' inbox -u client2 --password-file pw2; echo THE END"
ok "inbox on a terminal is shown" raw_has 'THE END'
tty_end >/dev/null
ok "... as a table with a heading" grep -aq 'Index  From      DateTime                      Title' \
	raw
tty_run "'$P' inbox -u client2 --password-file pw2; echo THE END"
raw_has 'THE END'
is "inbox on a terminal ends with 0" "$(tty_end)" 0
ok "... and no escape sequence or override reaches the terminal" must_fail 1 grep -aEq "$esc|$rtl" \
	raw
ok "... but its text does" grep -aq 'title .*\[31m.*x' raw
tty_run "'$P' read --last -u client2 --password-file pw2; echo THE END"
raw_has 'THE END'
is "read on a terminal ends with 0" "$(tty_end)" 0
ok "... no control byte but TAB, CR and LF reaches the terminal" \
	must_fail 1 grep -aq "$(printf '[\001-\010\013\014\016-\037\177]')" raw
ok "... no override and no C1 control either" must_fail 1 grep -aEq "$rtl|$(printf '\302\233')" raw
ok "... the lines stay lines" grep -aq '^second line' raw
tty_run "'$P' read --last --content -u client2 --password-file pw2; echo THE END"
raw_has 'THE END'
tty_end >/dev/null
ok "read --content on a terminal is harmless too" must_fail 1 grep -aEq "$esc|$rtl" raw
tty_run \
	"'$P' send --to 'nobody${esc}[31m' --title t -u client1 --password-file pw1 c1
'$P' '${esc}[31m'
'$P' inbox -s '${esc}[31m:99999'
'$P' send -u client1 --password-file pw1 --to client2 --title t '${esc}[31m'; echo THE END"
raw_has 'THE END'
tty_end >/dev/null
ok "messages about hostile arguments are harmless" must_fail 1 grep -aq "$esc" raw

tty_run "'$P' inbox -u client1"
ok "without a password file a terminal is asked" raw_has 'password: '
keys password1 Enter
is "... and the right answer logs in" "$(tty_end)" 0
ok "... the password is not shown" must_fail 1 grep -aq password1 raw
ok "... the list is" grep -aq 'for one' raw
ok "... and the terminal echoes again" echoes
tty_run "'$P' inbox -u client1"
raw_has 'password: '
keys wrong Enter
is "a wrong answer is 77" "$(tty_end)" 77
ok "... and the terminal echoes again" echoes
for what in "inbox -u client1" "read -u client1 --last" "client -u client1" "user passwd client1"; \
	do
	cp -p user_pass.json before
	tty_run "'$P' $what"
	ok "$what asks for the password" raw_has 'password: '
	keys C-c
	is "$what: Ctrl-C at the prompt ends it with 130" "$(tty_end)" 130
	ok "... the terminal echoes again" echoes
	ok "... and nothing is changed" cmp before user_pass.json
	tty_run "'$P' $what"
	raw_has 'password: '
	keys abc C-c
	is "$what: Ctrl-C in the middle of the password: 130" "$(tty_end)" 130
	ok "... the terminal echoes again" echoes
	tty_run "'$P' $what"
	raw_has 'password: '
	keys C-d
	is "$what: the end of input at the prompt ends it with 66" "$(tty_end)" 66
	ok "... the terminal echoes again" echoes
	[ "${what#user}" = "$what" ] || continue # which asks twice
	tty_run "'$P' $what"
	raw_has 'password: '
	keys Enter
	like "$what: an empty password ends it" "$(tty_end)" '^[1-9][0-9]*$'
done
tty_run "'$P' client"
ok "client asks for the user" raw_has 'username: '
keys C-c
is "Ctrl-C at the user's name ends it with 130" "$(tty_end)" 130
tty_run "'$P' client -u client1 --password-file pw1"
ok "client shows the menu" raw_has 'choice: '
keys C-d
is "the end of input at the menu leaves in good order" "$(tty_end)" 0
tty_run "'$P' client -u client1 --password-file pw1"
raw_has 'choice: '
keys C-c
is "Ctrl-C at the menu ends it with 130" "$(tty_end)" 130
ok "... the terminal echoes" echoes

# user: asked twice
tty_run "'$P' user add typed"
ok "user add asks" raw_has 'password: '
keys typed-secret Enter
ok "... and asks again" raw_has 'again: '
keys typed-secret Enter
is "... and adds" "$(tty_end)" 0
ok "... the password is not shown" must_fail 1 grep -aq typed-secret raw
cp -p client1_private.pem typed_private.pem && cp client1_public.pem typed_public.pem
echo typed-secret >pw-typed
ok "... and it logs in" "$P" inbox -u typed --password-file pw-typed
tty_run "'$P' user add other"
raw_has 'password: '
keys one-secret Enter
raw_has 'again: '
keys two-secret Enter
is "two different answers: 65" "$(tty_end)" 65
is "... and no account" "$("$P" user list | grep -c other)" 0

# $EDITOR
mkdir tmp
printf '#!/bin/sh\nprintf "written by %%s\\n" "$1" >"$2"\n' >editor && chmod +x editor
printf '#!/bin/sh\nstat -c %%a "$1" >mode\nexit 3\n' >failing && chmod +x failing
sends="'$P' send -u client1 --password-file pw1 --to client3 --title edited"
before=$(stored)
tty_run "TMPDIR='$PWD/tmp' EDITOR='./editor hand' $sends"
is "send on a terminal without a file runs \$EDITOR, which may have arguments" "$(tty_end)" 0
is "... and sends what it wrote" "$(c 3 read --last --content)" "written by hand"
is "... and leaves no file" "$(ls -A tmp)" ""
tty_run "TMPDIR='$PWD/tmp' VISUAL='./editor eye' EDITOR='./editor hand' $sends"
is "\$VISUAL goes first" "$(tty_end) $(c 3 read --last --content)" "0 written by eye"
count=$(stored)
tty_run "TMPDIR='$PWD/tmp' EDITOR=./failing $sends"
like "an editor that fails: not 0" "$(tty_end)" '^[1-9]'
is "... nothing is sent, and no file left" "$(stored)$(ls -A tmp)" "$count"
is "... the file was private" "$(cat mode)" 600
tty_run "TMPDIR='$PWD/tmp' EDITOR=true $sends"
is "an editor that writes nothing: 65" "$(tty_end)" 65
tty_run "TMPDIR='$PWD/tmp' EDITOR=./no-such-editor $sends"
like "an editor that is not there: not 0" "$(tty_end)" '^[1-9]'
tty_run "$sends"
is "no editor: 64" "$(tty_end)" 64
is "none of these sent anything or left a file" "$(stored)$(ls -A tmp)" "$count"
printf '#!/bin/sh\ntrap "" INT\necho ready\nread -r line\necho "$line" >"$1"\n' >waiting && chmod \
	+x waiting
tty_run "TMPDIR='$PWD/tmp' EDITOR=./waiting $sends"
raw_has ready
keys C-c
keys survived Enter
is "Ctrl-C belongs to the editor while it runs" "$(tty_end)" 0
is "... the message is sent" "$(c 3 read --last --content)" "survived"
is "... and no file is left" "$(ls -A tmp)" ""

# a long text comes in pieces
PYTHONPATH="$ROOT/t/peer" $PYTHON -B "$ROOT/t/peer/pieces.py" "$P" -u client1 --password-file pw1 --to client5 ++ \
	-u client5 --password-file pw5 >bad 2>&1
is "no character is cut on a terminal, by read or in the menu" "$(cat bad)" ""

ok "the server ends well at last" stop_server
done_testing
