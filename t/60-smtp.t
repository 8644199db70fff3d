#!/bin/sh
# The SMTP door: mail that comes by it is mail like any other; who may send what to whom; logging in; TLS.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import ssl' 2>/dev/null || skip_all "no python3"
site
smtp361 keygen --tls localhost,127.0.0.1 >/dev/null 2>&1 || exit 1
smtp361 user smtp client1 --cram-md5 --scram --password-file pw1 2>/dev/null || exit 1
smtp361 user smtp client2 --scram --password-file pw2 2>/dev/null || exit 1
smtp361 user quota client5 --bytes 200 >/dev/null 2>&1 || exit 1
door() { # PART
	judged "$1: came to its end" /usr/bin/python3 -B "$ROOT/t/peer/smtp_door.py" "$@"
}

# --- what comes in is mail like any other ---

start_smtp --smtps 127.0.0.1:0 --smtp-domain group.example --smtp-domain Second.EXAMPLE --smtp-alias postmaster=client4 -v || exit 1
SMTPS_DOOR=$(sed -n 's/^Listening on \(.*\) for SMTP over TLS$/\1/p' err)
door storing "$SMTP_DOOR"
printf 'From: Client One <client1@localhost>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\ncaf\351\r\n' >sent.eml
/usr/bin/python3 - "$SMTP_PORT" <<'END' || exit 1
import smtplib, sys
with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=20) as client:
    client.login("client1", "password1")
    client.sendmail("client1@localhost", ["client4@localhost"], open("sent.eml", "rb").read())
END
like "inbox lists it, with its subject as title" "$(as client4 inbox)" '^1.*client1.*grüße$'
ok "read --raw gives the message byte for byte (classic)" sh -c '
	"$0" read -u client4 --password-file pw4 --last --raw | cmp - sent.eml' "$SMTP361"
ok "read --raw gives the message byte for byte (enhanced)" sh -c '
	"$0" --enhanced read -u client4 --password-file pw4 --last --raw | cmp - sent.eml' "$SMTP361"
like "read shows the founding header" "$(as client4 read --last | head -n 4 | tr '\n' '|')" \
	'^From: client1\|To: client4\|Time and Date: .*\|Title: grüße\|$'
like "its content is the message behind the line that tells how it came" \
	"$(as client4 read --last --content | head -n 2 | tr '\n' '|')" \
	'^Received: from .* \(\[127.0.0.1\]\) by group.example \(smtp361\) with ESMTPA id [0-9a-f]{32}; .*\|From: Client One'
printf 'plain\r\ntext' | as client1 send --to client4 2>/dev/null
is "of any other message --raw is its content" "$(as client4 read --last --raw | od -An -c)" \
	"$(printf 'plain\r\ntext' | od -An -c)"
head -c 3000 /dev/urandom >photo.bin
/usr/bin/python3 - "$SMTP_PORT" <<'END' || exit 1
import smtplib, sys
from email.message import EmailMessage
m = EmailMessage()
m["From"], m["To"], m["Subject"] = "Ünï <client1@localhost>", "client4@localhost", "Fotos für dich"
m.set_content("Grüße aus Köln!\n\nBis bald.\n")
m.add_alternative("<p>Gr&uuml;&szlig;e</p>", subtype="html")
m.add_attachment(open("photo.bin", "rb").read(), maintype="image", subtype="jpeg", filename="köln.jpg")
with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=20) as client:
    client.login("client1", "password1")
    client.send_message(m)
END
is "read --text shows what a person reads, behind who sent it" \
	"$(as client4 read --last --text | grep -v '^Time and Date: \|^Content Length: ')" \
	"$(printf '%s\n' 'From: client1' 'To: client4' 'Title: Fotos für dich' 'Content:' 'From: Ünï <client1@localhost>' \
		'To: client4@localhost' 'Subject: Fotos für dich' '' 'Grüße aus Köln!' '' 'Bis bald.' \
		'[attached: köln.jpg, image/jpeg, 3000 bytes]')"
as client4 read --last --save . >saved
ok "read --save saves what is attached" cmp photo.bin "$(cat saved)"
printf 'no message\n' | as client1 send --to client4 2>/dev/null
is "of any other content --text shows it as it is" "$(as client4 read --last --text | tail -n 1)" "no message"
printf 'plain\r\ntext' | as client1 send --to client4 2>/dev/null
ok "--raw and --content do not go together" must_fail 64 smtp361 read --last --raw --content
ok "export and import keep it" sh -c '
	"$0" export -d . client4 all.mbox && mkdir copy && cp user_pass.json copy &&
	"$0" import -d copy --to client4 all.mbox && "$0" check -d copy' "$SMTP361"

# --- the rules ---

door sending "$SMTP_DOOR"
door login "$SMTP_DOOR"
door tls "$SMTP_DOOR" "$SMTPS_DOOR"

# --- the log ---

like "-v logs what the client says" "$(grep ' C: ' err)" ' C: MAIL FROM:<client1@localhost>'
like "and what the server says" "$(grep ' S: ' err)" ' S: 250 2.1.0 sender taken'
like "a message is told by its size" "$(grep ' C: ' err)" ' C: \(a message of [0-9]+ bytes\)'
is "no password is in the log, in no form" \
	"$(grep -c "$(printf 'password1' | base64)\|password1\|$(printf '\0client1\0password1' | base64)" err)" 0
is "nor what AUTH carried" "$(grep ' C: AUTH' err | grep -v ' C: AUTH [A-Z0-9*-]*$' | grep -c .)" 0
ok "the end of a session names its wire and user" wait_for 10 grep -q ' end .*wire=smtps user=client3 sent=1' err

# --- a certificate is renewed while it runs ---

pin() {
	openssl s_client -connect "$SMTPS_DOOR" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256
}
if command -v openssl >/dev/null; then
	old=$(pin)
	smtp361 keygen --tls localhost --force >/dev/null 2>&1
	kill -HUP "$SERVER_PID"
	ok "SIGHUP is logged" wait_for 10 grep -q ' reload certificate=' err
	new=$(pin)
	ok "a new session has the new certificate" [ -n "$new" -a "$new" != "$old" ]
	echo broken >server_tls_cert.pem
	kill -HUP "$SERVER_PID"
	ok "a certificate that cannot be used is named" wait_for 10 grep -q 'reload .*server_tls_cert.pem' err
	is "and the old one stays" "$(pin)" "$new"
	smtp361 keygen --tls localhost --force >/dev/null 2>&1
else
	skip "SIGHUP" "no openssl"
fi

# --- accounts change ---

/usr/bin/python3 -B - "$ROOT" "$SMTP_DOOR" "$SMTP361" <<'END' >shut_out 2>&1
import subprocess, sys
sys.path.insert(0, sys.argv[1] + "/t/peer")
from smtp_wire import Line
line = Line(sys.argv[2])
line.hello()
assert line.cram("client1", "password1") == 235
subprocess.run([sys.argv[3], "user", "revoke", "client1"], check=True, capture_output=True)
print(line.rest())
END
is "who is shut out is told so, and leaves" "$(cat shut_out)" "[421]"

# --- a key elsewhere, and a password for mail programs alone ---

keyed() { HOME=$HOME_DIR/keyed timeout 30 "$SMTP361" "$@" </dev/null; }
mkdir -p "$HOME_DIR/keyed"
smtp361 user invite keyed -s "$SMTP361_SERVER" >invitation 2>/dev/null || exit 1
keyed join invitation >/dev/null 2>&1 || exit 1
ok "who joined by invitation has no password" keyed inbox
echo 'mail word' >pw-mail
echo other >pw-other
ok "user smtp gives one for mail programs" smtp361 user smtp keyed --cram-md5 --scram --password-file pw-mail
door own "$SMTP_DOOR" 'mail word' other
ok "the enhanced protocol does not ask for it" keyed inbox
smtp361 user passwd keyed --password-file pw-other || exit 1
door own "$SMTP_DOOR" 'mail word' other
ok "the enhanced protocol asks for the account's own, once there is one" must_fail 77 keyed inbox --password-file pw-mail
ok "... and takes that" keyed inbox --password-file pw-other
/usr/bin/python3 -B - "$ROOT" "$SMTP_DOOR" "$SMTP361" <<'END' >shut_out 2>&1
import subprocess, sys
sys.path.insert(0, sys.argv[1] + "/t/peer")
from smtp_wire import Line
def user(*args):
    subprocess.run([sys.argv[3], "user", *args], check=True, capture_output=True)
def logged_in(password):
    line = Line(sys.argv[2])
    line.hello()
    assert line.cram("keyed", password) == 235
    return line
line = logged_in("mail word")
user("passwd", "keyed", "--password-file", "pw1")
print(line.ask("NOOP")[0], end=" ")
user("smtp", "keyed", "--none")
print(line.rest(), end=" ")
user("smtp", "keyed", "--cram-md5", "--password-file", "pw1")
line = logged_in("password1")
user("smtp", "keyed", "--own", "--cram-md5", "--password-file", "pw-mail")
print(line.rest(), end=" ")
line = logged_in("mail word")
user("revoke", "keyed")
print(line.rest())
END
is "whose password is no longer for mail programs leaves, and nobody else" "$(cat shut_out)" "250 [421] [421] [421]"
ok "it stops in good order" stop_server

# --- open, and closed ---

site
smtp361 keygen --tls localhost --force >/dev/null 2>&1 || exit 1
smtp361 user smtp client1 --cram-md5 --scram --password-file pw1 2>/dev/null || exit 1
start_smtp || exit 1
door guessing "$SMTP_DOOR"
stop_server
start_smtp --login-time 3 || exit 1
like "who is silent within a login is told that it took too long" "$(/usr/bin/python3 -B - "$ROOT" "$SMTP_DOOR" <<'END'
import sys
sys.path.insert(0, sys.argv[1] + "/t/peer")
from smtp_wire import Line
line = Line(sys.argv[2])
line.hello()
print(line.codes("AUTH CRAM-MD5"), line.rest())
END
)" '^\[334\] \[421\]$'
stop_server
start_smtp --smtp-open || exit 1
door open "$SMTP_DOOR"
stop_server
start_smtp --smtp-tls-only || exit 1
door tls-only "$SMTP_DOOR"
stop_server

mkdir bare && cp user_pass.json bare/ && cd bare || exit 1
: >err
"$SMTP361" serve --smtp 127.0.0.1:0 >out 2>err </dev/null &
PIDS=$!
ok "without keys and a certificate SMTP is still served" wait_for 10 grep -q 'for SMTP$' err
like "and what is missing is said, with the cure" "$(cat err)" 'keygen -d . --tls NAME'
is "no other port is open" "$(grep -c Listening err)" 1
kill $PIDS
touch server_tls_key.pem
ok "half of a certificate's pair does not turn TLS off" must_fail 66 smtp361 serve --smtp 127.0.0.1:0
rm server_tls_key.pem
ok "SMTP over TLS needs a certificate" must_fail 66 smtp361 serve --smtps 127.0.0.1:0
ok "so does TLS alone" must_fail 66 smtp361 serve --smtp 127.0.0.1:0 --smtp-tls-only
ok "a key without a certificate is usage" must_fail 64 smtp361 serve --smtp 127.0.0.1:0 --tls-key x
ok "what is a door's without one is usage" must_fail 64 smtp361 serve --smtp-open
for alias in postmaster =client1 a@b=client1 root=NOBODY root=; do
	ok "an alias \"$alias\" is none" must_fail 64 smtp361 serve --smtp 127.0.0.1:0 --smtp-alias "$alias"
done
ok "a domain with an @ is none" must_fail 64 smtp361 serve --smtp 127.0.0.1:0 --smtp-domain a@b
done_testing
