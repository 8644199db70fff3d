/* What can go wrong in TLS: the name and a sentence for every error of BearSSL, and for the alerts
 * of RFC 5246 7.2 and RFC 8446 6. */
#include "tls_state.h"

enum cure { NO_CURE, CURE_TRUST, CURE_NAME, CURE_PIN, CURE_CLOCK };

static const char *const cures[] = {
	[CURE_TRUST] = "trust the CA that signed it with --tls-ca FILE, or its key with --tls-pin",
	[CURE_NAME] =
		"use the name that stands in the certificate, or trust its key with --tls-pin",
	[CURE_PIN] = "ask the server's operator, by another way, whether its key was replaced, "
		     "before giving another --tls-pin",
	[CURE_CLOCK] = "look at this machine's clock, or trust the server's key with --tls-pin",
};

struct row {
	int code;
	const char *name, *sentence;
	enum cure cure;
};

#define ROW(name, sentence)                    \
	{                                      \
		name, #name, sentence, NO_CURE \
	}
#define ROW_CURED(name, cure, sentence)     \
	{                                   \
		name, #name, sentence, cure \
	}

static const struct row engine_rows[] = {
	ROW(BR_ERR_OK, "nothing is wrong"),
	ROW(BR_ERR_BAD_PARAM, "the engine was set up with something that it cannot use"),
	ROW(BR_ERR_BAD_STATE, "the engine was asked for what its state does not allow"),
	ROW(BR_ERR_UNSUPPORTED_VERSION, "the peer does not speak TLS 1.2"),
	ROW(BR_ERR_BAD_VERSION, "the peer changed the version, or does not speak TLS"),
	ROW(BR_ERR_BAD_LENGTH, "a record has an impossible length"),
	ROW(BR_ERR_TOO_LARGE, "a record is larger than TLS allows"),
	ROW(BR_ERR_BAD_MAC, "a record was changed on its way"),
	ROW(BR_ERR_NO_RANDOM, "there is no randomness"),
	ROW(BR_ERR_UNKNOWN_TYPE, "what came is no TLS record"),
	ROW(BR_ERR_UNEXPECTED, "the peer sent a message out of turn"),
	ROW(BR_ERR_BAD_CCS, "the peer's change of keys is malformed"),
	ROW(BR_ERR_BAD_ALERT, "the peer's alert is malformed"),
	ROW(BR_ERR_BAD_HANDSHAKE, "the peer's handshake message is malformed"),
	ROW(BR_ERR_OVERSIZED_ID, "the server's session id is too long"),
	ROW(BR_ERR_BAD_CIPHER_SUITE, "the peer chose a cipher suite that was not offered"),
	ROW(BR_ERR_BAD_COMPRESSION, "the peer chose compression, which was not offered"),
	ROW(BR_ERR_BAD_FRAGLEN, "the server answered another record size than was asked for"),
	ROW(BR_ERR_BAD_SECRENEG, "the peer's renegotiation check does not match"),
	ROW(BR_ERR_EXTRA_EXTENSION, "the server answered an extension that was not asked for"),
	ROW(BR_ERR_BAD_SNI, "the server's answer to the host name is malformed"),
	ROW(BR_ERR_BAD_HELLO_DONE, "the end of the server's hello is malformed"),
	ROW(BR_ERR_LIMIT_EXCEEDED, "the peer's public key, or its signature, is too large"),
	ROW(BR_ERR_BAD_FINISHED, "the handshake was changed on its way"),
	ROW(BR_ERR_RESUME_MISMATCH, "the server resumed a session as another"),
	ROW(BR_ERR_INVALID_ALGORITHM, "the peer chose a curve, hash or signature not offered"),
	ROW(BR_ERR_BAD_SIGNATURE, "the peer's signature is wrong: it does not hold its key"),
	ROW(BR_ERR_WRONG_KEY_USAGE, "the server's key may not be used in this way"),
	ROW(BR_ERR_NO_CLIENT_AUTH, "the client has no certificate"),
	ROW(BR_ERR_IO, "the connection failed"),
	ROW(BR_ERR_X509_OK, "the certificate's judgement is not finished"),
	ROW(BR_ERR_X509_INVALID_VALUE, "the certificate holds an invalid value"),
	ROW(BR_ERR_X509_TRUNCATED, "the certificate is cut short"),
	ROW(BR_ERR_X509_EMPTY_CHAIN, "there is no certificate"),
	ROW(BR_ERR_X509_INNER_TRUNC, "a part of the certificate overruns the whole"),
	ROW(BR_ERR_X509_BAD_TAG_CLASS, "the certificate is malformed: a tag of another class"),
	ROW(BR_ERR_X509_BAD_TAG_VALUE, "the certificate is malformed: another tag"),
	ROW(BR_ERR_X509_INDEFINITE_LENGTH, "the certificate is malformed: a length left open"),
	ROW(BR_ERR_X509_EXTRA_ELEMENT,
		"the certificate is malformed: it holds more than it should"),
	ROW(BR_ERR_X509_UNEXPECTED, "the certificate is malformed: an element out of place"),
	ROW(BR_ERR_X509_NOT_CONSTRUCTED, "the certificate is malformed: no elements in an element"),
	ROW(BR_ERR_X509_NOT_PRIMITIVE, "the certificate is malformed: elements in an element"),
	ROW(BR_ERR_X509_PARTIAL_BYTE, "the certificate is malformed: a bit string of odd bits"),
	ROW(BR_ERR_X509_BAD_BOOLEAN, "the certificate is malformed: neither true nor false"),
	ROW(BR_ERR_X509_OVERFLOW, "the certificate is malformed: a number that is too large"),
	ROW(BR_ERR_X509_BAD_DN, "the certificate's name is malformed"),
	ROW(BR_ERR_X509_BAD_TIME, "the certificate's dates are malformed"),
	ROW(BR_ERR_X509_UNSUPPORTED,
		"the certificate's key or signature is of a kind that is not supported"),
	ROW(BR_ERR_X509_LIMIT_EXCEEDED, "the certificate is too large"),
	ROW(BR_ERR_X509_WRONG_KEY_TYPE, "the certificate's key is not of the kind that was agreed"),
	ROW_CURED(BR_ERR_X509_BAD_SIGNATURE, CURE_TRUST, "the certificate's signature is wrong"),
	ROW_CURED(BR_ERR_X509_TIME_UNKNOWN, CURE_CLOCK, "the date is not known"),
	ROW_CURED(BR_ERR_X509_EXPIRED, CURE_CLOCK, "the certificate is expired, or not valid yet"),
	ROW_CURED(BR_ERR_X509_DN_MISMATCH, CURE_TRUST,
		"the certificates of the chain do not follow from each other"),
	ROW_CURED(BR_ERR_X509_BAD_SERVER_NAME, CURE_NAME, "the certificate is for another host"),
	ROW_CURED(BR_ERR_X509_CRITICAL_EXTENSION, CURE_TRUST,
		"the certificate has a critical extension that is not understood"),
	ROW_CURED(BR_ERR_X509_NOT_CA, CURE_TRUST, "the certificate's signer is no CA"),
	ROW_CURED(BR_ERR_X509_FORBIDDEN_KEY_USAGE, CURE_TRUST,
		"the certificate's key may not be used for this"),
	ROW_CURED(BR_ERR_X509_WEAK_PUBLIC_KEY, CURE_TRUST,
		"the certificate's RSA key has fewer than 2048 bits"),
	ROW_CURED(
		BR_ERR_X509_NOT_TRUSTED, CURE_TRUST, "the certificate is signed by no trusted CA"),
	ROW_CURED(TLS_ERR_PIN, CURE_PIN, "the server's key is not the pinned one"),
	ROW(TLS_ERR_LARGE_CERTIFICATE, "the server's certificate is larger than 64 KiB"),
};

static const struct {
	int code;
	const char *name, *sentence;
} alerts[] = {
	{0, "close_notify", "it closed"},
	{10, "unexpected_message", "it got a message out of turn"},
	{20, "bad_record_mac", "a record was changed on its way"},
	{21, "decryption_failed", "a record could not be decrypted"},
	{22, "record_overflow", "it got a record that is too large"},
	{30, "decompression_failure", "a record could not be decompressed"},
	{40, "handshake_failure", "there is no cipher suite, curve or signature that both accept"},
	{41, "no_certificate", "it has no certificate"},
	{42, "bad_certificate", "it finds the certificate damaged"},
	{43, "unsupported_certificate", "it does not support this kind of certificate"},
	{44, "certificate_revoked", "the certificate was revoked"},
	{45, "certificate_expired", "the certificate is expired, or not valid yet"},
	{46, "certificate_unknown", "it does not accept the certificate"},
	{47, "illegal_parameter", "a value in the handshake is not allowed"},
	{48, "unknown_ca", "it does not trust who signed the certificate"},
	{49, "access_denied", "it denies access"},
	{50, "decode_error", "a message could not be decoded"},
	{51, "decrypt_error", "a signature or a check of the handshake is wrong"},
	{60, "export_restriction", "an export restriction was broken"},
	{70, "protocol_version", "there is no version of TLS that both accept: it must be 1.2"},
	{71, "insufficient_security", "it asks for stronger ciphers"},
	{80, "internal_error", "it has an error of its own"},
	{86, "inappropriate_fallback", "it was asked for an older version than it has"},
	{90, "user_canceled", "its user gave up"},
	{100, "no_renegotiation", "renegotiation is refused"},
	{109, "missing_extension", "an extension is missing"},
	{110, "unsupported_extension", "it got an extension that it did not ask for"},
	{112, "unrecognized_name", "it does not know this host name"},
	{113, "bad_certificate_status_response", "the certificate's status is damaged"},
	{115, "unknown_psk_identity", "it does not know this key"},
	{116, "certificate_required", "it asks for a client's certificate"},
	{120, "no_application_protocol", "there is no application protocol that both speak"},
};

static int alert_error(const char *who, int alert, struct err *e)
{
	for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
		if (alerts[i].code == alert) {
			return err_set(e, EX_PROTOCOL, "%s ended TLS: %s (alert %s)", who,
				alerts[i].sentence, alerts[i].name);
		}
	}
	return err_set(
		e, EX_PROTOCOL, "%s ended TLS, by an alert of unknown kind (%d)", who, alert);
}

int tls_error(int code, struct err *e)
{
	if (code >= BR_ERR_RECV_FATAL_ALERT && code < BR_ERR_RECV_FATAL_ALERT + 256) {
		return alert_error("the peer", code - BR_ERR_RECV_FATAL_ALERT, e);
	}
	if (code >= BR_ERR_SEND_FATAL_ALERT && code < BR_ERR_SEND_FATAL_ALERT + 256) {
		return alert_error("this side", code - BR_ERR_SEND_FATAL_ALERT, e);
	}
	for (size_t i = 0; i < sizeof engine_rows / sizeof engine_rows[0]; i++) {
		const struct row *row = &engine_rows[i];
		if (row->code == code) {
			err_set(e, row->cure == NO_CURE ? EX_PROTOCOL : EX_NOPERM, "%s (%s)",
				row->sentence, row->name);
			return row->cure == NO_CURE ? -1 : err_hint(e, "%s", cures[row->cure]);
		}
	}
	return err_set(e, EX_PROTOCOL, "TLS failed for a reason without a name (%d)", code);
}
