/* The mailbox index: every record that is taken lies inside the image and within its limits, and
 * encodes to itself; and whatever a file of it holds, it is read to an end, and what is found,
 * appended or changed in it afterwards is what was asked for. */
#include "fuzz.h"

#include "../../store/index.h"

#include <sys/mman.h>
#include <unistd.h>

static size_t records(const struct buf *image)
{
	struct buf again = {0};
	struct index_record r;
	size_t at = INDEX_HEAD, before, n = 0;

	while (before = at, index_next(image, &at, &r) > 0) {
		assert(at <= image->n && at > before && r.offset == before);
		assert(r.source_n <= USER_NAME_MAX && r.title_n <= MAILBOX_TITLE_ROOM &&
			r.name_n <= 255);
		again.n = 0;
		assert(index_encode(&again, &r) == 0 && again.n == at - before);
		n++;
	}
	buf_free(&again);
	return n;
}

/* Find it by its place, by a wrong one and by none; there it can be replaced, and dies. */
static void find(const struct index *ix, const struct index_record *wanted)
{
	const uint64_t places[] = {wanted->offset, 0, 1, UINT64_MAX, wanted->offset + 1};
	char name[NAME_MAX + 1];
	struct buf scratch = {0};
	struct index_record r;
	struct err e;

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		struct mailbox_ref ref = {.where = places[i]};
		memcpy(ref.id, wanted->id, sizeof ref.id);
		scratch.n = 0;
		assert(index_find(ix, &ref, &scratch, &r, &e) == 1);
		assert(memcmp(r.id, wanted->id, sizeof r.id) == 0 && r.state != INDEX_DEAD);
	}
	buf_free(&scratch);
	index_name(wanted, name);
	assert(index_replace(ix, wanted, &e) == 0);
	assert(index_set_state(ix, wanted->offset, INDEX_DEAD, &e) == 0);
}

/* The same bytes as a file. */
static void in_a_file(const uint8_t *data, size_t size)
{
	struct index ix = {.fd = memfd_create("index", MFD_CLOEXEC), .writable = true};
	struct index_record r, one = {.state = INDEX_LIVE,
				       .source = "client1",
				       .source_n = 7,
				       .title = "T",
				       .title_n = 1,
				       .name = "client1_T.txt",
				       .name_n = 13};
	struct index_head h;
	struct buf image = {0};
	struct err e;
	uint64_t offset;
	size_t n, at = INDEX_HEAD;

	assert(ix.fd >= 0 && write(ix.fd, data, size) == (ssize_t)size);
	assert(index_load(&ix, &image, &e) == 0 && image.n == size);
	n = records(&image);
	while (index_next(&image, &at, &r) > 0) {
		if (r.state != INDEX_DEAD) { /* those are not looked for */
			memcpy(one.id, r.id, sizeof one.id);
			assert(index_search(&image, INDEX_HEAD, one.id, &r));
			find(&ix, &r);
			break;
		}
	}
	if (index_read_head(&ix, &h) == 0) {
		h.dirty = !h.dirty;
		assert(index_write_head(&ix, &h, &e) == 0 && index_read_head(&ix, &h) == 0);
	}
	if (size >= INDEX_HEAD && index_append(&ix, &one, &offset, &e) == 0) {
		image.n = 0;
		assert(offset == size && index_load(&ix, &image, &e) == 0 && image.n > size);
		assert(records(&image) == n || records(&image) == n + 1); /* damage hides it */
	}
	buf_free(&image);
	index_close(&ix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf image = {.p = (uint8_t *)(uintptr_t)data, .n = size};

	(void)records(&image);
	in_a_file(data, size);
	return 0;
}
