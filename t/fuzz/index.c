/* The mailbox index: every record that is taken lies inside the image and within its limits, and
 * encodes to itself. */
#include "fuzz.h"

#include "../../store/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf image = {.p = (uint8_t *)(uintptr_t)data, .n = size};
	struct buf again = {0};
	struct index_record r;
	size_t at = 0, before;

	while (before = at < INDEX_HEAD ? INDEX_HEAD : at, index_next(&image, &at, &r) > 0) {
		assert(at <= size && at > before && r.offset == before);
		assert(r.source_n <= USER_NAME_MAX && r.title_n <= MAILBOX_TITLE_BYTES &&
			r.name_n <= 255);
		again.n = 0;
		assert(index_encode(&again, &r) == 0 && again.n == at - before);
	}
	buf_free(&again);
	return 0;
}
