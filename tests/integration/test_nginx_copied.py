# SPDX-License-Identifier: MIT
"""trace.conf, trace_gateway*.conf and log.conf, copied into an nginx of somebody's: any program behind it, and nothing
else of this repository but the program that makes spans of the log."""
import glob
import json
import os
import re
import shutil
import signal
import socketserver
import struct
import subprocess
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lib.client import Client
from lib.nginx_alone import NGINX, RENDER, ended, nginx_knows_http_2, nginx_version
from lib.ports import free_ports
from lib.wait import wait_until

COPIED = ["trace.conf", "log.conf", "trace_gateway.conf",
          *(f"trace_gateway_{way}.conf" for way in ("fastcgi", "proxy", "uwsgi", "grpc"))]
PHP = next(iter(sorted(glob.glob("/usr/sbin/php-fpm*"))), None)
WAYS = ["proxy", "uwsgi", pytest.param("fastcgi", marks=pytest.mark.skipif(not PHP, reason="php-fpm is not installed")),
        pytest.param("grpc", marks=pytest.mark.skipif(not nginx_knows_http_2(), reason="this nginx has no HTTP/2"))]
HIDDEN = [("X-Apm-Route", "/things/{id}"), ("X-Trace-Id", "1" * 32), ("Server-Timing", "mine")]
TRACEPARENT = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-(0[0-3])")
PARENT = "b7ad6b7169203331"


class Http(BaseHTTPRequestHandler):
    """Answers with the trace context that it was given."""

    def do_GET(self):
        body = json.dumps([self.headers.get(name) for name in ("traceparent", "tracestate")]).encode()
        self.send_response(200)
        for name, value in [*HIDDEN, ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Uwsgi(socketserver.StreamRequestHandler):
    """The same by the uwsgi protocol: a block of variables, each with the length of its name and of its value."""

    def handle(self):
        _, length, _ = struct.unpack("<BHB", self.rfile.read(4))
        data, texts = self.rfile.read(length), []
        while data:
            size, = struct.unpack_from("<H", data)
            texts.append(data[2:2 + size].decode())
            data = data[2 + size:]
        given = dict(zip(texts[::2], texts[1::2]))
        body = json.dumps([given.get(name) for name in ("HTTP_TRACEPARENT", "HTTP_TRACESTATE")])
        head = "".join(f"{name}: {value}\r\n" for name, value in HIDDEN)
        self.wfile.write(f"HTTP/1.1 200 OK\r\n{head}\r\n{body}".encode())


class Uwsgis(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True


SCRIPT = """<?php
foreach (%s as $header) header($header);
$given = fn($name) => $_SERVER[$name] ?? null;
echo json_encode([$given('HTTP_TRACEPARENT'), $given('HTTP_TRACESTATE')]);
"""


class Foreign:
    """An nginx with a configuration of its own, into which the files were copied, and a program behind it each way."""

    def __init__(self, directory, settings=""):
        self.dir, self.log, self.settings = directory, directory / "access.log", settings
        for name in COPIED:
            shutil.copy(RENDER.parent / name, directory)
        self.port, self.http2 = free_ports(2)
        self.servers = [ThreadingHTTPServer(("127.0.0.1", 0), Http), Uwsgis(("127.0.0.1", 0), Uwsgi)]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        (directory / "index.php").write_text(SCRIPT % json.dumps([f"{name}: {value}" for name, value in HIDDEN]))
        self.php = self.start_php() if PHP else None
        (directory / "nginx.conf").write_text(self.configuration())
        self.start_nginx()

    def start_php(self):
        own = "" if os.geteuid() else "user = root\n"
        (self.dir / "php.conf").write_text(
            f"[global]\nerror_log = {self.dir}/php.log\n[www]\n{own}listen = {self.dir}/php.sock\n"
            "pm = static\npm.max_children = 2\n")
        process = subprocess.Popen([PHP, "-n", "-F", "-R", "-y", self.dir / "php.conf"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        wait_until((self.dir / "php.sock").exists, "php-fpm did not start")
        return process

    def configuration(self):
        http, uwsgi = (server.server_address[1] for server in self.servers)
        user = "" if os.geteuid() else "user root;"
        listen = f"listen 127.0.0.1:{self.http2}" + (
            "; http2 on;" if nginx_version() >= (1, 25, 1) else " http2;") if nginx_knows_http_2() else ""
        temporary = "".join(f"{name}_temp_path {self.dir}/{name}; " for name in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        hidden = "".join(f'add_header {name} "{value}"; ' for name, value in HIDDEN)
        echo = "" if not listen else f"""
            server {{ {listen} {hidden}
                location / {{ return 200 '["$http_traceparent", "$http_tracestate"]'; }}
            }}"""
        return f"""
        {user} worker_processes 1; pid {self.dir}/pid; error_log {self.dir}/error.log; events {{}}
        http {{
            {temporary}
            access_log off; server_tokens off;
            include trace.conf; {self.settings}
            include log.conf;
            server {{
                listen 127.0.0.1:{self.port};
                access_log {self.log} trace if=$log_wanted;
                include trace_gateway.conf;
                include trace_gateway_proxy.conf;
                include trace_gateway_uwsgi.conf;
                include trace_gateway_grpc.conf;
                location /nothing {{ return 404; }}
                location /proxy {{ proxy_pass http://127.0.0.1:{http}; }}
                location /uwsgi {{ uwsgi_pass 127.0.0.1:{uwsgi}; }}
                location /grpc {{ grpc_pass grpc://127.0.0.1:{self.http2}; }}
                location /fastcgi {{
                    include trace_gateway_fastcgi.conf;
                    fastcgi_param SCRIPT_FILENAME {self.dir}/index.php;
                    fastcgi_param REQUEST_METHOD  $request_method;
                    fastcgi_pass unix:{self.dir}/php.sock;
                }}
            }}{echo}
        }}"""

    def start_nginx(self):
        command = ["env", "-u", "NGINX", "TZ=UTC", NGINX, "-e", self.dir / "error.log", "-p", self.dir]
        done = subprocess.run([*command, "-c", self.dir / "nginx.conf"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        pid = self.dir / "pid"
        wait_until(lambda: pid.exists() and pid.read_text().strip(), "nginx did not start")

    def close(self):
        pid = int((self.dir / "pid").read_text())
        os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: ended(pid), "nginx did not end")
        for server in self.servers:
            server.shutdown()
            server.server_close()
        if self.php:
            self.php.terminate()
            self.php.wait(10)
        trouble = [line for line in (self.dir / "error.log").read_text().splitlines() if "[notice]" not in line]
        assert not trouble, trouble

    def get(self, path, *headers):
        """(answer, the traceparent taken apart, the tracestate that the program was given)"""
        with Client(self.port) as client:  # It looks that X-Trace-Id and Server-Timing are there once, and agree.
            answer = client.get(path, list(headers))
        assert answer.status == 200, answer
        traceparent, tracestate = json.loads(answer.body)
        assert answer.header("X-Apm-Route") is None
        return answer, TRACEPARENT.fullmatch(traceparent).groups(), tracestate or None

    def line(self, trace_id):
        def found():
            return [line for line in map(json.loads, self.log.read_text(encoding="utf-8").splitlines())
                    if line["trace_id"] == trace_id]
        return wait_until(found, f"no line of {trace_id}")[0]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    made = Foreign(tmp_path_factory.mktemp("foreign"))
    yield made
    made.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_trace_goes_on(foreign, way):
    """With its tracestate; the log has the ids of the client's span and of both of nginx's."""
    trace_id = uuid.uuid4().hex
    answer, given, tracestate = foreign.get(f"/{way}/1", ("traceparent", f"00-{trace_id}-{PARENT}-01"),
                                            ("tracestate", "a=1,b=2"))
    assert answer.trace_id == trace_id and given[0] == trace_id and given[2] == "01" and tracestate == "a=1,b=2"
    line = foreign.line(trace_id)
    assert (line["parent_span_id"], line["client_span_id"]) == (PARENT, given[1])
    assert line["span_id"] not in (PARENT, given[1]) and line["trace_state"] == "a=1,b=2"
    assert (line["path"], line["route"], line["status"]) == (f"/{way}/1", "/things/{id}", 200)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("headers", [[], [("traceparent", f"00-{'0' * 32}-{PARENT}-01"), ("tracestate", "a=1")]],
                         ids=["none", "invalid"])
def test_a_trace_begins(foreign, way, headers):
    """Sampled, with the threshold of all traces; a tracestate without a trace belongs to nobody."""
    answer, given, tracestate = foreign.get(f"/{way}", *headers)
    assert given[0] == answer.trace_id and given[2] == "03" and tracestate == "ot=th:0"
    line = foreign.line(answer.trace_id)
    assert (line["parent_span_id"], line["client_span_id"], line["trace_state"]) == ("", given[1], "ot=th:0")


def test_answers_of_nginx_itself_belong_to_a_trace_too(foreign):
    with Client(foreign.port) as client:
        answer = client.get("/nothing")
    assert answer.status == 404 and foreign.line(answer.trace_id)["up_addr"] == ""


def test_a_later_map_is_the_one_that_counts(tmp_path):
    """As trace.conf promises those who want one of its settings otherwise."""
    foreign = Foreign(tmp_path, """map "" $trace_client_traceparent { default ""; }
                                   map "" $trace_head_flags { default 02; }""")
    try:
        answer, given, tracestate = foreign.get("/proxy", ("traceparent", f"00-{'a' * 32}-{PARENT}-01"),
                                                ("tracestate", "a=1"))
        assert answer.trace_id != "a" * 32 and (given[2], tracestate) == ("02", None)
    finally:
        foreign.close()


def test_the_log_becomes_spans(foreign, program, collector):
    """apm's own program reads that log: both spans of each request, whatever the program behind it is."""
    ways = ["proxy", "uwsgi"] + (["fastcgi"] if PHP else []) + (["grpc"] if nginx_knows_http_2() else [])
    program("gateway", OTEL_SDK_DISABLED="false", OTEL_BSP_SCHEDULE_DELAY="20", ACCESS_LOG=str(foreign.log),
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, CHECKPOINT_FILE=str(foreign.dir / "checkpoint"),
            STUB_STATUS_URL="http://127.0.0.1:1")
    for way in ways:
        trace_id = uuid.uuid4().hex
        _, given, _ = foreign.get(f"/{way}/1", ("traceparent", f"00-{trace_id}-{PARENT}-03"))
        spans = wait_until(lambda trace_id=trace_id: len(found := collector.spans(trace_id)) == 2 and found,
                           f"no spans of {way}")
        server, = (span for span in spans if span.kind == "SERVER")
        client, = (span for span in spans if span.kind == "CLIENT")
        assert (server.parent_id, client.parent_id, client.span_id) == (PARENT, server.span_id, given[1])
        assert server.name == "GET /things/{id}" and server.start <= client.start <= client.end <= server.end
