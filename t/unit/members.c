/* The directory of members, both halves of the wire and what stands behind it: who is shown, with
 * which keys; publishing a signing key; and removing one's account. */
#include "host.h"

static struct p256_pair signing_of(uint8_t seed)
{
	struct p256_pair p = {0};

	memset(p.private, seed, sizeof p.private);
	assert_int_equal(p256_public(p.public, p.private), 0);
	return p;
}

static void assert_keys(struct mail_client *c, const char *name, const struct p256_pair *signing)
{
	struct members_row row;

	if (enhanced_members_get(c, name, &row, &e) != 0) {
		fail_msg("%s: %s", name, e.text);
	}
	assert_string_equal(row.name, name);
	assert_true(row.has_keys);
	assert_memory_equal(row.keys.x25519, pair_of(name)->public, X25519_BYTES);
	assert_int_equal(row.keys.signs, signing != NULL);
	if (signing != NULL) {
		assert_memory_equal(row.keys.p256, signing->public, P256_PUBLIC);
	}
}

static void who_is_shown(void **state)
{
	static const char *const nobody[] = {"rex", "ina", "server", "zoe", "a_x25519"};
	struct mail_client *c = log_in("alice");
	struct members_row row;

	(void)state;
	assert_keys(c, "alice", NULL);
	assert_keys(c, "bob", NULL);
	assert_keys(c, "dave", NULL);
	assert_int_equal(enhanced_members_get(c, "eve", &row, &e), 0);
	assert_false(row.has_keys || row.keys.signs);
	for (size_t i = 0; i < COUNT(nobody); i++) {
		assert_refused(enhanced_members_get(c, nobody[i], &row, &e), e, EX_NOUSER);
		assert_true(c->alive);
	}
	/* keys of who is no user lie about */
	assert_int_equal(keyfile_save_x25519_public(folder.fd, "zoe", host_key, &e), 0);
	assert_refused(enhanced_members_get(c, "zoe", &row, &e), e, EX_NOUSER);
	/* and of who was shut out */
	assert_int_equal(keyfile_save_x25519_public(folder.fd, "rex", host_key, &e), 0);
	assert_refused(enhanced_members_get(c, "rex", &row, &e), e, EX_NOUSER);
	/* a damaged one is none */
	spew_text("dave_x25519_public.pem", "no key");
	assert_int_equal(enhanced_members_get(c, "dave", &row, &e), 0);
	assert_false(row.has_keys);
	log_out(c);
}

struct seen {
	char names[1000][USER_NAME_MAX + 1];
	size_t n, with_keys;
};

static int see(void *arg, const struct members_row *row, struct err *why)
{
	struct seen *s = arg;

	(void)why;
	assert_true(s->n < COUNT(s->names));
	memcpy(s->names[s->n++], row->name, sizeof row->name);
	s->with_keys += row->has_keys ? 1 : 0;
	return 0;
}

static void the_list(void **state)
{
	static const char *const wanted[] = {"alice", "bob", "carol", "dave", "eve"};
	struct mail_client *c = log_in("bob");
	struct seen s = {0};

	(void)state;
	assert_int_equal(enhanced_members_list(c, see, &s, &e), 0);
	assert_int_equal(s.n, COUNT(wanted));
	for (size_t i = 0; i < COUNT(wanted); i++) {
		assert_string_equal(s.names[i], wanted[i]);
	}
	assert_int_equal(s.with_keys, 4);
	log_out(c);
}

/* More than a page, and each once, in order. */
static void a_long_list(void **state)
{
	enum { MANY = 450 };
	struct buf text = {0};
	struct mail_client *c;
	static struct seen s;

	(void)state;
	slurp("user_pass.json", &text);
	while (text.p[text.n - 1] != '}') {
		text.n--;
	}
	text.n--;
	for (int i = 0; i < MANY; i++) {
		char row[64];
		(void)snprintf(row, sizeof row, ", \"m%03d\": \"secret\"", i);
		assert_int_equal(buf_append_str(&text, row), 0);
	}
	assert_int_equal(buf_append_str(&text, "}"), 0);
	spew("user_pass.json", text.p, text.n);
	buf_free(&text);
	c = log_in("bob");
	s.n = 0;
	assert_int_equal(enhanced_members_list(c, see, &s, &e), 0);
	assert_int_equal(s.n, MANY + 5);
	for (size_t i = 1; i < s.n; i++) {
		assert_true(strcmp(s.names[i - 1], s.names[i]) < 0);
	}
	say(c, "{\"type\":\"member-list\",\"after\":\"m448\"}", NULL, 0);
	json_t *o;
	assert_int_equal(enhanced_client_reply((struct enhanced_client *)c, "members", &o, &e), 0);
	assert_int_equal(json_array_size(json_object_get(o, "rows")), 1);
	assert_true(fields_is(json_array_get(json_object_get(o, "rows"), 0), "name", "m449"));
	json_decref(o);
	log_out(c);
}

static int stop_at_once(void *arg, const struct members_row *row, struct err *why)
{
	(void)arg;
	(void)row;
	return err_set(why, EX_IOERR, "enough");
}

static void a_visitor_who_ends_it(void **state)
{
	struct mail_client *c = log_in("bob");

	(void)state;
	assert_refused(enhanced_members_list(c, stop_at_once, NULL, &e), e, EX_IOERR);
	assert_false(c->alive);
	log_out(c);
}

static void publishing(void **state)
{
	const struct p256_pair first = signing_of(1), second = signing_of(2);
	struct mail_client *alice = log_in("alice"), *bob = log_in("bob");

	(void)state;
	assert_int_equal(
		enhanced_members_publish(alice, "alice", pair_of("alice")->public, &first, &e), 0);
	assert_keys(bob, "alice", &first);
	assert_keys(alice, "alice", &first);
	/* again, and another one */
	assert_int_equal(
		enhanced_members_publish(alice, "alice", pair_of("alice")->public, &first, &e), 0);
	assert_int_equal(
		enhanced_members_publish(alice, "alice", pair_of("alice")->public, &second, &e), 0);
	assert_keys(bob, "alice", &second);
	log_out(alice);
	log_out(bob);
}

/* For another name, or beside another key, or by another key: nothing is published. */
static void not_his_to_publish(void **state)
{
	const struct p256_pair own = signing_of(1), other = signing_of(2);
	struct p256_pair mixed = own;
	struct mail_client *c = log_in("alice");

	(void)state;
	assert_refused(enhanced_members_publish(c, "bob", pair_of("alice")->public, &own, &e), e,
		EX_DATAERR);
	assert_refused(enhanced_members_publish(c, "alice", pair_of("bob")->public, &own, &e), e,
		EX_DATAERR);
	memcpy(mixed.public, other.public, sizeof mixed.public);
	assert_refused(enhanced_members_publish(c, "alice", pair_of("alice")->public, &mixed, &e),
		e, EX_DATAERR);
	assert_true(c->alive);
	assert_keys(c, "alice", NULL);
	log_out(c);
}

/* Where the key is the operator's file, so is the signing key; his is not replaced. */
static void beside_a_key_file(void **state)
{
	const struct p256_pair first = signing_of(1), second = signing_of(2);
	struct mail_client *c = log_in("dave");
	uint8_t key[P256_PUBLIC];

	(void)state;
	assert_int_equal(
		enhanced_members_publish(c, "dave", pair_of("dave")->public, &first, &e), 0);
	assert_keys(c, "dave", &first);
	assert_int_equal(keyfile_load_p256_public(folder.fd, "dave", key, &e), 0);
	assert_memory_equal(key, first.public, sizeof key);
	assert_int_equal(
		enhanced_members_publish(c, "dave", pair_of("dave")->public, &first, &e), 0);
	assert_refused(enhanced_members_publish(c, "dave", pair_of("dave")->public, &second, &e), e,
		EX_CANTCREAT);
	assert_true(c->alive);
	assert_keys(c, "dave", &first);
	log_out(c);
}

/* A signing key is void with the key that it was published beside. */
static void void_with_its_key(void **state)
{
	const struct p256_pair signing = signing_of(1);
	struct mail_client *alice = log_in("alice"), *bob = log_in("bob");

	(void)state;
	assert_int_equal(
		enhanced_members_publish(alice, "alice", pair_of("alice")->public, &signing, &e),
		0);
	assert_keys(bob, "alice", &signing);
	log_out(alice);
	make_pair(pair_of("alice"), 99);
	assert_int_equal(users_set_key(accounts, "alice", pair_of("alice")->public, &e), 0);
	assert_keys(bob, "alice", NULL);
	alice = log_in("alice");
	assert_int_equal(
		enhanced_members_publish(alice, "alice", pair_of("alice")->public, &signing, &e),
		0);
	assert_keys(bob, "alice", &signing);
	log_out(alice);
	log_out(bob);
}

/* Who is revoked is gone, and so is the file of what he signed with. */
static void revoked(void **state)
{
	const struct p256_pair signing = signing_of(1);
	struct mail_client *dave = log_in("dave"), *bob = log_in("bob");
	struct members_row row;

	(void)state;
	assert_int_equal(
		enhanced_members_publish(dave, "dave", pair_of("dave")->public, &signing, &e), 0);
	assert_int_equal(users_revoke(accounts, "dave", pair_of("dave")->public, &e), 0);
	assert_refused(enhanced_members_get(bob, "dave", &row, &e), e, EX_NOUSER);
	make_pair(pair_of("dave"), 98);
	assert_int_equal(users_set_key(accounts, "dave", pair_of("dave")->public, &e), 0);
	assert_keys(bob, "dave", NULL);
	dave->ops->end(dave);
	log_out(bob);
}

static const struct {
	const char *json, *code;
} hostile[] = {
	{"{\"type\":\"member-get\"}", "rejected"},
	{"{\"type\":\"member-get\",\"name\":7}", "rejected"},
	{"{\"type\":\"member-get\",\"name\":[\"bob\"]}", "rejected"},
	{"{\"type\":\"member-get\",\"name\":\"\"}", "no-user"},
	{"{\"type\":\"member-get\",\"name\":\"../bob\"}", "no-user"},
	{"{\"type\":\"member-get\",\"name\":\"/etc/passwd\"}", "no-user"},
	{"{\"type\":\"member-get\",\"name\":\"Bob\"}", "no-user"},
	{"{\"type\":\"member-get\",\"name\":\"bob\xc2\xa0\"}", "no-user"},
	{"{\"type\":\"member-get\",\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", "no-user"},
	{"{\"type\":\"member-list\",\"after\":7}", "rejected"},
	{"{\"type\":\"member-list\",\"after\":\"..\"}", "rejected"},
	{"{\"type\":\"member-set\"}", "rejected"},
	{"{\"type\":\"member-set\",\"p256\":7,\"signature\":7}", "rejected"},
	{"{\"type\":\"member-set\",\"p256\":\"\",\"signature\":\"\"}", "rejected"},
	{"{\"type\":\"member-get\",\"name\":\"server\"}", "no-user"},
};

static void hostile_requests(void **state)
{
	struct mail_client *c = log_in("bob");
	char json[512], hex[2 * P256_PUBLIC + 1], zeros[2 * P256_SIGNATURE + 1];
	uint8_t point[P256_PUBLIC] = {4, 1, 2, 3}; /* which is not on the curve */

	(void)state;
	for (size_t i = 0; i < COUNT(hostile); i++) {
		say(c, hostile[i].json, NULL, 0);
		assert_error(c, hostile[i].code);
	}
	memset(zeros, '0', sizeof zeros - 1);
	zeros[sizeof zeros - 1] = '\0';
	hex_encode(hex, point, sizeof point);
	(void)snprintf(json, sizeof json,
		"{\"type\":\"member-set\",\"p256\":\"%s\",\"signature\":\"%s\"}", hex, zeros);
	say(c, json, NULL, 0);
	assert_error(c, "rejected");
	hex_encode(hex, signing_of(3).public, P256_PUBLIC); /* which is, and signed nothing */
	(void)snprintf(json, sizeof json,
		"{\"type\":\"member-set\",\"p256\":\"%s\",\"signature\":\"%s\"}", hex, zeros);
	say(c, json, NULL, 0);
	assert_error(c, "rejected");
	assert_keys(c, "bob", NULL);
	log_out(c);
}

/* The account goes, its sessions with it, and what was kept of its chats; others keep theirs. */
static void removing_an_account(void **state)
{
	struct mail_client *bob = log_in("bob"), *other = log_in("bob"), *alice = log_in("alice");
	const struct chat_offer offer = {.number = 1};
	struct members_row row;
	struct chat_offer taken;
	uint64_t held;
	bool none, again;
	uint8_t stream[CHAT_STREAM] = {1};

	(void)state;
	assert_int_equal(enhanced_chat_offer(bob, "alice", &offer, 1, &held, NULL, &e), 0);
	assert_int_equal(enhanced_chat_offer(alice, "bob", &offer, 1, &held, NULL, &e), 0);
	assert_int_equal(enhanced_chat_send(alice, "bob", stream, 1, "text", 4, &again, &e), 0);
	assert_int_equal(enhanced_members_remove_account(bob, &e), 0);
	assert_false(bob->alive);
	bob->ops->end(bob);
	assert_refused(enhanced_members_get(other, "alice", &row, &e), e, EX_NOPERM);
	other->ops->end(other);
	assert_refused(enhanced_members_get(alice, "bob", &row, &e), e, EX_NOUSER);
	assert_refused(enhanced_chat_take(alice, "bob", &taken, &none, &e), e, EX_NOUSER);
	assert_keys(alice, "alice", NULL);
	bob = log_in_with("bob", pair_of("bob"));
	assert_refused(enhanced_client_welcome(bob, NULL, &e), e, EX_NOPERM);
	bob->ops->end(bob);
	/* the next bob finds nothing */
	make_pair(pair_of("bob"), 97);
	assert_int_equal(users_invite(accounts, "bob", invited, INT32_MAX, &e), 0);
	assert_int_equal(users_join(accounts, "bob", invited, 1, pair_of("bob")->public, &e), 0);
	bob = log_in("bob");
	assert_int_equal(enhanced_chat_take(bob, "alice", &taken, &none, &e), 0);
	assert_true(none);
	assert_int_equal(enhanced_chat_wait(bob, 0, 0, &e), 0);
	assert_int_equal(enhanced_chat_waited(bob, &held, &e), 0);
	assert_int_equal(held, 0);
	log_out(bob);
	log_out(alice);
}

/* Whoever enrols with another key has nothing of what was kept under the name. */
static void enrolling_anew(void **state)
{
	struct mail_client *alice = log_in("alice"), *bob;
	struct x25519_pair fresh;
	uint8_t stream[CHAT_STREAM] = {1};
	struct enhanced_login l = {.host = "127.0.0.1",
		.port = host_port,
		.user = "bob",
		.key = &fresh,
		.server_key = host_key,
		.secret = invited};
	uint64_t waiting;
	bool again;

	(void)state;
	assert_int_equal(enhanced_chat_send(alice, "bob", stream, 1, "text", 4, &again, &e), 0);
	make_pair(&fresh, 96);
	assert_int_equal(users_invite(accounts, "bob", invited, INT32_MAX, &e), 0);
	assert_int_equal(enhanced_client_open(&bob, &l, &e), 0);
	assert_int_equal(enhanced_client_welcome(bob, NULL, &e), 0);
	assert_int_equal(enhanced_chat_wait(bob, 0, 0, &e), 0);
	assert_int_equal(enhanced_chat_waited(bob, &waiting, &e), 0);
	assert_int_equal(waiting, 0);
	/* once more invited, with the key that he has: nothing is lost */
	assert_int_equal(enhanced_chat_send(alice, "bob", stream, 2, "text", 4, &again, &e), 0);
	log_out(bob);
	assert_int_equal(users_invite(accounts, "bob", invited, INT32_MAX, &e), 0);
	assert_int_equal(enhanced_client_open(&bob, &l, &e), 0);
	assert_int_equal(enhanced_client_welcome(bob, NULL, &e), 0);
	assert_int_equal(enhanced_chat_wait(bob, 0, 0, &e), 0);
	assert_int_equal(enhanced_chat_waited(bob, &waiting, &e), 0);
	assert_int_equal(waiting, 1);
	log_out(bob);
	log_out(alice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_HOST("in the directory is who could log in", who_is_shown),
		T_HOST("the list is by name", the_list),
		T_HOST("a long list comes whole, and from behind a name", a_long_list),
		T_HOST("a visitor may end the list", a_visitor_who_ends_it),
		T_HOST("a signing key that is published is shown", publishing),
		T_HOST("nobody publishes for another", not_his_to_publish),
		T_HOST("beside a key file stands a file, which is not replaced", beside_a_key_file),
		T_HOST("a signing key is void with its X25519 key", void_with_its_key),
		T_HOST("who is revoked is in no directory", revoked),
		T_HOST("hostile requests are refused, and the session goes on", hostile_requests),
		T_HOST("an account that is removed leaves nothing of its chats",
			removing_an_account),
		T_HOST("who enrols with another key finds nothing of the one before",
			enrolling_anew),
	};

	return RUN(tests);
}
