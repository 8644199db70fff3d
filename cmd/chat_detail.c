/* How packets went and came, for -v; see chat_detail.h. */
#include "chat_detail.h"

/* Whose keys it was sealed to, or opened by: what is pinned of them. */
static void tell_keys(const struct chat_room *r, const char *what, const struct chat_node *n)
{
	char shown[TRUST_FINGERPRINTS];

	trust_fingerprints(shown, &n->member.keys);
	chat_room_note(r, "%s: %s is %s", what, n->c.name, shown);
}

enum { WHAT = USER_NAME_MAX + 40 };

void chat_detail_sent(const struct chat_room *r, const struct chat_node *to, uint64_t message,
	const void *packet, size_t n)
{
	enum chat_packet kind;
	uint64_t offer;
	char what[WHAT];
	struct err why;

	if (chat_look(packet, n, &kind, &offer, &why) != 0) {
		return;
	}
	(void)snprintf(
		what, sizeof what, "message %llu to %s", (unsigned long long)message, to->c.name);
	if (kind == CHAT_PACKET_SEALED) {
		chat_room_note(r, "%s: sealed (no forward secrecy), signed, %zu bytes", what, n);
	} else {
		chat_room_note(r, "%s: Noise_KK with his one-time key %llu, %zu bytes", what,
			(unsigned long long)offer, n);
	}
	tell_keys(r, what, to);
}

static void tell_receipt(const struct chat_room *r, const char *what, const char *done,
	const char *whose, uint64_t highest, uint64_t missing)
{
	if (highest == 0) {
		chat_room_note(r, "%s: signature %s: no message of %s came", what, done, whose);
	} else {
		chat_room_note(r, "%s: signature %s: %s messages came up to %llu, %llu are missing",
			what, done, whose, (unsigned long long)highest,
			(unsigned long long)missing);
	}
}

void chat_detail_receipt(
	const struct chat_room *r, const struct chat_node *to, const struct chat_receipt *receipt)
{
	char what[WHAT];

	(void)snprintf(what, sizeof what, "receipt to %s", to->c.name);
	tell_receipt(r, what, "made", "his", receipt->highest, receipt->missing);
}

/* One that could not be opened: why, stands in the warning. */
static void tell_closed(const struct chat_room *r, const struct chat_node *from,
	enum chat_packet kind, uint64_t offer, size_t n)
{
	const char *name = from->c.name;

	if (kind == CHAT_PACKET_MESSAGE) {
		chat_room_note(r,
			"packet said to be from %s: Noise_KK with your one-time key %llu, %zu "
			"bytes: not opened",
			name, (unsigned long long)offer, n);
	} else {
		chat_room_note(r, "packet said to be from %s: %s, %zu bytes: not verified", name,
			kind == CHAT_PACKET_SEALED ? "sealed (no forward secrecy)" : "a receipt",
			n);
	}
}

static void tell_opened(const struct chat_room *r, const struct chat_node *from,
	const struct chat_came *came, enum chat_packet kind, uint64_t offer, size_t n)
{
	char what[WHAT];

	(void)snprintf(what, sizeof what, "message %llu from %s",
		(unsigned long long)came->note.number, from->c.name);
	if (kind == CHAT_PACKET_SEALED) {
		chat_room_note(r, "%s: sealed (no forward secrecy), signature verified, %zu bytes",
			what, n);
		tell_keys(r, what, from);
		return;
	}
	chat_room_note(r, "%s: Noise_KK with your one-time key %llu, %zu bytes", what,
		(unsigned long long)offer, n);
	tell_keys(r, what, from);
	chat_room_note(
		r, "%s: your one-time key %llu is destroyed", what, (unsigned long long)offer);
}

void chat_detail_came(const struct chat_room *r, const struct chat_node *from,
	const struct chat_came *came, const void *packet, size_t n)
{
	enum chat_packet kind;
	uint64_t offer;
	char what[WHAT];
	struct err why;

	if (chat_look(packet, n, &kind, &offer, &why) != 0) {
		return; /* it is no packet: that is in the warning */
	}
	if (!came->opened) {
		tell_closed(r, from, kind, offer, n);
	} else if (kind == CHAT_PACKET_RECEIPT) {
		(void)snprintf(what, sizeof what, "receipt from %s", from->c.name);
		tell_receipt(r, what, "verified", "your", came->note.number, came->note.missing);
		tell_keys(r, what, from);
	} else {
		tell_opened(r, from, came, kind, offer, n);
	}
}
