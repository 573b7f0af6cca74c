# SPDX-License-Identifier: MIT
"""A machine of its own on which systemd runs what make install has installed: namespaces, no virtualisation.

Nothing of it is seen outside, and nothing outlives it: its files are in memory, its network is its own loopback.
"""
import os
import shutil
import subprocess
from pathlib import Path

from lib.system import ROOT
from lib.wait import wait_until

BOOT = Path(__file__).with_name("boot")


class CannotBoot(Exception):
    """This machine cannot have another one on it; says why."""


def cgroup():
    """The directory of this process's cgroup, version 2."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, path, kind = line.split()[:3]
            if kind == "cgroup2":
                lines = Path("/proc/self/cgroup").read_text().splitlines()
                own, = [line.removeprefix("0::") for line in lines if line.startswith("0::")]
                return Path(path + own.rstrip("/"))
    raise CannotBoot("there is no cgroup of version 2")


class Machine:
    def __init__(self, directory):
        if os.geteuid() != 0:
            raise CannotBoot("needs root")
        for tool in ("/lib/systemd/systemd", "unshare", "nsenter", "setpriv", "ip"):
            if not shutil.which(tool):
                raise CannotBoot(f"{tool} is not installed")
        self.cgroup = cgroup() / f"apm-test-{os.getpid()}"
        self.output = directory / "boot.out"
        try:
            self.cgroup.mkdir()
        except OSError as error:
            raise CannotBoot(f"no cgroup can be made: {error}") from None
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--net", "--uts",
                 "--ipc", "--cgroup", BOOT, ROOT, directory], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                preexec_fn=lambda: (self.cgroup / "cgroup.procs").write_text("0"))
        wait_until(lambda: self.says("booting\n") or self.process.poll() is not None, self.output.read_text, seconds=30)
        if not self.says("booting\n"):
            self.close()
            raise CannotBoot("no machine of its own: " + self.output.read_text().strip())
        self.pid = int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text())

    def says(self, text):
        return text in self.output.read_text()

    def close(self):
        self.process.kill()  # its child, process 1 over there, dies with it, and all the others with that one
        self.process.wait()
        wait_until(lambda: "populated 0" in (self.cgroup / "cgroup.events").read_text(), "processes are left")
        for child in sorted((path for path in self.cgroup.rglob("*") if path.is_dir()), reverse=True):
            child.rmdir()
        self.cgroup.rmdir()

    def run(self, *command, check=True):
        """What it prints. A command inside."""
        done = subprocess.run(["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--uts", "--ipc",
                               "--cgroup", *map(str, command)], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, cwd="/",
                              capture_output=True, text=True, check=False, timeout=60)
        assert not check or done.returncode == 0, (command, done, self.journal())
        return done.stdout

    def systemctl(self, *arguments, check=True):
        return self.run("systemctl", *arguments, check=check)

    def show(self, unit, name):
        return self.systemctl("show", "--value", f"--property={name}", unit).strip()

    def journal(self):
        return self.run("journalctl", "--no-pager", "--lines=100", check=False)

    def file(self, path):
        """A path inside, as it is named outside."""
        return Path(f"/proc/{self.pid}/root{path}")
