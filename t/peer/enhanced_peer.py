#!/usr/bin/python3
"""An independent peer of the enhanced mail protocol, client and server, module and program.

Written from proto/PROTOCOL.md, "The enhanced protocol", alone; keys, handshake and records are
enhanced_wire.py's.

  login, joining (Client.log_in, Server.log_in)  "The login"
  the requests (Server.do_*)                     "Records", each in its paragraph
  codes and exits                                "Errors"

enhanced_peer.py client HOST PORT USER KEYDIR [OPTIONS] ACTION...
  actions: send TO[;TO...] TITLE FILE [ID], inbox [{FIELDS}], read N|ID|last, delete ID,
  wait [SECONDS|{FIELDS}], join SECRET (goes into the login, wherever it stands), bye. Each reply is a line of JSON. The
  first error's code is told on stderr, and the exit code is the document's; 69: cannot connect.
enhanced_peer.py server [OPTIONS] KEYDIR USERS.json
  USERS.json: {"NAME": "password" or null or {"password": "...", "join": "SECRET"}}. It tells the
  port, then a line of JSON for each event, and serves until it is killed.
"""
import argparse, contextlib, hashlib, json, os, re, select
import socket, sys, threading, time
from datetime import datetime
from pathlib import Path

from enhanced_wire import (
    CODES, ENDS, ID, LOGIN, NAME, OPENING, RECORD, ZEROS, Broken, Closed, Fault, Wire, check_reply, dump,
    Unverified, is_count, is_id, is_text, load_private, load_public, parse)


def emit(obj):
    print(dump(obj).decode(), flush=True)


class Client(Wire):
    """keys: a folder, or the pair itself with server_key (the pinned PublicKey)."""

    def __init__(self, host, port, user, keys, server_key=None, **options):
        super().__init__(**options)
        self.address, self.user = (host, port), user
        if not isinstance(keys, (str, Path)):
            self.static, self.pinned = keys, server_key
            return
        self.static = load_private(Path(keys) / f"{user}_x25519_private.pem")
        self.pinned = server_key or load_public(Path(keys) / "server_x25519_public.pem")

    def connect(self):
        self.use(socket.create_connection(self.address, self.timeout))
        return self

    def open(self):
        """The opening and message 1, in one write; then message 2, verified."""
        self.begin(True, self.static, self.pinned)
        with self.together():
            self.write(OPENING)
            self.send_message(self.noise_write())
        self.noise_read(self.recv_message([48]))

    def send_login(self, login):
        """Message 3. login: a dict, which is padded, or bytes as they are to be."""
        if isinstance(login, dict):
            login = dump(login)
            login += b" " * (-len(login) % LOGIN)
        self.send_message(self.noise_write(login))

    def login_of(self, **fields):
        return {"user": self.user} | {name: it for name, it in fields.items() if it is not None}

    def log_in(self, **fields):
        """All up to the first reply, which is `welcome` or an error."""
        self.open()
        self.send_login(self.login_of(**fields))
        return self.recv_reply()[0]

    def recv_reply(self):
        """(object, content or None), of the shape that the document gives it."""
        try:
            obj, content = self.recv_object()
        except Fault as fault:
            raise Broken(str(fault)) from None
        check_reply(obj)
        if obj["type"] == "message" and len((content or b"").decode()) != obj["chars"]:
            raise Broken("the content does not have as many characters as announced")
        return obj, content

    def recv_whole(self):
        """As recv_reply, but the replies of one list are made one."""
        obj, content = self.recv_reply()
        while obj.get("more"):
            following, _ = self.recv_reply()
            if following["type"] != "inbox":
                raise Broken(f"a list is cut off by {following}")
            obj = following | {"messages": obj["messages"] + following["messages"]}
        return obj, content

    def request(self, obj, content=None, chunk=RECORD):
        """(reply, content or None); an error is a reply, too."""
        self.send_object(obj, content, chunk)
        return self.recv_whole()

    def send_mail(self, to, title, content, **fields):
        """The object of a send, for request(*send_mail(...)); fields replace or add."""
        chars = len(content.decode("utf-8", "replace"))
        return {"type": "send", "to": to, "title": title, "chars": chars,
                "length": len(content)} | fields, content


def parse_actions(words):
    """[(verb, [arguments])]; what may be left out is known by its look."""
    words, actions = list(words), []
    counts = {"send": 3, "inbox": 0, "read": 1, "delete": 1, "wait": 0, "join": 1, "bye": 0}
    optional = {"send": ID, "wait": re.compile(r"[0-9]+|\{.*\}"), "inbox": re.compile(r"\{.*\}")}
    while words:
        verb = words.pop(0)
        count = counts.get(verb)
        if count is None or len(words) < count:
            sys.exit(print(f"enhanced_peer: {verb}: no such action, or too few arguments",
                           file=sys.stderr) or 64)
        if verb in optional and len(words) > count and optional[verb].fullmatch(words[count]):
            count += 1
        actions.append((verb, words[:count]))
        del words[:count]
    return actions


def action_object(client, verb, words):
    """The (object, content) that an action sends."""
    if verb == "send":
        given = {"id": words[3]} if len(words) > 3 else {}
        to = words[0].split(";") if words[0] else []
        return client.send_mail(to, words[1], Path(words[2]).read_bytes(), **given)
    if verb == "read":
        return {"type": "read"} | ({"last": True} if words[0] == "last" else
                                   {"id": words[0]} if is_id(words[0]) else
                                   {"index": int(words[0])}), None
    if words and words[0].startswith("{"):
        return {"type": verb} | json.loads(words[0]), None
    fields = {"delete": ["id"], "wait": ["seconds"]}.get(verb, [])
    values = [int(word) if verb == "wait" else word for word in words]
    return {"type": verb} | dict(zip(fields, values)), None


def show(reply, content):
    """Print a reply; its exit code."""
    emit(reply | ({} if content is None else {"content": content.decode()}))
    if reply["type"] != "error":
        return 0
    print(f"enhanced_peer: {reply['code']}: {reply['text']}", file=sys.stderr)
    return CODES[reply["code"]]


def play(client, args):
    actions = parse_actions(args.actions)
    join = next((words[0] for verb, words in actions if verb == "join"), None)
    password = Path(args.password_file).read_text().rstrip("\n") if args.password_file else None
    requests = [action_object(client, *one) for one in actions if one[0] != "join"]
    client.connect().open()
    with client.together() if args.one_write else contextlib.nullcontext():
        client.send_login(client.login_of(password=password, join=join))
        for one in requests if args.one_write else []:
            client.send_object(*one, args.chunk)
    worst = show(*client.recv_reply())
    for one in [] if worst else requests:
        if not args.one_write:
            client.send_object(*one, args.chunk)
        if one[0]["type"] == "wait":  # as long as it may take
            seconds = one[0].get("seconds")
            client.sock.settimeout(None if seconds is None else seconds + args.timeout)
        reply, content = client.recv_whole()
        client.sock.settimeout(args.timeout)
        worst = show(reply, content) or worst
        if reply.get("code") in ENDS:
            break
        if reply["type"] == "bye" and not client.ended():
            raise Broken("bytes behind bye")
    return worst


def run_client(args):
    client = Client(args.host, args.port, args.user, args.keys, dribble=args.dribble,
                    timeout=args.timeout)
    try:
        sys.exit(play(client, args))
    except Broken as error:
        print(f"enhanced_peer: protocol: {error}", file=sys.stderr)
        sys.exit(76)
    except OSError as error:
        print(f"enhanced_peer: unreachable: {error}", file=sys.stderr)
        sys.exit(69)


class Server:
    """Sessions in threads, mailboxes in memory. users is what USERS.json holds. For fixed sessions:
    ephemeral (raw private key), clock (microseconds since 1970) and new_id can be given. fail, cut
    and flip misbehave: {TYPE: CODE}, answer this type of request with an error; {TYPE, ...}, close in
    place of the reply; {TYPE, ...}, change a bit of the reply's tag."""

    def __init__(self, keys, users, port=0, *, ephemeral=None, clock=None, new_id=None, fail=None,
                 cut=(), flip=(), max_chars=64_000_000, page=100, chunk=RECORD, dribble=False,
                 timeout=600, log=emit):
        self.keys, self.users = Path(keys), users
        self.static = load_private(self.keys / "server_x25519_private.pem")
        self.joined, self.boxes, self.ids = {}, {name: [] for name in users}, {}
        self.clock = clock or (lambda: time.time_ns() // 1000)
        self.new_id = new_id or (lambda: os.urandom(16).hex())
        self.fail, self.cut, self.flip = fail or {}, cut, flip
        self.max_chars, self.page, self.chunk, self.log = max_chars, page, chunk, log
        self.options = {"ephemeral": ephemeral, "dribble": dribble, "timeout": timeout}
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]

    def serve(self):
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self.session, args=(sock,), daemon=True).start()

    def session(self, sock):
        """One session, to its end and the close."""
        with Wire(sock, **self.options) as wire:
            try:
                end = self.talk(wire)
            except Closed as error:
                end = {"how": "eof", "why": str(error)}
            except (Broken, OSError) as error:
                end = {"how": "error", "why": str(error)}
            self.linger(sock)
        self.log({"event": "end"} | end)

    def linger(self, sock):
        """What we said last must not be lost because the client still sends."""
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(1)
            while sock.recv(1 << 16):
                pass

    def talk(self, wire):
        try:
            user = self.log_in(wire)
            wire.send_object({"type": "welcome", "max_chars": self.max_chars})
        except Fault as fault:
            wire.send_object({"type": "error", "code": fault.code, "text": fault.text})
            return {"how": fault.code}
        self.log({"event": "login", "user": user, "hash": wire.hash.hex()})
        end = None
        while not end:
            kind = None
            try:
                obj, content = wire.recv_object(4 * self.max_chars)
                kind = obj["type"]
                self.tell(user, obj, content)
                if kind in self.fail:
                    raise Fault(self.fail[kind], "as told")
                if kind not in self.ACTIONS:
                    raise Fault("unknown", f"no such type: {kind}")
                replies = self.ACTIONS[kind](self, wire, user, obj, content)
                end = kind if kind == "bye" else None
            except Fault as fault:
                replies = [({"type": "error", "code": fault.code, "text": fault.text}, None)]
                end = fault.code if fault.ends else None
            if kind in self.cut:
                return {"how": "cut"}
            for reply, data in replies:
                self.answer(wire, reply, data, kind in self.flip)
        return {"how": end}

    def tell(self, user, obj, content):
        told = {"event": "request", "user": user, "request": obj}
        if content is not None:
            told["content_sha256"] = hashlib.sha256(content).hexdigest()
        self.log(told)

    def answer(self, wire, reply, data, flip):
        if flip:
            sealed = wire.out.encrypt_with_ad(b"", dump(reply))
            return wire.send_message(sealed[:-1] + bytes([sealed[-1] ^ 1]))
        wire.send_object(reply, data, self.chunk)

    # --- the login ---

    def log_in(self, wire):
        """The user, with the connection's keys in use."""
        if (opening := wire.need(len(OPENING))) != OPENING:
            raise Broken(f"another opening: {opening!r}")
        wire.begin(False, self.static)
        try:
            wire.noise_read(wire.recv_message([48]))
        except Unverified:
            wire.send_message(os.urandom(48))
            raise
        wire.send_message(wire.noise_write())
        lengths = range(64 + LOGIN, 64 + 16 * LOGIN + 1, LOGIN)
        payload = wire.noise_read(wire.recv_message(lengths))
        end = time.monotonic() + 0.25
        with self.lock:
            user = self.judge(payload, wire.noise.rs.data)
        if isinstance(user, str):
            return user
        time.sleep(max(0, end - time.monotonic()) if user.code == "denied" else 0)
        raise user

    def judge(self, payload, key):
        """The user's name, or the Fault to answer with."""
        denied = Fault("denied", "the login is refused")
        try:
            login = parse(payload)
        except ValueError:
            return denied
        user, given, join = login.get("user"), login.get("password"), login.get("join")
        if not is_text(user) or user not in self.users:
            return denied
        account = self.users[user]
        account = account if isinstance(account, dict) else {"password": account}
        known = self.joined.get(user) or self.registered(user)
        if key != known and not (is_text(join) and join == account.get("join")):
            return denied
        password = account.get("password")
        if password is not None and given is None:
            return Fault("password", "the account asks for a password")
        if password is not None and given != password:
            return denied
        if key != known:
            self.joined[user] = key
            del account["join"]
        return user

    def registered(self, user):
        path = self.keys / f"{user}_x25519_public.pem"
        return load_public(path).data if path.exists() else None

    # --- the requests: each returns [(reply, content or None)] ---

    def do_send(self, wire, user, obj, content):
        to, title, mine = obj.get("to"), obj.get("title"), obj.get("id")
        if not isinstance(to, list) or not 1 <= len(to) <= 1000 or not all(map(is_text, to)):
            raise Fault("rejected", "to is no list of 1 to 1000 names")
        if not is_text(title) or len(title) > 100 or re.search("[\r\n]", title):
            raise Fault("rejected", "title is no line of at most 100 characters")
        if content is None or not is_count(obj.get("chars")) or not (mine is None or is_id(mine)):
            raise Fault("rejected", "length, chars or id is missing or wrong")
        if obj["chars"] > self.max_chars:
            raise Fault("too-large", f"more than {self.max_chars} characters")
        for name in to:
            if name not in self.users:
                raise Fault("no-user", f"no such user: {name}")
        try:
            if len(content.decode()) != obj["chars"]:
                raise Fault("too-large", "length disagrees with chars")
        except UnicodeDecodeError:
            raise Fault("rejected", "the content is not UTF-8") from None
        return [(self.store(user, mine, list(dict.fromkeys(to)), title, content), None)]

    def store(self, user, mine, to, title, content):
        with self.lock:
            if (user, mine) in self.ids:
                return {"type": "sent", "id": self.ids[user, mine], "again": True}
            mail = {"id": self.new_id(), "from": user, "to": to, "us": self.clock(),
                    "title": title, "content": content}
            for name in to:
                self.boxes[name].append(mail)
            if mine:
                self.ids[user, mine] = mail["id"]
        return {"type": "sent", "id": mail["id"]}

    def row(self, index, mail, whole=False):
        """Of a list; whole: the reply to a read, in the document's order."""
        when = datetime.fromtimestamp(mail["us"] // 1_000_000).replace(
            microsecond=mail["us"] % 1_000_000)
        return {**({"type": "message"} if whole else {"index": index}),
                "id": mail["id"], "from": mail["from"],
                **({"to": mail["to"]} if whole else {}),
                "time": when.isoformat(" ", "microseconds"), "us": mail["us"],
                "title": mail["title"], "chars": len(mail["content"].decode()),
                **({"length": len(mail["content"])} if whole else {})}

    def rows_asked(self, user, obj):
        """(the list that obj asks for, what its limit leaves for the next request or None)."""
        box, wait = list(self.boxes[user]), obj["type"] == "wait"
        rows = [self.row(index, mail) for index, mail in enumerate(box, 1)]
        after, since, indexes = (obj.get(name) for name in ("after", "since", "indexes"))
        limit, sender = obj.get("limit"), obj.get("from")
        ways = sum(one is not None for one in (after, since, indexes))
        if ways > 1 or wait and (since or indexes) or indexes is not None and (limit or sender):
            raise Fault("rejected", "fields that do not go together")
        if limit is not None and not (is_count(limit) and 1 <= limit < 1 << 31):
            raise Fault("rejected", "limit is no number from 1")
        if sender is not None and not (is_text(sender) and NAME.fullmatch(sender)):
            raise Fault("rejected", "from is no name")
        if "us" in obj and (since is None or not is_count(obj["us"])):
            raise Fault("rejected", "us is wrong, or there is no since")
        if after is not None:
            rows = rows[self.place(rows, after):]
        elif since is not None:
            rows = self.from_there(rows, since, obj.get("us"))
        elif indexes is not None:
            if not (isinstance(indexes, list) and 1 <= len(indexes) <= 1000 and
                    all(is_count(one) and one > 0 for one in indexes)):
                raise Fault("rejected", "indexes are no 1 to 1000 numbers from 1")
            rows = [row for row in rows if row["index"] in indexes]
        rows = [row for row in rows if sender in (None, row["from"])]
        if limit is None or len(rows) <= limit:
            return rows, None
        if since is not None:
            return rows[:limit], {"since": rows[limit]["id"], "us": rows[limit]["us"]}
        if after is not None or wait:
            return rows[:limit], {"after": rows[limit - 1]["id"]}
        return rows[-limit:], None

    def place(self, rows, ident):
        """How many rows end with this one."""
        if not is_id(ident):
            raise Fault("rejected", "no id")
        if ident == ZEROS:
            return 0
        at = [row["index"] for row in rows if row["id"] == ident]
        if not at:
            raise Fault("no-message", "no such message")
        return at[0]

    def from_there(self, rows, since, us):
        """The rows by (us, id), from this place on."""
        at = self.place(rows, since) if us is None else is_id(since) and us
        if at is False:
            raise Fault("rejected", "since is no id")
        if us is None:
            us = rows[at - 1]["us"] if at else 0
        rows = sorted(rows, key=lambda row: (row["us"], row["id"]))
        return [row for row in rows if (row["us"], row["id"]) >= (us, since)]

    def pages(self, rows, rest=None):
        starts = range(0, max(len(rows), 1), self.page)
        replies = [({"type": "inbox", "messages": rows[at:at + self.page],
                     "more": at + self.page < len(rows)}, None) for at in starts]
        replies[-1][0].update({} if rest is None else {"next": rest})
        return replies

    def do_inbox(self, wire, user, obj, content):
        return self.pages(*self.rows_asked(user, obj))

    def do_wait(self, wire, user, obj, content):
        """What is there already comes before what ends the wait."""
        seconds = obj.get("seconds")
        if seconds is not None and not is_count(seconds):
            raise Fault("rejected", "seconds is no number")
        end = time.monotonic() + (float("inf") if seconds is None else seconds)
        old = set() if "after" in obj else {mail["id"] for mail in self.boxes[user]}
        while True:
            if old:  # what is old is not counted
                rows = [row for row in self.rows_asked(user, obj | {"limit": 1 << 30})[0]
                        if row["id"] not in old]
                rest = None
                if len(rows) > obj.get("limit", len(rows)):
                    rows = rows[:obj["limit"]]
                    rest = {"after": rows[-1]["id"]}
            else:
                rows, rest = self.rows_asked(user, obj)
            spoke = wire.buffer or select.select([wire.sock], [], [], 0)[0]
            if rows or spoke or time.monotonic() >= end:
                return self.pages(rows, rest)
            time.sleep(0.02)

    def do_read(self, wire, user, obj, content):
        given = [name for name in ("id", "index", "last") if name in obj]
        if len(given) != 1:
            raise Fault("rejected", "one of id, index and last is needed")
        box, value = list(self.boxes[user]), obj[given[0]]
        fits = {"id": is_id(value), "index": is_count(value), "last": value is True}
        if not fits[given[0]]:
            raise Fault("rejected", f"{given[0]} is wrong")
        for index, mail in enumerate(box, 1):
            if value == {"id": mail["id"], "index": index, "last": index == len(box)}[given[0]]:
                return [(self.row(index, mail, True), mail["content"])]
        raise Fault("no-message", "no such message")

    def do_delete(self, wire, user, obj, content):
        if not is_id(obj.get("id")):
            raise Fault("rejected", "id is missing or wrong")
        with self.lock:
            rest = [mail for mail in self.boxes[user] if mail["id"] != obj["id"]]
            if len(rest) == len(self.boxes[user]):
                raise Fault("no-message", "no such message")
            self.boxes[user] = rest
        return [({"type": "deleted", "id": obj["id"]}, None)]

    def do_bye(self, wire, user, obj, content):
        return [({"type": "bye"}, None)]

    ACTIONS = {"send": do_send, "inbox": do_inbox, "read": do_read, "delete": do_delete,
               "wait": do_wait, "bye": do_bye}


def run_server(args):
    users = json.loads(Path(args.users).read_text("utf-8"))
    fail = dict(one.split("=", 1) for one in args.fail)
    server = Server(args.keys, users, args.port, fail=fail, cut=args.cut, flip=args.flip,
                    max_chars=args.max_chars, page=args.page, chunk=args.chunk,
                    dribble=args.dribble)
    print(f"Listening on 127.0.0.1:{server.port}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    client = commands.add_parser("client")
    for name in ("host", "port", "user", "keys"):
        client.add_argument(name, type=int if name == "port" else str)
    client.add_argument("actions", nargs="+")
    client.add_argument("--password-file")
    client.add_argument("--one-write", action="store_true",
                        help="the login and all requests in one write")
    client.add_argument("--timeout", type=float, default=20)
    client.set_defaults(run=run_client)
    server = commands.add_parser("server")
    server.add_argument("keys")
    server.add_argument("users")
    server.add_argument("--port", type=int, default=0)
    server.add_argument("--fail", action="append", default=[], metavar="TYPE=CODE",
                        help="answer this type of request with an error")
    server.add_argument("--cut", action="append", default=[], metavar="TYPE",
                        help="close in place of the reply")
    server.add_argument("--flip", action="append", default=[], metavar="TYPE",
                        help="change a bit of the reply's tag")
    server.add_argument("--max-chars", type=int, default=64_000_000)
    server.add_argument("--page", type=int, default=100, help="messages in one reply of a list")
    server.set_defaults(run=run_server)
    for one in (client, server):
        one.add_argument("--dribble", action="store_true", help="write byte by byte")
        one.add_argument("--chunk", type=int, default=RECORD, help="bytes of content in a record")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
