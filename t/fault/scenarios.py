"""What is under way when a process dies or the power fails: see Scenario. Each knows how to begin, what the
struck command is, and how to judge what came of it."""
import ctypes, json, subprocess

from machine import ENGINE, PROGRAM, plan, run
from oracle import ACKED, KEPT, FIVE, UNKNOWN, Model, parse_listings

SMALL, LARGE = 300, 70_000  # characters: a message that a journal may hold, and one that it does not
FULL, SEGMENT = 65_000, 8 << 20  # the largest that it holds, more or less; what its files hold
PER_STORE = 15  # crashes of one store, before another is begun


class Scenario:
    """title: what it is. prepare(store): before; command(store): what is struck, from its mark on or from its
    first call (start). after(store, result): once the place is alive again -> faults."""
    title, start, fresh, slow, huge = "", "mark", False, False, False

    def begin(self, store):
        """A new store."""

    def prepare(self, place, store, action):
        """Before each command, which is to end by this action."""

    def command(self, store):
        raise NotImplementedError

    def after(self, store, result):
        raise NotImplementedError


class Life(Scenario):
    """Steps of t/fault/engine: `setup`, then under the mark `window`, both from make(model)."""

    def __init__(self, title, make, fresh=False, crash_before=0):
        self.title, self.make, self.fresh = title, make, fresh

    def begin(self, store):
        self.model = Model()
        if not self.fresh:  # with mail from before, that must not suffer
            old = [self.model.letter(FIVE, SMALL, True), self.model.letter(["client2"], LARGE)]
            self.live(store, ["recover", *(letter.step() for letter in old)])

    def live(self, store, steps):
        result = run([ENGINE, str(store), *steps])
        refusals = self.model.learn(result.out)
        if result.code or refusals:
            raise RuntimeError(f"a life without a fault: exit {result.code}, {refusals} {result.err}")
        return result

    def command(self, store):
        setup, window = self.make(self.model)
        return [ENGINE, str(store), "recover", *setup, "mark", *window]

    def after(self, store, result):
        self.model.learn(result.out)
        return self.judge(store)

    def judge(self, store):
        """From the journal, as files, and after a clean stop."""
        result = run([ENGINE, str(store), "recover", "list", "settle", "list"])
        listings = parse_listings(result.out)
        if result.code or len(listings) != 2:
            return [f"the next start: exit {result.code}, {result.out[-200:]} {result.err}"]
        faults = self.model.judge(listings[0], "at the next start")
        faults += self.model.judge(listings[1], "settled")
        faults += self.model.judge_folder(store, "after it")
        return faults + self.again(store)

    def again(self, store):
        """What was sent under an id is sent again: and is there once."""
        due = [letter for letter in self.model.letters.values() if letter.once and not letter.resent]
        steps = []
        for letter in due:
            letter.resent = True
            letter.state = ACKED if letter.state == ACKED else UNKNOWN
            steps.append(letter.step())
        if not steps:
            return []
        result = run([ENGINE, str(store), "recover", *steps, "list"])
        refusals, listings = self.model.learn(result.out), parse_listings(result.out)
        if refusals or result.code or not listings:
            return [f"sent again: exit {result.code} {refusals} {result.err}"]
        faults = self.model.judge(listings[0], "sent again")
        return faults + self.model.judge_folder(store, "sent again")


class Huge(Life):
    """That takes seconds each time: never at each call."""
    huge = True

    def __init__(self, title, make):
        super().__init__(title, make, fresh=True)


class Recovery(Life):
    """The start after a crash dies, too. depth: where in the delivery the first death was, of 100."""

    def __init__(self, title, make, depth):
        super().__init__(title, make)
        self.depth, self.calls = depth, None

    def prepare(self, place, store, action):
        if self.calls is None:
            result = run(super().command(store), plan())
            self.calls = result.calls
            self.model.learn(result.out)
        self.model.learn(run(super().command(store), plan(action, max(1, self.calls * self.depth // 100))).out)
        place.revive()

    def command(self, store):
        return [ENGINE, str(store), "mark", "recover", "list"]  # the store's opening, and its clean stop, too

    def after(self, store, result):
        return self.judge(store)


def deliver(to, size, once):
    def make(model):
        return [], [model.letter(to, size, once).step()]
    return make


def beside(to, size):
    """By one who is not the keeper."""
    def make(model):
        return [], [model.letter(to, size, True).step().replace("once", "beside", 1)]
    return make


def look(model):
    """At what is settled, and at what is not, of each kind."""
    files = [model.letter(["client1", "client2"], SMALL), model.letter(["client2"], LARGE)]
    journaled = [model.letter(["client2", "client3"], SMALL), model.letter(["client3"], LARGE)]
    gone = model.letter(["client2"], SMALL)
    model.begins_removal("client2", gone)
    return [*(letter.step() for letter in files), "settle", *(letter.step() for letter in [*journaled, gone]),
            f"remove:client2:{gone.id}"], ["check", "count"]


def list_anew(model):
    """What is settled, and what is not, and what was removed."""
    setup, _ = look(model)
    return [*setup, "forget"], ["list"]


def and_settle(make):
    """The same, and what was put off is done at once."""
    def both(model):
        setup, window = make(model)
        return setup, [*window, "settle"]
    return both


def and_crash(make):
    """The same, and nobody does what was put off before the next start."""
    def both(model):
        setup, window = make(model)
        return setup, [*window, "crash"]
    return both


def remove(model):
    """Of a message that is a file."""
    letter = model.letter(["client2", "client3"], SMALL)
    model.begins_removal("client2", letter)
    return [letter.step(), "settle"], [f"remove:client2:{letter.id}"]


def remove_at_once(size):
    """Of a message that is none yet."""
    def make(model):
        letter = model.letter(FIVE, size, True)
        model.begins_removal("client2", letter)
        return [letter.step()], [f"remove:client2:{letter.id}"]
    return make


def settle(model):
    letters = [model.letter(FIVE, SMALL), model.letter(["client1"], LARGE, True), model.letter(["client4"], SMALL),
               model.letter(["client2", "client3"], LARGE)]
    gone = model.letter(["client4", "client5"], SMALL)
    model.begins_removal("client5", gone)
    return [*(letter.step() for letter in [*letters, gone]), f"remove:client5:{gone.id}"], ["settle"]


def fill(model, to):
    """As much as one segment of the journal holds."""
    return [model.letter(to, FULL).step() for _ in range(SEGMENT // FULL)]


def next_segment(model):
    """A segment is full, another one begins; what the first one has is removed by the other."""
    first = model.letter(["client1", "client2"], SMALL)
    model.begins_removal("client2", first)
    setup = [first.step(), *fill(model, ["client3"])]
    more = [model.letter(["client3"], FULL), model.letter(FIVE, SMALL, True)]
    return setup, [*(letter.step() for letter in more), f"remove:client2:{first.id}"]


def no_segment_left(model):
    """The fourth segment is full: the next delivery waits until the first is settled."""
    setup = [step for i in range(4) for step in fill(model, [FIVE[i]])]
    return setup, [model.letter(["client1", "client2"], FULL, True).step() for _ in range(2)]


LIVES = [
    lambda: Life("a delivery to one", and_crash(deliver(["client2"], SMALL, False))),
    lambda: Life("a delivery to five under an id, and a clean stop", deliver(FIVE, SMALL, True)),
    lambda: Life("a delivery of a large message to one under an id, and a clean stop",
                 deliver(["client2"], LARGE, True)),
    lambda: Life("a delivery of a large message to five", and_crash(deliver(FIVE, LARGE, False))),
    lambda: Life("the first delivery to a new store", and_settle(deliver(["client1", "client5"], SMALL, True)),
                 fresh=True),
    lambda: Life("a removal", remove),
    lambda: Life("a removal right behind the delivery", remove_at_once(SMALL)),
    lambda: Life("what is done when nobody waits", settle),
    lambda: Recovery("a recovery from a crash in the midst of a delivery to five", deliver(FIVE, SMALL, True), 50),
    lambda: Recovery("a recovery from a crash in the midst of settling", settle, 50),
]
MORE_LIVES = [
    lambda: Life("a delivery to one under an id", deliver(["client2"], SMALL, True)),
    lambda: Life("a delivery to five", and_crash(deliver(FIVE, SMALL, False))),
    lambda: Life("a delivery of a large message to one", deliver(["client2"], LARGE, False)),
    lambda: Life("a delivery of a large message to five under an id", and_settle(deliver(FIVE, LARGE, True))),
    lambda: Life("a delivery of nothing", deliver(["client3"], 0, False)),
    lambda: Life("a removal right behind a large delivery", and_settle(remove_at_once(LARGE))),
    lambda: Life("a removal, and nothing else", and_crash(remove_at_once(SMALL))),
    lambda: Huge("a delivery and a removal in the next segment of the journal", and_settle(next_segment)),
    lambda: Huge("deliveries that wait for room in the journal", no_segment_left),
    lambda: Recovery("a recovery from a crash early in a large delivery", deliver(FIVE, LARGE, False), 25),
    lambda: Recovery("a recovery from a crash at the end of a large delivery to five",
                     and_crash(deliver(FIVE, LARGE, True)), 95),
    lambda: Recovery("a recovery from a crash late in a delivery to five", and_crash(deliver(FIVE, SMALL, False)), 95),
    lambda: Recovery("a recovery from a crash early in the removal of a message", remove_at_once(SMALL), 20),
    lambda: Recovery("a recovery from a crash in the removal of a message", remove_at_once(SMALL), 60),
    lambda: Recovery("a recovery from a crash early in settling", settle, 25),
    lambda: Recovery("a recovery from a crash late in settling", settle, 75),
    lambda: Recovery("a recovery from a crash at the end of settling", settle, 95),
]


# --- commands that write a file: accounts and keys ---

SECRET = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$+c6q23sQwLpOH1shdbgrn6Ho39DyRbsdY34ab5ZO+fs"
BOB = {"password": SECRET, "note": [1, {"n": 2}]}  # whose password is "secret"


def verify(phc, password):
    """Is it the password's? By the reference library, and not through us."""
    library = ctypes.CDLL("libargon2.so.1")
    return library.argon2id_verify(phc.encode(), password, len(password)) == 0


class Accounts(Scenario):
    """user VERB NAME: the file is the old one or the new one, and the same command goes through afterwards."""
    start = "now"
    slow = True  # a password's hash is

    def __init__(self, title, verb, wanted, again):
        self.title, self.verb, self.wanted, self.ends = title, verb, wanted, again

    def begin(self, store):
        (store / "pw").write_text("another secret\n")
        (store / "user_pass.json").write_text(json.dumps({"bob": BOB, "client1": "password1"}))
        (store / "user_pass.json").chmod(0o600)
        subprocess.run(["sync", "-f", store], check=True)
        self.old = (store / "user_pass.json").read_bytes()

    fresh = True

    def command(self, store):
        return [PROGRAM, "user", "-d", str(store), *self.verb, "--password-file", str(store / "pw")]

    def judge(self, store, acknowledged, when):
        path = store / "user_pass.json"
        text = path.read_bytes() if path.exists() else b""
        if path.exists() and path.stat().st_mode & 0o777 != 0o600:
            return [f"{when}: mode {path.stat().st_mode:o}"]
        if text == self.old and not acknowledged:
            return []
        try:
            accounts = json.loads(text)
        except ValueError as fault:
            return [f"{when}: {len(text)} bytes are no accounts: {fault}"]
        if not acknowledged and text == self.old:
            return []
        return [] if self.wanted(accounts) else [f"{when}: neither the old accounts nor the new: {text}"]

    def after(self, store, result):
        faults = self.judge(store, result.code == 0, "after it")
        again = run(self.command(store))
        if again.code not in self.ends:
            faults.append(f"again: exit {again.code}, {again.err}")
        faults += self.judge(store, True, "again")
        left = [path.name for path in store.iterdir()
                if path.name not in KEPT | {"pw", "zack"}]
        return faults + ([f"left over: {left}"] if left and again.code == 0 else [])


def kept(accounts, *but):
    return (("client1" in but or accounts.get("client1") == "password1") and
            ("bob" in but or accounts.get("bob") == BOB))


def added(accounts):
    return kept(accounts) and set(accounts) == {"bob", "client1", "zack"} and \
        verify(accounts["zack"]["password"], b"another secret")


def changed(accounts):
    return kept(accounts, "bob") and set(accounts) == {"bob", "client1"} and \
        verify(accounts["bob"]["password"], b"another secret") and accounts["bob"]["note"] == BOB["note"]


class Keys(Scenario):
    """keygen: of each pair nothing, the private half, or both; the next keygen leaves both, and nothing else."""
    start = "now"
    fresh = True

    def __init__(self, title, options, names):
        self.title, self.options, self.names, self.slow = title, options, names, "rsa" in options

    def command(self, store):
        return [PROGRAM, "keygen", "-d", str(store), *self.options, "a"]

    @staticmethod
    def public_of(private):
        return subprocess.run(["openssl", "pkey", "-in", private, "-pubout"], capture_output=True).stdout

    def judge(self, store, done, when):
        private, public = (store / f"a_{self.names}{half}.pem" for half in ("private", "public"))
        if not private.exists():
            return [f"{when}: no private half"] if done else [f"{when}: a public half alone"] * public.exists()
        if private.stat().st_mode & 0o777 != 0o600:
            return [f"{when}: mode {private.stat().st_mode:o}"]
        want = self.public_of(private)
        if not want:
            return [f"{when}: the private half is broken: {private.read_bytes()[:40]}"]
        if not public.exists():
            return [f"{when}: no public half"] if done else []
        return [] if public.read_bytes() == want else [f"{when}: two halves of different keys"]

    def after(self, store, result):
        faults = self.judge(store, result.code == 0, "after it")
        there = {path.name: path.read_bytes() for path in store.glob("a_*.pem")}
        if self.slow and not there:
            return faults  # to make it then is no news, and slow
        again = run(self.command(store))
        if again.code not in (0, 73):
            faults.append(f"again: exit {again.code}, {again.err}")
        faults += self.judge(store, True, "again")
        faults += [f"{name} was replaced" for name, text in there.items() if (store / name).read_bytes() != text]
        left = [path.name for path in store.iterdir() if path.name[0] == "." and not path.name.endswith(".lock")]
        return faults + ([f"left over: {left}"] if left and again.code == 0 else [])


COMMANDS = [
    lambda: Accounts("user add", ["add", "zack"], added, (0, 73)),
    lambda: Accounts("user passwd", ["passwd", "bob"], changed, (0,)),
    lambda: Keys("keygen of an X25519 pair", ["--only", "x25519"], "x25519_"),
]
MORE_COMMANDS = [
    lambda: Keys("keygen of an RSA pair", ["--only", "rsa"], ""),
]
