# SPDX-License-Identifier: MIT
"""Each program of fcgi/tel/examples does what its comment says, built against the installed library."""
import json
import re
import signal
import socket
import subprocess
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from lib.ports import closed_port, free_port
from lib.program import request
from lib.wait import wait_until
from newcomer import EXAMPLES, run

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
MORE = {"httpd_server": ["-lmicrohttpd"], "fastcgi": ["-lfcgi", "-pthread"], "curl_client": ["-lcurl"]}


@pytest.fixture(scope="module")
def example(installed, tmp_path_factory):
    """Builds an example by its name; its programs are kept."""
    directory = tmp_path_factory.mktemp("examples")

    def build(name, compiler="gcc -std=c11"):
        source = EXAMPLES / (name if "." in name else f"{name}.c")
        program = directory / source.name.replace(".", "_")
        return program if program.exists() else installed.build(source, program, *MORE.get(name, []), compiler=compiler)

    return build


@pytest.fixture
def start(installed, receiver):
    """Starts a program that goes on, with a pipe as its standard input; ends what still runs."""
    started = []

    def begin(*command, stdin=subprocess.PIPE):
        started.append(subprocess.Popen(
            [str(word) for word in command], stdin=stdin, stderr=subprocess.PIPE, text=True,
            env={"LD_LIBRARY_PATH": str(installed.lib), "PATH": "/usr/bin:/bin", **receiver.environment()}))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in filter(None, (process.stdin, process.stderr)):
            pipe.close()


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_every_example_is_tested():
    text = open(__file__, encoding="utf-8").read()
    for path in EXAMPLES.iterdir():
        assert f'"{path.stem}"' in text or f'"{path.name}"' in text, f"{path.name} has no test"


def test_hello(installed, example, receiver):
    done = installed.run(example("hello"), **receiver.environment())
    span = receiver.wait_named("resize image")
    line, = lines(done.stderr)
    assert (line["trace_id"], line["span_id"], line["image.width"]) == (span.trace_id, span.span_id, 640)
    assert (span.service, span.attributes["image.width"], span.status) == ("hello", 640, 0)


def test_hello_in_cplusplus(installed, example, receiver):
    done = installed.run(example("hello.cc", compiler="g++ -std=c++17"), **receiver.environment())
    receiver.wait_named("resize image")
    good, bad = sorted(receiver.spans(), key=lambda span: span.start)
    assert (good.status, bad.status) == (0, 2) and bad.attributes["error.type"] == "std::invalid_argument"
    assert [line["msg"] for line in lines(done.stderr)] == ["image resized", "image was not resized"]


@pytest.fixture
def server(start, example):
    port = free_port()
    process = start(example("httpd_server"), port)
    base = f"http://127.0.0.1:{port}"

    def answers():
        assert process.poll() is None, process.stderr.read()
        try:
            return urllib.request.urlopen(f"{base}/metrics").status == 200
        except OSError:
            return False

    wait_until(answers, "the server does not answer")
    yield base, process


@pytest.mark.parametrize("path, status, exit_code", [("/", 200, 0), ("/nothing", 404, 1)])
def test_client_and_server_share_a_trace(installed, example, receiver, server, path, status, exit_code):
    base, _ = server
    done = installed.run(example("curl_client"), base + path, ok=False, **receiver.environment())
    assert done.returncode == exit_code
    name = "GET /" if status == 200 else "GET"
    wait_until(lambda: len(receiver.spans()) >= 2, lambda: f"{receiver.spans()}")
    call, answer = sorted(receiver.spans(), key=lambda span: span.kind)
    assert (call.kind, answer.kind, answer.name) == ("CLIENT", "SERVER", name)
    assert (answer.trace_id, answer.parent_id) == (call.trace_id, call.span_id)
    assert call.attributes["http.response.status_code"] == answer.attributes["http.response.status_code"] == status
    assert (call.status, answer.status) == (0 if status == 200 else 2, 0)
    assert lines(done.stderr)[0]["trace_id"] == call.trace_id


def test_a_call_without_an_answer(installed, example, receiver):
    port, holder = closed_port()
    with holder:
        done = installed.run(example("curl_client"), f"http://127.0.0.1:{port}/", ok=False, **receiver.environment())
    assert done.returncode == 1 and lines(done.stderr)[0]["msg"] == "no answer"
    assert receiver.wait_named("GET").status == 2
    assert run(example("curl_client"), ok=False, LD_LIBRARY_PATH=str(installed.lib)).returncode == 2


def test_the_server_shows_its_metrics(server):
    base, process = server
    urllib.request.urlopen(base + "/").read()
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    with urllib.request.urlopen(urllib.request.Request(base + "/metrics", headers=accept)) as answer:
        families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
    counts = {(sample.labels["http_route"], sample.labels["http_response_status_code"]): sample.value
              for sample in families["http_server_request_duration_seconds"].samples if sample.name.endswith("_count")}
    assert counts == {("/", "200"): 1}
    process.stdin.close()
    assert process.wait(timeout=60) == 0


def test_a_port_that_is_taken(installed, example, receiver):
    with socket.create_server(("0.0.0.0", free_port())) as taken:
        done = installed.run(example("httpd_server"), taken.getsockname()[1], ok=False, **receiver.environment())
    assert done.returncode == 1 and "the port cannot be used" in done.stderr


def in_time(ask):
    """A CGI program has a second to send its span. On a machine that is too busy for that, it is asked again."""
    done = ask()
    while "spans were not sent before the end" in done.stderr:
        done = ask()
    return done


def test_cgi(installed, example, receiver):
    asked = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/cgi-bin/hello", "HTTP_TRACEPARENT": TRACEPARENT}
    done = in_time(lambda: installed.run(example("cgi"), **asked, **receiver.environment()))
    assert done.stdout == "Status: 200 OK\nContent-Type: text/plain\n\nHello.\n"  # read as text
    span = receiver.wait_named("GET /cgi-bin/hello")
    assert (span.trace_id, span.parent_id, span.kind) == (TRACE, PARENT, "SERVER")


def test_cgi_without_a_reader(installed, example, receiver):
    def ask():
        with open("/dev/full", "wb") as full:
            return subprocess.run([example("cgi")], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                                  env={"LD_LIBRARY_PATH": str(installed.lib), **receiver.environment()}, check=False)

    done = in_time(ask)
    assert done.returncode == 1 and "does not take the answer" in done.stderr
    assert receiver.wait_named("CGI").attributes["error.type"] == "write"


def test_fastcgi(start, example, receiver, tmp_path):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        process = start(example("fastcgi"), stdin=listening)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        more = [("SCRIPT_NAME", "/"), ("HTTP_TRACEPARENT", TRACEPARENT)]
        connection.sendall(request(keep=False, path="/", extra=more))
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert b"Hello.\n" in answer
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0 and [line["msg"] for line in lines(log)] == ["request", "ending"]
    span = receiver.wait_named("GET /")
    assert (span.trace_id, span.parent_id, span.kind) == (TRACE, PARENT, "SERVER")


def test_cron_job(installed, example, receiver, tmp_path):
    """The script's steps are children of the job, which is a child of who set TRACEPARENT."""
    (tmp_path / "from").mkdir()
    command = [example("cron_job"), "nightly", EXAMPLES / "cron_job.sh", tmp_path / "from", tmp_path]
    job = {"CRON_JOB": str(example("cron_job")), "TRACEPARENT": TRACEPARENT}
    done = installed.run(*command, **job, **receiver.environment())
    wait_until(lambda: len(receiver.spans()) == 3, lambda: f"{receiver.spans()}")
    spans = {span.name: span for span in receiver.spans()}
    assert (spans["job nightly"].trace_id, spans["job nightly"].parent_id) == (TRACE, PARENT)
    for step in ("job pack", "job check"):
        assert (spans[step].trace_id, spans[step].parent_id) == (TRACE, spans["job nightly"].span_id)
        assert spans[step].attributes["process.exit.code"] == 0 and spans[step].status == 0
    assert [line["job"] for line in lines(done.stderr)] == ["pack", "check", "nightly"]


def test_a_cron_job_that_fails(installed, example, receiver, tmp_path):
    job = {"CRON_JOB": str(example("cron_job"))}
    command = [example("cron_job"), "nightly", EXAMPLES / "cron_job.sh", tmp_path / "none", tmp_path]
    done = installed.run(*command, ok=False, **job, **receiver.environment())
    wait_until(lambda: len(receiver.spans()) == 2, lambda: f"{receiver.spans()}")
    assert done.returncode != 0 and {span.name for span in receiver.spans()} == {"job nightly", "job pack"}
    assert {span.status for span in receiver.spans()} == {2}
    done = installed.run(example("cron_job"), "none", tmp_path / "none", ok=False, **receiver.environment())
    assert done.returncode == 127 and "the command cannot be started" in done.stderr


def test_daemon_workers(start, example, receiver):
    process = start(example("daemon_workers"))
    # First what ends a worker: spans that it had done before would be lost with it.
    _, log = process.communicate("crash\none\nfail\ntwo\nthree\n", timeout=60)
    assert process.returncode == 0, log
    wait_until(lambda: len(receiver.spans()) == 4, lambda: f"{receiver.spans()}\n{log}")
    spans = receiver.spans()
    assert {span.attributes["job.text"]: span.status for span in spans} == {"one": 0, "fail": 2, "two": 0, "three": 0}
    assert len({span.trace_id for span in spans}) == len({span.span_id for span in spans}) == 4
    processes = {span.attributes["process.pid"]: span.resource["service.instance.id"] for span in spans}
    assert process.pid not in processes and len(set(processes.values())) == len(processes)
    told = [line["msg"] for line in lines(log)]
    assert sorted(told) == ["a worker has died", "ending", "job failed"]


def test_comments_name_flags_that_work(installed):
    """A comment that says how an example is built says it as pkg-config does."""
    for path in EXAMPLES.glob("*.c"):
        for line in re.findall(r"Build: (.*)", path.read_text()):
            assert line.startswith(f"cc {path.name} $(pkg-config --cflags --libs tel"), path
