/* Who is logged in, and who waits for mail: a slot for each session, in memory that the server and
 * all its sessions share. By it the server prefers who has proven who they are; a session that
 * delivers wakes the recipients who wait, and tells the server that the store has work to settle;
 * and when accounts have changed, everybody looks whether theirs still stands. A session is woken
 * by SIGUSR1, which only the server sends: it alone knows which processes are its own. */
#ifndef PROTO_PRESENCE_H
#define PROTO_PRESENCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "../crypto/bytes.h"
#include "../crypto/err.h"

/* How a session logged in: what its account is held against when accounts change. */
struct presence_who {
	char user[USER_NAME_MAX + 1];
	bool enhanced;
	unsigned mail;      /* by which password over SMTP, enum users_mail; 0: not over SMTP */
	uint8_t key[32];    /* that was proven; enhanced only */
	int64_t revoked_at; /* the account's, when it logged in; not enhanced */
};

struct presence_slot {
	atomic_bool proven; /* its session has logged in */
	atomic_bool waits;  /* for mail to the user */
	atomic_bool wake;   /* the server has still to wake it */
	struct presence_who who;
};

struct presence {
	struct presence_slot *slots; /* shared, and behind them: */
	/* at least as many as there are slots that wait, so that a delivery looks at no slot while
	 * nobody waits. A session that is killed between two steps leaves it too high. */
	atomic_uint *waiting;
	atomic_bool *told; /* the server knows of work in the store, and will look */
	size_t n;
	int pipe[2]; /* a session writes a byte when somebody is to be woken, or told of work */
};

/* Memory and a pipe for n sessions; before any fork. 0, or -1 (EX_OSERR). */
int presence_open(struct presence *p, size_t n, struct err *e);
void presence_close(struct presence *p);

/* --- in the server --- */

/* A new session takes the slot. */
void presence_clear(const struct presence *p, size_t slot);
/* Who has logged in, and is not allowed to stay, is to be woken. */
void presence_wake_all_but(const struct presence *p,
	bool (*stays)(void *arg, const struct presence_who *who), void *arg);
/* Empty the pipe. */
void presence_drain(const struct presence *p);
/* Whoever makes work from now on is to tell; what there is already is looked at after this call. */
void presence_listen(const struct presence *p);
/* There is work, and it will be looked at: nobody need tell. */
void presence_told(const struct presence *p);
/* Is this slot's session to be woken? Once. */
bool presence_take_wake(const struct presence *p, size_t slot);

/* --- in a session --- */

/* It has logged in. */
void presence_enter(const struct presence *p, size_t slot, const struct presence_who *who);
void presence_wait(const struct presence *p, size_t slot, bool waits);
/* Mail came for these users: have those who wait woken. */
void presence_tell(const struct presence *p, char (*names)[USER_NAME_MAX + 1], size_t n);
/* The store has work to settle. Costs a byte in the pipe when the server does not know of any yet,
 * and nothing in a flood. */
void presence_work(const struct presence *p);

#endif
