"""How API servers share the work behind the balancer: the evidence for docs/questions.md. Prints what it saw."""

import json
import re
import threading

import pytest
from lab import ControlPlane, Lab, find_apiserver

VIP = "10.10.1.108"
PORT = 16443
REQUESTS = 60

pytestmark = pytest.mark.skipif(find_apiserver() is None, reason="no kube-apiserver here; tests/setup.sh apiserver builds one")


@pytest.fixture(scope="module")
def site():
    """(lab, hosts, plane): three API servers on one etcd, and an agent in front of them."""
    with Lab() as lab:
        hosts = lab.masters()
        plane = ControlPlane(lab, VIP)
        plane.start(*hosts)
        hosts[0].start_agent(
            {
                "vip": {"addresses": [VIP]},
                "loadBalancer": {"healthCheck": {"caFile": lab.authority.certificate, "interval": "500ms"}},
                "backends": {"static": [f"{host.address}:6443" for host in hosts]},
            }
        )
        lab.wait_for(lambda: hosts[0].holds(VIP) and len(hosts[0].agent.up()) == 3, 20, "the VIP and three API servers that are up")
        yield lab, hosts, plane


def through_the_vip(plane, *arguments, **options):
    return plane.kubectl(*arguments, server=f"https://{VIP}:{PORT}", **options)


def served(plane, host):
    """How many reads of one ConfigMap this API server has answered, as it counts them itself."""
    text = plane.kubectl("get", "--raw", "/metrics", server=f"https://{host.address}:6443")
    pattern = r'^apiserver_request_total\{[^}]*resource="configmaps"[^}]*verb="GET"[^}]*\} (\S+)'
    return sum(float(value) for value in re.findall(pattern, text, re.M))


def test_every_api_server_serves_requests(site):
    _, hosts, plane = site
    through_the_vip(plane, "create", "configmap", "shared", "--from-literal=a=1")
    before = {host.name: served(plane, host) for host in hosts}
    for _ in range(REQUESTS):
        through_the_vip(plane, "get", "configmap", "shared", "-o", "name")
    counts = {host.name: served(plane, host) - before[host.name] for host in hosts}
    print(f"{REQUESTS} kubectl calls through the VIP were answered by: {counts}")
    assert sum(counts.values()) >= REQUESTS and all(count > REQUESTS / 6 for count in counts.values())


def test_what_is_written_through_one_is_seen_by_watches_on_all(site):
    _, hosts, plane = site
    version = json.loads(through_the_vip(plane, "get", "configmaps", "-n", "default", "-o", "json"))["metadata"]["resourceVersion"]
    seen = {}

    def watch(host):
        path = f"/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=5&resourceVersion={version}"
        seen[host.name] = plane.kubectl("get", "--raw", path, server=f"https://{host.address}:6443")

    watches = [threading.Thread(target=watch, args=(host,)) for host in hosts]
    for each in watches:
        each.start()
    through_the_vip(plane, "create", "configmap", "written-once", "--from-literal=a=1")
    for each in watches:
        each.join(60)
    found = {name: [json.loads(line)["type"] for line in text.splitlines() if "written-once" in line] for name, text in seen.items()}
    print(f"one ConfigMap created through the VIP; each server's own watch saw: {found}")
    assert found == {host.name: ["ADDED"] for host in hosts}


def test_of_two_that_want_the_same_lease_one_wins_whichever_servers_they_ask(site):
    _, hosts, plane = site
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "leader", "namespace": "default"}, "spec": {"holderIdentity": "nobody"}}
    through_the_vip(plane, "create", "-f", "-", input=json.dumps(lease))
    current = json.loads(through_the_vip(plane, "get", "lease", "leader", "-o", "json"))
    outcomes = {}

    def take(name, host):
        mine = json.loads(json.dumps(current))
        mine["spec"]["holderIdentity"] = name
        try:
            plane.kubectl("replace", "-f", "-", server=f"https://{host.address}:6443", input=json.dumps(mine))
            outcomes[name] = "holds it"
        except RuntimeError as error:
            outcomes[name] = "conflict" if "Conflict" in str(error) else str(error)

    rivals = [threading.Thread(target=take, args=(f"controller-{i}", host)) for i, host in enumerate(hosts)]
    for each in rivals:
        each.start()
    for each in rivals:
        each.join(60)
    print(f"three controllers took one Lease at three API servers at once: {outcomes}")
    assert sorted(outcomes.values()) == ["conflict", "conflict", "holds it"], outcomes
