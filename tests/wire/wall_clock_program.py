"""In a guest of its own (lab/guest.py), whose wall clock it sets: hours forth and back while an election goes on. For
test_wall_clock.py."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab import Lab  # noqa: E402
from lab.agent import merged  # noqa: E402

VIP = "10.10.1.108"
SETTINGS = {
    "version 2": {"version": 2, "advertInterval": "1s"},
    "version 3": {"advertInterval": "200ms"},
}
STEPS = ("+1 hour", "-1 hour", "-1 hour", "+1 hour")
INTERVALS = 8  # between the steps: more than the peers' patience


def step(by):
    before = time.time()
    subprocess.run(["date", "--set", by], check=True, stdout=subprocess.DEVNULL)
    moved = time.time() - before
    assert abs(abs(moved) - 3600) < 60, f"the clock moved by {moved} s"


def transitions(hosts):
    return [host.agent.metrics("vrrp_transitions_total") for host in hosts]


def check(name, vrrp):
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(3)
        for host, priority in zip(hosts, (102, 101, 100)):
            host.start_agent(merged({"vip": {"addresses": [VIP]}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]}}, {"vrrp": vrrp}, {"vrrp": {"priority": priority}}))
        lab.wait_for(lambda: lab.holders(VIP) == ["master1"] and [host.agent.state for host in hosts] == ["MASTER", "BACKUP", "BACKUP"], 40, "master1 to hold the VIP")
        before = transitions(hosts)
        for by in STEPS:
            step(by)
            heard = hosts[1].agent.metrics("vrrp_adverts_received_total")
            lab.wait_for(lambda: hosts[1].agent.metrics("vrrp_adverts_received_total") >= heard + INTERVALS, 60, "advertisements after the step")
            assert transitions(hosts) == before, f"{name}, {by}: {[host.agent.status()['router'] for host in hosts]}"
        assert lab.holders(VIP) == ["master1"]
        # And a dead master is missed as ever, right after a step.
        step("-1 hour")
        lab.hosts["master1"].agent.kill()
        began = time.monotonic()
        lab.wait_for(lambda: lab.holders(VIP) == ["master2"], 30, "master2 to take over")
        print(f"{name}: {len(STEPS)} steps of an hour without a transition; a dead master succeeded after {time.monotonic() - began:.1f} s", flush=True)


for each, options in SETTINGS.items():
    check(each, options)
