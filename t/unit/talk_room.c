/* The room that chats have: what may wait for somebody, and how much of it from one sender. */
#include "talk.h"

#include <fcntl.h>
#include <sys/stat.h>

static void bytes_have_a_limit(void **state)
{
	struct talk_post post = post_of("alice", "bob", 1);
	bool again, full;

	(void)state;
	post.max_bytes = 10;
	assert_refused(talk_put(talk, &post, "01234567890", 11, &again, &full, &e), e, EX_TEMPFAIL);
	assert_true(full);
	assert_int_equal(talk_put(talk, &post, "0123456789", 10, &again, &full, &e), 0);
	post.number = 2;
	assert_refused(talk_put(talk, &post, "x", 1, &again, &full, &e), e, EX_TEMPFAIL);
	assert_true(full);
	post.number = 1; /* what is there already needs no room */
	assert_int_equal(talk_put(talk, &post, "0123456789", 10, &again, &full, &e), 0);
	assert_true(again);
	look("bob");
	done("bob", 0, 1);
	post.number = 2;
	assert_int_equal(talk_put(talk, &post, "x", 1, &again, &full, &e), 0);
	/* what counts is what is there, whatever the hint says of it */
	spew(".chat/bob/room",
		"\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377"
		"\0\0\0\0\0\0\0\1",
		24);
	post.number = 3;
	assert_int_equal(talk_put(talk, &post, "yy", 2, &again, &full, &e), 0);
	spew(".chat/bob/room", "damaged", 7);
	post.number = 4;
	assert_refused(talk_put(talk, &post, "01234567", 8, &again, &full, &e), e, EX_TEMPFAIL);
	assert_true(full);
	post.from = "carol"; /* more than alice's share is left, for the others */
	assert_int_equal(talk_put(talk, &post, "0123456", 7, &again, &full, &e), 0);
	assert_int_equal(count("bob"), 3);
}

/* By names alone: so many packets are not written here. */
static void packets_have_a_limit(void **state)
{
	struct talk_post post = post_of("alice", "bob", 1);
	char name[256];
	bool again, full;

	(void)state;
	assert_int_equal(put("alice", "bob", 1, "x"), 0);
	look("bob");
	for (int i = 1; i < TALK_WAITING_MAX; i++) {
		(void)snprintf(
			name, sizeof name, ".chat/bob/waiting/%016x-%032x-00000001-carol", i, i);
		assert_int_equal(mknodat(folder.fd, name, S_IFREG | 0600, 0), 0);
	}
	assert_int_equal(count("bob"), TALK_WAITING_MAX);
	assert_int_equal(unlinkat(folder.fd, ".chat/bob/room", 0), 0);
	post.number = 2;
	assert_refused(talk_put(talk, &post, "y", 1, &again, &full, &e), e, EX_TEMPFAIL);
	assert_true(full);
	done("bob", 0, 1);
	assert_int_equal(talk_put(talk, &post, "y", 1, &again, &full, &e), 0);
	post.number = 3;
	assert_refused(talk_put(talk, &post, "z", 1, &again, &full, &e), e, EX_TEMPFAIL);
	assert_int_equal(count("bob"), TALK_WAITING_MAX);
	/* what was made here is none: put aside, it makes room */
	look("bob");
	assert_int_equal(seen_n, 1);
	assert_int_equal(count("bob"), 1);
	assert_int_equal(talk_put(talk, &post, "z", 1, &again, &full, &e), 0);
}

/* --- a share of it for each sender --- */

/* 0, or -1 with *full. */
static int post_bytes(const char *from, uint64_t number, size_t n, uint64_t max_bytes, bool *full)
{
	char text[64] = "";
	struct talk_post post = post_of(from, "bob", number);
	bool again;

	(void)snprintf(text, sizeof text, "%d%s", (int)number, from); /* or it would have one id */
	post.max_bytes = max_bytes;
	return talk_put(talk, &post, text, n, &again, full, &e);
}

/* count of them, by their names alone. */
static void wait_from(const char *from, int count)
{
	char name[256];

	for (int i = 1; i <= count; i++) {
		(void)snprintf(
			name, sizeof name, ".chat/bob/waiting/%016x-%032x-00000001-%s", i, i, from);
		assert_int_equal(mknodat(folder.fd, name, S_IFREG | 0600, 0), 0);
	}
}

static void bytes_of_one_sender(void **state)
{
	bool full;

	(void)state;
	assert_int_equal(post_bytes("alice", 1, 10, 80, &full), 0);
	assert_int_equal(post_bytes("alice", 2, 10, 80, &full), 0); /* a quarter, to the byte */
	assert_refused(post_bytes("alice", 3, 1, 80, &full), e, EX_TEMPFAIL);
	assert_true(full);
	assert_non_null(strstr(e.text, "for more from you: 2 packets of 20 bytes"));
	assert_int_equal(post_bytes("carol", 1, 20, 80, &full), 0);
	assert_false(full);
	assert_refused(post_bytes("carol", 2, 1, 80, &full), e, EX_TEMPFAIL);
	assert_int_equal(
		post_bytes("dave", 1, 30, 80, &full), 0); /* one packet, as large as it is */
	assert_refused(post_bytes("dave", 2, 1, 80, &full), e, EX_TEMPFAIL);
	assert_refused(post_bytes("erin", 1, 11, 80, &full), e, EX_TEMPFAIL); /* but fit it must */
	assert_true(full);
	assert_null(strstr(e.text, "from you"));
	assert_int_equal(post_bytes("erin", 1, 10, 80, &full), 0);
	look("bob");
	done("bob", 1, 1); /* one of alice's: what was hers is hers again */
	assert_int_equal(post_bytes("alice", 3, 10, 80, &full), 0);
	assert_refused(post_bytes("alice", 4, 1, 80, &full), e, EX_TEMPFAIL);
	assert_int_equal(count("bob"), 5);
}

static void packets_of_one_sender(void **state)
{
	bool full;

	(void)state;
	assert_int_equal(post_bytes("alice", 1, 1, 0, &full), 0);
	assert_int_equal(post_bytes("carol", 1, 1, 0, &full), 0);
	wait_from("alice", TALK_WAITING_MAX / TALK_SHARE - 2);
	assert_int_equal(unlinkat(folder.fd, ".chat/bob/last/alice", 0), 0); /* which knew of one */
	assert_int_equal(post_bytes("alice", 2, 1, 0, &full), 0);
	assert_refused(post_bytes("alice", 3, 1, 0, &full), e, EX_TEMPFAIL);
	assert_true(full);
	assert_int_equal(count("bob"), TALK_WAITING_MAX / TALK_SHARE + 1);
	assert_int_equal(post_bytes("carol", 2, 1, 0, &full), 0);
	/* to another, who has room of his own */
	assert_int_equal(put("alice", "erin", 4, "x"), 0);
	/* what is there already needs no room, and a receipt none at all */
	struct talk_post post = post_of("alice", "bob", 2);
	assert_int_equal(post_bytes("alice", 2, 1, 0, &full), 0);
	assert_int_equal(talk_put_receipt(talk, &post, "receipt", 7, &e), 0);
	assert_int_equal(count("bob"), TALK_WAITING_MAX / TALK_SHARE + 3);
}

/* What a server before this one wrote of who sent last tells a repetition, and no share. */
static void hints_without_a_share(void **state)
{
	struct talk_post post = post_of("alice", "bob", 1);
	bool again, full;
	struct buf was = {0};

	(void)state;
	post.max_bytes = 8;
	assert_int_equal(talk_put(talk, &post, "12", 2, &again, &full, &e), 0);
	slurp(".chat/bob/last/alice", &was);
	assert_int_equal(was.n, 48);
	spew(".chat/bob/last/alice", (const char *)was.p, 32);
	assert_int_equal(talk_put(talk, &post, "12", 2, &again, &full, &e), 0);
	assert_true(again);
	post.number = 2;
	assert_refused(talk_put(talk, &post, "3", 1, &again, &full, &e), e, EX_TEMPFAIL);
	assert_true(full);
	buf_free(&was);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_TALK("bytes that wait have a limit", bytes_have_a_limit),
		T_TALK("packets that wait have a limit", packets_have_a_limit),
		T_TALK("a sender has a share of the bytes", bytes_of_one_sender),
		T_TALK("a sender has a share of the packets", packets_of_one_sender),
		T_TALK("hints of an older server tell no share", hints_without_a_share),
	};

	return RUN(tests);
}
