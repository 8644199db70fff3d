#!/usr/bin/python3
"""Handshakes and logins that no honest client has.

  hostile_handshakes.py HOST:PORT PID [only]   the server, and lib.sh's site is the current folder;
                                               only: it refuses the classic protocol

The accounts w1 to w40 have the key of client1 and the password "right"; client4 is shut out. The numbers in
the titles are those of the list of bad inputs: 1-13, 20 and 21 are here.
"""
import os, sys, threading, time

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from dissononce.dh.keypair import KeyPair
from dissononce.dh.x25519.public import PublicKey
from enhanced_wire import LOGIN, OPENING, Unverified, key_pair, load_private
from hostile import BYE, INBOX, REFUSAL, WORKERS, attacked, codes, each, ending, first_message, half_close
from verdict import check, diag, peak_memory
from weak_points import P, MarkedDH, PointDH, UnitDH, low_order_points

MEMORY = 16 << 10  # KiB, for a session
TRIES = 40


def silent_close(heard):
    """Nothing was said, and it closed."""
    return None if heard == b"" else "it stays open" if heard is None else f"it says {heard[:80]!r}"


# --- message 1 ---

def openings(server, only):
    with server.client() as client:
        whole = OPENING + first_message(client)
    check("1: a connection without a byte is closed without one", server.say(b"") == b"")

    def cut(count):
        heard = server.say(whole[:count])
        classic = count < len(OPENING) and not only and heard == REFUSAL
        return None if classic else silent_close(heard)

    check("2: message 1, cut at each byte, is closed; in the opening, as the classic protocol has it",
          each(cut, range(1, len(whole))))
    check("2: whole, it is answered with message 2, so that this can fail", len(server.say(whole)) == 50)
    other = {"another version": b"SMTP361\x03", "version 1": b"SMTP361\x01", "lower case": b"smtp361\x02",
             "a Noise message without an opening": b"", "HTTP": b"GET / HT", "TLS": bytes.fromhex("1603010200010001")}
    check("11: another opening is never answered by a message", each(
        lambda name: None if server.say(other[name] + whole[8:]) in ((b"",) if only else (b"", REFUSAL))
        else "it is answered", other))
    if only:
        heard = server.say(os.urandom(256), fin=False)
        check("11: a classic login is closed without an answer", [fault for fault in [silent_close(heard)] if fault])


def lengths(server):
    with server.client() as client:
        message = first_message(client)[2:]
    bodies = {"3: one byte longer": message + b"x", "one byte shorter": message[:47], "4: empty": b"",
              "T28: with 16 more": message + bytes(16), "as long as message 3": message + bytes(272),
              "of 4,096 bytes": bytes(4096), "of 65,535 bytes": bytes(65535)}
    check("3, 4, T28: message 1 of another length is closed at once, unanswered", each(
        lambda name: silent_close(server.say(OPENING + len(bodies[name]).to_bytes(2, "big") + bodies[name],
                                             fin=False)), bodies))
    with server.client() as client:
        client.begin(True, client.static, client.pinned)
        payload = client.noise_write(b'{"user":"client1"}')
    check("T28: message 1 with a payload that verifies is closed at once, unanswered", [
        fault for fault in [silent_close(server.say(OPENING + len(payload).to_bytes(2, "big") + payload,
                                                    fin=False))] if fault])
    check("5: a length of 65535, 10 bytes and the end are closed, unanswered",
          server.say(OPENING + b"\xff\xff" + bytes(10)) == b"")
    heard = server.say(OPENING + b"\xff\xff" + bytes(10), fin=False, timeout=15)
    check("5: without the end, too: the length alone tells", heard == b"")


def memory(server):
    """Row 6, ahead of the login and behind it."""
    if os.environ.get("SANITIZED"):
        return

    def ahead():
        client = server.client()
        client.open()
        return client

    for name, begin, length in (("of a login", ahead, 64 + 16 * LOGIN), ("of a record", server.session, 65535)):
        pid, client = server.child_of(begin)
        before = peak_memory(pid)
        client.write(length.to_bytes(2, "big") + bytes(10))
        time.sleep(0.1)
        used = peak_memory(pid)
        diag(f"a session has used {used} KiB, {used - before} of them for the length {name}")
        check(f"6: a length {name} that was promised takes no memory", used < MEMORY and used - before < 1024)
        client.sock.close()


def points(server):
    def low(point):
        with server.client() as client:
            client.noise._dh = PointDH(point)
            try:
                client.open()
            except Unverified:
                return None if client.ended() else "it stays open"
            return "message 2 verifies with zeros"

    weak = low_order_points()
    check(f"7: e zeros, and {len(weak) - 1} other points of low order, with a tag that fits: not answered but by noise",
          each(low, weak) if bytes(32) in weak and len(weak) > 10 else ["the points are not found"])

    def low_static(point):
        with server.client() as client:
            client.static = KeyPair(PublicKey(point), None)
            client.noise._dh = PointDH(point)
            client.noise._dh.generate_keypair = lambda: key_pair()
            client.open()
            client.send_login({"user": "client1", "password": "password1"})
            return None if client.ended() else "it is answered"

    check("7: a static key of low order, with a tag that fits, is closed, unanswered", each(low_static, weak))

    def odd(make):
        with server.client() as client:
            client.noise._dh = make()
            reply = client.log_in(password="password1")
            client.send_object(BYE)
            return None if reply["type"] == "welcome" and codes(ending(client)[0]) == ["bye"] else f"{reply}"

    nine = [(P + 9).to_bytes(32, "little"), (9 | 1 << 255).to_bytes(32, "little"),
            (P + 9 | 1 << 255).to_bytes(32, "little"), (9).to_bytes(32, "little")]
    check("8: e >= p is taken for what it is modulo p, each time", each(
        lambda point: odd(lambda: UnitDH(point)), 3 * nine))
    check("8: the highest bit of e is not looked at", each(lambda _: odd(MarkedDH), range(3)))


# --- message 3 ---

def third_message(client, login=None):
    """Message 3 with its length, behind a good message 2."""
    client.open()
    login = login or b'{"user":"client1","password":"password1"}'.ljust(LOGIN)
    body = client.noise_write(login)
    return len(body).to_bytes(2, "big") + body


def thirds(server):
    def closes(client, data):
        client.write(data)
        half_close(client.sock)
        return None if client.ended() else f"it says {bytes(client.heard[50:])!r}"

    def flipped(at):
        with server.client() as client:
            data = bytearray(third_message(client))
            data[at] ^= 1 << at % 8
            return closes(client, data)

    check("12: message 3, another bit in each byte, its length too: closed, unanswered",
          each(flipped, range(2 + 64 + LOGIN)))

    def cut(at):
        with server.client() as client:
            return closes(client, third_message(client)[:at])

    check("2: message 3, cut, is closed, unanswered", each(cut, [0, 1, 2, 3, 34, 49, 50, 65, 66, 321]))

    def of_length(count):
        with server.client() as client:
            client.write(third_message(client, b'{"user":"client1","password":"password1"}'.ljust(count)[:count]))
            return None if client.ended() else "it is answered"

    with server.client() as client:
        client.open()
        body = client.noise_write(b"")
        client.send_message(body)
        check("4: a message 3 without a login is closed, unanswered", client.ended())
    check("a login that is padded otherwise, or too long, is closed, unanswered",
          each(of_length, [1, 41, 255, 257, 4097, 4352, 8192]))

    def reflected(size):
        with server.client() as client:
            client.open()
            data = bytes(client.heard[2:50]).ljust(size, b"\0")
            client.send_message(data)
            return None if client.ended() else "it is answered"

    check("13: message 2 reflected, as it is and as long as message 3, is closed, unanswered",
          each(reflected, [48, 64 + LOGIN]))

    def too_early(data):
        with server.client() as client:
            client.open()
            client.send_message(data)
            return None if client.ended() else "it is answered"

    check("requests ahead of a login are closed, unanswered", each(too_early, [
        INBOX, INBOX.ljust(64 + LOGIN), b'{"type":"send","to":["client2"],"title":"T","chars":1,"length":1}x', BYE]))
    with server.client() as client:
        client.begin(True, client.static, client.pinned)
        client.write(OPENING)
        client.send_message(client.noise_write())
        client.send_message(os.urandom(64 + LOGIN))
        client.need(50)
        check("a message 3 that did not wait for message 2 is closed, unanswered", client.ended())


def sound(server):
    """Rows 20 and 21: what is allowed, and odd."""
    with server.client(dribble=True) as client:
        client.log_in(password="password1")
        client.send_object(INBOX)
        client.send_object(BYE)
        check("20: a valid session, one byte at a time, succeeds", codes(ending(client)[0]) == ["inbox", "bye"])
    with server.client() as client:
        client.open()
        with client.together():
            client.send_login({"user": "client1", "password": "password1"})
            client.send_object(INBOX)
            client.send_object(BYE)
        check("21: the end of the handshake, and records, in one write succeed",
              codes(ending(client)[0]) == ["welcome", "inbox", "bye"])


# --- logins that are refused ---

def refusals(server):
    """Row 10 and T10: the same bytes, in the same time, whatever was wrong."""
    stranger = key_pair()
    turns = {kind: threading.Semaphore(2 if kind == "wrong password" else WORKERS) for kind in (
        "wrong password", "unknown key", "unknown user", "revoked")}  # only the first computes an Argon2id

    def attempt(kind, number):
        with turns[kind]:
            return refuse(kind, number)

    def refuse(kind, number):
        source = f"127.1.{number // 200}.{1 + number % 200}"  # a count of wrong passwords for each
        user = {"wrong password": f"w{number + 1}", "unknown user": f"x{number}", "revoked": "client4",
                "unknown key": "client1"}[kind]
        key = load_private(f"client{4 if kind == 'revoked' else 1}_x25519_private.pem")
        with server.client("client1", source=source) as client:
            client.user, client.static = user, stranger if kind == "unknown key" else key
            client.open()
            began = time.monotonic()
            client.send_login({"user": user, "password": "wrong"})
            record = client.recv_message()
            took = time.monotonic() - began
            reply = client.back.decrypt_with_ad(b"", record)
            return kind, bytes(reply), took, client.ended()

    kinds, results = list(turns), []
    each(lambda case: results.append(attempt(*case)), [(kind, n) for n in range(TRIES) for kind in kinds])
    check(f"10: {len(kinds)} kinds of refused logins, {TRIES} times each, are all answered",
          len(results) == TRIES * len(kinds))
    check("10, T10: by the same bytes, and the close", [
        f"{kind}: {reply}" for kind, reply, _, ended in results if reply != results[0][1] or not ended])
    check("10: which say denied", b'"code":"denied"' in results[0][1])
    check("10: none sooner than a quarter of a second", [
        f"{kind}: {took:.3f}" for kind, _, took, _ in results if took < 0.245])
    spread = {}
    for kind in kinds:
        times = sorted(took for which, _, took, _ in results if which == kind)
        spread[kind] = times[0], times[len(times) // 4], times[-1]  # a busy machine only adds
        diag(f"{kind}: " + ", ".join(f"{1000 * one:.0f}" for one in spread[kind]) + " ms")
    low, high = min(one[1] for one in spread.values()), max(one[1] for one in spread.values())
    if not os.environ.get("SANITIZED"):
        check("T10: their times overlap", high < 1.4 * low
              and max(one[0] for one in spread.values()) < min(one[2] for one in spread.values()))


def bad_logins(server):
    """Logins that are no objects, or no users: refused like all others."""
    logins = {"no JSON": b"hello", "an array": b"[]", "blanks": b" ", "null": b"null",
              "a name twice": b'{"user":"client1","user":"client1","password":"password1"}',
              "\\u0000": b'{"user":"client1\\u0000","password":"password1"}',
              "a lone surrogate": b'{"user":"client1","password":"password1","x":"\\ud800"}',
              "a byte order mark": b'\xef\xbb\xbf{"user":"client1","password":"password1"}',
              "text behind it": b'{"user":"client1","password":"password1"}x',
              "a NUL behind it": b'{"user":"client1","password":"password1"}\0',
              "depth 4,000": b"[" * 2000 + b"]" * 2000,
              "depth 700": b'{"user":"client1","password":"password1","x":' + b'{"a":' * 700,
              "a huge number": b'{"user":"client1","password":"password1","x":1e999}',
              "no user": b'{"password":"password1"}', "a number for a user": b'{"user":1,"password":"password1"}',
              "a path": b'{"user":"../client1","password":"password1"}',
              "upper case": b'{"user":"CLIENT1","password":"password1"}',
              "a blank behind": b'{"user":"client1 ","password":"password1"}',
              "the server": b'{"user":"server","password":"password1"}',
              "an empty name": b'{"user":"","password":"password1"}',
              "33 characters": b'{"user":"' + b"c" * 33 + b'","password":"password1"}',
              "an escape sequence": b'{"user":"\\u001b[31mclient1","password":"password1"}',
              "more fields for the log": b'{"user":"x\\" code=0 user=\\"root","password":"password1"}',
              "a join that is none": b'{"user":"client2","join":"AAAAAAAAAAAAAAAAAAAAAA"}'}

    def refused(name):
        with server.client() as client:
            client.open()
            client.send_login(logins[name] + b" " * (-len(logins[name]) % LOGIN))
            replies, how = ending(client)
            return None if codes(replies) == ["denied"] and how == "closed" else f"{replies}, {how}"

    check(f"a login of {len(logins)} bad kinds is denied like any other", each(refused, logins))
    with server.client() as client:
        client.open()
        with client.together():
            client.send_login({"user": "client2", "password": "password1"})
            client.send_object({"type": "send", "to": ["client2"], "title": "Early", "chars": 30000,
                                "length": 30000}, b"x" * 30000)
        replies, how = ending(client)
        check("what a client sends behind a login that is refused is dropped", codes(replies) == ["denied"])


def guesses(server):
    """T11."""
    def tries(password):
        with server.client(source="127.0.7.7") as client:
            client.user = "w1"
            client.open()
            began = time.monotonic()
            client.send_login({"user": "w1", "password": password})
            return client.recv_reply()[0]["type"], time.monotonic() - began

    times = [tries("guess")[1] for _ in range(6)]
    diag("guesses: " + ", ".join(f"{1000 * one:.0f}" for one in times) + " ms")
    check("T11: guessing a password becomes slow", times[-1] > 1.2)
    kind, took = tries("right")
    check("T11: the right one works, and does not wait", kind == "welcome" and took < times[-1])


def main():
    server, rest = attacked()
    openings(server, rest == ["only"])
    if rest == ["only"]:
        return
    lengths(server)
    memory(server)
    points(server)
    server.unharmed("bad openings")
    thirds(server)
    sound(server)
    server.unharmed("bad handshakes")
    refusals(server)
    bad_logins(server)
    guesses(server)
    server.unharmed("bad logins")


if __name__ == "__main__":
    main()
