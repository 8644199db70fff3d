#!/bin/sh
# The credential store: what `user` writes, who can log in, what is refused, what a crash leaves.
# shellcheck disable=SC2015
. "$(dirname "$0")/lib.sh"

PYTHON=/usr/bin/python3
site
file=user_pass.json
run() {
	RC=0
	timeout 20 "$@" >o 2>e </dev/null || RC=$?
}
user() { timeout 20 "$SMTP361" user "$@"; }
# login NAME PASSWORD-FILE: with client1's keys under another name where it has none of its own
login() {
	for half in private public; do
		[ -e "$1_$half.pem" ] || cp -p client1_$half.pem "$1_$half.pem"
	done
	timeout 20 "$SMTP361" inbox -u "$1" --password-file "$2"
}
names() { user list | cut -f 1 | tr '\n' ' '; }
row() { user list | grep "^$1	" | cut -f 1-5; } # of its line: name, password, mode, state, key
quota() { user list | grep "^$1	" | cut -f 6-7; }
# key_of FILE: the fingerprint of a public key, as openssl sees it
key_of() {
	printf 'SHA256:'
	openssl pkey -pubin -in "$1" -outform DER | openssl dgst -sha256 -binary | base64 | tr -d '=\n'
}

# --- the verbs, and that they matter ---

start_server || exit 1
is "list: name, password, mode, state, key, quota and mechanisms, separated by tabs" "$(user list | head -n 1)" \
	"client1	plain	both	-	$(key_of client1_x25519_public.pem)	-	-	-"
ok "list --json is JSON" sh -c "'$SMTP361' user list --json >j && $PYTHON -m json.tool j"
ok "... and has the same fields" $PYTHON -c "
import json
rows = json.load(open('j'))
assert len(rows) == 5 and rows[0] == {'user': 'client1', 'password': 'plain', 'mode': 'both',
    'key': '$(key_of client1_x25519_public.pem)'}, rows[0]"
ok "a plain account logs in" login client1 pw1
ok "a plain account does not with another password" must_fail 77 login client1 pw2
echo secret >pw
run "$SMTP361" user add dora --password-file pw
is "add ends with 0" "$RC" 0
is "the new account is Argon2id" "$(row dora)" "dora	argon2id	both	-	-"
ok "no password stands in the file" must_fail 1 grep -q secret $file
ok "what stands there is a PHC string" grep -Eq \
	'"password": "\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$' $file
is "the others stay as they were" "$(grep client1 $file)" '    "client1": "password1",'
is "the file is 0600" "$(stat -c %a $file)" 600
ok "nothing is left beside it" test -z "$(find . -name "*$file?*")"
ok "the mailbox is made, 0700" test "$(stat -c %a dora)" = 700
ok "the new account logs in at the running server" login dora pw
ok "... with no other password" must_fail 77 login dora pw1
run "$SMTP361" user add dora --password-file pw
is "add of an account that exists: 73" "$RC" 73
run "$SMTP361" user add client1 --password-file pw
is "add of a plain account that exists: 73" "$RC" 73
ok "... whose password stays" login client1 pw1
echo other >pw-other
run "$SMTP361" user passwd dora --password-file pw-other
is "passwd ends with 0" "$RC" 0
ok "... the new password logs in" login dora pw-other
ok "... the old one does not" must_fail 77 login dora pw
run "$SMTP361" user passwd client2 --password-file pw-other
is "passwd of a plain account makes it Argon2id" "$RC $(row client2)" \
	"0 client2	argon2id	both	-	$(key_of client2_x25519_public.pem)"
ok "... and it logs in" login client2 pw-other
run "$SMTP361" user passwd nobody --password-file pw
like "passwd of nobody: 67, named" "$RC $(cat e)" '^67 .*nobody'
echo hello | timeout 20 "$SMTP361" send -u client1 --password-file pw1 --to dora --title kept
wait_settled
run "$SMTP361" user del dora
is "del ends with 0" "$RC" 0
ok "... its login is refused" must_fail 77 login dora pw-other
ok "... its mail stays on disk" test -e dora/client1_kept.txt
run "$SMTP361" user del dora
like "del of nobody: 67, named" "$RC $(cat e)" '^67 .*dora'
run "$SMTP361" user harden
is "harden ends with 0" "$RC" 0
is "... no plain account is left" "$(user list | grep -c plain)" 0
is "... and no password" "$(grep -c 'password[1-5]' $file)" 0
for i in 1 3 4 5; do
	ok "client$i logs in after harden" login client$i pw$i
done
cp -p $file before
run "$SMTP361" user harden
ok "harden again changes nothing" cmp before $file
ok "the server ends well" stop_server

# --- keys, modes, invitations, and shutting out ---

mkdir v && cd v || exit 1
cp -p ../pw ../server_x25519_*.pem ../client[12]_x25519_public.pem .
echo '{"client1": "password1", "client2": "password2"}' >$file && chmod 600 $file
file_key=$(key_of client1_x25519_public.pem) other_key=$(key_of client2_x25519_public.pem)
run "$SMTP361" user key client1
is "key: the key file's, where the account has none" "$RC $(cat o)" "0 client1: X25519 $file_key"
run "$SMTP361" user key client1 client2_x25519_public.pem
is "key FILE: shows the new one" "$RC $(cat o)" "0 client1: X25519 $other_key"
is "... which counts before the key file's" "$(row client1)" "client1	argon2id	both	-	$other_key"
ok "... the plain password has become Argon2id by it" must_fail 1 grep -q password1 $file
run "$SMTP361" user add dora --password-file pw
run "$SMTP361" user key dora
like "key of who has none: 66, named" "$RC $(cat e)" '^66 .*dora'
run "$SMTP361" user key nobody
like "key of nobody: 67, named" "$RC $(cat e)" '^67 .*nobody'
cp -p $file before
for bad in nowhere pw . ../client1_public.pem server_x25519_private.pem; do
	run "$SMTP361" user key dora $bad
	case $RC in 66 | 78) ok "key $bad: $RC" cmp before $file ;; *) is "key $bad" "$RC" "66 or 78" ;; esac
done

for mode in enhanced key both; do
	run "$SMTP361" user mode client1 $mode
	is "mode $mode" "$RC $(row client1)" "0 client1	argon2id	$mode	-	$other_key"
done
run "$SMTP361" user mode client1 KEY
like "mode KEY: 64" "$RC $(cat e)" '^64 .*both, enhanced or key'
run "$SMTP361" user mode nobody key
like "mode of nobody: 67, named" "$RC $(cat e)" '^67 .*nobody'
run "$SMTP361" user mode client2 key
is "mode leaves no plain password" "$RC $(row client2)" "0 client2	argon2id	key	-	$other_key"

now=$(date +%s)
run "$SMTP361" user invite eva -s mail.example --hours 5
like "invite prints the line, alone" "$RC $(cat o)" \
	'^0 smtp361://eva@mail\.example:13000/[A-Za-z0-9_-]{43}/[A-Za-z0-9_-]{22}/[0-9]+$'
is "... the server's key in it is the server's" "$(cut -d / -f 4 o | tr _- /+)" \
	"$(openssl pkey -pubin -in server_x25519_public.pem -outform DER | tail -c 32 | base64 | tr -d =)"
left=$(($(cut -d / -f 6 o) - now - 5 * 3600))
ok "... it expires in 5 hours" test $left -ge 0 -a $left -le 20
like "... stderr tells what eva runs" "$(cat e)" 'eva runs .smtp361 join'
ok "... the file does not hold the secret" must_fail 1 grep -qF -e "$(cut -d / -f 5 o)" $file
is "... eva is listed as invited" "$(row eva)" "eva	none	both	invited	-"
ok "... the mailbox is made, 0700" test "$(stat -c %a eva)" = 700
run "$SMTP361" user invite client1 -s '[::1]:5'
like "an IPv6 address stays in its brackets" "$(cat o)" '^smtp361://client1@\[::1\]:5/'
is "an invitation leaves the account as it was" "$(row client1)" \
	"client1	argon2id	both	invited	$other_key"
run env SMTP361_SERVER=there:99 "$SMTP361" user invite eva
like "the address may come from the environment" "$(cat o)" '^smtp361://eva@there:99/'
run env -u SMTP361_SERVER "$SMTP361" user invite eva
like "without an address it is this machine's name, and stderr says so" "$(cat o) $(cat e)" \
	"^smtp361://eva@$(hostname):13000/.*machine's name"
mkdir no-key && run "$SMTP361" user -d no-key invite eva -s x
like "invite without the server's key: 66, named" "$RC $(cat e)" '^66 .*server_x25519_public\.pem'
like "... with how to make it" "$(cat e)" '^hint: smtp361 keygen -d no-key server$'
is "... and no account is made" "$(ls -A no-key)" ""

cp -p client2_x25519_public.pem eva_x25519_public.pem
for who in client1 client2 eva; do
	run "$SMTP361" user revoke $who
	is "revoke $who takes password, key and invitation away" "$RC $(row $who)" \
		"0 $who	none	$([ $who = client2 ] && echo key || echo both)	revoked	-"
done
ok "... from the file, too" must_fail 1 grep -Eq '"(x25519|invitation)"' $file
run "$SMTP361" user revoke eva
is "revoke again is fine" "$RC" 0
run "$SMTP361" user revoke nobody
like "revoke of nobody: 67, named" "$RC $(cat e)" '^67 .*nobody'
run "$SMTP361" user key eva eva_x25519_public.pem
is "a key that was revoked is not registered again" "$RC $(row eva)" "77 eva	none	both	revoked	-"
"$SMTP361" keygen --only x25519 fresh >/dev/null 2>&1
run "$SMTP361" user key eva fresh_x25519_public.pem
like "another key lets who was revoked in again" "$RC $(row eva)" '^0 eva	none	both	-	SHA256:[^	]*$'
run "$SMTP361" user invite client1 -s x
is "invite invites who was revoked" "$RC $(row client1)" "0 client1	none	both	invited	-"
cd .. && rm -r v

# --- quotas ---

mkdir q
echo '{"plain": "password1", "ada": {"note": 1}}' >q/$file && chmod 600 q/$file
cd q || exit 1
run "$SMTP361" user quota ada
is "quota: none at first" "$RC $(cat o)" "0 ada: any number of messages, any number of bytes"
is "... as the list has it" "$(quota ada)" "-	-"
run "$SMTP361" user quota ada --messages 100 --bytes 10M
is "quota sets both, and shows them" "$RC $(cat o)" "0 ada: at most 100 messages, at most 10485760 bytes"
is "... as the list has it" "$(quota ada)" "100	10485760"
is "... and nobody else" "$(quota plain)" "-	-"
ok "... list --json too, in whole numbers" $PYTHON -c "
import json, subprocess
rows = json.loads(subprocess.run(['$SMTP361', 'user', 'list', '--json'], stdout=subprocess.PIPE).stdout)
plain, ada = rows
assert ada['max_messages'] == 100 and ada['max_bytes'] == 10485760, ada
assert not {'max_messages', 'max_bytes'} & set(plain), plain
d = json.load(open('$file'))
assert d['ada'] == {'note': 1, 'max_messages': 100, 'max_bytes': 10485760}, d
assert d['plain'] == 'password1'"
for pair in 1:1 0500000: 500000:500000 3K:3072 1G:1073741824 9223372036854775807:9223372036854775807 \
	8589934591G:9223372035781033984; do
	run "$SMTP361" user quota ada --bytes "${pair%%:*}"
	case $pair in
	*:) is "bytes ${pair%:}: 64" "$RC" 64 ;;
	*) is "bytes ${pair%%:*}; the messages stay" "$RC $(quota ada)" "0 100	${pair#*:}" ;;
	esac
done
cp -p $file before
for bad in '' K 1k 1T 1.5M -1 +1 ' 1' '1 ' 1KK 9223372036854775808 8589934592G 0x10; do
	run "$SMTP361" user quota ada "--bytes=$bad"
	like "bytes \"$bad\": 64, and why" "$RC $(cat e)" '^64 .*whole number'
done
for bad in '' 1K 1M -1 1.0 9223372036854775808; do
	run "$SMTP361" user quota ada "--messages=$bad"
	is "messages \"$bad\": 64" "$RC" 64
done
run "$SMTP361" user quota ada --none --messages 5
is "--none with a limit: 64" "$RC" 64
run "$SMTP361" user quota nobody
like "quota of nobody: 67, named" "$RC $(cat e)" '^67 .*nobody'
run "$SMTP361" user quota nobody --none
like "... nor is it set: 67" "$RC $(cat e)" '^67 .*nobody'
ok "none of these changed the file" cmp before $file
run "$SMTP361" user quota ada --messages 0
is "messages 0 takes that limit away, and leaves the other" "$RC $(quota ada)" "0 -	9223372035781033984"
run "$SMTP361" user quota ada --none
is "--none takes both away" "$RC $(quota ada)" "0 -	-"
ok "... out of the file, too" must_fail 1 grep -q max_ $file
run "$SMTP361" user quota plain --messages 1
is "a plain password becomes Argon2id by a quota" "$RC $(row plain) $(quota plain)" "0 plain	argon2id	both	-	- 1	-"
user revoke plain 2>/dev/null
is "a quota outlives revoking" "$(quota plain)" "1	-"
cd .. && rm -r q

# --- fields that are not ours, order, modes ---

cat >$file <<'END'
{"zoe": "z", "anna": {"enhanced-only": true, "password":
 "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$LGG+CqvCYMXSxHkyLXL/DKqFJHWTqzWmOgqmHIWhrI8",
  "keys": ["a", {"b": null}], "n": 9007199254740993},
 "mia": {"note": "no password: \u00fc \ud83d\ude00"}}
END
chmod 644 $file
run "$SMTP361" user add bea --password-file pw
is "a file open to others is rewritten 0600" "$RC $(stat -c %a $file)" "0 600"
is "the accounts keep their order" "$(names)" "zoe anna mia bea "
ok "unknown fields and their values survive add" $PYTHON -c "
import json
d = json.load(open('$file', encoding='utf-8'))
assert d['anna']['enhanced-only'] is True and d['anna']['keys'] == ['a', {'b': None}]
assert d['anna']['n'] == 9007199254740993
assert d['mia'] == {'note': 'no password: \u00fc \U0001f600'}, d"
run "$SMTP361" user passwd anna --password-file pw
run "$SMTP361" user passwd mia --password-file pw
run "$SMTP361" user harden
run "$SMTP361" user del zoe
for who in anna mia; do
	run "$SMTP361" user mode $who enhanced
	run "$SMTP361" user invite $who -s localhost
	run "$SMTP361" user revoke $who
	run "$SMTP361" user key $who client1_x25519_public.pem
	run "$SMTP361" user passwd $who --password-file pw
done
is "... these have all had their effect" "$(row mia)" \
	"mia	argon2id	enhanced	-	$(key_of client1_x25519_public.pem)"
ok "unknown fields survive every verb" $PYTHON -c "
import json
d = json.load(open('$file', encoding='utf-8'))
assert d['anna']['enhanced-only'] is True and d['anna']['keys'] == ['a', {'b': None}]
assert d['mia']['note'] == 'no password: \u00fc \U0001f600'
assert d['mia']['password'].startswith('\$argon2id')
assert list(d) == ['anna', 'mia', 'bea']"
mkdir fresh
run "$SMTP361" user add -d fresh first --password-file pw
is "the first add makes the file, 0600" "$RC $(stat -c %a fresh/$file)" "0 600"
run "$SMTP361" user list -d no/folder
like "a folder that is not there: 66, named" "$RC $(cat e)" '^66 .*no/folder'
mkdir void
for verb in list harden 'del x' 'quota x' 'quota x --none' 'smtp x' 'smtp x --none' 'smtp x --scram --password-file pw' 'passwd x --password-file pw' 'key x' 'mode x key' 'revoke x' \
	'key x client1_x25519_public.pem'; do
	# shellcheck disable=SC2086
	run "$SMTP361" user -d void $verb
	like "$verb without a file: 66, named" "$RC $(cat e)" "^66 .*$file"
	is "... and none is made" "$(ls -A void)" ""
done

# --- where a password comes from ---

mkdir pws
cat >$file <<'END'
{"client1": "pass word\u00fc"}
END
chmod 600 $file
printf 'pass wordü' >pws/bare
printf 'pass wordü\n' >pws/lf
printf 'pass wordü\r\n' >pws/crlf
printf 'pass wordü\nsecond line\n' >pws/two-lines
printf 'pass wordü \n' >pws/blank-behind
printf ' pass wordü\n' >pws/blank-ahead
printf 'pass wordü\n\n' >pws/two-lf
printf 'pass wordü\r' >pws/cr
printf 'pass wordü\000' >pws/nul
start_server || exit 1
for f in bare lf crlf two-lines two-lf; do
	ok "a password file ending so: $f" login client1 pws/$f
done
for f in blank-behind blank-ahead nul; do
	ok "a blank or NUL belongs to the password: $f" must_fail 77 login client1 pws/$f
done
in_pipe() { printf '%s' "$1" | timeout 20 "$SMTP361" inbox -u client1 --password-file -; }
ok "- is stdin" in_pipe 'pass wordü
'
ok "- is stdin, without a line end" in_pipe 'pass wordü'
ok "stdin empty: 66" must_fail 66 in_pipe ''
ok "stdin with an empty line: 65" must_fail 65 in_pipe '
'
mkfifo pws/fifo
(cat pws/lf >pws/fifo) &
PIDS="$PIDS $!"
ok "a FIFO will do" login client1 pws/fifo
ok "the server ends well again" stop_server

: >pws/empty
echo >pws/empty-line
head -c 1024 /dev/zero | tr '\0' x >pws/1024
head -c 1025 /dev/zero | tr '\0' x >pws/1025
head -c 5000000 /dev/zero | tr '\0' x >pws/huge
# given FILE NAME: the exit code of an `add`
given() {
	run "$SMTP361" user add "$2" --password-file "$1"
	echo "$RC"
}
is "an empty password file: 65 or 66" "$(given pws/empty a1 | tr 6 5)" 55
is "an empty first line: 65" "$(given pws/empty-line a2)" 65
is "a password of 1025 bytes: 65" "$(given pws/1025 a3)" 65
is "a password of 5 MB: 65" "$(given pws/huge a4)" 65
is "no such password file: 66" "$(given pws/none a5)" 66
is "a folder as the password file: 66" "$(given pws a6)" 66
is "none of these made an account" "$(names)" "client1 "
is "a password of 1 byte is taken" "$(printf x >pws/1 && given pws/1 b1)" 0
run "$SMTP361" user add a7
is "no password and no terminal: 64" "$RC" 64
like "... says where it may come from" "$(cat e)" '--password-file'
run "$SMTP361" user passwd client1
is "passwd: no password and no terminal: 64" "$RC" 64
add_stdin() { printf 'typed\nleft' | timeout 20 "$SMTP361" user add "$1" --password-file -; }
ok "add with --password-file - reads stdin" add_stdin b2
is "the password is nowhere in the argument list or the output" "$(cat o e | grep -c typed)" 0

# --- names (hostile.md 59) ---

cp -p $file before
c32=abcdefghijklmnopqrstuvwxyz012345
for name in '' . .. / a/b ../a A Bob 'a b' ' a' 'a ' _a -a a.b a% a: 'a;b' "${c32}6" server ü \
	"$(printf 'u\314\210')" \
	"$(printf 'a\033[31m')" "$(printf 'a\nb')" "$(printf 'a\tb')" "$(printf 'a\377')" \
	"$(printf 'a\342\200\256')"; do
	run "$SMTP361" user add --password-file pw -- "$name"
	is "no user can be called \"$(printf %s "$name" | tr -c 'a-zA-Z0-9 ./_%:;-' '?')\": 64" \
		"$RC" 64
	ok "... nor does its name reach the terminal raw" must_fail 1 grep -q \
		"$(printf '[\001-\010\033\177]')" e
	run "$SMTP361" user invite -s localhost -- "$name"
	is "... nor can it be invited" "$RC $(cat o)" "64 "
done
ok "none of these changed the file" cmp before $file
for name in a 0 a_b-c 9-_ "$c32"; do
	run "$SMTP361" user add "$name" --password-file pw
	is "a user can be called \"$name\"" "$RC" 0
done

# --- bad files (hostile.md 57, 58): file, line and 78, by `user` and by `serve`, at once ---

# bad_file TITLE LINE: what stands in the file `bad` is refused; LINE 0: any line
mkdir b && cp server_private.pem server_x25519_public.pem b/
bad_file() {
	line=$2
	[ "$line" != 0 ] || line='[0-9]+'
	cp bad b/$file && chmod 600 b/$file
	for what in list harden 'quota client1' 'quota client1 --bytes 1K' 'smtp client1' 'smtp client1 --none' \
		'smtp client1 --scram --password-file pw' 'add zack --password-file pw' 'passwd client1 --password-file pw' \
		'del client1' 'key client1' 'key client1 client2_x25519_public.pem' \
		'mode client1 key' 'revoke client1' 'invite client1 -s localhost'; do
		# shellcheck disable=SC2086
		run timeout 30 "$SMTP361" user -d b $what
		[ "$RC" = 78 ] && grep -Eq "$file:$line: " e || {
			report 1 "$1: user $what refuses it with 78, file and line"
			diag "exit $RC: $(head -c 400 e)"
			return
		}
	done
	cmp -s bad b/$file || {
		report 1 "$1: the file is left as it was"
		return
	}
	run timeout 30 "$SMTP361" serve -d b -l 127.0.0.1:0
	like "$1: user and serve refuse it with 78, file and line" "$RC $(cat e)" \
		"^78 .*$file:$line: "
}
bad() { # TITLE LINE TEXT
	printf "$3" >bad
	bad_file "$1" "$2"
}
bad "an empty file" 1 ''
bad "no JSON" 0 'client1=password1\n'
bad "an array" 1 '["client1"]'
bad "a string alone" 1 '"client1"'
bad "null alone" 0 'null'
bad "an object cut short" 0 '{\n"client1": "password1"'
bad "text behind the end" 0 '{"client1": "password1"}\n{}'
bad "a NUL behind the end" 0 '{"client1": "password1"}\000'
bad "a comma at the end" 3 '{\n"client1": "password1",\n}'
bad "single quotes" 1 "{'client1': 'password1'}"
bad "a comment" 1 '/* accounts */ {"client1": "p"}'
bad "a byte order mark" 1 '\357\273\277{"client1": "password1"}'
bad "UTF-16" 1 '\377\376{\000}\000'
bad "invalid UTF-8 in a password" 2 '{\n"client1": "\377"}'
bad "an overlong encoding" 2 '{\n"client1": "\300\200"}'
bad "a lone surrogate" 2 '{\n"client1": "\\ud800"}'
bad "a NUL by escape in a name" 0 '{"client1\\u0000": "password1"}'
bad "a NUL by escape in a password" 0 '{"client1": "pass\\u0000word"}'
bad "a line end in a string" 0 '{"client1": "pass\nword"}'
bad "a duplicate user" 3 '{"client1": "a",\n"client2": "b",\n"client1": "c"}'
bad "a duplicate user by escape" 0 '{"client1": "a", "client\\u0031": "c"}'
bad "a duplicate field" 3 '{"client1": {\n"password": "a",\n"password": "b"}}'
for value in 1 true null '[]' '["a"]' 1.5; do
	bad "an account that is $value" 3 '{\n"client2": "password2",\n"client1": '"$value"'}'
done
for value in 1 null '{}' '"plain"' '""'; do
	bad "a \"password\" that is $value" 2 '{\n"client1": {"password": '"$value"'}}'
done
for value in -1 1.0 1e3 true null '"1"' '[]' '{}' 9223372036854775808; do
	for field in max_messages max_bytes; do
		bad "a \"$field\" that is $value" 2 '{\n"client1": {"'$field'": '"$value"'}}'
	done
done
for name in '' . .. A 'a b' a/b ../a server _a "${c32}6"; do
	bad "the user \"$name\" in the file" 2 '{\n"'"$name"'": "password1"}'
done
for name in '\\u001b[31m' '\\u00fc' '\\u202e'; do
	bad "the user \"$name\" in the file" 0 '{\n"'"$name"'": "password1"}'
done
ok "a hostile name in the file is not shown raw" must_fail 1 grep -q "$(printf '\033')" e
phc() { bad "$1" 2 '{\n"client1": {"password": "'"$2"'"}}'; }
salt=c2FsdHNhbHQ hash=LGG+CqvCYMXSxHkyLXL/DKqFJHWTqzWmOgqmHIWhrI8
phc "Argon2i" "\$argon2i\$v=19\$m=64,t=1,p=1\$$salt\$$hash"
phc "Argon2d" "\$argon2d\$v=19\$m=64,t=1,p=1\$$salt\$$hash"
phc "version 16" "\$argon2id\$v=16\$m=64,t=1,p=1\$$salt\$$hash"
phc "no version" "\$argon2id\$m=64,t=1,p=1\$$salt\$$hash"
for p in 'm=4294967295,t=1,p=1' 'm=4398046511104,t=1,p=1' 'm=64,t=4294967295,p=1' \
	'm=64,t=4294967296,p=1' \
	'm=262144,t=16,p=1' 'm=64,t=1,p=4294967295' 'm=64,t=1,p=16777215' 'm=0,t=1,p=1' \
	'm=64,t=0,p=1' \
	'm=64,t=1,p=0' 'm=8,t=1,p=2' 'm=-64,t=1,p=1' 'm=+64,t=1,p=1' 'm=064,t=1,p=1' \
	'm=64 ,t=1,p=1' \
	'm=18446744073709551680,t=1,p=1' 't=1,m=64,p=1' 'm=64,t=1' 'm=64,t=1,p=1,x=1' \
	'm=,t=1,p=1'; do
	phc "Argon2id with $p" "\$argon2id\$v=19\$$p\$$salt\$$hash"
done
phc "Argon2id without salt" "\$argon2id\$v=19\$m=64,t=1,p=1\$\$$hash"
phc "Argon2id without hash" "\$argon2id\$v=19\$m=64,t=1,p=1\$$salt\$"
phc "Argon2id of a short salt" "\$argon2id\$v=19\$m=64,t=1,p=1\$c2E\$$hash"
phc "Argon2id of a short hash" "\$argon2id\$v=19\$m=64,t=1,p=1\$$salt\$aGFzaA"
phc "Argon2id with bad base64" \
	"\$argon2id\$v=19\$m=64,t=1,p=1\$$salt\$LGG*CqvCYMXSxHkyLXL/DKqFJHWTqzWmOgqmHIWhrI8"
phc "Argon2id with text behind it" "\$argon2id\$v=19\$m=64,t=1,p=1\$$salt\$$hash\$more"
phc "bcrypt" '$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW'
$PYTHON -c 'print("[" * 100000 + "]" * 100000)' >bad
bad_file "100,000 brackets deep" 0
$PYTHON -c 'print("{\"client1\":" * 100000 + "1" + "}" * 100000)' >bad
bad_file "100,000 objects deep" 0
$PYTHON -c 'print("{\"client1\": \"" + "x" * 1025 + "\"}")' >bad
bad_file "a password of 1025 bytes" 1
$PYTHON -c 'print("{\"client1\": 1" + "0" * 100000 + "}")' >bad
bad_file "a number of 100,000 digits" 0

for what in folder FIFO device large; do
	rm -rf b/$file
	case $what in
	folder) mkdir b/$file ;;
	FIFO) mkfifo b/$file ;;
	device) ln -s /dev/zero b/$file ;;
	large) truncate -s 2G b/$file ;;
	esac
	for c in 'user -d b list' 'user -d b add zack --password-file pw' \
		'user -d b invite zack -s localhost' 'user -d b revoke zack' \
		'serve -d b -l 127.0.0.1:0'; do
		# shellcheck disable=SC2086
		run timeout 30 "$SMTP361" $c
		like "a $what as the file: $c ends with 66 or 78 at once, and names it" \
			"$RC $(cat e)" "^(66|78) .*$file"
	done
done
rm -rf b/$file && ln -s nowhere b/$file
run timeout 30 "$SMTP361" user -d b add zack --password-file pw
ok "a dangling symlink as the file is not followed: nothing is made there" test ! -e b/nowhere
if [ -d "$VECTORS/json" ]; then
	# every text that RFC 8259 forbids; what it allows is no file of accounts for the most part
	$PYTHON - "$SMTP361" "$VECTORS/json/jsontestsuite.json" >vectors.out 2>&1 <<'END'
import json, os, subprocess, sys
program, path = sys.argv[1:]
tests = json.load(open(path))
seen = 0
for t in tests:
    raw = bytes.fromhex(t["hex"])
    os.makedirs("v", exist_ok=True)
    with open("v/user_pass.json", "wb") as f:
        f.write(raw)
    rc = subprocess.run([program, "user", "-d", "v", "list"], timeout=10,
                        capture_output=True).returncode
    seen += 1
    if rc not in (0, 78) or (rc == 0 and t["expect"] == "reject"):
        print(t["file"], "exit", rc)
print("seen", seen)
END
	like "of the JSON test suite nothing malformed is accepted, and nothing crashes" \
		"$(cat vectors.out)" '^seen [1-9][0-9]+$'
	is "... without a single exception" "$(grep -vc '^seen' vectors.out)" 0
else
	skip "of the JSON test suite nothing malformed is accepted" \
		"no test vectors beside this clone"
fi

# --- many writers, full disks, kills ---

mkdir many
pids=
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	"$SMTP361" user -d many add "u$i" --password-file pw >/dev/null 2>"many.e$i" </dev/null &
	pids="$pids $!"
done
rc=0
for pid in $pids; do
	wait "$pid" || rc=$?
done
is "12 adds at once all end with 0" "$rc" 0
is "... and none is lost" "$(user -d many list | wc -l | tr -d ' ')" 12
for i in 1 2 3; do
	"$SMTP361" user -d many del "u$i" >/dev/null 2>&1 </dev/null &
	pids="$pids $!"
	"$SMTP361" user -d many add "v$i" --password-file pw >/dev/null 2>&1 </dev/null &
	pids="$pids $!"
	"$SMTP361" user -d many passwd "u1$((i - 1))" --password-file pw >/dev/null 2>&1 \
		</dev/null &
	pids="$pids $!"
done
for pid in $pids; do
	wait "$pid" || :
done
is "adds, dels and passwds at once all take effect" \
	"$(user -d many list | cut -f 1 | sort | tr '\n' ' ')" \
	"u10 u11 u12 u4 u5 u6 u7 u8 u9 v1 v2 v3 "
cp server_x25519_public.pem many/
pids=
for i in 1 2 3 4; do
	"$SMTP361" user -d many invite "w$i" -s localhost >/dev/null 2>&1 </dev/null &
	pids="$pids $!"
	"$SMTP361" user -d many revoke "u$((i + 3))" >/dev/null 2>&1 </dev/null &
	pids="$pids $!"
	"$SMTP361" user -d many mode "u$((i + 7))" key >/dev/null 2>&1 </dev/null &
	pids="$pids $!"
	"$SMTP361" user -d many key "u$((i + 8))" client1_x25519_public.pem >/dev/null 2>&1 \
		</dev/null &
	pids="$pids $!"
done
for pid in $pids; do
	wait "$pid" || :
done
is "invites, revokes, modes and keys at once all take effect" \
	"$(user -d many list | cut -f 3-5 | sed 's/SHA256:.*/KEY/' | sort | uniq -c | tr -s ' \t\n' ' ')" \
	" 3 both - - 1 both - KEY 4 both invited - 4 both revoked - 1 key - - 3 key - KEY "

ROOM=
mkdir small
trap '[ -z "$ROOM" ] || umount "$ROOM"; cleanup' EXIT
if is_root && mount -t tmpfs -o size=64k smtp361-t small 2>/dev/null; then
	ROOM=$PWD/small
	cp -p before small/$file
	dd if=/dev/zero of=small/filler bs=4096 2>/dev/null
	run "$SMTP361" user -d small add zack --password-file pw
	is "a full disk: add is 75" "$RC" 75
	ok "... and the old file stands" cmp before small/$file
	is "... alone" "$(ls -A small | sed '/^filler$/d')" $file
	run "$SMTP361" user -d small harden
	is "a full disk: harden is 75" "$RC" 75
	rm small/filler
	run "$SMTP361" user -d small add zack --password-file pw
	is "with room again it works" "$RC" 0
	umount "$ROOM" && ROOM=
else
	skip "a full disk: add is 75" "no tmpfs can be mounted"
fi

# kill_user TITLE COMMAND...: kill -9 at every file-system call leaves the old file or the new, and
# the same command goes through afterwards (an `add` may answer that it was done)
kill_user() {
	title=$1 points=0 bad=''
	shift
	for call in openat newfstatat read unlinkat write fchmod fsync close renameat flock \
		mkdirat; do
		n=1
		while :; do
			rm -rf victim && mkdir victim && cp -p before victim/$file
			rc=0
			strace -f -qq -o trace -e "trace=$call" -e \
				"inject=$call:signal=KILL:when=$n" \
				"$SMTP361" user -d victim "$@" >/dev/null 2>&1 </dev/null || rc=$?
			[ "$rc" = 137 ] || break
			points=$((points + 1))
			[ "$(stat -c %a victim/$file)" = 600 ] || bad="$bad$call $n: mode; "
			if ! cmp -s before victim/$file; then
				list=$(user -d victim list 2>&1) || bad="$bad$call $n: $list; "
				[ "$(printf '%s\n' "$list" | sed 's/plain/argon2id/')" = "$wanted" \
					] ||
					bad="$bad$call $n: neither old nor new: $list; "
			fi
			rc=0
			"$SMTP361" user -d victim "$@" >/dev/null 2>&1 </dev/null || rc=$?
			case $rc in 0 | 73) ;; *) bad="$bad$call $n: again: exit $rc; " ;; esac
			[ "$(user -d victim list | sed 's/plain/argon2id/')" = "$wanted" ] || \
				bad="$bad$call $n: again; "
			[ -z "$(find victim -name '.*.new')" ] || [ $rc = 73 ] || \
				bad="$bad$call $n: left over; "
			n=$((n + 1))
		done
		[ "$rc" = 0 ] || bad="$bad$call $n: exit $rc; "
	done
	is "$title ($points calls)" "$bad" ""
	ok "... and there were enough calls to matter" test "$points" -gt 20
}
if command -v strace >/dev/null && [ -z "$SANITIZED" ] && strace -qq -o trace true 2>/dev/null; then
	echo '{"client1": "password1"}' >before && chmod 600 before
	wanted="client1	argon2id	both	-	-	-	-	-
zack	argon2id	both	-	-	-	-	-"
	kill_user "killed at any call of add, the file is the old or the new one" add zack \
		--password-file pw
	wanted="client1	none	both	revoked	-	-	-	-"
	kill_user "killed at any call of revoke, the file is the old or the new one" revoke client1
	for c in fsync:error=EIO:when=1 write:error=EIO:when=1 write:error=EDQUOT:when=1 \
		fchmod:error=EIO:when=1 \
		renameat:error=ENOSPC:when=1 flock:error=ENOLCK:when=1; do
		rm -rf victim && mkdir victim && cp -p before victim/$file
		run strace -f -qq -o trace -e "trace=${c%%:*}" -e "inject=$c" \
			"$SMTP361" user -d victim add zack --password-file pw
		is "add with $c: 75" "$RC" 75
		ok "... the old file stands alone" sh -c \
			"cmp before victim/$file && [ \"\$(ls -A victim)\" = $file ]"
	done
else
	skip "killed at any call of add, the file is the old or the new one" "no strace"
fi

done_testing
