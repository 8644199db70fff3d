# A private Postfix, to measure beside: with TLS by a certificate of its own, AUTH PLAIN by Cyrus SASL
# with a sasldb of its own, and mail thrown away, for msmtp; or for smtp-source, delivering to the
# Maildir of one user. Its queue is in the folder that is measured. No file of the system's Postfix is
# touched. Sourced by run.sh; uses wait_for, free_ports and PIDS of lib.sh.
#     start_postfix DIR       sets MSMTPRC; or prints why not and fails
#     start_delivery DIR      sets POSTFIX_DOOR, and POSTFIX_BASE: the Maildir of box1 is box1 in it
#     stop_postfix
POSTFIX_PID=''

no_postfix() {
	echo "  no figures of Postfix: $*"
	return 1
}

# can_postfix PROGRAM...: sets DAEMONS, and POSTFIX_PORT
can_postfix() {
	PATH=$PATH:/usr/sbin
	for program in postconf setsid "$@"; do
		command -v "$program" >/dev/null 2>&1 ||
			no_postfix "there is no $program" || return 1
	done
	is_root || no_postfix "only root can start one" || return 1
	DAEMONS=$(postconf -dh daemon_directory) && [ -x "$DAEMONS/master" ] ||
		no_postfix "there is no master" || return 1
	POSTFIX_PORT=$(free_ports 1) || no_postfix "no port is free" || return 1
}

# its folders, and what every one needs: the rest is appended
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
	cat >"$1/etc/master.cf" <<-END
		127.0.0.1:$POSTFIX_PORT inet n - n - - smtpd
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
	wait_for 10 "$@" && return 0
	tail -n 3 "$dir/out" "$dir/log" >&2
	stop_postfix
	no_postfix "it did not start"
}

# --- for msmtp: what it and smtpd need, and nothing else; the password is no secret ---

msmtp_files() { # DIR
	postfix_folders "$1" &&
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
			-subj /CN=localhost -addext subjectAltName=DNS:localhost \
			-keyout "$1/etc/key.pem" -out "$1/etc/cert.pem" 2>/dev/null &&
		echo bench | saslpasswd2 -p -c -f "$1/etc/sasldb2" -u localhost bench || return 1
	cat >"$1/etc/sasl/smtpd.conf" <<-END
		pwcheck_method: auxprop
		auxprop_plugin: sasldb
		mech_list: PLAIN
		sasldb_path: $1/etc/sasldb2
	END
	cat >>"$1/etc/main.cf" <<-END
		default_transport = discard
		mynetworks =
		smtpd_recipient_restrictions = permit_sasl_authenticated, reject
		smtpd_tls_security_level = encrypt
		smtpd_tls_cert_file = $1/etc/cert.pem
		smtpd_tls_key_file = $1/etc/key.pem
		smtpd_sasl_auth_enable = yes
		smtpd_sasl_local_domain = localhost
		cyrus_sasl_config_path = $1/etc/sasl
	END
	cat >"$1/msmtprc" <<-END
		account default
		host 127.0.0.1
		port $POSTFIX_PORT
		from bench@localhost
		auth plain
		user bench
		password bench
		tls on
		tls_starttls on
		tls_trust_file $1/etc/cert.pem
		tls_host_override localhost
	END
	chmod 600 "$1/msmtprc" && chown postfix "$1/etc/sasldb2"
}

ask_msmtp() { echo x | msmtp -C "$1" bench@example.org; }

start_postfix() { # DIR
	can_postfix saslpasswd2 msmtp openssl || return 1
	msmtp_files "$1" || no_postfix "its files cannot be made" || return 1
	run_postfix "$1" ask_msmtp "$1/msmtprc" && MSMTPRC=$1/msmtprc
}

# --- for smtp-source: everything as it comes, and mail to box1@localhost into a Maildir ---

delivery_files() { # DIR
	postfix_folders "$1" && mkdir "$1/mail" && chown nobody "$1/mail" || return 1
	cat >>"$1/etc/main.cf" <<-END
		mynetworks = 127.0.0.0/8
		virtual_mailbox_domains = localhost
		virtual_mailbox_base = $1/mail
		virtual_mailbox_maps = static:box1/
		virtual_uid_maps = static:$(id -u nobody)
		virtual_gid_maps = static:$(id -g nobody)
	END
}

ask_delivery() { smtp-source -m 1 -f x@example.org -t box1@localhost "127.0.0.1:$POSTFIX_PORT"; }
is_delivered() { [ -n "$(ls "$1/box1/new" 2>/dev/null)" ]; }

start_delivery() { # DIR
	can_postfix smtp-source || return 1
	delivery_files "$1" || no_postfix "its files cannot be made" || return 1
	run_postfix "$1" ask_delivery && wait_for 10 is_delivered "$1/mail" || return 1
	POSTFIX_DOOR=127.0.0.1:$POSTFIX_PORT
	POSTFIX_BASE=$1/mail
}

stop_postfix() {
	[ -n "$POSTFIX_PID" ] || return 0
	kill -TERM "$POSTFIX_PID" 2>/dev/null
	wait "$POSTFIX_PID" 2>/dev/null
	POSTFIX_PID=''
}
