/* Rows of the inbox; see rows.h. */
#include "rows.h"

#include "cli.h"

void rows_print_title(const struct mail_row *row, const char *word)
{
	char shown[2048];

	if (row->damaged || word != NULL) {
		(void)printf("(%s) ", row->damaged ? "damaged" : word);
	}

	if (row->id.n == 0) {
		cli_print(row->title.p, row->title.n);
	} else {
		(void)escape_text(shown, sizeof shown, row->title.p, row->title.n, false);
		(void)fputs(shown, stdout);
	}
}

void rows_print(const struct mail_row *row, const char *mark, const char *word)
{
	(void)printf("%-6llu %-10.*s %.*s  ", (unsigned long long)row->index, (int)row->from.n,
		(const char *)row->from.p, (int)row->time.n, (const char *)row->time.p);
	if (mark != NULL) {
		(void)printf("%-8s ", mark);
	}
	rows_print_title(row, word);
	(void)puts("");
}

int rows_print_head(const struct mail_received *m, struct err *e)
{
	struct buf head = {0};
	int64_t us;
	int rc = -1;

	if (message_parse_time(m->time.p, m->time.n, &us) != 0) {
		return err_set(e, EX_PROTOCOL, "the server's message has no time");
	}
	if (message_format(&head, m->from, m->to, us, m->title, m->chars) == 0) {
		cli_print(head.p, head.n);
		rc = 0;
	}
	buf_free(&head);
	return rc == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}
