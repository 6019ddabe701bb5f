"""Which advertisements count: the receive rules of RFC 9568 section 7.1 and RFC 3768 section 7.1, case by case.

The agent holds the VIP with priority 100, and each test sends it one packet of priority 200. One that counts makes it
BACKUP; one that does not leaves it MASTER, and is counted under its reason. docs/conformance.md lists the cases by the
numbers in the tests' names.
"""

import ipaddress
import struct

import pytest
from lab import Lab
from lab.wire import IP, Ether, Raw, send
from scapy.layers.inet import IPOption_NOP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.utils import checksum

STRANGER = "10.10.1.99"
VIP = {2: "10.10.1.108", 3: "10.10.1.109"}
VIRTUAL_ROUTER = {2: 51, 3: 52, 6: 53}
VIP6 = ["fe80::108", "2001:db8::108"]
GROUP = {4: "224.0.0.18", 6: "ff02::12"}
MULTICAST_MAC = {4: "01:00:5e:00:00:12", 6: "33:33:00:00:00:12"}
PASSWORD_LENGTH = 8


def message(router, priority=200, addresses=None, version=None, kind=1, virtual_router=None, count=None, word=None,
            source=STRANGER, tail=None, wrong_checksum=None, pseudo=True):  # fmt: skip
    """The bytes of an advertisement to the router `2`, `3` or `6` (version 3 over IPv6); every field can be made wrong.
    `word`: authentication type and interval of version 2, reserved bits and interval of version 3."""
    addresses = [ipaddress.ip_address(each) for each in (addresses if addresses is not None else VIP6 if router == 6 else [VIP[router]])]
    if version is None:
        version = 2 if router == 2 else 3
    if virtual_router is None:
        virtual_router = VIRTUAL_ROUTER[router]
    if word is None:
        word = 0x0001 if router == 2 else 20
    if tail is None:
        tail = bytes(PASSWORD_LENGTH) if router == 2 else b""
    body = b"".join(each.packed for each in addresses) + tail
    head = struct.pack("!BBBBH", version << 4 | kind, virtual_router, priority, len(addresses) if count is None else count, word)
    covered = head + b"\0\0" + body
    if router != 2 and pseudo:
        family = 6 if router == 6 else 4
        ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(GROUP[family]).packed
        length = struct.pack("!I3xB", len(covered), 112) if family == 6 else struct.pack("!xBH", 112, len(covered))
        covered = ends + length + covered
    sum_ = checksum(covered) if wrong_checksum is None else wrong_checksum
    return head + struct.pack("!H", sum_) + body


def frame(payload, source=STRANGER, ttl=255, **fields):
    return Ether(dst=MULTICAST_MAC[4]) / IP(src=source, dst=GROUP[4], ttl=ttl, proto=112, tos=0xC0, **fields) / Raw(payload)


def frame6(payload, source, hop_limit=255):
    return Ether(dst=MULTICAST_MAC[6]) / IPv6(src=source, dst=GROUP[6], hlim=hop_limit, nh=112, tc=0xC0) / Raw(payload)


class Rig:
    def __init__(self, lab):
        self.lab = lab
        self.stranger = lab.host("stranger", STRANGER)
        self.link_local = lab.wait_for(self._link_local, 10, "the stranger's link-local address")
        self.hosts = {}
        for number, (router, vips) in enumerate({2: [VIP[2]], 3: [VIP[3]], 6: VIP6}.items()):
            host = lab.host(f"router{router}", f"10.10.1.{83 + number}", ipv6=f"2001:db8::{83 + number}/64")
            host.start_agent({
                "vip": {"addresses": vips}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]},
                "vrrp": {"priority": 100, "virtualRouterID": VIRTUAL_ROUTER[router], **({"version": 2, "advertInterval": "1s"} if router == 2 else {"advertInterval": "200ms"})},
            })  # fmt: skip
            self.hosts[router] = host

    def _link_local(self):
        shown = self.stranger.ip("-6", "-o", "address", "show", "dev", "eth0", "scope", "link", "-tentative")
        return shown and shown.split()[3].partition("/")[0]

    def own_link_local(self, router):
        shown = self.hosts[router].ip("-6", "-o", "address", "show", "dev", "eth0", "scope", "link").splitlines()
        return next(address for line in shown if (address := line.split()[3].partition("/")[0]) not in VIP6)

    def master(self, router):
        agent = self.hosts[router].agent
        self.lab.wait_for(lambda: agent.state == "MASTER", 15, "MASTER")
        return agent

    def counted(self, router, *frames):
        """The advertisement counts."""
        agent = self.master(router)
        send(self.stranger, *frames)
        self.lab.wait_for(lambda: agent.state == "BACKUP", 5, "BACKUP")
        self.lab.wait_for(lambda: not self.hosts[router].holds(VIP6[1] if router == 6 else VIP[router]), 5, "the VIP to be given up")

    def discarded(self, router, reason, *frames):
        """It does not, and is counted once under `reason`; None: the kernel drops it, so that the next one, which is
        known to be rejected, is awaited instead."""
        agent = self.master(router)
        entered = agent.metrics("vrrp_transitions_total")
        marker = "type"
        before = agent.metrics("vrrp_packets_rejected_total", reason=reason or marker)
        send(self.stranger, *frames)
        if reason is None:
            other = message(router, kind=2, source=self.link_local if router == 6 else STRANGER)
            send(self.stranger, frame6(other, self.link_local) if router == 6 else frame(other))
        try:
            self.lab.wait_for(lambda: agent.metrics("vrrp_packets_rejected_total", reason=reason or marker) == before + 1, 5, f"one packet rejected for {reason}")
        except AssertionError:
            counts = [line for line in agent.metrics().splitlines() if "packets_rejected" in line and not line.endswith(" 0")]
            raise AssertionError(f"not counted once as {reason}: {counts}") from None
        assert agent.state == "MASTER"
        assert agent.metrics("vrrp_transitions_total") == entered


@pytest.fixture(scope="module")
def rig():
    with Lab(vips=[]) as lab:
        yield Rig(lab)


@pytest.mark.parametrize("router", [2, 3])
def test_case_00_a_proper_advertisement_counts(rig, router):
    rig.counted(router, frame(message(router)))


def test_case_00_a_proper_advertisement_over_ipv6_counts(rig):
    rig.counted(6, frame6(message(6, source=rig.link_local), rig.link_local))


@pytest.mark.parametrize("router", [2, 3])
@pytest.mark.parametrize("ttl", [254, 1, 0])
def test_case_10_ttl(rig, router, ttl):
    rig.discarded(router, "ttl", frame(message(router), ttl=ttl))


def test_case_11_hop_limit(rig):
    rig.discarded(6, "ttl", frame6(message(6, source=rig.link_local), rig.link_local, hop_limit=254))


@pytest.mark.parametrize("router", [2, 3])
@pytest.mark.parametrize("value", [0x1234, 0], ids=["wrong", "zero"])
def test_case_12_checksum(rig, router, value):
    rig.discarded(router, "checksum", frame(message(router, wrong_checksum=value)))


@pytest.mark.parametrize("router, version, reason", [(2, 3, "versionMismatch"), (3, 2, "versionMismatch"), (3, 4, "version"), (3, 0, "version"), (3, 15, "version")])
def test_case_13_version(rig, router, version, reason):
    rig.discarded(router, reason, frame(message(router, version=version)))


@pytest.mark.parametrize("router", [2, 3])
@pytest.mark.parametrize("kind", [0, 2, 15])
def test_case_14_type(rig, router, kind):
    rig.discarded(router, "type", frame(message(router, kind=kind)))


@pytest.mark.parametrize("virtual_router", [0, 99])
def test_case_15_virtual_router(rig, virtual_router):
    # Other clusters' packets are dropped by the socket's filter, so that they cannot even wake the election.
    rig.discarded(3, None, frame(message(3, virtual_router=virtual_router)))


@pytest.mark.parametrize("router", [2, 3])
@pytest.mark.parametrize("count, addresses", [(0, []), (0, None), (2, None), (255, None)], ids=["none", "none-told", "one-more", "255"])
def test_case_16_count(rig, router, count, addresses):
    rig.discarded(router, "count" if addresses == [] else "length", frame(message(router, count=count, addresses=addresses)))


@pytest.mark.parametrize("length", [0, 4, 7])
def test_case_17_too_short(rig, length):
    # Without a virtual router's number it does not pass the socket's filter.
    rig.discarded(3, "tooShort" if length else None, frame(message(3)[:length]))


def test_case_17_only_a_head(rig):
    rig.discarded(3, "length", frame(message(3)[:8]))


@pytest.mark.parametrize("length", [4, 8, 28])
def test_case_18_trailing_bytes(rig, length):
    rig.discarded(3, "length", frame(message(3, tail=bytes(length))))


def test_case_18_ethernet_padding_is_no_part_of_it(rig):
    rig.counted(3, Ether(bytes(frame(message(3))) + bytes(14)))


@pytest.mark.parametrize("words", [1, 10])
def test_case_19_ip_options(rig, words):
    rig.counted(3, frame(message(3), options=[IPOption_NOP()] * 4 * words))


def test_case_19_a_length_beyond_the_datagram(rig):
    rig.discarded(3, None, frame(message(3), len=400))


def test_case_19_a_fragment_alone(rig):
    rig.discarded(3, None, frame(message(3), flags="MF"))


def test_case_19_both_fragments(rig):
    fragments = fragment(frame(message(2), id=77), fragsize=8)
    assert len(fragments) > 1
    rig.counted(2, *fragments)


@pytest.mark.parametrize("interval", [0, 2])
def test_case_20_interval_of_version_2(rig, interval):
    rig.discarded(2, "interval", frame(message(2, word=interval)))


def test_case_20_no_authentication_data(rig):
    rig.discarded(2, "length", frame(message(2, tail=b"")))


@pytest.mark.parametrize("kind", [1, 2, 254])
def test_case_20_authentication_type(rig, kind):
    rig.discarded(2, "authenticationType", frame(message(2, word=kind << 8 | 1)))


def test_case_20_what_stands_beside_type_0_is_ignored(rig):
    rig.counted(2, frame(message(2, tail=b"whatever")))


def test_case_21_reserved_bits(rig):
    rig.counted(3, frame(message(3, word=0xF000 | 20)))


def test_case_21_another_interval(rig):
    rig.counted(3, frame(message(3, word=30)))


def test_case_21_interval_0(rig):
    rig.discarded(3, "interval", frame(message(3, word=0)))


def test_case_22_checksum_without_pseudo_header(rig):
    rig.counted(3, frame(message(3, pseudo=False)))


def test_case_23_first_address_not_link_local(rig):
    rig.discarded(6, "firstAddress", frame6(message(6, addresses=VIP6[::-1], source=rig.link_local), rig.link_local))


def test_case_24_other_addresses_in_version_2(rig):
    rig.discarded(2, "addresses", frame(message(2, addresses=["10.10.1.200"])))


def test_case_25_255_addresses(rig):
    many = [f"10.10.2.{number}" for number in range(255)]
    agent = rig.master(2)
    before = agent.metrics("vrrp_packets_rejected_total", reason="addresses")
    send(rig.stranger, frame(message(2, addresses=many)))
    rig.lab.wait_for(lambda: agent.metrics("vrrp_packets_rejected_total", reason="addresses") == before + 1, 5, "the rejection")


def test_case_25_255_addresses_over_ipv6_in_fragments(rig):
    many = ["fe80::108"] + [f"2001:db8:1::{number}" for number in range(1, 255)]
    datagram = message(6, addresses=many, source=rig.link_local)
    assert len(datagram) == 4088
    whole = IPv6(src=rig.link_local, dst=GROUP[6], hlim=255, nh=44) / IPv6ExtHdrFragment(nh=112, id=25) / Raw(datagram)
    parts = fragment6(whole, 1400)
    assert len(parts) > 2
    agent = rig.master(6)
    # Followed, as any other master of version 3 that protects more than we do.
    before = agent.metrics("vrrp_packets_tolerated_total", oddity="addresses")
    send(rig.stranger, *(Ether(dst=MULTICAST_MAC[6]) / each for each in parts))
    rig.lab.wait_for(lambda: agent.metrics("vrrp_packets_tolerated_total", oddity="addresses") == before + 1, 5, "the datagram")
    rig.lab.wait_for(lambda: agent.state == "BACKUP", 5, "BACKUP")


def test_case_26_source_of_another_subnet(rig):
    rig.discarded(3, "source", frame(message(3, source="192.0.2.1"), source="192.0.2.1"))


def test_case_26_source_is_the_vip(rig):
    # The kernel takes nothing from outside that claims to come from an address of this host.
    rig.discarded(3, None, frame(message(3, source=VIP[3]), source=VIP[3]))


def test_case_27_own_packet_reflected(rig):
    own = rig.own_link_local(6)
    agent = rig.master(6)
    send(rig.stranger, frame6(message(6, source=own), own))
    rig.discarded(6, "type", frame6(message(6, kind=2, source=rig.link_local), rig.link_local))
    assert agent.state == "MASTER"
