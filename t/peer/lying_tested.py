#!/usr/bin/python3
"""Our members against a server that lies: lying_tested.py. In the current folder are the server's and the users' keys;
one/ and two/ as in chat_tested.py. The peer is client2, in this process; our program is client1, each time with the
keys as they were and nothing known."""
import itertools, json, os, shutil, sys

sys.dont_write_bytecode = True  # before the modules that lie beside this one
import chat_peer, sealed_peer
from chat_peer import Offer, header
from desk import ours
from lying import CLOSE, Lying, b64, changed, instead
from members_peer import Member, Peer, Signer
from verdict import check

USERS = {"client1": None, "client2": None, "client3": None}
STREAM = "00112233445566ff"
folders = itertools.count()


class Scene:
    """A server of its own, and client1's folder as it was."""

    def __init__(self, met=True):
        self.server = Lying(".", USERS)
        self.folder = f"member{next(folders)}"
        shutil.copytree("one", self.folder)
        self.two, self.number, self.at = Member("two", "client2"), 0, 0
        self.one = Peer("one", "client1")
        self.server.points |= {"client2": self.two.point, "client1": self.one.point}
        if met:  # client2 is pinned, and client1 has put offers
            self.run("chat", "--exists", "client2")
            self.run("verify", "client2")
            self.offer(1)
            self.run("chat", "--send", "client2", "first")

    def run(self, *command, stdin=b""):
        return ours(self.server.address, *command, stdin=stdin, folder=self.folder)

    def offer(self, count):
        made = []
        for _ in range(count):
            self.number += 1
            made.append(Offer(self.two, self.one, self.number))
        self.server.offers.setdefault(("client2", "client1"), []).extend(one.raw for one in made)
        return made

    def packet(self, text, **fields):
        """A message of client2's, over one of client1's offers."""
        self.at += 1
        raw = self.server.offers[("client1", "client2")].pop(0)
        said = header("text", text, STREAM, self.at) | fields
        return chat_peer.write_message(self.two, self.one, raw, said, text)

    def say(self, text):
        self.server.put("client1", "client2", self.packet(text))

    def wait(self):
        got, out, said = self.run("chat", "--wait", "--timeout", "15", "--json")
        return got, [json.loads(line) for line in out.splitlines()], said


# --- answers that are none ---

NUMBERS = [-1, "1", 1.5, 1 << 64, True, [1]]
WRONG = [  # in place of any answer
    ("another answer", instead({"type": "bye"})),
    ("an answer of no type that is known", instead({"type": "chat-surprise"})),
    ("no type", instead({"name": "client2"})),
    ("a list", instead(b"[]")),
    ("no JSON", instead(b"{")),
    ("blanks", instead(b" ")),
    ("an error without a code", instead({"type": "error"})),
    ("an error of no code that is known", instead({"type": "error", "code": "surprise", "text": "x"})),
    ("an error of a wrong type", instead({"type": "error", "code": 7, "text": []})),
    ("a close", instead(CLOSE)),
]
MANY = {"type": "members", "rows": [{"name": "client2"}], "more": True}
ROW = {"type": "chat", "id": "0" * 32, "from": "client2", "us": 1, "length": 3}
END = {"type": "chat-end", "more": False}
SPECIFIC = {
    "member-get": [(f"{name} is {value!r}"[:70], changed(**{name: value})) for name, values in {
        "name": [None, "client3", "CLIENT2", "../x", 7], "x25519": [None, "", "0" * 63, "0" * 64, "Z" * 64, 7, "0" * 6400],
        "p256": ["", "04" + "0" * 128, "02" + "1" * 128, "04" + "f" * 128, "0" * 130, 7]}.items() for value in values],
    "member-list": [
        ("rows that are none", instead({"type": "members", "rows": {}, "more": False})),
        ("a row that is none", instead({"type": "members", "rows": [7], "more": False})),
        ("a name that is none", instead({"type": "members", "rows": [{"name": "../x\x1b[2J"}], "more": False})),
        ("a page, and no other", instead(MANY, CLOSE)), ("no rows and more", instead(MANY | {"rows": []}, CLOSE)),
        ("more that is no flag", instead(MANY | {"more": "no"}))],
    "chat-take": [(f"an offer that is {what}", changed(offer=offer)) for what, offer in {
        "a number": 7, "no base64": "!!!!" * 40, "of 119 bytes": b64(bytes(119)), "of 121": b64(bytes(121)),
        "zeros": b64(bytes(120)), "0 bytes": "", "huge": b64(bytes(60000 * 3 // 4))}.items()],
    "chat-offer": [(f"held: {value!r}", changed(held=value)) for value in [None, *NUMBERS]],
    "chat-offers": [
        ("rows that are none", changed(rows={})), ("a row that is none", changed(rows=[7])),
        ("a name that is none", changed(rows=[{"to": "../x", "held": 1}])),
        *((f"held: {value!r}", changed(rows=[{"to": "client2", "held": value}])) for value in [None, *NUMBERS])],
    "chat-fetch": [
        *((f"{name}: {value!r}", instead((ROW | {name: value}, b"abc"), END)) for name, values in {
            "id": ["", "0" * 31, "Z" * 32, 7], "from": ["", "../x", "A", "n" * 33, 7], "us": [-1, "1", 1 << 64],
            "length": [0, -1, 2, 1 << 40, 1 << 62, "3"]}.items() for value in values),
        ("a packet without bytes", instead({**ROW, "length": 1 << 20}, CLOSE)),
        ("no end", instead((ROW, b"abc"), CLOSE)),
        ("an end without more", instead({"type": "chat-end"})),
        ("more that is no flag", instead({"type": "chat-end", "more": 1})),
        ("nothing, and more", instead({"type": "chat-end", "more": True}))],
    "chat-wait": [(f"waiting: {value!r}", changed(waiting=value)) for value in [None, *NUMBERS]],
    "chat-presence": [(f"present: {value!r}", changed(present=value)) for value in [None, 1, "yes"]],
}
# Where the program may do without what is wrong: nothing is shown that was not said.
LENIENT = {"more that is no flag": {0, 75, 76}, "an end without more": {75, 76}, "nothing, and more": {75, 76},
           "an offer that is zeros": {65}, "present: None": {0, 76}, "present: 1": {0, 76}, "present: 'yes'": {0, 76}}
# The connection ends there, which is a cut, and no answer that is none: 75; a message of chat that was not kept yet: 69.
CUT = {"a close", "a page, and no other", "no rows and more", "a packet without bytes", "no end"}
COMMANDS = {
    "member-get": [("verify", "client2"), ("send", "--seal", "-t", "client2", "--title", "t"), ("chat", "--send", "client2", "x")],
    "member-set": [("chat", "--send", "client2", "x"), ("members", "publish")],
    "member-list": [("members", "--directory")],
    "chat-take": [("chat", "--send", "client2", "x")],
    "chat-offer": [("chat", "--send", "client2", "x")],
    "chat-offers": [("chat", "--send", "client2", "x")],
    "chat-send": [("chat", "--send", "client2", "x")],
    "chat-fetch": [("chat", "--wait", "--timeout", "8")],
    "chat-done": [("chat", "--wait", "--timeout", "8")],
    "chat-wait": [("chat", "--wait", "--timeout", "8")],
    "chat-presence": [("chat", "--status")],
}


def answers(kind):
    """Every wrong answer to this request, by each command that makes it."""
    faults = []
    for command in COMMANDS[kind]:
        for what, lie in WRONG + SPECIFIC.get(kind, []):
            scene = Scene(kind == "chat-presence")
            if kind == "member-set":
                scene.server.points.pop("client1")
            scene.offer(1)
            if kind == "chat-done":
                scene.server.put("client1", "client2", b"\7" * 100)
            scene.server.lies[(kind, "client2") if kind == "member-get" else kind] = lie
            got, out, said = scene.run(*command)
            kept = kind in ("chat-take", "chat-send")  # a message of ours is, and waits: that is 75
            fits = LENIENT.get(what) or ({75, 76} if kept else {65, 76} if "x25519" in what else {76})
            if what in CUT:
                fits = {69} if "--send" in command and not kept else {75}
            if got not in fits or "\x1b" in said + out.decode() or not scene.server.asked(kind) or \
                    "without a code" in what and "no reason" not in said:
                faults.append(f"{command[:2]}: {what}: {got} {out} {said}")
    check(f"answers to {kind} that are none are told, and nothing crashes", faults)


# --- lies of good form ---

def swapped(scene, sealed):
    """Another key than the one that is pinned."""
    for name, value in ("x25519", Peer(".", "client3").public.hex()), ("p256", Signer().public.hex()):
        scene.server.lies[("member-get", "client2")] = changed(**{name: value})
        scene.server.lies["member-list"] = row_changed("client2", name, value)
        got, out, said = scene.run(*(("send", "--seal", "-t", "client2", "--title", "t") if sealed else ("chat", "--send", "client2", "x")))
        nothing = not scene.server.boxes["client2"] and len(scene.server.packets.get("client2", [])) == (0 if sealed else 1)
        yield [] if got == 77 and "THE KEY OF client2 HAS CHANGED" in said and nothing else [f"{name}: {got} {said}"]


def row_changed(who, name, value):
    def lie(replies):
        return [(obj | {"rows": [one | ({name: value} if one["name"] == who else {}) for one in obj["rows"]]}, data) for obj, data in replies]
    return lie


def keys():
    faults = [*itertools.chain(*swapped(Scene(), False))]
    check("chat: another key than the pinned one is 77, loudly, and nothing goes out", faults)
    scene = Scene(False)
    scene.run("verify", "client2")
    check("mail: another key than the pinned one is 77, loudly, and nothing goes out", [*itertools.chain(*swapped(scene, True))])
    for command in ("send", "--seal", "-t", "client2", "--title", "t"), ("chat", "--send", "client2", "x"):
        faults = []
        for name, value in ("x25519", Peer(".", "client3").public.hex()), ("p256", Signer().public.hex()):
            scene = Scene(False)
            scene.server.lies[("member-get", "client1")] = changed(**{name: value})
            got, out, said = scene.run(*command)
            if got != 76 or "WARNING" not in said or scene.server.boxes["client2"] or scene.server.packets:
                faults.append(f"{name}: {got} {said}")
        check(f"{command[0]}: another key in our own name is 76, loudly", faults)


def offers():
    """One-time keys that are not for this message."""
    scene, faults = Scene(), []
    first = scene.offer(1)[0]
    check("a one-time key is used", scene.run("chat", "--send", "client2", "second")[0] == 0)
    held = len(scene.server.packets["client2"])
    stranger = Member("two", "client2")
    stranger.signer = Signer()
    for what, raw in {
            "handed out twice": first.raw, "and once more": first.raw,
            "signed by another": Offer(stranger, scene.one, 50).raw,
            "for another member": Offer(scene.two, Peer(".", "client3"), 50).raw,
            "ours": scene.server.offers[("client1", "client2")][0],
            "of another number than signed": (51).to_bytes(8, "big") + Offer(scene.two, scene.one, 50).raw[8:],
            "of the number 0": Offer(scene.two, scene.one, 0).raw,
            "of a number that is none": Offer(scene.two, scene.one, 1 << 63).raw,
            "of a message 1 that does not verify": spoilt(scene)}.items():
        scene.server.offers[("client2", "client1")] = [raw]
        got, out, said = scene.run("chat", "--send", "client2", "third")
        if got != 65 or len(scene.server.packets["client2"]) != held:
            faults.append(f"{what}: {got} {said}")
    check("a one-time key that is not for this is not answered, and named", faults)
    good = scene.offer(20)
    got, out, said = scene.run("chat", "--send", "client2", "last")
    texts = read_all(scene, good)
    check("... and all that waited goes when good ones come", [] if got == 0 and texts[-1] == "last" and texts.count("third") == 9 else [f"{got} {said} {texts}"])


def halves(scene):
    """The private halves that client1 keeps of one-time keys for client2."""
    return sum(name.isdigit() for name in os.listdir(f"{scene.folder}/client1_chat/client2.onetime"))


def refused():
    """New one-time keys that the server does not take, or that nobody knows of whether it did."""
    faults = []
    for what, lie, kept in (
            *((f"error {code}", instead({"type": "error", "code": code, "text": "not now"}), kept) for code, kept in {
                "full": 0, "no-user": 0, "rejected": 0, "unknown": 0, "try-later": 30, "timeout": 30, "stopping": 30,
                "denied": 30, "surprise": 30}.items()),
            ("a close", instead(CLOSE), 30), ("another answer", instead({"type": "bye"}), 30)):
        scene = Scene()
        before = halves(scene)
        scene.server.lies["chat-offer"] = lie
        got, out, said = scene.run("chat", "--status")
        if got == 0 or not scene.server.asked("chat-offer") or (before, halves(scene)) != (20, 20 + kept):
            faults.append(f"{what}: {got} {said} {before} {halves(scene)}")
    check("private halves of one-time keys that were refused are destroyed, and kept where the server may have them", faults)


def spoilt(scene):
    """Signed by client2, of a message 1 whose tag is wrong: only he can do that."""
    scene.number += 1
    offer = Offer(scene.two, scene.one, scene.number)
    first = offer.raw[8:55] + bytes([offer.raw[55] ^ 1])
    said = chat_peer.offer_signed(chat_peer.prologue("client2", "client1", scene.number), scene.two.public, first)
    return offer.raw[:8] + first + scene.two.signer.sign(said)


def read_all(scene, made):
    texts, made = [], {one.number: one for one in made}
    for one in scene.server.packets["client2"]:
        number = int.from_bytes(one["data"][1:9], "big")
        if number in made:
            texts.append(chat_peer.read_message(made[number], one["data"])[1].decode())
    return texts


def told(scene, want, *words):
    """chat --wait says these words, shows these texts, and ends with 65 where anything is wrong."""
    got, shown, said = scene.wait()
    texts = [one["text"] for one in shown if one["event"] == "message"]
    whole = json.dumps(shown) + said
    return [] if (got, texts) == (65 if words else 0, want) and all(word in whole for word in words) else [f"{got} {shown} {said}"]


def packets():
    scene = Scene()
    one, two, three, four = (scene.packet(text) for text in (b"one", b"two", b"three", b"four"))
    scene.server.put("client1", "client2", one)
    check("the truth is shown", told(scene, ["one"]))
    scene.server.put("client1", "client2", one)
    check("a packet again is named, and not shown", told(scene, [], "twice"))
    scene.server.put("client1", "client2", three)
    check("one that is withheld is named", told(scene, ["three"], "message 2 of 3 is missing"))
    scene.server.put("client1", "client2", two)
    check("... and when it comes late", told(scene, ["two"], "late"))
    scene.server.put("client1", "client3", four)
    check("a false sender is named", told(scene, [], "forged", "client3"))
    scene.server.put("client1", "client2", four[:-1] + bytes([four[-1] ^ 1]))
    check("a packet with a changed bit is", told(scene, [], "forged"))
    scene.server.put("client1", "client2", four)
    check("... and the true one is still read", told(scene, ["four"]))
    packet = scene.packet(b"five")
    scene.server.put("client1", "client2", packet, id="0" * 32)
    got, shown, said = scene.wait()
    check("an id that is another's is either named, or does no harm", [] if got in (0, 65, 76) else [f"{got} {shown} {said}"])
    scene.server.packets.clear()
    later = [scene.packet(text) for text in (b"six", b"seven", b"eight")]
    for packet in reversed(later):
        scene.server.put("client1", "client2", packet)
    check("packets in another order are all shown, and that is named", told(scene, ["eight", "seven", "six"], "late"))
    raw = chat_peer.write_sealed(scene.two, scene.one, header("text", b"nine", STREAM, 9) | {"from": "client2", "to": "client1"}, b"nine")
    for _ in "12":
        scene.server.put("client1", "client2", raw)
    check("a sealed one twice is shown once", told(scene, ["nine"], "twice"))
    scene.server.lies["chat-done"] = instead({"type": "chat-done"})
    scene.at = 9
    scene.server.put("client1", "client2", scene.packet(b"ten"))
    scene.server.HONEST = Lying.HONEST | {"chat-done": lambda *_: [({"type": "chat-done"}, None)]}
    check("what is told to be done, and comes again,", told(scene, ["ten"]))
    check("... is named", told(scene, [], "twice"))


def mail():
    """Letters of the peer's in client1's mailbox, and what the server says of them."""
    scene, ids = Scene(False), []
    keys_of = [scene.one.public, scene.two.public]
    for number, text in enumerate((b"one", b"two", b"three", b"four"), 1):
        ident = os.urandom(16).hex()
        fields = sealed_peer.fields_of("client2", ["client1"], "A title", text, us=1795252056515771, ident=ident, numbers=[(STREAM, number)])
        content = sealed_peer.seal(scene.two.signer, sealed_peer.signed_text(fields, text), keys_of)
        ids.append(scene.server.store("client2", ident, ["client1"], sealed_peer.TITLE, content)["id"])
    box = scene.server.boxes["client1"]
    faults = []
    for what, lie, word in (
            ("from another", changed(**{"from": "client3"}), "FALSE SENDER"),
            ("to another", changed(to=["client3"]), "RE-ADDRESSED"),
            ("to more", changed(to=["client1", "client3"]), "RE-ADDRESSED"),
            ("another letter", lambda replies: [(replies[0][0] | {"length": len(box[1]["content"])}, box[1]["content"])], "RE-SENT"),
            ("a bit changed", lambda replies: [(replies[0][0], bit_changed(replies[0][1]))], "ALTERED")):
        scene.server.lies["read"] = lie
        got, out, said = scene.run("read", ids[0], "--content")
        if (got, out) != (65, b"") or word not in said:
            faults.append(f"{what}: {got} {out} {said}")
    check("a letter of which the server says what is not so is 65, and named", faults)
    scene.server.lies.clear()
    check("... and as it is, it is read", scene.run("read", ids[0], "--content")[:2] == (0, b"one"))
    box.append(box[1] | {"id": "0" * 32, "us": box[1]["us"] + 1})
    del box[2]
    got, out, said = scene.run("inbox", "--open")
    shown = out.decode() + said
    check("inbox --open names the one that is withheld, and the one that is listed twice",
          [] if got == 65 and "missing" in shown and "re-sent" in shown.lower() else [f"{got} {shown}"])


def bit_changed(content):
    at = len(content) // 2
    return content[:at] + (b"A" if content[at:at + 1] != b"A" else b"B") + content[at + 1:]


def main():
    keys()
    mail()
    offers()
    refused()
    packets()
    for kind in COMMANDS:
        answers(kind)


if __name__ == "__main__":
    main()
