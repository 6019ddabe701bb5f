#!/usr/bin/env python3
"""Shows that the chaos suite's judge can fail: breaks what agents can't mend, and expects each violation to be told of.

    tests/chaos/sabotage.py      a minute and a half; exit 1 if something was not seen

Descriptors and memory are in test_judge.py. As root.
"""

import os
import random
import sys
import tempfile

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)

from chaos.chaos import Runner  # noqa: E402
from chaos.fault import Fault  # noqa: E402
from chaos.site import VIP, Site  # noqa: E402

WALL = """table ip wall {
    chain out { type filter hook output priority 0; tcp dport 16443 drop; }
    chain in { type filter hook input priority 0; tcp sport 16443 drop; }
}"""


class Leftover(Fault):
    hold = (0.1, 0.1)
    seen = {"orphan"}

    def inject(self):
        open(os.path.join(self.site.state_directory(self.host), "backends.json.tmp"), "w").close()

    def heal(self):
        pass


class ClientsCutOff(Fault):
    hold = (12, 12)
    seen = {"hanging client", "no service"}

    def inject(self):
        self.site.client_host.run("nft", WALL)

    def heal(self):
        self.site.client_host.run("nft", "delete table ip wall")


class SecondHolder(Fault):
    hold = (5, 5)
    seen = {"two holders"}

    def inject(self):
        self._other = next(host for host in self.site.hosts if host is not self.host)
        self._other.add_address(f"{VIP}/32")

    def heal(self):
        self._other.remove_address(f"{VIP}/32")


class NobodyLeft(Fault):
    hold = (6, 6)
    seen = {"no holder", "no service"}

    def inject(self):
        for agent in self.site.agents.values():
            agent.freeze()

    def heal(self):
        for agent in self.site.agents.values():
            agent.thaw()


class KilledUntold(Fault):
    hold = (0.1, 0.1)
    seen = {"agent ended", "not recovered"}

    def inject(self):
        self.site.agent(self.host).kill()

    def heal(self):
        pass


SABOTAGE = (Leftover, ClientsCutOff, SecondHolder, NobodyLeft, KilledUntold)


def main():
    missed = []
    with Site(3) as site, tempfile.TemporaryDirectory(prefix="fairlead-sabotage-") as directory:
        runner = Runner(site, 1, directory, (), lambda line: None)
        try:
            runner.settle()
            for kind in SABOTAGE:
                before = len(runner.judge.violations)
                runner.round([kind(site, site.lab.holder(VIP), random.Random(1))])
                if kind is Leftover:
                    continue  # told of at the end
                missed += check(kind, runner.judge.violations[before:])
            before = len(runner.judge.violations)
            for _ in runner.finish():
                pass
            missed += check(Leftover, runner.judge.violations[before:])
        finally:
            runner.close()
    return 1 if missed else 0


def check(kind, violations):
    """Prints what was seen; what wasn't."""
    found = {name for _, name, _ in violations}
    missed = kind.seen - found
    print(f"{kind.__name__:<16} told of: {', '.join(sorted(found)) or 'nothing'}{'; MISSED: ' + ', '.join(sorted(missed)) if missed else ''}", flush=True)
    return sorted(missed)


if __name__ == "__main__":
    sys.exit(main())
