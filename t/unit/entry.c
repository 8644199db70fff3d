/* What the records of the journal say: all that is put comes back, and what is none is refused,
 * whatever stands in it. */
#include "unit.h"

#include "../../store/entry.h"

static struct mailbox_meta meta = {.time_us = 1658431775768508,
	.chars = 7,
	.bytes = 11,
	.source = "client1",
	.title = "A t\xc3\xaftle"};
static char names[3][USER_NAME_MAX + 1] = {"client2", "c", "abcdefghijklmnopqrstuvwxyz012345"};
static struct users_list to = {.names = names, .n = 3};

static struct buf put(bool with_message, bool once)
{
	struct buf out = {0}, message = {.p = (uint8_t *)(uintptr_t) "hello world", .n = 11};

	assert_int_equal(
		entry_put_delivered(&out, &meta, once, &to, with_message ? &message : NULL), 0);
	return out;
}

/* From memory of exactly this size, so that a sanitizer sees what is read behind it. */
static int get(struct entry *entry, uint8_t **copy, const uint8_t *p, size_t n)
{
	*copy = malloc(n + (n == 0 ? 1 : 0));
	assert_non_null(*copy);
	memcpy(*copy, p, n);
	return entry_get(entry, *copy, n);
}

static void delivered(void **state)
{
	char name[USER_NAME_MAX + 1];
	uint8_t key[ENTRY_KEY], *copy;
	struct entry entry;

	(void)state;
	fill_pattern(meta.id, sizeof meta.id, 1);
	entry_key(&meta, key);
	for (int way = 0; way < 4; way++) {
		struct buf b = put(way % 2 == 0, way / 2 == 1);
		assert_int_equal(get(&entry, &copy, b.p, b.n), 0);
		assert_int_equal(entry.kind, way % 2 == 0 ? ENTRY_INLINED : ENTRY_SPOOLED);
		assert_int_equal(entry.once, way / 2 == 1);
		assert_memory_equal(entry.meta.id, meta.id, sizeof meta.id);
		assert_int_equal(entry.meta.time_us, meta.time_us);
		assert_int_equal(entry.meta.chars, 7);
		assert_int_equal(entry.meta.bytes, 11);
		assert_string_equal(entry.meta.source, meta.source);
		assert_string_equal(entry.meta.title, meta.title);
		assert_memory_equal(entry.key, key, sizeof key);
		if (way % 2 == 0) {
			assert_memory_equal(entry.message, "hello world", 11);
		}
		for (size_t i = 0; i < to.n; i++) {
			assert_true(entry_names(&entry, names[i]));
		}
		assert_false(entry_names(&entry, "client1"));
		assert_false(entry_names(&entry, ""));
		for (size_t i = 0; i < to.n; i++) {
			assert_true(entry_next_name(&entry, name));
			assert_string_equal(name, names[i]);
		}
		assert_false(entry_next_name(&entry, name));
		free(copy);
		buf_free(&b);
	}
}

static void removed(void **state)
{
	uint8_t key[ENTRY_KEY], *copy;
	char name[USER_NAME_MAX + 1];
	struct entry entry;

	(void)state;
	fill_pattern(key, sizeof key, 3);
	for (size_t i = 0; i < to.n; i++) {
		struct buf b = {0};
		assert_int_equal(entry_put_removed(&b, names[i], key), 0);
		assert_int_equal(get(&entry, &copy, b.p, b.n), 0);
		assert_int_equal(entry.kind, ENTRY_REMOVED);
		assert_memory_equal(entry.key, key, sizeof key);
		assert_true(entry_names(&entry, names[i]));
		assert_false(entry_names(&entry, "other"));
		assert_true(entry_next_name(&entry, name));
		assert_string_equal(name, names[i]);
		assert_false(entry_next_name(&entry, name));
		free(copy);
		buf_free(&b);
	}
}

static void carried(void **state)
{
	const struct journal_mark first = {.number = 7, .at = 128};
	uint8_t key[ENTRY_KEY] = {0};
	struct entry entry;

	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct buf b = {0}, message = {.p = key, .n = meta.bytes};
		assert_int_equal(entry_put_carried(&b, &first), 0);
		assert_int_equal(entry_get(&entry, b.p, b.n), -1); /* nothing is carried */
		if (kind == 0) {
			assert_int_equal(entry_put_removed(&b, "client1", key), 0);
		} else {
			assert_int_equal(entry_put_delivered(&b, &meta, true, &to, &message), 0);
		}
		assert_int_equal(entry_get(&entry, b.p, b.n), 0);
		assert_int_equal(entry.kind, kind == 0 ? ENTRY_REMOVED : ENTRY_INLINED);
		assert_int_equal(entry.first.number, 7);
		assert_int_equal(entry.first.at, 128);
		buf_free(&b);
	}
}

static void keys(void **state)
{
	struct mailbox_meta a = meta, b = meta;
	uint8_t x[ENTRY_KEY], y[ENTRY_KEY];

	(void)state;
	b.title[0] = 'B';
	b.time_us++;
	entry_key(&a, x);
	entry_key(&b, y);
	assert_memory_equal(x, y, sizeof x);
	b.source[0] = 'k';
	entry_key(&b, y);
	assert_memory_not_equal(x, y, sizeof x);
	b = a;
	b.id[15] ^= 1;
	entry_key(&b, y);
	assert_memory_not_equal(x, y, sizeof x);
}

static void limits(void **state)
{
	enum { MANY = 1900 };
	char(*many)[USER_NAME_MAX + 1] = calloc(MANY, sizeof *many);
	struct mailbox_meta most = {.bytes = ENTRY_INLINE};
	struct users_list all = {.names = many, .n = MANY};
	struct buf b = {0}, message = {0};
	char name[USER_NAME_MAX + 1];
	struct entry entry;
	size_t n = 0;

	(void)state;
	assert_non_null(many);
	for (size_t i = 0; i < MANY; i++) {
		(void)snprintf(many[i], sizeof many[i], "u%031zu", i);
	}
	memset(most.source, 's', USER_NAME_MAX);
	memset(most.title, 't', MAILBOX_TITLE_ROOM);
	assert_int_equal(buf_reserve(&message, ENTRY_INLINE), 0);
	memset(message.p, 'x', ENTRY_INLINE);
	message.n = ENTRY_INLINE;
	assert_int_equal(entry_put_delivered(&b, &most, true, &all, &message), 0);
	assert_int_equal(entry_get(&entry, b.p, b.n), 0);
	assert_int_equal(entry.to_n, MANY);
	while (entry_next_name(&entry, name)) {
		assert_string_equal(name, many[n++]);
	}
	assert_int_equal(n, MANY);
	buf_free(&b);
	buf_free(&message);
	free(many);
}

/* What is taken says all that it says: it is put again to the same bytes, and can be used. */
static void judge(const uint8_t *p, size_t n)
{
	struct buf again = {0}, message;
	char kept[64][USER_NAME_MAX + 1];
	struct users_list list = {.names = kept};
	struct entry entry, names_of;
	uint8_t *copy;

	if (get(&entry, &copy, p, n) == 0) {
		names_of = entry;
		while (list.n < COUNT(kept) && entry_next_name(&names_of, kept[list.n])) {
			assert_true(user_name_valid(kept[list.n]));
			list.n++;
		}
		assert_int_equal(list.n, entry.to_n);
		assert_true(list.n > 0);
		message = (struct buf){
			.p = (uint8_t *)(uintptr_t)entry.message, .n = entry.meta.bytes};
		if (entry.first.number != 0) {
			assert_int_equal(entry_put_carried(&again, &entry.first), 0);
		}
		if (entry.kind == ENTRY_REMOVED) {
			assert_int_equal(entry_put_removed(&again, kept[0], entry.key), 0);
		} else {
			assert_int_equal(entry_put_delivered(&again, &entry.meta, entry.once, &list,
						 entry.kind == ENTRY_INLINED ? &message : NULL),
				0);
		}
		assert_int_equal(again.n, n);
		assert_memory_equal(again.p, p, n);
		buf_free(&again);
	}
	free(copy);
}

static void mutations(void **state)
{
	uint8_t key[ENTRY_KEY] = {0};

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		const struct journal_mark first = {.number = 1, .at = 2};
		struct buf b = {0};
		if (kind >= 2) {
			assert_int_equal(kind == 3 ? entry_put_carried(&b, &first) : 0, 0);
			assert_int_equal(entry_put_removed(&b, "client1", key), 0);
		} else {
			b = put(kind == 0, true);
		}
		judge(b.p, b.n);
		for (size_t i = 0; i < b.n; i++) { /* every byte, whatever it becomes */
			uint8_t was = b.p[i];
			for (int v = 0; v < 256; v++) {
				b.p[i] = (uint8_t)v;
				judge(b.p, b.n);
			}
			b.p[i] = was;
		}
		for (size_t i = 0; i + 1 < b.n; i++) { /* two at a time, at their extremes */
			uint8_t was[2] = {b.p[i], b.p[i + 1]};
			for (int v = 0; v < 4; v++) {
				b.p[i] = v % 2 == 0 ? 0 : 0xff;
				b.p[i + 1] = v / 2 == 0 ? 0 : 0xff;
				judge(b.p, b.n);
			}
			memcpy(b.p + i, was, 2);
		}
		for (size_t n = 0; n < b.n; n++) { /* cut, and longer */
			struct entry entry;
			uint8_t *copy;
			assert_int_equal(get(&entry, &copy, b.p, n) == 0 && n > 0 &&
						 entry.kind == ENTRY_SPOOLED,
				0);
			free(copy);
			judge(b.p, n);
		}
		assert_int_equal(buf_append(&b, "", 1), 0);
		judge(b.p, b.n);
		buf_free(&b);
	}
}

static void noise(void **state)
{
	uint8_t p[300];

	(void)state;
	for (uint32_t seed = 0; seed < 20000; seed++) {
		fill_pattern(p, sizeof p, seed);
		p[0] = (uint8_t) "DSR"[seed % 3];
		if (seed % 2 == 0) {
			memset(p + 1, 0, 6);
			p[1] = seed / 2 % 2 == 0;
			p[2] = (uint8_t)(seed / 4 % 8);
			p[5] = (uint8_t)(seed / 32 % 4);
		}
		judge(p, seed % sizeof p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a delivery comes back", delivered),
		T("a removal comes back", removed),
		T("both come back with where they stood before they were carried over", carried),
		T("a message is told by its id and sender alone", keys),
		T("the largest that there are come back", limits),
		T("of every mutation, what is taken is a record", mutations),
		T("and of noise", noise),
	};
	return RUN(tests);
}
