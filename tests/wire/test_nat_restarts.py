"""The data path nat while agents come and go: killed, upgraded, stopped, and when the VIP moves."""

import contextlib
import os

import pytest
from lab import Lab, binary
from lab.nat import HEALTH, NAMES, TABLE, VIP, Site, open_connections, resets


@pytest.fixture
def lab():
    with Lab() as made:
        yield made


@pytest.fixture
def site(lab):
    return Site(lab)


def test_a_killed_agent_costs_nobody_a_connection_and_the_next_one_adopts_the_rules(site):
    """To the host's own address, which stays when the VIP goes. FAIRLEAD_NAT_CONNECTIONS says how many connections there
    are at least (2,500)."""
    stage = int(os.environ.get("FAIRLEAD_NAT_CONNECTIONS", "2500")) // 5
    # A busy machine's slow answers are not what this is about.
    patient = {**HEALTH, "timeout": "3s"}
    site.changes = {"loadBalancer": {"healthCheck": patient}}
    agent = site.start_holder()
    found = open_connections(site.client, "10.10.1.83", 9)
    load = [site.lab.client("10.10.1.83", period=0.002) for _ in range(2)]
    with contextlib.ExitStack() as stack:
        for each in load:
            stack.enter_context(each)
        site.lab.wait_for(lambda: sum(each.successes() for each in load) >= stage, stage / 25, "answers")
        for round_number in range(3):
            agent.kill()
            assert TABLE in site.rules(), "the rules outlive it"
            seen = sum(each.successes() for each in load)
            site.lab.wait_for(lambda: sum(each.successes() for each in load) >= seen + stage, stage / 25, "answers without an agent")
            agent = site.start(**({"loadBalancer": {"keepRules": True}} if round_number == 2 else {}))
            assert "adopted the rules" in agent.text()
        # An upgrade.
        agent.stop()
        assert TABLE in site.rules()
        agent = site.start()
        seen = sum(each.successes() for each in load)
        site.lab.wait_for(lambda: sum(each.successes() for each in load) >= seen + stage, stage / 25, "answers")
        total = sum(each.successes() for each in load)
        failures = [each.failures() for each in load]
        print(f"{total} connections through three kills and an upgrade, failed: {failures}")
        assert not any(failures), failures
    for connection, name in found:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).decode().endswith(name)


def test_an_upgrade_by_takeover_costs_nobody_a_connection_to_the_vip(site):
    site.changes = {"loadBalancer": {"healthCheck": {**HEALTH, "timeout": "3s"}}}
    old = site.start_holder()
    found = open_connections(site.client, VIP, 9)
    with site.lab.client(VIP, period=0.002) as load:
        site.lab.wait_for(lambda: load.successes() >= 300, 20, "answers")
        new = site.hosts[0].start_agent(site.configuration(), arguments=("--takeover",))
        site.lab.wait_for(lambda: " vrrp] became " in new.text(), 10, "the new agent to take over")
        site.lab.wait_for(lambda: len(new.up()) == 3, 10, "three backends that are up")
        seen = load.successes()
        site.lab.wait_for(lambda: load.successes() >= seen + 300, 20, "answers")
        old.stop()
        assert TABLE in site.rules()
        seen = load.successes()
        site.lab.wait_for(lambda: load.successes() >= seen + 300, 20, "answers")
        assert not load.failures(), load.failures()
    assert site.hosts[0].holds(VIP)
    for connection, name in found:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).decode().endswith(name)


def test_rules_of_another_version_that_do_not_fit_are_replaced(site):
    """Its map of the same name had another key: nothing can be put into it."""
    other = f"add table ip {TABLE}; add map ip {TABLE} slots {{ type mark : verdict; }}; add chain ip {TABLE} old"
    site.hosts[0].run("nft", other)
    site.start_holder()
    assert sorted(site.names(9)) == sorted(NAMES * 3)
    assert "chain old" not in site.rules()


def test_an_adopting_agent_does_not_trust_a_backend_that_was_down(site):
    agent = site.start_holder(loadBalancer={"healthCheck": {**HEALTH, "timeout": "5s", "interval": "5s"}})
    site.hosts[1].cut_link(silently=True)
    agent.stop()
    agent = site.hosts[0].start_agent(site.configuration(loadBalancer={"keepRules": True}))
    site.lab.wait_for(lambda: agent.backends()["10.10.1.84:6443"] == "down", 10, "master2 to be down")
    agent.stop()
    # From here on a probe takes long to fail.
    agent = site.hosts[0].start_agent(site.configuration(loadBalancer={"healthCheck": {**HEALTH, "timeout": "8s", "interval": "8s"}}))
    assert agent.backends()["10.10.1.84:6443"] == "unknown"
    site.lab.wait_for(lambda: site.hosts[0].holds(VIP), 10, "the VIP")
    assert set(site.names(6)) == {"master1", "master3"}


def test_a_clean_stop_and_cleanup_leave_nothing(site):
    agent = site.start_holder()
    found = open_connections(site.client, VIP, 9)
    assert len(site.conntrack()) >= 9
    agent.stop()
    assert site.rules().strip() == "" and site.conntrack() == []
    agent = site.start_holder()
    open_again = open_connections(site.client, VIP, 3)
    agent.kill()
    site.lab.wait_for(lambda: not site.hosts[0].holds(VIP), 10, "the VIP to go")
    assert TABLE in site.rules() and site.conntrack() != []
    said = site.hosts[0].run(binary(), "cleanup", "--config", agent.file)
    assert f"removed nftables table ip {TABLE}" in said and "conntrack entries" in said
    assert site.rules().strip() == "" and site.conntrack() == []
    for connection, _ in found + open_again:
        connection.close()


def test_after_a_handover_everybody_is_reset_and_served_by_the_new_holder(site):
    first = site.start(vrrp={"priority": 200})
    site.start(site.hosts[1])
    site.lab.wait_for(lambda: site.hosts[0].holds(VIP), 10, "the VIP on master1")
    found = open_connections(site.client, VIP, 60)
    site.hosts[0].run(binary(), "handover")
    site.lab.wait_for(lambda: site.hosts[1].holds(VIP), 10, "the VIP on master2")
    # Idle as they are, they have to be told.
    assert len(resets([connection for connection, _ in found], 5)) == 60
    assert set(site.names(9)) == set(NAMES)
    assert first.alive


def test_after_the_holders_death_a_client_that_speaks_is_reset(site):
    site.start(vrrp={"priority": 200})
    site.start(site.hosts[1])
    site.lab.wait_for(lambda: site.hosts[0].holds(VIP), 10, "the VIP on master1")
    found = open_connections(site.client, VIP, 60)
    site.hosts[0].cut_link(silently=True)
    site.lab.wait_for(lambda: site.hosts[1].holds(VIP), 10, "the VIP on master2")
    site.lab.wait_for(lambda: set(site.names(9)) == {"master2", "master3"}, 10, "new connections")
    for connection, _ in found:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(resets([connection for connection, _ in found], 5)) == 60
