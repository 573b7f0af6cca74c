# SPDX-License-Identifier: MIT
"""The library as one file, for other compilers, without libcurl and zlib, with a transport of the program's own."""
import os
import shlex
import shutil
import subprocess

import pytest

from lib import library
from lib.ports import closed_port
from lib.sandbox import PROGRAMS
from lib.system import ROOT

SMALL = ["-DTEL_NO_HTTP", "-DTEL_NO_GZIP"]
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
# name: compiler, flags for the library, what it is linked with
BUILDS = {
    "musl": (["musl-gcc"], [*SMALL, "-static"], []),
    "small": (library.COMPILER, SMALL, []),
    "whole": (library.COMPILER, [], ["-lcurl", "-lz"]),
    "clang": (["clang"], SMALL, []),
}


def compiled(name, program, directory):
    """The program with the library; without headers of libcurl and zlib where it shall do without them."""
    compiler, flags, libraries = BUILDS[name]
    if not shutil.which(compiler[-1]):
        pytest.skip(f"{compiler[-1]} is missing")
    subprocess.run([ROOT / "fcgi/tel/amalgamate", directory], check=True)
    if "-DTEL_NO_HTTP" in flags:
        for header in ("curl/curl.h", "zlib.h"):
            (directory / header).parent.mkdir(exist_ok=True)
            (directory / header).write_text("#error not to be included\n")
    path = directory / program
    done = subprocess.run([*compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", *flags, "-I", directory, "-o", path,
                           PROGRAMS / f"{program}.c", directory / "tel.c", *libraries, "-lm", "-pthread"],
                          env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, shlex.join(map(str, done.args)) + "\n" + done.stderr[-4000:]
    return path


@pytest.fixture(scope="module", params=BUILDS)
def program(request, tmp_path_factory):
    return compiled(request.param, "tel_transport", tmp_path_factory.mktemp(request.param))


def test_a_transport_of_its_own(program, collector):
    (trace_id, *told), lines = library.run(program, **{ENDPOINT: collector.endpoint + "/?key=1",
                                                       ENDPOINT.replace("ENDPOINT", "HEADERS"): "api-key=a%20b",
                                                       ENDPOINT.replace("OTLP_", "OTLP_TRACES_"): collector.endpoint +
                                                       "/v1/traces"})
    assert told == ["outcome 0 status 200", "calls 1"]
    span, = collector.spans(trace_id)
    assert (span.name, span.service) == ("work", "somebody")
    assert collector.headers["api-key"] == "a b"
    assert collector.headers["User-Agent"].startswith("OTel-OTLP-Exporter-C/")
    assert not lines


def test_nobody_listens(program):
    port, holder = closed_port()
    (_, *told), lines = library.run(program, **{ENDPOINT: f"http://127.0.0.1:{port}"})
    holder.close()
    assert told == ["outcome 1 status 0", "calls 1"]
    assert [line.get("error") for line in lines] == ["Connection refused", None]


def test_a_collector_that_refuses(program, collector):
    collector.answer = (400, {})
    (_, *told), lines = library.run(program, **{ENDPOINT: collector.endpoint})
    assert told == ["outcome 0 status 400", "calls 1"]
    assert [line["msg"] for line in lines] == ["the collector refuses spans"]


def test_a_send_ends_when_it_is_told(program, collector):
    """Else it would take ten minutes."""
    collector.gate.clear()
    (_, *told), lines = library.run(program, "while it sends", **{
        ENDPOINT: collector.endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "600000", "OTEL_BSP_SCHEDULE_DELAY": "1"})
    assert told == ["outcome 3 status 0", "calls 1"]
    assert lines[-1]["msg"] == "spans were not sent before the end"


@pytest.mark.parametrize("name", [name for name, build in BUILDS.items() if build[1]])
def test_without_http_and_a_transport_nothing_is_sent_and_that_is_said(name, collector, tmp_path):
    small = compiled(name, "tel_spans", tmp_path)
    _, lines = library.run(small, **{ENDPOINT: collector.endpoint, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"})
    assert [(line["level"], line["msg"], line.get("used")) for line in lines] == [
        ("warn", "a setting cannot be used", "none"),
        ("warn", "the library was built without HTTP, and the program brings no transport: nothing is exported", None)]
    assert not collector.requests
