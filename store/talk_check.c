/* What is kept of chats: is it whole? Nothing is changed. See talk.h. */
#include "talk_files.h"

struct check {
	talk_finding *found;
	void *arg;
};

static void tell(const struct check *c, bool harmless, const char *what, const char *name)
{
	char text[ERR_TEXT_MAX];

	(void)snprintf(text, sizeof text, "chat: %s: %.160s", what, name);
	c->found(c->arg, harmless, text);
}

/* 0, or -1: it cannot be read now. */
static int check_packet(const struct check *c, int dir, const char *name, struct err *e)
{
	struct talk_name n;
	struct talk_bytes *bytes;
	int rc = 0;

	if (!talk_read_name(name, &n)) {
		tell(c, true, "what waits holds what is no packet", name);
		return 0;
	}
	bytes = malloc(sizeof *bytes);
	if (bytes == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	if (talk_open_packet(dir, name, &n, bytes, e) == 0) {
		(void)close(bytes->fd);
	} else if (e->code == EX_TEMPFAIL) {
		rc = -1;
	} else {
		tell(c, false, "a packet that waits is damaged", name);
	}
	free(bytes);
	return rc;
}

static int visit_waiting(void *arg, int dir, const char *name, struct err *e)
{
	return check_packet(arg, dir, name, e);
}

static int visit_offers(void *arg, int dir, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot look at what is kept of chats");
	}
	if (!user_name_valid(name)) {
		tell(arg, true, "offers for who can be no user", name);
	} else if (!S_ISREG(st.st_mode) || st.st_size < 8 || (st.st_size - 8) % TALK_OFFER != 0 ||
		   st.st_size > 8 + TALK_OFFERS_MAX * TALK_OFFER) {
		tell(arg, false, "damaged offers, to be withdrawn, for", name);
	}
	return 0;
}

/* What is hidden: put aside, or left by who was killed; the lock is held, so nobody writes it who
 * has no lock of its own. */
static int check_hidden(const struct check *c, int dir, struct err *e)
{
	DIR *names = file_read_names(dir);
	const struct dirent *entry;

	if (names == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot list what is kept of chats");
	}
	while ((entry = readdir(names)) != NULL) {
		const char *name = entry->d_name;
		if (strncmp(name, TALK_DAMAGED, sizeof TALK_DAMAGED - 1) == 0) {
			tell(c, false, "a damaged packet was put aside", name);
		} else if (name[0] == '.' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
			   !talk_is_live(dir, name)) {
			tell(c, true, "left by a program that died", name);
		}
	}
	(void)closedir(names);
	return 0;
}

static int check_folder(struct talk *t, const char *user, const char *folder,
	talk_visit_name *visit, struct check *c, struct err *e)
{
	struct talk_place at;
	int rc;

	if (talk_enter(t, user, folder, TALK_LOCK, &at, e) != 0) {
		return talk_none(e);
	}
	rc = talk_names(at.dir, visit, c, e);
	rc = rc == 0 ? check_hidden(c, at.dir, e) : rc;
	talk_leave(&at);
	return rc;
}

int talk_check(struct talk *t, const char *user, talk_finding *found, void *arg, struct err *e)
{
	struct check c = {found, arg};

	return check_folder(t, user, TALK_WAITING, visit_waiting, &c, e) != 0
		       ? -1
		       : check_folder(t, user, TALK_OFFERS, visit_offers, &c, e);
}
