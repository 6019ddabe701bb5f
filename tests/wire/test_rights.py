"""What the agent may do once it runs: no more than it needs, whoever started it."""

import os

import pytest
from lab import Lab
from lab.agent import merged

SETTINGS = {"vip": {"addresses": ["10.10.1.108"]}, "backends": {"static": ["10.10.1.83:6443"]}}
# linux/capability.h: CAP_NET_BIND_SERVICE 10, CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_IPC_LOCK 14, CAP_SYS_NICE 23
NET_BIND, NET_ADMIN, NET_RAW, IPC_LOCK, SYS_NICE = (1 << number for number in (10, 12, 13, 14, 23))


def rights(pid):
    """(effective, permitted and bounding capabilities, whether execve can give others)"""
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert fields["CapInh"] == fields["CapAmb"] == "0" * 16
    return tuple(int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")) + (fields["NoNewPrivs"] == "1",)


def seccomp(pid):
    """0: no filter, 2: filtered"""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Seccomp:"))


def threads_and_guardian(agent):
    with open(f"/proc/{agent.pid}/task/{agent.pid}/children") as file:
        children = file.read().split()
    return [f"{agent.pid}/task/{thread}" for thread in os.listdir(f"/proc/{agent.pid}/task")], children


@pytest.mark.parametrize("changes, more", [({}, 0), ({"loadBalancer": {"bind": ["0.0.0.0:443"]}}, NET_BIND)])
def test_root_with_all_rights_keeps_those_of_the_manifest(changes, more):
    with Lab() as lab:
        (host,) = lab.masters(1)
        agent = host.start_agent(merged(SETTINGS, changes))
        lab.wait_for(lambda: host.holds("10.10.1.108"), 10, "the VIP")
        needed = NET_ADMIN | NET_RAW | IPC_LOCK | SYS_NICE | more
        threads, children = threads_and_guardian(agent)
        assert len(threads) > 3 and len(children) == 1
        for thread in threads:
            assert rights(thread) == (needed, needed, needed, True), thread
        needed = NET_ADMIN | NET_RAW | IPC_LOCK
        lab.wait_for(lambda: rights(children[0]) == (needed, needed, needed, True), 5, "the guardian's rights")
        # With these it still does what it is there for.
        agent.kill()
        lab.wait_for(lambda: not host.holds("10.10.1.108"), 1, "the guardian to take the VIP away")


LIMITED = "system calls are limited to those that it needs"


@pytest.mark.parametrize(
    "arguments, filtered, said",
    [([], True, LIMITED), (["--seccomp", "log"], True, "the kernel logs those beyond the list"), (["--seccomp", "off"], False, "system calls are not limited")],
)  # fmt: skip
def test_every_thread_and_the_guardian_are_limited_to_the_system_calls_that_they_need(arguments, filtered, said):
    with Lab() as lab:
        (host,) = lab.masters(1)
        agent = host.start_agent(SETTINGS, arguments=arguments)
        lab.wait_for(lambda: host.holds("10.10.1.108"), 10, "the VIP")
        lab.wait_for(lambda: "system calls are" in agent.text(), 5, "the log to tell about system calls")
        # Sanitizers and a filter exclude each other.
        built = "this build has no filter" not in agent.text()
        assert not built or said in agent.text()
        expected = 2 if filtered and built else seccomp("self")
        threads, children = threads_and_guardian(agent)
        assert {thread: seccomp(thread) for thread in threads} == dict.fromkeys(threads, expected)
        lab.wait_for(lambda: seccomp(children[0]) == expected, 5, "the guardian's filter")
        # Both still do what they are there for.
        agent.kill()
        lab.wait_for(lambda: not host.holds("10.10.1.108"), 1, "the guardian to take the VIP away")
