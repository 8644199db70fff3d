/* The order of arrival, where files keep it: in the index, which may be lost. */
#include "store.h"

static int behind(void)
{
	rows_n = 0;
	return box->ops->list_behind(box, "client1", NULL, visit_row, NULL, &e);
}

static void assert_rows(const char *titles)
{
	char got[64] = "";

	for (int i = 0; i < rows_n; i++) {
		(void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d ",
			rows[i].meta.title, (int)rows[i].meta.index);
	}
	assert_string_equal(got, titles);
}

/* Their times are 3, 1 and 2. */
static void deliver_late(void)
{
	assert_int_equal(deliver_at("c", "x", "client1", 3000000), 0);
	assert_int_equal(deliver_at("a", "x", "client1", 1000000), 0);
	assert_int_equal(deliver_at("b", "x", "client1", 2000000), 0);
}

/* A restart looks at the folder anew. */
static void across_a_restart(void **state)
{
	(void)state;
	deliver_late();
	assert_int_equal(list("client1"), 3);
	reopen_store();
	assert_int_equal(behind(), 0);
	assert_rows("c3 a1 b2 ");
	assert_int_equal(deliver_at("d", "x", "client1", 500000), 0);
	reopen_store();
	assert_int_equal(behind(), 0);
	assert_rows("c4 a2 b3 d1 ");
	assert_int_equal(unlinkat(folder.fd, "client1/.index", 0), 0);
	assert_int_equal(behind(), 0); /* where it was lost, times are all there is */
	assert_rows("d1 a2 b3 c4 ");
}

/* A power cut may empty it, and somebody deliver before anybody looks. */
static void ahead_of_what_came_since(void **state)
{
	(void)state;
	deliver_late();
	stay_unsettled = true;
	spew_text("client1/.index", "");
	assert_int_equal(deliver_at("e", "x", "client1", 900000), 0);
	assert_int_equal(deliver_at("d", "x", "client1", 500000), 0);
	assert_int_equal(behind(), 0);
	assert_rows("a3 b4 c5 e2 d1 ");
	stay_unsettled = false;
}

/* A second link has the first one's id: it is listed under its own, which it keeps. */
static void second_link(void **state)
{
	uint8_t id[MAILBOX_ID_BYTES], own[MAILBOX_ID_BYTES];

	(void)state;
	assert_int_equal(deliver("a", "content", "client1"), 0);
	memcpy(id, last.id, sizeof id);
	for (int again = 0; again < 3; again++) {
		if (again == 0) {
			assert_int_equal(linkat(folder.fd, "client1/client1_a.txt", folder.fd,
						 "client1/again.txt", 0),
				0);
		} else {
			assert_int_equal(unlinkat(folder.fd, "client1/.index", 0), 0);
		}
		assert_int_equal(behind(), 0);
		assert_int_equal(rows_n, 2);
		assert_true(
			row_holds("client1", 0, "content") && row_holds("client1", 1, "content"));
		assert_memory_not_equal(rows[0].meta.id, rows[1].meta.id, sizeof id);
		int first = memcmp(rows[0].meta.id, id, sizeof id) == 0 ? 0 : 1;
		assert_memory_equal(rows[first].meta.id, id, sizeof id);
		if (again == 2) { /* which of the two is the first, the names tell then */
			assert_memory_equal(rows[1 - first].meta.id, own, sizeof own);
		}
		memcpy(own, rows[1 - first].meta.id, sizeof own);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("the order of arrival outlives a restart, and is that of times without an "
			"index",
			across_a_restart),
		T_STORE("a second link is a message of its own", second_link),
		T_STORE("what an index had that was lost is ahead of what came since",
			ahead_of_what_came_since),
	};
	return RUN(tests);
}
