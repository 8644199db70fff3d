/* Invitations as text; see invitation.h. */
#include "invitation.h"

static const char lead[] = "smtp361://";

void invitation_write(const struct invitation *i, char out[static INVITATION_MAX])
{
	char key[64], secret[32];

	(void)base64url_encode(key, i->key, sizeof i->key);
	(void)base64url_encode(secret, i->secret, sizeof i->secret);
	(void)snprintf(out, INVITATION_MAX, "%s%s@%s/%s/%s/%lld", lead, i->user, i->server, key,
		secret, (long long)i->expires);
	wipe(secret, sizeof secret);
}

/* The text up to a character, moving behind it. false when it is not there, or does not fit. */
static bool take(const char **at, const char *end, char until, char *out, size_t cap)
{
	const char *stop = until == '\0' ? end : memchr(*at, until, (size_t)(end - *at));
	size_t n = stop == NULL ? 0 : (size_t)(stop - *at);

	if (stop == NULL || n == 0 || n >= cap) {
		return false;
	}
	memcpy(out, *at, n);
	out[n] = '\0';
	*at = stop == end ? end : stop + 1;
	return true;
}

static int wrong(const char *part, struct err *e)
{
	err_set(e, EX_DATAERR, "this is no invitation: %s", part);
	return err_hint(e, "it is one line that begins with %s, and has to be whole", lead);
}

int invitation_read(struct invitation *i, const char *text, size_t n, struct err *e)
{
	const char *end = text + n;
	char host[CONN_HOST_MAX], port[8], part[64] = "";
	uint64_t expires;
	int rc = -1;

	for (; text < end && memchr(" \t\r\n", *text, 4) != NULL; text++) {
	}
	for (; end > text && memchr(" \t\r\n", end[-1], 4) != NULL; end--) {
	}
	*i = (struct invitation){0};
	if (memchr(text, '\0', (size_t)(end - text)) != NULL ||
		(size_t)(end - text) < sizeof lead - 1 ||
		memcmp(text, lead, sizeof lead - 1) != 0) {
		return wrong("it does not begin as one", e);
	}
	text += sizeof lead - 1;
	if (!take(&text, end, '@', i->user, sizeof i->user) || !user_name_valid(i->user)) {
		(void)wrong("its user's name is damaged", e);
	} else if (!take(&text, end, '/', i->server, sizeof i->server) ||
		   conn_split(i->server, host, port, e) != 0) {
		(void)wrong("its address is damaged", e);
	} else if (!take(&text, end, '/', part, sizeof part) ||
		   base64url_decode(i->key, sizeof i->key, part, strlen(part)) != X25519_BYTES) {
		(void)wrong("its key is damaged", e);
	} else if (!take(&text, end, '/', part, sizeof part) ||
		   base64url_decode(i->secret, sizeof i->secret, part, strlen(part)) !=
			   ENHANCED_SECRET) {
		(void)wrong("its secret is damaged", e);
	} else if (!take(&text, end, '\0', part, sizeof part) ||
		   parse_decimal(part, strlen(part), INT64_MAX, &expires) != 0) {
		(void)wrong("its expiry is damaged", e);
	} else {
		i->expires = (int64_t)expires;
		rc = 0;
	}
	wipe(part, sizeof part);
	return rc;
}
