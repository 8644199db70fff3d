#!/bin/sh
# An independent peer of the enhanced protocol in Python, written from PROTOCOL.md alone: as client
# against `serve`, and as server against `send`, `inbox`, `read` and `delete`.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import dissononce' 2>/dev/null || skip_all "no python3 with dissononce"
EPEER="/usr/bin/python3 -B $ROOT/t/peer/enhanced_peer.py"
EXAMPLE=$ROOT/t/peer/enhanced_example.py
PROTOCOL=$ROOT/proto/PROTOCOL.md
ID='[0-9a-f]{32}'

ok "the bytes of PROTOCOL.md's enhanced example are what its texts and keys make" "$EXAMPLE" check "$PROTOCOL"
ok "the peer's two halves have that session, byte for byte" "$EXAMPLE" play "$PROTOCOL"

site
start_server || exit 1
printf 'Meet at noon. \342\230\225' >hello.txt

# epeer USER OPTION-OR-ACTION...: a session of the Python client, with the user's key and password
epeer() {
	who=$1
	shift
	$EPEER client 127.0.0.1 "$PORT" "$who" . --password-file "pw${who#client}" "$@"
}
# an_id TEXT: the last id in it
an_id() { echo "$1" | grep -oE "\"id\":\"$ID\"" | tail -n 1 | cut -d'"' -f4; }

# --- the peer as client against serve: one session ---

got=$(epeer client1 send 'client2;client1;client2' 'A title' hello.txt inbox read last read 1 bye)
id=$(an_id "$got")
is "the peer has a whole session: the replies" "$(echo "$got" | grep -oE '^\{"type":"[a-z]*"' | cut -d'"' -f4 | tr '\n' ' ')" \
	"welcome sent inbox message message bye "
is "welcome tells the limit, and not who logged in" "$(echo "$got" | sed -n 1p)" '{"type":"welcome","max_chars":64000000}'
row="\"index\":1,\"id\":\"$id\",\"from\":\"client1\",\"time\":\"[-0-9]{10} [.:0-9]{15}\",\"us\":[0-9]{16},\"title\":\"A title\",\"chars\":15"
like "the list has the message, under the id that sent told" "$(echo "$got" | sed -n 3p)" "\"messages\":\[\{$row\}\],\"more\":false\}\$"
like "read has its fields and its content" "$(echo "$got" | sed -n 4p)" \
	"\"to\":\[\"client2\",\"client1\"\],.*\"chars\":15,\"length\":17,\"content\":\"Meet at noon. ☕\"\}\$"
wait_settled
ok "it is stored as every message is" grep -qx 'From: client1' 'client2/client1_A title.txt'
like "a classic client lists it" "$(as client2 inbox)" "^1	client1	[-0-9]* [.:0-9]*	A title\$"
is "and reads it" "$(as client2 read --last --content)" "$(cat hello.txt)"
is "read by id, by index and last is the same" "$(epeer client2 read "$id" read 1 read last bye | grep '"message"' | sort -u | wc -l)" 1
as client1 send -t client2 --title Classic hello.txt
like "a classic message is in the list" "$(epeer client2 inbox bye)" '"index":2,"id":"[0-9a-f]{32}","from":"client1",.*"title":"Classic","chars":15\}\]'
like "and can be read" "$(epeer client2 read 2 bye)" '"to":\["client2"\],.*"title":"Classic",.*"content":"Meet at noon. ☕"'
is "a message is deleted by id" "$(epeer client2 delete "$id" bye | sed -n 2p)" "{\"type\":\"deleted\",\"id\":\"$id\"}"
like "it is gone from this mailbox, and the next one moves up" "$(epeer client2 inbox bye)" '"messages":\[\{"index":1,[^}]*"title":"Classic"[^}]*\}\]'
like "and stays in the other one" "$(epeer client1 read "$id" bye)" '"title":"A title"'
ok "a message that is gone is no-message" must_fail 66 epeer client2 delete "$id" bye
is "an empty mailbox is an empty list" "$(epeer client3 inbox bye | sed -n 2p)" '{"type":"inbox","messages":[],"more":false}'

# --- every way to cut the bytes ---

like "a session, one byte at a time" "$(epeer client1 --dribble send client3 Dribble hello.txt inbox bye | tr '\n' ' ')" '"sent".*"inbox".*"bye"'
got=$(epeer client1 --one-write send client3 Once hello.txt inbox read last bye)
is "the login and all requests in one write" "$(echo "$got" | grep -oE '^\{"type":"[a-z]*"' | cut -d'"' -f4 | tr '\n' ' ')" \
	"welcome sent inbox message bye "
like "content in records of one byte" "$(epeer client1 --chunk 1 send client3 Chunk hello.txt bye)" '"sent"'
like "it is whole" "$(epeer client3 read last bye)" '"title":"Chunk",.*"content":"Meet at noon. ☕"'
/usr/bin/python3 -c 'print("\U0001F600" * 1000001, end="")' >wide.txt
set --
for n in 0 1 65518 65519 65520 131038; do
	head -c $n /dev/zero | tr '\0' x >"n$n.txt"
	set -- "$@" send client4 "n$n" "n$n.txt"
done
is "lengths around every record are taken" "$(epeer client1 "$@" bye | grep -c '"sent"')" 6
is "and counted" "$(epeer client4 inbox bye | grep -oE '"chars":[0-9]*' | tr '\n' ' ')" \
	'"chars":0 "chars":1 "chars":65518 "chars":65519 "chars":65520 "chars":131038 '
is "1,000,001 characters of 4 bytes are taken" "$(epeer client1 send client4 Wide wide.txt bye | grep -c '"sent"')" 1
epeer client4 read last bye >wide.json
ok "and are whole" /usr/bin/python3 -c '
import json, sys
mail = json.loads(open("wide.json").readlines()[1])
sys.exit(mail["content"] != open("wide.txt").read() or mail["chars"] != 1000001)'

# --- pages ---

cat >walk.py <<'END'
# Walk client3's list in pages while messages come and go; every rule of "Pages".
import sys
from enhanced_peer import Client, ZEROS
port = int(sys.argv[1])


def client(n):
    c = Client("127.0.0.1", port, f"client{n}", ".").connect()
    assert c.log_in(password=f"password{n}")["type"] == "welcome"
    return c


def send(title, by):
    reply, _ = by.request(*by.send_mail(["client3"], title, b"x"))
    return reply["id"]


def inbox(**fields):
    reply, _ = three.request({"type": "inbox", **fields})
    return reply


def titles(reply):
    return [row["title"] for row in reply["messages"]]


def delete(ident):
    assert three.request({"type": "delete", "id": ident})[0]["type"] == "deleted"


def judge(what, got, want):
    print(f"{'ok' if got == want else 'not ok'} {what}")
    if got != want:
        print(f"# got {got}, want {want}")


one, two, three = client(1), client(2), client(3)
for row in inbox()["messages"]:
    delete(row["id"])
ids = {f"m{n:02}": send(f"m{n:02}", two if n % 3 == 0 else one) for n in range(20)}
all_titles = list(ids)

judge("limit alone is the newest", titles(inbox(limit=3)), all_titles[-3:])
judge("... and nothing follows them", "next" in inbox(limit=3), False)
judge("a limit above them all is all", titles(inbox(limit=2147483647)), all_titles)
judge("since is the list from there, that one included", titles(inbox(since=ids["m15"])), all_titles[15:])
judge("since with a limit is the first of it", titles(inbox(since=ids["m15"], limit=2)), ["m15", "m16"])
judge("after is behind it", titles(inbox(after=ids["m15"], limit=2)), ["m16", "m17"])
judge("from is one sender's", titles(inbox(**{"from": "client2"})), all_titles[::3])
judge("from with a limit: filtered first", titles(inbox(limit=2, **{"from": "client2"})), ["m15", "m18"])
judge("... and its index is that of the whole list",
      [row["index"] for row in inbox(limit=2, **{"from": "client2"})["messages"]], [16, 19])
judge("from, since and limit", titles(inbox(since=ids["m04"], limit=2, **{"from": "client2"})), ["m06", "m09"])
judge("a sender of nothing", titles(inbox(limit=2, **{"from": "client5"})), [])
judge("an exact last page has no next", "next" in inbox(since=ids["m15"], limit=5), False)
judge("indexes are those rows, in the list's order", titles(inbox(indexes=[20, 3, 3, 99])), ["m02", "m19"])

# a walk: what next names goes, what was told goes, messages arrive
told, page, late = [], inbox(since=ZEROS, limit=6), []
while True:
    told += titles(page)
    if "next" not in page:
        break
    if len(told) < 18:  # the one that next names
        delete(page["next"]["since"])
    delete(page["messages"][0]["id"])
    if len(late) < 3:
        late.append(f"late{len(late)}")
        send(late[-1], one)
    page = inbox(**page["next"], limit=6)
gone = {"m06", "m13"}
judge("a walk by since tells each message once, though others go", told,
      [title for title in all_titles if title not in gone] + late)
left = titles(inbox())
told, page = [], inbox(after=ZEROS, limit=4)
while True:
    told += titles(page)
    if "next" not in page:
        break
    if len(told) < 9:
        left.append(f"later{len(told)}")
        send(left[-1], two)
    page = inbox(**page["next"], limit=4)
judge("a walk by after does, and takes along what arrives", told, left)
first = inbox(after=ZEROS, limit=1)
delete(first["messages"][0]["id"])
judge("... and cannot go on behind what is deleted", inbox(**first["next"]).get("code"), "no-message")
judge("since without its time neither", inbox(since=first["messages"][0]["id"]).get("code"), "no-message")
judge("... with its time it can", titles(inbox(since=first["messages"][0]["id"], us=first["messages"][0]["us"])), left[1:])

bad = [{"limit": 0}, {"limit": -1}, {"limit": "1"}, {"limit": 1.5}, {"limit": 2147483648}, {"from": ""},
       {"from": 1}, {"from": "A"}, {"from": "x" * 33}, {"since": 1}, {"since": "0"}, {"since": ZEROS, "us": -1},
       {"us": 1}, {"since": ZEROS, "after": ZEROS}, {"indexes": []}, {"indexes": [0]}, {"indexes": ["1"]},
       {"indexes": 1}, {"indexes": [1] * 1001}, {"indexes": [1], "limit": 1}, {"indexes": [1], "from": "client1"},
       {"indexes": [1], "since": ZEROS}, {"indexes": [1], "after": ZEROS}]
for fields in bad:
    judge(f"rejected: {str(fields)[:60]}", inbox(**fields).get("code"), "rejected")
for fields in [{"since": ZEROS}, {"indexes": [1]}, {"limit": 0}, {"from": "A"}]:
    judge(f"rejected of a wait: {fields}", three.request({"type": "wait", **fields})[0].get("code"), "rejected")
judge("1000 indexes are taken", len(inbox(indexes=list(range(1, 1001)))["messages"]), len(left) - 1)
wait = {"type": "wait", "after": ZEROS, "seconds": 0, "from": "client1", "limit": 1}
page, _ = three.request(wait)
judge("a wait takes from and limit", (titles(page), page["next"]["after"]),
      (["m02"], page["messages"][0]["id"]))
three.request({"type": "bye"})
END
judged "a list is walked in pages" env PYTHONPATH="$ROOT/t/peer" /usr/bin/python3 -B walk.py "$PORT"

# --- wait ---

is "a wait of no seconds is an empty list" "$(epeer client5 wait 0 bye | sed -n 2p)" '{"type":"inbox","messages":[],"more":false}'
is "a wait ends when the client speaks" "$(epeer client5 --one-write wait 600 bye | sed -n '2,3p')" '{"type":"inbox","messages":[],"more":false}
{"type":"bye"}'
epeer client5 wait 60 bye >waited 2>&1 &
PIDS="$PIDS $!"
poke() { # another message until one comes after the wait began
	epeer client1 send client5 Ping hello.txt bye >/dev/null && grep -q '"title":"Ping"' waited
}
ok "a wait ends when a message comes" wait_for 20 poke
like "with that message in the list" "$(cat waited)" '"messages":\[\{"index":[0-9]*,.*"from":"client1",.*"title":"Ping"'
is "what was there is not new" "$(epeer client5 wait 0 bye | sed -n 2p)" '{"type":"inbox","messages":[],"more":false}'

# --- the same id ---

before=$(stored)
mine=00112233445566778899aabbccddeeff
one=$(epeer client1 send client3 Twice hello.txt $mine bye | sed -n 2p)
two=$(epeer client1 send client3 Twice hello.txt $mine bye | sed -n 2p)
like "a message with an id of the client's is stored" "$one" "^\{\"type\":\"sent\",\"id\":\"$ID\"\}\$"
is "given again, in another session, it is the same one, again" "$two" "${one%\}},\"again\":true}"
is "and is stored once" "$(stored)" $((before + 1))
like "another user's same id is another message" "$(epeer client2 send client3 Twice hello.txt $mine bye | sed -n 2p)" "\"id\":\"$ID\"\}\$"

# --- refusals: one answer for everything but a password that is missing ---

mkdir other
cp server_x25519_public.pem client1_x25519_private.pem other
cp client1_x25519_private.pem other/client2_x25519_private.pem
cp client1_x25519_private.pem other/client99_x25519_private.pem
echo wrong >wrong
# refused TITLE USER KEYDIR OPTION...: all answers are kept
refused() {
	title=$1 who=$2 folder=$3
	shift 3
	ok "$title" must_fail 77 $EPEER client 127.0.0.1 "$PORT" "$who" "$folder" "$@" inbox bye
	$EPEER client 127.0.0.1 "$PORT" "$who" "$folder" "$@" inbox bye >>refusals 2>/dev/null
}
: >refusals
refused "a wrong password is refused" client1 . --password-file wrong
refused "another user's key is refused" client2 other --password-file pw2
refused "another user's key without a password is refused" client2 other
refused "an unknown user is refused" client99 other --password-file pw1
is "all refusals are the same" "$(sort -u refusals | wc -l)" 1
like "and are denied" "$(cat refusals)" '^\{"type":"error","code":"denied",'
refused "a right key without the password is told so" client1 .
like "by a code of its own" "$(tail -n 1 refusals)" '^\{"type":"error","code":"password",'
cp client1_x25519_public.pem other/server_x25519_public.pem
ok "a client that wants another server's key is not answered" must_fail 76 \
	$EPEER client 127.0.0.1 "$PORT" client1 other --password-file pw1 bye

# --- errors after which the connection goes on ---

printf 'bad \377 byte' >bad.txt
before=$(stored)
# goes_on TITLE CODE EXIT ACTION...
goes_on() {
	title=$1 code=$2 rc=$3
	shift 3
	ok "$title" must_fail "$rc" epeer client1 "$@" bye
	is "its code is $code, and the session goes on" \
		"$(epeer client1 "$@" inbox bye 2>/dev/null | grep -oE '"(code":"[a-z-]*|type":"inbox|type":"bye)' | cut -d'"' -f4 | tr '\n' ' ')" \
		"$code inbox bye "
}
goes_on "a recipient who is no user" no-user 67 send 'client3;client99' T hello.txt
goes_on "no recipient" rejected 65 send '' T hello.txt
goes_on "a title of 101 characters" rejected 65 send client3 "$(printf '%0101d' 0)" hello.txt
goes_on "a title with a line end" rejected 65 send client3 'a
b' hello.txt
goes_on "content that is not UTF-8" rejected 65 send client3 T bad.txt
goes_on "an index that the list does not have" no-message 66 read 99
goes_on "index 0" no-message 66 read 0
goes_on "an id that no message has" no-message 66 read "$mine"
is "nothing that was refused was stored" "$(stored)" "$before"
ok "a title of 100 characters is taken" epeer client1 send client3 "$(printf '%0100d' 0)" hello.txt bye

# cut after each record of a message of three
cat >cut.py <<'END'
import sys
from enhanced_peer import Client
port, records = int(sys.argv[1]), int(sys.argv[2])
with Client("127.0.0.1", port, "client1", ".").connect() as c:
    assert c.log_in(password="password1")["type"] == "welcome"
    mail, content = c.send_mail(["client3"], "Cut", b"abc")
    c.send_object(mail, content[:records], 1)
END
before=$(stored)
for n in 0 1 2; do
	PYTHONPATH=$ROOT/t/peer /usr/bin/python3 -B cut.py "$PORT" $n || diag "cut.py $n failed"
done
ok "the server lives on after messages that were cut" epeer client1 bye
is "and stores nothing of them" "$(stored)" "$before"
is "nor anything in the spool" "$(spooled)" ""
ok "the server stops cleanly" stop_server
is "no session died by a signal" "$(grep -c ' killed ' err)" 0

# --- the peer as server ---

# start_peer [OPTION...]: PORT, peer.got
start_peer() {
	: >peer.got
	$EPEER server . "$USERS" "$@" >peer.got 2>peer.err </dev/null &
	PEER_PID=$!
	PIDS="$PIDS $PEER_PID"
	wait_for 10 grep -q '^Listening' peer.got
	PORT=$(sed -n 's/^Listening on 127.0.0.1://p' peer.got)
	export SMTP361_SERVER="127.0.0.1:$PORT"
}
stop_peer() {
	end_pid "$PEER_PID"
}
# enhanced USER APPLET...: our client
enhanced() {
	who=$1 applet=$2
	shift 2
	"$SMTP361" "$applet" --enhanced -u "$who" -k . --password-file "pw${who#client}" "$@"
}
USERS=user_pass.json
start_peer
ok "send is acknowledged by the peer" enhanced client1 send -t 'client2;client3' --title 'A title: with colons' hello.txt
like "the peer got the message" "$(grep '"type":"send"' peer.got)" \
	'"to":\["client2","client3"\].*"title":"A title: with colons"|"title":"A title: with colons".*"to":\["client2","client3"\]'
like "with an id of the client's" "$(grep '"type":"send"' peer.got)" "\"id\":\"$ID\""
is "and its content" "$(sed -n 's/.*"content_sha256":"\([0-9a-f]*\)".*/\1/p' peer.got)" "$(sha256sum hello.txt | cut -d' ' -f1)"
ok "and the client said bye" wait_for 10 grep -q '"event":"end","how":"bye"' peer.got
like "inbox reads the peer's list" "$(enhanced client2 inbox)" "^1	client1	[-0-9]* [.:0-9]*	A title: with colons\$"
enhanced client2 inbox --json >list.json
is "inbox --json has it" "$(/usr/bin/python3 -c '
import json
print([(one["index"], one["from"], one["title"]) for one in json.load(open("list.json"))])')" "[(1, 'client1', 'A title: with colons')]"
is "read reads the peer's message" "$(enhanced client3 read --last --content)" "$(cat hello.txt)"
is "as it would be stored" "$(enhanced client3 read 1 | grep -v '^Time and Date: ')" 'From: client1
To: client2;client3
Title: A title: with colons
Content Length: 15
Content:
Meet at noon. ☕'
ok "an index that the server does not know is 66" must_fail 66 enhanced client3 read 2
ok "delete deletes the last one" enhanced client3 delete --last
is "and it is gone" "$(enhanced client3 inbox)" ""
ok "there is no last one any more" must_fail 66 enhanced client3 delete --last
is "the other recipient keeps it" "$(enhanced client2 read --last --content)" "$(cat hello.txt)"
ok "a wrong password is 77" must_fail 77 "$SMTP361" inbox --enhanced -u client2 -k . --password-file pw1
ok "a recipient who is no user is 67" must_fail 67 enhanced client1 send -t client99 --title T hello.txt
ok "a message of 1,000,001 characters is taken" enhanced client1 send -t client4 --title Wide wide.txt
enhanced client4 read --last --content >got
ok "and read whole" cmp got wide.txt

enhanced client2 inbox --wait --timeout 60 >waited 2>&1 &
waiter=$!
PIDS="$PIDS $waiter"
ok "inbox --wait asks the server to tell" wait_for 10 grep -q '"type":"wait"' peer.got
enhanced client1 send -t client2 --title Ping hello.txt
ok "and ends when a message comes" wait "$waiter"
like "which it lists" "$(cat waited)" '^[0-9]*	client1	[-0-9]* [.:0-9]*	Ping$'
ok "inbox --wait is 75 when its time is over" must_fail 75 enhanced client2 inbox --wait --timeout 1
stop_peer

echo '{"client1": null, "client2": null}' >keys_only.json
USERS=keys_only.json
start_peer --dribble --page 1 --chunk 5
plain() { # USER APPLET...: with the key alone
	who=$1 applet=$2
	shift 2
	"$SMTP361" "$applet" --enhanced -u "$who" -k . "$@" </dev/null
}
ok "an account without a password wants none" plain client1 send -t client2 --title One hello.txt
ok "a second one" plain client1 send -t client2 --title Two hello.txt
ok "a third one" plain client2 send -t client2 --title Three hello.txt
is "inbox --limit takes the newest" "$(plain client2 inbox --limit 2 | cut -f 1,4)" '2	Two
3	Three'
is "--from is one sender's, --limit of those" "$(plain client2 inbox --from client1 --limit 1 | cut -f 1,4)" '2	Two'
two=$(plain client2 inbox --ids | sed -n 2p | cut -f 1)
is "--since begins with that message" "$(plain client2 inbox --since "$two" | cut -f 4 | tr '\n' ' ')" "Two Three "
is "... and with --limit ends early" "$(plain client2 inbox --since "$two" --limit 1 | cut -f 4)" "Two"
seen=$(wc -l <peer.got)
since_then() { tail -n "+$((seen + 1))" peer.got; }
ok "delete by index and id" plain client2 delete 3 "$two" 1
like "asks for those rows alone" "$(since_then | grep -F '"type":"inbox"')" '"indexes":\[3,1\]'
is "and for nothing else" "$(since_then | grep -c '"event":"request"')" 5
ok "one more" plain client1 send -t client2 --title One hello.txt
seen=$(wc -l <peer.got)
ok "delete --last" plain client2 delete --last
like "asks for one row" "$(since_then | grep -F '"type":"inbox"')" '"limit":1[,}]'
ok "again the first" plain client1 send -t client2 --title One hello.txt
ok "and the second" plain client1 send -t client2 --title Two hello.txt
is "a list in several replies, byte by byte" "$(plain client2 inbox | cut -f 1,4)" '1	One
2	Two'
is "content in small records" "$(plain client2 read 2 --content)" "$(cat hello.txt)"
stop_peer
cp client3_x25519_private.pem kept.pem
start_peer
cp client1_x25519_private.pem client3_x25519_private.pem
ok "a user whom the server does not know is 77" must_fail 77 plain client3 inbox
mv kept.pem client3_x25519_private.pem
stop_peer

# --- what the peer can do wrong ---

# every code of the document's table, by its exit code
codes=$(sed -n 's/^| `\([a-z-]*\)` | .* | \(goes on\|ends\).* | \([0-9]*\) |$/\1:\3/p' "$PROTOCOL")
is "the table of errors is found" "$(echo "$codes" | wc -l)" 15
for code in $codes; do
	start_peer --fail "send=${code%:*}"
	ok "send exits with ${code#*:} for ${code%:*}" must_fail "${code#*:}" plain client1 send -t client2 --title T hello.txt
	stop_peer
done
start_peer --fail inbox=try-later --fail read=damaged
ok "inbox that is to be tried later is 75" must_fail 75 plain client1 inbox
ok "a damaged message is 65" must_fail 65 plain client1 read 1
stop_peer
start_peer --cut send --cut inbox
rc=0
plain client1 send -t client2 --title T hello.txt >said 2>&1 || rc=$?
like "a close before the acknowledgement is 75 or 76, never sent" "$rc" '^7[56]$'
rc=0
plain client1 inbox >said 2>&1 || rc=$?
like "a close in place of the list, too" "$rc" '^7[56]$'
stop_peer
start_peer --flip send --flip inbox
ok "a reply whose tag is wrong is 76" must_fail 76 plain client1 send -t client2 --title T hello.txt
ok "for inbox, too" must_fail 76 plain client1 inbox
stop_peer
start_peer
cp server_x25519_public.pem kept.pem
cp client2_x25519_public.pem server_x25519_public.pem
ok "a server that cannot prove the key is 76" must_fail 76 plain client1 inbox
mv kept.pem server_x25519_public.pem
is "and has not heard a name" "$(grep -c '"login"' peer.got)" 0
stop_peer
SMTP361_SERVER=127.0.0.1:1
ok "where nobody listens it is 69" must_fail 69 plain client1 inbox
done_testing
