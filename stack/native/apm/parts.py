# SPDX-License-Identifier: MIT
"""The parts that should run: nginx and the programs, each with its arguments, environment and files."""
import os
import pwd
import shutil
import signal
import subprocess

from apm.settings import ROOT, PASSED_ON, services, speaks_tls, variable

WORKER_USER = "www-data"  # Debian's
TRACE_STORE = "trace-store"
# A program reads these settings; the rest is nginx's, or a command's.
OF_PROGRAMS = ("DATA_DIR", "LOG_DIR", "SCHEMA_DIR", "SEED_DIR", "LOG_LEVEL", "WORKER_THREADS", "CALL_TIMEOUT_MS",
               "BUSY_TIMEOUT_MS", "CALL_SHARE_PERCENT", "QUEUE_TIMEOUT_MS")
OF_TRACE_STORE = ("TRACES_MAX_MB", "TRACES_MAX_AGE_SECONDS", "TRACES_SPANS_PER_SECOND")
SCHEDULE_DELAY_MS = "1000"  # a person who tries things waits for traces; the specification's 5 s are long
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Whatever the machine says: no zone but UTC in any log, no decimal comma.
EVERYWHERE = {"PATH": PATH, "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def programs(values):
    """The names of the programs, as they end: the gateway's after those whose requests it tells of."""
    return [*services(), "gateway"] + ([TRACE_STORE] if values["TRACE_STORE"] == "on" else [])


def names(values):
    """All parts, as they end. The trace store takes the last spans through nginx."""
    all_programs = programs(values)
    if TRACE_STORE in all_programs:
        return [name for name in all_programs if name != TRACE_STORE] + ["nginx", TRACE_STORE]
    return ["nginx", *all_programs]


def binary(values, name):
    return str(ROOT / "build" / values["MODE"] / "bin" / name)


def nginx_binary(environment):
    """Its path, or None. An ordinary user's PATH may lack the place where it is."""
    return shutil.which(environment.get("NGINX") or "nginx", path=environment.get("PATH", "") + ":" + PATH)


def worker_user(values):
    """
    Who nginx's workers are when root starts it: they give their rights up where this user can reach the files. Below a
    directory that only root may enter (such as /root) it cannot; then, and for everyone else, None.
    """
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(WORKER_USER)
        test = ["runuser", "-u", WORKER_USER, "--", "test", "-x", values["RUN_DIR"], "-a", "-x", values["LOG_DIR"]]
        return WORKER_USER if subprocess.run(test, capture_output=True, check=False).returncode == 0 else None
    except (KeyError, FileNotFoundError):
        return None


def render_environment(values, environment):
    """For nginx/render and nginx/drain, which check what they read once more: they are used without this as well."""
    given = {name: text for name, text in values.items() if not PASSED_ON.fullmatch(name) or name == "TEMPO_URL"}
    user = worker_user(values)
    return {**EVERYWHERE, **given, "SOCKET_DIR": values["RUN_DIR"], "NGINX": nginx_binary(environment) or "nginx",
            **({"NGINX_USER": user} if user else {})}


def program_environment(values, name):
    own = name.upper().replace("-", "_") + "_"
    wanted = {*OF_PROGRAMS, *values["PASS_ENV"].split()}
    wanted |= set(OF_TRACE_STORE if name == TRACE_STORE else map(variable, services()))
    result = {key: text for key, text in values.items()
              if text and (key in wanted or PASSED_ON.fullmatch(key) or key.startswith(own))}
    result.pop("TEMPO_URL", None)
    result.setdefault("OTEL_BSP_SCHEDULE_DELAY", SCHEDULE_DELAY_MS)
    local = host(values["SERVICE_ADDRESS"])
    if name == "gateway":
        result |= {"READY_URLS": " ".join(f"{one}=http://{local}:{values[variable(one)]}/readyz" for one in services()),
                   "ACCESS_LOG": f"{values['LOG_DIR']}/api-gateway.log",
                   "CHECKPOINT_FILE": f"{values['LOG_DIR']}/api-gateway.checkpoint",
                   "STUB_STATUS_URL": f"http://{local}:{values['METRICS_PORT']}/stub_status"}
    elif name != TRACE_STORE and local != "127.0.0.1":  # where programs look for each other by themselves
        result = {variable(one)[:-len("PORT")] + "URL": f"http://{local}:{values[variable(one)]}"
                  for one in services()} | result
    return {**EVERYWHERE, **result}


def host(address):
    """An address that is listened on, as it stands in a URL."""
    address = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    return f"[{address}]" if ":" in address else address


def nginx_command(values, environment, log=None):
    run_dir = values["RUN_DIR"]
    return [nginx_binary(environment), "-e", log or f"{values['LOG_DIR']}/nginx-error.log", "-p", f"{run_dir}/",
            "-c", f"{run_dir}/nginx/nginx.conf"]


def specifications(values, environment):
    """Returns what the supervisor is told (stack/native/supervisor), in the order in which parts end."""
    group = worker_user(values)
    result = []
    for name in names(values):
        if name == "nginx":
            argv = nginx_command(values, environment) + ["-g", "daemon off;"]
            result.append({"name": name, "argv": argv, "env": EVERYWHERE, "socket": None, "group": None,
                           "files": [argv[0]], "end_signal": int(signal.SIGQUIT)})
        else:
            program = binary(values, name)
            result.append({"name": name, "argv": [program], "env": program_environment(values, name),
                           "socket": f"{values['RUN_DIR']}/{name}.sock", "group": group,
                           "files": [program, f"{values['SCHEMA_DIR']}/{name}.sql"],
                           "end_signal": int(signal.SIGTERM)})
    return result


def ready_urls(values):
    """{part: where it says that it is ready}; for nginx that it takes requests at the gateway."""
    local = host(values["SERVICE_ADDRESS"])
    gateway = "127.0.0.1" if speaks_tls(values) else host(values["GATEWAY_ADDRESS"])
    result = {"nginx": f"http://{gateway}:{values['GATEWAY_PORT']}/healthz"}
    result |= {name: f"http://{local}:{values[variable(name)]}/readyz" for name in services()}
    result["gateway"] = f"http://{local}:{values['METRICS_PORT']}/readyz"
    if values["TRACE_STORE"] == "on":
        result[TRACE_STORE] = f"http://{local}:{values['TRACES_PORT']}/readyz"
    return result
