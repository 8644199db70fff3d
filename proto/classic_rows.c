/* The rows of a list, as a client reads them; see classic_client.h. */
#include "classic_client.h"

static struct message_part take_word(struct cursor *c)
{
	struct message_part w;

	while (cursor_left(c) > 0 && c->p[0] == ' ') {
		(void)get_u8(c);
	}
	w.p = c->p;
	while (cursor_left(c) > 0 && c->p[0] != ' ') {
		(void)get_u8(c);
	}
	w.n = (size_t)(c->p - w.p);
	return w;
}

/* "1      client2    2022-07-21 19:29:35.768508  Test2": two words, the time, two blanks, the
 * title. */
static bool parse_row(struct cursor line, struct classic_row *row)
{
	uint64_t number;

	row->index = take_word(&line);
	row->from = take_word(&line);
	row->time = take_word(&line); /* the day; the time of day follows */
	row->time.n += take_word(&line).n + 1;
	if (parse_decimal(row->index.p, row->index.n, UINT64_MAX, &number) != 0 ||
		row->time.n != MESSAGE_TIME_LEN) {
		return false;
	}
	(void)get_literal(&line, line.n < 2 ? "" : "  ");
	row->title = (struct message_part){.p = line.p, .n = line.n};
	return !line.failed;
}

int classic_check_list(const struct buf *list, struct err *e)
{
	struct classic_row row;
	size_t at = 0, lead = strlen(CLASSIC_LIST_HEAD);

	if (list->n < lead || memcmp(list->p, CLASSIC_LIST_HEAD, lead) != 0) {
		return err_set(e, EX_TEMPFAIL, "the server sent no list: %.*s",
			(int)(list->n < 200 ? list->n : 200), (const char *)list->p);
	}
	while (classic_row_next(list, &at, &row)) {
	}
	return at == list->n ? 0 : err_set(e, EX_PROTOCOL, "a row of the server's list is no row");
}

bool classic_row_next(const struct buf *list, size_t *at, struct classic_row *row)
{
	while (*at < list->n) {
		const uint8_t *start = list->p + *at, *lf = memchr(start, '\n', list->n - *at);
		size_t n = lf == NULL ? list->n - *at : (size_t)(lf - start);
		bool heading = *at == 0;
		*at += n + (lf == NULL ? 0 : 1);
		if (!heading && n > 0) {
			return parse_row(cursor_over(start, n), row);
		}
	}
	return false;
}
