# SPDX-License-Identifier: MIT
"""A system as the commands see it with which a person looks: servers of the test at its ports."""
import http.server
import json
import os
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

from lib.ports import free_ports
from lib.system import INHERITED, ROOT
from lib.terminal import Screen

TOOLS = ROOT / "stack/native"
ID = "0123456789abcdef0123456789abcdef"
OLD = time.time_ns() - 3600 * 10**9  # such a trace has come to rest
PORTS = ["GATEWAY", "GATEWAY_TLS", "METRICS", "CONSOLE", "OTLP_HTTP", "TRACES", "USERS", "ORDERS", "NOTIFICATIONS"]
BACKENDS = ["TEMPO", "PROMETHEUS", "LOKI", "GRAFANA", "ALERTMANAGER"]
READY = (200, "application/json", '{"status":"ready"}')


class Server:
    """Answers GET by `answers`: {path: (status, content type, text)}, or a function of the path."""

    def __init__(self, port, answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                found = answers(self.path) if callable(answers) else answers.get(self.path.partition("?")[0])
                status, kind, text = found or (404, "text/html", "<html><body>no\033[31m such</body></html>")
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Trace-Id", ID)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PATCH = do_DELETE = do_GET

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Place:
    """A system as its commands see it: what is remembered of it, its logs, and servers at its ports."""

    def __init__(self, directory):
        self.dir = Path(directory)
        self.run, self.log = self.dir / "run", self.dir / "logs"
        names = PORTS + BACKENDS
        self.ports = dict(zip(names, map(str, free_ports(len(names)))))
        self.closing = []
        for path in (self.run, self.log, self.dir / "data"):
            path.mkdir()
        self.remember()

    def remember(self, **values):
        ports = {f"{name}_PORT": number for name, number in self.ports.items() if name in PORTS}
        self.values = {**ports, "RUN_DIR": str(self.run), "LOG_DIR": str(self.log), "DATA_DIR": str(self.dir / "data"),
                       "GRAFANA_PORT": self.ports["GRAFANA"], "TRACE_STORE": "on", "CONSOLE": "off",
                       "TEMPO_URL": f"http://127.0.0.1:{self.ports['TRACES']}", **values}
        (self.run / "settings.json").write_text(json.dumps(self.values))

    def serve(self, name, answers):
        self.closing.append(Server(int(self.ports[name]), answers))

    def supervise(self, parts):
        """A supervisor that says this of its parts."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.run / "supervisor.sock"))
        listener.listen()

        def serve():
            while True:
                try:
                    channel, _ = listener.accept()
                except OSError:
                    return
                with channel, channel.makefile("rwb") as stream:
                    assert json.loads(stream.readline()) == {"command": "state"}
                    stream.write(json.dumps({"parts": parts}).encode() + b"\n")
        threading.Thread(target=serve, daemon=True).start()
        self.closing.append(listener)

    def env(self, **more):
        """RUN_DIR says which system is meant; nothing else does."""
        env = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
        backends = {f"{name}_PORT": self.ports[name] for name in BACKENDS if name != "GRAFANA"}
        return {**env, "TERM": "xterm", "RUN_DIR": str(self.run), "LC_ALL": "C.UTF-8", **backends, **more}

    def ask(self, tool, *arguments, cwd="/", timeout=120, **more):
        done = subprocess.run([TOOLS / tool, *arguments], env=self.env(**more), cwd=cwd, capture_output=True,
                              stdin=subprocess.DEVNULL, check=False, timeout=timeout)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def look(self, tool, *arguments, interrupt=None, columns=80, **more):
        screen = Screen([TOOLS / tool, *arguments], self.env(**more), interrupt=interrupt, columns=columns)
        assert "Traceback" not in screen.text and screen.widest <= columns, screen.text
        return screen

    def close(self):
        for one in self.closing:
            one.close()


# ---- what it answers ----

def span(number, parent=0, name="work", start=OLD, took=5_000_000, **more):
    result = {"traceId": ID, "spanId": f"{number:016x}", "name": name, "kind": "SPAN_KIND_SERVER",
              "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + took), **more}
    return {**result, "parentSpanId": f"{parent:016x}"} if parent else result


def batches(*spans, service="order-service"):
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"batches": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}


def page(text):
    return (200, "text/html", f"<title>apm</title>{text}")


def serve_well(place, *without):
    """Everything of a system answers as it should."""
    trace = batches(span(1), span(2, 1), span(3, 2))
    for name in PORTS:
        if name in without or name in ("GATEWAY_TLS", "OTLP_HTTP"):
            continue
        place.serve(name, {"/healthz": READY, "/readyz": READY, "/api/v1/users": READY, "/": page("console"),
                           f"/api/traces/{ID}": (200, "application/json", json.dumps(trace))})
    for name in ("api-gateway", "user-service"):
        (place.log / f"{name}.log").write_text(json.dumps({"trace_id": ID}) + "\n")


def up(*names, **others):
    return [{"name": name, "state": "up", "pid": 1, "restarts": 0, "last": None} for name in names] + [
        {"name": name, "state": "down", "pid": None, "restarts": 7, "last": last} for name, last in others.items()]


# ---- what the doctor says ----

def faults(text):
    """[(what, [what follows from it])] of the doctor's output, lines joined again."""
    text = re.sub(r"\n {6,8}(?![→↳ ])", " ", text)
    found = []
    for one in text.splitlines():
        if one.startswith("FAIL"):
            found.append((one[4:].strip(), []))
        elif "↳" in one:
            found[-1][1].append(one.partition("so: ")[2])
    return found


def serve_trace(place, answer):
    """`answer`: what is JSON, or a function that returns it."""
    def answers(path):
        value = answer() if callable(answer) else answer
        return (200, "application/json", value if isinstance(value, str) else json.dumps(value))
    place.serve("TRACES", lambda path: answers(path) if path == f"/api/traces/{ID}" else None)


def line(second=0, level="info", service="order-service", message="stored", **facts):
    values = {"ts": f"2026-11-28T12:30:{second:02}.123456Z", "level": level, "service": service, "msg": message}
    return json.dumps({**values, **facts}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def piped(tool, place, **more):
    return subprocess.Popen([TOOLS / tool], env=place.env(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
