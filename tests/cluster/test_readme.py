"""The README's way from a bare host to a working VIP, its commands as they stand, timed (pytest -s prints the table).

Real are fairlead, kubectl, etcd and the API server. The kubelet and kubeadm are played: the one runs what the pod in
/etc/kubernetes/manifests says, without a container; the other does what kubeadm does as far as others see it."""

import os
import re
import shutil
import subprocess
import threading
import time

import pytest
import yaml
from lab import PATIENCE, ControlPlane, Lab, binary, find_apiserver
from lab.agent import ROOT

VIP = "10.10.1.108"

pytestmark = pytest.mark.skipif(find_apiserver() is None, reason="no kube-apiserver here; tests/setup.sh apiserver builds one")

KUBEADM = """#!/bin/bash
echo "$*" > {directory}/asked
exec bash {directory}/answer
"""


def steps():
    """[(the step's title, its commands)] of the README's section on kubeadm."""
    with open(os.path.join(ROOT, "README.md")) as file:
        section = file.read().split("## Install it on kubeadm")[1].split("\n## ")[0]
    found = []
    for step in re.split(r"\n(?=\d\. )", section)[1:]:
        title = re.search(r"\*\*(.+?)\*\*", step, re.DOTALL).group(1).replace("\n", " ").rstrip(",.")
        block = re.search(r"```sh\n(.*?)```", step, re.DOTALL)
        found.append((" ".join(title.split()), [line.strip() for line in block.group(1).splitlines() if line.strip()] if block else []))
    return found


class Machine:
    """A host with an /etc/kubernetes, a /var/lib/fairlead and programs of its own, and one shell that somebody types into."""

    def __init__(self, host):
        self.host = host
        self.kubernetes = os.path.join(host.directory, "kubernetes")
        self.programs = os.path.join(host.directory, "bin")
        self.exchange = os.path.join(host.directory, "kubeadm")
        state = os.path.join(host.directory, "state")
        # As the kubelet's package leaves it.
        for directory in (os.path.join(self.kubernetes, "manifests"), self.programs, self.exchange, state):
            os.makedirs(directory)
        os.symlink(binary(), os.path.join(self.programs, "fairlead"))
        os.symlink(shutil.which("kubectl"), os.path.join(self.programs, "kubectl"))
        for pipe in ("asked", "answer"):
            os.mkfifo(os.path.join(self.exchange, pipe))
        with open(os.path.join(self.programs, "kubeadm"), "w") as file:
            file.write(KUBEADM.format(directory=self.exchange))
        os.chmod(os.path.join(self.programs, "kubeadm"), 0o755)
        mounts = " && ".join(
            f"mkdir -p {target} && mount --bind {source} {target}" for source, target in ((self.kubernetes, "/etc/kubernetes"), (state, "/var/lib/fairlead"))
        )
        self.holder = host.start("mounts", "unshare", "--mount", "--propagation", "private", "bash", "-c", f"{mounts} && echo ready && exec sleep 3600")
        host.lab.wait_for(lambda: "ready" in self.holder.text(), 10, "the host's own directories")
        environment = {"PATH": f"{self.programs}:{os.environ['PATH']}", "HOME": host.directory, "TERM": "dumb"}
        self.shell = subprocess.Popen(
            ["nsenter", f"--net=/var/run/netns/{host.namespace}", *self.inside(), "bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=host.directory,
        )  # fmt: skip

    def inside(self):
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]

    def type(self, command):
        """(exit code, output, seconds)"""
        began = time.monotonic()
        self.shell.stdin.write(f"{command}\nended=$?; echo; echo \"end: $ended\"\n")
        self.shell.stdin.flush()
        output = []
        for line in self.shell.stdout:
            if match := re.match(r"end: (\d+)$", line):
                return int(match.group(1)), "".join(output), time.monotonic() - began
            output.append(line)
        raise AssertionError(f"the shell ended at {command}: {''.join(output)}")

    def close(self):
        self.shell.stdin.close()
        self.shell.stdout.close()
        self.shell.wait(10)


class Played(threading.Thread):
    """The kubelet and kubeadm of one machine, until stop()."""

    def __init__(self, machine, plane):
        super().__init__(daemon=True)
        self.machine, self.plane = machine, plane
        self.ends = threading.Event()
        self.failure = None
        self.pod = None

    def run(self):
        try:
            asked = os.open(os.path.join(self.machine.exchange, "asked"), os.O_RDONLY | os.O_NONBLOCK)
            while not self.ends.wait(0.02):
                self.kubelet()
                if line := os.read(asked, 4096).decode().strip():
                    answer = self.kubeadm(line.split())
                    with open(os.path.join(self.machine.exchange, "answer"), "w") as file:
                        file.write(answer)
            os.close(asked)
        except Exception as error:  # told by the test's own thread
            self.failure = error
            with open(os.path.join(self.machine.exchange, "answer"), "w") as file:
                file.write("exit 1")

    def stop(self):
        self.ends.set()
        self.join(30)
        if self.failure:
            raise self.failure

    def kubelet(self):
        file = os.path.join(self.machine.kubernetes, "manifests/fairlead.yaml")
        if self.pod or not os.path.exists(file):
            return
        with open(file) as manifest:
            pod = yaml.safe_load(manifest)
        if not pod:
            return  # it is being written
        host = self.machine.host
        values = {"spec.nodeName": host.name, "status.hostIP": host.address}
        container = pod["spec"]["containers"][0]
        environment = {each["name"]: values[each["valueFrom"]["fieldRef"]["fieldPath"]] for each in container["env"]}
        self.pod = host.start("pod", *self.machine.inside(), binary(), *container["args"], environment=environment)

    def kubeadm(self, arguments):
        """The script that is its answer."""
        host, plane = self.machine.host, self.plane
        if arguments[:2] == ["kubeconfig", "user"]:
            return f"cat {plane.user_conf(arguments[arguments.index('--client-name') + 1], self.machine.exchange)}"
        assert arguments[0] == "init" and arguments[arguments.index("--control-plane-endpoint") + 1] == f"{VIP}:16443", arguments
        os.makedirs(os.path.join(self.machine.kubernetes, "pki"))
        shutil.copy(plane.authority.certificate, os.path.join(self.machine.kubernetes, "pki/ca.crt"))
        plane.start(host)
        # As it does before Kubernetes 1.33: it waits for the API server through the endpoint.
        host.lab.wait_for(lambda: host.https_get(VIP, 16443, "/readyz")[0] == 200, 60, "the API through the VIP")
        shutil.copy(plane.admin_conf(), os.path.join(self.machine.kubernetes, "admin.conf"))
        plane.add_node(host)
        return "echo 'Your Kubernetes control-plane has initialized successfully!'"


def test_the_readmes_commands_lead_from_a_bare_host_to_a_working_vip():
    way = steps()
    assert len(way) == 5 and sum(len(commands) for _, commands in way) >= 8, way
    rows = []
    with Lab(vips=[VIP]) as lab:
        host = lab.host("master1", "10.10.1.83")
        machine = Machine(host)
        played = Played(machine, ControlPlane(lab, VIP))
        played.start()
        try:
            for number, (title, commands) in enumerate(way, 1):
                began = time.monotonic()
                for command in commands:
                    code, output, took = machine.type(command)
                    assert code == 0, f"{command}: exit {code}\n{output}\n{played.failure or ''}"
                    rows.append((number, command.split("  #")[0].rstrip(), took))
                if number == 1:
                    lab.wait_for(lambda: lab.holders(VIP) == ["master1"], 15, "the VIP, before there is any API server")
                    rows.append((number, "(the VIP is up)", time.monotonic() - began - sum(took for step, _, took in rows if step == 1)))
                if "fairlead.conf" in "".join(commands):
                    began = time.monotonic()
                    lab.wait_for(lambda: "/etc/kubernetes/fairlead.conf" in machine.type("fairlead status -o json")[1], 30 * PATIENCE, "the identity of its own to be in use")
                    rows.append((number, "(its own identity is in use)", time.monotonic() - began))
            code, output, _ = machine.type("fairlead explain")
            assert code == 0 and "became MASTER" in output, output
            code, output, _ = machine.type(f"kubectl --server=https://{VIP}:16443 get nodes")
            assert code == 0 and "master1" in output, output
            assert played.pod.stop() == 0, played.pod.tail()
            assert lab.holders(VIP) == []
        finally:
            machine.close()
            played.stop()
    print(f"\n{len(way)} steps, {sum(len(commands) for _, commands in way)} commands, {sum(took for *_, took in rows):.1f} s on the first host; the image is there, and nobody reads or types")
    for number, command, took in rows:
        print(f"  {number}. {took:6.2f} s  {command}")
