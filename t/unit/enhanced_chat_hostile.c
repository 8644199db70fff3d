/* Chat over the wire: what no client of ours asks. A request that is not sound is refused, and
 * changes nothing; the session goes on, unless nobody could tell where the next request begins. */
#include "host.h"

static uint64_t waiting(struct mail_client *c)
{
	uint64_t n;

	assert_int_equal(enhanced_chat_wait(c, 0, 0, &e), 0);
	assert_int_equal(enhanced_chat_waited(c, &n, &e), 0);
	return n;
}

#define PATH_NAMES(type, field)                                                          \
	{"{\"type\":\"" type "\",\"" field "\":\"../x\"}", "no-user", 0},                \
		{"{\"type\":\"" type "\",\"" field "\":\"/etc/passwd\"}", "no-user", 0}, \
		{"{\"type\":\"" type "\",\"" field "\":\".chat\"}", "no-user", 0},       \
		{"{\"type\":\"" type "\",\"" field "\":[]}", "rejected", 0},             \
	{                                                                                \
		"{\"type\":\"" type "\"}", "rejected", 0                                 \
	}

#define STREAM "\"stream\":\"0102030405060708\""

static const struct {
	const char *json, *code;
	size_t raw;
} hostile[] = {
	PATH_NAMES("chat-offer", "to"),
	PATH_NAMES("chat-withdraw", "to"),
	PATH_NAMES("chat-take", "of"),
	PATH_NAMES("chat-presence", "name"),
	{"{\"type\":\"chat-offer\",\"to\":\"alice\"}", "rejected", 0},
	{"{\"type\":\"chat-offer\",\"to\":\"alice\",\"offers\":{}}", "rejected", 0},
	{"{\"type\":\"chat-offer\",\"to\":\"alice\",\"offers\":[]}", "rejected", 0},
	{"{\"type\":\"chat-offer\",\"to\":\"alice\",\"offers\":[7]}", "rejected", 0},
	{"{\"type\":\"chat-offer\",\"to\":\"alice\",\"offers\":[\"AAAA\"]}", "rejected", 0},
	{"{\"type\":\"chat-offer\",\"to\":\"alice\",\"offers\":[\"....\"]}", "rejected", 0},
	{"{\"type\":\"chat-send\",\"to\":\"../x\"," STREAM ",\"number\":1,\"length\":2}", "no-user",
		2},
	{"{\"type\":\"chat-send\",\"to\":\"nobody\"," STREAM ",\"number\":1,\"length\":2}",
		"no-user", 2},
	{"{\"type\":\"chat-send\",\"to\":\"alice\"," STREAM ",\"number\":0,\"length\":2}",
		"rejected", 2},
	{"{\"type\":\"chat-send\",\"to\":\"alice\"," STREAM ",\"number\":-1,\"length\":2}",
		"rejected", 2},
	{"{\"type\":\"chat-send\",\"to\":\"alice\"," STREAM ",\"number\":1.5,\"length\":2}",
		"rejected", 2},
	{"{\"type\":\"chat-send\",\"to\":\"alice\"," STREAM ",\"length\":2}", "rejected", 2},
	{"{\"type\":\"chat-send\",\"to\":\"alice\",\"number\":1,\"length\":2}", "rejected", 2},
	{"{\"type\":\"chat-send\",\"to\":\"alice\",\"stream\":\"01\",\"number\":1,\"length\":2}",
		"rejected", 2},
	{"{\"type\":\"chat-send\",\"to\":\"alice\",\"stream\":\"0102030405060708090a\","
	 "\"number\":1,\"length\":2}",
		"rejected", 2},
	{"{\"type\":\"chat-send\",\"to\":\"alice\",\"receipt\":true,\"length\":0}", "rejected", 0},
	{"{\"type\":\"chat-send\",\"to\":\"alice\",\"receipt\":true,\"length\":1025}", "rejected",
		1025},
	{"{\"type\":\"chat-fetch\",\"limit\":-1}", "rejected", 0},
	{"{\"type\":\"chat-fetch\",\"limit\":\"1\"}", "rejected", 0},
	{"{\"type\":\"chat-fetch\",\"after\":1}", "rejected", 0},
	{"{\"type\":\"chat-fetch\",\"after\":\"00\"}", "rejected", 0},
	{"{\"type\":\"chat-wait\",\"beyond\":-1}", "rejected", 0},
	{"{\"type\":\"chat-fetch\",\"limit\":9223372036854775807}", "rejected", 0},
	{"{\"type\":\"chat-done\"}", "rejected", 0},
	{"{\"type\":\"chat-done\",\"ids\":\"0\"}", "rejected", 0},
	{"{\"type\":\"chat-done\",\"ids\":[]}", "rejected", 0},
	{"{\"type\":\"chat-done\",\"ids\":[\"../../user_pass.json\"]}", "rejected", 0},
	{"{\"type\":\"chat-done\",\"ids\":[7]}", "rejected", 0},
	{"{\"type\":\"chat-wait\",\"seconds\":-1}", "rejected", 0},
	{"{\"type\":\"chat-wait\",\"seconds\":2147483648}", "rejected", 0},
	{"{\"type\":\"chat-wait\",\"seconds\":\"1\"}", "rejected", 0},
	{"{\"type\":\"chat-presence\",\"name\":\"nobody\"}", "no-user", 0},
	{"{\"type\":\"chat-take\",\"of\":\"nobody\"}", "no-user", 0},
	{"{\"type\":\"chat-message\"}", "unknown", 0},
};

static void hostile_requests(void **state)
{
	struct mail_client *c = log_in("bob");
	uint8_t raw[2000] = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(hostile); i++) {
		say(c, hostile[i].json, raw, hostile[i].raw);
		assert_error(c, hostile[i].code);
	}
	assert_int_equal(waiting(c), 0); /* it goes on */
	assert_int_equal(faccessat(folder.fd, ".chat/alice/waiting", F_OK, 0), -1);
	log_out(c);
}

/* More than a request may name. */
static void too_many_ids(void **state)
{
	struct mail_client *c = log_in("bob");
	struct buf json = {0};
	static const char id[] = "\"00112233445566778899aabbccddeeff\",";
	json_t *reply;

	(void)state;
	for (size_t n = ENHANCED_CHAT_IDS; n <= ENHANCED_CHAT_IDS + 1; n++) {
		json.n = 0;
		assert_int_equal(buf_append_str(&json, "{\"type\":\"chat-done\",\"ids\":["), 0);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(buf_append_str(&json, id), 0);
		}
		json.n--;
		assert_int_equal(buf_append(&json, "]}", 3), 0);
		say(c, (const char *)json.p, NULL, 0);
		if (n > ENHANCED_CHAT_IDS) {
			assert_error(c, "rejected");
		} else {
			assert_int_equal(enhanced_client_reply((struct enhanced_client *)c,
						 "chat-done", &reply, &e),
				0);
			json_decref(reply);
		}
	}
	buf_free(&json);
	log_out(c);
}

/* Where a packet ends cannot be told: the session does. */
static void no_sound_length(void **state)
{
	static const char *const lengths[] = {"", ",\"length\":-1", ",\"length\":\"2\"",
		",\"length\":17825793", ",\"length\":1e3", ",\"length\":9223372036854775807"};
	char json[256];

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct mail_client *c = log_in("bob");
		(void)snprintf(json, sizeof json,
			"{\"type\":\"chat-send\",\"to\":\"alice\"," STREAM ",\"number\":1%s}",
			lengths[i]);
		say(c, json, NULL, 0);
		assert_error(c, "protocol");
		c->ops->end(c);
	}
	assert_int_equal(faccessat(folder.fd, ".chat", F_OK, 0), -1);
}

static const uint8_t stream[CHAT_STREAM] = {1, 2, 3};

/* Cut in its middle, nothing of it is kept. */
static void cut_packet(void **state)
{
	struct mail_client *c = log_in("bob"), *alice = log_in("alice");
	bool again;

	(void)state;
	say(c, "{\"type\":\"chat-send\",\"to\":\"alice\"," STREAM ",\"number\":1,\"length\":100}",
		"only so many", 12);
	c->ops->end(c);
	c = log_in("bob");
	assert_int_equal(enhanced_chat_send(c, "alice", stream, 2, "the next", 8, &again, &e), 0);
	assert_int_equal(waiting(alice), 1);
	log_out(c);
	log_out(alice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_HOST("hostile requests are refused, and the session goes on", hostile_requests),
		T_HOST("more ids than a limit are refused", too_many_ids),
		T_HOST("without a sound length the session ends", no_sound_length),
		T_HOST("of a packet that is cut nothing is kept", cut_packet),
	};

	return RUN(tests);
}
