/* What the attacks work with: one relayed connection. See mitm.h. */
#ifndef PROTO_MITM_RELAY_H
#define PROTO_MITM_RELAY_H

#include "mitm.h"
#include "mitm_ft.h"
#include "mitm_smtp.h"
#include "pcap.h"

enum { MITM_FAKE_MS = 900000 }; /* for one text, with the attacker as the server */

enum mitm_side { MITM_CLIENT, MITM_SERVER }; /* and which of the two conns */

enum mitm_wire { MITM_UNKNOWN, MITM_IS_CLASSIC, MITM_IS_ENHANCED, MITM_IS_SMTP, MITM_IS_FT };

/* What a message is, as far as length and place tell. */
enum mitm_kind {
	MITM_OTHER,
	MITM_LOGIN,   /* classic: the client's RSA block */
	MITM_KEY,     /* classic: the server's */
	MITM_REFUSAL, /* classic: text in the clear */
	MITM_SHORT,   /* classic: a choice, an index, OK */
	MITM_MENU,    /* classic: the menu, or a text that ends with it */
	MITM_MAIL,    /* classic: an e-mail on its way in, or a piece of it */
	MITM_ANSWER,  /* classic: any other text of the server's */
	MITM_HELLO,   /* enhanced: messages 1 and 2 */
	MITM_PROOF,   /* enhanced: message 3 */
	MITM_RECORD,  /* enhanced: a sealed record */
	MITM_COMMAND, /* SMTP: a line of the client's */
	MITM_AUTH,    /* SMTP: one that answers a 334 */
	MITM_TEXT,    /* SMTP: lines of a message */
	MITM_DOT,     /* SMTP: the end of it */
	MITM_REPLY,   /* SMTP: one of the server's, all its lines */
	MITM_TLS      /* SMTP: a record of TLS */
};

/* On the classic wire what one side says at a stretch; on the enhanced one a Noise message behind
 * its length (the first with the preface); of SMTP a command, a reply, some lines of a message, or
 * a record of TLS. Longer ones come in pieces. */
struct mitm_message {
	enum mitm_side from;
	enum mitm_kind kind;
	unsigned number;  /* of this side's messages; 1 is the first */
	struct buf bytes; /* an attack may change them, and pass them on then */
};

struct mitm_flow {
	struct buf in; /* heard, and not yet told */
	unsigned messages;
	bool ended; /* this side will say no more */
};

/* What one exchange on the classic wire consists of: all that the client said since the last menu,
 * by turns, and the server's first answer. */
enum { MITM_TURNS = 4 };
struct mitm_exchange {
	struct buf turn[MITM_TURNS]; /* the client's */
	struct buf answer;           /* to the first */
	size_t turns;
	bool has_mail;
	bool too_long; /* more than MITM_RECORDING: it cannot be repeated */
};

/* What one attack keeps of a connection. */
struct mitm_memory {
	unsigned step;             /* where it stands */
	struct buf kept[2];        /* of each side */
	struct mitm_exchange held; /* what it keeps back */
	struct mitm_smtp_heard smtp;
	struct mitm_ft ft;
};

struct relay {
	struct mitm *m;
	struct conn conn[2]; /* by side; fd -1: not there */
	struct pcap_talk talk[2];
	struct mitm_flow flow[2];
	bool hung_up[2]; /* we say no more to this side */
	enum mitm_wire wire;
	enum mitm_side last;      /* who spoke last, */
	enum mitm_kind last_kind; /* and what */
	unsigned connection;
	struct buf menu; /* classic: its cipher text, which never changes */
	struct mitm_exchange exchange;
	struct mitm_smtp smtp;
	const struct mitm_attack *attack; /* whose hook runs, */
	struct mitm_memory *mine;         /* and what it has kept */
	struct mitm_memory memory[MITM_TOGETHER];
	const char *saying; /* what the attacker says next, where it writes to the conn itself */
	bool alone;         /* the server is not called: an attack plays it */
	bool over;          /* an attack has had enough: close both */
};

/* Say bytes to one side as the attacker. what: for the log. */
int relay_say(struct relay *r, enum mitm_side to, const void *p, size_t n, const char *what,
	struct err *e);
/* Pass a message on as it was heard. */
int relay_pass(struct relay *r, const struct mitm_message *m, struct err *e);
/* The next message of this side, which nobody else gets. 0; 1: it has ended; or -1. */
int relay_hear(struct relay *r, enum mitm_side from, struct mitm_message *m, struct err *e);
/* This side is told that no more will come. */
void relay_hang_up(struct relay *r, enum mitm_side to);
/* The session is at its end: both sides are closed when `heard` returns. */
void relay_end(struct relay *r);
/* What the attack whose hook runs has got, or that it got nothing. */
void relay_result(struct relay *r, bool won, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* What it did, where it cannot see what comes of that. */
void relay_did(struct relay *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An e-mail was read, in the form of either dialect. what: became of it. */
void relay_stole(struct relay *r, const struct buf *mail, const char *what);
/* The same, of any form. */
void relay_stole_from(struct relay *r, const char *from, const char *title, const struct buf *mail,
	const char *what);
/* From now on an attack reads and writes the client's conn itself: that is told and captured,
 * too. */
void relay_listen_in(struct relay *r);

/* One connection, from its begin to its end: for struct server. arg: the struct mitm. */
int relay_session(void *arg, struct conn *c);

/* mitm_sight.c: what is it? Follows the session. */
enum mitm_kind mitm_look(struct relay *r, enum mitm_side from, const struct buf *bytes);
/* In words. */
const char *mitm_what(const struct relay *r, const struct mitm_message *m);
/* How many of the bytes that were heard are a message; 0: more must come. quiet: nothing came for a
 * while, or the other side speaks. */
size_t mitm_cut(struct relay *r, enum mitm_side from, bool quiet);

/* mitm_sight_smtp.c: the same, of SMTP. */
enum mitm_kind mitm_look_smtp(struct relay *r, enum mitm_side from, const struct buf *bytes);
const char *mitm_what_smtp(const struct mitm_message *m);
size_t mitm_cut_smtp(const struct relay *r, enum mitm_side from);
/* Do these bytes begin TLS, as a client does who takes no STARTTLS? */
bool mitm_begins_tls(const struct buf *bytes);
/* Is this the client's command? */
bool mitm_is_command(const struct mitm_message *m, const char *verb);

void mitm_exchange_free(struct mitm_exchange *x);

/* The attacks' hooks, by file. */
int mitm_eavesdrop(struct relay *r, struct mitm_message *m, struct err *e); /* mitm_passive.c */
void mitm_eavesdropped(struct relay *r);
int mitm_collect_blocks(struct relay *r, struct mitm_message *m, struct err *e);
void mitm_compare_blocks(struct relay *r);
int mitm_open_with_key(struct relay *r, struct mitm_message *m, struct err *e);
void mitm_opened(struct relay *r);
/* Is this record of a client's as long as `bye`? No other request is; a content may be. */
bool mitm_is_goodbye(const struct mitm_message *m); /* mitm_alter.c */
int mitm_double(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_splice(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_flip(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_drop(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_reorder(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_truncate(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_tamper_login(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_record_login(struct relay *r, struct mitm_message *m, struct err *e); /* mitm_replay.c */
void mitm_replay_login(struct relay *r);
int mitm_replay_begin(struct relay *r, struct err *e);
int mitm_replay_session(struct relay *r, struct mitm_message *m, struct err *e);
void mitm_replay_end(struct relay *r);
int mitm_play_server(struct relay *r, struct err *e); /* mitm_fake.c */
int mitm_impersonate(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_fake_classic(struct relay *r, struct err *e); /* mitm_fake_classic.c */
int mitm_inject_invalid(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_downgrade(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_reflect(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_low_order(struct relay *r, struct mitm_message *m, struct err *e);
int mitm_low_order_strike(const struct mitm *m, struct err *e); /* mitm_strike.c */
int mitm_slow(const struct mitm *m, struct err *e);
int mitm_smtp_relay(struct relay *r, struct mitm_message *m, struct err *e); /* mitm_smtp.c */
int mitm_strip_starttls(struct relay *r, struct mitm_message *m, struct err *e);
void mitm_smtp_over(struct relay *r);
int mitm_inject_starttls(
	struct relay *r, struct mitm_message *m, struct err *e); /* mitm_smtp_inject.c */
void mitm_injected_starttls(struct relay *r);

/* mitm_smtp_heard.c: follow login and mail, and tell what is got of them. */
void mitm_smtp_listen(struct relay *r, const struct mitm_message *m);
/* How the login that goes on ended. */
void mitm_smtp_login(struct relay *r, unsigned code);
void mitm_smtp_heard_free(struct mitm_smtp_heard *h);

/* In a strike: is it to end? Waits so many ms for that. */
bool mitm_is_stopping(const struct mitm *m, int ms);

/* What the processes share: the first session, as its parties said it. */
struct mitm_shared {
	unsigned connections; /* so far */
	unsigned recorder;    /* the connection that is recorded; 0: none yet */
	unsigned client_said; /* messages of its client */
	bool recorded;        /* whole */
	bool hello_seen;      /* some client began the enhanced protocol, */
	bool classic_seen;    /* some client the classic one */
	size_t n;
	uint8_t bytes[MITM_RECORDING]; /* side u8, length u32le, the message, and so on */
};

#endif
