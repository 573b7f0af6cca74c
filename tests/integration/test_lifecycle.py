# SPDX-License-Identifier: MIT
"""Starting, stopping and looking at the system, as make run, stop and status do."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from lib.client import Client
from lib.ports import free_ports
from lib.system import MODE, ROOT
from lib.wait import SLOWNESS, wait_until


@pytest.fixture(scope="module")
def own(make_system):
    system = make_system("own")
    yield system
    make_system.finish(system)


def pids(system):
    return {program: system.worker(program) for program in system.programs}


def test_starting_again_changes_nothing(own):
    before = pids(own)
    own.ctl("start")
    assert pids(own) == before
    assert own.gateway.get("/readyz").status == 200


def test_status(own):
    done = own.ctl("status")
    for part in ("nginx", *own.programs):
        assert re.search(rf"^{part}\b.*\bup\b", done.stdout, re.M), done.stdout
    assert str(own.ports["gateway"]) in done.stdout


def test_stop_and_start_keep_what_was_stored(own):
    order = own.gateway.post("/api/v1/orders", {"user_id": 1, "product": "kept", "amount": 5}).json()
    users = own.query("users", "SELECT count(*) FROM users")
    own.flush()
    own.stop()
    assert own.ctl("status", check=False).returncode == 1
    for name, port in own.ports.items():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"{name} still listens"
    own.stop()  # once more: nothing to do
    own.start()
    assert own.gateway.get(f"/api/v1/orders/{order['id']}").json() == order
    assert own.query("users", "SELECT count(*) FROM users") == users, "the seed is sown once"


def test_the_databases_are_durable_and_sound(own):
    for name in ("users", "orders", "notifications"):
        assert own.query(name, "PRAGMA journal_mode") == [("wal",)]
        assert own.query(name, "PRAGMA integrity_check") == [("ok",)]
        assert own.query(name, "PRAGMA user_version")[0][0] >= 1


def test_a_part_that_is_missing_is_started(own):
    old = pids(own)
    with own.without("users"):
        pass
    new = pids(own)
    assert new["users"] != old["users"]
    assert {name: pid for name, pid in new.items() if name != "users"} == \
        {name: pid for name, pid in old.items() if name != "users"}


def test_a_taken_port_is_named_before_anything_starts(own, make_system):
    """Two copies side by side: the second one's ports are judged one by one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        system = make_system.prepare("second")
        try:
            ports = dict(own.ports)
            system.ports = ports | {"gateway": port, "metrics": ports["metrics"]}
            done = system.ctl("start", check=False)
            assert done.returncode != 0
            for name in ("GATEWAY_PORT", "METRICS_PORT", "USERS_PORT", "ORDERS_PORT", "NOTIFICATIONS_PORT"):
                number = system.ports[name[:-5].lower()]
                assert re.search(rf"\b{number}\b.*\b{name}\b", done.stdout), (name, done.stdout)
            assert not list(system.run.glob("*.sock")) and not list(system.run.glob("*.pid"))
        finally:
            system.collector.close()


def test_what_nginx_refuses_is_told_before_anything_starts(make_system, tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    *ports, tls = free_ports(6)
    system = make_system.prepare("broken", environment={
        "TLS_CERTIFICATE": str(broken), "TLS_KEY": str(broken), "GATEWAY_TLS_PORT": str(tls)})
    system.ports = dict(zip(["gateway", "metrics", *system.services], ports))
    try:
        done = system.ctl("start", check=False)
        assert done.returncode != 0
        assert str(broken) in done.stdout and "nothing was started" in done.stdout, done.stdout
        assert not list(system.run.glob("*.sock")) and not list(system.run.glob("*.pid"))
    finally:
        system.collector.close()


def test_two_copies_run_side_by_side(own, make_system):
    second = make_system("side")
    answer = second.gateway.post("/api/v1/users", {"name": "only there", "email": "only@there"})
    assert answer.status == 201
    assert own.query("users", "SELECT count(*) FROM users WHERE email = 'only@there'") == [(0,)]
    make_system.finish(second)
    assert own.gateway.get("/readyz").status == 200


def test_sockets_are_for_the_owner_alone(own):
    for program in own.programs:
        mode = (own.run / f"{program}.sock").stat().st_mode & 0o777
        assert mode & 0o007 == 0 and mode & 0o600 == 0o600, oct(mode)


def test_service_ports_are_on_the_loopback_alone(own):
    """/proc/net/tcp: 0100007F is 127.0.0.1, 00000000 every address."""
    listening = {}
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in list(file)[1:]:
            fields = line.split()
            if fields[3] == "0A":
                address, port = fields[1].split(":")
                listening[int(port, 16)] = address
    for name, port in own.ports.items():
        if name != "gateway":
            assert listening[port] == "0100007F", (name, listening[port])


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("program", ["users", "orders", "notifications", "gateway"])
def test_a_program_ends_with_0_within_5_seconds(build, tmp_path, program, signum):
    """Straight on a socket of the test's, with a collector that refuses: nothing to wait for keeps it."""
    path = tmp_path / "s"
    (tmp_path / "logs").mkdir()
    (tmp_path / "access.log").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environment |= {
        "DATA_DIR": str(tmp_path), "LOG_DIR": str(tmp_path / "logs"), "SCHEMA_DIR": str(ROOT / "db/schema"),
        "PID_FILE": str(tmp_path / "pid"), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "ACCESS_LOG": str(tmp_path / "access.log"), "CHECKPOINT_FILE": str(tmp_path / "checkpoint"),
        "STUB_STATUS_URL": "http://127.0.0.1:9/", "READY_URLS": "", "USERS_PORT": "9", "NOTIFICATIONS_PORT": "9"}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        process = subprocess.Popen([ROOT / f"build/{MODE}/bin/{program}"], stdin=listener, env=environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_until(lambda: (tmp_path / "pid").exists() or process.poll() is not None, "no pid file")
    assert process.poll() is None, process.stdout.read()
    assert int((tmp_path / "pid").read_text()) == process.pid
    start = time.monotonic()
    process.send_signal(signum)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, b"")
    assert time.monotonic() - start < 5 * SLOWNESS
    assert not (tmp_path / "pid").exists()


def test_help_and_version(build):
    for program in ("users", "orders", "notifications", "gateway"):
        binary = ROOT / f"build/{MODE}/bin/{program}"
        version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
        assert (ROOT / "fcgi/VERSION").read_text().strip() in version
        assert subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout


def test_the_curl_lines_of_the_welcome_work(own):
    """What make run ends with, typed as it stands; the order is in the database then."""
    lines = [line.strip() for line in own.ctl("welcome").stdout.splitlines() if line.strip().startswith("curl ")]
    assert len(lines) == 3
    answers = []
    for line in lines:
        done = subprocess.run(["sh", "-c", f"{line} --silent --show-error --fail --noproxy '*'"], capture_output=True,
                              check=True)
        answers.append(json.loads(done.stdout.decode("utf-8")))
    users, order, notifications = answers
    assert len(users["items"]) >= 10
    assert (order["product"], order["amount"], order["notification"]) == ("测试商品", 99.99, "sent")
    assert notifications["items"][0]["order_id"] == order["id"]
    row, = own.query("orders", "SELECT product, amount_cents FROM orders WHERE id = ?", order["id"])
    assert row == ("测试商品", 9999)


def test_ctl_tells_how_to_use_it(own):
    assert "usage" in own.ctl("help").stdout
    done = own.ctl("nonsense", check=False)
    assert done.returncode == 2 and "usage" in done.stdout


def test_the_gateway_is_healthy_alone(own):
    """/healthz is nginx's own; the services' health is /readyz."""
    with own.without("orders"):
        assert own.gateway.get("/healthz").status == 200
        assert own.gateway.get("/readyz").status == 503
        with Client(own.ports["users"], traced=False) as users:
            assert users.get("/readyz").status == 200
    assert own.gateway.get("/readyz").status == 200
