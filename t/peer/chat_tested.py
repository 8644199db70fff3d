#!/usr/bin/python3
"""Chat, ours against the peer's: chat_tested.py HOST:PORT. In the current folder are one/ and two/, the folders of
keys of client1, who is our program, and of client2, who is the peer; the server knows both."""
import json, os, sys
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
import chat_peer
from chat_peer import MESSAGE, RECEIPT, SEALED, Offer, header
from desk import Desk, ours
from enhanced_wire import Broken
from members_peer import set_request
from verdict import check

STREAM = "00112233445566ff"


class Room(Desk):
    """The peer's end of a chat with client1."""

    def __init__(self, address):
        super().__init__(address)
        self.offers, self.number, self.at = {}, 0, 0
        self.ask(set_request(self.own))

    def meet(self, name="client1"):
        self.other = self.peer(name)
        self.other.key = chat_peer.PublicKey(self.other.public)

    def offer(self, count):
        fresh = [Offer(self.own, self.other, self.number + i + 1) for i in range(count)]
        self.number += count
        self.offers |= {one.number: one for one in fresh}
        with self.session() as client:
            reply = chat_peer.offer_to(client, self.other, fresh)
        if reply["type"] != "chat-offered":
            raise Broken(f"no offers: {reply}")
        return reply["held"]

    def take(self):
        with self.session() as client:
            return chat_peer.take(client, self.other)

    def send(self, packet, **fields):
        with self.session() as client:
            reply = chat_peer.send_packet(client, self.other, packet, **fields)
        if reply["type"] != "chat-sent":
            raise Broken(f"not sent: {reply}")
        return reply

    def header(self, body, kind="text", **fields):
        self.at += 1
        return header(kind, body, **({"stream": STREAM, "number": self.at} | fields))

    def names(self):
        return {"from": self.own.name, "to": self.other.name}

    def say(self, body, kind="text", **fields):
        """Over one of client1's one-time keys; the header."""
        raw = self.take()
        if raw is None:
            raise Broken("client1 offers nothing")
        said = self.header(body, kind, **fields)
        self.send(chat_peer.write_message(self.own, self.other, raw, said, body), stream=said["stream"], number=said["number"])
        return said

    def fetch(self, and_done=True):
        """[(kind, header, body)] of all that waits; of a receipt no body."""
        found, more = [], True
        with self.session() as client:
            while more:
                rows, more = chat_peer.fetch(client)
                for row, packet in rows:
                    if (row["from"], row["id"]) != (self.other.name, chat_peer.packet_id(packet)):
                        raise Broken(f"another sender, or another id: {row}")
                    found.append(self.read(packet))
                if rows and and_done:
                    chat_peer.done(client, [row["id"] for row, _ in rows])
        return found

    def read(self, packet):
        if packet[0] == RECEIPT:
            return RECEIPT, chat_peer.read_receipt(self.own, self.other, packet), None
        if packet[0] == SEALED:
            return SEALED, *chat_peer.read_sealed(self.own, self.other, packet)
        return MESSAGE, *chat_peer.read_message(self.offers.pop(int.from_bytes(packet[1:9], "big")), packet)


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def wait(room, *more):
    """What `chat --wait` says: its exit code, the objects, the notes."""
    got, out, said = ours(room.address, "chat", "--wait", "client2", "--timeout", "15", "--json", *more)
    return got, rows(out), said


def to_the_peer(room):
    got, out, said = ours(room.address, "chat", "--send", "client2", "too early")
    check("where there are no one-time keys a message waits: 75", [] if got == 75 else [f"{got} {out} {said}"])
    room.meet()
    room.offer(3)
    texts = ["Is it noon? \u2615", "a\nb\x1b[2J", "z" * 70000]
    faults = []
    for text in texts:
        got, out, said = ours(room.address, "chat", "--send", "client2", "-", stdin=text.encode())
        faults += [] if got == 0 or text == texts[-1] else [f"{got} {out} {said}"]
    check("with them they go", faults)
    found = [one for one in room.fetch() if one[0] != RECEIPT]
    check("the peer opens them, each once and in order",
          [] if [body.decode() for _, _, body in found] == ["too early"] + texts[:2] else [str(found)[:300]])
    check("... numbered on, in one stream",
          [] if [said["number"] for _, said, _ in found] == [1, 2, 3] and len({said["stream"] for _, said, _ in found}) == 1
          else [f"{said}" for _, said, _ in found])
    room.offer(2)
    got, out, said = ours(room.address, "chat", "--send", "client2", "the last")
    found = [one for one in room.fetch() if one[0] != RECEIPT]
    check("the one that waited goes first", [body.decode()[:20] for _, _, body in found] == ["z" * 20, "the last"])
    stream = found[-1][1]["stream"]
    room.send(chat_peer.write_receipt(room.own, chat_peer.receipt(room.own, room.other, stream, 5)), receipt=True)
    got, out, said = ours(room.address, "chat", "--wait", "client2", "--timeout", "3")
    history = ours(room.address, "chat", "--history", "client2", "--json")[1]
    check("a receipt of the peer's tells that they came",
          [] if [one.get("state") for one in rows(history)] == ["delivered"] * 5 else [f"{got} {out} {said} {history}"])
    for size in 1, 61440, 61441, 300000:
        data = b"x" + os.urandom(size - 1)  # of no known type
        Path("picture.png").write_bytes(data)
        room.offer(1)
        got, out, said = ours(room.address, "chat", "--picture", "picture.png", "client2")
        found = [one for one in room.fetch() if one[0] != RECEIPT]
        check(f"a picture of {size} bytes", [] if got == 0 and len(found) == 1 and found[0][2] == data and
              (found[0][1]["name"], found[0][1]["type"]) == ("picture.png", "image/png") else [f"{got} {said} {str(found)[:200]}"])
    got, out, said = ours(room.address, "chat", "--send", "client2", "--allow-no-fs", "sealed")
    found = [one for one in room.fetch() if one[0] != RECEIPT]
    check("without one-time keys it goes sealed, where that is allowed",
          [] if got == 0 and [one[0] for one in found] == [SEALED] and found[0][2] == b"sealed" else [f"{got} {said} {found}"])


def from_the_peer(room):
    for text in "Yes, it is. \u2615", "", "a\nb\n", "y" * 70000:
        room.say(text.encode())
        got, said, notes = wait(room)
        check(f"a message of {len(text)} characters is shown",
              [] if got == 0 and [one.get("text") for one in said] == [text] else [f"{got} {str(said)[:300]} {notes}"])
        receipts = [one for one in room.fetch() if one[0] == RECEIPT]
        check("... and the peer has a receipt",
              [] if [(one["stream"], one["highest"], one["missing"]) for _, one, _ in receipts] == [(STREAM, room.at, 0)] else [receipts])
    for size in 0, 1, 61440, 61441, 300000:
        data = os.urandom(size)
        room.say(data, "file", name="photo \u00e4.jpg", type="image/jpeg")
        got, said, notes = wait(room)
        saved = ours(room.address, "chat", "--save", str(said[-1].get("record", said[-1].get("number"))), "-o", "-", "client2") if said else None
        check(f"a file of {size} bytes", [] if got == 0 and saved and saved[1] == data else [f"{got} {said} {notes} {str(saved)[:200]}"])
    said = room.header(b"not secret for ever") | room.names()
    room.send(chat_peer.write_sealed(room.own, room.other, said, b"not secret for ever"), stream=STREAM, number=room.at)
    got, shown, notes = wait(room)
    check("a sealed one is shown, and marked", [] if got == 0 and len(shown) == 1 and shown[0].get("text") == "not secret for ever" and
          "forward" in json.dumps(shown) + notes else [f"{got} {shown} {notes}"])


def main():
    room = Room(sys.argv[1])
    to_the_peer(room)
    from_the_peer(room)


if __name__ == "__main__":
    main()
