"""Sealed mail from outside: an armored age file, in it an SSHSIG and what it signs.

Written from the head of proto/sealed.h and proto/PROTOCOL.md alone.
"""
import re
from datetime import datetime, timezone

import age_peer
from enhanced_wire import Broken
from members_peer import ARMOR, sshsig, sshsig_verify

TITLE, NAMESPACE = "[sealed]", b"mail@smtp361"
FIRST = "smtp361 sealed message 1"
HEAD = ("From", "To", "Time", "Id", "Stream", "Number", "Title", "Length")
FORMS = {
    "From": "[a-z0-9][a-z0-9_-]{0,31}",
    "To": "[a-z0-9][a-z0-9_-]{0,31}(;[a-z0-9][a-z0-9_-]{0,31})*",
    "Time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    "Id": "[0-9a-f]{32}",
    "Stream": "[0-9a-f]{16}(;[0-9a-f]{16})*",
    "Number": "[1-9][0-9]*(;[1-9][0-9]*)*",
    "Title": ".{0,100}",
    "Length": "0|[1-9][0-9]*",
}


def stamp(us):
    when = datetime.fromtimestamp(us // 1_000_000, timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{us % 1_000_000:06}Z"


def signed_text(fields, content, lines=None):
    """What is signed. lines: in place of those that the fields make."""
    lines = [FIRST, *(f"{name}: {fields[name]}" for name in HEAD)] if lines is None else lines
    return "\n".join(lines).encode() + b"\n\n" + content


def fields_of(sender, to, title, content, *, us, ident, numbers):
    """numbers: (stream in hex, number) for each of to."""
    return {"From": sender, "To": ";".join(to), "Time": stamp(us), "Id": ident,
            "Stream": ";".join(stream for stream, _ in numbers),
            "Number": ";".join(str(number) for _, number in numbers), "Title": title, "Length": len(content)}


def seal(signer, text, recipients, **options):
    """recipients: raw X25519 keys, the sender's among them."""
    return age_peer.armor(age_peer.encrypt(sshsig(signer, text, NAMESPACE, **options) + text, recipients))


def unseal(content, raw):
    """(fields, content, the public key that signed, how many can open it), or Broken."""
    try:
        inside, count = age_peer.decrypt(content, [raw])
    except ValueError as error:
        raise Broken(str(error)) from None
    head, end, text = inside.partition(b"\n" + ARMOR[1] + b"\n")
    public = sshsig_verify(head + end, text, NAMESPACE)
    top, _, body = text.partition(b"\n\n")
    lines = top.decode().split("\n")
    if lines.pop(0) != FIRST or len(lines) != len(HEAD):
        raise Broken(f"another header: {lines}")
    fields = {}
    for name, line in zip(HEAD, lines):
        key, _, value = line.partition(": ")
        if key != name or not re.fullmatch(FORMS[name], value):
            raise Broken(f"{name} is wrong: {line}")
        fields[name] = value
    if len({fields[name].count(";") for name in ("To", "Stream", "Number")}) != 1 or int(fields["Length"]) != len(body):
        raise Broken(f"the header disagrees with itself: {fields}")
    return fields, body, public, count
