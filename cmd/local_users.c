/* From addresses to users; see local_users.h. */
#include "local_users.h"

#include <strings.h>

#include "../proto/conn.h"

void local_users_host(char out[static LOCAL_USERS_HOST_MAX])
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
	size_t n;

	memset(out, 0, LOCAL_USERS_HOST_MAX);
	n = gethostname(out, LOCAL_USERS_HOST_MAX - 1) == 0 ? strlen(out) : 0;
	if (n == 0 || strspn(out, letters) != n || out[0] == '.' || out[n - 1] == '.' ||
		strstr(out, "..") != NULL) {
		(void)snprintf(out, LOCAL_USERS_HOST_MAX, "localhost");
	}
}

static int check_config(const json_t *config, const char *path, struct err *e)
{
	const json_t *aliases = json_object_get(config, "aliases"), *value;
	json_t *domains = json_object_get(config, "domains");
	const char *name;
	size_t i;

	if (domains != NULL && !json_is_array(domains)) {
		return err_set(e, EX_CONFIG, "%s: \"domains\" is no array of names", path);
	}
	json_array_foreach(domains, i, value)
	{
		if (!json_is_string(value)) {
			return err_set(e, EX_CONFIG, "%s: \"domains\" is no array of names", path);
		}
	}
	if (aliases != NULL && !json_is_object(aliases)) {
		return err_set(e, EX_CONFIG, "%s: \"aliases\" is no JSON object", path);
	}
	json_object_foreach((json_t *)(uintptr_t)aliases, name, value)
	{
		if (!json_is_string(value)) {
			return err_set(e, EX_CONFIG,
				"%s: the alias \"%.64s\" is no user, or users with ';' between",
				path, name);
		}
	}
	return 0;
}

static int load_config(struct local_users *l, struct err *e)
{
	char path[ACCOUNT_PATH_MAX];
	struct buf text = {0};
	json_error_t why;
	int rc = account_config_read(path, &text, e);

	if (rc > 0) {
		l->config = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &why);
		rc = json_is_object(l->config)
			     ? check_config(l->config, path, e)
			     : err_set(e, EX_CONFIG, "%s is no JSON object", path);
	}
	buf_free(&text);
	return rc;
}

int local_users_load(struct local_users *l, const char *server, struct err *e)
{
	char port[8];

	*l = (struct local_users){.config = NULL};
	local_users_host(l->host);
	if (server != NULL && conn_split(server, l->server, port, e) != 0) {
		return -1;
	}
	return load_config(l, e);
}

void local_users_free(struct local_users *l)
{
	json_decref(l->config);
	l->config = NULL;
}

static bool is_ours(const struct local_users *l, const char *domain)
{
	const char *const names[] = {"", "localhost", LOCAL_USERS_DOMAIN, l->host, l->server};
	const json_t *own = json_object_get(l->config, "domains");
	char literal[LOCAL_USERS_HOST_MAX + 8];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcasecmp(domain, names[i]) == 0) {
			return true;
		}
	}
	for (size_t i = 0; i < json_array_size(own); i++) {
		if (strcasecmp(domain, json_string_value(json_array_get(own, i))) == 0) {
			return true;
		}
	}
	/* a server that goes by its address (RFC 5321 4.1.3) */
	(void)snprintf(literal, sizeof literal, "[%s%s]",
		strchr(l->server, ':') == NULL ? "" : "IPv6:", l->server);
	return strcasecmp(domain, literal) == 0;
}

/* Names with ';' between, each once, though another address named it. */
static int add_names(struct buf *to, const char *names, struct err *e)
{
	while (*names != '\0') {
		size_t n = strcspn(names, ";"), at = 0, k = 0;
		bool there = n == 0;
		for (; !there && at < to->n; at += k + 1) {
			const uint8_t *end = memchr(to->p + at, ';', to->n - at);
			k = end == NULL ? to->n - at : (size_t)(end - (to->p + at));
			there = k == n && memcmp(to->p + at, names, n) == 0;
		}
		if (!there && ((to->n > 0 && buf_append(to, ";", 1) != 0) ||
				      buf_append(to, names, n) != 0)) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
		names += n + (names[n] == ';' ? 1 : 0);
	}
	return 0;
}

int local_users_add(
	const struct local_users *l, const struct rfc5322_mailbox *m, struct buf *to, struct err *e)
{
	char name[RFC5322_LOCAL_MAX + 1];
	const char *alias;

	if (!is_ours(l, m->domain)) {
		err_set(e, EX_NOUSER, "%s@%s is no user of this server, which relays nothing",
			m->local, m->domain);
		return err_hint(e,
			"--smtp HOST sends by a server that does; if %.80s is this "
			"server, list it in \"domains\" of config.json",
			m->domain);
	}
	for (size_t i = 0; i < sizeof name; i++) {
		char c = m->local[i];
		name[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
		if (c == '\0') {
			break;
		}
	}
	alias = json_string_value(json_object_get(json_object_get(l->config, "aliases"), name));
	if (alias == NULL && !user_name_valid(name)) {
		err_set(e, EX_NOUSER, "no such user: %s", name);
		return err_hint(e, "\"aliases\" in config.json say who gets mail for such names");
	}
	return add_names(to, alias == NULL ? name : alias, e);
}
