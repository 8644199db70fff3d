#!/usr/bin/python3
"""Faults of the system at calls of a delivery and a removal, in the store's own process: each call, or without
CRASH=all a sample; with CRASH=each at each call one error of those that it may have. Acknowledged, and listed whole
and once, now and at the next start; or refused by 75 with the reason, and then there is nothing of it, or all, and
what is sent again under its id is not doubled.

    faults.py calls     errors at each call, once and from there on; interruptions; short reads and writes
    faults.py memory    malloc fails
    faults.py rooms     real ones: full disks, no inodes, read-only, no descriptors
"""
import errno, os, resource, subprocess, sys, time
from functools import partial

sys.dont_write_bytecode = True
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../peer"))
from machine import ALL, EACH, ENGINE, MEMORY, Disk, Folder, can_cut, can_inject, go_through, plan, run, sample
from oracle import FIVE, parse_listings
from scenarios import LARGE, PER_STORE, SMALL, Life, Recovery, and_crash, beside, deliver, list_anew, look, \
    next_segment, remove, remove_at_once, settle
from verdict import check, diag

DISK_FULL, DISK_DEAD, READ_ONLY = ["ENOSPC", "EDQUOT", "EIO"], ["EIO"], ["EROFS"]
ERRORS = {name: errors for names, errors in {
    "write pwrite64 pwritev writev ftruncate fallocate copy_file_range": DISK_FULL,
    "fsync fdatasync syncfs sync_file_range msync": ["EIO", "ENOSPC", "EDQUOT"],
    "close": ["EIO", "EDQUOT"],
    "openat": ["EMFILE", "ENFILE", "EIO", "EROFS", "ENOSPC", "EACCES"],
    "linkat symlinkat mkdirat renameat renameat2 unlinkat": [*DISK_FULL, "EROFS"],
    "read pread64 getdents64 lseek newfstatat fstat faccessat faccessat2": ["EIO"],
    "fsetxattr": [*DISK_FULL, "EOPNOTSUPP"], "fgetxattr": ["EIO", "EOPNOTSUPP"],
    "flock fcntl": ["ENOLCK", "EIO"],
    # brk has no error to tell: where malloc fails, see memory()
    "mmap mremap": ["ENOMEM"], "getrandom": ["EIO"],
}.items() for name in names.split()}
SYNCS = ["fsync", "fdatasync", "syncfs"]
INTERRUPTED = "write pwrite64 read pread64 poll ppoll".split()
LASTING = "write,pwrite64,pwritev,writev,ftruncate,fallocate,fsetxattr,linkat,symlinkat,mkdirat,renameat,renameat2," \
          "unlinkat,fsync,fdatasync,syncfs,sync_file_range"


def text_of(number):
    return os.strerror(number)


class Fault(Life):
    """A life with a fault in its window, that goes on, lists, and ends. spares: errors that it does not meet.
    lasts: it may meet those that do not end."""
    spares, lasts = (), True

    def dies(self, place, result):
        """What comes behind its end."""

    def command(self, store):
        return [*super().command(store), "mark", "list"]

    def told(self, result):
        """Of the letters and removals of this life: the refusals, by (code, step, why)."""
        return [refusal for refusal in self.model.learn(result.out) if refusal[1] != "list"]

    def after(self, store, result, reasons=(), must_pass=False):
        refusals = self.told(result)
        faults = [f"{step}: exit {code}: {why}" for code, step, why in refusals
                  if code != 75 or reasons and not any(reason in why for reason in reasons)]
        if must_pass:
            faults += [f"refused: {why}" for _, _, why in refusals]
        if result.code not in (0, 66, 75):
            faults.append(f"exit {result.code}: {result.err}")
        for listing in parse_listings(result.out):
            faults += self.model.judge(listing, "at once", final=False)
        return faults + self.judge(store)


class Look(Fault):
    """Nothing is changed, and no fault of the system is taken for one of the store."""

    def after(self, store, result, reasons=(), must_pass=False):
        lost = [line for line in result.out.splitlines() if line.startswith("lost ")]
        return super().after(store, result, reasons, must_pass) + \
            [line for line in lost if not any(reason in line for reason in reasons)]


class Lost(Fault):
    """A listing when the indexes are gone, which is refused with the reason, too. A file that may not be read is
    damaged, and one whose attributes cannot be had is known by another id."""
    spares = ("EACCES", "EOPNOTSUPP")

    def told(self, result):
        return self.model.learn(result.out)


class Beside(Fault):
    """A delivery that has no journal: what was linked is taken back, which a disk that stays dead does not allow."""
    lasts = False

    def after(self, store, result, reasons=(), must_pass=False):
        return super().after(store, result, reasons and (*reasons, "the journal cannot be written"), must_pass)


class Start(Fault, Recovery):
    """A start behind a crash, with a fault in it."""

    def command(self, store):
        return [ENGINE, str(store), "mark", "recover", "list", "mark", "list"]

    def told(self, result):
        return [refusal for refusal in super().told(result) if refusal[1] not in ("open", "recover") or refusal[0] != 75]


class Death(Fault):
    """Everything dies right behind the fault: what was refused does not come back. A disk that is dead for good
    cannot keep a refusal either."""
    lasts = False

    def command(self, store):
        return [*super().command(store), "crash"]


class PowerCut(Death):
    """The power goes right behind it. What could not be synced is on the disk all the same: the worst that it can
    do."""

    def dies(self, place, result):
        for _, name, what in result.struck:
            if name in SYNCS and os.path.exists(what):
                fd = os.open(what, os.O_RDONLY)
                os.fsync(fd)
                os.close(fd)
        place.cut()


LIVES = [
    lambda: Fault("a delivery to one", deliver(["client2"], SMALL, False)),
    lambda: Fault("a delivery to five under an id", deliver(FIVE, SMALL, True)),
    lambda: Fault("a large delivery to five under an id", deliver(FIVE, LARGE, True)),
    lambda: Fault("a removal", remove),
    lambda: Fault("what is done when nobody waits", settle),
    lambda: Death("a delivery to one, and kill -9", deliver(["client2"], SMALL, False)),
    lambda: Beside("a delivery beside the keeper", beside(["client2"], SMALL)),
]
POWER_CUTS = [
    lambda: PowerCut("a delivery to one, and a power cut", deliver(["client2"], SMALL, False)),
    lambda: PowerCut("a delivery to five under an id, and a power cut", deliver(FIVE, SMALL, True)),
    lambda: PowerCut("a large delivery to five, and a power cut", deliver(FIVE, LARGE, False)),
    lambda: PowerCut("a removal right behind the delivery, and a power cut", remove_at_once(SMALL)),
]
OTHERS = [  # that go other ways through the store than those
    lambda: Start("a start behind a crash in the midst of a delivery to five", deliver(FIVE, SMALL, True), 50),
    lambda: Lost("a listing without an index", list_anew),
    lambda: Look("a look at the whole store", look),
]
MORE = [
    lambda: Death("a delivery to five under an id, and kill -9", deliver(FIVE, SMALL, True)),
    lambda: Death("a large delivery to five, and kill -9", deliver(FIVE, LARGE, False)),
    lambda: Start("a start behind a crash at the end of a large delivery", and_crash(deliver(FIVE, LARGE, True)), 95),
    lambda: Start("a start behind a crash in the midst of settling", settle, 50),
    lambda: Start("a start behind a crash late in settling", settle, 80),
    lambda: Fault("a delivery and a removal in the next segment of the journal", next_segment, fresh=True),
    lambda: Fault("a removal right behind the delivery", remove_at_once(SMALL)),
    lambda: Fault("a delivery to one under an id", deliver(["client2"], SMALL, True)),
    lambda: Beside("a large delivery beside the keeper", beside(["client2"], LARGE)),
    lambda: Fault("a large delivery to one", deliver(["client2"], LARGE, False)),
    lambda: Fault("the first delivery to a new store", deliver(["client1", "client5"], SMALL, True), fresh=True),
]


class Trial:
    """One kind of life, with one fault after the other."""

    def __init__(self, make, place):
        self.scenario, self.place, self.store, self.used = make(), place, None, 0
        self.faults, self.hits = [], 0

    def store_now(self):
        self.used += 1
        if self.store is None or self.scenario.fresh or self.used > PER_STORE:
            self.store, self.used = self.place.fresh(), 0
            self.scenario.begin(self.store)
        return self.store

    def one(self, what, planned=None, reasons=(), must_pass=False, **options):
        """-> did it strike? what: the fault's name."""
        store = self.store_now()
        self.scenario.prepare(self.place, store, "end")
        result = run(self.scenario.command(store), planned, **options)
        self.scenario.dies(self.place, result)
        faults = self.scenario.after(store, result, reasons, must_pass)
        self.faults += [f"{what} at {result.where()}: {fault}" for fault in faults]
        self.hits += bool(result.struck)
        return bool(result.struck)

    def calls(self):
        """How often the window makes each call, left in peace."""
        store = self.store_now()
        self.scenario.prepare(self.place, store, "end")
        result = run(self.scenario.command(store), plan("list", last=0))
        self.faults += self.scenario.after(store, result, must_pass=True)
        counts = {}
        for _, name, _ in result.struck:
            counts[name] = counts.get(name, 0) + 1
        return counts


def error(name):
    return f"error {getattr(errno, name)}"


def single_cases(counts):
    """(what, plan, reasons, must it pass?)"""
    for name, count in counts.items():
        for number in range(1, count + 1):
            errors = ERRORS.get(name, [])
            for code in [errors[number % len(errors)]] if EACH and errors else errors:
                yield code, plan(error(code), number, calls=name), reasons_of(code), False
            if name in INTERRUPTED and (not EACH or number % 5 == 1):
                yield "EINTR", plan(error("EINTR"), number, calls=name), (), True
                yield "short", plan("short", number, calls=name), (), True


def lasting_cases(counts):
    """From this call on the disk is full, dead or read-only."""
    for number in range(1, 1 + sum(count for name, count in counts.items() if name in LASTING.split(","))):
        for code in ("ENOSPC", "EIO", "EROFS"):
            yield f"{code} for good", plan(error(code), number, 0, calls=LASTING), reasons_of(code), False
    yield "all short", plan("short", 1, 0), (), True


def reasons_of(code):
    return {"ENOMEM": ("memory", text_of(errno.ENOMEM))}.get(code, (text_of(getattr(errno, code)),))


def judge(trial, title, began):
    check(title, trial.faults + ([] if trial.hits else ["nothing was struck"]))
    diag(f"{trial.hits} faults, {time.monotonic() - began:.1f} s")


def sync_cases(counts):
    for name in SYNCS:
        for number in range(1, counts.get(name, 0) + 1):
            yield "EIO", plan(error("EIO"), number, calls=name), reasons_of("EIO"), False


def strike(make, make_place, cases, how, most):
    place, began = make_place(), time.monotonic()
    try:
        trial = Trial(make, place)
        due = [case for case in cases(trial.calls()) if case[0] not in trial.scenario.spares]
        every = ALL or most is None
        for what, planned, reasons, must_pass in due if every else sample_of(due, most):
            if len(trial.faults) < 20:
                trial.one(what, planned, reasons, must_pass)
        judge(trial, f"{how} at {'each' if every else 'some'} call of {trial.scenario.title}: all or nothing, "
              "and the reason", began)
    finally:
        place.close()


def calls():
    why = can_inject()
    if why:
        print(f"skip faults at any call: cannot stand between a program and the kernel: {why}")
        return
    jobs = []
    for make in LIVES + (OTHERS if ALL or EACH else []) + (MORE if ALL else []):
        jobs.append(partial(strike, make, Folder, single_cases, "an error", None if EACH else 40))
        if make().lasts:
            jobs.append(partial(strike, make, Folder, lasting_cases, "errors from then on", 12))
    for kind in ("ext4", "xfs"):
        why = can_cut(kind)
        if why:
            print(f"skip a refusal and a power cut, on {kind}: {why}")
            continue
        jobs += [partial(strike, make, partial(Disk, kind), sync_cases, f"on {kind}, an error", 4)
                 for make in (POWER_CUTS if ALL else POWER_CUTS[:1])]
    go_through(jobs)


def sample_of(cases, most):
    return [cases[i] for i in sample(list(range(len(cases))), most)]


# --- memory ---

def memory():
    go_through([partial(memory_fails, make, lasts, how) for make in LIVES + (OTHERS + MORE if ALL else [])
                if not isinstance(make(), Death)  # who could not tell how often
                for lasts, how in ((False, "one"), (True, "each from one on"))])


def memory_fails(make, lasts, how):
    place, began = Folder(), time.monotonic()
    try:
        trial = Trial(make, place)
        log = place.root / "memory"
        environment = {**os.environ, "LD_PRELOAD": MEMORY, "MEMORY_LOG": str(log)}

        def one(number):
            log.unlink(missing_ok=True)
            fails = {"MEMORY_FAILS": f"{number} {0 if lasts else number}"} if number else {}
            trial.one(f"malloc {number}", None, ("memory",), env={**environment, **fails})
            text = log.read_text() if log.exists() else ""
            trial.hits += "FAILED" in text
            return text

        whole = one(0)
        numbers = list(range(1, int(whole.rpartition("count ")[2] or 0) + 1))
        for number in numbers if ALL else sample(numbers, 15):
            one(number)
        judge(trial, f"malloc fails, {how}, in {trial.scenario.title}: all or nothing, and the reason", began)
    finally:
        place.close()


# --- real rooms ---

class Tmpfs(Folder):
    def __init__(self, options):
        super().__init__()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "smtp361-t", self.root], check=True, capture_output=True)

    def close(self):
        subprocess.run(["umount", self.root], capture_output=True)
        super().close()


def fill(path, left):
    """A file that takes all room but so many bytes."""
    with open(path, "wb", buffering=0) as filler:
        for size in (1 << 16, 1 << 12, 1 << 9):
            try:
                while True:
                    filler.write(b"\xa5" * size)
                    os.fsync(filler.fileno())
            except OSError:
                pass
    size = path.stat().st_size
    os.truncate(path, max(0, size - left))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def full(trial, kind):
    """A disk with a little room, more each time."""
    filler = trial.place.root / "filler"
    for left in range(0, 64 if ALL else 20, 1 if ALL else 4):
        store = trial.store_now()
        fill(filler, left * 4096)
        result = run(trial.scenario.command(store))
        refused = any(" list" not in line and not line.startswith(("0 ", "message ")) for line in result.out.splitlines())
        trial.hits += refused
        filler.unlink()
        trial.faults += [f"{left} pages left on {kind}: {fault}" for fault in
                         trial.scenario.after(store, result, (text_of(errno.ENOSPC),))]


def no_inodes(trial):
    folder = trial.place.root / "inodes"
    for left in range(0, 8):
        store = trial.store_now()
        folder.mkdir()
        names = []
        try:
            while True:
                names.append(folder / str(len(names)))
                names[-1].touch()
        except OSError:
            names.pop()
        for name in names[:left]:
            name.unlink()
        result = run(trial.scenario.command(store))
        trial.hits += "No space left" in result.out
        for name in names[left:]:
            name.unlink()
        folder.rmdir()
        trial.faults += [f"{left} inodes left: {fault}" for fault in
                         trial.scenario.after(store, result, (text_of(errno.ENOSPC),))]


def read_only(trial):
    store = trial.store_now()
    subprocess.run(["mount", "-o", "remount,ro", trial.place.root], check=True)
    result = run(trial.scenario.command(store))
    listed = run([ENGINE, str(store), "list"])
    subprocess.run(["mount", "-o", "remount,rw", trial.place.root], check=True)
    trial.hits += text_of(errno.EROFS) in result.out
    trial.faults += [] if "\n0 list\n" in listed.out else [f"cannot be listed: {listed.out[-200:]}"]
    trial.faults += trial.scenario.after(store, result, (text_of(errno.EROFS),))


def no_descriptors(trial):
    for most in range(3, 16):
        store = trial.store_now()
        result = run(trial.scenario.command(store),
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
        if result.code == 127:
            continue  # not even the libraries
        trial.hits += text_of(errno.EMFILE) in result.out
        trial.faults += [f"{most} descriptors: {fault}" for fault in
                         trial.scenario.after(store, result, (text_of(errno.EMFILE), "cannot be opened"))]


def rooms():
    small = [lambda: Fault("a delivery to five under an id", deliver(FIVE, SMALL, True)),
             lambda: Fault("a large delivery to one", deliver(["client2"], LARGE, False))]
    cases = [("without descriptors", lambda: Folder(), no_descriptors, lambda: "")]
    root = "" if os.geteuid() == 0 else "needs root"
    cases += [
        ("on a full tmpfs", lambda: Tmpfs("size=4m"), lambda trial: full(trial, "tmpfs"), lambda: root),
        ("without inodes", lambda: Tmpfs("size=16m,nr_inodes=200"), no_inodes, lambda: root),
        ("on a full ext4", lambda: Disk("ext4", 4 << 20), lambda trial: full(trial, "ext4"), lambda: can_cut("ext4")),
        ("on a full xfs", lambda: Disk("xfs"), lambda trial: full(trial, "xfs"), lambda: can_cut("xfs")),
        ("on a read-only disk", lambda: Tmpfs("size=16m"), read_only, lambda: root),
    ]
    go_through([partial(in_room, make, *case) for case in cases for make in small])


def in_room(make, how, make_place, go, cannot):
    began = time.monotonic()
    if cannot():
        print(f"skip {how}: {cannot()}")
        return
    place = make_place()
    try:
        trial = Trial(make, place)
        go(trial)
        judge(trial, f"{trial.scenario.title} {how}: all or nothing, and the reason", began)
    finally:
        place.close()


{"calls": calls, "memory": memory, "rooms": rooms}[sys.argv[1]]()
