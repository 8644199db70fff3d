"""What both roles of the stand-in for the founding Python programs share: keys, padding, texts.

Written from classic-wire.md alone: "Keys and ciphers" and "The python dialect".
"""
import time
from pathlib import Path

from Cryptodome.Cipher import AES, PKCS1_OAEP
from Cryptodome.Hash import SHA1
from Cryptodome.PublicKey import RSA

MENU = (b"Select the operation:\n"
        b"    1) Create and send an email\n"
        b"    2) Display the inbox list\n"
        b"    3) Display the email contents\n"
        b"    4) Terminate the connection\n"
        b"choice: ")
INVALID = b"Invalid username or password"
SIZE_OK = b"size OK"
ASK_INDEX = b"Enter the email index you wish to view: "
NOT_LISTED, NO_SUCH_INDEX = b"ERROR1", b"ERROR2"
BUFFER = 2048  # what one recv takes in the founding programs


class Broken(Exception): pass    # the other side did not do what the founding programs can take
class Closed(Broken): pass       # it closed where it should have spoken


def pad(text):
    count = 16 - len(text) % 16
    return text + bytes([count]) * count


def pad_length(block):
    """The number of PKCS#7 bytes that end this block, 0 if they are not valid."""
    count = block[-1]
    return count if 1 <= count <= 16 and block.endswith(bytes([count]) * count) else 0


def login_hash(login):
    """The third line of a login, over the first two."""
    return SHA1.new(login).hexdigest().encode()


def rsa(folder, name):
    """PKCS1_OAEP of a PEM file, and its modulus' length."""
    key = RSA.import_key((Path(folder) / name).read_bytes())
    return PKCS1_OAEP.new(key), key.size_in_bytes()


class Wire:
    """A connection, read as the founding programs do: each text is what one recv brings, or, if
    its size was announced, what recv brings until it has at least that many bytes. They see
    neither that a text was cut nor that two were joined; here this is Broken. With --split both
    are put right, for tests that are not about it."""

    def __init__(self, sock, args):
        self.sock, self.args = sock, args
        self.raw, self.out, self.aes = bytearray(), bytearray(), None
        sock.settimeout(args.timeout)

    def use_key(self, key):
        self.aes = AES.new(key, AES.MODE_ECB)

    def send(self, data, more=False):
        """more: another text follows at once. --joined and --gap say how close."""
        self.out += data
        if more and self.args.joined:
            return
        self.sock.sendall(self.out)
        self.out.clear()
        if more:
            time.sleep(self.args.gap)

    def say(self, text, more=False):
        self.send(self.aes.encrypt(pad(text)), more)

    def size_of(self, text):
        """What to announce ahead of this text."""
        return b"%d" % len(text if self.args.size == "plain" else pad(text))

    def more(self, what):
        try:
            data = self.sock.recv(BUFFER)
        except TimeoutError:
            raise Broken(f"timed out in {what} after {len(self.raw)} bytes of it")
        except ConnectionError as error:
            raise Closed(f"{error} in {what}")
        if not data:
            raise Closed(f"closed in {what} after {len(self.raw)} bytes of it")
        self.raw += data

    def take_block(self, what, size):
        """An RSA block, or the refusal in its place. Neither says where it ends."""
        self.more(what)
        while self.args.split and len(self.raw) < size and self.raw != INVALID:
            self.more(what)
        if self.raw == INVALID:
            return self.cut(len(INVALID))
        if len(self.raw) != size and not self.args.split:
            raise Broken(f"one recv for {what} brought {len(self.raw)} bytes, not {size}")
        return self.cut(size)

    def cut(self, size):
        data = bytes(self.raw[:size])
        del self.raw[:size]
        return data

    def end_of_text(self, least):
        """Where the first block with a valid padding ends, from `least` bytes on; 0 if nowhere.
        (A size that is the plaintext's can point at the end of a block of text. That this block
        looks like padding takes a text that ends in ten newlines, or in control bytes.)"""
        for end in range((least + 15) // 16 * 16, len(self.raw) + 1, 16):
            if pad_length(self.aes.decrypt(bytes(self.raw[end - 16:end]))):
                return end
        return 0

    def take(self, what, least=1):
        """One text. least: the size that was announced for it."""
        while True:
            while len(self.raw) < max(least, 1):
                self.more(what)
            end, have = self.end_of_text(max(least, 1)), len(self.raw)
            if end != have and not self.args.split:
                raise Broken(f"one recv brought {what} and {have - end} bytes of another text"
                             if end else f"no padding ends {what}: {have} bytes, told {least}")
            if end:
                plain = self.aes.decrypt(self.cut(end))
                return plain[:-pad_length(plain[-16:])]
            self.more(what)

    def expect(self, text):
        got = self.take(repr(text[:30]))
        if got != text:
            raise Broken(f"expected {text!r}, got {got!r}")

    def expect_close(self):
        try:
            self.more("the close")
        except Closed:
            pass
        if self.raw:
            raise Broken(f"{len(self.raw)} bytes instead of the close")
