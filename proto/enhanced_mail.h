/* What the parts of the enhanced client share. Everybody else sees enhanced_client.h alone. */
#ifndef PROTO_ENHANCED_MAIL_H
#define PROTO_ENHANCED_MAIL_H

#include "../crypto/proof.h"
#include "enhanced_client.h"

struct enhanced_client {
	struct mail_client base; /* first */
	struct conn conn;
	struct enhanced wire;
	bool welcomed;      /* the server has let us in, and said so */
	uint64_t early;     /* bytes of letters posted before it did */
	bool left;          /* `bye` is on its way */
	unsigned waits;     /* `chat-wait`s whose answers nobody took: the next replies */
	bool asks;          /* it did not, for want of a password */
	bool refused;       /* its last error tells for certain that nothing was done */
	bool of_file;       /* what was asked last is about a file: an error names the server */
	uint64_t max_chars; /* of a message, from its welcome */
};

extern const struct mail_client_ops enhanced_client_ops;

/* {"type": type}; NULL when memory is short, which enhanced_put_json tells. */
json_t *enhanced_request(const char *type);

/* Set a field. Each 0, or -1 (no memory, no UTF-8): then the request must not go out. */
int enhanced_set_text(json_t *o, const char *name, const char *text);
int enhanced_set_number(json_t *o, const char *name, uint64_t value);
/* The same of a proof, or its key, in hex. */
int enhanced_set_hex(json_t *o, const char *name, const uint8_t bytes[static PROOF_KEY]);
int enhanced_get_hex(
	const json_t *o, const char *name, uint8_t out[static PROOF_KEY], struct err *e);
/* From now on, a time for an answer, and for so many bytes of a file that either side reads or
 * writes before it. */
void enhanced_file_wait(struct enhanced_client *c, uint64_t bytes);
/* Put a request whose fields were set; ok: all of them. It is released. 0 or -1. */
int enhanced_client_put(struct enhanced_client *c, json_t *o, bool ok, struct err *e);
/* "a;b" as an array of names. */
json_t *enhanced_names(const char *to);

/* The next reply, of any type but an error of the server's; all else as below. */
int enhanced_client_any(struct enhanced_client *c, json_t **reply, struct err *e);
/* The next reply, which must be of this type; the caller releases it. An error of the server's is
 * -1 with its exit code, and so is a welcome that was refused. */
int enhanced_client_reply(
	struct enhanced_client *c, const char *type, json_t **reply, struct err *e);

/* A write failed with e: the connection is of no more use. -1, with the server's last error in its
 * place if there is one. */
int enhanced_client_broken(struct enhanced_client *c, struct err *e);

int enhanced_client_leave(struct mail_client *base, struct err *e);
void enhanced_client_quit(struct mail_client *base);
void enhanced_client_end(struct mail_client *base);

#endif
