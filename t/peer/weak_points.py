"""Points of X25519 that no honest side sends: of low order, which make every shared key zeros, and
encodings of which only one value is taken. For Wire: wire.noise._dh = PointDH(point).
"""
import json, os
from pathlib import Path

from dissononce.dh.keypair import KeyPair
from dissononce.dh.x25519.private import PrivateKey
from dissononce.dh.x25519.public import PublicKey
from dissononce.dh.x25519.x25519 import X25519DH

P = 2**255 - 19
VECTORS = Path(os.environ.get("VECTORS", Path(__file__).parents[3] / "shared/vectors"))


def low_order_points():
    """The public keys of Wycheproof's vectors whose shared key is zeros."""
    vectors = json.loads((VECTORS / "wycheproof/x25519_test.json").read_text())
    tests = [test for group in vectors["testGroups"] for test in group["tests"]]
    found = {test["public"] for test in tests if "ZeroSharedSecret" in test["flags"]}
    return [bytes.fromhex(one) for one in sorted(found)]


class PointDH(X25519DH):
    """Its ephemeral public key is this point; what it agrees on with anybody is zeros, as it is with a
    point of low order for whoever does not check."""

    def __init__(self, point):
        super().__init__()
        self.point = point

    def generate_keypair(self, privatekey=None):
        return super().generate_keypair(privatekey) if privatekey else KeyPair(PublicKey(self.point), None)

    def dh(self, keypair, publickey):
        if publickey.data == self.point or keypair.public.data == self.point:
            return bytes(32)
        return super().dh(keypair, publickey)


class UnitDH(PointDH):
    """Its ephemeral public key is the base point, in whatever encoding: its private key is 1, so that it
    agrees with each public key on that key itself."""

    def dh(self, keypair, publickey):
        return publickey.data if keypair.public.data == self.point else super().dh(keypair, publickey)


class MarkedDH(X25519DH):
    """Its ephemeral public key has the highest bit set, which RFC 7748 (5) lets nobody look at."""

    def generate_keypair(self, privatekey=None):
        pair = super().generate_keypair(privatekey)
        public = pair.public.data
        return KeyPair(PublicKey(public[:31] + bytes([public[31] | 0x80])), PrivateKey(pair.private.data))
