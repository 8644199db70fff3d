/* What the victim of each attack does, and what counts as won: files, exit codes, and what the
 * server shows to whom it was meant for. What the attacker says of itself decides nothing where an
 * effect can be seen. */
#include "lab.h"

/* Long enough for the blocks that attacks swap, no two of them alike, in one line. */
#define CONTENT \
	"Pay 1000 to Dora, 2000 to Emil, 3000 to Fred, 4000 to Gina, 5000 to Hans. Thank you."
#define SECOND \
	"Pay nobody anything before you have seen me, whatever other messages of mine may say."

/* Titles of carol's mail: the list's rows end where blocks end (mitm.h, truncate). */
#define ALIGNED_FIRST "an older note"
#define ALIGNED_LAST "the newest of all"

struct scene {
	struct lab_stage *st;
	const struct mitm_attack *attack;
	bool enhanced;
	struct lab_run *run;
	char title[64], name[64]; /* of the message; of the victim's output in the folder */
	size_t logins;            /* of alice's, before */
	unsigned slow;            /* connections of the attack */
	struct err *e;
};

/* --- the victim --- */

static void title_of(struct scene *s, const char *what)
{
	(void)snprintf(s->title, sizeof s->title, "%s, %s%s", s->attack->name,
		s->enhanced ? "enhanced" : "classic", what);
}

static int write_letters(const struct scene *s)
{
	return lab_write(s->st, "letter1", CONTENT, s->e) != 0
		       ? -1
		       : lab_write(s->st, "letter2", SECOND, s->e);
}

/* alice sends bob the letter, or both in one session; through the relay or not. The exit code. */
static int send_mail(struct scene *s, const char *to, bool both, bool relayed, bool enhanced)
{
	char first[LAB_PATH + 64], second[LAB_PATH + 64];
	const char *const args[] = {
		"send", "-t", to, "--title", s->title, first, both ? second : NULL, NULL};

	(void)snprintf(first, sizeof first, "%s/letter1", s->st->dir);
	(void)snprintf(second, sizeof second, "%s/letter2", s->st->dir);
	return lab_client(
		s->st, relayed ? s->name : "send", "alice", enhanced, relayed, args, NULL, s->e);
}

static int send_once(struct scene *s)
{
	s->run->exits[0] = send_mail(s, "bob", false, true, s->enhanced);
	return s->run->exits[0] < 0 ? -1 : 0;
}

static int send_both(struct scene *s)
{
	s->run->exits[0] = send_mail(s, "bob", true, true, s->enhanced);
	return s->run->exits[0] < 0 ? -1 : 0;
}

static int send_twice(struct scene *s)
{
	title_of(s, " (first)");
	if (send_once(s) != 0) {
		return -1;
	}
	/* only what was recorded to its end is played */
	for (int i = 0; i < 400 && lab_count_in(s->st, s->st->relay_out, "\"ended\"") == 0; i++) {
		if (lab_nap(s->e) != 0) {
			return -1;
		}
	}
	title_of(s, "");
	s->run->exits[1] = send_mail(s, "bob", false, true, s->enhanced);
	return s->run->exits[1] < 0 ? -1 : 0;
}

static int list_carol(struct scene *s)
{
	const char *const args[] = {"inbox", NULL};

	s->run->exits[0] = lab_client(s->st, s->name, "carol", s->enhanced, true, args, NULL, s->e);
	return s->run->exits[0] < 0 ? -1 : 0;
}

/* Two messages for carol, once. */
static int prepare_carol(struct scene *s)
{
	static const char *const titles[] = {ALIGNED_FIRST, ALIGNED_LAST};
	const char *const list[] = {"inbox", NULL};

	if (lab_client(s->st, "inbox", "carol", true, false, list, NULL, s->e) != 0) {
		return err_set(s->e, EX_SOFTWARE, "carol cannot list");
	}
	if (lab_count_in(s->st, "inbox.out", ALIGNED_LAST) > 0) {
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		(void)snprintf(s->title, sizeof s->title, "%s", titles[i]);
		if (send_mail(s, "carol", false, false, true) != 0) {
			return err_set(s->e, EX_SOFTWARE, "cannot send to carol");
		}
	}
	return 0;
}

/* The server says who has logged in. */
static size_t count_logins(const struct scene *s)
{
	return s->enhanced ? lab_count_in(s->st, "server.err", " wire=enhanced user=alice ")
			   : lab_count_in(s->st, "server.out",
				     "Symmetric Key Generated for client: alice");
}

static int prepare_logins(struct scene *s)
{
	s->logins = count_logins(s);
	return 0;
}

/* Until as many slow connections are there as one address may have; s->slow says how many. */
static int await_slow(struct scene *s)
{
	enum { ENOUGH = 90 };
	char said[64];

	for (int i = 0; i < 2000; i++) {
		for (s->slow = MITM_SOCKETS; s->slow >= ENOUGH; s->slow--) {
			(void)snprintf(said, sizeof said, "\"%u of %d slow connections are open",
				s->slow, MITM_SOCKETS);
			if (lab_count_in(s->st, s->st->relay_out, said) > 0) {
				return 0;
			}
		}
		if (lab_nap(s->e) != 0) {
			return -1;
		}
	}
	return err_set(s->e, EX_SOFTWARE, "fewer than %d slow connections came about", ENOUGH);
}

static int log_in_meanwhile(struct scene *s)
{
	const char *const args[] = {"inbox", "--limit", "1", NULL};
	int64_t began = 0;

	if (await_slow(s) != 0) {
		return -1;
	}
	began = conn_now_ms();
	s->run->exits[0] = lab_client(s->st, s->name, "bob", s->enhanced, false, args, NULL, s->e);
	s->run->exits[1] = (int)(conn_now_ms() - began); /* ms */
	return s->run->exits[0] < 0 ? -1 : 0;
}

/* --- what can be seen of it --- */

/* The indexes of bob's messages with the scene's title, oldest first; -1: the lab failed. */
static int find_mail(struct scene *s, unsigned at[static 4])
{
	const char *const args[] = {"inbox", "--json", NULL};
	struct buf out = {0};
	json_t *rows = NULL, *row;
	size_t i;
	int n = 0;

	if (lab_client(s->st, "inbox", "bob", true, false, args, &out, s->e) == 0) {
		rows = json_loads((const char *)out.p, 0, NULL);
	}
	buf_free(&out);
	if (!json_is_array(rows)) {
		json_decref(rows);
		return err_set(s->e, EX_SOFTWARE, "bob cannot list");
	}
	json_array_foreach(rows, i, row)
	{
		const char *title = json_string_value(json_object_get(row, "title"));
		if (title != NULL && strcmp(title, s->title) == 0 && n < 4) {
			at[n++] = (unsigned)json_integer_value(json_object_get(row, "index"));
		}
	}
	json_decref(rows);
	return n;
}

/* Is this message's content that text? 1, 0 or -1. */
static int has_content(struct scene *s, unsigned index, const char *text)
{
	char number[24];
	const char *const args[] = {"read", "--content", number, NULL};
	struct buf out = {0};
	int rc;

	(void)snprintf(number, sizeof number, "%u", index);
	rc = lab_client(s->st, "read", "bob", true, false, args, &out, s->e);
	rc = rc == 0 ? strcmp((const char *)out.p, text) == 0 : -1;
	buf_free(&out);
	return rc < 0 ? err_set(s->e, EX_SOFTWARE, "bob cannot read") : rc;
}

static int tell(struct scene *s, bool won, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int tell(struct scene *s, bool won, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(s->run->effect, sizeof s->run->effect, format, args);
	va_end(args);
	s->run->won = won;
	return 0;
}

/* Of the victim's first command, in words. */
static const char *left(const struct scene *s)
{
	static char text[64];
	int code = s->run->exits[0];

	(void)snprintf(
		text, sizeof text, code == 0 ? "the client said it was sent" : "exit %d", code);
	return text;
}

/* --- judgments --- */

static int judge_eavesdrop(struct scene *s)
{
	bool counted = strstr(s->run->word, " 1 e-mail ") != NULL;

	return tell(s, counted,
		counted ? "told each step apart, and that 1 e-mail was sent"
			: "saw a handshake and sealed records: no name, no step");
}

static int by_text(const void *a, const void *b)
{
	return memcmp(*(const char *const *)a, *(const char *const *)b, 32);
}

/* Blocks of all that both said behind the keys, that are like another one. */
static size_t count_equal_blocks(const struct lab_run *run, size_t *all)
{
	static const char *blocks[1 << 14];
	size_t n = 0, equal = 0;

	for (size_t i = 0; i < run->said_n; i++) {
		const struct lab_said *said = &run->said[i];
		bool heard = said->who[1] == '\0';
		bool key =
			strstr(said->what, "RSA") != NULL || strstr(said->what, "message") != NULL;
		for (size_t at = 0; heard && !key && at + 32 <= strlen(said->hex) &&
				    n < sizeof blocks / sizeof blocks[0];
			at += 32) {
			blocks[n++] = said->hex + at;
		}
	}
	qsort(blocks, n, sizeof blocks[0], by_text);
	for (size_t i = 1; i < n; i++) {
		equal += memcmp(blocks[i - 1], blocks[i], 32) == 0 ? 1 : 0;
	}
	*all = n;
	return equal;
}

static int judge_equal_blocks(struct scene *s)
{
	size_t all, equal = count_equal_blocks(s->run, &all);

	return tell(
		s, equal > 0, "%zu of %zu blocks of cipher text repeat an earlier one", equal, all);
}

static int judge_stolen_key(struct scene *s)
{
	bool stolen = lab_is_stolen(s->st, "alice", s->title, CONTENT);

	return tell(s, stolen,
		stolen ? "read the whole e-mail, with alice's key stolen afterwards"
		       : "with alice's and the server's keys, opened nothing");
}

static int judge_impersonate(struct scene *s)
{
	bool stolen = lab_is_stolen(s->st, "alice", s->title, CONTENT);
	unsigned at[4];
	int n = find_mail(s, at);

	return n < 0 ? -1
		     : tell(s, stolen || s->run->exits[0] == 0,
			       stolen ? "read the whole e-mail; %s, and bob has %s"
				      : "got no name and no mail: the client left (%s; bob has %s)",
			       left(s), n == 0 ? "nothing" : "it");
}

static int judge_replay_login(struct scene *s)
{
	bool won = count_logins(s) > s->logins + 1;

	return tell(s, won,
		won ? "the server opened a second session for the recorded login"
		    : "the server closed at the recorded message 3");
}

static int judge_replay_session(struct scene *s)
{
	unsigned at[4];
	int n = find_mail(s, at);
	bool fooled = s->run->exits[1] == 0 && n == 0;

	return n < 0 ? -1
		     : tell(s, fooled,
			       fooled ? "the second client said it was sent; no server has seen it"
				      : "the second client noticed (exit %d)",
			       s->run->exits[1]);
}

static int judge_double(struct scene *s)
{
	unsigned at[4];
	int n = find_mail(s, at);

	return n < 0 ? -1
		     : tell(s, n > 1, "the e-mail is stored %s (%s)",
			       n == 0   ? "not at all"
			       : n == 1 ? "once"
					: "twice",
			       left(s));
}

static int judge_changed(struct scene *s)
{
	unsigned at[4];
	int n = find_mail(s, at), same = n > 0 ? has_content(s, at[0], CONTENT) : 0;
	bool blamed = n == 0 && s->run->exits[0] == EX_DATAERR;

	if (n < 0 || same < 0) {
		return -1;
	}
	if (n > 0) {
		return tell(s, same == 0,
			same == 0 ? "another text is stored than alice wrote; %s"
				  : "the text is stored as alice wrote it; %s",
			left(s));
	}
	return tell(s, blamed,
		blamed ? "the noise was read as alice's own text, and she is blamed "
			 "for it (%s)"
		       : "nothing is stored: the record did not open (%s)",
		left(s));
}

static int judge_drop(struct scene *s)
{
	unsigned at[4];
	int n = find_mail(s, at);
	bool fooled = n == 0 && s->run->exits[0] == 0;

	return n < 0 ? -1
		     : tell(s, fooled,
			       fooled ? "bob has nothing, and %s" : "the client noticed (%s)",
			       left(s));
}

static int judge_reorder(struct scene *s)
{
	unsigned at[4];
	int n = find_mail(s, at), second_first = n == 2 ? has_content(s, at[0], SECOND) : 0;

	return n < 0 || second_first < 0
		       ? -1
		       : tell(s, second_first > 0,
				 second_first > 0
					 ? "bob has the second e-mail ahead of the first; %s"
					 : "no order was changed: the records did not open (%s)",
				 left(s));
}

static int judge_truncate(struct scene *s)
{
	char file[80];
	(void)snprintf(file, sizeof file, "%s.out", s->name);
	bool first = lab_count_in(s->st, file, ALIGNED_FIRST) == 1;
	bool last = lab_count_in(s->st, file, ALIGNED_LAST) == 1;
	bool fooled = s->run->exits[0] == 0 && first && !last;

	if (s->run->exits[0] > 128) {
		return tell(s, false, "the client waited for all that was announced, to no end");
	}
	return tell(s, fooled,
		fooled ? "the newest message is missing in the list, without a word"
		       : "the client noticed that the end is missing (exit %d)",
		s->run->exits[0]);
}

static int judge_blame(struct scene *s)
{
	bool blamed = s->run->exits[0] == EX_NOPERM;

	return tell(s, blamed,
		blamed ? "the client was told that its password is wrong, and believed it (exit %d)"
		       : "the client knows that the protocol was broken (exit %d)",
		s->run->exits[0]);
}

static int judge_downgrade(struct scene *s)
{
	bool fell = s->run->ended > 1 || s->run->exits[0] == 0;

	for (size_t i = 0; i < s->run->said_n; i++) {
		fell = fell || strstr(s->run->said[i].what, "RSA") != NULL;
	}
	return tell(s, fell,
		fell ? "the client fell back to the classic protocol"
		     : "the client failed, and said no classic byte (exit %d)",
		s->run->exits[0]);
}

static int judge_refused(struct scene *s)
{
	bool won = s->run->wins > 0 || s->run->exits[0] != EX_PROTOCOL;

	return tell(s, won,
		won ? "a party went on (exit %d)" : "refused: the client named nobody (exit %d)",
		s->run->exits[0]);
}

static int judge_slow(struct scene *s)
{
	bool won = s->run->exits[0] != 0;

	return tell(s, won,
		won ? "nobody could log in beside %u slow connections (exit %d)"
		    : "a login beside %u slow connections worked (exit %d, %d ms)",
		s->slow, s->run->exits[0], s->run->exits[1]);
}

/* --- the table of scenes --- */

static const struct {
	const char *attack;
	int (*prepare)(struct scene *s); /* may be NULL */
	int (*act)(struct scene *s);
	unsigned connections, results; /* that the relay has at the end */
	int (*judge)(struct scene *s);
} scenes[] = {
	{"eavesdrop", NULL, send_once, 1, 1, judge_eavesdrop},
	{"equal-blocks", NULL, send_once, 1, 1, judge_equal_blocks},
	{"stolen-key", NULL, send_once, 1, 1, judge_stolen_key},
	{"impersonate", NULL, send_once, 1, 1, judge_impersonate},
	{"replay-login", prepare_logins, send_once, 1, 1, judge_replay_login},
	{"replay-session", NULL, send_twice, 2, 1, judge_replay_session},
	{"double", NULL, send_once, 1, 1, judge_double},
	{"splice", NULL, send_once, 1, 1, judge_changed},
	{"flip", NULL, send_once, 1, 1, judge_changed},
	{"drop", NULL, send_once, 1, 1, judge_drop},
	{"reorder", NULL, send_both, 1, 1, judge_reorder},
	{"truncate", prepare_carol, list_carol, 1, 1, judge_truncate},
	{"tamper-login", NULL, send_once, 1, 0, judge_blame},
	{"inject-invalid", NULL, send_once, 1, 1, judge_blame},
	{"downgrade", NULL, send_once, 1, 1, judge_downgrade},
	{"low-order", NULL, send_once, 1, 1, judge_refused},
	{"reflect", NULL, send_once, 1, 0, judge_refused},
	{"slow", NULL, log_in_meanwhile, 0, 0, judge_slow},
};

/* Beside an attack that only listens, or that comes afterwards, mail works as ever: if not, nothing
 * that is seen here means anything. */
static int check_victim(struct scene *s)
{
	const char *name = s->attack->name;
	bool unharmed = s->attack->passive || strncmp(name, "replay", strlen("replay")) == 0;

	return unharmed && s->run->exits[0] != 0
		       ? err_set(s->e, EX_SOFTWARE, "alice cannot send (exit %d)", s->run->exits[0])
		       : 0;
}

int lab_play(struct lab_stage *st, const struct mitm_attack *a, bool enhanced, struct lab_run *run,
	struct err *e)
{
	struct scene s = {.st = st, .attack = a, .enhanced = enhanced, .run = run, .e = e};
	size_t i = 0, n = sizeof scenes / sizeof scenes[0];

	while (i < n && strcmp(scenes[i].attack, a->name) != 0) {
		i++;
	}
	if (i == n) {
		return err_set(e, EX_SOFTWARE, "no scene shows the attack %s", a->name);
	}
	if (!enhanced && a->classic == MITM_NOTHING_THERE) {
		return tell(&s, false, "the classic protocol has nothing of the kind");
	}
	run->there = true;
	if (write_letters(&s) != 0 || (scenes[i].prepare != NULL && scenes[i].prepare(&s) != 0)) {
		return -1;
	}
	title_of(&s, "");
	(void)snprintf(s.name, sizeof s.name, "%s-%s", a->name, enhanced ? "enhanced" : "classic");
	return lab_attack(st, a, enhanced, e) != 0 || scenes[i].act(&s) != 0 ||
			       lab_stop_attack(
				       st, scenes[i].connections, scenes[i].results, run, e) != 0 ||
			       check_victim(&s) != 0 || scenes[i].judge(&s) != 0
		       ? -1
		       : 0;
}
