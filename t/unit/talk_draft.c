/* A packet that arrives in pieces: none before it is put, whole then, and nothing of it lies about
 * when it is not. */
#include "talk.h"

#include <sys/resource.h>

#include "../../store/talk_files.h"

enum { LARGE = 3 * TALK_PIECE + 17 };

static uint8_t *bytes;

static int make(void **state)
{
	bytes = malloc(TALK_PACKET_MAX);
	for (size_t i = 0; bytes != NULL && i < TALK_PACKET_MAX; i++) {
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	}
	return bytes == NULL ? -1 : talk_make(state);
}

static int drop(void **state)
{
	free(bytes);
	return talk_drop(state);
}

#define T_DRAFT(title, function)                  \
	{                                         \
		title, function, make, drop, NULL \
	}

static struct talk_draft *begin_post(const struct talk_post *post, size_t n)
{
	struct talk_draft *d;

	if (talk_begin(talk, post, n, &d, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return d;
}

static struct talk_draft *begin(const char *to)
{
	struct talk_post post = post_of("alice", to, 1);

	return begin_post(&post, TALK_PACKET_MAX);
}

/* n bytes of what there is, in pieces of so many. */
static void append(struct talk_draft *d, size_t n, size_t piece)
{
	for (size_t at = 0, k; at < n; at += k) {
		k = n - at < piece ? n - at : piece;
		assert_int_equal(talk_append(d, bytes + at, k, &e), 0);
	}
}

static int finish(struct talk_draft *d, uint64_t number, bool *again, bool *full)
{
	struct talk_post post = post_of("alice", "bob", number);

	return talk_put_draft(talk, &post, d, again, full, &e);
}

static void of_every_size(void **state)
{
	static const size_t sizes[] = {
		1, TALK_PIECE - 1, TALK_PIECE, TALK_PIECE + 1, LARGE, TALK_PACKET_MAX};
	bool again, full;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct talk_draft *d = begin("bob");
		append(d, sizes[i], 65519);
		assert_int_equal(count("bob"), i); /* it is no packet yet */
		assert_int_equal(finish(d, i + 1, &again, &full), 0);
		assert_false(again);
		talk_end(d);
	}
	look("bob"); /* which judges each by its id */
	assert_int_equal(seen_n, COUNT(sizes));
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(seen[i].n, sizes[i]);
	}
	assert_int_equal(count_names(".chat/bob/waiting"), COUNT(sizes));
}

static void of_no_size(void **state)
{
	struct talk_post nobody = post_of("alice", "../bob", 1), post = post_of("alice", "bob", 1);
	struct talk_draft *d = begin("bob"), *none;
	bool again, full;

	(void)state;
	assert_refused(finish(d, 1, &again, &full), e, EX_DATAERR);
	append(d, TALK_PACKET_MAX, TALK_PACKET_MAX);
	assert_refused(talk_append(d, "x", 1, &e), e, EX_DATAERR);
	assert_int_equal(finish(d, 1, &again, &full), 0); /* without what did not fit */
	talk_end(d);
	look("bob");
	assert_int_equal(seen_n, 1);
	assert_refused(talk_begin(talk, &nobody, 1, &none, &e), e, EX_DATAERR);
	assert_refused(talk_begin(talk, &post, 0, &none, &e), e, EX_DATAERR);
	assert_refused(talk_begin(talk, &post, TALK_PACKET_MAX + 1, &none, &e), e, EX_DATAERR);
	d = begin_post(&post, 10);
	assert_int_equal(talk_append(d, bytes, 10, &e), 0);
	assert_refused(talk_append(d, "x", 1, &e), e, EX_DATAERR); /* than was announced */
	talk_end(d);
}

static void kept_once(void **state)
{
	struct talk_post post = post_of("alice", "bob", 1);
	bool again, full;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct talk_draft *d = begin("bob");
		append(d, LARGE, TALK_PIECE);
		assert_int_equal(finish(d, 1, &again, &full), 0);
		assert_int_equal(again, i);
		talk_end(d);
	}
	assert_int_equal(talk_put(talk, &post, bytes, LARGE, &again, &full, &e), 0);
	assert_true(again); /* however it comes */
	assert_int_equal(count("bob"), 1);
	assert_int_equal(count_names(".chat/bob/waiting"), 1);
}

/* It was taken meanwhile. */
static void without_room(void **state)
{
	struct talk_post post = post_of("alice", "bob", 1);
	struct talk_draft *d;
	bool again, full;

	(void)state;
	post.max_bytes = LARGE;
	d = begin_post(&post, LARGE);
	append(d, LARGE, TALK_PIECE);
	assert_int_equal(count_names(".chat/bob/waiting"), 1);
	assert_int_equal(put("carol", "bob", 1, "x"), 0);
	assert_refused(talk_put_draft(talk, &post, d, &again, &full, &e), e, EX_TEMPFAIL);
	assert_true(full);
	talk_end(d);
	assert_int_equal(count_names(".chat/bob/waiting"), 1); /* carol's */
}

/* Who has no room writes nothing while he sends; but what he brings again was kept. */
static void over_the_share(void **state)
{
	struct talk_post post = post_of("alice", "bob", 1);
	struct talk_draft *d;
	bool again, full;

	(void)state;
	post.max_bytes = (uint64_t)TALK_SHARE * LARGE;
	for (uint64_t i = 1; i <= 3; i++) { /* kept; again; another one */
		post.number = i == 3 ? 2 : 1;
		d = begin_post(&post, LARGE);
		append(d, LARGE, TALK_PIECE);
		assert_int_equal(count_names(".chat/bob/waiting"), 1);
		again = full = false;
		if (i < 3) {
			assert_int_equal(talk_put_draft(talk, &post, d, &again, &full, &e), 0);
			assert_int_equal(again, i == 2);
		} else {
			assert_refused(
				talk_put_draft(talk, &post, d, &again, &full, &e), e, EX_TEMPFAIL);
			assert_true(full);
			assert_non_null(strstr(e.text, "for more from you"));
		}
		talk_end(d);
	}
	assert_int_equal(count("bob"), 1);
	post.from = "carol"; /* who has a share of her own */
	d = begin_post(&post, LARGE);
	append(d, LARGE, TALK_PIECE);
	assert_int_equal(count_names(".chat/bob/waiting"), 2);
	assert_int_equal(talk_put_draft(talk, &post, d, &again, &full, &e), 0);
	talk_end(d);
	look("bob");
	done("bob", 0, 2);
	post = post_of("erin", "bob", 1); /* and nobody, where all of it is too little */
	post.max_bytes = LARGE - 1;
	d = begin_post(&post, LARGE);
	append(d, LARGE, TALK_PIECE);
	assert_int_equal(count_names(".chat/bob/waiting"), 0);
	assert_refused(talk_put_draft(talk, &post, d, &again, &full, &e), e, EX_TEMPFAIL);
	assert_true(full);
	talk_end(d);
}

static void find(void *arg, bool harmless, const char *what)
{
	char *found = arg;

	(void)harmless;
	(void)snprintf(found, 200, "%s", what);
}

static void live_and_dead(void **state)
{
	struct talk_draft *d = begin("bob");
	char found[200] = "";
	bool again, full;

	(void)state;
	append(d, 100, 100);
	spew_text(".chat/bob/waiting/.0123.new", "left by who was killed");
	assert_int_equal(talk_check(talk, "bob", find, found, &e), 0);
	assert_string_equal(found, "chat: left by a program that died: .0123.new");
	assert_int_equal(put("carol", "bob", 1, "meanwhile"), 0);
	look("bob");
	assert_int_equal(seen_n, 1);
	done("bob", 0, 1);
	assert_int_equal(count_names(".chat/bob/waiting"), 1); /* the one that is being written */
	append(d, LARGE, TALK_PIECE);
	assert_int_equal(finish(d, 1, &again, &full), 0);
	talk_end(d);
	look("bob");
	assert_int_equal(seen_n, 1);
	assert_int_equal(seen[0].n, LARGE + 100);
}

/* Of what cannot be opened it is not known that its writer died. */
static void live_without_descriptors(void **state)
{
	struct talk_draft *d = begin("bob");
	int dir = openat(folder.fd, ".chat/bob/waiting", O_RDONLY | O_DIRECTORY), next = dup(dir);
	struct rlimit was, few;
	bool live;
	int rc;

	(void)state;
	assert_int_equal(symlinkat("nowhere", dir, ".link.new"), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(next > dir);
	(void)close(next);
	few = (struct rlimit){(rlim_t)next, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	live = talk_is_live(dir, d->name);
	few.rlim_cur++; /* enough to list the folder, and no more */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	rc = talk_sweep(dir, false, &e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(live);
	assert_int_equal(rc, 0);
	assert_int_equal(faccessat(dir, d->name, F_OK, 0), 0);
	assert_true(talk_is_live(dir, d->name));
	assert_false(talk_is_live(dir, ".gone.new"));
	assert_int_equal(talk_sweep(dir, false, &e), 0);
	assert_int_equal(count_names(".chat/bob/waiting"), 1); /* a link is nobody's draft */
	(void)close(dir);
	talk_end(d);
}

static void of_a_user_who_goes(void **state)
{
	struct talk_draft *d = begin("bob");
	bool again, full;

	(void)state;
	append(d, LARGE, TALK_PIECE);
	assert_int_equal(talk_forget(talk, "bob", &e), 0);
	assert_refused(finish(d, 1, &again, &full), e, EX_TEMPFAIL);
	talk_end(d);
	assert_int_equal(count("bob"), 0);
}

/* One that is changed or cut between two pieces is not told to its end as if it were whole. */
static int cut(void *arg, const struct talk_packet *packet, struct err *why)
{
	const uint8_t *p;
	size_t n;
	int fd = openat(folder.fd, arg, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(talk_piece(packet, 0, &p, &n, why), 0);
	assert_int_equal(ftruncate(fd, TALK_PIECE + 1), 0);
	(void)close(fd);
	return talk_piece(packet, TALK_PIECE, &p, &n, why);
}

static void cut_while_it_is_read(void **state)
{
	char path[512];
	bool again, full;
	struct talk_draft *d = begin("bob");

	(void)state;
	append(d, LARGE, TALK_PIECE);
	assert_int_equal(finish(d, 1, &again, &full), 0);
	talk_end(d);
	assert_int_equal(put("carol", "bob", 1, "small"), 0);
	look("bob");
	assert_int_equal(seen_n, 2);
	int dir = openat(folder.fd, ".chat/bob/waiting", O_RDONLY | O_DIRECTORY);
	DIR *names = fdopendir(dir);
	const struct dirent *entry;
	path[0] = '\0';
	while ((entry = readdir(names)) != NULL) {
		if (strstr(entry->d_name, "-alice") != NULL) {
			(void)snprintf(path, sizeof path, ".chat/bob/waiting/%s", entry->d_name);
		}
	}
	(void)closedir(names);
	assert_refused(talk_waiting(talk, "bob", NULL, cut, path, &e), e, EX_DATAERR);
	look("bob"); /* the next time it is put aside */
	assert_int_equal(seen_n, 1);
	assert_string_equal(seen[0].from, "carol");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_DRAFT("pieces become packets of every size", of_every_size),
		T_DRAFT("none, and too many, do not", of_no_size),
		T_DRAFT("what comes again is kept once", kept_once),
		T_DRAFT("what has no room leaves nothing", without_room),
		T_DRAFT("who has no room writes nothing while he sends", over_the_share),
		T_DRAFT("what is being written is not swept, what was left is", live_and_dead),
		T_DRAFT("what cannot be opened is not swept", live_without_descriptors),
		T_DRAFT("nothing is kept for who is gone", of_a_user_who_goes),
		T_DRAFT("a packet that is cut is not told as whole", cut_while_it_is_read),
	};

	return RUN(tests);
}
