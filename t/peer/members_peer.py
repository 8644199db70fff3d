"""Who a member is, from outside: P-256 keys and signatures, SSHSIG, and the requests of the directory.

Written from proto/PROTOCOL.md, RFC 5656 and OpenSSH's PROTOCOL.sshsig alone. A signature is r and s, 32
bytes each; a public key is the uncompressed point, 65 bytes.
"""
import base64, hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed, decode_dss_signature, encode_dss_signature)
from cryptography.hazmat.primitives.serialization import (
    Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key, load_pem_public_key)

from age_peer import public_of
from enhanced_wire import SHAPES, Broken, Fault, is_flag, is_text, load_private, load_public

HASHES = {b"sha256": hashes.SHA256, b"sha512": hashes.SHA512}
ARMOR = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
ALGORITHM, CURVE = b"ecdsa-sha2-nistp256", b"nistp256"


# --- P-256 ---

class Signer:
    """A private key; `public` is its point."""

    def __init__(self, key=None):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.public = point(self.key.public_key())

    def sign(self, data, scheme=hashes.SHA256):
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(scheme())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def point(public):
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def load_signer(path):
    return Signer(load_pem_private_key(Path(path).read_bytes(), None))


def load_point(path):
    return point(load_pem_public_key(Path(path).read_bytes()))


def write_signer(folder, name, signer):
    """As openssl writes them: PKCS#8 and SPKI."""
    path = Path(folder) / f"{name}_p256_private.pem"
    path.touch(0o600)
    path.write_bytes(signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (Path(folder) / f"{name}_p256_public.pem").write_bytes(
        signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def verifies(public, signature, data, scheme=hashes.SHA256):
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        key.verify(der, data, ec.ECDSA(scheme()))
    except (InvalidSignature, ValueError):
        return False
    return len(signature) == 64


class Member:
    """One of those who write: `x25519` is the pair (dissononce's), `raw` its private key, `signer` the P-256 one."""

    def __init__(self, folder, name):
        self.name, folder = name, Path(folder)
        self.x25519 = load_private(folder / f"{name}_x25519_private.pem")
        self.raw = self.x25519.private.data
        self.signer = load_signer(folder / f"{name}_p256_private.pem")
        self.public, self.point = public_of(self.raw), self.signer.public


class Peer:
    """One of those who are written to: what is public of him."""

    def __init__(self, folder, name):
        self.name, folder = name, Path(folder)
        self.key = load_public(folder / f"{name}_x25519_public.pem")
        self.public, path = self.key.data, folder / f"{name}_p256_public.pem"
        self.point = load_point(path) if path.exists() else None


# --- SSHSIG ---

def string(data):
    return len(data).to_bytes(4, "big") + data


def mpint(data):
    data = data.lstrip(b"\0")
    return string(b"\0" + data if data[:1] >= b"\x80" else data)


def ssh_public(public):
    return string(ALGORITHM) + string(CURVE) + string(public)


def signed_data(message, namespace, scheme):
    digest = hashlib.new(scheme.decode(), message).digest()
    return b"SSHSIG" + string(namespace) + string(b"") + string(scheme) + string(digest)


def sshsig(signer, message, namespace, scheme=b"sha256", width=70):
    """Armored, as ssh-keygen -Y sign has it. The signature of a P-256 key is over SHA-256 of that."""
    raw = signer.sign(signed_data(message, namespace, scheme))
    signature = string(ALGORITHM) + string(mpint(raw[:32]) + mpint(raw[32:]))
    blob = (b"SSHSIG" + (1).to_bytes(4, "big") + string(ssh_public(signer.public)) + string(namespace) +
            string(b"") + string(scheme) + string(signature))
    text = base64.b64encode(blob)
    lines = [text[at:at + width] for at in range(0, len(text), width)]
    return b"\n".join((ARMOR[0], *lines, ARMOR[1])) + b"\n"


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, count):
        if len(self.data) < count:
            raise Broken("cut off")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def string(self):
        return self.take(int.from_bytes(self.take(4), "big"))

    def mpint(self):
        data = self.string()
        if data[:1] >= b"\x80" or data[:1] == b"\0" and data[1:2] < b"\x80" or len(data) > 33:
            raise Broken("no positive mpint")
        return data.lstrip(b"\0").rjust(32, b"\0")


def sshsig_parse(text):
    """(public key, namespace, hash, r and s)"""
    lines = text.rstrip(b"\n").split(b"\n")
    if (lines[0], lines[-1]) != ARMOR:
        raise Broken("no armored signature")
    blob = Reader(base64.b64decode(b"".join(lines[1:-1]), validate=True))
    if blob.take(6) != b"SSHSIG" or blob.take(4) != b"\0\0\0\1":
        raise Broken("no SSHSIG of version 1")
    key = Reader(blob.string())
    namespace, reserved, scheme, signature = blob.string(), blob.string(), blob.string(), Reader(blob.string())
    kinds, public = (key.string(), key.string(), signature.string()), key.string()
    values = Reader(signature.string())
    raw = values.mpint() + values.mpint()
    if kinds != (ALGORITHM, CURVE, ALGORITHM) or reserved or scheme not in HASHES or \
            blob.data or key.data or signature.data or values.data:
        raise Broken("no signature of a P-256 key")
    return public, namespace, scheme, raw


def sshsig_verify(text, message, namespace):
    """The public key, whose signature it is."""
    public, name, scheme, raw = sshsig_parse(text)
    if name != namespace or not verifies(public, raw, signed_data(message, name, scheme)):
        raise Broken("the signature is not right")
    return public


# --- the directory ---

def is_hex(digits):
    return lambda value: value is None or is_text(value) and len(value) == digits and not set(value) - set("0123456789abcdef")


MEMBER = {"name": is_text, "x25519": is_hex(64), "p256": is_hex(130)}
SHAPES.update({
    "member": MEMBER,
    "members": {"rows": lambda value: isinstance(value, list), "more": is_flag},
    "member-set": {},
    "account-removed": {},
})


def set_request(member):
    """That this signing key is his who has the X25519 key of the session."""
    said = f"smtp361 member 1\n{member.name}\n{member.public.hex()}\n".encode()
    return {"type": "member-set", "p256": member.point.hex(), "signature": member.signer.sign(said).hex()}


class Directory:
    """The server's half, beside enhanced_peer.Server: its users, and what they have published in `points`."""

    def __init__(self):
        self.points, self.removed = {}, []

    def member_of(self, name):
        key = self.joined.get(name) or self.registered(name)
        return {"name": name} | ({"x25519": key.hex()} if key else {}) | (
            {"p256": self.points[name].hex()} if name in self.points else {})

    def do_member_get(self, wire, user, obj, content):
        if obj.get("name") not in self.users:
            raise Fault("no-user", "no such user")
        return [({"type": "member"} | self.member_of(obj["name"]), None)]

    def do_member_list(self, wire, user, obj, content):
        names = [one for one in sorted(self.users) if one > obj.get("after", "")]
        pages = [names[at:at + self.page] for at in range(0, len(names), self.page)] or [[]]
        return [({"type": "members", "rows": [self.member_of(one) for one in page], "more": page is not pages[-1]}, None)
                for page in pages]

    def do_member_set(self, wire, user, obj, content):
        public = bytes.fromhex(obj["p256"])
        said = f"smtp361 member 1\n{user}\n{bytes(wire.noise.rs.data).hex()}\n".encode()
        if not verifies(public, bytes.fromhex(obj["signature"]), said):
            raise Fault("rejected", "the signature is not right")
        self.points[user] = public
        return [({"type": "member-set"}, None)]

    DIRECTORY = {"member-get": do_member_get, "member-list": do_member_list, "member-set": do_member_set}
