#!/bin/sh
# Eight writers with equal titles and one mailbox, which is listed, read and deleted from meanwhile, while
# sessions and the server are killed: at every checkpoint the list is what a model says of it. EXHAUSTIVE=1
# is 8 x 10,000 messages, and takes minutes.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import dissononce, Cryptodome' 2>/dev/null ||
	skip_all "no python3 with dissononce and Cryptodome"
site
export SMTP361
for n in 1 2 3 4 5 6 7 8; do
	for key in public private x25519_public x25519_private; do
		cp -p client1_$key.pem w${n}_$key.pem
	done
done
echo password8 >pw8
cat >user_pass.json <<'END_OF_USERS'
{"client4": "password4", "client5": "password5", "w1": {}, "w2": {}, "w3": {}, "w4": {}, "w5": {}, "w6": {},
 "w7": {}, "w8": "password8"}
END_OF_USERS
each=500 rounds=4
[ -z "${EXHAUSTIVE:-}" ] || each=10000 rounds=10
judged "8 x $each messages come to the end" /usr/bin/python3 -B "$ROOT/t/peer/writers.py" $each $rounds \
	calm sessions server sessions
done_testing
