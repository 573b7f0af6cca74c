# SPDX-License-Identifier: MIT
"""Small programs of others that link the telemetry library: tests/integration/programs/NAME.c."""
import json
import os
import shlex
import subprocess

from lib.sandbox import PROGRAMS
from lib.system import MODE, ROOT
from lib.wait import SLOWNESS

FLAGS = {"asan": ["-fsanitize=address,undefined"], "tsan": ["-fsanitize=thread"]}
COMPILER = shlex.split(os.environ.get("CC", "cc"))


def build(name, directory):
    """The program, compiled as somebody else would do it."""
    program = directory / name
    subprocess.run([*COMPILER, "-g", "-O1", "-Wall", "-Wextra", "-Werror", *FLAGS.get(MODE, []),
                    f"-I{ROOT / 'build' / MODE / 'tel'}", "-o", program, PROGRAMS / f"{name}.c",
                    ROOT / "build" / MODE / "libtel.a", "-lcurl", "-lz", "-lm", "-pthread"], check=True)
    return program


def run(program, *arguments, seconds=60, **environment):
    """(lines of standard output, lines of the log as dictionaries) of a run that ends well."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "TMPDIR", "LD_PRELOAD")}
    done = subprocess.run([program, *map(str, arguments)], env=kept | {key: str(value) for key, value in
                                                                       environment.items()},
                          capture_output=True, text=True, timeout=seconds * SLOWNESS, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout[-4000:], done.stderr[-8000:])
    return done.stdout.splitlines(), [json.loads(line) for line in done.stderr.splitlines()]
