#!/usr/bin/python3
"""Peers of the enhanced protocol that are slow, silent, deaf or many.

  hostile_crowds.py HOST:PORT PID     the server, with --login-time 3 --idle-time 3 --mail-time 2
                                      --max-per-address 300; lib.sh's site is the current folder

The numbers in the titles are those of the list of bad inputs: 5, 22 and 23 are here.
"""
import ctypes, os, select, socket, sys, threading, time

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from enhanced_wire import OPENING, Broken
from hostile import INBOX, attacked, codes, ending, first_message
from verdict import check, childless, children, diag, wait_until

DRIPS, CONNECTS = 200, 300
GETFD = 438  # pidfd_getfd(2), which Python 3.11 does not know


# --- half-open peers ---

def options_of(pid, port):
    """Of this process's socket with this local port: {option: value}."""
    libc = ctypes.CDLL(None, use_errno=True)
    holder = os.pidfd_open(pid)
    for name in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
            continue
        fd = libc.syscall(GETFD, holder, int(name), 0)
        if fd < 0:
            raise PermissionError(ctypes.get_errno(), "pidfd_getfd")
        with socket.socket(fileno=fd) as sock:
            if sock.getsockname()[1:2] == (port,):
                return {name: sock.getsockopt(level, option) for name, level, option in (
                    ("keep-alive", socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                    ("idle", socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                    ("every", socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                    ("tries", socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                    ("timeout", socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))}
    raise Broken("no such socket")


def half_open(server):
    pid, client = server.child_of(server.session)
    try:
        options = options_of(pid, server.target[1])
        gone = options["idle"] + options["every"] * options["tries"]
        check("22: a session's socket notices within ten minutes that its peer is gone, silent or owing",
              [] if options["keep-alive"] == 1 and 0 < gone <= 600 and 0 < options["timeout"] <= 600_000
              else [options])
    except (PermissionError, AttributeError):
        print("skip 22: a session's socket notices that its peer is gone")
    client.sock.close()


# --- deaf ones ---

def deaf(server):
    """Row 23."""
    with server.session() as client:
        content = b"0123456789abcdef" * 500_000
        client.request(*client.send_mail(["client5"], "Big", content))
    def ask():
        client = server.session("client5")
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with client.together():
            for _ in range(20):
                client.send_object({"type": "read", "last": True})
        return client
    pid, client = server.child_of(ask)
    began = time.monotonic()
    check("23: a session whose peer never reads is over at --mail-time",
          wait_until(lambda: pid not in children(server.pid), 12))
    took = time.monotonic() - began
    diag(f"after {took:.1f} s")
    check("23: and not before", took > 1.5)
    client.sock.close()


# --- slow ones ---

def slow(server):
    """Limits of time are absolute: a byte now and then does not prolong them."""
    def drip(client, data, step):
        began = time.monotonic()
        try:
            for at in range(0, len(data), step):
                client.sock.sendall(data[at:at + step])
                if select.select([client.sock], [], [], 0.2)[0]:
                    break
            replies, _ = ending(client)
        except OSError:
            replies = []
        return codes(replies), time.monotonic() - began

    def framed(client, text):
        sealed = client.out.encrypt_with_ad(b"", text)
        return len(sealed).to_bytes(2, "big") + sealed

    def content(client):
        client.send_object({"type": "send", "to": ["client2"], "title": "Slow", "chars": 1000, "length": 1000})
        return drip(client, b"".join(framed(client, b"x") for _ in range(1000)), 19)

    results = {}

    def one(name, act):
        with server.session() as client:
            results[name] = act(client)

    acts = {"a request": lambda client: drip(client, framed(client, INBOX + b" " * 500), 1),
            "content": content, "nothing": lambda client: drip(client, b"", 1)}
    threads = [threading.Thread(target=one, args=case) for case in acts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check("T19: a session that drips its request, its content, or nothing, ends with timeout", [
        f"{name}: {got}" for name, got in results.items() if got[0] != ["timeout"]] + [
        name for name in acts if name not in results])
    check("T19: at its limit", [f"{name}: {took:.1f} s" for name, (_, took) in results.items()
                                if not 1.5 < took < 10])
    with server.client() as client:
        began = time.monotonic()
        heard = server.say(OPENING + first_message(client)[:20], fin=False, timeout=12)
        check("5: half a message 1 and then nothing is closed at --login-time, unanswered",
              heard == b"" and 2 < time.monotonic() - began < 10)


def drips(server):
    """T19: many that send a byte every tenth of a second, and a login beside them."""
    with server.client() as client:
        data = OPENING + first_message(client)
    began, ends = time.monotonic(), {}
    socks = [socket.create_connection(server.target, 10) for _ in range(DRIPS)]
    stop = threading.Event()

    def send():
        for at in range(600):
            left = [sock for sock in socks if sock not in ends]
            if not left or stop.is_set():
                return
            for sock in left:
                try:
                    if select.select([sock], [], [], 0)[0] and not sock.recv(100):
                        ends[sock] = time.monotonic() - began
                        continue
                    sock.send(data[at // 2:at // 2 + 1] or b"\0")
                except OSError:
                    ends[sock] = time.monotonic() - began
            time.sleep(0.1)

    thread = threading.Thread(target=send)
    thread.start()
    crowd = wait_until(lambda: len(children(server.pid)) >= DRIPS)
    started = time.monotonic()
    with server.session() as client:
        client.request(INBOX)
    took = time.monotonic() - started
    diag(f"a login beside {DRIPS} drips: {1000 * took:.0f} ms")
    check(f"T19: {DRIPS} sessions drip their handshake", bool(crowd))
    check("T19: a login beside them works within seconds", took < 15)
    wait_until(lambda: len(ends) == DRIPS, 40)
    stop.set()
    thread.join()
    diag(f"they end after {min(ends.values()):.1f} to {max(ends.values()):.1f} s")
    check("T19: each of them is cut off at --login-time",
          len(ends) == DRIPS and all(2 < end < 25 for end in ends.values()))
    for sock in socks:
        sock.close()


# --- many ---

def many(server):
    """T20, T21."""
    for number in range(CONNECTS):
        with socket.create_connection(server.target, 10) as sock:
            if number % 3 == 1:
                sock.sendall(OPENING)
            elif number % 3 == 2:
                sock.sendall(OPENING + b"\0\x30" + bytes(48))
    check(f"T20, T21: behind {CONNECTS} connections no session and no zombie is left", childless(server.pid))
    with server.session() as client:
        check("T20: and the server works", client.request(INBOX)[0]["type"] == "inbox")


def main():
    server, _ = attacked()
    half_open(server)
    slow(server)
    drips(server)
    many(server)
    server.unharmed("crowds")
    deaf(server)


if __name__ == "__main__":
    main()
