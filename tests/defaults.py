# SPDX-License-Identifier: MIT
"""Judges the defaults: each stands in stack/defaults.env (a service's port in nginx/services/NAME.conf), and what says
it once more agrees. Exits 1 with a line per fault."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "stack/native"))
from apm import settings  # noqa: E402  pylint: disable=wrong-import-position

DEFAULTS = settings.defaults()
PORTS = {settings.variable(name): port for name, port in settings.services().items()}
KNOWN = DEFAULTS | PORTS
# Ports stand in these files as words, because a container's own ports are the default ones, and links lead to them.
HAVE_PORTS = re.compile(r"\.(ya?ml|alloy|conf)$|/defaults\.env$|Dockerfile$|/dashboards/")
MARKS = re.compile("<!-- settings -->\n(.*?)<!-- /settings -->", re.DOTALL)


def texts(*patterns):
    """(a file's path from the root, its text) of the files that the patterns find."""
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern)):
        if path.is_file() and not path.is_symlink() and path.suffix not in (".png", ".pyc"):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def lines(patterns, wanted):
    """("path:line", match) of each match of an expression."""
    for name, text in texts(*patterns):
        for number, line in enumerate(text.splitlines(), 1):
            for match in wanted.finditer(line):
                yield f"{name}:{number}", match


def fallbacks():
    """${NAME:-value} and ${NAME:=value} of shells and configurations, and the Makefile's NAME ?= value."""
    files = ("stack/**/*", "nginx/*", "db/*", "compose.yaml")
    for where, found in [*lines(files, re.compile(r"\$\{([A-Z_]+):[-=]([^}$]*)\}")),
                         *lines(["Makefile"], re.compile(r"^([A-Z_]+) \?= (.*)$"))]:
        name, value = found[1], found[2]
        if DEFAULTS.get(name) == "" and value:  # it depends on the place, and the file tells of it in words
            told = settings.stated()[name][1]
            if not re.search(rf"\b{re.escape(value)}\b", told) and name not in ("GATEWAY_ADDRESS", "TEMPO_URL"):
                yield f"{where}: {name} is {value} here, of which stack/defaults.env says nothing: {told}"
        elif KNOWN.get(name, value) != value:
            yield f"{where}: {name} is {value} here, and {KNOWN[name]} by default"


def container_ports():
    """What a container's port is published as, and where others look for it: at the default port."""
    text = (ROOT / "stack/compose.yaml").read_text(encoding="utf-8")
    ports = {"api-gateway": {DEFAULTS["METRICS_PORT"]}}
    for service, part in re.findall(r"^  ([a-z][a-z-]*):.*\n((?:    .*\n|\n)+)", text, re.MULTILINE):
        for name, inside in re.findall(r"\$\{(\w+_PORT)[^}]*\}:(\d+)", part):
            if inside != KNOWN[name]:
                yield f"stack/compose.yaml: {service} publishes {inside} as {name}, which is {KNOWN[name]} by default"
            ports.setdefault(service, set()).add(inside)
    ports |= {f"{name}.apm": {PORTS[settings.variable(name)]} for name in settings.services()}
    ports |= {"node-exporter": {DEFAULTS["NODE_EXPORTER_PORT"]}, "alloy": {DEFAULTS["ALLOY_PORT"]},
              "promtail": {DEFAULTS["PROMTAIL_PORT"]}, "alert-log": {DEFAULTS["ALERT_LOG_PORT"]}}
    for where, found in lines(["stack/**/*"], re.compile(r"(?<![\w.-])([a-z][a-z.-]*):(\d{4,5})\b")):
        if found[2] not in ports.get(found[1], {found[2]}):
            yield f"{where}: {found[1]} has no port {found[2]}: {' '.join(sorted(ports[found[1]]))}"


def links():
    """Alerts lead to Grafana."""
    for where, found in lines(["stack/loki/**/*", "stack/prometheus/**/*"], re.compile(r"http://localhost:(\d+)/d/")):
        if found[1] != DEFAULTS["GRAFANA_PORT"]:
            yield f"{where}: Grafana's port is {DEFAULTS['GRAFANA_PORT']}"


def programs():
    """A C program that is started by hand has the same default, and takes the same numbers."""
    for name, text in texts("fcgi/*/*.c"):
        for declared in re.findall(r"^ENV_SETTING\(\w+,(.*?)\);", text, re.DOTALL | re.MULTILINE):
            setting = re.search(r'\.name = "(\w+)"', declared)[1]
            number = dict(re.findall(r"\.(fallback|min|max) = (\d+)", declared))
            if setting not in settings.CHECKS or "max" not in number:
                continue
            if number.get("fallback", DEFAULTS[setting]) != DEFAULTS[setting]:
                yield f"{name}: {setting} is {number['fallback']} here, and {DEFAULTS[setting]} by default"
            least, most = int(number.get("min", 0)), int(number["max"])
            taken = [is_taken(settings.CHECKS[setting], str(edge)) for edge in (least - 1, least, most, most + 1)]
            if taken != [False, True, True, False]:
                yield f"{name}: {setting} is from {least} to {most} here, and not in stack/native/apm/settings.py"
        for setting, default in re.findall(r'"  ([A-Z_]+) \[(\w[\w./]*)\]', text):
            if DEFAULTS.get(setting, default) not in ("", default) and default != "none":
                yield f"{name}: --help says that {setting} is {default}, and it is {DEFAULTS[setting]} by default"


def is_taken(check, text):
    try:
        check(text)
        return True
    except ValueError:
        return False


def written_again():
    """A port as a word where its variable would do."""
    numbers = {number for name, number in KNOWN.items() if name.endswith("_PORT")}
    code = ("stack/**/*", "nginx/*", "Makefile", "compose.yaml")
    for where, found in lines(code, re.compile(r"(?<![\w.-])(\d{4,5})(?![\w.])")):
        if found[1] in numbers and not HAVE_PORTS.search(where.partition(":")[0]):
            yield f"{where}: {found[1]} is a default port: take it from stack/defaults.env"


def form():
    """What shells, compose and Python read alike; each setting is known to somebody."""
    for name, (default, told) in settings.stated().items():
        if not told:
            yield f"stack/defaults.env: {name} has no line that says what it is"
        if not re.fullmatch(r"[\w./:,*-]*", default):
            yield f"stack/defaults.env: {name} is {default}, which not everybody reads alike"
    for name in settings.CHECKS.keys() - DEFAULTS.keys():
        yield f"stack/native/apm/settings.py: {name} does not stand in stack/defaults.env"
    used = "".join(text for _, text in texts("stack/compose*.yaml"))
    for name in DEFAULTS.keys() - settings.CHECKS.keys():
        if f"${{{name}" not in used:
            yield f"stack/defaults.env: nobody takes {name}"
    for link in (".env", "stack/.env"):
        if (ROOT / link).resolve() != settings.DEFAULTS:
            yield f"{link} does not lead to stack/defaults.env"


def documentation():
    found = [(name, match[1]) for name, text in texts("README.md", "docs/*.md") for match in MARKS.finditer(text)]
    if not found:
        yield "neither README.md nor docs/ has a table between <!-- settings --> and <!-- /settings -->"
    for name, table in found:
        if table.strip() != settings.markdown().strip():
            yield f"{name}: the table of settings is not that of stack/native/ctl settings --markdown"


faults = [fault for judge in (form, fallbacks, container_ports, links, programs, written_again, documentation)
          for fault in judge()]
print("\n".join(faults) or "defaults: each stands in one place, and what says it once more agrees")
sys.exit(bool(faults))
