/* Whom a client trusts: its own keys, what the server hands out for others, and what is pinned of
 * them (keys/known.h). Notes and warnings go to stderr, led by "smtp361 APPLET: ". */
#ifndef CMD_TRUST_H
#define CMD_TRUST_H

#include "../keys/known.h"
#include "../proto/enhanced_members.h"
#include "account.h"

/* Who we are, for whatever is sealed or signed. Secret: trust_end wipes it. */
struct trust {
	const char *applet, *name; /* the account's */
	struct x25519_pair x25519;
	struct p256_pair p256;
	int keys; /* the folder of keys, and */
	int chat; /* NAME_chat/ in it: descriptors. -1: not open */
};

/* Resolve the account and load its two pairs from the folder of keys; a missing P-256 pair is made,
 * and told. No server is asked. 0, or -1: EX_USAGE (there is no user), EX_NOINPUT (no keys),
 * EX_CONFIG. trust_end is due in both cases. */
int trust_own(struct account *a, struct trust *own, struct err *e);
void trust_end(struct trust *own);
/* Our public keys. */
struct known_keys trust_keys(const struct trust *own);
/* Open NAME_chat/ (0700), where numbers, one-time keys and histories are, and make it where it is
 * missing. own->chat, or -1. */
int trust_chat(struct trust *own, struct err *e);

/* Does the server's directory show our keys? A signing key that it does not know is published. 0,
 * or -1: EX_PROTOCOL, with a loud warning: it shows another key in our name. */
int trust_publish(const struct trust *own, struct mail_client *c, struct err *e);

/* Whom to seal to, and whose signature to expect. With a connection (c not NULL) the directory's
 * keys are held against the pinned ones: new ones are pinned, with a note. Without one, what is
 * pinned is enough, or else NAME_x25519_public.pem (and NAME_p256_public.pem) in the folder of
 * keys: out->since is 0 then. Our own name gives our own keys. 0, or -1: EX_NOPERM (another key
 * than the pinned one: a loud warning), EX_NOUSER (no such member, or one without a key). */
int trust_member(const struct trust *own, struct mail_client *c, const char *name,
	struct known_member *out, struct err *e);

/* Hold keys that are said to be name's against what is pinned, as trust_member does with the
 * directory's; *out is what is pinned then. who: said so ("the server"). 0 or -1 as above. */
int trust_see(const struct trust *own, const char *name, const struct known_keys *keys,
	const char *who, struct known_member *out, struct err *e);

/* Both fingerprints of a member, as people compare them: "X25519 SHA256:..., P-256 SHA256:...". */
enum { TRUST_FINGERPRINTS = 160 };
void trust_fingerprints(char out[static TRUST_FINGERPRINTS], const struct known_keys *keys);

#endif
