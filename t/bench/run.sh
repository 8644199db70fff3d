#!/bin/sh
# make bench: every figure of the program beside its yardstick, measured in the same run, as a table
# on stdout. A goal that is missed is a word in the table; it exits 0 unless something broke.
#   BENCH_DIR    a folder on the disk to measure (the build folder); what is made there is removed
#   GROWTH_MAX   messages of the largest mailbox (100000); 1000000 takes minutes more, and 7 GB
# SMTP361 and BUILD come from the Makefile. On ext4, wait some minutes between two runs: for so long
# it avoids the inodes of deleted files, and searching for others slows each new file down.
here=$(cd "$(dirname "$0")" && pwd)
SMTP361=${SMTP361:-$here/../../smtp361}
BUILD=${BUILD:-$here/../../build}
# where the private folder of lib.sh goes: /tmp may be no disk
TMPDIR=$(cd "${BENCH_DIR:-$BUILD}" && pwd) || exit 66
export SMTP361 BUILD TMPDIR
STATIC=$(dirname "$SMTP361")/smtp361.static
TOP=$(cd "$here/../.." && pwd)
# shellcheck source=../lib.sh
. "$here/../lib.sh"
# shellcheck source=postfix.sh
. "$here/postfix.sh"

TABLE=$HOME_DIR/table
broken=0

# section PROGRAM [ARGUMENT...]: run it, and show what it has to say even when it breaks
section() {
	program=$1
	shift
	"$BUILD/t/bench/$program" "$@" >"$HOME_DIR/part" || {
		echo "bench: $program broke" >&2
		broken=1
	}
	cat "$HOME_DIR/part"
	cat "$HOME_DIR/part" >>"$TABLE"
}

# serve PROGRAM [SESSIONS]: a server that lets one address have so many
serve() {
	program=$SMTP361
	SMTP361=$1
	start_server --max-sessions "${2:-500}" --max-per-address "${2:-500}" || exit 70
	SMTP361=$program
}

# an account that asks for its key alone, and the configuration that `join` would have written
key_account() { # NAME
	"$SMTP361" user key "$1" "$1_x25519_public.pem" >/dev/null &&
		"$SMTP361" user mode "$1" key >/dev/null && mkdir -p config/smtp361 || exit 70
	cat >config/smtp361/config.json <<-JSON
		{"server": "$SMTP361_SERVER", "user": "$1", "keys": "$PWD", "enhanced": true}
	JSON
}

# `send` from the shell, and msmtp to a Postfix where both are
shell() {
	head -c 1024 /dev/zero | tr '\0' x >letter
	MSMTPRC=''
	mkdir "$HOME_DIR/postfix"
	chmod 711 "$HOME_DIR" # its processes are another user's
	why_not=$HOME_DIR/why_not
	start_postfix "$HOME_DIR/postfix" >"$why_not"
	export XDG_CONFIG_HOME="$PWD/config"
	section 9-shell "$STATIC" "$SMTP361" "$HOME_DIR/raw" ${MSMTPRC:+"$MSMTPRC"}
	unset XDG_CONFIG_HOME
	cat "$why_not"
	stop_postfix
}

sizes() {
	# print_row of bench.h, for what needs no program
	kib=$((($(wc -c <"$STATIC") + 1023) / 1024))
	verdict=missed
	[ "$kib" -gt 200 ] || verdict=met
	printf '\nSize, stripped\n  %-42s %12s %12s %12s %13s  %s\n' smtp361.static "$kib KiB" - - \
		'<= 200 KiB' "$verdict" | tee -a "$TABLE"
}

site
mkdir "$HOME_DIR/raw"
cat >user_pass.json <<'JSON'
{
    "client1": "password1", "client2": "password2", "client3": "password3", "client4": {},
    "box1": {}, "box2": {}, "box3": {}, "box4": {}, "box5": {}, "box6": {}, "box7": {}, "box8": {}
}
JSON

cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)
disk=$(df -T . 2>/dev/null | awk 'NR == 2 { print $2 }')
echo "$(nproc) x ${cpu:-unknown CPU}, Linux $(uname -r), ${disk:-unknown file system}"
awk '$1 > 0.5 { print "load average " $1 ": figures of a busy machine mean little" }' /proc/loadavg
[ "$disk" != tmpfs ] || echo "tmpfs is no disk: set BENCH_DIR to a folder on one"
printf '  %-42s %12s %12s %12s %13s\n' '' ours yardstick ratio goal

section 1-aes
serve "$SMTP361"
section 2-login "$SERVER_PID"
section 3-messages "$HOME_DIR/raw"
section 4-large "$HOME_DIR/raw"
key_account client4
section 7-noise "$SERVER_PID"
section 8-records
section 11-batch "$HOME_DIR/raw"
stop_server || broken=1

serve "$SMTP361"
section 12-throughput "$HOME_DIR/throughput"
stop_server || broken=1

if [ -x "$STATIC" ]; then
	serve "$STATIC"
	key_account client4
	shell
	stop_server || broken=1
fi

printf '\nMemory of an idle session, PSS\n'
serve "$SMTP361"
section 6-memory "$SERVER_PID" smtp361
stop_server || broken=1
if [ -x "$STATIC" ]; then
	serve "$STATIC"
	section 6-memory "$SERVER_PID" smtp361.static
	stop_server || broken=1
fi

printf '\nIdle enhanced sessions, PSS. Yardstick of a login: the same with no other session\n'
serve "$SMTP361" 6000
section 10-sessions "$SERVER_PID" smtp361
stop_server || broken=1
if [ -x "$STATIC" ]; then
	serve "$STATIC" 6000
	section 10-sessions "$SERVER_PID" smtp361.static
	stop_server || broken=1
fi
is_root || echo "  (only root can read the memory of processes that hold keys)"

serve "$SMTP361" # last: it leaves the disk busy
section 5-list
stop_server || broken=1
section 13-growth "$HOME_DIR/growth"
[ ! -x "$STATIC" ] || sizes

printf '\ngoals: %s met, %s missed\n' "$(grep -c ' met$' "$TABLE")" "$(grep -c ' missed$' "$TABLE")"
exit "$broken"
