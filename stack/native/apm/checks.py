# SPDX-License-Identifier: MIT
"""The conditions that hold before anything starts: directories, their owner, descriptors, ports, and where spans go."""
import os
import resource
import time
from pathlib import Path

from apm import docker, locks, parts, ports, settings
from apm.common import Refused, relative
from apm.part import OPEN_FILES

DESCRIPTORS = 1024  # that the system needs at least, of RLIMIT_NOFILE
COMMAND_SECONDS = 120  # that one command waits for another one


def make_directories(values):
    for name, mode in (("RUN_DIR", 0o755), ("LOG_DIR", 0o755), ("DATA_DIR", 0o750)):
        try:
            Path(values[name]).mkdir(mode=mode, parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(f"{name} cannot be made: {error.strerror}: {error.filename}\n"
                          f"choose another: make run {name}=…") from None
    check_owner(values)
    for name in ("SCHEMA_DIR", "SEED_DIR"):
        if values[name] and not Path(values[name]).is_dir():
            raise Refused(f"{name} is {values[name]}: there is no such directory\ncorrect it, or leave it out")
    if (Path(values["DATA_DIR"]) / ".restore").exists():
        raise Refused(f"a restore of {relative(values['DATA_DIR'])} was begun and is not finished\n"
                      "finish it: make restore")


def check_owner(values):
    """Refuses files that are not ours: a system that root has started leaves some that only root may write."""
    for name in ("RUN_DIR", "DATA_DIR", "LOG_DIR"):
        directory = Path(values[name])
        for path in [directory, *directory.glob("*.db"), *directory.glob("*.log"), *directory.glob("*.lock"),
                     *directory.glob("*.stderr")]:
            if path.exists() and os.statvfs(path).f_flag & os.ST_RDONLY:
                raise Refused(f"{path} is on a file system that can only be read, and nothing was started\n"
                              f"choose another place: make run {name}=…")
            if path.exists() and not os.access(path, os.W_OK):
                raise Refused(f"{path} belongs to {owner_of(path)}, and nothing was started\n"
                              f"run as that user, or take it: sudo chown -R {os.geteuid()}: '{directory}'")


def owner_of(path):
    try:
        return Path(path).owner()
    except KeyError:
        return f"the user with the number {os.stat(path).st_uid}"


def command_lock(run_dir):
    """Held while this command changes something: two at once would each undo what the other does."""
    path = Path(run_dir) / "command.lock"
    fd = locks.take(path)
    if fd is None:
        print("apm: another command is at work on this system; waiting for it", flush=True)
        deadline = time.monotonic() + COMMAND_SECONDS
        while (fd := locks.take(path)) is None:
            if time.monotonic() > deadline:
                raise Refused(f"another command has been at work for {COMMAND_SECONDS} s: {relative(path)} is held by "
                              f"process {', '.join(map(str, locks.holders(path)))}\nend that one, and repeat this one")
            time.sleep(0.05)
    return fd


def raise_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = OPEN_FILES if hard < 0 or 0 <= hard < DESCRIPTORS else min(hard, OPEN_FILES)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted) if hard >= 0 else hard))
    except (ValueError, OSError):  # root may raise the hard limit, unless it has given that up
        raise Refused(f"a process may have {hard} open files here, and {DESCRIPTORS} are needed\n"
                      f"raise the limit (ulimit -Hn {DESCRIPTORS}, or nofile in /etc/security/limits.conf)") from None


def choose_collector(values, environment, reports):
    """Where spans go: to the collector that is named or that listens, else to a trace store of our own."""
    port = int(values["OTLP_HTTP_PORT"])
    here = f"http://{parts.host(values['SERVICE_ADDRESS'])}:{port}"
    named = values.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or values.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if named:
        values["TRACE_STORE"] = "off"
        return f"{named}, as the environment says"
    if values["TRACE_STORE"] != "on" and ports.listening().get(port, set()) - own_sockets(reports):
        values["TRACE_STORE"] = "off"
        where = f"{here}, where a collector listens already"
    elif values["TRACE_STORE"] != "off":
        values["TRACE_STORE"] = "on"
        where = "the trace store of this system (make trace)"
    else:
        where = f"{here}, where nothing listens (TRACE_STORE=off)"
    values["OTEL_EXPORTER_OTLP_ENDPOINT"] = here
    return where


def own_sockets(reports):
    return ports.sockets_of(reports["nginx"]["pid"]) if reports.get("nginx", {}).get("pid") else set()


def check_ports(values, reports):
    listeners, own = ports.listening(), own_sockets(reports)
    local = values["SERVICE_ADDRESS"]
    everywhere = ["0.0.0.0"] + (["::"] if Path("/proc/net/if_inet6").exists() else [])
    outside = [values["GATEWAY_ADDRESS"]] if values["GATEWAY_ADDRESS"] else everywhere
    taken = []
    for name, port in settings.ports(values).items():
        tls = settings.speaks_tls(values)
        public = name == ("GATEWAY_TLS_PORT" if tls else "GATEWAY_PORT")
        addresses = outside if public else ["127.0.0.1"] if name in ("GATEWAY_PORT", "CONSOLE_PORT") else [local]
        why = ports.trouble(port, addresses, own, listeners)
        if why:
            taken.append((name, port, why))
    if taken:
        containers = docker.publishers()
        held = {port: containers[port] for _, port, _ in taken if port in containers}
        ends = "; ".join(dict.fromkeys(map(docker.ended_by, held.values()))) or "end these programs"
        raise Refused("\n".join([
            *(f"port {port} ({name}) {f'is taken by {docker.called(held[port])}' if port in held else why}"
              for name, port, why in taken),
            "nothing was started" if not reports else "nothing was changed",
            f"{ends}, or move all ports at once: make run PORT_BASE=18080"]))


def check_tools(environment, values):
    if not parts.nginx_binary(environment):
        raise Refused("nginx is not installed\nrun: make deps")
    missing = [name for name in parts.programs(values) if not os.access(parts.binary(values, name), os.X_OK)]
    if missing:
        raise Refused(f"not built for MODE={values['MODE']}: {', '.join(missing)}\nrun: make MODE={values['MODE']}")
