/* A user's files on the server, over the enhanced protocol: what its client does with them. The
 * connection is a mail_client that enhanced_client_open has opened.
 *
 * Each returns 0, or -1 with e: EX_NOINPUT (no such file), EX_CANTCREAT (one of this name is
 * there), EX_DATAERR (a name, or what the server rejects), EX_NOUSER, EX_TEMPFAIL (no room, or
 * try again), EX_PROTOCOL, and what the source or the landing said. `alive` is false when the
 * connection is of no more use. */
#ifndef PROTO_ENHANCED_FILES_H
#define PROTO_ENHANCED_FILES_H

#include "enhanced_client.h"
#include "ft.h"

/* How one recipient fared. */
struct files_given {
	const char *to;   /* a user's name */
	const char *name; /* as it is called there; NULL: it was not handed over, and */
	int code;         /* this is the exit code of why, */
	struct message_part why;
};

typedef void files_tell_given(void *arg, const struct files_given *given);

/* Put job->from, which has a size, as job->name; and hand it to others. The job's name, force,
 * resume, sum and progress are as with any transfer. */
struct files_put {
	struct ft_job *job;
	const char *to;          /* "a;b"; NULL: nobody */
	files_tell_given *given; /* told of each recipient once the file is there */
	void *arg;
	int64_t time_us; /* filled: when it was there; the same file has the same, put again */
};
int enhanced_files_put(struct mail_client *c, struct files_put *put, struct err *e);

/* Get job->name, which `from` has handed over (NULL: the user's own), into job->to, which it
 * finishes, and its owner ends. */
int enhanced_files_get(struct mail_client *c, struct ft_job *job, const char *from, struct err *e);

struct files_row {
	struct message_part from, name, time; /* checked; valid during the visit */
	uint64_t size;
	int64_t us;
	bool part; /* it broke off, or is arriving */
};

/* Non-zero ends the visit, and is an error of the visitor's. */
typedef int files_visit(void *arg, const struct files_row *row, struct err *e);

int enhanced_files_list(struct mail_client *c, files_visit *visit, void *arg, struct err *e);

/* from: as above. */
int enhanced_files_remove(struct mail_client *c, const char *from, const char *name, struct err *e);

#endif
