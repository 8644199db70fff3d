/* One connection to a file server, from its first byte, and what both wires do there; see
 * ft_server.h. */
#include "ft_server.h"

#include <stdarg.h>

#include "../crypto/bytes.h"
#include "log.h"

enum { SAY_EVERY_MS = 1000 };

void ft_say(const char *format, ...)
{
	char text[1024];
	struct tm tm;
	time_t now = time(NULL);
	va_list args;

	(void)localtime_r(&now, &tm);
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	log_say("!! %02d:%02d:%02d: %s", tm.tm_hour, tm.tm_min, tm.tm_sec, text);
}

/* Percentages, for the log: not more than one a second, and the last. */
static void say_percent(void *arg, uint64_t done, uint64_t total)
{
	int64_t *said_ms = arg, now;

	if (total == 0 || (now = conn_now_ms()) - *said_ms < SAY_EVERY_MS) {
		return;
	}
	*said_ms = now;
	if (done < total) {
		ft_say("%.1f%%", 100.0 * (double)done / (double)total);
	}
}

/* --- the files --- */

/* The client has the key, if one was asked for: it is not ended to make room for others. And the
 * key is not needed here any more. */
static void proven(const struct ft_host *host, const struct ft_report *report)
{
	static const struct presence_who somebody;

	if (strcmp(report->cipher, ft_cipher_name(FT_NONE)) != 0) {
		conn_set_proven(report->conn, &somebody);
	}
	wipe(host->psk, FT_PSK);
	if (host->secret != NULL) {
		wipe(host->secret, sizeof *host->secret);
	}
}

/* The name as a string, and in the report; what a client asked for is logged, whatever it is. */
static int take_name(struct ft_report *report, const void *name, size_t n, bool reads,
	char out[static FT_NAME_MAX + 1], struct err *e)
{
	report->verb = reads ? "read" : "write";
	(void)escape_text(report->name, sizeof report->name, name, n, false);
	ft_say(reads ? "Client requesting filename: %s" : "Client requested to write filename: %s",
		report->name);
	if (landing_check_name(name, n, e) != 0) {
		ft_say("Bad filename requested. Ending communication.");
		return -1;
	}
	memcpy(out, name, n);
	out[n] = '\0';
	return 0;
}

static void begin(const struct ft_host *host, struct ft_job *job)
{
	static int64_t said_ms; /* one transfer a process */

	said_ms = conn_now_ms();
	job->sum = host->sum;
	job->progress = say_percent;
	job->progress_arg = &said_ms;
	ft_say("Processing...");
}

int ft_open_read(const struct ft_host *host, struct ft_report *report, const void *name, size_t n,
	struct source *s, struct ft_job *job, struct err *e)
{
	char file[FT_NAME_MAX + 1];

	proven(host, report);
	if (take_name(report, name, n, true, file, e) != 0) {
		return -1;
	}
	if (host->no_reads) {
		return err_set(e, EX_NOPERM, "files are not to be read here");
	}
	if (source_open(s, host->dir, file, e) != 0) {
		return -1;
	}
	job->sends = true;
	job->from = s;
	(void)source_size(s, &job->total);
	begin(host, job);
	return 0;
}

int ft_open_write(const struct ft_host *host, struct ft_report *report, const void *name, size_t n,
	struct landing *l, struct ft_job *job, struct err *e)
{
	char file[FT_NAME_MAX + 1];

	proven(host, report);
	if (take_name(report, name, n, false, file, e) != 0) {
		return -1;
	}
	if (host->no_writes) {
		return err_set(e, EX_NOPERM, "files are not to be written here");
	}
	if (landing_open(l, host->dir, file, job->force ? FILE_REPLACE : FILE_NEW, job->resume,
		    e) != 0) {
		return -1;
	}
	job->sends = false;
	job->to = l;
	begin(host, job);
	return 0;
}

int ft_done(const struct ft_host *host, struct ft_report *report, struct ft_job *job, int rc,
	bool keep, const struct err *e)
{
	char sum[FT_CHECKSUM];

	(void)host;
	report->bytes = job->done;
	report->begun_at = job->begun_at;
	if (rc != 0) {
		ft_say("%.*s", (int)strcspn(e->text, "\n"), e->text);
	} else {
		ft_checksum(job, strcmp(report->cipher, ft_cipher_name(FT_NOISE)) == 0, sum);
		ft_say("100.0%%");
		ft_say(job->sends ? "File sent, checksum: %s" : "File confirmed, checksum: %s",
			sum);
		if (job->sends) {
			ft_say("Finished sending file.");
		} else {
			ft_say("Wrote %s to file.", report->name);
		}
	}
	if (job->from != NULL) {
		source_close(job->from);
	}
	if (job->to != NULL) {
		(void)landing_end(job->to, keep);
	}
	wipe(&job->hash, sizeof job->hash);
	return rc;
}

/* --- the connection --- */

static int serve(
	struct conn *c, const struct ft_host *host, struct ft_report *report, struct err *e)
{
	uint8_t first;
	size_t got;

	conn_deadline(c, host->login_ms);
	switch (conn_read(c, &first, 1, 0, &got, e)) {
	case CONN_DATA:
		break;
	case CONN_EOF:
		return err_set(e, EX_PROTOCOL, "the client said nothing");
	default:
		return -1;
	}
	conn_unread(c, &first, 1);
	if (first == FT_PREFACE[0]) {
		report->cipher = ft_cipher_name(FT_NOISE);
		return ft_noise_serve(c, host, report, e);
	}
	return ft_founding_serve(c, host, report, e);
}

int ft_serve(struct conn *c, const struct ft_host *host, struct ft_report *report, struct err *e)
{
	int rc;

	conn_be_patient(c);
	*report = (struct ft_report){.conn = c, .cipher = "-", .verb = "-"};
	ft_say(FT_RULE);
	ft_say("Client connected: %s", c->peer);
	rc = serve(c, host, report, e);
	ft_say(rc == 0 ? "Done" : "Client disconnected: %s", c->peer);
	ft_say(FT_RULE);
	return rc;
}
