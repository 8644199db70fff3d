#!/usr/bin/python3
"""Records and requests that no honest client sends, behind an honest login.

  hostile_records.py HOST:PORT PID     the server, and lib.sh's site is the current folder

The numbers in the titles are those of the list of bad inputs: 14-19 are here.
"""
import json, os, socket, struct, sys
from pathlib import Path

sys.dont_write_bytecode = True  # before the modules that lie beside this one
from enhanced_wire import TAG, Broken, dump, parse
from hostile import BYE, INBOX, attacked, codes, each, ending, half_close
from verdict import check, childless, diag, messages, peak_memory, settled, wait_until

MEMORY = 16 << 10  # KiB, for a session
HELLO = b"hello"


def seal(client, text):
    return client.out.encrypt_with_ad(b"", text)


def letter(title, content=HELLO, **fields):
    """A send to client2, as the record that asks for it."""
    return dump({"type": "send", "to": ["client2"], "title": title, "chars": len(content),
                 "length": len(content)} | fields)


def copies(title):
    return len(list(Path("client2").glob(f"client1_{title}*.txt")))


# --- sealed bytes ---

def tampered(server):
    """Rows 14 to 17: each is (what was sent, how many letters are stored). The session ends at the first
    record that is not the next one."""
    def doubled(client):
        for text in (letter("Doubled"), HELLO):
            client.send_message(sealed := seal(client, text))
        client.send_message(sealed)
        return ["sent", "protocol"], ("Doubled", 1)

    def doubled_request(client):
        client.send_message(sealed := seal(client, letter("Request")))
        client.send_message(sealed)
        client.send_record(HELLO)
        return ["protocol"], ("Request", 0)

    def earlier_session(client):
        with server.session() as other:
            other.send_record(INBOX)
        client.send_message(bytes(other.said[-len(INBOX) - TAG:]))
        return ["protocol"], None

    def dropped(client):
        seal(client, INBOX)
        client.send_record(letter("Dropped"))
        client.send_record(HELLO)
        return ["protocol"], ("Dropped", 0)

    def swapped(client):
        first, second = seal(client, letter("Swapped")), seal(client, HELLO)
        client.send_message(second)
        client.send_message(first)
        return ["protocol"], ("Swapped", 0)

    def counter(value):
        def jump(client):
            client.out.set_nonce(value)
            client.send_record(INBOX)
            return ["protocol"], None
        return jump

    def reflected(client):
        client.send_message(bytes(client.heard[52:]))
        return ["protocol"], None

    def flipped(at):
        def flip(client):
            client.send_record(letter("Flipped"))
            sealed = bytearray(seal(client, HELLO))
            sealed[at] ^= 1 << at % 8
            client.send_message(bytes(sealed))
            return ["protocol"], ("Flipped", 0)
        return flip

    def short(count):
        def cut(client):
            client.send_record(letter("Short"))
            client.send_message(seal(client, HELLO)[:count])
            return ["protocol"], ("Short", 0)
        return cut

    def empty(ahead, many):
        def send(client):
            for text in ahead:
                client.send_record(text)
            with client.together():
                for _ in range(many):
                    client.send_record(b"")
            return ["protocol"], ("Empty", 0)
        return send

    def over_the_end(client):
        client.send_record(letter("Over"))
        client.send_record(HELLO + b"x")
        return ["protocol"], ("Over", 0)

    attacks = {"14: a record twice": doubled, "14: a request twice": doubled_request,
               "14: a record of another session": earlier_session, "14: a record left out": dropped,
               "14: two records swapped": swapped, "14: a record of the server's reflected": reflected,
               "16: an empty record": empty([], 1), "16: a thousand empty records": empty([], 1000),
               "16: an empty record for content": empty([letter("Empty")], 1),
               "a record over the end of the content": over_the_end,
               "17: the counter at 1": counter(1), "17: the counter at 2^32": counter(2**32),
               "17: the counter at 2^64-2": counter(2**64 - 2), "17: the counter at 2^64-1": counter(2**64 - 1)}
    attacks |= {f"15: a record cut to {n} bytes": short(n) for n in range(len(HELLO) + TAG)}
    attacks |= {f"T5: another bit in byte {n}": flipped(n) for n in range(len(HELLO) + TAG)}

    def attack(name):
        with server.session() as client:
            want, stored = attacks[name](client)
            replies, how = ending(client)
            got = codes(replies)
            if got != want or how != "closed":
                return f"it is answered {got}, {how}"
            if stored and not wait_until(lambda: copies(stored[0]) == stored[1]):
                return f"{copies(stored[0])} are stored"

    faults = each(attack, attacks)
    for number in ("14", "15", "16", "17", "T5"):
        mine = [fault for fault in faults if fault.startswith(f"{number}:")]
        check(f"{number}: each of {sum(name.startswith(f'{number}:') for name in attacks)} such records ends "
              "the session at once, and what was not whole is not stored", mine)
    check("and so does a record over the end of the content", [f for f in faults if f.startswith("a rec")])
    settled()
    check("T6: a letter whose last record came twice is stored once", copies("Doubled") == 1)
    server.before = messages()


def cuts(server):
    """Rows 18 and 19: a letter of 200,000 bytes, ended after each part of it."""
    content = os.urandom(100_000).hex().encode()

    def cut(case):
        records, reset, part = case
        with server.session() as client:
            texts = [letter("Cut", content), *(content[at:at + 50_000] for at in range(0, len(content), 50_000))]
            for text in texts[:records]:
                client.send_record(text)
            sealed = seal(client, texts[records])
            client.write((len(sealed).to_bytes(2, "big") + sealed)[:part])
            if reset:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return client.sock.close()
            half_close(client.sock)
            got, how = ending(client)
            return None if codes(got) in ([], ["try-later"]) and how == "closed" else f"{got}, {how}"

    cases = [(records, reset, part) for records in range(5) for reset in (False, True) for part in (0, 1, 40_000)
             if records or part < 40_000]
    check("18, 19: a letter cut anywhere, by FIN or RST, is not acknowledged", each(cut, cases))
    check("no session is left of them", childless(server.pid))
    server.unharmed("letters that were cut")


# --- objects ---

def garbage(server):
    deep = 30_000
    objects = {"no JSON": b"hello", "an array": b"[]", "text": b'"inbox"', "null": b"null", "a number": b"1",
               "blanks": b"   ", "half an object": b'{"type":"inbox"', "text behind it": INBOX + b"x",
               "another object behind it": INBOX + BYE, "a byte order mark": b"\xef\xbb\xbf" + INBOX,
               "UTF-16": INBOX.decode().encode("utf-16"), "a NUL behind it": INBOX + b"\0",
               "a NUL in text": b'{"type":"inbox","x":"\0"}', "\\u0000": b'{"type":"inbox","x":"\\u0000"}',
               "\\u0000 in a name": b'{"type":"inbox","x\\u0000":1}',
               "a lone surrogate": b'{"type":"inbox","x":"\\ud800"}',
               "a low surrogate": b'{"type":"inbox","x":"\\udc00"}',
               "surrogates swapped": b'{"type":"inbox","x":"\\udc00\\ud800"}',
               "a surrogate in UTF-8": b'{"type":"inbox","x":"\xed\xa0\x80"}',
               "bad UTF-8": b'{"type":"inbox","x":"\xff"}', "overlong UTF-8": b'{"type":"inbox","x":"\xc0\xaf"}',
               "beyond Unicode": b'{"type":"inbox","x":"\xf4\x90\x80\x80"}',
               "bad UTF-8 in a name": b'{"type":"inbox","\xff":1}', "a raw control byte": b'{"type":"inbox","x":"\x1b"}',
               "arrays in arrays": b"[" * deep + b"]" * deep, "objects in objects": b'{"a":' * 10_000,
               "a value too deep": b'{"type":"inbox","x":' + b"[" * deep + b"]" * deep + b"}",
               "a type twice": b'{"type":"inbox","type":"bye"}', "a name twice": b'{"type":"inbox","x":1,"x":1}',
               "a name twice, within": b'{"type":"inbox","x":{"y":1,"y":1}}',
               "a name twice, escaped": b'{"type":"inbox","typ\\u0065":"bye"}',
               "a huge real": b'{"type":"inbox","x":1e999}', "a huge integer": b'{"type":"inbox","x":' + b"9" * 400 + b"}",
               "a number with zeros": b'{"type":"inbox","x":01}', "a number with a plus": b'{"type":"inbox","x":+1}',
               "a hexadecimal number": b'{"type":"inbox","x":0x1}', "NaN": b'{"type":"inbox","x":NaN}',
               "single quotes": b"{'type':'inbox'}", "a comma too many": b'{"type":"inbox",}',
               "a comment": b'{"type":"inbox"/**/}', "no type": b'{"x":1}', "nothing inside": b"{}"}

    def refused(name):
        with server.session() as client:
            client.send_record(objects[name])
            client.send_record(letter("Garbage"))
            client.send_record(HELLO)
            got, how = ending(client)
            return None if codes(got) == ["protocol"] and how == "closed" else f"{codes(got)}, {how}"

    check(f"each of {len(objects)} records that are no such object is protocol, and the end", each(refused, objects))
    for kind in (1, None, ["inbox"], {"inbox": 1}, True):
        with server.session() as client:
            client.send_object({"type": kind})
            half_close(client.sock)
            check(f"a type of {json.dumps(kind)} is refused", codes(ending(client)[0])[0] in ("protocol", "unknown"))
    server.unharmed("records that are no objects")


NUMBERS = {"10^18": b"1000000000000000000", "-1": b"-1", "-10^18": b"-1000000000000000000", "1e9": b"1e9",
           "5.0": b"5.0", "text": b'"5"', "true": b"true", "null": b"null", "an array": b"[5]",
           "2^63-1": b"9223372036854775807", "2^63": b"9223372036854775808", "2^64+5": b"18446744073709551621"}


def send_with(name, value):
    """A send whose field has this JSON, or is not there."""
    fields = {b"to": b'["client2"]', b"title": b'"Sizes"', b"chars": b"5", b"length": b"5", name: value}
    return b'{"type":"send"' + b"".join(b',"%s":%s' % one for one in fields.items() if one[1]) + b"}"


def sizes(server):
    """T18."""
    def length(name):
        with server.session() as client:
            client.send_record(send_with(b"length", NUMBERS.get(name)))
            client.send_record(HELLO)
            got, how = ending(client)
            ends = "too-large" if name in ("10^18", "2^63-1") else "protocol"
            return None if codes(got) == [ends] and how == "closed" else f"{codes(got)}, {how}"

    check("T18: a length that is no number, or too large, ends the session", each(length, [*NUMBERS, "none"]))

    def chars(name):
        with server.session() as client:
            client.send_record(send_with(b"chars", NUMBERS.get(name, {"4": b"4", "6": b"6", "0": b"0"}.get(name))))
            client.send_record(HELLO)
            client.send_record(BYE)
            got, how = ending(client)
            fine = (["too-large", "bye"], ["rejected", "bye"], ["protocol"] if "2^6" in name else None)
            return None if codes(got) in fine and how == "closed" else f"{codes(got)}, {how}"

    check("T18: chars that are no number, or not those of the content, are refused, and the session goes on",
          each(chars, [*NUMBERS, "none", "0", "4", "6"]))
    server.unharmed("sizes that lie")


def goes_on(server):
    """Requests whose fields are wrong, in one session: an answer to each, and it goes on."""
    with server.session("client2") as other:
        theirs = other.request(*other.send_mail(["client2"], "Theirs", HELLO))[0]["id"]
    server.before = messages()
    an_id = b"0123456789abcdef" * 2
    names = ["../../x", "/tmp/x", ".", "..", "client2/../client3", ".spool", ".sent", "server", "Client2", "client99",
             "client2;client3", "client2\n", "client2 ", " client2", "", "x\x1b[2J", 'x" code=0 user="root', "c" * 33,
             "cli\u0435nt2", "client2\u202e", "*", "client?", "client2.", "%s%n"]
    wrong = [(send_with(b"to", dump([name])), "no-user") for name in names]
    wrong += [(send_with(b"to", dump(["client2", name])), "no-user") for name in names[:3]]
    wrong += [(send_with(b"to", dump([f"u{n}" for n in range(1001)])), "no-user rejected")]
    wrong += [(send_with(b"to", to), "no-user rejected") for to in (
        b"[]", b'"client2"', b"1", None, b"null", b"[1]", b'[["client2"]]', b'{"client2":1}', b"[null]", b'["client2",7]')]
    wrong += [(send_with(b"title", title), "rejected") for title in (
        dump("x" * 101), b'"a\\nb"', b'"a\\rb"', b"1", b"null", b'["T"]', None)]
    wrong += [(send_with(b"id", one), "rejected") for one in (
        b'""', b'"%s"' % an_id[1:], b'"%s0"' % an_id, b'"%s"' % an_id.upper(), b'"%sg"' % an_id[1:], b"1", b"null",
        b'"../../../../../../../../etc/passw"')]
    bad_ids = (b'""', b'"../client2"', b'"%s"' % an_id.upper(), b"7", b"null", b'"%s"' % (b"0" * 64), b"[]")
    wrong += [(b'{"type":"read","id":%s}' % one, "rejected") for one in bad_ids]
    wrong += [(b'{"type":"delete","id":%s}' % one, "rejected") for one in bad_ids]
    wrong += [(b'{"type":"%s","id":"%s"}' % (kind, one), "no-message")
              for kind in (b"read", b"delete") for one in (an_id, b"0" * 32, theirs.encode())]
    wrong += [(b'{"type":"read","index":%s}' % one, "rejected no-message") for one in (
        b"0", b"99", b"-1", b"1.0", b'"1"', b"null", b"9223372036854775807", b"[1]")]
    wrong += [(b'{"type":"read"%s}' % one, "rejected") for one in (
        b"", b',"last":false', b',"last":1', b',"index":1,"last":true', b',"id":"%s","index":1' % an_id)]
    wrong += [(b'{"type":"delete"}', "rejected"), (b'{"type":"delete","index":1}', "rejected")]
    wrong += [(b'{"type":"inbox","after":%s}' % one, "rejected") for one in bad_ids]
    wrong += [(b'{"type":"%s","after":"%s"}' % (kind, one), "no-message")
              for kind in (b"inbox", b"wait") for one in (an_id, theirs.encode())]
    wrong += [(b'{"type":"wait","seconds":%s}' % one, "rejected") for one in (
        b"-1", b"1.5", b"2147483648", b'"1"', b"null", b"true", b"9223372036854775807")]
    wrong += [(b'{"type":"%s"}' % kind, "unknown") for kind in (
        b"SEND", b"", b"send ", b"file-puts", b"user-add", b"../inbox", b"x\\u001b[2J", b'x\\" code=0 user=\\"root')]
    faults = []
    with server.session() as client:
        client.request(*client.send_mail(["client1"], "Mine", HELLO))
        server.before = messages()
        for request, want in wrong:
            client.send_record(request)
            if request.startswith(b'{"type":"send"'):
                client.send_record(HELLO)
            got, alive = client.recv_reply()[0], client.request(INBOX)[0]["type"]
            if got.get("code") not in want.split() or alive != "inbox":
                faults.append(f"{request[:120]!r}: {got}, then {alive}")
        check(f"each of {len(wrong)} requests with a wrong field is answered so, and the session goes on", faults)
    check("nobody's message is read, listed behind or deleted by another", "client2/client2_Theirs.txt" in messages())
    server.unharmed("wrong requests")


def controls(server):
    """T22: what may be in a title or a request must not be in the log: the script looks at that."""
    titles = ["\x1b[2J\x1b]0;owned\x07", "\u009b31m", "\u202egpj.exe", "\x7f", "\t", 'x" code=0 user="root']
    with server.session() as client:
        for number, title in enumerate(titles):
            reply, _ = client.request(*client.send_mail(["client3"], title, HELLO))
            got, _ = client.request({"type": "inbox"})
            if reply["type"] != "sent":
                check(f"T22: title {number} is taken", [reply])
    with server.session("client3") as client:
        client.send_record(INBOX)
        rows = parse(client.recv_record())["messages"]
        check("T22: titles with control characters are stored and listed as they are",
              [row["title"] for row in rows] == titles)
    server.before = messages()


def memory(server):
    """T18, and streaming: what a session has resident at its most."""
    if os.environ.get("SANITIZED"):
        return
    def used(act):
        def begin():
            client = server.session()
            act(client)
            client.request(INBOX)
            return client
        pid, client = server.child_of(begin)
        peak = peak_memory(pid)
        client.sock.close()
        return peak

    def big(client):
        content = b"0123456789abcdef" * 1_500_000
        client.sock.settimeout(60)
        if client.request(*client.send_mail(["client5"], "Big", content))[0]["type"] != "sent":
            raise Broken("24 MB are not taken")

    def back(client):
        client.user = "client5"
        reply, content = client.request(b'{"type":"read","last":true}')
        if len(content or b"") != 24_000_000:
            raise Broken(f"24 MB are not read: {reply}")

    def promise(client):
        client.send_record(letter("Promise", length=255_999_999, chars=63_999_999))
        for _ in range(20):
            client.send_record(b"x" * 65519)
        client.request = lambda _: None

    def objects(client):
        for text in (b'{"type":"none","x":[' + b"{}," * 21_000 + b"{}]}", b'{"type":"none","x":[' + b"1," * 32_000 + b"1]}",
                     b'{"type":"none","x":"' + b"\\n" * 32_000 + b'"}'):
            client.request(text)

    login = server.session
    for what, act in {"a login and a list": lambda client: None, "24 MB sent": big, "24 MB read": back,
                      "256 MB promised": promise, "objects of 64 KB": objects}.items():
        server.session = (lambda: login("client5")) if act is back else login
        peak = used(act)
        diag(f"{what}: {peak} KiB")
        check(f"T18: {what} takes a session less than 16 MB", peak < MEMORY)
    server.session = login
    server.before = messages()


def main():
    server, _ = attacked()
    tampered(server)
    server.unharmed("bad records")
    cuts(server)
    garbage(server)
    sizes(server)
    goes_on(server)
    controls(server)
    memory(server)
    server.unharmed("all that")


if __name__ == "__main__":
    main()
