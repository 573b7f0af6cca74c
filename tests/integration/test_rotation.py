# SPDX-License-Identifier: MIT
"""Logs that have grown too large are begun anew by themselves, and nothing is lost, doubled or ended by it."""
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

from lib import logs, metrics
from lib.load import Load
from lib.system import alive
from lib.wait import wait_until

from apm import rotation

# A queue that a machine with other work does not fill.
SMALL = {"LOG_MAX_MB": "1", "OTEL_BSP_MAX_QUEUE_SIZE": "20000"}
LONG = f"/api/v1/users/1?{'q' * 1500}"  # of long lines, to get there soon


def generations(system, name):
    return sorted(system.log.glob(f"{name}.log.[0-9]*"))


def requests_logged(system, name):
    """The trace ids of all request lines, in order."""
    return sorted(line["trace_id"] for path in [system.log / f"{name}.log", *generations(system, name)]
                  for line in logs.read(path)[0] if line["msg"] == "request")


class Watch(threading.Thread):
    """Looks whether there is a file at every moment, and whether it is followed by another."""

    def __init__(self, path):
        super().__init__()
        self.path, self.files, self.absent, self.end = path, set(), 0, False

    def run(self):
        while not self.end:
            try:
                self.files.add(os.stat(self.path).st_ino)
            except FileNotFoundError:
                self.absent += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end = True
        self.join()


def test_every_request_has_one_line_whenever_logs_are_begun_anew(make_system):
    """Under load, while the gateway program is killed and nginx starts new workers."""
    system = make_system("begun", environment=SMALL | {"LOG_KEEP": "50"})
    system.repeats_expected = True  # the gateway's spans: it is killed while it sends them
    with Watch(system.log / "api-gateway.log") as watch, \
            Load(system.ports["gateway"], [("GET", LONG, None)], kept=False) as load:
        wait_until(lambda: generations(system, "api-gateway"), "no log was begun anew", 60)
        killed = system.kill("gateway")
        system.wait_respawned("gateway", killed)
        os.kill(system.worker("nginx"), signal.SIGHUP)
        wait_until(lambda: len(generations(system, "api-gateway")) >= 4, "four files before this one", 60)
        wait_until(lambda: generations(system, "user-service"), "a service's log was not begun anew", 120)
    assert not load.faults(200)
    wanted = sorted(result.answer.trace_id for result in load.results)
    for name in ("api-gateway", "user-service"):
        wait_until(lambda name=name: len(requests_logged(system, name)) >= len(wanted), f"{name}: lines")
        assert requests_logged(system, name) == wanted, name
    assert watch.absent == 0 and len(watch.files) > 1, "the name was without a file"
    system.flush(60)
    roots = {span.span_id for span in system.collector.spans() if span.service == "api-gateway"
             and span.kind == "SERVER"}
    assert roots == {result.answer.span_id for result in load.results}
    assert metrics.total(system.scrape("gateway"), "gateway_log_gaps_total") == 0
    make_system.finish(system)


def test_requests_are_counted_once(make_system):
    """The gateway's metrics are those of the lines, over all files."""
    system = make_system("counted", environment=SMALL)
    with Load(system.ports["gateway"], [("GET", LONG, None)], threads=2) as load:
        wait_until(lambda: len(generations(system, "api-gateway")) >= 3, "three files before this one", 60)
    assert not load.faults(200)

    def counted():
        return metrics.total(system.scrape("gateway"), "http_server_request_duration_seconds_count")
    wait_until(lambda: counted() >= len(load.results), lambda: f"{counted()} of {len(load.results)} counted")
    system.flush(60)
    assert counted() == len(load.results)
    make_system.finish(system)


def test_only_so_many_files_are_kept(make_system):
    system = make_system("few", environment=SMALL | {"LOG_KEEP": "2"})
    (system.log / "api-gateway.log.3").write_text("of a time when more were kept\n")
    (system.log / "api-gateway.log.kept").write_text("a person's\n")
    with Load(system.ports["gateway"], [("GET", LONG, None)], threads=2):
        wait_until(lambda: sum("api-gateway.log" in line.get("files", ()) for line in system.log_lines("supervisor"))
                   >= 5, "five files", 60)
    wait_until(lambda: [path.name[-2:] for path in generations(system, "api-gateway")] == [".1", ".2"],
               lambda: generations(system, "api-gateway"))
    (system.log / "api-gateway.log.kept").unlink()  # it is there
    wait_until(lambda: not list(system.log.glob("*.new")), "a file of a moment stays")
    make_system.finish(system)


def test_a_log_that_cannot_be_begun_anew(make_system):
    """It is said once, everything goes on, and once that is possible it is begun anew."""
    system = make_system("stuck", environment=SMALL | {"LOG_KEEP": "1"})
    (system.log / "api-gateway.log.1" / "something").mkdir(parents=True)
    said = "a log cannot be begun anew and grows on"
    with Load(system.ports["gateway"], [("GET", LONG, None)], threads=2) as load:
        system.wait_log("supervisor", lambda line: line["msg"] == said, "of the trouble", 60)
        size = (system.log / "api-gateway.log").stat().st_size
        wait_until(lambda: (system.log / "api-gateway.log").stat().st_size > size + (4 << 20), "it grows", 60)
    assert not load.faults(200)
    assert len([line for line in system.log_lines("supervisor") if line["msg"] == said]) == 1
    shutil.rmtree(system.log / "api-gateway.log.1")
    wait_until((system.log / "api-gateway.log.1").is_file, "it is not begun anew")
    make_system.finish(system)


def test_a_log_that_was_moved_is_begun_anew(make_system):
    """Whoever renames a log need not tell: the part is told."""
    system = make_system("moved")
    system.gateway.get("/api/v1/users/1")
    for name in ("api-gateway", "user-service", "nginx-error"):
        (system.log / f"{name}.log").rename(system.log / f"{name}.log.1")
    for name in ("api-gateway", "user-service", "nginx-error"):
        wait_until((system.log / f"{name}.log").exists, f"{name}.log")
    answer = system.gateway.get("/api/v1/users/1")
    for name in ("api-gateway", "user-service"):
        system.wait_log(name, lambda line: line.get("trace_id") == answer.trace_id, "of the request")
    make_system.finish(system)


def test_a_full_disk(make_system, tmp_path):
    """Nothing ends, requests are answered, and logs go on when there is room again."""
    system = make_system.prepare("full", environment=SMALL | {"LOG_KEEP": "99"})
    system.log.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", system.log], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        system.start()
        system.losses_expected = system.nginx_trouble_expected = True
        pids = system.processes()
        with Load(system.ports["gateway"], [("GET", LONG, None)], threads=2) as load:
            wait_until(lambda: shutil.disk_usage(system.log).free < 65536, "it is not full", 60)
            load.wait_more(500)
        assert not load.faults(200)
        assert {name: pid for name, pid in system.processes().items() if alive(pid)} == pids
        for path in generations(system, "api-gateway"):
            path.unlink()
        wait_until(lambda: shutil.disk_usage(system.log).free > 1 << 20, "there is no room again")

        def is_logged():
            answer = system.gateway.get("/api/v1/users/1")
            time.sleep(0.1)
            return any(line.get("trace_id") == answer.trace_id for line in system.log_lines("api-gateway"))
        wait_until(is_logged, "lines are written again", interval=0.2)
        system.ctl("stop")
        assert system.tails().count("cannot be begun anew") <= 1
    finally:
        system.abandon()
        subprocess.run(["umount", "-l", system.log], check=True)


def test_a_rotation_that_was_cut_short_is_finished(tmp_path):
    """The supervisor was killed when the older name was there and the new file was not."""
    log = tmp_path / "x.log"
    log.write_text("newest\n")
    (tmp_path / "x.log.2").write_text("oldest\n")
    os.link(log, tmp_path / "x.log.1")
    rotation.begin_anew(str(log), 4)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "x.log": "", "x.log.1": "newest\n", "x.log.2": "oldest\n"}


def test_a_rotation_that_was_cut_short_is_finished_without_a_new_file(tmp_path):
    """The new file cannot be made either: two names of one file are no log that was begun anew."""
    log, blocked = tmp_path / "a.log", tmp_path / "a.log.new"
    log.write_text("x")
    os.link(log, tmp_path / "a.log.1")
    blocked.symlink_to("/dev/null")
    rotation.begin_anew(str(log), 4)
    assert not log.exists() and (tmp_path / "a.log.1").read_text() == "x"


def test_older_files_stay_when_it_fails_again_and_again(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("newest\n")
    for number in (1, 2, 3):
        (tmp_path / f"x.log.{number}").write_text(f"{number}\n")
    for _ in range(5):
        rotation.make_room(str(log), 9)  # and then it cannot go on
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "x.log": "newest\n", "x.log.2": "1\n", "x.log.3": "2\n", "x.log.4": "3\n"}
