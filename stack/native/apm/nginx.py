# SPDX-License-Identifier: MIT
"""nginx's configuration: written, judged, taken into use, and asked for."""
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from apm import client, parts, settings
from apm.answers import get, own
from apm.common import Refused, tail, wait
from apm.settings import ROOT

RELOAD_SECONDS = 10
RESTART_SECONDS = 60


class Configuration:
    """The rendered configuration of nginx in RUN_DIR/nginx, and the one before it until the new one is sure."""

    def __init__(self, values, environment, lock):
        self.values, self.environment, self.lock = values, environment, lock
        self.directory = Path(values["RUN_DIR"]) / "nginx"
        self.before = Path(values["RUN_DIR"]) / "nginx.before"
        for left in [self.before, *self.directory.parent.glob("nginx.[0-9]*")]:  # of a command that was killed
            shutil.rmtree(left, ignore_errors=True)
        if self.directory.exists():
            shutil.copytree(self.directory, self.before)

    def render(self, **more):
        done = subprocess.run([ROOT / "nginx/render", self.directory], check=False, capture_output=True, text=True,
                              env={**parts.render_environment(self.values, self.environment), **more},
                              pass_fds=[self.lock])  # when this command is killed, the next one waits for it
        if done.returncode:
            raise Refused(done.stderr.strip() + "\nnothing was changed")
        if done.stderr:
            print(done.stderr.strip(), file=sys.stderr)

    def test(self):
        """nginx judges it. One that is refused makes way for the one before."""
        command = parts.nginx_command(self.values, self.environment, log="stderr")
        done = subprocess.run([*command, "-t", "-q"], check=False, capture_output=True, text=True,
                              env=parts.EVERYWHERE)
        if done.returncode:
            what = "changed" if self.before.exists() else "started"
            self.undo()
            raise Refused(f"{done.stderr.strip()}\nnginx does not take its configuration, and nothing was {what}\n"
                          "correct the setting that it names, such as TLS_CERTIFICATE and TLS_KEY")

    def close_gateway(self):
        """For a moment: nginx cannot open a port on one address while it has the same one on all, or the reverse."""
        after = self.directory.with_name("nginx.after")
        shutil.rmtree(after, ignore_errors=True)
        shutil.copytree(self.directory, after)
        self.render(GATEWAY_CLOSED="1")
        self.directory.with_name("closed.sock").unlink(missing_ok=True)
        self.reload()
        shutil.rmtree(self.directory)
        after.rename(self.directory)

    def undo(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.before.exists():
            self.before.rename(self.directory)

    def keep(self):
        shutil.rmtree(self.before, ignore_errors=True)

    @property
    def wanted(self):
        return generation_in(self.directory)

    def runs(self):
        return generation_running(self.values) == self.wanted

    def reload(self, seconds=RELOAD_SECONDS):
        """Tells nginx, and asks it which configuration it runs with until that is this one."""
        client.ask(self.values["RUN_DIR"], "signal", names=["nginx"], signal=int(signal.SIGHUP))
        return wait(self.runs, seconds)


def generation_in(directory):
    try:
        return (directory / "settings/generation.conf").read_text(encoding="ascii").split('"')[1]
    except (OSError, IndexError):
        return None


def generation_running(values):
    answer = get(own(values, "METRICS_PORT") + "/generation", 2)
    return answer.text.strip() if answer.status == 200 else None


def ports_left(before, values):
    """NAME_PORT_BEFORE of each service that moves: it is reached at both ports until its callers know."""
    now = set(settings.ports(values).values())
    return {f"{settings.variable(name)}_BEFORE": before[settings.variable(name)] for name in settings.services()
            if before.get(settings.variable(name), values[settings.variable(name)]) != values[settings.variable(name)]
            and int(before[settings.variable(name)]) not in now}


def listens_elsewhere(before, values):
    """Whether nginx has to close a port before it can open the same one on other addresses."""
    def gateway(one):
        return (settings.speaks_tls(one), one["GATEWAY_ADDRESS"])
    return gateway(before) != gateway(values)


def change_nginx(configuration, before, values):
    """Returns what was done to an nginx that runs, in words; None when nothing had to be done."""
    if configuration.runs():
        return None
    run_dir = values["RUN_DIR"]
    if before.get("SERVICE_ADDRESS") == values["SERVICE_ADDRESS"]:
        if listens_elsewhere(before, values):
            configuration.close_gateway()
        if configuration.reload():
            return "took its new configuration"
    client.ask(run_dir, "restart", names=["nginx"])
    if wait(configuration.runs, RESTART_SECONDS):
        return "started anew, for other addresses"
    raise Refused(f"nginx does not run with its new configuration\n{tail(values['LOG_DIR'] + '/nginx-error.log')}")
