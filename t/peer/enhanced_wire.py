"""The enhanced mail protocol as bytes: key files, objects, handshake and records.

Written from proto/PROTOCOL.md, "The enhanced protocol", alone; Noise is dissononce's. Both halves of
enhanced_peer.py use it, and a test that injects, cuts or counts does, too: class Wire has the bytes and
the cipher states.
"""
import contextlib, json, re, socket
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key, load_pem_public_key)
from dissononce.cipher.aesgcm import AESGCMCipher
from dissononce.dh.x25519.private import PrivateKey
from dissononce.dh.x25519.public import PublicKey
from dissononce.dh.x25519.x25519 import X25519DH
from dissononce.exceptions.decrypt import DecryptFailedException
from dissononce.extras.dh.dangerous.dh_nogen import NoGenDH
from dissononce.hash.sha256 import SHA256Hash
from dissononce.processing.handshakepatterns.interactive.XK import XKHandshakePattern
from dissononce.processing.impl.cipherstate import CipherState
from dissononce.processing.impl.handshakestate import HandshakeState
from dissononce.processing.impl.symmetricstate import SymmetricState

OPENING = b"SMTP361\x02"
TAG = 16
RECORD = 65535 - TAG   # bytes of text in one record
LOGIN = 256            # the login is padded to a multiple, 16 of them at most
ZEROS = "0" * 32       # as `after` of wait: every message is new
CODES = {"denied": 77, "password": 77, "no-user": 67, "no-message": 66, "no-file": 66,
         "exists": 73, "rejected": 65,
         "damaged": 65, "too-large": 65, "unknown": 76, "protocol": 76, "try-later": 75,
         "full": 75, "timeout": 75, "stopping": 75}
ENDS = {"denied", "password", "protocol", "timeout", "stopping"}
ID = re.compile("[0-9a-f]{32}", re.ASCII)
NAME = re.compile("[a-z0-9][a-z0-9_-]{0,31}")
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", re.ASCII)


class Broken(Exception): pass    # the other side did not do what the document says
class Closed(Broken): pass       # it closed where it should have spoken
class Unverified(Broken): pass   # a tag, or an all-zero result of a DH


class Fault(Exception):
    """What a server answers with: an error, and whether the connection ends with it."""

    def __init__(self, code, text, ends=None):
        super().__init__(f"{code}: {text}")
        self.code, self.text, self.ends = code, text, code in ENDS if ends is None else ends


# --- keys ---

def key_pair(raw=None):
    return X25519DH().generate_keypair(PrivateKey(raw) if raw else None)


def load_private(path):
    key = load_pem_private_key(Path(path).read_bytes(), None)
    return key_pair(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))


def load_public(path):
    key = load_pem_public_key(Path(path).read_bytes())
    return PublicKey(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def write_keys(folder, name, raw=None):
    """Both files of a pair, as `openssl genpkey -algorithm X25519` and `openssl pkey` have them."""
    make = x25519.X25519PrivateKey
    key = make.from_private_bytes(raw) if raw else make.generate()
    path = Path(folder) / f"{name}_x25519_private.pem"
    path.touch(0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (Path(folder) / f"{name}_x25519_public.pem").write_bytes(public)


# --- objects ---

def dump(obj):
    return json.dumps(obj, ensure_ascii=False, separators=(",", ":")).encode()


def emit(obj):
    print(dump(obj).decode(), flush=True)


def parse(data):
    """One object, its names once each, its text UTF-8 without NUL: else ValueError."""
    def unique(items):
        if len({name for name, _ in items}) != len(items):
            raise ValueError("a name repeats")
        return dict(items)

    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    def judge(value):
        if isinstance(value, str):
            if b"\0" in value.encode():  # a lone surrogate fails here
                raise ValueError("a NUL")
        elif isinstance(value, (dict, list)):
            for one in [*value, *value.values()] if isinstance(value, dict) else value:
                judge(one)

    try:
        obj = json.loads(bytes(data).decode(), object_pairs_hook=unique, parse_constant=refuse)
        judge(obj)
    except RecursionError:
        raise ValueError("nested too deep")
    if not isinstance(obj, dict):
        raise ValueError("not an object")
    return obj


def is_count(value):
    return type(value) is int and value >= 0


def is_id(value):
    return isinstance(value, str) and bool(ID.fullmatch(value))


def is_text(value):
    return isinstance(value, str)


def is_time(value):
    return is_text(value) and bool(TIME.fullmatch(value))


def is_names(value):
    return isinstance(value, list) and all(is_text(one) and NAME.fullmatch(one) for one in value)


def is_flag(value):
    return isinstance(value, bool)


ROW = {"index": is_count, "id": is_id, "from": is_text, "time": is_time, "us": is_count,
       "title": is_text, "chars": is_count}
FILE = {"from": is_text, "name": is_text, "size": is_count, "time": is_time, "us": is_count}
SHAPES = {
    "welcome": {"max_chars": is_count},
    "sent": {"id": is_id},
    "inbox": {"messages": lambda value: isinstance(value, list), "more": is_flag},
    "message": {name: fits for name, fits in ROW.items() if name != "index"}
               | {"to": is_names, "length": is_count},
    "deleted": {"id": is_id},
    "file-ready": {},
    "file-go": {"offset": is_count},
    "file-stopped": {},
    "file-stored": {"name": is_text, "size": is_count,
                    "given": lambda value: isinstance(value, list)},
    "file": FILE,
    "file-data": {},
    "file-end": {},
    "file-list": {"files": lambda value: isinstance(value, list), "more": is_flag},
    "file-removed": {"from": is_text, "name": is_text},
    "bye": {},
    "error": {"code": lambda value: value in CODES, "text": is_text},
}


def check_fields(obj, shape):
    for name, fits in shape.items():
        if not fits(obj.get(name)):
            raise Broken(f"{name} is missing or wrong in {obj}")
    if "time" in shape and int(obj["time"][-6:]) != obj["us"] % 1_000_000:
        raise Broken(f"time and us disagree in {obj}")


def check_reply(obj):
    """A reply of a type that the document has, with all of its fields."""
    if obj.get("type") not in SHAPES:
        raise Broken(f"no such reply: {obj}")
    check_fields(obj, SHAPES[obj["type"]])
    if (rest := obj.get("next")) is not None:
        shape = {"after": is_id} if "after" in rest else {"since": is_id, "us": is_count}
        if obj["more"] or set(rest) != set(shape):
            raise Broken(f"next has no place here: {obj}")
        for name, fits in shape.items():
            if not fits(rest[name]):
                raise Broken(f"{name} is wrong in {rest}")
    for row in obj.get("files", []):
        check_fields(row, FILE)
    for row in obj.get("messages", []):
        if not isinstance(row, dict):
            raise Broken(f"a row of the list is no object: {row}")
        check_fields(row, {"index": is_count} if row.get("damaged") else ROW)


# --- the connection ---

class Wire:
    """A connection, its handshake and its records. `out` and `back` are the cipher states of what
    is written and read (dissononce's CipherState: encrypt_with_ad, set_nonce), `hash` is Noise's h.
    dribble: each byte in a write of its own. `heard` and `said` keep every byte of the wire."""

    def __init__(self, sock=None, *, ephemeral=None, dribble=False, timeout=20):
        self.dribble, self.timeout = dribble, timeout
        self.buffer, self.held = bytearray(), None
        self.heard, self.said = bytearray(), bytearray()
        self.out = self.back = self.hash = None
        dh = NoGenDH(X25519DH(), PrivateKey(ephemeral)) if ephemeral else X25519DH()
        self.noise = HandshakeState(SymmetricState(CipherState(AESGCMCipher()), SHA256Hash()), dh)
        if sock:
            self.use(sock)

    def use(self, sock):
        self.sock = sock
        sock.settimeout(self.timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def write(self, data):
        if self.held is not None:
            self.held += data
            return
        self.said += data
        step = 1 if self.dribble else max(len(data), 1)
        for at in range(0, len(data), step):
            self.sock.sendall(data[at:at + step])

    @contextlib.contextmanager
    def together(self):
        """All that is written inside leaves in one write."""
        self.held = bytearray()
        yield
        held, self.held = bytes(self.held), None
        self.write(held)

    def need(self, count):
        """Exactly count bytes."""
        while len(self.buffer) < count:
            try:
                chunk = self.sock.recv(1 << 18)
            except TimeoutError:
                raise Broken(f"nothing came; {len(self.buffer)} of {count} bytes are there")
            if not chunk:
                raise Closed(f"closed with {len(self.buffer)} of {count} bytes there")
            self.heard += chunk
            self.buffer += chunk
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def ended(self):
        """True when the other side closes and says nothing more."""
        try:
            return not self.need(1)
        except (Closed, ConnectionError):
            return not self.buffer

    def send_message(self, data):
        self.write(len(data).to_bytes(2, "big") + data)

    def recv_message(self, lengths=range(65536)):
        """A Noise message; one of another length is refused before it is there."""
        length = int.from_bytes(self.need(2), "big")
        if length not in lengths:
            raise Broken(f"a message of {length} bytes")
        return self.need(length)

    def begin(self, initiator, static, pinned=None):
        self.noise.initialize(XKHandshakePattern(), initiator, OPENING, s=static, rs=pinned)

    def noise_write(self, payload=b""):
        data = bytearray()
        self.finish(self.noise.write_message(payload, data), 0)
        return bytes(data)

    def noise_read(self, data):
        """The payload. For an all-zero result of a DH, cryptography raises ValueError."""
        payload = bytearray()
        try:
            self.finish(self.noise.read_message(data, payload), 1)
        except (DecryptFailedException, ValueError):
            raise Unverified("a handshake message does not verify") from None
        return bytes(payload)

    def finish(self, states, written_first):
        """After message 3: its writer writes with the first state and reads with the second."""
        if states:
            self.out, self.back = states[written_first], states[1 - written_first]
            self.hash = self.noise.symmetricstate.get_handshake_hash()

    def send_record(self, text):
        self.send_message(self.out.encrypt_with_ad(b"", bytes(text)))

    def recv_record(self):
        try:
            return self.back.decrypt_with_ad(b"", self.recv_message(range(TAG + 1, 65536)))
        except DecryptFailedException:
            raise Unverified("a record does not verify") from None

    def send_object(self, obj, content=None, chunk=RECORD):
        """obj is a dict, or the record's bytes as they are to be."""
        self.send_record(obj if isinstance(obj, bytes) else dump(obj))
        for at in range(0, len(content or b""), chunk):
            self.send_record(content[at:at + chunk])

    def recv_object(self, limit=None):
        """(object, its content or None). Above limit the content is left on the wire."""
        try:
            obj = parse(self.recv_record())
        except ValueError as error:
            raise Fault("protocol", f"no such object: {error}") from None
        if not is_text(obj.get("type")) or not is_count(obj.get("length", 0)):
            raise Fault("protocol", "an object without a type, or with a bad length")
        if "length" not in obj:
            return obj, None
        if limit is not None and obj["length"] > limit:
            raise Fault("too-large", f"more than {limit} bytes", True)
        content = bytearray()
        while len(content) < obj["length"]:
            content += self.recv_record()
        if len(content) > obj["length"]:
            raise Fault("protocol", "a record reaches over the end of the content")
        return obj, bytes(content)
