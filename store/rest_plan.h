/* What rest_move.c (up to state 2 of rest_move.h), rest_stage.c and rest_resume.c share. */
#ifndef STORE_REST_PLAN_H
#define STORE_REST_PLAN_H

#include "files.h"
#include "rest_move.h"
#include "rest_text.h"
#include "sent.h"

/* In the draft, and ready: what goes, as lines "FOLDER/NAME" or "NAME", each ended by a NUL. */
#define REST_PLAN "plan"
/* In the draft: converted texts, by the inodes of what they were. */
#define REST_TEXTS ".texts"

/* The names in a mailbox that are no messages, and of ours. */
bool rest_is_ours(const char *name);
/* Remove a folder and what is in it, two levels deep. 0, or -1. */
int rest_sweep(int dir, const char *name, struct err *e);

/* One mailbox: what it is called now, and whose it is. */
struct rest_place {
	char folder[USER_NAME_MAX + 1], user[USER_NAME_MAX + 1];
	uint8_t digest[HASH_BYTES]; /* of its index's records */
};

/* This mailbox has that file. */
struct rest_use {
	uint64_t inode;
	uint32_t place;
};

struct rest_moving {
	struct rest_move *m;
	struct mailbox *source, *target, *stage;
	int draft, texts;
	struct rest_place *places;
	size_t places_n;
	struct buf uses; /* of struct rest_use; sorted */
	struct buf plan;
	uint64_t done; /* messages */
};

/* --- rest_survey.c: what there is. 0 or -1 --- */

/* The mailboxes, their messages, and what is to go of them. */
int rest_survey(struct rest_moving *g, struct err *e);
/* The index of a mailbox, as it is now, and its digest. */
int rest_load(const struct rest_moving *g, const struct rest_place *p, struct buf *image,
	uint8_t digest[static HASH_BYTES], struct err *e);
/* The next record that is a message. 1, 0 at the end, or -1. */
int rest_next(const struct rest_place *p, const struct buf *image, size_t *at,
	struct index_record *r, struct err *e);
/* The users who have this file; to free. */
int rest_users_of(
	const struct rest_moving *g, uint64_t inode, struct users_list *to, struct err *e);
/* What a user's mailbox will be called. */
void rest_new_name(
	const struct rest_moving *g, const char *user, char out[static USER_NAME_MAX + 1]);
int rest_plan_line(struct rest_moving *g, const char *folder, const char *name, struct err *e);

/* --- rest_strays.c --- */

/* A folder that is no mailbox: is there mail in it, all the same, that would stay behind? 0, or -1
 * (EX_DATAERR: there is). */
int rest_check_stray(const struct rest_moving *g, const char *folder, struct err *e);

/* --- rest_convert.c --- */

/* Make the new mailbox of this one in the draft, with its index. 0 or -1. */
int rest_convert(struct rest_moving *g, const struct rest_place *p, struct err *e);

/* An engine that only takes mail: each message becomes a file of the folder `texts`, whose name
 * rest_stage_name() says, with its id beside it. */
int rest_stage_open(int texts, struct mailbox **out, struct err *e);
void rest_stage_name(struct mailbox *stage, uint64_t inode);

#endif
