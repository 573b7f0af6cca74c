# SPDX-License-Identifier: MIT
"""db/backup and db/restore: copies of one moment under load, and nothing replaced that should not be."""
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest

from lib.client import Client, email
from lib.load import ORDER, Threads
from lib.system import ROOT
from lib.wait import SLOWNESS, wait_until

# What must hold at any moment of the whole system; the reason why the three databases are copied as of one.
IMPOSSIBLE = {
    "an order without its user": "SELECT id FROM orders WHERE user_id NOT IN (SELECT id FROM users)",
    "a notification without its order":
        "SELECT id FROM notifications WHERE order_id NOT IN (SELECT id FROM orders)",
    "an order that nobody will ever be told of":
        "SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM notifications)"
        " AND id NOT IN (SELECT order_id FROM outbox WHERE delivered_at IS NULL)",
    "an order with two notifications":
        "SELECT order_id FROM notifications GROUP BY order_id HAVING count(*) > 1",
}


def run(tool, *arguments, environment):
    return subprocess.run([ROOT / "db" / tool, *map(str, arguments)], env={**os.environ, **environment}, cwd="/",
                          capture_output=True, text=True, check=False)


class Shop(Threads):
    """Clients who sign up and order, one after the other; keeps what was answered."""

    def __init__(self, port, threads=6):
        self.port, self.orders, self.faults = port, [], []
        super().__init__(*[self.work] * threads)

    def work(self):
        with Client(self.port) as client:
            while not self.stop.is_set():
                user = client.post("/api/v1/users", {"name": "x", "email": email()})
                order = client.post("/api/v1/orders", ORDER | {"user_id": user.json().get("id", 1)})
                self.faults += [answer for answer in (user, order) if answer.status != 201]
                self.orders.append(order.json().get("id"))


class Copies:
    def __init__(self, data, directory):
        self.environment = {"DATA_DIR": str(data), "BACKUP_DIR": str(directory)}
        self.directory = Path(directory)

    def backup(self, **environment):
        done = run("backup", environment=self.environment | environment)
        assert (done.returncode, done.stderr) == (0, ""), done
        return Path(done.stdout.strip())

    def restore(self, directory):
        done = run("restore", directory, environment=self.environment)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def refused(self, directory, why):
        done = run("restore", directory, environment=self.environment)
        assert done.returncode == 1 and re.search(why, done.stderr) and "Nothing was changed" in done.stderr, done


@contextlib.contextmanager
def opened(directory):
    """The databases of a backup in one connection."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for path in directory.glob("*.db"):
            connection.execute(f"ATTACH '{path}' AS {path.stem}")
        yield connection


def check_whole(directory):
    """Returns the ids of its orders."""
    names = sorted(path.name for path in directory.iterdir())
    assert names == ["SHA256SUMS", "notifications.db", "orders.db", "users.db"]
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=directory, check=True)
    with opened(directory) as copy:
        for name in ("users", "orders", "notifications"):
            assert copy.execute(f"PRAGMA {name}.integrity_check").fetchall() == [("ok",)]
        for what, query in IMPOSSIBLE.items():
            assert not copy.execute(query).fetchall(), what
        return {row[0] for row in copy.execute("SELECT id FROM orders")}


@pytest.fixture(scope="module")
def own(make_system):
    patient = str(10000 * SLOWNESS)  # for test_snapshots_that_take_their_time
    system = make_system("backup", environment={"BUSY_TIMEOUT_MS": patient, "CALL_TIMEOUT_MS": patient})
    system.nginx_trouble_expected = True  # it is asked for parts that the tests have stopped
    yield system
    make_system.finish(system)


@pytest.fixture
def copies(own, tmp_path):
    return Copies(own.data, tmp_path / "backups")


def test_backups_under_load_are_of_one_moment(own, copies):
    """Nobody who orders meanwhile notices."""
    made = []
    with Shop(own.ports["gateway"]) as shop:
        for _ in range(8):
            count = len(shop.orders)
            wait_until(lambda: len(shop.orders) >= count + 10, "orders", seconds=30)  # noqa: B023
            known = set(shop.orders)
            made.append((known, copies.backup()))
    assert not shop.faults
    last = set()
    for known, directory in made:
        ids = check_whole(directory)
        assert known | last <= ids, "what was answered before is in the backup"
        last = ids
    assert len(last) < len(shop.orders) + 100 and max(shop.orders) > max(made[0][0])


def test_snapshots_that_take_their_time(own, copies, tmp_path):
    """The same with more than half a second between the first snapshot and the next: what the locks are for."""
    slow = tmp_path / "sqlite3"
    slow.write_text("""#!/bin/sh
[ "$1" = :memory: ] || exec "$SQLITE3" "$@"
while read -r line; do
    echo "$line"
    case $line in SELECT* | .backup*) sleep 0.7 ;; esac
done | "$SQLITE3" "$@"
""")
    slow.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SQLITE3": shutil.which("sqlite3")}
    with Shop(own.ports["gateway"]) as shop:
        made = []
        for _ in range(3):
            count = len(shop.orders)
            wait_until(lambda: len(shop.orders) >= count + 10, "orders")  # noqa: B023
            made.append(copies.backup(**environment))
    assert not shop.faults
    for directory in made:
        check_whole(directory)


def test_a_backup_comes_back_to_life(own, copies):
    """What is restored is what was copied; messages that were on their way arrive, once; and it can be undone."""
    with Shop(own.ports["gateway"]) as shop:
        wait_until(lambda: len(shop.orders) > 30, "orders", seconds=30)
        with own.without("notifications"):  # some orders wait for their notification
            count = len(shop.orders)
            wait_until(lambda: len(shop.orders) > count + 10, "orders", seconds=60)
            backup = copies.backup()
        count = len(shop.orders)
        wait_until(lambda: len(shop.orders) > count + 10, "orders", seconds=60)
    kept = check_whole(backup)
    own.flush()
    own.stop()
    before = check_whole(copies.backup())
    said = copies.restore(backup)
    replaced = Path(re.search("is in (.*)", said)[1])
    own.start()
    assert {row[0] for row in own.query("orders", "SELECT id FROM orders")} == kept < before

    wait_until(lambda: own.query("orders", "SELECT count(*) FROM outbox WHERE delivered_at IS NULL") == [(0,)],
               "messages wait", seconds=60)
    assert {row[0] for row in own.query("notifications", "SELECT order_id FROM notifications")} == kept
    next_id = own.gateway.post("/api/v1/orders", ORDER).json()["id"]
    assert next_id == max(kept) + 1
    own.flush()
    own.stop()
    check_whole(copies.backup())
    copies.restore(replaced)
    own.start()
    assert {row[0] for row in own.query("orders", "SELECT id FROM orders")} == before


def test_nothing_is_replaced_while_it_runs(own, copies):
    backup = copies.backup()
    later = own.gateway.post("/api/v1/orders", ORDER).json()
    copies.refused(backup, "(users|orders|notifications).db is in use: .*make stop")
    with own.without("users"):  # one part that runs is enough
        copies.refused(backup, "(orders|notifications).db is in use")
    assert own.gateway.get(f"/api/v1/orders/{later['id']}").json()["id"] == later["id"]
    assert not list(copies.directory.glob("replaced-*")) and not list(own.data.glob("*.restore*"))
    assert not (own.data / ".restore").exists()


def test_a_backup_after_kill_9(own, copies):
    """What is in the logs of the databases alone is in the backup too, without any program to bring it in."""
    order = own.gateway.post("/api/v1/orders", ORDER).json()
    own.flush()
    own.kill_everything()
    assert (own.data / "orders.db-wal").stat().st_size > 0
    assert order["id"] in check_whole(copies.backup())
    own.start()


# ---- the tools alone


@pytest.fixture
def data(tmp_path):
    """Two databases, one of them in a directory of its own, as programs that are installed have them."""
    (tmp_path / "data/orders").mkdir(parents=True)
    for path in ("users.db", "orders/orders.db"):
        write(tmp_path / "data" / path, "first")
    return tmp_path / "data"


FILES = ["orders/orders.db", "users.db"]


def write(path, text):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS notes (text)")
        connection.execute("DELETE FROM notes")
        connection.execute("INSERT INTO notes VALUES (?)", [text])


def read(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT text FROM notes").fetchone()[0]


@pytest.fixture
def alone(data, tmp_path):
    (tmp_path / "schema").mkdir()
    for name in ("users", "orders", "traces"):
        (tmp_path / f"schema/{name}.sql").write_text("-- step 1: nothing\n")
    copies = Copies(data, tmp_path / "a b'c")
    copies.environment["SCHEMA_DIR"] = str(tmp_path / "schema")
    return copies


def test_databases_go_back_to_where_they_were(alone, data):
    backup = alone.backup()
    assert backup.stat().st_mode & 0o777 == 0o700
    for path in ("users.db", "orders/orders.db"):
        write(data / path, "second")
    alone.restore(backup)
    assert [read(data / path) for path in ("users.db", "orders/orders.db")] == ["first", "first"]
    assert not (data / "orders.db").exists()


def test_an_empty_place_is_filled(alone, data):
    backup = alone.backup()
    shutil.rmtree(data)
    assert "what was there" not in alone.restore(backup)
    assert sorted(path.name for path in data.iterdir()) == ["orders.db", "users.db"]
    assert [path.name for path in alone.directory.iterdir()] == [backup.name]


@pytest.mark.parametrize("where", [0, 4096])
def test_a_damaged_database_is_replaced_and_kept(alone, data, where):
    backup = alone.backup()
    damage(data / "users.db", where)
    damaged = (data / "users.db").read_bytes()
    alone.restore(backup)
    assert read(data / "users.db") == "first"
    kept, = alone.directory.glob("replaced-*/users.db")
    assert kept.read_bytes() == damaged


def damage(path, where):
    with open(path, "r+b") as file:
        file.seek(where)
        file.write(b"\xa5" * 200)


@pytest.mark.parametrize("where", [0, 4096])
def test_damage_is_not_copied(alone, data, where):
    damage(data / "users.db", where)
    done = run("backup", environment=alone.environment)
    assert done.returncode == 1 and done.stderr and done.stdout == ""
    assert list(alone.directory.iterdir()) == []


def test_a_damaged_backup_is_refused(alone, data):
    backup = alone.backup()
    write(data / "users.db", "second")
    for spoil in (lambda path: damage(path, 4096), Path.unlink):
        spoiled = alone.directory / f"spoiled-{spoil.__name__}"
        shutil.copytree(backup, spoiled)
        spoil(spoiled / "users.db")
        alone.refused(spoiled, "not a whole backup")
    (spoiled / "SHA256SUMS").write_text("")
    alone.refused(spoiled, "not a whole backup")
    assert read(data / "users.db") == "second"
    check_tidy(data, alone)


def check_tidy(data, copies):
    """Nothing is left of a restore that did not take place, or is finished."""
    files = (str(path.relative_to(data)) for path in data.rglob("*") if path.is_file())
    assert sorted(path for path in files if not path.endswith("-shm")) == FILES  # one that a backup has left
    assert not [path for path in copies.directory.glob("replaced-*") if not (path / "SHA256SUMS").exists()]


def test_a_backup_of_some_databases_is_refused(alone, data):
    """Whether its sums name less than there is in it, or less than there has to be."""
    backup = alone.backup()
    sums = (backup / "SHA256SUMS").read_text().splitlines(keepends=True)
    for path in ("users.db", "orders/orders.db"):
        write(data / path, "second")
    (backup / "SHA256SUMS").write_text(sums[1])
    alone.refused(backup, "names other databases than there are in it")
    (backup / "orders.db").unlink()
    alone.refused(backup, "it lacks orders")
    (data / "more").mkdir()
    write(data / "more/more.db", "a service without a schema")
    (backup / "SHA256SUMS").write_text("".join(sums))
    alone.refused(backup, "names other databases")
    alone.refused(alone.backup().parent / backup.name, "names other databases")
    assert [read(data / path) for path in ("users.db", "orders/orders.db")] == ["second", "second"]


def test_what_is_wrong_inside_is_refused_too(alone, data):
    """The sums are right, the database is not."""
    backup = alone.backup()
    damage(backup / "users.db", 4096)
    sums = subprocess.run(["sha256sum", "orders.db", "users.db"], cwd=backup, capture_output=True, text=True,
                          check=True)
    (backup / "SHA256SUMS").write_text(sums.stdout)
    write(data / "orders/orders.db", "second")
    alone.refused(backup, "users.db is damaged")
    assert read(data / "orders/orders.db") == "second"
    check_tidy(data, alone)


def test_a_writer_is_waited_for(alone, data):
    holder = sqlite3.connect(data / "orders/orders.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    holder.execute("UPDATE notes SET text = 'being written'")
    release = threading.Timer(1, lambda: holder.execute("COMMIT"))
    release.start()
    backup = alone.backup()
    release.join()
    holder.close()
    assert read(backup / "orders.db") == "being written"


def test_usage(alone, data, tmp_path):
    for tool, arguments in (("backup", ["x"]), ("restore", []), ("restore", [""]), ("restore", ["--what"])):
        done = run(tool, *arguments, environment=alone.environment)
        assert done.returncode == 2 and done.stderr.startswith("usage:")
        assert run(tool, "--help", environment=alone.environment).stdout.startswith("usage:")
    assert run("restore", tmp_path / "none", environment=alone.environment).returncode == 1
    assert run("backup", environment=alone.environment | {"DATA_DIR": "/etc"}).returncode == 1


def test_make(alone, data):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment |= alone.environment

    def make(*arguments):
        return subprocess.run(["make", "-s", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True,
                              check=True, timeout=60 * SLOWNESS).stdout
    backup = make("backup").strip()
    write(data / "users.db", "second")
    make("restore", f"FROM={backup}")
    assert read(data / "users.db") == "first"


def test_what_make_is_told_is_not_run(alone, data, tmp_path):
    """Neither by make nor by a shell: FROM is a directory's name, whatever is in it."""
    backup = alone.backup()
    odd = tmp_path / "it's a \"name\" $(touch one) `touch two`; touch three $HOME ä"
    shutil.copytree(backup, odd)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    for arguments, more in (([f"FROM={odd}"], {}), ([], {"FROM": str(odd)})):
        write(data / "users.db", "second")
        done = subprocess.run(["make", "-s", "-f", ROOT / "Makefile", "-C", ROOT, "restore", *arguments],
                              env=environment | alone.environment | more, capture_output=True, text=True, check=True)
        assert f"restored {odd}" in done.stdout
        assert read(data / "users.db") == "first"
    assert not [name for name in ("one", "two", "three") if (ROOT / name).exists()]


# ---- a restore that ends halfway


STEPS = ("mkdir", "write", "fsync", "renameat", "unlink", "unlinkat", "fchmod", "flock")
DECIDED = ("renameat", 3)  # the first is the journal's, the second the decision's, the third the first database's


def kill_at(copies, directory, call, number):
    """Kills db/restore as it makes that system call for the nth time. False: it makes fewer, and has ended well."""
    done = subprocess.run(["strace", "-qq", "-o", os.devnull, "-e", f"trace={call}",
                           "-e", f"inject={call}:signal=KILL:when={number}", ROOT / "db/restore", directory],
                          env={**os.environ, **copies.environment, "PYTHONDONTWRITEBYTECODE": "1"},
                          capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL), done
    return done.returncode != 0


def contents(data):
    return [read(data / path) for path in FILES]


@pytest.mark.parametrize("call", STEPS)
def test_killed_at_any_step(alone, data, tmp_path, call):
    """What is there then is the old set or is not started on; the next call finishes, with or without an argument."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    backup = alone.backup()
    for path in FILES:
        write(data / path, "second")
    original = tmp_path / "original"
    shutil.copytree(data, original)
    number = 1
    while True:
        shutil.rmtree(data)
        shutil.copytree(original, data)
        if not kill_at(alone, backup, call, number):
            break
        unfinished = (data / ".restore").exists()
        marked = [(data / path.replace(".db", ".restore")).exists() for path in FILES]
        if not all(marked):
            assert len(set(contents(data))) == 1, "a program that starts finds one half of each"
            assert unfinished or contents(data) == ["first", "first"] or not any(marked)
        done = run("restore", *([] if unfinished and number % 2 else [backup]), environment=alone.environment)
        assert (done.returncode, done.stderr) == (0, ""), (call, number, done)
        assert contents(data) == ["first", "first"], (call, number)
        assert not (data / "orders.db").exists()
        check_tidy(data, alone)
        kept = max(alone.directory.glob("replaced-*"))
        if "what was there" in done.stdout:
            assert re.search("is in (.*)", done.stdout)[1] == str(kept)
        assert sorted(path.name for path in kept.glob("*.db")) == ["orders.db", "users.db"]
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=kept, check=True)
        number += 1
    assert number > 1, "it makes no such call"
    assert contents(data) == ["first", "first"]


def killed_halfway(alone, backup, data):
    """After the decision, before the first database is in its place."""
    for path in FILES:
        write(data / path, "second")
    assert kill_at(alone, backup, *DECIDED)
    assert contents(data) == ["second", "second"] and json.loads((data / ".restore").read_text())["decided"]


def test_an_unfinished_restore_is_finished_first(alone, data):
    backup = alone.backup()
    killed_halfway(alone, backup, data)
    other = shutil.copytree(backup, alone.directory / "other")
    done = run("restore", other, environment=alone.environment)
    assert done.returncode == 1 and f"a restore of {backup} was cut off" in done.stderr
    done = run("backup", environment=alone.environment)
    assert done.returncode == 1 and "a restore is not finished" in done.stderr
    assert run("restore", environment=alone.environment).returncode == 0
    assert contents(data) == ["first", "first"]
    check_tidy(data, alone)


def test_no_program_starts_on_an_unfinished_restore(program, tmp_path):
    """Killed at its decision; the program that is started then refuses, and finds what was restored after."""
    alone = program("users")
    copies = Copies(alone.dir / "data", tmp_path / "backups")
    (tmp_path / "schema").mkdir()
    shutil.copy(ROOT / "db/schema/users.sql", tmp_path / "schema")
    copies.environment["SCHEMA_DIR"] = str(tmp_path / "schema")
    backup = copies.backup()
    copies.refused(backup, "users.db is in use: .*make stop")
    assert alone.ask(method="DELETE", path="/api/v1/users/1").status == 204
    alone.terminate()
    assert alone.wait()[0] == 0
    assert kill_at(copies, backup, *DECIDED)
    alone.start(ready=False)
    assert alone.wait()[0] == 1 and b"restore" in alone.process.stderr.read()
    assert run("restore", environment=copies.environment).returncode == 0
    alone.start()
    assert alone.ask(path="/api/v1/users/1").status == 200


# ---- what is not ours


@pytest.mark.parametrize("name", ["users.db", "users.db-wal", "users.db-shm", "users.db.restored", "users.restore",
                                  "users.lock", "orders", ".restore", ".restore.new"])
def test_no_link_is_followed(alone, data, tmp_path, name):
    """As root, db/restore works in a directory of somebody who is not: what a link there points at stays as it is."""
    backup = alone.backup()
    foreign = tmp_path / "foreign"
    if name == "orders":
        shutil.move(data / "orders", foreign)
        write(foreign / "orders.db", "foreign")
    else:
        foreign.write_text("foreign")
        (data / name).unlink(missing_ok=True)
    (data / name).symlink_to(foreign)
    done = run("restore", backup, environment=alone.environment)
    assert (done.returncode == 0) == (name == ".restore.new"), done
    assert "Traceback" not in done.stderr
    if name == "orders":
        assert [path.name for path in foreign.iterdir()] == ["orders.db"] and read(foreign / "orders.db") == "foreign"
    else:
        assert foreign.read_text() == "foreign" and not foreign.is_symlink()
    assert not list(data.rglob("*.restored")) or name == "users.db.restored"


def test_a_strangers_journal_is_not_believed(alone, data, tmp_path):
    """It would name the files that are removed."""
    if os.geteuid() != 0:
        pytest.skip("takes root, to make another user's file")
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "users.db").write_text("mine")
    journal = data / ".restore"
    journal.write_text(json.dumps({"from": str(victim), "kept": str(victim), "names": ["users"], "decided": False}))
    os.chown(journal, 65534, 65534)
    done = run("restore", environment=alone.environment)
    assert done.returncode == 1 and (victim / "users.db").read_text() == "mine"


# ---- a backup that lacks something


def test_a_backup_without_a_database_is_none(alone, data):
    (data / "orders/orders.db").rename(data / "away")
    done = run("backup", environment=alone.environment)
    assert done.returncode == 1 and "there is no" in done.stderr and "orders.db" in done.stderr
    assert done.stdout == "" and list(alone.directory.iterdir()) == []


@pytest.mark.parametrize("suffix, put", [("", False), ("", True), ("-wal", False), ("-wal", True)])
def test_what_its_program_does_not_have_open_is_not_backed_up(program, tmp_path, suffix, put):
    """The database or its log was moved; with and without another one in its place."""
    alone = program("users")
    copies = Copies(alone.dir / "data", tmp_path / "backups")
    (tmp_path / "schema").mkdir()
    shutil.copy(ROOT / "db/schema/users.sql", tmp_path / "schema")
    copies.environment["SCHEMA_DIR"] = str(tmp_path / "schema")
    assert copies.backup().is_dir()
    path = alone.dir / f"data/users.db{suffix}"
    path.rename(alone.dir / "away")
    if put:
        path.write_bytes((alone.dir / "away").read_bytes())
    done = run("backup", environment=copies.environment)
    assert done.returncode == 1 and done.stdout == ""
    wanted = "was it moved" if not suffix and not put else f"its program .process {alone.process.pid}. has open"
    assert re.search(wanted, done.stderr), done.stderr
    assert len(list(copies.directory.iterdir())) == 1


# ---- any path, any locale


ODD = ["with space", "it's", 'quo"te', "back\\slash", "测试", "-x", "$HOME", "a;b", "new\nline"]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "de_DE.ISO-8859-1"])
def test_any_path_and_locale(alone, data, tmp_path, name, locale):
    """Also relative ones, which begin below the project's root, and with CDPATH set."""
    place = tmp_path / name
    shutil.move(data, place)
    below = os.path.relpath(place, ROOT)
    copies = Copies(place, tmp_path / f"{name} backups")
    copies.environment |= {"SCHEMA_DIR": str(tmp_path / "schema"), "LC_ALL": locale, "CDPATH": f"/:{tmp_path}:.",
                           "DATA_DIR": below}
    backup = copies.backup()
    assert sorted(path.name for path in backup.iterdir()) == ["SHA256SUMS", "orders.db", "users.db"]
    write(place / "users.db", "second")
    assert f"restored {backup}" in copies.restore(backup)
    assert contents(place) == ["first", "first"]


def test_a_directory_that_begins_with_a_dash(alone, data):
    backup = alone.backup()
    dashed = backup.rename(backup.with_name("-backup"))
    write(data / "users.db", "second")
    for arguments in (["--", "-backup"], ["./-backup"]):
        done = subprocess.run([ROOT / "db/restore", *arguments], cwd=dashed.parent, capture_output=True, text=True,
                              env={**os.environ, **alone.environment}, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done
    assert read(data / "users.db") == "first"
