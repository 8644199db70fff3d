/* The lab's careless SMTP server and client (proto/mitm_naive.h) as processes of their own, called
 * like applets, by the lab alone. */
#include <fcntl.h>

#include "../crypto/file.h"
#include "../keys/certificate.h"
#include "../proto/log.h"
#include "../proto/mitm_naive.h"
#include "../proto/server.h"
#include "lab.h"

/* --- naive-server SITE FOLDER --- */

struct shop {
	struct mitm_naive_server server;
	int folder; /* its mailboxes: NAME.mbox */
};

static int store(void *arg, const char *to, const struct buf *text, struct err *e)
{
	const struct shop *shop = arg;
	char name[USER_NAME_MAX + 8];
	int fd;

	if (!user_name_valid(to)) {
		return err_set(e, EX_NOUSER, "there is no such user");
	}
	(void)snprintf(name, sizeof name, "%s.mbox", to);
	fd = openat(shop->folder, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || file_write_all(fd, text->p, text->n) != 0) {
		err_sys(e, EX_CANTCREAT, "cannot write %s", name);
		if (fd >= 0) {
			(void)close(fd);
		}
		return -1;
	}
	return close(fd) == 0 ? 0 : err_sys(e, EX_CANTCREAT, "cannot write %s", name);
}

static int session(void *arg, struct conn *c)
{
	const struct shop *shop = arg;
	struct err e;

	if (mitm_naive_serve(&shop->server, c, &e) != 0) {
		log_err("naive", &e);
		return e.code;
	}
	return EX_OK;
}

static void nothing_to_do(void *arg)
{
	(void)arg;
}

int lab_naive_server(int argc, char **argv)
{
	struct shop shop = {.server = {.password = LAB_PASSWORD, .store = store, .arg = &shop}};
	struct server s = {.listen = {{.address = "127.0.0.1:0"}},
		.listen_n = 1,
		.sessions = SERVER_SESSIONS,
		.per_address = SERVER_SESSIONS,
		.session = session,
		.after_death = nothing_to_do,
		.ready = nothing_to_do,
		.arg = &shop};
	struct tls_identity *identity = NULL;
	struct err e = {0};
	int site = argc == 3 ? file_open_dir(argv[1], &e) : -1, rc = -1;

	shop.folder = site < 0 ? -1 : file_open_dir(argv[2], &e);
	if (shop.folder >= 0 && certificate_load(site, CERTIFICATE_FILE, CERTIFICATE_KEY_FILE,
					&identity, &e) == 0) {
		shop.server.identity = identity;
		rc = server_run(&s, &e);
	}
	tls_identity_free(identity);
	if (rc < 0) {
		log_err("naive", &e);
	}
	return rc < 0 ? e.code : EX_OK;
}

/* --- naive-client HOST:PORT CA TITLE FILE: alice writes to bob --- */

static int read_letter(struct buf *out, const char *title, const char *path, struct err *e)
{
	enum { MOST = 1 << 20 };
	struct buf text = {0};
	int rc = file_read(AT_FDCWD, path, MOST, &text, NULL, e);

	if (rc == 0 &&
		(buf_append_str(out, "From: <alice@localhost>\r\nTo: <bob@localhost>\r\n"
				     "Subject: ") != 0 ||
			buf_append_str(out, title) != 0 || buf_append_str(out, "\r\n\r\n") != 0 ||
			buf_append(out, text.p, text.n) != 0 || buf_append(out, "", 1) != 0)) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	}
	buf_free(&text);
	return rc;
}

int lab_naive_client(int argc, char **argv)
{
	char host[CONN_HOST_MAX], port[8];
	struct mitm_naive_letter letter = {
		.host = host, .port = port, .user = "alice", .password = LAB_PASSWORD, .to = "bob"};
	struct tls_trust *trust = NULL;
	struct buf text = {0};
	struct err e = {.code = EX_USAGE};
	int rc = argc == 5 ? conn_split(argv[1], host, port, &e) : -1;

	rc = rc == 0 ? certificate_load_trust(argv[2], &trust, &e) : rc;
	rc = rc == 0 ? read_letter(&text, argv[3], argv[4], &e) : rc;
	if (rc == 0) {
		letter.trust = trust;
		letter.text = (const char *)text.p;
		rc = mitm_naive_send(&letter, &e);
	}
	if (rc != 0) {
		log_err("naive", &e);
	}
	tls_trust_free(trust);
	buf_free(&text);
	return rc == 0 ? EX_OK : e.code;
}
