"""What a fault is. Each kind is a small class with a name; `KINDS` has them all, by name."""

KINDS = {}


class Fault:
    """inject() breaks something on one host, heal() mends it; the runner waits `hold` seconds in between, and judges.

    `service` is False where by its definition no client may be served while it lasts.
    `outage` is how long a client of short connections may go without an answer at most, beyond the fault's own duration where
    `service` is False. The default: a silent holder is missed after 0.75 s (docs/failover.md), a request then on its way is
    given up after 1 s, and the neighbour's entry and the next handshake take a moment; doubled, since two processors carry it all.
    """

    name = ""
    weight = 1
    hold = (1.0, 3.0)
    service = True
    outage = 4.0
    pairable = True  # may happen together with another one on another host
    needs = None  # a function that says why this cannot be done here, or ""

    def __init__(self, site, host, random):
        self.site = site
        self.host = host
        self.random = random
        self.detail = ""

    def __init_subclass__(cls):
        if "name" in vars(cls):
            KINDS[cls.name] = cls

    def inject(self):
        raise NotImplementedError

    def heal(self):
        raise NotImplementedError

    def describe(self):
        return f"{self.name} on {self.host.name}" + (f" ({self.detail})" if self.detail else "")
