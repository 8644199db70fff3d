/* The sessions' processes; see crowd_server.h. */
#include "crowd_server.h"

#include <netinet/in.h>
#include <signal.h>

int crowd_open(struct crowd *w, unsigned sessions, unsigned per_address,
	const struct presence *presence, struct err *e)
{
	*w = (struct crowd){.sessions = sessions, .per_address = per_address, .presence = presence};
	w->children = calloc(sessions, sizeof *w->children);
	return w->children != NULL ? 0 : err_set(e, EX_OSERR, "cannot start: out of memory");
}

void crowd_close(struct crowd *w)
{
	free(w->children);
	w->children = NULL;
}

void crowd_network_of(const struct sockaddr_storage *sa, uint8_t out[static 16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memset(out, 0, 16);
	if (sa->ss_family == AF_INET) {
		memcpy(out, mapped, sizeof mapped);
		memcpy(out + 12, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	} else {
		const uint8_t *a = ((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr;
		bool is_mapped = memcmp(a, mapped, sizeof mapped) == 0;
		memcpy(out, a, is_mapped ? 16 : 8); /* a host owns its whole /64 */
	}
}

/* End the longest-waiting session of this network (NULL: of any) that has not logged in. A peer who
 * logs in takes milliseconds; who takes longer is who makes others wait. */
static bool shed_oldest(struct crowd *w, const uint8_t *network)
{
	struct crowd_child *oldest = NULL;

	for (unsigned i = 0; i < w->sessions; i++) {
		struct crowd_child *c = &w->children[i];
		if (c->pid != 0 && !c->shed && !w->presence->slots[i].proven &&
			(network == NULL || memcmp(c->network, network, 16) == 0) &&
			(oldest == NULL || c->began_ms < oldest->began_ms)) {
			oldest = c;
		}
	}
	if (oldest == NULL || kill(oldest->pid, SIGKILL) != 0) {
		return false;
	}
	oldest->shed = true;
	return true;
}

bool crowd_make_room(struct crowd *w, const uint8_t network[static 16])
{
	unsigned same = 0, all = 0;

	for (unsigned i = 0; i < w->sessions; i++) {
		const struct crowd_child *c = &w->children[i];
		if (c->pid != 0 && !c->shed) {
			all++;
			same += memcmp(c->network, network, 16) == 0 ? 1 : 0;
		}
	}
	if (same >= w->per_address) {
		return shed_oldest(w, network);
	}
	return all < w->sessions || shed_oldest(w, NULL);
}

int crowd_free_slot(const struct crowd *w)
{
	for (unsigned i = 0; i < w->sessions; i++) {
		if (w->children[i].pid == 0) {
			return (int)i;
		}
	}
	return -1;
}

bool crowd_leave(struct crowd *w, pid_t pid)
{
	for (unsigned i = 0; i < w->sessions; i++) {
		if (w->children[i].pid == pid) {
			w->children[i].pid = 0;
			w->n--;
			return w->children[i].shed && !w->presence->slots[i].proven;
		}
	}
	return false;
}

void crowd_enter(struct crowd *w, int slot, const struct crowd_child *child)
{
	w->children[slot] = *child;
	w->n++;
}

pid_t crowd_pid(const struct crowd *w, unsigned slot)
{
	return w->children[slot].pid;
}

void crowd_kill(const struct crowd *w)
{
	for (unsigned i = 0; i < w->sessions; i++) {
		if (w->children[i].pid != 0) {
			(void)kill(w->children[i].pid, SIGKILL);
		}
	}
}
