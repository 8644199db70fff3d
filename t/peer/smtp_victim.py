"""A mail program of the ordinary kind, Python's own, as the victim of a man in the middle.

    smtp_victim.py HOW PORT USER PASSWORD TO FILE

HOW: "clear", "offered" (TLS where it is offered) or "required". The certificate is verified against
server_tls_cert.pem. It prints how it could log in, and what came of it: "sent", or the error's name."""
import smtplib, ssl, sys
from pathlib import Path

how, port, user, password, to, file = sys.argv[1:]
try:
    with smtplib.SMTP("localhost", int(port), local_hostname="victim.example", timeout=20) as client:
        client.ehlo()
        if how == "required" or (how == "offered" and client.has_extn("starttls")):
            client.starttls(context=ssl.create_default_context(cafile="server_tls_cert.pem"))
            client.ehlo()
        print(" ".join(client.esmtp_features.get("auth", "-").split()))
        client.login(user, password)
        client.sendmail(f"{user}@localhost", [f"{to}@localhost"], Path(file).read_bytes())
    print("sent")
except (smtplib.SMTPException, OSError) as fault:
    print(type(fault).__name__)
