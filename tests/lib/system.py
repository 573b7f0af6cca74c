# SPDX-License-Identifier: MIT
"""A whole system of its own: nginx and every program, on free ports, in a directory of its own, with a collector.

Started and stopped by stack/native/ctl, as a user would. close() proves what must hold after every test: nothing
crashed, nothing was reported, every log line is JSON, and the telemetry's own counters add up.
"""
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from lib import logs, metrics
from lib.client import Client
from lib.otlp import Collector
from lib.ports import free_ports
from lib.wait import MODE, SLOWNESS, wait_until

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "stack/native"))
from apm import locks  # noqa: E402
from apm.client import parts as parts_of  # noqa: E402

SERVICES = {"users": "user-service", "orders": "order-service", "notifications": "notification-service"}
# Of the caller's environment what says where tools are, and what an unkind machine has of its own. No setting.
INHERITED = re.compile(r"PATH|HOME|USER|LOGNAME|TMPDIR|NGINX|TZ|LANG|LC_[A-Z]+|LOCPATH|CDPATH|https?_proxy")


def alive(pid):
    """False for a zombie, which has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_repeated(span, other):
    """Whether the shipper has sent it again, perhaps its next incarnation: no other program does."""
    return span.service == "api-gateway" and replace(span, resource={}) == replace(other, resource={})


class System:
    def __init__(self, directory, classes, root=ROOT, environment=None, services=None):
        self.root = Path(root)
        self.dir = Path(directory)
        self.services = {**SERVICES, **(services or {})}  # program: service.name
        self.programs = [*self.services, "gateway"]
        self.run, self.data, self.log = (self.dir / name for name in ("run", "data", "logs"))
        self.collector = Collector(classes)
        self.overrides = environment or {}
        self.ports = {}
        self.deaths = dict.fromkeys(self.programs, 0)  # that the test meant
        self.losses_expected = False  # spans may be dropped: the test broke the collector
        self.repeats_expected = False  # the gateway's spans may come twice: the test ended it while it sent them
        self.overflow_expected = False  # spans may lack what does not fit: the test sent something huge
        self.nginx_trouble_expected = False  # never [alert] or [emerg]; [crit] when the test took something away
        self.clients = {}

    # ---- environment and ctl

    def environment(self):
        sanitizer = f"log_path={self.log}/sanitizer:exitcode=86"
        env = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
        env |= {f"{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        env |= {
            "MODE": MODE,
            "RUN_DIR": str(self.run),
            "DATA_DIR": str(self.data),
            "LOG_DIR": str(self.log),
            "CONSOLE": "off",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,test.team=blue%20whale",
            "ASAN_OPTIONS": f"{sanitizer}:detect_stack_use_after_return=1:strict_string_checks=1",
            "UBSAN_OPTIONS": f"{sanitizer}:print_stacktrace=1",
            "LSAN_OPTIONS": sanitizer,
            "TSAN_OPTIONS": f"{sanitizer}:halt_on_error=0:second_deadlock_stack=1",
        }
        return env | self.overrides

    def ctl(self, *arguments, check=True, timeout=120, **settings):
        """Runs stack/native/ctl. It would not end if something that it starts inherited the pipe of its output."""
        self.dir.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([self.root / "stack/native/ctl", *arguments], env=self.environment() | settings, cwd="/",
                              check=False, timeout=timeout, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        assert not check or done.returncode == 0, f"ctl {arguments}: {done.returncode}\n{done.stdout}"
        return done

    def start(self):
        for _ in range(5):
            if not self.ports:
                names = ["gateway", "metrics", *self.services]
                self.ports = dict(zip(names, free_ports(len(names))))
            done = self.ctl("start", check=False)
            if done.returncode == 0:
                return self
            if not re.search(r"is taken|cannot be had|Address already in use", done.stdout):
                break
            self.ctl("stop", check=False)
            (self.log / "nginx-error.log").unlink(missing_ok=True)  # says that a port was taken
            self.ports = {}
        raise AssertionError(f"ctl start: {done.returncode}\n{done.stdout}\n{self.tails()}")

    def stop(self):
        for client in self.clients.values():
            client.close()
        self.clients = {}
        done = self.ctl("stop")
        said = r"(apm is stopping: .*\n)?(apm waits: .*\n)*apm (has stopped|does not run in .*)\n"
        assert re.fullmatch(said, done.stdout), done.stdout

    def abandon(self):
        """After a start that failed, or an interruption: ends what runs, judges nothing."""
        self.ctl("stop", check=False)
        self.collector.close()

    def close(self):
        """Stops everything, whatever happened, then proves what must always hold."""
        faults = []
        try:
            self.check_telemetry(faults)
        finally:
            try:
                self.stop()
            finally:
                self.collector.close()
        self.check_logs(faults)
        assert not faults, "\n".join(faults)

    def tails(self):
        files = [*self.run.glob("*.stderr"), self.log / "nginx-error.log"]
        return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-2000:]}"
                         for file in files if file.exists())

    @property
    def nginx_version(self):
        """(1, 22)"""
        done = subprocess.run([os.environ.get("NGINX", "nginx"), "-v"], capture_output=True, text=True, check=True)
        return tuple(int(part) for part in re.search(r"nginx/(\d+)\.(\d+)", done.stderr).groups())

    # ---- invariants

    def check_telemetry(self, faults):
        if not self.losses_expected:
            self.flush()
        faults += [f"collector: {error}" for error in self.collector.errors]
        if not self.losses_expected:
            for name in self.programs:
                faults += [f"{name} dropped spans: {key} {value}" for key, value in self.scrape(name).items()
                           if key[0] in ("otel_sdk_span_dropped_total", "log_lines_dropped_total") and value]
        seen = {}
        for span in self.collector.spans():
            first = seen.setdefault((span.trace_id, span.span_id), span)
            if first is not span and not (self.repeats_expected and is_repeated(first, span)):
                faults.append(f"span {span} came twice")
        if not self.overflow_expected:
            faults += [f"{span} dropped attributes, events or links: {span.dropped}" for span in self.collector.spans()
                       if any(span.dropped)]

    def check_logs(self, faults):
        level = "alert|emerg" if self.nginx_trouble_expected else "alert|emerg|crit"
        for line in (self.log / "nginx-error.log").read_text(errors="replace").splitlines():
            if re.search(rf"\[({level})\]", line):
                faults.append(f"nginx-error.log: {line}")
        for report in self.log.glob("sanitizer.*"):
            faults.append(f"{report.name}: {report.read_text(errors='replace')[:6000]}")
        died = Counter(line["part"] for line in self.log_lines("supervisor")
                       if line["msg"] == "ended" and line["level"] == "error")
        for name in (*self.programs, "nginx"):
            if died[name] != self.deaths.get(name, 0):
                faults.append(f"{name} died {died[name]} times, {self.deaths.get(name, 0)} meant")
            lines = (self.run / f"{name}.stderr").read_text(errors="replace").splitlines()
            faults += [f"{name}.stderr: {line}" for line in lines]
        for path in self.log_files():
            for _, error in logs.read(path)[1]:
                faults.append(f"{path.name}: {error}")

    def log_files(self):
        return [path for path in sorted(self.log.glob("*.log*"))
                if not path.name.startswith("nginx-error")]

    # ---- looking in

    @property
    def gateway(self):
        """A client of the gateway, for the test's main thread."""
        return self.client("gateway")

    def client(self, name):
        if name not in self.clients:
            self.clients[name] = Client(self.ports[name], traced=name == "gateway")
        return self.clients[name]

    def port_of(self, program):
        return self.ports["metrics" if program == "gateway" else program]

    def scrape(self, program):
        with Client(self.port_of(program), traced=False) as client:
            answer = client.get("/metrics")
        assert answer.status == 200, answer
        return metrics.samples(answer.body.decode())

    def parts(self):
        """{name: what the supervisor says of it}"""
        return parts_of(self.run)

    def worker(self, program):
        """The pid of a part: the program itself, nginx's master process. None while it has none."""
        return self.parts()[program]["pid"]

    def supervisor(self):
        return locks.holders(self.run / "supervisor.lock")[0]

    def processes(self):
        """{name: pid} of the programs, nginx and its workers."""
        found = {name: part["pid"] for name, part in self.parts().items()}
        workers = sorted(map(int, Path(f"/proc/{found['nginx']}/task/{found['nginx']}/children").read_text().split()))
        return found | {f"nginx worker {number}": pid for number, pid in enumerate(workers, 1)}

    def kill(self, program, signum=signal.SIGKILL):
        pid = wait_until(lambda: self.worker(program), f"{program} is not started")
        self.deaths[program] = self.deaths.get(program, 0) + 1
        os.kill(pid, signum)
        return pid

    def wait_respawned(self, program, old_pid, seconds=30):
        """Until there is another process, and it answers: it may have been found between its start and its socket."""
        wait_until(lambda: self.worker(program) not in (None, old_pid), f"{program} was not started again",
                   seconds=seconds)

    def kill_everything(self):
        """kill -9 of every process of this system at once. The supervisor is frozen before and sees nothing of it; its
        own end, of which the kernel tells the others, comes last."""
        supervisor = self.supervisor()
        family = [*self.processes().values(), supervisor]
        os.kill(supervisor, signal.SIGSTOP)
        for pid in family:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(alive(pid) for pid in family), "killed processes still run")

    @contextmanager
    def without(self, program):
        """A block without one program; ctl brings it back afterwards."""
        self.ctl("stop", program)
        self.nginx_trouble_expected = True  # its socket is made anew, and somebody may call at that moment
        try:
            yield
        finally:
            self.ctl("start")

    @contextmanager
    def frozen(self, program):
        """A block in which a program hangs: every thread, which takes a moment when the processors are busy."""
        pid = self.worker(program)
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: all(") T " in stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")),
                       f"{program} does not stop")
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def query(self, database, sql, *arguments):
        uri = f"file:{self.data}/{database}.db?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
            return connection.execute(sql, arguments).fetchall()

    # ---- waiting for telemetry

    def unfinished(self):
        """Programs whose spans are not all accounted for yet. The gateway's start when their line is read."""
        result = {}
        for name in self.programs:
            samples = self.scrape(name)
            started, done = metrics.spans_started(samples), metrics.spans_done(samples)
            unread = metrics.total(samples, "gateway_log_lag_bytes")
            if started != done or unread:
                result[name] = (started, done, unread)
        return result

    def flush(self, seconds=30):
        """Until every program has exported (or dropped and counted) every span that it started."""
        pending = {}

        def flushed():
            pending.clear()
            pending.update(self.unfinished())
            return not pending
        wait_until(flushed, lambda: f"spans started != exported + dropped, or lines unread: {pending}", seconds=seconds)

    def trace(self, answer, seconds=30):
        """All spans of an answer's trace, once all of them are there: the gateway's last, then every program's."""
        self.collector.wait_span(answer.trace_id, answer.span_id, seconds)
        self.flush()
        return self.collector.spans(answer.trace_id)

    def log_lines(self, service):
        return logs.read(self.log / f"{service}.log")[0]

    def wait_log(self, service, condition, what, seconds=30):
        return wait_until(lambda: [line for line in self.log_lines(service) if condition(line)],
                          f"{service}.log has no line: {what}", seconds=seconds)


__all__ = ["System", "ROOT", "SERVICES", "SLOWNESS", "MODE"]
