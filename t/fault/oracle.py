"""What must be true of a store after a crash, a power cut or a fault. Nothing here knows how the store works:
it knows which letters were sent and removed, what was answered, and looks at lists, texts and folders.

    An acknowledged letter is whole, once, in each mailbox named; an acknowledged removal stays.
    Any other is whole in all of them, or there is nothing of it; once seen it stays, once gone it is gone.
    After a refusal there is nothing of it, if nobody died.
    After a clean stop each message is one text file, and nothing else is left over.
"""
import hashlib, hmac, os, re, uuid
from dataclasses import dataclass, field
from pathlib import Path

USERS = FIVE = [f"client{i}" for i in range(1, 6)]
# what a server's folder may hold beside the mailboxes
KEPT = {".spool", ".sent", ".journal", "user_pass.json", ".user_pass.json.lock"}
# the engine's key, which knows a user by another name on disk (store/rest.h)
AT_REST = "ENGINE_AT_REST" in os.environ
UNKNOWN, ACKED, ABSENT = "unanswered", "acknowledged", "refused or gone"


def on_disk(user):
    if not AT_REST:
        return user
    sha = lambda key, text: hmac.new(key, text, hashlib.sha256).digest()
    names = sha(sha(bytes(16), b"a key of thirty-two bytes, or so"), b"smtp361 at rest 1 names\x01")
    return "u" + sha(names, user.encode()).hex()[:31]


@dataclass
class Letter:
    id: str
    to: list
    size: int
    title: str
    once: bool
    source: str = "client1"
    state: str = UNKNOWN
    removed: dict = field(default_factory=dict)  # user: the state of the removal
    why: str = ""                                # of the refusal
    resent: bool = False

    def content(self):
        line = (self.id + "\n").encode()
        return (line * (self.size // len(line) + 1))[:self.size]

    def digest(self):
        return hashlib.sha256(self.content()).hexdigest()

    def step(self):
        return ":".join(["once" if self.once else "deliver", self.id, ",".join(self.to), str(self.size), self.title])

    def __str__(self):
        return f"{self.state} letter {self.title} to {','.join(self.to)}"


class Model:
    def __init__(self):
        self.letters = {}
        self.titles = 0

    def letter(self, to, size, once=False):
        self.titles += 1
        one = Letter(uuid.uuid4().hex, to, size, f"T{self.titles}", once)
        self.letters[one.id] = one
        return one

    # --- learning ---

    def begins_removal(self, user, letter):
        letter.removed[user] = UNKNOWN

    def learn(self, output):
        """From the lines of t/fault/engine: what was acknowledged, and what was refused, of which there is
        nothing. -> the refusals."""
        refusals = []
        for line in output.splitlines():
            code, _, rest = line.partition(" ")
            if not code.isdigit():
                continue
            step, _, why = rest.partition(": ")
            fields = step.split(":")
            if fields[0] in ("deliver", "once", "beside"):
                letter = self.letters[fields[1]]
                letter.state = ACKED if code == "0" or letter.state == ACKED else ABSENT
                letter.why = "" if code == "0" else why
            elif fields[0] == "remove" and code == "0":
                self.letters[fields[2]].removed[fields[1]] = ACKED
            gone = fields[0] == "remove" and code == "66" and self.letters[fields[2]].state != ACKED
            if code != "0" and not gone:
                refusals.append((int(code), fields[0], why))
        return refusals

    # --- judging ---

    def judge(self, listing, when, final=True):
        """listing: {user: [(id, size, digest, title)]}; digest None: its content was not looked at. final: after
        a recovery, when what is there has to stay.
        -> the faults"""
        faults = [fault for user in USERS for fault in self.judge_rows(user, listing.get(user, []))]
        for letter in self.letters.values():
            holders = {user for user in letter.to if any(row[0] == letter.id for row in listing.get(user, []))}
            faults += self.judge_letter(letter, holders)
            if final:
                self.settle(letter, holders)
        return [f"{when}: {fault}" for fault in faults]

    def judge_rows(self, user, rows):
        seen = set()
        for id, size, digest, title in rows:
            letter = self.letters.get(id)
            if letter is None:
                yield f"{user} lists {title!r}, which nobody sent"
                continue
            if user not in letter.to:
                yield f"{user} lists {letter}"
            if id in seen:
                yield f"{user} lists twice: {letter}"
            seen.add(id)
            want = (str(letter.size), digest and letter.digest(), letter.title)
            if (size, digest, title) != want:
                yield f"{user} has {size} characters, digest {digest}, as {title!r}, of: {letter}"

    @staticmethod
    def judge_letter(letter, holders):
        for user in (user for user, state in letter.removed.items() if state == ACKED and user in holders):
            yield f"{user} lists what was removed: {letter}"
        sure = set(letter.to) - set(letter.removed)
        missing = sure - holders
        if letter.state == ACKED and missing:
            yield f"missing for {','.join(sorted(missing))}: {letter}"
        elif letter.state == UNKNOWN and missing and sure & holders:
            yield f"in part, missing for {','.join(sorted(missing))}: {letter}"
        elif letter.state == ABSENT and holders:
            yield f"back for {','.join(sorted(holders))}: {letter}"

    @staticmethod
    def settle(letter, holders):
        """What was found after a recovery is the truth from here on."""
        for user, state in letter.removed.items():
            if state == UNKNOWN:
                if user not in holders:
                    letter.removed[user] = ACKED
        for user in [user for user, state in letter.removed.items() if state == UNKNOWN]:
            del letter.removed[user]
        if letter.state == UNKNOWN and set(letter.to) - set(letter.removed):
            letter.state = ACKED if holders else ABSENT

    # --- after a clean stop ---

    def judge_folder(self, folder, when):
        """The text files of a store whose keeper has stopped cleanly."""
        folder, faults = Path(folder), []
        for name in os.listdir(folder):
            if name not in KEPT and name not in map(on_disk, USERS) and not name.endswith(".pem"):
                faults.append(f"left over: {name}")
        # client1.new is begun anew by who needs it next
        for part, kept in ((".spool", "$^"), (".journal", "family"),
                           (".sent", rf"\.lock|({'|'.join(map(on_disk, USERS))})(\.old|\.new)?")):
            if (folder / part).is_dir():
                faults += [f"left over: {part}/{name}" for name in os.listdir(folder / part)
                           if not re.fullmatch(kept, name)]
        for user in USERS:
            faults += self.judge_texts(folder / on_disk(user), user)
        return [f"{when}: {fault}" for fault in faults]

    def judge_texts(self, box, user):
        sealed = 0
        want = {letter.title: letter for letter in self.letters.values()
                if user in letter.to and letter.state == ACKED and letter.removed.get(user) != ACKED}
        for name in os.listdir(box):
            path = box / name
            if name in (".index", ".index.bad", ".ids") or AT_REST and name == ".owner":
                continue
            if not name.endswith(".txt") or path.is_symlink() or path.stat().st_mode & 0o7177:
                yield f"left over in {user}: {name}, mode {path.lstat().st_mode:o}"
                continue
            if AT_REST:  # what it says, the list tells
                sealed += 1
                continue
            text = path.read_bytes()
            head, _, content = text.partition(b"\nContent:\n")
            letter = want.pop(head.rpartition(b"\nTitle: ")[2].partition(b"\n")[0].decode("utf-8", "replace"), None)
            if letter is None:
                yield f"{user}/{name} is a second file, or should not be there"
            elif content != letter.content() or f"Content Length: {letter.size}".encode() not in head:
                yield f"{user}/{name} is not whole: {len(content)} bytes of: {letter}"
        if AT_REST:
            if sealed != len(want):
                yield f"{sealed} files in {user} for {len(want)} messages"
            return
        for letter in want.values():
            yield f"no file in {user}: {letter}"


def parse_listings(output):
    """Of t/fault/engine's lists that came to their end."""
    listings, listing = [], {user: [] for user in USERS}
    for line in output.splitlines():
        if line.startswith(("message ", "damaged ")):
            kind, user, id, size, digest, title = line.split(" ", 5)
            listing[user].append((id, size, digest, title))
        elif line == "0 list":
            listings.append(listing)
        if line.startswith(("0 ", "7", "6")):
            listing = {user: [] for user in USERS}
    return listings
