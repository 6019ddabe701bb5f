"""What a person can get wrong: one line that names what and where, exit 1 where the agent cannot work without it."""

import os
import re

import pytest
from lab import Lab

VIP = "10.10.1.108"
HEAD = "apiVersion: fairlead.dev/v1alpha1\nkind: FairleadConfiguration\n"
BACKENDS = """backends:
  static: ["10.10.1.83:6443"]
  cacheFile: ""
  kubernetes: {kubeconfig: []}
loadBalancer:
  healthCheck: {type: tcp}
"""
GOOD = f"{HEAD}vip:\n  addresses: [{VIP}]\n{BACKENDS}"


@pytest.fixture(scope="module")
def lab():
    with Lab() as lab:
        lab.host("master1", "10.10.1.83")
        yield lab


@pytest.fixture
def host(lab):
    return lab.hosts["master1"]


def refusal(host, text, *arguments):
    """The one line by which the agent refuses to start."""
    agent = host.start_agent(text, arguments, wait=False)
    assert agent.popen.wait(10) == 1, agent.tail()
    # Information of the start aside.
    lines = [line for line in agent.text().splitlines() if not re.match(r"^I\d{4} ", line)]
    assert len(lines) == 1, agent.tail()
    return lines[0].replace(agent.file, "FILE")


def test_the_good_configuration_starts_and_stops(lab, host):
    agent = host.start_agent(GOOD)
    lab.wait_for(lambda: host.holds(VIP), 10, "the VIP")
    assert agent.stop() == 0
    assert not host.holds(VIP)


@pytest.mark.parametrize(
    "text, expected",
    [
        (f"{GOOD}vrrrp:\n  version: 3\n", r"^FILE:11: vrrrp: .*did you mean vrrp"),
        (GOOD.replace("  static:", "  statc:"), r"^FILE:6: .*statc.*static"),
        (f"{GOOD}vrrp:\n  advertInterval: 200 parsecs\n", r"^FILE:12: .*advertInterval.*200 parsecs"),
        (f"{GOOD}vrrp:\n  version: 2\n  advertInterval: 200ms\n", r"^FILE:13: .*advertInterval: 200ms.*whole seconds"),
        (f"{GOOD}vrrp:\n  virtualRouterID: 256\n", r"^FILE:12: .*virtualRouterID.*256"),
        (GOOD.replace(VIP, "10.10.1.300"), r"^FILE:4: .*vip.addresses.*10\.10\.1\.300"),
        (GOOD.replace(VIP, "10.10.1.83").replace("83:6443", "84:6443"), r"^FILE:4: .*vip.addresses.*10\.10\.1\.83"),
        (GOOD.replace("addresses:", "interface: eth9\n  addresses:"), r"^FILE:4: .*vip.interface.*eth9"),
        (GOOD.replace("addresses: [10", "addresses: [10\t: {"), r"^FILE:\d+: "),
        ("", r"^FILE(:1)?: "),
    ],
    ids=["unknown key", "unknown inner key", "bad duration", "interval of version 2", "number too large", "bad address",
         "the host's own address", "missing interface", "broken YAML", "empty file"],
)  # fmt: skip
def test_a_mistake_in_the_file_is_told_with_its_line(host, text, expected):
    assert re.search(expected, refusal(host, text))


def test_a_vip_outside_every_subnet_is_refused_where_no_route_leads_on(host):
    host.ip("route", "del", "default")
    try:
        line = refusal(host, GOOD.replace(VIP, "192.0.2.1"))
    finally:
        host.ip("route", "add", "default", "via", "10.10.1.1")
    assert re.search(r"^FILE:4: .*vip.addresses.*192\.0\.2\.1.*subnet.*10\.10\.1\.83/24", line)


def test_a_port_in_use_is_told_with_its_key(lab, host):
    taken = host.backend(port=16443, tls=False)
    try:
        line = refusal(host, GOOD.replace("loadBalancer:\n", 'loadBalancer:\n  bind: ["0.0.0.0:16443"]\n'))
        assert re.search(r"FILE:10: .*loadBalancer.bind.*16443.*in use", line)
        assert re.search(r"loadBalancer.bind.*16443.*in use", refusal(host, GOOD))
    finally:
        taken.kill()
    assert not host.holds(VIP)
    taken = host.backend(port=16444, tls=False)
    try:
        assert re.search(r"admin.bind.*16444.*in use", refusal(host, GOOD))
    finally:
        taken.kill()


def test_a_missing_file_and_a_bad_flag_are_told(host):
    agent = host.start_agent(GOOD, ["--config", "/nonexistent/fairlead.yaml"], wait=False)
    assert agent.popen.wait(10) in (1, 2)
    line = refusal(host, GOOD, "--vrid", "0")
    assert "--vrid" in line
    agent = host.start_agent(GOOD, ["--virtual-router", "1"], wait=False)
    assert agent.popen.wait(10) == 2
    assert "--virtual-router" in agent.text()


@pytest.mark.parametrize("content", [None, "", "not: [a, kubeconfig", "apiVersion: v1\nkind: Config\nclusters: []\n"], ids=["missing", "empty", "broken", "hollow"])
def test_an_unreadable_kubeconfig_is_told_and_tried_again_while_vip_and_balancer_work(lab, host, content):
    backend = host.backend(tls=False)
    kubeconfig = f"{host.directory}/admin.conf"
    if content is not None:
        with open(kubeconfig, "w") as file:
            file.write(content)
    agent = host.start_agent(GOOD.replace("kubeconfig: []", f"kubeconfig: [{kubeconfig}]"))
    try:
        lab.wait_for(lambda: host.holds(VIP), 10, "the VIP")
        assert lab.client_host.http_get(VIP, 16443, "/")[1] == "master1"
        error = lab.wait_for(lambda: agent.status()["kubernetes"]["lastError"], 5, "the error in the status")
        assert kubeconfig in error
        assert kubeconfig in agent.text()
    finally:
        backend.kill()
        assert agent.stop() == 0
        if content is not None:
            os.remove(kubeconfig)
