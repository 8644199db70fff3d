#!/bin/sh
# A power cut at any system call: as 31-crash.t, but what was not synced is lost, too. The file system
# in a loop mount is shut down under the program, and mounted again. Needs root.
[ -z "${SANITIZED:-}" ] || { echo "1..0 # SKIP calls are struck in the plain build; here it would take too long"; exit 0; }
. "$(dirname "$0")/lib.sh"
ram_folder
export BUILD SMTP361 TMPDIR="$RAM"
site
for kind in ext4 xfs; do
	judged "the power cuts on $kind come to their end" /usr/bin/python3 -B "$ROOT/t/fault/crash.py" cut $kind
	judged "the power cuts on $kind under a server come to their end" /usr/bin/python3 -B "$ROOT/t/fault/serve.py" cut $kind
done
done_testing
