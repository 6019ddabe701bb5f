"""Who held the VIP and who could hear whom, put together. Pure: times and names in, times and names out."""

import itertools
import time


class Hearing:
    """Which hosts hear each other on the LAN, with times. As long as nothing is said, everybody hears everybody."""

    def __init__(self, hosts, clock=time.monotonic):
        self._clock = clock
        self._now = {name: (0, True, True) for name in hosts}  # island, sends, receives
        self._timeline = [(float("-inf"), dict(self._now))]

    def set(self, name, island=0, sends=True, receives=True):
        self._now[name] = (island, sends, receives)
        self._timeline.append((self._clock(), dict(self._now)))

    def changes(self):
        return [at for at, _ in self._timeline[1:]]

    def pair(self, one, other, at):
        """Whether each hears the other from that time on."""
        state = next(state for since, state in reversed(self._timeline) if since <= at)
        same_island = state[one][0] == state[other][0]
        return same_island and all(state[name][1] and state[name][2] for name in (one, other))

    def forget(self, before):
        """What was true before that time; of what was true at it nothing is lost."""
        while len(self._timeline) > 1 and self._timeline[1][0] < before:
            del self._timeline[0]


def spans(timeline, now):
    """[(since, holders)] as [(since, until, holders)]; the last one lasts until `now`."""
    return [(since, until, holders) for (since, holders), until in zip(timeline, [*(at for at, _ in timeline[1:]), now])]


def nobody(timeline, now, longer_than):
    """Since when, for each time in which nobody held it for longer than that."""
    return [since for since, until, holders in spans(timeline, now) if not holders and until - since > longer_than]


def together(timeline, hearing, hosts, now, longer_than):
    """(one, other, since) for each time in which two of these hosts held it for longer than that without a break, while each heard the
    other. A break in the hearing starts the time anew: they are given the same time as at first to find each other."""
    found = []
    running = {}  # pair → (since, until)
    changes = hearing.changes()
    for since, until, holders in spans(timeline, now):
        cuts = [since, *(each for each in changes if since < each < until), until]
        for pair in itertools.combinations(sorted(holders & set(hosts)), 2):
            for begin, end in zip(cuts, cuts[1:]):
                if not hearing.pair(*pair, begin):
                    continue
                before = running.get(pair)
                first = before[0] if before and before[1] == begin else begin
                running[pair] = (first, end)
                if end - first > longer_than:
                    found.append((*pair, first))
    return sorted(set(found), key=lambda each: (each[2], each))
