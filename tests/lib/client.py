# SPDX-License-Identifier: MIT
"""An HTTP client that hides nothing: duplicate headers, exact bytes, kept connections."""
import http.client
import json
import re
import select
import socket
import time
import uuid
from dataclasses import dataclass

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[0-3])")


def email():
    """One that nobody has yet."""
    return f"{uuid.uuid4().hex}@example.com"


@dataclass
class Answer:
    status: int
    headers: list
    body: bytes

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body.decode("utf-8"))

    @property
    def trace_id(self):
        return self.header("X-Trace-Id")

    @property
    def server_timing(self):
        """(trace id, span id, flags) of the server's span."""
        match = re.fullmatch(f'traceparent;desc="{TRACEPARENT.pattern}"', self.header("Server-Timing"))
        assert match, self.header("Server-Timing")
        return match.groups()

    @property
    def span_id(self):
        return self.server_timing[1]


def check_traced(answer):
    """What every answer carries, and what none may."""
    assert answer.trace_id and re.fullmatch("(?!0{32})[0-9a-f]{32}", answer.trace_id), answer
    assert answer.server_timing[0] == answer.trace_id, answer
    assert answer.header("X-Apm-Route") is None, answer
    assert not any(re.search(r"nginx/|\d+\.\d+\.\d+", value) for value in answer.all("Server")), answer
    assert b"nginx/" not in answer.body
    return answer


def check_problem(answer, status, pointers=None):
    """RFC 9457: the members, their types, and the trace id of this very answer. Returns the object."""
    assert answer.status == status, (answer.status, answer.headers, answer.body)
    assert answer.header("Content-Type") == "application/problem+json", answer.headers
    problem = answer.json()
    assert problem["status"] == status, problem
    for member in ("type", "title", "detail", "trace_id"):
        assert isinstance(problem[member], str) and problem[member], (member, problem)
    assert set(problem) <= {"type", "title", "status", "detail", "trace_id", "errors"}, problem
    if answer.trace_id:
        assert problem["trace_id"] == answer.trace_id, (problem, answer.headers)
    for error in problem.get("errors", ()):
        assert set(error) == {"pointer", "detail"} and all(isinstance(text, str) for text in error.values()), problem
    if pointers is not None:
        assert sorted(error["pointer"] for error in problem.get("errors", ())) == sorted(pointers), problem
    return problem


class Client:
    """One kept connection to one port; not for two threads at once. `traced`: every answer is check_traced()."""

    def __init__(self, port, traced=True, timeout=30):
        self.port = port
        self.traced = traced
        self.timeout = timeout
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def request(self, method, path, body=None, headers=(), content_type="application/json"):
        """`body`: bytes as they are, anything else as JSON. Headers: pairs, text or bytes, in this order."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False).encode()
        if self.connection and select.select([self.connection.sock], [], [], 0)[0]:
            self.close()  # the server has closed it, as it may when it was idle
        if not self.connection:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            self.connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers:
                self.connection.putheader(name, value)
            if body is not None:
                if content_type:
                    self.connection.putheader("Content-Type", content_type)
                self.connection.putheader("Content-Length", str(len(body)))
            self.connection.endheaders(body)
            response = self.connection.getresponse()
            answer = Answer(response.status, response.getheaders(), response.read())
        except BaseException:
            self.close()
            raise
        if response.will_close:
            self.close()
        return check_traced(answer) if self.traced else answer

    def get(self, path, headers=()):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, headers=()):
        return self.request("POST", path, body, headers)

    def patch(self, path, body, headers=()):
        return self.request("PATCH", path, body, headers)

    def delete(self, path, headers=()):
        return self.request("DELETE", path, headers=headers)


def raw(port, data, *more, pause=0, timeout=10, half_close=False):
    """Sends bytes as they are, in parts with a pause between; returns all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        received = b""
        try:
            connection.sendall(data)
            for part in more:
                time.sleep(pause)  # plays a slow client; waits for nothing
                connection.sendall(part)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass  # the server had its say and closed before it had read everything
        return received


def parse_raw(received):
    """The first answer in raw bytes."""
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
    answer = Answer(status, headers, body)
    length = answer.header("Content-Length")
    return Answer(status, headers, body[:int(length)]) if length else answer
