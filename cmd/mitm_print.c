/* What `mitm` prints, by all its processes; see mitm_print.h. */
#include "mitm_print.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "../crypto/file.h"
#include "../proto/log.h"
#include "../proto/pcap.h"
#include "../store/filename.h"
#include "cli.h"

/* --- what is heard --- */

static void put(struct mitm_printer *p, const struct buf *text)
{
	gate_take(&p->gate);
	if (file_write_all(STDOUT_FILENO, text->p, text->n) != 0) {
		*p->lost = true;
	}
	gate_give(&p->gate);
}

static void put_line(struct mitm_printer *p, struct buf *line)
{
	if (buf_append(line, "\n", 1) == 0) {
		put(p, line);
	}
	buf_free(line);
}

static void put_object(struct mitm_printer *p, json_t *o)
{
	/* a terminal gets no control character of a peer's */
	size_t flags = JSON_COMPACT | (cli_is_terminal() ? JSON_ENSURE_ASCII : 0);
	char *text = o == NULL ? NULL : json_dumps(o, flags);
	struct buf line = {0};

	if (text != NULL && buf_append_str(&line, text) == 0) {
		put_line(p, &line);
	}
	free(text);
	json_decref(o);
}

static int append_hex(struct buf *out, const struct mitm_event *event)
{
	enum { ROW = 32 };
	char text[2 * ROW + 1];
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < event->n; at += ROW) {
		size_t n = event->n - at < ROW ? event->n - at : ROW;
		hex_encode(text, event->p + at, n);
		rc = buf_append_str(out, "\n    ") != 0 || buf_append_str(out, text) != 0 ? -1 : 0;
	}
	return rc;
}

static void said_json(struct mitm_printer *p, const struct mitm_event *event)
{
	const char *who = mitm_who_name(event->who);
	json_t *o = json_object();

	cli_json_number(o, "connection", event->connection);
	cli_json_text(o, "who", who, strlen(who));
	cli_json_number(o, "bytes", event->n);
	cli_json_text(o, "what", event->what, strlen(event->what));
	if (p->hex) {
		char *text = malloc(2 * event->n + 1);
		if (text != NULL) {
			hex_encode(text, event->p, event->n);
			cli_json_text(o, "hex", text, 2 * event->n);
		}
		free(text);
	}
	put_object(p, o);
}

static void said(void *arg, const struct mitm_event *event)
{
	struct mitm_printer *p = arg;
	struct buf line = {0};
	char text[300];

	if (p->json) {
		said_json(p, event);
		return;
	}
	(void)snprintf(text, sizeof text, "%u %s: %zu bytes: %s", event->connection,
		mitm_who_name(event->who), event->n, event->what);
	if (buf_append_str(&line, text) == 0 && (!p->hex || append_hex(&line, event) == 0)) {
		put_line(p, &line);
	}
}

/* How it ended: "won" true or false, or "did" true. */
static void put_result(struct mitm_printer *p, unsigned connection, const char *attack,
	const char *mark, const char *key, bool value, const char *text)
{
	struct buf line = {0};
	char shown[2048];
	json_t *o;

	if (!p->json) {
		(void)snprintf(shown, sizeof shown, "%u %s %s: %s", connection, mark, attack, text);
		if (buf_append_str(&line, shown) == 0) {
			put_line(p, &line);
		}
		return;
	}
	o = json_object();
	cli_json_number(o, "connection", connection);
	cli_json_text(o, "attack", attack, strlen(attack));
	(void)json_object_set_new(o, key, json_boolean(value));
	cli_json_text(o, "text", text, strlen(text));
	put_object(p, o);
}

static void result(void *arg, unsigned connection, const char *attack, bool won, const char *text)
{
	put_result(arg, connection, attack, won ? "**" : "--", "won", won, text);
}

static void did(void *arg, unsigned connection, const char *attack, const char *text)
{
	put_result(arg, connection, attack, "..", "did", true, text);
}

static void ended(void *arg, unsigned connection)
{
	struct mitm_printer *p = arg;
	json_t *o;

	if (p->json) {
		o = json_object();
		cli_json_number(o, "connection", connection);
		(void)json_object_set_new(o, "ended", json_true());
		put_object(p, o);
	}
}

/* --- what is stolen --- */

/* A file of its own, whatever is there already. 0 or -1. */
static int create_loot(
	int dir, const struct mitm_loot *loot, char name[static FILENAME_MAX_BYTES + 1])
{
	int fd = -1;

	for (unsigned long copy = 1; fd < 0; copy++) {
		filename_make(name, loot->from, loot->title, copy);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno != EEXIST) {
			return -1;
		}
	}
	return fd;
}

static void put_saved(struct mitm_printer *p, unsigned connection, const char *name)
{
	char shown[4 * FILENAME_MAX_BYTES], text[sizeof shown + 40];
	struct buf line = {0};

	(void)escape_text(shown, sizeof shown, name, strlen(name), false);
	(void)snprintf(text, sizeof text, "%u    saved as %s", connection, shown);
	if (buf_append_str(&line, text) == 0) {
		put_line(p, &line);
	}
}

static void stole(void *arg, const struct mitm_loot *loot)
{
	struct mitm_printer *p = arg;
	char name[FILENAME_MAX_BYTES + 1];
	struct err e;
	int fd;

	if (p->loot < 0) {
		return;
	}
	fd = create_loot(p->loot, loot, name);
	if (fd < 0 || file_write_all(fd, loot->text->p, loot->text->n) != 0) {
		err_sys(&e, EX_CANTCREAT, "cannot save stolen mail");
		log_err("loot", &e);
	} else if (!p->json) {
		put_saved(p, loot->connection, name);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
}

/* --- the whole --- */

/* What an earlier run captured is let go of when this one listens, not sooner. */
static void ready(void *arg)
{
	struct mitm_printer *p = arg;
	struct err e;

	if (p->capture >= 0 && pcap_start(p->capture, &e) != 0) {
		log_err("capture", &e);
		*p->lost = true;
	}
}

int mitm_print_open(struct mitm_printer *p, struct err *e)
{
	p->lost = mmap(
		NULL, sizeof *p->lost, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->lost == MAP_FAILED) {
		return err_sys(e, EX_TEMPFAIL, "cannot share memory");
	}
	gate_open(&p->gate);
	p->gate.slots = 1;
	return 0;
}

struct mitm_ear mitm_print_ear(struct mitm_printer *p)
{
	return (struct mitm_ear){.said = said,
		.result = result,
		.did = did,
		.stole = stole,
		.ended = ended,
		.ready = ready,
		.arg = p};
}
