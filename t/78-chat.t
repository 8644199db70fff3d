#!/bin/sh
# Chat, end to end: two members and a server that keeps bytes. What they say comes, in order and once,
# whether or not anybody is there; what a lying server does to it is named; and nobody who looks at a disk
# finds a word of it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/chat.sh"
house 3
SECRET=the-cat-sleeps-on-the-radiator
# heard NUMBER: what came, who and text
heard() {
	run u "$1" --wait --timeout 20
	echo "$RC $(cut -f 3,5 o | tr '\t\n' ' ;')"
}
start_server -d "$HOUSE/srv" || exit 1

# --- there and back ---

run u 1 --exists client2
is "--exists of a user is 0" "$RC" 0
run u 1 --exists nobody
is "--exists of none is 67" "$RC" 67
run u 1 --send nobody x
is "to nobody is 67" "$RC" 67
run u 1 --send client1 x
is "to oneself is 64" "$RC" 64
run u 1 --send client2 "first of all"
like "who was never here has no one-time keys: the message waits, 75, and that is said" "$(said)" '^75 .*waits'
is "... and the history shows it" "$(history 1 2 3,4,5)" "client1	waiting	first of all"
u 1 --delete-history client2
run u 1 --send client2 "first of all"
is "what is deleted before it goes takes no number, as is seen below" "$RC $(history 1 2 4)" "75 waiting"
run u 2 --status
is "the other one comes by" "$RC" 0
run u 1 --status
is "... and the next command of the first one sends it" "$(history 1 2 4)" sent
is "... and it comes" "$(heard 2)" "0 client1 first of all;"
u 1 --status >/dev/null
is "a receipt came back" "$(history 1 2 4)" "sent"
run u 1 --wait --timeout 1
is "nothing waits: 75" "$RC" 75
is "... and by the receipt it is delivered" "$(history 1 2 4)" delivered
run u 2 --send client1 "and back"
is "there and back" "$RC $(heard 1)" "0 0 client2 and back;"
printf 'one\n\ntwo, ünïcödé\nthree' | u 1 client2 >o 2>e
is "a pipe sends each line, and says nothing" "$? $(cat o e)" "0 "
is "... in order, with no one there" "$(heard 2)" "0 client1 one;client1 two, ünïcödé;client1 three;"
printf 'line\nline\n' | u 1 --send client2 -
run u 2 --wait --json --timeout 20
like "--send - is all of stdin; --json tells all" "$(cat o)" \
	'"event":"message","from":"client1",.*"number":5,.*"forward_secret":true,"text":"line\\nline"'
run u 1 --send client2 "$(printf 'bad \377')"
is "no UTF-8 is 65" "$RC" 65
run u 1 --send client2 ''
is "an empty text is 65" "$RC" 65
u 2 --wait --timeout 30 >waited 2>/dev/null &
PIDS="$PIDS $!"
waiter=$!
wait_for 20 is_here 2 1
run u 1 --status
like "who waits is here" "$(cat o)" '^client2	pinned	.*	here$'
run u 1 --send client2 "quick"
wait $waiter
is "... and gets it at once" "$? $(cut -f 5 waited)" "0 quick"
run u 3 --wait client1 --timeout 1
like "the third one is sent nothing" "$(said)" '^75 .*nothing came in 1 second $'

# --- files ---

{ printf x && head -c 2999999 /dev/urandom; } >noise # of no known type
printf '\211PNG\r\n\032\nnot much' >cat.picture
: >empty
for f in noise cat.picture empty; do
	run u 1 --picture $f client2
	is "a file goes: $f" "$RC" 0
done
run u 1 --picture cat.picture --to client2
is "... and by --to" "$RC" 0
run u 2 --wait --json --timeout 30
is "... with names, types and sizes" "$(sed 's/.*"name":"\([^"]*\)","type":"\([^"]*\)","bytes":\([0-9]*\).*/\1 \2 \3/' o | tr '\n' ';')" \
	"noise application/octet-stream 3000000;cat.picture image/png 16;empty application/octet-stream 0;cat.picture image/png 16;"
record=$(sed -n '1s/.*"record":\([0-9]*\).*/\1/p' o)
mkdir back
u 2 --save "$record" -o back/noise client1
ok "--save gets it back as it was" cmp noise back/noise
run u 2 --save "$record" -o back/noise client1
is "... and replaces nothing: 73" "$RC" 73
u 2 --save "$record" -o - client1 >back/piped
ok "... also into a pipe" cmp noise back/piped
run u 2 --save 1 client1
is "a text has no name: 65" "$RC" 65
run u 2 --save 9999 client1
is "what is not there is 65" "$RC" 65
truncate -s 16777217 large
run u 1 --picture large client2
is "more than 16 MiB is 65, and nothing is kept of it" "$RC $(history 1 2 5 | grep -c large)" "65 0"
truncate -s 16777216 large
run u 1 --picture large client2
u 2 --wait --json --timeout 60 >o
like "16 MiB go" "$RC $(cat o)" '^0 .*"bytes":16777216'
rm large

# --- when one-time keys run out ---

# The offers of the one who is away are 50; he makes no new ones.
seq 1 60 | u 3 client2 >/dev/null 2>e
rc=$?
like "20 one-time keys stand for who has not written, then messages wait: 75" "$rc $(tail -n 1 e)" '^75 .*40 messages wait'
is "... of which 20 are sent" "$(history 3 2 4 | sort | uniq -c | tr -s ' \n' ' ')" " 20 sent 40 waiting "
run u 3 --send client2 --allow-no-fs "sealed now"
like "--allow-no-fs sends what waits sealed, and says so" "$(said)" '^0 .*41 messages went sealed.*not forward secret'
is "... and the history says so" "$(history 3 2 4 | sort | uniq -c | tr -s ' \n' ' ')" " 20 sent 41 sent,sealed "
run u 2 --wait --timeout 30
is "all of it comes, in order" "$RC $(cut -f 5 o | tr '\n' ' ')" "0 $(seq 1 60 | tr '\n' ' ')sealed now "
is "... what was sealed is marked" "$(cut -f 4 o | sort | uniq -c | tr -s ' \n' ' ')" " 20 received 41 received,sealed "
# A sealed message that was done with, from the server once more
seq 1 51 | u 3 --allow-no-fs client2 >/dev/null 2>&1
sealed=$(find "$CHAT/client2/waiting" -type f ! -name '.*' | sort | tail -n 1)
cp -p "$sealed" ./sealed_packet
sealed=$(basename "$sealed")
u 2 --wait --timeout 30 >/dev/null
cp -p sealed_packet "$CHAT/client2/waiting/$sealed"
like "a sealed message that comes again is named" "$(told 2)" '^65  client3: message [0-9]+ came twice;$'
cp -r "$HOUSE/k2" sealed_after
u 2 --delete-history client3
cp -p sealed_packet "$CHAT/client2/waiting/$sealed"
like "... also where the history was deleted, which does not get it back" "$(told 2) $(history 2 3 5)" \
	'^65  client3: message [0-9]+ came twice; $'
rm -r "$HOUSE/k2" sealed_packet && mv sealed_after "$HOUSE/k2"
run u 3 --send client2 again
is "then there are new ones" "$RC $(history 3 2 4 | tail -n 1)" "0 sent"
is "... and it comes" "$(heard 2)" "0 client3 again;"

# --- what a lying server does ---

nth() { waiting | sed -n "$1p"; }
# ours: how many messages the first one has sent to the second
ours() { history 1 2 4 | grep -cv received; }
mkdir kept

say a1 a2 a3
rm "$(nth 2)"
number=$(ours)
is "withheld: it is named" "$(told 2)" "65 a1;a3; client1: message $((number - 1)) of $number is missing;"
run u 2 --history client1
like "... and stays named in the history" "$(cat e)" "client1: message $((number - 1)) of $number is missing"
u 1 --wait --timeout 1 >o 2>e
like "... and the sender hears of it" "$(cat e)" 'did not come there'

say b1
cp -p "$(nth 1)" kept/
is "(it comes)" "$(told 2)" "0 b1; "
cp -p kept/* "$CHAT/client2/waiting/"
number=$(ours)
is "replayed: it is named, and nothing is shown" "$(told 2)" "65  client1: message $number came twice;"
rm kept/*

# Who was cut off before the server knew is given that message again, and no other.
say g1
cp -p "$(nth 1)" kept/
u 2 --wait --timeout 1 >/dev/null 2>&1
say g2
run_into_full() { RC=0; u 2 --wait --timeout 20 >/dev/full 2>e </dev/null || RC=$?; }
run_into_full
is "(a disk is full: 74)" "$RC" 74
cp -p kept/* "$CHAT/client2/waiting/"
number=$(ours)
is "an older one beside it is a replay, and named" "$(told 2)" "65 g2; client1: message $((number - 1)) came twice;"
rm kept/*

say c1 c2
first=$(nth 1) second=$(nth 2)
mv "$first" kept/a
mv "$second" kept/b
rename_to() { # FROM TIME-OF: the same packet, arrived at another time
	name=$(basename "$2")
	mine=$(basename "$3")
	mv "$1" "$CHAT/client2/waiting/${name%%-*}-${mine#*-}"
}
rename_to kept/a "$second" "$first"
rename_to kept/b "$first" "$second"
number=$(ours)
is "reordered: it is named, and both are shown" "$(told 2)" \
	"65 c2;c1; client1: message $((number - 1)) of $number is missing;client1: message $((number - 1)) came late;"

say d1
/usr/bin/python3 - "$(nth 1)" <<'END' # a server that lies has the packet's digest in its name, too
import hashlib, os, sys
folder, name = os.path.split(sys.argv[1])
b = bytearray(open(sys.argv[1], 'rb').read())
b[-1] ^= 1
time, _, size, sender = name.split('-')
os.remove(sys.argv[1])
open(os.path.join(folder, '-'.join([time, hashlib.sha256(b).hexdigest()[:32], size, sender])), 'wb').write(b)
END
like "altered: it is named as forged" "$(told 2)" "^65  a forged message came, said to be from client1"
say d2
number=$(ours)
is "... and the next message tells that one is missing" "$(told 2)" \
	"65 d2; client1: message $((number - 1)) of $number is missing;"

say e1
packet=$(nth 1)
mv "$packet" "${packet%-*}-client3"
like "re-addressed, from another: forged" "$(told 2)" "^65  a message came, said to be from client3, to a one-time key that was used or given up"
say e2
u 2 --wait --timeout 1 >/dev/null 2>&1

# The count of what was taken goes back: the same one-time key again.
cp "$CHAT/client2/offers/client1" kept/offers
say f1
cp kept/offers "$CHAT/client2/offers/client1"
run u 1 --send client2 f2
like "a one-time key that is handed out twice is not used, and that is told" "$(said)" \
	'^65 .*one-time keys of client2.* that it had given before'
is "... and both messages come all the same" "$(told 2)" "0 f1;f2; "
rm -r kept/*

# Bytes of nobody's, of no known kind, and a member whom the directory does not know.
{ printf '\377' && head -c 199 /dev/urandom; } >kept/x
name=$(printf '0000000000000001-%s-000000c8' "$(sha256sum kept/x | cut -c 1-32)")
cp kept/x "$CHAT/client2/waiting/$name-client1"
head -c 200 /dev/urandom >kept/y
name=$(printf '0000000000000002-%s-000000c8' "$(sha256sum kept/y | cut -c 1-32)")
cp kept/y "$CHAT/client2/waiting/$name-client5"
like "bytes of nobody's are forged" "$(told 2)" \
	"^65  a forged message came, said to be from client1: .*a forged message came, said to be from client5: "
is "... and are gone from the server" "$(waiting | wc -l)" 0
cp kept/x "$CHAT/client2/waiting/$(printf '0000000000000003-%s-000000c8' "$(sha256sum kept/x | cut -c 1-32)")-client2"
like "... so are those said to be our own" "$(told 2)" "^65  a forged message came, said to be from client2: client2 is you;"
rm -r kept/*

# --- another key ---

run u 1 --send client2 "before the change"
u 2 --wait --timeout 1 >/dev/null 2>&1
cp "$HOUSE"/srv/client2_p256_public.pem kept/
cp "$HOUSE"/srv/client1_p256_public.pem "$HOUSE"/srv/client2_p256_public.pem
run u 1 --send client2 "to whom?"
like "another key for the other one: 77, loudly" "$(said)" '^77 .*WARNING: THE KEY OF client2 HAS CHANGED.*members accept client2'
is "... and nothing was sent, or kept" "$(waiting | wc -l) $(history 1 2 5 | tail -n 1)" "0 before the change"
run u 2 --status
like "... and he himself is told of it: 76" "$(said)" '^76 .*ANOTHER KEY'
cp kept/client2_p256_public.pem "$HOUSE"/srv/
run u 1 --send client2 "as before"
is "with the key as before all goes on" "$RC $(told 2)" "0 0 as before; "

# A new signing key, in earnest. What he signed with the old one has come before.
u 1 --wait --timeout 1 >/dev/null 2>&1
rm "$HOUSE"/k2/client2_p256_*.pem
run u 2 --status
like "a signing key that was lost: 76, and how to go on" "$(said)" '^76 .*members publish'
rm "$HOUSE"/srv/client2_p256_public.pem # the operator lets him have another
run u 2 --status
is "... published, it goes on" "$RC" 0
head -c 9000000 /dev/zero >large # more than a server tells at once
run u 2 --picture large client1
rm large
run u 2 --send client1 "with a new key"
run u 3 --send client1 "behind them"
run u 1 --wait client3 --timeout 20
is "... from another a message comes all the same" "$RC $(cut -f 3,5 o)" "0 client3	behind them"
run u 1 --wait client3 --timeout 1
is "... and for him alone one can wait" "$RC" 75
run u 1 --wait --timeout 20
like "what is signed by it is not taken: 77" "$(said)" '^77 .*THE KEY OF client2 HAS CHANGED'
run u 1 --send client2 "still to whom?"
is "... nor is anything sent" "$RC" 77
"$SMTP361" members accept client2 -u client1 -k "$HOUSE/k1" >o 2>e || why "$(cat o e)"
run u 1 --wait --timeout 20
is "accepted, it comes" "$RC $(tail -n 1 o | cut -f 3,5)" "0 client2	with a new key"
u 1 --delete-history client3
run u 1 --send client2 "now I know"
is "... and goes" "$RC $(told 2)" "0 0 now I know; "

# An older copy of the folder does not have the one-time keys that were made since.
cp -rp "$HOUSE/k2" kept/older
rm -f "$CHAT/client2/offers/client1"
run u 2 --status
say "before it"
run u 2 --wait --timeout 20
run u 2 --status # a new one-time key
say "for the newer folder"
mv "$HOUSE/k2" kept/newer
mv kept/older "$HOUSE/k2"
like "a one-time key of another folder: that is told" "$(told 2)" \
	"^65  a message came, said to be from client1, to a one-time key that is not in this folder: "
rm -rf "$HOUSE/k2"
mv kept/newer "$HOUSE/k2"
say "another one"
number=$(ours)
is "... and the other folder is told that it is missing" "$(told 2)" \
	"65 another one; client1: message $((number - 1)) of $number is missing;"

# Who has lost all but his keys begins anew.
mv "$HOUSE/k2/client2_chat" kept/
run u 2 --status
run u 1 --send client2 "do you remember?"
is "who has lost all but his keys can be written to" "$RC $(heard 2)" "0 65 client1 do you remember?;"
run u 2 --send client1 "nothing"
run u 1 --wait --timeout 20
like "... and that he counts anew is told" "$(said)" '^65 .*client2: the messages are counted from 1 anew'
rm -r kept/* # of what was said before nobody needs to know

# --- forward secrecy ---

run u 1 --send client2 "$SECRET"
cp -p "$(nth 1)" kept/
cp -r "$HOUSE/k2" kept/before
is "(it is read)" "$(heard 2)" "0 client1 $SECRET;"
cp -r "$HOUSE/k2" kept/after
# stolen FOLDER: what whoever has the packet, this folder of keys and the one-time keys in it, but no
# history, finds out
stolen() {
	rm -rf "$HOUSE/k2"
	cp -r "$1" "$HOUSE/k2"
	rm -f "$HOUSE"/k2/client2_chat/client1.history* "$HOUSE"/k2/client2_chat/client1.chat
	cp -p kept/*-client1 "$CHAT/client2/waiting/"
	run u 2 --wait --timeout 20
	said
}
like "with the one-time key a packet can be read" "$(stolen kept/before)" "^(0|65) .*$SECRET"
like "without it all other keys are of no use" "$(stolen kept/after)" '^65 .*cannot be read'
rm -rf "$HOUSE/k2"
cp -r kept/after "$HOUSE/k2"
rm -r kept/*

is "a private half is kept for each one-time key that stands, and no other" "$(halves)" "$(held)"
run u 1 -v --send client2 "in detail"
like "-v tells how a message went" "$(cat e)" 'Noise_KK with his one-time key [0-9]+'
is "(it comes)" "$(told 2)" "0 in detail; "

# --- at rest ---

echo "$SECRET" >passphrase
echo wrong >wrong
run u 1 --passphrase-file passphrase --send client3 "$SECRET 1"
run u 3 --wait --timeout 20 # and is told of the key that has changed
u 2 --send client3 "$SECRET 2" 2>/dev/null
run u 1 --history client3
is "a history under a passphrase needs it: 77" "$RC" 77
run u 1 --history client3 --passphrase-file wrong
is "... and no other: 77" "$RC" 77
is "... and opens with it" "$(u 1 --history client3 --passphrase-file passphrase | cut -f 5)" "$SECRET 1"
run u 3 --send client1 "to a closed one"
run u 1 --wait --timeout 5
like "what comes for it waits with the server, and that is said: 77" "$(said)" '^77 .*client3 is opened by a passphrase'
run u 1 --wait --timeout 5 --passphrase-file passphrase
is "... until it opens" "$RC $(cut -f 5 o)" "0 to a closed one"
"$SMTP361" mitm -l 127.0.0.1:0 --to "$SMTP361_SERVER" --pcap "$HOUSE/all.pcap" >mitm.out 2>mitm.err &
PIDS="$PIDS $!" mitm=$!
wait_for 10 grep -q 'istening on' mitm.out mitm.err
between=$(sed -n 's/^[Ll]istening on \([0-9.:]*\).*/\1/p' mitm.out mitm.err | head -n 1)
run u 1 -s "$between" --send client2 "$SECRET 3"
is "(through who listens)" "$RC" 0
u 2 -s "$between" --wait --timeout 20 >o 2>e
is "(it comes)" "$(cut -f 5 o)" "$SECRET 3"
kill "$mitm" && wait "$mitm"
ok "(all of it was captured)" test "$(wc -c <"$HOUSE/all.pcap")" -gt 3000
found=$(grep -rla "$SECRET" "$HOUSE/k1" "$HOUSE/k2" "$HOUSE/k3" "$HOUSE/srv" err "$HOUSE/all.pcap" 2>/dev/null | head -n 3)
is "no file holds what was said" "$found" ""
cp -r "$HOUSE/k1" kept/k1
u 1 --delete-history client2
run u 1 --history client2
is "--delete-history: there is none: 66" "$RC" 66
is "... on disk, too" "$(find "$HOUSE/k1" -name 'client2.history*')" ""
rm "$HOUSE/k1/client1_chat/client3.history-key"
run u 1 --history client3 --passphrase-file passphrase
ok "without its key a history is nothing" test "$RC" != 0
rm -r "$HOUSE/k1" && mv kept/k1 "$HOUSE/k1"

u 2 --wait --timeout 1 >/dev/null 2>&1
mkfifo lines
u 1 client2 <lines >o 2>e &
PIDS="$PIDS $!"
piping=$!
exec 4>lines
echo before >&4
before_went() { history 1 2 4,5 | grep -q '^sent	before$'; }
wait_for 20 before_went
ok "what was sent is not kept as a packet" wait_for 20 test ! -e "$HOUSE/k1/client1_chat/client2.out"
u 1 --delete-history client2
echo after >&4
exec 4>&-
wait $piping
is "a history that is deleted while somebody writes begins anew" "$? $(history 1 2 5)" "0 after"
is "... and all comes, with none missing" "$(told 2)" "0 before;after; "

# --- crashes ---

history 1 2 5 | tail -n 1 >/dev/null
u 2 --wait --timeout 1 >/dev/null 2>&1
cat >crash.py <<'END'
import os, random, subprocess, sys, time
smtp361, house = sys.argv[1:3]
random.seed(361)
def chat(n, *more):
    return [smtp361, 'chat', '-u', 'client%d' % n, '-k', '%s/k%d' % (house, n), *more]
kills = {1: 0, 2: 0}
done = []
def start(n, i):
    return (subprocess.Popen(chat(n, '--send', 'client2', 'crash %d' % i) if n == 1 else chat(n, '--wait', '--timeout', '2'),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL), i, time.time() + random.random() * 0.15 + 0.01)
i, running = 0, {}
given_up = time.time() + 300
while min(kills.values()) < 30 and time.time() < given_up:
    for n in (1, 2):
        if n not in running:
            i += 1
            running[n] = start(n, i)
        p, what, when = running[n]
        if p.poll() is not None:
            if n == 1 and p.returncode == 0:
                done.append('crash %d' % what)
            del running[n]
        elif time.time() > when and random.random() < 0.7:
            p.kill(); p.wait()
            kills[n] += 1
            del running[n]
    time.sleep(0.003)
for p, _, _ in running.values():
    p.wait()
if running.get(1) and running[1][0].returncode == 0:
    done.append('crash %d' % running[1][1])
for _ in range(6):
    subprocess.run(chat(1, '--status'), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(chat(2, '--wait', '--timeout', '2'), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
def texts(n, peer, state):
    lines = subprocess.run(chat(n, '--history', peer), capture_output=True, text=True).stdout.splitlines()
    return [l.split('\t')[4] for l in lines if l.split('\t')[3].startswith(state) and '\tcrash ' in l]
missing = subprocess.run(chat(2, '--history', 'client1'), capture_output=True, text=True).stderr
sent = [t for s in ('waiting', 'sent', 'delivered') for t in texts(1, 'client2', s)]
came = texts(2, 'client1', 'received')
print('# %d sends ended well, %d kept, %d came; killed: %d senders, %d receivers' % (len(done), len(sent), len(came), kills[1], kills[2]))
def ok(what, title): print(('ok ' if what else 'not ok ') + title)
ok(min(kills.values()) >= 30, 'both were killed many times')
ok(set(done) <= set(came), 'what was said to be sent came')
ok(len(came) == len(set(came)), 'nothing is in the history twice')
ok(set(sent) == set(came), 'all that was kept came')
ok(came == sorted(came, key=lambda t: int(t.split()[1])), 'in order')
ok('crash' not in missing, 'nothing is called missing that is not')
END
judged "senders and receivers are killed at random" /usr/bin/python3 -B crash.py "$SMTP361" "$HOUSE"

# --- the account ---

run u 3 --delete-account
is "--delete-account asks, where somebody can be asked: 64" "$RC" 64
run u 3 --delete-account --yes
is "--delete-account --yes" "$RC" 0
run u 1 --exists client3
is "... and the account is gone" "$RC" 67
run u 1 --send client3 x
is "... and cannot be written to" "$RC" 67
ok "what waits for somebody, and his one-time keys" test -d "$CHAT/client2/offers"
ok "... go when the operator removes his account" smtp361 user -d "$HOUSE/srv" del client2
ok "... all of it" must_fail 1 test -e "$CHAT/client2"
is "... and what others kept for him" "$(find "$CHAT" -name client2)" ""

done_testing
