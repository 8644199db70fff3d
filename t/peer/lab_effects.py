"""What the lab's attacks did, by what they left in its folder: mailboxes, loot, exit codes, the bytes
that the attacker heard. Nothing that the lab or the attacker says of itself is believed.

    lab_effects.py FOLDER ROWS.json
"""
import base64, collections, hashlib, hmac, json, re, sys
from pathlib import Path

from verdict import check

FOLDER = Path(sys.argv[1])
ALL = {row["attack"]: row for row in json.loads(Path(sys.argv[2]).read_text())}
ROWS = {name: row for name, row in ALL.items() if "classic" in row}  # the others are on SMTP
LETTER, SECOND = (FOLDER / name for name in ("letter1", "letter2"))
LETTER, SECOND = LETTER.read_text(), SECOND.read_text()
WIRES = ("classic", "enhanced")


def stored(attack, wire, behind=""):
    """The contents of bob's messages of this attack, oldest first."""
    found = []
    for file in (FOLDER / "site/bob").glob("alice_*.txt"):
        head, _, content = file.read_text().partition("\nContent:\n")
        lines = dict(line.split(": ", 1) for line in head.splitlines())
        if lines["Title"] == f"{attack}, {wire}{behind}":
            found.append((lines["Time and Date"], content))
    return [content for _, content in sorted(found)]


def exits(attack, wire):
    return ALL[attack][wire]["exits"]


def told(attack, wire):
    """What the victim's command said on stderr."""
    return (FOLDER / f"{attack}-{wire}.err").read_text()


def heard(attack, wire):
    """The events of the attacker, with their bytes."""
    lines = (FOLDER / f"relay-{attack}-{wire}.out").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [{**event, "hex": bytes.fromhex(event["hex"])} for event in events if "who" in event]


def loot(attack, wire):
    file = FOLDER / f"loot/alice_{attack}, {wire}.txt"
    return file.read_text().partition("\nContent:\n")[2] if file.exists() else None


def said(events, who):
    return b"".join(event["hex"] for event in events if event["who"] == who)


def ends(wire="enhanced"):
    """The server's log: how each session of alice's ended, in order."""
    lines = (FOLDER / "server.err").read_text().splitlines()
    return [line for line in lines if " end " in line and f" wire={wire} user=alice " in line]


def results(attack, wire):
    """What the attacker says that it got, got not, or did: one of "won", "failed", "did" each."""
    lines = (FOLDER / f"relay-{attack}-{wire}.out").read_text().splitlines()
    words = [json.loads(line) for line in lines if '"text"' in line]
    return ["did" if "did" in word else "won" if word["won"] else "failed" for word in words]


def repeats(data):
    blocks = collections.Counter(data[at : at + 16] for at in range(0, len(data) - 15, 16))
    return sum(n - 1 for n in blocks.values())


# --- passive ---

for wire in WIRES:
    both = said(heard("eavesdrop", wire), "C") + said(heard("eavesdrop", wire), "S")
    clear = [text for text in (b"alice", b"To: bob", b'"bob"', LETTER[:16].encode(), b"Select") if text in both]
    check(f"eavesdrop, {wire}: no text of theirs stands in what was heard", clear)
    check(f"eavesdrop, {wire}: the mail arrived", stored("eavesdrop", wire) == [LETTER])
mails = [e for e in heard("eavesdrop", "classic") if e["who"] == "C" and "an e-mail" in e["what"]]
check("eavesdrop, classic: the e-mail is told from all else, with its length", len(mails) == 1 and
      len(LETTER) < mails[0]["bytes"] < len(LETTER) + 112)
check("eavesdrop, enhanced: records are all alike", all(
    e["what"].startswith(("a sealed record", "message ", "the same, passed on"))
    for e in heard("eavesdrop", "enhanced")))
goodbye = [e["bytes"] for e in heard("eavesdrop", "enhanced") if e["who"] == "C"][-1]
check("eavesdrop, enhanced: a goodbye has 30 bytes behind its length, as the help says", goodbye == 32)

events = heard("equal-blocks", "classic")
menu = [e["hex"] for e in events if e["who"] == "S" and e["bytes"] == 160]
check("equal-blocks, classic: the menu is the same cipher text each time",
      len(menu) == 2 and menu[0] == menu[1])
events = heard("equal-blocks", "enhanced")
records = b"".join(e["hex"] for e in events if e["who"] in "CS" and "record" in e["what"])
check("equal-blocks, enhanced: of hundreds of blocks none is like another",
      len(records) > 500 * 16 and not repeats(records))
check("... though the text repeats", repeats((FOLDER / "long").read_bytes()) > 400)

check("stolen-key, classic: the whole text was read", loot("stolen-key", "classic") == LETTER)
check("stolen-key, enhanced: nothing was", loot("stolen-key", "enhanced") is None)
check("stolen-key, enhanced: the mail arrived", stored("stolen-key", "enhanced") == [LETTER])

# --- false servers ---

check("impersonate, classic: the text was read", loot("impersonate", "classic") == LETTER)
check("impersonate, classic: the client believes that it was sent", exits("impersonate", "classic")[0] == 0)
check("impersonate, enhanced: the client says that the server's key is another",
      exits("impersonate", "enhanced")[0] == 76 and "does not hold the key" in told("impersonate", "enhanced"))
check("impersonate, enhanced: it said nothing behind message 1",
      len(said(heard("impersonate", "enhanced"), "C")) == 58)
for wire in WIRES:
    check(f"impersonate, {wire}: nothing reached the server", stored("impersonate", wire) == [])
check("inject-invalid, classic: the client blames the login", exits("inject-invalid", "classic")[0] == 77
      and "Invalid username or password" in told("inject-invalid", "classic"))
check("inject-invalid, enhanced: it does not", exits("inject-invalid", "enhanced")[0] == 76
      and "Invalid" not in told("inject-invalid", "enhanced"))
for attack in ("reflect", "low-order"):
    events = heard(attack, "enhanced")
    check(f"{attack}, enhanced: the client refused it, and named nobody", exits(attack, "enhanced")[0] == 76
          and len(said([e for e in events if e["connection"] == 1], "C")) == 58)
events = heard("reflect", "enhanced")
check("reflect: it was the client's own message 1", said(events, "AS") == said(events, "C")[8:])
first = [e["hex"] for e in heard("low-order", "enhanced") if e["who"] == "AC" and e["bytes"] == 58]
points = [text[10:42] for text in first[::2]]  # of the others the key is honest, and message 3 has the point
check("low-order: seven points were offered to the server", len(points) == len(set(points)) == 7
      and sum(point[1:31] == b"\xff" * 30 for point in points) == 3)
log = (FOLDER / "server.err").read_text()
check("low-order: the server said of each that it is one, in message 1 and in message 3", [
    log.count(f"{lead}cannot agree on a Noise key: the peer's public key is a low-order point")
    for lead in ("server's key: ", "message 3: ")] == [len(points)] * 2)
offered = said([e for e in heard("low-order", "enhanced")], "AS")[2:34]
check("low-order: one of them to the client", offered in points)
events = heard("downgrade", "enhanced")
check("downgrade: no classic byte was said", said(events, "C")[:8] == b"SMTP361\x02"
      and {e["connection"] for e in events} == {1})
check("downgrade: the client failed", exits("downgrade", "enhanced")[0] not in (0, 77))

# --- replays ---

events = heard("replay-login", "classic")
check("replay-login, classic: the same bytes were said twice, and answered twice with a key",
      said(events, "C")[:256] in said(events, "AC") and
      sum(e["who"] == "S" and "session's key" in e["what"] for e in events) == 2)
events = heard("replay-login", "enhanced")
again = [e for e in events if e["who"] == "AC" and "recorded" in e["what"]]
check("replay-login, enhanced: both messages were said again, and the second had no answer",
      len(again) == 2 and events[-1] == again[-1])
check("replay-session, classic: the second client believes that it was sent",
      exits("replay-session", "classic") == [0, 0] and stored("replay-session", "classic") == [])
check("replay-session, enhanced: it does not", exits("replay-session", "enhanced") == [0, 76])
for wire in WIRES:
    check(f"replay-session, {wire}: the first session was real",
          stored("replay-session", wire, " (first)") == [LETTER])
check("double, classic: the e-mail is there twice", stored("double", "classic") == [LETTER, LETTER])
check("double, enhanced: it is not", stored("double", "enhanced") == [LETTER])
first, second = (b"".join(e["hex"] for e in heard("double", "enhanced") if e["who"] == who) for who in ("C", "AC"))
letter = first[58 + 322 : -32]  # behind messages 1 and 3, ahead of the goodbye
check("double, enhanced: all records of the letter were said twice, ahead of the goodbye",
      len(letter) > len(LETTER) and second == first[:380] + letter + letter + first[-32:])

# --- changes ---

text = stored("splice", "classic")
check("splice, classic: the bytes are those of the letter, in another order",
      len(text) == 1 and text[0] != LETTER and sorted(text[0]) == sorted(LETTER))
check("splice, classic: the client believes that it was sent", exits("splice", "classic")[0] == 0)
refused = exits("flip", "classic")[0] == 65 and "The message was rejected" in told("flip", "classic")
by_chance = exits("flip", "classic")[0] == 0 and stored("flip", "classic") not in ([], [LETTER])  # all of it letters
check("flip, classic: the server took the noise for alice's text, and told her that it is bad", refused or by_chance)
events = heard("flip", "classic")
before, after = (said([e for e in events if "mail" in e["what"] or "turned" in e["what"]], who)
                 for who in ("C", "AC"))
check("flip: one bit was another", len(before) == len(after) > 0 and
      sum(bin(a ^ b).count("1") for a, b in zip(before, after)) == 1)
check("flip, enhanced: a bit of the text was another", [
    bin(int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).count("1") for a, b in
    [[e["hex"] for e in heard("flip", "enhanced") if e["bytes"] == len(LETTER) + 18 and e["who"] in ("C", "AC")]]
] == [1])
check("drop, classic: the client believes that it was sent", exits("drop", "classic")[0] == 0)
check("drop, classic: nothing is there", stored("drop", "classic") == [])
check("reorder, classic: the second is the older one now", stored("reorder", "classic") == [SECOND, LETTER])
check("drop, enhanced: the first is there, and the client says that the second was not acknowledged",
      stored("drop", "enhanced") == [LETTER] and exits("drop", "enhanced")[0] == 76
      and told("drop", "enhanced").count("cannot open a Noise message") == 1)
answers = [e["hex"] for e in heard("drop", "enhanced") if e["who"] == "AS"]
check("drop, enhanced: the answer to the first was played twice", answers[2] == answers[3])
records = [e["hex"] for e in heard("reorder", "enhanced") if e["who"] == "C"]
moved = b"".join(e["hex"] for e in heard("reorder", "enhanced") if e["who"] == "AC")
check("reorder, enhanced: the second letter's records went first", len(records) == 7 and
      moved == b"".join(records[at] for at in (0, 1, 4, 5, 2, 3, 6)))
for attack in ("splice", "flip", "reorder"):
    check(f"{attack}, enhanced: nothing is stored, and the client says so",
          stored(attack, "enhanced") == [] and exits(attack, "enhanced")[0] == 76)
rows = (FOLDER / "truncate-classic.out").read_text()
check("truncate, classic: the older message is listed, the newest is not, and nothing is said",
      "an older note" in rows and "the newest" not in rows and exits("truncate", "classic")[0] == 0)
check("truncate, classic: it is in the mailbox",
      any("the newest of all" in file.name for file in (FOLDER / "site/carol").iterdir()))
pages = [e["bytes"] for e in heard("truncate", "enhanced") if e["who"] == "AS"]
check("truncate, enhanced: the list's first record was the last that the client got", len(pages) == 3
      and pages[2] > 32768)
check("truncate, enhanced: the newest is in the mailbox, and not in the list",
      any("the newest of all" in file.name for file in (FOLDER / "site/alice").iterdir())
      and "the newest" not in (FOLDER / "truncate-enhanced.out").read_text())
check("truncate, enhanced: the client says that the end is missing",
      exits("truncate", "enhanced")[0] == 75 and "without a goodbye" in told("truncate", "enhanced"))
check("tamper-login, classic: the client blames the password", exits("tamper-login", "classic")[0] == 77)
check("tamper-login, enhanced: it does not", exits("tamper-login", "enhanced")[0] == 75
      and "Invalid" not in told("tamper-login", "enhanced"))

check("each attack on records was refused because one did not open, by the server's log or the client",
      sum('text="cannot open a Noise message' in line for line in ends()) == 5)

# --- what the attacker says of itself ---

ACTIVE = ("splice", "flip", "drop", "truncate", "inject-invalid")
check("who only knows what it did does not say that it won", all(
    results(attack, wire) == ["did"] for attack in ACTIVE for wire in WIRES))
won = [attack for attack, row in ROWS.items() if row["classic"]["attacked"] and attack != "slow"
       and attack not in ACTIVE and "won" not in results(attack, "classic")]
check("on classic each of the others saw that it won", won == [])
check("on enhanced none says that it won", [
    attack for attack in ROWS if "won" in results(attack, "enhanced")] == [])
check("... and each says what it did, or that it got nothing", all(results(attack, "enhanced") for attack in ROWS
      if attack != "slow"))

# --- the server ---

for wire in WIRES:
    drips = [e["what"] for e in heard("slow", wire)]
    check(f"slow, {wire}: some 100 connections at least were open beside the login",
          any(int(what.split()[0]) >= 100 for what in drips))
    check(f"slow, {wire}: the login worked", exits("slow", wire)[0] == 0)


# --- SMTP ---

PASSWORD = (FOLDER / "alice.password").read_text().rstrip("\n")
LOGIN = base64.b64encode(f"\0alice\0{PASSWORD}".encode())


def mailbox(title):
    """The contents of bob's messages with this title, as the server has stored them."""
    return [file.read_text() for file in (FOLDER / "site/bob").glob("alice_*.txt")
            if f"\nTitle: {title}\n" in file.read_text()]


def stolen(attack, wire):
    file = FOLDER / f"loot/alice_{attack}, {wire}.txt"
    return LETTER in file.read_text() if file.exists() else False


def clear(attack, wire):
    """What both said before TLS, as the attacker heard it."""
    events = [e for e in heard(attack, wire) if e["who"] in "CS" and not e["what"].startswith("a TLS record")]
    return b"".join(e["hex"] for e in events)


SMTP = ("smtp-relay", "strip-starttls", "inject-starttls")
FILES = ("ft-flip", "ft-truncate", "ft-guess", "ft-oracle")
LIES = ("lying-keys", "lying-address", "lying-replay", "lying-withhold")  # t/80-lab.t looks at theirs
check("SMTP: each attack was run, and against what is said", sorted(ALL) == sorted([*ROWS, *SMTP, *FILES, *LIES]) and all(
    ALL[attack][wire]["attacked"] and ALL[attack][wire]["setup"] for attack in SMTP for wire in ("permissive", "defaults")))
check("smtp-relay, permissive: the mail was stolen, and arrived", stolen("smtp-relay", "permissive")
      and len(mailbox("smtp-relay, permissive")) == 1 and exits("smtp-relay", "permissive")[0] == 0)
forged = mailbox("from the attacker, in the name of alice")
check("smtp-relay, permissive: bob has a mail from alice that she has not written", len(forged) == 1
      and "Whoever relays" in forged[0] and "Whoever relays" not in (FOLDER / "mail/auth.txt").read_text())
line = re.search(r"\$cram_md5\$([^$]+)\$([^\"]+)", (FOLDER / "relay-smtp-relay-permissive.out").read_text())
challenge, answer = (base64.b64decode(part, validate=True) for part in line.groups())
check("smtp-relay, permissive: what hashcat gets is alice's password under HMAC-MD5",
      answer.decode() == "alice " + hmac.new(PASSWORD.encode(), challenge, hashlib.md5).hexdigest())
check("smtp-relay, permissive: sendmail logged in by CRAM-MD5 for want of SCRAM",
      "C: AUTH CRAM-MD5" in told("smtp-relay", "permissive") and "SCRAM" not in told("smtp-relay", "permissive"))
log = (FOLDER / "server.err").read_text()
sessions = [line for line in log.splitlines() if " wire=smtp user=alice " in line]
check("smtp-relay, permissive: for the server it was one session, of two messages and no fault",
      len([line for line in sessions if " sent=2 " in line and line.endswith(" code=0")]) == 1)
check("smtp-relay, defaults: the mail arrived, and was not stolen", exits("smtp-relay", "defaults")[0] == 0
      and len(mailbox("smtp-relay, defaults")) == 1 and not stolen("smtp-relay", "defaults"))
for wire, there in (("permissive", True), ("defaults", False)):
    check(f"smtp-relay, {wire}: alice's name was {'heard' if there else 'not heard'} in the clear",
          (b"alice" in clear("smtp-relay", wire)) == there)
check("smtp-relay, defaults: sendmail was in TLS", " -- in TLS1.2 " in told("smtp-relay", "defaults"))
check("strip-starttls, permissive: the password was heard, and the mail was stolen, and arrived",
      LOGIN in clear("strip-starttls", "permissive") and stolen("strip-starttls", "permissive")
      and len(mailbox("strip-starttls, permissive")) == 1 and exits("strip-starttls", "permissive")[0] == 0)
check("strip-starttls, permissive: the server had offered STARTTLS, and no password in the clear",
      b"STARTTLS" in clear("strip-starttls", "permissive") and b"PLAIN" not in b"".join(
          e["hex"] for e in heard("strip-starttls", "permissive") if e["who"] == "S"))
check("strip-starttls, defaults: sendmail says what happened, and nothing behind EHLO",
      exits("strip-starttls", "defaults")[0] == 76 and "or somebody strips it" in told("strip-starttls", "defaults")
      and re.fullmatch(rb"EHLO \S+\r\n(QUIT\r\n)?", said(heard("strip-starttls", "defaults"), "C")) is not None)
carols = (FOLDER / "naive/carol.mbox").read_text()
check("inject-starttls, permissive: alice's password and mail are in carol's mailbox, and not in bob's",
      f"AUTH PLAIN {LOGIN.decode()}\n" in carols and LETTER in carols and not (FOLDER / "naive/bob.mbox").exists())
check("inject-starttls, permissive: sendmail and the careless client say that it was sent",
      exits("inject-starttls", "permissive") == [0, 0])
check("inject-starttls, permissive: neither the password nor the mail was heard in the clear",
      b"alice" not in clear("inject-starttls", "permissive"))
first = [e["hex"] for e in heard("inject-starttls", "defaults") if e["who"] == "AC" and b"STARTTLS" in e["hex"]][0]
check("inject-starttls, defaults: the same commands stood behind STARTTLS, in one piece",
      first == b"STARTTLS\r\n" + (FOLDER / "commands").read_bytes().replace(b"\n", b"\r\n"))
check("inject-starttls, defaults: the server says so in reply and log", log.count('"bytes stood behind STARTTLS"') == 1
      and b"503 5.5.1 nothing may stand behind STARTTLS" in said(heard("inject-starttls", "defaults"), "S"))
check("inject-starttls, defaults: sendmail fails both times, and says why",
      exits("inject-starttls", "defaults") == [76, 76] and "bytes follow its answer to STARTTLS" in
      (FOLDER / "inject-starttls-defaults-2.err").read_text())
check("inject-starttls, defaults: nobody got mail, and no TLS began", mailbox("inject-starttls, defaults") == []
      and not any("TLS record" in e["what"] for e in heard("inject-starttls", "defaults")))

# --- file transfer ---

HERS = (FOLDER / "ft.file").read_bytes()


def there(attack, wire):
    """What the file server has of what alice wrote; None: nothing, and no part of it by that name."""
    file = FOLDER / f"ft/{attack}-{wire}"
    return file.read_bytes() if file.exists() else None


def word(attack, wire):
    lines = (FOLDER / f"relay-{attack}-{wire}.out").read_text().splitlines()
    return [json.loads(line)["text"] for line in lines if '"won"' in line][0]


check("ft-flip, aes256: the file begins otherwise, is else the same, and alice was told that it was confirmed",
      there("ft-flip", "aes256") == b"pay eve 9999 EUR" + HERS[16:] and exits("ft-flip", "aes256")[0] == 0
      and f"File sent, checksum: {hashlib.md5(HERS).hexdigest()}" in told("ft-flip", "aes256"))
check("ft-truncate, aes256: the beginning counts as the file, and alice was told that it was confirmed",
      there("ft-truncate", "aes256") == HERS[:16384] and exits("ft-truncate", "aes256")[0] == 0)
for attack in ("ft-flip", "ft-truncate"):
    check(f"{attack}, noise: nothing landed, and alice was told", there(attack, "noise") is None
          and exits(attack, "noise")[0] in (75, 76) and results(attack, "noise") == ["did", "failed"])
check("ft-flip, noise: the bit was changed", said(heard("ft-flip", "noise"), "C") != said(heard("ft-flip", "noise"), "AC")
      and len(said(heard("ft-flip", "noise"), "C")) == len(said(heard("ft-flip", "noise"), "AC")))
for attack in ("ft-flip", "ft-truncate"):
    for wire in ("aes256", "noise"):
        check(f"{attack}, {wire}: what was changed is not told as passed on", any(
            e["who"] == "AC" and e["what"] != "the same, passed on" for e in heard(attack, wire)))
check("ft-guess, aes256: the key was found, behind 100,000 other words", (FOLDER / "ft.guessed").read_text() == "sunshine\n"
      and (FOLDER / "ft-guess-aes256.out").read_bytes() == (FOLDER / "ft/secret").read_bytes())
check("ft-guess, noise: it was not, though it is in the list", results("ft-guess", "noise") == ["failed"]
      and "sunshine" in (FOLDER / "ft.words").read_text().split() and "Argon2id" in word("ft-guess", "noise"))
check("ft-oracle, aes256: 32 bytes of the file were read, in thousands of questions",
      HERS[:32].decode() in word("ft-oracle", "aes256")
      and int(re.search(r"(\d+) questions", word("ft-oracle", "aes256")).group(1)) > 1000)
check("ft-oracle, noise: nothing was, though all was asked, and the file arrived", results("ft-oracle", "noise") == ["failed"]
      and word("ft-oracle", "noise").startswith("0 of 64 changed messages were answered")
      and there("ft-oracle", "noise") == HERS and exits("ft-oracle", "noise")[0] == 0)

check("every attack of the table was run", len(ROWS) >= 18 and len(ALL) >= 25)
