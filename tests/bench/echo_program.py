"""The service behind the VIP of the failover benchmark: answers UDP datagrams with themselves, and accepts TCP
connections on the same port, so that a port check tells whether it lives."""

import os
import select
import socket
import sys


def main():
    port = int(sys.argv[1])
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
    echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Answers must come from the address that was asked.
    echo.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    echo.bind(("0.0.0.0", port))
    listener = socket.create_server(("0.0.0.0", port))
    while True:
        readable, _, _ = select.select([echo, listener], [], [])
        if listener in readable:
            listener.accept()[0].close()
        if echo in readable:
            data, control, _, sender = echo.recvmsg(64, 64)
            # Of in_pktinfo the interface stays open and the destination becomes the source.
            answer = [(level, kind, b"\0\0\0\0" + value[8:12] + b"\0\0\0\0") for level, kind, value in control if level == socket.IPPROTO_IP]
            try:
                echo.sendmsg([data], answer, 0, sender)
            except OSError:
                pass  # the VIP left between question and answer: the client counts that


if __name__ == "__main__":
    main()
