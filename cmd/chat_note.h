/* What stands with each record of a history (store/history.h): one JSON object that tells what
 * happened. The text or file itself is the record's body. */
#ifndef CMD_CHAT_NOTE_H
#define CMD_CHAT_NOTE_H

#include "../proto/chat.h"
#include "../store/sequence.h"

enum chat_event {
	CHAT_EVENT_IN,     /* a message came; it has a body */
	CHAT_EVENT_OUT,    /* a message of ours, which waits to be sent; it has a body */
	CHAT_EVENT_SENT,   /* the server has the message of ours with this number */
	CHAT_EVENT_RECEIPT /* the contact's word that ours came, up to this number */
};

struct chat_note {
	enum chat_event event;
	uint8_t id[SEQUENCE_ID]; /* of the packet; with IN */
	uint8_t stream[CHAT_STREAM];
	uint64_t number;
	uint64_t missing; /* with RECEIPT: how many below it did not come */
	int64_t time_us;  /* by whoever wrote it */
	enum chat_kind kind;
	char name[CHAT_NAME_MAX + 1], type[CHAT_TYPE_MAX + 1];
	bool no_fs;
};

/* 0, or -1 (EX_TEMPFAIL: no memory). */
int chat_note_write(struct buf *out, const struct chat_note *note, struct err *e);
/* 0, or -1 (EX_DATAERR). */
int chat_note_read(struct chat_note *out, const void *p, size_t n, struct err *e);

/* The id of a packet: its SHA-256, cut. */
void chat_note_id(uint8_t out[static SEQUENCE_ID], const void *packet, size_t n);

#endif
