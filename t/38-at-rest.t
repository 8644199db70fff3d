#!/bin/sh
# Mail at rest: nothing of it is legible on the server's disk, people notice nothing else, and the way there and
# back keeps every id, time, order and byte.
. "$(dirname "$0")/lib.sh"
PYTHON="/usr/bin/python3 -B"
export TZ=UTC
ram_folder
site
SRV=$RAM/server
mkdir "$SRV"
mv user_pass.json server_private.pem server_public.pem "$SRV/"
cp "$SRV/server_public.pem" .
cp server_x25519_*.pem client[1235]_public.pem client[1235]_x25519_public.pem "$SRV/" # client4 has no key there
KEY=$HOME_DIR/mail.key

run() { # APPLET...: on the server's folder
	applet=$1
	shift
	RC=0
	timeout 120 "$SMTP361" "$applet" -d "$SRV" "$@" >o 2>e </dev/null || RC=$?
}
keyed() { # APPLET...: the same, with the key
	applet=$1
	shift
	run "$applet" --at-rest "$KEY" "$@"
}
said() { echo "$RC $(cat o e)"; }
serve() { start_server -d "$SRV" "$@" || exit 1; }
post() { # FROM TO TITLE FILE [OPTIONS]
	who=$1 to=$2 title=$3 file=$4
	shift 4
	as "$who" send --enhanced -t "$to" --title "$title" "$@" "$file" >/dev/null 2>e </dev/null || diag "$title: $(cat e)"
}
# kept: all that a person can see of all mailboxes
kept() { # OUT [OPTIONS]: an export, and lists and texts over the wire
	out=$1
	shift
	mkdir "$out"
	"$SMTP361" export -d "$SRV" "$@" --all "$out/mbox" 2>&1 | sed "s,$out/,," >"$out/export"
	serve "$@"
	for i in 1 2 3 5; do
		as client$i inbox --enhanced --json >"$out/inbox$i" 2>&1
		as client$i inbox --enhanced --json --after 0 >"$out/arrived$i" 2>&1
	done
	$PYTHON -c 'import json, sys
for row in json.load(open(sys.argv[1])): print(row["id"])' "$out/inbox2" >"$out/ids"
	while read -r id; do
		as client2 read --enhanced --json "$id" >>"$out/read" 2>&1 </dev/null
	done <"$out/ids"
	stop_server
}

# --- mail that is to be hidden ---

serve
printf 'butter and bread\n' >shopping
head -c 200000 /dev/zero | tr '\0' 'q' >large
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	post client1 client2 "Shopping list $i" shopping
done
post client3 'client1;client2;client4;client5' 'Secret meeting' large
post client2 client4 'No keys of mine' shopping
as client2 delete --enhanced 3 >o 2>&1 || diag "$(cat o)"
ok "the server with plain mail ends in good order" stop_server
printf 'no message, but somebody put it here\n' >"$SRV/client5/notes.txt"
words='butter and bread|Shopping list|Secret meeting|qqqqqqqq|client4|password[1-5]|somebody put'
# what can be read on the server's disk, names included
legible() {
	grep -rlaE "$words" "$SRV"
	find "$SRV" | grep -E "$words"
}
ok "before, it is legible" test "$(legible | wc -l)" -gt 30
kept before
is "... and there are twelve messages in client2's mailbox" "$(wc -l <before/ids | tr -d ' ')" 12
is "... that can be read" "$(grep -c 'butter and bread' before/read)" 11

# --- keys ---

RC=0
"$SMTP361" atrest newkey "$KEY" 2>e || RC=$?
is "a key is made" "$RC" 0
is "... of 64 digits of hex" "$(tr -d '0-9a-f\n' <"$KEY" | wc -c | tr -d ' ') $(wc -c <"$KEY" | tr -d ' ')" "0 65"
is "... for its owner alone" "$(stat -c %a "$KEY")" 600
ok "a key that is there is not replaced" must_fail 73 "$SMTP361" atrest newkey "$KEY"
run atrest status
is "the folder is plain" "$(said)" "0 plain"
keyed serve -l 127.0.0.1:0
like "a server with a key refuses a plain folder" "$(said)" '^78 .*is not encrypted'
like "... and says what to do" "$(cat e)" '^hint: smtp361 atrest .*on'
run atrest on
like "to encrypt takes a key" "$(said)" '^64 .*key'
keyed atrest off
like "plain mail is not decrypted" "$(said)" '^78 .*already'
run atrest resume
like "nothing is to be resumed, and it says what the mail is" "$(said)" \
	'^78 .*nothing was interrupted here: the mail is plain$'
chmod 644 "$KEY"
keyed atrest on
like "a key that others can read is refused" "$(said)" '^77 .*others can read'
chmod 600 "$KEY"
echo "0123" >short
chmod 600 short
run atrest on --at-rest short
like "what is no key is refused" "$(said)" '^65 .*no key'
run atrest on --at-rest none
is "a key that is not there is 66" "$RC" 66
run atrest on --at-rest -
like "nobody is asked without a terminal" "$(said)" '^64 .*no terminal'
keyed atrest on --at-rest-passphrase-file pw1
is "a key and a passphrase are one too many" "$RC" 64

# --- on ---

serve
keyed atrest on
like "nothing is encrypted under a server that runs" "$(said)" '^75 .*another server keeps'
stop_server
mkdir "$SRV/client3/folder"
keyed atrest on
like "what is no message in a mailbox is named" "$(said)" '^65 .*client3/folder is no message'
run atrest status
is "... and nothing has changed" "$(said) $(find "$SRV" -name '.at_rest*')" "0 plain "
rmdir "$SRV/client3/folder"
for stray in dave client1.bak; do
	mkdir "$SRV/$stray"
	cp "$SRV"/client1/*.txt "$SRV/$stray/"
	keyed atrest on
	like "mail in $stray/, which is nobody's mailbox, is not left behind, but named" "$(said)" \
		"^65 .*$stray/.*[.]txt is mail, but $stray has no account"
	rm -r "${SRV:?}/$stray"
done
mkdir "$SRV/papers"
cp shopping "$SRV/papers/"
keyed atrest on
like "the mail is encrypted" "$(said)" '^0 5 mailboxes and 17 messages are encrypted'
run atrest status
is "... under a key file" "$(said)" "0 key-file"
is "... and a folder with no mail is as it was" "$(cat "$SRV/papers/shopping")" "butter and bread"
rm -r "$SRV/papers"
is "nothing of it is legible" "$(legible)" ""
is "nothing is left over" "$(find "$SRV" -name '.at_rest*' -o -name spare)" ""
is "a message to four is still one file" "$(find "$SRV" -name '*.txt' -links 4 | wc -l | tr -d ' ')" 4
for one in "serve -l 127.0.0.1:0" "export --all x" "check" "user list" "import before/mbox/client2.mbox"; do
	# shellcheck disable=SC2086
	run $one
	like "smtp361 ${one%% *} refuses without the key" "$(said)" '^78 .*is encrypted, under a key file'
	like "... and says what to do" "$(cat e)" '^hint: --at-rest FILE'
done
"$SMTP361" atrest newkey other.key 2>/dev/null
run serve -l 127.0.0.1:0 --at-rest other.key
like "another key is refused" "$(said)" '^77 .*not the key'
chmod 600 pw?
run serve -l 127.0.0.1:0 --at-rest-passphrase-file pw1
like "so is another kind" "$(said)" '^78 .*under a key file, not under a passphrase'
keyed atrest on
like "what is encrypted is not encrypted again" "$(said)" '^78 .*already'
kept sealed --at-rest "$KEY"
is "people see and read what they saw before" "$(diff -r before sealed)" ""
keyed check
is "check finds what was damaged before, and nothing else" "$RC $(grep ^damaged o | cut -f 2) $(grep -c notes.txt o)" "65 client5 1"

# --- life at rest ---

serve --at-rest "$KEY"
printf 'Unheard of words\n' >letter
post client1 'client4;client2' 'Fresh title' letter
words="$words|Unheard|Fresh title"
is "what is sent arrives" "$(as client2 inbox --enhanced 2>/dev/null | grep -c 'Fresh title')" 1
is "... and is legible nowhere while it is in the journal" "$(legible)" ""
keyed user add --password-file pw1 newcomer
is "an account is added" "$RC" 0
keyed user list
ok "... and listed" grep -q newcomer o
words="$words|newcomer"
is "... and is legible nowhere" "$(legible)" ""
printf 'From x@example.org Thu Jan  1 00:00:00 2026\nSubject: Imported one\n\nof the words Unheard\n\n' >in.mbox
keyed import --to newcomer in.mbox
is "import works beside the server" "$RC" 0
kill -9 "$SERVER_PID"
wait "$SERVER_PID" 2>/dev/null
SERVER_PID=''
is "a server that was killed leaves nothing legible" "$(legible)" ""
serve --at-rest "$KEY"
is "... and what was acknowledged is there" "$(as client2 inbox --enhanced 2>/dev/null | grep -c 'Fresh title')" 1
stop_server
is "nor does one that ended" "$(legible)" ""

# --- damage ---

cp -a "$SRV" "$RAM/whole"
file=$(find "$SRV" -name '*.txt' -links 4 | head -n 1)
change_byte "$file" 100000
keyed check
is "a byte that was changed is found, in four mailboxes" "$RC $(grep -c '^damaged' o)" "65 5"
keyed export --all damaged
is "... and the others are exported" "$RC $(grep -c Unheard damaged/client2.mbox)" "65 1"
keyed atrest off
like "it is not decrypted as if it were sound, but named" "$(said)" '^65 .*mailbox client[1245], message [0-9a-f]{32}: the message is damaged'
run atrest status
is "... and nothing has changed" "$(said) $(find "$SRV" -name '.at_rest*')" "0 key-file "
owner=${file%/*}/.owner
rm "$owner"
keyed atrest off
like "a mailbox that does not say whose it is, is named" "$(said)" '^65 .*mailbox u[0-9a-f]{31} does not say'
mv "${owner%/*}/.index" index
keyed atrest off
like "... though it has no index" "$(said)" '^65 .*u[0-9a-f]{31}/.* is mail, and nothing says whose'
mv "${owner%/*}" "$SRV/elsewhere"
keyed atrest off
like "... and by another name" "$(said)" '^65 .*elsewhere/.* is mail, and nothing says whose'
mv "$SRV/elsewhere" "${owner%/*}"
mv index "${owner%/*}/.index"
echo damaged >"$owner"
keyed atrest off
like "... or what it says is damaged" "$(said)" '^65 .*mailbox u[0-9a-f]{31} does not say'
ok "... and still there" test -d "${owner%/*}"
serve --at-rest "$KEY"
stop_server
keyed atrest off
like "... and a start of the server mends it" "$(said)" '^65 .*the message is damaged'
rm "$SRV/at_rest.json" "$SRV/user_pass.json"
keyed atrest on
like "what is encrypted already is not encrypted again, if all that says so is missing" "$(said)" \
	'^78 .*u[0-9a-f]{31} is encrypted already, but at_rest.json is missing'
is "... and nothing has changed" "$(find "$SRV" -name '.at_rest*' -o -name at_rest.json)" ""
run check
is "... but check tells it" "$RC $(grep -c '^damaged.*encrypted mail here, but at_rest.json is missing' o)" "65 1"
cp "$RAM/whole/user_pass.json" "$SRV/"
echo '{"version": 1}' >"$SRV/at_rest.json"
keyed serve -l 127.0.0.1:0
like "a damaged at_rest.json is named" "$(said)" '^78 .*at_rest.json is damaged'
cp "$RAM/whole/at_rest.json" "$SRV/"
echo '{"client1": "password1"}' >"$SRV/user_pass.json"
keyed serve -l 127.0.0.1:0
like "accounts in the clear are not taken" "$(said)" '^78 .*user_pass.json'
rm -rf "$SRV"
mv "$RAM/whole" "$SRV"

# --- off ---

kept lived --at-rest "$KEY"
keyed atrest off
like "the mail is decrypted" "$(said)" '^0 6 mailboxes and 20 messages are decrypted'
run atrest status
is "... and plain" "$(said)" "0 plain"
kept after
is "people see and read what they saw before" "$(diff -r lived after)" ""
is "... and nothing is left over" "$(find "$SRV" -name '.at_rest*' -o -name at_rest.json -o -name .owner)" ""
is "who knows the folder finds it as it was" "$(cd "$SRV" && echo client? newcomer)" \
	"client1 client2 client3 client4 client5 newcomer"
is "... what was damaged, too" "$(cat "$SRV/client5/notes.txt")" "no message, but somebody put it here"
ok "... and user_pass.json" grep -q '"client4": *"password4"' "$SRV/user_pass.json"

# --- sent once, and a passphrase ---

id=00112233445566778899aabbccddeeff
copies() { as client2 inbox --enhanced --json 2>/dev/null | grep -c '"title": "sent once"'; }
serve
post client1 client2 "sent once" letter --id $id
is "a message is sent under an id" "$(copies)" 1
stop_server
echo 'correct horse' >phrase
echo 'wrong horse' >wrong
chmod 600 phrase wrong
run atrest on --at-rest-passphrase-file phrase
is "a passphrase does as well" "$RC $("$SMTP361" atrest -d "$SRV" status)" "0 passphrase"
serve --at-rest-passphrase-file phrase
post client1 client2 "sent once" letter --id $id
is "what was sent is known: sent again, it is there once" "$(copies)" 1
stop_server
run atrest off --at-rest-passphrase-file wrong
is "another passphrase is refused" "$RC" 77
run atrest off --at-rest-passphrase-file - <phrase
is "one that does not come is 66" "$RC" 66
run atrest off --at-rest-passphrase-file phrase
is "the right one is not refused" "$RC" 0
mv "$SRV/client1" mailbox1
run atrest on --at-rest-passphrase-file phrase
run atrest off --at-rest-passphrase-file phrase
is "... nor is it, where a sender has no mailbox" "$RC" 0
ok "... and what he sent is kept" test -s "$SRV/.sent/client1"
mv mailbox1 "$SRV/client1"
serve
post client1 client2 "sent once" letter --id $id
is "what was sent is known after the way back, too" "$(copies)" 1
stop_server

# --- two at once ---

# waits PID: it waits for the folder's lock
waits() { grep -q -- "-> FLOCK .* $1 " /proc/locks; }
# at_once VERB APPLET...: a migration that waits behind another program in the folder, while that is what
# another one decides by, too; first and second have how they ended
at_once() {
	exec 9<"$SRV"
	flock 9
	"$SMTP361" atrest -d "$SRV" --at-rest "$KEY" "$1" >first 2>&1 9<&- &
	one=$!
	wait_for 20 waits $one || diag "the first one does not wait"
	"$SMTP361" atrest -d "$SRV" --at-rest "$KEY" "$1" >second 2>&1 9<&- &
	two=$!
	wait_for 20 waits $two || diag "the second one does not wait"
	exec 9<&-
	RC=0
	wait $one || RC=$?
	echo "$RC" >>first
	RC=0
	wait $two || RC=$?
	echo "$RC" >>second
}
kept once
at_once on
is "of two that encrypt at once, one does" "$(cat first second | grep -xE '0|78' | sort | tr '\n' ' ')" "0 78 "
like "... and the other one says why not" "$(cat first second)" 'encrypted already'
keyed user list
is "... and the accounts are there" "$RC $(grep -c client4 o)" "0 1"
mkdir -p "$SRV/.at_rest.new/client1"
echo 'butter and bread' >"$SRV/.at_rest.new/client1/letter.txt"
run atrest status
is "what a killed one left in the clear is told" "$(said)" "0 interrupted"
keyed serve -l 127.0.0.1:0
like "... and no server starts over it" "$(said)" '^78 .*was interrupted'
like "... but says what to do" "$(cat e)" '^hint: smtp361 atrest .*resume'
run atrest resume
is "... which removes it" "$RC $(find "$SRV" -name '.at_rest*') $("$SMTP361" atrest -d "$SRV" status)" "0  key-file"
like "... and says which way it went" "$(said)" '^0 .*what was interrupted is undone: the mail is encrypted$'
at_once off
is "of two that decrypt at once, one does" "$(cat first second | grep -xE '0|78' | sort | tr '\n' ' ')" "0 78 "
like "... and the other one says why not" "$(cat first second)" 'plain already'
kept twice
is "... and all is as it was" "$(diff -r once twice)" ""

# --- which way an interrupted one went ---

# killed STATE: a migration was killed while it made the draft (new), or at the end of its last move (ready)
killed() { mkdir "$SRV/.at_rest.$1"; }
keyed atrest on
killed ready
run atrest resume
like "a killed one that was ready is finished" "$(said)" '^0 .*what was interrupted is finished: the mail is encrypted$'
killed ready
keyed atrest on
like "... and the same again finds what it wants" "$(said)" '^0 .*is finished: the mail is encrypted$'
killed new
run atrest on --at-rest other.key
like "what is encrypted under another key is not taken for it" "$(said)" '^77 .*is undone: the mail is encrypted'
keyed atrest on
like "what is encrypted, and was not interrupted, is not encrypted again" "$(said)" '^78 .*encrypted already$'
killed new
keyed atrest off
like "a killed one is undone ahead of what was asked for" "$(said)" '^0 .*is undone: the mail is encrypted'
is "... which is done then" "$("$SMTP361" atrest -d "$SRV" status)" plain
killed new
run atrest resume
like "a killed one that was not ready is undone: nobody takes it for encrypted" "$(said)" \
	'^0 .*what was interrupted is undone: the mail is plain$'
killed new
keyed atrest off
like "... which is what the way back wants" "$(said)" '^0 .*is undone: the mail is plain$'
killed ready
run atrest resume
like "so is a killed way back finished" "$(said)" '^0 .*what was interrupted is finished: the mail is plain$'
kept thrice
is "... and all is as it was" "$(diff -r once thrice)" ""

# --- nothing at all, and much ---

SRV=$RAM/empty
mkdir "$SRV"
keyed atrest on
like "an empty folder is encrypted, too" "$(said)" '^0 0 mailboxes and 0 messages'
is "... with nothing to say of a key that is elsewhere" "$(grep -c 'has the key' e)" 0
keyed atrest off
cp "$KEY" "$SRV/mail.key"
run atrest on --at-rest "$SRV/mail.key"
like "of a key in the folder itself it says what that is worth" "$(said)" "mail.key is in $SRV: who has this disk has the key"
rm "$SRV/mail.key"
keyed user add --password-file pw1 alice
is "... and then has its first account" "$RC $(grep -rl alice "$SRV")" "0 "

SRV=$RAM/much
mkdir "$SRV"
echo '{"alice": {}, "bob": {}}' >"$SRV/user_pass.json"
chmod 600 "$SRV/user_pass.json"
n=$([ -n "$SANITIZED" ] && echo 1000 || echo 10000)
$PYTHON -c 'import sys
for i in range(int(sys.argv[1])):
    print(f"From x@example.org Thu Jan  1 00:00:00 2026\nSubject: number {i}\n\ntext {i}\n")' "$n" >much.mbox
run import --to alice much.mbox
run export alice before.mbox
keyed atrest on
like "$n messages are encrypted" "$(said)" "^0 1 mailbox and $n messages"
keyed export alice sealed.mbox
ok "... and exported as they were" cmp before.mbox sealed.mbox
keyed atrest off
is "... and decrypted" "$RC" 0
run export alice after.mbox
ok "... and exported as they were" cmp before.mbox after.mbox
done_testing
