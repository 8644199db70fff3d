/* Every engine: a delivery is whole, in each mailbox named, or nowhere. */
#include "suite.h"

static void one_recipient(void **state)
{
	(void)state;
	assert_int_equal(deliver("Test", "Welcome", "client2"), 0);
	assert_int_equal(list("client2"), 1);
	assert_string_equal(rows[0].meta.source, "client1");
	assert_string_equal(rows[0].meta.title, "Test");
	assert_int_equal(rows[0].meta.chars, 7);
	assert_int_equal(rows[0].meta.bytes, last.bytes);
	assert_int_equal(rows[0].meta.index, 1);
	assert_int_equal(rows[0].meta.time_us, last.time_us);
	assert_memory_equal(rows[0].meta.id, last.id, sizeof last.id);
	assert_memory_equal(rows[0].ref.id, last.id, sizeof last.id);
	assert_false(rows[0].meta.damaged);
	assert_true(row_holds("client2", 0, "Title: Test\nContent Length: 7\nContent:\nWelcome"));
	assert_int_equal(list("client1"), 0);
}

static void five_recipients(void **state)
{
	(void)state;
	for (int k = 1; k <= 3; k++) {
		assert_int_equal(deliver("All", "to everybody", ALL_FIVE), 0);
		for (char user[] = "client1"; user[6] <= '5'; user[6]++) {
			assert_int_equal(list(user), k);
			assert_memory_equal(rows[k - 1].meta.id, last.id, sizeof last.id);
			assert_true(row_holds(user, k - 1, "\nto everybody"));
			assert_usage(user, (uint64_t)k, (uint64_t)k * last.bytes);
		}
	}
}

static void thousand_recipients(void **state)
{
	struct buf to = {0};
	char user[16];

	(void)state;
	for (int i = 0; i < USERS_LIST_MAX; i++) {
		(void)snprintf(user, sizeof user, "u%d", i);
		assert_int_equal(box->ops->prepare(box, user, &e), 0);
		assert_int_equal(buf_append_str(&to, i == 0 ? "" : ";"), 0);
		assert_int_equal(buf_append_str(&to, user), 0);
	}
	assert_int_equal(buf_append(&to, "", 1), 0);
	assert_int_equal(deliver("Many", "x", (const char *)to.p), 0);
	for (int i = 0; i < USERS_LIST_MAX; i++) {
		(void)snprintf(user, sizeof user, "u%d", i);
		assert_int_equal(list(user), 1);
		assert_memory_equal(rows[0].meta.id, last.id, sizeof last.id);
		assert_int_equal(rows[0].meta.bytes, last.bytes);
	}
	assert_true(row_holds("u0", 0, "\nx"));
	assert_true(row_holds("u999", 0, "\nx"));
	buf_free(&to);
	assert_all_empty();
}

/* Is the message in row i this content, behind a head of as many bytes as was told? */
static void assert_content(const char *user, int i, const char *content, size_t n)
{
	struct buf b = text_of_row(user, i);

	assert_int_equal(b.n, rows[i].meta.bytes);
	assert_true(b.n >= n && memcmp(b.p + b.n - n, content, n) == 0);
	assert_true(b.n - n >= 9 && memcmp(b.p + b.n - n - 9, "Content:\n", 9) == 0);
	buf_free(&b);
}

static char *letters(size_t n, uint32_t seed)
{
	char *p = malloc(n + 1);

	assert_non_null(p);
	fill_pattern((uint8_t *)p, n, seed);
	for (size_t i = 0; i < n; i++) {
		p[i] = (char)('a' + (p[i] & 15));
	}
	p[n] = '\0';
	return p;
}

static void sizes_in_pieces(void **state)
{
	static const struct {
		size_t n, piece;
	} sizes[] = {{0, 1}, {1, 1}, {2, 1}, {4096, 4095}, {65535, 7000}, {65536, 65536},
		{65537, 65536}, {65537, 1000}, {131072, 65537}, {300, 1}, {1 << 20, 16384},
		{(1 << 20) + 1, 1 << 20}, {3000000, 65521}};

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		char *content = letters(sizes[i].n, (uint32_t)i);
		assert_int_equal(post(&(struct letter){.title = "Size",
					 .content = content,
					 .to = i % 2 == 0 ? "client1" : "client1;client2",
					 .piece = sizes[i].piece}),
			0);
		assert_int_equal(list("client1"), i + 1);
		assert_int_equal(rows[i].meta.chars, sizes[i].n);
		assert_content("client1", (int)i, content, sizes[i].n);
		free(content);
	}
	reopen();
	for (size_t i = 0; i < COUNT(sizes); i++) {
		char *content = letters(sizes[i].n, (uint32_t)i);
		assert_int_equal(list("client1"), COUNT(sizes));
		assert_content("client1", (int)i, content, sizes[i].n);
		free(content);
	}
}

static void all_is_empty(void **state)
{
	(void)state;
	assert_int_equal(deliver("", "", "client1"), 0);
	assert_int_equal(list("client1"), 1);
	assert_string_equal(rows[0].meta.title, "");
	assert_int_equal(rows[0].meta.chars, 0);
	assert_true(row_holds("client1", 0, "Content Length: 0\nContent:\n"));
}

/* --- drafts --- */

static void begin(struct mailbox_draft **d, size_t head_n)
{
	*d = NULL;
	if (box->ops->begin(box, head_n, d, &e) != 0) {
		fail_msg("begin: %s", e.text);
	}
	assert_non_null(*d);
}

static void discarded(void **state)
{
	struct mailbox_draft *d;

	(void)state;
	for (int pieces = 0; pieces < 3; pieces++) {
		begin(&d, 10);
		for (int i = 0; i < pieces; i++) {
			assert_int_equal(box->ops->append(d, "some content", 12, &e), 0);
		}
		assert_all_empty();
		box->ops->discard(d);
		assert_all_empty();
	}
	box->ops->discard(NULL);
	reopen();
	assert_all_empty();
}

static void draft_left_open(void **state)
{
	struct mailbox_draft *d;

	(void)state;
	begin(&d, 100);
	assert_int_equal(box->ops->append(d, "nobody sees it", 14, &e), 0);
	assert_int_equal(deliver("Other", "x", "client1;client2"), 0);
	assert_int_equal(list("client1"), 1);
	assert_int_equal(box->ops->recover(box, &e), 0); /* a live draft is not what a crash left */
	assert_int_equal(box->ops->append(d, "still", 5, &e), 0);
	box->ops->discard(d);
	assert_int_equal(list("client1"), 1);
	assert_int_equal(list("client2"), 1);
}

static void two_drafts(void **state)
{
	struct mailbox_meta meta[2] = {{.source = "client1", .title = "first", .chars = 8},
		{.source = "client2", .title = "second", .chars = 8}};
	struct mailbox_draft *d[2];
	struct buf head[2] = {{0}, {0}};
	struct users_list to;
	bool was_sent;

	(void)state;
	assert_int_equal(users_split(&to, "client3;client4", 15, &e), 0);
	for (int i = 0; i < 2; i++) {
		make_id(meta[i].id, 77 + (uint32_t)i);
		meta[i].time_us = 1000000 * (2 - i);
		assert_int_equal(message_format(&head[i], message_text(meta[i].source),
					 message_text("client3;client4"), meta[i].time_us,
					 message_text(meta[i].title), meta[i].chars),
			0);
		begin(&d[i], head[i].n);
	}
	for (int k = 0; k < 4; k++) { /* in turns */
		assert_int_equal(box->ops->append(d[0], "a", 1, &e), 0);
		assert_int_equal(box->ops->append(d[1], "bb", k < 4 ? 2 : 0, &e), 0);
		assert_int_equal(box->ops->append(d[0], "c", 1, &e), 0);
	}
	for (int i = 0; i < 2; i++) {
		struct mailbox_delivery v = {.meta = &meta[i], .head = head[i].p, .to = &to};
		assert_int_equal(box->ops->deliver(d[i], &v, &was_sent, &e), 0);
		assert_false(was_sent);
		assert_int_equal(list("client3"), i + 1);
		box->ops->discard(d[i]);
		buf_free(&head[i]);
	}
	users_list_free(&to);
	assert_int_equal(list("client4"), 2);
	assert_string_equal(rows[0].meta.title, "second");
	assert_true(row_holds("client4", 0, "\nbbbbbbbb"));
	assert_true(row_holds("client4", 1, "\nacacacac"));
}

/* --- refusals --- */

static void missing_mailbox(void **state)
{
	static const char *const to[] = {"gone", "gone;client1;client2", "client1;gone;client2",
		"client1;client2;gone", ALL_FIVE ";gone"};

	(void)state;
	for (size_t i = 0; i < COUNT(to); i++) {
		for (int once = 0; once < 2; once++) {
			struct letter l = {
				.title = "T", .content = "x", .to = to[i], .once = once == 1};
			assert_refused(post(&l), e, EX_TEMPFAIL);
			assert_contains(e.text, "gone");
			assert_all_empty();
		}
	}
	reopen();
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_all_empty(); /* not at the next start either */
	assert_int_equal(deliver("T", "y", "client1"), 0);
	assert_int_equal(list("client1"), 1);
	assert_true(row_holds("client1", 0, "y"));
}

static void nothing_to_open(void **state)
{
	struct mailbox_ref ref = {.where = 0};
	struct mailbox_usage u;
	struct mailbox_meta meta;
	struct mailbox_reader *r;
	uint64_t size;

	(void)state;
	assert_refused(box->ops->list(box, "gone", NULL, visit_row, NULL, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "gone");
	assert_refused(
		box->ops->list_behind(box, "gone", NULL, visit_row, NULL, &e), e, EX_TEMPFAIL);
	assert_refused(box->ops->usage(box, "gone", &u, &e), e, EX_TEMPFAIL);
	assert_refused(box->ops->find(box, "gone", ref.id, &meta, &ref, &e), e, EX_TEMPFAIL);
	assert_refused(box->ops->open(box, "gone", &ref, &r, &size, &e), e, EX_TEMPFAIL);
	assert_refused(box->ops->remove(box, "gone", &ref, &e), e, EX_TEMPFAIL);
	prepare("gone");
	assert_int_equal(list("gone"), 0);
	assert_usage("gone", 0, 0);
}

static void prepared_again(void **state)
{
	(void)state;
	assert_int_equal(deliver("T", "x", "client1"), 0);
	for (int i = 0; i < 3; i++) {
		prepare("client1");
		prepare("fresh");
	}
	assert_int_equal(list("client1"), 1);
	assert_int_equal(deliver("T", "y", "fresh;client1"), 0);
	assert_int_equal(list("fresh"), 1);
	assert_int_equal(list("client1"), 2);
}

/* --- titles and names --- */

static void equal_titles(void **state)
{
	enum { MANY = 300 };
	char content[32];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(content, sizeof content, "number %d", i);
		assert_int_equal(deliver_at("T", content, "client1", 1000000 + i), 0);
	}
	assert_int_equal(deliver_at("T~2", "other", "client1", 2000000), 0); /* as a copy's name */
	for (int restarted = 0; restarted < 2; restarted++) {
		assert_int_equal(list("client1"), MANY + 1);
		for (int i = 0; i < MANY; i += restarted == 0 ? 1 : 7) {
			(void)snprintf(content, sizeof content, "\nnumber %d", i);
			assert_string_equal(rows[i].meta.title, "T");
			assert_true(row_holds("client1", i, content));
		}
		assert_string_equal(rows[MANY].meta.title, "T~2");
		reopen();
	}
}

static void hostile_titles(void **state)
{
	static const char *const titles[] = {"a/b", "/etc/passwd", "../../x", "..", ".", "",
		".index", "../.index", "%", "%2F", "\x01\x1b[2J\x7f\t", "~2", "\xe2\x80\xae", "con",
		"a\\b", " "};
	char longest[MAILBOX_TITLE_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(titles); i++) {
		assert_int_equal(deliver(titles[i], "x", "client1"), 0);
	}
	for (size_t i = 0; i < MAILBOX_TITLE_BYTES; i += 4) {
		memcpy(longest + i, "\xf0\x9f\x98\x80", 5);
	}
	assert_int_equal(deliver(longest, "x", "client1"), 0);
	assert_int_equal(deliver(longest, "x", "client1"), 0);
	int stored = (int)COUNT(titles) + 2;
	for (int restarted = 0; restarted < 2; restarted++) {
		assert_int_equal(list("client1"), stored);
		for (size_t i = 0; i < COUNT(titles); i++) {
			assert_string_equal(rows[i].meta.title, titles[i]);
			assert_true(row_holds("client1", (int)i, "\nx"));
		}
		assert_string_equal(rows[stored - 1].meta.title, longest);
		assert_string_equal(rows[stored - 2].meta.title, longest);
		reopen();
	}
}

static void longest_names(void **state)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyz012345";

	(void)state;
	assert_int_equal(strlen(name), USER_NAME_MAX);
	prepare(name);
	assert_int_equal(post(&(struct letter){.title = "\xc3\xa9",
				 .content = "\xc3\xa9\xe2\x82\xac",
				 .from = name,
				 .to = name}),
		0);
	assert_int_equal(list(name), 1);
	assert_string_equal(rows[0].meta.source, name);
	assert_int_equal(rows[0].meta.chars, 2);
	assert_int_equal(rows[0].meta.bytes, last.bytes);
	assert_true(row_holds(name, 0, "\n\xc3\xa9\xe2\x82\xac"));
}

static const struct suite_test tests[] = {
	S("a message to one is listed and whole", one_recipient),
	S("a message to five is in each mailbox", five_recipients),
	S("a message to a thousand is in each mailbox", thousand_recipients),
	S("content of every size comes back, in whatever pieces it came", sizes_in_pieces),
	S("an empty message without a title is one", all_is_empty),
	S("a discarded draft leaves nothing", discarded),
	S("an open draft is seen by nobody, and recovering leaves it alone", draft_left_open),
	S("two drafts that are written in turns do not mix", two_drafts),
	S("a missing mailbox: try later, nothing is left anywhere", missing_mailbox),
	S("whatever is asked of a missing mailbox: try later", nothing_to_open),
	S("to prepare a mailbox again changes nothing in it", prepared_again),
	S("three hundred equal titles are three hundred messages", equal_titles),
	S("hostile titles come back as they were", hostile_titles),
	S("the longest names, and characters of several bytes", longest_names),
};
const struct suite_part suite_deliver = S_PART(tests);
