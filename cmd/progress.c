/* Progress on a terminal; see progress.h. */
#include "progress.h"

enum { FIRST_MS = 1000, NEXT_MS = 200, BAR = 24 };

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

void progress_tell(struct progress *p, uint64_t done)
{
	char bar[BAR + 1];
	int64_t now;

	if (!p->on || (now = now_ms()) - p->begun < FIRST_MS || now - p->shown < NEXT_MS) {
		return;
	}
	p->shown = now;
	p->drawn = true;
	done = p->total > 0 && done > p->total ? p->total : done;
	if (p->total == 0) {
		(void)fprintf(
			stderr, "\r\033[K%s: %llu %s", p->what, (unsigned long long)done, p->unit);
	} else {
		double part = (double)done / (double)p->total;
		for (int i = 0; i < BAR; i++) {
			bar[i] = i < (int)(part * BAR) ? '#' : '.';
		}
		bar[BAR] = '\0';
		(void)fprintf(stderr, "\r\033[K%s [%s] %3d%%  %llu of %llu %s", p->what, bar,
			(int)(part * 100), (unsigned long long)done, (unsigned long long)p->total,
			p->unit);
	}
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
