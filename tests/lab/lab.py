"""The lab: a bridge, hosts on it, and everything that was started, taken down again whatever happens."""

import atexit
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .client import Client
from .cluster import ControlPlane
from .host import Host
from .pki import Authority
from .wait import wait_for

PREFIX = "fl"
VIP = "10.10.1.108"


def ip(*arguments, check=True):
    return subprocess.run(["ip", *map(str, arguments)], check=check, capture_output=True, text=True)


class Lab:
    """with Lab() as lab: hosts, links, agents and peers, each one call away."""

    vip = VIP

    def __init__(self):
        self.prefix = f"{PREFIX}{os.getpid()}-"
        self.bridge_namespace = self.prefix + "lan"
        self.hosts = {}
        self._processes = []
        self._observers = []

    # ---- coming and going

    def __enter__(self):
        sweep_stale()
        self.directory = Path(tempfile.mkdtemp(prefix="fairlead-lab-"))
        atexit.register(self.close)
        self._old_handlers = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._old_handlers[number] = signal.signal(number, self._interrupted)
        try:
            ip("netns", "add", self.bridge_namespace)
            ip("-n", self.bridge_namespace, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
            ip("-n", self.bridge_namespace, "link", "set", "br0", "up")
            self.pki = Authority(self.directory / "pki")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            self._print_logs()
        self.close()

    def _interrupted(self, number, frame):
        self.close()
        raise SystemExit(128 + number)

    def close(self):
        for observer in self._observers:
            observer.stop()
        self._observers = []
        for process in reversed(self._processes):
            if process.running:
                process.kill()
        self._processes = []
        remove_namespaces([self.bridge_namespace] + [host.namespace for host in self.hosts.values()])
        self.hosts = {}
        if getattr(self, "directory", None):
            shutil.rmtree(self.directory, ignore_errors=True)
        for number, handler in getattr(self, "_old_handlers", {}).items():
            signal.signal(number, handler)
        self._old_handlers = {}
        atexit.unregister(self.close)

    def _print_logs(self):
        for process in self._processes:
            try:
                text = process.log_text()
            except OSError:
                continue
            print(f"--- {process.name} (pid {process.pid}, {'running' if process.running else process.exit_code})\n{text[-6000:]}")

    def started(self, process):
        self._processes.append(process)
        return process

    # ---- hosts

    def host(self, name, address):
        """A host with eth0 at `address`/24 on the bridge."""
        host = Host(self, name, address)
        self.hosts[name] = host
        return host

    def masters(self, count=3):
        """master1 … at 10.10.1.83 …, as in the documentation."""
        return [self.host(f"master{i + 1}", f"10.10.1.{83 + i}") for i in range(count)]

    def holders(self, vip=VIP):
        """Names of the hosts that carry the VIP at this moment."""
        return sorted(name for name, host in self.hosts.items() if host.holds(vip))

    def wait_for_holder(self, *names, timeout=15, vip=VIP):
        """Waits until exactly one host holds the VIP, one of `names` if any are given; returns its name."""
        def one():
            holders = self.holders(vip)
            return holders[0] if len(holders) == 1 and (not names or holders[0] in names) else None
        return wait_for(one, timeout, f"one holder of {vip} among {names or 'all'}", explain=lambda: f"holders: {self.holders(vip)}\n{self.tails()}")

    def tails(self, lines=12):
        out = []
        for host in self.hosts.values():
            if host.agent:
                tail = "\n".join(host.agent.log_text().splitlines()[-lines:])
                out.append(f"--- agent on {host.name}:\n{tail}")
        return "\n".join(out)

    # ---- parts

    def control_plane(self, hosts, node_names=None):
        """Real kube-apiservers, one per host, on one etcd (on the first host)."""
        return ControlPlane(self, hosts)

    def client(self, host, url=f"https://{VIP}:16443/readyz", interval=0.01, name="client"):
        """Opens a new connection every `interval` seconds from `host` and keeps a ledger."""
        return Client(self, host, url, interval, name)

    def watch_holders(self, vip=VIP):
        observer = HolderObserver(self, vip)
        self._observers.append(observer)
        return observer


class HolderObserver:
    """Samples who holds the VIP, all the time, in the background."""

    def __init__(self, lab, vip):
        self.samples = []  # (monotonic time, [names])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(lab, vip), daemon=True)
        self._thread.start()

    def _run(self, lab, vip):
        while not self._stop.is_set():
            self.samples.append((time.monotonic(), lab.holders(vip)))
            self._stop.wait(0.05)

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self.samples

    def count_since(self, begin):
        """How many samples since `begin` saw 0, 1, 2 … holders."""
        counts = {}
        for when, names in list(self.samples):
            if when >= begin:
                counts[len(names)] = counts.get(len(names), 0) + 1
        return counts


def remove_namespaces(names):
    for name in names:
        pids = ip("netns", "pids", name, check=False)
        for pid in pids.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        ip("netns", "del", name, check=False)


def sweep_stale():
    """Removes what labs left behind whose process is gone."""
    listed = ip("netns", "list", check=False).stdout.splitlines()
    for line in listed:
        match = re.match(rf"({PREFIX}(\d+)-\S+)", line)
        if match and not os.path.exists(f"/proc/{match[2]}"):
            remove_namespaces([match[1]])
