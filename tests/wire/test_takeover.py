"""An upgrade in place: a new agent takes over listeners and VIP of the one that runs, and no client notices."""

import os
import time

import pytest
from lab import PATIENCE, Lab
from lab.agent import binary, merged
from lab.wire import Capture

VIP = "10.10.1.108"
PORT = 16443
SETTINGS = {
    "vip": {"addresses": [VIP]},
    "vrrp": {"advertInterval": "200ms"},
    "loadBalancer": {"healthCheck": {"type": "http", "interval": "500ms", "timeout": "400ms"}},
}
CONNECTIONS = int(os.environ.get("FAIRLEAD_TAKEOVER_CONNECTIONS", "3000"))


@pytest.fixture
def site():
    """master1 holds the VIP, master2 would like to; two backends; a client host."""
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(2)
        for host in hosts:
            host.backend(tls=False)
        settings = merged(SETTINGS, {"backends": {"static": [f"{host.address}:6443" for host in hosts]}})
        for number, host in enumerate(hosts):
            host.start_agent(merged(settings, {"vrrp": {"priority": 110 - number}}))
        lab.wait_for(lambda: [host.agent.state for host in hosts] == ["MASTER", "BACKUP"], 10, "master1 to hold the VIP alone")
        lab.wait_for(lambda: all(len(host.agent.up()) == 2 for host in hosts), 10, "the backends")
        yield lab, hosts, settings


def successor(host, settings, priority=110):
    """Starts a new agent beside the one that runs, waits until it has taken over, and returns the old one."""
    before = host.agent
    # The admin address answers all the while: by the one, then by the other.
    after = host.start_agent(merged(settings, {"vrrp": {"priority": priority}}), ["--takeover"])
    host.lab.wait_for(lambda: " vrrp] became " in after.text(), 10, "the new agent to take over")
    return before


def exchange(connection, text=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
    connection.sendall(text)
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = connection.recv(65536)
        assert part, "the connection was closed"
        answer += part
    return answer


def test_agents_follow_each_other_and_no_client_fails(site):
    """Three upgrades among some thousand connections; the VIP never leaves the host, and no peer hears of it."""
    lab, (host, peer), settings = site
    client = lab.client_host
    with lab.observe() as seen, Capture(peer, "ip proto 112") as wire, lab.client(period=0.002) as load:
        lab.wait_for(lambda: load.successes() > 100, 10, "the load")
        held = client.connect(VIP, PORT)
        exchange(held)
        each = CONNECTIONS // 4
        agents = []
        for round in range(3):
            lab.wait_for(lambda: load.successes() > each * (round + 1), 60, "more connections")
            agents.append(successor(host, settings))
        lab.wait_for(lambda: load.successes() >= CONNECTIONS, 60, "all connections")
        assert not load.failures(), f"{load.failures()}\n{lab.account()}"
        # The agent of the first connection serves it to its end, two agents later.
        exchange(held)
        assert "the last connection has ended" not in agents[0].text()
        held.close()
        lab.wait_for(lambda: "the last connection has ended" in agents[0].text(), 10, "the first agent to be done")
        for agent in agents:
            assert agent.alive
            assert agent.stop() == 0
        assert host.agent.state == "MASTER"
        assert not load.failures(), load.failures()
    assert {names for _, _, names in seen.spans()} == {frozenset({"master1"})}, seen.describe()
    adverts = [entry for entry in wire.advertisements() if entry[1] == host.address]
    assert all(priority >= 110 for _, _, priority in adverts), "a weak or last advertisement was sent"
    assert not [entry for entry in wire.advertisements() if entry[1] == peer.address], "the peer took over"
    assert max(later[0] - earlier[0] for earlier, later in zip(adverts, adverts[1:])) < 0.6, "a gap that a peer may not tolerate"
    assert peer.agent.state == "BACKUP"


def test_clients_of_an_agent_that_was_taken_over_are_told_when_the_vip_leaves(site):
    lab, (host, peer), settings = site
    held = lab.client_host.connect(VIP, PORT)
    exchange(held)
    successor(host, settings)
    exchange(held)
    host.run(binary(), "handover")
    lab.wait_for(lambda: peer.holds(VIP), 10, "the VIP on the other host")
    held.settimeout(5 * PATIENCE)
    with pytest.raises(ConnectionResetError):  # idle as it is
        held.recv(1)


def test_a_backup_is_taken_over_as_well(site):
    lab, (host, peer), settings = site
    before = successor(peer, settings, 109)
    lab.wait_for(lambda: peer.agent.state == "BACKUP", 5, "the new agent to be the backup")
    assert before.stop() == 0
    assert host.agent.state == "MASTER"
    assert peer.http_get(peer.address, PORT, "/")[0] == 200
    # It does what a backup is for.
    host.agent.stop()
    lab.wait_for(lambda: peer.agent.state == "MASTER", 5, "the backup to take over")


def test_the_guardian_of_the_old_agent_leaves_the_vip_alone(site):
    lab, (host, _), settings = site
    with lab.observe() as seen:
        before = successor(host, settings)
        before.kill()
        lab.wait_for(lambda: not before.alive, 5, "the old agent's death")
        # Longer than a will takes to be carried out, and than the VIP's lifetime.
        time.sleep(2.5)
    assert {names for _, _, names in seen.spans()} == {frozenset({"master1"})}, seen.describe()


def test_a_new_agent_that_fails_before_it_takes_over_leaves_the_old_one_as_it_was(site):
    lab, (host, _), settings = site
    before = host.agent
    failed = host.start_agent(merged(settings, {"vip": {"interface": "nosuch0"}}), ["--takeover"], wait=False)
    lab.wait_for(lambda: not failed.alive, 10, "the new agent to give up")
    host.agents.remove(failed)
    assert "nosuch0" in failed.text()
    assert before.status()["router"]["state"] == "MASTER"
    assert lab.client_host.http_get(VIP, PORT, "/")[0] == 200


def test_without_the_flag_a_second_agent_is_refused(site):
    lab, (host, _), settings = site
    second = host.start_agent(settings, wait=False)
    lab.wait_for(lambda: not second.alive, 10, "the second agent to give up")
    host.agents.remove(second)
    assert "cannot listen on 0.0.0.0:16443" in second.text()
    assert lab.client_host.http_get(VIP, PORT, "/")[0] == 200


def test_with_the_flag_and_nobody_there_an_agent_starts_as_usual():
    with Lab(vips=[VIP]) as lab:
        (host,) = lab.masters(1)
        agent = host.start_agent(merged(SETTINGS, {"backends": {"static": ["10.10.1.83:6443"]}}), ["--takeover"])
        lab.wait_for(lambda: agent.state == "MASTER", 5, "the VIP")
        assert "no agent runs here" in agent.text()


def test_a_stranger_without_rights_cannot_take_over(site):
    """Another user on the host reaches the socket's name, and is turned away before anything happens."""
    lab, (host, _), _ = site
    program = (
        "import os, socket; os.setuid(65534); s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
        r"s.connect('\0fairlead.dev/51/takeover'); s.send(b'take 1'); print(len(s.recv(4096)))"
    )
    assert host.run("/usr/bin/python3", "-c", program, check=False).strip() in ("0", "")
    assert host.agent.state == "MASTER"
