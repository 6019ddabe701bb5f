"""What kubeadm lays into a control-plane host's /etc/kubernetes: made by its own binary, or as its old releases did, by openssl.

    kubeadm = kubeadm_for(plane)
    kubeadm.init(host, directory)              pki and kubeconfigs, as `kubeadm init` makes them
    kubeadm.join(host, directory, of=first)    the same with the first host's authorities, as `kubeadm join --control-plane`
    kubeadm.user_conf(host, "fairlead")        `kubeadm kubeconfig user`, with a new certificate each time
    kubeadm.manifest(host)                     the API server's static pod

Nothing touches the machine's own /etc/kubernetes.
"""

import os
import shutil
import subprocess

import yaml

from . import certificates
from .control_plane import PORT, find_program

CONFIGURATION = """apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {address}, bindPort: {port}}}
nodeRegistration: {{name: {name}, criSocket: "unix:///run/containerd/containerd.sock"}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: {version}
controlPlaneEndpoint: {endpoint}
certificatesDir: {pki}
etcd: {{external: {{endpoints: ["{etcd}"]}}}}
"""

# What `kubeadm join --control-plane` gets of the first host's pki (`init --upload-certs`); the rest is each host's own.
SHARED = ("ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.key", "sa.pub")


class Kubeadm:
    """kubeadm itself."""

    def __init__(self, plane):
        self.plane = plane
        self.program = find_program("kubeadm")
        if not self.program:
            raise AssertionError("no kubeadm here; tests/setup.sh kubeadm builds one, or $KUBEADM names one")
        self.version = subprocess.run([self.program, "version", "-o", "short"], capture_output=True, text=True, check=True).stdout.strip()
        self.pkis = {}

    def _run(self, host, *arguments, environment=None):
        setting = [f"{name}={value}" for name, value in (environment or {}).items()]
        return host.run("env", *setting, self.program, *arguments, "--config", os.path.join(host.directory, "kubeadm.yaml"))

    def init(self, host, directory):
        """Fills `directory` with pki, admin.conf, super-admin.conf and kubelet.conf; the first host's CA becomes the lab's."""
        pki = self.pkis[host.name] = os.path.join(directory, "pki")
        os.makedirs(pki, exist_ok=True)
        with open(os.path.join(host.directory, "kubeadm.yaml"), "w") as file:
            file.write(CONFIGURATION.format(
                address=host.address, port=PORT, name=host.name, version=self.version, endpoint=self.plane.endpoint.removeprefix("https://"),
                pki=pki, etcd=self.plane.etcd_endpoint,
            ))  # fmt: skip
        self._run(host, "init", "phase", "certs", "all")
        if len(self.pkis) == 1:
            # What kubeadm can't make, as an expired certificate, is signed by the lab.
            self.plane.authority.adopt(os.path.join(pki, "ca.crt"), os.path.join(pki, "ca.key"))
        for kind in ("admin", "super-admin", "kubelet"):
            self._run(host, "init", "phase", "kubeconfig", kind, "--kubeconfig-dir", directory)

    def join(self, host, directory, of):
        pki = os.path.join(directory, "pki")
        os.makedirs(pki)
        for name in SHARED:
            shutil.copy(os.path.join(self.pkis[of.name], name), pki)
        self.init(host, directory)

    def user_conf(self, host, name):
        """A kubeconfig with a new certificate each time; its path."""
        path = os.path.join(host.directory, f"{name}-made.conf")
        with open(path, "w") as file:
            file.write(self._run(host, "kubeconfig", "user", "--client-name", name))
        os.chmod(path, 0o600)
        return path

    def manifest(self, host):
        """The API server's static pod, which holds the flags that it is to be started with."""
        # Written for real it would go to /etc/kubernetes/manifests, wherever all else is.
        directory = os.path.join(host.directory, "kubeadm-dry-run")
        os.makedirs(directory, exist_ok=True)
        self._run(host, "init", "phase", "control-plane", "apiserver", "--dry-run", environment={"KUBEADM_INIT_DRYRUN_DIR": directory})
        with open(os.path.join(directory, "kube-apiserver.yaml")) as file:
            return file.read()


class OldKubeadm:
    """As kubeadm was before 1.29, by openssl: admin.conf is of system:masters, and there is no super-admin.conf."""

    def __init__(self, plane):
        self.plane = plane
        self.authority = plane.authority
        self.pkis = {}

    def init(self, host, directory):
        pki = self.pkis[host.name] = os.path.join(directory, "pki")
        os.makedirs(pki, exist_ok=True)
        certificate, key = self.authority.server(host.name, [host.address, self.plane.vip])
        public, private = self.authority.service_account_keys()
        made = {"ca.crt": self.authority.certificate, "apiserver.crt": certificate, "apiserver.key": key, "sa.pub": public, "sa.key": private}
        for name, source in made.items():
            shutil.copy(source, os.path.join(pki, name))
        for name, subject in (("admin", certificates.OLD_ADMIN), ("kubelet", f"/O=system:nodes/CN=system:node:{host.name}")):
            shutil.copy(self.authority.kubeconfig(f"{name}-of-{host.name}", subject, self.plane.endpoint), os.path.join(directory, f"{name}.conf"))

    def join(self, host, directory, of):
        self.init(host, directory)

    def user_conf(self, host, name):
        self.authority.forget(name)
        return self.plane.user_conf(name)

    def manifest(self, host):
        pki = self.pkis[host.name]
        flags = {
            "advertise-address": host.address, "allow-privileged": "true", "authorization-mode": "Node,RBAC", "client-ca-file": f"{pki}/ca.crt",
            "enable-admission-plugins": "NodeRestriction", "enable-bootstrap-token-auth": "true", "etcd-servers": self.plane.etcd_endpoint,
            "insecure-port": "0", "secure-port": str(PORT), "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": f"{pki}/sa.pub", "service-account-signing-key-file": f"{pki}/sa.key",
            "service-cluster-ip-range": "10.96.0.0/12", "tls-cert-file": f"{pki}/apiserver.crt", "tls-private-key-file": f"{pki}/apiserver.key",
        }  # fmt: skip
        container = {"name": "kube-apiserver", "command": ["kube-apiserver", *(f"--{name}={value}" for name, value in flags.items())]}
        pod = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kube-apiserver", "namespace": "kube-system"},
            "spec": {"containers": [container], "hostNetwork": True},
        }  # fmt: skip
        return yaml.safe_dump(pod)


def kubeadm_for(plane):
    """The one that fits the plane's API server."""
    return Kubeadm(plane) if plane.minor >= 29 else OldKubeadm(plane)


def flags(manifest):
    """The API server's flags in its static pod."""
    return yaml.safe_load(manifest)["spec"]["containers"][0]["command"][1:]
