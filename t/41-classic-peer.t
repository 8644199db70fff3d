#!/bin/sh
# An independent peer in Python, written from the document alone: as client against `serve`, and as
# server against `client`, `send`, `inbox` and `read`.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import Cryptodome' 2>/dev/null || skip_all "no python3 with Cryptodome"
site
start_server || exit 1
printf 'Welcome to CMPT 361 class.' >hello.txt

# peer USER ACTION-OR-OPTION...: a session of the Python client
peer() {
	who=$1
	shift
	$PEER client --keys . --port "$PORT" --user "$who" --password-file "pw${who#client}" "$@"
}

# --- the peer as client against serve ---

ok "the peer logs in and quits" peer client1 quit
is "the peer sends to three" "$(peer client1 'send:client2;client4;client5:Test:hello.txt' quit)" \
	'{"action": "send", "rejected": null}
{"action": "quit"}'
wait_settled
ok "what it sent is stored" test -f client2/client1_Test.txt
got=$(peer client2 list view:1 quit)
like "the peer lists and views: the row" "$got" '"rows": \[\{"index": 1, "from": "client1", "time": "[-0-9]* [.:0-9]*", "title": "Test"\}\]'
like "and the e-mail" "$got" '"mail": \{"from": "client1", "to": "client2;client4;client5", .*"length": 26, "content": "Welcome to CMPT 361 class."\}'
like "a list of nothing has no rows" "$(peer client3 list quit)" '"rows": \[\]'
got=$(peer client2 view:1 list view:0 view:2 view:1 quit)
is "views that cannot be answered are lines, and the session lives" \
	"$(echo "$got" | grep -c '"text": "There is no email .*"mail": null')" 3
is "a view that can be answered follows them" "$(echo "$got" | grep -c '"content": "Welcome')" 1
is "a session takes many choices" \
	"$(peer client2 list view:1 list view:1 list view:1 list view:1 list view:1 list view:1 quit | grep -c Welcome)" 6
ok "a client that ends without quit is no protocol break for it" peer client2 list
ok "a wrong password exits with 77" must_fail 77 peer client1 --password-file pw2 quit
is "a wrong password is the founding refusal" "$(peer client1 --password-file pw2 quit)" \
	'{"action": "login", "ok": false, "text": "Invalid username or password"}'

# --- every rejection; those that must be waited out run side by side ---

: >none
awk 'BEGIN { for (i = 0; i < 1000001; i++) printf "x" }' >over.txt
head -c 1000000 over.txt >limit.txt
printf 'bad \377 byte' >bad.txt
printf 'cut \303' >cut.txt
printf 'over \300\257 long' >overlong.txt
printf 'half \355\240\200 pair' >surrogate.txt
t100=$(printf '%0100d' 0)

before=$(stored)
JOBS=''
reject() { # NAME ARGUMENTS...: in the background; NAME.got
	name=$1
	shift
	peer client1 "$@" send:client3:after:hello.txt quit >"$name.got" 2>&1 &
	PIDS="$PIDS $!" JOBS="$JOBS $!"
}
rejected() { # TITLE NAME REASON: the first was rejected, the next one on the same session was not
	like "$1" "$(sed -n 1p "$2.got")" "^\{\"action\": \"send\", \"rejected\": \"$3\"\}\$"
}
lie() { # NAME LENGTH FILE
	peer client1 --content-length "$2" send:client3:lie:"$3" quit >"$1.got" 2>&1 &
	PIDS="$PIDS $!" JOBS="$JOBS $!"
}
reject title "send:client3:${t100}1:hello.txt"
reject over send:client3:T:over.txt
reject nobody 'send:client3;client99:T:hello.txt'
reject empty_to send::T:hello.txt
reject bad send:client3:T:bad.txt
reject cut send:client3:T:cut.txt
reject overlong send:client3:T:overlong.txt
reject surrogate send:client3:T:surrogate.txt
reject bad_title "send:client3:$(printf 'a\377b'):hello.txt"
reject cr "send:client3:$(printf 'a\rb'):hello.txt"
peer client1 --from client5 send:client3:T:hello.txt quit >from.got 2>&1 &
PIDS="$PIDS $!" JOBS="$JOBS $!"
lie short 25 hello.txt
lie long 27 hello.txt
lie zero 0 hello.txt
lie million 1000000 hello.txt
lie beyond 1000001 hello.txt
lie huge 999999999999999999 hello.txt
lie twenty 18446744073709551616 hello.txt
lie minus -1 hello.txt
lie short_big 999999 limit.txt
for job in $JOBS; do
	wait "$job"
done
rejected "a title of 101 characters" title 'the title has 101 characters, more than 100'
rejected "1,000,001 characters" over 'the content has 1000001 characters, more than 1000000'
rejected "an unknown recipient, who is named" nobody 'no such user: client99'
rejected "no recipient" empty_to 'no recipient is named'
for name in bad cut overlong surrogate; do
	rejected "content that is not UTF-8 ($name)" $name 'the content is not valid UTF-8'
done
rejected "a title that is not UTF-8" bad_title 'the title is not valid UTF-8'
rejected "a title with a carriage return" cr 'the title holds a line end or a NUL'
rejected "a From that is not the login" from 'From is not client1, who logged in'
rejected "a Content Length one too small" short 'the content is longer than its Content Length says'
rejected "a Content Length one too large" long 'the content is (shorter|longer) than its Content Length says'
rejected "a Content Length of 0" zero 'the content is longer than its Content Length says'
rejected "a Content Length of 1,000,000" million '(try again later: )?the content is shorter than its Content Length says'
rejected "a Content Length over the limit" beyond '(try again later: )?the content (has 1000001 characters, more than 1000000|is shorter than its Content Length says)'
rejected "a Content Length of 10^18 - 1" huge '(try again later: )?the content (has 999999999999999999 characters, more than 1000000|is shorter than its Content Length says)'
rejected "a Content Length of 2^64" twenty 'Content Length is not a number'
rejected "a Content Length of -1" minus 'Content Length is not a number'
rejected "a large content with a Content Length one too small" short_big 'the content is longer than its Content Length says'
for name in title over nobody empty_to bad cut overlong surrogate bad_title cr; do
	is "after the rejection ($name) the session takes the next e-mail" "$(sed -n '2,$p' $name.got)" \
		'{"action": "send", "rejected": null}
{"action": "quit"}'
done
for name in from short long zero million beyond huge twenty minus short_big; do
	is "after the rejection ($name) the session ends in order" "$(sed -n '2,$p' $name.got)" '{"action": "quit"}'
done
is "nothing that was rejected was stored" "$(stored)" $((before + 10))
is "and nothing is left in the spool" "$(spooled)" ""

# --- sizes, one byte at a time, deaths ---

is "an empty content is taken" "$(peer client1 send:client3:Empty:none quit | sed -n 1p)" '{"action": "send", "rejected": null}'
is "1,000,000 characters are taken" "$(peer client1 send:client3:Limit:limit.txt quit | sed -n 1p)" '{"action": "send", "rejected": null}'
ok "a title of 100 characters is taken" peer client1 "send:client3:$t100:hello.txt" quit
wait_settled
ok "and stored under its name" test -f "client3/client1_$t100.txt"
for n in 1 15 16 17 31 32 33 65535 65536 65537; do
	head -c $n limit.txt >"n$n.txt"
	set -- "$@" "send:client2:n$n:n$n.txt"
done
got=$(peer client1 "$@" quit)
is "lengths around every block and buffer are taken" "$(echo "$got" | grep -c '"rejected": null')" 10
wait_settled
for n in 1 15 16 17 31 32 33 65535 65536 65537; do
	tail -c $n client2/client1_n$n.txt | cmp -s - n$n.txt || diag "content of $n bytes differs"
	[ "$(sed -n 's/^Content Length: //p' client2/client1_n$n.txt)" = $n ] && echo yes
done >whole
is "and stored whole" "$(grep -c yes whole)" 10

# text that ends like padding is no end of a message
printf 'sixteen bytes..\001and on 0123456\020\020\020\020\020\020\020\020\020\020\020\020\020\020\020\020 end' >looks.txt
like "bytes that look like padding inside a content do not end it" \
	"$(peer client1 send:client4:Looks:looks.txt quit; peer client4 list view:2 quit)" 'and on 0123456.* end"'

is "the login and a small message, one byte at a time" \
	"$(peer client1 --dribble send:client2:Dribble:hello.txt list quit | sed -n 1p)" '{"action": "send", "rejected": null}'
/usr/bin/python3 -c 'print("\U0001F600" * 1000000, end="")' >wide.txt
is "1,000,000 characters of 4 bytes are taken" "$(peer client1 send:client4:Wide:wide.txt quit | sed -n 1p)" '{"action": "send", "rejected": null}'
wait_settled
tail -c 4000000 client4/client1_Wide.txt >got
ok "and stored whole" cmp got wide.txt
like "and counted in characters" "$(head -n 5 client4/client1_Wide.txt)" '^Content Length: 1000000$'
if [ -z "$SANITIZED" ]; then
	is "the same, one byte at a time" "$(peer client1 --timeout 80 --dribble send:client4:Slow:wide.txt quit | sed -n 1p)" '{"action": "send", "rejected": null}'
	wait_settled
	tail -c 4000000 client4/client1_Slow.txt >got
	ok "and stored whole, too" cmp got wide.txt
else
	skip "the same, one byte at a time" "too slow under a sanitizer"
	skip "and stored whole, too" "too slow under a sanitizer"
fi

before=$(stored)
for n in 0 1 15 16 60 90 95 96; do
	peer client1 --die-after $n "send:client2;client3:Dead:hello.txt" >/dev/null 2>&1
done
for n in 100000 3999999 4000000; do
	peer client1 --die-after $n "send:client2;client3:Dead:wide.txt" >/dev/null 2>&1
done
ok "the server lives on after clients that die in mid-message" peer client1 quit
wait_for 10 sh -c '[ "$(grep -c "Accepted" out)" = "$(grep -c "Terminating" out)" ]'
is "and nothing of their messages is stored" "$(stored)" "$before"
is "nor in the spool" "$(spooled)" ""
ok "the server stops cleanly" stop_server
is "no session died by a signal" "$(grep -c ' killed ' err)" 0

# --- the peer as server ---

# start_peer [OPTION...]: PORT, peer.got
start_peer() {
	: >peer.got
	$PEER server --keys . --users user_pass.json "$@" >peer.got 2>peer.err &
	PEER_PID=$!
	PIDS="$PIDS $PEER_PID"
	wait_for 10 grep -q '^PORT' peer.got
	SMTP361_SERVER="127.0.0.1:$(sed -n 's/^PORT //p' peer.got)"
	export SMTP361_SERVER
}
ended() { wait_for 10 grep -q '"event": "end"' peer.got && grep '"event": "end"' peer.got | tail -n 1; }

start_peer --sessions 3
ok "send is acknowledged by the peer" as client1 send -t 'client2;client3' --title 'A title: with colons' hello.txt
like "the peer got the e-mail" "$(grep '"mail"' peer.got)" '"from": "client1", "to": "client2;client3", "title": "A title: with colons", "length": 26, .*"text_ok": true'
like "and the client quit" "$(ended)" '"how": "quit", "choice": "4"'
like "inbox reads the peer's list" "$(as client2 inbox)" "^1	client1	[-0-9]* [.:0-9]*	A title: with colons\$"
is "read reads the peer's e-mail" "$(as client3 read --last --content)" "$(cat hello.txt)"

start_peer --sessions 3 --dribble
ok "send works with a server that sends byte by byte" as client1 send -t client2 --title T wide.txt
is "its content arrived whole" "$(sed -n 's/.*"content_sha256": "\([0-9a-f]*\)".*/\1/p' peer.got)" "$(sha256sum wide.txt | cut -d' ' -f1)"
is "inbox does" "$(as client2 inbox | cut -f 1,2,4)" "1	client1	T"
# the peer would take long for four megabytes
cat >mails.json <<'END'
[{"from": "client2", "to": "client1;client5", "time": "2022-07-21 19:29:35.768508", "title": "Test2", "length": 5, "content": "h\u00e9llo"},
 {"from": "client1", "to": "client5", "time": "2022-07-21 19:29:42.118132", "title": "", "length": 0, "content": ""}]
END
end_pid "$PEER_PID"
start_peer --sessions 4 --dribble --preload mails.json
is "read does" "$(as client5 read 1)" 'From: client2
To: client1;client5
Time and Date: 2022-07-21 19:29:35.768508
Title: Test2
Content Length: 5
Content:
héllo'
is "inbox shows an empty title as an empty part" "$(as client5 inbox)" '1	client2	2022-07-21 19:29:35.768508	Test2
2	client1	2022-07-21 19:29:42.118132	'
ok "an index that the server does not know is 66" must_fail 66 as client5 read 3
printf '%s\n' client5 password5 2 3 1 4 >in
smtp361 client <in >got
like "the interactive client works with the peer: its list" "$(cat got)" '^1      client2    2022-07-21 19:29:35.768508  Test2$'
like "its e-mail" "$(cat got)" '^héllo$'
like "its end" "$(tail -n 1 got)" 'The connection is terminated with the server.$'

# refuses TITLE CODE OPTION...: one send
refuses() {
	title=$1 code=$2
	shift 2
	start_peer "$@"
	ok "$title" must_fail "$code" as client1 send -t client2 --title T hello.txt
}
refuses "a rejection is 65" 65 --reject "the moon is full"
like "its reason is told" "$(start_peer --reject 'the moon is full'; as client1 send -t client2 --title T hello.txt 2>&1)" 'rejected: the moon is full'
refuses "a rejection to be tried again is 75" 75 --reject "try again later: no space left on device"
refuses "a close before the acknowledgement is 75" 75 --close-before-ack
like "and it says so" "$(start_peer --close-before-ack; as client1 send -t client2 --title T hello.txt 2>&1)" 'not acknowledged: the peer closed'
refuses "a menu with bad padding is 76" 76 --bad-padding
refuses "an AES key of another length is 76" 76 --short-key aes
refuses "half a key block is 76" 76 --short-key block
refuses "Invalid username or password is 77" 77 --invalid
start_peer --invalid
ok "for inbox, too" must_fail 77 as client1 inbox
start_peer --short-key block
ok "half a key block is 76 for read" must_fail 76 as client1 read 1
start_peer --reject 'the moon is full'
printf '%s\n' client1 password1 1 client2 T N text 4 >in
ok "the interactive client goes on after a rejection" sh -c '"$0" client <in >got' "$SMTP361"
like "and shows its line" "$(cat got)" 'The message was rejected: the moon is full'
start_peer
as client1 send -t client2 --title T hello.txt
end_pid "$PEER_PID"
SMTP361_SERVER=127.0.0.1:1
ok "where nobody listens it is 69" must_fail 69 as client1 inbox
done_testing
