/* The numbers of letters that were sent: the same for a retry, and none lost by a refusal. */
#include "unit.h"

#include "../../store/letters.h"

static struct err e;

static const uint8_t first[SEQUENCE_ID] = {1}, second[SEQUENCE_ID] = {2}, third[SEQUENCE_ID] = {3};

static void number(const uint8_t *id, struct letters_contact *c, size_t n)
{
	assert_int_equal(letters_number(folder.fd, "mail", id, c, n, &e), 0);
}

static uint64_t number_for(const uint8_t *id, const char *name)
{
	struct letters_contact c = {.number = {.number = 99}};

	(void)snprintf(c.name, sizeof c.name, "%s", name);
	number(id, &c, 1);
	return c.number.number;
}

static void counts(void **state)
{
	struct letters_contact two[2] = {{.name = "bob"}, {.name = "carol"}}, again[2];

	(void)state;
	assert_int_equal(number_for(first, "bob"), 1);
	number(second, two, 2);
	assert_int_equal(two[0].number.number, 2);
	assert_int_equal(two[1].number.number, 1);
	assert_memory_not_equal(two[0].number.stream, two[1].number.stream, SEQUENCE_STREAM);
	/* a retry, also to fewer or to more */
	memcpy(again, two, sizeof again);
	number(second, again, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_memory_equal(&again[i].number, &two[i].number, sizeof two[i].number);
		assert_true(two[i].fresh && !again[i].fresh);
	}
	assert_int_equal(number_for(first, "bob"), 1);
	assert_int_equal(number_for(first, "carol"), 2);
	assert_int_equal(number_for(second, "bob"), 2);
	assert_int_equal(number_for(third, "bob"), 3);
}

static void refused(void **state)
{
	struct letters_contact two[2] = {{.name = "bob"}, {.name = "carol"}};

	(void)state;
	number(first, two, 2);
	assert_int_equal(number_for(second, "bob"), 2);
	assert_int_equal(letters_refused(folder.fd, first, &e), 0);
	assert_int_equal(number_for(third, "bob"), 1);
	assert_int_equal(number_for(third, "bob"), 1); /* of that letter, from now on */
	assert_int_equal(number_for(third, "carol"), 1);
	assert_int_equal(number_for(first, "bob"), 3);
	assert_int_equal(letters_refused(folder.fd, (const uint8_t[SEQUENCE_ID]){9}, &e), 0);
	assert_int_equal(number_for(second, "bob"), 2);
}

/* What failed before it was posted leaves its numbers, but not those that it had before. */
static void given_back(void **state)
{
	struct letters_contact two[2] = {{.name = "bob"}, {.name = "carol"}};
	const uint8_t zeros[SEQUENCE_ID] = {0};

	(void)state;
	assert_int_equal(number_for(first, "bob"), 1);
	number(first, two, 2); /* tried again, to one more */
	assert_false(two[0].fresh);
	assert_true(two[1].fresh);
	assert_int_equal(letters_give_back(folder.fd, first, two, 2, &e), 0);
	assert_int_equal(number_for(second, "bob"), 2);
	assert_int_equal(number_for(second, "carol"), 1);
	number(third, two, 2);
	assert_int_equal(letters_give_back(folder.fd, third, two, 2, &e), 0);
	assert_int_equal(number_for(first, "bob"), 1);
	assert_int_equal(number_for(first, "carol"), 2);
	assert_refused(letters_number(folder.fd, "mail", zeros, two, 2, &e), e, EX_SOFTWARE);
}

/* The oldest are forgotten, and nothing else is. */
static void many(void **state)
{
	static struct letters_contact all[LETTERS_MAX];

	(void)state;
	assert_int_equal(number_for(first, "bob"), 1);
	for (size_t i = 0; i < 1000; i++) {
		(void)snprintf(all[i].name, sizeof all[i].name, "u%zu", i);
	}
	for (uint8_t k = 0; k < 3; k++) {
		number((const uint8_t[SEQUENCE_ID]){7, k}, all, 1000);
	}
	assert_int_equal(number_for(first, "bob"), 1);
	number((const uint8_t[SEQUENCE_ID]){7, 4}, all, 1000);
	assert_int_equal(all[5].number.number, 4);
	assert_int_equal(number_for(first, "bob"), 2);
	number((const uint8_t[SEQUENCE_ID]){7, 4}, all, 1000);
	assert_int_equal(all[999].number.number, 4);
}

static void damaged(void **state)
{
	static const char *const texts[] = {"x", "\n",
		"01000000000000000000000000000000 bob 0011223344556677 0\n",
		"01000000000000000000000000000000 Bob 0011223344556677 1\n",
		"01000000000000000000000000000000 bob 0011223344556677 1",
		"01000000000000000000000000000000 bob 001122334455667 1\n",
		"0100000000000000000000000000000 bob 0011223344556677 1\n",
		"01000000000000000000000000000000 bob 0011223344556677 1 \n"};
	struct letters_contact c = {.name = "bob"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		spew_text(LETTERS_FILE, texts[i]);
		assert_refused(letters_number(folder.fd, "mail", first, &c, 1, &e), e, EX_CONFIG);
		assert_contains(e.text, LETTERS_FILE ":1");
		assert_refused(letters_refused(folder.fd, first, &e), e, EX_CONFIG);
	}
	spew_text(LETTERS_FILE, "01000000000000000000000000000000 bob 0011223344556677 41\n");
	assert_int_equal(number_for(first, "bob"), 41);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("each letter has the next number of each contact, and keeps it", counts),
		T_FOLDER("what was refused leaves its numbers to the next", refused),
		T_FOLDER("what was not posted leaves its numbers, too", given_back),
		T_FOLDER("the oldest are forgotten", many),
		T_FOLDER("a damaged file is named, and not replaced", damaged),
	};
	return RUN(tests);
}
