#!/usr/bin/python3
"""Users' files from outside: requests as PROTOCOL.md has them and as no honest client makes them, and
a server that lies to ours.

  files.py client HOST:PORT      the server, and lib.sh's site is the current folder
  files.py removed HOST:PORT     client3 is removed before it has the file
  files.py revoked HOST:PORT     client4 is shut out in the midst of a transfer
  files.py server PROGRAM        our client, against servers that lie
"""
import contextlib, hashlib, os, socket, subprocess, sys, threading
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from enhanced_peer import Client, Server
from enhanced_wire import Broken, Closed, Fault
from verdict import check

BLOCK = 65536


def proof(key, data):
    """As the document has it, of all of the data."""
    tags = b"".join(
        (at // BLOCK).to_bytes(8, "big") + AESGCM(bytes.fromhex(key)).encrypt((at // BLOCK).to_bytes(12, "big"), b"", data[at:at + BLOCK])
        for at in range(0, len(data), BLOCK) if any(data[at:at + BLOCK]))
    return hashlib.sha256(tags + len(data).to_bytes(8, "big")).hexdigest()


@contextlib.contextmanager
def session(address, user):
    host, port = address.rsplit(":", 1)
    with Client(host, int(port), user, ".") as client:
        welcome = client.connect().log_in()
        if welcome["type"] != "welcome":
            raise Broken(f"{user} is not let in: {welcome}")
        yield client


def ask(client, obj, content=None):
    return client.request(obj, content)[0]


def begin(client, name, size, **fields):
    return ask(client, {"type": "file-put", "name": name, "size": size} | fields)


def send(client, data):
    client.send_object({"type": "file-data", "length": len(data)}, data)


def end(client):
    return ask(client, {"type": "file-end"})


def put(client, name, data, **fields):
    reply = begin(client, name, len(data), **fields)
    if reply["type"] == "error":
        return reply
    if data:
        send(client, data)
    return end(client)


def get(client, name, **fields):
    """(head, data)"""
    head = ask(client, {"type": "file-get", "name": name} | fields)
    data = bytearray()
    while head["type"] == "file":
        obj, content = client.recv_reply()
        if obj["type"] != "file-data":
            return head | {"end": obj["type"]}, bytes(data)
        data += content if content is not None else bytes(obj["zeros"])
    return head, bytes(data)


def names(client):
    files = ask(client, {"type": "file-list"})["files"]
    return [one["from"] + "/" + one["name"] + (" part" if one.get("part") else "") for one in files]


def code(reply):
    return reply.get("code", reply["type"])


def closes(client):
    """What the server says before it closes: the codes of its errors."""
    said = []
    with contextlib.suppress(Closed, ConnectionError):
        while True:
            said.append(code(client.recv_reply()[0]))
    return said


# --- an honest client, and one that is not ---

def honest(address):
    with session(address, "client1") as one, session(address, "client2") as two:
        data = os.urandom(200_000)
        stored = put(one, "peer", data, to=["client2", "client2"])
        check("a file of the peer's is stored, and handed over once",
              stored["size"] == len(data) and stored["given"] == [{"to": "client2", "name": "peer"}])
        head, back = get(two, "peer", **{"from": "client1"})
        check("... and comes back to the recipient", back == data and head["end"] == "file-end")
        check("one's own may be named as such", get(one, "peer", **{"from": "client1"})[1] == data)
        key = os.urandom(32).hex()
        head, rest = go_on(one, "peer", 70_000, key)
        check("the server proves the beginning that is held", head["check"] == proof(key, data[:70_000]))
        check("... and goes on behind it", rest == data[70_000:])
        begun = begin(one, "peer2", len(data))
        send(one, data[:100_000])
        stopped = ask(one, {"type": "file-stop"})
        check("a client that gives up is told, and what came is kept",
              begun["type"] == "file-ready" and stopped["type"] == "file-stopped"
              and "client1/peer2 part" in names(one))
        ready = begin(one, "peer2", len(data), resume=True)
        held = ready["held"]
        went = ask(one, {"type": "file-from", "offset": held,
                         "check": proof(ready["key"], data[:held])})
        check("a right proof goes on", held == 100_000 and went["offset"] == held)
        send(one, data[held:])
        check("... to the end", end(one)["size"] == len(data) and get(one, "peer2")[1] == data)
        begin(one, "peer3", 1000)
        send(one, b"x" * 500)
        ask(one, {"type": "file-stop"})
        ready = begin(one, "peer3", 1000, resume=True)
        went = ask(one, {"type": "file-from", "offset": 500, "check": proof(ready["key"], b"y" * 500)})
        send(one, b"y" * 1000)
        check("a wrong one begins anew",
              went["offset"] == 0 and end(one)["type"] == "file-stored"
              and get(one, "peer3")[1] == b"y" * 1000)
        ready = begin(one, "peer3", 1000, resume=True)
        went = ask(one, {"type": "file-from", "offset": 1000, "check": "00" * 32})
        check("a proof that is none replaces nothing", code(went) == "exists")
        for name in "peer", "peer2", "peer3":
            ask(one, {"type": "file-remove", "name": name})
        check("what was removed is gone, and with the recipient it is not",
              names(one) == [] and names(two) == ["client1/peer"])
        ask(two, {"type": "file-remove", "name": "peer", "from": "client1"})


def go_on(client, name, held, key):
    head = ask(client, {"type": "file-get", "name": name, "held": held, "key": key})
    client.send_object({"type": "file-go", "offset": head["offset"]})
    data = bytearray()
    while (got := client.recv_reply())[0]["type"] == "file-data":
        data += got[1] if got[1] is not None else bytes(got[0]["zeros"])
    return head, bytes(data)


BAD_NAMES = ["", ".", "..", "../user_pass.json", "/etc/passwd", "a/b", "client2/x", ".hidden", "a\nb",
             "a\x1b[2J", "a\u202eb", "n" * 201, 7, None]


def bad_names(address):
    before = set(Path(".").rglob("*"))
    with session(address, "client1") as client:
        faults = []
        for name in BAD_NAMES:
            for obj in ({"type": "file-put", "name": name, "size": 1}, {"type": "file-get", "name": name},
                        {"type": "file-remove", "name": name}):
                if code(reply := ask(client, obj)) != "rejected":
                    faults.append(f"{obj}: {reply}")
        check("names that no file can have are rejected, and the session goes on", faults)
        faults = []
        for user in "..", "", "a/b", "CLIENT1", "n" * 33, 7:
            for kind in "file-get", "file-remove":
                reply = ask(client, {"type": kind, "name": "x", "from": user})
                if code(reply) != "rejected":
                    faults.append(f"{kind} from {user!r}: {reply}")
        check("... and so are users that can be none", faults)
        reply = ask(client, {"type": "file-put", "name": "x", "size": 1, "from": "client2"})
        check("nobody puts among another's", code(reply) == "rejected")
        faults = [size for size in (-1, "1", 1.5, None)
                  if code(begin(client, "x", size)) != "rejected"]
        check("sizes that are none are rejected", faults)
        check("more than 100 recipients are rejected",
              code(begin(client, "x", 1, to=[f"u{i}" for i in range(101)])) == "rejected")
        check("an unknown one is told before any data",
              code(begin(client, "x", 1, to=["client2", "nobody"])) == "no-user")
        check("nothing was made", {one for one in set(Path(".").rglob("*")) - before
                                   if ".shelf" not in str(one)} == set() and names(client) == [])


def out_of_step(address):
    with session(address, "client1") as client:
        begin(client, "x", 10)
        send(client, b"0123456789ab")
        early = code(client.recv_reply()[0])
        send(client, b"more")
        client.send_object({"type": "file-end"})
        check("more than was announced is told at once, once, and the session goes on",
              early == "rejected" and names(client) == [])
        begin(client, "x", 10)
        send(client, b"012345678")
        check("less is refused at its end", code(end(client)) == "rejected" and names(client) == [])
        begin(client, "x", 1 << 20)
        send(client, b"0" * 1000)
        client.send_object({"type": "file-end"})
        client.send_object({"type": "file-list"})
        one, two = client.recv_reply()[0], client.recv_reply()[0]
        check("requests may stand behind it", code(one) == "rejected" and two["files"] == [])
    pieces = {"no length": {"type": "file-data"}, "a length of 0": {"type": "file-data", "length": 0},
              "a length above the limit": {"type": "file-data", "length": (1 << 20) + 1},
              "a negative one": {"type": "file-data", "length": -1},
              "bytes and zeros": {"type": "file-data", "length": 1, "zeros": 1},
              "another request": {"type": "inbox"}, "no type": {"x": 1}}
    faults = []
    for what, piece in pieces.items():
        with session(address, "client1") as client:
            begin(client, "y", 10)
            client.send_object(piece)
            if (said := closes(client)) != ["protocol"]:
                faults.append(f"{what}: {said}")
    check("a piece that is none ends the session", faults)
    with session(address, "client1") as client:
        begin(client, "z", 1)
        send(client, b"01")
        client.recv_reply()
        with contextlib.suppress(OSError):
            for _ in range(100):
                send(client, bytes(1 << 20))
        check("data that go on for ever behind a refusal do not", closes(client) == [])
    with session(address, "client1") as client:
        client.send_object({"type": "file-data", "length": 3}, b"abc")
        check("data without a transfer are an unknown request", code(client.recv_reply()[0]) == "unknown")
        ask(client, {"type": "file-remove", "name": "y"})
        check("nothing of all that is a file", names(client) == [])


def removed(address):
    """client3 is no user any more when the file is there."""
    with session(address, "client1") as client:
        begin(client, "late", 8, to=["client2", "client3"])
        send(client, b"late")
        print("under way", flush=True)
        sys.stdin.readline()
        send(client, b"r on")
        print(" ".join(one.get("code", one.get("name")) for one in end(client)["given"]), flush=True)


def revoked(address):
    """Told by a line when the transfer is under way; then it goes on until the server ends it."""
    with session(address, "client4") as client:
        begin(client, "r", 1 << 30)
        print("under way", flush=True)
        sys.stdin.readline()
        with contextlib.suppress(OSError):
            for _ in range(1024):
                send(client, os.urandom(1 << 20))
        print(" ".join(closes(client)), flush=True)


# --- servers that lie ---

class Liar(Server):
    """Answers the requests for files with what it is told, in turn: objects, or (object, bytes)."""

    def __init__(self, answers, **options):
        super().__init__(".", {"client1": None}, log=lambda line: None, **options)
        self.answers = answers

    def lie(self, wire, user, obj, content):
        for answer in self.answers:
            if answer == "wait":
                wire.recv_object()
            elif answer == "close":
                raise Closed("as told")
            else:
                wire.send_object(*(answer if isinstance(answer, tuple) else (answer,)))
        return []

    ACTIONS = Server.ACTIONS | dict.fromkeys(("file-put", "file-get", "file-list", "file-remove"), lie)


def against(program, answers, *command):
    """Our client against such a server: its exit code, and what it said."""
    liar = Liar(answers)
    threading.Thread(target=liar.serve, daemon=True).start()
    done = subprocess.run(
        [program, command[0], "-s", f"127.0.0.1:{liar.port}", "-u", "client1", *command[1:]],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


FILE = {"type": "file", "from": "client1", "name": "f", "size": 4, "us": 0,
        "time": "2026-11-21 09:07:36.000000"}
END = {"type": "file-end"}
STORED = {"type": "file-stored", "name": "up", "size": 4, "us": 1, "given": []}


def piece(data):
    return {"type": "file-data", "length": len(data)}, data


def liars(program):
    Path("lied").mkdir()
    for name in Path(".").glob("*.pem"):
        (Path("lied") / name).write_bytes(name.read_bytes())
        (Path("lied") / name).chmod(0o600)
    os.chdir("lied")
    cases = {
        "it ends too soon": ([FILE, piece(b"abc"), END], 76),
        "it ends without a word": ([FILE, piece(b"abc"), "close"], 75),
        "more comes than announced": ([FILE, piece(b"abcde"), END], 76),
        "more zeros do": ([FILE, {"type": "file-data", "zeros": 1 << 50}, END], 76),
        "a piece is no piece": ([FILE, {"type": "file-data"}, END], 76),
        "the size is none": ([FILE | {"size": -1}, END], 76),
        "it is another answer": ([{"type": "file-stored"}], 76),
        "an error stands in place of a piece":
            ([FILE, piece(b"ab"), {"type": "error", "code": "try-later", "text": "changed"}], 75),
    }
    faults = []
    for what, (answers, want) in cases.items():
        got, said = against(program, answers, "get", "f")
        if got != want or Path("f").exists():
            faults.append(f"{what}: {got}, {said}")
    check("get takes no lie for a file", faults)
    got, said = against(program, [FILE, piece(b"abcd"), END], "get", "f")
    check("... and the truth for one", got == 0 and Path("f").read_bytes() == b"abcd")
    Path(".g.part").write_bytes(b"ab")
    Path(".g.part").chmod(0o600)
    got, said = against(program, [FILE | {"offset": 2, "check": "00" * 32}, "wait", piece(b"abcd"), END],
                        "get", "g", "--resume")
    check("what is held is not believed to be the beginning",
          got == 0 and Path("g").read_bytes() == b"abcd")
    faults = []
    row = {name: it for name, it in FILE.items() if name != "type"}
    for what, bad in {"a path": {"name": "../x"}, "a user that is none": {"from": "../.."},
                      "an escape": {"name": "a\x1bb"}, "a time that is one": {"time": "a\x1b[2J"},
                      "another": {"time": "\u009b2J\u202e21 09:07:36.000000"}}.items():
        got, said = against(program, [{"type": "file-list", "files": [row | bad], "more": False}], "ls")
        if got != 76 or b"\x1b" in said:
            faults.append(f"{what}: {got} {said}")
    check("ls shows no row that is none", faults)
    Path("up").write_bytes(b"abcd")
    ready = {"type": "file-ready"}
    cases = {
        "it holds more than there is": ([ready | {"held": 5, "key": "00" * 32}], 76),
        "it gives no key": ([ready | {"held": 2}], 76),
        "it goes on where it holds nothing":
            ([ready | {"held": 2, "key": "00" * 32}, "wait", {"type": "file-go", "offset": 3}], 76),
        "it says that it is stored, with a path":
            ([ready, "wait", "wait", {"type": "file-stored", "name": "up", "size": 4, "us": 1,
                                      "given": [{"to": "client2", "name": "../x"}]}], 76),
        "it stored something else": ([ready, "wait", "wait", STORED | {"size": 3}], 76),
        "it tells of nobody": ([ready, "wait", "wait", STORED], 76),
        "it tells of others": ([ready, "wait", "wait", STORED | {"given": [{"to": "client3", "name": "up"}]}], 76),
        "it closes": ([ready, "wait", "close"], 75),
        "it has no room": ([ready, "wait", "wait", {"type": "error", "code": "full", "text": "full"}], 75),
    }
    faults = []
    for what, (answers, want) in cases.items():
        got, said = against(program, answers, "put", "up", "--to", "client2", "--no-message")
        if got != want:
            faults.append(f"{what}: {got}, {said}")
    Path("long").write_bytes(bytes(range(256)) * 32768)
    got, said = against(program, [ready, STORED | {"size": 1 << 23}] + ["wait"] * 99, "put", "long")
    if got != 76:
        faults.append(f"it says so ahead of the end: {got}, {said}")
    check("put takes no lie for an acknowledgement", faults)


def main():
    what, where = sys.argv[1:]
    if what == "client":
        honest(where)
        bad_names(where)
        out_of_step(where)
    elif what in ("removed", "revoked"):
        (removed if what == "removed" else revoked)(where)
    else:
        liars(where)


if __name__ == "__main__":
    main()
