"""The lab: hosts on one LAN, made of network namespaces, that take themselves down whatever happens.

    with Lab() as lab:
        host = lab.host("master1", "10.10.1.83")
        host.start_agent({"vip": {"addresses": ["10.10.1.108"]}})
        lab.wait_for(lambda: host.holds("10.10.1.108"), 5, "the VIP")

The bridge lives in a namespace of its own: nothing of the machine's own network is touched. FAIRLEAD_KEEP_LOGS=1 keeps
the directory with everybody's logs and configurations, as fairlead-kept-….
"""

import atexit
import contextlib
import itertools
import os
import shutil
import signal
import tempfile
import threading

from . import addresses, namespaces
from .addresses import Observer
from .certificates import Authority
from .client import Client
from .host import Host
from .waiting import wait_for

DIRECTORIES = "fairlead-lab-"  # in the directory for temporary files, each followed by the pid

_numbers = itertools.count(1)
_open_labs = set()


class Lab:
    def __init__(self, vips=("10.10.1.108",)):
        if os.geteuid() != 0:
            raise PermissionError("the lab needs root, to make network namespaces")
        _handle_signals()
        namespaces.sweep()
        self.vips = list(vips)
        self.hosts = {}
        self._prefix = f"fl{os.getpid()}.{next(_numbers)}-"
        _sweep_directories()
        self.directory = tempfile.mkdtemp(prefix=f"{DIRECTORIES}{os.getpid()}-")
        self._authority = None
        self._closed = False
        _open_labs.add(self)
        self.switch = f"{self._prefix}switch"
        namespaces.add(self.switch)
        self._ip("link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
        self._ip("link", "set", "bridge", "up")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(failed=kind is not None)

    def _ip(self, *arguments):
        return namespaces.run("ip", "-n", self.switch, *arguments)

    # --- hosts ---

    def host(self, name, address=None, prefix=24, ipv6=None):
        """A new host with eth0 on the LAN; addresses are optional."""
        namespace = f"{self._prefix}{name}"
        namespaces.add(namespace)
        host = Host(self, name, address, namespace, os.path.join(self.directory, name))
        self.hosts[name] = host
        self.plug_in(host, prefix, ipv6)
        return host

    def plug_in(self, host, prefix=24, ipv6=None):
        """A new eth0 for a host that has none."""
        self._ip("link", "add", host.name, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        host.ip("link", "set", "eth0", "up")
        host.heal_link()
        if host.address:
            host.ip("address", "add", f"{host.address}/{prefix}", "dev", "eth0")
            # The usual default route, which leads nowhere here.
            host.ip("route", "add", "default", "via", host.address.rsplit(".", 1)[0] + ".1")
        if ipv6:
            host.ip("address", "add", ipv6, "dev", "eth0", "nodad")

    def masters(self, count=3):
        """The hosts of the classic notes: master1 to master3, 10.10.1.83 to 85."""
        return [self.host(f"master{number}", f"10.10.1.{82 + number}") for number in range(1, count + 1)]

    @property
    def client_host(self):
        """A host beside the control plane, 10.10.1.20."""
        return self.hosts.get("client") or self.host("client", "10.10.1.20")

    # --- looking ---

    def holders(self, vip=None):
        """The names of the hosts that have the VIP on an interface, now."""
        return sorted(name for name, host in self.hosts.items() if host.holds(vip or self.vips[0]))

    def holder(self, vip=None, timeout=10):
        """The one host that holds the VIP, waiting until it is one."""
        names = self.wait_for(lambda: len(found := self.holders(vip)) == 1 and found, timeout, "one holder of the VIP")
        return self.hosts[names[0]]

    def observe(self, vip=None):
        """An addresses.Observer: who holds the VIP, from now on, with times."""
        return Observer({name: host.namespace for name, host in self.hosts.items()}, vip or self.vips[0])

    def client(self, address=None, **options):
        """A client.Client on the client host."""
        return Client(self.client_host, address or self.vips[0], **options)

    def wait_for(self, condition, timeout=10, what="", interval=0.02):
        return wait_for(condition, timeout, what, self.account, interval)

    def account(self):
        """What a failed test needs to know."""
        held = "; ".join(f"{name} has {' '.join(sorted(self._held(host)))}" for name, host in self.hosts.items())
        logs = [process.tail() for host in self.hosts.values() for process in host.processes if not process.name.startswith("client")]
        return "\n".join([held, *logs])

    @staticmethod
    def _held(host):
        return addresses.held(host.namespace) - {"127.0.0.1", "::1"}

    @property
    def authority(self):
        """The cluster's CA."""
        if self._authority is None:
            self._authority = Authority(os.path.join(self.directory, "pki"))
        return self._authority

    # --- the end ---

    def close(self, failed=False):
        """Ends the agents, and tells of any that did not end well; then all else."""
        if self._closed:
            return
        complaints = []
        try:
            for host in self.hosts.values():
                for agent in host.agents:
                    if agent.alive:
                        try:
                            code = agent.stop()
                        except AssertionError as error:
                            complaints.append(str(error))
                        else:
                            if code != 0:
                                complaints.append(f"{agent.name} ended with exit code {code}\n{agent.tail(60)}")
                    elif "Sanitizer" in agent.text():
                        complaints.append(agent.tail(60))
        finally:
            self._tear_down()
        if complaints and not failed:
            raise AssertionError("\n".join(complaints))

    def _tear_down(self):
        self._closed = True
        _open_labs.discard(self)
        for host in self.hosts.values():
            for process in host.processes:
                process.signal(signal.SIGKILL)
            namespaces.remove(host.namespace)
        for host in self.hosts.values():
            for process in host.processes:
                with contextlib.suppress(Exception):
                    process.popen.wait(5)
        namespaces.remove(self.switch)
        if os.environ.get("FAIRLEAD_KEEP_LOGS"):
            os.rename(self.directory, self.directory.replace(DIRECTORIES, "fairlead-kept-"))
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def _sweep_directories():
    """Those of runs that are no longer there."""
    for name in os.listdir(tempfile.gettempdir()):
        pid = name.removeprefix(DIRECTORIES).partition("-")[0]
        if name.startswith(DIRECTORIES) and pid.isdigit() and not os.path.isdir(f"/proc/{pid}"):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


def _close_all():
    for lab in list(_open_labs):
        with contextlib.suppress(Exception):
            lab._tear_down()


atexit.register(_close_all)


def _handle_signals():
    """SIGTERM ends the program as an error does, so that every `with` is left."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:

        def leave(number, _):
            raise SystemExit(128 + number)

        signal.signal(signal.SIGTERM, leave)
        signal.signal(signal.SIGHUP, leave)
