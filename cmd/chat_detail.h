/* For -v: how a packet went, and how one that came was judged. Both sides say it in the same words:
 * what they tell of one message can be compared. */
#ifndef CMD_CHAT_DETAIL_H
#define CMD_CHAT_DETAIL_H

#include "chat_room.h"

/* A packet of the message with this number, which the server has now. */
void chat_detail_sent(const struct chat_room *r, const struct chat_node *to, uint64_t message,
	const void *packet, size_t n);
/* A packet that chat_receive has judged, and what came of it. */
void chat_detail_came(const struct chat_room *r, const struct chat_node *from,
	const struct chat_came *came, const void *packet, size_t n);
/* A receipt of ours, which the server has now. */
void chat_detail_receipt(
	const struct chat_room *r, const struct chat_node *to, const struct chat_receipt *receipt);

#endif
