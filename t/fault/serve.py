#!/usr/bin/python3
"""A server and its clients, struck at system calls of a session: the current folder holds the keys of five users,
as lib.sh's site made them.

    serve.py kill          the session dies, or the whole server
    serve.py cut KIND      the power is cut on a file system of this kind
    serve.py fault         the session's calls fail

A send has an id (enhanced) or none (classic). Its exit code is the acknowledgement; lists and texts are what
`inbox --json` and `read --content` give. See oracle.py.
"""
import contextlib, errno, hashlib, json, os, re, shutil, signal, socket, subprocess, sys, time
from functools import partial
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../peer"))
from machine import ALL, INJECT, LIMIT, PROGRAM, Disk, Folder, can_cut, can_inject, counted, go_through, plan, run, \
    sample
from oracle import ACKED, FIVE, UNKNOWN, Model
from scenarios import LARGE, SMALL
from verdict import check, children, diag, wait_until

KEYS = Path.cwd()
ENDED = (75, 76)  # a send whose server went away
ERRORS = {"pwrite64": ["ENOSPC", "EIO"], "write": ["ENOSPC"], "fdatasync": ["EIO"], "fsync": ["EIO"], "linkat": ["ENOSPC"],
          "openat": ["EMFILE", "EIO"], "mkdirat": ["ENOSPC"], "renameat": ["EDQUOT"], "unlinkat": ["EIO"],
          "ftruncate": ["EIO"], "fsetxattr": ["ENOSPC"], "pread64": ["EIO"], "mmap": ["ENOMEM"]}


class Server:
    """serve under inject; its plans may change while it runs."""

    def __init__(self, store):
        self.store, self.ours = store, None
        self.start()

    def start(self):
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(LIMIT)
        self.lines = self.ours.makefile()
        self.ours.sendall(plan().encode())
        self.log = open(KEYS / f"log{os.getpid()}", "w+b")  # not on a file system that is cut
        with theirs:
            self.process = subprocess.Popen(
                [INJECT, str(theirs.fileno()), PROGRAM, "serve", "-d", str(self.store), "-l", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, pass_fds=[theirs.fileno()])
        self.lines.readline()
        if not wait_until(lambda: b"ready to accept" in self.said() or self.process.poll() is not None, LIMIT) or \
                self.process.poll() is not None:
            raise RuntimeError(f"the server did not start: {self.said()}")
        self.address = re.search(rb"Listening on (\S+)", self.said()).group(1).decode()
        self.pid = next(iter(children(self.process.pid)))

    def said(self):
        return Path(self.log.name).read_bytes()

    def plan(self, text):
        """Another plan. -> how many calls had counted for the last one, what it struck"""
        struck = []
        self.ours.sendall(text.encode())
        for line in iter(self.lines.readline, ""):
            words = line.split()
            if words[0] == "planned":
                return int(words[2]), struck
            struck.append(" ".join(words[1:4]))
        return 0, struck

    def stop(self):
        """-> its exit code, what was struck since the last plan"""
        if self.process.poll() is None and self.pid in children(self.process.pid):
            os.kill(self.pid, signal.SIGTERM)
        return self.gone()

    def gone(self):
        self.process.wait(LIMIT)
        lines = [line.rstrip("\n") for line in self.lines]
        code = next((int(line.split()[1]) for line in lines if line.startswith("exit ")), None)
        self.ours.close()
        self.lines.close()
        self.log.close()
        return code, [" ".join(line.split()[1:4]) for line in lines if line.startswith("call ")]


class Site:
    """A store, its server, and what clients see of it."""

    def __init__(self, place):
        self.place, self.store, self.model = place, place.fresh(), Model()
        for key in KEYS.glob("*.pem"):
            shutil.copy(key, self.store)
        accounts = self.store / "user_pass.json"
        accounts.write_text(json.dumps({"client1": "password1", **{user: {} for user in FIVE[1:]}}))
        accounts.chmod(0o600)
        subprocess.run(["sync", "-f", self.store], check=True)
        self.server = Server(self.store)

    def client(self, user, applet, *arguments, enhanced=True):
        login = ["--password-file", str(KEYS / "pw1")] if user == "client1" else []
        return run([PROGRAM, applet, *(["--enhanced"] if enhanced else []), "-s", self.server.address, "-u", user,
                    "-k", str(KEYS), *login, *arguments])

    def send(self, letter):
        """-> exit code, what it said. The letter is acknowledged by 0."""
        path = KEYS / f"letter{os.getpid()}"
        path.write_bytes(letter.content())
        result = self.client(letter.source, "send", "-t", ";".join(letter.to), "--title", letter.title,
                             *(["--id", letter.id] if letter.once else []), str(path), enhanced=letter.once)
        if result.code == 0:
            letter.state = ACKED
        return result.code, result.err.strip()

    def judge(self, when, look=(), final=True):
        """look: letters whose content is read, too; None: all."""
        listing, faults = {}, []
        for user in FIVE:
            result = self.client(user, "inbox", "--json")
            if result.code:
                faults.append(f"{when}: inbox of {user}: exit {result.code}: {result.err}")
                continue
            listing[user] = [self.row(user, row, look) for row in json.loads(result.out)]
        return faults + self.model.judge(listing, when, final) if not faults else faults

    def row(self, user, row, look):
        id, digest = row["id"], None
        letter = self.by_title(row["title"])
        if row.get("damaged"):
            return id, "-", "-", row["title"]
        if look is None or letter in look:
            read = subprocess.run(
                [PROGRAM, "read", "--enhanced", "-s", self.server.address, "-u", user, "-k", str(KEYS),
                 *(["--password-file", str(KEYS / "pw1")] if user == "client1" else []), "--content", id],
                capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT)
            digest = hashlib.sha256(read.stdout).hexdigest() if read.returncode == 0 else f"exit {read.returncode}"
        return (letter.id if letter else id), str(row["length"]), digest, row["title"]

    def by_title(self, title):
        """The id in a list is the server's: each letter has a title of its own."""
        return next((one for one in self.model.letters.values() if one.title == title), None)

    def again(self, letter):
        """An unanswered letter with an id is sent again."""
        if not letter.once or letter.state == ACKED and letter.resent:
            return []
        letter.resent = True
        if letter.state != ACKED:
            letter.state = UNKNOWN
        code, said = self.send(letter)
        return [] if code == 0 else [f"sent again: exit {code}: {said}"]

    def restart(self, when):
        """After a death of the server."""
        self.place.revive()
        self.server = Server(self.store)
        return self.judge(when, None)

    def stop(self):
        """A clean stop and another start, with all that there is looked at."""
        code, _ = self.server.stop()
        faults = [] if code == 0 else [f"a clean stop: exit {code}"]
        self.server = Server(self.store)  # which sweeps what a settling that failed has left
        faults += self.judge("at the next start", None)
        self.server.stop()
        return faults + self.model.judge_folder(self.store, "after a clean stop")

    def close(self):
        with contextlib.suppress(Exception):
            self.server.stop()
        self.place.close()


KINDS = [("a send to five under an id", FIVE, SMALL, True), ("a classic send to one", ["client2"], SMALL, False)]
MORE = [("a large send to five under an id", FIVE, LARGE, True), ("a classic send to five", FIVE, SMALL, False),
        ("a large send to one under an id", ["client3"], LARGE, True)]


def struck_send(site, kind, planned, dies, codes, reason=""):
    """One send under this plan. dies: the server does. -> (what was struck, faults)"""
    letter = site.model.letter(*kind[1:])
    site.server.plan(planned)
    code, said = site.send(letter)
    # what strikes in the session does so before it ends, and in what is put off, before that is done
    if dies:
        if wait_alive(site):
            return site.server.plan(plan())[1], site.judge("left in peace", [letter])
        _, struck = site.server.gone()
        faults = site.restart("at the next start")
    else:
        ended = [] if wait_alive(site) else ["the server died, or is never done"]
        _, struck = site.server.plan(plan())
        # the server completes or sweeps what a dead session left; a delivery has mailboxes one after the other
        faults = site.judge("at once", [letter], final=False)
        until = time.monotonic() + LIMIT / 4
        while faults and code and time.monotonic() < until:
            faults = site.judge("15 s behind it", [letter], final=False)
        faults += ended
    # what was put off of the letter before is struck, too: then the server is gone before the client calls
    if code not in (0, *codes, *((69,) if dies else ())):
        faults.append(f"exit {code}: {said}")
    elif code and not said:
        faults.append("refused without a word")
    elif code and reason and struck and reason not in said:
        faults.append(f"refused without the reason: {said}")
    faults += site.again(letter) + site.judge("sent again", [letter])
    return struck, [f"{struck[0] if struck else 'no call'}: {fault}" for fault in faults]


def wait_alive(site):
    """Until the server has died (False), or nothing is under way any more, not even what was put off."""
    def is_dead():
        mine = children(site.server.process.pid)
        return site.server.process.poll() is not None or "Z" in mine.get(site.server.pid, "Z")

    def is_idle():
        try:
            names = os.listdir(site.store / ".journal")
        except OSError:
            return False  # the disk is gone, and soon its server
        return not any(re.fullmatch("[0-9a-f]{16}", name) for name in names) and not children(site.server.pid)

    return wait_until(lambda: is_dead() or is_idle(), LIMIT) and not is_dead()


def calls_of(site, kind, calls):
    """How many calls one session makes, left in peace."""
    letter = site.model.letter(*kind[1:])
    site.server.plan(plan("none", 1, 0, "now", "children", calls))
    code, said = site.send(letter)
    wait_alive(site)
    count, _ = site.server.plan(plan())
    return count, [] if code == 0 else [f"left in peace: exit {code}: {said}"]


def trial(place, kind, action, how, most, dies, codes=ENDED):
    began, site = time.monotonic(), None
    try:
        site, hits = Site(place), 0
        calls = counted(ALL)
        calls_of(site, kind, calls)  # the first one makes more of them
        count, faults = calls_of(site, kind, calls)
        for number in list(range(1, count + 1)) if ALL else sample(list(range(1, count + 1)), most):
            if len(faults) < 20:
                struck, found = struck_send(site, kind, plan(action, number, start="now", whose="children", calls=calls),
                                            dies, codes)
                hits += bool(struck)
                faults += found
        faults += site.stop()
        check(f"{how} at {'each' if ALL else 'some'} of {count} calls of {kind[0]}",
              faults + ([] if hits > 2 else ["nothing was struck"]))
        diag(f"{hits} struck, {time.monotonic() - began:.1f} s")
    finally:
        site.close() if site else place.close()


def cut_trial(kind, system):
    place = Disk(system)
    trial(place, kind, f"cut 2 {place.root}", f"a power cut on {system} under the server", 5, True)


def fault_trial(kind, most):
    """Each of the session's calls, by name."""
    began, site, hits = time.monotonic(), Site(Folder()), 0
    try:
        calls_of(site, kind, "*")
        cases, faults = [], []
        for name, codes in ERRORS.items():
            count, found = calls_of(site, kind, name)
            faults += found
            cases += [(name, number, code) for code in codes for number in range(1, count + 1)]
        for name, number, code in cases if ALL else [cases[i] for i in sample(list(range(len(cases))), most)]:
            if len(faults) < 20:
                value = getattr(errno, code)
                struck, found = struck_send(site, kind, plan(f"error {value}", number, start="now", whose="children",
                                                             calls=name), False, (75, 76))
                hits += bool(struck)
                faults += [f"{code} at {fault}" for fault in found]
        faults += site.stop()
        check(f"an error at {'each' if ALL else 'some'} call of the session of {kind[0]}: all or nothing, and the "
              "server lives", faults + ([] if hits > 2 else ["nothing was struck"]))
        diag(f"{hits} struck, {time.monotonic() - began:.1f} s")
    finally:
        site.close()


def main():
    kinds = KINDS + (MORE if ALL else [])
    why = can_inject() or (can_cut(sys.argv[2]) if sys.argv[1] == "cut" else "")
    if why:
        print(f"skip a server struck ({' '.join(sys.argv[1:])}): {why}")
        return
    (KEYS / "pw1").write_text("password1\n")
    jobs = []
    for kind in kinds:
        if sys.argv[1] == "kill":
            jobs.append(lambda kind=kind: trial(Folder(), kind, "kill", "the session killed", 10, False))
            jobs.append(lambda kind=kind: trial(Folder(), kind, "end", "the server killed", 6, True))
        elif sys.argv[1] == "cut":
            jobs.append(partial(cut_trial, kind, sys.argv[2]))
        else:
            jobs.append(partial(fault_trial, kind, 15))
    go_through(jobs)


main()
