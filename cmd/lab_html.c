/* The lab's page: one file, nothing loaded from elsewhere, readable in light and in dark: the
 * table, and for each attack two sequence diagrams: who sent what, what the attacker saw or
 * changed. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

#include "../crypto/file.h"
#include "lab.h"

enum {
	CLIENT_X = 60, /* of the lifelines, */
	ATTACKER_X = 320,
	SERVER_X = 580,
	WIDTH = 640,
	TOP = 44,  /* where the first arrow is, */
	STEP = 30, /* and how far apart they are */
	STEPS_MAX = 26,
	LABEL_FULL = 84, /* characters that fit over an arrow */
	LABEL_HALF = 38
};

/* The page while it is written: no memory latches. */
struct page {
	struct buf text;
	bool failed;
};

static void put(struct page *p, const char *text)
{
	p->failed = p->failed || buf_append_str(&p->text, text) != 0;
}

static void put_format(struct page *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void put_format(struct page *p, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	put(p, text);
}

/* Text of any origin: at most n bytes, an ellipsis if there are more. */
static void put_escaped(struct page *p, const char *text, size_t n)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len && i < n; i++) {
		char one[2] = {text[i], '\0'};
		put(p, text[i] == '<'                   ? "&lt;"
			: text[i] == '>'                ? "&gt;"
			: text[i] == '&'                ? "&amp;"
			: text[i] == '"'                ? "&quot;"
			: (unsigned char)text[i] < 0x20 ? " "
							: one);
	}
	if (len > n) {
		put(p, "…");
	}
}

/* --- the diagrams --- */

/* An arrow over `from` to `to`, and what it says. */
static void put_arrow(
	struct page *p, int y, int from, int to, bool forged, const struct lab_said *s)
{
	int left = from < to ? from : to, right = from < to ? to : from;
	bool full = right - left > ATTACKER_X;
	int tip = from < to ? to - 1 : to + 1, back = from < to ? tip - 7 : tip + 7;

	put_format(p, "<g class=\"%s\"><title>", forged ? "forged" : "said");
	put_escaped(p, s->what, LAB_TEXT);
	put_format(p,
		"</title><path d=\"M%d %dH%d\"/><path class=\"tip\" d=\"M%d %dL%d %dL%d %dz\"/>",
		from, y, tip, tip, y, back, y - 4, back, y + 4);
	if (full) {
		put_format(p, "<circle cx=\"%d\" cy=\"%d\" r=\"2.5\"/>", ATTACKER_X, y);
	}
	put_format(p, "<text x=\"%d\" y=\"%d\">%zu B: ", (left + right) / 2, y - 6, s->bytes);
	put_escaped(p, s->what, full ? LABEL_FULL : LABEL_HALF);
	put(p, "</text></g>\n");
}

static bool is_passed_on(const struct lab_run *run, size_t i)
{
	const struct lab_said *s = &run->said[i];

	return i + 1 < run->said_n && s->who[1] == '\0' && run->said[i + 1].who[0] == 'A' &&
	       s->connection == run->said[i + 1].connection &&
	       strcmp(run->said[i + 1].what, "the same, passed on") == 0;
}

/* One thing that was said; how many events it covers. */
static size_t put_step(struct page *p, const struct lab_run *run, size_t i, int y)
{
	const struct lab_said *s = &run->said[i];
	bool passed = is_passed_on(run, i);

	if (strcmp(s->who, "C") == 0) {
		put_arrow(p, y, CLIENT_X, passed ? SERVER_X : ATTACKER_X, false, s);
	} else if (strcmp(s->who, "S") == 0) {
		put_arrow(p, y, SERVER_X, passed ? CLIENT_X : ATTACKER_X, false, s);
	} else {
		put_arrow(
			p, y, ATTACKER_X, strcmp(s->who, "AC") == 0 ? SERVER_X : CLIENT_X, true, s);
	}
	return passed ? 2 : 1;
}

static void put_lifeline(struct page *p, int x, const char *name, int height)
{
	put_format(p,
		"<path class=\"life\" d=\"M%d 24V%d\"/><text class=\"name\" x=\"%d\" y=\"16\">%s"
		"</text>\n",
		x, height, x, name);
}

/* How many steps a run has: what was passed on is one. */
static int count_steps(const struct lab_run *run)
{
	int n = 0;

	for (size_t i = 0; i < run->said_n; i += is_passed_on(run, i) ? 2 : 1) {
		n += i == 0 || run->said[i].connection == run->said[i - 1].connection ? 1 : 2;
	}
	return n;
}

static void put_diagram(struct page *p, const struct lab_run *run, const char *label)
{
	int steps = count_steps(run), shown = steps < STEPS_MAX ? steps : STEPS_MAX, at = 0;
	int height = TOP + shown * STEP + (steps > shown ? STEP : 0);

	put_format(p, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDTH, height,
		label);
	put_lifeline(p, CLIENT_X, "client", height - 14);
	put_lifeline(p, ATTACKER_X, "attacker", height - 14);
	put_lifeline(p, SERVER_X, "server", height - 14);
	for (size_t i = 0; i < run->said_n && at < shown; at++) {
		int y = TOP + at * STEP + 12;
		if (i > 0 && run->said[i].connection != run->said[i - 1].connection) {
			put_format(p,
				"<text class=\"next\" x=\"%d\" y=\"%d\">connection %u</text>\n",
				ATTACKER_X, y, run->said[i].connection);
			if (++at == shown) {
				break;
			}
			y += STEP;
		}
		i += put_step(p, run, i, y);
	}
	if (steps > shown) {
		put_format(p, "<text class=\"next\" x=\"%d\" y=\"%d\">… and more</text>\n",
			ATTACKER_X, height - 16);
	}
	put(p, "</svg>\n");
}

/* --- the page --- */

static const char head[] =
	"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<title>smtp361 lab</title>\n<style>\n"
	":root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1f24; --soft: #59636e;\n"
	"  --rule: #d1d9e0; --bad: #b42318; --good: #1a7f37; --card: #f6f8fa; }\n"
	"@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --ink: #e6edf3;\n"
	"  --soft: #9198a1; --rule: #3d444d; --bad: #ff7b72; --good: #56d364;\n"
	"  --card: #161b22; } }\n"
	"body { background: var(--paper); color: var(--ink); margin: 0 auto; max-width: 76rem;\n"
	"  padding: 1.5rem; font: 1rem/1.5 system-ui, sans-serif; }\n"
	"table { border-collapse: collapse; width: 100%; }\n"
	"th, td { border-top: 1px solid var(--rule); padding: .45rem .6rem; text-align: left;\n"
	"  vertical-align: top; }\n"
	"a { color: inherit; }\n"
	".bad, .good, .none { font-weight: 600; }\n"
	".bad { color: var(--bad); } .good { color: var(--good); } .none { color: var(--soft); }\n"
	".pair { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, "
	"minmax(22rem, 1fr)); }\n"
	"figure { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem;\n"
	"  margin: 0; padding: .8rem; }\n"
	"figcaption { margin-bottom: .5rem; }\n"
	"svg { display: block; width: 100%; height: auto; }\n"
	"svg text { fill: var(--ink); font: 11px system-ui, sans-serif; text-anchor: middle;\n"
	"  paint-order: stroke; stroke: var(--card); stroke-width: 4px; }\n"
	"svg .name { font-size: 12px; font-weight: 600; }\n"
	"svg .next { fill: var(--soft); font-style: italic; }\n"
	"svg path { fill: none; stroke: var(--ink); }\n"
	"svg .tip { fill: var(--ink); }\n"
	"svg circle { fill: var(--soft); }\n"
	"svg .life { stroke: var(--rule); }\n"
	"svg .forged path { stroke: var(--bad); } svg .forged .tip { fill: var(--bad); }\n"
	"svg .forged text { fill: var(--bad); }\n"
	".soft { color: var(--soft); } h2 { margin: 2.2rem 0 .2rem; }\n"
	"</style>\n</head>\n<body>\n";

static void put_verdict(struct page *p, const struct lab_run *run)
{
	put_format(p, "<span class=\"%s\">%s</span> ",
		!run->there                ? "none"
		: run->won || run->unclear ? "bad"
					   : "good",
		!run->there    ? "nothing to attack"
		: run->won     ? "broken"
		: run->unclear ? "unclear"
			       : "held");
}

/* What was attacked, where the column does not say it. */
static void put_setup(struct page *p, const struct lab_row *row, int wire)
{
	const char *setup = lab_setup(row->attack, wire == 1);

	if (setup != NULL) {
		put(p, "<span class=\"soft\">");
		put_escaped(p, setup, LAB_TEXT);
		put(p, ":</span> ");
	}
}

/* The rows of one group. */
static void put_table(struct page *p, const struct lab_row *rows, size_t n, enum lab_group group,
	const char *heads)
{
	put_format(p,
		"<table>\n<thead><tr><th>attack</th><th>threat</th>%s</tr></thead>\n<tbody>\n",
		heads);
	for (size_t i = 0; i < n; i++) {
		const char *name = rows[i].attack->name;
		if (lab_group_of(rows[i].attack) != group) {
			continue;
		}
		put_format(p, "<tr><td><a href=\"#%s\">%s</a></td><td>%s</td>", name, name,
			rows[i].attack->threats);
		for (int wire = 0; wire < 2; wire++) {
			put(p, "<td>");
			put_setup(p, &rows[i], wire);
			put_verdict(p, &rows[i].runs[wire]);
			put_escaped(p, rows[i].runs[wire].effect, LAB_TEXT);
			put(p, "</td>");
		}
		put(p, rows[i].as_expected
				? "</tr>\n"
				: "</tr>\n<tr><td></td><td></td><td colspan=\"2\" "
				  "class=\"bad\">this is not as it should be</td></tr>\n");
	}
	put(p, "</tbody>\n</table>\n");
}

static void put_attack(struct page *p, const struct lab_row *row)
{
	static const char *const captions[LAB_GROUPS][2] = {
		{"on the classic protocol", "on the enhanced protocol"},
		{"on SMTP, permissive", "on SMTP, by default"},
		{"on file transfer, aes256", "on file transfer, noise"},
		{"on plain mail", "on sealed mail and chat"}};
	const char *const *wires = captions[lab_group_of(row->attack)];

	put_format(p, "<section id=\"%s\">\n<h2>%s</h2>\n<p><strong>", row->attack->name,
		row->attack->name);
	put_escaped(p, row->attack->line, LAB_TEXT);
	put_format(p, "</strong> <span class=\"soft\">(%s)</span></p>\n<p>", row->attack->threats);
	put_escaped(p, row->attack->help, 1000);
	put(p, "</p>\n<div class=\"pair\">\n");
	for (int wire = 0; wire < 2; wire++) {
		const struct lab_run *run = &row->runs[wire];
		put_format(p, "<figure><figcaption>%s: ", wires[wire]);
		put_setup(p, row, wire);
		put_verdict(p, run);
		put_escaped(p, run->effect, LAB_TEXT);
		put(p, "</figcaption>\n");
		if (!lab_is_lie(row->attack)) { /* nobody was in the middle */
			put_diagram(p, run, wires[wire]);
		}
		put(p, "</figure>\n");
	}
	put(p, "</div>\n</section>\n");
}

static void put_page(struct page *p, const struct lab_row *rows, size_t n)
{
	size_t good = 0, count[LAB_GROUPS] = {0};

	for (size_t i = 0; i < n; i++) {
		good += rows[i].as_expected ? 1 : 0;
		count[lab_group_of(rows[i].attack)]++;
	}
	put(p, head);
	put(p, "<h1>Protocols under attack</h1>\n"
	       "<p>Each attack was run twice: against what it should break (the classic\n"
	       "protocol, a permissive set-up, the founding file transfer), and against what\n"
	       "should hold, with a real server and real clients, and judged by what it did.\n"
	       "In the diagrams an arrow that passes the attacker with a dot was relayed\n"
	       "unchanged; one that ends there was kept back, changed or answered by the\n"
	       "attacker; what the attacker said itself is <span class=\"bad\">of this\n"
	       "colour</span>.</p>\n");
	put_format(p, "<p>%zu of %zu attacks ended as they should.</p>\n", good, n);
	if (count[LAB_PROTOCOLS] > 0) {
		put_table(p, rows, n, LAB_PROTOCOLS, "<th>on classic</th><th>on enhanced</th>");
	}
	if (count[LAB_SMTP] > 0) {
		put(p, "<h2>SMTP</h2>\n<p>The same attacker between mail programs and the SMTP\n"
		       "door: once where somebody asks for less than he could, once with\n"
		       "<code>sendmail</code> and <code>serve</code> as they are.</p>\n");
		put_table(p, rows, n, LAB_SMTP, "<th>permissive</th><th>by default</th>");
	}
	if (count[LAB_FILES] > 0) {
		put(p, "<h2>File transfer</h2>\n<p>The same attacker between <code>ft</code> and\n"
		       "<code>ftserve</code>: once over the founding wire, once over noise.</p>\n");
		put_table(p, rows, n, LAB_FILES, "<th>aes256</th><th>noise</th>");
	}
	if (count[LAB_SERVER] > 0) {
		put(p, "<h2>The server</h2>\n<p>Nobody is in the middle: whoever runs the server\n"
		       "changes what stands in its folder.</p>\n");
		put_table(
			p, rows, n, LAB_SERVER, "<th>plain mail</th><th>sealed mail and chat</th>");
	}
	for (size_t i = 0; i < n; i++) {
		put_attack(p, &rows[i]);
	}
	put_format(p,
		"<p class=\"soft\">Made by <code>smtp361 lab --html</code>, version %s.</p>\n",
		SMTP361_VERSION);
	put(p, "</body>\n</html>\n");
}

static int new_name(const char *path, char out[static LAB_PATH], struct err *e)
{
	int n = snprintf(out, LAB_PATH, "%s.new", path);

	return n < LAB_PATH ? 0 : err_set(e, EX_CANTCREAT, "the page's name is too long");
}

int lab_html_check(const char *path, struct err *e)
{
	char dir[LAB_PATH], *slash;

	if (new_name(path, dir, e) != 0) {
		return -1;
	}
	slash = strrchr(dir, '/');
	(void)snprintf(slash == NULL ? dir : slash + 1, 2, ".");
	return faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0
		       ? 0
		       : err_sys(e, EX_CANTCREAT, "cannot create %s", path);
}

/* Under another name first. 0 or -1. */
static int write_page(const char *path, const struct buf *text, struct err *e)
{
	char new[LAB_PATH];
	int fd, rc;

	if (new_name(path, new, e) != 0) {
		return -1;
	}
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0) {
		return err_sys(e, EX_CANTCREAT, "cannot create %s", new);
	}
	rc = file_write_all(fd, text->p, text->n);
	rc = close(fd) == 0 && rc == 0 ? rename(new, path) : -1;
	if (rc != 0) {
		err_sys(e, EX_IOERR, "cannot write %s", path);
		(void)unlink(new);
	}
	return rc;
}

int lab_html(const char *path, const struct lab_row *rows, size_t n, struct err *e)
{
	struct page p = {0};
	int rc;

	put_page(&p, rows, n);
	rc = p.failed ? err_set(e, EX_TEMPFAIL, "out of memory") : write_page(path, &p.text, e);
	buf_free(&p.text);
	return rc;
}
