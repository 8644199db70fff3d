/* What the harnesses share. Each exports libFuzzer's entry; main/replay.c calls the same for the
 * files of the kept corpus, in `make check`. A harness judges by not crashing, and by the asserts
 * in it. */
#ifndef T_FUZZ_H
#define T_FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
