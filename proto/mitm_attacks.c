/* The table of attacks. A new one is a row here, its functions beside the others of its kind, and a
 * row in SECURITY.md. */
#include "mitm_relay.h"

const struct mitm_attack mitm_attacks[] = {
	{.name = "eavesdrop",
		.threats = "-",
		.line = "listen, and tell what lengths and order tell",
		.help = "Relays both directions unchanged. On the classic protocol an outsider\n"
			"tells each step by its length: the login, the choices, how long each\n"
			"e-mail is. On the enhanced one he reads no name and no text, but sees\n"
			"the sizes and times of sealed records: nothing is padded but the login,\n"
			"so he tells short requests by their sizes (a goodbye always has 30\n"
			"bytes), and how long a content is.\n",
		.classic = MITM_WORKS,
		.passive = true,
		.heard = mitm_eavesdrop,
		.end = mitm_eavesdropped},
	{.name = "equal-blocks",
		.threats = "T4",
		.line = "find cipher text that repeats",
		.help = "AES-ECB makes equal blocks of equal text: the menu looks the same each\n"
			"time, and so does a line that was sent twice. Enhanced records are\n"
			"sealed with a counter: no two blocks are alike.\n",
		.classic = MITM_WORKS,
		.passive = true,
		.heard = mitm_collect_blocks,
		.end = mitm_compare_blocks},
	{.name = "stolen-key",
		.threats = "T25",
		.line = "open a recorded session with a private key stolen later (--stolen)",
		.help = "The classic session's key travels under the client's RSA key: whoever\n"
			"gets that key, even years later, opens every session that was\n"
			"recorded. The enhanced protocol makes each session's keys from\n"
			"ephemeral ones that are wiped. With the server's and the client's key\n"
			"message 1 opens, which is empty, and nothing behind it: all that the\n"
			"two keys compute is tried in place of the secret that is gone.\n",
		.classic = MITM_WORKS,
		.passive = true,
		.heard = mitm_open_with_key,
		.end = mitm_opened},
	{.name = "impersonate",
		.threats = "T2",
		.line = "play the server with a key of the attacker's own (--victim)",
		.help = "Nothing in the classic protocol proves the server: a session's key\n"
			"under the client's public key will do, and anybody can make one. The\n"
			"client hands over its mail and believes that it was sent. On the\n"
			"enhanced protocol the client knows the server's key beforehand:\n"
			"message 2 does not verify, and the client leaves without having named\n"
			"itself.\n",
		.classic = MITM_WORKS,
		.begin = mitm_play_server,
		.heard = mitm_impersonate},
	{.name = "replay-login",
		.threats = "T1",
		.line = "play a recorded login to the server",
		.help = "The classic login holds nothing fresh: its bytes open a session again\n"
			"and again. An enhanced login is bound to both sides' ephemeral keys:\n"
			"message 3 does not verify a second time, and the server closes.\n",
		.classic = MITM_WORKS,
		.heard = mitm_record_login,
		.end = mitm_replay_login},
	{.name = "replay-session",
		.threats = "T3",
		.line = "play a recorded session to the next client",
		.help = "The first session is relayed and recorded. Whoever connects then talks\n"
			"to the recording. Nothing of a classic session is the client's own\n"
			"choice, so it takes the old key, the old menu, and believes that its\n"
			"mail was sent. An enhanced client's ephemeral key is part of message\n"
			"2: an old one fails.\n",
		.classic = MITM_WORKS,
		.begin = mitm_replay_begin,
		.heard = mitm_replay_session,
		.end = mitm_replay_end},
	{.name = "double",
		.threats = "T6",
		.line = "send what was sent once more",
		.help = "Classic texts have no numbers: the bytes of an e-mail, sent twice, are\n"
			"two e-mails. Enhanced records are counted: all records of a letter are\n"
			"sent twice, the first of the repeated ones does not open, and the\n"
			"server closes.\n",
		.classic = MITM_WORKS,
		.heard = mitm_double},
	{.name = "splice",
		.threats = "T5",
		.line = "let two blocks of an e-mail change places",
		.help = "AES-ECB seals each block by itself: in another order they are another\n"
			"text, and nothing tells. An enhanced record has one tag over all of\n"
			"it.\n",
		.classic = MITM_WORKS,
		.heard = mitm_splice},
	{.name = "flip",
		.threats = "T5 T7",
		.line = "turn one bit of an e-mail",
		.help = "One bit of a classic block makes noise of 16 bytes. The protocol does\n"
			"not notice: the noise reaches the server as if the sender had written\n"
			"it, and is refused only if it is no UTF-8, with a reason that blames\n"
			"the sender. An enhanced record that was touched does not open.\n",
		.classic = MITM_WORKS,
		.heard = mitm_flip},
	{.name = "drop",
		.threats = "T6 T7",
		.line = "keep an e-mail back, and let the client believe that it arrived",
		.help = "The classic answer to an e-mail is the menu, whose cipher text never\n"
			"changes within a session: the attacker has heard it before, keeps the\n"
			"e-mail back and plays it. Enhanced answers are sealed and counted: of\n"
			"two letters in a session the second is kept back, and the answer to\n"
			"the first, played again, does not open.\n",
		.classic = MITM_WORKS,
		.heard = mitm_drop},
	{.name = "reorder",
		.threats = "T6 T7",
		.line = "deliver the second e-mail ahead of the first",
		.help = "With the menu and the prompt as they were heard before, the attacker\n"
			"answers the client itself, and delivers two e-mails of a classic\n"
			"session in the order that it likes. On the enhanced protocol the\n"
			"records of two letters change places as groups: out of order they do\n"
			"not open.\n",
		.classic = MITM_WORKS,
		.heard = mitm_reorder},
	{.name = "truncate",
		.threats = "T7",
		.line = "cut the end off",
		.help = "A classic list ends with the first block that is padded. Without the\n"
			"64 bytes ahead of that block, the newest messages are missing, and the\n"
			"client cannot tell. An enhanced list is cut behind its first record,\n"
			"which says that more is to come: the client says so and fails.\n",
		.classic = MITM_WORKS,
		.sizes_stop_it = true,
		.heard = mitm_truncate},
	{.name = "tamper-login",
		.threats = "T8 T9",
		.line = "alter the login on its way",
		.help = "The founding example. The classic server cannot read the login, and\n"
			"says what it says of a wrong password: the client blames itself. A\n"
			"hash of the login inside the login changes nothing. An enhanced client\n"
			"whose message 3 was altered is never told that its password is wrong:\n"
			"the handshake fails.\n",
		.classic = MITM_WORKS,
		.heard = mitm_tamper_login},
	{.name = "inject-invalid",
		.threats = "T9",
		.line = "tell the client that its login is wrong",
		.help = "The classic refusal travels in the clear: anybody can say it. On the\n"
			"enhanced protocol a refusal is a sealed record of the proven server's;\n"
			"anything else is a broken protocol, and no word about the login.\n",
		.classic = MITM_WORKS,
		.begin = mitm_play_server,
		.heard = mitm_inject_invalid},
	{.name = "downgrade",
		.threats = "T23",
		.line = "break the enhanced handshake, and wait for the classic one",
		.help = "A client that was told --enhanced never falls back: it fails, and says\n"
			"no classic byte. The classic protocol has nothing below it.\n",
		.classic = MITM_NOTHING_THERE,
		.begin = mitm_play_server,
		.heard = mitm_downgrade},
	{.name = "low-order",
		.threats = "T24",
		.line = "offer public keys that make every shared secret zero",
		.help = "To the server in message 1, as the ephemeral key, and in message 3, as\n"
			"the static one, with the proofs that a secret of zeros makes: nothing\n"
			"but the check for it is left to refuse them (RFC 7748 6.1; BearSSL\n"
			"calls such a secret a success). It takes the server's public key, in\n"
			"the folder of --keys; without it the proofs are noise. To the client\n"
			"in message 2: there the proof takes the server's private key, too, so\n"
			"it is noise, and would be refused as well without that check. The\n"
			"classic protocol agrees on no secret.\n",
		.classic = MITM_NOTHING_THERE,
		.begin = mitm_play_server,
		.heard = mitm_low_order,
		.strike = mitm_low_order_strike},
	{.name = "reflect",
		.threats = "T24",
		.line = "answer the client with its own message 1",
		.help = "Each direction has a key of its own, and message 2 proves the\n"
			"server's: a client's own words prove nothing to it. The classic\n"
			"protocol agrees on no secret.\n",
		.classic = MITM_NOTHING_THERE,
		.begin = mitm_play_server,
		.heard = mitm_reflect},
	{.name = "slow",
		.threats = "T19",
		.line = "take the server's sessions with connections that say a byte a second",
		.help = "Opens 200 connections (--sockets) that never finish their login. A\n"
			"phase of a session has an absolute deadline, and whoever has not\n"
			"logged in makes room for others: on both protocols a login meanwhile\n"
			"takes its usual time.\n",
		.classic = MITM_FAILS,
		.strike = mitm_slow},
	{.name = "smtp-relay",
		.threats = "T29",
		.line = "read SMTP mail without TLS, and go on in the session as the user",
		.help = "Before TLS all is read: mail is saved, and of a login by CRAM-MD5 the\n"
			"challenge and the answer are printed as hashcat takes them (-m 10200):\n"
			"a password in a list of words is found at once. Of the server's ways to\n"
			"log in only that one is passed on, for nothing vouches for the list.\n"
			"The answer is good once, but who relays needs no more: at QUIT the\n"
			"client is told goodbye in the server's place, and a mail in its name\n"
			"goes to whom it wrote to last. Neither side can tell. In TLS nothing of\n"
			"that is seen, and sendmail takes no less unless it is told to.\n",
		.classic = MITM_WORKS,
		.permissive = "sendmail --no-tls",
		.heard = mitm_smtp_relay,
		.end = mitm_smtp_over},
	{.name = "strip-starttls",
		.threats = "T30",
		.line = "take STARTTLS out of an SMTP server's offer, and wait for the clear",
		.help = "The offer is in the clear, so a client that begins TLS where it is\n"
			"offered goes without it: the mail is read. Where the server knows\n"
			"CRAM-MD5, the client is offered PLAIN alone; it says the password, and\n"
			"the attacker logs in with it in the client's place. A client for which\n"
			"TLS is no option leaves before it has said a name; so does sendmail. A\n"
			"server of --smtp-tls-only takes no mail in the clear.\n",
		.classic = MITM_WORKS,
		.permissive = "a client that takes TLS where it is offered",
		.heard = mitm_strip_starttls,
		.end = mitm_smtp_over},
	{.name = "inject-starttls",
		.threats = "T31",
		.line = "put words of the attacker's into TLS, from in front of it (--inject)",
		.help = "What stands behind STARTTLS, or behind its 220, came from anybody. A\n"
			"peer that keeps it in its buffer while TLS begins takes it for words\n"
			"said inside (CVE-2011-0411). To the server, on every odd connection:\n"
			"the commands of a file, which can log in as the attacker and begin a\n"
			"mail to him, so that all that the client says becomes its text; without\n"
			"a file a NOOP, whose answer is one too many. To the client, on the\n"
			"others: answers, so that it believes its mail stored. serve and\n"
			"sendmail end the session when anything stands there.\n",
		.classic = MITM_WORKS,
		.permissive = "a server and a client that keep their buffers",
		.heard = mitm_inject_starttls,
		.end = mitm_injected_starttls},
	{.name = "ft-flip",
		.threats = "T38",
		.line = "change a file on its way, and its checksum (--known, --forge)",
		.help = "On the founding wire of file transfer a changed bit of cipher text\n"
			"changes the same bit of the next block and spoils its own. Ahead of each\n"
			"payload stands its header's padding, at which nobody looks. So who knows\n"
			"the file writes what he likes over its first 16 bytes, and over its MD5\n"
			"that of the new one: the server confirms it. On noise every record is\n"
			"authenticated: the first changed bit ends the transfer.\n",
		.classic = MITM_WORKS,
		.ft = true,
		.heard = mitm_ft_flip,
		.end = mitm_ft_altered},
	{.name = "ft-truncate",
		.threats = "T39",
		.line = "have half a file confirmed as the whole (--known)",
		.help = "A full chunk of the founding wire ends in a block of padding, at which\n"
			"nobody looks: changed, it turns the next header into that of the end.\n"
			"The block behind that becomes the MD5 of what came so far, the rest is\n"
			"kept back, and the server confirms. On noise the end is a record of its\n"
			"own, sealed and counted, with the file's size in it: what comes without\n"
			"it is no file.\n",
		.classic = MITM_WORKS,
		.ft = true,
		.heard = mitm_ft_truncate,
		.end = mitm_ft_altered},
	{.name = "ft-guess",
		.threats = "T40",
		.line = "guess at the key of a file server by a list of words (--words)",
		.help = "Whoever says hello on the founding wire gets a block of known padding\n"
			"under the key, which is the secret's own bytes: a word costs one AES\n"
			"block, offline. On noise the server says nothing to who does not have\n"
			"the key, and a word costs an Argon2id, even from a capture: a thousand\n"
			"times and more. A secret in the list is found all the same, later: take\n"
			"the one that ftserve makes. --enhanced: on noise, for two seconds.\n",
		.classic = MITM_WORKS,
		.ft = true,
		.strike = mitm_ft_guess},
	{.name = "ft-oracle",
		.threats = "T41",
		.line = "read a recorded file by asking the server about paddings",
		.help = "On the founding wire the server decrypts two blocks of anybody's. If\n"
			"they end in a valid padding it says that the number is wrong; else it\n"
			"says nothing. That is enough to undo the cipher, byte by byte, at about\n"
			"2,000 connections for a block of 16: here the first two of a file that\n"
			"was written. On noise each refusal is the same silence.\n",
		.classic = MITM_WORKS,
		.ft = true,
		.heard = mitm_ft_record,
		.end = mitm_ft_oracle},
};

const size_t mitm_attacks_n = sizeof mitm_attacks / sizeof mitm_attacks[0];
