/* Sealing letters; see sealing.h. */
#include "sealing.h"

#include "../store/letters.h"

_Static_assert((int)MAIL_ID == (int)SEQUENCE_ID, "a letter is counted by its id");

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

void sealing_begin(struct sealing *s, struct account *a)
{
	*s = (struct sealing){.account = a, .own = {.keys = -1, .chat = -1}};
}

void sealing_end(struct sealing *s)
{
	trust_end(&s->own);
	free(s->members);
	sealing_begin(s, s->account);
}

/* --- names --- */

/* The next of "a;b", blanks around it left out. false at the end. *n may be 0. */
static bool next_name(const char **at, const char **name, size_t *n)
{
	const char *p = *at, *end;

	if (p == NULL) {
		return false;
	}
	end = p + strcspn(p, ";");
	*at = *end == ';' ? end + 1 : NULL;
	p += strspn(p, " \t");
	p = p > end ? end : p;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
		end--;
	}
	*name = p;
	*n = (size_t)(end - p);
	return true;
}

/* Is it one of those in out already? */
static bool has_name(const struct buf *out, const char *name, size_t n)
{
	for (size_t at = 0; at < out->n;) {
		const uint8_t *end = memchr(out->p + at, ';', out->n - at);
		size_t k = (end == NULL ? out->n : (size_t)(end - out->p)) - at;
		if (k == n && memcmp(out->p + at, name, n) == 0) {
			return true;
		}
		at += k + 1;
	}
	return false;
}

int sealing_names(struct buf *out, const char *to, struct err *e)
{
	char copy[USER_NAME_MAX + 1];
	const char *name;
	size_t n;

	while (next_name(&to, &name, &n)) {
		if (n == 0 || has_name(out, name, n)) {
			continue;
		}
		(void)snprintf(copy, sizeof copy, "%.*s", (int)n, name);
		if (n > USER_NAME_MAX || !user_name_valid(copy)) {
			return err_set(
				e, EX_NOUSER, "no such user: %.*s", (int)(n < 64 ? n : 64), name);
		}
		if ((out->n > 0 && buf_append(out, ";", 1) != 0) || buf_append(out, name, n) != 0) {
			return no_memory(e);
		}
	}
	if (out->n == 0) {
		return err_set(e, EX_DATAERR, "there is no recipient");
	}
	return buf_append(out, "", 1) == 0 ? 0 : no_memory(e);
}

/* --- keys --- */

static const struct sealing_member *find_member(const struct sealing *s, const char *name, size_t n)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strlen(s->members[i].name) == n && memcmp(s->members[i].name, name, n) == 0) {
			return &s->members[i];
		}
	}
	return NULL;
}

bool sealing_knows(const struct sealing *s, const char *to)
{
	const char *name;
	size_t n;

	while (s->ready && next_name(&to, &name, &n)) {
		if (find_member(s, name, n) == NULL) {
			return false;
		}
	}
	return s->ready;
}

static int add_member(
	struct sealing *s, const char *name, const uint8_t key[static X25519_BYTES], struct err *e)
{
	struct sealing_member *more;

	if (s->n % 64 == 0) {
		more = reallocarray(s->members, s->n + 64, sizeof *more);
		if (more == NULL) {
			return no_memory(e);
		}
		s->members = more;
	}
	s->members[s->n] = (struct sealing_member){.name = ""};
	memcpy(s->members[s->n].name, name, strlen(name));
	memcpy(s->members[s->n].key.key, key, X25519_BYTES);
	s->n++;
	return 0;
}

static int learn_own(struct sealing *s, struct mail_client *directory, struct err *e)
{
	trust_end(&s->own); /* of an attempt that failed */
	if (trust_own(s->account, &s->own, e) != 0 || trust_chat(&s->own, e) < 0 ||
		(directory != NULL && trust_publish(&s->own, directory, e) != 0) ||
		add_member(s, s->own.name, s->own.x25519.public, e) != 0) {
		return -1;
	}
	s->ready = true;
	return 0;
}

int sealing_learn(struct sealing *s, struct mail_client *c, const char *to, struct err *e)
{
	struct mail_client *directory = s->account->enhanced ? c : NULL;
	struct known_member member;
	char copy[USER_NAME_MAX + 1];
	const char *name;
	size_t n;

	if (!s->ready && learn_own(s, directory, e) != 0) {
		return -1;
	}
	while (next_name(&to, &name, &n)) {
		if (find_member(s, name, n) != NULL) {
			continue;
		}
		(void)snprintf(copy, sizeof copy, "%.*s", (int)n, name);
		if (trust_member(&s->own, directory, copy, &member, e) != 0 ||
			add_member(s, copy, member.keys.x25519, e) != 0) {
			return -1;
		}
	}
	return 0;
}

/* --- letters --- */

/* For whom it is, and the numbers of it for each. */
struct address {
	struct age_recipient *recipients; /* us, too */
	struct letters_contact *contacts;
	struct sealed_number *numbers;
	size_t n;
};

static void address_free(struct address *a)
{
	free(a->recipients);
	free(a->contacts);
	free(a->numbers);
}

/* We read it, too; whoever writes to himself alone is there already. */
static size_t count_recipients(const struct sealing *s, const struct address *a)
{
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->contacts[i].name, s->own.name) == 0) {
			return a->n;
		}
	}
	return a->n + 1;
}

static int address_make(
	struct sealing *s, struct address *a, const struct sealing_letter *l, struct err *e)
{
	const char *at = l->to, *name;
	size_t most = 1, n;

	for (const char *p = l->to; *p != '\0'; p++) {
		most += *p == ';' ? 1 : 0;
	}
	*a = (struct address){.recipients = calloc(most + 1, sizeof *a->recipients),
		.contacts = calloc(most, sizeof *a->contacts),
		.numbers = calloc(most, sizeof *a->numbers)};
	if (a->recipients == NULL || a->contacts == NULL || a->numbers == NULL) {
		return no_memory(e);
	}
	memcpy(a->recipients[most].key, s->own.x25519.public, X25519_BYTES);
	for (; next_name(&at, &name, &n); a->n++) {
		const struct sealing_member *m = find_member(s, name, n);
		if (m == NULL) {
			return err_set(e, EX_SOFTWARE, "a recipient is not known yet");
		}
		a->recipients[a->n] = m->key;
		memcpy(a->contacts[a->n].name, m->name, sizeof m->name);
	}
	if (count_recipients(s, a) > AGE_RECIPIENTS_MAX) { /* before it has numbers */
		return err_set(e, EX_DATAERR,
			"a message is sealed to at most %d recipients, you included",
			AGE_RECIPIENTS_MAX);
	}
	if (letters_number(s->own.chat, "mail", l->id, a->contacts, a->n, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < a->n; i++) {
		memcpy(a->numbers[i].stream, a->contacts[i].number.stream,
			sizeof a->numbers[i].stream);
		a->numbers[i].number = a->contacts[i].number.number;
	}
	return 0;
}

static int rewind_content(void *arg, struct err *e)
{
	(void)e;
	content_rewind(arg);
	return 0;
}

int sealing_seal(struct sealing *s, struct held *out, const struct sealing_letter *l, struct err *e)
{
	struct address a;
	struct sealed_letter letter = {.from = s->own.name,
		.to = l->to,
		.title = l->title,
		.time_us = message_now(),
		.bytes = l->content->bytes,
		.source = content_read,
		.arg = l->content,
		.rewind = rewind_content};
	struct err ignored; /* the fault that counts is told */
	int rc = address_make(s, &a, l, e);

	if (rc == 0) {
		if (s->account->enhanced) {
			memcpy(letter.id, l->id, MAIL_ID);
		}
		letter.numbers = a.numbers;
		letter.numbers_n = a.n;
		content_rewind(l->content);
		rc = sealed_write(
			out, &letter, &s->own.p256, a.recipients, count_recipients(s, &a), e);
		if (rc != 0) { /* nobody shall miss it */
			(void)letters_give_back(s->own.chat, l->id, a.contacts, a.n, &ignored);
		}
	}
	address_free(&a);
	return rc;
}

int sealing_refused(struct sealing *s, const uint8_t id[static MAIL_ID], struct err *e)
{
	return letters_refused(s->own.chat, id, e);
}
