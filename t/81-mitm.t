#!/bin/sh
# mitm as a program of its own: where it listens, that it changes nothing unasked, what it prints,
# captures and saves. What the attacks do is 80-lab.t's.
. "$(dirname "$0")/lib.sh"
site
start_server

# start_mitm OPTIONS...: to the server, or TO, on a free port: sets MITM. Its output: heard, heard.err.
start_mitm() {
	: >heard.err
	"$SMTP361" mitm -l 127.0.0.1:0 --to "${TO:-127.0.0.1:$PORT}" "$@" >heard 2>heard.err </dev/null &
	MITM_PID=$!
	PIDS="$PIDS $MITM_PID"
	wait_for 10 grep -q '^Listening on .*:[0-9]*$' heard.err || return 1
	MITM=$(sed -n 's/^Listening on //p' heard.err | tail -n 1)
}
stop_mitm() {
	kill "$MITM_PID" && wait "$MITM_PID"
}
# as USER PROTOCOL APPLET...: through the attacker
as() {
	user=$1 protocol=$2 applet=$3
	shift 3
	"$SMTP361" "$applet" "$protocol" -s "$MITM" -u "$user" --password-file "pw${user#client}" "$@" </dev/null
}
for i in 1 2 3 4 5; do
	smtp361 user key "client$i" "client${i}_x25519_public.pem" >/dev/null
done

# --- the command line ---

ok "it takes an address and a server" must_fail 64 smtp361 mitm
ok "... both" must_fail 64 smtp361 mitm -l 127.0.0.1:0
ok "an unknown attack is usage" must_fail 64 smtp361 mitm -l 127.0.0.1:0 --to "127.0.0.1:$PORT" nonsense
ok "two attacks that act are usage" \
	must_fail 64 smtp361 mitm -l 127.0.0.1:0 --to "127.0.0.1:$PORT" double flip
ok "impersonate takes a victim" must_fail 64 smtp361 mitm -l 127.0.0.1:0 --to "127.0.0.1:$PORT" impersonate
ok "stolen-key takes a key" must_fail 64 smtp361 mitm -l 127.0.0.1:0 --to "127.0.0.1:$PORT" stolen-key
ok "a key that is not there is an error" \
	must_fail 66 smtp361 mitm -l 127.0.0.1:0 --to "127.0.0.1:$PORT" --victim nobody impersonate
for address in 0.0.0.0:0 0 '[::]:0' 192.0.2.1:0 172.32.0.1:0; do
	ok "$address is public: refused" must_fail 64 smtp361 mitm -l "$address" --to "127.0.0.1:$PORT"
done
like "... with the cure" "$(smtp361 mitm -l 0.0.0.0:0 --to "127.0.0.1:$PORT" 2>&1)" '^hint: .*--yes'
ok "a strike on a public server is refused" \
	must_fail 64 smtp361 mitm -l 127.0.0.1:0 --to 192.0.2.1:13000 low-order
# listens N: as many -l
listens() {
	count=$1
	set --
	while [ "$count" -gt 0 ]; do
		set -- "$@" -l 127.0.0.1:0
		count=$((count - 1))
	done
	"$SMTP361" mitm "$@" --to "127.0.0.1:$PORT"
}
ok "17 addresses are too many" must_fail 64 listens 17
ok "... and so are 100" must_fail 64 listens 100
ok "--yes listens all the same" start_mitm -l 0.0.0.0:0 --yes
ok "... on both addresses" test "$(grep -c '^Listening' heard.err)" = 2
ok "it ends at a signal" stop_mitm
smtp361 mitm --attacks >attacks
is "each attack explains itself, with its threats" "$(while read -r name threats; do
	smtp361 mitm "$name" --help >told && grep -q "^$name (${threats%% *}" told &&
		[ "$(wc -l <told)" -ge 4 ] || echo "$name"
done <attacks)" ""
ok "... of which there are some" test "$(wc -l <attacks)" -ge 21

# --- it changes nothing unasked ---

/usr/bin/python3 -c 'print("Zeile für Zeile, " * 60000, end="")' >large
is "the letter is large" "$(wc -m <large)" 1020000
head -c 1000000 large | iconv -c -t UTF-8 >letter
ok "a relay with every attack that only listens" \
	start_mitm --pcap all.pcap --stolen client1 eavesdrop equal-blocks stolen-key
for protocol in --classic --enhanced; do
	ok "a large e-mail goes through, $protocol" as client1 $protocol send -t client2 --title "large $protocol" letter
	as client2 $protocol read --last --content >got 2>err2
	ok "... and comes back as it was" cmp letter got
done
for i in 1 2 3 4 5 6 7 8 9 10; do
	for protocol in --classic --enhanced; do
		echo "$i $protocol" >"letter.$i$protocol"
		as client3 $protocol send -t client4 --title "at once" "letter.$i$protocol" 2>>err.all &
		SENDERS="${SENDERS:-} $!"
	done
done
failed=0
for pid in $SENDERS; do
	wait "$pid" || failed=$((failed + 1))
done
is "twenty at once go through" "$failed$(cat err.all)" 0
is "... each once" "$(as client4 --enhanced inbox | cut -f 4 | sort | uniq -c | tr -s ' ')" " 20 at once"
stop_mitm
is "every connection has its own number" "$(cut -d' ' -f1 heard | sort -n | uniq | wc -l)" 25
like "the client's login is told" "$(cat heard)" '^1 C: 256 bytes: the login'
like "... and the server's key" "$(cat heard)" '^1 S: 256 bytes: the session.s key'
like "the stolen key opened the classic mail" "$(cat heard)" '^1 \*\* stolen-key: the e-mail "large --classic" from client1'
ok "... which was saved" grep -q 'Zeile' 'client1_large --classic.txt'
is "... whole" "$(tail -c 200 'client1_large --classic.txt')" "$(tail -c 200 letter)"
is "nothing of the enhanced one was" "$(find . -maxdepth 1 -name 'client1_large --enh*')" ""
is "no control byte is printed" "$(tr -d '\n' <heard | tr -d '[:print:]' | wc -c)" 0

# --- the capture ---

if command -v tshark >/dev/null 2>&1; then
	# A port that the kernel gave may be some protocol's own (48898 is AMS), and what looks random
	# may look like one: only what is in these captures is dissected.
	mkdir wireshark
	tshark -G protocols 2>>tshark.err | cut -f 3 | grep -vxE 'frame|raw|ip|tcp|smtp|imf|data|data-text-lines' \
		>wireshark/disabled_protos
	WIRESHARK_CONFIG_DIR=$PWD/wireshark
	export WIRESHARK_CONFIG_DIR
	stream() { # FILE NUMBER: what both sides said, as hex
		tshark -n -q -r "$1" -z "follow,tcp,raw,$2" 2>>tshark.err | grep -E '^	?[0-9a-f]+$'
	}
	is "tshark reads the capture without a fault" \
		"$(tshark -n -r all.pcap -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE \
			-Y 'tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed || tcp.analysis.flags' 2>&1 |
			grep -v '^Running as user' | head -n 3)" ""
	is "each connection is there twice: to the attacker, and from it" \
		"$(tshark -n -r all.pcap -T fields -e tcp.stream 2>/dev/null | sort -un | wc -l)" 50
	is "what came to the attacker went on, byte for byte" \
		"$(for pair in '0 1' '2 3'; do
			set -- "${pair% *}" "${pair#* }"
			[ "$(stream all.pcap "$1" | tr -d '\t\n' | wc -c)" -gt 1000000 ] || echo "$1 is short"
			for side in '^[0-9a-f]' '^	'; do
				[ "$(stream all.pcap "$1" | grep "$side" | tr -d '\t\n' | sha256sum)" = \
					"$(stream all.pcap "$2" | grep "$side" | tr -d '\t\n' | sha256sum)" ] || echo "$pair differ"
			done
		done)" ""
else
	skip "tshark reads the capture without a fault" "tshark is not installed"
fi

# --- JSON, hex ---

ok "a relay that prints JSON" start_mitm --json --hex
echo hello >hello
ok "mail goes through" as client1 --enhanced send -t client2 --title json hello
wait_for 5 grep -q '"ended"' heard
stop_mitm
is "each line is an object, and the bytes are there" "$(/usr/bin/python3 -c '
import json
events = [json.loads(line) for line in open("heard")]
said = [e for e in events if "who" in e]
print(said[0]["who"], bytes.fromhex(said[0]["hex"])[:8], all(len(e["hex"]) == 2 * e["bytes"] for e in said),
      [e["attack"] for e in events if "attack" in e], sum("ended" in e for e in events))')" \
	"C b'SMTP361\\x02' True ['eavesdrop'] 1"

# --- loot ---

mkdir -p loot/in
ok "a false server" start_mitm -d loot/in --victim client1 impersonate
find . -newer heard.err -type f | sort >before
for title in '../../escaped' '/etc/passwd' "$(printf 'a\033[31mb\302\233\342\200\256c')" twice twice; do
	echo "secret of $title" >letter
	as client1 --classic send -t client2 --title "$title" letter || echo "not sent: $title"
done >sent 2>&1
is "the client believes that all was sent" "$(cat sent)" ""
stop_mitm
is "each is a file of its own, in its folder" "$(find loot -type f | wc -l)" 5
is "... named as a server would" "$(find loot/in -name 'client1_twice*' | sort | tr '\n' ' ')" \
	"loot/in/client1_twice.txt loot/in/client1_twice~2.txt "
is "nothing is written outside" "$(find . .. -maxdepth 1 -name '*escaped*')" ""
is "no control character of a title is printed, nor one that turns the line around" \
	"$(/usr/bin/python3 -c 'import unicodedata
print([c for c in open("heard").read() if c != "\n" and unicodedata.category(c)[0] == "C"])')" "[]"
ok "a client whose title has only wide characters" start_mitm --json -d loot/in --victim client1 impersonate
ok "... hands it over" as client1 --classic send -t client2 \
	--title "$(/usr/bin/python3 -c 'print("\U0001F600" * 100)')" letter
wait_for 5 grep -q '"ended"' heard
stop_mitm
like "... and that is told whole" "$(cat heard)" '"won":true,"text":"the e-mail .* from client1 was read'

# --- SMTP ---

# victim HOW [PASSWORD]: Python's smtplib, as client1, sends letter.eml to client5 through the attacker
victim() {
	/usr/bin/python3 -B "$ROOT/t/peer/smtp_victim.py" "$1" "${MITM##*:}" client1 "${2:-password1}" client5 letter.eml
}
# ended N: so many connections of the attacker's are over, whose output has them as JSON
ended() { wait_for 10 sh -c '[ "$(grep -c "\"ended\"" heard)" -ge "$1" ]' - "$1"; }
# shows CONNECTION: which of these stand in what its client and server said, from the JSON with --hex
shows() {
	/usr/bin/python3 -c 'import json, sys
events = [e for e in map(json.loads, open("heard")) if "who" in e and e["connection"] == int(sys.argv[1])]
said = b"".join(bytes.fromhex(e["hex"]) for e in events)
print([t for t in (b"EHLO", b"STARTTLS", b"AUTH PLAIN", b"client", b"Y2xpZW50", b"secret") if t.lower() in said.lower()])' "$1"
}
# words: what the attacker says that it got (**), got not (--), or did (..)
words() {
	/usr/bin/python3 -c 'import json
for line in open("heard"):
    event = json.loads(line)
    if "attack" in event: print(".." if "did" in event else "**" if event["won"] else "--", event["text"])'
}
# titles: of what client5 has
titles() {
	"$SMTP361" inbox --classic -s "127.0.0.1:$PORT" -u client5 --password-file pw5 </dev/null | cut -f 4
}
kill "$SERVER_PID" && wait "$SERVER_PID"
smtp361 keygen --tls localhost,127.0.0.1 >/dev/null 2>&1 || exit 1
smtp361 user smtp client1 --cram-md5 --scram --password-file pw1 2>/dev/null || exit 1
start_smtp || exit 1
TO=$SMTP_DOOR
printf 'From: <client1@localhost>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\ncaf\351\r\n.\r\n..dots\r\nsecret\r\n' >letter.eml

ok "a relay of SMTP" start_mitm --pcap smtp.pcap smtp-relay
is "a client without TLS: of the ways to log in one is left, and it believes that its mail was sent" \
	"$(victim clear | tr '\n' ' ')" "CRAM-MD5 sent "
wait_for 10 grep -q 'goodbye$' heard
stop_mitm
is "each command and reply is told, the login too" \
	"$(sed -n 's/^1 \(C: [0-9]* bytes: a command: [A-Za-z]*\).*/\1/p' heard | cut -d' ' -f1,6 | tr a-z A-Z | tr '\n' ' ')" \
	"C: EHLO C: AUTH C: MAIL C: RCPT C: DATA C: QUIT "
like "... with what stands in them" "$(cat heard)" '^1 C: .* bytes: an answer to AUTH: [A-Za-z0-9+/=]{40,}$'
line=$(sed -n 's/.*hashcat -m 10200 takes: //p' heard)
is "hashcat's line opens with a list of words" "$(printf '%s\n' password password0 password1 secret |
	/usr/bin/python3 -B "$ROOT/t/peer/cram_guess.py" "$line")" "client1 password1"
is "... and with no other word" "$(printf '%s\n' password Password1 password12 '' |
	/usr/bin/python3 -B "$ROOT/t/peer/cram_guess.py" "$line")" "-"
ok "the mail was stolen, byte for byte" cmp letter.eml client1_grüße.txt
is "client5 has it, and one that client1 never wrote" "$(titles | tr '\n' '|')" \
	"grüße|from the attacker, in the name of client1|"
wait_for 10 grep -q ' wire=smtp user=client1 ' err
like "for the server it was one session of client1's, without a fault" "$(grep ' wire=smtp ' err)" \
	' c1 end .* wire=smtp user=client1 sent=2 .* code=0$'
if command -v tshark >/dev/null 2>&1; then
	smtp_fields() { # STREAM FIELD
		tshark -n -r smtp.pcap -d "tcp.port==$(tshark -n -r smtp.pcap -Y "tcp.stream==$1" -T fields -e tcp.dstport 2>/dev/null |
			head -n 1),smtp" -Y "tcp.stream==$1" -T fields -e "$2" 2>/dev/null | tr ',' '\n' | grep . | tr a-z A-Z | tr '\n' ' '
	}
	is "tshark reads what the client said as SMTP" "$(smtp_fields 0 smtp.req.command)" "EHLO AUTH MAIL RCPT DATA QUIT "
	is "... what was answered" "$(smtp_fields 0 smtp.response.code | tr -s ' ' '\n' | uniq | tr '\n' ' ')" \
		"220 250 334 235 250 354 250 221 "
	is "... and what the attacker said to the server" "$(smtp_fields 1 smtp.req.command)" \
		"EHLO AUTH MAIL RCPT DATA MAIL RCPT DATA QUIT "
else
	skip "tshark reads what the client said as SMTP" "tshark is not installed"
fi

ok "a relay of SMTP, in JSON" start_mitm --json --hex smtp-relay
is "a password that is wrong" "$(victim clear password2 | tail -n 1)" "SMTPAuthenticationError"
ended 1
is "... is worth nothing" "$(words)" "$(printf '%s\n' ".. client1 was not let log in" "-- no login and no mail came in the clear")"
is "client1 takes TLS where it is offered" "$(victim offered | tail -n 1)" sent
ended 2
like "... of which the attacker has no text" "$(words | tail -n 1)" '^-- TLS: [0-9]+ sealed records'
is "... not even a name" "$(shows 2)" "[b'EHLO', b'STARTTLS']"
is "... where the login without TLS has one" "$(shows 1)" "[b'EHLO', b'STARTTLS', b'Y2xpZW50']"
stop_mitm
is "it arrived, and nothing else" "$(titles | wc -l)" 3

ok "a relay that strips STARTTLS" start_mitm --json --hex strip-starttls
is "who takes TLS where it is offered says his password, and notices nothing" "$(victim offered | tr '\n' ' ')" "PLAIN sent "
ended 1
like "the attacker has it" "$(words | sed -n 1p)" '^\*\* client1 logged in with the password "password1"$'
ok "... and the mail" cmp letter.eml client1_grüße~2.txt
is "it arrived" "$(titles | wc -l)" 4
is "who requires TLS leaves" "$(victim required)" "SMTPNotSupportedError"
ended 2
is "... which is all that was heard" "$(/usr/bin/python3 -c 'import json
print([bytes.fromhex(e["hex"]) for e in map(json.loads, open("heard")) if e.get("who") == "C" and e["connection"] == 2])')" \
	"[b'ehlo victim.example\\r\\n', b'QUIT\\r\\n']"
is "... and nothing was got" "$(words | tail -n 1)" "-- no login and no mail came in the clear"
stop_mitm

ok "a relay that injects at STARTTLS" start_mitm --json --hex inject-starttls
is "the server ends the session" "$(victim required)" SMTPResponseException
ended 1
like "... and says why" "$(words)" '^-- the server saw what stood behind STARTTLS: 503 5\.5\.1 nothing may stand'
ok "... in its log, too" wait_for 5 grep -q ' wire=smtp user=- .* text="bytes stood behind STARTTLS"' err
is "smtplib drops what stands behind the 220" "$(victim required | tail -n 1)" sent
ended 2
like "... which the attacker cannot see" "$(words | tail -n 1)" '^\.\. the client went on inside TLS'
is "its mail arrived" "$(titles | wc -l)" 5
stop_mitm

/usr/bin/python3 -B "$ROOT/t/peer/smtp_careless.py" server server_tls_cert.pem server_tls_key.pem >careless 2>&1 &
PIDS="$PIDS $!"
wait_for 10 test -s careless
TO=127.0.0.1:$(head -n 1 careless)
printf 'EHLO a\nAUTH PLAIN %s\r\nMAIL FROM:<client3@localhost>\nRCPT TO:<client3@localhost>\nDATA\n' \
	"$(printf '\0client3\0password3' | base64)" >commands
ok "the same, to a careless server, with commands" start_mitm --json --hex --inject commands inject-starttls
is "its client believes that all went well, in TLS that it verified" "$(victim required | tail -n 1)" sent
ended 1
like "client3 has its password" "$(cat careless.client3)" "^AUTH PLAIN $(printf '\0client1\0password1' | base64)\$"
like "... and its mail" "$(cat careless.client3)" '^secret$'
ok "... and client5 has nothing" must_fail 1 test -e careless.client5
is "a careless client believes each answer, in TLS that it verified" \
	"$(/usr/bin/python3 -B "$ROOT/t/peer/smtp_careless.py" client "${MITM##*:}" | tail -n 6 | cut -c 1-3 | tr '\n' ' ')" \
	"250 250 250 354 250 221 "
ended 2
ok "... and its mail is nowhere" must_fail 1 test -e careless.client5
stop_mitm
ok "commands that are not there" must_fail 66 smtp361 mitm -l 127.0.0.1:0 --to "$TO" --inject nowhere inject-starttls

# what passes is not changed: whatever it is, in whatever pieces
/usr/bin/python3 - >odd 2>&1 <<'END' &
import socket
door = socket.create_server(("127.0.0.1", 0))
print(door.getsockname()[1], flush=True)
c, _ = door.accept()
c.settimeout(20)
c.sendall(b"220-odd\r\n")
c.sendall(b"220 one\r\n354 any time\r\nhello\n250-")
said = b""
while data := c.recv(65536): said += data
open("arrived", "wb").write(said)
c.sendall(b"never ended")
c.close()
END
PIDS="$PIDS $!"
wait_for 10 test -s odd
TO=127.0.0.1:$(head -n 1 odd)
ok "a relay to a server that is none" start_mitm eavesdrop
/usr/bin/python3 - "${MITM##*:}" >found 2>&1 <<'END'
import os, random, socket, sys, time
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as c:
    greeting = c.recv(9)
    random.seed(1)
    pieces = [b"EHLO \x1b[31m\x00\r\n", b"\n", b"\r", b"DATA\n", b".\n", b"a\n.\r\n", b"\r\n.\r", b"\nQU", b"x" * 200000,
              b".\r\n", bytes(range(256)), b"\x16\x03\x01\x00\x02ab", b"AUTH PLAIN " + b"\x9b" * 600 + b"\r\n"]
    sent = b""
    for _ in range(60):
        piece = random.choice(pieces)
        c.sendall(piece)
        sent += piece
        if random.random() < 0.2: time.sleep(0.02)
    c.shutdown(socket.SHUT_WR)
    heard = greeting
    while data := c.recv(65536): heard += data
open("sent", "wb").write(sent)
print(heard)
END
wait_for 10 test -s arrived
ok "what the client said arrives, whatever it is" cmp sent arrived
is "... and what the server said" "$(cat found)" \
	"b'220-odd\\r\\n220 one\\r\\n354 any time\\r\\nhello\\n250-never ended'"
stop_mitm
is "no control byte of it is printed" "$(tr -d '\n' <heard | tr -d '[:print:]' | wc -c)" 0
TO=
kill "$SERVER_PID" && wait "$SERVER_PID"
start_server

# --- the founding Python programs ---

if /usr/bin/python3 -c 'import Cryptodome' 2>/dev/null; then
	PY="/usr/bin/python3 -B $ROOT/t/peer/python_peer.py client --keys . --password-file pw1 --user client1 --split"
	kill "$SERVER_PID" && wait "$SERVER_PID"
	start_server --dialect python
	ok "a false server of their dialect" start_mitm -d loot --dialect python --victim client1 impersonate
	ok "their client hands its mail over" $PY --port "${MITM##*:}" send client2 Secret 'nobody may read this' list quit
	like "... the whole of it" "$(cat loot/client1_Secret.txt)" '^nobody may read this$'
	stop_mitm
	ok "a relay that repeats" start_mitm double
	ok "their client's e-mail is sent once" $PY --port "${MITM##*:}" send client2 Echo 'said once' quit
	stop_mitm
	is "... and stored twice" "$("$SMTP361" inbox --dialect python -s "127.0.0.1:$PORT" -u client2 --password-file pw2 </dev/null |
		grep -c Echo)" 2
	kill "$SERVER_PID" && wait "$SERVER_PID"
	start_server
else
	skip "a false server of their dialect" "no python3 with Cryptodome"
fi

# --- hostile parties ---

start_mitm replay-session || exit 1
/usr/bin/python3 - "${MITM##*:}" >found 2>&1 <<'END'
import os, socket, sys, threading
port = int(sys.argv[1])
def call(): return socket.create_connection(("127.0.0.1", port), 20)
def flood():
    try:
        with call() as c: c.sendall(os.urandom(6 << 20))
    except OSError: pass
threads = [threading.Thread(target=flood) for _ in range(12)]
for t in threads: t.start()
for t in threads: t.join()
for frame in (b"SMTP361\x02\xff\xff0123456789", b"SMTP361\x02\x00\x00", b"", b"S", b"\x00" * 300):
    with call() as c:
        c.sendall(frame)
        c.shutdown(socket.SHUT_WR)
        while c.recv(65536): pass
END
is "floods and half frames end" "$(cat found)" ""
is "no process of the relay died of them" "$(grep -c ' killed ' heard.err)" 0
ok "the first whole session is the one that is recorded" as client1 --classic send -t client2 --title first hello
wait_for 5 grep -q '^[0-9]* C: 256 bytes' heard
stop_mitm

ok "a relay for a long session" start_mitm eavesdrop
/usr/bin/python3 - "${MITM##*:}" "$MITM_PID" >found 2>&1 <<'END'
import glob, socket, sys, time
port, parent = int(sys.argv[1]), sys.argv[2]
def largest():
    sizes = []
    for status in glob.glob("/proc/[0-9]*/status"):
        try: fields = dict(line.split(":", 1) for line in open(status).read().splitlines())
        except OSError: continue
        if fields.get("PPid", "").strip() == parent: sizes.append(int(fields["VmRSS"].split()[0]))
    return max(sizes, default=0)
c = socket.create_connection(("127.0.0.1", port), 20)
most = 0
try:
    for _ in range(640): # 40 MB
        c.sendall(b"x" * 65536)
        most = max(most, largest())
except OSError: pass
print("too much:" if most > 24000 else "", most if most > 24000 else "", end="")
END
[ -z "$SANITIZED" ] && is "its memory is bounded, whatever comes" "$(cat found)" " "
stop_mitm

ok "a relay for one who is slow" start_mitm eavesdrop
/usr/bin/python3 - "${MITM##*:}" <<'END'
import socket, sys, time
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as c:
    for at in range(8):
        c.sendall(b"SMTP361\x02"[at:at + 1])
        time.sleep(0.04)
    c.sendall(b"\0\x30" + b"\x09" * 48)
    while c.recv(1000): pass
END
stop_mitm
like "the enhanced protocol is known byte by byte, too" "$(cat heard)" '^1 C: 58 bytes: message 1'

/usr/bin/python3 - >sink 2>&1 <<'END' &
import socket
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
said = []
for _ in range(3):
    c, _ = s.accept()
    c.settimeout(60)
    said.append(c.recv(1) + c.recv(1) + c.recv(1))
print(sorted(set(said)), flush=True)
END
PIDS="$PIDS $!"
wait_for 5 test -s sink
GOOD=$PORT PORT=$(head -n 1 sink)
start_mitm --enhanced --sockets 3 --seconds 5 slow
PORT=$GOOD
wait_for 10 grep -q '^\[' sink
is "slow begins the enhanced protocol at its beginning" "$(tail -n 1 sink)" "[b'SMT']"
stop_mitm
if (: >/dev/full) 2>/dev/null; then
	: >heard.err # what the one before said is not waited for
	"$SMTP361" mitm -l 127.0.0.1:0 --to "127.0.0.1:$PORT" >/dev/full 2>heard.err </dev/null &
	MITM_PID=$!
	PIDS="$PIDS $MITM_PID"
	wait_for 10 grep -q '^Listening on' heard.err
	MITM=$(sed -n 's/^Listening on //p' heard.err)
	as client1 --enhanced inbox >/dev/null
	kill "$MITM_PID"
	ok "output that gets lost is an error" must_fail 74 wait "$MITM_PID"
fi

# --- what goes wrong ---

GOOD=$PORT PORT=1
ok "a relay to a server that is not there" start_mitm eavesdrop
PORT=$GOOD
ok "the client is told" must_fail 75 as client1 --enhanced inbox
like "... and so is the attacker" "$(cat heard.err)" 'relay .*cannot connect'
ok "it goes on" kill -0 "$MITM_PID"
stop_mitm
ok "a relay" start_mitm eavesdrop
"$SMTP361" inbox --enhanced -s "$MITM" -u client2 --password-file pw2 --wait >waited 2>&1 </dev/null &
PIDS="$PIDS $!"
wait_for 5 grep -q 'C: .* message 3' heard
ok "it ends while a session is open" stop_mitm
done_testing
