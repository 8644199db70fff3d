#!/bin/sh
# The kept corpus of each fuzz harness, replayed twice: inputs that broke something once, and seeds that
# reach deep. `make fuzz` looks for new ones.
. "$(dirname "$0")/lib.sh"

for source in "$ROOT"/t/fuzz/*.c; do
	h=$(basename "$source" .c)
	ok "$h: the corpus does no harm" "$BUILD/t/fuzz/$h" "$ROOT/t/fuzz/corpus/$h"/*
done
is "no harness left a folder" "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'smtp361-fuzz-*' 2>/dev/null | wc -l)" 0
done_testing
