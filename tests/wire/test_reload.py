"""A running agent whose configuration changes: what can be applied is, without a gap; what is wrong changes nothing; what
needs a restart is named. docs/configuration.md says which key is which."""

import os
import signal

import pytest
import yaml
from lab import Lab
from lab.agent import defaults, merged
from lab.waiting import PATIENCE
from lab.wire import Capture

VIP, OTHER, THIRD = "10.10.1.108", "10.10.1.109", "10.10.1.110"
KEYS = [bytes(range(start, start + 32)).hex() for start in (1, 101)]
QUIET = {"vip": {"addresses": [VIP]}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]}}


def text(host, *layers):
    return yaml.safe_dump(merged(defaults(host), QUIET, *layers), sort_keys=False)


def log(agent):
    with open(agent.log) as file:
        return file.read()


def applied(agent, key):
    return f"configuration applied key={key} " in log(agent)


@pytest.fixture
def pair():
    """master1 holds the VIP."""
    with Lab(vips=[VIP, OTHER, THIRD]) as lab:
        hosts = lab.masters(2)
        for host, priority in zip(hosts, (102, 100)):
            host.start_agent(text(host, {"vrrp": {"priority": priority, "advertInterval": "200ms"}}))
        lab.wait_for(lambda: lab.holders(VIP) == ["master1"], 15, "master1 to hold the VIP")
        yield lab, hosts


def own(capture, host):
    return [each for each in capture.packets if "IP" in each and each["IP"].src == host.address and each["IP"].proto == 112]


def test_case_58_the_holder_changes_interval_priority_and_vips_without_a_gap(pair):
    lab, (first, second) = pair
    entered = [host.agent.metrics("vrrp_transitions_total") for host in (first, second)]
    # Always one address in common: who protects none of ours is another cluster.
    for host, priority in ((second, 100), (first, 102)):
        host.agent.replace_configuration(text(host, {"vip": {"addresses": [VIP, OTHER]}, "vrrp": {"priority": priority, "advertInterval": "200ms"}}))
        lab.wait_for(lambda: applied(host.agent, "vip.addresses"), 5, "the second VIP to be applied")
    lab.wait_for(lambda: first.holds(VIP) and first.holds(OTHER), 5, "both VIPs")
    second.agent.replace_configuration(text(second, {"vip": {"addresses": [OTHER, THIRD]}, "vrrp": {"priority": 100, "advertInterval": "400ms"}}))
    lab.wait_for(lambda: applied(second.agent, "vrrp.advertInterval"), 5, "the backup to apply it")
    with Capture(lab.host("observer", "10.10.1.70")) as capture, lab.observe(OTHER) as seen:
        lab.wait_for(lambda: len(own(capture, first)) >= 3, 5, "some advertisements")
        first.add_address(f"{THIRD}/32")  # left by somebody: taken over all the same
        first.agent.replace_configuration(text(first, {"vip": {"addresses": [OTHER, THIRD]}, "vrrp": {"priority": 110, "advertInterval": "400ms"}}))
        lab.wait_for(lambda: not first.holds(VIP) and first.holds(OTHER) and first.holds(THIRD), 5, "the new VIPs in place of the old one")
        told = len(own(capture, first))
        lab.wait_for(lambda: len(own(capture, first)) >= told + 8, 10, "advertisements after the change")
    adverts = own(capture, first)
    payloads = [bytes(each["IP"].payload) for each in adverts]
    # Version, number, priority, count; interval; checksum; addresses.
    assert [payload[2] for payload in (payloads[0], payloads[-1])] == [102, 110]
    change = next(i for i, payload in enumerate(payloads) if payload[-1] == 110)
    assert all(payload[8:] == bytes([10, 10, 1, 108, 10, 10, 1, 109]) and payload[4:6] == b"\0\x14" for payload in payloads[:change])
    assert all(payload[8:] == bytes([10, 10, 1, 109, 10, 10, 1, 110]) and payload[4:6] == b"\0\x28" for payload in payloads[change:])
    assert 0 not in [payload[2] for payload in payloads]
    gaps = [float(b.time) - float(a.time) for a, b in zip(adverts, adverts[1:])]
    assert max(gaps) < 0.4 + 0.2 * PATIENCE, gaps
    # The first few of a longer interval come at the pace of the shorter one; then the new one is kept.
    assert max(gaps[-3:]) > 0.3, gaps
    assert not [each for each in capture.packets if "IP" in each and each["IP"].src == second.address]
    assert seen.longest_without_holder() == 0, seen.describe()
    assert capture.gratuitous_arps(OTHER) and capture.gratuitous_arps(THIRD)
    assert [host.agent.metrics("vrrp_transitions_total") for host in (first, second)] == entered
    assert applied(first.agent, "vrrp.advertInterval") and applied(first.agent, "vrrp.priority")
    assert lab.holders(OTHER) == ["master1"] and lab.holders(VIP) == []
    # The guardian knows of the change: what a killed agent leaves is what it held.
    first.agent.kill()
    lab.wait_for(lambda: lab.holders(OTHER) == ["master2"] and lab.holders(THIRD) == ["master2"], 10, "the other host to hold them")


def test_clients_of_a_vip_that_is_given_up_are_told(pair):
    lab, (first, second) = pair
    server = lab.host("server", "10.10.1.90")
    server.backend()
    served = {"backends": {"static": [f"{server.address}:6443"]}, "loadBalancer": {"healthCheck": {"type": "tcp", "interval": "200ms"}}}
    for host in (second, first):
        host.agent.replace_configuration(text(host, served, {"vip": {"addresses": [VIP, OTHER]}, "vrrp": {"priority": 102 if host is first else 100, "advertInterval": "200ms"}}))
    lab.wait_for(lambda: first.holds(VIP) and first.holds(OTHER) and first.agent.up() == [f"{server.address}:6443"], 10, "both VIPs and the backend")
    kept, told = lab.client_host.tls_connect(VIP, 16443), lab.client_host.connect(OTHER, 16443)
    lab.wait_for(lambda: first.agent.metrics("proxy_connections") == 2, 10, "both connections")
    first.agent.replace_configuration(text(first, served, {"vip": {"addresses": [VIP]}, "vrrp": {"priority": 102, "advertInterval": "200ms"}}))
    told.settimeout(10 * PATIENCE)
    with pytest.raises(ConnectionResetError):
        told.recv(1)
    kept.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert b"200" in kept.recv(4096)


def test_checks_in_another_order_stay_with_their_states():
    with Lab(vips=[VIP]) as lab:
        host = lab.host("master1", "10.10.1.83")
        listed = [{"name": name, "port": port, "weight": weight} for name, port, weight in (("lb", 16443, 11), ("other", 4444, 3))]
        agent = host.start_agent(text(host, {"checks": listed, "vrrp": {"advertInterval": "200ms"}}))
        states = lambda: [(each["name"], each["up"]) for each in agent.status()["checks"]]  # noqa: E731
        lab.wait_for(lambda: states()[1] == ("other", False) and host.holds(VIP), 10, "the first results")
        before = states()
        agent.replace_configuration(text(host, {"checks": listed[::-1], "vrrp": {"advertInterval": "300ms"}}))
        lab.wait_for(lambda: applied(agent, "vrrp.advertInterval"), 10, "it to be applied")
        assert states() == before[::-1]


def test_a_shorter_interval_is_kept_at_once(pair):
    lab, (first, _) = pair
    with Capture(first, "ip proto 112") as capture:
        first.agent.replace_configuration(text(first, {"vrrp": {"priority": 102, "advertInterval": "50ms"}}))
        lab.wait_for(lambda: applied(first.agent, "vrrp.advertInterval"), 5, "it to be applied")
        before = len(own(capture, first))
        lab.wait_for(lambda: len(own(capture, first)) >= before + 20, 10, "advertisements")
    last = own(capture, first)[-20:]
    assert bytes(last[0]["IP"].payload)[4:6] == b"\0\x05"
    # 19 gaps of 50 ms each, far from 200 ms each.
    assert float(last[-1].time) - float(last[0].time) < 19 * 0.05 + 1.5 * PATIENCE


def test_a_lower_priority_hands_over_and_a_higher_one_comes_back(pair):
    lab, (first, second) = pair
    first.agent.replace_configuration(text(first, {"vrrp": {"priority": 50, "advertInterval": "200ms"}}))
    lab.wait_for(lambda: lab.holders(VIP) == ["master2"], 10, "master2 to hold the VIP")
    assert "gave the address to this host" in log(second.agent) or "gave up the address" in log(second.agent)
    second.agent.replace_configuration(text(second, {"vrrp": {"priority": 40, "advertInterval": "200ms"}}))
    lab.wait_for(lambda: lab.holders(VIP) == ["master1"], 10, "master1 to hold the VIP again")


@pytest.mark.parametrize("way", ["file", "signal"])
def test_what_is_wrong_changes_nothing_and_is_named(pair, way):
    lab, (first, _) = pair
    entered = first.agent.metrics("vrrp_transitions_total")
    wrong = text(first, {"vrrp": {"priority": 102, "advertInterval": "200ms"}}).replace("priority: 102", "priority: 999")
    line = wrong[: wrong.index("999")].count("\n") + 1
    first.agent.replace_configuration(wrong)
    if way == "signal":
        first.agent.popen.send_signal(signal.SIGHUP)
    place = f"{first.agent.file}:{line}: vrrp.priority: "
    lab.wait_for(lambda: f'configuration not applied; running on as before cause="{place}' in log(first.agent), 5, "the error")
    assert any(place in warning for warning in first.agent.status()["warnings"])
    after = first.agent.status()["router"]
    assert (after["state"], after["priority"]) == ("MASTER", 102) and first.agent.metrics("vrrp_transitions_total") == entered
    # Put right, it is taken up and no longer complained of.
    first.agent.replace_configuration(text(first, {"vrrp": {"priority": 103, "advertInterval": "200ms"}}))
    lab.wait_for(lambda: first.agent.status()["router"]["priority"] == 103, 5, "the right file to be applied")
    assert not any("not applied" in warning for warning in first.agent.status()["warnings"])


def test_what_needs_a_restart_is_named_and_waits_for_it(pair):
    lab, (first, _) = pair
    agent = first.agent
    agent.replace_configuration(text(first, {"vrrp": {"priority": 102, "advertInterval": "200ms"}, "admin": {"bind": "127.0.0.1:17444"}, "logging": {"level": "debug"}}))
    lab.wait_for(lambda: applied(agent, "logging.level"), 5, "the log level to be applied")
    expected = "admin.bind: 127.0.0.1:16444 -> 127.0.0.1:17444"
    lab.wait_for(lambda: f'configuration takes effect at the next start changes="{expected}"' in log(agent), 5, "the log to name what waits")
    assert f"takes effect at the next start: {expected}" in agent.status()["warnings"]
    assert lab.holders(VIP) == ["master1"]
    # Taken back, nothing is left to warn of.
    agent.replace_configuration(text(first, {"vrrp": {"priority": 102, "advertInterval": "200ms"}, "logging": {"level": "debug"}}))
    lab.wait_for(lambda: not any("next start" in warning for warning in agent.status()["warnings"]), 5, "the warning to go")


def test_sighup_says_so_when_nothing_has_changed_and_ends_nothing(pair):
    lab, (first, _) = pair
    first.agent.popen.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: "configuration read again: nothing has changed cause=SIGHUP" in log(first.agent), 5, "the answer to SIGHUP")
    assert first.agent.alive and lab.holders(VIP) == ["master1"]


def test_a_guardian_that_is_pid_1_passes_sighup_on(pair):
    lab, (_, second) = pair
    second.agent.stop()
    content = text(second, {"vrrp": {"priority": 200, "advertInterval": "200ms"}})
    file = os.path.join(second.directory, "pid1.yaml")
    with open(file, "w") as output:
        output.write(content)
    from lab.agent import binary

    container = second.start("container", "unshare", "--pid", "--fork", "--kill-child", binary(), "run", "--config", file)
    lab.wait_for(lambda: lab.holders(VIP) == ["master2"], 15, "the agent in a pid namespace to hold the VIP")
    guardian = children(container.popen.pid)[0]
    agent = children(guardian)[0]
    os.kill(guardian, signal.SIGHUP)
    lab.wait_for(lambda: "nothing has changed cause=SIGHUP" in log(container), 5, "the agent to have been told")
    assert children(guardian) == [agent] and lab.holders(VIP) == ["master2"]


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(each) for each in file.read().split()]


def test_a_renamed_link_to_a_folder_is_noticed_as_the_kubelet_makes_it():
    with Lab(vips=[VIP]) as lab:
        host = lab.host("master1", "10.10.1.83")
        mount = os.path.join(host.directory, "mount")

        def publish(generation, content):
            os.makedirs(os.path.join(mount, generation))
            with open(os.path.join(mount, generation, "fairlead.yaml"), "w") as file:
                file.write(content)
            os.symlink(generation, os.path.join(mount, "..data_tmp"))
            os.rename(os.path.join(mount, "..data_tmp"), os.path.join(mount, "..data"))

        publish("..1", text(host, {"vrrp": {"priority": 100, "advertInterval": "200ms"}}))
        os.symlink("..data/fairlead.yaml", os.path.join(mount, "fairlead.yaml"))
        # The last --config counts for nothing else than this file.
        from lab.agent import binary

        agent = host.start("agent", binary(), "run", "--config", os.path.join(mount, "fairlead.yaml"))
        lab.wait_for(lambda: lab.holders(VIP) == ["master1"], 15, "the VIP")
        for generation, priority in (("..2", 120), ("..3", 130)):
            publish(generation, text(host, {"vrrp": {"priority": priority, "advertInterval": "200ms"}}))
            lab.wait_for(lambda: f"after={priority}" in log(agent), 5, f"priority {priority} to be applied")


def test_flags_still_override_and_changed_keys_are_read_again():
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(2)
        keys = {}
        for host, priority in zip(hosts, (102, 100)):
            keys[host.name] = os.path.join(host.directory, "keys")
            write_keys(keys[host.name], "1:hex:" + KEYS[0])
            layers = {"vrrp": {"priority": priority, "advertInterval": "200ms", "authentication": {"type": "HMAC", "keyFile": keys[host.name], "replayFile": ""}}}
            host.start_agent(text(host, layers), arguments=("--log-level", "info"))
        lab.wait_for(lambda: lab.holders(VIP) == ["master1"], 15, "master1 to hold the VIP")
        entered = [host.agent.metrics("vrrp_transitions_total", to="MASTER") for host in hosts]
        old, new = "1:hex:" + KEYS[0], "2:hex:" + KEYS[1]
        # As docs/authentication.md has it: both know both, then the new one signs, then the old one goes.
        for step in (f"{old}\n{new}", f"{new}\n{old}", new):
            for host in hosts:
                told = log(host.agent).count("authentication keys read again")
                write_keys(keys[host.name], step)
                lab.wait_for(lambda: log(host.agent).count("authentication keys read again") > told, 5, "the keys to be read")
        heard = hosts[1].agent.metrics("vrrp_adverts_received_total")
        lab.wait_for(lambda: hosts[1].agent.metrics("vrrp_adverts_received_total") > heard + 2, 5, "advertisements of the new key")
        assert [host.agent.metrics("vrrp_transitions_total", to="MASTER") for host in hosts] == entered
        # Keys that can't be used leave the old ones in force.
        write_keys(keys["master1"], "1:hex:11")
        lab.wait_for(lambda: f"{keys['master1']}:1: " in log(hosts[0].agent), 5, "the error")
        heard = hosts[1].agent.metrics("vrrp_adverts_received_total")
        lab.wait_for(lambda: hosts[1].agent.metrics("vrrp_adverts_received_total") > heard + 2, 5, "advertisements")
        # A flag stands above the file, so this changes nothing.
        with open(hosts[0].agent.file) as file:
            content = file.read()
        write_keys(keys["master1"], new)
        hosts[0].agent.replace_configuration(content + "\n# logging.level is a flag's\n")
        lab.wait_for(lambda: "nothing has changed" in log(hosts[0].agent), 5, "the file to be read")


def write_keys(file, content):
    with open(f"{file}.new", "w") as output:
        output.write(content + "\n")
    os.chmod(f"{file}.new", 0o600)
    os.rename(f"{file}.new", file)


def test_the_balancer_changes_without_losing_a_connection():
    with Lab(vips=[VIP]) as lab:
        host = lab.host("master1", "10.10.1.83")
        servers = [lab.host(f"server{i}", f"10.10.1.{90 + i}") for i in range(2)]
        for server in servers:
            server.backend()

        def content(*layers):
            return text(host, {
                "vrrp": {"advertInterval": "200ms"},
                "loadBalancer": {"healthCheck": {"type": "tcp", "interval": "500ms"}},
                "backends": {"static": [f"{servers[0].address}:6443"]},
            }, *layers)  # fmt: skip

        agent = host.start_agent(content())
        lab.wait_for(lambda: agent.up() == [f"{servers[0].address}:6443"] and host.holds(VIP), 15, "the first backend")
        kept = host.tls_connect(VIP, 16443)
        agent.replace_configuration(content({
            "loadBalancer": {"algorithm": "leastConnections", "accessLog": True, "connectTimeout": "1s", "maxConnections": 3,
                             "healthCheck": {"type": "tls", "caFile": lab.authority.certificate, "serverName": servers[0].address, "fall": 3}},
            "checks": [{"name": "lb", "port": 16443, "weight": 11}],
        }))  # fmt: skip
        lab.wait_for(lambda: applied(agent, "loadBalancer.accessLog") and agent.status()["router"]["priority"] == 111, 10, "it to be applied")
        both = content({
            "backends": {"static": [f"{server.address}:6443" for server in servers]},
        })  # fmt: skip
        agent.replace_configuration(both)
        lab.wait_for(lambda: len(agent.up()) == 2 and agent.status()["router"]["priority"] == 100, 10, "both backends, and no check")
        names = {host.https_get(VIP, 16443, "/")[1].strip() for _ in range(8)}
        assert len(names) == 2, names
        kept.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"200" in kept.recv(4096), "the connection from before the changes"
        kept.close()
        assert host.agent.metrics("vrrp_transitions_total", to="BACKUP") <= 1


def test_the_local_backend_is_preferred_and_others_warm_up_from_the_moment_it_is_asked_for():
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(2)
        for host in hosts:
            host.backend()

        def content(**balancer):
            return text(hosts[0], {
                "vrrp": {"advertInterval": "200ms"},
                "loadBalancer": {"healthCheck": {"type": "tcp", "interval": "500ms"}, **balancer},
                "backends": {"static": [f"{host.address}:6443" for host in hosts]},
            })  # fmt: skip

        def names():
            return {lab.client_host.https_get(VIP, 16443, "/")[1].strip() for _ in range(8)}

        agent = hosts[0].start_agent(content())
        lab.wait_for(lambda: len(agent.up()) == 2 and hosts[0].holds(VIP), 15, "both backends")
        assert names() == {"master1", "master2"}
        agent.replace_configuration(content(preferLocal=True))
        lab.wait_for(lambda: applied(agent, "loadBalancer.preferLocal"), 5, "it to be applied")
        lab.wait_for(lambda: names() == {"master1"}, 5, "the local backend to serve alone")
        agent.replace_configuration(content(slowStart="10m", rebalance={"rate": 5, "idle": "1s", "tolerance": 20}))
        for key in ("slowStart", "rebalance.rate", "rebalance.idle", "rebalance.tolerance"):
            lab.wait_for(lambda: applied(agent, f"loadBalancer.{key}"), 5, f"{key} to be applied")
        assert not any("next start" in warning for warning in agent.status()["warnings"])
        lab.wait_for(lambda: names() == {"master1", "master2"}, 5, "both to serve again")
        # One that comes back now gets its least share to begin with: one client in twenty.
        hosts[1].processes[0].kill()
        lab.wait_for(lambda: len(agent.up()) == 1, 10, "the backend to be down")
        hosts[1].backend()
        lab.wait_for(lambda: len(agent.up()) == 2, 10, "the backend to be back")
        assert [lab.client_host.https_get(VIP, 16443, "/")[1].strip() for _ in range(16)].count("master2") <= 2
