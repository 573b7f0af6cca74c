# SPDX-License-Identifier: MIT
"""The entry points of the containers, each as the first process of its own: their logs are begun anew by themselves."""
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from lib import logs, metrics
from lib.client import Client
from lib.load import Load
from lib.nginx_alone import NginxAlone
from lib.program import Connection
from lib.system import INHERITED, MODE, ROOT
from lib.wait import wait_until

LONG = "/api/v1/nothing/" + "x" * 900


@pytest.fixture
def app(tmp_path):
    """What the images have below /app. Time passes faster."""
    (tmp_path / "stack/container").mkdir(parents=True)
    (tmp_path / "stack/defaults.env").symlink_to(ROOT / "stack/defaults.env")
    for script in (ROOT / "stack/container").iterdir():
        copy = tmp_path / "stack/container" / script.name
        copy.write_text(script.read_text().replace("/app/", f"{tmp_path}/"))
        copy.chmod(0o755)
    (tmp_path / "bin").symlink_to(ROOT / "build" / MODE / "bin")
    (tmp_path / "nginx").symlink_to(ROOT / "nginx")
    for folder in ("faster", "logs", "run", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "faster/sleep").write_text("#!/bin/sh\nexec /bin/sleep 0.2\n")
    (tmp_path / "faster/sleep").chmod(0o755)
    return tmp_path


class Container:
    """with Container(app, "program", "users", "user-service"): runs in a process namespace of its own."""

    def __init__(self, app, *command, **environment):
        kept = {name: text for name, text in os.environ.items() if INHERITED.fullmatch(name)}
        self.app, self.log = app, app / "logs"
        self.environment = kept | {
            "PATH": f"{app}/faster:{os.environ['PATH']}", "LOG_DIR": str(app / "logs"), "DATA_DIR": str(app / "data"),
            "RUN_DIR": str(app / "run"), "SOCKET_DIR": str(app / "run"), "SCHEMA_DIR": str(ROOT / "db/schema"),
            "SEED_DIR": str(ROOT / "db/seed"), "OTEL_TRACES_SAMPLER": "always_off", "LOG_MAX_MB": "1"} | environment
        self.command = [app / "stack/container" / command[0], *command[1:]]

    def __enter__(self):
        with open(self.app / "output", "wb") as output:
            self.process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=private", *self.command],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            self.first = wait_until(lambda: self.children(self.process.pid) or self.process.poll() is not None,
                                    "the first process")
            if self.process.poll() is not None and "Operation not permitted" in self.output():
                pytest.skip(f"no process namespaces here: {self.output().strip()}")
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def output(self):
        return (self.app / "output").read_text(errors="replace")

    @staticmethod
    def children(pid):
        try:
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    def family(self):
        """{pid: its command}, of all processes in it."""
        found, left = {}, list(self.first)
        while left:
            pid = left.pop()
            try:
                stat = Path(f"/proc/{pid}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            found[pid] = re.search(r"\((.*)\) (.)", stat, re.DOTALL).groups()
            left += self.children(pid)
        return found

    def end(self, signum):
        """As docker stop does it. Returns the exit code."""
        processes = self.family()
        os.kill(self.first[0], signum)
        code = self.process.wait(30)
        assert not any(Path(f"/proc/{pid}").exists() for pid in processes), "a process outlives the container"
        return code

    def generations(self, name):
        return sorted(self.log.glob(f"{name}.[0-9]*"))

    def requests_logged(self, name):
        return sorted(line["trace_id"] for path in [self.log / name, *self.generations(name)]
                      for line in logs.read(path)[0] if line["msg"] == "request")


def check_first(container, name):
    """The first process is the program itself, which gets the signals, and nothing that has ended stays."""
    assert container.family()[container.first[0]][0] == name, container.family()
    wait_until(lambda: "Z" not in {state for _, state in container.family().values()}, container.family, interval=0.01)


def test_a_program(app):
    with Container(app, "program", "users", "user-service", PID_FILE=str(app / "pid"), LOG_KEEP="50") as container:
        wait_until((app / "pid").exists, container.output)
        connection, answered = Connection(app / "run/users.sock"), []
        while len(container.generations("user-service.log")) < 3:
            answered.append(connection.ask(path=LONG).headers["X-Trace-Id"])
        check_first(container, "multiwatch")

        def counted(name):
            return metrics.total(metrics.samples(connection.ask(path="/metrics").body.decode()), name)
        wait_until(lambda: len(container.requests_logged("user-service.log")) + counted("log_lines_dropped_total")
                   >= len(answered), "lines")
        found = container.requests_logged("user-service.log")
        assert len(found) == len(set(found)) == len(answered) - counted("log_lines_dropped_total")
        assert set(found) <= set(answered)
        connection.close()
        assert container.end(signal.SIGTERM) == 0
    assert container.output() == "users listens\n"


def test_nginx(app, tmp_path_factory):
    ports = NginxAlone(tmp_path_factory.mktemp("n"), programs=()).settings()
    ports = {name: text for name, text in ports.items() if name.endswith("_PORT")}
    with Container(app, "nginx", SERVICE_ADDRESS="127.0.0.1", LOG_KEEP="50", **ports) as container:
        gateway = int(ports["GATEWAY_PORT"])

        def answers():
            try:
                with Client(gateway, traced=False) as client:
                    return client.get("/healthz").status == 200
            except OSError:
                return False
        wait_until(answers, container.output)
        with Load(gateway, [("GET", LONG, None)]) as load:
            wait_until(lambda: len(container.generations("api-gateway.log")) >= 3, "three files", 60)
        assert not load.faults(404)
        check_first(container, "nginx")
        wanted = sorted(result.answer.trace_id for result in load.results)
        wait_until(lambda: len(container.requests_logged("api-gateway.log")) >= len(wanted), "lines")
        assert container.requests_logged("api-gateway.log") == wanted
        for name in ("api-gateway.log", "nginx-error.log"):  # a person takes them away
            (container.log / name).rename(container.log / f"{name}.kept")
            wait_until((container.log / name).exists, f"{name} is not begun anew")
        assert container.end(signal.SIGQUIT) == 0


@pytest.fixture
def rotated(app):
    """A log, and the script beside a process that writes nothing, but opens it anew as a program does."""
    log = app / "logs/x.log"
    writer = "trap 'exec 3>>x.log' USR1; exec 3>>x.log; echo $$ >../pid; echo hello >&3; "
    script = f"{app}/stack/container/rotate x.log; cd {app}/logs; {writer} while :; do /bin/sleep 0.1; done"
    (app / "stack/container/writer").write_text(f"#!/bin/sh\n{script}\n")
    (app / "stack/container/writer").chmod(0o755)

    def start(**environment):
        return Container(app, "writer", PID_FILE=str(app / "pid"), **environment)
    start.log = log
    return start


def fill(log):
    with open(log, "ab") as file:
        file.write(b"x" * (1 << 20) + b"\n")


def test_only_so_many_are_kept(rotated):
    with rotated(LOG_KEEP="2") as container:
        wait_until(lambda: rotated.log.exists() and rotated.log.stat().st_size, "the writer")
        for name in ("x.log.2", "x.log.3", "x.log.4", "x.log.kept"):
            (container.log / name).write_text("old\n")
        for _ in range(3):
            inode = rotated.log.stat().st_ino
            fill(rotated.log)
            wait_until(lambda: rotated.log.stat().st_ino != inode and not rotated.log.stat().st_size, container.output)
        wait_until(lambda: sorted(path.name for path in container.log.iterdir())
                   == ["x.log", "x.log.1", "x.log.2", "x.log.kept"], lambda: list(container.log.iterdir()))
        assert not container.output()


def test_a_log_that_cannot_be_begun_anew(rotated):
    with rotated(LOG_KEEP="1") as container:
        wait_until(lambda: rotated.log.exists() and rotated.log.stat().st_size, "the writer")
        (container.log / "x.log.1" / "something").mkdir(parents=True)
        fill(rotated.log)
        wait_until(lambda: "cannot be begun anew and grows on" in container.output(), "nothing is said")
        for _ in range(3):  # it looks again: who writes a log that was moved is told
            rotated.log.rename(container.log / "moved")
            wait_until(rotated.log.exists, container.output)
            (container.log / "moved").replace(rotated.log)
        assert container.output().count("cannot be begun anew") == 1
        shutil.rmtree(container.log / "x.log.1")
        wait_until(lambda: (container.log / "x.log.1").is_file() and not rotated.log.stat().st_size, container.output)


@pytest.mark.parametrize("name, text", [
    ("LOG_MAX_MB", "64M"), ("LOG_MAX_MB", "-1"), ("LOG_KEEP", "0"), ("LOG_KEEP", "100"),
    ("LOG_MAX_MB", "99999999999999999999"), ("LOG_MAX_MB", "064")])
def test_settings_are_checked(rotated, name, text):
    """The container ends, and says why."""
    with rotated(**{name: text}) as container:
        wait_until(lambda: f"{name} is '{text}': it has to be a whole number from" in container.output(),
                   container.output)


def test_without_a_limit(rotated):
    with rotated(LOG_MAX_MB="0") as container:
        wait_until(lambda: rotated.log.exists() and rotated.log.stat().st_size, "the writer")
        fill(rotated.log)
        looks = rotated.log.with_name("moved")
        rotated.log.rename(looks)
        wait_until(rotated.log.exists, "the script looks")
        assert not container.generations("x.log")
