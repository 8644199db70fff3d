#!/usr/bin/python3
"""What the tests ran of the rooms named, as gcov counted it.

  report.py BUILD PERCENT ROOM...    branches and lines of each file, the places that were never
                                     reached, and 1 when less than PERCENT of all branches were
"""
import json, subprocess, sys
from pathlib import Path


def counted(build, source):
    """[(line, was it run, [was the branch taken])...]"""
    out = subprocess.run(["gcov", "--stdout", "--json-format", "--branch-probabilities", "--object-directory",
                          build / source.with_suffix(".o"), source], capture_output=True, check=True, text=True).stdout
    lines = {}
    for one in (file for part in out.splitlines() for file in json.loads(part)["files"]):
        if Path(one["file"]) != source:
            continue
        for line in one["lines"]:
            ran, taken = lines.setdefault(line["line_number"], (set(), []))
            ran.add(line["count"] > 0)
            taken += [branch["count"] > 0 for branch in line["branches"]]
    return [(number, True in ran, taken) for number, (ran, taken) in sorted(lines.items())]


def percent(part, whole):
    return 100 * part / whole if whole else 100


def spans(numbers):
    """3, 4, 5, 9 as "3-5 9"."""
    spans = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return " ".join(f"{a}-{b}" if a != b else f"{a}" for a, b in spans)


def main():
    build, wanted, rooms = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    total, gaps = [0, 0, 0, 0], []
    print("branches        lines          file")
    for source in sorted(path for room in rooms for path in Path(room).glob("*.c")):
        lines = counted(build, source)
        text = source.read_text().splitlines()
        branches = [taken for _, _, each in lines for taken in each]
        figures = [sum(branches), len(branches), sum(ran for _, ran, _ in lines), len(lines)]
        total = [a + b for a, b in zip(total, figures)]
        print("{:5.1f} % of {:4}  {:5.1f} % of {:4}  {}".format(
            percent(*figures[:2]), figures[1], percent(*figures[2:]), figures[3], source))
        missed = [number for number, ran, _ in lines if not ran]
        if missed:
            gaps.append(f"{source}: never run: {spans(missed)}")
        gaps += [f"{source}:{number}: {each.count(False)} of {len(each)} branches never taken: "
                 f"{text[number - 1].strip()}" for number, ran, each in lines if ran and False in each]
    print("{:5.1f} % of {:4}  {:5.1f} % of {:4}  in all".format(
        percent(*total[:2]), total[1], percent(*total[2:]), total[3]))
    print("", *gaps, sep="\n")
    if percent(*total[:2]) < wanted:
        sys.exit(f"less than {wanted:g} % of the branches of {', '.join(rooms)} were taken")


if __name__ == "__main__":
    main()
