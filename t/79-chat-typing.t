#!/bin/sh
# The line that is typed in a chat on a terminal: how it is edited, drawn and obeyed. tmux is the terminal.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/chat.sh"
. "$(dirname "$0")/chat-tmux.sh"
house 3
start_server -d "$HOUSE/srv" || exit 1
u 2 --status >/dev/null 2>&1
u 1 --status >/dev/null 2>&1
open a 1 client2
bottom_is "(a terminal)" a '>'

# --- what is no message ---

key a Enter
type a '   '
key a Tab
cursor_is "(blanks are typed)" a 6
key a Enter
cursor_is "a line of blanks is taken away" a 2
type a 'said'
key a Enter
sees "(and something)" a "client1: said"
is "a line of blanks is no message, as an empty one is none" "$(history 1 2 5 | tr '\n' ';')" "said;"

# --- what a command needs ---

# obeyed LINE: what is said of it
obeyed() {
	type a "$1"
	key a Enter
	bottom_is "(\"$1\" is obeyed)" a '>'
}
obeyed /picture
sees "/picture by itself lacks FILE, which is said" a "* /picture: FILE is missing"
obeyed '/file  '
sees "... and /file" a "* /file: FILE is missing"
obeyed /save
sees "/save by itself lacks the number" a "* /save: N is missing"
is "... and none of them is unknown" "$(screen a | grep -c 'no such command')" 0
obeyed /pictures
sees "what is no command is told" a "* no such command: /help tells which there are"

# --- keys ---

type a 'ac'
key a Left
type a 'b'
bottom_is "Left, and what is typed stands in the middle" a '> abc'
cursor_is "... ahead of the cursor" a 4
key a Home
type a 'X'
bottom_is "Home goes to the beginning" a '> Xabc'
key a End
type a 'd漢'
key a BSpace
bottom_is "End to the end" a '> Xabcd'
key a C-a
key a DC
key a Right
key a BSpace
bottom_is "Delete and Backspace take what is behind the cursor, and ahead of it" a '> bcd'
type a '漢é'
bottom_is "wide characters go between" a '> 漢ébcd'
cursor_is "... and the cursor is behind them" a 5
key a C-k
bottom_is "Ctrl-K takes what is behind the cursor" a '> 漢é'
key a Left
key a C-u
bottom_is "Ctrl-U what is ahead of it" a '> é'
key a Left
type a 'to be '
key a C-w
bottom_is "Ctrl-W a word ahead of it" a '> to é'
u 2 --send client1 'something comes' >/dev/null 2>&1
sees "(something comes)" a "client2: something comes"
cursor_is "... and the cursor is where it was" a 5
key a Left
key a Enter
sees "Enter sends all of it" a "client1: to é"
long=$(seq -s - 1 60)
type a "$long"
bottom_is "(a line that is longer than the terminal)" a "> $(printf %s "$long" | tail -c 57)"
key a Home
bottom_is "its beginning is seen when the cursor is there" a "> $(printf %s "$long" | head -c 57)"
cursor_is "... and the cursor" a 2
key a End
bottom_is "... and its end again" a "> $(printf %s "$long" | tail -c 57)"
key a C-u
type a /help
key a Enter
sees "/help tells the keys" a "keys: Left, Right, Home, End, Delete; Ctrl-U"

# --- another width ---

# rows: that are not empty, as they stand; the last ones
rows() { t capture-pane -p -t a | sed 's/ *$//' | grep -v '^$' | tail -n "$1"; }
rows_are() { [ "$(rows "$2")" = "$1" ]; }
# resized COLUMNS N ROWS...: to so many; these are the last N then
resized() { # TITLE COLUMNS ROWS
	t resize-window -t a -x "$2" -y 24
	if wait_for 3 rows_are "$3" "$(printf '%s\n' "$3" | wc -l)"; then
		report 0 "$1"
	else
		is "$1" "$(rows "$(printf '%s\n' "$3" | wc -l)")" "$3"
	fi
}
type a x
key a Enter
sees "(something is said)" a "client1: x"
bottom_is "(and the prompt is there again)" a '>'
above=$(rows 2 | head -n 1)
type a 1234567890123456789012345678901234
bottom_is "(a line is typed)" a '> 1234567890123456789012345678901234'
resized "a line that a narrower terminal has wrapped is one again" 30 "$above
> 890123456789012345678901234"
resized "... and it is whole again where there is room" 60 "$above
> 1234567890123456789012345678901234"
resized "... also where it was wrapped twice" 17 "$above
> 12345678901234"
resized "(and wide)" 60 "$above
> 1234567890123456789012345678901234"
resized "... and as wide as the terminal" 36 "$above
> 234567890123456789012345678901234"
t resize-window -t a -x 60 -y 24
key a C-u
type a '漢字漢字漢字漢字漢字漢字'
bottom_is "(wide characters are typed)" a '> 漢字漢字漢字漢字漢字漢字'
key a Left
cursor_is "(the cursor is in it)" a 24
resized "... and so is one of wide characters" 17 "$above
> 字漢字漢字漢字"
cursor_is "... with the cursor where it was" a 14
key a C-u
key a C-k
t resize-window -t a -x 60 -y 24

# --- what is told ---

u 3 --send client1 'one' >/dev/null 2>&1
sees "that another one has written is told" a "* client3 has written: /quit, then smtp361 chat client3"
u 3 --send client1 'two' >/dev/null 2>&1
u 2 --send client1 'behind two' >/dev/null 2>&1
sees "(all of it has come)" a "client2: behind two"
is "... once" "$(screen a | grep -c 'client3 has written')" 1
is "... and nothing is lost" "$(history 1 3 5 | tr '\n' ';')" "one;two;"

u 2 --wait --timeout 1 >/dev/null 2>&1
open b 2 client1
bottom_is "(the other one is there)" b '>'
type a '漢字, and more than fits one line of it'
key a Enter
sees "of what is delivered the beginning is told" a "* delivered: 漢字, and more than fits..."
is "... which is no wider than 40 columns" "$(screen a | grep -c '^\* delivered: 漢字, and more than fits\.\.\.$')" 1
type a 'short'
key a Enter
sees "... or all of it" a "* delivered: short"
cp "$HOUSE/run-a" picture.png
type a '/picture picture.png'
key a Enter
sees "... or the name of a file" a "* delivered: picture.png"
child=$(pgrep -P "$(t display-message -p -t b '#{pane_pid}')" | head -n 1)
kill -STOP "$child"
type a 'first'
key a Enter
sees "(one is sent)" a "client1: first"
type a 'second'
key a Enter
sees "(and another)" a "client1: second"
kill -CONT "$child"
sees "what is delivered together is told by the last of it" a "* delivered up to: second"

open a2 1 client2
bottom_is "(the first one has a second terminal)" a2 '>'
type a 'from the first'
key a Enter
sees "a receipt is told in one of them" a "* delivered: from the first"
sees "... and in the other" a2 "* delivered: from the first"
type a2 'from the second'
key a2 Enter
sees "... whichever sent it" a "* delivered: from the second"
sees "... and took it" a2 "* delivered: from the second"
is "... and once in each" "$(screen a | grep -c 'delivered: from the') $(screen a2 | grep -c 'delivered: from the')" "2 2"

done_testing
