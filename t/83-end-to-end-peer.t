#!/bin/sh
# An independent peer of sealed mail and of chat in Python, written from PROTOCOL.md alone: against our programs
# through our server, and as a server that lies.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import dissononce, cryptography' 2>/dev/null || skip_all "no python3 with dissononce and cryptography"
site
rm -f ./*_p256_*.pem # theirs come from the members themselves
mkdir one two
cat >user_pass.json <<'JSON'
{"client1": {"mode": "enhanced"}, "client2": {"mode": "enhanced"}, "client3": {"mode": "enhanced"}}
JSON
cp client1*.pem server_x25519_public.pem one
cp client2_x25519*.pem server_x25519_public.pem two
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out two/client2_p256_private.pem 2>/dev/null
"$SMTP361" keygen -d one --only p256 client1 >keygen.out 2>&1
export SMTP361
PEERS="/usr/bin/python3 -B $ROOT/t/peer"
judged "a server that lies is judged to the end" $PEERS/lying_tested.py # with keys that were used nowhere

start_server || exit 1
judged "sealed mail is judged to the end" $PEERS/sealed_tested.py "$SMTP361_SERVER"
judged "chat is judged to the end" $PEERS/chat_tested.py "$SMTP361_SERVER"
judged "hostile packets are judged to the end" $PEERS/chat_hostile.py "$SMTP361_SERVER"
judged "large packets are judged to the end" $PEERS/chat_large.py "$SMTP361_SERVER" "$SERVER_PID"
ok "the server stops cleanly" stop_server
is "no session died by a signal" "$(grep -c ' killed ' err)" 0

done_testing
