"""The demo itself; tests/demo.sh prepares everything and calls it."""

import argparse
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lab import ControlPlane, Lab, StandInPlane  # noqa: E402

VIP = "10.10.1.108"
PORT = 16443
LIMIT = 112  # seconds for everything, so that it ends within two minutes
SETTLE = 3  # how long each step is watched after it has recovered


class View:
    """What is going on: redrawn on a terminal, one line a second elsewhere."""

    def __init__(self, lab, hosts, client, started):
        self.lab, self.hosts, self.client, self.started = lab, hosts, client, started
        self.what = ""
        self.terminal = sys.stdout.isatty()
        self._drawn = 0
        self._due = 0.0

    def say(self, text):
        self.what = text
        if not self.terminal:
            print(f"\n>> {text}", flush=True)
        self._due = 0.0

    def tick(self):
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + (0.25 if self.terminal else 1.0)
        lines = self._block(now) if self.terminal else [self._line(now)]
        up = f"\033[{self._drawn}F" if self.terminal and self._drawn else ""
        width = shutil.get_terminal_size().columns
        clear = "\033[K" if self.terminal else ""
        print(up + "\n".join((line[:width] if self.terminal else line) + clear for line in lines), flush=True)
        self._drawn = len(lines)

    def _client(self, now):
        rate = self.client.successes(since=now - 1)
        failed = sum(self.client.failures().values())
        ends = [each.end for each in self.client.requests(since=now - 30) if each.ok]
        silent = now - ends[-1] if ends else 0.0
        state = f"OUTAGE for {silent:.1f} s" if silent > 0.3 else f"longest outage {self.client.longest_outage():.2f} s"
        return f"{rate:3d} requests/s, {failed} failed, {state}"

    def _host(self, host):
        """(state, backends) as its agent tells them."""
        try:
            if not host.agents or not host.agent.alive:
                return "no agent", "-"
            status = host.agent.status()
        except (OSError, ValueError, KeyError):
            return "no answer", "-"
        marks = {"up": "+", "down": "-"}
        backends = " ".join(f"{marks.get(each['health'], '?')}{each['name']}" for each in status["backends"])
        return status["router"]["state"], backends

    def _line(self, now):
        holders = " ".join(self.lab.holders(VIP)) or "nobody"
        views = {name: backends for name, (_, backends) in ((host.name, self._host(host)) for host in self.hosts)}
        seen = views.get(holders) or next((each for each in views.values() if each != "-"), "-")
        return f"{now - self.started:6.1f} s  VIP on {holders:15}  backends {seen:36}  {self._client(now)}"

    def _block(self, now):
        holders = self.lab.holders(VIP)
        lines = [f"{now - self.started:6.1f} s  {self.what}", "", f"  {'HOST':10} {'VIP':4} {'STATE':10} BACKENDS (+ up, - down)"]
        for host in self.hosts:
            state, backends = self._host(host)
            lines.append(f"  {host.name:10} {' *' if host.name in holders else '':4} {state:10} {backends}")
        return [*lines, "", f"  CLIENT of {VIP}:{PORT}: {self._client(now)}", ""]


class Demo:
    def __init__(self, lab, stand_in):
        self.lab = lab
        self.started = time.monotonic()
        self.results = []
        self.hosts = lab.masters()
        self.plane = (StandInPlane if stand_in else ControlPlane)(lab, VIP)

    def bring_up(self):
        print(f"starting three hosts with {'stand-ins for API servers' if isinstance(self.plane, StandInPlane) else 'etcd and real API servers'}", flush=True)
        self.plane.start(*self.hosts)
        for host in self.hosts:
            self.plane.add_node(host)
        print("starting the agents, all with the same configuration", flush=True)
        for host in self.hosts:
            host.start_agent(
                {
                    "vip": {"addresses": [VIP]},
                    "loadBalancer": {"healthCheck": {"caFile": self.plane.authority.certificate}},
                    "backends": {"kubernetes": {"kubeconfig": [self.plane.admin_conf()]}},
                }
            )
        self.lab.wait_for(self.whole, 30, "the VIP on one host and three backends up on each")
        print(f"the VIP {VIP} is on {self.lab.holder(VIP).name} after {time.monotonic() - self.started:.1f} s", flush=True)
        client = self.lab.client(VIP, path="/readyz", period=0.02, ca=self.plane.authority.certificate)
        self.lab.wait_for(lambda: client.successes() >= 20, 10, "the client's first answers")
        self.client = client
        self.view = View(self.lab, self.hosts, client, self.started)

    # --- what holds when all is well ---

    def agents(self):
        return [host.agent for host in self.hosts if host.agents and host.agent.alive]

    def whole(self, up=3):
        return len(self.lab.holders(VIP)) == 1 and all(len(agent.up()) == up for agent in self.agents())

    def answers(self):
        """The client has been answered without a failure for half a second."""
        recent = self.client.requests(since=time.monotonic() - 0.5)
        return len(recent) >= 5 and all(each.ok for each in recent)

    # --- the steps ---

    def watch(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.view.tick()
            time.sleep(0.02)

    def step(self, name, act, recovered, timeout=20):
        """Does something, waits until it has recovered and the client is served well, and takes the measure."""
        self.view.say(name)
        began = time.monotonic()
        act()
        limit = min(began + timeout, self.started + LIMIT)
        took = None
        while took is None and time.monotonic() < limit:
            self.view.tick()
            try:
                if recovered() and self.answers():
                    took = time.monotonic() - began
            except (OSError, ValueError, KeyError):
                pass  # an agent that is being started or cut off
            time.sleep(0.02)
        self.watch(min(SETTLE, max(0.0, self.started + LIMIT - time.monotonic())))
        requests = self.client.requests(since=began - 0.2)
        failed = sum(1 for each in requests if not each.ok)
        self.results.append((name, took, self.client.longest_outage(since=began - 0.2), failed, len(requests)))

    def run(self):
        self.view.say("all is well")
        self.watch(SETTLE)

        killed = self.lab.holder(VIP)
        self.step(f"kill the agent on {killed.name}, which holds the VIP", killed.agent.kill, lambda: self.lab.holders(VIP) not in ([], [killed.name]) and self.whole())
        self.step(f"start the agent on {killed.name} again", killed.agent.restart, lambda: len(self.agents()) == 3 and self.whole())

        cut = self.lab.holder(VIP)
        others = [host for host in self.hosts if host is not cut]
        down = f"{cut.address}:6443"
        self.step(
            f"cut the link of {cut.name}, which holds the VIP",
            cut.cut_link,
            lambda: any(host.holds(VIP) for host in others) and all(down not in host.agent.up() for host in others),
        )
        self.step(f"heal the link of {cut.name}", cut.heal_link, self.whole)

        stopped = self.hosts[0]
        self.step(f"stop the API server on {stopped.name}", self.plane.server(stopped).kill, lambda: self.whole(2))
        self.step(f"start the API server on {stopped.name} again", lambda: self.plane.start_server(stopped), self.whole)

        fourth = self.lab.host("master4", "10.10.1.86")
        self.view.say("start a fourth host with an API server")
        self.plane.start_server(fourth)

        def serves():
            return self.whole(4) and any(
                each["endpoint"] == "10.10.1.86:6443" and each["connectionsTotal"] > 0 for agent in self.agents() for each in agent.status()["backends"]
            )

        self.step("the fourth Node joins", lambda: self.plane.add_node(fourth), serves)

    def summary(self):
        width = max(len(name) for name, *_ in self.results)
        print(f"\n{'STEP':{width}}  {'RECOVERED IN':>12}  {'OUTAGE':>8}  {'FAILED':>6}  {'REQUESTS':>8}")
        for name, took, outage, failed, requests in self.results:
            recovered = f"{took:.2f} s" if took is not None else "NOT"
            print(f"{name:{width}}  {recovered:>12}  {outage:>6.2f} s  {failed:>6}  {requests:>8}")
        print(
            "\nRecovered: the VIP is on one host, every agent has the right backends, and the client is answered without a failure."
            "\nOutage: the longest time in which no request of the client was answered (it opens a connection every 20 ms)."
        )
        good = all(took is not None for _, took, *_ in self.results)
        print(f"{'Every step recovered' if good else 'NOT every step recovered'}, {time.monotonic() - self.started:.0f} s in all.", flush=True)
        return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stand-in", action="store_true")
    options = parser.parse_args()
    try:
        with Lab() as lab:
            demo = Demo(lab, options.stand_in)
            demo.bring_up()
            demo.run()
            good = demo.summary()
            if not good:
                print(lab.account())
    except (AssertionError, OSError, RuntimeError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
