"""What must hold, whatever is broken. Each bound is one that the documentation gives, with what the machine needs on top."""

import os
import re
import time

from lab import PATIENCE, namespaces

from .holding import nobody, together
from .site import VIP

# A frozen holder keeps the address for its lifetime, 2 s (docs/concepts.md; the kernel counts whole seconds, so up to 3), and one
# that wakes up hears the other within an interval.
SEVERAL_HOLDERS = 3.5 * PATIENCE
# A silent holder is missed after three intervals and the skew time, 0.75 s (docs/failover.md); one whose lifetime ran out while
# it was frozen, or who could not see the loss of its link, costs no more. Doubled and rounded up: two processors carry it all.
NO_HOLDER = 2.0 * PATIENCE
# A client's keepalive finds a silent path in 2 s to 5 s, a dead backend is known in 2 s (two probes of 500 ms, 500 ms apart),
# and connecting again takes a moment; where the machine is busy, twice that.
HANG = 10.0 * PATIENCE
# After a fault is healed: TCP's own backoff is as long as the fault was (4 s at most), an agent asks the API again within 10 s,
# and a backend is up after two probes.
RECOVERY = 20.0 * PATIENCE
LOOSE_DESCRIPTORS = 16
GROWTH = 32 << 20  # bytes of an agent's resident memory, from its first quiet point on
PIPES = 2 * 32  # descriptors of a worker's pool (lb/proxy/pump.h)
KEPT = 10  # directories of logs
EXPECTED_FILES = {"backends.json", "history.json"}
SANITIZER = re.compile(r"Sanitizer|runtime error:|terminate called")


class Judge:
    def __init__(self, site, clients, observer, directory, seed, say):
        self.site = site
        self.clients = clients
        self.observer = observer
        self.directory = directory
        self.seed = seed
        self.say = say
        self.began = time.monotonic()
        self.violations = []
        self.context = "before the first fault"
        self._told = set()
        self._lags_judged = self._lists_judged = 0.0  # up to when
        self._no_service = []  # (start, end) in which by a fault's definition no service is owed
        self._first = {}  # agent's pid → (loose descriptors, resident memory) at its first quiet point

    def violation(self, kind, text, key=None):
        if key is not None and (kind, key) in self._told:
            return
        self._told.add((kind, key))
        at = time.monotonic() - self.began
        self.violations.append((at, kind, f"{text}; {self.context}"))
        self.say(f"VIOLATION at {at:.1f} s, seed {self.seed}: {kind}: {text}; {self.context}")
        for agent in self.site.agents.values():
            self.say(agent.tail(8))
        self.say("  holders in the last 20 s (seconds ago):")
        now = time.monotonic()
        for start, end, holders in self.observer.spans(since=now - 20, until=now):
            self.say(f"    {now - start:6.2f} .. {now - end:6.2f}  {' '.join(sorted(holders)) or 'nobody'}")
        if len(self.violations) <= KEPT:
            self.site.keep_logs(os.path.join(self.directory, f"{len(self.violations)}-{kind.replace(' ', '-')}"))

    def excuse(self, since, until):
        """No service was owed between these times."""
        self._no_service.append((since, until))
        del self._no_service[:-50]

    def owed(self, since, until):
        """The part of this time in which service was owed."""
        return until - since - sum(max(0.0, min(until, end) - max(since, start)) for start, end in self._no_service)

    # --- at any time ---

    def poll(self):
        self.clients.read()
        self._agents()
        self._holders()
        self._hangs()

    def _agents(self):
        for name, agent in list(self.site.agents.items()):
            if not agent.alive and name not in self.site.dead:
                self.site.dead.add(name)
                self.violation("agent ended", f"{agent.name} ended with exit code {agent.popen.returncode}\n{agent.tail(40)}", agent.pid)

    def _holders(self):
        now = time.monotonic()
        timeline = self.observer.timeline
        # Of what is older everything has been said; the last change before belongs to what is not.
        older = sum(1 for at, _ in timeline if at < now - 60)
        timeline = timeline[max(0, older - 1) :]
        for since in nobody(timeline, now, NO_HOLDER):
            self.violation("no holder", f"nobody had {VIP} for more than {NO_HOLDER:g} s", since)
        for one, other, since in together(timeline, self.site.hearing, self.site.agents, now, SEVERAL_HOLDERS):
            self.violation("two holders", f"{one} and {other} both had {VIP} for more than {SEVERAL_HOLDERS:g} s and heard each other", (one, other, since))
        self.site.hearing.forget(now - 120)

    def _hangs(self):
        # All that is new since the last look: an injection may have taken a while.
        for at, lag, who in self.clients.watch.lags(self._lags_judged):
            self._lags_judged = at
            if lag > HANG and self.owed(at - lag, at) > HANG:
                self.violation("hanging client", f"watch {who} saw nothing for {lag:.1f} s although something happened", round((at - lag) / 10))
        for start, end, outcome in self.clients.bulk.between(self._lists_judged):
            self._lists_judged = end
            if outcome == "TimeoutError" and self.owed(start, end) > HANG:
                self.violation("hanging client", f"a LIST came to no end in {end - start:.1f} s", start)

    def outage(self, fault, since, until):
        """The longest time, of which service was owed, without an answer to short connections."""
        allowed = fault.outage * PATIENCE
        answers = [end for _, end, outcome in self.clients.short.between(0, until) if outcome == "ok"]
        for earlier, later in zip(answers, [*answers[1:], until]):
            if later >= since and self.owed(earlier, later) > allowed:
                outcomes = self.clients.short.outcomes(earlier, later)
                self.violation("no service", f"no short connection was answered for {later - earlier:.1f} s (allowed: {allowed:g} s; {outcomes})", earlier)

    # --- when all is well ---

    def quiet_point(self):
        """Descriptors and memory of each agent."""
        for agent in self.site.agents.values():
            if not agent.alive:
                continue
            loose, pipes = min(self._descriptors(agent) for _ in range(3))
            memory = resident(agent.pid)
            if agent.pid not in self._first:
                self._first[agent.pid] = (loose, memory)
                continue
            loose_first, memory_first = self._first[agent.pid]
            if loose > loose_first + LOOSE_DESCRIPTORS:
                self.violation("descriptors", f"{agent.name} has {loose} descriptors beyond its connections, {loose_first} at first", agent.pid)
            if pipes > PIPES * (os.cpu_count() or 1):
                self.violation("descriptors", f"{agent.name} has {pipes} descriptors of pipes", agent.pid)
            if memory > memory_first + GROWTH:
                self.violation("memory", f"{agent.name} has {memory >> 20} MB, {memory_first >> 20} MB at first", agent.pid)

    def _descriptors(self, agent):
        """(those that no open connection accounts for, those of pipes)"""
        kinds = []
        for each in os.listdir(f"/proc/{agent.pid}/fd"):
            try:
                kinds.append(os.readlink(f"/proc/{agent.pid}/fd/{each}"))
            except FileNotFoundError:
                continue
        pipes = sum(1 for each in kinds if each.startswith("pipe:"))
        connections = agent.status()["balancer"]["connections"] if self.site.data_path == "proxy" else 0
        return len(kinds) - pipes - 2 * connections, pipes

    # --- at the end ---

    def stop_agents(self):
        """Cleanly; afterwards nothing of them may be left on their hosts."""
        self.context = "at the end"
        for name, agent in self.site.agents.items():
            self.site.dead.add(name)
            try:
                code = agent.stop()
            except AssertionError as error:
                self.violation("agent ended", str(error))
                continue
            if code != 0:
                self.violation("agent ended", f"{agent.name} answered SIGTERM by exit code {code}")
        for host in self.site.hosts:
            if host.holds(VIP):
                self.violation("orphan", f"{host.name} still has {VIP}")
            tables = [line for line in host.run("nft", "list", "tables").splitlines() if "fairlead" in line]
            if tables:
                self.violation("orphan", f"{host.name} still has {', '.join(tables)}")
            files = set(os.listdir(self.site.state_directory(host))) - EXPECTED_FILES
            if files:
                self.violation("orphan", f"{host.name} has files that nobody needs: {', '.join(sorted(files))}")
            self._processes(host)
            for agent in host.agents:
                found = SANITIZER.search(agent.text())
                if found:
                    self.violation("agent ended", f"{agent.name} ({agent.log}) says {found.group(0)}")

    def _processes(self, host):
        deadline = time.monotonic() + 5
        while True:
            left = [pid for pid in namespaces.processes(host.namespace) if command(pid).startswith("fairlead")]
            if not left:
                return
            if time.monotonic() > deadline:
                self.violation("orphan", f"processes of agents are left on {host.name}: {left}")
                return
            time.sleep(0.1)


def command(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def resident(pid):
    """Bytes of resident memory."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
