#!/usr/bin/python3
"""What may lie in a store's folders that the server did not put there, or not so.

  hostile_folder.py               as whoever one is
  hostile_folder.py COMMAND...    by root: the server runs behind this command, `setpriv --reuid 1234 ...`, and
                                  may not read all that is there

It serves the current folder, as t/36-hostile-folder.t made it, and plants: things that are no files, files that
are no messages or are broken ones, in a mailbox; each of these in place of a file or folder of the store's own;
and messages by hand, beside deliveries. Whatever lies there, the server lives, other mail is listed and read,
nothing is followed, and the tree outside stays as it was.
"""
import contextlib, os, sys, time
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from enhanced_peer import Client
from enhanced_wire import Broken
from planted import (
    DAMAGED, NAMES, NO_FILES, OUTSIDE, WHOLE, link, make_outside, message, outside, remove, text)
from served import NotStarted, Served
from verdict import check, diag, settled

EXHAUSTIVE = bool(os.environ.get("EXHAUSTIVE"))
LARGE = "large\n" + "x" * 200_000
SLOW = 30  # seconds in which any list must be there


# --- what the server makes of it ---

class Store:
    def __init__(self, command):
        self.server, self.faults, self.before = Served(*command), [], None
        self.sessions = {}

    def ask(self, user, obj, content=None):
        """(reply, content or None), in a session that lasts as long as the server."""
        process, client = self.sessions.get(user, (None, None))
        if process is not self.server.process:
            client = Client("127.0.0.1", self.server.port, user, ".", timeout=20).connect()
            reply = client.log_in(password=f"password{user[-1]}")
            if reply["type"] != "welcome":
                raise Broken(f"no welcome for {user}: {reply}")
            self.sessions[user] = self.server.process, client
        try:
            return client.request(obj, content)
        except (Broken, OSError):
            del self.sessions[user]
            raise

    def rows(self, user="client2"):
        """The list, or the error's code."""
        began = time.monotonic()
        reply, _ = self.ask(user, {"type": "inbox"})
        if time.monotonic() - began > SLOW:
            self.faults.append(f"the list took {time.monotonic() - began:.0f} s")
        if reply["type"] != "inbox":
            return reply["code"]
        ids = [row["id"] for row in reply["messages"]]
        if len(set(ids)) != len(ids):
            self.faults.append(f"two of the list have one id: {reply['messages']}")
        return reply["messages"]

    def read(self, row, user="client2"):
        reply, content = self.ask(user, {"type": "read", "id": row["id"]})
        return content.decode() if content is not None else reply["code"]

    def send(self, title, content="x", to="client2", user="client1", **fields):
        reply, _ = self.ask(user, *Client.send_mail(None, [to], title, content.encode(), **fields))
        return reply.get("code", "sent")

    def stop(self):
        for _, client in self.sessions.values():
            client.sock.close()  # else the server waits for them
        self.sessions = {}
        self.server.stop()

    def restart(self, how="stop"):
        (self.stop if how == "stop" else self.server.kill)()
        self.server.start()

    def judge(self, what, titles, damaged=0):
        """client2 has these, in any order, and so many that are damaged; all of it can or cannot be read."""
        rows = self.rows()
        if isinstance(rows, str):
            return self.faults.append(f"{what}: the list is answered {rows}")
        whole = sorted(row["title"] for row in rows if not row.get("damaged"))
        broken = [row for row in rows if row.get("damaged")]
        if whole != sorted(titles) or len(broken) != damaged:
            self.faults.append(f"{what}: {whole}, and {len(broken)} damaged: {[row['title'] for row in broken]}")
        for row in rows:
            got = self.read(row)
            if row.get("damaged") and got not in ("damaged", "rejected") or not row.get("damaged") and (
                    got != self.contents.get(row["title"], got)):
                self.faults.append(f"{what}: {row['title']} is read as {got[:60]!r}")
            if any(ord(char) < 32 or char == "\x7f" for char in row["title"]):
                self.faults.append(f"{what}: a control character in {row['title']!r}")

    contents = {"A": "small", "B": LARGE}

    def tell(self, title):
        """What was found since the last time; and the tree outside."""
        now = outside()
        if now != self.before:
            self.faults.append(f"outside: {set(now[0].items()) ^ set(self.before[0].items())}, {now[1]}")
            self.before = now
        if self.server.process.poll() is not None:
            self.faults.append("the server has ended")
            self.server.start()
        faults, self.faults = self.faults, []
        check(title, faults)

    def each_way(self, titles, damaged=0):
        """As it is listed now, with new mail, with no index, and behind either kind of end."""
        self.judge("at once", titles, damaged)
        Path("client2/.index").unlink(missing_ok=True)
        self.judge("without an index", titles, damaged)
        self.restart()
        self.judge("started again", titles, damaged)
        if self.send("New") != "sent":
            self.faults.append("no mail is taken")
        self.judge("with new mail", [*titles, "New"], damaged)
        self.restart("kill")
        self.judge("behind kill -9", [*titles, "New"], damaged)
        self.delete(titled("New"))

    def delete(self, fits):
        """Each message of client2's that fits(row); and wait until the server has done with them, or else
        it may look at what is planted next while that is half written."""
        for row in filter(fits, self.rows()):
            reply, _ = self.ask("client2", {"type": "delete", "id": row["id"]})
            if reply["type"] != "deleted":
                self.faults.append(f"{row['title']} cannot be deleted: {reply}")
        settled()


def titled(*titles):
    return lambda row: row["title"] in titles


# --- in a mailbox ---

def in_mailbox(store):
    box = Path("client2")
    for number, plant in enumerate(NO_FILES.values()):
        plant(box / f"planted{number}.txt")
    store.each_way(["A", "B"])
    store.tell(f"{len(NO_FILES)} things that are no files are skipped, and mail comes and goes beside them")
    for number in range(len(NO_FILES)):
        remove(box / f"planted{number}.txt")

    for number, plant in enumerate(DAMAGED.values()):
        plant(box / f"planted{number}.txt")
    for name in NAMES:
        Path(os.fsdecode(b"client2/" + name)).write_bytes(b"no message")
    count = len(DAMAGED) + len(NAMES)
    store.each_way(["A", "B"], count)
    store.tell(f"{count} files that are no messages, or broken ones, are listed as damaged, and hide nothing")
    store.delete(lambda row: row.get("damaged"))
    left = [path.name for path in box.iterdir() if path.name not in (".index", "client1_A.txt", "client1_B.txt")]
    store.judge("behind that", ["A", "B"])
    store.faults += [f"{name} is left" for name in left]
    store.tell("each of them can be deleted, and is gone; what a hard link led to stays")


def replaced(store):
    """A message's file, while the server knows it, becomes something else."""
    path, kept = Path("client2/client1_A.txt"), Path("../kept")
    for what, plant in (NO_FILES | DAMAGED).items():
        if "message beside" in what:
            continue
        os.rename(path, kept)
        plant(path)
        rows = store.rows()
        titles = [row["title"] for row in rows if not row.get("damaged")] if not isinstance(rows, str) else rows
        if titles != ["B"] or any(row.get("damaged") for row in rows) != (what in DAMAGED):
            store.faults.append(f"{what}: {rows}")
        remove(path)
        os.rename(kept, path)
    store.judge("put back", ["A", "B"])
    store.tell("a message whose file became something else is gone or damaged, until it is put back")


def many_foreign(store, count=3000):
    for number in range(count):
        Path(f"client2/foreign-{number}").write_bytes(b"%d" % number)
    began = time.monotonic()
    rows = store.rows()
    if [row["title"] for row in rows if not row.get("damaged")] != ["A", "B"] or len(rows) != count + 2:
        store.faults.append(f"{len(rows)} are listed")
    if store.send("Beside") != "sent" or not any(row["title"] == "Beside" for row in store.rows()):
        store.faults.append("no mail comes beside them")
    diag(f"{count} foreign files: {time.monotonic() - began:.1f} s for two lists and a message")
    for path in Path("client2").glob("foreign-*"):
        path.unlink()
    store.delete(titled("Beside"))
    store.judge("without them", ["A", "B"])
    store.tell(f"{count} foreign files hide nothing, and stop no mail")


def linked_twice(store):
    """A copy by `ln` or by `cp -a` has the id and all, and is listed as a message of its own."""
    settled()
    os.link("client2/client1_A.txt", "client2/again.txt")
    store.judge("a second link", [row["title"] for row in store.rows()])
    store.delete(titled("A"))
    Path("client2/again.txt").unlink(missing_ok=True)
    Path("client2/client1_A.txt").unlink(missing_ok=True)
    store.judge("behind that", ["B"])
    store.send("A", "small")
    store.judge("sent anew", ["A", "B"])


# --- by hand, beside deliveries ---

def by_hand(store, count=25):
    """Files that an administrator makes while mail has just come and is not yet settled."""
    titles = []
    for number in range(count):
        name = f"N{number}"
        store.contents |= {name: f"new {number}", f"H{number}": "by hand"}
        store.send(name, f"new {number}")
        path = Path(f"client2/client1_N{number}{'~2' if number % 2 else ''}.txt")
        with contextlib.suppress(FileExistsError), open(path, "xb") as file:
            file.write(message(title=f"H{number}"))
            titles.append(f"H{number}")
        titles.append(name)
        rows = store.rows()
        if sorted(row["title"] for row in rows) != sorted(["A", "B", *titles]):
            store.faults.append(f"with {path} there: {[row['title'] for row in rows]}")
    store.each_way(["A", "B", *titles])
    settled()
    store.each_way(["A", "B", *titles])
    files = len(list(Path("client2").glob("*.txt")))
    if files != len(titles) + 2:
        store.faults.append(f"{files} files for {len(titles) + 2} messages")
    store.delete(titled(*titles))
    store.tell(f"messages made by hand beside {count} that had just come, under names that those could take, "
               f"are listed, and overwrite nothing ({len(titles) - count})")


# --- the store's own files and folders ---

# {path: whose mail may be told to try later}: client2's, from client1, or anybody's, where serve may even refuse
# to start, in words. EXHAUSTIVE: each alone, and with each thing.
FILES = {"client2/.index": "client2", ".sent/client1": "client1", ".sent/client1.old": "client1",
         f".spool/{'a' * 32}": "nobody", ".spool/tmp.0123": "nobody", ".spool/foreign": "nobody",
         ".journal/foreign": "nobody"}
SEGMENT, LOCKS = f".journal/{1:016x}", (".sent/.lock", ".journal/lock")
FOLDERS = ".sent", ".spool", ".journal"
FEW = ("a symlink to a folder", "a dangling symlink", "a symlink to /dev/zero", "a FIFO", "a folder", "an empty file",
       "noise")


def broken(path):
    """What a disk, a backup or another version could make of this file."""
    mine = path.read_bytes() if path.is_file() else b"S361JNL1" + b"\0" * 4000
    half = len(mine) // 2
    return {
        "its first half": text(mine[:half]),
        "a byte too few": text(mine[:-1]),
        "zeros": text(b"\0" * len(mine)),
        "a later version": text(mine[:7] + b"\x7f" + mine[8:]),
        "other bits in the middle": text(mine[:half] + b"\x55\xaa" * 4 + mine[half + 8:]),
        "a file that nobody may read": lambda at: (at.write_bytes(mine), at.chmod(0)),
    }


@contextlib.contextmanager
def planted(places, what):
    """The thing in each of these places, until what was there is put back."""
    kept = {}
    for number, place in enumerate(places):
        path, aside = Path(place), Path(f"../kept{number}")
        plant = (NO_FILES | DAMAGED | broken(path))[what]
        path.parent.mkdir(exist_ok=True)
        if os.path.lexists(path):
            os.rename(path, aside)
            kept[path] = aside
        plant(path)
    yield
    for path in map(Path, places):
        if os.path.lexists(path):
            remove(path)
        if path in kept:
            os.rename(kept[path], path)


def in_place(store, title, places, things):
    """Each thing in turn, in all of these places, with the server down."""
    for what in things:
        with planted(places, what):
            told = f"{', '.join(places)} as {what}"
            try:
                store.server.start()
                in_places(store, told, set(places.values()))
                store.stop()
            except (Broken, OSError) as error:
                store.faults.append(f"{told}: {error}")
                store.server.kill()
            except NotStarted as error:
                code, said = error.args
                if "anybody" not in places.values() or code not in (69, 73, 74, 75, 77, 78) or not said.strip():
                    store.faults.append(f"{told}: the server ends with {code}: {said[-200:]}")
                if code is None:
                    store.server.kill()
    store.server.start()
    store.judge("put back", ["A", "B"])
    if store.send("Fine", id=os.urandom(16).hex()) != "sent":
        store.faults.append("put back: no mail is taken")
    store.delete(titled("Fine"))
    store.tell(title)
    store.stop()


def in_places(store, told, excused):
    store.judge(told, ["A", "B"])
    if [row["title"] for row in store.rows("client3")] != ["C"]:
        store.faults.append(f"{told}: client3's list is not as it was")
    for sender, to in (("client1", "client4"), ("client3", "client4"), ("client5", "client2")):
        answer = store.send("T", to=to, user=sender, id=os.urandom(16).hex())
        late = answer == "try-later" and excused & {"anybody", sender, to}
        if answer != "sent" and not late:
            store.faults.append(f"{told}: {sender}'s message to {to} is answered {answer}")
    store.delete(titled("T"))


def own_places(store):
    things = [name for name in (*NO_FILES, *broken(Path("none")), "an empty file", "noise", "text of somebody's",
                                "a hole of a TiB") if "beside it" not in name]
    few = things if EXHAUSTIVE else FEW
    for places in [{path: FILES[path]} for path in FILES] if EXHAUSTIVE else [FILES]:
        in_place(store, f"{', '.join(places)}: {len(things)} things that these should not be are not followed, "
                 "and stop nobody else", places, things)
    in_place(store, f"... nor is a segment of the journal", {SEGMENT: "anybody"}, things if EXHAUSTIVE else (
        *FEW, *broken(Path("none"))))
    for place in (*LOCKS, *FOLDERS):
        in_place(store, f"... nor is {place}", {place: "anybody"}, few)


# --- a mailbox that is none ---

def no_mailbox(store):
    path, kept = Path("client4"), Path("../kept")
    things = {name: NO_FILES[name] for name in ("a FIFO", "a socket", "a dangling symlink", "a symlink to /dev/zero")} | {
        "a symlink to a mailbox outside": link(OUTSIDE / "box"), "a symlink to another mailbox": link("client3"),
        "a file": text(b"hello"), "a message": text(WHOLE)}
    for what, plant in things.items():
        os.rename(path, kept)
        plant(path)
        for how in ("stop", "kill"):
            got = store.rows("client4")
            if got != "try-later":
                store.faults.append(f"{what}: its list is answered {got}")
            if (answer := store.send("T", to="client4")) != "try-later":
                store.faults.append(f"{what}: a message to it is answered {answer}")
            store.judge(what, ["A", "B"])
            store.restart(how)
        remove(path)
        os.rename(kept, path)
    if store.rows("client4") != []:
        store.faults.append("something came into it")
    store.tell(f"a mailbox that is one of {len(things)} other things is not followed, and stops nobody else")


# --- what may not be read ---

def unreadable(store):
    box, file = Path("client2"), Path("client2/client1_A.txt")
    for what, path in (("a message", file), ("a file by somebody else", box / "planted.txt")):
        if path != file:
            path.write_bytes(WHOLE)
        mode = path.stat().st_mode
        path.chmod(0)
        titles = ["B"] if path == file else ["A", "B"]
        (box / ".index").unlink()
        store.judge(what, titles, 1)
        store.restart()
        store.judge(f"{what}, started again", titles, 1)
        path.chmod(mode)
        if path != file:
            path.unlink()
        store.restart()
        store.judge(f"{what}, readable again", ["A", "B"])
    store.tell("a file that the server may not read is damaged, until it may")
    for mode in (0, 0o100, 0o400, 0o500):
        box.chmod(mode)
        store.restart()
        rows = store.rows()
        listed = rows if isinstance(rows, str) else [row["title"] for row in rows]
        if listed != (["A", "B"] if mode == 0o500 else "try-later"):
            store.faults.append(f"mode {mode:o}: {listed}")
        if (answer := store.send("T")) != "try-later":
            store.faults.append(f"mode {mode:o}: a message to it is answered {answer}")
        if [row["title"] for row in store.rows("client3")] != ["C"] or store.send("T", to="client4") != "sent":
            store.faults.append(f"mode {mode:o}: others' mail is not served")
    box.chmod(0o700)
    store.judge("at last", ["A", "B"])
    store.tell("a mailbox that the server may not read or write stops nobody else")


def main():
    make_outside()
    store = Store(sys.argv[1:])
    store.server.start()
    try:
        for title, to in (("A", "client2"), ("B", "client2"), ("C", "client3")):
            store.send(title, store.contents.get(title, "x"), to, id=os.urandom(16).hex())
        settled()
        store.before = outside()
        store.judge("at first", ["A", "B"])
        if store.server.command:
            return unreadable(store)
        in_mailbox(store)
        replaced(store)
        many_foreign(store)
        linked_twice(store)
        store.tell("a second link to a message is listed under an id of its own")
        by_hand(store)
        no_mailbox(store)
        store.stop()
        own_places(store)
    finally:
        if store.server.process.poll() is None:
            store.server.kill()


if __name__ == "__main__":
    main()
