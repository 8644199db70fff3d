/* What the lab's attacks on file transfer know of a connection. The founding wire is one stream of
 * blocks each way, so that who knows the file knows where each of its bytes stands: an attack is a
 * few blocks to be changed at fixed places. mitm_ft.c changes them; mitm_ft_ask.c asks the
 * server. */
#ifndef PROTO_MITM_FT_H
#define PROTO_MITM_FT_H

#include "../crypto/aes.h"
#include "../crypto/bytes.h"

enum { MITM_FT_PATCHES = 3, MITM_FT_RECORDING = 65536 /* bytes of the client's that are kept */ };

/* XORed over what the client says, this far into its data. */
struct mitm_ft_patch {
	uint64_t at;
	uint8_t x[AES_BLOCK];
};

struct mitm_ft {
	bool founding;      /* the client's first byte says so */
	bool begun;         /* the client's data begins at data_at of all it says */
	uint64_t said[2];   /* bytes, by side */
	uint64_t data_at;   /* of the client's */
	uint64_t answer_at; /* what the server says from here on answers the data */
	struct mitm_ft_patch patches[MITM_FT_PATCHES];
	size_t patches_n;
	uint64_t cut_at; /* of the data: nothing behind it is passed on. 0: all is */
	uint64_t all;    /* bytes of the data; the server's answer waits for the last */
};

struct err;
struct mitm;
struct mitm_flow;
struct mitm_message;
struct relay;

/* Where it ends, and what an outsider sees in it. */
size_t mitm_cut_ft(const struct mitm_flow *f);
const char *mitm_what_ft(const struct mitm_message *m);
/* Follow the transfer: once for each message, by the attack whose hook runs. */
void mitm_ft_follow(struct relay *r, const struct mitm_message *m);

/* The attacks' hooks. */
int mitm_ft_flip(struct relay *r, struct mitm_message *m, struct err *e); /* mitm_ft.c */
int mitm_ft_truncate(struct relay *r, struct mitm_message *m, struct err *e);
void mitm_ft_altered(struct relay *r);
int mitm_ft_guess(const struct mitm *m, struct err *e); /* mitm_ft_ask.c */
int mitm_ft_record(struct relay *r, struct mitm_message *m, struct err *e);
void mitm_ft_oracle(struct relay *r);

#endif
