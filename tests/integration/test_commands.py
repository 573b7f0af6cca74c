# SPDX-License-Identifier: MIT
"""make run and its siblings tell the truth: what was asked runs, what could not be done is said, strangers are left."""
import json
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from lib import sandbox
from lib.client import Client
from lib.ports import free_port, free_ports
from lib.system import INHERITED, MODE, ROOT, alive, locks
from lib.wait import wait_until

# Another test, or an outgoing connection, was faster.
PORT_TROUBLE = re.compile(r"is taken|cannot be had|Address already in use|are both \d+")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def own(make_system):
    """Settings are changed on it and changed back."""
    system = make_system("own")
    system.repeats_expected = True  # the gateway is started anew under load, perhaps before the collector has answered
    yield system
    make_system.finish(system)


@pytest.fixture
def prepared(make_system):
    """Systems that a test starts by itself, and that are ended in any case."""
    made = []

    def prepare(name, **options):
        system = make_system.prepare(name, **options)
        names = ["gateway", "metrics", *system.services]
        system.ports = dict(zip(names, free_ports(len(names))))
        made.append(system)
        return system

    yield prepare
    for system in made:
        system.abandon()


@pytest.fixture
def open_directory():
    """One that every user may enter, as none below the tests' own is."""
    directory = Path(tempfile.mkdtemp(prefix="apm-test.", dir="/tmp"))
    directory.chmod(0o755)
    for path in ROOT.parents:
        if not path.stat().st_mode & 0o001:
            pytest.skip(f"{path} may not be entered by others")
    yield directory
    shutil.rmtree(directory)


def pids(system):
    return {name: part["pid"] for name, part in system.parts().items()}


def settings_of(system):
    return json.loads((system.run / "settings.json").read_text())


@contextmanager
def asked(system):
    """Orders and users are asked for all the while; none may be refused."""
    answers, stop = [], threading.Event()

    def ask(path, body):
        while not stop.is_set():
            try:
                with Client(system.ports["gateway"], traced=False) as client:
                    answers.append(client.post(path, body).status if body else client.get(path).status)
            except OSError as error:
                answers.append(repr(error))
    order = {"user_id": 1, "product": "asked", "amount": 1}
    threads = [threading.Thread(target=ask, args=arguments)
               for arguments in (("/api/v1/users/1", None), ("/api/v1/orders", order))]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(answers) > 10, "answers")
        yield
        count = len(answers)
        wait_until(lambda: len(answers) > count + 10, "answers")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {200, 201}, {answer: answers.count(answer) for answer in set(answers)}


# ---- what was asked runs

def test_settings_on_a_running_system(own):
    before = pids(own)
    with asked(own):
        done = own.ctl("start", LOG_LEVEL="debug")
        assert re.findall(r"^  (\w+) +started anew$", done.stdout, re.M) == own.programs
        after = pids(own)
        assert after["nginx"] == before["nginx"] and not set(after.values()) & set(before.values()) - {after["nginx"]}
        for name in own.programs:
            assert b"LOG_LEVEL=debug" in Path(f"/proc/{after[name]}/environ").read_bytes().split(b"\0")
        done = own.ctl("start", LOG_LEVEL="debug", TRACE_TRUST="off")
        assert "nginx          took its new configuration" in done.stdout and "started anew" not in done.stdout
        assert pids(own) == after
        own.ctl("start")
    assert "nothing had to be changed" in own.ctl("start").stdout


def test_a_port_that_moves(own):
    """The callers learn of it, and nothing fails meanwhile; settings.json remembers it."""
    port = str(free_port())
    with asked(own):
        own.ctl("start", USERS_PORT=port)
        with Client(int(port), traced=False) as users:
            assert users.get("/readyz").status == 200
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", own.ports["users"])) != 0, "the port that was left still listens"
        assert settings_of(own)["USERS_PORT"] == port
        own.ctl("start")


def test_tls_trust_and_limit_on_a_running_system(own):
    """What faces the public is really so, or the command fails."""
    port = free_port()
    done = own.ctl("start", TLS="generate", GATEWAY_TLS_PORT=str(port), TRACE_TRUST="off", RATE_LIMIT="2")
    assert f"https://{os.uname().nodename}:{port}" in done.stdout
    url = f"https://localhost:{port}/api/v1/users"
    curl = ["curl", "-s", "--noproxy", "*", "--cacert", own.run / "tls/certificate.pem"]
    given = "4bf92f3577b34da6a3ce929d0e0e4736"
    head = subprocess.run([*curl, "-i", "-H", f"traceparent: 00-{given}-00f067aa0ba902b7-01", url],
                          capture_output=True, text=True, check=True).stdout
    assert re.match(r"HTTP/(1\.1|2) 200", head) and given not in head
    codes = {subprocess.run([*curl, "-o", "/dev/null", "-w", "%{http_code}", url], capture_output=True, text=True,
                            check=True).stdout for _ in range(12)}
    assert "429" in codes
    addresses = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
                 if line.split()[3] == "0A"}
    assert f"0100007F:{own.ports['gateway']:04X}" in addresses, "plain HTTP is for this machine alone"
    assert f"00000000:{own.ports['gateway']:04X}" not in addresses
    done = own.ctl("start")
    assert "https" not in done.stdout
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert own.gateway.get("/api/v1/users/1").status == 200


def test_a_renewed_certificate_is_served(own, tmp_path):
    port = free_port()
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"

    def renew(name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        own.ctl("start", TLS_CERTIFICATE=str(certificate), TLS_KEY=str(key), GATEWAY_TLS_PORT=str(port))
        shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, check=False).stdout
        assert re.search(rf"CN ?= ?{name}", shown), shown
    renew("first.example")
    renew("second.example")
    own.ctl("start")


def test_an_edited_program_runs(prepared, tmp_path_factory):
    """The one whose source was edited is started anew, no other; nobody is refused."""
    tree = sandbox.copy_tree(tmp_path_factory.mktemp("edited"))
    sandbox.build(tree)
    system = prepared("edited", root=tree)
    system.start()
    before = pids(system)
    source = tree / "fcgi/services/users.c"
    text = source.read_text()
    assert '.service_name = "user-service"' in text
    source.write_text(text.replace("int main(", "const char edited[] __attribute__((used)) = \"edited\";\n\nint main("))
    with asked(system):
        make = subprocess.run(["make", "-s", "run"], cwd=tree, env=system.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
    assert make.returncode == 0, make.stdout
    assert "  users          started anew\n" in make.stdout, make.stdout
    after = pids(system)
    assert [name for name in before if before[name] != after[name]] == ["users"]


def test_restart(own):
    before = pids(own)
    with asked(own):
        own.ctl("restart")
        after = pids(own)
        assert {name for name in before if before[name] == after[name]} == {"nginx"}, "its main process keeps the ports"
        own.ctl("restart", "orders")
        assert [name for name in after if pids(own)[name] != after[name]] == ["orders"]
    done = own.ctl("restart", LOG_LEVEL="debug", check=False)
    assert done.returncode == 1 and "make run LOG_LEVEL=" in done.stdout
    done = own.ctl("restart", "nonsense", check=False)
    assert done.returncode == 1 and "these run: nginx, users" in done.stdout


# ---- which system is meant, and what is said of it

def bare(system, **settings):
    """The environment of somebody who knows nothing but where the system runs."""
    kept = {name: text for name, text in os.environ.items() if INHERITED.fullmatch(name)}
    return kept | {"RUN_DIR": str(system.run)} | settings


def ctl(environment, *arguments):
    return subprocess.run([ROOT / "stack/native/ctl", *arguments], env=environment, stdin=subprocess.DEVNULL, cwd="/",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def test_other_commands_know_the_settings(own):
    done = ctl(bare(own), "status")
    assert done.returncode == 0, done.stdout
    for name in ("orders", "users"):
        assert f"http://127.0.0.1:{own.ports[name]} ready" in done.stdout
    assert "8080" not in done.stdout and "console" not in done.stdout and "traces" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_status_says_what_is_down_and_what_to_do(own, tmp_path):
    with own.without("orders"):
        done = ctl(bare(own), "status")
        assert done.returncode == 1
        assert re.search(r"^orders +DOWN +- ", done.stdout, re.M) and "make run" in done.stdout
    done = ctl({**bare(own), "RUN_DIR": str(tmp_path)}, "status")
    assert done.returncode == 1 and "does not run" in done.stdout and "make run" in done.stdout
    assert "http" not in done.stdout


def test_make_does_not_shout(own, tmp_path):
    for goal in ("status", "restart"):
        done = subprocess.run(["make", goal], cwd=ROOT, env={**bare(own), "RUN_DIR": str(tmp_path)}, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode != 0 and "does not run" in done.stdout
        assert "***" not in done.stdout and "Error" not in done.stdout, done.stdout
    done = subprocess.run(["make", "status"], cwd=ROOT, env=bare(own), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name, value", [
    ("LOG_LEVEL", "loud"), ("WORKER_THREADS", "0"), ("WORKER_THREADS", "1e2"), ("GATEWAY_PORT", "65536"),
    ("TRACE_TRUST", "yes"), ("CONSOLE", "maybe"), ("RATE_LIMIT", "1,5"), ("TRACE_SAMPLE_PERCENT", "101"),
    ("GATEWAY_ADDRESS", "everywhere"), ("SERVICE_ADDRESS", "127.0.0.1; return 200"), ("MODE", "fast"),
    ("TEMPO_URL", "http://a\nproxy_pass http://b"), ("TEMPO_URL", "tempo"), ("LOG_DIR", "/tmp/a\"b"),
    ("RUN_DIR", "/" + 40 * "é" + "/run"), ("PORT_BASE", "80"), ("TLS", "yes"), ("TLS_KEY", "/only/the/key"),
    ("CALL_TIMEOUT_MS", "-1"), ("START_TIMEOUT_SECONDS", "soon")])
def test_bad_settings_are_told(tmp_path, name, value):
    """With the variable, its value and what it has to be; nothing is made or started."""
    environment = {name_: text for name_, text in os.environ.items() if INHERITED.fullmatch(name_)}
    environment |= {"RUN_DIR": str(tmp_path / "run"), "DATA_DIR": str(tmp_path / "data"),
                    "LOG_DIR": str(tmp_path / "logs"), name: value}
    done = ctl(environment, "start")
    assert done.returncode == 2 and name in done.stdout and "Traceback" not in done.stdout, done.stdout
    assert not list(tmp_path.iterdir())


def test_one_base_moves_all_ports(prepared):
    """A second copy beside the first one needs one setting; none of its spans reaches the first one's store."""
    system = prepared("base", environment={"CONSOLE": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": ""})
    for _ in range(20):
        base = free_port()
        system.ports = {}
        system.overrides |= {"PORT_BASE": str(base)}
        done = system.ctl("start", check=False)
        if done.returncode == 0 or not PORT_TROUBLE.search(done.stdout):
            break
    assert done.returncode == 0, done.stdout
    listening = {int(line.split()[1].split(":")[1], 16) for line in
                 Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"}
    for default in (8080, 8081, 8082, 8083, 8084, 8085, 4318, 3200):
        assert default + base - 8080 in listening, default
    values = settings_of(system)
    assert values["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://127.0.0.1:{4318 + base - 8080}"


def test_where_spans_go_is_said_and_done(prepared):
    port = free_port()
    system = prepared("spans", environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "", "TRACE_STORE": "off",
                                            "OTLP_HTTP_PORT": str(port), "OTEL_BSP_SCHEDULE_DELAY": ""})
    done = system.ctl("start")
    assert f"http://127.0.0.1:{port}, where nothing listens" in done.stdout
    environment = Path(f"/proc/{system.worker('orders')}/environ").read_bytes().split(b"\0")
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{port}".encode() in environment
    assert b"OTEL_BSP_SCHEDULE_DELAY=1000" in environment, "a person would wait five seconds for a trace"


def test_all_taken_ports_in_one_message(own, prepared):
    system = prepared("second")
    free = dict(system.ports)
    system.ports = own.ports | {"metrics": free["metrics"]}
    done = system.ctl("check", check=False)
    assert done.returncode == 1
    for name in ("GATEWAY", "USERS", "ORDERS", "NOTIFICATIONS"):
        assert re.search(rf"port {own.ports[name.lower()]} \({name}_PORT\) is taken by nginx \(pid \d+\)", done.stdout)
    assert "METRICS_PORT" not in done.stdout and "make run PORT_BASE=" in done.stdout
    assert ctl(own.environment(), "check").returncode == 0, "its own ports are not taken"


def test_make_run_looks_at_ports_before_it_builds(own, tmp_path_factory):
    tree = tmp_path_factory.mktemp("unbuilt")
    for part in sandbox.PARTS:
        (tree / part).parent.mkdir(parents=True, exist_ok=True)
        (tree / part).symlink_to(ROOT / part)
    environment = own.environment() | {"RUN_DIR": str(tree / "run"), "LOG_DIR": str(tree / "logs"),
                                       "DATA_DIR": str(tree / "data")}
    (tree / "stack/native").unlink()
    subprocess.run(["cp", "-R", ROOT / "stack/native", tree / "stack/native"], check=True)
    done = subprocess.run(["make", "run"], cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    assert done.returncode != 0 and "is taken by" in done.stdout
    assert "  CC " not in done.stdout and "***" not in done.stdout


# ---- a start that fails leaves nothing

def nothing_runs(system):
    assert not system.parts() and not locks.holders(system.run / "parts.lock")
    assert not list(system.run.glob("*.sock"))


def test_a_port_that_an_outgoing_connection_has(prepared):
    system = prepared("outgoing")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as connection:
        connection.bind(("127.0.0.1", system.ports["orders"]))
        connection.connect(server.getsockname())
        done = system.ctl("start", check=False)
    assert done.returncode == 1 and f"port {system.ports['orders']} (ORDERS_PORT)" in done.stdout, done.stdout
    assert "nothing was started" in done.stdout


def test_a_program_that_does_not_come_up(prepared):
    """Which part, why, and what to do, soon; and nothing is left."""
    system = prepared("damaged")
    system.data.mkdir(parents=True)
    (system.data / "orders.db").write_bytes(b"no database at all" * 1000)
    done = system.ctl("start", check=False)
    assert done.returncode == 1
    assert re.search(r"^apm: orders (does not come up|is not ready)", done.stdout, re.M), done.stdout
    assert "nothing was left running" in done.stdout
    nothing_runs(system)


def test_a_part_that_hangs_is_told_in_time(prepared):
    system = prepared("hanging", environment={"START_TIMEOUT_SECONDS": "2", "MODE": MODE})
    tree = system.dir / "tree"
    sandbox.copy_tree(tree)
    system.root = tree
    binary = tree / f"build/{MODE}/bin"
    binary.mkdir(parents=True)
    for name in system.programs:
        (binary / name).symlink_to(ROOT / f"build/{MODE}/bin/{name}")
    (binary / "orders").unlink()
    (binary / "orders").write_text("#!/bin/sh\nexec sleep 1000\n")
    (binary / "orders").chmod(0o755)
    done = system.ctl("start", check=False)
    assert done.returncode == 1 and "apm: orders is not ready" in done.stdout, done.stdout
    assert "START_TIMEOUT_SECONDS" in done.stdout and "nothing was left running" in done.stdout
    nothing_runs(system)


def test_what_nginx_refuses_changes_nothing(own, tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    before = pids(own)
    done = own.ctl("start", TLS_CERTIFICATE=str(broken), TLS_KEY=str(broken), LOG_LEVEL="debug", check=False)
    assert done.returncode == 1 and str(broken) in done.stdout and "nothing was changed" in done.stdout
    assert pids(own) == before and "TLS_CERTIFICATE" not in own.ctl("status").stdout
    os.kill(before["users"], 0)
    assert "nothing had to be changed" in own.ctl("start").stdout


@pytest.mark.parametrize("bad", [{"USERS_URL": "no-url"}, {"SCHEMA_DIR": "/nonexistent"},
                                 {"NOTIFICATIONS_URL": "ftp://a"}])
def test_what_does_not_come_up_is_taken_back(own, bad):
    """A running system is not taken down by a setting that its programs refuse."""
    settings = settings_of(own)
    done = own.ctl("start", check=False, START_TIMEOUT_SECONDS="5", **bad)
    assert done.returncode != 0 and "Traceback" not in done.stdout, done.stdout
    assert own.gateway.get("/readyz").status == 200, done.stdout
    assert settings_of(own) == settings
    own.ctl("start")
    for program in own.programs:  # each tried some times
        own.deaths[program] = sum(line.get("part") == program and line["msg"] == "ended" and line["level"] == "error"
                                  for line in own.log_lines("supervisor"))
        (own.run / f"{program}.stderr").write_text("")


def test_another_address_for_the_services(own):
    """All that find each other by it are told."""
    own.ctl("start", SERVICE_ADDRESS="127.0.0.2")
    order = own.gateway.post("/api/v1/orders", {"user_id": 1, "product": "elsewhere", "amount": 1})
    assert order.status == 201 and order.json()["notification"] == "sent"
    assert own.gateway.get("/readyz").status == 200
    own.ctl("start")


def test_backup_knows_where_the_data_is(own, tmp_path):
    done = subprocess.run(["make", "backup"], cwd=ROOT, env=bare(own, BACKUP_DIR=str(tmp_path)), capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    backup, = tmp_path.iterdir()
    with sqlite3.connect(f"file:{backup}/orders.db?mode=ro", uri=True) as copy:
        count = "SELECT count(*) FROM orders"
        assert copy.execute(count).fetchall() == own.query("orders", count)


def test_a_command_works_without_a_reader(prepared):
    system = prepared("unheard")
    ctl_ = f"'{ROOT}/stack/native/ctl'"
    for command in (f"{ctl_} start | true", f"{ctl_} stop >&- 2>&-", f"{ctl_} start >/dev/full", f"{ctl_} stop | true"):
        done = subprocess.run(["sh", "-c", command], env=system.environment(), check=False, capture_output=True,
                              text=True)
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr, (command, done.stderr)
        wait_until(lambda: bool(system.parts()) == ("start" in command), command)


def test_logs_that_were_removed(own):
    """What is written after a second is there again."""
    shutil.rmtree(own.log)
    own.deaths = dict.fromkeys(own.deaths, 0)  # what was written of them is gone as well
    wait_until((own.log / "api-gateway.log").exists, "the access log is not made anew")
    trace = own.gateway.get("/api/v1/users/1").trace_id
    own.wait_log("user-service", lambda line: line.get("trace_id") == trace, "the request's")


def test_few_descriptors_are_raised(prepared):
    system = prepared("few")
    environment = system.environment()
    command = str(ROOT / "stack/native/ctl")
    done = subprocess.run(["sh", "-c", f"ulimit -Sn 64; exec '{command}' start"], env=environment, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    limits = Path(f"/proc/{system.worker('orders')}/limits").read_text()
    assert int(re.search(r"Max open files +(\d+)", limits)[1]) >= 1024


@root_only
def test_a_limit_of_descriptors_is_told(open_directory):
    """With the number that is needed. Root may raise even the hard limit, so somebody else is asked."""
    os.chown(open_directory, 65534, 65534)
    environment = {"PATH": os.environ["PATH"], "MODE": MODE}
    environment |= {f"{name}_DIR": str(open_directory / name) for name in ("RUN", "DATA", "LOG")}
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c",
                           f"ulimit -n 64; exec '{ROOT}/stack/native/ctl' start"], env=environment, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 1 and "1024 are needed" in done.stdout, done.stdout


def test_a_tempo_that_cannot_be_resolved(prepared):
    """Only its page says so."""
    console, otlp, tempo = free_ports(3)
    system = prepared("unresolved", environment={
        "CONSOLE": "on", "CONSOLE_PORT": str(console), "TEMPO_URL": "http://tempo.invalid:3200", "TRACE_STORE": "off",
        "OTLP_HTTP_PORT": str(otlp), "TRACES_PORT": str(tempo)})
    done = system.ctl("start")
    assert "tempo.invalid, which cannot be resolved" in done.stdout
    with Client(console, traced=False) as client:
        answer = client.get("/tempo/api/search")
        assert answer.status == 502 and "tempo.invalid" in answer.json()["detail"]
        assert client.get("/").status == 200


# ---- processes: ours, and strangers

def test_stale_numbers_are_not_believed(prepared, stranger):
    """Whatever a file says, only what is proven ours is signalled: by stop, by reopening logs, by a start."""
    system = prepared("stale")
    system.run.mkdir(parents=True)

    def plant():
        for name in ("nginx.pid", "orders.pid", "orders.worker.pid", "gateway.worker.pid", "supervisor.lock",
                     "supervisor.pid", "parts.lock"):
            (system.run / name).write_text(f"{stranger.pid}\n")
    plant()
    system.ctl("stop")
    system.ctl("start")
    plant()
    system.ctl("reopen-logs")
    system.ctl("stop")
    nothing_runs(system)


@pytest.mark.parametrize("victim", ["supervisor", "nginx", "orders"])
def test_kill_9(prepared, victim):
    """What is killed is back by itself, or is told as down; nothing outlives make stop, nothing runs twice."""
    system = prepared("killed")
    system.start()
    before = pids(system)
    workers = Path(f"/proc/{before['nginx']}/task/{before['nginx']}/children").read_text().split()
    os.kill(system.supervisor() if victim == "supervisor" else before[victim], signal.SIGKILL)
    if victim == "supervisor":
        wait_until(lambda: not any(map(alive, before.values())), "they outlive their supervisor")
        assert system.ctl("status", check=False).returncode == 1
        system.ctl("start")
    else:
        wait_until(lambda: system.worker(victim) not in (None, before[victim]), "it does not come back")
        wait_until(lambda: system.ctl("status", check=False).returncode == 0, "not well again")
    if victim == "nginx":
        wait_until(lambda: not any(alive(int(pid)) for pid in workers), "its workers stay")
    assert system.gateway.get("/readyz").status == 200
    ours = set(locks.holders(system.run / "parts.lock"))
    system.ctl("stop")
    assert not any(alive(pid) for pid in ours)
    nothing_runs(system)


def test_a_frozen_part_ends_with_its_supervisor(prepared):
    """What cannot hear the kernel's signal is found by the lock that it holds, and killed."""
    system = prepared("frozen")
    system.start()
    users = system.worker("users")
    os.kill(users, signal.SIGSTOP)
    os.kill(system.supervisor(), signal.SIGKILL)
    system.ctl("start")
    assert not alive(users)
    assert system.gateway.get("/readyz").status == 200


def test_two_starts_at_once(prepared):
    system = prepared("twice")
    command = [ROOT / "stack/native/ctl", "start"]
    both = [subprocess.Popen(command, env=system.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sum("apm is starting" in output for output in outputs) == 1, outputs
    assert len(locks.holders(system.run / "supervisor.lock")) == 1


def test_nothing_of_the_caller_is_inherited(prepared, tmp_path):
    """A caller that holds a lock gets it back, whatever it started."""
    system = prepared("inherits")
    lock = tmp_path / "lock"
    done = subprocess.run(["flock", lock, "sh", "-c", f"exec 7<{lock}; exec '{ROOT}/stack/native/ctl' start"],
                          env=system.environment(), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not locks.holders(lock)
    assert subprocess.run(["flock", "-n", lock, "true"], check=False).returncode == 0


@root_only
def test_another_user_is_told(prepared, open_directory):
    system = prepared("foreign")
    system.dir = open_directory
    system.run, system.data, system.log = (system.dir / name for name in ("run", "data", "logs"))
    system.start()
    before = pids(system)
    nobody = pwd.getpwnam("nobody")
    for command in ("stop", "start", "status", "reopen-logs"):
        done = subprocess.run(["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
                               ROOT / "stack/native/ctl", command], env=system.environment(), check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 1 and "root" in done.stderr and "Traceback" not in done.stderr, (command, done)
    assert pids(system) == before
    assert system.ctl("status").returncode == 0


def test_a_system_without_its_run_dir_ends(prepared):
    """Nobody could reach it any more, neither nginx nor make stop."""
    system = prepared("removed")
    system.start()
    ours = [system.supervisor(), *pids(system).values()]
    for path in system.run.glob("*"):
        if path.is_file() or path.is_socket():
            path.unlink()
    wait_until(lambda: not any(map(alive, ours)), "it runs on", seconds=60)


def test_a_socket_that_a_killed_nginx_left(prepared):
    """It must not hinder the gateway from closing: what was accepted is answered."""
    system = prepared("closed")
    system.start()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(system.run / "closed.sock"))
    subprocess.run([ROOT / "nginx/drain", str(system.worker("nginx"))], env=system.environment(), check=True)
    with socket.socket() as gateway, socket.socket() as users:
        assert gateway.connect_ex(("127.0.0.1", system.ports["gateway"])) != 0, "it was not closed"
        assert users.connect_ex(("127.0.0.1", system.ports["users"])) == 0
    assert "[emerg]" not in (system.log / "nginx-error.log").read_text()


# ---- an unkind machine

def test_zone_locale_mask_and_search_path(prepared):
    """Logs are in UTC, and the console can read them, whatever the machine says."""
    console, otlp, tempo = free_ports(3)
    system = prepared("unkind", environment={
        "TZ": "Asia/Kathmandu", "LC_ALL": "de_DE.UTF-8", "CDPATH": ".:/:/usr", "CONSOLE": "on",
        "CONSOLE_PORT": str(console), "OTLP_HTTP_PORT": str(otlp), "TRACES_PORT": str(tempo)})
    done = subprocess.run(["sh", "-c", f"umask 077; cd '{ROOT}/..' && exec make -C '{ROOT}' -s run"], check=False,
                          env=system.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    os.kill(system.worker("nginx"), signal.SIGHUP)
    with Client(console, traced=False) as client:
        assert client.get("/logs/user-service.log").status == 200
    system.gateway.get("/api/v1/users/1")
    wait_until(lambda: system.log_lines("api-gateway"), "a line")
    system.ctl("stop", "orders")
    assert system.gateway.get("/api/v1/orders/1").status == 503  # nginx says why in its error log
    error_log = system.log / "nginx-error.log"
    wait_until(lambda: "orders.sock" in error_log.read_text(), "an error line")
    hours = {time.gmtime(time.time() - back)[:4] for back in (0, 3600)}  # the whole test may cross an hour
    stamps = re.findall(r"^(\d{4})/(\d\d)/(\d\d) (\d\d):", error_log.read_text(), re.M)
    stamps += [re.split("[-T:]", line["ts"])[:4] for line in system.log_lines("api-gateway")]
    assert stamps and {tuple(map(int, stamp)) for stamp in stamps} <= hours


def test_paths_with_spaces_and_letters(make_system, tmp_path_factory):
    system = make_system.prepare("plain")
    system.dir = tmp_path_factory.mktemp("p") / "一 個 ü"
    system.run, system.data, system.log = (system.dir / name for name in ("run", "data", "logs"))
    try:
        system.start()
        assert system.gateway.get("/readyz").status == 200
        assert system.ctl("status").returncode == 0
    finally:
        system.close()
