#!/bin/sh
# What scripts do over the enhanced protocol: many messages in one session, each stored once whatever
# breaks, long ones in little memory, attachments from strangers, waiting without polling, -v without
# secrets.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import dissononce, Cryptodome' 2>/dev/null ||
	skip_all "no python3 with dissononce and Cryptodome"
PYTHON="/usr/bin/python3 -B"
export PYTHONPATH="$ROOT/t/peer"
site
# client1, 2 and 3 log in by their keys alone; 4 and 5 have passwords
cat >user_pass.json <<'END'
{"client1": {}, "client2": {}, "client3": {}, "client4": "password4", "client5": "password5"}
END
chmod 600 user_pass.json
start_server --max-chars 200000000 || exit 1

e() { # N APPLET...: as clientN, enhanced
	n=$1 applet=$2
	shift 2
	timeout 60 "$SMTP361" "$applet" --enhanced -u "client$n" -k . "$@"
}
run() {
	RC=0
	e "$@" >o 2>e </dev/null || RC=$?
}
titles() { e "$1" inbox </dev/null | cut -f 4; }
count() { titles "$1" | grep -cx -e "$2"; } # N TITLE: how often it is listed
ms() { echo $(($(date +%s%N) / 1000000)); }
an_id() { head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
json() { $PYTHON -c "
import json, sys
rows = [json.loads(line) for line in open('o', encoding='utf-8')]
$1"; }

# --- send: one, several, stdin ---

echo 'hello' >hello.txt
echo 'second' >two.txt
mkdir sub && echo 'third' >'sub/a file'
run 1 send --to client2 hello.txt
is "one file is sent without a word" "$(said)" "0 "
is "... by its name, when no title is given" "$(titles 2)" hello.txt
e 1 send --to client2 --title piped <hello.txt
e 1 send --to client2 - <hello.txt
run 1 send --to client2 'sub/a file'
is "stdin has no name, a path only its last part" "$(titles 2 | tail -n 3 | tr '\n' '|')" "piped||a file|"
run 1 send --to 'client2;client3' hello.txt two.txt
is "several files are a line each: id, what became of it, title" "$RC $(sed -E 's/^[0-9a-f]{32}	//' o | tr '\n' '|')" \
	"0 stored	hello.txt|stored	two.txt|"
is "... in each mailbox" "$(titles 3 | tr '\n' ' ')" "hello.txt two.txt "
run 1 send --to client3 hello.txt no-such-file sub two.txt
is "what cannot be read does not keep the others back: 66" "$RC $(cut -f 2 o | sort | uniq -c | tr -s ' \n' ' ')" \
	"66  2 failed 2 stored "
like "... and is named" "$(said)" 'cannot open no-such-file: No such file'
run 1 send --to client3 --json hello.txt
ok "--json of one is an object" $PYTHON -c "
import json
d = json.load(open('o'))
assert (d['from'], d['to'], d['title'], d['length'], d['stored']) == ('client1', 'client3', 'hello.txt', 6, True)
assert len(d['id']) == 32 and 'again' not in d"
run 1 send --to 'client3;client99' --json hello.txt no-such-file two.txt
is "--json of several is a line each, and the code is the first failure's" "$RC $(wc -l <o)" "66 3"
ok "... with code and reason" json "
assert not any(r['stored'] for r in rows)
assert sorted(r['code'] for r in rows) == [66, 67, 67], rows
assert all(r['error'] for r in rows)"
run 1 send --to client3 --attach hello.txt --title T two.txt
is "--attach goes with a file" "$RC" 0
for bad in '--id 00' '--id 0011223344556677889900112233445g' '--title a --title b' '--batch --to client2' \
	'--id 00112233445566778899aabbccddeeff hello.txt two.txt' '--attach two.txt hello.txt two.txt'; do
	# shellcheck disable=SC2086
	run 1 send --to client2 $bad hello.txt
	is "send $bad is usage: 64" "$RC $(cat o)" "64 "
done
before=$(stored)
run 1 send --to client99 hello.txt
like "a recipient who is no user: 67, named" "$(said)" '^67 .*client99'
run 1 send --to 'client2;client99' hello.txt
is "... among others: 67" "$RC" 67
run 1 send --to client2 --title "$(printf %0101d 0)" hello.txt
is "a title of 101 characters: 65" "$RC" 65
run 1 send --to client2 --attach no-such-file hello.txt
like "an attachment that is not there: 66, named" "$(said)" '^66 .*no-such-file'
run 1 send --to client2 --attach /dev/zero hello.txt
is "one that is no file: 66" "$RC" 66
is "none of these stored anything" "$(stored)" "$before"

$PYTHON "$ROOT/t/peer/pieces.py" "$SMTP361" --enhanced -u client1 -k . --to client3 ++ --enhanced -u client3 -k . >bad 2>&1
is "no character of a long text is cut on a terminal, by read or in the menu" "$(cat bad)" ""

# --- batch ---

cat >batch.in <<'END'
{"to":"client2","title":"b1","content":"one"}
nonsense
{"to":["client2","client3","client2"],"title":"b2","file":"hello.txt"}
{"to":"client99","title":"b3","content":"x"}
{"to":["Client 2"],"title":"b4","content":"x"}
{"to":[],"title":"b5","content":"x"}
{"title":"b6","content":"x"}
{"to":"client2","title":"b7","file":"no-such-file"}
{"to":"client2","title":"b8"}
{"to":"client2","title":"b9","content":"x","file":"hello.txt"}

{"to":"client2","title":"b10","content":"x","id":"12"}
{"to":"client2","title":"b11","content":"first","id":"0123456789abcdef0123456789abcdef"}
{"to":"client2","title":"b12","content":"again","id":"0123456789ABCDEF0123456789ABCDEF"}
{"to":"client2","title":"b13","content":"x","attach":["hello.txt","sub/a file"]}
{"to":"client2","title":"b14","content":"x","attach":["no-such-file"]}
{"to":"client2","title":"b15","content":"x","attach":"hello.txt"}
{"to":"client2","title":"b16\nFrom: x","content":"x"}
{"to":"client2","content":"no title"}
{"to":"client2","title":"b17","content":"x","to":"client3"}
{"to":"client2","title":"b18 \u00e9\ud83d\ude00","content":"\u00e9","later":[1]}
END
printf '{"to":"client2","title":"b19","content":"no line end"}' >>batch.in
before=$(titles 2 | wc -l)
for form in '' --json; do
	RC=0
	# shellcheck disable=SC2086
	e 1 send --batch $form <batch.in >o 2>e || RC=$?
	cp o "batch$form.out"
	is "batch $form: bad lines among good ones: 65, and a line of answer for each" "$RC $(wc -l <o)" "65 21"
done
cut -f 2 batch.out | sort | uniq -c | tr -s ' \n' ' ' >got
is "batch: the answers have the order of the lines" "$(cut -f 2 batch.out | head -n 4 | tr '\n' ' ')" "stored failed stored failed "
is "of 21 the right ones are stored, and one of them had been" "$(cat got)" " 13 failed 7 stored 1 stored-before "
is "a batch is in the mailbox in its order" "$(titles 2 | tail -n "+$((before + 1))" | head -n 7 | tr '\n' '|')" \
	"b1|b2|b11|b13||b18 é😀|b19|"
is "... an id that came before is stored once" "$(count 2 b11) $(count 2 b12)" "1 0"
is "... each recipient has it once" "$(count 3 b2)" 2
is "a batch's letter is what the line says" "$(e 2 read --content $((before + 1)))" one
is "what failed is not told under another letter's id" \
	"$(awk -F '\t' '$2 == "failed" && $1 ~ /^[0-9a-f]+$/ && $1 !~ /^0+$/ { print $1 }' batch.out | sort | uniq -d)" ""
ok "JSON says the same, with codes" $PYTHON -c "
import json
rows = [json.loads(line) for line in open('batch--json.out', encoding='utf-8')]
stored = {r['title']: r for r in rows if r['stored']}
assert sorted(stored) == ['', 'b1', 'b11', 'b12', 'b13', 'b18 \u00e9\U0001f600', 'b19', 'b2'], stored.keys()
assert stored['b11'].get('again') and stored['b12'].get('again') and 'again' not in stored['b1']
assert sorted(r['code'] for r in rows if not r['stored']) == [65] * 9 + [66] * 2 + [67] * 2, rows
assert all(r['code'] in (65, 66, 67) and r['error'] for r in rows if not r['stored'])"
like "a line that is no JSON is named by its number" "$(grep failed batch.out | tr '\n' ' ')" 'line 2: '
like "... an unknown recipient by its name" "$(grep failed batch.out | tr '\n' ' ')" 'no such user: client99'
like "... a file that is missing by its name" "$(grep failed batch.out | tr '\n' ' ')" 'line 8: cannot open no-such-file'
run 1 send --batch
is "an empty batch is fine" "$(said)" "0 "
RC=0
echo '{"to":"client2","title":"t","content":"x"}' | e 1 send --batch -s 127.0.0.1:1 >o 2>e || RC=$?
is "a batch to a server that is not there: 69" "$RC" 69
# 3,000,000 characters in a line; and a line of more than any limit
$PYTHON -c "
import json
print(json.dumps({'to': 'client3', 'title': 'huge', 'content': '\u00fc' * 3000000}, ensure_ascii=False))
print(json.dumps({'to': 'client3', 'title': 'behind', 'content': 'x'}))" >o2
batch_of() { timeout 300 "$SMTP361" send --batch --enhanced -u client1 -k . <"$1"; }
ok "3,000,000 characters in one line of a batch" batch_of o2
is "... arrive as they are" "$(e 3 read --content "$(titles 3 | grep -nx huge | cut -d: -f1)" | md5sum)" \
	"$($PYTHON -c 'print("\u00fc" * 3000000, end="")' | md5sum)"
{
	echo '{"to":"client3","title":"ahead","content":"x"}'
	head -c 17000000 /dev/zero | tr '\0' x
} >o2
RC=0
e 1 send --batch <o2 >o 2>e || RC=$?
like "a line of 17 MB: 65, and why" "$(said)" '^65 .*more than 16777216 bytes'
is "... what went before it is answered, as it is stored" "$(grep -c '	stored	ahead$' o) $(count 3 ahead)" "1 1"

mkfifo pipe
e 1 send --batch <pipe >slow.out 2>slow.err &
PIDS="$PIDS $!"
batch_pid=$!
exec 9>pipe
echo '{"to":"client3","title":"slow1","content":"x"}' >&9
ok "a line is acknowledged while the producer holds the pipe open" wait_for 5 grep -q '	stored	slow1$' slow.out
is "... and is stored then" "$(count 3 slow1)" 1
printf '{"to":"client3","title":"slow2","content":"x"}\n{"to":"client3",' >&9
ok "... though half of the next line has come, too" wait_for 5 grep -q '	stored	slow2$' slow.out
echo 'oops}' >&9
ok "... a bad one at once, too" wait_for 5 grep -q '	failed	line 3' slow.out
echo '{"to":"client3","title":"slow4","content":"x"}' >&9
ok "... and the next one" wait_for 5 grep -q '	stored	slow4$' slow.out
ok "... until the end" kill -0 "$batch_pid"
exec 9>&-
rc=0
wait "$batch_pid" || rc=$?
is "... which tells that one line was bad" "$rc" 65

many=10000
[ -z "$SANITIZED" ] || many=500
$PYTHON -c "
import json
for i in range($many):
    print(json.dumps({'to': 'client4', 'title': 'n%d' % i, 'content': 'c%d' % i}))" >o2
began=$(ms)
batch_of o2 >o 2>e || diag "$(cat e)"
took=$(($(ms) - began))
is "a batch of $many lines is acknowledged line by line, in order" "$(cut -f 2,3 o | md5sum)" \
	"$(seq 0 $((many - 1)) | sed 's/^/stored	n/' | md5sum)"
is "... under as many ids" "$(cut -f 1 o | sort -u | wc -l)" $many
timeout 60 "$SMTP361" inbox --enhanced -u client4 -k . --password-file pw4 >o2
is "... is in the mailbox, each once, in order" "$(cut -f 1,2,4 o2 | md5sum)" \
	"$(seq $many | awk '{ print $1 "\tclient1\tn" $1 - 1 }' | md5sum)"
diag "$many messages in $took ms"

# --- the same id ---

mine=$(an_id)
run 1 send --to client2 --id "$mine" --title once hello.txt
is "a message with an id" "$(said)" "0 "
run 1 send --to client2 --id "$mine" --title once --json hello.txt
like "sent again in another session: fine, and told" "$(said)" '^0 .*"again": true'
run 1 send --to client2 --id "$mine" --title once hello.txt
is "is stored once" "$RC $(count 2 once)" "0 1"
run 3 send --to client2 --id "$mine" --title once --json hello.txt
is "for another user the same id is another message" "$RC $(count 2 once) $(grep -c again o)" "0 2 0"
ok "the server stops" stop_server
start_server --max-chars 200000000 || exit 1
run 1 send --to client2 --id "$mine" --title once hello.txt
is "after the server has started anew it is stored once, too" "$RC $(count 2 once)" "0 2"
i=$(titles 2 | grep -nx once | head -n 1 | cut -d: -f1)
ok "its recipient deletes it" e 2 delete "$i"
run 1 send --to client2 --id "$mine" --title once --json hello.txt
is "... and a retry does not bring it back" "$RC $(count 2 once) $(grep -c again o)" "0 1 1"
mine=$(an_id)
pids=''
for i in 1 2 3 4 5 6 7 8; do
	e 1 send --to 'client2;client3' --id "$mine" --title eight --json hello.txt >"eight$i" 2>&1 </dev/null &
	pids="$pids $!"
done
rc=0
for pid in $pids; do
	wait "$pid" || rc=$?
done
is "of eight processes with one id at once all are acknowledged" $rc 0
is "... one stored it, seven came after" "$(cat eight? | grep -c '"again"')" 7
is "... and it is there once for each" "$(count 2 eight) $(count 3 eight)" "1 1"
if [ -z "$SANITIZED" ] && strace -qq -o trace true 2>/dev/null && is_root; then
	# kill_send TO COPIES CALL...: a send dies at the server at each of these calls in turn, and is sent again
	kill_send() {
		to=$1 copies=$2 points=0 bad=''
		shift 2
		for call in "$@"; do
			k=1
			while [ $k -le 30 ]; do
				mine=$(an_id)
				: >strace.out
				strace -f -q -e "trace=$call" -e "inject=$call:signal=KILL:when=$k" -o strace.out \
					-p "$SERVER_PID" 2>strace.err &
				tracer=$!
				PIDS="$PIDS $tracer"
				attached() { grep -q '^TracerPid:	*[1-9]' "/proc/$SERVER_PID/status"; }
				wait_for 5 attached
				run 1 send --to "$to" --id "$mine" --title "K$copies $call $k" hello.txt
				first=$RC
				killed() { grep -q 'killed by SIGKILL' strace.out; }
				[ "$first" = 0 ] || wait_for 10 killed
				end_pid "$tracer"
				killed || break
				points=$((points + 1))
				case $first in 0 | 75 | 76) ;; *) bad="$bad$call $k: $(said); " ;; esac
				run 1 send --to "$to" --id "$mine" --title "K$copies $call $k" hello.txt
				[ $RC = 0 ] || bad="$bad$call $k: again: $(said); "
				wait_settled
				there=$(find client? -name "client1_K$copies $call $k.txt" -o -name "client1_K$copies $call $k~*" | wc -l)
				[ "$there" = "$copies" ] || bad="$bad$call $k: $there files; "
				k=$((k + 1))
			done
			[ "$RC" = 0 ] || bad="$bad$call $k: $(said); "
			listed=$(for n in 2 3; do titles $n; done | grep -c "^K$copies $call ")
			[ "$listed" = $(((k - 1) * copies + copies)) ] || bad="$bad$call: $listed listed for $((k - 1)) kills; "
		done
		is "the session killed at any of $points calls of a send to $copies, sent again: stored once" "$bad" ""
		ok "... and there were enough calls to matter" test $points -ge 5
	}
	kill_send client2 1 linkat fsync fdatasync pwrite64 unlinkat renameat ftruncate sendto
	kill_send 'client2;client3' 2 linkat fsync fdatasync pwrite64 unlinkat renameat
	ok "the server lives on" e 1 inbox
else
	skip "the session killed at any call of a send, sent again: stored once" "no strace here, or not root"
fi

# --- long messages ---

$PYTHON -c 'print("\u00fc" * 1000001, end="")' >over
run 1 send --to client3 --title over over
is "1,000,001 characters from a file" "$RC" 0
ok "... from a pipe" sh -c "cat over | '$SMTP361' send --enhanced -u client1 -k . --to client3 --title over-pipe"
e 3 read --last --content >got
ok "... arrive as they are" cmp over got
timeout 20 "$SMTP361" user mode client3 both
timeout 20 "$SMTP361" user passwd client3 --password-file pw3
i=$(timeout 20 "$SMTP361" inbox -u client3 --password-file pw3 | tail -n 1 | cut -f 1)
RC=0
timeout 20 "$SMTP361" read -u client3 --password-file pw3 "$i" >o 2>e || RC=$?
like "the classic protocol lists it, and says that it cannot show it" "$(said | head -c 400)" '(long|large|1,?000,?000|enhanced)'
ok "... with less than all of it" test "$(wc -c <o)" -lt 1000000
timeout 20 "$SMTP361" inbox -u client3 --password-file pw3 >o
ok "... and the session or the next one goes on" grep -q 'over-pipe$' o
timeout 20 "$SMTP361" user mode client3 key

# peak COMMAND...: run it; its peak, and that of the server's sessions meanwhile, in KiB
cat >peak.py <<'END'
import os, re, resource, subprocess, sys, threading
server, out = int(sys.argv[1]), sys.argv[2]
most, ended = 0, threading.Event()

def look():
    global most
    while not ended.wait(0.005):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                status = open(f"/proc/{pid}/status").read()
                if int(re.search(r"PPid:\s*(\d+)", status)[1]) == server:
                    most = max(most, int(re.search(r"VmHWM:\s*(\d+)", status)[1]))
            except (OSError, TypeError):
                pass

threading.Thread(target=look, daemon=True).start()
with open(out, "wb") as f:
    rc = subprocess.run(sys.argv[3:], stdout=f).returncode
ended.set()
print(rc, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, most)
END
if [ -z "$SANITIZED" ]; then
	head -c 75000000 /dev/zero | openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 2>/dev/null | base64 -w 0 >big # 100 MB
	# judged TITLE "RC CLIENT SESSION"
	judged() {
		# shellcheck disable=SC2086
		set -- "$1" $2
		ok "$1: done (client $3 KiB, session $4 KiB)" test "$2" = 0
		ok "... the client in less than 16 MiB" test "$3" -gt 0 -a "$3" -lt 16384
		ok "... the session, too" test "$4" -gt 0 -a "$4" -lt 16384
	}
	judged "100 MB from a file" "$($PYTHON peak.py "$SERVER_PID" o "$SMTP361" send --enhanced -u client1 -k . \
		--to client2 --title big big)"
	judged "100 MB from a pipe" "$(cat big | $PYTHON peak.py "$SERVER_PID" o "$SMTP361" send --enhanced -u client1 -k . \
		--to client2 --title big-pipe)"
	judged "100 MB read" "$($PYTHON peak.py "$SERVER_PID" got "$SMTP361" read --enhanced -u client2 -k . --last --content)"
	ok "... as they were sent" cmp big got
	head -c 70000000 big >attached
	judged "70 MB attached" "$($PYTHON peak.py "$SERVER_PID" o "$SMTP361" send --enhanced -u client1 -k . \
		--to client2 --title big-attached --attach attached hello.txt)"
	mkdir big-saved
	judged "... and saved" "$($PYTHON peak.py "$SERVER_PID" o "$SMTP361" read --enhanced -u client2 -k . --last --save big-saved)"
	ok "... as it was" cmp attached big-saved/attached
	e 2 delete --last
	rm -rf big got attached big-saved
fi
stop_server
start_server --max-chars 1000 || exit 1
before=$(stored)
head -c 1000 /dev/zero | tr '\0' x >c1000
head -c 1001 /dev/zero | tr '\0' x >c1001
run 1 send --to client2 --title 1000 c1000
is "content of exactly --max-chars is taken" "$RC" 0
run 1 send --to client2 --title 1001 c1001
like "one character more is refused: 65, and why" "$(said)" '^65 .*(1000|1001|large|long)'
run 1 send --to client2 --title big over
like "a million more: 65" "$(said)" '^65 .*(1000|large|long)'
run 1 send --to client2 --title attached --attach c1000 hello.txt
is "attachments count, too: 65" "$RC" 65
is "... nothing of them is stored" "$(stored)" $((before + 1))
stop_server
start_server -v || exit 1

# --- attachments ---

mkdir att
printf 'a\000b\377\r\n' >att/binary
: >att/empty
head -c 100001 /dev/urandom >att/random
$PYTHON -c 'import os; open("att/sizes", "wb").write(bytes(range(256)) * 57)'
run 1 send --to client2 --title three --attach att/binary --attach att/empty --attach att/random hello.txt
is "a message with three attachments" "$RC" 0
mkdir saved
run 2 read --last --save saved
is "--save prints their names" "$(said)" "0 binary empty random "
for f in binary empty random; do
	ok "... $f is as it was" cmp att/$f saved/$f
done
is "... and for this user alone" "$(stat -c %a saved/* | sort -u)" 600
run 2 read --last --save saved
is "saved again, they have other names" "$(said)" "0 binary~2 empty~2 random~2 "
ok "... and the first are as they were" cmp att/binary saved/binary
echo precious >precious
ln -s "$PWD/precious" saved/link
mkdir saved/folder
cp hello.txt att/link && cp hello.txt att/folder
run 1 send --to client2 --title names --attach att/link --attach att/folder hello.txt
run 2 read --last --save saved
is "a symlink or folder of that name is left alone, too" "$(said) $(cat precious saved/link)" "0 link~2 folder~2  precious
precious"
like "the message reads as text, too" "$(e 2 read --last --content | tr '\n' ' ')" \
	'^MIME-Version: 1.0 .*multipart/mixed.* hello .*filename="link"'
run 1 send --to client2 --title sizes --attach att/sizes hello.txt
rm -rf saved && mkdir saved
for n in 0 1 2 3 56 57 58 113 114 115; do
	head -c $n att/random >"att/r$n"
done
run 1 send --to client2 --title edges --attach att/r0 --attach att/r1 --attach att/r2 --attach att/r3 --attach att/r56 \
	--attach att/r57 --attach att/r58 --attach att/r113 --attach att/r114 --attach att/r115 hello.txt
run 2 read --last --save saved
is "lengths round a line of base64" "$RC $(for n in 0 1 2 3 56 57 58 113 114 115; do cmp att/r$n saved/r$n && echo same; done | sort | uniq -c | tr -s ' ')" \
	"0  10 same"
# names that people give to files
rm -rf saved && mkdir saved named
echo blank >'named/a b  c.txt'
echo utf8 >'named/ü😀.txt'
echo quotes >named/'q"u'"'"'o\te'
printf 'line' >"named/new
line"
echo dot >named/.profile
echo dash >named/-rf
echo dollar >'named/$(id);`id`'
set --
for f in named/* named/.profile; do
	set -- "$@" --attach "$f"
done
run 1 send --to client2 --title named "$@" hello.txt
is "files with odd names are attached" "$RC" 0
run 2 read --last --save saved
is "... and saved" "$RC $(find saved -type f | wc -l)" "0 7"
is "... blanks and UTF-8 are kept" "$(cat 'saved/a b  c.txt' 'saved/ü😀.txt' | tr '\n' ' ')" "blank utf8 "
is "... none is hidden, an option, or of two lines" \
	"$(find saved -type f \( -name '.*' -o -name '-*' -o -name '*
*' -o -name '*"*' -o -name '*\\*' \) | wc -l) $(cat saved/* | sort | tr '\n' ' ')" \
	"0 blank dash dollar dot linequotes utf8 "
ok "the last part of a path alone counts" sh -c "! grep -q 'named/' saved/* && [ ! -e saved/named ]"

# what a stranger may put there
# mime NAME-AS-IN-THE-HEADER BODY: a message by hand
mime() {
	printf 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="B"\n\n--B\nContent-Type: text/plain\n\ntext\n'
	printf '\n--B\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=%b\n\n%b' "$1" "$2"
}
rm -rf jail && mkdir -p jail/a/b/c
for name in '"../../x"' "\"$PWD/abs\"" '".hidden"' '".."' '"."' '"a/"' '"/"' '""' '"-rf"' '"--help"' '"~/x"' '"a\\000b"' \
	'"..\\\\..\\\\x"' '"C:\\\\x"' '"\\033[31mred"' '"\\342\\200\\256txt"' '"a\\rb"' '"\\302\\205"' '../../y' '"%2e%2e%2fx"' '"\\377\\376"' \
	'"'"$(printf 'x%.0s' $(seq 255))"'"' '"'"$(printf 'y%.0s' $(seq 400))"'"' 'x;y' '"a'; do
	mime "$name" 'aGVsbG8K\n--B--\n' >hostile
	shown=$(echo "$name" | cut -c 1-24)
	run 1 send --to client2 --title hostile hostile
	if [ "$RC" != 0 ]; then # content that is not UTF-8 does not even leave
		is "the name $shown is refused when it is sent: 65" "$RC" 65
		continue
	fi
	rm -rf jail/a/b/c && mkdir jail/a/b/c
	run 2 read --last --save jail/a/b/c
	found=$(find jail -type f -printf '%P\n')
	case $RC in
	0)
		ok "the name $shown becomes one harmless file" sh -c "
			[ \$(find jail -type f | wc -l) = 1 ] && [ \$(find jail/a/b/c -maxdepth 1 -type f | wc -l) = 1 ] &&
			[ -z \"\$(find jail \( -name '.*' -o -name '-*' -o -name '~*' \) -type f)\" ] && grep -qx hello jail/a/b/c/*"
		;;
	*) is "the name $shown is refused, and nothing is saved" "$RC $found" "$(echo "$RC" | grep -E '^(65|66|73)$') " ;;
	esac
	ok "... nor does it reach the screen raw" must_fail 1 grep -aqP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae' o e
done
ok "nothing was saved elsewhere" sh -c '[ ! -e x ] && [ ! -e y ] && [ ! -e abs ] && [ ! -e ../x ]'
damaged() { # TITLE BODY CODE
	mime '"file"' "$2" >hostile
	run 1 send --to client2 --title hostile hostile
	rm -rf saved && mkdir saved
	run 2 read --last --save saved
	is "$1: $3, and no half file" "$RC $(ls -A saved)" "$3 "
}
damaged "base64 with a character that is none" 'aGVs!G8K\n--B--\n' 65
damaged "base64 with a blank in it" 'aGVs bG8K\n--B--\n' 65
damaged "base64 that is cut" 'aGVsbG8\n--B--\n' 65
damaged "base64 with text behind its padding" 'aGVsbA==\naGVs\n--B--\n' 65
damaged "base64 with padding alone" '====\n--B--\n' 65
damaged "base64 with three of padding" 'a===\n--B--\n' 65
damaged "a message that ends within an attachment" 'aGVsbG8K\n' 65
damaged "... or right behind its head" '' 65
damaged "... or in its last boundary" 'aGVsbG8K\n--' 65
mime '"file"' 'aGVs\nbG8K\n--B--\ntrailer' | tr -d '\r' | sed 's/$/\r/' >hostile
run 1 send --to client2 --title crlf hostile
rm -rf saved && mkdir saved
run 2 read --last --save saved
is "lines may end in CR LF" "$(said) $(cat saved/file)" "0 file  hello"
printf 'Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Disposition: attachment; filename=plain\n\none\ntwo\n--B\nContent-Disposition: attachment; filename="second"\n\n\n--B--\n' >hostile
run 1 send --to client2 --title plain hostile
rm -rf saved && mkdir saved
run 2 read --last --save saved
is "what is not in base64 is saved as it is" "$(said) $(od -c saved/plain | head -n 1 | tr -s ' ')" \
	"0 plain second  0000000 o n e \\n t w o"
run 1 send --to client2 --title none hello.txt
run 2 read --last --save saved
like "a message without attachments: 66" "$(said)" '^66 .*nothing is attached'
run 2 read --last --save no-such-folder
like "a folder that is not there: 66, named" "$(said)" '^66 .*no-such-folder'
run 2 read --last --save saved --json
is "--save and --json do not go together: 64" "$RC" 64

# --- inbox, read, delete: names for messages ---

for t in A B C; do
	run 1 send --to client1 --title $t hello.txt
done
run 1 inbox --ids
cp o ids
is "inbox --ids is a line each, the id ahead" "$(cut -f 2- ids)" "$(e 1 inbox)"
like "... of 32 digits" "$(cut -f 1 ids | sort -u | tr '\n' ' ')" '^([0-9a-f]{32} ){3}$'
a=$(sed -n 1p ids | cut -f 1) b=$(sed -n 2p ids | cut -f 1) c=$(sed -n 3p ids | cut -f 1)
is "inbox --after lists what stands behind" "$(e 1 inbox --after "$a" | cut -f 4 | tr '\n' ' ')$(e 1 inbox --after "$c")" "B C "
is "... behind 0 is all" "$(e 1 inbox --after 0 | wc -l)" 3
b=$(sed -n 2p ids | cut -f 1)
is "inbox --since lists from a message on" "$(e 1 inbox --since "$b" | cut -f 4 | tr '\n' ' ')" "B C "
is "... from 0 all, and --limit the first of them" "$(e 1 inbox --since 0 --limit 2 | cut -f 4 | tr '\n' ' ')" "A B "
is "... --after, too" "$(e 1 inbox --after "$a" --limit 1 | cut -f 4)" B
run 1 inbox --since 00112233445566778899aabbccddeeff
is "... from what is not there: 66" "$RC" 66
run 1 inbox --limit 2 --ids --json
ok "--limit, --ids and --json go together" $PYTHON -c "
import json
rows = json.load(open('o'))
assert [(row['index'], row['title']) for row in rows] == [(2, 'B'), (3, 'C')], rows
assert all(len(row['id']) == 32 for row in rows)"
run 1 inbox --after 00112233445566778899aabbccddeeff
is "... behind what is not there: 66" "$RC $(cat o)" "66 "
run 1 inbox --after nonsense
like "... behind what is no id: 64 or 65" "$RC $(cat o)" '^6[45] $'
run 1 inbox --json
ok "inbox --json has ids, times, lengths" $PYTHON -c "
import json
rows = json.load(open('o'))
assert [(r['index'], r['id'], r['from'], r['title'], r['length']) for r in rows] == [
    (1, '$a', 'client1', 'A', 6), (2, '$b', 'client1', 'B', 6), (3, '$c', 'client1', 'C', 6)]
assert rows[0]['us'] < rows[1]['us'] < rows[2]['us']"
for which in "$b" 2; do
	is "read $(echo "$which" | head -c 8) reads that one" "$(e 1 read "$which" | sed -n 's/^Title: //p')" B
done
is "read --last the last one" "$(e 1 read --last | sed -n 's/^Title: //p')" C
run 1 read --last --json
ok "read --json has all of it" $PYTHON -c "
import json
d = json.load(open('o'))
assert (d['id'], d['from'], d['to'], d['title'], d['length'], d['content']) == (
    '$c', 'client1', ['client1'], 'C', 6, 'hello\n')"
upper=$(echo "$b" | tr a-f A-F)
run 1 read "$upper"
like "an id in capitals is that id, or is refused as usage" "$RC" '^(0|64)$'
for which in 0 -1 99999999999999999999 x "${a}0" ''; do
	run 1 read -- "$which"
	is "read \"$which\" is usage: 64" "$RC" 64
	run 1 delete -- "$which"
	is "delete \"$which\", too" "$RC" 64
done
run 1 read 99
is "read of an index that is not there: 66" "$RC" 66
run 1 delete 99
is "delete, too" "$RC" 66
for t in D E F; do
	run 1 send --to 'client1;client2' --title $t hello.txt
done
ok "delete by index, several at once: they count as they were" e 1 delete 1 3
is "... are gone" "$(titles 1 | tr '\n' ' ')" "B D E F "
ok "delete by id" e 1 delete "$b"
run 1 delete "$b"
is "... twice: 66" "$RC" 66
ok "delete --last" e 1 delete --last
run 1 delete 1 99
is "an index that is not there, and nothing is deleted: 66" "$RC $(titles 1 | tr '\n' ' ')" "66 D E "
is "others keep theirs" "$(titles 2 | tail -n 3 | tr '\n' ' ')" "D E F "
run 1 delete
is "delete of nothing: 64" "$RC" 64
run 1 delete 1 --last
is "delete of an index and --last: 64" "$RC" 64
RC=0
timeout 20 "$SMTP361" delete -u client5 --password-file pw5 1 >o 2>e || RC=$?
like "the classic protocol cannot delete: 64, and what can" "$(said)" '^64 .*--enhanced'
run 2 delete "$(e 1 inbox --ids | sed -n 1p | cut -f 1)"
is "an id of a message in another's mailbox, too, deletes one's own" "$RC $(titles 1 | head -n 1) $(titles 2 | grep -cx D)" "0 D 0"

# --- waiting ---

# waiter NAME OPTIONS...: client1's `inbox --wait`, until its end in the background
waiter() {
	name=$1
	shift
	waits=$(grep -c ' record [0-9]*: wait,' err)
	rm -f "$name.rc"
	(
		rc=0
		e 1 inbox --wait "$@" >"$name.out" 2>"$name.err" </dev/null || rc=$?
		echo $rc >"$name.rc"
	) &
	PIDS="$PIDS $!"
	waiting() { [ "$(grep -c ' record [0-9]*: wait,' err)" -gt "$waits" ]; }
	wait_for 10 waiting || diag "$name does not wait"
}
ended() { wait_for 5 test -s "$1.rc"; }
waiter one
run 2 send --to client1 --title G hello.txt
ok "inbox --wait ends when a message comes" ended one
is "... with that one" "$(cat one.rc one.err) $(cut -f 2,4 one.out)" "0 client2	G"
waiter one --ids --timeout 60
timeout 20 "$SMTP361" send --classic -u client5 --password-file pw5 --to client1 --title H hello.txt
ok "a message of the classic protocol wakes, too" ended one
is "... with its id" "$(cat one.rc) $(cut -f 3,5 one.out)" "0 client5	H"
h=$(cut -f 1 one.out)
run 1 inbox --wait --after "$h" --timeout 1
like "behind the last one there is nothing: 75 when the time is over" "$(said)" '^75 .*no message came'
waiter one --json --after "$h"
run 2 send --to client1 --title I hello.txt
ok "--after waits for what stands behind" ended one
is "... in JSON, too" "$($PYTHON -c "
import json
print([(r['from'], r['title']) for r in json.load(open('one.out'))])")" "[('client2', 'I')]"
run 1 inbox --wait --after "$h" --timeout 30
is "... which is told at once when it is there already" "$RC $(cut -f 4 o)" "0 I"
run 1 inbox --wait --after 0 --timeout 30
is "--after 0 lets every message count" "$RC $(wc -l <o)" "0 $(e 1 inbox | wc -l)"
run 3 inbox --after 0
for i in $(seq "$(wc -l <o)"); do
	echo "$i"
done | xargs timeout 60 "$SMTP361" delete --enhanced -u client3 -k .
began=$(ms)
run 3 inbox --wait --after 0 --timeout 1
took=$(($(ms) - began))
is "... in an empty mailbox there is none: 75" "$RC $(cat o)" "75 "
ok "... after --timeout 1 ($took ms)" test $took -ge 900 -a $took -lt 10000
for bad in '--timeout 0' '--timeout x' '--timeout -1' '--timeout'; do
	# shellcheck disable=SC2086
	run 1 inbox --wait $bad
	is "--wait $bad is usage: 64" "$RC" 64
done
run 1 inbox --timeout 5
is "--timeout alone is usage: 64" "$RC" 64
run 1 inbox --wait --after 00112233445566778899aabbccddeeff --timeout 5
is "--wait behind what is not there: 66" "$RC" 66
if [ -z "$SANITIZED" ] && strace -qq -o trace true 2>/dev/null && is_root; then
	wait_settled # which is work for the server
	waits=$(grep -c ' record [0-9]*: wait,' err)
	"$SMTP361" inbox --enhanced -u client1 -k . --wait --timeout 600 >one.out 2>one.err </dev/null &
	waiter_pid=$!
	PIDS="$PIDS $waiter_pid"
	wait_for 10 waiting
	wait_for 10 children_are 1 # the session before may not be gone yet
	session_pid=$(children)
	# on a busy machine what came before may end only now: so up to three looks, and one without a call;
	# what is seen is kept elsewhere, as the server is told of what is made in its folder
	for look in 1 2 3; do
		pids=''
		attached=0
		for pid in $waiter_pid $session_pid $SERVER_PID; do
			strace -q -f -o "$HOME_DIR/calls.$pid" -p "$pid" 2>/dev/null &
			pids="$pids $!"
		done
		PIDS="$PIDS $pids"
		for pid in $waiter_pid $session_pid $SERVER_PID; do
			wait_for 5 grep -q '^TracerPid:	*[1-9]' "/proc/$pid/status" && attached=$((attached + 1))
		done
		sleep 2.5
		# shellcheck disable=SC2086
		kill $pids
		for pid in $pids; do
			wait "$pid" 2>/dev/null
		done
		calls=$(cat "$HOME_DIR"/calls.* | grep -cv -e 'detached' -e 'resuming' -e 'restart_syscall')
		[ "$calls" != 0 ] || break
		why "look $look: $(cat "$HOME_DIR"/calls.* | head -n 5)"
	done
	is "while client1 waits, neither client, session nor server wakes up: calls in 2.5 seconds" \
		"$calls" 0
	is "... all three were looked at" $attached 3
	run 2 send --to client1 --title J hello.txt
	ok "... until the message comes" wait "$waiter_pid"
	is "... which is listed" "$(cut -f 4 one.out)" J
else
	skip "while client1 waits, nothing wakes up" "no strace here, or not root"
fi
pids=''
for i in 1 2 3 4 5 6 7 8; do
	waiter "w$i"
done
run 2 send --to client1 --title K hello.txt
for i in 1 2 3 4 5 6 7 8; do
	ended "w$i"
done
is "eight that wait are all woken by one message" "$(cat w?.rc | sort | uniq -c | tr -s ' ') $(cat w?.out | cut -f 4 | sort -u)" " 8 0 K"

# --- -v: what was verified, what an onlooker sees, and no secret ---

echo 'the secret content zebra' >zebra
grep -v '^-' client4_x25519_private.pem >secrets
grep -v '^-' client4_private.pem | head -n 5 >>secrets
grep -v '^-' server_x25519_private.pem >>secrets
grep -v '^-' server_private.pem | head -n 5 >>secrets
for f in client4 server; do # the 32 bytes themselves, in hex and base64
	openssl pkey -in ${f}_x25519_private.pem -outform DER | tail -c 32 >raw
	od -An -v -tx1 raw | tr -d ' \n' >>secrets
	echo >>secrets
	base64 raw | tr -d '=' >>secrets
done
printf 'password4\nzebra\n' >>secrets
fpr() { openssl pkey -pubin -in "$1" -outform DER | openssl dgst -sha256 -binary | base64 | sed 's/^/SHA256:/; s/=*$//'; }
own=$(fpr client4_x25519_public.pem) server=$(fpr server_x25519_public.pem)
# verbose APPLET...: as client4 with -v; its words in e, the server's about this session in log
verbose() {
	: >seen
	wait_for 10 children_are 0 # the session before has said its last word
	lines=$(wc -l <err)
	RC=0
	timeout 60 "$SMTP361" "$@" -v -u client4 -k . --password-file pw4 >o 2>e </dev/null || RC=$?
	finished() { tail -n "+$((lines + 1))" err | grep -q ' end peer='; }
	wait_for 5 finished
	tail -n "+$((lines + 1))" err >log
}
verbose send --enhanced --to client4 --title v zebra
is "send -v does what send does" "$RC $(cat o)" "0 "
like "the client shows the server's key that was proven" "$(grep 'message 2' e)" "$(echo "$server" | sed 's/[+]/[+]/g').*pinned"
like "... its own" "$(grep 'message 3' e)" "proves our key $(echo "$own" | sed 's/[+]/[+]/g')"
like "... and what an onlooker sees" "$(grep 'message 1' e)" 'onlooker sees SMTP361'
like "the server shows the key that the client proved" "$(grep 'message 3' log)" "proves the key $(echo "$own" | sed 's/[+]/[+]/g')"
hash=$(grep -o 'handshake hash [0-9a-f]*' e)
is "both show the same hash of the handshake" "$(grep -o 'handshake hash [0-9a-f]*' log)" "$hash"
verbose inbox --enhanced
ok "... another one in each session" test "$(grep -o 'handshake hash [0-9a-f]*' e)" != "$hash"
# sizes: what the two sides call the onlooker's is what went over the wire
verbose send --enhanced --to client4 --title v zebra
$PYTHON - >o 2>&1 <<'END'
import re
def records(path, arrow):
    return [(int(n), kind, int(size), int(seen)) for n, kind, size, seen in re.findall(
        arrow + r" record (\d+): (?:([^,\n]*), )?(\d+) bytes[a-z ]*; an onlooker sees (\d+)",
        open(path).read())]
for c, s in ((">", "<"), ("<", ">")):
    assert records("e", c) == records("log", s), (c, records("e", c), records("log", s))
    assert [r[0] for r in records("e", c)] == list(range(len(records("e", c)))), records("e", c)
total = dict(re.findall(r" (in|out)=(\d+)", open("log").read()))
assert int(total["in"]) == 58 + 322 + sum(r[3] for r in records("e", ">")), (total, records("e", ">"))
assert int(total["out"]) == 50 + sum(r[3] for r in records("e", "<")), (total, records("e", "<"))
print("ok")
END
is "the records of both sides agree, none is left out, and their sizes add up to what went over the wire" "$(tail -n 1 o)" ok
silent=''
: >all
for a in 'send --to client4 --title t' 'inbox' 'read --last' 'read --last --json' 'inbox --wait --after 0' 'delete --last'; do
	for wire in --enhanced --classic; do
		case $a in send*) f=zebra ;; *) f= ;; esac
		case "$a$wire" in delete*classic | *after*classic) continue ;; esac
		# shellcheck disable=SC2086
		verbose $a $wire $f
		is "$a $wire -v works" "$RC" 0
		cat e log >>all
		like "... and the client tells what an onlooker sees" "$(cat e)" 'onlooker sees'
		grep -q 'onlooker sees' log || silent="$silent$a $wire; "
	done
done
RC=0
printf '1\nclient4\nt\nN\nthe zebra again\n2\n3\n1\n4\n' |
	timeout 20 "$SMTP361" client --enhanced -v -u client4 -k . --password-file pw4 >o 2>e || RC=$?
is "client --enhanced -v works" "$RC" 0
is "serve -v tells it, too, for either wire" "$silent" ""
cat e >>all
echo wrongzebra >wrong
timeout 20 "$SMTP361" inbox --enhanced -v -u client4 -k . --password-file wrong >o 2>>all
timeout 20 "$SMTP361" inbox --classic -v -u client4 -k . --password-file wrong >o 2>>all
cat err >>all
line=$(timeout 20 "$SMTP361" user invite joiner -s "$SMTP361_SERVER" 2>/dev/null)
echo "$line" | cut -d/ -f5 >>secrets
mkdir joined
echo "$line" | HOME=$PWD/joined timeout 20 "$SMTP361" join -v >o 2>>all
grep -v '^-' joined/.config/smtp361/joiner_x25519_private.pem >>secrets
cat err out >>all
is "join -v works" "$(cat o | sed -n 's/ at .*//p')" "You are joiner"
# a founding line of the server shows no content, and no secret stands in a trace
while read -r s; do
	grep -F -q -e "$s" all && echo "found: $s"
done <secrets >o
is "no password, content, invitation or private key is in any of it" "$(cat o)" ""
ok "... which is long enough to judge" test "$(wc -l <all)" -gt 100
ok "... and each secret is one" test "$(wc -l <secrets)" -ge 20 -a "$(awk 'length < 5' secrets | wc -l)" = 0
is "what -v tells of a peer's names holds no control byte" "$(grep -acP '[\x00-\x08\x0b-\x1f\x7f]' all)" 0

# --- at a terminal ---

SOCKET='' typings=0
if command -v tmux >/dev/null; then
	trap 'tmux -L "$SOCKET" kill-server 2>/dev/null; cleanup' EXIT
	# typed COMMAND TEXT: what is on the screen of a terminal where it runs, and TEXT is typed at its prompt
	typed() {
		typings=$((typings + 1))
		SOCKET=smtp361-t-$$-$typings # the server of the one before may still be going
		printf '#!/bin/sh\necho from the editor >"$1"\n' >editor && chmod 755 editor
		tmux -L "$SOCKET" -f /dev/null new-session -d -x 150 -y 40 \
			"export EDITOR='$PWD/editor'; $1; echo rc \$?; sleep 60"
		prompted() { tmux -L "$SOCKET" capture-pane -p | grep -qE 'password: *$|^rc '; }
		wait_for 30 prompted
		tmux -L "$SOCKET" send-keys -l "$2"
		tmux -L "$SOCKET" send-keys Enter
		done_there() { tmux -L "$SOCKET" capture-pane -p | grep -q '^rc '; }
		wait_for 30 done_there
		tmux -L "$SOCKET" capture-pane -p | grep -v '^$'
		tmux -L "$SOCKET" kill-server
	}
	P="'$SMTP361' --enhanced"
	typed "$P send -u client5 -k . --to client5 --title edited" password5 >screen
	is "where the account asks for a password, so does send; content comes from the editor" \
		"$(tr '\n' '|' <screen)" "Enter your password:|rc 0|"
	is "... it is sent" "$(e 5 read --last --content --password-file pw5)" "from the editor"
	typed "$P inbox -u client5 -k ." password5 >screen
	like "inbox shows a table" "$(tr '\n' '|' <screen)" \
		'^Enter your password:\|Index .*From .*Title\|1 .*client5 .*edited\|rc 0\|$'
	typed "$P inbox -u client5 -k ." wrong >screen
	is "a wrong password is refused, and nothing is listed" "$(tr '\n' '|' <screen)" \
		"Enter your password:|smtp361 inbox: the login was refused|rc 77|"
	typed "$P inbox -u client5 -k . --password-file wrong" '' >screen
	is "... nor with one from a file" "$(tr '\n' '|' <screen)" "smtp361 inbox: the login was refused|rc 77|"
	typed "$P inbox -u client5 -k . --json >result.json" password5 >screen
	is "the prompt is seen where the result goes to a file" "$(tr '\n' '|' <screen)" "Enter your password:|rc 0|"
	ok "... which holds nothing else" $PYTHON -m json.tool result.json
else
	skip "where the account asks for a password, so does send" "no tmux"
fi

# --- which protocol, which server, which key ---

ok "--enhanced may stand ahead of the applet" timeout 20 "$SMTP361" --enhanced inbox -u client1 -k .
RC=0
timeout 20 "$SMTP361" --enhanced inbox --classic -u client4 -k . --password-file pw4 >o 2>e || RC=$?
is "--enhanced and --classic do not go together: 64" "$RC" 64
run 1 inbox --pin "$server"
is "--pin with the server's fingerprint" "$RC" 0
run 1 inbox --pin "$own"
like "--pin with another: 76, and both are shown" "$(said)" "^76 .*SHA256:.*SHA256:"
run 1 inbox --pin nonsense
like "--pin with nonsense is refused" "$RC" '^(64|76)$'
mkdir -p xdg/smtp361 elsewhere
cp client1_x25519_private.pem client2_x25519_private.pem server_x25519_public.pem elsewhere/
PW=$PWD
config() { printf '%s\n' "$1" >xdg/smtp361/config.json; }
configured() { # [NAME=VALUE...] COMMAND...
	RC=0
	XDG_CONFIG_HOME=$PWD/xdg timeout 20 env "$@" >o 2>e </dev/null || RC=$?
}
base="\"server\": \"$SMTP361_SERVER\", \"user\": \"client1\", \"keys\": \"$PW/elsewhere\""
config "{$base, \"enhanced\": true}"
configured -u SMTP361_SERVER "$SMTP361" inbox --ids
is "the configuration can choose the enhanced protocol" "$RC" 0
configured -u SMTP361_SERVER "$SMTP361" inbox --classic --password-file pw1
like "--classic goes before it: there is no RSA key in that folder, 66" "$RC" 66
configured SMTP361_USER=client2 "$SMTP361" inbox --json
is "the environment's user goes before the configuration's" "$RC $(grep -c '"K"' o)" "0 0"
configured SMTP361_USER=client2 "$SMTP361" inbox -u client1 --json
is "an option before both" "$RC $(grep -c '"K"' o)" "0 1"
configured SMTP361_SERVER=127.0.0.1:1 "$SMTP361" inbox
is "the environment's server goes before the configuration's" "$RC" 69
config "{$base, \"enhanced\": true, \"pin\": \"$own\"}"
configured "$SMTP361" inbox
is "the configuration can pin: 76" "$RC" 76
configured "$SMTP361" inbox --pin "$server"
is "--pin goes before it" "$RC" 0
for wrong in '"yes"' 1 null; do
	config "{$base, \"enhanced\": $wrong}"
	configured "$SMTP361" inbox
	is "\"enhanced\": $wrong is a wrong configuration: 78" "$RC" 78
done
config "{$base, \"enhanced\": true, \"pin\": 5}"
configured "$SMTP361" inbox
is "\"pin\": 5, too" "$RC" 78
config "{$base, \"enhanced\": false}"
configured "$SMTP361" --enhanced inbox
is "--enhanced goes before \"enhanced\": false" "$RC" 0
stop_server

# a server of the classic protocol alone, behind a proxy that keeps what the client sent
mkdir classic
cp server_private.pem client4_public.pem client4_x25519_public.pem classic/
echo '{"client4": "password4"}' >classic/user_pass.json
chmod 600 classic/user_pass.json
start_server -d classic || exit 1
cat >tap.py <<'END'
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def end(one):
    try:
        one.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def copy(a, b, kept):
    try:
        while data := a.recv(65536):
            if kept:
                kept.write(data)
                kept.flush()
            b.sendall(data)
    except OSError:
        pass
    end(b)
with open("tapped", "wb") as kept:
    while True:
        client, _ = listener.accept()
        if sys.argv[1] == "0": # a server that reads, and closes without a word
            kept.write(client.recv(65536))
            kept.flush()
            client.close()
            continue
        server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        threading.Thread(target=copy, args=(client, server, kept), daemon=True).start()
        copy(server, client, None)
        client.close()
END
tap() { # PORT: TAP is the address
	: >tap.port
	$PYTHON tap.py "$1" >tap.port 2>tap.err &
	PIDS="$PIDS $!"
	wait_for 10 test -s tap.port
	TAP="127.0.0.1:$(cat tap.port)"
}
tap "$PORT"
timeout 20 "$SMTP361" inbox --classic -s "$TAP" -u client4 --password-file pw4 >o 2>e
ok "a classic login through the tap sends its RSA block, so that what follows can fail" test "$(head -c 256 tapped | wc -c)" = 256
for server in "$PORT" 0; do
	for a in inbox 'send --to client4 --title t hello.txt' 'read --last' 'delete 1' client; do
		tap "$server"
		RC=0
		# shellcheck disable=SC2086
		timeout 20 "$SMTP361" $a --enhanced -s "$TAP" -u client4 -k . --password-file pw4 >o 2>e </dev/null || RC=$?
		like "$a --enhanced at a server that does not speak it: 75 or 76" "$RC" '^7[56]$'
		is "... sent the opening and message 1, and no login of the other kind" \
			"$(wc -c <tapped) $(head -c 8 tapped | od -An -tx1 | tr -d ' \n')" "58 534d545033363102"
	done
done
config "{\"server\": \"$TAP\", \"user\": \"client4\", \"keys\": \"$PW\", \"password_file\": \"$PW/pw4\", \"enhanced\": true}"
tap "$PORT"
configured "SMTP361_SERVER=$TAP" "$SMTP361" inbox
like "nor does it fall back when the configuration has chosen" "$RC $(wc -c <tapped)" '^7[56] 58$'
stop_server

done_testing
