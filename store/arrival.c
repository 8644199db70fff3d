/* The order of arrival; see arrival.h. */
#include "arrival.h"

#include "../crypto/hash.h"

/* What was listed before keeps its place, so that nothing new is ahead of what somebody has seen;
 * the others are ahead of it, or behind, by time. */
static uint64_t place_of(enum arrival arrival, uint64_t listed)
{
	if (arrival == ARRIVAL_KNOWN) {
		return listed;
	}
	return arrival == ARRIVAL_UNKNOWN || listed == UINT64_MAX ? 0 : listed;
}

static int by_place(const void *a, const void *b)
{
	const struct index_record *x = a, *y = b;

	return x->offset != y->offset ? (x->offset < y->offset ? -1 : 1) : box_by_time(a, b);
}

static int by_source(const struct index_record *x, const struct index_record *y)
{
	return x->source_n != y->source_n ? (x->source_n < y->source_n ? -1 : 1)
					  : memcmp(x->source, y->source, x->source_n);
}

static int by_id(const void *a, const void *b)
{
	const struct index_record *x = a, *y = b;
	char xname[NAME_MAX + 1], yname[NAME_MAX + 1];
	int d = memcmp(x->id, y->id, sizeof x->id);

	if (d != 0) {
		return d;
	}
	d = by_source(x, y);
	if (d != 0) {
		return d;
	}
	/* what is read from the journal is found there by its id */
	if ((x->state == INDEX_JOURNAL) != (y->state == INDEX_JOURNAL)) {
		return x->state == INDEX_JOURNAL ? -1 : 1;
	}
	if (x->offset != y->offset) {
		return x->offset < y->offset ? -1 : 1;
	}
	index_name(x, xname);
	index_name(y, yname);
	return strcmp(xname, yname);
}

/* A copy or a second link made by hand, with the id and all, is a message of its own. */
static void part_copies(struct index_record *all, size_t n)
{
	uint8_t digest[HASH_BYTES];
	char name[NAME_MAX + 1];
	struct hash h;
	size_t first = 0;

	qsort(all, n, sizeof *all, by_id);
	for (size_t i = 1; i < n; i++) {
		if (memcmp(all[i].id, all[first].id, sizeof all[i].id) != 0 ||
			by_source(&all[i], &all[first]) != 0) {
			first = i;
			continue;
		}
		index_name(&all[i], name);
		hash_begin(&h);
		hash_add(&h, all[i].id, sizeof all[i].id);
		hash_add(&h, name, strlen(name));
		hash_end(&h, digest);
		memcpy(all[i].id, digest, sizeof all[i].id);
	}
}

int arrival_sort(const struct buf *records, const struct buf *places, enum arrival arrival,
	struct buf *image, struct index_head *h, struct err *e)
{
	struct index_record *all = NULL, r;
	uint8_t head[INDEX_HEAD] = {0};
	size_t n = 0, at = 0;
	int rc = -1;

	while (index_next(records, &at, &r) > 0) {
		n++;
	}
	all = calloc(n + 1, sizeof *all);
	if (all == NULL || buf_append(image, head, sizeof head) != 0) {
		goto out;
	}
	for (at = 0, n = 0; index_next(records, &at, &all[n]) > 0; n++) {
		uint64_t listed;
		memcpy(&listed, places->p + n * sizeof listed, sizeof listed);
		all[n].offset = place_of(arrival, listed);
	}
	part_copies(all, n);
	qsort(all, n, sizeof *all, by_place);
	h->unsettled_from = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		if (all[i].state == INDEX_JOURNAL && h->unsettled_from == UINT64_MAX) {
			h->unsettled_from = image->n;
		}
		h->usage.messages++;
		h->usage.bytes += mailbox_counts(all[i].chars, all[i].file.bytes);
		if (index_encode(image, &all[i]) != 0) {
			goto out;
		}
	}
	h->counted_to = image->n;
	h->unsettled_from = h->unsettled_from < image->n ? h->unsettled_from : image->n;
	rc = 0;
out:
	free(all);
	return rc == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}
