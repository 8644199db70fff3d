#!/usr/bin/python3
"""sendmail's queue under deaths and faults: what was acknowledged is there, whole and once.

    mail_queue.py SERVER      in a folder with the keys of client1, whose mail goes to client2 there
"""
import errno, json, os, shutil, subprocess, sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../peer"))
from machine import ALL, PROGRAM, can_inject, counted, plan, run, sample
from verdict import check

STATE = Path("state").resolve()
QUEUE = STATE / "smtp361" / "queue"
WHO = {**os.environ, "SMTP361_SERVER": sys.argv[1], "SMTP361_USER": "client1", "XDG_STATE_HOME": str(STATE)}
PUT = ["sh", "-c", 'exec "$0" sendmail -i -odq client2 <"$1"', PROGRAM]
MOST = 10 ** 9 if ALL else 25


def program(*arguments, **options):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, env=WHO, **options)


def message(name):
    Path(name).write_bytes(b"Subject: %s\nMessage-ID: <%s>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nFrom: a@b\n\n" % ((name.encode(),) * 2)
                           + b"line\n" * 20000)
    return name


def put(name, planned=None):
    return run([*PUT, message(name)], planned, env=WHO)


def listed():
    """-> {subject: entry}, faults"""
    result = program("queue", "list", "--json")
    if result.returncode:
        return {}, [f"list: {result.returncode} {result.stderr}"]
    found, faults = {}, []
    for entry in json.loads(result.stdout):
        text = (QUEUE / (entry["queue_id"] + ".message")).read_bytes().split(b"\n", 1)[1]
        name = text.split(b"\n", 1)[0].removeprefix(b"Subject: ").decode()
        if not name or not Path(name).exists() or text != Path(name).read_bytes():
            faults.append(f"{entry['queue_id']} is not whole: {text[:60]}")
        faults += [f"{name} is there twice"] if name in found else []
        found[name] = entry
    return found, faults


def empty():
    shutil.rmtree(STATE, ignore_errors=True)


def each_call(title, action, judge, before=lambda: None):
    before()
    whole = run(*judge("whole", plan("none", start="now", calls=counted(False))), env=WHO)
    faults, tried = [], 0
    if whole.code:
        faults.append(f"{whole.code} without a fault: {whole.err}")
    for number in sample(range(1, whole.calls + 1), MOST):
        before()
        name = f"m{number}"
        result = run(*judge(name, plan(action, number, start="now", calls=counted(False))), env=WHO)
        tried += bool(result.struck)
        faults += [f"{result.where()}: {fault}" for fault in judge.after(name, result)]
    check(f"{title}, at {'each' if MOST > whole.calls else 'some'} of {whole.calls} calls", faults + (
        [] if tried > 3 else ["there were no such calls"]))


class Put:
    def __call__(self, name, planned):
        return [*PUT, message(name)], planned

    def after(self, name, result):
        found, faults = listed()
        for kept in ("kept1", "kept2"):
            faults += [] if kept in found else [f"{kept} is lost"]
        if result.code == 0 and name not in found:
            faults.append("it is acknowledged, and lost")
        if result.code not in (0, 137) and name in found:
            faults.append(f"exit {result.code}, and it is there")
        again = put("again")
        faults += [] if again.code == 0 and "again" in listed()[0] else [f"what comes next: {again.code} {again.err}"]
        faults += [f"{left} is left" for left in os.listdir(QUEUE) if left.endswith(".new")]
        return faults


class Flush:
    def __call__(self, name, planned):
        return [PROGRAM, "queue", "flush"], planned

    def after(self, name, result):
        again = program("queue", "flush")
        faults = [] if again.returncode == 0 else [f"the next flush: {again.returncode} {again.stdout}"]
        left, more = listed()
        return faults + more + [f"{name} is left" for name in left]


def fresh():
    empty()
    put("kept1")
    put("kept2")


rounds = 0


def three():
    """Three that no round before had."""
    global rounds
    rounds += 1
    empty()
    for i in range(3):
        put(f"f{rounds}-{i}")


why = can_inject()
if why:
    print(f"skip the queue under deaths and faults: {why}")
    sys.exit()
each_call("killed while it queues: what was acknowledged before is whole, and the next comes to it", "end", Put(), fresh)
each_call("killed while it makes the queue", "end", type("First", (Put,), {"after": lambda self, name, result: (
    lambda again: [] if again.code == 0 and "again" in listed()[0] else [f"the next: {again.code} {again.err}"])(put("again"))})(), empty)
for number in (errno.EIO, errno.ENOSPC) if ALL else (errno.ENOSPC,):
    each_call(f"{errno.errorcode[number]} while it queues: 0 and it is there, or else it is not", f"error {number}", Put(), fresh)
each_call("killed while it flushes: the next flush ends it", "end", Flush(), three)
titles = subprocess.run([PROGRAM, "inbox", "--enhanced", "-u", "client2"], capture_output=True, env=WHO).stdout.decode()
subjects = [line.split("\t")[3] for line in titles.splitlines()]
want = [f"f{n}-{i}" for n in range(1, rounds + 1) for i in range(3)]
check("... and each message has arrived once", [f"{name}: {subjects.count(name)}" for name in want if subjects.count(name) != 1])
