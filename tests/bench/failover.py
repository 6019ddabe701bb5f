#!/usr/bin/env python3
"""How long a client is without an answer when the VIP's holder goes: fairlead beside keepalived, at the same settings,
in the same minutes.

    tests/bench/failover.py                          every setting and event, 15 trials each: about half an hour
    tests/bench/failover.py --trials 3 --settings v3-200ms --events stop,kill

Two hosts with an echo service, the better one holding the VIP, and a client that asks the VIP every millisecond. A
trial's outage is how long requests were lost: from the first that got no answer to the next one that did, 0 if each got
one. (So neither the client's own delays count nor the time between two requests.) Medians, the worst, and their ratio are
printed; nothing is judged. `kill` is SIGKILL of all of a system's processes at once, `crash` that of the one that does the work.
"""

import argparse
import os
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from lab import Lab  # noqa: E402

VIP = "10.10.1.108"
PORT = 9000
HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = {"v2-1s": (2, 1.0), "v3-200ms": (3, 0.2), "v3-10ms": (3, 0.01)}
EVENTS = ("kill", "crash", "cut", "stop", "check")
PRIORITIES = (120, 100)


def children(pid):
    """The process and all that descend from it."""
    found = [pid]
    for each in found:
        for task in os.listdir(f"/proc/{each}/task") if os.path.exists(f"/proc/{each}/task") else ():
            with open(f"/proc/{each}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
    return found


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass


class Fairlead:
    name = "fairlead"

    def start(self, host, version, interval, priority):
        return host.start_agent(
            {
                "vip": {"addresses": [VIP]},
                "vrrp": {"version": version, "advertInterval": f"{round(interval * 1000)}ms", "priority": priority},
                "checks": [{"name": "echo", "connect": f"127.0.0.1:{PORT}", "interval": "1s", "timeout": "500ms", "rise": 2, "fall": 2, "weight": -60}],
                "backends": {"static": ["10.10.1.99:6443"]},
            }
        )

    def working_process(self, process):
        return process.pid


class Keepalived:
    name = "keepalived"

    def start(self, host, version, interval, priority):
        number = len(host.processes)
        base = os.path.join(host.directory, f"keepalived-{number}")
        with open(f"{base}.conf", "w") as file:
            file.write(
                f"""global_defs {{
  vrrp_version {version}
  vrrp_rt_priority 50
  vrrp_no_swap
  script_user root
  enable_script_security
}}
vrrp_script echo {{
  script "/bin/bash -c 'exec 3<>/dev/tcp/127.0.0.1/{PORT}'"
  interval 1
  timeout 1
  weight -60
  rise 2
  fall 2
}}
vrrp_instance vip {{
  state BACKUP
  priority {priority}
  interface eth0
  virtual_router_id 51
  advert_int {interval:g}
  virtual_ipaddress {{
    {VIP}
  }}
  track_script {{
    echo
  }}
}}
"""
            )
        return host.start(
            "keepalived", "/usr/sbin/keepalived", "--dont-fork", "--log-console", "--vrrp", f"--use-file={base}.conf", f"--pid={base}.pid", f"--vrrp_pid={base}-vrrp.pid"
        )

    def working_process(self, process):
        return children(process.pid)[-1]


class Rig:
    """Two hosts, a client, one system."""

    def __init__(self, system, version, interval):
        self.system, self.version, self.interval = system, version, interval
        self.lab = Lab(vips=[VIP])
        self.hosts = [self.lab.host(f"host{n}", f"10.10.1.{82 + n}") for n in (1, 2)]
        self.echoes = [self._echo(host) for host in self.hosts]
        self.programs = [self._start(n) for n in (0, 1)]
        self._await_first()
        self.observer = self.lab.observe(VIP)
        self.probe = self.lab.client_host.start("probe", sys.executable, os.path.join(HERE, "probe_program.py"), VIP, str(PORT))

    def _echo(self, host):
        process = host.start("echo", sys.executable, os.path.join(HERE, "echo_program.py"), str(PORT))
        self.lab.wait_for(lambda: host.listens(PORT), 10, "the echo service")
        return process

    def _start(self, number):
        return self.system.start(self.hosts[number], self.version, self.interval, PRIORITIES[number])

    def _await_first(self):
        self.lab.wait_for(lambda: self.lab.holders(VIP) == ["host1"], 60, "host1 to hold the VIP alone")
        # Checks succeeded, announcements over, peers acquainted.
        time.sleep(1.5 + 4 * self.interval)

    def trial(self, event):
        began = time.monotonic()
        getattr(self, f"_{event}")()
        # It may hold it for a moment only: keepalived starts its process again and pre-empts.
        self.lab.wait_for(lambda: (self.observer.held_by("host2") or began) > began, 30, "host2 to take over")
        self._await_answers_after(time.monotonic())
        ended = time.monotonic()
        outage = self._longest_gap(began, ended)
        self._repair(event)
        self._await_first()
        self._await_answers_after(time.monotonic())
        return outage

    def _answers(self):
        """[(when it came, when the first request without an answer was sent, when its own was)]"""
        with open(self.probe.log) as file:
            return [tuple(map(float, line.split())) for line in file if line.endswith("\n")]

    def _await_answers_after(self, moment):
        self.lab.wait_for(lambda: sum(1 for came, _, _ in self._answers()[-50:] if came > moment) > 20, 30, "answers", 0.05)

    def _longest_gap(self, since, until):
        return max(own - first for came, first, own in self._answers() if since <= came <= until)

    # --- what happens to the holder ---

    def _kill(self):
        kill(children(self.programs[0].pid))

    def _crash(self):
        kill([self.system.working_process(self.programs[0])])

    def _cut(self):
        self.hosts[0].cut_link()

    def _stop(self):
        os.kill(self.programs[0].pid, 15)

    def _check(self):
        self.echoes[0].kill()

    def _repair(self, event):
        if event == "cut":
            self.hosts[0].heal_link()
        elif event == "check":
            self.echoes[0] = self._echo(self.hosts[0])
        else:
            kill(children(self.programs[0].pid))
            self.programs[0].kill()
            self.hosts[0].remove_address(f"{VIP}/32")
            self.programs[0] = self._start(0)


def run(rig, events, trials, results):
    for event in events:
        for _ in range(trials):
            results.setdefault(event, []).append(rig.trial(event))


def measure(setting, events, trials):
    """event → {system name: outages}"""
    version, interval = SETTINGS[setting]
    rigs = [Rig(system, version, interval) for system in (Fairlead(), Keepalived())]
    results = [{} for _ in rigs]
    errors = []

    def guarded(index):
        try:
            run(rigs[index], events, trials, results[index])
        except BaseException as error:  # noqa: BLE001: told by the main thread
            errors.append(error)

    try:
        threads = [threading.Thread(target=guarded, args=(index,)) for index in range(len(rigs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for rig in rigs:
            rig.observer.stop()
            rig.lab.close()
    if errors:
        raise errors[0]
    return {event: {rig.system.name: result[event] for rig, result in zip(rigs, results)} for event in events}


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if theirs else "-"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=15)
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--events", default=",".join(EVENTS))
    options = parser.parse_args()
    print(f"{'SETTING':<10}{'EVENT':<7}{'FAIRLEAD median':>17}{'worst':>9}{'KEEPALIVED median':>20}{'worst':>9}{'RATIO':>8}", flush=True)
    for setting in options.settings.split(","):
        for event, outages in measure(setting, options.events.split(","), options.trials).items():
            ours, theirs = outages["fairlead"], outages["keepalived"]
            middle, their_middle = statistics.median(ours), statistics.median(theirs)
            print(
                f"{setting:<10}{event:<7}{middle * 1000:>14.1f} ms{max(ours) * 1000:>6.0f} ms{their_middle * 1000:>17.1f} ms{max(theirs) * 1000:>6.0f} ms{ratio(middle, their_middle):>8}",
                flush=True,
            )


if __name__ == "__main__":
    main()
