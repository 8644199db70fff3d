#!/bin/sh
# A man in the middle of the enhanced protocol, between our own clients and our server: whatever it does to
# whichever message, nothing is believed that was not said, and nothing is stored twice or by half.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import dissononce' 2>/dev/null || skip_all "no python3 with dissononce"
site
export SMTP361 VECTORS
[ -e "$VECTORS/wycheproof/x25519_test.json" ] || skip_all "no ../shared/vectors"

# --- the proxy by itself ---

start_server || exit 1
# through ARGUMENT...: start it; its address, in THROUGH
through() {
	: >proxy.got # what an earlier one wrote is no sign of this one
	/usr/bin/python3 -B "$ROOT/t/peer/proxy.py" "$@" >proxy.got 2>&1 </dev/null &
	PROXY=$!
	PIDS="$PIDS $PROXY"
	wait_for 10 grep -q '^Listening on ' proxy.got
	THROUGH=$(sed -n 's/^Listening on //p' proxy.got)
}
no_more() {
	end_pid "$PROXY"
}
send() { "$SMTP361" send --enhanced -u client1 --password-file pw1 -k . -s "$THROUGH" -t client2 --title "$1" hello.txt; }
printf hello >hello.txt
through --record record "127.0.0.1:$PORT"
ok "a message goes through the proxy" send Through
ok "which tells of it" wait_for 10 grep -q '"framed": true, "c": \[8, 50, 322, ' proxy.got
no_more
before=$(stored)
ok "played to the server, the record is answered" /usr/bin/python3 -B "$ROOT/t/peer/proxy.py" --play record "127.0.0.1:$PORT"
through --answer record
ok "T3: played to a client it is 76" must_fail 76 send Answered
no_more
through "127.0.0.1:$PORT" s:0:flip c:0:delay=0.2
ok "a rule changes a bit of message 2: 76" must_fail 76 send Flipped
no_more
through "127.0.0.1:$PORT" 'c:*:dribble' 's:*:dribble'
ok "a wire that carries a byte at a time changes nothing" send Dribbled
no_more
is "of all that one message is stored" "$(stored)" $((before + 1))
rm client2/*Through* client2/*Dribbled*
stop_server

# --- attackers, and every message of whole sessions: what waits is ended soon by the limits ---

start_server --login-time 4 --idle-time 4 --mail-time 4 || exit 1

judged "every attacker had their turn" /usr/bin/python3 -B "$ROOT/t/peer/impostors.py" "127.0.0.1:$PORT"
judged "every message was tried in every way" /usr/bin/python3 -B "$ROOT/t/peer/proxy_cases.py" "127.0.0.1:$PORT" "$SERVER_PID"
done_testing
