#!/usr/bin/python3
"""A stand-in for the founding Python programs, client and server, with their habits.

Written from classic-wire.md alone, "The python dialect"; python_wire.py says how they read.

    python_peer.py client --port P --keys DIR --user U --password-file F ACTION...
        send TO TITLE @FILE|TEXT, list, view N (counted from 0), quit
        Prints each list and e-mail as it came, then a line end; on stderr what was announced.
    python_peer.py server --keys DIR --users FILE.json [--sessions N]
        Prints `Listening on 127.0.0.1:PORT`, then a JSON object for each event.

Exit codes of the client: 0 done, 65 an e-mail was rejected, 66 no such e-mail, 69 cannot connect,
77 login refused. Of the server: 0 each session ended with a quit or a refused login. Of both: 1
something went otherwise; stderr says what.
"""
import argparse, hashlib, json, os, socket, sys, threading
from datetime import datetime
from pathlib import Path

from python_wire import (ASK_INDEX, INVALID, MENU, NO_SUCH_INDEX, NOT_LISTED, SIZE_OK,
                         Broken, Wire, login_hash, pad, rsa)

HEADS = [b"From: ", b"To: ", b"Title: ", b"Content Length: ", b"Content: "]
THIRD = b"Time and Date: "  # stands after To, in what is stored
WORDS = {"send": 3, "list": 0, "view": 1, "quit": 0}  # of each action


def emit(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def show(text):
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()


def text_of(data):
    return data.decode("utf-8", "backslashreplace")


def number(text, what):
    if not text.isdigit():
        raise Broken(f"{what} is no number: {text!r}")
    return int(text)


class Client:
    def __init__(self, wire, args):
        self.wire, self.args = wire, args
        self.user, self.code = os.fsencode(args.user), 0

    def run(self):
        if not self.log_in():
            print("the login was refused: invalid", file=sys.stderr)
            return 77
        self.take_menu()
        for verb, *words in self.args.actions:
            getattr(self, verb)(*words)
        return self.code

    def log_in(self):
        args = self.args
        private, size = rsa(args.keys, f"{args.user}_private.pem")
        public, _ = rsa(args.keys, "server_public.pem")
        login = self.user + b"\n" + Path(args.password_file).read_bytes().removesuffix(b"\n")
        if args.hash != "none":
            login += b"\n" + login_hash(login if args.hash == "good" else login + b"x")
        self.wire.send(public.encrypt(login))
        if (block := self.wire.take_block("the key", size)) == INVALID:
            return False
        try:
            self.wire.use_key(private.decrypt(block))
        except ValueError as error:
            raise Broken(f"no key of 128, 192 or 256 bits: {error}")
        return True

    def take_menu(self):
        """A line ahead of the menu is shown, as a program would that prints what it gets."""
        text = self.wire.take("the menu")
        if not text.endswith(MENU):
            raise Broken(f"not the menu: {text!r}")
        if text != MENU:
            show(text.removesuffix(MENU).removesuffix(b"\n"))
            self.code = 65

    def send(self, to, title, content):
        name = content.removeprefix("@")
        data = os.fsencode(content) if name == content else Path(name).read_bytes()
        lines = [self.user, os.fsencode(to), os.fsencode(title), b"%d" % len(pad(data)), data]
        lines = [head + line for head, line in zip(HEADS, lines)]
        if self.args.lines == "6":
            lines.insert(2, THIRD)
        mail = b"\n".join(lines)
        self.wire.say(b"1", more=True)
        self.wire.say(self.wire.size_of(mail))
        self.wire.expect(SIZE_OK)
        self.wire.say(mail)
        self.take_menu()

    def take_sized(self, what, size, answer):
        size = number(size, f"the size of {what}")
        self.wire.say(answer)
        text = self.wire.take(what, size)
        print(f"{what}: {size} bytes announced, {len(pad(text))} came", file=sys.stderr)
        show(text)

    def list(self):
        self.wire.say(b"2")
        self.take_sized("the list", self.wire.take("the size of the list"), SIZE_OK)
        self.take_menu()

    def view(self, index):
        self.wire.say(b"3")
        if (ask := self.wire.take("the question for the index")) == NOT_LISTED:
            return self.take_error(ask)
        if ask != ASK_INDEX:
            raise Broken(f"not the question for the index: {ask!r}")
        self.wire.say(os.fsencode(index))
        if (size := self.wire.take("the size of the e-mail")) == NO_SUCH_INDEX:
            return self.take_error(size)
        self.take_sized("the e-mail", size, b"OK")
        self.take_menu()

    def take_error(self, text):
        show(text)
        self.wire.say(b"OK")
        self.take_menu()
        self.code = 66

    def quit(self):
        self.wire.say(b"4")
        self.wire.expect_close()


class Server:
    def __init__(self, args):
        self.args = args
        self.users = json.loads(Path(args.users).read_text("utf-8"))
        self.private, self.size = rsa(args.keys, "server_private.pem")
        self.boxes = {name: [] for name in self.users}
        self.lock = threading.Lock()  # of boxes, stdout and failed
        self.failed = False

    def run(self):
        threads = []
        with socket.create_server(("127.0.0.1", self.args.port), backlog=64) as listener:
            print(f"Listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
            for _ in range(self.args.sessions):
                sock, _ = listener.accept()
                threads.append(threading.Thread(target=self.session, args=[sock], daemon=True))
                threads[-1].start()
        for thread in threads:
            thread.join()
        return 1 if self.failed else 0

    def tell(self, **fields):
        with self.lock:
            emit(**fields)

    def session(self, sock):
        why = "ended by an error in this program"
        try:
            with sock:
                why = Session(self, Wire(sock, self.args)).run()
        except (Broken, OSError) as error:
            why = str(error)
        finally:
            with self.lock:
                emit(event="end", why=why)
                if why not in ("quit", "refused"):
                    self.failed = True
                    print(f"session: {why}", file=sys.stderr, flush=True)

    def deliver(self, mail, to, **row):
        """To those of its recipients who are known; the others are dropped without a word."""
        names = [name for name in dict.fromkeys(text_of(to).split(";")) if name in self.boxes]
        with self.lock:
            now = datetime.now().isoformat(" ", "microseconds")
            head, rest = mail
            text = b"\n".join([*head, THIRD + now.encode(), *rest])
            for name in names:
                self.boxes[name].append({"time": now.encode(), "text": text, **row})
        return names


class Session:
    def __init__(self, server, wire):
        self.server, self.wire, self.args = server, wire, server.args
        self.listed = []

    def run(self):
        if not self.log_in():
            return "refused"
        while True:
            self.wire.say(MENU)
            choice = self.wire.take("the choice")
            if choice == b"1":
                self.take_mail()
            elif choice == b"2":
                self.send_list()
            elif choice == b"3":
                self.send_mail()
            else:
                return "quit" if choice == b"4" else f"the choice is {choice!r}"

    def log_in(self):
        try:
            login = self.server.private.decrypt(
                self.wire.take_block("the login", self.server.size)).split(b"\n")
        except ValueError as error:
            raise Broken(f"no login: {error}")
        user, password, *third = map(text_of, login + [b""] * (2 - len(login)))
        hashed = len(third) == 1 and third[0].encode() == login_hash(b"\n".join(login[:2]))
        public = Path(self.args.keys) / f"{user}_public.pem"
        if self.server.users.get(user) != password or (third and not hashed) \
                or not public.is_file():
            self.server.tell(event="login", user=user, lines=len(login), ok=False)
            self.wire.send(INVALID)
            return False
        self.user = user
        key = os.urandom(self.args.key_bits // 8)
        self.wire.use_key(key)
        self.server.tell(event="login", user=user, lines=len(login), ok=True)
        self.wire.send(rsa(self.args.keys, public.name)[0].encrypt(key), more=True)
        return True

    def take_mail(self):
        size = number(self.wire.take("the size of an e-mail"), "the size of an e-mail")
        self.wire.say(SIZE_OK)
        mail = self.wire.take("an e-mail", size)
        sender, to, title, told, content = parts = self.parts_of(mail)
        lines = [head + part for head, part in zip(HEADS, parts)]
        delivered = self.server.deliver((lines[:2], lines[2:]), to, sender=sender, title=title)
        self.server.tell(
            event="mail", sender=text_of(sender), to=text_of(to), title=text_of(title),
            told=text_of(told), bytes=len(content), sha256=hashlib.sha256(content).hexdigest(),
            announced=size, came=len(pad(mail)), delivered=delivered)

    def parts_of(self, mail):
        """The lines of an e-mail, told by position. The founding server does not look whether
        each is what it takes it for; here an e-mail that it would misread is Broken."""
        with_third = [*HEADS[:2], b"", *HEADS[2:]]
        for heads in {"6": [with_third], "5": [HEADS], "any": [with_third, HEADS]}[self.args.lines]:
            lines = mail.split(b"\n", len(heads) - 1)
            if len(lines) == len(heads) and all(map(bytes.startswith, lines, heads)):
                return [line[len(head):] for line, head in zip(lines, heads) if head]
        raise Broken(f"the lines of an e-mail are not where they should be: {mail[:200]!r}")

    def send_sized(self, text, answer):
        self.wire.say(self.wire.size_of(text))
        self.wire.expect(answer)
        self.wire.say(text, more=True)

    def send_list(self):
        with self.server.lock:
            self.listed = list(self.server.boxes[self.user])
        lines = [b"Index  From      DateTime                      Title"]
        for index, mail in enumerate(self.listed, 1):
            lines.append(b"%-5d  %-9s  %s  %s"
                         % (index, mail["sender"], mail["time"], mail["title"]))
        self.server.tell(event="list", user=self.user, rows=len(self.listed))
        self.send_sized(b"\n".join(lines), SIZE_OK)

    def send_mail(self):
        if not self.listed:
            return self.send_error(NOT_LISTED)
        self.wire.say(ASK_INDEX)
        index = self.wire.take("the index")
        if not index.isdigit() or int(index) >= len(self.listed):
            return self.send_error(NO_SUCH_INDEX, index)
        self.server.tell(event="view", user=self.user, index=text_of(index))
        self.send_sized(self.listed[int(index)]["text"], b"OK")

    def send_error(self, error, index=b""):
        self.server.tell(event=text_of(error), user=self.user, index=text_of(index))
        self.wire.say(error)
        self.wire.expect(b"OK")


def parse_actions(parser, words):
    actions = []
    while words:
        end = 1 + WORDS.get(words[0], len(words))
        if end > len(words):
            parser.error(f"no such action, or too few words for it: {words[0]}")
        actions.append(words[:end])
        words = words[end:]
    return actions


def arguments():
    parser = argparse.ArgumentParser(description="A stand-in for the founding Python programs.")
    roles = parser.add_subparsers(dest="role", required=True)
    client, server = roles.add_parser("client"), roles.add_parser("server")
    for role, size in (client, "cipher"), (server, "plain"):
        role.add_argument("--keys", required=True)
        role.add_argument("--timeout", type=float, default=30, help="of each wait, in seconds")
        role.add_argument("--size", choices=["plain", "cipher"], default=size,
                          help="whose length is announced (default: %(default)s)")
        role.add_argument("--split", action="store_true",
                          help="join and cut what recv brings, as no founding program does")
        role.add_argument("--gap", type=float, default=0,
                          help="seconds between two texts of ours that follow each other")
        role.add_argument("--joined", action="store_true", help="such texts go in one write")
    client.add_argument("--host", default="127.0.0.1")
    client.add_argument("--port", type=int, default=12049)
    client.add_argument("--user", required=True)
    client.add_argument("--password-file", required=True)
    client.add_argument("--hash", choices=["good", "bad", "none"], default="none",
                        help="a third line of the login (default: none)")
    client.add_argument("--lines", choices=["5", "6"], default="5",
                        help="6: an e-mail has a line between To and Title")
    client.add_argument("actions", nargs=argparse.REMAINDER, metavar="ACTION",
                        help="send TO TITLE @FILE|TEXT, list, view N or quit")
    server.add_argument("--port", type=int, default=0)
    server.add_argument("--users", required=True)
    server.add_argument("--sessions", type=int, default=1)
    server.add_argument("--key-bits", type=int, choices=[128, 192, 256], default=256)
    server.add_argument("--lines", choices=["5", "6", "any"], default="6",
                        help="of an e-mail: with one between To and Title (default), or without")
    args = parser.parse_args()
    if args.role == "client":
        args.actions = parse_actions(client, args.actions)
    return args


def run_client(args):
    try:
        sock = socket.create_connection((args.host, args.port), timeout=args.timeout)
    except OSError as error:
        print(f"cannot connect to {args.host}:{args.port}: {error}", file=sys.stderr)
        return 69
    with sock:
        try:
            return Client(Wire(sock, args), args).run()
        except (Broken, OSError) as error:
            print(f"client: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    args = arguments()
    sys.exit(run_client(args) if args.role == "client" else Server(args).run())
