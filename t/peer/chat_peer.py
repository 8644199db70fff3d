"""Chat from outside: offers, packets and receipts as bytes, and the requests that carry them.

Written from the head of proto/chat.h and proto/PROTOCOL.md alone; Noise is dissononce's.
"""
import base64, hashlib, time

from dissononce.cipher.aesgcm import AESGCMCipher
from dissononce.dh.x25519.private import PrivateKey
from dissononce.dh.x25519.public import PublicKey
from dissononce.dh.x25519.x25519 import X25519DH
from dissononce.exceptions.decrypt import DecryptFailedException
from dissononce.extras.dh.dangerous.dh_nogen import NoGenDH
from dissononce.hash.sha256 import SHA256Hash
from dissononce.processing.handshakepatterns.interactive.KK import KKHandshakePattern
from dissononce.processing.impl.cipherstate import CipherState
from dissononce.processing.impl.handshakestate import HandshakeState
from dissononce.processing.impl.symmetricstate import SymmetricState

import age_peer
from enhanced_wire import SHAPES, Broken, Fault, dump, is_count, is_flag, is_id, is_text, parse
from members_peer import ARMOR, sshsig, sshsig_verify, verifies

NAMESPACE = b"chat@smtp361"
FIRST, SECOND = 48, 48   # bytes of message 1, and of message 2 beside its payload
PIECE = 61440            # of the body, in one transport message
BLOCK = 64               # the header is padded to a multiple
MESSAGE, SEALED, RECEIPT = 1, 2, 3


def now():
    return time.time_ns() // 1000


def length(data):
    return len(data).to_bytes(2, "big") + data


# --- offers ---

def prologue(owner, answerer, number):
    return b"smtp361 chat 1\0" + owner.encode() + b"\0" + answerer.encode() + b"\0" + number.to_bytes(8, "big")


def noise(initiator, static, remote, opening, ephemeral=None):
    dh = NoGenDH(X25519DH(), PrivateKey(ephemeral)) if ephemeral else X25519DH()
    state = HandshakeState(SymmetricState(CipherState(AESGCMCipher()), SHA256Hash()), dh)
    state.initialize(KKHandshakePattern(), initiator, opening, s=static, rs=remote)
    return state


def offer_signed(opening, owner_public, first):
    return b"smtp361 chat offer 1\0" + opening + owner_public + first


class Offer:
    """One of ours, of which the private half is kept: `raw` is what is put with the server."""

    def __init__(self, own, peer, number):
        opening = prologue(own.name, peer.name, number)
        self.own, self.peer, self.number = own, peer, number
        self.noise = noise(True, own.x25519, peer.key, opening)
        first = bytearray()
        self.noise.write_message(b"", first)
        signature = own.signer.sign(offer_signed(opening, own.public, bytes(first)))
        self.raw = number.to_bytes(8, "big") + bytes(first) + signature


def offer_check(own, peer, raw):
    """(number, message 1) of an offer of the peer's, which is for us, or Broken."""
    if len(raw) != 8 + FIRST + 64:
        raise Broken(f"an offer of {len(raw)} bytes")
    number, first, signature = int.from_bytes(raw[:8], "big"), raw[8:8 + FIRST], raw[8 + FIRST:]
    if not number:
        raise Broken("an offer without a number")
    said = offer_signed(prologue(peer.name, own.name, number), peer.public, first)
    if not verifies(peer.point, signature, said):
        raise Broken("an offer that the peer did not sign")
    return number, first


# --- messages ---

def header(kind="text", body=b"", stream="00" * 8, number=1, us=None, **fields):
    return {"stream": stream, "number": number, "us": now() if us is None else us, "kind": kind} | fields | {
        "size": len(body)}


def padded(said):
    said = said if isinstance(said, bytes) else dump(said)
    return said + b" " * (-len(said) % BLOCK)


def write_message(own, peer, raw, said, body=b"", *, piece=PIECE, opening=None):
    """The packet that answers an offer. said: the header, or its bytes as they are to be."""
    number, first = offer_check(own, peer, raw)
    state = noise(False, own.x25519, peer.key, opening or prologue(peer.name, own.name, number))
    state.read_message(first, bytearray())
    second = bytearray()
    _, out = state.write_message(padded(said), second)
    return bytes([MESSAGE]) + number.to_bytes(8, "big") + length(bytes(second)) + b"".join(
        length(out.encrypt_with_ad(b"", body[at:at + piece])) for at in range(0, len(body), piece))


def check_header(said, body, names=None):
    fields = {"stream": lambda it: is_text(it) and len(it) == 16, "number": lambda it: is_count(it) and it,
              "us": lambda it: type(it) is int, "kind": lambda it: it in ("text", "file"),
              "size": lambda it: it == len(body)}
    fields |= {"name": is_text, "type": is_text} if said.get("kind") == "file" else {}
    for name, fits in fields.items():
        if not fits(said.get(name)):
            raise Broken(f"{name} is missing or wrong in {said}")
    if names and (said.get("from"), said.get("to")) != names:
        raise Broken(f"from and to are not {names} in {said}")
    return said, body


def read_message(offer, packet):
    """(header, body) of the packet that answers our offer, or Broken."""
    number, rest, pieces = int.from_bytes(packet[1:9], "big"), packet[9:], []
    if packet[0] != MESSAGE or number != offer.number:
        raise Broken(f"a packet of kind {packet[0]} for the offer {number}")
    while rest:
        size = int.from_bytes(rest[:2], "big")
        if len(rest) < 2 + size:
            raise Broken("the packet is cut off")
        pieces.append(rest[2:2 + size])
        rest = rest[2 + size:]
    said = bytearray()
    try:
        _, back = offer.noise.read_message(pieces[0], said)
        body = [back.decrypt_with_ad(b"", one) for one in pieces[1:]]
    except (DecryptFailedException, ValueError):
        raise Broken("the packet does not verify") from None
    if len(said) % BLOCK:
        raise Broken(f"a header of {len(said)} bytes")
    if any(len(one) != PIECE for one in body[:-1]) or body and not 0 < len(body[-1]) <= PIECE:
        raise Broken(f"pieces of {[len(one) for one in body]} bytes")
    return check_header(parse(said), b"".join(body))


def write_sealed(own, peer, said, body=b"", recipients=None, **options):
    """said: with "from" and "to". The same without an offer."""
    text = padded(said) + b"\n" + body
    file = age_peer.encrypt(sshsig(own.signer, text, NAMESPACE, **options) + text,
                            [peer.public, own.public] if recipients is None else recipients)
    return bytes([SEALED]) + file


def read_sealed(own, peer, packet):
    """(header, body), signed by the peer, or Broken."""
    if packet[0] != SEALED or packet[1:4] == b"---":
        raise Broken(f"a packet of kind {packet[0]}, or an armored one")
    try:
        inside, _ = age_peer.decrypt(packet[1:], [own.raw])
    except ValueError as error:
        raise Broken(str(error)) from None
    head, end, text = inside.partition(b"\n" + ARMOR[1] + b"\n")
    if sshsig_verify(head + end, text, NAMESPACE) != peer.point:
        raise Broken("another key has signed it")
    said, _, body = text.partition(b"\n")
    return check_header(parse(said), body, (peer.name, own.name))


# --- receipts ---

def receipt_signed(said):
    return b"smtp361 chat receipt 1\0" + said


def write_receipt(own, said):
    said = said if isinstance(said, bytes) else dump(said)
    return bytes([RECEIPT]) + said + b"\n" + own.signer.sign(receipt_signed(said))


def receipt(own, peer, stream, highest, missing=0, us=None):
    return {"from": own.name, "to": peer.name, "stream": stream, "highest": highest, "missing": missing,
            "us": now() if us is None else us}


def read_receipt(own, peer, packet):
    said, end, signature = packet[1:-65], packet[-65:-64], packet[-64:]
    if packet[0] != RECEIPT or end != b"\n" or not verifies(peer.point, signature, receipt_signed(said)):
        raise Broken("no receipt of the peer's")
    said = parse(said)
    if (said.get("from"), said.get("to")) != (peer.name, own.name) or \
            not all(is_count(said.get(one)) for one in ("highest", "missing", "us")):
        raise Broken(f"a receipt that is none: {said}")
    return said


# --- the requests ---

SHAPES.update({
    "chat-offered": {"held": is_count},
    "chat-offers": {"rows": lambda value: isinstance(value, list)},
    "chat-withdrawn": {},
    "chat-taken": {"offer": lambda value: value is None or is_text(value)},
    "chat-sent": {},
    "chat": {"id": is_id, "from": is_text, "us": is_count, "length": is_count},
    "chat-end": {"more": is_flag},
    "chat-done": {},
    "chat-news": {"waiting": is_count},
    "chat-presence": {"present": is_flag},
})


def b64(data):
    return base64.b64encode(data).decode()


def offer_to(client, peer, offers):
    return client.request({"type": "chat-offer", "to": peer.name, "offers": [b64(one.raw) for one in offers]})[0]


def take(client, peer):
    """The bytes of an offer, or None."""
    reply = client.request({"type": "chat-take", "of": peer.name})[0]
    if reply["type"] != "chat-taken":
        raise Broken(f"not taken: {reply}")
    return base64.b64decode(reply["offer"], validate=True) if "offer" in reply else None


def send_packet(client, peer, packet, **fields):
    """fields: stream and number of a message, or receipt."""
    return client.request({"type": "chat-send", "to": peer.name} | fields | {"length": len(packet)}, packet)[0]


def fetch(client, **fields):
    """[(object, packet)], and whether there are more."""
    client.send_object({"type": "chat-fetch"} | fields)
    found = []
    while (reply := client.recv_reply())[0]["type"] == "chat":
        found.append(reply)
    if reply[0]["type"] != "chat-end":
        raise Broken(f"packets end with {reply[0]}")
    return found, reply[0]["more"]


def done(client, ids):
    return client.request({"type": "chat-done", "ids": ids})[0]


def packet_id(packet):
    return hashlib.sha256(packet).hexdigest()[:32]


class Post:
    """The server's half, beside enhanced_peer.Server: `offers` by (owner, answerer), `packets` by recipient."""

    def __init__(self):
        self.offers, self.packets = {}, {}

    def do_offer(self, wire, user, obj, content):
        held = self.offers.setdefault((user, obj["to"]), [])
        held += [base64.b64decode(one, validate=True) for one in obj["offers"]]
        return [({"type": "chat-offered", "held": len(held)}, None)]

    def do_offers(self, wire, user, obj, content):
        rows = [{"to": to, "held": len(held)} for (owner, to), held in self.offers.items() if owner == user]
        return [({"type": "chat-offers", "rows": rows}, None)]

    def do_withdraw(self, wire, user, obj, content):
        self.offers.pop((user, obj["to"]), None)
        return [({"type": "chat-withdrawn"}, None)]

    def do_take(self, wire, user, obj, content):
        held = self.offers.get((obj["of"], user))
        return [({"type": "chat-taken"} | ({"offer": b64(held.pop(0))} if held else {}), None)]

    def do_packet(self, wire, user, obj, content):
        waiting = self.packets.setdefault(obj["to"], [])
        waiting.append({"type": "chat", "id": packet_id(content), "from": user, "us": now(), "data": content})
        return [({"type": "chat-sent"}, None)]

    def do_fetch(self, wire, user, obj, content):
        waiting = self.packets.get(user, [])
        limit = obj.get("limit", len(waiting))
        rows = [({name: it for name, it in one.items() if name != "data"} | {"length": len(one["data"])}, one["data"])
                for one in waiting[:limit]]
        return [*rows, ({"type": "chat-end", "more": len(waiting) > limit}, None)]

    def do_done(self, wire, user, obj, content):
        self.packets[user] = [one for one in self.packets.get(user, []) if one["id"] not in obj["ids"]]
        return [({"type": "chat-done"}, None)]

    def do_chat_wait(self, wire, user, obj, content):
        return [({"type": "chat-news", "waiting": len(self.packets.get(user, []))}, None)]

    def do_presence(self, wire, user, obj, content):
        if obj.get("name") not in self.users:
            raise Fault("no-user", "no such user")
        return [({"type": "chat-presence", "present": False}, None)]

    POST = {"chat-offer": do_offer, "chat-offers": do_offers, "chat-withdraw": do_withdraw, "chat-take": do_take,
            "chat-send": do_packet, "chat-fetch": do_fetch, "chat-done": do_done, "chat-wait": do_chat_wait,
            "chat-presence": do_presence}


