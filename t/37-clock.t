#!/bin/sh
# A clock that steps back and forth, by 400 days, to 2038 and back, between messages, inside a session and across
# restarts: mail is listed in the order of its delivery, none is lost, and no id or name is used twice. (The
# clock is libfaketime's; what the kernel stamps on files is the true time.)
. "$(dirname "$0")/lib.sh"
FAKE=$(find /usr/lib /usr/local/lib -name libfaketime.so.1 2>/dev/null | head -n 1)
[ -n "$FAKE" ] || skip_all "no libfaketime"
[ "${SANITIZED:-coverage}" = coverage ] || skip_all "libfaketime and a sanitizer do not go together"
[ "$(LD_PRELOAD=$FAKE FAKETIME='@2001-02-03 12:00:00' date +%Y)" = 2001 ] || skip_all "libfaketime does nothing here"
/usr/bin/python3 -c 'import Cryptodome' 2>/dev/null || skip_all "no python3 with Cryptodome"
site
export TZ=UTC
days=$((400 * 86400))
to_2038=$((2147483647 - $(date +%s))) # the last second that fits into 32 bits
[ "$to_2038" -gt $((2 * days)) ] || skip_all "2038 is near: this test needs another far end"

clock() { # +SECONDS or -SECONDS from the true time, for the server alone
	echo "$1" >clock.new && mv clock.new "$HOME_DIR/clock"
}
under_clock() {
	printf '#!/bin/sh\nLD_PRELOAD=%s FAKETIME_TIMESTAMP_FILE=%s FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 \\
	NO_FAKE_STAT=1 exec "%s" "$@"\n' "$FAKE" "$HOME_DIR/clock" "$SMTP361" >"$HOME_DIR/clocked"
	chmod +x "$HOME_DIR/clocked"
}
under_clock
start() {
	program=$SMTP361
	SMTP361=$HOME_DIR/clocked
	start_server || exit 1
	SMTP361=$program
}

# deliver: three messages, over each wire, from two senders, to one and to several; their titles count
N=0
deliver() {
	for kind in --classic --enhanced --batch; do
		N=$((N + 1))
		echo "content $N" >content
		case $kind in
		--batch)
			printf '{"to":"client2;client3","title":"m%d","content":"content %d\\n"}\n' $N $N |
				as client1 send --enhanced -k . --batch >sent 2>&1
			;;
		*) as client4 send $kind -k . -t client2 --title m$N content >sent 2>&1 ;;
		esac || diag "m$N: $(cat sent)"
	done
}
titles() { as client2 inbox | cut -f 4 | tr '\n' ' '; }
in_order() { seq -f 'm%.0f' "$N" | tr '\n' ' '; }
# judge WHERE: all is there, in its order, and once
judge() {
	is "$1: the list is in the order of delivery" "$(titles)" "$(in_order)"
	is "$1: nothing is lost, and nothing is there twice" "$(titles | tr ' ' '\n' | sort)" "$(in_order | tr ' ' '\n' | sort)"
	is "$1: no two have the same id" "$(as client2 inbox --enhanced --ids | cut -f 1 | sort -u | wc -l)" "$N"
}
clock +0
start
deliver
judge "with a clock that is right"
for step in -$days +$days "+$((to_2038 - 1))" "+$((to_2038 + 2))" +0; do
	clock "$step"
	deliver
	judge "a step to $step s"
done
like "a message of 2038 has its time" "$(as client2 inbox | cut -f 3)" '^2038-01-19 03:14:'
ok "the server stops" stop_server
start
judge "started again"
deliver
judge "and with new mail"
for step in -$days +$days +0; do
	stop_server
	clock "$step"
	start
	deliver
	judge "a step to $step s while it is down"
	[ $step = +0 ] || clock "$(printf %+d $((-step)))"
	stop_server
	start
	deliver
	judge "... and to the other side before the stop"
done
clock +0
kill -9 "$SERVER_PID"
wait "$SERVER_PID" 2>/dev/null
clock -$days
start
deliver
judge "a step back behind kill -9"

# steps inside a session
export HOME_DIR
last=$(as client2 inbox --enhanced --ids | awk -F "\t" -v title="m$N" '$NF == title { print $1 }')
jump() { printf '%s\n' "run:echo $1 >clock.new && mv clock.new '$HOME_DIR/clock'"; }
say() { printf '%s\n' "say:From: client5\\nTo: client2\\nTitle: m$1\\nContent Length: $((9 + ${#1}))\\nContent:\\ncontent $1\\n"; }
/usr/bin/python3 -B "$ROOT/t/peer/raw.py" --keys . --port "$PORT" --user client5 --password-file pw5 key \
	say:1 get "$(say $((N + 1)))" menu "$(jump "+$days")" say:1 get "$(say $((N + 2)))" menu "$(jump "-$days")" \
	say:1 get "$(say $((N + 3)))" menu say:4 eof >session 2>&1
N=$((N + 3))
is "a session lives on while the clock steps by 800 days" "$(tail -n 1 session)" closed
judge "steps inside a session"
is "who asks for what came behind a message gets all that came" \
	"$(as client2 inbox --enhanced -k . --after "$last" | cut -f 4 | tr '\n' ' ')" "m$((N - 2)) m$((N - 1)) m$N "
is "each message can be read by its place in the list" "$(for n in $(seq $N); do
	as client2 read --content "$n"
done | sort)" "$(seq -f 'content %.0f' $N | sort)"
wait_settled
is "each message has a file, and no name was taken twice" "$(find client2 -name '*.txt' | wc -l) $(
	find client3 -name '*.txt' | wc -l)" "$N $((N / 3 - 1))"
ok "the server stops cleanly" stop_server
done_testing
