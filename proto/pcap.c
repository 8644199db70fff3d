/* Capture files; see pcap.h. Headers by RFC 791, RFC 8200 and RFC 9293, with their checksums. */
#include "pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <time.h>

#include "../crypto/bytes.h"
#include "../crypto/file.h"

enum {
	LINKTYPE_RAW = 101,
	IP4 = 20, /* bytes of each header */
	IP6 = 40,
	TCP = 20,
	RECORD = 16,
	PIECE = 32768, /* of what was said, in one packet */
	FIN = 1,
	SYN = 2,
	PSH = 8,
	ACK = 16
};

static int cannot_write(struct err *e)
{
	return err_sys(e, EX_IOERR, "cannot write the capture");
}

int pcap_open(const char *path, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);

	return fd >= 0 ? fd : err_sys(e, EX_CANTCREAT, "cannot create %s", path);
}

int pcap_start(int fd, struct err *e)
{
	uint8_t head[24] = {0};

	put_u32le(head, 0xa1b2c3d4); /* microseconds */
	put_u16le(head + 4, 2);
	put_u16le(head + 6, 4);
	put_u32le(head + 16, 1u << 18); /* no packet is larger */
	put_u32le(head + 20, LINKTYPE_RAW);
	if (ftruncate(fd, 0) != 0 && errno != EINVAL) { /* that: it is a pipe */
		return cannot_write(e);
	}
	return file_write_all(fd, head, sizeof head) == 0 ? 0 : cannot_write(e);
}

/* --- packets --- */

static void put_u16be(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t add_up(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static size_t put_address(uint8_t *out, const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET6) {
		memcpy(out, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
		return 16;
	}
	memcpy(out, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	return 4;
}

/* Network byte order, as it stands in the packet: both families have it in the same place. */
static void put_port(uint8_t *out, const struct sockaddr_storage *sa)
{
	memcpy(out, &((const struct sockaddr_in *)sa)->sin_port, 2);
}

/* The IP header; its length. */
static size_t put_ip(const struct pcap_talk *t, enum pcap_side from, size_t tcp_n, uint8_t *out)
{
	const struct sockaddr_storage *src = &t->ends[from], *dst = &t->ends[!from];

	if (src->ss_family == AF_INET6) {
		memset(out, 0, IP6);
		out[0] = 0x60;
		put_u16be(out + 4, (uint16_t)tcp_n);
		out[6] = IPPROTO_TCP;
		out[7] = 64;
		(void)put_address(out + 8, src);
		(void)put_address(out + 24, dst);
		return IP6;
	}
	memset(out, 0, IP4);
	out[0] = 0x45;
	put_u16be(out + 2, (uint16_t)(IP4 + tcp_n));
	out[8] = 64;
	out[9] = IPPROTO_TCP;
	(void)put_address(out + 12, src);
	(void)put_address(out + 16, dst);
	put_u16be(out + 10, (uint16_t)~add_up(0, out, IP4));
	return IP4;
}

static void put_tcp(
	const struct pcap_talk *t, enum pcap_side from, unsigned flags, size_t n, uint8_t *out)
{
	uint8_t pseudo[36];
	size_t address_n = put_address(pseudo, &t->ends[from]);

	address_n += put_address(pseudo + address_n, &t->ends[!from]);
	put_u16be(pseudo + address_n, IPPROTO_TCP);
	put_u16be(pseudo + address_n + 2, (uint16_t)(TCP + n));
	memset(out, 0, TCP);
	put_port(out, &t->ends[from]);
	put_port(out + 2, &t->ends[!from]);
	put_u32be(out + 4, t->next[from]);
	put_u32be(out + 8, (flags & ACK) != 0 ? t->next[!from] : 0);
	out[12] = TCP / 4 << 4;
	out[13] = (uint8_t)flags;
	put_u16be(out + 14, 65535);
	put_u16be(out + 16, (uint16_t)~add_up(add_up(0, pseudo, address_n + 4), out, TCP + n));
}

static int put_packet(struct pcap_talk *t, enum pcap_side from, unsigned flags, const void *p,
	size_t n, struct err *e)
{
	uint8_t packet[RECORD + IP6 + TCP + PIECE];
	uint8_t *ip = packet + RECORD;
	size_t ip_n = put_ip(t, from, TCP + n, ip);
	struct timespec now;

	if (n > 0) {
		memcpy(ip + ip_n + TCP, p, n);
	}
	put_tcp(t, from, flags, n, ip + ip_n);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	put_u32le(packet, (uint32_t)now.tv_sec);
	put_u32le(packet + 4, (uint32_t)(now.tv_nsec / 1000));
	put_u32le(packet + 8, (uint32_t)(ip_n + TCP + n));
	put_u32le(packet + 12, (uint32_t)(ip_n + TCP + n));
	t->next[from] += (uint32_t)n + ((flags & (SYN | FIN)) != 0 ? 1 : 0);
	/* one write: records of several processes do not mix */
	return file_write_all(t->fd, packet, RECORD + ip_n + TCP + n) == 0 ? 0 : cannot_write(e);
}

/* --- a conversation --- */

int pcap_begin(struct pcap_talk *t, int fd, int socket, bool called, struct err *e)
{
	socklen_t n = sizeof t->ends[0], m = sizeof t->ends[0];

	*t = (struct pcap_talk){.fd = fd, .next = {1000, 2000}};
	if (fd < 0) {
		return 0;
	}
	if (getpeername(socket, (struct sockaddr *)&t->ends[called ? PCAP_CALLER : PCAP_CALLED],
		    &n) != 0 ||
		getsockname(socket, (struct sockaddr *)&t->ends[called ? PCAP_CALLED : PCAP_CALLER],
			&m) != 0) {
		t->fd = -1; /* it is gone already */
		return 0;
	}
	return put_packet(t, PCAP_CALLER, SYN, NULL, 0, e) != 0 ||
			       put_packet(t, PCAP_CALLED, SYN | ACK, NULL, 0, e) != 0 ||
			       put_packet(t, PCAP_CALLER, ACK, NULL, 0, e) != 0
		       ? -1
		       : 0;
}

int pcap_say(struct pcap_talk *t, enum pcap_side from, const void *p, size_t n, struct err *e)
{
	const uint8_t *s = p;
	int rc = 0;

	while (t->fd >= 0 && rc == 0 && n > 0) {
		size_t k = n < PIECE ? n : PIECE;
		rc = put_packet(t, from, PSH | ACK, s, k, e);
		s += k;
		n -= k;
	}
	return rc;
}

int pcap_end(struct pcap_talk *t, enum pcap_side from, struct err *e)
{
	return t->fd < 0 ? 0 : put_packet(t, from, FIN | ACK, NULL, 0, e);
}
