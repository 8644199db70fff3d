#!/bin/sh
# An independent peer of file transfer in Python, written from PROTOCOL.md alone: as client against `ftserve`,
# and as server against `ft`, over both wires.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import dissononce, cryptography, ctypes; ctypes.CDLL("libargon2.so.1")' 2>/dev/null ||
	skip_all "no python3 with dissononce, cryptography and libargon2"
ram_folder
mkdir "$RAM/work" && cd "$RAM/work" || exit 1
mkdir drop there here
echo 'correct horse battery staple' >key
echo 'another one' >other
chmod 600 key other
fpeer() { /usr/bin/python3 -B "$ROOT/t/peer/ft_peer.py" --key-file "${KEY:-key}" "$@"; }
ft() { "$SMTP361" ft "$@"; }

"$SMTP361" ftserve 127.0.0.1:0 file:key -d drop --allow none --allow aes128 --allow aes256 >ft.out 2>ft.err </dev/null &
FT_PID=$!
/usr/bin/python3 -B "$ROOT/t/peer/ft_peer.py" --key-file key serve there >peer.out 2>peer.err </dev/null &
PIDS="$FT_PID $!"
ok "both servers start" wait_for 60 grep -q 'Using secret key' ft.out
wait_for 60 grep -q '^Listening' peer.out
OURS=$(sed -n 's/^Listening on //p' ft.err | head -n 1)
PEERS=$(sed -n 's/^Listening on //p' peer.out | head -n 1)

# --- every size, both ways ---

for n in 0 1 16384 61440 61441 1048576; do
	head -c $n /dev/urandom >in
	for cipher in noise none aes128 aes256; do
		name=$cipher-$n
		is "$n bytes over $cipher: the peer writes" "$(fpeer write "$name" "$OURS" $cipher in)" "{\"size\": $n, \"from\": 0}"
		ok "... what is there" cmp in "drop/$name"
		is "... and reads" "$(fpeer read "$name" "$OURS" $cipher here/of-ours)" "{\"size\": $n, \"from\": 0}"
		ok "... the same" cmp in here/of-ours
		ok "... ours writes to the peer" ft write "$name" "$PEERS" $cipher file:key -i in
		ok "... what is there" cmp in "there/$name"
		ok "... and reads" ft read "$name" "$PEERS" $cipher file:key -o here/of-peer
		ok "... the same" cmp in here/of-peer
		rm -f here/*
	done
done
for cipher in none aes256 noise; do
	ok "records of another size: $cipher" fpeer --piece 1009 write "pieces-$cipher" "$OURS" $cipher in
	ok "... arrive" cmp in "drop/pieces-$cipher"
	head -c 3000 in >small
	ok "a byte at a time: $cipher" fpeer --dribble write "dribbled-$cipher" "$OURS" $cipher small
	ok "... arrives" cmp small "drop/dribbled-$cipher"
done
is "all of a write at once, ahead of every answer" "$(fpeer write eager "$OURS" noise in --eager)" '{"size": 1048576, "from": 0}'
ok "... arrives" cmp in drop/eager
ok "... where it is refused, it is told so" must_fail 73 fpeer write eager "$OURS" noise in --eager
rm -f drop/* there/*

# --- holes ---

truncate -s 3G sparse
printf middle | dd of=sparse bs=1 seek=1500000000 conv=notrunc 2>/dev/null
size_and_room() { stat -c '%s' "$1" && test "$(du -k "$1" | cut -f1)" -lt 1000 && dd if="$1" bs=1 skip=1500000000 count=6 2>/dev/null; }
want=$(size_and_room sparse)
ok "3 GiB of holes: the peer writes" fpeer write sparse "$OURS" noise sparse
is "... holes" "$(size_and_room drop/sparse)" "$want"
ok "... and reads" fpeer read sparse "$OURS" noise here/sparse
is "... holes" "$(size_and_room here/sparse)" "$want"
ok "... ours writes to the peer" ft write sparse "$PEERS" file:key -i sparse
is "... holes" "$(size_and_room there/sparse)" "$want"
ok "... and reads" ft read sparse "$PEERS" file:key -o here/sparse2
is "... holes" "$(size_and_room here/sparse2)" "$want"
rm -f drop/* there/* here/* sparse

# --- resumption ---

# part FOLDER NAME BYTES: so many of `in` lie there
part() { (umask 077 && head -c "$3" in >"$1/.$2.part"); }
for n in 1 65535 65536 65537 300000 1048576; do
	rm -f drop/* here/* there/*
	part drop r $n
	is "a part of $n bytes: the peer goes on with it" "$(fpeer write r "$OURS" noise in --resume)" "{\"size\": 1048576, \"from\": $n}"
	ok "... the same is there" cmp in drop/r
	head -c $n in >here/r
	is "... and reads on" "$(fpeer read r "$OURS" noise here/r --resume)" "{\"size\": 1048576, \"from\": $n}"
	ok "... the same" cmp in here/r
	rm -f here/r
	part there r $n
	ok "... ours goes on with the peer's" ft write r "$PEERS" file:key -i in --resume
	ok "... behind that" wait_for 10 grep -q "write.*\"from\": $n}" peer.out
	ok "... the same is there" cmp in there/r
	part here r $n
	ok "... and reads on" ft read r "$PEERS" file:key -o here/r --resume
	ok "... the same" cmp in here/r
	ok "... behind that" wait_for 10 grep -q "read.*\"from\": $n}" peer.out
done
rm -f drop/* here/* there/*
(umask 077 && tr 'a-m' 'n-z' <in | head -c 300000 | tee drop/.r.part there/.r.part >here/.s.part)
cp in drop/s && cp in there/s && cp here/.s.part here/other
is "another beginning: the peer writes all of it" "$(fpeer write r "$OURS" noise in --resume)" '{"size": 1048576, "from": 0}'
is "... reads all of it" "$(fpeer read s "$OURS" noise here/other --resume)" '{"size": 1048576, "from": 0}'
ok "... ours writes" ft write r "$PEERS" file:key -i in --resume
ok "... and reads" ft read s "$PEERS" file:key -o here/s --resume
ok "... all are the same" sh -c 'for f in drop/r there/r here/other here/s; do cmp in $f || exit; done'

rm -f drop/* here/* there/*
part drop r 5000 && part there r 5000 && part here s 5000
cp small drop/s && cp small there/s && head -c 5000 in >here/other
is "a file shorter than its part: the peer writes all of it" "$(fpeer write r "$OURS" noise small --resume)" '{"size": 3000, "from": 0}'
is "... reads all of it" "$(fpeer read s "$OURS" noise here/other --resume)" '{"size": 3000, "from": 0}'
ok "... ours writes" ft write r "$PEERS" file:key -i small --resume
ok "... and reads" ft read s "$PEERS" file:key -o here/s --resume
ok "... all are the same" sh -c 'for f in drop/r there/r here/other here/s; do cmp small $f || exit; done'

# --- refusals ---

for cipher in noise aes256; do
	ok "$cipher: what exists is 73 to the peer" must_fail 73 fpeer write r "$OURS" $cipher in
	ok "... and to ours" must_fail 73 ft write r "$PEERS" $cipher file:key -i in
	ok "... what does not is 66 to the peer" must_fail 66 fpeer read none "$OURS" $cipher here/none1
	ok "... and to ours" must_fail 66 ft read none "$PEERS" $cipher file:key -o here/none2
	ok "... a bad name is 65" must_fail 65 fpeer read ../key "$OURS" $cipher here/none3
	ok "... another key is no success of the peer" sh -c '! "$@"' - /usr/bin/python3 -B "$ROOT/t/peer/ft_peer.py" --key-file other \
		read r "$OURS" $cipher here/none4
	ok "... and 77 to ours" must_fail 77 ft read r "$PEERS" $cipher file:other -o here/none5
done
is "--force replaces" "$(fpeer write r "$OURS" noise key --force)" '{"size": 29, "from": 0}'
ok "... it is the new one" cmp key drop/r
ok "... at the peer, too" ft write r "$PEERS" file:key -i key --force
ok "... it is the new one" cmp key there/r
kill "$FT_PID"
ok "our server stops cleanly" wait "$FT_PID"
is "no session died by a signal" "$(grep -c ' killed ' ft.err)" 0
is "the peer saw nothing that PROTOCOL.md does not have" "$(grep -c Traceback peer.err)" 0
done_testing
