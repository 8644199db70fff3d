/* Sealed mail that has arrived: opened, and judged. What is inside is held against what the server
 * says of the message, against the keys that are pinned, and against the numbers that came
 * before. */
#ifndef CMD_OPENING_H
#define CMD_OPENING_H

#include "../proto/sealed.h"
#include "trust.h"

/* Whose mail is opened. Secret. */
struct opener {
	const struct account *account; /* resolved */
	const struct cli *cli;
	struct mail_client *client; /* whose directory is asked for who is not known; or NULL */
	struct trust own;           /* without the pair that signs: who reads needs none */
	bool loaded;
};

void opener_begin(struct opener *o, const struct account *a, const struct cli *c);
void opener_end(struct opener *o);
/* Open the folder of keys and read our own, as opening_judge does when it comes to it. 0 or -1. */
int opener_load(struct opener *o, struct err *e);

/* What the server says of a message. */
struct opening_outer {
	struct message_part id, from, to; /* id empty: the wire has none; to empty: not known */
};

enum opening_standing {
	OPENING_NOBODY,   /* it is not signed */
	OPENING_UNKNOWN,  /* by a key that nobody vouches for */
	OPENING_CHANGED,  /* by another key than the one that is pinned */
	OPENING_PINNED,   /* by the one that is */
	OPENING_VERIFIED, /* and that two people compared */
	OPENING_OWN       /* by our own */
};

enum { OPENING_FAULTS_MAX = 8, OPENING_TEXT_MAX = 320 };

struct opened {
	struct sealed_head head;
	enum opening_standing standing;
	char by[USER_NAME_MAX + 1]; /* who is said to have signed it; empty: nobody */
	char key[SSHSIG_FINGERPRINT_MAX];
	int64_t since;   /* with PINNED and VERIFIED; 0: a file in the folder of keys says so */
	bool first_seen; /* the server gave the key just now */
	bool false_word; /* what is said of it is not so: it is not to be shown unasked */
	bool again;      /* it was opened before */
	/* what is to be said of it; any: the exit code is 65 */
	char faults[OPENING_FAULTS_MAX][OPENING_TEXT_MAX];
	size_t faults_n;
	const char *word; /* the worst of them, for a column of a list; NULL: none */
};

/* Open it and judge it. 0, or -1: EX_NOPERM (it is not sealed to us), EX_DATAERR (altered),
 * EX_NOINPUT (our key is not there), EX_CONFIG, EX_TEMPFAIL. opened_free is due in both cases. */
int opening_judge(struct opener *o, const struct held *sealed, const struct opening_outer *m,
	struct opened *out, struct err *e);
void opened_free(struct opened *d);
/* Something else is wrong with it. word: for a column. */
void opening_fault(struct opened *d, bool is_false, const char *word, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* "signed by alice with SHA256:... (pinned 2026-11-22)", without a line end. */
void opening_describe(const struct opened *d, char out[static OPENING_TEXT_MAX]);
/* The fields that tell the same, into an object of a message. */
void opening_json(json_t *object, const struct opened *d);

#endif
