#!/bin/sh
# Users' files on the server: put, get, ls, rm. They come back as they were, one user's are nobody else's,
# what was handed over is the recipient's, and whatever dies or fails on the way, nobody sees half of one and
# the same command with --resume does the rest.
. "$(dirname "$0")/lib.sh"
PYTHON="/usr/bin/python3 -B"
ROOM=''
trap '[ -z "$ROOM" ] || umount "$ROOM"; cleanup' EXIT
site
SITE=$PWD
mkdir desk && cd desk || exit 1 # where the clients' files are
cat >"$SITE/user_pass.json" <<'END'
{"client1": {"mode": "enhanced"}, "client2": {"mode": "enhanced"}, "client3": {"mode": "enhanced"},
 "client4": {"mode": "enhanced"}, "client5": {"mode": "enhanced"}}
END
# u NUMBER APPLET...: as this user; no option says which protocol
u() {
	n=$1 applet=$2
	shift 2
	timeout 60 "$SMTP361" "$applet" -u "client$n" -k "$SITE" "$@"
}
# run NUMBER APPLET...: RC, and the files o and e
run() {
	RC=0
	u "$@" >../o 2>../e </dev/null || RC=$?
}
said() { echo "$RC $(cat ../o ../e | tr '\n' ' ')"; }
list() { u "$1" ls | cut -f 1,2,4; }
serve() { start_server -d "$SITE" "$@"; }
serve_again() {
	[ -z "$SERVER_PID" ] || stop_server
	serve "$@"
}
# ended: how many bytes came in the last session of the log
ended() { # when nothing goes on any more
	wait_for 10 children_are 0
	sed -n 's/.* end .* in=\([0-9]*\) .*/\1/p' err | tail -n 1
}
serve || exit 1

# --- there and back ---

for size in 0 1 65535 65536 65537 262144 20000000; do
	head -c $size /dev/urandom >"f$size"
	RC=0
	u 1 put "f$size" --sum >sums || RC=$?
	ok "put --sum of $size bytes prints what sha256sum takes" sha256sum -c sums
	mkdir back && cd back || exit 1
	u 1 get "f$size" --sum >sums || RC=$?
	ok "... and so does get" sha256sum -c sums
	cd ..
	is "... which gets the same" "$RC $(cmp "f$size" "back/f$size")" "0 "
	rm -r back
done
is "they are listed" "$(list 1 | cut -f 2,3 | sort -n | tr '\t\n' '  ')" \
	"0 f0 1 f1 65535 f65535 65536 f65536 65537 f65537 262144 f262144 20000000 f20000000 "
ok "rm of several" u 1 rm f0 f1 f65535 f65536 f65537 f262144
run 1 rm f0 f20000000 f1
is "rm of one that is not there is 66, and removes the others" "$RC $(wc -l <../e | tr -d ' ') $(list 1)" "66 2 "
echo piped | u 1 put - --name piped
is "from a pipe, and to one" "$(u 1 get piped -o -)" piped
echo behind >lines && echo piped >>lines
{ read -r _ && u 1 put - --name rest; } <lines
is "stdin is put from where it stands" "$(u 1 get rest -o -)" piped
mkfifo fifo
echo fifo >fifo &
u 1 put fifo --name from-fifo
is "a FIFO is read to its end" "$(u 1 get from-fifo -o -)" fifo
mkdir tree && echo leaf >tree/leaf
tar -c tree | u 1 put - --name tree.tar
is "a folder goes through tar" "$(u 1 get tree.tar -o - | tar -xO)" leaf
truncate -s 10G sparse
printf x | dd of=sparse bs=1 seek=5000000000 conv=notrunc 2>/dev/null
ok "a sparse file of 10 GB is put" u 1 put sparse
mkdir back
ok "... and comes back" u 1 get sparse -o back/sparse
is "... with its holes, on both sides" "$(for f in back/sparse "$SITE/.shelf/client1/client1/sparse"; do
	echo "$(stat -c %s "$f") $(($(du -k "$f" | cut -f 1) < 1000)) $(dd if="$f" bs=1 skip=5000000000 count=1 2>/dev/null)"
done)" "10737418240 1 x
10737418240 1 x"
rm -r back sparse
u 1 rm piped rest from-fifo tree.tar sparse

# --- what is refused ---

echo one >a
u 1 put a
echo two >a
run 1 put a
like "a file that is there is not replaced: 73" "$(said)" '^73 .*the server says: .*exists'
is "... and is as it was" "$(u 1 get a -o -)" one
ok "--force replaces it" u 1 put a --force
is "... with the new one" "$(u 1 get a -o -)" two
run 1 get a
like "get replaces nothing here: 73" "$(said)" '^73 smtp361 get: cannot create a: it exists'
echo three >a
ok "... but with --force" u 1 get a --force
is "... which does" "$(cat a)" two
run 1 get nothing
is "a file that is not there is 66, and leaves nothing here" "$RC $(find . -name '*nothing*')" "66 "
run 1 put missing
is "put of no file is 66" "$RC" 66
run 1 put tree
like "put of a folder is refused, and says so" "$(said)" '^65 .*folder'
wait_for 10 children_are 0 # the session before is told
before=$(grep -c ' end ' err)
tab=$(printf '\t')
for name in ../x /etc/passwd a/b/c .hidden . .. "a${tab}b" client2/../x client2/.x CLIENT2/x /x client2/ ''; do
	run 1 get "$name"
	is "get \"$name\" is 65" "$RC" 65
	run 1 rm "$name"
	is "rm \"$name\" is 65" "$RC" 65
	run 1 put a --name "$name"
	is "put --name \"$name\" is 65" "$RC" 65
done
is "... of which the server heard nothing" "$(grep -c ' end ' err)" "$before"
for a in 'put a' 'get a' ls 'rm a'; do
	# shellcheck disable=SC2086
	run 1 $a --classic
	like "$a --classic is 64" "$(said)" '^64 .*enhanced'
done
ln -s /etc/passwd linked
mkdir inside
mkfifo inside/a
for name in linked inside/a inside; do
	run 1 get a -o "$name" --force
	is "get over a link, a FIFO or a folder is 73" "$RC" 73
done
ok "... and /etc/passwd is still linked" test -L linked
rm linked
ln -s /etc/passwd "$SITE/.shelf/client1/client1/passwd"
mkfifo "$SITE/.shelf/client1/client1/pipe"
ln -s ../client2 "$SITE/.shelf/client1/client9"
for name in passwd pipe; do
	run 1 get $name
	is "a link or a FIFO among the server's files is none: get $name" "$RC" 66
	run 1 put a --name $name --force
	is "... and is not written to: put $name" "$RC" 73
	run 1 rm $name
	is "... nor removed: rm $name" "$RC" 66
done
is "... nor listed" "$(list 1 | cut -f 3)" a
rm "$SITE/.shelf/client1/client1/passwd" "$SITE/.shelf/client1/client1/pipe" "$SITE/.shelf/client1/client9"

# --- whose they are ---

is "another user sees none of it" "$(list 2)" ""
for a in 'get a -o x' 'get client1/a -o x' 'rm a' 'rm client1/a'; do
	# shellcheck disable=SC2086
	run 2 $a
	is "... and cannot $a: 66" "$RC" 66
done
is "... it is still there" "$(list 1 | cut -f 3)" a
run 1 put a --name b --to 'client2;nobody'
is "a recipient who is no user is 67, and nothing was put" "$RC $(list 1 | cut -f 3)" "67 a"
echo "it's" >"it's mine.txt"
ok "a file is handed to two" u 1 put "it's mine.txt" --to client2 --to client3
is "... and is in their lists" "$(list 2) $(list 3)" \
	"client1${tab}5${tab}client1/it's mine.txt client1${tab}5${tab}client1/it's mine.txt"
is "... one file on the disk" "$(stat -c %h "$SITE/.shelf/client1/client1/it's mine.txt")" 3
is "a message tells each of it" "$(u 2 inbox --enhanced | cut -f 2,4) $(u 3 inbox --enhanced | cut -f 2,4)" \
	"client1${tab}it's mine.txt (5 B) client1${tab}it's mine.txt (5 B)"
command=$(u 2 read --enhanced --last --content | sed -n 's/^ *smtp361 \(get .*\)/\1/p')
is "... with the command that gets it" "$(eval "u 2 $command -o -")" "it's"
ok "the giver may remove it" u 1 rm "it's mine.txt"
is "... and the recipients keep it" "$(u 2 get "client1/it's mine.txt" -o -)" "it's"
u 1 put a --force --to client2 --no-message
echo four >a
run 1 put a --force --to client2 --no-message
like "a name that they have gets ~2, and that is said" "$(said)" '^0 .*client2 has it as client1/a~2'
is "... and both are there" "$(u 2 get client1/a -o -) $(u 2 get client1/a~2 -o -)" "two four"
is "--no-message sends none" "$(u 2 inbox --enhanced | wc -l | tr -d ' ')" 1
ok "the same once more, with --resume, is fine" u 1 put a --resume --to client2
ok "... and again" u 1 put a --resume --to client2
is "... hands it over once, and tells of it once" \
	"$(list 2 | cut -f 3 | tr '\n' ' ')$(u 2 inbox --enhanced | wc -l | tr -d ' ')" \
	"client1/a client1/a~2 client1/it's mine.txt 2"
run 2 put a --to client2
is "one's own can be handed to oneself, to no effect" "$RC $(list 2 | head -n 1)" "0 client2${tab}5${tab}a"
long=$(printf '☕%.0s' $(seq 66))
u 1 put a --name "$long" --to client5
like "the title of a long name's message is cut" "$(u 5 inbox --enhanced | cut -f 4)" '^☕{66} \(5 B\)$'
is "ls --json" "$(u 2 ls --json | $PYTHON -c '
import json, sys
rows = json.load(sys.stdin)
print([row["get"] for row in rows], sorted(rows[0]))')" \
	"['a', 'client1/a', 'client1/a~2', \"client1/it's mine.txt\"] ['from', 'get', 'name', 'size', 'time', 'us']"
table=$($PYTHON -c '
import pty, sys
pty.spawn(sys.argv[1:])' "$SMTP361" ls -u client2 -k "$SITE" </dev/null | tr -d '\r')
like "ls on a terminal is a table" "$(echo "$table" | sed -n 1p)" '^From  *Size  DateTime  *Name$'
like "... with sizes for people" "$table" "^client1  *5 B  [0-9: .-]{26}  client1/it's mine.txt$"
u 2 rm a client1/a client1/a~2 "client1/it's mine.txt"
before=$(u 5 inbox --enhanced | wc -l)
smtp361 user -d "$SITE" quota client2 --messages 1 >/dev/null
run 1 put a --name told --to 'client2;client5'
like "a message that cannot be sent is told: 75" "$(said)" '^75 .*client2 has the file, but no message was sent'
is "... and keeps none from the others" "$(($(u 5 inbox --enhanced | wc -l) - before))" 1
smtp361 user -d "$SITE" quota client2 --none >/dev/null
ok "... --resume sends it later" u 1 put a --name told --resume --to 'client2;client5'
is "... to whom it was not sent yet" \
	"$(u 2 inbox --enhanced | grep -c told) $(($(u 5 inbox --enhanced | wc -l) - before))" "1 1"
u 2 rm client1/told
u 5 rm client1/told
u 1 rm told
u 3 rm "client1/it's mine.txt"
u 1 rm a "$long"

# --- limits ---

serve_again --max-shelf 3M
head -c 2000000 /dev/urandom >two
ok "within --max-shelf" u 1 put two --to client2
run 1 put two --name three
like "beyond it: 75" "$(said)" '^75 .*the server says: .*no room'
is "... and nothing is left of it" "$(list 1 | cut -f 3)" two
run 3 put two --to client2
like "a recipient without room: 75, before anything is put" "$(said)" '^75 .*client2 has no room'
is "... so that it is not there" "$(list 3)" ""
ok "a retry for who has it needs none" u 1 put two --resume --to client2
ok "what replaces needs the room once" u 1 put two --force
ok "a recipient makes room" u 2 rm client1/two
ok "... and has it" u 1 put two --force --to client2
u 1 rm two
u 2 rm client1/two client1/two~2 >/dev/null 2>&1
serve_again

# --- who dies, and goes on ---

BIG=$PWD/f20000000
SUM=$(sha256sum <"$BIG")
cp "$BIG" big
if [ -z "$SANITIZED" ] && command -v strace >/dev/null; then
	# killed CALL WHEN COMMAND...: at this call, the so many'th
	killed() {
		call=$1 when=$2
		shift 2
		RC=0
		strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$when" \
			"$SMTP361" "$@" -u client1 -k "$SITE" >/dev/null 2>&1 </dev/null || RC=$?
	}
	for when in 2 4 5 30 90 150; do
		killed sendto $when put big
		[ "$RC" = 137 ] || diag "the client was not killed at send $when: $RC"
		# the server may not have noticed yet, and says that somebody is writing it
		ok "put killed at its send $when: --resume does the rest" wait_for 10 u 1 put big --resume
		is "... whole" "$(u 1 get big -o - | sha256sum)" "$SUM"
		u 1 rm big
	done
	killed sendto 150 put big
	like "what broke off is listed as such" "$(list 1)" 'client1.[0-9]+.\(unfinished\) big$'
	run 1 get big -o got
	is "... and is no file" "$RC" 66
	wait_for 10 u 1 put big --resume
	ok "... and the rest alone is sent" test "$(ended)" -lt 10000000
	cp "$BIG" other && change_byte other 9
	killed sendto 150 put other --name big --force
	ok "put --force broke off ahead of a file of the same size: --resume goes on with it" \
		wait_for 10 u 1 put other --name big --force --resume
	ok "... and sends the rest alone" test "$(ended)" -lt 10000000
	is "... which takes its place, whole" "$(u 1 get big -o - | cmp - other)" ""
	u 1 put big --force
	for when in 1 3 60 200 500; do
		rm -f got .got.part
		killed pwrite64 $when get big -o got
		ok "get killed at its write $when leaves no file" test ! -e got
		ok "... and --resume gets it" u 1 get big -o got --resume
		is "... whole" "$(sha256sum <got)" "$SUM"
	done
	# struck CALL:WHAT...: a server whose sessions are struck there
	struck() {
		find "$SITE/.shelf" -type f -delete
		: >out
		strace -f -qq -o /dev/null -e trace="${1%%:*}" -e inject="$1" \
			"$SMTP361" serve -l 127.0.0.1:0 -d "$SITE" >out 2>err </dev/null &
		TRACER=$!
		PIDS="$PIDS $TRACER"
		wait_for 10 grep -q "ready to accept" out
		SMTP361_SERVER=127.0.0.1:$(sed -n 's/^Listening on .*:\([0-9]*\)$/\1/p' err)
	}
	# ... and an honest one in its place
	unstruck() {
		for pid in $(cat "/proc/$TRACER/task/$TRACER/children"); do
			kill -TERM "$pid"
		done
		wait "$TRACER"
		serve
	}
	stop_server
	for when in 20 100 300 600; do
		struck "pwrite64:signal=KILL:when=$when"
		run 1 put big
		like "a session that dies at write $when: not acknowledged" "$RC" "^7[56]$"
		unstruck
		is "... nobody sees it" "$(list 1 | grep -v unfinished)" ""
		ok "... and --resume does the rest at the next server" u 1 put big --resume
		is "... whole" "$(u 1 get big -o - | sha256sum)" "$SUM"
		stop_server
	done

	# --- faults of the system, at each kind of call ---

	for fault in pwrite64:ENOSPC:50 pwrite64:EIO:1 fdatasync:EIO:1 renameat2:EACCES:1 fsync:EIO:1 fsync:EIO:2 \
		linkat:EMLINK:1 linkat:EIO:2; do
		call=${fault%%:*} rest=${fault#*:}
		struck "$call:error=${rest%:*}:when=${rest#*:}"
		run 1 put big --to 'client2;client3' --no-message
		like "$fault is told, or did not matter" "$RC" '^(0|73|74|75)$'
		for n in 1 2 3; do
			list $n | cut -f 3 | grep -v unfinished | while read -r name; do
				[ "$(u $n get "$name" -o - | sha256sum)" = "$SUM" ] || echo "$n $name"
			done
		done >half
		is "... and who sees it sees all of it" "$(cat half)" ""
		unstruck
		ok "... a retry with --resume does all of it" u 1 put big --resume --to 'client2;client3' --no-message
		is "... once" "$(list 2 | cut -f 3) $(list 3 | cut -f 3)" "client1/big client1/big"
		is "... whole" "$(u 3 get client1/big -o - | sha256sum)" "$SUM"
		stop_server
	done
	struck fsync:error=EIO
	mkdir -p "$SITE/.shelf/client1/client1"
	cp "$BIG" "$SITE/.shelf/client1/client1/big" # the session that put it died ahead of the folder's sync
	run 1 put big --resume
	like "a file that is there is acknowledged when its name is on the disk, and not before" "$RC" '^7[45]$'
	unstruck
else
	skip "who dies, and goes on" "no strace, or a sanitizer build"
fi
find "$SITE/.shelf" -type f -delete

# --- full disks ---

mkdir -p "$SITE/.shelf" small
if is_root && mount -t tmpfs -o size=8m smtp361-t small 2>/dev/null; then
	ROOM=$PWD/small
	run 1 put f20000000
	run 1 get f20000000 -o small/got
	is "get onto a full disk is 75, and there is no file" "$RC $(ls small)" "75 "
	umount small
	mount -t tmpfs -o size=8m smtp361-t "$SITE/.shelf"
	ROOM=$SITE/.shelf
	run 1 put f20000000
	like "put onto a full disk is 75, and says that it is the server's" "$(said)" '^75 .*the server says: .*space'
	wait_for 10 children_are 0
	is "... which is free again" "$(find "$SITE/.shelf" -type f)" ""
	ok "... so that others have room" u 2 put two
	wait_for 10 umount "$SITE/.shelf" && ROOM=
else
	skip "full disks" "no tmpfs can be mounted"
fi

find "$SITE/.shelf" -type f -delete

# --- at once ---

# at_once COMMAND: eight of it, $i being which; how they ended
at_once() {
	for i in 1 2 3 4 5 6 7 8; do
		(
			RC=0
			eval "$1" >/dev/null 2>&1 || RC=$?
			echo "$RC"
		) &
	done
	wait_them
}
wait_them() {
	for job in $(jobs -p); do
		[ "$job" = "$SERVER_PID" ] || wait "$job"
	done
}
codes=$(at_once 'u 1 put two --name "$i" --to client2 --no-message' | sort | uniq -c | tr -s ' \n' ' ')
is "eight puts at once" "$codes" " 8 0 "
is "... are eight files, handed over" "$(list 1 | wc -l) $(list 2 | wc -l)" "8 8"
codes=$(at_once 'u 3 put two --name same' | sort -u | tr '\n' ' ')
like "eight of one name: one is there, the others are told" "$codes" '^0 ((73 )?(75 )?)$'
is "... whole" "$(u 3 get same -o - | cmp - two)" ""

# --- an account that is removed, and another of its name ---

echo own >own
echo password >pw
u 5 put own && u 5 put own --name given --to client4 --no-message
smtp361 user -d "$SITE" del client5
run 5 get own -o -
is "who is no user any more gets nothing: 77" "$RC" 77
is "... what was handed over is the recipient's" "$(u 4 get client5/given -o -)" own
like "... and whoever makes an account of that name is told that files are there" \
	"$(smtp361 user -d "$SITE" add client5 --password-file pw 2>&1)" "files of client5 were here before: they are client5's now"
is "... and none of one that had none" "$(smtp361 user -d "$SITE" add client9 --password-file pw 2>&1 | grep -c files)" 0
smtp361 user -d "$SITE" del client9
is "... and what stayed is the next account's of that name" "$(u 5 get own -o - --password-file pw)" own

# --- who means harm, and an account that is shut out ---

cd "$SITE" || exit 1
find .shelf -type f -delete
if $PYTHON -c 'import dissononce, cryptography' 2>/dev/null; then
	judged "the requests of a peer come to their end" "$ROOT/t/peer/files.py" client "$SMTP361_SERVER"
	judged "servers that lie come to their end" "$ROOT/t/peer/files.py" server "$SMTP361"
	mkfifo go
	# amid CASE COMMAND...: what a peer was told when this came about in the midst of its transfer
	amid() {
		"$ROOT/t/peer/files.py" "$1" "$SMTP361_SERVER" <go >told 2>&1 &
		peer=$!
		PIDS="$PIDS $peer"
		exec 8>go
		wait_for 10 grep -q 'under way' told
		shift
		smtp361 user -d . "$@" 2>/dev/null
		echo on >&8
		exec 8>&-
		wait "$peer"
	}
	amid removed del client3
	is "who is no user any more when a file is there is not handed it; the others are" \
		"$(sed -n 2p told) $(find .shelf/client3 -type f)" "late no-user "
	amid revoked revoke client4
	is "an account that is shut out ends a transfer" "$(sed -n 2p told)" denied
	is "... and nothing of it is a file" "$(find .shelf/client4 -type f ! -name '.*')" ""
else
	skip "who means harm" "no python3 with dissononce"
fi
done_testing
