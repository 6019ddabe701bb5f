"""Backends from the EndpointSlices of default/kubernetes (docs/kubernetes.md), with stand-ins for API servers."""

import time

import pytest
from lab import Lab, binary

VIP = "10.10.1.108"
PORT = 16443
SUBJECT = "/O=system:masters/CN=admin"


class Site:
    """Two stand-ins, and an agent beside the first, which asks it alone."""

    def __init__(self, lab):
        self.lab = lab
        self.hosts = lab.masters(2)
        self.servers = [host.stand_in() for host in self.hosts]
        self.first, self.second = (f"{host.address}:6443" for host in self.hosts)
        self.kubeconfig = lab.authority.kubeconfig("admin", SUBJECT, "https://127.0.0.1:6443", self.hosts[0].directory)
        self.tell_slice(self.hosts[0].address, self.hosts[1].address)
        self.agent = self.hosts[0].start_agent({
            "vip": {"addresses": [VIP]},
            "loadBalancer": {"healthCheck": {"caFile": lab.authority.certificate, "interval": "200ms"}},
            "backends": {"kubernetes": {"source": "endpointslices", "server": "https://127.0.0.1:6443", "kubeconfig": [self.kubeconfig]}},
        })  # fmt: skip
        lab.wait_for(lambda: self.hosts[0].holds(VIP) and self.agent.up() == [self.first, self.second], 20, "the VIP and two backends that are up")

    def tell_slice(self, *endpoints, **more):
        self.servers[0].tell("slice", name="kubernetes", endpoints=list(endpoints), **more)

    def wait_backends(self, *expected, timeout=10):
        self.lab.wait_for(lambda: sorted(self.agent.backends()) == sorted(expected), timeout, f"the backends {expected}")

    def connections(self, endpoint):
        return {each["endpoint"]: each["connections"] for each in self.agent.status()["backends"]}[endpoint]


@pytest.fixture
def site():
    with Lab(vips=[VIP]) as lab:
        yield Site(lab)


def test_the_endpoints_are_the_backends_and_no_node_is_asked_for(site):
    status = site.agent.status()
    assert status["kubernetes"]["source"] == "endpointslices" and status["kubernetes"]["nodes"] == 2 and status["kubernetes"]["watchUp"]
    assert status["balancer"]["backendSource"] == "kubernetes"
    assert {each["name"] for each in status["backends"]} == {host.address for host in site.hosts}
    assert site.agent.metrics("kubernetes_nodes") == 2
    text = site.hosts[0].run(binary(), "status")
    assert "Endpoints: 2, watching https://127.0.0.1:6443" in text, text
    assert not [path for path in site.servers[0].state()["requests"] if "/nodes" in path]
    # At the port that the slice names, whatever `backends.port` is.
    site.tell_slice(site.hosts[0].address, "10.10.1.99", port=7443)
    site.lab.wait_for(lambda: "10.10.1.99:7443" in site.agent.backends(), 10, "the backend at another port")


def test_who_stops_in_good_order_leaves_the_slice_and_cuts_nobody(site):
    client = site.lab.client_host
    kept = [client.tls_connect(VIP, PORT, site.lab.authority.certificate) for _ in range(4)]
    try:
        site.lab.wait_for(lambda: site.connections(site.second) > 0, 5, "connections to it")
        before = site.connections(site.second)
        # As an API server does on SIGTERM: out of the slice and not ready, but alive.
        site.servers[1].tell("readyz", status=500)
        site.lab.wait_for(lambda: site.agent.backends()[site.second] == "draining", 5, "the drain")
        site.tell_slice(site.hosts[0].address)
        site.lab.wait_for(lambda: site.agent.status()["kubernetes"]["nodes"] == 1 and site.agent.backends().get(site.second) == "draining", 10, "the drain of who has left")
        time.sleep(1.5)  # Nothing to await: that it is longer than a Node would be held.
        assert site.agent.backends()[site.second] == "draining" and site.connections(site.second) == before
        site.servers[1].process.kill()
        site.wait_backends(site.first)
    finally:
        for each in kept:
            each.close()


def test_who_dies_and_leaves_the_slice_is_gone_at_once(site):
    site.servers[1].process.kill()
    site.lab.wait_for(lambda: site.agent.backends()[site.second] == "down", 10, "the health checks to see it")
    site.tell_slice(site.hosts[0].address)
    site.wait_backends(site.first)


def test_no_slice_and_an_empty_one_leave_the_backends_as_they_are(site):
    site.tell_slice()
    site.lab.wait_for(lambda: site.agent.status()["kubernetes"]["nodes"] == 0, 10, "the empty slice")
    site.servers[0].tell("delete", name="kubernetes", kind="EndpointSlice")
    site.servers[0].tell("compact")
    site.servers[0].tell("cut")
    site.lab.wait_for(lambda: site.agent.status()["kubernetes"]["watchUp"] and site.servers[0].state()["watches"] == 1, 10, "a fresh list")
    assert site.agent.up() == [site.first, site.second]
    # Nor at the next start: the cache has them.
    site.agent = site.agent.restart()
    site.lab.wait_for(lambda: site.agent.up() == [site.first, site.second] and site.agent.status()["kubernetes"]["watchUp"], 20, "the backends of the cache")
    assert site.agent.status()["balancer"]["backendSource"] == "cache"


def test_the_vip_among_the_endpoints_is_left_out_with_a_warning(site):
    site.tell_slice(site.hosts[0].address, VIP, site.hosts[1].address)
    site.lab.wait_for(lambda: "an endpoint makes no backend" in site.agent.text(), 10, "the warning")
    assert f"{VIP} is the VIP" in site.agent.text()
    assert sorted(site.agent.backends()) == [site.first, site.second]


def test_the_source_is_changed_while_the_agent_runs(site):
    for host in site.hosts:
        site.servers[0].tell("put", name=host.name, addresses=[host.address])
    with open(site.agent.file) as file:
        text = file.read()
    assert "source: endpointslices" in text
    site.agent.replace_configuration(text.replace("source: endpointslices", "source: nodes"))
    site.lab.wait_for(lambda: {each["name"] for each in site.agent.status()["backends"]} == {"master1", "master2"}, 15, "the Nodes' names")
    assert site.agent.up() == [site.first, site.second]
