# SPDX-License-Identifier: MIT
"""What a test run leaves that was killed: whole systems, whose parts are daemons, end by tests/contain."""
import signal
import socket
import subprocess

from lib.ports import free_ports
from lib.system import ROOT

START = [ROOT / "tests/contain", "sh", "-c", '"$0" start && kill -KILL $$', ROOT / "stack/native/ctl"]


def test_a_system_ends_with_who_started_it(make_system):
    system = make_system.prepare("contained")
    system.ports = dict(zip(["gateway", "metrics", *system.services], free_ports(5)))
    try:
        done = subprocess.run(START, env=system.environment(), cwd="/", check=False, timeout=120,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 128 + signal.SIGKILL, done
        told = done.stderr.partition("have been ended:\n")[2].splitlines()
        for part in ("stack/native/supervisor", "nginx: master", *(f"/bin/{name}" for name in system.programs)):
            assert sum(part in line for line in told) == 1, (part, done.stderr)
        for name, port in system.ports.items():
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", port)) != 0, f"{name} still listens"
        status = system.ctl("status", check=False)
        assert status.returncode == 1 and "does not run" in status.stdout
        system.ctl("start")  # nothing is in the way of the next one
        assert system.gateway.get("/readyz").status == 200
    finally:
        system.abandon()
