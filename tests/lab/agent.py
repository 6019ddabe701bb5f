"""One fairlead agent on one host."""

import json
import os
import re

import yaml

from .processes import Process

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADMIN_PORT = 16444

# The counterpart of the usual keepalived.conf and haproxy.cfg.
CLASSIC = {
    "vrrp": {
        "version": 2,
        "virtualRouterID": 51,
        "priority": 100,
        "advertInterval": "1s",
        "authentication": {"type": "PASS", "password": "Admin123"},
    },
    "checks": [{"name": "lb", "port": 16443, "interval": "2s", "rise": 2, "fall": 2, "weight": 11}],
    "loadBalancer": {"bind": ["0.0.0.0:16443"]},
}


def binary():
    return os.path.abspath(os.environ.get("FAIRLEAD") or os.path.join(ROOT, "build/release/fairlead"))


def merged(*layers):
    """Later mappings over earlier ones, key by key."""
    result = {}
    for layer in layers:
        for key, value in (layer or {}).items():
            if isinstance(value, dict) and isinstance(result.get(key), dict):
                result[key] = merged(result[key], value)
            else:
                result[key] = value
    return result


def defaults(host):
    """What keeps the agents of several hosts on one machine apart."""
    return {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "FairleadConfiguration",
        "nodeName": host.name,
        "backends": {
            "kubernetes": {"kubeconfig": []},
            "cacheFile": os.path.join(host.directory, "backends.json"),
        },
        "logging": {"historyFile": os.path.join(host.directory, "history.json")},
    }


class Agent(Process):
    def __init__(self, host, configuration, arguments=(), environment=None):
        """`configuration`: a mapping, laid over what every host of a lab needs, or the whole text."""
        self.host = host
        number = len(host.agents) + 1
        self.file = os.path.join(host.directory, f"fairlead-{number}.yaml")
        text = configuration
        if not isinstance(configuration, str):
            text = yaml.safe_dump(merged(defaults(host), configuration), sort_keys=False)
        with open(self.file, "w") as file:
            file.write(text)
        self._again = (configuration, arguments, environment)
        command = [binary(), "run", "--config", self.file, *arguments]
        log = os.path.join(host.directory, f"fairlead-{number}.log")
        super().__init__(f"fairlead on {host.name}", host.namespace, command, log, environment)

    def restart(self):
        """A new agent in place of this one, with the same configuration."""
        if self.alive:
            self.stop()
        return self.host.start_agent(*self._again)

    def replace_configuration(self, content):
        """Another text in its file, as editors do it: whole or not at all."""
        with open(f"{self.file}.new", "w") as file:
            file.write(content)
        os.rename(f"{self.file}.new", self.file)

    def get(self, path):
        """(status, body) from the admin server."""
        return self.host.http_get("127.0.0.1", ADMIN_PORT, path)

    def answers(self):
        """True once the admin server does; a failed start ends the wait at once."""
        if not self.alive:
            raise AssertionError(f"{self.name} ended with exit code {self.popen.returncode}\n{self.tail()}")
        return self.get("/healthz")[0] == 200

    def status(self):
        return json.loads(self.get("/status")[1])

    @property
    def state(self):
        """MASTER, BACKUP, …"""
        return self.status()["router"]["state"]

    def backends(self):
        """endpoint → health"""
        return {each["endpoint"]: each["health"] for each in self.status()["backends"]}

    def up(self):
        """The endpoints that are up, sorted."""
        return sorted(endpoint for endpoint, health in self.backends().items() if health.lower() == "up")

    def metrics(self, name=None, **labels):
        """All of /metrics, or the sum of one metric's samples that carry these labels."""
        text = self.get("/metrics")[1]
        if name is None:
            return text
        total = 0.0
        for line in text.splitlines():
            match = re.match(r"^fairlead_(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match.group(1) == name:
                found = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
                if all(found.get(key) == value for key, value in labels.items()):
                    total += float(match.group(3))
        return total
