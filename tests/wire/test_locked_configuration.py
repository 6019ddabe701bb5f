"""The kernel's lock of all network configuration is held up, as by a driver that resets its card: the holder can't renew the VIP
meanwhile, and must go on advertising."""

import contextlib
import os

import pytest
from lab import Lab, configuration_lock
from lab.agent import merged

pytestmark = pytest.mark.skipif(configuration_lock.missing() != "", reason=f"the lock can't be held here: {configuration_lock.missing()}")

VIP = "10.10.1.108"
SETTINGS = {"vip": {"addresses": [VIP]}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]}, "vrrp": {"advertInterval": "200ms"}}


def started(lab):
    """[holder, backup]"""
    hosts = lab.masters(2)
    for number, host in enumerate(hosts):
        host.start_agent(merged(SETTINGS, {"vrrp": {"priority": 120 - 10 * number}}))
    states = lambda: [host.agent.state for host in hosts]  # noqa: E731
    lab.wait_for(lambda: lab.holders(VIP) == ["master1"] and states() == ["MASTER", "BACKUP"], 20, "the better one to hold the VIP")
    return hosts


def transitions(hosts):
    return [host.agent.metrics("vrrp_transitions_total") for host in hosts]


def hears(lab, backup, adverts):
    """So many advertisements, or none for so long that it takes over."""
    heard = backup.agent.metrics("vrrp_adverts_received_total")
    lab.wait_for(lambda: backup.agent.metrics("vrrp_adverts_received_total") >= heard + adverts or backup.agent.state == "MASTER", 5, "advertisements")


@pytest.mark.parametrize("adverts", [6, 15], ids=["shorter than the VIP's lifetime", "longer than the VIP's lifetime"])
def test_a_holder_that_cant_renew_the_vip_goes_on_advertising(adverts):
    """The peers take over after 0.7 s without an advertisement; the VIP's lifetime is 2 s."""
    with Lab(vips=[VIP]) as lab:
        hosts = started(lab)
        before = transitions(hosts)
        with configuration_lock.held():
            hears(lab, hosts[1], adverts)
        assert transitions(hosts) == before, hosts[1].agent.text()
        lab.wait_for(lambda: lab.holders(VIP) == ["master1"], 2, "the VIP where it was")
        # The kernel may have taken it away in the moment before it was renewed; from then on it stays.
        said = ("ms to renew the VIP", "was held up: back on eth0")
        lab.wait_for(lambda: any(each in hosts[0].agent.text() for each in said), 5, "the holder to say why it was late")
        with lab.observe(VIP) as seen:
            hears(lab, hosts[1], 12)  # for longer than its lifetime
        assert seen.longest_without_holder() < 0.1, seen.describe()


@pytest.mark.skipif(tuple(int(part) for part in os.uname().release.split(".")[:2]) < (6, 10), reason="before Linux 6.10 addresses are read under the lock")
def test_a_holder_whose_interface_has_news_meanwhile_goes_on_advertising():
    """It looks at its addresses then."""
    with Lab(vips=[VIP]) as lab:
        hosts = started(lab)
        before = transitions(hosts)
        with contextlib.ExitStack() as locked:
            hosts[0].agent.freeze()
            try:
                hosts[0].ip("address", "add", "10.10.1.201/32", "dev", "eth0")
                locked.enter_context(configuration_lock.held())
            finally:
                hosts[0].agent.thaw()
            hears(lab, hosts[1], 6)
        assert transitions(hosts) == before, hosts[1].agent.text()
        lab.wait_for(lambda: lab.holders(VIP) == ["master1"], 2, "the VIP where it was")
