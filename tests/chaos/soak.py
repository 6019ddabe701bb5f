#!/usr/bin/env python3
"""Soak: steady load for hours, Nodes that come and go, API servers restarted one after the other, and what the agents cost meanwhile.

    tests/chaos/soak.py                                   two hours
    tests/chaos/soak.py --minutes 10 --output /tmp/soak   writes /tmp/soak.csv and /tmp/soak.svg

Every 10 s each agent's resident memory, descriptors, processor time, connections and log are sampled, and how often clients' watches
had to be opened again. At the end it says of each whether it stayed flat (docs/chaos.md), and exits 1 if one did not, or if something
of what chaos.py judges was violated. As root.
"""

import argparse
import csv
import os
import random
import statistics
import sys
import time

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)

from chaos import faults_process  # noqa: E402
from chaos.chaos import Runner  # noqa: E402
from chaos.judge import resident  # noqa: E402
from chaos.plot import svg  # noqa: E402
from chaos.site import Site  # noqa: E402

PERIOD = 10.0
CHURN = 20.0  # seconds from one change of a Node to the next
RESTART = 300.0  # seconds from one API server's restart to the next
FIELDS = ("resident_mb", "descriptors", "cpu_percent", "connections", "log_bytes")


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Sampler:
    def __init__(self, runner):
        self.runner = runner
        self.times = []
        self.samples = {name: {field: [] for field in FIELDS} for name in runner.site.agents}
        self.reconnects = []
        self.answered = []
        self._spent = {}

    def take(self):
        now = time.monotonic() - self.runner.judge.began
        for name, agent in self.runner.site.agents.items():
            spent = processor_seconds(agent.pid)
            before, at = self._spent.get(name, (spent, now - PERIOD))
            self._spent[name] = (spent, now)
            row = (
                resident(agent.pid) / (1 << 20), len(os.listdir(f"/proc/{agent.pid}/fd")), 100 * (spent - before) / (now - at),
                agent.status()["balancer"]["connections"], os.path.getsize(agent.log),
            )  # fmt: skip
            for field, value in zip(FIELDS, row):
                self.samples[name][field].append(value)
        self.times.append(now)
        self.reconnects.append(self.runner.clients.watch.reconnects)
        self.answered.append(self.runner.clients.short.answered)

    def write(self, base):
        with open(f"{base}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["seconds", "watches_reopened", "short_answered", *(f"{name}_{field}" for name in self.samples for field in FIELDS)])
            for index, at in enumerate(self.times):
                values = [f"{self.samples[name][field][index]:.6g}" for name in self.samples for field in FIELDS]
                writer.writerow([f"{at:.1f}", self.reconnects[index], self.answered[index], *values])
        titles = {"resident_mb": "resident memory, MB", "descriptors": "descriptors", "cpu_percent": "processor, %", "connections": "connections", "log_bytes": "log, bytes"}
        panels = {titles[field]: {name: fields[field] for name, fields in self.samples.items()} for field in FIELDS}
        panels["watches opened again, in all"] = {"clients": self.reconnects}
        with open(f"{base}.svg", "w") as file:
            file.write(svg(self.times, panels))

    def verdicts(self, warm_up):
        """(what, flat?, figures): the first quarter after the warm-up, in seconds, beside the last one."""
        first = next(index for index, at in enumerate(self.times) if at > self.times[0] + warm_up)
        quarter = max(1, (len(self.times) - first) // 4)
        early, late = slice(first, first + quarter), slice(-quarter, None)
        for name, fields in self.samples.items():
            for field, slack, share in (("resident_mb", 2.0, 0.05), ("descriptors", 10, 0.0), ("cpu_percent", 1.0, 0.25)):
                before, after = (statistics.median(fields[field][each]) for each in (early, late))
                yield f"{name} {field}", after <= before + max(slack, share * before), f"{before:.1f} → {after:.1f}"
            sizes = fields["log_bytes"]
            hours = (self.times[-1] - self.times[first]) / 3600 or 1
            rate = (sizes[-1] - sizes[first]) / hours
            # A line per change: Nodes 180 an hour at 3 lines, restarts 12 an hour at some 20, of 200 bytes at most.
            yield f"{name} log", rate < 300_000, f"{rate / 1000:.0f} kB an hour"


class Steady:
    """What happens meanwhile, each at its time."""

    def __init__(self, runner):
        self.runner = runner
        self.random = random.Random(1)
        self._stranger = False
        self._turn = 0

    def churn(self):
        """The spare host's Node comes and goes: a backend that refuses connections."""
        api, spare = self.runner.site.api, self.runner.site.spare
        if self._stranger:
            api.delete_node("spare")
        else:
            api.add_node("spare", spare.address)
        self._stranger = not self._stranger

    def restart(self):
        hosts = self.runner.site.hosts
        host = hosts[self._turn % len(hosts)]
        self._turn += 1
        self.runner.round([faults_process.ServerStopped(self.runner.site, host, self.random)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--hosts", type=int, default=3, choices=(3, 4, 5))
    parser.add_argument("--data-path", default="proxy", choices=("proxy", "nat", "dsr"))
    parser.add_argument("--output", default="soak", help="FILE.csv and FILE.svg")
    parser.add_argument("--restart-every", type=float, default=RESTART, help="seconds between restarts of API servers")
    options = parser.parse_args()
    # An agent whose API server goes for the first time opens its first watch elsewhere, once and for all 2.5 MB.
    warm_up = options.hosts * options.restart_every + 30
    if options.minutes * 60 < 2 * warm_up:
        parser.error(f"half of the run must remain when each API server has been restarted once: --minutes {2 * warm_up / 60:g} at least, or --restart-every less")
    with Site(options.hosts, options.data_path) as site:
        runner = Runner(site, 1, f"{options.output}-logs", (), lambda line: print(line, flush=True))
        try:
            runner.settle()
            steady, sampler = Steady(runner), Sampler(runner)
            began = time.monotonic()
            due = {sampler.take: began, steady.churn: began + CHURN, steady.restart: began + options.restart_every}
            periods = {sampler.take: PERIOD, steady.churn: CHURN, steady.restart: options.restart_every}
            while time.monotonic() - began < options.minutes * 60:
                action = min(due, key=due.get)
                runner.wait(max(0.0, due[action] - time.monotonic()))
                if action == steady.restart and steady._stranger:
                    steady.churn()  # so that every backend can be up again after the restart
                action()
                while due[action] <= time.monotonic():
                    due[action] += periods[action]
                if action == sampler.take:
                    sampler.write(options.output)
            if steady._stranger:
                steady.churn()
            for line in runner.finish():
                print(line, flush=True)
            flat = True
            for what, good, figures in sampler.verdicts(warm_up):
                flat = flat and good
                print(f"{'flat' if good else 'NOT FLAT':<10}{what}: {figures}", flush=True)
        finally:
            runner.close()
    return 0 if flat and not runner.judge.violations else 1


if __name__ == "__main__":
    sys.exit(main())
