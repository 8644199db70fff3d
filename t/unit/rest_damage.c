/* What is noticed when the files of mail at rest are changed, and what outlives an index. */
#include <dirent.h>

#include "rest.h"

/* The one message's file in a mailbox. */
static void find_file(const char *user, char out[static PATH_MAX])
{
	int fd = openat(folder.fd, rest_path(user, ""), O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	const struct dirent *entry;

	out[0] = '\0';
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.') {
			assert_int_equal(out[0], '\0');
			(void)snprintf(out, PATH_MAX, "%s", rest_path(user, entry->d_name));
		}
	}
	assert_int_equal(closedir(d), 0);
	assert_int_not_equal(out[0], '\0');
}

static int read_all(const char *user, int i)
{
	struct mailbox_reader *r = NULL;
	uint8_t byte;
	uint64_t size = 0;
	int rc = box->ops->open(box, user, &rows[i].ref, &r, &size, &e);

	for (uint64_t at = 0; rc == 0 && at < size; at += at + 1000 < size ? 1000 : 1) {
		rc = box->ops->read(r, at, &byte, 1, &e);
	}
	box->ops->done(r);
	return rc;
}

/* In the file, and so in what every reader of it sees. */
static void flip(int fd, off_t at)
{
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* Every byte but those of the other's copy of the key, and of the room behind the seal's end,
 * which is vouched for, too. */
static void each_flip(void **state)
{
	char path[PATH_MAX];
	struct timespec times[2];
	struct stat st;

	(void)state;
	assert_int_equal(deliver("T", "some words of content", "client1;client2"), 0);
	assert_int_equal(list("client2"), 1);
	find_file("client2", path);
	assert_int_equal(fstatat(folder.fd, path, &st, 0), 0);
	int fd = openat(folder.fd, path, O_RDWR);
	off_t others = st.st_size - 2 * REST_WRAP; /* client1's */
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	for (off_t at = 0; at < st.st_size; at++) {
		bool spared = at >= others && at < others + REST_WRAP;
		flip(fd, at);
		assert_int_equal(futimens(fd, times), 0); /* the index believes in it */
		int rc = read_all("client2", 0);
		if (rc != (spared ? 0 : -1) || (rc != 0 && e.code != EX_DATAERR)) {
			fail_msg("byte %ld flipped: %d %s", (long)at, rc, rc == 0 ? "" : e.text);
		}
		flip(fd, at);
		assert_int_equal(futimens(fd, times), 0);
	}
	assert_int_equal(read_all("client2", 0), 0);
	assert_int_equal(close(fd), 0);
}

static void a_piece_for_another(void **state)
{
	enum { N = 2 * REST_PIECE };
	uint8_t first[REST_PIECE + GCM_TAG], second[REST_PIECE + GCM_TAG];
	char *text = malloc(N + 1), path[PATH_MAX];
	struct timespec times[2];
	struct stat st;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', N);
	text[N] = '\0';
	assert_int_equal(deliver("T", text, "client1"), 0);
	assert_int_equal(list("client1"), 1);
	find_file("client1", path);
	assert_int_equal(fstatat(folder.fd, path, &st, 0), 0);
	int fd = openat(folder.fd, path, O_RDWR);
	off_t at = st.st_size - REST_WRAP - (off_t)(sizeof first + sizeof second);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(pread(fd, first, sizeof first, at), sizeof first);
	assert_int_equal(pread(fd, second, sizeof second, at + (off_t)sizeof first), sizeof second);
	assert_int_equal(pwrite(fd, second, sizeof second, at), sizeof second);
	assert_int_equal(pwrite(fd, first, sizeof first, at + (off_t)sizeof second), sizeof first);
	assert_int_equal(futimens(fd, times), 0);
	assert_refused(read_all("client1", 0), e, EX_DATAERR);
	assert_int_equal(close(fd), 0);
	free(text);
}

static void cut_and_foreign_files(void **state)
{
	char path[PATH_MAX], other[PATH_MAX];
	struct stat st;

	(void)state;
	assert_int_equal(deliver("kept", "sound", "client1"), 0);
	assert_int_equal(deliver("of client2", "not for client1", "client2"), 0);
	find_file("client2", path);
	assert_int_equal(list("client2"), 1);
	/* put into another's mailbox, it is listed, but has no key there */
	(void)snprintf(other, sizeof other, "%s", rest_path("client1", "foreign.txt"));
	assert_int_equal(linkat(folder.fd, path, folder.fd, other, 0), 0);
	reopen_rest();
	assert_int_equal(list("client1"), 2);
	assert_string_equal(rows[1].meta.title, "of client2");
	assert_refused(read_all("client1", 1), e, EX_DATAERR);
	assert_int_equal(read_all("client1", 0), 0);
	/* a byte less, and it is damaged as soon as the folder is looked at */
	assert_int_equal(fstatat(folder.fd, path, &st, 0), 0);
	int fd = openat(folder.fd, path, O_RDWR);
	assert_int_equal(ftruncate(fd, st.st_size - 1), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlinkat(folder.fd, rest_path("client2", ".index"), 0), 0);
	reopen_rest();
	assert_int_equal(list("client2"), 1);
	assert_true(rows[0].meta.damaged);
	assert_refused(read_all("client2", 0), e, EX_DATAERR);
	assert_int_equal(list("client1"), 2);
	assert_false(rows[0].meta.damaged);
}

static void lost_indexes(void **state)
{
	struct buf before, after;

	(void)state;
	assert_int_equal(deliver("first", "<1>", "client1;client2"), 0);
	assert_int_equal(deliver("second", "<2>", "client2"), 0);
	assert_int_equal(list("client2"), 2);
	before = (struct buf){0};
	after = (struct buf){0};
	assert_int_equal(buf_append(&before, &rows[0].meta, sizeof rows[0].meta), 0);
	assert_int_equal(buf_append(&before, &rows[1].meta, sizeof rows[1].meta), 0);
	assert_int_equal(unlinkat(folder.fd, rest_path("client2", ".index"), 0), 0);
	reopen_rest();
	assert_int_equal(list("client2"), 2);
	for (int i = 0; i < 2; i++) {
		const struct mailbox_meta *was = (const struct mailbox_meta *)(before.p) + i,
					  *is = &rows[i].meta;
		assert_memory_equal(was->id, is->id, sizeof is->id);
		assert_int_equal(was->time_us, is->time_us);
		assert_int_equal(was->chars, is->chars);
		assert_int_equal(was->bytes, is->bytes);
		assert_string_equal(was->title, is->title);
		assert_string_equal(was->source, is->source);
		assert_int_equal(read_all("client2", i), 0);
	}
	buf_free(&before);
	buf_free(&after);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T_REST("each bit that was flipped is noticed", each_flip),
		T_REST("two pieces that changed places are noticed", a_piece_for_another),
		T_REST("what was cut is damaged; another's message has no key here",
			cut_and_foreign_files),
		T_REST("an index that was lost is made anew, of the files alone", lost_indexes),
	};

	return RUN(tests);
}
