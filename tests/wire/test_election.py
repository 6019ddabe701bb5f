"""The election on a LAN: agents among themselves, and agents beside a real keepalived."""

import os
import time

import pytest
from lab import CLASSIC, PATIENCE, Lab, merged
from lab.wire import Capture, advertisement, raw_vrrp, send
from scapy.layers.vrrp import VRRPv3

VIP = "10.10.1.108"
SERVERS = [f"10.10.1.{number}:6443" for number in (83, 84, 85)]


def backends(lab):
    return {
        "vip": {"addresses": [VIP]},
        "loadBalancer": {"healthCheck": {"type": "https", "caFile": lab.authority.certificate}},
        "backends": {"static": SERVERS},
    }


def settled(lab, hosts, timeout=10):
    """One of the hosts holds the VIP and says so, all others say BACKUP."""

    def agree():
        running = [host for host in hosts if host.agents and host.agent.alive]
        holders = [host for host in running if host.holds(VIP)]
        states = sorted(host.agent.state for host in running)
        return len(holders) == 1 and states == sorted(["MASTER"] + ["BACKUP"] * (len(running) - 1)) and holders[0]

    return lab.wait_for(agree, timeout, "one MASTER that holds the VIP, and BACKUPs")


# --- the classic files' counterpart, with a real keepalived as the fourth router ---


class Classic:
    """Three agents and a fourth host with keepalived and HAProxy, all with the classic configuration."""

    def __init__(self, lab):
        self.lab = lab
        self.masters = lab.masters()
        self.fourth = lab.host("master4", "10.10.1.86")
        for host in self.masters:
            host.backend()
        self.haproxy = self.fourth.haproxy({host.name: f"{host.address}:6443" for host in self.masters}, tls_check=False)
        for number, host in enumerate(self.masters):
            host.start_agent(merged(backends(lab), CLASSIC, {"vrrp": {"priority": 100 + number}}))
        # 104 + 11: above the agents' 100 to 102 + 11 while its HAProxy runs, below them when that is dead.
        self.keepalived = self.start_keepalived()

    def start_keepalived(self):
        self.keepalived = self.fourth.keepalived(VIP, priority=104)
        return self.keepalived

    def wait_holder(self, *names, timeout=15):
        self.lab.wait_for(lambda: self.lab.holders(VIP) == list(names), timeout, f"the VIP on {' '.join(names)} alone")


@pytest.fixture(scope="module")
def classic():
    with Lab() as lab:
        yield Classic(lab)


@pytest.fixture
def together(classic):
    """All four routers run, and keepalived, the best of them, holds the VIP."""
    if not classic.keepalived.alive:
        classic.start_keepalived()
    classic.wait_holder("master4")
    return classic


def test_keepalived_and_three_agents_have_exactly_one_holder(together):
    with together.lab.observe(VIP) as seen, Capture(together.masters[0], "ip proto 112") as capture:
        together.lab.wait_for(lambda: len(capture.advertisements()) >= 4, 10, "four advertisements")
    assert [sorted(holders) for _, holders in seen.timeline] == [["master4"]], seen.describe()
    assert {source for _, source, _ in capture.advertisements()} == {"10.10.1.86"}
    assert [host.agent.state for host in together.masters] == ["BACKUP"] * 3
    for host in together.masters:
        router = host.agent.status()["router"]
        assert router["priority"] == router["basePriority"] + 11
        assert {peer["address"]: peer["priority"] for peer in router["peers"]}["10.10.1.86"] == 115


def test_the_best_agent_takes_over_from_keepalived_and_back(together):
    lab = together.lab
    with lab.observe(VIP) as seen:
        stopped = time.monotonic()
        together.keepalived.stop()
        together.wait_holder("master3")
        # keepalived gives up by priority 0, so its successor waits for its skew time alone.
        assert seen.longest_without_holder(since=stopped) < 2 * PATIENCE, seen.describe()
        assert settled(lab, together.masters).name == "master3"
        together.start_keepalived()
        together.wait_holder("master4")
        lab.wait_for(lambda: [host.agent.state for host in together.masters] == ["BACKUP"] * 3, 5, "three BACKUPs")
        assert seen.longest_with_several() < 0.5 * PATIENCE, seen.describe()
        assert {name for _, holders in seen.timeline for name in holders} == {"master3", "master4"}


def test_a_dead_balancer_hands_the_vip_from_keepalived_to_an_agent(together):
    lab = together.lab
    together.haproxy.kill()
    try:
        # 2 s interval, fall 2; then 104 against 113.
        together.wait_holder("master3", timeout=20)
    finally:
        together.haproxy = together.fourth.haproxy({host.name: f"{host.address}:6443" for host in together.masters}, tls_check=False)
    together.wait_holder("master4", timeout=20)
    lab.wait_for(lambda: [host.agent.state for host in together.masters] == ["BACKUP"] * 3, 5, "three BACKUPs")


def test_keepalived_takes_over_from_a_killed_agent(classic):
    lab, best = classic.lab, classic.masters[2]
    if classic.keepalived.alive:
        classic.keepalived.stop()
    classic.wait_holder("master3")
    for host in classic.masters[:2]:
        host.agent.stop()
    # Below the agent, so that it takes over only when that is dead.
    classic.keepalived = classic.fourth.keepalived(VIP, priority=101)
    try:
        with lab.observe(VIP) as seen:
            lab.wait_for(lambda: "Entering BACKUP STATE" in classic.keepalived.text(), 10, "keepalived as backup")
            lab.wait_for(lambda: "Changing effective priority from 101 to 112" in classic.keepalived.text(), 10)
            best.agent.kill()
            killed = time.monotonic()
            classic.wait_holder("master4")
        # The kernel takes the address from the dead agent's host; nobody helps.
        assert seen.longest_without_holder(since=killed) < 5 * PATIENCE, seen.describe()
        assert seen.longest_with_several() < 3 * PATIENCE, seen.describe()
    finally:
        for host in classic.masters:
            if not host.agent.alive:
                host.agent.restart()
        classic.keepalived.stop()
    classic.wait_holder("master3")


def test_a_wrong_password_is_rejected_and_counted(classic):
    lab = classic.lab
    if classic.keepalived.alive:
        classic.keepalived.stop()
    classic.wait_holder("master3")
    before = [host.agent.metrics("vrrp_packets_rejected_total", reason="password") for host in classic.masters]
    stranger = lab.host("stranger", "10.10.1.90") if "stranger" not in lab.hosts else lab.hosts["stranger"]
    # A real keepalived that has everything right but the password, and a priority above all.
    wrong = stranger.keepalived(VIP, priority=200, password="Admin124", check=False)
    try:
        lab.wait_for(lambda: stranger.holds(VIP), 10, "the stranger's own opinion")
        lab.wait_for(
            # One is all that may be hoped for: this peer's own advertisements can stop once it hears ours.
            lambda: all(host.agent.metrics("vrrp_packets_rejected_total", reason="password") >= count + 1 for host, count in zip(classic.masters, before)),
            10,
            "the count of rejected packets on every agent",
        )
        assert [host.agent.state for host in classic.masters] == ["BACKUP", "BACKUP", "MASTER"]
        assert [host.holds(VIP) for host in classic.masters] == [False, False, True]
        assert "password" in classic.masters[0].agent.text()
    finally:
        wrong.stop()


# --- agents among themselves, version 3 with short intervals ---


class Trio:
    def __init__(self, lab):
        self.lab = lab
        self.hosts = lab.masters()
        for host in self.hosts:
            host.backend()
        for number, host in enumerate(self.hosts):
            host.start_agent(merged(backends(lab), {"vrrp": {"priority": 100 + number}}))

    @property
    def best(self):
        return self.hosts[2]

    def whole(self):
        """All three run, and the best of them holds the VIP."""
        for host in self.hosts:
            if not host.agent.alive:
                host.agent.restart()
        self.lab.wait_for(lambda: settled(self.lab, self.hosts).name == "master3", 10, "the VIP on master3")
        return self


@pytest.fixture(scope="module")
def three():
    with Lab() as lab:
        yield Trio(lab)


@pytest.fixture
def trio(three):
    return three.whole()


def successor(trio, timeout=10):
    """The host beside the best one that holds the VIP, waiting for it."""
    return trio.lab.wait_for(lambda: next((host for host in trio.hosts[:2] if host.holds(VIP)), None), timeout, "a successor")


def test_a_clean_stop_hands_over_at_once(trio):
    with trio.lab.observe(VIP) as seen:
        assert trio.best.agent.stop() == 0
        assert successor(trio).name == "master2"
    assert seen.longest_without_holder() < 0.1 * PATIENCE, seen.describe()
    # It is so quick that the observer may read both hosts' messages at once, in either order.
    assert seen.longest_with_several() < 0.005, seen.describe()
    assert not trio.best.holds(VIP)


def test_the_vip_leaves_a_killed_agents_host_by_itself(trio):
    with trio.lab.observe(VIP) as seen:
        trio.best.agent.kill()
        killed = time.monotonic()
        assert successor(trio).name == "master2"
        assert time.monotonic() - killed < 3 * PATIENCE
        trio.lab.wait_for(lambda: not trio.best.holds(VIP), 5, "the kernel to remove the VIP")
    assert seen.longest_with_several() < 2 * PATIENCE, seen.describe()
    assert trio.lab.holders(VIP) == ["master2"]


def test_a_frozen_agent_loses_the_vip_and_wakes_up_as_backup_or_takes_it_back_alone(trio):
    with trio.lab.observe(VIP) as seen:
        trio.best.agent.freeze()
        try:
            assert successor(trio).name == "master2"
            trio.lab.wait_for(lambda: not trio.best.holds(VIP), 5, "the kernel to remove the VIP")
        finally:
            thawed = time.monotonic()
            trio.best.agent.thaw()
        trio.whole()
    assert seen.longest_with_several(since=thawed) < 0.5 * PATIENCE, seen.describe()
    assert seen.longest_without_holder(since=thawed) < 0.5 * PATIENCE, seen.describe()


def test_a_cut_link_moves_the_vip_and_healing_it_moves_it_back(trio):
    trio.best.cut_link()
    try:
        assert successor(trio).name == "master2"
        trio.lab.wait_for(lambda: trio.best.agent.state != "MASTER", 5, "the cut host to see that its link is down")
    finally:
        trio.best.heal_link()
    trio.whole()


def test_a_lan_that_breaks_apart_has_one_holder_again_when_it_heals(trio):
    trio.best.cut_link(silently=True)
    try:
        assert successor(trio).name == "master2"
        assert trio.best.holds(VIP), "without carrier loss it cannot know"
    finally:
        trio.best.heal_link()
    trio.whole()


def test_a_vip_left_over_from_an_earlier_run_is_removed_at_start(trio):
    lowest = trio.hosts[0]
    lowest.agent.stop()
    lowest.add_address(f"{VIP}/32")
    with trio.lab.observe(VIP) as seen:
        lowest.agent.restart()
        trio.lab.wait_for(lambda: not lowest.holds(VIP), 5, "the left-over VIP to go")
    assert trio.best.holds(VIP)
    assert [sorted(holders) for _, holders in seen.timeline][-1] == ["master3"], seen.describe()


def test_a_vip_that_somebody_takes_away_is_put_back(trio):
    with trio.lab.observe(VIP) as seen:
        trio.best.remove_address(VIP)
        trio.lab.wait_for(lambda: trio.best.holds(VIP), 5, "the VIP to be back")
    assert {name for _, holders in seen.timeline for name in holders} == {"master3"}, seen.describe()
    assert trio.best.agent.state == "MASTER"


def test_the_interface_made_anew_is_taken_up_where_the_old_one_ended(trio):
    trio.best.ip("link", "del", "eth0")
    assert successor(trio).name == "master2"
    trio.lab.plug_in(trio.best)
    trio.whole()


def test_a_renamed_interface_gives_the_vip_up_at_once(trio):
    """Under its new name it would keep it, and be reached."""
    with trio.lab.observe(VIP) as seen:
        trio.best.ip("link", "set", "eth0", "name", "lan0")
        try:
            assert successor(trio).name == "master2"
            trio.lab.wait_for(lambda: not trio.best.holds(VIP), 5, "the VIP to leave the renamed interface")
        finally:
            trio.best.ip("link", "set", "lan0", "name", "eth0")
    assert seen.longest_with_several() < 0.3 * PATIENCE, seen.describe()
    trio.whole()


def test_an_interface_that_was_exchanged_behind_a_holders_back_gets_the_vip_again():
    """As a driver that is loaded anew does it, while the machine is too busy for the agent to see the one go before the other is there."""
    with Lab(vips=[VIP]) as lab:
        host = lab.host("master1", "10.10.1.83")
        host.start_agent(backends(lab))
        lab.wait_for(lambda: host.holds(VIP), 10, "the VIP")
        host.agent.freeze()
        try:
            host.ip("link", "del", "eth0")
            lab.plug_in(host)
        finally:
            host.agent.thaw()
        lab.wait_for(lambda: host.holds(VIP) and host.agent.state == "MASTER", 10, "the VIP on the new interface")
        assert "put back on eth0" in host.agent.text()
        assert lab.client_host.run("ping", "-c", "1", "-W", "2", VIP)


def test_the_vip_carries_a_finite_lifetime_and_no_prefix_route(trio):
    text = trio.best.ip("-j", "address", "show", "dev", "eth0", "to", f"{VIP}/32")
    assert '"valid_life_time":4294967295' not in text
    assert '"prefixlen":32' in text
    assert VIP not in trio.best.ip("route")


def test_a_takeover_is_announced_by_gratuitous_arp_from_the_interfaces_own_mac(trio):
    with Capture(trio.hosts[0], "arp") as capture:
        trio.best.agent.stop()
        assert successor(trio).name == "master2"
        trio.lab.wait_for(lambda: capture.gratuitous_arps(VIP), 5, "a gratuitous ARP")
    mac = trio.hosts[1].mac
    assert set(capture.gratuitous_arps(VIP)) == {mac}


def processor_seconds(agent):
    with open(f"/proc/{agent.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_holder_and_its_backups_cost_next_to_no_processor_time(trio):
    """A real-time thread that goes round in a circle takes the processor from everybody else, etcd first of all."""
    before = [processor_seconds(host.agent) for host in trio.hosts]
    time.sleep(2)
    used = [processor_seconds(host.agent) - earlier for host, earlier in zip(trio.hosts, before)]
    assert max(used) < 0.2 * PATIENCE, used


@pytest.fixture(scope="module")
def stranger(three):
    return three.lab.hosts.get("stranger") or three.lab.host("stranger", "10.10.1.90")


def wrong_checksum():
    frame = advertisement("10.10.1.90", [VIP], version=3, priority=250)
    frame[VRRPv3].chksum = 0x1234
    return frame


JUNK = {
    "ttl": advertisement("10.10.1.90", [VIP], version=3, priority=250, ttl=64),
    "versionMismatch": advertisement("10.10.1.90", [VIP], version=2, priority=250),
    "addresses": advertisement("10.10.1.90", ["10.10.1.200"], version=3, priority=250),
    "checksum": wrong_checksum(),
    "tooShort": raw_vrrp("10.10.1.90", b"\x31\x33"),
}


@pytest.mark.parametrize("reason", sorted(JUNK))
def test_a_bad_advertisement_moves_nothing_and_is_counted(trio, stranger, reason):
    before = [host.agent.metrics("vrrp_packets_rejected_total", reason=reason) for host in trio.hosts]
    with trio.lab.observe(VIP) as seen:
        for _ in range(10):
            send(stranger, JUNK[reason])
        trio.lab.wait_for(
            lambda: all(host.agent.metrics("vrrp_packets_rejected_total", reason=reason) >= count + 10 for host, count in zip(trio.hosts, before)),
            5,
            f"ten packets rejected for {reason}",
        )
    assert [sorted(holders) for _, holders in seen.timeline] == [["master3"]], seen.describe()
    assert trio.best.agent.state == "MASTER"


def test_junk_does_not_keep_the_backups_from_taking_over(trio, stranger):
    """Packets that are discarded must not count as a sign of life of the master."""
    trio.best.agent.kill()
    deadline = time.monotonic() + 5
    while not trio.hosts[1].holds(VIP) and time.monotonic() < deadline:
        send(stranger, JUNK["ttl"], JUNK["addresses"])
        time.sleep(0.02)
    assert trio.hosts[1].holds(VIP), trio.lab.account()
