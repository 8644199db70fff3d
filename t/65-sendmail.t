#!/bin/sh
# sendmail, as programs call it, to `serve` over the enhanced protocol: what is stored is the message
# that was handed over, for those it was meant for, once; and 0 means that it is there.
. "$(dirname "$0")/lib.sh"
PYTHON="/usr/bin/python3 -B"
site
cat >user_pass.json <<'END'
{"client1": {}, "client2": {}, "client3": {}, "client4": {}}
END
chmod 600 user_pass.json
start_server || exit 1
export SMTP361_USER=client1
HOST=$(uname -n)

# send INPUT OPTIONS...: sendmail with this on stdin (printf's format): RC, o, e
send() {
	input=$1
	shift
	RC=0
	# shellcheck disable=SC2059
	printf "$input" | timeout 60 "$SMTP361" sendmail "$@" >o 2>e || RC=$?
}
raw() { "$SMTP361" read --enhanced -u "client$1" --raw --last | tr -d '\r'; } # N
titles() { "$SMTP361" inbox --enhanced -u "client$1" | cut -f 4; }
count() { titles "$1" | wc -l | tr -d ' '; }
field() { raw "$1" | sed -n "s/^$2: //p"; } # N NAME
body() { raw "$1" | sed '1,/^$/d'; }

# --- a message ---

send 'Subject: one\nTo: client2\n\nhello\n' client2
is "a message goes without a word" "$(said)" "0 "
is "... its subject is the title" "$(titles 2)" one
is "... its text is there" "$(body 2)" hello
is "... From is added" "$(field 2 From)" "client1@$HOST"
like "... and Date" "$(field 2 Date)" '^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} [0-9:]{8} \+0000$'
like "... and Message-ID" "$(field 2 Message-ID)" "^<[0-9a-f]+\.[0-9]+@$HOST>\$"
printf 'From: A <a@b.example>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <x@y>\nTo: client2\nSubject: =?utf-8?Q?J=C3=B6rg?=\n folded\nX-Any:  kept \n\nline\n\n.dot\nend\n' >whole
"$SMTP361" sendmail -i client2 <whole
is "what is there already stays, byte for byte" "$(raw 2)" "$(cat whole)"
is "... the title is decoded and unfolded" "$(titles 2 | tail -n 1)" "Jörg folded"
sed 's/$/\r/; s/<x@y>/<crlf@y>/' whole >crlf
"$SMTP361" sendmail -i client2 <crlf
is "lines that end in CR LF are the same lines" "$(raw 2)" "$(sed 's/<x@y>/<crlf@y>/' whole)"
before=$(count 2)
"$SMTP361" sendmail -i client2 <crlf
is "a message that names itself is stored once, however often it comes" "$(count 2)" "$before"
send 'just text\nno header\n' client2
is "without a header all of it is text" "$(body 2 | tr '\n' '|')" "just text|no header|"
is "... which has no title" "$(titles 2 | tail -n 1)" ""
send 'To: client2\nSubject: cut\nno field\n\nmore\n' client2
is "a line that is no field begins the text" "$(body 2 | tr '\n' '|')" "no field||more|"
send 'From client1 Mon Jan  1 00:00:00 2024\nSubject: mbox\n\nx\n' client2
is "an mbox's From line is no part of it" "$(raw 2 | head -n 1)" "Subject: mbox"
send '' client2
is "nothing at all is a message, too" "$RC $(body 2)" "0 "
send 'Subject: no end\n\nlast line' client2
is "a last line without an end gets one" "$(body 2)" "last line"
send 'Subject: %s\n\nx\n' "$(printf %0150d 7)" client2 # printf takes the operand: none is sent
send "Subject: $(printf %0150d 7)\n\nx\n" client2
is "a title has at most 100 characters" "$(titles 2 | tail -n 1 | wc -m | tr -d ' ')" 101
is "... the subject is whole" "$(field 2 Subject)" "$(printf %0150d 7)"

# --- lines and bytes ---

send 'Subject: dot\n\na\n.\nb\n' client2
is "a line of one dot ends it" "$(body 2)" a
send 'Subject: dot\n\na\r\n.\r\nb\r\n' client2
is "... with CR LF, too" "$(body 2)" a
for i in -i -oi -ti; do
	send 'Subject: dot\nTo: client2\n\na\n.\n..b\n.c\n' $i client2
	is "... with $i it does not" "$(body 2 | tr '\n' '|')" "a|.|..b|.c|"
done
send 'Subject: p\rBcc: client3\nTo: client2\n\n10%%\r50%%\r100%%\n' -t
is "a CR in the header is a blank, and begins no field" "$RC $(field 2 Subject)" "0 p Bcc: client3"
is "... in the text it is a line end" "$(body 2 | tr '\n' '|')" "10%|50%|100%|"
before=$(count 2)
send 'Subject: x\n\na\0b\n' client2
like "NUL is refused: 65" "$(said)" '^65 .*NUL'
send 'Sub\0ject: x\n\na\n' client2
is "... in the header, too" "$RC $(count 2)" "65 $before"
$PYTHON -c '
import sys
sys.stdout.buffer.write(b"Subject: bytes\n\n" + bytes(b for b in range(1, 256) if b not in (10, 13)) +
	"\uf780\uf7ff\U0001f600\n".encode() + b"\xef\x9e\n")' >bytes
"$SMTP361" sendmail -i client2 <bytes
ok "each byte that is no line end comes back as it was" $PYTHON -c "
import subprocess
got = subprocess.run(['$SMTP361', 'read', '--enhanced', '-u', 'client2', '--raw', '--last'], capture_output=True, check=True).stdout
want = open('bytes', 'rb').read().split(b'\n\n', 1)[1].replace(b'\n', b'\r\n')
assert got.split(b'\r\n\r\n', 1)[1] == want, got"
{
	printf 'Subject: long\nTo: client2\n\n'
	head -c 3000000 /dev/urandom | base64 -w 0
	echo
} >long
"$SMTP361" sendmail -i client2 <long
is "3 MB in one line come whole" "$(raw 2 | sed '1,/^$/d' | cksum)" "$(sed '1,/^$/d' long | cksum)"
{
	printf 'Subject: head\n'
	yes 'X-Filler: 0123456789012345678901234567890123456789012345678901234567890123456789' | head -n 14000
	printf '\nx\n'
} >headers
RC=0
"$SMTP361" sendmail -i client2 <headers >o 2>e || RC=$?
like "a header without bounds is refused: 65" "$(said)" '^65 .*header'

# --- to whom ---

send 'To: client2, (no) Client3 <client3@localhost>\nCc: Team: client4;\nBcc: client1\nSubject: all\n\nx\n' -t
for n in 1 2 3 4; do
	is "-t sends to To, Cc and Bcc: client$n" "$(titles $n | tail -n 1)" all
done
is "... Bcc is in nobody's copy" "$(field 1 Bcc)$(field 2 Bcc)" ""
is "... nor is whom it named, in what others get" \
	"$("$SMTP361" read --enhanced -u client2 --last | sed -n 's/^To: //p' | head -n 1)" "client2;client3;client4"
is "... he gets it by himself" "$("$SMTP361" read --enhanced -u client1 --last | sed -n 's/^To: //p' | head -n 1)" client1
a=$(count 1) b=$(count 2) c=$(count 3)
send 'To: client2\nSubject: both\n\nx\n' -t client3 client2
is "arguments are added to -t, and nobody gets it twice" "$(($(count 1) - a)) $(($(count 2) - b)) $(($(count 3) - c))" "0 1 1"
send 'To: client2\nBcc: client3\nSubject: args\n\nx\n' client4
is "without -t the arguments alone count" "$(titles 4 | tail -n 1) $(($(count 2) - b)) $(($(count 3) - c))" "args 1 1"
send 'To: client2\nResent-To: client4\nSubject: resent\n\nx\n' -t
is "-t of a message that is sent on goes to those of Resent-" "$(titles 4 | tail -n 1) $(($(count 2) - b))" "resent 1"
send 'Subject: list\n\nx\n' 'client2, Client3 <client3>'
is "an argument may be a list" "$(titles 2 | tail -n 1) $(titles 3 | tail -n 1)" "list list"
for to in client2@localhost "client2@$HOST" client2@127.0.0.1 'client2@[127.0.0.1]' CLIENT2@LOCALHOST client2@smtp361.invalid; do
	send "Subject: $to\n\nx\n" "$to"
	is "$to is a user here" "$RC $(titles 2 | tail -n 1)" "0 $to"
done
before=$(stored)
for to in client2@example.org client2@localhost.example.org 'client2%%example.org' 'client2!x' nobody root \
	'"../client2"' '@x:client2@example.org' client2@; do
	send 'Subject: x\n\nx\n' -- "$to"
	case $RC in
	67 | 65) report 0 "$to is nobody's: $RC" ;;
	*) report 1 "$to is nobody's: $(said)" ;;
	esac
done
is "client2@example.org: 67, it is named, and the cure" "$(
	send 'x\n' client2@example.org
	said | grep -c '^67 .*client2@example.org.*relays nothing.*domains'
)" 1
send 'To: client2, a b\n\nx\n' -t
like "an address of the header that is none: 65, with the field" "$(said)" '^65 .*To: "a b"'
send 'Subject: x\n\nx\n' -t
like "no recipient: 65" "$(said)" '^65 .*no recipient'
send 'To: client2, client99\nSubject: x\n\nx\n' -t
like "one of them is no user: 67, named" "$(said)" '^67 .*client99'
is "... and none of these stored anything" "$(stored)" "$before"

# --- the configuration ---

mkdir -p xdg/smtp361
export XDG_CONFIG_HOME="$PWD/xdg"
echo '{"domains": ["example.org", "MAIL.example.net"], "aliases": {"root": "client3", "postmaster": "client2;client3", "www-data": "client9"}}' \
	>xdg/smtp361/config.json
send 'Subject: to root\n\nx\n' root
is "an alias stands for a user" "$RC $(titles 3 | tail -n 1)" "0 to root"
is "the first domain is the sender's" "$(field 3 From)" client1@example.org
b=$(count 2) c=$(count 3)
send 'To: postmaster@mail.example.net, root@Example.org, client3\nSubject: several\n\nx\n' -t
is "... or several, each once" "$RC $(($(count 2) - b)) $(($(count 3) - c))" "0 1 1"
send 'x\n' www-data
like "an alias of nobody: 67" "$(said)" '^67 .*client9'
send 'x\n' root@example.com
is "other domains stay foreign: 67" "$RC" 67
for text in '{"domains": "x"}' '{"domains": [1]}' '{"aliases": []}' '{"aliases": {"a": ["b"]}}' '[]'; do
	echo "$text" >xdg/smtp361/config.json
	send 'x\n' client2
	like "the configuration $text: 78, named" "$(said)" '^78 .*config\.json'
done
echo '{"server": "127.0.0.1:1", "user": "client4"}' >xdg/smtp361/config.json
send 'x\n' client2
is "options and environment go ahead of the configuration" "$RC" 0
unset XDG_CONFIG_HOME

# --- who calls it how ---

CRON='From: root (Cron Daemon)\nTo: client2\nSubject: Cron <root@host> run-parts\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nX-Cron-Env: <SHELL=/bin/sh>\n\nout\n'
send "$CRON" -i -FCronDaemon -B8BITMIME -oem client2
is "cron (Debian): -i -FCronDaemon -B8BITMIME -oem USER" "$(said)$(titles 2 | tail -n 1)" "0 Cron <root@host> run-parts"
send "$CRON" -FCronDaemon -i -odi -oem -oi -t -f root
is "cronie: -FCronDaemon -i -odi -oem -oi -t -f root" "$(said)" "0 "
send "$CRON" -t -oem -oep -odb -odi -oee -om -oA/etc/aliases -N never -Rhdrs -V id -B 7BIT -O DeliveryMode=b -X /nowhere -h 3 -n -m -U -G client2
is "every other letter changes nothing, with its value or without" "$(said)$(ls -A /nowhere 2>/dev/null)" "0 "
send 'Subject: php\nTo: client2\n\nx\n' -t -i -fwww@example.org
is "PHP: -t -i -fADDRESS" "$(said)$(field 2 From)" "0 www@example.org"
send 'Subject: symfony\nTo: client2\nFrom: a@b\n\nx\n' -t -i -f a@b
is "Symfony: -t -i -f ADDRESS" "$(said)$(field 2 From)" "0 a@b"
send 'Subject: name\n\nx\n' -F 'J. "Q" \\ Public' -f j@example.org client2
is "-F is quoted where it must be" "$(field 2 From)" '"J. \"Q\" \\\\ Public" <j@example.org>'
send 'Subject: name\n\nx\n' -FJörg client2
is "... or encoded" "$(field 2 From)" "=?utf-8?B?SsO2cmc=?= <client1@$HOST>"
send 'Subject: name\n\nx\n' -r '<>' client2
is "-r <> is nobody" "$RC $(field 2 From)" "0 MAILER-DAEMON@$HOST"
for f in 'a b' '<' 'a@b, c@d' 'a@b\r\nBcc: x'; do
	# shellcheck disable=SC2059
	send 'x\n' -f "$(printf "$f")" client2
	is "-f \"$f\" is no sender: 64" "$RC" 64
done
send 'x\n' -F "$(printf 'a\nBcc: client3')" client2
is "-F with a line end: 64" "$RC" 64
send 'Subject: dash\n\nx\n' -i -- client2
is "-- ends the options" "$RC" 0
send 'x\n' -i client2 -v
like "... as does the first recipient" "$(said)" '^6[57] '
mkdir links && "$SMTP361" --install links
printf 'Subject: link\n\nx\n' | links/sendmail -oi client2
is "a link named sendmail is sendmail" "$(titles 2 | tail -n 1)" link
if command -v git >/dev/null && git send-email -h 2>&1 | grep -q sendmail; then
	(
		mkdir repo && cd repo && git init -q . && git config user.name Ada && git config user.email ada@example.org
		echo 1 >f && git add f && git commit -qm 'first: a patch' && git format-patch -q --root -o ..
	)
	echo "{\"keys\": \"$PWD\"}" >xdg/smtp361/config.json # it is called in the folder of the repository
	XDG_CONFIG_HOME=$PWD/xdg git -C repo send-email --quiet --confirm=never --no-thread --suppress-cc=all --smtp-server="$PWD/links/sendmail" \
		--envelope-sender=ada@example.org --from=ada@example.org --to=client2@smtp361.invalid --cc=client3@smtp361.invalid "$PWD/0001-first-a-patch.patch" >o 2>&1 </dev/null
	is "git send-email sends a patch by it" "$(titles 2 | tail -n 1) $(titles 3 | tail -n 1)" \
		"[PATCH] first: a patch [PATCH] first: a patch"
else
	skip "git send-email sends a patch by it" "git-email is not installed"
fi
if command -v s-nail >/dev/null; then
	echo 'by s-nail' | s-nail -:/ -S v15-compat -S mta="file://$PWD/links/sendmail" -S from=client1@localhost \
		-s 'from s-nail' -c client3@localhost -b client4@localhost client2@localhost >o 2>&1
	is "s-nail sends by it" "$(body 2)|$(titles 3 | tail -n 1)|$(titles 4 | tail -n 1)" "by s-nail|from s-nail|from s-nail"
else
	skip "s-nail sends by it" "s-nail is not installed"
fi
if command -v php >/dev/null; then
	php -d sendmail_path="$PWD/links/sendmail -t -i" -r 'exit(mail("client2@localhost", "from PHP", "Grüße", "From: w@localhost", "-fw@localhost") ? 0 : 1);' >o 2>&1
	is "PHP's mail() sends by it" "$? $(titles 2 | tail -n 1) $(body 2)" "0 from PHP Grüße"
else
	skip "PHP's mail() sends by it" "php is not installed"
fi

# --- -bs ---

session() { # LINES: a session of -bs; its reply codes
	# shellcheck disable=SC2059
	printf "$1" | timeout 60 "$SMTP361" sendmail -bs >o 2>e
	tr -d '\r' <o | cut -c 1-3 | uniq | tr '\n' ' '
}
is "-bs takes a message" "$(session 'EHLO x\r\nMAIL FROM:<a@b> BODY=8BITMIME\r\nRCPT TO:<client2>\r\nDATA\r\nSubject: bs\r\n\r\n..a\r\n.b\r\n.\r\nQUIT\r\n')" \
	"220 250 354 250 221 "
is "... its dots are unstuffed" "$(titles 2 | tail -n 1) $(body 2 | tr '\n' '|')" "bs .a|b|"
before=$(stored)
is "... commands out of order and unknown are refused" \
	"$(session 'MAIL FROM:<a>\r\nDATA\r\nHELO x\r\nRCPT TO:<client2>\r\nMAIL TO:<a>\r\nMAIL FROM:<a>\r\nDATA\r\nMAIL FROM:<a>\r\nNOOP\r\nRSET\r\nDATA\r\nXYZ\r\nVRFY a\r\nSTARTTLS\r\nQUIT\r\n')" \
	"220 503 250 503 501 250 554 503 250 503 502 221 "
is "... who is nobody is 550, and the others get it" \
	"$(session 'HELO x\nMAIL FROM:<>\nRCPT TO:<nobody@x.example>\nRCPT TO:<client2>\nDATA\nSubject: some\n\nx\n.\nQUIT\n') $(titles 2 | tail -n 1)" \
	"220 250 550 250 354 250 221  some"
before=$(stored)
is "... a message without its end is none" "$(session 'HELO x\r\nMAIL FROM:<a>\r\nRCPT TO:<client2>\r\nDATA\r\nSubject: cut\r\n\r\nx\r\n') $(stored)" \
	"220 250 354  $before"
is "... one that cannot be stored is refused" \
	"$(session 'HELO x\r\nMAIL FROM:<a>\r\nRCPT TO:<client99>\r\nDATA\r\n\r\nx\r\n.\r\nQUIT\r\n') $(stored)" "220 250 354 550 221  $before"
ok "... a line without end is bounded" sh -c "{ printf 'HELO '; head -c 50000000 /dev/zero | tr '\\0' a; printf '\\r\\nQUIT\\r\\n'; } | '$SMTP361' sendmail -bs | grep -q '^500'"

# --- --from-dir ---

mkdir mails
printf 'From: ada@example.org\nTo: client2\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nSubject: first\n\none\n' >mails/01.txt
printf 'From: ada@example.org\nTo: client2, client3\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nSubject: second\ntwo\n' >mails/02.auth
printf 'To: client99\nSubject: third\n\nx\n' >mails/03.txt
printf 'To: client2\nSubject: fourth\n\nx\n' >mails/04.txt
mkdir mails/00.folder
echo hidden >mails/.hidden
before=$(count 2)
send '' --from-dir mails
like "--from-dir: one that fails is named, and it is its exit code" "$(said)" '^67 .*03\.txt: .*client99'
is "... the others go, in order" "$(titles 2 | tail -n +$((before + 1)) | tr '\n' '|')" "first|second|fourth|"
is "... an empty line ahead of the text is no must" "$(body 3)" two
send '' --from-dir nowhere
is "... no such folder: 66" "$RC" 66
mkdir empty
send '' --from-dir empty
is "... an empty one: 0" "$(said)" "0 "

# --- what cannot be handed over ---

send 'x\n' --server 127.0.0.1:1 client2
like "a server that cannot be reached: 75" "$(said)" '^75 .*connect'
send 'x\n' --keys links client2
is "keys that are not there: 66" "$RC" 66
send 'x\n' --user client5 client2
is "who is no user: 77" "$RC" 77
send 'x\n' --pin SHA256:other client2
is "another key than the pinned one: 76" "$RC" 76
RC=0
env -u SMTP361_USER "$SMTP361" sendmail client2 <whole >o 2>e || RC=$?
like "no user is named: 64, and how" "$(said)" '^64 .*--user'
RC=0
"$SMTP361" sendmail --password-file - client2 <whole >o 2>e || RC=$?
is "the password is not on stdin: 64" "$RC" 64
RC=0
"$SMTP361" sendmail client2 <&- >o 2>e || RC=$?
is "stdin is closed: 66" "$RC" 66
ulimit_out=$( (
	ulimit -f 100
	"$SMTP361" sendmail -i client2 <long 2>&1
	echo $?
) | tail -n 1)
case $ulimit_out in
75 | 1[0-9][0-9]) report 0 "a message that finds no room is not sent: $ulimit_out" ;;
*) report 1 "a message that finds no room is not sent: $ulimit_out" ;;
esac
ok "the server ends in good order" stop_server
done_testing
