"""Too many clients: slow ones by the thousand, floods beyond the limits. Who is connected goes on, memory stays bounded,
the agent does not spin, and recovers."""

import contextlib
import os
import resource
import subprocess
import time

import pytest
from lab import Lab, namespaces
from lab.agent import merged

VIP = "10.10.1.108"
PORT = 16443
SETTINGS = {
    "vip": {"addresses": [VIP]},
    "loadBalancer": {"healthCheck": {"type": "http", "interval": "1s", "timeout": "2s"}},
    "backends": {"static": ["10.10.1.83:6443"]},
}


class Trickle:
    """`count` slow clients on a host."""

    def __init__(self, host, count, period=1.0):
        program = os.path.join(os.path.dirname(__file__), "../lab/trickle_program.py")
        self.process = subprocess.Popen(
            ["nsenter", f"--net={namespaces.path(host.namespace)}", "--", "/usr/bin/python3", program, VIP, str(PORT), str(count), str(period)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    @property
    def state(self):
        """(open, echoed, failed)"""
        return tuple(int(word) for word in self.ask("state"))

    def close(self):
        assert self.ask("close") == ["closed"]

    def end(self):
        self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()


@contextlib.contextmanager
def site(changes=None, descriptors=None):
    with Lab(vips=[VIP]) as lab, contextlib.ExitStack() as ends:
        (host,) = lab.masters(1)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        backend = host.backend(tls=False)
        resource.prlimit(backend.pid, resource.RLIMIT_NOFILE, (hard, hard))
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The agent inherits its limit, as from a container runtime.
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors or hard, hard))
        try:
            agent = host.start_agent(merged(SETTINGS, changes or {}))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        lab.wait_for(lambda: host.holds(VIP) and agent.up(), 10, "the VIP and the backend")

        def flood(count, period=1.0):
            trickle = Trickle(lab.client_host, count, period)
            ends.callback(trickle.end)
            return trickle

        yield lab, agent, flood


def memory(agent):
    """Resident memory in KiB."""
    with open(f"/proc/{agent.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def cpu(agent):
    """Seconds of processor time so far."""
    with open(f"/proc/{agent.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def raw(lab):
    connection = lab.client_host.connect(VIP, PORT)
    connection.sendall(b"RAW\n")
    return connection


def echoes(connection, byte=b"y"):
    connection.sendall(byte)
    return connection.recv(1) == byte


def test_thousands_of_slow_clients_cost_little_and_hurt_nobody():
    with site() as (lab, agent, flood):
        first = raw(lab)
        assert echoes(first)
        before = memory(agent)
        slow = flood(4000)
        lab.wait_for(lambda: slow.state[1] == 4000, 60, "every slow client to have had its byte", interval=0.5)
        each = (memory(agent) - before) * 1024 / 4000
        print(f"\nresident memory of the agent per trickling connection: {each:.0f} B")
        assert each < 4096, "a slow client holds a buffer of its own"
        assert echoes(first)
        assert lab.client_host.http_get(VIP, PORT, "/")[1] == "master1"
        slow.close()
        lab.wait_for(lambda: agent.metrics("backend_connections") == 1, 20, "the slow clients to be gone")
        assert echoes(first)


def test_a_flood_beyond_the_limit_waits_outside_and_who_is_in_goes_on():
    with site({"loadBalancer": {"maxConnections": 300}}) as (lab, agent, flood):
        first = raw(lab)
        assert echoes(first)
        before = memory(agent)
        wave = flood(2000)
        lab.wait_for(lambda: "accepting paused" in agent.text(), 20, "the limit")
        lab.wait_for(lambda: wave.state[1] >= 298, 20, "the first of them to be served")
        started, used = time.monotonic(), cpu(agent)
        for _ in range(20):
            assert echoes(first)
            time.sleep(0.1)
        busy = (cpu(agent) - used) / (time.monotonic() - started)
        assert busy < 0.5, f"the agent used {busy:.0%} of a core to keep clients waiting"
        assert wave.state[1] <= 305, "more clients are served than the limit allows"
        assert memory(agent) - before < 8 * 1024
        wave.close()
        lab.wait_for(lambda: "accepting resumed" in agent.text(), 20, "recovery")
        assert lab.client_host.http_get(VIP, PORT, "/")[1] == "master1"
        assert echoes(first)


def test_running_out_of_descriptors_is_survived_without_spinning():
    # More connections are allowed than there are descriptors for.
    with site({"loadBalancer": {"maxConnections": 5000}}, descriptors=700) as (lab, agent, flood):
        first = raw(lab)
        assert echoes(first)
        wave = flood(1000)
        lab.wait_for(lambda: "out of file descriptors or memory" in agent.text(), 20, "the descriptors to run out")
        lab.wait_for(lambda: wave.state[1] > 200, 20, "those who got in to be served")
        started, used = time.monotonic(), cpu(agent)
        for _ in range(20):
            assert echoes(first)
            time.sleep(0.1)
        busy = (cpu(agent) - used) / (time.monotonic() - started)
        assert busy < 0.5, f"the agent used {busy:.0%} of a core while out of descriptors"
        # The election and whoever asks the agent need descriptors as well, and have them after the flood at the latest.
        wave.close()
        lab.wait_for(lambda: agent.get("/healthz")[0] == 200, 20, "the admin address")
        lab.wait_for(lambda: "accepting resumed" in agent.text(), 20, "recovery")
        assert lab.client_host.http_get(VIP, PORT, "/")[1] == "master1"
        assert echoes(first)
        assert agent.state == "MASTER"
        assert "became BACKUP" not in agent.text().split("became MASTER", 1)[1], "the flood moved the VIP"


@pytest.mark.parametrize("reads", [True, False])
def test_clients_that_never_read_hold_no_more_than_they_are_allowed(reads):
    """A backend that sends without end to a hundred clients that don't read: back-pressure, not memory."""
    with site() as (lab, agent, _):
        before = memory(agent)
        clients = [lab.client_host.connect(VIP, PORT) for _ in range(100)]
        for client in clients:
            client.sendall(b"GET /flood/100000000 HTTP/1.1\r\n\r\n")
        if reads:
            for client in clients:
                assert client.recv(10) == b"HTTP/1.1 2"
        lab.wait_for(lambda: agent.metrics("backend_bytes_total", direction="to_client") > 0, 10, "bytes")
        seen = []
        lab.wait_for(lambda: seen.append(agent.metrics("backend_bytes_total")) or len(seen) > 20 and seen[-1] == seen[-20], 30, "the bytes to stop", interval=0.05)
        grown = memory(agent) - before
        print(f"\nresident memory for 100 clients that don't read: {grown} KiB")
        assert grown < 100 * 300, "more is held than documented"
        for client in clients:
            client.close()
