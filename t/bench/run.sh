#!/bin/sh
# make bench: every figure of the program beside its yardstick, measured in the same run, as a table
# on stdout. A goal that is missed is a word in the table; it exits 0 unless something broke.
#   ONLY=smtp    the SMTP door and the binary's size alone; ONLY=ft: file transfer alone;
#                ONLY=seal: sealed files alone; ONLY=chat: chat alone
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
# shellcheck source=../postfix.sh
. "$here/../postfix.sh"
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

# smtp-source to the SMTP door, and to a Postfix where both are
smtp_door() {
	if ! PATH=$PATH:/usr/sbin command -v smtp-source >/dev/null 2>&1; then
		printf '\n  no figures of the SMTP door: there is no smtp-source (postfix has it)\n'
		return
	fi
	mkdir "$HOME_DIR/delivery"
	chmod 711 "$HOME_DIR"
	POSTFIX_DOOR='' POSTFIX_BASE=''
	why_not=$HOME_DIR/why_not_smtp
	start_delivery "$HOME_DIR/delivery" >"$why_not"
	start_smtp --smtp-open --max-sessions 500 --max-per-address 500 || exit 70
	PATH=$PATH:/usr/sbin
	section 14-smtp "$SMTP_DOOR" box1 ${POSTFIX_DOOR:+"$POSTFIX_DOOR" "$POSTFIX_BASE"}
	cat "$why_not"
	stop_server || broken=1
	stop_postfix
}

# a file server over memory, and a private sshd where there is one, for scp
file_transfer() {
	ram_folder
	mkdir "$RAM/ft" "$RAM/ft/drop" && (umask 077 && echo 'a key for all of this' >"$RAM/ft/key") &&
		head -c 1G /dev/urandom >"$RAM/ft/big" && ln "$RAM/ft/big" "$RAM/ft/drop/big" || exit 70
	"$SMTP361" ftserve 127.0.0.1:0 "file:$RAM/ft/key" -d "$RAM/ft/drop" --allow none --allow aes128 \
		--allow aes256 >"$RAM/ft/out.log" 2>"$RAM/ft/err.log" </dev/null &
	FT_PID=$!
	PIDS="$PIDS $FT_PID"
	wait_for 10 grep -q 'Using secret key' "$RAM/ft/out.log" || exit 70
	SSHD_PORT=''
	why_not=$HOME_DIR/why_not_scp
	start_sshd "$RAM/ft" >"$why_not"
	section 15-ft "$SMTP361" "$RAM/ft" "$(sed -n 's/^Listening on //p' "$RAM/ft/err.log")" "$FT_PID" \
		${SSHD_PORT:+"$SSHD_PORT" "$RAM/ft/user_key"}
	cat "$why_not"
	kill "$FT_PID" && wait "$FT_PID" || broken=1
	[ -z "$SSHD_PORT" ] || kill "$SSHD_PID"
	rm -rf "$RAM/ft"
}

# seal and unseal over memory, and age beside them where it is
sealed_files() {
	ram_folder
	mkdir "$RAM/seal" && head -c 512M /dev/urandom >"$RAM/seal/big" &&
		"$SMTP361" keygen -d "$RAM/seal" --only x25519 me >/dev/null 2>&1 || exit 70
	recipient=''
	if command -v age >/dev/null 2>&1; then
		(umask 077 && "$SMTP361" keygen -d "$RAM/seal" --age --secret me >"$RAM/seal/identity") &&
			recipient=$("$SMTP361" keygen -d "$RAM/seal" --age me) || exit 70
	fi
	GOMAXPROCS=1 section 16-seal "$SMTP361" "$RAM/seal" ${recipient:+"$recipient"}
	[ -n "$recipient" ] || printf '  no figures of age: it is not installed\n'
	rm -rf "$RAM/seal"
}

# chat of two members with a server of their own, on the disk
chat_messages() {
	mkdir "$HOME_DIR/chat" "$HOME_DIR/chat/site" "$HOME_DIR/chat/alice" "$HOME_DIR/chat/bob" &&
		"$SMTP361" keygen -d "$HOME_DIR/chat/site" --only x25519 server alice bob >/dev/null 2>&1 &&
		echo '{"alice": {}, "bob": {}}' >"$HOME_DIR/chat/site/user_pass.json" || exit 70
	for who in alice bob; do
		cp "$HOME_DIR/chat/site/${who}"_x25519_*.pem "$HOME_DIR/chat/site/server_x25519_public.pem" \
			"$HOME_DIR/chat/$who/" || exit 70
	done
	"$SMTP361" serve -d "$HOME_DIR/chat/site" -l 127.0.0.1:0 --enhanced >/dev/null 2>"$HOME_DIR/chat/log" \
		</dev/null &
	CHAT_PID=$!
	PIDS="$PIDS $CHAT_PID"
	wait_for 10 grep -q '^Listening on ' "$HOME_DIR/chat/log" || exit 70
	address=$(sed -n 's/^Listening on //p' "$HOME_DIR/chat/log")
	for who in alice bob alice bob; do
		"$SMTP361" chat --enhanced -s "$address" -u "$who" -k "$HOME_DIR/chat/$who" --status >/dev/null \
			2>&1 || exit 70
	done
	section 17-chat "$SMTP361" "$HOME_DIR/chat" "$address"
	kill "$CHAT_PID" && wait "$CHAT_PID" || broken=1
}

# start_sshd DIR: SSHD_PORT and SSHD_PID, for this user, by DIR/user_key; or prints why not
start_sshd() {
	PATH=$PATH:/usr/sbin
	for needed in sshd scp ssh-keygen; do
		command -v "$needed" >/dev/null 2>&1 || {
			echo "  no figures of scp: there is no $needed"
			return
		}
	done
	SSHD_PORT=$(free_ports 1) || return
	mkdir -p /run/sshd 2>/dev/null
	ssh-keygen -q -t ed25519 -N '' -f "$1/host_key" && ssh-keygen -q -t ed25519 -N '' -f "$1/user_key" ||
		exit 70
	"$(command -v sshd)" -D -f /dev/null -p "$SSHD_PORT" -o ListenAddress=127.0.0.1 -o "HostKey=$1/host_key" \
		-o "AuthorizedKeysFile=$1/user_key.pub" -o StrictModes=no -o UsePAM=no -o PidFile=none \
		-o PermitRootLogin=yes -o 'Subsystem=sftp internal-sftp' >"$1/sshd.log" 2>&1 </dev/null &
	SSHD_PID=$!
	PIDS="$PIDS $SSHD_PID"
	wait_for 10 sh -c "printf '' | ssh-keyscan -p $SSHD_PORT 127.0.0.1 2>/dev/null | grep -q ed25519" || {
		echo "  no figures of scp: sshd did not start: $(tail -n 1 "$1/sshd.log")"
		SSHD_PORT=''
	}
}

sizes() {
	# print_row of bench.h, for what needs no program
	kib=$((($(wc -c <"$STATIC") + 1023) / 1024))
	verdict=missed
	[ "$kib" -gt 320 ] || verdict=met
	printf '\nSize, stripped, TLS in it\n  %-42s %12s %12s %12s %13s  %s\n' smtp361.static "$kib KiB" - - \
		'<= 320 KiB' "$verdict" | tee -a "$TABLE"
}

finish() {
	printf '\ngoals: %s met, %s missed\n' "$(grep -c ' met$' "$TABLE")" "$(grep -c ' missed$' "$TABLE")"
	exit "$broken"
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

case ${ONLY:-} in
smtp)
	smtp_door
	[ ! -x "$STATIC" ] || sizes
	finish
	;;
ft)
	file_transfer
	finish
	;;
seal)
	sealed_files
	finish
	;;
chat)
	chat_messages
	finish
	;;
'') ;;
*)
	echo "bench: ONLY=$ONLY is none of smtp, ft, seal and chat" >&2
	exit 64
	;;
esac

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

smtp_door
file_transfer
sealed_files
chat_messages

serve "$SMTP361" # last: it leaves the disk busy
section 5-list
stop_server || broken=1
section 13-growth "$HOME_DIR/growth"
[ ! -x "$STATIC" ] || sizes
finish
