"""A small server in an API server's place, run as a program: HTTP/1.1, with or without TLS.

/readyz answers 200, /flood/N sends N bytes, everything else answers the server's name. A client that upgrades to
nothing but bytes ("RAW\\n" as its first line) gets every later byte back, and the end of its stream is answered by
the number of bytes received, so that half-closing can be seen.

GET /fault/NAME answers once more and from then on misbehaves, on every connection: `garbage` answers bytes that are no
HTTP, `silent` takes requests and never answers, `500` answers that status to everything; `none` is well again.
"""

import argparse
import asyncio
import ssl


async def raw(reader, writer):
    total = 0
    while data := await reader.read(1 << 16):
        total += len(data)
        writer.write(data)
        await writer.drain()
    writer.write(b"total %d\n" % total)
    await writer.drain()


fault = "none"


async def serve(name, reader, writer):
    global fault
    try:
        while line := await reader.readline():
            if line == b"RAW\n":
                await raw(reader, writer)
                break
            path = line.split(b" ")[1].decode()
            while (await reader.readline()).strip():
                pass
            if path.startswith("/fault/"):
                fault = path[len("/fault/") :]
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            elif fault == "garbage":
                writer.write(bytes(range(128, 256)) + b"\r\n\r\n")
                break
            elif fault == "silent":
                await asyncio.sleep(3600)
            elif fault == "500":
                writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
            elif path.startswith("/flood/"):
                size = int(path[len("/flood/") :])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                block = bytes(range(256)) * 256
                while size > 0:
                    writer.write(block[:size])
                    size -= len(block)
                    await writer.drain()
            else:
                body = b"ok" if path == "/readyz" else name.encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
    except (OSError, IndexError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    options = parser.parse_args()
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    server = await asyncio.start_server(lambda reader, writer: serve(options.name, reader, writer), None, options.port, ssl=context, backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
