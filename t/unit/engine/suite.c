/* The suite's frame: which tests run, its chance, and what an observer sees. See suite.h. */
#include "suite.h"

const struct engine *engine;

/* --- chance --- */

static uint64_t state_now;

void chance_begin(uint64_t seed)
{
	state_now = seed;
}

/* splitmix64 */
uint32_t chance(uint32_t below)
{
	uint64_t z = state_now += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return (uint32_t)((z >> 32) * below >> 32);
}

uint64_t chance_seed(void)
{
	static uint64_t seed;
	static bool known;
	const char *told = getenv("SMTP361_SEED");

	if (!known && (told == NULL || parse_decimal(told, strlen(told), UINT64_MAX, &seed) != 0)) {
		uint32_t fresh = 0;
		(void)random_bytes(&fresh, sizeof fresh, NULL);
		seed = fresh;
	}
	known = true;
	return seed;
}

/* --- running --- */

static size_t take_part(const struct suite_part *part, struct CMUnitTest *out)
{
	size_t n = 0;

	for (size_t i = 0; i < part->n; i++) {
		if (part->tests[i].whole && !engine->whole) {
			print_message("# LEFT OUT: the %s engine does not keep it yet: %s\n",
				engine->name, part->tests[i].test.name);
		} else {
			out[n++] = part->tests[i].test;
		}
	}
	return n;
}

int suite_run(const struct engine *of, const struct CMUnitTest *own, size_t own_n)
{
	static struct CMUnitTest tests[200];
	const struct suite_part *const parts[] = {&suite_deliver, &suite_list, &suite_read,
		&suite_limits, &suite_once, &suite_processes, &suite_behind, &suite_model};
	size_t n = 0;

	engine = of;
	print_message("# SMTP361_SEED=%llu\n", (unsigned long long)chance_seed());
	for (size_t i = 0; i < COUNT(parts); i++) {
		if (parts[i]->n > COUNT(tests) - n) {
			return 1;
		}
		n += take_part(parts[i], tests + n);
	}
	if (own_n > COUNT(tests) - n) {
		return 1;
	}
	for (size_t i = 0; i < own_n; i++) {
		tests[n++] = own[i];
	}
	return _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
}

/* --- observing --- */

struct sight {
	struct mailbox *m;
	const char *user;
	struct buf seen;
	bool arrivals;
};

static void see(struct buf *b, const void *p, size_t n)
{
	assert_int_equal(buf_append(b, p, n), 0);
}

static void see_text(struct sight *s, const struct mailbox_ref *ref)
{
	struct mailbox_reader *r;
	uint64_t size;
	struct err why = {0};
	int rc = s->m->ops->open(s->m, s->user, ref, &r, &size, &why);

	see(&s->seen, &why.code, sizeof why.code);
	if (rc == 0) {
		assert_int_equal(buf_reserve(&s->seen, size), 0);
		assert_int_equal(s->m->ops->read(r, 0, s->seen.p + s->seen.n, size, &why), 0);
		s->seen.n += size;
		s->m->ops->done(r);
	}
}

static int see_row(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct sight *s = arg;
	uint8_t damaged = meta->damaged ? 1 : 0;

	see(&s->seen, meta->id, sizeof meta->id);
	see(&s->seen, &meta->time_us, sizeof meta->time_us);
	see(&s->seen, &meta->chars, sizeof meta->chars);
	see(&s->seen, &meta->bytes, sizeof meta->bytes);
	see(&s->seen, &meta->index, sizeof meta->index);
	see(&s->seen, &damaged, sizeof damaged);
	see(&s->seen, meta->source, strlen(meta->source) + 1);
	see(&s->seen, meta->title, strlen(meta->title) + 1);
	if (!s->arrivals) {
		see_text(s, ref);
	}
	return 0;
}

struct buf snapshot(struct mailbox *m)
{
	struct sight s = {.m = m};
	struct mailbox_usage u;
	struct err why;

	for (char user[] = "client1"; user[6] < '1' + SUITE_USERS; user[6]++) {
		s.user = user;
		s.arrivals = false;
		assert_int_equal(m->ops->list(m, user, NULL, see_row, &s, &why), 0);
		s.arrivals = true;
		assert_int_equal(m->ops->list_behind(m, user, NULL, see_row, &s, &why), 0);
		assert_int_equal(m->ops->usage(m, user, &u, &why), 0);
		see(&s.seen, &u.messages, sizeof u.messages);
		see(&s.seen, &u.bytes, sizeof u.bytes);
	}
	return s.seen;
}
