#!/usr/bin/python3
"""Servers of file transfer that lie, without the key and with it, and what our client makes of them: it never
ends well, makes no file, and says why by its exit code.

  ft_lying.py           the current folder has key, drop and here; see ft_tested.py
"""
import contextlib, hashlib, os, random, socket, struct, sys, threading
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from enhanced_wire import Broken, Unverified, Wire
from ft_hostile import SECRET, half_close, heard, obj, raw
from ft_peer import judge, send_all
from ft_tested import HERE, PATIENCE, begin, end, run
from ft_wire import CODES, DATA, END, HOLE, OBJECT, PIECE, PREFACE, Founding, Noise, Refused
from verdict import check
from weak_points import VECTORS, PointDH, low_order_points
import ft_wire as wires

OUR_SALT = bytes(range(16))
FILE = random.Random(7).randbytes(150_000)
TARGET, PART = HERE / "lie", HERE / ".lie.part"


class Fake:
    """Calls act(sock) for each connection, and then ends it: what still comes is read, so that the end is no
    reset. Where act returns True it has ended it itself."""

    def __init__(self, act):
        self.act = act
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return  # it was closed
            with sock, contextlib.suppress(OSError):
                sock.settimeout(PATIENCE)
                if not self.go(sock):
                    half_close(sock)
                    heard(sock)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # accept returns
        self.listener.close()

    def go(self, sock):
        try:
            return self.act(sock)
        except (OSError, Broken, Unverified, Refused):
            return False  # the client has left: that is what it should do


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    return True


def lied(title, cases, codes, verb="read", words=(), cipher="noise", part=None):
    """Each case is act(sock). codes: what the client may end with."""
    faults = []
    for what, act in cases.items():
        fake = Fake(act)
        if part is not None:
            PART.write_bytes(part)
            PART.chmod(0o600)
        place = ("-o", str(TARGET)) if verb == "read" else ("-i", "in")
        code, said = run(fake.port, verb, "lie", *place, *words, cipher=cipher)
        if code not in (codes[what] if isinstance(codes, dict) else codes):
            faults.append(f"{what}: exit {code}, {said[-200:]}")
        if any(c < " " and c != "\n" for c in said) or len(said) > 2000:
            faults.append(f"{what}: it says {said[:200]!r}")
        if TARGET.exists():
            faults.append(f"{what}: a file was made, of {TARGET.stat().st_size} bytes")
            TARGET.unlink()
        PART.unlink(missing_ok=True)
        fake.close()
    others = [path for path in HERE.iterdir()]
    check(title, faults + [f"{path} is left" for path in others])


# --- without the key ---

def salted(answer):
    """The salt, and then what answer(message 1) makes."""
    def act(sock):
        wire = Wire(sock)
        wire.need(8)
        wire.write(OUR_SALT)
        wire.write(answer(wire.need(50)))
    return act


def accepted(change=lambda wire: None, payload=b"", secret=SECRET, prologue=None):
    def act(sock):
        wire = Noise(sock)
        wire.need(8)
        wire.salt = OUR_SALT
        wire.write(OUR_SALT)
        wire.begin(False, wires.psk_of(secret, OUR_SALT), prologue)
        wire.noise_read(wire.recv_message())
        change(wire)
        wire.send_message(wire.noise_write(payload))
    return act


def cut_at(count, how):
    """The server's half of a handshake, which would go on: its first bytes."""
    def act(sock):
        wire = Noise(sock)
        wire.need(8)
        said = OUR_SALT[:count]
        wire.write(said)
        if count > 16:
            wire.salt = OUR_SALT
            wire.begin(False, wires.psk_of(SECRET, OUR_SALT))
            wire.noise_read(wire.recv_message())
            wire.write((b"\0\x30" + wire.noise_write())[:count - 16])
        elif count == 16:
            wire.need(50)
        return how == "rst" and reset(sock)
    return act


def set_point(point):
    def change(wire):
        wire.noise._dh = PointDH(point)
    return change


def handshakes():
    for verb in ("read", "write"):
        lied(f"{verb}: a server that hangs up ahead of its salt is 76", {0: cut_at(0, "fin")}, {76}, verb)
        lied(f"{verb}: one that hangs up within its salt is 75", {n: cut_at(n, "fin") for n in (1, 15)}, {75}, verb)
        lied(f"{verb}: one that does not answer message 1 takes another key: 77", {16: cut_at(16, "fin")}, {77}, verb)
        lied(f"{verb}: one that hangs up within message 2 is 75", {n: cut_at(n, "fin") for n in (17, 18, 19, 50, 65)}, {75}, verb)
        lied(f"{verb}: one that resets the connection is 75", {n: cut_at(n, "rst") for n in (1, 15, 17, 40, 65)}, {75}, verb)
        lied(f"{verb}: what answers without the key is 76", {
            "zeros": salted(lambda one: b"\0\x30" + bytes(48)), "noise": salted(lambda one: b"\0\x30" + os.urandom(48)),
            "message 1": salted(lambda one: one), "no length": salted(lambda one: b"\0\0"), "a huge length": salted(lambda one: b"\xff\xff" + bytes(65535)),
            "49 bytes": salted(lambda one: b"\0\x31" + bytes(49)), "47 bytes": salted(lambda one: b"\0\x2f" + bytes(47)),
            "HTTP": lambda sock: sock.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n" + b"x" * 500), "TLS": lambda sock: sock.sendall(b"\x15\x03\x01\0\x02\x02\x46" * 100),
            "the preface": lambda sock: sock.sendall(PREFACE * 10)}, {76}, verb)
    lied("message 2 with something in it is 76", {"a payload": accepted(payload=b"x")}, {76})
    lied("message 2 of another prologue is 76, or no answer", {"no salt": accepted(prologue=PREFACE)}, {76, 77})
    if (VECTORS / "wycheproof/x25519_test.json").exists():
        lied("T24: message 2 with a point of low order, by who has the key, is 76",
             {point.hex(): accepted(set_point(point)) for point in low_order_points()[:4]}, {76})


def echo(sock):
    while data := sock.recv(1 << 16):
        sock.sendall(data)


# --- with the key ---

def insider(*acts, end=None):
    """The handshake, the request (left in wire.request), each act(wire), and the end."""
    def act(sock):
        wire = Noise(sock).accept(OUR_SALT, wires.psk_of(SECRET, OUR_SALT))
        wire.request = wire.expect(OBJECT)
        for one in acts:
            one(wire)
        return end and end(sock)
    return act


def ready(**fields):
    return obj(type="ready", **fields)


def data(count):
    return raw(DATA, FILE[:count])


def ended(size):
    return raw(END, size.to_bytes(8, "big"))


def every_piece(wire):
    for at in range(0, len(FILE), PIECE):
        wire.say(DATA, FILE[at:at + PIECE])


def error(code, text="no"):
    return obj(type="error", code=code, text=text)


NO_ANSWERS = {
    "done": obj(type="done", size=0), "no type": obj(size=3), "type 1": obj(type=1), "data": data(3), "an end": ended(0), "kind 4": raw(4), "nothing": raw(0),
    "no byte": lambda wire: wire.send_record(b""), "a list": raw(0, b"[]"), "no JSON": raw(0, b"ready"), "nesting": raw(0, b"[" * 60000),
    "another type": obj(type="welcome"), "go": obj(type="go", offset=0), "an error with no code": obj(type="error", text="x")}
NO_SIZES = {size: ready(size=size) for size in (-1, "1", 1.5, None, 1 << 63, 1 << 64, 10**30)}
NO_DATA = {
    "more than was told": raw(DATA, bytes(4)), "kind 4": raw(4, b"x"), "an empty record": lambda wire: wire.send_record(b""),
    "a hole of 7 bytes": raw(HOLE, bytes(7)), "an end of 9 bytes": raw(END, bytes(9)), "an object": ready(size=1), "done": obj(type="done", size=3)}


def errors():
    for verb in ("read", "write"):
        for code, want in CODES.items():
            lied(f"{verb}: the error {code} is {want}", {code: insider(error(code))}, {want}, verb)
        lied(f"{verb}: an error of a code that nobody knows", {code: insider(error(code)) for code in ("", "x", "NO-INPUT", "\x1b[31m")}, {76}, verb)
        lied(f"{verb}: T22: an error's text does nothing to a terminal",
             {n: insider(error("rejected", text)) for n, text in enumerate(("\x1b[31mred\x07", "two\nlines\r", "\u202egpj", "x" * 3_900, "x" * 50_000, "\u009b31m", "\b" * 100))}, {65, 76}, verb)
        lied(f"{verb}: what is no answer is 76", {what: insider(act) for what, act in NO_ANSWERS.items()}, {76}, verb)


def reads():
    lied("read: what is no size is 76", {what: insider(act, every_piece, ended(len(FILE))) for what, act in NO_SIZES.items()}, {75, 76})
    lied("read: what is no data is 76", {what: insider(ready(size=3), act) for what, act in NO_DATA.items()}, {76})
    full = [ready(size=len(FILE)), *(raw(DATA, FILE[at:at + PIECE]) for at in range(0, len(FILE), PIECE))]
    for how in ("fin", "rst"):
        lied(f"read: a {how.upper()} behind any record ahead of the end is 75",
             {n: insider(*full[:n], end=reset if how == "rst" else None) for n in range(len(full) + 1)}, {75})
    lied("read: an end at another place than it says is 76", {
        size: insider(ready(size=len(FILE)), every_piece, ended(size)) for size in (0, len(FILE) - 1, len(FILE) + 1, 1 << 63, (1 << 64) - 1)}, {76})
    lied("read: an end at another size than announced is 76", {
        size: insider(ready(size=size), every_piece, ended(len(FILE))) for size in (0, 1, len(FILE) - 1, len(FILE) + 1, 1 << 62)}, {76})
    lied("read: an error in its midst is what it says", {
        code: insider(*full[:2], error(code)) for code in ("try-later", "protocol", "no-input")}, {"try-later": {75}, "protocol": {76}, "no-input": {66, 76}})
    endless = lambda wire: [wire.say(DATA, FILE[:PIECE]) for _ in range(100_000)]
    lied("read: more than was announced is not taken", {"data": insider(ready(size=1000), endless)}, {76})
    lied("read: no hole is larger than a file, or than was announced", {
        size: insider(ready(size=announced), raw(HOLE, size.to_bytes(8, "big")), raw(HOLE, size.to_bytes(8, "big")), ended(2 * size % (1 << 64)))
        for size, announced in ((1 << 40, 10), (1 << 62, 10), ((1 << 63) - 1, 10), (1 << 63, 0), ((1 << 64) - 1, (1 << 63) - 1))}, {75, 76})


def resumed_reads():
    key = lambda wire: bytes.fromhex(wire.request["key"])
    rest = lambda wire: send_all(wire, open("in", "rb"), 60_000)
    whole = lambda wire: send_all(wire, open("in", "rb"), 0)
    go = lambda wire: wire.expect(OBJECT, "go")
    check64 = "5a" * 32
    lied("read: what answers no `held` is 76", {
        what: insider(ready(size=len(FILE), **fields), go, rest) for what, fields in {
            "another offset": {"offset": 30_000, "check": check64}, "one behind it": {"offset": 60_001, "check": check64}, "a negative one": {"offset": -1, "check": check64},
            "no check": {"offset": 60_000}, "a short one": {"offset": 60_000, "check": "5a" * 31}, "no hex": {"offset": 60_000, "check": "x" * 64},
            "a number": {"offset": 60_000, "check": 5}, "offset as text": {"offset": "60000", "check": check64}}.items()}, {76}, words=("--resume",), part=FILE[:60_000])
    lied("read: who has no right proof, and goes on nevertheless, is 76", {
        "the rest": insider(ready(size=len(FILE), offset=60_000, check=check64), go, rest),
        "the key": insider(lambda wire: ready(size=len(FILE), offset=60_000, check=key(wire).hex())(wire), go, rest),
        "its hash": insider(lambda wire: ready(size=len(FILE), offset=60_000, check=hashlib.sha256(FILE[:60_000]).hexdigest())(wire), go, rest)},
        {76}, words=("--resume",), part=FILE[:60_000])
    asked = []
    note = lambda wire: asked.append(go(wire)["offset"])
    fake = Fake(insider(ready(size=len(FILE), offset=60_000, check=check64), note, whole, lambda wire: wire.expect(OBJECT, "done")))
    PART.write_bytes(FILE[:60_000])
    PART.chmod(0o600)
    code, said = run(fake.port, "read", "lie", "-o", str(TARGET), "--resume")
    check("read: of a wrong proof all is asked for", [] if (code, asked) == (0, [0]) and TARGET.read_bytes() == FILE else [code, asked, said])
    TARGET.unlink(missing_ok=True)


def writes():
    take = take_all
    lied("write: who is not done behind the end is 76", {
        what: insider(ready(), take, act) for what, act in {
            "another size": obj(type="done", size=len(FILE) - 1), "no size": obj(type="done"), "ready": ready(), "data": data(3),
            "an end": ended(len(FILE)), "size as text": obj(type="done", size=str(len(FILE))), "no JSON": raw(0, b"done")}.items()}, {76}, "write")
    lied("write: an end or a reset there is 75", {
        "fin": insider(ready(), take), "rst": insider(ready(), take, end=reset)}, {75}, "write")
    lied("write: an error there is what it says", {code: insider(ready(), take, error(code)) for code in CODES}, {code: {want} for code, want in CODES.items()}, "write")
    check64, words = "5a" * 32, ("--resume",)
    lied("write: what holds nothing is 76", {
        what: insider(ready(**fields)) for what, fields in {
            "no key": {"held": 5}, "a short key": {"held": 5, "key": "00" * 31}, "no hex": {"held": 5, "key": "x" * 64}, "a negative one": {"held": -1, "key": check64},
            "text": {"held": "5", "key": check64}, "2^64": {"held": 1 << 64, "key": check64}}.items()}, {76}, "write", words)
    said = lambda wire: wire.expect(OBJECT, "from")
    lied("write: who wants another offset than it was offered is 76", {
        what: insider(ready(held=1000, key=check64), said, obj(**fields)) for what, fields in {
            "in between": {"type": "go", "offset": 500}, "behind it": {"type": "go", "offset": 1001}, "negative": {"type": "go", "offset": -1}, "none": {"type": "go"},
            "ready": {"type": "ready"}, "2^63": {"type": "go", "offset": 1 << 63}}.items()}, {76}, "write", words)
    lied("write: who holds something that was not asked for is 76", {"held": insider(ready(held=1000, key=check64), take)}, {76}, "write")
    lied("write: who holds more than there is, and goes on behind it, is 76", {
        "it": insider(ready(held=1 << 40, key=check64), said, obj(type="go", offset=1 << 40))}, {76}, "write", words)


def take_all(wire):
    while wire.hear()[0] != END:
        pass


def told_soon():
    """A server whose disk is full says so and closes: the client must not first send it all."""
    with open("in", "wb") as file:
        for _ in range(64):
            file.write(FILE[:100_000] * 10)
    lied("write: an error in the midst of the data is told soon", {
        "and what comes is read": insider(ready(), lambda wire: wire.expect(DATA), error("try-later")),
        "and it is reset": insider(ready(), lambda wire: wire.expect(DATA), error("try-later"), lambda wire: wire.sock.close())},
         {75}, "write")
    lied("write: who is done in the midst of the data is 76", {
        "it": insider(ready(), lambda wire: wire.expect(DATA), obj(type="done", size=64_000_000))}, {76}, "write")
    Path("in").write_bytes(FILE)


# --- the founding wire ---

def founding(*acts, cipher="none", secret=SECRET, end=None):
    """The handshake, the request, each act(wire), and the end."""
    def act(sock):
        wire = Founding(Wire(sock))
        iv = wire.hear(wires.HELLO)[1][1:]
        wire.use(cipher, secret, iv)
        if wire.out:
            wire.nonce(5)
            wire.hear_nonce()
        wire.say(wires.CONFIRM, b"\1")
        wire.hear(wires.READ_FILE, wires.WRITE_FILE)
        for one in acts:
            one(wire)
        return end and end(sock)
    return act


def frame(kind, payload):
    return lambda wire: wire.say(kind, payload)


def head(kind, length, zeros=bytes(8)):
    return lambda wire: wire.put(struct.pack(">II", kind, length) + zeros)


def foundings():
    yes, chunk, eof = frame(wires.CONFIRM, b"\1"), frame(wires.WRITE_FILE, FILE[:5000]), frame(wires.EOF, hashlib.md5(FILE[:5000]).digest())
    take = lambda wire: next(payload for kind, payload in iter(lambda: wire.hear(wires.WRITE_FILE, wires.EOF), None) if kind == wires.EOF)
    for cipher in ("none", "aes256"):
        of = lambda *acts, **options: founding(*acts, cipher=cipher, **options)
        full = [yes, chunk, chunk]
        for how, want in (("fin", 76), ("rst", 75)):
            lied(f"{cipher}: read: a {how.upper()} ahead of the eof is {want}",
                 {n: of(*full[:n], end=reset if how == "rst" else None) for n in range(4)}, {want}, cipher=cipher)
        lied(f"{cipher}: read: what is no frame is 76", {what: of(yes, act) for what, act in {
            "type 0": frame(0, bytes(17)), "type 6": frame(6, b"x"), "confirmation": yes, "a chunk of 65537 bytes": frame(wires.WRITE_FILE, bytes(65537)),
            "4 GiB": head(wires.WRITE_FILE, (1 << 32) - 1), "a chunk of none": frame(wires.WRITE_FILE, b""), "an eof of 15 bytes": frame(wires.EOF, bytes(15)),
            "no zeros": head(wires.WRITE_FILE, 1, b"1" * 8)}.items()}, {76}, cipher=cipher)
        lied(f"{cipher}: read: another MD5 is 76", {"it": of(yes, chunk, frame(wires.EOF, bytes(16))), "of less": of(yes, chunk, chunk, eof)}, {76}, cipher=cipher)
        for verb in ("read", "write"):
            lied(f"{cipher}: {verb}: a refusal is 77", {"it": of(frame(wires.CONFIRM, b"\0"))}, {65, 76, 77}, verb, cipher=cipher)
            lied(f"{cipher}: {verb}: an error is what it says", {code: of(frame(wires.ERROR, f"{code}: \x1b[31mno\n".encode())) for code in CODES},
                 {code: {want} for code, want in CODES.items()}, verb, cipher=cipher)
            lied(f"{cipher}: {verb}: an error of no known code is 65", {text: of(frame(wires.ERROR, text)) for text in (b"x", b"x: y", b": ", b"\xff\xfe", b"\x1b[31m")},
                 {65}, verb, cipher=cipher)
        lied(f"{cipher}: write: who does not confirm is 76", {"fin": of(yes, take), "chunk": of(yes, take, chunk)}, {76}, "write", cipher=cipher)
        lied(f"{cipher}: write: who refuses behind it does not store it", {"it": of(yes, take, frame(wires.CONFIRM, b"\0"))}, {65, 76, 77}, "write", cipher=cipher)
    refusal = lambda sock: (Wire(sock).need(33), sock.sendall(wires.HEAD.pack(wires.CONFIRM, 1) + b"\0"))
    for cipher in ("none", "aes128"):
        lied(f"{cipher}: a server that does not allow it is 77", {"it": lambda sock: refusal(sock) and None}, {77}, cipher=cipher)
    lied("aes256: a server with another key is 77", {"it": founding(cipher="aes256", secret=b"another")}, {77}, cipher="aes256")
    lied("aes256: what is no challenge is 77", {n: lambda sock, n=n: (Wire(sock).need(33), sock.sendall(bytes(32)))[:0] for n in range(3)}, {77}, cipher="aes256")
    lied("aes256: an echo is no server", {"it": echo}, {76, 77}, cipher="aes256")


def main():
    Path("in").write_bytes(FILE)
    mute = Fake(lambda sock: heard(sock))
    mutes = [begin(mute.port, "write", "lie", "-i", "in", cipher=cipher) for cipher in ("noise", "none")]
    for part in (handshakes, errors, reads, resumed_reads, writes, told_soon, foundings):
        part()
    check("a server that says nothing is 75", [said for said in map(end, mutes) if said[0] != 75])
    check("no file was made of all that", sorted(path.name for path in HERE.iterdir()) == [])


if __name__ == "__main__":
    main()
