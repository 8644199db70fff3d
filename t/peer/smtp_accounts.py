#!/usr/bin/python3
"""What an account has for CRAM-MD5 and SCRAM-SHA-256, judged by other code than ours.

  smtp_accounts.py judge FILE NAME PASSWORD [smtp_password] [cram_md5] [scram_sha256]
      the account in FILE has exactly these fields, and the mechanisms' are of this password
  smtp_accounts.py ask ANSWER COMMAND...
      run the command on a terminal and type ANSWER where a password is asked for, or the same
      again: prints how often it was, what else was printed, and the exit code

SCRAM's keys come from hashlib (RFC 5802 3). MD5 stands here in full (RFC 1321), because hashlib
shows no state of it; that it is MD5 is judged by hmac.
"""
import base64, hashlib, hmac, json, math, os, pty, struct, sys

SHIFTS = [7, 12, 17, 22] * 4 + [5, 9, 14, 20] * 4 + [4, 11, 16, 23] * 4 + [6, 10, 15, 21] * 4
SINES = [int(abs(math.sin(i + 1)) * 2**32) for i in range(64)]
START = struct.pack("<4I", 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)


def md5_block(state, block):
    a, b, c, d = before = struct.unpack("<4I", state)
    words = struct.unpack("<16I", block)
    for i in range(64):
        if i < 16:
            f, k = (b & c) | (~b & d), i
        elif i < 32:
            f, k = (d & b) | (~d & c), 5 * i + 1
        elif i < 48:
            f, k = b ^ c ^ d, 3 * i + 5
        else:
            f, k = c ^ (b | ~d), 7 * i
        f = (f + a + SINES[i] + words[k % 16]) & 0xffffffff
        a, d, c = d, c, b
        b = (b + (f << SHIFTS[i] | f >> (32 - SHIFTS[i]))) & 0xffffffff
    return struct.pack("<4I", *((x + y) & 0xffffffff for x, y in zip(before, (a, b, c, d))))


def md5_end(state, text):
    """The digest of one block, whose state this is, and a short text behind it."""
    tail = text + b"\x80"
    tail += bytes(-(len(tail) + 8) % 64) + struct.pack("<Q", 8 * (64 + len(text)))
    for i in range(0, len(tail), 64):
        state = md5_block(state, tail[i:i + 64])
    return state


def judge_cram(text, password):
    states = base64.b64decode(text + "=", validate=True)
    key = (hashlib.md5(password).digest() if len(password) > 64 else password).ljust(64, b"\0")
    assert states == b"".join(
        md5_block(START, bytes(x ^ pad for x in key)) for pad in (0x36, 0x5c)), "other states"
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    answer = md5_end(states[16:], md5_end(states[:16], challenge))
    assert answer == hmac.new(password, challenge, "md5").digest(), "another answer"


def judge_scram(text, password):
    mechanism, parameters, keys = text.split("$")
    iterations, salt = parameters.split(":")
    salt = base64.b64decode(salt, validate=True)
    assert mechanism == "SCRAM-SHA-256" and iterations == "600000" and len(salt) == 16, text
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, int(iterations))
    client = hmac.new(salted, b"Client Key", "sha256").digest()
    wanted = [hashlib.sha256(client).digest(), hmac.new(salted, b"Server Key", "sha256").digest()]
    assert [base64.b64decode(k, validate=True) for k in keys.split(":")] == wanted, "other keys"


def judge_own(text, password):
    assert text.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), text


JUDGES = {"smtp_password": judge_own, "cram_md5": judge_cram, "scram_sha256": judge_scram}


def judge(path, name, password, *wanted):
    with open(path, encoding="utf-8") as f:
        account = json.load(f)[name]
    found = [field for field in JUDGES if field in account]
    assert found == list(wanted), f"it has {found}"
    assert account.get("password", "$argon2id$").startswith("$argon2id$")
    for field in found:
        JUDGES[field](account[field], password.encode())


def ask(answer, *command):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    shown, asked = b"", 0
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the last one has closed it
            piece = b""
        if not piece:
            break
        shown += piece
        if shown.endswith(b": ") and shown.count(b"assword") + shown.count(b" again: ") > asked:
            asked += 1
            os.write(terminal, answer.encode() + b"\n")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(f"asked {asked}, exit {code}")
    print(shown.decode().replace("\r", ""))


if __name__ == "__main__":
    {"judge": judge, "ask": ask}[sys.argv[1]](*sys.argv[2:])
