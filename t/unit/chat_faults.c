/* Packets of chat when memory or random numbers are short: nothing is written in part, and nothing
 * that was read in part is handed out. */
#include "memory.h"

#include "chat.h"

static struct buf out;
static struct chat_message m, back;
static struct chat_receipt receipt_back;
static struct chat_offer offer;

static void begin(void)
{
	buf_free(&out);
	back = (struct chat_message){.kind = CHAT_TEXT};
	e = (struct err){0};
}

static int write_message(void)
{
	int rc = chat_write(&out, &alice.self, &bob.peer, &offer, &m, &e);

	assert_true(rc == 0 || out.n == 0);
	buf_free(&out);
	return rc;
}

static int write_sealed(void)
{
	int rc = chat_write_sealed(&out, &alice.self, &bob.peer, &m, &e);

	assert_true(rc == 0 || out.n == 0);
	buf_free(&out);
	return rc;
}

static int write_receipt(void)
{
	const struct chat_receipt r = {.highest = 3};
	int rc = chat_receipt_write(&out, &alice.self, &bob.peer, &r, &e);

	assert_true(rc == 0 || out.n == 0);
	buf_free(&out);
	return rc;
}

static int read_message(void)
{
	int rc = bob_reads(&back, packet.p, packet.n);

	assert_true(rc == 0 || back.body.p == NULL);
	buf_free(&back.body);
	return rc;
}

static int read_sealed(void)
{
	int rc = chat_read_sealed(&back, &bob.self, &alice.peer, sealed.p, sealed.n, &e);

	assert_true(rc == 0 || back.body.p == NULL);
	buf_free(&back.body);
	return rc;
}

static int read_receipt(void)
{
	return chat_receipt_read(&receipt_back, &bob.self, &alice.peer, receipt.p, receipt.n, &e);
}

/* What was written in spite of it is whole. */
static int write_all(void)
{
	return chat_write(&out, &alice.self, &bob.peer, &offer, &m, &e);
}

static void begin_with_room(void)
{
	begin();
	assert_int_equal(buf_reserve(&out, 4096), 0);
}

static void judge_written(int rc)
{
	assert_true(rc == 0 || e.code == EX_TEMPFAIL);
	if (rc == 0) {
		assert_int_equal(bob_reads(&back, out.p, out.n), 0);
		assert_same(&m, &back);
		buf_free(&back.body);
	}
	buf_free(&out);
}

/* No memory is never the packet's fault: it is tried again. */
static void judge(int rc)
{
	if (rc != 0 && e.code != EX_TEMPFAIL) {
		fail_msg("code %d: %s", e.code, e.text);
	}
}

static void short_of_memory(void **state)
{
	const struct attempt attempts[] = {{"a message", begin, write_message, judge},
		{"a whole message", begin_with_room, write_all, judge_written},
		{"a sealed one", begin, write_sealed, judge},
		{"a receipt", begin, write_receipt, judge},
		{"reading a message", begin, read_message, judge},
		{"reading a sealed one", begin, read_sealed, judge},
		{"reading a receipt", begin, read_receipt, judge}};

	(void)state;
	if (MEMORY_FAILS == 0) {
		print_message("# SKIPPED: the sanitizer holds the allocator\n");
		skip();
	}
	m = file_message("x", 1);
	offer = bobs_offer(7);
	for (size_t i = 0; i < COUNT(attempts); i++) {
		assert_true(fail_each_allocation(&attempts[i], false) > 3);
		assert_true(fail_each_allocation(&attempts[i], true) > 3);
	}
	buf_free(&m.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_PACKETS("no allocation that fails does harm", short_of_memory),
	};
	return RUN(tests);
}
