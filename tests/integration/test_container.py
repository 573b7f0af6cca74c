# SPDX-License-Identifier: MIT
"""A program's container without Docker: its entry point, which lets a new container take the place of the one of before
(stack/container/program), with the real spawn-fcgi, multiwatch and nginx."""
import os
import re
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from lib.load import MIXED, Load
from lib.nginx_alone import SERVICES, NginxAlone
from lib.system import INHERITED, MODE, ROOT
from lib.wait import SLOWNESS, wait_until


@pytest.fixture
def nginx(tmp_path_factory, build):
    missing = [name for name in ("spawn-fcgi", "multiwatch", "flock") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}, which the images of the containers have")
    one = NginxAlone(tmp_path_factory.mktemp("c"), programs=())
    for name in ("data", "tmp"):
        (one.dir / name).mkdir()
    yield one.start()
    one.close()


class Container:
    """The processes of one container: those of the entry point, which are one group."""

    def __init__(self, nginx, name, number, **environment):
        self.output = nginx.dir / f"{name}.{number}.out"
        env = {key: value for key, value in os.environ.items() if INHERITED.fullmatch(key)}
        env |= {"SOCKET_DIR": str(nginx.run), "LOG_DIR": str(nginx.log), "DATA_DIR": str(nginx.dir / "data"),
                "SCHEMA_DIR": str(ROOT / "db/schema"), "SEED_DIR": str(ROOT / "db/seed"), "OTEL_SDK_DISABLED": "true",
                "PID_FILE": str(nginx.dir / f"tmp/{name}.{number}.pid"), "BIN_DIR": str(ROOT / "build" / MODE / "bin")}
        env |= {f"{each.upper()}_URL": f"http://127.0.0.1:{nginx.ports[each]}" for each in SERVICES} | environment
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen([ROOT / "stack/container/program", name, name], env=env, cwd=nginx.dir,
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                            start_new_session=True)

    def wait_listens(self):
        wait_until(lambda: "listens" in self.output.read_text(), lambda: f"it listens: {self.output.read_text()}")
        return self

    def stop(self):
        """As docker stop does: SIGTERM for its first process, whose end is the container's."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10 * SLOWNESS) is not None
        self.kill()

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


@pytest.fixture
def start(nginx):
    """Starts a container of a service; ends them all."""
    made = []

    def begin(name, **environment):
        made.append(Container(nginx, name, len(made), **environment))
        return made[-1].wait_listens()
    yield begin
    for one in made:
        one.kill()


def rows(nginx, database, sql):
    with closing(sqlite3.connect(nginx.dir / f"data/{database}.db")) as connection:
        return connection.execute(sql).fetchall()


def test_no_request_is_lost_while_containers_are_replaced(nginx, start):
    running = {name: start(name) for name in SERVICES}
    wait_until(lambda: all(nginx.get(f"/api/v1/{name}").status == 200 for name in SERVICES), "the services answer")
    with Load(nginx.ports["gateway"], MIXED, threads=8) as load:
        for name in (*SERVICES, *SERVICES):
            load.wait_more(100)
            new = start(name)
            running[name].stop()
            running[name] = new
            load.wait_more(100)
    assert not load.faults()
    stored = rows(nginx, "orders", "SELECT id FROM orders ORDER BY id")
    assert load.orders() == [number for number, in stored][-len(load.orders()):]
    assert not rows(nginx, "notifications", "SELECT 1 FROM notifications GROUP BY order_id HAVING count(*) > 1")
    for one in running.values():
        assert "LOG_DIR" not in one.output.read_text(), "it waited, and did not try in vain"


def test_what_the_one_of_before_has_not_accepted_is_answered(nginx, start):
    """Frozen, it accepts nothing: requests wait in its queue when its place is taken, and when it is told to end."""
    old = start("users", WORKER_THREADS="1")
    wait_until(lambda: nginx.get("/api/v1/users").status == 200, "it answers")
    worker = int((nginx.dir / "tmp/users.0.pid").read_text())
    os.kill(worker, signal.SIGSTOP)
    with Load(nginx.ports["gateway"], [("POST", "/api/v1/users", {})], threads=12) as load:
        wait_until(lambda: len(unix_queue(nginx.run / "users.sock")) >= 12, "12 requests wait")
        start("users")
        old.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_pending(worker, signal.SIGTERM, signal.SIGQUIT), "it is told to end")
        os.kill(worker, signal.SIGCONT)
        old.stop()
        load.wait_more(50)
    assert not load.faults(422)


def is_pending(pid, *signals):
    """Whether one of them waits for a process."""
    line, = re.findall(r"^ShdPnd:\s*(\S+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return any(int(line, 16) >> signum - 1 & 1 for signum in signals)


def unix_queue(path):
    """The connections at a socket that listens there, those that are not accepted among them."""
    lines = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if str(path.parent) in line and line.split()[5] in ("02", "03")]


def test_a_program_that_cannot_run_takes_no_place(nginx, start, tmp_path):
    start("users")
    wait_until(lambda: nginx.get("/api/v1/users").status == 200, "it answers")
    (tmp_path / "users").write_text("#!/bin/sh\necho cannot run >&2\nexit 1\n")
    (tmp_path / "users").chmod(0o755)
    done = subprocess.run([ROOT / "stack/container/program", "users", "users"], capture_output=True, text=True,
                          check=False, env={**os.environ, "BIN_DIR": str(tmp_path), "SOCKET_DIR": str(nginx.run)})
    assert done.returncode and "cannot run" in done.stderr
    assert nginx.get("/api/v1/users").status == 200


def test_the_one_of_before_can_come_back(nginx, start):
    """What a roll-back does: the new one is ended while it waits for its turn, and the old one is started again."""
    old = start("users")
    wait_until(lambda: nginx.get("/api/v1/users").status == 200, "it answers")
    new = start("users")
    new.stop()
    assert new.process.returncode == 143, "it ends at once, though it waits"
    old.stop()
    start("users")
    assert nginx.get("/api/v1/users").status == 200
