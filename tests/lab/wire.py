"""What is on the wire: capturing VRRP and ARP, and sending crafted packets, by scapy."""

import logging
import socket
import threading

from . import namespaces

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.all import ARP, IP, AsyncSniffer, Ether, Raw, conf  # noqa: E402
from scapy.layers.vrrp import VRRP, VRRPv3  # noqa: E402

GROUP = "224.0.0.18"
PROTOCOL = 112


def virtual_mac(virtual_router_id):
    return f"00:00:5e:00:01:{virtual_router_id:02x}"


def advertisement(source, vips, version=2, virtual_router_id=51, priority=100, interval=1, password=None, ttl=255, destination=GROUP):
    """A VRRP advertisement as an Ethernet frame. `interval` in seconds; every field can be made wrong by the caller:
    frame[VRRP].chksum = …"""
    ip = IP(src=source, dst=destination, ttl=ttl, proto=PROTOCOL)
    frame = Ether(dst="01:00:5e:00:00:12", src=virtual_mac(virtual_router_id)) / ip
    if version == 3:
        return frame / VRRPv3(vrid=virtual_router_id, priority=priority, adv=round(interval * 100), addrlist=list(vips))
    words = [int.from_bytes((password or "").encode()[:8].ljust(8, b"\0")[i : i + 4], "big") for i in (0, 4)]
    return frame / VRRP(
        vrid=virtual_router_id, priority=priority, adv=interval, authtype=1 if password is not None else 0, auth1=words[0], auth2=words[1], addrlist=list(vips)
    )


def raw_vrrp(source, payload, ttl=255):
    """IP protocol 112 with any bytes."""
    return Ether(dst="01:00:5e:00:00:12") / IP(src=source, dst=GROUP, ttl=ttl, proto=PROTOCOL) / Raw(payload)


def send(host, *frames):
    """Puts frames on the host's wire."""
    # Not by scapy's own socket: it looks at every interface of the machine first.
    with namespaces.inside(host.namespace), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as connection:
        connection.bind(("eth0", 0))
        for frame in frames:
            connection.send(bytes(frame))


class Capture:
    """with Capture(host, "proto 112") as capture: … ; capture.advertisements()"""

    def __init__(self, host, filter="ip proto 112 or arp", interface="eth0"):
        self._ready = threading.Event()
        with namespaces.inside(host.namespace):
            self._socket = conf.L2listen(iface=interface, filter=filter)
        self._packets = []
        self._sniffer = AsyncSniffer(opened_socket=self._socket, prn=self._packets.append, store=False, started_callback=self._ready.set)
        self._sniffer.start()
        self._ready.wait(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self._sniffer.running:
            self._sniffer.stop()
            self._socket.close()

    @property
    def packets(self):
        return list(self._packets)

    def advertisements(self):
        """[(time, source, priority)], times as of time.time()."""
        return [(float(each.time), each[IP].src, bytes(each[IP].payload)[2]) for each in self.packets if IP in each and each[IP].proto == PROTOCOL]

    def gratuitous_arps(self, address):
        """The MAC of each."""
        return [each[ARP].hwsrc for each in self.packets if ARP in each and each[ARP].psrc == address and each[ARP].pdst == address]


__all__ = ["ARP", "GROUP", "IP", "VRRP", "Capture", "Ether", "Raw", "VRRPv3", "advertisement", "raw_vrrp", "send", "virtual_mac"]
