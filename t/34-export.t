#!/bin/sh
# Mail out of the store and in again: export, import and check. Judges that are not ours are Python's
# mailbox and email, and mutt and s-nail where they are installed.
. "$(dirname "$0")/lib.sh"
PYTHON="/usr/bin/python3 -B"
export TZ=UTC
site
cat >user_pass.json <<'END'
{"client1": {}, "client2": {}, "client3": {}}
END
chmod 600 user_pass.json
start_server || exit 1

post() { # TO TITLE FILE [OPTIONS]: from client1
	to=$1 title=$2 file=$3
	shift 3
	"$SMTP361" send --enhanced -u client1 -k . -t "$to" --title "$title" "$@" "$file" </dev/null
}
run() {
	RC=0
	timeout 120 "$SMTP361" "$@" >o 2>e </dev/null || RC=$?
}
accounts() { # DIR: a new server's folder with the same accounts
	mkdir "$1" && cp user_pass.json "$1/"
}
# texts DIR USER: every message's own text, whatever its file is called
texts() { find "$1/$2" -name '*.txt' -exec sha256sum {} + | cut -c 1-64 | sort; }

# --- a mailbox with what breaks mail programs ---

printf 'Meet at noon.\n' >plain
printf 'no line end' >'cut'
printf '' >empty
printf 'From me\n>From you\n>>From us\nFrom: x\n.\n\nFrom x@y Thu Jul 21 19:29:35 2022\n\n\n' >from
printf 'a\r\nb\rc\0d \n\t\n=41\f\033[31m\n' >odd
printf 'R\303\251union \342\230\225\n' >utf8
$PYTHON -c "print('x' * 998 + '\n' + 'y' * 3, end='\n')" >line998
$PYTHON -c "print('x' * 999 + '\n', end='')" >line999
$PYTHON -c "print('\u65e5\u672c\u8a9e' * 2000, end='')" >base64
head -c 300000 /dev/urandom | base64 -w 0 >large
head -c 100000 /dev/urandom >blob
printf 'From here\nto there\n' >letter
for one in plain cut empty from odd utf8 line998 line999 base64 large; do
	post 'client2;  client3;;client2' "$one" $one || diag "$one is not sent"
done
post client2 'two files' letter --attach blob --attach plain
post client2 'odd file' odd --attach blob
post client2 '' plain
post client2 '  blanks  ' plain
post client2 "$(printf '=?utf-8?q?x?= \342\230\225 \033[31m')" plain
post client2 "$(printf '\342\230\225%.0s' $(seq 100))" plain
wait_settled
is "sixteen messages are there" "$(find client2 -name '*.txt' | wc -l | tr -d ' ')" 16

# --- mbox ---

run export client2 out.mbox
is "an export ends with 0, and says how many" "$RC $(cat o e)" "0 client2	16	0	0	out.mbox"
is "... readable by its owner alone" "$(stat -c %a out.mbox)" 600
is "... with nothing left beside it" "$(find . -maxdepth 1 -name '.*.new')" ""
run export client2 out.mbox
like "an mbox that exists is refused" "$RC $(cat o e)" '^73 .*out.mbox exists'
cp out.mbox before
run export --force client2 out.mbox
is "... unless forced" "$RC" 0
ok "... and the same mailbox is the same mbox" cmp out.mbox before
"$SMTP361" export client2 - >stdout.mbox 2>e
ok "stdout gets the same" cmp out.mbox stdout.mbox
is "... and the summary goes to stderr" "$(cat e)" "client2: 16 exported"
run export --json client2 json.mbox
is "--json tells it as JSON" "$RC $($PYTHON -c "
import json
r = json.load(open('o'))[0]
print(r['user'], r['exported'], r['already'], r['failed'], r['path'])")" "0 client2 16 0 0 json.mbox"
run export nobody out2.mbox
is "a mailbox that is not there is 67" "$RC $(cat o)" "67 "
run export client2 nowhere/out.mbox
is "a folder that is not there is 73" "$RC $(cat o)" "73 "
run export --force client2 client3
is "several users take a folder, and one a file" "$RC $(cat o)" "73 "
ok "... and a failure leaves none" test ! -e out2.mbox

cat >judge.py <<'END'
import email.header, email.utils, hashlib, mailbox, re, sys
def ok(passed, title): print(('ok ' if passed else 'not ok ') + title)
def text(value): return str(email.header.make_header(email.header.decode_header(value or '')))
kind, path, client2 = sys.argv[1:]
box = mailbox.mbox(path) if kind == 'mbox' else mailbox.Maildir(path)
by = {text(m['Subject']): m for m in box}
ok(len(list(box)) == 16, f'{kind}: Python finds every message')
files = 'plain cut empty from odd utf8 line998 line999 base64 large'.split()
for name in files:
    m = by[name]
    ok(m.get_payload(decode=True) == open(name, 'rb').read(), f'{kind}: Python gets the bytes of {name}')
ok(by['plain']['Content-Transfer-Encoding'] == '7bit' and by['utf8']['Content-Transfer-Encoding'] == '8bit',
   f'{kind}: lines are as they are')
ok(all(by[n]['Content-Transfer-Encoding'] == 'quoted-printable' for n in ('cut', 'from', 'line999')) and
   all(by[n]['Content-Transfer-Encoding'] == 'base64' for n in ('base64',)), f'{kind}: the rest is encoded')
parts = by['two files'].get_payload()
ok([p.get_filename() for p in parts] == [None, 'blob', 'plain'] and
   parts[1].get_payload(decode=True) == open('blob', 'rb').read(), f'{kind}: attachments are attachments')
ok(by['odd file'].get_content_type() == 'text/plain', f'{kind}: what no multipart can carry is text')
ok('\u2615' * 100 in by and '=?utf-8?q?x?= \u2615 \x1b[31m' in by and '  blanks  ' in by and '' in by,
   f'{kind}: titles of all kinds come back')
m = by['plain']
ok(email.utils.parseaddr(m['From'])[1] == 'client1@smtp361.invalid', f'{kind}: From is an address')
ok([a for n, a in email.utils.getaddresses([m['To']])] ==
   ['client2@smtp361.invalid', 'client3@smtp361.invalid'], f'{kind}: To is a list of them')
ok(m['Message-ID'] == f"<{m['X-SMTP361-Id']}@smtp361.invalid>", f'{kind}: the id is the Message-ID')
ok(int(email.utils.parsedate_to_datetime(m['Date']).timestamp()) == int(m['X-SMTP361-Time']) // 1000000,
   f'{kind}: the date is the time')
ok(all(len(line) <= 998 for m in box for line in m.as_bytes().split(b'\n')),
   f'{kind}: no line is too long')
END
judged "Python reads the mbox to its end" $PYTHON judge.py mbox out.mbox client2
if command -v mutt >/dev/null 2>&1; then
	mkdir "$HOME/Mail" # it asks for leave to make it, and takes the keys below for the answer
	cat >muttrc <<'END'
set confirmcreate=no confirmappend=no quit=yes copy=no mbox_type=mbox auto_tag=yes
push "<tag-pattern>~A<enter><copy-message>mutt.mbox<enter><quit>"
END
	TERM=xterm timeout 60 $PYTHON -c 'import pty
pty.spawn(["mutt", "-n", "-F", "muttrc", "-R", "-f", "out.mbox"])' </dev/null >/dev/null 2>&1
	accounts mutt
	run import -d mutt mutt.mbox
	is "what mutt copies is imported whole" "$RC $(cat o e) $(texts mutt client2)" \
		"0 16	0	0 $(texts . client2)"
else
	skip "what mutt copies is imported whole" "mutt is not installed"
fi
if command -v s-nail >/dev/null 2>&1; then
	is "s-nail finds every message" "$(s-nail -n -R -H -f out.mbox </dev/null 2>/dev/null | grep -c client1)" 16
else
	skip "s-nail finds every message" "s-nail is not installed"
fi

# --- in again ---

accounts copy
run import -d copy out.mbox
is "an import ends with 0, and says how many" "$RC $(cat o e)" "0 16	0	0"
is "the messages are the same, to the last byte" "$(texts copy client2)" "$(texts . client2)"
"$SMTP361" export -d copy client2 - >again.mbox 2>/dev/null
ok "... and so are ids, times, senders, recipients as written: the export of the copy is the same" \
	cmp again.mbox out.mbox
run import -d copy out.mbox
is "a second import doubles nothing" "$RC $(cat o e)" "0 0	16	0"
accounts crlf
sed 's/$/\r/' out.mbox | "$SMTP361" import -d crlf - >o 2>e
"$SMTP361" export -d crlf client2 - >again.mbox 2>/dev/null
ok "an mbox whose lines became CR LF on the way comes back whole" cmp again.mbox out.mbox
accounts touched
$PYTHON -c "
import mailbox, shutil
shutil.copy('out.mbox', 'touched.mbox')
box = mailbox.mbox('touched.mbox')
for key, m in box.items():
    m.set_flags('RO')
    box[key] = m
box.flush()"
run import -d touched touched.mbox
is "a mail program that marks messages as read changes nothing of them" \
	"$RC $(cat o) $(texts touched client2 | cmp - /dev/null 2>&1 | wc -l)" "0 16	0	0 1"
"$SMTP361" export -d touched client2 - >again.mbox 2>/dev/null
ok "... they are the same" cmp again.mbox out.mbox
run import -d copy --to client3 out.mbox
is "--to names another mailbox" "$RC $(cat o)" "0 16	0	0"
is "... which gets the same messages" "$(texts copy client3)" "$(texts . client2)"

# --- Maildir ---

run export --maildir client2 maildir
is "a Maildir is exported" "$RC $(cat o e)" "0 client2	16	0	0	maildir"
is "... all of it in new, nothing in tmp" "$(find maildir -type f | cut -d / -f 2 | sort | uniq -c | tr -s " ")" " 16 new"
judged "Python reads the Maildir to its end" $PYTHON judge.py maildir maildir client2
run export --maildir client2 maildir
is "a second export doubles nothing" "$RC $(cat o)" "0 client2	0	16	0	maildir"
$PYTHON -c "
import mailbox
box = mailbox.Maildir('maildir')
for key, m in list(box.items())[:5]:
    m.set_subdir('cur')
    m.add_flag('S')
    box[key] = m"
is "(five were read)" "$(ls maildir/cur | wc -l)" 5
post client2 'one more' plain
wait_settled
run export --maildir client2 maildir
is "... nor of what was read meanwhile; what is new is added" "$RC $(cat o)" "0 client2	1	16	0	maildir"
accounts md
run import -d md maildir
is "a Maildir is imported" "$RC $(cat o e)" "0 17	0	0"
is "... to the last byte" "$(texts md client2)" "$(texts . client2)"
run export client2 --maildir .
like "a folder that is no Maildir is not made one" "$RC $(cat e)" '^73 .* is no Maildir'
ok "... and gets nothing" test ! -e tmp

# --- everything ---

run export --all all
is "--all exports every mailbox" "$RC $(cat o)" "0 client1	0	0	0	all/client1.mbox
client2	17	0	0	all/client2.mbox
client3	10	0	0	all/client3.mbox"
accounts whole
run import -d whole all
is "... and the folder is imported" "$RC $(cat o e)" "0 27	0	0"
is "... each to its own" "$(texts whole client2) $(texts whole client3)" "$(texts . client2) $(texts . client3)"
accounts stream
"$SMTP361" export --all - 2>/dev/null | "$SMTP361" import -d stream - >o 2>e
is "one stream carries all" "$(cat o e) $(texts stream client3)" "27	0	0 $(texts . client3)"
run export --all --maildir mds
run import -d stream mds
is "Maildirs side by side are imported, too" "$RC $(cat o e)" "0 0	27	0"

# --- beside the running server ---

run import --to client1 out.mbox
is "an import works beside a running server" "$RC $(cat o e)" "0 16	0	0"
"$SMTP361" inbox --enhanced -u client1 -k . </dev/null >list
is "... whose users see the messages at once" "$(wc -l <list | tr -d ' ')" 16
"$SMTP361" read --enhanced -u client1 -k . --content "$("$SMTP361" inbox --enhanced -u client1 -k . --ids </dev/null |
	awk -F '\t' '$5 == "odd" { print $1 }')" >odd.read </dev/null
ok "... and read them" cmp odd odd.read

# --- damage ---

accounts damaged
sed 's/^Meet at noon/Meet at one/' out.mbox >changed.mbox
run import -d damaged changed.mbox
is "what was changed is not imported, all else is" "$RC $(cat o)" "65 11	0	5"
like "... and is named" "$(cat e)" '^smtp361 import: changed.mbox: message 1 is not imported: its content is not what'
accounts damaged2
head -c $(($(wc -c <out.mbox) - 20)) out.mbox >short.mbox
run import -d damaged2 short.mbox
like "what was cut short is not, either" "$RC $(cat o)" '^65 15	0	1'
for field in Id Time From To Mailbox Content SHA256; do
	accounts "field$field"
	sed "s/^X-SMTP361-$field: .*/X-SMTP361-$field: ???/" out.mbox >field.mbox
	run import -d "field$field" field.mbox
	is "a damaged field $field is noticed" "$RC $(cut -f 1,3 o)" "65 0	16"
done
cp -a . "$HOME_DIR/broken" 2>/dev/null
printf 'x' >>"$HOME_DIR/broken/client2/client1_plain.txt"
run export -d "$HOME_DIR/broken" client2 broken.mbox
is "an export goes on behind a damaged message" "$RC $(cat o)" "65 client2	16	0	1	broken.mbox"
like "... and names it" "$(cat e)" 'message [0-9a-f]{32} \(client1_plain.txt\) is not exported'

# --- foreign mail ---

cat >foreign.mbox <<'END'
From ada@example.org Thu Jul 21 19:29:35 2022
From: Ada <client3@example.org>
Date: Thu, 21 Jul 2022 21:29:35 +0200
Subject: =?iso-8859-1?Q?R=E9union?=
Message-ID: <1@x>

>From the start.

From x Fri Jul 22 00:00:00 2022
Subject: no date

two

END
run import -d md --to client3 foreign.mbox
is "foreign mail is imported" "$RC $(cat o e)" "0 2	0	0"
run import -d md --to client3 foreign.mbox
is "... once" "$RC $(cat o)" "0 0	2	0"
is "its subject is the title, its date the time, and nobody here sent it" \
	"$(head -n 5 "md/client3/imported_Réunion.txt" | tr '\n' '|')" \
	"From: imported|To: client3|Time and Date: 2022-07-21 19:29:35.000000|Title: Réunion|Content Length: $(sed -n 2,7p foreign.mbox | sed "s/^>//" | wc -m | tr -d " ")|"
is "... all of it is the content, unquoted" "$(sed '1,/^Content:/d' "md/client3/imported_Réunion.txt")" \
	"$(sed -n '2,7s/^>//; 2,7p' foreign.mbox)"
like "without a date it has the mbox's" "$(cat "md/client3/imported_no date.txt")" \
	'Time and Date: 2022-07-22 00:00:00.000000'
accounts dom
run import -d dom --to client1 --domain Example.org --from client2 foreign.mbox
is "--domain makes senders of addresses, --from of all others" "$(ls dom/client1 | sort | tr '\n' ' ')" \
	"client2_no date.txt client3_Réunion.txt "
run import -d md foreign.mbox
is "without --to it is left out, and named" "$RC $(cat o) $(grep -c 'not imported.*--to' e)" "65 0	0	2 2"
run import -d md --to nobody foreign.mbox
is "--to of nobody is 67" "$RC $(cat o)" "67 "
{
	cat foreign.mbox
	printf 'From x Fri Jul 22 00:00:01 2022\nSubject: latin\n\ncaf\351\n\n'
	printf 'From x Fri Jul 22 00:00:02 2022\nSubject: last\n\nlast\n'
} >latin.mbox
accounts latin
run import -d latin --to client1 latin.mbox
is "what is not UTF-8 is left out, what follows is not" "$RC $(cat o)" "65 3	0	1"
like "... and named" "$(cat e)" 'latin.mbox: message 3 is not imported: its text is not UTF-8'
accounts few
run import -d few --max-chars 100 --to client1 foreign.mbox
like "what is too large is left out" "$RC $(cat o)" '^65 1	0	1'
printf 'Subject: alone\r\n\r\none\r\n' >one.eml
run import -d few --to client1 one.eml
is "a file that is one message is imported, its lines end in LF" \
	"$RC $(sed '1,/^Content:/d' few/client1/imported_alone.txt | od -An -c | tr -d ' \n')" \
	'0 Subject:alone\n\none\n'
$PYTHON -c "
import mailbox
box = mailbox.Maildir('theirs', create=True)
for m in mailbox.mbox('foreign.mbox'):
    m.set_payload(m.get_payload().replace('>From', 'From'))
    box.add(m)
box.add_folder('Sent')"
run import -d dom --to client2 theirs
like "a foreign Maildir is imported, and its folder named" "$RC $(cat o e | tr '\n' ' ')" \
	'^65 2	0	1 smtp361 import: theirs/.Sent is not imported'
run import -d dom --to client2 foreign.mbox
is "... the same messages as in an mbox" "$RC $(cat o)" "0 0	2	0"
mkfifo theirs/new/1.fifo && ln -s /etc/passwd theirs/cur/1.link
run import -d dom --to client2 theirs
is "a FIFO and a symlink are passed over, and named" "$RC $(grep -c 'no regular file' e)" "65 2"
# fields of ours in a mail that has travelled
{
	echo 'From x Fri Jul 22 00:00:02 2022'
	sed -n '2,/^$/p' out.mbox | sed 's/^X-SMTP361-From: .*/X-SMTP361-From: client3/'
	echo 'pay them'
} >forged.eml
accounts forged
for where in 2i '$i'; do
	sed "${where}Received: from evil by us; Thu, 21 Jul 2022 19:29:35 +0000" forged.eml >f.eml
	[ "$where" = 2i ] || sed '1,/^Subject/{/^Subject/iReturn-Path: <a@b>
}' forged.eml >f.eml
	run import -d forged --to client1 f.eml
	is "fields of ours in mail that has travelled prove nothing ($where)" "$RC $(cat o) $(find forged/client1 -name "client*" -type f)" "0 1	0	0 "
done
run import -d forged --foreign --to client2 forged.eml
is "--foreign believes none" "$RC $(ls forged/client2)" "0 imported_plain.txt"
run export -d dom client1 theirs.mbox
is "foreign mail that was imported is an attached message" "$($PYTHON -c "
import mailbox
m = next(iter(mailbox.mbox('theirs.mbox')))
print(m['From'], m.get_content_type(), m.get_payload()[0]['Message-ID'])")" "client3@smtp361.invalid message/rfc822 <1@x>"
accounts dom2
run import -d dom2 theirs.mbox
is "... and comes back" "$(texts dom2 client1)" "$(texts dom client1)"
for kind in mboxrd mboxo mboxcl2; do
	accounts "kind$kind"
	printf 'From x Fri Jul 22 00:00:02 2022\nSubject: s\nContent-Length: 15\n\n>From \n>>From \n\n' >kind.mbox
	run import -d "kind$kind" --to client1 --format $kind kind.mbox
	sed '1,/^$/d' "kind$kind/client1/imported_s.txt" | tr '\n' '|' >>kinds
done
is "each kind of mbox is unquoted by its rule" "$(cat kinds)" "From |>From |From |>>From |>From |>>From |"

# --- stopped in the middle ---

accounts stopped
mkfifo slow
"$SMTP361" import -d stopped - <slow >o 2>e &
importer=$!
PIDS="$PIDS $importer"
exec 7>slow
head -c 2000 out.mbox >&7
wait_for 10 test -e stopped/.import
kill -TERM $importer
exec 7>&-
rc=0
wait $importer || rc=$?
is "SIGTERM ends an import as it should" "$rc" 143
is "... and leaves nothing half" "$(find stopped -name '*.txt' | wc -l | tr -d ' ')" 0
cat >interrupt.py <<'END'
import itertools, os, signal, subprocess, sys, time
out = sys.argv[1]
wanted = open(sys.argv[2], 'rb').read()
for delay, number in itertools.product((0.001, 0.004, 0.01, 0.03, 0.1), (signal.SIGINT, signal.SIGQUIT)):
    p = subprocess.Popen([os.environ['SMTP361'], 'export', 'client2', out], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    time.sleep(delay)
    p.send_signal(number)
    code = p.wait()
    there = os.path.exists(out)
    whole = there and open(out, 'rb').read() == wanted
    left = [n for n in os.listdir('.') if n.endswith('.new')]
    if left or there != whole or (code == 0 and not whole) or code not in (0, -number):
        print(f'not ok: signal {number} after {delay} s: code {code}, file {there}, whole {whole}, {left}')
        sys.exit(1)
    if there: os.unlink(out)
END
ok "an export that is interrupted leaves a whole mbox or none" env SMTP361="$SMTP361" $PYTHON interrupt.py stopped.mbox all/client2.mbox
accounts twice
exec 7>twice/.import
flock 7
run import -d twice out.mbox
exec 7>&-
like "two imports at once are not let in" "$RC $(cat o e)" '^75 .*another import'

# --- large messages in little memory ---

if [ -n "$SANITIZED" ]; then
	skip "a message of 24 MB goes out and in within 16 MB of memory" "a sanitizer takes more"
else
	head -c 18000000 /dev/urandom | base64 -w 0 >huge
	post client3 huge huge
	accounts huge.d
	(
		# shellcheck disable=SC3045
		ulimit -v 16000
		"$SMTP361" export client3 huge.mbox && "$SMTP361" import -d huge.d huge.mbox
	) >o 2>e
	is "a message of 24 MB goes out and in within 16 MB of memory" "$(tail -n 1 o) $(cat e)" "11	0	0 "
	wait_settled
	is "... and is the same" "$(texts huge.d client3)" "$(texts . client3)"
fi

# --- check ---

run check
is "a sound store is sound" "$RC $(grep -c ^damaged o)" "0 0"
is "... beside a running server" "$(kill -0 "$SERVER_PID" && echo yes)" yes
stop_server
run check
is "... and without one" "$RC $(grep -c ^damaged o)" "0 0"
ok "... which leaves no journal behind" must_fail 1 unsettled .
like "the summary is on stderr" "$(cat e)" '^3 mailboxes, [0-9]+ messages, [0-9]+ bytes: 0 damaged, [0-9]+ notes?$'

# faulty TITLE REGEX CODE COMMAND: what it does to a copy f of the store OF is found
accounts small
mkdir -p small/.spool && cp server_x25519_*.pem small/
run import -d small --to client1 foreign.mbox
run import -d small --to client2 foreign.mbox
run check -d small
is "the small store is sound" "$RC $(grep -c ^damaged o)" "0 0"
OF=small
faulty() {
	title=$1 want=$2 code=$3
	rm -rf f && cp -a "$OF" f
	eval "$4"
	run check -d f
	like "check: $title" "$RC
$(cat o)" "$want"
	is "... which ends with $code" "$RC" "$code"
}
M='imported_no date.txt'
D='^damaged	client1	'
faulty "a message with a byte too many" "$D.*no date.txt says that it has [0-9]+ characters, and has [0-9]+" 65 'printf x >>"f/client1/$M"'
faulty "a message that is cut" "$D.*no date.txt (says|has no header)" 65 'truncate -s -3 "f/client1/$M"'
faulty "an empty one" "$D.*no date.txt has no header" 65 ': >"f/client1/$M"'
faulty "bytes that are no UTF-8" "$D.*no date.txt is not UTF-8" 65 'printf "\377" >>"f/client1/$M"'
faulty "a file that is gone" "$D.*message [0-9a-f]{32} is in the index, and its file imported_no date.txt is gone" 65 'rm "f/client1/$M"'
faulty "a copy made by hand is a message of its own" '^0' 0 'cp -a "f/client1/$M" f/client1/copy.txt'
faulty "a symlink in a mailbox" '^note	client1	l.txt is a symlink' 0 'ln -s /etc/passwd f/client1/l.txt'
faulty "a FIFO" '^note	client1	p is a FIFO' 0 'mkfifo f/client1/p'
faulty "a foreign file" "$D.*x has no header of a message" 65 'echo x >f/client1/x'
faulty "a mailbox that is a symlink" '^damaged	client1	its mailbox is a symlink' 65 'mv f/client1 f/elsewhere; ln -s elsewhere f/client1'
faulty "a mailbox that is not there" '^note	client3	it has no mailbox' 0 ':'
faulty "a mailbox of no account" '^note	client2	it has a mailbox, and no account' 0 'echo "{\"client1\": {}}" >f/user_pass.json'
faulty "an index that is gone" '^note	client1	it has no sound .index' 0 'rm f/client1/.index'
faulty "an index that is damaged" '^note	client1	its .index is damaged' 0 'printf xxxx | dd of=f/client1/.index bs=1 seek=80 conv=notrunc 2>/dev/null'
faulty "what a crash left in the spool" '^note	-	.spool/tmp.00 is a message that was never whole' 0 'touch -d "1 hour ago" f/.spool/tmp.00'
faulty "accounts that are no JSON" '^damaged	-	.*user_pass.json' 65 'echo "{" >f/user_pass.json'
faulty "accounts that are gone" '^damaged	-	cannot open user_pass.json' 65 'rm f/user_pass.json'
faulty "a plain password" '^note	client1	its password is plain text' 0 'echo "{\"client1\": \"x\"}" >f/user_pass.json'
faulty "accounts that others can read" '^note	-	user_pass.json is open to others' 0 'chmod 644 f/user_pass.json'
faulty "a private key that others can read" '^damaged	-	.*server_x25519_private.pem' 65 'chmod 644 f/server_x25519_private.pem'
faulty "a key that is damaged" '^damaged	-	.*server_x25519_public.pem' 65 'echo x >f/server_x25519_public.pem'
faulty "halves of two pairs" '^damaged	-	server_x25519_private.pem and its _public.pem are halves of two pairs' 65 'cp client1_x25519_public.pem f/server_x25519_public.pem'
faulty "halves of two pairs that sign" '^damaged	-	client1_p256_private.pem and its _public.pem are halves of two pairs' 65 'cp client1_p256_private.pem f/ && cp client2_p256_public.pem f/client1_p256_public.pem'
faulty "what a killed writer left" '^note	-	.user_pass.json.new was left' 0 ': >f/.user_pass.json.new'
faulty "a name with control characters shown without them" '^note	client1	a.x1b is a FIFO' 0 'mkfifo "f/client1/$(printf "a\033")"'
rm -rf f && cp -a small f && echo x >f/client1/x
run check -d f client2
is "check of one user looks at that mailbox alone" "$RC $(cat o)" "0 "
run check -d f nobody
is "check of nobody is 67" "$RC" 67
rm -rf f && cp -a small f && printf x >>"f/client1/$M"
run check -d f --json
is "--json tells it as JSON" "$RC $($PYTHON -c "
import json
r = json.load(open('o'))
print(r['mailboxes'], r['messages'], r['damaged'] == len([f for f in r['findings'] if f['kind'] == 'damaged']),
      {f.get('user') for f in r['findings'] if f['kind'] == 'damaged'})")" "65 2 4 True {'client1'}"

# --- while messages are in the journal alone ---

# snapshot DIR: every name and byte that a check must leave as it is
snapshot() {
	(cd "$1" && find . ! -name .index ! -name .ids -type f -exec sha256sum {} + | sort)
}
# epoch FILE: of the server's life, or of an index that it takes for current
epoch() { od -An -tx1 -j 8 -N 8 "$1"; }

start_server || exit 1
# freeze FILE: a message that a session has stored and acknowledged, while the server, which would have
# its text file made, stands still
freeze() {
	mkfifo lines
	"$SMTP361" send --enhanced -u client1 -k . --batch <lines >answers &
	PIDS="$PIDS $!"
	exec 9>lines
	echo '{"to": ["client2", "client3"], "title": "settled", "file": "plain"}' >&9
	# and nobody settles any more: the session is its only child
	wait_for 20 grep -q settled answers && wait_settled && wait_for 20 children_are 1 || return 1
	kill -STOP "$SERVER_PID"
	printf '{"to": ["client2", "client3"], "title": "unsettled", "file": "%s"}\n' "$1" >&9
	exec 9>&-
	wait_for 20 grep -q 'stored	unsettled' answers
}
base64 -w 0 blob >spooled
before=$(epoch .journal/family)
: >sent
(
	for i in $(seq 12); do
		post 'client2; client3' "load $i" plain >&2 && echo "load $i" >>sent
	done
) 2>load.err &
load=$!
PIDS="$PIDS $load"
wait_for 20 test -s sent
run check
is "check is content beside a server that takes mail" "$RC $(grep -c ^damaged o)" "0 0"
had=$(grep -c . sent)
run export client3 load.mbox
is "... and export, with what was sent before it began" \
	"$RC $(grep -c '^Subject: load' load.mbox | awk -v n="$had" '{ print ($1 >= n) }') $(cut -f 4 o)" "0 1 0"
wait "$load"
wait_settled
ok "(a message is stored)" freeze spooled
ok "... in the journal alone" unsettled .
all=$(texts . client3 | wc -l | tr -d ' ')
run export client3 frozen.mbox
is "export has what is in the journal alone" \
	"$RC $(cut -f 2 o) $(grep -c "^Subject: unsettled\$" frozen.mbox)" "0 $((all + 1)) 1"
run check client3
is "check reads it there" "$RC $(cat o e | grep -v ^note)" \
	"0 1 mailbox, $((all + 1)) messages, $(sed -n 's/.*messages, \([0-9]*\) bytes.*/\1/p' e) bytes: 0 damaged, 0 notes"
run import --to client3 --from client2 one.eml
is "import delivers beside it, into one mailbox" \
	"$RC $(cat o) $(find client3 -name 'client2_alone*' -size +0 | wc -l | tr -d ' ')" "0 1	0	0 1"
is "none of them has made the server look at the folder again" \
	"$(epoch client3/.index) $(epoch .journal/family)" "$before $before"
kill -9 "$SERVER_PID"
wait "$SERVER_PID" 2>/dev/null
SERVER_PID=''
mkdir crashed && cp -a ./*.pem user_pass.json .journal .spool .sent client? crashed/
rm -f crashed/*_private.pem
snapshot crashed >before.list
run check -d crashed
is "check of what a kill left is content, too" "$RC $(grep -c ^damaged o)" "0 0"
snapshot crashed >after.list
ok "... and has changed nothing" cmp before.list after.list
rm -rf crashed && mkdir crashed && cp -a ./*.pem user_pass.json .journal .spool .sent client? crashed/
OF=crashed
S=$(basename "$(find crashed/.journal -name '0*')")
LOST='^damaged	client3	message [0-9a-f]{32} was in the journal, and is neither'
faulty "a segment whose header is damaged" "^damaged	-	.journal/$S .*its header is damaged" 65 \
	'change_byte "f/.journal/$S" 20'
like "... whose messages are named" "$(cat o)" "$LOST"
faulty "a segment that was cut" "$LOST" 65 'truncate -s 150 "f/.journal/$S"'
faulty "a segment that is gone" "$LOST" 65 'rm "f/.journal/$S"'
faulty "a torn tail is none" '^0' 0 'printf torn >>"f/.journal/$S"'
faulty "an index that is gone, with the journal there" '^note	client3	it has no sound .index' 0 'rm f/client3/.index'
like "... lists what is in the journal" "$(cat o)" '^note	client3	1 of its messages are in the journal alone'
run check -d f client3
is "... and reads it" "$RC $(cut -d , -f 2 e)" "0  $((all + 2)) messages"
faulty "a text that is gone from the spool" '^damaged	-	the text of message [0-9a-f]{32} is not in .spool' 65 'rm f/.spool/*'
faulty "a name in the spool that nobody needs" '^note	-	.spool/00112233445566778899aabbccddeeff was left by a crash' 0 \
	'touch -d "1 hour ago" f/.spool/00112233445566778899aabbccddeeff'
faulty "a foreign file in the journal" '^note	-	.journal/x is nobody' 0 ': >f/.journal/x'
faulty "what was moved out of the place of .index" '^note	client3	.index.bad is a folder that stood' 0 'mkdir f/client3/.index.bad'
run export client3 killed.mbox
is "without a server export completes what the kill left" "$RC $(cut -f 2 o) $(unsettled . || echo settled)" \
	"0 $((all + 2)) settled"
is "... and the text file is there" "$(texts . client3 | wc -l | tr -d ' ')" $((all + 2))

done_testing
