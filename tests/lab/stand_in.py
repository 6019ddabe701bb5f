"""The stand-in of an API server on a host, and a control plane of them for where there is no real one."""

import http.client
import json
import os
import subprocess
import sys

from . import certificates


class StandIn:
    """One api_stand_in.py; `tell` is its control port's POST, see there."""

    def __init__(self, host, port, *arguments):
        self.host = host
        certificate, key = host.lab.authority.server(host.name, [host.address, "127.0.0.1", *host.lab.vips])
        self.process = host.start(
            "stand-in", sys.executable, os.path.join(os.path.dirname(__file__), "api_stand_in.py"), "--certificate", certificate,
            "--key", key, "--client-ca", host.lab.authority.certificate, "--address", "0.0.0.0", "--port", port, *arguments,
            stdin=subprocess.PIPE,
        )  # fmt: skip
        self._control = host.lab.wait_for(self._ports, 10, f"the stand-in on {host.name}")["control"]

    def _ports(self):
        line = self.process.text().partition("\n")
        return line[1] and json.loads(line[0])

    def tell(self, what, **arguments):
        connection = http.client.HTTPConnection("127.0.0.1", self._control)
        connection.sock = self.host.connect("127.0.0.1", self._control)
        try:
            connection.request("POST", "/", json.dumps({"do": what, **arguments}))
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise ValueError(f"the stand-in refused {what}: {text}")
        finally:
            connection.close()

    def state(self):
        return json.loads(self.host.http_get("127.0.0.1", self._control, "/")[1])


class StandInPlane:
    """What ControlPlane offers, as far as a stand-in can: every server is told every Node."""

    def __init__(self, lab, vip, port=16443):
        self.lab = lab
        self.authority = lab.authority
        self.endpoint = f"https://{vip}:{port}"
        self._servers = {}
        self._nodes = {}

    def start(self, *hosts):
        for host in hosts:
            self.start_server(host)

    def start_server(self, host):
        server = self._servers[host.name] = host.stand_in()
        for name, address in self._nodes.items():
            server.tell("put", name=name, addresses=[address])
        return server.process

    def server(self, host):
        return self._servers[host.name].process

    def admin_conf(self, directory=None):
        return self.authority.kubeconfig("admin", certificates.ADMIN, self.endpoint, directory)

    def add_node(self, host):
        self._nodes[host.name] = host.address
        for server in self._servers.values():
            if server.process.alive:
                server.tell("put", name=host.name, addresses=[host.address])
