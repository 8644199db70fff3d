/* Texts whose size is told ahead, on the classic wire; and the table of its dialects. */
#include "wire.h"

#include "../../proto/classic_dialect.h"

enum { MAX = 1000 };

/* The pauses ahead of texts, counted in place of being waited for. */
static int pauses;

int counted_poll(struct pollfd *p, nfds_t n, int ms) __asm__("poll");
int counted_poll(struct pollfd *p, nfds_t n, int ms)
{
	(void)p;
	assert_int_equal(n, 0);
	assert_int_equal(ms, 50);
	pauses++;
	return 0;
}

static struct buf got;

static enum classic_got receive(const char *size, size_t max)
{
	struct buf told = {.p = (uint8_t *)(uintptr_t)size, .n = strlen(size)};

	buf_free(&got);
	return classic_recv_sized(&a, &told, &got, max, &e);
}

static void assert_whole(const void *text, size_t n, size_t size)
{
	char told[24];

	(void)snprintf(told, sizeof told, "%zu", size);
	assert_int_equal(send_bytes(text, n), 0);
	if (receive(told, MAX) != CLASSIC_WHOLE) {
		fail_msg("%zu bytes, told %zu: %s", n, size, e.text);
	}
	assert_int_equal(got.n, n);
	assert_memory_equal(got.p, text, n);
}

/* The size of the cipher text, that of the plain text, and what is smaller. */
static void hints(void **state)
{
	uint8_t text[100];

	(void)state;
	memset(text, 'x', sizeof text);
	for (size_t n = 0; n <= sizeof text; n++) {
		assert_whole(text, n, aes_padded_len(n));
		assert_whole(text, n, n);
		assert_whole(text, n, n / 2);
		assert_whole(text, n, 0);
	}
	assert_next();
}

static void hints_by_byte(void **state)
{
	a_conn.recv = one_byte;
	hints(state);
}

/* Blocks ahead of the size may look like an end; the one at the size is the end. */
static void looks_like_padding(void **state)
{
	uint8_t text[64];

	(void)state;
	memset(text, 16, sizeof text);
	text[63] = 'x';
	assert_whole(text, sizeof text, 80);
	assert_whole(text, sizeof text, 64);
	assert_next();
}

static void too_large_sizes(void **state)
{
	static const char *const sizes[] = {"", "-1", "+1", " 1", "1 ", "01", "1e9", "0x10", "1\n",
		"1009", "1000000000", "18446744073709551615", "18446744073709551616",
		"99999999999999999999", "x"};

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(send_bytes("text", 4), 0);
		if (receive(sizes[i], MAX) != CLASSIC_FAULTY || e.code != EX_DATAERR) {
			fail_msg("\"%s\": %d, %s", sizes[i], e.code, e.text);
		}
		assert_int_equal(got.cap, 0);
		assert_next();
	}
}

static void limits(void **state)
{
	uint8_t text[MAX + 200];

	(void)state;
	memset(text, 'x', sizeof text);
	assert_whole(text, MAX, 1008); /* the largest size that can be told */
	for (size_t n = MAX + 1; n <= sizeof text; n++) {
		assert_int_equal(send_bytes(text, n), 0);
		assert_int_equal(receive("100", MAX), CLASSIC_FAULTY);
		assert_int_equal(e.code, EX_DATAERR);
		assert_contains(e.text, "longer");
		assert_next();
	}
}

static void too_little(void **state)
{
	(void)state;
	assert_int_equal(send_bytes("text", 4), 0);
	assert_int_equal(receive("17", MAX), CLASSIC_FAULTY);
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_next();
}

static void ends(void **state)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 32};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint8_t text[32];
		memset(text, 'x', sizeof text);
		aes_ecb_encrypt(&b.aes, text, sizeof text);
		assert_int_equal(conn_write(&b_conn, text, sizes[i], &e), 0);
		conn_close(&b_conn);
		assert_int_equal(receive("10", MAX), CLASSIC_BROKEN);
		(void)close_pair(state);
		assert_int_equal(open_pair(state), 0);
	}
}

/* --- e-mails that are whole --- */

static struct buf content;
static uint64_t chars;
static int head_answer;

static int take_head(void *arg, const struct message_head *h, const uint8_t *bytes, struct err *err)
{
	(void)arg;
	(void)bytes;
	chars = h->length;
	return head_answer < 0 ? err_set(err, EX_TEMPFAIL, "head") : head_answer;
}

static int take_content(void *arg, const void *p, size_t n, struct err *err)
{
	(void)arg;
	(void)err;
	return buf_append(&content, p, n);
}

static enum classic_got take(const char *head, const char *text)
{
	const struct classic_mail mail = {.head = take_head, .content = take_content};
	struct buf whole = {0};
	enum classic_got how;

	buf_free(&content);
	assert_int_equal(buf_append_str(&whole, head), 0);
	assert_int_equal(buf_append_str(&whole, text), 0);
	how = classic_take_mail(&whole, &mail, &e);
	buf_free(&whole);
	return how;
}

#define HEAD "From: a\nTo: b\nTitle: x\nContent Length: 999\nContent: "

static void mails(void **state)
{
	(void)state;
	head_answer = 0;
	assert_int_equal(take(HEAD, "h\xc3\xa9llo \xe2\x98\x95"), CLASSIC_WHOLE);
	assert_true(chars == 7);
	assert_int_equal(content.n, 10);
	assert_int_equal(take(HEAD, ""), CLASSIC_WHOLE);
	assert_true(chars == 0 && content.n == 0);
	assert_int_equal(take(HEAD, "cut \xc3"), CLASSIC_FAULTY);
	assert_contains(e.text, "UTF-8");
	assert_int_equal(take("From: a\n", "text"), CLASSIC_FAULTY);
	assert_int_equal(take("", ""), CLASSIC_FAULTY);
	head_answer = 1;
	assert_int_equal(take(HEAD, "text"), CLASSIC_DROPPED);
	assert_int_equal(content.n, 0);
	head_answer = -1;
	assert_int_equal(take(HEAD, "text"), CLASSIC_BROKEN);
	head_answer = 0;
	buf_free(&content);
}

/* The third line does not count: it is not stored. */
static void head_limits(void **state)
{
	struct buf head = {0};
	const char *rest = "\nTitle: x\nContent Length: \nContent: ";

	(void)state;
	/* as sent in the spec dialect: the digit of its length, a LF in place of the blank */
	for (size_t n = MESSAGE_HEAD_MAX - 1; n <= MESSAGE_HEAD_MAX; n++) {
		for (int third = 0; third < 2; third++) {
			buf_free(&head);
			assert_int_equal(buf_append_str(&head, "From: a\nTo: b"), 0);
			while (head.n + strlen(rest) < n) {
				assert_int_equal(buf_append_str(&head, ";"), 0);
			}
			assert_int_equal(buf_append_str(&head, third ? "\nany line" : ""), 0);
			assert_int_equal(buf_append(&head, rest, strlen(rest) + 1), 0);
			assert_int_equal(take((const char *)head.p, "x"),
				n < MESSAGE_HEAD_MAX ? CLASSIC_WHOLE : CLASSIC_FAULTY);
		}
	}
	buf_free(&head);
	buf_free(&content);
}

/* --- pauses --- */

static void gaps(void **state)
{
	uint8_t *large = calloc(1, 3 * CLASSIC_BUF);

	(void)state;
	pauses = 0;
	assert_int_equal(classic_send(&b, "one", &e), 0);
	assert_int_equal(classic_send(&b, "two", &e), 0);
	assert_int_equal(pauses, 0); /* the spec dialect has none */
	b.gap_ms = classic_dialect_find("python")->gap_ms;
	assert_int_equal(classic_send(&b, "three", &e), 0);
	assert_int_equal(pauses, 1);
	assert_non_null(large);
	assert_int_equal(send_bytes(large, 3 * CLASSIC_BUF), 0);
	assert_int_equal(pauses, 2); /* one ahead of a text, and none inside it */
	free(large);
	b.spoke = true;
	assert_int_equal(classic_send(&a, "answer", &e), 0);
	struct buf text = {0};
	assert_int_equal(classic_recv(&b, &text, 100, 0, &e), 0);
	assert_int_equal(classic_send(&b, "the other side spoke", &e), 0);
	assert_int_equal(pauses, 2);
	buf_free(&text);
}

/* --- keys --- */

static void keys(void **state)
{
	static const uint8_t any[64];

	for (size_t n = 0; n <= sizeof any; n++) {
		bool fits = n == 16 || n == 24 || n == 32;
		assert_int_equal(classic_init_key(&a, &a_conn, any, n), fits ? 0 : -1);
		if (fits) {
			assert_int_equal(classic_init_key(&b, &b_conn, any, n), 0);
			assert_next();
		}
	}
	(void)state;
}

/* --- the table --- */

static void names(void **state)
{
	(void)state;
	assert_ptr_equal(classic_dialect_find("spec"), classic_spec);
	assert_string_equal(classic_spec->port, CONN_DEFAULT_PORT);
	assert_string_equal(classic_dialect_find("python")->port, "12049");
	assert_null(classic_dialect_find(""));
	assert_null(classic_dialect_find("Python"));
	assert_null(classic_dialect_find("pythons"));
}

/* Every step of every dialect is said by the side that can say it. */
static void assert_steps(const struct classic_step *s)
{
	static const enum classic_who sayers[CLASSIC_WHATS] = {
		[CLASSIC_ASK] = CLASSIC_S, [CLASSIC_INDEX] = CLASSIC_C, [CLASSIC_LIST] = CLASSIC_S};
	size_t n = 0;

	for (; s[n].what != CLASSIC_END; n++) {
		assert_true(n + 1 < CLASSIC_STEPS);
		assert_true(s[n].what < CLASSIC_WHATS);
		if (s[n].what == CLASSIC_SAY || s[n].what == CLASSIC_ASK) {
			assert_non_null(s[n].text);
		}
		if (s[n].what != CLASSIC_SAY && s[n].what != CLASSIC_MAIL) {
			assert_int_equal(s[n].who, sayers[s[n].what]);
		}
	}
}

static void tables(void **state)
{
	char name[16];
	const char *at = classic_dialect_names;
	int n = 0, used = 0;

	(void)state;
	while (sscanf(at, "%15s%n", name, &used) == 1) {
		const struct classic_dialect *d = classic_dialect_find(name);
		assert_non_null(d);
		assert_steps(d->opening);
		assert_steps(d->send);
		assert_steps(d->list);
		assert_steps(d->view);
		at += used;
		n++;
	}
	assert_int_equal(n, 2);
}

/* --- a walk --- */

static char walked[200];

static void note(const char *how, const struct classic_step *step)
{
	size_t n = strlen(walked);

	(void)snprintf(walked + n, sizeof walked - n, "%s %d; ", how, (int)step->what);
}

static int put(void *arg, const struct classic_step *step, struct err *err)
{
	(void)arg;
	(void)err;
	note("put", step);
	return 0;
}

static int take_step(void *arg, const struct classic_step *step, struct err *err)
{
	(void)err;
	note("take", step);
	return step->what == CLASSIC_INDEX ? *(int *)arg : 0;
}

static void walks(void **state)
{
	static const struct classic_side server = {.who = CLASSIC_S,
		.put = {[CLASSIC_ASK] = put, [CLASSIC_MAIL] = put},
		.take = {[CLASSIC_INDEX] = take_step}};
	static const char *const want[] = {
		"put 2; take 3; ", "put 2; take 3; put 5; ", "put 2; take 3; "};

	(void)state;
	for (int rc = -1; rc <= 1; rc++) {
		walked[0] = '\0';
		assert_int_equal(classic_walk(&server, classic_spec->view, &rc, &e), rc);
		assert_string_equal(walked, want[rc + 1]);
	}
}

static int tidy(void **state)
{
	(void)state;
	buf_free(&got);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_PAIR("a size of the cipher text, of the plain text, or less is taken", hints),
		T_PAIR("... and so it is a byte at a time", hints_by_byte),
		T_PAIR("what looks like an end ahead of the size is none", looks_like_padding),
		T_PAIR("a size that is none allocates nothing, and the session lives",
			too_large_sizes),
		T_PAIR("a text of the limit is taken, a longer one read to its end", limits),
		T_PAIR("less than the size is told, and the session lives", too_little),
		T_PAIR("a connection that ends inside a text is of no use", ends),
		T("an e-mail's characters are counted, whatever it says of them", mails),
		T("its header is as long as the stored one may be", head_limits),
		T_PAIR("a pause stands between two texts of one side, where the dialect has it",
			gaps),
		T_PAIR("keys of 16, 24 and 32 bytes open a wire, and no others", keys),
		T("a dialect is found by its name", names),
		T("every step can be said by its side", tables),
		T("a walk puts what is its own, takes what is not, and ends where a step says",
			walks),
	};
	return cmocka_run_group_tests(tests, NULL, tidy);
}
