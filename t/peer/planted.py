"""What hostile_folder.py plants: functions of a path, by what they put there; and the tree outside, which must stay
as it is. The current folder is the server's; `outside` stands beside it."""
import hashlib, os, shutil, socket, stat
from pathlib import Path

OUTSIDE = Path("../outside").resolve()
ROOT = os.geteuid() == 0


def message(content="by hand", title="Hand", source="client3", length=None, time="2022-07-21 19:29:35.768508"):
    length = len(content) if length is None else length
    return (f"From: {source}\nTo: client2\nTime and Date: {time}\nTitle: {title}\n"
            f"Content Length: {length}\nContent:\n{content}").encode()


# --- the tree outside ---

def make_outside():
    """What a link could lead to: a message, a mailbox, an index, a folder that can be written to."""
    for folder in ("box", "empty"):
        (OUTSIDE / folder).mkdir(parents=True)
    (OUTSIDE / "secret.txt").write_bytes(message("the secret", "Secret"))
    (OUTSIDE / "box/secret.txt").write_bytes(message("the secret", "Secret"))
    (OUTSIDE / "plain").write_bytes(b"root:x:0:0\n" * 20)


def outside():
    """All that can be told of it; and what stands beside the mailboxes."""
    told = {}
    for path in [OUTSIDE, *sorted(OUTSIDE.rglob("*"))]:
        it = path.lstat()
        body = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        told[str(path)] = (it.st_mode, it.st_uid, it.st_size, it.st_mtime_ns, body)
    beside = {path.name for path in Path(".").iterdir()} - {"out", "err", ".sent", ".spool", ".journal"}
    return told, sorted(beside)


# --- what is planted: each is a function of the path ---

def node(kind, major, minor):
    return lambda path: os.mknod(path, kind | 0o666, os.makedev(major, minor))


def listening(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.fspath(path))


def link(target):
    return lambda path: os.symlink(target, path)


def folder(path):
    path.mkdir()
    (path / "inside.txt").write_bytes(message())


def text(data):
    return lambda path: path.write_bytes(data)


def sparse(head, size=1 << 40):
    def plant(path):
        path.write_bytes(head)
        os.truncate(path, size)
    return plant


NO_FILES = {
    "a symlink to a message outside": link(OUTSIDE / "secret.txt"),
    "a relative symlink to it": link("../../outside/secret.txt"),
    "a symlink to another user's message": link("../client3/client1_C.txt"),
    "a symlink to a message beside it": link("client1_A.txt"),
    "a dangling symlink": link(OUTSIDE / "empty/new.txt"),
    "a symlink to itself": lambda path: os.symlink(path.name, path),
    "a symlink to a folder": link(OUTSIDE / "box"),
    "a symlink to /dev/zero": link("/dev/zero"),
    "a FIFO": os.mkfifo,
    "a socket": listening,
    "a folder": folder,
}
if ROOT:
    NO_FILES |= {
        "a device (zero)": node(stat.S_IFCHR, 1, 5),
        "a device (tty)": node(stat.S_IFCHR, 5, 0),
        "a device without a driver": node(stat.S_IFCHR, 250, 77),
        "a disk without a driver": node(stat.S_IFBLK, 250, 77),
    }
WHOLE = message()
DAMAGED = {
    "an empty file": text(b""),
    "one LF": text(b"\n"),
    "NULs": text(b"\0" * 5000),
    "noise": lambda path: path.write_bytes(os.urandom(5000)),
    "text of somebody's": text(b"hello\n" * 50),
    "a hard link to a file outside": lambda path: os.link(OUTSIDE / "plain", path),
    "a message cut in its head": text(WHOLE[:50]),
    "a message cut in its content": text(WHOLE[:-3]),
    "a message with more behind it": text(WHOLE + b"more"),
    "a length of 10^18": text(message(length=10 ** 18)),
    "a length of 2^64": text(message(length=1 << 64)),
    "a negative length": text(message(length=-1)),
    "a title that is no UTF-8": text(WHOLE.replace(b"Title: Hand", b"Title: H\xffnd")),
    "content that is no UTF-8": text(WHOLE[:-1] + b"\xff"),
    "a NUL in the title": text(WHOLE.replace(b"Title: Hand", b"Title: H\0nd")),
    "a sender who is no name": text(message(source="../client1")),
    "a title of 101 characters": text(message(title="t" * 101)),
    "a time that is none": text(message(time="yesterday")),
    "a head that never ends": text(b"From: client3\n" + b"To: client2\n" * 20_000),
    "one line of a megabyte": text(b"From: " + b"x" * 1_000_000),
    "a hole of a TiB": sparse(b""),
    "a head that tells of a TiB, and less": text(message(length=1 << 40)),
    "a head, and a hole of a TiB": sparse(message("")),
}
NAMES = [b"\xff\xfe\xfd.txt", b"line\nfeed.txt", b"esc\x1b[2J.txt", b"-rf", b"~", b"x" * 255, "\u202egpj.txt".encode(),
         b" ", b"client1_A~2.txt", b"CON", b"%2e%2e%2f"]


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
