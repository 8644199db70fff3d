/* What the parts of the engine behind talk.h share; everybody else sees talk.h alone. */
#ifndef STORE_TALK_FILES_H
#define STORE_TALK_FILES_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/hash.h"
#include "talk.h"

#define TALK_FOLDER ".chat"
#define TALK_OFFERS "offers"
#define TALK_WAITING "waiting"
#define TALK_RECEIPTS "receipts"
#define TALK_LAST "last"
#define TALK_ROOM "room"
#define TALK_PRESENT "present"
#define TALK_DAMAGED ".damaged-" /* ahead of the name of a packet that was put aside */

struct talk {
	int root;
};

/* The folder of a user's, with its lock where that is asked for. make: if it is not there. A
 * descriptor; or -1 (EX_NOINPUT: it is not there; EX_DATAERR; EX_TEMPFAIL). */
enum talk_how { TALK_LOOK, TALK_LOCK, TALK_MAKE /* and lock */ };
int talk_user(const struct talk *t, const char *user, enum talk_how how, struct err *e);
/* A folder in it: -1 with EX_NOINPUT where it is not there. */
int talk_inner(int user, const char *name, bool make, struct err *e);
/* Both at once, under the lock unless it is only to look: 0 with *out, which talk_leave closes (-1
 * in it is fine); or -1 as above, and *out is empty. */
struct talk_place {
	int user, dir;
};
int talk_enter(const struct talk *t, const char *user, const char *name, enum talk_how how,
	struct talk_place *out, struct err *e);
void talk_leave(struct talk_place *at);
/* 0 where e says that what was looked for is not there, else -1. */
int talk_none(const struct err *e);

/* Each name in a folder that has a place there; "." and ".." and hidden ones have none. Non-zero
 * ends it and is returned. */
typedef int talk_visit_name(void *arg, int dir, const char *name, struct err *e);
int talk_names(int dir, talk_visit_name *visit, void *arg, struct err *e);
/* Remove what writers that were killed have left, or, with all, every hidden name; the caller holds
 * the lock. 0 or -1. */
int talk_sweep(int dir, bool all, struct err *e);
/* Does somebody write it? Its lock is held; or that cannot be found out, and so it is let be. */
bool talk_is_live(int dir, const char *name);

/* Read a file of ours. Its bytes; 0 where there is none; or -1: EX_DATAERR (it is none of ours: no
 * regular file, or more than cap bytes), EX_TEMPFAIL. */
ssize_t talk_read(int dir, const char *name, void *p, size_t cap, struct err *e);
/* What stands big-endian in 8 bytes. */
static inline uint64_t talk_u64(const uint8_t p[static 8])
{
	uint64_t v = 0;

	for (size_t i = 0; i < 8; i++) {
		v = v << 8 | p[i];
	}
	return v;
}

/* Write one that is but a hint, in place, and sync nothing. */
void talk_hint(int dir, const char *name, const void *p, size_t n);

/* --- packets --- */

static const int64_t TALK_TIME_MAX = INT64_MAX / 2; /* microseconds: what no clock says */

/* What waits for somebody. */
struct talk_room {
	uint64_t packets, bytes;
	int64_t newest_us;
};

/* What the name of a packet says. */
struct talk_name {
	int64_t us;
	uint8_t id[TALK_ID];
	uint32_t size;
	char from[USER_NAME_MAX + 1];
};

enum {
	TALK_NAME_HEAD = 16 + 1 + 2 * TALK_ID + 1 + 8 + 1, /* TIME-ID-SIZE- */
	TALK_NAME = TALK_NAME_HEAD + USER_NAME_MAX + 1     /* and FROM, and a NUL */
};

enum { TALK_RECEIPT_HEAD = TALK_ID + 8 /* ahead of a receipt: its id and time, big-endian */ };

/* One that is being written, in a folder of what waits. */
struct talk_draft {
	int dir, fd;    /* -1: no room was found, and nothing is written */
	struct err why; /* then */
	char name[40];
	struct hash hash;
	size_t n, most;
};

/* The bytes of one that waits: all of them if they fit, else a piece, and its file. */
struct talk_bytes {
	int fd;
	uint8_t p[TALK_PIECE];
};
/* Open what a name tells of: 0, and the descriptor is to be closed; or -1 (EX_NOINPUT; EX_DATAERR:
 * it is not the packet that its name says; EX_TEMPFAIL). */
int talk_open_packet(int dir, const char *text, const struct talk_name *n, struct talk_bytes *out,
	struct err *e);

void talk_id(const void *p, size_t n, uint8_t out[static TALK_ID]);
void talk_end_id(const struct hash *h, uint8_t out[static TALK_ID]);
void talk_write_name(const struct talk_name *n, char out[static TALK_NAME]);
/* false: it is none of ours. */
bool talk_read_name(const char *text, struct talk_name *out);
void talk_count_name(struct talk_room *r, const struct talk_name *n);
/* The same for each name of a folder; arg is a struct talk_room. */
talk_visit_name talk_count_one;

/* What waits for somebody, and what of it is from one sender. */
struct talk_rooms {
	struct talk_room all, own;
};

/* The hint of it in a user's folder. false: there is none. */
bool talk_read_room(int user, struct talk_room *r);
void talk_write_room(int user, const struct talk_room *r);
/* Is there room for n bytes more? known: c->own is what a hint says, else it is counted. What hints
 * say is believed where they say yes: they count what a killed writer announced and did not bring,
 * and that of the sender's what was fetched since; only a power cut, and a kill between a packet
 * and its sender's hint, let them count too little. 0 with *c, or -1 with *full as in talk_put. */
int talk_find_room(const struct talk_place *at, const struct talk_post *post, size_t n, bool known,
	struct talk_rooms *c, bool *full, struct err *e);
/* The same ahead of a packet of at most n bytes, which nothing else is known of. */
int talk_ask_room(const struct talk_place *at, const struct talk_post *post, size_t n, bool *full,
	struct err *e);
int talk_check_post(const struct talk_post *post, size_t n, size_t most, struct err *e);

#endif
