"""Backends from the EndpointSlices that real API servers write: no Node exists in this cluster."""

import contextlib
import json
import os
import signal
import threading

import pytest
from lab import ControlPlane, Lab, binary, find_apiserver

VIP = "10.10.1.108"
PORT = 16443
DELAY = 12

pytestmark = pytest.mark.skipif(find_apiserver() is None, reason="no kube-apiserver here; tests/setup.sh apiserver builds one")


class Site:
    """A real API server on master1, and an agent beside it with the identity and the rights that `manifest rbac` prints."""

    def __init__(self, lab):
        self.lab = lab
        self.hosts = lab.masters()
        self.plane = ControlPlane(lab, VIP)
        self.plane.start(self.hosts[0])
        self.plane.kubectl("apply", "-f", "-", input=self.hosts[0].run(binary(), "manifest", "rbac", "--source", "endpointslices"))
        own = self.plane.user_conf("fairlead", self.hosts[0].directory)
        self.agent = self.hosts[0].start_agent({
            "nodeName": "master1",
            "vip": {"addresses": [VIP]},
            "loadBalancer": {"healthCheck": {"type": "https", "caFile": lab.authority.certificate, "interval": "500ms", "timeout": "500ms"}},
            "backends": {"kubernetes": {"source": "endpointslices", "kubeconfig": [own]}},
        })  # fmt: skip
        lab.wait_for(lambda: self.hosts[0].holds(VIP) and self.agent.status()["kubernetes"]["watchUp"], 30, "the VIP and the watch")

    def endpoint(self, number):
        return f"{self.hosts[number - 1].address}:6443"

    def slice(self):
        """The addresses that the API servers have written."""
        items = json.loads(self.plane.kubectl("-n", "default", "get", "endpointslices", "-l", "kubernetes.io/service-name=kubernetes", "-o", "json"))["items"]
        return sorted(address for item in items for each in item.get("endpoints") or [] for address in each["addresses"])

    def wait_up(self, *numbers, timeout=40):
        expected = sorted(self.endpoint(number) for number in numbers)
        self.lab.wait_for(lambda: self.agent.up() == expected and sorted(self.agent.backends()) == expected, timeout, f"the backends {expected}")


@pytest.fixture(scope="module")
def shared():
    with Lab() as lab:
        yield Site(lab)


@pytest.fixture
def site(shared):
    """The API server of master1, and in time no other one."""
    shared.wait_up(1, timeout=90)
    return shared


def test_the_printed_rights_suffice_and_are_no_more_than_these(site):
    status = site.agent.status()
    assert status["kubernetes"]["source"] == "endpointslices" and status["kubernetes"]["lastError"] == "" and status["kubernetes"]["nodes"] == 1
    assert site.plane.kubectl("get", "nodes", "-o", "name") == ""

    def can(*what):
        return site.plane.kubectl("auth", "can-i", *what, "--as=fairlead", check=False).strip() == "yes"

    assert can("watch", "endpointslices.discovery.k8s.io", "-n", "default") and can("create", "events", "-n", "default")
    assert not can("watch", "endpointslices.discovery.k8s.io", "-n", "kube-system") and not can("list", "nodes") and not can("delete", "endpointslices.discovery.k8s.io", "-n", "default")


def test_who_joins_serves_and_who_dies_is_down_long_before_its_lease_ends(site):
    server = site.plane.start_server(site.hosts[1])
    site.wait_up(1, 2)
    server.kill()
    site.lab.wait_for(lambda: site.agent.backends()[site.endpoint(2)] == "down", 10, "the health checks to see it")
    assert site.hosts[1].address in site.slice(), "its lease goes on"
    # No client waits for it.
    for _ in range(4):
        assert site.lab.client_host.https_get(VIP, PORT, "/readyz", ca=site.lab.authority.certificate)[0] == 200
    site.wait_up(1, timeout=60)
    assert site.slice() == [site.hosts[0].address]


def test_who_stops_in_good_order_leaves_the_slice_at_once_and_cuts_nobody(site):
    server = site.plane.start_server(site.hosts[2], flags=[*site.plane._flags(site.hosts[2]), f"--shutdown-delay-duration={DELAY}s"])
    site.wait_up(1, 3)
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(site.lab.client_host.tls_connect(VIP, PORT, site.lab.authority.certificate)) for _ in range(6)]

        def connections():
            return {each["endpoint"]: each["connections"] for each in site.agent.status()["backends"]}.get(site.endpoint(3))

        site.lab.wait_for(lambda: connections() >= 2, 5, "connections to it")
        before = connections()
        os.kill(server.pid, signal.SIGTERM)
        site.lab.wait_for(lambda: site.slice() == [site.hosts[0].address], 10, "it to leave the slice")
        site.lab.wait_for(lambda: site.agent.status()["kubernetes"]["nodes"] == 1, 5, "the agent to know")
        site.lab.wait_for(lambda: site.agent.backends().get(site.endpoint(3)) == "draining", 5, "the drain")
        assert server.alive and connections() == before
        for each in kept:
            each.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert each.recv(4096).startswith(b"HTTP/1.1 200"), "a connection to a server that drains works"
    site.lab.wait_for(lambda: site.endpoint(3) not in site.agent.backends(), 70, "it to be gone")
    server.stop()


def test_a_slice_that_somebody_deletes_changes_nothing_and_comes_back(site):
    second = site.plane.start_server(site.hosts[1])
    site.wait_up(1, 2)
    stopped = threading.Event()
    seen = set()

    def look():
        while not stopped.wait(0.05):
            seen.add(tuple(sorted(site.agent.backends())))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        site.plane.kubectl("-n", "default", "delete", "endpointslices", "-l", "kubernetes.io/service-name=kubernetes")
        site.lab.wait_for(lambda: site.slice() == [site.hosts[0].address, site.hosts[1].address], 40, "the API servers to write it anew")
        site.lab.wait_for(lambda: site.agent.status()["kubernetes"]["nodes"] == 2, 10, "the agent to know")
    finally:
        stopped.set()
        watcher.join()
    assert seen == {(site.endpoint(1), site.endpoint(2))}
    second.stop()
