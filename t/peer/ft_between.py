#!/usr/bin/python3
"""Every message of whole transfers by noise, changed in every way on its way between our client and our
server: no file has its name but a whole one, and no client believes what was not said.

  ft_between.py PART       each PARTth case; the current folder has key, drop and here; see ft_tested.py
"""
import random, sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from ft_tested import DROP, HERE, Server, run
from ft_wire import PREFACE, SALT
from proxy import Half, Link, Proxy
from verdict import check, diag

DATA = random.Random(361).randbytes(150_000)
FORGED = "hex:0030" + "5a" * 48
ACTIONS = ["flip", "flip=0", "flip=1", "flip=2", "flip=-1", "drop", "double", "swap", "repeat=1", "repeat=2", "clip=1", "truncate",
           "truncate=1", "fin", "rst", "reflect", f"inject={FORGED}", "inject=hex:0000", "inject=hex:ffff"]
ADDING = ("double", "repeat", "inject")
WORKERS = 32  # most of them wait


class FtHalf(Half):
    """It begins with the preface, or the salt; then each message is behind its length."""

    def take(self):
        if not self.framed:
            first = len(PREFACE) if self.side == "c" else SALT
            if len(self.buffer) < first:
                return None
            self.framed = True
            return self.cut_off(first)
        return super().take()


class FtLink(Link):
    half = FtHalf


@dataclass
class Case:
    verb: str
    side: str
    number: int
    action: str
    code: int = None
    said: str = ""

    @property
    def name(self):
        return f"{self.verb}-{self.side}{self.number}-{ACTIONS.index(self.action) if self.action in ACTIONS else 'clean'}"

    @property
    def target(self):
        return (DROP if self.verb == "write" else HERE) / self.name

    def __str__(self):
        return f"{self.verb} {self.side}:{self.number}:{self.action}: exit {self.code}, {self.said.strip()[-150:]}"

    def run(self, server):
        with Proxy(server.target, [f"{self.side}:{self.number}:{self.action}"], link=FtLink) as proxy:
            if self.verb == "write":
                self.code, self.said = run(proxy.port, "write", self.name, "-i", "in", "-q")
            else:
                self.code, self.said = run(proxy.port, "read", "there", "-o", str(self.target), "-q")
        self.lengths = {"c": len(proxy.links[0].there.came), "s": len(proxy.links[0].back.came)}
        return self


def allowed(case, last):
    """The exit codes that the client may have."""
    final, handshake = case.number == last[case.side], case.number < 2
    if case.verb == "read" and case.side == "c" and final:
        return {0}  # it has all of it
    if case.verb == "read" and case.side == "c" and case.number == last["c"] - 1 and case.action.startswith(ADDING):
        return {0, 75, 76}  # what is added behind the request may come when the whole file was sent
    if case.action == "double" and final:
        # something behind the end of the file is refused, where it has come when that is read
        return {0, 76} if (case.verb == "write") == (case.side == "c") else {0}
    if case.action == "rst":
        return {75}
    if handshake:
        return {75, 76, 77}
    name = case.action.partition("=")[0]
    if name in ("fin", "truncate"):
        return {75}
    # a length that grew, or a message that is away, may be followed by the end of the connection alone
    cut = case.action in ("flip=0", "flip=1", "inject=hex:ffff") or name in ("drop", "swap", "reflect")
    # who closes while something unread has come resets, and then it may be that alone what is heard
    return {75, 76} if case.side == "c" or cut else {76}


def faults_of(case, last):
    whole = case.target.exists() and case.target.read_bytes() == DATA
    faults = [] if case.code in allowed(case, last) else [case]
    if case.target.exists() and not whole:
        faults.append(f"half a file has its name: {case}")
    if case.code == 0 and not whole:
        faults.append(f"it believes: {case}")
    stored = case.number == last[case.side] and (case.side == "s" or case.action == "double")
    # what is added behind the go-ahead may be read only when the whole file was sent, and stored
    stored = stored or (case.side == "s" and case.number == last["s"] - 1 and case.action.startswith(ADDING))
    if case.verb == "write" and case.code != 0 and whole and not stored:
        faults.append(f"it was stored: {case}")
    if case.verb == "read" and case.code != 0 and whole:
        faults.append(f"it was kept: {case}")
    return faults


def main():
    part = int(sys.argv[1])
    server = Server("--login-time", "10", "--idle-time", "5").start()
    Path("in").write_bytes(DATA)
    (DROP / "there").write_bytes(DATA)
    for verb in ("write", "read"):
        clean = Case(verb, "c", 99, "drop").run(server)
        check(f"{verb}: through the proxy it is as without it", faults_of(clean, {"c": 99}) if clean.code else [])
        last = {side: count - 1 for side, count in clean.lengths.items()}
        cases = [Case(verb, side, number, action) for side in "cs" for number in range(last[side] + 1) for action in ACTIONS
                 if not action.startswith("repeat") or number > int(action[-1])][::part]
        with ThreadPoolExecutor(WORKERS) as pool:
            done = list(pool.map(lambda case: case.run(server), cases))
        diag(f"{verb}: {len(done)} cases, {last} are the last messages; exit codes "
             f"{ {code: sum(case.code == code for case in done) for code in sorted({case.code for case in done}, key=str)} }")
        for action in dict.fromkeys(case.action for case in done):
            check(f"{verb}: {action} of any message", [fault for case in done if case.action == action for fault in faults_of(case, last)])
    parts = [path for folder in (DROP, HERE) for path in folder.glob(".*") if not path.name.endswith(".part")]
    check("what is left of them are parts alone", parts)
    ends = server.ends()
    check("no session of them failed by a fault of ours", [end for end in ends if end["code"] not in ("0", "75", "76", "77")])
    check("it stops cleanly", server.stop() == 0)
    check("no session died by a signal", [line for line in server.log.read_text().splitlines() if " killed " in line])


if __name__ == "__main__":
    main()
