#!/bin/sh
# What may happen to a mailbox between two listings, and must pass without a trace.
. "$(dirname "$0")/lib.sh"

site
start_server
echo hello >hello.txt
for title in A B; do
	as client1 send -t client2 --title $title hello.txt
done
titles() { as client2 inbox | cut -f 4 | tr '\n' ' '; }
is "two messages are listed" "$(titles)" "A B "
wait_settled

# traced COMMAND...: run it while the server's next sessions suffer the injection in $INJECT
traced() {
	strace -f -qq -o trace -p "$SERVER_PID" $INJECT 2>strace.err &
	tracer=$!
	PIDS="$PIDS $tracer"
	wait_for 5 grep -q "TracerPid:.$tracer" "/proc/$SERVER_PID/status"
	traced_rc=0
	"$@" || traced_rc=$?
	kill -INT $tracer
	wait $tracer 2>/dev/null
	return $traced_rc
}
if [ -n "$SANITIZED" ] || ! command -v strace >/dev/null || ! is_root; then
	skip "a fault that passes leaves no message damaged" "no strace here, or not root"
else
	rm client2/.index
	INJECT="-P client1_A.txt -e inject=openat:error=EMFILE"
	ok "a file that cannot be opened for want of descriptors fails the listing: 75" \
		traced must_fail 75 as client2 inbox
	is "and when the fault has passed, the message is as it was" "$(titles)" "A B "
	is "and can be read" "$(as client2 read 1 --content)" hello
fi

chmod 000 client2/client1_A.txt
rm client2/.index
if is_root; then
	skip "an unreadable message is listed as damaged" "root can read everything"
else
	is "an unreadable message is listed as damaged" "$(titles)" "(damaged) client1_A.txt B "
fi
chmod 600 client2/client1_A.txt
is "made readable again, it is whole" "$(titles)" "A B "

ok "an index grown beyond all sense can be made" truncate -s 1T client2/.index
is "it is built anew" "$(titles)" "A B "
ok "and is small again" test "$(wc -c <client2/.index)" -lt 1000
: >client2/.index
is "so is an empty one" "$(titles)" "A B "
head -c 200 /dev/urandom >client2/.index
is "and one of noise" "$(titles)" "A B "
# a cache must not stand in the mail's way: what is no file is put aside, once
rm client2/.index
mkdir client2/.index
is "with a folder in its place the mailbox is listed" "$(titles)" "A B "
is "and read" "$(as client2 read 2 --content)" hello
is "the folder is put aside" "$(stat -c '%F, %n' client2/.index client2/.index.bad | tr '\n' ' ')" \
	"regular file, client2/.index directory, client2/.index.bad "
touch client2/.index.bad/full
rm client2/.index
mkdir client2/.index
is "when that cannot be, the mailbox is listed" "$(titles)" "A B "
is "and read" "$(as client2 read 2 --content)" hello
ok "but takes no mail: 75" must_fail 75 as client1 send -t client2 --title C hello.txt
rm -r client2/.index client2/.index.bad
ok "until the folders are gone" as client1 send -t client2 --title C hello.txt
is "then all is well" "$(titles)" "A B C "
wait_settled

cp client2/client1_B.txt client2/by-hand.txt
sed -i 's/^Title: B/Title: D/; s/^Time and Date: [0-9]*/Time and Date: 2001/' client2/by-hand.txt
is "a message dropped in by hand is listed, by its time" "$(titles)" "D A B C "
rm client2/by-hand.txt
is "and gone when it is taken away" "$(titles)" "A B C "
printf 'From: bob smith\nTo: client2\nTime and Date: 2022-07-21 19:29:35.768508\nTitle: X\nContent Length: 1\nContent:\nx' \
	>client2/foreign.txt
like "a file whose sender is no user is damaged, and hides nothing" "$(titles)" '^.damaged. foreign.txt A B C |A B C .damaged. foreign'
rm client2/foreign.txt
stop_server

# an empty password opens nothing, hashed or not
printf '{"client1": "", "client2": "password2"}\n' >user_pass.json
start_server
printf '\n' >empty
ok "an empty plain password opens nothing" must_fail 65 "$SMTP361" inbox -u client1 --password-file empty
$PEER client --host 127.0.0.1 --port "$PORT" --keys . --user client1 --password-file empty list quit >got 2>&1
like "not from another client either" "$(cat got)" '"ok": false'
smtp361 user harden 2>/dev/null
$PEER client --host 127.0.0.1 --port "$PORT" --keys . --user client1 --password-file empty list quit >got 2>&1
like "nor does its hash" "$(cat got)" '"ok": false'
stop_server

# Ctrl-C twice ends a server that waits for a lock held by somebody else
start_server
flock client1/.index sleep 60 &
PIDS="$PIDS $!"
wait_for 5 sh -c '! flock -n client1/.index true'
as client2 send -t 'client2;client1' --title stuck hello.txt >/dev/null 2>&1 &
PIDS="$PIDS $!"
stuck() { grep -- "-> .* [0-9a-f:]*:$(stat -c %i client1/.index) " /proc/locks; }
ok "a session waits for a lock that somebody else holds" wait_for 10 stuck
kill -TERM "$SERVER_PID"
kill_twice() {
	kill -TERM "$SERVER_PID"
	! kill -0 "$SERVER_PID" 2>/dev/null
}
ok "a second SIGTERM ends a server whose session is stuck" wait_for 5 kill_twice
SERVER_PID=''
done_testing
