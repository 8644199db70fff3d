"""Both wires of file transfer as bytes: frames and ciphers of the founding one; opening, handshake and
records of the noise one.

Written from proto/PROTOCOL.md, "File transfer", alone; Noise is dissononce's, Argon2id libargon2's.
ft_peer.py has a client and a server of them, and what lies or breaks off takes their bytes from here.
"""
import ctypes, functools, hashlib, struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from dissononce.processing.handshakepatterns.interactive.NN import NNHandshakePattern
from dissononce.processing.modifiers.psk import PSKPatternModifier
from enhanced_wire import Broken, Wire, dump, parse

CODES = {"no-input": 66, "exists": 73, "rejected": 65, "denied": 77, "try-later": 75, "protocol": 76}


class Refused(Exception):
    """The other side said why: an exit code, and its text."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


# --- the noise wire ---

PREFACE = b"SMTP361\x03"
SALT, PSK, PIECE, OBJECT_MAX = 16, 32, 61440, 4096
OBJECT, DATA, HOLE, END = range(4)  # kinds of records
ARGON2 = {"t": 2, "m": 19456, "p": 1}
PROOF_BLOCK = 65536


@functools.lru_cache(64)
def psk_of(secret, salt):
    """Argon2id of the shared secret."""
    out = ctypes.create_string_buffer(PSK)
    number = ctypes.c_uint32
    code = ctypes.CDLL("libargon2.so.1").argon2id_hash_raw(
        number(ARGON2["t"]), number(ARGON2["m"]), number(ARGON2["p"]), secret, ctypes.c_size_t(len(secret)),
        salt, ctypes.c_size_t(len(salt)), out, ctypes.c_size_t(PSK))
    if code != 0:
        raise MemoryError(f"argon2 says {code}")
    return out.raw


def proof_of(file, count, key):
    """The proof of a file's first bytes; None where it is shorter."""
    tags, number, left = hashlib.sha256(), 0, count
    file.seek(0)
    while left > 0:
        block = file.read(min(left, PROOF_BLOCK))
        if len(block) < min(left, PROOF_BLOCK):
            return None
        if any(block):
            tags.update(struct.pack(">Q", number) + AESGCM(key).encrypt(struct.pack(">4xQ", number), b"", block))
        number, left = number + 1, left - len(block)
    tags.update(struct.pack(">Q", count))
    return tags.digest()


class Noise(Wire):
    """A connection of the noise wire; its bytes as enhanced_wire's Wire has them."""

    def open(self, secret):
        """As a client: from the preface to the end of the handshake."""
        self.write(PREFACE)
        self.salt = self.need(SALT)
        self.begin(True, psk_of(secret, self.salt))
        self.send_message(self.noise_write())
        self.must_be_empty(self.recv_message([48]))
        return self

    def accept(self, salt, psk):
        """As a server."""
        if self.need(len(PREFACE)) != PREFACE:
            raise Broken("another preface")
        self.salt = salt
        self.write(salt)
        self.begin(False, psk)
        self.must_be_empty(self.recv_message([48]))
        self.send_message(self.noise_write())
        return self

    def begin(self, initiator, psk, prologue=None):
        self.initiator = initiator
        pattern = PSKPatternModifier(0).modify(NNHandshakePattern())
        self.noise.initialize(pattern, initiator, PREFACE + self.salt if prologue is None else prologue, psks=[psk])

    def must_be_empty(self, message):
        if self.noise_read(message):
            raise Broken("a payload in the handshake")

    def finish(self, states, written_first):
        if states:
            self.out, self.back = states if self.initiator else reversed(states)
            self.hash = self.noise.symmetricstate.get_handshake_hash()

    # --- records ---

    def say(self, kind, body=b""):
        """An object is given as a dict, or as its bytes."""
        body = dump(body) if isinstance(body, dict) else body.to_bytes(8, "big") if isinstance(body, int) else body
        self.send_record(bytes([kind]) + body)

    def hear(self):
        """(kind, body): a dict, bytes or a number. An error is raised as Refused."""
        record = self.recv_record()
        kind, body = record[0], record[1:]
        if kind == OBJECT:
            try:
                body = parse(body)
            except ValueError as error:
                raise Broken(f"no object: {error}") from None
            if len(record) > 1 + OBJECT_MAX:
                raise Broken(f"an object of {len(record)} bytes")
            if body.get("type") == "error":
                if not isinstance(body.get("code"), str) or not isinstance(body.get("text"), str):
                    raise Broken(f"no such error: {body}")
                raise Refused(CODES.get(body["code"], 76), body["text"])
        elif kind in (HOLE, END):
            if len(body) != 8:
                raise Broken(f"{len(body)} bytes for a number")
            body = int.from_bytes(body, "big")
            if body >= 1 << 63:
                raise Broken(f"the number {body}")
        elif kind != DATA:
            raise Broken(f"a record of kind {kind} with {len(body)} bytes")
        return kind, body

    def expect(self, kind, name=None):
        """The next record, of this kind; an object of this type."""
        got, body = self.hear()
        if got != kind or name is not None and body.get("type") != name:
            raise Broken(f"a record of kind {got} where {name or kind} should be: {str(body)[:100]}")
        return body


# --- the founding wire ---

HELLO, READ_FILE, WRITE_FILE, CONFIRM, ERROR, EOF = range(6)
CIPHERS = {"none": 0, "aes128": 16, "aes256": 32}  # bytes of a key; the wire has their place in this list
CHUNK = 16384
LENGTHS = {HELLO: [17], READ_FILE: range(1, 1025), WRITE_FILE: range(1, 65537), CONFIRM: [1],
           ERROR: range(1, 513), EOF: [16]}
HEAD = struct.Struct(">II8x")


def stretch(secret, count):
    return (secret * count)[:count]


def pad(data):
    count = 16 - len(data) % 16
    return data + bytes([count]) * count


def padded(count):
    """On the wire."""
    return count + 16 - count % 16


class Founding:
    """A connection of the founding wire, over a Wire that has the bytes."""

    def __init__(self, wire):
        self.wire, self.cipher, self.out, self.back = wire, "none", None, None

    def use(self, cipher, secret, iv):
        self.cipher = cipher
        if CIPHERS[cipher]:
            aes = Cipher(algorithms.AES(stretch(secret, CIPHERS[cipher])), modes.CBC(iv))
            self.out, self.back = aes.encryptor(), aes.decryptor()

    def put(self, data):
        self.wire.write(self.out.update(pad(data)) if self.out else data)

    def get(self, count):
        if not self.back:
            return self.wire.need(count)
        return self.back.update(self.wire.need(padded(count)))[:count]

    def say(self, kind, payload=b""):
        with self.wire.together():
            self.put(HEAD.pack(kind, len(payload)))
            self.put(payload)

    def hear(self, *kinds):
        """(kind, payload) of one of these kinds."""
        head = self.get(HEAD.size)
        kind, length = HEAD.unpack(head)
        if kind not in (*kinds, ERROR) or length not in LENGTHS[kind] or any(head[8:]):
            raise Broken(f"no frame for {kinds}: {head.hex()}")
        payload = self.get(length)
        if kind == ERROR:
            code, _, text = payload.decode("utf-8", "replace").partition(": ")
            raise Refused(CODES.get(code, 65), text)
        return kind, payload

    def fail(self, code, text):
        self.say(ERROR, f"{code}: {text}".encode())

    def nonce(self, number):
        """A challenge, or its answer: 16 bytes and a block of padding."""
        self.put(number.to_bytes(16, "big"))

    def hear_nonce(self):
        """The number; -1: there is none in it, None: not even a valid padding at its end."""
        plain = self.back.update(self.wire.need(32))
        if not 1 <= plain[-1] <= 16 or plain[-plain[-1]:] != plain[-1:] * plain[-1]:
            return None
        return int.from_bytes(plain[:16], "big") if plain[16:] == bytes([16]) * 16 else -1
