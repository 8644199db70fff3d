/* The lab's man in the middle: a relay between clients and a server that hears both sides, tells
 * what an outsider can tell of it, and attacks. Each connection is a process of its own
 * (server.h); an attack is a row of mitm_attacks with functions that look at one message after the
 * other. Which threat of SECURITY.md each of them is for, its row says.
 *
 * The files: mitm_relay.c moves the bytes; mitm_sight.c names what they are; mitm_attacks.c has the
 * table; mitm_passive.c, mitm_alter.c, mitm_replay.c, mitm_fake.c, mitm_strike.c, mitm_smtp.c,
 * mitm_ft.c and mitm_ft_ask.c the attacks. */
#ifndef PROTO_MITM_H
#define PROTO_MITM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../crypto/bytes.h"
#include "../crypto/rsa.h"
#include "../crypto/x25519.h"
#include "classic_dialect.h"
#include "conn.h"

/* Who speaks: the client, the server, or the attacker in the place of either: as the client, to
 * the server; as the server, to the client. */
enum mitm_who { MITM_C, MITM_S, MITM_AC, MITM_AS };
const char *mitm_who_name(enum mitm_who who); /* "C", "S", "AC", "AS" */

struct mitm_event {
	unsigned connection; /* 1 for the first */
	enum mitm_who who;
	const uint8_t *p; /* the bytes that were said */
	size_t n;
	const char *what; /* what they are, as far as an outsider can tell */
};

/* A message that the attacker has read. */
struct mitm_loot {
	unsigned connection;
	const char *from, *title;
	const struct buf *text; /* the e-mail as it was sent */
};

/* Where it is told. Functions run in the process of a connection; p and texts are not kept. */
struct mitm_ear {
	void (*said)(void *arg, const struct mitm_event *event);
	/* What an attack has got (won), or that it got nothing. Of any origin, not escaped. */
	void (*result)(
		void *arg, unsigned connection, const char *attack, bool won, const char *text);
	/* What it did, where it cannot see what comes of that. */
	void (*did)(void *arg, unsigned connection, const char *attack, const char *text);
	void (*stole)(void *arg, const struct mitm_loot *loot);
	void (*ended)(void *arg, unsigned connection); /* nothing of it comes behind this */
	void (*ready)(void *arg);                      /* it listens; may be NULL */
	void *arg;
};

struct mitm;
struct relay;
struct mitm_message;

/* Does it work against the classic protocol? */
enum mitm_classic { MITM_WORKS, MITM_FAILS, MITM_NOTHING_THERE };

struct mitm_attack {
	const char *name;
	const char *threats; /* "T1": of SECURITY.md; "-": none of these */
	const char *line;    /* what it does */
	const char *help;    /* what it shows, and why it works or does not */
	enum mitm_classic classic;
	bool sizes_stop_it; /* in a dialect that tells a text's size ahead it does not work */
	bool passive;       /* others can run beside it */
	/* On SMTP: a set-up that asks for less than it could, where it works. NULL: an attack on
	 * the other protocols. */
	const char *permissive;
	bool ft; /* on file transfer: its founding wire, or noise */
	/* Each may be NULL. begin: a client is there, the server is not called yet. heard: 0 to
	 * have the message passed on, 1 when that was done, or is not to be done; -1. end: the
	 * connection is over. */
	int (*begin)(struct relay *r, struct err *e);
	int (*heard)(struct relay *r, struct mitm_message *m, struct err *e);
	void (*end)(struct relay *r);
	/* Against the server itself, without a victim, until it returns. 0 or -1. */
	int (*strike)(const struct mitm *m, struct err *e);
};

extern const struct mitm_attack mitm_attacks[];
extern const size_t mitm_attacks_n;
const struct mitm_attack *mitm_find(const char *name); /* NULL: there is none */

enum { MITM_TOGETHER = 8, MITM_RECORDING = 4 << 20 /* bytes that are kept of a session */ };

/* What the processes of one run share. */
struct mitm_shared;

struct mitm_stolen {
	struct rsa_private rsa;
	struct x25519_pair x25519;
	bool has_x25519;
};

struct mitm {
	const struct mitm_attack *attacks[MITM_TOGETHER]; /* those that run; only one not passive */
	size_t attacks_n;
	char host[CONN_HOST_MAX], port[8]; /* the server */
	const struct rsa_public *victim;   /* whom `impersonate` answers; NULL: nobody */
	/* the server's, as its clients have it: for `low-order`; NULL: not known */
	const uint8_t *server_key;
	/* whose keys `stolen-key` has: of either side, and of either kind */
	const struct mitm_stolen *stolen;
	size_t stolen_n;
	const struct classic_dialect *dialect; /* of the classic protocol; never NULL */
	const struct buf *inject; /* what inject-starttls says to the server; NULL: a probe */
	bool ft;                  /* what is relayed is file transfer */
	const struct buf *known;  /* the file that is on its way, for ft-flip and ft-truncate */
	const char *forge;        /* how it is to begin; at most 16 bytes */
	const struct buf *words;  /* for ft-guess: one on each line */
	bool enhanced;            /* a strike speaks the enhanced protocol to the server */
	bool verbose;             /* what is passed on as it was heard is told again */
	unsigned sockets;         /* that `slow` opens; 0: MITM_SOCKETS */
	unsigned seconds;         /* that a strike lasts; 0: until it is stopped */
	int capture;              /* of pcap_open; -1: none */
	struct mitm_ear ear;
	struct mitm_shared *shared; /* of mitm_open */
	int stop_fd;                /* in a strike: readable or hung up when it is to end */
	int strike_fds[MITM_TOGETHER];
};

enum { MITM_SOCKETS = 200, MITM_SOCKETS_MAX = 10000 };

/* Public keys that make any shared secret zero: points of low order. NULL: there are no more. */
const uint8_t *mitm_low_order_point(size_t i);

/* Before the first connection. 0 or -1. */
int mitm_open(struct mitm *m, struct err *e);
void mitm_close(struct mitm *m);

/* Listen on these "ADDR:PORT", and relay and attack what comes, until SIGTERM or SIGINT. As
 * server_run. */
int mitm_run(struct mitm *m, const char *const *listen, size_t listen_n, struct err *e);

#endif
