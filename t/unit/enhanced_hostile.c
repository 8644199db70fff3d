/* Sealed records that a peer, or somebody in between, made wrong: the first fault is told, and no
 * byte behind it counts. And the codes by which errors travel. */
#include "records.h"

static uint8_t text[ENHANCED_RECORD_MAX + 1];
static const char record[] = "twenty bytes of text";

enum { RECORD_N = sizeof record - 1, WHOLE = ENHANCED_LENGTH + RECORD_N + NOISE_TAG };

static void empty(void **state)
{
	uint8_t *room;

	(void)state;
	room = enhanced_room(&b, 0, &e);
	assert_non_null(room);
	assert_int_equal(
		enhanced_put_room(&b, 0, "test", &e), 0); /* sealed as it should be, and empty */
	assert_int_equal(enhanced_flush(&b, &e), 0);
	assert_int_equal(wire.n, ENHANCED_LENGTH + NOISE_TAG);
	assert_no_record(EX_PROTOCOL);
	assert_contains(e.text, "empty");
}

static void too_long(void **state)
{
	json_t *o = json_object();

	(void)state;
	memset(text, 'x', sizeof text);
	assert_int_equal(json_object_set_new(o, "a", json_stringn((char *)text, sizeof text - 8)),
		0); /* {"a":""} has 8 */
	assert_refused(enhanced_put_json(&b, json_incref(o), &e), e, EX_DATAERR);
	assert_int_equal(b.out_n, 0);
	assert_int_equal(b.tx.counter, 0);
	assert_int_equal(
		json_object_set_new(o, "a", json_stringn((char *)text, sizeof text - 9)), 0);
	assert_int_equal(enhanced_put_json(&b, o, &e), 0);
	assert_int_equal(enhanced_flush(&b, &e), 0);
	assert_int_equal(wire.n, ENHANCED_LENGTH + NOISE_MESSAGE_MAX);
	assert_int_equal(enhanced_get_json(&a, &o, &e), 0);
	json_decref(o);
	assert_refused(enhanced_put_json(&b, NULL, &e), e, EX_TEMPFAIL);
}

/* Lengths in which no tag fits. */
static void shorter_than_a_tag(void **state)
{
	uint8_t bytes[ENHANCED_LENGTH + NOISE_TAG] = {0};

	(void)state;
	for (uint8_t n = 0; n < NOISE_TAG; n++) {
		begin_anew();
		bytes[1] = n;
		assert_int_equal(buf_append(&wire, bytes, ENHANCED_LENGTH + (size_t)n), 0);
		assert_no_record(EX_PROTOCOL);
		assert_int_equal(a.rx.counter, 0);
	}
}

static void flipped(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8 * (size_t)WHOLE; i++) {
		begin_anew();
		send_record(record, RECORD_N);
		wire.p[i / 8] ^= (uint8_t)(1 << i % 8);
		/* of a record that got longer the rest does not come */
		bool longer = i < 8 * ENHANCED_LENGTH && (wire.p[i / 8] >> i % 8 & 1) != 0;
		assert_no_record(longer ? EX_TEMPFAIL : EX_PROTOCOL);
		assert_int_equal(a.rx.counter, 0);
		assert_null(memmem(a.in, sizeof a.in, record, RECORD_N));
	}
}

static void cut(void **state)
{
	(void)state;
	for (size_t n = 0; n < WHOLE; n++) {
		for (int behind = 0; behind < 2; behind++) { /* the first, or one behind another */
			begin_anew();
			if (behind == 1) {
				send_record("first", 5);
			}
			size_t start = wire.n;
			send_record(record, RECORD_N);
			wire.n = start + n;
			if (behind == 1) {
				assert_record("first", 5);
			}
			assert_no_record(EX_TEMPFAIL);
			assert_contains(e.text, n == 0 ? "goodbye" : "inside");
			assert_no_record(EX_TEMPFAIL); /* and asked again */
		}
	}
}

/* The end of the connection between two messages of the handshake is told apart. */
static void ends_of_messages(void **state)
{
	uint8_t *p;
	size_t n;

	(void)state;
	assert_int_equal(enhanced_get_message(&a, NOISE_MESSAGE_MAX, &p, &n, &e), 1);
	assert_int_equal(enhanced_put_message(&b, (const uint8_t *)"abc", 3, &e), 0);
	assert_int_equal(enhanced_put_message(&b, (const uint8_t *)"", 0, &e), 0);
	assert_int_equal(enhanced_flush(&b, &e), 0);
	assert_int_equal(wire.n, 2 * ENHANCED_LENGTH + 3);
	assert_int_equal(enhanced_get_message(&a, NOISE_MESSAGE_MAX, &p, &n, &e), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(p, "abc", 3);
	assert_int_equal(enhanced_get_message(&a, NOISE_MESSAGE_MAX, &p, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(enhanced_get_message(&a, NOISE_MESSAGE_MAX, &p, &n, &e), 1);
	assert_int_equal(buf_append(&wire, "\xff\xff", 2), 0); /* 65,535 bytes that never come */
	assert_refused(enhanced_get_message(&a, NOISE_MESSAGE_MAX, &p, &n, &e), e, EX_TEMPFAIL);
}

/* Three records; how the wire is changed before the second is read. */
enum { SWAPPED, DOUBLED, DROPPED, FROM_ANOTHER, HOWS };

static void put_three(void)
{
	begin_anew();
	send_record("first", 5);
	send_record("other", 5);
	send_record("third", 5);
}

static void reordered(void **state)
{
	enum { N = ENHANCED_LENGTH + 5 + NOISE_TAG };
	uint8_t kept[N];

	(void)state;
	for (int how = 0; how < HOWS; how++) {
		put_three();
		switch (how) {
		case SWAPPED:
			memcpy(kept, wire.p + N, N);
			memcpy(wire.p + N, wire.p + 2 * N, N);
			memcpy(wire.p + 2 * N, kept, N);
			break;
		case DOUBLED:
			memcpy(wire.p + N, wire.p, N);
			break;
		case DROPPED:
			memmove(wire.p + N, wire.p + 2 * N, N);
			wire.n -= N;
			break;
		default: /* the same number of another session */
			set_key(&b.tx, 9);
			b.tx.counter = 1;
			wire.n = N;
			send_record("other", 5);
			break;
		}
		assert_record("first", 5);
		assert_no_record(EX_PROTOCOL);
		assert_int_equal(a.rx.counter, 1);
	}
}

static void reflected(void **state)
{
	(void)state;
	assert_int_equal(put_text(&a, record, RECORD_N, &e), 0);
	assert_int_equal(enhanced_flush(&a, &e), 0);
	assert_int_equal(buf_append(&wire, back.p, back.n), 0);
	assert_no_record(EX_PROTOCOL);
}

static void more_than_announced(void **state)
{
	uint64_t left = RECORD_N - 1;
	uint8_t *p;
	size_t n;

	(void)state;
	send_record(record, RECORD_N);
	assert_refused(enhanced_get_raw(&a, &left, &p, &n, &e), e, EX_PROTOCOL);
	assert_int_equal(left, RECORD_N - 1);
	left = RECORD_N + 1;
	send_record(record, RECORD_N);
	assert_int_equal(enhanced_get_raw(&a, &left, &p, &n, &e), 0);
	assert_int_equal(left, 1);
	send_record("12", 2);
	assert_refused(enhanced_get_raw(&a, &left, &p, &n, &e), e, EX_PROTOCOL);
}

/* The last number of all is never used. */
static void counters_end(void **state)
{
	(void)state;
	b.tx.counter = a.rx.counter = UINT64_MAX - 1;
	send_record(record, RECORD_N);
	assert_record(record, RECORD_N);
	assert_refused(put_text(&b, record, RECORD_N, &e), e, EX_PROTOCOL);
	assert_int_equal(b.out_n, 0);
	assert_int_equal(buf_append(&wire, wire.p, WHOLE), 0);
	assert_no_record(EX_PROTOCOL);
}

static ssize_t reset_recv(int fd, void *p, size_t n, int flags)
{
	(void)fd;
	(void)p;
	(void)n;
	(void)flags;
	errno = ECONNRESET;
	return -1;
}

static ssize_t broken_send(int fd, const void *p, size_t n, int flags)
{
	(void)fd;
	(void)p;
	(void)n;
	(void)flags;
	errno = EPIPE;
	return -1;
}

static void connection_fails(void **state)
{
	(void)state;
	a_conn.recv = reset_recv;
	assert_no_record(EX_TEMPFAIL);
	a_conn.recv = a_recv;
	a_conn.deadline_ms = conn_now_ms() - 1;
	send_record(record, RECORD_N);
	assert_no_record(EX_TEMPFAIL);
	b_conn.send = broken_send;
	assert_int_equal(put_text(&b, record, RECORD_N, &e), 0); /* it waits */
	assert_refused(enhanced_flush(&b, &e), e, EX_TEMPFAIL);
	memset(text, 'x', sizeof text);
	assert_int_equal(put_text(&b, text, ENHANCED_RECORD_MAX, &e), 0);
	assert_int_equal(put_text(&b, text, ENHANCED_RECORD_MAX, &e), 0);
	assert_refused(put_text(&b, "x", 1, &e), e, EX_TEMPFAIL);
}

static void wiped(void **state)
{
	static const struct noise_cipher none;

	(void)state;
	send_record(record, RECORD_N);
	assert_record(record, RECORD_N);
	assert_int_equal(put_text(&a, record, RECORD_N, &e), 0);
	assert_non_null(memmem(a.in, sizeof a.in, record, RECORD_N));
	enhanced_wipe(&a);
	assert_null(memmem(a.in, sizeof a.in, record, RECORD_N));
	assert_null(memmem(a.out, sizeof a.out, record, RECORD_N));
	assert_memory_equal(&a.tx, &none, sizeof none);
	assert_memory_equal(&a.rx, &none, sizeof none);
	assert_no_record(EX_TEMPFAIL);
	assert_refused(put_text(&a, record, RECORD_N, &e), e, EX_SOFTWARE);
}

/* --- errors, by name --- */

/* The table of PROTOCOL.md. */
static const struct {
	enum enhanced_code code;
	const char *name;
	int exit;
	bool ends;
} codes[] = {
	{ENHANCED_DENIED, "denied", 77, true},
	{ENHANCED_PASSWORD, "password", 77, true},
	{ENHANCED_NO_USER, "no-user", 67, false},
	{ENHANCED_NO_MESSAGE, "no-message", 66, false},
	{ENHANCED_NO_FILE, "no-file", 66, false},
	{ENHANCED_EXISTS, "exists", 73, false},
	{ENHANCED_REJECTED, "rejected", 65, false},
	{ENHANCED_DAMAGED, "damaged", 65, false},
	{ENHANCED_TOO_LARGE, "too-large", 65, false},
	{ENHANCED_UNKNOWN, "unknown", 76, false},
	{ENHANCED_PROTOCOL, "protocol", 76, true},
	{ENHANCED_TRY_LATER, "try-later", 75, false},
	{ENHANCED_FULL, "full", 75, false},
	{ENHANCED_TIMEOUT, "timeout", 75, true},
	{ENHANCED_STOPPING, "stopping", 75, true},
};

static void codes_and_exits(void **state)
{
	static const char *const unknown[] = {"", "Denied", "denied ", "no_user", "\xff"};
	bool ends;

	(void)state;
	assert_int_equal(COUNT(codes), ENHANCED_CODES);
	for (size_t i = 0; i < COUNT(codes); i++) {
		ends = !codes[i].ends;
		assert_string_equal(enhanced_code_name(codes[i].code), codes[i].name);
		assert_int_equal(enhanced_code_exit(codes[i].name, &ends), codes[i].exit);
		assert_int_equal(ends, codes[i].ends);
	}
	for (size_t i = 0; i < COUNT(unknown); i++) {
		ends = false;
		assert_int_equal(enhanced_code_exit(unknown[i], &ends), EX_PROTOCOL);
		assert_true(ends);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_WIRE("an empty record is refused, though its seal is good", empty),
		T_WIRE("what does not fit a record is not sent", too_long),
		T_WIRE("a length in which no tag fits is refused", shorter_than_a_tag),
		T_WIRE("any bit flipped is refused, and shows nothing", flipped),
		T_WIRE("a record cut at any byte is refused, and no end is a good one", cut),
		T_WIRE("a connection's end between messages is told apart", ends_of_messages),
		T_WIRE("records swapped, doubled, dropped or of another session are refused",
			reordered),
		T_WIRE("our own record, sent back, is refused", reflected),
		T_WIRE("more raw bytes than were announced are refused", more_than_announced),
		T_WIRE("the last number of a direction is never used", counters_end),
		T_WIRE("a connection that fails is worth trying again", connection_fails),
		T_WIRE("wiping leaves neither text nor keys", wiped),
		T("each code has its name, its exit and its end", codes_and_exits),
	};
	return RUN(tests);
}
