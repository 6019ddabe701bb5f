"""What clients see of a backend that fails, fault by fault: how many requests fail, from when on none does, and when
a connection that is open is reset. The figures are printed (pytest -s); docs/proxy.md has some."""

import time

import pytest
from lab import PATIENCE, Lab

VIP = "10.10.1.108"
PORT = 16443
INTERVAL, TIMEOUT, FALL = 0.5, 0.5, 2
# As docs/proxy.md has it: the longest that a probe takes to begin, then probes that all end by their timeout.
BOUND = 1.1 * INTERVAL + FALL * TIMEOUT + (FALL - 1) * 0.275
BACKEND = "10.10.1.84:6443"


@pytest.fixture(scope="module")
def site():
    with Lab() as lab:
        hosts = lab.masters()
        servers = {host.name: host.backend(tls=False) for host in hosts}
        hosts[0].start_agent({
            "vip": {"addresses": [VIP]},
            "loadBalancer": {
                "healthCheck": {"type": "http", "interval": f"{INTERVAL * 1000:.0f}ms", "timeout": f"{TIMEOUT * 1000:.0f}ms", "fall": FALL},
            },
            "backends": {"static": [f"{host.address}:6443" for host in hosts]},
        })  # fmt: skip
        lab.wait_for(lambda: hosts[0].holds(VIP), 10, "the VIP")
        yield lab, hosts, servers


def fault_of(host, servers, name):
    """How to bring the fault about on that host, and how to mend it."""

    def misbehave(kind):
        return lambda: host.http_get(host.address, 6443, f"/fault/{kind}")

    def revive():
        servers[host.name] = host.backend(tls=False)

    server = servers[host.name]
    return {
        "killed": (server.kill, revive),
        "frozen": (server.freeze, server.thaw),
        "unplugged": (lambda: host.cut_link(silently=True), host.heal_link),
        "garbage": (misbehave("garbage"), misbehave("none")),
        "silent": (misbehave("silent"), misbehave("none")),
        "500": (misbehave("500"), misbehave("none")),
    }[name]


def held_connection(lab):
    """One through the VIP that master2 serves."""
    for _ in range(30):
        connection = lab.client_host.connect(VIP, PORT, timeout=5)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        if connection.recv(4096).endswith(b"master2"):
            return connection
        connection.close()
    raise AssertionError("no connection reached master2")


def end_of(connection):
    """When it ended, however it did."""
    connection.settimeout(20 * PATIENCE)
    try:
        assert connection.recv(1) == b""
    except ConnectionResetError:
        pass
    return time.monotonic()


@pytest.mark.parametrize("name", ["killed", "frozen", "unplugged", "garbage", "silent", "500"])
def test_a_backend_that_fails(site, name):
    lab, hosts, servers = site
    agent = hosts[0].agent
    lab.wait_for(lambda: len(agent.up()) == 3, 10, "three backends that are up")
    inflict, mend = fault_of(hosts[1], servers, name)
    with lab.client(VIP, timeout=20 * PATIENCE) as client, held_connection(lab) as held:
        lab.wait_for(lambda: client.successes() >= 20, 10, "answers")
        began = time.monotonic()
        inflict()
        in_force = time.monotonic()
        try:
            ended = end_of(held)
            lab.wait_for(lambda: agent.backends()[BACKEND] == "down", 10, "the backend to be down")
            down = time.monotonic()
            lab.wait_for(lambda: client.successes(since=down + 0.1) >= 50, 10, "more answers")
        finally:
            mend()
        requests = client.requests(since=began)
        failed = [each for each in requests if not each.ok]
        during = [each for each in requests if began <= each.start <= down]
        print(
            f"\n{name}: the open connection ended after {ended - began:.2f} s (bound {BOUND:.2f} s), down was seen after {down - began:.2f} s; "
            f"of {len(during)} requests made until then {len(failed)} failed: {', '.join(sorted({ascii(each.outcome)[1:30] for each in failed})) or '-'}"
        )
        # Whoever comes when the backend is known to be down is served, always.
        assert [each for each in failed if each.start > down] == []
        if name in ("killed", "unplugged"):
            # A connect that fails or isn't answered moves on: only who was being served may notice.
            assert [each for each in failed if each.start > in_force] == [], "a new connection failed"
        assert ended - began <= BOUND * PATIENCE
        if name not in ("killed", "unplugged"):
            assert failed, "nobody came to the backend, so this showed nothing"
    lab.wait_for(lambda: len(agent.up()) == 3, 15, "the backend to be up again")
