"""Beside keepalived and FRR's vrrpd, in each form that both speak and in both roles."""

import itertools

import pytest
from lab import Lab
from lab.frr import Frr

AGENT, RIVAL = "10.10.1.83", "10.10.1.84"
VIP, VIP6 = "10.10.1.108", "2001:db8::108"
LINK_LOCAL_VIP = "fe80::108"

FORMS = {
    "version-2": ([VIP], {"version": 2, "advertInterval": "1s"}, ""),
    "version-2-password": (
        [VIP],
        {"version": 2, "advertInterval": "1s", "authentication": {"type": "PASS", "password": "secret12"}},
        "authentication {\n auth_type PASS\n auth_pass secret12\n }",
    ),
    "version-3": ([VIP], {"advertInterval": "100ms"}, ""),
    "version-3-ipv6": ([LINK_LOCAL_VIP, VIP6], {"advertInterval": "100ms"}, ""),
    "version-2-unicast": (
        [VIP],
        {"version": 2, "advertInterval": "1s", "transport": "unicast", "peers": [RIVAL]},
        f"unicast_src_ip {RIVAL}\n unicast_peer {{\n {AGENT}\n }}",
    ),
    "version-3-unicast": (
        [VIP],
        {"advertInterval": "100ms", "transport": "unicast", "peers": [RIVAL]},
        f"unicast_src_ip {RIVAL}\n unicast_peer {{\n {AGENT}\n }}",
    ),
}


def keepalived_conf(form, priority):
    vips, vrrp, more = FORMS[form]
    version = vrrp.get("version", 3)
    addresses = "\n    ".join(vips)
    return f"""global_defs {{
  vrrp_garp_interval 0
  vrrp_gna_interval 0
}}
vrrp_instance vip {{
  state BACKUP
  version {version}
  interface eth0
  virtual_router_id 51
  priority {priority}
  advert_int {1 if version == 2 else 0.1}
  {more}
  virtual_ipaddress {{
    {addresses}
  }}
}}
"""


@pytest.mark.parametrize("form", FORMS)
def test_with_keepalived_in_both_roles(form):
    vips, vrrp, _ = FORMS[form]
    with Lab(vips=vips) as lab:
        host = lab.host("agent", AGENT, ipv6="2001:db8::83/64")
        rival = lab.host("rival", RIVAL, ipv6="2001:db8::84/64")

        def alone(name):
            lab.wait_for(lambda: all(lab.holders(vip) == [name] for vip in vips), 15, f"{name} to hold {' '.join(vips)} alone")

        better = rival.keepalived(text=keepalived_conf(form, 110))
        alone("rival")
        host.start_agent({"vip": {"addresses": vips}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]}, "vrrp": {"priority": 105, **vrrp}})
        heard = lab.wait_for(lambda: host.agent.status()["router"]["peers"], 10, "the agent to hear keepalived")
        assert [peer["priority"] for peer in heard] == [110]
        # It hears before it may take part: over IPv6 its link-local address is tentative at first.
        lab.wait_for(lambda: host.agent.state == "BACKUP", 10, "the agent as backup")
        # Several intervals side by side: neither rejects the other.
        lab.wait_for(lambda: host.agent.metrics("vrrp_adverts_received_total") >= 4, 10, "advertisements of keepalived")
        alone("rival")
        assert host.agent.metrics("vrrp_packets_rejected_total") == 0, host.agent.metrics()

        better.stop()
        alone("agent")
        worse = rival.keepalived(text=keepalived_conf(form, 90))
        lab.wait_for(lambda: "Entering BACKUP STATE" in worse.text(), 10, "keepalived as backup")
        sent = host.agent.metrics("vrrp_adverts_sent_total")
        # More than keepalived's master-down interval.
        lab.wait_for(lambda: host.agent.metrics("vrrp_adverts_sent_total") >= sent + 6, 15, "advertisements of the agent")
        alone("agent")
        assert "Entering MASTER STATE" not in worse.text(), worse.tail()

        host.agent.kill()
        alone("rival")
        host.agent.restart()
        alone("agent")


FRR_FORMS = {
    "version-2": ([VIP], 2, 1.0),
    "version-3": ([VIP], 3, 0.2),
    "version-3-ipv6": ([LINK_LOCAL_VIP, VIP6], 3, 0.2),
}


@pytest.mark.parametrize("form", FRR_FORMS)
def test_with_frr_in_both_roles(form):
    vips, version, interval = FRR_FORMS[form]
    with Lab(vips=vips) as lab:
        host = lab.host("agent", AGENT, ipv6="2001:db8::83/64")
        rival = lab.host("rival", RIVAL, ipv6="2001:db8::84/64")

        # FRR keeps the addresses on its interface as backup, without a carrier: it is asked what it is.
        def agent_holds(frr):
            lab.wait_for(lambda: frr.is_in("Backup") and all(host.holds(vip) for vip in vips), 15, "the agent to hold the VIP, FRR as backup")

        def frr_holds(frr):
            lab.wait_for(lambda: frr.is_in("Master") and not any(host.holds(vip) for vip in vips), 15, "FRR to hold the VIP, not the agent")

        better = Frr(rival, vips, 110, version, interval)
        frr_holds(better)
        host.start_agent({
            "vip": {"addresses": vips}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]},
            "vrrp": {"priority": 105, "version": version, "advertInterval": f"{round(interval * 1000)}ms"},
        })  # fmt: skip
        heard = lab.wait_for(lambda: host.agent.status()["router"]["peers"], 10, "the agent to hear FRR")
        assert [peer["priority"] for peer in heard] == [110]
        lab.wait_for(lambda: host.agent.state == "BACKUP", 10, "the agent as backup")
        # More than the agent's master-down interval side by side.
        lab.wait_for(lambda: host.agent.metrics("vrrp_adverts_received_total") >= 6, 10, "advertisements of FRR")
        assert host.agent.state == "BACKUP" and better.is_in("Master")
        assert host.agent.metrics("vrrp_packets_rejected_total") == 0, host.agent.metrics()

        better.stop()
        lab.wait_for(lambda: lab.holders(vips[-1]) == ["agent"], 15, "the agent to hold the VIP alone")
        worse = Frr(rival, vips, 90, version, interval)
        agent_holds(worse)
        before, entered = worse.heard(), worse.transitions()
        lab.wait_for(lambda: worse.heard() >= before + 6, 15, "FRR to hear the agent")
        agent_holds(worse)
        # It never was the master beside us.
        assert worse.transitions() == entered

        host.agent.kill()
        frr_holds(worse)
        host.agent.restart()
        agent_holds(worse)


def test_case_56_an_agent_keepalived_and_frr_in_one_group_always_have_one_master():
    """Every one of them dies once as the best of those left, and comes back."""
    with Lab(vips=[VIP]) as lab:
        hosts = {name: lab.host(name, f"10.10.1.{83 + number}") for number, name in enumerate(("agent", "keepalived", "frrhost"))}
        running = {}

        def start(name, priority):
            if name == "agent":
                running[name] = hosts[name].start_agent({
                    "vip": {"addresses": [VIP]}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]},
                    "vrrp": {"priority": priority, "advertInterval": "200ms"},
                })  # fmt: skip
            elif name == "keepalived":
                running[name] = hosts[name].keepalived(text=keepalived_conf("version-3", priority).replace("advert_int 0.1", "advert_int 0.2"))
            else:
                running[name] = Frr(hosts[name], [VIP], priority, 3, 0.2)

        def holds(name):
            if name not in running:
                return False
            return running[name].is_in("Master") if name == "frrhost" else hosts[name].holds(VIP)

        def only(name):
            lab.wait_for(lambda: [each for each in hosts if holds(each)] == [name], 20, f"{name} to be the only master")

        for best, *others in itertools.permutations(hosts):
            for priority, name in zip((90, 100, 110), [*reversed(others), best]):
                start(name, priority)
            only(best)
            for left, gone in ((others, best), (others[1:], others[0])):
                running.pop(gone).stop()
                only(left[0])
            start(best, 110)
            only(best)
            for each in list(running):
                running.pop(each).stop()
            lab.wait_for(lambda: not any(hosts[each].holds(VIP) for each in ("agent", "keepalived")), 10, "everybody to be gone")
