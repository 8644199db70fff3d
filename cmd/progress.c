/* Progress on a terminal; see progress.h. */
#include "progress.h"

#include <stdarg.h>
#include <sys/ioctl.h>

enum { FIRST_MS = 1000, NEXT_MS = 200, BAR = 24, COLUMNS = 80, LINE = 512 };

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void progress_begin(struct progress *p, const char *what, const char *unit, uint64_t total)
{
	*p = (struct progress){.what = what, .unit = unit, .total = total};
	p->on = isatty(STDERR_FILENO) == 1;
	p->begun = p->shown = p->on ? now_ms() : 0;
}

void progress_bytes(uint64_t n, char out[static PROGRESS_BYTES])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double value = (double)n;
	size_t i = 0;

	while (value >= 999.95) { /* or it would be rounded to 1000.0 */
		value /= 1000;
		i++;
	}
	(void)snprintf(out, PROGRESS_BYTES, i == 0 ? "%.0f %s" : "%.1f %s", value, units[i]);
}

/* Append to the line. */
static void add(char line[static LINE], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(char line[static LINE], const char *format, ...)
{
	size_t n = strlen(line);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line + n, LINE - n, format, args);
	va_end(args);
}

/* "1.5 GB of 3.0 GB  350.1 MB/s  0:04 left" */
static void add_bytes(char line[static LINE], const struct progress *p, uint64_t done, int64_t now)
{
	char text[PROGRESS_BYTES], of[PROGRESS_BYTES], rate[PROGRESS_BYTES];
	uint64_t moved = done > p->before ? done - p->before : 0;
	double a_second = (double)moved * 1000 / (double)(now - p->begun);

	progress_bytes(done, text);
	progress_bytes(p->total, of);
	progress_bytes((uint64_t)a_second, rate);
	add(line, "%s%s%s  %s/s", text, p->total > 0 ? " of " : "", p->total > 0 ? of : "", rate);
	if (p->total > 0 && moved > 0) {
		double left = (double)(p->total - done) / a_second;
		unsigned s = left < 359999 ? (unsigned)(left + 0.5) : 359999;
		if (s >= 3600) {
			add(line, "  %u:%02u:%02u left", s / 3600, s / 60 % 60, s % 60);
		} else {
			add(line, "  %u:%02u left", s / 60, s % 60);
		}
	}
}

/* The bar is what there is room for beside all else. */
static void add_bar(char line[static LINE], const struct progress *p, uint64_t done, int room)
{
	int n = room > BAR ? BAR : room;
	double part = (double)done / (double)p->total;

	if (n > 0) {
		add(line, "[");
		for (int i = 0; i < n; i++) {
			add(line, "%c", i < (int)(part * n) ? '#' : '.');
		}
		add(line, "] ");
	}
	add(line, "%3d%%  ", (int)(part * 100));
}

/* How many columns the terminal has. */
static int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
									       : COLUMNS;
}

/* Of what is done, as much of its name as leaves room for the rest, cut between characters. */
static int fit_name(const char *name, int room)
{
	int n = (int)strlen(name);

	if (n <= room) {
		return n;
	}
	for (n = room < 0 ? 0 : room; n > 0 && ((uint8_t)name[n] & 0xc0) == 0x80; n--) {
	}
	return n;
}

void progress_tell(struct progress *p, uint64_t done)
{
	enum { PERCENT = 6, BRACKETS = 3, GAP = 2 };
	char rest[LINE] = "", bar[LINE] = "";
	int64_t now;
	int room, name;

	if (!p->on || (now = now_ms()) - p->begun < FIRST_MS || now - p->shown < NEXT_MS) {
		return;
	}
	p->shown = now;
	p->drawn = true;
	done = p->total > 0 && done > p->total ? p->total : done;
	if (p->unit == NULL) {
		add_bytes(rest, p, done, now);
	} else if (p->total == 0) {
		add(rest, "%llu %s", (unsigned long long)done, p->unit);
	} else {
		add(rest, "%llu of %llu %s", (unsigned long long)done, (unsigned long long)p->total,
			p->unit);
	}
	/* a line that is longer than the terminal is wide could not be drawn over */
	room = columns() - 1 - (int)strlen(rest) - GAP - (p->total > 0 ? PERCENT : 0);
	name = fit_name(p->what, room);
	if (p->total > 0) {
		add_bar(bar, p, done, room - name - BRACKETS);
	}
	(void)fprintf(stderr, "\r\033[K%.*s%s%s%.*s", name, p->what,
		p->total > 0 || name == 0 ? " " : ": ", bar, columns() > 1 ? columns() - 1 : 1,
		rest);
	(void)fflush(stderr);
}

void progress_clear(struct progress *p)
{
	if (p->drawn) {
		(void)fputs("\r\033[K", stderr);
		(void)fflush(stderr);
		p->drawn = false;
	}
}
