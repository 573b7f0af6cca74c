# SPDX-License-Identifier: MIT
"""The system that runs: brought to its settings, asked, ended."""
import os
import signal
import subprocess
from pathlib import Path

from apm import client, locks, parts, settings
from apm.answers import get
from apm.common import Refused, relative, tail, wait
from apm.files import open_own
from apm.nginx import RELOAD_SECONDS, Configuration, change_nginx, generation_in, generation_running, ports_left
from apm.settings import ROOT

DEATHS = 3  # of a part in a row: it will not come up
STOP_SECONDS = 60


# ---- starting ----

def start_supervisor(values):
    run_dir = values["RUN_DIR"]
    with open(open_own(Path(run_dir) / "supervisor.stderr", os.O_WRONLY | os.O_TRUNC), "wb") as output:
        process = subprocess.Popen([str(ROOT / "stack/native/supervisor"), run_dir, values["LOG_DIR"]],
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                                   env=parts.EVERYWHERE, cwd="/")
    if not wait(lambda: process.poll() is not None or answers(run_dir), STOP_SECONDS) or process.poll() is not None:
        raise Refused(f"the supervisor did not start\n{tail(Path(run_dir) / 'supervisor.stderr')}")


def answers(run_dir):
    try:
        return client.ask(run_dir, "state") is not None
    except (client.NotRunning, OSError):
        return False


def apply(values, environment):
    """Returns the names of the parts that were started again."""
    answer = client.ask(values["RUN_DIR"], "apply", parts=parts.specifications(values, environment),
                        log_dir=values["LOG_DIR"], log_max_bytes=int(values["LOG_MAX_MB"]) << 20,
                        log_keep=int(values["LOG_KEEP"]))
    if "error" in answer:
        raise Refused(f"the supervisor refused: {answer['error']}\nrepeat the command")
    return answer["changed"]


def settled(values, names):
    """Whether these parts are up, each in one process."""
    reports = client.parts(values["RUN_DIR"])
    return all(reports.get(name, {}).get("state") == "up" for name in names)


def check_deaths(values, names):
    for part in client.parts(values["RUN_DIR"]).values():
        if part["name"] not in names:
            continue
        if part["deaths"] >= DEATHS or (part["name"] == "nginx" and part["deaths"]):
            raise Refused(f"{part['name']} does not come up: {part['last']}\n{log_hint(values, part['name'])}")


def log_hint(values, name):
    log = "nginx-error.log" if name == "nginx" else "*.log"
    return f"see {relative(values['LOG_DIR'])}/{log} and {relative(values['RUN_DIR'])}/{name}.stderr"


def wait_ready(values, names):
    """Until these parts answer. Raises Refused with the one that does not, and why, as soon as that is sure."""
    waiting = {name: url for name, url in parts.ready_urls(values).items() if name in names}
    configuration = generation_in(Path(values["RUN_DIR"]) / "nginx")
    why = {"nginx": "nginx does not answer"}

    def ready():
        check_deaths(values, names)
        if not settled(values, names) or generation_running(values) != configuration:
            return False
        why.pop("nginx", None)
        for name, url in list(waiting.items()):
            answer = get(url, 2)
            if answer.status != 200:
                why[name] = f"{name} is not ready: {url} answers {answer}"
                return False
            del waiting[name]
            why.pop(name, None)
        return True

    if not wait(ready, int(values["START_TIMEOUT_SECONDS"]), lambda: next(iter(why.values()))):
        name, text = next(iter(why.items()))
        last = client.parts(values["RUN_DIR"]).get(name, {}).get("last")
        text += f"\nits last end: {last}" if last else ""
        raise Refused(f"{text}\nnot every part came up within {values['START_TIMEOUT_SECONDS']} s "
                      f"(START_TIMEOUT_SECONDS)\n{log_hint(values, name)}")


def state(run_dir):
    """{name: report}, {} when nothing runs. Raises Refused when it cannot be known."""
    try:
        return client.parts(run_dir)
    except PermissionError:
        raise Refused(f"{relative(run_dir)} belongs to {Path(run_dir).owner()}, and so does what runs there\n"
                      "run this command as that user") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        who = " ".join(map(str, locks.holders(Path(run_dir) / "supervisor.lock")))
        raise Refused(f"the supervisor of {relative(run_dir)} does not answer: {error}\n"
                      f"when it hangs, end it with kill -9 {who}, then make run") from None


def begin(values, environment, reports, lock):
    """
    Brings what runs to these settings. What was started here ends again when that fails. Returns what ran before, the
    names of the parts that were started, and what was done to others: {name: words}.
    """
    before = settings.remembered(values["RUN_DIR"]) or {}
    configuration = Configuration(values, environment, lock)
    names = parts.names(values)
    left = ports_left(before, values) if reports.get("nginx") else {}
    configuration.render(**left)
    configuration.test()
    settings.remember(values)
    done = []
    if not reports:
        print(f"apm is starting: {' '.join(names)}", flush=True)
    try:
        if not answers(values["RUN_DIR"]):
            reports = {}
            start_supervisor(values)
        if reports.get("nginx", {}).get("state") == "up":
            done.append(("nginx", change_nginx(configuration, before, values)))
        changed = apply(values, environment)
        wait(lambda: settled(values, names), STOP_SECONDS if reports else 0, lambda: "parts that change end first")
        if left:
            configuration.render()
            done.append(("nginx", change_nginx(configuration, values, values)))
        wait_ready(values, names)
    except (Refused, client.NotRunning, OSError, KeyboardInterrupt) as error:
        if reports:
            what = go_back(before, configuration, environment)
        else:
            end_all(values["RUN_DIR"])
            configuration.undo()
            what = "nothing was left running"
        raise Refused(f"{reason(error)}\n{what}", 130 if isinstance(error, KeyboardInterrupt) else 1) from None
    configuration.keep()
    return reports, changed, {name: what for name, what in done if what}


def go_back(before, configuration, environment):
    """To the settings that ran before. Returns what came of it, in words."""
    print("apm goes back to what ran before", flush=True)
    try:
        values = settings.read({}, before)
        settings.remember(before)
        configuration.undo()
        if generation_running(values) != generation_in(configuration.directory):
            client.ask(values["RUN_DIR"], "signal", names=["nginx"], signal=int(signal.SIGHUP))
        apply(values, environment)
        wait_ready(values, parts.names(values))
    except (Refused, settings.BadSettings, client.NotRunning, OSError) as error:
        return f"and what ran before does not come up any more: {reason(error)}"
    return "nothing was changed: what ran before runs again"


def reason(error):
    if isinstance(error, client.NotRunning):
        return "the supervisor has ended meanwhile"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)


def renew_workers(run_dir, master):
    def workers():
        return set(Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split())
    old = workers()
    client.ask(run_dir, "signal", names=["nginx"], signal=int(signal.SIGHUP))
    if not wait(lambda: workers() - old, RELOAD_SECONDS):
        raise Refused("nginx did not start new workers, and works on with the old ones\nsee make logs SERVICE=nginx")


# ---- ending ----

def drain(run_dir, master, environment, lock):
    """The gateway takes no more requests; returns when those in progress are answered."""
    try:
        values = settings.read({}, settings.remembered(run_dir))
    except settings.BadSettings:
        return  # damaged: what cannot be known must not keep a system from being stopped
    subprocess.run([ROOT / "nginx/drain", str(master)], check=False, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env=parts.render_environment(values, environment), pass_fds=[lock])


def end_all(run_dir):
    """Ends every part and the supervisor, and what an earlier one has left. True when that was something."""
    try:
        client.ask(run_dir, "end")
        there = True
    except client.NotRunning:
        there = False
    if not wait(lambda: not answers(run_dir), STOP_SECONDS, lambda: "these end: " + " ".join(client.parts(run_dir))):
        raise Refused("not every part has ended\nmake status says which")
    left = locks.take(Path(run_dir) / "parts.lock")
    if left is None:
        there = True
        left = locks.take_from_left(Path(run_dir) / "parts.lock")
    if left is None:
        raise Refused(f"processes hold {relative(run_dir)}/parts.lock and do not end: "
                      f"{locks.holders(Path(run_dir) / 'parts.lock')}\nend them by hand")
    os.close(left)
    return there


def halt(run_dir, reports, environment, lock):
    """The gateway first, so that no request meets a stopped service; then the rest. True when there was something."""
    if reports.get("nginx", {}).get("pid"):
        drain(run_dir, reports["nginx"]["pid"], environment, lock)
    return end_all(run_dir)
