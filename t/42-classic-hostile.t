#!/bin/sh
# What no honest client sends: logins, ciphertexts, choices, indices, titles and recipients that are
# wrong in every way we know. All of it ends in a clear answer, and nothing is stored or lost.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import Cryptodome' 2>/dev/null || skip_all "no python3 with Cryptodome"
site
printf 'hello' >hello.txt
/usr/bin/python3 - <<'END'
import json
with open("user_pass.json") as file:
    users = json.load(file)
users |= {f"user{n:028}": "p" for n in range(1001)}
with open("user_pass.json", "w") as file:
    json.dump(users, file)
END
smtp361 keygen client6 >/dev/null 2>&1
start_server || exit 1

# session USER STEP...: log in, take the menu, go on
session() {
	who=$1
	shift
	raw --user "$who" --password-file "pw${who#client}" key "$@"
}
server_lives() { as client1 inbox >/dev/null; }

# --- logins (24, 25) ---

login() { # TITLE KIND
	is "$1 gets the one refusal" "$(raw login "$2")" 'Invalid username or password closed '
}
login "random bytes" random:256
login "255 bytes and a close" random:255
login "257 bytes" random:257
login "one byte and a close" random:1
login "the modulus itself" modulus
login "an integer above the modulus" modulus:12345
login "all ones" ones
login "zero" small:0
login "one" small:1
login "a right login less its last byte" 'cut:client1\npassword1'
login "nothing inside" text:
login "a name and no newline" 'text:client1'
login "an empty password" 'text:client1\n'
login "an empty name" 'text:\npassword1'
login "both empty" 'text:\n'
login "three lines" 'text:client1\npassword1\nx'
login "a newline behind the password" 'text:client1\npassword1\n'
login "a NUL in the name" 'text:client1\x00\npassword1'
login "a NUL behind the password" 'text:client1\npassword1\x00'
login "a carriage return" 'text:client1\r\npassword1'
login "an unknown user" 'text:client9\npassword9'
login "a user whose key is there and whose account is not" 'text:client6\npassword6'
login "the server's own name" 'text:server\npassword'
login "a wrong password" 'text:client1\npassword2'
login "the right password and more" 'text:client1\npassword11'
login "the start of the right password" 'text:client1\npassword'
login "a path" 'text:../client1\npassword1'
login "upper case" 'text:CLIENT1\npassword1'
login "an escape sequence for a name" 'text:\x1b[31mclient1\npassword1'
login "a name of 33 characters" "text:$(printf '%033d' 0)\\npassword1"
is "no byte at all is a quiet close" "$(raw login random:256 >/dev/null; /usr/bin/python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
s.shutdown(socket.SHUT_WR)
print(s.recv(100))' "$PORT")" "b''"
mv client5_public.pem hidden
is "without its public key a user gets the refusal for a wrong password" \
	"$(raw login 'text:client5\nwrong')" 'Invalid username or password closed '
ok "and no session with the right one" must_fail 75 as client5 inbox
mv hidden client5_public.pem
ok "none of them disturbs the server" server_lives

# --- ciphertexts (26, 27), choices (30), indices (31, 32) ---

JOBS=''
aside() { # NAME STEP...: a session in the background; NAME.got
	name=$1
	shift
	session client1 "$@" >"$name.got" 2>&1 &
	PIDS="$PIDS $!" JOBS="$JOBS $!"
}
closes() { # TITLE NAME
	is "$1 ends the session" "$(cat "$2.got")" closed
}
before=$(stored)
aside c0 shut eof
aside c15 hex:000102030405060708090a0b0c0d0e shut eof
aside c17 hex:000102030405060708090a0b0c0d0e0f10 shut eof
aside p0 'enc:1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' eof
aside p17 'enc:1\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11' eof
aside p255 'hexe:31ffffffffffffffffffffffffffffff' eof
aside mixed 'enc:1\x0f\x0f\x0f\x0f\x0f\x0f\x0e\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x0f' eof
aside ch0 say:0 eof
aside ch5 say:5 eof
aside ch11 say:11 eof
aside empty say: eof
aside blank 'say: 1' eof
aside lf 'say:1\n' eof
aside nul 'say:1\0' eof
aside two "say:$(printf '%02048d' 0)" eof
aside hundred "say:$(printf '%0100000d' 0)" eof
aside notok say:2 get say:KO eof
aside early say:1 get hex:00 reset
aside half say:1 get 'enc:From: client1\nTo' reset
for job in $JOBS; do
	wait "$job"
done
closes "a close where a choice was due" c0
closes "15 bytes of ciphertext and a close" c15
closes "17 bytes of ciphertext and a close" c17
closes "padding of 0" p0
closes "padding of 17" p17
closes "padding of 255" p255
closes "mixed padding" mixed
closes "the choice 0" ch0
closes "the choice 5" ch5
closes "the choice 11" ch11
closes "an empty choice" empty
closes "a choice with a blank" blank
closes "a choice with a newline" lf
closes "a choice with a NUL" nul
closes "a choice of 2 KB" two
closes "a choice of 100 KB" hundred
is "something else than OK after a list ends the session" "$(tail -n 1 notok.got)" closed
is "none of them stored anything" "$(stored)" "$before"

is "an index before any list is answered, and the session lives" "$(session client1 say:3 get say:1 get menu say:4 eof)" \
	"$(printf 'the server request email index\nThere is no email to view: display the inbox list first\nmenu \nclosed')"
as client1 send -t client1 --title one hello.txt
set --
for index in -1 99999999999 1a 0 '' ' 1' 01x 2 +1 1e0 0x1 18446744073709551617 '%s%n' '../1' '\xff'; do
	set -- "$@" say:3 get "say:$index" get menu
done
session client1 say:2 get say:OK menu "$@" say:3 get say:1 get menu say:4 eof >got
is "15 bad indices get 15 answers" "$(grep -c '^There is no email with this index in the last list$' got)" 15
is "a good one gets its e-mail after them" "$(grep -c '^From: client1' got)" 1
is "and the session ends in order" "$(tail -n 1 got)" closed

# --- mail gone between list and read (33) ---

as client1 send -t client2 --title gone hello.txt
as client1 send -t client2 --title next hello.txt
wait_settled
export SMTP361 HOME
session client2 say:2 get say:OK menu \
	'run:rm client2/client1_gone.txt && printf other | "$SMTP361" send -u client1 --password-file pw1 -t client2 --title gone' \
	say:3 get say:1 get menu say:3 get say:2 get menu say:4 eof >got
like "a message removed since the list is said to be gone, though its name is taken again" "$(cat got)" '^the message is no longer in mailbox client2$'
is "no other message is shown in its place" "$(grep -c other got)" 0
like "the session lives, and the next message is the one listed" "$(cat got)" 'Title: next'
is "and it ends in order" "$(tail -n 1 got)" closed

# --- titles (T12, T16) ---

# everything but the mailboxes; the files that this part makes are there before it begins
outside() {
	spooled >/dev/null
	find "$HOME_DIR" -not -path '*/client[1-5]/*' | sort
}
touch n.content n.title n.err n.got got.json outside.before outside.after
outside >outside.before
n=0
title() { # TITLE, with %b's escapes; a letter is put behind it, so that $() keeps its end
	n=$((n + 1))
	printf 'content %s.' $n >n.content
	want=$(printf '%bx' "$1")
	as client1 send -t client3 "--title=$want" n.content 2>n.err || diag "$(cat n.err)"
	wait_settled
	file=$(grep -lx "content $n\\." -r client3 | grep -v /.index)
	[ -f "$file" ] && [ "$(dirname "$file")" = client3 ] &&
		[ "$(sed -n 's/^Title: //p' "$file")" = "$want" ]
	report $? "a title made of $(printf '%s' "$1" | head -c 40) is stored whole"
}
wide=$(/usr/bin/python3 -c 'print("\U0001F600" * 98, end="")')
set -f
for t in a/b ../../ /etc/passwd/ .hidden . .. % %2F %s%n '~2' '~' '\0033[2J\0033]0;owned\0007' '\t' \
	'\0342\0200\0256gpj.exe' -rf ' ' '*' '$(touch pwned)' '`touch pwned`' 'a\\b' '"' "'" ';' '.txt' \
	'\0302\0200' '\0177' 'Content:' 'a: b' "$wide" "1$wide" "${wide}2" CON 'e\0314\0201' '\0303\0251' \
	'\0001\0001' '\0020' '' x; do
	title "$t"
done
set +f
is "each has a file of its own" "$(find client3 -maxdepth 1 -type f -name '*.txt' | wc -l)" $n
is "no file name holds a control byte" "$(find client3 -type f | LC_ALL=C tr -d '\n\040-\176\200-\377' | wc -c)" 0
is "none starts with a dot" "$(find client3 -name '.*')" client3/.index
is "all of them are listed" "$(as client3 inbox | wc -l)" $n
as client3 inbox --json >got.json
ok "the JSON list is valid, all titles in it" /usr/bin/python3 -c "
import json; rows = json.load(open('got.json')); assert len(rows) == $n, len(rows)
assert all(ord(c) >= 32 for row in rows for c in row['title'])"
i=0
bad=0
while [ $i -lt $n ]; do
	i=$((i + 1))
	[ "$(as client3 read --content $i)" = "content $i." ] || bad=$((bad + 1))
done
is "and all of them can be read" $bad 0
outside >outside.after
ok "the tree outside the mailboxes is as it was" cmp outside.before outside.after
ok "nothing was run" test ! -e pwned

is "an empty title is stored" "$(as client1 send -t client4 --title '' hello.txt; wait_settled; ls client4)" client1_.txt
before=$(stored)
mail() { printf 'say:From: client1\\nTo: client3\\nTitle: %s\\nContent Length: %s\\nContent:\\n%s' "$1" "$2" "$3"; }
refused() { # TITLE MAIL REASON
	is "$1 is refused" "$(session client1 say:1 get "$2" menu say:4 eof)" "Send the email
menu The message was rejected: $3\\n
closed"
}
refused "a NUL in a title" "$(mail 'a\x00b' 5 hello)" 'the title holds a line end or a NUL'
refused "a carriage return in a title" "$(mail 'a\rb' 5 hello)" 'the title holds a line end or a NUL'
is "neither stored anything" "$(stored)" "$before"

# --- Content Length (28), headers ---

i=0
for length in -1 +1 ' 5' '5 ' 0x5 5e0 '' 99999999999999999999 5.0 '5\x00' 五; do
	i=$((i + 1))
	aside "length$i" say:1 get "$(mail T "$length" hello)" menu say:4 eof
done
aside head1 say:1 get 'say:hello' menu say:4 eof
aside head2 say:1 get 'say:From: client1\nTo: client3\nTitle: T\nFrom: client2\nContent Length: 5\nContent:\nhello' menu say:4 eof
aside head3 say:1 get 'say:From: client1\nTo: client3\nTitle: T\nContent Length: 5\nContent: hello' menu say:4 eof
aside head4 say:1 get 'say:From: client1\nTo: client3\nTitle: T\nContent Length: 5\n' menu say:4 eof
aside head5 say:1 get 'say:from: client1\nTo: client3\nTitle: T\nContent Length: 5\nContent:\nhello' menu say:4 eof
aside head6 say:1 get 'say:' menu say:4 eof
aside head7 say:1 get "say:From: client1\\nTo: $(printf '%050000d' 0)" menu say:4 eof
aside head8 say:1 get "$(mail 'T\nTime and Date: 2000-01-01 00:00:00.000000' 5 hello)" menu say:4 eof
for job in $JOBS; do
	wait "$job" 2>/dev/null
done
bad=0
for name in length1 length2 length3 length4 length5 length6 length7 length8 length9 length10 length11; do
	grep -q '^menu The message was rejected: Content Length is not a number' $name.got && [ "$(tail -n 1 $name.got)" = closed ] || {
		bad=$((bad + 1))
		diag "$name: $(cat $name.got)"
	}
done
is "a Content Length that is not plain digits is refused, eleven ways" $bad 0
bad=0
for name in head1 head2 head3 head4 head5 head6 head7 head8; do
	grep -q '^menu The message was rejected: ' $name.got && [ "$(tail -n 1 $name.got)" = closed ] || {
		bad=$((bad + 1))
		diag "$name: $(cat $name.got)"
	}
done
is "a header that is not the document's is refused, eight ways" $bad 0
is "none of them stored anything" "$(stored)" "$before"

# --- From, recipients (T13, T14, T15, T17, 62) ---

to() { printf 'say:From: %s\\nTo: %s\\nTitle: T\\nContent Length: 5\\nContent:\\nhello' "$1" "$2"; }
refused "another's From" "$(to client5 client3)" 'From is not client1, who logged in'
refused "an absolute path for From" "$(to /tmp/x client3)" 'From is not client1, who logged in'
refused "an empty From" "$(to '' client3)" 'From is not client1, who logged in'
refused "a From with a blank behind" "$(to 'client1 ' client3)" 'From is not client1, who logged in'
refused "no recipient" "$(to client1 '')" 'no recipient is named'
refused "two semicolons" "$(to client1 ';;')" 'no recipient is named'
refused "a path for a recipient" "$(to client1 ../../x)" 'no such user: ../../x'
refused "an absolute path" "$(to client1 /tmp/x)" 'no such user: /tmp/x'
refused "a dot" "$(to client1 .)" 'no such user: .'
refused "a path to a mailbox" "$(to client1 client2/../client3)" 'no such user: client2/../client3'
refused "the spool" "$(to client1 .spool)" 'no such user: .spool'
refused "the server" "$(to client1 server)" 'no such user: server'
refused "upper case" "$(to client1 Client3)" 'no such user: Client3'
refused "one unknown among known ones" "$(to client1 'client3;client99;client2')" 'no such user: client99'
refused "a comma" "$(to client1 client2,client3)" 'no such user: client2,client3'
like "a recipient with an escape sequence is refused, and escaped in the answer" \
	"$(session client1 say:1 get "$(to client1 'x\x1b[2J')" menu say:4 eof)" '^menu The message was rejected: no such user: x[^[:cntrl:]]*\[2J'
session client1 say:1 get "$(to client1 'x" code=0 user="root')" menu say:4 eof >got
is "a recipient cannot write fields into the log" "$(grep -c 'no such user: x" code=0' err)" 0
is "nothing of all that is stored" "$(stored)" "$before"
ok "send names the unknown one and exits with 65" must_fail 65 as client1 send -t 'client2;client99' --title T hello.txt
like "on stderr" "$(as client1 send -t 'client2;client99' --title T hello.txt 2>&1)" 'no such user: client99'
is "and the known one gets nothing" "$(stored)" "$before"
ok "a recipient named three times, with blanks and empty parts, is taken" \
	as client1 send -t ';client4; client4 ;;client4;' --title Once hello.txt
wait_settled
is "and gets it once" "$(find client4 -name '*Once*' | wc -l)" 1
many=$(awk 'BEGIN { for (i = 0; i < 1000; i++) printf "%suser%028d", (i ? ";" : ""), i }')
ok "1,000 recipients with names of 32 characters are taken" as client1 send -t "$many" --title Many hello.txt
wait_settled
is "each gets it once" "$(find user0* -name client1_Many.txt | wc -l)" 1000
is "as one inode" "$(find user0* -name client1_Many.txt -printf '%i\n' | sort -u | wc -l)" 1
ok "1,001 are refused" must_fail 65 as client1 send -t "$many;user$(printf '%028d' 1000)" --title More hello.txt
wait_settled
is "and nobody gets it" "$(find user0* -name client1_More.txt | wc -l)" 0
is "the spool is empty" "$(spooled)" ""

# --- equal titles (T16) ---

writer() {
	set -- "$1"
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		printf 'equal %s %s\n' "$1" $i >"e$1-$i"
		set -- "$@" say:1 get "say:From: client$1\\nTo: client5\\nTitle: Equal\\nContent Length: 11\\nContent:\\nequal $1 $(printf '%03d' $i)" menu
	done
	writer_id=$1
	shift
	session "client$writer_id" "$@" say:4 eof >"w$writer_id.got" 2>&1
}
JOBS=''
for w in 1 2 3 4; do
	writer $w &
	PIDS="$PIDS $!" JOBS="$JOBS $!"
done
for job in $JOBS; do
	wait "$job"
done
is "60 equal titles from 4 writers are acknowledged" "$(cat w?.got | grep -c '^menu $')" 60
wait_settled
is "and kept as 60 messages" "$(find client5 -name '*_Equal*.txt' | wc -l)" 60
is "no two of them the same" "$(tail -q -n 1 client5/*_Equal*.txt | sed 's/equal/\nequal/g' | grep -c .)$(for f in client5/*_Equal*; do tail -n 1 "$f"; echo; done | sort -u | grep -c equal)" 6060
like "their names count on from the first" "$(cd client5 && echo client1_Equal*)" '^client1_Equal.txt client1_Equal~10.txt .*client1_Equal~9.txt$'
is "and all are listed" "$(as client5 inbox | grep -c 'Equal$')" 60

# --- cost of a bad login (T8, T10) ---

if [ -z "$SANITIZED" ]; then
	# accounts as `user` writes them
	/usr/bin/python3 -c '
import json
users = json.load(open("user_pass.json"))
json.dump({name: users[name] for name in users if name[:6] == "client"}, open("user_pass.json", "w"))'
	ok "the accounts are hardened" smtp361 user harden
	ok "and log in as before" as client1 inbox
	set --
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		set -- "$@" 'text:nobody\nwrong' 'text:client1\nwrong' random:256
	done
	raw --timing login "$@" >costs
	awk '{ print $NF }' costs | awk '
		{ kind = (NR - 1) % 3; v[kind, ++n[kind]] = $1 }
		END {
			for (k = 0; k < 3; k++) {
				for (i = 2; i <= n[k]; i++)
					for (j = i; j > 1 && v[k, j] < v[k, j - 1]; j--) {
						t = v[k, j]; v[k, j] = v[k, j - 1]; v[k, j - 1] = t
					}
				printf "%d %d %d\n", v[k, 1], v[k, int(n[k] / 2)], v[k, n[k]]
			}
		}' >medians
	close_to() { # LINE LINE: of medians (lowest, median, highest): near each other, and overlapping
		awk -v a="$1" -v b="$2" 'NR == a { l = $1; m = $2; h = $3 } NR == b { L = $1; M = $2; H = $3 }
			END { exit !(m < 1.4 * M && M < 1.4 * m && l <= H && L <= h) }' medians
	}
	is "60 bad logins, one answer" "$(sed 's/ [0-9]*$//' costs | sort -u)" 'Invalid username or password closed'
	ok "an unknown user and a wrong password take the same time" close_to 1 2
	ok "and so does a block that cannot be read" close_to 2 3
	diag "milliseconds (lowest, median, highest): $(tr '\n' ';' <medians)"
else
	skip "an unknown user and a wrong password take the same time" "a sanitizer's timings say nothing"
fi

# --- the logs (T22) ---

ok "the server lives" server_lives
ok "and stops cleanly" stop_server
is "no session died by a signal" "$(grep -c ' killed ' err)" 0
is "stdout holds no control byte but LF" "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <out | wc -c)" 0
is "stderr holds no control byte but LF" "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <err | wc -c)" 0
is "no line of stderr is anything but an event" "$(grep -Evc '^Listening on |^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]*Z [0-9]+ [-c0-9]+ [a-z-]+ ' err)" 0
is "no password is in the logs" "$(cat out err | grep -c 'password[0-9]')" 0
done_testing
