/* The table of dialects; see classic_dialect.h. */
#include "classic_dialect.h"

#include "classic.h"

enum {
	/* Programs of the python dialect take what one recv brings as one text: two of them that
	 * arrive together would be one. Long enough for a reader to come back, on a machine that
	 * is not overloaded; short enough that nobody notices. */
	PYTHON_GAP_MS = 50
};

static const struct classic_dialect dialects[] = {
	{.name = "spec",
		.port = "13000",
		.opening = {{CLASSIC_C, CLASSIC_SAY, CLASSIC_OK}},
		.send = {{CLASSIC_S, CLASSIC_SAY, CLASSIC_SEND_PROMPT},
			{CLASSIC_C, CLASSIC_MAIL, NULL}},
		.list = {{CLASSIC_S, CLASSIC_LIST, NULL}, {CLASSIC_C, CLASSIC_SAY, CLASSIC_OK}},
		.view = {{CLASSIC_S, CLASSIC_ASK, CLASSIC_INDEX_PROMPT},
			{CLASSIC_C, CLASSIC_INDEX, NULL}, {CLASSIC_S, CLASSIC_MAIL, NULL}},
		.first = 1},
	{.name = "python",
		.port = "12049",
		.send = {{CLASSIC_C, CLASSIC_MAIL, "size OK"}},
		.list = {{CLASSIC_S, CLASSIC_LIST, "size OK"}},
		.view = {{CLASSIC_S, CLASSIC_ASK, "Enter the email index you wish to view: "},
			{CLASSIC_C, CLASSIC_INDEX, NULL}, {CLASSIC_S, CLASSIC_MAIL, CLASSIC_OK}},
		.first = 0,
		.nothing_listed = "ERROR1",
		.no_such = "ERROR2",
		.hashed_login = true,
		.short_keys = true,
		.loose = true,
		.gap_ms = PYTHON_GAP_MS},
};

const struct classic_dialect *const classic_spec = &dialects[0];
const char classic_dialect_names[] = "spec python";

const struct classic_dialect *classic_dialect_find(const char *name)
{
	for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++) {
		if (strcmp(name, dialects[i].name) == 0) {
			return &dialects[i];
		}
	}
	return NULL;
}

int classic_walk(
	const struct classic_side *side, const struct classic_step *steps, void *arg, struct err *e)
{
	int rc = 0;

	for (; rc == 0 && steps->what != CLASSIC_END; steps++) {
		rc = (steps->who == side->who ? side->put : side->take)[steps->what](arg, steps, e);
	}
	return rc;
}
