#!/bin/sh
# make fuzz: every harness under libFuzzer and the sanitizers, FUZZ_SECONDS each (60), from the kept
# corpus. What crashes is left in build/fuzz; what is new and worth keeping goes into corpus/ by hand.
#   t/fuzz/run.sh [HARNESS...]
set -eu
cd "$(dirname "$0")/../.."
command -v clang >/dev/null 2>&1 || {
	echo "make fuzz needs clang with its sanitizer runtime: apt-get install -y clang libclang-rt-14-dev" >&2
	exit 69
}
[ $# -gt 0 ] || set -- message pem index classic classic_sized users noise enhanced attachments invitation mbox sent hints journal scram rfc5322_address smtp_client submission smtp ft_founding ft_noise age chat
# stores that are made and removed for each input are best kept in memory
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
for h; do
	out=build/fuzz/$h
	mkdir -p "$out.corpus"
	clang -std=c11 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-isystem /usr/include/bearssl -include crypto/banned.h "t/fuzz/$h.c" \
		cmd/*.c proto/*.c store/*.c keys/*.c crypto/*.c -lbearssl -largon2 -ljansson -o "$out"
	"$out" -max_total_time="${FUZZ_SECONDS:-60}" -max_len=70000 -artifact_prefix="$out." -print_final_stats=1 -close_fd_mask=3 \
		"$out.corpus" "t/fuzz/corpus/$h"
done
