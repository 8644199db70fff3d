/* Sealed files, 512 MiB from memory to memory, in MB/s, from start to end of the program: `seal`
 * and `unseal`, binary and armored, beside age itself on one processor where it is there. The
 * yardstick is what BearSSL's ChaCha20-Poly1305 makes of chunks of 64 KiB, and nothing else. All
 * take turns, round by round.
 *     16-seal SMTP361 FOLDER [RECIPIENT]
 * FOLDER: where "big" is, and "identity", whose recipient stands in RECIPIENT when there is an age.
 * A key of ours stands there as "me_x25519_private.pem" */
#include "../../crypto/age.h"
#include "files.h"
#include "process.h"

enum { ROUNDS = 5, MB = 1000000 };

static const char *program, *recipient;
static double size; /* MB */

struct way {
	const char *what;
	bool theirs;
	const char *const *argv;
	const char *from, *to; /* files of the folder: stdin and stdout */
	enum goal kind;
	double goal;
	struct rounds rates;
};

static void run(struct way *w, bool measured)
{
	/* over what the round before made: to get memory is no part of it */
	int in = open_file(w->from, O_RDONLY), out = open_file(w->to, O_WRONLY | O_CREAT), status;
	double began = now();
	pid_t pid = fork();

	if (pid == 0) {
		if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
			chdir(folder) == 0) {
			(void)execvp(w->argv[0], (char *const *)(uintptr_t)w->argv);
		}
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		die("%s failed", w->what);
	}
	if (measured) {
		rounds_add(&w->rates, size / (now() - began));
	}
	/* the place in the file is shared with who wrote it */
	if (ftruncate(out, lseek(out, 0, SEEK_CUR)) != 0) {
		die("%s: cannot cut what it made: %s", w->what, strerror(errno));
	}
	(void)close(in);
	(void)close(out);
}

static double limit(void)
{
	static uint8_t chunk[AGE_SEALED];
	const uint8_t key[CHACHA_KEY] = {1}, nonce[CHACHA_NONCE] = {0};
	double began = now();

	for (double at = 0; at < size; at += (double)AGE_CHUNK / MB) {
		chacha_seal(key, nonce, NULL, 0, chunk, AGE_CHUNK, chunk + AGE_CHUNK);
	}
	return size / (now() - began);
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 4) {
		die("usage: 16-seal SMTP361 FOLDER [RECIPIENT]");
	}
	program = argv[1];
	folder = argv[2];
	recipient = argc == 4 ? argv[3] : NULL;

	const char *const seal[] = {program, "seal", "--to", "me", "-k", ".", NULL};
	const char *const armor[] = {program, "seal", "-a", "--to", "me", "-k", ".", NULL};
	const char *const unseal[] = {program, "unseal", "-u", "me", "-k", ".", NULL};
	const char *const age[] = {"age", "-r", recipient, NULL};
	const char *const age_armor[] = {"age", "-a", "-r", recipient, NULL};
	const char *const unage[] = {"age", "-d", "-i", "identity", NULL};
	struct way ways[] = {{"seal", false, seal, "big", "sealed", RATIO_AT_LEAST, 0.8, {{0}, 0}},
		{"unseal", false, unseal, "sealed", "back", RATIO_AT_LEAST, 0.8, {{0}, 0}},
		{"seal, armored", false, armor, "big", "armored", GOAL_NONE, 0, {{0}, 0}},
		{"unseal, armored", false, unseal, "armored", "back", GOAL_NONE, 0, {{0}, 0}},
		{"age, one processor", true, age, "big", "sealed", GOAL_NONE, 0, {{0}, 0}},
		{"age -d, one processor", true, unage, "sealed", "back", GOAL_NONE, 0, {{0}, 0}},
		{"age -a, one processor", true, age_armor, "big", "armored", GOAL_NONE, 0,
			{{0}, 0}},
		{"age -d, armored, one processor", true, unage, "armored", "back", GOAL_NONE, 0,
			{{0}, 0}}};
	const size_t n = sizeof ways / sizeof ways[0] - (recipient == NULL ? 4 : 0);
	struct rounds limits = {0};
	double yard;

	size = (double)bytes_of("big") / MB;
	for (int r = 0; r <= ROUNDS; r++) { /* the first one makes the files */
		rounds_add(&limits, limit());
		for (size_t i = 0; i < n; i++) {
			run(&ways[i], r > 0);
			if (strcmp(ways[i].to, "back") == 0 &&
				bytes_of("back") != bytes_of("big")) {
				die("%s: it is not what was sealed", ways[i].what);
			}
		}
	}
	yard = median(&limits);
	section("Sealed files, 512 MiB from memory to memory. Yardstick: BearSSL's "
		"ChaCha20-Poly1305 alone");
	print_row(&(struct row){
		"ChaCha20-Poly1305, chunks of 64 KiB", "MB/s", yard, NAN, GOAL_NONE, 0});
	for (size_t i = 0; i < n; i++) {
		print_row(&(struct row){ways[i].what, "MB/s", median(&ways[i].rates), yard,
			ways[i].kind, ways[i].goal});
	}
	return 0;
}
