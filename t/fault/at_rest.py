"""Converting a server's folder (smtp361 atrest), struck at any call: what is exported stays the same, byte for byte,
and the way it was under way goes to its end when it is run again."""
import subprocess, tempfile
from pathlib import Path

from machine import ENGINE, PROGRAM, run
from oracle import FIVE, Model
from scenarios import LARGE, SMALL, Scenario

KEY = "0123456789abcdef" * 4
TITLE = "a title that is nobody else's business"


def sealed(store):
    return ["-d", str(store), "--at-rest", str(store / "key")]


def plain(store):
    return ["-d", str(store)]


class Conversion(Scenario):
    start, fresh, slow = "now", True, True

    def __init__(self, title, verb):
        self.title, self.verb, self.goal = title, verb, "key-file" if verb == "on" else "plain"

    def begin(self, store):
        (store / "key").write_text(KEY)
        (store / "key").chmod(0o600)
        (store / "user_pass.json").write_text("{%s}" % ", ".join(f'"{user}": "password"' for user in FIVE))
        (store / "user_pass.json").chmod(0o600)
        model = Model()
        letters = [model.letter(FIVE, SMALL, True), model.letter(["client2"], LARGE), model.letter(FIVE[:2], LARGE)]
        for letter in letters:
            letter.title = TITLE
        self.must([ENGINE, str(store), "recover", letters[0].step(), "settle", *(one.step() for one in letters[1:]), "crash"])
        (store / "client3/broken.txt").write_text(TITLE)  # what is damaged is kept, too
        with tempfile.TemporaryDirectory(dir=store.parent) as copy:
            subprocess.run(["cp", "-a", f"{store}/.", copy], check=True)
            self.exported = self.export(Path(copy), plain)
        if self.verb == "off":
            self.must([PROGRAM, "atrest", *sealed(store), "on"])
        subprocess.run(["sync", "-f", store], check=True)

    @staticmethod
    def must(command):
        result = run(command)
        if result.code:
            raise RuntimeError(f"{command[1:]}: exit {result.code}, {result.out} {result.err}")
        return result.out

    @staticmethod
    def export(store, how):
        """All that any mailbox has; 65 tells of the damaged one."""
        with tempfile.TemporaryDirectory(dir=store.parent) as out:
            result = run([PROGRAM, "export", *how(store), "--all", out])
            return result.code, result.out.replace(out, ""), [(Path(out) / f"{user}.mbox").read_bytes() for user in FIVE]

    def command(self, store):
        return [PROGRAM, "atrest", *sealed(store), self.verb]

    def judge(self, store, when):
        state = run([PROGRAM, "atrest", *plain(store), "status"]).out.strip()
        how = sealed if state == "key-file" else plain
        faults = [] if self.export(store, how) == self.exported else [f"{when}: another export of {state} mail"]
        if state == "key-file":
            found = subprocess.run(["grep", "-rlE", f"{TITLE}|client1|password", "--exclude=*.pem", store],
                                   capture_output=True).stdout.decode().split()
            faults += [f"{when}: {name} is legible" for name in found]
        return state, faults

    def after(self, store, result):
        faults, state = [], run([PROGRAM, "atrest", *plain(store), "status"]).out.strip()
        if state == "interrupted":
            if run([PROGRAM, "export", *sealed(store), "--all", "-"]).code != 78:
                faults.append("a folder that is half converted is read")
            again = run([PROGRAM, "atrest", *plain(store), "resume"])
            if again.code:
                faults.append(f"resume: exit {again.code}, {again.err}")
        state, found = self.judge(store, "after it")
        faults += found
        if result.code == 0 and state != self.goal:
            faults.append(f"done, and it is {state}")
        again = run(self.command(store))
        if again.code != (78 if state == self.goal else 0):
            faults.append(f"again, when it was {state}: exit {again.code}, {again.err}")
        state, found = self.judge(store, "again")
        faults += found + ([] if state == self.goal else [f"again: it is {state}"])
        return faults + [f"left over: {name}" for name in (".at_rest.new", ".at_rest.ready") if (store / name).exists()]


CONVERSIONS = [lambda: Conversion("atrest on", "on"), lambda: Conversion("atrest off", "off")]
