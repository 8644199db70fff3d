/* Every engine: thousands of random operations, and a plain model that must agree with it. What
 * goes wrong comes again with the same SMTP361_SEED (printed first); SMTP361_OPERATIONS is how
 * many. */
#include "suite.h"

enum { LETTERS_MAX = 200000, BOX_MAX = 60 };

/* A message that the model knows: delivered once, under this id. */
struct known {
	uint8_t id[MAILBOX_ID_BYTES];
	int64_t time_us;
	char title[24];
	const char *from;
	uint64_t n, bytes;
	uint32_t seed; /* of its content */
	bool once, delivered;
};

static struct known *known;
static uint32_t known_n;
static uint32_t *held[SUITE_USERS]; /* in the order of arrival, indices of known */
static uint32_t held_n[SUITE_USERS];
static int at; /* which operation */

static const char *const users[] = {"client1", "client2", "client3", "client4", "client5"};

#define AGREE(condition)                                                          \
	do {                                                                      \
		if (!(condition)) {                                               \
			fail_msg("operation %d of SMTP361_SEED=%llu: not %s", at, \
				(unsigned long long)chance_seed(), #condition);   \
		}                                                                 \
	} while (0)

static char *content_of(const struct known *k)
{
	char *p = malloc(k->n + 1);

	assert_non_null(p);
	fill_pattern((uint8_t *)p, k->n, k->seed);
	for (uint64_t i = 0; i < k->n; i++) {
		p[i] = (char)('0' + (p[i] & 63));
	}
	p[k->n] = '\0';
	return p;
}

static struct mailbox_usage used(uint32_t u)
{
	struct mailbox_usage sum = {held_n[u], 0};

	for (uint32_t i = 0; i < held_n[u]; i++) {
		sum.bytes += known[held[u][i]].bytes;
	}
	return sum;
}

/* --- delivering --- */

static uint64_t any_size(void)
{
	uint32_t kind = chance(100);

	return kind < 80   ? chance(200)
	       : kind < 95 ? chance(9000)
	       : kind < 99 ? 65000 + chance(1500) /* about where small ones end */
			   : chance(1500000);
}

/* A letter that was sent "once" before, or a new one. */
static struct known *any_letter(void)
{
	struct known *k = &known[known_n];

	for (int tries = 0; tries < 20 && known_n > 0 && chance(8) == 0; tries++) {
		uint32_t i = known_n - 1 - chance(known_n < 200 ? known_n : 200);
		if (known[i].once) {
			return &known[i];
		}
	}
	known_n++;
	make_id(k->id, chance(UINT32_MAX));
	put_u32le(k->id + 3, known_n); /* never one twice */
	k->time_us = chance(2) == 0 ? box->ops->now(box) : 1000000 * (1 + (int64_t)chance(40));
	(void)snprintf(k->title, sizeof k->title, chance(4) == 0 ? "Same" : "%u", known_n);
	k->from = users[chance(SUITE_USERS)];
	k->n = any_size();
	k->seed = chance(UINT32_MAX);
	k->once = chance(2) == 0;
	return k;
}

/* "client1;client4", with limits; *fits: as far as the model can tell. */
static bool any_recipients(
	char *to, size_t cap, uint32_t *set, struct mailbox_usage *limits, uint64_t *room)
{
	bool missing = chance(30) == 0;
	size_t n = 0;

	*set = chance(3) == 0 ? 1 + chance((1 << SUITE_USERS) - 1) : 1u << chance(SUITE_USERS);
	*room = UINT64_MAX; /* bytes that each has left */
	to[0] = '\0';
	for (uint32_t u = 0; u < SUITE_USERS; u++) {
		if ((*set >> u & 1) == 0) {
			continue;
		}
		struct mailbox_usage now = used(u);
		uint32_t kind = engine->whole ? chance(12) : 12;
		limits[n] = (struct mailbox_usage){kind == 0 ? now.messages + chance(2) : 0,
			kind == 1 ? now.bytes + chance(600) : 0};
		if (limits[n].messages > 0 && now.messages + 1 > limits[n].messages) {
			*room = 0;
		}
		if (limits[n].bytes > 0 && limits[n].bytes - now.bytes < *room) {
			*room = limits[n].bytes - now.bytes;
		}
		(void)snprintf(
			to + strlen(to), cap - strlen(to), "%s%s", n++ > 0 ? ";" : "", users[u]);
	}
	if (missing) {
		(void)snprintf(to + strlen(to), cap - strlen(to), ";gone");
		limits[n] = (struct mailbox_usage){0, 0};
	}
	return !missing;
}

static uint64_t head_bytes(const struct known *k, const char *to)
{
	struct buf head = {0};
	uint64_t n;

	assert_int_equal(message_format(&head, message_text(k->from), message_text(to), k->time_us,
				 message_text(k->title), k->n),
		0);
	n = head.n;
	buf_free(&head);
	return n;
}

enum { STORED, WAS_STORED, REFUSED, WRONG };

static int post_result(const struct letter *l)
{
	int rc = post(l);

	return rc == 0                 ? (sent_before ? WAS_STORED : STORED)
	       : e.code == EX_TEMPFAIL ? REFUSED
				       : WRONG;
}

/* In this process or in a child. */
static int post_somewhere(const struct letter *l)
{
	pid_t pid;

	if (chance(10) != 0) {
		return post_result(l);
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		_exit(post_result(l));
	}
	return end_child(pid);
}

static void do_deliver(void)
{
	struct mailbox_usage limits[SUITE_USERS + 1];
	struct known *k = any_letter();
	char to[128], *content = content_of(k);
	uint32_t set;
	uint64_t room;
	bool there = any_recipients(to, sizeof to, &set, limits, &room);
	uint64_t bytes = head_bytes(k, to) + k->n;
	int wanted = k->once && k->delivered  ? WAS_STORED
		     : there && room >= bytes ? STORED
					      : REFUSED;
	struct letter l = {.title = k->title,
		.content = content,
		.to = to,
		.from = k->from,
		.n = k->n,
		.piece = 1 + chance(70000),
		.time_us = k->time_us,
		.id = k->id,
		.once = k->once,
		.limits = chance(4) == 0 || room < UINT64_MAX ? limits : NULL};
	int got = post_somewhere(&l);

	AGREE(got == wanted);
	free(content);
	if (got == STORED) {
		k->delivered = true;
		k->bytes = bytes;
		for (uint32_t u = 0; u < SUITE_USERS; u++) {
			if ((set >> u & 1) != 0) {
				held[u][held_n[u]++] = (uint32_t)(k - known);
			}
		}
	}
}

/* --- listing --- */

static int order_of(const struct known *a, int64_t time_us, const uint8_t *id)
{
	int rc = (a->time_us > time_us) - (a->time_us < time_us);

	return rc != 0 ? rc : memcmp(a->id, id, MAILBOX_ID_BYTES);
}

static int by_time(const void *a, const void *b)
{
	const struct known *y = &known[*(const uint32_t *)b];

	return order_of(&known[*(const uint32_t *)a], y->time_us, y->id);
}

static uint32_t sorted[LETTERS_MAX];

static void sort_held(uint32_t u)
{
	memcpy(sorted, held[u], held_n[u] * sizeof *sorted);
	qsort(sorted, held_n[u], sizeof *sorted, by_time);
}

static void assert_row(const struct mailbox_meta *meta, uint32_t i, uint64_t index)
{
	const struct known *k = &known[i];

	AGREE(memcmp(meta->id, k->id, sizeof k->id) == 0);
	AGREE(meta->time_us == k->time_us);
	AGREE(meta->chars == k->n);
	AGREE(meta->bytes == k->bytes);
	AGREE(meta->index == index);
	AGREE(!meta->damaged);
	AGREE(strcmp(meta->source, k->from) == 0);
	AGREE(strcmp(meta->title, k->title) == 0);
}

static void do_list(void)
{
	uint32_t u = chance(SUITE_USERS), first = 0;
	struct mailbox_key from = {.time_us = 1000000 * (int64_t)chance(42)};

	if (held_n[u] > 0 && chance(2) == 0) {
		const struct known *k = &known[held[u][chance(held_n[u])]];
		from.time_us = k->time_us;
		memcpy(from.id, k->id, sizeof from.id);
		from.id[MAILBOX_ID_BYTES - 1] = (uint8_t)(k->id[MAILBOX_ID_BYTES - 1] + chance(3));
	}
	bool whole = chance(4) == 0;
	(void)list_from(users[u], whole ? NULL : &from);
	sort_held(u);
	while (!whole && first < held_n[u] &&
		order_of(&known[sorted[first]], from.time_us, from.id) < 0) {
		first++;
	}
	AGREE(rows_n == (int)(held_n[u] - first));
	for (int i = 0; i < rows_n; i++) {
		assert_row(&rows[i].meta, sorted[first + (uint32_t)i], first + (uint64_t)i + 1);
	}
}

static void do_list_behind(void)
{
	uint32_t u = chance(SUITE_USERS), first = 0;
	const uint8_t *after = NULL;

	if (held_n[u] > 0 && chance(4) != 0) {
		first = 1 + chance(held_n[u]);
		after = known[held[u][first - 1]].id;
	}
	rows_n = 0;
	AGREE(box->ops->list_behind(box, users[u], after, visit_row, NULL, &e) == 0);
	AGREE(rows_n == (int)(held_n[u] - first));
	for (int i = 0; i < rows_n; i++) {
		assert_row(&rows[i].meta, held[u][first + (uint32_t)i], rows[i].meta.index);
	}
}

/* --- one message --- */

static void read_some(struct mailbox_reader *r, const struct known *k, uint64_t size)
{
	char *content = content_of(k), *got = malloc(k->n + 1);
	uint64_t head = size - k->n;

	AGREE(box->ops->read(r, head, got, k->n, &e) == 0);
	AGREE(memcmp(got, content, k->n) == 0);
	for (int i = 0; i < 3 && k->n > 0; i++) {
		uint64_t from = chance((uint32_t)k->n), n = 1 + chance((uint32_t)(k->n - from));
		AGREE(box->ops->read(r, head + from, got, n, &e) == 0);
		AGREE(memcmp(got, content + from, n) == 0);
	}
	AGREE(box->ops->read(r, size - 1, got, 2, &e) == -1 && e.code == EX_NOINPUT);
	free(content);
	free(got);
}

/* A message of the user's, as a reference whose hint may be anything. */
static bool any_ref(uint32_t u, uint32_t *place, struct mailbox_ref *ref)
{
	struct mailbox_meta meta;
	uint32_t kind = chance(4);

	if (held_n[u] == 0) {
		return false;
	}
	*place = chance(held_n[u]);
	const struct known *k = &known[held[u][*place]];
	AGREE(box->ops->find(box, users[u], k->id, &meta, ref, &e) == 0);
	assert_row(&meta, held[u][*place], 0);
	ref->where = kind == 0 ? 0 : kind == 1 ? chance(UINT32_MAX) : ref->where;
	return true;
}

static void do_read(void)
{
	uint32_t u = chance(SUITE_USERS), place;
	struct mailbox_reader *r;
	struct mailbox_ref ref;
	uint64_t size;

	if (!any_ref(u, &place, &ref)) {
		return;
	}
	const struct known *k = &known[held[u][place]];
	AGREE(box->ops->open(box, users[u], &ref, &r, &size, &e) == 0);
	AGREE(size == k->bytes);
	read_some(r, k, size);
	box->ops->done(r);
}

static void do_remove(void)
{
	uint32_t u = chance(SUITE_USERS), place;
	struct mailbox_ref ref;
	int rc;

	if (!any_ref(u, &place, &ref)) {
		return;
	}
	rc = box->ops->remove(box, users[u], &ref, &e);
	AGREE(rc == 0);
	held_n[u]--;
	memmove(held[u] + place, held[u] + place + 1, (held_n[u] - place) * sizeof **held);
	AGREE(box->ops->remove(box, users[u], &ref, &e) == -1 && e.code == EX_NOINPUT);
}

/* One that this user never had, or has removed. */
static void do_miss(void)
{
	uint32_t u = chance(SUITE_USERS), i;
	struct mailbox_ref ref = {.where = chance(5000)};
	struct mailbox_reader *r;
	uint64_t size;

	if (known_n == 0) {
		return;
	}
	i = chance(known_n);
	for (uint32_t k = 0; k < held_n[u]; k++) {
		if (held[u][k] == i) {
			return;
		}
	}
	memcpy(ref.id, known[i].id, sizeof ref.id);
	AGREE(box->ops->open(box, users[u], &ref, &r, &size, &e) == -1 && e.code == EX_NOINPUT);
	AGREE(box->ops->remove(box, users[u], &ref, &e) == -1 && e.code == EX_NOINPUT);
	AGREE(box->ops->list_behind(box, users[u], ref.id, visit_row, NULL, &e) == -1 &&
		e.code == EX_NOINPUT);
}

/* --- the rest --- */

static void do_usage(void)
{
	for (uint32_t u = 0; u < SUITE_USERS; u++) {
		struct mailbox_usage wanted = used(u);
		assert_usage(users[u], wanted.messages, wanted.bytes);
	}
}

static void do_housekeeping(void)
{
	uint32_t kind = chance(20);

	if (kind == 0) {
		reopen();
	} else if (kind == 1) {
		AGREE(box->ops->recover(box, &e) == 0);
	} else {
		AGREE(box->ops->settle(box, &e) == 0);
	}
}

static void do_discard(void)
{
	struct mailbox_draft *d;

	AGREE(box->ops->begin(box, chance(1000), &d, &e) == 0);
	if (chance(2) == 0) {
		AGREE(box->ops->append(d, "never delivered", 15, &e) == 0);
	}
	box->ops->discard(d);
}

/* Everything, in every mailbox. */
static void checkpoint(void)
{
	struct mailbox_reader *r;
	uint64_t size;

	do_usage();
	for (uint32_t u = 0; u < SUITE_USERS; u++) {
		(void)list(users[u]);
		sort_held(u);
		AGREE(rows_n == (int)held_n[u]);
		for (int i = 0; i < rows_n; i++) {
			assert_row(&rows[i].meta, sorted[i], (uint64_t)i + 1);
			AGREE(box->ops->open(box, users[u], &rows[i].ref, &r, &size, &e) == 0);
			AGREE(size == rows[i].meta.bytes);
			read_some(r, &known[sorted[i]], size);
			box->ops->done(r);
		}
	}
}

static void one_operation(void)
{
	static const struct {
		uint32_t weight;
		void (*run)(void);
	} operations[] = {{35, do_deliver}, {12, do_remove}, {15, do_list}, {10, do_list_behind},
		{10, do_read}, {5, do_miss}, {4, do_usage}, {6, do_housekeeping}, {3, do_discard}};
	uint32_t which = chance(100), i = 0;

	for (uint32_t u = 0; u < SUITE_USERS; u++) {
		if (held_n[u] > BOX_MAX) {
			do_remove();
			return;
		}
	}
	while (which >= operations[i].weight) {
		which -= operations[i++].weight;
	}
	operations[i].run();
}

static void agrees_with_a_model(void **state)
{
	const char *told = getenv("SMTP361_OPERATIONS");
	uint64_t n = (uint64_t)engine->operations;

	(void)state;
	assert_true(told == NULL || parse_decimal(told, strlen(told), LETTERS_MAX, &n) == 0);
	known = calloc(n + 1, sizeof *known);
	known_n = 0;
	for (uint32_t u = 0; u < SUITE_USERS; u++) {
		held[u] = calloc(n + 1, sizeof *held[u]);
		held_n[u] = 0;
	}
	for (at = 1; at <= (int)n; at++) {
		one_operation();
		if (at % 250 == 0) {
			checkpoint();
		}
	}
	reopen();
	checkpoint();
	for (uint32_t u = 0; u < SUITE_USERS; u++) {
		free(held[u]);
	}
	free(known);
}

static const struct suite_test tests[] = {
	S("thousands of random operations agree with a plain model", agrees_with_a_model),
};
const struct suite_part suite_model = S_PART(tests);
