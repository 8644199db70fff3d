/* Judging sealed mail; see opening.h. */
#include "opening.h"

#include <stdarg.h>
#include <time.h>

#include "../crypto/file.h"
#include "../crypto/hash.h"
#include "../keys/keyfile.h"
#include "../store/copies.h"
#include "../store/sequence.h"

void opener_begin(struct opener *o, const struct account *a, const struct cli *c)
{
	*o = (struct opener){.account = a, .cli = c, .own = {.keys = -1, .chat = -1}};
}

void opener_end(struct opener *o)
{
	trust_end(&o->own);
	o->loaded = false;
}

int opener_load(struct opener *o, struct err *e)
{
	struct trust *own = &o->own;

	if (o->loaded) {
		return 0;
	}
	own->applet = o->account->applet;
	own->name = o->account->user;
	if (x25519_self_check(e) != 0 || (own->keys = file_open_dir(o->account->keys, e)) < 0 ||
		keyfile_load_x25519_private(own->keys, own->name, &own->x25519, e) != 0) {
		trust_end(own);
		return err_prefix(e, "the message is sealed");
	}
	o->loaded = true;
	return 0;
}

/* --- what is wrong --- */

void opening_fault(struct opened *d, bool is_false, const char *word, const char *format, ...)
{
	char text[OPENING_TEXT_MAX];
	va_list args;

	if (d->faults_n < OPENING_FAULTS_MAX) {
		va_start(args, format);
		(void)vsnprintf(text, sizeof text, format, args);
		va_end(args);
		/* it may hold what the server said, cut anywhere: it is a line, and UTF-8, all the
		 * same */
		(void)escape_text(
			d->faults[d->faults_n++], OPENING_TEXT_MAX, text, strlen(text), false);
	}
	if (d->word == NULL || (is_false && !d->false_word)) {
		d->word = word;
	}
	d->false_word = d->false_word || is_false;
}

static bool same(struct message_part a, struct message_part b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Which of the names in to is this; its number, or -1. */
static int place_of(struct message_part to, const char *name)
{
	size_t n = strlen(name), start = 0;
	int place = 0;

	for (size_t i = 0; i <= to.n; i++) {
		if (i == to.n || to.p[i] == ';') {
			if (i - start == n && memcmp(to.p + start, name, n) == 0) {
				return place;
			}
			start = i + 1;
			place++;
		}
	}
	return -1;
}

/* Is it who the server says, and for whom? */
static void judge_names(const struct opener *o, const struct opening_outer *m, struct opened *d)
{
	const struct sealed_head *h = &d->head;
	const char *user = o->own.name;

	if (!same(h->from, m->from)) {
		opening_fault(d, true, "false sender",
			"FALSE SENDER: %s signed it, and the server says that %.*s sent it", d->by,
			(int)(m->from.n < 64 ? m->from.n : 64), (const char *)m->from.p);
	}
	if (place_of(h->to, user) < 0) {
		opening_fault(d, true, "re-addressed",
			"RE-ADDRESSED: %s wrote it to %.*s, and not to you", d->by,
			(int)(h->to.n < 100 ? h->to.n : 100), (const char *)h->to.p);
	} else if (m->to.n > 0 && !same(h->to, m->to)) {
		opening_fault(d, true, "re-addressed",
			"RE-ADDRESSED: %s wrote it to %.*s, and the server says to %.*s", d->by,
			(int)(h->to.n < 64 ? h->to.n : 64), (const char *)h->to.p,
			(int)(m->to.n < 64 ? m->to.n : 64), (const char *)m->to.p);
	}
}

/* The server stores a letter under a digest of its sender and its own id: see PROTOCOL.md. One that
 * came where there are no ids has zeros. */
static void judge_id(const struct opening_outer *m, struct opened *d)
{
	static const uint8_t none[MAIL_ID];
	uint8_t digest[HASH_BYTES];
	char id[MAIL_ID_TEXT + 1];
	struct hash h;

	if (m->id.n == 0 || memcmp(d->head.id, none, MAIL_ID) == 0) {
		return;
	}
	hash_begin(&h);
	hash_add(&h, d->by, strlen(d->by) + 1);
	hash_add(&h, d->head.id, MAIL_ID);
	hash_end(&h, digest);
	hex_encode(id, digest, MAIL_ID);
	if (!same(m->id, message_text(id))) {
		opening_fault(d, true, "re-sent",
			"RE-SENT: it is a copy under another id: %s sent it as %s", d->by, id);
	}
}

/* --- whose key is it? --- */

static void stand(const struct known_member *m, struct opened *d)
{
	if (!m->keys.signs) {
		return;
	}
	if (!ct_eq(m->keys.p256, d->head.key, P256_PUBLIC)) {
		d->standing = OPENING_CHANGED;
		return;
	}
	d->standing = m->verified ? OPENING_VERIFIED : OPENING_PINNED;
	d->since = m->since;
}

/* Our own key needs nobody's word. 0 or -1. */
static int stand_own(const struct opener *o, struct opened *d, struct err *e)
{
	uint8_t own[P256_PUBLIC];

	if (keyfile_load_p256_public(o->own.keys, o->own.name, own, e) != 0) {
		return e->code == EX_NOINPUT ? 0 : -1;
	}
	d->standing = ct_eq(own, d->head.key, P256_PUBLIC) ? OPENING_OWN : OPENING_CHANGED;
	return 0;
}

/* Whose key is pinned is not asked for again: a directory that shows another now does not undo
 * what is known. 0 or -1. */
static int find_standing(const struct opener *o, struct opened *d, struct err *e)
{
	struct known_member m;
	int rc;

	d->standing = OPENING_UNKNOWN;
	if (strcmp(d->by, o->own.name) == 0) {
		return stand_own(o, d, e);
	}
	rc = trust_member(&o->own, NULL, d->by, &m, e);
	if ((rc == 0 ? !m.keys.signs : e->code == EX_NOUSER) && o->client != NULL &&
		o->client->alive) {
		rc = trust_member(&o->own, o->client, d->by, &m, e);
		d->first_seen = rc == 0 && m.keys.signs;
	}
	if (rc == 0) {
		stand(&m, d);
	} else if (e->code == EX_NOPERM) {
		d->standing = OPENING_CHANGED; /* which trust_member has said loudly */
	}
	return rc == 0 || e->code == EX_NOUSER || e->code == EX_NOPERM ? 0 : -1;
}

static int judge_key(const struct opener *o, struct opened *d, struct err *e)
{
	if (find_standing(o, d, e) != 0) {
		return -1;
	}
	if (d->standing == OPENING_CHANGED) {
		opening_fault(d, true, "another key",
			"WARNING: THE KEY OF %s HAS CHANGED: it is signed with %s, and not with "
			"the pinned one",
			d->by, d->key);
	} else if (d->standing == OPENING_UNKNOWN) {
		opening_fault(d, false, "unknown key",
			"nobody vouches for the key that signed it: ask %s", d->by);
	}
	return 0;
}

/* --- was it here before? --- */

/* A letter that we deleted, or read under another id, is not delivered once more unnoticed. Only
 * what is genuine is remembered. 0 or -1. */
static int judge_copies(
	struct opener *o, const struct opening_outer *m, struct opened *d, struct err *e)
{
	static const uint8_t none[MAIL_ID];
	bool has_id = memcmp(d->head.id, none, MAIL_ID) != 0;
	enum copies_verdict verdict;
	uint8_t id[MAIL_ID];

	if (d->faults_n > 0 || m->id.n != MAIL_ID_TEXT ||
		hex_decode(id, MAIL_ID, (const char *)m->id.p, m->id.n) != 0) {
		return 0;
	}
	if (trust_chat(&o->own, e) < 0 ||
		copies_judge(o->own.chat, id, has_id ? NULL : d->head.digest, &verdict, e) != 0) {
		return -1;
	}
	if (verdict == COPIES_DELETED) {
		opening_fault(d, true, "re-sent", "RE-SENT: you deleted it, and here it is again");
	} else if (verdict == COPIES_MOVED) {
		opening_fault(d, true, "re-sent",
			"RE-SENT: it is a copy of one of %s that you read under another id", d->by);
	}
	return 0;
}

/* --- its number --- */

/* Only what is genuine is counted. 0 or -1. */
static int judge_number(struct opener *o, struct opened *d, struct err *e)
{
	int place = place_of(d->head.to, o->own.name);
	const struct sealed_number *n;
	struct sequence_number number;
	struct sequence_taken taken;

	if (place < 0 || d->faults_n > 0) {
		return 0;
	}
	n = &d->head.numbers[place];
	memcpy(number.stream, n->stream, sizeof number.stream);
	number.number = n->number;
	/* the digest is of its id, too, and tells letters without ids from each other */
	if (trust_chat(&o->own, e) < 0 || sequence_take(o->own.chat, d->by, "mail", &number,
						  d->head.digest, &taken, e) != 0) {
		return -1;
	}
	d->again = taken.how == SEQUENCE_KNOWN;
	if (taken.how == SEQUENCE_ANEW) {
		opening_fault(d, false, "counted anew",
			"%s began to count anew: on another device, or somebody has the keys of %s",
			d->by, d->by);
	}
	if (taken.second) {
		opening_fault(d, true, "re-sent",
			"RE-SENT: its number, %llu, was taken by another message of %s",
			(unsigned long long)number.number, d->by);
	}
	return 0;
}

/* --- all of it --- */

int opening_judge(struct opener *o, const struct held *sealed, const struct opening_outer *m,
	struct opened *out, struct err *e)
{
	struct sealed_head *h = &out->head;

	*out = (struct opened){.standing = OPENING_NOBODY};
	if (opener_load(o, e) != 0) {
		return -1;
	}
	if (sealed_open(h, sealed, &o->own.x25519, 1, e) != 0) {
		if (e->code == EX_NOPERM) {
			err_set(e, EX_NOPERM, "the message is not sealed to you");
			return err_hint(e, "--sealed shows it as it is stored");
		}
		return e->code == EX_DATAERR
			       ? err_prefix(
					 e, "THE MESSAGE WAS ALTERED, and nothing of it is shown")
			       : -1;
	}
	if (!h->is_signed) {
		opening_fault(out, false, "not signed",
			"nobody signed it: anybody can have written it, the server too");
		return 0;
	}
	(void)snprintf(out->by, sizeof out->by, "%.*s", (int)h->from.n, (const char *)h->from.p);
	sshsig_fingerprint(out->key, h->key);
	judge_names(o, m, out);
	judge_id(m, out);
	return judge_key(o, out, e) == 0 && judge_copies(o, m, out, e) == 0
		       ? judge_number(o, out, e)
		       : -1;
}

void opened_free(struct opened *d)
{
	sealed_free(&d->head);
}

/* --- in words --- */

static void write_day(int64_t seconds, char out[static 16])
{
	time_t when = (time_t)seconds;
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&when, &tm) != NULL) {
		(void)strftime(out, 16, "%Y-%m-%d", &tm);
	}
}

void opening_describe(const struct opened *d, char out[static OPENING_TEXT_MAX])
{
	static const char *const words[] = {
		[OPENING_UNKNOWN] = "not known: nobody vouches for this key",
		[OPENING_CHANGED] = "ANOTHER KEY THAN THE PINNED ONE",
		[OPENING_OWN] = "your own key"};
	char day[16], how[128];

	if (d->standing == OPENING_NOBODY) {
		(void)snprintf(out, OPENING_TEXT_MAX, "nobody signed it");
		return;
	}
	write_day(d->since, day);
	(void)snprintf(how, sizeof how, "%s %s%s",
		d->standing == OPENING_VERIFIED ? "verified, pinned" : "pinned",
		d->since == 0 ? "by its file in the folder of keys" : day,
		d->first_seen ? ", first seen now: the server alone vouches for it" : "");
	(void)snprintf(out, OPENING_TEXT_MAX, "signed by %s with %s (%s)%s", d->by, d->key,
		words[d->standing] == NULL ? how : words[d->standing],
		d->again ? ", opened before" : "");
}

void opening_json(json_t *object, const struct opened *d)
{
	bool pinned = d->standing >= OPENING_PINNED;
	json_t *by = d->standing == OPENING_NOBODY ? json_null() : json_object();
	json_t *warnings = json_array();

	if (json_is_object(by)) {
		cli_json_text(by, "by", d->by, strlen(d->by));
		cli_json_text(by, "key", d->key, strlen(d->key));
		(void)json_object_set_new(by, "pinned", json_boolean(pinned));
		(void)json_object_set_new(
			by, "verified", json_boolean(d->standing >= OPENING_VERIFIED));
	}
	for (size_t i = 0; i < d->faults_n; i++) {
		(void)json_array_append_new(warnings, json_string(d->faults[i]));
	}
	(void)json_object_set_new(object, "sealed", json_true());
	if (d->again) {
		(void)json_object_set_new(object, "again", json_true());
	}
	(void)json_object_set_new(object, "signed", by);
	(void)json_object_set_new(object, "warnings", warnings);
}
