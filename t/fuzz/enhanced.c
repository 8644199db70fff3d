/* The enhanced protocol, decrypted: a client with the right keys completes the handshake in this
 * process, over a connection that is two buffers, and then sends the input as records. Whatever it
 * sends, each answer is a sound record, and the store is sound behind it.
 *
 * The input: a byte of flags, and records, each behind its length (2 bytes, little-endian; what is
 * longer than the rest is the rest). */
#include "folder.h"

#include <dirent.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "../../crypto/file.h"
#include "../../proto/enhanced_server.h"
#include "../../proto/fields.h"

enum {
	FLAG_PIECES = 7,   /* how much a read or a write does: 0 everything */
	FLAG_LOGIN = 8,    /* the first record is the login, which else is client1's */
	FLAG_VERBOSE = 16, /* tell what is on the wire */
	FLAG_FORGE = 32    /* the last record is forged */
};

/* The C library's poll never waits: it is how a refused login takes its time. */
int hurried_poll(struct pollfd *p, nfds_t n, int ms) __asm__("poll");
int hurried_poll(struct pollfd *p, nfds_t n, int ms)
{
	(void)p;
	(void)n;
	(void)ms;
	return 0;
}

/* --- the client --- */

static const struct x25519_pair server_pair = {.private = {5}};
static struct x25519_pair server_key, client_key = {.private = {6}}; /* a session wipes its own */
static struct noise handshake;
static struct noise_cipher seal, open_with;
static struct buf to_server, to_client;
static size_t server_at; /* of to_server, read already */
static enum { HELLO, THIRD, SENT } stage;
static uint8_t flags;
static struct cursor input;

static void put_message(struct buf *out, const uint8_t *p, size_t n)
{
	const uint8_t length[ENHANCED_LENGTH] = {(uint8_t)(n >> 8), (uint8_t)n};

	assert(buf_append(out, length, sizeof length) == 0 && buf_append(out, p, n) == 0);
}

/* The next record of the input; false at its end. */
static bool next_input(const uint8_t **p, size_t *n)
{
	size_t left;

	if (cursor_left(&input) < 2) {
		return false;
	}
	*n = get_u16le(&input);
	left = cursor_left(&input);
	*n = *n < left ? *n : left;
	*n = *n < ENHANCED_RECORD_MAX ? *n : ENHANCED_RECORD_MAX;
	*p = get_bytes(&input, *n);
	return true;
}

static void say_hello(void)
{
	const struct noise_setup setup = {.pattern = ENHANCED_PATTERN,
		.initiator = true,
		.prologue = ENHANCED_PREFACE,
		.prologue_n = ENHANCED_PREFACE_BYTES,
		.s = &client_key,
		.remote_static = server_key.public};
	uint8_t message[ENHANCED_HELLO];
	size_t n;

	assert(noise_begin(&handshake, &setup, NULL) == 0);
	assert(noise_write(&handshake, NULL, 0, message, sizeof message, &n, NULL) == 0);
	assert(buf_append(&to_server, ENHANCED_PREFACE, ENHANCED_PREFACE_BYTES) == 0);
	put_message(&to_server, message, n);
}

/* The login, padded as it has to be. */
static size_t make_login(uint8_t out[static ENHANCED_LOGIN_MAX])
{
	static const char usual[] = "{\"user\":\"client1\"}";
	const uint8_t *p = (const uint8_t *)usual;
	size_t n = sizeof usual - 1, padded;

	if ((flags & FLAG_LOGIN) != 0) {
		(void)next_input(&p, &n);
	}
	n = n < ENHANCED_LOGIN_MAX ? n : ENHANCED_LOGIN_MAX;
	padded = n == 0 ? ENHANCED_LOGIN_PAD
			: (n + ENHANCED_LOGIN_PAD - 1) / ENHANCED_LOGIN_PAD * ENHANCED_LOGIN_PAD;
	memset(out, ' ', padded);
	memcpy(out, p, n);
	return padded;
}

/* Message 3, and all of the input behind it. */
static void say_all(void)
{
	static uint8_t text[NOISE_MESSAGE_MAX];
	uint8_t login[ENHANCED_LOGIN_MAX];
	const uint8_t *p;
	size_t n;

	assert(to_client.n == ENHANCED_LENGTH + ENHANCED_HELLO);
	assert(noise_read(&handshake, to_client.p + ENHANCED_LENGTH, ENHANCED_HELLO, text, &n,
		       NULL) == 0);
	to_client.n = 0;
	n = make_login(login);
	assert(noise_write(&handshake, login, n, text, sizeof text, &n, NULL) == 0);
	put_message(&to_server, text, n);
	assert(noise_split(&handshake, &seal, &open_with, NULL) == 0);
	while (next_input(&p, &n)) {
		if (n > 0) {
			memcpy(text, p, n);
		}
		assert(noise_seal(&seal, text, n, NULL) == 0);
		if ((flags & FLAG_FORGE) != 0 && cursor_left(&input) < 2) {
			text[n] ^= 1;
		}
		put_message(&to_server, text, n + NOISE_TAG);
	}
}

static size_t piece(size_t n)
{
	static const size_t most[] = {SIZE_MAX, 1, 3, 17, 256, 4096, 32768, 65537};
	size_t k = most[flags & FLAG_PIECES];

	return n < k ? n : k;
}

/* --- the connection --- */

static ssize_t server_recv(int fd, void *p, size_t n, int how)
{
	(void)fd;
	(void)how;
	if (server_at == to_server.n && stage != SENT) {
		if (stage == HELLO) {
			say_hello();
		} else {
			say_all();
		}
		stage++;
	}
	n = piece(n) < to_server.n - server_at ? piece(n) : to_server.n - server_at;
	if (n > 0) {
		memcpy(p, to_server.p + server_at, n);
		server_at += n;
	}
	return (ssize_t)n; /* 0: the end */
}

static ssize_t server_send(int fd, const void *p, size_t n, int how)
{
	(void)fd;
	(void)how;
	n = piece(n);
	assert(buf_append(&to_client, p, n) == 0);
	return (ssize_t)n;
}

/* --- the store --- */

#define PHC                                                  \
	"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" \
	"+c6q23sQwLpOH1shdbgrn6Ho39DyRbsdY34ab5ZO+fs"

static const uint8_t secret[USERS_SECRET] = "0123456789abcdef";

static struct accounts_store *make_accounts(int dir)
{
	struct accounts_store *accounts;
	char key[64], text[1000];
	int n;

	(void)base64_encode(key, client_key.public, sizeof client_key.public);
	n = snprintf(text, sizeof text,
		"{\"client1\": {\"x25519\": \"%s\"}, \"client2\": {\"x25519\": \"%s\", "
		"\"password\": \"" PHC
		"\"}, \"client3\": {\"mode\": \"enhanced\"}, \"client4\": \"plain\"}",
		key, key);
	assert(file_write(dir, "user_pass.json", text, (size_t)n, 0600, FILE_NEW, NULL) == 0);
	assert(accounts_files_open(dir, &accounts, NULL) == 0);
	assert(users_invite(accounts, "client3", secret, INT64_MAX, NULL) == 0);
	return accounts;
}

/* A message of client1's to itself and client2, whose id is 16 times 01; and a file that is
 * none. */
static struct mailbox *make_store(int dir)
{
	static const char head[] =
		"From: client1\nTo: client1;client2\nTime and Date: 2026-11-21 09:07:36.515771\n"
		"Title: First\nContent Length: 5\nContent:\n";
	struct mailbox_meta meta = {
		.time_us = 1795252056515771, .chars = 5, .source = "client1", .title = "First"};
	struct users_list to;
	struct mailbox *box;
	struct mailbox_draft *d;
	struct mailbox_delivery delivery;
	bool again;
	char user[] = "client1";

	assert(mailbox_files_open(dir, mail_describe, MAILBOX_KEEPER, &box, NULL) == 0);
	for (; user[6] <= '4'; user[6]++) {
		assert(box->ops->prepare(box, user, NULL) == 0);
	}
	memset(meta.id, 1, sizeof meta.id);
	assert(users_split(&to, "client1;client2", 15, NULL) == 0);
	assert(box->ops->begin(box, sizeof head - 1, &d, NULL) == 0);
	assert(box->ops->append(d, "hello", 5, NULL) == 0);
	delivery = (struct mailbox_delivery){.meta = &meta, .head = head, .to = &to};
	assert(box->ops->deliver(d, &delivery, &again, NULL) == 0);
	box->ops->discard(d);
	users_list_free(&to);
	(void)close(openat(dir, "client1/damaged", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	return box;
}

struct look {
	struct mailbox *box;
	const char *user;
	size_t messages, damaged;
	uint64_t bytes;
};

static int take_head(
	void *arg, const struct message_head *h, const uint8_t *text, uint64_t bytes, struct err *e)
{
	struct look *l = arg;

	(void)text;
	(void)e;
	assert(h->length <= bytes && bytes <= 4 * h->length);
	l->bytes = bytes;
	return 0;
}

static int take_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct look *l = arg;

	(void)p;
	(void)e;
	assert(n <= l->bytes);
	l->bytes -= n;
	return 0;
}

/* What is listed can be read, whole. */
static int visit(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct look *l = arg;
	const struct mail_sink sink = {.head = take_head, .content = take_content, .arg = l};
	struct err e;

	assert(meta->damaged || user_name_valid(meta->source));
	l->messages++;
	l->damaged += meta->damaged ? 1 : 0;
	if (!meta->damaged) {
		assert(mail_read(l->box, l->user, ref, &sink, &e) == 0);
		assert(l->bytes == 0);
	}
	return 0;
}

static size_t names_in(int dir, const char *name)
{
	DIR *d = fdopendir(openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;
	size_t n = 0;

	assert(d != NULL);
	while ((entry = readdir(d)) != NULL) {
		n += entry->d_name[0] == '.' && strlen(entry->d_name) <= 2 ? 0 : 1;
	}
	(void)closedir(d);
	return n;
}

static size_t count_messages(struct mailbox *box, size_t *damaged)
{
	size_t n = 0;
	struct err e;

	*damaged = 0;
	for (char user[] = "client1"; user[6] <= '4'; user[6]++) {
		struct look l = {.box = box, .user = user};
		assert(box->ops->list(box, user, NULL, visit, &l, &e) == 0);
		n += l.messages;
		*damaged += l.damaged;
	}
	return n;
}

/* What is listed can be read to its end, by a name that is one. */
static int visit_file(void *arg, const struct shelf_file *file)
{
	uint8_t piece[4096];
	struct shelf_reader *r;
	struct shelf_file opened;
	struct err e;
	uint64_t hole = 0, at = 0;
	size_t n = 1;
	struct shelf *shelf = arg;

	assert(user_name_valid(file->from));
	assert(landing_check_name(file->name, strlen(file->name), &e) == 0);
	if (file->part) {
		return 0;
	}
	assert(shelf->ops->open(shelf, "client1", file->from, file->name, &r, &opened, &e) == 0);
	while (n > 0 || hole > 0) {
		assert(shelf->ops->read(r, piece, sizeof piece, &n, &hole, &e) == 0);
		at += n + hole;
	}
	assert(at == file->size && at == opened.size);
	shelf->ops->done(r);
	return 0;
}

static int visit_waiting(void *arg, const struct talk_packet *packet, struct err *e)
{
	uint64_t *n = arg;

	(void)e;
	assert(user_name_valid(packet->from) && packet->n > 0);
	(*n)++;
	return 0;
}

static int visit_held(void *arg, const char *to, uint64_t held, struct err *e)
{
	(void)arg;
	(void)e;
	assert(user_name_valid(to) && held <= TALK_OFFERS_MAX);
	return 0;
}

/* What is counted is there; and it can all be forgotten. */
static void check_talk(struct talk *talk)
{
	struct err e;

	for (char user[] = "client1"; user[6] <= '4'; user[6]++) {
		uint64_t counted, seen = 0;
		assert(talk_count(talk, user, &counted, &e) == 0);
		assert(talk_waiting(talk, user, NULL, visit_waiting, &seen, &e) == 0);
		assert(seen == counted);
		assert(talk_offers(talk, user, visit_held, NULL, &e) == 0);
		assert(talk_forget(talk, user, &e) == 0);
		assert(talk_count(talk, user, &counted, &e) == 0 && counted == 0);
	}
	talk_close(talk);
}

/* As this server sees it, and as the next one does; and nothing lies about. */
static void check_store(
	int dir, struct accounts_store *accounts, struct mailbox *box, struct shelf *shelf)
{
	size_t damaged, n = count_messages(box, &damaged), damaged_then, files = 0;
	struct users *users;
	struct err e;

	assert(damaged <= 1);
	box->ops->close(box);
	assert(mailbox_files_open(dir, mail_describe, MAILBOX_KEEPER, &box, &e) == 0);
	assert(box->ops->recover(box, &e) == 0);
	assert(count_messages(box, &damaged_then) == n && damaged_then == damaged);
	box->ops->close(box);
	for (char user[] = "client1"; user[6] <= '4'; user[6]++) {
		files += names_in(dir, user) - 1; /* its index */
	}
	assert(files == n);
	assert(names_in(dir, ".spool") == 0);
	assert(shelf->ops->list(shelf, "client1", visit_file, shelf, &e) == 0);
	shelf->ops->close(shelf);
	files = names_in(dir, ".") - (faccessat(dir, ".sent", F_OK, 0) == 0 ? 1 : 0);
	files -= faccessat(dir, ".chat", F_OK, 0) == 0 ? 1 : 0;
	assert(files - (faccessat(dir, ".shelf", F_OK, 0) == 0 ? 1 : 0) == 7);
	assert(users_load(accounts, &users, &e) == 0);
	users_free(users);
}

/* --- the answers --- */

/* Each is a record that opens, and holds an object or the raw bytes that one has announced. */
static void check_answers(void)
{
	uint64_t left = 0;

	for (size_t at = 0; stage == SENT && at < to_client.n;) {
		uint8_t *p = to_client.p + at + ENHANCED_LENGTH;
		assert(to_client.n - at >= ENHANCED_LENGTH);
		size_t n = (size_t)p[-2] << 8 | p[-1];
		assert(to_client.n - at - ENHANCED_LENGTH >= n);
		at += ENHANCED_LENGTH + n;
		assert(noise_open(&open_with, p, n, NULL) == 0 && n > NOISE_TAG);
		if (left > 0) {
			assert(n - NOISE_TAG <= left);
			left -= n - NOISE_TAG;
			continue;
		}
		json_t *o = fields_parse(p, n - NOISE_TAG, NULL);
		assert(o != NULL && json_is_string(json_object_get(o, "type")));
		(void)fields_number(o, "length", INT64_MAX, &left, NULL);
		json_decref(o);
	}
}

static void serve(int dir, struct accounts_store *accounts, struct mailbox *box,
	struct shelf *shelf, struct talk *talk)
{
	static struct presence presence;
	static struct gate gate;
	struct guard guard;
	int ready = open("/dev/null", O_RDWR | O_CLOEXEC); /* for poll */
	struct conn c = {.fd = ready,
		.stop_fd = -1,
		.peer = "127.0.0.1:1",
		.presence = &presence,
		.recv = server_recv,
		.send = server_send};
	struct host host = {.x25519 = &server_key,
		.dir = dir,
		.accounts = {.store = accounts, .dir = dir},
		.box = box,
		.shelf = shelf,
		.talk = talk,
		.max_shelf = 100000,
		.gate = &gate,
		.guard = &guard,
		.login_ms = 60000,
		.idle_ms = 60000,
		.mail_ms = 60000,
		.max_chars = 1000,
		.upgrade = true,
		.verbose = (flags & FLAG_VERBOSE) != 0};
	struct report report;
	struct err e;
	int rc;

	if (presence.slots == NULL) {
		assert(presence_open(&presence, 1, NULL) == 0);
		gate_open(&gate);
	}
	presence_clear(&presence, 0);
	guard_open(&guard);
	rc = session_serve(&c, &host, &report, &e);
	assert(rc == 0 || e.code == EX_NOPERM || e.code == EX_PROTOCOL || e.code == EX_TEMPFAIL);
	/* client1 is let in, and nobody leaves in good order who was not */
	assert((rc != 0 && (flags & FLAG_LOGIN) != 0) || report.user[0] != '\0');
	accounts_close(&host.accounts);
	guard_close(&guard);
	presence_drain(&presence);
	(void)close(ready);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct accounts_store *accounts;
	struct mailbox *box;
	struct shelf *shelf;
	struct talk *talk;
	int dir;

	if (size < 1) {
		return 0;
	}
	if (to_server.p == NULL) { /* once */
		x25519_public(client_key.public, client_key.private);
	}
	server_key = server_pair;
	x25519_public(server_key.public, server_key.private);
	flags = data[0];
	input = cursor_over(data + 1, size - 1);
	stage = HELLO;
	to_server.n = to_client.n = server_at = 0;
	dir = fuzz_make();
	accounts = make_accounts(dir);
	box = make_store(dir);
	assert(shelf_files_open(dir, &shelf, NULL) == 0 && talk_open(dir, &talk, NULL) == 0);
	serve(dir, accounts, box, shelf, talk);
	check_answers();
	check_talk(talk);
	check_store(dir, accounts, box, shelf);
	accounts->ops->close(accounts);
	fuzz_remove(dir);
	return 0;
}
