"""The client of the failover benchmark: asks ADDRESS PORT by UDP every millisecond, and writes down the time of
each answer (monotonic clock, one line each), without waiting for the one before."""

import os
import select
import socket
import sys
import time

PERIOD = 0.001


def main():
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))
    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connection.setblocking(False)
    target = (sys.argv[1], int(sys.argv[2]))
    due = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= due:
            due = max(due + PERIOD, now)
            try:
                connection.sendto(b"x", target)
            except OSError:
                pass  # no route or no neighbour for a moment: an outage like any other
        readable, _, _ = select.select([connection], [], [], max(0.0, due - time.monotonic()))
        if readable:
            answers = 0
            while True:
                try:
                    connection.recv(64)
                except OSError:
                    break
                answers += 1
            if answers:
                os.write(1, b"%.6f\n" % time.monotonic())


if __name__ == "__main__":
    main()
