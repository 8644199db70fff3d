/* One life of a process that keeps a store: what the tests of crashes and faults run, again and
 * again, under inject.
 *
 *     engine DIR STEP...
 *
 *   recover                       as a server that starts: make the mailboxes, complete, sweep
 *   deliver:ID:TO:BYTES:TITLE     from client1, to names with commas between; its content is the
 *   once:ID:TO:BYTES:TITLE        id in hex and a line end, over and over; once: as a retry may
 *   remove:USER:ID
 *   settle                        do what was put off
 *   beside:ID:TO:BYTES:TITLE      as once:, by one who stands beside the keeper
 *   check                         a line for each thing found: "harmless ON-WHOM WHAT", or "lost"
 *   forget                        the indexes are gone
 *   count                         what the mailboxes hold agrees with their lists in either order
 *   crash                         end here, nothing is closed
 *   list                          a line for each message in each mailbox
 *   mark                          what is counted begins here, or ends (mark.h); as the first step,
 *                                 ahead of the store's opening
 *
 * Each step is answered by a line on stdout, "0 STEP" or "CODE STEP: WHY", once it was done: that
 * line is the acknowledgement. list prints "message USER ID BYTES SHA256 TITLE" before it, the two
 * of the content, or "damaged USER ID - - TITLE". The exit code is that of the last step that
 * failed. What the interface of the store asks of its callers is in the first part alone. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../crypto/hash.h"
#include "../../proto/mail_server.h"
#include "../../store/rest.h"
#include "mark.h"

/* --- the store --- */

static struct mailbox *box;
static int dir;

/* With $ENGINE_AT_REST the mail is at rest (rest.h), under this key and a salt of zeros. */
static struct rest_key at_rest;
static bool is_at_rest;

static int store_key(struct err *e)
{
	static const uint8_t secret[REST_KEY] = "a key of thirty-two bytes, or so";
	const struct rest_note note = {.kind = REST_KEY_FILE,
		.check = {0x1d, 0xb1, 0xca, 0x8c, 0xa7, 0x46, 0x35, 0x61, 0x76, 0x41, 0x09, 0x79,
			0xbf, 0x17, 0x4f, 0x11}};

	is_at_rest = getenv("ENGINE_AT_REST") != NULL;
	return is_at_rest ? rest_key_open(&at_rest, &note, secret, sizeof secret, e) : 0;
}

static int store_open(enum mailbox_role role, struct err *e)
{
	return is_at_rest ? mailbox_rest_open(dir, &at_rest, role, &box, e)
			  : mailbox_files_open(dir, mail_describe, role, &box, e);
}

static int store_deliver(struct mailbox_draft *d, const struct mailbox_meta *meta, const void *head,
	const struct users_list *to, bool once, struct err *e)
{
	const struct mailbox_delivery delivery = {
		.meta = meta, .head = head, .to = to, .once = once};
	bool again;

	return box->ops->deliver(d, &delivery, &again, e);
}

/* --- the steps --- */

enum { FIELDS = 6, USERS = 5 };

static void user_name(char out[static 8], int i)
{
	(void)snprintf(out, 8, "client%u", (unsigned)i % 10);
}

static int recover(struct err *e)
{
	char user[8];

	for (int i = 1; i <= USERS; i++) {
		user_name(user, i);
		if (box->ops->prepare(box, user, e) != 0) {
			return -1;
		}
	}
	return box->ops->recover(box, e);
}

static int take_id(uint8_t id[static MAILBOX_ID_BYTES], const char *hex, struct err *e)
{
	return hex_decode(id, MAILBOX_ID_BYTES, hex, strlen(hex)) == 0
		       ? 0
		       : err_set(e, EX_USAGE, "%s is no id", hex);
}

/* In pieces, as it comes over a wire. */
static int append_content(struct mailbox_draft *d, const char *hex, size_t n, struct err *e)
{
	char line[2 * MAILBOX_ID_BYTES + 2];
	uint8_t piece[16000];
	size_t line_n = strlen(hex) + 1, at = 0;

	(void)snprintf(line, sizeof line, "%s\n", hex);
	while (at < n) {
		size_t k = 0;
		for (; k < sizeof piece && at < n; k++, at++) {
			piece[k] = (uint8_t)line[at % line_n];
		}
		if (box->ops->append(d, piece, k, e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int deliver(char *const f[static FIELDS], bool once, struct err *e)
{
	struct mailbox_meta meta = {.time_us = box->ops->now(box), .source = "client1"};
	size_t n = strtoul(f[3], NULL, 10);
	struct mailbox_draft *d = NULL;
	struct users_list to = {0};
	struct buf head = {0};
	int rc = take_id(meta.id, f[1], e);

	for (char *p = f[2]; *p != '\0'; p++) {
		*p = *p == ',' ? ';' : *p;
	}
	meta.chars = n;
	(void)snprintf(meta.title, sizeof meta.title, "%s", f[4]);
	rc = rc == 0 ? users_split(&to, f[2], strlen(f[2]), e) : rc;
	if (rc == 0 && message_format(&head, message_text("client1"), message_text(f[2]),
			       meta.time_us, message_text(meta.title), n) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = rc == 0 ? box->ops->begin(box, head.n, &d, e) : rc;
	rc = rc == 0 ? append_content(d, f[1], n, e) : rc;
	rc = rc == 0 ? store_deliver(d, &meta, head.p, &to, once, e) : rc;
	box->ops->discard(d);
	users_list_free(&to);
	buf_free(&head);
	return rc;
}

static int deliver_beside(char *const f[static FIELDS], struct err *e)
{
	struct mailbox *keeper = box;
	int rc = store_open(MAILBOX_BESIDE, e);

	if (rc == 0) {
		rc = deliver(f, true, e);
		box->ops->close(box);
	}
	box = keeper;
	return rc;
}

static int remove_one(char *const f[static FIELDS], struct err *e)
{
	uint8_t id[MAILBOX_ID_BYTES];
	struct mailbox_meta meta;
	struct mailbox_ref ref;
	int rc = take_id(id, f[2], e);

	rc = rc == 0 ? box->ops->find(box, f[1], id, &meta, &ref, e) : rc;
	return rc == 0 ? box->ops->remove(box, f[1], &ref, e) : rc;
}

/* --- listing --- */

struct sum {
	struct hash hash;
	uint64_t n;
};

static int take_head(
	void *arg, const struct message_head *h, const uint8_t *text, uint64_t n, struct err *e)
{
	struct sum *s = arg;

	(void)h;
	(void)text;
	(void)e;
	s->n = n;
	return 0;
}

static int take_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct sum *s = arg;

	(void)e;
	hash_add(&s->hash, p, n);
	return 0;
}

static struct err unreadable;

static int print_one(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	char hex[2 * MAILBOX_ID_BYTES + 1], digest[2 * HASH_BYTES + 1];
	struct sum sum = {.n = 0};
	const struct mail_sink sink = {take_head, take_content, &sum};
	const char *user = arg;
	uint8_t out[HASH_BYTES];
	int rc;

	hex_encode(hex, meta->id, sizeof meta->id);
	hash_begin(&sum.hash);
	rc = meta->damaged ? 0 : mail_read(box, user, ref, &sink, &unreadable);
	if (rc != 0 && unreadable.code == EX_TEMPFAIL) {
		return 1; /* a fault that passes says nothing of the message */
	}
	if (rc != 0 || meta->damaged) {
		(void)printf("damaged %s %s - - %s\n", user, hex, meta->title);
		return 0;
	}
	hash_end(&sum.hash, out);
	hex_encode(digest, out, sizeof out);
	(void)printf("message %s %s %llu %s %s\n", user, hex, (unsigned long long)sum.n, digest,
		meta->title);
	return 0;
}

static int list(struct err *e)
{
	char user[8];
	int rc = 0;

	for (int i = 1; i <= USERS && rc == 0; i++) {
		user_name(user, i);
		rc = box->ops->list(box, user, NULL, print_one, user, e);
		*e = rc > 0 ? unreadable : *e;
	}
	return rc == 0 ? 0 : -1;
}

/* --- looking --- */

static void print_finding(void *arg, const char *user, bool harmless, const char *what)
{
	(void)arg;
	(void)printf("%s %s %s\n", harmless ? "harmless" : "lost", user == NULL ? "-" : user, what);
}

static int check(struct err *e)
{
	char user[8];
	int rc = box->ops->check(box, NULL, print_finding, NULL, e);

	for (int i = 1; i <= USERS && rc == 0; i++) {
		user_name(user, i);
		rc = box->ops->check(box, user, print_finding, NULL, e);
	}
	return rc;
}

struct tally {
	struct mailbox_usage found;
	const char *user;
	struct err *e;
};

static int add_one(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct mailbox_meta same;
	struct mailbox_ref again;
	struct tally *t = arg;

	(void)ref;
	t->found.messages++;
	t->found.bytes += meta->bytes;
	return box->ops->find(box, t->user, meta->id, &same, &again, t->e);
}

static int count(struct err *e)
{
	char user[8];

	for (int i = 1; i <= USERS; i++) {
		struct tally listed = {.user = user, .e = e}, behind = listed;
		struct mailbox_usage usage;
		user_name(user, i);
		if (box->ops->usage(box, user, &usage, e) != 0 ||
			box->ops->list(box, user, NULL, add_one, &listed, e) != 0 ||
			box->ops->list_behind(box, user, NULL, add_one, &behind, e) != 0) {
			return -1;
		}
		if (memcmp(&usage, &listed.found, sizeof usage) != 0 ||
			memcmp(&usage, &behind.found, sizeof usage) != 0) {
			return err_set(e, EX_SOFTWARE, "%s holds %llu messages, and lists %llu",
				user, (unsigned long long)usage.messages,
				(unsigned long long)listed.found.messages);
		}
	}
	return 0;
}

static int forget(struct err *e)
{
	char user[8], name[USER_NAME_MAX + 1], path[64];

	for (int i = 1; i <= USERS; i++) {
		user_name(user, i);
		(void)snprintf(name, sizeof name, "%s", user);
		if (is_at_rest) {
			rest_name(&at_rest, user, name);
		}
		(void)snprintf(path, sizeof path, "%s/.index", name);
		if (unlinkat(dir, path, 0) != 0 && errno != ENOENT) {
			return err_sys(e, EX_TEMPFAIL, "cannot unlink %s", path);
		}
	}
	return 0;
}

/* --- a life --- */

static bool counting;

static void set_mark(void)
{
	counting = !counting;
	mark();
}

static int run(char *step, struct err *e)
{
	char *f[FIELDS] = {NULL}, *at = step;
	static char empty[1];

	for (int i = 0; i < FIELDS; i++) {
		char *end = strchr(at, ':');
		f[i] = at;
		at = end == NULL ? empty : end + 1;
		if (end != NULL) {
			*end = '\0';
		}
	}
	if (strcmp(f[0], "recover") == 0) {
		return recover(e);
	}
	if (strcmp(f[0], "deliver") == 0 || strcmp(f[0], "once") == 0) {
		return deliver(f, f[0][0] == 'o', e);
	}
	if (strcmp(f[0], "beside") == 0) {
		return deliver_beside(f, e);
	}
	if (strcmp(f[0], "check") == 0) {
		return check(e);
	}
	if (strcmp(f[0], "forget") == 0) {
		return forget(e);
	}
	if (strcmp(f[0], "count") == 0) {
		return count(e);
	}
	if (strcmp(f[0], "remove") == 0) {
		return remove_one(f, e);
	}
	if (strcmp(f[0], "settle") == 0) {
		return box->ops->settle(box, e);
	}
	if (strcmp(f[0], "list") == 0) {
		return list(e);
	}
	if (strcmp(f[0], "mark") == 0) {
		set_mark();
		return 0;
	}
	if (strcmp(f[0], "crash") == 0) {
		if (counting) { /* what a process writes of itself at its end is not the store's */
			set_mark();
		}
		_exit(0);
	}
	return err_set(e, EX_USAGE, "there is no step %s", f[0]);
}

int main(int argc, char **argv)
{
	struct err e = {0};
	int last = 0;
	int first = argc > 2 && strcmp(argv[2], "mark") == 0 ? 3 : 2;

	if (first > 2) {
		set_mark();
	}
	dir = argc < 2 ? -1 : open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || store_key(&e) != 0 || store_open(MAILBOX_KEEPER, &e) != 0) {
		(void)printf("%d open: %s\n", EX_TEMPFAIL, dir < 0 ? "no folder" : e.text);
		return EX_TEMPFAIL;
	}
	for (int i = first; i < argc; i++) {
		char name[LINE_MAX];
		(void)snprintf(name, sizeof name, "%s", argv[i]);
		e = (struct err){0};
		int rc = run(argv[i], &e);
		last = rc == 0 ? last : e.code;
		if (rc == 0) {
			(void)printf("0 %s\n", name);
		} else {
			(void)printf("%d %s: %s\n", e.code, name, e.text);
		}
		(void)fflush(stdout); /* whoever waits for it may rely on it now */
	}
	box->ops->close(box);
	return last;
}
