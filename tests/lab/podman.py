"""podman, as a kubelet in small: it builds the image and runs the static pod's manifest.

Images are kept in ~/.cache/fairlead/containers, apart from those of the machine. tests/setup.sh image has installed podman and
made the base image. FAIRLEAD_IMAGE names an image in that store to be tested in place of the one that is built.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile

import yaml

from . import namespaces
from .agent import ROOT

# For virtual machines without CAP_SYS_RESOURCE and with hybrid cgroups as well.
CONFIGURATION = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Podman:
    def __init__(self):
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        self.directory = tempfile.mkdtemp(prefix="fairlead-podman-")
        self.store = os.path.join(cache, "fairlead", "containers")
        file = os.path.join(self.directory, "containers.conf")
        with open(file, "w") as output:
            output.write(CONFIGURATION)
        self.environment = {**os.environ, "CONTAINERS_CONF": file}

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def command(self, *arguments):
        return ["podman", "--root", self.store, "--runroot", "/run/fairlead-containers", *map(str, arguments)]

    def run(self, *arguments, check=True, timeout=60):
        """(exit code, stdout and stderr); an AssertionError if it fails and `check` is on."""
        done = subprocess.run(
            self.command(*arguments), env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout
        )
        assert not check or done.returncode == 0, f"podman {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stdout}"
        return done.returncode, done.stdout

    def build(self, tag):
        """From the Dockerfile; what a compiler has seen before comes from ccache's folder."""
        ccache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ccache")
        os.makedirs(ccache, exist_ok=True)
        self._build(tag, ccache)

    @contextlib.contextmanager
    def built_afresh(self, tag):
        """From the Dockerfile once more, with nothing taken over from an earlier build: no layer, no compiler's cache.
        What it adds to the store is removed again."""
        before = set(self.images())
        ccache = os.path.join(self.directory, "ccache")
        os.makedirs(ccache)
        try:
            self._build(tag, ccache, "--no-cache")
            yield tag
        finally:
            self.run("untag", tag, check=False)
            # The newest first; those that another one is made of go with it.
            for image in self.images():
                if image not in before:
                    self.run("rmi", image, check=False)

    def images(self):
        """The identifiers of all, also of those without a name, the newest first."""
        return list(dict.fromkeys(self.run("images", "--all", "--quiet", "--no-trunc", "--sort", "created")[1].split()))

    def _build(self, tag, ccache, *flags):
        self.run("build", "--network", "host", "--timestamp", "0", *flags, "-v", f"{ccache}:/root/.cache/ccache", "-t", tag, ROOT, timeout=3600)

    def files(self, image):
        """{path: (mode, link or the digest of what is in it)} of an image."""
        archive = os.path.join(self.directory, "files.tar")
        container = self.run("create", image)[1].split()[-1]
        try:
            self.run("export", "-o", archive, container)
        finally:
            self.run("rm", container)
        with tarfile.open(archive) as opened:
            return {
                each.name: (each.mode, hashlib.sha256(opened.extractfile(each).read()).hexdigest() if each.isreg() else each.linkname)
                for each in opened
            }


class Kubelet:
    """Plays manifests on one host of the lab. The pod's hostPaths are those of a file system of the host's own."""

    def __init__(self, podman, host):
        self.podman = podman
        self.host = host
        self.root = os.path.join(host.directory, "root")
        # A process that holds the mounts for as long as the host is needed.
        layers = []
        for path in ("/etc", "/var/lib"):
            upper, work = (os.path.join(self.root, kind + path.replace("/", "-")) for kind in ("upper", "work"))
            os.makedirs(upper)
            os.makedirs(work)
            layers.append(f"mount -t overlay overlay -o lowerdir={path},upperdir={upper},workdir={work} {path}")
        ready = os.path.join(self.root, "ready")
        script = " && ".join(
            ["mount --make-rprivate /", *layers, "mkdir -p /etc/kubernetes/manifests", f"touch {ready}", "exec sleep infinity"]
        )
        self.holder = host.start("mounts", "unshare", "--mount", "sh", "-c", script)
        host.lab.wait_for(lambda: os.path.exists(ready), 10, f"the mounts of {host.name}")

    def run(self, *arguments, check=True, timeout=60):
        """podman on this host."""
        where = ["nsenter", f"--net={namespaces.path(self.host.namespace)}", f"--mount=/proc/{self.pid}/ns/mnt", "--"]
        done = subprocess.run(
            [*where, *self.podman.command(*arguments)], env=self.podman.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"podman {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    @property
    def pid(self):
        return self.holder.pid

    def file(self, path):
        """The host's own file behind a path under /etc or /var/lib."""
        for top in ("/etc", "/var/lib"):
            if path.startswith(top + "/"):
                return os.path.join(self.root, "upper" + top.replace("/", "-"), path[len(top) + 1 :])
        raise ValueError(path)

    def play(self, manifest):
        """The manifest's text as it stands, but for what podman 4.3 can't resolve: the two fields of the downward API get
        their values, as the kubelet gives them. The file that was played."""
        fields = {"spec.nodeName": self.host.name, "status.hostIP": self.host.address}
        pod = yaml.safe_load(manifest)
        for container in pod["spec"]["containers"]:
            container["env"] = [{"name": each["name"], "value": fields[each["valueFrom"]["fieldRef"]["fieldPath"]]} for each in container["env"]]
        file = os.path.join(self.host.directory, "pod.yaml")
        with open(file, "w") as output:
            yaml.safe_dump(pod, output, sort_keys=False)
        self.run("play", "kube", "--replace", file)
        return file

    def down(self, file):
        self.run("play", "kube", "--down", file, timeout=60)

    def close(self, file=None):
        if file:
            with contextlib.suppress(Exception):
                self.down(file)
