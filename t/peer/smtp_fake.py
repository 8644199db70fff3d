"""An SMTP server that says what a test wants it to say, and remembers what it was told.

    fake = Fake({"RCPT": [b"250 ok\r\n", b"550 no\r\n"]}, tls=context)
    fake.port, then fake.end() -> [Session, ...]: what each connection said

A reply is bytes, or CLOSE, RESET or SILENT; a list is one for each time, its last for all that follow; a function
is called with the session and the line, and returns one of these.
"""
import base64, hashlib, hmac, socket, struct, threading

CLOSE, RESET, SILENT = "close", "reset", "silent"
EHLO = b"250-fake\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE 1000000\r\n250%s"
REPLIES = {
    "GREETING": b"220 fake ESMTP\r\n", "HELO": b"250 fake\r\n", "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n", "DATA": b"354 go on\r\n", ".": b"250 2.0.0 taken\r\n", "RSET": b"250 2.0.0 ok\r\n",
    "QUIT": b"221 2.0.0 bye\r\n", "STARTTLS": b"220 2.0.0 go on\r\n", "*": b"501 5.7.0 cancelled\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
}


class Session:
    def __init__(self):
        self.lines, self.data, self.secure = [], [], False
        self.buffer, self.ahead, self.reset = b"", 0, False

    def verbs(self):
        return [line.split(b" ")[0].split(b":")[0].decode("latin-1").upper() for line in self.lines]


class Fake:
    def __init__(self, replies=None, tls=None, at_once=False, offers=("STARTTLS", "AUTH PLAIN LOGIN"), inside=None):
        """offers: the keywords of the EHLO in the clear; inside: of the one in TLS (None: the same, less STARTTLS)."""
        self.replies, self.tls, self.at_once = dict(REPLIES, **(replies or {})), tls, at_once
        self.offers = offers
        self.inside = [o for o in offers if o != "STARTTLS"] if inside is None else inside
        self.sessions, self.turns = [], {}
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def end(self):
        self.stopping.set()
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(30)
        return self.sessions

    def run(self):
        while True:
            try:
                peer = self.server.accept()[0]
            except OSError:
                return
            session = Session()
            self.sessions.append(session)
            peer.settimeout(30)
            try:
                self.serve(peer, session)
            except (OSError, ValueError, IndexError) as error:
                session.error = error
            finally:
                if session.reset:
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()

    # --- what is said ---

    def reply(self, session, verb, line):
        what = self.replies.get(verb, b"502 5.5.1 what?\r\n")
        if verb == "EHLO" and "EHLO" not in self.replies:
            offers = self.inside if session.secure else self.offers
            what = b"250-fake\r\n" + b"".join(b"250-%s\r\n" % o.encode() for o in offers) + b"250 HELP\r\n"
        if isinstance(what, list):
            turn = self.turns[verb] = self.turns.get(verb, -1) + 1
            what = what[min(turn, len(what) - 1)]
        return what(session, line) if callable(what) else what

    def say(self, peer, session, verb, line=b""):
        """-> may it go on?"""
        what = self.reply(session, verb, line)
        if what in (CLOSE, RESET):
            session.reset = what == RESET
            return False
        if what == SILENT:
            while not self.stopping.is_set() and peer.recv(65536):
                pass
            return False
        peer.sendall(what)
        return True

    # --- what is heard ---

    def line(self, peer, session):
        while b"\n" not in session.buffer:
            piece = peer.recv(65536)
            if not piece:
                return None
            session.buffer += piece
        line, session.buffer = session.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise ValueError("a line that does not end in CR LF")
        session.lines.append(line[:-1])
        return line[:-1]

    def text(self, peer, session):
        """A message as it came, dots and all."""
        lines = []
        while True:
            line = self.line(peer, session)
            if line is None:
                return False
            session.lines.pop()
            if line == b".":
                session.data.append(b"".join(one + b"\r\n" for one in lines))
                return True
            lines.append(line)

    def serve(self, peer, session):
        if self.at_once:
            peer = self.tls.wrap_socket(peer, server_side=True)
            session.secure = True
        if not self.say(peer, session, "GREETING"):
            return
        while (line := self.line(peer, session)) is not None:
            verb = session.verbs()[-1]
            if verb == "MAIL":
                session.ahead = max(session.ahead, session.buffer.count(b"\n"))
            if not self.say(peer, session, verb, line) or verb == "QUIT":
                return
            if verb == "STARTTLS" and self.reply(session, verb, line).startswith(b"220"):
                peer, session.secure = self.tls.wrap_socket(peer, server_side=True), True
                session.buffer = b""
            elif verb == "DATA" and self.reply(session, verb, line).startswith(b"354"):
                if not self.text(peer, session) or not self.say(peer, session, "."):
                    return
            elif verb == "AUTH":
                self.turns.pop("AUTH", None)


class Scram:
    """The server's side of SCRAM-SHA-256 for AUTH: a reply for each line. spoil: what it does wrong."""

    def __init__(self, password, spoil="", rounds=4096):
        self.password, self.spoil, self.rounds = password, spoil, rounds

    def challenge(self, text):
        return b"334 " + base64.b64encode(text) + b"\r\n"

    def first(self, session, line):
        bare = base64.b64decode(line.split(b" ")[2])[3:]
        nonce = bare.split(b"r=")[1] + (b"" if self.spoil == "nonce" else b"more")
        self.start = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(b"salt-salt-salt!"), self.rounds)
        self.bare = bare
        return b"235 2.7.0 welcome\r\n" if self.spoil == "early" else self.challenge(self.start)

    def final(self, session, line):
        said = base64.b64decode(line)
        without, proof = said.split(b",p=")
        signed = self.bare + b"," + self.start + b"," + without
        salted = hashlib.pbkdf2_hmac("sha256", self.password, b"salt-salt-salt!", self.rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        stored = hashlib.sha256(key).digest()
        mine = bytes(a ^ b for a, b in zip(key, hmac.digest(stored, signed, "sha256")))
        if base64.b64decode(proof) != mine:
            return b"535 5.7.8 no\r\n"
        if self.spoil == "unproven":
            return b"235 2.7.0 welcome\r\n"
        shown = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        shown = bytes(32) if self.spoil == "signature" else shown
        return self.challenge(b"v=" + base64.b64encode(shown))
