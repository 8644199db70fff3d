#!/usr/bin/python3
"""An independent peer of the classic mail protocol (spec dialect), client and server.

Written from the document alone; `wire` is classic-wire.md, `design` is design.md.

  keys, OAEP, AES-ECB, PKCS#7           wire, "Keys and ciphers"
  where each message ends (class Wire)  design, section 5, second paragraph
  login, menu, steps 1 to 4             wire, "The spec dialect", the table and the menu
  e-mail, stored e-mail, inbox list     wire, "The spec dialect", the three samples
  rejections                            design, section 5, last paragraph

Exit codes of the client: 0 done, 69 cannot connect, 76 protocol break, 77 login refused.
"""
import argparse, codecs, fcntl, hashlib, json, os, re, select
import socket, struct, sys, termios, time
from datetime import datetime
from pathlib import Path

from Cryptodome.Cipher import AES, PKCS1_OAEP
from Cryptodome.PublicKey import RSA

MENU = ("Select the operation:\n"
        "    1) Create and send an email\n"
        "    2) Display the inbox list\n"
        "    3) Display the email contents\n"
        "    4) Terminate the connection\n"
        "choice: ")
INVALID = "Invalid username or password"
SEND = "Send the email"
ASK_INDEX = "the server request email index"
REJECTED = "The message was rejected: "
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}"
SENT = re.compile(r"From: (?P<from>.*)\nTo: (?P<to>.*)\nTitle: (?P<title>.*)\n"
                  r"Content Length: (?P<length>[0-9]{1,18})\nContent:\n")
STORED = re.compile(SENT.pattern.replace("Title",
                    f"Time and Date: (?P<time>{TIME})\\nTitle"), re.ASCII)
HEADER = re.compile(r"Index {2,}From {6,}DateTime {20,}Title")
ROW = re.compile(rf"(\d+) +(\S.*?) +({TIME})(?: +(.*))?", re.ASCII)
QUIET = 1.0  # seconds of silence that end an e-mail shorter than its Content Length says


class Broken(Exception): pass    # the other side did not do what the document says
class Closed(Broken): pass       # it closed where it should have spoken
class Malformed(Broken): pass    # its e-mail is not one; a server rejects it and goes on


def emit(**fields):
    print(json.dumps(fields), flush=True)


def encode(text):
    return text.encode("utf-8", "surrogateescape")


def decode(data):
    """Invalid UTF-8 (from a file, the command line, the wire) survives, one character a byte."""
    return bytes(data).decode("utf-8", "surrogateescape")


def is_utf8(text):
    return not re.search("[\ud800-\udfff]", text)


def padding(length):
    count = 16 - length % 16
    return bytes([count]) * count


def pad_length(block):
    """The number of PKCS#7 bytes that end this block, 0 if they are not valid."""
    count = block[-1]
    return count if 1 <= count <= 16 and block.endswith(bytes([count]) * count) else 0


def load_key(args, name):
    return RSA.import_key((Path(args.keys) / name).read_bytes())


class Wire:
    """A connection. Each AES block is deciphered as it comes; messages are cut out of `plain`."""

    def __init__(self, sock, args):
        self.sock, self.dribble = sock, args.dribble
        self.raw, self.plain, self.aes = bytearray(), bytearray(), None
        self.what = "the login"
        sock.settimeout(args.timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, args.dribble)

    def send(self, data):
        step = 1 if self.dribble else max(len(data), 1)
        for at in range(0, len(data), step):
            self.sock.sendall(data[at:at + step])

    def seal(self, text):
        data = encode(text)
        return self.aes.encrypt(data + padding(len(data)))

    def say(self, text):
        self.check_idle()
        self.send(self.seal(text))

    def check_idle(self):
        """Strict alternation: whoever is about to speak has read all that the other said."""
        left = bytes(self.plain + self.raw)
        if not left and select.select([self.sock], [], [], 0)[0]:
            left = self.sock.recv(64, socket.MSG_PEEK)
        if left:
            raise Broken(f"bytes left over after {self.what}: {left[:64]!r}")

    def reset(self, data):
        """Send data, then close with RST once it has left (what is queued would be lost)."""
        self.send(data)
        end = time.monotonic() + 5
        while time.monotonic() < end and any(fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4))):
            time.sleep(0.01)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def more(self, quiet=None):
        """Wait for more bytes; with quiet, no longer than that after a valid padding."""
        ended = not self.raw and len(self.plain) >= 16 and pad_length(self.plain[-16:])
        if quiet and ended and not select.select([self.sock], [], [], quiet)[0]:
            raise Malformed("the message ended too early")
        so_far = f"{len(self.plain) + len(self.raw)} bytes of it, {bytes(self.plain[-64:])!r}"
        try:
            chunk = self.sock.recv(1 << 18)
        except TimeoutError:
            raise Broken(f"timed out in {self.what} after {so_far}")
        if not chunk:
            raise Closed(f"closed in {self.what} after {so_far}")
        self.raw += chunk
        self.open_raw()

    def open_raw(self):
        if self.aes:
            whole = len(self.raw) // 16 * 16
            self.plain += self.aes.decrypt(bytes(self.raw[:whole]))
            del self.raw[:whole]

    def need(self, count, quiet=None):
        self.open_raw()  # what came together with the key
        while len(self.plain) < count:
            self.more(quiet)

    def read_raw(self, count):
        """Up to count bytes as they are on the wire, fewer if the other side closes."""
        try:
            while len(self.raw) < count:
                self.more()
        except Closed:
            pass
        data = bytes(self.raw[:count])
        del self.raw[:count]
        return data

    def expect(self, text):
        """Exactly this message; a wrong byte is told as soon as it is there."""
        self.what = repr(text[:30])
        want = encode(text) + padding(len(encode(text)))
        while (got := bytes(self.plain[:len(want)])) != want:
            if not want.startswith(got):
                raise Broken(f"expected (with padding) {want!r}, got {got!r}")
            self.more()
        del self.plain[:len(want)]

    def read_text(self, what):
        """A short text: it ends with the first block whose padding is valid. (The document's
        rule; a title with bytes 1 to 16 can end a list too early, and nothing can be done.)"""
        self.what, end, count = what, 0, 0
        while not count:
            end += 16
            self.need(end)
            count = pad_length(self.plain[end - 16:end])
        text = decode(self.plain[:end - count])
        del self.plain[:end]
        if not is_utf8(text):
            raise Broken(f"{what} is not UTF-8: {text!r}")
        return text

    def read_mail(self, head, quiet=None):
        """An e-mail: the header lines, then exactly `Content Length` characters, then padding."""
        self.what = "an e-mail"
        while (at := self.plain.find(b"\nContent:\n") + 10) < 10:
            self.more(quiet)
        match = head.fullmatch(decode(self.plain[:at]))
        if not match:
            raise Malformed("the header's lines are not those of an e-mail")
        mail = match.groupdict()
        mail["length"] = int(mail["length"])
        mail["content"] = self.read_content(at, mail["length"], quiet)
        end = at + len(encode(mail["content"]))
        total = end + len(padding(end))
        self.need(total, quiet)
        if self.plain[end:total] != padding(end):
            raise Malformed("Content Length and the message's end disagree")
        text = decode(self.plain[:end])
        del self.plain[:total]
        return text, mail

    def read_content(self, at, count, quiet):
        """Code points, counted as they come."""
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        pieces, have = [], 0
        while have < count:
            self.need(at + 1, quiet)
            pieces.append(decoder.decode(bytes(self.plain[at:])))
            have, at = have + len(pieces[-1]), len(self.plain)
        return "".join(pieces)[:count]

    def drain(self):
        """Skip the rest of a malformed e-mail: up to a valid padding and silence after it."""
        try:
            while True:
                self.more(QUIET)
        except Malformed:
            self.plain.clear()


class Client:
    def __init__(self, wire, args):
        self.wire, self.args = wire, args

    def run(self):
        if self.args.raw_login is not None:
            return self.raw_login(self.args.raw_login)
        if refusal := self.log_in():
            emit(action="login", ok=False, text=refusal)
            return 77
        self.wire.say("OK")
        self.wire.expect(MENU)
        for action in self.args.actions:
            verb, _, rest = action.partition(":")
            if getattr(self, verb)(rest) == "over":
                return 0
        self.wire.check_idle()
        return 0

    def raw_login(self, source):
        data = Path(source[1:]).read_bytes() if source[:1] == "@" else bytes.fromhex(source)
        got, closed = b"", "eof"
        try:
            self.wire.send(data)
            while chunk := self.wire.sock.recv(65536):
                got += chunk
        except TimeoutError:
            closed = "timeout"
        except ConnectionError:
            closed = "reset"
        emit(action="raw-login", hex=got.hex(), text=got.decode("utf-8", "replace"), closed=closed)
        return 0

    def log_in(self):
        """Steps 1 and 2: the refusal, or None and a key in use."""
        wire, args = self.wire, self.args
        private = load_key(args, f"{args.user}_private.pem")
        public = load_key(args, f"{args.server_name}_public.pem")
        password = Path(args.password_file).read_bytes().removesuffix(b"\n")
        wire.send(PKCS1_OAEP.new(public).encrypt(encode(args.user) + b"\n" + password))
        wire.what = "the key"
        reply = wire.read_raw(private.size_in_bytes())
        if reply == INVALID.encode():
            return INVALID
        try:
            key = PKCS1_OAEP.new(private).decrypt(reply)
        except ValueError as error:
            raise Broken(f"neither a key nor the refusal: {error} {reply!r}")
        if len(key) != 32:
            raise Broken(f"the key has {len(key) * 8} bits, not 256")
        wire.aes = AES.new(key, AES.MODE_ECB)

    def send(self, rest):
        """TO:TITLE:FILE, where the title may hold colons."""
        args, (to, _, rest) = self.args, rest.partition(":")
        title, _, path = rest.rpartition(":")
        content = decode(Path(path).read_bytes())
        length = len(content) if args.content_length is None else args.content_length
        self.wire.say("1")
        self.wire.expect(SEND)
        self.wire.check_idle()
        mail = self.wire.seal(f"From: {args.sender or args.user}\nTo: {to}\nTitle: {title}\n"
                              f"Content Length: {length}\nContent:\n{content}")
        if args.die_after is not None:
            self.wire.reset(mail[:args.die_after])
            emit(action="send", died_after=min(args.die_after, len(mail)))
            return "over"
        self.wire.send(mail)
        emit(action="send", rejected=self.read_verdict())

    def read_verdict(self):
        """The menu, perhaps with a rejection's line ahead of it. The document does not say
        whether that line and the menu are one message or two: both are accepted."""
        self.wire.what = "the menu after an e-mail"
        self.wire.need(16)
        if self.wire.plain[:12] != REJECTED[:12].encode():
            return self.wire.expect(MENU)
        text = self.wire.read_text("the rejection")
        line = text.removesuffix("\n" + MENU)
        if line == text:
            line = text.removesuffix("\n")
            self.wire.expect(MENU)
        if not line.startswith(REJECTED) or "\n" in line:
            raise Broken(f"not a rejection's line before the menu: {text!r}")
        return line.removeprefix(REJECTED)

    def list(self, _):
        self.wire.say("2")
        text = self.wire.read_text("the list")
        emit(action="list", text=text, rows=parse_list(text))
        self.wire.say("OK")
        self.wire.expect(MENU)

    def view(self, index):
        """An e-mail or a line that says why not, told apart by `From: `; then, without any turn
        of the client's, the menu."""
        self.wire.say("3")
        self.wire.expect(ASK_INDEX)
        self.wire.say(index)
        self.wire.what = "the e-mail to view"
        self.wire.need(16)
        if self.wire.plain.startswith(b"From: "):
            text, mail = self.wire.read_mail(STORED)
        else:
            text, mail = self.wire.read_text("the line instead of an e-mail"), None
            if not text.strip() or "\n" in text.removesuffix("\n"):
                raise Broken(f"neither an e-mail nor a line: {text!r}")
        if not is_utf8(text):
            raise Broken(f"the stored e-mail is not UTF-8: {text!r}")
        emit(action="view", index=int(index) if index.isdecimal() else index, text=text, mail=mail)
        self.wire.expect(MENU)

    def quit(self, _):
        self.wire.say("4")
        self.wire.what = "the close"
        if got := self.wire.read_raw(1) or self.wire.plain:
            raise Broken(f"bytes instead of the close: {bytes(got)!r}")
        emit(action="quit")
        return "over"


def parse_list(text):
    """Undetermined, so accepted: a newline at the end or none; for an empty inbox the header or
    nothing; any column at least as wide as the narrower of the sample's header and rows (they
    disagree), and thus any number of spaces before a title (its own are lost)."""
    header, *lines = text.removesuffix("\n").split("\n")
    if text and not HEADER.fullmatch(header):
        raise Broken(f"not the list's header: {header!r}")
    rows = [parse_row(number, line) for number, line in enumerate(lines, 1)]
    if any(one["time"] > two["time"] for one, two in zip(rows, rows[1:])):
        raise Broken(f"the list is not sorted by time: {text!r}")
    return rows


def parse_row(number, line):
    match = ROW.fullmatch(line)
    if not match or match[1] != str(number):
        raise Broken(f"not row {number} of a list: {line!r}")
    if match.start(2) < 7 or match.start(3) < 17 or 0 <= match.start(4) < 45:
        raise Broken(f"a column of row {number} is too narrow: {line!r}")
    return {"index": number, "from": match[2], "time": match[3], "title": match[4] or ""}


def run_client(args):
    try:
        sock = socket.create_connection((args.host, args.port), args.timeout)
    except OSError as error:
        sys.exit(print(f"classic_peer: cannot connect: {error}", file=sys.stderr) or 69)
    with sock:
        wire = Wire(sock, args)
        try:
            sys.exit(Client(wire, args).run())
        except (Broken, ConnectionError, TimeoutError) as error:
            print(f"classic_peer: protocol break: {wire.what}: {error}", file=sys.stderr)
    sys.exit(76)


class Server:
    def __init__(self, args):
        self.args = args
        self.users = json.loads(Path(args.users).read_text("utf-8"))
        self.private = load_key(args, f"{args.server_name}_private.pem")
        self.mails = json.loads(Path(args.preload).read_text("utf-8")) if args.preload else []

    def run(self):
        with socket.create_server(("127.0.0.1", self.args.port)) as listener:
            print("PORT", listener.getsockname()[1], flush=True)
            for _ in range(self.args.sessions):
                sock, _ = listener.accept()
                with sock:
                    end = self.session(Wire(sock, self.args))
                emit(event="end", **end)

    def session(self, wire):
        try:
            return self.talk(wire)
        except Closed as error:
            return {"how": "eof", "why": str(error)}
        except (Broken, ConnectionError, TimeoutError) as error:
            return {"how": "error", "why": f"{wire.what}: {error}"}

    def talk(self, wire):
        user = self.log_in(wire)
        wire.expect("OK")
        if self.args.bad_padding:
            wire.send(wire.aes.encrypt(encode(MENU) + bytes(len(padding(len(MENU))))))
            while True:
                wire.more()
        listed, ahead = [], ""
        while True:
            wire.say(ahead + MENU)
            ahead, choice = "", wire.read_text("the choice")
            if choice == "1":
                ahead = self.take_mail(wire)
            elif choice == "2":
                listed = self.send_list(wire, user)
            elif choice == "3":
                self.send_mail(wire, listed)
            else:
                return {"how": "quit", "choice": choice}

    def log_in(self, wire):
        """Steps 1 and 2: the user, with a key in use."""
        block = wire.read_raw(self.private.size_in_bytes())
        if not block:
            raise Closed("closed before the login")
        user = self.check_login(block)
        if user is None or self.args.invalid:
            wire.send(INVALID.encode())
            raise Broken("refused")
        key = os.urandom(16 if self.args.short_key == "aes" else 32)
        sealed = PKCS1_OAEP.new(load_key(self.args, f"{user}_public.pem")).encrypt(key)
        wire.check_idle()
        if self.args.short_key == "block":
            wire.send(sealed[:len(sealed) // 2])
            raise Broken("closed in the key, as told")
        wire.aes = AES.new(key, AES.MODE_ECB)
        wire.send(sealed)
        return user

    def check_login(self, block):
        try:
            login = PKCS1_OAEP.new(self.private).decrypt(block).decode("utf-8")
        except ValueError:
            return None
        user, newline, password = login.partition("\n")
        return user if newline and self.users.get(user) == password else None

    def take_mail(self, wire):
        """Step 1. Returns what goes ahead of the menu."""
        wire.say(SEND)
        try:
            text, mail = wire.read_mail(SENT, QUIET)
            reason = self.objection(text, mail)
        except Malformed as error:
            wire.drain()
            text, mail, reason = None, None, str(error)
        reason = self.args.reject or reason
        self.report(mail, text is not None and is_utf8(text), reason)
        if self.args.close_before_ack:
            raise Broken("closed before the acknowledgement, as told")
        if reason:
            return f"{REJECTED}{reason}\n"
        self.mails.append(mail | {"time": datetime.now().isoformat(" ", "microseconds")})
        return ""

    def objection(self, text, mail):
        """Undetermined, so accepted: a From that is not the user's, a recipient named twice."""
        if not is_utf8(text):
            return "invalid UTF-8"
        if len(mail["title"]) > 100:
            return "title over 100 characters"
        if mail["length"] > 1_000_000:
            return "content over 1,000,000 characters"
        unknown = [name for name in mail["to"].split(";") if name not in self.users]
        return f"unknown recipient {unknown[0]}" if unknown else None

    def report(self, mail, text_ok, reason):
        """The event; of a malformed e-mail nothing is known, and its fields are null."""
        event = dict.fromkeys(["from", "to", "title", "length", "content_sha256"])
        if mail:
            event |= {name: mail[name] for name in ["from", "to", "title", "length"]}
            event["content_sha256"] = hashlib.sha256(encode(mail["content"])).hexdigest()
        emit(event="mail", **event, text_ok=text_ok, **({"rejected": reason} if reason else {}))

    def send_list(self, wire, user):
        """Step 2, in the bytes of the sample (no newline at the end)."""
        inbox = [mail for mail in self.mails if user in mail["to"].split(";")]
        inbox.sort(key=lambda mail: mail["time"])
        lines = ["Index  From      DateTime                      Title"]
        for number, mail in enumerate(inbox, 1):
            lines.append(f"{number:<5}  {mail['from']:<9}  {mail['time']}  {mail['title']}")
        wire.say("\n".join(lines))
        wire.expect("OK")
        return inbox

    def send_mail(self, wire, listed):
        """Step 3; the menu follows at once."""
        wire.say(ASK_INDEX)
        index = wire.read_text("the index")
        if not re.fullmatch("[0-9]{1,9}", index) or not 1 <= int(index) <= len(listed):
            return wire.say("There is no email with this index in the last list")
        mail = listed[int(index) - 1]
        wire.say(f"From: {mail['from']}\nTo: {mail['to']}\nTime and Date: {mail['time']}\n"
                 f"Title: {mail['title']}\nContent Length: {len(mail['content'])}\n"
                 f"Content:\n{mail['content']}")


def add_options(parser, names, **kind):
    for name in names.split():
        parser.add_argument(f"--{name}", **kind)


def arguments():
    parser = argparse.ArgumentParser(description="A peer of the classic mail protocol.")
    roles = parser.add_subparsers(dest="role", required=True)
    client, server = roles.add_parser("client"), roles.add_parser("server")
    for role in client, server:
        add_options(role, "keys", required=True)
        add_options(role, "server-name", default="server")
        add_options(role, "timeout", type=float, default=30)
        add_options(role, "dribble", action="store_true", help="send byte by byte")
    add_options(client, "host", default="127.0.0.1")
    add_options(client, "port", type=int, default=13000)
    add_options(client, "user password-file raw-login")
    add_options(client, "from", dest="sender")
    add_options(client, "content-length die-after", type=int)
    client.add_argument("actions", nargs="*", metavar="ACTION",
                        help="send:TO:TITLE:FILE, list, view:N or quit")
    add_options(server, "port", type=int, default=0)
    add_options(server, "sessions", type=int, default=1)
    add_options(server, "users", required=True)
    add_options(server, "preload reject")
    add_options(server, "close-before-ack bad-padding invalid", action="store_true")
    add_options(server, "short-key", nargs="?", const="aes", choices=["aes", "block"],
                help="an AES key of 128 bits, or half the RSA block and a close")
    args = parser.parse_args()
    if args.role == "client" and args.raw_login is None and not (args.user and args.password_file):
        parser.error("a client needs --user and --password-file, or --raw-login")
    for action in args.actions if args.role == "client" else []:
        if not re.fullmatch(r"list|quit|view:.*|send:[^:]*:.*:[^:]+", action, re.DOTALL):
            parser.error(f"no such action: {action}")
    return args


if __name__ == "__main__":
    args = arguments()
    if args.role == "client":
        run_client(args)
    Server(args).run()
