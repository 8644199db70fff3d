#!/bin/sh
# Chat beside what is said: -v tells how each packet went and came, and what it tells is so; processes of one
# user hide nothing from each other; and what a damaged history forgets is not said a second time.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/chat.sh"
house 3
# about WHAT: the lines of -v about it
about() { sed -n "s/^smtp361 chat: $1: //p" e; }
# fingerprints OF WHOM: as the members' list has them
fingerprints() {
	"$SMTP361" members -u "client$1" -k "$HOUSE/k$1" 2>/dev/null |
		sed -n "s/^client$2	[a-z]*	\(SHA256:[^	]*\)	\(SHA256:[^	]*\)	.*/client$2 is X25519 \1, P-256 \2/p"
}
start_server -d "$HOUSE/srv" || exit 1
for n in 2 1 3 2; do
	u $n --status >/dev/null 2>&1
done
u 1 --send client2 hello 2>/dev/null # whose keys are pinned now
u 2 --wait --timeout 20 >/dev/null 2>&1
u 1 --wait --timeout 1 >/dev/null 2>&1

# --- -v ---

run u 1 --send client2 zero
is "without -v nothing is said of how a message went" "$(said)" "0 "
run u 2 --wait --timeout 20
is "... nor of how it came" "$RC $(cut -f 5 o) $(cat e)" "0 zero "
run u 1 --wait --timeout 1
is "... nor of a receipt" "$(came)" "75  nothing came in 1 second;"

run u 1 -v --send client2 one
about "message 3 to client2" >sent
key=$(sed -n 's/^Noise_KK with his one-time key \([0-9]*\), .*/\1/p' sent)
like "-v tells how it went: by which one-time key" "$(sed -n 1p sent)" '^Noise_KK with his one-time key [0-9]+, [0-9]+ bytes$'
is "... whose fingerprints are as in the list of members" "$(sed -n 2p sent)" "$(fingerprints 1 2)"
like "(which has some)" "$(fingerprints 1 2)" '^client2 is X25519 SHA256:.{43}, P-256 SHA256:.{43}$'
ok "(the other half of that key is there)" test -f "$HOUSE/k2/client2_chat/client1.onetime/$key"
run u 2 -v --wait --timeout 20
about "message 3 from client1" >came
is "... and how it came: by the same key, as many bytes" "$(sed -n 1p came)" "$(sed -n '1s/his/your/p' sent)"
is "... from whom" "$(sed -n 2p came)" "$(fingerprints 2 1)"
is "... and that the key is destroyed" "$(sed -n '3,$p' came)" "your one-time key $key is destroyed"
ok "... which is so" must_fail 1 test -e "$HOUSE/k2/client2_chat/client1.onetime/$key"
is "... and the receipt that goes back" "$(about 'receipt to client1')" \
	"signature made: his messages came up to 3, 0 are missing"
run u 1 -v --wait --timeout 1
is "... and that it came, signed by whom" "$(about 'receipt from client2' | tr '\n' ';')" \
	"signature verified: your messages came up to 3, 0 are missing;$(fingerprints 1 2);"
is "(what it says is so)" "$(history 1 2 4,5 | tr '\t\n' ' ;')" "delivered hello;delivered zero;delivered one;"

rm -f "$CHAT/client2/offers/client1"
run u 1 -v --allow-no-fs --send client2 two
like "what goes sealed: that it has no forward secrecy" "$(about 'message 4 to client2' | sed -n 1p)" \
	'^sealed \(no forward secrecy\), signed, [0-9]+ bytes$'
is "... to whom" "$(about 'message 4 to client2' | sed -n 2p)" "$(fingerprints 1 2)"
cp -p "$(waiting)" kept
run u 2 -v --wait --timeout 20
like "... and comes so, too" "$(about 'message 4 from client1' | sed -n 1p)" \
	'^sealed \(no forward secrecy\), signature verified, [0-9]+ bytes$'
is "... from whom, and no one-time key is spoken of" "$(about 'message 4 from client1' | sed -n '2,$p')" "$(fingerprints 2 1)"

u 1 --send client2 three
rm "$(waiting)"
u 1 --send client2 four
run u 2 -v --wait --timeout 20
is "a receipt tells what is missing" "$RC $(about 'receipt to client1')" \
	"65 signature made: his messages came up to 6, 1 are missing"
run u 1 -v --wait --timeout 1
is "... on both sides" "$(about 'receipt from client2' | sed -n 1p)" \
	"signature verified: your messages came up to 6, 1 are missing"

u 1 --send client2 five
packet=$(waiting)
mv "$packet" "${packet%-*}-client3"
run u 2 -v --wait --timeout 20
like "what does not open is not said to be anybody's" "$(cat e)" \
	'^smtp361 chat: packet said to be from client3: Noise_KK with your one-time key [0-9]+, [0-9]+ bytes: not opened$'
is "... and no key is said to be destroyed" "$(grep -c destroyed e)" 0

# --- one-time keys that the server gives again ---

offers=$CHAT/client2/offers/client1
u 1 --send client2 six
u 2 --wait --timeout 20 >/dev/null 2>&1
cp "$offers" offers
run u 1 --send client2 seven
rm "$offers"
run u 1 --send client2 eight
is "(a message waits)" "$RC $(history 1 2 4,5 --last 1)" "75 waiting	eight"
cp offers "$offers"
run u 1 --status
like "a one-time key that is given again is told when what waited goes, too" "$(said)" \
	'^65 .*the server gave 1 one-time keys of client2.s that it had given before: they were not used'
is "... and it goes with another" "$(history 1 2 4,5 --last 1)" "sent	eight"
run u 2 --wait --timeout 20
is "... and comes" "$RC $(cut -f 5 o | tr '\n' ' ')" "0 seven eight "

# --- two processes of one user ---

# here OPTIONS...: the second one's process waits, in $beside, and is stopped
here() {
	"$SMTP361" chat -u client2 -k "$HOUSE/k2" --timeout 60 "$@" >beside 2>beside_e </dev/null &
	beside=$!
	PIDS="$PIDS $beside"
	wait_for 20 is_here 2 1
	kill -STOP $beside
}
# goes_on: it is continued, and ends: BESIDE is its exit code, and what it has shown
goes_on() {
	kill -CONT $beside
	BESIDE=0
	wait $beside || BESIDE=$?
	BESIDE="$BESIDE $(cut -f 3,4,5 beside | tr '\t\n' ' ;')$(cat beside_e)"
}
run u 1 --wait --timeout 1
here --wait client1
u 1 --send client2 beside
run u 2 --wait --timeout 20
is "(another process takes what comes)" "$RC $(cut -f 5 o)" "0 beside"
goes_on
is "... and who waits for him shows it as well" "$BESIDE" "0 client1 received beside;"
here --wait client1
u 1 --send client2 "beside, too"
run u 2 --wait client3 --timeout 1
goes_on
is "... also where the other one does not wait for him" "$RC $BESIDE" "75 0 client1 received beside, too;"
here --wait
u 1 --send client2 "to anybody"
u 1 --send client2 "of anybody"
run u 2 --wait client1 --timeout 20
goes_on
is "... who waits for anybody, too, in order" "$RC $BESIDE" "0 0 client1 received to anybody;client1 received of anybody;"
here --wait
u 3 --send client2 "the first one" 2>/dev/null
run u 2 --wait --timeout 20
goes_on
is "... also what begins a history" "$RC $BESIDE" "0 0 client3 received the first one;"
here --wait client1
u 1 --send client2 again
u 2 --delete-history client1
run u 2 --wait --timeout 20
goes_on
is "... and what begins it anew" "$RC $BESIDE" "0 0 client1 received again;"
here --wait client1
u 1 --send client2 once
RC=0
u 2 --wait --timeout 20 >/dev/full 2>&1 </dev/null || RC=$?
goes_on
is "what another one could not show is shown once" "$RC $BESIDE" "74 0 client1 received once;"
run u 2 --wait --timeout 1
is "... and was shown then" "$RC $(cat o)" "75 "

# --- many histories ---

u 1 --send client2 "one of many"
# few LIMIT: with so few descriptors
few() { prlimit "$1" timeout 60 "$SMTP361" chat -u client2 -k "$HOUSE/k2" --wait --timeout 20; }
for i in $(seq -w 1 40); do
	for kind in history history-key; do
		cp -p "$HOUSE/k2/client2_chat/client1.$kind" "$HOUSE/k2/client2_chat/many$i.$kind"
	done
done
RC=0
few --nofile=60: >o 2>e </dev/null || RC=$?
is "more histories than the soft limit of descriptors has room for are followed" "$RC $(cut -f 5 o)" "0 one of many"
u 1 --send client2 "too many"
RC=0
few --nofile=60 >o 2>e </dev/null || RC=$?
like "... and where the hard limit has none that is told: 75" "$(said)" '^75 .*Too many open files'
rm -f "$HOUSE"/k2/client2_chat/many*
is "... and what waits comes the next time" "$(u 2 --wait --timeout 20 2>/dev/null | cut -f 5)" "too many"

# --- a damaged history ---

# damage N...: a byte of these records of the first one's history with the second, counted from the last
damage() {
	/usr/bin/python3 - "$HOUSE/k1/client1_chat/client2.history" "$@" <<'EOF'
import sys
with open(sys.argv[1], 'r+b') as f:
    b = bytearray(f.read())
    at, ends = len(b), []
    while at > 24: # each ends with its length
        ends.append(at)
        at -= int.from_bytes(b[at - 4:at], 'big')
    assert at == 24
    for n in sys.argv[2:]:
        b[ends[int(n) - 1] - 30] ^= 1
    f.seek(0)
    f.write(b)
EOF
}
u 1 --send client2 "before the damage"
told 2 >/dev/null
u 1 --send client2 "damaged, both"
damage 1 2
u 1 --send client2 "behind it" 2>/dev/null # of the note that is lost
is "the number of a message is not used again, where all about it is damaged" "$(told 2)" "0 damaged, both;behind it; "
run u 1 --history client2
like "... which is told" "$RC $(cat e)" "^65 smtp361 chat: 2 records of the history are damaged"
u 1 --send client2 "damaged itself"
damage 2
u 1 --send client2 "behind that"
is "... nor where the message is" "$(told 2)" "0 damaged itself;behind that; "
u 1 --send client2 "noted as sent"
damage 1
run u 1 --send client2 "behind the note"
like "(a note is lost, and told)" "$(said)" '^0 smtp361 chat: message [0-9]+ to client2 was sent, which the history has lost $'
is "... nor where the note is that it was sent" "$(told 2)" "0 noted as sent;behind the note; "
rm -f "$offers"
u 1 --send client2 --allow-no-fs "noted as sealed" 2>/dev/null
damage 1
u 2 --status >/dev/null
u 1 --send client2 "behind that note" 2>/dev/null
is "... nor where it went sealed" "$(told 2)" "0 noted as sealed;behind that note; "
is "... and how it went is not forgotten" "$(history 1 2 4,5 | grep sealed\$)" "sent,sealed	noted as sealed"
rm -f "$offers"
run u 1 --send client2 "waits, and is damaged"
damage 1
run u 2 --status
run u 1 --send client2 "goes all the same"
like "what is damaged before it went keeps nothing behind it back, and is told" "$(said)" \
	'^0 smtp361 chat: message [0-9]+ to client2 is damaged in the history, and cannot be sent $'
number=$(sed -n 's/^smtp361 chat: message \([0-9]*\) .*/\1/p' e)
is "... on both sides" "$(told 2)" "65 goes all the same; client1: message $number of $((number + 1)) is missing;"

done_testing
