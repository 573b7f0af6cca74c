# SPDX-License-Identifier: MIT
"""Runs the cmocka programs of api/ and internal/ as they were built: plain, under ASan and UBSan, and under TSan."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("*/test_*.c"))
MODES = os.environ.get("UNIT_MODES", "release asan tsan").split()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SOURCES)
def test_unit(name, mode, tmp_path):
    program = ROOT / "build" / mode / "unit" / name
    assert program.exists(), f"{program} is not built: make unit-tests MODE={mode}"
    environment = dict(os.environ, TMPDIR=str(tmp_path), TSAN_OPTIONS="halt_on_error=1", TEST_MODE=mode)
    if mode == "asan":  # which sees that newlocale() of glibc leaks it, in json-c
        environment.pop("LOCPATH", None)
    run = subprocess.run([program], cwd=ROOT, env=environment, capture_output=True, timeout=240, check=False)
    output = (run.stdout + run.stderr).decode(errors="replace")
    assert run.returncode == 0, output[-8000:]
    assert "[  PASSED  ]" in output, "no test ran:\n" + output[-8000:]
    if "[  SKIPPED ]" in output and "[  PASSED  ] 0 test" in output:
        pytest.skip(output[-1000:])
