#!/bin/sh
# The founding transcripts, byte for byte: what the interactive client shows, what the server prints,
# what the list and an e-mail look like.
. "$(dirname "$0")/lib.sh"
export TZ=UTC
site
smtp361 keygen client10 >/dev/null 2>&1
start_server || exit 1
address=$SMTP361_SERVER
unset SMTP361_SERVER

menu='Select the operation:
    1) Create and send an email
    2) Display the inbox list
    3) Display the email contents
    4) Terminate the connection
choice: '
time='20[0-9][0-9]-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{6}'

# talk NAME USER PASSWORD ANSWER...: a whole session with its answers on stdin; NAME.out, NAME.err, and
# the exit code in NAME.rc
talk() {
	name=$1 who=$2 secret=$3
	shift 3
	printf '%s\n' "$address" "$who" "$secret" "$@" >"$name.in"
	talk_rc=0
	smtp361 client <"$name.in" >"$name.out" 2>"$name.err" || talk_rc=$?
	echo "$talk_rc" >"$name.rc"
}
ask='Enter the server IP or name: Enter your username: Enter your password: '

# --- the five founding sessions ---

talk ten client10 password10
printf '%sInvalid username or password.\nTerminating.\n' "$ask" >want
ok "client10 sees the founding refusal, byte for byte" cmp ten.out want
is "a refused login exits with 77" "$(cat ten.rc)" 77

talk one client1 password1 1 'client2;client4;client5' Test N 'Welcome to CMPT 361 class.' 4
{
	printf '%s%s' "$ask" "$menu"
	printf 'Enter destinations (separated by ;): Enter title: '
	printf 'Would you like to load contents from a file?(Y/N) Enter message contents: '
	printf 'The message is sent to the server.\n%s' "$menu"
	printf 'The connection is terminated with the server.\n'
} >want
ok "client1's session is the founding one, byte for byte" cmp one.out want
is "it exits with 0" "$(cat one.rc)" 0
is "nothing goes to stderr" "$(cat one.err)" ""

awk 'BEGIN {
	text = "the quick brown fox jumps over the lazy dog "
	for (i = 1; i <= 221070; i++)
		printf "%s", i % 73 == 0 ? "\n" : substr(text, i % 44 + 1, 1)
}' >big.txt
is "the file has 221,070 characters" "$(($(wc -c <big.txt)))" 221070
talk two client2 password2 1 'client1;client5' Test2 Y big.txt 4
{
	printf '%s%s' "$ask" "$menu"
	printf 'Enter destinations (separated by ;): Enter title: '
	printf 'Would you like to load contents from a file?(Y/N) Enter filename: '
	printf 'The message is sent to the server.\n%s' "$menu"
	printf 'The connection is terminated with the server.\n'
} >want
ok "client2's session with a file is the founding one, byte for byte" cmp two.out want

talk five client5 password5 2 3 1 3 2 4
sed -E "s/$time/TIME/" five.out >five.shown
{
	printf '%s%s' "$ask" "$menu"
	printf 'Index  From      DateTime                      Title\n'
	printf '1      client1    TIME  Test\n2      client2    TIME  Test2\n'
	printf '%sEnter the email index you wish to view: ' "$menu"
	printf 'From: client1\nTo: client2;client4;client5\nTime and Date: TIME\nTitle: Test\n'
	printf 'Content Length: 26\nContent:\nWelcome to CMPT 361 class.\n'
	printf '%sEnter the email index you wish to view: ' "$menu"
	printf 'From: client2\nTo: client1;client5\nTime and Date: TIME\nTitle: Test2\n'
	printf 'Content Length: 221070\nContent:\n'
	cat big.txt
	printf '\n%sThe connection is terminated with the server.\n' "$menu"
} >want
ok "client5 lists and views both, byte for byte" cmp five.shown want

wait_for 5 grep -q "Terminating connection with client5" out
cat >want <<'END'
The server is ready to accept connections
The received client information: client10 is invalid (Connection Terminated).
Connection Accepted and Symmetric Key Generated for client: client1
An email from client1 is sent to client2;client4;client5 has a content length of 26
Terminating connection with client1.
Connection Accepted and Symmetric Key Generated for client: client2
An email from client2 is sent to client1;client5 has a content length of 221070
Terminating connection with client2.
Connection Accepted and Symmetric Key Generated for client: client5
Terminating connection with client5.
END
ok "the server printed the founding lines and nothing else on stdout" cmp out want
four_ended() { [ "$(grep -c ' end peer=' err)" = 4 ]; }
ok "each connection has one line on stderr" wait_for 5 four_ended

wait_settled
for who in client2 client4 client5; do
	{
		printf 'From: client1\nTo: client2;client4;client5\nTime and Date: TIME\nTitle: Test\n'
		printf 'Content Length: 26\nContent:\nWelcome to CMPT 361 class.'
	} >want
	sed -E "s/$time/TIME/" $who/client1_Test.txt >got
	ok "$who's folder holds client1_Test.txt as the document has it" cmp got want
done
three_links() { [ "$(stat -c %h client2/client1_Test.txt)" = 3 ]; }
ok "it is one inode with a link in each mailbox" wait_for 5 three_links # the spool's goes last
ok "the other two mailboxes do not have it" test ! -e client1/client1_Test.txt -a ! -e client3/client1_Test.txt

# --- the document's own list ---

on_disk() { # FROM TITLE TIME CONTENT
	printf 'From: %s\nTo: client3\nTime and Date: %s\nTitle: %s\nContent Length: %d\nContent:\n%s' \
		"$1" "$3" "$2" ${#4} "$4" >"client3/$1_$2.txt"
}
on_disk client1 Test '2022-07-21 19:29:42.118132' 'Welcome to CMPT 361 class.'
on_disk client2 Test2 '2022-07-21 19:29:35.768508' 'second'
talk three client3 password3 2 3 2 4
{
	printf '%s%s' "$ask" "$menu"
	cat <<'END'
Index  From      DateTime                      Title
1      client2    2022-07-21 19:29:35.768508  Test2
2      client1    2022-07-21 19:29:42.118132  Test
END
	printf '%sEnter the email index you wish to view: ' "$menu"
	cat client3/client1_Test.txt
	printf '\n%sThe connection is terminated with the server.\n' "$menu"
} >want
ok "the document's two messages give the document's list, sorted by time" cmp three.out want
rm client3/*.txt
talk empty client3 password3 2 4
{
	printf '%s%s' "$ask" "$menu"
	printf 'Index  From      DateTime                      Title\n'
	printf '%sThe connection is terminated with the server.\n' "$menu"
} >want
ok "an empty inbox is the heading alone" cmp empty.out want

# --- slips ---

# after NAME: what was shown between the first menu and the second
after() { tr '\n' '\034' <"$1.out" | sed 's/choice: /\n/g' | sed -n 2p | tr '\034' '\n'; }
menus() { grep -c 'choice: ' "$1.out"; }

before=$(stored)
talk slip client1 password1 1 client2 T Y nowhere.txt 4
like "a file that is not there is named" "$(after slip)" 'cannot open nowhere.txt: No such file'
is "and the menu comes back" "$(menus slip)" 2
is "and the session ends as it should" "$(cat slip.rc)" 0
talk slip client1 password1 1 client2 T Y client2 4
like "a folder is no content" "$(after slip)" 'it is a folder'
long=$(printf '%0101d' 0)
talk slip client1 password1 1 client2 "$long" 4
like "a title of 101 characters is told at once" "$(after slip)" 'the title has 101 characters, more than 100'
is "and the menu comes back after it" "$(menus slip)" 2
talk slip client1 password1 1 client2 "$(printf 'bad\377')" 4
like "a title that is not UTF-8 is told" "$(after slip)" 'the title is not valid UTF-8'
talk slip client1 password1 1 client99 T N text 4
like "an unknown recipient is named ahead of the menu" "$(cat slip.out)" 'The message was rejected: no such user: client99'
is "nothing says that it was sent" "$(grep -c 'is sent to the server' slip.out)" 0
is "after a rejection the session goes on" "$(tail -n 1 slip.out)" 'choice: The connection is terminated with the server.'
talk slip client1 password1 3 1 4
like "viewing before listing says so" "$(after slip)" 'display the inbox list first'
talk slip client1 password1 2 3 99 3 x 4
is "an index that is not in the list says so, each time" "$(grep -c 'no email with this index' slip.out)" 2
is "no slip stored anything" "$(stored)" "$before"
talk slip client1 password1 9
like "any other choice ends the session" "$(tail -n 1 slip.out)" 'The connection is terminated with the server.$'
talk slip client1 password1
is "the end of the input at the menu ends the session in order" "$(cat slip.rc)" 0
talk slip client1 password1 1 client2
is "the end of the input inside a letter sends nothing" "$(stored)" "$before"
is "and says so: 66" "$(cat slip.rc)" 66
talk slip client1 wrong
is "a wrong password exits with 77" "$(cat slip.rc)" 77
awk 'BEGIN { for (i = 0; i < 100; i++) printf "\303\251" }' >title
talk limit client1 password1 1 client3 "$(cat title)" N 'at the limit' 4
ok "a title of 100 two-byte characters is taken" grep -q 'is sent to the server' limit.out

# --- on a terminal ---

if command -v tmux >/dev/null; then
	export TMUX_TMPDIR="$HOME_DIR"
	unset TMUX 2>/dev/null || :
	# the screen, its trailing blanks and empty lines taken off
	screen() { tmux capture-pane -p -t t 2>/dev/null | sed 's/ *$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; }
	shows() { screen | tail -n 1 | grep -Eq -- "$1"; }
	# type PROMPT TEXT: as soon as the last line is this prompt and nothing more
	type_at() {
		wait_for 10 shows "^$1\$" || diag "no prompt \"$1\" on the screen: $(screen)"
		tmux send-keys -t t -l -- "$2"
		tmux send-keys -t t Enter
	}
	trap 'tmux kill-server 2>/dev/null; cleanup' EXIT
	tmux -f /dev/null new-session -d -s t -x 100 -y 60 "$SMTP361 client; sleep 600" || diag "tmux does not start"
	type_at 'Enter the server IP or name:' "$address"
	type_at 'Enter your username:' client1
	type_at 'Enter your password:' password1
	type_at 'choice:' 1
	type_at 'Enter destinations \(separated by ;\):' 'client2;client4;client5'
	type_at 'Enter title:' Screen
	type_at 'Would you like to load contents from a file\?\(Y/N\)' N
	type_at 'Enter message contents:' 'Welcome to CMPT 361 class.'
	type_at 'choice:' 4
	wait_for 10 shows 'terminated with the server'
	trimmed=$(echo "$menu" | sed 's/ *$//')
	is "on a terminal the screen is the document, and the password is not on it" "$(screen)" "Enter the server IP or name: $address
Enter your username: client1
Enter your password:
$trimmed 1
Enter destinations (separated by ;): client2;client4;client5
Enter title: Screen
Would you like to load contents from a file?(Y/N) N
Enter message contents: Welcome to CMPT 361 class.
The message is sent to the server.
$trimmed 4
The connection is terminated with the server."

	# what was sent may hold what moves the cursor
	printf 'red \033[31m\033[2J bell \007 end' >esc.txt
	ok "a message with escapes is taken" as client1 send -s "$address" -t client4 --title "$(printf 'title \033[2J')" esc.txt
	tmux respawn-window -k -t t "$SMTP361 client -s $address -u client4; sleep 600"
	tmux clear-history -t t
	type_at 'Enter your password:' password4
	type_at 'choice:' 2
	on_screen() { screen | grep -Eq -- "$1"; }
	wait_for 10 on_screen '^[0-9]+ .*title'
	row=$(screen | grep -E '^[0-9]+ .*title' | sed 's/ .*//')
	ok "no escape of a title reaches the terminal: its row is there" test -n "$row"
	type_at 'choice:' 3
	type_at 'Enter the email index you wish to view:' "$row"
	wait_for 10 on_screen 'bell .* end'
	like "no escape of a content reaches the terminal: it is shown" "$(screen)" 'red .*\[31m.*\[2J bell .* end'
	like "and what stood above it is still there" "$(screen)" 'Enter your password:'
else
	skip "on a terminal the screen is the document" "no tmux"
fi

ok "the server stops cleanly" stop_server
done_testing
