/* The lab: every attack of `mitm`, run against both protocols, or against SMTP without care and as
 * it is, judged by what it did. lab.c runs it and prints; lab_stage.c has the folder and the
 * parties, lab_process.c their processes, lab_naive.c two of them; lab_scenes.c, lab_smtp.c and
 * lab_ft.c what the victim does, lab_judges.c and the same two what counts as won; lab_html.c the
 * page. */
#ifndef CMD_LAB_H
#define CMD_LAB_H

#include "../proto/mitm.h"
#include "cli.h"

enum { LAB_SAID_MAX = 80, LAB_PATH = 4096, LAB_TEXT = 400, LAB_CLIENT_MS = 120000 };
enum { LAB_PATH_MAX = LAB_PATH + 64, LAB_ARGS_MAX = 40, LAB_LOOK_MS = 5 };

/* --- what was observed --- */

struct lab_said {
	char who[4]; /* as mitm names them */
	unsigned connection;
	size_t bytes;
	char *what, *hex;
};

/* One attack on one protocol. */
struct lab_run {
	bool there;            /* the attack has something to attack */
	bool won;              /* by its effect, not by the attacker's word */
	bool unclear;          /* it did not win, but nothing shows what stopped it */
	int exits[2];          /* of the victim's commands */
	char effect[LAB_TEXT]; /* what the attacker got or did; what happened */
	struct lab_said said[LAB_SAID_MAX];
	size_t said_n;
	unsigned ended;         /* connections of the relay that are over */
	unsigned results, wins; /* the attacker's own words */
	char word[LAB_TEXT];    /* the last of them */
};

struct lab_row {
	const struct mitm_attack *attack;
	struct lab_run runs[2]; /* see lab_wire */
	bool as_expected;
};

/* What a row is about. */
enum lab_group { LAB_PROTOCOLS, LAB_SMTP, LAB_FILES, LAB_SERVER, LAB_GROUPS };
enum lab_group lab_group_of(const struct mitm_attack *a);
/* The two that a row has: "classic" and "enhanced", of SMTP "permissive" and "defaults", of file
 * transfer "aes256" and "noise". */
const char *lab_wire(const struct mitm_attack *a, bool second);
/* Of SMTP: what is attacked there. NULL: what lab_wire says. */
const char *lab_setup(const struct mitm_attack *a, bool second);

/* Attacks of the server's own, which no relay can run: on plain mail, and on sealed mail and
 * chat. */
extern const struct mitm_attack lab_lies[];
extern const size_t lab_lies_n;
bool lab_is_lie(const struct mitm_attack *a);

/* --- the stage: a server, keys for alice, bob and carol, in a private folder --- */

#define LAB_PASSWORD "password of the lab" /* everybody's */
#define LAB_FORGED "pay eve 9999 EUR"      /* what ft-flip writes */

struct lab_stage {
	char dir[LAB_PATH];
	char server[64], relay[64]; /* "127.0.0.1:PORT" */
	char door[64], naive[64];   /* for SMTP: the server's, and the careless server */
	char files[64];             /* the file server's; empty: it does not run */
	const char *target;         /* whom the attacker relays to */
	char relay_out[64];         /* what the attacker prints: a file of the folder */
	pid_t server_pid, relay_pid, naive_pid, ft_pid;
	const struct classic_dialect *dialect; /* of the classic protocol */
	bool keep;                             /* the folder stays */
};

/* dir: made and kept; NULL: a private one, removed by lab_close. 0 or -1. */
int lab_open(struct lab_stage *st, const char *dir, const struct classic_dialect *dialect,
	struct err *e);
void lab_close(struct lab_stage *st);

/* A file of the folder: its path; all of it. */
void lab_path(const struct lab_stage *st, const char *file, char out[static LAB_PATH_MAX]);
int lab_read(const struct lab_stage *st, const char *file, struct buf *out, struct err *e);

/* --- lab_process.c --- */

/* From now on SIGINT, SIGTERM and SIGHUP end the lab at its next wait. */
void lab_catch(void);
/* Wait a moment. 0, or -1 when one has come. */
int lab_nap(struct err *e);

/* Start an applet, like lab_run_applet. Its pid, or -1. */
pid_t lab_start(
	const struct lab_stage *st, const char *name, const char *const *args, struct err *e);
/* Wait for its end; after a time, or when the lab is stopped, it is killed. Its exit code, 128 and
 * the signal, or -1: it is not ours. */
int lab_await(pid_t pid, int ms);

/* Run an applet to its end, by its arguments (NULL ends them; the first is its name). What it
 * prints is in NAME.out and NAME.err of the folder, and in *out when that is not NULL. Its exit
 * code; 128 and the signal; or -1. */
int lab_run_applet(const struct lab_stage *st, const char *name, const char *const *args,
	struct buf *out, struct err *e);
/* Start the careless server, and have the attacker relay to it. */
int lab_start_naive(struct lab_stage *st, struct err *e);
/* Start the file server. */
int lab_start_ft(struct lab_stage *st, struct err *e);
/* A client's: the server, user, keys and password are added. relayed: through the relay. */
int lab_client(const struct lab_stage *st, const char *name, const char *user, bool enhanced,
	bool relayed, const char *const *args, struct buf *out, struct err *e);

/* Start the attack's relay, with its output in relay.out. stop: read what was said into run. */
int lab_attack(struct lab_stage *st, const struct mitm_attack *a, bool enhanced, struct err *e);
/* Wait until so many of its connections have ended and so many results have come, and stop it. */
int lab_stop_attack(struct lab_stage *st, unsigned connections, unsigned results,
	struct lab_run *run, struct err *e);
/* Write a text to a file of the stage's folder. 0, or -1 (EX_CANTCREAT). */
int lab_write(const struct lab_stage *st, const char *file, const char *text, struct err *e);
int lab_write_bytes(
	const struct lab_stage *st, const char *file, const void *p, size_t n, struct err *e);
/* Make a folder of the stage's; it may be there. 0, or -1 (EX_CANTCREAT). */
int lab_make_folder(const struct lab_stage *st, const char *name, struct err *e);
/* Wait until an applet that was started as `name` says where it listens. 0, or -1. */
int lab_await_listening(const struct lab_stage *st, const char *name, pid_t *pid,
	char address[static 64], struct err *e);
/* How often a text stands in a file of the stage's folder. */
size_t lab_count_in(const struct lab_stage *st, const char *file, const char *text);
/* Is there a stolen message with this title and content? */
bool lab_is_stolen(
	const struct lab_stage *st, const char *from, const char *title, const char *content);

/* --- lab_naive.c: started like applets --- */

int lab_naive_server(int argc, char **argv);
int lab_naive_client(int argc, char **argv);

/* --- the scenes --- */

/* Play one attack against one protocol, and judge it. 0 or -1 (the lab itself failed). */
int lab_play(struct lab_stage *st, const struct mitm_attack *a, bool enhanced, struct lab_run *run,
	struct err *e);
void lab_run_free(struct lab_run *run);

/* --- the page --- */

/* Can it be written there, as far as can be known ahead? 0, or -1 (EX_CANTCREAT). */
int lab_html_check(const char *path, struct err *e);
/* 0 or -1 (EX_CANTCREAT, EX_IOERR). The file appears whole. */
int lab_html(const char *path, const struct lab_row *rows, size_t n, struct err *e);

#endif
