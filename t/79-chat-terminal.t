#!/bin/sh
# Chat on a terminal, both at once: what a person sees. tmux is the terminal.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/chat.sh"
. "$(dirname "$0")/chat-tmux.sh"
house 2
LISTEN=127.0.0.1:$(free_ports 1) # it comes again where it was
start_server -d "$HOUSE/srv" || exit 1

u 2 --status >/dev/null 2>&1
u 1 --status >/dev/null 2>&1
open a 1 client2
sees "a person is told with whom he talks" a "* chat with client2, not verified yet; /help tells more"
open b 2 client1
sees "... and who is here" b "* client1 is here"
type a 'good morning, ünïcödé 漢字'
bottom_is "what is typed stands there" a '> good morning, ünïcödé 漢字'
type b 'half a li'
bottom_is "(the other one types, too)" b '> half a li'
key a Enter
sees "a message appears at the other one" b "client1: good morning, ünïcödé 漢字"
bottom_is "... and the line that is being typed is as it was" b '> half a li'
sees "... and the sender sees his own, with the time" a "client1: good morning, ünïcödé 漢字"
like "... as a person expects it" "$(screen a | grep 'client1: good')" '^[0-2][0-9]:[0-5][0-9] client1: good morning, ünïcödé 漢字 *$'
sees "... and that it is delivered" a "* delivered"
type b 'ne'
key b Enter
sees "the other one's line is whole" a "client2: half a line"
bottom_is "... and his prompt is empty again" b '>'

# what is in memory
SECRET=the-cat-sleeps-on-the-radiator
type a "$SECRET"
key a Enter
sees "(something secret is said)" b "client1: $SECRET"
type b "back $SECRET"
key b C-u
type b 'so what'
key b Enter
sees "(the other one typed it, too, and thought better of it)" a "client2: so what"
bottom_is "(both are done)" a '>'
if is_root && [ -z "$SANITIZED" ]; then
	mkfifo lines
	mkdir cores
	# cored PROGRAM...: in a folder of its own, where a core may be as large as it likes
	cored() { cd cores && exec prlimit --core=unlimited "$@"; }
	(cored "$SMTP361" chat -u client2 -k "$HOUSE/k2" client1) <lines >piped.out 2>&1 &
	PIDS="$PIDS $!" piped=$!
	exec 4>lines
	echo "piped $SECRET" >&4
	sees "(a pipe says it, too)" a "client2: piped $SECRET"
	type a 'and so'
	key a Enter
	sees "(and more is said)" a "client1: and so"
	# image PID...: what a core of these would hold
	image() { echo "$@" | xargs /usr/bin/python3 -B "$ROOT/t/peer/image.py" "$SECRET"; }
	chats=$(pgrep -P "$(t display-message -p -t a '#{pane_pid}'),$(t display-message -p -t b '#{pane_pid}')")
	sessions=$(pgrep -P "$SERVER_PID")
	is "(two chats, and a session for each and for the pipe)" "$(echo "$chats" "$sessions" | wc -w)" 5
	ok "(the memory of a terminal holds what was said)" test -n "$(image "$(t display-message -p '#{pid}')")"
	is "what was said is not in the memory of who said it, or heard it" "$(image "$chats" "$piped")" ""
	is "... and never in the server's" "$(image "$SERVER_PID" "$sessions")" ""
	(cored sh -c 'kill -ABRT $$') &
	wait $! 2>/dev/null
	if [ -n "$(ls cores)" ]; then
		rm cores/*
		kill -ABRT "$piped"
		wait "$piped" 2>/dev/null
		is "who is aborted leaves no core" "$? $(ls cores)" "134 "
	else
		skip "who is aborted leaves no core" "this system writes none beside a program"
		kill "$piped"
	fi
	exec 4>&-
else
	skip "who is aborted leaves no core" "needs root, and no sanitizer"
	skip "what was said is not in the memory of who said it, or heard it" "needs root, and no sanitizer"
	skip "... and never in the server's" "needs root, and no sanitizer"
fi

# editing
type a 'abcé漢'
key a BSpace
bottom_is "backspace takes a wide character" a '> abcé'
key a BSpace
bottom_is "... and an accented one" a '> abc'
type a ' two words'
key a C-w
bottom_is "Ctrl-W takes a word" a '> abc two'
key a Up
key a F5
bottom_is "keys that mean nothing here leave nothing" a '> abc two'
key a C-d
bottom_is "Ctrl-D in a line does nothing" a '> abc two'
key a C-u
bottom_is "Ctrl-U takes all" a '>'
key a Escape
type a 'x'
bottom_is "a key behind Esc counts" a '> x'
key a C-u
long=$(seq -s - 1 60)
type a "$long"
bottom_is "of a line longer than the terminal its end is seen" a "> $(printf %s "$long" | tail -c 57)"
t resize-window -t a -x 40 -y 24
bottom_is "... also when the terminal becomes narrower" a "> $(printf %s "$long" | tail -c 37)"
t resize-window -t a -x 60 -y 24
bottom_is "... and wider again" a "> $(printf %s "$long" | tail -c 57)"
key a Enter
sees "... and all of it comes" b "57-58-59-60"
is "... whole" "$(history 2 1 5 --last 1)" "$long"

# what a peer can do to a terminal
u 1 --send client2 "$(printf 'red \033[31m and up \033[A, a bell \007, turned \342\200\256')" >/dev/null 2>&1
sees "a peer's escape sequences are shown, and do nothing" b 'red \x1b[31m and up \x1b[A, a bell \x07, turned \u{202e}'
u 1 --send client2 "$(printf 'line 1\nline 2')" >/dev/null 2>&1
sees "lines are set in" b "      line 2"

# commands
type a '/nonsense'
key a Enter
sees "what is no command is told" a "* no such command: /help tells which there are"
type a '//slash'
key a Enter
sees "a text that begins with / goes by //" b "client1: /slash"
{ printf '\211PNG\r\n\032\n' && head -c 4992 /dev/urandom; } >"$HOUSE/picture.png"
type a "/picture $HOUSE/picture.png"
key a Enter
sees "a picture comes with name, type and size" b "picture.png (image/png, 5.0 kB)"
number=$(screen b | sed -n 's/.*\[file \([0-9]*\)\] picture.*/\1/p')
type b "/save $number $HOUSE/saved.png"
key b Enter
sees "... and is saved" b "* saved as"
ok "... as it was" cmp "$HOUSE/picture.png" "$HOUSE/saved.png"
type a /verify
key a Enter
type b /verify
key b Enter
sees "/verify tells a code" a "* read this to client2, by voice: "
sees "... on both sides" b "* read this to client1, by voice: "
is "... the same" "$(screen a | sed -n 's/.*by voice: //p')" "$(screen b | sed -n 's/.*by voice: //p')"

# a paste that is too long
seq -s ' ' 1 2500 | t load-buffer -
t paste-buffer -t a
key a Enter
sees "a line that is too long is not sent, and that is told" a "* a line has at most 8192 bytes, and this was not sent"
bottom_is "... and the next one is empty" a '>'

# stopped, continued
type a 'kept while stopped'
pid=$(t display-message -p -t a '#{pane_pid}')
child=$(pgrep -P "$pid" | head -n 1)
kill -STOP "$child"
t send-keys -t a -R
kill -CONT "$child"
bottom_is "continued, the line is drawn again" a '> kept while stopped'

# the server goes and comes
stop_server
sees "a connection that breaks is told" a "* what you type waits until the server is there"
key a C-u
type a 'said into the void'
key a Enter
sees "... and what is typed waits" a "client1: said into the void  (waiting)"
start_server -d "$HOUSE/srv"
sees "... until the server is there again" a "* connected again"
sees "... and then it comes" b "client1: said into the void"

colours() { t capture-pane -e -p -t "$1" | grep -c "$(printf '\033\[')"; }
ok "colour is used" test "$(colours b)" -gt 0

# ends
key b C-d
sees "Ctrl-D ends it with 0" b "EXIT 0"
sees "... and the terminal is as before" b "AS-BEFORE"
type a 'not sent'
key a C-c
sees "Ctrl-C ends it with 130" a "EXIT 130"
sees "... and the terminal is as before" a "AS-BEFORE"
is "... and what was being typed is sent to nobody" "$(history 1 2 5 | grep -c 'not sent')" 0
open c 2 client1
sees "what was said is there the next time" c "client1: said into the void"
child=$(pgrep -P "$(t display-message -p -t c '#{pane_pid}')" | head -n 1)
kill -TERM "$child"
sees "SIGTERM ends it, and the terminal is as before" c "AS-BEFORE"

# what waited before
rm "$CHAT/client2/offers/client1"
u 1 --send client2 'written earlier' >/dev/null 2>&1
is "(a message waits)" "$(history 1 2 4 --last 1)" waiting
open w 1 --allow-no-fs client2
sees "what waits when a terminal is opened goes from it" w "* what waited is sent; 1 of it sealed, not forward secret"
key w C-d
sees "(it ends)" w "EXIT 0"
u 2 --status >/dev/null 2>&1

# one-time keys that the server gives again
offers=$CHAT/client2/offers/client1
cp "$offers" "$HOUSE/offers"
u 1 --send client2 'takes the next one' >/dev/null 2>&1
open x 1 client2
sees "(a terminal)" x "(says the server)"
rm "$offers"
type x 'to wait'
key x Enter
sees "a message waits" x "* no one-time key of client2's is left"
cp "$HOUSE/offers" "$offers"
u 2 --send client1 'come on' >/dev/null 2>&1
sees "(it is looked for what waits)" x "* what waited is sent"
sees "a one-time key that is given again is told then, too" x "* the server gave one-time keys of client2's twice: they"
key x C-d
sees "(it ends)" x "EXIT 0"
u 2 --wait --timeout 20 >/dev/null 2>&1

# -v
is "without -v nothing is told of packets" "$(for at in a b c w; do screen $at; done | grep -c Noise_KK)" 0
open v 1 -v client2
t resize-window -t v -x 150 -y 200
sees "(with -v)" v "* chat with client2"
bottom_is "(its prompt)" v '>'
type v 'half'
u 2 --send client1 'how did it come?' >/dev/null 2>&1
sees "-v tells how a message came" v "from client2: Noise_KK with your one-time key"
sees "... from whom" v "from client2: client2 is X25519 SHA256:"
sees "... and that the key is destroyed" v "is destroyed"
sees "(which is shown)" v "client2: how did it come?"
bottom_is "... above what is being typed" v '> half'
key v Enter
sees "... and how one went" v "to client2: Noise_KK with his one-time key"
u 2 --wait --timeout 20 >/dev/null 2>&1
sees "... and what a receipt says" v "receipt from client2: signature verified: your messages came up to"
bottom_is "... each on a line of its own" v '>'
is "... of this program's" "$(screen v | grep -c '^> .*[a-z]')" 0
key v C-d
sees "(it ends)" v "EXIT 0"

# another process of the same user
open y 2 client1
sees "(a terminal)" y "(says the server)"
child=$(pgrep -P "$(t display-message -p -t y '#{pane_pid}')" | head -n 1)
kill -STOP "$child"
u 1 --send client2 'taken by another' >/dev/null 2>&1
is "(another process takes what comes)" "$(u 2 --wait --timeout 20 2>/dev/null | cut -f 5)" "taken by another"
kill -CONT "$child"
sees "a terminal shows it as well" y "client1: taken by another"
kill -STOP "$child"
u 1 --send client2 'kept, not shown' >/dev/null 2>&1
u 2 --wait --timeout 20 >/dev/full 2>&1
kill -CONT "$child"
sees "... also where the other one could not show it" y "client1: kept, not shown"
u 1 --send client2 'to end with' >/dev/null 2>&1
sees "(all goes on)" y "client1: to end with"
is "... each of them once" "$(screen y | grep -c -e 'taken by' -e 'kept, not' -e 'to end')" 3
key y C-d
sees "(it ends)" y "EXIT 0"

# another command that has the turn for longer than a person waits
open h 1 client2
sees "(a terminal)" h "(says the server)"
if flock -F "$HOUSE/lock-test" true 2>/dev/null; then
	flock -F "$HOUSE/k1/client1_chat/.sending" sleep 600 &
	holder=$! PIDS="$PIDS $!"
	taken() { ! flock -n "$HOUSE/k1/client1_chat/.sending" true; }
	ok "(its turn is another's)" wait_for 20 taken
	type h "$(printf '//typed meanwhile\nand more')"
	sees "what is typed while another command has the turn is not sent, and that is told" h \
		"* it was not sent, and is in your line again"
	bottom_is "... and is in the line again, ahead of what was typed since" h '> //typed meanwhile and more'
	is "... and not in the history" "$(history 1 2 5 | grep -c meanwhile)" 0
	kill "$holder"
	wait "$holder" 2>/dev/null
	key h Enter
	sees "when the turn is free Enter sends it" h "client1: /typed meanwhile and more"
	bottom_is "... and the line is empty" h '>'
	u 2 --wait --timeout 1 >/dev/null 2>&1
	is "... once" "$(history 2 1 5 | grep meanwhile)" "/typed meanwhile and more"
else
	skip "what is typed while another command has the turn is not sent, and that is told" "no flock -F"
fi
key h C-d
sees "(it ends)" h "EXIT 0"

# the menu
open m 1
sees "without a user there is the menu" m "6) Exit"
type m 1
key m Enter
sees "(to whom)" m "To: "
type m client2
key m Enter
type m 'by the menu'
key m Enter
sees "... which sends" m "The message is sent."
t clear-history -t m
t send-keys -t m -R
type m 1
key m Enter
type m client2
key m Enter
type m -
key m Enter
sees "... also a text that is just -" m "The message is sent."
type m 2
key m Enter
type m client2
key m Enter
sees "... and shows the history" m "client1: by the menu"
type m 7
key m Enter
sees "... and knows what it does not know" m "a number from 1 to 6"
type m 5
key m Enter
sees "... asks before it deletes the account, and says what stays" m "until its operator removes them."
type m no
key m Enter
sees "... which it leaves where that is not wanted" m "the account was not deleted"
type m 6
key m Enter
sees "... and ends" m "EXIT 0"
is "what the menu sent has come" "$(u 2 --wait --timeout 20 2>/dev/null | tail -n 2 | cut -f 5 | tr '\n' ' ')" "by the menu - "

# a passphrase that is asked for
keys 3
accounts client1 client2 client3
echo correct >"$HOUSE/passphrase"
u 3 --passphrase-file "$HOUSE/passphrase" --send client1 'kept by a passphrase' >/dev/null 2>&1
u 1 --wait --timeout 1 >/dev/null 2>&1
u 2 --status >/dev/null 2>&1
for typed in mistyped correct; do
	u 1 --send client3 "to a closed history" >/dev/null 2>&1
	u 2 --send client3 "to a new one" >/dev/null 2>&1
	rm -f "$HOUSE"/k3/client3_chat/client2.history*
	open "p$typed" 3 --wait --timeout 20
	sees "(whoever has a closed history is asked for its passphrase)" "p$typed" "Passphrase of the history with client1: "
	type "p$typed" "$typed"
	key "p$typed" Enter
	sees "with a passphrase that is $typed what others have sent is read" "p$typed" "client2: to a new one"
	sees "(it ends)" "p$typed" "EXIT "
	is "... and kept in a history that is opened without one" \
		"$(history 3 2 5 --last 1)" "to a new one"
done
is "... and with the correct one what waited for the closed history is there" \
	"$(history 3 1 5 --passphrase-file "$HOUSE/passphrase" | grep -c 'to a closed history')" 2
open q 3
sees "the menu" q "6) Exit"
type q 2
key q Enter
type q client1
key q Enter
sees "(asks)" q "Passphrase of the history with client1: "
type q mistyped
key q Enter
asked_again() { [ "$(screen q | grep -c 'Your choice: ')" -ge 2 ]; }
ok "(it is the wrong one)" wait_for 20 asked_again
u 3 --delete-history client2 >/dev/null 2>&1
type q 1
key q Enter
type q client2
key q Enter
type q 'the first of a new history'
key q Enter
sees "... sends behind a mistyped passphrase" q "The message is sent."
type q 6
key q Enter
sees "(it ends)" q "EXIT "
is "... and its new history is opened without one" "$(history 3 2 5)" 'the first of a new history'

# what another process begins while the menu waits
u 2 --wait --timeout 20 >/dev/null 2>&1
u 2 --delete-history client3 >/dev/null 2>&1
open mw 2
sees "(the menu)" mw "6) Exit"
type mw 3
key mw Enter
ok "(it waits)" wait_for 20 is_here 2 1
child=$(pgrep -P "$(t display-message -p -t mw '#{pane_pid}')" | head -n 1)
kill -STOP "$child"
u 3 --send client2 'begun meanwhile' >/dev/null 2>&1
is "(another process takes what begins a history)" "$(u 2 --wait --timeout 20 2>/dev/null | cut -f 5)" "begun meanwhile"
kill -CONT "$child"
sees "the menu's wait shows it as well" mw "client3: begun meanwhile"
key mw C-c
sees "(it ends)" mw "EXIT "

# NO_COLOR
export NO_COLOR=1
t set-environment -g NO_COLOR 1
open n 1 client2
sees "with NO_COLOR" n "* chat with client2"
is "... there are no colours" "$(colours n)" 0
key n C-d

done_testing
