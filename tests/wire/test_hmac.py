"""Authenticated advertisements between agents, and what somebody without the key can do: docs/authentication.md."""

import importlib.util
import os
import time

import pytest
from lab import Lab
from lab.wire import IP, Capture, Ether, Raw, advertisement, send

VIP = "10.10.1.108"
KEYS = {number: f"{number}:hex:{bytes(range(number, number + 32)).hex()}" for number in (1, 2, 3)}


def write_keys(path, *keys):
    with open(path, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write("\n".join(keys) + "\n")
    return path


def start(host, priority, *keys):
    directory = host.directory
    return host.start_agent({
        "vip": {"addresses": [VIP]}, "checks": [], "backends": {"static": ["10.10.1.20:6443"]},
        "vrrp": {
            "priority": priority, "advertInterval": "100ms",
            "authentication": {
                "type": "HMAC", "keyFile": write_keys(f"{directory}/keys", *(KEYS[each] for each in keys)), "replayFile": f"{directory}/replay",
            },
        },
    })  # fmt: skip


def rejected(agent, reason):
    return agent.metrics("vrrp_packets_rejected_total", reason=reason)


def replayed(capture):
    """What the capture saw, as its sender put it on the wire."""
    return [Ether(bytes(each)) for each in capture.packets if IP in each]


@pytest.fixture
def lab():
    with Lab(vips=[VIP]) as made:
        yield made


def held_by(lab, name):
    lab.wait_for(lambda: lab.holders(VIP) == [name], 10, f"{name} to hold the VIP alone")


@pytest.fixture
def pair(lab):
    hosts = lab.masters(2)
    start(hosts[0], 100, 1)
    start(hosts[1], 110, 1)
    held_by(lab, "master2")
    return hosts


def test_the_better_of_two_with_one_key_holds_and_the_other_follows(lab, pair):
    assert [each["priority"] for each in lab.wait_for(lambda: pair[0].agent.status()["router"]["peers"], 5, "the peer to be heard")] == [110]
    pair[1].agent.kill()
    held_by(lab, "master1")
    pair[1].agent.restart()
    held_by(lab, "master2")
    # The guardian of the killed one repeated its resignation, word for word: heard once, and no more.
    assert sum(host.agent.metrics("vrrp_packets_rejected_total") - rejected(host.agent, "replayed") for host in pair) == 0
    assert rejected(pair[0].agent, "replayed") <= 1


@pytest.mark.parametrize("priority", [255, 0], ids=["take-over", "false-resignation"])
def test_who_has_no_key_moves_nothing(lab, pair, priority):
    stranger = lab.host("stranger", "10.10.1.99")
    entered = [host.agent.metrics("vrrp_transitions_total") for host in pair]
    for source in ("10.10.1.99", "10.10.1.84"):
        before = rejected(pair[0].agent, "hmacMissing")
        send(stranger, advertisement(source, [VIP], version=3, priority=priority, interval=0.1))
        lab.wait_for(lambda: rejected(pair[0].agent, "hmacMissing") == before + 1, 5, "the forgery to be rejected")
    assert lab.holders(VIP) == ["master2"]
    assert [host.agent.metrics("vrrp_transitions_total") for host in pair] == entered


def test_a_changed_bit_is_found_even_if_the_checksum_is_right(lab, pair):
    with Capture(pair[0], "ip proto 112") as capture:
        lab.wait_for(lambda: capture.advertisements(), 5, "an advertisement")
    genuine = bytes(capture.packets[0][IP].payload)
    # The priority, and the checksum of RFC 1071 moved by as much.
    forged = bytearray(genuine)
    forged[2] += 1
    sum_ = int.from_bytes(genuine[6:8], "big") - 0x0100
    forged[6:8] = (sum_ % 0xFFFF).to_bytes(2, "big")
    stranger = lab.host("stranger", "10.10.1.99")
    before = rejected(pair[0].agent, "hmac")
    send(stranger, Ether(dst="01:00:5e:00:00:12") / IP(src="10.10.1.84", dst="224.0.0.18", ttl=255, proto=112) / Raw(bytes(forged)))
    lab.wait_for(lambda: rejected(pair[0].agent, "hmac") == before + 1, 5, "the change to be found")


def test_what_was_recorded_keeps_nobody_waiting_not_even_after_a_restart(lab, pair):
    stranger = lab.host("stranger", "10.10.1.99")
    with Capture(stranger, "ip proto 112") as capture:
        lab.wait_for(lambda: len(capture.advertisements()) >= 5, 10, "advertisements to record")
    record = replayed(capture)
    before = rejected(pair[0].agent, "replayed")
    send(stranger, *record)
    lab.wait_for(lambda: rejected(pair[0].agent, "replayed") == before + len(record), 5, "the record to be rejected")

    pair[0].agent.restart()
    lab.wait_for(lambda: pair[0].agent.status()["router"]["peers"], 5, "the peer to be heard")
    before = rejected(pair[0].agent, "replayed") + rejected(pair[0].agent, "stale")
    send(stranger, *record)
    lab.wait_for(lambda: rejected(pair[0].agent, "replayed") + rejected(pair[0].agent, "stale") == before + len(record), 5, "the record to be rejected again")

    # The holder is dead, and its voice from the record doesn't make it live.
    pair[1].agent.kill()
    lab.wait_for(lambda: send(stranger, *record) or pair[0].holds(VIP), 10, "the backup to take over", interval=0.05)


def test_another_key_is_another_cluster(lab, pair):
    stranger = lab.host("stranger", "10.10.1.99")
    start(stranger, 200, 2)
    lab.wait_for(lambda: rejected(pair[0].agent, "hmacKeyID") > 3, 10, "the other's advertisements to be rejected")
    assert pair[1].holds(VIP) and pair[1].agent.state == "MASTER"


def test_keys_are_changed_host_by_host_and_nobody_ever_refuses_anybody(lab):
    hosts = lab.masters(2)
    for host, priority in zip(hosts, (100, 110)):
        start(host, priority, 1)
    held_by(lab, "master2")
    for keys in ((1, 2), (2, 1), (2,)):
        for host in hosts:
            write_keys(f"{host.directory}/keys", *(KEYS[each] for each in keys))
            again = [each for each in hosts if each is not host][0]
            assert again.agent.metrics("vrrp_packets_rejected_total") == 0, again.agent.metrics()
            host.agent.stop()
            start(host, 100 if host is hosts[0] else 110, *keys)
            held_by(lab, "master2")
            lab.wait_for(lambda: [each.agent.state for each in hosts] == ["BACKUP", "MASTER"], 10, "one master, one backup")
    assert sum(host.agent.metrics("vrrp_packets_rejected_total") for host in hosts) == 0


# --- a peer that isn't fairlead: the trailer made and checked by tests/peers/auth_hmac.py, a second implementation ---

PEERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers")
specification = importlib.util.spec_from_file_location("auth_hmac", os.path.join(PEERS, "auth_hmac.py"))
auth_hmac = importlib.util.module_from_spec(specification)
specification.loader.exec_module(auth_hmac)


def secret(number):
    return bytes.fromhex(KEYS[number].split(":")[2])


def sealed(source, priority, key, moment):
    """As keepalived sends it: the sequence number is the time."""
    pdu = bytes(advertisement(source, [VIP], version=3, priority=priority, interval=0.1)[IP].payload)
    sequence = int(moment) << 32 | int(moment % 1 * (1 << 16)) << 16
    payload = auth_hmac.sealed(pdu, source, key, secret(key), sequence)
    return Ether(dst="01:00:5e:00:00:12") / IP(src=source, dst="224.0.0.18", ttl=255, tos=0xC0, proto=112) / Raw(payload)


def test_another_implementation_is_followed_succeeded_and_understands_us(lab):
    host, other = lab.host("master1", "10.10.1.83"), lab.host("other", "10.10.1.99")
    start(host, 100, 1, 2)
    held_by(lab, "master1")
    with Capture(other, "ip proto 112 and src 10.10.1.83") as capture:
        lab.wait_for(lambda: capture.advertisements(), 5, "an advertisement")
    payload = bytes(capture.packets[0][IP].payload)
    assert auth_hmac.verify(payload, "10.10.1.83", secret(1)) and not auth_hmac.verify(payload, "10.10.1.83", secret(3))

    # It holds with either key for as long as it speaks, and is succeeded when it resigns.
    for key in (1, 2):
        lab.wait_for(lambda: send(other, sealed("10.10.1.99", 200, key, time.time())) or host.agent.state == "BACKUP", 10, "the better one to be followed", interval=0.05)
        assert not host.holds(VIP)
        entered = host.agent.metrics("vrrp_transitions_total")
        ends = time.monotonic() + 1
        lab.wait_for(lambda: send(other, sealed("10.10.1.99", 200, key, time.time())) or time.monotonic() > ends, 5, "a second of advertisements", interval=0.05)
        assert host.agent.metrics("vrrp_transitions_total") == entered
        send(other, sealed("10.10.1.99", 0, key, time.time()))
        held_by(lab, "master1")
    assert host.agent.metrics("vrrp_packets_rejected_total") == 0

    # An hour behind, it is not heard; nor with a key that nobody has given us.
    for frame, reason in ((sealed("10.10.1.99", 200, 1, time.time() - 3600), "stale"), (sealed("10.10.1.99", 200, 3, time.time()), "hmacKeyID")):
        send(other, frame)
        lab.wait_for(lambda: rejected(host.agent, reason) == 1, 5, f"{reason} to be counted")
    assert host.holds(VIP)
