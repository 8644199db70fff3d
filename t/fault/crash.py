#!/usr/bin/python3
"""Death at system calls: of whatever stands in scenarios.py, at each call or, without CRASH=all, at a sample.

    crash.py kill [WORDS]      SIGKILL
    crash.py cut KIND [WORDS]  a power cut on a file system of this kind (ext4, xfs)

WORDS: of scenarios whose titles have them, alone.
What is acknowledged must then be there, whole and once; see oracle.py.
"""
import os, sys, time
from functools import partial

sys.dont_write_bytecode = True
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../peer"))
import at_rest
import scenarios
from machine import ALL, Disk, Folder, can_cut, can_inject, counted, go_through, plan, run, sample
from verdict import check, diag

CUTS = {1: "with the file system's log flushed", 2: "with nothing flushed"}  # XFS_FSOP_GOING_FLAGS_*


def struck_at(scenario, place, store, planned, action):
    """One death. -> (was there one?, faults)"""
    scenario.prepare(place, store, action)
    result = run(scenario.command(store), planned)
    if result.struck and result.code != 137:
        return True, [f"{result.where()}: exit {result.code}, not killed"]
    place.revive()
    faults = scenario.after(store, result)
    if not result.struck and result.code:
        faults.append(f"exit {result.code} with no fault: {result.out[-200:]} {result.err}")
    return bool(result.struck), [f"{result.where()}: {fault}" for fault in faults]


def renew(scenario, place, store, used):
    if store is None or scenario.fresh or used >= scenarios.PER_STORE:
        store = place.fresh()
        scenario.begin(store)
        return store, 0
    return store, used


def judge(make, place, action, most, title):
    """Deaths at a sample of the calls, and then at each one more until a run lives."""
    scenario, began = make(), time.monotonic()
    every, start = counted(ALL and action == "end"), scenario.start
    store, used = renew(scenario, place, None, 0)
    scenario.prepare(place, store, action)
    whole = run(scenario.command(store), plan("none", start=start, calls=every))
    faults = scenario.after(store, whole) + ([f"exit {whole.code}, {whole.out} {whole.err}"] if whole.code else [])
    numbers = list(range(1, whole.calls + 1))
    whole_way = ALL and not scenario.huge
    numbers = numbers if whole_way else sample(numbers, 60 if ALL else most // 2 if scenario.slow else most)
    tried, last = 0, None if whole_way else whole.calls + 5
    while len(faults) < 20:
        number = numbers.pop(0) if numbers else number + 1
        store, used = renew(scenario, place, store, used + 1)
        hit, found = struck_at(scenario, place, store, plan(action, number, start=start, calls=every), action)
        faults += found
        tried += hit
        if not numbers and (not hit or number == last):
            break
    check(f"{title} at {'each' if whole_way else 'some'} of {whole.calls} calls of {scenario.title}",
          faults + (["there were no such calls"] if tried < 3 else []))
    diag(f"{tried} deaths, {time.monotonic() - began:.1f} s")


def chosen(makes, words):
    return [make for make in makes if not words or words[0] in make().title]


def judge_at(make, make_place, action, most, title):
    place = make_place()
    try:
        judge(make, place, action(place), most, title)
    finally:
        place.close()


def kills(words):
    why = can_inject()
    if why:
        print(f"skip killed at any call: cannot stand between a program and the kernel: {why}")
        return
    lives = scenarios.LIVES + scenarios.COMMANDS + at_rest.CONVERSIONS
    go_through([partial(judge_at, make, Folder, lambda place: "end", 24, "killed")
                for make in chosen(lives + (scenarios.MORE_LIVES + scenarios.MORE_COMMANDS if ALL else []), words)])


def cuts(kind, words):
    why = can_inject() or can_cut(kind)
    if why:
        print(f"skip a power cut at any call, on {kind}: {why}")
        return
    lives = scenarios.LIVES + scenarios.COMMANDS + at_rest.CONVERSIONS
    go_through([partial(judge_at, make, partial(Disk, kind), partial(cut_by, flag), 10,
                        f"a power cut, {how}, on {kind},")
                for flag, how in (CUTS.items() if ALL else [(2, CUTS[2])])
                for make in chosen(lives + (scenarios.MORE_LIVES if ALL else []), words)])


def cut_by(flag, place):
    return f"cut {flag} {place.root}"


if sys.argv[1] == "kill":
    kills(sys.argv[2:])
else:
    cuts(sys.argv[2], sys.argv[3:])
