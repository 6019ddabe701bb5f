#!/usr/bin/env python3
"""What following the Nodes costs: the time from an event on the wire to the new backend, and the memory of a large cluster.

    tests/bench/nodes.py                                  both: some two minutes
    tests/bench/nodes.py --events 50 --nodes 1000 --seconds 5

The agent watches a stand-in of an API server on its own host. Latency: from the moment before the stand-in writes an ADDED event
to that of the agent's log line about the new backend, which it writes while it makes the snapshot. Memory and CPU: with so many
Nodes of 20 KB each and no selector, after the list and while heartbeats come at 100 a second; beside the agent, one after the
other, a small Go program with client-go's shared informer (tests/peers/informer), once as it is and once with a transform that
keeps only names, labels and addresses. That is left out where there is no Go to build it. Nothing is judged.
"""

import argparse
import datetime
import glob
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from lab import Lab  # noqa: E402

VIP = "10.10.1.108"
PEERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers")
PADDING = 20_000
PAUSE = 0.05


def configuration(lab, **kubernetes):
    return {
        "vip": {"addresses": [VIP]},
        "loadBalancer": {"healthCheck": {"type": "tcp", "interval": "60s"}},
        "backends": {"kubernetes": {"kubeconfig": [lab.authority.kubeconfig("admin", "/CN=kubernetes-admin", "https://unused")], **kubernetes}},
    }


def latency(count):
    """Milliseconds, one each."""
    found = []
    with Lab() as lab:
        host = lab.host("master1", "10.10.1.83")
        server = host.stand_in()
        server.tell("put", name="master1", addresses=[host.address])
        agent = host.start_agent(configuration(lab))
        lab.wait_for(lambda: server.state()["watches"] == 1, 20, "the watch")
        for number in range(count):
            name = f"joiner{number}"
            server.tell("put", name=name, addresses=[f"10.10.{2 + number // 250}.{1 + number % 250}"])
            # The times are the log's own; whoever looks meanwhile takes a core away.
            time.sleep(PAUSE)
            mark = f"name={name} "
            line = lab.wait_for(lambda: next((each for each in agent.text().splitlines() if "backend added" in each and mark in each + " "), None), 10, name)
            clock = line.split()[1]
            logged = datetime.datetime.strptime(f"{datetime.datetime.now().year} {line.split()[0][1:]} {clock}", "%Y %m%d %H:%M:%S.%f")
            found.append((logged.timestamp() - server.state()["sent"]) * 1000)
    return sorted(found)


def resident(pid):
    """MiB of the process and its children."""
    pids = [pid]
    for each in pids:
        for task in os.listdir(f"/proc/{each}/task"):
            with open(f"/proc/{each}/task/{task}/children") as file:
                pids += [int(child) for child in file.read().split()]
    total = 0
    for each in pids:
        with open(f"/proc/{each}/status") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    return total / 1024


def cpu(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Agent:
    def __init__(self, lab, host):
        # Everything matches, so that everything is read; as backends they would be too many.
        self.process = host.start_agent(configuration(lab, nodeSelector="!nobody"))

    def has(self, nodes):
        return self.process.status()["kubernetes"]["nodes"] >= nodes

    def heartbeats(self):
        return sum(self.process.status()["kubernetes"]["events"].values())


class Informer:
    def __init__(self, lab, host, program, *options):
        kubeconfig = lab.authority.kubeconfig("informer", "/CN=informer", "https://127.0.0.1:6443")
        self.process = host.start("informer", program, "-kubeconfig", kubeconfig, *options)

    def has(self, nodes):
        if not self.process.alive:
            raise AssertionError(f"the informer ended\n{self.process.tail()}")
        return f"synced: {nodes} Nodes" in self.process.text()

    def heartbeats(self):
        self.process.stop()
        return int(re.search(r"ended: (\d+) updates", self.process.text()).group(1))


def build_informer():
    """The program, made by Go where there is one; None, and a line that says why, where there isn't."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "fairlead")
    # Beside the machine's own, those that tests/setup.sh has fetched.
    found = [shutil.which("go"), *sorted(glob.glob(f"{cache}/go*/bin/go"), reverse=True)]
    program = os.path.join(cache, "bin", "informer")
    why = "there is no Go here"
    for go in filter(None, found):
        made = subprocess.run(
            ["nice", "-n", "10", go, "build", "-trimpath", "-o", program, "./informer"], cwd=PEERS, capture_output=True, text=True,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"},
        )  # fmt: skip
        if made.returncode == 0:
            return program
        why = f"{go}: {(made.stderr.strip().splitlines() or ['it failed without a word'])[-1]}"
    print(f"client-go's informer is left out: {why}")
    return None


def memory(nodes, seconds, minor, name, start):
    """`start`: makes an Agent or an Informer on a host."""
    with Lab() as lab:
        host = lab.host("master1", "10.10.1.83")
        server = host.stand_in()
        server.tell("version", minor=minor)
        server.tell("initial", how="offered" if int(minor) >= 34 else "refused")
        server.tell("fill", count=nodes, padding=PADDING)
        began = time.monotonic()
        subject = start(lab, host)
        pid = subject.process.pid
        peak = 0

        def read():
            nonlocal peak
            peak = max(peak, resident(pid))
            return subject.has(nodes) and server.state()["watches"] == 1

        lab.wait_for(read, 300, "the list", interval=0.05)
        took, spent, listed = time.monotonic() - began, cpu(pid), resident(pid)
        server.tell("churn", rate=100, seconds=seconds, padding=PADDING)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peak = max(peak, resident(pid))
            time.sleep(0.1)
        busy, after = cpu(pid) - spent, resident(pid)
        heartbeats = subject.heartbeats()
        print(
            f"  {name:<28} {listed:5.0f} MiB with all of them, {after:5.0f} MiB after the heartbeats, peak {peak:5.0f} MiB; "
            f"read within {took:4.1f} s by {spent:4.1f} s of CPU; {heartbeats} heartbeats in {seconds} s: {busy / seconds * 100:4.1f} % of a core",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--nodes", type=int, default=15000)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    if options.events:
        times = latency(options.events)
        p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
        print(f"{len(times)} events, from the wire to the backend: median {statistics.median(times):.2f} ms, p99 {p99:.2f} ms, worst {times[-1]:.2f} ms", flush=True)
    if not options.nodes:
        return
    subjects = [("fairlead", Agent)]
    program = build_informer()
    if program:
        subjects.append(("client-go's informer", lambda lab, host: Informer(lab, host, program)))
        subjects.append(("the same with a transform", lambda lab, host: Informer(lab, host, program, "-trim")))
    for minor, how in (("30", "a LIST"), ("36", "initial events")):
        print(f"{options.nodes} Nodes of {PADDING // 1000} KB by {how}:", flush=True)
        for name, start in subjects:
            memory(options.nodes, options.seconds, minor, name, start)


if __name__ == "__main__":
    main()
