/* What an enhanced login costs, against what the server cannot do without: four X25519
 * multiplications and one fork. A client at a time connects, shakes hands, takes the welcome and
 * closes. Its own four multiplications are in the clock's figure (nothing of a Noise XK handshake
 * can be replayed, as 2-login does it); less its CPU time, what is left is the server's and the
 * kernel's share. The fork is behind the client's first two multiplications where there are two
 * cores. 7-noise SERVER_PID */
#include "enhanced.h"
#include "process.h"

enum { ROUNDS = 11, LOGINS = 60, PER_SIDE = 4 };

static double own_cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	struct rounds login = {0}, rest = {0}, cpu = {0}, dh = {0}, forked = {0};
	double wall, bare;

	if (argc != 2) {
		die("usage: 7-noise SERVER_PID");
	}
	(void)milliseconds(enhanced_login_once, NULL, 5); /* everything is in memory from here on */
	for (int i = 0; i < ROUNDS; i++) {
		double server = cpu_ms(argv[1]), own = own_cpu_ms(),
		       ms = milliseconds(enhanced_login_once, NULL, LOGINS);
		rounds_add(&login, ms);
		rounds_add(&rest, ms - (own_cpu_ms() - own) / LOGINS);
		rounds_add(&cpu, (cpu_ms(argv[1]) - server) / LOGINS);
		rounds_add(&dh, milliseconds(x25519_operation, NULL, LOGINS));
		rounds_add(&forked, milliseconds(fork_exit, NULL, LOGINS));
	}
	wall = median(&login);
	bare = PER_SIDE * median(&dh) + median(&forked);
	section("Enhanced logins, one by one. Yardstick: 4 X25519 multiplications + fork + exit");
	print_row(&(struct row){"a login, by the clock", "ms", wall, bare, RATIO_AT_MOST, 1.5});
	print_row(&(struct row){
		"the same, logins per second", "/s", 1e3 / wall, 1e3 / bare, GOAL_NONE, 0});
	print_row(&(struct row){
		"the same, less the client's CPU time", "ms", median(&rest), bare, GOAL_NONE, 0});
	print_row(&(struct row){
		"a login, CPU time of the server", "ms", median(&cpu), bare, GOAL_NONE, 0});
	print_row(&(struct row){"  yardstick + the client's 4 X25519", "ms", wall,
		bare + PER_SIDE * median(&dh), GOAL_NONE, 0});
	return 0;
}
