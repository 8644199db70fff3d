"""What the SMTP door is asked for, by a raw client: who may send what to whom, how one logs in, what is stored.

    smtp_door.py PART ADDRESS [ADDRESS-OF-SMTPS]
    smtp_door.py own ADDRESS PASSWORD WRONG-PASSWORD

It runs in the server's folder. Users: client1 ... client5 (password1 ...). client1 has CRAM-MD5 and SCRAM-SHA-256,
client2 SCRAM-SHA-256 alone, client3 neither. "keyed" joined by invitation, and has PASSWORD for mail programs
alone, with both."""
import base64, hashlib, hmac, os, smtplib, ssl, sys, time
from pathlib import Path

from smtp_wire import Gone, Line, files, original
from verdict import check, diag

PART, ADDRESS, *OTHERS = sys.argv[1:]


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def scram(line, user, password, nonce="rOprNGfwEbeRWgbNEkqO", proof=None, header="n,,"):
    """(code, does the server prove itself) of a login; proof: another one than the right one."""
    bare = f"n={user},r={nonce}"
    code, (text,) = line.ask("AUTH SCRAM-SHA-256 " + b64(header + bare))
    if code != 334:
        return code, False
    first = base64.b64decode(text).decode()
    fields = dict(f.split("=", 1) for f in first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    mac = lambda key, data: hmac.new(key, data, hashlib.sha256).digest()
    client = mac(salted, b"Client Key")
    final = f"c={b64(header)},r={fields['r']}"
    message = f"{bare},{first},{final}".encode()
    right = bytes(a ^ b for a, b in zip(client, mac(hashlib.sha256(client).digest(), message)))
    code, (text,) = line.ask(b64(f"{final},p={b64(proof or right)}"))
    if code != 334:
        return code, False
    proven = base64.b64decode(text).decode() == "v=" + b64(mac(mac(salted, b"Server Key"), message))
    return line.ask("")[0], proven


def challenge(line, user, nonce="abcdefghijklmnop"):
    """What a server says of a user before any proof: the salt and the iterations."""
    code, (text,) = line.ask("AUTH SCRAM-SHA-256 " + b64(f"n,,n={user},r={nonce}"))
    assert code == 334
    assert line.ask("*")[0] == 501
    return base64.b64decode(text).decode().split(",")[1:]


def sources():
    """Addresses of this host: refusals of one are slow."""
    for i in range(2, 250):
        yield f"127.0.0.{i}"


SOURCES = sources()


def session(user=1, tls=False, source=None):
    line = Line(ADDRESS, timeout=60, source=source or next(SOURCES))
    line.hello()
    if tls:
        line.starttls()
        line.hello()
    if user == 1 and not tls:
        assert line.cram("client1", "password1") == 235
    elif user:
        assert scram(line, f"client{user}", f"password{user}") == (235, True)
    return line


def fresh(user, act):
    before = set(files(user))
    value = act()
    after = files(user)
    return value, [original(after[name]) for name in sorted(set(after) - before)]


# --- what is stored ---

def storing():
    texts = {
        "a message with a header": b"Subject: Hello there\r\nTo: x\r\n\r\nbody\r\n",
        "a message without a subject": b"To: x\r\n\r\nbody\r\n",
        "a message without a header": b"just text\r\n",
        "a line that begins like a fold": b" folded\r\nx\r\n",
        "an empty message": b"",
        "every byte but NUL, CR and LF": b"Subject: b\r\n\r\n" + bytes(
            c for c in range(1, 256) if c not in (10, 13)) + b"\r\n",
        "private characters of UTF-8": "Subject: p\r\n\r\n\uf780\uf7ff\ue000 é €\r\n".encode(),
        "code points cut by line ends": b"\xe2\x82\r\n\xac\xf0\x9f\r\n",
        "dots": b"..\r\n.x\r\n...\r\n",
        "blank lines at the end": b"a\r\n\r\n\r\n",
    }
    line = session()
    for name, text in texts.items():
        stuffed = b"".join(b"." + l if l.startswith(b".") else l for l in text.splitlines(True)) if name == "dots" else text
        codes, found = fresh("client2", lambda: line.mail(stuffed, "client1@localhost", "client2@localhost"))
        check(f"{name}: kept byte for byte, From is who logged in",
              [] if codes[-1] == 250 and [(f[0], f[2]) for f in found] == [("client1", text)] else [codes, found])
    titles = {b"Subject: plain\r\n": "plain", b"Subject: =?utf-8?B?w6k=?= x\r\n": "é x", b"X: y\r\n": "",
              b"Subject: " + b"x" * 120 + b"\r\n": "x" * 100, b"Subject: folded\r\n  here\r\n": "folded  here",
              b"SUBJECT: \xe9\r\n": "\ufffd"}
    for head, title in titles.items():
        codes, found = fresh("client2", lambda: line.mail(head + b"\r\nx\r\n", "client1@localhost", "client2@localhost"))
        check(f"the title of {head[:30]!r} is its subject", [] if [f[1] for f in found] == [title] else [codes, found])
    for size in (1 << 20, (1 << 20) - 100, 3_000_000):
        text = (b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * (size // 17))
        codes, found = fresh("client2", lambda: line.mail(text, "client1@localhost", "client2@localhost"))
        check(f"{len(text)} bytes are stored whole", codes[-1] == 250 and [f[2] for f in found] == [text])
    before = [set(files(f"client{i}")) for i in (1, 2, 3)]
    codes = line.codes("MAIL FROM:<client1@localhost> SIZE=20 BODY=8BITMIME SMTPUTF8",
                       *[f"RCPT TO:<client{i}@localhost>" for i in (1, 2, 3, 2)], "DATA")
    line.send(b"x\r\n.\r\n")
    code, (text,) = line.reply()
    after = [files(f"client{i}") for i in (1, 2, 3)]
    check("a message to three reaches each of them once", codes[:5] == [250] * 5 and code == 250 and
          [len(set(a) - b) for a, b in zip(after, before)] == [1, 1, 1])
    check("the reply tells the id", len(text.split()[-1]) == 32)
    print("# id", text.split()[-1], flush=True)


# --- who may send ---

def sending():
    line = Line(ADDRESS)
    check("without EHLO nothing is taken", line.codes("MAIL FROM:<client1@localhost>", "AUTH CRAM-MD5") == [503, 503])
    line.hello()
    check("without AUTH no mail is taken", line.ask("MAIL FROM:<client1@localhost>")[0] == 530)
    check("there is nothing to deliver behind it", line.codes("RCPT TO:<client2@localhost>", "DATA") == [503, 503])
    line = session()
    cases = {"<client1@localhost>": 250, "<CLIENT1@LocalHost>": 250, "<client1>": 250, "<>": 250,
             "<client2@localhost>": 553, "<client1@elsewhere.example>": 553, "<a@b.c>": 553, "<client1@>": 501,
             "client1@localhost": 501, "<client1@localhost": 501, "<a b@localhost>": 501}
    for path, want in cases.items():
        code = line.ask(f"MAIL FROM:{path}")[0]
        check(f"client1 as {path}: {want}", [] if code == want else [code])
        line.ask("RSET")
    assert line.ask("MAIL FROM:<client1@localhost>")[0] == 250
    cases = {"<client2@localhost>": 250, "<client2@group.example>": 250, "<CLIENT2@GROUP.EXAMPLE>": 250,
             "<client2@second.example>": 250,
             "<client2>": 250, '<"client2"@localhost>': 250, "<client2@group.example.org>": 550,
             "<client2@xgroup.example>": 550, "<nobody@localhost>": 550, "<server@localhost>": 550,
             "<client2%elsewhere.example@localhost>": 550, "<elsewhere.example!client2@localhost>": 550,
             "<client2@localhost> NOTIFY=NEVER": 555}
    for path, want in cases.items():
        code = line.ask(f"RCPT TO:{path}")[0]
        check(f"to {path}: {want}", [] if code == want else [code])
    line = session()
    codes, found = fresh("client4", lambda: line.mail(b"x\r\n", "client1@localhost", "PostMaster@localhost"))
    check("what is for an alias reaches its user", codes[-1] == 250 and len(found) == 1)
    check("nobody sends as an alias", line.ask("MAIL FROM:<postmaster@localhost>")[0] == 553)
    long = "MAIL FROM:<client1@localhost> AUTH=<" + "a" * 480 + ">"
    check("MAIL may be longer than other commands", len(long) > 510 and line.ask(long)[0] == 250)
    check("but not by more than its parameters", line.ask("MAIL FROM:<client1@localhost> AUTH=<" + "a" * 1040 + ">")[0] == 500)
    line.ask("RSET")
    heads = {b"From: client1@localhost\r\n": 250, b"From: Client One <client1@group.example>\r\n": 250,
             b"From: somebody@elsewhere.example\r\n": 250, b"From: nobody@localhost\r\n": 250, b"": 250,
             b"From: client2@localhost\r\n": 550, b"from: \"client1\" <client2@GROUP.example>\r\n": 550,
             b"From: client1@localhost\r\nFrom: client2@localhost\r\n": 550,
             b"From: =?utf-8?q?client1?= <client2@localhost>\r\n": 550,
             b"From: client1@localhost, client2@localhost\r\n": 550,
             b"From: (client1@localhost) client2@localhost\r\n": 550,
             b"From x@y Mon\r\nFrom: client2@localhost\r\n": 550, b"no field\r\nFrom: client2@localhost\r\n": 550,
             b" fold\r\nFrom: client2@localhost\r\n": 550, b"no field\r\n" * 30000: 250,
             b"X: y\r\n" * 60000 + b"From: client2@localhost\r\n": 552,
             b"From x\r\nX: y\r\n" + b"no field\r\n" * 30000 + b"From: client2@localhost\r\n": 552}
    for head, want in heads.items():
        codes, found = fresh("client3", lambda: line.mail(head + b"\r\nx\r\n", "client1@localhost", "client3@localhost"))
        check(f"a header with {head[:80]!r}: {want}", [] if codes[-1] == want and len(found) == (want == 250) else [codes])
    line = session()
    assert line.codes("MAIL FROM:<client1@localhost> SMTPUTF8 X=1") == [555]
    before = set(files("client3"))
    codes = line.mail(b"x\r\n", "client1@localhost", "client3@localhost")
    trace = [Path(path).read_bytes() for name, path in files("client3").items() if name not in before]
    check("a parameter of a MAIL that was refused does not count for the next", codes[-1] == 250 and len(trace) == 1 and
          b" with ESMTPA id " in trace[0])
    codes = line.codes(*["MAIL FROM:x"] * 19)
    check("errors are forgotten behind a message", codes == [501] * 19 and
          line.mail(b"x\r\n", "client1@localhost", "client3@localhost")[-1] == 250)
    for wrong, want in (("MAIL FROM:x", 501), ("MAIL FROM:<a@b.c>", 553)):
        line = session()
        codes = line.codes(*[wrong] * 20)
        check(f"{wrong}, twenty times, ends a session", codes == [want] * 20 and line.rest() == [421])
    line = session()
    circles = b"Received: from a by b; date\r\n" * 101
    check("a message that runs in circles is refused", line.mail(circles, "client1@localhost", "client3@localhost")[-1] == 554)
    line = session()
    options = {"SIZE=64000000": 250, "SIZE=64000001": 552, "BODY=7BIT": 250, "body=8bitmime": 250, "AUTH=<>": 250,
               "BODY=BINARYMIME": 555, "SIZE=": 555, "SIZE=1x": 501, "RET=FULL": 555}
    for option, want in options.items():
        code = line.ask(f"MAIL FROM:<client1@localhost> {option}")[0]
        check(f"MAIL with {option}: {want}", [] if code == want else [code])
        line.ask("RSET")
    check("VRFY tells nobody who is a user", line.codes("VRFY client2", "VRFY nobody") == [252, 252])
    check("what there is no command for is 500", line.codes("EXPN x", "BDAT 1", "XYZ") == [500] * 3)
    full = line.mail(b"x" * 70 + b"\r\n", "client1@localhost", "client5@localhost")
    check("a full mailbox is 452: try again later", [] if full[-1] == 452 else [full])
    line = session()
    codes = [line.ask(f"XYZ{i}")[0] for i in range(19)]
    line.send(b"XYZ\r\n")
    check("twenty errors end a session", codes == [500] * 19 and line.rest() == [500, 421])


# --- logging in ---

def logging_in():
    line = Line(ADDRESS)
    offer = line.hello()
    check("in the clear SCRAM-SHA-256 and CRAM-MD5 are offered, and no password",
          offer["AUTH"] == ["SCRAM-SHA-256", "CRAM-MD5"])
    check("STARTTLS, SIZE and the other limits are told", "STARTTLS" in offer and offer["SIZE"] == ["64000000"] and
          offer["LIMITS"] == ["RCPTMAX=1000"] and {"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"} <= set(offer))
    check("PLAIN and LOGIN need TLS", line.codes("AUTH PLAIN " + b64("\0client1\0password1"), "AUTH LOGIN") == [538, 538])
    check("a password that follows all the same is no command", line.codes(b64("client1"), b64("password1"),
          "AUTH\tPLAIN\t" + b64("\0client1\0password1")) == [500] * 3)
    check("nor is one in a mechanism's place a mechanism", line.codes("AUTH " + b64("\0client1\0password1"),
          "AUTH PLAIN\t" + b64("\0client1\0password1")) == [504] * 2)
    line.starttls()
    check("what was said before TLS is forgotten", line.codes("MAIL FROM:<client1@localhost>") == [503])
    offer = line.hello()
    check("inside TLS PLAIN and LOGIN are offered, and STARTTLS no more",
          offer["AUTH"][2:] == ["PLAIN", "LOGIN"] and "STARTTLS" not in offer)
    plain = {"\0client1\0password1": 235, "client1\0client1\0password1": 235, "\0client1@localhost\0password1": 235,
             "\0client1\0password2": 535, "\0client1\0": 535, "\0nobody\0password1": 535, "\0\0": 535,
             "client2\0client1\0password1": 535, "client1 password1": 501, "\0client1": 501}
    for text, want in plain.items():
        code = session(0, tls=True).ask("AUTH PLAIN " + b64(text))[0]
        check(f"PLAIN with {text!r}: {want}", [] if code == want else [code])
    line = session(0, tls=True)
    codes = [*line.codes("AUTH LOGIN", b64("client3"), b64("password3")), *line.codes("MAIL FROM:<client3@localhost>")]
    check("LOGIN logs in", codes == [334, 334, 235, 250])
    line = session(0)
    check("CRAM-MD5 logs in", line.cram("client1", "password1") == 235)
    for user, password, why in (("client1", "password2", "a wrong password"), ("client2", "password2", "who did not opt in"),
                                ("nobody", "password1", "no user"), ("", "password1", "no name")):
        line = session(0)
        check(f"CRAM-MD5 refuses {why}", line.cram(user, password) == 535)
    line = session(0)
    first = line.ask("AUTH CRAM-MD5")[1]
    line.ask("*")
    check("each challenge is another one", line.ask("AUTH CRAM-MD5")[1] != first)
    line.ask("*")
    for user in (1, 2):
        line = session(0)
        check(f"SCRAM-SHA-256 logs client{user} in, and the server proves itself",
              scram(line, f"client{user}", f"password{user}") == (235, True))
    line = session(0)
    check("a name may be written as an address", scram(line, "client2@LocalHost", "password2") == (235, True))
    refused = {"a wrong password": ("client1", "password2", {}), "who did not opt in": ("client3", "password3", {}),
               "no user": ("nobody", "password1", {}), "a proof of zeros": ("client1", "password1", {"proof": bytes(32)})}
    for why, (user, password, more) in refused.items():
        code = scram(session(0), user, password, **more)[0]
        check(f"SCRAM-SHA-256 refuses {why}", [] if code == 535 else [code])
    check("channel binding that is not there is refused", scram(session(0), "client1", "password1", header="p=tls-unique,,")[0] == 501)
    same = [challenge(session(0), "nobody") for _ in range(2)]
    check("of who is no user a salt is told, each time the same", same[0] == same[1])
    check("it looks like a user's", [len(f) for f in same[0]] == [len(f) for f in challenge(session(0), "client1")])
    check("another name has another", challenge(session(0), "nobody2") != same[0])
    line = session(0)
    line.ask("AUTH CRAM-MD5")
    check("a response that is too long ends the exchange", line.ask("A" * 13000)[0] == 500 and line.ask("NOOP")[0] == 250)
    line = session()
    check("who is logged in begins no TLS", line.ask("STARTTLS")[0] == 503)
    check("who is logged in logs in no more", line.ask("AUTH CRAM-MD5")[0] == 503)
    line = session(0, tls=True)
    codes = []
    for _ in range(3):
        line.send(b"AUTH PLAIN " + b64("\0client4\0wrong").encode() + b"\r\n")
        codes.append(line.reply()[0])
    check("three refusals end a session", codes == [535] * 3 and line.rest() == [421])


def own():
    """A user whose key is enough elsewhere logs in by each mechanism, with the one password that is for this."""
    right, wrong = OTHERS

    def by(mechanism, password):
        line = session(0, tls=mechanism in ("PLAIN", "LOGIN"))
        if mechanism == "PLAIN":
            code = line.ask("AUTH PLAIN " + b64(f"\0keyed\0{password}"))[0]
        elif mechanism == "LOGIN":
            code = line.codes("AUTH LOGIN", b64("keyed"), b64(password))[-1]
        elif mechanism == "CRAM-MD5":
            code = line.cram("keyed", password)
        else:
            code = scram(line, "keyed", password)[0]
        return code, line
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"):
        code, line = by(mechanism, right)
        check(f"{mechanism} logs in with the password for mail programs", [] if code == 235 else [code])
        codes, found = fresh("client2", lambda: line.mail(b"Subject: k\r\n\r\nx\r\n", "keyed@localhost", "client2@localhost"))
        check("... and mail comes from who it is", [] if codes[-1] == 250 and found[0][:2] == ("keyed", "k") else [codes])
    for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
        code = by(mechanism, wrong)[0]
        check(f"{mechanism} refuses another", [] if code == 535 else [code])


def guessing():
    """Failures cost time, more with each, for the user and the address; who hangs up gains nothing."""
    def try_once(user, password, wait=True):
        line = session(0, source="127.0.0.1")
        began = time.monotonic()
        line.send(b"AUTH CRAM-MD5\r\n")
        text = base64.b64decode(line.reply()[1][0])
        digest = hmac.new(password.encode(), text, hashlib.md5).hexdigest()
        line.send(b64(f"{user} {digest}").encode() + b"\r\n")
        if not wait:
            line.close()
            return None
        line.sock.settimeout(60)
        code = line.reply()[0]
        line.close()
        return code, time.monotonic() - began
    line = session(0, source="127.0.0.9")
    line.send(b"AUTH CRAM-MD5\r\n")
    line.reply()
    time.sleep(0.5)
    began = time.monotonic()
    check("a refusal's moment begins with the response", line.ask(b64("client1 " + "0" * 32))[0] == 535 and
          time.monotonic() - began > 0.2)
    first = try_once("client1", "wrong")
    slow = [try_once("client1", "wrong") for _ in range(5)][-1]
    check("a refusal takes a moment, and then longer", [] if 0.2 < first[1] < 5 and slow[1] > 2 * first[1] else [first, slow])
    for _ in range(6):
        try_once("client1", "wrong", wait=False)
    time.sleep(0.3)
    right = try_once("client1", "password1")
    check("the right password still logs in", right[0] == 235)
    check("behind many refusals its address waits ahead of the answer", [] if right[1] > 0.2 else [right])


def tls():
    line = Line(OTHERS[0], tls=True)
    offer = line.hello()
    check("SMTP over TLS offers PLAIN at once, and no STARTTLS", "PLAIN" in offer["AUTH"] and "STARTTLS" not in offer)
    check("PLAIN logs in", line.ask("AUTH PLAIN " + b64("\0client3\0password3"))[0] == 235)
    codes, found = fresh("client1", lambda: line.mail(b"Subject: t\r\n\r\nx\r\n", "client3@localhost", "client1@localhost"))
    check("mail is taken", codes[-1] == 250 and found[0][:2] == ("client3", "t"))
    line = session(0)
    line.send(b"STARTTLS\r\n")
    assert line.reply()[0] == 220
    line.send(b"EHLO x\r\nMAIL FROM:<client1@localhost>\r\n")
    try:
        heard = line.sock.recv(4096)
    except ConnectionError:
        heard = b""
    check("what is sent in the clear instead of a handshake ends the connection", heard[:1] in (b"", b"\x15"))
    context = ssl.create_default_context(cafile="server_tls_cert.pem")
    with smtplib.SMTP("localhost", int(ADDRESS.rpartition(":")[2]), timeout=20) as client:
        client.starttls(context=context)
        client.login("client3", "password3")
        client.sendmail("client3@localhost", ["client1@localhost"], "Subject: lib\r\n\r\nx\r\n")
    check("a client that verifies name and certificate is content", True)


def opened():
    line = Line(ADDRESS)
    line.hello()
    codes, found = fresh("client2", lambda: line.mail(
        b"From: client1@localhost\r\nSubject: s\r\n\r\nx\r\n", "client1@localhost", "client2@localhost"))
    check("an open door takes mail without a login, as of \"unverified\"",
          [] if codes[-1] == 250 and found[0][0] == "unverified" else [codes, found])
    check("it relays nothing", line.codes("MAIL FROM:<a@b.c>", "RCPT TO:<x@elsewhere.example>") == [250, 550])
    line = Line(ADDRESS)
    line.hello()
    assert line.cram("client1", "password1") == 235
    codes, found = fresh("client2", lambda: line.mail(b"x\r\n", "client1@localhost", "client2@localhost"))
    check("who logs in is who sends", codes[-1] == 250 and found[0][0] == "client1")


def tls_only():
    line = Line(ADDRESS)
    offer = line.hello()
    check("where TLS comes first no login is offered ahead of it", "AUTH" not in offer and "STARTTLS" in offer)
    check("and none is taken", line.codes("AUTH CRAM-MD5", "AUTH SCRAM-SHA-256", "MAIL FROM:<a@b.c>") == [538, 538, 530])
    line.starttls()
    check("inside TLS all of them are", line.hello()["AUTH"] == ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"])


{"storing": storing, "sending": sending, "login": logging_in, "own": own, "guessing": guessing, "tls": tls, "open": opened,
 "tls-only": tls_only}[PART]()
