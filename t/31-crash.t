#!/bin/sh
# Death at any system call: what was acknowledged is there, whole and once, and of the rest there is
# all or nothing. t/fault/oracle.py has the rule, t/fault/scenarios.py what is under way at the time.
# Here at a sample of calls; `make check-crash` (CRASH=all) goes through all of them.
[ -z "${SANITIZED:-}" ] || { echo "1..0 # SKIP calls are struck in the plain build; here it would take too long"; exit 0; }
. "$(dirname "$0")/lib.sh"
ram_folder
export BUILD SMTP361 TMPDIR="$RAM"
site
judged "the kills come to their end" /usr/bin/python3 -B "$ROOT/t/fault/crash.py" kill
judged "the kills of deliveries to mail at rest come to their end" \
	env ENGINE_AT_REST=1 /usr/bin/python3 -B "$ROOT/t/fault/crash.py" kill deliver
judged "the kills of a server come to their end" /usr/bin/python3 -B "$ROOT/t/fault/serve.py" kill
done_testing
