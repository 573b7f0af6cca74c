# SPDX-License-Identifier: MIT
"""A server that the system calls, inside the test process: records the headers of every request."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.path, [(name.lower(), value) for name, value in self.headers.items()], body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


class Peer:
    def __init__(self, port):
        self.port = port

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.server.requests = []
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()

    def take(self):
        """The one request since the last call: its headers by name, each with all its values."""
        (_, headers, _), = self.server.requests
        self.server.requests.clear()
        result = {}
        for name, value in headers:
            result.setdefault(name, []).append(value)
        return result
