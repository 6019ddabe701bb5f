"""Junk at the highest rate that this machine can send it, while three hosts keep an election going: the election thread of
each has to sort it out and must miss nothing. tests/bench/flood.py measures; docs/security.md has figures."""

import os

import pytest
from lab import Lab
from lab.agent import merged
from lab.flood import Flood, forged, malformed, other_virtual_routers

VIP = "10.10.1.108"
STRANGER = "10.10.1.66"
SETTINGS = {"vip": {"addresses": [VIP]}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]}, "vrrp": {"version": 3, "advertInterval": "200ms"}}
SECONDS = 3
MASTER_DOWN = 0.6  # s; no timer may be late by what it takes to depose a holder


def with_key(host):
    path = os.path.join(host.directory, "vrrp.key")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(f"1:hex:{bytes(range(32)).hex()}\n")
    return {"vrrp": {"authentication": {"type": "HMAC", "keyFile": path, "replayFile": os.path.join(host.directory, "replay")}}}


@pytest.mark.parametrize("junk, authenticated", [(other_virtual_routers, False), (malformed, False), (forged, True)])
def test_a_flood_of_junk_moves_nothing(junk, authenticated):
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(3)
        for number, host in enumerate(hosts):
            host.start_agent(merged(SETTINGS, {"vrrp": {"priority": 120 - 10 * number}}, with_key(host) if authenticated else {}))
        stranger = lab.host("stranger", STRANGER)
        states = lambda: [host.agent.state for host in hosts]  # noqa: E731
        lab.wait_for(lambda: lab.holders(VIP) == ["master1"] and states() == ["MASTER", "BACKUP", "BACKUP"], 20, "the best one to hold the VIP")
        before = [host.agent.metrics("vrrp_transitions_total") for host in hosts]
        heard = [host.agent.metrics("vrrp_adverts_received_total") for host in hosts]
        flood = Flood(stranger, junk(STRANGER), SECONDS)
        try:
            sent, took = flood.wait()
        finally:
            flood.end()
        late = [host.agent.metrics("vrrp_timer_late_seconds_max") for host in hosts]
        rejected = [host.agent.metrics("vrrp_packets_rejected_total") for host in hosts]
        print(f"\n{junk.__name__}: {sent / took:,.0f} frames/s, read {[round(each / took) for each in rejected]} a second, late by {max(late) * 1000:.2f} ms at most")
        assert sent > 10_000, "that was no flood"
        assert [host.agent.metrics("vrrp_transitions_total") for host in hosts] == before, "the flood moved the VIP"
        assert lab.holders(VIP) == ["master1"] and states() == ["MASTER", "BACKUP", "BACKUP"]
        assert max(late) < MASTER_DOWN
        if junk is other_virtual_routers:
            assert rejected == [0, 0, 0], "the kernel's filter let something through"
        else:
            assert min(rejected) > 1000
        # The backups go on hearing the holder.
        lab.wait_for(lambda: all(host.agent.metrics("vrrp_adverts_received_total") > count + 5 for host, count in zip(hosts[1:], heard[1:])), 10, "advertisements")
