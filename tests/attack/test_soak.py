# SPDX-License-Identifier: MIT
"""A steady load of everything for a while: memory and descriptors of every process stay where they are."""
import os
import statistics
import time
from pathlib import Path

from lib.client import Client
from lib.load import EVERYTHING, EVERYTHING_STATUSES, Load
from lib.wait import MODE

WARM_UP_SECONDS = 5
GROWTH_KIB = 1280  # in a quarter of the time: the page caches of the readers fill up with their tables
GROWTH_DESCRIPTORS = 24  # kept connections come and go


def look(pid):
    """(KiB resident, descriptors)"""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd"))


def watch(system, pids, seconds, progress=lambda text: None):
    """{name: [look …]}, about twice a second, scrapes between."""
    seen = {name: [] for name in pids}
    start = told = time.monotonic()
    while (now := time.monotonic()) < start + seconds:
        if now - told >= 15:
            told = now
            progress(f"{now - start:.0f} s of {seconds:.0f}")
        for name, pid in pids.items():
            seen[name].append(look(pid))
        for program in system.programs:
            system.scrape(program)
        time.sleep(0.5)
    return seen


def growth(looks, index):
    """From the third quarter of the time to the last."""
    quarter = max(1, len(looks) // 4)
    values = [one[index] for one in looks]
    return statistics.median(values[-quarter:]) - statistics.median(values[-2 * quarter:-quarter])


def test_memory_and_descriptors_stay_flat(make_system, seconds, progress, say):
    system = make_system("soak")
    pids = system.processes()
    with Client(system.ports["gateway"]) as client:  # rows, so that the page caches are full early
        for _ in range(300):
            assert client.post("/api/v1/orders", {"user_id": 1, "product": "x" * 200, "amount": 1}).status == 201
    with (Load(system.ports["gateway"], EVERYTHING, threads=6) as kept,
          Load(system.ports["gateway"], EVERYTHING, threads=2, kept=False) as fresh):
        watch(system, pids, WARM_UP_SECONDS)
        seen = watch(system, pids, seconds, progress)
    results = kept.results + fresh.results
    figures = {name: (growth(looks, 0), growth(looks, 1), *looks[-1]) for name, looks in seen.items()}
    say(f"{len(results)} requests, " + ", ".join(
        f"{name} {resident} KiB ({more:+.0f}), {descriptors} descriptors ({opened:+.0f})"
        for name, (more, opened, resident, descriptors) in figures.items()))

    assert system.processes() == pids
    assert not kept.faults(*EVERYTHING_STATUSES) and not fresh.faults(*EVERYTHING_STATUSES)
    for name, (more, opened, _, _) in figures.items():
        assert opened < GROWTH_DESCRIPTORS, f"{name} opens descriptors: {[one[1] for one in seen[name]]}"
        # A sanitizer keeps freed memory for a while; it tells a leak by itself.
        assert MODE != "release" or more < GROWTH_KIB, f"{name} grows: {[one[0] for one in seen[name]]} KiB"
    make_system.finish(system)
