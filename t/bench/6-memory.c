/* What an idle session costs in memory: the mean PSS of the server's children, while 1, 10 and 100
 * clients have logged in and wait at the menu. PSS counts a page that k processes share as 1/k.
 *     6-memory SERVER_PID NAME      NAME: of the binary, for the table */
#include "process.h"

enum { SESSIONS = 100 };

int main(int argc, char **argv)
{
	static const unsigned counts[] = {1, 10, SESSIONS};
	struct classic_client *c = calloc(SESSIONS, sizeof *c);
	unsigned n = 0;
	char what[64];

	if (argc != 3 || c == NULL) {
		die("usage: 6-memory SERVER_PID NAME");
	}
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		while (n < counts[i]) {
			bench_login(&c[n++], 1);
		}
		(void)snprintf(what, sizeof what, "%s, %u idle", argv[2], counts[i]);
		print_row(&(struct row){what, "KiB", mean_pss(argv[1], n), NAN, AT_MOST, 200});
	}
	while (n > 0) {
		classic_client_end(&c[--n]);
	}
	free(c);
	return 0;
}
