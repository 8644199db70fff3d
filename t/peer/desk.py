"""What tests of members share: our program as one of them, and the peer as another."""
import subprocess

from enhanced_peer import Client
from enhanced_wire import Broken
from members_peer import Member, Peer
from verdict import PROGRAM


def ours(address, *command, stdin=b"", folder="one", user="client1"):
    """(exit code, stdout, stderr) of our program as this user."""
    try:
        done = subprocess.run([PROGRAM, command[0], "-s", address, "-u", user, "-k", folder, "--enhanced", *command[1:]],
                              input=stdin, capture_output=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return 124, b"", "it goes on for ever"
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


class Desk:
    """The peer's: a session of client2 and what is needed to write and to read."""

    def __init__(self, address, user="client2", folder="two"):
        self.host, port = address.rsplit(":", 1)
        self.port, self.address, self.user, self.folder = int(port), address, user, folder
        self.own = Member(folder, user)

    def session(self):
        client = Client(self.host, self.port, self.user, self.folder)
        if client.connect().log_in()["type"] != "welcome":
            raise Broken(f"{self.user} is not let in")
        return client

    def ask(self, obj, content=None):
        with self.session() as client:
            return client.request(obj, content)

    def peer(self, name):
        """As the directory has him."""
        reply = self.ask({"type": "member-get", "name": name})[0]
        peer = Peer.__new__(Peer)
        peer.name, peer.public = name, bytes.fromhex(reply["x25519"])
        peer.point = bytes.fromhex(reply["p256"]) if "p256" in reply else None
        return peer
