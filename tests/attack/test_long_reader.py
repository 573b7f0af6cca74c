# SPDX-License-Identifier: MIT
"""A reader that stays for long, such as a forgotten sqlite3 shell: writers do not feel it, and the log is short again
when it has gone. The figures are printed: writes without the reader and with it, in turns."""
import json
import os
import sqlite3
import statistics
import threading
import time
from contextlib import closing, contextmanager

from lib.program import Program
from lib.wait import wait_until

WRITERS = 4
TURNS = 4  # of each kind
LIMIT = 8 << 20  # of the log, when nobody holds it


class Writer(threading.Thread):
    """One user after the other, on a kept connection."""

    def __init__(self, program, stop):
        super().__init__()
        self.connection, self.stop = program.connect(), stop
        self.seconds, self.refused = [], []

    def run(self):
        while not self.stop.is_set():
            body = json.dumps({"name": "x", "email": f"{os.urandom(12).hex()}@example.org"}).encode()
            start = time.monotonic()
            answer = self.connection.ask(method="POST", path="/api/v1/users", body=body)
            self.seconds.append(time.monotonic() - start)
            if answer.status != 201:
                self.refused.append(answer)


def write_for(program, seconds):
    """How long each write took."""
    stop = threading.Event()
    writers = [Writer(program, stop) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    time.sleep(seconds)
    stop.set()
    for writer in writers:
        writer.join()
        writer.connection.close()
        assert not writer.refused, writer.refused[0]
    return [second for writer in writers for second in writer.seconds]


@contextmanager
def reader_of(path):
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        seen = reader.execute("SELECT count(*) FROM users").fetchone()
        yield
        assert reader.execute("SELECT count(*) FROM users").fetchone() == seen


def p99(taken):
    return statistics.quantiles(taken, n=100)[98]


def figures(taken):
    p50, worst = statistics.median(taken) * 1e3, max(taken) * 1e3
    return f"{len(taken)} writes, p50 {p50:.2f} ms, p99 {p99(taken) * 1e3:.2f} ms, max {worst:.0f} ms"


def test_writes_beside_a_reader_that_stays(tmp_path, build, seconds, say):
    program = Program("users", tmp_path)
    database, log = tmp_path / "data/users.db", tmp_path / "data/users.db-wal"
    without, beside, longest = [], [], 0
    try:
        program.start()
        write_for(program, 0.5)  # warm
        for _ in range(TURNS):
            without += write_for(program, seconds / TURNS / 2)
            with reader_of(database):
                beside += write_for(program, seconds / TURNS / 2)
                longest = max(longest, log.stat().st_size)
            wait_until(lambda: log.stat().st_size <= LIMIT, "the log stays long")
        with reader_of(database):  # for as long as it takes to be far beyond what a log should be
            held = write_for(program, seconds / 2)
            longest = max(longest, log.stat().st_size)
        wait_until(lambda: log.stat().st_size <= LIMIT, "the log stays long")
        stored = len(without) + len(beside) + len(held)
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            assert connection.execute("SELECT count(*) FROM users").fetchone()[0] >= stored
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        program.close()
    say(f"without a reader: {figures(without)}; beside one: {figures(beside)}; beside one for long: {figures(held)}; "
        f"p99 is {p99(beside) / p99(without):.2f} and {p99(held) / p99(without):.2f} times as long; "
        f"the log had {longest / 1e6:.0f} MB at most, and then {log.stat().st_size / 1e6 if log.exists() else 0:.1f}")
