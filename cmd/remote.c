/* What the applets of users' files share; see remote.h. */
#include "remote.h"

int remote_check(const struct account *a, struct err *e)
{
	if (a->classic || a->dialect_name != NULL) {
		return err_set(e, EX_USAGE,
			"this is of the enhanced protocol: no dialect of the classic one has it");
	}
	return 0;
}

int remote_open(struct account *a, struct mail_client **out, struct err *e)
{
	*out = NULL;
	if (remote_check(a, e) != 0) {
		return -1;
	}
	a->enhanced = true;
	return account_open(a, out, e);
}

void remote_close(struct mail_client *c)
{
	c->ops->quit(c);
	c->ops->end(c);
}

int remote_read_name(const char *text, struct remote_name *out, struct err *e)
{
	const char *slash = strchr(text, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - text);

	*out = (struct remote_name){.name = slash == NULL ? text : slash + 1};
	if (slash != NULL) {
		memcpy(out->user, text, n <= USER_NAME_MAX ? n : 0);
		if (!user_name_valid(out->user)) {
			return err_set(e, EX_DATAERR,
				"\"%.80s\" names no file: NAME, or USER/NAME for what USER has "
				"handed over",
				text);
		}
	}
	return landing_check_name(out->name, strlen(out->name), e);
}

const char *remote_from(const struct remote_name *name)
{
	return name->user[0] == '\0' ? NULL : name->user;
}

static void tell(void *arg, uint64_t done, uint64_t total)
{
	struct remote_progress *p = arg;

	p->line.total = total;
	p->line.before = p->job->begun_at;
	progress_tell(&p->line, done);
}

void remote_progress_begin(struct remote_progress *p, struct ft_job *job)
{
	p->job = job;
	job->progress = tell;
	job->progress_arg = p;
	progress_begin(&p->line, job->name, NULL, 0);
}
