#!/usr/bin/python3
"""Clients of file transfer that are slow, silent or many: each is ended by its deadline, and the others are
served meanwhile. When is not judged: only that it ends, and as what.

  ft_slow.py        the current folder has key, drop and here; see ft_tested.py
"""
import contextlib, sys, threading
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from ft_hostile import SECRET, dial, hello, message_1
from ft_tested import DROP, Server, run
from ft_wire import DATA, HOLE, OBJECT, PREFACE, SALT, Founding, Noise
from verdict import check, wait_until
import ft_wire as wires

LIMIT = 100  # sessions of one address, where nothing else is said
LARGE = 64_000_000  # more than what all buffers on its way hold


# --- each takes a connection to some place, and returns: from then on it is silent, and reads nothing ---

def preface(wire, count=8):
    wire.write(PREFACE[:count])


def half_message_1(wire):
    preface(wire)
    wire.salt = wire.need(SALT)
    wire.write(message_1(wire)[:30])


def asked(wire, **fields):
    wire.open(SECRET)
    wire.say(OBJECT, fields)
    return wire


def writing(wire, **fields):
    asked(wire, type="write", name=f"slow-{id(wire)}", **fields).expect(OBJECT, "ready")


def half(wire, kind, body):
    with wire.together():
        wire.say(kind, body)
        del wire.held[len(wire.held) // 2:]


def half_request(wire):
    wire.open(SECRET)
    half(wire, OBJECT, {"type": "write", "name": "slow"})


def half_record(wire):
    writing(wire)
    wire.say(DATA, b"some")
    half(wire, DATA, b"more")


def no_end(wire):
    writing(wire, size=4)
    wire.say(DATA, b"four")


def no_proof(wire):
    (DROP / ".held.part").write_bytes(b"x" * 1000)
    (DROP / ".held.part").chmod(0o600)
    if "held" not in asked(wire, type="write", name="held", resume=True).expect(OBJECT, "ready"):
        raise SystemExit("nothing is held")


def no_go(wire):
    asked(wire, type="read", name="small", held=5, key="00" * 32).expect(OBJECT, "ready")


def reads_nothing(wire):
    asked(wire, type="read", name="large")


def founding(wire, *frames, cipher="none"):
    one = Founding(wire)
    one.say(wires.HELLO, bytes([list(wires.CIPHERS).index(cipher)]) + bytes(16))
    for kind, payload in frames:
        one.hear(wires.CONFIRM)
        one.say(kind, payload)
    return one


STAGES = {
    "says nothing": lambda wire: None, "says a byte": lambda wire: preface(wire, 1), "says the preface": preface,
    "says half of message 1": half_message_1, "says no request": lambda wire: wire.open(SECRET), "says half a request": half_request,
    "says no data": writing, "says half a record": half_record, "says no end": no_end, "says no proof": no_proof, "says no go": no_go,
    "reads nothing": reads_nothing, "founding: half a hello": lambda wire: wire.write(hello(0)[:10]),
    "founding: no answer to the challenge": lambda wire: founding(wire, cipher="aes256").wire.need(32),
    "founding: no request": founding, "founding: no data": lambda wire: founding(wire, (wires.WRITE_FILE, b"slow")),
    "founding: half a frame": lambda wire: founding(wire, (wires.WRITE_FILE, b"slow2")).wire.write(bytes(7)),
    "founding: reads nothing": lambda wire: founding(wire, (wires.READ_FILE, b"large"))}


def silent(server):
    """All at once: a session that is never ended would show here."""
    with contextlib.ExitStack() as stack:
        for what, act in STAGES.items():
            wire = stack.enter_context(Noise(dial(server)))
            act(wire)
        code, said = run(server.port, "read", "small", "-o", "here/beside")
        ends = server.ends()
    check("while they are silent another one is served", [] if code == 0 else [code, said])
    failed = sorted(end["code"] for end in ends)
    check(f"each of {len(STAGES)} who fall silent at one stage is ended by a deadline: 75",
          [] if failed == ["0"] + ["75"] * len(STAGES) else ends)


def drip(sock, data, gone):
    """A byte now and then, which is not silence."""
    with contextlib.suppress(OSError):
        for at in range(len(data)):
            sock.sendall(data[at:at + 1])
            if gone.wait(0.2):
                return


def slow(server):
    """Whoever says a byte now and then is ended, too: a deadline is for a whole step."""
    def at_the_handshake(wire):
        preface(wire)
        wire.salt = wire.need(SALT)
        return message_1(wire)

    def at_a_record(wire):
        writing(wire)
        with wire.together():
            wire.say(DATA, bytes(60000))
            data, wire.held = bytes(wire.held), bytearray()
        return data

    def at_the_opening(wire):
        return PREFACE

    def founding_chunk(wire):
        return founding(wire, (wires.WRITE_FILE, b"slow3")) and wires.HEAD.pack(wires.WRITE_FILE, 60000) + bytes(60000)

    gone, threads = threading.Event(), []
    with contextlib.ExitStack() as stack:
        for act in (at_the_handshake, at_a_record, at_the_opening, founding_chunk):
            wire = stack.enter_context(Noise(dial(server)))
            threads.append(threading.Thread(target=drip, args=(wire.sock, act(wire), gone)))
            threads[-1].start()
        ends = server.ends()
        gone.set()
        for thread in threads:
            thread.join()
    check("whoever says a byte now and then is ended by a deadline, too: 75",
          [] if [end["code"] for end in ends] == ["75"] * 4 else ends)


def vast():
    """A hole of 2^62 zeros, to be hashed, and nobody there who waits for it."""
    server = Server("--sum", log="vast.err").start()
    with Noise(dial(server)) as wire:
        asked(wire, type="write", name="vast", size=1 << 62).expect(OBJECT, "ready")
        wire.say(HOLE, 1 << 62)
    check("work that nobody waits for any more is given up", [] if [end["code"] for end in server.ends()] == ["75"] else server.log.read_text())
    check("it stops cleanly", server.stop() == 0)


def crowd(count, *options):
    """So many who say the preface and no more, and transfers beside them."""
    server = Server("--login-time", "600", *options, log="crowd.err").start()
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(dial(server)).sendall(PREFACE)
        wait_until(lambda: len(server.sessions()) >= (count if options else LIMIT))
        if not options:  # all have come, and those that made room have ended
            wait_until(lambda: server.log.read_text().count(" shed child=") >= count - LIMIT)
            wait_until(lambda: len(server.sessions()) <= LIMIT)
        alive = len(server.sessions())
        results = [run(server.port, "write", "beside", "-i", "drop/small"), run(server.port, "read", "beside", "-o", "here/crowd")]
        right = [code for code, _ in results] == [0, 0] and Path("here/crowd").read_bytes() == Path("drop/small").read_bytes()
        check(f"beside {count} idle connections{' of one address' if not options else ''} a file is written and read", [] if right else results)
    server.ends()
    for path in (DROP / "beside", Path("here/crowd")):
        path.unlink(missing_ok=True)
    check("it stops cleanly", server.stop() == 0)
    return alive, server.log.read_text()


def main():
    (DROP / "small").write_bytes(b"small" * 1000)
    with (DROP / "large").open("wb") as file:
        for _ in range(LARGE // 1_000_000):
            file.write(bytes(range(250)) * 4000)
    server = Server("--login-time", "1", "--idle-time", "1", "--allow", "none", "--allow", "aes256").start()
    silent(server)
    slow(server)
    check("nothing of them has a name", {path.name for path in DROP.iterdir() if path.name[0] != "."} == {"small", "large"})
    check("it stops cleanly", server.stop() == 0)
    log = server.log.read_text()
    vast()
    alive, more = crowd(200, "--max-per-address", "300")
    check("all of them have a session then", alive == 200)
    alive, most = crowd(200)
    check("and no more than the limit of one address without", alive <= LIMIT)
    check("no session died by a signal", [line for line in (log + more + most).splitlines() if " killed " in line])


if __name__ == "__main__":
    main()
