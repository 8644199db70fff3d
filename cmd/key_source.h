/* Where the secret of a file transfer comes from. Never from the command line, which everybody on
 * the machine can read, unless that was asked for by name. */
#ifndef CMD_KEY_SOURCE_H
#define CMD_KEY_SOURCE_H

#include "../proto/ft.h"

/* The part of a help text that tells them. */
#define KEY_SOURCE_HELP                                                                        \
	"KEYSOURCE is file:FILE, fd:NUMBER, env:NAME, or prompt; the key is its first line.\n" \
	"Without one it is what $SMTP361_FT_KEY names"

/* Read it. text: as it stood on the command line; NULL: the environment's, or else (ask) a prompt
 * on a terminal. as_is: text is the secret itself. 0; 1: nothing names one, out is empty; or -1:
 * EX_USAGE (no such form), EX_NOINPUT, EX_DATAERR (empty, too long), EX_NOPERM (others can read
 * the file), 130. */
int key_source_read(const char *text, bool as_is, bool ask, struct ft_secret *out, struct err *e);

/* A new secret of FT_GENERATED random bytes, as text. 0 or -1. */
int key_source_make(struct ft_secret *out, struct err *e);

#endif
