/* What the server keeps of chats, with names that are none, and files that somebody else put there
 * or damaged. */
#include "talk.h"

static int count_none(void *arg, const char *to, uint64_t held, struct err *why)
{
	(void)arg;
	(void)why;
	assert_string_equal(to, "alice");
	assert_int_equal(held, 0);
	return 0;
}

/* Nothing of it is given: which were taken is not to be told any more. */
static void damaged_offers(void **state)
{
	static const char *const damaged[] = {"", "x", "\377\377\377\377\377\377\377\377",
		"\0\0\0\0\0\0\0\2", "\0\0\0\0\0\0\0\0half an offer"};
	static const size_t lengths[] = {0, 1, 8, 8 + TALK_OFFER, 21};
	uint8_t bytes[8 + TALK_OFFER] = {0}, out[TALK_OFFER];
	bool none;

	(void)state;
	(void)offer("bob", "alice", 1, 3);
	for (size_t i = 1; i < COUNT(damaged); i++) {
		memcpy(bytes, damaged[i], lengths[i] < 21 ? lengths[i] : i == 4 ? 21 : 8);
		spew(".chat/bob/offers/alice", bytes, lengths[i]);
		assert_int_equal(talk_offers(talk, "bob", count_none, NULL, &e), 0);
		assert_int_equal(talk_take(talk, "bob", "alice", out, &none, &e), 0);
		assert_true(none);
	}
	spew_text(".chat/bob/offers/alice", "x");
	assert_int_equal(offer("bob", "alice", 1, 1), 1);
}

static void names_are_judged(void **state)
{
	static const char *const bad[] = {"", ".", "..", "../bob", "/etc", "a/b", "Bob", "bob\n",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	uint8_t one[1][TALK_OFFER] = {{0}}, out[TALK_OFFER];
	uint64_t n;
	bool flag, none;
	int64_t us;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct talk_post to = post_of("alice", bad[i], 1), from = post_of(bad[i], "bob", 1);
		const uint8_t(*offers)[TALK_OFFER] = (const uint8_t(*)[TALK_OFFER])one;
		assert_refused(
			talk_offer(talk, bad[i], "bob", offers, 1, &n, &flag, &e), e, EX_DATAERR);
		assert_refused(
			talk_offer(talk, "bob", bad[i], offers, 1, &n, &flag, &e), e, EX_DATAERR);
		assert_refused(talk_take(talk, bad[i], "bob", out, &none, &e), e, EX_DATAERR);
		assert_refused(talk_take(talk, "bob", bad[i], out, &none, &e), e, EX_DATAERR);
		assert_refused(talk_withdraw(talk, "bob", bad[i], &e), e, EX_DATAERR);
		assert_refused(talk_put(talk, &to, "x", 1, &flag, &none, &e), e, EX_DATAERR);
		assert_refused(talk_put(talk, &from, "x", 1, &flag, &none, &e), e, EX_DATAERR);
		assert_refused(talk_put_receipt(talk, &to, "x", 1, &e), e, EX_DATAERR);
		assert_refused(talk_put_receipt(talk, &from, "x", 1, &e), e, EX_DATAERR);
		assert_refused(talk_count(talk, bad[i], &n, &e), e, EX_DATAERR);
		assert_refused(talk_present(talk, bad[i], &e), e, EX_DATAERR);
		assert_refused(talk_presence(talk, bad[i], &flag, &us, &e), e, EX_DATAERR);
		assert_refused(talk_forget(talk, bad[i], &e), e, EX_DATAERR);
	}
	assert_int_equal(count_names("."), 0);
}

/* What somebody else put there is no packet, no receipt and no offer; nothing is read through a
 * symlink. */
static void strange_files(void **state)
{
	uint8_t out[TALK_OFFER];
	bool none;

	(void)state;
	assert_int_equal(put("alice", "bob", 1, "sound"), 0);
	(void)offer("bob", "alice", 1, 1);
	spew_text("secret", "0123456789");
	spew_text(".chat/bob/waiting/notes.txt", "no packet");
	spew_text(".chat/bob/waiting/0000000000000001-00000000000000000000000000000000-"
		  "00000009-carol",
		"too short"
		"!");
	assert_int_equal(symlinkat("../../../secret", folder.fd,
				 ".chat/bob/waiting/0000000000000002-"
				 "00000000000000000000000000000000-0000000a-carol"),
		0);
	assert_int_equal(mkfifoat(folder.fd,
				 ".chat/bob/waiting/0000000000000003-"
				 "00000000000000000000000000000000-0000000a-carol",
				 0600),
		0);
	assert_int_equal(symlinkat("../../../secret", folder.fd, ".chat/bob/offers/carol"), 0);
	spew_text(".chat/bob/waiting/0000000000000004-00000000000000000000000000000000-"
		  "00000005-carol",
		"other");
	assert_int_equal(count("bob"), 5);
	look("bob");
	assert_int_equal(seen_n, 1);
	assert_string_equal(seen[0].text, "sound");
	assert_int_equal(count("bob"), 1); /* what only looked like a packet is put aside */
	assert_int_equal(talk_take(talk, "bob", "carol", out, &none, &e), 0);
	assert_true(none); /* nor is it followed */
	assert_int_equal(taken("bob", "alice"), 1);
	done("bob", 0, 1);
	/* a folder of a user's that is a symlink is none */
	assert_int_equal(mkdirat(folder.fd, "elsewhere", 0700), 0);
	assert_int_equal(symlinkat("../elsewhere", folder.fd, ".chat/zoe"), 0);
	assert_int_not_equal(put("alice", "zoe", 1, "x"), 0);
	assert_int_equal(count_names("elsewhere"), 0);
	assert_int_equal(talk_forget(talk, "bob", &e), 0); /* all of it */
	assert_int_equal(faccessat(folder.fd, ".chat/bob", F_OK, 0), -1);
}

static void nothing_is_made_by_looking(void **state)
{
	uint8_t out[TALK_OFFER], id[1][TALK_ID] = {{0}};
	bool flag;
	int64_t us;

	(void)state;
	assert_int_equal(count("bob"), 0);
	look("bob");
	assert_int_equal(seen_n, 0);
	assert_int_equal(talk_take(talk, "bob", "alice", out, &flag, &e), 0);
	assert_int_equal(talk_withdraw(talk, "bob", "alice", &e), 0);
	assert_int_equal(talk_done(talk, "bob", (const uint8_t(*)[TALK_ID])id, 1, &e), 0);
	assert_int_equal(talk_presence(talk, "bob", &flag, &us, &e), 0);
	assert_int_equal(talk_forget(talk, "bob", &e), 0);
	assert_int_equal(count_names("."), 0);
}

/* --- looked over --- */

static char findings[4096];

static void find(void *arg, bool harmless, const char *what)
{
	size_t n = strlen(findings);

	(void)arg;
	(void)snprintf(
		findings + n, sizeof findings - n, "%s %s\n", harmless ? "note" : "damaged", what);
}

static const char *checked(void)
{
	findings[0] = '\0';
	assert_int_equal(talk_check(talk, "bob", find, NULL, &e), 0);
	return findings;
}

static void looked_over(void **state)
{
	static const char name[] = "0000000000000004-00000000000000000000000000000000-"
				   "00000005-carol";
	char path[256];

	(void)state;
	assert_string_equal(checked(), "");
	assert_int_equal(put("alice", "bob", 1, "sound"), 0);
	(void)offer("bob", "alice", 1, 3);
	(void)taken("bob", "alice");
	assert_string_equal(checked(), "");
	(void)snprintf(path, sizeof path, ".chat/bob/waiting/%s", name);
	spew_text(path, "other");
	assert_contains(
		checked(), "damaged chat: a packet that waits is damaged: 0000000000000004");
	look("bob"); /* it is put aside */
	assert_contains(checked(), "damaged chat: a damaged packet was put aside: .damaged-000");
	spew_text(path, "four"); /* shorter than it says */
	assert_contains(checked(), "damaged chat: a packet that waits is damaged");
	spew_text(".chat/bob/waiting/notes", "x");
	assert_contains(checked(), "note chat: what waits holds what is no packet: notes");
	spew_text(".chat/bob/waiting/.x.new", "x");
	assert_contains(checked(), "note chat: left by a program that died: .x.new");
	spew_text(".chat/bob/offers/alice", "damaged");
	assert_contains(checked(), "damaged chat: damaged offers, to be withdrawn, for: alice");
	spew_text(".chat/bob/offers/notes.txt", "x");
	assert_contains(checked(), "note chat: offers for who can be no user: notes.txt");
	look("bob");
	assert_int_equal(seen_n, 1); /* nothing was changed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_TALK("of damaged offers nothing is given", damaged_offers),
		T_TALK("no name becomes another path", names_are_judged),
		T_TALK("strange files are passed over", strange_files),
		T_TALK("nothing is made by looking", nothing_is_made_by_looking),
		T_TALK("what is damaged is found", looked_over),
	};

	return RUN(tests);
}
