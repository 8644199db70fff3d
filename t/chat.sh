# What the tests of chat share, beside lib.sh, after which it is sourced:
#
#     house 3                    # client1 ... client3, each with a folder of keys; a server's folder; and cd to a desk
#     start_server -d "$HOUSE/srv" || exit 1
#     run u 1 --send client2 hi  # chat as client1
#     is "it comes" "$(told 2)" "0 hi; "
#
# HOUSE has k1, k2 ..., srv and desk; CHAT is what the server keeps.

# house N: so many users. Nobody is there to be asked: stdin is empty.
house() {
	site
	HOUSE=$PWD CHAT=$PWD/srv/.chat
	mkdir srv desk && cp server_*.pem client?_x25519_public.pem srv/ || exit 1
	for i in $(seq "$1"); do
		keys "$i" || exit 1
	done
	# shellcheck disable=SC2046 # words
	accounts $(seq -f 'client%g' "$1")
	cd desk || exit 1
	exec </dev/null
}

# keys N: the folder of keys of clientN
keys() {
	mkdir -m 700 "$HOUSE/k$1" &&
		cp "$HOUSE/client$1"_x25519_*.pem "$HOUSE/server_x25519_public.pem" "$HOUSE/k$1/"
}

# accounts NAMES...: these and no others
accounts() {
	printf ', "%s": {"mode": "enhanced"}' "$@" | sed 's/^, /{/; s/$/}/' >"$HOUSE/srv/user_pass.json"
	chmod 600 "$HOUSE/srv/user_pass.json"
}

# u N OPTIONS...: chat as clientN. In the background $! is a shell's.
u() {
	user=$1
	shift
	timeout 120 "$SMTP361" chat -u "client$user" -k "$HOUSE/k$user" "$@"
}

# came: of the last run: its code, the texts that came, and its words
came() { echo "$RC $(cut -f 5 o | tr '\n' ';') $(sed 's/^smtp361 chat: //' e | tr '\n' ';')"; }

# told N: the same of waiting for what comes
told() {
	run u "$1" --wait --timeout 20
	came
}

# say TEXT...: from the first one to the second
say() { for text; do u 1 --send client2 "$text" >/dev/null || why "cannot send $text"; done; }

# waiting: the packets for the second one, in order
waiting() { find "$CHAT/client2/waiting" -type f ! -name '.*' | sort; }

# history N WITH FIELDS [OPTIONS]: clientN's with client WITH
history() {
	user=$1 with=$2 fields=$3
	shift 3
	u "$user" --history "client$with" "$@" 2>/dev/null | cut -f "$fields"
}

# is_here N TO: clientN is here, as client TO is told
is_here() { u "$2" --status 2>/dev/null | grep -q "^client$1	.*	here\$"; }

# The second one's one-time keys for the first: those that stand with the server, and the private halves (or WHOM's).
held() { u 2 --status 2>/dev/null | sed -n 's/^client1	[a-z]*	\([0-9]*\)	.*/\1/p'; }
halves() { find "$HOUSE/k2/client2_chat/${1:-client1}.onetime" -type f -name '[0-9]*' | wc -l; }
