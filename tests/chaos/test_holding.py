"""What the chaos suite's judge goes by: times put together without any host."""

from types import SimpleNamespace

from chaos.clients import Requests
from chaos.holding import Hearing, nobody, together

HOSTS = ("a", "b", "c")


def timeline(*entries):
    return [(at, frozenset(names)) for at, names in entries]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def hearing(*changes):
    """changes: (time, host, what of Hearing.set)"""
    clock = Clock()
    made = Hearing(HOSTS, clock)
    for at, name, what in changes:
        clock.now = at
        made.set(name, **what)
    return made


DEAF, WELL, ISLAND = {"receives": False}, {}, {"island": 1}


def test_a_gap_without_a_holder_counts_from_its_beginning_and_also_while_it_lasts():
    seen = timeline((0, "a"), (10, ""), (11, "b"), (20, ""))
    assert nobody(seen, 23, 2) == [20]
    assert nobody(seen, 21.9, 2) == []
    assert nobody(seen, 23, 0.5) == [10, 20]


def test_two_that_hear_each_other_are_found_however_many_more_hold_it():
    seen = timeline((0, "a"), (10, "ab"), (12, "abc"), (14, "ab"), (16, "a"))
    assert together(seen, hearing(), HOSTS, 20, 3.5) == [("a", "b", 10)]
    assert together(seen, hearing(), HOSTS, 20, 6) == []
    assert together(seen, hearing(), HOSTS, 20, 1.5) == [("a", "b", 10), ("a", "c", 12), ("b", "c", 12)]


def test_a_break_starts_the_time_anew():
    seen = timeline((0, "ab"), (3, "a"), (3.1, "ab"), (6, "a"))
    assert together(seen, hearing(), HOSTS, 10, 3.5) == []


def test_those_that_do_not_hear_each_other_may_both_hold_it_and_have_their_time_when_they_do():
    seen = timeline((0, "a"), (10, "ab"))
    deaf = hearing((9, "b", DEAF), (30, "b", WELL))
    assert together(seen, deaf, HOSTS, 33, 3.5) == []
    assert together(seen, deaf, HOSTS, 34, 3.5) == [("a", "b", 30)]


def test_on_one_island_they_hear_each_other():
    seen = timeline((0, "c"), (10, "abc"))
    apart = hearing((9, "a", ISLAND), (9, "b", ISLAND))
    assert together(seen, apart, HOSTS, 20, 3.5) == [("a", "b", 10)]


def test_what_is_forgotten_does_not_change_what_is_known():
    apart = hearing((9, "a", DEAF), (12, "a", WELL), (15, "b", DEAF))
    apart.forget(14)
    assert apart.pair("a", "b", 14) and not apart.pair("a", "b", 15)


def requests(tmp_path, *lines):
    log = tmp_path / "log"
    log.write_text("".join(f"{line}\n" for line in lines))
    made = Requests(SimpleNamespace(name="client", log=str(log), tail=lambda: ""))
    made.read()
    return made


def test_the_longest_outage_is_between_two_answers_and_until_now_if_none_has_come(tmp_path):
    ledger = requests(tmp_path, "0 1 ok x", "1 2 ok x", "2 4 TimeoutError -", "5 6 ok x", "6 7 ok x")
    assert ledger.longest_outage(3, 7) == 4  # from the answer at 2 to the one at 6
    assert ledger.longest_outage(6.5, 7) == 1
    assert ledger.longest_outage(3, 20) == 13
    assert ledger.lost(3, 7) == (1, 0) and ledger.lost(1.5, 7) == (0, 1)
    assert ledger.in_a_row(5) == 2 and ledger.in_a_row(6) == 1 and ledger.in_a_row(0) == 2
    assert ledger.outcomes(0, 7) == {"TimeoutError": 1}


def test_a_line_that_is_not_whole_yet_waits(tmp_path):
    ledger = requests(tmp_path, "0 1 ok x")
    with open(ledger.process.log, "a") as file:
        file.write("1 2 o")
    ledger.read()
    assert ledger.answered == 1
    with open(ledger.process.log, "a") as file:
        file.write("k x\n")
    ledger.read()
    assert ledger.answered == 2
