"""The judge of descriptors and memory, beside an agent that is this very process. What else it judges is broken on purpose by
sabotage.py, with real hosts."""

import os
from types import SimpleNamespace

import pytest

from chaos.judge import GROWTH, LOOSE_DESCRIPTORS, Judge


@pytest.fixture
def judge():
    connections = {"balancer": {"connections": 0}}
    agent = SimpleNamespace(pid=os.getpid(), alive=True, name="the agent", tail=lambda lines: "", status=lambda: connections)
    site = SimpleNamespace(agents={"a": agent}, data_path="proxy", keep_logs=lambda target: None)
    made = Judge(site, None, SimpleNamespace(spans=lambda since, until: []), "", 1, lambda line: None)
    made.connections = connections
    made.quiet_point()
    yield made


def kinds(judge):
    judge.quiet_point()
    return [kind for _, kind, _ in judge.violations]


def test_nothing_is_said_of_an_agent_that_stays_as_it_is(judge):
    assert kinds(judge) == []


def test_descriptors_that_no_connection_accounts_for_are_told_of_once(judge):
    files = [open(os.devnull) for _ in range(LOOSE_DESCRIPTORS + 1)]
    try:
        judge.connections["balancer"]["connections"] = 1
        assert kinds(judge) == [], "two of them are a connection's"
        judge.connections["balancer"]["connections"] = 0
        assert kinds(judge) == ["descriptors"] and kinds(judge) == ["descriptors"]
    finally:
        for file in files:
            file.close()


def test_growth_of_memory_is_told_of(judge):
    kept = os.urandom(GROWTH + (8 << 20))
    assert kinds(judge) == ["memory"]
    del kept
