"""The LAN: cables, switches, loss. All of it is done on the switch's side of the host's cable, so that it can't meet with what
the agent or somebody else does to the host's own rules."""

import contextlib
import time

from lab import configuration_lock, namespaces

from .fault import Fault


class LinkCut(Fault):
    """The host sees that its carrier is gone."""

    name = "link-cut"
    weight = 3

    def inject(self):
        self.site.hearing.set(self.host.name, sends=False, receives=False)
        self.host.cut_link()

    def heal(self):
        self.host.heal_link()
        self.site.hearing.set(self.host.name)


class SilentCut(LinkCut):
    """Behind another switch: the host's own carrier stays, and nothing comes through."""

    name = "silent-cut"
    weight = 3

    def inject(self):
        self.site.hearing.set(self.host.name, sends=False, receives=False)
        self.host.cut_link(silently=True)


class Flap(Fault):
    name = "link-flaps"
    weight = 2
    hold = (0.0, 0.5)
    service = False

    def inject(self):
        for _ in range(self.random.randint(2, 5)):
            self.host.cut_link()
            time.sleep(self.random.uniform(0.02, 0.4))
            self.host.heal_link()
            time.sleep(self.random.uniform(0.02, 0.4))

    def heal(self):
        self.host.heal_link()


class Filtered(Fault):
    """A part of the packets is dropped: `sent` by the host, `received` by it, in per cent."""

    sent = received = 0

    def inject(self):
        if self.sent == 100 or self.received == 100:
            self.site.hearing.set(self.host.name, sends=self.sent < 100, receives=self.received < 100)
        chains = ""
        # What the host sends comes in at the switch.
        for hook, share in (("ingress", self.sent), ("egress", self.received)):
            if share:
                some = "" if share == 100 else f"numgen random mod 100 < {share} "
                chains += f"chain {hook} {{ type filter hook {hook} device {self.host.name} priority 0; {some}drop; }}; "
        self._nft(f"table netdev {self.host.name} {{ {chains} }}")

    def heal(self):
        self._nft(f"delete table netdev {self.host.name}")
        self.site.hearing.set(self.host.name)

    def _nft(self, text):
        namespaces.run("nsenter", f"--net={namespaces.path(self.site.lab.switch)}", "--", "nft", text)


class Mute(Filtered):
    """It hears and isn't heard."""

    name = "mute"
    weight = 2
    sent = 100


class Deaf(Filtered):
    """It is heard and doesn't hear, so it must think itself alone and claim the VIP. If it wins, nobody is served: no protocol
    in which silence means death can do better."""

    name = "deaf"
    weight = 2
    received = 100
    service = False


class Lossy(Filtered):
    name = "loss-20%"
    weight = 3
    hold = (1.0, 4.0)
    sent = received = 20
    service = False


class Slow(Fault):
    """A congested link: 20 Mbit/s with a queue of up to 300 ms. (Delay alone would want a kernel with netem.)"""

    name = "slow-link"
    weight = 2
    hold = (1.0, 4.0)
    service = False

    def inject(self):
        namespaces.run("tc", "-n", self.site.lab.switch, "qdisc", "add", "dev", self.host.name, "root", "tbf", "rate", "20mbit", "burst", "20k", "latency", "300ms")
        self.host.run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "20mbit", "burst", "20k", "latency", "300ms")

    def heal(self):
        namespaces.run("tc", "-n", self.site.lab.switch, "qdisc", "del", "dev", self.host.name, "root")
        self.host.run("tc", "qdisc", "del", "dev", "eth0", "root")


class Partition(Fault):
    """The LAN breaks in two: a minority of the hosts on one side; the clients, etcd and the rest on the other."""

    name = "partition"
    weight = 3
    pairable = False
    ISLAND = "island"

    def inject(self):
        others = [host for host in self.site.hosts if host is not self.host]
        count = self.random.randint(1, (len(self.site.hosts) - 1) // 2)
        self._cut_off = [self.host, *self.random.sample(others, count - 1)]
        self.detail = " ".join(host.name for host in self._cut_off) + " | the rest"
        self.site.lab._ip("link", "add", self.ISLAND, "type", "bridge", "mcast_snooping", "0")
        self.site.lab._ip("link", "set", self.ISLAND, "up")
        for host in self._cut_off:
            self.site.hearing.set(host.name, island=1)
            self.site.lab._ip("link", "set", host.name, "master", self.ISLAND)

    def heal(self):
        for host in self._cut_off:
            host.heal_link()
            self.site.hearing.set(host.name)
        self.site.lab._ip("link", "delete", self.ISLAND)


class Renamed(Fault):
    """eth0 gets another name, and its own back."""

    name = "interface-renamed"
    weight = 2
    hold = (0.2, 3.0)

    def inject(self):
        self.host.ip("link", "set", "eth0", "name", "lan0")

    def heal(self):
        self.host.ip("link", "set", "lan0", "name", "eth0")


class ConfigurationLocked(Fault):
    """The kernel's lock of all network configuration is held, for the VIP's lifetime and longer. It is one lock for all hosts here."""

    name = "network-locked"
    hold = (0.3, 3.0)
    pairable = False  # nobody can take a VIP over meanwhile
    needs = staticmethod(configuration_lock.missing)

    def inject(self):
        self._lock = contextlib.ExitStack()
        self._lock.enter_context(configuration_lock.held())

    def heal(self):
        self._lock.close()
