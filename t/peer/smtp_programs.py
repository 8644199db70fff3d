"""The world's mail programs at the SMTP door: each sends messages of several sizes, with CRAM-MD5 in the clear and
with PLAIN behind STARTTLS, and what is stored is compared with what was sent.

    smtp_programs.py ADDRESS CA-FILE NODEMAILER-FOLDER

It runs in the server's folder. The sender is client1 (password1), the recipient client2. A program that is not
here is told as `skip`."""
import os, re, shutil, subprocess, sys
from pathlib import Path

from smtp_wire import files, original
from verdict import check

ADDRESS, CA, NODEMAILER = sys.argv[1:]
HOST, _, PORT = ADDRESS.rpartition(":")
SIZES = (1024, 65535, 65536, 65537, 1000000)
FROM, TO = "client1@localhost", "client2@localhost"
CRAM, PLAIN, SCRAM = "CRAM-MD5", "PLAIN behind STARTTLS", "SCRAM-SHA-256"


def message(size, name):
    """An Internet message of exactly so many bytes, its lines of CR LF, some of them beginning with a dot."""
    head = f"From: {FROM}\r\nTo: {TO}\r\nSubject: {name} {size}\r\nDate: Sat, 21 Nov 2026 08:00:00 +0000\r\n" \
           f"Message-ID: <{size}.{name}@localhost>\r\n\r\n"
    lines, left, number = [head], size - len(head), 0
    while left > 160:
        line = f"{'.' * (number % 3)}line {number} ".ljust(70 + number % 5, "x") + "\r\n"
        lines.append(line)
        left -= len(line)
        number += 1
    half = left // 2
    lines += ["y" * (half - 2) + "\r\n", "z" * (left - half - 2) + "\r\n"]
    text = "".join(lines).encode()
    assert len(text) == size
    return text


# --- each program: a command, and what it reads ---

def swaks(text, how):
    login = ["--auth", "CRAM-MD5"] if how == CRAM else ["--auth", "PLAIN", "--tls", "--tls-ca-path", CA, "--tls-verify"]
    Path("swaks.eml").write_bytes(text.removesuffix(b"\r\n"))  # it adds one
    return ["swaks", "--server", "localhost", "--port", PORT, "--from", FROM, "--to", TO, *login, "--auth-user", "client1",
            "--auth-password", "password1", "--data", "@swaks.eml", "--silent", "1"], None


def msmtp(text, how):
    login = {CRAM: ["--auth=cram-md5", "--tls=off"], SCRAM: ["--auth=scram-sha-256", "--tls=off"],
             PLAIN: ["--auth=plain", "--tls=on", "--tls-starttls=on", f"--tls-trust-file={CA}"]}[how]
    return ["msmtp", "--host=localhost", f"--port={PORT}", f"--from={FROM}", "--user=client1", "--passwordeval=echo password1",
            *login, TO], text.replace(b"\r\n", b"\n")


def curl(text, how):
    login = ["--login-options", "AUTH=CRAM-MD5"] if how == CRAM else \
        ["--login-options", "AUTH=PLAIN", "--ssl-reqd", "--cacert", CA]
    Path("curl.eml").write_bytes(text)
    return ["curl", "--silent", "--show-error", f"smtp://localhost:{PORT}", "--mail-from", FROM, "--mail-rcpt", TO, "--user",
            "client1:password1", "--upload-file", "curl.eml", *login], None


def s_nail(text, how):
    login = ["-Ssmtp-auth=cram-md5"] if how == CRAM else \
        ["-Ssmtp-auth=plain", "-Ssmtp-use-starttls", "-Stls-verify=strict", f"-Stls-ca-file={CA}", "-Stls-ca-no-defaults"]
    return ["s-nail", "-:/", "-Sv15-compat", f"-Smta=smtp://client1:password1@localhost:{PORT}", *login,
            f"-Sfrom={FROM}", "-Sencoding=8bit", "-s", "s-nail", TO], text.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")


def smtplib(text, how):
    Path("smtplib.eml").write_bytes(text)
    return [sys.executable, "-B", "-c", """
import smtplib, ssl, sys
port, sender, to, ca, how = sys.argv[1:]
with smtplib.SMTP("localhost", int(port), timeout=60) as client:
    if how != "CRAM-MD5":
        client.starttls(context=ssl.create_default_context(cafile=ca))
    client.ehlo()
    client.user, client.password = "client1", "password1"
    client.auth("CRAM-MD5", client.auth_cram_md5) if how == "CRAM-MD5" else client.auth("PLAIN", client.auth_plain)
    client.sendmail(sender, [to], open("smtplib.eml", "rb").read())
""", PORT, FROM, TO, CA, how], None


def nodemailer(text, how):
    Path("nodemailer.eml").write_bytes(text)
    return ["node", "-e", """
const [port, from, to, ca, how, folder] = process.argv.slice(1), fs = require("fs");
const tls = how != "CRAM-MD5";
const transport = require(folder + "/node_modules/nodemailer").createTransport({host: "localhost", port: +port,
    requireTLS: tls, ignoreTLS: !tls, tls: {ca: fs.readFileSync(ca)}, authMethod: tls ? "PLAIN" : "CRAM-MD5",
    auth: {user: "client1", pass: "password1"}});
transport.sendMail({envelope: {from, to: [to]}, raw: fs.readFileSync("nodemailer.eml")},
    (fault) => { if (fault) { console.error(fault); process.exitCode = 1; } });
""", PORT, FROM, TO, CA, how, NODEMAILER], None


PROGRAMS = {"swaks": swaks, "msmtp": msmtp, "curl": curl, "s-nail": s_nail, "smtplib": smtplib, "nodemailer": nodemailer}


def is_here(name):
    if name == "nodemailer":
        return shutil.which("node") and os.path.isdir(f"{NODEMAILER}/node_modules/nodemailer")
    return name == "smtplib" or shutil.which(name)


def send(name, size, how):
    text = message(size, name)
    before = set(files("client2"))
    command, stdin = PROGRAMS[name](text, how)
    done = subprocess.run(command, input=stdin, stdin=None if stdin else subprocess.DEVNULL, capture_output=True, timeout=120)
    after = files("client2")
    fresh = [original(after[file]) for file in set(after) - before]
    if done.returncode or len(fresh) != 1:
        return [f"exit {done.returncode}, {len(fresh)} stored: {(done.stderr or done.stdout)[-300:]!r}"]
    sender, title, stored = fresh[0]
    if name == "s-nail":  # it writes a header of its own
        stored, text = stored.partition(b"\r\n\r\n")[2], text.partition(b"\r\n\r\n")[2]
    faults = [] if sender == "client1" else [f"from {sender}"]
    return faults + ([] if stored == text else [f"{len(stored)} bytes are stored, {len(text)} were sent"])


os.environ["HOME"] = os.getcwd()
for name in PROGRAMS:
    for how in (CRAM, PLAIN) + ((SCRAM,) if name == "msmtp" else ()):
        for size in SIZES if how != SCRAM else SIZES[:1]:
            title = f"{name}, {how}: {size} bytes are stored as they were sent"
            if is_here(name):
                check(title, send(name, size, how))
            else:
                print(f"skip {title}: {name} is not here", flush=True)
