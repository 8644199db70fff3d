/* The list of members; see members_list.h. */
#include "members_list.h"

#include <sys/ioctl.h>

#include "../crypto/sshsig.h"
#include "../keys/keyfile.h"
#include "remote.h"

enum {
	TIME_TEXT = 32,
	TABLE_WIDTH = 148,  /* columns: of a ROW */
	USUAL_COLUMNS = 80, /* of a terminal that does not say */
};
#define ROW "%-16s %-8s %-50s %-50s %s\n"

struct listing {
	const struct trust *own;
	const struct known *known;
	bool *seen; /* of known: the directory has shown them */
	json_t *array;
	bool begun, changed;
};

/* --- a member --- */

struct row {
	const char *name, *state, *x25519, *p256, *pinned; /* "-": there is none */
};

static bool table_fits(void)
{
	struct winsize w;

	return (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0
			       ? w.ws_col
			       : USUAL_COLUMNS) >= TABLE_WIDTH;
}

static void print_block(const struct row *r)
{
	const struct {
		const char *what, *value;
	} lines[] = {{"X25519", r->x25519}, {"P-256", r->p256}, {"Pinned", r->pinned}};

	(void)printf("%s (%s)\n", r->name, r->state);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		if (strcmp(lines[i].value, "-") != 0) {
			(void)printf("  %-6s  %s\n", lines[i].what, lines[i].value);
		}
	}
}

/* As a table, where that fits a terminal; as a block of lines, where it does not; elsewhere as
 * parts separated by tabs. */
static void print_row(struct listing *l, const struct row *r)
{
	if (!cli_is_terminal()) {
		(void)printf(
			"%s\t%s\t%s\t%s\t%s\n", r->name, r->state, r->x25519, r->p256, r->pinned);
	} else if (!table_fits()) {
		print_block(r);
	} else {
		if (!l->begun) {
			(void)printf(ROW, "Name", "State", "X25519", "P-256 (signs)", "Pinned");
		}
		(void)printf(ROW, r->name, r->state, r->x25519, r->p256, r->pinned);
	}
	l->begun = true;
}

static int add_object(struct listing *l, const struct row *r, struct err *e)
{
	json_t *o = json_object();

	cli_json_text(o, "name", r->name, strlen(r->name));
	cli_json_text(o, "state", r->state, strlen(r->state));
	cli_json_text(o, "x25519", r->x25519, strlen(r->x25519));
	cli_json_text(o, "p256", r->p256, strlen(r->p256));
	cli_json_text(o, "pinned", r->pinned, strlen(r->pinned));
	return json_array_append_new(l->array, o) == 0 ? 0
						       : err_set(e, EX_TEMPFAIL, "out of memory");
}

static void tell_time(char out[static TIME_TEXT], int64_t seconds)
{
	time_t when = (time_t)seconds;
	struct tm tm;

	if (seconds == 0 || gmtime_r(&when, &tm) == NULL ||
		strftime(out, TIME_TEXT, "%FT%TZ", &tm) == 0) {
		(void)snprintf(out, TIME_TEXT, "-");
	}
}

/* since: 0 where it is not pinned. */
static int print(struct listing *l, const char *name, const char *state,
	const struct known_keys *keys, int64_t since, struct err *e)
{
	char x25519[KEYFILE_FINGERPRINT_MAX] = "-", p256[SSHSIG_FINGERPRINT_MAX] = "-";
	char pinned[TIME_TEXT];
	const struct row row = {name, state, x25519, p256, pinned};

	if (keys != NULL && keyfile_x25519_fingerprint(keys->x25519, x25519) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	if (keys != NULL && keys->signs) {
		sshsig_fingerprint(p256, keys->p256);
	}
	tell_time(pinned, since);
	if (l->array != NULL) {
		return add_object(l, &row, e);
	}
	print_row(l, &row);
	return 0;
}

/* --- the list --- */

static bool same_keys(const struct known_keys *a, const struct known_keys *b)
{
	return ct_eq(a->x25519, b->x25519, sizeof a->x25519) &&
	       (!a->signs || !b->signs || ct_eq(a->p256, b->p256, sizeof a->p256));
}

static int print_known(
	struct listing *l, const struct known_member *m, const char *state, struct err *e)
{
	state = state != NULL ? state : m->verified ? "verified" : "pinned";
	return print(l, m->name, state, &m->keys, m->since, e);
}

/* A row of the directory. */
static int visit(void *arg, const struct members_row *row, struct err *e)
{
	struct listing *l = arg;
	const struct known_keys *keys = row->has_keys ? &row->keys : NULL;
	const struct known_member *m = known_find(l->known, row->name);
	struct known_keys ours = trust_keys(l->own);

	if (strcmp(row->name, l->own->name) == 0) {
		bool same = keys == NULL || same_keys(keys, &ours);
		l->changed = l->changed || !same;
		return print(l, row->name, same ? "you" : "changed", keys, 0, e);
	}
	if (m == NULL) {
		return print(l, row->name, keys == NULL ? "no-key" : "new", keys, 0, e);
	}
	l->seen[m - l->known->members] = true;
	if (keys == NULL || same_keys(keys, &m->keys)) {
		return print_known(l, m, NULL, e);
	}
	l->changed = true;
	return print(l, row->name, "changed", keys, m->since, e);
}

static int list(struct listing *l, struct mail_client *c, struct err *e)
{
	if (c != NULL && enhanced_members_list(c, visit, l, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < l->known->n; i++) {
		if (!l->seen[i] &&
			print_known(l, &l->known->members[i], c == NULL ? NULL : "gone", e) != 0) {
			return -1;
		}
	}
	return 0;
}

int members_list(const struct trust *own, struct mail_client *c, bool json, struct err *e)
{
	struct known known;
	struct listing l = {.own = own, .known = &known, .array = json ? json_array() : NULL};
	int rc = known_load(&known, own->keys, e);

	l.seen = calloc(known.n + 1, sizeof *l.seen);
	if (rc == 0 && l.seen == NULL) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = rc == 0 ? list(&l, c, e) : rc;
	if (json && rc == 0) {
		rc = cli_print_json(l.array, e);
	} else {
		json_decref(l.array);
	}
	if (rc == 0 && l.changed) {
		err_set(e, EX_NOPERM, "the server shows other keys than the ones that are pinned");
		rc = err_hint(e, "ask who is marked \"changed\", and compare: smtp361 verify NAME");
	}
	free(l.seen);
	known_free(&known);
	return rc;
}
