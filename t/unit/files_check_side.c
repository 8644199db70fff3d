/* What check() finds beside the mailboxes: in the journal, in the spool, and where sent ids are. */
#include "check.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "../../store/files.h"

static char large[100001]; /* more than a record of the journal takes */

#define KEY_NAME "00112233445566778899aabbccddeeff"

/* As if it was left an hour ago. */
static void age(const char *path)
{
	struct timespec then[2] = {{.tv_sec = time(NULL) - 3600}, {.tv_sec = time(NULL) - 3600}};

	assert_int_equal(utimensat(folder.fd, path, then, AT_SYMLINK_NOFOLLOW), 0);
}

static void remove_path(const char *path)
{
	assert_true(
		unlinkat(folder.fd, path, 0) == 0 || unlinkat(folder.fd, path, AT_REMOVEDIR) == 0);
}

static void bind_socket(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), here = open(".", O_RDONLY | O_DIRECTORY);

	(void)snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
	assert_true(fd >= 0 && here >= 0);
	assert_int_equal(fchdir(folder.fd), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
	assert_int_equal(fchdir(here), 0);
	(void)close(here);
	(void)close(fd);
}

/* --- the spool --- */

static void spool_strangers(void **state)
{
	(void)state;
	spew_text(".spool/README", "x");
	look(NULL);
	assert_told(0, 0, ""); /* whoever makes it may be about to lock it */
	age(".spool/README");
	assert_finds(NULL, true, ".spool/README is a file of nobody's");
	remove_path(".spool/README");
	assert_int_equal(mkfifoat(folder.fd, ".spool/f", 0600), 0);
	age(".spool/f");
	assert_finds(NULL, true, ".spool/f is a FIFO, and nobody's");
	remove_path(".spool/f");
	assert_int_equal(symlinkat("nowhere", folder.fd, ".spool/" KEY_NAME), 0);
	age(".spool/" KEY_NAME);
	assert_finds(NULL, true, KEY_NAME " is a symlink, and nobody's");
	remove_path(".spool/" KEY_NAME);
	assert_int_equal(mkdirat(folder.fd, ".spool/d", 0700), 0);
	age(".spool/d");
	assert_finds(NULL, true, ".spool/d is a folder, and nobody's");
	remove_path(".spool/d");
	bind_socket(".spool/s");
	age(".spool/s");
	assert_finds(NULL, true, ".spool/s is a socket, and nobody's");
	remove_path(".spool/s");
}

static void spool_leftovers(void **state)
{
	int fd;

	(void)state;
	spew_text(".spool/tmp.half", "half a mess");
	age(".spool/tmp.half");
	fd = openat(folder.fd, ".spool/tmp.half", O_RDONLY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	look(NULL);
	assert_told(0, 0, ""); /* somebody writes it */
	(void)close(fd);
	assert_finds(NULL, true, ".spool/tmp.half is a message that was never whole");
	remove_path(".spool/tmp.half");

	spew_text(".spool/" KEY_NAME, "of no record");
	age(".spool/" KEY_NAME);
	assert_finds(NULL, true, ".spool/" KEY_NAME " was left by a crash");
	/* beside those that the journal needs, which are fine */
	memset(large, 'y', sizeof large - 1);
	stay_unsettled = true;
	for (int i = 0; i < 3; i++) {
		char name[SPOOL_KEY_NAME + 1], path[64];
		uint8_t key[ENTRY_KEY];
		assert_int_equal(deliver("large", large, "client1;client2"), 0);
		entry_key(&last, key);
		spool_key_name(name, key);
		(void)snprintf(path, sizeof path, ".spool/%s", name);
		age(path);
	}
	assert_int_equal(list("client2"), 3);
	assert_int_equal(box->ops->remove(box, "client2", &rows[0].ref, &e), 0);
	assert_finds(NULL, true, ".spool/" KEY_NAME " was left by a crash");
	remove_path(".spool/" KEY_NAME);
}

/* The text of a large message is gone: that is a loss, and the message is named. */
static void spool_lost(void **state)
{
	char name[SPOOL_KEY_NAME + 1], path[64], id[2 * MAILBOX_ID_BYTES + 1];
	uint8_t key[ENTRY_KEY];

	(void)state;
	memset(large, 'y', sizeof large - 1);
	stay_unsettled = true;
	assert_int_equal(deliver("large", large, "client1"), 0);
	look(NULL);
	assert_told(0, 0, "");
	entry_key(&last, key);
	spool_key_name(name, key);
	(void)snprintf(path, sizeof path, ".spool/%s", name);
	remove_path(path);
	hex_encode(id, last.id, sizeof last.id);
	assert_finds(NULL, false, id);
	assert_contains(told.text, "is not in .spool, where the journal has it");
}

/* --- the journal --- */

/* A segment of our own making, with these records. */
static void write_segment(uint64_t number, const char *const *records, size_t n)
{
	struct segment s = {.fd = -1, .number = number};
	uint8_t p[SEGMENT_RECORD + 64];
	uint64_t ready, at = SEGMENT_HEAD;
	int dir = openat(folder.fd, JOURNAL_FOLDER, O_RDONLY | O_DIRECTORY);

	assert_int_equal(segment_create(&s, dir, "none", &ready, &e), 0);
	for (size_t i = 0; i < n; i++) {
		struct segment_payload payload = {.p = p, .n = strlen(records[i])};
		memcpy(p + SEGMENT_RECORD, records[i], payload.n);
		hash_of(p + SEGMENT_RECORD, payload.n, payload.digest);
		assert_int_equal(segment_write(&s, at, &payload, &e), 0);
		at += segment_span(payload.n);
	}
	segment_close(&s);
	(void)close(dir);
}

static void journal_strangers(void **state)
{
	static const char *const nonsense[] = {"nonsense", "D", "R"};

	(void)state;
	spew_text(".journal/README", "x");
	assert_finds(NULL, true, ".journal/README is nobody's");
	remove_path(".journal/README");
	spew_text(".journal/spare", "");
	look(NULL);
	assert_told(0, 0, "");
	remove_path(".journal/spare");

	spew_text(".journal/00000000000000a1", "no header of a segment");
	assert_finds(NULL, false, "00000000000000a1 is no segment of the journal");
	spew(".journal/00000000000000a1", (const uint8_t[SEGMENT_HEAD]){0}, SEGMENT_HEAD);
	look(NULL);
	assert_told(0, 0, ""); /* void: settled, or never begun */
	spew_text(".journal/00000000000000a1", "");
	look(NULL);
	assert_told(0, 0, "");
	remove_path(".journal/00000000000000a1");
	assert_int_equal(symlinkat("nowhere", folder.fd, ".journal/00000000000000a1"), 0);
	assert_finds(NULL, false, "00000000000000a1 is no segment of the journal");
	remove_path(".journal/00000000000000a1");
	assert_int_equal(mkdirat(folder.fd, ".journal/00000000000000a1", 0700), 0);
	assert_finds(NULL, false, "00000000000000a1 is no segment of the journal");
	remove_path(".journal/00000000000000a1");

	write_segment(0xa1, nonsense, COUNT(nonsense));
	look(NULL);
	assert_told(3, 0, ".journal/00000000000000a1 has a record at 128 that says nothing");
	remove_path(".journal/00000000000000a1");
}

/* --- what was sent --- */

static void sent_strangers(void **state)
{
	static const char *const ours[] = {
		"client1", "client1.old", "a", ".lock", "abcdefghijklmnopqrstuvwxyz012345.old"};
	static const char *const nobodys[] = {"Client1", ".old", "x.new",
		"abcdefghijklmnopqrstuvwxyz0123456", "abcdefghijklmnopqrstuvwxyz0123456.old"};
	char path[128];
	int fd;

	(void)state;
	assert_true(mkdirat(folder.fd, ".sent", 0700) == 0 || errno == EEXIST);
	for (size_t i = 0; i < COUNT(ours); i++) {
		(void)snprintf(path, sizeof path, ".sent/%s", ours[i]);
		spew_text(path, "");
	}
	look(NULL);
	assert_told(0, 0, "");
	for (size_t i = 0; i < COUNT(nobodys); i++) {
		(void)snprintf(path, sizeof path, ".sent/%s", nobodys[i]);
		spew_text(path, "");
		(void)snprintf(path, sizeof path, ".sent/%s is nobody's", nobodys[i]);
		assert_finds(NULL, true, path);
		(void)snprintf(path, sizeof path, ".sent/%s", nobodys[i]);
		remove_path(path);
	}
	assert_int_equal(mkdirat(folder.fd, ".sent/client2", 0700), 0);
	assert_finds(NULL, true, ".sent/client2 is nobody's");
	remove_path(".sent/client2");
	fd = openat(folder.fd, ".sent/client2", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && ftruncate(fd, (8 << 20) + 1) == 0);
	assert_int_equal(close(fd), 0);
	assert_finds(NULL, false, ".sent/client2, by which retries are known: ");
	remove_path(".sent/client2");
}

/* --- their folders --- */

static void no_folders(void **state)
{
	static const char *const names[] = {JOURNAL_FOLDER, SPOOL_FOLDER, ".sent"};
	char path[64];

	(void)state;
	assert_true(mkdirat(folder.fd, ".sent", 0700) == 0 || errno == EEXIST);
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_int_equal(renameat(folder.fd, names[i], folder.fd, "aside"), 0);
		look(NULL);
		assert_told(0, 0, ""); /* the server makes it */
		spew_text(names[i], "x");
		(void)snprintf(path, sizeof path, "%s is a file, and no folder", names[i]);
		assert_finds(NULL, false, path);
		remove_path(names[i]);
		assert_int_equal(symlinkat("aside", folder.fd, names[i]), 0);
		(void)snprintf(path, sizeof path, "%s is a symlink, and no folder", names[i]);
		assert_finds(NULL, false, path);
		remove_path(names[i]);
		assert_int_equal(renameat(folder.fd, "aside", folder.fd, names[i]), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("what is nobody's in the spool is named, and what it is", spool_strangers),
		T_STORE("what a crash left in the spool is told from what is needed",
			spool_leftovers),
		T_STORE("a large message whose text is gone is a loss", spool_lost),
		T_STORE("what is none of the journal is told from what is damaged",
			journal_strangers),
		T_STORE("what is none of what was sent is named", sent_strangers),
		T_STORE("a folder that is none stops deliveries; one that is not there does not",
			no_folders),
	};

	return RUN(tests);
}
