"""What the hostile clients of the enhanced protocol share: the server under attack, whole sessions with it,
and what must be so behind each attack.
"""
import contextlib, socket, sys
from concurrent.futures import ThreadPoolExecutor

from enhanced_peer import Client
from enhanced_wire import Broken, Closed, Unverified
from verdict import check, children, childless, messages, spooled, wait_until

WORKERS = 8
REFUSAL = b"Invalid username or password"
INBOX, BYE = b'{"type":"inbox"}', b'{"type":"bye"}'


class Attacked:
    """The server: its address, its process, and how its mailboxes were when the attacks began."""

    def __init__(self, address, pid):
        host, _, port = address.rpartition(":")
        self.target, self.pid = (host, int(port)), int(pid)
        self.before = messages()

    def client(self, user="client1", keys=".", source=None, **options):
        options.setdefault("timeout", 8)
        client = Client(*self.target, user, keys, **options)
        return client.use(socket.create_connection(self.target, 8, source and (source, 0))) or client

    def session(self, user="client1", **options):
        """A client that has logged in."""
        client = self.client(user, **options)
        reply = client.log_in(password=f"password{user[-1]}")
        if reply["type"] != "welcome":
            raise Broken(f"no welcome: {reply}")
        return client

    def say(self, data, fin=True, timeout=8):
        """What comes back until the close, for these bytes; None when there is none."""
        heard = b""
        with socket.create_connection(self.target, timeout) as sock:
            try:
                sock.sendall(data)
                if fin:
                    half_close(sock)
                while chunk := sock.recv(1 << 16):
                    heard += chunk
            except ConnectionError:
                pass
            except TimeoutError:
                return None
        return heard

    def child_of(self, act):
        """(its process, act's value) of the one session that act begins."""
        childless(self.pid)
        value = act()
        # what settles mail may be on its way, too
        found = list(wait_until(lambda: len(now := children(self.pid)) == 1 and now) or children(self.pid))
        if len(found) != 1:
            raise Broken(f"the server has {len(found)} sessions, not 1")
        return found[0], value

    def unharmed(self, what):
        """The server lives, and nothing was stored or changed since the beginning."""
        with self.session() as client:
            client.send_object(INBOX)
            lives = client.recv_whole()[0]["type"] == "inbox"
        now, left = messages(), spooled()
        check(f"the server lives behind {what}, and has stored nothing",
              [] if lives and now == self.before and not left else [f"{set(now) ^ set(self.before)}, {left}"])


def half_close(sock):
    """Who closed on us already is no event."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)


def first_message(client):
    """Message 1 with its length, for a client that has not begun."""
    client.begin(True, client.static, client.pinned)
    body = client.noise_write()
    return len(body).to_bytes(2, "big") + body


def ending(client):
    """([reply...], how it ended) of what still comes: "closed", "reset", or what was wrong."""
    replies = []
    try:
        while True:
            replies.append(client.recv_object()[0])
    except Closed as error:
        return replies, "closed" if " 0 of " in str(error) else str(error)
    except ConnectionError:
        return replies, "reset"
    except (Broken, Unverified) as error:
        return replies, str(error)


def codes(replies):
    return [reply.get("code", reply.get("type")) for reply in replies]


def each(act, cases):
    """act(case) for each, some at once; the faults that they return, each with its case."""
    def one(case):
        try:
            fault = act(case)
        except (Broken, OSError, AssertionError) as error:
            fault = f"{type(error).__name__}: {error}"
        return f"{case}: {fault}" if fault else None

    with ThreadPoolExecutor(WORKERS) as pool:
        return [fault for fault in pool.map(one, cases) if fault]


def attacked():
    """From the command line: HOST:PORT PID [WHAT...]."""
    return Attacked(sys.argv[1], sys.argv[2]), sys.argv[3:]
