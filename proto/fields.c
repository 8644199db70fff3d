/* Typed fields over jansson; see fields.h. */
#include "fields.h"

#include "../crypto/secret.h"

/* jansson does not always tell a text that is no JSON from memory that is short. */
static bool memory_was_short;

static void *noting_malloc(size_t n)
{
	void *p = secret_malloc(n);

	memory_was_short = memory_was_short || p == NULL;
	return p;
}

json_t *fields_parse(const void *p, size_t n, struct err *e)
{
	json_error_t why;
	json_t *o;

	json_set_alloc_funcs(noting_malloc, secret_free); /* a password may stand in it */
	if (memchr(p, '\0', n) != NULL) {
		err_set(e, EX_PROTOCOL, "the JSON holds a NUL");
		return NULL;
	}
	memory_was_short = false;
	o = json_loadb(p, n, JSON_REJECT_DUPLICATES, &why);
	if (memory_was_short) {
		json_decref(o);
		o = NULL;
		err_set(e, EX_TEMPFAIL, "cannot read JSON: out of memory");
	} else if (o == NULL) {
		err_set(e, EX_PROTOCOL, "this is no JSON: %s", why.text);
	} else if (!json_is_object(o)) {
		json_decref(o);
		o = NULL;
		err_set(e, EX_PROTOCOL, "the JSON is no object");
	}
	return o;
}

static int no_such_type(const char *name, const char *what, struct err *e)
{
	return err_set(e, EX_DATAERR, "\"%s\" is no %s", name, what);
}

int fields_text(const json_t *o, const char *name, struct message_part *out, struct err *e)
{
	const json_t *v = json_object_get(o, name);

	if (v == NULL) {
		return 0;
	}
	if (!json_is_string(v)) {
		return no_such_type(name, "text", e);
	}
	out->p = (const uint8_t *)json_string_value(v);
	out->n = json_string_length(v);
	return 1;
}

int fields_number(const json_t *o, const char *name, uint64_t max, uint64_t *out, struct err *e)
{
	const json_t *v = json_object_get(o, name);

	if (v == NULL) {
		return 0;
	}
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
		(uint64_t)json_integer_value(v) > max) {
		return no_such_type(name, "number within its limits", e);
	}
	*out = (uint64_t)json_integer_value(v);
	return 1;
}

int fields_id(const json_t *o, const char *name, uint8_t out[static FIELDS_ID], struct err *e)
{
	struct message_part text;
	int rc = fields_text(o, name, &text, e);

	if (rc <= 0) {
		return rc;
	}
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] >= 'A' && text.p[i] <= 'F') {
			return no_such_type(name, "id", e);
		}
	}
	return hex_decode(out, FIELDS_ID, (const char *)text.p, text.n) == 0
		       ? 1
		       : no_such_type(name, "id", e);
}

bool fields_true(const json_t *o, const char *name)
{
	return json_is_true(json_object_get(o, name));
}

bool fields_is(const json_t *o, const char *name, const char *text)
{
	const char *v = json_string_value(json_object_get(o, name));

	return v != NULL && strcmp(v, text) == 0;
}

int fields_set_text(json_t *o, const char *name, const void *p, size_t n)
{
	return json_object_set_new(o, name, json_stringn(p, n));
}
