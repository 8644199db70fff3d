/* Messages on their way out; see chat_send.h. */
#include "chat_send.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "chat_detail.h"
#include "chat_offers.h"
#include "chat_state.h"

enum {
	OUT_NAME = USER_NAME_MAX + 8,
	RECORD_NAME = 24,
	TAKE_MAX = 1000, /* offers that are no good, before the server is given up */
	/* a packet that was not sent until then may find its one-time key destroyed */
	PACKET_DAYS = CHAT_OFFERS_LATE_DAYS - 2
};

/* --- the folder of packets --- */

static void out_name(char out[static OUT_NAME], const char *contact)
{
	(void)snprintf(out, OUT_NAME, "%s.out", contact);
}

/* Its descriptor, or -1: with e, or (make is false) with e->code EX_NOINPUT when there is none. */
static int open_out(const struct chat_desk *d, const char *contact, bool make, struct err *e)
{
	char name[OUT_NAME];
	int fd;

	out_name(name, contact);
	if (make && mkdirat(d->dir, name, 0700) == 0) {
		if (file_sync(d->dir, "the chat's folder", e) != 0) {
			return -1;
		}
	} else if (make && errno != EEXIST) {
		return err_sys(e, EX_TEMPFAIL, "cannot make the folder %s", name);
	}
	fd = openat(d->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 ? fd
		       : err_sys(e, errno == ENOENT ? EX_NOINPUT : file_errno_code(EX_CONFIG),
				 "cannot open the folder %s_chat/%s", d->self.name, name);
}

int chat_send_drop(const struct chat_desk *d, const char *contact, bool all, struct err *e)
{
	char name[OUT_NAME];
	int fd = open_out(d, contact, false, e), rc = 0;
	const struct dirent *entry;
	DIR *names;

	if (fd < 0) {
		return e->code == EX_NOINPUT ? 0 : -1;
	}
	names = file_read_names(fd);
	while (names != NULL && rc == 0 && (entry = readdir(names)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			unlinkat(fd, entry->d_name, 0) != 0) {
			rc = err_sys(e, EX_TEMPFAIL, "cannot remove a packet to %s", contact);
		}
	}
	rc = names == NULL ? err_sys(e, EX_TEMPFAIL, "cannot read the packets to %s", contact) : rc;
	if (names != NULL) {
		(void)closedir(names);
	}
	(void)close(fd);
	out_name(name, contact);
	if (rc == 0 && all && unlinkat(d->dir, name, AT_REMOVEDIR) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot remove the folder %s", name);
	}
	return rc;
}

/* --- keeping --- */

static bool is_of(const struct chat_out *o, const uint8_t stream[static CHAT_STREAM])
{
	return memcmp(o->stream, stream, sizeof o->stream) == 0;
}

/* Numbers that a crash took between drawing one and writing it down, or that messages had which
 * were deleted before they went, are in no packet: the next message has the first of them, so that
 * none is missed. Where nothing is remembered of this stream, all of its numbers count as used. */
static int next_number(struct chat_node *n, struct sequence_number *next, struct err *e)
{
	const struct chat_contact *c = &n->c;
	struct chat_state_keys state;
	uint64_t last;

	if (sequence_next(c->desk->dir, c->name, "chat", next, e) != 0 ||
		chat_state_load(c->desk, c->name, &state, e) != 0) {
		return -1;
	}
	if (memcmp(state.stream, next->stream, sizeof state.stream) != 0) {
		memcpy(state.stream, next->stream, sizeof state.stream);
		state.packed = next->number - 1;
		for (size_t i = c->out_n; i-- > 0;) { /* but for what waits still */
			const struct chat_out *o = &c->out[i];
			if (!o->sent && o->number <= state.packed && is_of(o, next->stream)) {
				state.packed = o->number - 1;
			}
		}
		if (chat_state_save(c->desk, c->name, &state, e) != 0) {
			return -1;
		}
	}
	last = state.packed;
	for (size_t i = 0; i < c->out_n; i++) {
		const struct chat_out *o = &c->out[i];
		if (o->number > last && is_of(o, next->stream)) {
			last = o->number;
		}
	}
	next->number = last < next->number ? last + 1 : next->number;
	return 0;
}

static int keep(struct chat_node *n, const struct chat_text *t, uint64_t *record, struct err *e)
{
	struct chat_note note = {.event = CHAT_EVENT_OUT, .kind = t->kind};
	struct sequence_number next;
	int fd = open_out(n->c.desk, n->c.name, true, e);

	if (fd < 0) {
		return -1;
	}
	(void)close(fd);
	if (chat_contact_look(&n->c, e) != 0 || next_number(n, &next, e) != 0) {
		return -1;
	}
	memcpy(note.stream, next.stream, sizeof note.stream);
	note.number = next.number;
	note.time_us = message_now();
	(void)snprintf(note.name, sizeof note.name, "%s", t->name);
	(void)snprintf(note.type, sizeof note.type, "%s", t->type);
	return chat_contact_add(&n->c, &note, t->body.p, t->body.n, record, e);
}

int chat_send_keep(struct chat_room *r, struct chat_node *n, const struct chat_text *t,
	uint64_t *record, struct err *e)
{
	int lock, rc;

	if (chat_room_history(r, n, e) != 0) {
		return -1;
	}
	lock = chat_desk_lock(&r->desk, CHAT_DESK_SENDING, e);
	if (lock < 0) {
		return -1;
	}
	rc = keep(n, t, record, e);
	if (rc != 0 && e->code == EX_NOINPUT) { /* into the history that there is now */
		rc = keep(n, t, record, e);
	}
	(void)close(lock);
	return rc;
}

/* --- sending --- */

struct sending {
	struct chat_room *room;
	struct chat_node *node;
	struct chat_state_keys state;
	struct chat_sent *sent;
	int out; /* the folder of packets */
	bool allow_no_fs;
};

/* Its packet is whole on disk: from now on its number is used, whatever becomes of the history, and
 * the offer that it answers. It is sent only then. */
static int use_number(struct sending *s, const struct chat_out *o, bool no_fs, struct err *e)
{
	memcpy(s->state.stream, o->stream, sizeof s->state.stream);
	s->state.packed = o->number;
	s->state.packed_no_fs = no_fs;
	return chat_state_save(&s->room->desk, s->node->c.name, &s->state, e);
}

static bool is_packed(const struct chat_state_keys *k, const struct chat_out *o)
{
	return is_of(o, k->stream) && o->number <= k->packed;
}

/* The next offer of the contact's that is good, and counts as used from now on. 0, 1 (there is
 * none), or -1. */
static int take_offer(struct sending *s, struct chat_offer *offer, struct err *e)
{
	const struct chat_peer peer = chat_room_peer(s->node);
	bool none;
	struct err why;

	for (int i = 0; i < TAKE_MAX; i++) {
		if (enhanced_chat_take(s->room->client, s->node->c.name, offer, &none, e) != 0) {
			return -1;
		}
		if (none) {
			return 1;
		}
		if (chat_offer_check(offer, &s->room->desk.self, &peer, &why) != 0) {
			s->sent->forged++;
		} else if (!chat_state_use(&s->state, offer)) {
			s->sent->twice++;
		} else {
			return 0;
		}
	}
	return 1;
}

static void make_message(
	struct chat_message *m, const struct chat_note *note, struct buf *body, bool no_fs)
{
	*m = (struct chat_message){
		.number = note->number, .time_us = note->time_us, .kind = note->kind};
	memcpy(m->stream, note->stream, sizeof m->stream);
	(void)snprintf(m->name, sizeof m->name, "%s", note->name);
	(void)snprintf(m->type, sizeof m->type, "%s", note->type);
	m->body = *body;
	m->no_fs = no_fs;
}

/* Its record is damaged, and no packet was made of it: nobody will read it. What was written behind
 * it goes all the same. */
static void lose(struct sending *s, struct chat_out *o)
{
	o->lost = true;
	chat_room_warn(s->room, "message %llu to %s is damaged in the history, and cannot be sent",
		(unsigned long long)o->number, s->node->c.name);
}

/* Make the packet of a waiting message. 0, 1 (it must go on waiting, or is lost), or -1. An offer
 * may be signed by the contact and made for an older key of ours: the next one is tried. */
static int make_packet(struct sending *s, struct chat_out *o, struct buf *packet, struct err *e)
{
	const struct chat_peer peer = chat_room_peer(s->node);
	const struct chat_self *self = &s->room->desk.self;
	struct chat_message m;
	struct chat_offer offer;
	struct chat_note note;
	struct buf body = {0};
	int rc = chat_contact_body(&s->node->c, o->record, &note, &body, e), taken = 0;

	if (rc != 0 && e->code == EX_DATAERR) {
		lose(s, o);
		buf_free(&body);
		return 1;
	}
	make_message(&m, &note, &body, false);
	while (rc == 0 && packet->n == 0) {
		taken = take_offer(s, &offer, e);
		if (taken != 0) {
			break;
		}
		rc = chat_write(packet, self, &peer, &offer, &m, e);
		if (rc != 0 && e->code == EX_PROTOCOL) {
			s->sent->forged++;
			packet->n = 0;
			rc = 0;
		}
	}
	if (rc == 0 && taken == 1 && s->allow_no_fs) {
		m.no_fs = true;
		rc = chat_write_sealed(packet, self, &peer, &m, e);
		taken = 0;
	}
	buf_free(&body);
	return rc != 0 || taken < 0 ? -1 : taken;
}

static int write_packet(
	struct sending *s, const char *name, const struct buf *packet, struct err *e)
{
	int dir = openat(s->out, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (dir < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open the folder of packets");
	}
	rc = file_lock(dir, e);
	rc = rc == 0 ? file_sweep(dir, name, e) : rc;
	rc = rc == 0 ? file_write(dir, name, packet->p, packet->n, 0600, FILE_REPLACE, e) : rc;
	(void)close(dir);
	return rc;
}

enum { WAITS = 1, MAKE = 2, GONE = 3 }; /* beside 0 and -1 */

/* Its recipient keeps the other half of a one-time key that he has replaced for some days more. */
static bool is_too_old(const struct sending *s, const char *name)
{
	struct stat st;

	return fstatat(s->out, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       message_now() / 1000000 - st.st_mtim.tv_sec > PACKET_DAYS * INT64_C(86400);
}

/* The packet that was made before. 0, MAKE (it is damaged, or too old: another is to be made),
 * GONE, or -1. */
static int read_packet(const struct sending *s, const char *name, struct buf *packet, struct err *e)
{
	enum chat_packet kind;
	uint64_t offer;
	int rc = file_read(s->out, name, CHAT_PACKET_MAX, packet, NULL, e);

	if (rc == 0 && chat_look(packet->p, packet->n, &kind, &offer, e) == 0 &&
		(kind != CHAT_PACKET_MESSAGE || !is_too_old(s, name))) {
		return 0;
	}
	buf_free(packet);
	if (rc != 0 && faccessat(s->out, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
		return GONE;
	}
	return rc == 0 || e->code == EX_NOINPUT || e->code == EX_DATAERR ? MAKE : -1;
}

/* The packet of a message that waits: the one that was made before, or a new one. One that was made
 * by a run that was cut off before its number counted has not left us, and is replaced. 0, WAITS
 * (or it is lost), GONE (it was sent before), or -1. */
static int find_packet(
	struct sending *s, const char *name, struct chat_out *o, struct buf *packet, struct err *e)
{
	int rc = is_packed(&s->state, o) ? read_packet(s, name, packet, e) : MAKE;

	if (rc == MAKE) {
		rc = make_packet(s, o, packet, e);
		rc = rc == 0 ? write_packet(s, name, packet, e) : rc;
		rc = rc == 0 ? use_number(s, o, packet->p[0] == CHAT_PACKET_SEALED, e) : rc;
	}
	return rc;
}

static int note_sent(struct sending *s, const struct chat_out *o, bool no_fs, struct err *e)
{
	struct chat_note sent = {.event = CHAT_EVENT_SENT,
		.number = o->number,
		.time_us = message_now(),
		.no_fs = no_fs};

	memcpy(sent.stream, o->stream, sizeof sent.stream);
	return chat_contact_add(&s->node->c, &sent, NULL, 0, NULL, e);
}

/* A packet was made, and is there no more: it was sent, and the note of that is damaged. */
static int note_again(struct sending *s, const struct chat_out *o, struct err *e)
{
	bool no_fs = o->number == s->state.packed && s->state.packed_no_fs;

	chat_room_note(s->room, "message %llu to %s was sent, which the history has lost",
		(unsigned long long)o->number, s->node->c.name);
	return note_sent(s, o, no_fs, e);
}

/* 0, 1 (it must go on waiting), or -1. */
static int send_one(struct sending *s, size_t i, struct err *e)
{
	struct chat_out *out = &s->node->c.out[i];
	const struct chat_out o = *out;
	struct buf packet = {0};
	char name[RECORD_NAME];
	bool again;
	int rc;

	(void)snprintf(name, sizeof name, "%llu", (unsigned long long)o.record);
	rc = find_packet(s, name, out, &packet, e);
	if (rc == GONE) {
		return note_again(s, &o, e);
	}
	if (rc == WAITS && out->lost) {
		return 0;
	}
	rc = rc == 0 ? enhanced_chat_send(s->room->client, s->node->c.name, o.stream, o.number,
			       packet.p, packet.n, &again, e)
		     : rc;
	if (rc == 0 && s->room->account.verbose) {
		chat_detail_sent(s->room, s->node, o.number, packet.p, packet.n);
	}
	if (rc == 0) {
		bool no_fs = packet.p[0] == CHAT_PACKET_SEALED;
		s->sent->sent++;
		s->sent->without_fs += no_fs ? 1 : 0;
		rc = note_sent(s, &o, no_fs, e);
	}
	if (rc == 0) {
		(void)unlinkat(s->out, name, 0); /* else it is swept with the others */
	}
	buf_free(&packet);
	return rc;
}

/* What was made for a key that the contact has no more, nobody can read. */
static int check_packets(struct sending *s, struct err *e)
{
	const struct chat_node *n = s->node;
	struct chat_state_keys *k = &s->state;

	if (chat_state_load(&s->room->desk, n->c.name, k, e) != 0) {
		return -1;
	}
	if (memcmp(k->packets, n->member.keys.x25519, sizeof k->packets) == 0) {
		return 0;
	}
	memcpy(k->packets, n->member.keys.x25519, sizeof k->packets);
	for (size_t i = 0; i < n->c.out_n; i++) { /* what was not sent is packed anew */
		const struct chat_out *o = &n->c.out[i];
		if (!o->sent && is_packed(k, o)) {
			k->packed = o->number - 1;
		}
	}
	/* in this order: one that counts and is not there would be taken for sent */
	return chat_state_save(&s->room->desk, n->c.name, k, e) != 0
		       ? -1
		       : chat_send_drop(&s->room->desk, n->c.name, false, e);
}

static int send_in_order(struct sending *s, struct err *e)
{
	const struct chat_contact *c = &s->node->c;
	int rc = check_packets(s, e);

	for (size_t i = 0; rc == 0 && i < c->out_n; i++) {
		rc = c->out[i].sent || c->out[i].lost ? 0 : send_one(s, i, e);
	}
	for (size_t i = 0; i < c->out_n; i++) {
		s->sent->waiting += c->out[i].sent || c->out[i].lost ? 0 : 1;
	}
	return rc;
}

int chat_send_waiting(struct chat_room *r, struct chat_node *n, bool allow_no_fs,
	struct chat_sent *out, struct err *e)
{
	struct sending s = {.room = r, .node = n, .sent = out, .allow_no_fs = allow_no_fs};
	struct err why;
	int lock, rc;

	*out = (struct chat_sent){0};
	if (chat_room_check_signs(r, n, e) != 0) {
		return -1;
	}
	lock = chat_desk_lock(&r->desk, CHAT_DESK_SENDING, e);
	if (lock < 0) {
		return -1;
	}
	rc = chat_room_history(r, n, e); /* with our turn: nobody sends the same meanwhile */
	s.out = rc == 0 ? open_out(&r->desk, n->c.name, false, e) : -1;
	if (rc == 0 && s.out >= 0) {
		rc = send_in_order(&s, e);
		(void)close(s.out);
		if (rc == 0 && chat_send_drop(&r->desk, n->c.name, true, &why) != 0) {
			cli_note(r->cli, "%s", why.text); /* all is sent, and that is no less so */
		}
	} else if (rc == 0) {
		rc = e->code == EX_NOINPUT ? 0 : -1; /* nothing waits */
	}
	(void)close(lock);
	return rc < 0 ? -1 : 0;
}

/* --- all of them --- */

int chat_send_all_waiting(struct chat_room *r, chat_tell_sent *tell, void *arg, struct err *e)
{
	struct chat_names waiting;
	int rc = chat_desk_names(&r->desk, ".out", &waiting, e);

	for (size_t i = 0; rc == 0 && i < waiting.n; i++) {
		struct chat_sent sent;
		int went;
		struct chat_node *n = chat_room_contact(r, waiting.names[i], e);
		/* a passphrase is asked for where the contact is who this is about */
		bool closed = n != NULL && !n->opened && r->desk.passphrase == NULL &&
			      history_look(r->desk.dir, n->c.name) == HISTORY_PASSPHRASE;
		if (n == NULL || closed) {
			continue;
		}
		went = chat_send_waiting(r, n, false, &sent, e);
		tell(arg, n, &sent);
		if (went == 0) {
			continue;
		}
		if (r->client->alive && !chat_room_is_broken(r, n, e) && e->code != EX_NOUSER &&
			e->code != EX_NOPERM) {
			(void)cli_fail(r->cli, e);
		}
		rc = r->client->alive ? 0 : -1;
	}
	free(waiting.names);
	return rc;
}
