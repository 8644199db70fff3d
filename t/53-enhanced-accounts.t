#!/bin/sh
# Accounts of the enhanced protocol, from invitation to revocation: what a person sees, which sessions a
# change ends, and what a death at any step leaves behind.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import dissononce, Cryptodome' 2>/dev/null ||
	skip_all "no python3 with dissononce and Cryptodome"
PYTHON="/usr/bin/python3 -B"
export PYTHONPATH="$ROOT/t/peer"
file=user_pass.json
site
rm -f client?_x25519_*.pem
SITE=$PWD
HOMES=$HOME_DIR/homes
SOCKET=smtp361-t-$$
trap '! command -v tmux >/dev/null || tmux -L "$SOCKET" kill-server 2>/dev/null; cleanup' EXIT
run() {
	RC=0
	timeout 30 "$@" >o 2>e </dev/null || RC=$?
}
user() { timeout 30 "$SMTP361" user -d "$SITE" "$@" </dev/null; }
# start OPTIONS...: a server whose address is told to nobody, as on the day of a new user
start() {
	start_server "$@" || exit 1
	ADDRESS=$SMTP361_SERVER
	unset SMTP361_SERVER
}
# start_at OPTIONS...: at the address that the configurations know
start_at() {
	LISTEN=$KNOWN
	start "$@"
	unset LISTEN
}
# invite NAME [OPTION...]: the line alone
invite() { user invite -s "$ADDRESS" "$@" 2>/dev/null; }
# at HOME APPLET...: as the person whose home this is
at() {
	mkdir -p "$HOMES/$1"
	who=$1
	shift
	HOME=$HOMES/$who timeout 120 "$SMTP361" "$@"
}
# joins HOME LINE [OPTION...]: the invitation through stdin
joins() {
	who=$1 line=$2
	shift 2
	echo "$line" | at "$who" join "$@"
}
run_at() {
	RC=0
	at "$@" >o 2>e </dev/null || RC=$?
}
run_joins() {
	RC=0
	joins "$@" >o 2>e || RC=$?
}
# field USER FIELD: as it stands in the file; "-" where it does not
field() {
	$PYTHON -c '
import json, sys
account = json.load(open(sys.argv[1]))[sys.argv[2]]
print(json.dumps(account.get(sys.argv[3], "-") if isinstance(account, dict) else "-"))' $file "$1" "$2"
}
# edit CODE: the file as d, changed by Python, as an operator would by hand
edit() {
	$PYTHON -c "
import json, os
d = json.load(open('$file'))
$1
json.dump(d, open('$file.edit', 'w'), indent=4)
os.chmod('$file.edit', 0o600)
os.rename('$file.edit', '$file')"
}
fingerprint() { grep -o 'SHA256:[A-Za-z0-9+/]*' "$@"; }
made() { # DIR NAME: the fingerprint of a public key, by openssl
	openssl pkey -pubin -in "$1/$2_x25519_public.pem" -outform DER | openssl dgst -sha256 -binary |
		base64 | sed 's/^/SHA256:/; s/=*$//'
}
ms() { echo $(($(date +%s%N) / 1000000)); }

# --- the operator: keys, and a server for each kind of them ---

echo '{}' >$file
mkdir new
run "$SMTP361" keygen -d new --only x25519 server
is "keygen makes the server's X25519 pair" "$RC $(ls new | tr '\n' ' ')" \
	"0 server_x25519_private.pem server_x25519_public.pem "
like "... tells its fingerprint" "$(cat o)" '^server: X25519 SHA256:[A-Za-z0-9+/]{43} \(made\)$'
like "... and the next step" "$(cat e)" 'user invite NAME'
for have in x25519 rsa both none; do
	rm -rf kinds && mkdir kinds && echo '{"client1": "password1"}' >kinds/$file && chmod 600 kinds/$file
	case $have in x25519 | both) cp server_x25519_*.pem client1_public.pem kinds/ ;; esac
	case $have in rsa | both) cp server_private.pem client1_public.pem kinds/ ;; esac
	[ $have = none ] || cp "$BUILD/t-keys/client1_x25519_public.pem" kinds/
	mkdir -p folder && cp server_*public.pem client1_private.pem "$BUILD"/t-keys/client1_x25519_*.pem folder/
	for only in '' --enhanced; do
		case $have$only in
		none* | rsa--enhanced)
			run timeout 30 "$SMTP361" serve -d kinds -l 127.0.0.1:0 $only
			like "serve $only with $have of its keys: 66, and how to make them" "$(said)" \
				'^66 .*private\.pem.*hint: smtp361 keygen'
			continue
			;;
		esac
		start -d kinds $only
		run "$SMTP361" inbox --classic -u client1 -k folder --password-file pw1 -s "$ADDRESS"
		classic=$RC
		run "$SMTP361" inbox --enhanced -u client1 -k folder --password-file pw1 -s "$ADDRESS"
		case $have$only in
		both) want='0 0' ;;
		rsa) want='0 75' ;;
		*) want='75 0' ;;
		esac
		is "serve $only with $have of its keys: classic and enhanced logins" "$classic $RC" "$want"
		case $have$only in
		x25519) like "... it tells that the classic protocol is off" "$(cat err)" 'classic protocol is off' ;;
		rsa) like "... it tells that the enhanced protocol is off" "$(cat err)" 'enhanced protocol is off' ;;
		esac
		stop_server
	done
done

# --- the operator: invitations ---

rm -rf invited && mkdir invited
run "$SMTP361" user -d invited invite alice
like "without the server's key there is nothing to invite to: 66, and the next command" "$(said)" \
	'^66 .*server_x25519_public\.pem.*hint: smtp361 keygen -d invited server'
ok "... and no account is made" test ! -e invited/$file
cp server_x25519_*.pem invited/
now=$(date +%s)
run "$SMTP361" user -d invited invite alice
LINE='^smtp361://alice@[^/]*:13000/[A-Za-z0-9_-]{43}/[A-Za-z0-9_-]{22}/[0-9]{10}$'
is "invite prints one line on stdout" "$RC $(wc -l <o)" "0 1"
like "... an invitation to this machine's port 13000" "$(cat o)" "$LINE"
like "... by this machine's name, and says so" "$(cat o e | tr '\n' ' ')" "@$(uname -n):13000/.*this machine's name"
like "... the next step is on stderr" "$(cat e)" 'next: alice runs `smtp361 join`.*72 hours'
left=$(($(sed 's,.*/,,' o) - now - 72 * 3600))
ok "... it holds for 72 hours" test "$left" -ge 0 -a "$left" -le 10
secret=$(cut -d/ -f5 o)
ok "the secret itself is not kept" must_fail 1 grep -q -e "$secret" invited/$file
is "the file with the account is 0600, the mailbox is there" \
	"$(stat -c %a invited/$file) $(stat -c %a invited/alice)" "600 700"
run "$SMTP361" user -d invited invite alice --hours 2
left=$(($(sed 's,.*/,,' o) - now - 2 * 3600))
ok "--hours 2 holds for 2 hours" test "$left" -ge 0 -a "$left" -le 10
for s in mail.example mail.example:2525 192.0.2.1:14 '[::1]:14' '[::1]' ::1; do
	run "$SMTP361" user -d invited invite alice -s "$s"
	case $s in
	*.example | '[::1]') want=$s:13000 ;;
	::1) want='[::1]:13000' ;;
	*) want=$s ;;
	esac
	is "--server $s is the address in the line, and nothing is noted" \
		"$(cut -d@ -f2 o | cut -d/ -f1) $(grep -c 'machine' e)" "$want 0"
done
SMTP361_SERVER=mail.example:99 run "$SMTP361" user -d invited invite alice
like "without --server it is \$SMTP361_SERVER" "$(cat o)" '@mail\.example:99/'
cp invited/$file before
for bad in 'A' 'server' 'a_x25519' '../x' ''; do
	run "$SMTP361" user -d invited invite "$bad"
	is "nobody called \"$bad\" can be invited: 64, nothing on stdout" "$RC $(cat o)" "64 "
done
for hours in 0 -1 1x 1.5 '' 99999999999 8785; do
	run "$SMTP361" user -d invited invite alice --hours "$hours"
	is "--hours $hours: 64" "$RC $(cat o)" "64 "
done
for s in 'mail.example:x' 'mail.example:65536' '[::1'; do
	run "$SMTP361" user -d invited invite alice --server "$s"
	is "--server \"$s\": 64" "$RC $(cat o)" "64 "
done
run "$SMTP361" user -d invited invite
is "invite without a name: 64" "$RC" 64
run "$SMTP361" user -d invited invite alice bob
is "invite with two names: 64" "$RC" 64
ok "none of these changed the accounts" cmp before invited/$file

# --- the user's first minute ---

KNOWN=127.0.0.1:$(free_ports 1)
start_at -v
run_at alice inbox
like "before anything: 64, and join is named" "$(said)" '^64 .*smtp361 join'
L=$(invite alice)
run_joins alice "$L"
is "join takes the line from stdin" "$RC" 0
like "... tells who one is, and where" "$(cat o)" "^You are alice at $ADDRESS\.\$"
like "... and the next command" "$(cat e)" 'next: smtp361 send --to NAME'
c=$HOMES/alice/.config/smtp361
is "... writes configuration and keys into one folder" "$(cd "$c" && stat -c '%a %n' -- * | tr '\n' ' ')" \
	"600 alice_p256_private.pem 644 alice_p256_public.pem 600 alice_x25519_private.pem $(:
	)644 alice_x25519_public.pem 600 config.json 644 server_x25519_public.pem "
is "... which is for this user alone" "$(stat -c %a "$c")" 700
ok "... the configuration is JSON, with the absolute folder of the keys" $PYTHON -c "
import json
assert json.load(open('$c/config.json')) == {
    'server': '$ADDRESS', 'user': 'alice', 'keys': '$c', 'enhanced': True}"
is "the fingerprints that join shows are the two keys'" "$(fingerprint o | tr '\n' ' ')" \
	"$(user key alice | fingerprint) $(made . server) "
is "the invitation is gone, the key is there" "$(field alice invitation) $(field alice x25519 | wc -c)" '"-" 46'
like "the log names who joined" "$(cat err)" ' joined user=alice$'
is "no secret is in the log" "$(grep -c -e "$(echo "$L" | cut -d/ -f5)" err out | tr '\n' ' ')" "err:0 out:0 "
echo 'hello alice' >text
ok "send needs no options" at alice send --to alice text
is "inbox needs none" "$(at alice inbox | cut -f 2,4)" "alice	text"
is "read needs none" "$(at alice read --last --content)" "hello alice"
ok "... from any folder" sh -c "cd / && HOME='$HOMES/alice' '$SMTP361' inbox"
is "list shows the key" "$(user list | grep alice)" "alice	none	both	-	$(user key alice | fingerprint)	-	-	-"

run_joins alice "$L"
is "the same line again, in the same home, is fine" "$RC $(field alice invitation)" '0 "-"'
cp $file before
run_joins mallory "$L"
like "in another home it is used: 77, and what to do" "$(said)" '^77 .*not accept.*hint: .*user invite alice'
ok "... nothing changes" cmp before $file
ok "... and no configuration is written there" test ! -e "$HOMES/mallory/.config/smtp361/config.json"

L=$(invite bob)
printf '\n  %s \r\n\n' "$L" | tr -d '\n' >invitation
run_at bob join invitation -k "$HOMES/bob/deep/keys"
is "join takes a file, with blanks and a CR round the line" "$RC $(cat e | grep -v next)" "0 "
is "-k puts the keys elsewhere" "$(ls "$HOMES/bob/deep/keys" "$HOMES/bob/.config/smtp361" | tr -s '\n' ' ')" \
	"$HOMES/bob/.config/smtp361: config.json $HOMES/bob/deep/keys: bob_p256_private.pem bob_p256_public.pem bob_x25519_private.pem \
bob_x25519_public.pem server_x25519_public.pem "
ok "... and all commands find them" at bob send --to 'alice;bob' text
L=$(invite carol)
mkdir -p "$HOMES/carol/here"
(cd "$HOMES/carol/here" && joins carol "$L" -k keys >/dev/null 2>&1)
ok "-k with a relative folder works from elsewhere, too" at carol inbox
L=$(invite dave)
mkdir -p "$HOMES/cut"
deep=$(head -c $((4095 - 18 - ${#HOMES} - 4)) /dev/zero | tr '\0' /)$HOMES/cut # a cut path ends in config.js
XDG_CONFIG_HOME=$deep run_joins dave "$L"
is "a path of the configuration that is too long is not cut: 78" "$RC $(ls -A "$HOMES/cut")" "78 "
XDG_CONFIG_HOME=$HOMES/xdg joins dave "$L" >/dev/null 2>&1
is "\$XDG_CONFIG_HOME is where all goes" "$(ls "$HOMES/xdg/smtp361" | wc -l) $(ls -A "$HOMES/dave")" "6 "

run_at eve join
like "join with nothing on stdin: 66" "$RC $(cat o)" '^66 $'
run_at eve join no-such-file
like "join of a file that is not there: 66, named" "$(said)" '^66 .*no-such-file'
run_at eve join a b
is "join of two files: 64" "$RC" 64
ok "none of these made anything" test ! -e "$HOMES/eve/.config"

# a second account in the same home
L=$(invite erin)
run_joins alice "$L"
like "a configuration of another account is not replaced: 73, and how to" "$(said)" \
	'^73 .*config\.json.*--force'
like "... the invitation still stands" "$(field erin invitation)" hash
is "... and alice is still alice" "$(at alice inbox --json | grep -c '"index"')" 2
run_joins alice "$L" --force
is "--force replaces it" "$RC $(grep '"user"' "$c/config.json" | tr -d ' ,')" '0 "user":"erin"'
ok "... and alice's keys are kept" test -f "$c/alice_x25519_private.pem"
L=$(invite alice)
run_joins alice "$L" --force
is "invited anew, alice takes the kept pair" "$RC $(at alice inbox --json | grep -c '"index"')" '0 2'

if command -v tmux >/dev/null; then
	pane() { tmux -L "$SOCKET" capture-pane -p; }
	sees() { pane | grep -q -e "$1"; }
	L=$(invite faye)
	mkdir -p "$HOMES/faye"
	tmux -L "$SOCKET" -f /dev/null new-session -d -x 150 -y 24 \
		"HOME='$HOMES/faye' '$SMTP361' join; echo rc \$?; HOME='$HOMES/faye' '$SMTP361' inbox; sleep 60"
	ok "on a terminal join asks for the line" wait_for 10 sees 'Paste the invitation:'
	tmux -L "$SOCKET" send-keys -l "$L"
	tmux -L "$SOCKET" send-keys Enter
	ok "... and takes it" wait_for 10 sees 'You are faye at'
	ok "... with 0" wait_for 10 sees '^rc 0'
	pane >screen
	is "... the secret is not on the screen" "$(grep -c -e "$(echo "$L" | cut -d/ -f5)" screen)" 0
	tmux -L "$SOCKET" kill-server
else
	skip "on a terminal join asks for the line" "no tmux"
fi

# --- invitations that are altered, old, or taken over ---

L=$(invite grace)
cp $file before
part() { echo "$L" | cut -d/ -f"$1"; }
key=$(part 4) secret=$(part 5) expires=$(part 6)
other_key=$(echo "$key" | tr 'A-Za-z' 'B-ZAb-za' | sed 's/.$/A/')
refused() { # TITLE CODE LINE WORDS
	rm -rf "$HOMES/grace"
	run_joins grace "$3"
	like "$1: $2" "$(said)" "^$2 .*$4"
	ok "... nothing is enrolled or configured" sh -c \
		"cmp before $file && [ ! -s o ] && [ ! -e '$HOMES/grace/.config/smtp361/config.json' ]"
}
base="smtp361://grace@$ADDRESS"
refused "another user's name" 77 "smtp361://alice@$ADDRESS/$key/$secret/$expires" 'not accept'
refused "a user who is not there" 77 "smtp361://nobody@$ADDRESS/$key/$secret/$expires" 'not accept'
refused "a user's name that is none" 65 "smtp361://Grace@$ADDRESS/$key/$secret/$expires" 'no invitation: .*name'
refused "no user's name" 65 "smtp361://@$ADDRESS/$key/$secret/$expires" 'no invitation'
refused "another port, where nobody listens" 69 "smtp361://grace@127.0.0.1:1/$key/$secret/$expires" '127\.0\.0\.1'
refused "an address that is none" 65 "smtp361://grace@127.0.0.1:x/$key/$secret/$expires" 'address'
refused "an empty address" 65 "smtp361://grace@/$key/$secret/$expires" 'no invitation'
refused "another server's key" 76 "$base/$other_key/$secret/$expires" 'does not hold the key'
refused "a key that is too short" 65 "$base/${key%?}/$secret/$expires" 'key'
refused "a key that is too long" 65 "$base/${key}A/$secret/$expires" 'key'
refused "another secret" 77 "$base/$key/$(echo "$secret" | tr 'A-Za-z0-9' 'B-ZAb-za1-90' | sed 's/.$/A/')/$expires" 'not accept'
refused "a secret that is cut" 65 "$base/$key/${secret%?}/$expires" 'secret'
refused "an expiry in the past" 77 "$base/$key/$secret/$((expires - 100 * 3600))" 'expired'
refused "an expiry that is no number" 65 "$base/$key/$secret/soon" 'expiry'
refused "a negative expiry" 65 "$base/$key/$secret/-1" 'expiry'
refused "no expiry" 65 "$base/$key/$secret" 'no invitation'
refused "an empty expiry" 65 "$base/$key/$secret/" 'no invitation'
refused "a part too many" 65 "$L/x" 'no invitation'
refused "half the line" 65 "$(echo "$L" | cut -c 1-60)" 'no invitation'
refused "another scheme" 65 "https${L#smtp361}" 'no invitation'
refused "what is no line at all" 65 "$(printf 'x%.0s' $(seq 3000))" ''
# every character of the secret stands for itself
i=1 pids=''
while [ $i -le 22 ]; do
	was=$(echo "$secret" | cut -c $i)
	now=$([ "$was" = B ] && echo C || echo B)
	other=$(echo "$secret" | sed "s/./$now/$i")
	(
		joins "char$i" "$base/$key/$other/$expires" >/dev/null 2>&1
		echo $? >"char$i.rc"
	) &
	pids="$pids $!"
	i=$((i + 1))
done
for pid in $pids; do
	wait "$pid"
done
is "a secret with any one character changed is refused: 65 or 77" \
	"$(cat char*.rc | sort | uniq -c | awk '{ print ($2 == 77 || $2 == 65) ? "refused" : $0 }' | sort -u)" refused
ok "... and none of them enrols anybody" cmp before $file

edit "d['grace']['invitation']['expires'] = $(date +%s) - 1"
cp $file before
refused "an invitation that the server knows to be over" 77 "$L" 'not accept'
edit "d['grace']['invitation']['expires'] = $(date +%s) + 60; d['grace']['note'] = ['kept', {'n': 1}]"
new=$(invite grace)
cp $file before
refused "a line that another one replaced" 77 "$L" 'not accept'
run_joins grace "$new"
is "... which works" "$RC $(field grace note)" '0 ["kept", {"n": 1}]'
old_key=$(user key grace)
new=$(invite grace)
ok "an invitation lets the old key in while it stands" at grace inbox
run_joins grace2 "$new"
is "used, it replaces the key" "$RC $([ "$(user key grace)" != "$old_key" ] && echo replaced)" "0 replaced"
ok "... and the old one is out: 77" must_fail 77 at grace inbox
if command -v faketime >/dev/null && [ -z "$SANITIZED" ]; then
	new=$(invite grace --hours 1)
	RC=0
	mkdir -p "$HOMES/late"
	echo "$new" | HOME=$HOMES/late faketime -f +61m "$SMTP361" join >o 2>e || RC=$?
	like "an hour later, by the client's clock: 77" "$(said)" '^77 .*expired'
	RC=0
	echo "$new" | HOME=$HOMES/late faketime -f +59m "$SMTP361" join >o 2>e || RC=$?
	is "a minute before its end it works" "$RC" 0
else
	skip "an hour later, by the client's clock: 77" "no faketime"
fi

# two at once with one line: one of them enrols
L=$(invite henry)
pids=''
for i in 1 2 3 4 5 6 7 8; do
	(
		joins "race$i" "$L" >/dev/null 2>&1
		echo $? >"race$i.rc"
	) &
	pids="$pids $!"
done
for pid in $pids; do
	wait "$pid"
done
is "of eight who use one line at once, one enrols" "$(sort race?.rc | uniq -c | tr -s ' \n' ' ')" " 1 0 7 77 "
i=$(grep -lx 0 race?.rc | tr -dc 0-9)
ok "... and can log in" at "race$i" inbox
# the same, but with one key: a client that tries again while its session before still writes
L=$(invite hedy)
pids=''
for i in 1 2 3 4 5 6 7 8; do
	mkdir -p "$HOMES/again$i/.config/smtp361" && cp "$HOMES/race1/.config/smtp361/henry_x25519_private.pem" \
		"$HOMES/again$i/.config/smtp361/hedy_x25519_private.pem" &&
		cp "$HOMES/race1/.config/smtp361/henry_x25519_public.pem" \
			"$HOMES/again$i/.config/smtp361/hedy_x25519_public.pem"
	(
		joins "again$i" "$L" >/dev/null 2>&1
		echo $? >"again$i.rc"
	) &
	pids="$pids $!"
done
for pid in $pids; do
	wait "$pid"
done
is "of eight who use one line at once with one key, all are enrolled" \
	"$(sort again?.rc | uniq -c | tr -s ' \n' ' ')" " 8 0 "

# --- keys ---

is "key shows a fingerprint" "$(user key alice | sed 's/SHA256:.*/SHA256:/')" "alice: X25519 SHA256:"
run "$SMTP361" user key nobody
is "key of nobody: 67" "$RC" 67
user invite ivan >/dev/null 2>&1
run "$SMTP361" user key ivan
like "key of one who has none yet: 66" "$(said)" '^66 .*ivan has no key'
smtp361 keygen -d "$HOMES" --only x25519 spare >/dev/null 2>&1
cp $file before
for f in no-such-file $file "$HOMES/spare_x25519_private.pem" server_public.pem /dev/null; do
	run "$SMTP361" user key alice "$f"
	like "key from $(basename "$f") is refused: 65, 66 or 78" "$RC" '^(65|66|78)$'
done
ok "... the accounts stay as they were" cmp before $file
edit "d['alice']['note'] = {'n': 9007199254740993}"
run "$SMTP361" user key alice "$HOMES/spare_x25519_public.pem"
is "key replaces it" "$RC $(fingerprint o)" "0 $(made "$HOMES" spare)"
ok "the old key is out: 77" must_fail 77 at alice inbox
cp "$HOMES/spare_x25519_private.pem" "$c/kept" && mv "$c/alice_x25519_private.pem" "$c/alice.pem" &&
	mv "$c/kept" "$c/alice_x25519_private.pem"
ok "the new one is in" at alice inbox
mv "$c/alice.pem" "$c/alice_x25519_private.pem"
run "$SMTP361" user key alice "$c/alice_x25519_public.pem"
ok "and back" at alice inbox

# --- modes: what each admits ---

mkdir keys
cp "$BUILD"/t-keys/client1_*private.pem server_*public.pem keys/
edit "d['client1'] = {'later': [1, None]}"
user passwd client1 --password-file pw1
mkdir -p -m 700 client1 client2 client3
run "$SMTP361" user key client1 "$BUILD/t-keys/client1_x25519_public.pem"
echo wrong >wrong
# admits: which logins go through: c by password on the classic wire, then on the enhanced one with no
# password, the right one, the wrong one
admits() {
	got=''
	for try in 'classic pw1' 'enhanced -' 'enhanced pw1' 'enhanced wrong'; do
		with="--password-file ${try#* }"
		[ "${try#* }" != - ] || with=''
		# shellcheck disable=SC2086
		run "$SMTP361" inbox "--${try% *}" -s "$ADDRESS" -u client1 -k keys $with
		got="$got$RC "
	done
	echo "$got"
}
for mode in both:'0 77 0 77 ' enhanced:'77 77 0 77 ' key:'77 0 0 0 ' both:'0 77 0 77 '; do
	run "$SMTP361" user mode client1 "${mode%%:*}"
	is "mode ${mode%%:*} is set, and says nothing" "$RC$(cat o e)" 0
	is "mode ${mode%%:*}: classic, key alone, key and password, key and a wrong password" \
		"$(admits)" "${mode#*:}"
	like "... and stands in the list" "$(user list)" "^client1	argon2id	${mode%%:*}	"
done
is "unknown fields survive mode, key and passwd" "$(field client1 later) $(field alice note)" \
	'[1, null] {"n": 9007199254740993}'
cp $file before
for args in 'client1' 'client1 classic' 'client1 ""' 'client1 both enhanced' 'nobody key'; do
	eval "run '$SMTP361' user mode $args"
	like "mode $args is refused: 64 or 67" "$RC" '^6[47]$'
done
ok "... and changes nothing" cmp before $file
edit "d['client2'] = 'password2'"
run "$SMTP361" user mode client2 enhanced
like "mode hardens a plain password" "$RC $(field client2 password)" '^0 "\$argon2id'
user list --json >list.json
user list >list
ok "list --json says what list says" sh -c "$PYTHON -c '
import json
rows = json.load(open(\"list.json\"))
lines = [line.rstrip(\"\\n\").split(\"\\t\") for line in open(\"list\")]
assert len(rows) == len(lines) > 5
for row, line in zip(rows, lines):
    assert [row[k] if row.get(k) not in (None, \"\") else \"-\" for k in (\"user\", \"password\", \"mode\")] == line[:3], (row, line)
    assert (row.get(\"state\") or \"-\", row.get(\"key\") or \"-\") == (line[3], line[4]), (row, line)
'"
like "list tells who is invited" "$(user list)" '^ivan	none	both	invited	-	-	-	-$'

# --- shutting out ---

# a session that has sent half of a long message
cat >half.py <<'END'
import sys
from enhanced_peer import Client
port, user, keys, size = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
with Client("127.0.0.1", port, user, keys, timeout=120).connect() as c:
    assert c.log_in()["type"] == "welcome"
    mail, content = c.send_mail(["bob"], "Half", b"x" * size)
    c.send_object(mail, content[:size // 2])
    print("ready", flush=True)
    print(c.recv_reply()[0]["code"], flush=True)
END
# a proxy that lets 300,000 bytes pass, and then no more until the server speaks
cat >slow.py <<'END'
import select, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
client, _ = listener.accept()
server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
passed, ended = 0, False
while True:
    stalled = passed > 300000 and not ended
    for one in select.select([server] * (not ended) + [client] * (not stalled), [], [], 20)[0]:
        data = one.recv(65536)
        if one is server:
            ended = ended or passed > 300000 or not data
            if data:
                client.sendall(data)
        elif not data:
            sys.exit()
        else:
            passed += len(data)
            if not ended:
                server.sendall(data)
                if passed > 300000:
                    print("stalled", flush=True)
END
# waiter HOME: `inbox --wait` of it, in the background until its end; its code in HOME.rc
waiter() {
	rm -f "$1.rc"
	before_waits=$(grep -c ' record [0-9]*: wait,' err)
	(
		rc=0
		at "$1" inbox --wait >"$1.out" 2>"$1.err" || rc=$?
		echo $rc >"$1.rc"
	) &
	PIDS="$PIDS $!"
	waits() { [ "$(grep -c ' record [0-9]*: wait,' err)" -gt "$before_waits" ]; }
	wait_for 10 waits || diag "$1 does not wait"
}
# The same for a server with inotify and one without.
shut_out() { # WHICH SECONDS
	rm -f a.rc slow.out half.out classic.ready classic.go
	waiter alice
	waiter bob
	size=10000000
	$PYTHON half.py "$PORT" alice "$c" $size >half.out 2>half.err &
	PIDS="$PIDS $!"
	wait_for 10 grep -q ready half.out || diag "$(cat half.err)"
	head -c 30000000 /dev/zero | tr '\0' x >big
	$PYTHON slow.py "$PORT" >slow.out 2>slow.err &
	PIDS="$PIDS $!"
	wait_for 10 test -s slow.out
	(
		rc=0
		at alice send -s "127.0.0.1:$(sed -n 1p slow.out)" --to bob --title Slow big >slow.sent 2>slow.sent.err || rc=$?
		echo $rc >a.rc
	) &
	PIDS="$PIDS $!"
	wait_for 10 grep -q stalled slow.out || diag "the upload did not begin: $(cat slow.sent.err)"
	$PYTHON "$ROOT/t/peer/raw.py" --keys . --port "$PORT" --user client3 --password-file pw3 key \
		"run:: >classic.ready; while [ ! -e classic.go ]; do sleep 0.05; done" eof took >classic.out 2>&1 &
	PIDS="$PIDS $!"
	wait_for 10 test -e classic.ready
	run "$SMTP361" user revoke alice
	like "$1: revoke is one command" "$(said)" '^0 .*alice is shut out'
	began=$(ms)
	ok "$1: a session that waits for mail ends within $2 s" wait_for "$2" test -s alice.rc
	is "... its client exits with 77" "$(cat alice.rc)" 77
	like "... and says why" "$(cat alice.err)" 'refused|no longer'
	ok "$1: a session in the middle of an upload ends within $2 s" wait_for "$2" grep -q denied half.out
	ok "$1: the client whose upload is stuck ends, too" wait_for 4 test -s a.rc
	is "... with 77" "$(cat a.rc 2>/dev/null)" 77
	ok "$1: a new login is refused" must_fail 77 at alice inbox
	ok "$1: other users' sessions go on" test ! -s bob.rc
	: >classic.go
	user revoke client3 2>/dev/null
	ok "$1: a classic session ends, too" wait_for "$2" grep -q closed classic.out
	ok "$1: a classic login is refused" must_fail 77 timeout 20 "$SMTP361" inbox --classic -s "$ADDRESS" \
		-u client3 --password-file pw3
	is "$1: nothing that was on its way is stored" \
		"$(spooled)$(find . -name '*Half*' -o -name '*Slow*' | wc -l)" 0
	ok "$1: mail to bob goes on" at carol send --to bob --title After text
	ok "$1: ... and wakes him" wait_for 5 test -s bob.rc
	is "$1: ... with that message" "$(cat bob.rc) $(cut -f 4 bob.out)" "0 After"
}
edit "d['client3'] = 'password3'"
shut_out "with inotify" 1
is "revoke takes password, key and invitation" "$(field alice password)$(field alice x25519)$(field alice invitation)" \
	'"-""-""-"'
is "... and keeps what it does not know" "$(field alice note)" '{"n": 9007199254740993}'
like "... it stands in the list" "$(user list)" '^alice	none	both	revoked	-	-	-	-$'
cp "$c/alice_x25519_public.pem" .
ok "... nor does a key file let alice in" must_fail 77 at alice inbox
rm alice_x25519_public.pem
run "$SMTP361" user revoke nobody
is "revoke of nobody: 67" "$RC" 67
L=$(invite alice)
user revoke alice 2>/dev/null
ok "revoke takes an invitation back: 77" must_fail 77 joins alice "$L"
L=$(invite alice)
run_joins alice "$L"
like "a new invitation does not take the key that was revoked: 77, and what does" "$(said)" '^77 .*--new-key'
run "$SMTP361" user key alice "$c/alice_x25519_public.pem"
like "nor does user key" "$(said)" '^[1-9][0-9]* .*revoked'
L=$(invite alice)
ok "with a new pair it lets alice in again" joins alice "$L" --new-key
ok "... whose mail is still there" test "$(at alice inbox | wc -l)" -ge 2

# other ways to lose the right to be there
smtp361 keygen -d "$HOMES" --only x25519 --force spare >/dev/null 2>&1
waiter alice
user key alice "$HOMES/spare_x25519_public.pem" >/dev/null
ok "a session with a key that was replaced ends" wait_for 10 test -s alice.rc
is "... with 77" "$(cat alice.rc)" 77
user key alice "$c/alice_x25519_public.pem" >/dev/null
waiter alice
user del alice
ok "a session of an account that was removed ends" wait_for 10 test -s alice.rc
is "... with 77" "$(cat alice.rc)" 77
L=$(invite alice)
joins alice "$L" >/dev/null 2>&1
edit "d['client3'] = 'password3'"
$PYTHON "$ROOT/t/peer/raw.py" --keys . --port "$PORT" --user client3 --password-file pw3 key \
	"run:: >mode.ready; while [ ! -e mode.go ]; do sleep 0.05; done" eof took >classic.out 2>&1 &
PIDS="$PIDS $!"
wait_for 10 test -e mode.ready
user mode client3 enhanced
: >mode.go
ok "a classic session ends when its account becomes enhanced" wait_for 10 grep -q closed classic.out
waiter carol
user mode client3 both
L=$(invite judy)
user passwd client1 --password-file pw1
ok "a session goes on when others' accounts change" must_fail 1 wait_for 1 test -s carol.rc
ok "the server stops cleanly" stop_server
is "no session died by a signal" "$(grep -c ' killed ' err)" 0
wait_for 5 test -s carol.rc
is "a client that waits while the server stops: 75" "$(cat carol.rc)" 75

TRACE=
[ -n "$SANITIZED" ] || ! strace -qq -o trace true 2>/dev/null || TRACE=yes
if [ -n "$TRACE" ]; then
	printf '#!/bin/sh\nexec strace -D -qq -o trace -e trace=inotify_init1 -e inject=inotify_init1:error=ENOSYS "%s" "$@"\n' \
		"$SMTP361" >"$HOME_DIR/under"
	chmod 755 "$HOME_DIR/under"
	kept=$SMTP361
	SMTP361=$HOME_DIR/under
	start_at -v
	SMTP361=$kept
	wait_for 5 grep -q INJECTED trace
	ok "a server without inotify starts" grep -q INJECTED trace
	edit "d['client3'] = 'password3'"
	shut_out "without inotify" 2
	stop_server
else
	skip "a server without inotify starts" "no strace"
fi

# --- wrong passwords by the right key take longer (their server runs beside what follows) ---

mkdir guard
cp server_*.pem client1_public.pem client2_public.pem "$BUILD"/t-keys/client[12]_x25519_public.pem guard/
cp "$BUILD"/t-keys/client2_*private.pem keys/
echo '{"client1": "password1", "client2": "password2"}' >guard/$file
chmod 600 guard/$file
"$SMTP361" serve -d guard -l 127.0.0.1:0 >guard.out 2>guard.err </dev/null &
GUARD_PID=$!
PIDS="$PIDS $GUARD_PID"
wait_for 10 grep -q "ready to accept" guard.out
GUARD="127.0.0.1:$(sed -n 's/^Listening on .*:\([0-9]*\)$/\1/p' guard.err)"
guarded() { timeout 30 "$SMTP361" inbox --enhanced -s "$GUARD" -k keys -u "$@" </dev/null; }
# tries N: wrong passwords at once; of each, its code and its milliseconds
tries() {
	i=0
	while [ $i -lt "$1" ]; do
		(
			rc=0
			began=$(ms)
			guarded client1 --password-file wrong >/dev/null 2>&1 || rc=$?
			echo "$rc $(($(ms) - began))" >"try$i"
		) &
		PIDS="$PIDS $!"
		i=$((i + 1))
	done
}
began=$(ms)
guarded client1 --password-file wrong >/dev/null 2>&1
first=$(($(ms) - began))
ok "the first wrong password is refused after a quarter of a second ($first ms)" test "$first" -ge 250 -a "$first" -lt 2000
tries 20
began=$(ms)
ok "while 20 wrong ones are refused, the right one" guarded client1 --password-file pw1
ok "... is not made to wait" test $(($(ms) - began)) -lt 2000

# --- a plain password becomes Argon2id ---

mkdir upgrade
cp server_*.pem client?_public.pem "$BUILD"/t-keys/client?_x25519_public.pem upgrade/
cp "$BUILD"/t-keys/client?_*private.pem keys/
cat >upgrade/$file <<'END'
{"client1": "password1", "client2": "password2", "client3": "password3", "client4": "password4", "client5": "password5"}
END
chmod 600 upgrade/$file
kind() { "$SMTP361" user -d upgrade list | cut -f 1,2 | grep "$1" | cut -f 2; }
login() { # WIRE N PASSWORD-FILE
	timeout 30 "$SMTP361" inbox "--$1" -s "$ADDRESS" -k keys -u "client$2" --password-file "$3" </dev/null
}
start -d upgrade
ok "without --upgrade-passwords a login" login classic 1 pw1
ok "... on either wire" login enhanced 1 pw1
is "... leaves a plain password plain" "$(kind client1)" plain
stop_server
start -d upgrade --upgrade-passwords
ok "with it, a classic login" login classic 1 pw1
is "... upgrades the password" "$(kind client1)" argon2id
ok "... which is still the same" login classic 1 pw1
ok "... on the other wire, too" login enhanced 1 pw1
ok "... and no other one is" must_fail 77 login enhanced 1 pw2
ok "an enhanced login" login enhanced 2 pw2
is "... upgrades it, too" "$(kind client2)" argon2id
ok "... which is still the same" login enhanced 2 pw2
ok "a wrong password on the classic wire" must_fail 77 login classic 3 wrong
ok "... or the enhanced one" must_fail 77 login enhanced 3 wrong
ok "... or the password of another" must_fail 77 login enhanced 3 pw4
is "... upgrades nothing" "$(kind client3)" plain
pids=''
for i in 1 2 3 4; do
	for n in 3 4; do
		for wire in classic enhanced; do
			login $wire $n pw$n >/dev/null 2>&1 &
			pids="$pids $!"
		done
	done
done
rc=0
for pid in $pids; do
	wait "$pid" || rc=$?
done
is "16 logins of two accounts at once all go through" "$rc" 0
is "... both are upgraded, the others are as they were" "$("$SMTP361" user -d upgrade list | cut -f 2 | tr '\n' ' ')" \
	"argon2id argon2id argon2id argon2id plain "
ok "... and their passwords are the same" login classic 3 pw3
ok "... of both" login enhanced 4 pw4
is "the file is still 0600" "$(stat -c %a upgrade/$file)" 600
is "no password stands in the file but the plain one" "$(grep -c 'password[1-4]"' upgrade/$file)" 0
stop_server

# --- death at any step ---

if [ -n "$TRACE" ]; then
	start_at
	L=$(invite kim)
	edit "d['kim']['note'] = 'kept'"
	cp -p $file before
	# one attempt per call of join that changes something, here or at the server
	points=0 bad=''
	for call in mkdir openat write pwrite64 fsync fchmod linkat link renameat rename unlinkat unlink connect \
		sendto recvfrom poll read close exit_group; do
		k=1 step=1
		case $call in read | close | poll) step=6 ;; openat) step=3 ;; esac
		while :; do
			rm -rf "$HOMES/kim" && mkdir -p "$HOMES/kim"
			cp -p before .again && mv .again $file
			echo "$L" >line
			rc=0
			HOME=$HOMES/kim timeout 30 strace -qq -o trace -e "trace=$call" -e "inject=$call:signal=KILL:when=$k" \
				"$SMTP361" join <line >/dev/null 2>&1 || rc=$?
			[ "$rc" = 137 ] || break
			points=$((points + 1))
			rc=0
			HOME=$HOMES/kim timeout 30 "$SMTP361" join <line >o 2>e || rc=$?
			mine=$(fingerprint o | sed -n 1p)
			[ "$rc" = 0 ] || bad="$bad$call $k: exit $rc $(head -n 1 e); "
			[ "$(user key kim 2>&1 | fingerprint)" = "$mine" ] || bad="$bad$call $k: another key is enrolled; "
			at kim inbox >/dev/null 2>&1 || bad="$bad$call $k: no login; "
			[ "$(find "$HOMES/kim/.config/smtp361" -type f | wc -l)" = 6 ] ||
				bad="$bad$call $k: left over: $(ls -A "$HOMES/kim/.config/smtp361" | tr '\n' ' '); "
			k=$((k + step))
		done
		[ "$rc" = 0 ] || bad="$bad$call $k: exit $rc; "
	done
	is "join killed at any of $points calls: the same line again enrols one key" "$bad" ""
	ok "... and there were enough calls to matter" test $points -gt 30
	is "... what the account holds beside it is kept" "$(field kim note)" '"kept"'

	# the session at the server dies in place of the client
	points=0 bad=''
	for call in fsync fchmod renameat sendto; do
		k=1
		while [ $k -le 12 ]; do
			rm -rf "$HOMES/kim" && mkdir -p "$HOMES/kim"
			cp -p before .again && mv .again $file
			: >strace.err
			strace -f -q -o trace -e "trace=$call" -e "inject=$call:signal=KILL:when=$k" -p "$SERVER_PID" 2>strace.err &
			tracer=$!
			PIDS="$PIDS $tracer"
			attached() { grep -q '^TracerPid:	*[1-9]' "/proc/$SERVER_PID/status"; }
			wait_for 5 attached
			rc=0
			HOME=$HOMES/kim timeout 30 "$SMTP361" join <line >/dev/null 2>e || rc=$?
			killed() { grep -q 'killed by SIGKILL' trace; }
			[ "$rc" = 0 ] || wait_for 10 killed # it is written down a moment after the client has seen it
			end_pid "$tracer"
			killed || break
			points=$((points + 1))
			case $rc in 0 | 75 | 76) ;; *) bad="$bad$call $k: exit $rc $(head -n 1 e); " ;; esac
			user list >/dev/null 2>&1 || bad="$bad$call $k: the file is broken; "
			rc=0
			HOME=$HOMES/kim timeout 30 "$SMTP361" join <line >o 2>e || rc=$?
			mine=$(fingerprint o | sed -n 1p)
			[ "$rc" = 0 ] || bad="$bad$call $k: again: exit $rc $(head -n 1 e); "
			[ "$(user key kim 2>&1 | fingerprint)" = "$mine" ] || bad="$bad$call $k: another key is enrolled; "
			k=$((k + 1))
		done
	done
	is "the server's session killed at any of $points calls of a join: the same line again enrols one key" "$bad" ""
	ok "... and there were enough calls to matter" test $points -gt 5
	ok "the server lives on" at kim inbox
	stop_server

	# kill_user TITLE CHECK VERB...: the file is whole, the old one or the new one, and so are unknown fields
	mkdir victim
	cp server_x25519_*.pem victim/
	kill_user() {
		title=$1 points=0 bad=''
		shift
		for call in openat newfstatat read unlinkat write fchmod fsync close renameat flock mkdirat; do
			k=1 step=1
			case $call in openat | read | close | newfstatat) step=3 ;; esac
			while :; do
				cp -p $start_with victim/.again && mv victim/.again victim/$file
				rm -rf victim/zoe
				rc=0
				strace -f -qq -o trace -e "trace=$call" -e "inject=$call:signal=KILL:when=$k" \
					"$SMTP361" user -d victim "$@" >/dev/null 2>&1 </dev/null || rc=$?
				[ "$rc" = 137 ] || break
				points=$((points + 1))
				[ "$(stat -c %a victim/$file)" = 600 ] || bad="$bad$call $k: mode; "
				cmp -s $start_with victim/$file || $PYTHON -c "
import json, sys
was, new = json.load(open('$start_with')), json.load(open('victim/$file'))
assert {n: a for n, a in was.items() if n != 'zoe'} == {n: a for n, a in new.items() if n != 'zoe'}
assert new['zoe']['note'] == ['kept', {'n': 9007199254740993}]
zoe = new['zoe']
$CHECK" 2>e || bad="$bad$call $k: $(tail -n 1 e); "
				rc=0
				"$SMTP361" user -d victim "$@" >/dev/null 2>&1 </dev/null || rc=$?
				[ "$rc" = 0 ] || bad="$bad$call $k: again: exit $rc; "
				[ -z "$(find victim -name '.*.new')" ] || bad="$bad$call $k: left over; "
				k=$((k + step))
			done
			[ "$rc" = 0 ] || bad="$bad$call $k: exit $rc; "
		done
		is "killed at any of $points calls of $title, the accounts are the old ones or the new ones" "$bad" ""
		ok "... and there were enough calls to matter" test $points -gt 10
	}
	cp -p before start_with
	start_with=start_with
	$PYTHON -c "
import json
d = json.load(open('start_with'))
d['zoe'] = {'note': ['kept', {'n': 9007199254740993}], 'x25519': d['bob']['x25519'], 'mode': 'enhanced',
            'password': d['client2']['password']}
json.dump(d, open('start_with', 'w'))"
	CHECK="assert zoe['invitation']['expires'] > 0 and zoe['x25519'] == was['zoe']['x25519']"
	kill_user invite invite zoe -s localhost
	CHECK="assert zoe['revoked'] and not {'x25519', 'password', 'invitation'} & set(zoe)"
	kill_user revoke revoke zoe
	CHECK="assert zoe['x25519'] != was['zoe']['x25519'] and zoe['password'] == was['zoe']['password']"
	kill_user key key zoe "$HOMES/spare_x25519_public.pem"
	CHECK="assert zoe['mode'] == 'key' and zoe['x25519'] == was['zoe']['x25519']"
	kill_user mode mode zoe key
else
	skip "join killed at any call: the same line again enrols one key" "no strace"
fi

# --- what became of the wrong passwords ---

tried() { [ "$(cat try* 2>/dev/null | wc -l)" = 20 ]; }
ok "20 wrong passwords are all answered" wait_for 20 tried
is "... with 77" "$(cut -d' ' -f1 try* | sort -u)" 77
cut -d' ' -f2 try* | sort -n >took.ms
ok "... the later the slower: from $(sed -n 1p took.ms) to $(tail -n 1 took.ms) ms" test \
	"$(tail -n 1 took.ms)" -ge 8000 -a "$(tail -n 1 took.ms)" -lt 15000 -a "$(sed -n 1p took.ms)" -lt 3000
ok "... and most of them are slow" test "$(awk '$1 > 3000' took.ms | wc -l)" -ge 12
ok "the right password is still right" guarded client1 --password-file pw1
began=$(ms)
guarded client2 --password-file wrong >/dev/null 2>&1
ok "from that address another account's wrong password takes long, too" test $(($(ms) - began)) -gt 3000
began=$(ms)
ok "... but its right one" guarded client2 --password-file pw2
ok "... takes no longer than ever" test $(($(ms) - began)) -lt 2000
kill "$GUARD_PID" && wait "$GUARD_PID" 2>/dev/null

done_testing
