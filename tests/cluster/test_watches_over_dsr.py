"""The data path dsr under real API servers: a thousand TLS connections, watches among them, none of which to a surviving
API server is lost when the VIP's holder is stopped, killed or unplugged, while the table of backends changes with it."""

import json
import ssl
import time

import pytest
from lab import PATIENCE, ControlPlane, Lab, find_apiserver
from lab.certificates import SUPER_ADMIN
from lab.dsr import settle

VIP = "10.10.1.108"
PORT = 16443
WATCHES = 100
IDLE = 900
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"

pytestmark = pytest.mark.skipif(find_apiserver() is None, reason="no kube-apiserver here; tests/setup.sh apiserver builds one")


class Connection:
    """One client's, kept open."""

    def __init__(self, cluster):
        self.socket = cluster.context.wrap_socket(cluster.lab.client_host.connect(VIP, PORT, timeout=10 * PATIENCE), server_hostname=VIP)
        # The host's name is among those of its API server's certificate.
        self.server = next(name for _, name in self.socket.getpeercert()["subjectAltName"] if name.startswith("master"))
        self.unread = b""

    def send(self, path):
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {VIP}\r\nAccept: application/json\r\n\r\n".encode())

    def read_until(self, mark):
        """What came up to and with this mark."""
        while mark not in self.unread:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionResetError("closed")
            self.unread += data
        end = self.unread.index(mark) + len(mark)
        found, self.unread = self.unread[:end], self.unread[end:]
        return found

    def ask(self):
        self.send("/version")
        assert b" 200 " in self.read_until(b"\r\n\r\n").split(b"\r\n", 1)[0]
        self.read_until(b"\n}")  # the end of the JSON text

    def watch(self, version):
        self.send(f"{CONFIG_MAPS}?watch=1&timeoutSeconds=3600&resourceVersion={version}")
        assert b" 200 " in self.read_until(b"\r\n\r\n").split(b"\r\n", 1)[0]


class Cluster:
    def __init__(self, lab):
        self.lab = lab
        self.hosts = lab.masters()
        self.plane = ControlPlane(lab, VIP)
        self.plane.start(*self.hosts)
        self.context = ssl.create_default_context(cafile=lab.authority.certificate)
        self.context.load_cert_chain(*lab.authority.client("watcher", SUPER_ADMIN))
        self.plane.kubectl("create", "configmap", "tick", "--from-literal=at=0")
        for number, host in enumerate(self.hosts):
            host.start_agent({
                "vip": {"addresses": [VIP]},
                "vrrp": {"priority": 120 - number},
                "loadBalancer": {
                    "dataPath": "dsr",
                    "healthCheck": {"caFile": lab.authority.certificate, "interval": "500ms", "timeout": "500ms", "rise": 2, "fall": 2},
                },
                "backends": {"static": [f"{each.address}:6443" for each in self.hosts]},
            })  # fmt: skip

    def settle(self, names):
        """Waits until the tables of these hosts agree that these hosts, and no others, get connections."""
        hosts = [host for host in self.hosts if host.name in names]
        settle(hosts, hosts, timeout=30)

    def whole(self):
        for host in self.hosts:
            host.heal_link()
            if not host.agent.alive:
                host.agent.restart()
        self.lab.wait_for(lambda: self.lab.holders(VIP) == ["master1"], 20, "the VIP on master1")
        self.settle([host.name for host in self.hosts])
        return self


@pytest.fixture(scope="module")
def shared():
    with Lab() as lab:
        yield Cluster(lab)


@pytest.fixture
def cluster(shared):
    yield shared.whole()
    for host in shared.hosts:
        host.heal_link()


@pytest.mark.parametrize("how", ["killed", "stopped", "unplugged"])
def test_no_watch_of_a_surviving_api_server_is_lost_with_the_holder(cluster, how):
    version = json.loads(cluster.plane.kubectl("get", "configmap", "tick", "-o", "json"))["metadata"]["resourceVersion"]
    idle = [Connection(cluster) for _ in range(IDLE)]
    watches = [Connection(cluster) for _ in range(WATCHES)]
    try:
        for connection in idle:
            connection.ask()
        for connection in watches:
            connection.watch(version)
        counts = {host.name: sum(each.server == host.name for each in (*idle, *watches)) for host in cluster.hosts}
        assert all(count > 200 for count in counts.values()), counts

        # The API server of an agent that was killed is still served.
        lost_with_it = set() if how == "killed" else {"master1"}
        holder = cluster.hosts[0]
        {"killed": holder.agent.kill, "stopped": holder.agent.stop, "unplugged": lambda: holder.cut_link(silently=True)}[how]()
        cluster.lab.wait_for(lambda: any(host.holds(VIP) for host in cluster.hosts[1:]), 15, "a new holder")
        if lost_with_it:
            cluster.settle(["master2", "master3"])

        # Something for the watches to tell of, written past the balancer to a server that is there.
        mark = f"{time.monotonic():.6f}"
        news = json.dumps({"data": {"at": mark}})
        cluster.plane.kubectl("patch", "configmap", "tick", "--patch", news, server=f"https://{cluster.hosts[1].address}:6443")
        alive, lost = {"idle": 0, "watch": 0}, []
        for kind, connections in (("watch", watches), ("idle", idle)):
            for connection in connections:
                if connection.server in lost_with_it:
                    continue
                try:
                    if kind == "watch":
                        connection.read_until(mark.encode())
                    else:
                        connection.ask()
                    alive[kind] += 1
                except OSError as error:
                    lost.append((kind, connection.server, repr(error)))
        print(f"holder {how}: of {counts} connections {alive} to surviving API servers went on, {len(lost)} were lost")
        assert lost == []
        assert sum(alive.values()) == sum(count for name, count in counts.items() if name not in lost_with_it)
    finally:
        for connection in (*idle, *watches):
            connection.socket.close()
