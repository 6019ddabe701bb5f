"""Backends from the Nodes of a real API server: what kubectl changes, the agent follows within a second."""

import os
import time

import pytest
from lab import PATIENCE, ControlPlane, Lab, binary, find_apiserver, merged

VIP = "10.10.1.108"
PORT = 16443

pytestmark = pytest.mark.skipif(find_apiserver() is None, reason="no kube-apiserver here; tests/setup.sh apiserver builds one")


class Site:
    """A real API server on master1, servers in the API servers' place on master2 and master3 (a backend is whatever
    a Node's address says), and an agent on master1."""

    def __init__(self, lab):
        self.lab = lab
        self.hosts = lab.masters()
        self.plane = ControlPlane(lab, VIP)
        self.plane.start(self.hosts[0])
        for host in self.hosts[1:]:
            host.backend()
        self.plane.add_node(self.hosts[0])
        self.plane.add_node(self.hosts[1])
        self.kubeconfig = self.plane.super_admin_conf()
        self.agent = self.start_agent()

    def configuration(self, **changes):
        return merged(
            {
                "vip": {"addresses": [VIP]},
                "loadBalancer": {"healthCheck": {"type": "https", "caFile": self.lab.authority.certificate, "interval": "500ms", "timeout": "500ms"}},
                "backends": {"kubernetes": {"kubeconfig": [self.kubeconfig]}},
            },
            changes,
        )

    def start_agent(self, **changes):
        self.agent = self.hosts[0].start_agent(self.configuration(**changes))
        return self.agent

    def wait_backends(self, *numbers, since=None):
        """The backends are 10.10.1.NUMBER:6443, within a second of `since` (default: of now)."""
        expected = sorted(f"10.10.1.{number}:6443" for number in numbers)
        since = since or time.monotonic()
        self.lab.wait_for(lambda: sorted(self.agent.backends()) == expected, 10, f"the backends {expected}", interval=0.01)
        took = time.monotonic() - since
        assert took < PATIENCE, f"it took {took:.2f} s"

    def names(self, count=12):
        """Who answers through the VIP; a real API server says `404` to `/`-like paths, so its name is `API`."""
        found = set()
        for _ in range(count):
            status, body = self.lab.client_host.https_get(VIP, PORT, "/name", ca=self.lab.authority.certificate)
            found.add(body if status == 200 else "API")
        return found


@pytest.fixture(scope="module")
def shared():
    with Lab() as lab:
        yield Site(lab)


@pytest.fixture
def site(shared):
    """The Nodes master1 (the API server) and master2."""
    if not shared.agent.alive:
        shared.start_agent()
    shared.lab.wait_for(lambda: shared.hosts[0].holds(VIP) and shared.agent.up() == ["10.10.1.83:6443", "10.10.1.84:6443"], 20, "the VIP and two backends that are up")
    return shared


class Kept:
    """A connection through the VIP to master2, which stays in the list: nothing may break it."""

    def __init__(self, site):
        for _ in range(10):
            self.connection = site.lab.client_host.tls_connect(VIP, PORT, site.lab.authority.certificate)
            if self.ask().endswith(b"master2"):
                return
            self.connection.close()
        raise AssertionError("no connection reached master2")

    def ask(self):
        self.connection.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
        return self.connection.recv(4096)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                assert self.ask().endswith(b"master2"), "the connection to an unchanged backend broke"
        finally:
            self.connection.close()


def test_the_first_list_comes_from_the_api_server(site):
    status = site.agent.status()
    assert status["balancer"]["backendSource"] == "kubernetes"
    assert status["kubernetes"]["watchUp"] is True
    assert {each["name"] for each in status["backends"]} == {"master1", "master2"}
    assert site.names() == {"API", "master2"}


def test_a_created_node_serves_and_a_deleted_one_does_not(site):
    with Kept(site) as kept:
        site.plane.add_node(site.hosts[2])
        site.wait_backends(83, 84, 85)
        site.lab.wait_for(lambda: "master3" in site.names(), 1, "traffic to the new backend")
        assert kept.ask().endswith(b"master2")
        site.plane.delete_node("master3")
        site.wait_backends(83, 84)
        assert site.names() == {"API", "master2"}


def test_a_node_is_a_backend_as_long_as_it_carries_the_label(site):
    with Kept(site) as kept:
        site.plane.add_node(site.hosts[2], control_plane=False)
        try:
            site.plane.label("master3")
            site.wait_backends(83, 84, 85)
            site.lab.wait_for(lambda: "master3" in site.names(), 1, "traffic to the labelled Node")
            assert kept.ask().endswith(b"master2")
            site.plane.label("master3", control_plane=False)
            site.wait_backends(83, 84)
            assert site.names() == {"API", "master2"}
        finally:
            site.plane.delete_node("master3")


def test_an_annotated_node_drains_and_a_cordoned_one_does_not(site):
    with Kept(site) as kept:
        site.plane.kubectl("annotate", "node", "master2", "fairlead.dev/drain=true")
        site.lab.wait_for(lambda: {each["name"]: each["draining"] for each in site.agent.status()["backends"]} == {"master1": False, "master2": True}, 5, "the drain")
        assert site.names() == {"API"}
        assert kept.ask().endswith(b"master2"), "what is open stays"
        site.plane.kubectl("annotate", "node", "master2", "fairlead.dev/drain-")
        site.lab.wait_for(lambda: "master2" in site.names(), 5, "new connections to it")
        site.plane.kubectl("cordon", "master2")
        assert "master2" in site.names()
        site.plane.kubectl("uncordon", "master2")


def test_a_worker_balances_alone_and_follows_the_nodes(site):
    worker = site.lab.hosts.get("worker") or site.lab.host("worker", "10.10.1.30")
    agent = worker.start_agent({
        "loadBalancer": {"bind": ["127.0.0.1:16443"], "healthCheck": {"type": "https", "caFile": site.lab.authority.certificate}},
        "backends": {"static": ["10.10.1.83:6443"], "kubernetes": {"kubeconfig": [site.kubeconfig]}},
    })  # fmt: skip
    site.lab.wait_for(lambda: agent.up() == ["10.10.1.83:6443", "10.10.1.84:6443"], 10, "the Nodes as backends")
    found = {worker.https_get("127.0.0.1", PORT, "/name")[1] for _ in range(6)}
    assert "master2" in found and len(found) == 2
    status = agent.status()
    assert status["routers"] == [] and "no VIP is configured" in status["router"]["cause"]
    assert agent.get("/readyz")[0] == 200
    text = agent.metrics()
    assert "fairlead_vrrp_state{" not in text and agent.metrics("backend_up") == 2
    site.plane.add_node(site.hosts[2])
    site.lab.wait_for(lambda: "10.10.1.85:6443" in agent.backends(), 5, "the new Node")
    site.plane.delete_node("master3")
    site.lab.wait_for(lambda: "10.10.1.85:6443" not in agent.backends(), 5, "the Node to be gone")
    assert agent.stop() == 0


def test_a_node_with_a_new_address_is_a_new_backend(site):
    fourth = site.lab.host("master4", "10.10.1.86")
    fourth.backend()
    with Kept(site) as kept:
        site.plane.add_node(site.hosts[2])
        try:
            site.wait_backends(83, 84, 85)
            site.plane.set_address("master3", "10.10.1.86")
            site.wait_backends(83, 84, 86)
            site.lab.wait_for(lambda: "master4" in site.names() and "master3" not in site.names(), 1, "traffic to the new address alone")
            assert kept.ask().endswith(b"master2")
        finally:
            site.plane.delete_node("master3")
        site.wait_backends(83, 84)


def test_the_vip_is_never_taken_for_a_nodes_address(site):
    site.plane.add_node("impostor", VIP)
    try:
        site.plane.add_node(site.hosts[2])
        site.wait_backends(83, 84, 85)
    finally:
        site.plane.delete_node("impostor")
        site.plane.delete_node("master3")
    site.wait_backends(83, 84)


def test_the_death_of_the_api_server_leaves_vip_and_balancer_working(site):
    server = site.plane.server(site.hosts[0])
    with Kept(site) as kept:
        server.kill()
        site.lab.wait_for(lambda: site.agent.up() == ["10.10.1.84:6443"], 5, "the dead API server to be marked down")
        site.lab.wait_for(lambda: site.agent.status()["kubernetes"]["watchUp"] is False, 5, "the watch to be told as down")
        assert sorted(site.agent.backends()) == ["10.10.1.83:6443", "10.10.1.84:6443"], "last known good"
        assert site.names() == {"master2"}
        assert site.hosts[0].holds(VIP)
        assert kept.ask().endswith(b"master2")
        site.plane.start_server(site.hosts[0])
        # What changed in the meantime is not missed.
        site.plane.add_node(site.hosts[2])
        site.lab.wait_for(lambda: len(site.agent.backends()) == 3, 20, "the watch to be back")
        site.plane.delete_node("master3")
        site.lab.wait_for(lambda: len(site.agent.backends()) == 2, 5, "the watch to go on")


def test_an_agent_that_starts_with_the_api_server_dead_takes_the_backends_from_its_cache(site):
    cached = os.path.join(site.hosts[0].directory, "backends.json")
    assert os.path.exists(cached)
    site.agent.stop()
    site.plane.server(site.hosts[0]).kill()
    site.start_agent(backends={"static": ["10.10.1.85:6443"]})
    site.lab.wait_for(lambda: site.hosts[0].holds(VIP), 10, "the VIP")
    assert site.agent.status()["balancer"]["backendSource"] == "cache"
    assert sorted(site.agent.backends()) == ["10.10.1.83:6443", "10.10.1.84:6443"]
    site.lab.wait_for(lambda: site.names() == {"master2"}, 5, "traffic to the cached backend that lives")
    site.agent.stop()
    os.remove(cached)
    site.start_agent(backends={"static": ["10.10.1.85:6443"]})
    site.lab.wait_for(lambda: site.hosts[0].holds(VIP), 10, "the VIP")
    assert site.agent.status()["balancer"]["backendSource"] == "static"
    assert site.names(4) == {"master3"}
    site.plane.start_server(site.hosts[0])
    site.lab.wait_for(lambda: sorted(site.agent.backends()) == ["10.10.1.83:6443", "10.10.1.84:6443"], 20, "the list of the API server that came")
    site.agent.stop()


def test_the_first_kubeconfig_with_rights_is_used_and_the_missing_one_when_it_comes(site):
    """As on a first host: fairlead.conf is made later, admin.conf has no rights yet, super-admin.conf has."""
    site.agent.stop()
    directory = os.path.join(site.hosts[0].directory, "kubernetes")
    os.makedirs(directory)
    nobody = site.plane.user_conf("nobody", directory)
    privileged = site.plane.super_admin_conf(directory)
    own = os.path.join(directory, "fairlead.conf")
    site.start_agent(backends={"kubernetes": {"kubeconfig": [own, nobody, privileged]}})
    site.lab.wait_for(lambda: site.agent.status()["kubernetes"]["watchUp"], 20, "the watch")
    assert site.agent.status()["kubernetes"]["kubeconfig"] == privileged
    site.agent.stop()


def test_the_printed_rbac_gives_the_agent_the_rights_it_needs(site):
    site.agent.stop()
    site.plane.kubectl("apply", "-f", "-", input=site.hosts[0].run(binary(), "manifest", "rbac"))
    own = site.plane.user_conf("fairlead", site.hosts[0].directory)
    site.start_agent(backends={"kubernetes": {"kubeconfig": [own]}})
    site.lab.wait_for(lambda: site.agent.status()["kubernetes"]["watchUp"], 20, "the watch")
    assert site.plane.kubectl("auth", "can-i", "delete", "nodes", "--as=fairlead", check=False).strip() == "no"
