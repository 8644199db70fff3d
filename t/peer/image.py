#!/usr/bin/python3
"""What a core of these processes would hold: each place in their memory where a text stands; and what cannot be
looked at, which is no better.
    image.py TEXT PID..."""
import re
import sys
from pathlib import Path


def places(text, pid):
    program = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            start, end, may, name = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)", line).groups()
            if may[0] != "r" or name.startswith("[v"):
                continue
            memory.seek(int(start, 16))
            piece = memory.read(int(end, 16) - int(start, 16))
            for found in re.finditer(re.escape(text.encode()), piece):
                around = piece[max(0, found.start() - 30):found.end() + 30]
                yield f"{program}: {name or 'memory'} at {found.start():#x}: {around}"


for pid in sys.argv[2:]:
    try:
        for place in places(sys.argv[1], pid):
            print(place)
    except OSError as why:
        print(f"process {pid}: {why}")
