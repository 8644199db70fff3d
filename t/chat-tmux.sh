# What the tests of chat on a terminal share, beside lib.sh and chat.sh, after which it is sourced: tmux is the
# terminal.
#
#     open a 1 client2           # client1 chats with client2, in the terminal a
#     type a 'good morning'      # and what is typed stands at the bottom
#     bottom_is "what is typed stands there" a '> good morning'
#     key a Enter
#     sees "it is delivered" a "* delivered"
command -v tmux >/dev/null || skip_all "tmux is not installed: nothing of chat on a terminal was tested"
TMUX_SOCKET=$HOME_DIR/tmux
unset TMUX
t() { tmux -S "$TMUX_SOCKET" -f /dev/null "$@"; }
trap 't kill-server 2>/dev/null; cleanup' EXIT

# open NAME NUMBER OPTIONS...: a terminal in which this user chats; behind it a shell tells the exit code
# and how the terminal stands
open() {
	name=$1 n=$2
	shift 2
	cat >"$HOUSE/run-$name" <<END
trap : INT
"$SMTP361" chat -u client$n -k "$HOUSE/k$n" $*
echo "EXIT \$?"
stty -a | grep -qw -e -echo -e -icanon || echo AS-BEFORE
exec cat
END
	t new-session -d -s "$name" -x 60 -y 24 "sh '$HOUSE/run-$name'"
}
# lines that the terminal has wrapped are one
screen() { t capture-pane -J -p -t "$1"; }
# sees NAME TEXT: soon
seen() { screen "$1" | grep -Fq -- "$2"; }
sees() { # TITLE NAME TEXT
	if wait_for 20 seen "$2" "$3"; then
		report 0 "$1"
	else
		report 1 "$1"
		why "want: $3"
		why "$(screen "$2")"
	fi
}
type() { t send-keys -t "$1" -l -- "$2"; }
key() { t send-keys -t "$1" "$2"; }
# bottom NAME: the line that is being typed
bottom() { screen "$1" | sed 's/ *$//' | grep -v '^$' | tail -n 1; }
at_bottom() { [ "$(bottom "$1")" = "$2" ]; }
bottom_is() { # TITLE NAME LINE
	if wait_for 20 at_bottom "$2" "$3"; then
		report 0 "$1"
	else
		is "$1" "$(bottom "$2")" "$3"
	fi
}
# at NAME COLUMN: that is where the cursor stands, counted from 0
at() { [ "$(t display-message -p -t "$1" '#{cursor_x}')" = "$2" ]; }
# ... soon: every 20 seconds the line is drawn in any case
cursor_is() { # TITLE NAME COLUMN
	if wait_for 3 at "$2" "$3"; then
		report 0 "$1"
	else
		is "$1" "$(t display-message -p -t "$2" '#{cursor_x}')" "$3"
	fi
}
