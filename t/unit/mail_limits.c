/* What a mailbox may hold: whose limits count, what is judged before the content comes, and what
 * the engine is handed at delivery. The engine is a fake. */
#include "unit.h"

#include "../../proto/mail_server.h"

static struct mailbox_usage holds; /* every mailbox */
static int usage_calls, deliver_code;
static bool found; /* the message is in every mailbox */
static struct mailbox_usage given[8];
static bool given_none;
static struct err e;

static int64_t fake_now(struct mailbox *m)
{
	(void)m;
	return 1000000;
}

static int fake_begin(struct mailbox *m, size_t head_n, struct mailbox_draft **out, struct err *err)
{
	(void)m;
	(void)head_n;
	(void)err;
	*out = NULL;
	return 0;
}

static int fake_append(struct mailbox_draft *d, const void *p, size_t n, struct err *err)
{
	(void)d;
	(void)p;
	(void)n;
	(void)err;
	return 0;
}

static int fake_deliver(
	struct mailbox_draft *d, const struct mailbox_delivery *v, bool *again, struct err *err)
{
	(void)d;
	*again = false;
	given_none = v->limits == NULL;
	for (size_t i = 0; !given_none && i < v->to->n; i++) {
		given[i] = v->limits[i];
	}
	return deliver_code == 0 ? 0 : err_set(err, deliver_code, "the engine's own words");
}

static void fake_discard(struct mailbox_draft *d)
{
	(void)d;
}

static int fake_usage(
	struct mailbox *m, const char *user, struct mailbox_usage *out, struct err *err)
{
	(void)m;
	(void)err;
	usage_calls++;
	*out = holds;
	return strcmp(user, "broken") == 0 ? err_set(err, EX_TEMPFAIL, "cannot look") : 0;
}

static int fake_find(struct mailbox *m, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
	struct mailbox_meta *meta, struct mailbox_ref *ref, struct err *err)
{
	(void)m;
	(void)user;
	(void)id;
	(void)meta;
	(void)ref;
	return found ? 0 : err_set(err, EX_NOINPUT, "it is not there");
}

static const struct mailbox_ops ops = {.now = fake_now,
	.begin = fake_begin,
	.append = fake_append,
	.deliver = fake_deliver,
	.discard = fake_discard,
	.usage = fake_usage,
	.find = fake_find};
static struct mailbox box = {.ops = &ops};

static struct users *users;
static struct mail mail;

static int begin_all(void **state)
{
	holds = (struct mailbox_usage){0};
	usage_calls = deliver_code = 0;
	found = false;
	if (folder_make(state) != 0) {
		return -1;
	}
	spew_text("user_pass.json", "{\"free\": \"p\", \"a\": {\"max_messages\": 3}, "
				    "\"b\": {\"max_bytes\": 500}, \"broken\": {\"max_bytes\": 1}, "
				    "\"odd\": {\"max_messages\": 0}}");
	return users_load_files(folder.fd, &users, &e);
}

static int end_all(void **state)
{
	users_free(users);
	return folder_remove(state);
}

/* A message of so many characters, which are bytes unless the wire told more. */
static int begin(const char *to, uint64_t chars, uint64_t announced, struct mailbox_usage defaults)
{
	const struct message_head h = {.from = message_text("free"),
		.to = message_text(to),
		.title = message_text("T"),
		.length = chars};

	mail = (struct mail){.box = &box,
		.user = "free",
		.max_chars = 1000000,
		.announced = announced,
		.defaults = defaults};
	return mail_begin(&mail, users, &h, &e);
}

static const struct mailbox_usage none;

static void nobody_has_a_limit(void **state)
{
	(void)state;
	holds = (struct mailbox_usage){.messages = 1000000, .bytes = 1000000};
	assert_int_equal(begin("free;odd", 5, 0, none), 0);
	assert_int_equal(usage_calls, 0); /* and costs nothing */
	assert_int_equal(mail_deliver(&mail, &e), 0);
	assert_true(given_none);
	mail_end(&mail);
}

static void whose_limits(void **state)
{
	(void)state;
	assert_int_equal(begin("free;a;b", 5, 0, (struct mailbox_usage){7, 900}), 0);
	assert_int_equal(mail_deliver(&mail, &e), 0);
	assert_int_equal(given[0].messages, 7);
	assert_int_equal(given[0].bytes, 900);
	assert_int_equal(given[1].messages, 3);
	assert_int_equal(given[1].bytes, 900);
	assert_int_equal(given[2].messages, 7);
	assert_int_equal(given[2].bytes, 500);
	mail_end(&mail);
	assert_int_equal(begin("free;a", 5, 0, none), 0);
	assert_int_equal(usage_calls, 3 + 1);
	assert_int_equal(mail_deliver(&mail, &e), 0);
	assert_true(given[0].messages == 0 && given[0].bytes == 0 && given[1].messages == 3);
	mail_end(&mail);
}

static void messages_at_the_limit(void **state)
{
	(void)state;
	holds.messages = 2;
	assert_int_equal(begin("a", 5, 0, none), 0);
	mail_end(&mail);
	holds.messages = 3;
	assert_refused(begin("free;a", 5, 0, none), e, EX_TEMPFAIL);
	assert_string_equal(e.text, "mailbox a is full: it holds 3 of at most 3 messages");
	assert_true(mail.full);
	mail_end(&mail);
	assert_refused(begin("broken", 5, 0, none), e, EX_TEMPFAIL);
	assert_false(mail.full); /* it could not be judged */
	mail_end(&mail);
}

static void bytes_at_the_limit(void **state)
{
	size_t head;

	(void)state;
	assert_int_equal(begin("b", 5, 0, none), 0);
	head = mail.head_bytes;
	mail_end(&mail);
	holds.bytes = 500 - head - 10;
	assert_int_equal(begin("b", 9, 0, none), 0);
	mail_end(&mail);
	holds.bytes++;
	assert_int_equal(begin("b", 9, 0, none), 0);
	mail_end(&mail);
	holds.bytes++;
	assert_refused(begin("b", 9, 0, none), e, EX_TEMPFAIL);
	assert_true(mail.full);
	mail_end(&mail);
	holds.bytes -= 2;
	assert_int_equal(begin("b", 9, 10, none), 0); /* the wire tells bytes */
	mail_end(&mail);
	assert_refused(begin("b", 9, 11, none), e, EX_TEMPFAIL);
	assert_contains(e.text, "mailbox b is full: it holds ");
	assert_contains(e.text, " of at most 500 bytes, and this message has ");
	mail_end(&mail);
	holds.bytes = 501; /* the limit was lowered since */
	assert_refused(begin("b", 0, 0, none), e, EX_TEMPFAIL);
	mail_end(&mail);
	holds.bytes = 0;
	assert_refused(begin("b", 999999, UINT64_MAX / 2, none), e, EX_TEMPFAIL);
	mail_end(&mail);
}

static void a_retry(void **state)
{
	const struct message_head h = {
		.from = message_text("free"), .to = message_text("a"), .title = message_text("T")};
	static const uint8_t id[MAILBOX_ID_BYTES] = {1};

	(void)state;
	holds.messages = 3;
	mail = (struct mail){.box = &box, .user = "free", .max_chars = 10, .id = id};
	assert_refused(mail_begin(&mail, users, &h, &e), e, EX_TEMPFAIL);
	mail_end(&mail);
	found = true;
	mail = (struct mail){.box = &box, .user = "free", .max_chars = 10, .id = id};
	assert_int_equal(mail_begin(&mail, users, &h, &e), 0);
	mail_end(&mail);
}

/* Characters were announced; the bytes that came are more, and the engine knows. */
static void at_delivery(void **state)
{
	uint8_t wide[64] = {0};

	(void)state;
	assert_int_equal(begin("b", 16, 0, none), 0);
	assert_int_equal(mail_content(&mail, wide, sizeof wide, &e), 0);
	holds.bytes = 500 - mail.head_bytes - 63;
	deliver_code = EX_TEMPFAIL;
	assert_refused(mail_deliver(&mail, &e), e, EX_TEMPFAIL);
	assert_string_equal(e.text, "the engine's own words");
	assert_true(mail.full);
	mail_end(&mail);
	assert_int_equal(begin("b", 16, 0, none), 0);
	assert_int_equal(mail_content(&mail, wide, sizeof wide, &e), 0);
	holds.bytes--;
	assert_refused(mail_deliver(&mail, &e), e, EX_TEMPFAIL);
	assert_false(mail.full); /* a disk, or whatever: there was room */
	mail_end(&mail);
}

#define T_LIMITS(title, function)                         \
	{                                                 \
		title, function, begin_all, end_all, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_LIMITS("without limits nothing is looked at", nobody_has_a_limit),
		T_LIMITS("an account's own limits go before the defaults", whose_limits),
		T_LIMITS("messages: at the limit and beyond", messages_at_the_limit),
		T_LIMITS("bytes: at the limit and beyond", bytes_at_the_limit),
		T_LIMITS("a message that is there already needs no room", a_retry),
		T_LIMITS("at delivery the engine judges, and it is told why", at_delivery),
	};
	return RUN(tests);
}
