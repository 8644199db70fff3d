#!/usr/bin/python3
"""An independent peer of file transfer, both wires, as client and as server: see ft_wire.py.

  ft_peer.py --key-file F read|write NAME HOST:PORT none|aes128|aes256|noise FILE [--force] [--resume]
      prints {"size": BYTES, "from": OFFSET}, and ends with the exit code that our client would have
  ft_peer.py --key-file F serve DIR [--once]
      tells `Listening on 127.0.0.1:PORT`, then a line of JSON for each connection that is over

--dribble sends each byte in a write of its own, --piece N has N bytes in a record or a chunk.
"""
import argparse, hashlib, hmac, json, os, socket, sys, threading
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from enhanced_wire import Broken, Unverified, Wire
import ft_wire as wires
from ft_wire import DATA, END, HOLE, OBJECT, Founding, Noise, Refused, proof_of, psk_of


# --- files ---

def runs(file, offset, piece):
    """(bytes, None) or (None, how many zeros) from here to the end."""
    size = file.seek(0, os.SEEK_END)
    while offset < size:
        try:
            data = os.lseek(file.fileno(), offset, os.SEEK_DATA)
        except OSError:
            data = size
        if data > offset:
            yield None, data - offset
            offset = data
            continue
        end = os.lseek(file.fileno(), offset, os.SEEK_HOLE)
        while offset < end:
            chunk = os.pread(file.fileno(), min(piece, end - offset), offset)
            if not chunk:
                return
            yield chunk, None
            offset += len(chunk)


def size_of(file):
    return os.fstat(file.fileno()).st_size


# --- the noise wire's transfers, of whichever side ---

def send_all(wire, file, offset, piece=wires.PIECE):
    for data, zeros in runs(file, offset, piece):
        wire.say(HOLE, zeros) if data is None else wire.say(DATA, data)
    wire.say(END, size_of(file))


def take_all(wire, file, offset):
    """Behind this offset, until the end; the size."""
    file.truncate(offset)
    file.seek(offset)
    while True:
        kind, body = wire.hear()
        if kind == DATA:
            file.write(body)
        elif kind == HOLE:
            file.seek(body, os.SEEK_CUR)
        elif kind == END:
            file.truncate()
            if file.tell() != body:
                raise Broken(f"an end at {file.tell()}, which says {body}")
            file.flush()
            os.fsync(file.fileno())
            return body
        else:
            raise Broken(f"an object between data: {body}")


def offer(file):
    """What the one who takes says of what it holds, and the key."""
    key = os.urandom(32)
    return {"held": size_of(file), "key": key.hex()}, key


def answer(file, asked):
    """(offset, what the one who sends says to it)"""
    check = proof_of(file, asked["held"], bytes.fromhex(asked["key"]))
    if check is None:
        return 0, {"offset": 0}
    return asked["held"], {"offset": asked["held"], "check": check.hex()}


def judge(file, key, said):
    """Where the one who takes wants it to begin."""
    if said["offset"] == 0:
        return 0
    check = bytes.fromhex(said["check"])
    if said["offset"] != size_of(file) or len(check) != 32:
        raise Broken(f"no such offset: {said}")
    return said["offset"] if hmac.compare_digest(proof_of(file, said["offset"], key), check) else 0


# --- the client ---

class Client:
    def __init__(self, sock, args, secret):
        self.args, self.secret = args, secret
        self.sock, self.options = sock, {"dribble": args.dribble}

    def noise(self, verb):
        wire = Noise(self.sock, **self.options).open(self.secret)
        return self.write(wire) if verb == "write" else self.read(wire)

    def write(self, wire):
        request = {"type": "write", "name": self.args.name}
        with open(self.args.file, "rb") as file:
            request["size"] = size_of(file)
            request |= {word: True for word in ("force", "resume") if getattr(self.args, word)}
            if self.args.eager:
                return self.write_eagerly(wire, request, file)
            wire.say(OBJECT, request)
            ready, offset = wire.expect(OBJECT, "ready"), 0
            if "held" in ready:
                offset, said = answer(file, ready)
                wire.say(OBJECT, {"type": "from", **said})
                go = wire.expect(OBJECT, "go")
                if go["offset"] not in (0, offset):
                    raise Broken(f"it wants another offset than {offset}: {go}")
                offset = go["offset"]
            send_all(wire, file, offset, self.args.piece or wires.PIECE)
            done = wire.expect(OBJECT, "done")
            if done["size"] != request["size"]:
                raise Broken(f"{request['size']} bytes became {done}")
            return done["size"], offset

    def write_eagerly(self, wire, request, file):
        """All in one write, without waiting for `ready`, with data of no bytes between."""
        with wire.together():
            wire.say(OBJECT, request)
            wire.say(DATA)
            send_all(wire, file, 0, self.args.piece or wires.PIECE)
        wire.expect(OBJECT, "ready")
        return wire.expect(OBJECT, "done")["size"], 0

    def read(self, wire):
        request, key, offset = {"type": "read", "name": self.args.name}, None, 0
        resumes = self.args.resume and os.path.exists(self.args.file)
        with open(self.args.file, "r+b" if resumes else "xb") as file:
            if resumes:
                held, key = offer(file)
                request |= held
            wire.say(OBJECT, request)
            ready = wire.expect(OBJECT, "ready")
            if key:
                offset = judge(file, key, ready)
                wire.say(OBJECT, {"type": "go", "offset": offset})
            size = take_all(wire, file, offset)
            if size != ready.get("size", size):
                raise Broken(f"{size} bytes, and {ready} was told")
            wire.say(OBJECT, {"type": "done", "size": size})
            return size, offset

    # --- the founding wire ---

    def founding(self, verb):
        wire = Founding(Wire(self.sock, **self.options))
        iv = os.urandom(16)
        wire.say(wires.HELLO, bytes([list(wires.CIPHERS).index(self.args.cipher)]) + iv)
        wire.use(self.args.cipher, self.secret, iv)
        if wire.out:
            number = self.challenge(wire)
            wire.nonce((number + 1) % (1 << 128))
        self.confirmed(wire)
        name = self.args.name.encode()
        wire.say(wires.READ_FILE if verb == "read" else wires.WRITE_FILE, name)
        self.confirmed(wire)
        return self.founding_write(wire) if verb == "write" else self.founding_read(wire)

    def challenge(self, wire):
        """The server's number. A server that refuses the cipher says so in its place, in the clear."""
        start = wire.wire.need(17)
        if wires.HEAD.unpack(start[:16]) == (wires.CONFIRM, 1) and start[16] == 0:
            raise Refused(77, "the server does not allow this cipher")
        wire.wire.buffer[:0] = start
        number = wire.hear_nonce()
        if number is None:
            raise Refused(77, "the challenge is of another key")
        return max(number, 0)

    def confirmed(self, wire):
        if wire.hear(wires.CONFIRM)[1] != b"\1":
            raise Refused(77, "the server does not confirm")

    def founding_write(self, wire):
        total = hashlib.md5()
        with open(self.args.file, "rb") as file:
            while chunk := file.read(self.args.piece or wires.CHUNK):
                total.update(chunk)
                wire.say(wires.WRITE_FILE, chunk)
            wire.say(wires.EOF, total.digest())
            self.confirmed(wire)
            return file.tell(), 0

    def founding_read(self, wire):
        with open(self.args.file, "xb") as file:
            return take_founding(wire, file), 0


def take_founding(wire, file):
    total = hashlib.md5()
    while True:
        kind, payload = wire.hear(wires.WRITE_FILE, wires.EOF)
        if kind == wires.EOF:
            if payload != total.digest():
                raise Unverified("the checksum is another one")
            return file.tell()
        total.update(payload)
        file.write(payload)


def client(args, secret):
    host, _, port = args.target.rpartition(":")
    with socket.create_connection((host, int(port)), 20) as sock:
        one = Client(sock, args, secret)
        try:
            size, offset = one.noise(args.verb) if args.cipher == "noise" else one.founding(args.verb)
        except Refused as error:
            print(error, file=sys.stderr)
            return error.code
        except (Broken, Unverified) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 76
    print(json.dumps({"size": size, "from": offset}))
    return 0


# --- the server ---

class Server:
    """One connection after the other, in threads. secret: what both sides know."""

    def __init__(self, folder, secret, log=lambda event: None, **options):
        self.folder, self.secret, self.log, self.options = Path(folder), secret, log, options
        self.salt = os.urandom(wires.SALT)
        self.psk = psk_of(secret, self.salt)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]

    def serve(self):
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self.session, args=(sock,), daemon=True).start()

    def session(self, sock):
        event = {}
        try:
            with sock:
                sock.settimeout(20)
                first = sock.recv(1, socket.MSG_PEEK)
                if first == wires.PREFACE[:1]:
                    event |= self.noise(Noise(sock, **self.options).accept(self.salt, self.psk))
                elif first:
                    event |= self.founding(Founding(Wire(sock, **self.options)))
        except (Broken, Unverified, OSError, Refused) as error:
            event["error"] = f"{type(error).__name__}: {error}"
        self.log(event)

    def path(self, name):
        if not isinstance(name, str) or not name or "/" in name or name[0] == "." or len(name.encode()) > 200:
            raise Fault("rejected", "no such name")
        return self.folder / name

    def noise(self, wire):
        request = wire.expect(OBJECT)
        event = {"verb": request.get("type"), "name": request.get("name"), "cipher": "noise"}
        try:
            act = {"read": self.read, "write": self.write}[request["type"]]
            size, offset = act(wire, request, self.path(request["name"]))
        except Fault as fault:
            wire.say(OBJECT, {"type": "error", "code": fault.code, "text": str(fault)})
            return event | {"error": str(fault)}
        return event | {"size": size, "from": offset}

    def read(self, wire, request, path):
        if not path.is_file():
            raise Fault("no-input", "there is no such file")
        with path.open("rb") as file:
            ready, offset = {"type": "ready", "size": size_of(file)}, 0
            if "held" in request:
                offset, said = answer(file, request)
                ready |= said
            wire.say(OBJECT, ready)
            if "held" in request:
                offset = min(offset, wire.expect(OBJECT, "go")["offset"])
            send_all(wire, file, offset)
            if wire.expect(OBJECT, "done")["size"] != ready["size"]:
                raise Broken("another size is done")
            return ready["size"], offset

    def write(self, wire, request, path):
        if path.exists() and not request.get("force"):
            raise Fault("exists", "there is such a file")
        part, offset = path.with_name(f".{path.name}.part"), 0
        goes_on = request.get("resume") and part.exists() and part.stat().st_size > 0
        with part.open("r+b" if goes_on else "wb") as file:
            ready, key = offer(file) if goes_on else ({}, None)
            wire.say(OBJECT, {"type": "ready", **ready})
            if goes_on:
                offset = judge(file, key, wire.expect(OBJECT, "from"))
                wire.say(OBJECT, {"type": "go", "offset": offset})
            size = take_all(wire, file, offset)
            if size != request.get("size", size):
                raise Broken(f"{size} bytes, and {request['size']} were announced")
        part.rename(path)
        wire.say(OBJECT, {"type": "done", "size": size})
        return size, offset

    # --- the founding wire ---

    def founding(self, wire):
        _, hello = wire.hear(wires.HELLO)
        if len(hello) != 17 or hello[0] > 2:
            raise Broken(f"no such hello: {hello.hex()}")
        cipher = list(wires.CIPHERS)[hello[0]]
        wire.use(cipher, self.secret, hello[1:])
        if wire.out and not self.challenged(wire):
            return {"cipher": cipher, "error": "a wrong answer"}
        wire.say(wires.CONFIRM, b"\1")
        kind, name = wire.hear(wires.READ_FILE, wires.WRITE_FILE)
        reads = kind == wires.READ_FILE
        event = {"cipher": cipher, "verb": "read" if reads else "write", "name": name.decode()}
        try:
            act = self.founding_read if reads else self.founding_write
            return event | {"size": act(wire, self.path(name.decode())), "from": 0}
        except Fault as fault:
            wire.fail(fault.code, str(fault))
            return event | {"error": str(fault)}

    def challenged(self, wire):
        number = int.from_bytes(os.urandom(16), "big")
        wire.nonce(number)
        said = wire.hear_nonce()
        if said is not None and said != (number + 1) % (1 << 128):
            wire.say(wires.CONFIRM, b"\0")
        return said == (number + 1) % (1 << 128)

    def founding_read(self, wire, path):
        if not path.is_file():
            raise Fault("no-input", "there is no such file")
        wire.say(wires.CONFIRM, b"\1")
        data = path.read_bytes()
        for at in range(0, len(data), wires.CHUNK):
            wire.say(wires.WRITE_FILE, data[at:at + wires.CHUNK])
        wire.say(wires.EOF, hashlib.md5(data).digest())
        return len(data)

    def founding_write(self, wire, path):
        if path.exists():
            raise Fault("exists", "there is such a file")
        wire.say(wires.CONFIRM, b"\1")
        part = path.with_name(f".{path.name}.part")
        with part.open("wb") as file:
            size = take_founding(wire, file)
        part.rename(path)
        wire.say(wires.CONFIRM, b"\1")
        return size


class Fault(Exception):
    """What a server answers with."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def serve(args, secret):
    def log(event):
        print(json.dumps(event), flush=True)
        told.release()

    told = threading.Semaphore(0)
    server = Server(args.folder, secret, log, dribble=args.dribble)
    print(f"Listening on 127.0.0.1:{server.port}", flush=True)
    if not args.once:
        server.serve()
    threading.Thread(target=server.serve, daemon=True).start()
    told.acquire()
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key-file")
    parser.add_argument("--dribble", action="store_true")
    parser.add_argument("--piece", type=int)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("read", "write"):
        words = verbs.add_parser(verb)
        for name in ("name", "target", "cipher", "file"):
            words.add_argument(name)
        words.add_argument("--force", action="store_true")
        words.add_argument("--resume", action="store_true")
        words.add_argument("--eager", action="store_true", help="do not wait for `ready`")
    words = verbs.add_parser("serve")
    words.add_argument("folder")
    words.add_argument("--once", action="store_true")
    args = parser.parse_args()
    secret = Path(args.key_file).read_bytes().removesuffix(b"\n") if args.key_file else b""
    sys.exit(serve(args, secret) if args.verb == "serve" else client(args, secret))


if __name__ == "__main__":
    main()
