# SPDX-License-Identifier: MIT
"""The databases tell the truth: one program each, files in their place, writes that succeed, content that is sound."""
import json
import os
import re
import resource
import signal
import sqlite3
import stat
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from lib import logs, metrics
from lib.program import Program
from lib.service import Service
from lib.system import ROOT
from lib.load import Threads
from lib.wait import SLOWNESS, wait_until

ORDER = b'{"user_id":1,"product":"Tea","amount":9.9}'


def new_user(number=0):
    return {"method": "POST", "path": "/api/v1/users",
            "body": json.dumps({"name": "x", "email": f"{os.urandom(8).hex()}{number}@example.org"}).encode()}


def detail(answer):
    return json.loads(answer.body)["detail"]


def ready(program):
    return program.ask(path="/readyz")


def wait_not_ready(program, text):
    answer = wait_until(lambda: (a := ready(program)).status == 503 and a, "still ready", seconds=10)
    assert re.search(text, detail(answer)), detail(answer)


def wait_ready(program):
    wait_until(lambda: ready(program).status == 200, lambda: ready(program).body, seconds=10)


def lines(program, level):
    return [line for line in logs.read(program.log)[0] if line["level"] == level and line["msg"] != "request"]


def refusal(program, within=5):
    """What a program says that does not start: on stderr in one line, and in its log."""
    code, seconds = program.wait(10)
    said = program.process.stderr.read().decode()
    assert code == 1 and seconds < within * SLOWNESS
    assert said.count("\n") == 1, said
    logged = lines(program, "error")[-1]
    assert logged["error"] in said and logged["remedy"] in said
    return said


# ---- one program at a time

@pytest.fixture
def pair(program):
    """A program that runs, and another one on the same database."""
    first = program("users", BUSY_TIMEOUT_MS="100")
    (first.dir / "second").mkdir()
    other = Program("users", first.dir / "second", DATA_DIR=first.environment["DATA_DIR"], BUSY_TIMEOUT_MS="100")
    yield first, other
    other.close()


def test_a_second_program_on_the_same_database_is_refused(pair):
    first, other = pair
    said = refusal(other.start(ready=False))
    assert f"users.db cannot be opened: it is in use by process {first.process.pid}" in said
    assert "make stop" in said
    assert first.ask(**new_user()).status == 201 and ready(first).status == 200


def test_also_by_another_path(pair, tmp_path):
    """A link to the directory, or to the file, is the same database."""
    first, other = pair
    data = first.dir / "data"
    (tmp_path / "link").symlink_to(data)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/users.db").symlink_to(data / "users.db")
    for path in (tmp_path / "link", tmp_path / "own"):
        other.environment["DATA_DIR"] = str(path)
        assert "in use by process" in refusal(other.start(ready=False))


def test_the_lock_ends_with_the_process(pair):
    """However it ends, and whatever has inherited its descriptors; a file that is left over is no obstacle."""
    first, other = pair
    assert (first.dir / "data/users.lock").read_text().startswith(f"{first.process.pid} ")
    first.process.kill()
    first.wait()
    assert (first.dir / "data/users.lock").exists()
    other.start()
    assert ready(other).status == 200
    other.terminate()
    assert other.wait()[0] == 0
    first.pid_file.unlink()
    first.start()
    assert ready(first).status == 200


def test_a_program_that_is_about_to_end_is_waited_for(pair):
    first, other = pair
    other.environment["BUSY_TIMEOUT_MS"] = "30000"
    other.start(ready=False)
    wait_until(lambda: lock_waits(other), "it does not try")
    first.terminate()
    assert first.wait()[0] == 0
    wait_until(other.pid_file.exists, "it does not start")
    assert ready(other).status == 200


def lock_waits(program):
    """It has tried at least once: it sleeps, and has no database open."""
    names = []
    for link in Path(f"/proc/{program.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it has just been closed
            names.append(os.readlink(link))
    return any(name.endswith(".log") for name in names) and not any(name.endswith(".db") for name in names)


def test_a_lock_that_is_removed_comes_back(pair):
    first, other = pair
    lock = first.dir / "data/users.lock"
    lock.unlink()
    wait_until(lambda: lock.exists() and lock.read_text(), "no lock")
    assert "in use by process" in refusal(other.start(ready=False))
    assert ready(first).status == 200


def test_a_lock_is_no_link(program, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.write_text("mine")
    alone = program("users", start=False)
    (alone.dir / "data/users.lock").symlink_to(foreign)
    assert "users.lock" in refusal(alone.start(ready=False))
    assert foreign.read_text() == "mine"


# ---- files that are moved while the program runs

def start_orders(program, peer):
    return program("orders", USERS_URL=peer.url, NOTIFICATIONS_URL=peer.url)


def place(program):
    return program.ask(method="POST", path="/api/v1/orders", body=ORDER)


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_file_that_is_moved_is_missed(program, suffix):
    """Nothing is answered from it, nothing is stored in it, and it is told; it is used again when it is back."""
    alone = program("users")
    path, away = alone.dir / f"data/users.db{suffix}", alone.dir / "away"
    assert alone.ask(**new_user()).status == 201
    path.rename(away)
    wait_not_ready(alone, rf"users\.db{suffix} was moved or deleted while the program runs.*Remedy: ")
    assert alone.ask(**new_user()).status == 503
    assert alone.ask(path="/api/v1/users/1").status == 503
    assert alone.ask(path="/healthz").status == 200
    told, = wait_until(lambda: lines(alone, "error"), "nothing is said")
    assert told["msg"] == "the database cannot be used" and "was moved or deleted" in told["error"] and told["remedy"]
    away.rename(path)
    wait_ready(alone)
    assert alone.ask(**new_user()).status == 201
    assert alone.ask(path="/api/v1/users/1").status == 200
    wait_until(lambda: lines(alone, "info")[-1]["msg"] == "the database is in its place again", "nothing is said")


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_another_file_in_its_place_is_not_used(program, suffix):
    alone = program("users")
    path = alone.dir / f"data/users.db{suffix}"
    assert alone.ask(**new_user()).status == 201
    (alone.dir / "other").write_bytes(path.read_bytes())
    (alone.dir / "other").rename(path)
    wait_not_ready(alone, rf"users\.db{suffix} was replaced by another file.*restart the program")
    assert alone.ask(**new_user()).status == 503
    assert alone.ask(path="/api/v1/users").status == 503
    stored = path.read_bytes()
    alone.terminate()
    assert alone.wait()[0] == 0
    assert path.read_bytes() == stored, "it belongs to somebody else"


def test_a_database_that_is_emptied_is_missed(program):
    alone = program("users")
    assert alone.ask(**new_user()).status == 201
    os.truncate(alone.dir / "data/users.db", 0)
    wait_not_ready(alone, "users.db was emptied.*make restore FROM=")
    assert alone.ask(**new_user()).status == 503
    assert alone.ask(path="/api/v1/users/1").status == 503
    alone.terminate()
    assert alone.wait()[0] == 0
    assert "make restore FROM=" in refusal(alone.start(ready=False)), "and no new one is made"


def test_a_moved_directory_is_missed(program):
    alone = program("users")
    (alone.dir / "data").rename(alone.dir / "elsewhere")
    wait_not_ready(alone, "users.db was moved")
    assert alone.ask(**new_user()).status == 503
    (alone.dir / "elsewhere").rename(alone.dir / "data")
    wait_ready(alone)


class Customers(Threads):
    """Orders, or whatever `request` makes, without a pause; keeps the ids of those that were acknowledged."""

    def __init__(self, program, count=8, request=lambda: {"method": "POST", "path": "/api/v1/orders", "body": ORDER}):
        self.program, self.ids, self.refused, self.request = program, [], [], request
        super().__init__(*[self.work] * count)

    def work(self):
        connection = self.program.connect()
        while not self.stop.is_set():
            answer = connection.ask(**self.request())
            if answer.status == 201:
                self.ids.append(json.loads(answer.body)["id"])
            else:
                self.refused.append(answer)


def stored_orders(path):
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM orders")}


@pytest.mark.parametrize("suffix, act", [("-wal", "delete"), ("", "move"), ("-shm", "delete")])
def test_no_order_is_acknowledged_that_is_not_there(program, suffix, act):
    """A file goes in the midst of orders. What was acknowledged is in the database when it is opened again."""
    with Service() as peer:
        alone = start_orders(program, peer)
        path, away = alone.dir / "data/orders.db", alone.dir / "away"
        with Customers(alone) as customers:
            wait_until(lambda: len(customers.ids) > 50, "no orders")
            gone = path.with_name(f"orders.db{suffix}")
            if act == "delete":
                gone.unlink()
            else:
                gone.rename(away)
            wait_until(lambda: len(customers.refused) > 50, "orders are taken")
        assert {answer.status for answer in customers.refused} == {503}
        assert all("Retry-After" in answer.headers for answer in customers.refused)
        # a connection that the program opens just then makes another -wal or -shm
        wait_not_ready(alone, "moved or deleted|was replaced by another file")
        alone.terminate()
        assert alone.wait()[0] == 0
        if act == "move":
            away.rename(path)
        assert set(customers.ids) <= stored_orders(path)
        alone.start()
        assert place(alone).status == 201
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_lonely_log_is_not_thrown_away(program):
    """SQLite takes a log without a database for a left-over, and removes it with the orders in it."""
    with Service() as peer:
        alone = start_orders(program, peer)
        order = json.loads(place(alone).body)["id"]
        alone.process.kill()
        alone.wait()
        path = alone.dir / "data/orders.db"
        path.rename(alone.dir / "away")
        log = path.with_name("orders.db-wal").read_bytes()
        assert log
        alone.pid_file.unlink()
        said = refusal(alone.start(ready=False))
        assert "it was moved or deleted, but its log" in said and "make restore FROM=" in said
        assert path.with_name("orders.db-wal").read_bytes() == log
        (alone.dir / "away").rename(path)
        alone.start()
        assert alone.ask(path=f"/api/v1/orders/{order}").status == 200


def test_a_database_that_was_there_is_not_made_anew(program):
    """All of its files were moved away, and the program is started again: its rows are not gone, they are elsewhere."""
    alone = program("users")
    assert alone.ask(**new_user()).status == 201
    (alone.dir / "away").mkdir()
    for path in (alone.dir / "data").glob("users.db*"):
        path.rename(alone.dir / "away" / path.name)
    wait_not_ready(alone, "was moved or deleted")
    alone.terminate()
    assert alone.wait()[0] == 0
    said = refusal(alone.start(ready=False))
    assert "it was moved or deleted" in said and "users.lock says that it was here" in said
    assert [path.name for path in (alone.dir / "data").iterdir()] == ["users.lock"]
    for path in (alone.dir / "away").iterdir():
        path.rename(alone.dir / "data" / path.name)
    alone.start()
    assert len(json.loads(alone.ask(path="/api/v1/users?limit=100").body)["items"]) > 10
    alone.terminate()
    assert alone.wait()[0] == 0
    for path in (alone.dir / "data").iterdir():  # what one does who wants a new one
        path.unlink()
    alone.start()
    assert ready(alone).status == 200


# ---- writes that fail

def limit_files(program, size):
    _, hard = resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def test_ready_means_that_writes_succeed(program):
    """A disk that takes nothing more, by a limit on the size of files, which can be lifted again."""
    alone = program("users", start=False)
    alone.start(preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
    for number in range(20):
        assert alone.ask(**new_user(number)).status == 201
    limit_files(alone, (alone.dir / "data/users.db-wal").stat().st_size)
    answers = [alone.ask(**new_user(number)) for number in range(3)]
    assert {answer.status for answer in answers} == {503} and all("Retry-After" in a.headers for a in answers)
    wait_not_ready(alone, r"Nothing can be stored in users\.db: it has reached a limit on the size of files.*ulimit -f")
    assert alone.ask(path="/api/v1/users/1").status == 200, "reading goes on"
    told, = wait_until(lambda: [line for line in lines(alone, "error")
                                if line["msg"] == "the database cannot be written"], "nothing is said")
    assert told["remedy"]
    limit_files(alone, None)
    wait_ready(alone)  # by itself: nobody writes
    assert alone.ask(**new_user()).status == 201
    wait_until(lambda: lines(alone, "info")[-1]["msg"] == "the database can be written again", "nothing is said")


def test_a_lock_that_passes_is_no_trouble(program):
    alone = program("users", BUSY_TIMEOUT_MS="50")
    with closing(sqlite3.connect(alone.dir / "data/users.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert alone.ask(**new_user()).status == 503
        other.execute("ROLLBACK")
    assert alone.ask(**new_user()).status == 201
    assert ready(alone).status == 200


@pytest.mark.parametrize("asked", [True, False])
def test_a_lock_that_stays_makes_it_unready(program, asked):
    """Whether somebody wants to write or not; by itself it is ready again."""
    alone = program("users", BUSY_TIMEOUT_MS="50")
    with closing(sqlite3.connect(alone.dir / "data/users.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        if asked:
            assert alone.ask(**new_user()).status == 503
        wait_not_ready(alone, r"Nothing can be stored in users\.db: another process holds a lock on it\. Remedy: ")
        assert "Retry-After" in ready(alone).headers
        assert alone.ask(path="/api/v1/users/1").status == 200, "reading goes on"
        other.execute("ROLLBACK")
    wait_ready(alone)
    assert alone.ask(**new_user()).status == 201
    said = [line["msg"] for line in lines(alone, "error") + lines(alone, "info")]
    assert said.count("the database cannot be written") == 1
    wait_until(lambda: "the database can be written again" in [line["msg"] for line in lines(alone, "info")],
               "nothing is said")


def test_writes_that_all_fail_make_it_unready(program):
    """Not the disk's fault: somebody has changed the tables by hand. Ready again with the first one that succeeds."""
    alone = program("users")
    change(alone.dir / "data/users.db", "ALTER TABLE users RENAME TO others")
    for number in range(3):
        assert alone.ask(**new_user(number)).status == 500
    wait_not_ready(alone, r"Nothing can be stored in users\.db: every write fails\. Remedy: .*make restore FROM=")
    change(alone.dir / "data/users.db", "ALTER TABLE others RENAME TO users")
    assert alone.ask(**new_user()).status == 201
    assert ready(alone).status == 200


# ---- readers that stay

def gauge(connection, name):
    return metrics.total(metrics.samples(connection.ask(path="/metrics").body.decode()), name)


def test_writers_do_not_wait_for_a_reader_that_stays(program):
    """It keeps the write-ahead log from starting over: that is measured and said, and then the log is short again."""
    alone = program("users", OTEL_SDK_DISABLED="false", OTEL_TRACES_EXPORTER="none")
    scraper, log, limit = alone.connect(), alone.dir / "data/users.db-wal", 8 << 20
    for number in range(20):
        assert alone.ask(**new_user(number)).status == 201
    with closing(sqlite3.connect(f"file:{alone.dir}/data/users.db?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        seen = reader.execute("SELECT count(*) FROM users").fetchone()
        with Customers(alone, request=new_user) as writers:
            wait_until(lambda: log.stat().st_size > 2 * limit, "the log does not grow", seconds=180)
        assert not writers.refused
        assert reader.execute("SELECT count(*) FROM users").fetchone() == seen
        wait_until(lambda: gauge(scraper, "db_wal_pinned_seconds") > 0, "the reader is not seen")
        wait_until(lambda: gauge(scraper, "db_wal_size_bytes") > limit, "its size is not seen")
        said = "a reader keeps the write-ahead log from starting over, and it grows"
        told, = wait_until(lambda: [line for line in lines(alone, "warn") if line["msg"] == said], "nothing is said")
        assert told["wal.bytes"] > limit and told["reader.seconds"] >= 5 and told["remedy"]
        assert ready(alone).status == 200
        reader.execute("ROLLBACK")
    wait_until(lambda: log.stat().st_size <= limit, "the log stays long")  # though nobody writes
    wait_until(lambda: gauge(scraper, "db_wal_pinned_seconds") == 0, "the reader is still seen")
    wait_until(lambda: gauge(scraper, "db_wal_size_bytes") <= limit, "its size is not seen")
    wait_until(lambda: lines(alone, "info")[-1]["msg"] == "the write-ahead log can start over again", "nothing is said")
    assert alone.ask(**new_user()).status == 201


# ---- content that is not sound

def spoil(path, where, length=4096):
    with open(path, "r+b") as file:
        file.seek(where)
        file.write(b"\xa5" * length)


def stopped(program, name):
    alone = program(name)
    if name == "trace-store":
        alone.log = alone.log.with_name("trace-store.log")
    alone.terminate()
    assert alone.wait()[0] == 0
    return alone, alone.dir / f"data/{'traces' if name == 'trace-store' else name}.db"


def change(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("name", ["users", "orders", "notifications"])
@pytest.mark.parametrize("where", [0, 4096])
def test_a_damaged_database_is_refused(program, name, where):
    alone, path = stopped(program, name)
    spoil(path, where)
    before = path.read_bytes()
    said = refusal(alone.start(ready=False))
    assert f"{name}.db cannot be opened: it is damaged" in said and "make restore FROM=" in said
    assert path.read_bytes() == before


def test_damage_that_is_met_later_is_told(program):
    """By a request that reads what was damaged while the program runs."""
    alone, path = stopped(program, "users")
    alone.start()
    spoil(path, 4096)
    assert alone.ask(path="/api/v1/users").status == 500
    wait_not_ready(alone, r"cannot rely on users\.db: it is damaged.*make restore FROM=")
    told, = wait_until(lambda: [line for line in lines(alone, "error") if line["msg"] == "the database is damaged"],
                       "nothing is said")
    assert "make restore FROM=" in told["remedy"]
    alone.process.kill()
    alone.wait()
    alone.pid_file.unlink()
    assert "it is damaged" in refusal(alone.start(ready=False))


def test_a_newer_database_is_refused(program):
    alone, path = stopped(program, "orders")
    change(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    assert "it was made by a newer version of the program (schema step 99; " in refusal(alone.start(ready=False))
    assert path.read_bytes() == before


TROUBLES = {
    "no database": lambda path: spoil(path, 0),
    "damaged inside": lambda path: spoil(path, 4096),
    "empty log": lambda path: (path.with_name("traces.db-wal").write_bytes(b"x" * 100), path.unlink()),
    "newer": lambda path: change(path, "PRAGMA user_version = 99"),
    "other tables": lambda path: change(path, "ALTER TABLE pieces RENAME COLUMN spans TO things"),
    "of another program": lambda path: (path.unlink(), change(path, "CREATE TABLE pieces (other TEXT)")),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_damaged_cache_is_made_anew(program, trouble):
    """Twice: of those that are set aside the newest stays."""
    alone, path = stopped(program, "trace-store")
    for turn in range(2):
        TROUBLES[trouble](path)
        before = path.read_bytes() if path.exists() else None
        alone.start()
        wait_ready(alone)
        kept, = {re.sub("-(wal|shm)$", "", one.name) for one in path.parent.glob("traces.db.damaged-*")}
        assert re.fullmatch(r"traces\.db\.damaged-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ", kept)
        if before and trouble != "of another program":  # SQLite says in it that it has a log now
            assert (path.parent / kept).read_bytes() == before
        wait_until(lambda: len(lines(alone, "warn")) > turn, "nothing is said")  # noqa: B023
        told = lines(alone, "warn")
        assert len(told) == turn + 1 and told[turn]["kept"].endswith(kept) and told[turn]["reason"]
        alone.terminate()
        assert alone.wait()[0] == 0
        for one in path.parent.glob("traces.db.damaged-*"):  # as if a year had gone by
            one.rename(one.with_name(one.name.replace("damaged-20", "damaged-19")))


def test_an_older_cache_is_kept(program):
    alone, path = stopped(program, "trace-store")
    path.unlink()
    older, = re.findall(r"-- step 1:.*?(?=-- step 2:)", (ROOT / "db/schema/traces.sql").read_text(), re.DOTALL)
    now_ms = time.time_ns() // 1_000_000
    span = b"\x12\x22\x0a\x10" + bytes(range(16)) + b"\x12\x08" + bytes(range(1, 9)) + b"\x2a\x04kept"
    change(path, *older.split(";"), "PRAGMA user_version = 1", "INSERT INTO sources VALUES (7, x'1a0173', x'')",
           f"INSERT INTO pieces VALUES (1, x'{bytes(range(16)).hex()}', 7, {now_ms + 86_400_000}, x'{span.hex()}')",
           # of this one the source is gone
           f"INSERT INTO pieces VALUES (2, x'{bytes(16).hex()}', 6, {now_ms}, x'{span.hex()}')")
    alone.start()
    wait_ready(alone)
    assert not list(path.parent.glob("*damaged*"))
    stored = json.loads(alone.ask(path=f"/api/traces/{bytes(range(16)).hex()}").body)
    assert stored["batches"][0]["schemaUrl"] == "s" and b"kept" in json.dumps(stored).encode()
    assert alone.ask(path="/api/traces/0").status == 404


def test_an_unfinished_restore_is_not_started_on(program):
    alone, path = stopped(program, "users")
    marker = path.with_name("users.restore")
    marker.write_text("")
    for one in (path, path.with_name("users.lock")):
        one.unlink()
    assert "a restore of a backup was begun and is not finished" in refusal(alone.start(ready=False))
    assert not path.exists(), "a new one would be taken for the restored one"
    marker.unlink()
    alone.start()
    assert ready(alone).status == 200


# ---- reasons why it cannot be opened

@pytest.mark.parametrize("directory, reason", [
    ("/nonexistent/deep/data", "its directory does not exist"),
    ("/dev/null/data", "a part of its path is not a directory"),
    ("/proc", "its directory does not exist|this user may not write there"),
    ("/" + "x" * 5000, "DATA_DIR is too long"),
])
def test_the_reason_is_named(program, directory, reason):
    assert re.search(reason, refusal(program("users", start=False, DATA_DIR=directory).start(ready=False)))


@pytest.fixture
def open_to_all():
    """A directory that everybody may enter: pytest's are private."""
    with tempfile.TemporaryDirectory(prefix="apm-") as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, to become somebody else")
@pytest.mark.parametrize("mode", [0o555, 0o777])
def test_the_user_is_named(program, open_to_all, mode):
    """Of whom neither the directory nor, in the second case, the file in it is."""
    own, path = stopped(program, "users")
    data, log = open_to_all / "data", open_to_all / "logs"
    for one in (data, log):
        one.mkdir()
    data.joinpath("users.db").write_bytes(path.read_bytes())
    data.joinpath("users.db").chmod(0o644)
    log.chmod(0o777)
    data.chmod(mode)
    alone = program("users", start=False, DATA_DIR=str(data), LOG_DIR=str(log))
    alone.log = log / alone.log.name
    said = refusal(alone.start(ready=False, user=65534, group=65534, extra_groups=[]))
    assert "this user may not write there" in said and "chown" in said, own


def test_too_few_descriptors_are_refused_with_the_number(program):
    alone = program("users", start=False, WORKER_THREADS="24")
    alone.start(ready=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    assert alone.wait()[0] == 1
    said = alone.process.stderr.read().decode()
    assert "64 open files are allowed, and 24 threads need 160" in said and "LimitNOFILE" in said


def test_the_limit_of_descriptors_is_raised(program):
    alone = program("users", start=False)
    alone.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 700)))
    assert resource.prlimit(alone.process.pid, resource.RLIMIT_NOFILE) == (700, 700)


# ---- who may read

def modes(program):
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in sorted((program.dir / "own").iterdir())}


@pytest.mark.parametrize("umask, mode", [(0o000, "0o640"), (0o022, "0o640"), (0o077, "0o600")])
def test_nobody_else_reads_a_database(program, umask, mode):
    alone = program("users", start=False)
    alone.environment["DATA_DIR"] = str(alone.dir / "own")
    alone.start(umask=umask)
    assert alone.ask(**new_user()).status == 201
    assert modes(alone) == {f"users.{end}": mode for end in ("db", "db-shm", "db-wal")} | {"users.lock": "0o640"}
    assert stat.S_IMODE((alone.dir / "own").stat().st_mode) == 0o750 & ~umask
    assert stat.S_IMODE(alone.log.stat().st_mode) == 0o644, "nginx reads the logs for the console"


def test_a_database_that_others_can_read_is_made_private(program):
    alone = program("users", start=False)
    alone.environment["DATA_DIR"] = str(alone.dir / "own")
    alone.start()
    alone.ask(**new_user())
    alone.process.kill()
    alone.wait()
    for path in (alone.dir / "own").iterdir():
        path.chmod(0o666)
    alone.pid_file.unlink()
    alone.start()
    assert set(modes(alone).values()) == {"0o640"}


def test_a_log_keeps_the_mode_that_it_was_given(program):
    alone = program("users")
    alone.log.chmod(0o600)
    alone.process.send_signal(signal.SIGUSR1)
    alone.ask(path="/api/v1/users/1")
    wait_until(lambda: "/api/v1/users/1" in alone.log.read_text(), "no line")
    assert stat.S_IMODE(alone.log.stat().st_mode) == 0o600
