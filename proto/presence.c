/* Slots in shared memory; see presence.h. */
#include "presence.h"

#include <fcntl.h>
#include <sys/mman.h>

/* What stands behind the slots. */
struct presence_tail {
	atomic_uint waiting;
	atomic_bool told;
};

static size_t size_of(const struct presence *p)
{
	return p->n * sizeof *p->slots + sizeof(struct presence_tail);
}

int presence_open(struct presence *p, size_t n, struct err *e)
{
	*p = (struct presence){.n = n, .pipe = {-1, -1}};
	p->slots =
		mmap(NULL, size_of(p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->slots == MAP_FAILED) {
		p->slots = NULL;
		return err_sys(e, EX_OSERR, "cannot share memory with sessions");
	}
	struct presence_tail *tail = (struct presence_tail *)&p->slots[n];
	p->waiting = &tail->waiting;
	p->told = &tail->told;
	if (pipe2(p->pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
		return err_sys(e, EX_OSERR, "cannot open a pipe");
	}
	return 0;
}

void presence_close(struct presence *p)
{
	for (int i = 0; i < 2; i++) {
		if (p->pipe[i] >= 0) {
			(void)close(p->pipe[i]);
		}
	}
	if (p->slots != NULL) {
		(void)munmap(p->slots, size_of(p));
	}
	*p = (struct presence){.pipe = {-1, -1}};
}

void presence_clear(const struct presence *p, size_t slot)
{
	struct presence_slot *s = &p->slots[slot];

	presence_wait(p, slot, false);
	s->proven = s->wake = false;
	s->who = (struct presence_who){0};
}

void presence_wake_all_but(const struct presence *p,
	bool (*stays)(void *arg, const struct presence_who *who), void *arg)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->slots[i].proven && !stays(arg, &p->slots[i].who)) {
			p->slots[i].wake = true;
		}
	}
}

void presence_drain(const struct presence *p)
{
	uint8_t bytes[256];

	while (read(p->pipe[0], bytes, sizeof bytes) > 0) {
	}
}

void presence_listen(const struct presence *p)
{
	*p->told = false;
}

void presence_told(const struct presence *p)
{
	*p->told = true;
}

bool presence_take_wake(const struct presence *p, size_t slot)
{
	return atomic_exchange(&p->slots[slot].wake, false);
}

void presence_enter(const struct presence *p, size_t slot, const struct presence_who *who)
{
	p->slots[slot].who = *who;
	p->slots[slot].proven = true; /* after it: the server looks at who has proven */
}

void presence_wait(const struct presence *p, size_t slot, bool waits)
{
	struct presence_slot *s = &p->slots[slot];

	if (waits && !s->waits) {
		(*p->waiting)++; /* before it: nobody who waits is missed */
		s->waits = true;
	} else if (!waits && s->waits) {
		s->waits = false;
		(*p->waiting)--;
	}
}

static bool is_named(const char *user, char (*names)[USER_NAME_MAX + 1], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(user, names[i]) == 0) {
			return true;
		}
	}
	return false;
}

void presence_tell(const struct presence *p, char (*names)[USER_NAME_MAX + 1], size_t n)
{
	bool any = false;
	size_t n_slots = *p->waiting > 0 ? p->n : 0;

	for (size_t i = 0; i < n_slots; i++) {
		struct presence_slot *s = &p->slots[i];
		if (s->waits && is_named(s->who.user, names, n)) {
			s->wake = any = true;
		}
	}
	if (any) {
		(void)!write(p->pipe[1], "", 1); /* when it is full the server is on its way */
	}
}

/* In this order, on both sides: the work, then the exchange here; the store of false, then the look
 * there. One of the two sees the other. */
void presence_work(const struct presence *p)
{
	if (!atomic_exchange(p->told, true)) {
		(void)!write(p->pipe[1], "", 1);
	}
}
