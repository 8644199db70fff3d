/* Letters that are sealed before they leave: whose keys they are sealed to, who signs them, and
 * their numbers. */
#ifndef CMD_SEALING_H
#define CMD_SEALING_H

#include "../proto/sealed.h"
#include "content.h"
#include "trust.h"

struct sealing_member {
	char name[USER_NAME_MAX + 1];
	struct age_recipient key;
};

/* Secret. */
struct sealing {
	struct account *account;
	struct trust own;
	struct sealing_member *members; /* owned: those who were asked for */
	size_t n;
	bool ready;
};

void sealing_begin(struct sealing *s, struct account *a);
void sealing_end(struct sealing *s);

/* As "a;b", each once, and nothing else. 0, or -1 (EX_NOUSER: a name is none; EX_TEMPFAIL). */
int sealing_names(struct buf *out, const char *to, struct err *e);

/* Is everything here that is needed to seal to these? Else sealing_learn asks the server, and
 * nothing may be on its way to it. */
bool sealing_knows(const struct sealing *s, const char *to);
/* Get our own keys, and those of all of to. c: the connection. 0, or -1: EX_NOPERM (a key changed:
 * loudly), EX_NOUSER, EX_DATAERR (somebody has no key), EX_NOINPUT (we have none), EX_PROTOCOL. */
int sealing_learn(struct sealing *s, struct mail_client *c, const char *to, struct err *e);

struct sealing_letter {
	const char *to, *title; /* to: as sealing_names has it, and they are known */
	struct content *content;
	const uint8_t *id; /* MAIL_ID bytes: the letter's own */
};

/* Seal it into out. 0, or -1: EX_DATAERR, EX_TEMPFAIL, or the content's. */
int sealing_seal(
	struct sealing *s, struct held *out, const struct sealing_letter *l, struct err *e);
/* The server refused it. */
int sealing_refused(struct sealing *s, const uint8_t id[static MAIL_ID], struct err *e);

#endif
