"""The data path dsr: three hosts spread connections below IP, and no connection to a surviving host is lost when the VIP moves."""

import contextlib
import re
import time

import pytest
from lab import PATIENCE, Lab, merged
from lab.agent import binary
from lab.dsr import TABLE, settle
from lab.wire import Capture
from scapy.all import IP, TCP, Ether

VIP = "10.10.1.108"
PORT = 16443
NAMES = ["master1", "master2", "master3"]
HEALTH = {"type": "http", "interval": "200ms", "timeout": "200ms", "rise": 2, "fall": 2}


class Site:
    def __init__(self, lab, ipv6=False):
        self.lab = lab
        self.vip = "fd00:10::108" if ipv6 else VIP
        self.changes = {}
        self.hosts = [lab.host(name, f"10.10.1.{83 + i}", ipv6=f"fd00:10::{83 + i}/64" if ipv6 else None) for i, name in enumerate(NAMES)]
        self.addresses = [f"fd00:10::{83 + i}" if ipv6 else host.address for i, host in enumerate(self.hosts)]
        self.backends = {host.name: host.backend(tls=False) for host in self.hosts}
        self.client = lab.host("client", "10.10.1.20", ipv6="fd00:10::20/64" if ipv6 else None)
        self.by_name = {host.name: host for host in self.hosts}
        self.connections = []

    def configuration(self, **changes):
        backends = [f"[{address}]:6443" if ":" in address else f"{address}:6443" for address in self.addresses]
        any_address = "[::]" if ":" in self.vip else "0.0.0.0"
        return merged(
            {
                "vip": {"addresses": [self.vip]},
                "loadBalancer": {"dataPath": "dsr", "bind": [f"{any_address}:{PORT}"], "healthCheck": HEALTH},
                "backends": {"static": backends},
            },
            self.changes,
            changes,
        )

    def start(self):
        for i, host in enumerate(self.hosts):
            host.start_agent(self.configuration(vrrp={"priority": 120 - 10 * i}))
        for host in self.hosts:
            self.lab.wait_for(lambda: len(host.agent.up()) == 3, 15, f"three backends that are up for {host.name}")
        self.lab.wait_for(lambda: self.hosts[0].holds(self.vip), 10, "the VIP on master1")
        self.settle(NAMES)
        return self

    def settle(self, names, hosts=None):
        """Waits until the tables of these hosts (default: all) agree that exactly `names` get connections."""
        settle(hosts or self.hosts, [self.by_name[name] for name in names], ipv6=":" in self.vip)

    def name(self, host=None, timeout=5):
        return (host or self.client).http_get(self.vip, PORT, "/", timeout=timeout)[1]

    def open(self, count):
        """[(connection, the name of its backend)]"""
        found = []
        for _ in range(count):
            connection = self.client.connect(self.vip, PORT)
            self.connections.append(connection)
            found.append((connection, ask(connection)))
        return found


@pytest.fixture
def lab():
    with Lab() as made:
        yield made


@pytest.fixture
def site(lab):
    made = Site(lab)
    yield made.start()
    for connection in made.connections:
        connection.close()


def ask(connection):
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = connection.recv(4096)
    if not answer:
        raise ConnectionResetError("closed")
    return answer.rpartition(b"\n")[2].decode()


def survivors(found, names):
    """Of the connections to these backends: how many go on, how many are lost."""
    alive = lost = 0
    for connection, name in found:
        if name not in names:
            continue
        try:
            assert ask(connection) == name
            alive += 1
        except OSError:
            lost += 1
    return alive, lost


def test_connections_are_spread_over_the_hosts_and_answered_directly(site):
    with Capture(site.hosts[0], f"tcp port {PORT}") as capture:
        names = [site.name() for _ in range(60)]
        assert all(names.count(name) >= 8 for name in NAMES), names
        site.lab.wait_for(lambda: len(capture.packets) > 60, 5, "packets")
        holder = site.hosts[0].mac
        answers = [each for each in capture.packets if TCP in each and each[IP].src == VIP]
        # The holder sees the answers of its own API server and nobody else's.
        assert answers and {each[Ether].src for each in answers} == {holder}
        passed_on = [each for each in capture.packets if each[Ether].src == holder and each[IP].dst == VIP]
        assert passed_on and all(each[IP].tos >> 2 == 46 for each in passed_on)


def test_ipv6(lab):
    site = Site(lab, ipv6=True).start()
    found = site.open(60)
    assert {name for _, name in found} == set(NAMES)
    site.hosts[0].cut_link(silently=True)
    site.lab.wait_for(lambda: site.hosts[1].holds(site.vip), 10, "the VIP on master2")
    site.lab.wait_for(lambda: ask(site.client.connect(site.vip, PORT, timeout=1)), 10, "an answer")
    alive, lost = survivors(found, {"master2", "master3"})
    assert lost == 0 and alive > 20


def test_clients_on_the_hosts_use_their_own_api_server_and_others_when_it_is_down(site):
    for host in site.hosts:
        host.forward()
        assert {site.name(host) for _ in range(4)} == {host.name}
    site.backends["master2"].kill()
    site.lab.wait_for(lambda: {site.name(site.hosts[1]) for _ in range(4)} == {"master1", "master3"}, 5, "the others")


@pytest.mark.parametrize("how", ["stopped", "killed", "unplugged"])
def test_no_connection_to_a_surviving_host_is_lost_with_the_holder(site, how):
    found = site.open(1000)
    assert all(sum(name == each for _, each in found) > 200 for name in NAMES)
    holder = site.hosts[0]
    lost_with_it = {"unplugged": {"master1"}, "stopped": {"master1"}, "killed": set()}[how]
    began = time.monotonic()
    if how == "stopped":
        holder.agent.stop()
    elif how == "killed":
        holder.agent.kill()
    else:
        holder.cut_link(silently=True)
    site.lab.wait_for(lambda: any(host.holds(VIP) for host in site.hosts[1:]), 10, "a new holder")
    # And the table changes at the same time.
    if how != "killed":
        site.settle(NAMES[1:], site.hosts[1:])
    alive, lost = survivors(found, set(NAMES) - lost_with_it)
    print(f"holder {how}: {alive} connections to surviving hosts went on, {lost} were lost ({time.monotonic() - began:.1f} s)")
    assert lost == 0 and alive > 600
    if how != "killed":
        # New connections meet the survivors alone, and old ones to the lost host are reset.
        assert {site.name() for _ in range(20)} == set(NAMES) - lost_with_it
        gone = [connection for connection, name in found if name in lost_with_it]
        reset = 0
        for connection in gone:
            connection.settimeout(3 * PATIENCE)
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                ask(connection)
                continue
            reset += 1
        assert reset == len(gone)


def test_a_host_whose_api_server_is_down_gets_nothing_and_comes_back_without_loss(site):
    found = site.open(90)
    site.backends["master3"].kill()
    site.settle(NAMES[:2])
    assert {site.name() for _ in range(30)} == {"master1", "master2"}
    alive, lost = survivors(found, {"master1", "master2"})
    assert lost == 0 and alive > 30
    # In buckets that are master3's again, once it is back.
    meanwhile = site.open(150)
    site.backends["master3"] = site.hosts[2].backend(tls=False)
    site.settle(NAMES)
    assert "master3" in {site.name() for _ in range(30)}
    assert survivors(found, {"master1", "master2"}) == (alive, 0)
    assert survivors(meanwhile, set(NAMES)) == (150, 0)
    # And whoever gets the VIP then sends them where they are.
    site.hosts[0].cut_link(silently=True)
    site.lab.wait_for(lambda: any(host.holds(VIP) for host in site.hosts[1:]), 10, "a new holder")
    alive, lost = survivors(meanwhile, {"master2"})
    assert lost == 0 and alive > 40


def test_a_draining_host_keeps_its_connections_and_gets_no_new_ones(site):
    found = site.open(90)
    for host in site.hosts:
        host.run(binary(), "drain", "10.10.1.85:6443")
    site.settle(NAMES[:2])
    assert {site.name() for _ in range(40)} == {"master1", "master2"}
    assert survivors(found, set(NAMES)) == (90, 0)
    assert site.name(site.hosts[2]) != "master3", "its own clients go elsewhere, too"
    for host in site.hosts:
        host.run(binary(), "undrain", "10.10.1.85:6443")
    site.settle(NAMES)
    assert survivors(found, set(NAMES)) == (90, 0)


def test_tables_that_disagree_make_no_loop(lab):
    """Everybody's table says: somebody else."""
    site = Site(lab)
    site.changes = {"loadBalancer": {"keepRules": True}}
    site.start()
    macs = [host.mac for host in site.hosts]
    # Nobody mends what is damaged here.
    for host in site.hosts:
        host.agent.stop()
    site.hosts[0].add_address(f"{VIP}/32")
    site.hosts[0].run("arping", "-c", "2", "-A", "-I", "eth0", VIP, check=False)
    for i, host in enumerate(site.hosts):
        slots = ", ".join(f"{slot} : {macs[(i + 1) % 3]}" for slot in range(8191))
        host.run("nft", "-f", "-", input=f"flush map netdev {TABLE} slots_ip\nadd element netdev {TABLE} slots_ip {{ {slots} }}\n")
    captures = [Capture(host, f"tcp dst port {PORT}") for host in site.hosts]
    for _ in range(10):
        assert site.name() == "master2", "passed on once, and taken there"
    seen = sum(len(capture.packets) for capture in captures)
    for capture in captures:
        capture.stop()
    # Each packet of ten short connections comes to master1, leaves it, and comes to master2.
    assert seen < 10 * 10 * 3, seen


def test_icmp_errors_about_packets_to_clients_reach_the_host_with_the_connection(site):
    """A route with a smaller MTU behind the client's router: the API server has to be told."""
    router = site.lab.host("router", "10.10.1.30")
    router.forward()
    site.lab.host("far")
    for each in ("far", "router"):
        assert each in site.lab.hosts
    far = site.lab.hosts["far"]
    far.ip("link", "set", "eth0", "down")
    router.ip("link", "add", "thin", "mtu", "1280", "type", "veth", "peer", "name", "thin", "netns", far.namespace)
    router.ip("address", "add", "10.77.0.1/24", "dev", "thin")
    router.ip("link", "set", "thin", "up")
    far.ip("address", "add", "10.77.0.2/24", "dev", "thin")
    far.ip("link", "set", "thin", "up", "mtu", "1500")
    far.ip("route", "replace", "default", "via", "10.77.0.1")
    for host in site.hosts:
        host.ip("route", "add", "10.77.0.0/24", "via", "10.10.1.30")
    for _ in range(12):
        status, text = far.http_get(VIP, PORT, "/flood/300000", timeout=5)
        assert status == 200 and len(text) == 300000


def on_a_bridge(host):
    """The host's address on a bridge that eth0 is a port of, with br_netfilter as Kubernetes wants it."""
    host.ip("address", "flush", "dev", "eth0", "scope", "global")
    # An address of its own; it would change with its ports otherwise, to the lowest of theirs.
    host.ip("link", "add", "br0", "address", host.mac, "type", "bridge", "forward_delay", "0")
    host.ip("link", "set", "eth0", "master", "br0")
    host.ip("link", "set", "br0", "up")
    host.ip("address", "add", f"{host.address}/24", "dev", "br0")
    host.run("sysctl", "-q", "-w", "net.bridge.bridge-nf-call-iptables=1")


def hooks(host):
    """The interfaces at which this host meets packets."""
    return set(re.findall(r'hook ingress device "(.*?)"', host.run("nft", "list", "table", "netdev", TABLE)))


def test_on_a_bridge_packets_are_met_at_its_ports(lab):
    """Where br_netfilter is on, the bridge itself sees packets only when their address has been translated."""
    site = Site(lab)
    for host in site.hosts[:2]:  # the third one has none
        on_a_bridge(host)
    site.start()
    holder = site.hosts[0]
    assert hooks(holder) == {"eth0"}
    found = site.open(60)
    assert {name for _, name in found} == set(NAMES)
    # A port that comes and goes, as of a virtual machine.
    holder.ip("link", "add", "tap0", "type", "veth", "peer", "name", "guest0")
    holder.ip("link", "set", "tap0", "master", "br0")
    holder.ip("link", "set", "tap0", "up")
    lab.wait_for(lambda: hooks(holder) == {"eth0", "tap0"}, 10, "the new port")
    site.settle(NAMES)
    assert survivors(found, set(NAMES)) == (60, 0)
    holder.ip("link", "delete", "tap0")
    lab.wait_for(lambda: hooks(holder) == {"eth0"}, 10, "the port to be forgotten")
    site.settle(NAMES)
    assert survivors(found, set(NAMES)) == (60, 0)
    # The other bridge takes over; who was on master1 is lost with it.
    holder.agent.kill()
    lab.wait_for(lambda: site.hosts[1].holds(VIP), 10, "the VIP on master2")
    lost = sum(1 for _, name in found if name == "master1")
    alive, gone = survivors(found, {"master2", "master3"})
    assert (alive, gone) == (60 - lost, 0)


def test_a_clean_stop_leaves_nothing(site):
    site.open(30)
    for host in site.hosts:
        assert TABLE in host.run("nft", "list", "ruleset")
    for host in site.hosts:
        host.agent.stop()
        assert host.run("nft", "list", "ruleset").strip() == ""
        # Beside the probes of the other hosts.
        assert [line for line in host.run("conntrack", "-L", "-p", "tcp").splitlines() if f"dst={VIP} " in line] == []


def test_flushed_rules_are_mended(site):
    host = site.hosts[1]
    host.run("nft", "flush", "ruleset")
    site.lab.wait_for(lambda: "they are mended" in host.agent.text(), 5, "the rules to be mended")
    assert {site.name() for _ in range(40)} == set(NAMES)
