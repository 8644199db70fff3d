/* What the lab's scenes and its judges share: lab_scenes.c plays, lab_judges.c judges; lab_smtp.c
 * does both. */
#ifndef CMD_LAB_SCENE_H
#define CMD_LAB_SCENE_H

#include "lab.h"

/* Long enough for the blocks that attacks swap, no two of them alike, in one line; and another of
 * the same length. */
#define LAB_CONTENT \
	"Pay 1000 to Dora, 2000 to Emil, 3000 to Fred, 4000 to Gina, 5000 to Hans. Thank you."
#define LAB_SECOND \
	"Pay nobody anything before you have seen me, whatever other message of mine may say."

/* Titles of a mailbox that is listed, the oldest and the newest: on classic the list's rows end
 * where blocks end (mitm.h, truncate). */
#define LAB_OLDEST "an older note"
#define LAB_NEWEST "the newest of all"

/* What the server's log says, and how often. */
enum lab_log {
	LAB_LOG_SESSION,  /* an enhanced session of alice's has ended */
	LAB_LOG_TWO,      /* ... in which two messages were sent */
	LAB_LOG_UNOPENED, /* a record did not open */
	LAB_LOG_THIRD,    /* message 3 did not */
	LAB_LOG_LOW,      /* a point of low order was refused */
	LAB_LOG_BEHIND,   /* something stood behind STARTTLS */
	LAB_LOGS
};

struct scene {
	struct lab_stage *st;
	const struct mitm_attack *attack;
	bool enhanced;
	struct lab_run *run;
	char title[64], name[64]; /* of the message; of the victim's output in the folder */
	size_t counted;           /* before, by its `prepare` */
	size_t before[LAB_LOGS];
	unsigned slow; /* connections of the attack */
	struct err *e;
};

/* How it ended. Unclear: the attack did not win, but what should have stopped it was not seen at
 * work either, and that is as bad as a defeat. */
enum lab_verdict { LAB_HELD, LAB_WON, LAB_UNCLEAR };

int lab_tell(struct scene *s, enum lab_verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Of an attack that did not win: held, where that is proven; in the first column nothing has to be.
 */
enum lab_verdict lab_held_if(const struct scene *s, bool proven);
/* Does a text stand in what was heard of the two? */
bool lab_was_heard(const struct lab_run *run, const char *text);
/* The indexes of bob's messages with this title, oldest first, at most LAB_FOUND_MAX; -1: the lab
 * failed. */
enum { LAB_FOUND_MAX = 4 };
int lab_find_titled(struct scene *s, const char *title, unsigned at[static LAB_FOUND_MAX]);

size_t lab_log_count(const struct scene *s, enum lab_log what);
/* Has it grown by so much since the scene began? Waits a while for it. */
bool lab_log_grew(const struct scene *s, enum lab_log what, size_t by);
size_t lab_count_logins(const struct scene *s);

/* The judges, by attack. 0, or -1: the lab itself failed. */
typedef int lab_judge(struct scene *s);
lab_judge lab_judge_eavesdrop, lab_judge_equal_blocks, lab_judge_stolen_key, lab_judge_impersonate,
	lab_judge_replay_login, lab_judge_replay_session, lab_judge_double, lab_judge_changed,
	lab_judge_drop, lab_judge_reorder, lab_judge_truncate, lab_judge_blame, lab_judge_downgrade,
	lab_judge_low_order, lab_judge_reflect;

/* lab_smtp.c */
int lab_smtp_prepare_relay(struct scene *s);
int lab_smtp_prepare_injection(struct scene *s);
int lab_smtp_send(struct scene *s);
int lab_smtp_send_anyhow(struct scene *s);
int lab_smtp_send_twice(struct scene *s);
lab_judge lab_judge_smtp_relay, lab_judge_strip, lab_judge_injection;

/* lab_ft.c */
int lab_ft_prepare(struct scene *s);
int lab_ft_write(struct scene *s);
int lab_ft_wait(struct scene *s);
int lab_ft_write_and_wait(struct scene *s);
lab_judge lab_judge_ft_flip, lab_judge_ft_truncate, lab_judge_ft_guess, lab_judge_ft_oracle;

/* lab_lies.c: play a scene on the server itself, and judge it. 0 or -1. */
int lab_lie(struct scene *s);

#endif
