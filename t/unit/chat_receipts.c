/* Receipts, as they come: which one counts. Their numbers tell, for they only rise; Bob's clock may
 * have been wrong for a while, and a server may hand out an older receipt once more. */
#include "chat.h"

#include "../../cmd/chat_receive.h"

enum { DAY_AHEAD = 400 };
static const int64_t now = 1790000000000000, ahead = (int64_t)DAY_AHEAD * 86400 * 1000000;
static const uint8_t old_stream[CHAT_STREAM] = "stream-a", new_stream[CHAT_STREAM] = "stream-b";

static struct chat_desk desk;
static struct chat_contact bobs; /* Alice's chat with him */

static void open_desk(void)
{
	desk = (struct chat_desk){.dir = folder.fd, .self = alice.self};
	assert_int_equal(chat_contact_open(&bobs, &desk, "bob", &e), 0);
}

/* Alice wrote these, and they were sent. */
static void write_messages(const uint8_t *stream, uint64_t n)
{
	struct chat_note note = {.event = CHAT_EVENT_OUT, .kind = CHAT_TEXT, .time_us = now};

	memcpy(note.stream, stream, sizeof note.stream);
	for (note.number = 1; note.number <= n; note.number++) {
		assert_int_equal(chat_contact_add(&bobs, &note, "x", 1, NULL, &e), 0);
	}
}

/* A receipt of Bob's comes; true: it counts. */
static bool counts(const uint8_t *stream, uint64_t highest, uint64_t missing, int64_t us)
{
	struct chat_receipt r = {.highest = highest, .missing = missing, .time_us = us};
	const struct chat_note was = bobs.receipt;
	struct buf bytes = {0};
	struct chat_came came;
	bool news;

	memcpy(r.stream, stream, sizeof r.stream);
	assert_int_equal(chat_receipt_write(&bytes, &bob.self, &alice.peer, &r, &e), 0);
	assert_int_equal(chat_receive(&bobs, &bob.peer, bytes.p, bytes.n, &came, &e), 0);
	assert_true(came.opened);
	news = came.verdict == CHAT_CAME_RECEIPT;
	assert_true(news || came.verdict == CHAT_CAME_NOTHING);
	if (news) {
		assert_int_equal(bobs.receipt.number, highest);
		assert_int_equal(bobs.receipt.missing, missing);
	} else {
		assert_memory_equal(&bobs.receipt, &was, sizeof was);
	}
	chat_came_free(&came);
	buf_free(&bytes);
	return news;
}

static void assert_states(const char *wanted)
{
	static const char letters[] = {
		[CHAT_STATE_WAITING] = 'w', [CHAT_STATE_SENT] = 's', [CHAT_STATE_DELIVERED] = 'd'};
	char states[32] = "";

	for (size_t i = 0; i < bobs.out_n; i++) {
		states[i] = letters[chat_contact_state(&bobs, &bobs.out[i])];
	}
	assert_string_equal(states, wanted);
}

static void an_older_clock(void **state)
{
	(void)state;
	open_desk();
	write_messages(old_stream, 6);
	assert_true(counts(old_stream, 4, 0, now + ahead));
	assert_states("ddddww");
	assert_true(counts(old_stream, 5, 0, now));
	assert_states("dddddw");
	assert_true(counts(old_stream, 6, 0, now - ahead));
	assert_states("dddddd");
	chat_contact_close(&bobs);
}

static void a_newer_clock(void **state)
{
	(void)state;
	open_desk();
	write_messages(old_stream, 6);
	assert_true(counts(old_stream, 5, 0, now));
	assert_false(counts(old_stream, 4, 0, now + 1));
	assert_false(counts(old_stream, 5, 0, now + ahead));
	assert_false(counts(old_stream, 0, 0, now + ahead));
	assert_states("dddddw");
	chat_contact_close(&bobs);
}

static void fewer_missing(void **state)
{
	(void)state;
	open_desk();
	write_messages(old_stream, 6);
	assert_true(counts(old_stream, 6, 2, now));
	assert_states("wwwwwd"); /* which of the others came, is not said */
	assert_true(counts(old_stream, 6, 1, now - ahead));
	assert_false(counts(old_stream, 6, 2, now + ahead));
	assert_false(counts(old_stream, 6, 1, now + ahead));
	assert_true(counts(old_stream, 6, 0, now - 1));
	assert_states("dddddd");
	chat_contact_close(&bobs);
}

static void another_stream(void **state)
{
	(void)state;
	open_desk();
	write_messages(old_stream, 3);
	assert_true(counts(old_stream, 3, 0, now));
	assert_false(counts(new_stream, 1, 0, now - 1)); /* none of ours, and no newer */
	write_messages(new_stream, 2);
	assert_true(counts(new_stream, 1, 0, now - ahead)); /* of what Alice writes now */
	assert_states("wwwdw");
	assert_false(counts(old_stream, 3, 0, now - ahead - 1));
	chat_contact_close(&bobs);
}

static void the_next_run(void **state)
{
	(void)state;
	open_desk();
	write_messages(old_stream, 3);
	assert_true(counts(old_stream, 1, 0, now + ahead));
	assert_true(counts(old_stream, 2, 0, now));
	chat_contact_close(&bobs);
	open_desk();
	assert_states("ddw");
	assert_false(counts(old_stream, 1, 0, now + 2 * ahead));
	assert_true(counts(old_stream, 3, 0, now - ahead));
	assert_states("ddd");
	chat_contact_close(&bobs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER(
			"a receipt with an older clock and a higher number counts", an_older_clock),
		T_FOLDER("one with a newer clock and no higher number does not", a_newer_clock),
		T_FOLDER("one that misses fewer counts, whatever its clock says", fewer_missing),
		T_FOLDER("one of the stream that is written now counts", another_stream),
		T_FOLDER("the next run goes on from there", the_next_run),
	};
	make_members(NULL);
	return RUN(tests);
}
