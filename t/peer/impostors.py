#!/usr/bin/python3
"""Attackers of the enhanced protocol who have more than a wire: a recording, another key, stolen keys.

  impostors.py HOST:PORT     the server, which serves the current folder, as lib.sh's site made it

Each check is a threat of the classic protocol and says what became of it: a recording played to the server
and to a client, another server's key, a refusal or a menu in place of an answer, points of low order, and
a capture with both static keys at hand.
"""
import copy, json, os, socket, subprocess, sys, threading
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from dissononce.cipher.aesgcm import AESGCMCipher
from dissononce.dh.x25519.x25519 import X25519DH
from dissononce.exceptions.decrypt import DecryptFailedException
from dissononce.hash.sha256 import SHA256Hash
from dissononce.processing.impl.cipherstate import CipherState
from dissononce.processing.impl.symmetricstate import SymmetricState
from enhanced_peer import Client, Server
from enhanced_wire import OPENING, Broken, Wire, dump, key_pair, load_private
from proxy import Proxy, answer_once, play
from verdict import PROGRAM, check, messages, wait_until
from weak_points import PointDH, low_order_points

HELLO = len(OPENING) + 50  # all that a client says before the server has proved its key


def run(applet, address, *words, user="client1", flags=("--enhanced",), **options):
    """(exit code, stdout, stderr) of one of our clients."""
    done = subprocess.run([PROGRAM, applet, *flags, "-s", address, "-u", user, "-k", ".", "--password-file",
                           f"pw{user[-1]}", *words], capture_output=True, stdin=subprocess.DEVNULL,
                          timeout=40, **options)
    return done.returncode, done.stdout, done.stderr


def sending(title, file="small.txt"):
    return "-t", "client2", "--title", title, file


class Fake:
    """A server that calls act(sock) for each connection, and keeps what it returns: what was heard."""

    def __init__(self, act):
        self.act, self.said, self.calls = act, [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def heard(self):
        wait_until(lambda: len(self.said) == self.calls)
        return self.said

    def serve(self):
        while True:
            sock, _ = self.listener.accept()
            self.calls += 1
            try:
                self.said.append(self.act(sock))
            except (OSError, Broken) as error:
                self.said.append(error)
            finally:
                sock.close()


# --- recordings ---

def recordings(target):
    address = "%s:%d" % target
    with Proxy(target) as proxy:
        code, _, _ = run("send", f"127.0.0.1:{proxy.port}", *sending("Recorded"))
    record = {side: [bytes.fromhex(one) for one in said]
              for side, said in proxy.links[0].record().items()}
    before = messages()
    check("T1: a session is recorded, and stored one message",
          code == 0 and [path for path in before if "Recorded" in path] == ["client2/client1_Recorded.txt"])
    heard = play(target, record["c"])
    check("T1: played to the server again, it gets message 2, no session, and the close",
          heard is not None and len(heard) == 50 and heard[2:] != record["s"][0][2:])
    check("T1: nothing is stored of it", messages() == before)
    step = step_by_step(target, record["c"])
    check("T1: nor is it when each message waits for the server's", [step] if step != [50, 0] else [])
    check("T1: and nothing is stored of that", messages() == before)
    fake = Fake(lambda sock: answer_once(sock, record["s"]))
    code, _, _ = run("send", fake.address, *sending("Believed"))
    check("T3: the server's half played to a client is 76", [code] if code != 76 else [])
    check("T3: which says no more than message 1", [fake.heard()[0]] if len(fake.heard()[0]) != HELLO else [])
    check("T3: the same for a list", run("inbox", fake.address)[0] == 76)
    check("the server works", run("inbox", address, user="client2")[0] == 0)


def step_by_step(target, said):
    """How many bytes the server answers with after the opening and message 1, and after the rest."""
    with socket.create_connection(target, 5) as sock:
        sock.sendall(said[0] + said[1])
        first = sock.recv(1 << 16)
        rest = b""
        try:
            sock.sendall(b"".join(said[2:]))
            while data := sock.recv(1 << 16):
                rest += data
        except ConnectionError:
            pass
    return [len(first), len(rest)]


# --- other servers ---

class Credulous(AESGCMCipher):
    """Goes on where a tag does not verify."""

    def decrypt(self, key, nonce, ad, ciphertext):
        try:
            return super().decrypt(key, nonce, ad, ciphertext)
        except DecryptFailedException:
            return bytes(len(ciphertext) - 16)


def insist(static):
    """A server with this key that answers whatever message 1 was made for; what the client says then."""
    def act(sock):
        wire = Wire(sock, timeout=5)
        wire.noise.symmetricstate._cipherstate._cipher = Credulous()
        wire.need(len(OPENING))
        wire.begin(False, static)
        wire.noise_read(wire.recv_message([48]))
        wire.send_message(wire.noise_write())
        return sock.recv(1 << 16)
    return act


def other_servers():
    Path("others").mkdir()
    for name in ("server_x25519_private.pem", "client1_x25519_public.pem"):
        Path("others", name).write_bytes(Path(name.replace("server", "client4")).read_bytes())
    server = Server("others", {"client1": "password1"}, log=lambda event: None)
    threading.Thread(target=server.serve, daemon=True).start()
    with Proxy(("127.0.0.1", server.port)) as proxy:
        code, _, err = run("send", f"127.0.0.1:{proxy.port}", *sending("Other"))
    there = proxy.links[0].there
    check("T2: a server with another key is 76", [code] if code != 76 else [])
    check("T2: the client has said the opening and message 1, and no more",
          [len(one) for one in there.came] == [len(OPENING), 50] and not there.buffer)
    check("T2: it names the key that was wanted", b"SHA256:" in err)
    fake = Fake(insist(load_private("client4_x25519_private.pem")))
    code, _, _ = run("send", fake.address, *sending("Other"))
    check("T2: a man in the middle who answers message 1 that he cannot read is 76", [code] if code != 76 else [])
    check("T2: and hears nothing more", fake.heard() == [b""])
    fake = Fake(insist(load_private("server_x25519_private.pem")))
    code, _, _ = run("send", fake.address, *sending("Other"))
    check("T2: the same one with the right key hears message 3, so that this can fail",
          len(fake.heard()[0]) > 300)


def second_messages():
    """What holds the right key, and answers with something else than a sound message 2."""
    static = load_private("server_x25519_private.pem")

    def answer(sock, dh=None, payload=b""):
        wire = Wire(sock, timeout=5)
        wire.need(len(OPENING))
        if dh:
            wire.noise._dh = dh
        wire.begin(False, static)
        wire.noise_read(wire.recv_message([48]))
        wire.send_message(wire.noise_write(payload))
        return sock.recv(1 << 16)

    faults = []
    points = low_order_points()
    for point in points:
        fake = Fake(lambda sock, point=point: answer(sock, PointDH(point)))
        code, _, _ = run("send", fake.address, *sending("Low"))
        if code != 76 or fake.heard() != [b""]:
            faults.append(f"{point.hex()}: {code}, {fake.heard()}")
    check(f"T24: message 2 with each of {len(points)} points of low order, well made: 76, and no message 3",
          faults)
    fake = Fake(lambda sock: answer(sock, payload=b"{}"))
    check("message 2 with a payload is 76", run("inbox", fake.address)[0] == 76 and fake.heard() == [b""])
    answers = {"a length of 0": b"\0\0", "a length of 65535, and 10 bytes": b"\xff\xff" + bytes(10),
               "a message 2 of 47 bytes": b"\0\x2f" + bytes(47), "zeros": b"\0\x30" + bytes(48)}
    for name, data in answers.items():
        fake = Fake(lambda sock, data=data: answer_once(sock, [data]))
        code, _, _ = run("inbox", fake.address)
        check(f"{name} for an answer is 76, and no message 3", code == 76 and len(fake.heard()[0]) == HELLO)


# --- no way back to the classic protocol ---

def downgrades(target):
    Path("config/smtp361").mkdir(parents=True)
    Path("config/smtp361/config.json").write_text(json.dumps({"enhanced": True}))
    env = os.environ | {"XDG_CONFIG_HOME": str(Path("config").absolute())}
    answers = {"a refusal in the clear": b"Invalid username or password",
               "a menu in the clear": b"Select the operation:\n    1) Create and send an email\n",
               "256 random bytes": os.urandom(256), "nothing": b""}
    for name, data in answers.items():
        for applet, words in (("send", sending("Down")), ("inbox", ())):
            fake = Fake(lambda sock: answer_once(sock, [data]))
            code, out, _ = run(applet, fake.address, *words, flags=(), env=env)
            check(f"T9, T23: {applet}, enhanced by configuration, told {name}: not 0, not 77",
                  [f"exit {code}, {out!r}"] if code not in (75, 76) else [])
            check("T23: one connection, and not a byte behind message 1",
                  fake.calls == 1 and fake.heard()[0][:8] == OPENING and len(fake.heard()[0]) == HELLO)
    fake = Fake(lambda sock: sock.close())
    code, _, _ = run("inbox", fake.address, flags=(), env=env)
    check("T23: a server that closes at once is 75 or 76, after one connection",
          code in (75, 76) and fake.calls == 1)
    fake = Fake(lambda sock: answer_once(sock, [answers["a refusal in the clear"]]))
    code, _, _ = run("inbox", fake.address, flags=("--classic",))
    check("T23: the classic client says what the enhanced one does not, so that this can fail",
          fake.heard()[0][:8] != OPENING and len(fake.heard()[0]) == 256)
    code, out, _ = run("inbox", "%s:%d" % target, "--json", user="client2", flags=(), env=env)
    check("T9: and all that leaves the client able to talk, and the store as it was",
          code == 0 and [row["title"] for row in json.loads(out)] == ["Recorded"])


# --- what an onlooker has ---

def repeated(data, size=16):
    """Blocks that are there more than once, at any place."""
    seen, again = set(), 0
    for at in range(len(data) - size + 1):
        block = data[at:at + size]
        again += block in seen
        seen.add(block)
    return again


def equal_blocks(target):
    Path("same.txt").write_bytes(b"0123456789abcdef" * 65536)
    with Proxy(target) as proxy:
        sent, _, _ = run("send", f"127.0.0.1:{proxy.port}", *sending("Same", "same.txt"))
        read, out, _ = run("read", f"127.0.0.1:{proxy.port}", "--last", "--content", user="client2")
    whole = b"".join(b"".join(link.there.came + link.back.came) for link in proxy.links)
    check("T4: 1 MiB of one block over and over is sent and read through a capture",
          (sent, read) == (0, 0) and out == Path("same.txt").read_bytes() and len(whole) > 2 << 20)
    check("T4: no 16 bytes of it are there twice", repeated(whole[:1 << 20]) == 0 and repeated(whole[1 << 20:]) == 0)
    Path("same.txt").write_bytes(b"0123456789abcdef" * 4096)
    with Proxy(target) as proxy:
        run("send", f"127.0.0.1:{proxy.port}", *sending("Same", "same.txt"), flags=("--classic",))
    check("T4: of the classic protocol they are, so that this can fail",
          repeated(b"".join(proxy.links[0].there.came)) > 4000)


class Thief:
    """Has a capture and private keys, and tries every Diffie-Hellman result that they give, in every
    place. `opened` has what could be read: a list of (who, text)."""

    def __init__(self, capture, server_static, private_keys):
        self.c, self.s = ([one[2:] for one in capture["c"][1:]], [one[2:] for one in capture["s"]])
        publics = [server_static, self.c[0][:32], self.s[0][:32], *(pair.public.data for pair in private_keys)]
        dh = X25519DH()
        self.shared = {bytes(32)} | {dh.dh(pair, dh.create_public(public))
                                     for pair in private_keys for public in publics}
        self.state = SymmetricState(CipherState(AESGCMCipher()), SHA256Hash())
        self.state.initialize_symmetric(b"Noise_XK_25519_AESGCM_SHA256")
        self.state.mix_hash(OPENING)
        self.state.mix_hash(server_static)
        self.opened, self.reached = [], "nothing"

    def next(self, sealed):
        """The text of a handshake's part after one more DH; the state moves on where a result fits."""
        for shared in self.shared:
            state = copy.deepcopy(self.state)
            state.mix_key(shared)
            try:
                text = state.decrypt_and_hash(sealed)
            except DecryptFailedException:
                continue
            self.state = state
            return text
        raise Broken("no result fits")

    def steal(self):
        try:
            self.state.mix_hash(self.c[0][:32])
            self.next(self.c[0][32:])
            self.reached = "message 1"
            self.state.mix_hash(self.s[0][:32])
            self.next(self.s[0][32:])
            self.reached = "message 2"
            self.state.decrypt_and_hash(self.c[1][:48])
            self.opened.append(("login", self.next(self.c[1][48:])))
            self.reached = "message 3"
            for who, state, records in zip("cs", self.state.split(), (self.c[2:], self.s[1:])):
                self.opened += [(who, state.decrypt_with_ad(b"", one)) for one in records]
            self.reached = "all"
        except (Broken, DecryptFailedException):
            pass
        return self


def stolen_keys(target):
    server = load_private("server_x25519_private.pem")
    statics = [server, load_private("client1_x25519_private.pem")]
    with Proxy(target) as proxy:
        run("send", f"127.0.0.1:{proxy.port}", *sending("Stolen"))
    ours = {"c": proxy.links[0].there.came, "s": proxy.links[0].back.came}
    thief = Thief(ours, server.public.data, statics).steal()
    check("T25: a capture of our client and server, and both static keys: message 1, which is empty, "
          "and nothing more", thief.reached == "message 1" and not thief.opened)
    ephemeral = os.urandom(32)
    with Proxy(target) as proxy:
        with Client("127.0.0.1", proxy.port, "client1", ".", ephemeral=ephemeral).connect() as client:
            client.log_in(password="password1")
            client.request(*client.send_mail(["client2"], "Stolen from a peer", b"the plain text"))
            client.request({"type": "bye"})
    capture = {"c": proxy.links[0].there.came, "s": proxy.links[0].back.came}
    thief = Thief(capture, server.public.data, statics).steal()
    check("T25: the same for a client whose ephemeral key is known here", thief.reached == "message 1")
    thief = Thief(capture, server.public.data, statics + [key_pair(ephemeral)]).steal()
    texts = b"|".join(text for _, text in thief.opened)
    check("T25: with that key, too, all of it is read, so that this can fail",
          thief.reached == "all" and b"password1" in texts and b"the plain text" in texts)
    stolen = Thief(capture, server.public.data, [key_pair(ephemeral)]).steal()
    check("T25: a client's ephemeral key alone opens messages 1 and 2, and no login or record",
          stolen.reached == "message 2" and not stolen.opened)


# --- what a client makes of a server's words ---

def words_of_a_server():
    static = load_private("server_x25519_private.pem")
    welcome = dump({"type": "welcome", "max_chars": 64000000})

    def say(*records):
        def act(sock):
            wire = Wire(sock, timeout=5)
            wire.need(len(OPENING))
            wire.begin(False, static)
            wire.noise_read(wire.recv_message([48]))
            wire.send_message(wire.noise_write())
            wire.noise_read(wire.recv_message())
            for record in records:
                wire.send_record(record)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(1 << 16), b""))
        return act

    sent, an_id = b'{"type":"sent","id":"' + b"0" * 32 + b'"}', b"0" * 32
    bad = {"an empty record": (welcome, b""), "no JSON": (welcome, b"sent"),
           "an array": (welcome, b"[" + sent + b"]"), "no type": (welcome, b'{"id":"' + an_id + b'"}'),
           "the welcome again": (welcome, welcome), "no welcome": (sent, sent),
           "a welcome without a limit": (b'{"type":"welcome"}', sent),
           "a name twice": (welcome, b'{"type":"error","type":"sent","id":"' + an_id + b'"}'),
           "bytes behind it": (welcome, sent + b"x"), "a NUL": (welcome, sent[:-1] + b',"x":"\\u0000"}'),
           "a byte order mark": (welcome, b"\xef\xbb\xbf" + sent), "bad UTF-8": (welcome, sent[:-1] + b',"x":"\xff"}'),
           "arrays of depth 30,000": (welcome, b'{"type":"sent","x":' + b"[" * 30000 + b"]" * 30000 + b"}"),
           "another reply": (welcome, b'{"type":"deleted","id":"' + an_id + b'"}'),
           "an unknown error": (welcome, b'{"type":"error","code":"sent","text":"sent"}')}
    faults = []
    for name, records in bad.items():
        code, out, _ = run("send", Fake(say(*records)).address, *sending("Words"))
        if code != 76:
            faults.append(f"{name}: exit {code} {out!r}")
    check(f"a reply to send that is none, {len(bad)} ways, is 76", faults)
    code, out, _ = run("send", Fake(say(welcome)).address, *sending("Words"))
    check("the end of the connection in place of one is 75", [] if code == 75 else [f"exit {code} {out!r}"])
    check("a right one is 0, so that this can fail",
          run("send", Fake(say(welcome, sent)).address, *sending("Words"))[0] == 0)
    faults = []
    head = {"type": "message", "id": "0" * 32, "from": "bob", "to": ["client1"], "us": 0, "title": "T",
            "time": "2026-01-01 00:00:00.000000", "chars": 5, "length": 5}
    for name, value in {"10^18 bytes": {"length": 10**18, "chars": 10**18}, "too few": {"length": 9},
                        "too many": {"length": 3}, "less than none": {"length": -1},
                        "a fraction": {"length": 5.0}, "no length": {"length": None},
                        "text": {"length": "5"}}.items():
        code, _, _ = run("read", Fake(say(welcome, dump(head | value), b"hello")).address, "1", "--content")
        if code != (75 if name in ("10^18 bytes", "too few") else 76):
            faults.append(f"{name}: exit {code}")
    check("a message of another length than its content is 76, or 75 where the rest never comes", faults)
    check("a right one is 0, so that this can fail",
          run("read", Fake(say(welcome, dump(head), b"hello")).address, "1", "--content")[:2] == (0, b"hello"))
    text = "x\x1b[2J\x07\n\x9b31m\r\u202e"
    code, _, err = run("send", Fake(say(welcome, dump({"type": "error", "code": "rejected", "text": text}))).address,
                       *sending("Words"))
    check("what a server says reaches the terminal without control bytes",
          code == 65 and b"rejected: x" in err and not any(byte < 32 and byte != 10 for byte in err)
          and b"\xc2\x9b" not in err)
    row = {"index": 1, "id": "0" * 32, "from": "bob\x1b[2J", "time": "now\x1b[2J", "us": 0, "title": text, "chars": 1}
    code, out, _ = run("inbox", Fake(say(welcome, dump({"type": "inbox", "messages": [row], "more": False}))).address)
    check("nor does a list have them, and a message is a line of it",
          [f"exit {code}, {out!r}"] if any(byte < 32 and byte not in (9, 10) for byte in out)
          or out.count(b"\n") != (code == 0) else [])


def main():
    host, _, port = sys.argv[1].rpartition(":")
    target = (host, int(port))
    Path("small.txt").write_bytes(b"a small letter\n")
    recordings(target)
    other_servers()
    second_messages()
    downgrades(target)
    equal_blocks(target)
    stolen_keys(target)
    before = messages()
    words_of_a_server()
    check("nothing of all that is stored", messages() == before)


if __name__ == "__main__":
    main()
