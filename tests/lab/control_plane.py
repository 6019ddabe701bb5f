"""A real control plane: one etcd and any number of kube-apiservers on it, with kubeadm's certificates.

    plane = ControlPlane(lab, vip="10.10.1.108")
    plane.start(master1, master2, master3)
    plane.add_node(master1)
    plane.kubectl("get", "nodes")
"""

import functools
import glob
import json
import os
import re
import shutil
import subprocess

from . import certificates

PORT = 6443
ETCD_ADDRESS = "10.10.1.80"
CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"


def find_program(name):
    """The newest `name` that tests/setup.sh has made, or the one that $NAME names; None if there is none."""
    named = os.environ.get(name.upper().replace("-", "_"))
    if named:
        return named
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    built = [each for each in glob.glob(f"{cache}/fairlead/bin/{name}-v*") if os.access(each, os.X_OK) and not each.endswith(".new")]
    return max(built, key=lambda path: [int(number) for number in re.findall(r"\d+", os.path.basename(path))], default=None)


def find_apiserver():
    return find_program("kube-apiserver")


def find_etcd():
    return os.environ.get("ETCD") or shutil.which("etcd")


def node_manifest(name, address, control_plane=True):
    """A Node and its status as a kubelet reports them."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **({CONTROL_PLANE_LABEL: ""} if control_plane else {})}},
        "status": {"addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]},
    }


class ControlPlane:
    def __init__(self, lab, vip, port=16443):
        self.lab = lab
        self.vip = vip
        self.endpoint = f"https://{vip}:{port}"
        self.authority = lab.authority
        self.servers = {}
        self.etcd_host = None
        self.etcd = None
        self.etcd_endpoint = f"http://{ETCD_ADDRESS}:2379"

    @functools.cached_property
    def minor(self):
        """20 of Kubernetes 1.20."""
        text = subprocess.run([find_apiserver(), "--version"], capture_output=True, text=True, check=True).stdout
        return int(re.search(r"v1\.(\d+)", text).group(1))

    def start(self, *hosts):
        """etcd, then an API server on each host, side by side; returns when all are ready."""
        self.start_etcd()
        for host in hosts:
            self.start_server(host, wait=False)
        for host in hosts:
            self.wait_ready(host)
        self.bind_admins()

    def start_etcd(self):
        """etcd on a host of its own, so that every API server is equally far from it."""
        self.etcd_host = self.lab.host("etcd", ETCD_ADDRESS)
        address = self.etcd_host.address
        data = os.path.join(self.etcd_host.directory, "data")
        self.etcd = self.etcd_host.start(
            "etcd", find_etcd(), "--data-dir", data, "--listen-client-urls", self.etcd_endpoint,
            "--advertise-client-urls", self.etcd_endpoint, "--listen-peer-urls", "http://127.0.0.1:2380",
            # Nothing here need survive a power cut.
            "--unsafe-no-fsync",
        )  # fmt: skip
        self.lab.wait_for(lambda: self.etcd_host.http_get(address, 2379, "/health")[0] == 200, 15, "etcd")

    def start_server(self, host, wait=True, flags=None):
        """A kube-apiserver on a host, with `flags`, else those that kubeadm gives it and that matter here."""
        self.servers[host.name] = server = host.start("kube-apiserver", find_apiserver(), *(flags or self._flags(host)), f"--cert-dir={host.directory}")
        if wait:
            self.wait_ready(host)
        return server

    def _flags(self, host):
        certificate, key = self.authority.server(host.name, [host.address, self.vip])
        public, private = self.authority.service_account_keys()
        return [
            f"--etcd-servers={self.etcd_endpoint}",
            f"--advertise-address={host.address}", f"--secure-port={PORT}", f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}", f"--client-ca-file={self.authority.certificate}", "--authorization-mode=Node,RBAC",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local", f"--service-account-key-file={public}",
            f"--service-account-signing-key-file={private}", "--service-cluster-ip-range=10.96.0.0/12",
            "--disable-admission-plugins=ServiceAccount", "--allow-privileged=true",
        ]  # fmt: skip

    def wait_ready(self, host):
        def ready():
            server = self.servers[host.name]
            if not server.alive:
                raise AssertionError(f"{server.name} ended\n{server.tail()}")
            return host.https_get(host.address, PORT, "/readyz")[0] == 200

        self.lab.wait_for(ready, 90, f"the API server on {host.name}", interval=0.1)

    def server(self, host):
        return self.servers[host.name]

    # --- identities ---

    def admin_conf(self, directory=None):
        """O=kubeadm:cluster-admins, as on every control-plane host."""
        return self.authority.kubeconfig("admin", certificates.ADMIN, self.endpoint, directory)

    def super_admin_conf(self, directory=None):
        """O=system:masters, as on the first host."""
        return self.authority.kubeconfig("super-admin", certificates.SUPER_ADMIN, self.endpoint, directory)

    def user_conf(self, name, directory=None):
        """As `kubeadm kubeconfig user --client-name NAME`."""
        return self.authority.kubeconfig(name, f"/CN={name}", self.endpoint, directory)

    def bind_admins(self, kubeconfig=None):
        """What kubeadm does as soon as the first API server runs."""
        self.kubectl("create", "clusterrolebinding", "kubeadm:cluster-admins", "--clusterrole=cluster-admin", "--group=kubeadm:cluster-admins", kubeconfig=kubeconfig)

    # --- kubectl ---

    def kubectl(self, *arguments, host=None, server=None, kubeconfig=None, check=True, input=None, timeout=30):
        """The real kubectl on a host (default: etcd's), by default as super-admin and past the balancer, to
        the first API server that lives; the server's certificate is always verified."""
        if server is None:
            server = self._direct()
        return (host or self.etcd_host).run(
            shutil.which("kubectl"), f"--kubeconfig={kubeconfig or self.super_admin_conf()}", f"--server={server}", *arguments,
            check=check, input=input, timeout=timeout,
        )  # fmt: skip

    def _direct(self):
        for name, process in self.servers.items():
            if process.alive:
                return f"https://{self.lab.hosts[name].address}:{PORT}"
        raise RuntimeError("no API server is running")

    # --- Nodes, as the kubelet and kubeadm write them ---

    def add_node(self, host, address=None, control_plane=True):
        name = host if isinstance(host, str) else host.name
        manifest = node_manifest(name, address or host.address, control_plane)
        self.kubectl("create", "-f", "-", input=json.dumps(manifest))
        return name

    def set_address(self, name, address):
        # Not `patch --subresource`: Debian's kubectl is older than that.
        node = json.loads(self.kubectl("get", "node", name, "-o", "json"))
        node["status"]["addresses"] = node_manifest(name, address)["status"]["addresses"]
        self.kubectl("replace", f"--raw=/api/v1/nodes/{name}/status", "-f", "-", input=json.dumps(node))

    def label(self, name, control_plane=True):
        self.kubectl("label", "node", name, f"{CONTROL_PLANE_LABEL}{'=' if control_plane else '-'}")

    def delete_node(self, name):
        self.kubectl("delete", "node", name, "--wait=false")
