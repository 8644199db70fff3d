#!/usr/bin/python3
"""Many writers and one mailbox, and a model that must agree with it at every checkpoint.

  writers.py EACH ROUNDS [KIND...]   8 senders x EACH messages with equal titles, in ROUNDS rounds; of these kinds in
                                     turn: calm, sessions (are killed), server (is killed); all three without

It serves the current folder, as t/35-writers.t made it: w1 ... w8 write, client5 lists, reads and deletes
meanwhile, client4 gets some of it, too. There are calm rounds, rounds in which sessions are killed, and
rounds in which all of the server is killed. Who was not acknowledged sends again with the same id. A
checkpoint is behind each round: all writers have come to its end, and the list is what the model says.
"""
import argparse, contextlib, json, os, random, signal, socket, subprocess, sys, threading, time
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
import classic_peer
from classic_peer import MENU, SEND
from enhanced_peer import Client
from enhanced_wire import ZEROS, Broken
from served import Served
from verdict import PROGRAM, check, diag, settled, spooled

TITLE = "Equal"
LOCKSTEP, BATCH, CLASSIC = ("w1", "w2", "w3"), ("w4", "w5", "w6", "w7"), "w8"
PATIENCE = 60  # seconds without a single acknowledgement
TROUBLE = (Broken, classic_peer.Broken, classic_peer.Closed, OSError)


class Letter:
    """What one writer sends, what became of it, and under which id. `tries` counts beginnings."""

    def __init__(self, writer, number):
        self.writer, self.number, self.key = writer, number, f"{writer} {number}"
        self.to = ["client5", "client4"] if number % 10 == 3 else ["client5"]
        size = 70_000 if number % 100 == 7 else number * 37 % 1500
        self.content = self.key + "\n" + "x" * size
        self.mine = os.urandom(16).hex()
        self.tries, self.acked, self.id, self.us = 0, False, None, None
        self.deleted = False  # by client5
        self.again = False    # acknowledged as one that had been there

    def __str__(self):
        return f"{self.key} ({self.id}; try {self.tries}, answered {'again' if self.again else 'stored'})"


class Model:
    def __init__(self):
        self.letters, self.ids = {}, {}  # by key, and by id
        self.faults, self.lock = [], threading.Lock()
        self.acks = self.agains = self.broken = 0
        self.at = time.monotonic()       # of the last acknowledgement

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def letter(self, writer, number):
        letter = Letter(writer, number)
        with self.lock:
            self.letters[letter.key] = letter
        return letter

    def stored(self, letter, id, again=False):
        """It was acknowledged. id: None over the classic protocol."""
        with self.lock:
            self.acks, self.at = self.acks + 1, time.monotonic()
            self.agains += again
            letter.acked, letter.again = True, again
            if again and letter.tries < 2:
                self.faults.append(f"{letter.key} was sent once, and the server says again")
            if id is not None and self.ids.setdefault(id, letter) is not letter:
                self.faults.append(f"{letter.key} and {self.ids[id].key} have one id")
            letter.id = id

    def found(self, id, content):
        """A letter of the classic writer is listed under this id."""
        letter = self.letters.get(content.partition("\n")[0])
        if letter is None or letter.writer != CLASSIC or letter.content != content:
            return self.fault(f"{id} holds {content[:40]!r}")
        if letter.id not in (None, id):
            return self.fault(f"{letter.key} is there twice")
        letter.id = id
        self.ids[id] = letter

    def waits_too_long(self):
        return time.monotonic() - self.at > PATIENCE


class Run:
    def __init__(self, each, rounds):
        self.each, self.rounds, self.model, self.server = each, rounds, Model(), Served()
        self.calm = self.over = False    # of the round
        self.seen = None                 # ids that the follower was told of, in a calm round
        self.box = {}                    # client5's list at the last checkpoint
        self.doubtful = set()            # letters whose deletion was asked for, and not answered
        self.kills, self.crashes = 0, 0

    # --- sessions ---

    def client(self, user):
        client = Client("127.0.0.1", self.server.port, user, ".").connect()
        password = {"password": f"password{user[-1]}"} if user.startswith("client") else {}
        reply = client.log_in(**password)
        if reply["type"] != "welcome":
            raise Broken(f"no welcome: {reply}")
        return client

    def session(self, user, act):
        """act(client) until it has come to its end, in as many sessions as it takes."""
        while not self.model.waits_too_long():
            try:
                with self.client(user) as client:
                    return act(client)
            except TROUBLE as error:
                self.trouble(user, error)
        self.model.fault(f"{user} gave up: nothing is acknowledged any more")

    def trouble(self, user, error):
        with self.model.lock:
            self.model.broken += 1
        if self.calm:
            self.model.fault(f"{user}, in a calm round: {error}")
        time.sleep(0.02)

    def ask(self, client, obj, content=None):
        """The reply; what says that trying later is right is trouble."""
        reply, text = client.request(obj, content)
        client.heard.clear()  # a Wire keeps all its bytes
        client.said.clear()
        if reply["type"] == "error" and reply["code"] in ("try-later", "stopping", "timeout"):
            raise Broken(f"try later: {reply['text']}")
        return reply, text

    # --- writers: each sends its letters, in as many tries as it takes ---

    def lockstep(self, letters):
        user, rest = letters[0].writer, list(letters)

        def act(client):
            while rest:
                letter = rest[0]
                letter.tries += 1
                reply, _ = self.ask(client, *client.send_mail(letter.to, TITLE, letter.content.encode(),
                                                              id=letter.mine))
                if reply["type"] != "sent":
                    return self.model.fault(f"{letter.key} is answered {reply}")
                self.model.stored(letter, reply["id"], reply.get("again", False))
                del rest[0]

        self.session(user, act)

    def batch(self, letters):
        user, rest = letters[0].writer, {letter.mine: letter for letter in letters}
        while rest and not self.model.waits_too_long():
            lines = [{"to": letter.to, "title": TITLE, "id": letter.mine, "content": letter.content}
                     for letter in rest.values()]
            for letter in rest.values():
                letter.tries += 1
            Path(f"{user}.in").write_text("".join(json.dumps(line) + "\n" for line in lines))
            with open(f"{user}.in") as file, open(f"{user}.err", "w") as err:
                client = subprocess.Popen([PROGRAM, "send", "--batch", "--json", "--enhanced", "-u", user, "-k", ".",
                                           "-s", f"127.0.0.1:{self.server.port}"], stdin=file, stderr=err,
                                          stdout=subprocess.PIPE, text=True)
                for row in map(json.loads, client.stdout):
                    if row["stored"]:
                        self.model.stored(rest.pop(row["id"]), row["stored_id"], row.get("again", False))
                code = client.wait()
            if code not in (0, 69, 75, 76) or (code == 0) != (not rest):
                return self.model.fault(f"{user}: exit {code}, {len(rest)} are left: {Path(f'{user}.err').read_text()}")
            if code != 0:
                self.trouble(user, Path(f"{user}.err").read_text())

    def classic(self, letters):
        """Over the classic protocol nothing is sent again: it could be there twice."""
        rest = list(letters)

        def act(client):
            while rest:
                letter = rest.pop(0)
                letter.tries += 1
                client.wire.say("1")
                client.wire.expect(SEND)
                client.wire.send(client.wire.seal(f"From: {CLASSIC}\nTo: {';'.join(letter.to)}\nTitle: {TITLE}\n"
                                                  f"Content Length: {len(letter.content)}\nContent:\n"
                                                  f"{letter.content}"))
                answer = client.read_verdict()
                if answer is None:
                    self.model.stored(letter, None)
                elif not answer.startswith("try again later"):
                    self.model.fault(f"{letter.key}: {answer}")

        while rest and not self.model.waits_too_long():
            try:
                args = argparse.Namespace(dribble=False, timeout=20, keys=".", user=CLASSIC, server_name="server",
                                          password_file="pw8")
                with socket.create_connection(("127.0.0.1", self.server.port), 20) as sock:
                    client = classic_peer.Client(classic_peer.Wire(sock, args), args)
                    if client.log_in():
                        raise Broken("no login")
                    client.wire.say("OK")
                    client.wire.expect(MENU)
                    act(client)
            except TROUBLE as error:
                self.trouble(CLASSIC, error)

    # --- who reads meanwhile ---

    def follow(self):
        """client5's new mail as it comes, each once; some is read, some deleted."""
        after, seen = [ZEROS], set(self.box)

        def act(client):
            for letter in list(self.doubtful):
                self.delete(client, letter)
            if after[0] is None:  # behind a break the order may be another one
                rows = self.ask(client, {"type": "inbox", "after": ZEROS})[0]["messages"]
                seen.update(row["id"] for row in rows)
                after[0] = rows[-1]["id"] if rows else ZEROS
            while True:
                over = self.over
                reply, _ = self.ask(client, {"type": "wait", "after": after[0], "seconds": 0 if over else 1})
                if reply["type"] != "inbox":
                    return self.model.fault(f"the follower is answered {reply}")
                rows = reply["messages"]
                if not rows and over:
                    return None
                for row in rows:
                    if self.calm and row["id"] in seen:
                        self.model.fault(f"{row['id']} is listed as new for a second time")
                    seen.add(row["id"])
                after[0] = rows[-1]["id"] if rows else after[0]
                for row in rows[:-1]:
                    self.use(client, row)

        if self.calm and self.box:  # the writers have begun
            with self.client("client5") as client:
                rows = self.ask(client, {"type": "inbox", "after": ZEROS})[0]["messages"]
                seen.update(row["id"] for row in rows)
                after[0] = rows[-1]["id"]
        began = after[0]
        while not self.model.waits_too_long():
            try:
                with self.client("client5") as client:
                    act(client)
                    break
            except TROUBLE as error:
                self.trouble("the follower", error)
                after[0] = None
        self.seen = seen if self.calm and began != ZEROS else None

    def use(self, client, row):
        """One message in five is read, one in five deleted. Those of the classic writer are kept."""
        chance, letter = int(row["id"][:6], 16) % 5, self.model.ids.get(row["id"])
        if chance == 0:
            reply, content = self.ask(client, {"type": "read", "id": row["id"]})
            if reply["type"] != "message" or letter and content.decode() != letter.content:
                self.model.fault(f"{row['id']} is read as {reply}")
        elif chance == 1 and letter and letter.deleted:
            self.model.fault(f"{letter} was deleted, and is listed")
        elif chance == 1 and letter:
            self.delete(client, letter)

    def delete(self, client, letter):
        """It is doubtful until it is answered; then it must be gone for good."""
        again = letter in self.doubtful
        self.doubtful.add(letter)
        reply, _ = self.ask(client, {"type": "delete", "id": letter.id})
        if reply["type"] != "deleted" and not (again and reply.get("code") == "no-message"):
            self.model.fault(f"{letter} is listed, and cannot be deleted: {reply}")
        else:
            letter.deleted = True
        self.doubtful.remove(letter)

    def list_all(self):
        """client5's whole list, again and again: in order, and nothing twice."""
        def act(client):
            while not self.over:
                began = time.monotonic()
                self.orderly(self.ask(client, {"type": "inbox"})[0]["messages"])
                time.sleep(4 * (time.monotonic() - began))

        self.session("client5", act)

    def orderly(self, rows):
        keys = [(row["us"], row["id"]) for row in rows if not row.get("damaged")]
        if len(keys) != len(rows):
            self.model.fault(f"{len(rows) - len(keys)} are damaged")
        if keys != sorted(keys) or len({id for _, id in keys}) != len(rows):
            self.model.fault("the list is not in order, or has an id twice")
        if [row["index"] for row in rows] != list(range(1, len(rows) + 1)):
            self.model.fault("the list is not numbered from 1")

    # --- death ---

    def kill_sessions(self):
        """One at a time, each behind some acknowledgements: who only recovers gets nowhere."""
        while not self.over:
            pids, acks, since = self.server.sessions(), self.model.acks, time.monotonic()
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                if pids:
                    os.kill(random.choice(pids), signal.SIGKILL)
                    self.kills += 1
            time.sleep(random.uniform(0.01, 0.08))
            while not self.over and self.model.acks < acks + 20 and time.monotonic() < since + 10:
                time.sleep(0.01)

    def kill_server(self, wanted):
        """Twice, each behind a part of the round's acknowledgements."""
        began = self.model.acks
        for part in (0.3, 0.7):
            while self.model.acks < began + wanted * part and not self.over:
                time.sleep(0.001)
            if not self.over:
                self.crash()

    def crash(self):
        self.server.kill()
        self.crashes += 1
        self.server.start()

    # --- rounds and checkpoints ---

    def round(self, number, kind):
        first, last = (self.each * at // self.rounds for at in (number, number + 1))
        mail = {writer: [self.model.letter(writer, at) for at in range(first, last)]
                for writer in (*LOCKSTEP, *BATCH, CLASSIC)}
        self.calm, self.over = kind == "calm", False
        self.model.at = time.monotonic()
        sent = [threading.Thread(target=self.lockstep if writer in LOCKSTEP else self.batch if writer in BATCH
                                 else self.classic, args=(letters,)) for writer, letters in mail.items()]
        beside = [threading.Thread(target=self.follow), threading.Thread(target=self.list_all)]
        if kind == "sessions":
            beside.append(threading.Thread(target=self.kill_sessions))
        if kind == "server":
            beside.append(threading.Thread(target=self.kill_server, args=(len(sent) * (last - first),)))
        for thread in sent + beside:
            thread.start()
        for thread in sent:
            thread.join()
        self.over = True
        for thread in beside:
            thread.join()

    def tell(self, title):
        faults, self.model.faults = self.model.faults, []
        check(title, faults)

    def listed(self, client):
        rows = self.ask(client, {"type": "inbox"})[0]["messages"]
        self.orderly(rows)
        return {row["id"]: row for row in rows}

    def checkpoint(self, title):
        """All letters are acknowledged, or are the classic writer's."""
        model, calm, self.calm = self.model, self.calm, True
        with self.client("client5") as five, self.client("client4") as four:
            box, other = self.listed(five), self.listed(four)
            for row in box.values():
                if row["from"] == CLASSIC and row["id"] not in model.ids:
                    model.found(row["id"], self.ask(five, {"type": "read", "id": row["id"]})[1].decode())
            self.compare(box, other)
            for id in random.sample(sorted(box), min(len(box), 60)):
                reply, content = self.ask(five, {"type": "read", "id": id})
                if content is None or id in model.ids and content.decode() != model.ids[id].content:
                    model.fault(f"{id} is read as {reply}")
        rows = subprocess.run([PROGRAM, "inbox", "--classic", "-u", "client5", "-k", ".", "--password-file", "pw5",
                               "-s", f"127.0.0.1:{self.server.port}"], capture_output=True, timeout=120).stdout
        if rows.count(b"\n") != len(box):
            model.fault(f"over the classic protocol {rows.count(10)} are listed, not {len(box)}")
        if calm and self.seen is not None:
            missed = set(box) - self.seen
            if missed:
                model.fault(f"{len(missed)} never came to who waited for them")
        self.box, self.seen = box, None
        self.tell(title)

    def compare(self, box, other):
        model = self.model
        for letter in model.letters.values():
            here, there = letter.id in box, letter.id in other
            if letter.writer != CLASSIC and not letter.acked:
                model.fault(f"{letter.key} was never acknowledged")
            if letter.acked and here == letter.deleted:
                model.fault(f"{letter} was {'deleted, and is there' if here else 'acknowledged, and is lost'}")
            if there != ("client4" in letter.to and (here or letter.deleted)):
                model.fault(f"{letter} is {'' if there else 'not '}there for client4")
            row = box.get(letter.id)
            if row and (row["from"], row["title"], row["chars"]) != (letter.writer, TITLE, len(letter.content)):
                model.fault(f"{letter.key} is listed as {row}")
            if here and letter.writer in LOCKSTEP:
                letter.us = row["us"]
        strangers = [id for id in (*box, *other) if id not in model.ids]
        if strangers:
            model.fault(f"{len(strangers)} strangers are listed")
        for writer in LOCKSTEP:
            times = [letter.us for letter in model.letters.values() if letter.writer == writer and letter.us]
            if times != sorted(set(times)):
                model.fault(f"{writer}'s messages are not in the order of their delivery")

    def files(self):
        """Each text file holds one message of the list."""
        settled()
        have = {"client5": [], "client4": []}
        for user, keys in have.items():
            for path in Path(user).glob("*.txt"):
                head, _, content = path.read_text().partition("\nContent:\n")
                keys.append(content.partition("\n")[0])
                letter = self.model.letters.get(keys[-1])
                if letter is None or content != letter.content or f"\nTitle: {TITLE}\n" not in head:
                    self.model.fault(f"{path} holds {content[:40]!r}")
        want = {"client5": [self.model.ids[id].key for id in self.box],
                "client4": [letter.key for letter in self.model.letters.values() if "client4" in letter.to and letter.id]}
        for user, keys in have.items():
            if sorted(keys) != sorted(want[user]):
                self.model.fault(f"{user} has {len(keys)} files, {len(set(keys))} messages, and {len(want[user])} rows")
        if spooled():
            self.model.fault(f"in the spool: {spooled()}")
        self.tell("each message of the list has one text file, which holds it, and there are no others")

    def run(self, kinds):
        kinds = kinds * self.rounds
        self.server.start()
        try:
            for number in range(self.rounds):
                began = time.monotonic()
                self.round(number, kinds[number])
                took = time.monotonic() - began
                told = {"calm": "nobody died", "sessions": "sessions were killed",
                        "server": "the server was killed"}[kinds[number]]
                self.checkpoint(f"checkpoint {number + 1} ({told}): the list is what the model says")
                diag(f"{took:.1f} s, {len(self.box)} in the list")
            self.crash()
            self.checkpoint("killed with nothing under way, and started again: the same list")
            self.files()
            check("the server stops cleanly", self.server.stop() == 0)
            self.server.start()
            self.checkpoint("and behind a clean stop, too")
            check("it stops again", self.server.stop() == 0)
        finally:
            if self.server.process.poll() is None:
                self.server.kill()
        model, deleted = self.model, sum(letter.deleted for letter in self.model.letters.values())
        diag(f"{len(model.letters)} letters, {model.acks} acknowledged, {deleted} deleted, {self.kills} sessions and "
             f"{self.crashes} servers killed, {model.broken} sessions broken, {model.agains} sent again that were there")
        if len(set(kinds)) > 1:
            check("letters were deleted, sessions killed and acknowledgements lost on the way",
                  deleted > 0 and self.kills > 0 and model.broken > 0 and model.agains > 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends, too
    Run(int(sys.argv[1]), int(sys.argv[2])).run(sys.argv[3:] or ["calm", "sessions", "server"])
