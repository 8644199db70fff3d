#!/bin/sh
# The lab: every attack works on the classic protocol where it should, and fails on the enhanced one; on SMTP it
# works on a permissive set-up, and fails on the defaults; on file transfer it works on the founding wire, and fails on noise. Judged by what each has left behind, not by what the lab says of it.
. "$(dirname "$0")/lib.sh"
cd "$HOME_DIR" || exit 1

ok "the lab runs, and every attack ends as it should" smtp361 lab -d lab --html page.html --json
cp .ok rows.json
judged "the effects of each attack were looked at" \
	/usr/bin/python3 -B "$ROOT/t/peer/lab_effects.py" lab rows.json

# alone: no other session of alice's is in the server's output
ok "replay-login runs alone" smtp361 lab -d replay replay-login
is "... and on classic the server has opened two sessions, where alice had one" \
	"$(grep -c 'Symmetric Key Generated for client: alice' replay/server.out)" 2
is "... and on enhanced one" "$(grep -c 'wire=enhanced user=alice ' replay/server.err)" 1

lies='lying-address lying-keys lying-replay lying-withhold'
# shellcheck disable=SC2086
attacks() { { smtp361 mitm --attacks | sed 's/ .*//' && printf '%s\n' $lies; } | sort; }
is "the rows are those of mitm --attacks, and the lies of a server" \
	"$(/usr/bin/python3 -c 'import json
for row in sorted(json.load(open("rows.json")), key=lambda row: row["attack"]): print(row["attack"])')" \
	"$(attacks)"
is "SECURITY.md has a row for each attack" \
	"$(grep -oE '`[a-z-]+`' "$ROOT/proto/SECURITY.md" | tr -d '`' | sort -u | grep -Fx "$(attacks)")" "$(attacks)"

# --- the python dialect ---

# truncate waits there, slow is the server's, and SMTP and file transfer have no dialect
python_attacks=$(attacks | grep -v -e truncate -e slow -e smtp -e starttls -e '^ft-' -e '^lying-')
# shellcheck disable=SC2086
ok "the python dialect falls to the same attacks" smtp361 lab --dialect python -d python $python_attacks
stolen() { grep -c "^Content: *$(cut -c 1-40 python/letter1)\|^$(cut -c 1-40 python/letter1)" "python/loot/$1"; }
is "... the text itself was stolen by the false server" "$(stolen 'alice_impersonate, classic.txt')" 1
is "... and with the stolen key" "$(stolen 'alice_stolen-key, classic.txt')" 1
is "... the e-mail is there twice" "$(find python/site/bob -name 'alice_double, classic*' | wc -l)" 2
is "... kept back" "$(find python/site/bob -name 'alice_drop, classic*' | wc -l)" 0
is "... with its blocks in another order" "$(tail -n 1 'python/site/bob/alice_splice, classic.txt' | fold -w 1 | sort | tr -d '\n')" \
	"$(fold -w 1 python/letter1 | sort | tr -d '\n')"
ok "... which is not the letter's" must_fail 1 grep -qF "$(cat python/letter1)" 'python/site/bob/alice_splice, classic.txt'

# --- what is printed ---

ok "one attack can be run alone" smtp361 lab impersonate
table=$(cat .ok)
like "the table says what was got on classic" "$table" '^impersonate +T2 +BROKEN: read the whole'
like "... and what happened on enhanced" "$table" 'held: got no name and no mail'
like "... and counts" "$table" '^1 of 1 attacks ended as they should'
if [ -z "$SANITIZED" ] && strace -qq -o trace true 2>/dev/null; then
	ok "a server that is slow to say where it listens is waited for" \
		strace -f -qq -o trace -e trace=write -e inject=write:delay_enter=20000 "$SMTP361" lab impersonate
else
	skip "a server that is slow to say where it listens is waited for" "no strace here"
fi
is "no line ends in blanks" "$(printf '%s\n' "$table" | grep -c ' $')" 0
ok "one on SMTP can be, too" smtp361 lab strip-starttls impersonate
table=$(cat .ok)
like "... which has a heading of its own" "$table" '^ATTACK +THREAT ON SMTP, PERMISSIVE +ON SMTP, BY DEFAULT$'
like "... and tells what was attacked" "$(printf '%s' "$table" | tr -s ' \n' ' ')" \
	'strip-starttls T30 BROKEN \(a client that takes .*held \(sendmail and serve as'
like "... after the others" "$(printf '%s' "$table" | tr '\n' ' ')" 'ON CLASSIC.*impersonate.*ON SMTP.*strip-starttls'
like "... and counts with them" "$table" '^2 of 2 attacks ended as they should'

ok "one on file transfer can be, too" smtp361 lab ft-flip
table=$(cat .ok)
like "... which has a heading of its own" "$table" '^ATTACK +THREAT ON FILES, AES256 +ON FILES, NOISE$'

ok "a server can lie to its members" smtp361 lab -d lies lying-server
table=$(cat .ok)
like "... which has a heading of its own" "$table" '^ATTACK +THREAT ON PLAIN MAIL +ON SEALED MAIL AND CHAT$'
like "... and counts" "$table" '^4 of 4 attacks ended as they should'
like "... alice is told that a key has changed, before mail" "$(cat lies/lying-keys-sealed/seal.err)" 'THE KEY OF bob HAS CHANGED'
like "... and before chat" "$(cat lies/lying-keys-sealed/chat.err)" 'THE KEY OF bob HAS CHANGED'
is "... and nothing was sent with it" "$(find lies/lying-keys-sealed/site/bob -name 'alice_*' | wc -l)" 1
like "... carol reads the letter to bob, on plain mail" "$(cat lies/lying-address-plain/read.out)" '^To: carol$'
is "... and nothing of it on sealed mail" "$(grep -c 'Pay 1000' lies/lying-address-sealed/read.out lies/lying-address-sealed/hear.out | tr '\n' ' ')" \
	'lies/lying-address-sealed/read.out:0 lies/lying-address-sealed/hear.out:0 '
is "... the server has the whole text of plain mail" "$(grep -rlF "$(cat lies/lying-keys-plain/letter)" lies/lying-keys-plain/site | wc -l)" 1
is "... and none of what was sealed" "$(grep -rlF "$(cut -c 1-20 lies/lying-keys-sealed/letter)" lies/lying-*-sealed/site | wc -l)" 0
like "... the one that is missing is named" "$(cat lies/lying-withhold-sealed/list.err)" '2 of 3'
like "... in chat, too" "$(cat lies/lying-withhold-sealed/hear.err lies/lying-withhold-sealed/hear.out)" '2 of 3'
ok "one of its lies can be told alone" smtp361 lab lying-withhold
ok "... but not twice" must_fail 64 smtp361 lab lying-server lying-keys

# --- it cannot pass by being broken ---

if is_root && unshare -n true 2>/dev/null; then
	ok "where nobody can connect, nothing held: it fails" \
		must_fail 70 unshare -n "$SMTP361" lab impersonate
	like "... and says where" "$(cat .ok)" 'smtp361 lab: '
else
	skip "where nobody can connect, nothing held: it fails" "only root can take the network away"
fi
for signal in 2 15 1; do
	"$SMTP361" lab -d "signal.$signal" >out 2>err </dev/null &
	LAB=$!
	PIDS="$PIDS $LAB"
	wait_for 20 test -s "signal.$signal/relay-eavesdrop-classic.err"
	pgrep -P "$LAB" >children
	kill "-$signal" "$LAB"
	wait "$LAB" 2>/dev/null
	is "signal $signal ends the lab" "$?" "$((128 + signal))"
	like "... which says so" "$(cat err)" "stopped by signal $signal\$"
	is "... and its processes" "$(for pid in $(cat children); do
		kill -0 "$pid" 2>/dev/null && ps -o stat= -p "$pid" | grep -v Z
	done)" ""
	ok "... of which there were some" test -s children
done
mkdir temporary
TMPDIR=$PWD/temporary "$SMTP361" lab slow >out 2>err </dev/null &
LAB=$!
PIDS="$PIDS $LAB"
has_folder() { [ -n "$(ls temporary)" ]; }
ok "a lab works in a folder for what is temporary" wait_for 10 has_folder
kill "$LAB"
wait "$LAB" 2>/dev/null
is "... which it removes when it is stopped" "$(ls temporary)" ""
ok "an attack that is named twice is usage" must_fail 64 smtp361 lab double double
ok "an unknown attack is usage" must_fail 64 smtp361 lab nonsense
ok "a folder that is there is not used" must_fail 73 smtp361 lab -d lab impersonate
ok "a page that cannot be written is an error" must_fail 73 smtp361 lab --html no/such/page.html reflect

# --- the page ---

/usr/bin/python3 - page.html >found 2>&1 <<'END'
import html.parser, re, sys
page = open(sys.argv[1]).read()
class Tags(html.parser.HTMLParser):
    void, open, seen = {"meta", "circle", "path"}, [], {}
    def handle_starttag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1
        if tag not in self.void: self.open.append(tag)
    def handle_startendtag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1
    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag: print("crossed", tag)
tags = Tags()
tags.feed(page)
if tags.open: print("open", tags.open)
if tags.seen["svg"] != 2 * (tags.seen["section"] - 4) or tags.seen["section"] < 25: print(tags.seen)
if tags.seen["table"] != 4 or page.count("sendmail and serve as they are") < 6: print("SMTP and file transfer have no tables of their own")
if re.search(r"https?:|src=|url\(|@import|<script", page): print("it loads something")
def light(colour):
    parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
for scheme in re.findall(r":root \{(.*?)\}", page, re.S):
    colours = dict(re.findall(r"--(\w+): (#\w+)", scheme))
    for ground in ("paper", "card"):
        for ink in ("ink", "soft", "bad", "good"):
            a, b = sorted((light(colours[ground]), light(colours[ink])))
            if (b + 0.05) / (a + 0.05) < 4.5: print("hard to read", ink, "on", ground, scheme)
END
is "the page is whole, loads nothing, and each text stands out in light and dark" "$(cat found)" ""

# look SCHEME: the colour of a corner of the page as a browser paints it
look() {
	timeout 120 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$HOME_DIR/chrome" \
		--window-size=1000,700 --blink-settings=preferredColorScheme="$1" \
		--screenshot="$HOME_DIR/look.png" "file://$HOME_DIR/page.html" >chrome.log 2>&1 || return 1
	/usr/bin/python3 - "$HOME_DIR/look.png" <<'END'
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
at, packed = 8, b""
while at < len(data):
    n, kind = struct.unpack(">I4s", data[at:at + 8])
    if kind == b"IHDR": width, height, _, colour = struct.unpack(">IIBB", data[at + 8:at + 18])
    if kind == b"IDAT": packed += data[at + 8:at + 8 + n]
    at += 12 + n
pixels = zlib.decompress(packed)
step = 3 if colour == 2 else 4
print(pixels[1:4].hex(), len(set(pixels)) > 20)
END
}
if command -v chromium >/dev/null 2>&1; then
	is "a browser paints it in light" "$(look 1)" "ffffff True"
	is "... and in dark" "$(look 0)" "0d1117 True"
	is "a browser finds every diagram" "$(timeout 120 chromium --headless --no-sandbox --disable-gpu \
		--user-data-dir="$HOME_DIR/chrome" --dump-dom "file://$HOME_DIR/page.html" 2>/dev/null |
		grep -c '<svg')" "$(grep -c '<svg' page.html)"
else
	skip "a browser paints it in light" "chromium is not installed"
fi
done_testing
