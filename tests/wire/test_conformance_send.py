"""What the agent puts on the wire: RFC 9568 sections 5 and 6.4, RFC 3768 section 5, case by case.

docs/conformance.md lists the cases by the numbers in the tests' names.
"""

import socket
import subprocess

import pytest
from lab import Lab
from lab.wire import ARP, IP, Capture, Ether
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6, in6_chksum
from scapy.utils import checksum, wrpcap

OWN = "10.10.1.83"
VIPS = ["10.10.1.108", "10.10.1.109"]
VIPS6 = ["fe80::108", "2001:db8::108"]
PROTOCOL = 112


class Seen:
    """One agent from its start to its clean stop, as seen on its wire."""

    def __init__(self, lab, version, addresses, vrrp):
        host = lab.host("router", OWN, ipv6="2001:db8::83/64")
        self.mac = host.mac
        with Capture(host, "ip proto 112 or ip6 proto 112 or arp or icmp6") as capture:
            agent = host.start_agent({
                "vip": {"addresses": addresses}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]},
                "vrrp": {"version": version, "priority": 100, **vrrp},
            })  # fmt: skip
            lab.wait_for(lambda: agent.state == "MASTER", 15, "MASTER")
            self.link_local = next((router["primaryAddress"] for router in agent.status()["routers"] if router["family"] == "ipv6"), None)
            before = agent.metrics("vrrp_adverts_sent_total")
            lab.wait_for(lambda: agent.metrics("vrrp_adverts_sent_total") >= before + 3, 10, "advertisements")
            assert agent.stop() == 0
            lab.wait_for(lambda: any(self._priority(each) == 0 for each in capture.packets), 5, "priority 0")
        self.packets = capture.packets
        self.adverts = [each for each in self.packets if self._priority(each) is not None]

    @staticmethod
    def _payload(packet):
        for layer in (IP, IPv6):
            if layer in packet and (packet[layer].proto if layer is IP else packet[layer].nh) == PROTOCOL:
                return bytes(packet[layer].payload)
        return None

    def _priority(self, packet):
        payload = self._payload(packet)
        return payload[2] if payload else None

    def payloads(self, priority):
        return [self._payload(each) for each in self.adverts if self._priority(each) == priority]


def addresses_of(texts):
    return b"".join(socket.inet_pton(socket.AF_INET6 if ":" in each else socket.AF_INET, each) for each in texts)


@pytest.fixture(scope="module")
def version2():
    with Lab(vips=VIPS) as lab:
        yield Seen(lab, 2, VIPS, {"advertInterval": "1s", "authentication": {"type": "PASS", "password": "secret12"}})


@pytest.fixture(scope="module")
def version3():
    with Lab(vips=VIPS) as lab:
        yield Seen(lab, 3, VIPS, {"advertInterval": "200ms"})


@pytest.fixture(scope="module")
def over_ipv6():
    with Lab(vips=VIPS6) as lab:
        yield Seen(lab, 3, VIPS6, {"advertInterval": "200ms"})


def check_envelope(seen):
    for each in seen.adverts:
        assert (each[Ether].src, each[Ether].dst) == (seen.mac, "01:00:5e:00:00:12")
        assert (each[IP].src, each[IP].dst, each[IP].ttl, each[IP].tos) == (OWN, "224.0.0.18", 255, 0xC0)


@pytest.mark.parametrize("priority", [100, 0])
def test_case_01_version_2(version2, priority):
    check_envelope(version2)
    for payload in version2.payloads(priority):
        assert payload[:6] == bytes([0x21, 51, priority, 2, 1, 1])
        assert payload[8:] == addresses_of(VIPS) + b"secret12"
        assert checksum(payload) == 0
    assert version2.payloads(priority)


@pytest.mark.parametrize("priority", [100, 0])
def test_case_02_version_3(version3, priority):
    check_envelope(version3)
    for payload in version3.payloads(priority):
        # 200 ms are 20 centiseconds; the reserved bits are zero.
        assert payload[:6] == bytes([0x31, 51, priority, 2, 0, 20])
        assert payload[8:] == addresses_of(VIPS)
        ends = addresses_of([OWN, "224.0.0.18"]) + bytes([0, PROTOCOL, 0, len(payload)])
        assert checksum(ends + payload) == 0
    assert version3.payloads(priority)


@pytest.mark.parametrize("priority", [100, 0])
def test_case_03_version_3_over_ipv6(over_ipv6, priority):
    for each in over_ipv6.adverts:
        assert (each[Ether].src, each[Ether].dst) == (over_ipv6.mac, "33:33:00:00:00:12")
        assert (each[IPv6].src, each[IPv6].dst, each[IPv6].hlim, each[IPv6].tc) == (over_ipv6.link_local, "ff02::12", 255, 0xC0)
    for payload in over_ipv6.payloads(priority):
        assert payload[:6] == bytes([0x31, 51, priority, 2, 0, 20])
        assert payload[8:] == addresses_of(VIPS6)
        assert in6_chksum(PROTOCOL, IPv6(src=over_ipv6.link_local, dst="ff02::12"), payload) == 0
    assert over_ipv6.payloads(priority)


@pytest.mark.parametrize("vip", VIPS)
def test_case_06_gratuitous_arp_as_request_and_as_reply(version3, vip):
    found = [each[ARP] for each in version3.packets if ARP in each and each[ARP].psrc == vip]
    assert {(each.pdst, each.hwsrc) for each in found} == {(vip, version3.mac)}
    # Linux believes a reply only if its target is no broadcast; some switches believe one of the two kinds alone.
    assert {each.op for each in found} == {1, 2}
    assert all(each.hwdst == version3.mac for each in found if each.op == 2)
    assert len(found) >= 2


@pytest.mark.parametrize("vip", VIPS6)
def test_case_07_unsolicited_neighbor_advertisement(over_ipv6, vip):
    found = [each for each in over_ipv6.packets if ICMPv6ND_NA in each and each[ICMPv6ND_NA].tgt == vip]
    assert found
    for each in found:
        assert (each[Ether].dst, each[IPv6].dst, each[IPv6].hlim) == ("33:33:00:00:00:01", "ff02::1", 255)
        assert (each[ICMPv6ND_NA].S, each[ICMPv6ND_NA].O) == (0, 1)
        assert each[ICMPv6NDOptDstLLAddr].lladdr == over_ipv6.mac
        assert in6_chksum(socket.IPPROTO_ICMPV6, each[IPv6], bytes(each[IPv6].payload)) == 0


def test_case_08_the_advertisement_goes_before_the_announcement(version3):
    advertised = next(float(each.time) for each in version3.packets if version3._priority(each) == 100)
    announced = next(float(each.time) for each in version3.packets if ARP in each and each[ARP].psrc in VIPS)
    assert advertised < announced


def test_case_09_nothing_speaks_for_the_vip_before_and_after(version3):
    kinds = [version3._priority(each) for each in version3.packets if version3._priority(each) is not None or (ARP in each and each[ARP].psrc in VIPS)]
    # First word: an advertisement; last ones: priority 0, with no ARP of the VIP behind them.
    assert kinds[0] == 100 and kinds[-1] == 0
    first = kinds.index(0)
    assert set(kinds[first:]) == {0}


@pytest.mark.parametrize("fixture", ["version2", "version3", "over_ipv6"])
def test_tcpdump_decodes_every_packet_without_complaint(fixture, request, tmp_path):
    seen = request.getfixturevalue(fixture)
    file = str(tmp_path / "seen.pcap")
    wrpcap(file, seen.packets)
    run = subprocess.run(["tcpdump", "-nn", "-vvv", "-r", file], capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.lower()
    assert lines.count("advertisement, vrid 51") == len(seen.adverts), run.stdout
    for complaint in ("bad", "invalid", "truncated", "[|", "wrong", "incorrect"):
        assert complaint not in lines, run.stdout


@pytest.mark.parametrize("fixture", ["version2", "version3", "over_ipv6"])
def test_tshark_decodes_every_packet_without_complaint(fixture, request, tmp_path):
    seen = request.getfixturevalue(fixture)
    file = str(tmp_path / "seen.pcap")
    wrpcap(file, seen.packets)
    check = ["-o", "vrrp.v3_checksum_as_in_v2:FALSE", "-o", "ip.check_checksum:TRUE"]
    run = subprocess.run(
        ["tshark", "-n", "-r", file, *check, "-T", "fields", "-E", "separator=;", "-e", "frame.protocols", "-e", "vrrp.checksum.status", "-e", "_ws.expert.message", "-e", "_ws.malformed"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    rows = [line.split(";") for line in run.stdout.splitlines()]
    advertisements = [row for row in rows if row[0].endswith(":vrrp")]
    assert len(advertisements) == len(seen.adverts), run.stdout
    # 1: good.
    assert {row[1] for row in advertisements} == {"1"}, run.stdout
    # That several hosts may use one address, or that a router is going, is not about the form of a packet.
    complaints = {row[2] for row in rows if row[2]} | {row[3] for row in rows if row[3]}
    assert not {each for each in complaints if "uplicate" not in each}, complaints
