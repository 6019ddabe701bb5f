#!/usr/bin/python3
"""What junk at the highest rate that this machine can send does to an election: three hosts, the best one holding the VIP,
and a fourth that floods the LAN.

    tests/bench/flood.py                                   every kind and setting, 10 s each: about three minutes
    tests/bench/flood.py --seconds 30 --intervals 200ms --kinds malformed
    tests/bench/flood.py --size 1514                       as many bits as will go, rather than frames

Kinds: `other`, sound advertisements of other virtual routers, which the kernel's filter drops; `malformed`, of the virtual
router's own ID, which the agent reads and rejects; `forged`, with `authentication: HMAC`, sound but for the signature, so
that each costs an HMAC. Printed for each: frames and megabits a second that the interface took (one copy of them reaches
each host); of the hosts' election threads how late their timers fired at the most; advertisements of the holder that
its backups missed; transitions. Nothing is judged. The sender, the bridge and the three agents share the machine's cores.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from lab import Lab  # noqa: E402
from lab.agent import merged  # noqa: E402
from lab.flood import Flood, forged, malformed, other_virtual_routers  # noqa: E402

VIP = "10.10.1.108"
STRANGER = "10.10.1.66"
KINDS = {"other": other_virtual_routers, "malformed": malformed, "forged": forged}
INTERVALS = ("200ms", "10ms")


def settings(kind, interval, directory):
    base = {
        "vip": {"addresses": [VIP], "probe": {"interval": "0s"}},
        "vrrp": {"version": 3, "advertInterval": interval},
        "checks": [],
        "backends": {"static": ["10.10.1.99:6443"]},
        "loadBalancer": {"healthCheck": {"type": "tcp", "interval": "60s"}},
        "logging": {"level": "error"},
    }
    if kind != "forged":
        return base
    key = os.path.join(directory, "vrrp.key")
    with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"1:hex:{bytes(range(32)).hex()}\n")
    return merged(base, {"vrrp": {"authentication": {"type": "HMAC", "keyFile": key, "replayFile": os.path.join(directory, "replay")}}})


def counted(hosts, name):
    return [host.agent.metrics(name) for host in hosts]


def trial(kind, interval, seconds, size):
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(3)
        for number, host in enumerate(hosts):
            host.start_agent(merged(settings(kind, interval, host.directory), {"vrrp": {"priority": 120 - 10 * number}}))
        stranger = lab.host("stranger", STRANGER)
        lab.wait_for(lambda: lab.holders(VIP) == ["master1"], 20, "the best one to hold the VIP")
        lab.wait_for(lambda: [host.agent.state for host in hosts] == ["MASTER", "BACKUP", "BACKUP"], 20, "the election to be over")
        transitions = counted(hosts, "vrrp_transitions_total")
        sent, heard, read = (counted(hosts, name) for name in ("vrrp_adverts_sent_total", "vrrp_adverts_received_total", "vrrp_packets_rejected_total"))
        # Padded as Ethernet pads, behind the packet's own length.
        junk = [bytes(frame).ljust(size, b"\0") for frame in KINDS[kind](STRANGER)]
        flood = Flood(stranger, junk, seconds)
        try:
            frames, took = flood.wait()
        finally:
            flood.end()
        wanted = hosts[0].agent.metrics("vrrp_adverts_sent_total") - sent[0]
        missed = [wanted - (now - before) for now, before in zip(counted(hosts[1:], "vrrp_adverts_received_total"), heard[1:])]
        rejected = max(now - before for now, before in zip(counted(hosts, "vrrp_packets_rejected_total"), read))
        moved = sum(counted(hosts, "vrrp_transitions_total")) - sum(transitions)
        late = max(counted(hosts, "vrrp_timer_late_seconds_max"))
        bits = sum(len(frame) for frame in junk) / len(junk) * 8
        print(
            f"{kind:10} {interval:>6} {frames / took:12,.0f} {frames * bits / took / 1e6:8.0f} {rejected / took:12,.0f} {late * 1000:10.2f}"
            f" {max(0, max(missed)):7.0f} of {wanted:<5.0f} {moved:5.0f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--intervals", default=",".join(INTERVALS))
    parser.add_argument("--size", type=int, default=0, help="bytes of a frame, at least")
    options = parser.parse_args()
    print(f"{'kind':10} {'every':>6} {'frames/s':>12} {'Mb/s':>8} {'read/s':>12} {'late, ms':>10} {'missed adverts':>16} {'moves':>5}")
    for interval in options.intervals.split(","):
        for kind in options.kinds.split(","):
            trial(kind, interval, options.seconds, options.size)


if __name__ == "__main__":
    main()
