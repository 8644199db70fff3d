#!/bin/sh
# The SMTP door under the published hostile sequences: smuggling, lines of every length and ending, commands out
# of order, addresses that are paths, logins that are none, bytes ahead of TLS, peers that are slow or silent.
. "$(dirname "$0")/lib.sh"
[ -e "$VECTORS/smtp/hostile_sequences.json" ] || skip_all "no published vectors"

site
printf '{"u1": "password1"}' >user_pass.json
printf 'password1' | smtp361 user smtp u1 --cram-md5 --password-file - 2>/dev/null || exit 1
smtp361 keygen --tls localhost >/dev/null 2>&1 || exit 1
start_smtp --smtp-open || exit 1
mkdir quick && cp user_pass.json quick/ && cd quick || exit 1
"$SMTP361" serve --smtp 127.0.0.1:0 --smtp-open --login-time 3 >out 2>err </dev/null &
PIDS=$!
wait_for 10 grep -q "for SMTP" err || exit 1
QUICK=$(sed -n 's/^Listening on \(.*\) for SMTP$/\1/p' err)
cd .. || exit 1

judged "the hostile sequences came to their end" /usr/bin/python3 -B "$ROOT/t/peer/smtp_hostile.py" \
	"$VECTORS/smtp/hostile_sequences.json" "$SMTP_DOOR" "$QUICK" "$SERVER_PID"
ok "the server lives" kill -0 "$SERVER_PID"
is "nothing but text and line ends came into its log" "$(tr -d '\n -~' <err | wc -c | tr -d ' ')" 0
is "no session died by a signal" "$(grep -c ' killed ' err)" 0
ok "what is stored is whole" smtp361 check
ok "it stops in good order" stop_server
done_testing
