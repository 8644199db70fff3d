#!/bin/sh
# Who takes sealed mail alone: what nobody whose key is pinned has signed is not shown, whichever door it comes by.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/sealed.sh"
members 3
start_server || exit 1

# as configured, client2
conf() { "$SMTP361" "$@"; }
export XDG_CONFIG_HOME="$PWD/xdg"
# leaks: what of the plain text, or of what nobody signed, is in o
leaks() { grep -oE 'Certainly from client1|PLAIN-BODY|NOBODY-BODY' o | sort -u | tr '\n' ';'; }
configure() { # VALUE: of "require-sealed"
	printf '{"server": "%s", "user": "client2", "keys": "%s/k2", "password_file": "%s/pw2", "enhanced": true, "require-sealed": %s}\n' \
		"$SMTP361_SERVER" "$PWD" "$PWD" "$1" >xdg/smtp361/config.json
}
mkdir -p xdg/smtp361

# 1: sealed by client1, 2: plain in his name, 3: sealed to client2, and signed by nobody, 4: sealed by client3,
# whose key the server alone vouches for at first
echo 'SEALED-BODY' >note
by 1 send --seal --to client2 --title 'Sealed title' note 2>/dev/null
echo 'PLAIN-BODY' | by 1 send --to client2 --title 'Certainly from client1' -
echo 'NOBODY-BODY' >nobody
"$SMTP361" seal -a -r "$("$SMTP361" keygen -d k2 --age client2)" nobody >unsigned
by 1 send --to client2 --title '[sealed]' unsigned
by 3 send --seal --to client2 --title 'From a third' note 2>/dev/null
is "there are four messages" "$(by 2 inbox | wc -l)" 4

# --- read ---

run by 2 read 1 --require-sealed
is "read --require-sealed shows what a pinned key signed" "$RC $(tail -n 1 o)" "0 SEALED-BODY"
for how in '' --content --raw --text --json '--save .' --sealed; do
	# shellcheck disable=SC2086 # an option and its argument
	run by 2 read 2 --require-sealed $how
	is "... and not what is plain, nor its title ($how): 65" "$RC $(leaks)" "65 "
done
run by 2 read 2 --require-sealed
is "... without a word on stdout" "$RC $(cat o)" "65 "
like "... but on stderr, and what to do" "$(cat e)" 'the message is not sealed: it is not shown'
like "... and what to do" "$(cat e)" 'hint: --anyway shows it'
run by 2 read 2 --require-sealed --json
like "... JSON tells the head, and that it is not sealed" "$(tr -d ' \n' <o)" '"sealed":false.*"from":"client1".*"length":11}$'
for how in --signed --signature; do
	run by 2 read 2 --require-sealed $how
	is "... $how: 65" "$RC $(cat o)" "65 "
done
run by 2 read 2 --require-sealed --anyway --content
is "--anyway shows it" "$RC $(cat o)" "0 PLAIN-BODY"
for how in '' --content --raw --text --json '--save .' --signature; do
	# shellcheck disable=SC2086
	run by 2 read 3 --require-sealed $how
	is "what nobody signed is not shown, either ($how): 65" "$RC $(leaks)" "65 "
done
run by 2 read 3 --require-sealed --json
is "... JSON has no title of it" "$RC $(grep -c '"title"\|"content"' o) $(grep -c '"from"' o)" "65 0 1"
run by 2 read 3 --require-sealed
like "... in words" "$(cat e)" 'not signed by a pinned key: it is not shown'
run by 2 read 3 --require-sealed --anyway --content
is "... but with --anyway, as before: 65" "$RC $(cat o)" "65 NOBODY-BODY"
run by 2 read 3
is "... and without the requirement" "$RC $(tail -n 1 o)" "65 NOBODY-BODY"
run by 2 read 3 --require-sealed --sealed
is "... nor its cipher text: 65" "$RC $(cat o)" "65 "
run by 2 read 1 --sealed
cp o stored
run by 2 read 1 --require-sealed --sealed
ok "cipher text of what a pinned key signed is shown as it is stored" cmp o stored
is "... with 0" "$RC $(head -n 1 o)" "0 -----BEGIN AGE ENCRYPTED FILE-----"
run by 2 read --last --require-sealed
like "a key seen for the first time is pinned now: 0, and that is said" "$RC $(tail -n 1 e)" '^0 .*first seen now'
sed -i '/client3/d' k2/known_members
mv client3_p256_public.pem gone
run by 2 read --last --require-sealed
is "... where nobody vouches for it, it is not shown: 65" "$RC $(cat o)" "65 "
mv gone client3_p256_public.pem
run cl 2 read 2 --require-sealed
is "over the classic protocol plain mail is not shown: 65" "$RC $(cat o)" "65 "
run cl 2 read 1 --require-sealed
is "... and sealed mail is" "$RC $(tail -n 1 o)" "0 SEALED-BODY"

# what only begins as if it were sealed
{ echo '-----BEGIN AGE ENCRYPTED FILE-----' && echo 'PLAIN-BODY'; } | by 1 send --to client2 --title '[sealed]' -
for how in '' --sealed --content; do
	# shellcheck disable=SC2086
	run by 2 read --last --require-sealed $how
	is "what only looks sealed is not shown ($how): 65" "$RC $(cat o)" "65 "
done
run by 2 delete --last
is "... and can be deleted" "$RC" 0

# --- inbox ---

run by 2 inbox --require-sealed
is "inbox --require-sealed marks, and hides none: 65" "$RC $(cut -f 4 o | tr '\n' ' ')" "65 sealed plain unsigned sealed "
like "... says ahead of the title what is wrong" "$(sed -n 2p o)" '	plain	\(not sealed\) '
like "... of what nobody signed, too" "$(sed -n 3p o)" '	unsigned	\(not signed\) '
is "... and of nothing else" "$(sed -n '1p;4p' o | cut -f 5 | tr '\n' ';')" "Sealed title;From a third;"
like "... and in a note" "$(cat e)" 'message 2: not sealed'
run by 2 inbox --require-sealed --json
is "... as JSON" "$RC $(grep -oE '"fault": ?"[a-z ]*"' o | tr -d ' ' | tr '\n' ';')" '65 "fault":"notsealed";"fault":"notsigned";'
run by 2 inbox --require-sealed --limit 1
is "where all is sealed and signed it is 0" "$RC" 0
run by 2 inbox --open
is "without it plain mail is no fault" "$(cut -f 4,5 o | sed -n 2p)" "plain	Certainly from client1"
run by 2 inbox --require-sealed --anyway
is "--anyway does not go with it: 64" "$RC" 64
run cl 2 inbox --require-sealed
is "the same over the classic protocol" "$RC $(cut -f 4 o | tr '\n' ' ')" "65 sealed plain unsigned sealed "

# --- the menu ---

printf '2\n3\n2\n3\n3\n3\n1\n4\n' >menu
RC=0
by 2 client --require-sealed <menu >o 2>e || RC=$?
is "the menu shows neither, and goes on" "$RC $(grep -c 'PLAIN-BODY\|NOBODY-BODY' o) $(grep -c '^SEALED-BODY' o)" "0 0 1"
is "... its list marks them" "$(grep -oE '(plain    \(not sealed\)|unsigned \(not signed\)|sealed   Sealed title)' o | tr '\n' ';')" \
	"sealed   Sealed title;plain    (not sealed);unsigned (not signed);"
like "... and says so" "$(cat o)" 'The message is not sealed, and is not shown'
RC=0
cl 2 client --require-sealed <menu >o 2>e || RC=$?
is "... over the classic protocol, too" "$RC $(grep -c 'PLAIN-BODY\|NOBODY-BODY' o) $(grep -c '^SEALED-BODY' o)" "0 0 1"

# --- as the configuration has it ---

configure true
run conf read 2
is "\"require-sealed\": true holds for read: 65" "$RC $(cat o)" "65 "
run conf read 2 --anyway --content
is "... unless --anyway says otherwise" "$RC $(cat o)" "0 PLAIN-BODY"
run conf inbox
is "... for inbox" "$RC $(cut -f 4 o | tr '\n' ' ')" "65 sealed plain unsigned sealed "
run conf read 2 --json
is "... its title, neither" "$RC $(leaks)" "65 "
run conf inbox --anyway
is "... unless --anyway says otherwise: the list as it was" "$RC $(cut -f 4 o | sed -n 2p)" "0 Certainly from client1"
RC=0
conf client <menu >o 2>e || RC=$?
is "... for the menu" "$RC $(grep -c 'PLAIN-BODY\|NOBODY-BODY' o) $(grep -c '^SEALED-BODY' o)" "0 0 1"
run conf send --to client2 --title later note
is "... and says nothing of what is sent" "$RC $(conf read --last --anyway --content)" "0 SEALED-BODY"
run conf inbox --forgive
is "... and --forgive goes with it" "$RC $(cut -f 4 o | tr '\n' ' ')" "65 sealed plain unsigned sealed plain "
run conf inbox --forgive --anyway
like "... but not with --anyway: 64" "$RC $(cat e)" '^64 .*--forgive goes with --open'
run conf inbox --forgive --limit 1
is "... nor with a part of the list" "$RC" 64

# a configuration that cannot be reached is no word against it
reach() { # TITLE PATTERN ENVIRONMENT...: what conf read 2 says
	title=$1 want=$2
	shift 2
	run env XDG_CONFIG_HOME="$PWD/xdg" SMTP361_USER=client2 SMTP361_PASSWORD_FILE=pw2 "$@" \
		"$SMTP361" read 2 -k k2 --enhanced
	like "$title" "$RC $(cat o e | tr '\n' ' ')" "$want"
}
mkdir loop
ln -s smtp361 loop/smtp361
reach "behind a loop of links: 66, and named" '^66 smtp361 read: cannot open .*/loop/smtp361/config.json' XDG_CONFIG_HOME="$PWD/loop"
reach "where there is none, it holds nothing" '^0 .*PLAIN-BODY' XDG_CONFIG_HOME="$PWD/k1"
reach "nor where a file stands in its way" '^0 .*PLAIN-BODY' XDG_CONFIG_HOME="$PWD/note"
configure false
run conf read 2 --content
is "false is as nothing" "$RC $(cat o)" "0 PLAIN-BODY"
configure '"yes"'
run conf read 2
like "anything else is a damaged configuration: 78" "$RC $(cat e)" '^78 .*"require-sealed" is neither true nor false'
ok "the server stops cleanly" stop_server

done_testing
