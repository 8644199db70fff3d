/* The engine of TLS against itself, in memory: whom it trusts, and what it makes of records that
 * were cut and changed on their way. */
#include "tls.h"

#include "../../crypto/tls_state.h"

static struct err e;

/* One way of the wire: what a place on it does to the bytes. */
struct way {
	size_t passed; /* bytes so far */
	size_t cut;    /* nothing passes from here on */
	size_t flip;   /* this byte is changed */
	size_t most;   /* bytes at a time */
};

static const struct way whole = {.cut = SIZE_MAX, .flip = SIZE_MAX, .most = SIZE_MAX};

/* Bytes from one engine to the other. Were there any? */
static bool carry(struct tls *from, struct tls *to, struct way *w)
{
	size_t n, room;
	const uint8_t *p = tls_out(from, &n);
	uint8_t *q = tls_in(to, &room);

	if (p == NULL) {
		return false;
	}
	if (w->passed >= w->cut || q == NULL) {
		tls_out_done(from, n); /* lost */
		return true;
	}
	n = n < room ? n : room;
	n = n < w->most ? n : w->most;
	n = n < w->cut - w->passed ? n : w->cut - w->passed;
	memcpy(q, p, n);
	if (w->flip >= w->passed && w->flip < w->passed + n) {
		q[w->flip - w->passed] ^= 0x01;
	}
	tls_out_done(from, n);
	tls_in_done(to, n);
	w->passed += n;
	return true;
}

static void settle(
	struct tls *server, struct tls *client, struct way *to_client, struct way *to_server)
{
	bool moved = true;

	while (moved) {
		moved = carry(client, server, to_server);
		moved = carry(server, client, to_client) || moved;
	}
}

struct ends {
	struct tls *server, *client;
};

static struct ends begin(const struct tls_identity *id, const struct tls_trust *trust,
	const uint8_t *pin, const char *host)
{
	struct ends t = {tls_server(id, &e), tls_client(trust, pin, host, &e)};

	assert_non_null(t.server);
	assert_non_null(t.client);
	return t;
}

static void end(struct ends *t)
{
	tls_free(t->server);
	tls_free(t->client);
}

/* A handshake to its end; both are ready, or neither. */
static bool shakes(const struct tls_identity *id, const struct tls_trust *trust, const uint8_t *pin,
	const char *host)
{
	struct ends t = begin(id, trust, pin, host);
	struct way to_client = whole, to_server = whole;
	bool ready;

	settle(t.server, t.client, &to_client, &to_server);
	ready = tls_is_ready(t.client);
	assert_int_equal(tls_is_ready(t.server), ready);
	if (!ready) {
		assert_int_equal(tls_state(t.client), TLS_FAILED);
		assert_int_equal(tls_failure(t.client, &e), -1);
	}
	end(&t);
	return ready;
}

/* n bytes from one to the other, in records. */
static void say(struct tls *from, struct tls *to, size_t n, size_t at_a_time)
{
	struct way forth = whole, back = whole;
	uint8_t *sent = malloc(n), *got = malloc(n);
	size_t put = 0, taken = 0, k;

	forth.most = at_a_time;
	fill_pattern(sent, n, (uint32_t)n);
	while (taken < n) {
		uint8_t *room = tls_room(from, &k);
		if (room != NULL && put < n) {
			k = k < n - put ? k : n - put;
			memcpy(room, sent + put, k);
			tls_room_done(from, k);
			tls_flush(from);
			put += k;
		}
		const uint8_t *text = tls_text(to, &k);
		if (text != NULL) {
			assert_true(k <= n - taken);
			memcpy(got + taken, text, k);
			tls_text_done(to, k);
			taken += k;
		} else if (taken < n) {
			assert_true(carry(from, to, &forth) || carry(to, from, &back));
		}
	}
	assert_memory_equal(got, sent, n);
	free(sent);
	free(got);
}

static void text_both_ways(const struct site *s, const char *suite)
{
	static const size_t sizes[] = {1, 100, 16384, 16385, 100000};
	struct way to_client = whole, to_server = whole;
	struct ends t = begin(s->id, s->trust, NULL, "localhost");
	char is[TLS_SUITE_MAX];

	to_client.most = to_server.most = 7;
	settle(t.server, t.client, &to_client, &to_server);
	assert_true(tls_is_ready(t.server) && tls_is_ready(t.client));
	tls_describe(t.server, is);
	assert_string_equal(is, suite);
	tls_describe(t.client, is);
	assert_string_equal(is, suite);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		say(t.server, t.client, sizes[i], 1000);
		say(t.client, t.server, sizes[i], SIZE_MAX);
	}
	tls_close(t.client);
	settle(t.server, t.client, &to_client, &to_server);
	assert_int_equal(tls_state(t.server), TLS_CLOSED);
	assert_int_equal(tls_state(t.client), TLS_CLOSED);
	end(&t);
}

static void speaks(void **state)
{
	struct x509_wish wish = wish_of("localhost", -1, 1);
	struct site s;

	(void)state;
	site_from(&s, &wish);
	text_both_ways(&s, "TLS1.2 ECDHE_ECDSA AES_128_GCM");
	site_free(&s);
	wish.rsa_bits = 2048;
	site_from(&s, &wish);
	text_both_ways(&s, "TLS1.2 ECDHE_RSA AES_128_GCM");
	site_free(&s);
}

/* --- whom a client trusts --- */

static void assert_refuses(const struct site *s, const struct tls_trust *trust, const uint8_t *pin,
	const char *host, const char *name, const char *hint)
{
	assert_false(shakes(s->id, trust, pin, host));
	assert_int_equal(e.code, EX_NOPERM);
	assert_contains(e.text, name);
	assert_contains(e.text, "\nhint: ");
	assert_contains(e.text, hint);
}

static void other_ca(void **state)
{
	struct site s, other;

	(void)state;
	site_make(&s, "localhost");
	site_make(&other, "localhost"); /* the same name, another key */
	assert_true(shakes(s.id, s.trust, NULL, "localhost"));
	assert_refuses(&s, other.trust, NULL, "localhost", "BR_ERR_X509_NOT_TRUSTED", "--tls-ca");
	site_free(&s);
	site_free(&other);
}

static void hosts(void **state)
{
	static const char *const right[] = {
		"localhost", "LOCALHOST", "a.example.org", "127.0.0.1", "::1", "0:0:0:0:0:0:0:1"};
	static const char *const wrong[] = {"localhos", "localhostx", "example.org",
		"a.b.example.org", "127.0.0.2", "::2", "::7f00:1", "127.0.0.1.", "127.1", "::1%lo",
		"10.0.0.1"};
	struct x509_wish wish = wish_of("localhost", -1, 1);
	struct site s;

	(void)state;
	wish.names[1] = "*.example.org";
	wish.names[2] = "127.0.0.1";
	wish.names[3] = "::1";
	wish.names_n = 4;
	site_from(&s, &wish);
	for (size_t i = 0; i < COUNT(right); i++) {
		if (!shakes(s.id, s.trust, NULL, right[i])) {
			fail_msg("%s: %s", right[i], e.text);
		}
	}
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_refuses(
			&s, s.trust, NULL, wrong[i], "BR_ERR_X509_BAD_SERVER_NAME", "--tls-pin");
	}
	site_free(&s);
	/* an address is never looked for among the names, nor a name among the addresses */
	site_make(&s, "127.0.0.1");
	assert_true(shakes(s.id, s.trust, NULL, "127.0.0.1"));
	assert_refuses(&s, s.trust, NULL, "localhost", "BR_ERR_X509_BAD_SERVER_NAME", "--tls-pin");
	site_free(&s);
}

static void no_host(void **state)
{
	struct site s;

	(void)state;
	site_make(&s, "localhost");
	assert_null(tls_client(s.trust, NULL, NULL, &e));
	assert_int_equal(e.code, EX_SOFTWARE);
	assert_null(tls_client(s.trust, NULL, "", &e));
	assert_null(tls_client(NULL, NULL, "localhost", &e));
	site_free(&s);
}

static void dates(void **state)
{
	static const int rows[][2] = {{-10, -1}, {1, 10}};
	struct site s;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct x509_wish wish = wish_of("localhost", rows[i][0], rows[i][1]);
		site_from(&s, &wish);
		assert_int_equal(tls_identity_certificate(s.id)->from, wish.from);
		assert_int_equal(tls_identity_certificate(s.id)->until, wish.until);
		assert_refuses(&s, s.trust, NULL, "localhost", "BR_ERR_X509_EXPIRED", "clock");
		assert_true(shakes(s.id, NULL, s.pin, "localhost")); /* a pin knows no dates */
		site_free(&s);
	}
}

static void pins(void **state)
{
	uint8_t pin[TLS_PIN_BYTES];
	struct site s, other;

	(void)state;
	site_make(&s, "localhost");
	site_make(&other, "localhost");
	assert_true(shakes(s.id, NULL, s.pin, "localhost"));
	assert_true(shakes(s.id, NULL, s.pin, "whatever.example"));
	assert_true(shakes(s.id, NULL, s.pin, "192.0.2.1"));
	assert_true(shakes(s.id, NULL, s.pin, NULL));
	assert_refuses(&s, NULL, other.pin, "localhost", "TLS_ERR_PIN", "--tls-pin");
	for (size_t i = 0; i < sizeof pin; i++) {
		memcpy(pin, s.pin, sizeof pin);
		pin[i] ^= 0x80;
		assert_refuses(&s, NULL, pin, "localhost", "TLS_ERR_PIN", "operator");
	}
	/* a pin is of the key: the digest of the certificate is none */
	assert_refuses(
		&s, NULL, tls_identity_certificate(s.id)->digest, NULL, "TLS_ERR_PIN", "operator");
	site_free(&s);
	site_free(&other);
}

/* Who shows another's certificate without its key: the pin holds, the signature does not. */
static void stolen_certificate(void **state)
{
	struct site s, thief;

	(void)state;
	site_make(&s, "localhost");
	site_make(&thief, "localhost");
	br_x509_certificate own = thief.id->chain[0];
	thief.id->chain[0] = s.id->chain[0];
	assert_false(shakes(thief.id, NULL, s.pin, "localhost"));
	assert_contains(e.text, "BR_ERR_BAD_SIGNATURE");
	assert_int_equal(e.code, EX_PROTOCOL);
	assert_false(shakes(thief.id, s.trust, NULL, "localhost"));
	assert_contains(e.text, "BR_ERR_BAD_SIGNATURE");
	thief.id->chain[0] = own;
	site_free(&s);
	site_free(&thief);
}

/* --- the wire --- */

/* How many bytes each side sends in a good handshake. */
static void flights(const struct site *s, size_t *from_server, size_t *from_client)
{
	struct way to_client = whole, to_server = whole;
	struct ends t = begin(s->id, s->trust, NULL, "localhost");

	settle(t.server, t.client, &to_client, &to_server);
	assert_true(tls_is_ready(t.server) && tls_is_ready(t.client));
	*from_server = to_client.passed;
	*from_client = to_server.passed;
	end(&t);
}

static void cut_anywhere(void **state)
{
	size_t from_server, from_client;
	struct site s;

	(void)state;
	site_make(&s, "localhost");
	flights(&s, &from_server, &from_client);
	for (size_t i = 0; i + 1 < from_server; i++) { /* signatures differ by a byte or two */
		struct way to_client = whole, to_server = whole;
		struct ends t = begin(s.id, s.trust, NULL, "localhost");
		to_client.cut = i < from_server - 4 ? i : from_server - 4;
		settle(t.server, t.client, &to_client, &to_server);
		assert_false(tls_is_ready(t.client));
		end(&t);
	}
	site_free(&s);
}

/* One of the two sides, at least, does not go on; and never is text taken from it. */
static void changed_anywhere(void **state)
{
	size_t n[2];
	struct site s;

	(void)state;
	site_make(&s, "localhost");
	flights(&s, &n[0], &n[1]);
	for (size_t side = 0; side < 2; side++) {
		for (size_t i = 0; i < n[side] - 4; i++) {
			struct way to_client = whole, to_server = whole;
			struct ends t = begin(s.id, s.trust, NULL, "localhost");
			*(side == 0 ? &to_client.flip : &to_server.flip) = i;
			settle(t.server, t.client, &to_client, &to_server);
			/* RFC 5246 E.1: of the first record's version the minor half is ignored */
			bool ignored = side == 1 && i == 2;
			if ((tls_is_ready(t.client) && tls_is_ready(t.server)) != ignored) {
				fail_msg("byte %zu of %s was changed", i,
					side == 0 ? "the server's" : "the client's");
			}
			end(&t);
		}
	}
	site_free(&s);
}

static void changed_text(void **state)
{
	struct site s;

	(void)state;
	site_make(&s, "localhost");
	for (size_t i = 0; i < 5 + 8 + 3 + 16; i++) { /* head, nonce, text, tag */
		struct way to_client = whole, to_server = whole;
		struct ends t = begin(s.id, s.trust, NULL, "localhost");
		size_t n;
		settle(t.server, t.client, &to_client, &to_server);
		memcpy(tls_room(t.server, &n), "abc", 3);
		tls_room_done(t.server, 3);
		tls_flush(t.server);
		to_client.flip = to_client.passed + i;
		settle(t.server, t.client, &to_client, &to_server);
		assert_null(tls_text(t.client, &n));
		end(&t);
	}
	site_free(&s);
}

static void no_tls(void **state)
{
	static const char *const rows[] = {"EHLO mail.example\r\n", "GET / HTTP/1.1\r\n\r\n",
		"\x80\x2e\x01\x03\x02\x01\x01" /* a hello of SSL 2 */};
	struct site s;
	size_t n;

	(void)state;
	site_make(&s, "localhost");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct tls *t = tls_server(s.id, &e);
		for (const char *p = rows[i]; *p != '\0' && tls_state(t) == TLS_OPEN; p++) {
			*tls_in(t, &n) = (uint8_t)*p;
			tls_in_done(t, 1);
		}
		assert_int_equal(tls_state(t), TLS_FAILED);
		assert_refused(tls_failure(t, &e), e, EX_PROTOCOL);
		assert_contains(e.text, "BR_ERR_");
		tls_free(t);
	}
	site_free(&s);
}

static void curves(void **state)
{
	uint8_t zero[32] = {0}, scalar[32], base[32] = {9};
	const br_ec_impl *ec = tls_curves();

	(void)state;
	assert_int_equal(ec->supported_curves,
		1u << BR_EC_secp256r1 | 1u << BR_EC_secp384r1 | 1u << BR_EC_curve25519);
	fill_pattern(scalar, sizeof scalar, 1);
	assert_int_equal(ec->mul(zero, 32, scalar, 32, BR_EC_curve25519), 0);
	assert_int_equal(ec->mul(base, 32, scalar, 32, BR_EC_curve25519), 1);
}

/* --- errors --- */

static void error_names(void **state)
{
	(void)state;
	for (int code = 0; code < 63; code++) {
		/* those that BearSSL does not have */
		bool none = code == 11 || code == 30 || code == 61;
		assert_int_equal(tls_error(code, &e), -1);
		assert_contains(e.text, none ? "without a name" : "(BR_ERR_");
		assert_true(e.code == EX_PROTOCOL || e.code == EX_NOPERM);
	}
	tls_error(BR_ERR_RECV_FATAL_ALERT + 40, &e);
	assert_contains(e.text, "the peer ended TLS");
	assert_contains(e.text, "handshake_failure");
	tls_error(BR_ERR_SEND_FATAL_ALERT + 70, &e);
	assert_contains(e.text, "this side ended TLS");
	assert_contains(e.text, "protocol_version");
	tls_error(BR_ERR_RECV_FATAL_ALERT + 255, &e);
	assert_contains(e.text, "255");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("text of any length goes both ways, with EC and RSA keys", speaks),
		T("a server that no given CA knows is refused", other_ca),
		T("names and addresses match as they should, and no others", hosts),
		T("without a host there is no client, but for a pin's", no_host),
		T("a certificate that is expired or not valid yet is refused", dates),
		T("a pin is the key's, whatever the name and the dates", pins),
		T("a certificate without its key opens nothing", stolen_certificate),
		T("a server's flight that is cut anywhere makes no connection", cut_anywhere),
		T("a handshake with any byte changed makes no connection", changed_anywhere),
		T("a record with any byte changed brings no text", changed_text),
		T("what is no TLS is told", no_tls),
		T("three curves, and no shared secret of zeros", curves),
		T("every error has its name", error_names),
	};
	return RUN(tests);
}
