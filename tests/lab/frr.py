"""FRR's vrrpd on one host: zebra, vrrpd, and the macvlan that it wants to find for each family.

FRR leaves the addresses on that interface whatever its state, and takes the carrier away as backup (protodown): who
holds the VIP is asked of vrrpd, not of the addresses.
"""

import ipaddress
import json
import os

DIRECTORY = "/usr/lib/frr"
# Debian's build checks that it may use vtysh's socket; root isn't in the group vty.
GROUP = "frrvty"


class Frr:
    def __init__(self, host, vips, priority, version=3, interval=1.0, virtual_router_id=51):
        self._host = host
        self._number = virtual_router_id
        self._families = sorted({ipaddress.ip_address(each).version for each in vips})
        self._directory = os.path.join(host.directory, f"frr-{len([1 for each in host.processes if each.name.startswith('vrrpd ')]) + 1}")
        os.makedirs(self._directory)
        for family in self._families:
            self._interface(family, [each for each in vips if ipaddress.ip_address(each).version == family])
        lines = ["interface eth0", f" vrrp {virtual_router_id} version {version}", f" vrrp {virtual_router_id} priority {priority}"]
        lines.append(f" vrrp {virtual_router_id} advertisement-interval {round(interval * 1000)}")
        for each in vips:
            lines.append(f" vrrp {virtual_router_id} {'ip' if ipaddress.ip_address(each).version == 4 else 'ipv6'} {each}")
        self._zebra = self._start("zebra", ["hostname frr"])
        host.lab.wait_for(lambda: os.path.exists(self._path("zserv")), 10, "zebra")
        self._vrrpd = self._start("vrrpd", lines)

    def _path(self, name):
        return os.path.join(self._directory, name)

    def _interface(self, family, vips):
        name = f"vrrp{family}-{self._number}"
        self._host.ip("link", "add", name, "link", "eth0", "type", "macvlan", "mode", "bridge")
        self._host.ip("link", "set", "dev", name, "address", f"00:00:5e:00:0{1 if family == 4 else 2}:{self._number:02x}")
        for each in vips:
            self._host.ip("address", "add", f"{each}/{32 if family == 4 else 128}", "dev", name)
        self._host.ip("link", "set", name, "up")
        if family == 6:
            # It reads its source address once; one that is still tentative leaves it a master without a voice.
            shown = ("-6", "-o", "address", "show", "dev", name, "scope", "link", "-tentative")
            self._host.lab.wait_for(lambda: [line for line in self._host.ip(*shown).splitlines() if not any(vip in line for vip in vips)], 10, f"the link-local address of {name}")

    def _start(self, daemon, configuration):
        with open(self._path(f"{daemon}.conf"), "w") as file:
            file.write("\n".join(configuration) + "\n")
        return self._host.start(
            daemon, f"{DIRECTORY}/{daemon}", "-f", self._path(f"{daemon}.conf"), "-i", self._path(f"{daemon}.pid"), "-z", self._path("zserv"),
            "--vty_socket", self._directory, "-P", "0", "-u", "root", "-g", GROUP, "--log", "stdout",
        )  # fmt: skip

    def _shown(self):
        """What vrrpd tells of each family: {4: {"status": …, "stats": …}}; empty as long as it doesn't answer."""
        text = self._host.run("vtysh", "--vty_socket", self._directory, "-c", "show vrrp json", check=False)
        routers = json.loads(text) if text.strip().startswith("[") else []
        return {family: router[f"v{family}"] for router in routers for family in self._families}

    def is_in(self, state):
        """"Master" or "Backup", in every family."""
        shown = self._shown()
        return bool(shown) and all(each["status"] == state for each in shown.values())

    def heard(self):
        """Advertisements that it accepted."""
        return sum(each["stats"]["adverRx"] for each in self._shown().values())

    def transitions(self):
        return sum(each["stats"]["transitions"] for each in self._shown().values())

    def stop(self):
        """Both daemons, and the interfaces with their addresses."""
        for each in (self._vrrpd, self._zebra):
            each.stop()
        for family in self._families:
            self._host.ip("link", "del", f"vrrp{family}-{self._number}")

    def tail(self):
        return self._vrrpd.tail()
