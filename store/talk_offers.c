/* What is kept of chats: offers. See talk.h. */
#include "talk_files.h"

enum { COUNT = 8, FILE_MAX = COUNT + TALK_OFFERS_MAX * TALK_OFFER };

struct offers {
	uint8_t bytes[FILE_MAX]; /* the count of those that were taken, big-endian; all offers */
	uint64_t all, taken;
};

/* None is a file of none. 0, or -1; EX_DATAERR: it is damaged, and nothing of it is given to
 * anybody. */
static int read_offers(int dir, const char *to, struct offers *o, struct err *e)
{
	ssize_t n = talk_read(dir, to, o->bytes, sizeof o->bytes, e);

	if (n < 0) {
		return -1;
	}
	if (n == 0) {
		memset(o->bytes, 0, COUNT);
		n = COUNT;
	}
	o->taken = talk_u64(o->bytes);
	o->all = n < COUNT ? 0 : ((uint64_t)n - COUNT) / TALK_OFFER;
	return n >= COUNT && (n - COUNT) % TALK_OFFER == 0 && o->taken <= o->all
		       ? 0
		       : err_set(e, EX_DATAERR, "the offers for %s are damaged", to);
}

/* The same under the lock: what is damaged is put aside, and there are none then. */
static int find_offers(int dir, const char *to, struct offers *o, struct err *e)
{
	char aside[sizeof TALK_DAMAGED + USER_NAME_MAX];
	int rc = read_offers(dir, to, o, e);

	if (rc == 0 || e->code != EX_DATAERR) {
		return rc;
	}
	(void)snprintf(aside, sizeof aside, TALK_DAMAGED "%s", to);
	return renameat(dir, to, dir, aside) == 0
		       ? read_offers(dir, to, o, e)
		       : err_sys(e, EX_TEMPFAIL, "cannot put damaged offers for %s aside", to);
}

static int enter(struct talk *t, const char *owner, const char *to, enum talk_how how,
	struct talk_place *at, struct err *e)
{
	*at = (struct talk_place){-1, -1};
	return user_name_valid(to)
		       ? talk_enter(t, owner, TALK_OFFERS, how, at, e)
		       : err_set(e, EX_DATAERR, "there can be no offers for such a user");
}

int talk_offer(struct talk *t, const char *owner, const char *to,
	const uint8_t (*offers)[TALK_OFFER], size_t n, uint64_t *held, bool *full, struct err *e)
{
	struct offers o;
	struct talk_place at;
	int rc;

	*full = false;
	if (enter(t, owner, to, TALK_MAKE, &at, e) != 0) {
		return -1;
	}
	rc = find_offers(at.dir, to, &o, e);
	*held = rc == 0 ? o.all - o.taken : 0;
	if (rc == 0 && n > TALK_OFFERS_MAX - *held) {
		*full = true;
		rc = err_set(e, EX_TEMPFAIL, "%llu offers stand for %s, and %d is most",
			(unsigned long long)*held, to, TALK_OFFERS_MAX);
	}
	if (rc == 0 && n > 0) {
		uint8_t *p = o.bytes + COUNT;
		memmove(p, p + o.taken * TALK_OFFER, *held * TALK_OFFER);
		memcpy(p + *held * TALK_OFFER, offers, n * TALK_OFFER);
		memset(o.bytes, 0, COUNT);
		*held += n;
		rc = file_write(
			at.dir, to, o.bytes, COUNT + *held * TALK_OFFER, 0600, FILE_REPLACE, e);
	}
	talk_leave(&at);
	return rc;
}

struct visit {
	talk_visit_offers *visit;
	void *arg;
};

static int visit_offers(void *arg, int dir, const char *name, struct err *e)
{
	const struct visit *v = arg;
	struct offers o;

	if (!user_name_valid(name)) {
		return 0;
	}
	if (read_offers(dir, name, &o, e) != 0) { /* of damaged ones none can be taken */
		return e->code == EX_DATAERR ? v->visit(v->arg, name, 0, e) : -1;
	}
	return v->visit(v->arg, name, o.all - o.taken, e);
}

int talk_offers(
	struct talk *t, const char *owner, talk_visit_offers *visit, void *arg, struct err *e)
{
	struct visit v = {visit, arg};
	struct talk_place at;
	int rc;

	if (enter(t, owner, owner, TALK_LOOK, &at, e) != 0) {
		return talk_none(e);
	}
	rc = talk_names(at.dir, visit_offers, &v, e);
	talk_leave(&at);
	return rc;
}

int talk_withdraw(struct talk *t, const char *owner, const char *to, struct err *e)
{
	struct talk_place at;
	int rc;

	if (enter(t, owner, to, TALK_LOCK, &at, e) != 0) {
		return talk_none(e);
	}
	rc = unlinkat(at.dir, to, 0) == 0 || errno == ENOENT
		     ? file_sync(at.dir, "offers", e)
		     : err_sys(e, EX_TEMPFAIL, "cannot withdraw the offers for %s", to);
	talk_leave(&at);
	return rc;
}

/* One more is taken: on disk before anybody has it. */
static int count_taken(int dir, const char *by, uint64_t taken, struct err *e)
{
	int fd = openat(dir, by, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	uint8_t count[COUNT];
	int rc = -1;

	put_u64be(count, taken);
	if (fd < 0 || file_write_at(fd, count, sizeof count, 0) != 0) {
		(void)err_sys(e, EX_TEMPFAIL, "cannot take an offer");
	} else if (fdatasync(fd) != 0) {
		/* it may be there or not: whichever, this offer is not given, and is the next one
		 * only if it never was */
		(void)err_sys(e, EX_TEMPFAIL, "cannot sync that an offer is taken");
	} else {
		rc = 0;
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return rc;
}

int talk_take(struct talk *t, const char *owner, const char *by, uint8_t out[static TALK_OFFER],
	bool *none, struct err *e)
{
	struct offers o;
	struct talk_place at;
	int rc;

	*none = true;
	if (enter(t, owner, by, TALK_LOCK, &at, e) != 0) {
		return talk_none(e);
	}
	rc = find_offers(at.dir, by, &o, e);
	if (rc == 0 && o.taken < o.all) {
		rc = count_taken(at.dir, by, o.taken + 1, e);
		*none = rc != 0;
	}
	if (rc == 0 && !*none) {
		memcpy(out, o.bytes + COUNT + o.taken * TALK_OFFER, TALK_OFFER);
	}
	talk_leave(&at);
	return rc;
}
