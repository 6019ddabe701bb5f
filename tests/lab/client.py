"""A client that opens a new connection every few milliseconds and keeps the ledger of what came of it."""

import os
import sys
from collections import Counter, namedtuple

Request = namedtuple("Request", "start end ok outcome body")


class Client:
    """with lab.client("10.10.1.108", ca=…) as client: … ; client.longest_outage()"""

    def __init__(self, host, address, port=16443, path="/", period=0.01, timeout=1.0, ca=None):
        self.period = period
        program = os.path.join(os.path.dirname(__file__), "load_program.py")
        command = [
            sys.executable, program, "--address", address, "--port", port, "--path", path, "--period", period, "--timeout", timeout,
        ]  # fmt: skip
        if ca:
            command += ["--ca", ca]
        self.process = host.start("client", *command)
        self._requests = []
        self._read = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.kill()

    def requests(self, since=0.0, until=float("inf")):
        """Those that ended between two times of time.monotonic(), in the order of their ends."""
        with open(self.process.log, "rb") as file:
            file.seek(self._read)
            data = file.read()
        complete = data.rfind(b"\n") + 1
        self._read += complete
        for line in data[:complete].decode(errors="replace").splitlines():
            parts = line.split(" ")
            if len(parts) != 4:
                raise AssertionError(f"the load generator failed: {line}\n{self.process.tail()}")
            self._requests.append(Request(float(parts[0]), float(parts[1]), parts[2] == "ok", parts[2], parts[3]))
        return [each for each in self._requests if since <= each.end <= until]

    def successes(self, since=0.0, until=float("inf")):
        return sum(1 for each in self.requests(since, until) if each.ok)

    def failures(self, since=0.0, until=float("inf")):
        """outcome → number"""
        return Counter(each.outcome for each in self.requests(since, until) if not each.ok)

    def bodies(self, since=0.0, until=float("inf")):
        """body → number: who answered, where servers answer their name."""
        return Counter(each.body for each in self.requests(since, until) if each.ok)

    def longest_outage(self, since=0.0, until=float("inf")):
        """The longest time without any answered request, between two that were."""
        ends = [each.end for each in self.requests(since, until) if each.ok]
        return max((later - earlier for earlier, later in zip(ends, ends[1:])), default=float("inf"))
