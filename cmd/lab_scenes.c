/* What the victim of each attack does, and who judges it: see lab_judges.c. */
#include "lab_scene.h"

/* --- the victim --- */

static void title_of(struct scene *s, const char *what)
{
	(void)snprintf(s->title, sizeof s->title, "%s, %s%s", s->attack->name,
		lab_wire(s->attack, s->enhanced), what);
}

_Static_assert(sizeof(LAB_CONTENT) == sizeof(LAB_SECOND), "their records are of the same size");

static int write_letters(const struct scene *s)
{
	enum { TIMES = 120 };
	static char text[TIMES * sizeof(LAB_CONTENT)]; /* its blocks repeat, over and over */
	size_t n = 0;

	for (int i = 0; i < TIMES; i++) {
		n += (size_t)snprintf(text + n, sizeof text - n, "%s", LAB_CONTENT);
	}
	return lab_write(s->st, "letter1", LAB_CONTENT, s->e) != 0 ||
			       lab_write(s->st, "letter2", LAB_SECOND, s->e) != 0 ||
			       lab_write(s->st, "long", text, s->e) != 0
		       ? -1
		       : 0;
}

/* alice sends bob these files of the folder (the second may be NULL), in one session through the
 * relay. The exit code. */
static int send_mail(struct scene *s, const char *one, const char *two)
{
	char first[LAB_PATH + 64], second[LAB_PATH + 64];
	const char *const args[] = {
		"send", "-t", "bob", "--title", s->title, first, two != NULL ? second : NULL, NULL};

	(void)snprintf(first, sizeof first, "%s/%s", s->st->dir, one);
	(void)snprintf(second, sizeof second, "%s/%s", s->st->dir, two != NULL ? two : "");
	return lab_client(s->st, s->name, "alice", s->enhanced, true, args, NULL, s->e);
}

static int send_once(struct scene *s)
{
	s->run->exits[0] = send_mail(s, "letter1", NULL);
	return s->run->exits[0] < 0 ? -1 : 0;
}

static int send_both(struct scene *s)
{
	s->run->exits[0] = send_mail(s, "letter1", "letter2");
	return s->run->exits[0] < 0 ? -1 : 0;
}

static int send_long(struct scene *s)
{
	s->run->exits[0] = send_mail(s, "long", NULL);
	return s->run->exits[0] < 0 ? -1 : 0;
}

/* On enhanced one of two is dropped: the answer to the other one is what the attacker has. */
static int send_to_drop(struct scene *s)
{
	return s->enhanced ? send_both(s) : send_once(s);
}

static int send_twice(struct scene *s)
{
	enum { RECORDED = 4000 }; /* naps */

	title_of(s, " (first)");
	if (send_once(s) != 0) {
		return -1;
	}
	/* only what was recorded to its end is played */
	for (int i = 0; lab_count_in(s->st, s->st->relay_out, "\"ended\"") == 0; i++) {
		if (i == RECORDED) {
			return err_set(s->e, EX_SOFTWARE, "the first session did not end");
		}
		if (lab_nap(s->e) != 0) {
			return -1;
		}
	}
	title_of(s, "");
	s->run->exits[1] = send_mail(s, "letter1", NULL);
	return s->run->exits[1] < 0 ? -1 : 0;
}

/* Whose list is cut: on classic the rows must end where blocks end, on enhanced the list must be
 * longer than a record. */
static const char *listed(const struct scene *s)
{
	return s->enhanced ? "alice" : "carol";
}

static int list_mail(struct scene *s)
{
	const char *const args[] = {"inbox", NULL};

	s->run->exits[0] =
		lab_client(s->st, s->name, listed(s), s->enhanced, true, args, NULL, s->e);
	return s->run->exits[0] < 0 ? -1 : 0;
}

enum { TOGETHER = 20, SESSIONS = 6, LONG_TITLE = 100 /* characters */ };

/* bob sends a letter n times in one session; at most TOGETHER. */
static int fill(struct scene *s, const char *title, int n)
{
	const char *args[5 + TOGETHER + 1] = {"send", "-t", listed(s), "--title", title};
	char letter[LAB_PATH + 64];

	(void)snprintf(letter, sizeof letter, "%s/letter1", s->st->dir);
	for (int i = 0; i < n; i++) {
		args[5 + i] = letter;
	}
	return lab_client(s->st, "send", "bob", true, false, args, NULL, s->e) == 0
		       ? 0
		       : err_set(s->e, EX_SOFTWARE, "bob cannot send");
}

/* The oldest and the newest, and on enhanced a page of others between them; once. */
static int prepare_list(struct scene *s)
{
	const char *const list[] = {"inbox", NULL};
	char filler[4 * LONG_TITLE + 1] = "";

	for (size_t i = 0; i < LONG_TITLE; i++) { /* bytes are what counts */
		memcpy(filler + 4 * i, "\xf0\x9f\x93\xa7", 4);
	}
	filler[sizeof filler - 1] = '\0';
	if (lab_client(s->st, "inbox", listed(s), true, false, list, NULL, s->e) != 0) {
		return err_set(s->e, EX_SOFTWARE, "%s cannot list", listed(s));
	}
	if (lab_count_in(s->st, "inbox.out", LAB_NEWEST) > 0) {
		return 0;
	}
	if (fill(s, LAB_OLDEST, 1) != 0) {
		return -1;
	}
	for (int i = 0; s->enhanced && i < SESSIONS; i++) {
		if (fill(s, filler, TOGETHER) != 0) {
			return -1;
		}
	}
	return fill(s, LAB_NEWEST, 1);
}

static int prepare_logins(struct scene *s)
{
	s->counted = lab_count_logins(s);
	return 0;
}

/* How many slow connections the attacker says are open, last. */
static unsigned count_slow(const struct scene *s)
{
	static const char lead[] = "\"what\":\"", end[] = " slow connections are open";
	struct buf all = {0};
	struct err ignored;
	unsigned open = 0;

	if (lab_read(s->st, s->st->relay_out, &all, &ignored) == 0 &&
		buf_append(&all, "", 1) == 0) {
		const char *p = (const char *)all.p;
		while ((p = strstr(p, lead)) != NULL) {
			p += strlen(lead);
			size_t n = strcspn(p, "\"");
			if (n > strlen(end) && memcmp(p + n - strlen(end), end, strlen(end)) == 0) {
				open = (unsigned)strtoul(p, NULL, 10);
			}
		}
	}
	buf_free(&all);
	return open;
}

/* Until as many slow connections are there as one address may have; s->slow says how many. */
static int await_slow(struct scene *s)
{
	enum { ENOUGH = 90 };

	for (int i = 0; i < 2000; i++) {
		s->slow = count_slow(s);
		if (s->slow >= ENOUGH) {
			return 0;
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

static int judge_slow(struct scene *s)
{
	bool won = s->run->exits[0] != 0;

	return lab_tell(s, won ? LAB_WON : LAB_HELD,
		won ? "nobody could log in beside %u slow connections (exit %d)"
		    : "a login beside %u slow connections worked (exit %d, %d ms)",
		s->slow, s->run->exits[0], s->run->exits[1]);
}

enum lab_group lab_group_of(const struct mitm_attack *a)
{
	return lab_is_lie(a)           ? LAB_SERVER
	       : a->ft                 ? LAB_FILES
	       : a->permissive != NULL ? LAB_SMTP
				       : LAB_PROTOCOLS;
}

const char *lab_wire(const struct mitm_attack *a, bool second)
{
	static const char *const wires[LAB_GROUPS][2] = {{"classic", "enhanced"},
		{"permissive", "defaults"}, {"aes256", "noise"}, {"plain", "sealed"}};

	return wires[lab_group_of(a)][second ? 1 : 0];
}

const char *lab_setup(const struct mitm_attack *a, bool second)
{
	return a->permissive != NULL && second ? "sendmail and serve as they are" : a->permissive;
}

/* --- the table of scenes --- */

static const struct {
	const char *attack;
	int (*prepare)(struct scene *s); /* may be NULL */
	int (*act)(struct scene *s);
	unsigned connections, results; /* that the relay has at the end */
	unsigned sessions;             /* of alice's that end then, on enhanced */
	int (*judge)(struct scene *s);
} scenes[] = {
	{"eavesdrop", NULL, send_once, 1, 1, 1, lab_judge_eavesdrop},
	{"equal-blocks", NULL, send_long, 1, 1, 1, lab_judge_equal_blocks},
	{"stolen-key", NULL, send_once, 1, 1, 1, lab_judge_stolen_key},
	{"impersonate", NULL, send_once, 1, 1, 0, lab_judge_impersonate},
	{"replay-login", prepare_logins, send_once, 1, 1, 1, lab_judge_replay_login},
	{"replay-session", NULL, send_twice, 2, 1, 1, lab_judge_replay_session},
	{"double", NULL, send_once, 1, 1, 1, lab_judge_double},
	{"splice", NULL, send_once, 1, 1, 1, lab_judge_changed},
	{"flip", NULL, send_once, 1, 1, 1, lab_judge_changed},
	{"drop", NULL, send_to_drop, 1, 1, 1, lab_judge_drop},
	{"reorder", NULL, send_both, 1, 1, 1, lab_judge_reorder},
	{"truncate", prepare_list, list_mail, 1, 1, 1, lab_judge_truncate},
	{"tamper-login", NULL, send_once, 1, 1, 0, lab_judge_blame},
	{"inject-invalid", NULL, send_once, 1, 1, 0, lab_judge_blame},
	{"downgrade", NULL, send_once, 1, 1, 0, lab_judge_downgrade},
	{"low-order", NULL, send_once, 1, 1, 0, lab_judge_low_order},
	{"reflect", NULL, send_once, 1, 1, 0, lab_judge_reflect},
	{"slow", NULL, log_in_meanwhile, 0, 0, 0, judge_slow},
	{"smtp-relay", lab_smtp_prepare_relay, lab_smtp_send, 1, 1, 0, lab_judge_smtp_relay},
	{"strip-starttls", NULL, lab_smtp_send_anyhow, 1, 1, 0, lab_judge_strip},
	{"inject-starttls", lab_smtp_prepare_injection, lab_smtp_send_twice, 2, 2, 0,
		lab_judge_injection},
	{"ft-flip", lab_ft_prepare, lab_ft_write, 1, 1, 0, lab_judge_ft_flip},
	{"ft-truncate", lab_ft_prepare, lab_ft_write, 1, 1, 0, lab_judge_ft_truncate},
	{"ft-guess", lab_ft_prepare, lab_ft_wait, 0, 1, 0, lab_judge_ft_guess},
	{"ft-oracle", lab_ft_prepare, lab_ft_write_and_wait, 1, 1, 0, lab_judge_ft_oracle},
};

/* Beside an attack that only listens, or that comes afterwards, mail works as ever; and the server
 * says how each session ended: if not, nothing that is seen here means anything. */
static int check_scene(struct scene *s, unsigned sessions)
{
	const char *name = s->attack->name;
	bool unharmed = s->attack->passive || strncmp(name, "replay", strlen("replay")) == 0;

	if (unharmed && s->run->exits[0] != 0) {
		return err_set(s->e, EX_SOFTWARE, "alice cannot send (exit %d)", s->run->exits[0]);
	}
	return !s->enhanced || lab_log_grew(s, LAB_LOG_SESSION, sessions)
		       ? 0
		       : err_set(s->e, EX_SOFTWARE,
				 "the server does not say how alice's session ended");
}

/* A client that an attacker can crash or hang has not held, whatever else it did. */
static int check_crash(struct scene *s)
{
	enum { KILLED = 128 };

	return s->enhanced && s->run->exits[0] >= KILLED
		       ? lab_tell(s, LAB_WON, "the client crashed or hung (exit %d)",
				 s->run->exits[0])
		       : 0;
}

int lab_play(struct lab_stage *st, const struct mitm_attack *a, bool enhanced, struct lab_run *run,
	struct err *e)
{
	struct scene s = {.st = st, .attack = a, .enhanced = enhanced, .run = run, .e = e};
	size_t i = 0, n = sizeof scenes / sizeof scenes[0];

	title_of(&s, "");
	(void)snprintf(s.name, sizeof s.name, "%s-%s", a->name, lab_wire(a, enhanced));
	if (lab_is_lie(a)) {
		run->there = true;
		return lab_lie(&s);
	}
	while (i < n && strcmp(scenes[i].attack, a->name) != 0) {
		i++;
	}
	if (i == n) {
		return err_set(e, EX_SOFTWARE, "no scene shows the attack %s", a->name);
	}
	if (!enhanced && a->classic == MITM_NOTHING_THERE) {
		return lab_tell(&s, LAB_HELD, "the classic protocol has nothing of the kind");
	}
	run->there = true;
	st->target = a->permissive != NULL ? st->door : st->server;
	if (write_letters(&s) != 0 || (scenes[i].prepare != NULL && scenes[i].prepare(&s) != 0)) {
		return -1;
	}
	for (int what = 0; what < LAB_LOGS; what++) {
		s.before[what] = lab_log_count(&s, (enum lab_log)what);
	}
	return lab_attack(st, a, enhanced, e) != 0 || scenes[i].act(&s) != 0 ||
			       lab_stop_attack(
				       st, scenes[i].connections, scenes[i].results, run, e) != 0 ||
			       check_scene(&s, scenes[i].sessions) != 0 ||
			       scenes[i].judge(&s) != 0 || check_crash(&s) != 0 ||
			       lab_nap(e) != 0 /* stopped meanwhile? */
		       ? -1
		       : 0;
}
