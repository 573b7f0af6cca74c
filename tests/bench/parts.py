# SPDX-License-Identifier: MIT
"""What is measured, one function a part. Each adds rows to a report: see report.py."""
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import time
from contextlib import nullcontext

from report import note
from rig import BUILD, PROGRAMS, Neighbours, cpu_seconds

QUICK = os.environ.get("QUICK", "") not in ("", "0")
ROUNDS = 1 if QUICK else int(os.environ.get("ROUNDS", "7"))
SECONDS = 1 if QUICK else int(os.environ.get("SECONDS_EACH", "2"))  # wrk's smallest is 1
SETTLE = 0.2 if QUICK else 1.5  # until the exporters and the shipper have worked off what a run has left
ONE_USER = ("get", "/api/v1/users/1")


def take_turns(variants, measure, rounds=ROUNDS):
    """{name: [result of every round]}. Every other round goes backwards, so that no variant always comes first."""
    results = {name: [] for name in variants}
    for number in range(rounds):
        names = list(variants)
        for name in names if number % 2 == 0 else reversed(names):
            note(f"{name}, round {number + 1} of {rounds}")
            results[name].append(measure(variants[name]))
    return results


def ratios(results, name, base, key):
    """Of the runs of each round, which stood side by side."""
    return [mine[key] / other[key] for mine, other in zip(results[name], results[base])]


def of(results, name, key):
    return [result[key] for result in results[name]]


# ---- a, b: what telemetry costs a read; how near the services are to the least that could answer

def run_with_cpu(system, *request, connections, seconds=SECONDS):
    before = system.cpu_seconds()
    result = system.wrk(*request, connections=connections, seconds=seconds)
    result["lag_bytes"] = (system.metric("gateway", "gateway_log_lag_bytes")
                           if "OTEL_SDK_DISABLED" not in system.settings else 0)
    time.sleep(SETTLE)
    result["cpu_us"] = (system.cpu_seconds() - before) / result["requests"] * 1e6
    return result


def telemetry(bench, report):
    # A quick run begins cold, on a machine that does other things: what does not fit is not what it is to find.
    systems = {"telemetry on": bench.system(**({"OTEL_BSP_MAX_QUEUE_SIZE": "65536"} if QUICK else {})),
               "telemetry off": bench.system(OTEL_SDK_DISABLED="true"),
               "logs off too": bench.system(OTEL_SDK_DISABLED="true", LOG_LEVEL="error"),
               "bare program": bench.system(OTEL_SDK_DISABLED="true")}
    systems["logs off too"].silence_nginx()
    systems["bare program"].replace_users(BUILD / "bench/bare", systems["bare program"].data / "users.db")
    for name, system in systems.items():
        note(f"{name}, warm-up")
        system.wrk(*ONE_USER, connections=32, seconds=1)
    time.sleep(SETTLE)
    results = take_turns(systems, lambda system: run_with_cpu(system, *ONE_USER, connections=32))

    for name in systems:
        report.row("a", f"GET, {name}", of(results, name, "per_second"), "requests/s", chart="GET /api/v1/users/{id}")
        report.row("a", f"GET, {name}: p50", of(results, name, "p50_ms"), "ms")
        report.row("a", f"GET, {name}: p99", of(results, name, "p99_ms"), "ms")
        report.row("a", f"GET, {name}: processor time", of(results, name, "cpu_us"), "µs/request",
                   chart="Processor time of a GET")
    for key, what, least, most in (("per_second", "requests/s", 0.95, None), ("cpu_us", "processor time", None, 1.07)):
        report.row("a", f"on : off, {what}", ratios(results, "telemetry on", "telemetry off", key), "", least, most)
        report.row("a", f"on : all off, {what}", ratios(results, "telemetry on", "logs off too", key), "")
        report.row("b", f"on : bare program, {what}", ratios(results, "telemetry on", "bare program", key), "",
                   0.85 if key == "per_second" else None)
    on = systems["telemetry on"]
    report.row("a", "spans lost", [on.spans_lost()], "", most=0)
    lags = of(results, "telemetry on", "lag_bytes")
    report.row("f", "lag right after a full load", [lag / 1e6 for lag in lags], "MB")
    memory(report, bench, on)
    shipper(report, on)
    for system in systems.values():
        bench.stop(system)


# ---- c: durable orders

def raw_commits(directory):
    """Rows a second of SQLite alone on the same disk, one and 1000 to a commit."""
    database = sqlite3.connect(directory / "raw.db", isolation_level=None)
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (a TEXT)")
    rates = []
    for rows in (1, 1000):
        done, begin = 0, time.monotonic()
        while time.monotonic() - begin < SECONDS / 2:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO t VALUES (?)", [("x" * 100,)] * rows)
            database.execute("COMMIT")
            done += rows
        rates.append(done / (time.monotonic() - begin))
    database.close()
    return rates


def orders(bench, report):
    counts = bench.dir / "sync"
    counts.mkdir()
    system = bench.system(PASS_ENV="LD_PRELOAD SYNC_COUNT_DIR", LD_PRELOAD=str(BUILD / "bench/count_sync.so"),
                          SYNC_COUNT_DIR=str(counts))

    def syncs():
        return sum(struct.unpack("Q", (counts / name).read_bytes())[0] for name in ("orders", "notifications"))

    def measure(connections):
        before = syncs()
        result = system.wrk("order", connections=connections, seconds=SECONDS)
        result["syncs"] = (syncs() - before) / result["requests"]
        if connections == 32:
            reads = system.wrk(*ONE_USER, connections=32, seconds=SECONDS)
            result["of_reads"] = result["per_second"] / reads["per_second"]
        return result

    system.wrk("order", connections=8, seconds=1)
    results = take_turns({f"{connections} at a time": connections for connections in (1, 8, 32)}, measure)
    for name in results:
        report.row("c", f"orders, {name}", of(results, name, "per_second"), "orders/s", chart="POST /api/v1/orders")
        report.row("c", f"orders, {name}: p99", of(results, name, "p99_ms"), "ms",
                   most=50 if name.startswith("32") else None)
        report.row("c", f"orders, {name}: syncs", of(results, name, "syncs"), "an order",
                   most=0.5 if name.startswith("32") else None)
    report.row("c", "orders/s : GETs/s", of(results, "32 at a time", "of_reads"), "", least=0.18)
    alone, together = zip(*(raw_commits(bench.new_dir()) for _ in range(ROUNDS)))
    report.row("c", "raw SQLite, a commit each", alone, "rows/s")
    report.row("c", "raw SQLite, 1000 to a commit", together, "rows/s")
    bench.stop(system)


# ---- d: single operations

LIMITS = {("span", 1): 300, ("encode", 1): 250, ("log line", 1): 1500}


def operations(bench, report):
    logs = bench.new_dir()
    runs = []
    for number in range(1 if QUICK else 3):
        note(f"single operations, round {number + 1}")
        done = subprocess.run([BUILD / "bench/micro", *(["--quick"] if QUICK else [])],
                              env={**os.environ, "LOG_DIR": str(logs)}, capture_output=True, text=True, check=True)
        runs.append([json.loads(line) for line in done.stdout.splitlines()])
    for results in zip(*runs):
        first = results[0]
        threads = first.get("threads", 1)
        if "ns" in first:
            limit = LIMITS.get((first["what"], threads))
            report.row("d", f"{first['what']}, {threads} thread{'s' * (threads > 1)}",
                       [result["ns"] for result in results], "ns", most=limit,
                       chart="One operation, one thread" if threads == 1 else None)
        if "bytes" in first:
            report.row("d", f"{first['what']}: on the wire", [first["bytes"]], "bytes")
            report.row("d", f"{first['what']}: in the queue", [first["queued_bytes"]], "bytes")
        if "allocations" in first:
            report.row("d", f"{first['what']}: allocations", [first["allocations"]], "",
                       most=0 if first["what"] == "span" else None)


# ---- e: memory, sizes, start

def memory(report, bench, loaded):
    loaded.wrk("order", connections=32, seconds=SECONDS)
    time.sleep(SETTLE)
    idle = bench.system()
    for program in PROGRAMS:
        after, before = loaded.resident_mib(program), idle.resident_mib(program)
        report.row("e", f"{program}: its own after load", [after["private"]], "MiB", most=12, chart="Memory after load")
        report.row("e", f"{program}: with pages of its files", [after["rss"]], "MiB")
        report.row("e", f"{program}: resident idle", [before["rss"]], "MiB")
        stripped = bench.new_dir() / program
        subprocess.run(["strip", "-o", stripped, BUILD / "bin" / program], check=True)
        report.row("e", f"{program}: program without debug symbols", [stripped.stat().st_size / 1024], "KiB")
    bench.stop(idle)
    starts = [idle.ready_seconds]
    for _ in range(0 if QUICK else 4):
        system = bench.system()
        starts.append(system.ready_seconds)
        bench.stop(system)
    report.row("e", "start to ready", starts, "s", most=1)


# ---- f: the shipper

def shipper(report, system):
    """Gives it a backlog: the lines of the run before, again."""
    log = system.log / "api-gateway.log"
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - (1 << 20)))
        lines = file.read().split(b"\n")[1:-1]
    wanted = 5000 if QUICK else 100000
    backlog = b"\n".join((lines * (wanted // len(lines) + 1))[:wanted]) + b"\n"
    rates, per_core = [], []
    for number in range(1 if QUICK else 5):
        note(f"the shipper, round {number + 1}")
        pid, spans = system.pid("gateway"), system.metric("gateway", "otel_sdk_exporter_span_exported_total")
        begin, cpu = time.monotonic(), cpu_seconds(pid)
        with open(log, "ab") as file:
            file.write(backlog)
        while system.metric("gateway", "gateway_log_lag_bytes") > 0:
            time.sleep(0.02)
        seconds, cpu = time.monotonic() - begin, cpu_seconds(pid) - cpu
        assert system.metric("gateway", "otel_sdk_exporter_span_exported_total") - spans >= wanted, "lines were lost"
        rates.append(wanted / seconds)
        per_core.append(wanted / cpu)
    report.row("f", "lines shipped", rates, "lines/s")
    report.row("f", "lines shipped in a second of processor time", per_core, "lines/s", least=100000)


# ---- g: growth

def growth(bench, report):
    concurrency(bench, report)
    rows(bench, report)
    threads(bench, report)
    sampling(bench, report)


def compare(report, variants, measure, what, chart=None, most=None):
    """A row each, and how the last compares with the first, which takes more rounds when it is judged."""
    results = take_turns(variants, measure, rounds=1 if QUICK else ROUNDS if most else 3)
    for name in variants:
        report.row("g", f"{what}, {name}", of(results, name, "per_second"), "requests/s", chart=chart)
    first, last = list(variants)[0], list(variants)[-1]
    if most:
        report.row("g", f"{what}, {first} : {last}", ratios(results, first, last, "per_second"), "", most=most)
    return results


def concurrency(bench, report):
    system = bench.system()
    counts = (1, 32) if QUICK else (1, 4, 16, 64, 256)
    compare(report, {f"{count} connections": count for count in counts},
            lambda count: system.wrk(*ONE_USER, connections=count, seconds=SECONDS), "GET",
            chart="GET by connections")
    bench.stop(system)


SEED = """
INSERT INTO orders (user_id, product, amount_cents, created_at)
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows})
    SELECT 1 + i / 20, 'Tea no. ' || i, 100 + i % 1000, '2026-01-01T00:00:00.000Z' FROM n;
"""


def rows(bench, report):
    systems = {}
    for count in (1000, 10000) if QUICK else (1000, 10000, 100000, 1000000):
        note(f"makes {count} rows")
        seed = bench.new_dir()
        for file in (BUILD.parents[1] / "db/seed").iterdir():
            shutil.copy(file, seed)
        (seed / "orders.sql").write_text(SEED.format(rows=count))
        systems[f"{count:,} rows"] = (bench.system(SEED_DIR=str(seed)), count)
    compare(report, systems, lambda s: s[0].wrk("rows", "/api/v1/orders/", s[1], connections=32, seconds=SECONDS),
            "an order", chart="GET an order by rows", most=1.3)
    compare(report, systems, lambda s: s[0].wrk("rows", "/api/v1/orders?limit=20&user_id=", s[1] // 20,
                                                connections=32, seconds=SECONDS), "a user's 20 orders", most=1.3)
    for system, _ in systems.values():
        bench.stop(system)


def threads(bench, report):
    counts = (1, 32) if QUICK else (1, 2, 4, 8, 16, 32)
    systems = {f"{count} thread{'s' * (count > 1)}": bench.system(WORKER_THREADS=str(count)) for count in counts}
    compare(report, systems, lambda s: s.wrk(*ONE_USER, connections=32, seconds=SECONDS), "GET")
    for system in systems.values():
        bench.stop(system)


def sampling(bench, report):
    systems = {f"{percent} % sampled": bench.system(TRACE_SAMPLE_PERCENT=percent)
               for percent in (("100", "0") if QUICK else ("100", "50", "10", "0"))}
    results = take_turns(systems, lambda s: run_with_cpu(s, *ONE_USER, connections=32), rounds=1 if QUICK else 3)
    for name, system in systems.items():
        report.row("g", f"GET, {name}", of(results, name, "per_second"), "requests/s", chart="GET by sampling")
        report.row("g", f"GET, {name}: processor time", of(results, name, "cpu_us"), "µs/request")
        bench.stop(system)


# ---- h: a busy host

def busy(bench, report):
    """One order at a time while others' work of niceness 19 fills the processors.

    The services must get their turn as soon as they do with every thread SCHED_OTHER. That the case sees when they do
    not, SCHED_BATCH shows: its threads wait behind every neighbour.
    """
    systems = {name: bench.system() for name in ("busy host", "busy host, SCHED_OTHER", "busy host, SCHED_BATCH")}
    systems["busy host, SCHED_OTHER"].schedule(os.SCHED_OTHER)
    systems["busy host, SCHED_BATCH"].schedule(os.SCHED_BATCH)

    def measure(case):
        system, neighbours = case
        with neighbours():
            result = system.wrk("order", connections=1, seconds=SECONDS)
        time.sleep(SETTLE)
        return result

    for system in systems.values():
        system.wrk("order", connections=1, seconds=1)
    results = take_turns({"idle host": (systems["busy host"], nullcontext),
                          **{name: (system, Neighbours) for name, system in systems.items()}}, measure)
    for name in results:
        report.row("h", f"an order, {name}", of(results, name, "per_second"), "orders/s",
                   chart="POST /api/v1/orders, one at a time")
        report.row("h", f"an order, {name}: p99", of(results, name, "p99_ms"), "ms")
    # The two are the same but for noise, of which there is much beside such work; SCHED_BATCH was 0.26.
    for other, least in (("idle host", None), ("SCHED_OTHER", 0.75), ("SCHED_BATCH", None)):
        base = other if other in results else f"busy host, {other}"
        report.row("h", f"busy host : {other}, orders/s", ratios(results, "busy host", base, "per_second"), "", least)
    for system in systems.values():
        bench.stop(system)


PARTS = {"telemetry": telemetry, "orders": orders, "operations": operations, "growth": growth, "busy": busy}

__all__ = ["PARTS", "QUICK"]
