/* Options, messages and output of the applets; see cli.h. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "../crypto/secret.h"

/* --- options --- */

static const struct cli_option *by_name(const struct cli *c, const char *name, size_t n)
{
	for (size_t i = 0; i < c->options_n; i++) {
		const char *own = c->options[i].name;
		if (own != NULL && strlen(own) == n && memcmp(own, name, n) == 0) {
			return &c->options[i];
		}
	}
	return NULL;
}

static const struct cli_option *by_letter(const struct cli *c, char letter)
{
	for (size_t i = 0; i < c->options_n; i++) {
		if (c->options[i].letter == letter) {
			return &c->options[i];
		}
	}
	return NULL;
}

/* A number of bytes, with K, M or G behind it for 1024 of them, 1024 of those, and so on. 0 or
 * -1. */
static int parse_size(const char *text, uint64_t *out)
{
	static const char letters[] = "KMG";
	size_t n = strlen(text);
	const char *unit = n > 0 ? strchr(letters, text[n - 1]) : NULL;
	unsigned shift = unit == NULL ? 0 : 10 * (unsigned)(unit - letters + 1);

	if (parse_decimal(text, unit == NULL ? n : n - 1, INT64_MAX >> shift, out) != 0) {
		return -1;
	}
	*out <<= shift;
	return *out == 0 ? -1 : 0;
}

/* Store one value. given: the option as it was written. -1 go on, or the exit code. */
static int store(
	const struct cli *c, const struct cli_option *o, const char *given, const char *value)
{
	struct cli_list *list = o->value;
	uint64_t number;

	switch (o->kind) {
	case CLI_FLAG:
		*(bool *)o->value = true;
		return -1;
	case CLI_TEXT:
		if (*(const char **)o->value != NULL) {
			return cli_usage(c, "%s is given twice", given);
		}
		*(const char **)o->value = value;
		return -1;
	case CLI_LIST:
		if (list->n == CLI_LIST_MAX) {
			return cli_usage(c, "%s is given more than %d times", given, CLI_LIST_MAX);
		}
		list->items[list->n++] = value;
		return -1;
	case CLI_NUMBER:
		if (*(unsigned *)o->value != 0) {
			return cli_usage(c, "%s is given twice", given);
		}
		if (parse_decimal(value, strlen(value), 1000000000, &number) != 0 || number == 0) {
			return cli_usage(c, "%s takes a number from 1 to 1000000000, not \"%s\"",
				given, value);
		}
		*(unsigned *)o->value = (unsigned)number;
		return -1;
	case CLI_SIZE:
		if (*(uint64_t *)o->value != 0) {
			return cli_usage(c, "%s is given twice", given);
		}
		if (parse_size(value, &number) != 0) {
			return cli_usage(c,
				"%s takes bytes, as 500000, 500K, 10M or 1G, not \"%s\"", given,
				value);
		}
		*(uint64_t *)o->value = number;
		return -1;
	}
	return -1;
}

/* "--name", "--name=value", "--name value". *i may move on to the value. */
static int parse_long(const struct cli *c, int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '=');
	size_t n = equals == NULL ? strlen(name) : (size_t)(equals - name);
	const struct cli_option *o = by_name(c, name, n);
	char given[64];

	(void)snprintf(given, sizeof given, "--%.*s", (int)(n < 60 ? n : 60), name);
	if (o == NULL) {
		return cli_usage(c, "there is no option %s", given);
	}
	if (o->kind == CLI_FLAG) {
		return equals != NULL ? cli_usage(c, "%s takes no value", given)
				      : store(c, o, given, NULL);
	}
	if (equals != NULL) {
		return store(c, o, given, equals + 1);
	}
	if (*i + 1 == argc) {
		return cli_usage(c, "%s needs a value", given);
	}
	return store(c, o, given, argv[++*i]);
}

/* "-x", "-xyz", "-x value", "-xvalue". */
static int parse_short(const struct cli *c, int argc, char **argv, int *i)
{
	for (const char *s = argv[*i] + 1; *s != '\0'; s++) {
		const struct cli_option *o = by_letter(c, *s);
		char given[3] = {'-', *s, '\0'};
		int rc;
		if (o == NULL) {
			return cli_usage(c, "there is no option %s", given);
		}
		if (o->kind == CLI_FLAG) {
			rc = store(c, o, given, NULL);
		} else if (s[1] != '\0') {
			return store(c, o, given, s + 1);
		} else if (*i + 1 == argc) {
			return cli_usage(c, "%s needs a value", given);
		} else {
			return store(c, o, given, argv[++*i]);
		}
		if (rc >= 0) {
			return rc;
		}
	}
	return -1;
}

int cli_parse(struct cli *c, int argc, char **argv)
{
	bool options_end = false;
	int rc = -1;

	c->args = argv + 1;
	c->args_n = 0;
	for (int i = 1; i < argc && rc < 0; i++) {
		const char *a = argv[i];
		if (options_end || a[0] != '-' || a[1] == '\0') {
			c->args[c->args_n++] = argv[i];
		} else if (strcmp(a, "--") == 0) {
			options_end = true;
		} else if (strcmp(a, "--help") == 0) {
			(void)fputs(c->help, stdout);
			return cli_finish(c, EX_OK);
		} else {
			rc = a[1] == '-' ? parse_long(c, argc, argv, &i)
					 : parse_short(c, argc, argv, &i);
		}
	}
	return rc;
}

/* --- messages --- */

/* keep_lines: the text may have a second line, its hint. */
static void print_line(const struct cli *c, const char *text, bool keep_lines)
{
	char shown[4 * ERR_TEXT_MAX];

	(void)escape_text(shown, sizeof shown, text, strlen(text), keep_lines);
	(void)fprintf(stderr, "smtp361 %s: %s\n", c->applet, shown);
}

int cli_usage(const struct cli *c, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	print_line(c, text, false);
	(void)fprintf(stderr, "%.*s\n", (int)strcspn(c->help, "\n"), c->help);
	return EX_USAGE;
}

int cli_fail(const struct cli *c, const struct err *e)
{
	print_line(c, e->text, true);
	return e->code;
}

void cli_note(const struct cli *c, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	print_line(c, text, false);
}

/* --- output --- */

bool cli_is_terminal(void)
{
	static int known = -1;

	if (known < 0) {
		known = isatty(STDOUT_FILENO) == 1 ? 1 : 0;
	}
	return known == 1;
}

void cli_print(const void *p, size_t n)
{
	const uint8_t *s = p;
	char shown[4096];
	enum { PIECE = sizeof shown / 12 };

	if (!cli_is_terminal()) {
		(void)fwrite(p, 1, n, stdout);
		return;
	}
	while (n > 0) {
		size_t k = n < PIECE ? n : PIECE;
		while (k < n && k > 1 && (s[k] & 0xc0) == 0x80) { /* not inside a character */
			k--;
		}
		(void)escape_text(shown, sizeof shown, s, k, true);
		(void)fputs(shown, stdout);
		s += k;
		n -= k;
	}
}

/* Of n bytes, how many at the end begin a character that goes on behind them. */
static size_t cut_off(const uint8_t *p, size_t n)
{
	uint32_t c;

	for (size_t k = 1; k < sizeof((struct cli_pieces *)0)->cut && k <= n; k++) {
		if (utf8_next(p + n - k, k, &c) == 0) {
			return k;
		}
	}
	return 0;
}

/* The bytes that the character which was cut off lacks. Where they are others, it was none, and
 * what comes begins another one. How many were taken. */
static size_t end_cut(struct cli_pieces *s, const uint8_t *p, size_t n)
{
	size_t at = 0;
	uint32_t c;

	while (s->cut_n > 0 && at < n) {
		s->cut[s->cut_n] = p[at];
		int len = utf8_next(s->cut, s->cut_n + 1, &c);
		if (len >= 0) {
			s->cut_n++;
			at++;
		}
		if (len != 0) {
			cli_print(s->cut, s->cut_n);
			s->cut_n = 0;
		}
	}
	return at;
}

void cli_print_piece(struct cli_pieces *s, const void *p, size_t n)
{
	size_t taken;

	if (!cli_is_terminal()) {
		cli_print(p, n);
		return;
	}
	taken = end_cut(s, p, n);
	p = (const uint8_t *)p + taken;
	n -= taken;
	if (n > 0) {
		s->cut_n = cut_off(p, n);
		memcpy(s->cut, (const uint8_t *)p + n - s->cut_n, s->cut_n);
		cli_print(p, n - s->cut_n);
	}
}

void cli_print_end(struct cli_pieces *s)
{
	cli_print(s->cut, s->cut_n);
	wipe(s, sizeof *s);
}

static bool json_failed; /* a field of what is printed next could not be set */

void cli_json_text(json_t *object, const char *key, const void *p, size_t n)
{
	if (json_object_set_new(object, key, json_stringn(n == 0 ? "" : p, n)) != 0) {
		json_failed = true;
	}
}

void cli_json_number(json_t *object, const char *key, uint64_t value)
{
	if (json_object_set_new(object, key, json_integer((json_int_t)value)) != 0) {
		json_failed = true;
	}
}

static int print_json(json_t *value, size_t flags, struct err *e)
{
	json_free_t release;
	char *text = json_failed ? NULL : json_dumps(value, flags);

	json_failed = false;
	json_decref(value);
	if (text == NULL) {
		return err_set(e, EX_DATAERR, "the result cannot be written as JSON");
	}
	(void)puts(text);
	json_get_alloc_funcs(NULL, &release); /* the store may have set its own */
	release(text);
	return 0;
}

int cli_print_json(json_t *value, struct err *e)
{
	return print_json(value, JSON_INDENT(2), e);
}

int cli_print_json_line(json_t *value, struct err *e)
{
	return print_json(value, JSON_COMPACT, e);
}

int cli_finish(const struct cli *c, int code)
{
	struct err e;

	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		err_sys(&e, EX_IOERR, "cannot write to standard output");
		return code == EX_IOERR ? code : cli_fail(c, &e); /* it was told already */
	}
	return code;
}

/* --- the process --- */

#ifdef __SANITIZE_ADDRESS__
/* the leak checker looks at the process from outside */
static void forbid_dumps(void)
{
}
#else
static void forbid_dumps(void)
{
	const struct rlimit none = {0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
#endif

void cli_protect(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	int fd = 0;

	/* A socket must never become descriptor 0, 1 or 2. What stands in for a closed one is open
	 * the wrong way round, so that using it still fails. */
	while (fd <= 2) {
		fd = open("/dev/null", fcntl(STDIN_FILENO, F_GETFD) < 0 ? O_WRONLY : O_RDONLY);
		if (fd < 0 || fd > 2) {
			break;
		}
	}
	if (fd > 2) {
		(void)close(fd);
	}
	forbid_dumps();
	json_set_alloc_funcs(
		secret_malloc, secret_free); /* passwords stand in it, here and there */
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGXFSZ, &ignore, NULL); /* a write beyond ulimit -f fails instead */
}

void cli_catch(void (*handler)(int number))
{
	/* from outside; cli_protect ignores SIGPIPE and SIGXFSZ */
	static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGVTALRM, SIGPROF,
		SIGXCPU, SIGUSR1, SIGUSR2, SIGIO, SIGPWR, SIGABRT};
	struct sigaction catch = {.sa_handler = handler}, old;

	for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++) {
		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) {
			(void)sigaction(ending[i], &catch, NULL);
		}
	}
}

void cli_die(int number)
{
	const struct sigaction ordinary = {.sa_handler = SIG_DFL};

	(void)sigaction(number, &ordinary, NULL);
	(void)raise(number);
}
