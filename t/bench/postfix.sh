# Postfix with TLS by a certificate of its own, AUTH PLAIN by Cyrus SASL with a sasldb of its own, and mail thrown
# away, for msmtp; or for smtp-source, delivering to the Maildir of one user. Sourced by run.sh; uses postfix.sh.
#     start_postfix DIR       sets MSMTPRC; or prints why not and fails
#     start_delivery DIR      sets POSTFIX_DOOR, and POSTFIX_BASE: the Maildir of box1 is box1 in it
#     stop_postfix
# --- for msmtp: what it and smtpd need, and nothing else; the password is no secret ---

msmtp_files() { # DIR
	echo "127.0.0.1:$POSTFIX_PORT inet n - n - - smtpd" | postfix_folders "$1" &&
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
	can_postfix 1 saslpasswd2 msmtp openssl || return 1
	msmtp_files "$1" || no_postfix "its files cannot be made" || return 1
	run_postfix "$1" ask_msmtp "$1/msmtprc" && MSMTPRC=$1/msmtprc
}

# --- for smtp-source: everything as it comes, and mail to box1@localhost into a Maildir ---

delivery_files() { # DIR
	echo "127.0.0.1:$POSTFIX_PORT inet n - n - - smtpd" | postfix_folders "$1" && mkdir "$1/mail" && chown nobody "$1/mail" || return 1
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
	can_postfix 1 smtp-source || return 1
	delivery_files "$1" || no_postfix "its files cannot be made" || return 1
	run_postfix "$1" ask_delivery && wait_for 10 is_delivered "$1/mail" || return 1
	POSTFIX_DOOR=127.0.0.1:$POSTFIX_PORT
	POSTFIX_BASE=$1/mail
}
