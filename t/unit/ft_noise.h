/* What the tests of the noise wire share, on top of those of the founding one: a client of it, and
 * a key that is stretched at once. */
#ifndef T_FT_NOISE_H
#define T_FT_NOISE_H

#include "founding.h"

#include <argon2.h>

#include "../../crypto/hash.h"
#include "../../proto/ft_noise.h"

/* libargon2's, in a hurry: each cut has a handshake of its own. 70-ft.t has the real one. */
int hurried_argon2id(argon2_context *c) __asm__("argon2id_ctx");
int hurried_argon2id(argon2_context *c)
{
	uint8_t text[FT_SECRET_MAX + FT_SALT];

	assert_true(c->pwdlen <= FT_SECRET_MAX && c->saltlen == FT_SALT && c->outlen == FT_PSK);
	memcpy(text, c->pwd, c->pwdlen);
	memcpy(text + c->pwdlen, c->salt, FT_SALT);
	hash_of(text, c->pwdlen + FT_SALT, c->out);
	return ARGON2_OK;
}

static inline int open_noise(void **state)
{
	if (open_founding(state) != 0) {
		return -1;
	}
	fill_pattern(salt, sizeof salt, 1);
	return ft_psk(&server_secret, salt, psk, &e);
}

#define T_NOISE_WIRE(title, function)                             \
	{                                                         \
		title, function, open_noise, close_founding, NULL \
	}

static struct buf traced; /* each line with its LF */

static inline void keep_trace(void *arg, const char *line)
{
	(void)arg;
	assert_int_equal(buf_append(&traced, line, strlen(line)), 0);
	assert_int_equal(buf_append(&traced, "\n", 1), 0);
}

static bool resumes, sums, forces; /* what the client asks for */

static inline int run_noise(const char *name)
{
	const struct ft_login login = {
		.cipher = FT_NOISE, .secret = &client_secret, .trace = keep_trace};

	job.name = name;
	job.resume = resumes;
	job.sum = sums;
	job.force = forces;
	e = (struct err){.code = -1};
	traced.n = 0;
	return ft_noise_run(&conn, &login, &job, &e);
}

/* Write ".in" as this name. */
static inline int noise_writes(const char *name)
{
	struct source from;
	int fd = openat(folder.fd, ".in", O_RDONLY | O_CLOEXEC), rc;

	assert_true(fd >= 0);
	assert_int_equal(source_over(&from, fd, &e), 0);
	job = (struct ft_job){.sends = true, .from = &from};
	rc = run_noise(name);
	source_close(&from);
	(void)close(fd);
	return rc;
}

/* Read this name into "out"; what came is kept. */
static inline int noise_reads(const char *name)
{
	struct landing to;
	int rc;

	(void)unlinkat(folder.fd, "out", 0);
	assert_int_equal(landing_open(&to, folder.fd, "out", FILE_NEW, resumes, &e), 0);
	job = (struct ft_job){.to = &to};
	rc = run_noise(name);
	(void)landing_end(&to, true);
	return rc;
}

static inline void assert_unnamed(void)
{
	assert_false(is_there("name") || is_there("out"));
}

static inline void drop(const char *name)
{
	(void)unlinkat(folder.fd, name, 0);
}

#endif
