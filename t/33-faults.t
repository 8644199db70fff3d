#!/bin/sh
# Faults of the system at calls of a delivery and a removal: errors of the disk, no room, no descriptors,
# no memory, interruptions, short reads and writes. What is acknowledged is listed whole and once, now and
# at the next start; what is refused leaves nothing, says why, and may be sent again. Here at a sample of
# calls; `make check-crash` (CRASH=all) goes through all of them, `make coverage` (CRASH=each) through all
# calls with one error each.
[ -z "${SANITIZED#coverage}" ] || { echo "1..0 # SKIP calls are struck in the plain build; here it would take too long"; exit 0; }
. "$(dirname "$0")/lib.sh"
ram_folder
export BUILD SMTP361 TMPDIR="$RAM"
site
for what in calls memory rooms; do
	judged "the faults ($what) come to their end" /usr/bin/python3 -B "$ROOT/t/fault/faults.py" $what
done
# minutes: with make check-crash alone
[ "${CRASH:-}" != all ] || judged "the faults of a session come to their end" /usr/bin/python3 -B "$ROOT/t/fault/serve.py" fault
done_testing
