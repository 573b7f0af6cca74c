# SPDX-License-Identifier: MIT
"""The one place where settings are read and checked: what each may be, and what to do about a bad one. Their names,
defaults and meanings stand in stack/defaults.env.

`make run` takes a setting from the environment (where make puts what stands on its command line) or its default. What
runs is remembered in RUN_DIR/settings.json, and every other command speaks of that: it takes a setting from the
environment, else from there, else the default.
"""
import ipaddress
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Callable, NamedTuple

from apm.files import open_own

ROOT = Path(__file__).resolve().parents[3]
DEFAULTS = ROOT / "stack/defaults.env"
REMEMBERED = "settings.json"
SOCKET_PATH_MAX = 107  # bytes, sun_path in unix(7)
SOCKET_NAME_MAX = 32  # bytes that a socket's name in RUN_DIR may have

# Not ours, but for the programs: OpenTelemetry's own settings, the address of a service (users: USERS_URL), and what
# the sanitizers and TLS read. PASS_ENV names more.
PASSED_ON = re.compile(r"OTEL_[A-Z0-9_]+|[A-Z][A-Z0-9_]*_URL|(ASAN|LSAN|TSAN|UBSAN)_OPTIONS|SSL_CERT_(FILE|DIR)")


class BadSettings(Exception):
    """Some settings cannot be used: a line for each, which names it and says what it has to be."""


# ---- kinds: each takes a text and returns it as it will be used, or raises ValueError with what was expected ----

def number(least: int, most: int, unit: str) -> Callable:
    def check(text):
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most} ({unit})")
        return str(int(text))
    return check


port = number(1, 65535, "a TCP port")


def percent(text):
    if not re.fullmatch(r"[0-9]{1,3}([.][0-9]{1,2})?", text) or float(text) > 100:
        raise ValueError("a share from 0 to 100 (percent), with two decimals at most")
    return text


def one_of(*choices: str) -> Callable:
    def check(text):
        if text.lower() not in choices:
            raise ValueError(" or ".join(choice or "empty" for choice in choices))
        return text.lower()
    return check


switch = one_of("on", "off")


def path(text):
    """A path from here on, below the root of the sources when it is relative. nginx quotes it, and cannot escape."""
    if re.search(r"[\"'$\\\x00-\x1f\x7f]", text):
        raise ValueError("a path without quotes, $, backslashes and control characters, which nginx cannot take")
    return os.path.normpath(ROOT / text) if text else text


def directory(text):
    """Whatever links lead there: two names of one place are one place."""
    return os.path.realpath(path(text)) if text else text


def run_dir(text):
    result = directory(text)
    room = SOCKET_PATH_MAX - SOCKET_NAME_MAX
    if len(os.fsencode(result)) > room:
        raise ValueError(f"a path of at most {room} bytes, for the sockets in it; {result} has "
                         f"{len(os.fsencode(result))}. Set it to a shorter one")
    return result


def names(text):
    if not re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]* *)*", text):
        raise ValueError("names of variables, separated by spaces")
    return text


def address(text):
    if text:
        try:
            if "%" in text:
                raise ValueError
            ipaddress.ip_address(text)
        except ValueError:
            raise ValueError("an IP address of this machine, such as 127.0.0.1 or ::1") from None
    return text


def judged_by_render(name):
    """Of a form that is nginx's alone. nginx/render has to judge it, for containers and systemd call it without ctl."""
    def check(text):
        done = subprocess.run([ROOT / "nginx/render", "--services"], env={"PATH": os.defpath, name: text}, check=False,
                              capture_output=True, text=True)
        if done.returncode:
            raise ValueError(done.stderr.strip().rpartition("it has to be ")[2])
        return text
    return check


class Setting(NamedTuple):
    name: str
    default: str
    help: str
    check: Callable


# Each takes the values that a setting of stack/defaults.env may have. An empty one is settled by whoever reads it.
CHECKS = {
    "PORT_BASE": number(5000, 60000, "a TCP port"),
    "GATEWAY_PORT": port,
    "GATEWAY_TLS_PORT": port,
    "METRICS_PORT": port,
    "CONSOLE_PORT": port,
    "OTLP_HTTP_PORT": port,
    "TRACES_PORT": port,
    "GRAFANA_PORT": port,
    "GATEWAY_ADDRESS": address,
    "SERVICE_ADDRESS": address,
    "ALLOWED_HOSTS": judged_by_render("ALLOWED_HOSTS"),
    "RUN_DIR": run_dir,
    "DATA_DIR": directory,
    "LOG_DIR": directory,
    "SCHEMA_DIR": path,
    "SEED_DIR": path,
    "MODE": one_of("release", "debug", "asan", "tsan"),
    "CONSOLE": one_of("on", "off", ""),
    "TRACE_STORE": one_of("on", "off", ""),
    "TEMPO_URL": judged_by_render("TEMPO_URL"),
    "TRACE_SAMPLE_PERCENT": percent,
    "TRACE_TRUST": switch,
    "TRACE_CLIENT_SAMPLE_PERCENT": percent,
    "RATE_LIMIT": number(0, 99999, "requests a second and client; 0: off"),
    "CLIENT_REQUESTS": number(1, 65535, "requests"),
    "GATEWAY_REQUESTS": number(0, 65535, "requests; 0: no limit"),
    "NGINX_CONNECTIONS": number(64, 99999, "connections"),
    "TLS": one_of("generate", ""),
    "TLS_CERTIFICATE": path,
    "TLS_KEY": path,
    "HSTS_MAX_AGE": number(0, 999999999, "seconds; 0: none"),
    "WORKER_THREADS": number(1, 1024, "threads"),
    "CALL_TIMEOUT_MS": number(1, 60000, "milliseconds"),
    "CALL_SHARE_PERCENT": number(1, 100, "percent"),
    "QUEUE_TIMEOUT_MS": number(1, 60000, "milliseconds"),
    "BUSY_TIMEOUT_MS": number(0, 60000, "milliseconds"),
    "LOG_LEVEL": one_of("debug", "info", "warn", "error"),
    "PASS_ENV": names,
    "LOG_MAX_MB": number(0, 65536, "megabytes; 0: never"),
    "LOG_KEEP": number(1, 99, "files"),
    "OTLP_CORS_ORIGINS": judged_by_render("OTLP_CORS_ORIGINS"),
    "TRACES_MAX_MB": number(32, 65536, "megabytes"),
    "TRACES_MAX_AGE_SECONDS": number(1, 604800, "seconds"),
    "TRACES_SPANS_PER_SECOND": number(1, 1000000, "spans a second"),
    "START_TIMEOUT_SECONDS": number(1, 3600, "seconds"),
}
MOVED_PORTS = {"GATEWAY_PORT", "GATEWAY_TLS_PORT", "METRICS_PORT", "CONSOLE_PORT", "OTLP_HTTP_PORT", "TRACES_PORT"}


def variable(service):
    """users: USERS_PORT"""
    return service.upper().replace("-", "_") + "_PORT"


def services():
    """{service: its default port}, by port: one for every file of nginx/services/."""
    found = {}
    for file in sorted((ROOT / "nginx/services").glob("*.conf")):
        match = re.search(r"^# default port: *([0-9]+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        if not match:
            raise BadSettings(f'{file} has no line "# default port: NUMBER": write one, with a port that is free')
        found[file.stem] = match[1]
    return dict(sorted(found.items(), key=lambda pair: int(pair[1])))


def stated():
    """{name: (default, help)} of stack/defaults.env, those of containers as well, in its order."""
    found, words = {}, []
    for line in DEFAULTS.read_text(encoding="utf-8").splitlines():
        name, is_setting, default = line.partition("=")
        if line.startswith("# "):
            words.append(line[2:])
        elif is_setting:
            found[name] = (default, " ".join(words))
        if not line.startswith("# "):
            words = []
    return found


def defaults():
    """{name: default}, of containers as well."""
    return {name: default for name, (default, _) in stated().items()}


def table():
    """Returns the settings of make run: those of stack/defaults.env that it knows, and the port of every service."""
    return [Setting(name, *both, CHECKS[name]) for name, both in stated().items() if name in CHECKS] + [
        Setting(variable(name), default, f"{name}: its API, health and metrics, for this machine", port)
        for name, default in services().items()]


def markdown():
    """The table of the documentation, as it stands there between <!-- settings --> and <!-- /settings -->."""
    rows = [("variable", "default", "what it is"), ("---", "---", "---")]
    rows += [(f"`{one.name}`", one.default, one.help) for one in table()]
    rows += [(f"`{name}`", default, help_) for name, (default, help_) in stated().items() if name not in CHECKS]
    return "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in rows)


# ---- reading ----

def read(environment, remembered=None):
    """
    {name: text} of every setting, checked and resolved, and of what is passed on to the programs. `remembered` are
    those of the system that runs, which come before the defaults. An empty text is as none, but for SEED_DIR. Raises
    BadSettings with a line for each that cannot be used.
    """
    known = table()
    if environment.get("PORT_BASE"):  # else what is remembered of single ports would come before it
        remembered = {name: text for name, text in (remembered or {}).items() if not name.endswith("_PORT")}
    given = {**(remembered or {}), **{name: text for name, text in environment.items()
                                      if text or name == "SEED_DIR"}}
    passed_on = given.get("PASS_ENV", "").split()
    result = {name: text for name, text in given.items() if text and (PASSED_ON.fullmatch(name) or name in passed_on)}
    faults = []
    for setting in known:
        text = given.get(setting.name, setting.default)
        try:
            result[setting.name] = setting.check(text) if text else ""
        except ValueError as error:
            faults.append(f"{setting.name} is '{text}': it has to be {error}")
    if not faults:
        move_ports(known, given, result)
        faults = contradictions(result)
    if faults:
        raise BadSettings("\n".join(faults))
    result["CONSOLE"] = result["CONSOLE"] or "on"
    result["TEMPO_URL"] = result["TEMPO_URL"].rstrip("/") or f"http://127.0.0.1:{result['TRACES_PORT']}"
    return result


def move_ports(known, given, result):
    by = int(result["PORT_BASE"]) - int(defaults()["PORT_BASE"])
    moved = MOVED_PORTS | {variable(name) for name in services()}
    for setting in known:
        if setting.name in moved and not given.get(setting.name):
            result[setting.name] = str(int(setting.default) + by)


def ports(values):
    """{name: port} of all that this system would listen on."""
    wanted = ["GATEWAY_PORT", "METRICS_PORT", *map(variable, services())]
    wanted += ["GATEWAY_TLS_PORT"] if speaks_tls(values) else []
    wanted += ["CONSOLE_PORT"] if values["CONSOLE"] != "off" else []
    wanted += ["OTLP_HTTP_PORT", "TRACES_PORT"] if values["TRACE_STORE"] != "off" else []
    return {name: int(values[name]) for name in wanted}


def speaks_tls(values):
    return bool(values["TLS"] or values["TLS_CERTIFICATE"])


def contradictions(values):
    by_port = {}
    for name, number_ in ports(values).items():
        by_port.setdefault(number_, []).append(name)
    faults = [f"{' and '.join(names)} are both {number_}: choose another for one of them, or PORT_BASE for all"
              for number_, names in by_port.items() if len(names) > 1]
    if values["TLS"] and (values["TLS_CERTIFICATE"] or values["TLS_KEY"]):
        faults.append("TLS=generate makes a certificate of its own: leave out either it or TLS_CERTIFICATE and TLS_KEY")
    elif bool(values["TLS_CERTIFICATE"]) != bool(values["TLS_KEY"]):
        faults.append("TLS_CERTIFICATE and TLS_KEY belong together: set both, or TLS=generate")
    return faults


# ---- remembering ----

def run_dir_of(environment):
    """Which system is meant: the one of this RUN_DIR."""
    text = environment.get("RUN_DIR") or defaults()["RUN_DIR"]
    try:
        return Path(run_dir(text))
    except ValueError as error:
        raise BadSettings(f"RUN_DIR is '{text}': it has to be {error}") from None


def remembered(directory):
    """The settings of the system that runs in this RUN_DIR, or ran last; None when there was none."""
    try:
        values = json.loads((Path(directory) / REMEMBERED).read_text(encoding="utf-8"))
        return {str(name): str(text) for name, text in values.items()}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise BadSettings(f"{directory}/{REMEMBERED} belongs to another user, and so does what runs there: run this "
                          "command as that user") from None
    except (ValueError, AttributeError):
        raise BadSettings(f"{directory}/{REMEMBERED} cannot be read: remove it, and make run writes it anew") from None


def remember(values):
    file = Path(values["RUN_DIR"]) / REMEMBERED
    beside = file.with_suffix(".new")
    beside.unlink(missing_ok=True)
    # For nobody else: among them may be a collector's credentials.
    with open(open_own(beside, os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
        output.write(json.dumps(values, indent=1, sort_keys=True) + "\n")
    beside.replace(file)


def running(environment):
    """The settings that a command means which looks at a system: given here, else remembered, else the defaults."""
    return read(environment, remembered(run_dir_of(environment)))
