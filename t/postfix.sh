# A private Postfix, for tests and to measure beside: its folder is the caller's, its queue is in it, and its ports
# are free ones; no file of the system's Postfix is touched. Sourced; uses wait_for, free_ports and PIDS of lib.sh.
POSTFIX_PID=''

no_postfix() {
	echo "no Postfix: $*"
	return 1
}

# can_postfix N PROGRAM...: sets DAEMONS, and POSTFIX_PORT, the first of N ports that are free
can_postfix() {
	PATH=$PATH:/usr/sbin
	ports=$1
	shift
	for program in postconf setsid "$@"; do
		command -v "$program" >/dev/null 2>&1 ||
			no_postfix "there is no $program" || return 1
	done
	is_root || no_postfix "only root can start one" || return 1
	DAEMONS=$(postconf -dh daemon_directory) && [ -x "$DAEMONS/master" ] ||
		no_postfix "there is no master" || return 1
	POSTFIX_PORT=$(free_ports "$ports") || no_postfix "$ports free ports were not found" || return 1
}

# its folders, and what every one needs; more goes behind main.cf. Its doors, as lines of master.cf, are stdin
postfix_folders() { # DIR
	mkdir -p "$1/etc/sasl" "$1/queue" "$1/data" &&
		(cd "$1/queue" && mkdir -p active bounce corrupt defer deferred flush hold incoming \
			maildrop pid private public saved trace) || return 1
	cat >"$1/etc/main.cf" <<-END
		compatibility_level = 3.6
		queue_directory = $1/queue
		data_directory = $1/data
		daemon_directory = $DAEMONS
		mail_owner = postfix
		maillog_file = $1/log
		maillog_file_prefixes = $1
		myhostname = localhost
		inet_protocols = ipv4
		mydestination =
		alias_maps =
		local_recipient_maps =
	END
	cat - >"$1/etc/master.cf"
	cat >>"$1/etc/master.cf" <<-END
		cleanup unix n - n - 0 cleanup
		qmgr unix n - n 300 1 qmgr
		tlsmgr unix - - n 1000? 1 tlsmgr
		rewrite unix - - n - - trivial-rewrite
		bounce unix - - n - 0 bounce
		defer unix - - n - 0 bounce
		trace unix - - n - 0 bounce
		proxymap unix - - n - - proxymap
		error unix - - n - - error
		retry unix - - n - - error
		discard unix - - n - - discard
		virtual unix - n n - - virtual
		anvil unix - - n - 1 anvil
		postlog unix-dgram n - n - 1 postlogd
	END
	chown -R postfix "$1/queue" "$1/data" && chown root "$1/queue" "$1/queue/pid"
}

# run_postfix DIR COMMAND...: until the command succeeds
run_postfix() {
	dir=$1
	shift
	# a group of its own, which is what it ends when it ends
	setsid "$DAEMONS/master" -c "$dir/etc" -d >"$dir/out" 2>&1 </dev/null &
	POSTFIX_PID=$!
	PIDS="$PIDS $POSTFIX_PID"
	wait_for 20 "$@" && return 0
	tail -n 3 "$dir/out" "$dir/log" >&2
	stop_postfix
	no_postfix "it did not start"
}

stop_postfix() {
	[ -n "$POSTFIX_PID" ] || return 0
	end_pid "$POSTFIX_PID"
	POSTFIX_PID=''
}
