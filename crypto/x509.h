/* What a certificate (RFC 5280) says that BearSSL's validator does not tell: the bytes of its
 * public key, which a pin is the hash of, and the IP addresses it stands for. Strict DER; nothing
 * here judges a signature. */
#ifndef CRYPTO_X509_H
#define CRYPTO_X509_H

#include "der.h"

enum { X509_ADDRESS_MAX = 16 /* bytes of an IPv6 address */ };

/* The whole SubjectPublicKeyInfo of a certificate, its head included; it points into der. false
 * when the certificate is damaged. */
bool x509_spki(const void *der, size_t n, struct cursor *spki);

/* Does its subjectAltName hold this IP address of 4 or 16 bytes (RFC 5280 4.2.1.6)? */
bool x509_has_address(const void *der, size_t n, const uint8_t *address, size_t address_n);

#endif
