"""The data path nat: connections are carried by rules of nftables, beside an agent that only keeps them right."""

import contextlib
import os
import re
import select
import socket
import time

import pytest
from lab import PATIENCE, Lab, binary, merged

VIP = "10.10.1.108"
VIP6 = "fd00:10::108"
PORT = 16443
TABLE = "fairlead_51"
NAMES = ["master1", "master2", "master3"]
HEALTH = {"type": "http", "interval": "200ms", "timeout": "200ms", "rise": 2, "fall": 2}


class Site:
    """Three backends; an agent on master1, or on those that are asked for."""

    def __init__(self, lab, ipv6=False, **changes):
        self.lab = lab
        self.ipv6 = ipv6
        self.hosts = [lab.host(name, f"10.10.1.{83 + i}", ipv6=f"fd00:10::{83 + i}/64" if ipv6 else None) for i, name in enumerate(NAMES)]
        for host in self.hosts:
            host.forward()
        self.backends = {host.name: host.backend(tls=False) for host in self.hosts}
        self.client = lab.host("client", "10.10.1.20", ipv6="fd00:10::20/64" if ipv6 else None)
        self.vip = VIP6 if ipv6 else VIP
        self.changes = changes

    def address(self, number):
        return f"[fd00:10::{number}]" if self.ipv6 else f"10.10.1.{number}"

    def configuration(self, **changes):
        return merged(
            {
                "vip": {"addresses": [self.vip]},
                "loadBalancer": {"dataPath": "nat", "healthCheck": HEALTH},
                "backends": {"static": [f"{self.address(83 + i)}:6443" for i in range(3)]},
            },
            self.changes,
            changes,
        )

    def start(self, host=None, **changes):
        host = host or self.hosts[0]
        agent = host.start_agent(self.configuration(**changes))
        self.lab.wait_for(lambda: len(agent.up()) == 3, 10, "three backends that are up")
        return agent

    def start_holder(self, **changes):
        agent = self.start(**changes)
        self.lab.wait_for(lambda: self.hosts[0].holds(self.vip), 10, "the VIP")
        return agent

    def names(self, count, host=None, address=None, port=PORT):
        host = host or self.client
        return [host.http_get(address or self.vip, port, "/")[1] for _ in range(count)]

    def rules(self, host=None):
        return (host or self.hosts[0]).run("nft", "list", "ruleset")

    def conntrack(self, host=None):
        return [line for line in (host or self.hosts[0]).run("conntrack", "-L", "-p", "tcp").splitlines() if f"dport={PORT} " in line]


@pytest.fixture
def lab():
    with Lab() as made:
        yield made


@pytest.fixture
def site(lab):
    return Site(lab)


def open_connections(host, address, count, port=PORT):
    """`count` connections, with the name of the backend of each, all of them idle."""
    found = []
    for _ in range(count):
        connection = host.connect(address, port)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        found.append(connection)
    return [(connection, connection.recv(4096).rpartition(b"\n")[2].decode()) for connection in found]


def resets(connections, within):
    """Which of these are reset, waiting at most so many seconds for the last."""
    poll = select.poll()
    by_descriptor = {each.fileno(): each for each in connections}
    for each in by_descriptor:
        poll.register(each, select.POLLIN)
    gone, deadline = [], time.monotonic() + within * PATIENCE
    while len(gone) < len(connections) and (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(left * 1000):
            poll.unregister(descriptor)
            with pytest.raises(ConnectionResetError):
                by_descriptor[descriptor].recv(1)
            gone.append(by_descriptor[descriptor])
    return gone


# --- who gets which backend ---


def test_connections_go_round_over_all_backends(site):
    site.start_holder()
    names = site.names(30)
    assert [names.count(name) for name in NAMES] == [10, 10, 10], names


def test_a_client_keeps_its_backend_with_source_hash(site):
    site.start_holder(loadBalancer={"algorithm": "sourceHash"})
    others = [site.lab.host(f"client{i}", f"10.10.1.{30 + i}") for i in range(8)]
    homes = [site.names(4, host) for host in others]
    assert all(len(set(names)) == 1 for names in homes), homes
    assert len({names[0] for names in homes}) > 1


def test_ipv6(lab):
    site = Site(lab, ipv6=True)
    site.start_holder()
    names = site.names(12)
    assert sorted(set(names)) == NAMES
    for host in site.hosts:
        assert set(site.names(3, host)) <= set(NAMES)
    found = open_connections(site.client, VIP6, 9)
    site.backends["master2"].freeze()
    dead = [connection for connection, name in found if name == "master2"]
    assert len(resets(dead, 5)) == len(dead) == 3


def test_clients_on_the_hosts_themselves_are_served_whoever_holds_the_vip(site):
    for host in site.hosts:
        site.start(host)
    site.lab.holder()
    for host in site.hosts:
        # A third of these come back to the host that they come from.
        assert set(site.names(9, host)) == set(NAMES), host.name
        assert set(site.names(9, host, host.address)) == set(NAMES), host.name


def test_a_backends_host_without_an_agent_can_be_given_to_itself(site):
    site.start_holder()
    assert set(site.names(9, site.hosts[1])) == set(NAMES)


def test_the_vip_at_the_port_that_the_api_server_itself_listens_on(site):
    agent = site.start_holder(loadBalancer={"bind": ["0.0.0.0:6443"]})
    assert sorted(site.names(9, port=6443)) == sorted(NAMES * 3)
    assert site.names(3, address="10.10.1.83", port=6443) == ["master1"] * 3, "the API server's own address is its own"
    assert agent.status()["checks"][0]["up"]


def test_without_a_backend_connections_are_refused_at_once(lab):
    """There are none of the VIP's IP version, and the API server of the holder listens on the same port."""
    site = Site(lab, ipv6=True)
    site.vip = VIP
    agent = site.start_holder(loadBalancer={"bind": ["0.0.0.0:6443"]})
    started = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        site.client.connect(VIP, 6443)
    assert time.monotonic() - started < 2 * PATIENCE
    site.lab.wait_for(lambda: agent.metrics("proxy_refused_total") >= 1, 5, "the count")


# --- backends that go ---


def test_all_idle_clients_of_an_unplugged_backend_are_reset_within_the_health_bound(site):
    agent = site.start_holder()
    found = open_connections(site.client, VIP, 1000)
    lost = [connection for connection, name in found if name == "master2"]
    kept = [connection for connection, name in found if name != "master2"]
    assert len(lost) > 300
    site.hosts[1].cut_link(silently=True)
    cut = time.monotonic()
    # Two failed probes of 200 ms each, the first of which begins within 200 ms.
    gone = resets(lost, 10)
    took = time.monotonic() - cut
    print(f"{len(gone)} of {len(lost)} idle connections reset {took:.2f} s after the cable was pulled")
    assert len(gone) == len(lost)
    assert took < 3 * PATIENCE
    assert resets(kept[:50], 0.2) == []
    kept[0].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert kept[0].recv(4096).startswith(b"HTTP/1.1 200")
    assert agent.metrics("proxy_reset_total") >= len(lost)
    assert {name for name in site.names(10)} == {"master1", "master3"}
    for connection, _ in found:
        connection.close()


def test_the_other_end_is_reset_too(site):
    """A backend that fails its check and lives gets rid of its connections as well."""
    site.start_holder()
    found = open_connections(site.client, VIP, 9)
    backend = site.hosts[1]

    def peers():
        return {line.split()[-1] for line in backend.run("ss", "-Htn", "state", "established", "sport", "=", "6443").splitlines()}

    # As the backend sees them: from the balancer's host, by the port that conntrack has found.
    known = {re.findall(r"dport=(\d+)", line)[-1] for line in site.conntrack() if "src=10.10.1.84" in line}
    held = {each for each in peers() if each.rpartition(":")[2] in known}
    assert len(held) == 3
    site.backends["master2"].freeze()
    lost = [connection for connection, name in found if name == "master2"]
    assert len(resets(lost, 5)) == 3
    site.lab.wait_for(lambda: not held & peers(), 5, "the backend's side to be reset")
    site.backends["master2"].thaw()


def test_a_draining_backend_gets_nobody_new_and_keeps_whom_it_has(site):
    agent = site.start_holder()
    found = open_connections(site.client, VIP, 9)
    site.hosts[0].run(binary(), "drain", "10.10.1.84:6443")
    site.lab.wait_for(lambda: "master2" not in site.names(6), 5, "the drain")
    kept = [connection for connection, name in found if name == "master2"]
    assert len(kept) == 3 and resets(kept, 0.3) == []
    for connection in kept:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).endswith(b"master2")
    assert agent.metrics("backend_connections", backend="10.10.1.84:6443") == 3


# --- the agent comes and goes ---


def test_a_killed_agent_costs_nobody_a_connection_and_the_next_one_adopts_the_rules(site):
    """To the host's own address, which stays when the VIP goes. FAIRLEAD_NAT_CONNECTIONS says how many connections there
    are at least (2,500)."""
    stage = int(os.environ.get("FAIRLEAD_NAT_CONNECTIONS", "2500")) // 5
    # A busy machine's slow answers are not what this is about.
    patient = {**HEALTH, "timeout": "3s"}
    site.changes = {"loadBalancer": {"healthCheck": patient}}
    agent = site.start_holder()
    found = open_connections(site.client, "10.10.1.83", 9)
    load = [site.lab.client("10.10.1.83", period=0.002) for _ in range(2)]
    with contextlib.ExitStack() as stack:
        for each in load:
            stack.enter_context(each)
        site.lab.wait_for(lambda: sum(each.successes() for each in load) >= stage, stage / 25, "answers")
        for round_number in range(3):
            agent.kill()
            assert TABLE in site.rules(), "the rules outlive it"
            seen = sum(each.successes() for each in load)
            site.lab.wait_for(lambda: sum(each.successes() for each in load) >= seen + stage, stage / 25, "answers without an agent")
            agent = site.start(**({"loadBalancer": {"keepRules": True}} if round_number == 2 else {}))
            assert "adopted the rules" in agent.text()
        # An upgrade.
        agent.stop()
        assert TABLE in site.rules()
        agent = site.start()
        seen = sum(each.successes() for each in load)
        site.lab.wait_for(lambda: sum(each.successes() for each in load) >= seen + stage, stage / 25, "answers")
        total = sum(each.successes() for each in load)
        failures = [each.failures() for each in load]
        print(f"{total} connections through three kills and an upgrade, failed: {failures}")
        assert not any(failures), failures
    for connection, name in found:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).decode().endswith(name)


def test_an_upgrade_by_takeover_costs_nobody_a_connection_to_the_vip(site):
    site.changes = {"loadBalancer": {"healthCheck": {**HEALTH, "timeout": "3s"}}}
    old = site.start_holder()
    found = open_connections(site.client, VIP, 9)
    with site.lab.client(VIP, period=0.002) as load:
        site.lab.wait_for(lambda: load.successes() >= 300, 20, "answers")
        new = site.hosts[0].start_agent(site.configuration(), arguments=("--takeover",))
        site.lab.wait_for(lambda: " vrrp] became " in new.text(), 10, "the new agent to take over")
        site.lab.wait_for(lambda: len(new.up()) == 3, 10, "three backends that are up")
        seen = load.successes()
        site.lab.wait_for(lambda: load.successes() >= seen + 300, 20, "answers")
        old.stop()
        assert TABLE in site.rules()
        seen = load.successes()
        site.lab.wait_for(lambda: load.successes() >= seen + 300, 20, "answers")
        assert not load.failures(), load.failures()
    assert site.hosts[0].holds(VIP)
    for connection, name in found:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).decode().endswith(name)


def test_an_adopting_agent_does_not_trust_a_backend_that_was_down(site):
    agent = site.start_holder(loadBalancer={"healthCheck": {**HEALTH, "timeout": "5s", "interval": "5s"}})
    site.hosts[1].cut_link(silently=True)
    agent.stop()
    agent = site.hosts[0].start_agent(site.configuration(loadBalancer={"keepRules": True}))
    site.lab.wait_for(lambda: agent.backends()["10.10.1.84:6443"] == "down", 10, "master2 to be down")
    agent.stop()
    # From here on a probe takes long to fail.
    agent = site.hosts[0].start_agent(site.configuration(loadBalancer={"healthCheck": {**HEALTH, "timeout": "8s", "interval": "8s"}}))
    assert agent.backends()["10.10.1.84:6443"] == "unknown"
    site.lab.wait_for(lambda: site.hosts[0].holds(VIP), 10, "the VIP")
    assert set(site.names(6)) == {"master1", "master3"}


def test_a_clean_stop_and_cleanup_leave_nothing(site):
    agent = site.start_holder()
    found = open_connections(site.client, VIP, 9)
    assert len(site.conntrack()) >= 9
    agent.stop()
    assert site.rules().strip() == "" and site.conntrack() == []
    agent = site.start_holder()
    open_again = open_connections(site.client, VIP, 3)
    agent.kill()
    site.lab.wait_for(lambda: not site.hosts[0].holds(VIP), 10, "the VIP to go")
    assert TABLE in site.rules() and site.conntrack() != []
    said = site.hosts[0].run(binary(), "cleanup", "--config", agent.file)
    assert f"removed nftables table ip {TABLE}" in said and "conntrack entries" in said
    assert site.rules().strip() == "" and site.conntrack() == []
    for connection, _ in found + open_again:
        connection.close()


def test_after_a_handover_everybody_is_reset_and_served_by_the_new_holder(site):
    first = site.start(vrrp={"priority": 200})
    site.start(site.hosts[1])
    site.lab.wait_for(lambda: site.hosts[0].holds(VIP), 10, "the VIP on master1")
    found = open_connections(site.client, VIP, 60)
    site.hosts[0].run(binary(), "handover")
    site.lab.wait_for(lambda: site.hosts[1].holds(VIP), 10, "the VIP on master2")
    # Idle as they are, they have to be told.
    assert len(resets([connection for connection, _ in found], 5)) == 60
    assert set(site.names(9)) == set(NAMES)
    assert first.alive


def test_after_the_holders_death_a_client_that_speaks_is_reset(site):
    site.start(vrrp={"priority": 200})
    site.start(site.hosts[1])
    site.lab.wait_for(lambda: site.hosts[0].holds(VIP), 10, "the VIP on master1")
    found = open_connections(site.client, VIP, 60)
    site.hosts[0].cut_link(silently=True)
    site.lab.wait_for(lambda: site.hosts[1].holds(VIP), 10, "the VIP on master2")
    site.lab.wait_for(lambda: set(site.names(9)) == {"master2", "master3"}, 10, "new connections")
    for connection, _ in found:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(resets([connection for connection, _ in found], 5)) == 60


# --- others on the host ---

IPTABLES = ["iptables-nft", "-t", "nat"]


def test_other_peoples_rules_stay_as_they_are(site):
    """Tables as kube-proxy makes them, by iptables and by nftables, with a service that must go on working."""
    host = site.hosts[0]
    for rule in (
        ["-N", "KUBE-SERVICES"],
        ["-A", "PREROUTING", "-m", "comment", "--comment", "kubernetes service portals", "-j", "KUBE-SERVICES"],
        ["-A", "OUTPUT", "-j", "KUBE-SERVICES"],
        ["-A", "KUBE-SERVICES", "-d", "10.96.0.1/32", "-p", "tcp", "--dport", "443", "-j", "DNAT", "--to-destination", "10.10.1.84:6443"],
        ["-A", "POSTROUTING", "-s", "10.244.0.0/16", "-j", "MASQUERADE"],
    ):  # fmt: skip
        host.run(*IPTABLES, *rule)
    host.run("nft", "-f", "-", input="""
table ip kube-proxy {
  map service-ips {
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = { 10.96.0.2 . tcp . 443 : goto endpoint }
  }
  chain endpoint { meta l4proto tcp dnat to 10.10.1.85:6443; }
  chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain filter-forward { type filter hook forward priority 0; ct state invalid drop; }
}
""")  # fmt: skip
    before = without_counters(site.rules())
    agent = site.start_holder()
    assert sorted(site.names(9)) == sorted(NAMES * 3)
    for service, name in (("10.96.0.1", "master2"), ("10.96.0.2", "master3")):
        assert site.names(2, host, service, 443) == [name] * 2
        site.client.ip("route", "replace", f"{service}/32", "via", "10.10.1.83")
    # Their connections are not masqueraded by us: the answer comes by another way and finds nobody.
    assert host.run("conntrack", "-L", "-d", "10.96.0.1").count("10.96.0.1") >= 2
    agent.stop()
    assert without_counters(site.rules()) == before


def without_counters(text):
    return re.sub(r"counter packets \d+ bytes \d+", "counter", text)


def test_rules_that_somebody_flushed_or_changed_are_mended(site):
    agent = site.start_holder()
    for damage in (
        ["nft", "flush", "ruleset"],
        ["nft", "delete", "table", "ip", TABLE],
        ["nft", "flush", "chain", "ip", TABLE, "prerouting"],
        ["nft", "flush", "map", "ip", TABLE, "slots"],
    ):  # fmt: skip
        told = agent.text().count("they are mended")
        site.hosts[0].run(*damage)
        damaged = time.monotonic()
        site.lab.wait_for(lambda: agent.text().count("they are mended") > told, 5, f"{damage} to be mended")
        print(f"{' '.join(damage)}: mended after {time.monotonic() - damaged:.3f} s")
        assert sorted(site.names(9)) == sorted(NAMES * 3)
    line = next(line for line in agent.text().splitlines() if "they are mended" in line)
    assert 'by="nft (pid' in line, line
    assert agent.get("/readyz")[0] == 200


# --- what it says ---


def test_without_forwarding_the_agent_says_what_to_do(site):
    host = site.hosts[0]
    host.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=0")
    agent = host.start_agent(site.configuration(), wait=False)
    site.lab.wait_for(lambda: not agent.alive, 10, "the agent to give up")
    assert agent.popen.returncode == 1
    assert "sysctl -w net.ipv4.ip_forward=1" in agent.text()
    assert "loadBalancer.dataPath" in agent.text()


def test_connections_and_bytes_are_counted_for_each_backend(site):
    agent = site.start_holder()
    names = [f"10.10.1.{number}:6443" for number in (83, 84, 85)]
    before = {name: agent.metrics("backend_connections_total", backend=name) for name in names}
    found = open_connections(site.client, VIP, 9)
    found += open_connections(site.hosts[0], VIP, 3)
    site.lab.wait_for(lambda: agent.status()["balancer"]["connections"] == 12, 5, "twelve open connections")
    site.lab.wait_for(lambda: sum(agent.metrics("backend_connections_total", backend=name) - before[name] for name in names) >= 12, 5, "the totals")
    # The agent itself asks through the VIP now and then, so the totals may be higher.
    for name in names:
        site.lab.wait_for(lambda: agent.metrics("backend_connections", backend=name) == 4, 5, f"four open connections to {name}")
    status, text = site.client.http_get(VIP, PORT, "/flood/3000000")
    assert status == 200 and len(text) == 3000000
    site.lab.wait_for(lambda: agent.metrics("backend_bytes_total", direction="to_client") > 3000000, 5, "the bytes")
    assert agent.metrics("backend_bytes_total", direction="to_client") < 3600000, "each packet counts once"
    to_backend = agent.metrics("backend_bytes_total", direction="to_backend")
    assert 1000 < to_backend < 600000
    for connection, _ in found:
        connection.close()
    site.lab.wait_for(lambda: agent.status()["balancer"]["connections"] == 0, 5, "no open connection")
    assert agent.status()["balancer"]["dataPath"] == "nat"
    assert agent.metrics("proxy_accepted_total") >= sum(before.values()) + 13
