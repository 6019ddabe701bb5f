"""The load generator's program, run in the client's namespace: opens a new connection at every tick, whether
earlier ones are answered or not, makes one request on each, and writes one line per request that ended:

    START END OUTCOME BODY      times of the monotonic clock; OUTCOME is `ok` or the error's name
"""

import argparse
import asyncio
import ssl
import sys
import time


async def request(options, context):
    started = time.monotonic()
    body, writer = "", None
    try:
        async with asyncio.timeout(options.timeout):
            reader, writer = await asyncio.open_connection(options.address, options.port, ssl=context, server_hostname=options.address if context else None)
            writer.write(f"GET {options.path} HTTP/1.1\r\nHost: {options.address}\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            outcome = "ok" if b" 200 " in head.split(b"\r\n", 1)[0] else head.split(b"\r\n", 1)[0].decode(errors="replace").replace(" ", "_")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    body = (await reader.readexactly(min(int(line.split(b":")[1]), 4096))).decode(errors="replace")
    except (OSError, EOFError, ssl.SSLError, TimeoutError) as error:
        outcome = type(error).__name__
    finally:
        # Not closed by the TLS handshake of goodbyes: a dead peer would keep the socket.
        if writer is not None:
            writer.transport.abort()
    sys.stdout.write(f"{started:.6f} {time.monotonic():.6f} {outcome} {body.split()[0] if body.split() else '-'}\n")
    sys.stdout.flush()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/")
    parser.add_argument("--period", type=float, default=0.01)
    parser.add_argument("--timeout", type=float, default=1.0)
    parser.add_argument("--ca", help="TLS, verified by this CA; without, plain HTTP")
    options = parser.parse_args()
    context = ssl.create_default_context(cafile=options.ca) if options.ca else None
    pending = set()
    due = time.monotonic()
    while True:
        task = asyncio.create_task(request(options, context))
        pending.add(task)
        task.add_done_callback(pending.discard)
        # A generator that fell behind does not catch up by a burst.
        due = max(due + options.period, time.monotonic() - options.period)
        await asyncio.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(main())
