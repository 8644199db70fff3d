#!/bin/sh
# The world's mail programs at the SMTP door: swaks, msmtp, curl, s-nail, Python's smtplib and nodemailer.
. "$(dirname "$0")/lib.sh"
site
smtp361 keygen --tls localhost >/dev/null 2>&1 || exit 1
smtp361 user smtp client1 --cram-md5 --scram --password-file pw1 2>/dev/null || exit 1
start_smtp || exit 1

# nodemailer comes by npm, once for all builds
nodemailer=$ROOT/build/npm
if command -v npm >/dev/null && [ ! -d "$nodemailer/node_modules/nodemailer" ]; then
	mkdir -p "$nodemailer" &&
		(cd "$nodemailer" && npm install --no-fund --no-audit --no-save nodemailer@6 >npm.log 2>&1) ||
		why "npm could not install nodemailer: $(tail -n 3 "$nodemailer/npm.log")"
fi

judged "the programs came to their end" /usr/bin/python3 -B "$ROOT/t/peer/smtp_programs.py" \
	"127.0.0.1:$SMTP_PORT" server_tls_cert.pem "$nodemailer"

# --- TLS: what is spoken, and what is not ---

if command -v openssl >/dev/null; then
	spoken() { printf 'QUIT\r\n' | openssl s_client -connect "$SMTP_DOOR" -starttls smtp "$@" 2>&1; }
	like "TLS 1.2 is spoken" "$(spoken -tls1_2)" 'New, TLSv1.2, Cipher is ECDHE-'
	for version in tls1 tls1_1 tls1_3; do
		like "-$version is not" "$(spoken -$version -cipher ALL:@SECLEVEL=0)" 'Cipher is \(NONE\)'
	done
	for suite in ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305; do
		like "$suite is" "$(spoken -tls1_2 -cipher $suite)" "Cipher is $suite"
	done
	for suite in ECDHE-ECDSA-AES128-SHA256 ECDHE-ECDSA-AES256-SHA ECDHE-ECDSA-AES128-CCM AES128-GCM-SHA256 \
		DHE-RSA-AES128-GCM-SHA256 AES128-SHA; do
		like "$suite is not" "$(spoken -tls1_2 -cipher "$suite:@SECLEVEL=0")" 'Cipher is \(NONE\)'
	done
	like "who verifies is content" "$(spoken -tls1_2 -CAfile server_tls_cert.pem -verify_hostname localhost)" \
		'Verify return code: 0'
	like "renegotiation is refused" "$(printf 'R\nQUIT\r\n' | openssl s_client -connect "$SMTP_DOOR" -starttls smtp \
		-tls1_2 -crlf 2>&1)" 'no renegotiation|wrong|error'
else
	skip "TLS versions and suites" "no openssl"
fi
# --- sendmail, whose account lacks what others have ---

by_sendmail() { # USER PASSWORD-FILE
	printf 'Subject: own\n\nx\n' | smtp361 sendmail --smtp "localhost:$SMTP_PORT" --tls-ca server_tls_cert.pem \
		--user "$1" --password-file "$2" -f "$1@localhost" client3@localhost
}
ok "sendmail logs in by SCRAM-SHA-256" by_sendmail client1 pw1
ok "who has none logs in by PLAIN, in TLS" by_sendmail client2 pw2
ok "a wrong password is refused by both" must_fail 77 by_sendmail client2 pw1
is "each message came once, from who logged in" \
	"$(smtp361 inbox -u client3 --password-file pw3 | cut -f 2 | tr '\n' ' ')" "client1 client2 "

ok "the server lives" kill -0 "$SERVER_PID"
ok "what is stored is whole" smtp361 check
ok "it stops in good order" stop_server
done_testing
