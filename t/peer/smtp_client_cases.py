#!/usr/bin/python3
"""sendmail --smtp against servers that are as they should be, and against those that are not: a line for each case.

    smtp_client_cases.py FOLDER    where server_tls_cert.pem, other/server_tls_cert.pem and the passwords are
"""
import base64, hmac, os, re, ssl, subprocess, sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
from smtp_fake import CLOSE, RESET, SILENT, Fake, Scram
from verdict import PROGRAM, check

FOLDER = sys.argv[1]
CERT = os.path.join(FOLDER, "server_tls_cert.pem")
OTHER = os.path.join(FOLDER, "other", "server_tls_cert.pem")
PASSWORD = os.path.join(FOLDER, "pw1")
MESSAGE = b"From: a@b.example\nTo: x@y.example\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <1@b>\nSubject: s\n\nhello\n"
CLEAR, LOGIN = ["--no-tls"], ["--user", "ada", "--password-file", PASSWORD]
TLS = ["--tls-ca", CERT]


def context():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(CERT, os.path.join(FOLDER, "server_tls_key.pem"))
    return c


def run(fake, options, message=MESSAGE, to=("x@y.example",), seconds=60):
    """-> exit code, stderr, sessions"""
    how = "--smtps" if fake.at_once else "--smtp"
    command = [PROGRAM, "sendmail", "-i", "-f", "a@b.example", how, f"localhost:{fake.port}", *options, *to]
    result = subprocess.run(command, input=message, capture_output=True, timeout=seconds)
    return result.returncode, result.stderr.decode("utf-8", "replace"), fake.end()


def judge(title, got, code, says="", never=(), data=None, verbs=None):
    rc, err, sessions = got
    faults = [] if rc == code else [f"exit {rc}, not {code}: {err}"]
    if says and not re.search(says, err):
        faults.append(f"it says: {err}")
    if code == 0 and not says and err:
        faults.append(f"it says: {err}")
    said = [verb for s in sessions for verb in s.verbs()]
    faults += [f"it said {verb}: {said}" for verb in never if verb in said]
    taken = [one for s in sessions for one in s.data]
    if data is not None and taken != data:
        faults.append(f"the server has {taken}")
    if verbs is not None and said != verbs:
        faults.append(f"it said {said}")
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", err):
        faults.append(f"control characters: {err!r}")
    check(title, faults)


WIRE = MESSAGE.replace(b"\n", b"\r\n")
NOTHING = ("MAIL", "RCPT", "DATA", "AUTH")


def good():
    judge("in the clear, when that was asked for", run(Fake(offers=()), CLEAR), 0, data=[WIRE],
          verbs=["EHLO", "MAIL", "RCPT", "DATA", "QUIT"])
    got = run(Fake(tls=context()), TLS)
    judge("by STARTTLS, verified by a CA file", got, 0, data=[WIRE],
          verbs=["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"])
    judge("in TLS from the first byte", run(Fake(tls=context(), at_once=True), TLS), 0, data=[WIRE],
          verbs=["EHLO", "MAIL", "RCPT", "DATA", "QUIT"])
    pin = subprocess.run(f"openssl x509 -in {CERT} -pubkey -noout | openssl pkey -pubin -outform der | "
                         "openssl dgst -sha256 -binary | base64 | tr -d =", shell=True, capture_output=True).stdout
    pin = "SHA256:" + pin.decode().strip()
    judge("by a pinned key", run(Fake(tls=context()), ["--tls-pin", pin]), 0, data=[WIRE])
    judge("another key than the pinned one: 77, and nothing is said", run(Fake(tls=context()), ["--tls-pin", pin[:7] + "A" * 43]),
          77, verbs=["EHLO", "STARTTLS"])
    judge("a pin that is none: 64", run(Fake(tls=context()), ["--tls-pin", "abc"]), 64, verbs=[])
    judge("another CA: 77", run(Fake(tls=context()), ["--tls-ca", OTHER]), 77, "CA", verbs=["EHLO", "STARTTLS"])
    judge("the system's CAs do not know it: 77", run(Fake(tls=context()), []), 77 if os.path.exists(
        "/etc/ssl/certs/ca-certificates.crt") else 66, never=NOTHING)
    judge("a CA file that is not there: 66", run(Fake(tls=context()), ["--tls-ca", "/nowhere"]), 66, "/nowhere", verbs=[])
    judge("a reply without a text, and one of three lines",
          run(Fake({"MAIL": b"250\r\n", "RCPT": b"250-a\r\n250-\r\n250 c\r\n"}, offers=()), CLEAR), 0, data=[WIRE])


def texts():
    long = b"x" * 998
    for title, body, wire in [
            ("dots are doubled", b".\n..\n.a\na.\n", b"..\r\n...\r\n..a\r\na.\r\n"),
            ("a line of 998 bytes goes as it is", long + b"\n", long + b"\r\n"),
            ("one of 999 is broken", long + b"y\n", long + b"\r\n y\r\n"),
            ("... and so are its parts, and a dot behind the break is no dot ahead of a line",
             long + b"." * 998 + b"\n", long + b"\r\n " + b"." * 997 + b"\r\n .\r\n")]:
        head = MESSAGE.split(b"hello")[0]
        judge(title, run(Fake(offers=()), CLEAR, head + body), 0, data=[head.replace(b"\n", b"\r\n") + wire])
    head = MESSAGE.split(b"hello")[0]
    fake = Fake(offers=["8BITMIME"])
    rc, err, sessions = run(fake, CLEAR, head + "é".encode() * 1000 + b"\n")
    lines = sessions[0].data[0].split(b"\r\n\r\n")[1].split(b"\r\n")
    check("a break falls between characters", [line for line in lines if not line.decode("utf-8", "ignore").encode() == line]
          + ([] if b"".join(line.strip() for line in lines) == "é".encode() * 1000 and len(lines) > 2 else ["bytes are missing"]))
    big = b"".join(b"%070d\n" % i for i in range(40000))
    judge("2.8 MB arrive whole", run(Fake(offers=()), CLEAR, head + big), 0, data=[(head + big).replace(b"\n", b"\r\n")])


def offers():
    fake = Fake(offers=["PIPELINING", "SIZE 1000"])
    got = run(fake, CLEAR, to=[f"u{i}@y.example" for i in range(200)])
    judge("200 recipients", got, 0, data=[WIRE])
    check("... commands are sent ahead where the server takes that", got[2][0].ahead >= 10)
    got = run(Fake(offers=()), CLEAR, to=["a@y.example", "b@y.example"])
    check("... and not where it does not", got[2][0].ahead == 0 and got[0] == 0)
    got = run(Fake(offers=["SIZE 1000", "8BITMIME", "SMTPUTF8"]), CLEAR)
    check("the size is told, and nothing that is not needed",
          got[2][0].lines[1] == b"MAIL FROM:<a@b.example> SIZE=%d" % len(WIRE))
    judge("a message that is larger than the server takes: 65, before it is sent",
          run(Fake(offers=["SIZE 100"]), CLEAR), 65, "at most 100", never=["MAIL"])
    judge("no limit is no limit", run(Fake(offers=["SIZE 0"]), CLEAR), 0, data=[WIRE])
    eight = MESSAGE + "é\n".encode()
    judge("8-bit text without 8BITMIME: 65", run(Fake(offers=()), CLEAR, eight), 65, "8BITMIME", never=["MAIL"])
    got = run(Fake(offers=["8bitmime", "SMTPUTF8"]), CLEAR, eight)
    check("... with it: BODY=8BITMIME", got[0] == 0 and got[2][0].lines[1].endswith(b" BODY=8BITMIME"))
    judge("an address beyond ASCII without SMTPUTF8: 65", run(Fake(offers=["8BITMIME"]), CLEAR, to=["é@y.example"]), 65,
          "SMTPUTF8", never=["MAIL"])
    got = run(Fake(offers=["8BITMIME", "SMTPUTF8"]), CLEAR, to=["é@y.example"])
    check("... with it: SMTPUTF8", got[0] == 0 and got[2][0].lines[1].endswith(b" SMTPUTF8")
          and got[2][0].lines[2] == "RCPT TO:<é@y.example>".encode())
    got = run(Fake(offers=["8BITMIME", "SMTPUTF8"]), CLEAR, b"Subject: \xc3\xa9\n" + MESSAGE)
    check("... for a header beyond ASCII, too", got[0] == 0 and got[2][0].lines[1].endswith(b" BODY=8BITMIME SMTPUTF8"))
    got = run(Fake(offers=()), CLEAR, to=['"a b"@y.example', "root"])
    check("local parts are quoted where they must be, and get this host's domain where they have none",
          got[2][0].lines[2] == b'RCPT TO:<"a b"@y.example>'
          and bool(re.fullmatch(rb"RCPT TO:<root@[A-Za-z0-9.-]+>", got[2][0].lines[3])))
    judge("EHLO is unknown: HELO, in the clear", run(Fake({"EHLO": b"500 what?\r\n"}), CLEAR), 0, data=[WIRE])
    judge("... no HELO where TLS is wanted: 76", run(Fake({"EHLO": b"500 what?\r\n"}), TLS), 76, never=["HELO", *NOTHING])
    judge("... no message without the login that was asked for: 77", run(Fake({"EHLO": b"500 what?\r\n"}), CLEAR + LOGIN),
          77, never=["MAIL"])


def tls():
    judge("a server that does not offer STARTTLS: 76, nothing is said", run(Fake(offers=["AUTH PLAIN"]), TLS + LOGIN), 76,
          "STARTTLS", never=NOTHING)
    for reply, code in [(b"454 4.7.0 not now\r\n", 75), (b"502 5.5.1 what?\r\n", 76), (b"250 ok\r\n", 76), (CLOSE, 75),
                        (b"220 go on\r\n250-evil\r\n250 AUTH PLAIN\r\n", 76), (b"220 go on\r\n250 ok\r\n", 76),
                        (b"220 go on\r\nx", 76), (b"220-go\r\n250 on\r\n", 76), (b"220 go on\n", 76)]:
        judge(f"STARTTLS is answered {reply!r}: {code}", run(Fake({"STARTTLS": reply}, tls=context()), TLS + LOGIN), code,
              never=NOTHING)
    fake = Fake(tls=context(), offers=["STARTTLS", "SIZE 10", "PIPELINING", "SMTPUTF8"], inside=["AUTH PLAIN"])
    got = run(fake, TLS, to=["a@y.example", "b@y.example"])
    judge("what was offered ahead of TLS is forgotten", got, 0, data=[WIRE])
    check("... all of it", got[2][0].ahead == 0 and b"SIZE" not in got[2][0].lines[3])
    judge("... so is its absence of logins", run(Fake(tls=context(), offers=["STARTTLS"], inside=["AUTH PLAIN"]), TLS + LOGIN),
          0, data=[WIRE])

    class Plain(Fake):
        """Agrees to TLS, and goes on in the clear."""

        def serve(self, peer, session):
            self.tls = self
            super().serve(peer, session)

        def wrap_socket(self, peer, server_side):
            peer.sendall(b"250 ok\r\n" * 20)
            return peer
    judge("no TLS behind 220: 76", run(Plain(), TLS), 76, never=NOTHING)


def logins():
    want = base64.b64encode(b"\0ada\0password1")
    got = run(Fake(tls=context(), offers=["STARTTLS"], inside=["AUTH LOGIN PLAIN"]), TLS + LOGIN)
    check("PLAIN in TLS", got[0] == 0 and b"AUTH PLAIN " + want in got[2][0].lines)
    ask = [b"334 VXNlcm5hbWU6\r\n"]
    fake = Fake({"AUTH": ask, "YWRH": b"334 UGFzc3dvcmQ6\r\n", "CGFZC3DVCMQX": b"235 ok\r\n"}, tls=context(), offers=["STARTTLS"],
                inside=["AUTH LOGIN"])
    judge("LOGIN in TLS", run(fake, TLS + LOGIN), 0, data=[WIRE])
    for offer in ("AUTH PLAIN LOGIN", "AUTH NTLM", "AUTH", "AUTH=PLAIN", "SIZE"):
        judge(f"in the clear, and {offer}: 77", run(Fake(offers=[offer]), CLEAR + LOGIN), 77, "login", never=["AUTH", "MAIL"])

    class Cram:
        def first(self, session, line):
            return b"334 " + base64.b64encode(b"<1896.697170952@postoffice.reston.mci.net>") + b"\r\n"

        def final(self, session, line):
            digest = hmac.new(b"password1", b"<1896.697170952@postoffice.reston.mci.net>", "md5").hexdigest()
            return b"235 ok\r\n" if base64.b64decode(line) == b"ada " + digest.encode() else b"535 5.7.8 no\r\n"

    class Exchange(Fake):
        """AUTH of two steps and more: what comes behind AUTH is for `by`."""

        def __init__(self, by, **rest):
            self.by = by
            super().__init__({"AUTH": by.first}, **rest)

        def reply(self, session, verb, line):
            verbs = session.verbs()
            if len(verbs) > 1 and verbs[-2] == "AUTH" and verb != "*":
                return self.by.final(session, line)
            if verb == "":
                return b"235 2.7.0 welcome\r\n"
            return super().reply(session, verb, line)
    judge("CRAM-MD5 in the clear", run(Exchange(Cram(), offers=["AUTH PLAIN CRAM-MD5"]), CLEAR + LOGIN), 0, data=[WIRE])
    both = ["AUTH PLAIN CRAM-MD5 SCRAM-SHA-256"]
    got = run(Exchange(Scram(b"password1"), offers=both), CLEAR + LOGIN)
    judge("SCRAM-SHA-256 ahead of them", got, 0, data=[WIRE])
    judge("... of a user with another password: 77", run(Exchange(Scram(b"other"), offers=both), CLEAR + LOGIN), 77,
          never=["MAIL"])
    for spoil, rounds, why in [("nonce", 4096, "a nonce that is not longer than ours"), ("signature", 4096, "a wrong signature"),
                               ("early", 4096, "success at once"), ("unproven", 4096, "success without a signature"),
                               ("", 1, "one round"), ("", 2000000000, "rounds without end")]:
        judge(f"... and {why}: 76", run(Exchange(Scram(b"password1", spoil, rounds), offers=both), CLEAR + LOGIN), 76,
              never=["MAIL"])
    for reply, code in [(b"535 5.7.8 no\r\n", 77), (b"454 4.7.0 later\r\n", 75), (b"334 !!!\r\n", 76), (b"334 YQ\r\n", 76),
                        (b"250 ok\r\n", 76), (b"421 4.7.0 go\r\n", 75), (CLOSE, 75), (b"334 " + b"A" * 600 + b"\r\n", 76)]:
        for offer in ("AUTH CRAM-MD5", "AUTH SCRAM-SHA-256"):
            judge(f"{offer} is answered {reply[:40]!r}: {code}, and no message goes", run(Fake({"AUTH": reply}, offers=[offer]),
                  CLEAR + LOGIN), code, never=["MAIL"])
    judge("without a password file nobody logs in", run(Fake(offers=["AUTH CRAM-MD5"]), CLEAR + ["--user", "ada"]), 0,
          never=["AUTH"], data=[WIRE])
    judge("a server that wants a login: 77", run(Fake({"MAIL": b"530 5.7.0 who are you?\r\n"}, offers=()), CLEAR), 77, "530")
    os.environ.update(SMTP361_USER="ada", SMTP361_PASSWORD_FILE=PASSWORD)
    judge("what the environment says of a login is for another server", run(Fake(offers=["AUTH CRAM-MD5"]), CLEAR), 0,
          never=["AUTH"], data=[WIRE])
    del os.environ["SMTP361_USER"], os.environ["SMTP361_PASSWORD_FILE"]
    secret = run(Fake(tls=context(), offers=["STARTTLS"], inside=["AUTH PLAIN"]), TLS + LOGIN + ["-v"])[1]
    check("-v tells what is said, without the password",
          "AUTH PLAIN ***" in secret and "C: MAIL FROM:<a@b.example>" in secret and want.decode() not in secret
          and "in TLS1.2" in secret)


STEPS = ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", ".")
FINAL = {"GREETING": 75, "EHLO": 76, "MAIL": 65, "RCPT": 67, "DATA": 65, ".": 65}


def steps():
    for step in STEPS:
        for reply, code in [(b"451 4.3.0 later\r\n", 75), (b"554 5.0.0 never\r\n", FINAL[step]), (CLOSE, 75), (RESET, 75),
                            (b"421 4.3.2 closing\r\n", 75), (b"nonsense\r\n", 76), (b"\r\n", 76), (b"25 ok\r\n", 76),
                            (b"250-a\r\n251 b\r\n", 76), (b"250ok\r\n", 76), (b"250 o\x00k\r\n", 76), (b"250 \x1b[31m\r\n", 76),
                            (b"250 a\n", 76), (b"250 a\r250 b\r\n", 76), (b"600 x\r\n", 76), (b"199 x\r\n", 76), (b"3", 76),
                            (b"250 " + b"x" * 5000 + b"\r\n", 76), (b"250-x\r\n" * 300, 76), (b"250 " + b"x" * 200000, 76)]:
            cut = reply in (b"3", b"250 " + b"x" * 200000)  # the line has no end: then the connection has

            fake = Fake({step: (lambda s, l, r=reply: r) if not cut else reply}, offers=())
            if cut:
                fake.say = lambda peer, session, verb, line=b"", f=fake, step=step: (
                    Fake.say(f, peer, session, verb, line) and verb != step)
            judge(f"{step} is answered {reply[:24]!r}: {code}", run(fake, CLEAR), code,
                  "may double" if step == "." and reply in (CLOSE, RESET) else ".",
                  never=STEPS[STEPS.index(step) + 1:] if step != "." else ())
    judge("a success that is none to MAIL: 76", run(Fake({"MAIL": b"354 go on\r\n"}, offers=()), CLEAR), 76, never=["DATA"])
    judge("what a server says is shown escaped", run(Fake({"MAIL": "550 5.7.1 \u202e\u009b31m é\r\n".encode()}, offers=()), CLEAR),
          65, r"\\u\{202e\}\\u\{009b\}31m é")


def silence():
    def one(step):
        return step, run(Fake({step: SILENT}, offers=()), CLEAR + ["--timeout", "1"])
    with ThreadPoolExecutor(8) as pool:
        for step, got in pool.map(one, STEPS):
            judge(f"silence behind {step}: 75, in the time that --timeout gives", got, 75, "too long")
    judge("silence behind QUIT is no matter", run(Fake({"QUIT": SILENT}, offers=()), CLEAR + ["--timeout", "1"]), 0, data=[WIRE])


def recipients():
    to = ["a@y.example", "b@y.example", "c@y.example"]
    ok, no, later = b"250 ok\r\n", b"550 5.1.1 who?\r\n", b"451 4.2.0 full\r\n"
    for offer in ((), ("PIPELINING",)):
        how = "".join(offer).lower() or "one by one"
        for replies, code, says in [([ok, no, ok], 67, "b@y.example is refused: 550 5.1.1 who\\?(.|\n)*2 of 3"),
                                    ([no, ok, later], 75, "c@y.example is refused(.|\n)*a@y.example is refused"),
                                    ([no, no, ok], 67, "b@y.example is refused(.|\n)*a@y.example is refused(.|\n)*1 of 3")]:
            judge(f"some are refused ({how}, {[r[:3].decode() for r in replies]}): each is named, the others get it",
                  run(Fake({"RCPT": replies}, offers=offer), CLEAR, to=to), code, says, data=[WIRE])
        judge(f"all are refused ({how}): 67", run(Fake({"RCPT": no}, offers=offer), CLEAR, to=to), 67, "a@y.example is refused",
              never=["DATA"], data=[])
        judge(f"all are put off ({how}): 75", run(Fake({"RCPT": later}, offers=offer), CLEAR, to=to), 75, never=["DATA"], data=[])
        judge(f"the sender is refused ({how}): 65", run(Fake({"MAIL": b"550 5.1.0 no\r\n", "RCPT": b"503 5.5.1 MAIL first\r\n"},
              offers=offer), CLEAR, to=to), 65, "sender.*550", never=["DATA"], data=[])
    judge("DATA is refused though recipients were accepted: 75", run(Fake({"DATA": b"451 no\r\n"}, offers=()), CLEAR, to=to), 75,
          data=[])


def folder():
    mails = os.path.join(FOLDER, "mails")
    os.makedirs(mails)
    names = ["1.txt", "2.txt", "3.auth.txt", "4_AUTH", "5.txt", "AUTH6"]
    for name in names:
        with open(os.path.join(mails, name), "wb") as f:
            f.write(b"From: f%s@b.example\nTo: x@y.example\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <%s>\nSubject: %s\n\nx\n"
                    % (name[0].encode(), name.encode(), name.encode()))
    fake = Fake(tls=context(), offers=["STARTTLS"], inside=["AUTH PLAIN"])
    command = [PROGRAM, "sendmail", "--from-dir", mails, "--smtp", f"localhost:{fake.port}", *TLS, *LOGIN]
    result = subprocess.run(command, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    sessions = fake.end()
    said = [[v for v in s.verbs() if v in ("AUTH", "MAIL")] for s in sessions]
    check("--from-dir: one connection for all that can share it; a file whose name asks for it is sent behind a login",
          [] if result.returncode == 0 and said == [["MAIL", "MAIL", "AUTH", "MAIL", "MAIL"], ["MAIL", "AUTH", "MAIL"]]
          else [f"{result.returncode} {said} {result.stderr}"])
    subjects = [re.search(rb"Subject: (\S+)", one).group(1).decode() for s in sessions for one in s.data]
    check("... in the order of their names", subjects == names)
    check("... from whom they say", sessions[0].lines[3].startswith(b"MAIL FROM:<f1@b.example>"))
    fake = Fake({"AUTH": b"535 5.7.8 no\r\n"}, tls=context(), offers=["STARTTLS"], inside=["AUTH PLAIN"])
    command[command.index("--smtp") + 1] = f"localhost:{fake.port}"
    result = subprocess.run(command, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    sessions = fake.end()
    check("... when the login is refused: 77, those files are named, the others are sent, and nobody tries it again",
          [] if result.returncode == 77 and [n for n in names if f" {n}: ".encode() in result.stderr] == names[2:4] + names[5:]
          and sum(len(s.data) for s in sessions) == 3 and sum(s.verbs().count("AUTH") for s in sessions) == 1
          else [result.returncode, result.stderr, [s.verbs() for s in sessions]])
    fake = Fake({".": [b"250 ok\r\n", b"554 5.7.1 spam\r\n", b"250 ok\r\n"]}, offers=["AUTH CRAM-MD5"])
    result = subprocess.run([PROGRAM, "sendmail", "--from-dir", mails, "--smtp", f"localhost:{fake.port}", "--no-tls"],
                            capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    sessions = fake.end()
    check("... what the server refuses is named, the rest goes on over the same connection",
          result.returncode == 65 and b"2.txt: " in result.stderr and b"554" in result.stderr and len(sessions) == 1
          and sessions[0].verbs().count("RSET") == 1)
    check("... what asks for a login is not sent without one",
          len(sessions[0].data) == 3 and result.stderr.count(b"asks for a login") == 3)


for part in (good, texts, offers, tls, logins, steps, silence, recipients, folder):
    part()
