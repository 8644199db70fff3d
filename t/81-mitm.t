#!/bin/sh
# mitm as a program of its own: where it listens, that it changes nothing unasked, what it prints,
# captures and saves. What the attacks do is 80-lab.t's.
. "$(dirname "$0")/lib.sh"
site
start_server

# start_mitm OPTIONS...: to the server, on a free port: sets MITM. Its output: heard, heard.err.
start_mitm() {
	: >heard.err
	"$SMTP361" mitm -l 127.0.0.1:0 --to "127.0.0.1:$PORT" "$@" >heard 2>heard.err </dev/null &
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
ok "... of which there are some" test "$(wc -l <attacks)" -ge 18

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
    c.settimeout(6)
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
