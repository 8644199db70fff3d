"""Running commands under t/fault/inject, and the file systems that a power cut needs."""
import contextlib, fcntl, io, multiprocessing, os, shutil, socket, subprocess, sys, tempfile, threading, time
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", TOP / "build"))
PROGRAM = os.environ.get("SMTP361", str(TOP / "smtp361"))
ENGINE, INJECT, MEMORY = (str(BUILD / "t/fault" / name) for name in ("engine", "inject", "memory.so"))
ALL = os.environ.get("CRASH") == "all"  # every call, and not a sample
SHUTDOWN = 0x8004587d                   # _IOR('X', 125, uint32_t): XFS_IOC_GOINGDOWN, of ext4, too
EACH = os.environ.get("CRASH") == "each"  # of faults, every call, but with one error only
LIMIT = 60                              # seconds that any command may take; 124 is its exit code then

# Calls that change nothing that lasts: a death behind one of them is a death ahead of it.
PURE = set("""mmap munmap mprotect brk mremap madvise fstat newfstatat lstat stat statx fstatfs statfs read pread64 readv
    preadv getrandom lseek flock fcntl futex rt_sigaction rt_sigprocmask getpid gettid getuid geteuid access faccessat
    faccessat2 readlink readlinkat getdents64 poll ppoll clock_gettime clock_nanosleep nanosleep fgetxattr getxattr
    close prctl set_robust_list rseq prlimit64 arch_prctl set_tid_address execve fadvise64 getpgid""".split())


@dataclass
class Result:
    code: int = None
    out: str = ""
    err: str = ""
    calls: int = 0
    struck: list = field(default_factory=list)  # (number, name, what on)

    def where(self):
        return " ".join(map(str, self.struck[0])) if self.struck else "no call"


def plan(action="none", first=1, last=None, start="mark", whose="all", calls="*"):
    return f"{whose} {start} {calls} {first} {first if last is None else last} {action}\n"


def run(command, planned=None, **options):
    """The command, to its end; under a plan if there is one."""
    if planned is None:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, **options)
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(planned.encode())
        result = Result()
        reader = threading.Thread(target=lambda: read_reports(ours.makefile(), result))  # lest it waits for us
        reader.start()
        try:
            done = subprocess.run([INJECT, str(theirs.fileno()), *command], stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=LIMIT, pass_fds=[theirs.fileno()], **options)
            code, result.out, result.err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as hung:
            code, result.code, result.out, result.err = 0, 124, hung.stdout or b"", hung.stderr or b""
        result.out, result.err = (text.decode(errors="replace") for text in (result.out, result.err))
        theirs.close()
        reader.join()
    if result.code is None:
        raise RuntimeError(f"inject: {code}, {result.err}")
    return result


def read_reports(lines, result):
    for line in lines:
        kind, _, rest = line.rstrip("\n").partition(" ")
        if kind == "call":
            number, name, what = (rest + "  ").split(" ", 2)
            result.struck.append((int(number), name, what.strip()))
        elif kind == "calls":
            result.calls = int(rest)
        elif kind == "exit":
            result.code = int(rest)


def counted(every):
    """Which calls a plan counts: each, or those behind which something else may be there after a crash."""
    return "*" if every else "-" + ",".join(sorted(PURE))


def sample(numbers, most):
    """At most so many of them, spread evenly, the first and the last among them."""
    if len(numbers) <= most:
        return numbers
    return sorted({numbers[round(i * (len(numbers) - 1) / (most - 1))] for i in range(most)})


JOBS = []


def told(number):
    with contextlib.redirect_stdout(io.StringIO()) as text:
        JOBS[number]()
    return text.getvalue()


def go_through(jobs):
    """Do them, each of which prints what it found: in their order, or of all calls as many at a time as there are
    processors."""
    if not ALL and not EACH:
        for job in jobs:
            job()
        return
    JOBS[:] = jobs
    with multiprocessing.get_context("fork").Pool() as pool:
        for text in pool.imap(told, range(len(jobs))):
            print(text, end="", flush=True)


class Folder:
    """Where stores are for crashes: a folder like any other."""
    kind = "folder"

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="fault."))
        self.count = 0

    def fresh(self):
        """A new store, that is there to stay; the one before goes."""
        shutil.rmtree(self.root / f"store{self.count}", ignore_errors=True)
        self.count += 1
        store = self.root / f"store{self.count}"
        store.mkdir()
        for folder in (store, self.root):
            fd = os.open(folder, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
        return store

    def revive(self):
        """What is due between a death and the next start."""

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)


class Disk(Folder):
    """A file system in a file, which can be shut down under whoever uses it."""
    MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}
    SIZE = {"ext4": 160 << 20, "xfs": 320 << 20}

    def __init__(self, kind, size=None):
        super().__init__()
        self.kind, self.base, self.mounted = kind, self.root, False
        self.image, self.root = self.base / "image", self.base / "mnt"
        with open(self.image, "wb") as image:
            image.truncate(size or self.SIZE[kind])
        self.root.mkdir()
        subprocess.run([*self.MAKE[kind], self.image], check=True, capture_output=True)
        self.mount()

    def mount(self):
        subprocess.run(["mount", "-o", "loop", "-t", self.kind, self.image, self.root], check=True, capture_output=True)
        self.mounted = True

    def umount(self):
        """Gone for good, or an error: a cut file system that somebody holds would be mounted again as it is."""
        end = time.monotonic() + LIMIT
        while (done := subprocess.run(["umount", self.root], capture_output=True)).returncode:
            if time.monotonic() > end:
                raise RuntimeError(f"cannot umount {self.root}: {done.stderr.decode()}")
            time.sleep(0.05)
        self.mounted = False

    def revive(self):
        self.umount()
        self.mount()

    def cut(self):
        """The power goes, and comes again: only what was synced is there."""
        folder = os.open(self.root, os.O_RDONLY)
        fcntl.ioctl(folder, SHUTDOWN, (2).to_bytes(4, sys.byteorder))  # with nothing flushed
        os.close(folder)
        self.revive()

    def close(self):
        with contextlib.suppress(RuntimeError):
            if self.mounted:
                self.umount()
        shutil.rmtree(self.base, ignore_errors=True)


def can_inject():
    """Why not, or ""."""
    try:
        result = run(["true"], plan("list", start="now", last=0))
    except (RuntimeError, OSError, subprocess.SubprocessError) as fault:
        return str(fault)
    return "" if result.code == 0 and result.struck else "no system call was seen"


def can_cut(kind):
    """Why a power cut cannot be made on this file system here, or ""."""
    if os.geteuid() != 0:
        return "needs root"
    if not shutil.which(f"mkfs.{kind}"):
        return f"no mkfs.{kind}"
    try:
        disk = Disk(kind)
    except (OSError, subprocess.CalledProcessError) as fault:
        return f"no loop mount of {kind}: {getattr(fault, 'stderr', b'') or fault}"
    disk.close()
    return ""
