"""A server that a test ends as it likes: it serves the current folder, and logs to out and err."""
import os, signal, subprocess
from pathlib import Path

from verdict import PROGRAM, children, wait_until


class NotStarted(Exception):
    """Its exit code (None: it hangs), and what it said."""


class Served:
    """The server, and all of its processes."""

    def __init__(self, *command):
        """command: what comes ahead of the program, as setpriv and its options."""
        self.command, self.process, self.port = command, None, None

    def start(self):
        with open("out", "w") as out, open("err", "a") as err:
            begins = err.tell()
            self.process = subprocess.Popen([*self.command, PROGRAM, "serve", "-l", "127.0.0.1:0"],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
        ready = lambda: "ready to accept" in Path("out").read_text()
        wait_until(lambda: ready() or self.process.poll() is not None, 60)
        if not ready():
            raise NotStarted(self.process.poll(), Path("err").read_text()[begins:])
        listening = Path("err").read_text()[begins:].partition("Listening on ")[2].split()[0]
        self.port = int(listening.rpartition(":")[2])

    def sessions(self):
        return [pid for pid, state in children(self.process.pid).items() if state != "Z"]

    def kill(self):
        """At once, and with all sessions; they are one process group."""
        pids = self.sessions()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        gone = lambda pid: not os.path.exists(f"/proc/{pid}/fd/0")
        if not wait_until(lambda: all(map(gone, pids)), 20):
            raise SystemExit("a session outlives its kill")

    def stop(self):
        self.process.terminate()
        return self.process.wait(60)
