/* Log lines; see log.h. */
#include "log.h"

#include <stdarg.h>

#include "../crypto/bytes.h"
#include "../crypto/file.h"

enum { LINE_MAX_BYTES = 8192 };

/* End the line, make it one line, write it. Nobody can be told when that fails. */
static void put_line(int fd, char line[static LINE_MAX_BYTES], size_t n)
{
	if (n > LINE_MAX_BYTES - 2) {
		n = LINE_MAX_BYTES - 2;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)line[i];
		if (c < 0x20 || c == 0x7f) {
			line[i] = '?';
		}
	}
	line[n++] = '\n';
	(void)file_write_all(fd, line, n);
}

static char identity[32] = "-";

void log_identify(const char *id)
{
	(void)snprintf(identity, sizeof identity, "%s", id);
}

void log_event(const char *event, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	struct timespec now;
	struct tm tm;
	va_list args;
	int n, k;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	n = snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %ld %s %s ",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		(int)(now.tv_nsec / 1000000), (long)getpid(), identity, event);
	va_start(args, format);
	k = vsnprintf(line + n, sizeof line - (size_t)n, format, args);
	va_end(args);
	put_line(STDERR_FILENO, line, (size_t)n + (k > 0 ? (size_t)k : 0));
}

void log_quotable(char *text)
{
	for (; *text != '\0'; text++) {
		*text = *text == '\n' ? ' ' : *text == '"' ? '\'' : *text;
	}
}

void log_err(const char *event, const struct err *e)
{
	char text[ERR_TEXT_MAX];

	(void)snprintf(text, sizeof text, "%s", e->text);
	log_quotable(text);
	log_event(event, "code=%d text=\"%s\"", e->code, text);
}

void log_trace(const char *line)
{
	char text[512];

	(void)snprintf(text, sizeof text, "%s", line);
	log_quotable(text);
	log_event("trace", "text=\"%s\"", text);
}

static void put_format(int fd, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	int n = vsnprintf(line, sizeof line, format, args);

	put_line(fd, line, n > 0 ? (size_t)n : 0);
}

void log_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_format(STDERR_FILENO, format, args);
	va_end(args);
}

void log_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_format(STDOUT_FILENO, format, args);
	va_end(args);
}
