/* What the parts of the enhanced client share. Everybody else sees enhanced_client.h alone. */
#ifndef PROTO_ENHANCED_MAIL_H
#define PROTO_ENHANCED_MAIL_H

#include "enhanced_client.h"

struct enhanced_client {
	struct mail_client base; /* first */
	struct conn conn;
	struct enhanced wire;
	bool welcomed;      /* the server has let us in, and said so */
	uint64_t early;     /* bytes of letters posted before it did */
	bool left;          /* `bye` is on its way */
	bool asks;          /* it did not, for want of a password */
	uint64_t max_chars; /* of a message, from its welcome */
};

extern const struct mail_client_ops enhanced_client_ops;

/* {"type": type}; NULL when memory is short, which enhanced_put_json tells. */
json_t *enhanced_request(const char *type);

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
