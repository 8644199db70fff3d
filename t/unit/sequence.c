/* Numbers of messages: none is given twice, and whatever comes is told for what it is. */
#include "unit.h"

#include "../../store/sequence.h"

static struct err e;
static const uint8_t stream_a[] = "stream-a", stream_b[] = "stream-b";

static struct sequence_number next_of(const char *contact, const char *kind)
{
	struct sequence_number n;

	if (sequence_next(folder.fd, contact, kind, &n, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return n;
}

/* A message with this number comes; its id is made of `id`. */
static struct sequence_taken take_of(
	const char *contact, const uint8_t *stream, uint64_t number, uint32_t id)
{
	struct sequence_number n = {.number = number};
	struct sequence_taken t;
	uint8_t bytes[SEQUENCE_ID];

	memcpy(n.stream, stream, sizeof n.stream);
	fill_pattern(bytes, sizeof bytes, id);
	if (sequence_take(folder.fd, contact, "chat", &n, bytes, &t, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return t;
}

static struct sequence_taken take(uint64_t number, uint32_t id)
{
	return take_of("bob", stream_a, number, id);
}

static void assert_taken(struct sequence_taken t, enum sequence_how how, uint64_t first_missing,
	uint64_t missing, uint64_t highest, size_t gaps)
{
	assert_int_equal(t.how, how);
	assert_int_equal(t.first_missing, first_missing);
	assert_int_equal(t.missing, missing);
	assert_int_equal(t.highest, highest);
	assert_int_equal(t.gaps, gaps);
}

static void assert_missing(
	const uint8_t *stream, uint64_t highest, const uint64_t *wanted, size_t wanted_n)
{
	struct sequence_number newest;
	uint64_t found[SEQUENCE_GAPS_MAX];
	size_t n;

	assert_int_equal(
		sequence_missing(folder.fd, "bob", "chat", found, COUNT(found), &n, &newest, &e),
		0);
	assert_int_equal(newest.number, highest);
	assert_true(highest == 0 || memcmp(newest.stream, stream, SEQUENCE_STREAM) == 0);
	assert_int_equal(n, wanted_n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(found[i], wanted[i]);
	}
}

static void numbers_rise(void **state)
{
	struct sequence_number first = next_of("bob", "chat"), n;

	(void)state;
	assert_int_equal(first.number, 1);
	for (uint64_t i = 2; i < 30; i++) {
		n = next_of("bob", "chat");
		assert_int_equal(n.number, i);
		assert_memory_equal(n.stream, first.stream, sizeof n.stream);
	}
	n = next_of("bob", "mail"); /* counts apart */
	assert_int_equal(n.number, 1);
	assert_memory_not_equal(n.stream, first.stream, sizeof n.stream);
	n = next_of("carol", "chat");
	assert_int_equal(n.number, 1);
	assert_memory_not_equal(n.stream, first.stream, sizeof n.stream);
	(void)take(5, 1); /* what comes does not change what is given */
	assert_int_equal(next_of("bob", "chat").number, 30);
	/* who lost the file begins another stream */
	assert_int_equal(unlinkat(folder.fd, "bob.chat", 0), 0);
	n = next_of("bob", "chat");
	assert_int_equal(n.number, 1);
	assert_memory_not_equal(n.stream, first.stream, sizeof n.stream);
}

static void each_is_told(void **state)
{
	(void)state;
	assert_missing(stream_a, 0, NULL, 0);
	assert_taken(take(1, 1), SEQUENCE_FIRST, 0, 0, 1, 0);
	assert_taken(take(2, 2), SEQUENCE_NEXT, 0, 0, 2, 0);
	assert_taken(take(2, 2), SEQUENCE_KNOWN, 0, 0, 2, 0);
	assert_taken(take(2, 3), SEQUENCE_REPEATED, 0, 0, 2, 0);
	assert_taken(take(2, 3), SEQUENCE_KNOWN, 0, 0, 2, 0);
	assert_taken(take(7, 7), SEQUENCE_GAP, 3, 4, 7, 4);
	assert_missing(stream_a, 7, (const uint64_t[]){3, 4, 5, 6}, 4);
	assert_taken(take(5, 5), SEQUENCE_LATE, 0, 0, 7, 3);
	assert_taken(take(5, 9), SEQUENCE_REPEATED, 0, 0, 7, 3);
	assert_missing(stream_a, 7, (const uint64_t[]){3, 4, 6}, 3);
	assert_taken(take(8, 8), SEQUENCE_NEXT, 0, 0, 8, 3);
	assert_taken(take_of("bob", stream_b, 3, 10), SEQUENCE_ANEW, 1, 2, 3, 2);
	assert_missing(stream_b, 3, (const uint64_t[]){1, 2}, 2);
	/* the older stream is not forgotten, and does not begin again */
	assert_taken(take(8, 11), SEQUENCE_REPEATED, 0, 0, 8, 3);
	assert_taken(take(3, 12), SEQUENCE_LATE, 0, 0, 8, 2);
	assert_taken(take(9, 13), SEQUENCE_NEXT, 0, 0, 9, 2);
	assert_missing(stream_b, 3, (const uint64_t[]){1, 2}, 2);
	assert_taken(take_of("carol", stream_b, 4, 1), SEQUENCE_FIRST, 1, 3, 4, 3);
}

struct visited {
	uint64_t highest[3], first[3];
	size_t n, stop_after;
};

static int visit(void *arg, uint64_t highest, const uint64_t *missing, size_t n, bool newest)
{
	struct visited *v = arg;

	assert_true(n > 0);
	assert_int_equal(newest, highest == 3);
	v->highest[v->n] = highest;
	v->first[v->n++] = missing[0];
	return v->n == v->stop_after ? 7 : 0;
}

/* Who begins anew takes nothing back of what was missing before. */
static void missing_of_all_streams(void **state)
{
	struct visited v = {.n = 0};

	(void)state;
	(void)take(1, 1);
	(void)take(5, 2);
	(void)take_of("bob", (const uint8_t *)"stream-c", 1, 3);
	(void)take_of("bob", stream_b, 3, 4);
	assert_int_equal(sequence_each_missing(folder.fd, "bob", "chat", visit, &v, &e), 0);
	assert_int_equal(v.n, 2); /* of the stream between nothing is missing */
	assert_int_equal(v.highest[0], 5);
	assert_int_equal(v.first[0], 2);
	assert_int_equal(v.highest[1], 3);
	assert_int_equal(v.first[1], 1);
	v = (struct visited){.stop_after = 1};
	assert_int_equal(sequence_each_missing(folder.fd, "bob", "chat", visit, &v, &e), 7);
	assert_int_equal(v.n, 1);
	assert_int_equal(sequence_forgive(folder.fd, "bob", "chat", &e), 0);
	v = (struct visited){.n = 0};
	assert_int_equal(sequence_each_missing(folder.fd, "bob", "chat", visit, &v, &e), 0);
	assert_int_equal(v.n, 0);
}

static void missing_is_capped(void **state)
{
	struct sequence_number newest;
	uint64_t found[2];
	size_t n;

	(void)state;
	(void)take(5, 1);
	assert_int_equal(sequence_missing(folder.fd, "bob", "chat", found, 2, &n, &newest, &e), 0);
	assert_int_equal(n, 4);
	assert_int_equal(found[1], 2);
	assert_int_equal(sequence_missing(folder.fd, "bob", "chat", NULL, 0, &n, &newest, &e), 0);
	assert_int_equal(n, 4);
}

static void limits_of_numbers(void **state)
{
	const uint8_t id[SEQUENCE_ID] = {0};
	struct sequence_number n = {.number = 0};
	struct sequence_taken t;

	(void)state;
	assert_refused(sequence_take(folder.fd, "bob", "chat", &n, id, &t, &e), e, EX_DATAERR);
	n.number = (uint64_t)INT64_MAX + 1;
	assert_refused(sequence_take(folder.fd, "bob", "chat", &n, id, &t, &e), e, EX_DATAERR);
	assert_int_equal(count_names("."), 0);
	assert_taken(
		take(INT64_MAX, 1), SEQUENCE_FIRST, 1, INT64_MAX - 1, INT64_MAX, SEQUENCE_GAPS_MAX);
	assert_taken(take(INT64_MAX - 1, 2), SEQUENCE_LATE, 0, 0, INT64_MAX, SEQUENCE_GAPS_MAX - 1);
	assert_taken(take(INT64_MAX - SEQUENCE_GAPS_MAX, 3), SEQUENCE_LATE, 0, 0, INT64_MAX,
		SEQUENCE_GAPS_MAX - 2);
	/* beyond what is remembered nobody can tell: it counts as taken */
	assert_taken(take(INT64_MAX - SEQUENCE_GAPS_MAX - 1, 4), SEQUENCE_REPEATED, 0, 0, INT64_MAX,
		SEQUENCE_GAPS_MAX - 2);
}

static void limits_of_gaps(void **state)
{
	(void)state;
	(void)take(1, 1);
	assert_taken(take(SEQUENCE_GAPS_MAX + 2, 2), SEQUENCE_GAP, 2, SEQUENCE_GAPS_MAX,
		SEQUENCE_GAPS_MAX + 2, SEQUENCE_GAPS_MAX);
	/* two more: the two oldest go */
	assert_taken(take(SEQUENCE_GAPS_MAX + 5, 3), SEQUENCE_GAP, SEQUENCE_GAPS_MAX + 3, 2,
		SEQUENCE_GAPS_MAX + 5, SEQUENCE_GAPS_MAX);
	assert_taken(take(3, 4), SEQUENCE_REPEATED, 0, 0, SEQUENCE_GAPS_MAX + 5, SEQUENCE_GAPS_MAX);
	assert_taken(take(4, 5), SEQUENCE_LATE, 0, 0, SEQUENCE_GAPS_MAX + 5, SEQUENCE_GAPS_MAX - 1);
}

static void limits_of_streams(void **state)
{
	uint8_t id[SEQUENCE_STREAM] = {0};

	(void)state;
	for (uint8_t i = 0; i <= SEQUENCE_STREAMS_MAX; i++) {
		id[0] = i;
		assert_int_equal(
			take_of("bob", id, 2, i).how, i == 0 ? SEQUENCE_FIRST : SEQUENCE_ANEW);
	}
	id[0] = 1;
	assert_int_equal(take_of("bob", id, 1, 100).how, SEQUENCE_LATE);
	id[0] = 0; /* the first was forgotten */
	assert_int_equal(take_of("bob", id, 1, 101).how, SEQUENCE_ANEW);
}

static void limits_of_ids(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= SEQUENCE_RECENT_MAX; i++) {
		(void)take(i, i);
	}
	assert_int_equal(take(1, 1).how, SEQUENCE_KNOWN);
	(void)take(SEQUENCE_RECENT_MAX + 1, SEQUENCE_RECENT_MAX + 1);
	assert_int_equal(take(2, 2).how, SEQUENCE_KNOWN);
	assert_int_equal(take(1, 1).how, SEQUENCE_REPEATED); /* its number still is */
	assert_false(take(1, 1).second);                     /* but whose it was is not known */
	assert_true(take(2, 999999).second);
}

/* Of two with one number the second is told from the first, as often as they come. */
static void second(void **state)
{
	(void)state;
	(void)take(1, 1);
	(void)take(2, 2);
	assert_false(take(2, 2).second);
	assert_true(take(2, 3).second);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(take(2, 3).how, SEQUENCE_KNOWN);
		assert_true(take(2, 3).second);
		assert_false(take(2, 2).second);
		assert_false(take(1, 1).second);
	}
}

static void forgiven(void **state)
{
	(void)state;
	assert_int_equal(sequence_forgive(folder.fd, "bob", "chat", &e), 0);
	assert_int_equal(take(7, 7).how, SEQUENCE_FIRST);
	assert_int_equal(take(9, 9).gaps, 7);
	assert_int_equal(sequence_forgive(folder.fd, "bob", "chat", &e), 0);
	assert_missing(stream_a, 9, NULL, 0);
	assert_int_equal(take(8, 8).how, SEQUENCE_REPEATED);
	assert_false(take(8, 8).second);
	assert_int_equal(take(11, 11).gaps, 1);
	assert_int_equal(take(9, 9).how, SEQUENCE_KNOWN);
}

/* Against a model that remembers everything: no more ids than the file does. */
static void as_a_model(void **state)
{
	enum { NUMBERS = 300, STEPS = 900 };
	uint32_t was[NUMBERS + 1] = {0}, random[STEPS];
	uint64_t highest = 0;

	(void)state;
	fill_pattern((uint8_t *)random, sizeof random, 7);
	for (uint32_t i = 0; i < STEPS; i++) {
		uint32_t number = 1 + random[i] % NUMBERS * (i + 200) / (STEPS + 200);
		uint32_t id = random[i] >> 20 & 1 ? i + 10000 : number;
		enum sequence_how wanted = was[number] == 0
						   ? (number < highest      ? SEQUENCE_LATE
							     : highest == 0 ? SEQUENCE_FIRST
							     : number == highest + 1 ? SEQUENCE_NEXT
										     : SEQUENCE_GAP)
					   : was[number] & 1 && id == number ? SEQUENCE_KNOWN
									     : SEQUENCE_REPEATED;
		was[number] |= id == number ? 1 : 2; /* 1: that very message came */
		highest = number > highest ? number : highest;
		struct sequence_taken t = take(number, id);
		size_t gaps = 0;
		for (uint64_t k = 1; k <= highest; k++) {
			gaps += was[k] == 0 ? 1 : 0;
		}
		assert_int_equal(t.how, wanted);
		assert_int_equal(t.highest, highest);
		assert_int_equal(t.gaps, gaps);
	}
}

static void damage_is_told(void **state)
{
	struct sequence_number n;
	struct buf whole = {0}, now = {0};

	(void)state;
	(void)next_of("bob", "chat");
	(void)take(1, 1);
	(void)take(4, 2);
	slurp("bob.chat", &whole);
	for (size_t i = 0; i < whole.n * 8; i++) {
		whole.p[i / 8] ^= (uint8_t)(1 << i % 8);
		spew("bob.chat", whole.p, whole.n);
		assert_refused(sequence_next(folder.fd, "bob", "chat", &n, &e), e, EX_CONFIG);
		whole.p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_contains(e.text, "bob.chat");
	assert_contains(e.text, "hint:");
	for (size_t i = 0; i < whole.n; i++) {
		spew("bob.chat", whole.p, i);
		assert_refused(sequence_next(folder.fd, "bob", "chat", &n, &e), e, EX_CONFIG);
	}
	slurp("bob.chat", &now); /* and nothing was made of it */
	assert_int_equal(now.n, whole.n - 1);
	assert_int_equal(buf_append(&whole, "", 1), 0);
	spew("bob.chat", whole.p, whole.n);
	assert_refused(sequence_next(folder.fd, "bob", "chat", &n, &e), e, EX_CONFIG);
	buf_free(&whole);
	buf_free(&now);
}

static void other_things_in_its_place(void **state)
{
	struct sequence_number n;
	char *large = calloc(1, 200000);

	(void)state;
	assert_int_equal(mkdirat(folder.fd, "bob.chat", 0700), 0);
	assert_refused(sequence_next(folder.fd, "bob", "chat", &n, &e), e, EX_CONFIG);
	assert_int_equal(mkfifoat(folder.fd, "bob.mail", 0600), 0);
	assert_refused(sequence_next(folder.fd, "bob", "mail", &n, &e), e, EX_CONFIG);
	assert_non_null(large);
	spew("carol.chat", large, 200000);
	free(large);
	assert_refused(sequence_next(folder.fd, "carol", "chat", &n, &e), e, EX_CONFIG);
}

static void names_that_are_none(void **state)
{
	static const char *const contacts[] = {"", "..", "a/b", "A", "x.y"};
	static const char *const kinds[] = {"", "a/b", "Chat", "ninechars", "a.b"};
	struct sequence_number n;

	(void)state;
	for (size_t i = 0; i < COUNT(contacts); i++) {
		assert_refused(
			sequence_next(folder.fd, contacts[i], "chat", &n, &e), e, EX_SOFTWARE);
		assert_refused(sequence_next(folder.fd, "bob", kinds[i], &n, &e), e, EX_SOFTWARE);
	}
	assert_int_equal(count_names("."), 0);
	assert_int_equal(next_of("a23456789012345678901234567890bc", "eightchr").number, 1);
	assert_int_equal(count_names("."), 1);
}

enum { CHILDREN = 4, EACH = 100 };

/* Each writes the numbers that it got, and takes what the others do not. */
static int count_in_child(int i)
{
	const uint8_t id[SEQUENCE_ID] = {(uint8_t)i};
	uint64_t got[EACH];
	char name[16];

	for (int k = 0; k < EACH; k++) {
		struct sequence_number n, number = {.number = (uint64_t)(i * EACH + k + 1)};
		struct sequence_taken t;
		uint8_t this_id[SEQUENCE_ID];
		memcpy(this_id, id, sizeof this_id);
		this_id[1] = (uint8_t)k;
		if (sequence_next(folder.fd, "bob", "chat", &n, &e) != 0 ||
			sequence_take(folder.fd, "bob", "chat", &number, this_id, &t, &e) != 0 ||
			t.how == SEQUENCE_REPEATED) {
			return 1;
		}
		got[k] = n.number;
	}
	(void)snprintf(name, sizeof name, "got%d", i);
	spew(name, got, sizeof got);
	return 0;
}

static void several_processes(void **state)
{
	bool seen[CHILDREN * EACH + 1] = {false};
	struct buf b = {0};
	uint64_t n;

	(void)state;
	run_children(CHILDREN, count_in_child);
	for (int i = 0; i < CHILDREN; i++) {
		char name[16];
		(void)snprintf(name, sizeof name, "got%d", i);
		slurp(name, &b);
		for (size_t k = 0; k < EACH; k++) {
			memcpy(&n, b.p + k * sizeof n, sizeof n);
			assert_in_range(n, 1, CHILDREN * EACH);
			assert_false(seen[n]);
			seen[n] = true;
		}
	}
	buf_free(&b);
	assert_missing((const uint8_t[SEQUENCE_STREAM]){0}, CHILDREN * EACH, NULL, 0);
	assert_int_equal(next_of("bob", "chat").number, CHILDREN * EACH + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("numbers rise from 1, by contact and kind", numbers_rise),
		T_FOLDER("whatever comes is told for what it is", each_is_told),
		T_FOLDER(
			"what is missing of an older stream stays missing", missing_of_all_streams),
		T_FOLDER("no more missing numbers are told than there is room for",
			missing_is_capped),
		T_FOLDER("a number is 1 to 2^63 - 1", limits_of_numbers),
		T_FOLDER("a thousand missing numbers are remembered", limits_of_gaps),
		T_FOLDER("eight streams are remembered", limits_of_streams),
		T_FOLDER("a thousand ids are remembered", limits_of_ids),
		T_FOLDER("of two with one number the second is known", second),
		T_FOLDER("what is forgiven is not missed any more", forgiven),
		T_FOLDER("at random it judges as a model does", as_a_model),
		T_FOLDER("no flipped bit and no cut goes unnoticed", damage_is_told),
		T_FOLDER("a folder, a FIFO or a large file is none", other_things_in_its_place),
		T_FOLDER("no contact and no kind leads elsewhere", names_that_are_none),
		T_FOLDER("several processes count together", several_processes),
	};
	return RUN(tests);
}
