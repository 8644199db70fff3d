"""Guess at the password of a "$cram_md5$CHALLENGE$ANSWER" line (hashcat -m 10200), as RFC 2195 has it, from a list
of words on stdin. Prints user and password, or "-"."""
import base64, hashlib, hmac, re, sys

whole = re.fullmatch(r"\$cram_md5\$([A-Za-z0-9+/]{4,}={0,2})\$([A-Za-z0-9+/]{42,130}={0,2})", sys.argv[1])
challenge, answer = (base64.b64decode(part, validate=True) for part in whole.groups())
user, _, digest = answer.decode().rpartition(" ")
assert re.fullmatch("<.+@.+>", challenge.decode())
words = (word.rstrip("\n") for word in sys.stdin)
print(next((f"{user} {word}" for word in words
            if hmac.new(word.encode(), challenge, hashlib.md5).hexdigest() == digest), "-"))
