#!/usr/bin/python3
"""Drives `serve` with bytes that no honest client sends: one session, step by step.

  raw.py --keys DIR --port N login WHAT      one login of the kind WHAT; prints its answer, the
                                             close and the milliseconds to the answer
  raw.py ... hold N [BYTES]                  N connections that send BYTES (hexadecimal) and then wait;
                                             prints `ready`, then ends when it is told to
  raw.py ... drip N                          N connections that send a byte every tenth of a second;
                                             prints `ready`, then for each closed one its seconds
  raw.py ... knock N                         N connections one after the other, closed at once
  raw.py ... --user U --password P STEP...   log in, then go through the steps:

    say:TEXT    one text, padded and enciphered         (backslash escapes in every TEXT)
    enc:TEXT    its whole blocks enciphered, no padding added, the rest left out
    hexe:BYTES  the same, in hexadecimal
    hex:BYTES   these bytes as they are
    file:PATH   the file as one text
    get         print the next text (it ends with valid padding)
    key         step 3 and the first menu, checked
    menu        the next text must end with the menu; what stands before it is printed
    run:COMMAND a shell command while the session waits
    shut        end this direction; the other stays open
    eof         wait for the server's close; prints `closed`, or what came instead
    took        print the seconds since the step before the last
    wait        wait for the end of this program
    reset       close with RST
"""
import argparse
import os
import select
import signal
import socket
import subprocess
import sys
import time

from Cryptodome.Cipher import PKCS1_OAEP
from classic_peer import MENU, Broken, Client, Closed, Wire, decode, encode, load_key


def unescape(text):
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape")


def seal(args, data):
    return PKCS1_OAEP.new(load_key(args, "server_public.pem")).encrypt(data)


def login_block(args, what):
    kind, _, rest = what.partition(":")
    key = load_key(args, "server_public.pem")
    size = key.size_in_bytes()
    if kind == "text":
        return seal(args, encode(unescape(rest)))
    if kind == "random":
        # below the modulus for sure, whatever the number of bytes
        return b"\0" + os.urandom(int(rest) - 1)
    if kind == "cut":
        return seal(args, encode(unescape(rest)))[:-1]
    if kind == "more":
        return seal(args, encode(unescape(rest))) + b"\0"
    if kind == "modulus":
        return (key.n + int(rest or 0)).to_bytes(size, "big")
    if kind == "small":
        return int(rest).to_bytes(size, "big")
    if kind == "ones":
        return b"\xff" * size
    raise SystemExit(f"no such login: {what}")


def dial(args):
    source = (args.source, 0) if args.source else None
    return socket.create_connection((args.host, args.port), args.timeout, source)


def connect(args):
    return Wire(dial(args), args)


def hold(args, count, data=""):
    socks = [dial(args) for _ in range(int(count))]
    for sock in socks:
        sock.sendall(bytes.fromhex(data))
    print("ready", flush=True)
    signal.pause()


def drip(args, count):
    socks = {dial(args): time.monotonic() for _ in range(int(count))}
    print("ready", flush=True)
    while socks:
        time.sleep(0.1)
        for sock in list(socks):
            try:
                sock.sendall(b"x")
                if select.select([sock], [], [], 0)[0] and not sock.recv(64):
                    raise ConnectionError
            except ConnectionError:
                print(f"{time.monotonic() - socks.pop(sock):.1f}", flush=True)


def knock(args, count):
    for _ in range(int(count)):
        dial(args).close()


def login(args, what):
    wire = connect(args)
    wire.send(login_block(args, what))
    # a block cut short ends with this; after a whole one it changes nothing
    began = time.monotonic()
    wire.sock.shutdown(socket.SHUT_WR)
    got, close, took = b"", "closed", 0.0
    try:
        while chunk := wire.sock.recv(65536):
            took = took or time.monotonic() - began
            got += chunk
    except TimeoutError:
        close = "timeout"
    except ConnectionError:
        close = "reset"
    print(repr(got)[2:-1], close, round(took * 1000) if args.timing else "", flush=True)


def step(wire, args, verb, rest):
    if verb == "say":
        wire.send(wire.seal(unescape(rest)))
    elif verb == "enc":
        data = encode(unescape(rest))
        wire.send(wire.aes.encrypt(data[:len(data) // 16 * 16]))
    elif verb == "hexe":
        wire.send(wire.aes.encrypt(bytes.fromhex(rest)))
    elif verb == "hex":
        wire.send(bytes.fromhex(rest))
    elif verb == "file":
        with open(rest, "rb") as file:
            wire.send(wire.seal(decode(file.read())))
    elif verb == "get":
        print(wire.read_text("a text").encode("unicode_escape").decode(), flush=True)
    elif verb == "menu":
        text = wire.read_text("the menu")
        if not text.endswith(MENU):
            raise Broken(f"not the menu: {text!r}")
        print("menu", text.removesuffix(MENU).encode("unicode_escape").decode(), flush=True)
    elif verb == "run":
        subprocess.run(rest, shell=True, check=True)
    elif verb == "shut":
        wire.sock.shutdown(socket.SHUT_WR)
    elif verb == "eof":
        try:
            print("instead:", repr(wire.read_text("the close")), flush=True)
        except (Closed, ConnectionError):
            print("closed", flush=True)
    elif verb == "reset":
        wire.reset(b"")
    elif verb == "wait":
        print("ready", flush=True)
        signal.pause()
    else:
        raise SystemExit(f"no such step: {verb}")


def session(args):
    wire = connect(args)
    if refusal := Client(wire, args).log_in():
        print(refusal)
        return 77
    began = last = time.monotonic()
    for one in args.steps:
        verb, _, rest = one.partition(":")
        if verb == "took":
            print(f"{time.monotonic() - began:.1f}", flush=True)
            continue
        began, last = last, time.monotonic()
        if verb == "key":
            wire.say("OK")
            wire.expect(MENU)
        else:
            step(wire, args, verb, rest)
    return 0


def main():
    parser = argparse.ArgumentParser()
    for name in "keys user password-file".split():
        parser.add_argument(f"--{name}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--source")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("--timing", action="store_true")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("steps", nargs="+")
    args = parser.parse_args()
    args.dribble, args.server_name = False, "server"
    try:
        if args.steps[0] == "login":
            for what in args.steps[1:]:
                for _ in range(args.times):
                    login(args, what)
            return 0
        modes = {"hold": hold, "drip": drip, "knock": knock}
        if args.steps[0] in modes:
            return modes[args.steps[0]](args, *args.steps[1:])
        return session(args)
    except (Broken, ConnectionError, TimeoutError) as error:
        print(f"raw: {type(error).__name__}: {error}", file=sys.stderr)
        return 76


if __name__ == "__main__":
    sys.exit(main())
