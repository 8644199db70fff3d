#!/bin/sh
# Sealed and signed mail, from the command line. age and ssh-keygen are the judges; the server lies by
# what is changed in its folder: letters moved, copied, renamed, altered, taken away, keys swapped.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/sealed.sh"
members 4 # alice, bob, carol and eve
start_server || exit 1

# newest N: the file of clientN's newest message; what was settled together may have one time of writing
newest() {
	wait_settled
	grep -H -m 1 '^Time and Date: ' "client$1"/*.txt | sed 's/:Time and Date: /	/' | sort -t '	' -k 2 | tail -n 1 | cut -f 1
}
field() { # NAME...: a field of the JSON object in o
	/usr/bin/python3 -c '
import json, sys
v = json.load(open("o"))
for k in sys.argv[1:]: v = v[int(k) if isinstance(v, list) else k]
print(json.dumps(v))' "$@"
}

# --- there ---

printf 'Meet at noon, by the grüne bridge.\n' >note
run by 1 send --seal --to 'client2; client3;client2' --title 'Secret plans' note
is "send --seal says nothing on stdout" "$RC$(cat o)" 0
like "... tells of the signing key that it made" "$(cat e)" 'made a signing key for client1: SHA256:'
like "... and whose keys it pinned" "$(cat e)" "pinned client2's key X25519 SHA256:"
run by 1 send --seal --to client2 --title 'Quiet' note
is "the second time there is nothing to tell" "$RC$(cat o e)" 0
run by 2 inbox
is "the server lists it as sealed" "$(cut -f 4 o | uniq)" "[sealed]"
wait_settled
run grep -rlE 'at noon|Secret plans|U2VjcmV0IHBsYW5z|TWVldCBhdCBub29u' client1 client2 client3 .journal .spool
is "neither text nor title are in the server's folder" "$RC$(cat o)" 1
is "the number of recipients is that of names, each once" \
	"$(grep -h '^To: ' "$(newest 3)")" "To: client2;client3"

# --- and back ---

run by 2 read 1
is "a recipient reads it: who, to whom, what" "$RC
$(sed '/^Time and Date: /d' o)" "0
From: client1
To: client2;client3
Title: Secret plans
Content Length: 35
Content:
Meet at noon, by the grüne bridge."
like "... and who signed it is told on stderr" "$(cat e)" \
	'^smtp361 read: signed by client1 with SHA256:[A-Za-z0-9+/]{43} \(pinned 20..-..-.., first seen now: the server alone vouches for it\)$'
run by 3 read 1 --content
ok "so does the other, and gets every byte" cmp o note
run by 3 read 1 --json
is "JSON: sealed, by whom, and no warning" \
	"$RC $(field sealed) $(field signed by) $(field signed pinned) $(field signed verified) $(field warnings)" \
	'0 true "client1" true false []'
is "... the title from inside, and the content" "$(field title) $(field length)" '"Secret plans" 35'
run by 2 read 1 --sealed
is "--sealed is as it is stored" "$(head -n 1 o)" "-----BEGIN AGE ENCRYPTED FILE-----"
cp o stored
for i in 2 3 1; do
	"$SMTP361" keygen -d "k$i" --age --secret "client$i" >"id$i"
done
run "$SMTP361" unseal -i id1 stored
like "the sender can open it, too" "$RC $(grep -c '^smtp361 sealed message 1$' o)" '^0 1$'
if command -v age >/dev/null; then
	for i in 1 2 3; do
		age -d -i "id$i" stored >plain 2>/dev/null
		is "age -d opens it for client$i" "$(tail -n 1 plain)" "$(cat note)"
	done
else
	skip "age -d opens it" "age is not installed: NOTHING judges the format"
fi
by 2 read 1 --signed >signed 2>/dev/null
by 2 read 1 --signature >signed.sig 2>/dev/null
if command -v ssh-keygen >/dev/null; then
	"$SMTP361" keygen -d k1 --allowed-signers client1 >allowed
	verify() { ssh-keygen -Y verify -f allowed -I client1 -n "$1" -s signed.sig <"$2"; }
	ok "ssh-keygen -Y verify accepts what --signed and --signature print" verify mail@smtp361 signed
	by 2 members export --allowed-signers >allowed 2>/dev/null
	ok "... with the line that the reader's members print, too" verify mail@smtp361 signed
	ok "... for nothing else" must_fail 255 verify file signed
	sed 's/noon/nine/' signed >changed
	ok "... and nothing that was changed" must_fail 255 verify mail@smtp361 changed
else
	skip "ssh-keygen -Y verify accepts it" "ssh-keygen is not installed: NOTHING judges the signature"
fi
is "what was signed ends in the content" "$(tail -n 1 signed)" "$(cat note)"
is "... and names who, to whom and what" "$(grep -cE '^(From: client1|To: client2;client3|Title: Secret plans)$' signed)" 3
run by 4 read 1
is "who has no mail has none" "$RC" 66
sed -i 's/ pinned$/ verified/' k2/known_members
run by 2 read 1
like "a key that was compared is verified" "$(cat e)" '\(verified, pinned 20..-..-..\)(, opened before)?$'
run by 2 inbox --open
is "inbox --open shows the titles from inside" "$RC $(cut -f 1,2,4,5 o | tr '\t\n' '/ ')" \
	"0 1/client1/sealed/Secret plans 2/client1/sealed/Quiet "
run by 2 inbox --open --json
is "... in JSON, too" "$(field 1 title) $(field 1 signed verified)" '"Quiet" true'

# --- what is sent ---

printf 'an attachment' >attached
run by 1 send --seal --to client2 --title 'with file' --attach attached note
is "an attachment is sealed with it" "$RC" 0
mkdir saved
run by 2 read --last --save saved
is "... and saved from inside" "$RC $(cat saved/attached)" "0 an attachment"
printf '%s\n' '{"to": "client2", "title": "b1", "content": "one"}' \
	'{"to": ["client3", "nobody"], "title": "b2", "content": "two"}' \
	'{"to": ["client3"], "title": "b3", "content": "three"}' >lines
RC=0
by 1 send --seal --batch --json <lines >o 2>e || RC=$?
is "of many each is told: who is no user stops that one alone" \
	"$RC $(/usr/bin/python3 -c '
import json
print([(r["title"], r["stored"], r.get("sealed"), r.get("code")) for r in map(json.loads, open("o"))])')" \
	"67 [('b1', True, True, None), ('b2', False, None, 67), ('b3', True, True, None)]"
run by 3 inbox --open
is "... and numbers none as missing" "$RC $(tail -n 1 o | cut -f 5)" "0 b3"
run by 1 send --seal --to nobody note
is "a recipient who is none: 67" "$RC" 67
run by 1 send --seal --to 'client2;../x' note
is "... or is no name" "$RC" 67
run by 1 send --seal --no-seal --to client2 note
is "--seal and --no-seal is misuse" "$RC" 64
run by 1 send --seal --to client1 --title 'to myself' note
run by 1 read --last
like "to oneself, signed by one's own key" "$RC $(cat e)" '^0 .*\(your own key\)$'

ID=00112233445566778899aabbccddeeff
run by 1 send --seal --to client2 --id $ID --title 'again and' note
run by 1 send --seal --to client2 --id $ID --title 'again and' note --json
is "the same --id again is stored once" "$RC $(field again)" '0 true'
run by 1 send --seal --to client2 --title 'behind it' note
run by 2 inbox --open
is "... and neither re-sent nor missing to the reader" "$RC $(tail -n 2 o | cut -f 5 | tr '\n' ' ') $(cat e)" \
	"0 again and behind it  "
for i in 6 4 5 1; do
	run by 2 read $i
	is "read in any order, and again ($i): no alarm" "$RC $(grep -vc 'signed by' e)" "0 0"
	like "... but it was opened before" "$(cat e)" 'opened before$'
done
run by 2 read 1 --json
is "... in JSON" "$RC $(field again)" "0 true"

# --- refusals leave no gap ---

stop_server
start_server --max-messages 8
by 2 inbox >o 2>&1
full=$(wc -l <o)
while [ "$full" -lt 8 ]; do
	by 1 send --seal --to client2 --title fill note 2>/dev/null
	full=$((full + 1))
done
run by 1 send --seal --to client2 --title refused note
is "a full mailbox refuses a sealed message, too" "$RC" 75
stop_server
start_server
run by 1 send --seal --to client2 --title taken note
run by 2 inbox --open
is "... whose number the next one has" "$RC $(tail -n 1 o | cut -f 5) $(cat e)" "0 taken "

openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c 3000000 | base64 >large
run env TMPDIR="$PWD/nowhere" "$SMTP361" send -u client1 -k k1 --password-file pw1 --enhanced --seal --to client2 large
like "a message that cannot be sealed is not sent" "$RC" '^7[0-9]$'
run by 1 send --seal --to client2 --title behind note
run by 2 inbox --open
is "... and leaves its number, too" "$RC $(tail -n 1 o | cut -f 5) $(cat e)" "0 behind "
run by 1 send --seal --to client2 --id 00000000000000000000000000000000 note
is "an id of zeros is misuse" "$RC" 64

# --- what was deleted and comes again ---

wait_settled
run by 2 inbox --ids
ID=$(tail -n 1 o | cut -f 1)
stop_server
rm -rf before && cp -a . ../before.$$ && mv ../before.$$ before
start_server
run by 2 delete "$ID"
stop_server
rm -rf client2 .journal .spool .sent
for i in client2 .journal .spool .sent; do
	[ ! -e "before/$i" ] || cp -a "before/$i" "$i"
done
rm -rf before
start_server
run by 2 read "$ID"
is "a message that was deleted and is delivered again: 65, and nothing is shown" "$RC$(cat o)" 65
like "... named" "$(cat e)" 'RE-SENT: you deleted it, and here it is again'
run by 2 inbox --open
like "... in the list, too" "$RC $(tail -n 1 o)" '^65 .*\(re-sent\) \[sealed\]$'
run by 2 read "$ID" --anyway
is "... --anyway shows it" "$RC $(tail -n 1 o)" "65 $(cat note)"

# --- the server lies ---

# anew: all mailboxes empty, nothing counted
anew() {
	stop_server
	rm -rf client? .journal .sent .spool k?/client?_chat
	start_server
}
lie() { # TITLE FILE SED: exit code 65, nothing shown, words
	title=$1
	cp "$2" kept
	sed "$3" kept >"$2" # the same file, under the same id
	run by 2 read --last
	is "$title: 65, and nothing is shown" "$RC$(cat o)" 65
	run by 2 read --last --anyway
	is "... but with --anyway" "$RC $(tail -n 1 o)" "65 $(cat note)"
	run by 2 inbox --open
	is "... inbox --open: 65, and the title stays inside" "$RC $(grep -c 'Secret' o)" "65 0"
	cp kept "$2"
}
anew
by 1 send --seal --to client2 --title 'Secret plans' note
F=$(newest 2)
lie "another sender outside" "$F" 's/^From: client1/From: client3/'
like "... is named" "$(cat e)" 'FALSE SENDER: client1 signed it, and the server says that client3 sent it'
like "... in the list" "$(cat o)" '\(false sender\) \[sealed\]$'
lie "other recipients outside" "$F" 's/^To: client2/To: client2;client3/'
like "... are named" "$(cat e)" 'RE-ADDRESSED: client1 wrote it to client2, and the server says to client2;client3'
run by 2 read --last
is "as it was it is fine" "$RC" 0
cp "$F" kept
/usr/bin/python3 - "$F" <<'END'
import sys
b = bytearray(open(sys.argv[1], 'rb').read())
at = len(b) - 100
b[at] = ord('A') if b[at] != ord('A') else ord('B')
open(sys.argv[1], 'wb').write(b)
END
run by 2 read --last --anyway
is "altered: 65, and not even --anyway shows anything" "$RC$(cat o)" 65
like "... in words" "$(cat e)" 'THE MESSAGE WAS ALTERED, and nothing of it is shown'
run by 2 inbox --open
like "... in the list" "$RC $(cat o)" '^65 .*\(altered\) \[sealed\]$'
cp kept "$F"
cp "$F" client3/moved.txt
run by 3 read --last
like "moved to another mailbox: 77, nobody there opens it" "$RC $(cat o e)" '^77 .*not sealed to you'
run by 3 inbox --open
like "... and the list says so" "$RC $(cat o)" '^65 .*\(not sealed to you\) \[sealed\]$'
rm client3/moved.txt

# a recipient passes it on as if it were written to somebody else
by 2 read --last --signature >text 2>/dev/null
by 2 read --last --signed >>text 2>/dev/null
R3=$("$SMTP361" keygen -d k3 --age client3)
"$SMTP361" seal -a -r "$R3" text | by 2 send --no-seal --to client3 --title '[sealed]' -
run by 3 read --last
is "what alice wrote to bob, sealed by bob to carol: 65" "$RC$(cat o)" 65
like "... re-addressed" "$(cat e)" 'RE-ADDRESSED: client1 wrote it to client2, and not to you'
sed -i 's/^From: client2/From: client1/' "$(newest 3)"
run by 3 read --last --json
is "... also when the server helps him" "$RC $(field warnings | grep -o 'RE-[A-Z]*' | sort -u | tr '\n' ' ')" \
	'65 RE-ADDRESSED RE-SENT '
is "... and JSON has no content of it" "$(grep -c "at noon" o)" 0

anew
for t in one two three four five; do
	by 1 send --seal --to client2 --title $t note
done
cp "$(newest 2)" client2/copy.txt
run by 2 inbox --open
like "a copy in the same mailbox is told" "$RC $(cat e)" '^65 .*RE-SENT: it is a copy'
is "... and the five others are fine" "$(grep -c 're-sent' o) $(grep -cE '	(one|two|three|four|five)$' o)" "1 5"
run cl 2 inbox --open
like "... over the classic protocol, too" "$RC $(cat e)" '^65 .*RE-SENT: it is a copy'
rm client2/copy.txt
rm -rf k2/client2_chat # he has not looked yet
wait_settled
for t in 'two' 'three'; do
	i=$(by 2 inbox --open 2>/dev/null | sed -n "s/^\([0-9]*\)	.*	$t\$/\1/p")
	id=$(by 2 inbox --ids | sed -n "${i}p" | cut -f 1)
	rm -rf k2/client2_chat
	by 2 delete "$id" >/dev/null
done
run by 2 inbox --open
is "withheld ones are named by their numbers: 65" "$RC $(cat e)" \
	"65 smtp361 inbox: client1's sealed messages 2, 3 of 5 are missing: withheld or deleted unread"
run by 2 inbox --open --json
is "... in JSON" "$(field 3 missing) $(field 3 highest)" "[2, 3] 5"
run by 2 inbox --open --from client1
is "... and with --from" "$RC" 65
run by 2 inbox --open --limit 2
is "part of a list tells nothing of what is missing" "$RC$(cat e)" 0
run by 2 read 1
is "nor does read" "$RC" 0
run by 2 inbox --open --forgive --limit 1
is "nor can part of a list be forgiven" "$RC" 64
run by 2 inbox --open --forgive
is "what is forgiven is told once more" "$RC $(grep -c 'are missing' e)" "0 1"
run by 2 inbox --open
is "... and not again" "$RC$(cat e)" 0

# a sender who lost his count: what was withheld of the old one stays missing
anew
for t in one two three; do
	by 1 send --seal --to client2 --title $t note
done
by 2 inbox --open >o
by 1 send --seal --to client2 --title withheld note
by 1 send --seal --to client2 --title five note
wait_settled
i=$(by 2 inbox --ids | sed -n 4p | cut -f 1)
by 2 delete "$i"
rm -rf k1/client1_chat
by 1 send --seal --to client2 --title 'another count' note
run by 2 inbox --open
like "a sender who counts anew is told: 65" "$RC $(cat e)" '^65 .*message 5: client1 began to count anew'
is "... and what was missing before is still told" "$(grep -c "client1's sealed message 4 of 5 (before it was counted anew) is missing" e)" 1
run by 2 read --last
is "... once: the count goes on from there" "$RC" 0

# a plain one under the title of a sealed one, and a sealed one that the server gives another title
by 1 send --no-seal --to client2 --title '[sealed]' note
by 1 send --seal --to client2 --title 'Real one' note
F=$(newest 2)
sed 's/^Title: .*/Title: nothing at all/' "$F" >kept && cp kept "$F"
run by 2 inbox --open
is "what is plain and what is sealed is told by its content" \
	"$RC $(tail -n 2 o | cut -f 4,5 | tr '\t\n' '/ ')" "65 plain/[sealed] sealed/Real one "
run by 2 inbox --open --json
is "... in JSON" "$(field 5 mail) $(field 6 mail)" '"plain" "sealed"'

i=$(by 2 inbox --open 2>/dev/null | grep -c .)
run by 2 read $((i - 1))
is "plain mail of somebody whose signing key is pinned is read with a note" "$RC $(cat e)" \
	"0 smtp361 read: not sealed: the server alone vouches for all of it"

# two messages with one number: the sender's count was set back, as a server with his disk could
anew
cp -a k1 k1.before
by 1 send --seal --to client2 --title first note
rm -rf k1 && mv k1.before k1
by 1 send --seal --to client2 --title second note
by 1 send --seal --to client2 --title third note
rm -rf k1.before && cp -a k1 k1.before
by 1 send --seal --to client2 --title fourth note
rm -rf k1 && mv k1.before k1
by 1 send --seal --to client2 --title fifth note
run by 2 inbox --open
like "a number that was taken by another message" "$RC $(grep -v anew e)" \
	'^65 .*message 5: RE-SENT: its number, 3, was taken by another message of client1'
run by 2 inbox --open
like "... is told as often as it is looked at" "$RC $(tail -n 1 o)" '^65 5.*\(re-sent\) \[sealed\]'

# --- keys ---

anew
cp client2_x25519_public.pem own2.pem
cp client4_x25519_public.pem client2_x25519_public.pem # client2 is eve now, the server says
run by 1 send --seal --to client2 --title 'Secret plans' note
is "another key than the pinned one: 77, and nothing is sent" "$RC $(by 4 inbox; stored)" "77 0"
like "... loudly" "$(cat e)" 'WARNING: THE KEY OF client2 HAS CHANGED'
cp own2.pem client2_x25519_public.pem
by 1 send --seal --to client2 --title 'Secret plans' note
mkdir other
"$SMTP361" keygen -d other --only p256 client1 >/dev/null 2>&1
cp -a k1 k1.before
cp other/client1_p256_*.pem k1/
run by 1 send --seal --to client2 note
is "a directory that shows another signing key in our name: 76" "$RC" 76
like "... loudly" "$(cat e)" 'WARNING: THE SERVER SHOWS ANOTHER KEY IN YOUR NAME'
rm client1_p256_public.pem # which the server has forgotten
run by 1 send --seal --to client2 --title 'Other key' note
run by 2 read --last
is "signed by another key than the pinned one: 65, and not shown" "$RC$(cat o)" 65
like "... loudly" "$(cat e)" 'WARNING: THE KEY OF client1 HAS CHANGED'
run by 2 read --last --json --anyway
is "... JSON says that it is not pinned" "$RC $(field signed pinned)" "65 false"
rm -rf k1 client1_p256_public.pem && mv k1.before k1

R2=$("$SMTP361" keygen -d k2 --age client2)
printf 'Anonymous\n' >anon
"$SMTP361" seal -a -r "$R2" anon | by 4 send --to client2 --title 'from age' -
run by 2 read --last
is "what anybody sealed is read, and is nobody's word: 65" "$RC $(tail -n 1 o)" "65 Anonymous"
like "... in words" "$(cat e)" 'nobody signed it'
is "... under the title outside" "$(grep ^Title o)" "Title: from age"
run by 2 read --last --json
is "... JSON: signed is null" "$RC $(field signed) $(field sealed)" "65 null true"
run by 2 read --last --signed
is "... nothing was signed" "$RC $(cat o)" "65 "
by 4 send --no-seal --to client2 --title plain note
run by 2 read --last --signed
like "what is not sealed has nothing signed" "$RC $(cat o e)" '^65 .*not sealed'
run by 2 read --last
is "... and is read as ever" "$RC $(cat e)" "0 "

# --- the classic protocol ---

anew
by 1 send --seal --to client2 --title 'pin me' note 2>/dev/null
run cl 1 send --seal --to client2 --title 'Classic plans' note
is "over the classic protocol it goes by the pinned key" "$RC" 0
run cl 2 read 2
like "... and is read" "$RC $(cat o)" '^0 From: client1'
is "... title and all" "$(grep ^Title o)" "Title: Classic plans"
run by 2 read 2
is "... over the enhanced one, too" "$RC $(grep ^Title o)" "0 Title: Classic plans"
run cl 2 inbox --open
is "... and listed" "$RC $(cut -f 5 o | tr '\n' '/')" "0 pin me/Classic plans/"
run cl 1 send --seal --to client4 note
like "whose key is not known is not written to: 67" "$RC $(cat e)" '^67 .*client4 has no key to seal to'
is "the server's folder has no word of either" "$(grep -rl "at noon" client2 | wc -l)" 0

# --- who wants everything sealed ---

mkdir -p xdg/smtp361
conf() { printf '{"server": "%s", "user": "client1", "keys": "%s/k1", "password_file": "%s/pw1", "enhanced": true, "seal": %s}\n' \
	"$SMTP361_SERVER" "$PWD" "$PWD" "$1" >xdg/smtp361/config.json; }
conf true
run env XDG_CONFIG_HOME="$PWD/xdg" "$SMTP361" send --to client2 --title 'By config' note
run by 2 read --last
like "\"seal\": true seals what send sends" "$(cat o e)" 'Title: By config'
is "... outside nothing is seen of it" "$(grep -c 'By config' "$(newest 2)")" 0
run env XDG_CONFIG_HOME="$PWD/xdg" "$SMTP361" send --no-seal --to client2 --title 'In clear' note
is "... unless --no-seal says otherwise" "$RC $(grep -c 'In clear' "$(newest 2)")" "0 1"
before=$(stored)
RC=0
env XDG_CONFIG_HOME="$PWD/xdg" "$SMTP361" sendmail client2 <note >o 2>e || RC=$?
is "sendmail, which does not seal, refuses: 78" "$RC $(stored)" "78 $before"
like "... and says what to do" "$(cat e)" '"seal": "send"'
conf '"send"'
RC=0
env XDG_CONFIG_HOME="$PWD/xdg" "$SMTP361" sendmail client2 <note >o 2>e || RC=$?
is "... which lets it send" "$RC $(stored)" "0 $((before + 1))"
printf '1\nclient2\nBy menu\nN\nMenu text\n4\n' >menu
RC=0
env XDG_CONFIG_HOME="$PWD/xdg" "$SMTP361" client <menu >o 2>e || RC=$?
run by 2 read --last
is "the menu seals, too" "$RC $(grep -E '^(Title|Menu)' o | tr '\n' '/')" "0 Title: By menu/Menu text/"
n=$(by 2 inbox | wc -l)
printf '2\n3\n%s\n4\n' "$n" >menu
"$SMTP361" client -u client2 -k k2 --password-file pw2 --enhanced <menu >o 2>e
like "... and opens" "$(cat o)" '^Menu text$'
like "... and says who signed" "$(cat o)" 'signed by client1 with SHA256:'
conf '1'
run env XDG_CONFIG_HOME="$PWD/xdg" "$SMTP361" send --to client2 note
like "any other \"seal\" is a damaged configuration: 78" "$RC $(cat e)" '^78 .*"seal" is neither'

# --- much of it ---

# most COMMAND...: the most memory that it or Python holds, in KiB
most() {
	/usr/bin/python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=open("o", "wb"), stderr=open("e", "wb"))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@"
}
openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c 15000000 | base64 -w 70 >large
kib=$(most "$SMTP361" send -u client1 -k k1 --password-file pw1 --enhanced --seal --to client2 --title large large)
run by 2 read --last --content
ok "20 MB go and come whole" cmp o large
if [ -z "$SANITIZED" ]; then
	ok "sealing them needs no more memory ($kib KiB)" test "$kib" -lt 20000
	kib=$(most "$SMTP361" read -u client2 -k k2 --password-file pw2 --enhanced --last --content)
	ok "nor does opening them ($kib KiB)" test "$kib" -lt 20000
else
	skip "20 MB need no more memory" "a sanitizer needs more"
fi
RC=0
by 1 send --seal --to client2 --title piped - <large >o 2>e || RC=$?
run by 2 read --last --content
ok "from a pipe, too" cmp o large
PYTHONPATH="$ROOT/t/peer" /usr/bin/python3 -B "$ROOT/t/peer/pieces.py" "$SMTP361" --enhanced -u client1 -k k1 --password-file pw1 \
	--seal --to client2 ++ --enhanced -u client2 -k k2 --password-file pw2 >bad 2>o
is "no character is cut on a terminal, by read or in the menu" "$(cat bad)" ""

stop_server
is "the server was well to its end" $? 0
done_testing
