# SPDX-License-Identifier: MIT
"""nginx with this project's configuration, and programs played by the test."""
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from lib import logs
from lib.client import Client, parse_raw, raw
from lib.fastcgi import Program
from lib.ports import free_ports
from lib.wait import wait_until

RENDER = Path(__file__).resolve().parents[2] / "nginx/render"
NGINX = os.environ.get("NGINX", "nginx")
SERVICES = ["users", "orders", "notifications"]


def nginx_version():
    text = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(int(part) for part in re.search(r"/(\d+)\.(\d+)\.(\d+)", text).groups())


def nginx_knows_http_2():
    built = subprocess.run([NGINX, "-V"], capture_output=True, text=True, check=True).stderr
    return "--with-http_v2_module" in built


def curl_knows_http_2():
    done = subprocess.run(["curl", "-V"], capture_output=True, text=True, check=True) if shutil.which("curl") else None
    return bool(done) and "HTTP2" in done.stdout.split()


def render(*arguments, environment=None, cwd="/", check=True):
    return subprocess.run([RENDER, *map(str, arguments)], env={**os.environ, **(environment or {})}, cwd=cwd,
                          capture_output=True, text=True, check=check)


def copy_nginx(directory):
    """nginx/ alone, with what nginx/render needs of the rest."""
    shutil.copytree(RENDER.parent, directory / "nginx")
    (directory / "stack").mkdir()
    shutil.copy(RENDER.parents[1] / "stack/defaults.env", directory / "stack")


def ended(pid):
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()  # a zombie: its parent has not asked yet
    except (FileNotFoundError, ProcessLookupError):
        return True


class NginxAlone:
    def __init__(self, directory, environment=None, programs=(*SERVICES, "gateway"), mode=0o660):
        self.dir = Path(directory)
        self.run, self.log = self.dir / "run", self.dir / "logs"
        for made in (self.dir, self.run, self.log):
            made.mkdir(parents=True, exist_ok=True)
            made.chmod(0o755)  # whatever the caller's umask is
        self.environment = environment or {}
        self.ports = dict(zip(["gateway", "metrics", *SERVICES], free_ports(5)))
        self.programs = {name: Program(self.run / f"{name}.sock") for name in programs}
        for name in programs:
            os.chmod(self.run / f"{name}.sock", mode)
        self.trouble_expected = None  # what the error log may say at crit and above

    def settings(self):
        ports = {f"{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        return {"RUN_DIR": str(self.run), "LOG_DIR": str(self.log), **ports, **self.environment}

    def command(self, *arguments):
        """nginx must not see a variable NGINX: it would take it for the list of sockets that it inherits. Its logs are
        in the zone of its environment."""
        return ["env", "-u", "NGINX", "TZ=UTC", NGINX, "-e", str(self.log / "nginx-error.log"), "-p", f"{self.run}/",
                "-c", str(self.run / "nginx/nginx.conf"), *arguments]

    def render(self):
        return render(self.run / "nginx", environment=self.settings())

    def start(self):
        self.render()
        done = subprocess.run(self.command(), capture_output=True, text=True, check=False, umask=0o022)
        assert done.returncode == 0 and not done.stderr, done
        wait_until(lambda: len(self.workers()) == 2, "nginx has not two workers")
        return self

    @property
    def pid(self):
        return int((self.run / "nginx.pid").read_text())

    def signal(self, signum):
        os.kill(self.pid, signum)

    def workers(self):
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def stop(self):
        pid = self.pid
        os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: ended(pid), "nginx did not end")

    def close(self):
        try:
            if (self.run / "nginx.pid").exists():
                self.stop()
        finally:
            for program in self.programs.values():
                program.close()
        trouble = [line for line in self.errors() if re.search(r"\[(crit|alert|emerg)\]", line)
                   and not (self.trouble_expected and re.search(self.trouble_expected, line))]
        assert not trouble, trouble
        faults = logs.read(self.log / "api-gateway.log")[1]
        assert not faults, faults

    # ---- looking in

    def errors(self):
        return (self.log / "nginx-error.log").read_text(errors="replace").splitlines()

    def client(self, name="gateway"):
        return Client(self.ports[name], traced=name == "gateway")

    def get(self, path, headers=(), name="gateway"):
        return self.request("GET", path, headers=headers, name=name)

    def request(self, method, path, body=None, headers=(), name="gateway"):
        with self.client(name) as client:
            return client.request(method, path, body, headers)

    def raw(self, data, name="gateway", **options):
        return parse_raw(raw(self.ports[name], data, **options))

    def lines(self):
        return logs.read(self.log / "api-gateway.log")[0]

    def line(self, trace_id):
        """The access-log line of a trace."""
        return wait_until(lambda: [line for line in self.lines() if line["trace_id"] == trace_id],
                          f"no line of {trace_id}")[0]
