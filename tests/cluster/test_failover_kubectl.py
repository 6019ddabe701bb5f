"""The whole path: three hosts, each with a real API server and an agent, and kubectl through the VIP."""

import time

import pytest
from lab import PATIENCE, ControlPlane, Lab, find_apiserver

VIP = "10.10.1.108"

pytestmark = pytest.mark.skipif(find_apiserver() is None, reason="no kube-apiserver here; tests/setup.sh apiserver builds one")


class Cluster:
    def __init__(self, lab):
        self.lab = lab
        self.hosts = lab.masters()
        self.plane = ControlPlane(lab, VIP)
        self.plane.start(*self.hosts)
        for host in self.hosts:
            self.plane.add_node(host)
        for number, host in enumerate(self.hosts):
            host.start_agent(
                {
                    "vip": {"addresses": [VIP]},
                    "vrrp": {"priority": 100 + number},
                    "loadBalancer": {"healthCheck": {"caFile": lab.authority.certificate}},
                    # Each host knows its own API server; the other two come from the Node list.
                    "backends": {"static": [f"{host.address}:6443"], "kubernetes": {"kubeconfig": [self.plane.admin_conf()]}},
                }
            )

    def whole(self):
        for host in self.hosts:
            if not host.agent.alive:
                host.agent.restart()
        self.lab.wait_for(lambda: self.lab.holders(VIP) == ["master3"], 15, "the VIP on master3")
        self.lab.wait_for(lambda: all(len(host.agent.up()) == 3 for host in self.hosts), 15, "three backends up on each host")
        return self

    def kubectl(self, *arguments):
        """Through the VIP, as an administrator; the server's certificate is verified for the VIP."""
        return self.plane.kubectl(*arguments, host=self.lab.client_host, server=self.plane.endpoint, kubeconfig=self.plane.admin_conf())


@pytest.fixture(scope="module")
def shared():
    with Lab() as lab:
        yield Cluster(lab)


@pytest.fixture
def cluster(shared):
    return shared.whole()


def nodes(cluster):
    return cluster.kubectl("get", "nodes", "-o", "name").split()


ALL = ["node/master1", "node/master2", "node/master3"]


def test_kubectl_works_through_the_vip_before_and_after_a_failover(cluster):
    assert nodes(cluster) == ALL
    cluster.hosts[2].agent.kill()
    cluster.lab.wait_for(lambda: cluster.lab.holders(VIP) == ["master2"], 10, "the VIP on master2 alone")
    assert nodes(cluster) == ALL
    cluster.kubectl("label", "node", "master1", "seen-through=vip")
    cluster.kubectl("label", "node", "master1", "seen-through-")


def test_a_client_of_the_vip_sees_a_short_outage_when_the_holder_is_killed(cluster):
    with cluster.lab.client(VIP, path="/readyz", period=0.02, ca=cluster.lab.authority.certificate) as client:
        cluster.lab.wait_for(lambda: client.successes() >= 20, 10, "answers")
        killed = time.monotonic()
        cluster.hosts[2].agent.kill()
        cluster.lab.wait_for(lambda: cluster.hosts[1].holds(VIP), 10, "the VIP on master2")
        after = time.monotonic()
        cluster.lab.wait_for(lambda: client.successes(since=after) >= 30, 10, "answers after the failover")
    assert client.longest_outage(since=killed - 0.5) < 4 * PATIENCE
    assert set(client.failures(since=after + 1.5 * PATIENCE)) == set()


def test_an_api_server_that_dies_is_not_missed_by_kubectl(cluster):
    server = cluster.plane.server(cluster.hosts[0])
    server.kill()
    try:
        for _ in range(4):
            assert nodes(cluster) == ALL
        cluster.lab.wait_for(lambda: all(len(host.agent.up()) == 2 for host in cluster.hosts), 10, "the dead API server to be marked down")
        assert cluster.lab.holders(VIP) == ["master3"]
        assert nodes(cluster) == ALL
    finally:
        cluster.plane.start_server(cluster.hosts[0])
    cluster.whole()


def test_a_cut_host_loses_the_vip_and_kubectl_goes_on(cluster):
    cluster.hosts[2].cut_link()
    try:
        cluster.lab.wait_for(lambda: cluster.hosts[1].holds(VIP), 10, "the VIP on master2")
        assert nodes(cluster) == ALL
    finally:
        cluster.hosts[2].heal_link()
    cluster.whole()
    assert nodes(cluster) == ALL


def test_a_fourth_host_that_joins_serves_within_a_second(cluster):
    fourth = cluster.lab.host("master4", "10.10.1.86")
    cluster.plane.start_server(fourth)
    cluster.plane.add_node(fourth)
    joined = time.monotonic()
    cluster.lab.wait_for(lambda: all("10.10.1.86:6443" in host.agent.backends() for host in cluster.hosts), 10, "the fourth backend", interval=0.01)
    assert time.monotonic() - joined < PATIENCE
    cluster.lab.wait_for(lambda: all("10.10.1.86:6443" in host.agent.up() for host in cluster.hosts), 10, "the fourth backend to be up")
    cluster.plane.delete_node("master4")
    cluster.plane.server(fourth).stop()
