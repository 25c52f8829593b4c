#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server for tests/fetch.c that has the faults the network has.

    http-server.py FOLDER

listens at two ports of this machine and prints their numbers, and where FOLDER has a cert.pem (with its key) at a third one, with TLS. What is asked for is /FAULT/…/FILE; FILE is one of FOLDER, or
else 404. Each request is a line of FOLDER/log: "GET PATH RANGE IF-RANGE" (- where there is none). Ends with its standard
input.

    plain       no fault: 200, or 206 for a range, If-Range heeded
    cut         the connection breaks after 100000 bytes of an answer
    gone        likewise, and the next three answers are 503
    stall       the first answer stops after 100000 bytes, and the connection stays
    no-range    breaks the first time; sends all of it always
    changed     breaks the first time, in the middle of another version of the file
    blind       likewise, and the rest that it sends after that is of this version: If-Range is not heeded
    no-etag     cut without an ETag
    wrong       the last byte is another
    longer      announces and sends a byte more than the file has
    endless     says not how long it is, and does not end
    unmeasured  says not how long it is
    redirect    sends on to /plain at the other port, under another name of the host, and says the SHA-256 before, as
                huggingface.co does
    misleading  likewise, with a SHA-256 that is not the file's
    insecure    sends on to /plain at the first port
    loop        sends on to itself
    forbidden   403
"""
import hashlib
import http.server
import os
import ssl
import sys
import threading
import time

folder = sys.argv[1]
lock = threading.Lock()
seen = {}
ports = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def count(self):
        with lock:
            seen[self.path] = seen.get(self.path, 0) + 1
            with open(os.path.join(folder, "log"), "a") as log:
                print("GET", self.path, self.headers.get("Range", "-"), self.headers.get("If-Range", "-"), file=log)
            return seen[self.path]

    def fail(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_on(self, address, **headers):
        self.send_response(302)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_GET(self):
        nth = self.count()
        _, fault, *_, name = self.path.split("/")
        path = os.path.join(folder, name)
        if fault == "forbidden" or not os.path.isfile(path):
            return self.fail(403 if fault == "forbidden" else 404)
        with open(path, "rb") as file:
            data = file.read()
        if fault == "loop":
            return self.send_on(self.path)
        if fault == "insecure":
            return self.send_on(f"http://localhost:{ports[0]}" + self.path.replace(fault, "plain"))
        if fault in ("redirect", "misleading"):
            other = ports[0] if self.server.server_port == ports[1] else ports[1]
            digest = hashlib.sha256(data if fault == "redirect" else b"").hexdigest()
            return self.send_on(f"http://localhost:{other}" + self.path.replace(fault, "plain"),
                                X_Linked_Etag=f'"{digest}"', X_Linked_Size=str(len(data)))
        if fault == "gone" and 1 < nth < 5:
            return self.fail(503)

        etag = '"first"' if fault in ("changed", "blind") and nth == 1 else '"second"'
        if fault == "wrong":
            data = data[:-1] + bytes([data[-1] ^ 1])
        if fault == "longer":
            data += b"x"
        if etag == '"first"':
            data = bytes(len(data))

        start = 0
        asked = self.headers.get("Range")
        condition = self.headers.get("If-Range", etag)
        if asked and fault != "no-range" and (condition == etag or fault == "blind"):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        if fault != "no-etag":
            self.send_header("ETag", etag)
        if fault in ("endless", "unmeasured"):
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()

        body = data[start:]
        first_only = fault in ("gone", "no-range", "changed", "blind", "stall")
        if fault in ("cut", "no-etag") or (first_only and nth == 1):
            self.close_connection = len(body) > 100000
            body = body[:100000]
        try:
            self.wfile.write(body)
            if fault == "stall" and nth == 1:
                self.wfile.flush()
                time.sleep(20)
                self.close_connection = True
            while fault == "endless":
                self.wfile.write(body)
        except OSError:
            self.close_connection = True
        if fault in ("endless", "unmeasured"):
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *arguments):  # clients go away in the middle, as they should
        pass


servers = [Server(("localhost", 0), Handler) for _ in range(2)]
certificate = os.path.join(folder, "cert.pem")
if os.path.exists(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    servers.append(Server(("localhost", 0), Handler))
    servers[2].socket = context.wrap_socket(servers[2].socket, server_side=True)
ports.extend(server.server_port for server in servers)
for server in servers:
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(*ports, flush=True)
sys.stdin.read()
