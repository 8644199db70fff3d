#!/usr/bin/python3
"""Transfers that break off, and what --resume makes of what they left.

  ft_resume.py KILLS [SEED]     KILLS processes are killed, each at another byte

The current folder has key, drop and here; see ft_tested.py.
"""
import hashlib, os, random, sys
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from ft_tested import DROP, HERE, Relay, Server, begin, end, run, through
from verdict import check, diag

SIZE = 500_003
OVERHEAD = 3000  # bytes of a transfer that are not the file's, and 18 for each record
HANDSHAKE = {"c": 8 + 2 + 48, "s": 16 + 2 + 48}
rng = random.Random()


class Site:
    """Both ends of a file called `name`: where it comes from, and where it goes to."""

    def __init__(self, verb, name, data=None):
        self.verb, self.name = verb, name
        self.source = Path("in") if verb == "write" else DROP / name
        self.target = (DROP if verb == "write" else HERE) / name
        self.part = self.target.with_name(f".{name}.part")
        self.words = ["-i", "in"] if verb == "write" else ["-o", str(self.target)]
        self.data_side = "c" if verb == "write" else "s"
        self.source.write_bytes(b"")
        with self.source.open("r+b") as file:
            write_sparse(file, content() if data is None else data)

    def run(self, server, *words):
        return run(server.port, self.verb, self.name, *self.words, *words)

    def through(self, relay, *words):
        return through(relay, self.verb, self.name, *self.words, *words)

    def held(self):
        return self.part.stat().st_size if self.part.exists() else 0

    def whole(self):
        return self.target.exists() and self.target.read_bytes() == self.source.read_bytes()

    def put_part(self, data):
        self.part.write_bytes(data)
        self.part.chmod(0o600)

    def broken(self, server, count=SIZE // 2):
        """Cut it off in its middle; a part is there then."""
        with Relay(server.target, self.data_side, count, Relay.fin) as relay:
            code, said = self.through(relay)
        server.ends()
        if code != 75 or self.held() == 0 or self.target.exists():
            raise SystemExit(f"a cut {self.verb} is {code}, and leaves {self.held()} bytes: {said}")
        return self

    def resumed(self, server, begins=None, words=("--resume",)):
        """Faults of a resumption, which is to go on behind `begins` bytes; None: behind what is held."""
        begins = self.held() if begins is None else begins
        code, said = self.run(server, *words)
        last, size = server.last(), self.source.stat().st_size
        moved = last.get("in" if self.verb == "write" else "out", -1)
        faults = [] if code == 0 else [f"exit code {code}: {said[-300:]}"]
        faults += [] if self.whole() else ["the file is not what was sent"]
        faults += [] if last.get("from") == begins else [f"from={last.get('from')}, not {begins}"]
        most = size - begins + (size - begins) // 1000 + OVERHEAD
        faults += [] if size - begins <= moved <= most else [f"{moved} bytes were moved, and {begins} of {size} were there"]
        faults += [f"{self.part} is left"] if self.part.exists() else []
        return faults

    def clear(self):
        for path in (self.source, self.target, self.part):
            path.unlink(missing_ok=True)


def write_sparse(file, data, block=65536):
    """Blocks of zeros become holes."""
    for at in range(0, len(data), block):
        if any(data[at:at + block]):
            file.seek(at)
            file.write(data[at:at + block])
    file.truncate(len(data))


def content(size=SIZE):
    return rng.randbytes(size)


VERBS = ("write", "read")


# --- kills ---

def traffic(server):
    """What passes in either direction of a whole transfer, for each verb."""
    counts = {}
    for verb in VERBS:
        site = Site(verb, "measured")
        with Relay(server.target) as relay:
            code, said = site.through(relay)
        if code != 0 or not site.whole():
            raise SystemExit(f"a {verb} through the relay is {code}: {said}")
        counts[verb] = relay.passed
        site.clear()
    server.ends()
    return counts


def kill(server, victim, relay):
    if victim == "client":
        relay.kill_client()
    elif victim == "session":
        server.kill_session()
    else:
        server.kill()


def killed(server, verb, victim, side, count):
    """Faults of one kill, and of the resumption behind it."""
    site = Site(verb, f"{verb}-{victim}-{side}-{count}")
    with Relay(server.target, side, count, lambda one: kill(server, victim, one)) as relay:
        code, said = site.through(relay)
    if victim == "server":
        server.start()
    server.ends()
    faults = [] if relay.acted else [f"nobody was killed: {code}, {said[-200:]}"]
    faults += [f"exit code 0, and {site.target} is not whole"] if code == 0 and not site.whole() else []
    faults += [f"exit code {code}: {said[-200:]}"] if victim != "client" and code not in (0, 75, 76, 77) else []
    before = site.held()
    if not site.target.exists():
        faults += site.resumed(server)
    elif not site.whole():
        faults.append("half a file has its name")
    site.clear()
    return faults, before


def kills(server, count):
    counts, gained = traffic(server), 0
    faults = {(verb, victim): [] for verb in VERBS for victim in ("client", "session", "server")}
    for number in range(count):
        verb = VERBS[number % 2]
        victim = rng.choice(["client"] * 5 + ["session"] * 4 + ["server"])
        data_side = "c" if verb == "write" else "s"
        side = data_side if rng.random() < 0.9 else "sc"[data_side == "s"]
        at = rng.randrange(counts[verb][side])
        found, before = killed(server, verb, victim, side, at)
        faults[verb, victim] += [f"byte {at} of {side}: {fault}" for fault in found]
        gained += before
    for (verb, victim), found in faults.items():
        check(f"{verb}: kill -9 of the {victim} at any byte, then --resume: the file is right, less is moved", found)
    # each holds less than half of it on the average; few may hold nothing by chance
    check("what the killed ones had is an eighth of it all, or more", gained * 8 >= count * SIZE or count < 20)


# --- cuts ---

def cut(server, verb, side, at, how):
    site = Site(verb, f"{verb}-{how}-{side}-{at}")
    with Relay(server.target, side, at, Relay.fin if how == "fin" else Relay.rst) as relay:
        code, said = site.through(relay)
    last, right = server.last(), (75, 0) if site.whole() else (75,)
    faults = [] if code in right else [f"the client says {code}: {said[-200:]}"]
    faults += [] if last.get("code") in right else [f"the server says {last}"]
    if not site.target.exists():
        faults += site.resumed(server)
    elif not site.whole():
        faults.append("half a file has its name")
    site.clear()
    return [f"{how} at byte {at} of {side}: {fault}" for fault in faults]


def cuts(server, count):
    counts = traffic(server)
    for verb in VERBS:
        for how in ("fin", "rst"):
            faults = []
            for number in range(count):
                side = "sc"[(verb == "write") ^ (number % 4 == 3)]
                # behind the handshake: until then it is the server that does not take the key
                first = HANDSHAKE[side] + 1
                faults += cut(server, verb, side, rng.randrange(first, counts[verb][side]), how)
            check(f"{verb}: a {how.upper()} at any byte is 75 on both sides; --resume goes on", faults)


# --- parts that somebody changed ---

def flip(site):
    data = bytearray(site.part.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    site.put_part(bytes(data))
    return 0


def grow(site):
    site.put_part(site.part.read_bytes() + b"more")
    return 0


def grow_beyond(site):
    site.put_part(site.source.read_bytes() + b"more")
    return 0


def shrink(site):
    site.put_part(site.part.read_bytes()[:-rng.randrange(1, 70000)])
    return site.held()


def to_one(site):
    site.put_part(site.part.read_bytes()[:1])
    return 1


def empty(site):
    site.put_part(b"")
    return 0


def zeros(site):
    site.put_part(bytes(site.held()))
    return 0


def all_of_it(site):
    site.put_part(site.source.read_bytes())
    return SIZE


def gone(site):
    site.part.unlink()
    return 0


def hard_link(site):
    site.part.unlink()
    os.link("other", site.part)
    return 0


def same_by_hard_link(site):
    Path("other").write_bytes(site.source.read_bytes()[:100000])
    return hard_link(site)


def open_to_others(site):
    site.part.chmod(0o622)
    return 0


TAMPERED = {
    "a bit flipped": flip, "four bytes longer": grow, "longer than the file": grow_beyond,
    "shorter": shrink, "one byte long": to_one, "empty": empty, "zeros": zeros, "all of the file": all_of_it,
    "gone": gone, "a hard link to a file of others": hard_link,
    "a hard link to a right beginning": same_by_hard_link, "open for others to write": open_to_others}


def symlink(site):
    site.part.symlink_to(Path("other").absolute())


def dangling(site):
    site.part.symlink_to(Path("nowhere").absolute())


def fifo(site):
    os.mkfifo(site.part)


def folder(site):
    site.part.mkdir()


NO_FILES = {"a symlink": symlink, "a symlink to nothing": dangling, "a FIFO": fifo, "a folder": folder}


def tampered(server):
    for verb in VERBS:
        for what, act in TAMPERED.items():
            Path("other").write_bytes(b"not to be touched")
            site = Site(verb, "tampered").broken(server)
            begins, before = act(site), Path("other").read_bytes()
            faults = site.resumed(server, begins)
            faults += [] if Path("other").read_bytes() == before else ["another file was written to"]
            check(f"{verb}: of a part that is {what} {begins or 'no'} bytes are kept" if act is not shrink else
                  f"{verb}: of a part that is {what} all is kept", faults)
            site.clear()
        for what, act in NO_FILES.items():
            site = Site(verb, "tampered").broken(server)
            site.part.unlink()
            act(site)
            before = Path("other").read_bytes()
            codes = [site.run(server, *words)[0] for words in ((), ("--resume",))]
            server.ends()
            faults = [] if codes == [73, 73] else [f"exit codes {codes}"]
            faults += ["another file was written to"] if Path("other").read_bytes() != before else []
            faults += ["it is there"] if site.target.exists() or Path("nowhere").exists() else []
            site.part.rmdir() if act is folder else site.part.unlink()
            check(f"{verb}: a part that is {what} is 73, and left alone", faults + site.resumed(server, 0))
            site.clear()


# --- sources that change ---

def sources(server):
    for verb in VERBS:
        site = Site(verb, "changed").broken(server)
        data = site.source.read_bytes()
        site.source.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        check(f"{verb}: another beginning, and nothing is kept", site.resumed(server, 0))
        site.clear()
        site = Site(verb, "changed").broken(server)
        site.source.write_bytes(site.source.read_bytes()[:site.held()] + content(100_000))
        check(f"{verb}: another end, and what is held is kept", site.resumed(server))
        site.clear()
        site = Site(verb, "changed").broken(server)
        site.source.write_bytes(site.source.read_bytes()[:1000])
        check(f"{verb}: a source that became shorter than the part", site.resumed(server, 0))
        site.clear()
        site = Site(verb, "changed").broken(server)
        site.source.write_bytes(b"")
        check(f"{verb}: a source that became empty", site.resumed(server, 0))
        site.clear()
        for what, act in {"written to": write_to, "cut": cut_to, "longer": append_to}.items():
            check(f"{verb}: a source that is {what} while it is read is 75, and stored nowhere", while_read(server, verb, act))


def write_to(site):
    with site.source.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")


def cut_to(site):
    os.truncate(site.source, SIZE - 1)


def append_to(site):
    with site.source.open("ab") as file:
        file.write(b"?")


def while_read(server, verb, act):
    """More than what sockets and buffers hold is behind the byte at which it changes."""
    size = 40_000_000
    site = Site(verb, "read", bytes(range(256)) * (size // 256))
    with Relay(server.target, site.data_side, 200_000, lambda relay: act(site) or True) as relay:
        code, said = site.through(relay)
    last = server.last()
    faults = [] if code == 75 else [f"the client says {code}: {said[-200:]}"]
    faults += [] if last.get("code") == 75 else [f"the server says {last}"]
    faults += ["it has its name"] if site.target.exists() else []
    site.clear()
    return faults


# --- two at once, and what else stands in the way ---

def at_once(server, verb):
    """While one is half-way, another comes: it is told to wait, and the first one ends well."""
    site, said = Site(verb, "contended"), []
    with Relay(server.target, site.data_side, SIZE // 2, lambda relay: said.extend(
            site.run(server, *words) for words in ((), ("--resume",), ("--force",))) or True) as relay:
        code, text = site.through(relay)
    codes = [one for one, _ in said]
    faults = [] if code == 0 and site.whole() else [f"the first one says {code}: {text[-200:]}"]
    faults += [] if codes == [75, 75, 75] else [f"the others say {said}"]
    server.ends()
    site.clear()
    return faults


def in_the_way(server, verb):
    site = Site(verb, "there").broken(server)
    site.target.write_bytes(b"older")
    before, code = site.held(), site.run(server, "--resume")[0]
    faults = [] if code == 73 else [f"exit code {code}"]
    faults += [] if site.target.read_bytes() == b"older" and site.held() == before else ["it was touched"]
    server.ends()
    check(f"{verb}: where a file has the name --resume is 73, and touches nothing", faults)
    check(f"{verb}: but with --force it goes on", site.resumed(server, words=("--resume", "--force")))
    site.clear()
    site = Site(verb, "anew").broken(server)
    check(f"{verb}: without --resume all is moved", site.resumed(server, 0, words=()))
    site.clear()
    site = Site(verb, "twice").broken(server, SIZE // 3)
    first = site.held()
    with Relay(server.target, site.data_side, SIZE // 3, Relay.rst) as relay:
        site.through(relay, "--resume")
    server.ends()
    check(f"{verb}: one that breaks off again has more than before", site.held() > first)
    check(f"{verb}: and goes on behind that", site.resumed(server))
    site.clear()


def holes(server, verb):
    """A hole ahead of what is held, at its end (the cut comes in the record behind it), and behind it."""
    faults = []
    for ahead, count, least in ((1 << 20, 200_000, (1 << 20) + 65536), (1 << 20, 90_000, (1 << 20) + 65536), (0, 90_000, 0)):
        data = content(65536) + bytes(ahead) + content(300_000) + bytes(1 << 20)
        site = Site(verb, "holes", data).broken(server, count)
        held, (code, said) = site.held(), site.run(server, "--resume")
        last = server.last()
        faults += [] if code == 0 and site.whole() else [f"{count}: {code}, {said[-200:]}"]
        faults += [] if last.get("from") == held >= least else [f"{count}: from={last.get('from')}, of {held}"]
        faults += [] if site.target.stat().st_blocks * 512 < 800_000 else ["its holes take room"]
        site.clear()
    return faults


def hashed(server, verb):
    """What --sum prints is of the whole file."""
    site = Site(verb, "hashed").broken(server)
    client = begin(server.port, verb, "hashed", *site.words, "--resume", "--sum")
    said = client.communicate(timeout=60)[0].decode()
    last, want = server.last(), hashlib.sha256(site.source.read_bytes()).hexdigest()
    site.clear()
    return [] if said.startswith(want) and last.get("from", 0) > 0 else [f"{said} for {want}, {last}"]


def piped(server):
    site = Site("write", "piped").broken(server)
    client = begin(server.port, "write", "piped", "--resume", stdin=-1)
    code, said = end(client)
    check("write: --resume from a pipe, which cannot be begun anywhere else, is misuse, and takes nothing away",
          [] if code == 64 and (DROP / ".piped.part").stat().st_size > 0 else [f"{code}: {said[-300:]}"])
    site.clear()


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else random.randrange(1 << 32)
    rng.seed(seed)
    diag(f"the seed is {seed}")
    server = Server().start()
    kills(server, count)
    cuts(server, max(count // 16, 2))
    tampered(server)
    sources(server)
    for verb in VERBS:
        check(f"{verb}: of two at once to one name the second is 75", at_once(server, verb))
        in_the_way(server, verb)
        check(f"{verb}: holes are resumed, too", holes(server, verb))
        check(f"{verb}: --sum is the hash of all of it", hashed(server, verb))
    piped(server)
    left = [str(path) for path in [*DROP.iterdir(), *HERE.iterdir()]]
    check("nothing is left in either folder", left)
    check("the server stops cleanly", server.stop() == 0)
    died = [line for line in server.log.read_text().splitlines() if " killed " in line and "signal=9" not in line]
    check("no session died by a signal that was not sent", died)


if __name__ == "__main__":
    main()
