# SPDX-License-Identifier: MIT
"""A copy of what the system is built from, to which a test adds services: one C file and one nginx file each."""
import fcntl
import filecmp
import os
import shutil
import subprocess
from pathlib import Path

from lib.system import MODE, ROOT

PROGRAMS = Path(__file__).resolve().parents[1] / "integration/programs"
PARTS = ("Makefile", "stack/stack.mk", "stack/defaults.env", "stack/native", "fcgi", "nginx", "db/schema", "db/seed")


def copy_tree(target):
    """Sources, and this mode's objects with their times, so that only what is new has to be compiled."""
    built = ("flags", "fcgi", "tel", "libapm.a", "libtel.a")
    for part in (*PARTS, *(f"build/{MODE}/{part}" for part in built)):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, symlinks=True)
        else:
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / part)
    return target


def add_service(tree, name):
    shutil.copy(PROGRAMS / f"{name}.c", tree / "fcgi/services")
    shutil.copy(PROGRAMS / f"{name}.conf", tree / "nginx/services")


def build(tree, mode=MODE):
    """make, as if called by hand: nothing of a make that runs the tests reaches it. One at a time."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    with open(tree / "Makefile", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(["make", "-s", "-j2", f"MODE={mode}", "build"], cwd=tree, env=environment,
                              capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def changes(tree):
    """What differs from the repository's sources: {relative path: "new" | "changed" | "gone"}."""
    result = {}
    for part in PARTS:
        names = {path.relative_to(base) for base in (ROOT, tree) for path in
                 ([base / part] if (base / part).is_file() else (base / part).rglob("*")) if path.is_file()}
        for name in names:
            if not (ROOT / name).exists():
                result[str(name)] = "new"
            elif not (tree / name).exists():
                result[str(name)] = "gone"
            elif not filecmp.cmp(ROOT / name, tree / name, shallow=False):
                result[str(name)] = "changed"
    return result
