#!/bin/sh
# The key that signs, before other programs: what we sign ssh-keygen verifies, what it signs we check, its
# keys and openssl's are read, and both read ours.
. "$(dirname "$0")/lib.sh"
for tool in ssh-keygen openssl; do
	command -v $tool >/dev/null || {
		echo "# SKIPPED: no $tool" >&2
		skip_all "no $tool to judge signatures with"
	}
done
SSHSIG=$BUILD/t/peer/sshsig
[ -x "$SSHSIG" ] || skip_all "make units builds t/peer/sshsig, which is not there"

mkdir "$HOME_DIR/work" && cd "$HOME_DIR/work" || exit 1
mkdir k && "$SMTP361" keygen -d k --only p256 ada bob >/dev/null 2>&1
for u in ada bob; do
	"$SMTP361" keygen -d k --ssh $u >$u.pub
	"$SMTP361" keygen -d k --allowed-signers $u
done >signers
# verified NAME NAMESPACE SIGNATURE MESSAGE: does ssh-keygen take it?
verified() { ssh-keygen -Y verify -f signers -I "$1" -n "$2" -s "$3" <"$4"; }

# --- signatures ---

head -c 100000 /dev/urandom >random
: >empty
printf 'Meet at noon.\n' >text
for what in text empty random; do
	for purpose in mail chat; do
		ok "a signature of $what for $purpose is made" sh -c \
			"'$SSHSIG' sign $purpose@smtp361 k ada <$what >$what.$purpose"
		ok "... which ssh-keygen verifies, by the printed line" \
			verified ada $purpose@smtp361 $what.$purpose $what
		is "... and we" "$("$SSHSIG" check $purpose@smtp361 $what.$purpose <$what)" \
			"$(cut -d ' ' -f 1,2 ada.pub)"
	done
done
ok "ssh-keygen refuses it for another purpose" must_fail 255 verified ada mail@smtp361 text.chat text
ok "... in another's name" must_fail 255 verified bob mail@smtp361 text.mail text
ok "... of another message" must_fail 255 verified ada mail@smtp361 text.mail random
ok "the printed line allows no other namespace" sh -c \
	"'$SSHSIG' sign git k ada <text >text.git && ! ssh-keygen -Y verify -f signers -I ada -n git -s text.git <text"
"$SSHSIG" sign mail@smtp361 k ada <text >again
ok "signing the same twice gives the same" cmp again text.mail

cp k/ada_p256_private.pem ada.pem && chmod 600 ada.pem && cp ada.pub ada.pem.pub
if ssh-keygen -Y sign -f ada.pem -n mail@smtp361 -O hashalg=sha256 text >o 2>&1; then
	mv text.sig theirs
	is "what ssh-keygen signs with our key file we check" "$("$SSHSIG" check mail@smtp361 theirs <text)" \
		"$(cut -d ' ' -f 1,2 ada.pub)"
	ok "... of this message alone" must_fail 65 sh -c "'$SSHSIG' check mail@smtp361 theirs <random"
	ok "... for this purpose alone" must_fail 65 sh -c "'$SSHSIG' check chat@smtp361 theirs <text"
else
	skip "what ssh-keygen signs with our key file we check" "this ssh-keygen takes no hashalg: $(cat o)"
fi
ssh-keygen -q -t ed25519 -N '' -f other && ssh-keygen -q -Y sign -f other -n mail@smtp361 text 2>/dev/null
ok "a signature by another kind of key is refused: 65" \
	must_fail 65 sh -c "'$SSHSIG' check mail@smtp361 text.sig <text"

# --- keys ---

is "ssh-keygen reads our private key, and computes the same public one" \
	"$(ssh-keygen -y -f ada.pem | cut -d ' ' -f 1,2)" "$(cut -d ' ' -f 1,2 ada.pub)"
is "... and our public file" "$(ssh-keygen -i -m PKCS8 -f k/ada_p256_public.pem | cut -d ' ' -f 1,2)" \
	"$(cut -d ' ' -f 1,2 ada.pub)"
# take NAME: a private key of others' in NAME.pem becomes NAME's, and its public half is made
take() {
	cp "$1.pem" "k/$1_p256_private.pem" && chmod 600 "k/$1_p256_private.pem"
	"$SMTP361" keygen -d k --only p256 "$1" >o 2>e
}
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out g.pem 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem
ssh-keygen -q -t ecdsa -b 256 -m PKCS8 -N '' -f p8.pem
ssh-keygen -q -t ecdsa -b 256 -m PEM -N '' -f pem.pem
for name in g ec p8 pem; do
	ok "$(head -n 1 $name.pem | tr -d -), another's, is read" take $name
	is "... and its public half is the one that openssl computes" "$(cat k/${name}_p256_public.pem)" \
		"$(openssl pkey -in $name.pem -pubout)"
	"$SSHSIG" sign mail@smtp361 k $name <text >sig && "$SMTP361" keygen -d k --allowed-signers $name >>signers
	ok "... and signs" verified $name mail@smtp361 sig text
done
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out curve.pem 2>/dev/null
ok "a key of another curve is refused: 78" must_fail 78 take curve
like "... and told" "$(cat e)" 'it is EC of another curve'
sed '$d' g.pem >cut.pem
ok "a key that is cut is refused: 78" must_fail 78 take cut
openssl pkey -in g.pem -pubout -ec_conv_form compressed -out k/tight_p256_public.pem
run_ssh() { "$SMTP361" keygen -d k --ssh "$1" >o 2>e; }
ok "a compressed point is refused: 78" must_fail 78 run_ssh tight
like "... and told" "$(cat e)" 'tight_p256_public\.pem: its P-256 public key has 33 bytes, not 65'
ok "who has no such key: 66" must_fail 66 run_ssh nobody

# --- members' lines for ssh-keygen ---

"$SMTP361" keygen -d k --only x25519 ada bob >/dev/null 2>&1
"$SMTP361" keygen -d k --only p256 ada >/dev/null 2>&1
mkdir b && cp k/bob_* b/
"$SMTP361" members -k b -u bob export >bobs
"$SMTP361" members -k k -u ada import bobs 2>e
"$SMTP361" members -k k -u ada export --allowed-signers >signers
is "members export --allowed-signers has oneself and whom one knows" "$(cut -d ' ' -f 1 signers | tr '\n' ' ')" \
	"ada bob "
"$SSHSIG" sign chat@smtp361 b bob <text >sig
ok "... and ssh-keygen verifies by it" verified bob chat@smtp361 sig text

done_testing
