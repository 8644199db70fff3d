/* What counts as won: files, exit codes, what the server shows to whom it was meant for, and what
 * its log says. What the attacker says of itself decides nothing where an effect can be seen. On
 * the enhanced protocol it is not enough that an attack did not win: what should have stopped it
 * must have been seen at work. */
#include "lab_scene.h"

/* --- what can be seen --- */

int lab_tell(struct scene *s, enum lab_verdict verdict, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(s->run->effect, sizeof s->run->effect, format, args);
	va_end(args);
	s->run->won = verdict == LAB_WON;
	s->run->unclear = verdict == LAB_UNCLEAR;
	return 0;
}

size_t lab_log_count(const struct scene *s, enum lab_log what)
{
	static const char *const texts[LAB_LOGS] = {
		[LAB_LOG_SESSION] = " wire=enhanced user=alice ",
		[LAB_LOG_TWO] = " wire=enhanced user=alice sent=2 ",
		[LAB_LOG_UNOPENED] = " text=\"cannot open a Noise message",
		[LAB_LOG_THIRD] = " text=\"message 3: cannot open a Noise message",
		[LAB_LOG_LOW] = "the peer's public key is a low-order point",
		[LAB_LOG_BEHIND] = " text=\"bytes stood behind STARTTLS\"",
	};

	return lab_count_in(s->st, "server.err", texts[what]);
}

bool lab_log_grew(const struct scene *s, enum lab_log what, size_t by)
{
	enum { TRIES = 4000 };
	struct err stopped; /* whoever waits next is told */

	for (int i = 0; i < TRIES; i++) {
		if (lab_log_count(s, what) >= s->before[what] + by) {
			return true;
		}
		if (lab_nap(&stopped) != 0) {
			break;
		}
	}
	return false;
}

/* At once: the session is over, and what it said is there. */
static bool log_has_grown(const struct scene *s, enum lab_log what)
{
	return lab_log_count(s, what) > s->before[what];
}

size_t lab_count_logins(const struct scene *s)
{
	return lab_count_in(s->st, "server.out", "Symmetric Key Generated for client: alice");
}

/* Did the victim say that a record did not open? */
static bool victim_could_not_open(const struct scene *s)
{
	char file[80];

	(void)snprintf(file, sizeof file, "%s.err", s->name);
	return lab_count_in(s->st, file, "cannot open a Noise message") > 0;
}

int lab_find_titled(struct scene *s, const char *title, unsigned at[static LAB_FOUND_MAX])
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
		const char *its = json_string_value(json_object_get(row, "title"));
		if (its != NULL && strcmp(its, title) == 0 && n < LAB_FOUND_MAX) {
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

/* Of the victim's first command, in words. */
static const char *left(const struct scene *s)
{
	static char text[64];
	int code = s->run->exits[0];

	(void)snprintf(
		text, sizeof text, code == 0 ? "the client said it was sent" : "exit %d", code);
	return text;
}

enum lab_verdict lab_held_if(const struct scene *s, bool proven)
{
	return proven || !s->enhanced ? LAB_HELD : LAB_UNCLEAR;
}

/* --- who listens --- */

bool lab_was_heard(const struct lab_run *run, const char *text)
{
	char hex[2 * sizeof(LAB_CONTENT)];
	size_t n = strlen(text) < sizeof hex / 2 ? strlen(text) : sizeof hex / 2 - 1;

	hex_encode(hex, (const uint8_t *)text, n);
	for (size_t i = 0; i < run->said_n; i++) {
		if (strstr(run->said[i].hex, hex) != NULL) {
			return true;
		}
	}
	return false;
}

int lab_judge_eavesdrop(struct scene *s)
{
	bool counted = strstr(s->run->word, " 1 e-mail ") != NULL;
	/* three letters come by chance: bob with what stands around him */
	bool read = lab_was_heard(s->run, "alice") || lab_was_heard(s->run, "To: bob") ||
		    lab_was_heard(s->run, "\"bob\"") || lab_was_heard(s->run, s->title) ||
		    lab_was_heard(s->run, "Pay 1000");
	size_t records = 0;

	for (size_t i = 0; i < s->run->said_n; i++) {
		const struct lab_said *said = &s->run->said[i];
		bool is_record = strcmp(said->what, "a sealed record") == 0;
		records += is_record && said->who[1] == '\0' ? 1 : 0;
	}
	if (read || !s->enhanced) {
		return lab_tell(s, read || counted ? LAB_WON : LAB_HELD,
			read ? "read a name or a text of theirs"
			     : "told each step apart, and that 1 e-mail was sent");
	}
	return lab_tell(s, lab_held_if(s, records > 0),
		"read no name, title or text; saw the sizes and times of %zu sealed records",
		records);
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

int lab_judge_equal_blocks(struct scene *s)
{
	enum { SOME = 500 }; /* or nothing was compared that could be alike */
	size_t all, equal = count_equal_blocks(s->run, &all);

	return lab_tell(s,
		equal > 0     ? LAB_WON
		: all >= SOME ? LAB_HELD
			      : LAB_UNCLEAR,
		"%zu of %zu blocks of cipher text repeat an earlier one", equal, all);
}

int lab_judge_stolen_key(struct scene *s)
{
	bool stolen = lab_is_stolen(s->st, "alice", s->title, LAB_CONTENT);
	bool tried = strncmp(s->run->word, "message 1 opens", strlen("message 1 opens")) == 0;

	if (stolen || s->run->wins > 0) {
		return lab_tell(s, LAB_WON,
			stolen ? "read the whole e-mail, with alice's key stolen afterwards"
			       : "opened what is secret: %s",
			s->run->word);
	}
	return lab_tell(s, lab_held_if(s, tried),
		tried ? "with alice's and the server's keys, opened message 1, which is empty, and "
			"nothing behind it"
		      : "opened nothing: %s",
		s->run->word);
}

/* --- false servers --- */

int lab_judge_impersonate(struct scene *s)
{
	bool stolen = lab_is_stolen(s->st, "alice", s->title, LAB_CONTENT);
	unsigned at[LAB_FOUND_MAX];
	int n = lab_find_titled(s, s->title, at);

	if (n < 0) {
		return -1;
	}
	if (stolen || s->run->exits[0] == 0) {
		return lab_tell(s, LAB_WON,
			stolen ? "read the whole e-mail; %s, and bob has %s"
			       : "the client took it for the server (%s; bob has %s)",
			left(s), n == 0 ? "nothing" : "it");
	}
	return lab_tell(s, lab_held_if(s, s->run->exits[0] == EX_PROTOCOL && s->run->results > 0),
		"got no name and no mail: the client left (%s; bob has %s)", left(s),
		n == 0 ? "nothing" : "it");
}

int lab_judge_blame(struct scene *s)
{
	bool blamed = s->run->exits[0] == EX_NOPERM;
	/* then the server says nothing to it, and ends */
	bool mute = strcmp(s->attack->name, "tamper-login") == 0 && s->enhanced;
	bool known = s->run->exits[0] == (mute ? EX_TEMPFAIL : EX_PROTOCOL) &&
		     s->run->results > 0 && (!mute || lab_log_grew(s, LAB_LOG_THIRD, 1));

	return lab_tell(s, blamed || s->run->exits[0] == 0 ? LAB_WON : lab_held_if(s, known),
		blamed ? "the client was told that its password is wrong, and believed it (exit %d)"
		: known && mute ? "the client knows that its login has no answer (exit %d)"
		: known         ? "the client knows that the protocol was broken (exit %d)"
				: "nothing shows what became of the login (exit %d)",
		s->run->exits[0]);
}

int lab_judge_downgrade(struct scene *s)
{
	bool fell = s->run->ended > 1 || s->run->exits[0] == 0;
	bool refused = s->run->exits[0] == EX_TEMPFAIL && s->run->results > 0;

	for (size_t i = 0; i < s->run->said_n; i++) {
		fell = fell || strstr(s->run->said[i].what, "RSA") != NULL;
	}
	return lab_tell(s, fell ? LAB_WON : lab_held_if(s, refused),
		fell      ? "the client fell back to the classic protocol (exit %d)"
		: refused ? "the client failed, and said no classic byte (exit %d)"
			  : "the client failed for another reason (exit %d)",
		s->run->exits[0]);
}

int lab_judge_reflect(struct scene *s)
{
	bool won = s->run->wins > 0 || s->run->exits[0] == 0;
	bool refused = s->run->exits[0] == EX_PROTOCOL && s->run->results > 0;

	return lab_tell(s, won ? LAB_WON : lab_held_if(s, refused),
		won       ? "the client went on (exit %d)"
		: refused ? "refused: the client named nobody (exit %d)"
			  : "the client failed for another reason (exit %d)",
		s->run->exits[0]);
}

int lab_judge_low_order(struct scene *s)
{
	bool won = s->run->wins > 0 || s->run->exits[0] == 0;
	size_t points = 0;

	while (mitm_low_order_point(points) != NULL) {
		points++;
	}
	/* each in message 1, and in message 3 */
	bool refused =
		!won && s->run->exits[0] == EX_PROTOCOL && lab_log_grew(s, LAB_LOG_LOW, 2 * points);
	return lab_tell(s, won ? LAB_WON : lab_held_if(s, refused),
		won       ? "a party went on (exit %d)"
		: refused ? "the server refused each point; the client left, and named nobody "
			    "(exit %d)"
			  : "not each point was refused for being one (exit %d)",
		s->run->exits[0]);
}

/* --- what was recorded --- */

int lab_judge_replay_login(struct scene *s)
{
	bool closed = s->enhanced && s->run->wins == 0 && lab_log_grew(s, LAB_LOG_THIRD, 1);
	bool won = s->run->wins > 0 ||
		   (s->enhanced ? lab_log_count(s, LAB_LOG_SESSION) > s->before[LAB_LOG_SESSION] + 1
				: lab_count_logins(s) > s->counted + 1);

	return lab_tell(s, won ? LAB_WON : lab_held_if(s, closed),
		won      ? "the server opened a second session for the recorded login"
		: closed ? "the server closed: the recorded message 3 does not open"
			 : "nothing shows that the server refused the recorded login");
}

int lab_judge_replay_session(struct scene *s)
{
	unsigned at[LAB_FOUND_MAX];
	int n = lab_find_titled(s, s->title, at);
	bool fooled = s->run->exits[1] == 0 && n == 0;

	return n < 0 ? -1
		     : lab_tell(s,
			       fooled ? LAB_WON
				      : lab_held_if(s, n == 0 && s->run->exits[1] == EX_PROTOCOL),
			       fooled ? "the second client said it was sent; no server has seen it"
				      : "the second client noticed (exit %d)",
			       s->run->exits[1]);
}

/* --- what was changed on its way --- */

static int tell_lost(struct scene *s)
{
	return lab_tell(s, LAB_WON, "bob has nothing, and %s", left(s));
}

/* Where nothing is stored and the client does not know it, each of these has won. */
static bool is_lost(const struct scene *s, int n)
{
	return n == 0 && s->run->exits[0] == 0;
}

int lab_judge_double(struct scene *s)
{
	unsigned at[LAB_FOUND_MAX];
	int n = lab_find_titled(s, s->title, at);
	bool refused = n == 1 && log_has_grown(s, LAB_LOG_UNOPENED);

	if (n < 0) {
		return -1;
	}
	if (is_lost(s, n)) {
		return tell_lost(s);
	}
	if (s->enhanced && log_has_grown(s, LAB_LOG_TWO)) {
		return lab_tell(s, LAB_WON, "the server took the same records for two messages");
	}
	return lab_tell(s, n > 1 ? LAB_WON : lab_held_if(s, refused),
		n > 1     ? "the e-mail is stored twice (%s)"
		: refused ? "the e-mail is stored once: the repeated record did not open (%s)"
			  : "the e-mail is not stored twice (%s)",
		left(s));
}

int lab_judge_changed(struct scene *s)
{
	unsigned at[LAB_FOUND_MAX];
	int n = lab_find_titled(s, s->title, at),
	    same = n > 0 ? has_content(s, at[0], LAB_CONTENT) : 0;
	bool blamed = n == 0 && s->run->exits[0] == EX_DATAERR;
	bool refused =
		n == 0 && s->run->exits[0] == EX_PROTOCOL && log_has_grown(s, LAB_LOG_UNOPENED);

	if (n < 0 || same < 0) {
		return -1;
	}
	if (is_lost(s, n)) {
		return tell_lost(s);
	}
	if (n > 0) {
		return lab_tell(s, same == 0 ? LAB_WON : lab_held_if(s, false),
			same == 0 ? "another text is stored than alice wrote; %s"
				  : "the text is stored as alice wrote it; %s",
			left(s));
	}
	return lab_tell(s, blamed ? LAB_WON : lab_held_if(s, refused),
		blamed    ? "the noise was read as alice's own text, and she is blamed "
			    "for it (%s)"
		: refused ? "nothing is stored: the record did not open (%s)"
			  : "nothing is stored, for another reason (%s)",
		left(s));
}

/* On enhanced it is the second of two letters that is kept back. */
int lab_judge_drop(struct scene *s)
{
	unsigned at[LAB_FOUND_MAX];
	int n = lab_find_titled(s, s->title, at);
	bool noticed = n == 1 && s->run->exits[0] == EX_PROTOCOL && victim_could_not_open(s);

	if (n < 0) {
		return -1;
	}
	if (is_lost(s, n)) {
		return tell_lost(s);
	}
	if (s->enhanced && n == 1 && s->run->exits[0] == 0) {
		return lab_tell(s, LAB_WON, "bob has one of two, and %s", left(s));
	}
	return lab_tell(s, lab_held_if(s, noticed),
		noticed ? "the client noticed: the repeated answer did not open (%s)"
			: "the client noticed (%s)",
		left(s));
}

int lab_judge_reorder(struct scene *s)
{
	unsigned at[LAB_FOUND_MAX];
	int n = lab_find_titled(s, s->title, at),
	    second_first = n == 2 ? has_content(s, at[0], LAB_SECOND) : 0;
	bool refused =
		n == 0 && s->run->exits[0] == EX_PROTOCOL && log_has_grown(s, LAB_LOG_UNOPENED);

	if (n < 0 || second_first < 0) {
		return -1;
	}
	if (n < 2 && s->run->exits[0] == 0) {
		return lab_tell(s, LAB_WON, "bob has %d of two, and %s", n, left(s));
	}
	return lab_tell(s, second_first > 0 ? LAB_WON : lab_held_if(s, refused),
		second_first > 0 ? "bob has the second e-mail ahead of the first; %s"
		: refused        ? "no order was changed: the records did not open (%s)"
				 : "no order was changed (%s)",
		left(s));
}

int lab_judge_truncate(struct scene *s)
{
	enum { KILLED = 128 };
	char file[80];
	(void)snprintf(file, sizeof file, "%s.out", s->name);
	bool last = lab_count_in(s->st, file, LAB_NEWEST) > 0;
	bool first = lab_count_in(s->st, file, LAB_OLDEST) > 0;
	bool fooled = s->run->exits[0] == 0 && !last;
	bool noticed = s->run->exits[0] == (s->enhanced ? EX_TEMPFAIL : EX_PROTOCOL) &&
		       s->run->results > 0;

	if (!s->enhanced && s->run->exits[0] > KILLED) {
		return lab_tell(
			s, LAB_HELD, "the client waited for all that was announced, to no end");
	}
	return lab_tell(s, fooled && (first || s->enhanced) ? LAB_WON : lab_held_if(s, noticed),
		fooled ? "the newest message is missing in the list, without a word"
		: last ? "the list is whole (exit %d)"
		       : "the client noticed that the end is missing (exit %d)",
		s->run->exits[0]);
}
