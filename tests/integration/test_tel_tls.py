# SPDX-License-Identifier: MIT
"""A collector that is private: it shows a certificate of its own authority, and asks for the client's."""
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lib import library
from lib.otlp import Collector

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
UNREADABLE = "a setting cannot be used"


@dataclass
class Authority:
    """Signs certificates of one name."""
    directory: Path
    name: str

    def __post_init__(self):
        self.certificate, self.key = self.make(self.name, "-addext", "basicConstraints=critical,CA:TRUE")

    def make(self, name, *options):
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "10", "-subj", f"/CN={name}", *options, "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        return certificate, key

    def sign(self, name):
        return self.make(name, "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE",
                         "-CA", self.certificate, "-CAkey", self.key)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "private")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "strange")


@pytest.fixture(scope="module")
def client(authority):
    return authority.sign("client")


@pytest.fixture(scope="module")
def program(build, tmp_path_factory):
    return library.build("tel_spans", tmp_path_factory.mktemp("program"))


@pytest.fixture
def collector(classes, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("collector"))
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    made = Collector(classes, context)
    yield made
    made.close()
    assert not made.errors


def trusted(authority, client):
    return {"OTEL_EXPORTER_OTLP_CERTIFICATE": authority.certificate,
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": client[0], "OTEL_EXPORTER_OTLP_CLIENT_KEY": client[1]}


def test_both_show_a_certificate(program, collector, authority, client):
    (trace_id,), lines = library.run(program, **{ENDPOINT: collector.endpoint}, **trusted(authority, client))
    assert [span.name for span in collector.spans(trace_id)] == ["work"]
    assert not lines


def test_a_certificate_may_hold_the_key(program, collector, authority, client, tmp_path):
    both = tmp_path / "both.pem"
    both.write_text("".join(path.read_text() for path in client))
    (trace_id,), lines = library.run(program, **{ENDPOINT: collector.endpoint,
                                                 "OTEL_EXPORTER_OTLP_CERTIFICATE": authority.certificate,
                                                 "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": both})
    assert collector.spans(trace_id) and not lines


def test_what_is_for_traces_wins(program, collector, authority, stranger, client):
    settings = trusted(authority, client) | {"OTEL_EXPORTER_OTLP_CERTIFICATE": stranger.certificate,
                                             "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": authority.certificate}
    (trace_id,), _ = library.run(program, **{ENDPOINT: collector.endpoint}, **settings)
    assert collector.spans(trace_id)


def refusal(program, collector, settings):
    """What is said when nothing arrives."""
    _, lines = library.run(program, **{ENDPOINT: collector.endpoint}, **settings)
    assert not collector.requests
    messages = [line["msg"] for line in lines if line["msg"] != UNREADABLE]
    assert messages == ["the collector does not take spans", "spans were not sent before the end"]
    return next(line["error"] for line in lines if "error" in line)


def test_a_collector_of_another_authority_gets_nothing(program, collector, authority, stranger, client):
    settings = trusted(authority, client) | {"OTEL_EXPORTER_OTLP_CERTIFICATE": stranger.certificate}
    assert "certificate" in refusal(program, collector, settings)


def test_a_collector_that_the_system_does_not_know_gets_nothing(program, collector):
    assert "certificate" in refusal(program, collector, {})


def test_without_a_certificate_of_its_own_the_client_is_refused(program, collector, authority):
    refusal(program, collector, {"OTEL_EXPORTER_OTLP_CERTIFICATE": authority.certificate})


def test_a_client_of_another_authority_is_refused(program, collector, authority, stranger):
    refusal(program, collector, trusted(authority, stranger.sign("client")))


@pytest.mark.parametrize("variable", ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"])
def test_a_file_that_cannot_be_read_is_told_once(program, collector, authority, client, variable):
    """It is not replaced by what is less safe."""
    name = f"OTEL_EXPORTER_OTLP_{variable}"
    settings = trusted(authority, client) | {name: "/nonexistent.pem"}
    refusal(program, collector, settings)
    _, lines = library.run(program, **{ENDPOINT: collector.endpoint}, **settings)
    told, = [line for line in lines if line["msg"] == UNREADABLE]
    assert (told["variable"], told["value"]) == (name, "/nonexistent.pem")
    assert told["reason"] == "No such file or directory"
