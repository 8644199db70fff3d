/* Both ends of SCRAM-SHA-256 against any peer. The first byte says which end is judged, two lines
 * behind it are the peer's messages; the nonces are those of RFC 7677, so that its exchange is one
 * of the inputs. And the text of a verifier: what is read is written as it was. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../crypto/bytes.h"
#include "../../crypto/scram.h"

static const char verifier[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
			       "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
			       "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

/* A copy of its own size: what reads beyond is seen. */
static char *copy_of(const uint8_t *p, size_t n)
{
	char *copy = malloc(n + (n == 0));

	assert(copy != NULL);
	if (n > 0) {
		memcpy(copy, p, n);
	}
	return copy;
}

static void check_text(const char *text)
{
	uint64_t count;

	assert(strlen(text) < SCRAM_MESSAGE_MAX && !has_control(text, strlen(text)));
	assert(utf8_count((const uint8_t *)text, strlen(text), &count) == 0);
}

static void serve(const char *first, size_t first_n, const char *final, size_t final_n)
{
	struct scram_verifier v;
	struct scram_server s;
	char out[SCRAM_MESSAGE_MAX];
	bool ok = true;
	struct err e;

	assert(scram_verifier_read(&v, verifier, sizeof verifier - 1) == 0);
	if (scram_server_first(&s, first, first_n, &e) != 0) {
		assert(e.code == EX_PROTOCOL || e.code == EX_NOPERM);
		return;
	}
	assert(s.name[0] != '\0');
	check_text(s.name);
	assert(scram_server_challenge_with(&s, &v, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", out, &e) == 0);
	check_text(out);
	if (scram_server_final(&s, final, final_n, out, &ok, &e) != 0) {
		assert(e.code == EX_PROTOCOL && !ok);
	}
	/* one proof is known, and it is for one first message */
	assert(!ok ||
		(first_n >= 9 && memmem(first, first_n, "n=user,r=rOprNGfwEbeRWgbNEkqO", 29)));
	check_text(out);
}

/* The work that a challenge asks for is bounded, but not for a harness: has a number five
 * digits? */
static bool is_costly(const char *text, size_t n)
{
	size_t digits = 0;

	for (size_t i = 0; i < n && digits < 5; i++) {
		digits = text[i] >= '0' && text[i] <= '9' ? digits + 1 : 0;
	}
	return digits == 5;
}

static void log_in(const char *first, size_t first_n, const char *final, size_t final_n)
{
	struct scram_client c;
	char out[SCRAM_MESSAGE_MAX];
	struct err e;

	assert(scram_client_first_with(&c, "user", "rOprNGfwEbeRWgbNEkqO", out, &e) == 0);
	if (is_costly(first, first_n)) {
		scram_client_end(&c);
	} else if (scram_client_final(&c, first, first_n, "pencil", 6, out, &e) != 0) {
		assert(e.code == EX_PROTOCOL);
	} else {
		check_text(out);
		if (scram_client_verify(&c, final, final_n, &e) != 0) {
			assert(e.code == EX_PROTOCOL || e.code == EX_NOPERM);
		}
	}
}

static void read_text(const char *text, size_t n)
{
	char again[SCRAM_TEXT_MAX];
	struct scram_verifier v;

	if (scram_verifier_read(&v, text, n) == 0) {
		assert(scram_verifier_write(&v, again) == n && memcmp(again, text, n) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *rest = data + 1, *end;
	char *first, *final;
	size_t n, first_n;

	if (size == 0) {
		return 0;
	}
	n = size - 1;
	end = n == 0 ? NULL : memchr(rest, '\n', n);
	first_n = end == NULL ? n : (size_t)(end - rest);
	first = copy_of(rest, first_n);
	n -= end == NULL ? first_n : first_n + 1;
	final = copy_of(rest + size - 1 - n, n);
	if (data[0] == 's') {
		serve(first, first_n, final, n);
	} else if (data[0] == 'c') {
		log_in(first, first_n, final, n);
	} else {
		read_text(first, first_n);
	}
	free(first);
	free(final);
	return 0;
}
