/* PEM over BearSSL's decoder and encoder; see pem.h. */
#include "pem.h"

#include <bearssl.h>

struct sink {
	struct buf *der;
	bool no_memory, complete;
	int objects; /* begun so far */
};

static void take(void *arg, const void *p, size_t n)
{
	struct sink *s = arg;

	if (buf_append(s->der, p, n) != 0) {
		s->no_memory = true;
	}
}

/* What the decoder's event means for us: 0 go on, 1 the object is complete, -1 refuse. */
static int on_event(br_pem_decoder_context *d, struct pem *out, struct sink *s)
{
	switch (br_pem_decoder_event(d)) {
	case BR_PEM_BEGIN_OBJ:
		if (++s->objects > 1) {
			return -1;
		}
		(void)snprintf(out->label, sizeof out->label, "%s", br_pem_decoder_name(d));
		br_pem_decoder_setdest(d, take, s);
		return 0;
	case BR_PEM_END_OBJ:
		return 1;
	case BR_PEM_ERROR:
		return -1;
	default:
		return 0;
	}
}

/* How many bytes stand before the next CR. */
static size_t until_cr(const uint8_t *p, size_t n)
{
	const uint8_t *cr = memchr(p, '\r', n);

	return cr == NULL ? n : (size_t)(cr - p);
}

/* Push n bytes, CR left out (br_pem_decoder counts it to a label). The last state. */
static int push(
	br_pem_decoder_context *d, struct pem *out, struct sink *s, const uint8_t *p, size_t n)
{
	int state = 0;

	while (n > 0 && state == 0) {
		size_t run = until_cr(p, n);
		if (run == 0) {
			p++;
			n--;
			continue;
		}
		size_t k = br_pem_decoder_push(d, p, run);
		p += k;
		n -= k;
		state = on_event(d, out, s);
		s->complete = s->complete || state > 0;
		state = state > 0 ? 0 : state;
	}
	return state;
}

/* RFC 7468 3: the END line names what the BEGIN line named. */
static bool ends_alike(const struct pem *out, const void *text, size_t n)
{
	char line[PEM_LABEL_MAX + 32];
	int len = snprintf(line, sizeof line, "-----END %s-----", out->label);

	return memmem(text, n, line, (size_t)len) != NULL;
}

int pem_decode(struct pem *out, const void *text, size_t n, struct err *e)
{
	br_pem_decoder_context d;
	struct sink s = {.der = &out->der};
	bool ok;

	*out = (struct pem){0};
	br_pem_decoder_init(&d);
	ok = push(&d, out, &s, text, n) == 0;
	/* PyCryptodome ends its files without a line end */
	ok = ok && push(&d, out, &s, (const uint8_t *)"\n", 1) == 0;
	wipe(&d, sizeof d);
	if (ok && s.complete && !s.no_memory && ends_alike(out, text, n)) {
		return 0;
	}
	pem_free(out);
	if (s.no_memory) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	return err_set(e, EX_CONFIG, "it is no PEM file%s",
		s.objects > 1    ? ": it holds more than one object"
		: s.objects == 0 ? ": there is no -----BEGIN line"
				 : ": it is damaged or cut short");
}

/* The first line that begins so, or NULL. */
static const uint8_t *find_line(const uint8_t *p, size_t n, const char *start)
{
	size_t len = strlen(start);

	for (const uint8_t *at = p; at != NULL && n - (size_t)(at - p) >= len;) {
		if (memcmp(at, start, len) == 0) {
			return at;
		}
		at = memchr(at, '\n', n - (size_t)(at - p));
		at = at == NULL ? NULL : at + 1;
	}
	return NULL;
}

bool pem_more(struct cursor *text)
{
	const uint8_t *begin = text->n == 0 ? NULL : find_line(text->p, text->n, "-----BEGIN ");

	(void)get_bytes(text, begin == NULL ? text->n : (size_t)(begin - text->p));
	return begin != NULL;
}

int pem_next(struct pem *out, struct cursor *text, struct err *e)
{
	const uint8_t *p = text->p, *end;
	size_t n = 0;

	if (pem_more(text)) {
		p = text->p;
		end = find_line(p, text->n, "-----END ");
		n = end == NULL ? text->n : (size_t)(end - p);
		end = end == NULL ? NULL : memchr(end, '\n', text->n - n);
		n = end == NULL ? text->n : (size_t)(end - p) + 1;
	}
	(void)get_bytes(text, n);
	return pem_decode(out, p, n, e);
}

void pem_free(struct pem *p)
{
	buf_free(&p->der);
	p->label[0] = '\0';
}

int pem_encode(struct buf *out, const char *label, const void *der, size_t n)
{
	size_t len = br_pem_encode(NULL, der, n, label, BR_PEM_LINE64);

	if (buf_reserve(out, len + 1) != 0) {
		return -1;
	}
	(void)br_pem_encode(out->p + out->n, der, n, label, BR_PEM_LINE64);
	out->n += len;
	return 0;
}
