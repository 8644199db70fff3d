#!/bin/sh
# What no honest client of the enhanced protocol sends: handshakes, logins, records and requests that are wrong
# in every way we know, and peers that are slow, silent or many. Each ends as PROTOCOL.md says, and nothing is
# stored. The numbers in the titles are those of the list of bad inputs, T and a number a threat.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import dissononce' 2>/dev/null || skip_all "no python3 with dissononce"
[ -e "$VECTORS/wycheproof/x25519_test.json" ] || skip_all "no ../shared/vectors"
export VECTORS SANITIZED
site
i=0
while [ $i -lt 40 ]; do
	i=$((i + 1))
	cp client1_x25519_public.pem "w${i}_x25519_public.pem"
done
cp user_pass.json plain.json
/usr/bin/python3 -c 'import json; print(json.dumps({f"w{n}": "right" for n in range(1, 41)}))' >user_pass.json
ok "forty accounts have a password that is costly to judge" smtp361 user harden
/usr/bin/python3 - <<'END'
import json
users = [json.load(open(name)) for name in ("plain.json", "user_pass.json")]
json.dump(users[0] | users[1], open("user_pass.json", "w"))
END
ok "a user is shut out" smtp361 user revoke client4
attack() { # TITLE PROGRAM ARGUMENT...: the server that was started last
	title=$1 program=$2
	shift 2
	judged "$title" /usr/bin/python3 -B "$ROOT/t/peer/$program" "127.0.0.1:$PORT" "$SERVER_PID" "$@"
}

start_server --login-time 20 -v || exit 1
attack "all bad handshakes were tried" hostile_handshakes.py
attack "all bad records were tried" hostile_records.py
ok "the server stops cleanly" stop_server
is "no session died by a signal" "$(grep -c ' killed ' err)" 0
is "T22: stdout holds no control byte but LF" "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <out | wc -c)" 0
is "T22: stderr holds no control byte but LF" "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <err | wc -c)" 0
is "T22: no line of stderr is anything but an event" \
	"$(grep -Evc '^Listening on |^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]*Z [0-9]+ [-c0-9]+ [a-z-]+ ' err)" 0
is "T22: nobody wrote fields of their own" "$(grep -c 'user="*root' err)" 0
is "no password is in the logs" "$(cat out err | grep -c 'password[0-9]')" 0

start_server --enhanced --login-time 20 || exit 1
attack "and openings, where there is no classic protocol" hostile_handshakes.py only
ok "that server stops cleanly" stop_server

start_server --login-time 3 --idle-time 3 --mail-time 2 --max-per-address 300 || exit 1
attack "all crowds came" hostile_crowds.py
ok "that server stops cleanly, too" stop_server
is "and no session of it died by a signal" "$(grep -c ' killed ' err)" 0
done_testing
