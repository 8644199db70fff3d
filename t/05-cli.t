#!/bin/sh
# The command line that all applets share: dispatch, help, misuse, options, output that gets lost.
# shellcheck disable=SC2015
. "$(dirname "$0")/lib.sh"

mkdir "$HOME_DIR/work" && cd "$HOME_DIR/work" || exit 1
applets='serve client send sendmail queue inbox read delete chat put get ls rm join keygen members verify user export import check atrest seal unseal ft ftserve mitm lab'
clients='client send inbox read delete' # what logs in with an account

lines() { wc -l <"$1" | tr -d ' '; }

# usage_error TITLE COMMAND...: 64, one line why and one line of usage on stderr, nothing on stdout
usage_error() {
	title=$1
	shift
	run "$@"
	is "$title: 64" "$RC" 64
	if [ "$(lines e)" = 2 ] && [ ! -s o ] && sed -n 1p e | grep -q '^smtp361' &&
		sed -n 2p e | grep -q '^usage: smtp361 '; then
		report 0 "$title: a line why and a line of usage on stderr"
	else
		report 1 "$title: a line why and a line of usage on stderr"
		diag "$(cat o e)"
	fi
}

# --- the program itself ---

run "$SMTP361" --list
is "--list ends with 0" "$RC" 0
is "--list prints the applets, one a line" "$(tr '\n' ' ' <o)" "$applets "
run "$SMTP361" --version
is "--version ends with 0" "$RC" 0
like "--version prints the name and the version alone" "$(cat o)" \
	'^smtp361 [0-9]+\.[0-9]+(\.[0-9]+)?$'
for option in --help -h; do
	run "$SMTP361" $option
	is "$option ends with 0" "$RC" 0
	is "$option says nothing on stderr" "$(cat e)" ""
	for a in $applets; do
		ok "$option names $a" grep -Eq "^ +$a +[a-z]" o
	done
done

for a in $applets; do
	run "$SMTP361" "$a" --help
	is "$a --help ends with 0" "$RC" 0
	like "$a --help begins with its usage line on stdout" "$(sed -n 1p o)" \
		"^usage: smtp361 $a( |\$)"
	is "$a --help says nothing on stderr" "$(cat e)" ""
	ok "$a --help explains in no line over 100 columns" must_fail 1 grep -Eq '^.{101}' o
	run "$SMTP361" "$a" --no-such-option --help
	is "$a: an option that is not there, ahead of --help, is misuse" "$RC" 64
done

# --- misuse ---

run "$SMTP361"
is "no applet is misuse" "$RC" 64
is "no applet: nothing on stdout" "$(cat o)" ""
like "no applet: the usage line is the second" "$(sed -n 2p e)" '^usage: smtp361 '
for bad in nonsense sen sends SEND '' -x --nonsense smtp361 ../send; do
	run "$SMTP361" "$bad"
	is "\"$bad\" is no applet: 64" "$RC" 64
	is "\"$bad\" is no applet: nothing on stdout" "$(cat o)" ""
	ok "\"$bad\" is no applet: stderr lists them" grep -q '^ *inbox ' e
done
run "$SMTP361" "$(printf 'a\033[31m\nb')"
is "an applet's name with control characters: 64" "$RC" 64
ok "an applet's name with control characters is shown without them" must_fail 1 grep -q \
	"$(printf '\033')" e

for a in $applets; do
	usage_error "$a --no-such-option" "$SMTP361" "$a" --no-such-option
	usage_error "$a -Z" "$SMTP361" "$a" -Z
	usage_error "$a with an option of control characters" "$SMTP361" "$a" \
		"--$(printf 'x\033[31m\ny')"
	ok "$a: ... which are not passed on" must_fail 1 grep -q "$(printf '\033')" e
done
usage_error "serve with an operand" "$SMTP361" serve operand
usage_error "client with an operand" "$SMTP361" client operand
usage_error "inbox with an operand" "$SMTP361" inbox operand
usage_error "read without an index" "$SMTP361" read
usage_error "read with two" "$SMTP361" read 1 2
usage_error "read with --last and an index" "$SMTP361" read --last 1
for index in 0 -- '' a 1a +1 ' 1' 0x1 01 99999999999; do
	usage_error "read with the index \"$index\"" "$SMTP361" read "$index"
done
usage_error "read -1" "$SMTP361" read -1
usage_error "send without --to" "$SMTP361" send --title t
usage_error "send with files, without --to" "$SMTP361" send a b
usage_error "send --attach with two files" "$SMTP361" send --to client2 --attach x a b
usage_error "send --id with two files" "$SMTP361" send --to client2 --id x a b
for o in '--to a' '--title t' '--attach x' '--id x' file -; do
	# shellcheck disable=SC2086
	usage_error "send --batch $o" "$SMTP361" send --batch $o
done
usage_error "sendmail without a recipient" "$SMTP361" sendmail -i -oem
usage_error "sendmail -f without its value" "$SMTP361" sendmail -f
for o in '-bd' '-bss' '-bp a' '-bs a' '-bs -t' '--from-dir . a' '--from-dir . -bs' '--smtp a --smtps a b' \
	'--smtp a --smtp a b' '--user a --user b c' '--timeout 0 a' '-tZ' '-iQ30m' '--no-such a'; do
	# shellcheck disable=SC2086
	usage_error "sendmail $o" "$SMTP361" sendmail $o
done
usage_error "queue without a verb" "$SMTP361" queue
usage_error "queue of another verb" "$SMTP361" queue run
usage_error "queue list with an id" "$SMTP361" queue list 1
usage_error "queue flush --json" "$SMTP361" queue flush --json
usage_error "queue drop without an id" "$SMTP361" queue drop
usage_error "inbox --timeout without --wait" "$SMTP361" inbox --timeout 5
for id in '' 1 00 x 000102030405060708090A0B0C0D0E0F 000102030405060708090a0b0c0d0e0f0; do
	usage_error "inbox --after \"$id\"" "$SMTP361" inbox --after "$id"
	usage_error "inbox --since \"$id\"" "$SMTP361" inbox --since "$id"
done
for name in '' ALICE a/b '-a' 0123456789012345678901234567890123; do
	usage_error "inbox --from \"$name\"" "$SMTP361" inbox --from "$name"
done
usage_error "inbox --since with --after" "$SMTP361" inbox --since 0 --after 0
usage_error "inbox --since with --wait" "$SMTP361" inbox --since 0 --wait
for o in '--content --json' '--content --save .' '--json --save .'; do
	# shellcheck disable=SC2086
	usage_error "read $o" "$SMTP361" read 1 $o
done
usage_error "delete without an index" "$SMTP361" delete
usage_error "delete with --last and an index" "$SMTP361" delete --last 1
usage_error "chat with nobody, and nobody to ask" "$SMTP361" chat
usage_error "chat with two" "$SMTP361" chat a b
usage_error "chat --send without a text" "$SMTP361" chat --send a
usage_error "chat --send with two" "$SMTP361" chat --send a b c
usage_error "chat --send and --wait" "$SMTP361" chat --send a --wait b
usage_error "chat --picture to nobody" "$SMTP361" chat --picture a
usage_error "chat --picture to two" "$SMTP361" chat --picture a --to b c
usage_error "chat --save of nobody's" "$SMTP361" chat --save 1
usage_error "chat --timeout without --wait" "$SMTP361" chat --timeout 1 a
usage_error "chat --last without --history" "$SMTP361" chat --last 1 a
usage_error "chat --output without --save" "$SMTP361" chat -o a b
usage_error "chat --yes alone" "$SMTP361" chat --yes a
usage_error "chat --passphrase-file and --history-passphrase" "$SMTP361" chat --passphrase-file a \
	--history-passphrase b
usage_error "chat --send twice" "$SMTP361" chat --send a --send a a
usage_error "put without a file" "$SMTP361" put
usage_error "put of two files" "$SMTP361" put a b
usage_error "put of stdin without a name" "$SMTP361" put - --to a
usage_error "put --no-message to nobody" "$SMTP361" put a --no-message
usage_error "get without a name" "$SMTP361" get
usage_error "get of two names" "$SMTP361" get a b
for o in --force --resume; do
	usage_error "get $o to stdout" "$SMTP361" get a -o - $o
done
usage_error "ls of a name" "$SMTP361" ls a
usage_error "rm without a name" "$SMTP361" rm
usage_error "join with two files" "$SMTP361" join a b
usage_error "keygen without a name" "$SMTP361" keygen
usage_error "keygen with --all and a name" "$SMTP361" keygen --all client1
usage_error "keygen --bits 1024" "$SMTP361" keygen --bits 1024 client1
usage_error "keygen --bits of X25519 keys" "$SMTP361" keygen --only x25519 --bits 2048 client1
for kind in '' RSA x448 rsa,x25519 P-256; do
	usage_error "keygen --only \"$kind\"" "$SMTP361" keygen --only "$kind" client1
done
for name in '' . .. a/b A Ünal 'a b' _a ./a abcdefghijklmnopqrstuvwxyz1234567 a_x25519 a_p256; do
	usage_error "keygen for the name \"$name\"" "$SMTP361" keygen "$name"
done
usage_error "keygen --bits of P-256 keys" "$SMTP361" keygen --only p256 --bits 2048 client1
for o in --ssh --allowed-signers; do
	usage_error "keygen $o without a name" "$SMTP361" keygen $o
	usage_error "keygen $o with two" "$SMTP361" keygen $o a b
	usage_error "keygen $o for an invalid name" "$SMTP361" keygen $o ../a
	usage_error "keygen $o --age" "$SMTP361" keygen $o --age a
	usage_error "keygen $o --force" "$SMTP361" keygen $o --force a
done
usage_error "keygen --ssh --allowed-signers" "$SMTP361" keygen --ssh --allowed-signers a
usage_error "members of a word it does not know" "$SMTP361" members bob
usage_error "verify without a name" "$SMTP361" verify
usage_error "verify of two" "$SMTP361" verify a b
usage_error "verify --code of no digits" "$SMTP361" verify --code x a
usage_error "keygen --age without a name" "$SMTP361" keygen --age
usage_error "keygen --age with two" "$SMTP361" keygen --age a b
for o in --all '--only rsa' '--bits 2048' '--tls a' '--days 5' --force '--secret --import x'; do
	# shellcheck disable=SC2086
	usage_error "keygen --age $o" "$SMTP361" keygen --age $o a
done
usage_error "keygen --age for an invalid name" "$SMTP361" keygen --age ../a
usage_error "keygen --secret without --age" "$SMTP361" keygen --secret a
usage_error "keygen --import without --age" "$SMTP361" keygen --import a a
usage_error "atrest without a verb" "$SMTP361" atrest
usage_error "atrest with another verb" "$SMTP361" atrest up
usage_error "atrest newkey without a file" "$SMTP361" atrest newkey
usage_error "atrest on with an operand" "$SMTP361" atrest on x
usage_error "atrest status with a key" "$SMTP361" atrest --at-rest key status
usage_error "seal without a recipient" "$SMTP361" seal
usage_error "seal with two files" "$SMTP361" seal --to a b c
usage_error "seal --force without --output" "$SMTP361" seal --to a --force
usage_error "unseal with two files" "$SMTP361" unseal a b
usage_error "unseal --force without --output" "$SMTP361" unseal --force
usage_error "keygen for a valid and an invalid name" "$SMTP361" keygen a ../b
is "misuse of keygen leaves no file" "$(find . -name '*.pem' -o -name '.*.new')" ""
usage_error "export without OUT" "$SMTP361" export ada
usage_error "export --all with a user" "$SMTP361" export --all ada out
usage_error "export --mbox --maildir" "$SMTP361" export --mbox --maildir ada out
usage_error "export of a Maildir to stdout" "$SMTP361" export --maildir ada -
for domain in '' 'a b' '<a>' a@b; do
	usage_error "export --domain \"$domain\"" "$SMTP361" export --domain "$domain" ada out
done
usage_error "import without a file" "$SMTP361" import --to ada
usage_error "import --format of no such" "$SMTP361" import --format mbx in
usage_error "import --from no name" "$SMTP361" import --from ../x in
usage_error "user without a verb" "$SMTP361" user
usage_error "user with an unknown verb" "$SMTP361" user frobnicate
usage_error "user add without a name" "$SMTP361" user add
usage_error "user add with two names" "$SMTP361" user add a b
usage_error "user list with a name" "$SMTP361" user list a
usage_error "user harden with a name" "$SMTP361" user harden a
for verb in invite key mode revoke; do
	usage_error "user $verb without a name" "$SMTP361" user $verb
done
usage_error "user invite with two names" "$SMTP361" user invite a b
usage_error "user key with two files" "$SMTP361" user key a b c
usage_error "user mode without a mode" "$SMTP361" user mode a
usage_error "user mode with two" "$SMTP361" user mode a both key
usage_error "user revoke with two names" "$SMTP361" user revoke a b
usage_error "user --hours of more than a year" "$SMTP361" user invite a --hours 8785

# --- the forms of an option ---

mkdir sub
echo '{"client1": "password1"}' >sub/user_pass.json
chmod 600 sub/user_pass.json
for form in '-d sub list' '-dsub list' '--dir sub list' '--dir=sub list' 'list -d sub' \
	'list --dir=sub' \
	'-d sub -- list' '--dir=sub -- list'; do
	# shellcheck disable=SC2086
	run "$SMTP361" user $form
	is "user $form works" "$RC $(cat o)" "0 client1	plain	both	-	-	-	-	-"
done
mkdir ./-d && cp sub/user_pass.json ./-d/
run "$SMTP361" user list -d -d
is "a value may begin with a dash" "$RC $(cat o)" "0 client1	plain	both	-	-	-	-	-"
usage_error "behind -- an option is an operand" "$SMTP361" user -- list -d
usage_error "an option that lacks its value at the end" "$SMTP361" user list -d
usage_error "a long option that lacks its value at the end" "$SMTP361" user list --dir
usage_error "a flag that is given a value" "$SMTP361" user -d sub list --json=yes
usage_error "an abbreviated option" "$SMTP361" user --di sub list
usage_error "an option with one dash too many" "$SMTP361" user ---dir sub list
for n in 0 -1 +1 1e3 0x10 '' 99999999999999999999 ' 5' 5s 1.5; do
	usage_error "--timeout $n" "$SMTP361" inbox --wait --timeout "$n"
	usage_error "--limit $n" "$SMTP361" inbox --limit "$n"
	usage_error "--max-sessions=$n" "$SMTP361" serve "--max-sessions=$n"
	usage_error "--max-messages $n" "$SMTP361" serve --max-messages "$n"
	usage_error "--max-bytes $n" "$SMTP361" serve --max-bytes "$n"
	usage_error "--max-chars $n" "$SMTP361" serve --max-chars "$n"
	usage_error "--hours=$n" "$SMTP361" user invite a "--hours=$n"
done

# a repeated option that takes one value; also when written in two ways
usage_error "serve -d twice" "$SMTP361" serve -d . -d .
usage_error "serve -d and --dir" "$SMTP361" serve -d . --dir=.
for n in K M 0K 1T 1KB 1k 1.5M -1M '1 M' 9007199254740992K 8589934592G; do
	usage_error "--max-bytes=$n" "$SMTP361" serve "--max-bytes=$n"
done
for o in max-sessions max-per-address max-chars max-messages max-bytes login-time idle-time mail-time; do
	usage_error "serve --$o twice" "$SMTP361" serve --$o 5 --$o 5
done
usage_error "keygen -d twice" "$SMTP361" keygen -d . -d . a
usage_error "keygen --only twice" "$SMTP361" keygen --only rsa --only x25519 a
usage_error "keygen --import twice" "$SMTP361" keygen --age --import a --import a a
usage_error "seal -o twice" "$SMTP361" seal --to a -o a -o a
usage_error "unseal -u twice" "$SMTP361" unseal -u a -u a
usage_error "keygen --bits twice" "$SMTP361" keygen --bits 2048 --bits 2048 a
usage_error "user --password-file twice" "$SMTP361" user --password-file a --password-file a add a
usage_error "user --hours twice" "$SMTP361" user --hours 1 --hours 1 invite a
usage_error "user -s and --server" "$SMTP361" user -s a --server a invite a
usage_error "join -k and --keys" "$SMTP361" join -k a --keys a
usage_error "send --title twice" "$SMTP361" send --to a --title a --title a
usage_error "send --id twice" "$SMTP361" send --to a --id a --id a
usage_error "inbox --after twice" "$SMTP361" inbox --after a --after a
usage_error "inbox --since twice" "$SMTP361" inbox --since a --since a
usage_error "inbox --from twice" "$SMTP361" inbox --from a --from a
usage_error "inbox --limit twice" "$SMTP361" inbox --limit 1 --limit 1
usage_error "read --save twice" "$SMTP361" read 1 --save a --save a
usage_error "inbox --timeout twice" "$SMTP361" inbox --timeout 1 --timeout 1
for a in $clients; do
	for o in server user keys password-file pin; do
		usage_error "$a --$o twice" "$SMTP361" $a --$o x --$o=x
	done
	usage_error "$a -s and --server" "$SMTP361" $a -s x --server x
done

# --- --enhanced: of serve and of whatever logs in, ahead of the applet or behind it ---

# enhanced_both APPLET OPTIONS...: both ways to write it have one outcome
enhanced_both() {
	a=$1
	shift
	run "$SMTP361" --enhanced "$a" "$@"
	ahead="$RC $(cat o e)"
	run "$SMTP361" "$a" --enhanced "$@"
	is "--enhanced $a and $a --enhanced are the same" "$ahead" "$RC $(cat o e)"
}
mkdir alone && cp sub/user_pass.json alone/
for a in $applets; do
	enhanced_both "$a" --help
	case $a in
	serve | client | send | sendmail | inbox | read | delete | chat | put | get | ls | rm | members | verify | mitm)
		is "$a --enhanced --help ends with 0" "$RC" 0
		;;
	*)
		is "$a --enhanced is misuse" "$RC" 64
		is "$a has no --enhanced, and says so" "$(sed -n 1p e)" \
			"smtp361 $a: there is no option --enhanced"
		;;
	esac
done
enhanced_both serve -d alone -l 127.0.0.1:0
like "serve --enhanced wants the server's X25519 key" "$RC $(cat e)" \
	'^66 .*server_x25519_private\.pem'
for a in $clients; do
	case $a in
	send) operands='-t b a' ;;
	read | delete) operands=1 ;;
	*) operands= ;;
	esac
	: >a
	# shellcheck disable=SC2086
	enhanced_both "$a" -s 127.0.0.1:1 -u ada $operands
	like "$a --enhanced wants the user's X25519 key" "$RC $(cat e)" \
		'^66 .*ada_x25519_private\.pem'
	# shellcheck disable=SC2086
	run "$SMTP361" "$a" -s 127.0.0.1:1 -u ada --password-file sub/user_pass.json $operands
	like "$a without it wants the RSA key" "$RC $(cat e)" '^66 .*ada_private\.pem'
	# shellcheck disable=SC2086
	run "$SMTP361" "$a" --enhanced --classic -s 127.0.0.1:1 -u ada $operands
	like "$a --enhanced --classic is misuse" "$RC $(cat e)" '^64 .*--classic'
done
for a in keygen user join; do
	run "$SMTP361" "$a" --enhanced a
	is "$a --enhanced makes nothing" "$RC$(ls ./*.pem 2>/dev/null)" 64
done
run "$SMTP361" send --to a --title b --enhanced a
like "--enhanced among other options counts" "$RC $(cat e)" '^64 .*no server'

mkdir -p xdg/smtp361
# configured TEXT OPTIONS...: inbox, with this configuration
configured() {
	printf '%s\n' "$1" >xdg/smtp361/config.json
	shift
	run env XDG_CONFIG_HOME="$PWD/xdg" "$SMTP361" inbox "$@"
}
configured '{"server": "127.0.0.1:1", "user": "ada", "enhanced": true}'
like "\"enhanced\": true in the configuration is --enhanced" "$RC $(cat e)" \
	'^66 .*ada_x25519_private\.pem'
configured '{"server": "127.0.0.1:1", "user": "ada", "enhanced": true}' --classic \
	--password-file sub/user_pass.json
like "... which --classic overrides" "$RC $(cat e)" '^66 .*ada_private\.pem'
configured '{"server": "127.0.0.1:1", "user": "ada", "enhanced": false}' \
	--password-file sub/user_pass.json
like "\"enhanced\": false is the classic protocol" "$RC $(cat e)" '^66 .*ada_private\.pem'
for value in 1 '"true"' null '[]'; do
	configured "{\"enhanced\": $value}"
	like "\"enhanced\": $value in the configuration: 78, named" "$RC $(cat e)" \
		'^78 .*config\.json.*enhanced'
done
"$SMTP361" keygen -d alone --only x25519 server ada client1 >o 2>&1
pin=$(sed -n 's/^server: X25519 \(SHA256:[^ ]*\).*/\1/p' o)
run "$SMTP361" inbox --enhanced -s 127.0.0.1:1 -u ada -k alone --pin SHA256:other
like "--pin of another key: 76, and both are named" "$RC $(cat e)" "^76 .*SHA256:.*SHA256:other"
run "$SMTP361" inbox --enhanced -s 127.0.0.1:1 -u ada -k alone --pin "$pin"
is "--pin of this key lets it go on to the server, which is not there: 69" "$RC" 69
run "$SMTP361" inbox -s 127.0.0.1:1 -u ada -k alone --pin "$pin"
like "--pin without --enhanced: 64, and why" "$RC $(cat e)" '^64 .*enhanced'
configured "{\"server\": \"127.0.0.1:1\", \"user\": \"ada\", \"keys\": \"alone\", \"enhanced\": true,
	\"pin\": \"SHA256:other\"}"
is "the configuration may hold the pin" "$RC" 76

run "$SMTP361" --enhanced
is "--enhanced alone is misuse" "$RC" 64
run "$SMTP361" --enhanced nonsense
is "--enhanced and an unknown applet is misuse" "$RC" 64

# --- a batch that is wrong before any server is asked ---

printf 'nonsense\n[]\n\n{"to": "b"}\n' >spool
RC=0
"$SMTP361" send --batch --json <spool >o 2>e || RC=$?
is "send --batch: bad lines end with 65" "$RC" 65
is "... each is told as JSON" "$(grep -c '"stored":false,"code":65' o) of $(lines o)" "3 of 3"
like "... with its number" "$(sed -n 3p o)" '"error":"line 4: '
RC=0
"$SMTP361" send --batch <spool >o 2>e || RC=$?
is "... and without --json as a line with \"failed\"" \
	"$RC $(cut -f 1,2 o | head -n 2 | tr '\t\n' '  ')$(cut -f 2 o | sort | uniq -c | tr -s ' ')" \
	"65 - failed - failed  3 failed"

# --- by the name of a link ---

mkdir bin
run "$SMTP361" --install bin
is "--install ends with 0" "$RC" 0
for a in $applets; do
	for name in "$a" "smtp361-$a"; do
		run "bin/$name" --help
		like "bin/$name is $a" "$RC $(sed -n 1p o)" "^0 usage: smtp361 $a( |\$)"
	done
	usage_error "bin/$a --no-such-option" "bin/$a" --no-such-option
done
run bin/server --help
like "bin/server is serve" "$RC $(sed -n 1p o)" '^0 usage: smtp361 serve'
run bin/key_generator --help
like "bin/key_generator is keygen" "$RC $(sed -n 1p o)" '^0 usage: smtp361 keygen'
run bin/send --enhanced -s 127.0.0.1:1 -u ada -t b a
like "bin/send --enhanced takes the option" "$RC $(cat e)" '^66 .*ada_x25519_private\.pem'
ln -s "$SMTP361" bin/smtp361-server
run bin/smtp361-server --help
like "bin/smtp361-server is serve" "$RC $(sed -n 1p o)" '^0 usage: smtp361 serve'
for name in smtp361 mysend smtp361-nonsense; do
	ln -sf "$SMTP361" "bin/$name"
	run "bin/$name" send --help
	like "bin/$name dispatches by its argument" "$RC $(sed -n 1p o)" '^0 usage: smtp361 send'
done
PATH=$PWD/bin:$PATH run send --help
like "a link found by PATH dispatches too" "$RC $(sed -n 1p o)" '^0 usage: smtp361 send'

before=$(ls -l bin)
run "$SMTP361" --install bin
is "--install a second time ends with 0" "$RC" 0
is "--install a second time changes nothing" "$(ls -l bin)" "$before"
mkdir foreign && echo mine >foreign/send
run "$SMTP361" --install foreign
is "--install over a foreign file is refused with 73" "$RC" 73
like "--install names the foreign file" "$(cat e)" 'foreign/send'
is "--install leaves the foreign file alone" "$(cat foreign/send)" mine
mkdir foreign2 && ln -s /bin/true foreign2/serve
run "$SMTP361" --install foreign2
is "--install over a foreign link is refused with 73" "$RC" 73
is "--install leaves the foreign link alone" "$(readlink foreign2/serve)" /bin/true
run "$SMTP361" --install no/such/folder
is "--install into no folder: 73" "$RC" 73
usage=$(
	run "$SMTP361" --install
	echo $RC
)
is "--install without a folder is misuse" "$usage" 64
run "$SMTP361" --install bin bin
is "--install with two folders is misuse" "$RC" 64
# A folder without a name must not become the root. The calls are made to fail, so that a fault here
# does no harm.
if [ -z "$SANITIZED" ] && command -v strace >/dev/null; then
	run strace -qq -o calls -e trace=symlink,symlinkat -e inject=symlink,symlinkat:error=EPERM \
		"$SMTP361" --install ''
	is "--install into a folder without a name tries to make nothing" \
		"$(grep -c symlink calls)" 0
	ok "--install into a folder without a name fails" test "$RC" != 0
else
	skip "--install into a folder without a name tries to make nothing" "no strace"
fi

# --- output that does not get out (hostile.md 64) ---

full() { "$SMTP361" "$@" >/dev/full; }
closed() { "$SMTP361" "$@" >&-; }
for way in full closed; do
	[ $way = closed ] || [ -c /dev/full ] || {
		skip "stdout $way" "no /dev/full"
		continue
	}
	for what in --help --list --version 'serve --help' 'client --help' 'send --help' \
		'inbox --help' 'read --help' 'delete --help' 'chat --help' 'put --help' 'ls --help' 'join --help' 'keygen --help' \
		'members --help' 'verify --help' \
		'user --help' 'user -d sub list' 'user -d sub list --json' \
		'user -d alone key client1' 'user -d alone invite new -s localhost'; do
		# shellcheck disable=SC2086
		ok "$what with stdout $way: 74" must_fail 74 $way $what
	done
done
ok "... and says why" sh -c \
	"'$SMTP361' user -d sub list 2>&1 >/dev/full | grep -q 'standard output'"
ok "keygen with stdout full: 74" must_fail 74 full keygen -d sub lost
ok "keygen with stdout full: the pair is whole all the same" test -s sub/lost_private.pem -a -s \
	sub/lost_public.pem
all_closed() { "$SMTP361" "$@" <&- >&- 2>&-; }
ok "all of stdio closed: user list is 74 still" must_fail 74 all_closed user -d sub list
ok "all of stdio closed: keygen's files hold keys alone" sh -c "
	'$SMTP361' keygen -d sub quiet <&- >&- 2>&-
	openssl pkey -in sub/quiet_private.pem -check -noout &&
	[ \"\$(head -c 5 sub/quiet_public.pem)\" = ----- ]"
no_stdin() { "$SMTP361" "$@" <&-; }
ok "stdin closed: user add asks nothing" must_fail 64 no_stdin user -d sub add someone
ok "stdin closed: --password-file - is 66" must_fail 66 no_stdin user -d sub add someone \
	--password-file -

done_testing
