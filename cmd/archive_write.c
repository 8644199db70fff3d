/* A message of the store, written as an Internet message; see archive.h. */
#include "archive.h"

#include "cli.h"

/* --- looking at a message before it is written --- */

enum { START = 16384 /* bytes of content: an Internet message's header has mostly fewer */ };

struct look {
	struct archive_letter *letter;
	struct hash hash;
	struct transfer_survey survey;
	struct buf start;
	struct held content; /* what is larger than memory is read twice from the store, */
	bool large;          /* and not kept here */
};

static int look_head(void *arg, const struct message_head *h, const uint8_t *text,
	uint64_t content_bytes, struct err *e)
{
	struct look *l = arg;
	struct users_list list;

	(void)text;
	l->large = content_bytes > HELD_MEMORY;
	l->letter->meta.chars = h->length;
	if (users_split(&list, h->to.p, h->to.n, e) != 0) {
		return err_set(e, EX_DATAERR, "its recipients are damaged");
	}
	users_list_free(&list);
	return buf_append(&l->letter->to, h->to.p, h->to.n) == 0
		       ? 0
		       : err_set(e, EX_TEMPFAIL, "out of memory");
}

static int look_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct look *l = arg;
	size_t room = START - l->start.n;

	hash_add(&l->hash, p, n);
	transfer_look(&l->survey, p, n);
	if (room > 0 && buf_append(&l->start, p, n < room ? n : room) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	return l->large ? 0 : held_put(&l->content, p, n, e);
}

/* Text that is itself an Internet message, as import stores foreign ones. */
static bool is_message(const struct buf *start)
{
	struct message_part v;
	size_t head_n, body_at;

	return start->n > 0 && rfc5322_head(start->p, start->n, &head_n, &body_at) == 1 &&
	       body_at > head_n && rfc5322_find(start->p, head_n, "From", &v) &&
	       (rfc5322_find(start->p, head_n, "Date", &v) ||
		       rfc5322_find(start->p, head_n, "Message-ID", &v));
}

/* How it is to be written; *skip: the bytes of content that become fields. A multipart and a
 * message can be in no encoding (RFC 2045 6.4): only lines can be shown so. */
static void choose(struct look *l, size_t *skip)
{
	struct archive_letter *letter = l->letter;
	bool lines = transfer_is_lines(&l->survey);
	size_t mime = lines ? archive_mime_head(l->start.p, l->start.n, letter->boundary) : 0;

	*skip = mime;
	letter->kind = mime > 0                         ? ARCHIVE_MIME
		       : lines && is_message(&l->start) ? ARCHIVE_MESSAGE
							: ARCHIVE_TEXT;
	letter->how = letter->kind == ARCHIVE_TEXT           ? transfer_choose(&l->survey)
		      : l->survey.longest > RFC5322_LINE_MAX ? TRANSFER_BINARY
		      : l->survey.high > 0                   ? TRANSFER_8BIT
							     : TRANSFER_7BIT;
}

/* --- writing it --- */

struct writer {
	struct transfer transfer;
	size_t skip;
};

static int write_head(void *arg, const struct message_head *h, const uint8_t *text,
	uint64_t content_bytes, struct err *e)
{
	(void)arg;
	(void)h;
	(void)text;
	(void)content_bytes;
	(void)e;
	return 0;
}

static int write_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct writer *w = arg;
	size_t k = n < w->skip ? n : w->skip;

	w->skip -= k;
	return n == k ? 0 : transfer_encode(&w->transfer, (const uint8_t *)p + k, n - k, e);
}

static int write_all(struct look *l, struct mailbox *box, const char *user,
	const struct mailbox_ref *ref, const char *domain, transfer_put *put, void *arg,
	struct err *e)
{
	struct writer *w = malloc(sizeof *w);
	const struct mail_sink sink = {.head = write_head, .content = write_content, .arg = w};
	struct buf head = {0};
	int rc;

	if (w == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	choose(l, &w->skip);
	transfer_begin(&w->transfer, l->letter->how, put, arg);
	rc = archive_put_head(&head, l->letter, domain) == 0
		     ? put(arg, head.p, head.n, e)
		     : err_set(e, EX_TEMPFAIL, "out of memory");
	if (rc == 0) {
		rc = l->large ? mail_read(box, user, ref, &sink, e)
			      : held_each(&l->content, write_content, w, e);
	}
	rc = rc == 0 ? transfer_encode_end(&w->transfer, e) : rc;
	buf_free(&head);
	free(w);
	return rc;
}

int archive_write(struct mailbox *box, const char *user, const struct mailbox_meta *meta,
	const struct mailbox_ref *ref, const char *domain, transfer_put *put, void *arg,
	struct err *e)
{
	struct archive_letter letter = {.meta = *meta};
	struct look l = {.letter = &letter, .content = HELD_EMPTY};
	const struct mail_sink sink = {.head = look_head, .content = look_content, .arg = &l};
	int rc;

	(void)snprintf(letter.mailbox, sizeof letter.mailbox, "%s", user);
	hash_begin(&l.hash);
	rc = mail_read(box, user, ref, &sink, e);
	if (rc == 0) {
		hash_end(&l.hash, letter.digest);
		rc = write_all(&l, box, user, ref, domain, put, arg, e);
	}
	held_free(&l.content);
	buf_free(&l.start);
	archive_letter_free(&letter);
	return rc;
}

/* --- signals --- */

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

void archive_catch_signals(void)
{
	cli_catch(on_signal);
}

bool archive_interrupted(void)
{
	return caught != 0;
}

void archive_die(void)
{
	if (caught != 0) {
		cli_die(caught);
	}
}
