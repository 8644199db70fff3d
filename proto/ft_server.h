/* The server half of file transfer: what its sessions work with, and what the two wires share
 * there. ft_server.c finds out which wire a connection speaks. */
#ifndef PROTO_FT_SERVER_H
#define PROTO_FT_SERVER_H

#include "ft.h"

struct ft_host {
	int dir;                  /* of the files */
	struct ft_secret *secret; /* for the founding ciphers; NULL: none of them */
	const uint8_t *salt;      /* FT_SALT bytes, and */
	uint8_t *psk;             /* FT_PSK */
	bool allowed[FT_CIPHERS];
	bool no_reads, no_writes;
	bool sum; /* print SHA-256 of what is moved */
	bool verbose;
	int64_t login_ms, idle_ms;
};

/* What a session did, for its line in the log. */
struct ft_report {
	struct conn *conn;              /* of this session */
	const char *cipher;             /* "-": not known yet */
	const char *verb;               /* "read", "write", "-" */
	char name[4 * FT_NAME_MAX + 1]; /* escaped; empty: none */
	uint64_t bytes, begun_at;
};

/* Serve one connection. 0 after a whole transfer, or -1 with what ended it: EX_NOPERM (not our key,
 * or not allowed), EX_PROTOCOL, EX_TEMPFAIL, EX_NOINPUT, EX_CANTCREAT, EX_DATAERR. */
int ft_serve(struct conn *c, const struct ft_host *host, struct ft_report *report, struct err *e);

/* --- between the parts of it --- */

/* The two wires, each from the connection's first byte (which conn_unread gave back). */
int ft_founding_serve(
	struct conn *c, const struct ft_host *host, struct ft_report *report, struct err *e);
int ft_noise_serve(
	struct conn *c, const struct ft_host *host, struct ft_report *report, struct err *e);

/* A client that has the key asks for a file, to read it: this process' keys are wiped, the name is
 * judged, the file opened, the founding lines printed. job->from is s. 0, or -1: EX_NOPERM (reads
 * are not allowed), EX_DATAERR, EX_NOINPUT: for the client's eyes, no path in it. */
int ft_open_read(const struct ft_host *host, struct ft_report *report, const void *name, size_t n,
	struct source *s, struct ft_job *job, struct err *e);
/* ... or to write one; job->force and job->resume are set. job->to is l. */
int ft_open_write(const struct ft_host *host, struct ft_report *report, const void *name, size_t n,
	struct landing *l, struct ft_job *job, struct err *e);
/* It is over, by rc: print the founding lines, fill the report, close what was opened; what came of
 * a file is kept for a resumption where `keep`. rc again. */
int ft_done(const struct ft_host *host, struct ft_report *report, struct ft_job *job, int rc,
	bool keep, const struct err *e);

/* What stands around a session's lines. */
#define FT_RULE "--------------------------------------"

/* A founding line on stdout: "!! HH:MM:SS: text", escaped. */
void ft_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
