# SPDX-License-Identifier: MIT
"""make run, make stop, kill -9 of any process and two commands at once, in random order: no process is left behind,
none that is somebody else's is touched, the status is true, and no order is lost."""
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lib.client import Client
from lib.system import alive, locks, parts_of
from lib.wait import wait_until

ROUNDS = int(os.environ.get("COMMAND_ROUNDS", 12))
SEED = int(os.environ.get("ATTACK_SEED", 0)) or random.SystemRandom().randrange(1 << 30)


class Commands:
    def __init__(self, system, stranger):
        self.system, self.stranger = system, stranger
        self.acknowledged = {}
        self.choose = random.Random(SEED)
        self.history = []

    def popen(self, command):
        return subprocess.Popen([self.system.root / "stack/native/ctl", command], env=self.system.environment(),
                                cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True)

    def pids(self):
        return {name: part["pid"] for name, part in parts_of(self.system.run).items() if part["pid"]}

    def everything(self):
        """The supervisor, the parts, and nginx's workers."""
        pids = self.pids()
        if not pids:
            return []
        workers = Path(f"/proc/{pids['nginx']}/task/{pids['nginx']}/children") if "nginx" in pids else None
        try:
            return [self.system.supervisor(), *pids.values(), *map(int, workers.read_text().split() if workers else [])]
        except FileNotFoundError:
            return [*pids.values()]

    # ---- what is done

    def run(self):
        self.check_command(self.popen("start"))

    def stop(self):
        self.check_command(self.popen("stop"))
        self.check_nothing_left()

    def two_at_once(self):
        pair = [self.popen(self.choose.choice(["start", "start", "stop"])) for _ in range(2)]
        for process in pair:
            self.check_command(process)

    def kill(self):
        """Any process; the supervisor, which is one of many, gets its turn as often as the others together."""
        pids = self.everything()
        if pids:
            os.kill(pids[0] if self.choose.random() < 0.4 else self.choose.choice(pids), signal.SIGKILL)

    def kill_a_command(self):
        """At a random moment of it."""
        process = self.popen(self.choose.choice(["start", "stop"]))
        time.sleep(self.choose.random() * 0.5)
        process.kill()
        process.communicate()

    def plant(self):
        """Files that name a process that is not ours."""
        for name in ("nginx.pid", "users.pid", "users.worker.pid", "supervisor.lock"):
            (self.system.run / name).write_text(f"{self.stranger.pid}\n")

    def order(self):
        try:
            with Client(self.system.ports["gateway"], traced=False) as client:
                answer = client.post("/api/v1/orders", {"user_id": 1, "product": f"kept {len(self.acknowledged)}",
                                                        "amount": 1})
        except OSError:
            return
        if answer.status == 201:
            self.acknowledged[answer.json()["id"]] = answer.json()["product"]

    # ---- what must be so

    def check_command(self, process):
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, (self.history, output)
        assert "Traceback" not in output, output

    def check_nothing_left(self):
        left = locks.holders(self.system.run / "parts.lock")
        assert not left, (self.history, [Path(f"/proc/{pid}/cmdline").read_text() for pid in left])

    def readiness(self):
        try:
            with Client(self.system.ports["gateway"], traced=False) as client:
                return client.get("/readyz").status
        except OSError as error:
            return error

    def settled(self):
        """(what ctl says, what the gateway does meanwhile); None: a kill is still at work, and the two do not meet."""
        before = self.system.ctl("status", check=False)
        ready = self.readiness()
        after = self.system.ctl("status", check=False)
        return (before, ready) if before.stdout == after.stdout else None

    def check_status(self):
        """What ctl says, and what there is, are the same."""
        done, ready = wait_until(self.settled, lambda: f"the status does not come to rest: {self.history}")
        pids = self.pids()
        if done.returncode == 0:
            assert set(pids) == {*self.system.programs, "nginx"}, (self.history, done.stdout)
            assert all(alive(pid) for pid in pids.values())
            assert ready == 200, (self.history, ready, done.stdout)
        else:
            assert "not every part is well" in done.stdout or "does not run" in done.stdout, done.stdout
        for line in done.stdout.splitlines():
            fields = line.split()
            if len(fields) > 2 and fields[1] == "up" and fields[2].isdigit():
                assert int(fields[2]) in pids.values() or not alive(int(fields[2])), (self.history, done.stdout)


@pytest.fixture
def system(make_system):
    system = make_system.prepare("commands")
    system.start()
    yield system
    system.abandon()


def test_commands_in_random_order(system, stranger, say):
    commands = Commands(system, stranger)
    deeds = [commands.run, commands.run, commands.stop, commands.two_at_once, commands.kill, commands.kill,
             commands.kill_a_command, commands.plant]
    for _ in range(ROUNDS):
        deed = commands.choose.choice(deeds)
        commands.history.append(deed.__name__)
        deed()
        commands.order()
        commands.check_status()
    commands.history.append("the end")
    commands.run()
    commands.check_status()
    ids = {number for number, in system.query("orders", "SELECT id FROM orders")}
    assert set(commands.acknowledged) <= ids, (SEED, commands.history)

    def notified():
        return sorted(number for number, in system.query("notifications", "SELECT order_id FROM notifications"))
    wait_until(lambda: set(commands.acknowledged) <= set(notified()), "orders without a notification", seconds=90)
    assert len(notified()) == len(set(notified())), "an order was notified twice"
    commands.stop()
    say(f"{ROUNDS} rounds of commands and kills (seed {SEED}), {len(commands.acknowledged)} orders kept")
