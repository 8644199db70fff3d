/* lab: every attack against both protocols, and against SMTP, by itself, on loopback. */
#include <sys/ioctl.h>

#include "lab.h"
#include "progress.h"

static const char help[] =
	"usage: smtp361 lab [--json] [--html FILE] [--dialect NAME] [-d DIR] [ATTACK]...\n"
	"\n"
	"Set up a server, clients and keys in a private folder, run each attack of\n"
	"`smtp361 mitm` against the classic and the enhanced protocol, and print what the\n"
	"attacker got; and those on SMTP against a permissive set-up and against `sendmail`\n"
	"and `serve` as they are; and those on file transfer against its founding wire and\n"
	"noise. And a server lies to its members (lying-server): about plain mail, and about\n"
	"sealed mail and chat. Everything stays on loopback. Exit 0 only when every attack on\n"
	"the enhanced protocol, on the defaults, on noise, and on sealed mail and chat fails,\n"
	"and every one that should work on the others does.\n"
	"\n"
	"      --json           print the rows as JSON\n"
	"      --html FILE      write one page with the table, and two diagrams for each attack\n"
	"      --dialect NAME   of the classic protocol: spec, or python\n"
	"  -d, --dir DIR        make the folder here, and keep it: keys, mailboxes, logs\n";

#define LYING_SERVER "lying-server" /* all of lab_lies */

enum { ROWS_MAX = 64, WIDTH = 100, WIDTH_MIN = 60 };

/* --- running --- */

/* As it should be: never in the second column; in the first one as the table says. */
static bool is_expected(const struct lab_row *row, const struct classic_dialect *dialect)
{
	const struct mitm_attack *a = row->attack;
	bool sizes = dialect->list[0].text != NULL; /* are told ahead, and answered */
	bool works = a->classic == MITM_WORKS && !(sizes && a->sizes_stop_it);

	return !row->runs[1].won && !row->runs[1].unclear && !row->runs[0].unclear &&
	       row->runs[0].won == works;
}

static int run_row(struct lab_stage *st, struct lab_row *row, struct err *e)
{
	for (int wire = 0; wire < 2; wire++) {
		if (lab_play(st, row->attack, wire == 1, &row->runs[wire], e) != 0) {
			return err_prefix(
				e, "%s, %s", row->attack->name, lab_wire(row->attack, wire == 1));
		}
	}
	row->as_expected = is_expected(row, st->dialect);
	return 0;
}

static int run_all(struct lab_stage *st, struct lab_row *rows, size_t n, struct err *e)
{
	struct progress p;
	int rc = 0;

	progress_begin(&p, "lab", "attacks", n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		progress_tell(&p, i);
		rc = run_row(st, &rows[i], e);
	}
	progress_clear(&p);
	return rc;
}

/* --- the table --- */

static const char *verdict(const struct lab_row *row, int wire)
{
	const struct lab_run *run = &row->runs[wire];

	return !run->there ? "-" : run->won ? "BROKEN" : run->unclear ? "UNCLEAR" : "held";
}

static unsigned width(void)
{
	struct winsize w;

	if (!cli_is_terminal() || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0) {
		return WIDTH;
	}
	return w.ws_col < WIDTH_MIN ? WIDTH_MIN : w.ws_col;
}

/* The next line of a text, of at most n bytes, ended at a blank where there is one. */
static size_t next_line(const char *text, size_t n)
{
	size_t len = strlen(text), at = n;

	if (len <= n) {
		return len;
	}
	while (at > 0 && text[at] != ' ') {
		at--;
	}
	return at == 0 ? n : at;
}

static const char *print_cell(const char *text, size_t n, size_t pad)
{
	size_t take = next_line(text, n);

	(void)printf("%-*.*s", (int)pad, (int)take, text);
	text += take;
	return text + strspn(text, " ");
}

static void print_row(const struct lab_row *row, size_t n)
{
	char cells[2][LAB_TEXT + 100];
	const char *rest[2];

	for (int wire = 0; wire < 2; wire++) {
		const char *setup = lab_setup(row->attack, wire == 1);
		(void)snprintf(cells[wire], sizeof cells[wire], "%s%s%s%s: %s", verdict(row, wire),
			setup == NULL ? "" : " (", setup == NULL ? "" : setup,
			setup == NULL ? "" : ")", row->runs[wire].effect);
		rest[wire] = cells[wire];
	}
	for (bool first = true; first || rest[0][0] != '\0' || rest[1][0] != '\0'; first = false) {
		(void)printf("%-15s %-6s ", first ? row->attack->name : "",
			first ? row->attack->threats : "");
		rest[0] = print_cell(rest[0], n, rest[1][0] == '\0' ? 0 : n + 1);
		rest[1] = print_cell(rest[1], n, 0);
		(void)puts("");
	}
	if (!row->as_expected) {
		(void)printf("%-15s %-6s ^ not as it should be\n", "", "");
	}
}

/* Those of one group under a heading of their own. How many there were. */
static size_t print_group(const struct lab_row *rows, size_t n, enum lab_group group)
{
	static const char *const all[LAB_GROUPS][2] = {{"ON CLASSIC", "ON ENHANCED"},
		{"ON SMTP, PERMISSIVE", "ON SMTP, BY DEFAULT"},
		{"ON FILES, AES256", "ON FILES, NOISE"},
		{"ON PLAIN MAIL", "ON SEALED MAIL AND CHAT"}};
	const char *const *heads = all[group];
	size_t cell = (width() - 24) / 2, shown = 0;

	for (size_t i = 0; i < n; i++) {
		if (lab_group_of(rows[i].attack) != group) {
			continue;
		}
		if (shown++ == 0) {
			(void)printf("%-15s %-6s %-*s %s\n", "ATTACK", "THREAT", (int)cell,
				heads[0], heads[1]);
		}
		print_row(&rows[i], cell);
	}
	if (shown > 0) {
		(void)puts("");
	}
	return shown;
}

static void print_table(const struct lab_row *rows, size_t n)
{
	static const char *const endings[LAB_GROUPS] = {
		"what works on the classic protocol does, nothing works on the enhanced one",
		"what works on permissive SMTP does, nothing works on the defaults",
		"what works on the founding file transfer does, nothing works on noise",
		"the server reads and forges plain mail, but not sealed mail or chat"};
	size_t shown[LAB_GROUPS], good = 0;

	for (int group = 0; group < LAB_GROUPS; group++) {
		shown[group] = print_group(rows, n, (enum lab_group)group);
	}
	for (size_t i = 0; i < n; i++) {
		good += rows[i].as_expected ? 1 : 0;
	}
	(void)printf("%zu of %zu attacks ended as they should:\n", good, n);
	for (int group = 0; group < LAB_GROUPS; group++) {
		if (shown[group] > 0) {
			(void)puts(endings[group]);
		}
	}
}

/* --- JSON --- */

static json_t *json_of_said(const struct lab_run *run)
{
	json_t *all = json_array();

	for (size_t i = 0; i < run->said_n; i++) {
		const struct lab_said *s = &run->said[i];
		json_t *o = json_object();
		cli_json_number(o, "connection", s->connection);
		cli_json_text(o, "who", s->who, strlen(s->who));
		cli_json_number(o, "bytes", s->bytes);
		cli_json_text(o, "what", s->what, strlen(s->what));
		(void)json_array_append_new(all, o);
	}
	return all;
}

static json_t *json_of_run(const struct lab_run *run, const char *setup)
{
	json_t *o = json_object(), *exits = json_array();

	(void)json_array_append_new(exits, json_integer(run->exits[0]));
	(void)json_array_append_new(exits, json_integer(run->exits[1]));
	if (setup != NULL) {
		cli_json_text(o, "setup", setup, strlen(setup));
	}
	(void)json_object_set_new(o, "attacked", json_boolean(run->there));
	(void)json_object_set_new(o, "won", json_boolean(run->won));
	(void)json_object_set_new(o, "unclear", json_boolean(run->unclear));
	cli_json_text(o, "effect", run->effect, strlen(run->effect));
	cli_json_text(o, "word", run->word, strlen(run->word));
	(void)json_object_set_new(o, "exits", exits);
	(void)json_object_set_new(o, "said", json_of_said(run));
	return o;
}

static int print_json(const struct lab_row *rows, size_t n, struct err *e)
{
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct mitm_attack *a = rows[i].attack;
		json_t *o = json_object();
		cli_json_text(o, "attack", a->name, strlen(a->name));
		cli_json_text(o, "threats", a->threats, strlen(a->threats));
		cli_json_text(o, "line", a->line, strlen(a->line));
		(void)json_object_set_new(o, "ok", json_boolean(rows[i].as_expected));
		for (int wire = 0; wire < 2; wire++) {
			(void)json_object_set_new(o, lab_wire(a, wire == 1),
				json_of_run(&rows[i].runs[wire], lab_setup(a, wire == 1)));
		}
		(void)json_array_append_new(all, o);
	}
	return cli_print_json(all, e);
}

/* --- the applet --- */

static size_t add_lies(struct lab_row *rows)
{
	for (size_t i = 0; i < lab_lies_n; i++) {
		rows[i].attack = &lab_lies[i];
	}
	return lab_lies_n;
}

static const struct mitm_attack *find_attack(const char *name)
{
	for (size_t i = 0; i < lab_lies_n; i++) {
		if (strcmp(lab_lies[i].name, name) == 0) {
			return &lab_lies[i];
		}
	}
	return mitm_find(name);
}

/* All that there are. */
static size_t all_rows(struct lab_row *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < mitm_attacks_n; i++) {
		rows[n++].attack = &mitm_attacks[i];
	}
	return n + add_lies(rows + n);
}

/* -1 to go on, or the exit code. */
static int choose_rows(const struct cli *c, struct lab_row *rows, size_t *n)
{
	if (c->args_n > ROWS_MAX - lab_lies_n || mitm_attacks_n > ROWS_MAX - lab_lies_n) {
		return cli_usage(c, "at most %zu attacks", ROWS_MAX - lab_lies_n);
	}
	if (c->args_n == 0) {
		*n = all_rows(rows);
		return -1;
	}
	for (size_t i = 0; i < c->args_n; i++) {
		const struct mitm_attack *a = find_attack(c->args[i]);
		if (a == NULL && strcmp(c->args[i], LYING_SERVER) != 0) {
			return cli_usage(c,
				"there is no attack \"%s\"; mitm --attacks lists them, "
				"and there is " LYING_SERVER,
				c->args[i]);
		}
		*n += a == NULL ? add_lies(rows + *n) : 1;
		if (a != NULL) {
			rows[*n - 1].attack = a;
		}
		for (size_t k = 0; k + 1 < *n; k++) {
			if (rows[k].attack == rows[*n - 1].attack) {
				return cli_usage(c, "%s is named twice", c->args[i]);
			}
		}
	}
	return -1;
}

static int show(const struct lab_row *rows, size_t n, bool json, const char *html, struct err *e)
{
	if (json && print_json(rows, n, e) != 0) {
		return -1;
	}
	if (!json) {
		print_table(rows, n);
	}
	return html == NULL ? 0 : lab_html(html, rows, n, e);
}

APPLET_MAIN(lab)
{
	static struct lab_row rows[ROWS_MAX];
	static struct lab_stage st;
	const struct classic_dialect *dialect;
	const char *html = NULL, *dir = NULL, *name = NULL;
	bool json = false, good = true;
	const struct cli_option options[] = {{0, "json", CLI_FLAG, &json},
		{0, "html", CLI_TEXT, &html}, {0, "dialect", CLI_TEXT, &name},
		{'d', "dir", CLI_TEXT, &dir}};
	struct cli c = {.applet = "lab",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	size_t n = 0;
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	rc = rc >= 0 ? rc : choose_rows(&c, rows, &n);
	if (rc >= 0) {
		return rc;
	}
	dialect = name == NULL ? classic_spec : classic_dialect_find(name);
	if (dialect == NULL) {
		return cli_usage(&c, "there is no dialect \"%.64s\"; there are: %s", name,
			classic_dialect_names);
	}
	cli_protect();
	rc = html == NULL ? 0 : lab_html_check(html, &e);
	rc = rc == 0 ? lab_open(&st, dir, dialect, &e) : rc;
	rc = rc == 0 ? run_all(&st, rows, n, &e) : rc;
	lab_close(&st);
	rc = rc == 0 ? show(rows, n, json, html, &e) : rc;
	for (size_t i = 0; i < n; i++) {
		good = good && rows[i].as_expected;
		lab_run_free(&rows[i].runs[0]);
		lab_run_free(&rows[i].runs[1]);
	}
	return cli_finish(&c, rc != 0 ? cli_fail(&c, &e) : good ? EX_OK : EX_SOFTWARE);
}
