#!/bin/sh
# What one member can do to another's chat by writing much: nothing. His share of the room is full, and the
# others' is not. And what waits stays where an account cannot be removed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/chat.sh"
house 3
sed -i 's/"client2": {/&"max_bytes": 200000, /' "$HOUSE/srv/user_pass.json"
# packets FROM: how many of this one's wait for client2
packets() { waiting | grep -c -- "-client$1\$"; }
start_server -d "$HOUSE/srv" || exit 1

# --- a share of the room ---

head -c 20000 /dev/urandom >picture.png
for n in 1 3; do
	run u 2 --status
	run u $n --status
	run u $n --send client2 "hello from client$n"
	run u 2 --wait --timeout 20
	is "client2 and client$n know each other" "$RC $(cut -f 3,5 o)" "0 client$n	hello from client$n"
done
for n in 1 2 3; do
	run u 1 --picture picture.png client2
	[ "$RC" = 75 ] && break
done
is "a quarter of 200,000 bytes has room for two pictures of 20,000: 75" "$n $RC" "3 75"
like "... and the server's words are told" "$(cat e)" 'no room for more from you: 2 packets of 4[0-9]{4} bytes wait'
is "... two wait with the server" "$(packets 1)" 2
run u 3 --picture picture.png client2
is "another member's picture goes through" "$RC $(packets 3)" "0 1"
run u 1 --status
is "... the sender's own waits on" "$(packets 1) $(history 1 2 4 | grep -cx waiting)" "2 1"
run u 2 --wait --timeout 20
is "client2 gets what there is" "$RC $(grep -c picture.png o)" "0 3"
run u 1 --status
is "... then there is room for the one that waited" "$RC $(packets 1)" "0 1"
run u 2 --wait --timeout 20
is "... and it comes" "$RC $(grep -c picture.png o)" "0 1"

# --- an account that cannot be removed ---

run u 1 --send client2 "still to be read"
is "something waits for client2" "$RC $(packets 1)" "0 1"
mkdir -p "$HOUSE/srv/.user_pass.json.new/in-the-way" # what accounts are written to first
run u 2 --delete-account --yes
like "where the accounts cannot be written the account stays: 75" "$RC $(cat e)" '^75 .*user_pass.json'
is "... and what waits for him" "$(packets 1) $(test -d "$CHAT/client2/offers" && echo offers)" "1 offers"
rm -r "$HOUSE/srv/.user_pass.json.new"
run u 2 --wait --timeout 20
is "... and can be read" "$RC $(cut -f 3,5 o)" "0 client1	still to be read"
run u 2 --delete-account --yes
is "... the next time it goes, with all of it" "$RC $(find "$CHAT" -name client2)" "0 "
ok "the server stops cleanly" stop_server

done_testing
