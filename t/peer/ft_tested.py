"""What the tests of file transfer share: our server and our client as processes, and a relay between them
that stops at an exact byte.

The current folder has `key`, and two folders: `drop` is the server's, `here` the client's.
"""
import atexit, contextlib, os, select, shlex, signal, socket, struct, subprocess, threading
from pathlib import Path

from verdict import PROGRAM, children, childless, wait_until

PATIENCE = 60  # seconds, for what takes far less
DROP, HERE = Path("drop"), Path("here")


class Server:
    """Our ftserve. port 0: a free one. log: its stderr."""

    def __init__(self, *options, key="file:key", log="served.err"):
        self.options, self.key, self.log, self.process, self.port = options, key, Path(log), None, 0
        self.log.write_bytes(b"")
        self.read = 0
        atexit.register(self.leave)

    def start(self):
        """On the port that it had before, if any."""
        with self.log.open("ab") as err, open("served.out", "ab") as out:
            begins = out.tell()
            self.process = subprocess.Popen(
                [PROGRAM, "ftserve", f"127.0.0.1:{self.port}", self.key, "-d", "drop", *self.options],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
        ready = lambda: b"Using secret key" in Path("served.out").read_bytes()[begins:]
        wait_until(lambda: ready() or self.process.poll() is not None, PATIENCE)
        if not ready():
            raise SystemExit(f"the server does not start: {self.log.read_text()[-500:]}")
        self.port = int(self.log.read_text().rpartition("Listening on 127.0.0.1:")[2].split()[0])
        return self

    @property
    def target(self):
        return "127.0.0.1", self.port

    def sessions(self):
        return [pid for pid, state in children(self.process.pid).items() if state != "Z"]

    def settle(self):
        """Until no session is left."""
        if not childless(self.process.pid, PATIENCE):
            raise SystemExit(f"a session does not end: {self.log.read_text()[-500:]}")

    def kill_session(self):
        if wait_until(self.sessions, 5):
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(self.sessions()[0], signal.SIGKILL)
        self.settle()

    def kill(self):
        """At once, and with all sessions; they are one process group."""
        pids = self.sessions()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        gone = lambda pid: not os.path.exists(f"/proc/{pid}/fd/0")
        if not wait_until(lambda: all(map(gone, pids)), PATIENCE):
            raise SystemExit("a session outlives its kill")

    def leave(self):
        """However the test ends, nothing of it is left."""
        if self.process and self.process.poll() is None:
            self.kill()

    def stop(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def ends(self):
        """The fields of each session that ended since the last call."""
        self.settle()
        lines = self.log.read_text().splitlines()
        new, self.read = lines[self.read:], len(lines)
        return [dict(word.partition("=")[::2] for word in shlex.split(line) if "=" in word)
                for line in new if " end peer=" in line]

    def last(self):
        """How the last session ended; numbers as such. {}: it told nothing."""
        fields = (self.ends() or [{}])[-1]
        return {name: int(value) if value.isdigit() else value for name, value in fields.items()}


def begin(address, verb, name, *words, cipher="noise", key="file:key", stdin=subprocess.DEVNULL):
    """Our client, as a process; address is a port or (host, port)."""
    port = address[1] if isinstance(address, tuple) else address
    return subprocess.Popen([PROGRAM, "ft", verb, name, f"127.0.0.1:{port}", cipher, key, *words],
                            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def end(client):
    """(its exit code, what it said on stderr)"""
    try:
        said = client.communicate(timeout=PATIENCE)[1]
    except subprocess.TimeoutExpired:
        client.kill()
        return "hangs", client.communicate()[1].decode("utf-8", "replace")
    return client.returncode, said.decode("utf-8", "replace")


def run(address, verb, name, *words, **options):
    return end(begin(address, verb, name, *words, **options))


class Relay:
    """with Relay(target, "c", 1000, act) as relay: one connection to relay.port is passed on, until a
    thousand bytes of the client ("s": of the server) have passed; then act(relay) is called. While it is
    true the rest passes, too; else both sides have ended. side None: everything passes. `passed` counts."""

    def __init__(self, target, side=None, count=0, act=None):
        self.target, self.side, self.count, self.act = target, side, count, act
        self.passed, self.acted, self.client, self.tape = {"c": 0, "s": 0}, False, None, None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # nobody may have come
        self.thread.join(PATIENCE)
        self.listener.close()

    def serve(self):
        try:
            self.near, _ = self.listener.accept()
        except OSError:
            return
        self.far = socket.create_connection(self.target, PATIENCE)
        with self.near, self.far:
            for sock in (self.near, self.far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError):
                self.pump()

    def pump(self):
        open_ones = {self.near: ("c", self.far), self.far: ("s", self.near)}
        while open_ones:
            if self.due() and not self.act_now():
                return
            for sock in select.select(list(open_ones), [], [], PATIENCE)[0]:
                side, other = open_ones[sock]
                data = sock.recv(self.room(side))
                if not data:
                    del open_ones[sock]
                    other.shutdown(socket.SHUT_WR)
                    continue
                other.sendall(data)
                self.passed[side] += len(data)
                if self.tape is not None:
                    self.tape.add(side, data)
                if self.due():
                    break

    def room(self, side):
        ahead = self.count - self.passed[side] if side == self.side and not self.acted else 0
        return min(ahead, 1 << 16) if ahead > 0 else 1 << 16

    def due(self):
        return self.side is not None and not self.acted and self.passed[self.side] >= self.count

    def act_now(self):
        self.acted = True
        return self.act(self)

    # --- ways to end ---

    def fin(self):
        """Both sides are told the end; what they still say is read, or a FIN would become a RST."""
        for sock in (self.near, self.far):
            sock.settimeout(PATIENCE)
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
        for sock in (self.near, self.far):
            with contextlib.suppress(OSError):
                while sock.recv(1 << 16):
                    pass

    def rst(self):
        for sock in (self.near, self.far):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

    def kill_client(self):
        wait_until(lambda: self.client, PATIENCE)
        self.client.kill()
        self.client.wait(PATIENCE)


def through(relay, verb, name, *words, **options):
    """Our client through a relay: (its exit code, what it said)."""
    relay.client = begin(relay.port, verb, name, *words, **options)
    return end(relay.client)
