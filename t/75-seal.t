#!/bin/sh
# Sealed files, from the command line: age is the judge both ways; damaged and cut ones; outputs that
# appear whole or not at all; keys in age's form. The format itself is judged by t/unit/age*.c.
. "$(dirname "$0")/lib.sh"
mkdir "$HOME_DIR/w" && cd "$HOME_DIR/w" || exit 1
umask 077
KIT=$VECTORS/age/testkit

# left: what lies here that is not asked for
left() { find . -name '.*.part*' -o -name out; }
# pattern BYTES: bytes that look random and are the same in every run
pattern() { openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c "$1"; }

"$SMTP361" keygen --only x25519 ada bob eve >/dev/null 2>&1
for u in ada bob eve; do
	"$SMTP361" keygen --age $u >$u.recipient
	"$SMTP361" keygen --age --secret $u >$u.identity
done
ADA=$(cat ada.recipient) BOB=$(cat bob.recipient)

# --- by itself ---

printf 'Meet at noon.\n' >note
run "$SMTP361" seal --to ada note -o note.age
is "seal says nothing of a success" "$RC$(cat o e)" 0
run "$SMTP361" unseal -u ada note.age
is "who it was sealed to opens it" "$RC $(cat o)" "0 Meet at noon."
run env SMTP361_USER=ada "$SMTP361" unseal note.age
is "... by \$SMTP361_USER, too" "$RC $(cat o)" "0 Meet at noon."
mkdir -p xdg/smtp361 && printf '{"user": "ada", "keys": "%s"}\n' "$PWD" >xdg/smtp361/config.json
run sh -c "cd / && XDG_CONFIG_HOME='$PWD/xdg' '$SMTP361' unseal '$PWD/note.age'"
is "... by the configuration's user and keys" "$RC $(cat o)" "0 Meet at noon."
run sh -c "cd / && XDG_CONFIG_HOME='$PWD/xdg' '$SMTP361' seal --to bob '$PWD/note' | '$SMTP361' unseal -u bob -k '$PWD'"
is "seal --to takes the configuration's folder of keys" "$RC $(cat o)" "0 Meet at noon."
run "$SMTP361" unseal -i ada.identity note.age
is "an identity file opens it" "$RC $(cat o)" "0 Meet at noon."
run "$SMTP361" unseal -u eve note.age
is "nobody else does: 77" "$RC $(cat o)" "77 "
like "... and is told why" "$(cat e)" 'cannot unseal note\.age: none of the identities opens it'
run "$SMTP361" unseal -i eve.identity -i bob.identity note.age
is "... with two wrong identities" "$RC $(cat o)" "77 "
run "$SMTP361" unseal -i eve.identity -u ada note.age
is "-u counts beside -i" "$RC $(cat o)" "0 Meet at noon."
is "the file is 0600" "$(stat -c %a note.age)" 600
grep -aq "at noon" note.age
is "the text is not in it" $? 1

# --- age, both ways ---

sizes='0 1 15 48 65535 65536 65537 131072 131073 10000000'
pattern 10000000 >all
both_ways() { # SIZE ARMOR...
	head -c "$1" all >plain
	size=$1
	shift
	"$SMTP361" seal -r "$ADA" -r "$BOB" "$@" plain >ours || return 1
	age -d -i ada.identity ours >got && cmp plain got || return 1
	"$SMTP361" unseal -u bob <ours >got && cmp plain got || return 1
	"$SMTP361" seal -r "$ADA" "$@" <plain | age -d -i ada.identity -o got && cmp plain got || return 1
	age -r "$ADA" -r "$BOB" "$@" -o theirs plain || return 1
	"$SMTP361" unseal -i bob.identity theirs >got && cmp plain got || return 1
	rm -f out
	"$SMTP361" unseal -u ada -o out theirs && cmp plain out || return 1
	[ "$(wc -c <ours)" = "$(wc -c <theirs)" ] || { echo "$size bytes: $(wc -c ours theirs)"; return 1; }
}
if command -v age >/dev/null; then
	for n in $sizes; do
		ok "$n bytes: age opens ours, and we open age's" both_ways "$n"
		ok "$n bytes, armored: the same" both_ways "$n" -a
	done
	is "armored, age's lines are ours" "$(tail -n +2 ours | awk '{ print length }' | sort -n | tail -n 1)" 64
	age-keygen -o foreign 2>/dev/null
	FOREIGN=$(sed -n 's/^# public key: //p' foreign)
	ok "age-keygen -y reads our identity file as we do" \
		sh -c '[ "$(age-keygen -y ada.identity)" = "$(cat ada.recipient)" ]'
	printf '# the team\n\n%s\r\n%s\n' "$ADA" "$FOREIGN" >team
	ok "seal -R: all that the file names" "$SMTP361" seal -R team --to eve -o team.age note
	for i in ada.identity foreign eve.identity; do
		is "... $i opens it by age" "$(age -d -i $i team.age)" "Meet at noon."
		is "... and here" "$("$SMTP361" unseal -i $i team.age)" "Meet at noon."
	done
	run age -d -i bob.identity team.age
	is "... and no other" "$RC" 1
	ok "the recipients' file is one for age, too" age -R team -o team2.age note
	is "... of which each is ours" "$("$SMTP361" unseal -i foreign team2.age)" "Meet at noon."
	run "$SMTP361" keygen --age --import foreign faye
	like "keygen --import makes a pair of age's identity" "$RC $(cat o)" '^0 faye: X25519 SHA256:.* \(imported\)$'
	is "... of the same recipient" "$("$SMTP361" keygen --age faye)" "$FOREIGN"
	is "... that opens what age sealed" "$(age -r "$FOREIGN" note | "$SMTP361" unseal -u faye)" "Meet at noon."
	ok "... and which openssl reads" openssl pkey -in faye_x25519_private.pem -noout
else
	skip "age opens ours, and we open age's" "age is not installed: NOTHING judges the format"
fi

# --- the test kit, by the command's exit codes; t/unit/age_testkit.c has the classes ---

kit() {
	/usr/bin/python3 - "$KIT" kit <<'END'
import os, sys, zlib
source, out = sys.argv[1:]
os.mkdir(out)
for name in os.listdir(source):
    head, body = open(f'{source}/{name}', 'rb').read().split(b'\n\n', 1)
    fields = [line.split(': ', 1) for line in head.decode().split('\n')]
    own = [v for k, v in fields if k == 'identity']
    of = dict(fields)
    if 'passphrase' in of or any('-PQ-' in v for v in own):
        continue
    open(f'{out}/{name}', 'wb').write(zlib.decompress(body) if 'compressed' in of else body)
    open(f'{out}/{name}.id', 'w').write('\n'.join(own) + '\n')
    empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    code = {'success': 0, 'no match': 77}.get(of['expect'], 65)
    open(f'{out}/{name}.want', 'w').write(f"{code} {of.get('payload', empty)}\n")
END
	cases=0
	for want in kit/*.want; do
		f=${want%.want}
		cases=$((cases + 1))
		run "$SMTP361" unseal -i "$f.id" "$f"
		[ "$RC $(sha256sum <o | cut -d ' ' -f 1)" = "$(cat "$want")" ] ||
			echo "${f#kit/}: exit code $RC, $(wc -c <o) bytes; want $(cat "$want")"
		if [ "$RC" != 0 ]; then
			run "$SMTP361" unseal -i "$f.id" -o out "$f"
			[ -z "$(left)" ] || echo "${f#kit/} left $(left)"
			rm -f out
		fi
	done
	[ $cases = 98 ] || echo "$cases cases, not 98"
}
rm -f out
if [ -d "$KIT" ]; then
	kit >bad 2>&1
	is "unseal ends as each of the kit's 98 cases wants, and leaves no file of a bad one" "$(cat bad)" ""
	is "what opens by a passphrase alone matches no identity: 77" \
		"$(sed '1,/^$/d' "$KIT/scrypt" >s && must_fail 77 "$SMTP361" unseal -u ada s 2>&1)" \
		"smtp361 unseal: cannot unseal s: it is sealed with a passphrase, which is not read here"
else
	skip "unseal ends as each of the kit's cases wants" "the published vectors are not there"
fi

# --- damaged and cut ---

head -c 200000 all >plain
"$SMTP361" seal --to ada plain -o good.age
"$SMTP361" seal --to ada -a plain -o good.asc
damage() {
	/usr/bin/python3 - "$SMTP361" <<'END'
import os, subprocess, sys
plain = open('plain', 'rb').read()
def judge(what, data):
    open('bad.age', 'wb').write(data)
    for output in ([], ['-o', 'out']):
        p = subprocess.run([sys.argv[1], 'unseal', '-u', 'ada', *output, 'bad.age'], capture_output=True)
        got = p.stdout
        if p.returncode not in (65, 77) or not p.stderr:
            print(f'{what}: exit code {p.returncode}')
        if not plain.startswith(got) or len(got) % 65536 != 0:
            print(f'{what}: {len(got)} wrong bytes came out')
        if got and b'authentic, but not all' not in p.stderr:
            print(f'{what}: no warning of a part')
        for name in ('out', '.out.part'):
            if os.path.exists(name):
                print(f'{what}: {name} is there')
                os.unlink(name)
for name in ('good.age', 'good.asc'):
    good = open(name, 'rb').read()
    n = len(good)
    for at in [*range(0, 260, 13), *range(300, n - 1, 23003), *range(n - 40, n - 1, 7)]:
        judge(f'{name} turned at {at}', good[:at] + bytes([good[at] ^ 4]) + good[at + 1:])
        judge(f'{name} cut at {at}', good[:at])
    judge(f'{name} with a byte more', good + b'x')
    judge(f'{name} twice', good + good)
END
}
damage >bad 2>&1
is "damaged and cut: no wrong byte, no file, 65 or 77" "$(cat bad)" ""
run "$SMTP361" unseal -u ada -o out plain
is "what is no sealed file at all: 65" "$RC" 65
run "$SMTP361" unseal -u ada /dev/null
like "nothing at all: 65" "$RC $(cat e)" '^65 .*: it is empty$'

# --- outputs ---

run "$SMTP361" unseal -u ada -o note note.age
like "an existing file is not replaced: 73" "$RC $(cat e)" '^73 .*note: it exists'
echo old >there
run "$SMTP361" unseal -u ada -o there --force note.age
is "... but with --force" "$RC $(cat there)" "0 Meet at noon."
echo old >there
run "$SMTP361" unseal -u eve -o there --force note.age
is "... which keeps the old one when it fails" "$RC $(cat there)" "77 old"
for a in seal unseal; do
	[ $a = seal ] && options='--to ada' || options='-u ada'
	cp note.age same
	# shellcheck disable=SC2086
	run "$SMTP361" $a $options -o ./same --force same
	like "$a: one file as input and output is misuse" "$RC $(cat e)" '^64 .*one file'
	cmp -s note.age same
	is "... which leaves it as it is" $? 0
	# shellcheck disable=SC2086
	run "$SMTP361" $a $options -o .hidden note.age
	is "$a: a name of one's own may begin with a dot" "$RC" 0
	ok "... and is there" test -s .hidden
	rm -f .hidden
	# shellcheck disable=SC2086
	run "$SMTP361" $a $options -o no/such/folder/x note.age
	is "$a into no folder: 66" "$RC" 66
	# shellcheck disable=SC2086
	run "$SMTP361" $a $options no-such-file
	is "$a of no file: 66" "$RC" 66
	# shellcheck disable=SC2086
	run "$SMTP361" $a $options .
	is "$a of a folder: 65" "$RC" 65
	if [ -c /dev/full ]; then
		# shellcheck disable=SC2086
		ok "$a to a full device fails" must_fail 74 sh -c "'$SMTP361' $a $options note.age >/dev/full"
	fi
done
truncate -s 3000000 sparse && printf x >>sparse
"$SMTP361" seal --to ada sparse | "$SMTP361" unseal -u ada -o dense
ok "holes of a file come back as zeros" cmp sparse dense

# most COMMAND...: the most memory that it or Python holds, in KiB
most() {
	/usr/bin/python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@"
}
if [ -z "$SANITIZED" ]; then
	cat all all all all all >much
	"$SMTP361" seal --to ada much -o much.age
	for a in 'seal --to ada -a much' 'unseal -u ada much.age'; do
		# shellcheck disable=SC2086
		kib=$(most "$SMTP361" $a)
		ok "${a%% *} needs no more memory for 50 MB ($kib KiB)" test "$kib" -lt 20000
	done
	rm -f much much.age
else
	skip "50 MB need no more memory" "a sanitizer needs more"
fi

# The shell ignores SIGINT and SIGQUIT of what it starts in the background: this does not.
interrupted() { # ignored: they are ignored, as nohup does
	/usr/bin/python3 -B - "$SMTP361" "$SANITIZED" "$@" <<'END'
import os, resource, signal, subprocess, sys, time
program, sanitized, ignored = sys.argv[1], sys.argv[2], sys.argv[3:] == ['ignored']
sealed = open('good.age', 'rb').read()
def prepare():
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    for number in numbers:
        signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
def start():
    p = subprocess.Popen([program, 'unseal', '-u', 'ada', '-o', 'out'], stdin=subprocess.PIPE,
                         preexec_fn=prepare)
    p.stdin.write(sealed[:150000])
    p.stdin.flush()
    until = time.monotonic() + 30
    while not (os.path.exists('.out.part') and os.path.getsize('.out.part') > 0):
        if time.monotonic() > until:
            sys.exit('nothing is written')
        time.sleep(0.01)
    return p
def ended(number):
    p = start()
    p.send_signal(number)
    pid, status = os.waitpid(p.pid, 0)
    p.returncode = 0
    left = [n for n in os.listdir('.') if n in ('out', '.out.part') or n.startswith('core')]
    for name in left:
        os.unlink(name)
    wrong = [] if os.WIFSIGNALED(status) and os.WTERMSIG(status) == number else [f'status {status}']
    wrong += ['a core'] if os.WCOREDUMP(status) and not sanitized else []
    return ', '.join(wrong + left)
def goes_on():
    p = start()
    for number in numbers:
        p.send_signal(number)
    p.stdin.write(sealed[150000:])
    p.stdin.close()
    wrong = [] if p.wait(30) == 0 and os.path.exists('out') else [f'exit code {p.returncode}']
    os.path.exists('out') and os.unlink('out')
    return ', '.join(wrong)
def tell(title, wrong):
    print(f'ok {title}' if not wrong else f'# {wrong}\nnot ok {title}', flush=True)
names = 'INT TERM HUP QUIT ALRM VTALRM PROF XCPU USR1 USR2 IO PWR ABRT'.split()
numbers = [getattr(signal, 'SIG' + name) for name in names]
if ignored:
    tell('signals that were ignored stay so', goes_on())
else:
    for name, number in zip(names, numbers):
        tell(f'SIG{name} ends it, and leaves nothing of the plain text', ended(number))
END
}
rm -f out
judged "each of the signals was judged" interrupted
judged "... ignored ones, too" interrupted ignored

# What is left in memory is looked at when it has failed, and cannot tell: its stderr is a full pipe.
held() { # APPLET OPTIONS...
	/usr/bin/python3 -B - "$ROOT/t/peer/image.py" "$SECRET" "$SMTP361" "$@" <<'END'
import os, subprocess, sys, time
image, secret, *command = sys.argv[1:]
_, full = os.pipe()
os.set_blocking(full, False)
try:
    while True:
        os.write(full, b'x' * 4096)
except BlockingIOError:
    os.set_blocking(full, True)
p = subprocess.Popen(command, stdout=open('/dev/full', 'w'), stderr=full)
until = time.monotonic() + 30
while open(f'/proc/{p.pid}/syscall').read().split()[1:2] != ['0x2']: # it writes there
    if p.poll() is not None or time.monotonic() > until:
        sys.exit(f'it does not fail: {p.returncode}')
    time.sleep(0.01)
subprocess.run([sys.executable, '-B', image, secret, str(p.pid)])
p.kill()
END
}
if is_root && [ -z "$SANITIZED" ] && [ -c /dev/full ]; then
	SECRET='nobody but ada shall read this line'
	yes "$SECRET" | head -c 2000000 >secret
	"$SMTP361" seal --to ada secret -o secret.age
	for a in 'seal --to ada secret' 'unseal -u ada secret.age'; do
		# shellcheck disable=SC2086
		is "${a%% *} leaves nothing of the text in memory" "$(held $a 2>&1)" ""
	done
	rm -f secret secret.age
else
	skip "seal leaves nothing of the text in memory" "needs root, and no sanitizer"
	skip "unseal leaves nothing of the text in memory" "needs root, and no sanitizer"
fi

# --- terminals ---

on_terminal() {
	/usr/bin/python3 -c '
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(["/bin/sh", "-c", sys.argv[1]])))' "$1" </dev/null
}
run on_terminal "'$SMTP361' seal --to ada note"
is "a binary file is not written to a terminal: 64" "$RC" 64
like "... and says what to do" "$(cat o)" 'seal: .*-a makes text of it, -o - '
ok "... not a byte of it" must_fail 1 grep -q age-encryption o
run on_terminal "'$SMTP361' seal --to ada -a note"
like "an armored one is" "$RC $(cat o)" '^0 -----BEGIN AGE ENCRYPTED FILE-----'
run on_terminal "'$SMTP361' seal --to ada -o - note"
like "-o - insists" "$RC $(head -n 1 o)" '^0 age-encryption.org/v1'
printf 'red \033[31m\n' | "$SMTP361" seal --to ada -o red.age
run on_terminal "'$SMTP361' unseal -u ada red.age"
is "control characters do nothing to a terminal" "$RC $(tr -d '\r' <o)" '0 red \x1b[31m'
run on_terminal "'$SMTP361' unseal -u ada -o - red.age"
is "... unless that is asked for" "$(grep -c "$(printf '\033')" o)" 1
is "... or it is a pipe" "$("$SMTP361" unseal -u ada red.age | od -An -tx1 | tr -d ' ')" 726564201b5b33316d0a

# what of it is cut where one piece ends and the next begins, once for each way to cut it
pieces() {
	PYTHONPATH="$ROOT/t/peer" /usr/bin/python3 -B - "$SMTP361" <<'END'
import subprocess, sys, terminal
program = sys.argv[1]
def shown(data):
    subprocess.run([program, 'seal', '--to', 'ada', '--force', '-o', 'cut.age'], input=data, check=True)
    got, code = terminal.shown([program, 'unseal', '-u', 'ada', 'cut.age'])
    if code != 0:
        print('it failed')
    return got
# what comes out first is the file's first 7 chunks, less the header
for what, data in terminal.texts(600000):
    if shown(data) != data:
        print(f'cut: {what}')
end = 7 * 65536
whole = lambda k, tail: b'a' * (end - k) + tail
for data, want in (
        (whole(1, b'\xe2\xc3\xa9b'), whole(1, b'\\xe2\xc3\xa9b')),       # another one begins in its place
        (whole(2, b'\xe2\x82zb'), whole(2, b'\\xe2\\x82zb')),
        (whole(1, b'\xff\xa9b'), whole(1, b'\\xff\\xa9b')),
        (b'a\xe2\x82', b'a\\xe2\\x82'),                                # at the end of all
        (b'\xc3', b'\\xc3')):
    if shown(data) != want:
        print(f'{data[-8:]} is shown as {shown(data)[-16:]}')
END
}
pieces >bad 2>&1
is "no character is cut on a terminal, and one that is cut in the file is told" "$(cat bad)" ""

# --- keys ---

# slip: each line's last character becomes another one
slip() { sed 's/[^Qq]$/Q/; t; s/Q$/P/; s/q$/p/'; }
run "$SMTP361" seal -r "$(echo "$ADA" | slip | tr A-Z a-z)" note
like "a recipient with a wrong checksum: 65" "$RC $(cat e)" '^65 .*age1.*: it is no recipient'
run "$SMTP361" seal -r "$(cat ada.identity | sed -n 2p)" note
is "an identity is no recipient" "$RC" 65
run "$SMTP361" seal -r "$(echo "$ADA" | tr a-z A-Z)" note
is "nor is one in upper case" "$RC" 65
# zeros
run "$SMTP361" seal -r age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z note
like "nor is a point of low order" "$RC $(cat e)" '^65 .*low order'
printf '# one\n%s\nssh-ed25519 AAAA\n' "$ADA" >badteam
run "$SMTP361" seal -R badteam note
like "a line that is none is named" "$RC $(cat e)" '^65 .*badteam:3: it is no recipient'
: >nobody
run "$SMTP361" seal -R nobody note
is "a file without recipients: 65" "$RC" 65
run "$SMTP361" seal --to nobody note
like "--to somebody without a key: 66" "$RC $(cat e)" '^66 .*nobody_x25519_public\.pem'
like "... and where it was looked for" "$(cat e)" '^hint: .*looked for in \.;'
like "... and what pins one" "$(cat e)" 'members accept USER'
run "$SMTP361" seal --to ../ada note
is "--to takes names alone" "$RC" 64

# what is pinned, as `members` writes it
"$SMTP361" keygen --only p256 ada bob >/dev/null 2>&1
for u in ada bob; do
	# one's own line needs no server
	"$SMTP361" members -k . -u $u export $u >$u.line
done
mkdir p && cp ada_* p/ && "$SMTP361" members -k p -u ada import bob.line 2>/dev/null
is "--to takes the key that is pinned" \
	"$("$SMTP361" seal -k p --to bob note | "$SMTP361" unseal -u bob)" "Meet at noon."
sed 's/pinned$/verified/' p/known_members >known && cp known p/known_members
is "... or verified" "$("$SMTP361" seal -k p --to bob note | "$SMTP361" unseal -u bob)" "Meet at noon."
cp bob_x25519_public.pem p/
is "... beside a file of the same key, too" \
	"$("$SMTP361" seal -k p --to bob note | "$SMTP361" unseal -u bob)" "Meet at noon."
cp eve_x25519_public.pem p/bob_x25519_public.pem
run "$SMTP361" seal -k p --to bob note
like "... and neither of them where they differ: 77" "$RC$(cat o) $(cat e)" \
	'^77 .*bob_x25519_public\.pem is another key than the one pinned for bob'
run "$SMTP361" seal -k p --to ada note
is "... which stops nobody else" "$RC" 0
rm p/bob_x25519_public.pem && sed 's/pinned$/once/; s/verified$/once/' known >p/known_members
run "$SMTP361" seal -k p --to bob note
like "a damaged list of members: 78" "$RC$(cat o) $(cat e)" '^78 .*known_members: line 1'
cat ada.line bob.line >members
ok "-R takes what members export wrote" "$SMTP361" seal -R members -o members.age note
for u in ada bob; do
	is "... $u opens it" "$("$SMTP361" unseal -u $u members.age)" "Meet at noon."
done
run "$SMTP361" unseal -u eve members.age
is "... and nobody else" "$RC" 77
printf '%s\n' "$ADA" "$(cut -d ' ' -f 1,2 bob.line)" >mixed
run "$SMTP361" seal -R mixed note
like "... and no line that is cut" "$RC$(cat o) $(cat e)" "^65 .*mixed:2: it is neither a recipient nor a whole line"
"$SMTP361" members -k . -u ada export --allowed-signers >signers
run "$SMTP361" seal -R signers note
like "... nor one of a signing key" "$RC $(cat e)" '^65 .*signers:1: it is no recipient'

cp ada.identity open && chmod 644 open
run "$SMTP361" unseal -i open note.age
like "an identity file that others can read is refused: 78" "$RC $(cat e)" '^78 .*open: others can read it'
slip <ada.identity >wrong
run "$SMTP361" unseal -i wrong note.age
like "a damaged identity: 65, its line is named" "$RC $(cat e)" '^65 .*wrong:2: it is no identity'
ok "... but not the secret" must_fail 1 grep -q AGE-SECRET-KEY-1[A-Z0-9] e
run "$SMTP361" unseal note.age
like "no identity at all: 64" "$RC $(cat e)" '^64 .*no identity'
run "$SMTP361" keygen --age nobody
is "keygen --age of who has no key: 66" "$RC" 66
like "... and where it was looked for" "$(cat e)" '^hint: it is neither here nor in the configuration'
run "$SMTP361" keygen -d . --age nobody
is "... or was not, with -d" "$RC $(grep -c hint e)" "66 0"
# as for who joined, whose keys are where the configuration says, and who is elsewhere
elsewhere() { sh -c "cd / && XDG_CONFIG_HOME='$PWD/xdg' '$SMTP361' keygen $*"; }
for what in --age '--age --secret' --ssh --allowed-signers; do
	# shellcheck disable=SC2086
	is "keygen $what finds the key in the configuration's folder" "$(elsewhere $what ada)" \
		"$("$SMTP361" keygen $what ada)"
	# shellcheck disable=SC2086
	run elsewhere -d . $what ada
	is "... but not with -d" "$RC" 66
done
mkdir here && cp bob_x25519_public.pem here/ada_x25519_public.pem
own_or_not() { sh -c "cd here && XDG_CONFIG_HOME='$PWD/xdg' '$SMTP361' keygen $*"; }
is "... and what is here comes first" "$(own_or_not --age ada)" "$BOB"
is "... where it is here" "$(own_or_not --age --secret ada)" "$(cat ada.identity)"
own_or_not --age --import "$PWD/eve.identity" new >/dev/null
ok "what is made stays here" test -s here/new_x25519_private.pem
run "$SMTP361" keygen --age --import ada.identity dan
is "keygen --age --import takes what --secret printed" "$RC $("$SMTP361" keygen --age dan)" "0 $ADA"
cmp -s ada_x25519_private.pem dan_x25519_private.pem
is "... to the same file" $? 0
run "$SMTP361" keygen --age --import bob.identity dan
is "... and replaces nothing: 73" "$RC $("$SMTP361" keygen --age dan)" "73 $ADA"
rm dan_x25519_public.pem
run "$SMTP361" keygen --age --import bob.identity dan
is "... also a private half alone" "$RC" 73
run "$SMTP361" keygen --age --force --import bob.identity dan
is "... but with --force" "$RC $("$SMTP361" keygen --age dan)" "0 $BOB"
cat ada.identity bob.identity >two
run "$SMTP361" keygen --age --import two gus
like "a file with two identities is none to import" "$RC $(cat e)" '^65 .*holds 2 identities'
is "... and makes nothing" "$(ls gus* 2>/dev/null)" ""
run sh -c "'$SMTP361' keygen --age --secret ada >/dev/full"
is "keygen --age --secret to a full device: 74" "$RC" 74

is "nothing else is left behind" "$(find . -name '.*.part*' -o -name '.*.new')" ""
done_testing
