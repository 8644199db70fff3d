/* What the lab's scenes on the server itself share: lab_lying.c has a server of a scene's own, its
 * members, and what one can do in its folder; lab_lies.c the scenes. */
#ifndef CMD_LAB_LYING_H
#define CMD_LAB_LYING_H

#include <limits.h>

#include "lab_scene.h"

enum { LYING_ARGS = 12, LYING_FILES = 16 };

struct lie {
	struct scene *s;
	struct lab_stage st; /* with folders site, and alice, bob and carol, each one's own */
	bool sealed;         /* sealed mail and chat; else plain mail */
	char files[LYING_FILES][NAME_MAX + 1]; /* that lying_look found, sorted */
	size_t n;
};

/* Each 0, or -1: the lab itself failed. */
int lying_open(struct lie *l);
void lying_close(struct lie *l);

/* --- members --- */

/* An applet, as one of them (its name, then what it is told; NULL ends it). What it says is in the
 * stage's NAME.out and NAME.err. Its exit code; or -1. */
int lying_as(struct lie *l, const char *who, const char *name, const char *const args[LYING_ARGS]);
/* It has to succeed, or nothing that is seen here means anything. 0 or -1. */
int lying_must(
	struct lie *l, const char *who, const char *name, const char *const args[LYING_ARGS]);
/* alice writes to bob: a letter, sealed or not; or a chat message. 0 or -1. */
int lying_send(struct lie *l);
int lying_say(struct lie *l);
/* Everybody's keys come to the server, and bob's one-time keys for alice. 0 or -1. */
int lying_meet(struct lie *l);
/* Somebody takes what was said to him. His exit code; or -1. */
int lying_hear(struct lie *l, const char *who);

/* --- the server's folder --- */

/* The files of a folder whose names hold a text; waits until there are so many. 0 or -1. */
int lying_look(struct lie *l, const char *folder, const char *with, size_t n);
/* It is whole from the first moment on. 0 or -1. */
int lying_copy(struct lie *l, const char *folder, const char *name, const char *to_folder,
	const char *to_name);
/* Until nothing is in the server's journal any more, which would be listed without a file. 0 or -1.
 */
int lying_settled(struct lie *l);
int lying_drop(struct lie *l, const char *folder, const char *name);

#endif
