"""The lab itself: what the system tests stand on."""

import os
import signal
import subprocess
import sys

import pytest

from lab import ControlPlane, Lab, find_apiserver, namespaces
from lab.wire import Capture

VIP = "10.10.1.108"


def test_hosts_reach_each_other_unless_the_link_is_cut():
    with Lab() as lab:
        one, two, _ = lab.masters()
        two.backend(tls=False)
        assert one.http_get(two.address, 6443, "/")[1] == "master2"
        two.cut_link()
        assert not one.run("ping", "-c", "1", "-W", "1", two.address, check=False).count("1 received")
        two.heal_link()
        lab.wait_for(lambda: one.http_get(two.address, 6443, "/")[1] == "master2", 5, "the healed link")


def test_the_observer_sees_every_change_of_an_address():
    with Lab() as lab:
        one, two, _ = lab.masters()
        with lab.observe(VIP) as seen:
            one.add_address(f"{VIP}/32")
            two.add_address(f"{VIP}/32")
            one.remove_address(VIP)
            lab.wait_for(lambda: lab.holders() == ["master2"] and len(seen.timeline) == 4, 5)
        assert [sorted(holders) for _, holders in seen.timeline] == [[], ["master1"], ["master1", "master2"], ["master2"]]
        assert seen.longest_with_several() > 0


def test_the_classic_pair_serves_a_client_through_the_vip():
    with Lab() as lab:
        hosts = lab.masters(2)
        servers = {host.name: f"{host.address}:6443" for host in hosts}
        for host in hosts:
            host.backend()
            host.haproxy(servers, tls_check=False)
        with Capture(hosts[1]) as capture:
            for number, host in enumerate(hosts):
                host.keepalived(VIP, priority=100 + number)
            # The first may hold it for a moment, until it hears the second, which is better.
            lab.wait_for(lambda: lab.holders(VIP) == ["master2"], 15, "the better one holds the VIP")
            lab.wait_for(lambda: len(capture.advertisements()) >= 2, 5, "advertisements")
        assert capture.gratuitous_arps(VIP)
        with lab.client(ca=lab.authority.certificate) as client:
            lab.wait_for(lambda: client.successes() >= 50, 10, "answers")
            assert not client.failures()
            assert set(client.bodies()) == {"master1", "master2"}
        assert lab.holders(VIP) == ["master2"]


def test_a_killed_run_leaves_nothing_behind_after_the_next_one():
    program = "from lab import Lab\nimport time\nlab = Lab()\nhost = lab.host('left', '10.10.1.83')\nhost.start('sleep', 'sleep', '600')\nprint('ready', flush=True)\ntime.sleep(600)\n"
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}
    for number in (signal.SIGTERM, signal.SIGKILL):
        run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
        assert run.stdout.readline() == "ready\n"
        assert any(f"fl{run.pid}." in name for name in os.listdir(namespaces.DIRECTORY))
        run.send_signal(number)
        run.wait(20)
        run.stdout.close()
        if number == signal.SIGKILL:
            namespaces.sweep()
        assert not any(f"fl{run.pid}." in name for name in os.listdir(namespaces.DIRECTORY))


def test_a_real_control_plane_serves_kubectl_directly_and_through_haproxy():
    if not find_apiserver():
        pytest.skip("no kube-apiserver here; tests/setup.sh apiserver builds one")
    with Lab() as lab:
        hosts = lab.masters(2)
        plane = ControlPlane(lab, VIP)
        plane.start(*hosts)
        for host in hosts:
            plane.add_node(host)
        plane.set_address("master2", "10.10.1.184")
        plane.label("master1", control_plane=False)
        addresses = plane.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.addresses[0].address}")
        assert addresses.split() == ["10.10.1.83", "10.10.1.184"]
        hosts[0].haproxy({host.name: f"{host.address}:6443" for host in hosts})
        hosts[0].add_address(f"{VIP}/32")
        names = plane.kubectl("get", "nodes", "-o", "name", host=lab.client_host, server=plane.endpoint, kubeconfig=plane.admin_conf())
        assert names.split() == ["node/master1", "node/master2"]
        plane.delete_node("master2")
        assert plane.kubectl("get", "nodes", "-o", "name").split() == ["node/master1"]
