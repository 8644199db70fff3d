#!/bin/sh
# What one member can do to another's chat by writing much: nothing. His share of the room is full, and the
# others' is not. And what waits stays where an account cannot be removed.
. "$(dirname "$0")/lib.sh"
site
HOUSE=$PWD
mkdir srv && cp server_*.pem client?_x25519_public.pem srv/
for n in 1 2 3; do
	mkdir -m 700 k$n
	cp client${n}_x25519_*.pem server_x25519_public.pem k$n/
done
cat >srv/user_pass.json <<'JSON'
{"client1": {"mode": "enhanced"}, "client2": {"mode": "enhanced", "max_bytes": 200000}, "client3": {"mode": "enhanced"}}
JSON
chmod 600 srv/user_pass.json
# u NUMBER OPTIONS...: chat as this user; RC, and the files o and e
u() {
	who=$1
	shift
	RC=0
	timeout 60 "$SMTP361" chat -u "client$who" -k "$HOUSE/k$who" "$@" >o 2>e </dev/null || RC=$?
}
# waiting FROM: packets for client2
waiting() { find "$HOUSE/srv/.chat/client2/waiting" -name "*-client$1" | wc -l; }
start_server -d "$HOUSE/srv" || exit 1

# --- a share of the room ---

head -c 20000 /dev/urandom >picture.png
for n in 1 3; do
	u 2 --status
	u $n --status
	u $n --send client2 "hello from client$n"
	u 2 --wait --timeout 20
	is "client2 and client$n know each other" "$RC $(cut -f 3,5 o)" "0 client$n	hello from client$n"
done
for n in 1 2 3; do
	u 1 --picture picture.png client2
	[ "$RC" = 75 ] && break
done
is "a quarter of 200,000 bytes has room for two pictures of 20,000: 75" "$n $RC" "3 75"
like "... and the server's words are told" "$(cat e)" 'no room for more from you: 2 packets of 4[0-9]{4} bytes wait'
is "... two wait with the server" "$(waiting 1)" 2
u 3 --picture picture.png client2
is "another member's picture goes through" "$RC $(waiting 3)" "0 1"
u 1 --status
is "... the sender's own waits on" "$(waiting 1) $(u 1 --history client2; grep -c '	waiting	' o)" "2 1"
u 2 --wait --timeout 20
is "client2 gets what there is" "$RC $(grep -c picture.png o)" "0 3"
u 1 --status
is "... then there is room for the one that waited" "$RC $(waiting 1)" "0 1"
u 2 --wait --timeout 20
is "... and it comes" "$RC $(grep -c picture.png o)" "0 1"
# --- an account that cannot be removed ---

u 1 --send client2 "still to be read"
is "something waits for client2" "$RC $(waiting 1)" "0 1"
mkdir -p srv/.user_pass.json.new/in-the-way # what accounts are written to first
u 2 --delete-account --yes
like "where the accounts cannot be written the account stays: 75" "$RC $(cat e)" '^75 .*user_pass.json'
is "... and what waits for him" "$(waiting 1) $(test -d srv/.chat/client2/offers && echo offers)" "1 offers"
rm -r srv/.user_pass.json.new
u 2 --wait --timeout 20
is "... and can be read" "$RC $(cut -f 3,5 o)" "0 client1	still to be read"
u 2 --delete-account --yes
is "... the next time it goes, with all of it" "$RC $(find srv/.chat -name client2)" "0 "
ok "the server stops cleanly" stop_server

done_testing
