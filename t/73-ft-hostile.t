#!/bin/sh
# Peers of file transfer that mean harm: clients that no honest one is like, slow and silent ones, servers
# that lie, and who stands between. Nothing but a whole file has a name, nobody believes what was not said,
# and the server lives on. EXHAUSTIVE=1 alters every message in every way, and not every second.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import dissononce, cryptography, ctypes; ctypes.CDLL("libargon2.so.1")' 2>/dev/null ||
	skip_all "no python3 with dissononce, cryptography and libargon2"
export SMTP361 VECTORS
ram_folder

# attack TITLE PROGRAM ARGUMENT...: in a folder of its own
attack() {
	title=$1 program=$2
	shift 2
	rm -rf "$RAM/work"
	mkdir -p "$RAM/work/drop" "$RAM/work/here" && cd "$RAM/work" || exit 1
	echo 'correct horse battery staple' >key
	chmod 600 key
	judged "$title" /usr/bin/python3 -B "$ROOT/t/peer/$program" "$@"
}

attack "all hostile clients had their turn" ft_hostile.py ${SEED:+"$SEED"}
attack "all slow clients had theirs" ft_slow.py
attack "all lying servers had theirs" ft_lying.py
part=2
[ -z "${EXHAUSTIVE:-}" ] || part=1
[ -z "$SANITIZED" ] || part=7
attack "messages were altered on their way" ft_between.py $part
done_testing
