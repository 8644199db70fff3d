# What the test scripts share. Each is a TAP producer:
#
#     . "$(dirname "$0")/lib.sh"
#     site                       # a private folder with keys and accounts, and cd into it
#     start_server               # sets PORT and SERVER_PID, waits until it listens
#     ok "a title that is an assertion" test -f x
#     is "the list is empty" "$(as client1 inbox)" ""
#     ok "no FILE is usage" must_fail 64 smtp361 send
#     run as client1 inbox -n    # RC, and the files o and e
#     like "what is wrong is told" "$(said)" '^64 .*-n'
#     done_testing
#
# Everything is made in $HOME_DIR and removed at the end, and every process started here is ended.
set -u
ROOT=${TOP:-$(cd "$(dirname "$0")/.." && pwd)} # TOP: of what is not in t/ itself
. "$ROOT/t/settled.sh"
SMTP361=${SMTP361:-$ROOT/smtp361}
BUILD=${BUILD:-$ROOT/build}
VECTORS=${VECTORS:-$ROOT/../shared/vectors}
PEER="/usr/bin/python3 -B $ROOT/t/peer/classic_peer.py"
SANITIZED=${SANITIZED:-} # set when the program under test is a sanitizer build
# What was freed is kept back for 16 MB, not 256: each fork copies the tables of all those pages.
export LC_ALL=C.UTF-8 ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:quarantine_size_mb=16 UBSAN_OPTIONS=print_stacktrace=1
unset SMTP361_SERVER SMTP361_USER SMTP361_PASSWORD_FILE XDG_CONFIG_HOME VISUAL EDITOR 2>/dev/null || :

TESTS=0 FAILS=0 SERVER_PID='' PIDS=''
HOME_DIR=$(mktemp -d "${TMPDIR:-/tmp}/smtp361-t.XXXXXX")
export HOME=$HOME_DIR

# is_ours PID: it runs, and this shell began it. The number of a process that has ended is soon another's.
is_ours() {
	read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
	stat=${stat##*) ? }
	[ "${stat%% *}" = $$ ]
}
# end_pid PID: one of those, which may have ended; behind this it has
end_pid() {
	is_ours "$1" && kill "$1"
	wait "$1" 2>/dev/null
	:
}
cleanup() {
	for pid in $SERVER_PID $PIDS; do
		is_ours "$pid" && kill -9 "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	chmod -R u+rwX "$HOME_DIR" 2>/dev/null
	rm -rf "$HOME_DIR"
}
trap 'cleanup' EXIT
trap 'exit 1' HUP INT TERM

# --- TAP ---

report() { # PASSED? TITLE
	TESTS=$((TESTS + 1))
	if [ "$1" = 0 ]; then
		echo "ok $TESTS - $2"
	else
		FAILS=$((FAILS + 1))
		echo "not ok $TESTS - $2"
	fi
}
diag() { printf '%s\n' "$*" | sed 's/^/# /'; }
# the same of a failure: prove shows it without -v, too
why() { diag "$@" >&2; }

ok() { # TITLE COMMAND...
	title=$1
	shift
	if "$@" >"$HOME_DIR/.ok" 2>&1 </dev/null; then
		report 0 "$title"
	else
		report 1 "$title"
		why "failed: $*"
		head -c 2000 "$HOME_DIR/.ok" | sed 's/^/# /' >&2
	fi
}
is() { # TITLE GOT WANT
	if [ "$2" = "$3" ]; then
		report 0 "$1"
	else
		report 1 "$1"
		why "got:  $2"
		why "want: $3"
	fi
}
like() { # TITLE GOT EXTENDED-REGEX
	if printf '%s\n' "$2" | grep -Eq -- "$3"; then
		report 0 "$1"
	else
		report 1 "$1"
		why "got:  $2"
		why "want something like: $3"
	fi
}
# judged TITLE COMMAND...: a program that judges much in one process: each line of its output is
# "ok TITLE", "not ok TITLE", "skip TITLE: WHY" or "# DIAGNOSIS". TITLE is that it came to its end.
judged() {
	title=$1
	shift
	rc=0
	told=diag
	"$@" >"$HOME_DIR/.judged" 2>"$HOME_DIR/.judged.err" </dev/null || rc=$?
	while IFS= read -r line; do
		case $line in
		'ok '*) report 0 "${line#ok }" && told=diag ;;
		'not ok '*) report 1 "${line#not ok }" && told=why ;;
		'skip '*) skip "${line#skip }" "not here" ;;
		*) $told "${line#\# }" ;;
		esac
	done <"$HOME_DIR/.judged"
	report $rc "$title"
	[ $rc = 0 ] || why "exit code $rc: $(tail -n 15 "$HOME_DIR/.judged.err")"
}
skip() { # TITLE WHY: one test that cannot run here
	TESTS=$((TESTS + 1))
	echo "ok $TESTS - $1 # SKIP $2"
}
skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}
done_testing() {
	echo "1..$TESTS"
	[ "$FAILS" = 0 ]
	exit
}

# must_fail CODE COMMAND...: it must end with exactly this exit code; a crash (128 and above) never does.
must_fail() {
	want=$1
	shift
	rc=0
	"$@" || rc=$?
	[ "$rc" = "$want" ] || {
		echo "exit code $rc, not $want: $*"
		return 1
	}
}

# --- the program ---

# In the background use "$SMTP361" itself: $! of this function is a shell's.
smtp361() { "$SMTP361" "$@"; }

# run COMMAND...: RC is its exit code; what it prints is in the files o and e. said: all of it, in one line.
run() {
	RC=0
	"$@" >o 2>e </dev/null || RC=$?
}
said() { echo "$RC $(cat o e | tr '\n' ' ')"; }

# Keys are slow to make: one set serves the whole run.
site() {
	cache=$BUILD/t-keys
	(
		flock 9
		[ -f "$cache/all-kinds" ] || {
			mkdir -p "$cache" && "$SMTP361" keygen -d "$cache" --force --all >/dev/null &&
				: >"$cache/all-kinds"
		}
	) 9>"$BUILD/t-keys.lock"
	mkdir -p "$HOME_DIR/site" && cd "$HOME_DIR/site" || exit 1
	rm -f ./*.pem
	cp "$cache"/*.pem . || exit 1
	for i in 1 2 3 4 5; do
		echo "password$i" >"pw$i"
	done
	cat >user_pass.json <<'END'
{
    "client1": "password1",
    "client2": "password2",
    "client3": "password3",
    "client4": "password4",
    "client5": "password5"
}
END
	chmod 600 user_pass.json
}

# wait_for SECONDS COMMAND...: until it succeeds; no fixed sleeps.
wait_for() {
	tries=$(($1 * 150)) # three times as long: a busy machine stands still for seconds
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.02
	done
}

# children: the processes that the server has begun and not yet reaped. Not awk opens the files: where one
# is gone in between it reads none of the rest.
children() {
	cat /proc/[0-9]*/stat 2>/dev/null |
		awk -v p="$SERVER_PID" '{ pid = $1; sub(/.*\) /, ""); if ($2 == p) print pid }'
}
# children_are N: so many are there
children_are() { [ "$(children | wc -l)" = "$1" ]; }

# start_server [OPTIONS]: in the current folder, at $LISTEN, or on a free port of loopback. Logs: out, err.
start_server() {
	: >err
	: >out
	"$SMTP361" serve -l "${LISTEN:-127.0.0.1:0}" "$@" >out 2>err </dev/null &
	SERVER_PID=$!
	wait_for 10 grep -q "ready to accept" out || {
		diag "the server did not start: $(cat err)"
		return 1
	}
	PORT=$(sed -n 's/^Listening on .*:\([0-9]*\)$/\1/p' err | head -n 1)
	export SMTP361_SERVER="127.0.0.1:$PORT"
}

# start_smtp [OPTIONS]: the same, with a door for SMTP beside it: SMTP_DOOR, and SMTP_PORT.
start_smtp() {
	start_server --smtp 127.0.0.1:0 "$@" || return 1
	SMTP_DOOR=$(sed -n 's/^Listening on \(.*\) for SMTP$/\1/p' err | head -n 1)
	SMTP_PORT=${SMTP_DOOR##*:}
}

# free_ports N: the first of N in a row on which nothing listens, for a program that cannot be asked what it took.
# They lie below those that the kernel gives to connections: another test that runs beside would get one.
free_ports() {
	/usr/bin/python3 -B -c '
import random, socket, sys
count = int(sys.argv[1])
lowest_given = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
for attempt in range(1000):
    first = random.randrange(10000, max(lowest_given, 12000) - count)
    sockets = [socket.socket() for port in range(count)]
    try:
        for port, one in enumerate(sockets, first):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
    except OSError:
        continue
    finally:
        for one in sockets:
            one.close()
    print(first)
    sys.exit(0)
sys.exit("no ports are free")
' "$1"
}

# stop_server: politely; its exit code.
stop_server() {
	kill -TERM "$SERVER_PID"
	rc=0
	wait "$SERVER_PID" || rc=$?
	SERVER_PID=''
	return $rc
}

# as USER APPLET...: a client applet as one of client1 ... client5
as() {
	who=$1 applet=$2
	shift 2
	"$SMTP361" "$applet" -u "$who" --password-file "pw${who#client}" "$@"
}

# raw ARGUMENTS...: peer/raw.py, which sends what no honest client does
raw() { /usr/bin/python3 -B "$ROOT/t/peer/raw.py" --keys . --port "$PORT" "$@"; }

# stored: how many message files there are, to see that nothing was stored
stored() {
	wait_settled
	find client? -name '*.txt' -type f 2>/dev/null | wc -l | tr -d ' '
}

# spooled: what stays in the spool though no delivery needs it any more: names go behind the journal's
spool_is_empty() { [ -z "$(ls -A .spool)" ]; }
spooled() {
	wait_settled
	wait_for 3 spool_is_empty || ls -A .spool
}

# change_byte FILE OFFSET: another byte there, whatever it was
change_byte() {
	# shellcheck disable=SC2059
	printf "\\$(printf %03o $(($(od -An -v -tu1 -j "$2" -N 1 "$1") ^ 85)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# ram_folder: RAM is a folder in memory, where a sync costs nothing, or else $HOME_DIR. The file
# system must keep what a store wants to keep beside a message. Mounts in it are taken down at the end.
ram_folder() {
	RAM=$(mktemp -d /dev/shm/smtp361-t.XXXXXX 2>/dev/null) || RAM=$HOME_DIR
	trap 'leave_ram; cleanup' EXIT
	if [ "$RAM" != "$HOME_DIR" ] && ! /usr/bin/python3 -c 'import os, sys
os.setxattr(sys.argv[1], "user.smtp361", b"x")
os.close(os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR))' "$RAM" 2>/dev/null; then
		rmdir "$RAM"
		RAM=$HOME_DIR
	fi
}
leave_ram() {
	for at in $(sed -n "s,^[^ ]* \($RAM/[^ ]*\) .*,\1,p" /proc/mounts); do
		umount -l "$at"
	done
	rm -rf "$RAM"
}

is_root() { [ "$(id -u)" = 0 ]; }
