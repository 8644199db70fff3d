#!/usr/bin/python3
"""Every message of whole sessions, changed in every way, on its way between our clients and our server.

  proxy_cases.py HOST:PORT PID     the server, which serves the current folder, as lib.sh's site made it

A session is one run of an applet through a proxy (proxy.py) with one rule. What each may end with is in
`allowed`; what must be in the mailboxes, in the checks of Sends and Deletes. At the end every letter is
sent again under its id, past the proxy: then all of them must be there once.
"""
import json, os, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from enhanced_wire import OPENING
from proxy import Proxy
from verdict import PROGRAM, check, childless, diag, settled, spooled

REFUSAL, MENU = "Invalid username or password", "Select the operation:\n    1) Create and send an email"
FORGED = "hex:0030" + "5a" * 48  # the length of message 2, or a record
ACTIONS = ["flip", "flip=1", "flip=-1", "drop", "double", "swap", "repeat=0", "clip=1", "truncate",
           "truncate=1", "fin", "rst", "reflect", f"inject={REFUSAL}", f"inject={MENU}",
           f"inject={FORGED}"]
WAITS = {"drop", "swap", "inject", "repeat", "clip", "flip=1"}  # often for the server's limits
SMALL, LARGE = b"a small letter\n", b"0123456789abcdef" * 2500
WORKERS = 40  # most of them wait


@dataclass
class Case:
    kind: str
    side: str
    number: int
    action: str
    id: str
    title: str
    code: int = None
    out: bytes = b""
    err: str = ""
    links: list = field(default_factory=list)

    def __str__(self):
        return f"{self.kind} {self.side}:{self.number}:{self.action}: exit {self.code}, {self.err}"


class Session:
    """One kind of session: who runs what, how long it is, and what must come of it."""
    kind = user = None
    one_flight = False
    harmless_double = False  # of the last thing asked: the answer to the first one is right

    def __init__(self, target):
        self.target = target
        clean = self.run(Case(self.kind, "c", -1, "drop", "f" * 32, f"{self.kind} clean"))
        counts = [(len(link.there.came), len(link.back.came)) for link in clean.links]
        check(f"{self.kind}: a session through the proxy is as without it",
              [clean] if clean.code or self.wrong_output(clean) or len(counts) != 1 else [])
        self.clean = clean
        self.asked, self.answered = counts[0][0] - 2, counts[0][1] - 2  # the last is bye's

    def cases(self):
        places = [("c", n) for n in range(self.asked + 2)] + [("s", n) for n in range(self.answered + 2)]
        for action in ACTIONS:
            for side, number in places:
                if action.startswith("repeat") and number < 1:
                    continue
                yield self.case(side, number, action)

    def case(self, side, number, action):
        title = f"{self.kind}-{side}{number}-{chr(97 + ACTIONS.index(action))}"  # none begins another
        return Case(self.kind, side, number, action, os.urandom(16).hex(), title)

    def run(self, case):
        with Proxy(self.target, [f"{case.side}:{case.number}:{case.action}"]) as proxy:
            command = [PROGRAM, case.kind.split("-")[0], "--enhanced", "-k", ".", "-s",
                       f"127.0.0.1:{proxy.port}", "-u", self.user, "--password-file",
                       f"pw{self.user[-1]}", *self.words(case)]
            try:
                done = subprocess.run(command, capture_output=True, input=self.spool(case), timeout=40)
                case.code, case.out = done.returncode, done.stdout
                case.err = done.stderr.decode("utf-8", "replace")
            except subprocess.TimeoutExpired:
                case.err = "it hangs"
        case.links = proxy.links
        return case

    def spool(self, case):
        """What the applet reads on stdin."""
        return b""

    def allowed(self, case):
        """The exit codes that are right."""
        last = self.asked if case.side == "c" else self.answered
        name = case.action.partition("=")[0]
        if case.number > last:  # all was answered before; where the goodbye flies with the request, maybe
            return {0, 75, 76} if case.side == "c" and self.one_flight else {0}
        if name == "double" and case.number == last and (case.side == "s" or self.harmless_double):
            return {0} if case.side == "s" else {0, 75, 76}
        if case.side == "c" or name in ("drop", "swap", "inject", "reflect") or case.action == "flip=1":
            return {75, 76}
        if name in ("fin", "rst", "truncate"):
            return {75}
        return {76}

    def wrong_output(self, case):
        """The reason why what was printed is wrong; None when it is right."""

    def believed(self, case):
        """Exit 0, although the answer had not arrived as it was said."""
        back, count = case.links[0].back, self.answered + 1
        return case.code == 0 and (len(back.came) < count or back.came[:count] != back.went[:count])

    def judge(self, cases):
        for action in ACTIONS:
            these = [case for case in cases if case.action == action]
            faults = [f"{case} (not {self.allowed(case)})" for case in these
                      if case.code not in self.allowed(case)]
            faults += [f"{case}: {wrong}" for case in these if (wrong := self.wrong_output(case))]
            name = action.split("\n")[0].replace("5a" * 48, "5a...")
            check(f"{self.kind}: {name} at each of {len(these)} messages: the exit code tells", faults)
        check(f"{self.kind}: exit 0 means that the answer had arrived as it was said",
              [case for case in cases if self.believed(case)])


class Sends(Session):
    kind, user, content, file = "send", "client1", SMALL, "small.txt"
    harmless_double = one_flight = True

    def words(self, case):
        return ["-t", "client2;client4", "--title", case.title, "--id", case.id, self.file]

    def copies(self, case):
        return [len(list(Path(who).glob(f"client1_{case.title}*"))) for who in ("client2", "client4")]

    def judge(self, cases):
        super().judge(cases)
        settled()
        stored = {id(case): self.copies(case) for case in cases}
        check(f"{self.kind}: exit 0 means stored, once, for both", [
            f"{case}: {stored[id(case)]}" for case in cases
            if case.code == 0 and stored[id(case)] != [1, 1]])
        check(f"{self.kind}: all or nothing, and never twice", [
            f"{case}: {stored[id(case)]}" for case in cases if stored[id(case)] not in ([0, 0], [1, 1])])
        check(f"{self.kind}: a request that did not arrive as it was sent stores nothing", [
            f"{case}: {stored[id(case)]}" for case in cases
            if case.side == "c" and case.number <= self.asked and case.action != "double"
            and stored[id(case)] != [0, 0]])
        check(f"{self.kind}: what is stored is whole", [
            f"{case}: {path}" for case in cases for path in Path(".").glob(f"client[24]/client1_{case.title}*")
            if path.read_bytes().partition(b"\nContent:\n")[2] != self.content])
        lost = [case for case in cases if case.code and stored[id(case)] == [1, 1]]
        check(f"{self.kind}: acknowledgements were lost, too ({len(lost)}), so that sending again says more",
              len(lost) >= 10)

    def send_again(self, cases):
        spool = "".join(json.dumps({"to": "client2;client4", "title": case.title, "id": case.id,
                                    "file": self.file}) + "\n" for case in cases)
        before = {case.id: self.copies(case)[0] for case in cases}
        done = subprocess.run([PROGRAM, "send", "--batch", "--json", "--enhanced", "-u", self.user, "-k", ".",
                               "--password-file", "pw1", "-s", "%s:%d" % self.target],
                              input=spool.encode(), capture_output=True, timeout=120)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        check(f"{self.kind}: all of them are sent again, and taken",
              [done.stderr.decode()] if done.returncode or len(rows) != len(cases) else [])
        check(f"{self.kind}: the server says of each whether it had it", [
            row for row in rows if row.get("again", False) != (before[row["id"]] == 1)])
        settled()
        check(f"{self.kind}: now each is there once, for both", [
            f"{case}: {self.copies(case)}" for case in cases if self.copies(case) != [1, 1]])


class LargeSends(Sends):
    kind, content, file = "send-large", LARGE, "large.txt"


class Batches(Sends):
    """Three letters in one session, in one flight: each is reported by itself."""
    kind = "send-batch"

    def words(self, case):
        return ["--batch", "--json"]

    def letters(self, case):
        return [{"to": "client2;client4", "title": f"{case.title}-{n}", "file": self.file,
                 "id": f"{n:02}{case.id[2:]}"} for n in range(3)]

    def spool(self, case):
        return "".join(json.dumps(letter) + "\n" for letter in self.letters(case)).encode()

    def copies(self, case):
        """For both users together, where all three are alike."""
        each = [[len(list(Path(who).glob(f"client1_{letter['title']}.txt"))) for who in ("client2", "client4")]
                for letter in self.letters(case)]
        return each[0] if each[0] == each[1] == each[2] else each

    def judge(self, cases):
        Session.judge(self, cases)
        settled()
        faults = []
        for case in cases:
            rows = {row["title"]: row["stored"] for row in map(json.loads, case.out.splitlines())}
            for letter in self.letters(case):
                there = [Path(who, f"client1_{letter['title']}.txt").exists() for who in ("client2", "client4")]
                said = rows.get(letter["title"], False)
                if there[0] != there[1] or said and not there[0] or case.code == 0 and not said:
                    faults.append(f"{case}: {letter['title']} is there: {there}, reported: {said}")
        check("send-batch: what is reported stored is, exit 0 reports all, and each is there for both or none",
              faults)
        check("send-batch: nothing is there twice", not any(Path("client2").glob(f"client1_{self.kind}*~*")))

    def send_again(self, cases):
        spool = b"".join(self.spool(case) for case in cases)
        done = subprocess.run([PROGRAM, "send", "--batch", "--json", "--enhanced", "-u", self.user, "-k", ".",
                               "--password-file", "pw1", "-s", "%s:%d" % self.target],
                              input=spool, capture_output=True, timeout=120)
        check(f"{self.kind}: all of them are sent again, and taken", done.returncode == 0)
        settled()
        check(f"{self.kind}: now each is there once, for both", [
            f"{case}: {self.copies(case)}" for case in cases if self.copies(case) != [1, 1]]
            + list(Path("client2").glob(f"client1_{self.kind}*~*")))


class Prints(Session):
    """What only reads: exit 0 means all of it, and anything else at most a part."""
    user = "client5"
    harmless_double = True
    right = None

    def wrong_output(self, case):
        self.right = self.right or case.out
        if case.code == 0 and case.out != self.right or not self.right.startswith(case.out):
            return f"it printed {case.out[:80]!r}"


class Inboxes(Prints):
    kind = "inbox"

    def words(self, case):
        return ["--ids"]


class Waits(Prints):
    kind = "inbox-wait"

    def words(self, case):
        return ["--wait", "--after", "0"]


class Reads(Prints):
    kind, right = "read", LARGE

    def words(self, case):
        return ["--content", "2"]


class Deletes(Session):
    kind, user = "delete", "client3"
    harmless_double = True

    def __init__(self, target, ids):
        self.ids, self.given = ids, {}
        super().__init__(target)

    def words(self, case):
        self.given[case.title] = self.ids.pop()
        return [self.given[case.title]]

    def judge(self, cases):
        super().judge(cases)
        rows = listed(self.target, self.user)
        left = {case.title: self.given[case.title] in rows for case in cases}
        check("delete: exit 0 means gone", [case for case in cases if case.code == 0 and left[case.title]])
        check("delete: a request that did not arrive as it was sent removes nothing", [
            case for case in cases if case.side == "c" and case.number <= self.asked
            and case.action != "double" and not left[case.title]])
        check("delete: what nobody asked to remove is there", [one for one in self.ids if one not in rows])


def listed(target, user):
    """The ids in a user's inbox."""
    out = subprocess.run([PROGRAM, "inbox", "--ids", "--enhanced", "-u", user, "-k", ".", "--password-file",
                          f"pw{user[-1]}", "-s", "%s:%d" % target], capture_output=True, timeout=40)
    return {line.split("\t")[0] for line in out.stdout.decode().splitlines()}


def fill(target, user, count):
    spool = "".join(json.dumps({"to": user, "title": f"{n}", "file": "large.txt" if n == 1 else "small.txt"})
                    + "\n" for n in range(count))
    subprocess.run([PROGRAM, "send", "--batch", "--enhanced", "-u", "client1", "-k", ".", "--password-file",
                    "pw1", "-s", "%s:%d" % target], input=spool.encode(), check=True,
                   stdout=subprocess.DEVNULL, timeout=120)


def strays(case):
    """Bytes that a client of the enhanced protocol never says, or connections that it never makes."""
    if len(case.links) != 1:
        return f"{case}: {len(case.links)} connections"
    half = case.links[0].there
    rest = bytes(half.buffer)
    while len(rest) >= 2 and len(rest) >= 2 + int.from_bytes(rest[:2], "big"):
        rest = rest[2 + int.from_bytes(rest[:2], "big"):]
    if not half.came and case.action in ("fin", "rst", "truncate", "truncate=1"):
        return None
    if half.came[0] != OPENING or any(len(one) - 2 != int.from_bytes(one[:2], "big") for one in half.came[1:]):
        return f"{case}: it said {half.came[0]!r}"
    return f"{case}: {rest[:40]!r} behind the last message" if rest else None


def main():
    host, _, port = sys.argv[1].rpartition(":")
    target, server = (host, int(port)), int(sys.argv[2])
    Path("small.txt").write_bytes(SMALL)
    Path("large.txt").write_bytes(LARGE)
    fill(target, "client5", 3)
    fill(target, "client3", 200)
    sessions = [Sends(target), LargeSends(target), Batches(target), Inboxes(target), Waits(target), Reads(target),
                Deletes(target, sorted(listed(target, "client3")))]
    everything = [(session, case) for session in sessions for case in session.cases()]
    # who waits for the server's limits begins first
    everything.sort(key=lambda one: not WAITS & {one[1].action, one[1].action.partition("=")[0]})
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda one: one[0].run(one[1]), everything))
    diag(f"{len(everything)} sessions")
    check("no session is left behind", childless(server))
    for session in sessions:
        session.judge([case for which, case in everything if which is session])
    check("no client says anything but the enhanced protocol, or calls twice",
          [fault for _, case in everything if (fault := strays(case))])
    check("the spool is empty", not spooled())
    for session in sessions[:3]:
        session.send_again([case for which, case in everything if which is session])


if __name__ == "__main__":
    main()
