# SPDX-License-Identifier: MIT
"""make bench: measures what telemetry costs and how near the services are to the limit of what they are made of.

    make bench                       everything, about ten minutes; the machine should do nothing else
    make bench QUICK=1               one short round of everything: that it works, not how fast
    make bench PARTS="orders …"      telemetry (a, b, e, f), orders (c), operations (d), growth (g), a busy
                                     host: busy (h)

Absolute figures hang on the machine and its mood; what is compared runs in turn, and ratios are of runs side by side.
Writes bench.json and bench.svg to BENCH_DIR (default build/bench) and a table to the terminal.
"""
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import picture
from parts import PARTS, QUICK
from report import Report, note
from rig import ROOT, Receiver, System


class Bench:
    """Directories and systems of one run."""

    def __init__(self, directory):
        self.dir = Path(directory)
        self.used = 0
        self.systems = []
        self.receiver = Receiver(self.dir / "receiver")

    def new_dir(self):
        self.used += 1
        path = self.dir / f"d{self.used}"
        path.mkdir()
        return path

    def system(self, **settings):
        self.used += 1
        system = System(self.dir / f"s{self.used}", self.receiver, **settings)
        self.systems.append(system)
        return system

    def stop(self, system):
        self.systems.remove(system)
        system.stop()

    def close(self):
        for system in list(self.systems):
            self.stop(system)
        self.receiver.stop()


def processor():
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def machine():
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
                            check=False).stdout.strip()
    return {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit, "processor": processor(),
            "cores": os.cpu_count(), "kernel": platform.release(), "load_before": os.getloadavg()[0], "quick": QUICK}


def main():
    chosen = os.environ.get("PARTS", "").split() or list(PARTS)
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        sys.exit(f"bench: there is no part {unknown[0]}: {' '.join(PARTS)}")
    output = Path(os.environ.get("BENCH_DIR") or ROOT / "build/bench")
    output.mkdir(parents=True, exist_ok=True)
    about, report = machine(), Report()
    caption = f"{about['cores']} cores, {about['processor']}, medians of paired runs in turn"
    # Beside the output, not in /tmp, which may be no disk: commits must be.
    with tempfile.TemporaryDirectory(prefix="run", dir=output) as directory:
        os.chmod(directory, 0o755)  # nginx's workers may be another user
        bench = Bench(directory)
        try:
            for name in chosen:
                PARTS[name](bench, report)
        finally:
            bench.close()
    note("")
    print("\n".join(report.table()))
    (output / "bench.json").write_text(json.dumps({"machine": about, "rows": report.rows}, indent=1) + "\n")
    (output / "bench.svg").write_text(picture.draw(report.rows, caption))
    print(f"\n{caption}; load before: {about['load_before']:.1f}\n{output}/bench.json, {output}/bench.svg")


main()
