"""fairlead preflight: each finding provoked, and none on a healthy host."""

import json
import subprocess

import pytest
from lab import Lab
from lab.agent import binary

VIP = "10.10.1.108"


@pytest.fixture
def lab():
    with Lab(vips=[VIP]) as made:
        yield made


@pytest.fixture
def host(lab):
    return lab.host("master1", "10.10.1.83")


def preflight(host, *arguments, vip=VIP):
    """(exit code, {id: finding}); without what every machine of the tests has: no cluster and perhaps no NTP."""
    command = [binary(), "preflight", "--vip", vip, "--ca-file", host.lab.authority.certificate, "-o", "json", *arguments]
    run = subprocess.run(["nsenter", f"--net=/var/run/netns/{host.namespace}", "--", *command], capture_output=True, text=True, timeout=30)
    assert run.stdout.startswith("{"), run.stderr
    findings = {each["id"]: each for each in json.loads(run.stdout)["findings"]}
    for usual in ("clock", "noKubeconfig", "reversePathFilter"):
        findings.pop(usual, None)
    assert all(each["what"] and each["why"] and each["fix"] for each in findings.values())
    return run.returncode, findings


def test_a_healthy_host_has_nothing_to_complain_about(host):
    assert preflight(host) == (0, {})


def test_a_running_group_is_nothing_to_complain_about_and_is_not_disturbed(lab, host):
    rival = lab.host("rival", "10.10.1.84")
    rival.start_agent({"vip": {"addresses": [VIP]}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]}})
    lab.wait_for(lambda: rival.holds(VIP), 10, "the VIP")
    before = rival.agent.metrics("vrrp_transitions_total")
    assert preflight(host) == (0, {})
    # Nor is the agent on the own host.
    assert preflight(rival) == (0, {})
    assert rival.agent.metrics("vrrp_transitions_total") == before and not rival.agent.status()["router"]["foreignHolders"]
    assert lab.holders(VIP) == ["rival"]


def test_another_cluster_with_the_number_is_found(lab, host):
    other = lab.host("other", "10.10.1.84")
    other.start_agent({"vip": {"addresses": ["10.10.1.200"]}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]}})
    lab.wait_for(lambda: other.holds("10.10.1.200"), 10, "its VIP")
    code, findings = preflight(host)
    assert code == 1 and "10.10.1.84 speaks VRRP" in findings["vridInUse"]["what"]


def test_a_peer_of_another_version_is_found(lab, host):
    other = lab.host("other", "10.10.1.84")
    other.start_agent({"vip": {"addresses": [VIP]}, "vrrp": {"version": 2, "advertInterval": "1s"}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]}})
    lab.wait_for(lambda: other.holds(VIP), 10, "the VIP")
    code, findings = preflight(host)
    assert code == 1 and "isn't understood" in findings["vridInUse"]["what"] and "version" in findings["vridInUse"]["what"]


def test_a_host_that_has_the_vip_without_vrrp_is_named_by_its_mac(lab, host):
    squatter = lab.host("squatter", "10.10.1.66")
    squatter.add_address(f"{VIP}/32")
    mac = squatter.ip("-br", "link", "show", "eth0").split()[2]
    code, findings = preflight(host)
    assert code == 1 and mac in findings["vipInUse"]["what"]
    # The probe came from nobody: it has taught the other host nothing.
    assert host.address not in squatter.ip("neighbour", "show")


def test_a_port_that_is_taken_is_told_with_its_owner(lab, host):
    host.start("taker", "/usr/bin/python3", "-m", "http.server", "16443")
    lab.wait_for(lambda: host.listens(16443), 10, "the other server")
    code, findings = preflight(host)
    assert code == 1 and "port 16443 (loadBalancer.bind) is taken by python3 (pid" in findings["portInUse"]["what"]


def test_an_api_server_whose_certificate_lacks_the_vip_is_found(lab, host):
    certificate, key = lab.authority.server("narrow", [host.address, "127.0.0.1"])
    host.start("server", "/usr/bin/openssl", "s_server", "-accept", "6443", "-cert", certificate, "-key", key, "-quiet")
    lab.wait_for(lambda: host.listens(6443), 10, "the server")
    code, findings = preflight(host)
    assert code == 1 and VIP in findings["certificate"]["what"] and "certSANs" in findings["certificate"]["fix"]


def test_a_kubeconfig_that_cannot_be_read_as_one_is_told_with_its_line(host):
    file = f"{host.directory}/broken.conf"
    with open(file, "w") as output:
        output.write("clusters: [")
    code, findings = preflight(host, "--kubeconfig", file)
    assert code == 0 and file in findings["kubeconfig"]["what"]


def test_missing_capabilities_are_named(host):
    command = ["nsenter", f"--net=/var/run/netns/{host.namespace}", "--", "setpriv", "--bounding-set=-net_raw,-sys_nice", binary(), "preflight", "--vip", VIP]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 1
    assert "error: CAP_NET_RAW is missing" in run.stdout and "warning: CAP_SYS_NICE is missing" in run.stdout, run.stdout
