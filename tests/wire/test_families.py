"""IPv6, dual stack, unicast, and hand-over on request."""

import subprocess

import pytest
from lab import Lab
from lab.agent import binary, merged
from lab.waiting import PATIENCE

VIP = "10.10.1.108"
VIP6 = "2001:db8::108"
LINK_LOCAL_VIP = "fe80::108"
FAST = {"vrrp": {"advertInterval": "100ms"}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]}}


def settings(*layers):
    return merged(FAST, *layers)


def hosts_of(lab, count=2):
    return [lab.host(f"master{n}", f"10.10.1.{82 + n}", ipv6=f"2001:db8::{82 + n}/64") for n in range(1, count + 1)]


def start(hosts, *layers):
    """Agents whose priority grows with the host's number."""
    for number, host in enumerate(hosts):
        host.start_agent(settings({"vrrp": {"priority": 100 + number}}, *layers))


def await_only(lab, name, *vips):
    lab.wait_for(lambda: all(lab.holders(vip) == [name] for vip in vips), 10, f"{name} to hold {' and '.join(vips)} alone")


def handover(host):
    run = subprocess.run(["nsenter", f"--net=/var/run/netns/{host.namespace}", "--", binary(), "handover"], capture_output=True, text=True, timeout=20)
    return run.returncode, run.stdout + run.stderr


@pytest.mark.parametrize("addresses", [[LINK_LOCAL_VIP, VIP6], [VIP6]], ids=["rfc", "without-link-local"])
def test_ipv6_elects_and_moves(addresses):
    with Lab(vips=[VIP6]) as lab:
        hosts = hosts_of(lab)
        start(hosts, {"vip": {"addresses": addresses}})
        await_only(lab, "master2", *addresses)
        shown = hosts[1].ip("-6", "-o", "address", "show", "to", VIP6)
        assert "/128" in shown and "deprecated" in shown and "forever" not in shown, shown
        router = hosts[1].agent.status()["router"]
        assert router["family"] == "ipv6" and router["primaryAddress"].startswith("fe80:")
        hosts[1].agent.kill()
        lab.wait_for(lambda: hosts[0].holds(VIP6), 10, "the other to take over")
        hosts[1].agent.restart()
        await_only(lab, "master2", *addresses)


def test_an_ipv6_vip_that_somebody_put_there_with_another_prefix_is_removed_as_well():
    """The kernel renews one of any prefix length, but finds by its own only what is to be removed."""
    with Lab(vips=[VIP6]) as lab:
        host = hosts_of(lab, 1)[0]
        start([host], {"vip": {"addresses": [VIP6]}})
        await_only(lab, "master1", VIP6)
        host.agent.freeze()
        try:
            host.ip("address", "del", f"{VIP6}/128", "dev", "eth0")
            host.ip("address", "add", f"{VIP6}/64", "dev", "eth0", "nodad")
        finally:
            host.agent.thaw()
        lab.wait_for(lambda: "forever" not in (text := host.ip("-6", "-o", "address", "show", "to", VIP6)) and "/64" in text, 5, "it to be renewed")
        assert host.agent.stop() == 0
        assert not host.holds(VIP6)


def test_ipv6_neighbours_learn_the_new_holder():
    with Lab(vips=[VIP6]) as lab:
        hosts = hosts_of(lab)
        client = lab.host("client", "10.10.1.20", ipv6="2001:db8::20/64")
        start(hosts, {"vip": {"addresses": [LINK_LOCAL_VIP, VIP6]}})
        await_only(lab, "master2", VIP6)

        def neighbour():
            client.run("ping", "-6", "-c", "1", "-W", "1", VIP6, check=False)
            return client.ip("-6", "neighbour", "show", VIP6)

        mac = {host.name: host.ip("-o", "link", "show", "eth0").split("link/ether ")[1].split()[0] for host in hosts}
        lab.wait_for(lambda: mac["master2"] in neighbour(), 10, "the neighbour entry")
        hosts[1].agent.stop()
        # Without another word of the client: the unsolicited advertisement overrides its entry.
        lab.wait_for(lambda: mac["master1"] in client.ip("-6", "neighbour", "show", VIP6), 10, "the neighbour entry to change")


def test_both_families_move_together():
    with Lab(vips=[VIP]) as lab:
        hosts = hosts_of(lab)
        start(hosts, {"vip": {"addresses": [VIP, LINK_LOCAL_VIP, VIP6]}})
        await_only(lab, "master2", VIP, VIP6)
        routers = hosts[1].agent.status()["routers"]
        assert [each["family"] for each in routers] == ["ipv4", "ipv6"]
        hosts[1].agent.stop()
        await_only(lab, "master1", VIP, VIP6)
        hosts[1].agent.restart()
        await_only(lab, "master2", VIP, VIP6)
        # What takes one family's address away takes the other's, too.
        hosts[1].ip("address", "del", "10.10.1.84/24", "dev", "eth0")
        lab.wait_for(lambda: lab.holders(VIP) == ["master1"] == lab.holders(VIP6), 10, "master1 to hold both")
        states = [each["state"] for each in hosts[1].agent.status()["routers"]]
        assert states == ["FAULT", "FAULT"], states


def test_equal_pairs_settle_on_one_host():
    with Lab(vips=[VIP]) as lab:
        hosts = hosts_of(lab, 3)
        for host in hosts:
            host.start_agent(settings({"vip": {"addresses": [VIP, LINK_LOCAL_VIP, VIP6]}}))
        lab.wait_for(lambda: len(lab.holders(VIP)) == 1 and lab.holders(VIP) == lab.holders(VIP6), 10, "one host to hold both")


def test_unicast_with_listed_peers():
    with Lab(vips=[VIP]) as lab:
        hosts = hosts_of(lab)
        start(hosts, {"vip": {"addresses": [VIP]}, "vrrp": {"transport": "unicast", "peers": ["10.10.1.83", "10.10.1.84"]}})
        await_only(lab, "master2", VIP)
        router = hosts[0].agent.status()["router"]
        assert router["transport"] == "unicast" and router["unicastPeers"] == ["10.10.1.84"]
        assert router["peers"][0]["address"] == "10.10.1.84"
        hosts[1].agent.kill()
        lab.wait_for(lambda: hosts[0].holds(VIP), 10, "the other to take over")
        # A host that is not among the peers is not heard, and counted.
        stranger = lab.host("stranger", "10.10.1.99")
        stranger.start_agent(settings({"vip": {"addresses": [VIP]}, "vrrp": {"priority": 200, "transport": "unicast", "peers": ["10.10.1.83"]}}))
        lab.wait_for(lambda: hosts[0].agent.metrics("vrrp_packets_rejected_total", reason="unknownPeer") > 3, 10, "rejected advertisements")
        assert hosts[0].agent.state == "MASTER"


def test_unicast_without_peers_is_a_fault_that_says_so():
    with Lab(vips=[VIP]) as lab:
        host = lab.host("master1", "10.10.1.83")
        host.start_agent(settings({"vip": {"addresses": [VIP]}, "vrrp": {"transport": "unicast", "peers": []}}))
        router = lab.wait_for(lambda: (found := host.agent.status()["router"])["state"] == "FAULT" and found, 5, "FAULT")
        assert "vrrp.peers names no IPv4 address of another host" in router["cause"]


def test_handover_on_request_moves_the_vip_and_leaves_it_there():
    with Lab(vips=[VIP]) as lab:
        hosts = hosts_of(lab)
        start(hosts, {"vip": {"addresses": [VIP]}})
        await_only(lab, "master2", VIP)
        lab.wait_for(lambda: hosts[1].agent.status()["router"]["candidates"], 5, "the peers to know each other")
        code, text = handover(hosts[0])
        assert code == 1 and "does not hold the VIP" in text, text
        with lab.observe(VIP) as seen:
            code, text = handover(hosts[1])
            assert (code, text) == (0, "gave the VIP to 10.10.1.83\n")
            await_only(lab, "master1", VIP)
        # At 100 ms the skew time of priority 100 is 61 ms.
        assert seen.longest_without_holder() < 0.3 * PATIENCE, seen.describe()
        # Of higher priority as it is, it leaves the VIP there: longer than it takes to pre-empt.
        adverts = hosts[0].agent.metrics("vrrp_adverts_sent_total")
        lab.wait_for(lambda: hosts[0].agent.metrics("vrrp_adverts_sent_total") > adverts + 10, 10, "ten advertisements")
        assert lab.holders(VIP) == ["master1"]
        hosts[0].agent.stop()
        await_only(lab, "master2", VIP)
