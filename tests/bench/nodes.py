#!/usr/bin/env python3
"""What following the Nodes costs: the time from an event on the wire to the new backend, and the memory of a large cluster.

    tests/bench/nodes.py                                  both: some two minutes
    tests/bench/nodes.py --events 50 --nodes 1000 --seconds 5

The agent watches a stand-in of an API server on its own host. Latency: from the moment before the stand-in writes an ADDED event
to that of the agent's log line about the new backend, which it writes while it makes the snapshot. Memory: resident set with so many
Nodes of 20 KB each and no selector, after the list and while heartbeats come at 100 a second. Nothing is judged.
"""

import argparse
import datetime
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from lab import Lab  # noqa: E402

VIP = "10.10.1.108"
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


def memory(nodes, seconds, minor):
    with Lab() as lab:
        host = lab.host("master1", "10.10.1.83")
        server = host.stand_in()
        server.tell("version", minor=minor)
        server.tell("fill", count=nodes, padding=PADDING)
        # Everything matches, so that everything is read; as backends they would be too many.
        agent = host.start_agent(configuration(lab, nodeSelector="!nobody"))
        empty = resident(agent.pid)
        peak = empty

        def read():
            nonlocal peak
            peak = max(peak, resident(agent.pid))
            return agent.status()["kubernetes"]["nodes"] >= nodes and server.state()["watches"] == 1

        lab.wait_for(read, 300, "the list", interval=0.05)
        listed = resident(agent.pid)
        spent = cpu(agent.pid)
        server.tell("churn", rate=100, seconds=seconds, padding=PADDING)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peak = max(peak, resident(agent.pid))
            time.sleep(0.1)
        events = sum(agent.status()["kubernetes"]["events"].values())
        how = "initial events" if int(minor) >= 34 else "LIST"
        print(
            f"{nodes} Nodes of {PADDING // 1000} KB by {how}: {empty:.0f} MiB before, {listed:.0f} MiB after, peak {peak:.0f} MiB; "
            f"{events} heartbeats in {seconds} s took {(cpu(agent.pid) - spent) / seconds * 100:.0f} % of a core"
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
        print(f"{len(times)} events, from the wire to the backend: median {statistics.median(times):.2f} ms, p99 {p99:.2f} ms, worst {times[-1]:.2f} ms")
    for minor in ("30", "36") if options.nodes else ():
        memory(options.nodes, options.seconds, minor)


if __name__ == "__main__":
    main()
