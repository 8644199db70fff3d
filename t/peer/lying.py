"""A server that lies to its members: the directory, chat and mail of enhanced_peer.Server, and what it says instead.

  lies   {type of request, or (type, its name): a function of the honest replies [(object, bytes or None)] that
         gives others}; CLOSE in place of a reply closes
"""
import base64, hashlib, threading

from chat_peer import Post, packet_id
from enhanced_peer import Server
from enhanced_wire import Closed
from members_peer import Directory

CLOSE = object()


def letter_id(sender, ident):
    """Under which a letter is listed."""
    return hashlib.sha256(sender.encode() + b"\0" + bytes.fromhex(ident)).hexdigest()[:32]


class Lying(Directory, Post, Server):
    def __init__(self, keys, users):
        Server.__init__(self, keys, users, log=lambda line: self.heard.append(line))
        Directory.__init__(self)
        Post.__init__(self)
        self.lies, self.heard = {}, []
        threading.Thread(target=self.serve, daemon=True).start()
        self.address = f"127.0.0.1:{self.port}"

    def store(self, user, mine, to, title, content):
        sent = Server.store(self, user, mine, to, title, content)
        mails = [one for name in to for one in self.boxes[name] if one["id"] == sent["id"]]
        for one in mails if mine else []:
            one["id"] = letter_id(user, mine)
        return sent | ({"id": mails[0]["id"]} if mails else {})

    def asked(self, kind):
        """Such requests that came."""
        return [one["request"] for one in self.heard if one["event"] == "request" and one["request"]["type"] == kind]

    def put(self, to, sender, packet, **fields):
        """A packet waits, whoever made it."""
        self.packets.setdefault(to, []).append(
            {"type": "chat", "id": packet_id(packet), "from": sender, "us": 1795252056515771, "data": packet} | fields)

    def maybe(self, wire, user, obj, content):
        kind = obj["type"]
        replies = self.HONEST[kind](self, wire, user, obj, content)
        lie = self.lies.get(kind) or self.lies.get((kind, obj.get("name")))
        replies = lie(replies) if lie else replies
        if CLOSE in replies:
            raise Closed("as told")
        return replies

    HONEST = Server.ACTIONS | Directory.DIRECTORY | Post.POST
    ACTIONS = dict.fromkeys(HONEST, maybe)


def b64(data):
    return base64.b64encode(data).decode()


def instead(*objects):
    """These in place of the honest ones; an object, its bytes, or (object, bytes)."""
    return lambda replies: [one if isinstance(one, tuple) or one is CLOSE else (one, None) for one in objects]


def changed(**fields):
    """Fields of the first reply; None takes one away."""
    def lie(replies):
        obj = {name: it for name, it in (replies[0][0] | fields).items() if it is not None}
        return [(obj, replies[0][1]), *replies[1:]]
    return lie
