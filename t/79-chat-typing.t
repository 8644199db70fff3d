#!/bin/sh
# The line that is typed in a chat on a terminal: how it is edited, drawn and obeyed. tmux is the terminal.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/chat.sh"
. "$(dirname "$0")/chat-tmux.sh"
house 2
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

done_testing
