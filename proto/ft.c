/* What both wires and both sides of file transfer share; see ft.h. */
#include "ft.h"

#include "../crypto/bytes.h"
#include "../crypto/hkdf.h"

static const char *const ciphers[FT_CIPHERS] = {"none", "aes128", "aes256", "noise"};

const char *ft_cipher_name(enum ft_cipher cipher)
{
	return ciphers[cipher];
}

bool ft_cipher_find(const char *name, enum ft_cipher *out)
{
	for (unsigned i = 0; i < FT_CIPHERS; i++) {
		if (strcmp(ciphers[i], name) == 0) {
			*out = (enum ft_cipher)i;
			return true;
		}
	}
	return false;
}

int ft_psk(const struct ft_secret *secret, const uint8_t salt[static FT_SALT],
	uint8_t psk[static FT_PSK], struct err *e)
{
	return password_key(psk, secret->text, secret->n, salt, e);
}

void ft_fingerprint(const uint8_t psk[static FT_PSK], char out[static FT_FINGERPRINT])
{
	static const char label[] = "smtp361 file transfer, fingerprint";
	uint8_t mac[HASH_BYTES];

	hmac_sha256(mac, psk, FT_PSK, label, sizeof label - 1);
	memcpy(out, "FT:", 3);
	hex_encode(out + 3, mac, 8);
}

/* --- errors, by name --- */

static const struct {
	const char *name;
	int code;
} errors[] = {{"try-later", EX_TEMPFAIL}, {"no-input", EX_NOINPUT}, {"exists", EX_CANTCREAT},
	{"rejected", EX_DATAERR}, {"denied", EX_NOPERM}, {"protocol", EX_PROTOCOL}};

enum { ERRORS = sizeof errors / sizeof errors[0] };

const char *ft_error_name(int code)
{
	for (size_t i = 0; i < ERRORS; i++) {
		if (errors[i].code == code) {
			return errors[i].name;
		}
	}
	return errors[0].name; /* the disk, memory, time */
}

int ft_error_code(const void *name, size_t n, int otherwise)
{
	for (size_t i = 0; i < ERRORS; i++) {
		if (strlen(errors[i].name) == n && memcmp(errors[i].name, name, n) == 0) {
			return errors[i].code;
		}
	}
	return otherwise;
}

/* --- a transfer's progress --- */

static void hash_zeros(struct hash *h, uint64_t n)
{
	static const uint8_t zeros[4096];

	while (n > 0) {
		size_t k = n < sizeof zeros ? (size_t)n : sizeof zeros;
		hash_add(h, zeros, k);
		n -= k;
	}
}

void ft_moved(struct ft_job *job, const void *p, uint64_t n)
{
	if (job->sum && p != NULL) {
		hash_add(&job->hash, p, (size_t)n);
	} else if (job->sum) {
		hash_zeros(&job->hash, n);
	}
	job->done += n;
	if (job->progress != NULL) {
		job->progress(job->progress_arg, job->done, job->total);
	}
}

/* What lies ahead of an offset, from the file itself. */
static int hash_ahead(struct ft_job *job, uint64_t offset, struct err *e)
{
	uint8_t piece[32768];
	int fd = job->sends ? job->from->fd : job->to->fd;

	for (uint64_t at = 0; at < offset;) {
		uint64_t left = offset - at;
		size_t k = left < sizeof piece ? (size_t)left : sizeof piece;
		ssize_t got = file_read_at(fd, piece, k, at);
		if (got < 0) {
			return err_sys(e, EX_IOERR, "cannot read what was sent before");
		}
		if (got == 0) {
			return err_set(e, EX_TEMPFAIL, "the file became shorter");
		}
		hash_add(&job->hash, piece, (size_t)got);
		at += (uint64_t)got;
	}
	return 0;
}

int ft_begin_at(struct ft_job *job, uint64_t offset, struct err *e)
{
	job->begun_at = job->done = offset;
	if (!job->sum) {
		return 0;
	}
	hash_begin(&job->hash);
	return hash_ahead(job, offset, e);
}

void ft_end(struct ft_job *job)
{
	if (job->sum) {
		hash_end(&job->hash, job->digest);
	}
}

void ft_checksum(const struct ft_job *job, bool noise, char out[static FT_CHECKSUM])
{
	if (!noise) {
		hex_encode(out, job->md5, sizeof job->md5);
	} else if (job->sum) {
		hex_encode(out, job->digest, sizeof job->digest);
	} else {
		(void)snprintf(out, FT_CHECKSUM, "AES-GCM's, of every record");
	}
}
