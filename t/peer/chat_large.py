#!/usr/bin/python3
"""Packets as large as can be, through the server alone: chat_large.py HOST:PORT SERVER-PID, in the server's folder.
In it are one/ and two/ as for chat_tested.py; client3 is a user, who is removed. The server is to hold little of a
packet at once, and to leave nothing of one that did not come whole."""
import os, subprocess, sys
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
import chat_peer
from chat_tested import Room
from enhanced_wire import RECORD
from verdict import PROGRAM, check, children, diag, peak_memory, wait_until

LARGEST = 17 << 20
BOUND = 12 << 10  # KiB over an idle session; what is held of a packet is below 1 MiB


def waiting(user):
    """What there is of packets for this user, hidden files, too."""
    folder = Path(".chat", user, "waiting")
    return os.listdir(folder) if folder.exists() else []


def peak(room, server, work):
    """KiB at most of the session that does this."""
    others = set(children(server))
    with room.session() as client:
        mine = set(children(server)) - others
        work(client)
        return max(map(peak_memory, mine))


def memory(room, server):
    packet = os.urandom(LARGEST)
    replies, found = [], []
    idle = peak(room, server, lambda client: None)
    into = peak(room, server, lambda client: replies.append(
        chat_peer.send_packet(client, room.own, packet, stream="00" * 8, number=1)))  # to himself
    out = peak(room, server, lambda client: found.extend(chat_peer.fetch(client)[0]))
    diag(f"KiB: idle {idle}, in {into}, out {out}")
    check("the largest packet comes as it went",
          [] if replies[0]["type"] == "chat-sent" and [data == packet for _, data in found] == [True] else [replies, len(found)])
    if not os.environ.get("SANITIZED"):
        check("the session that takes it holds little of it", [] if into < idle + BOUND else [f"{into} KiB; idle {idle}"])
        check("the session that gives it holds little of it", [] if out < idle + BOUND else [f"{out} KiB; idle {idle}"])
    with room.session() as client:
        chat_peer.done(client, [row["id"] for row, _ in found])


def send_half(client, to, length):
    client.send_object({"type": "chat-send", "to": to, "stream": "00" * 8, "number": 2, "length": length}, os.urandom(length // 2))


def broken_off(room):
    with room.session() as client:
        send_half(client, room.user, 400000)
        check("what is on its way is no packet", wait_until(lambda: len(waiting(room.user)) == 1) and
              waiting(room.user)[0].startswith(".") and room.fetch() == [])
    check("... and nothing of it is left when the connection ends", wait_until(lambda: waiting(room.user) == []))


def removed(room):
    length = 4 * RECORD
    with room.session() as client:
        send_half(client, "client3", length)
        wait_until(lambda: waiting("client3") != [])
        subprocess.run([PROGRAM, "user", "del", "client3"], check=True, stdin=subprocess.DEVNULL, capture_output=True)
        for _ in range(2):
            client.send_record(os.urandom(RECORD))
        reply = client.recv_whole()[0]
    check("who is removed while a packet for him comes gets none: no-user", [] if reply.get("code") == "no-user" else [reply])
    check("... and nothing of him is there", not Path(".chat", "client3").exists())


def main():
    room = Room(sys.argv[1])
    room.meet()
    with room.session() as client:
        if left := chat_peer.fetch(client)[0]:  # by those who were here before
            chat_peer.done(client, [row["id"] for row, _ in left])
    memory(room, int(sys.argv[2]))
    broken_off(room)
    removed(room)


if __name__ == "__main__":
    main()
