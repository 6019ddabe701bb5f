"""Who holds which address, from the kernel's own messages: every change with its time, nothing polled."""

import errno
import select
import socket
import struct
import threading
import time

from . import namespaces

RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
NLMSG_DONE = 3
NLM_F_DUMP_REQUEST = 0x301
RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x10, 0x100
IFA_ADDRESS, IFA_LOCAL = 1, 2


def _addresses(data):
    """(type, address) of each address message in a netlink datagram; None for the end of a dump."""
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        if length < 16:
            return
        if kind == NLMSG_DONE:
            yield kind, None
        elif kind in (RTM_NEWADDR, RTM_DELADDR):
            body = data[16:length]
            family = body[0]
            attributes, position = {}, 8
            while position + 4 <= len(body):
                size, name = struct.unpack_from("=HH", body, position)
                if size < 4:
                    break
                attributes[name] = body[position + 4 : position + size]
                position += (size + 3) & ~3
            raw = attributes.get(IFA_LOCAL, attributes.get(IFA_ADDRESS))
            if raw is not None and family in (socket.AF_INET, socket.AF_INET6):
                yield kind, socket.inet_ntop(family, raw)
        data = data[(length + 3) & ~3 :]


def _socket(namespace, groups):
    with namespaces.inside(namespace):
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    made.bind((0, groups))
    return made


def held(namespace):
    """The addresses on all interfaces of a namespace, now."""
    result = set()
    with _socket(namespace, 0) as connection:
        connection.send(struct.pack("=IHHIIBBBBI", 24, RTM_GETADDR, NLM_F_DUMP_REQUEST, 1, 0, 0, 0, 0, 0, 0))
        while True:
            for kind, address in _addresses(connection.recv(1 << 16)):
                if kind == NLMSG_DONE:
                    return result
                result.add(address)


class Observer:
    """Writes down who holds an address, from now on.

        with lab.observe("10.10.1.108") as seen:
            ...
        assert seen.longest_without_holder() < 4
    """

    def __init__(self, hosts, address):
        self.address = address
        self._names = {name: namespace for name, namespace in hosts.items()}
        self._sockets = {_socket(namespace, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR): name for name, namespace in self._names.items()}
        self._holders = frozenset(name for name, namespace in self._names.items() if address in held(namespace))
        self._lock = threading.Lock()
        self._timeline = [(time.monotonic(), self._holders)]
        self._ended = None
        self._stop_in, self._stop_out = socket.socketpair()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self._ended is None:
            self._stop_in.send(b"x")
            self._thread.join()
            self._ended = time.monotonic()
            for each in (*self._sockets, self._stop_in, self._stop_out):
                each.close()

    def _watch(self):
        while True:
            readable, _, _ = select.select([self._stop_out, *self._sockets], [], [])
            for source in readable:
                if source is self._stop_out:
                    continue
                try:
                    message = source.recv(1 << 16)
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
                    self._resynchronise(self._sockets[source])
                    continue
                for kind, address in _addresses(message):
                    if address != self.address:
                        continue
                    self._note(self._sockets[source], kind == RTM_NEWADDR)
            # Whatever had happened before stop() was called has been read by now.
            if self._stop_out in readable and len(readable) == 1:
                return

    def _note(self, name, holds):
        holders = self._holders | {name} if holds else self._holders - {name}
        if holders != self._holders:
            self._holders = holders
            with self._lock:
                self._timeline.append((time.monotonic(), holders))

    def _resynchronise(self, name):
        """The kernel dropped messages because we were too slow to read them (netlink(7)): ask for the state itself."""
        self._note(name, self.address in held(self._names[name]))

    @property
    def timeline(self):
        """[(since, holders)], times as of time.monotonic()."""
        with self._lock:
            return list(self._timeline)

    def spans(self, since=0.0, until=None):
        """[(start, end, holders)] between two times."""
        end = until if until is not None else self._ended or time.monotonic()
        timeline = self.timeline
        ends = [start for start, _ in timeline[1:]] + [end]
        return [
            (max(start, since), min(stop, end), holders)
            for (start, holders), stop in zip(timeline, ends)
            if min(stop, end) > max(start, since)
        ]

    def longest_without_holder(self, since=0.0, until=None):
        return max((stop - start for start, stop, holders in self.spans(since, until) if not holders), default=0.0)

    def longest_with_several(self, since=0.0, until=None):
        return max((stop - start for start, stop, holders in self.spans(since, until) if len(holders) > 1), default=0.0)

    def held_by(self, name):
        """When that host got the address the last time; None if never."""
        got = [start for start, _, holders in self.spans() if name in holders]
        return got[-1] if got else None

    def describe(self):
        first = self.timeline[0][0]
        return "\n".join(
            f"  {start - first:8.3f} s .. {stop - first:8.3f} s  {' '.join(sorted(holders)) or 'nobody'}"
            for start, stop, holders in self.spans()
        )
