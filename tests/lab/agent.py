"""The fairlead agent on a host."""

import http.client
import json
import os
from pathlib import Path

import yaml

from .process import Process
from .wait import wait_for

ROOT = Path(__file__).resolve().parents[2]
ADMIN_PORT = 16444


def binary():
    return Path(os.environ.get("FAIRLEAD", ROOT / "build/release/fairlead")).resolve()


class Agent:
    """Configuration keys that a test doesn't care about get values that keep hosts of one machine apart."""

    def __init__(self, host, config, arguments):
        self.host = host
        self.arguments = list(arguments)
        text = config if isinstance(config, str) else yaml.safe_dump(self._completed(config or {}), sort_keys=False)
        self.config_path = host.file("fairlead.yaml", text)
        self.process = None
        self.start()

    def _completed(self, config):
        config = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "FairleadConfiguration", "nodeName": self.host.name, **config}
        config.setdefault("vip", {"addresses": [self.host.lab.vip]})
        backends = dict(config.get("backends", {}))
        backends.setdefault("cacheFile", str(self.host.directory / "state/backends.json"))
        backends.setdefault("kubernetes", {"kubeconfig": []})
        if not backends["kubernetes"].get("kubeconfig"):
            backends.setdefault("static", ["10.10.1.83:6443"])
        config["backends"] = backends
        balancer = dict(config.get("loadBalancer", {}))
        check = dict(balancer.get("healthCheck", {}))
        if check.get("type", "https") in ("https", "tls"):
            check.setdefault("caFile", str(self.host.lab.pki.ca_file))
        balancer["healthCheck"] = check
        config["loadBalancer"] = balancer
        return config

    def start(self):
        log = self.host.directory / "agent.log"
        self.process = self.host.lab.started(Process(
            f"agent@{self.host.name}", [binary(), "run", "--config", self.config_path, *self.arguments], log, self.host.namespace))

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process.running

    def log_text(self):
        return self.process.log_text()

    def kill(self):
        self.process.kill()

    def stop(self, timeout=10):
        return self.process.stop(timeout)

    def freeze(self):
        self.process.freeze()

    def thaw(self):
        self.process.thaw()

    def restart(self):
        if self.process.running:
            self.stop()
        self.start()
        self.wait_until_up()

    def get(self, path):
        """(status, body) of the admin server."""
        connection = http.client.HTTPConnection("127.0.0.1", ADMIN_PORT, timeout=5)
        connection.sock = self.host.connect("127.0.0.1", ADMIN_PORT)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def status(self):
        code, body = self.get("/status")
        assert code == 200, (code, body)
        return json.loads(body)

    def metrics(self):
        """{'fairlead_name{label="x"}': value}"""
        code, body = self.get("/metrics")
        assert code == 200, (code, body)
        values = {}
        for line in body.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values[name] = float(value)
        return values

    def metric(self, name, **labels):
        """The sum over all series of `name` that carry these labels."""
        total = 0.0
        for series, value in self.metrics().items():
            if series.split("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
                total += value
        return total

    def backends(self):
        """{endpoint: health}"""
        return {b["endpoint"]: b["health"] for b in self.status()["backends"]}

    def wait_until_up(self, timeout=20):
        def up():
            if not self.process.running:
                raise AssertionError(f"agent on {self.host.name} ended with {self.process.exit_code}:\n{self.log_text()}")
            return self.get("/healthz")[0] == 200
        wait_for(up, timeout, f"the agent on {self.host.name} answers", explain=self.log_text)
