#!/usr/bin/python3
"""What no honest client of file transfer does, with the key and without it: the server ends each of them,
stores nothing under a name, and lives on. T and a number is a threat, as in ../shared/hostile.md.

  ft_hostile.py [SEED]          the current folder has key, drop and here; see ft_tested.py
"""
import contextlib, random, socket, sys
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from enhanced_wire import Broken, Closed, Unverified
from ft_tested import DROP, PATIENCE, Relay, Server, run, through
from ft_wire import DATA, END, HOLE, OBJECT, PREFACE, SALT, Noise, Refused
from verdict import check, diag, wait_until
from weak_points import VECTORS, PointDH, low_order_points
import ft_wire as wires

SECRET = Path("key").read_bytes().strip()
MESSAGE_1 = 2 + 48
BITS = 60  # of message 1, a sample
rng = random.Random()


def dial(server):
    sock = socket.create_connection(server.target, PATIENCE)
    sock.settimeout(PATIENCE)
    return sock


def half_close(sock):
    with contextlib.suppress(OSError):  # who closed on us already is no event
        sock.shutdown(socket.SHUT_WR)


def heard(sock):
    """All that comes until the end. None: it does not end."""
    said = b""
    try:
        while data := sock.recv(1 << 16):
            said += data
    except ConnectionError:
        pass
    except TimeoutError:
        return None
    return said


def say(server, data):
    with dial(server) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
        half_close(sock)
        return heard(sock)


def insider(server, secret=SECRET):
    """A client that has the key, behind the handshake."""
    return Noise(dial(server)).open(secret)


def files():
    return {path.name: path.read_bytes() for path in DROP.iterdir() if not path.name.startswith(".")}


class Watch:
    """with Watch(server, TITLE, sessions=3) as watch: what is attacked inside must leave the named files as
    they are, and each session must have failed with one of these codes."""

    def __init__(self, server, title, codes=(76,), sessions=None):
        self.server, self.title, self.codes, self.sessions = server, title, codes, sessions
        self.faults = []

    def __enter__(self):
        self.server.ends()
        self.before = files()
        return self

    def __exit__(self, kind, error, _):
        if kind:
            return
        ends = self.server.ends()
        self.faults += [end for end in ends if int(end["code"]) not in self.codes]
        if self.sessions is not None and len(ends) != self.sessions:
            self.faults.append(f"{len(ends)} sessions ended, not {self.sessions}")
        if files() != self.before:
            self.faults.append(f"the files changed: {set(files()) ^ set(self.before)}")
        for path in DROP.glob(".*"):
            if not path.name.endswith(".part"):
                self.faults.append(f"{path} was made")
            path.unlink()
        check(self.title, self.faults)


# --- openings ---

OPENINGS = {
    "nothing": b"", "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SMTP": b"EHLO x\r\n", "SSH": b"SSH-2.0-x\r\n",
    "a TLS hello": bytes.fromhex("16030100f8010000f40303") + bytes(240), "a NUL": b"\0", "zeros": bytes(1000),
    "the enhanced protocol": b"SMTP361\x02" + (48).to_bytes(2, "big") + bytes(48), "a part of the preface": PREFACE[:7],
    "another version": PREFACE[:7] + b"\x04" + bytes(50), "the preface in small letters": PREFACE.lower() + bytes(50)}


def hello(cipher, length=17, kind=0, zeros=bytes(8)):
    return kind.to_bytes(4, "big") + length.to_bytes(4, "big") + zeros + bytes([cipher]) + bytes(16)


def openings(server):
    with Watch(server, "no opening but the two is answered", (75, 76, 77)) as watch:
        cases = OPENINGS | {f"garbage {n}": rng.randbytes(n) for n in (1, 8, 17, 33, 100, 5000)}
        cases |= {f"bit {n} of the preface": flipped(PREFACE, n) + bytes(50) for n in range(0, 64, 5)}
        for what, data in cases.items():
            answer = say(server, data)
            if answer != b"":
                watch.faults.append(f"{what}: {answer}")
    refused = wires.HEAD.pack(wires.CONFIRM, 1) + b"\0"
    with Watch(server, "a founding hello is refused where it is not allowed", (77,), 3) as watch:
        watch.faults += [cipher for cipher in (0, 1, 2) if say(server, hello(cipher)) != refused]
    with Watch(server, "what is no founding hello is not answered", (76, 77)) as watch:
        for frame in (hello(3), hello(255), hello(1, 16), hello(1, 18), hello(1, 1 << 31), hello(1, kind=2), hello(1, kind=6),
                      hello(1, zeros=b"1" * 8), hello(1)[:-1], hello(1)[:16]):
            answer = say(server, frame)
            watch.faults += [] if answer in (b"", refused if frame[16:17] > b"\2" else b"") else [f"{frame}: {answer}"]


def flipped(data, bit):
    at = bit // 8
    return data[:at] + bytes([data[at] ^ 1 << bit % 8]) + data[at + 1:]


# --- handshakes ---

def after_salt(server, make):
    """What comes behind the salt when make(wire) is all that is said behind the preface."""
    with dial(server) as sock:
        wire = Noise(sock)
        wire.write(PREFACE)
        wire.salt = wire.need(SALT)
        with contextlib.suppress(ConnectionError):
            wire.write(make(wire))
        half_close(sock)
        return heard(sock)


def message_1(wire, secret=SECRET, payload=b"", prologue=None):
    wire.begin(True, wires.psk_of(secret, wire.salt), prologue)
    body = wire.noise_write(payload)
    return len(body).to_bytes(2, "big") + body


def silent(server, title, makes, codes=(76, 77)):
    with Watch(server, title, codes, len(makes)) as watch:
        for what, make in makes.items():
            answer = after_salt(server, make)
            watch.faults += [] if answer == b"" else [f"{what}: {answer}"]


def handshakes(server):
    silent(server, "message 1 cut at each byte is not answered",
           {n: lambda wire, n=n: message_1(wire)[:n] for n in range(MESSAGE_1)}, (75, 76))
    bits = [*range(16), *sorted(rng.sample(range(16, 8 * MESSAGE_1), BITS))]
    silent(server, "nor one with any bit flipped", {n: lambda wire, n=n: flipped(message_1(wire), n) for n in bits}, (75, 76, 77))
    other_prologues = {"none": b"", "the preface alone": PREFACE, "the salt ahead": None}
    silent(server, "nor one of another key, another prologue, or with something in it", {
        "another key": lambda wire: message_1(wire, b"wrong"), "no key": lambda wire: message_1(wire, b"\0"),
        "zeros": lambda wire: b"\0\x30" + bytes(48), "longer": lambda wire: b"\0\x31" + message_1(wire)[2:] + b"\0",
        "a payload": lambda wire: message_1(wire, payload=b"x"), "huge": lambda wire: b"\xff\xff" + bytes(65535),
        "the salt": lambda wire: b"\0\x30" + (wire.salt * 3), **{
            what: lambda wire, prologue=prologue: message_1(wire, prologue=prologue if prologue is not None else wire.salt + PREFACE)
            for what, prologue in other_prologues.items()}})
    if (VECTORS / "wycheproof/x25519_test.json").exists():
        silent(server, "T24: nor one with a point of low order, with the key", {
            point.hex(): lambda wire, point=point: low_order(wire, point) for point in low_order_points()})
    else:
        diag("no ../shared/vectors: no points of low order")


def low_order(wire, point):
    wire.noise._dh = PointDH(point)
    return message_1(wire)


def recordings(server):
    """What a whole transfer said, again; and the server's own records back to it."""
    Path("in").write_bytes(rng.randbytes(100_000))
    taped = Tape()
    with Relay(server.target) as relay:
        relay.tape = taped
        code, said = through(relay, "write", "taped", "-i", "in")
    check("a transfer is recorded", code == 0 and len(taped["c"]) > 100_000)
    (DROP / "taped").unlink()
    with Watch(server, "T1: played again it is message 2, another one, and the end", (76,), 1) as watch:
        answer = say(server, taped["c"])
        watch.faults += [] if len(answer or b"") == 66 and answer[:16] == taped["s"][:16] and answer[16:] != taped["s"][16:66] else [answer]
    with Watch(server, "T24: its own records back to it are forged", (76,), 1) as watch:
        with insider(server) as wire:
            wire.say(OBJECT, {"type": "write", "name": "reflected"})
            length = wire.need(2)
            wire.write(length + wire.need(int.from_bytes(length, "big")))
            watch.faults += [] if ending(wire) == ([], "closed") else ["it goes on"]


class Tape(dict):
    """What passed a relay, by side."""

    def add(self, side, data):
        self[side] = self.get(side, b"") + data


# --- what an insider may say ---

def ending(wire):
    """([code or type...], how it ended) of what still comes."""
    said = []
    half_close(wire.sock)
    while True:
        try:
            kind, body = wire.hear()
            said.append(body.get("type") if kind == OBJECT else kind)
        except Refused as error:
            said.append(error.code)
        except Closed as error:
            return said, "closed" if " 0 of " in str(error) else str(error)
        except ConnectionError:
            return said, "reset"
        except (Broken, Unverified) as error:
            return said, str(error)


def raw(kind, body=b""):
    return lambda wire: wire.send_record(bytes([kind]) + body)


def obj(**fields):
    return lambda wire: wire.say(OBJECT, fields)


def ask(verb="write", **fields):
    return obj(type=verb, name="lie", **fields)


NAMES = ["", ".", "..", "../x", "/etc/passwd", "a/b", ".hidden", ".x.part", "a\nb", "a\x1b[31m", "x" * 201,
         "\u202egpj", "a\u0085b", "\u200f"]
NO_REQUESTS = {
    "no byte": lambda wire: wire.send_record(b""), "data": raw(DATA, b"x"), "a hole": raw(HOLE, bytes(8)),
    "an end": raw(END, bytes(8)), "kind 4": raw(4, b"{}"), "kind 255": raw(255), "no JSON": raw(0, b"write"),
    "an empty object": raw(0, b"{}"), "nothing": raw(0), "a list": raw(0, b"[]"), "null": raw(0, b"null"), "a number": raw(0, b"1"),
    "much nesting": raw(0, b"[" * 60000), "much nesting in an object": raw(0, b'{"type":' * 7000),
    "a name twice": raw(0, b'{"type":"write","name":"lie","name":"lie2"}'), "not closed": raw(0, b'{"type":"write","name":"lie"'),
    "more than 4096 bytes": obj(type="write", name="lie", more="x" * 4096), "4096 blanks more": raw(0, b'{"type":"write","name":"lie"}' + b" " * 4096),
    "something behind it": raw(0, b'{"type":"write","name":"lie"}x'), "a NUL": raw(0, b'{"type":"write","name":"lie\\u0000"}'),
    "no UTF-8": raw(0, b'{"type":"write","name":"\xff"}'), "a surrogate": raw(0, b'{"type":"write","name":"\\ud800"}'),
    "no name": obj(type="write"), "a number as name": obj(type="write", name=1), "a list as name": obj(type="read", name=["lie"]),
    "no type": obj(name="lie"), "type 1": obj(type=1, name="lie"), "another type": obj(type="delete", name="lie"),
    "ready": obj(type="ready"), "done": obj(type="done", size=1), "size -1": ask(size=-1), "size 1.5": ask(size=1.5),
    "size as text": ask(size="1"), "size 2^63": ask(size=1 << 63), "size 2^64": ask(size=1 << 64), "size 10^40": ask(size=10**40),
    "held without key": ask("read", held=1), "held -1": ask("read", held=-1, key="00" * 32),
    "held as text": ask("read", held="1", key="00" * 32), "a short key": ask("read", held=1, key="00" * 31),
    "a long key": ask("read", held=1, key="00" * 33), "no hex": ask("read", held=1, key="zz" * 32)}
WRITES = {  # behind `ready`
    "kind 4": raw(4, b"x"), "no byte": lambda wire: wire.send_record(b""), "a hole of 7 bytes": raw(HOLE, bytes(7)),
    "a hole of 9 bytes": raw(HOLE, bytes(9)), "an end of 7 bytes": raw(END, bytes(7)), "no end": raw(DATA, b"x"),
    "an end at 1 of 0": raw(END, bytes(7) + b"\1"), "an object": obj(type="write", name="lie"), "from": obj(type="from", offset=0, check="00" * 32),
    "done": obj(type="done", size=0), "an error with no such code": obj(type="error", code="x", text="y"), "an error": obj(type="error", code="try-later", text="\x1b[31m\nx"),
    "an error without a text": obj(type="error", code="protocol")}
HUGE = {"a hole of 2^64 - 1": ((1 << 64) - 1,), "a hole of 2^63": (1 << 63,), "two of 2^63 - 1": ((1 << 63) - 1,) * 2,
        "two of 2^62": (1 << 62,) * 2}


def refused(server, title, cases, first=None, codes=(65, 73, 75, 76, 77)):
    """Each case, behind first(wire), ends with an error of these codes or without a word."""
    with Watch(server, title, codes, len(cases)) as watch:
        for what, act in cases.items():
            with insider(server) as wire:
                if first:
                    first(wire)
                with contextlib.suppress(ConnectionError):
                    act(wire)
                said, how = ending(wire)
                if how != "closed" or len(said) > 1 or set(said) - set(codes):
                    watch.faults.append(f"{what}: {said}, {how}")


def ready(wire, **fields):
    ask(**fields)(wire)
    wire.expect(OBJECT, "ready")


def requests(server):
    refused(server, "what is no request is refused", NO_REQUESTS, codes=(65, 76))
    for verb in ("read", "write"):
        refused(server, f"{verb}: what is no name is refused", {name: obj(type=verb, name=name) for name in NAMES}, codes=(65,))
    refused(server, "what is not there is 66", {"it": obj(type="read", name="nowhere")}, codes=(66,))
    refused(server, "what is there is 73, and only true is force", {
        str(value): obj(type="write", name="there", force=value) for value in (False, "true", 1, None, [])} | {
        "none": obj(type="write", name="there")}, codes=(65, 73, 76))
    refused(server, "what is not the data of a file is refused", WRITES, ready, codes=(75, 76))
    refused(server, "no hole is larger than a file can be",
            {what: lambda wire, sizes=sizes: [wire.say(HOLE, size) for size in sizes] for what, sizes in HUGE.items()},
            ready, codes=(75, 76))
    refused(server, "an end that says another size than came is refused", {
        size: lambda wire, size=size: (wire.say(DATA, b"ten bytes."), wire.say(END, size)) for size in (0, 9, 11, 1 << 63, (1 << 64) - 1)},
        ready, codes=(76,))
    refused(server, "so is another size than was announced", {
        size: lambda wire, size=size: (wire.say(DATA, bytes(size)), wire.say(END, size)) for size in (1, 9, 11, 5000)},
        lambda wire: ready(wire, size=10), codes=(76,))
    refused(server, "what comes and never ends is kept from having a name", {
        count: lambda wire, count=count: [wire.say(DATA, bytes(61440)) for _ in range(count)] for count in (1, 2, 20)}, ready)


def resumptions(server):
    """A part is there; the insider says wrong things about it."""
    data = rng.randbytes(200_000)

    def held(wire):
        (DROP / ".lie.part").write_bytes(data[:100_000])
        (DROP / ".lie.part").chmod(0o600)
        ask(resume=True)(wire)
        wire.key = bytes.fromhex(wire.expect(OBJECT, "ready")["key"])

    check64 = "00" * 32
    refused(server, "what answers no `held` is refused", {
        "data": raw(DATA, b"x"), "an end": raw(END, bytes(8)), "another type": obj(type="go", offset=0), "no offset": obj(type="from", check=check64),
        "an offset behind it": obj(type="from", offset=100_001, check=check64), "one in its middle": obj(type="from", offset=50_000, check=check64),
        "a negative one": obj(type="from", offset=-1, check=check64), "one of 2^64": obj(type="from", offset=1 << 64, check=check64),
        "no check": obj(type="from", offset=100_000), "a short one": obj(type="from", offset=100_000, check="00" * 31),
        "no hex": obj(type="from", offset=100_000, check="x" * 64), "a number": obj(type="from", offset=100_000, check=1)}, held, codes=(76,))
    with insider(server) as wire:
        held(wire)
        obj(type="from", offset=100_000, check=check64)(wire)
        offset = wire.expect(OBJECT, "go")["offset"]
        for at in range(0, len(data), 50_000):
            wire.say(DATA, data[at:at + 50_000])
        wire.say(END, len(data))
        wire.expect(OBJECT, "done")
    check("a wrong proof begins at 0", offset == 0 and (DROP / "lie").read_bytes() == data)
    (DROP / "lie").unlink()
    with insider(server) as one, insider(server) as other:
        held(one)
        server_keys = [one.key]
        one.sock.close()
        wait_until(lambda: len(server.sessions()) == 1, PATIENCE)
        held(other)
        check("each challenge is another one", server_keys[0] != other.key and server_keys[0] != bytes(32))
    server.ends()


def readers(server):
    def starts(wire, **fields):
        obj(type="read", name="there", **fields)(wire)
        wire.expect(OBJECT, "ready")

    def taken(wire):
        starts(wire)
        while wire.hear()[0] != END:
            pass

    refused(server, "read: what is not `done` is not believed", {
        "another size": obj(type="done", size=1), "no size": obj(type="done"), "data": raw(DATA, b"x"), "an end": raw(END, bytes(8)),
        "nothing": lambda wire: None, "an error": obj(type="error", code="try-later", text="full")}, taken, codes=(75, 76))
    key = "00" * 32
    refused(server, "read: what answers no proof is refused", {
        "an offset behind it": obj(type="go", offset=100_001), "one in between": obj(type="go", offset=5), "a negative one": obj(type="go", offset=-1),
        "none": obj(type="go"), "done": obj(type="done", size=0), "data": raw(DATA, b"x"), "nothing": lambda wire: None},
        lambda wire: starts(wire, held=10, key=key), codes=(75, 76))
    with insider(server) as wire:
        obj(type="read", name="there", held=1 << 62, key=key)(wire)
        check("read: who holds more than there is begins at 0", wire.expect(OBJECT, "ready").get("offset") == 0)
    server.ends()


def main():
    seed = int(sys.argv[1]) if sys.argv[1:] else random.randrange(1 << 32)
    rng.seed(seed)
    diag(f"the seed is {seed}")
    server = Server("--login-time", "60", "--idle-time", "60", "-v").start()
    (DROP / "there").write_bytes(rng.randbytes(100_000))
    for part in (openings, handshakes, recordings, requests, resumptions, readers):
        part(server)
    check("the server works", run(server.port, "read", "there", "-o", "here/there")[0] == 0)
    check("it stops cleanly", server.stop() == 0)
    log = server.log.read_text()
    check("no session died by a signal", [line for line in log.splitlines() if " killed " in line])
    check("T22: no control byte is in its log", all(c >= " " for c in log.replace("\n", "")) and "\u202e" not in log)
    check("nor in what it prints", all(c >= " " for c in Path("served.out").read_text().replace("\n", "")))


if __name__ == "__main__":
    main()
