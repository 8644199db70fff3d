#!/bin/sh
# The server around the sessions: many at once, caps, deadlines, a clean stop, and every fault of the
# system that can be made here: no processes, no descriptors, no space, death at any step.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import Cryptodome' 2>/dev/null || skip_all "no python3 with Cryptodome"
site
printf 'hello' >hello.txt
PROGRAM=$SMTP361 ORIGINAL=$SMTP361
session() { # USER STEP...
	who=$1
	shift
	raw --user "$who" --password-file "pw${who#client}" key "$@"
}
# aside NAME ARGUMENTS OF raw...: in the background until let_go; waits for its "ready"
aside() {
	name=$1
	shift
	: >"$name.got"
	/usr/bin/python3 -B "$ROOT/t/peer/raw.py" --keys . --port "$PORT" "$@" >"$name.got" 2>&1 &
	ASIDE=$!
	PIDS="$PIDS $ASIDE"
	wait_for 10 grep -q ready "$name.got" || diag "$name is not ready: $(cat "$name.got")"
}
let_go() { kill "$1" 2>/dev/null && wait "$1" 2>/dev/null; }
start() { # what an earlier server wrote is no sign of this one
	: >out
	start_server "$@"
}
works() { as client1 inbox >/dev/null; }
empty_spool() { [ -z "$(spooled)" ]; }
# under COMMAND...: the next start runs the program under this command
under() {
	printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$*" "$PROGRAM" >"$HOME_DIR/under"
	chmod 755 "$HOME_DIR/under"
	SMTP361=$HOME_DIR/under
}

# --- many at once ---

start || exit 1

# crowd N TITLE: N sends at once, each to its own choice of mailboxes; what must be there, in `model`
crowd() {
	: >model
	crowd_pids=''
	i=0
	while [ $i -lt "$1" ]; do
		from=$((i % 5 + 1))
		to="client$((i % 5 + 1));client$(((i / 5 + i) % 5 + 1));client$(((i * 3 + 1) % 5 + 1))"
		echo "$2 $i from client$from" >"crowd$i"
		echo "$to" | tr ';' '\n' | sort -u | sed "s/\$/ $2 $i from client$from/" >>model
		as client$from send -t "$to" --title "$2" "crowd$i" 2>"crowd$i.err" &
		crowd_pids="$crowd_pids $!"
		i=$((i + 1))
	done
	sent=0
	for pid in $crowd_pids; do
		wait "$pid" && sent=$((sent + 1))
	done
	rm crowd*
	wait_settled
	for who in client1 client2 client3 client4 client5; do
		for file in $who/*_"$2"*.txt; do
			echo "$who $(tail -n 1 "$file")"
		done
	done | sort >there
	sort model >want
}
crowd 5 Five
is "five clients at once are all acknowledged" "$sent" 5
ok "each message is whole, once, in exactly its mailboxes" cmp there want
crowd 50 Fifty
is "fifty clients at once are all acknowledged" "$sent" 50
ok "each message of theirs is whole, once, in exactly its mailboxes" cmp there want
for who in client1 client5; do
	is "$who's list agrees with the folder" "$(as $who inbox | wc -l)" "$(find $who -name '*.txt' | wc -l)"
	as $who inbox | cut -f 3 >order
	ok "and is sorted by time" sort -c order
done
ok "nothing is left in the spool" empty_spool
raw knock 200
ok "no child and no zombie is left after 200 connections" wait_for 10 children_are 0
ok "and the server works" works

# --- stopping ---

before=$(stored)
aside login hold 2
login=$ASIDE
aside idle --user client1 --password-file pw1 key wait
idle=$ASIDE
aside middle --user client2 --password-file pw2 key say:1 get \
	'enc:From: client2\nTo: client1;client3\nTitle: Half\nContent Length: 100\nContent:\n1234567890' wait
middle=$ASIDE
wait_for 5 children_are 4
began=$(date +%s)
ok "SIGTERM with sessions at the login, at the menu and in a message: a clean stop, exit 0" stop_server
ok "and a quick one" test $(($(date +%s) - began)) -le 5
is "nothing of the half message is stored" "$(stored)" "$before"
ok "nor in the spool" empty_spool
like "the log tells of the stop" "$(tail -n 1 err)" ' stopped '
let_go "$login"
let_go "$idle"
let_go "$middle"
start
kill -INT "$SERVER_PID"
rc=0
wait "$SERVER_PID" || rc=$?
is "SIGINT stops it, too" $rc 0
SERVER_PID=''

# --- addresses ---

start -l 127.0.0.1:0
first=$PORT second=$(sed -n 's/^Listening on .*:\([0-9]*\)$/\1/p' err | sed -n 2p)
ok "two -l listen on two ports" test -n "$second" -a "$first" != "$second"
ok "the first works" as client1 inbox -s "127.0.0.1:$first"
ok "the second works" as client1 inbox -s "127.0.0.1:$second"
ok "a second server of the folder is 75" must_fail 75 timeout 20 "$SMTP361" serve -l 127.0.0.1:0
mkdir second && cp -p server_private.pem user_pass.json second/
ok "a port that is in use is 69" must_fail 69 timeout 10 "$SMTP361" serve -d second -l "127.0.0.1:$first"
like "and it says which" "$(timeout 10 "$SMTP361" serve -d second -l "127.0.0.1:$first" 2>&1)" \
	"127.0.0.1:$first.*Address already in use"
ok "a name that does not resolve is 69" must_fail 69 timeout 20 "$SMTP361" serve -d second -l no-such-host.invalid:0
ok "a port of 65536 is usage" must_fail 64 timeout 10 "$SMTP361" serve -d second -l 127.0.0.1:65536
ok "... without an address, too" must_fail 64 timeout 10 "$SMTP361" serve -d second -l 65536
stop_server
if /usr/bin/python3 -c 'import socket; socket.create_server(("::1", 0), family=socket.AF_INET6)' 2>/dev/null; then
	: >out
	"$SMTP361" serve -l '[::1]:0' >out 2>err </dev/null &
	SERVER_PID=$!
	wait_for 10 grep -q "ready to accept" out
	PORT=$(sed -n 's/^Listening on \[::1\]:\([0-9]*\)$/\1/p' err)
	ok "IPv6 works" as client1 inbox -s "[::1]:$PORT"
	wait_for 5 grep -q ' end ' err
	like "and stands in the log" "$(cat err)" 'end peer=\[::1\]:[0-9]+ wire=classic user=client1 '
	stop_server
else
	skip "IPv6 works" "no IPv6 here"
fi
help=$(smtp361 serve --help)
for word in '--max-sessions N .*\(500\)' '--max-per-address N .*\(100\)' '--login-time SECONDS .*\(30\)' \
	'--idle-time SECONDS .*\(600\)' '--mail-time SECONDS .*\(600\)'; do
	like "--help tells the limit ${word%% *}" "$help" "$word"
	ok "${word%% *} of 0 is usage" must_fail 64 timeout 10 "$SMTP361" serve "${word%% *}" 0
done

# --- caps ---

start --max-sessions 3
for i in 1 2 3; do
	aside "in$i" --user "client$i" --password-file "pw$i" key wait
	eval "in$i=\$ASIDE"
done
wait_for 5 children_are 3
ok "a session over --max-sessions is turned away: 75" must_fail 75 as client1 inbox
like "the log says so" "$(cat err)" ' refused .*too many sessions'
let_go "$in1"
ok "when another has gone, it works" wait_for 5 works
let_go "$in2"
let_go "$in3"
stop_server

start --max-per-address 2
for i in 1 2; do
	aside "in$i" --user "client$i" --password-file "pw$i" key wait
	eval "in$i=\$ASIDE"
done
wait_for 5 children_are 2
ok "a session over --max-per-address is turned away: 75" must_fail 75 as client1 inbox
is "another address is not" "$(raw --source 127.0.0.2 --user client1 --password-file pw1 key say:4 eof)" closed
let_go "$in1"
ok "when another has gone, that address works again" wait_for 5 works
let_go "$in2"
stop_server

start --max-sessions 20 --max-per-address 10
aside silent hold 40
wait_for 5 children_are 10
ok "who is silent does not keep others out: the oldest makes room for a login" works
like "the log says so" "$(cat err)" ' shed child='
aside in1 --user client1 --password-file pw1 key wait
in1=$ASIDE
aside more hold 40
ok "nor does a flood end a session that has logged in" kill -0 "$in1"
ok "which is there still" works
is "and was not shed" "$(grep -c "^closed" in1.got)" 0
let_go "$in1"
stop_server

# --- deadlines ---

start --login-time 2 --idle-time 2 --mail-time 2
near_two() { awk -v t="$1" 'BEGIN { exit !(t >= 1.8 && t <= 10) }'; }
aside drips drip 20
if [ -z "$SANITIZED" ]; then
	began=$(date +%s%N)
	ok "beside 20 that drip a byte at a time a login works" works
	ok "without waiting for them" test $((($(date +%s%N) - began) / 1000000)) -lt 1800
fi
drips_end() { [ "$(grep -c '^[0-9]' drips.got)" = 20 ]; }
ok "each drip is cut off" wait_for 10 drips_end
slowest=$(grep '^[0-9]' drips.got | sort -n | tail -n 1)
ok "at the deadline, whatever it sent ($slowest s)" near_two "$slowest"
took=$(session client1 eof took)
is "a session that is idle at the menu is closed" "${took%%
*}" closed
ok "at its deadline" near_two "$(printf '%s\n' "$took" | tail -n 1)"
took=$(session client1 say:1 get 'enc:From: client1\nTo' eof took)
is "a session that stops in mid-message is closed" "$(printf '%s\n' "$took" | sed -n 2p)" closed
ok "at the deadline of an e-mail" near_two "$(printf '%s\n' "$took" | tail -n 1)"
took=$(session client1 say:2 get eof took)
is "a session that never says OK is closed" "$(printf '%s\n' "$took" | sed -n 2p)" closed
ok "none of it is left" wait_for 5 children_are 0
stop_server

# --- kill -9 of a session ---

start
aside idle --user client1 --password-file pw1 key wait
child=$(children)
# $child is the server's: of one session of this script
kill -9 "$child"
ok "a session killed is logged" wait_for 5 grep -q " killed child=$child signal=9" err
ok "and the server works" works
let_go "$ASIDE"
stop_server

# --- a mailbox that is missing or cannot be written ---

start
before=$(stored)
mv client3 hidden
ok "a missing mailbox is 75" must_fail 75 as client1 send -t 'client2;client3' --title T hello.txt
like "and named" "$(as client1 send -t 'client2;client3' --title T hello.txt 2>&1)" 'cannot open mailbox client3: No such file'
ln -s client4 client3
ok "a symbolic link for a mailbox is not followed" must_fail 75 as client1 send -t 'client2;client3' --title T hello.txt
rm client3
mv hidden client3
is "nothing is stored, in the other mailbox neither" "$(stored)" "$before"
ok "nor in the spool" empty_spool
ok "with the mailbox back the message goes" as client1 send -t 'client2;client3' --title T hello.txt
stop_server

# --- as another user: read-only mailbox, no processes ---

if is_root && command -v setpriv >/dev/null && command -v prlimit >/dev/null; then
	uid=$((20000 + $$ % 20000)) # t/36 takes them from 40000 on
	cp "$PROGRAM" "$HOME_DIR/copy"
	PROGRAM=$HOME_DIR/copy
	chmod 755 "$HOME_DIR" "$HOME_DIR/copy"
	chown -R $uid:$uid .
	before=$(stored)
	under setpriv --reuid $uid --regid $uid --clear-groups
	start
	SMTP361=$PROGRAM
	ok "a server that is not root works" works
	chmod 500 client3
	ok "a read-only mailbox is 75" must_fail 75 as client1 send -t 'client2;client3' --title RO hello.txt
	like "and named" "$(as client1 send -t 'client2;client3' --title RO hello.txt 2>&1)" 'mailbox client3.*ermission denied'
	wait_settled
	is "nothing is stored" "$(find client? -name '*_RO*' | wc -l)" 0
	ok "nor in the spool" empty_spool
	is "its list is still served" "$(as client3 inbox | wc -l)" "$(find client3 -name '*.txt' | wc -l)"
	chmod 700 client3
	stop_server

	under setpriv --reuid $uid --regid $uid --clear-groups prlimit --nproc=3
	start
	SMTP361=$PROGRAM
	aside two hold 2
	wait_for 5 children_are 2
	ok "a connection that no process can be had for is closed: 75" must_fail 75 as client1 inbox
	like "the log says so" "$(cat err)" ' refused .*Resource temporarily unavailable'
	let_go "$ASIDE"
	ok "the server lives and works when there are processes again" wait_for 5 works
	ok "and stops cleanly" stop_server
	chown -R 0:0 .
	chmod 700 "$HOME_DIR"
	SMTP361=$ORIGINAL PROGRAM=$ORIGINAL
else
	skip "a read-only mailbox is 75" "needs root and setpriv"
	skip "a server that cannot fork lives on" "needs root and setpriv"
fi

# --- no descriptors ---

if is_root && command -v prlimit >/dev/null; then
	start
	works
	wait_for 5 children_are 0
	cpu() { sed 's/.*) //' "/proc/$SERVER_PID/stat" | awk '{ print $12 + $13 }'; }
	# the next free number is beyond the limit, so the next accept fails
	limit=$(ls "/proc/$SERVER_PID/fd" | sort -n | awk 'BEGIN { n = 0 } $1 == n { n++ } END { print n }')
	prlimit --pid "$SERVER_PID" --nofile="$limit:1024"
	ticks=$(cpu)
	for i in 1 2 3 4 5; do
		must_fail 75 as client1 inbox || diag "try $i: not 75"
	done >tries 2>&1
	is "without a free descriptor connections are closed: 75" "$(grep -c 'not 75' tries)" 0
	like "the log says so" "$(cat err)" ' refused .*no descriptor is free'
	ok "waiting costs no time of the processor" test $(($(cpu) - ticks)) -lt 20
	prlimit --pid "$SERVER_PID" --nofile=1024:1024
	ok "with descriptors again it works" wait_for 5 works
	stop_server
else
	skip "without a free descriptor connections are closed" "needs root and prlimit"
fi

# --- faults of the system, one call at a time ---

if [ -z "$SANITIZED" ] && command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null && is_root; then
	start
	# recover: what a death left is put in order behind the next one
	recover() {
		aside victim hold 1
		wait_for 5 children_are 1
		child=$(children)
		for pid in $child; do
			kill -9 "$pid"
		done
		let_go "$ASIDE"
		wait_for 5 children_are 0
	}
	# a small message goes into the journal alone, a large one into the spool, too
	head -c 100000 /dev/zero | tr '\0' x >large.txt
	# inject CALL HOW WHEN TO TITLE FILE: one send with this fault in its session; RC, and its words in sent
	inject() {
		: >strace.err
		strace -f -q -e trace="$1" -e inject="$1:$2:when=$3" -o strace.out -p "$SERVER_PID" 2>strace.err &
		tracer=$!
		PIDS="$PIDS $tracer"
		attached() { grep -q '^TracerPid:	*[1-9]' "/proc/$SERVER_PID/status"; }
		wait_for 5 attached
		RC=0
		as client1 send -t "$4" --title "$5" "$6" >sent 2>&1 || RC=$?
		HIT=no
		hit() { grep -Eq 'INJECTED|killed by SIGKILL' strace.out; }
		# a death is written down a moment after the client has seen it
		if hit || { [ $RC != 0 ] && wait_for 10 hit; }; then
			HIT=yes
		fi
		end_pid "$tracer"
	}
	# Who dies between the file of a segment and its first record leaves one that looks unsettled. It is
	# used by the next delivery.
	move_on() {
		as client5 send -t client5 --title Poke hello.txt || diag "the next delivery failed"
		wait_settled
		rm -f client5/client5_Poke*.txt
	}
	copies() {
		move_on
		find client? -name "client1_$1.txt" | wc -l
	}
	listed() {
		for who in client1 client2 client3 client4 client5; do
			as $who inbox
		done | grep -c "	$1\$"
	}
	five='client1;client2;client3;client4;client5'
	case_n=0
	# deaths TO CALL FILE: of the session, at each such call in turn
	deaths() {
		n=$(echo "$1" | tr ';' '\n' | wc -l)
		k=1 bad=0 tried=0
		while [ $k -le 40 ]; do
			case_n=$((case_n + 1))
			inject "$2" signal=KILL $k "$1" K$case_n "$3"
			[ $HIT = yes ] || break
			tried=$((tried + 1))
			[ "$n" = 1 ] || recover
			there=$(copies K$case_n)
			seen=$(listed K$case_n)
			if [ "$there" != "$seen" ] || { [ "$there" != 0 ] && [ "$there" != "$n" ]; } ||
				{ [ $RC = 0 ] && [ "$there" != "$n" ]; } || { [ $RC != 0 ] && [ $RC != 75 ]; }; then
				bad=$((bad + 1))
				diag "$2 $k: exit $RC, $there files, $seen listed"
			fi
			k=$((k + 1))
		done
		is "a session killed at each of $tried $2 leaves $3 to $n in all or none" "$bad" 0
		ok "there was at least one such call" test $tried -gt 0
	}
	for to in client2 "$five"; do
		for call in linkat fsync fdatasync pwrite64; do
			deaths "$to" $call large.txt
		done
		for call in fdatasync pwrite64; do
			deaths "$to" $call hello.txt
		done
	done
	ok "the next delivery is fine" as client1 send -t "$five" --title After hello.txt
	is "and in every mailbox" "$(copies After)$(listed After)" 55
	ok "the spool is empty" empty_spool

	# fault TITLE CALL ERROR REASON FILE: at each call in turn
	fault() {
		k=1 step=1 bad=0 told=no
		[ "$2" = pwrite64 ] && step=3
		while [ $k -le 40 ]; do
			case_n=$((case_n + 1))
			move_on
			before=$(stored)
			inject "$2" error=$3 $k "$five" E$case_n "$5"
			[ $HIT = yes ] || break
			there=$(copies E$case_n)
			if [ $RC = 75 ] && grep -q "try again later: .*$4" sent; then
				[ "$there" = 0 ] && told=yes
			fi
			# a cache that cannot be written costs nothing but time: then it is sent
			if [ $RC = 0 ] && [ "$there" != 5 ] || { [ $RC != 0 ] && [ "$(stored)" != "$before" ]; } ||
				{ [ $RC != 0 ] && [ $RC != 75 ]; } || ! empty_spool; then
				bad=$((bad + 1))
				diag "$2 $k: exit $RC, $there files, spool $(ls -A .spool | tr '\n' ' '), $(cat sent)"
			fi
			k=$((k + step))
		done
		is "$1 at any $2: all of $5, or 75 and nothing left over" "$bad" 0
		is "and the reason is told to the sender" $told yes
	}
	fault "ENOSPC" pwrite64 ENOSPC 'No space left on device' hello.txt
	fault "EIO" fdatasync EIO 'Input/output error' hello.txt
	fault "EIO" fsync EIO 'Input/output error' large.txt
	fault "ENOSPC" linkat ENOSPC 'No space left on device' large.txt
	fault "EDQUOT" linkat EDQUOT 'quota' large.txt
	ok "the server lives" works
	ok "and a message goes to all" as client1 send -t "$five" --title Last hello.txt
	is "in every mailbox, and every list" "$(copies Last)$(listed Last)" 55
	ok "and it stops cleanly" stop_server
else
	skip "a session killed at any call leaves a message in all mailboxes or none" "needs root and strace"
fi

# --- valgrind ---

if [ -z "$SANITIZED" ] && command -v valgrind >/dev/null; then
	options="-q --leak-check=full --show-leak-kinds=definite,possible --errors-for-leak-kinds=definite,possible --trace-children=no --child-silent-after-fork=no --error-exitcode=99"
	clean() { # APPLET: no line in any of its logs
		cat vg."$1".* >vg.lines 2>/dev/null
		[ -e vg.lines ] && head -c 3000 vg.lines && [ ! -s vg.lines ]
	}
	v() { # APPLET ARGUMENTS...
		valgrind $options --log-file="vg.$1.%p" "$PROGRAM" "$@"
	}
	under valgrind $options --log-file="$PWD/vg.serve.%p"
	start
	SMTP361=$PROGRAM
	vu() { # APPLET ARGUMENTS...: as client1
		applet=$1
		shift
		v "$applet" -u client1 --password-file pw1 "$@"
	}
	ok "send under valgrind" vu send -t 'client1;client2' --title Valgrind hello.txt
	ok "is clean" clean send
	ok "inbox under valgrind" vu inbox --json
	ok "is clean" clean inbox
	ok "read under valgrind" vu read --last --json
	ok "is clean" clean read
	printf '%s\n' client1 password1 1 client2 Menu N text 1 client99 T N text 2 3 1 3 99 4 >in
	ok "client under valgrind" sh -c 'valgrind "$@" <in' sh $options --log-file=vg.client.%p "$PROGRAM" client
	ok "is clean" clean client
	ok "a refused login under valgrind" must_fail 77 v inbox -u client1 --password-file pw2
	ok "is clean" clean inbox
	ok "a rejected message under valgrind" must_fail 65 vu send -t client99 --title T hello.txt
	ok "is clean" clean send
	wait_for 20 children_are 0
	ok "the server stops" stop_server
	ok "serve and its sessions are clean" clean serve
	echo secret >pw9
	ok "user add under valgrind" v user add client9 --password-file pw9
	ok "user list under valgrind" v user list
	ok "are clean" clean user
	mkdir keys
	ok "keygen under valgrind" v keygen -d keys client9
	ok "is clean" clean keygen
else
	skip "one session of each applet is clean under valgrind" "no valgrind, or a sanitizer build"
fi
done_testing
