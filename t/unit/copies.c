/* Letters that are delivered a second time: what was deleted, and what has no id inside. */
#include "unit.h"

#include "../../store/copies.h"

static struct err e;

static const uint8_t ids[3][COPIES_ID] = {{1}, {2}, {3}};
static const uint8_t one[COPIES_ID] = {0xa1}, other[COPIES_ID] = {0xa2};

static enum copies_verdict judge(const uint8_t *id, const uint8_t *digest)
{
	enum copies_verdict v = COPIES_MOVED;

	assert_int_equal(copies_judge(folder.fd, id, digest, &v, &e), 0);
	return v;
}

static void deleted(void **state)
{
	(void)state;
	assert_int_equal(judge(ids[0], NULL), COPIES_NONE);
	assert_int_equal(copies_deleted(folder.fd, ids, 2, &e), 0);
	assert_int_equal(judge(ids[0], NULL), COPIES_DELETED);
	assert_int_equal(judge(ids[1], NULL), COPIES_DELETED);
	assert_int_equal(judge(ids[1], one), COPIES_DELETED);
	assert_int_equal(judge(ids[2], NULL), COPIES_NONE);
	assert_int_equal(copies_deleted(folder.fd, ids, 0, &e), 0);
}

static void moved(void **state)
{
	(void)state;
	assert_int_equal(judge(ids[0], one), COPIES_NONE);
	assert_int_equal(judge(ids[1], one), COPIES_MOVED);
	assert_int_equal(judge(ids[1], other), COPIES_NONE);
	assert_int_equal(judge(ids[0], one), COPIES_NONE); /* it is the first that counts */
	assert_int_equal(judge(ids[0], other), COPIES_MOVED);
	assert_int_equal(copies_deleted(folder.fd, ids, 1, &e), 0);
	assert_int_equal(judge(ids[0], one), COPIES_DELETED);
}

/* The oldest are forgotten, and nothing else is. */
static void many(void **state)
{
	static uint8_t all[COPIES_MAX][COPIES_ID];

	(void)state;
	for (size_t i = 0; i < COPIES_MAX; i++) {
		all[i][0] = 9;
		put_u32le(all[i] + 1, (uint32_t)i);
	}
	assert_int_equal(copies_deleted(folder.fd, ids, 2, &e), 0);
	assert_int_equal(
		copies_deleted(folder.fd, (const uint8_t(*)[COPIES_ID])all, COPIES_MAX - 1, &e), 0);
	assert_int_equal(judge(ids[0], NULL), COPIES_NONE);
	assert_int_equal(judge(ids[1], NULL), COPIES_DELETED);
	assert_int_equal(judge(all[COPIES_MAX - 2], NULL), COPIES_DELETED);
}

static void damaged(void **state)
{
	enum copies_verdict v;
	int fd;

	(void)state;
	assert_int_equal(copies_deleted(folder.fd, ids, 2, &e), 0);
	fd = openat(folder.fd, COPIES_FILE, O_WRONLY);
	assert_int_equal(pwrite(fd, "x", 1, 80), 1);
	assert_int_equal(copies_judge(folder.fd, ids[0], NULL, &v, &e), -1);
	assert_int_equal(e.code, EX_CONFIG);
	assert_non_null(strstr(e.text, COPIES_FILE ":2"));
	assert_int_equal(copies_deleted(folder.fd, ids, 1, &e), -1);
	assert_int_equal(ftruncate(fd, 70), 0);
	assert_int_equal(copies_judge(folder.fd, ids[0], NULL, &v, &e), -1);
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("a letter that was deleted is known", deleted),
		T_FOLDER("one without an id is known by what is in it", moved),
		T_FOLDER("the oldest are forgotten", many),
		T_FOLDER("a damaged file is named, and not replaced", damaged),
	};
	return RUN(tests);
}
