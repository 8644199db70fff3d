/* Mail at rest: what its files hide, what is noticed when they are changed, and its key. What every
 * engine keeps stands in engine/suite.h, and is run by engine_rest.c. */
#include "rest.h"

#include <dirent.h>

#include "../../crypto/file.h"
#include "../../store/rest_move.h"

/* --- what lies on the disk --- */

static const char *const *words;
static size_t found, files_seen;
static bool tells;

static int grep(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
	struct buf text = {0};

	(void)ftw;
	if (what == FTW_F) {
		files_seen++;
		assert_int_equal(
			file_read(AT_FDCWD, path, (size_t)st->st_size, &text, NULL, &e), 0);
	}
	for (size_t i = 0; words[i] != NULL; i++) {
		bool is =
			strstr(path + strlen(folder.path), words[i]) != NULL ||
			(text.n > 0 && memmem(text.p, text.n, words[i], strlen(words[i])) != NULL);
		if (is && tells) {
			print_message("%s has \"%s\" in it\n", path, words[i]);
		}
		found += is ? 1 : 0;
	}
	buf_free(&text);
	return 0;
}

/* How often one of these stands in a file, or in a name. */
static size_t search(const char *const *list_of, bool tell)
{
	words = list_of;
	tells = tell;
	found = files_seen = 0;
	assert_int_equal(nftw(folder.path, grep, 16, FTW_PHYS), 0);
	return found;
}

static void nothing_is_legible(void **state)
{
	static const char *const ours[] = {
		"client", "Shopping", "butter and bread", "From:", "Title", NULL};
	static const char *const control[] = {"S361RST1", NULL};
	char *text = malloc(300001);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < 300000; i++) {
		text[i] = "butter and bread "[i % 17];
	}
	text[300000] = '\0';
	for (int settled = 0; settled < 2; settled++) {
		stay_unsettled = settled == 0;
		assert_int_equal(deliver("Shopping", "butter and bread", "client2"), 0);
		assert_int_equal(deliver("Shopping", text, "client1;client2;client3"), 0);
		assert_int_equal(search(ours, true), 0);
		assert_true(files_seen >= 3);
		assert_true(search(control, false) > 0); /* it finds what is there */
	}
	reopen_rest();
	assert_int_equal(list("client2"), 4);
	assert_string_equal(rows[3].meta.title, "Shopping");
	assert_string_equal(rows[3].meta.source, "client1");
	assert_true(row_holds("client2", 3, text));
	assert_int_equal(search(ours, true), 0);
	free(text);
}

/* --- reading at any place --- */

static void any_place(void **state)
{
	static const size_t sizes[] = {
		0, 1, REST_PIECE - 1, REST_PIECE, REST_PIECE + 1, 3 * REST_PIECE, 200000};
	char *text = malloc(200001);
	uint8_t piece[4096];

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct mailbox_reader *r = NULL;
		uint64_t size = 0;
		for (size_t k = 0; k < sizes[i]; k++) {
			text[k] = (char)('a' + k % 23);
		}
		text[sizes[i]] = '\0';
		assert_int_equal(deliver("T", text, "client1"), 0);
		assert_int_equal(list("client1"), (int)i + 1);
		assert_int_equal(rows[i].meta.bytes, last.bytes);
		assert_int_equal(rows[i].meta.chars, sizes[i]);
		assert_true(row_holds("client1", (int)i, text));
		assert_int_equal(box->ops->open(box, "client1", &rows[i].ref, &r, &size, &e), 0);
		assert_int_equal(size, last.bytes);
		uint64_t head_n = size - sizes[i];
		/* backwards, over the borders of pieces */
		for (uint64_t at = size; at > 0;) {
			size_t n = at < 4001 ? (size_t)at : 4001;
			at -= n;
			assert_int_equal(box->ops->read(r, at, piece, n, &e), 0);
			for (size_t k = at < head_n ? (size_t)(head_n - at) : 0; k < n; k++) {
				assert_int_equal(piece[k], text[at + k - head_n]);
			}
		}
		assert_refused(box->ops->read(r, 1, piece, size, &e), e, EX_NOINPUT);
		box->ops->done(r);
	}
	free(text);
}

/* --- limits --- */

static void longest(void **state)
{
	char title[MAILBOX_TITLE_BYTES + 1], many[33 * 1000 + 1] = "client1";
	char name[USER_NAME_MAX + 1];
	size_t n = strlen(many);

	(void)state;
	memset(title, 't', MAILBOX_TITLE_BYTES);
	title[MAILBOX_TITLE_BYTES] = '\0';
	for (int i = 1; i < 1000; i++) {
		(void)snprintf(
			name, sizeof name, "user-with-a-rather-long-name-%03u", (unsigned)i % 1000);
		assert_int_equal(box->ops->prepare(box, name, &e), 0);
		n += (size_t)snprintf(many + n, sizeof many - n, ";%s", name);
	}
	assert_int_equal(deliver(title, "for a thousand", many), 0);
	assert_int_equal(list(name), 1);
	assert_string_equal(rows[0].meta.title, title);
	assert_true(row_holds(name, 0, "for a thousand"));
	assert_int_equal(list("client1"), 1);
	assert_true(row_holds("client1", 0, "for a thousand"));
}

static void only_once(void **state)
{
	struct mailbox_meta meta = {.time_us = 1, .source = "client1", .title = "T"};
	struct mailbox_draft *d = NULL;
	struct users_list to;
	bool again;

	(void)state;
	assert_int_equal(users_split(&to, "client1", 7, &e), 0);
	struct mailbox_delivery v = {.meta = &meta, .head = "head", .to = &to};
	assert_int_equal(box->ops->begin(box, 4, &d, &e), 0);
	assert_int_equal(box->ops->deliver(d, &v, &again, &e), 0);
	assert_refused(box->ops->deliver(d, &v, &again, &e), e, EX_TEMPFAIL);
	box->ops->discard(d);
	memset(meta.title, 't', MAILBOX_TITLE_BYTES + 1);
	assert_int_equal(box->ops->begin(box, 4, &d, &e), 0);
	assert_refused(box->ops->deliver(d, &v, &again, &e), e, EX_TEMPFAIL);
	box->ops->discard(d);
	assert_refused(box->ops->begin(box, MAILBOX_HEAD_MAX + 1, &d, &e), e, EX_TEMPFAIL);
	assert_int_equal(list("client1"), 1);
	users_list_free(&to);
}

/* --- names --- */

static void errors_have_our_names(void **state)
{
	struct mailbox_usage full = {.messages = 1}, none;
	char name[USER_NAME_MAX + 1];

	(void)state;
	assert_int_equal(deliver("T", "x", "client1"), 0);
	assert_refused(post(&(struct letter){
			       .title = "T", .content = "x", .to = "client1", .limits = &full}),
		e, EX_TEMPFAIL);
	assert_contains(e.text, "mailbox client1 is full");
	assert_refused(box->ops->usage(box, "nobody", &none, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "nobody");
	rest_name(&rest_key, "nobody", name);
	assert_null(strstr(e.text, name));
	assert_int_equal(box->ops->usage(box, "nobody", &none, NULL), -1);
}

static void owners(void **state)
{
	char name[USER_NAME_MAX + 1], owner[USER_NAME_MAX + 1],
		longest_name[] = "a-name-of-32-characters-0123456789";

	(void)state;
	longest_name[USER_NAME_MAX] = '\0';
	assert_int_equal(box->ops->prepare(box, longest_name, &e), 0);
	rest_name(&rest_key, longest_name, name);
	assert_true(user_name_valid(name));
	assert_int_equal(rest_owner(&rest_key, folder.fd, name, owner, &e), 0);
	assert_string_equal(owner, longest_name);
	/* another's folder does not say it by its note */
	char from[PATH_MAX];
	(void)snprintf(from, sizeof from, "%s", rest_path("client1", REST_OWNER));
	assert_int_equal(
		renameat(folder.fd, from, folder.fd, rest_path(longest_name, REST_OWNER)), 0);
	assert_int_equal(rest_owner(&rest_key, folder.fd, name, owner, &e), 1);
	rest_name(&rest_key, "client1", name);
	assert_int_equal(rest_owner(&rest_key, folder.fd, name, owner, &e), 1);
	assert_int_equal(box->ops->prepare(box, "client1", &e), 0);
	assert_int_equal(rest_owner(&rest_key, folder.fd, name, owner, &e), 0);
	/* damaged, it is written anew */
	spew_text(rest_path("client1", REST_OWNER), "somebody");
	assert_int_equal(rest_owner(&rest_key, folder.fd, name, owner, &e), 1);
	assert_int_equal(box->ops->prepare(box, "client1", &e), 0);
	assert_int_equal(rest_owner(&rest_key, folder.fd, name, owner, &e), 0);
	assert_refused(rest_owner(&rest_key, folder.fd, "none", owner, &e), e, EX_TEMPFAIL);
}

/* --- the key --- */

static void another_key(void **state)
{
	struct rest_key key;
	struct rest_note note;

	(void)state;
	assert_int_equal(deliver("T", "x", "client1"), 0);
	char from[PATH_MAX];
	(void)snprintf(from, sizeof from, "%s", rest_path("client1", ""));
	box->ops->close(box);
	key = rest_key;
	assert_int_equal(
		rest_key_new(&rest_key, &note, REST_KEY_FILE, rest_secret, REST_KEY, &e), 0);
	assert_int_equal(renameat(folder.fd, from, folder.fd, rest_path("client1", "")), 0);
	assert_int_equal(rest_open_as(MAILBOX_KEEPER, &box), 0);
	assert_int_equal(list("client1"), 1);
	assert_true(rows[0].meta.damaged);
	assert_refused(open_row("client1", 0), e, EX_DATAERR);
	rest_key = key;
}

static void notes(void **state)
{
	enum rest_state is;
	struct rest_note note;
	struct rest_key key;

	(void)state;
	assert_int_equal(rest_look(folder.fd, &note, &is, &e), 0);
	assert_int_equal(is, REST_PLAIN);
	for (int kind = REST_KEY_FILE; kind <= REST_PASSPHRASE; kind++) {
		assert_int_equal(rest_key_new(&key, &rest_note, (enum rest_kind)kind, rest_secret,
					 REST_KEY, &e),
			0);
		assert_int_equal(rest_note_write(folder.fd, &rest_note, &e), 0);
		assert_int_equal(rest_look(folder.fd, &note, &is, &e), 0);
		assert_int_equal(is, REST_SEALED);
		assert_int_equal(note.kind, kind);
		assert_memory_equal(note.salt, rest_note.salt, REST_SALT);
		assert_memory_equal(note.check, rest_note.check, REST_CHECK);
		struct rest_key again;
		assert_int_equal(rest_key_open(&again, &note, rest_secret, REST_KEY, &e), 0);
		assert_memory_equal(again.names, key.names, REST_KEY);
		uint8_t wrong[REST_KEY];
		memcpy(wrong, rest_secret, REST_KEY);
		wrong[31] ^= 1;
		assert_refused(rest_key_open(&again, &note, wrong, REST_KEY, &e), e, EX_NOPERM);
		note.salt[0] ^= 1;
		assert_refused(
			rest_key_open(&again, &note, rest_secret, REST_KEY, &e), e, EX_NOPERM);
	}
	assert_refused(rest_key_new(&key, &note, REST_KEY_FILE, "short", 5, &e), e, EX_NOPERM);
	static const char *const interrupted[] = {REST_MOVE_DRAFT, REST_MOVE_READY};
	for (size_t i = 0; i < COUNT(interrupted); i++) {
		assert_int_equal(mkdirat(folder.fd, interrupted[i], 0700), 0);
		assert_int_equal(rest_look(folder.fd, &note, &is, &e), 0);
		assert_int_equal(is, REST_MOVING);
		assert_int_equal(unlinkat(folder.fd, interrupted[i], AT_REMOVEDIR), 0);
		assert_int_equal(rest_look(folder.fd, &note, &is, &e), 0);
		assert_int_equal(is, REST_SEALED);
	}
}

static void bad_notes(void **state)
{
	static const char *const texts[] = {"", "{}", "[]", "no json",
		"{\"version\": 2, \"kind\": \"key-file\", \"salt\": "
		"\"00000000000000000000000000000000\", \"check\": "
		"\"00000000000000000000000000000000\"}",
		"{\"version\": 1, \"kind\": \"other\", \"salt\": "
		"\"00000000000000000000000000000000\", \"check\": "
		"\"00000000000000000000000000000000\"}",
		"{\"version\": 1, \"kind\": \"key-file\", \"salt\": "
		"\"0000000000000000000000000000000\", \"check\": "
		"\"00000000000000000000000000000000\"}",
		"{\"version\": 1, \"kind\": \"key-file\", \"salt\": "
		"\"00000000000000000000000000000000\", \"check\": 0}"};
	enum rest_state is;
	struct rest_note note;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		spew_text(REST_NOTE, texts[i]);
		assert_refused(rest_look(folder.fd, &note, &is, &e), e, EX_CONFIG);
		assert_contains(e.text, REST_NOTE);
	}
}

/* --- accounts --- */

static void sealed_accounts(void **state)
{
	static const char *const bad[] = {"{\"alice\": \"secret\"}", "{\"at rest\": 1}", "{}",
		"{\"at rest\": \"\"}", "{\"at rest\": \"####\"}", "no json",
		"{\"at rest\": \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"};
	static const char *const words_in[] = {"alice", "secret", NULL};
	struct accounts_store *files = NULL, *s = NULL;
	struct accounts_text text = {0};
	struct accounts_version none = {.none = true};
	struct buf plain = {0};
	bool stale = true;

	(void)state;
	assert_int_equal(accounts_files_open(folder.fd, &files, &e), 0);
	assert_int_equal(accounts_rest_open(files, &rest_key, &s, &e), 0);
	assert_refused(s->ops->read(s, &text, &e), e, EX_NOINPUT);
	assert_true(text.version.none);
	assert_int_equal(s->ops->replace(s, "{\"alice\": \"secret\"}", 19, &none, &stale, &e), 0);
	assert_false(stale);
	assert_int_equal(search(words_in, true), 0);
	assert_int_equal(s->ops->read(s, &text, &e), 0);
	assert_int_equal(text.text.n, 19);
	assert_memory_equal(text.text.p, "{\"alice\": \"secret\"}", 19);
	/* what would not be read again is not written: base64 takes a third more */
	assert_int_equal(buf_reserve(&plain, ACCOUNTS_TEXT_MAX), 0);
	memset(plain.p, ' ', ACCOUNTS_TEXT_MAX);
	assert_refused(
		s->ops->replace(s, plain.p, ACCOUNTS_TEXT_MAX / 4 * 3, &text.version, &stale, &e),
		e, EX_CANTCREAT);
	assert_int_equal(s->ops->replace(s, plain.p, ACCOUNTS_TEXT_MAX / 4 * 3 - 100, &text.version,
				 &stale, &e),
		0);
	buf_free(&text.text);
	assert_int_equal(s->ops->read(s, &text, &e), 0);
	assert_int_equal(text.text.n, ACCOUNTS_TEXT_MAX / 4 * 3 - 100);
	buf_free(&text.text);
	buf_free(&plain);
	for (size_t i = 0; i < COUNT(bad); i++) {
		spew_text("user_pass.json", bad[i]);
		text = (struct accounts_text){0};
		assert_refused(s->ops->read(s, &text, &e), e, EX_CONFIG);
		assert_contains(e.text, "user_pass.json");
		buf_free(&text.text);
	}
	s->ops->close(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T_REST("no name, title or text is legible, settled or not", nothing_is_legible),
		T_REST("a message is read at any place, whatever its length", any_place),
		T_REST("the longest title, and a thousand recipients", longest),
		T_REST("a draft is delivered once; a title too long is refused", only_once),
		T_REST("errors tell of users by their names", errors_have_our_names),
		T_REST("a mailbox says whose it is", owners),
		T_REST("under another key all is damaged, and nothing is read", another_key),
		T_REST("the note tells the kind, and which key is the right one", notes),
		T_REST("a note that is damaged is refused", bad_notes),
		T_REST("accounts are not legible, and what is no sealed text is refused",
			sealed_accounts),
	};

	return RUN(tests);
}
