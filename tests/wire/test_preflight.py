"""fairlead preflight: each finding provoked, and none on a healthy host."""

import contextlib
import ctypes
import json
import os
import subprocess
import threading
import time

import pytest
from lab import Lab, guest
from lab.agent import binary
from lab.wire import raw_vrrp, send

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
    mac = squatter.mac
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


def all_findings(host, *arguments):
    """{id: finding} with nothing left out, of a host whose only identity is what the arguments say."""
    command = [binary(), "preflight", "--vip", VIP, "--ca-file", host.lab.authority.certificate, "-o", "json", *arguments]
    run = subprocess.run(["nsenter", f"--net=/var/run/netns/{host.namespace}", "--", *command], capture_output=True, text=True, timeout=60)
    return {each["id"]: each for each in json.loads(run.stdout)["findings"]}


def clock_is_kept():
    """adjtimex(2): of the machine, which the tests must not touch."""
    clock = (ctypes.c_char * 256)()
    state = ctypes.CDLL(None).adjtimex(clock)
    unsynchronised = 0x40
    return state >= 0 and not int.from_bytes(clock[40:44], "little") & unsynchronised


def rp_filter(host, value):
    for interface in ("all", "eth0"):
        host.run("sysctl", "-q", "-w", f"net.ipv4.conf.{interface}.rp_filter={value}")


def test_where_all_is_well_nothing_at_all_is_said(host):
    rp_filter(host, 2)
    server = host.stand_in()
    kubeconfig = host.lab.authority.kubeconfig("admin", "/O=system:masters/CN=admin", "https://127.0.0.1:6443", host.directory)
    findings = all_findings(host, "--kubeconfig", kubeconfig)
    # The machine's own clock is as it is.
    assert findings.keys() == (set() if clock_is_kept() else {"clock"})
    assert server.process.alive


def test_a_strict_reverse_path_filter_is_told(host):
    rp_filter(host, 1)
    found = all_findings(host)["reversePathFilter"]
    assert found["severity"] == "note" and "eth0" in found["what"] and "net.ipv4.conf.eth0.rp_filter=2" in found["fix"]
    rp_filter(host, 0)
    assert "reversePathFilter" not in all_findings(host)


def test_an_interface_that_is_down_is_told(host):
    host.ip("link", "set", "eth0", "down")
    code, findings = preflight(host, "--interface", "eth0")
    assert code == 1 and "eth0 is down" in findings["interface"]["what"]


def test_an_identity_that_may_not_list_nodes_is_told(host):
    server = host.stand_in()
    server.tell("answer", status=403, reason="Forbidden", message='nodes is forbidden: User "nobody" cannot list resource "nodes"')
    kubeconfig = host.lab.authority.kubeconfig("admin", "/CN=nobody", "https://127.0.0.1:6443", host.directory)
    code, findings = preflight(host, "--kubeconfig", kubeconfig)
    assert code == 0 and kubeconfig in findings["permission"]["what"] and "fairlead manifest rbac" in findings["permission"]["fix"], findings


def test_rights_that_are_missing_beside_the_list_are_told(host):
    server = host.stand_in()
    kubeconfig = host.lab.authority.kubeconfig("admin", "/CN=nobody", "https://127.0.0.1:6443", host.directory)
    server.tell("rights", denied=["create events"])
    code, findings = preflight(host, "--kubeconfig", kubeconfig)
    assert code == 0 and f"{kubeconfig} may not create events" in findings["permission"]["what"] and findings["permission"]["severity"] == "note", findings
    server.tell("rights", denied=["watch nodes"])
    code, findings = preflight(host, "--kubeconfig", kubeconfig)
    assert code == 0 and f"{kubeconfig} may not watch nodes" in findings["permission"]["what"] and findings["permission"]["severity"] == "warning", findings


def test_the_rights_asked_for_are_those_of_the_source(host):
    server = host.stand_in()
    kubeconfig = host.lab.authority.kubeconfig("admin", "/CN=nobody", "https://127.0.0.1:6443", host.directory)
    flags = ("--kubeconfig", kubeconfig, "--source", "endpointslices")
    server.tell("rights", denied=["watch nodes"])
    assert preflight(host, *flags) == (0, {})
    server.tell("rights", denied=["watch endpointslices"])
    found = preflight(host, *flags)[1]["permission"]
    assert f"{kubeconfig} may not watch endpointslices" in found["what"] and found["fix"] == "fairlead manifest rbac --source endpointslices | kubectl apply -f -"
    server.tell("answer", times=0, status=403, reason="Forbidden")
    found = preflight(host, *flags)[1]["permission"]
    assert f"{kubeconfig} may not list EndpointSlices" in found["what"] and "create role fairlead" in found["why"] and "--source endpointslices" in found["fix"]
    # An old server serves the beta alone.
    server.tell("answer", times=0)
    server.tell("rights", denied=[])
    server.tell("version", minor="20")
    assert preflight(host, *flags) == (0, {})


def test_the_peers_udp_port_that_is_taken_is_told_with_its_owner(lab, host):
    taker = "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 16445)); time.sleep(600)"
    host.start("taker", "/usr/bin/python3", "-c", taker)
    lab.wait_for(lambda: host.run("ss", "-Hlun", "sport", "=", ":16445"), 10, "the other program")
    code, findings = preflight(host)
    assert code == 0 and "UDP port 16445 (vrrp.peerPort) is taken by python3 (pid" in findings["portInUse"]["what"] and findings["portInUse"]["severity"] == "warning"
    assert preflight(host, "--peer-port", "16446") == (0, {}) and preflight(host, "--peer-port", "0") == (0, {})


def test_where_the_kernel_can_do_all_data_paths_nothing_is_said_and_nothing_left(host):
    host.forward()
    for path in ("nat", "dsr", "auto"):
        assert preflight(host, "--data-path", path) == (0, {}), path
    assert preflight(host, "--data-path", "nat", "--algorithm", "sourceHash") == (0, {})
    assert host.run("nft", "list", "ruleset") == ""


def test_rules_of_somebody_else_are_not_disturbed_by_the_trial(host):
    host.forward()
    drop(host, "ip", "protocol", "112")
    before = host.run("nft", "list", "ruleset")
    monitor = host.start("monitor", "/usr/sbin/nft", "monitor")
    for path in ("nat", "dsr"):
        assert preflight(host, "--data-path", path) == (0, {}), path
    assert host.run("nft", "list", "ruleset") == before
    host.run("nft", "add", "table", "ip", "seen")
    host.lab.wait_for(lambda: "add table ip seen" in monitor.text(), 10, "the monitor")
    assert "trial" not in monitor.text()


def test_an_interface_without_a_mac_is_none_for_dsr(host):
    host.forward()
    host.ip("tuntap", "add", "tun0", "mode", "tun")
    host.ip("address", "add", "10.10.9.83/24", "dev", "tun0")
    host.ip("link", "set", "tun0", "up")
    found = all_findings(host, "--data-path", "dsr", "--interface", "tun0")["kernel"]
    assert found["severity"] == "error" and "tun0 has no MAC address" in found["what"]


def test_a_kernel_without_the_parts_and_a_clock_that_nothing_keeps_are_told():
    """In a kernel of its own, Debian's user-mode Linux, which has nftables without IPv4, and whose clock may be touched."""
    output = guest.run(os.path.join(os.path.dirname(os.path.abspath(__file__)), "preflight_program.py"))
    assert "the kernel: found" in output and "the clock: found" in output, output


def test_a_host_that_has_an_ipv6_vip_is_named_by_its_mac(lab):
    vip = "fd00:10::108"
    host = lab.host("master1", "10.10.1.83", ipv6="fd00:10::83/64")
    squatter = lab.host("squatter", "10.10.1.66", ipv6="fd00:10::66/64")
    lab.wait_for(lambda: "fe80::" in (text := host.ip("-6", "address", "show", "dev", "eth0")) and "tentative" not in text, 10, "the link-local address")
    assert preflight(host, vip=vip) == (0, {})
    squatter.ip("address", "add", f"{vip}/128", "dev", "eth0", "nodad")
    mac = squatter.mac
    code, findings = preflight(host, vip=vip)
    assert code == 1 and mac in findings["vipInUse"]["what"] and vip in findings["vipInUse"]["what"]
    assert "fd00:10::83" not in squatter.ip("-6", "neighbour", "show")


def paired(lab, hosts, *arguments, wait=6):
    """{host name: (exit code, {id: finding})} of preflights that run on all of them at the same time."""
    running = {}
    for host in hosts:
        command = [binary(), "preflight", "--vip", VIP, "--ca-file", lab.authority.certificate, "-o", "json", "--wait", str(wait), *arguments]
        for other in hosts:
            command += ["--with", other.address] if other is not host else []
        running[host.name] = subprocess.Popen(["nsenter", f"--net=/var/run/netns/{host.namespace}", "--", *command], stdout=subprocess.PIPE, text=True)
    results = {}
    for name, process in running.items():
        text, _ = process.communicate(timeout=120)
        findings = {each["id"]: each for each in json.loads(text)["findings"]}
        for usual in ("clock", "noKubeconfig", "reversePathFilter"):
            findings.pop(usual, None)
        results[name] = (process.returncode, findings)
    return results


@pytest.fixture
def pair(lab):
    return lab.masters(2)


def drop(host, *match):
    """On its way in."""
    host.run("nft", "add", "table", "inet", "test")
    host.run("nft", "add", "chain", "inet", "test", "in", "{ type filter hook input priority 0; }")
    host.run("nft", "add", "rule", "inet", "test", "in", *match, "drop")


def test_hosts_between_which_everything_passes_hear_nothing_bad(lab, pair):
    assert paired(lab, pair, wait=60) == {"master1": (0, {}), "master2": (0, {})}
    assert paired(lab, pair, "--transport", "unicast", "--peer", pair[0].address, "--peer", pair[1].address, wait=60) == {"master1": (0, {}), "master2": (0, {})}


def test_a_filter_for_protocol_112_is_found_and_its_direction_told(lab, pair):
    drop(pair[1], "ip", "protocol", "112")
    results = paired(lab, pair)
    assert results["master1"][0] == 1 and "10.10.1.84 is heard here, but it doesn't hear this host" in results["master1"][1]["peerDeaf"]["what"]
    assert results["master2"][0] == 1 and "nothing of 10.10.1.83" in results["master2"][1]["peerUnheard"]["what"]


def test_a_filter_for_multicast_alone_is_found(lab, pair):
    for host in pair:
        drop(host, "ip", "daddr", "224.0.0.18")
    code, findings = paired(lab, pair)["master1"]
    assert code == 1 and "though unicast does" in findings["peerUnheard"]["what"] and "vrrp.transport: unicast" in findings["peerUnheard"]["fix"]
    assert paired(lab, pair, "--transport", "unicast", "--peer", pair[0].address, "--peer", pair[1].address, wait=60)["master1"] == (0, {})


def test_a_filter_for_the_peers_udp_port_is_found(lab, pair):
    drop(pair[1], "udp", "dport", "16445")
    results = paired(lab, pair)
    assert results["master1"] == (0, {})
    code, findings = results["master2"]
    assert code == 0 and list(findings) == ["peerPort"] and "nothing of 10.10.1.83 has come through to UDP port 16445" in findings["peerPort"]["what"]


@contextlib.contextmanager
def another_preflight(host, heard, clock_ahead):
    """One on this host in other words, as long as it lasts: it hears the other and says so, and its clock is off by that many seconds."""
    ends = threading.Event()

    def probes():
        while not ends.wait(0.2):
            clock = round((time.time() + clock_ahead) * 1000)
            for large in (0, 1):
                payload = b"\x0f\x00FAIRP\x02" + bytes([large, 1]) + clock.to_bytes(8, "big") + bytes(10) + b"\xff\xff" + bytes(map(int, heard.split(".")))
                send(host, raw_vrrp(host.address, payload))

    sender = threading.Thread(target=probes)
    sender.start()
    try:
        yield
    finally:
        ends.set()
        sender.join()


@pytest.mark.parametrize(("ahead", "said"), [(90, "90 s ahead of"), (-90, "90 s behind"), (0, None)])
def test_a_host_whose_clock_is_off_is_found(pair, ahead, said):
    with another_preflight(pair[1], pair[0].address, ahead):
        code, findings = preflight(pair[0], "--with", pair[1].address, "--wait", "20")
    if said:
        assert code == 0 and list(findings) == ["clockSkew"] and f"the clock of 10.10.1.84 is {said} this host's" in findings["clockSkew"]["what"]
    else:
        assert (code, findings) == (0, {})


def test_a_smaller_mtu_on_the_way_is_found(lab, pair):
    # The switch's port towards the other passes small frames only, as a tunnel does.
    lab._ip("link", "set", "master2", "mtu", "1400")
    pair[1].ip("link", "set", "eth0", "mtu", "1500")
    code, findings = paired(lab, pair)["master2"]
    assert code == 0 and "packets of 1500 bytes from 10.10.1.83 don't arrive" in findings["mtu"]["what"], findings


def test_a_probe_is_no_advertisement_to_those_who_run(lab, pair):
    for number, host in enumerate(pair):
        host.start_agent({"vip": {"addresses": [VIP]}, "vrrp": {"priority": 110 - number}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]}})
    lab.wait_for(lambda: [host.agent.state for host in pair] == ["MASTER", "BACKUP"], 10, "the VIP")
    assert paired(lab, pair, wait=60) == {"master1": (0, {}), "master2": (0, {})}
    assert [host.agent.metrics("vrrp_packets_rejected_total") for host in pair] == [0, 0]


def test_what_with_names_must_be_an_address(host):
    run = subprocess.run([binary(), "preflight", "--vip", VIP, "--with", "master2"], capture_output=True, text=True, timeout=30)
    assert run.returncode == 1 and "--with: 'master2'" in run.stderr, run.stderr
