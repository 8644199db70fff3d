/* Failures: how their text is put together. See err.h. */
#include "err.h"

#include <errno.h>
#include <stdarg.h>

static void make_printable(char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		if ((c < 0x20 && c != '\n') || c == 0x7f) {
			*s = '?';
		}
	}
}

static void set_text(struct err *e, int code, const char *format, va_list args)
{
	e->code = code;
	(void)vsnprintf(e->text, sizeof e->text, format, args);
	make_printable(e->text);
}

static void append_text(struct err *e, const char *sep, const char *text)
{
	size_t n = strlen(e->text);
	(void)snprintf(e->text + n, sizeof e->text - n, "%s%s", sep, text);
}

int err_set(struct err *e, int code, const char *format, ...)
{
	va_list args;

	if (e != NULL) {
		va_start(args, format);
		set_text(e, code, format, args);
		va_end(args);
	}
	return -1;
}

int err_sys(struct err *e, int code, const char *format, ...)
{
	int saved = errno;
	va_list args;

	if (e != NULL) {
		va_start(args, format);
		set_text(e, code, format, args);
		va_end(args);
		append_text(e, ": ", strerror(saved));
	}
	errno = saved;
	return -1;
}

int err_prefix(struct err *e, const char *format, ...)
{
	char was[ERR_TEXT_MAX];
	va_list args;

	if (e != NULL) {
		memcpy(was, e->text, sizeof was);
		va_start(args, format);
		set_text(e, e->code, format, args);
		va_end(args);
		append_text(e, ": ", was);
	}
	return -1;
}

int err_hint(struct err *e, const char *format, ...)
{
	char hint[ERR_TEXT_MAX];
	va_list args;

	if (e != NULL) {
		va_start(args, format);
		(void)vsnprintf(hint, sizeof hint, format, args);
		va_end(args);
		make_printable(hint);
		append_text(e, "\nhint: ", hint);
	}
	return -1;
}
