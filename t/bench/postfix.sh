# A private Postfix, to measure msmtp against: TLS by a certificate of its own, AUTH PLAIN by Cyrus SASL
# with a sasldb of its own, a queue in the folder that is measured, and mail that it accepted is thrown
# away, so that nothing of its delivery counts. No file of the system's Postfix is touched. Sourced by
# run.sh; uses wait_for and PIDS of lib.sh.
#     start_postfix DIR    sets MSMTPRC; or prints why not and fails
POSTFIX_PID=''

no_postfix() {
	echo "  no figures of msmtp and Postfix: $*"
	return 1
}

# what msmtp and smtpd need, and nothing else; the password is no secret
postfix_files() { # DIR DAEMONS PORT
	mkdir -p "$1/etc/sasl" "$1/queue" "$1/data" &&
		(cd "$1/queue" && mkdir -p active bounce corrupt defer deferred flush hold incoming \
			maildrop pid private public saved trace) &&
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
	cat >"$1/etc/main.cf" <<-END
		compatibility_level = 3.6
		queue_directory = $1/queue
		data_directory = $1/data
		daemon_directory = $2
		mail_owner = postfix
		maillog_file = $1/log
		maillog_file_prefixes = $1
		myhostname = localhost
		inet_protocols = ipv4
		mydestination =
		alias_maps =
		local_recipient_maps =
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
	cat >"$1/etc/master.cf" <<-END
		127.0.0.1:$3 inet n - n - - smtpd
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
		anvil unix - - n - 1 anvil
		postlog unix-dgram n - n - 1 postlogd
	END
	cat >"$1/msmtprc" <<-END
		account default
		host 127.0.0.1
		port $3
		from bench@localhost
		auth plain
		user bench
		password bench
		tls on
		tls_starttls on
		tls_trust_file $1/etc/cert.pem
		tls_host_override localhost
	END
	chmod 600 "$1/msmtprc"
	chown -R postfix "$1/queue" "$1/data" "$1/etc/sasldb2" && chown root "$1/queue" "$1/queue/pid"
}

start_postfix() { # DIR
	PATH=$PATH:/usr/sbin
	for program in postconf saslpasswd2 msmtp openssl setsid; do
		command -v "$program" >/dev/null 2>&1 ||
			no_postfix "there is no $program" || return 1
	done
	is_root || no_postfix "only root can start one" || return 1
	daemons=$(postconf -dh daemon_directory) && [ -x "$daemons/master" ] ||
		no_postfix "there is no master" || return 1
	port=$((20000 + $$ % 20000))
	postfix_files "$1" "$daemons" "$port" || no_postfix "its files cannot be made" || return 1
	# a group of its own, which is what it ends when it ends
	setsid "$daemons/master" -c "$1/etc" -d >"$1/out" 2>&1 </dev/null &
	POSTFIX_PID=$!
	PIDS="$PIDS $POSTFIX_PID"
	echo x | wait_for 10 msmtp -C "$1/msmtprc" bench@example.org && MSMTPRC=$1/msmtprc && return 0
	tail -n 3 "$1/out" "$1/log" >&2
	stop_postfix
	no_postfix "it did not start"
}

stop_postfix() {
	[ -n "$POSTFIX_PID" ] || return 0
	kill -TERM "$POSTFIX_PID" 2>/dev/null
	wait "$POSTFIX_PID" 2>/dev/null
	POSTFIX_PID=''
}
