"""How a Python program tells a test script what it found: see `judged` in t/lib.sh.

    check("a title that is an assertion", [])           its faults, as a list: none
    check("a list is empty", rows == [])                or a truth
"""
import contextlib, os, subprocess, time
from pathlib import Path


def check(title, faults):
    if isinstance(faults, bool):
        faults = [] if faults else ["it is not so"]
    faults = [str(fault) for fault in faults]
    print(("not ok " if faults else "ok ") + title)
    for fault in faults[:20]:
        print("# " + fault.replace("\n", " | ")[:400])
    if len(faults) > 20:
        print(f"# {len(faults)} in all", flush=True)


def diag(text):
    print(f"# {text}", flush=True)


def children(pid):
    """The processes that this one has begun and not yet reaped: {pid: state}."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it is gone meanwhile
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found[int(name)] = fields[0]
    return found


def wait_until(fits, seconds=10):
    end = time.monotonic() + seconds
    while not (true := fits()) and time.monotonic() < end:
        time.sleep(0.02)
    return true


def childless(pid, seconds=15):
    return wait_until(lambda: not children(pid), seconds)


def settled(folder="."):
    """Wait until the text file of every message is there. False: that took too long."""
    script = Path(__file__).parent.parent / "settled.sh"
    return subprocess.run(["sh", "-c", '. "$0" && wait_settled "$1"', script, folder]).returncode == 0


def spooled():
    """What stays in the spool though no delivery needs it any more: names go behind the journal's."""
    settled()
    wait_until(lambda: not os.listdir(".spool"))
    return os.listdir(".spool")


def messages(folder="."):
    """The message files under a server's folder: {path: bytes}."""
    settled(folder)
    return {str(path): path.read_bytes() for path in Path(folder).glob("client*/*.txt")}


def peak_memory(pid):
    """KiB that a process had resident at its most."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise OSError(f"process {pid} tells no VmHWM")


PROGRAM = os.environ.get("SMTP361", "smtp361")
