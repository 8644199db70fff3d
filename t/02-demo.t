#!/bin/sh
# make demo: it plays the founding transcript and an invitation, notices when that goes wrong, and
# leaves nothing behind.
. "$(dirname "$0")/lib.sh"
[ -z "$SANITIZED" ] || skip_all "the demo is the same, however the program is built"

cd "$HOME_DIR" || exit 1
TMPDIR=$HOME_DIR/tmp
export TMPDIR
mkdir "$TMPDIR"
ok "the demo succeeds" "$ROOT/t/demo.sh"
"$ROOT/t/demo.sh" >demo.out 2>&1
for line in 'Invalid username or password.' 'The message is sent to the server.' 'wc -c <big.txt' 221070 \
	'the same 221070 characters' 'Welcome to CMPT 361 class.' \
	'An email from client2 is sent to client1;client5 has a content length of 221070' \
	'You are ada at 127.0.0.1' "proves the server's key SHA256:" 'an onlooker sees [0-9]* bytes' \
	'No password, no menu.' 'An email from ada is sent to client3 has a content length of 22'; do
	like "it shows: $line" "$(cat demo.out)" "$(printf '%s' "$line" | sed 's/[.;]/\\&/g')"
done
printf '#!/bin/sh\n[ "$1" != read ] || { echo "something else"; exit 0; }\nexec "%s" "$@"\n' "$SMTP361" >lying
chmod +x lying
ok "it notices when what is read is not what was sent" must_fail 1 env SMTP361="$HOME_DIR/lying" "$ROOT/t/demo.sh"
printf '#!/bin/sh\n[ "$1" != client ] || exit 75\nexec "%s" "$@"\n' "$SMTP361" >lying
ok "and when no client works" must_fail 1 env SMTP361="$HOME_DIR/lying" "$ROOT/t/demo.sh"
is "it leaves nothing behind" "$(ls -A "$TMPDIR")" ""
done_testing
