"""A cluster's life as kubeadm runs it, with real API servers: from the first host without anything to rolling upgrades.

The agents are configured alike on every host, as one manifest configures them; certificates, kubeconfigs and the API servers'
manifests are kubeadm's own work. What clients saw is printed phase by phase (pytest -s).

With KUBE_APISERVER=FILE the same happens with that API server; before 1.29 openssl makes what kubeadm made then, and admin.conf
has all rights from the beginning.
"""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from lab import PATIENCE, ControlPlane, Lab, binary, find_apiserver
from lab.kubeadm import flags, kubeadm_for

VIP = "10.10.1.108"

pytestmark = pytest.mark.skipif(find_apiserver() is None, reason="no kube-apiserver here; tests/setup.sh apiserver builds one")


class Site:
    """Three hosts with an /etc/kubernetes of their own each, in which nothing is yet but the CA; what else kubeadm makes lies ready."""

    def __init__(self, lab):
        self.lab = lab
        self.hosts = lab.masters()
        self.plane = ControlPlane(lab, VIP)
        self.kubeadm = kubeadm_for(self.plane)
        for host in self.hosts:
            if host is self.hosts[0]:
                self.kubeadm.init(host, self.made(host))
            else:
                self.kubeadm.join(host, self.made(host), of=self.hosts[0])
            os.makedirs(os.path.join(self.directory(host), "pki"))
            shutil.copy(os.path.join(self.made(host), "pki/ca.crt"), os.path.join(self.directory(host), "pki/ca.crt"))

    @staticmethod
    def directory(host):
        """The agent's /etc/kubernetes."""
        return os.path.join(host.directory, "kubernetes")

    @staticmethod
    def made(host, name=""):
        """By kubeadm, and not there for the agent yet."""
        return os.path.join(host.directory, "made", name)

    def start_agent(self, host):
        directory = self.directory(host)
        return host.start_agent({
            "vip": {"addresses": [VIP]},
            "loadBalancer": {"healthCheck": {"caFile": os.path.join(directory, "pki/ca.crt")}},
            "backends": {"kubernetes": {
                "kubeconfig": [os.path.join(directory, name) for name in ("fairlead.conf", "admin.conf", "super-admin.conf")],
                "apiServerManifest": os.path.join(directory, "manifests/kube-apiserver.yaml"),
            }},
        })  # fmt: skip

    def start_server(self, host):
        """kubeadm writes the manifest, the kubelet starts it."""
        manifest = self.kubeadm.manifest(host)
        os.makedirs(os.path.join(self.directory(host), "manifests"), exist_ok=True)
        with open(os.path.join(self.directory(host), "manifests/kube-apiserver.yaml"), "w") as file:
            file.write(manifest)
        return self.plane.start_server(host, flags=flags(manifest))

    def put(self, host, made, name):
        """A kubeconfig in the host's directory, put there as a whole."""
        target = os.path.join(self.directory(host), name)
        shutil.copy(made, target + ".new")
        os.rename(target + ".new", target)

    def wait(self, condition, timeout, what):
        return self.lab.wait_for(condition, timeout, what)

    def kubernetes(self, host):
        return host.agent.status()["kubernetes"]

    def watches_with(self, host, name):
        state = self.kubernetes(host)
        return state["watchUp"] and os.path.basename(state["kubeconfig"]) == name

    def up_everywhere(self, hosts, *numbers):
        expected = [f"10.10.1.{number}:6443" for number in numbers]
        return all(host.agent.up() == expected and sorted(host.agent.backends()) == expected for host in hosts)


def stop_as_the_kubelet_does(server, grace=5):
    """SIGTERM, and SIGKILL after a while: an API server waits up to a minute for its clients' watches. The kubelet's grace is 30 s."""
    server.signal(signal.SIGTERM)
    try:
        server.popen.wait(grace)
    except subprocess.TimeoutExpired:
        server.kill()


class Ledger:
    """What a client of the VIP saw, phase by phase."""

    def __init__(self, client):
        self.client = client
        self.rows = []
        self.begun = None

    def phase(self, name):
        self.close()
        self.begun = (name, time.monotonic())

    def close(self):
        if self.begun:
            name, since = self.begun
            until = time.monotonic()
            failed = dict(self.client.failures(since, until))
            self.rows.append((name, self.client.successes(since, until), failed, self.client.longest_outage(since, until)))
            self.begun = None

    def failed(self):
        return {name: failed for name, _, failed, _ in self.rows if failed}

    def print(self):
        self.close()
        for name, good, failed, outage in self.rows:
            print(f"{name:<44} {good:6d} answered, failed: {sum(failed.values())} {failed or ''}, longest gap {outage * 1000:.0f} ms")


def test_from_the_first_host_to_a_rolling_upgrade():
    with Lab() as lab:
        site = Site(lab)
        first, second, third = site.hosts
        authority, plane = lab.authority, site.plane

        # --- kubeadm init: nothing is there
        site.start_agent(first)
        site.wait(lambda: first.holds(VIP), 10, "the VIP before anything else")
        status = first.agent.status()
        assert status["balancer"]["backendSource"] == "host"
        assert list(first.agent.backends()) == ["10.10.1.83:6443"], "its own API server, which is yet to come"
        site.wait(lambda: "fairlead.conf: No such file" in site.kubernetes(first)["lastError"], 10, "the reason why there is no watch")

        with lab.observe() as seen:
            # --- the API server starts; kubeadm waits for it through the VIP, before any identity works
            plane.start_etcd()
            site.start_server(first)
            site.wait(lambda: lab.client_host.https_get(VIP, 16443, "/readyz", ca=authority.certificate)[0] == 200, 20, "the API through the VIP")

            with lab.client(VIP, path="/version", period=0.02, ca=authority.certificate) as client:
                ledger = Ledger(client)
                # --- admin.conf is there and, from 1.29 on, may do nothing yet
                if plane.minor >= 29:
                    ledger.phase("admin.conf without rights")
                    site.put(first, site.made(first, "admin.conf"), "admin.conf")
                    site.wait(lambda: "kubeadm:cluster-admins" in site.kubernetes(first)["lastError"], 10, "the missing permission to be named")
                    assert "403" in site.kubernetes(first)["lastError"]
                    ledger.phase("rights granted")
                    plane.bind_admins(site.made(first, "super-admin.conf"))
                else:
                    ledger.phase("admin.conf with all rights")
                    site.put(first, site.made(first, "admin.conf"), "admin.conf")
                plane.add_node(first)
                site.wait(lambda: site.watches_with(first, "admin.conf"), 15, "the watch with admin.conf")
                site.wait(lambda: first.agent.status()["balancer"]["backendSource"] == "kubernetes", 5, "the Nodes as backends")
                site.wait(
                    lambda: "VIPAcquired" in plane.kubectl("get", "events", "-o", "jsonpath={.items[*].reason}"), 15, "the Event about the VIP"
                )
                events = json.loads(plane.kubectl("get", "events", "-o", "json"))["items"]
                mine = next(each for each in events if each["reason"] == "VIPAcquired")
                assert mine["involvedObject"]["name"] == "master1" and VIP in mine["message"]

                # --- its own identity
                ledger.phase("own identity")
                plane.kubectl("apply", "-f", "-", input=first.run(binary(), "manifest", "rbac"))
                site.put(first, site.kubeadm.user_conf(first, "fairlead"), "fairlead.conf")
                site.wait(lambda: site.watches_with(first, "fairlead.conf"), 10, "the watch with its own identity")

                ledger.phase("certificate renewed")
                relists = first.agent.text().count("trying the kubeconfigs in order again")
                site.put(first, site.kubeadm.user_conf(first, "fairlead"), "fairlead.conf")
                site.wait(
                    lambda: first.agent.text().count("trying the kubeconfigs in order again") > relists
                    and site.watches_with(first, "fairlead.conf"), 10, "the renewed certificate to be used",
                )  # fmt: skip

                # Its balancer has long had its API server; with a check that has just failed a host that joins would be better.
                site.wait(lambda: first.agent.metrics("vrrp_priority") == 111, 10, "the balancer's check to succeed again")

                # --- kubeadm join --control-plane, twice; the manifest is there before anything else of the host
                for number, host in ((84, second), (85, third)):
                    ledger.phase(f"{host.name} joins")
                    site.start_agent(host)
                    site.wait(lambda: host.agent.state == "BACKUP", 10, f"{host.name} to be a backup")
                    site.put(host, site.kubeadm.user_conf(host, "fairlead"), "fairlead.conf")
                    site.wait(lambda: site.watches_with(host, "fairlead.conf"), 15, "the watch through another host's API server")
                    site.start_server(host)
                    plane.add_node(host)
                    numbers = range(83, number + 1)
                    joined = [each for each in site.hosts if each.agents]
                    site.wait(lambda: site.up_everywhere(joined, *numbers), 20, f"{len(numbers)} backends on each host")

                # --- the API servers are upgraded one by one: down, and up again a moment later
                ledger.phase("API servers restarted one by one")
                down = []  # (from the signal on, until the health checks have seen it)
                for host in site.hosts:
                    told = time.monotonic()
                    stop_as_the_kubelet_does(plane.server(host))
                    site.wait(lambda: all(f"{host.address}:6443" not in each.agent.up() for each in site.hosts), 10, "it to be known as down")
                    down.append((told, time.monotonic()))
                    site.start_server(host)
                    site.wait(lambda: site.up_everywhere(site.hosts, 83, 84, 85), 30, "it to be up again")

                # --- kubectl delete node, kubeadm reset
                ledger.phase("master2 removed")
                second.agent.stop()
                plane.delete_node("master2")
                site.wait(lambda: site.up_everywhere([first, third], 83, 85), 10, "two backends")
                stop_as_the_kubelet_does(plane.server(second))

                # --- the holder itself goes, as planned
                ledger.close()
                ledger.print()
                assert {holders for _, _, holders in seen.spans()} == {frozenset(["master1"])}, f"the VIP moved\n{seen.describe()}"
                failed = ledger.failed()
                # Its delay of a stopping API server is 0 s with kubeadm: what it accepts in its last moment, it may cut, or
                # answer with 503 ("apiserver is shutting down").
                cut = failed.pop("API servers restarted one by one", {})
                assert failed == {}, "requests failed"
                answered = [each for each in client.requests() if each.outcome.startswith("HTTP")]
                unready = [each for each in answered if not any(since <= each.end and each.start <= until for since, until in down)]
                assert unready == [], "a server that wasn't ready was asked"
                assert sum(cut.values()) <= 2 * len(site.hosts), f"requests failed: {cut}"

            moved = time.monotonic()
            with lab.client(VIP, path="/version", period=0.02, ca=authority.certificate) as client:
                site.wait(lambda: client.successes(), 10, "answers")
                first.agent.stop()
                site.wait(lambda: third.holds(VIP), 10, "the VIP on master3")
                after = time.monotonic()
                site.wait(lambda: client.successes(since=after) > 20, 10, "answers from there")
                print(f"handed over: longest gap {client.longest_outage(since=moved) * 1000:.0f} ms, failed {dict(client.failures(since=moved))}")
                assert client.longest_outage(since=moved) < 2 * PATIENCE
            reasons = plane.kubectl("get", "events", "-o", "jsonpath={range .items[*]}{.involvedObject.name}={.reason} {end}").split()
            site.wait(
                lambda: {"master1=VIPReleased", "master3=VIPAcquired"}
                <= set(plane.kubectl("get", "events", "-o", "jsonpath={range .items[*]}{.involvedObject.name}={.reason} {end}").split()),
                10, f"the Events about the move (there were {reasons})",
            )  # fmt: skip


@pytest.fixture(scope="module")
def cluster():
    """One host with an API server, an agent that watches with its own identity, and admin.conf beside it."""
    with Lab() as lab:
        site = Site(lab)
        host = site.hosts[0]
        site.plane.start_etcd()
        site.start_server(host)
        site.plane.bind_admins()
        site.plane.add_node(host)
        site.plane.kubectl("apply", "-f", "-", input=host.run(binary(), "manifest", "rbac"))
        site.start_agent(host)
        site.wait(lambda: host.holds(VIP), 10, "the VIP")
        yield site


def serves(site):
    host = site.hosts[0]
    return host.holds(VIP) and site.lab.client_host.https_get(VIP, 16443, "/readyz", ca=site.lab.authority.certificate)[0] == 200


def only(site, **files):
    """These kubeconfigs and no others are there."""
    for name in ("fairlead.conf", "admin.conf"):
        made = files.get(name.removesuffix(".conf"))
        if made:
            site.put(site.hosts[0], made, name)
        elif os.path.exists(os.path.join(site.directory(site.hosts[0]), name)):
            os.remove(os.path.join(site.directory(site.hosts[0]), name))


def test_an_expired_certificate_is_named_and_the_next_identity_used(cluster):
    host, authority = cluster.hosts[0], cluster.lab.authority
    authority.sign("expired", "/CN=fairlead", "extendedKeyUsage=clientAuth\n", days=0)
    expired = authority.kubeconfig("expired", "/CN=fairlead", cluster.plane.endpoint)
    only(cluster, fairlead=expired)
    cluster.wait(lambda: "its client certificate expired on" in cluster.kubernetes(host)["lastError"], 15, "the reason")
    assert "fairlead.conf: 401" in cluster.kubernetes(host)["lastError"]
    assert serves(cluster)
    only(cluster, fairlead=expired, admin=cluster.made(host, "admin.conf"))
    cluster.wait(lambda: cluster.watches_with(host, "admin.conf"), 15, "the watch with the next identity")
    assert cluster.kubernetes(host)["lastError"] == ""


def test_a_certificate_from_the_future_is_named_as_a_wrong_clock(cluster):
    host, authority = cluster.hosts[0], cluster.lab.authority
    authority.sign_from("future", "/CN=fairlead", "20990101000000Z", "21000101000000Z")
    only(cluster, fairlead=authority.kubeconfig("future", "/CN=fairlead", cluster.plane.endpoint))
    cluster.wait(lambda: "is not valid before Jan  1 00:00:00 2099" in cluster.kubernetes(host)["lastError"], 15, "the reason")
    assert serves(cluster)


def test_a_rotated_authority_is_named_and_the_rest_goes_on(cluster):
    from lab.certificates import Authority

    host = cluster.hosts[0]
    other = Authority(os.path.join(cluster.lab.directory, "other-pki"))
    only(cluster, fairlead=other.kubeconfig("fairlead", "/CN=fairlead", cluster.plane.endpoint))
    cluster.wait(lambda: "certificate-authority has not signed it" in cluster.kubernetes(host)["lastError"], 15, "the reason")
    assert serves(cluster)
    only(cluster, fairlead=cluster.kubeadm.user_conf(host, "fairlead"))
    cluster.wait(lambda: cluster.watches_with(host, "fairlead.conf"), 15, "the watch again")


def test_the_kubelets_identity_is_recognised(cluster):
    host = cluster.hosts[0]
    only(cluster, fairlead=cluster.made(host, "kubelet.conf"))
    if cluster.plane.minor >= 32:
        named = "a kubelet may read its own Node alone since Kubernetes 1.32"
        cluster.wait(lambda: named in cluster.kubernetes(host)["lastError"], 15, "the reason")
    else:
        cluster.wait(lambda: cluster.watches_with(host, "fairlead.conf"), 15, "the watch, which a kubelet may have before 1.32")
    assert serves(cluster)


def test_a_credential_plugin_is_a_clear_error(cluster):
    host = cluster.hosts[0]
    made = os.path.join(cluster.lab.directory, "exec.conf")
    with open(cluster.kubeadm.user_conf(host, "fairlead")) as file:
        text = file.read()
    with open(made, "w") as file:
        file.write(text[: text.index("    client-certificate-data")] + "    exec: {command: aws, apiVersion: client.authentication.k8s.io/v1}\n")
    only(cluster, fairlead=made)
    cluster.wait(lambda: "exec credential plugins are not supported" in cluster.kubernetes(host)["lastError"], 15, "the reason")
    assert serves(cluster)
