"""age v1 files with X25519 recipients, from the published format (age-encryption.org/v1) alone.

  encrypt(data, recipients)     recipients, identities: raw X25519 keys of 32 bytes
  decrypt(file, identities)     armored or binary; else ValueError
  recipient(text), identity(text), and back by bech32(): "age1...", "AGE-SECRET-KEY-1..."
"""
import base64, hashlib, hmac, os, re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

VERSION = b"age-encryption.org/v1"
ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----", b"-----END AGE ENCRYPTED FILE-----"
CHUNK = 65536
CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


# --- bech32 (BIP 173, without its limit of length) ---

def polymod(values):
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1ffffff) << 5 ^ value
        for i, generator in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
            check ^= generator if top >> i & 1 else 0
    return check


def expand(prefix):
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def bech32(prefix, data):
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[at:at + 5], 2) for at in range(0, len(bits), 5)]
    check = polymod(expand(prefix) + values + [0] * 6) ^ 1
    values += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return prefix + "1" + "".join(CHARSET[value] for value in values)


def unbech32(prefix, text):
    if text not in (text.lower(), text.upper()):
        raise ValueError("mixed case")
    head, one, tail = text.lower().rpartition("1")
    values = [CHARSET.index(c) for c in tail]
    if head != prefix or polymod(expand(head) + values) != 1:
        raise ValueError(f"no {prefix} key, or a wrong checksum")
    bits = "".join(f"{value:05b}" for value in values[:-6])
    if len(bits) - 256 not in range(5) or "1" in bits[256:]:
        raise ValueError("not 32 bytes")
    return int(bits[:256], 2).to_bytes(32, "big")


def recipient(text):
    return unbech32("age", text)


def identity(text):
    return unbech32("age-secret-key-", text)


def public_of(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(
        Encoding.Raw, PublicFormat.Raw)


# --- the format ---

def hkdf(secret, salt, info):
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)


def bare(data):
    return base64.b64encode(data).rstrip(b"=")


def unbare(text):
    """Base64 without padding, canonical."""
    data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    if bare(data) != text:
        raise ValueError("base64 that is not canonical")
    return data


def wrap_key(shared, share, public):
    return hkdf(shared, share + public, VERSION + b"/X25519")


def stanza(public, file_key):
    own = X25519PrivateKey.generate()
    share = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    shared = own.exchange(X25519PublicKey.from_public_bytes(public))
    body = bare(ChaCha20Poly1305(wrap_key(shared, share, public)).encrypt(bytes(12), file_key, b""))
    return b"-> X25519 " + bare(share) + b"\n" + body + b"\n"


def mac(file_key, header):
    return hmac.new(hkdf(file_key, b"", b"header"), header, hashlib.sha256).digest()


def chunks(data):
    """(nonce, chunk); the last is empty only where all is."""
    count = max(1, -(-len(data) // CHUNK))
    for i in range(count):
        yield i.to_bytes(11, "big") + bytes([i == count - 1]), data[i * CHUNK:(i + 1) * CHUNK]


def encrypt(data, recipients):
    file_key, nonce = os.urandom(16), os.urandom(16)
    header = VERSION + b"\n" + b"".join(stanza(one, file_key) for one in recipients) + b"---"
    cipher = ChaCha20Poly1305(hkdf(file_key, nonce, b"payload"))
    return (header + b" " + bare(mac(file_key, header)) + b"\n" + nonce +
            b"".join(cipher.encrypt(n, chunk, b"") for n, chunk in chunks(data)))


def armor(file):
    text = base64.b64encode(file)
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    return b"\n".join((ARMOR[0], *lines, ARMOR[1])) + b"\n"


def unarmor(text):
    lines = text.strip().replace(b"\r\n", b"\n").split(b"\n")
    if (lines[0], lines[-1]) != ARMOR:
        raise ValueError("no armor")
    if any(len(one) != 64 for one in lines[1:-2]) or not 0 < len(lines[-2]) <= 64:
        raise ValueError("a line of the armor has another length")
    data = base64.b64decode(b"".join(lines[1:-1]), validate=True)
    if base64.b64encode(data) != b"".join(lines[1:-1]):
        raise ValueError("base64 that is not canonical")
    return data


def stanzas(header):
    """[(arguments, body)]"""
    found, lines = [], header.split(b"\n")
    if lines.pop(0) != VERSION:
        raise ValueError("another version")
    while lines:
        words = lines.pop(0).split(b" ")
        if words[0] != b"->" or len(words) < 2 or not all(re.fullmatch(b"[!-~]+", one) for one in words):
            raise ValueError("no stanza")
        body = b""
        while True:
            line = lines.pop(0) if lines else b"~"
            body += unbare(line)
            if len(line) > 64:
                raise ValueError("a long line")
            if len(line) < 64:
                break
        found.append((words[1:], body))
    return found


def unwrap(parts, own):
    """The file key, if one of the stanzas is for this identity."""
    private = X25519PrivateKey.from_private_bytes(own)
    for words, body in parts:
        if words[0] != b"X25519":
            continue
        share = unbare(words[1])
        if len(words) != 2 or len(share) != 32 or len(body) != 32:
            raise ValueError("no X25519 stanza")
        shared = private.exchange(X25519PublicKey.from_public_bytes(share))
        try:
            return ChaCha20Poly1305(wrap_key(shared, share, public_of(own))).decrypt(bytes(12), body, b"")
        except InvalidTag:
            continue
    return None


def decrypt(file, identities):
    """(data, how many stanzas of X25519 there are)"""
    if file.lstrip().startswith(ARMOR[0]):
        file = unarmor(file)
    header, dashes, rest = file.partition(b"\n---")
    tag, _, payload = rest.partition(b"\n")
    parts = stanzas(header)
    key = next(filter(None, (unwrap(parts, one) for one in identities)), None)
    if key is None:
        raise ValueError("for none of these identities")
    if not dashes or tag[:1] != b" " or not hmac.compare_digest(unbare(tag[1:]), mac(key, header + dashes)):
        raise ValueError("the header was altered")
    cipher, data, left = ChaCha20Poly1305(hkdf(key, payload[:16], b"payload")), b"", payload[16:]
    sealed = max(1, -(-len(left) // (CHUNK + 16)))
    try:
        for i in range(sealed):
            nonce = i.to_bytes(11, "big") + bytes([i == sealed - 1])
            piece = left[i * (CHUNK + 16):(i + 1) * (CHUNK + 16)]
            data += cipher.decrypt(nonce, piece, b"")
    except InvalidTag:
        raise ValueError("the payload was altered or cut") from None
    if sealed > 1 and len(data) <= (sealed - 1) * CHUNK:
        raise ValueError("an empty last chunk")
    return data, sum(words[0] == b"X25519" for words, _ in parts)
