"""What an API stand-in (api_stand_in.py) serves: Nodes and EndpointSlices, their history, the watches that follow it, and the
faults that it was told to play."""

import json
import queue
import threading
import time

LABEL = "node-role.kubernetes.io/control-plane"
SERVICE = {"kubernetes.io/service-name": "kubernetes"}
API_VERSION = {"Node": "v1", "EndpointSlice": "discovery.k8s.io/v1"}


def status_object(code, reason="", message=""):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}


def matches(selector, labels):
    """Equality and existence, as far as tests need them."""
    for term in filter(None, (part.strip() for part in selector.split(","))):
        if term.startswith("!"):
            if term[1:] in labels:
                return False
        elif "!=" in term:
            key, value = term.split("!=", 1)
            if labels.get(key) == value:
                return False
        elif "=" in term:
            key, value = term.replace("==", "=").split("=", 1)
            if labels.get(key) != value:
                return False
        elif term not in labels:
            return False
    return True


class World:
    """The Nodes and EndpointSlices, their history, the open watches, and the faults to play. All under one lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.version = 1000
        self.oldest = 1000  # a watch can start from here on
        self.objects = {kind: {} for kind in API_VERSION}
        self.nodes = self.objects["Node"]
        self.history = []  # (version, type, object, labels before)
        self.watches = []
        self.requests = []
        self.answers = []
        self.trickle = False
        self.stalled = threading.Event()
        self.ready = 200
        self.minor = "30"
        self.initial = "offered"
        self.gzip = False
        self.events = []
        self.events_status = 201
        self.denied = []
        self.sent = 0.0

    def fill(self, count, padding):
        """Without history: they are there before anybody watches."""
        with self.lock:
            for number in range(count):
                self.nodes[f"worker{number}"] = self.worker(number, padding)

    def worker(self, number, padding):
        self.version += 1
        address = f"10.{100 + number // 65536}.{number // 256 % 256}.{number % 256}"
        return {
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": {"name": f"worker{number}", "resourceVersion": str(self.version), "labels": {}, "annotations": {"padding": "x" * padding}},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]},
        }

    def churn(self, rate, seconds, padding):
        for number in range(int(rate * seconds)):
            with self.lock:
                old = self.nodes[f"worker{number % len(self.nodes)}"]
                node = self.worker(number % len(self.nodes), padding)
                self.nodes[node["metadata"]["name"]] = node
                self._publish("MODIFIED", node, old)
            time.sleep(1 / rate)

    def put(self, name, addresses, labels, deleting=False):
        status = {"addresses": [{"type": a[0], "address": a[1]} if isinstance(a, list) else {"type": "InternalIP", "address": a} for a in addresses]}
        self._put("Node", name, labels, deleting, {"status": status})

    def slice(self, name, endpoints, port, labels, address_type):
        """As API servers write their own: conditions alone, no nodeName."""
        full = [{"addresses": [each], "conditions": {"ready": True}} if isinstance(each, str) else each for each in endpoints]
        ports = [{"name": "https", "port": port, "protocol": "TCP"}]
        self._put("EndpointSlice", name, labels, False, {"addressType": address_type, "endpoints": full or None, "ports": ports})

    def _put(self, kind, name, labels, deleting, members):
        with self.lock:
            self.version += 1
            old = self.objects[kind].get(name)
            metadata = {"name": name, "resourceVersion": str(self.version), "labels": labels}
            if deleting:
                metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            new = {"kind": kind, "apiVersion": API_VERSION[kind], "metadata": metadata, **members}
            self.objects[kind][name] = new
            self._publish("MODIFIED" if old else "ADDED", new, old)

    def delete(self, name, kind):
        with self.lock:
            self.version += 1
            old = self.objects[kind].pop(name)
            gone = json.loads(json.dumps(old))
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._publish("DELETED", gone, old)

    def _publish(self, change, item, old):
        entry = (self.version, change, item, old["metadata"]["labels"] if old else None)
        self.history.append(entry)
        for watch in self.watches:
            watch.offer(entry)

    def list(self, kind, selector, limit, token):
        with self.lock:
            start, version = 0, self.version
            if token:
                start, version = (int(part) for part in token.split("-"))
            items = self.objects[kind]
            names = sorted(name for name, item in items.items() if matches(selector, item["metadata"]["labels"]))
            page = names[start : start + limit] if limit else names
            metadata = {"resourceVersion": str(version)}
            if start + len(page) < len(names):
                metadata["continue"] = f"{start + len(page)}-{version}"
            return {"kind": f"{kind}List", "apiVersion": API_VERSION[kind], "metadata": metadata, "items": [items[name] for name in page] or None}

    def open_watch(self, kind, selector, version, initial=False):
        """The new watch, or None if `version` is too old."""
        with self.lock:
            if version < self.oldest and not initial:
                return None
            watch = Watch(kind, selector)
            if initial:
                for item in self.objects[kind].values():
                    if matches(selector, item["metadata"]["labels"]):
                        watch.items.put(event("ADDED", item))
                if self.initial == "offered":
                    mark = {"resourceVersion": str(self.version), "annotations": {"k8s.io/initial-events-end": "true"}}
                    watch.items.put(event("BOOKMARK", {"kind": kind, "apiVersion": API_VERSION[kind], "metadata": mark}))
                version = self.version
            for entry in self.history:
                if entry[0] > version:
                    watch.offer(entry)
            self.watches.append(watch)
            return watch

    def close_watch(self, watch):
        with self.lock:
            self.watches.remove(watch)

    def to_watches(self, item):
        with self.lock:
            for watch in self.watches:
                watch.items.put(item)

    def next_answer(self, verb):
        with self.lock:
            for answer in self.answers:
                if answer.get("verb", "any") not in (verb, "any"):
                    continue
                times = answer.get("times", 1)
                if times == 1:
                    self.answers.remove(answer)
                elif times > 1:
                    answer["times"] = times - 1
                return answer
        return None


class Watch:
    def __init__(self, kind, selector):
        self.kind = kind
        self.selector = selector
        self.items = queue.Queue()  # ("bytes", …), ("end",), ("cut",)

    def offer(self, entry):
        """The event as this selector sees it: a Node that loses its label is DELETED for it."""
        _, change, item, before = entry
        if item["kind"] != self.kind:
            return
        now = change != "DELETED" and matches(self.selector, item["metadata"]["labels"])
        was = before is not None and matches(self.selector, before)
        if now or was:
            seen = "MODIFIED" if now and was else "ADDED" if now else "DELETED"
            self.items.put(event(seen, item))


def event(kind, item):
    return ("bytes", (json.dumps({"type": kind, "object": item}) + "\n").encode())
