"""The cluster's API as the runner uses it: past the balancer, to whichever API server answers. Any thread."""

import http.client
import json
import ssl
import threading
import time
from bisect import bisect_right
from collections import deque

from lab import certificates
from lab.control_plane import CONTROL_PLANE_LABEL, PORT, node_manifest

TICK = "/api/v1/namespaces/default/configmaps/tick"
MERGE = "application/merge-patch+json"


class Api:
    """Requests from etcd's host, which no fault reaches, as system:masters."""

    def __init__(self, plane):
        self.plane = plane
        self.certificate, self.key = plane.authority.client("super-admin", certificates.SUPER_ADMIN)
        self._context = ssl.create_default_context(cafile=plane.authority.certificate)
        self._context.load_cert_chain(self.certificate, self.key)
        self._last = None  # the server that answered last

    def request(self, method, path, body=None, content_type="application/json", timeout=1.5, missing_ok=False):
        """The answer's JSON. Asks each API server in turn; ConnectionError if none answers, ValueError if one refuses."""
        failures = []
        for name in sorted(self.plane.servers, key=lambda each: each != self._last):
            if not self.plane.servers[name].alive:
                continue
            try:
                status, text = self._ask(self.plane.lab.hosts[name].address, method, path, body, content_type, timeout)
            except (OSError, http.client.HTTPException) as error:
                failures.append(f"{name}: {error!r}")
                continue
            if status >= 500:
                failures.append(f"{name}: {status}")
                continue
            self._last = name
            if status >= 400 and not (missing_ok and status in (404, 409)):
                raise ValueError(f"{method} {path}: {status} {text[:200]}")
            return json.loads(text)
        raise ConnectionError(f"{method} {path}: no API server answers: {failures}")

    def insist(self, method, path, body=None, content_type="application/json", seconds=30):
        """request() until an API server answers."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.request(method, path, body, content_type, missing_ok=True)
            except ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _ask(self, address, method, path, body, content_type, timeout):
        connection = self.plane.etcd_host.connect(address, PORT, timeout)
        client = http.client.HTTPConnection(address, PORT)
        try:
            client.sock = connection
            client.sock = self._context.wrap_socket(connection, server_hostname=address)
            client.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": content_type})
            answer = client.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            client.close()

    # --- Nodes ---

    def add_node(self, name, address):
        self.insist("POST", "/api/v1/nodes", node_manifest(name, address))

    def delete_node(self, name):
        self.insist("DELETE", f"/api/v1/nodes/{name}")

    def label_node(self, name, control_plane):
        value = "" if control_plane else None
        self.insist("PATCH", f"/api/v1/nodes/{name}", {"metadata": {"labels": {CONTROL_PLANE_LABEL: value}}}, MERGE)

    def set_address(self, name, address):
        addresses = node_manifest(name, address)["status"]["addresses"]
        self.insist("PATCH", f"/api/v1/nodes/{name}/status", {"status": {"addresses": addresses}}, MERGE)

    # --- what bulk clients read ---

    def fill(self, objects, size):
        """That many ConfigMaps of that many bytes in the namespace `bulk`."""
        self.insist("POST", "/api/v1/namespaces", {"metadata": {"name": "bulk"}})
        for number in range(objects):
            self.insist("POST", "/api/v1/namespaces/bulk/configmaps", {"metadata": {"name": f"bulk-{number}"}, "data": {"x": "x" * size}})


class Ticker:
    """Writes the ConfigMap `tick` twice a second. The ledger knows when each number was accepted; it forgets after a while."""

    PERIOD = 0.5
    KEPT = 1200

    def __init__(self, api):
        self.api = api
        api.insist("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "tick"}, "data": {"n": "0"}})
        self._lock = threading.Lock()
        self._written = deque([(0, time.monotonic())], maxlen=self.KEPT)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        number = 0
        while not self._stopped.wait(self.PERIOD):
            number += 1
            try:
                self.api.request("PATCH", TICK, {"data": {"n": str(number)}}, MERGE)
            except (OSError, ValueError):
                continue  # no tick happened, as far as anybody knows
            with self._lock:
                self._written.append((number, time.monotonic()))

    def stop(self):
        self._stopped.set()
        self._thread.join(20)

    def latest(self):
        """(number, when it was accepted)"""
        with self._lock:
            return self._written[-1]

    def first_after(self, since):
        """The first tick that was accepted after this time; one that is yet to come if there is none."""
        with self._lock:
            return next((number for number, at in self._written if at > since), self._written[-1][0] + 1)

    def missed_since(self, number, now):
        """When the first tick after `number` was accepted, as far as that was before `now`; None if there is none."""
        with self._lock:
            index = bisect_right(self._written, (number, float("inf")))
            if index < len(self._written) and self._written[index][1] <= now:
                return self._written[index][1]
            return None
