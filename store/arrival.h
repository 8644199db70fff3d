/* The order in which messages arrived: that of the records in .index, which outlives a look at the
 * folder as far as the index tells of it. */
#ifndef STORE_ARRIVAL_H
#define STORE_ARRIVAL_H

#include "box.h"

/* What the index as it was tells of the order of arrival. */
enum arrival {
	ARRIVAL_KNOWN,  /* what it does not have came later */
	ARRIVAL_SINCE,  /* it was lost, and appended to: what it does not have came before */
	ARRIVAL_UNKNOWN /* lost, or half written, and damaged */
};

/* Put records (of index_encode) into their order, behind a header: *h and the image's room for it.
 * places: a uint64_t for each, its offset in the index as it was, or UINT64_MAX: nowhere. What has
 * the same id from the same sender is given an id of its own, but for the first. image is empty.
 * 0, or -1 (no memory). */
int arrival_sort(const struct buf *records, const struct buf *places, enum arrival arrival,
	struct buf *image, struct index_head *h, struct err *e);

#endif
