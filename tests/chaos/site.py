"""The site under test: control-plane hosts with an agent and a real API server each, one etcd, a client host, and a spare host on
which nothing listens. What the runner must know to judge stands here: who can hear whom, and which agents are meant to be dead."""

import contextlib
import os
import re
import shutil
import signal
import subprocess

from lab import ControlPlane, Lab, binary
from lab.lab import DIRECTORIES
from lab.namespaces import run

from .api import Api
from .holding import Hearing

VIP = "10.10.1.108"
STATE_SIZE = "256k"
# Failover within 0.75 s (docs/failover.md, "v3, 200 ms"), and a dead backend known after two probes.
SETTINGS = {
    "vip": {"addresses": [VIP]},
    "vrrp": {"advertInterval": "200ms"},
    "loadBalancer": {"healthCheck": {"interval": "500ms", "timeout": "500ms", "rise": 2, "fall": 2}},
}


class Site:
    """with Site(3) as site: … ; everything is up and every client could be served when it is entered."""

    def __init__(self, hosts=3, data_path="proxy"):
        self.vip = VIP
        self.data_path = data_path
        self.lab = Lab(vips=[VIP])
        self._mounts = []
        self.agents = {}  # host name → the agent that is meant to run there
        self.former = []  # agents that were taken over and may still serve
        self.dead = set()  # host names whose agent a fault has ended
        self.expected_nodes = {}  # Node name → address, as the API has them with the control plane's label
        try:
            self._start(hosts)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _start(self, count):
        sweep_mounts()
        self.hosts = self.lab.masters(count)
        self.spare = self.lab.host("spare", "10.10.1.90")
        self.client_host = self.lab.client_host
        self.hearing = Hearing([host.name for host in self.hosts])
        self.plane = ControlPlane(self.lab, VIP)
        self.plane.start(*self.hosts)
        self.plane.kubectl("apply", "-f", "-", input=self.hosts[0].run(binary(), "manifest", "rbac"))
        self.api = Api(self.plane)
        identity = self.plane.user_conf("fairlead")
        for host in self.hosts:
            self.api.add_node(host.name, host.address)
            self.expected_nodes[host.name] = host.address
            if self.data_path != "proxy":
                host.forward()
            os.makedirs(self.kubernetes_directory(host))
            self.put(host, identity)
            self._mount(host)
        for host in self.hosts:
            self.start_agent(host)
        self.lab.wait_for(lambda: not self.unready(), 60, "the first recovery", 0.1)

    # --- the host's files ---

    @staticmethod
    def state_directory(host):
        """The agent's cache and history: a file system of its own, so that it can be filled."""
        return os.path.join(host.directory, "state")

    @staticmethod
    def kubernetes_directory(host):
        return os.path.join(host.directory, "kubernetes")

    def put(self, host, made):
        """The host's kubeconfig, replaced as a whole."""
        target = os.path.join(self.kubernetes_directory(host), "fairlead.conf")
        shutil.copy(made, target + ".new")
        os.rename(target + ".new", target)

    def _mount(self, host):
        directory = self.state_directory(host)
        os.makedirs(directory)
        run("mount", "-t", "tmpfs", "-o", f"size={STATE_SIZE},mode=0700", "fairlead-chaos", directory)
        self._mounts.append(directory)

    # --- agents ---

    def configuration(self, host):
        state = self.state_directory(host)
        return {
            **SETTINGS,
            "loadBalancer": {
                **SETTINGS["loadBalancer"],
                "dataPath": self.data_path,
                "healthCheck": {**SETTINGS["loadBalancer"]["healthCheck"], "caFile": self.lab.authority.certificate},
            },
            "backends": {
                "kubernetes": {"kubeconfig": [os.path.join(self.kubernetes_directory(host), "fairlead.conf")]},
                "cacheFile": os.path.join(state, "backends.json"),
            },
            "logging": {"historyFile": os.path.join(state, "history.json")},
        }

    def start_agent(self, host, *arguments):
        agent = host.start_agent(self.configuration(host), arguments)
        self.agents[host.name] = agent
        self.dead.discard(host.name)
        return agent

    def agent(self, host):
        return self.agents[host.name]

    def end_agent(self, host, number=signal.SIGKILL):
        """A fault ends it."""
        self.dead.add(host.name)
        self.agent(host).signal(number)

    def holder(self):
        """A host that holds the VIP now; None if there is none."""
        names = [name for name in self.lab.holders(VIP) if name in self.agents]
        return self.lab.hosts[names[0]] if names else None

    # --- API servers ---

    def start_server(self, host):
        self.plane.start_server(host)

    def wait_server(self, host):
        self.plane.wait_ready(host)

    # --- health ---

    def expected_backends(self):
        return sorted(f"{address}:6443" for address in self.expected_nodes.values())

    def unready(self):
        """What of the agents and the VIP is not as it should be when nothing is broken; empty if all is well."""
        holders = self.lab.holders(VIP)
        if len(holders) != 1:
            return f"holders: {holders or 'none'}"
        expected = self.expected_backends()
        for name, agent in self.agents.items():
            try:
                status = agent.status()
            except (OSError, ValueError) as error:
                return f"{name}: no status: {error!r}"
            backends = {each["endpoint"]: each["health"] for each in status["backends"]}
            if sorted(backends) != expected or any(health != "up" for health in backends.values()):
                return f"{name}: backends {backends}"
            state = "MASTER" if [name] == holders else "BACKUP"
            if status["router"]["state"] != state:
                return f"{name}: {status['router']['state']}, expected {state} ({status['router']['cause']})"
            if not status["kubernetes"]["watchUp"]:
                return f"{name}: no watch: {status['kubernetes']['lastError']}"
        return ""

    # --- the end ---

    def close(self):
        with contextlib.suppress(Exception):
            for host in getattr(self, "hosts", []):
                for process in host.processes:
                    process.thaw()
        try:
            # Judged by the caller; an agent's complaints here would hide the error that led here.
            self.lab.close(failed=True)
        finally:
            for directory in self._mounts:
                run("umount", "-l", directory, check=False)
            shutil.rmtree(self.lab.directory, ignore_errors=True)

    def keep_logs(self, target):
        """Copies everybody's logs and configurations; of large ones the end."""
        os.makedirs(target, exist_ok=True)
        for name in self.lab.hosts:
            source = os.path.join(self.lab.directory, name)
            for entry in sorted(os.listdir(source)):
                path = os.path.join(source, entry)
                if os.path.isfile(path) and re.search(r"\.(log|yaml)$", entry):
                    with open(path, "rb") as file:
                        file.seek(max(0, os.path.getsize(path) - 4_000_000))
                        with open(os.path.join(target, f"{name}-{entry.replace(' ', '-')}"), "wb") as copy:
                            shutil.copyfileobj(file, copy)


def sweep_mounts():
    """Unmounts what killed runs have left."""
    with open("/proc/mounts") as file:
        places = [line.split(" ")[1] for line in file if line.startswith("fairlead-chaos ")]
    for place in places:
        pid = re.search(rf"/{DIRECTORIES}(\d+)-", place)
        if pid and not os.path.isdir(f"/proc/{pid.group(1)}"):
            subprocess.run(["umount", "-l", place], check=False)
