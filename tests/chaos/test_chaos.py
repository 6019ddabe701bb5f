"""A short run of the chaos suite, with a fixed seed: one fault of each cheap kind, about 90 seconds in all. What is judged is
what chaos.py judges over an hour (docs/chaos.md). Left out are the kinds that restart an API server or starve the machine."""

import pytest
from lab import find_apiserver

from chaos.chaos import KINDS, Runner, possible
from chaos.site import Site

pytestmark = pytest.mark.skipif(find_apiserver() is None, reason="no kube-apiserver here; tests/setup.sh apiserver builds one")

SEED = 8
DEAR = {"server-killed", "server-stopped", "server-garbage", "server-silent", "server-500", "cpu-starved", "slow-link", "loss-20%"}


def test_one_fault_of_each_cheap_kind_and_every_client_is_served_again(tmp_path):
    lines = []

    def say(line):
        lines.append(line)
        print(line, flush=True)

    with Site(3) as site:
        runner = Runner(site, SEED, str(tmp_path), possible(sorted(set(KINDS) - DEAR)), say)
        try:
            runner.settle()
            runner.run_each()
            for line in runner.finish():
                say(line)
        finally:
            runner.close()
        assert not runner.judge.violations, "\n".join(lines)
        assert runner.clients.short.answered > 500, "the clients did little"
