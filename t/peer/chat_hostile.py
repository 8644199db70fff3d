#!/usr/bin/python3
"""Packets of chat that are none, from a peer who is one, against ours: chat_hostile.py HOST:PORT. Folders as in
chat_tested.py. Each is to be named (exit code 65), shows nothing, and spoils nothing: the one-time key that all of
them answer is good for an honest message at the end."""
import os, sys
from types import SimpleNamespace

sys.dont_write_bytecode = True  # before the modules that lie beside this one
import age_peer, chat_peer
from chat_peer import NAMESPACE, dump, header, length, padded
from chat_tested import Room, ours, rows
from members_peer import Signer, sshsig
from verdict import check

STREAM = "ffeeddccbbaa9988"
BODY = b"SECRE"
NAMED = {"forged", "used", "twice", "unknown"}
BAD = {
    "stream": [None, "", "0" * 15, "0" * 17, "A" * 16, "g" * 16, 1, ["0" * 16]],
    "number": [None, 0, -1, "1", 1.5, 1e3, True, 1 << 63, 1 << 64, [1]],
    "us": [None, "1", 1.5, True, 1 << 63, -(1 << 64)],
    "kind": [None, "", "picture", "TEXT", 1, ["text"]],
    "size": [None, -1, 4, 6, 0, "5", 5.0, (16 << 20) + 1, 1 << 40, 1 << 63, 1 << 64, True],
}
BAD_FILE = {
    "name": [None, "", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a\nb", "a\x1b[2J", "a\u202eb", "a\u0085b", "n" * 201,
             "\u00e4" * 101, 7, ["n"]],
    "type": ["t" * 101, "a\nb", "a\x1b[2J", "image/\u202egnp", 7, ["image/png"]],
}


def with_field(said, name, value):
    return {key: it for key, it in (said | {name: value}).items() if it is not None}


def headers(more):
    """(what, header as bytes, body): each field wrong once, and what is no header."""
    text = header("text", BODY, STREAM, 1) | more
    file = header("file", BODY, STREAM, 1, name="a.png", type="image/png") | more
    for good, bads in (text, BAD), (file, BAD_FILE):
        for name, values in bads.items():
            for value in values:
                yield f"{name}: {value!r}"[:60], dump(with_field(good, name, value)), BODY
    plain = dump(text)
    yield "a name twice", plain[:-1] + b',"size":5}', BODY
    yield "a list", b"[" + plain + b"]", BODY
    yield "no JSON", plain[:-1], BODY
    yield "two objects", plain + plain, BODY
    yield "something behind it", plain + b" x", BODY
    yield "nothing", b"", BODY
    yield "deep", b'{"a":' * 5000 + b"1" + b"}" * 5000, BODY
    yield "not UTF-8", plain[:-1] + b',"a":"\xff"}', BODY
    yield "a NUL in it", plain[:-1] + b',"a":"\\u0000"}', BODY
    yield "a lone surrogate", plain[:-1] + b',"a":"\\ud800"}', BODY
    yield "a text that is not UTF-8", plain, b"SEC\xff\xfe"
    yield "a header too long", plain[:-1] + b',"a":"' + b"x" * 60000 + b'"}', BODY


class Hostile(Room):
    def __init__(self, address):
        super().__init__(address)
        self.meet()
        self.serial = 0
        ours(address, "chat", "--wait", "client2", "--timeout", "3", "--json")
        self.raw = self.take()

    def packet(self, said, body=BODY, **options):
        return chat_peer.write_message(self.own, self.other, self.raw, said, body, **options)

    def judge(self, what, packet, faults, **fields):
        """The packet is posted and must be named."""
        self.serial += 1
        fields = fields or {"stream": os.urandom(8).hex(), "number": self.serial}
        self.send(packet, **fields)
        got, out, said = ours(self.address, "chat", "--wait", "--timeout", "15", "--json")
        events = [one.get("event") for one in rows(out)]
        if got != 65 or not events or set(events) - NAMED or BODY.decode() in out.decode():
            faults.append(f"{what}: {got} {out.decode()} {said}")
            if "received" in out.decode():
                self.raw = self.take()


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def packets(room):
    """(what, packet): of a good header, and yet none."""
    said = header("text", BODY, STREAM, 1)
    good = room.packet(said)
    second = 11 + int.from_bytes(good[9:11], "big")
    yield from ((f"a bit changed at {at}", flipped(good, at)) for at in (0, 1, 8, 9, 10, 11, 42, 43, 60, second - 1, second, second + 2, -1))
    yield from ((f"cut to {n} bytes", good[:n]) for n in (1, 5, 9, 10, 11, 30, 58, 59, second, second + 1, second + 2, len(good) - 1))
    yield from ((f"kind {kind}", bytes([kind]) + good[1:]) for kind in (0, 2, 3, 4, 255))
    yield from ((f"behind it {more[:4]}", good + more) for more in (b"\0", b"\0\0", b"\0\x10" + bytes(16), good[second:], good))
    yield "kind alone, and blanks", b"\1" + b" " * 200
    yield "the offer 0", good[:1] + bytes(8) + good[9:]
    yield "an offer that never was", good[:1] + b"\xff" * 8 + good[9:]
    yield "a message 2 of 65535 bytes", good[:9] + b"\xff\xff" + good[11:]
    yield "a message 2 of 0 bytes", good[:9] + b"\0\0" + good[11:]
    yield "no ephemeral key, all zeros", good[:11] + bytes(32) + good[43:]
    yield "no padding", chat_packet(room, dump(said) if len(dump(said)) % 64 else dump(said) + b" ")
    yield "padding of NULs", chat_packet(room, dump(said) + bytes(-len(dump(said)) % 64))
    yield "an empty header", chat_packet(room, b"")
    yield "an empty transport message for no body", chat_packet(room, padded(header("text", b"", STREAM, 1)), [b""])
    yield "two for five bytes", chat_packet(room, padded(said), [b"SEC", b"RE"])
    yield "an empty one, and then five bytes", chat_packet(room, padded(said), [b"", BODY])
    long = os.urandom(122880)
    said = padded(header("file", long, STREAM, 1, name="a", type="b/c"))
    yield "two pieces swapped", swapped(chat_packet(room, said, [long[:61440], long[61440:]]))
    yield "one piece twice", twice(chat_packet(room, said, [long[:61440], long[61440:]]))
    yield "pieces of another size", chat_packet(room, said, [long[:61000], long[61000:122000], long[122000:]])
    yield "a piece too long", chat_packet(room, said, [long[:61441], long[61441:]])
    yield "a stranger's key", good[:11] + stranger(room).public + os.urandom(len(good) - 43)


def chat_packet(room, said, pieces=(BODY,)):
    """A message with its header and its pieces as they are."""
    number, first = chat_peer.offer_check(room.own, room.other, room.raw)
    state = chat_peer.noise(False, room.own.x25519, room.other.key, chat_peer.prologue(room.other.name, room.own.name, number))
    state.read_message(first, bytearray())
    second = bytearray()
    _, out = state.write_message(said, second)
    return b"\1" + number.to_bytes(8, "big") + length(bytes(second)) + b"".join(length(out.encrypt_with_ad(b"", one)) for one in pieces)


def parts(packet):
    second = 11 + int.from_bytes(packet[9:11], "big")
    middle = second + 2 + int.from_bytes(packet[second:second + 2], "big")
    return packet[:second], packet[second:middle], packet[middle:]


def swapped(packet):
    head, one, two = parts(packet)
    return head + two + one


def twice(packet):
    head, one, two = parts(packet)
    return head + one + one


def stranger(room):
    """The peer's name, and none of his keys."""
    pair = chat_peer.X25519DH().generate_keypair()
    return SimpleNamespace(name=room.own.name, x25519=pair, raw=pair.private.data, signer=Signer(), public=pair.public.data)


def sealed(room):
    said = header("text", BODY, STREAM, 1) | room.names()
    text = padded(said) + b"\n" + BODY
    keys, sign = [room.other.public, room.own.public], lambda *more: sshsig(room.own.signer, *more)
    seal = lambda inside, to=keys: b"\2" + age_peer.encrypt(inside, to)
    good = seal(sign(text, NAMESPACE) + text)
    yield "signed by nobody", seal(text)
    yield "signed by a stranger", chat_peer.write_sealed(stranger(room), room.other, said, BODY)
    yield "signed as mail", seal(sign(text, b"mail@smtp361") + text)
    yield "another text than signed", seal(sign(text, NAMESPACE) + text.replace(b"SECRE", b"secre"))
    yield "the body goes on", seal(sign(text, NAMESPACE) + text + b"x")
    yield "no line end behind the header", seal(sign(padded(said), NAMESPACE) + padded(said))
    yield "not to us", seal(sign(text, NAMESPACE) + text, [room.own.public])
    yield "a signature over SHA-512", seal(sign(text, NAMESPACE, b"sha512") + text)
    yield "an armored file", b"\2" + age_peer.armor(good[1:])
    yield "no file", b"\2" + os.urandom(300)
    yield "nothing", b"\2"
    yield from ((f"a bit changed at {at}", flipped(good, at)) for at in (1, 30, 150, len(good) // 2, -1))
    yield from ((f"cut to {n}", good[:n]) for n in (23, 200, len(good) // 2, len(good) - 1))
    yield "something behind it", good + b"x"
    for name, value in ("from", "client3"), ("to", "client3"), ("from", None), ("to", None), ("from", 1), ("to", ["client1"]):
        yield f"{name}: {value}", chat_peer.write_sealed(room.own, room.other, with_field(said, name, value), BODY)


def receipts(room):
    said = chat_peer.receipt(room.own, room.other, STREAM, 3)
    good = chat_peer.write_receipt(room.own, said)
    for name, values in {"from": [None, "client1", "client3", 1], "to": [None, "client2", "client3", 1],
                         "stream": [None, "", "0" * 15, "A" * 16, 1], "highest": [None, -1, "1", 1.5, 1 << 64, True],
                         "missing": [None, -1, "1", 4, 1 << 64, True], "us": [None, "1", 1.5, 1 << 64]}.items():
        for value in values:
            yield f"{name}: {value!r}", chat_peer.write_receipt(room.own, with_field(said, name, value))
    yield "signed by a stranger", chat_peer.write_receipt(stranger(room), said)
    yield "no JSON", chat_peer.write_receipt(room.own, b"receipt")
    yield "two lines", chat_peer.write_receipt(room.own, dump(said) + b"\n" + dump(said))
    yield "nothing", b"\3"
    yield "a signature alone", b"\3" + good[-64:]
    yield from ((f"a bit changed at {at}", flipped(good, at)) for at in (1, 20, -65, -64, -32, -1))
    yield from ((f"cut to {n}", good[:n]) for n in (2, 64, 65, len(good) - 1))
    yield "something behind it", good + b"x"
    yield "zeros as signature", good[:-64] + bytes(64)
    yield "signed as an offer", good[:-64] + room.own.signer.sign(b"smtp361 chat offer 1\0" + good[1:-65])


def main():
    room, faults = Hostile(sys.argv[1]), []
    for what, said, body in headers({}):
        room.judge(what, room.packet(said, body), faults)
    check("a header with a field that is wrong", faults)
    faults = []
    for what, packet in packets(room):
        room.judge(what, packet, faults)
    check("a packet that is none", faults)
    faults = []
    for what, said, body in headers(room.names()):
        room.judge(what, chat_peer.write_sealed(room.own, room.other, said, body), faults)
    check("a header in a seal", faults)
    faults = []
    for what, packet in sealed(room):
        room.judge(what, packet, faults)
    check("a seal that is none", faults)
    faults = []
    for what, packet in receipts(room):
        room.judge(what, packet, faults, receipt=True)
    check("a receipt that is none", faults)
    body = b"the honest one"
    packet = room.packet(header("text", body, STREAM, 1), body)
    room.send(packet, stream=STREAM, number=1)
    got, out, said = ours(room.address, "chat", "--wait", "--timeout", "15", "--json")
    check("after all of them an honest answer to the same one-time key is read", [] if got in (0, 65) and b"the honest one" in out else [f"{got} {out} {said}"])
    faults = []
    room.judge("again", packet, faults)
    room.judge("another answer to the same key", room.packet(header("text", BODY, STREAM, 2)), faults)
    check("... and once", faults)


if __name__ == "__main__":
    main()
