"""The three kinds of clients on the client host, and their ledgers. Everything is read from the programs' own lines, so nothing
is missed while the runner is busy; what is older than a while is forgotten, so that an hour costs no memory."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 16443


class Lines:
    """The new complete lines of a growing file."""

    def __init__(self, path):
        self.path = path
        self._position = 0

    def read(self):
        with open(self.path, "rb") as file:
            file.seek(self._position)
            data = file.read()
        complete = data.rfind(b"\n") + 1
        self._position += complete
        return data[:complete].decode(errors="replace").splitlines()


class Requests:
    """Requests one after the other or side by side: the short connections and the bulk."""

    KEPT = 300.0  # seconds

    def __init__(self, process):
        self.process = process
        self._lines = Lines(process.log)
        self._requests = []  # (start, end, outcome), by end
        self.answered = self.failed = 0

    def read(self):
        for line in self._lines.read():
            parts = line.split(" ")
            try:
                start, end, outcome, _ = parts
                self._requests.append((float(start), float(end), outcome))
            except ValueError:
                raise AssertionError(f"{self.process.name} failed: {line}\n{self.process.tail()}") from None
            if outcome == "ok":
                self.answered += 1
            else:
                self.failed += 1
        while self._requests and self._requests[-1][1] - self._requests[0][1] > self.KEPT:
            del self._requests[: len(self._requests) // 2]

    def between(self, since, until=float("inf")):
        return [each for each in self._requests if since <= each[1] <= until]

    def in_a_row(self, since):
        """How many of those begun since then were answered, after the last that was not."""
        count = 0
        for start, _, outcome in reversed(self._requests):
            if start < since or outcome != "ok":
                break
            count += 1
        return count

    def longest_outage(self, since, until):
        """The longest time without an answer that overlaps this time, from the answer before to the one after."""
        ends = [end for _, end, outcome in self._requests if outcome == "ok" and end <= until]
        return max((later - earlier for earlier, later in zip(ends, [*ends[1:], until]) if later >= since), default=until - since)

    def lost(self, since, until):
        """(failed although begun before `since`, failed and begun later)"""
        failed = [start for start, end, outcome in self._requests if outcome != "ok" and since <= end <= until]
        return sum(1 for start in failed if start < since), sum(1 for start in failed if start >= since)

    def outcomes(self, since, until):
        found = {}
        for _, end, outcome in self._requests:
            if since <= end <= until and outcome != "ok":
                found[outcome] = found.get(outcome, 0) + 1
        return found


class Watches:
    """`lags` are (time, the longest time for which a watch has not seen a tick that had happened, which watch)."""

    KEPT = 300.0

    def __init__(self, process, ticker):
        self.process = process
        self.ticker = ticker
        self._lines = Lines(process.log)
        self._lags = []
        self._ends = []  # (time, watch, cause, seconds that it lasted)
        self.last = []
        self.state_at = 0.0
        self.reconnects = 0

    def read(self):
        for line in self._lines.read():
            parts = line.split(" ")
            if parts[0] == "state":
                self.state_at = float(parts[1])
                self.last = [int(each) for each in parts[2:]]
                self._lags.append((self.state_at, *self._worst()))
            elif parts[0] == "end" and len(parts) == 5:
                self._ends.append((float(parts[1]), int(parts[2]), parts[3], float(parts[4])))
                self.reconnects += 1
            else:
                raise AssertionError(f"{self.process.name} failed: {line}\n{self.process.tail()}")
        for kept in (self._lags, self._ends):
            while kept and self.state_at - kept[0][0] > self.KEPT:
                del kept[: len(kept) // 2 + 1]

    def _worst(self):
        worst, who = 0.0, 0
        for number, tick in enumerate(self.last):
            missed = self.ticker.missed_since(tick, self.state_at)
            if missed is not None and self.state_at - missed > worst:
                worst, who = self.state_at - missed, number
        return worst, who

    def lags(self, since, until=float("inf")):
        return [each for each in self._lags if since <= each[0] <= until]

    def longest_lag(self, since, until):
        return max((lag for _, lag, _ in self.lags(since, until)), default=0.0)

    def all_saw(self, tick):
        return bool(self.last) and min(self.last) >= tick

    def ends(self, since, until=float("inf")):
        return [each for each in self._ends if since <= each[0] <= until]


class Clients:
    """All three, started together. `read` takes in what they have written."""

    WATCHES, OBJECTS, SIZE = 30, 40, 100_000  # a LIST is 4 MB

    def __init__(self, site, ticker):
        host = site.lab.client_host
        site.api.fill(self.OBJECTS, self.SIZE)
        trust = ["--address", site.vip, "--port", PORT, "--ca", site.lab.authority.certificate]
        identity = ["--certificate", site.api.certificate, "--key", site.api.key]
        load = os.path.join(os.path.dirname(HERE), "lab", "load_program.py")
        self.short = Requests(host.start("client short", sys.executable, "-B", load, *trust, "--path", "/version", "--period", 0.02))
        self.watch = Watches(host.start("client watch", sys.executable, "-B", os.path.join(HERE, "watch_program.py"), *trust, *identity, "--count", self.WATCHES), ticker)
        self.bulk = Requests(
            host.start("client bulk", sys.executable, "-B", os.path.join(HERE, "bulk_program.py"), *trust, *identity, "--objects", self.OBJECTS, "--size", self.SIZE)
        )
        self.all = (self.short, self.watch, self.bulk)

    def read(self):
        for each in self.all:
            each.read()
            if not each.process.alive:
                raise AssertionError(f"{each.process.name} ended\n{each.process.tail()}")

    def stop(self):
        for each in self.all:
            each.process.kill()
