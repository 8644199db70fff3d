/* The process' random generator; see random.h. */
#include "random.h"

#include <errno.h>
#include <sys/random.h>

#include "bytes.h"

static br_hmac_drbg_context drbg;
static pid_t seeded_by; /* 0 until the first seed */

/* Each call of the generator hashes a dozen times, however little it is asked for: what ids take
 * is drawn ahead for some of them, and wiped as it is handed out. */
enum { SMALL = 16, POOL = 16 * SMALL };
static uint8_t pool[POOL];
static size_t pool_n; /* bytes of it that nobody has had */

static int seed(struct err *e)
{
	uint8_t entropy[48]; /* 256 bits of strength and a 128-bit nonce, SP 800-90A 8.6 */
	size_t have = 0;

	while (have < sizeof entropy) {
		ssize_t k = getrandom(entropy + have, sizeof entropy - have, 0);
		if (k < 0 && errno != EINTR) {
			wipe(entropy, sizeof entropy);
			return err_sys(e, EX_TEMPFAIL, "cannot get random bytes from the system");
		}
		have += k > 0 ? (size_t)k : 0;
	}
	br_hmac_drbg_init(&drbg, &br_sha256_vtable, entropy, sizeof entropy);
	wipe(entropy, sizeof entropy);
	wipe(pool, sizeof pool); /* another process may hand out the same */
	pool_n = 0;
	seeded_by = getpid();
	return 0;
}

const br_prng_class **random_prng(struct err *e)
{
	if (seeded_by != getpid() && seed(e) != 0) {
		return NULL;
	}
	return &drbg.vtable;
}

static void take_small(uint8_t *out, size_t n)
{
	if (pool_n < n) {
		br_hmac_drbg_generate(&drbg, pool, sizeof pool);
		pool_n = sizeof pool;
	}
	pool_n -= n;
	memcpy(out, pool + pool_n, n);
	wipe(pool + pool_n, n);
}

int random_bytes(void *out, size_t n, struct err *e)
{
	if (random_prng(e) == NULL) {
		wipe(out, n);
		return -1;
	}
	if (n <= SMALL) {
		take_small(out, n);
	} else {
		br_hmac_drbg_generate(&drbg, out, n);
	}
	return 0;
}
