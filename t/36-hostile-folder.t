#!/bin/sh
# What an administrator, a backup, a broken disk or somebody with a shell may leave in a store's folders: links,
# FIFOs, sockets, devices, foreign and broken files, in the mailboxes and in place of the store's own files. The
# server lives, other mail is served, nothing is followed, and the tree outside stays as it was. EXHAUSTIVE=1
# plants each thing in each place by itself.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import dissononce, Cryptodome' 2>/dev/null ||
	skip_all "no python3 with dissononce and Cryptodome"
site
export SMTP361
judged "all of it was planted" /usr/bin/python3 -B "$ROOT/t/peer/hostile_folder.py"
is "no session died by a signal" "$(grep -a ' killed ' err)" ""

if is_root && command -v setpriv >/dev/null; then
	uid=$((40000 + $$ % 20000))
	cp "$SMTP361" "$HOME_DIR/copy"
	SMTP361=$HOME_DIR/copy
	chmod 755 "$HOME_DIR" "$SMTP361"
	rm -rf "$HOME_DIR/outside" client? .sent .spool .journal err
	chown -R $uid:$uid .
	judged "all of it was hidden" /usr/bin/python3 -B "$ROOT/t/peer/hostile_folder.py" \
		setpriv --reuid $uid --regid $uid --clear-groups
	is "no session of it died by a signal" "$(grep -a ' killed ' err)" ""
else
	skip "a file that the server may not read is damaged" "needs root and setpriv"
	skip "a mailbox that the server may not read stops nobody else" "needs root and setpriv"
fi
done_testing
