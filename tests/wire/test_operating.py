"""What an operator sees: fairlead status and explain, against live agents."""

import json
import os
import select
import signal
import subprocess

import pytest
from lab import PATIENCE, Lab
from lab.agent import binary, merged

VIP = "10.10.1.108"
SETTINGS = {"vip": {"addresses": [VIP]}, "vrrp": {"advertInterval": "100ms"}, "backends": {"static": ["10.10.1.20:6443"]}}


def fairlead(host, *arguments):
    """(exit code, stdout, stderr)"""
    run = subprocess.run(["nsenter", f"--net=/var/run/netns/{host.namespace}", "--", binary(), *arguments], capture_output=True, text=True, timeout=20)
    return run.returncode, run.stdout, run.stderr


@pytest.fixture(scope="module")
def pair():
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(2)
        for number, host in enumerate(hosts):
            host.start_agent(merged(SETTINGS, {"vrrp": {"priority": 110 - number}}))
        lab.wait_for(lambda: [host.agent.state for host in hosts] == ["MASTER", "BACKUP"], 10, "master1 to hold the VIP alone")
        yield lab, hosts


def test_status_shows_holder_and_peers(pair):
    _, hosts = pair
    code, text, _ = fairlead(hosts[0], "status")
    assert code == 0
    assert f"{VIP}  51    MASTER" in text and "because: " in text and "10.10.1.20:6443" in text
    code, text, _ = fairlead(hosts[1], "status")
    assert code == 0 and "BACKUP" in text and "10.10.1.83" in text


def test_status_as_json_is_the_document_of_the_admin_address(pair):
    _, hosts = pair
    code, text, _ = fairlead(hosts[0], "status", "-o", "json")
    assert code == 0
    document, served = json.loads(text), hosts[0].agent.status()
    assert document.keys() == served.keys() and document["router"].keys() == served["router"].keys()
    assert document["router"]["state"] == "MASTER"


def test_status_where_no_agent_runs_is_one_clear_line(pair):
    lab, _ = pair
    code, text, error = fairlead(lab.client_host, "status")
    assert code == 1 and not text
    assert "no agent of virtual router ID 51 answers on this host" in error and error.count("\n") == 1


def test_status_is_shown_anew_until_it_is_interrupted(pair):
    _, hosts = pair
    clear = "\033[H\033[2J"
    command = ["nsenter", f"--net=/var/run/netns/{hosts[0].namespace}", "--", binary(), "status", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as shown:
        try:
            text = ""
            while text.count(clear) < 3:
                assert select.select([shown.stdout], [], [], 20 * PATIENCE)[0], f"nothing more came: {text}"
                text += os.read(shown.stdout.fileno(), 65536).decode()
            shown.send_signal(signal.SIGINT)
            assert shown.wait(20 * PATIENCE) == 0
        finally:
            shown.kill()
    first, second = text.split(clear)[1:3]
    assert f"{VIP}  51    MASTER" in first and f"{VIP}  51    MASTER" in second


def test_explain_tells_why_the_vip_moved_also_after_a_restart_and_without_an_agent():
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(2)
        for number, host in enumerate(hosts):
            host.start_agent(merged(SETTINGS, {"vrrp": {"priority": 110 - number}}))
        lab.wait_for(lambda: [host.agent.state for host in hosts] == ["MASTER", "BACKUP"], 10, "master1 to hold the VIP alone")
        hosts[0].agent.stop()
        lab.wait_for(lambda: hosts[1].agent.state == "MASTER", 10, "the other to take over")
        code, text, _ = fairlead(hosts[1], "explain")
        assert code == 0
        last = [line for line in text.splitlines() if "became" in line][-1]
        assert "became MASTER" in last and "10.10.1.83 gave" in last
        # The same line is in the log.
        assert last.split("vrrp: ")[1] in hosts[1].agent.text()

        hosts[1].agent.restart()
        code, after, _ = fairlead(hosts[1], "explain")
        assert code == 0 and after.startswith(text)

        file = f"{hosts[1].directory}/history.json"
        hosts[1].agent.stop()
        code, left, error = fairlead(hosts[1], "explain", "--history-file", file)
        assert code == 0 and left.startswith(text) and "stopped signal=SIGTERM" in left.splitlines()[-1]
        assert f"showing {file} instead" in error
        code, _, error = fairlead(hosts[1], "explain", "--history-file", "/nonexistent/file")
        assert code == 1 and "/nonexistent/file: No such file" in error


def test_drain_sends_nothing_new_to_a_backend_and_undrain_does_again():
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(2)
        for host in hosts:
            host.backend(tls=False)
        endpoints = [f"{host.address}:6443" for host in hosts]
        host = hosts[0]
        host.start_agent(merged(SETTINGS, {"loadBalancer": {"healthCheck": {"type": "http", "interval": "200ms"}}, "backends": {"static": endpoints}}))
        lab.wait_for(lambda: host.holds(VIP) and host.agent.up() == endpoints, 10, "the VIP and two backends that are up")

        def names():
            return {lab.client_host.http_get(VIP, 16443, "/")[1] for _ in range(8)}

        assert names() == {"master1", "master2"}
        code, text, error = fairlead(host, "drain", endpoints[1])
        assert code == 0 and "gets no new connections" in text, error
        assert names() == {"master1"}
        assert "drains" in fairlead(host, "status")[1]
        assert "backend drains" in fairlead(host, "explain")[1]
        code, text, _ = fairlead(host, "undrain", endpoints[1])
        assert code == 0 and "gets new connections again" in text
        assert names() == {"master1", "master2"}
        code, _, error = fairlead(host, "drain", "master9")
        assert code == 1 and "no backend is called that" in error and endpoints[0] in error


def test_cleanup_removes_what_a_stopped_agent_left_and_disturbs_no_running_one(pair):
    lab, hosts = pair
    file = hosts[0].agent.file
    code, _, error = fairlead(hosts[0], "cleanup", "--config", file)
    assert code == 1 and "an agent runs on this host" in error
    assert hosts[0].holds(VIP)

    other = lab.host("other", "10.10.1.60")
    other.start_agent(SETTINGS)
    other.agent.stop()
    other.add_address(f"{VIP}/32")
    with open(f"{other.directory}/backends.json", "w") as cache:
        cache.write("{}")
    code, text, error = fairlead(other, "cleanup", "--config", other.agent.file)
    assert code == 0, error
    assert f"removed {VIP} from eth0" in text and "backends.json" in text and "history.json" in text
    assert not other.holds(VIP) and other.holds("10.10.1.60")
    assert not [name for name in os.listdir(other.directory) if name.endswith(".json")]
    assert fairlead(other, "cleanup", "--config", other.agent.file) == (0, "", "")
    code, _, error = fairlead(other, "cleanup", "--vip", "10.10.1.60")
    assert code == 1 and "10.10.1.60 is this host's own address" in error and other.holds("10.10.1.60")
