# SPDX-License-Identifier: MIT
"""What a test run has started ends with it: by the fixtures when it is interrupted, by tests/contain in any case."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# A daemon that writes its pid to $1, and ends only by SIGKILL; then the shell goes on as $2 says.
DAEMON = """
setsid sh -c 'trap "" TERM; echo $$ >"$0.new"; mv "$0.new" "$0"; while :; do sleep 1; done' "$1" &
eval "$2"
"""
# A test that says when it waits, and a fixture that says that it was ended.
WAITING = """
import pathlib, pytest, time
@pytest.fixture(scope="session")
def thing():
    yield
    pathlib.Path("ended").touch()
def test(thing):
    pathlib.Path("begun").touch()
    time.sleep(60)
"""


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def contained(tmp_path):
    """Starts `then` with a daemon beside it. (process of tests/contain, pid of the daemon)"""
    def start(then):
        process = subprocess.Popen([HERE / "contain", "sh", "-c", DAEMON, "sh", tmp_path / "pid", then],
                                   stderr=subprocess.PIPE, text=True)
        wait_until((tmp_path / "pid").exists)
        return process, int((tmp_path / "pid").read_text())
    return start


def judge(process, pid, status):
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == status
    assert "have been ended" in errors and not Path(f"/proc/{pid}").exists()


def test_what_is_left_is_ended_and_a_fault(contained):
    judge(*contained("wait_for_nothing=1"), 1)


def test_an_interrupted_command(contained):
    process, pid = contained("exec sleep 60")
    process.terminate()
    judge(process, pid, 128 + signal.SIGINT)


def test_a_command_that_is_killed(contained):
    judge(*contained('until [ -e "$1" ]; do sleep 0.1; done; kill -9 $$'), 128 + signal.SIGKILL)


def test_a_command_that_leaves_nothing():
    done = subprocess.run([HERE / "contain", "sh", "-c", "sleep 0.2 & exit 3"], stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3 and not done.stderr


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", ["0", "1"])
def test_fixtures_end_when_the_run_is_interrupted(tmp_path, workers, signum):
    (tmp_path / "conftest.py").write_text((HERE / "conftest.py").read_text())
    (tmp_path / "test_waiting.py").write_text(WAITING)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    with subprocess.Popen([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers, tmp_path],
                          cwd=tmp_path, stdout=subprocess.DEVNULL, env=environment) as process:
        wait_until((tmp_path / "begun").exists)
        process.send_signal(signum)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert (tmp_path / "ended").exists()
