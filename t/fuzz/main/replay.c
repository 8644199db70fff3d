/* Run a harness on the files named, each twice: once for the crash, once more for what the first
 * run left behind. */
#include "../fuzz.h"

#include "../../../crypto/bytes.h"
#include "../../../crypto/file.h"

#include <fcntl.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct buf input = {0};
		struct err e;
		if (file_read(AT_FDCWD, argv[i], 1 << 20, &input, NULL, &e) != 0) {
			(void)fprintf(stderr, "%s\n", e.text);
			return e.code;
		}
		(void)LLVMFuzzerTestOneInput(input.p, input.n);
		(void)LLVMFuzzerTestOneInput(input.p, input.n);
		buf_free(&input);
	}
	(void)printf("%d inputs, twice each\n", argc - 1);
	return 0;
}
