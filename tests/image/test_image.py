"""The image of the Dockerfile, and the printed manifest run by podman with exactly what it grants."""

import gzip
import json
import os
import shutil
import time

import pytest
from lab import PATIENCE, Lab, binary
from lab.namespaces import run as run_command
from lab.podman import Kubelet, Podman

VIP = "10.10.1.108"
GOAL = 15 << 20  # bytes, compressed
NET_ADMIN, NET_RAW, IPC_LOCK, SYS_NICE = 12, 13, 14, 23  # capabilities(7)

pytestmark = pytest.mark.skipif(shutil.which("podman") is None, reason="no podman here; tests/setup.sh image installs it")


@pytest.fixture(scope="module")
def podman():
    made = Podman()
    yield made
    made.close()


@pytest.fixture(scope="module")
def manifest():
    return run_command(binary(), "manifest", "pod", "--vip", VIP)


@pytest.fixture(scope="module")
def image(podman, manifest):
    """The image that the manifest names, built by `podman build` of the Dockerfile."""
    tag = next(line.split('"')[1] for line in manifest.splitlines() if line.strip().startswith("image:"))
    if not os.environ.get("FAIRLEAD_IMAGE"):
        podman.build(tag)
    else:
        podman.run("tag", os.environ["FAIRLEAD_IMAGE"], tag)
    return tag


def test_the_image_is_small_and_says_what_it_is(podman, image, tmp_path):
    archive = tmp_path / "image.tar"
    podman.run("save", "--format", "docker-archive", "-o", archive, image)
    compressed = len(gzip.compress(archive.read_bytes(), 6))
    print(f"{archive.stat().st_size / 2**20:.1f} MiB, compressed {compressed / 2**20:.1f} MiB")
    assert compressed <= GOAL
    labels = json.loads(podman.run("image", "inspect", image)[1])[0]["Labels"]
    version = run_command(binary(), "version", "-o", "json")
    assert labels["org.opencontainers.image.version"] == json.loads(version)["version"]


@pytest.mark.skipif(bool(os.environ.get("FAIRLEAD_IMAGE")), reason="an image that this test hasn't built may be of other sources")
def test_the_same_sources_give_the_same_bytes_again(podman, image):
    """docs/image.md: one more build, of every layer and every object file, with the flag named there."""

    def identity(name):
        inspected = json.loads(podman.run("image", "inspect", name)[1])[0]
        return inspected["Id"], inspected["Digest"], inspected["RootFS"]["Layers"]

    with podman.built_afresh("localhost/fairlead:again") as again:
        first, second = identity(image), identity(again)
        if first != second:
            ours, theirs = podman.files(image), podman.files(again)
            pytest.fail(f"{first} and {second} differ in {sorted(path for path in {*ours, *theirs} if ours.get(path) != theirs.get(path))}")


def test_nothing_but_the_agent_can_be_run(podman, image):
    """And it needs nothing to be writable, no capability and no network to tell its version."""
    confined = ["run", "--rm", "--read-only", "--cap-drop=all", "--network=none", "--security-opt=no-new-privileges"]
    assert podman.run(*confined, image, "version")[1].startswith("fairlead ")
    assert podman.run(*confined, "--user", "65534", image, "version")[1].startswith("fairlead ")
    for program in ("/bin/sh", "sh", "/bin/ls", "/usr/bin/env"):
        code, said = podman.run(*confined, "--entrypoint", program, image, check=False)
        assert code == 127, said


def test_no_file_in_it_can_be_written(podman, image, tmp_path):
    archive = tmp_path / "root.tar"
    container = podman.run("create", image)[1].split()[-1]
    try:
        podman.run("export", "-o", archive, container)
    finally:
        podman.run("rm", container)
    listed = run_command("tar", "-tvf", archive).splitlines()
    # What the runtime itself puts there at run time is its own.
    own = [line for line in listed if line.split()[-1].startswith(("usr/", "lib", "etc/nsswitch", "etc/passwd"))]
    assert any(line.endswith("usr/local/bin/fairlead") for line in own)
    assert [line for line in own if "w" in line.split()[0]] == []


class Site:
    """A host that runs the printed pod, beside an agent on another one, and an API server's stand-in."""

    def __init__(self, lab, podman, manifest):
        self.lab = lab
        self.podman = podman
        self.host = lab.host("master1", "10.10.1.83")
        self.other = lab.host("master2", "10.10.1.84")
        self.kubelet = Kubelet(podman, self.host)
        os.makedirs(self.kubelet.file("/etc/kubernetes/pki"))
        shutil.copy(lab.authority.certificate, self.kubelet.file("/etc/kubernetes/pki/ca.crt"))
        self.host.backend()
        self.pod = self.kubelet.play(manifest)

    def inspect(self, what):
        return self.kubelet.run("inspect", "fairlead-fairlead", "--format", what).strip()

    def log(self):
        return self.kubelet.run("logs", "fairlead-fairlead")


@pytest.fixture
def site(image, podman, manifest):
    with Lab() as lab:
        site = Site(lab, podman, manifest)
        try:
            lab.wait_for(lambda: site.host.holds(VIP), 15, "the VIP")
            yield site
        finally:
            site.kubelet.run("play", "kube", "--down", site.pod, check=False)


def test_the_printed_pod_holds_the_vip_and_balances(site):
    lab = site.lab
    ask = lambda: lab.client_host.https_get(VIP, 16443, "/name", ca=lab.authority.certificate)  # noqa: E731
    lab.wait_for(lambda: ask() == (200, "master1"), 10, "an answer through the VIP")

    # Exactly what the manifest grants, of which the guardian, pid 1, gives up what it doesn't need.
    granted_names = sorted(site.inspect("{{.EffectiveCaps}}").strip("[]").split())
    assert granted_names == ["CAP_IPC_LOCK", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_NICE"]
    with open(f"/proc/{site.inspect('{{.State.Pid}}')}/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    granted = sum(1 << number for number in (NET_ADMIN, NET_RAW, IPC_LOCK, SYS_NICE))
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[kind], 16) & ~granted == 0, kind
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert site.inspect("{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}}") == f"true {256 << 20}"

    # The probes' addresses answer.
    assert site.host.http_get("127.0.0.1", 16444, "/healthz")[0] == 200
    lab.wait_for(lambda: site.host.http_get("127.0.0.1", 16444, "/readyz")[0] == 200, 5, "readiness")

    # Its commands work in the pod, as `kubectl exec` runs them.
    said = site.kubelet.run("exec", "fairlead-fairlead", "fairlead", "status")
    assert "MASTER" in said and "10.10.1.83:6443" in said
    assert "became MASTER" in site.kubelet.run("exec", "fairlead-fairlead", "fairlead", "explain")
    # The state directory was made, and kept the history.
    assert os.path.exists(site.kubelet.file("/var/lib/fairlead/history.json"))


def test_its_log_tells_the_story_and_its_stop_removes_the_vip(site):
    lab = site.lab
    lab.wait_for(lambda: "backend up" in site.log(), 10, "the backend in the log")
    other = site.other.start_agent({"vip": {"addresses": [VIP]}, "loadBalancer": {"healthCheck": {"type": "tcp"}}, "backends": {"static": ["10.10.1.83:6443"]}})
    lab.wait_for(lambda: other.state == "BACKUP", 10, "the other host to be a backup")
    began = time.monotonic()
    site.kubelet.run("pod", "stop", "fairlead")
    lab.wait_for(lambda: lab.holders(VIP) == ["master2"], 10, "the VIP on the other host alone")
    assert "handed" in other.status()["router"]["cause"] or time.monotonic() - began < 5 * PATIENCE
    log = site.log()
    for line in ("derived from the host", "started version=", "became MASTER", "backend up", "became INIT", "cause=stopping", "stopped signal=SIGTERM"):
        assert line in log, f"{line}\n{log}"
    assert site.inspect("{{.State.ExitCode}}") == "0"


def test_a_killed_container_leaves_no_vip_behind(site):
    site.kubelet.run("kill", "--signal", "KILL", "fairlead-fairlead")
    site.lab.wait_for(lambda: not site.host.holds(VIP), 15, "the kernel to remove the VIP")
