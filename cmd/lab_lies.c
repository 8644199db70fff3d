/* The lab's scenes on the server itself: whoever runs it has its folder, and changes what stands
 * there; once with plain mail, once with sealed mail and with chat. Nobody is in the middle: a
 * server of the scene's own lies to its members. See lab_lying.h. */
#include "../proto/message.h"
#include "lab_lying.h"

const struct mitm_attack lab_lies[] = {
	{.name = "lying-keys",
		.threats = "T26",
		.line = "the server reads mail; it gives out its own keys as a member's",
		.help = "A server has all plain mail in its folder. Sealed mail it cannot\n"
			"open, so it gives out a key of its own as bob's. Who has written to\n"
			"bob before has his key pinned: the client says loudly that it has\n"
			"changed, and sends nothing, neither mail nor chat. Who meets bob for\n"
			"the first time compares `smtp361 verify bob` with him.\n",
		.classic = MITM_WORKS},
	{.name = "lying-address",
		.threats = "T27",
		.line = "the server gives a message to another, as if it had been meant for him",
		.help = "The server writes another name into the To of a plain message, and\n"
			"it is that one's mail. A sealed one opens for its recipients alone;\n"
			"even where one of them helps, and seals what alice has signed anew,\n"
			"to carol, her client reads whom alice wrote to. A chat message opens\n"
			"with one key of one recipient's.\n",
		.classic = MITM_WORKS},
	{.name = "lying-replay",
		.threats = "T42",
		.line = "the server delivers a message a second time",
		.help = "A copy of a plain message is another message. A sealed one says its\n"
			"own number and id inside, and a chat message is sealed to a key that\n"
			"is used once.\n",
		.classic = MITM_WORKS},
	{.name = "lying-withhold",
		.threats = "T43",
		.line = "the server withholds a message",
		.help = "Nobody misses a plain message that never came. Sealed messages and\n"
			"chat are numbered for each pair of members: `inbox --open` and chat\n"
			"name the number that is missing, once a later one has come.\n",
		.classic = MITM_WORKS},
};
const size_t lab_lies_n = sizeof lab_lies / sizeof lab_lies[0];

bool lab_is_lie(const struct mitm_attack *a)
{
	return a >= lab_lies && a < lab_lies + lab_lies_n;
}

static const char mailbox[] = "site/bob", waiting[] = "site/.chat/bob/waiting";

/* --- what is seen --- */

static int read_last(struct lie *l, const char *who)
{
	static const char *const args[LYING_ARGS] = {"read", "--last"};

	return lying_as(l, who, "read", args);
}

/* Does what a member's command said hold this? */
static bool said(const struct lie *l, const char *name, const char *text)
{
	char file[64];

	(void)snprintf(file, sizeof file, "%s.err", name);
	return lab_count_in(&l->st, file, text) > 0;
}

static bool printed(const struct lie *l, const char *name, const char *text)
{
	char file[64];

	(void)snprintf(file, sizeof file, "%s.out", name);
	return lab_count_in(&l->st, file, text) > 0;
}

/* Of sealed mail and chat together: both were caught, with these exit codes and in words. */
static int judge_both(struct lie *l, int code, const char *mail, const char *chat)
{
	const int *exits = l->s->run->exits;
	bool caught = exits[0] == code && exits[1] == code;

	return lab_tell(l->s,
		caught                           ? LAB_HELD
		: exits[0] == 0 || exits[1] == 0 ? LAB_WON
						 : LAB_UNCLEAR,
		"mail: %s (exit %d); chat: %s (exit %d)", mail, exits[0], chat, exits[1]);
}

/* --- keys --- */

/* The server has made keys of its own, and gives them out as bob's. */
static int swap_keys(struct lie *l)
{
	char site[LAB_PATH_MAX], own[LAB_PATH_MAX], key[LAB_PATH_MAX];
	const char *const keygen[] = {"keygen", "-d", own, "eve", NULL};
	const char *const user[] = {"user", "-d", site, "key", "bob", key, NULL};

	lab_path(&l->st, "site", site);
	lab_path(&l->st, "eve", own);
	lab_path(&l->st, "eve/eve_x25519_public.pem", key);
	if (lab_make_folder(&l->st, "eve", l->s->e) != 0) {
		return -1;
	}
	if (lab_run_applet(&l->st, "keygen", keygen, NULL, l->s->e) != 0 ||
		lab_run_applet(&l->st, "user", user, NULL, l->s->e) != 0) {
		return err_set(l->s->e, EX_SOFTWARE, "the server cannot make its keys bob's");
	}
	return lying_copy(l, "eve", "eve_p256_public.pem", "site", "bob_p256_public.pem");
}

static int lie_keys(struct lie *l)
{
	const char *const seal[LYING_ARGS] = {"send", "-t", "bob", "--seal", "--title", "after it"};
	const char *const chat[LYING_ARGS] = {"chat", "--send", "bob", LAB_SECOND};

	if (lying_send(l) != 0 || lying_look(l, mailbox, "alice_", 1) != 0) {
		return -1;
	}
	if (!l->sealed) {
		bool read = false;
		char file[LAB_TEXT];
		(void)snprintf(file, sizeof file, "%s/%s", mailbox, l->files[0]);
		read = lab_count_in(&l->st, file, LAB_CONTENT) > 0;
		return lab_tell(l->s, read ? LAB_WON : LAB_HELD,
			read ? "read the whole text in its own folder" : "found no text");
	}
	if (lying_say(l) != 0 || swap_keys(l) != 0) {
		return -1;
	}
	l->s->run->exits[0] = lying_as(l, "alice", "seal", seal);
	l->s->run->exits[1] = lying_as(l, "alice", "chat", chat);
	if (!said(l, "seal", "HAS CHANGED") || !said(l, "chat", "HAS CHANGED")) {
		return lab_tell(l->s, LAB_UNCLEAR, "nobody was told that a key has changed");
	}
	return judge_both(l, EX_NOPERM,
		"alice was told that bob's key has changed, and sent nothing", "the same");
}

/* --- address --- */

/* The text of a message with another To, as one of carol's. */
static int readdress(struct lie *l, const char *name)
{
	char file[LAB_TEXT];
	struct buf old = {0}, new = {0};
	struct message_head h;
	const char *why;
	int rc;

	(void)snprintf(file, sizeof file, "%s/%s", mailbox, name);
	rc = lab_read(&l->st, file, &old, l->s->e);
	if (rc == 0 && (message_parse(old.p, old.n, true, &h, &why) != 1 ||
			       message_format(&new, h.from, message_text("carol"), message_now(),
				       h.title, h.length) != 0 ||
			       buf_append(&new, old.p + h.bytes, old.n - h.bytes) != 0)) {
		rc = err_set(l->s->e, EX_SOFTWARE, "the server cannot change the To of %s", file);
	}
	(void)snprintf(file, sizeof file, "site/carol/%s", name);
	rc = rc == 0 ? lab_write_bytes(&l->st, file, new.p, new.n, l->s->e) : rc;
	buf_free(&old);
	buf_free(&new);
	return rc;
}

/* bob helps: he opens what alice has signed, and seals it to carol; the server has it come from
 * alice. */
static int seal_anew(struct lie *l, const char *name)
{
	static const char *const whole[LYING_ARGS] = {"read", "--last", "--signed"};
	static const char *const signature[LYING_ARGS] = {"read", "--last", "--signature"};
	char input[LAB_PATH_MAX], output[LAB_PATH_MAX], home[LAB_PATH_MAX], file[LAB_TEXT];
	const char *const seal[] = {
		"seal", "-a", "--to", "carol", "-k", home, "-o", output, input, NULL};
	struct buf text = {0}, more = {0}, head = {0};
	struct err *e = l->s->e;
	int rc = -1;

	lab_path(&l->st, "opened", input);
	lab_path(&l->st, "anew", output);
	lab_path(&l->st, "carol", home);
	if (lying_must(l, "bob", "signed", whole) != 0 ||
		lying_must(l, "bob", "signature", signature) != 0 ||
		lab_read(&l->st, "signature.out", &text, e) != 0 ||
		lab_read(&l->st, "signed.out", &more, e) != 0) {
		goto out;
	}
	if (buf_append(&text, more.p, more.n) != 0) {
		err_set(e, EX_TEMPFAIL, "out of memory");
		goto out;
	}
	if (lab_write_bytes(&l->st, "opened", text.p, text.n, e) != 0) {
		goto out;
	}
	if (lab_run_applet(&l->st, "seal", seal, NULL, e) != 0) {
		err_set(e, EX_SOFTWARE, "bob cannot seal anew");
		goto out;
	}
	text.n = 0;
	(void)snprintf(file, sizeof file, "site/carol/%s", name);
	if (lab_read(&l->st, "anew", &text, e) == 0) {
		rc = message_format(&head, message_text("alice"), message_text("carol"),
			     message_now(), message_text("[sealed]"), text.n) == 0 &&
				     buf_append(&head, text.p, text.n) == 0
			     ? lab_write_bytes(&l->st, file, head.p, head.n, e)
			     : err_set(e, EX_TEMPFAIL, "out of memory");
	}
out:
	buf_free(&text);
	buf_free(&more);
	buf_free(&head);
	return rc;
}

static int lie_address(struct lie *l)
{
	if (lying_send(l) != 0 || lying_look(l, mailbox, "alice_", 1) != 0) {
		return -1;
	}
	if (!l->sealed) {
		int code = readdress(l, l->files[0]) == 0 ? read_last(l, "carol") : -1;
		bool won = code == 0 && printed(l, "read", LAB_CONTENT) &&
			   printed(l, "read", "To: carol");
		return code < 0 ? -1
				: lab_tell(l->s, won ? LAB_WON : LAB_HELD,
					  won ? "carol reads bob's mail as one to her, from alice"
					      : "carol got no such mail");
	}
	if (seal_anew(l, l->files[0]) != 0 || lying_say(l) != 0 ||
		lying_look(l, waiting, "", 1) != 0 ||
		lab_make_folder(&l->st, "site/.chat/carol", l->s->e) != 0 ||
		lab_make_folder(&l->st, "site/.chat/carol/waiting", l->s->e) != 0 ||
		lying_copy(l, waiting, l->files[0], "site/.chat/carol/waiting", l->files[0]) != 0) {
		return -1;
	}
	l->s->run->exits[0] = read_last(l, "carol");
	l->s->run->exits[1] = lying_hear(l, "carol");
	return judge_both(l, EX_DATAERR, "carol was told that alice wrote to bob, though he helped",
		"she was told that it is forged");
}

/* --- replay --- */

/* bob reads two messages, whichever the server lists first. The worse exit code; or -1. */
static int read_both(struct lie *l)
{
	static const char *const one[LYING_ARGS] = {"read", "1"};
	static const char *const two[LYING_ARGS] = {"read", "2"};
	int first = lying_as(l, "bob", "1", one), second = lying_as(l, "bob", "2", two);

	return first < 0 || second < 0 ? -1 : first > second ? first : second;
}

static int lie_replay(struct lie *l)
{
	static const char *const last[LYING_ARGS] = {"read", "--last"};
	char copy[NAME_MAX + 1], *digit;

	if (lying_send(l) != 0 || lying_look(l, mailbox, "alice_", 1) != 0 ||
		(l->sealed && lying_must(l, "bob", "read", last) != 0)) {
		return -1;
	}
	(void)snprintf(copy, sizeof copy, "%.*s~2.txt", (int)strlen(l->files[0]) - 4, l->files[0]);
	if (lying_copy(l, mailbox, l->files[0], mailbox, copy) != 0) {
		return -1;
	}
	l->s->run->exits[0] = read_both(l);
	if (!l->sealed) {
		bool won = l->s->run->exits[0] == 0 && printed(l, "1", LAB_CONTENT) &&
			   printed(l, "2", LAB_CONTENT);
		return lab_tell(l->s, won ? LAB_WON : LAB_HELD,
			won ? "bob has the message twice, as two of them" : "bob has it once");
	}
	if (lying_say(l) != 0 || lying_look(l, waiting, "", 1) != 0) {
		return -1;
	}
	(void)snprintf(copy, sizeof copy, "%s", l->files[0]);
	digit = copy + strcspn(copy, "-") - 1; /* of the time at which it came */
	*digit = *digit == '0' ? '1' : '0';
	if (lying_copy(l, waiting, l->files[0], waiting, copy) != 0) {
		return -1;
	}
	l->s->run->exits[1] = lying_hear(l, "bob");
	return judge_both(l, EX_DATAERR, "bob was told that it was sent again",
		"he was told that it came twice");
}

/* --- withhold --- */

static int lie_withhold(struct lie *l)
{
	static const char *const inbox[LYING_ARGS] = {"inbox"};
	static const char *const opened[LYING_ARGS] = {"inbox", "--open"};

	for (int i = 0; i < 3; i++) {
		if (lying_send(l) != 0 || (l->sealed && lying_say(l) != 0)) {
			return -1;
		}
	}
	if (lying_look(l, mailbox, "alice_", 3) != 0 || lying_settled(l) != 0 ||
		lying_look(l, mailbox, "alice_", 3) != 0 ||
		lying_drop(l, mailbox, l->files[1]) != 0) { /* ..., ~2, ~3 */
		return -1;
	}
	l->s->run->exits[0] = lying_as(l, "bob", "list", l->sealed ? opened : inbox);
	if (!l->sealed) {
		bool won =
			l->s->run->exits[0] == 0 && lab_count_in(&l->st, "list.out", "alice") == 2;
		return lab_tell(l->s, won ? LAB_WON : LAB_HELD,
			won ? "bob lists two of three, and nothing tells him" : "bob was told");
	}
	if (lying_look(l, waiting, "", 3) != 0 || lying_drop(l, waiting, l->files[1]) != 0) {
		return -1;
	}
	l->s->run->exits[1] = lying_hear(l, "bob");
	if (!said(l, "list", "missing") ||
		!(said(l, "hear", "missing") || printed(l, "hear", "missing"))) {
		return lab_tell(l->s, LAB_UNCLEAR, "nobody was told which one is missing");
	}
	return judge_both(l, EX_DATAERR, "bob was told which one is missing", "the same");
}

/* --- the scenes --- */

int lab_lie(struct scene *s)
{
	static int (*const scenes[])(struct lie * l) = {
		lie_keys, lie_address, lie_replay, lie_withhold};
	static struct lie l;
	int rc;

	l = (struct lie){.s = s, .sealed = s->enhanced};
	rc = lying_open(&l);
	rc = rc == 0 && l.sealed ? lying_meet(&l) : rc;
	rc = rc == 0 ? scenes[s->attack - lab_lies](&l) : rc;
	lying_close(&l);
	return rc;
}
