#!/bin/sh
# TLS: the certificates that keygen --tls makes as openssl sees them, others' keys and chains read and bad
# ones refused by name, and openssl's programs at the other end of the wire.
# shellcheck disable=SC2015,SC2086
. "$(dirname "$0")/lib.sh"

command -v openssl >/dev/null || skip_all "no openssl to judge TLS with"
PEER=$BUILD/t/peer/tls_peer
[ -x "$PEER" ] || skip_all "tls_peer is not built: make units"
export OPENSSL_CONF=/dev/null # old versions and ciphers are to be tried, whatever the system forbids

mkdir "$HOME_DIR/work" && cd "$HOME_DIR/work" || exit 1
run() {
	RC=0
	timeout 60 "$@" >o 2>e </dev/null || RC=$?
}
mode() { stat -c %a "$1"; }
CERT=server_tls_cert.pem KEY=server_tls_key.pem
text_of() { openssl x509 -in "$1" -noout -text; }
hex_pin() { openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -c 1-64; }
base64_pin() {
	openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER |
		openssl dgst -sha256 -binary | base64 | tr -d =
}
public_of() { openssl pkey -in "$1" -pubout; }

# --- what keygen --tls makes ---

mkdir ec rsa
run "$SMTP361" keygen -d ec --tls 'localhost,mail.example.org,*.example.net,127.0.0.1,::1'
is "keygen --tls ends with 0" "$RC" 0
is "... makes two files" "$(ls ec)" "$CERT
$KEY"
is "... the certificate for all, the key for its owner" "$(mode ec/$CERT) $(mode ec/$KEY)" "644 600"
is "... tells the public key's fingerprint" "$(sed -n 1p o)" "server_tls: EC P-256 SHA256:$(base64_pin ec/$CERT) (made)"
is "... and the certificate's, as msmtp takes it, its names and its end" "$(sed -n 2p o)" \
	"server_tls: certificate for localhost,mail.example.org,*.example.net,127.0.0.1,::1 until $(
		date -u -d "$(openssl x509 -in ec/$CERT -noout -enddate | cut -d = -f 2)" +%F), SHA256 $(
		openssl x509 -in ec/$CERT -noout -fingerprint -sha256 | cut -d = -f 2)"
like "... and the next command" "$(cat e)" '^smtp361 keygen: next: smtp361 serve -d ec --smtp '
like "the key is PKCS#8" "$(head -n 1 ec/$KEY)" '^-----BEGIN PRIVATE KEY-----$'
ok "... sound to openssl" openssl pkey -in ec/$KEY -check -noout
is "... written as openssl writes it" "$(openssl pkey -in ec/$KEY)" "$(cat ec/$KEY)"
is "... and the certificate's" "$(public_of ec/$KEY)" "$(openssl x509 -in ec/$CERT -noout -pubkey)"
text_of ec/$CERT >text
for line in 'Version: 3 ' 'Signature Algorithm: ecdsa-with-SHA256' 'Issuer: CN = localhost' 'Subject: CN = localhost' \
	'ASN1 OID: prime256v1' 'X509v3 Basic Constraints: critical' 'CA:FALSE' 'X509v3 Key Usage: critical' \
	'Digital Signature' 'TLS Web Server Authentication'; do
	ok "the certificate has \"$line\"" grep -q "$line" text
done
is "it has every name, the addresses as addresses" "$(grep -A 1 'Alternative Name' text | tail -n 1 | sed 's/^ *//')" \
	"DNS:localhost, DNS:mail.example.org, DNS:*.example.net, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1"
ok "asn1parse reads all of it" openssl asn1parse -in ec/$CERT -noout
is "it is DER as openssl writes it" "$(openssl x509 -in ec/$CERT)" "$(cat ec/$CERT)"
serial=$(openssl x509 -in ec/$CERT -noout -serial | cut -d = -f 2)
like "its serial number has 20 bytes and is positive" "$serial" '^[4-7][0-9A-F]{39}$'
ok "it is valid now" openssl x509 -in ec/$CERT -noout -checkend 0
ok "... for ten years, but for a day" openssl x509 -in ec/$CERT -noout -checkend $((3651 * 86400))
ok "... and no longer" must_fail 1 openssl x509 -in ec/$CERT -noout -checkend $((3653 * 86400))
for name in '-verify_hostname localhost' '-verify_hostname mail.example.org' '-verify_hostname a.example.net' \
	'-verify_ip 127.0.0.1' '-verify_ip ::1'; do
	ok "it verifies as its own CA, strictly: $name" openssl verify -x509_strict -purpose sslserver $name -CAfile ec/$CERT ec/$CERT
done
ok "it does not for another host" must_fail 2 openssl verify -verify_hostname other -CAfile ec/$CERT ec/$CERT
# what a thief of the key could sign
openssl req -newkey rsa:2048 -nodes -keyout thief.key -out thief.csr -subj /CN=bank.example 2>/dev/null
openssl x509 -req -in thief.csr -CA ec/$CERT -CAkey ec/$KEY -set_serial 1 -days 2 -out thief.pem 2>/dev/null
ok "its key signs no other certificate that is believed" must_fail 2 openssl verify -CAfile ec/$CERT thief.pem

run "$SMTP361" keygen -d rsa --tls localhost --bits 2048 --days 30
like "--bits makes an RSA key" "$RC $(sed -n 1p o)" '^0 server_tls: RSA 2048 SHA256:[A-Za-z0-9+/]{43} \(made\)$'
text_of rsa/$CERT >text
ok "... of that size" grep -q 'Public-Key: (2048 bit)' text
ok "... which signs with SHA-256" grep -q 'Signature Algorithm: sha256WithRSAEncryption' text
ok "... sound to openssl" openssl pkey -in rsa/$KEY -check -noout
is "... written as openssl writes it" "$(openssl pkey -in rsa/$KEY)" "$(cat rsa/$KEY)"
ok "it verifies as its own CA" openssl verify -x509_strict -purpose sslserver -CAfile rsa/$CERT rsa/$CERT
ok "--days 30 is valid for 29" openssl x509 -in rsa/$CERT -noout -checkend $((29 * 86400))
ok "... and not for 31" must_fail 1 openssl x509 -in rsa/$CERT -noout -checkend $((31 * 86400))
mkdir far long
run "$SMTP361" keygen -d far --tls localhost --days 36500
like "a year from 2050 on has four digits" "$RC $(openssl asn1parse -in far/$CERT)" 'GENERALIZEDTIME +:21[0-9]{12}Z'
name=$(printf '%060d.%060d.example' 1 2)
run "$SMTP361" keygen -d long --tls "$name"
is "a long name is whole among the names, and cut in the CN" "$RC $(text_of long/$CERT | grep -c "DNS:$name\$")" "0 1"
ok "... and verifies" openssl verify -verify_hostname "$name" -CAfile long/$CERT long/$CERT

# --- what exists ---

sums=$(sha256sum ec/*)
run "$SMTP361" keygen -d ec --tls localhost
like "an existing certificate is refused with 73" "$RC $(cat e)" "^73 .*cannot create $CERT: it exists"
like "... with a hint" "$(cat e)" 'hint: --force '
is "... and stays as it was" "$(sha256sum ec/*)" "$sums"
run "$SMTP361" keygen -d ec --tls localhost --force
is "--force replaces both" "$RC $(echo "$sums" | sha256sum -c 2>/dev/null | grep -c FAILED)" "0 2"
is "... by a pair" "$(public_of ec/$KEY)" "$(openssl x509 -in ec/$CERT -noout -pubkey)"
is "... that nothing is left beside" "$(ls -A ec)" "$CERT
$KEY"
rm ec/$CERT
run "$SMTP361" keygen -d ec --tls localhost
like "a key without a certificate is refused, too" "$RC $(cat e)" "^73 .*cannot create $KEY: it exists"
run "$SMTP361" keygen -d ec --tls localhost,127.0.0.1 --force
is "... and replaced by --force" "$RC $(ls ec | wc -l)" "0 2"
mkdir masked
(umask 077 && "$SMTP361" keygen -d masked --tls localhost >/dev/null 2>&1)
is "under umask 077 the modes are the same" "$(mode masked/$CERT) $(mode masked/$KEY)" "644 600"
run "$SMTP361" keygen -d nowhere --tls localhost
like "a folder that is not there: 66" "$RC $(cat e)" '^66 .*nowhere'

# --- misuse ---

mkdir none
misuse() { # TITLE OPTION...
	title=$1
	shift
	run "$SMTP361" keygen -d none "$@"
	is "$title is misuse, and makes nothing" "$RC $(ls -A none) $(wc -l <e)" "64  2"
}
for names in '' ',' 'a,' ',a' 'a,,b' 'a b' a/b -a a- a..b .a a. '*' 'a.*.b' '**.a' '*a.b' 'ünal.example' 127.0.0.1:25 '[::1]' \
	"$(printf '%064d' 1).example" "$(printf '%063d.%063d.%063d.%063d' 1 2 3 4)"; do
	misuse "--tls \"$names\"" --tls "$names"
done
many=$(seq -s , 1 33 | sed 's/[0-9]*/h&/g')
misuse "--tls with 33 names" --tls "$many"
misuse "--tls with a name" --tls localhost alice
misuse "--tls --all" --tls localhost --all
misuse "--tls --only rsa" --tls localhost --only rsa
misuse "--tls twice" --tls localhost --tls localhost
misuse "--tls --bits 1024" --tls localhost --bits 1024
misuse "--tls --days 0" --tls localhost --days 0
misuse "--tls --days 36501" --tls localhost --days 36501
misuse "--days without --tls" --days 30 alice
run "$SMTP361" keygen -d none --tls "${many%,h33}"
is "32 names are taken" "$RC" 0

# --- a server's files, from others ---

SERVED='' PORT=''
serve() { # CERT KEY
	: >served # the port of the one before is not this one's
	"$PEER" serve "$1" "$2" >served 2>served.err &
	SERVED=$!
	PIDS="$PIDS $SERVED"
	for _ in $(seq 600); do
		PORT=$(sed -n 1p served)
		[ -z "$PORT" ] || return 0
		kill -0 "$SERVED" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}
unserve() {
	end_pid "$SERVED"
}
dial() { # HOST CA|PIN: what was said, the exit code in front
	RC=0
	echo hello | timeout 30 "$PEER" dial "$PORT" "$1" "$2" >o 2>e || RC=$?
	echo "$RC $(tr '\n' ' ' <o)"
}
taken() { # TITLE CERT KEY SUITE
	if serve "$2" "$3"; then
		is "$1 is read, and serves" "$(dial localhost "$(hex_pin "$2")")" "0 ok TLS1.2 $4 AES_128_GCM hello "
	else
		report 1 "$1 is read, and serves"
		why "$(cat served.err)"
	fi
	unserve
}
refused() { # TITLE CERT KEY REGEX
	run "$PEER" serve "$2" "$3"
	like "$1 is refused" "$RC $(cat e)" "^78 $4"
}
self_signed() { openssl req -x509 -new -key "$1" -out "$2" -days 9 -subj /CN=localhost; }

for curve in P-256 P-384; do
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:$curve -out $curve.p8
	openssl ec -in $curve.p8 -out $curve.sec1 2>/dev/null
	self_signed $curve.p8 $curve.crt
	like "openssl's PKCS#8 and SEC 1 are what they say ($curve)" "$(head -n 1 $curve.p8 $curve.sec1 | tr '\n' ' ')" \
		'BEGIN PRIVATE KEY.*BEGIN EC PRIVATE KEY'
	taken "an EC key on $curve (PKCS#8)" $curve.crt $curve.p8 ECDHE_ECDSA
	taken "an EC key on $curve (SEC 1)" $curve.crt $curve.sec1 ECDHE_ECDSA
done
openssl ecparam -name prime256v1 -genkey -out params.sec1
self_signed params.sec1 params.crt
is "ecparam -genkey writes two objects" "$(grep -c BEGIN params.sec1)" 2
taken "an EC key behind its parameters" params.crt params.sec1 ECDHE_ECDSA
for bits in 2048 4096; do
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:$bits -out $bits.p8 2>/dev/null
	openssl rsa -in $bits.p8 -traditional -out $bits.p1 2>/dev/null
	self_signed $bits.p8 $bits.crt
	taken "an RSA key of $bits bits (PKCS#8)" $bits.crt $bits.p8 ECDHE_RSA
	taken "an RSA key of $bits bits (PKCS#1)" $bits.crt $bits.p1 ECDHE_RSA
done
cat 2048.crt 2048.p8 >both.pem
taken "a file that holds certificate and key" both.pem both.pem ECDHE_RSA
{
	text_of 2048.crt
	sed 's/$/\r/' 2048.crt
} >crlf.crt
taken "a certificate with its text ahead, and CRLF" crlf.crt 2048.p8 ECDHE_RSA

refused "the key of another certificate" 2048.crt 4096.p8 '.*private key is not that of the certificate'
refused "an EC key for an RSA certificate" 2048.crt P-256.p8 '.*private key is not that of the certificate'
refused "a key on another curve" P-384.crt P-256.p8 '.*private key is not that of the certificate'
openssl pkey -in 2048.p8 -aes128 -passout pass:x -out encrypted.p8
openssl rsa -in 2048.p8 -traditional -aes128 -passout pass:x -out encrypted.p1 2>/dev/null
for form in p8 p1; do
	refused "an encrypted key ($form)" 2048.crt encrypted.$form '.*private key is encrypted'
	like "... with a hint" "$(cat e)" '^hint: .*openssl pkey -in'
done
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out 1024.p8 2>/dev/null
self_signed 1024.p8 1024.crt
refused "an RSA key of 1024 bits" 1024.crt 1024.p8 '.*1024 bits, not 2048 to 4096'
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out P-521.p8
self_signed P-521.p8 P-521.crt
refused "an EC key on P-521" P-521.crt P-521.p8 '.*another curve'
openssl genpkey -algorithm Ed25519 -out ed.p8
self_signed ed.p8 ed.crt
refused "an Ed25519 certificate" ed.crt ed.p8 '.*BR_ERR_X509_'
refused "an Ed25519 key" 2048.crt ed.p8 '.*neither RSA nor EC'
refused "a key for a certificate" 2048.p8 2048.p8 '.*holds no certificate'
refused "a certificate for a key" 2048.crt 2048.crt '.*holds no private key'
: >empty
refused "an empty certificate" empty 2048.p8 '.*holds no certificate'
refused "an empty key" 2048.crt empty '.*holds no private key'
cat 2048.p8 4096.p8 >two.p8
refused "a file of two keys" 2048.crt two.p8 '.*more than one private key'
for i in 1 2 3 4 5 6 7 8 9; do cat 2048.crt; done >nine.crt
refused "a chain of nine" nine.crt 2048.p8 '.*more than 8 certificates'
head -n 5 2048.crt >cut.crt
refused "a certificate that is cut" cut.crt 2048.p8 '.*damaged or cut short'
head -n 5 2048.p8 >cut.p8
refused "a key that is cut" 2048.crt cut.p8 '.*damaged or cut short'
openssl x509 -in 2048.crt -outform DER | head -c 300 | openssl base64 |
	sed '1i-----BEGIN CERTIFICATE-----
$a-----END CERTIFICATE-----' >short.crt
refused "a certificate whose DER is cut" short.crt 2048.p8 '.*certificate 1 in it: .*BR_ERR_X509_'
openssl pkey -in 2048.p8 -outform DER | head -c 300 | openssl base64 |
	sed '1i-----BEGIN PRIVATE KEY-----
$a-----END PRIVATE KEY-----' >short.p8
refused "a key whose DER is cut" 2048.crt short.p8 '.*private key is damaged'

# --- a chain, and whom a client trusts ---

openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 9 -subj '/CN=A CA' -addext basicConstraints=critical,CA:TRUE 2>/dev/null
sign() { # KEY SUBJECT CA CAKEY OUT EXTENSIONS
	openssl req -new -key "$1" -subj "$2" -out csr
	printf '%b' "$6" >ext
	openssl x509 -req -in csr -CA "$3" -CAkey "$4" -set_serial "$(date +%s%N)" -days 9 -extfile ext -out "$5" 2>/dev/null
}
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out mid.key
sign mid.key '/CN=An intermediate' ca.pem ca.key mid.pem 'basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n'
sign P-256.p8 /CN=x mid.pem mid.key leaf.pem 'subjectAltName=DNS:localhost\n'
cat leaf.pem mid.pem >chain.pem
cat ed.crt 2048.crt ca.pem >bundle.pem
serve chain.pem P-256.p8
is "a chain by an intermediate leads to its CA" "$(dial localhost ca.pem)" "0 ok TLS1.2 ECDHE_ECDSA AES_128_GCM hello "
is "... in a bundle, with keys that are not known in it" "$(dial localhost bundle.pem)" "0 ok TLS1.2 ECDHE_ECDSA AES_128_GCM hello "
is "... and to its intermediate, which may be trusted alone" "$(dial localhost mid.pem)" "0 ok TLS1.2 ECDHE_ECDSA AES_128_GCM hello "
like "... and to no other" "$(dial localhost 2048.crt)" '^77 failed 77 .*BR_ERR_X509_NOT_TRUSTED.*hint: .*--tls-ca'
like "the CN counts for nothing where there are names" "$(dial x ca.pem)" '^77 .*BR_ERR_X509_BAD_SERVER_NAME'
unserve
serve leaf.pem P-256.p8
like "a chain without its intermediate is refused" "$(dial localhost ca.pem)" '^77 .*BR_ERR_X509_NOT_TRUSTED'
unserve
sign 2048.p8 /CN=localhost leaf.pem P-256.p8 forged.pem 'subjectAltName=DNS:localhost\n'
cat forged.pem leaf.pem mid.pem >forged-chain.pem
serve forged-chain.pem 2048.p8
like "what no CA has signed is refused, whoever signed that" "$(dial localhost ca.pem)" '^77 .*BR_ERR_X509_NOT_CA'
unserve
openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -sha1 -set_serial 5 -days 9 -extfile ext -out sha1.pem 2>/dev/null
serve sha1.pem 2048.p8
like "a signature by SHA-1 is refused" "$(dial localhost ca.pem)" '^7[67] failed .*BR_ERR_X509_'
unserve
serve 1024.crt 1024.p8 && report 1 "no server has 1024 bits" || report 0 "no server has 1024 bits"
for bad in empty short.crt 2048.p8; do
	RC=0
	"$PEER" dial 1 localhost $bad >o 2>e </dev/null || RC=$?
	like "$bad for a CA: 78" "$RC $(cat e)" '^78 '
done
if [ -r /etc/ssl/certs/ca-certificates.crt ]; then
	serve 2048.crt 2048.p8
	like "the system's bundle of CAs is read" "$(dial localhost /etc/ssl/certs/ca-certificates.crt)" '^77 .*BR_ERR_X509_NOT_TRUSTED'
	unserve
else
	skip "the system's bundle of CAs is read" "there is none"
fi

# --- openssl s_client, against ours ---

# s_client OPTION...: what openssl says of its handshake with the server
s_client() {
	echo ping | timeout 20 openssl s_client -connect "127.0.0.1:$PORT" "$@" >o 2>&1
	cat o
}
speaks() { # TITLE SUITE OPTION...: it does
	title=$1 suite=$2
	shift 2
	like "$title" "$(s_client "$@" | tr '\n' ' ')" "Cipher is $suite "
}
refuses() { # TITLE OPTION...: there is no handshake
	title=$1
	shift
	like "$title" "$(s_client "$@" | tr '\n' ' ')" 'Cipher is \(NONE\)'
}
for kind in ec rsa; do
	[ $kind = ec ] && A=ECDSA || A=RSA
	serve $kind/$CERT $kind/$KEY || report 1 "the $kind server starts"
	speaks "$kind: openssl connects and verifies" "ECDHE-$A-AES128-GCM-SHA256" -CAfile $kind/$CERT -verify_hostname localhost -verify_return_error
	for suite in AES128-GCM-SHA256 AES256-GCM-SHA384 CHACHA20-POLY1305; do
		speaks "$kind: ECDHE-$A-$suite is spoken" "ECDHE-$A-$suite" -tls1_2 -cipher ECDHE-$A-$suite
	done
	four_told() { [ "$(grep -c "^ok TLS1.2 ECDHE_$A \(AES_128_GCM\|AES_256_GCM\|CHACHA20_POLY1305\)\$" served)" = 4 ]; }
	ok "$kind: the suites are told in the field's names" wait_for 10 four_told
	speaks "$kind: the server's order of suites counts" "ECDHE-$A-AES128-GCM-SHA256" -tls1_2 \
		-cipher "ECDHE-$A-AES256-GCM-SHA384:ECDHE-$A-CHACHA20-POLY1305:ECDHE-$A-AES128-GCM-SHA256"
	for suite in ECDHE-$A-AES128-SHA ECDHE-$A-AES128-SHA256 ECDHE-$A-AES256-SHA384 AES128-GCM-SHA256 AES128-SHA \
		DHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-CCM NULL-SHA256 PSK-AES128-GCM-SHA256 ADH-AES128-GCM-SHA256; do
		refuses "$kind: $suite is refused" -tls1_2 -cipher "$suite:@SECLEVEL=0" -psk 00
	done
	for version in tls1 tls1_1; do
		refuses "$kind: $version is refused" -$version -cipher 'ALL:@SECLEVEL=0'
	done
	refuses "$kind: TLS 1.3 alone is refused" -tls1_3
	# of an EC certificate the curve must be among the groups, too
	[ $kind = rsa ] && for curve in X25519 P-256 P-384; do
		speaks "$curve is spoken" "ECDHE-$A-AES128-GCM-SHA256" -tls1_2 -groups $curve
	done && for curve in P-521 X448; do
		refuses "$curve is refused" -tls1_2 -groups $curve
	done
	for hash in SHA256 SHA384 SHA512; do
		speaks "$kind: a signature by $hash is made" "ECDHE-$A-AES128-GCM-SHA256" -tls1_2 -sigalgs $A+$hash
	done
	refuses "$kind: a signature by SHA-1 is not" -tls1_2 -sigalgs $A+SHA1 -cipher 'ALL:@SECLEVEL=0'
	like "$kind: nothing is compressed" "$(s_client -tls1_2)" '^Compression: NONE'
	s_client -tls1_2 -reconnect >/dev/null
	is "$kind: no session is resumed" "$(grep -c '^New, .*Cipher is ECDHE' o) $(grep -c '^Reused' o)" "6 0"
	# R asks for a renegotiation; a server that refuses it may go on, or end
	like "$kind: renegotiation is refused" "$({
		echo R
		sleep 1
	} | timeout 20 openssl s_client -connect "127.0.0.1:$PORT" -tls1_2 2>&1 | tr '\n' ' ')" 'RENEGOTIATING.*no renegotiation'
	speaks "$kind: after all of this the server still serves" "ECDHE-$A-AES128-GCM-SHA256" -tls1_2
	unserve
done

# --- ours, against openssl s_server ---

s_server() { # CERT KEY OPTION...
	cert=$1 key=$2
	shift 2
	: >server
	openssl s_server -accept 127.0.0.1:0 -cert "$cert" -key "$key" -rev "$@" >server 2>&1 </dev/null &
	SERVED=$!
	PIDS="$PIDS $SERVED"
	for _ in $(seq 600); do
		PORT=$(sed -n 's/^ACCEPT 127\.0\.0\.1:\([0-9]*\)$/\1/p' server)
		[ -z "$PORT" ] || return 0
		sleep 0.05
	done
	why "openssl s_server does not listen: $(cat server)"
}
said=olleh
for kind in ec rsa; do
	[ $kind = ec ] && A=ECDSA || A=RSA
	for suite in AES128-GCM-SHA256=AES_128_GCM AES256-GCM-SHA384=AES_256_GCM CHACHA20-POLY1305=CHACHA20_POLY1305; do
		s_server $kind/$CERT $kind/$KEY -tls1_2 -cipher ECDHE-$A-${suite%=*}
		is "client, $kind: ECDHE-$A-${suite%=*} is spoken" "$(dial localhost $kind/$CERT)" "0 ok TLS1.2 ECDHE_$A ${suite#*=} $said "
		unserve
	done
	s_server $kind/$CERT $kind/$KEY
	is "client, $kind: a server that has TLS 1.3 speaks 1.2" "$(dial localhost $kind/$CERT)" "0 ok TLS1.2 ECDHE_$A AES_128_GCM $said "
	unserve
	for options in -tls1 -tls1_1 -tls1_3 '-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA' \
		'-tls1_2 -cipher AES128-GCM-SHA256:AES128-SHA' '-tls1_2 -groups P-521' '-tls1_2 -groups X448'; do
		s_server $kind/$CERT $kind/$KEY ${options%% -*} -cipher 'ALL:@SECLEVEL=0' ${options#"${options%% -*}"}
		like "client, $kind: $options is refused" "$(dial localhost $kind/$CERT)" '^76 failed 76 the TLS handshake failed: '
		unserve
	done
done
done_testing
