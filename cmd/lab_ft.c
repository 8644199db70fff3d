/* The lab's scenes on file transfer: alice writes a file through the attacker, or he asks the
 * server without her; once over the founding wire with aes256, once over noise. See lab_scene.h. */
#include "lab_scene.h"

/* Its first block is what the attacker changes, and reads. */
#define FT_BEGIN "pay bob 0010 EUR, and nobody else. "
#define FT_SECRET "sunshine"

enum {
	FT_TIMES = 1200,   /* of the text: two chunks of the wire and some more */
	FT_WORDS = 100000, /* ahead of the secret, in the attacker's list */
	FT_RESULT = 60000, /* naps until the attacker says what came of it */
	FT_WORD_BYTES = 16 /* of one of the list */
};

static const char file[] = "ft.file", words[] = "ft.words", key[] = "ft.key";

/* --- before --- */

static int write_file(const struct scene *s)
{
	static char text[FT_TIMES * sizeof FT_BEGIN + 16 * FT_TIMES];
	size_t n = 0;

	for (int i = 0; i < FT_TIMES; i++) {
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%d\n", FT_BEGIN, i);
	}
	return lab_write(s->st, file, text, s->e);
}

static int write_words(const struct scene *s)
{
	char *text = malloc((FT_WORDS + 1) * FT_WORD_BYTES);
	size_t n = 0;
	int rc;

	if (text == NULL) {
		return err_set(s->e, EX_TEMPFAIL, "out of memory");
	}
	for (int i = 0; i < FT_WORDS; i++) {
		n += (size_t)snprintf(text + n, FT_WORD_BYTES, "summer%d\n", i);
	}
	(void)snprintf(text + n, FT_WORD_BYTES, "%s\n", FT_SECRET);
	rc = lab_write(s->st, words, text, s->e);
	free(text);
	return rc;
}

/* A file server, once for all scenes. */
int lab_ft_prepare(struct scene *s)
{
	if (s->st->ft_pid == 0 && (write_file(s) != 0 || write_words(s) != 0 ||
					  lab_write(s->st, key, FT_SECRET "\n", s->e) != 0 ||
					  lab_write(s->st, "ft/secret", FT_BEGIN, s->e) != 0 ||
					  lab_start_ft(s->st, s->e) != 0)) {
		return -1;
	}
	s->st->target = s->st->files;
	return 0;
}

/* --- what happens --- */

/* "file:PATH" of a file of the stage's folder, as KEYSOURCE. */
static void key_source(const struct scene *s, const char *name, char out[static LAB_PATH_MAX + 8])
{
	char path[LAB_PATH_MAX];

	lab_path(s->st, name, path);
	(void)snprintf(out, LAB_PATH_MAX + 8, "file:%s", path);
}

int lab_ft_write(struct scene *s)
{
	char input[LAB_PATH_MAX], source[LAB_PATH_MAX + 8];
	const char *const args[] = {"ft", "write", s->name, s->st->relay,
		lab_wire(s->attack, s->enhanced), source, "-i", input, NULL};

	lab_path(s->st, file, input);
	key_source(s, key, source);
	s->run->exits[0] = lab_run_applet(s->st, s->name, args, NULL, s->e);
	return s->run->exits[0] < 0 ? -1 : 0;
}

/* Asking takes its time. */
int lab_ft_wait(struct scene *s)
{
	for (int i = 0; i < FT_RESULT; i++) {
		if (lab_count_in(s->st, s->st->relay_out, "\"won\"") > 0) {
			return 0;
		}
		if (lab_nap(s->e) != 0) {
			return -1;
		}
	}
	return 0;
}

int lab_ft_write_and_wait(struct scene *s)
{
	return lab_ft_write(s) != 0 ? -1 : lab_ft_wait(s);
}

/* --- what came of it --- */

/* What the server has under the name of this scene; and what alice has. false: nothing. */
static bool landed(const struct scene *s, struct buf *there, struct buf *hers)
{
	char path[sizeof s->name + 8];
	struct err ignored;

	(void)snprintf(path, sizeof path, "ft/%s", s->name);
	return lab_read(s->st, file, hers, &ignored) == 0 &&
	       lab_read(s->st, path, there, &ignored) == 0;
}

/* Did the attacker say something to the server that the client had not? */
static bool was_changed(const struct lab_run *run)
{
	for (size_t i = 0; i < run->said_n; i++) {
		if (strcmp(run->said[i].who, "AC") == 0 &&
			strcmp(run->said[i].what, "the same, passed on") != 0) {
			return true;
		}
	}
	return false;
}

/* Of a file that did not land: it was changed on its way, the server ended the transfer, and alice
 * was told. */
static int judge_not_landed(struct scene *s)
{
	bool told = s->run->exits[0] == EX_PROTOCOL || s->run->exits[0] == EX_TEMPFAIL;
	bool proven = told && was_changed(s->run);

	return lab_tell(s, lab_held_if(s, proven), "%s (exit %d)",
		proven ? "no file came about, and alice was told"
		       : "no file came about, for whatever reason",
		s->run->exits[0]);
}

int lab_judge_ft_flip(struct scene *s)
{
	struct buf there = {0}, hers = {0};
	bool is_there = landed(s, &there, &hers);
	bool forged = is_there && there.n == hers.n &&
		      memcmp(there.p, LAB_FORGED, strlen(LAB_FORGED)) == 0;
	bool won = is_there && (there.n != hers.n || memcmp(there.p, hers.p, hers.n) != 0);

	buf_free(&there);
	buf_free(&hers);
	if (!is_there) {
		return judge_not_landed(s);
	}
	return lab_tell(s, won ? LAB_WON : lab_held_if(s, false),
		forged ? "the file begins as the attacker likes, and its checksum is confirmed "
			 "(alice: exit %d)"
		: won  ? "the file was changed (alice: exit %d)"
		       : "the file arrived as it was sent (alice: exit %d)",
		s->run->exits[0]);
}

int lab_judge_ft_truncate(struct scene *s)
{
	struct buf there = {0}, hers = {0};
	bool is_there = landed(s, &there, &hers);
	size_t n = there.n, all = hers.n;

	buf_free(&there);
	buf_free(&hers);
	if (!is_there) {
		return judge_not_landed(s);
	}
	return lab_tell(s, n < all ? LAB_WON : lab_held_if(s, false),
		"%zu of %zu bytes are the file, and its checksum is confirmed (alice: exit %d)", n,
		all, s->run->exits[0]);
}

/* The word that the attacker says is the key, as a file; and with it, what is on the server. */
static int try_word(struct scene *s, bool *opened)
{
	static const char lead[] = "the key is \"";
	const char *word = strstr(s->run->word, lead);
	char source[LAB_PATH_MAX + 8], guessed[64];
	const char *const args[] = {"ft", "read", "secret", s->st->files,
		lab_wire(s->attack, s->enhanced), source, NULL};
	struct buf out = {0};
	int rc;

	*opened = false;
	if (word == NULL) {
		return 0;
	}
	word += strlen(lead);
	(void)snprintf(guessed, sizeof guessed, "%.*s\n", (int)strcspn(word, "\""), word);
	if (lab_write(s->st, "ft.guessed", guessed, s->e) != 0) {
		return -1;
	}
	key_source(s, "ft.guessed", source);
	rc = lab_run_applet(s->st, s->name, args, &out, s->e);
	*opened = rc == 0 && strcmp((const char *)out.p, FT_BEGIN) == 0;
	buf_free(&out);
	return rc < 0 ? -1 : 0;
}

/* The rate that the attacker tells: how long all of the list would take. */
static double rate_of(const char *word)
{
	const char *end = strstr(word, " a second");

	while (end != NULL && end > word && end[-1] != ' ') {
		end--;
	}
	return end == NULL ? 0 : strtod(end, NULL);
}

int lab_judge_ft_guess(struct scene *s)
{
	double rate = rate_of(s->run->word);
	bool opened;
	bool tried = s->run->results > 0 && s->run->wins == 0 &&
		     strstr(s->run->word, "none of ") != NULL;

	if (try_word(s, &opened) != 0) {
		return -1;
	}
	return lab_tell(s, opened || s->run->wins > 0 ? LAB_WON : lab_held_if(s, tried),
		opened ? "found the key, and read a file with it: %.0f words a second, offline"
		       : "did not come far: %.0f words a second, one Argon2id each; the list is "
			 "%d",
		rate, FT_WORDS);
}

int lab_judge_ft_oracle(struct scene *s)
{
	static const char begin[] = "pay bob 0010 EUR";
	bool read = strstr(s->run->word, begin) != NULL;
	bool asked = s->run->exits[0] == 0 && s->run->wins == 0 &&
		     strstr(s->run->word, " changed messages were answered") != NULL;

	return lab_tell(s, read ? LAB_WON : lab_held_if(s, asked),
		read    ? "read how the recorded file begins: \"%s\"%s"
		: asked ? "got no word of it%.0s: %s"
			: "did not ask%.0s: %s",
		begin, read ? "" : s->run->word);
}
