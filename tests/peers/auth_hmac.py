#!/usr/bin/env python3
"""The HMAC trailer of a VRRP message, made a second time and without any of fairlead's code.

With a hex PDU, prints the PDU and its trailer; this is where the vectors of tests/unit/vrrp/hmac_test.cpp come from:

    auth_hmac.py SOURCE KEYID SECRETHEX SEQUENCEHEX PDUHEX
    auth_hmac.py 10.9.0.2 1 000102…1f 6800000080000000 31336401006475600a090064
"""

import hashlib
import hmac
import ipaddress
import sys

TRAILER_SIZE = 28


def mac(pdu: bytes, prefix: bytes, source: str, secret: bytes) -> bytes:
    """`prefix`: the first 12 bytes of the trailer."""
    address = ipaddress.ip_address(source)
    pseudo = bytes([address.version, pdu[0] >> 4, pdu[1], 0]) + address.packed.ljust(16, b"\0")
    data = pseudo + pdu[:6] + b"\0\0" + pdu[8:] + prefix + bytes(16)
    return hmac.new(secret, data, hashlib.sha256).digest()[:16]


def sealed(pdu: bytes, source: str, key_id: int, secret: bytes, sequence: int) -> bytes:
    prefix = bytes([1, key_id, 0, 0]) + sequence.to_bytes(8, "big")
    return pdu + prefix + mac(pdu, prefix, source, secret)


def verify(payload: bytes, source: str, secret: bytes) -> bool:
    pdu, trailer = payload[:-TRAILER_SIZE], payload[-TRAILER_SIZE:]
    return hmac.compare_digest(trailer[12:], mac(pdu, trailer[:12], source, secret))


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    source, key_id, secret, sequence, pdu = sys.argv[1:]
    print(sealed(bytes.fromhex(pdu), source, int(key_id), bytes.fromhex(secret), int(sequence, 16)).hex())
