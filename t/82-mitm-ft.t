#!/bin/sh
# The attacks on file transfer, as mitm has them: with aes128, too, which the lab does not show, with files
# of other sizes, and where they have nothing to work with.
. "$(dirname "$0")/lib.sh"
cd "$HOME_DIR" || exit 1
mkdir drop
echo sunshine >key
chmod 600 key
{ seq 1 20000 && echo sunshine; } >words

# start_files CIPHER: a file server that allows it: FILES
start_files() {
	: >files.err
	"$SMTP361" ftserve 127.0.0.1:0 file:key -d drop --allow "$1" >files.out 2>files.err </dev/null &
	FILES_PID=$!
	PIDS="$PIDS $FILES_PID"
	wait_for 10 grep -q '^Listening on .*:[0-9]*$' files.err || return 1
	FILES=$(sed -n 's/^Listening on //p' files.err | head -n 1)
}
# start_mitm OPTIONS...: to it: MITM. Its output: heard
start_mitm() {
	: >heard.err
	"$SMTP361" mitm -l 127.0.0.1:0 --to "$FILES" "$@" >heard 2>heard.err </dev/null &
	MITM_PID=$!
	PIDS="$PIDS $MITM_PID"
	wait_for 10 grep -q '^Listening on .*:[0-9]*$' heard.err || return 1
	MITM=$(sed -n 's/^Listening on //p' heard.err | head -n 1)
}
# said: what the attack got, once it says so
said() {
	wait_for 60 grep -aqE '^[0-9]+ (\*\*|--) ' heard
	grep -aE '^[0-9]+ (\*\*|--) ' heard
	kill "$MITM_PID" && wait "$MITM_PID" 2>/dev/null
}
put() { "$SMTP361" ft write "$1" "$MITM" "$2" file:key -i in -q; } # NAME CIPHER
bytes() { yes 'pay bob 0010 EUR, and thank you' | head -c "$1"; }

for cipher in aes128 aes256; do
	ok "a server of $cipher" start_files $cipher
	for n in 16 17 16384 16385 100000; do
		bytes $n >in
		ok "ft-flip stands between" start_mitm --known in --forge 'pay eve 9999 EUR' ft-flip
		ok "a file of $n bytes is written" put "flip-$n" $cipher
		like "... and the attacker says that it was changed" "$(said)" '^1 \*\* ft-flip: '
		is "... as it is" "$(head -c 16 "drop/flip-$n")$(tail -c +17 "drop/flip-$n" | cksum)" \
			"pay eve 9999 EUR$(tail -c +17 in | cksum)"
	done
	for n in 16400 32768 32800 100000; do
		bytes $n >in
		ok "ft-truncate stands between" start_mitm --known in ft-truncate
		ok "a file of $n bytes is written" put "cut-$n" $cipher
		like "... and the attacker says that it is half" "$(said)" '^1 \*\* ft-truncate: '
		ok "... as it is" sh -c 'test -s "$1" && cmp -n "$(wc -c <"$1")" in "$1" && [ "$(wc -c <"$1")" -lt "$2" ]' - \
			"drop/cut-$n" $n
	done
	ok "ft-guess asks" start_mitm --words words ft-guess
	like "... and has the key, whichever cipher the server allows" "$(said)" '^0 \*\* ft-guess: the key is "sunshine"'
	head -n 20000 words >others
	ok "ft-guess asks with words of which none is the key" start_mitm --words others ft-guess
	like "... and has none" "$(said)" '^0 -- ft-guess: none of 20000 words'
	if [ -z "$SANITIZED" ] || [ $cipher = aes128 ]; then # it is some 4,000 connections
		ok "ft-oracle listens" start_mitm ft-oracle
		ok "... to a file on its way" put oracle $cipher
		like "... and reads its first two blocks" "$(said)" \
			'^1 \*\* ft-oracle: the recorded file begins "pay bob 0010 EUR, and thank you\\n": '
	fi
	bytes 20000 | tr a b >in
	bytes 20000 >wrong
	ok "ft-flip with a file that is not the one on its way" start_mitm --known wrong ft-flip
	ok "... is found out" must_fail 76 put wrong $cipher
	like "... and says so" "$(said)" '^1 -- ft-flip: the server did not confirm'
	ok "... and nothing landed" must_fail 1 test -e drop/wrong
	kill "$FILES_PID" && wait "$FILES_PID" 2>/dev/null
	rm -f drop/*
done

# --- noise ---

ok "a server of noise alone" start_files noise
bytes 100000 >in
ok "ft-truncate stands between" start_mitm --known in ft-truncate
# 76 where the end is heard, 75 where a reset overtakes it
put noise noise >/dev/null 2>&1
like "a file on noise is not confirmed" "$?" '^7[56]$'
ok "... and nothing landed" must_fail 1 test -e drop/noise
like "... and the attacker knows" "$(said)" '^1 -- ft-truncate: '
ok "ft-guess asks for what is not allowed" start_mitm --words words ft-guess
like "... and gets no challenge" "$(said)" '^0 -- ft-guess: the server gives no challenge'
echo sunshine >first
ok "ft-guess with the key at the head of the list" start_mitm --words first --enhanced ft-guess
like "... finds it on noise, too: a weak key is weak" "$(said)" '^0 \*\* ft-guess: word 1 is the key'

ok "ft-guess with a longer list on noise" start_mitm --words words --enhanced ft-guess
like "... says how far it came" "$(said)" '^0 -- ft-guess: none of the first [0-9]+ words; .*; the rest was left'

# --- misuse ---

mitm() { "$SMTP361" mitm -l 127.0.0.1:0 --to "$FILES" "$@"; }
ok "ft-flip takes the file" must_fail 64 mitm ft-flip
ok "ft-truncate, too" must_fail 64 mitm ft-truncate
ok "ft-guess takes words" must_fail 64 mitm ft-guess
ok "17 bytes are too many to forge" must_fail 64 mitm --known in --forge 12345678901234567 ft-flip
bytes 15 >short
ok "15 bytes are too few to flip" must_fail 65 mitm --known short ft-flip
bytes 16399 >short
ok "16399 bytes are too few to cut" must_fail 65 mitm --known short ft-truncate
ok "no file is an error" must_fail 66 mitm --known nothing ft-flip
done_testing
