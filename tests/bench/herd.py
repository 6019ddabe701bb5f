#!/usr/bin/env python3
"""A herd of clients after the VIP has moved: how long until all are served again, per data path, and what an API server pays for it.

    tests/bench/herd.py                                   1,000 and 5,000 connections, each path and event: some five minutes
    tests/bench/herd.py --counts 10000 --paths proxy,nat --events stop
    tests/bench/herd.py --kubelets 5000 --watches 15000   the cluster of the estimate at the end

Three hosts, each with an agent and a server that answers at once; one process holds all connections, each asked once and idle
since, as watches are. `stop` is SIGTERM to the agent that holds the VIP, `crash` SIGKILL; its host and its server live on. Who loses its
connection comes again at once, without the random wait of a real client: the herd at its worst. CPU is that of the other two agents and of the
servers, divided by the connections made anew; what the kernel does for clients is the herd's own.

Then one real kube-apiserver is asked over new TLS connections with a client's certificate, and given watches, to see what each costs it; the
estimate is these costs times the cluster's numbers over three such servers. $FAIRLEAD names another agent. Nothing is judged.
"""

import argparse
import json
import os
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from lab import Lab  # noqa: E402
from lab.certificates import SUPER_ADMIN  # noqa: E402
from lab.control_plane import PORT as API_PORT, ControlPlane  # noqa: E402
from proxy import CORES, PROGRAMS, allow_descriptors, cpu_seconds, server_command  # noqa: E402

VIP = "10.10.1.108"
PORT = 16443
SERVER_PORT = 9001
ADDRESSES = ["10.10.1.83", "10.10.1.84", "10.10.1.85"]
REQUESTS = 300  # to the real API server
WATCHES = 200


def herd(path, event, count):
    with Lab() as lab:
        hosts = [lab.host(f"master{i + 1}", address) for i, address in enumerate(ADDRESSES)]
        client = lab.host("client", "10.10.1.20")
        client.run("sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=10000 65535", "net.ipv4.tcp_tw_reuse=1")
        for i, host in enumerate(hosts):
            host.forward()
            host.start("backend", *server_command(SERVER_PORT, 1, 1), stdin=subprocess.PIPE)
            host.start_agent(
                {
                    "vip": {"addresses": [VIP]},
                    "vrrp": {"priority": 120 - 10 * i},
                    "loadBalancer": {"dataPath": path, "bind": [f"0.0.0.0:{PORT}"], "healthCheck": {"type": "tcp"}},
                    "backends": {"port": SERVER_PORT, "static": [f"{address}:{SERVER_PORT}" for address in ADDRESSES]},
                }
            )
        lab.wait_for(lambda: hosts[0].holds(VIP) and all(len(host.agent.up()) == 3 for host in hosts), 30, "the VIP and three backends")
        command = [os.path.join(PROGRAMS, "bench_herd"), "--address", VIP, "--port", str(PORT), "--count", str(count)]
        process = client.start("herd", *command, stdin=subprocess.PIPE)
        lab.wait_for(lambda: "ready" in process.text(), 60, f"{count} connections")
        members = [each.pid for host in hosts for each in host.processes if each.pid != hosts[0].agent.pid]
        before = sum(cpu_seconds(pid) for pid in members)
        process.popen.stdin.write(b"go\n")
        process.popen.stdin.flush()
        if event == "stop":
            hosts[0].agent.stop()
        else:
            hosts[0].agent.kill()
        report = lab.wait_for(lambda: process.text().partition("ready\n")[2].strip(), 120, "all to be served again")
        spent = sum(cpu_seconds(pid) for pid in members) - before
        result = json.loads(report)
        result["cpu"] = f"{spent / result['lost'] * 1e6:.0f} µs each" if result["lost"] else "-"
        return result


def ask(connection, head):
    connection.sendall(head.encode())
    text = b""
    while b"\r\n\r\n" not in text:
        more = connection.recv(65536)
        if not more:
            raise RuntimeError("the API server closed the connection")
        text += more
    if b" 200 " not in text.split(b"\r\n", 1)[0]:
        raise RuntimeError(text.split(b"\r\n", 1)[0].decode())


def api_costs():
    """Milliseconds of the kube-apiserver's CPU: (for a new TLS connection and one small request, for the same and a watch instead)"""
    with Lab() as lab:
        host = lab.host("master1", ADDRESSES[0])
        client = lab.host("client", "10.10.1.20")
        plane = ControlPlane(lab, VIP)
        plane.start(host)
        plane.add_node(host)
        certificate, key = lab.authority.client("super-admin", SUPER_ADMIN)
        context = ssl.create_default_context(cafile=lab.authority.certificate)
        context.load_cert_chain(certificate, key)
        open_ones = []

        def connect():
            return context.wrap_socket(client.connect(host.address, API_PORT), server_hostname=host.address)

        def cost(count, path, keep):
            before = cpu_seconds(plane.server(host).pid)
            for _ in range(count):
                connection = connect()
                ask(connection, f"GET {path} HTTP/1.1\r\nHost: {host.address}\r\n\r\n")
                if keep:
                    open_ones.append(connection)
                else:
                    connection.close()
            return (cpu_seconds(plane.server(host).pid) - before) / count * 1000

        cost(50, "/version", False)
        version = plane.kubectl("get", "nodes", "-o", "jsonpath={.metadata.resourceVersion}").strip()
        costs = cost(REQUESTS, "/version", False), cost(WATCHES, f"/api/v1/nodes?watch=1&resourceVersion={version}", True)
        for connection in open_ones:
            connection.close()
        return costs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="1000,5000")
    parser.add_argument("--paths", default="proxy,nat,dsr")
    parser.add_argument("--events", default="stop,crash")
    parser.add_argument("--kubelets", type=int, default=5000)
    parser.add_argument("--watches", type=int, default=15000, help="of all kubelets together")
    parser.add_argument("--no-api", action="store_true", help="without the kube-apiserver and the estimate")
    options = parser.parse_args()
    allow_descriptors()
    print(f"{'PATH':<7}{'EVENT':<7}{'OPEN':>7}{'LOST':>7}{'FAILED':>8}{'FIRST':>9}{'HALF':>9}{'99 %':>9}{'ALL SERVED':>12}{'CPU':>16}", flush=True)
    for path in options.paths.split(","):
        for event in options.events.split(","):
            for count in map(int, options.counts.split(",")):
                got = herd(path, event, count)
                print(
                    f"{path:<7}{event:<7}{count:>7}{got['lost']:>7}{got['failed']:>8}{got['first']:>6.0f} ms{got['p50']:>6.0f} ms{got['p99']:>6.0f} ms"
                    f"{got['last']:>9.0f} ms{got['cpu']:>16}",
                    flush=True,
                )
    if options.no_api:
        return
    connection, watch = api_costs()
    print(f"\na kube-apiserver spends {connection:.2f} ms on a new TLS connection with one small request, {watch:.2f} ms where the request is a watch")
    total = options.kubelets * connection + options.watches * max(0.0, watch - connection)
    per_server = total / 3 / 1000
    print(
        f"{options.kubelets} kubelets with a connection each and {options.watches} watches over them: {total / 1000:.0f} s of CPU in all, {per_server:.0f} s for each of three servers; "
        f"with {CORES} cores for each all are served after {per_server / CORES:.1f} s, with 8 after {per_server / 8:.1f} s"
    )


if __name__ == "__main__":
    main()
