#!/usr/bin/env python3
"""What the proxy costs: fairlead beside HAProxy, nginx's stream module and the direct way, in one run and one table.

    tests/bench/proxy.py                 the short form: 3 rounds of about a second and a half a cell
    tests/bench/proxy.py --long          9 rounds of 3 seconds a cell: about half an hour
    tests/bench/proxy.py --cells request,bulk --proxies fairlead,haproxy,haproxy-splice
    tests/bench/proxy.py --cells request,connection,bulk --proxies fairlead,fairlead-unfiltered      what seccomp costs

Everybody runs in one network namespace, with as many workers as there are cores, before the same server
(bench_backend, ten ports) and the same client (bench_load). A round goes through all proxies before the next begins;
a cell holds the median of its rounds. CPU is the time that the proxy's processes were on a core, by the scheduler's
count; memory is what they have of their own, per connection on which one request was made. Latency is that of requests
at a fixed rate, counted from when they were due. $FAIRLEAD and $HAPROXY name other binaries. Nothing is judged by the
exit code; a goal that was missed is marked.
"""

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from lab import Lab  # noqa: E402
from lab.agent import binary  # noqa: E402
from lab.namespaces import path as namespace_path  # noqa: E402

CORES = len(os.sched_getaffinity(0))
PROGRAMS = os.path.join(os.path.dirname(binary()), "tests")
FIRST_BACKEND = 9001
BACKENDS = 10
CONNECTIONS = 8000  # at most, two descriptors each in a proxy


def allow_descriptors():
    """As many as may be, for this process and its children."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def server_command(first, count, threads):
    """The command of the server that all benchmarks speak to, on `count` ports from `first` on; it ends with its standard input."""
    return [os.path.join(PROGRAMS, "bench_backend"), "--first", str(first), "--count", str(count), "--threads", str(threads)]


def addresses(count):
    """`count` backends; past the ports that the server listens on, other addresses of loopback share them."""
    return [f"127.0.0.{1 + n // BACKENDS}:{FIRST_BACKEND + n % BACKENDS}" for n in range(count)]


# --- those that are measured ---


class Fairlead:
    def __init__(self, name="fairlead", settings=None):
        self.name, self.settings = name, settings or {}

    def start(self, host, port, backends):
        number = len(host.agents)
        agent = host.start_agent(
            self.settings
            | {
                # Each agent needs its own.
                "vip": {"addresses": [f"10.10.1.{100 + number % 100}"]},
                "vrrp": {"virtualRouterID": 51 + number % 200, "peerPort": 20000 + number},
                "loadBalancer": {
                    "bind": [f"127.0.0.1:{port}"],
                    "healthCheck": {"type": "tcp", "interval": "60s", "timeout": "10s"},
                },
                "backends": {"static": backends},
                "admin": {"bind": f"127.0.0.1:{port + 1000}"},
            },
            wait=False,  # it answers on another port than the lab's agents
        )
        host.lab.wait_for(lambda: len([health for health in self._healths(host, port) if health == "up"]) == len(backends), 30, "backends that are up")
        return agent

    @staticmethod
    def _healths(host, port):
        status = json.loads(host.http_get("127.0.0.1", port + 1000, "/status")[1])
        return [backend["health"] for backend in status["backends"]]


class Haproxy:
    def __init__(self, name="haproxy", extra=""):
        self.name, self.extra = name, extra

    def start(self, host, port, backends):
        file = os.path.join(host.directory, f"{self.name}-{port}.cfg")
        with open(file, "w") as output:
            output.write(
                f"""global
  nbthread {CORES}
  maxconn {CONNECTIONS + 100}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  {self.extra}
frontend clients
  bind 127.0.0.1:{port}
  default_backend servers
backend servers
  balance roundrobin
"""
                + "".join(f"  server s{n} {address}\n" for n, address in enumerate(backends))
            )
        return host.start(self.name, os.environ.get("HAPROXY", "/usr/sbin/haproxy"), "-db", "-f", file)


class Nginx:
    name = "nginx"

    def start(self, host, port, backends):
        base = os.path.join(host.directory, f"nginx-{port}")
        with open(f"{base}.conf", "w") as output:
            output.write(
                f"""load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid {base}.pid;
error_log stderr error;
worker_processes {CORES};
events {{ worker_connections {2 * CONNECTIONS + 500}; }}
stream {{
  upstream servers {{ {" ".join(f"server {address};" for address in backends)} }}
  server {{
    listen 127.0.0.1:{port} reuseport backlog=4096;
    proxy_pass servers;
    proxy_connect_timeout 5s;
    proxy_timeout 1h;
  }}
}}
"""
            )
        return host.start("nginx", "/usr/sbin/nginx", "-c", f"{base}.conf", "-p", host.directory)


class Direct:
    name = "direct"


UNFILTERED = Fairlead("fairlead-unfiltered", {"security": {"seccomp": "off"}})
ALL = {each.name: each for each in (Fairlead(), UNFILTERED, Haproxy(), Haproxy("haproxy-splice", "option splice-auto"), Nginx(), Direct())}


# --- what it is measured with ---


def children(pid):
    found = [pid]
    for each in found:
        for task in os.listdir(f"/proc/{each}/task"):
            with open(f"/proc/{each}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
    return found


def cpu_seconds(pid):
    """Of a process and all that descend from it."""
    total = 0
    for each in children(pid):
        for task in os.listdir(f"/proc/{each}/task"):
            with open(f"/proc/{each}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def own_memory(pid):
    """Anonymous memory in bytes; what a process shares with its children counts once."""
    total = 0
    for each in children(pid):
        with open(f"/proc/{each}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss_Anon:"))
    return total * 1024


class Load:
    """bench_load with its connections open; see load.cpp."""

    def __init__(self, host, port, **options):
        command = ["nsenter", f"--net={namespace_path(host.namespace)}", "--", os.path.join(PROGRAMS, "bench_load"), "--port", str(port)]
        for name, value in options.items():
            command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._expect("ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(30)

    def _expect(self, start):
        line = self.process.stdout.readline()
        if not line.startswith(start):
            raise RuntimeError(f"bench_load failed: {line!r}")
        return line

    def run(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self._expect("{"))


class Bench:
    def __init__(self, options):
        allow_descriptors()
        self.options = options
        self.threads = max(1, CORES // 2)
        self.lab = Lab()
        self.host = self.lab.host("bench", "10.10.1.83")
        # Thousands of connections a second leave as many in TIME_WAIT.
        self.host.run("sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=20000 65535", "net.ipv4.tcp_tw_reuse=1")
        self.host.start("backend", *server_command(FIRST_BACKEND, BACKENDS, self.threads), stdin=subprocess.PIPE)
        self.lab.wait_for(lambda: self.host.connect("127.0.0.1", FIRST_BACKEND).close() is None, 5, "the server")
        self.ports = 0
        self.running = {}

    def start(self, name, backends=BACKENDS):
        """(port, process) of a proxy that serves."""
        if name == "direct":
            return FIRST_BACKEND, None
        self.ports += 1
        port = 10000 + self.ports
        process = ALL[name].start(self.host, port, addresses(backends))
        self.lab.wait_for(lambda: self.host.connect("127.0.0.1", port).close() is None, 10, name)
        # The agent's VRRP election and its first announcements are over.
        self.load(port, open=64, active=64, seconds=0.3)
        return port, process

    def proxy(self, name, backends=BACKENDS):
        key = (name, backends)
        if key not in self.running:
            self.running[key] = self.start(name, backends)
        return self.running[key]

    def load(self, port, process=None, **plan):
        plan.setdefault("seconds", self.options.seconds)
        with Load(self.host, port, threads=self.threads, **plan) as load:
            before = cpu_seconds(process.pid) if process else 0
            result = load.run()
            after = cpu_seconds(process.pid) if process else 0
        if result["errors"]:
            raise RuntimeError(f"{result['errors']} of {result['answers']} answers failed")
        result["cpu"] = (after - before) / max(1, result["answers"]) * 1e6 if process else None
        result["rate"] = result["answers"] / result["seconds"]
        return result

    # --- the cells: each gives rows by name ---

    def request(self, name):
        result = self.load(*self.proxy(name), open=32, active=32)
        return {"CPU per request (µs)": result["cpu"], "requests per second": result["rate"]}

    def connection(self, name):
        result = self.load(*self.proxy(name), open=0, active=16, fresh=True)
        return {"CPU per new connection (µs)": result["cpu"], "connections per second": result["rate"]}

    def bulk(self, name):
        result = self.load(*self.proxy(name), open=4, active=4, answer=1 << 20)
        return {"CPU per MiB (µs)": result["cpu"], "MiB per second": result["rate"]}

    def latency(self, name):
        result = self.load(*self.proxy(name), open=32, active=32, rate=self.options.rate)
        return {f"CPU per request at {self.options.rate}/s (µs)": result["cpu"], "latency, p50 (µs)": result["p50"], "latency, p99 (µs)": result["p99"]}

    def memory(self, name):
        if name == "direct":
            return {"memory per idle connection (B)": None}
        port, process = self.start(name)
        before = own_memory(process.pid)
        with Load(self.host, port, open=4000):
            after = own_memory(process.pid)
        process.stop()
        return {"memory per idle connection (B)": (after - before) / 4000}

    def scale(self, name):
        """What one request costs among many connections, and a connection among many backends."""
        if name == "direct":
            return {}
        rows = {}
        for count in (10, 1000, CONNECTIONS):
            rows[f"CPU per request, 10 of {count} connections (µs)"] = self.load(*self.proxy(name), open=count, active=10)["cpu"]
        for count in (1000, CONNECTIONS):
            rows[f"… {count} connections in turn (µs)"] = self.load(*self.proxy(name), open=count, active=10, rotate=True)["cpu"]
        for count in (1, 10, 100):
            rows[f"CPU per new connection, {count} backends (µs)"] = self.load(*self.proxy(name, count), open=0, active=16, fresh=True)["cpu"]
        return rows


CELLS = ("request", "connection", "bulk", "latency", "memory", "scale")

# Row → the most that fairlead's figure may be of HAProxy's.
GOALS = {
    "CPU per request (µs)": 0.80,
    "CPU per request at 4000/s (µs)": 0.80,
    "CPU per new connection (µs)": 0.80,
    "CPU per MiB (µs)": 0.33,
    "memory per idle connection (B)": 0.15,
    "latency, p99 (µs)": 1.0,
}
# Rows of which fairlead's figure should be no more than 1.3 times that of the first.
FLAT = [
    ("CPU per request, 10 of 10 connections (µs)", ["CPU per request, 10 of 1000 connections (µs)", "CPU per request, 10 of 8000 connections (µs)"]),
    ("CPU per new connection, 1 backends (µs)", ["CPU per new connection, 10 backends (µs)", "CPU per new connection, 100 backends (µs)"]),
]
MORE_IS_BETTER = {"requests per second", "connections per second", "MiB per second"}


def number(value):
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def print_table(figures, proxies):
    """figures: row → proxy → values of the rounds"""
    middle = {row: {name: statistics.median(values) for name, values in by_name.items()} for row, by_name in figures.items()}
    print(f"\n{'':<48}" + "".join(f"{name:>20}" for name in proxies) + f"{'/haproxy':>10}{'goal':>7}{'/nginx':>8}{'/unfiltered':>12}")
    for row, by_name in middle.items():
        line = f"{row:<48}" + "".join(f"{number(by_name.get(name)):>20}" for name in proxies)
        ours = by_name.get("fairlead")
        remarks = []
        for other, width in (("haproxy", 10), ("nginx", 8)):
            ratio = ours / by_name[other] if ours is not None and by_name.get(other) else None
            line += f"{ratio:>{width}.2f}" if ratio is not None else f"{'':>{width}}"
            if other == "haproxy":
                goal = GOALS.get(row)
                line += f"{goal:>7.2f}" if goal else f"{'':>7}"
                if goal and ratio is not None and ratio > goal:
                    remarks.append("goal missed")
            elif ratio is not None and not row.startswith(("…", "CPU per request, ", "CPU per new connection, ")):
                if (ratio < 1) if row in MORE_IS_BETTER else (ratio > 1):
                    remarks.append("worse than nginx")
        # So small a difference is only seen between neighbours.
        pairs = zip(figures[row].get("fairlead", []), figures[row].get("fairlead-unfiltered", []))
        if ratios := [filtered / unfiltered for filtered, unfiltered in pairs]:
            line += f"{statistics.median(ratios):>12.3f}"
        print(line + (f"   {', '.join(remarks)}" if remarks else ""))
    for first, rest in FLAT:
        if first in middle and "fairlead" in middle[first]:
            ratios = [middle[row]["fairlead"] / middle[first]["fairlead"] for row in rest]
            print(f"{first.removesuffix(' (µs)')} → {', '.join(f'× {ratio:.2f}' for ratio in ratios)} (goal: at most × 1.30){'   goal missed' if max(ratios) > 1.3 else ''}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of one cell")
    parser.add_argument("--rate", type=int, default=4000, help="requests per second where latency is measured")
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--proxies", default="fairlead,haproxy,nginx,direct")
    options = parser.parse_args()
    options.rounds = options.rounds or (9 if options.long else 3)
    options.seconds = options.seconds or (3.0 if options.long else 1.5)
    proxies = options.proxies.split(",")
    figures = {}
    bench = Bench(options)
    try:
        for cell in options.cells.split(","):
            for round_number in range(options.rounds):
                # Who follows whom changes, so that nobody always has the warm or the throttled machine.
                shift = round_number % len(proxies)
                for name in proxies[shift:] + proxies[:shift]:
                    for row, value in getattr(bench, cell)(name).items():
                        figures.setdefault(row, {}).setdefault(name, [])
                        if value is not None:
                            figures[row][name].append(value)
                print(f"{cell}: round {round_number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    finally:
        bench.lab.close()
    figures = {row: {name: values for name, values in by_name.items() if values} for row, by_name in figures.items()}
    print_table(figures, proxies)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main()
