"""An SMTP server, or a client, with the fault of CVE-2011-0411: what was read before TLS stays in the buffer, and
counts as said in TLS.

    smtp_careless.py server CERTIFICATE KEY    prints its port, and takes one session after the other; what users
                                               get goes to careless.USER
    smtp_careless.py client PORT               TLS is required and verified; no login; prints each reply
"""
import base64, socket, ssl, sys
from pathlib import Path

PASSWORDS = {"client1": "password1", "client3": "password3"}


class Lines:
    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def take(self):
        while b"\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r").decode("latin-1")

    def say(self, text):
        self.sock.sendall(text.encode() + b"\r\n")


def serve(lines, context):
    user, to = None, None
    lines.say("220 careless ESMTP")
    while True:
        line = lines.take()
        verb, _, rest = line.partition(" ")
        tls = isinstance(lines.sock, ssl.SSLSocket)
        if verb.upper() == "EHLO":
            lines.say("250-careless\r\n250 " + ("AUTH PLAIN" if tls else "STARTTLS"))
        elif verb.upper() == "STARTTLS":
            lines.say("220 begin")
            lines.sock = context.wrap_socket(lines.sock, server_side=True)
        elif verb.upper() == "AUTH":
            _, name, password = base64.b64decode(rest.split()[1]).decode().split("\0")
            user = name if PASSWORDS.get(name) == password else None
            lines.say("235 welcome" if user else "535 refused")
        elif verb.upper() in ("MAIL", "RCPT"):
            to = rest.partition("<")[2].partition("@")[0]
            lines.say("250 ok" if user else "530 AUTH comes first")
        elif verb.upper() == "DATA" and user:
            lines.say("354 go on")
            text = []
            while (line := lines.take()) != ".":
                text.append(line)
            Path(f"careless.{to}").write_text("\n".join(text), "latin-1")
            lines.say("250 stored")
        elif verb.upper() == "QUIT":
            lines.say("221 goodbye")
            return
        else:
            lines.say("250 ok")


def server(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as door:
        print(door.getsockname()[1], flush=True)
        while True:
            sock, _ = door.accept()
            lines = Lines(sock)
            sock.settimeout(20)
            try:
                serve(lines, context)
            except (EOFError, OSError):
                pass
            lines.sock.close()


def client(port):
    sock = socket.create_connection(("127.0.0.1", int(port)), 20)
    lines = Lines(sock)

    def reply():
        while (line := lines.take())[3:4] == "-":
            pass
        print(line, flush=True)

    reply()
    for text in ("EHLO client", "STARTTLS"):
        lines.say(text)
        reply()
    context = ssl.create_default_context(cafile="server_tls_cert.pem")
    lines.sock = context.wrap_socket(sock, server_hostname="localhost")
    for text in ("EHLO client", "MAIL FROM:<client1@localhost>", "RCPT TO:<client5@localhost>", "DATA",
                 "Subject: lost\r\n\r\nthis is lost\r\n.", "QUIT"):
        lines.say(text)
        reply()


{"server": server, "client": client}[sys.argv[1]](*sys.argv[2:])
