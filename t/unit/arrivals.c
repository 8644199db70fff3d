/* Listing in the order of arrival: nothing that comes late is ahead of what somebody has seen. */
#include "store.h"

static int behind(const uint8_t *after)
{
	rows_n = 0;
	return box->ops->list_behind(box, "client1", after, visit_row, NULL, &e);
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

static void by_arrival(void **state)
{
	uint8_t c[MAILBOX_ID_BYTES], none[MAILBOX_ID_BYTES] = {1};

	(void)state;
	deliver_late();
	assert_int_equal(list("client1"), 3);
	assert_rows("a1 b2 c3 ");
	memcpy(c, rows[2].meta.id, sizeof c);
	assert_int_equal(behind(NULL), 0);
	assert_rows("c3 a1 b2 "); /* the index is that of the other list */
	assert_int_equal(behind(c), 0);
	assert_rows("a1 b2 ");
	assert_int_equal(behind(rows[1].meta.id), 0);
	assert_rows("");
	assert_refused(behind(none), e, EX_NOINPUT);
}

/* A restart looks at the folder anew. */
static void across_a_restart(void **state)
{
	(void)state;
	deliver_late();
	assert_int_equal(list("client1"), 3);
	reopen_store();
	assert_int_equal(behind(NULL), 0);
	assert_rows("c3 a1 b2 ");
	assert_int_equal(deliver_at("d", "x", "client1", 500000), 0);
	reopen_store();
	assert_int_equal(behind(NULL), 0);
	assert_rows("c4 a2 b3 d1 ");
	assert_int_equal(unlinkat(folder.fd, "client1/.index", 0), 0);
	assert_int_equal(behind(NULL), 0); /* where it was lost, times are all there is */
	assert_rows("d1 a2 b3 c4 ");
}

static void name_given_to_another(void **state)
{
	struct mailbox_ref first;

	(void)state;
	assert_int_equal(deliver("t", "x", "client1"), 0);
	assert_int_equal(list("client1"), 1);
	first = rows[0].ref;
	assert_int_equal(box->ops->remove(box, "client1", &first, &e), 0);
	assert_int_equal(deliver("t", "y", "client1"), 0); /* under the same name */
	assert_refused(box->ops->remove(box, "client1", &first, &e), e, EX_NOINPUT);
	assert_int_equal(list("client1"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("what comes late is behind what was seen", by_arrival),
		T_STORE("and stays there across a restart", across_a_restart),
		T_STORE("a removal twice takes nothing that has the name since",
			name_given_to_another),
	};
	return RUN(tests);
}
