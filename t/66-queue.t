#!/bin/sh
# The queue of sendmail: what went into it with exit 0 stays until the server has it, whatever dies; it
# goes once, in order; and no password is in it.
. "$(dirname "$0")/lib.sh"
PYTHON="/usr/bin/python3 -B"
export SMTP361 BUILD
site
cat >user_pass.json <<'END'
{"client1": {}, "client2": {}, "client3": {}, "client4": "password4"}
END
chmod 600 user_pass.json
start_server || exit 1
SERVER=$SMTP361_SERVER
export SMTP361_USER=client1
QUEUE=$HOME/.local/state/smtp361/queue

send() { # INPUT OPTIONS...: RC, o, e
	input=$1
	shift
	RC=0
	# shellcheck disable=SC2059
	printf "$input" | timeout 60 "$SMTP361" sendmail "$@" >o 2>e || RC=$?
}
queue() {
	RC=0
	timeout 60 "$SMTP361" queue "$@" >"$HOME_DIR/site/o" 2>"$HOME_DIR/site/e" </dev/null || RC=$?
}
listed() { "$SMTP361" queue list | cut -f "$1"; } # FIELD
subjects() { for id in $(listed 1); do sed -n 's/^Subject: //p' "$QUEUE/$id.message"; done | tr '\n' ' '; }
titles() { "$SMTP361" inbox --enhanced -u "client$1" -s "$SERVER" | cut -f 4 | tr '\n' ' '; }

# --- in ---

queue list
is "the list of a queue that never was is empty" "$(said)" "0 "
send 'Subject: a\n\nx\n' --queue client2
is "what can be handed over is not queued" "$(said)$(titles 2)$(listed 1)" "0 a "
export SMTP361_SERVER=127.0.0.1:1
send 'Subject: b\n\nx\n' client2
is "without --queue a server that is not there is 75" "$RC $(listed 1)" "75 "
send 'Subject: c\n\nx\n' --queue client2
is "with it the message is queued, without a word: 0" "$(said)" "0 "
send 'Subject: d\n\nx\n' --queue -v client2 client3
like "... -v says so, and why" "$(said)" '^0 .*queued as [0-9]{16}: cannot connect'
export SMTP361_SERVER=$SERVER
send 'Subject: e\n\nx\n' -odq client2
is "-odq does not even try" "$(said)$(titles 2)" "0 a "
is "they stand in the order of their arrival" "$(subjects)" "c d e "
is "... with the attempts so far" "$(listed 3 | tr '\n' ' ')" "1 1 0 "
is "... with whom they are for" "$(listed 5 | tr '\n' ' ')" "client2 client2;client3 client2 "
is "files are 0600, the folder is 0700" "$(stat -c %a "$QUEUE" "$QUEUE"/*.message "$QUEUE"/*.state | sort | uniq -c | tr -s ' \n' ' ')" " 5 600 1 700 "
for to in nobody client2@example.org; do
	send 'x\n' --queue $to
	is "$to is refused, not queued" "$RC $(listed 1 | wc -l)" "67 3"
done
send 'a\0b\n' --queue client2
is "so is a message that is none" "$RC $(listed 1 | wc -l)" "65 3"
send 'x\n' --queue -f 'a b' client2
is "... and misuse" "$RC $(listed 1 | wc -l)" "64 3"
printf '%s\n' "$("$SMTP361" queue list --json)" >json
ok "--json tells all of it" $PYTHON -c "
import json, time
rows = json.load(open('json'))
assert [r['state'] for r in rows] == ['waiting'] * 3 and [r['attempts'] for r in rows] == [1, 1, 0], rows
assert rows[1]['to'] == ['client2', 'client3'] and rows[0]['code'] == 75 and 'connect' in rows[0]['error']
assert abs(rows[0]['time'] / 1e6 - time.time()) < 300 and rows[0]['bytes'] > 20 and len(rows[0]['id']) == 32
assert rows[0]['destination']['server'] == '127.0.0.1:1' and rows[2]['destination']['keys'].startswith('/')"
printf 'To: client2\nSubject: f\n\nx\n' | SMTP361_PASSWORD_FILE=pw4 SMTP361_USER=client4 "$SMTP361" sendmail -t -odq
is "no password is in the queue, but where it is" "$(grep -l password4 "$QUEUE"/*)$(grep -c "$PWD/pw4" "$(ls "$QUEUE"/*.message | tail -n 1)")" 1
(ulimit -f 0 && printf 'Subject: g\n\nx\n' | "$SMTP361" sendmail -odq client2 2>/dev/null) 2>/dev/null
is "a queue that finds no room is no success" "$(test $? != 0 && listed 1 | wc -l)" 4

for o in '--smtp a:b' '--smtp a --tls-pin abc' '--smtp a --no-tls --tls-ca x' '--password-file -' '--tls-ca x'; do
	# shellcheck disable=SC2086
	send 'x\n' -odq $o client2@b.example
	is "nor does what could never go: $o: 64" "$RC $(listed 1 | wc -l)" "64 4"
done
digest=$(yes AB | sed 32q | paste -sd :)
send 'x\n' -odq --smtp a --tls-pin "$digest" client2@b.example
like "of a pin by the whole certificate it says which one is meant: 64" "$(said)" "^64 .*$digest\".*hint: .*in hex"

# --- out ---

cd / || exit 1
queue flush
cd "$HOME_DIR/site" || exit 1
is "flush sends what can go now: 75 while some are left" "$RC $(titles 2)" "75 a e f "
is "... who stays was tried once more" "$(listed 3 | tr '\n' ' ')" "2 2 "
is "... and it says what became of each" "$(cut -f 2 o | tr '\n' ' ')" "waiting waiting sent sent "
queue flush
is "again, from elsewhere" "$RC $(cut -f 2 o | tr '\n' ' ')" "75 waiting waiting "
first=$(listed 1 | head -n 1)
queue drop "$first"
is "drop takes one out" "$(said)$(subjects)" "0 d "
is "... with all that belongs to it" "$(ls "$QUEUE" | wc -l)" 2
queue drop "$first"
like "... who is not there: 66" "$(said)" '^66 .*there is no'
for id in ../x 1 "" abc 00000000000000000 0000000000000000; do
	queue flush -- "$id"
	is "an id that is none (\"$id\"): 66" "$RC" 66
done
sed -i 's/127\.0\.0\.1:1/'"$SERVER"'/' "$QUEUE"/*.message
queue flush
is "when the server is there all goes: 0" "$RC $(titles 2)" "0 a e f d "
is "... the queue is empty" "$(listed 1)$(ls "$QUEUE")" ""
queue flush
is "... to flush it is nothing: 0" "$(said)" "0 "

# a configuration that cannot be read keeps back, and breaks nothing
mkdir -p broken/smtp361 && echo '{"domains": [1]}' >broken/smtp361/config.json
send 'Subject: k\n\nx\n' -odq client2
send 'Subject: l\n\nx\n' -odq client2
XDG_CONFIG_HOME=$PWD/broken queue flush
is "a damaged configuration: each message stays, with the reason" "$RC $(cut -f 2 o | tr '\n' ' ')" "75 waiting waiting "
queue flush
is "... and goes when it is mended" "$RC $(titles 2)" "0 a e f d k l "

# nor is one that cannot be reached none: whom an alias means is not refused for good
mkdir -p loop large/smtp361 aliased/smtp361
ln -s smtp361 loop/smtp361
head -c 100000 /dev/zero | tr '\0' ' ' >large/smtp361/config.json
echo '{"aliases": {"root": "client2"}}' >aliased/smtp361/config.json
XDG_CONFIG_HOME=$PWD/aliased send 'Subject: m\n\nx\n' -odq root
for what in loop large; do
	XDG_CONFIG_HOME=$PWD/$what queue flush
	like "a configuration that cannot be read ($what): it stays, with the reason" "$RC $(listed 2)$(listed 7)" \
		"^75 waitingcannot .*/$what/smtp361/config.json"
done
XDG_CONFIG_HOME=$PWD/aliased queue flush
is "... and goes where it can" "$RC $(titles 2)" "0 a e f d k l m "

# a message that will never go
send 'Subject: h\n\nx\n' -odq client99
send 'Subject: i\n\nx\n' -odq client2
queue flush
is "what is refused for good is marked as failed, and keeps nobody back" "$RC $(listed 2) $(titles 2)" "75 failed a e f d k l m i "
queue flush
is "... it is not tried again" "$RC $(cat o) $(listed 3)" "75  1"
queue flush "$(listed 1)"
is "... but by its name" "$RC $(listed 3)" "75 2"
like "... with its reason" "$(listed 7)" 'no such user: client99'
queue drop "$(listed 1)"
echo 'no ticket' >"$QUEUE/0000000000000001.message"
send 'Subject: j\n\nx\n' -odq client2
queue flush
is "a file that is damaged keeps nobody back" "$RC $(listed 2 | tr '\n' ' ')$(titles 2)" "75 damaged a e f d k l m i j "
queue drop 0000000000000001
is "... and can be dropped" "$(said)" "0 "

# two at once
send 'Subject: k\n\nx\n' -odq client2
if command -v flock >/dev/null; then
	flock "$QUEUE/.flush" sh -c "'$SMTP361' queue flush >o 2>e; echo \$? >code"
	like "a second flush does not begin: 75" "$(cat code e)" '^75|already'
	is "... nothing is sent by it" "$(titles 2)" "a e f d k l m i j "
	flock "$QUEUE/.flush" sh -c "'$SMTP361' queue drop $(listed 1) >o 2>e; echo \$? >code"
	is "... nor dropped meanwhile" "$(cat code) $(listed 1 | wc -l)" "75 1"
else
	skip "a second flush does not begin: 75" "no flock"
fi
n=0
while [ $n -lt 12 ]; do
	n=$((n + 1))
	printf 'Subject: p%s\n\nx\n' $n | "$SMTP361" sendmail -odq client3 &
	PIDS="$PIDS $!"
done
wait_for 20 sh -c "[ \$(ls '$QUEUE' | grep -c message\$) = 13 ]"
is "twelve at once are twelve" "$(listed 1 | sort -u | wc -l)" 13
for n in 1 2 3; do
	"$SMTP361" queue flush >"flush$n" 2>&1 &
	PIDS="$PIDS $!"
done
wait_for 20 sh -c "! ls '$QUEUE' | grep -q message\$"
wait_for 20 sh -c "[ \$(cat flush1 flush2 flush3 | grep -c sent) = 13 ]"
is "three flushes at once send each once" "$(titles 3 | tr ' ' '\n' | grep '^p' | sort | uniq -c | awk '$1 == 1' | wc -l)" 12

# --- an SMTP server, whose recipients differ ---

$PYTHON -c '
import os, subprocess, sys
sys.path.insert(0, sys.argv[1])
from smtp_fake import Fake
from verdict import check
import json
me = os.environ["SMTP361"]
def queue(*a):
    r = subprocess.run([me, "queue", *a], capture_output=True)
    return r.returncode, r.stdout.decode()
rcpt = [b"250 ok\r\n", b"451 4.2.0 later\r\n", b"550 5.1.1 who?\r\n", b"250 ok\r\n", b"550 5.1.1 who?\r\n", b"550 5.1.1 who?\r\n"]
fake = Fake({"RCPT": rcpt}, offers=())
where = ["--smtp", f"localhost:{fake.port}", "--no-tls"]
r = subprocess.run([me, "sendmail", "--queue", *where, "a@y.example", "b@y.example", "c@y.example"], input=b"Subject: s\n\nx\n", capture_output=True)
left = json.loads(queue("list", "--json")[1])
check("who has the message is not in the queue, only the others", r.returncode == 0 and left[0]["to"] == ["b@y.example", "c@y.example"])
code, out = queue("flush")
left = json.loads(queue("list", "--json")[1])
check("... who gets it later leaves it", code == 75 and left[0]["to"] == ["c@y.example"] and left[0]["state"] == "failed")
check("... the server has one message for each", [len(s.data) for s in fake.end()] == [1, 1])
queue("drop", left[0]["queue_id"])
fake = Fake({".": [b"250 ok\r\n", b"451 4.3.0 later\r\n", b"250 ok\r\n"]}, offers=())
where = ["--smtp", f"localhost:{fake.port}", "--no-tls"]
for i in range(3):
    subprocess.run([me, "sendmail", "-odq", *where, "a@y.example"], input=b"Subject: s%d\n\nx\n" % i, check=True)
code, out = queue("flush")
check("what goes to one server goes over one connection, and one that is put off keeps nobody back",
      code == 75 and [line.split("\t")[1] for line in out.splitlines()] == ["sent", "waiting", "sent"])
check("... in order", [len(s.data) for s in fake.end()] == [3])
left = json.loads(queue("list", "--json")[1])
check("... with its reason", "451 4.3.0 later" in left[0]["error"] and left[0]["code"] == 75)
queue("drop", left[0]["queue_id"])
' "$ROOT/t/peer" >fake.out 2>&1 || why "$(tail -n 3 fake.out)"
judged "an SMTP server's answers are kept for each recipient" cat fake.out

# --- the folder ---

chmod 777 "$QUEUE"
send 'x\n' -odq client2
is "a folder where others can write is not used: 73" "$RC" 73
chmod 700 "$QUEUE"
RC=0
env -u HOME -u XDG_STATE_HOME "$SMTP361" queue list >o 2>e || RC=$?
is "nothing says where it is: 78" "$RC" 78
RC=0
XDG_STATE_HOME=$(head -c 4090 /dev/zero | tr '\0' /)$PWD "$SMTP361" queue list >o 2>e || RC=$?
like "a path that is too long is not cut: 78" "$RC $(cat e)" '^78 .*too long'
RC=0
XDG_STATE_HOME=/proc/nowhere "$SMTP361" queue list >o 2>e || RC=$?
ok "it cannot be made: not 0" test "$RC" != 0

# --- deaths and faults ---

if [ -n "$SANITIZED" ]; then
	skip "the queue under deaths and faults" "it is struck in the plain build"
else
	judged "the deaths and faults come to their end" $PYTHON "$ROOT/t/fault/mail_queue.py" "$SERVER"
fi
ok "the server ends in good order" stop_server
done_testing
