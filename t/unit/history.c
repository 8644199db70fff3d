/* A history at rest: what was added is read again, by whom it belongs to, until it is deleted. */
#include "history.h"

static void added_and_read(void **state)
{
	struct history *h;

	(void)state;
	give_identity();
	for (int kind = 0; kind < 2; kind++) {
		const struct history_secret *secret = kind == 0 ? &by_phrase : &by_identity;
		assert_int_equal(history_look(folder.fd, "bob"), HISTORY_NONE);
		h = open_history(secret);
		assert_int_equal(history_look(folder.fd, "bob"),
			kind == 0 ? HISTORY_PASSPHRASE : HISTORY_IDENTITY);
		assert_int_equal(look_through(h), 0);
		assert_int_equal(add(h, "{}", "hello"), 1);
		assert_int_equal(add(h, "", ""), 2);
		assert_int_equal(look_through(h), 2);
		history_close(h);
		h = open_history(secret);
		assert_int_equal(add(h, "{\"a\":1}", "again"), 3);
		assert_int_equal(look_through(h), 3);
		assert_row(0, 1, "{}", "hello");
		assert_row(1, 2, "", "");
		assert_row(2, 3, "{\"a\":1}", "again");
		history_close(h);
		assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
		assert_int_equal(count_names("."), 0);
	}
	history_close(NULL);
}

static void parts_of_it(void **state)
{
	struct history *h;

	(void)state;
	h = open_history(&by_identity);
	for (int i = 1; i <= 10; i++) {
		char body[16];
		(void)snprintf(body, sizeof body, "%d", i);
		add(h, "note", body);
	}
	seen.n = 0;
	assert_int_equal(history_each(h, 8, false, see, NULL, &e), 0);
	assert_int_equal(seen.n, 3);
	assert_row(0, 8, "note", "");
	assert_int_equal(seen.rows[2].body_n, 2); /* known, and not read */
	assert_int_equal(history_each(h, 11, true, see, NULL, &e), 0);
	assert_int_equal(seen.n, 3);
	/* what came since, added by whomever, and all of it again */
	struct history *other = open_history(&by_identity);
	add(other, "note", "11");
	history_close(other);
	add(h, "note", "12");
	assert_int_equal(history_each(h, 11, true, see, NULL, &e), 0);
	assert_int_equal(seen.n, 5);
	assert_row(3, 11, "note", "11");
	assert_row(4, 12, "note", "12");
	assert_int_equal(history_each(h, 13, true, see, NULL, &e), 0);
	assert_int_equal(seen.n, 5);
	assert_int_equal(look_through(h), 12);
	history_close(h);
}

static int stop_at_two(void *arg, const struct history_record *r, struct err *why)
{
	(void)arg;
	return r->number == 2 ? err_set(why, EX_DATAERR, "enough") : 0;
}

static void a_visit_may_end(void **state)
{
	size_t ends[4];
	struct buf file = {0};
	struct history *h = three(ends, &file);

	(void)state;
	assert_refused(history_each(h, 1, true, stop_at_two, NULL, &e), e, EX_DATAERR);
	history_close(h);
	buf_free(&file);
}

static void sizes(void **state)
{
	static const size_t bodies[] = {0, 1, 65535, 65536, HISTORY_BODY_MAX, HISTORY_BODY_MAX + 1};
	uint8_t *body = malloc(HISTORY_BODY_MAX + 1);
	struct history *h = open_history(&by_identity);
	char note[HISTORY_NOTE_MAX + 1];

	(void)state;
	assert_non_null(body);
	fill_pattern(body, HISTORY_BODY_MAX + 1, 3);
	memset(note, 'n', sizeof note);
	for (size_t i = 0; i < COUNT(bodies) - 1; i++) {
		assert_int_equal(
			history_add(h, note, HISTORY_NOTE_MAX, body, bodies[i], NULL, &e), 0);
	}
	assert_refused(
		history_add(h, note, 1, body, HISTORY_BODY_MAX + 1, NULL, &e), e, EX_DATAERR);
	assert_refused(
		history_add(h, note, HISTORY_NOTE_MAX + 1, body, 1, NULL, &e), e, EX_DATAERR);
	assert_int_equal(look_through(h), COUNT(bodies) - 1);
	for (size_t i = 0; i < seen.n; i++) {
		assert_false(seen.rows[i].damaged);
		assert_int_equal(seen.rows[i].body_n, bodies[i]);
		assert_int_equal(seen.rows[i].note_n, HISTORY_NOTE_MAX);
		assert_memory_equal(seen.rows[i].body, body, bodies[i] < 63 ? bodies[i] : 63);
	}
	history_close(h);
	free(body);
}

static void by_whom_it_belongs_to(void **state)
{
	struct x25519_pair other = {.private = {1}};
	const struct history_secret wrong = {.passphrase = "open sesamE", .passphrase_n = 11},
				    shorter = {.passphrase = "open sesam", .passphrase_n = 10},
				    others = {.identity = &other};
	struct history *h;

	(void)state;
	give_identity();
	x25519_public(other.public, other.private);
	history_close(open_history(&by_phrase));
	assert_refused(history_open(&h, folder.fd, "bob", &wrong, &e), e, EX_NOPERM);
	assert_refused(history_open(&h, folder.fd, "bob", &shorter, &e), e, EX_NOPERM);
	assert_refused(history_open(&h, folder.fd, "bob", &by_identity, &e), e, EX_CONFIG);
	assert_contains(e.text, "passphrase");
	history_close(open_history(&by_phrase));
	assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
	history_close(open_history(&by_identity));
	assert_refused(history_open(&h, folder.fd, "bob", &others, &e), e, EX_NOPERM);
	assert_refused(history_open(&h, folder.fd, "bob", &by_phrase, &e), e, EX_CONFIG);
	assert_contains(e.text, "private key");
	/* even who cannot open it can delete it */
	assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
	assert_int_equal(history_look(folder.fd, "bob"), HISTORY_NONE);
}

static void nothing_shows(void **state)
{
	static const char plain[] = "attack at dawn, says the note";
	struct history *h = open_history(&by_phrase);
	struct buf file = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		add(h, plain, plain);
	}
	slurp("bob.history", &file);
	for (size_t n = sizeof plain - 1; n >= 6; n--) { /* neither it nor a piece of it */
		assert_null(memmem(file.p, file.n, plain, n));
	}
	/* and no two records of the same are the same */
	size_t one = (file.n - 24) / 3;
	assert_memory_not_equal(file.p + 24 + 48, file.p + 24 + one + 48, sizeof plain);
	buf_free(&file);
	slurp("bob.history-key", &file);
	assert_null(memmem(file.p, file.n, SECRET_PHRASE, sizeof SECRET_PHRASE - 1));
	history_close(h);
	buf_free(&file);
}

static void deleted(void **state)
{
	size_t ends[4];
	struct buf file = {0};
	struct history *h = three(ends, &file);
	uint8_t was[200], now[200], zeros[200] = {0};
	int fd = openat(folder.fd, "bob.history-key", O_RDONLY | O_CLOEXEC);
	ssize_t n = pread(fd, was, sizeof was, 0);

	(void)state;
	assert_true(n > 64);
	assert_memory_not_equal(was, zeros, (size_t)n);
	assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
	assert_int_equal(count_names("."), 0);
	assert_int_equal(pread(fd, now, sizeof now, 0), n);
	assert_memory_equal(now, zeros, (size_t)n);
	(void)close(fd);
	/* who has it open is told so, and adds to nothing */
	assert_refused(history_add(h, "", 0, "", 0, NULL, &e), e, EX_NOINPUT);
	history_close(h);
	h = open_history(&by_phrase);
	assert_int_equal(look_through(h), 0);
	assert_int_equal(add(h, "", "new"), 1);
	/* the old records are not the new key's */
	spew("bob.history", file.p, file.n);
	struct history *again;
	assert_refused(history_open(&again, folder.fd, "bob", &by_phrase, &e), e, EX_CONFIG);
	history_close(h);
	buf_free(&file);
	assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
	assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
	assert_int_equal(history_delete(folder.fd, "nobody", &e), 0);
}

/* A deletion that was stopped is finished by whoever opens it. */
static void deletion_that_was_stopped(void **state)
{
	struct buf key = {0}, file = {0};
	size_t ends[4];

	(void)state;
	history_close(three(ends, &file));
	slurp("bob.history-key", &key);
	for (size_t n = 0; n <= 1; n++) {
		if (n == 0) { /* the key's bytes were gone */
			memset(key.p, 0, key.n);
			spew("bob.history-key", key.p, key.n);
		} else { /* and its name */
			assert_int_equal(unlinkat(folder.fd, "bob.history-key", 0), 0);
		}
		spew("bob.history", file.p, file.n);
		assert_int_equal(history_look(folder.fd, "bob"), HISTORY_NONE);
		struct history *h = open_history(&by_phrase);
		assert_int_equal(look_through(h), 0);
		history_close(h);
		assert_int_equal(count_names("."), 2);
	}
	/* what is neither whole nor destroyed is neither */
	struct history *h;
	spew("bob.history-key", "short", 5);
	assert_refused(history_open(&h, folder.fd, "bob", &by_phrase, &e), e, EX_CONFIG);
	assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
	buf_free(&key);
	buf_free(&file);
}

static void each_bit_of_the_key_file(void **state)
{
	struct buf key = {0};
	struct history *h;

	(void)state;
	give_identity();
	history_close(open_history(&by_identity));
	slurp("bob.history-key", &key);
	for (size_t i = 0; i < key.n * 8; i++) {
		key.p[i / 8] ^= (uint8_t)(1 << i % 8);
		spew("bob.history-key", key.p, key.n);
		assert_int_equal(history_open(&h, folder.fd, "bob", &by_identity, &e), -1);
		assert_true(e.code == EX_NOPERM || e.code == EX_CONFIG);
		key.p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	spew("bob.history-key", key.p, key.n);
	history_close(open_history(&by_identity));
	buf_free(&key);
}

static void names_and_other_things(void **state)
{
	static const char *const contacts[] = {"", "..", "a/b", "A", "x.y"};
	struct history *h;

	(void)state;
	for (size_t i = 0; i < COUNT(contacts); i++) {
		assert_refused(
			history_open(&h, folder.fd, contacts[i], &by_phrase, &e), e, EX_SOFTWARE);
		assert_refused(history_delete(folder.fd, contacts[i], &e), e, EX_SOFTWARE);
		assert_int_equal(history_look(folder.fd, contacts[i]), HISTORY_NONE);
	}
	history_close(open_history(&by_identity));
	assert_int_equal(unlinkat(folder.fd, "bob.history", 0), 0);
	assert_int_equal(mkfifoat(folder.fd, "bob.history", 0600), 0);
	assert_refused(history_open(&h, folder.fd, "bob", &by_identity, &e), e, EX_CONFIG);
	assert_int_equal(mkdirat(folder.fd, "carol.history-key", 0700), 0);
	assert_refused(history_open(&h, folder.fd, "carol", &by_identity, &e), e, EX_CONFIG);
}

enum { CHILDREN = 4, EACH = 50 };

static int add_in_child(int i)
{
	struct history *h;
	char body[16];

	if (history_open(&h, folder.fd, "bob", &by_identity, &e) != 0) {
		return 1;
	}
	for (int k = 0; k < EACH; k++) {
		int n = snprintf(body, sizeof body, "%d", i * EACH + k);
		if (history_add(h, "", 0, body, (size_t)n, NULL, &e) != 0) {
			return 2;
		}
	}
	history_close(h);
	return 0;
}

static void several_processes(void **state)
{
	bool there[CHILDREN * EACH] = {false};
	struct history *h;

	(void)state;
	give_identity();
	run_children(CHILDREN, add_in_child);
	h = open_history(&by_identity);
	assert_int_equal(look_through(h), CHILDREN * EACH);
	for (size_t i = 0; i < seen.n; i++) {
		assert_int_equal(seen.rows[i].number, i + 1);
		assert_false(seen.rows[i].damaged);
		long n = strtol(seen.rows[i].body, NULL, 10);
		assert_in_range(n, 0, CHILDREN * EACH - 1);
		assert_false(there[n]);
		there[n] = true;
	}
	history_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("what was added is read again, by a passphrase or an identity",
			added_and_read),
		T_FOLDER("it is read from a number on, and without bodies", parts_of_it),
		T_FOLDER("a visitor may end the visit", a_visit_may_end),
		T_FOLDER("16 MiB and a note of 4 KiB fit, and no byte more", sizes),
		T_FOLDER("nobody else opens it", by_whom_it_belongs_to),
		T_FOLDER("nothing of a text shows on disk", nothing_shows),
		T_FOLDER("to delete it is to destroy its key", deleted),
		T_FOLDER("a deletion that was stopped is finished", deletion_that_was_stopped),
		T_FOLDER("no altered bit of the key's file passes", each_bit_of_the_key_file),
		T_FOLDER("a link, a folder or a bad name is none", names_and_other_things),
		T_FOLDER("several processes add to one", several_processes),
	};
	return RUN(tests);
}
