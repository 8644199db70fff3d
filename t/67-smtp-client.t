#!/bin/sh
# sendmail --smtp: against servers that strip TLS, lie, stall, break the protocol and refuse; and against Postfix
# with STARTTLS and CRAM-MD5, whose mail is compared.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/postfix.sh"
export SMTP361
mkdir "$HOME_DIR/work" && cd "$HOME_DIR/work" || exit 1
mkdir other
smtp361 keygen --tls localhost >/dev/null 2>&1 && smtp361 keygen -d other --tls localhost >/dev/null 2>&1 || exit 1
echo password1 >pw1
judged "the servers that are not what they should be come to their end" /usr/bin/python3 -B \
	"$ROOT/t/peer/smtp_client_cases.py" "$PWD"

# --- Postfix: its own folder, queue and ports; nothing of the system's is touched ---

# CRAM-MD5, SCRAM-SHA-256 and PLAIN on three ports, TLS from the first byte on a fourth; what comes goes into a Maildir
smtpd() { echo "127.0.0.1:$((POSTFIX_PORT + $1)) inet n - n - - smtpd -o smtpd_sasl_path=$2 -o smtpd_tls_wrappermode=$3"; }
doors() {
	smtpd 0 CRAM-MD5 no
	smtpd 1 SCRAM-SHA-256 no
	smtpd 2 PLAIN no
	smtpd 3 CRAM-MD5 yes
}
postfix_files() { # DIR
	doors | postfix_folders "$1" && mkdir "$1/mail" && echo password1 | saslpasswd2 -p -c -f "$1/etc/sasldb2" -u localhost ada &&
		chown postfix "$1/mail" "$1/etc/sasldb2" || return 1
	for mechanism in CRAM-MD5 SCRAM-SHA-256 PLAIN; do
		printf '%s\n' 'pwcheck_method: auxprop' 'auxprop_plugin: sasldb' "mech_list: $mechanism" \
			"sasldb_path: $1/etc/sasldb2" >"$1/etc/sasl/$mechanism.conf"
	done
	cat >>"$1/etc/main.cf" <<-END
		virtual_mailbox_domains = example.org
		virtual_mailbox_base = $1/mail
		virtual_mailbox_maps = static:all/
		virtual_uid_maps = static:$(id -u postfix)
		virtual_gid_maps = static:$(id -g postfix)
		default_transport = error:no
		mynetworks =
		smtpd_recipient_restrictions = permit_sasl_authenticated, reject
		smtpd_tls_security_level = encrypt
		smtpd_tls_cert_file = $PWD/server_tls_cert.pem
		smtpd_tls_key_file = $PWD/server_tls_key.pem
		smtpd_sasl_auth_enable = yes
		smtpd_sasl_local_domain = localhost
		smtpd_sasl_security_options = noanonymous
		cyrus_sasl_config_path = $1/etc/sasl
	END
}
can_try_postfix() { can_postfix 4 saslpasswd2 && postfix_files "$HOME_DIR/postfix"; }

mail() { find "$HOME_DIR/postfix/mail/all/new" -type f 2>/dev/null; }
by_postfix() { # PORT --smtp|--smtps OPTIONS...: a message on stdin
	port=$1
	shift
	how=$1
	shift
	"$SMTP361" sendmail -i -f ada@example.org --user ada --password-file pw1 --tls-ca server_tls_cert.pem \
		"$how" "localhost:$port" "$@" bob@example.org
}
# delivered: what arrived, without what Postfix and its delivery put ahead
arrived() { [ "$(mail | wc -l)" = 1 ]; }
delivered() {
	wait_for 20 arrived || {
		why "nothing was delivered: $(tail -n 3 "$HOME_DIR/postfix/log")"
		return
	}
	/usr/bin/python3 -c '
import re, sys
text = open(sys.argv[1], "rb").read()
sys.stdout.buffer.write(re.sub(rb"\A(?:(?:Return-Path|X-Original-To|Delivered-To|Received):.*\n(?:[ \t].*\n)*)*", b"", text))' "$(mail)"
	rm -f "$(mail)"
}

chmod 711 "$HOME_DIR"
if can_try_postfix >why_not 2>&1; then
	{
		printf 'From: ada@example.org\nTo: bob@example.org\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n'
		printf 'Message-ID: <m@example.org>\nSubject: =?utf-8?Q?J=C3=B6rg?=\n\n.\n..dots\nGr\303\274\303\237e\n\n'
		seq 20000
	} >message
	try() { by_postfix "$POSTFIX_PORT" --smtp <message; }
	run_postfix "$HOME_DIR/postfix" try || why "$(try 2>&1)"
	delivered >got
	ok "Postfix, STARTTLS, CRAM-MD5: it delivers what was sent" cmp message got
	like "... by that" "$(cat "$HOME_DIR/postfix/log")" 'sasl_method=CRAM-MD5, sasl_username=ada@localhost'
	by_postfix $((POSTFIX_PORT + 2)) --smtp <message
	delivered >got
	ok "... PLAIN inside TLS" cmp message got
	by_postfix $((POSTFIX_PORT + 3)) --smtps <message
	delivered >got
	ok "... TLS from the first byte" cmp message got
	if by_postfix $((POSTFIX_PORT + 1)) --smtp -v <message >scram.out 2>&1 || grep -q 'AUTH SCRAM' scram.out; then
		delivered >got
		ok "... SCRAM-SHA-256" cmp message got
		like "... by that" "$(cat "$HOME_DIR/postfix/log")" 'sasl_method=SCRAM-SHA-256'
	else
		skip "... SCRAM-SHA-256" "libsasl2-modules does not have it"
	fi
	echo wrong >pwx
	RC=0
	by_postfix "$POSTFIX_PORT" --smtp <message --password-file pwx >o 2>&1 || RC=$?
	is "--password-file twice is misuse" "$RC" 64
	RC=0
	"$SMTP361" sendmail -i --smtp "localhost:$POSTFIX_PORT" --user ada --password-file pwx --tls-ca server_tls_cert.pem b@example.org <message 2>e || RC=$?
	like "a wrong password: 77" "$RC $(cat e)" '^77 .*535'
	RC=0
	"$SMTP361" sendmail -i --smtp "localhost:$POSTFIX_PORT" --tls-ca server_tls_cert.pem b@example.org <message 2>e || RC=$?
	like "no login: each recipient is refused: 67" "$RC $(cat e)" '^67 .*b@example\.org is refused: 554'
	RC=0
	"$SMTP361" sendmail -i --smtp "localhost:$POSTFIX_PORT" --tls-ca other/server_tls_cert.pem b@example.org <message 2>e || RC=$?
	is "another CA: 77" "$RC" 77
	is "... and none of these arrived" "$(mail)" ""
	stop_postfix
else
	skip "Postfix, STARTTLS, CRAM-MD5: it delivers what was sent" "$(cat why_not)"
fi
done_testing
