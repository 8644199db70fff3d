/* sendmail --from-dir: each file of a folder is a message, as the founding client sends them. */
#include <errno.h>
#include <fcntl.h>
#include <strings.h>

#include "../crypto/file.h"
#include "sendmail.h"

struct files {
	char **names; /* owned, as each is */
	size_t n;
};

static void files_free(struct files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->names[i]);
	}
	free(f->names);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add(struct files *f, const char *name)
{
	char **more = realloc(f->names, (f->n + 1) * sizeof *more);

	if (more == NULL) {
		return -1;
	}
	f->names = more;
	f->names[f->n] = strdup(name);
	return f->names[f->n++] == NULL ? -1 : 0;
}

/* Regular files, but for those whose names begin with a dot. */
static int read_names(int dir, struct files *f, struct err *e)
{
	DIR *all = file_read_names(dir);
	struct dirent *one;
	struct stat st;
	int rc = 0;

	if (all == NULL) {
		return err_sys(e, EX_NOINPUT, "cannot read the folder");
	}
	while (rc == 0 && (one = readdir(all)) != NULL) {
		if (one->d_name[0] != '.' && fstatat(dir, one->d_name, &st, 0) == 0 &&
			S_ISREG(st.st_mode)) {
			rc = add(f, one->d_name);
		}
	}
	(void)closedir(all);
	if (rc != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	if (f->n > 1) {
		qsort(f->names, f->n, sizeof *f->names, compare);
	}
	return 0;
}

/* Does the file ask to be sent by somebody who has logged in? */
static bool asks(const char *name)
{
	return strncasecmp(name, "auth", 4) == 0 || strcasestr(name, ".auth") != NULL ||
	       strcasestr(name, "_auth") != NULL;
}

/* Its envelope is its header's; -f says who sends, else From does. */
static int send_file(struct sendmail *m, int dir, const char *name, struct err *e)
{
	struct submission_rules rules = sendmail_rules(m);
	struct submission s = SUBMISSION_EMPTY;
	struct rfc5322_mailbox from;
	struct message_part v;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;

	if (fd < 0) {
		return err_sys(e, EX_NOINPUT, "cannot open it");
	}
	if (asks(name) && m->to.smtp != NULL && m->to.account.password_file == NULL) {
		(void)close(fd);
		return err_set(e, EX_USAGE, "it asks for a login, which takes --password-file");
	}
	rules.recipients_in_head = true;
	rc = sendmail_sender(m, m->options.sender, &s.from, e);
	rc = rc == 0 ? submission_read(&s, &rules, fd, name, e) : rc;
	(void)close(fd);
	if (rc == 0 && m->options.sender == NULL && rfc5322_find(s.head.p, s.head.n, "From", &v) &&
		rfc5322_address_parse(v, &from) == 0 && from.domain[0] != '\0') {
		s.from = from;
	}
	if (rc == 0 && s.to_n == 0) {
		rc = err_set(e, EX_DATAERR, "it has no recipient");
	}
	rc = rc == 0 ? sendmail_hand_over(m, &s, asks(name), e) : rc;
	submission_free(&s);
	return rc;
}

int sendmail_from_dir(struct sendmail *m, struct err *e)
{
	int dir = file_open_dir(m->options.from_dir, e), rc;
	struct files f = {.n = 0};
	int code = EX_OK;

	if (dir < 0) {
		return e->code;
	}
	rc = read_names(dir, &f, e);
	for (size_t i = 0; rc == 0 && i < f.n; i++) {
		if (send_file(m, dir, f.names[i], e) != 0) {
			code = code == EX_OK ? e->code : code;
			err_prefix(e, "%.200s", f.names[i]);
			(void)cli_fail(m->cli, e);
			e->text[0] = '\0';
		} else if (m->options.verbose) {
			cli_note(m->cli, "%s: sent", f.names[i]);
		}
	}
	files_free(&f);
	(void)close(dir);
	return rc != 0 ? e->code : code;
}
