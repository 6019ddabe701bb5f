"""LISTs of several MB through the VIP, one after the other, run in the client's namespace. Each is read to its end and checked:
all objects, each of its full size. One line each, times of the monotonic clock:

    START END OUTCOME BYTES       OUTCOME is `ok`, `incomplete` (a proper end, but not all was there) or the error's name
"""

import argparse
import asyncio
import json
import ssl
import time

from watch_program import connect

PATH = "/api/v1/namespaces/bulk/configmaps?resourceVersion=0"
PATIENCE = 15


async def read_body(reader, head):
    if b"chunked" not in head.lower():
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return await reader.readexactly(length)
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    return b"".join(parts)


def complete(body, options):
    items = json.loads(body)["items"]
    return len(items) == options.objects and all(len(each["data"]["x"]) == options.size for each in items)


async def fetch(options, context):
    """(outcome, bytes)"""
    writer = None
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await connect(options, context)
            writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {options.address}\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                return head.split(b"\r\n", 1)[0].decode(errors="replace").replace(" ", "_"), 0
            body = await read_body(reader, head)
        return ("ok" if complete(body, options) else "incomplete"), len(body)
    except (OSError, EOFError, ssl.SSLError, TimeoutError) as error:
        return type(error).__name__, 0
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        return f"nonsense:{type(error).__name__}", 0
    finally:
        if writer is not None:
            writer.transport.abort()


async def main():
    parser = argparse.ArgumentParser()
    for name in ("--address", "--ca", "--certificate", "--key"):
        parser.add_argument(name, required=True)
    for name in ("--port", "--objects", "--size"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--period", type=float, default=0.5)
    options = parser.parse_args()
    context = ssl.create_default_context(cafile=options.ca)
    context.load_cert_chain(options.certificate, options.key)
    while True:
        started = time.monotonic()
        outcome, size = await fetch(options, context)
        print(f"{started:.6f} {time.monotonic():.6f} {outcome} {size}", flush=True)
        await asyncio.sleep(options.period)


if __name__ == "__main__":
    asyncio.run(main())
