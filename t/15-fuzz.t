#!/bin/sh
# The kept corpus of each fuzz harness, replayed twice: inputs that broke something once, and seeds that
# reach deep. `make fuzz` looks for new ones.
. "$(dirname "$0")/lib.sh"

mkdir "$HOME_DIR/tmp" # what others were killed over in the common one is not these runs' doing
for source in "$ROOT"/t/fuzz/*.c; do
	h=$(basename "$source" .c)
	ok "$h: the corpus does no harm" env TMPDIR="$HOME_DIR/tmp" "$BUILD/t/fuzz/$h" "$ROOT/t/fuzz/corpus/$h"/*
done
is "no harness left a folder" "$(ls -A "$HOME_DIR/tmp")" ""
done_testing
