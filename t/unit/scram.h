/* What the tests of SCRAM-SHA-256 share: the published exchange, and a whole one. */
#ifndef T_SCRAM_H
#define T_SCRAM_H

#include "unit.h"

#include "../../crypto/scram.h"

/* RFC 7677 3 */
#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define NONCE CLIENT_NONCE SERVER_NONCE
#define CLIENT_FIRST "n,,n=user,r=" CLIENT_NONCE
#define SERVER_FIRST "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define CLIENT_FINAL "c=biws,r=" NONCE ",p=" PROOF
#define SIGNATURE "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
#define SERVER_FINAL "v=" SIGNATURE
/* the same account, as PostgreSQL writes it */
#define VERIFIER                                        \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"  \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:" \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static struct err e;

static inline struct scram_verifier verifier_of(const char *text)
{
	struct scram_verifier v;

	assert_int_equal(scram_verifier_read(&v, text, strlen(text)), 0);
	return v;
}

/* --- both ends --- */

struct login {
	const char *name, *password;
	struct scram_verifier v;
	char said[4][SCRAM_MESSAGE_MAX];
	bool ok;
};

static inline void log_in(struct login *l)
{
	struct scram_client c;
	struct scram_server s;

	assert_int_equal(scram_client_first(&c, l->name, l->said[0], &e), 0);
	assert_int_equal(scram_server_first(&s, l->said[0], strlen(l->said[0]), &e), 0);
	assert_string_equal(s.name, l->name);
	assert_int_equal(scram_server_challenge(&s, &l->v, l->said[1], &e), 0);
	assert_int_equal(scram_client_final(&c, l->said[1], strlen(l->said[1]), l->password,
				 strlen(l->password), l->said[2], &e),
		0);
	assert_int_equal(
		scram_server_final(&s, l->said[2], strlen(l->said[2]), l->said[3], &l->ok, &e), 0);
	if (l->ok) {
		assert_int_equal(scram_client_verify(&c, l->said[3], strlen(l->said[3]), &e), 0);
	} else {
		assert_string_equal(l->said[3], "");
		scram_client_end(&c);
	}
}

#endif
