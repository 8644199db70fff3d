/* Lists of recipients, as they stand in a To line; see users.h. */
#include "users.h"

static bool listed(const struct users_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->names[i], name) == 0) {
			return true;
		}
	}
	return false;
}

/* One part between semicolons, its blanks gone, into the list. */
static int take_part(struct users_list *l, const uint8_t *p, size_t n, struct err *e)
{
	char name[USER_NAME_MAX + 1], shown[80];

	while (n > 0 && (p[0] == ' ' || p[0] == '\t')) {
		p++;
		n--;
	}
	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t')) {
		n--;
	}
	if (n == 0) {
		return 0;
	}
	memcpy(name, p, n <= USER_NAME_MAX ? n : 0);
	name[n <= USER_NAME_MAX ? n : 0] = '\0';
	if (memchr(p, '\0', n) != NULL || !user_name_valid(name)) {
		(void)escape_text(shown, sizeof shown, p, n, false);
		return err_set(e, EX_NOUSER, "no such user: %s", shown);
	}
	if (listed(l, name)) {
		return 0;
	}
	if (l->n == USERS_LIST_MAX) {
		return err_set(e, EX_DATAERR, "more than %d recipients", USERS_LIST_MAX);
	}
	memcpy(l->names[l->n++], name, n + 1);
	return 0;
}

int users_split(struct users_list *out, const void *text, size_t n, struct err *e)
{
	const uint8_t *p = n == 0 ? (const uint8_t *)"" : text;
	size_t parts = 1, start = 0;

	*out = (struct users_list){0};
	for (size_t i = 0; i < n; i++) {
		parts += p[i] == ';' ? 1 : 0;
	}
	out->names = calloc(parts < USERS_LIST_MAX ? parts : USERS_LIST_MAX, sizeof *out->names);
	if (out->names == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	for (size_t i = 0; i <= n; i++) {
		if (i == n || p[i] == ';') {
			if (take_part(out, p + start, i - start, e) != 0) {
				users_list_free(out);
				return -1;
			}
			start = i + 1;
		}
	}
	if (out->n == 0) {
		users_list_free(out);
		return err_set(e, EX_DATAERR, "no recipient is named");
	}
	return 0;
}

void users_list_free(struct users_list *l)
{
	free(l->names);
	*l = (struct users_list){0};
}
