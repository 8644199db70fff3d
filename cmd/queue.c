/* queue: what sendmail could not hand over yet: shown, sent, dropped. */
#include "queue_store.h"

static const char help[] =
	"usage: smtp361 queue list [--json]\n"
	"       smtp361 queue flush [-v] [ID...]\n"
	"       smtp361 queue drop ID...\n"
	"\n"
	"The messages that `smtp361 sendmail --queue` and -odq have put into the queue, which is\n"
	"$XDG_STATE_HOME/smtp361/queue (~/.local/state/smtp361/queue).\n"
	"\n"
	"  list             print them, in the order of their arrival\n"
	"  flush            try to send each once: exit 0 when all were sent, 75 when some are\n"
	"                   left. What was refused for good stays, marked as failed, and is\n"
	"                   tried again only by its ID. `smtp361 serve` stores each once,\n"
	"                   whatever breaks; by another SMTP server a message may go twice when\n"
	"                   flush dies between its answer and the removal here.\n"
	"  drop             remove messages without sending them\n"
	"\n"
	"      --json       print the list as JSON\n"
	"  -v, --verbose    tell what is verified, and what is said\n";

struct job {
	struct cli *cli;
	bool json, verbose;
	int dir;
	json_t *array;
	/* flush */
	struct destination to;
	struct carrier carrier;
	bool open;
	uint64_t sent, left;
};

/* --- the list --- */

static const char *state_of(const struct queue_entry *entry)
{
	return entry->ticket == NULL ? "damaged" : entry->failed ? "failed" : "waiting";
}

/* "90 s", "12 min", "3 h", "5 d" */
static void age_of(const struct queue_entry *entry, char out[static 32])
{
	static const struct {
		const char *unit;
		long long seconds;
	} units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
	long long age = (message_now() - entry->time_us) / 1000000;
	size_t i = 0;

	age = age < 0 ? 0 : age;
	while (i < 3 && age < 2 * units[i].seconds) {
		i++;
	}
	(void)snprintf(out, 32, "%lld %s", age / units[i].seconds, units[i].unit);
}

static void describe(const struct queue_entry *entry, char out[static 400])
{
	struct destination d;
	struct err ignored;

	out[0] = '\0';
	if (destination_read(&d, json_object_get(entry->ticket, "destination"), &ignored) == 0) {
		destination_describe(&d, out);
	}
	destination_free(&d);
}

static int join(const json_t *to, struct buf *out, struct err *e)
{
	for (size_t i = 0; i < json_array_size(to); i++) {
		const char *one = json_string_value(json_array_get(to, i));
		if ((i > 0 && buf_append(out, ";", 1) != 0) ||
			buf_append_str(out, one == NULL ? "" : one) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
	}
	return 0;
}

static void add_json(struct job *j, const struct queue_entry *entry, const char *where)
{
	json_t *o = json_object();
	const char *const copied[] = {"from", "to", "destination", "id"};

	cli_json_text(o, "queue_id", entry->id, strlen(entry->id));
	cli_json_text(o, "state", state_of(entry), strlen(state_of(entry)));
	cli_json_number(o, "time", (uint64_t)entry->time_us);
	cli_json_number(o, "attempts", entry->attempts);
	cli_json_number(o, "tried", (uint64_t)entry->tried_us);
	cli_json_number(o, "bytes", entry->bytes);
	cli_json_text(o, "where", where, strlen(where));
	for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++) {
		json_t *value = json_object_get(entry->ticket, copied[i]);
		if (value != NULL) {
			(void)json_object_set(o, copied[i], value);
		}
	}
	if (entry->last.code != 0) {
		cli_json_number(o, "code", (uint64_t)entry->last.code);
		cli_json_text(o, "error", entry->last.text, strlen(entry->last.text));
	}
	(void)json_array_append_new(j->array, o);
}

static int print_entry(void *arg, const struct queue_entry *entry, struct err *e)
{
	struct job *j = arg;
	char where[400], age[32];
	struct buf to = {0};
	int rc = join(json_object_get(entry->ticket, "to"), &to, e);

	describe(entry, where);
	age_of(entry, age);
	if (rc == 0 && j->json) {
		add_json(j, entry, where);
	} else if (rc == 0 && cli_is_terminal()) {
		(void)printf("%s  %-8s %-8s %5llu  ", entry->id, state_of(entry), age,
			(unsigned long long)entry->attempts);
		cli_print(to.p, to.n);
		(void)fputs(" by ", stdout);
		cli_print(where, strlen(where));
		(void)puts("");
		if (entry->last.code != 0) {
			(void)fputs("    ", stdout);
			cli_print(entry->last.text, strlen(entry->last.text));
			(void)puts("");
		}
	} else if (rc == 0) {
		(void)printf("%s\t%s\t%llu\t%llu\t%.*s\t%s\t%s\n", entry->id, state_of(entry),
			(unsigned long long)entry->attempts, (unsigned long long)entry->bytes,
			(int)to.n, to.n == 0 ? "" : (const char *)to.p, where, entry->last.text);
	}
	buf_free(&to);
	return rc;
}

int queue_print(bool json, struct err *e)
{
	struct job j = {.json = json, .dir = queue_open(e)};
	int rc = j.dir < 0 ? -1 : 0;

	j.array = json ? json_array() : NULL;
	if (rc == 0 && !json && cli_is_terminal()) {
		(void)printf("Id                State    Age      Tries  To\n");
	}
	rc = rc == 0 ? queue_each(j.dir, print_entry, &j, e) : rc;
	if (rc == 0 && json) {
		rc = cli_print_json(j.array, e);
		j.array = NULL;
	}
	json_decref(j.array);
	if (j.dir >= 0) {
		(void)close(j.dir);
	}
	return rc == 0 ? EX_OK : e->code;
}

/* --- flush --- */

static void close_carrier(struct job *j)
{
	if (j->open) {
		carrier_end(&j->carrier);
		destination_free(&j->to);
	}
	j->open = false;
}

static void tell(void *arg, const char *text)
{
	const struct job *j = arg;

	cli_note(j->cli, "%s", text);
}

/* The same destination goes over the same connection. */
static int turn_to(struct job *j, json_t *where, struct err *e)
{
	if (j->open && json_equal(j->to.own, where) == 1) {
		return 0;
	}
	close_carrier(j);
	j->carrier = (struct carrier){.to = &j->to};
	j->open = true;
	if (destination_read(&j->to, where, e) != 0) {
		close_carrier(j);
		return -1;
	}
	j->to.account.applet = j->cli->applet;
	j->to.account.verbose = j->verbose;
	if (carrier_begin(&j->carrier, &j->to, e) != 0) {
		close_carrier(j); /* the next message begins anew */
		return -1;
	}
	j->carrier.tell = tell;
	j->carrier.tell_arg = j;
	return 0;
}

/* *tried: it came to be sent, so that what s has of recipients is who is left. */
static int send_entry(struct job *j, const struct queue_entry *entry, struct submission *s,
	bool *tried, struct err *e)
{
	bool authenticate = json_is_true(json_object_get(entry->ticket, "authenticate"));

	*tried = false;
	if (queue_load(j->dir, entry, s, e) != 0 ||
		turn_to(j, json_object_get(entry->ticket, "destination"), e) != 0) {
		return -1;
	}
	*tried = true;
	return carrier_send(&j->carrier, s, authenticate, e);
}

static void report(const struct queue_entry *entry, const char *word, const char *why)
{
	(void)printf("%s\t%s%s", entry->id, word, why[0] == '\0' ? "" : "\t");
	cli_print(why, strcspn(why, "\n"));
	(void)puts("");
	(void)fflush(stdout); /* somebody may read along */
}

static int flush_entry(struct job *j, struct queue_entry *entry, struct err *e)
{
	struct submission s = SUBMISSION_EMPTY;
	struct err why = {0};
	bool tried;
	int rc = send_entry(j, entry, &s, &tried, &why);

	if (rc == 0) {
		rc = queue_remove(j->dir, entry->id, e);
		j->sent++;
		report(entry, "sent", "");
	} else {
		rc = entry->ticket == NULL ? 0
					   : queue_note(j->dir, entry, tried ? &s : NULL, &why, e);
		j->left++;
		report(entry, state_of(entry), why.text);
	}
	submission_free(&s);
	return rc;
}

static int flush_waiting(void *arg, const struct queue_entry *entry, struct err *e)
{
	struct job *j = arg;
	struct queue_entry own = *entry;

	if (entry->failed || entry->ticket == NULL) {
		j->left++;
		return 0;
	}
	return flush_entry(j, &own, e);
}

static int flush_named(struct job *j, struct err *e)
{
	int rc = 0;

	for (size_t i = 1; rc == 0 && i < j->cli->args_n; i++) {
		struct queue_entry entry;
		rc = queue_find(j->dir, j->cli->args[i], &entry, e);
		if (rc == 0) {
			rc = flush_entry(j, &entry, e);
			queue_entry_free(&entry);
		}
	}
	return rc;
}

static int flush_all(struct job *j, struct err *e)
{
	int rc = j->cli->args_n > 1 ? flush_named(j, e) : queue_each(j->dir, flush_waiting, j, e);

	close_carrier(j);
	return rc;
}

static int drop(struct job *j, struct err *e)
{
	struct queue_entry entry;

	for (size_t i = 1; i < j->cli->args_n; i++) {
		if (queue_find(j->dir, j->cli->args[i], &entry, e) != 0) {
			return -1;
		}
		queue_entry_free(&entry);
		if (queue_remove(j->dir, j->cli->args[i], e) != 0) {
			return -1;
		}
	}
	return 0;
}

/* --- the applet --- */

/* Under the lock: nobody drops what is on its way. The exit code. */
static int change(struct job *j, bool drops, struct err *e)
{
	int held, rc = -1;

	j->dir = queue_open(e);
	if (j->dir < 0) {
		return e->code;
	}
	held = queue_lock(j->dir, e);
	if (held >= 0) {
		rc = drops ? drop(j, e) : flush_all(j, e);
		(void)close(held);
	}
	(void)close(j->dir);
	return rc != 0 ? e->code : j->left > 0 ? EX_TEMPFAIL : EX_OK;
}

APPLET_MAIN(queue)
{
	static struct job j;
	const struct cli_option options[] = {
		{0, "json", CLI_FLAG, &j.json}, {'v', "verbose", CLI_FLAG, &j.verbose}};
	struct cli c = {.applet = "queue",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	const char *verb = c.args_n > 0 ? c.args[0] : "";
	bool lists = strcmp(verb, "list") == 0, drops = strcmp(verb, "drop") == 0;
	struct err e = {0};

	if (rc >= 0) {
		return rc;
	}
	if (!lists && !drops && strcmp(verb, "flush") != 0) {
		return cli_usage(&c, "queue takes list, flush or drop");
	}
	if (lists ? c.args_n > 1 : j.json) {
		return cli_usage(&c, "list takes --json alone, and only it does");
	}
	if (drops && c.args_n == 1) {
		return cli_usage(&c, "drop takes at least one ID");
	}
	j.cli = &c;
	cli_protect();
	rc = lists ? queue_print(j.json, &e) : change(&j, drops, &e);
	if (rc != EX_OK && e.text[0] != '\0') {
		(void)cli_fail(&c, &e);
	}
	return cli_finish(&c, rc);
}
