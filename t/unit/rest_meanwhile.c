/* A migration between a look at a server's folder and its opening: nobody goes by what he saw. */
#include "rest.h"

#include "../../cmd/at_rest.h"
#include "../../store/rest_move.h"

static const enum mailbox_role roles[] = {MAILBOX_KEEPER, MAILBOX_BESIDE, MAILBOX_LOOK};

static void opens(const struct at_rest *a)
{
	for (size_t i = 0; i < COUNT(roles); i++) {
		struct mailbox *m = NULL;
		assert_int_equal(at_rest_mailboxes(a, folder.fd, roles[i], &m, &e), 0);
		m->ops->close(m);
	}
}

static void refuses(const struct at_rest *a)
{
	for (size_t i = 0; i < COUNT(roles); i++) {
		struct mailbox *m = NULL;
		assert_refused(at_rest_mailboxes(a, folder.fd, roles[i], &m, &e), e, EX_TEMPFAIL);
		assert_null(m);
	}
}

static void encrypted_meanwhile(void **state)
{
	struct at_rest a = {.on = false};

	(void)state;
	assert_int_equal(at_rest_open(&a, folder.fd, "the folder", &e), 0);
	assert_false(a.on);
	opens(&a);
	assert_int_equal(mkdirat(folder.fd, REST_MOVE_DRAFT, 0700), 0);
	refuses(&a);
	assert_int_equal(unlinkat(folder.fd, REST_MOVE_DRAFT, AT_REMOVEDIR), 0);
	opens(&a);
	assert_int_equal(rest_note_write(folder.fd, &rest_note, &e), 0);
	refuses(&a);
	at_rest_end(&a);
}

static void decrypted_meanwhile(void **state)
{
	char key_file[PATH_MAX + 8], text[2 * REST_KEY + 1];
	struct at_rest a = {.key_file = key_file};
	struct rest_key key;
	struct rest_note other;

	(void)state;
	(void)snprintf(key_file, sizeof key_file, "%s/key", folder.path);
	hex_encode(text, rest_secret, sizeof rest_secret);
	spew_text("key", text);
	assert_int_equal(fchmodat(folder.fd, "key", 0600, 0), 0);
	assert_int_equal(rest_note_write(folder.fd, &rest_note, &e), 0);
	assert_int_equal(at_rest_open(&a, folder.fd, "the folder", &e), 0);
	assert_true(a.on);
	opens(&a);
	assert_int_equal(unlinkat(folder.fd, REST_NOTE, 0), 0);
	refuses(&a);
	/* and encrypted again: by another salt */
	assert_int_equal(rest_key_new(&key, &other, REST_KEY_FILE, rest_secret, REST_KEY, &e), 0);
	assert_int_equal(rest_note_write(folder.fd, &other, &e), 0);
	refuses(&a);
	assert_int_equal(rest_note_write(folder.fd, &rest_note, &e), 0);
	opens(&a);
	at_rest_end(&a);
}

#define T_MOVED(title, function)                                \
	{                                                       \
		title, function, rest_make, folder_remove, NULL \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T_MOVED("mail that was encrypted meanwhile is not opened as plain",
			encrypted_meanwhile),
		T_MOVED("mail that was decrypted meanwhile is not opened as encrypted",
			decrypted_meanwhile),
	};

	return RUN(tests);
}
