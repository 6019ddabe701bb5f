"""The data path nat: connections are carried by rules of nftables, beside an agent that only keeps them right."""

import re
import time

import pytest
import yaml
from lab import PATIENCE, Lab, binary
from lab.agent import defaults, merged
from lab.nat import NAMES, PORT, TABLE, VIP, VIP6, Site, open_connections, resets


@pytest.fixture
def lab():
    with Lab() as made:
        yield made


@pytest.fixture
def site(lab):
    return Site(lab)


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


def test_another_algorithm_applies_to_new_connections_at_once_and_costs_none(site):
    agent = site.start_holder()
    kept = open_connections(site.client, VIP, 6)
    assert {name for _, name in kept} == set(NAMES)
    for algorithm, backends in (("sourceHash", 1), ("roundRobin", 3)):
        agent.replace_configuration(yaml.safe_dump(merged(defaults(site.hosts[0]), site.configuration(loadBalancer={"algorithm": algorithm}))))
        site.lab.wait_for(lambda: len(set(site.names(6))) == backends, 10, f"{algorithm} to be in use")  # noqa: B023
    for connection, name in kept:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).decode().endswith(name)


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
