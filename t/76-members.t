#!/bin/sh
# Whose keys a client trusts: the first it sees are pinned, others are told loudly, two people compare a
# code, and files of keys go from hand to hand. ssh-keygen and openssl judge the keys and signatures.
. "$(dirname "$0")/lib.sh"
mkdir "$HOME_DIR/work" && cd "$HOME_DIR/work" || exit 1
mkdir mail && "$SMTP361" keygen -d mail server >/dev/null 2>&1 && (umask 077 && echo "{}" >mail/user_pass.json)

# in NAME APPLET...: as NAME, who has joined; RC, and the files o and e
as_user() { XDG_CONFIG_HOME=$PWD/$1 SMTP361_SERVER='' && export XDG_CONFIG_HOME SMTP361_SERVER; }
u() (
	as_user "$1"
	shift
	timeout 60 "$SMTP361" "$@"
)
run() {
	RC=0
	u "$@" >o 2>e </dev/null || RC=$?
}
known() { cat "$1/smtp361/known_members" 2>/dev/null; }
print_of() { sed -n "s/^$2	[^	]*	\([^	]*\)	\([^	]*\)	.*/\1 \2/p" "$1"; }

start_server -d mail --enhanced || exit 1
run alice join
like "join without an invitation: 66, and it says what is missing" "$(said)" '^66 .*: no invitation came: the input ended $'
for name in alice bob carol; do
	"$SMTP361" user -d mail invite -s "127.0.0.1:$PORT" $name >invitation.$name 2>/dev/null
	run $name join invitation.$name
	is "$name joins" "$RC" 0
	is "... without a word of the signing key on stderr but what is next" \
		"$(grep -vc 'next:' e)" 0
done
is "join makes the pair that signs" "$(ls alice/smtp361)" "alice_p256_private.pem
alice_p256_public.pem
alice_x25519_private.pem
alice_x25519_public.pem
config.json
server_x25519_public.pem"

# --- pinning ---

run alice members
is "at first nobody is known" "$RC$(cat o e)" 0
run alice members --directory
is "the directory shows all, and pins nobody" "$RC $(cut -f 1,2 o | sort | tr '\t\n' '  ') $(known alice)" \
	"0 alice you bob new carol new  "
like "... with fingerprints of both keys" "$(grep ^bob o)" \
	'^bob	new	SHA256:[A-Za-z0-9+/]{43}	SHA256:[A-Za-z0-9+/]{43}	-$'
is "... those of the files" "$(print_of o bob)" \
	"SHA256:$(openssl pkey -pubin -in bob/smtp361/bob_x25519_public.pem -outform DER |
		openssl dgst -sha256 -binary | base64 | tr -d =) $(:
	)$(u bob keygen -d bob/smtp361 --ssh bob >bob.pub && ssh-keygen -lf bob.pub | cut -d ' ' -f 2)"
run alice members accept bob
like "accept pins who is new" "$RC $(cat o)" '^0 bob: X25519 SHA256:.*, P-256 SHA256:.* \(pinned\)$'
like "... in a line that people can read" "$(known alice)" \
	'^bob age1[a-z0-9]{58} ecdsa-sha2-nistp256 [A-Za-z0-9+/=]{140} 20..-..-..T..:..:..Z pinned$'
is "... of the age recipient and the OpenSSH key that others compute" "$(known alice | cut -d ' ' -f 2-4)" \
	"$(u bob keygen -d bob/smtp361 --age bob) $(cut -d ' ' -f 1,2 bob.pub)"
run alice members accept bob
like "accept again changes nothing" "$RC $(cat o)" '^0 bob: .* \(as it was\)$'
run alice members
like "the list shows him" "$RC $(cat o)" '^0 bob	pinned	SHA256:.*	SHA256:.*	20.*Z$'
run alice members --directory --json
is "--json is an array of objects" "$(/usr/bin/python3 -c '
import json
for r in json.load(open("o")): print(r["name"], r["state"], r["pinned"] != "-")' | sort)" "alice you False
bob pinned True
carol new False"

# --- the code ---

run alice verify bob
code=$(cat o)
like "verify prints 30 digits elsewhere than on a terminal" "$RC $code" '^0 ([0-9]{5} ){5}[0-9]{5}$'
run bob verify alice
is "both sides have the same" "$(cat o)" "$code"
like "... and bob's side pinned alice, and said so" "$(cat e)" \
	"pinned alice's key X25519 SHA256:.*, P-256 SHA256:.*: compare it by smtp361 verify alice"
run carol verify bob
ok "another two have another" must_fail 1 test "$(cat o)" = "$code"
carols=$(cat o)
run alice verify --code "$carols" bob
like "another code is 65, and told" "$(said)" '^65 .*the codes differ.*hint: do not trust'
like "... and bob is not verified" "$(known alice)" ' pinned$'
run alice verify --code "$(echo "$code" | tr -d ' ')" bob
is "the same code, grouped as one likes, is 0" "$(said)" "0 bob: verified "
like "... and kept" "$(known alice)" ' verified$'
run alice verify --offline bob
is "without the server the code is the same" "$(said)" "0 $code "
for bad in 1 "$code 1" "x$code" ''; do
	ok "--code \"$bad\" is usage" must_fail 64 u alice verify --code "$bad" bob
done
ok "verify of oneself is 65" must_fail 65 u alice verify alice
ok "... of who is not there 67" must_fail 67 u alice verify nobody
run alice verify --offline carol
like "... of who is not known, without a server, 67" "$RC $(cat e)" '^67 .*carol has no key to seal to'
if command -v script >/dev/null; then
	on_terminal() { # ANSWER COMMAND: on a terminal, where the answer is typed
		(
			as_user bob
			printf '%s\n' "$1" | timeout 20 script -qec "$2" /dev/null
		) >o 2>&1
	}
	on_terminal maybe "$SMTP361 verify alice"
	is "neither yes nor no is 65" "$? $(grep -c "$code" o)" "65 1"
	like "... and verifies nothing" "$(known bob)" ' pinned$'
	on_terminal no "$SMTP361 verify alice"
	is "no is 65" "$?" 65
	on_terminal yes "$SMTP361 verify alice"
	is "on a terminal one is asked: yes is 0" "$?" 0
	like "... and verified" "$(known bob)" ' verified$'
	on_terminal 1234 "$SMTP361 verify alice"
	is "neither yes nor no behind it is 65, and says that nothing was changed" \
		"$? $(grep -c 'neither yes nor no: nothing was changed' o)" "65 1"
	like "... which is so" "$(known bob)" ' verified$'
else
	skip "on a terminal one is asked" "no script"
fi

# --- another key ---

is "the server's own record has bob's keys" "$(grep -c '"bob"' mail/user_pass.json)" 1
before=$(known alice)
mkdir mallory && "$SMTP361" keygen -d mallory --only x25519 mallory >/dev/null 2>&1
# the server swaps bob's key for another
"$SMTP361" user -d mail key bob mallory/mallory_x25519_public.pem >/dev/null 2>&1
run alice members --directory
is "another key is marked in the list, which ends with 77" "$RC $(cut -f 1,2 o | sort | tr '\t\n' '  ')" \
	"77 alice you bob changed carol new "
run alice verify bob
like "verify warns loudly, and ends with 77" "$RC $(cat e)" \
	'^77 smtp361 verify: WARNING: THE KEY OF bob HAS CHANGED\. Somebody may be reading along, or bob has a new key\.'
like "... with both fingerprints" "$(grep -c '\(pinned\|now\): *X25519 SHA256:' e)" 2
like "... and what to do" "$(cat e)" \
	'^hint: ask bob, compare `smtp361 verify bob`, then: smtp361 members accept bob$'
is "... changes nothing" "$(known alice)" "$before"
run alice verify --code "$code" bob
is "the old code does not confirm it" "$RC" 77
run bob members --directory
is "bob, whose key is void, gets no list" "$RC" 77
# bob has a new key, and says so to alice
u bob keygen -d bob/smtp361 --force --only x25519 bob >/dev/null 2>&1
"$SMTP361" user -d mail key bob bob/smtp361/bob_x25519_public.pem >/dev/null 2>&1
run bob verify alice
new=$(cat o)
is "his new key has another code" "$RC $(test "$new" = "$code" || echo other)" "0 other"
run alice verify bob
is "... which alice is shown, with the warning" "$RC $(cat o)" "77 $new"
run alice verify --code "$carols" bob
is "a wrong code does not accept it" "$RC $(test "$(known alice)" = "$before" && echo same)" "65 same"
run alice verify --code "$new" bob
is "the right one does" "$RC $(cat o)" "0 bob: verified"
run alice verify --offline bob
is "... and it is pinned" "$(said)" "0 $new "
u bob keygen -d bob/smtp361 --force --only x25519 bob >/dev/null 2>&1
"$SMTP361" user -d mail key bob bob/smtp361/bob_x25519_public.pem >/dev/null 2>&1
run alice members accept bob
like "members accept takes a new one unseen" "$RC $(cat o)" '^0 bob: X25519 .* \(accepted\)$'
like "... which is not verified" "$(known alice)" '^bob .* pinned$'
run alice members forget bob
is "forgotten is forgotten" "$RC $(cat o) $(known alice)" "0 bob: forgotten "
run alice members forget bob
is "... and once only: 67" "$RC" 67

# --- the list on a terminal ---

run alice members --directory
cp o elsewhere
if command -v script >/dev/null; then
	# wide COLUMNS: the list on a terminal of so many
	wide() {
		(as_user alice && timeout 20 script -qec "stty cols $1; $SMTP361 members --directory" /dev/null) </dev/null |
			tr -d '\r'
	}
	is "where the table fits a terminal it is one" "$(wide 148 | sed 's/  */ /g')" "Name State X25519 P-256 (signs) Pinned
$(tr '\t' ' ' <elsewhere)"
	is "where it does not, each member is a block of lines" "$(wide 147)" "$(awk -F '\t' '{
		print $1 " (" $2 ")"
		if ($3 != "-") print "  X25519  " $3
		if ($4 != "-") print "  P-256   " $4
		if ($5 != "-") print "  Pinned  " $5 }' elsewhere)"
	is "... none of which is wider than 60 columns" "$(wide 80 | awk 'length > 60')" ""
	is "... also on a terminal that does not say how wide it is" "$(wide 0)" "$(wide 80)"
else
	skip "where the table does not fit a terminal, each member is a block of lines" "no script"
fi

# --- one's own ---

mv carol/smtp361/carol_p256_private.pem carol/smtp361/carol_p256_public.pem .
run carol verify alice
like "who lost the signing key gets another, which is told" "$(cat e)" 'made a signing key for carol: SHA256:'
like "... and that the server shows another one is told loudly: 76" "$(sed "s/^/$RC /" e)" \
	'^76 smtp361 verify: WARNING: THE SERVER SHOWS ANOTHER KEY IN YOUR NAME'
run carol members publish
like "members publish replaces it" "$RC $(cat o)" '^0 carol: X25519 .*, P-256 .* \(published\)$'
run carol verify alice
is "... and all is well" "$RC" 0
ok "a private key that others can read is refused: 78" \
	sh -c 'chmod 644 carol/smtp361/carol_p256_private.pem' && ok "... with 78" must_fail 78 u carol members
chmod 600 carol/smtp361/carol_p256_private.pem

# --- from hand to hand ---

run alice members accept bob carol
run alice members export
cp o given
is "export writes one's own line and those of whom one knows" "$RC $(cut -d ' ' -f 1 given | tr '\n' ' ')" \
	"0 alice bob carol "
run bob members forget alice
run bob members import given
is "import pins the new ones, and not oneself" "$RC $(known bob | cut -d ' ' -f 1 | tr '\n' ' ')" "0 alice carol "
is "... as pinned, whatever the giver verified" "$(known bob | grep -c ' pinned$')" 2
run bob verify alice
is "... and the server says the same" "$RC" 0
sed 's/^carol/dora/;s/^alice/carol/' given >swapped
before=$(known bob)
run bob members import swapped
like "another key for who is known: 77, loudly" "$(sed "s/^/$RC /" e)" '^77 smtp361 members: WARNING: THE KEY OF carol HAS CHANGED'
is "... is not pinned; who is new is" "$(known bob | sed 's/^dora .*/dora/')" "$before
dora"
sed 's/^carol/bob/;/^bob age1/!d' given | sed 1d >mine
run bob members import mine
like "another key in one's own name: 77" "$RC $(cat e)" '^77 .*mine has another key in your name'
u bob members import <given
is "import reads stdin" "$?" 0
echo 'alice age1nonsense' >bad
run bob members import bad
like "a damaged file is 65, and the line is named" "$RC $(cat e)" '^65 .*bad: line 1: '
run bob members import no-file
is "no file is 66" "$RC" 66
run bob members export nobody
is "export of who is not known is 67" "$RC" 67
printf 'x\n' >>bob/smtp361/known_members
run bob members
like "a damaged known_members is 78, and the line is named" "$RC $(cat e)" '^78 .*known_members: line 4: '
sed -i '$d' bob/smtp361/known_members
run bob members
is "... until it is mended" "$RC $(wc -l <o | tr -d ' ')" "0 3"

# --- misuse, and no server ---

for args in 'accept' 'forget' 'export --json' 'import a b' 'publish bob' 'nonsense' '--allowed-signers' \
	'--directory forget bob' '--classic'; do
	# shellcheck disable=SC2086
	ok "members $args is usage" must_fail 64 u alice members $args
done
ok "accept ../x is 67" must_fail 67 u alice members accept ../x
ok "verify without a name is usage" must_fail 64 u alice verify
ok "who has no key is told: 66" must_fail 66 u alice members -u nobody
stop_server
run alice members
is "the list of whom one knows needs no server" "$RC $(cut -f 1 o | tr '\n' ' ')" "0 bob carol "
run alice members --directory
is "the directory does: 69" "$RC" 69

done_testing
