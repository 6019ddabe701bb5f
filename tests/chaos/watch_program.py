"""Long-lived watches of the ConfigMap `tick` through the VIP, run in the client's namespace. Each is opened again when it
ends. Lines on stdout, times of the monotonic clock:

    end TIME WATCH CAUSE SECONDS      a watch ended (or could not be opened), after so long
    state TIME N N N …                four times a second: the last tick that each watch has seen

A client's own means against a silent peer is TCP's keepalive: 2 s, then three probes 1 s apart (kubelets: HTTP/2 pings, 30 s
and 15 s). It is what finds a connection whose other end is a host that has lost the VIP and cannot say so.
"""

import argparse
import asyncio
import re
import socket
import ssl
import sys
import time

TICK = re.compile(rb'"n":"(\d+)"')
PATIENCE = 5  # for the handshake and for the answer's head, each
PATH = "/api/v1/namespaces/default/configmaps?watch=true&fieldSelector=metadata.name%3Dtick"


def keep_alive(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 3), (socket.TCP_USER_TIMEOUT, 5000)):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


async def connect(options, context):
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(options.address, options.port, ssl=context, server_hostname=options.address, limit=1 << 20)
    keep_alive(writer.get_extra_info("socket"))
    return reader, writer


async def watch(options, context, seen):
    """Until it ends; the cause."""
    writer = None
    try:
        reader, writer = await connect(options, context)
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {options.address}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0] or b"chunked" not in head:
            return head.split(b"\r\n", 1)[0].decode(errors="replace")
        while line := await reader.readline():
            for number in TICK.findall(line):
                seen(int(number))
        return "end"
    except TimeoutError as error:
        # The system's says that the peer is gone; ours, that it kept us waiting.
        return "no-answer" if error.errno is None else "ETIMEDOUT"
    except (OSError, EOFError, ValueError, ssl.SSLError) as error:
        return type(error).__name__
    finally:
        if writer is not None:
            writer.transport.abort()


async def again_and_again(options, context, number, last):
    def seen(tick):
        last[number] = max(last[number], tick)

    while True:
        started = time.monotonic()
        cause = await watch(options, context, seen)
        now = time.monotonic()
        print("end", f"{now:.6f}", number, cause.replace(" ", "_"), f"{now - started:.3f}", flush=True)
        await asyncio.sleep(0.1)


async def main():
    parser = argparse.ArgumentParser()
    for name in ("--address", "--ca", "--certificate", "--key"):
        parser.add_argument(name, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, default=30)
    options = parser.parse_args()
    context = ssl.create_default_context(cafile=options.ca)
    context.load_cert_chain(options.certificate, options.key)
    last = [0] * options.count
    tasks = [asyncio.create_task(again_and_again(options, context, number, last)) for number in range(options.count)]
    while not any(task.done() for task in tasks):
        print("state", f"{time.monotonic():.6f}", *last, flush=True)
        await asyncio.sleep(0.25)
    sys.exit(f"a watch failed: {[task.exception() for task in tasks if task.done()]}")


if __name__ == "__main__":
    asyncio.run(main())
