"""Three backends behind the data path nat, and clients whose connections are held to see what becomes of them."""

import select
import time

import pytest

from .agent import merged
from .waiting import PATIENCE

VIP = "10.10.1.108"
VIP6 = "fd00:10::108"
PORT = 16443
TABLE = "fairlead_51"
NAMES = ["master1", "master2", "master3"]
HEALTH = {"type": "http", "interval": "200ms", "timeout": "200ms", "rise": 2, "fall": 2}


class Site:
    """Three backends; an agent on master1, or on those that are asked for."""

    def __init__(self, lab, ipv6=False, **changes):
        self.lab = lab
        self.ipv6 = ipv6
        self.hosts = [lab.host(name, f"10.10.1.{83 + i}", ipv6=f"fd00:10::{83 + i}/64" if ipv6 else None) for i, name in enumerate(NAMES)]
        for host in self.hosts:
            host.forward()
        self.backends = {host.name: host.backend(tls=False) for host in self.hosts}
        self.client = lab.host("client", "10.10.1.20", ipv6="fd00:10::20/64" if ipv6 else None)
        self.vip = VIP6 if ipv6 else VIP
        self.changes = changes

    def address(self, number):
        return f"[fd00:10::{number}]" if self.ipv6 else f"10.10.1.{number}"

    def configuration(self, **changes):
        return merged(
            {
                "vip": {"addresses": [self.vip]},
                "loadBalancer": {"dataPath": "nat", "healthCheck": HEALTH},
                "backends": {"static": [f"{self.address(83 + i)}:6443" for i in range(3)]},
            },
            self.changes,
            changes,
        )

    def start(self, host=None, **changes):
        host = host or self.hosts[0]
        agent = host.start_agent(self.configuration(**changes))
        self.lab.wait_for(lambda: len(agent.up()) == 3, 10, "three backends that are up")
        return agent

    def start_holder(self, **changes):
        agent = self.start(**changes)
        self.lab.wait_for(lambda: self.hosts[0].holds(self.vip), 10, "the VIP")
        return agent

    def names(self, count, host=None, address=None, port=PORT):
        host = host or self.client
        return [host.http_get(address or self.vip, port, "/")[1] for _ in range(count)]

    def rules(self, host=None):
        return (host or self.hosts[0]).run("nft", "list", "ruleset")

    def conntrack(self, host=None):
        return [line for line in (host or self.hosts[0]).run("conntrack", "-L", "-p", "tcp").splitlines() if f"dport={PORT} " in line]


def open_connections(host, address, count, port=PORT):
    """`count` connections, with the name of the backend of each, all of them idle."""
    found = []
    for _ in range(count):
        connection = host.connect(address, port)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        found.append(connection)
    return [(connection, connection.recv(4096).rpartition(b"\n")[2].decode()) for connection in found]


def resets(connections, within):
    """Which of these are reset, waiting at most so many seconds for the last."""
    poll = select.poll()
    by_descriptor = {each.fileno(): each for each in connections}
    for each in by_descriptor:
        poll.register(each, select.POLLIN)
    gone, deadline = [], time.monotonic() + within * PATIENCE
    while len(gone) < len(connections) and (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(left * 1000):
            poll.unregister(descriptor)
            with pytest.raises(ConnectionResetError):
                by_descriptor[descriptor].recv(1)
            gone.append(by_descriptor[descriptor])
    return gone
