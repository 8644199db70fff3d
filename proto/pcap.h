/* A capture file of what two TCP peers said to each other, for tshark and Wireshark: the classic
 * pcap format with packets from the IP header on (LINKTYPE_RAW). The bytes come from sockets, so
 * the packets are made up; their addresses, ports, order and contents are the real ones. Several
 * processes may append to one file. */
#ifndef PROTO_PCAP_H
#define PROTO_PCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../crypto/err.h"

/* One direction of a conversation, or the other. */
enum pcap_side { PCAP_CALLER, PCAP_CALLED };

struct pcap_talk {
	int fd; /* the file; -1: nothing is written */
	struct sockaddr_storage ends[2];
	uint32_t next[2]; /* sequence numbers */
};

/* Open or create the file. The descriptor, or -1 (EX_CANTCREAT). */
int pcap_open(const char *path, struct err *e);
/* Empty it, and write its header. 0, or -1 (EX_IOERR). */
int pcap_start(int fd, struct err *e);

/* A conversation begins, over this connected socket. called: our side of the socket accepted it.
 * Like the others: 0, or -1 (EX_IOERR); with fd -1 always 0. */
int pcap_begin(struct pcap_talk *t, int fd, int socket, bool called, struct err *e);
int pcap_say(struct pcap_talk *t, enum pcap_side from, const void *p, size_t n, struct err *e);
int pcap_end(struct pcap_talk *t, enum pcap_side from, struct err *e);

#endif
