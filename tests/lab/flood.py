"""Junk for the election at the highest rate that the machine can send it, from one host of the lab to all others."""

import os
import random
import struct
import subprocess
import time

from . import namespaces
from .agent import binary
from .wire import GROUP, IP, PROTOCOL, Ether, Raw, VRRPv3, advertisement

PROGRAM = "tests/bench_flood"


def other_virtual_routers(source, own=51):
    """Sound advertisements, of everybody else."""
    return [advertisement(source, ["10.10.1.109"], version=3, virtual_router_id=vrid) for vrid in range(1, 256) if vrid != own]


def malformed(source, own=51, seed=1):
    """Of the virtual router's own ID: wrong versions, lengths, checksums, TTLs, addresses, and plain noise."""
    chance = random.Random(seed)
    frames = []
    for number in range(500):
        sound = bytes(advertisement(source, ["10.10.1.108"], version=3, virtual_router_id=own)[VRRPv3])
        noise = bytearray(sound if number % 2 else chance.randbytes(chance.randrange(2, 64)))
        noise[1] = own
        if number % 2:
            noise[7] ^= 1 + chance.randrange(255)  # the checksum
        ttl = 255 if number % 5 else chance.randrange(255)
        frames.append(Ether(dst="01:00:5e:00:00:12", src="00:00:5e:00:01:33") / IP(src=source, dst=GROUP, ttl=ttl, proto=PROTOCOL) / Raw(bytes(noise)))
    return frames


def forged(source, own=51, seed=1):
    """As an agent with HMAC would send them, but for the MAC: each costs whoever reads it a MAC of its own."""
    chance = random.Random(seed)
    frames = []
    for _ in range(500):
        sound = bytes(advertisement(source, ["10.10.1.108"], version=3, virtual_router_id=own, priority=254)[VRRPv3])
        sequence = struct.pack("!IHH", int(time.time()) & 0xFFFFFFFF, chance.randrange(1 << 16), chance.randrange(1 << 16))
        trailer = bytes([1, 1, 0, 0]) + sequence + chance.randbytes(16)
        frames.append(Ether(dst="01:00:5e:00:00:12", src="00:00:5e:00:01:33") / IP(src=source, dst=GROUP, ttl=255, proto=PROTOCOL) / Raw(sound + trailer))
    return frames


class Flood:
    """`frames` from `host`, over and over, from now on for so many seconds; before all else that isn't real-time."""

    def __init__(self, host, frames, seconds):
        program = os.path.join(os.path.dirname(binary()), PROGRAM)
        self.seconds = seconds
        self.process = subprocess.Popen(
            ["nsenter", f"--net={namespaces.path(host.namespace)}", "--", "nice", "-n", "-20", program, "--interface", "eth0", "--seconds", str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.process.stdin.write("".join(bytes(frame).hex() + "\n" for frame in frames))
        self.process.stdin.close()

    def wait(self):
        """(frames sent, seconds)"""
        with self.process.stdout as output:
            words = output.read().split()
        if self.process.wait(10) != 0:
            raise RuntimeError("the flood could not be sent")
        return int(words[0]), float(words[1])

    def end(self):
        self.process.kill()
        self.process.wait(10)
