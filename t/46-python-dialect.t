#!/bin/sh
# The python dialect, against a stand-in for the founding Python programs that was written from the document
# alone and keeps their habits: what one recv(2048) brings is one text, sizes are a little too small, and the
# content stands on Content's line. It is client against `serve`, and server against `client`, `send`,
# `inbox` and `read`.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import Cryptodome' 2>/dev/null || skip_all "no python3 with Cryptodome"
site
PY="/usr/bin/python3 -B $ROOT/t/peer/python_peer.py"
DIALECT='--dialect python'
printf 'Welcome to CMPT 361 class.' >hello.txt
head -c 1000001 /dev/zero | tr '\0' x >over.txt
head -c 1000000 over.txt >limit.txt
/usr/bin/python3 -c 'print("\U0001F600" * 1000000, end="")' >wide.txt

# --- what is misuse, and which port ---

for a in client send inbox read delete; do
	case $a in
	read | delete) operands=1 ;;
	send) operands='-t client2 hello.txt' ;;
	*) operands='' ;;
	esac
	RC=0
	"$SMTP361" $a --dialect snake -s 127.0.0.1:1 -u client1 --password-file pw1 $operands >o 2>e </dev/null || RC=$?
	like "$a --dialect snake is misuse, and the dialects are named" "$RC $(cat e)" '^64 .*snake.*spec python'
	RC=0
	"$SMTP361" $a $DIALECT --enhanced -s 127.0.0.1:1 -u client1 --password-file pw1 $operands >o 2>e </dev/null || RC=$?
	like "$a --dialect python --enhanced is misuse" "$RC $(cat e)" '^64 .*--dialect .*--enhanced'
done
for args in '--dialect snake' '--dialect python --enhanced' '--dialect spec --enhanced' '--dialect python --dialect python'; do
	ok "serve $args is misuse" must_fail 64 smtp361 serve -l 127.0.0.1:0 $args
done
like "serve names the dialects" "$(smtp361 serve --dialect snake 2>&1)" 'spec python'
mkdir -p "$HOME/.config/smtp361"
echo '{"enhanced": true}' >"$HOME/.config/smtp361/config.json"
like "a dialect goes before a configuration that wants the enhanced protocol" \
	"$(as client1 inbox $DIALECT -s 127.99.99.99:1 2>&1)" 'cannot connect to 127.99.99.99 port 1'
rm "$HOME/.config/smtp361/config.json"
like "a client's port is 12049 where none is named" "$(as client1 inbox $DIALECT -s 127.99.99.99 2>&1)" \
	'cannot connect to 127.99.99.99 port 12049'
like "... and 13000 in the dialect spec" "$(as client1 inbox --dialect spec -s 127.99.99.99 2>&1)" \
	'cannot connect to 127.99.99.99 port 13000'
# whether the port is free here or not, its number is told
"$SMTP361" serve $DIALECT >out 2>err </dev/null &
SERVER_PID=$!
wait_for 10 grep -Eq '12049' err
like "serve's is 12049, too" "$(cat err)" '(Listening on .*:12049$|12049: Address already in use)'
end_pid "$SERVER_PID"
SERVER_PID=''

# --- the programs' client against serve ---

start_server $DIALECT || exit 1

# peer USER OPTIONS-AND-ACTIONS...: a session of the Python client. On a machine that is overloaded two texts
# can reach its recv together in spite of the pause between them: such a session is tried again.
peer() {
	who=$1
	shift
	for try in 1 2 3 4 5; do
		rc=0
		$PY client --keys . --port "$PORT" --user "$who" --password-file "pw${who#client}" "$@" 2>peer.err || rc=$?
		[ $rc = 1 ] && [ $try != 5 ] && grep -q 'of another text' peer.err || break
		diag "try $try: $(cat peer.err)" >&2
	done >peer.out
	cat peer.out
	return $rc
}

for hash in none good; do
	ok "a login goes through, hash: $hash" peer client1 --hash $hash quit
done
ok "one with a wrong hash does not" must_fail 77 peer client1 --hash bad quit
like "... and stands in the log as every refusal does" "$(cat out)" \
	'The received client information: client1 is invalid \(Connection Terminated\)'
ok "a wrong password does not, with its right hash" must_fail 77 peer client1 --password-file pw2 --hash good quit

ok "the client sends, content on Content's line" peer client1 send 'client2;client4;client5' Test @hello.txt quit
ok "... and with a third line" peer client1 --lines 6 send client2 'With: six' @hello.txt quit
ok "... its size a little too small" peer client1 --size plain send client2 Plain @hello.txt quit
ok "... all in one write" peer client1 --joined send client2 Joined @hello.txt quit
ok "... and with a pause between its texts" peer client1 --gap 0.1 send client2 Gap @hello.txt quit
wait_settled
is "what it sent is stored in the spec's form, its Content Length counted" \
	"$(sed 's/^Time and Date: [-0-9]* [.:0-9]*$/TIME/' client4/client1_Test.txt)" 'From: client1
To: client2;client4;client5
TIME
Title: Test
Content Length: 26
Content:
Welcome to CMPT 361 class.'
is "the five are whole" "$(tail -qc 26 client2/*.txt | grep -o 'Welcome to CMPT 361 class\.' | wc -l)" 5
got=$(peer client2 list view 0 view 4 quit)
like "the client lists" "$got" '^1      client1    [-0-9]* [.:0-9]*  Test$'
like "... the size of the list is what comes" "$(cat peer.err)" '^the list: ([0-9]+) bytes announced, \1 came$'
like "... and so is that of the e-mail" "$(cat peer.err)" '^the e-mail: ([0-9]+) bytes announced, \1 came$'
is "it views by index from 0" "$(echo "$got" | grep '^Title: ')" 'Title: Test
Title: Gap'
is "... what is stored, to the byte" "$(peer client4 list view 0 quit | sed -n '/^From/,$p')" "$(cat client4/client1_Test.txt)"
is "a view before a list is ERROR1, and the session lives" "$(peer client4 view 0 list view 0 quit | grep -E 'ERROR|Welcome')" 'ERROR1
Welcome to CMPT 361 class.'
is "a view of a list of nothing is ERROR1" "$(peer client3 list view 0 quit | sed 1d)" ERROR1
for index in 1 -1 99 18446744073709551615 18446744073709551616 0x0 00 '' x; do
	is "the index \"$index\" that is none is ERROR2, and the session lives" \
		"$(peer client4 list view "$index" view 0 quit | grep -E 'ERROR|Welcome')" 'ERROR2
Welcome to CMPT 361 class.'
done
before=$(stored)
is "a rejection is a line ahead of the menu, and the session takes the next e-mail" \
	"$(peer client1 send client9 T text send client5 After text quit)" 'The message was rejected: no such user: client9'
is "1,000,001 characters are too many" "$(peer client1 send client5 Over @over.txt quit)" \
	'The message was rejected: the content has 1000001 characters, more than 1000000'
printf 'bad \377 byte' >bad.txt
is "content that is not UTF-8 is rejected" "$(peer client1 send client5 Bad @bad.txt quit)" \
	'The message was rejected: the content is not valid UTF-8'
is "a title of 101 characters is" "$(peer client1 send client5 "$(printf '%0101d' 0)" text quit)" \
	'The message was rejected: the title has 101 characters, more than 100'
is "an empty content is taken" "$(peer client1 send client5 Empty '' quit)" ''
is "1,000,000 characters are taken" "$(peer client1 send client5 Limit @limit.txt quit)" ''
is "... and 1,000,000 of 4 bytes" "$(peer client1 send client5 Wide @wide.txt quit)" ''
is "... with a size that is too small" "$(peer client1 --size plain send client5 WidePlain @wide.txt quit)" ''
is "the five that were taken are stored, and no other" "$(stored)" $((before + 5))
for title in Wide WidePlain; do
	tail -c 4000000 "client5/client1_$title.txt" >got
	ok "$title is whole" cmp got wide.txt
done
like "... its characters counted" "$(head -n 5 client5/client1_Wide.txt)" '^Content Length: 1000000$'
peer client5 --split list view 4 quit | sed -n '/^From/,$p' | tail -c 4000001 | head -c 4000000 >got
ok "the client views all of its 4,000,000 bytes" cmp got wide.txt

# ten at once, each as fast as it can: here it reads texts that were joined, too
for i in 1 2 3 4 5 6 7 8 9 10; do
	$PY client --keys . --port "$PORT" --user client3 --password-file pw3 --split send 'client3;client4' "Ten $i" @limit.txt \
		list view 0 quit >"ten.$i" 2>&1 &
	PIDS="$PIDS $!"
	eval "ten$i=$!"
done
rcs=''
for i in 1 2 3 4 5 6 7 8 9 10; do
	eval "wait \$ten$i"
	rcs="$rcs$?"
done
is "ten sessions at once end in good order" "$rcs" 0000000000
is "each has read an e-mail of 1,000,000 characters" "$(grep -c 'x\{1000\}' ten.* | grep -c ':1$')" 10
wait_settled
is "and what they sent is there, once each" "$(sed -n 's/^Title: //p' client4/client3_Ten*.txt | sort | tr '\n' ' ')" \
	'Ten 1 Ten 10 Ten 2 Ten 3 Ten 4 Ten 5 Ten 6 Ten 7 Ten 8 Ten 9 '
is "each whole" "$(for f in client4/client3_Ten*.txt; do tail -c 1000000 "$f" | cmp - limit.txt && echo whole; done | wc -l)" 10

# --- what no honest client sends ---

login() { # TITLE KIND
	is "$1 gets the one refusal" "$(raw login "$2")" 'Invalid username or password closed '
}
is "an e-mail that is gone since it was listed is ERROR2" "$(raw --user client4 --password-file pw4 menu say:2 get 'say:size OK' get menu \
	'run:rm client4/client1_Test.txt' say:3 get say:0 get say:OK menu say:4 eof | tail -n 3 | tr -d '\n')" 'ERROR2menu closed'
right=$(printf 'client1\npassword1' | sha1sum | cut -d' ' -f1)
login "a third line that is none" 'text:client1\npassword1\nx'
login "an empty third line" 'text:client1\npassword1\n'
login "a hash in upper case" "text:client1\\npassword1\\n$(echo "$right" | tr a-f A-F)"
login "a hash less its last digit" "text:client1\\npassword1\\n${right%?}"
login "a hash and a digit more" "text:client1\\npassword1\\n${right}0"
login "a hash and a line end" "text:client1\\npassword1\\n$right\\n"
login "four lines" "text:client1\\npassword1\\n$right\\n$right"
login "another user's hash" "text:client1\\npassword1\\n$(printf 'client2\npassword2' | sha1sum | cut -d' ' -f1)"
login "the right hash of a wrong password" "text:client1\\nwrong\\n$(printf 'client1\nwrong' | sha1sum | cut -d' ' -f1)"
login "the hash and no password" "text:client1\\n$right"
mv client5_public.pem hidden
login "a wrong hash with the right password, where the key is not there," 'text:client5\npassword5\nx'
mv hidden client5_public.pem

printf 'From: client1\nTo: client2\nTitle: Hostile\nContent Length: 1\nContent: x' >mail
printf 'From: client5\nTo: client2\nTitle: Hostile\nContent Length: 1\nContent: x' >foreign
printf 'From: client1\nTo: client2\none\ntwo\nTitle: Hostile\nContent Length: 1\nContent: x' >lines
{
	cat mail
	cat wide.txt limit.txt
} >vast
before=$(stored)
JOBS='' who=client1
aside() { # NAME STEP...: a session in the background; NAME.got
	name=$1
	shift
	raw --user "$who" --password-file "pw${who#client}" menu "$@" >"$name.got" 2>&1 &
	PIDS="$PIDS $!" JOBS="$JOBS $!"
}
# sized NAME SIZE [FILE]: an e-mail behind this size, and one that is taken on the same session
sized() { aside "$1" say:1 "say:$2" get "file:${3:-mail}" menu say:1 say:60 get file:good menu say:4 eof; }
sed 's/Hostile/Good/' mail >good
sized minus -1
sized exponent 1e9
sized none ''
sized plus +64
sized zero_led 064
sized twenty 18446744073709551616
sized most 18446744073709551615
sized huge 1000000000
sized above 4082017
sized larger 4082016
sized little 81
sized vast 100 vast
sized foreign 80 foreign
sized lines 80 lines
sized spec 64 /dev/null
aside noconfirm say:2 get say:NO eof
who=client2
aside noconfirm_view say:2 get 'say:size OK' get menu say:3 get say:0 get 'say:size OK' eof
who=client1
aside noconfirm_error say:3 get say:KO eof
aside cut say:1 say:1000 get 'enc:From: client1\nTo: client2\nTitle: T\n' reset
aside silent say:1 say:1000 get shut eof
for job in $JOBS; do
	wait "$job"
done
rejected() { # TITLE NAME REASON
	is "$1: rejected, and the session takes the next e-mail" "$(sed -n '2,$p' "$2.got")" "size OK
menu The message was rejected: $3\\n
size OK
menu ${4:-}
closed"
}
size='the size that was announced is no number, or above the limit'
for name in minus exponent none plus zero_led twenty most huge above; do
	rejected "a size that is none ($name)" $name "$size"
done
for name in larger little; do
	rejected "a size larger than what comes ($name)" $name 'try again later: the text is shorter than the size that was announced'
done
rejected "5 MB where 100 bytes were announced" vast 'the text is longer than its limit'
rejected "a From that is not the login" foreign 'From is not client1, who logged in'
rejected "two lines ahead of the title" lines 'there is no Title line after To'
rejected "an e-mail of nothing" spec 'try again later: the text is shorter than the size that was announced'
is "a list that is not confirmed ends the session" "$(tail -n 1 noconfirm.got)" closed
is "... and so does an e-mail" "$(tail -n 1 noconfirm_view.got)" closed
is "... and ERROR1" "$(sed -n '2,$p' noconfirm_error.got)" 'ERROR1
closed'
is "a close where an e-mail was due ends it, too" "$(sed -n '2,$p' silent.got)" 'size OK
closed'
is "nothing of these is stored but the e-mails behind them" "$(stored)" $((before + 15))
is "none has the title of one that was rejected" "$(grep -l '^Title: Hostile' client?/*.txt)" ""
is "nothing is left in the spool" "$(spooled)" ""
ok "the server lives" peer client1 quit

# --- our own clients, against our server ---

echo 'Meet at noon. ☕' >noon.txt
ok "send" as client1 send $DIALECT -t 'client3;client1' --title 'A title: ☕' noon.txt
like "inbox" "$(as client1 inbox $DIALECT)" '^1	client1	[-0-9]* [.:0-9]*	A title: ☕$'
as client1 read $DIALECT --last --content >got
ok "read" cmp got noon.txt
like "... with its time" "$(as client1 read $DIALECT 1)" '^Time and Date: [-0-9]{10} [.:0-9]{15}$'
ok "read of an index that is none is 66" must_fail 66 as client1 read $DIALECT 2
rm client1/*.txt
ok "read of an empty inbox is 66" must_fail 66 as client1 read $DIALECT 1
ok "... --last, too" must_fail 66 as client1 read $DIALECT --last
ok "a rejection is 65" must_fail 65 as client1 send $DIALECT -t client9 hello.txt
ok "a wrong password is 77" must_fail 77 "$SMTP361" inbox $DIALECT -u client1 --password-file pw2
ok "1,000,000 characters of 4 bytes" as client1 send $DIALECT -t client1 --title Wide wide.txt
as client1 read $DIALECT --last --content >got
ok "... come back" cmp got wide.txt
{
	echo '{"to": "client1", "title": "one", "content": "1"}'
	echo '{"to": "client9", "title": "two", "content": "2"}'
	echo '{"to": "client1", "title": "three", "content": ""}'
} | as client1 send $DIALECT --batch >got 2>/dev/null
is "send --batch goes on behind a rejection" "$(cut -f 2 got | tr '\n' ' ')" 'stored failed stored '
printf '%s\n' client1 password1 3 1 2 3 1 3 9 1 client2 T N text 4 >in
smtp361 client $DIALECT <in >got
like "the interactive client: a view ahead of a list" "$(cat got)" 'There is no email to view'
like "... a view" "$(cat got)" 'Title: Wide'
like "... an index that is none" "$(cat got)" 'There is no email with this index'
like "... an e-mail" "$(cat got)" 'The message is sent to the server'
like "... the end" "$(tail -n 1 got)" 'The connection is terminated with the server.$'
RC=0
as client1 delete $DIALECT 1 >o 2>e || RC=$?
like "delete says that no dialect can: 64" "$RC $(cat e)" '^64 .*dialect'
ok "the enhanced protocol is on the same port" as client1 inbox --enhanced
ok "the server stops cleanly" stop_server
is "no session died by a signal" "$(grep -c ' killed ' err)" 0

# --- the programs' server against our clients ---

# start_peer SESSIONS [OPTION...]: their server; peer.got. It tells two texts apart by the silence between them, and
# must not be kept waiting that long by what else runs here.
at_once=''
! is_root || at_once='nice -n -20'
start_peer() {
	: >peer.got
	$at_once $PY server --keys . --users user_pass.json --sessions "$@" >peer.got 2>peer.err &
	PEER_PID=$!
	PIDS="$PIDS $PEER_PID"
	wait_for 10 grep -q '^Listening' peer.got
	SMTP361_SERVER=$(sed -n 's/^Listening on //p' peer.got)
	export SMTP361_SERVER
}
ends_well() { wait "$PEER_PID" || {
	cat peer.err
	false
}; }
as_sent() { grep '"mail"' peer.got | sed -n "s/.*\"sha256\": \"\([0-9a-f]*\)\".*/\1/p"; }

for bits in 128 192 256; do
	start_peer 3 --key-bits $bits
	ok "send, with a key of $bits bits" as client1 send $DIALECT -t 'client2;client3' --title 'A title: with colons' hello.txt
	like "... inbox" "$(as client2 inbox $DIALECT)" "^1	client1	[-0-9]* [.:0-9]*	A title: with colons\$"
	is "... read" "$(as client3 read $DIALECT 1 | sed 's/^Time and Date: [-0-9]* [.:0-9]*$/TIME/')" 'From: client1
To: client2;client3
TIME
Title: A title: with colons
Content Length: 26
Content:
Welcome to CMPT 361 class.'
	ok "... and its server saw no fault" ends_well
	like "... but an e-mail of the size that was announced" "$(cat peer.got)" '"announced": ([0-9]+), "came": \1, "delivered": \["client2", "client3"\]'
done
start_peer 1 --key-bits 128
ok "a key of 128 bits is none in the dialect spec" must_fail 76 as client1 inbox --dialect spec
end_pid "$PEER_PID"

for how in '--size plain' '--size cipher' '--joined' '--gap 0.1' '--joined --size cipher'; do
	start_peer 6 $how
	as client1 send $DIALECT -t client1 --title wide wide.txt
	is "1,000,000 characters of 4 bytes arrive ($how)" "$(as_sent)" "$(sha256sum wide.txt | cut -d' ' -f1)"
	as client1 read $DIALECT --last --content >got
	ok "... and come back" cmp got wide.txt
	printf '' | as client1 send $DIALECT -t client1 --title ''
	printf '0123456789abcde\n\n\n\n\n\n\n\n\n\n\n\n' | as client1 send $DIALECT -t client1 --title LF
	is "... three are listed" "$(as client1 inbox $DIALECT | cut -f 1,2,4 | tr '\t\n' ' ;')" '1 client1 wide;2 client1 ;3 client1 LF;'
	is "... one that is empty is read" "$(as client1 read $DIALECT 2 --json | grep -E '"(content|title|length)"' | tr -d ' \n')" \
		'"title":"","length":0,"content":""'
	ok "... and its server saw no fault" ends_well
done

start_peer 10 --split
for i in 1 2 3 4 5 6 7 8 9 10; do
	as client1 send $DIALECT -t client2 --title "Ten $i" limit.txt 2>"ten.$i" &
	PIDS="$PIDS $!"
	eval "ten$i=$!"
done
rcs=''
for i in 1 2 3 4 5 6 7 8 9 10; do
	eval "wait \$ten$i"
	rcs="$rcs$?"
done
is "ten at once send 1,000,000 characters" "$rcs" 0000000000
is "... which arrive" "$(as_sent | sort | uniq -c | tr -s ' ')" " 10 $(sha256sum limit.txt | cut -d' ' -f1)"
ok "... and its server saw no fault" ends_well

start_peer 3
ok "a wrong password is refused: 77" must_fail 77 "$SMTP361" inbox $DIALECT -u client1 --password-file pw2
ok "read of an empty inbox is 66" must_fail 66 as client5 read $DIALECT 1
printf '%s\n' client1 password1 3 1 1 client1 T N text 2 3 2 3 1 4 >in
smtp361 client $DIALECT <in >got
like "the interactive client: ERROR1 is told" "$(cat got)" 'There is no email to view'
like "... ERROR2 is" "$(cat got)" 'There is no email with this index'
like "... a view by its place in the list" "$(cat got)" '^text$'
ok "... and the server saw no fault" ends_well
is "the index on the wire was counted from 0" "$(grep -E '"view"|ERROR' peer.got | sed 's/.*"index": "\([^"]*\)".*/\1/' | tr '\n' ' ')" '  1 0 '
done_testing
