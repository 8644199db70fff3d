#!/bin/sh
# Key files: made whole or not at all, read by others, others' read, and bad ones refused by name.
# shellcheck disable=SC2015
. "$(dirname "$0")/lib.sh"

PYTHON=/usr/bin/python3
if [ -x $PYTHON ] && $PYTHON -c 'import Cryptodome' 2>/dev/null; then py=yes; else py=; fi
if command -v openssl >/dev/null; then ssl=yes; else ssl=; fi
[ -n "$ssl" ] || skip_all "no openssl to judge keys with"

mkdir "$HOME_DIR/work" && cd "$HOME_DIR/work" || exit 1
run() {
	RC=0
	timeout 60 "$@" >o 2>e </dev/null || RC=$?
}
mode() { stat -c %a "$1"; }
public_of() { openssl pkey -in "$1" -pubout 2>/dev/null; }
# pair DIR NAME: the two halves are whole and belong together; NAME_x25519 and NAME_p256 are the other kinds
pair() { [ -s "$1/$2_public.pem" ] && [ "$(public_of "$1/$2_private.pem")" = \
	"$(cat "$1/$2_public.pem")" ]; }
pairs() { pair "$1" "$2" && pair "$1" "$2_x25519" && pair "$1" "$2_p256"; }
fingerprint_of() { # FILE: as openssl sees a public key
	openssl pkey -pubin -in "$1" -outform DER | openssl dgst -sha256 -binary | base64 | tr -d =
}
ssh_fingerprint_of() { # FILE: as ssh-keygen -l prints it (RFC 5656 3.1)
	{
		printf '\0\0\0\023ecdsa-sha2-nistp256\0\0\0\010nistp256\0\0\0\101'
		openssl pkey -pubin -in "$1" -outform DER | tail -c 65
	} | openssl dgst -sha256 -binary | base64 | tr -d =
}
leftovers() { find "$1" ! -name '*_public.pem' ! -name '*_private.pem' -type f; }

# --- what keygen makes ---

mkdir k
for bits in 2048 3072 4096; do
	run "$SMTP361" keygen -d k --bits $bits "u$bits"
	is "keygen --bits $bits ends with 0" "$RC" 0
	like "keygen --bits $bits tells name, bits and fingerprint" "$(cat o)" \
		"^u$bits: RSA $bits SHA256:[A-Za-z0-9+/]{43} "
	ok "the $bits-bit private key is sound to openssl" openssl pkey -in k/u${bits}_private.pem \
		-check -noout
	like "the $bits-bit key has $bits bits and e = 65537" \
		"$(openssl rsa -in k/u${bits}_private.pem -noout -text 2>/dev/null | tr '\n' ' ')" \
		"\\($bits bit.*publicExponent: 65537 "
	ok "the $bits-bit halves belong together" pair k u$bits
	is "the $bits-bit private key is 0600, the public one 0644" \
		"$(mode k/u${bits}_private.pem) $(mode k/u${bits}_public.pem)" "600 644"
done
is "the private key is PKCS#1" "$(head -n 1 k/u2048_private.pem)" '-----BEGIN RSA PRIVATE KEY-----'
is "the public key is SPKI" "$(head -n 1 k/u2048_public.pem)" '-----BEGIN PUBLIC KEY-----'
is "PEM lines have at most 64 characters" "$(grep -cE '.{65}' k/u2048_private.pem)" 0
is "nothing else is left in the folder" "$(leftovers k)" ""
run "$SMTP361" keygen -d k plain
like "2048 bits is the default" "$(cat o)" '^plain: RSA 2048 '
is "a line for each kind tells what was done, with the fingerprint of its SPKI" "$(cat o)" \
	"plain: RSA 2048 SHA256:$(fingerprint_of k/plain_public.pem) (made)
plain: X25519 SHA256:$(fingerprint_of k/plain_x25519_public.pem) (made)
plain: P-256 SHA256:$(ssh_fingerprint_of k/plain_p256_public.pem) (made)"
like "keygen tells the next step on stderr" "$(cat e)" 'plain_public\.pem'
like "... for the X25519 keys too" "$(cat e)" 'plain_x25519_public\.pem'
ok "two runs make two keys" must_fail 1 cmp -s k/plain_private.pem k/u2048_private.pem
ok "... of each kind" must_fail 1 cmp -s k/plain_x25519_private.pem k/u2048_x25519_private.pem

ok "the P-256 halves belong together" pair k plain_p256
is "the P-256 private key is 0600, the public one 0644" \
	"$(mode k/plain_p256_private.pem) $(mode k/plain_p256_public.pem)" "600 644"
openssl pkey -in k/plain_p256_private.pem >theirs
ok "openssl writes our P-256 private key as we do" cmp theirs k/plain_p256_private.pem
openssl pkey -pubin -in k/plain_p256_public.pem >theirs
ok "... and our public one" cmp theirs k/plain_p256_public.pem
ok "the P-256 private key is sound to openssl" openssl pkey -in k/plain_p256_private.pem -check -noout
ok "the X25519 halves belong together" pair k plain_x25519
is "the X25519 private key is 0600, the public one 0644" \
	"$(mode k/plain_x25519_private.pem) $(mode k/plain_x25519_public.pem)" "600 644"
openssl pkey -in k/plain_x25519_private.pem >theirs
ok "openssl writes our X25519 private key as we do" cmp theirs k/plain_x25519_private.pem
openssl pkey -pubin -in k/plain_x25519_public.pem >theirs
ok "... and our public one" cmp theirs k/plain_x25519_public.pem
text_of() { openssl pkey "$@" -noout -text 2>&1 | sed -n '/^pub:/,$p'; }
like "openssl pkey -text shows our X25519 private key" \
	"$(openssl pkey -in k/plain_x25519_private.pem -noout -text)" '^X25519 Private-Key:'
is "... and from it computes the public key that we wrote" \
	"$(text_of -in k/plain_x25519_private.pem)" \
	"$(text_of -pubin -in k/plain_x25519_public.pem)"
openssl pkeyutl -derive -inkey k/plain_x25519_private.pem -peerkey k/u2048_x25519_public.pem -out s1
openssl pkeyutl -derive -inkey k/u2048_x25519_private.pem -peerkey k/plain_x25519_public.pem -out s2
ok "openssl derives one secret from two pairs of ours" test "$(wc -c <s1)" = 32 -a \
	"$(base64 <s1)" = "$(base64 <s2)"

mkdir only
run "$SMTP361" keygen -d only --only x25519 server
is "--only x25519 makes one pair" "$RC $(ls only | tr '\n' ' ')" \
	"0 server_x25519_private.pem server_x25519_public.pem "
like "... tells one line" "$(cat o)" '^server: X25519 SHA256:[A-Za-z0-9+/]{43} \(made\)$'
like "... and what every user needs" "$(cat e)" 'server_x25519_public\.pem.*user invite NAME'
run "$SMTP361" keygen -d only --only rsa server
is "--only rsa makes the other" "$RC $(ls only | wc -l)" "0 4"
like "... tells one line" "$(cat o)" '^server: RSA 2048 SHA256:[A-Za-z0-9+/]{43} \(made\)$'
run "$SMTP361" keygen -d only --only p256 server
is "--only p256 makes the third, for the server, too" "$RC $(ls only | wc -l)" "0 6"
like "... tells one line" "$(cat o)" '^server: P-256 SHA256:[A-Za-z0-9+/]{43} \(made\)$'
run "$SMTP361" keygen -d only --only p256 dora
like "... and how members get to know it" "$(cat e)" 'next: smtp361 members publish'
is "nothing else is left in these folders" "$(leftovers k)$(leftovers only)" ""
for mask in 000 077; do
	(umask $mask && "$SMTP361" keygen -d k "m$mask" >/dev/null 2>&1)
	is "under umask $mask the modes are the same" \
		"$(mode k/m${mask}_private.pem) $(mode k/m${mask}_public.pem) $(:
		)$(mode k/m${mask}_x25519_private.pem) $(mode k/m${mask}_x25519_public.pem)" \
		"600 644 600 644"
done

mkdir all
run "$SMTP361" keygen -d all --all
is "--all ends with 0" "$RC" 0
is "--all makes the server's and five clients' pairs" "$(ls all | LC_ALL=C sort)" "$(
	for name in client1 client2 client3 client4 client5 server; do
		[ $name = server ] || printf "${name}_%s.pem\n" p256_private p256_public
		for half in private public x25519_private x25519_public; do
			echo ${name}_$half.pem
		done
	done
)"
is "--all makes seventeen different keys" \
	"$(sha256sum all/*_private.pem | cut -c 1-64 | sort -u | wc -l)" 17
sums=$(sha256sum all/*.pem)
run "$SMTP361" keygen -d all --all
is "--all again is refused with 73" "$RC" 73
is "--all again changes nothing" "$(sha256sum all/*.pem)" "$sums"
mkdir two
run "$SMTP361" keygen -d two alice bob
is "two names make two pairs of each kind" "$RC $(ls two | wc -l)" "0 12"

# --- what exists ---

sums=$(sha256sum k/plain_*.pem)
run "$SMTP361" keygen -d k plain
is "an existing pair is refused with 73" "$RC" 73
like "... naming the file" "$(cat e)" 'plain_private\.pem'
is "... and stays as it was" "$(sha256sum k/plain_*.pem)" "$sums"
mv k/plain_public.pem away.pem
run "$SMTP361" keygen -d k plain
is "a private key alone is completed" "$RC" 0
ok "... with the public half that it had" cmp away.pem k/plain_public.pem
mkdir half && cp k/plain_public.pem half/
run "$SMTP361" keygen -d half plain
is "a public key alone is refused with 73" "$RC" 73
is "... and no other half is put beside it" "$(ls half)" plain_public.pem
run "$SMTP361" keygen -d k --force plain
is "--force replaces a pair" "$RC" 0
ok "... both halves of it" pair k plain
ok "... of each kind" pairs k plain
is "... and says so" "$(sed 's/SHA256:[^ ]*/F/' o)" "plain: RSA 2048 F (replaced)
plain: X25519 F (replaced)
plain: P-256 F (replaced)"
ok "... by another" must_fail 1 cmp -s away.pem k/plain_public.pem
is "... with the same modes" "$(mode k/plain_private.pem) $(mode k/plain_public.pem)" "600 644"

# one kind is there, and the other is not
mkdir kinds && "$SMTP361" keygen -d kinds --only rsa a >o 2>&1
line=$(sed -n 's/ (made)$//p' o)
sums=$(sha256sum kinds/a_*.pem)
run "$SMTP361" keygen -d kinds a
is "an RSA pair is kept, and the others made" "$RC $(cat o)" "0 $line (kept)
a: X25519 SHA256:$(fingerprint_of kinds/a_x25519_public.pem) (made)
a: P-256 SHA256:$(ssh_fingerprint_of kinds/a_p256_public.pem) (made)"
ok "... the RSA pair as it was" test "$sums" = "$(sha256sum kinds/a_p[ru]*.pem)"
ok "... and all pairs are whole" pairs kinds a
rm kinds/a_p256_*.pem
run "$SMTP361" keygen -d kinds a
is "where the P-256 pair alone is missing, it is made" "$RC $(sed 's/SHA256:[^ ]*/F/' o | tr '\n' ' ')" \
	"0 a: RSA 2048 F (kept) a: X25519 F (kept) a: P-256 F (made) "
run "$SMTP361" keygen -d kinds a
like "all pairs there: refused with 73, and the hint" "$RC $(cat e)" '^73 .*a_private\.pem: it exists'
ok "... which is --force" grep -q '^hint: --force replaces the pair' e
ok "... and no line was printed" test ! -s o
for kind in rsa p256 x25519; do
	run "$SMTP361" keygen -d kinds --only $kind a
	is "--only $kind of a pair that exists: 73" "$RC$(cat o)" 73
done
like "... naming its file" "$(cat e)" 'a_x25519_private\.pem: it exists'
sums=$(sha256sum kinds/a_x*.pem)
rm kinds/a_p*.pem && cp -p k/plain_p256_private.pem kinds/a_p256_private.pem &&
	cp -p k/plain_p256_public.pem kinds/a_p256_public.pem
run "$SMTP361" keygen -d kinds a
is "X25519 and P-256 pairs are kept, and the RSA pair made" "$RC $(sed 's/SHA256:[^ ]*/F/' o)" \
	"0 a: X25519 F (kept)
a: P-256 F (kept)
a: RSA 2048 F (made)"
ok "... the X25519 pair as it was" test "$sums" = "$(sha256sum kinds/a_x*.pem)"
rm kinds/a_public.pem kinds/a_x25519_public.pem kinds/a_p256_public.pem
run "$SMTP361" keygen -d kinds a
is "halves of all kinds are completed" "$RC $(grep -c '(public half made from' o)" "0 3"
ok "... all" pairs kinds a
rsa=$(sha256sum kinds/a_p*.pem)
run "$SMTP361" keygen -d kinds --force --only x25519 a
is "--force --only x25519 replaces that pair" "$RC $(sed 's/SHA256:[^ ]*/F/' o)" \
	"0 a: X25519 F (replaced)"
ok "... by another" test "$sums" != "$(sha256sum kinds/a_x*.pem)"
is "... and touches no other key" "$(sha256sum kinds/a_p*.pem)" "$rsa"
mv kinds/a_private.pem kinds/a_x25519_private.pem . && rm kinds/a_public.pem kinds/a_p256_*.pem
run "$SMTP361" keygen -d kinds a
like "an X25519 public key alone is refused with 73" "$RC $(cat e)" '^73 .*a_x25519_public\.pem'
is "... and no pair is made beside it" "$(ls kinds)" a_x25519_public.pem

run "$SMTP361" keygen -d k twice twice
is "the same name twice is refused the second time" "$RC" 73
ok "... and the first pairs are whole" pairs k twice
mkdir links && echo precious >target && ln -s ../target links/l_private.pem && ln -s ../target \
	links/l_public.pem
run "$SMTP361" keygen -d links --only rsa l
is "symlinks in the place of keys are refused" "$RC" 73
run "$SMTP361" keygen -d links l
is "... are not kept, for they lead to no key" "$RC $(ls links | wc -l)" "78 2"
ln -s ../target links/l_x25519_private.pem && ln -s ../target links/l_x25519_public.pem
run "$SMTP361" keygen -d links --force l
is "... and with --force replaced, not followed" "$RC $(cat target)" "0 precious"
ok "... by pairs" pairs links l
run "$SMTP361" keygen -d no/folder a
is "a folder that is not there: 66" "$RC" 66
like "... is named" "$(cat e)" 'no/folder'
run "$SMTP361" keygen -d target a
is "a file in the place of the folder: 66" "$RC" 66
if is_root; then
	skip "a folder that cannot be written: 73" "root can write everywhere"
else
	mkdir -m 555 closed
	run "$SMTP361" keygen -d closed a
	is "a folder that cannot be written: 73" "$RC" 73
fi
mkdir race
for i in 1 2 3 4; do
	(
		rc=0
		"$SMTP361" keygen -d race same >/dev/null 2>&1 || rc=$?
		echo $rc >"rc$i"
	) &
	eval "pid$i=\$!"
done
wait "$pid1" "$pid2" "$pid3" "$pid4"
is "of four keygens at once for one name one makes it" \
	"$(cat rc1 rc2 rc3 rc4 | sort | tr '\n' ' ')" "0 73 73 73 "
ok "... and both pairs are whole" pairs race same

# --- full disks and kills ---

ROOM=
mount_small() { # a tmpfs of SIZE at the folder `small`, where that may be done
	mkdir -p small
	is_root && mount -t tmpfs -o "size=$1" smtp361-t small 2>/dev/null && ROOM=$PWD/small
}
trap '[ -z "$ROOM" ] || umount "$ROOM"; cleanup' EXIT
if mount_small 64k; then
	dd if=/dev/zero of=small/filler bs=4096 2>/dev/null
	run "$SMTP361" keygen -d small a
	is "a full disk: 75" "$RC" 75
	is "... and nothing is left over" "$(ls -A small)" filler
	truncate -s 57344 small/filler # room for two pages: the folder's own need none
	run "$SMTP361" keygen -d small a
	is "room for one pair: 75" "$RC" 75
	ok "... that pair is whole" pair small a
	is "... and nothing is left over of the other" "$(ls -A small | tr '\n' ' ')" \
		"a_private.pem a_public.pem filler "
	truncate -s 40960 small/filler
	run "$SMTP361" keygen -d small a
	is "with room again the others are made" "$RC $(sed 's/.*SHA256:[^ ]*//' o | tr '\n' ' ')" \
		"0  (kept)  (made)  (made) "
	ok "... and all pairs are whole" pairs small a
	umount "$ROOM" && ROOM=
else
	skip "a full disk: 75" "no tmpfs can be mounted"
fi

# legal DIR NAME: is what stands there of one pair a legal state?
legal() {
	private=$1/$2_private.pem public=$1/$2_public.pem
	if [ -e "$private" ]; then
		[ "$(mode "$private")" = 600 ] || { echo "mode $(mode "$private")"; return 1; }
		openssl pkey -in "$private" -noout || return 1
	elif [ -e "$public" ]; then
		echo "a public half alone"
		return 1
	fi
	[ ! -e "$public" ] || pair "$1" "$2" || { echo "two halves of different keys"; return 1; }
}

# after_kill DIR NAME: are the states of all kinds legal, and does the next keygen complete them?
after_kill() {
	legal "$1" "$2" && legal "$1" "$2_x25519" && legal "$1" "$2_p256" || return 1
	[ -n "$(ls -A "$1")" ] || return 0 # nothing was made; to make it then is no news, and slow
	want=0
	[ ! -e "$1/$2_public.pem" ] || [ ! -e "$1/$2_x25519_public.pem" ] ||
		[ ! -e "$1/$2_p256_public.pem" ] || want=73
	must_fail $want "$SMTP361" keygen -d "$1" "$2" || return 1
	pairs "$1" "$2" || { echo "the next keygen left no pairs"; return 1; }
	[ -z "$(leftovers "$1")" ] || { echo "left over: $(leftovers "$1")"; return 1; }
}

# kill_keygen BEFORE OPTION...: kill -9 at every other file-system call of a keygen, at each with
# CRASH=all, in a folder that is a copy of BEFORE
STEP=2
[ "${CRASH:-}" != all ] || STEP=1
kill_keygen() {
	before=$1 points=0 bad=''
	shift
	for call in openat newfstatat read unlinkat write fchmod fsync close linkat renameat \
		flock; do
		n=1
		while :; do
			rm -rf victim && cp -a "$before" victim
			rc=0
			strace -f -qq -o trace -e "trace=$call" -e \
				"inject=$call:signal=KILL:when=$n" \
				"$SMTP361" keygen -d victim "$@" a >/dev/null 2>&1 </dev/null || \
				rc=$?
			[ "$rc" = 137 ] || break
			points=$((points + 1))
			why=$(after_kill victim a 2>&1) || bad="$bad$call $n: $why; "
			n=$((n + STEP))
		done
		[ "$rc" = 0 ] || bad="$bad$call $n: exit $rc; "
	done
}
if command -v strace >/dev/null && [ -z "$SANITIZED" ] && strace -qq -o trace true 2>/dev/null; then
	mkdir none old && "$SMTP361" keygen -d old a >/dev/null 2>&1
	kill_keygen none
	is "killed at any of $points calls of a keygen, the next one completes or makes the pairs" \
		"$bad" ""
	ok "... and there were enough calls to matter" test "$points" -gt 50
	kill_keygen old --force
	is "killed at any of $points calls of a keygen --force, each pair is whole or completed" \
		"$bad" ""
	cp -a old half2 && rm half2/a_public.pem half2/a_x25519_public.pem
	kill_keygen half2
	is "killed at any of $points calls of a completion, the next one completes it" "$bad" ""
	cp -a old upgrade && rm upgrade/a_x25519_*.pem
	kill_keygen upgrade
	is "killed at any of $points calls beside an RSA pair, that is kept, and the other made" \
		"$bad" ""

	# of each kind: the private half, the folder, the public half, the folder
	for call in fsync:error=EIO:when=1 fsync:error=EIO:when=2 fsync:error=EIO:when=3 \
		fsync:error=EIO:when=5 fsync:error=EIO:when=6 fsync:error=EIO:when=7 \
		fsync:error=EIO:when=8 write:error=ENOSPC:when=1 write:error=ENOSPC:when=3 \
		fchmod:error=EIO:when=1 fchmod:error=EIO:when=3 linkat:error=ENOSPC:when=1 \
		linkat:error=ENOSPC:when=3; do
		rm -rf victim && mkdir victim
		run strace -f -qq -o trace -e "trace=${call%%:*}" -e "inject=$call" "$SMTP361" \
			keygen -d victim a
		is "keygen with $call: 75" "$RC" 75
		ok "... leaves a legal state" after_kill victim a
	done
	for call in getrandom:error=EIO getrandom:error=ENOSYS getrandom:error=EAGAIN; do
		rm -rf victim && mkdir victim
		run strace -f -qq -o trace -e trace=getrandom -e "inject=$call:when=1" "$SMTP361" \
			keygen -d victim a
		ok "without a seed ($call) there is no key, or a second source gave it" \
			sh -c "[ $RC = 75 ] && [ -z \"\$(ls -A victim)\" ]"
		run strace -f -qq -o trace -e trace=getrandom -e "inject=$call:when=1" "$SMTP361" \
			keygen -d victim --only x25519 a
		ok "... nor one of X25519" sh -c "[ $RC = 75 ] && [ -z \"\$(ls -A victim)\" ]"
	done
else
	skip "killed at any call of a keygen, the next one completes or makes the pair" "no strace"
fi

# --- what others read ---

printf 'user\npassword' >clear
oaep='-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1'
for bits in 2048 3072 4096; do
	# shellcheck disable=SC2086
	openssl pkeyutl -encrypt -pubin -inkey k/u${bits}_public.pem $oaep -in clear -out block
	# shellcheck disable=SC2086
	openssl pkeyutl -decrypt -inkey k/u${bits}_private.pem $oaep -in block -out got
	ok "openssl encrypts to and decrypts with our $bits-bit pair" cmp clear got
	[ -n "$py" ] || {
		skip "PyCryptodome works with our $bits-bit pair" "no python3-pycryptodome"
		continue
	}
	$PYTHON - k/u${bits}_private.pem k/u${bits}_public.pem >py.out 2>&1 <<'END'
import sys
from Cryptodome.Cipher import PKCS1_OAEP
from Cryptodome.PublicKey import RSA
own, pub = (RSA.import_key(open(p).read()) for p in sys.argv[1:])
assert own.has_private() and not pub.has_private() and own.publickey() == pub
assert PKCS1_OAEP.new(own).decrypt(open("block", "rb").read()) == open("clear", "rb").read()
open("block2", "wb").write(PKCS1_OAEP.new(pub).encrypt(open("clear", "rb").read()))
END
	ok "PyCryptodome reads our $bits-bit pair and decrypts openssl's block" test ! -s py.out
	# shellcheck disable=SC2086
	openssl pkeyutl -decrypt -inkey k/u${bits}_private.pem $oaep -in block2 -out got
	ok "openssl decrypts PyCryptodome's block to our $bits-bit pair" cmp clear got
done

# --- theirs, read by us: a login works only if both halves of both parties are understood ---

site
login() { timeout 20 "$SMTP361" inbox -u "$1" --password-file "pw${1#client}"; }
ok "a server with our own keys starts" start_server
ok "our own keys log in" login client1

quiet_ssl() { openssl "$@" 2>/dev/null; }
# give USER FILE: FILE is USER's private key; its public half goes to the server as SPKI
give() {
	cp "$2" "$1_private.pem" && chmod 600 "$1_private.pem"
	quiet_ssl pkey -in "$2" -pubout -out "$1_public.pem"
}
quiet_ssl genrsa -out g.pem 2048 && give client1 g.pem
ok "openssl genrsa (PKCS#8) and its SPKI log in" login client1
quiet_ssl genrsa -traditional -out g.pem 2048 && give client2 g.pem
is "openssl genrsa -traditional is PKCS#1" "$(head -n 1 g.pem)" '-----BEGIN RSA PRIVATE KEY-----'
ok "openssl genrsa -traditional logs in" login client2
quiet_ssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out g.pem && give client3 g.pem
ok "openssl genpkey of 3072 bits logs in" login client3
quiet_ssl rsa -in g.pem -RSAPublicKey_out -out client3_public.pem
is "RSAPublicKey_out is PKCS#1" "$(head -n 1 client3_public.pem)" '-----BEGIN RSA PUBLIC KEY-----'
ok "an RSA PUBLIC KEY on the server logs in" login client3
quiet_ssl genrsa -3 -out g.pem 2048 && give client4 g.pem
ok "a key with e = 3 logs in" login client4
quiet_ssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2056 -out g.pem && give client4 g.pem
ok "a key of 2056 bits logs in" login client4
rm client4_*.pem
cp ../work/k/u4096_private.pem client4_private.pem && cp ../work/k/u4096_public.pem \
	client4_public.pem
ok "our key of 4096 bits logs in" login client4
sed 's/$/\r/' client2_private.pem >crlf && cat crlf >client2_private.pem
sed 's/$/\r/' client2_public.pem >crlf && cat crlf >client2_public.pem
ok "keys with CRLF line ends log in" login client2
(echo "a comment ahead of it" && cat client1_private.pem && echo "and one behind it") >text && cat \
	text >client1_private.pem
ok "text around the key is ignored" login client1
printf %s "$(cat client1_public.pem)" >text && cat text >client1_public.pem
ok "a key without a last newline is read" login client1
chmod 400 client1_private.pem
ok "a private key of mode 0400 is fine" login client1
mkdir real && mv client1_private.pem real/ && ln -s real/client1_private.pem client1_private.pem
ok "a private key behind a symlink is fine" login client1
if [ -n "$py" ]; then
	$PYTHON - <<'END'
from Cryptodome.PublicKey import RSA
def put(name, data):
    open(name, "wb").write(data)
k = RSA.generate(2048)
put("py1", k.export_key()); put("py1.pub", k.publickey().export_key())
k = RSA.generate(2048)
put("py8", k.export_key(pkcs=8)); put("py8.pub", k.publickey().export_key())
END
	for form in py1 py8; do
		cat $form >client5_private.pem && cat $form.pub >client5_public.pem
		ok "PyCryptodome's keys ($form) log in" login client5
	done
else
	skip "PyCryptodome's keys log in" "no python3-pycryptodome"
fi
ok "the server ends well" stop_server

# the server's own key, in others' forms
quiet_ssl genrsa -out server_private.pem 3072 && chmod 600 server_private.pem
quiet_ssl pkey -in server_private.pem -pubout -out server_public.pem
ok "a server with openssl's PKCS#8 key of 3072 bits starts" start_server
ok "... and serves" login client3
quiet_ssl rsa -in server_private.pem -RSAPublicKey_out -out server_public.pem
ok "the server's public half as RSA PUBLIC KEY is read" login client3
ok "the server ends well again" stop_server
quiet_ssl rsa -traditional -in server_private.pem -out s1 && sed 's/$/\r/' s1 >server_private.pem
ok "a server with openssl's PKCS#1 key in CRLF starts" start_server
ok "... and serves" login client3
ok "the server ends well a third time" stop_server

# --- bad keys (hostile.md 51 to 55): refused at once, by name ---

site
start_server || exit 1

mkdir bad # NAME.private.pem and NAME.public.pem, one fault each
good=$PWD/client1_private.pem pub=$PWD/server_public.pem
: >bad/empty.private.pem
echo "this is no key" >bad/prose.private.pem
head -c 3000 /dev/urandom >bad/random.private.pem
sed '$d' "$good" >bad/no-end.private.pem
head -c 900 "$good" >bad/cut.private.pem
head -n 1 "$good" >bad/begin-alone.private.pem
sed '5s/^..../!*#,/' "$good" >bad/bad-base64.private.pem
sed '5d' "$good" >bad/line-missing.private.pem
sed '7s/[A-M]/z/g' "$good" >bad/altered.private.pem
cat "$good" client2_private.pem >bad/two-keys.private.pem
cat "$good" "$pub" >bad/private-and-public.private.pem
cp "$pub" bad/public-for-private.private.pem
sed 's/RSA PRIVATE/CERTIFICATE RSA/' "$good" >bad/other-label.private.pem
sed 's/-----END.*/-----END PUBLIC KEY-----/' "$good" >bad/other-end.private.pem
printf -- '-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n' \
	>bad/no-content.private.pem
printf -- '-----BEGIN %0300d-----\n' 0 >bad/long-label.private.pem
openssl pkey -in "$good" -outform DER -out bad/der.private.pem
for bits in 512 1024 2040 4104 16384; do
	case $bits in
	16384) continue ;; # takes minutes to make: built below, of numbers that need not be primes
	esac
	quiet_ssl genrsa -out "bad/bits$bits.private.pem" $bits
	quiet_ssl pkey -in "bad/bits$bits.private.pem" -pubout -out "bad/bits$bits.public.pem"
done
quiet_ssl ecparam -name prime256v1 -genkey -noout -out bad/ec-sec1.private.pem
quiet_ssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out bad/ec-pkcs8.private.pem
quiet_ssl pkey -in bad/ec-pkcs8.private.pem -pubout -out bad/ec.public.pem
quiet_ssl genpkey -algorithm X25519 -out bad/x25519.private.pem
quiet_ssl pkey -in bad/x25519.private.pem -pubout -out bad/x25519.public.pem
quiet_ssl pkey -in "$good" -aes128 -passout pass:secret -out bad/encrypted-pkcs8.private.pem
quiet_ssl rsa -in "$good" -aes128 -traditional -passout pass:secret -out \
	bad/encrypted-pkcs1.private.pem
for f in empty prose random no-content long-label; do
	cp bad/$f.private.pem bad/$f.public.pem
done
sed '$d' "$pub" >bad/no-end.public.pem
sed '3s/^..../!*#,/' "$pub" >bad/bad-base64.public.pem
sed '3d' "$pub" >bad/line-missing.public.pem
cat "$pub" client1_public.pem >bad/two-keys.public.pem
cp "$good" bad/private-for-public.public.pem
openssl pkey -pubin -in "$pub" -outform DER -out bad/der.public.pem
if [ -n "$py" ]; then
	$PYTHON - "$good" "$pub" <<'END'
import random, sys
from Cryptodome.IO import PEM
from Cryptodome.PublicKey import RSA
from Cryptodome.Util.asn1 import DerBitString, DerInteger, DerNull, DerObjectId, DerSequence
own, pub = (RSA.import_key(open(p).read()) for p in sys.argv[1:])
r = random.Random(361)

def private(name, n, e, d, p, q, dp, dq, iq, version=0, more=b""):
    der = DerSequence([version, n, e, d, p, q, dp, dq, iq]).encode() + more
    open(f"bad/{name}.private.pem", "w").write(PEM.encode(der, "RSA PRIVATE KEY") + "\n")

def public(name, n, e, oid="1.2.840.113549.1.1.1", more=b""):
    inner = DerSequence([n, e]).encode() + more
    der = DerSequence([DerSequence([DerObjectId(oid), DerNull()]), DerBitString(inner)]).encode()
    open(f"bad/{name}.public.pem", "w").write(PEM.encode(der, "PUBLIC KEY") + "\n")

n, e, d, p, q = own.n, own.e, own.d, own.p, own.q
dp, dq, iq = d % (p - 1), d % (q - 1), pow(q, -1, p)
private("e1", n, 1, 1, p, q, 1, 1, iq)
private("zeros", 0, 0, 0, 0, 0, 0, 0, 0)
private("p0", n, e, d, 0, q, dp, dq, iq)
private("q1", n, e, d, p, 1, dp, dq, iq)
private("p-is-q", p * p, e, d, p, p, dp, dp, 1)
private("even-p", (p + 1) * q, e, d, p + 1, q, dp, dq, iq)
private("dp0", n, e, d, p, q, 0, dq, iq)
private("dp-other", n, e, d, p, q, dp ^ 6, dq, iq)
private("dq-other", n, e, d, p, q, dp, dq ^ 6, iq)
private("iq-other", n, e, d, p, q, dp, dq, iq ^ 6)
private("p-other", n, e, d, p + 2, q, dp, dq, iq)
private("negative", -n, e, d, -p, q, dp, dq, iq)
private("e-huge", n, 2 ** 64 + 13, pow(2 ** 64 + 13, -1, (p - 1) * (q - 1)), p, q,
        pow(2 ** 64 + 13, -1, p - 1), pow(2 ** 64 + 13, -1, q - 1), iq)
P, Q = (r.getrandbits(8192) | 1 | 1 << 8191 | 1 << 8190 for _ in "pq")
private("bits16384", P * Q, 65537, P, P, Q, P - 2, Q - 2, Q >> 1)
N = pub.n
public("e1", N, 1); public("e0", N, 0); public("e2", N, 2); public("e-even", N, 65536)
public("even", N + 1 if N % 2 else N, 65537); public("n0", 0, 65537); public("n1", 1, 65537)
public("negative", -N, 65537); public("e-negative", N, -65537)
public("e-huge", N, 2 ** 4000 + 1)
public("bits512", r.getrandbits(512) | 1 | 1 << 511, 65537)
public("bits2047", r.getrandbits(2047) | 1 | 1 << 2046, 65537)
public("bits4097", r.getrandbits(4097) | 1 | 1 << 4096, 65537)
public("bits16384", r.getrandbits(16384) | 1 | 1 << 16383, 65537)
public("oid", N, 65537, oid="1.2.840.10040.4.1")
public("trailing", N, 65537, more=b"\x05\x00")
END
else
	skip "keys with e = 1, an even n, parts that do not belong together" \
		"no python3-pycryptodome"
fi

# Refused within the time, by code 78 and the file's name, and by nothing else.
# refused TITLE FILE COMMAND...
refused() {
	title=$1 file=$2
	shift 2
	run timeout 30 "$@"
	if [ "$RC" = 78 ] && grep -q "$file" e && ! grep -q "$(printf '\033')" e; then
		report 0 "$title"
	else
		report 1 "$title"
		diag "exit $RC: $(head -c 500 e)"
	fi
}
mkdir as-client as-server
cp client1_public.pem server_public.pem as-client/
for f in bad/*.private.pem; do
	what=${f#bad/} what=${what%.private.pem}
	cat "$f" >as-client/client1_private.pem && chmod 600 as-client/client1_private.pem
	case $what in
	dp-other | dq-other | iq-other | p-other | p-is-q | even-p)
		# a client need not spend an RSA operation on this: the login itself tests it
		run timeout 30 "$SMTP361" inbox -u client1 --password-file pw1 -k as-client
		like "private key, $what: inbox refuses it with 78, or its login fails with 76" \
			"$RC" '^7[68]$'
		;;
	*)
		refused "private key, $what: inbox refuses it, 78" client1_private.pem \
			"$SMTP361" inbox -u client1 --password-file pw1 -k as-client
		;;
	esac
done
cp user_pass.json as-server/
for what in empty no-end bad-base64 two-keys public-for-private bits1024 bits16384 e1 ec-pkcs8 \
	encrypted-pkcs8 p-other dp-other dq-other \
	iq-other p-is-q even-p; do
	[ -e bad/$what.private.pem ] || continue
	cp bad/$what.private.pem as-server/server_private.pem && chmod 600 \
		as-server/server_private.pem
	refused "the server's key, $what: serve refuses it, 78" server_private.pem \
		"$SMTP361" serve -d as-server -l 127.0.0.1:0
done
cp bad/cut.private.pem as-server/c_private.pem && chmod 600 as-server/c_private.pem
refused "keygen completes no bad private key" c_private.pem "$SMTP361" keygen -d as-server c
ok "... and makes no public one of it" test ! -e as-server/c_public.pem
cat "$good" >as-client/client1_private.pem
for f in bad/*.public.pem; do
	what=${f#bad/} what=${what%.public.pem}
	cat "$f" >as-client/server_public.pem
	refused "the server's public key, $what: inbox refuses it, 78" server_public.pem \
		"$SMTP361" inbox -u client1 --password-file pw1 -k as-client
done
cat "$pub" >as-client/server_public.pem
ok "the good ones in their place log in" "$SMTP361" inbox -u client1 --password-file pw1 -k \
	as-client

for m in 0640 0604 0644 0660 0666 0610 0601; do
	chmod $m as-client/client1_private.pem
	refused "a private key of mode $m is refused" client1_private.pem \
		"$SMTP361" inbox -u client1 --password-file pw1 -k as-client
	ok "... with the cure" grep -q 'chmod 600' e
done
cp "$good" as-server/server_private.pem && chmod 644 as-server/server_private.pem
refused "serve refuses a private key that others can read" server_private.pem \
	"$SMTP361" serve -d as-server -l 127.0.0.1:0

# the same of X25519 keys. A private half is read to be completed, a public one to be kept, and
# nothing is made beside a bad one.
mkdir x25519 xbad
quiet_ssl genpkey -algorithm X25519 -out x25519/good
quiet_ssl pkey -in x25519/good -pubout -out x25519/good.pub
xgood=$PWD/x25519/good xpub=$PWD/x25519/good.pub
give_x25519() { # PRIVATE [PUBLIC]: the only files in x25519/k
	rm -rf x25519/k && mkdir x25519/k
	cat "$1" >x25519/k/a_x25519_private.pem && chmod 600 x25519/k/a_x25519_private.pem
	[ $# = 1 ] || cat "$2" >x25519/k/a_x25519_public.pem
}
reads_private() { # TITLE FILE: as a half that is completed
	give_x25519 "$2"
	run "$SMTP361" keygen -d x25519/k --only x25519 a
	is "$1" "$RC $(cat x25519/k/a_x25519_public.pem)" "0 $(public_of "$xgood")"
}
reads_public() { # TITLE FILE: as a half that is kept
	give_x25519 "$xgood" "$2"
	run timeout 20 "$SMTP361" keygen -d x25519/k a
	like "$1" "$RC $(cat o)" "^0 a: X25519 SHA256:$(fingerprint_of "$xpub" | sed 's/+/[+]/g') \\(kept\\)"
}
reads_private "openssl genpkey -algorithm X25519 is read" "$xgood"
reads_public "... and its public half" "$xpub"
sed 's/$/\r/' "$xgood" >x25519/crlf && sed 's/$/\r/' "$xpub" >x25519/crlf.pub
reads_private "X25519 keys with CRLF line ends are read" x25519/crlf
reads_public "... and public ones" x25519/crlf.pub
(echo "a comment ahead of it" && printf %s "$(cat "$xgood")") >x25519/text
reads_private "text around it, and no last newline, do no harm" x25519/text

: >xbad/empty.private.pem
echo "this is no key" >xbad/prose.private.pem
head -c 300 /dev/urandom >xbad/random.private.pem
sed '$d' "$xgood" >xbad/no-end.private.pem
head -n 1 "$xgood" >xbad/begin-alone.private.pem
sed '2s/^..../!*#,/' "$xgood" >xbad/bad-base64.private.pem
sed '2d' "$xgood" >xbad/no-content.private.pem
cat "$xgood" "$xgood" >xbad/two-keys.private.pem
cat "$xgood" "$xpub" >xbad/private-and-public.private.pem
cp "$xpub" xbad/public-for-private.private.pem
sed 's/-----END.*/-----END PUBLIC KEY-----/' "$xgood" >xbad/other-end.private.pem
quiet_ssl pkey -in "$xgood" -outform DER -out xbad/der.private.pem
quiet_ssl pkey -in "$xgood" -aes128 -passout pass:secret -out xbad/encrypted.private.pem
cp "$good" xbad/RSA-pkcs1.private.pem
quiet_ssl pkey -in "$good" -out xbad/RSA-pkcs8.private.pem
cp bad/ec-sec1.private.pem xbad/EC-sec1.private.pem
cp bad/ec-pkcs8.private.pem xbad/EC-pkcs8.private.pem
for f in empty prose random no-content; do
	cp xbad/$f.private.pem xbad/$f.public.pem
done
sed '$d' "$xpub" >xbad/no-end.public.pem
sed '2s/^..../!*#,/' "$xpub" >xbad/bad-base64.public.pem
cat "$xpub" "$xpub" >xbad/two-keys.public.pem
cp "$xgood" xbad/private-for-public.public.pem
quiet_ssl pkey -pubin -in "$xpub" -outform DER -out xbad/der.public.pem
cp "$pub" xbad/RSA-spki.public.pem
quiet_ssl rsa -pubin -in "$pub" -RSAPublicKey_out -out xbad/RSA-pkcs1.public.pem
cp bad/ec.public.pem xbad/EC.public.pem
for kind in X448 Ed25519 Ed448; do
	quiet_ssl genpkey -algorithm $kind -out xbad/$kind.private.pem
	quiet_ssl pkey -in xbad/$kind.private.pem -pubout -out xbad/$kind.public.pem
done
# der HEX LABEL: as PEM
der() {
	echo "-----BEGIN $2-----"
	perl -e 'print pack "H*", shift' "$1" | base64 -w 64
	echo "-----END $2-----"
}
b31=$(printf '%062d' 7) b32=$(printf '%064d' 7) b33=$(printf '%066d' 7) zeros=$(printf '%064d' 0)
alg=300506032b656e
der "302d020100${alg}0421041f$b31" "PRIVATE KEY" >xbad/31-bytes.private.pem
der "302f020100${alg}04230421$b33" "PRIVATE KEY" >xbad/33-bytes.private.pem
der "302e020100${alg}04220420$zeros" "PRIVATE KEY" >xbad/zeros.private.pem
der "302e020102${alg}04220420$b32" "PRIVATE KEY" >xbad/version-2.private.pem
der "3051020101${alg}04220420${b32}812100$b32" "PRIVATE KEY" >xbad/public-disagrees.private.pem
der "3029${alg}032000$b31" "PUBLIC KEY" >xbad/31-bytes.public.pem
der "302b${alg}032200$b33" "PUBLIC KEY" >xbad/33-bytes.public.pem
der "302a${alg}032100$zeros" "PUBLIC KEY" >xbad/zeros.public.pem
der "302a${alg}032100ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" "PUBLIC KEY" \
	>xbad/low-order.public.pem
der "302a${alg}032100$b32" "PUBLIC KEY" >x25519/seven
ok "the bytes that these are made of would be a key" openssl pkey -pubin -in x25519/seven -noout
for f in xbad/*.private.pem; do
	what=${f#xbad/} what=${what%.private.pem}
	give_x25519 "$f"
	refused "X25519 private key, $what: keygen refuses it, 78" a_x25519_private.pem \
		"$SMTP361" keygen -d x25519/k a
	is "... and makes nothing" "$(ls x25519/k)" a_x25519_private.pem
	case $what in
	RSA* | EC* | X448 | Ed*) ok "... naming its kind" grep -q "no X25519 key: it is ${what%-*}" e ;;
	3?-bytes) ok "... counting it" grep -q "has ${what%-bytes} bytes, not 32" e ;;
	encrypted) ok "... with the cure" grep -q 'hint: take its passphrase off' e ;;
	esac
done
for f in xbad/*.public.pem; do
	what=${f#xbad/} what=${what%.public.pem}
	give_x25519 "$xgood" "$f"
	refused "X25519 public key, $what: keygen refuses it, 78" a_x25519_public.pem \
		"$SMTP361" keygen -d x25519/k a
	is "... and makes nothing" "$(ls x25519/k | wc -l)" 2
	case $what in
	RSA* | EC* | X448 | Ed*) ok "... naming its kind" grep -q "no X25519 key: it is ${what%-*}" e ;;
	3?-bytes) ok "... counting it" grep -q "has ${what%-bytes} bytes, not 32" e ;;
	zeros | low-order) ok "... saying why" grep -q 'is of low order' e ;;
	esac
done
for m in 0644 0640 0604 0601; do
	give_x25519 "$xgood" && chmod $m x25519/k/a_x25519_private.pem
	refused "an X25519 private key of mode $m is refused" a_x25519_private.pem \
		"$SMTP361" keygen -d x25519/k a
	ok "... with the cure" grep -q 'hint: chmod 600 a_x25519_private\.pem' e
done
for what in folder FIFO "dangling link" "file of 2 GB"; do
	for half in private public; do
		give_x25519 "$xgood" "$xpub"
		odd_file="x25519/k/a_x25519_$half.pem"
		rm "$odd_file"
		[ $half = public ] || rm x25519/k/a_x25519_public.pem
		case $what in
		folder) mkdir -m 700 "$odd_file" ;;
		FIFO) mkfifo -m 600 "$odd_file" ;;
		"dangling link") ln -s nowhere "$odd_file" ;;
		"file of 2 GB") truncate -s 2G "$odd_file" && chmod 600 "$odd_file" ;;
		esac
		run timeout 30 "$SMTP361" keygen -d x25519/k a
		like "a $what as a_x25519_$half.pem: 66 or 78 at once, and named" "$RC $(cat e)" \
			"^(66|78) .*a_x25519_$half\\.pem"
	done
done
# and the other way round
cp user_pass.json as-server/ && cat "$xgood" >as-server/server_private.pem && chmod 600 \
	as-server/server_private.pem
refused "an X25519 key as the server's RSA key is refused" server_private.pem \
	"$SMTP361" serve -d as-server -l 127.0.0.1:0
ok "... naming its kind" grep -q 'no RSA key: it is X25519$' e

# what is no regular file: bounded in time and memory, 66 or 78, and named
odd() { # WHAT
	for half in client1_private server_public; do
		rm -rf as-client && mkdir as-client && cp "$pub" as-client/ && cp "$good" as-client/
		rm "as-client/$half.pem"
		case $1 in
		missing) ;;
		folder) mkdir "as-client/$half.pem" ;;
		FIFO) mkfifo "as-client/$half.pem" ;;
		device) ln -s /dev/zero "as-client/$half.pem" ;;
		"dangling link") ln -s nowhere "as-client/$half.pem" ;;
		"loop of links") ln -s $half.pem "as-client/$half.pem" ;;
		"file of 2 GB") truncate -s 2G "as-client/$half.pem" ;;
		"file of 100 KB") head -c 100000 /dev/zero | tr '\0' '\n' | cat - "$good" \
			>"as-client/$half.pem" ;;
		esac
		[ $half = server_public ] || [ ! -f "as-client/$half.pem" ] || chmod 600 \
			"as-client/$half.pem"
		run timeout 30 "$SMTP361" inbox -u client1 --password-file pw1 -k as-client
		like "a $1 as $half.pem: 66 or 78 at once, and named" "$RC $(cat e)" \
			"^(66|78) .*$half\\.pem"
	done
}
for what in missing folder FIFO device "dangling link" "loop of links" "file of 2 GB" \
	"file of 100 KB"; do
	odd "$what"
done
mkfifo as-server/fifo_private.pem
run timeout 30 "$SMTP361" keygen -d as-server fifo
like "keygen with a FIFO as the private key: refused at once" "$RC" '^(66|73|78)$'
rm as-server/server_private.pem
run timeout 30 "$SMTP361" serve -d as-server -l 127.0.0.1:0
like "serve without its key: 66, the file and the cure named" "$RC $(cat e)" \
	'^66 .*server_private\.pem'
ok "... the cure is keygen" grep -q keygen e
run "$SMTP361" inbox -u client1 --password-file pw1 -k no/such/folder
like "a folder of keys that is not there: 66, named" "$RC $(cat e)" '^66 .*no/such/folder'

# a user's bad public key on the server: that user is turned away, the server and the others go on
for what in empty ec e1 bits1024 two-keys bits16384; do
	[ -e bad/$what.public.pem ] || continue
	cp bad/$what.public.pem client2_public.pem
	run timeout 20 "$SMTP361" inbox -u client2 --password-file pw2
	ok "client2's public key, $what: no login" test "$RC" != 0 -a "$RC" -lt 124
	ok "... its file stands in the server's log" grep -q 'client2_public\.pem' err
done
rm client2_public.pem && mkfifo client2_public.pem
run timeout 20 "$SMTP361" inbox -u client2 --password-file pw2
ok "client2's public key, a FIFO: no login, at once" test "$RC" != 0 -a "$RC" -lt 124
rm client2_public.pem
cp client3_public.pem client2_public.pem
run timeout 20 "$SMTP361" inbox -u client2 --password-file pw2
is "client2's public key is another's: 76" "$RC" 76
ok "client1 logs in all the while" login client1
ok "the server lived through it all" stop_server

done_testing
