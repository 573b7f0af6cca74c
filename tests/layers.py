# SPDX-License-Identifier: MIT
"""Judges the includes: they go only downward, the telemetry library shows its public headers alone, and tests in
tests/unit/api include no private ones; and that nothing but base/c_locale asks the locale. Exits 1 with a line per
fault."""

import graphlib
import pathlib
import re
import sys

FCGI = pathlib.Path(__file__).resolve().parents[1] / "fcgi"
# What each folder may include besides itself. Two folders that are not in each other's line know nothing of each other.
BELOW = {
    "base": (),
    "tel": ("base",),
    "semconv": ("tel", "base"),
    "http": ("semconv", "tel", "base"),
    "database": ("tel", "base"),
    "outbox": ("database", "tel", "base"),
    "gateway": ("semconv", "tel", "base"),
    "app": ("http", "database", "semconv", "tel", "base"),
    "trace_store": ("app", "http", "database", "tel", "base"),
    "services": ("trace_store", "gateway", "app", "outbox", "http", "database", "semconv", "tel", "base"),
}
PUBLIC = ("tel/tel.h", "tel/ship.h")  # below tel/include/
UNIT = FCGI.parent / "tests/unit"
# The files of one folder share these among themselves; of the tests only those in tests/unit/internal include them.
PRIVATE = ("tel/src/", "database/parts.h", "outbox/message_table.h")
EXAMPLES = FCGI / "tel/examples"  # programs of others: they include what is installed
# What the C library does after the customs of the locale.
LOCAL = re.compile(r"\b(strto[df]|atof|strn?casecmp|to(?:lower|upper)|is(?:al|low|upp|pun|spa|pri|cnt)[a-z]+)\(")


def faults():
    for path in sorted(FCGI.rglob("*.[ch]")):
        here = path.relative_to(FCGI).parts[0]
        if EXAMPLES in path.parents:
            continue
        if here not in BELOW:
            yield f"{path}: the folder {here} has no layer: add it to {__file__}"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if path.stem != "c_locale" and (found := LOCAL.search(line)):
                yield (f"{path.relative_to(FCGI.parent)}:{number}: {found[1]}() follows the locale: "
                       "use base/c_locale.h or base/ascii.h")
            match = re.match(r'#include "([^"]+)"', line)
            if not match:
                continue
            place = f"{path.relative_to(FCGI.parent)}:{number}"
            there = match[1].split("/")[0]
            if there not in BELOW or not (match[1] in PUBLIC or (FCGI / match[1]).exists()):
                yield f"{place}: includes {match[1]}, which is not folder/header.h of fcgi/"
            elif there != here and there not in BELOW[here]:
                yield f"{place}: {here} must not include {there}: includes go only downward"
            elif here == "trace_store" and there in ("app", "http") and not path.name.startswith("api"):
                yield f"{place}: only api*.[ch] of trace_store may include {there}: the rest knows no HTTP"
            elif there == "tel" != here and match[1] not in PUBLIC:
                yield f"{place}: outside tel/ only {' and '.join(PUBLIC)} may be included"


def circles():
    """Of modules, a header and its source being one, that include each other."""
    below = {}
    for path in sorted(FCGI.rglob("*.[ch]")):
        module = str(path.relative_to(FCGI).with_suffix("")).replace("tel/include/", "")
        if EXAMPLES not in path.parents:
            includes = re.findall(r'^#include "([^"]+)\.h"', path.read_text(), re.M)
            below.setdefault(module, set()).update(set(includes) - {module})
    while True:
        try:
            return graphlib.TopologicalSorter(below).prepare()
        except graphlib.CycleError as error:
            included, module = error.args[1][:2]
            yield f"fcgi: {' includes '.join(reversed(error.args[1]))}: includes go in no circle"
            below[module].discard(included)  # the next circle can be seen


def private_includes(test):
    """The private headers that a unit test includes, by itself or by a fixture of tests/unit/lib."""
    unseen, seen = [test], set()
    while unseen:
        file = unseen.pop()
        seen.add(file)
        for name in re.findall(r'^#include "([^"]+)"', file.read_text(), re.M):
            if name.startswith(PRIVATE):
                yield f"{name} (in {file.name})"
            fixture = UNIT / "lib" / name
            if fixture.exists() and fixture not in seen:
                unseen.append(fixture)


def faults_of_tests():
    for test in sorted(UNIT.glob("*/test_*.c")):
        private = sorted(set(private_includes(test)))
        if test.parent.name == "api" and private:
            yield f"{test.relative_to(FCGI.parent)}: includes {', '.join(private)}: it belongs in tests/unit/internal"
        if test.parent.name == "internal" and not private:
            yield f"{test.relative_to(FCGI.parent)}: includes public headers alone: it belongs in tests/unit/api"


found = [*faults(), *circles(), *faults_of_tests()]
print("\n".join(found) or "layers: includes go only downward, nothing asks the locale")
sys.exit(bool(found))
