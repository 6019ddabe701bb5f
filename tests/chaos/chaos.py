#!/usr/bin/env python3
"""Chaos: three to five hosts with real API servers, a seeded sequence of faults, and three kinds of clients that keep ledgers.

    tests/chaos/chaos.py                                        500 faults or an hour, whichever takes longer
    tests/chaos/chaos.py --seed 7 --faults 40 --minutes 4
    tests/chaos/chaos.py --kinds agent-frozen,deaf --faults 10 --minutes 1
    tests/chaos/chaos.py --list                                 the kinds of faults

What is injected and what counts as a violation stands in docs/chaos.md. The same seed gives the same faults, durations and choices;
the timing in between is the machine's. Exit 1 if there was a violation; the logs of each are kept in --keep. As root.
"""

import argparse
import os
import random
import sys
import tempfile
import time

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)

from chaos import faults_network, faults_process, faults_state  # noqa: E402, F401 (they enter their kinds)
from chaos.api import Ticker  # noqa: E402
from chaos.clients import Clients  # noqa: E402
from chaos.fault import KINDS  # noqa: E402
from chaos.judge import RECOVERY, Judge  # noqa: E402
from chaos.report import Report  # noqa: E402
from chaos.site import Site  # noqa: E402

IN_A_ROW = 20  # short connections that must be answered one after the other
PAIRS = 0.12  # how often two faults come at once
QUIET_EVERY = 5  # faults between two looks at descriptors and memory
STEP = 0.1


class Runner:
    def __init__(self, site, seed, directory, kinds, say=print):
        self.site = site
        self.random = random.Random(seed)
        self.kinds = kinds
        self.say = say
        self.report = Report()
        self.ticker = Ticker(site.api)
        self.clients = Clients(site, self.ticker)
        self.observer = site.lab.observe(site.vip)
        self.judge = Judge(site, self.clients, self.observer, directory, seed, say)

    def close(self):
        self.observer.stop()
        self.ticker.stop()
        self.clients.stop()

    def wait(self, seconds, condition=lambda: False):
        """Judging all the while; how long it took until the condition held, None if it did not."""
        began = time.monotonic()
        while True:
            self.judge.poll()
            now = time.monotonic() - began
            if condition():
                return now
            if now >= seconds:
                return None
            time.sleep(STEP)

    # --- the sequence ---

    def settle(self):
        """Every client is served, before the first fault."""
        if self.recover(time.monotonic()) is None:
            raise AssertionError(f"nothing works, even before the first fault: {self.missing}")
        began = time.monotonic()
        self.wait(5)
        self._enter("(no fault)", [], began, 0.0)

    def run(self, faults, minutes):
        """Until so many have been injected and the time is over."""
        began = time.monotonic()
        rounds = 0
        while self.report.injected < faults or time.monotonic() - began < minutes * 60:
            self.round(self._choose())
            rounds += 1
            if rounds % QUIET_EVERY == 0:
                self.judge.quiet_point()
                self._progress(began)

    def run_each(self):
        """One of each kind, in random order."""
        kinds = sorted(self.kinds)
        self.random.shuffle(kinds)
        for number, kind in enumerate(kinds):
            self.round([self._make(kind, [])])
            if number % QUIET_EVERY == QUIET_EVERY - 1:
                self.judge.quiet_point()

    def _choose(self):
        names = sorted(self.kinds)
        weights = [KINDS[name].weight for name in names]
        chosen = [self._make(self.random.choices(names, weights)[0], [])]
        if self.random.random() < PAIRS and chosen[0].pairable:
            second = self.random.choices(names, weights)[0]
            if KINDS[second].pairable:
                chosen.append(self._make(second, [chosen[0].host]))
        return chosen

    def _make(self, kind, taken):
        free = [host for host in self.site.hosts if host not in taken]
        # Drawn in any case, so that the sequence doesn't depend on who holds the VIP.
        prefer, other = self.random.random() < 0.5, self.random.choice(free)
        holder = self.site.holder() if prefer else None
        return KINDS[kind](self.site, holder if holder in free else other, self.random)

    def round(self, faults):
        """Injects, holds, heals, and waits for everybody to be served again."""
        self.wait(self.random.uniform(0.3, 1.0))
        hold = max(self.random.uniform(*fault.hold) for fault in faults)
        began = time.monotonic()
        self.judge.context = " and ".join(fault.describe() for fault in faults)
        injected = []
        for fault in faults:
            injected.append(fault)
            if not self._attempt(fault.inject, "inject"):
                break
        self.judge.context = " and ".join(fault.describe() for fault in faults)
        self.wait(hold)
        for fault in reversed(injected):
            self._attempt(fault.heal, "heal")
        healed = time.monotonic()
        if not all(fault.service for fault in faults):
            self.judge.excuse(began, healed)
        recovery = self.recover(healed)
        if recovery is None:
            self.judge.violation("not recovered", f"not within {RECOVERY:g} s: {self.missing}")
            self._revive()
        # So that the ledgers are as new as the time up to which they are judged.
        self.judge.poll()
        for fault in faults:
            self.judge.outage(fault, began, time.monotonic())
        self._enter("two at once" if len(faults) > 1 else faults[0].name, faults, began, recovery)

    def _attempt(self, action, what):
        try:
            action()
        except (AssertionError, RuntimeError, OSError, ValueError) as error:
            self.judge.violation(f"could not {what}", f"{type(error).__name__}: {error}")
            return False
        return True

    def recover(self, since):
        """How long it took from then until everybody was served; None: not within the bound. `missing` says what wasn't there."""
        self.missing = ""
        took = self.wait(RECOVERY, lambda: self._recovered(since))
        return None if took is None else time.monotonic() - since

    def _recovered(self, since):
        self.missing = self._missing(since)
        return not self.missing

    def _missing(self, since):
        tick, at = self.ticker.latest()
        if at < since:
            return "no tick could be written"
        if not self._saw_tick_since(since):
            return f"not every watch has seen a tick: {self.clients.watch.last} of {tick}"
        if self.clients.short.in_a_row(since) < IN_A_ROW:
            return f"{self.clients.short.in_a_row(since)} short connections answered in a row; {self.clients.short.outcomes(since, time.monotonic())}"
        if not any(start >= since and outcome == "ok" for start, _, outcome in self.clients.bulk.between(since)):
            return f"no complete LIST; {self.clients.bulk.outcomes(since, time.monotonic())}"
        return self.site.unready()

    def _saw_tick_since(self, since):
        """Every watch has seen a tick that was written after this time."""
        return self.clients.watch.all_saw(self.ticker.first_after(since))

    def _revive(self):
        """What did not come back is started again, so that the run can go on."""
        for host in self.site.hosts:
            for process in host.processes:
                process.thaw()
            host.heal_link()
            if not self.site.plane.server(host).alive:
                self._attempt(lambda: (self.site.start_server(host), self.site.wait_server(host)), "revive")
            if not self.site.agent(host).alive:
                self._attempt(lambda: self.site.start_agent(host), "revive")
        self.recover(time.monotonic())

    def _enter(self, name, faults, began, recovery):
        now = time.monotonic()
        clients = self.clients
        self.report.add(
            name, len(faults), clients.short.longest_outage(began, now), clients.watch.longest_lag(began, now), clients.bulk.longest_outage(began, now),
            clients.short.lost(began, now), len(clients.short.between(began, now)), recovery,
        )  # fmt: skip
        took = "-" if recovery is None else f"{recovery:.1f}"
        what = " and ".join(fault.describe() for fault in faults) or name
        self.say(f"{now - self.judge.began:8.1f} s  {what}: short {clients.short.longest_outage(began, now):.2f} s, watch {clients.watch.longest_lag(began, now):.1f} s, back after {took} s")

    def _progress(self, began):
        self.say(f"  {self.report.injected} faults in {(time.monotonic() - began) / 60:.1f} min, {len(self.judge.violations)} violations")

    # --- the end ---

    def finish(self):
        """Ends the clients and the agents; the lines of the report."""
        self.judge.quiet_point()
        self.clients.stop()
        self.judge.stop_agents()
        short, watch, bulk = self.clients.short, self.clients.watch, self.clients.bulk
        seconds = time.monotonic() - self.judge.began
        yield f"{self.report.injected} faults in {seconds / 60:.1f} minutes, data path {self.site.data_path}, {len(self.site.hosts)} hosts, seed {self.judge.seed}"
        yield from self.report.lines()
        yield f"short: {short.answered} answered, {short.failed} failed; bulk: {bulk.answered} complete, {bulk.failed} not; watches ended {watch.reconnects} times"
        yield f"{len(self.judge.violations)} violations"
        for at, kind, text in self.judge.violations:
            yield f"  {at:8.1f} s  {kind}: {text.splitlines()[0]}"


def possible(names):
    """Of these kinds, those that can be done here; says which can't."""
    found = []
    for name in names:
        reason = KINDS[name].needs() if KINDS[name].needs else ""
        if reason:
            print(f"left out: {name}: {reason}", flush=True)
        else:
            found.append(name)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one each time")
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--hosts", type=int, default=3, choices=(3, 4, 5))
    parser.add_argument("--data-path", default="proxy", choices=("proxy", "nat", "dsr"))
    parser.add_argument("--kinds", default=",".join(sorted(KINDS)), help="default: all")
    parser.add_argument("--keep", help="where logs of violations go; default: a new directory")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for name, kind in sorted(KINDS.items()):
            print(f"{name:<22}{kind.weight:>3}  {' '.join((kind.__doc__ or '').split())}")
        return 0
    names = options.kinds.split(",")
    unknown = sorted(set(names) - set(KINDS))
    if unknown:
        parser.error(f"there is no fault {', '.join(unknown)}; see --list")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    directory = options.keep or tempfile.mkdtemp(prefix="fairlead-chaos-")
    print(f"seed {seed}, logs of violations in {directory}", flush=True)
    with Site(options.hosts, options.data_path) as site:
        runner = Runner(site, seed, directory, possible(names), lambda line: print(line, flush=True))
        try:
            runner.settle()
            try:
                runner.run(options.faults, options.minutes)
            except (KeyboardInterrupt, SystemExit):
                print("ended early", flush=True)
            for line in runner.finish():
                print(line, flush=True)
        finally:
            runner.close()
        return 1 if runner.judge.violations else 0


if __name__ == "__main__":
    sys.exit(main())
