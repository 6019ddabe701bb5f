#!/usr/bin/env python3
"""What each data path costs all who take part: direct, nat, dsr, proxy and HAProxy, in one run and one table.

    tests/bench/datapath.py                   5 rounds of about a second and a half a cell
    tests/bench/datapath.py --long            9 rounds of 3 seconds a cell
    tests/bench/datapath.py --paths routed,nat,haproxy --cells request,connection

Client, balancers and two servers are hosts of their own on one bridge, all on this machine. `direct` is the client speaking to
a server, `routed` the same through one more host that only forwards, which is what `nat` has to be compared with. A round goes
through all paths before the next begins; a cell holds the median of its rounds.

CPU is that of all who take part: load generator, servers, agents, HAProxy and the kernel's ksoftirqd, by the scheduler's
count. On virtual links packets travel in the sender's context, so that on a quiet machine this is the whole machine's; beside
other work it misses what interrupts that work. $FAIRLEAD and $HAPROXY name other binaries. Nothing is judged by the exit code.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from lab import Lab  # noqa: E402
from proxy import CORES, Load, allow_descriptors, cpu_seconds, number, server_command  # noqa: E402

PORT = 16443
SERVER_PORT = 9001
CLIENT = "10.10.1.20"
SERVERS = ["10.10.1.91", "10.10.1.92"]
PATHS = ("direct", "routed", "nat", "dsr", "proxy", "haproxy")


def kernel_threads():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as file:
                if file.read().startswith("ksoftirqd"):
                    found.append(int(pid))
        except FileNotFoundError:
            pass
    return found


class Bench:
    def __init__(self, options):
        allow_descriptors()
        self.options = options
        self.threads = max(1, CORES // 2)
        self.kernel = kernel_threads()
        self.lab = Lab()
        self.client = self.lab.host("client", CLIENT)
        self.client.run("sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=10000 65535", "net.ipv4.tcp_tw_reuse=1")
        self.servers = [self.lab.host(f"server{i}", address) for i, address in enumerate(SERVERS)]
        for host in self.servers:
            host.start("backend", *server_command(SERVER_PORT, 1, 1), stdin=subprocess.PIPE)
            self.lab.wait_for(lambda: host.listens(SERVER_PORT), 5, "the server")
        self.targets = {"direct": (SERVERS[0], SERVER_PORT)}
        for path in options.paths:
            if path != "direct":
                self.targets[path] = getattr(self, f"start_{path}")()
        for path in options.paths:
            self.lab.wait_for(lambda: self.client.connect(*self.targets[path]).close() is None, 10, path)
            self.load(path, open=64, active=64, seconds=0.3)

    # --- the paths ---

    def start_routed(self):
        """Both ways through a router, by addresses that only it leads to."""
        router = self.lab.host("router", "10.10.1.30")
        router.forward()
        server, near, far = self.servers[0], "10.10.8.20", "10.10.9.91"
        self.client.ip("address", "add", f"{near}/32", "dev", "eth0")
        server.ip("address", "add", f"{far}/32", "dev", "eth0")
        self.client.ip("route", "add", f"{far}/32", "via", router.address, "src", near)
        server.ip("route", "add", f"{near}/32", "via", router.address)
        router.ip("route", "add", f"{far}/32", "via", server.address)
        router.ip("route", "add", f"{near}/32", "via", CLIENT)
        for host in (router, self.client, server):
            host.run("sysctl", "-q", "-w", "net.ipv4.conf.all.accept_redirects=0", "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0")
        return far, SERVER_PORT

    def agent(self, host, path, vip, vrid, **more):
        balancer = {"dataPath": path, "bind": [f"0.0.0.0:{PORT}"], "healthCheck": {"type": "tcp", "interval": "2s", "timeout": "1s"}}
        return host.start_agent(
            {
                "vip": {"addresses": [vip]},
                "vrrp": {"virtualRouterID": vrid, "advertInterval": "1s", **more},
                "loadBalancer": balancer,
                "backends": {"port": SERVER_PORT, "static": [f"{address}:{SERVER_PORT}" for address in SERVERS]},
            }
        )

    def start_agent(self, path, address, vip, vrid):
        host = self.lab.host(path, address)
        host.forward()
        agent = self.agent(host, path, vip, vrid, priority=200)
        others = [self.agent(server, "dsr", vip, vrid, priority=10) for server in self.servers] if path == "dsr" else []
        self.lab.wait_for(lambda: host.holds(vip) and all(len(each.up()) == 2 for each in [agent, *others]), 20, path)
        return vip, PORT

    def start_nat(self):
        return self.start_agent("nat", "10.10.1.41", "10.10.1.141", 41)

    def start_dsr(self):
        return self.start_agent("dsr", "10.10.1.42", "10.10.1.142", 42)

    def start_proxy(self):
        return self.start_agent("proxy", "10.10.1.43", "10.10.1.143", 43)

    def start_haproxy(self):
        host = self.lab.host("haproxy", "10.10.1.44")
        file = os.path.join(host.directory, "haproxy.cfg")
        with open(file, "w") as output:
            output.write(
                f"global\n  nbthread {CORES}\n  maxconn 8000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
                f"frontend clients\n  bind 0.0.0.0:{PORT}\n  default_backend servers\nbackend servers\n  balance roundrobin\n"
                + "".join(f"  server s{i} {address}:{SERVER_PORT}\n" for i, address in enumerate(SERVERS))
            )
        host.start("haproxy", os.environ.get("HAPROXY", "/usr/sbin/haproxy"), "-db", "-f", file)
        return "10.10.1.44", PORT

    # --- the measuring ---

    def cpu(self, load):
        processes = [process.pid for host in self.lab.hosts.values() for process in host.processes if process.alive]
        return sum(cpu_seconds(pid) for pid in [*processes, load.process.pid, *self.kernel])

    def load(self, path, **plan):
        plan.setdefault("seconds", self.options.seconds)
        address, port = self.targets[path]
        with Load(self.client, port, address=address, threads=self.threads, **plan) as load:
            before = self.cpu(load)
            result = load.run()
            after = self.cpu(load)
        if result["errors"]:
            raise RuntimeError(f"{path}: {result['errors']} of {result['answers']} answers failed")
        result["cpu"] = (after - before) / max(1, result["answers"]) * 1e6
        result["rate"] = result["answers"] / result["seconds"]
        return result

    def request(self, path):
        result = self.load(path, open=32, active=32)
        return {"CPU per request (µs)": result["cpu"], "requests per second": result["rate"]}

    def connection(self, path):
        result = self.load(path, open=0, active=16, fresh=True)
        return {"CPU per new connection (µs)": result["cpu"], "connections per second": result["rate"]}

    def bulk(self, path):
        result = self.load(path, open=4, active=4, answer=1 << 20)
        return {"CPU per MiB (µs)": result["cpu"], "MiB per second": result["rate"]}

    def latency(self, path):
        result = self.load(path, open=32, active=32, rate=self.options.rate)
        return {"latency, p50 (µs)": result["p50"], "latency, p99 (µs)": result["p99"]}


CELLS = ("request", "connection", "bulk", "latency")
COSTS = ("CPU per request (µs)", "CPU per new connection (µs)", "CPU per MiB (µs)", "latency, p50 (µs)", "latency, p99 (µs)")


def print_table(figures, paths):
    middle = {row: {path: statistics.median(values) for path, values in by_path.items()} for row, by_path in figures.items()}
    print(f"\n{'':<32}" + "".join(f"{path:>10}" for path in paths))
    for row, by_path in middle.items():
        print(f"{row:<32}" + "".join(f"{number(by_path.get(path)):>10}" for path in paths))
    # Ratio of rounds, not of medians: what the machine does to a round it does to all of it.
    goals = [("nat", "routed", 1.10, COSTS[:3]), ("dsr", "direct", 1.05, COSTS[:1]), ("nat", "haproxy", 0.60, COSTS[1:3]), ("dsr", "haproxy", 0.60, COSTS[1:3])]
    for path, other, goal, rows in goals:
        for row in rows:
            ours, theirs = figures.get(row, {}).get(path), figures.get(row, {}).get(other)
            if ours and theirs:
                ratio = statistics.median(a / b for a, b in zip(ours, theirs))
                print(f"{row}: {path} / {other} = {ratio:.2f} (goal: {goal:.2f}){'   goal missed' if ratio > goal else ''}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of one cell")
    parser.add_argument("--rate", type=int, default=2000, help="requests per second where latency is measured")
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--paths", default=",".join(PATHS))
    options = parser.parse_args()
    options.rounds = options.rounds or (9 if options.long else 5)
    options.seconds = options.seconds or (3.0 if options.long else 1.5)
    options.paths = options.paths.split(",")
    figures = {}
    bench = Bench(options)
    try:
        for cell in options.cells.split(","):
            for round_number in range(options.rounds):
                shift = round_number % len(options.paths)
                for path in options.paths[shift:] + options.paths[:shift]:
                    for row, value in getattr(bench, cell)(path).items():
                        figures.setdefault(row, {}).setdefault(path, []).append(value)
                print(f"{cell}: round {round_number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    finally:
        bench.lab.close()
    print_table(figures, options.paths)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main()
