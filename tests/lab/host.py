"""One host: a network namespace with eth0 on the lab's bridge."""

import json
import os
import socket
import subprocess

from .agent import Agent
from .peers import Haproxy, Keepalived
from .process import Process


class Host:
    def __init__(self, lab, name, address):
        self.lab = lab
        self.name = name
        self.address = address
        self.namespace = lab.prefix + name
        self.directory = lab.directory / name
        self.directory.mkdir()
        self.agent = None
        self._port = f"v{len(lab.hosts)}"
        self._ip_global("netns", "add", self.namespace)
        self._ip_global("-n", lab.bridge_namespace, "link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        self._ip_global("-n", lab.bridge_namespace, "link", "set", self._port, "master", "br0", "up")
        self.ip("link", "set", "lo", "up")
        self.ip("addr", "add", f"{address}/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        self.ip("route", "add", "default", "via", "10.10.1.1")

    @staticmethod
    def _ip_global(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)

    def ip(self, *arguments):
        return subprocess.run(["ip", "-n", self.namespace, *map(str, arguments)], check=True, capture_output=True, text=True).stdout

    # ---- the network

    def holds(self, address):
        result = subprocess.run(["ip", "-n", self.namespace, "-j", "addr"], capture_output=True, text=True)
        if result.returncode != 0:
            return False
        return any(entry.get("local") == address for link in json.loads(result.stdout or "[]") for entry in link.get("addr_info", []))

    def address_lifetime(self, address):
        """Seconds until the kernel removes the address; None if it isn't there."""
        for link in json.loads(self.ip("-j", "addr")):
            for entry in link.get("addr_info", []):
                if entry.get("local") == address:
                    return entry.get("valid_life_time")
        return None

    def cut_link(self):
        """Pulls the cable at the switch's end: carrier goes on both."""
        self._ip_global("-n", self.lab.bridge_namespace, "link", "set", self._port, "down")

    def heal_link(self):
        self._ip_global("-n", self.lab.bridge_namespace, "link", "set", self._port, "up")

    def nft(self, rules):
        """Loads nftables rules, e.g. to lose packets one way."""
        self.run("nft", "-f", "-", input=rules)

    # ---- programs

    def run(self, *arguments, check=True, input=None, timeout=60, env=None):
        """Runs a program to its end in this host."""
        result = subprocess.run(["nsenter", f"--net=/run/netns/{self.namespace}", "--", *map(str, arguments)], input=input,
                                capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})})
        if check and result.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(map(str, arguments))} ended with {result.returncode}: {result.stdout}{result.stderr}")
        return result

    def spawn(self, name, *arguments, env=None):
        return self.lab.started(Process(f"{name}@{self.name}", arguments, self.directory / f"{name}.log", self.namespace, env))

    def file(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start_agent(self, config=None, arguments=(), wait=True):
        """Starts the agent with a configuration (text or dict); by default it waits until the admin server answers."""
        self.agent = Agent(self, config, arguments)
        if wait:
            self.agent.wait_until_up()
        return self.agent

    def keepalived(self, configuration):
        return Keepalived(self, configuration)

    def haproxy(self, configuration):
        return Haproxy(self, configuration)

    def listen(self, port, address="0.0.0.0"):
        """A plain listener that closes what it accepts: something for port checks."""
        code = f"import socket;s=socket.create_server(({address!r},{port}));\nwhile True:\n  c,_=s.accept();c.close()"
        return self.spawn(f"listen{port}", "/usr/bin/python3", "-c", code)

    def stand_in(self, **options):
        from .api_stand_in import StandIn
        return StandIn(self, **options)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        """A socket of this host, for the test's own process."""
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        other = os.open(f"/run/netns/{self.namespace}", os.O_RDONLY)
        try:
            set_namespace(other)
            return socket.socket(family, kind, protocol)
        finally:
            set_namespace(own)
            os.close(own)
            os.close(other)

    def connect(self, address, port, timeout=5):
        """A TCP connection from this host."""
        connection = self.socket()
        connection.settimeout(timeout)
        connection.connect((address, port))
        return connection


def set_namespace(descriptor):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")
