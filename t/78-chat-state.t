#!/bin/sh
# What chat keeps of one-time keys on the user's own disk: how many, how long, and for whom.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/chat.sh"
house 2
mkdir kept
MINE=$HOUSE/k2/client2_chat
# older DAYS [WHAT [WHOM]]: as if all that is kept of them (or only: halves, renewed) were so much older
older() {
	/usr/bin/python3 - "$MINE" "$1" "${2:-both}" "${3:-client1}" <<'END'
import glob, json, os, sys
folder, days, what, whom = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
for path in glob.glob(folder + '/' + whom + '.onetime/[0-9]*') if what != 'renewed' else []:
    at = os.stat(path).st_mtime - days * 86400
    os.utime(path, (at, at))
if what != 'halves':
    path = folder + '/' + whom + '.state'
    state = json.load(open(path))
    state['renewed'] -= days * 86400 * 10**6
    json.dump(state, open(path, 'w'))
END
}
start_server -d "$HOUSE/srv" || exit 1
u 2 --status >/dev/null 2>&1
u 1 --status >/dev/null 2>&1
say first 2>/dev/null
like "(they have met)" "$(told 2)" '^0 first; pinned client1'
u 2 --status >/dev/null

# --- how long ---

is "each one-time key that stands has its private half" "$(held) $(halves)" "50 50"
say late
late=$(waiting)
mv "$late" kept/
say waits
older 22
is "those that are three weeks old are replaced, and private halves are kept for what comes late" \
	"$(held) $(halves)" "50 100"
is "... once" "$(held) $(halves)" "50 100"
mv kept/* "$late"
is "... as is seen" "$(told 2)" "0 late;waits; "
say withheld
withheld=$(waiting)
mv "$withheld" kept/
older 10
run u 2 --status
is "without looking what waits none is destroyed" "$RC $(halves)" "0 99"
run u 2 -v --wait --timeout 1
like "private halves that are 30 days old are" "$(halves) $(tr '\n' ' ' <e)" '^51 .*48 old one-time keys for client1 are destroyed'
older 25
run u 2 --status
older 10
run u 2 --wait --timeout 1
is "... also the one of a message that is withheld" "$RC $(halves)" "75 50"
mv kept/* "$withheld"
like "... which is lost, and that is told" "$(told 2)" \
	'^65  a message came, said to be from client1, to a one-time key that was used or given up: it cannot be read;$'
say behind
like "... and by the next one, too" "$(told 2)" '^65 behind; client1: message 4 of 5 is missing;$'

# --- a clock that jumps ---

say ahead travels
travels=$(waiting | tail -n 1)
mv "$travels" kept/
older 1825
is "by a clock five years ahead what waits is read" "$(told 2)" "0 ahead; "
mv kept/* "$travels"
is "... and what was on its way" "$(told 2)" "0 travels; "
u 2 --status >/dev/null
before=$(halves)
older -3650 halves
older 22 renewed
run u 2 --status
older 10 renewed
run u 2 --wait --timeout 1
is "what seems to be from the future is kept" "$RC $(halves)" "75 $((before + 50))"
older 3650 halves
older -1000 renewed
run u 2 --status
is "that they were replaced in the future is not believed" "$RC $(halves)" "0 $((before + 100))"

# --- what cannot be read yet ---

say "to be read"
older 22
run u 2 --status
older 10
cp -p "$HOUSE"/srv/client1_p256_public.pem kept/
cp "$HOUSE"/srv/client2_p256_public.pem "$HOUSE"/srv/client1_p256_public.pem
run u 2 --wait --timeout 5
like "(what waits is of one whose key has changed)" "$(said)" '^77 .*THE KEY OF client1 HAS CHANGED'
mv kept/* "$HOUSE"/srv/
is "its private half is kept as long as it waits" "$(told 2)" "0 to be read; "
is "... and no longer" "$(u 2 --status >/dev/null; halves)" 50

# --- how many ---

for i in 1 2 3; do
	seq 1 50 | u 1 client2 >/dev/null
	run u 2 --status
	is "(50 more wait)" "$RC $(cat e)" "0 "
done
seq 1 50 | u 1 client2 >/dev/null
run u 2 --status
like "with 200 that nothing has answered no more are made, and that is told" \
	"$(halves) $(wc -l <e) $(cat e)" '^200 1 .* that it holds 0 of our one-time keys for client1.* unless as many messages wait'
run u 2 --wait --timeout 20
is "what waits is read, and then nothing is implausible" "$RC $(wc -l <o) $(cat e)" "0 200 "
is "... and there are new ones" "$(held) $(halves)" "50 50"
for i in 1 2 3 4 5 6; do
	rm -f "$CHAT/client2/offers/client1"
	run u 2 --status
done
like "a server that says that it holds none gets no more than 200" "$(halves) $(wc -l <e) $(cat e)" \
	'^200 1 .* that it holds 0 of our one-time keys for client1'
run u 2 --wait --timeout 1
like "... and where nothing waits that is not plausible" "$RC $(cat e)" '^75 .*200 none is answered: that is not plausible; no more'
run u 1 --send client2 "in vain"
is "... and messages wait" "$RC" 75
older 22
run u 2 --status
is "after three weeks there are others" "$RC $(held) $(halves)" "0 50 250"
run u 1 --status
is "... and what waited comes" "$(told 2)" "0 in vain; "

# --- a packet that was made, and not sent ---

OUT=$HOUSE/k1/client1_chat/client2.out
# refused TEXT: its packet is made, and the server cannot keep it
refused() {
	mv "$CHAT/client2/waiting" kept/
	touch "$CHAT/client2/waiting"
	run u 1 --send client2 "$1"
	rm "$CHAT/client2/waiting"
	mv kept/waiting "$CHAT/client2/"
	is "(its packet is there, and is not sent)" "$RC $(find "$OUT" -type f ! -name '.*' | wc -l)" "75 1"
	packet=$(find "$OUT" -type f ! -name '.*')
	cp -p "$packet" packet
}
# its_key: that the packet answers
its_key() { /usr/bin/python3 -c 'print(int.from_bytes(open("packet", "rb").read()[1:9], "big"))'; }
u 2 --status >/dev/null
for age in '6 days ago' 'next year'; do
	refused "of $age"
	touch -d "$age" "$packet"
	run u 1 --status
	is "a packet of $age is sent as it is" "$RC $(cmp packet "$(waiting)")" "0 "
	is "... and comes" "$(told 2)" "0 of $age; "
done
refused "of last week"
rm "$MINE/client1.onetime/$(its_key)"
touch -d '8 days ago' "$packet"
mv "$CHAT/client2/offers/client1" kept/
run u 1 --status
is "a packet of last week waits for another one-time key" "$(cmp packet "$packet") $(waiting)" " "
mv kept/client1 "$CHAT/client2/offers/"
run u 1 --status
is "... and is made anew" "$RC $(waiting | wc -l) $(find "$OUT" -type f 2>/dev/null)" "0 1 "
is "... so that it comes, whose first key is destroyed" "$(told 2)" "0 of last week; "
refused "came, and was not noted"
touch -d '8 days ago' "$packet"
cp -rp "$HOUSE/k1" kept/
touch "$packet"
run u 1 --status
is "(one comes, but its sender does not know that)" "$RC $(told 2)" "0 0 came, and was not noted; "
rm -r "$HOUSE/k1" && mv kept/k1 "$HOUSE/"
run u 1 --status
is "... and makes it anew" "$RC $(waiting | wc -l)" "0 1"
say "behind it"
is "it is shown once" "$(told 2)" "0 behind it; "
is "... and is in the history once" "$(history 2 1 5 | grep -c 'came, and was')" 1
# --- somebody whose key has changed ---

u 2 --status >/dev/null 2>&1
u 2 --wait --timeout 1 >/dev/null 2>&1
older 40
u 2 --status >/dev/null
older 10 renewed
run u 2 --wait --timeout 1
is "(all are new)" "$(held) $(halves)" "50 50"
cp -p "$HOUSE"/srv/client1_p256_public.pem kept/
cp "$HOUSE"/srv/client2_p256_public.pem "$HOUSE"/srv/client1_p256_public.pem
is "those for somebody whose key seems to have changed stay" "$(held) $(halves)" "50 50"
older 22
is "... until they are three weeks old" "$(held) $(halves)" "0 50"
older 10
run u 2 --wait --timeout 1
is "... and their private halves until they are 30 days old" "$RC $(halves)" "75 0"
is "... and for the other key there are none" "$(held) $(halves)" "0 0"
mv kept/* "$HOUSE"/srv/
is "... but again for his own" "$(held) $(halves)" "50 50"

# --- more members than are looked after ---

# members NAMES...: who there is besides
members() {
	for name; do cp "$HOUSE"/client3_x25519_public.pem "$HOUSE/srv/${name}_x25519_public.pem"; done
	accounts client1 client2 "$@"
	stop_server
	start_server -d "$HOUSE/srv"
}
# zoe: are there any for her, on both sides?
zoe() {
	run u 2 --status
	echo "$RC $(find "$CHAT/client2/offers" -name zoe -size +1k | wc -l) $(halves zoe)"
}
members zoe
is "(there is another member)" "$(zoe)" "0 1 20"
# shellcheck disable=SC2046 # words
members $(seq -f "m%03g" 1 220) zoe
is "those for one whom the list leaves out stay" "$(zoe)" "0 1 20"
older 22 both zoe
is "... until they are three weeks old" "$(zoe)" "0 0 20"
older 10 both zoe
run u 2 --wait --timeout 1
is "... and their private halves until they are 30 days old" "$RC $(halves zoe)" "75 0"
is "... and the others are looked after" "$(halves client1) $(halves m001)" "50 20"

# --- somebody who is gone ---

older 22
u 1 --delete-account --yes 2>/dev/null
run u 2 --status
older 10
run u 2 --wait --timeout 1
is "the private halves for somebody who is gone are destroyed, too" "$RC $(halves)" "75 0"

done_testing
