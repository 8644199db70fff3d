#!/bin/sh
# File transfer by a shared key: what goes in comes out, over every cipher and of every size; half a file
# is never seen; names, keys and the log.
. "$(dirname "$0")/lib.sh"
ram_folder
mkdir "$RAM/work" && cd "$RAM/work" || exit 1
mkdir drop here
echo 'correct horse battery staple' >key
echo 'another one' >other
chmod 600 key other

# start_ft [OPTIONS]: a file server over drop, with key: FT, FT_PORT. Logs: ft.out, ft.err.
# shellcheck disable=SC2120 # some calls have none
start_ft() {
	: >ft.out
	: >ft.err
	"$SMTP361" ftserve 127.0.0.1:0 file:key -d drop "$@" >ft.out 2>ft.err </dev/null &
	FT_PID=$!
	PIDS="$PIDS $FT_PID"
	wait_for 10 grep -q 'Using secret key' ft.out || {
		diag "the file server did not start: $(cat ft.err)"
		return 1
	}
	FT=$(sed -n 's/^Listening on //p' ft.err | head -n 1)
}
stop_ft() { kill -TERM "$FT_PID" && wait "$FT_PID"; }
ft() { "$SMTP361" ft "$@"; }
# put FILE NAME [CIPHER]; get NAME FILE [CIPHER]: by pipes
put() { ft write "$2" "$FT" "${3:-noise}" file:key <"$1"; }
get() { ft read "$1" "$FT" "${3:-noise}" file:key >"$2"; }
hidden() { find drop here -name '.*' ! -name . -type f; }
leftovers() { is "$1" "$(hidden)" ""; }

# --- there and back ---

ok "the server starts" start_ft --allow none --allow aes128 --allow aes256
large=128 # MiB; a GiB with EXHAUSTIVE=1, by make check-crash
[ -z "$SANITIZED" ] || large=32
[ -z "${EXHAUSTIVE:-}" ] || large=1024
bytes() { # COUNT
	[ "$1" = 0 ] || head -c "$1" /dev/urandom
}
for n in 0 1 16383 16384 16385 61439 61440 61441 65536 1000003; do
	bytes $n >in
	for cipher in none aes128 aes256 noise; do
		ok "$n bytes are written over $cipher" put in "$cipher-$n" $cipher
		ok "... and are there" cmp in "drop/$cipher-$n"
		ok "... and are read" get "$cipher-$n" out $cipher
		ok "... the same" cmp in out
	done
done
head -c ${large}M /dev/urandom >in
for cipher in none aes128 aes256 noise; do
	ok "$large MiB are written over $cipher" put in big $cipher
	ok "... and are read" sh -c '"$1" ft read big "$2" "$3" file:key | cmp - in' - "$SMTP361" "$FT" $cipher
	rm -f drop/big
done
leftovers "nothing else is left in the folder"
ok "files are the owner's alone" test "$(stat -c %a drop/noise-1)" = 600
rm -f in out drop/*

# --- files at both ends ---

seq 1 20000 >text
ok "write takes --input" ft write text "$FT" file:key -i text
ok "read takes --output" ft read text "$FT" file:key -o here/text
ok "... and the same is there" cmp text here/text
ok "read refuses to replace a file" must_fail 73 ft read text "$FT" file:key -o here/text
ok "... unless it is told to" ft read text "$FT" file:key -o here/text --force
ok "write refuses to replace one" must_fail 73 ft write text "$FT" file:key -i key
ok "... and leaves it as it was" cmp text drop/text
ok "... unless it is told to" ft write text "$FT" file:key -i key --force
ok "... and then it is the new one" cmp key drop/text
ok "the founding protocol replaces nothing" must_fail 73 put text text aes256
ok "a file that is not there is 66" must_fail 66 ft read nothing "$FT" file:key -o here/nothing
ok "... over the founding protocol, too" must_fail 66 ft read nothing "$FT" aes256 file:key -o here/nothing
ok "... and nothing is made of it" test ! -e here/nothing
ok "a source that is not there is 66" must_fail 66 ft write x "$FT" file:key -i nothing
ok "a folder is no source" must_fail 65 ft write x "$FT" file:key -i here
ok "write needs something to write" must_fail 64 sh -c '"$1" ft write x "$2" file:key -o y' - "$SMTP361" "$FT"
rm -f here/* drop/*

# --- the hash ---

ok "write --sum" sh -c '"$1" ft write text "$2" file:key -i text --sum -q >sums' - "$SMTP361" "$FT"
ok "... is what sha256sum -c takes" sha256sum -c --strict sums
ok "read --sum" sh -c '"$1" ft read text "$2" file:key -o here/text --sum -q >sums' - "$SMTP361" "$FT"
ok "... is what sha256sum -c takes" sha256sum -c --strict sums
ok "read into a pipe prints it on stderr" sh -c \
	'"$1" ft read text "$2" file:key --sum -q 2>sums | cmp - text' - "$SMTP361" "$FT"
is "... the same" "$(cat sums)" "$(sha256sum text)"
cp text 'a\b'
ok "a name with a backslash" sh -c '"$1" ft write x "$2" file:key -i "a\\b" --sum -q >sums' - "$SMTP361" "$FT"
ok "... is escaped as sha256sum does it" sha256sum -c --strict sums
is "-q says nothing" "$(ft read text "$FT" file:key -o here/again -q 2>&1)" ""
rm -f here/* drop/*

# --- holes, pipes, folders ---

truncate -s 10G sparse
printf middle | dd of=sparse bs=1 seek=5000000000 conv=notrunc 2>/dev/null
ok "10 GiB with 6 bytes in it" ft write sparse "$FT" file:key -i sparse
is "... have their size" "$(stat -c %s drop/sparse)" 10737418240
ok "... and take no room" test "$(du -k drop/sparse | cut -f1)" -lt 1000
is "... and have the bytes where they were" "$(dd if=drop/sparse bs=1 skip=5000000000 count=6 2>/dev/null)" middle
ok "... and come back" ft read sparse "$FT" file:key -o here/sparse
is "... as large" "$(stat -c %s here/sparse)" 10737418240
ok "... and as small" test "$(du -k here/sparse | cut -f1)" -lt 1000
rm -f sparse here/* drop/*
head -c 3000000 /dev/zero >zeros
ok "zeros that are stored" put zeros zeros
ok "... are zeros" cmp zeros drop/zeros
mkdir -p folder/sub && cp text folder/a && ln -s a folder/b && echo x >folder/sub/c
ok "a folder goes in a pipe" sh -c 'tar -c folder | "$1" ft write folder.tar "$2" file:key' - "$SMTP361" "$FT"
ok "... and back" sh -c '"$1" ft read folder.tar "$2" file:key | tar -x -C here' - "$SMTP361" "$FT"
ok "... as it was" diff -r folder here/folder
rm -rf zeros here/* drop/*

# --- names ---

mkfifo drop/fifo
ln -s "$PWD/key" drop/link
mkdir drop/dir
echo secret >drop/.hidden
long=$(printf '%0201d' 0)
esc=$(printf 'a\033[31mb')
for name in fifo link dir; do
	ok "reading $name is refused" must_fail 65 ft read $name "$FT" file:key
	ok "... over aes256, too" must_fail 65 ft read $name "$FT" aes256 file:key
	ok "writing over $name is refused" must_fail 73 ft write $name "$FT" file:key -i text --force
	ok "... over aes256, too" must_fail 73 put text $name aes256
done
for name in ../key /etc/passwd .hidden . .. '' a/b "$long" "$esc" "$(printf 'a\nb')" "$(printf '\377')"; do
	ok "\"$(printf %s "$name" | tr -c ' -~' '?' | cut -c1-20)\" is no name: 65" must_fail 65 ft read "$name" "$FT" file:key
	ok "... to write" must_fail 65 ft write "$name" "$FT" file:key -i text
done
ok "200 bytes are a name" ft write "${long#0}" "$FT" file:key -i text
ok "so are blanks, quotes and letters of any kind" ft write 'a "b" ünï $(c); *' "$FT" file:key -i text
ok "... and what was written has it" cmp text 'drop/a "b" ünï $(c); *'
is "nothing came through a link" "$(cat key)" 'correct horse battery staple'
rm -rf drop/* drop/.hidden

# --- keys ---

ok "a wrong key is 77" must_fail 77 ft write x "$FT" file:other -i text
ok "... over aes256, too" must_fail 77 ft read x "$FT" aes256 file:other
ok "a key on the command line is refused" must_fail 64 ft write x "$FT" 'correct horse battery staple' -i text
ft write x "$FT" 'correct horse battery staple' -i text 2>err
ok "... and not repeated" must_fail 1 grep -q horse err
ok "... unless it is asked for" ft write x "$FT" 'correct horse battery staple' -i text --insecure-key-argument
ok "from a descriptor" sh -c '"$1" ft read x "$2" fd:7 7<key | cmp - text' - "$SMTP361" "$FT"
ok "from the environment" env K='correct horse battery staple' "$SMTP361" ft read x "$FT" env:K -o here/e
ok "... where it names a file" env SMTP361_FT_KEY=file:key "$SMTP361" ft read x "$FT" -o here/f
ok "none at all is misuse" must_fail 64 ft read x "$FT" -o here/g
ok "of the environment the first line counts, as of a file" env K="$(printf 'correct horse battery staple\nmore')" "$SMTP361" ft \
	read x "$FT" env:K -o here/h
ok "from a descriptor that cannot be opened again" sh -c 'cat key | "$1" ft read x "$2" fd:7 7<&0 </dev/null | cmp - text' - "$SMTP361" "$FT"
ok "not from our own output" must_fail 64 ft read x "$FT" fd:1 -o here/g
ok "an empty one is refused" must_fail 65 env K= "$SMTP361" ft read x "$FT" env:K -o here/g
ok "one that is not there is 66" must_fail 66 ft read x "$FT" file:nothing -o here/g
chmod 644 other
ok "one that others can read is 77" must_fail 77 ft read x "$FT" file:other -o here/g
chmod 600 other
ok "no process shows it" must_fail 1 sh -c 'tr "\0" " " </proc/"$1"/cmdline | grep horse' - "$FT_PID"
ok "a name of one's own may begin with a dot" ft read x "$FT" file:key -o here/.env
ok "... and be no folder" must_fail 73 ft read x "$FT" file:key -o here/
rm -f here/* here/.env drop/*

# --- what is shown ---

ok "a transfer" put text shown aes128
ok "... and back" get shown out aes128
sum=$(md5sum <text | cut -d' ' -f1)
for line in 'Listening @ 127.0.0.1 on port [0-9]+' 'Using secret key: FT:[0-9a-f]{16}' 'Client connected: 127.0.0.1' \
	'Cipher: aes128' 'Sending challenge\.\.\.' 'Received good response. Initializing communication.' \
	'Client requested to write filename: shown' 'Client requesting filename: shown' '100.0%' \
	"File confirmed, checksum: $sum" "File sent, checksum: $sum" 'Done'; do
	ok "the server says: $line" wait_for 5 grep -Eq "^!! [0-2][0-9]:[0-5][0-9]:[0-6][0-9]: $line" ft.out
done
ok "the client says: File sent, with the same" sh -c \
	'"$1" ft write shown2 "$2" aes128 file:key <text 2>&1 | grep -q "^!! File sent, checksum: $3\$"' - "$SMTP361" "$FT" "$sum"
ok "each connection has one line on stderr" wait_for 5 grep -q ' end peer=.* cipher=aes128 verb=write name="shown" .* code=0$' ft.err
ok "the key is nowhere in the log" must_fail 1 grep -q horse ft.out ft.err
cat >narrow.py <<'EOF'
import fcntl, os, pty, re, struct, subprocess, sys, termios, time
ours, theirs = pty.openpty()
fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 60, 0, 0))
run = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=theirs)
run.stdout.read(1)
time.sleep(1.5)
run.stdout.read()
run.wait()
lines = re.findall(r"\r\033\[K([^\r]+)", os.read(ours, 65536).decode())
print(f"{len(lines)} {lines}")
sys.exit(not lines or max(map(len, lines)) >= 60 or " left" not in lines[0])
EOF
head -c 64M /dev/zero | tr '\0' x >drop/"$(printf '%050d' 0)"
if /usr/bin/python3 -c '' 2>/dev/null; then
	ok "the bar is no wider than the terminal" \
		/usr/bin/python3 narrow.py "$SMTP361" ft read "$(printf '%050d' 0)" "$FT" file:key
else
	skip "the bar on a terminal" "no python3"
fi
ok "the server stops cleanly" stop_ft
is "no session died by a signal" "$(grep -c ' killed ' ft.err)" 0

# --- a server that takes noise alone ---

rm -f drop/*
ok "by default" start_ft --sum
for cipher in none aes128 aes256; do
	ok "$cipher is refused: 77" must_fail 77 put text x $cipher
done
is "nothing came of it" "$(ls -A drop)" ""
ok "noise is not" put text x
ok "with --sum the server tells the hash" wait_for 5 grep -q "File confirmed, checksum: $(sha256sum <text | cut -d' ' -f1)" ft.out
stop_ft
ok "--read-only" start_ft --read-only
ok "... lets one read" ft read x "$FT" file:key -o here/x
ok "... and not write: 77" must_fail 77 put text y
stop_ft
ok "--write-only" start_ft --write-only
ok "... lets one write" put text y
ok "... and not read: 77" must_fail 77 ft read x "$FT" file:key -o here/y
stop_ft
"$SMTP361" ftserve 127.0.0.1:0 -d drop >made.out 2>made.err </dev/null &
MADE_PID=$!
PIDS="$PIDS $MADE_PID"
wait_for 10 grep -q '^The key' made.out
K=$(sed -n 's/^The key, shown this once: //p' made.out)
is "without a key one of 43 letters is made" "${#K}" 43
ok "... which works" env K="$K" "$SMTP361" ft read x "$(sed -n 's/^Listening on //p' made.err)" env:K -o here/made
kill "$MADE_PID" && wait "$MADE_PID"
ok "an address alone is misuse" must_fail 64 "$SMTP361" ftserve 127.0.0.1 file:key -d drop
ok "so are two options that leave nothing" must_fail 64 "$SMTP361" ftserve 127.0.0.1:0 file:key -d drop --read-only --write-only
ok "a port that is no port is misuse" must_fail 64 "$SMTP361" ftserve 99999 file:key -d drop
ok "a folder that is not there is 66" must_fail 66 "$SMTP361" ftserve 127.0.0.1:0 file:key -d nowhere
ok "nobody listens: 69" must_fail 69 ft read x 127.0.0.1:1 file:key -o here/n

# what an earlier try left outlives one that does not get as far
printf half >here/.n.part
chmod 600 here/.n.part
ok "nobody listens to a resumption, either" must_fail 69 ft read n 127.0.0.1:1 file:key -o here/n --resume
is "... and what there was is still there" "$(cat here/.n.part)" half
rm -f here/.n.part
head -c 3000000 /dev/zero | tr '\0' x >in
ok "a limit on the size of files is 75, not a death" must_fail 75 sh -c \
	'ulimit -f 100; "$1" ftserve 127.0.0.1:0 file:key -d drop >lim.out 2>lim.err & wait_pid=$!
	until grep -q "Using secret" lim.out; do sleep 0.05; done
	"$1" ft write limited "$(sed -n "s/^Listening on //p" lim.err)" file:key -i in; rc=$?
	kill $wait_pid; wait $wait_pid; exit $rc' - "$SMTP361"
ok "... of either side" must_fail 1 grep -q ' killed ' lim.err

# --- many at once ---

rm -f here/* drop/*
start_ft
seq 1 100000 >text
i=0
while [ $i -lt 50 ]; do
	i=$((i + 1))
	(put text "many$i" && get "many$i" "here/many$i") 2>"here/err$i" &
	MANY="${MANY:-} $!"
done
for pid in $MANY; do
	wait "$pid" || echo "$pid"
done >here/failed
is "50 transfers at once all end well" "$(cat here/failed)" ""
i=0
while [ $i -lt 50 ]; do
	i=$((i + 1))
	cmp text "here/many$i" && cmp text "drop/many$i" || echo "$i"
done >here/failed 2>&1
is "... and every file is the same" "$(cat here/failed)" ""
i=0
MANY=
while [ $i -lt 20 ]; do
	i=$((i + 1))
	put text one 2>/dev/null && echo "$i" >>here/won &
	MANY="$MANY $!"
done
for pid in $MANY; do
	wait "$pid"
done
is "of 20 who write one name, one wins" "$(wc -l <here/won | tr -d ' ')" 1
ok "... and it is whole" cmp text drop/one
leftovers "nothing else is left"

# --- a disk that is full ---

if is_root && mkdir small && mount -t tmpfs -o size=1m tmpfs small 2>/dev/null; then
	head -c 3000000 /dev/urandom >in
	stop_ft
	"$SMTP361" ftserve 127.0.0.1:0 file:key -d small >small.out 2>small.err </dev/null &
	FT_PID=$!
	PIDS="$PIDS $FT_PID"
	wait_for 10 grep -q 'Using secret key' small.out
	FT=$(sed -n 's/^Listening on //p' small.err)
	ok "a full disk at the server is 75" must_fail 75 put in full
	ok "... and leaves nothing" wait_for 10 sh -c '[ -z "$(ls -A small)" ]' # the session may end behind ours
	ok "... what fits is stored" put text fits
	stop_ft
	start_ft
	ok "what is to be read" put in full
	ok "a full disk here is 75" must_fail 75 ft read full "$FT" file:key -o small/full
	is "... and leaves nothing" "$(ls -A small)" fits
	umount small
else
	skip "a full disk" "needs root and tmpfs"
fi
stop_ft
if (: >/dev/full) 2>/dev/null; then
	start_ft
	ok "output that gets lost is not a success" must_fail 74 sh -c '"$1" ft read one "$2" file:key >/dev/full' - "$SMTP361" "$FT"
	stop_ft
fi
done_testing
