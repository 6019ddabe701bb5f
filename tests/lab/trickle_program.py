"""Many slow clients in one program, run in the client's namespace: opens COUNT connections, sends one byte on each every
PERIOD seconds and reads what comes back. Reads commands from standard input, and writes one line for each:

    state   OPEN ECHOED FAILED    connections that are established, those that have had a byte back, those that ended
    close   closed                all of them
"""

import argparse
import resource
import selectors
import socket
import sys
import time


class Client:
    def __init__(self, address):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.established = self.echoed = self.failed = False
        try:
            self.socket.connect(address)
        except BlockingIOError:
            pass


class Clients:
    def __init__(self, address, count):
        self.selector = selectors.DefaultSelector()
        self.all = []
        for _ in range(count):
            client = Client(address)
            self.all.append(client)
            self.selector.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, client)

    def fail(self, client):
        client.failed = True
        self.selector.unregister(client.socket)
        client.socket.close()

    def turn(self, timeout):
        for key, events in self.selector.select(timeout):
            client = key.data
            if client is None:
                return True
            try:
                if not client.established:
                    if client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                        raise OSError
                    client.established = True
                    client.socket.send(b"RAW\n")
                    self.selector.modify(client.socket, selectors.EVENT_READ, client)
                elif events & selectors.EVENT_READ:
                    if not client.socket.recv(4096):
                        raise OSError
                    client.echoed = True
            except OSError:
                self.fail(client)
        return False

    def trickle(self):
        for client in self.all:
            if client.established and not client.failed:
                try:
                    client.socket.send(b"x")
                except BlockingIOError:
                    pass
                except OSError:
                    self.fail(client)

    def close(self):
        for client in self.all:
            if not client.failed:
                self.fail(client)
        self.all = []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("period", type=float)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = Clients((options.address, options.port), options.count)
    clients.selector.register(sys.stdin, selectors.EVENT_READ, None)
    due = time.monotonic() + options.period
    while True:
        if clients.turn(max(0.0, due - time.monotonic())):
            command = sys.stdin.readline().strip()
            if not command:
                return
            if command == "close":
                clients.close()
                print("closed", flush=True)
            else:
                opened = sum(1 for each in clients.all if each.established and not each.failed)
                print(opened, sum(1 for each in clients.all if each.echoed), sum(1 for each in clients.all if each.failed), flush=True)
        if time.monotonic() >= due:
            clients.trickle()
            due = time.monotonic() + options.period


if __name__ == "__main__":
    main()
