#!/usr/bin/python3
"""The worked example of proto/PROTOCOL.md, checked and played.

  example.py check FILE                 each hex block is AES-256-ECB of the text above it (by openssl)
  example.py serve FILE KEYS PORT-FILE  play S of the example once, on loopback, with the fixed sym_key;
                                        every byte of C must be the example's. KEYS holds client1's
                                        public and the server's private key

Exit codes: 0 as the document says, 1 otherwise (with a line on stderr).
"""
import re
import socket
import subprocess
import sys
from pathlib import Path


def parse(path):
    """The menu, the key, and [(who, text, ciphertext)] of the document."""
    document = Path(path).read_text()
    fences = re.findall(r"^```\n(.*?)^```$", document, re.S | re.M)
    menu = next(f for f in fences if f.startswith("Select the operation:"))[:-1]
    key = next(f for f in fences if re.fullmatch(r"[0-9a-f]{64}\n", f)).strip()
    example = next(f for f in fences if re.match(r'C "OK"', f))
    steps, menu_bytes = [], None
    for part in example.strip().split("\n\n"):
        head, *lines = part.split("\n")
        who, text = head.split(" ", 1)
        data = bytes.fromhex("".join(line.strip() for line in lines))
        if text == "MENU":
            text, data = menu, data or menu_bytes
            menu_bytes = data
        else:
            text = text[1:-1].replace("\\n", "\n")
        steps.append((who, text.encode(), data))
    return menu, key, steps


def fail(text):
    sys.exit(f"example.py: {text}")


def check(path):
    menu, key, steps = parse(path)
    if len(menu) != 158:
        fail(f"the menu has {len(menu)} bytes, not 158")
    for number, (who, text, data) in enumerate(steps, 1):
        right = subprocess.run(["openssl", "enc", "-aes-256-ecb", "-K", key], input=text,
                               capture_output=True, check=True).stdout
        if data != right:
            fail(f"text {number} ({who} {text[:30]!r}) is {right.hex()}")
    print(f"{len(steps)} texts agree")


def receive(s, n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        if not piece:
            fail(f"the client closed after {len(data)} of {n} bytes")
        data += piece
    return data


def serve(path, keys, port_file):
    from Cryptodome.Cipher import PKCS1_OAEP
    from Cryptodome.PublicKey import RSA

    def oaep(name):
        return PKCS1_OAEP.new(RSA.import_key((Path(keys) / name).read_text()))

    _, key, steps = parse(path)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)
    Path(port_file + ".new").write_text(f"{listener.getsockname()[1]}\n")
    Path(port_file + ".new").rename(port_file)
    s, _ = listener.accept()
    s.settimeout(20)
    login = oaep("server_private.pem").decrypt(receive(s, 256))
    if login != b"client1\npassword1":
        fail(f"the login is {login!r}")
    s.sendall(oaep("client1_public.pem").encrypt(bytes.fromhex(key)))
    for number, (who, text, data) in enumerate(steps, 1):
        if who == "S":
            s.sendall(data)
        elif receive(s, len(data)) != data:
            fail(f"text {number} is not E({text!r})")
    if s.recv(1):
        fail("the client sent more than the example")
    print(f"{len(steps)} texts played")


if __name__ == "__main__":
    {"check": check, "serve": serve}[sys.argv[1]](*sys.argv[2:])
