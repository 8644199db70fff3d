/* What is kept of chats: names of packets, and how much room they take. See talk.h. */
#include "talk_files.h"

enum { ROOM_BYTES = 24 };

void talk_id(const void *p, size_t n, uint8_t out[static TALK_ID])
{
	uint8_t digest[HASH_BYTES];

	hash_of(p, n, digest);
	memcpy(out, digest, TALK_ID);
}

void talk_end_id(const struct hash *h, uint8_t out[static TALK_ID])
{
	uint8_t digest[HASH_BYTES];

	hash_end(h, digest);
	memcpy(out, digest, TALK_ID);
}

/* --- names --- */

void talk_write_name(const struct talk_name *n, char out[static TALK_NAME])
{
	uint8_t us[8], size[4];

	put_u64be(us, (uint64_t)n->us);
	put_u32be(size, n->size);
	hex_encode(out, us, sizeof us);
	out[16] = '-';
	hex_encode(out + 17, n->id, TALK_ID);
	out[17 + 2 * TALK_ID] = '-';
	hex_encode(out + 18 + 2 * TALK_ID, size, sizeof size);
	out[TALK_NAME_HEAD - 1] = '-';
	memcpy(out + TALK_NAME_HEAD, n->from, strlen(n->from) + 1);
}

/* false: it is none of ours. */
bool talk_read_name(const char *text, struct talk_name *out)
{
	uint8_t us[8], size[4];
	size_t n = strlen(text);

	if (n <= TALK_NAME_HEAD || n > TALK_NAME_HEAD + USER_NAME_MAX ||
		!user_name_valid(text + TALK_NAME_HEAD) || text[16] != '-' ||
		text[17 + 2 * TALK_ID] != '-' || text[TALK_NAME_HEAD - 1] != '-' ||
		hex_decode(us, sizeof us, text, 16) != 0 ||
		hex_decode(out->id, TALK_ID, text + 17, 2 * TALK_ID) != 0 ||
		hex_decode(size, sizeof size, text + 18 + 2 * TALK_ID, 8) != 0) {
		return false;
	}
	out->us = (int64_t)talk_u64(us);
	out->size = (uint32_t)size[0] << 24 | (uint32_t)size[1] << 16 | (uint32_t)size[2] << 8 |
		    size[3];
	memcpy(out->from, text + TALK_NAME_HEAD, n - TALK_NAME_HEAD + 1);
	return out->us >= 0 && out->size > 0 && out->size <= TALK_PACKET_MAX;
}

void talk_count_name(struct talk_room *r, const struct talk_name *n)
{
	r->packets++;
	r->bytes += n->size;
	r->newest_us = n->us > r->newest_us ? n->us : r->newest_us;
}

/* --- room --- */

int talk_count_one(void *arg, int dir, const char *text, struct err *e)
{
	struct talk_name n;

	(void)dir;
	(void)e;
	if (talk_read_name(text, &n)) {
		talk_count_name(arg, &n);
	}
	return 0;
}

bool talk_read_room(int user, struct talk_room *r)
{
	uint8_t bytes[ROOM_BYTES];
	struct err ignored;

	if (talk_read(user, TALK_ROOM, bytes, sizeof bytes, &ignored) != ROOM_BYTES) {
		return false;
	}
	r->packets = talk_u64(bytes);
	r->bytes = talk_u64(bytes + 8);
	r->newest_us = (int64_t)talk_u64(bytes + 16);
	return r->newest_us >= 0 && r->newest_us < TALK_TIME_MAX;
}

void talk_write_room(int user, const struct talk_room *r)
{
	uint8_t bytes[ROOM_BYTES];

	put_u64be(bytes, r->packets);
	put_u64be(bytes + 8, r->bytes);
	put_u64be(bytes + 16, (uint64_t)r->newest_us);
	talk_hint(user, TALK_ROOM, bytes, sizeof bytes);
}

static bool fits(const struct talk_room *r, size_t n, uint64_t packets, uint64_t bytes)
{
	return r->packets < packets && (bytes == 0 || (n <= bytes && r->bytes <= bytes - n));
}

static bool all_fit(const struct talk_rooms *c, size_t n, uint64_t max_bytes)
{
	return fits(&c->all, n, TALK_WAITING_MAX, max_bytes);
}

/* Nobody takes all the room from the others. The first packet may be larger than a share of a small
 * quota. */
static bool own_fit(const struct talk_rooms *c, size_t n, uint64_t max_bytes)
{
	uint64_t share = max_bytes / TALK_SHARE + (max_bytes % TALK_SHARE != 0);

	return c->own.packets == 0 || fits(&c->own, n, TALK_WAITING_MAX / TALK_SHARE, share);
}

struct counting {
	const char *from;
	struct talk_rooms *c;
};

static int count_both(void *arg, int dir, const char *text, struct err *e)
{
	const struct counting *to = arg;
	struct talk_name n;

	(void)dir;
	(void)e;
	if (talk_read_name(text, &n)) {
		talk_count_name(&to->c->all, &n);
		if (strcmp(n.from, to->from) == 0) {
			talk_count_name(&to->c->own, &n);
		}
	}
	return 0;
}

int talk_find_room(const struct talk_place *at, const struct talk_post *post, size_t n, bool known,
	struct talk_rooms *c, bool *full, struct err *e)
{
	struct counting to = {post->from, c};

	*full = false;
	if (known && talk_read_room(at->user, &c->all) && all_fit(c, n, post->max_bytes) &&
		own_fit(c, n, post->max_bytes)) {
		return 0;
	}
	*c = (struct talk_rooms){0};
	if (talk_sweep(at->dir, false, e) != 0 || talk_names(at->dir, count_both, &to, e) != 0) {
		return -1;
	}
	bool own = all_fit(c, n, post->max_bytes);
	const struct talk_room *r = own ? &c->own : &c->all;
	*full = !own || !own_fit(c, n, post->max_bytes);
	return *full ? err_set(e, EX_TEMPFAIL,
			       "%s has no room%s: %llu packets of %llu bytes wait to be fetched",
			       post->to, own ? " for more from you" : "",
			       (unsigned long long)r->packets, (unsigned long long)r->bytes)
		     : 0;
}
