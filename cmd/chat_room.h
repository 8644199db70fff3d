/* A user's chats with the server at hand: whom he talks to, with keys that were held against what
 * is pinned, and what waits for him. */
#ifndef CMD_CHAT_ROOM_H
#define CMD_CHAT_ROOM_H

#include "../proto/enhanced_chat.h"
#include "chat_receive.h"
#include "remote.h"
#include "trust.h"

/* A contact of this run. */
struct chat_node {
	struct chat_node *next;
	struct chat_contact c;
	bool opened; /* c is */
	bool anew;   /* there was no history when this run began: all of it is news */
	int locked;  /* c cannot be opened, or added to, which was told: the exit code; or 0 */
	bool broken; /* something of his on disk is damaged, which was told */
	bool told;   /* that something of his stays with the server, as nothing can be said of it */
	int64_t quiet_until; /* that he has written, while we talk with another, was told */
	/* his keys, as they are pinned */
	bool known;
	struct known_member member;
	/* in this session, by the server's directory */
	bool checked;
	bool changed;  /* it shows another key than the one that is pinned */
	bool stranger; /* it knows no such user */
	bool wanted;   /* to be held against it */
	bool looked;   /* it was, in this round of fetching */
	bool came;     /* something, for which no receipt has gone yet */
	bool left;     /* something, that stays with the server, in this round of fetching */
	bool crowded;  /* too many one-time keys that he has are not answered, which was told */
};

struct chat_room {
	const struct cli *cli;
	struct account account;
	const char *passphrase_file; /* options */
	bool passphrase_asked;
	bool may_ask; /* of a person at a terminal, for the passphrase of a history */
	bool reads;   /* what waits is fetched by this command; */
	bool read;    /* it was, over this connection */
	bool crowded; /* then it is time to look after one-time keys again */
	struct trust own;
	struct chat_desk desk;
	struct mail_client *client; /* NULL: not connected */
	struct chat_node *nodes;
	bool follows; /* what other processes receive, of everybody: whom there is a history with
		       * are among the nodes */
	/* whoever draws on the terminal prints notes, too; NULL: they go to stderr */
	void (*tell)(void *arg, bool warning, const char *text);
	void *tell_arg;
	uint8_t passphrase[PASSWORD_MAX];
	size_t passphrase_n;
};

/* Read the keys and open the desk; a signing key is made when there is none. 0, or -1. Close it in
 * both cases. */
int chat_room_open(struct chat_room *r, struct err *e);
void chat_room_close(struct chat_room *r);
/* Log in, and publish the signing key where the directory has none of ours. 0, or -1; EX_PROTOCOL:
 * the directory shows another signing key for us. */
int chat_room_connect(struct chat_room *r, struct err *e);
void chat_room_disconnect(struct chat_room *r);
/* Tell whoever runs this: a line each. */
void chat_room_note(const struct chat_room *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void chat_room_warn(const struct chat_room *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* NULL with e: no memory, or no user's name, or ourselves. */
struct chat_node *chat_room_contact(struct chat_room *r, const char *name, struct err *e);
/* Open the history with this contact. 0, or -1 (EX_NOPERM: a passphrase is needed, or is wrong). */
int chat_room_history(struct chat_room *r, struct chat_node *n, struct err *e);
/* Hold his keys against the directory, once in a session, and pin what is new. 0, or -1: EX_NOUSER,
 * EX_NOPERM (another key than the one that is pinned, which is told at length on stderr), or the
 * connection's. */
int chat_room_check(struct chat_room *r, struct chat_node *n, struct err *e);
/* The same, and look again for a signing key where he had none when we looked last: what he signs
 * cannot be judged without. */
int chat_room_check_signs(struct chat_room *r, struct chat_node *n, struct err *e);
/* The same with what the directory said. */
int chat_room_see(
	struct chat_room *r, struct chat_node *n, const struct members_row *row, struct err *e);
/* What is damaged of this contact's on our disk keeps nobody else's from anything: is it that (e is
 * EX_CONFIG)? It is told, once. */
bool chat_room_is_broken(struct chat_room *r, struct chat_node *n, const struct err *e);
struct chat_peer chat_room_peer(const struct chat_node *n);

#endif
