"""Clients that are idle when the VIP moves, as watches are: told at once, by whoever gave it up, rather than by their own patience."""

import select

import pytest
from lab import PATIENCE, Lab
from lab.agent import binary

VIPS = {False: "10.10.1.108", True: "fd00:10::108"}
PORT = 16443
COUNT = 20


class Site:
    def __init__(self, lab, path, ipv6):
        self.lab, self.vip = lab, VIPS[ipv6]
        self.hosts = [lab.host(f"master{i + 1}", f"10.10.1.{83 + i}", ipv6=f"fd00:10::{83 + i}/64") for i in range(2)]
        self.client = lab.host("client", "10.10.1.20", ipv6="fd00:10::20/64")
        addresses = [f"[fd00:10::{83 + i}]" if ipv6 else f"10.10.1.{83 + i}" for i in range(2)]
        for i, host in enumerate(self.hosts):
            host.forward()
            host.backend(tls=False)
            host.start_agent(
                {
                    "vip": {"addresses": [self.vip]},
                    "vrrp": {"priority": 120 - 10 * i},
                    "loadBalancer": {"dataPath": path, "bind": [f"{'[::]' if ipv6 else '0.0.0.0'}:{PORT}"], "healthCheck": {"type": "tcp"}},
                    "backends": {"static": [f"{address}:6443" for address in addresses]},
                }
            )
        lab.wait_for(lambda: self.hosts[0].holds(self.vip) and all(len(host.agent.up()) == 2 for host in self.hosts), 15, "the VIP and two backends")

    def open(self, host, count):
        """Connections that have been answered and are idle since."""
        found = []
        for _ in range(count):
            connection = host.connect(self.vip, PORT)
            ask(connection)
            connection.setblocking(False)
            found.append(connection)
        return found


def ask(connection):
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 200 " in connection.recv(4096)


def ended(connection):
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def told(lab, connections, seconds):
    """Waits until each of them has ended, without a word of the client's."""
    waiting = list(connections)

    def all_told():
        ready = select.select(waiting, [], [], 0)[0]
        for connection in ready:
            if ended(connection):
                waiting.remove(connection)
        return not waiting

    lab.wait_for(all_told, seconds, "idle clients to be told that the VIP has moved")


@pytest.fixture
def lab():
    with Lab() as made:
        yield made


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("path", ["proxy", "nat"])
@pytest.mark.parametrize("event", ["handover", "stop"])
def test_idle_clients_are_told_at_once(lab, path, event, ipv6):
    site = Site(lab, path, ipv6)
    connections = site.open(site.client, COUNT)
    if event == "handover":
        site.hosts[0].run(binary(), "handover")
    else:
        site.hosts[0].agent.stop()
    # TCP's keepalive would take minutes, a kubelet's ping of HTTP/2 half a minute.
    told(lab, connections, 2)
    lab.wait_for(lambda: site.hosts[1].holds(site.vip), 5, "the VIP on the other host")
    assert site.client.http_get(site.vip, PORT, "/")[0] == 200


def test_clients_of_the_hosts_own_address_stay(lab):
    site = Site(lab, "proxy", ipv6=False)
    own = site.client.connect(site.hosts[0].address, PORT)
    ask(own)
    connections = site.open(site.client, COUNT)
    site.hosts[0].run(binary(), "handover")
    told(lab, connections, 2)
    own.settimeout(5 * PATIENCE)
    ask(own)


@pytest.mark.parametrize("path", ["proxy", "nat", "dsr"])
def test_a_client_on_the_host_that_gave_the_vip_up_is_told_as_well(lab, path):
    """It speaks from the VIP to the VIP, as the kubelet of the holder does, and no packet of it can leave any more."""
    site = Site(lab, path, ipv6=False)
    connections = site.open(site.hosts[0], COUNT)
    assert connections[0].getsockname()[0] == connections[0].getpeername()[0] == site.vip
    site.hosts[0].run(binary(), "handover")
    told(lab, connections, 2)
    lab.wait_for(lambda: site.hosts[1].holds(site.vip), 5, "the VIP on the other host")
    assert site.hosts[0].http_get(site.vip, PORT, "/")[0] == 200
