#!/usr/bin/env python3
"""Stands in for a Kubernetes API server: /readyz, and LIST and WATCH of Nodes and EndpointSlices over TLS, with faults on command.

    api_stand_in.py --certificate FILE --key FILE [--client-ca FILE] [--token TOKEN] [--closed] [--address 127.0.0.1] [--port 0]

The first line on stdout is {"port": …, "control": …}. With --client-ca or --token a request needs a certificate of that CA
or that bearer token, otherwise it gets 401; with --closed /readyz and /livez need it, too. It ends when its stdin does, so
that it never outlives who started it.

The control port speaks plain HTTP on loopback. GET: {"resourceVersion", "watches": open ones, "requests": paths so far}.
POST one JSON object, `do` says what:
    put        name, addresses [type, address]… or plain InternalIPs, labels {}: adds or changes a Node
    slice      name, endpoints [address or {addresses, conditions, …}], port 6443, labels, addressType: adds or changes an
               EndpointSlice of default/kubernetes
    delete     name, kind "Node": removes one; else "EndpointSlice"
    fill       count, padding: as many Nodes without the control-plane label, each that many bytes larger
    churn      rate, seconds, padding: heartbeats of these Nodes, so many a second
    answer     verb "list", "watch" or "any", status, times (0: until changed), retryAfter, reason, message, body: what the
               next requests get in place of the data; then […]: more such objects, for the requests after these
    bookmark   kind "Node": a BOOKMARK in every open watch
    error      code, reason, message: an ERROR event in every open watch, which then ends
    compact    forgets all history: a watch from an earlier resourceVersion gets an ERROR event with 410
    send       text: written as it is into every open watch
    raw        text, times 1: likewise, so many times over, past the chunks of HTTP
    cut        the connections of the open watches are reset
    end        the open watches end as after timeoutSeconds
    trickle    on: watches are written byte by byte
    stall      on: nothing is written into watches, nor answered at all
    readyz     status
    version    minor: what /version tells, "30" to begin with. From 34 on watches offer sendInitialEvents, unless
    initial    how: "offered", "refused" (as with the gate off), "endless" (the bookmark never comes)
    gzip       on: answers come compressed without having been asked for
    events     status: what those who write Events are told, 201 to begin with
    rights     denied ["create events"]: what a SelfSubjectAccessReview denies, nothing to begin with

Events that were written are in the state as "events"; "sent" has the time of the last event that went into a watch.
"""

import argparse
import gzip
import json
import os
import queue
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from api_world import API_VERSION, LABEL, SERVICE, World, event, status_object


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world = None
    options = None

    def log_message(self, *_):
        pass

    def setup(self):
        # Here, on the connection's own thread, so that a client that doesn't shake hands holds up nobody.
        self.request.settimeout(10)
        self.request.do_handshake()
        self.request.settimeout(None)
        super().setup()

    def answer(self, code, body, content_type="application/json", retry_after=None):
        self.send_response(code)
        if self.world.gzip:
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(body)

    def answer_status(self, code, reason="", message="", retry_after=None):
        self.answer(code, json.dumps(status_object(code, reason, message)).encode(), retry_after=retry_after)

    def known(self):
        if not self.options.token and not self.options.client_ca:
            return True
        token = self.headers.get("Authorization", "")
        if self.options.token and token == f"Bearer {self.options.token}":
            return True
        return bool(self.options.client_ca and self.connection.getpeercert())

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = {key: values[-1] for key, values in urllib.parse.parse_qs(url.query, keep_blank_values=True).items()}
        watch = query.get("watch") in ("1", "true")
        with self.world.lock:
            self.world.requests.append(self.path)
        while self.world.stalled.is_set():
            time.sleep(0.02)
        if self.options.closed and not self.known():
            return self.answer_status(401, "Unauthorized", "Unauthorized")
        if url.path == "/livez":
            return self.answer(200, b"ok")
        if url.path == "/readyz":
            return self.answer(self.world.ready, b"ok" if self.world.ready == 200 else b"[-]shutdown failed", "text/plain")
        if not self.known():
            return self.answer_status(401, "Unauthorized", "Unauthorized")
        if url.path == "/version":
            return self.answer(200, json.dumps({"major": "1", "minor": self.world.minor, "gitVersion": f"v1.{self.world.minor}.0"}).encode())
        kind = self.kind(url.path)
        if not kind:
            return self.answer_status(404, "NotFound", "the server could not find the requested resource")
        fault = self.world.next_answer("watch" if watch else "list")
        if fault:
            if "body" in fault:
                return self.answer(fault.get("status", 200), fault["body"].encode())
            return self.answer_status(fault["status"], fault.get("reason", ""), fault.get("message", ""), fault.get("retryAfter"))
        if watch:
            if query.get("sendInitialEvents") == "true" and self.world.initial == "refused":
                return self.answer_status(422, "Invalid", "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
            return self.watch(kind, query)
        page = self.world.list(kind, query.get("labelSelector", ""), int(query.get("limit", "0")), query.get("continue", ""))
        return self.answer(200, json.dumps(page).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with self.world.lock:
            self.world.requests.append(self.path)
        while self.world.stalled.is_set():
            time.sleep(0.02)
        if not self.known():
            return self.answer_status(401, "Unauthorized", "Unauthorized")
        if self.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            review = json.loads(body)
            asked = review["spec"]["resourceAttributes"]
            review["status"] = {"allowed": f"{asked['verb']} {asked['resource']}" not in self.world.denied}
            return self.answer(201, json.dumps(review).encode())
        if self.path != "/api/v1/namespaces/default/events":
            return self.answer_status(404, "NotFound", "the server could not find the requested resource")
        if self.world.events_status != 201:
            return self.answer_status(self.world.events_status, "Forbidden", 'events is forbidden: User "fairlead" cannot create resource "events"')
        with self.world.lock:
            self.world.events.append(json.loads(body))
        return self.answer(201, body)

    def kind(self, path):
        """What is served there by a server of this version, if anything."""
        if path == "/api/v1/nodes":
            return "Node"
        minor = int(self.world.minor.rstrip("+"))
        versions = (["v1"] if minor >= 21 else []) + (["v1beta1"] if minor < 25 else [])
        return "EndpointSlice" if path in [f"/apis/discovery.k8s.io/{each}/namespaces/default/endpointslices" for each in versions] else None

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def watch(self, kind, query):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        initial = query.get("sendInitialEvents") == "true"
        watch = self.world.open_watch(kind, query.get("labelSelector", ""), int(query.get("resourceVersion") or "0"), initial)
        if watch is None:
            self.chunk(event("ERROR", status_object(410, "Expired", "too old resource version"))[1])
            self.wfile.write(b"0\r\n\r\n")
            return
        try:
            self.follow(watch, time.monotonic() + float(query.get("timeoutSeconds", "1800")))
        except OSError:
            self.close_connection = True
        finally:
            self.world.close_watch(watch)

    def follow(self, watch, end):
        while time.monotonic() < end:
            try:
                item = watch.items.get(timeout=0.1)
            except queue.Empty:
                if self.gone():
                    self.close_connection = True
                    return
                continue
            if item[0] == "end":
                break
            if item[0] == "cut":
                # SO_LINGER with 0 makes close() send RST.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            while self.world.stalled.is_set():
                time.sleep(0.02)
            data = item[1]
            if item[0] == "raw":
                self.wfile.write(data)
                continue
            self.world.sent = time.time()
            for piece in (data[i : i + 1] for i in range(len(data))) if self.world.trickle else (data,):
                self.chunk(piece)
        self.wfile.write(b"0\r\n\r\n")

    def gone(self):
        """Whether the client has closed its side: nothing else comes from it during a watch."""
        self.connection.settimeout(0)
        try:
            return self.connection.recv(1) == b""
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        finally:
            self.connection.settimeout(None)


class Control(BaseHTTPRequestHandler):
    world = None

    def log_message(self, *_):
        pass

    def reply(self, code, item):
        body = json.dumps(item).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with self.world.lock:
            state = {"resourceVersion": self.world.version, "watches": len(self.world.watches), "requests": list(self.world.requests), "events": list(self.world.events), "sent": self.world.sent}
        self.reply(200, state)

    def do_POST(self):
        command = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            self.obey(command)
        except (KeyError, ValueError) as error:
            return self.reply(400, {"error": repr(error)})
        return self.reply(200, {})

    def obey(self, command):
        world, what = self.world, command["do"]
        if what == "put":
            world.put(command["name"], command.get("addresses", []), command.get("labels", {LABEL: ""}), command.get("deleting", False))
        elif what == "slice":
            world.slice(command["name"], command["endpoints"], command.get("port", 6443), command.get("labels", SERVICE), command.get("addressType", "IPv4"))
        elif what == "fill":
            world.fill(command["count"], command["padding"])
        elif what == "churn":
            threading.Thread(target=world.churn, args=(command["rate"], command["seconds"], command["padding"]), daemon=True).start()
        elif what == "delete":
            world.delete(command["name"], command.get("kind", "Node"))
        elif what == "answer":
            with world.lock:
                world.answers = [command, *command.get("then", [])] if command.get("status") or "body" in command else []
        elif what == "bookmark":
            with world.lock:
                world.version += 1
                kind = command.get("kind", "Node")
                item = {"kind": kind, "apiVersion": API_VERSION[kind], "metadata": {"resourceVersion": str(world.version)}}
            world.to_watches(event("BOOKMARK", item))
        elif what == "error":
            world.to_watches(event("ERROR", status_object(command["code"], command.get("reason", ""), command.get("message", ""))))
            world.to_watches(("end",))
        elif what == "compact":
            with world.lock:
                world.version += 1
                world.oldest = world.version
                world.history.clear()
        elif what == "send":
            world.to_watches(("bytes", command["text"].encode()))
        elif what == "raw":
            world.to_watches(("raw", command["text"].encode() * command.get("times", 1)))
        elif what in ("cut", "end"):
            world.to_watches((what,))
        elif what == "trickle":
            world.trickle = command["on"]
        elif what == "stall":
            world.stalled.set() if command["on"] else world.stalled.clear()
        elif what == "readyz":
            world.ready = command["status"]
        elif what == "version":
            world.minor = command["minor"]
        elif what == "initial":
            world.initial = command["how"]
        elif what == "gzip":
            world.gzip = command["on"]
        elif what == "events":
            world.events_status = command["status"]
        elif what == "rights":
            world.denied = command["denied"]
        else:
            raise ValueError(what)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # refused handshakes and cut connections are what the tests make


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--client-ca")
    parser.add_argument("--closed", action="store_true")
    parser.add_argument("--token")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    Api.options = parser.parse_args()
    Api.world = Control.world = World()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Api.options.certificate, Api.options.key)
    if Api.options.client_ca:
        context.load_verify_locations(Api.options.client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    if ":" in Api.options.address:
        Server.address_family = socket.AF_INET6
    api = Server((Api.options.address, Api.options.port), Api)
    api.socket = context.wrap_socket(api.socket, server_side=True, do_handshake_on_connect=False)
    Server.address_family = socket.AF_INET
    control = Server(("127.0.0.1", 0), Control)
    for server in (api, control):
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(json.dumps({"port": api.server_address[1], "control": control.server_address[1]}), flush=True)
    sys.stdin.buffer.read()
    os._exit(0)  # the threads of stalled requests are not waited for


if __name__ == "__main__":
    main()
