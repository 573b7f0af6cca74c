# SPDX-License-Identifier: MIT
"""Runs every fuzz target over its corpus, as built: plain, under ASan and UBSan, under TSan, and counting the cost."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in pathlib.Path(__file__).parent.glob("fuzz_*.c"))
MODES = os.environ.get("UNIT_MODES", "release asan tsan cost").split()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", TARGETS)
def test_corpus(target, mode):
    program = ROOT / "build" / mode / "fuzz" / f"fuzz_{target}"
    assert program.exists(), f"{program} is not built: make fuzz-replay MODE={mode}"
    corpus = ROOT / "tests" / "fuzz" / "corpus" / target
    environment = dict(os.environ)
    if mode == "asan":  # which sees that newlocale() of glibc leaks it, in json-c
        environment.pop("LOCPATH", None)
    run = subprocess.run([program, corpus], env=environment, capture_output=True, timeout=240, check=False)
    output = (run.stdout + run.stderr).decode(errors="replace")
    assert run.returncode == 0, output[-8000:]
    assert output.endswith(f"{len(list(corpus.iterdir()))} inputs\n"), output[-1000:]
