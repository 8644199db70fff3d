/* What the applets share: options, messages, output. An applet is a function with a main's
 * arguments that returns a sysexits code:
 *
 *     static const char help[] = "usage: smtp361 send ...\n\n...";
 *     APPLET_MAIN(send) { ... }
 */
#ifndef CMD_CLI_H
#define CMD_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "../crypto/bytes.h"
#include "../crypto/err.h"

#define SMTP361_VERSION "0.1.0"

#define APPLET_MAIN(name)                       \
	int name##_main(int argc, char **argv); \
	int name##_main(int argc, char **argv)

/* --- options --- */

enum cli_kind {
	CLI_FLAG,   /* bool *: set */
	CLI_TEXT,   /* const char **: one value; twice is an error */
	CLI_LIST,   /* struct cli_list *: one value each time */
	CLI_NUMBER, /* unsigned *: decimal; twice is an error */
	CLI_SIZE,   /* uint64_t *: bytes, as 500000, 500K, 10M or 1G; twice is an error */
};

enum { CLI_LIST_MAX = 1000 };

struct cli_list {
	const char *items[CLI_LIST_MAX];
	size_t n;
};

struct cli_option {
	char letter;      /* 0: none */
	const char *name; /* without its dashes; NULL: none */
	enum cli_kind kind;
	void *value;
};

struct cli {
	const char *applet;
	const char *help; /* begins with the usage line */
	const struct cli_option *options;
	size_t options_n;
	char **args; /* what is left: operands, in argv's memory */
	size_t args_n;
};

/* Parse the options of an applet; operands may stand among them, and "--" ends them. --help prints
 * the help. The exit code to leave with, or -1 to go on. */
int cli_parse(struct cli *c, int argc, char **argv);

/* "smtp361 APPLET: why", the usage line; 64. */
int cli_usage(const struct cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print an error to stderr as "smtp361 APPLET: text", escaped. Its code, to return. */
int cli_fail(const struct cli *c, const struct err *e);
/* Something to know, on stderr, with the same lead. */
void cli_note(const struct cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- output --- */

/* Is stdout a terminal? Asked once. */
bool cli_is_terminal(void);

/* Text of any origin to stdout: escaped on a terminal (LF and TAB stay), as it is elsewhere. */
void cli_print(const void *p, size_t n);

/* The same of a text that comes in pieces: a character that a piece ends in waits for its other
 * bytes. Begin with zeros. */
struct cli_pieces {
	uint8_t cut[4];
	size_t cut_n;
};
void cli_print_piece(struct cli_pieces *s, const void *p, size_t n);
/* Behind the last piece: what still waits is printed, and wiped. */
void cli_print_end(struct cli_pieces *s);

/* Flush stdout; `code`, or 74 with a message when what was printed did not get out. */
int cli_finish(const struct cli *c, int code);

/* Fields of a JSON object that is to be printed: text (n bytes of UTF-8) and numbers. What cannot
 * be set (no memory, no UTF-8) is noticed by cli_print_json. */
void cli_json_text(json_t *object, const char *key, const void *p, size_t n);
void cli_json_number(json_t *object, const char *key, uint64_t value);
/* Print and release it (NULL is fine: nothing could be built). 0, or -1 (EX_DATAERR). */
int cli_print_json(json_t *value, struct err *e);
/* The same on one line. */
int cli_print_json_line(json_t *value, struct err *e);

/* --- the process --- */

/* Before secrets come into memory: no core files, no debugger of the same user; stdio that the
 * caller closed stays unusable, and its numbers taken; SIGPIPE and SIGXFSZ ignored. */
void cli_protect(void);

/* Have each signal that ends a program handled so, but for those that are ignored: nohup stays
 * nohup. */
void cli_catch(void (*handler)(int number));
/* End as the signal would have ended us; called in its handler: once that returns. It may be called
 * there. */
void cli_die(int number);

#endif
