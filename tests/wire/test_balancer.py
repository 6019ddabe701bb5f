"""The balancer: clients connect to an agent's port 16443 and are served by small servers in the API servers' place.

What holds for every data path is asked of each; where a path differs, the test says so (docs/kernel.md).
"""

import contextlib
import errno
import hashlib
import socket
import struct
import time

import pytest
from lab import PATIENCE, Lab, merged
from lab.dsr import settle

VIP = "10.10.1.108"
PORT = 16443
NAMES = ["master1", "master2", "master3"]


class Site:
    """Three backends; one agent, on master1, which therefore holds the VIP. In dsr each host has one, master1's the best."""

    def __init__(self, lab, data_path):
        self.lab = lab
        self.data_path = data_path
        self.hosts = lab.masters()
        for host in self.hosts:
            host.forward()
        self.backends = {host.name: host.backend(tls=False) for host in self.hosts}
        self.client = lab.client_host
        self.agents = []

    def configuration(self, **changes):
        return merged(
            {
                "vip": {"addresses": [VIP]},
                "loadBalancer": {
                    "dataPath": self.data_path,
                    **({"connectTimeout": "500ms"} if self.data_path == "proxy" else {}),
                    "healthCheck": {"type": "http", "interval": "200ms", "timeout": "200ms", "rise": 2, "fall": 2},
                },
                "backends": {"static": [f"{host.address}:6443" for host in self.hosts]},
            },
            changes,
        )

    @property
    def agent(self):
        """Of the VIP's holder."""
        return self.agents[0]

    def start(self, **changes):
        hosts = self.hosts if self.data_path == "dsr" else self.hosts[:1]
        self.agents = [host.start_agent(self.configuration(vrrp={"priority": 120 - 10 * i}, **changes)) for i, host in enumerate(hosts)]

    def stop(self):
        for agent in self.agents:
            agent.stop()

    def connections(self):
        """Open ones; in dsr each host knows of those to its own API server."""
        return sum(each["connections"] for agent in self.agents for each in agent.status()["backends"])

    @property
    def probes(self):
        """How many of them may be health checks: those of dsr go through the other hosts' rules (docs/kernel.md)."""
        return 15 if self.data_path == "dsr" else 0

    def metric(self, name):
        return sum(agent.metrics(name) for agent in self.agents)

    def ready(self):
        for host in self.hosts:
            if not self.backends[host.name].alive:
                self.backends[host.name] = host.backend(tls=False)
        if not self.agents or not self.agent.alive:
            self.start()
        self.lab.wait_for(lambda: self.hosts[0].holds(VIP) and all(len(agent.up()) == 3 for agent in self.agents), 10, "the VIP and three backends that are up")
        if self.data_path == "dsr":
            settle(self.hosts, self.hosts)
        return self

    def name(self):
        """Who answers a new connection through the VIP."""
        return self.client.http_get(VIP, PORT, "/")[1]

    def connection_to(self, name):
        """A connection through the VIP that this backend serves."""
        for _ in range(40):
            connection = self.client.connect(VIP, PORT)
            if ask(connection) == name:
                return connection
            connection.close()
        raise AssertionError(f"no connection reached {name}")


def ask(connection):
    """One HTTP request on an open connection; the name in its answer."""
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = connection.recv(4096)
        if not data:
            raise ConnectionError("closed")
        answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    size = int(head.lower().split(b"content-length:")[1].split()[0])
    while len(body) < size:
        body += connection.recv(4096)
    return body.decode()


@pytest.fixture(scope="module", params=["proxy", "nat", "dsr"])
def shared(request):
    with Lab() as lab:
        yield Site(lab, request.param)


@pytest.fixture
def site(shared):
    return shared.ready()


def only(data_path):
    """The test is about this data path alone."""
    return pytest.mark.parametrize("shared", [data_path], indirect=True)


def test_connections_are_spread_evenly_over_all_backends(site):
    names = [site.name() for _ in range(60)]
    # Each worker of the proxy goes round by itself, so not exactly twenty each; dsr goes by a hash.
    assert set(names) == set(NAMES)
    least = 8 if site.data_path == "dsr" else 12
    assert all(least <= names.count(name) for name in NAMES), names


@only("proxy")  # the kernel tries no other backend: clients are refused until the health check fails
def test_a_killed_backend_costs_no_client_a_request(site):
    with site.lab.client(VIP) as client:
        site.lab.wait_for(lambda: client.successes() >= 20, 10, "answers")
        site.backends["master2"].kill()
        killed = time.monotonic()
        site.lab.wait_for(lambda: site.agent.backends()["10.10.1.84:6443"] == "down", 5, "the backend to be marked down")
        marked = time.monotonic()
        site.lab.wait_for(lambda: client.successes(since=marked + 0.1) >= 30, 5, "more answers")
        # A request that the dead server had taken but not answered is lost with it.
        failures = client.requests(killed - 0.05, killed + 0.1)
        lost = sum(1 for each in failures if not each.ok)
        assert lost <= 3 and sum(client.failures().values()) == lost, client.failures()
        assert set(client.bodies(since=marked + 0.1)) == {"master1", "master3"}
        site.ready()
        back = time.monotonic()
        site.lab.wait_for(lambda: "master2" in client.bodies(since=back), 5, "the revived backend to serve again")


@only("proxy")  # likewise: they wait
def test_a_backend_on_a_dead_host_is_passed_over(site):
    site.hosts[1].cut_link(silently=True)
    try:
        for _ in range(6):
            assert site.client.http_get(VIP, PORT, "/", timeout=3)[1] in ("master1", "master3")
    finally:
        site.hosts[1].heal_link()


def test_open_connections_of_a_backend_that_fails_its_check_are_reset_at_once(site):
    dead, kept = site.connection_to("master2"), site.connection_to("master3")
    with dead, kept:
        # Frozen, it keeps its connections: without the reset the client would wait for ever.
        site.backends["master2"].freeze()
        try:
            dead.settimeout(5)
            started = time.monotonic()
            with pytest.raises(ConnectionResetError):
                dead.recv(1)
            assert time.monotonic() - started < 3 * PATIENCE
            assert ask(kept) == "master3"
        finally:
            site.backends["master2"].thaw()
        site.ready()
        assert ask(kept) == "master3"


def test_if_every_backend_fails_its_check_they_are_tried_anyway(site):
    # Their ports answer, but not as the check wants it.
    site.stop()
    site.start(loadBalancer={"healthCheck": {"expectStatus": 204}})
    try:
        site.lab.wait_for(lambda: list(site.agent.backends().values()) == ["down"] * 3, 5, "three backends that are down")
        site.lab.wait_for(lambda: site.hosts[0].holds(VIP), 10, "the VIP")
        assert site.name() in NAMES
        status = site.agent.status()
        assert status["balancer"]["fallOpen"] is True
        assert any("no backend" in warning for warning in status["warnings"])
    finally:
        site.stop()


def test_a_half_closed_connection_carries_the_answer_to_its_end(site):
    with site.client.connect(VIP, PORT) as connection:
        connection.sendall(b"RAW\n")
        data = bytes(range(256)) * 400
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(1 << 16):
            received += chunk
    assert received == data + b"total %d\n" % len(data)


def test_a_large_answer_to_a_slow_reader_arrives_whole(site):
    size = 24 << 20
    with site.client.connect(VIP, PORT, timeout=20) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.sendall(f"GET /flood/{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(0.5)  # the reader that lags behind: all buffers between fill up
        digest, received, head = hashlib.sha256(), 0, b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        body = head.partition(b"\r\n\r\n")[2]
        while True:
            digest.update(body)
            received += len(body)
            if received >= size:
                break
            body = connection.recv(1 << 18)
            assert body, f"closed after {received} of {size} bytes"
    block = bytes(range(256)) * 256
    assert digest.digest() == hashlib.sha256(block * (size // len(block))).digest()


def test_a_clients_reset_reaches_the_backend(site):
    site.lab.wait_for(lambda: site.connections() <= site.probes, 5, "no connection from before")
    connections = [site.connection_to("master1") for _ in range(20)]
    site.lab.wait_for(lambda: 20 <= site.connections() <= 20 + site.probes, 5, "the connections in the status")
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    site.lab.wait_for(lambda: site.connections() <= site.probes, 5, "the connections to be gone from the status")


def test_the_metrics_count_what_the_balancer_does(site):
    before = site.metric("backend_connections_total")
    for _ in range(6):
        site.name()
    site.lab.wait_for(lambda: site.metric("backend_connections_total") >= before + 6, 5, "the count of connections")
    assert site.agent.metrics("backend_up") == 3
    assert site.metric("backend_bytes_total") > 0
    assert site.agent.metrics("vrrp_state") == 2


def test_idle_clients_in_the_thousands_do_not_keep_others_out(site):
    with contextlib.ExitStack() as held:
        for _ in range(1500):
            held.enter_context(site.client.connect(VIP, PORT))
        assert {site.name() for _ in range(9)} <= set(NAMES)
    site.lab.wait_for(lambda: site.connections() <= site.probes, 10, "the connections to be gone")


@only("proxy")
def test_the_access_log_tells_of_each_connection_who_ended_it(site):
    site.stop()
    site.start(loadBalancer={"accessLog": True})
    site.ready()
    try:
        with site.connection_to("master1") as connection:
            client = "%s:%d" % connection.getsockname()

        def line():
            return [each for each in site.agent.text().splitlines() if "connection ended" in each and f"client={client} " in each]

        (found,) = site.lab.wait_for(line, 5, "the line")
        assert "backend=10.10.1.83:6443 end=client " in found and " toBackend=27 " in found and " retries=0 " in found
    finally:
        site.stop()


def test_with_no_reachable_backend_a_client_is_not_kept_waiting(site):
    for backend in site.backends.values():
        backend.kill()
    started = time.monotonic()
    with pytest.raises(OSError) as raised:
        site.client.http_get(VIP, PORT, "/", timeout=5)
    assert time.monotonic() - started < 3 * PATIENCE
    assert not isinstance(raised.value, TimeoutError)
    assert raised.value.errno in (errno.ECONNRESET, errno.ECONNREFUSED, errno.EPIPE, None)
    # Nobody else would do better: the VIP stays.
    assert site.hosts[0].holds(VIP)


def test_an_api_server_that_is_about_to_stop_gets_nobody_new_and_loses_nobody(lab_of_two_stand_ins):
    lab, host, servers = lab_of_two_stand_ins
    client = lab.client_host
    open_ones = [client.tls_connect(VIP, PORT, lab.authority.certificate) for _ in range(6)]
    try:
        before = {each["name"]: each["connections"] for each in host.agent.status()["backends"]}
        assert all(count > 0 for count in before.values()), before
        servers[1].tell("readyz", status=500)
        name = f"{lab.hosts['master2'].address}:6443"
        lab.wait_for(lambda: host.agent.backends()[name] == "draining", 10, "the drain")
        more = [client.tls_connect(VIP, PORT, lab.authority.certificate) for _ in range(6)]
        after = {each["name"]: each["connections"] for each in host.agent.status()["backends"]}
        assert after[name] == before[name], "nothing new came to it, and nothing was reset"
        for each in more:
            each.close()
        servers[1].tell("readyz", status=200)
        lab.wait_for(lambda: host.agent.backends()[name] == "up", 10, "the end of the drain")
    finally:
        for each in open_ones:
            each.close()


@pytest.fixture
def lab_of_two_stand_ins():
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(2)
        servers = [host.stand_in() for host in hosts]
        hosts[0].start_agent({
            "vip": {"addresses": [VIP]},
            "loadBalancer": {"healthCheck": {"caFile": lab.authority.certificate, "interval": "200ms"}},
            "backends": {"static": [f"{host.address}:6443" for host in hosts]},
        })  # fmt: skip
        lab.wait_for(lambda: hosts[0].holds(VIP) and len(hosts[0].agent.up()) == 2, 10, "the VIP and two backends that are up")
        yield lab, hosts[0], servers
