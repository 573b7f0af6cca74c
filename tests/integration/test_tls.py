# SPDX-License-Identifier: MIT
"""TLS at the gateway: TLS_CERTIFICATE and TLS_KEY, or TLS=generate."""
import http.client
import socket
import ssl
import subprocess

import pytest

from lib.client import Answer, check_problem, check_traced, parse_raw, raw
from lib.load import ORDER
from lib.nginx_alone import NginxAlone, render
from lib.ports import free_ports


def make_certificate(directory, name="own", days="10"):
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", days, "-subj", "/CN=own", "-addext", "subjectAltName=DNS:localhost", "-keyout", key,
                    "-out", certificate], check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def nginx(tmp_path):
    made = []

    def make(**environment):
        made.append(NginxAlone(tmp_path, environment | {"GATEWAY_TLS_PORT": str(free_ports(1)[0])}))
        return made[0].start()
    yield make
    for one in made:
        one.close()


def trusting(certificate):
    return ssl.create_default_context(cafile=str(certificate))


def https(port, path, context, method="GET", body=None):
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return check_traced(Answer(response.status, response.getheaders(), response.read()))
    finally:
        connection.close()


def tls_port(nginx):
    return int(nginx.environment["GATEWAY_TLS_PORT"])


def test_a_generated_certificate(nginx):
    """It names this machine, and the log knows how the request came. In the clear, only this machine is served."""
    nginx = nginx(TLS="generate")
    context = trusting(nginx.run / "tls/certificate.pem")
    answer = https(tls_port(nginx), "/api/v1/users", context)
    assert answer.status == 200
    line = nginx.line(answer.trace_id)
    assert (line["scheme"], line["port"]) == ("https", tls_port(nginx))
    assert nginx.programs["users"].last.param("REQUEST_SCHEME") == "https"
    check_problem(https(tls_port(nginx), "/nothing", context), 404)
    assert nginx.get("/api/v1/users").status == 200
    text = (nginx.run / "nginx/settings/servers.conf").read_text()
    assert f"listen 127.0.0.1:{nginx.ports['gateway']};" in text and f"listen 0.0.0.0:{tls_port(nginx)} ssl" in text
    assert text.count(f":{nginx.ports['gateway']}") == 1


def test_a_certificate_of_ones_own(nginx, tmp_path):
    certificate, key = make_certificate(tmp_path)
    nginx = nginx(TLS_CERTIFICATE=str(certificate), TLS_KEY=str(key))
    assert https(tls_port(nginx), "/healthz", trusting(certificate)).status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        https(tls_port(nginx), "/healthz", ssl.create_default_context())
    assert not (nginx.run / "tls").exists()


def handshake(port, lowest, highest, ciphers="ALL:@SECLEVEL=0"):
    """(protocol, cipher) that client and server agree on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version, context.maximum_version = lowest, highest
    context.set_ciphers(ciphers)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with context.wrap_socket(connection) as encrypted:
            return encrypted.version(), encrypted.cipher()[0]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_only_what_is_safe_is_spoken(nginx):
    port = tls_port(nginx(TLS="generate"))
    version = ssl.TLSVersion
    assert handshake(port, version.TLSv1_2, version.TLSv1_3)[0] == "TLSv1.3"
    protocol, cipher = handshake(port, version.TLSv1_2, version.TLSv1_2)
    assert protocol == "TLSv1.2" and cipher.startswith("ECDHE-") and ("GCM" in cipher or "CHACHA" in cipher)
    for lowest, highest, ciphers in ((version.TLSv1, version.TLSv1_1, "ALL:@SECLEVEL=0"),
                                     (version.TLSv1_2, version.TLSv1_2, "ECDHE+AES:!AESGCM:!AESCCM")):
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            handshake(port, lowest, highest, ciphers)


def test_plain_http_where_tls_is_spoken(nginx):
    port = tls_port(nginx(TLS="generate"))
    for request in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\n\r\n"):
        check_problem(check_traced(parse_raw(raw(port, request))), 400)


def render_generated(tmp_path):
    render("out", cwd=tmp_path, environment={"TLS": "generate"})
    made = tmp_path / "run/tls"
    assert {(made / name).stat().st_mode & 0o777 for name in ("key.pem", "certificate.pem")} == {0o600}
    return (made / "key.pem").read_bytes(), (made / "certificate.pem").read_bytes()


def test_a_generated_certificate_is_kept_until_its_last_day(tmp_path):
    first = render_generated(tmp_path)
    assert render_generated(tmp_path) == first
    certificate, _ = make_certificate(tmp_path, days="1")
    (tmp_path / "run/tls/certificate.pem").write_bytes(certificate.read_bytes())
    assert render_generated(tmp_path)[1] not in (first[1], certificate.read_bytes())


@pytest.mark.parametrize("environment, says", [
    ({"TLS": "on"}, "TLS"), ({"TLS_CERTIFICATE": "/c"}, "TLS_KEY"), ({"TLS_KEY": "/k"}, "TLS_CERTIFICATE"),
    ({"TLS": "generate", "TLS_CERTIFICATE": "/c", "TLS_KEY": "/k"}, "either"),
    ({"TLS": "generate", "GATEWAY_TLS_PORT": "8081"}, "8081"), ({"GATEWAY_TLS_PORT": "x"}, "GATEWAY_TLS_PORT"),
    ({"TLS_CERTIFICATE": '/a"b', "TLS_KEY": "/k"}, "path")])
def test_refused_settings(tmp_path, environment, says):
    done = render("out", cwd=tmp_path, environment=environment, check=False)
    assert done.returncode == 1 and says in done.stderr and not (tmp_path / "out/nginx.conf").exists()


def test_a_whole_system(make_system):
    """An order over TLS; the calls behind it stay on this machine, and are not."""
    system = make_system("tls", environment={"TLS": "generate", "GATEWAY_TLS_PORT": str(free_ports(1)[0])})
    port = int(system.overrides["GATEWAY_TLS_PORT"])
    answer = https(port, "/api/v1/orders", trusting(system.run / "tls/certificate.pem"), "POST",
                   b'{"user_id":1,"product":"Tea","amount":1}')
    assert answer.status == 201 and answer.json()["notification"] == "sent"
    schemes = {(span.service, span.attributes["server.port"]): span.attributes["url.scheme"]
               for span in system.trace(answer) if span.kind == "SERVER"}
    assert schemes["api-gateway", port] == schemes["order-service", port] == "https"
    assert schemes["user-service", system.ports["users"]] == "http"
    assert system.gateway.post("/api/v1/orders", ORDER).status == 201
    assert f"https://{socket.gethostname()}:{port}" in system.ctl("welcome").stdout
    make_system.finish(system)
