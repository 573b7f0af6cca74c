# SPDX-License-Identifier: MIT
"""One program alone, without nginx: its listening socket is made here, and FastCGI is spoken byte by byte."""
import os
import select
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass

from lib.system import INHERITED, MODE, ROOT
from lib.wait import SLOWNESS, wait_until

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT = 1, 2, 3, 4, 5, 6
RESPONDER, KEEP = 1, 1


def record(kind, content=b"", number=1, version=1, padding=0):
    return struct.pack("!BBHHBx", version, kind, number, len(content), padding) + content + bytes(padding)


def begin(keep=True, role=RESPONDER, number=1):
    return record(BEGIN, struct.pack("!HB5x", role, KEEP if keep else 0), number)


def pairs(params):
    def length(text):
        return struct.pack("!B", len(text)) if len(text) < 128 else struct.pack("!I", len(text) | 1 << 31)
    encoded = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in params]
    return b"".join(length(name) + length(value) + name + value for name, value in encoded)


def params_of(method="GET", path="/healthz", body=None, extra=(), content_type="application/json"):
    """The parameters that nginx sends, as a list: some come twice."""
    uri, _, query = path.partition("?")
    params = [("REQUEST_METHOD", method), ("DOCUMENT_URI", uri), ("REQUEST_URI", path), ("QUERY_STRING", query),
              ("SERVER_PROTOCOL", "HTTP/1.1"), ("REQUEST_SCHEME", "http"), ("SERVER_NAME", "localhost"),
              ("SERVER_PORT", "80"), ("REMOTE_ADDR", "192.0.2.1")]
    if body is not None:
        params += [("CONTENT_TYPE", content_type), ("CONTENT_LENGTH", str(len(body)))]
    return params + list(extra)


def stream(kind, data):
    """A stream's records of at most 64 KiB, and the empty one that ends it."""
    parts = [data[i:i + 65535] for i in range(0, len(data), 65535)]
    return b"".join(record(kind, part) for part in parts) + record(kind)


def request(keep=True, body=None, **options):
    return (begin(keep) + stream(PARAMS, pairs(params_of(body=body, **options))) + stream(STDIN, body or b""))


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes


def parse(output):
    head, _, body = output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode("ascii").split("\r\n"))
    assert len(headers) == head.count(b"\r\n") + 1, f"a header twice: {head}"
    return Answer(int(headers["Status"].split()[0]), headers, body)


class Connection:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(15 * SLOWNESS)
        self.socket.connect(str(path))

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError(data)
            data += piece
        return data

    def answer(self):
        output, kind = b"", None
        while kind != END:
            _, kind, number, length, padding = struct.unpack("!BBHHBx", self.exactly(8))
            content = self.exactly(length + padding)[:length]
            assert number == 1 and kind in (STDOUT, END), (number, kind)
            output += content if kind == STDOUT else b""
        assert content == bytes(8), "END_REQUEST: complete, status 0"
        return parse(output)

    def ask(self, **options):
        self.send(request(**options))
        return self.answer()

    def is_closed(self, seconds=5):
        """True: the end came within the time, and nothing before it."""
        readable, _, _ = select.select([self.socket], [], [], seconds * SLOWNESS)
        if not readable:
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


class Program:
    """start() can be called again after wait(): the socket outlives the process, as under the supervisor."""

    def __init__(self, name, directory, **environment):
        self.name, self.dir = name, directory
        self.path = directory / "socket"
        assert len(str(self.path)) < 108
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(1024)
        for folder in ("data", "logs"):
            (directory / folder).mkdir(exist_ok=True)
        self.pid_file = directory / "pid"
        self.log = directory / "logs" / f"{name[:-1]}-service.log"
        kept = {key: value for key, value in os.environ.items() if INHERITED.fullmatch(key)}
        sanitizer = f"log_path={directory}/sanitizer:exitcode=86"
        self.environment = kept | {
            "DATA_DIR": str(directory / "data"), "LOG_DIR": str(directory / "logs"), "SEED_DIR": str(ROOT / "db/seed"),
            "SCHEMA_DIR": str(ROOT / "db/schema"), "PID_FILE": str(self.pid_file), "OTEL_SDK_DISABLED": "true",
            "USERS_PORT": "1", "NOTIFICATIONS_PORT": "1",  # nobody listens there
            "ASAN_OPTIONS": sanitizer, "UBSAN_OPTIONS": sanitizer, "TSAN_OPTIONS": sanitizer} | environment
        self.process, self.connections = None, []
        self.since = 0  # when it was started, or told to end

    def start(self, ready=True, stdin=None, **options):
        self.since = time.monotonic()
        self.process = subprocess.Popen([ROOT / "build" / MODE / "bin" / self.name], cwd=self.dir,
                                        stdin=stdin or self.listener, stderr=subprocess.PIPE, env=self.environment,
                                        **options)
        if ready:
            wait_until(self.pid_file.exists, lambda: self.process.poll() and self.process.stderr.read())
        return self

    def connect(self):
        self.connections.append(Connection(self.path))
        return self.connections[-1]

    def ask(self, **options):
        """One request on a connection of its own."""
        connection = self.connect()
        answer = connection.ask(keep=False, **options)
        assert connection.is_closed()
        return answer

    def kept(self):
        """A connection that has served a request and waits for another."""
        connection = self.connect()
        assert connection.ask().status == 200
        return connection

    def terminate(self):
        self.since = time.monotonic()
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds=5):
        """(exit code, seconds since it was started, or told to end)"""
        code = self.process.wait(seconds * SLOWNESS)
        return code, time.monotonic() - self.since

    def close(self):
        for connection in self.connections:
            connection.close()
        if self.process and self.process.poll() is None:
            self.terminate()
            self.process.wait(10 * SLOWNESS)
        self.listener.close()
        reports = [path.read_text(errors="replace") for path in self.dir.glob("sanitizer.*")]
        assert not reports, reports[0][:6000]
