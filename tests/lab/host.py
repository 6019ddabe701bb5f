"""A host: a network namespace with eth0 on the lab's bridge, and what runs there."""

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import sys

from . import addresses, namespaces
from .agent import Agent
from .classic import haproxy_cfg, keepalived_conf
from .processes import Process
from .stand_in import StandIn


class Host:
    def __init__(self, lab, name, address, namespace, directory):
        self.lab = lab
        self.name = name
        self.address = address
        self.namespace = namespace
        self.directory = directory
        self.agents = []
        self.processes = []
        os.makedirs(directory, exist_ok=True)

    # --- the network ---

    def ip(self, *arguments, check=True):
        """`ip ARGUMENTS` on this host; its output."""
        return namespaces.run("ip", "-n", self.namespace, *arguments, check=check)

    def run(self, *command, check=True, timeout=30, input=None):
        """A command on this host, to its end; its output."""
        where = f"--net={namespaces.path(self.namespace)}"
        return namespaces.run("nsenter", where, "--", *command, check=check, timeout=timeout, input=input)

    def cut_link(self, silently=False):
        """Pulls the cable; `silently`: behind a second switch, so that the host's own carrier stays."""
        change = ["nomaster"] if silently else ["down"]
        namespaces.run("ip", "-n", self.lab.switch, "link", "set", self.name, *change)

    def heal_link(self):
        namespaces.run("ip", "-n", self.lab.switch, "link", "set", self.name, "up", "master", "bridge")

    def forward(self):
        """Passes packets on, as every Kubernetes host does."""
        self.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    @property
    def mac(self):
        """eth0's."""
        return self.ip("-br", "link", "show", "eth0").split()[2]

    def holds(self, address):
        return address in addresses.held(self.namespace)

    def add_address(self, address, *options):
        self.ip("address", "add", address, "dev", "eth0", *options)

    def remove_address(self, address):
        """Whoever put it there; nothing happens if it isn't there."""
        self.ip("address", "del", address, "dev", "eth0", check=False)

    # --- programs ---

    def start(self, name, *command, environment=None, stdin=subprocess.DEVNULL):
        """Any program; it ends with the lab at the latest."""
        number = sum(1 for each in self.processes if each.name.startswith(f"{name} ")) + 1
        log = os.path.join(self.directory, f"{name}-{number}.log")
        process = Process(f"{name} on {self.name}", self.namespace, command, log, environment, stdin)
        self.processes.append(process)
        return process

    def start_agent(self, configuration=None, arguments=(), environment=None, wait=True):
        """The agent with this configuration (a mapping over the lab's defaults, or the whole text). With
        `wait` it returns when the agent answers; without, the agent may just as well refuse to start."""
        agent = Agent(self, {} if configuration is None else configuration, arguments, environment)
        self.agents.append(agent)
        self.processes.append(agent)
        if wait:
            self.lab.wait_for(agent.answers, 10, f"the agent on {self.name}")
        return agent

    @property
    def agent(self):
        """The one started last."""
        return self.agents[-1]

    def keepalived(self, vip=None, text=None, **options):
        """keepalived with the classic configuration, options as of classic.keepalived_conf; or with `text` as its file."""
        number = sum(1 for each in self.processes if each.name.startswith("keepalived ")) + 1
        base = os.path.join(self.directory, f"keepalived-{number}")
        with open(f"{base}.conf", "w") as file:
            file.write(text or keepalived_conf(vip, **options))
        return self.start(
            "keepalived", "/usr/sbin/keepalived", "--dont-fork", "--log-console", "--log-detail", "--vrrp",
            f"--use-file={base}.conf", f"--pid={base}.pid", f"--vrrp_pid={base}-vrrp.pid",
        )  # fmt: skip

    def haproxy(self, servers, port=16443, tls_check=True):
        """HAProxy with the classic configuration; options as of classic.haproxy_cfg."""
        file = os.path.join(self.directory, "haproxy.cfg")
        with open(file, "w") as output:
            output.write(haproxy_cfg(servers, port, tls_check))
        process = self.start("haproxy", "/usr/sbin/haproxy", "-db", "-f", file)
        self.lab.wait_for(lambda: self.listens(port), 5, f"HAProxy on {self.name}")
        return process

    def backend(self, port=6443, name=None, tls=True):
        """A small HTTPS server in an API server's place; it answers /readyz, and its name to everything else."""
        script = os.path.join(os.path.dirname(__file__), "backend_server.py")
        command = [sys.executable, script, "--name", name or self.name, "--port", str(port)]
        if tls:
            certificate, key = self.lab.authority.server(self.name, [self.address, *self.lab.vips])
            command += ["--certificate", certificate, "--key", key]
        process = self.start("backend", *command)
        self.lab.wait_for(lambda: self.listens(port), 5, f"the backend on {self.name}")
        return process

    def stand_in(self, *arguments, port=6443):
        """The API server's stand-in, which shows faults on command; a stand_in.StandIn."""
        return StandIn(self, port, *arguments)

    def listens(self, port):
        """Something accepts TCP connections on that port of this host."""
        try:
            self.connect(self.address or "127.0.0.1", port, timeout=1).close()
        except OSError:
            return False
        return True

    # --- connections ---

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        with namespaces.inside(self.namespace):
            return socket.socket(family, kind, protocol)

    def connect(self, address, port, timeout=5):
        """A TCP connection from this host."""
        connection = self.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        connection.settimeout(timeout)
        try:
            connection.connect((address, port))
        except BaseException:
            connection.close()
            raise
        return connection

    def tls_connect(self, address, port, ca=None, server_name=None, timeout=5):
        """With `ca`, the certificate must be signed by it and carry `server_name` (default: the address)."""
        context = ssl.create_default_context(cafile=ca) if ca else ssl._create_unverified_context()
        connection = self.connect(address, port, timeout)
        try:
            return context.wrap_socket(connection, server_hostname=server_name or address)
        except BaseException:
            connection.close()
            raise

    def http_get(self, address, port, path, timeout=5):
        """(status, text) of a plain HTTP request."""
        return self._get(self.connect(address, port, timeout), address, port, path)

    def https_get(self, address, port, path, ca=None, timeout=5):
        """(status, text), over a connection of its own."""
        return self._get(self.tls_connect(address, port, ca, timeout=timeout), address, port, path)

    @staticmethod
    def _get(connection, address, port, path):
        with contextlib.closing(http.client.HTTPConnection(address, port)) as client:
            client.sock = connection
            try:
                client.request("GET", path)
                answer = client.getresponse()
                return answer.status, answer.read().decode(errors="replace")
            except http.client.HTTPException as error:
                raise ConnectionError(f"no proper HTTP answer from {address}:{port}: {error!r}") from error
