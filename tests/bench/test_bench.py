# SPDX-License-Identifier: MIT
"""That make bench works: every part gives its figures. How fast things are is not judged here: that is no test."""
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
@pytest.mark.skipif(os.environ.get("MODE", "release") != "release", reason="figures are of MODE=release")
def test_a_quick_run_gives_every_figure():
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    output = ROOT / "build/bench-test"
    subprocess.run(["make", "-s", "-j2", "MODE=release", "bench-build"], cwd=ROOT, env=environment, check=True)
    done = subprocess.run(["/usr/bin/python3", ROOT / "tests/bench/bench.py"], check=False, capture_output=True,
                          env=environment | {"QUICK": "1", "BENCH_DIR": str(output)}, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]

    rows = json.loads((output / "bench.json").read_text())["rows"]
    assert {row["part"] for row in rows} == set("abcdefgh")
    assert all(row["least"] <= row["median"] <= row["most"] for row in rows)
    by_name = {row["what"]: row["median"] for row in rows}
    assert by_name["spans lost"] == 0
    assert by_name["span: allocations"] == 0
    assert 1.5 <= by_name["orders, 1 at a time: syncs"] <= 3  # one commit for the order, one for its notification
    assert (output / "bench.svg").read_text().count("<rect") >= 20
    assert not [name for name in os.listdir(output) if name.startswith("run")]  # nothing is left
    shutil.rmtree(output)
