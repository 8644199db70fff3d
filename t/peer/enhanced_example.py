#!/usr/bin/python3
"""The worked example of proto/PROTOCOL.md's enhanced protocol, checked, played and filled in.

  enhanced_example.py check FILE  the public keys, the hash, the keys of the records and the bytes of
                                  each text are what dissononce makes of the private keys and the texts
  enhanced_example.py play FILE   both halves of enhanced_peer.py, with the document's keys, have the
                                  session on loopback; every byte of each side must be the document's
  enhanced_example.py fill FILE   print the example with its bytes made anew, for whoever edits a text

Exit codes: 0 as the document says, 1 otherwise (with a line on stderr).
"""
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from enhanced_peer import Client, Server
from enhanced_wire import LOGIN, OPENING, Wire, key_pair, load_public, write_keys

WHO = ["client static", "server static", "client ephemeral", "server ephemeral"]


def fail(text):
    sys.exit(f"enhanced_example.py: {text}")


def parse(path):
    """{what: hex} of the keys, and [(who, text, bytes)] of the session."""
    document = Path(path).read_text().split("\n## The enhanced protocol\n")[1]
    fences = re.findall(r"^```\n(.*?)^```$", document, re.S | re.M)
    lines = next(f for f in fences if f.startswith(WHO[0])).splitlines()
    example = next(f for f in fences if f.startswith("C OPENING"))
    steps = []
    for part in example.strip().split("\n\n"):
        head, *rest = part.split("\n")
        steps.append((*head.split(" ", 1), bytes.fromhex("".join(line.strip() for line in rest))))
    return dict(line.rsplit(None, 1) for line in lines), steps


def raw(keys, who):
    return bytes.fromhex(keys[f"{who} private"])


def halves(keys):
    """Both ends, before the first byte; no connection is needed."""
    client, server = (Wire(ephemeral=raw(keys, f"{who} ephemeral")) for who in ("client", "server"))
    server_key = key_pair(raw(keys, "server static"))
    client.begin(True, key_pair(raw(keys, "client static")), server_key.public)
    server.begin(False, server_key)
    return {"C": client, "S": server}


def handshake_payload(text):
    """Of a MESSAGE N: what stands behind it, padded."""
    payload = text.partition(" ")[2].partition(" ")[2].encode()
    return payload + b" " * (-len(payload) % LOGIN)


def recompute(keys, steps):
    """[bytes] of the steps, and the lines of the keys."""
    ends, made = halves(keys), []
    for who, text, _ in steps:
        here, there = ends[who], ends["S" if who == "C" else "C"]
        if text == "OPENING":
            made.append(OPENING)
            continue
        if text.startswith("MESSAGE "):
            data = here.noise_write(handshake_payload(text))
            there.noise_read(data)
        else:
            plain = text[1:-1] if text.startswith('"') else text
            data = here.out.encrypt_with_ad(b"", plain.encode())
        made.append(len(data).to_bytes(2, "big") + data)
    lines = {}
    for who in WHO:
        pair = key_pair(raw(keys, who))
        lines[f"{who} private"], lines[f"{who} public"] = pair.private.data.hex(), pair.public.data.hex()
    lines["handshake hash"] = ends["C"].hash.hex()
    for name, end in (("records C to S, key", "C"), ("records S to C, key", "S")):
        lines[name] = ends[end].out._key.hex()
    return made, lines


def check(path):
    keys, steps = parse(path)
    made, lines = recompute(keys, steps)
    for what, value in lines.items():
        if keys.get(what) != value:
            fail(f"{what} is {value}")
    for number, ((who, text, data), right) in enumerate(zip(steps, made), 1):
        if data != right:
            fail(f"text {number} ({who} {text[:30]!r}) is {right.hex()}")
    print(f"{len(steps)} texts agree")


def fill(path):
    keys, steps = parse(path)
    made, lines = recompute(keys, steps)
    print("```")
    for what, value in lines.items():
        print(f"{what:<26}{value}")
    print("```\n\n```")
    parts = []
    for (who, text, _), data in zip(steps, made):
        rows = [f"    {data[at:at + 32].hex()}" for at in range(0, len(data), 32)]
        parts.append("\n".join([f"{who} {text}", *rows]))
    print("\n\n".join(parts) + "\n```")


def field(text, name):
    return re.search(rf'"{name}":"?([0-9a-f]+)', text)[1]


def moments(texts, ids):
    """When each of these was stored, as the lists of the example tell it."""
    return [int(re.search(rf'"id":"{one}",[^{{}}]*"us":([0-9]+)', "\n".join(texts))[1])
            for one in ids]


def compare(side, got, steps):
    want = b"".join(data for who, _, data in steps if who == side)
    if got != want:
        at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
        fail(f"{side} says another byte {at}, or {len(got)} of {len(want)} bytes")


def play(path):
    keys, steps = parse(path)
    texts = [text for who, text, _ in steps]
    stored = [field(t, "id") for t in texts if t.startswith('{"type":"sent"')]
    ids, clock = iter(stored), iter(moments(texts, stored))
    os.environ["TZ"] = "UTC"
    time.tzset()
    with tempfile.TemporaryDirectory() as folder:
        write_keys(folder, "server", raw(keys, "server static"))
        write_keys(folder, "client1", raw(keys, "client static"))
        server = Server(folder, {"client1": None, "client2": None}, log=lambda event: None,
                        ephemeral=raw(keys, "server ephemeral"), clock=lambda: next(clock),
                        new_id=lambda: next(ids))
        threading.Thread(target=server.serve, daemon=True).start()
        client = Client("127.0.0.1", server.port, "client1", folder,
                        load_public(f"{folder}/server_x25519_public.pem"),
                        ephemeral=raw(keys, "client ephemeral"))
        with client.connect():
            session(client, [text for who, text, _ in steps if who == "C"])
    compare("C", bytes(client.said), steps)
    compare("S", bytes(client.heard), steps)
    print(f"{len(steps)} texts played")


def session(client, texts):
    """Say what C says: the example's own words, answered by a server that knows only the rules."""
    client.open()
    client.send_login(handshake_payload(texts[2]))
    client.recv_reply()
    requests = [text.encode() for text in texts[3:]]
    while requests:
        request = requests.pop(0)
        content = requests.pop(0)[1:-1] if b'"length"' in request else None
        client.request(request, content)
    if not client.ended():
        fail("the server says more than the example")


if __name__ == "__main__":
    {"check": check, "play": play, "fill": fill}[sys.argv[1]](*sys.argv[2:])
