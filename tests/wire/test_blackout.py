"""The outages of the service that each agent measures through the VIP."""

import pytest
from lab import Lab
from lab.agent import merged
from test_operating import fairlead

VIP = "10.10.1.108"
SERVICE = f"{VIP}:16443"
SETTINGS = {
    "vip": {"addresses": [VIP], "probe": {"interval": "20ms", "timeout": "100ms"}},
    "vrrp": {"advertInterval": "100ms"},
    "backends": {"static": ["10.10.1.20:6443"]},
}


@pytest.fixture
def lab():
    with Lab(vips=[VIP]) as made:
        for number, host in enumerate(made.masters(3)):
            host.start_agent(merged(SETTINGS, {"vrrp": {"priority": 110 - number}}))
        made.wait_for(lambda: [host.agent.state for host in made.hosts.values()] == ["MASTER", "BACKUP", "BACKUP"], 10, "master1 to hold the VIP alone")
        made.wait_for(lambda: all(probe(host)["answers"] for host in made.hosts.values()), 10, "everybody to reach the VIP")
        yield made


def probe(host):
    (only,) = host.agent.status()["vipProbes"]
    assert only["target"] == SERVICE
    return only


def test_a_failover_is_measured_by_the_others_and_not_blamed_on_the_vip_by_who_lost_its_link(lab):
    holder, taker, third = lab.hosts.values()
    # What a clean hand-over costs is not seen, or barely: start from here.
    before = {host.name: probe(host)["outages"] for host in lab.hosts.values()}
    holder.cut_link()
    lab.wait_for(lambda: taker.agent.state == "MASTER", 10, "master2 to take over")
    for host in (taker, third):
        lab.wait_for(lambda host=host: probe(host)["outages"] > before[host.name] and probe(host)["answers"], 10, f"{host.name} to measure the outage")
        outage = probe(host)["lastOutages"][0]
        # Three advertisements were missed, the first of them up to an interval after the cut.
        assert outage["seconds"] > 0.1 and outage["ownLink"] is False and outage["failures"] >= 1, outage
        assert "no answer within 100ms" in outage["cause"] or "No route to host" in outage["cause"], outage
        assert host.agent.metrics("vip_blackout_seconds_count", vip=SERVICE) == probe(host)["outages"]
        assert host.agent.metrics("vip_blackout_seconds_sum", vip=SERVICE) > outage["seconds"] - 0.001
        assert "the VIP did not answer" in fairlead(host, "explain")[1]
        assert f"OUTAGE OF" in fairlead(host, "status")[1]

    lab.wait_for(lambda: probe(holder)["answers"] is False, 10, "master1 to see nothing")
    assert f"{SERVICE} does not answer" in fairlead(holder, "status")[1]
    holder.heal_link()
    lab.wait_for(lambda: probe(holder)["answers"], 15, "master1 to reach the VIP again")
    assert probe(holder)["lastOutages"][0]["ownLink"] is True
    assert "own link" in fairlead(holder, "explain")[1]
    assert holder.agent.metrics("vip_blackout_seconds_count", vip=SERVICE) == before[holder.name]


def test_the_balancer_never_sees_a_probe(lab):
    for host in lab.hosts.values():
        lab.wait_for(lambda host=host: probe(host)["probes"] > 50, 20, "some probes")
    assert [host.agent.metrics("proxy_accepted_total") for host in lab.hosts.values()] == [0, 0, 0]


def test_it_can_be_switched_off():
    with Lab(vips=[VIP]) as lab:
        host = lab.host("master1", "10.10.1.83")
        host.start_agent(merged(SETTINGS, {"vip": {"probe": {"interval": "0s"}}}))
        assert host.agent.status()["vipProbes"] == []
        assert "fairlead_vip_" not in host.agent.metrics()
