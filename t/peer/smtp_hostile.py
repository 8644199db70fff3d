"""The published hostile sequences of SMTP (hostile_sequences.json) against an open server, one by one: each is
judged by what its `must` says, by the replies and by what is stored.

    smtp_hostile.py CASES ADDRESS QUICK-ADDRESS PID

It runs in the server's folder. QUICK: another door, whose login time is three seconds."""
import json, os, socket, sys, time
from pathlib import Path

from smtp_wire import Gone, Line, files, original
from verdict import check, children, childless

CASES, ADDRESS, QUICK, PID = sys.argv[1:]
CRAM_PASSWORD = "password1"


def data(case):
    return case["send"].encode("latin-1")


def one_code(*allowed):
    """The first command's code is one of these, and the session goes on, or ends."""
    def judge(case):
        line = begin(case)
        code = send_all(line, case)[-1]
        return code in allowed, code
    return judge


def begin(case, address=None):
    line = Line(address or ADDRESS)
    if case["stage"] in ("command", "auth", "starttls", "data"):
        line.hello()
    if case["id"].startswith("rcpt-"):
        assert line.codes("MAIL FROM:<a@b.c>") == [250]
    if case["stage"] == "data":
        assert line.codes("MAIL FROM:<a@b.c>", "RCPT TO:<u1@localhost>", "DATA") == [250, 250, 354]
    return line


def send_all(line, case):
    """Each write's reply codes, in one list; a close ends it with "closed"."""
    writes = case["send"] if isinstance(case["send"], list) else [case["send"]]
    codes = []
    try:
        for write in writes:
            line.send(write.encode("latin-1"))
            codes.append(line.reply()[0])
    except Gone:
        codes.append("closed")
    return codes


def gone_soon(line):
    try:
        while True:
            line.reply()
    except Gone:
        return True


# --- data ---

def smuggled(case):
    """At most one message, and none whose envelope was smuggled; "crcrlf" holds a true end of data."""
    before = set(files("u1")) | set(files("victim"))
    line = begin(case)
    try:
        line.send(data(case))
        line.send(b"\r\n.\r\nQUIT\r\n")
    except ConnectionError:
        pass
    codes = line.rest()
    after = {**files("u1"), **files("victim")}
    fresh = [original(after[name]) for name in set(after) - before]
    return len(fresh) <= 1 and not files("victim"), (codes, fresh)


def kept(want):
    """Accepted, and this is what is stored."""
    def judge(case):
        before = set(files("u1"))
        line = begin(case)
        writes = case["send"] if isinstance(case["send"], list) else [case["send"]]
        for write in writes:
            line.send(write.encode("latin-1"))
            time.sleep(0.05 if len(writes) > 1 else 0)
        code = line.reply()[0]
        after = files("u1")
        fresh = [original(after[name])[2] for name in set(after) - before]
        expected = data(case)[:-len(b".\r\n")] if want is None else want
        return code == 250 and fresh == [expected] and line.ask("NOOP")[0] == 250, (code, fresh)
    return judge


def refused_and_nothing(*codes):
    def judge(case):
        before = set(files("u1"))
        line = begin(case)
        try:
            line.send(data(case))
            code = line.reply()[0]
        except (Gone, ConnectionError):
            code = "closed"
        return code in codes and set(files("u1")) == before, code
    return judge


def repeated(case):
    spec = case["send"]
    return spec["repeat"].encode("latin-1") * spec["count"] + spec["tail"].encode("latin-1")


def child_rss(kib):
    """Is no session of the server larger than this?"""
    sizes = []
    for pid in children(int(PID)):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        sizes += [int(l.split()[1]) for l in status.splitlines() if l.startswith("RssAnon")]
    return not sizes or max(sizes) < kib, sizes


def one_long_line(case):
    before = set(files("u1"))
    line = begin(case)
    line.send(repeated(case))
    code = line.reply()[0]
    small, sizes = child_rss(16 << 10)
    small = small or "SANITIZED" in os.environ and os.environ["SANITIZED"] != ""
    return code in (500, 554) and small and set(files("u1")) == before, (code, sizes)


def huge(case):
    used = lambda: sum(f.stat().st_blocks for f in Path(".").rglob("*") if f.is_file())
    files("u1")
    before, names = used(), set(files("u1"))
    line = begin(case)
    line.sock.settimeout(240)
    spec = case["send"]
    piece = spec["repeat"].encode() * 2000
    for _ in range(spec["count"] // 2000):
        line.send(piece)
    line.send(spec["tail"].encode())
    code = line.reply()[0]
    line.close()
    childless(int(PID))
    return code == 552 and set(files("u1")) == names and used() <= before + 64, code


def no_end(case):
    before = set(files("u1"))
    line = begin(case)
    line.send(b"a\r\n")
    line.close()
    childless(int(PID))
    return set(files("u1")) == before, ""


# --- commands ---

def long_command(case):
    line = begin(case)
    line.send(repeated(case))
    code = line.reply()[0]
    small, sizes = child_rss(16 << 10)
    return code == 500 and (small or bool(os.environ.get("SANITIZED"))) and line.ask("NOOP")[0] == 250, (code, sizes)


def closes(*codes):
    """One of these, and the end."""
    def judge(case):
        line = begin(case)
        line.send(data(case))
        heard = line.rest()
        return len(heard) <= 1 and all(code in codes for code in heard), heard
    return judge


def sequence(*want):
    def judge(case):
        codes = send_all(begin(case), case)
        return codes == list(want), codes
    return judge


def untouched(*codes):
    """Refused, and no file anywhere is new."""
    def judge(case):
        tree = lambda: sorted(str(p) for p in Path("..").rglob("*") if ".journal" not in str(p))
        files("u1")
        before = tree()
        got = send_all(begin(case), case)
        return got[-1] in codes and tree() == before, got
    return judge


def delivered_to_u1(case):
    """To u1, or refused: never a mailbox of another name."""
    before, folders = set(files("u1")), sorted(p.name for p in Path(".").iterdir() if p.is_dir())
    line = begin(case)
    code = send_all(line, case)[-1]
    if code == 250:
        assert line.codes("DATA") == [354]
        line.send(b"x\r\n.\r\n")
        code = line.reply()[0]
    fresh = len(set(files("u1")) - before)
    same = sorted(p.name for p in Path(".").iterdir() if p.is_dir()) == folders
    return (code == 250 and fresh == 1 or code == 550 and fresh == 0) and same, (code, fresh)


def many_recipients(case):
    line = begin(case)
    spec = case["send"]
    codes = []
    for _ in range(spec["count"]):
        line.send(spec["repeat"].encode())
        codes.append(line.reply()[0])
    return codes == [250] * 1000 + [452], (codes[:3], codes[-3:])


# --- auth, TLS, connections ---

def upper_digest(case):
    line = begin(case)
    upper = line.cram("u1", CRAM_PASSWORD, lambda text: text[:3] + text[3:].upper())
    return upper == 535 and line.cram("u1", CRAM_PASSWORD) == 235, upper


def auth_twice(case):
    line = begin(case)
    good = line.cram("u1", CRAM_PASSWORD)
    second = line.ask("AUTH CRAM-MD5")[0]
    return (good, second) == (235, 503), (good, second)


def tls_inject(case):
    """What stood behind STARTTLS is not run in the clear, and not behind the handshake either: the session ends."""
    before = set(files("u1"))
    line = begin(case)
    line.send(data({"send": case["send"][0]}))
    codes = line.rest()
    return codes == [503] and set(files("u1")) == before, codes


def tls_twice(case):
    line = begin(case)
    line.starttls()
    line.hello()
    return line.ask("STARTTLS")[0] == 503, ""


def tls_state(case):
    line = begin(case)
    assert line.codes("EHLO a", "MAIL FROM:<a@b.c>") == [250, 250]
    line.starttls()
    return line.ask("RCPT TO:<u1@localhost>")[0] == 503, ""


def tls_garbage(case):
    line = begin(case)
    assert line.ask("STARTTLS")[0] == 220
    line.send(case["send"][1].encode())
    try:
        heard = line.sock.recv(4096)
    except ConnectionError:
        heard = b""
    return not heard[:1].isdigit(), heard


def tls_close(case):
    line = begin(case)
    line.send(b"STARTTLS\r\n")
    line.close()
    childless(int(PID))
    return "Z" not in children(int(PID)).values(), ""


def early(case):
    line = Line(ADDRESS, greet=False)
    line.send(data(case))
    return [line.reply()[0], line.reply()[0]] == [220, 250], ""


def half_close(case):
    line = Line(ADDRESS)
    line.send(case["send"][0].encode())
    line.sock.shutdown(socket.SHUT_WR)
    return line.rest() == [250], ""


def idle(case):
    began = time.monotonic()
    line = Line(QUICK)
    return line.rest() == [421] and time.monotonic() - began < 30, ""


def drip(case):
    """A byte each half second: faster than the case asks, and it is of no use either."""
    line = Line(QUICK)
    text, i, began = case["send"]["drip"].encode(), 0, time.monotonic()
    line.sock.settimeout(0.5)
    while time.monotonic() - began < 30:
        try:
            line.sock.sendall(text[i % len(text):][:1] if i < len(text) - 2 else b"x")
            i += 1
            if line.reply()[0] == 421:
                return True, ""
        except TimeoutError:
            continue
        except (ConnectionError, Gone):
            return True, ""
    return False, "it lived on"


def quit_pipelined(case):
    line = Line(ADDRESS)
    line.send(data(case))
    codes = line.rest()
    return codes == [250, 221], codes


def pipeline(case):
    line = Line(ADDRESS)
    line.send(repeated(case))
    codes = line.rest()
    return codes == [250] * 1000 + [221], codes[-3:]


JUDGES = {
    "dotstuff-one": kept(b".leading dot\r\n"), "dotstuff-two": kept(b"..\r\n"), "dot-first": kept(b""),
    "dot-split": kept(b"a\r\n"), "bare-lf-line": refused_and_nothing(554), "bare-cr-line": refused_and_nothing(554),
    "nul-in-body": refused_and_nothing(554), "8bit-body": kept(None), "text-998": kept(None),
    "text-999": kept(None), "text-1m-noeol": one_long_line, "data-no-end": no_end, "data-huge": huge,
    "cmd-512": one_code(250), "cmd-513": one_code(500), "cmd-1m": long_command, "cmd-bare-lf": closes(500),
    "cmd-nul": one_code(500, 501), "cmd-8bit": one_code(500), "cmd-http": closes(500), "cmd-tls-hello": closes(500),
    "order-rcpt-first": one_code(503), "order-data-first": one_code(503), "order-mail-twice": sequence(250, 503),
    "rset-mid": sequence(250, 250, 503), "ehlo-mid": sequence(250, 250, 250, 503), "mail-null": one_code(250),
    "mail-space": one_code(250), "mail-noangle": one_code(501), "mail-size-lie": one_code(250),
    "mail-size-big": one_code(552, 501), "mail-size-neg": one_code(501), "mail-param": one_code(555, 504),
    "rcpt-dotdot": untouched(550), "rcpt-slash": untouched(550), "rcpt-abs": untouched(550, 501),
    "rcpt-pipe": untouched(550), "rcpt-dot": untouched(550), "rcpt-nul": untouched(501),
    "rcpt-case": delivered_to_u1, "rcpt-quoted": untouched(550), "rcpt-route": delivered_to_u1,
    "rcpt-relay": one_code(550), "rcpt-percent": untouched(550), "rcpt-long": untouched(501, 550),
    "rcpt-many": many_recipients, "auth-plain-cleartext": one_code(504, 538), "auth-unknown": one_code(504),
    "auth-cancel": sequence(334, 501), "auth-badb64": sequence(334, 501), "auth-empty": one_code(501, 535),
    "auth-nospace": one_code(501, 535), "auth-oldreply": sequence(334, 535), "auth-upper-digest": upper_digest,
    "auth-long": one_code(500, 501), "auth-twice": auth_twice, "auth-in-mail": sequence(250, 503),
    "tls-inject": tls_inject, "tls-twice": tls_twice, "tls-arg": one_code(501), "tls-state": tls_state,
    "tls-garbage": tls_garbage, "tls-close": tls_close, "early-talk": early, "half-close": half_close,
    "idle": idle, "drip": drip, "quit-pipelined": quit_pipelined, "pipeline-1000": pipeline,
}

cases = json.load(open(CASES))["cases"]
for case in cases:
    judge = smuggled if case["id"].startswith("smuggle-") else JUDGES[case["id"]]
    try:
        right, seen = judge(case)
    except (AssertionError, Gone, OSError) as fault:
        right, seen = False, repr(fault)
    check(f"{case['id']}: {case['must']}", [] if right else [f"{seen!r}"[:600]])
check("there are 87 of them, and as many judges as are needed", len(cases) == 87 and
      {c["id"] for c in cases if not c["id"].startswith("smuggle-")} == set(JUDGES))
