# SPDX-License-Identifier: MIT
"""A FastCGI program for tests of nginx alone: records what came, answers what it is told, or misbehaves."""
import itertools
import socket
import struct
import threading
from dataclasses import dataclass, field

BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT = 1, 2, 3, 4, 5, 6
KEEP_CONN = 1
HEADER = struct.Struct("!BBHHBx")


@dataclass
class Request:
    params: list  # (name, value) as bytes, in order
    body: bytes
    connection: int  # number of the connection that it came over
    keep: bool

    def all(self, name):
        return [value for key, value in self.params if key == name.encode()]

    def param(self, name):
        values = self.all(name)
        assert len(values) <= 1, (name, values)
        return values[0].decode("latin-1") if values else None


@dataclass
class Reply:
    status: int = 200
    headers: list = field(default_factory=lambda: [("Content-Type", "application/json")])
    body: bytes = b"{}"

    def encode(self):
        head = "".join(f"{name}: {value}\r\n" for name, value in [("Status", self.status), *self.headers])
        return head.encode() + b"\r\n" + self.body


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def read_record(connection):
    _, kind, request_id, length, padding = HEADER.unpack(read_exactly(connection, HEADER.size))
    return kind, request_id, read_exactly(connection, length + padding)[:length]


def decode_params(data):
    params, at = [], 0
    while at < len(data):
        sizes = []
        for _ in range(2):
            size = data[at]
            at += 1
            if size >= 128:
                size = struct.unpack("!I", data[at - 1:at + 3])[0] & 0x7FFFFFFF
                at += 3
            sizes.append(size)
        params.append((data[at:at + sizes[0]], data[at + sizes[0]:at + sum(sizes)]))
        at += sum(sizes)
    return params


class Program:
    """Listens on a UNIX socket. `answer(request)` returns a Reply, raw bytes, or None: close without a word."""

    def __init__(self, path):
        self.requests = []
        self.answer = lambda request: Reply()
        self.numbers = itertools.count(1)
        self.connections = set()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1024)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self.connections):
            connection.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.add(connection)
            threading.Thread(target=self.serve, args=(connection, next(self.numbers)), daemon=True).start()

    def serve(self, connection, number):
        try:
            with connection:
                while self.serve_one(connection, number):
                    pass
        except (EOFError, OSError):
            pass
        finally:
            self.connections.discard(connection)

    def serve_one(self, connection, number):
        keep, params, body = False, b"", b""
        while True:
            kind, request_id, content = read_record(connection)
            if kind == BEGIN_REQUEST:
                keep = bool(content[2] & KEEP_CONN)
            elif kind == PARAMS:
                params += content
            elif kind == STDIN and content:
                body += content
            elif kind == STDIN:
                break
        request = Request(decode_params(params), body, number, keep)
        self.requests.append(request)
        reply = self.answer(request)
        if reply is None:
            return False
        data = reply.encode() if isinstance(reply, Reply) else reply
        for at in range(0, len(data), 65528):
            part = data[at:at + 65528]
            connection.sendall(HEADER.pack(1, STDOUT, request_id, len(part), 0) + part)
        end = HEADER.pack(1, END_REQUEST, request_id, 8, 0) + bytes(8)
        connection.sendall(HEADER.pack(1, STDOUT, request_id, 0, 0) + end)
        return keep

    @property
    def last(self):
        return self.requests[-1]
