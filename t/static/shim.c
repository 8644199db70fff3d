/* For the static build alone: the distribution's archives of BearSSL, argon2 and jansson are
 * compiled against glibc's fortified string calls, which musl does not have. Each of these checks
 * what glibc's would, and ends the process where a buffer would overflow. */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>

void *__memcpy_chk(void *to, const void *from, size_t n, size_t room);
void *__memmove_chk(void *to, const void *from, size_t n, size_t room);
void *__memset_chk(void *p, int c, size_t n, size_t room);
char *__strncpy_chk(char *to, const char *from, size_t n, size_t room);
int __snprintf_chk(char *out, size_t n, int flag, size_t room, const char *format, ...);
int __vsnprintf_chk(char *out, size_t n, int flag, size_t room, const char *format, va_list args);
int __sprintf_chk(char *out, int flag, size_t room, const char *format, ...);

static void check(size_t n, size_t room)
{
	if (n > room) {
		abort();
	}
}

void *__memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
	check(n, room);
	return memcpy(to, from, n);
}

void *__memmove_chk(void *to, const void *from, size_t n, size_t room)
{
	check(n, room);
	return memmove(to, from, n);
}

void *__memset_chk(void *p, int c, size_t n, size_t room)
{
	check(n, room);
	return memset(p, c, n);
}

char *__strncpy_chk(char *to, const char *from, size_t n, size_t room)
{
	size_t k = strnlen(from, n);

	check(n, room);
	memcpy(to, from, k);
	memset(to + k, 0, n - k);
	return to;
}

int __vsnprintf_chk(char *out, size_t n, int flag, size_t room, const char *format, va_list args)
{
	(void)flag;
	check(n, room);
	return vsnprintf(out, n, format, args);
}

int __snprintf_chk(char *out, size_t n, int flag, size_t room, const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = __vsnprintf_chk(out, n, flag, room, format, args);
	va_end(args);
	return rc;
}

int __sprintf_chk(char *out, int flag, size_t room, const char *format, ...)
{
	va_list args;
	int rc;

	(void)flag;
	va_start(args, format);
	rc = vsnprintf(out, room > INT32_MAX ? INT32_MAX : room, format, args);
	va_end(args);
	check((size_t)rc, room - 1);
	return rc;
}

/* libargon2 can compute lanes in threads; this program always asks for one thread, which it takes
 * itself (crypto/password.c). Refusing here keeps musl's thread machinery out of the binary. */
int pthread_create(
	pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
	(void)thread;
	(void)attributes;
	(void)run;
	(void)arg;
	return EAGAIN;
}

int pthread_join(pthread_t thread, void **result)
{
	(void)thread;
	(void)result;
	return EINVAL;
}

_Noreturn void pthread_exit(void *result)
{
	(void)result;
	abort();
}
