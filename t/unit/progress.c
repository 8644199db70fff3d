/* Bytes as a person reads them. */
#include "unit.h"

#include "../../cmd/progress.h"

static void bytes_have_units(void **state)
{
	static const struct {
		uint64_t n;
		const char *text;
	} rows[] = {{0, "0 B"}, {1, "1 B"}, {999, "999 B"}, {1000, "1.0 kB"}, {1049, "1.0 kB"},
		{1050, "1.1 kB"}, {999949, "999.9 kB"}, {999950, "1.0 MB"}, {1000000, "1.0 MB"},
		{12345678, "12.3 MB"}, {1073741824, "1.1 GB"}, {UINT64_MAX, "18.4 EB"}};
	char text[PROGRESS_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		progress_bytes(rows[i].n, text);
		assert_string_equal(text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("bytes have decimal units", bytes_have_units),
	};
	return RUN(tests);
}
