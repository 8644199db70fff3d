/* One JSON object that a peer sent, and its fields by type. What is not there, and what has another
 * type or breaks its limit, is told apart: the first may be optional, the second is the peer's
 * fault. */
#ifndef PROTO_FIELDS_H
#define PROTO_FIELDS_H

#include <jansson.h>

#include "message.h"

/* An id as text: 32 digits of lower-case hex. */
enum { FIELDS_ID = 16, FIELDS_ID_TEXT = 2 * FIELDS_ID };

/* Exactly one object, no name twice, no NUL. NULL with e: EX_PROTOCOL, EX_TEMPFAIL. The caller
 * releases it by json_decref. */
json_t *fields_parse(const void *p, size_t n, struct err *e);

/* Each returns 1 with the value, 0 when there is no such field, or -1 (EX_DATAERR). The text stays
 * the object's. */
int fields_text(const json_t *o, const char *name, struct message_part *out, struct err *e);
int fields_number(const json_t *o, const char *name, uint64_t max, uint64_t *out, struct err *e);
int fields_id(const json_t *o, const char *name, uint8_t out[static FIELDS_ID], struct err *e);
bool fields_true(const json_t *o, const char *name);

/* Is this field's text exactly so? */
bool fields_is(const json_t *o, const char *name, const char *text);

/* Set a text of n bytes of UTF-8. 0, or -1 (no memory, no UTF-8; o may be NULL). */
int fields_set_text(json_t *o, const char *name, const void *p, size_t n);

#endif
