"""The kernel's lock of all network configuration is held up, as by a driver that resets its card: the holder can't renew the VIP
meanwhile, and must go on advertising."""

import pytest
from lab import Lab, configuration_lock
from lab.agent import merged

VIP = "10.10.1.108"
SETTINGS = {"vip": {"addresses": [VIP]}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]}, "vrrp": {"advertInterval": "200ms"}}


@pytest.mark.parametrize("adverts", [6, 15], ids=["shorter than the VIP's lifetime", "longer than the VIP's lifetime"])
def test_a_holder_that_cant_renew_the_vip_goes_on_advertising(adverts):
    """The peers take over after 0.7 s without an advertisement; the VIP's lifetime is 2 s."""
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(2)
        for number, host in enumerate(hosts):
            host.start_agent(merged(SETTINGS, {"vrrp": {"priority": 120 - 10 * number}}))
        states = lambda: [host.agent.state for host in hosts]  # noqa: E731
        lab.wait_for(lambda: lab.holders(VIP) == ["master1"] and states() == ["MASTER", "BACKUP"], 20, "the better one to hold the VIP")
        transitions = [host.agent.metrics("vrrp_transitions_total") for host in hosts]
        heard = hosts[1].agent.metrics("vrrp_adverts_received_total")
        with configuration_lock.held():
            lab.wait_for(
                lambda: hosts[1].agent.metrics("vrrp_adverts_received_total") >= heard + adverts or hosts[1].agent.state == "MASTER", 5, "advertisements"
            )
        assert [host.agent.metrics("vrrp_transitions_total") for host in hosts] == transitions, hosts[1].agent.text()
        lab.wait_for(lambda: lab.holders(VIP) == ["master1"], 2, "the VIP where it was")
        # The kernel may have taken it away in the moment before it was renewed; from then on it stays.
        lab.wait_for(lambda: "ms to renew the VIP" in hosts[0].agent.text(), 5, "the holder to say why it was late")
        with lab.observe(VIP) as seen:
            heard = hosts[1].agent.metrics("vrrp_adverts_received_total")
            lab.wait_for(lambda: hosts[1].agent.metrics("vrrp_adverts_received_total") >= heard + 12, 10, "more than its lifetime")
        assert seen.longest_without_holder() < 0.1, seen.describe()
