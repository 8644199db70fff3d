#!/bin/sh
# Damage to what chat keeps of one contact on the user's disk: it is told, and keeps nobody else from anything.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/chat.sh"
house 4
MINE=$HOUSE/k2/client2_chat
start_server -d "$HOUSE/srv" || exit 1
for who in 2 1 3; do
	u $who --status >/dev/null 2>&1
done
for who in 1 3; do
	u $who --send client2 first >/dev/null 2>&1
	u 2 --wait --timeout 20 >/dev/null 2>&1
	u 2 --send client$who first >/dev/null
	u $who --wait --timeout 20 >/dev/null 2>&1
done

# Another command of theirs keeps the fourth one's and does not go on: what comes of that is looked at at the end.
mkdir -m 700 "$HOUSE/k4/client4_chat"
cat >keep.py <<'END'
import fcntl, os, sys, time
files = [open(os.path.join(sys.argv[1], name), 'w') for name in ('.sending', '.receiving')]
for one in files:
    fcntl.flock(one, fcntl.LOCK_EX)
    one.write(str(os.getpid()))
    one.flush()
print('kept', flush=True)
time.sleep(600)
END
/usr/bin/python3 keep.py "$HOUSE/k4/client4_chat" >kept &
keeper=$! PIDS="$PIDS $!"
wait_for 20 grep -q kept kept
u 4 --status >o4 2>e4 </dev/null &
status=$! PIDS="$PIDS $!"
u 4 --send client1 x >o5 2>e5 </dev/null &
sending=$! PIDS="$PIDS $!"

# spoil WHAT: it is junk; mend: it is as it was
spoil() {
	spoilt=$MINE/$1
	rm -rf whole
	[ ! -e "$spoilt" ] || mv "$spoilt" whole
	echo junk >"$spoilt"
}
mend() {
	rm -rf "$spoilt"
	[ ! -e whole ] || mv whole "$spoilt"
}

for what in state out chat history onetime onetime/next; do
	file=client1.$what
	named="client1\\.${what%%/*}"
	spoil "$file"
	run u 2 --send client3 "x $what"
	is "damaged $file keeps no message from another contact" "$RC" 0
	run u 3 --wait --timeout 20
	is "... to whom it comes" "$RC $(cut -f 5 o)" "0 x $what"
	case $what in
	onetime*) ;; # it is for what comes
	*)
		run u 2 --send client1 "y $what"
		like "... and to him none goes: 78, and what is damaged is named" "$(came)" "^78 .*$named"
		;;
	esac
	mend
	u 1 --send client2 "m $what" >/dev/null
	u 3 --send client2 "n $what" >/dev/null
	spoil "$file"
	run u 2 --wait --timeout 20
	case $what in
	state | out)
		like "... what comes is read" "$(came)" "^0 m $what;n $what; .*$named"
		mend
		;;
	*)
		like "... what comes from others is read, and from him it stays: 78, and that is named" "$(came)" \
			"^78 n $what; .*$named"
		run u 2 --wait client3 --timeout 1
		is "... which keeps nobody from waiting for another" "$RC" 75
		mend
		run u 2 --wait --timeout 20
		like "... until it is mended" "$(cut -f 5 o | tr '\n' ';')" "^m $what;"
		;;
	esac
done
spoil client1.state
run u 2 --status
like "--status tells of it, and of the others: 78" "$RC $(cat o e | tr '\n' ' ')" '^78 .*client3	.*client2_chat/client1.state is damaged'
mend

rm -f "$HOUSE/srv/.chat/client1/offers/client2"
run u 2 --send client1 "packed anew"
record=$(history 2 1 1 --last 1)
is "(a message waits)" "$RC" 75
echo junk >"$MINE/client1.out/$record"
mkdir "$MINE/client1.out/stray"
u 1 --status >/dev/null
run u 2 --send client1 "and behind"
like "a damaged packet is not sent, but made anew; what else lies there keeps nothing" "$(came)" '^0 .*cannot remove'
run u 1 --wait --timeout 20
is "... and comes" "$RC $(cut -f 5 o | tail -n 2 | tr '\n' ';')" "0 packed anew;and behind;"

rc=0
wait $status || rc=$?
like "a command that does not go on keeps others for half a minute: 75, and it is named" "$rc $(tr '\n' ' ' <e4)" \
	"^75 .*another chat command, process $keeper, has had client4_chat/.sending for 30 seconds.*hint: try again when"
rc=0
wait $sending || rc=$?
is "... where nothing is kept it is 69" "$rc $(grep -c "process $keeper" e5)" "69 1"
u 4 --send client1 "in turn" >o4 2>e4 </dev/null &
sending=$! PIDS="$PIDS $!"
kill $keeper
rc=0
wait $sending || rc=$?
is "... and when it ends they go on" "$rc" 0

done_testing
