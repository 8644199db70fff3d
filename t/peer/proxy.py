#!/usr/bin/python3
"""A man in the middle for the enhanced wire, on loopback. It knows the framing (the opening's 8 bytes,
then a length of 2 bytes ahead of each message) and no key.

  proxy.py [--record FILE] HOST:PORT [RULE...]  between clients and that server
  proxy.py --answer FILE                        a server that has only what FILE recorded of one
  proxy.py --play FILE HOST:PORT                a client that has only what FILE recorded of one;
                                                prints what came back, in hexadecimal

The first two tell `Listening on 127.0.0.1:PORT`, then a line of JSON for each connection that is over,
and serve until they are killed. FILE holds one connection: {"c": [MESSAGE...], "s": [MESSAGE...]}, each
message in hexadecimal as it came, its length ahead of it.

A RULE is SIDE:NUMBER:ACTION[=ARGUMENT]. SIDE is who says it, c or s. NUMBER counts what that side says:
c:0 is the opening, c:1 message 1, c:2 message 3, c:3 the first record; s:0 is message 2, s:1 the first
record; * is each. A client that does not speak the enhanced protocol is let through, unframed, by the
piece. Bytes of a message count from its length on; what counts from the end is negative.

    flip[=BYTE|each]   another lowest bit in that byte (the middle one); each: byte N of connection N
    drop               does not arrive
    double             arrives twice
    swap               arrives behind the next of its side
    repeat=NUMBER      an earlier one of its side arrives in its place
    replace=HEX        these bytes in its place
    clip=N             without its last N bytes, with a length that fits
    truncate[=N]       its first N bytes (half of it), and then as fin
    fin, rst           the connection ends ahead of it, both sides
    reflect            goes back to who said it, and not on
    inject=TEXT        bytes ahead of it; TEXT, or hex:HEX
    delay=SECONDS      later
    dribble            byte by byte
"""
import argparse, json, select, socket, struct, sys, threading, time
from pathlib import Path

OPENING = b"SMTP361\x02"
LIMIT = 20  # seconds in which nothing moves: then the connection is dropped


class Rule:
    def __init__(self, text):
        side, number, action = text.split(":", 2)
        self.text, self.side = text, side
        self.number = None if number == "*" else int(number)
        self.name, _, argument = action.partition("=")
        self.argument = argument or None
        if side not in ("c", "s") or self.name not in ACTIONS:
            raise ValueError(f"no such rule: {text}")

    def fits(self, side, number):
        return side == self.side and self.number in (None, number)


class Half:
    """What one side says: `source` is its socket, `sink` the other's. came and went are the messages
    as they arrived here and as they left; buffer holds what came behind the last whole one, or behind
    a cut."""

    def __init__(self, link, side, source, sink):
        self.link, self.side, self.source, self.sink = link, side, source, sink
        self.buffer, self.came, self.went = bytearray(), [], []
        self.framed, self.over, self.held = None, False, None

    def read(self):
        """One read of the socket, and all messages that are whole by now."""
        try:
            data = self.source.recv(1 << 18)
        except ConnectionError:
            self.link.cut(rst=True)
            return
        self.buffer += data
        self.over = not data
        while not self.link.ended and (message := self.take()):
            self.came.append(message)
            self.pass_on(len(self.came) - 1, message)
        if self.over and not self.link.ended:
            if self.buffer:
                self.put(bytes(self.buffer))
            self.link.quietly(lambda: self.sink.shutdown(socket.SHUT_WR))

    def take(self):
        """The next whole message, or None."""
        if self.framed is None and self.side == "c" and len(self.buffer) >= len(OPENING):
            self.framed = self.link.back.framed = self.buffer.startswith(OPENING)
            if self.framed:
                return self.cut_off(len(OPENING))
        if self.framed is False and self.buffer:
            return self.cut_off(len(self.buffer))
        if not self.framed or len(self.buffer) < 2:
            return None
        length = 2 + int.from_bytes(self.buffer[:2], "big")
        return self.cut_off(length) if len(self.buffer) >= length else None

    def cut_off(self, count):
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def pass_on(self, number, message):
        held, self.held = self.held, None
        for rule in self.link.rules:
            if rule.fits(self.side, number):
                ACTIONS[rule.name](self, message, rule.argument)
                break
        else:
            self.put(message)
        if held is not None:
            self.put(held)

    def drain(self):
        while data := self.source.recv(1 << 16):
            self.buffer += data

    def put(self, data, back=False):
        if self.link.ended:
            return
        self.went += [] if back else [data]
        self.link.quietly(lambda: (self.source if back else self.sink).sendall(data))

    # --- the rules ---

    def flip(self, message, argument):
        at = self.link.number - 1 if argument == "each" else int(argument or 0)
        at = at % len(message) if argument else 2 + (len(message) - 2) // 2
        self.put(message[:at] + bytes([message[at] ^ 1]) + message[at + 1:])

    def drop(self, message, argument):
        pass

    def double(self, message, argument):
        self.put(message)
        self.put(message)

    def swap(self, message, argument):
        self.held = message

    def repeat(self, message, argument):
        self.put(self.came[int(argument)])

    def replace(self, message, argument):
        self.put(bytes.fromhex(argument))

    def clip(self, message, argument):
        body = message[2:-int(argument)]
        self.put(len(body).to_bytes(2, "big") + body)

    def truncate(self, message, argument):
        self.put(message[:int(argument) if argument else len(message) // 2])
        self.link.cut()

    def fin(self, message, argument):
        self.link.cut()

    def rst(self, message, argument):
        self.link.cut(rst=True)

    def reflect(self, message, argument):
        self.put(message, back=True)

    def inject(self, message, argument):
        raw = argument.startswith("hex:")
        self.put(bytes.fromhex(argument[4:]) if raw else argument.encode())
        self.put(message)

    def delay(self, message, argument):
        time.sleep(float(argument))
        self.put(message)

    def dribble(self, message, argument):
        for at in range(len(message)):
            self.put(message[at:at + 1])


ACTIONS = {name: getattr(Half, name) for name in (
    "flip", "drop", "double", "swap", "repeat", "replace", "clip", "truncate", "fin", "rst", "reflect",
    "inject", "delay", "dribble")}


class Link:
    """One connection, from the accept to the end, in one thread: a socket that no other thread waits
    for is closed, or reset, at once."""
    half = Half

    def __init__(self, number, rules, client, target):
        self.number, self.rules, self.ended = number, rules, None
        self.sockets = [client]
        try:
            server = socket.create_connection(target, LIMIT)
        except OSError:
            client.close()
            self.ended = "unreachable"
            server = client
        self.sockets = [client, server]
        for sock in self.sockets if not self.ended else []:
            sock.settimeout(LIMIT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.there, self.back = self.half(self, "c", client, server), self.half(self, "s", server, client)

    def run(self):
        halves = {self.there.source: self.there, self.back.source: self.back}
        while not self.ended and (open_ones := [s for s, half in halves.items() if not half.over]):
            ready = select.select(open_ones, [], [], LIMIT)[0]
            for sock in ready:
                if not self.ended:
                    halves[sock].read()
            if not ready:
                self.ended = "nothing moved"
        for sock in self.sockets:
            sock.close()
        self.ended = self.ended or "eof"
        return self

    def quietly(self, action):
        """A peer that is gone already is no event: its silence is read next."""
        try:
            action()
        except OSError:
            pass

    def cut(self, rst=False):
        """End both sides. A FIN must not become a RST: what still comes is read and dropped."""
        self.ended = "rst" if rst else "fin"
        for sock in self.sockets:
            if rst:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
            else:
                self.quietly(lambda: sock.shutdown(socket.SHUT_WR))
        for sock in [] if rst else self.sockets:
            sock.settimeout(3)
            half = self.there if sock is self.there.source else self.back
            self.quietly(lambda: half.drain())

    def record(self):
        return {"c": [one.hex() for one in self.there.came], "s": [one.hex() for one in self.back.came]}

    def report(self):
        return {"connection": self.number, "ended": self.ended, "framed": self.there.framed,
                "c": [len(one) for one in self.there.came], "s": [len(one) for one in self.back.came]}


class Proxy:
    """with Proxy((host, port), ["s:1:drop"]) as proxy: connect to proxy.port. `links` has every
    connection, which is a link of that class."""

    def __init__(self, target, rules=(), done=None, link=Link):
        self.target, self.done, self.link = target, done, link
        self.rules = [Rule(text) for text in rules]
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.links, self.threads = [], []

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.session, args=(client,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def session(self, client):
        link = self.link(len(self.links) + 1, self.rules, client, self.target)
        self.links.append(link)
        link.run()
        if self.done:
            self.done(link)

    def __enter__(self):
        self.server = threading.Thread(target=self.serve, daemon=True)
        self.server.start()
        return self

    def __exit__(self, *_):
        """Everything that has connected until now is let finish."""
        self.listener.shutdown(socket.SHUT_RDWR)  # accept returns
        self.server.join()
        self.listener.close()
        for thread in self.threads:
            thread.join(LIMIT)


def listen_and_tell():
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"Listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    return listener


def answer_once(sock, messages):
    """All that the recorded server said, as soon as the client has begun. What the client said."""
    heard = bytearray()
    with sock:
        sock.settimeout(LIMIT)
        try:
            while len(heard) < len(OPENING) + 50 and (data := sock.recv(1 << 16)):
                heard += data
            sock.sendall(b"".join(messages))
            sock.shutdown(socket.SHUT_WR)
            while data := sock.recv(1 << 16):
                heard += data
        except OSError:
            pass
    return bytes(heard)


def play(target, messages, timeout=5):
    """Say all that the recorded client said; what came back until the close. None: it stays open."""
    heard = bytearray()
    with socket.create_connection(target, timeout) as sock:
        try:
            sock.sendall(b"".join(messages))
            while data := sock.recv(1 << 16):
                heard += data
        except ConnectionError:
            pass
        except TimeoutError:
            return None
    return bytes(heard)


def load(path):
    return {side: [bytes.fromhex(one) for one in messages]
            for side, messages in json.loads(Path(path).read_text()).items()}


def run_proxy(args):
    def done(link):
        if args.record:
            Path(args.record).write_text(json.dumps(link.record()))
        print(json.dumps(link.report()), flush=True)

    host, _, port = args.target.rpartition(":")
    proxy = Proxy((host, int(port)), args.rule, done)
    print(f"Listening on 127.0.0.1:{proxy.port}", flush=True)
    proxy.serve()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", metavar="FILE", help="the last connection's messages")
    parser.add_argument("--answer", metavar="FILE")
    parser.add_argument("--play", metavar="FILE")
    parser.add_argument("target", nargs="?")
    parser.add_argument("rule", nargs="*")
    args = parser.parse_args()
    if args.answer:
        listener = listen_and_tell()
        while True:
            said = answer_once(listener.accept()[0], load(args.answer)["s"])
            print(json.dumps({"bytes": len(said)}), flush=True)
    host, _, port = args.target.rpartition(":")
    if args.play:
        heard = play((host, int(port)), load(args.play)["c"])
        print("open" if heard is None else heard.hex())
        sys.exit(heard is None)
    run_proxy(args)


if __name__ == "__main__":
    main()
