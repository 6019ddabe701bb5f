"""Processes that are killed, frozen, stopped, replaced, starved; API servers that answer nonsense."""

import os
import signal
import subprocess
import sys

from .fault import Fault

GROUPS = "/sys/fs/cgroup/memory"

# Fills its memory group to the brim. The kernel kills whom oom_score_adj names first, which is the agent: raising it needs no right, sparing
# the eater would.
EATER = """
import os, sys, time
with open(sys.argv[1] + '/cgroup.procs', 'w') as group:
    group.write('0')
print('ready', flush=True)
sys.stdin.readline()
kept = []
while True:
    kept.append(os.urandom(1 << 18))
    time.sleep(0.005)
"""


class AgentKilled(Fault):
    name = "agent-killed"
    weight = 4
    hold = (0.2, 3.0)

    def inject(self):
        self.site.end_agent(self.host)

    def heal(self):
        self.site.agent(self.host).popen.wait(10)
        self.site.start_agent(self.host)


class AgentFrozen(Fault):
    name = "agent-frozen"
    weight = 4
    hold = (0.1, 4.0)

    def inject(self):
        self.site.agent(self.host).freeze()

    def heal(self):
        self.site.agent(self.host).thaw()


class AgentRestarted(Fault):
    """As the kubelet does it: SIGTERM, a while without, and a new one."""

    name = "agent-restarted"
    weight = 3
    hold = (0.1, 2.0)

    def inject(self):
        self.site.dead.add(self.host.name)
        code = self.site.agent(self.host).stop()
        if code != 0:
            raise AssertionError(f"{self.site.agent(self.host).name} answered SIGTERM by exit code {code}")

    def heal(self):
        self.site.start_agent(self.host)


class AgentUpgraded(Fault):
    """A new agent takes over; the old one is stopped a while later, in the midst of its connections."""

    name = "agent-upgraded"
    weight = 3
    hold = (0.5, 3.0)

    def inject(self):
        self._before = self.site.agent(self.host)
        self.site.former.append(self._before)
        after = self.site.start_agent(self.host, "--takeover")
        self.site.lab.wait_for(lambda: " vrrp] became " in after.text(), 10, "the new agent to take over")

    def heal(self):
        self.site.former.remove(self._before)
        if not self._before.alive:
            raise AssertionError(f"{self._before.name} ended with exit code {self._before.popen.returncode} after it was taken over")
        code = self._before.stop()
        if code != 0:
            raise AssertionError(f"{self._before.name} answered SIGTERM by exit code {code} after it was taken over")


def children(pid):
    """The guardian, which shares the agent's container."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def no_memory_groups():
    return "" if os.access(f"{GROUPS}/cgroup.procs", os.W_OK) else "no memory groups of version 1 here"


class AgentOutOfMemory(Fault):
    """A memory group with a limit, in which another process eats all there is: the kernel kills the agent."""

    name = "agent-out-of-memory"
    weight = 2
    hold = (0.2, 2.0)
    needs = staticmethod(no_memory_groups)

    _eater = None

    def inject(self):
        agent = self.site.agent(self.host)
        self._group = f"{GROUPS}/fairlead-chaos-{os.getpid()}-{self.host.name}"
        self._remove()
        os.mkdir(self._group)
        self._write("memory.limit_in_bytes", 16 << 20)
        for pid in (agent.pid, *children(agent.pid)):
            with open(f"/proc/{pid}/oom_score_adj", "w") as score:
                score.write("1000")
            self._write("cgroup.procs", pid)
        self._eater = self.host.start("eater", sys.executable, "-c", EATER, self._group, stdin=subprocess.PIPE)
        self.site.lab.wait_for(lambda: "ready" in self._eater.text(), 10, "the eater")
        self.site.dead.add(self.host.name)
        self._eater.popen.stdin.write(b"go\n")
        self._eater.popen.stdin.flush()
        self.site.lab.wait_for(lambda: not agent.alive, 20, "the kernel to kill the agent for want of memory")
        self._eater.kill()

    def heal(self):
        if self._eater is not None:
            self._eater.kill()
            self._eater.popen.stdin.close()
        agent = self.site.agent(self.host)
        if agent.alive:  # it could not be killed for want of memory, which was told of
            agent.kill()
            agent.popen.wait(10)
        self.site.start_agent(self.host)
        self.site.lab.wait_for(self._remove, 5, "the memory group to be empty")

    def _write(self, file, value):
        with open(f"{self._group}/{file}", "w") as output:
            output.write(str(value))

    def _remove(self):
        if os.path.isdir(self._group):
            os.rmdir(self._group)
        return True


class ServerKilled(Fault):
    name = "server-killed"
    weight = 2
    hold = (0.5, 2.0)

    def inject(self):
        self.site.plane.server(self.host).kill()

    def heal(self):
        self.site.start_server(self.host)
        self.site.wait_server(self.host)


class ServerStopped(ServerKilled):
    """SIGTERM, and SIGKILL if it waits for its watches: the kubelet does so after 30 s, here it is 2."""

    name = "server-stopped"
    weight = 1

    def inject(self):
        server = self.site.plane.server(self.host)
        server.signal(signal.SIGTERM)
        try:
            server.popen.wait(2)
        except subprocess.TimeoutExpired:
            server.kill()


class ServerFrozen(Fault):
    """It accepts connections, by the kernel's hand, and says nothing."""

    name = "server-frozen"
    weight = 3
    hold = (0.5, 4.0)

    def inject(self):
        self.site.plane.server(self.host).freeze()

    def heal(self):
        self.site.plane.server(self.host).thaw()


class EtcdFrozen(Fault):
    """Every API server answers /readyz by a refusal, or not at all: the balancer must go on with all of them."""

    name = "etcd-frozen"
    weight = 1
    hold = (1.0, 4.0)
    pairable = False

    def inject(self):
        self.site.plane.etcd.freeze()

    def heal(self):
        self.site.plane.etcd.thaw()


class ServerReplaced(ServerKilled):
    """Something else has the API server's port for a while (lab/backend_server.py)."""

    weight = 1
    hold = (1.0, 2.5)
    fault = ""

    def inject(self):
        self.site.plane.server(self.host).kill()
        self._stand_in = self.host.backend()
        self.host.https_get(self.host.address, 6443, f"/fault/{self.fault}")

    def heal(self):
        self._stand_in.kill()
        super().heal()


class ServerGarbage(ServerReplaced):
    fault = "garbage"
    name = "server-garbage"


class ServerSilent(ServerReplaced):
    fault = "silent"
    name = "server-silent"


class ServerErrors(ServerReplaced):
    fault = "500"
    name = "server-500"


class Starved(Fault):
    """Twice as many busy processes as there are processors. The whole machine suffers, clients and judge included."""

    name = "cpu-starved"
    weight = 1
    hold = (1.0, 3.0)
    outage = 6.0
    pairable = False

    def inject(self):
        self._hogs = [self.host.start("hog", sys.executable, "-c", "while True: pass") for _ in range(2 * (os.cpu_count() or 1))]

    def heal(self):
        for hog in self._hogs:
            hog.kill()
