# SPDX-License-Identifier: MIT
"""What a stranger does with the library: compile, link, run, look at what arrives."""
import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lib.otlp import Collector
from lib.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
TEL = ROOT / "fcgi/tel"
EXAMPLES = TEL / "examples"
STRICT = ["-pedantic", "-Wall", "-Wextra", "-Werror"]
LIBRARIES = ["-lcurl", "-lz", "-lm", "-pthread"]  # as the README says


# What is called here is on this machine, whatever proxy the machine has; and newlocale() of glibc leaks LOCPATH.
PLAIN = {name: value for name, value in os.environ.items()
         if not name.lower().endswith("_proxy") and name != "LOCPATH"}


def run(*command, ok=True, cwd=None, **environment):
    """Runs a command to its end, which has to be exit code 0 when `ok`. Returns it, with its output as text."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=550,
                          stdin=subprocess.DEVNULL, env={**PLAIN, **environment})
    assert not ok or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def make(target, **settings):
    return run("make", "-s", "-C", ROOT, target, *(f"{name}={value}" for name, value in settings.items()),
               MAKEFLAGS="", MFLAGS="")


def wanted(tool):
    """Skips where a package that is wanted, not needed, is not there."""
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    return tool


def declared():
    """The names that the headers declare, found otherwise than the library's build does."""
    text = "".join((TEL / "include/tel" / header).read_text() for header in ("tel.h", "ship.h"))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return {re.search(r"\b(tel_\w+)\s*[(\[;]", part)[1] for part in re.split(r"\bTEL_API\b(?!\n| _)", text)[1:]
            if re.match(r"[^{]*?\b(tel_\w+)\s*[(\[;]", part)}


class Installed:
    """A tree that the library is installed in."""

    def __init__(self, root, prefix, libdir):
        self.root, self.prefix, self.lib = root, root / prefix.lstrip("/"), root / libdir.lstrip("/")

    def flags(self, *options):
        """As pkg-config says, for a tree that is not at its place."""
        return run("pkg-config", "--cflags", "--libs", *options, "tel", PKG_CONFIG_PATH=str(self.lib / "pkgconfig"),
                   PKG_CONFIG_SYSROOT_DIR=str(self.root), PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1",
                   PKG_CONFIG_ALLOW_SYSTEM_LIBS="1").stdout.split()

    def build(self, source, program, *more, compiler="gcc -std=c11"):
        """Compiles a file, warnings being errors, in a directory that has nothing else."""
        run(*compiler.split(), *STRICT, source, "-o", program, *self.flags(), *more, cwd=program.parent)
        return program

    def run(self, *command, **options):
        return run(*command, LD_LIBRARY_PATH=str(self.lib), **options)


class Receiver(Collector):
    """Spans as the collector of the other tests reads them; of metrics and logs the bytes."""

    def __init__(self, classes):
        self.bodies = {}
        super().__init__(classes)

    def receive(self, path, headers, body):
        if path == "/v1/traces":
            return super().receive(path, headers, body)
        with self.lock:
            text = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
            self.bodies[path] = self.bodies.get(path, b"") + text
        return 200, {}

    def environment(self):
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint}

    def wait_named(self, name):
        return wait_until(lambda: next((span for span in self.spans() if span.name == name), None),
                          what=lambda: f"no span {name}, but {[str(span) for span in self.spans()]}")

    def wait_body(self, path, text):
        wait_until(lambda: text.encode() in self.bodies.get(path, b""), what=lambda: f"{text} is not in {self.bodies}")
