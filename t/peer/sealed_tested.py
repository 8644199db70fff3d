#!/usr/bin/python3
"""Sealed mail, ours against the peer's: sealed_tested.py HOST:PORT. In the current folder are one/ and two/, the
folders of keys of client1, who is our program, and of client2, who is the peer; the server knows both."""
import os, subprocess, sys
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
import age_peer, sealed_peer
from desk import Desk, ours
from enhanced_wire import Broken
from members_peer import Peer, Signer, set_request
from verdict import check


class Letters(Desk):
    """Of the peer's, to client1 where nothing else is said."""

    def __init__(self, address):
        super().__init__(address)
        self.numbers = {}

    def letter(self, content, title="A title", to=("client1",), stream="0123456789abcdef"):
        """Fields of a letter, numbered on."""
        number = self.numbers[stream] = self.numbers.get(stream, 0) + 1
        return sealed_peer.fields_of(self.user, list(to), title, content, us=1795252056515771 + number,
                                     ident=os.urandom(16).hex(), numbers=[(stream, number)] * len(to))

    def post(self, sealed, ident, to=("client1",), title=sealed_peer.TITLE, **fields):
        """The id under which the server has it."""
        with self.session() as client:
            reply = client.request(*client.send_mail(list(to), title, sealed, id=ident, **fields))[0]
        if reply["type"] != "sent":
            raise Broken(f"not sent: {reply}")
        return reply["id"]

    def give(self, fields, content, *, signer=None, recipients=None, to=("client1",), lines=None, ident=None, **options):
        text = sealed_peer.signed_text(fields, content, lines)
        keys = [self.peer(name).public for name in to] + [self.own.public] if recipients is None else recipients
        return self.post(sealed_peer.seal(signer or self.own.signer, text, keys, **options), ident or fields["Id"], to)


def from_the_peer(desk):
    address = desk.address
    for content, title in ((b"", ""), ("Meet at noon. \u2615\n".encode(), "Lunch: \u00e4 title"),
                           (b"\n\n-----END SSH SIGNATURE-----\n\n", "x" * 100), (b"0123456789abcde\n" * 20000, "long")):
        ident = desk.give(desk.letter(content, title), content)
        got, out, said = ours(address, "read", ident, "--content")
        check(f"a letter of the peer's of {len(content)} bytes is read",
              [] if (got, out) == (0, content) else [f"{got} {out[:80]} {said}"])
        whole = ours(address, "read", ident)[1].decode("utf-8", "replace")
        check("... under its title", [] if f"\nTitle: {title}\n" in whole else [whole])
        check("... and who signed is told, and that he is pinned",
              [] if "client2" in said and "signed" in said else [said])
    for options in {"scheme": b"sha256"}, {"width": 76}, {"width": 64}:
        ident = desk.give(desk.letter(b"other"), b"other", **options)
        got, out, said = ours(address, "read", ident, "--content")
        check(f"a signature as {options} is right, too", [] if (got, out) == (0, b"other") else [f"{got} {said}"])
    ident = desk.give(desk.letter(b"two", to=["client1", "client2"]), b"two", to=["client1", "client2"])
    check("one to several", ours(address, "read", ident, "--content")[:2] == (0, b"two"))


def to_the_peer(desk):
    address, sent = desk.address, []
    for content in b"", b"plain\n", b"0123456789abcde\n" * 20000:
        got, out, said = ours(address, "send", "--seal", "-t", "client2", "--title", "Out: \u00fc", stdin=content)
        row, sealed = desk.ask({"type": "read", "last": True})
        fields, body, public, count = sealed_peer.unseal(sealed, desk.own.raw)
        sent.append(fields)
        check(f"ours of {len(content)} bytes is what the document says",
              [] if (got, body, fields["Title"], fields["From"], fields["To"], count, row["title"], public) ==
              (0, content, "Out: \u00fc", "client1", "client2", 2, sealed_peer.TITLE, Peer("one", "client1").point)
              else [f"{got} {said} {fields} {row}"])
        check("... and age opens it", subprocess.run(
            ["age", "-d", "-i", "two/age"], input=sealed, capture_output=True, check=False).stdout.endswith(content))
    check("one stream, counted on",
          len({one["Stream"] for one in sent}) == 1 and
          [int(one["Number"]) - int(sent[0]["Number"]) for one in sent] == [0, 1, 2])
    got, out, said = ours(address, "send", "--seal", "-t", "client1;client2", "--title", "Both", stdin=b"both")
    fields, body, public, count = sealed_peer.unseal(desk.ask({"type": "read", "last": True})[1], desk.own.raw)
    check("one to both of us has a number for each",
          [] if (got, body, fields["To"].split(";")) == (0, b"both", ["client1", "client2"]) and
          len(set(fields["Stream"].split(";"))) == 2 else [f"{got} {said} {fields}"])


def lines_of(fields):
    return [sealed_peer.FIRST, *(f"{name}: {fields[name]}" for name in sealed_peer.HEAD)]


def altered(fields):
    """(what, lines of the header): each field wrong once, though signed."""
    for name, bads in {
            "From": ["", "client3", "Client2", "client2;client1", "a" * 33],
            "To": ["", "client3", "client1;", ";client1", "client1;client1", "client1; client2", "client1;client3", "../x"],
            "Time": ["", "2026-11-22", "2026-13-22T10:00:00.123456Z", "2026-11-22T10:00:00.123456", "2026-02-30T10:00:00.123456Z",
                     "9999999-11-22T10:00:00.123456Z", "2026-11-22 10:00:00.123456Z", "2026-11-22T25:00:00.123456Z"],
            "Id": ["", "0", fields["Id"].upper().replace("0", "A"), fields["Id"] + "0", "f" * 32, "0" * 31 + "g"],
            "Stream": ["", "0", fields["Stream"] + "0", "G" * 16, fields["Stream"] + ";" + fields["Stream"], ";"],
            "Number": ["", "0", "-1", "01", "1;2", "18446744073709551616", "99999999999999999999999", "1.0", " 1", "0x1"],
            "Title": ["t" * 101, "a\rb", "a\0b"],
            "Length": ["", "-1", "4", "6", "05", "18446744073709551615", "18446744073709551621", "5 "]}.items():
        for bad in bads:
            yield f"{name}: {bad!r}"[:60], lines_of(fields | {name: bad})
    lines = lines_of(fields)
    for at, line in enumerate(lines):
        yield f"without {line[:12]!r}", lines[:at] + lines[at + 1:]
        yield f"{line[:12]!r} twice", lines[:at] + [line] + lines[at:]
    yield "two lines swapped", lines[:1] + [lines[2], lines[1]] + lines[3:]
    yield "one line more", lines + ["Extra: x"]
    yield "another version", ["smtp361 sealed message 2"] + lines[1:]
    yield "CR LF", [line + "\r" for line in lines]
    yield "no blank behind the colon", [line.replace(": ", ":") for line in lines]
    yield "a header beyond any limit", lines[:7] + ["Title: " + "t" * 200000, lines[8]]
    yield "100,000 recipients", lines_of(fields | {"To": ";".join(["client1"] * 100000), "Stream": ";".join(
        ["0" * 16] * 100000), "Number": ";".join(["1"] * 100000)})


def hostile(desk):
    """What a member signs, and is none."""
    faults, cases = [], len(list(altered(desk.letter(b"SECRE"))))
    for case in range(cases):
        fields = desk.letter(b"SECRE")
        what, lines = list(altered(fields))[case]
        ident = desk.give(fields, b"SECRE", lines=lines)
        got, out, said = ours(desk.address, "read", ident, "--content")
        if got != 65 or out:
            faults.append(f"{what}: {got} {out[:60]} {said}")
    check("a header with a field that is wrong is 65, and nothing is shown", faults)


def resealed(desk):
    """What a server does, or who has opened a letter and seals it on."""
    address, faults, stranger = desk.address, [], Signer()
    keys = [desk.peer("client1").public, desk.own.public]

    def seal(inside, to=keys):
        return age_peer.armor(age_peer.encrypt(inside, to))

    def sign(text, namespace=sealed_peer.NAMESPACE, **options):
        return sealed_peer.sshsig(desk.own.signer, text, namespace, **options)

    good = lambda text: seal(sign(text) + text)
    cases = {
        "signed by a stranger": (lambda text: sealed_peer.seal(stranger, text, keys), 65, b""),
        "in another namespace": (lambda text: seal(sign(text, b"chat@smtp361") + text), 65, b""),
        "in the namespace of files": (lambda text: seal(sign(text, b"file") + text), 65, b""),
        "over a hash that is not the document's": (lambda text: seal(sign(text, scheme=b"sha512") + text), 65, b""),
        "another content than signed": (lambda text: seal(sign(text) + text.replace(b"SECRE", b"secre")), 65, b""),
        "another title than signed": (lambda text: seal(sign(text) + text.replace(b"A title", b"B title")), 65, b""),
        "the content goes on": (lambda text: seal(sign(text) + text + b"x"), 65, b""),
        "the content is cut": (lambda text: seal(sign(text) + text[:-1]), 65, b""),
        "a signature alone": (lambda text: seal(sign(text)), 65, b""),
        "two signatures": (lambda text: seal(sign(text) + sign(text) + text), 65, b""),
        "half a signature": (lambda text: seal(sign(text)[:100]), 65, b""),
        "a signature without its end": (lambda text: seal(sign(text).replace(b"-----END SSH SIGNATURE-----\n", b"") + text), 65, b""),
        "not to us": (lambda text: seal(sign(text) + text, [desk.own.public]), 77, b""),
        "cut in the midst": (lambda text: good(text)[:500], 65, b""),
        "without the end of the armor": (lambda text: good(text).replace(b"-----END AGE ENCRYPTED FILE-----\n", b""), 65, b""),
        "something behind the end": (lambda text: good(text) + b"more\n", 65, b""),
        "a header that nobody signed": (seal, 65, None),
        "what nobody signed": (lambda text: seal(b"SECRE"), 65, b"SECRE"),
    }
    for what, (make, want, shown) in cases.items():
        fields = desk.letter(b"SECRE")
        text = sealed_peer.signed_text(fields, b"SECRE")
        ident = desk.post(make(text), fields["Id"])
        got, out, said = ours(address, "read", ident, "--content")
        if (got, out) != (want, text if shown is None else shown):
            faults.append(f"{what}: {got} not {want} {out[:60]} {said}")
    check("what is not the member's letter is not called so", faults)
    fields, faults = desk.letter(b"SECRE"), []
    sealed = good(sealed_peer.signed_text(fields, b"SECRE"))
    ident = desk.post(sealed, fields["Id"])
    check("a letter is read, and read again", all(ours(address, "read", ident, "--content")[:2] == (0, b"SECRE") for _ in "12"))
    again = desk.post(sealed, os.urandom(16).hex())
    got, out, said = ours(address, "read", again, "--content")
    check("the very same one under another id is 65, and named",
          [] if (got, out) == (65, b"") and "RE-SENT" in said else [f"{got} {out} {said}"])
    repeated = desk.letter(b"other") | {"Number": fields["Number"]}
    got, out, said = ours(address, "read", desk.give(repeated, b"other"), "--content")
    check("another one of the same number is, too", [] if (got, out) == (65, b"") and "RE-SENT" in said else [f"{got} {out} {said}"])
    for name, value, word in (("From", "client3", "FALSE SENDER"), ("To", "client3", "RE-ADDRESSED")):
        got, out, said = ours(address, "read", desk.give(desk.letter(b"other") | {name: value}, b"other"), "--content")
        check(f"another {name} inside is 65, and named", [] if (got, out) == (65, b"") and word in said else [f"{got} {out} {said}"])


def main():
    desk = Letters(sys.argv[1])
    reply = desk.ask(set_request(desk.own))[0]
    check("the directory takes the peer's signing key", reply["type"] == "member-set")
    Path("two/age").write_text(age_peer.bech32("age-secret-key-", desk.own.raw).upper() + "\n")
    ours(desk.address, "send", "--seal", "-t", "client2", "--title", "first", stdin=b"first")
    check("the directory has ours", desk.peer("client1").point == Peer("one", "client1").point)
    from_the_peer(desk)
    to_the_peer(desk)
    hostile(desk)
    resealed(desk)


if __name__ == "__main__":
    main()
