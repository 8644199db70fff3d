"""SMTP as a raw client speaks it, byte by byte, for tests: what is sent is sent as it stands, and every reply is
kept. Also what the store made of it, read by what PROTOCOL.md says of it alone."""
import base64, hashlib, hmac, re, socket, ssl
from pathlib import Path

from verdict import settled


class Gone(Exception):
    """The server closed the connection where a reply was due."""


class Line:
    def __init__(self, address, timeout=15, tls=False, greet=True, source=None):
        """source: an address of this host to come from."""
        host, _, port = address.rpartition(":")
        self.sock = socket.create_connection((host, int(port)), timeout, source and (source, 0))
        self.sock.settimeout(timeout)
        self.buffer = b""
        if tls:
            self.wrap()
        if greet:
            assert self.reply()[0] == 220

    def wrap(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def send(self, data):
        self.sock.sendall(data)

    def raw_line(self):
        while b"\n" not in self.buffer:
            try:
                more = self.sock.recv(65536)
            except (ConnectionError, ssl.SSLEOFError):
                more = b""
            if not more:
                raise Gone(self.buffer)
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        assert line.endswith(b"\r") and b"\r" not in line[:-1], line
        return line[:-1].decode()

    def reply(self):
        """(code, [text, ...])"""
        texts = []
        while True:
            line = self.raw_line()
            assert re.fullmatch(r"[2-5][0-9][0-9][- ].*", line), line
            assert len(line) <= 510 and line.isprintable(), line
            texts.append(line[4:])
            if line[3] == " ":
                return int(line[:3]), texts

    def ask(self, text):
        self.send(text.encode("latin-1") + b"\r\n")
        return self.reply()

    def codes(self, *texts):
        return [self.ask(text)[0] for text in texts]

    def rest(self):
        """Every code until the close."""
        codes = []
        try:
            while True:
                codes.append(self.reply()[0])
        except Gone:
            return codes

    def hello(self):
        code, texts = self.ask("EHLO tester.example")
        assert code == 250
        return {text.split(" ")[0]: text.split(" ")[1:] for text in texts[1:]}

    def starttls(self):
        assert self.ask("STARTTLS")[0] == 220
        self.wrap()

    def cram(self, user, password, change=lambda text: text):
        code, (challenge,) = self.ask("AUTH CRAM-MD5")
        assert code == 334, (code, challenge)
        digest = hmac.new(password.encode(), base64.b64decode(challenge, validate=True), hashlib.md5).hexdigest()
        return self.ask(base64.b64encode(change(f"{user} {digest}").encode()).decode())[0]

    def mail(self, text, sender="a@b.c", to="u1@localhost"):
        """A message, as it stands; the code of each step."""
        codes = self.codes(f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA")
        if codes[-1] == 354:
            self.send(text + b".\r\n")
            codes.append(self.reply()[0])
        return codes

    def close(self):
        self.sock.close()


def files(user, folder="."):
    assert settled(folder)
    return {f.name: f for f in Path(folder, user).glob("*.txt")}


def original(path):
    """(From, Title, the Internet message) of a stored file."""
    head, _, content = path.read_bytes().partition(b"\nContent:\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\n"))
    text = content.decode()
    assert len(text) == int(fields["Content Length"])
    trace, _, text = text.partition("\n")
    assert re.fullmatch(r"Received: from .* by \S+ \(smtp361\) with \S+ id [0-9a-f]{32}; .*", trace), trace
    back = re.sub("[\uf780-\uf7ff]", lambda m: chr(0xdc80 + ord(m[0]) - 0xf780), text)
    return fields["From"], fields["Title"], back.encode("utf-8", "surrogateescape").replace(b"\n", b"\r\n")
