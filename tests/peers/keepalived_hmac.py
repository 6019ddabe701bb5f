#!/usr/bin/env python3
"""HMAC beside a keepalived that speaks it (2.4.2 or later), which Debian 12 does not have: by hand, as root, with the path of
a binary that you have built.

    tests/peers/keepalived_hmac.py /path/to/keepalived

Versions 2 and 3, each of the two once the better one: it holds the VIP, the other one follows it, and succeeds it when it
stops. keepalived runs in mode enforce, so whichever didn't accept the other's trailer would hold the VIP as well. Prints one
line for each and exits 0 if all of them came about.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from lab import Lab  # noqa: E402

VIP = "10.10.1.108"
KEY = bytes(range(1, 33)).hex()
CONFIGURATION = """global_defs {{
  vrrp_version {version}
}}
vrrp_instance vip {{
  state BACKUP
  priority {priority}
  interface eth0
  virtual_router_id 51
  advert_int 1
  auth_hmac {{
    key 1 hex:{key}
    active_key 1
    mode enforce
  }}
  virtual_ipaddress {{
    {vip}
  }}
}}
"""


def start_keepalived(binary, host, version, priority):
    base = os.path.join(host.directory, "keepalived-hmac")
    with open(f"{base}.conf", "w") as file:
        file.write(CONFIGURATION.format(version=version, priority=priority, key=KEY, vip=VIP))
    return host.start("keepalived", binary, "-n", "-l", "-D", "-f", f"{base}.conf", f"--pid={base}.pid", f"--vrrp_pid={base}-vrrp.pid")


def start_fairlead(host, version, priority):
    keys = os.path.join(host.directory, "keys")
    with open(keys, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"1:hex:{KEY}\n")
    authentication = {"type": "HMAC", "keyFile": keys, "replayFile": f"{host.directory}/replay"}
    return host.start_agent({
        "vip": {"addresses": [VIP]}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]},
        "vrrp": {"version": version, "priority": priority, "advertInterval": "1s", "authentication": authentication},
    })  # fmt: skip


def check(binary, version, ours, theirs):
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(2)
        agent = start_fairlead(hosts[0], version, ours)
        keepalived = start_keepalived(binary, hosts[1], version, theirs)
        better, other = (0, 1) if ours > theirs else (1, 0)
        lab.wait_for(lambda: lab.holders(VIP) == [hosts[better].name], 20, "the better one to hold the VIP")
        with lab.observe(VIP) as seen:
            said = agent.metrics("vrrp_adverts_sent_total") + agent.metrics("vrrp_adverts_received_total")
            lab.wait_for(lambda: agent.metrics("vrrp_adverts_sent_total") + agent.metrics("vrrp_adverts_received_total") >= said + 8, 20, "eight advertisements")
            assert seen.longest_with_several() == 0, seen.describe()
            (keepalived if better == 1 else agent).stop()
            lab.wait_for(lambda: lab.holders(VIP) == [hosts[other].name], 20, "the other one to succeed it")
            gap = seen.longest_without_holder()
        if better == 1:
            rejected = agent.metrics("vrrp_packets_rejected_total")
            assert rejected == 0, agent.metrics()
        names = ("fairlead", "keepalived")
        print(f"version {version}: {names[better]} holds, {names[other]} follows and succeeds it after {gap * 1000:.0f} ms without a holder", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for each in (2, 3):
        for priorities in ((110, 100), (100, 110)):
            check(os.path.abspath(sys.argv[1]), each, *priorities)
