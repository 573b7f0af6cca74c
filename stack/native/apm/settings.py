# SPDX-License-Identifier: MIT
"""The one place where settings are read and checked: names, defaults, units, ranges, and what to do about a bad one.

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
REMEMBERED = "settings.json"
PORT_BASE = 8080  # the default ports are those of this base; another base moves all of them by the difference
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
    check: Callable
    help: str


# Defaults that depend on others are empty here and filled in by resolve().
TABLE = [
    Setting("PORT_BASE", str(PORT_BASE), number(5000, 60000, "a TCP port"),
            "moves every default port: 18080 adds 10000 to each"),
    Setting("GATEWAY_PORT", "8080", port, "the gateway"),
    Setting("GATEWAY_TLS_PORT", "8443", port, "the gateway, when it speaks TLS"),
    Setting("METRICS_PORT", "8084", port, "the gateway's own metrics and health"),
    Setting("CONSOLE_PORT", "8085", port, "the console"),
    Setting("OTLP_HTTP_PORT", "4318", port, "the trace store: OTLP/HTTP"),
    Setting("TRACES_PORT", "3200", port, "the trace store: Tempo's API"),
    Setting("GRAFANA_PORT", "3000", port, "where the console looks for a Grafana"),
    Setting("GATEWAY_ADDRESS", "", address, "the one address of the gateway; empty: all"),
    Setting("SERVICE_ADDRESS", "127.0.0.1", address, "the address of the services' own ports"),
    Setting("ALLOWED_HOSTS", "", judged_by_render("ALLOWED_HOSTS"),
            "names by which the other ports than the gateway's may be reached"),
    Setting("RUN_DIR", "run", run_dir, "sockets, generated configuration, what runs"),
    Setting("DATA_DIR", "db/data", directory, "databases"),
    Setting("LOG_DIR", "logs", directory, "logs"),
    Setting("SCHEMA_DIR", "db/schema", path, "the databases' tables"),
    Setting("SEED_DIR", "db/seed", path, "first rows of new databases; empty: none"),
    Setting("MODE", "release", one_of("release", "debug", "asan", "tsan"), "which build runs"),
    Setting("CONSOLE", "on", switch, "the console"),
    Setting("TRACE_STORE", "", one_of("on", "off", ""), "empty: when no collector is there"),
    Setting("TEMPO_URL", "", judged_by_render("TEMPO_URL"), "where the console reads traces; empty: the trace store"),
    Setting("TRACE_SAMPLE_PERCENT", "100", percent, "the share of new traces that is sampled"),
    Setting("TRACE_TRUST", "on", switch, "off: no client's trace is continued"),
    Setting("TRACE_CLIENT_SAMPLE_PERCENT", "100", percent, "the share of requests called sampled by clients"),
    Setting("RATE_LIMIT", "0", number(0, 99999, "requests a second and client; 0: off"), "of one client address"),
    Setting("CLIENT_REQUESTS", "1000", number(1, 65535, "requests"), "of one client address at a time"),
    Setting("GATEWAY_REQUESTS", "0", number(0, 65535, "requests; 0: no limit"), "of all clients at a time"),
    Setting("NGINX_CONNECTIONS", "", number(64, 99999, "connections"), "of each of nginx's two workers"),
    Setting("TLS", "", one_of("generate", ""), "generate: with a self-made certificate"),
    Setting("TLS_CERTIFICATE", "", path, "a PEM file: the gateway speaks TLS"),
    Setting("TLS_KEY", "", path, "its key, a PEM file"),
    Setting("HSTS_MAX_AGE", "0", number(0, 999999999, "seconds; 0: none"), "how long browsers insist on TLS"),
    Setting("WORKER_THREADS", "", number(1, 1024, "threads"), "requests that a program answers at a time"),
    Setting("CALL_TIMEOUT_MS", "2000", number(1, 60000, "milliseconds"), "for a call to another service"),
    Setting("CALL_SHARE_PERCENT", "50", number(1, 100, "percent"), "of the threads that calls to one service may hold"),
    Setting("QUEUE_TIMEOUT_MS", "7000", number(1, 60000, "milliseconds"), "a request that waited longer is refused"),
    Setting("BUSY_TIMEOUT_MS", "1000", number(0, 60000, "milliseconds"), "for a locked database"),
    Setting("LOG_LEVEL", "info", one_of("debug", "info", "warn", "error"), "the least level that is logged"),
    Setting("PASS_ENV", "", names, "further variables that the programs are given"),
    Setting("LOG_MAX_MB", "64", number(0, 65536, "megabytes; 0: never"), "a larger log is begun anew"),
    Setting("LOG_KEEP", "4", number(1, 99, "files"), "how many of each log's earlier files are kept"),
    Setting("OTLP_CORS_ORIGINS", "", judged_by_render("OTLP_CORS_ORIGINS"),
            "whose pages may send to the trace store; *: any"),
    Setting("TRACES_MAX_MB", "256", number(32, 65536, "megabytes"), "what the trace store keeps"),
    Setting("TRACES_MAX_AGE_SECONDS", "3600", number(1, 604800, "seconds"), "how long the trace store keeps it"),
    Setting("TRACES_SPANS_PER_SECOND", "5000", number(1, 1000000, "spans a second"), "what the trace store takes"),
    Setting("START_TIMEOUT_SECONDS", "20", number(1, 3600, "seconds"), "how long parts may take to come up"),
]
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


def table():
    """TABLE, and the port of every service."""
    return TABLE + [Setting(variable(name), default, port, f"{name}: its API, health and metrics")
                    for name, default in services().items()]


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
    result["TEMPO_URL"] = result["TEMPO_URL"].rstrip("/") or f"http://127.0.0.1:{result['TRACES_PORT']}"
    return result


def move_ports(known, given, result):
    by = int(result["PORT_BASE"]) - PORT_BASE
    moved = MOVED_PORTS | {variable(name) for name in services()}
    for setting in known:
        if setting.name in moved and not given.get(setting.name):
            result[setting.name] = str(int(setting.default) + by)


def ports(values):
    """{name: port} of all that this system would listen on."""
    wanted = ["GATEWAY_PORT", "METRICS_PORT", *map(variable, services())]
    wanted += ["GATEWAY_TLS_PORT"] if speaks_tls(values) else []
    wanted += ["CONSOLE_PORT"] if values["CONSOLE"] == "on" else []
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
    text = environment.get("RUN_DIR") or "run"
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
