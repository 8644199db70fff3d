/* sendmail's command line; see sendmail_options.h. */
#include "sendmail_options.h"

/* Letters with a value, attached or behind; flags; and what only a daemon has. */
static const char with_value[] = "ABCFLNORVXbdefhopr", flags[] = "GUcimntvx";

/* -odq, -oi, -oem and their kind: what the value's first letter names. */
static void take_o(struct sendmail_options *o, const char *value)
{
	if (value[0] == 'i' && value[1] == '\0') {
		o->dots_are_text = true;
	} else if (strcmp(value, "dq") == 0 || strcmp(value, "dd") == 0) {
		o->queue_only = true;
	}
}

static int take_mode(const struct cli *c, struct sendmail_options *o, const char *value)
{
	static const char modes[] = "msp";
	const char *at = value[0] == '\0' ? NULL : strchr(modes, value[0]);

	if (at == NULL || value[1] != '\0') {
		return cli_usage(c, "-b%s is no mode that there is here: -bm, -bs or -bp", value);
	}
	o->mode = (enum sendmail_mode)(at - modes);
	return -1;
}

/* -1 to go on, or the exit code. */
static int take_value(
	const struct cli *c, struct sendmail_options *o, char letter, const char *value)
{
	switch (letter) {
	case 'b':
		return take_mode(c, o, value);
	case 'f':
	case 'r':
		o->sender = value; /* twice: the last, as sendmail has it */
		return -1;
	case 'F':
		if (has_control(value, strlen(value))) {
			return cli_usage(c, "the name of -F holds a control character");
		}
		o->name = value;
		return -1;
	case 'o':
		take_o(o, value);
		return -1;
	default: /* it says how a queue, a network or a report was run in another time */
		return -1;
	}
}

static void take_flag(struct sendmail_options *o, char letter)
{
	o->recipients_in_head = o->recipients_in_head || letter == 't';
	o->dots_are_text = o->dots_are_text || letter == 'i';
	o->verbose = o->verbose || letter == 'v';
}

/* One argument of letters; *i may move on to a value. */
static int take_letters(
	const struct cli *c, struct sendmail_options *o, int argc, char **argv, int *i)
{
	for (const char *s = argv[*i] + 1; *s != '\0'; s++) {
		if (strchr(flags, *s) != NULL) {
			take_flag(o, *s);
		} else if (strchr(with_value, *s) == NULL) {
			return cli_usage(c, "there is no option -%c", *s);
		} else if (s[1] != '\0') {
			return take_value(c, o, *s, s + 1);
		} else if (*i + 1 == argc) {
			return cli_usage(c, "-%c needs a value", *s);
		} else {
			return take_value(c, o, *s, argv[++*i]);
		}
	}
	return -1;
}

/* How the arguments ahead of the first recipient are divided: long options to cli_parse. *at: the
 * first of the others. -1 or the exit code. */
static int divide(struct cli *c, struct sendmail_options *o, int argc, char **argv, char **longs,
	int *longs_n, int *at)
{
	int i = 1, rc = -1;

	for (; i < argc && rc < 0; i++) {
		const char *a = argv[i];
		if (a[0] != '-' || a[1] == '\0') {
			break;
		}
		if (strcmp(a, "--") == 0) {
			i++;
			break;
		}
		if (a[1] != '-') {
			rc = take_letters(c, o, argc, argv, &i);
			continue;
		}
		longs[(*longs_n)++] = argv[i];
		size_t n = strlen(a + 2);
		for (size_t k = 0; k < c->options_n; k++) {
			const char *own = c->options[k].name;
			bool value = c->options[k].kind != CLI_FLAG;
			if (value && strlen(own) == n && strcmp(own, a + 2) == 0 && i + 1 < argc) {
				longs[(*longs_n)++] = argv[++i];
			}
		}
	}
	*at = i;
	return rc;
}

int sendmail_parse(struct cli *c, struct sendmail_options *o, int argc, char **argv)
{
	static bool enhanced; /* what it is anyway */
	const struct cli_option options[] = {{0, "smtp", CLI_TEXT, &o->smtp},
		{0, "smtps", CLI_TEXT, &o->smtps}, {0, "tls-ca", CLI_TEXT, &o->tls_ca},
		{0, "tls-pin", CLI_TEXT, &o->tls_pin}, {0, "no-tls", CLI_FLAG, &o->no_tls},
		{0, "timeout", CLI_NUMBER, &o->timeout}, {0, "queue", CLI_FLAG, &o->queue},
		{0, "from-dir", CLI_TEXT, &o->from_dir}, {0, "server", CLI_TEXT, &o->server},
		{0, "user", CLI_TEXT, &o->user}, {0, "keys", CLI_TEXT, &o->keys},
		{0, "password-file", CLI_TEXT, &o->password_file}, {0, "pin", CLI_TEXT, &o->pin},
		{0, "enhanced", CLI_FLAG, &enhanced}, {0, "verbose", CLI_FLAG, &o->verbose}};
	char **longs = calloc((size_t)argc + 1, sizeof *longs);
	int longs_n = 1, at = 0, rc;

	if (longs == NULL) {
		return cli_fail(c, &(struct err){EX_TEMPFAIL, "out of memory"});
	}
	c->options = options;
	c->options_n = sizeof options / sizeof options[0];
	rc = divide(c, o, argc, argv, longs, &longs_n, &at);
	rc = rc < 0 ? cli_parse(c, longs_n, longs) : rc;
	c->options = NULL;
	c->options_n = 0;
	if (rc < 0) {
		c->args = argv + at;
		c->args_n = (size_t)(argc - at);
	}
	free(longs);
	return rc;
}
