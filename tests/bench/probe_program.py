"""The client of the failover benchmark: asks ADDRESS PORT by UDP every millisecond, without waiting for the answer before.
For each answer it writes one line: when it came, when the first request was sent that had no answer until then, and when
its own request was sent (monotonic clock). The last two are the same unless requests were lost."""

import os
import select
import socket
import struct
import sys
import time

PERIOD = 0.001
KEPT = 1 << 16  # send times


def main():
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))
    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connection.setblocking(False)
    target = (sys.argv[1], int(sys.argv[2]))
    sent = [0.0] * KEPT
    number, answered = 0, -1
    due = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= due:
            due = max(due + PERIOD, now)
            sent[number % KEPT] = now
            try:
                connection.sendto(struct.pack("!Q", number), target)
            except OSError:
                pass  # no route or no neighbour for a moment: an outage like any other
            number += 1
        readable, _, _ = select.select([connection], [], [], max(0.0, due - time.monotonic()))
        if readable:
            lines = b""
            while True:
                try:
                    (which,) = struct.unpack("!Q", connection.recv(64))
                except OSError:
                    break
                if which > answered:
                    lines += b"%.6f %.6f %.6f\n" % (time.monotonic(), sent[(answered + 1) % KEPT], sent[which % KEPT])
                    answered = which
            if lines:
                os.write(1, lines)


if __name__ == "__main__":
    main()
