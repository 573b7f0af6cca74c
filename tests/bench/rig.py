# SPDX-License-Identifier: MIT
"""What is measured: whole systems started by stack/native/ctl, a receiver of spans, and wrk that asks them."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path.append(str(ROOT / "tests"))
os.environ["PATH"] += ":/usr/sbin:/sbin"  # where nginx is; an ordinary user's PATH may lack it

from lib.ports import free_ports  # noqa: E402
from lib.system import INHERITED, parts_of  # noqa: E402
from apm.common import opener  # noqa: E402
from lib.wait import wait_until  # noqa: E402

BUILD = ROOT / "build/release"
SERVICES = ("users", "orders", "notifications")
PROGRAMS = (*SERVICES, "gateway")
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """Processor time of a process so far. Scheduler ticks would be too coarse for short runs: schedstat has ns."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total / 1e9


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Neighbours:
    """A block during which a process of niceness 19 spins for every processor, as a compiler beside the services does.

    The kernel ends them when the bench is killed.
    """
    COMMAND = ("setpriv", "--pdeathsig", "KILL", "nice", "-n", "19", "sh", "-c", "while :; do :; done")

    def __enter__(self):
        self.processes = [subprocess.Popen(self.COMMAND) for _ in os.sched_getaffinity(0)]
        wait_until(lambda: all(Path(f"/proc/{process.pid}/comm").read_text() == "sh\n" for process in self.processes),
                   "the neighbours do not start", seconds=20)

    def __exit__(self, *_):
        ended = [process.returncode for process in self.processes if process.poll() is not None]
        for process in self.processes:
            process.kill()
            process.wait()
        assert not ended, f"neighbours ended by themselves: {ended}"


class Receiver:
    """Stands for the collector."""

    def __init__(self, directory):
        directory.mkdir(parents=True)
        port, = free_ports(1)
        text = (HERE / "receiver.conf").read_text().replace("${DIR}", str(directory)).replace("${PORT}", str(port))
        (directory / "nginx.conf").write_text(text)
        self.process = subprocess.Popen(["nginx", "-e", str(directory / "error.log"), "-p", f"{directory}/", "-c",
                                         str(directory / "nginx.conf"), "-g", "daemon off;"])
        self.endpoint = f"http://127.0.0.1:{port}"

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=10)


class System:
    """nginx and every program, in a directory of its own. `settings`: its environment beside the common one."""

    def __init__(self, directory, receiver, **settings):
        self.dir = directory
        self.run, self.log, self.data = (directory / name for name in ("run", "logs", "data"))
        names = ("gateway", "metrics", *SERVICES)
        self.ports = dict(zip(names, free_ports(len(names))))
        self.settings = {
            **{f"{name.upper()}_PORT": str(port) for name, port in self.ports.items()},
            "MODE": "release", "TRACE_STORE": "off", "CONSOLE": "off", "RUN_DIR": str(self.run),
            "DATA_DIR": str(self.data), "LOG_DIR": str(self.log),
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "START_TIMEOUT_SECONDS": "200", **settings}
        self.replaced = None
        self.ready_seconds = None
        self.dir.mkdir(parents=True)
        begin = time.monotonic()
        self.ctl("start")
        self.ready_seconds = time.monotonic() - begin

    def ctl(self, *command):
        environment = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
        with open(self.dir / "ctl.out", "w+", encoding="utf-8") as output:
            done = subprocess.run([ROOT / "stack/native/ctl", *command], env=environment | self.settings, check=False,
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        if done.returncode:
            raise RuntimeError(f"ctl {command}: {(self.dir / 'ctl.out').read_text()}")

    def stop(self):
        if self.replaced:
            self.replaced.kill()  # libfcgi keeps SIGTERM to itself
            self.replaced.wait(timeout=10)
        self.ctl("stop")
        shutil.rmtree(self.dir)

    def nginx(self):
        return int((self.run / "nginx.pid").read_text())

    def pid(self, program):
        if self.replaced and program == "users":
            return self.replaced.pid
        return parts_of(self.run)[program]["pid"]

    def cpu_seconds(self):
        """Of all of its processes."""
        return sum(cpu_seconds(pid) for pid in (*children(self.nginx()), *(self.pid(p) for p in PROGRAMS)))

    def schedule(self, policy):
        """Puts every thread of the services under a policy of the kernel's scheduler, as chrt does."""
        for program in SERVICES:
            for thread in os.listdir(f"/proc/{self.pid(program)}/task"):
                os.sched_setscheduler(int(thread), policy, os.sched_param(0))

    def silence_nginx(self):
        """Ends the access log."""
        path = self.run / "nginx/settings/servers.conf"
        text, count = re.subn(r'access_log "[^;]*;', "access_log off;", path.read_text())
        assert count == 1, "servers.conf has another access log than this knows"
        path.write_text(text)
        old = children(self.nginx())
        os.kill(self.nginx(), signal.SIGHUP)
        wait_until(lambda: not set(old) & set(children(self.nginx())), "nginx's old workers stay", seconds=20)

    def replace_users(self, *command):
        """Another program on the socket of the users."""
        self.ctl("stop", "users")
        path = str(self.run / "users.sock")
        with open(self.run / "users.stderr", "w", encoding="utf-8") as errors, \
                socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            os.chmod(path, 0o666)
            listener.listen(1024)
            self.replaced = subprocess.Popen(command, stdin=listener, stdout=errors, stderr=errors)
        wait_until(lambda: self.get("/api/v1/users/1") == 200, "the program on the users' socket does not answer",
                   seconds=20)

    def get(self, path):
        try:
            with opener.open(f"http://127.0.0.1:{self.ports['gateway']}{path}", timeout=5) as answer:
                return answer.status
        except OSError:
            return 0

    def metric(self, program, name):
        """The sum of a metric's series."""
        port = self.ports["metrics" if program == "gateway" else program]
        with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(rf"{name}[{{ ]", line))

    def spans_lost(self):
        return sum(self.metric(program, "otel_sdk_span_dropped_total") for program in PROGRAMS)

    def resident_mib(self, program):
        text = Path(f"/proc/{self.pid(program)}/smaps_rollup").read_text()
        return {key: int(re.search(rf"^{field}: +(\d+)", text, re.M)[1]) / 1024
                for key, field in (("rss", "Rss"), ("private", "Anonymous"))}

    def wrk(self, kind, *arguments, connections, seconds):
        done = subprocess.run(["wrk", "-t", str(min(2, connections)), "-c", str(connections), "-d", f"{seconds}s", "-s",
                               HERE / "wrk.lua", f"http://127.0.0.1:{self.ports['gateway']}/", "--", kind,
                               *map(str, arguments)], capture_output=True, text=True, check=True)
        result = json.loads(done.stdout.splitlines()[-1])
        if result["failed"]:
            raise RuntimeError(f"{result['failed']} of {result['requests']} requests failed: {kind} {arguments}")
        result["per_second"] = result["requests"] / result["seconds"]
        return result
