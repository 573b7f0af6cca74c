# SPDX-License-Identifier: MIT
"""fcgi/tel/README.md keeps its word: its program, built as it says; its limits; its links; docs/compliance.md."""
import re
import shutil

import pytest

from newcomer import ROOT, TEL, run

README = (TEL / "README.md").read_text()
COMPLIANCE = ROOT / "docs/compliance.md"


def program():
    return re.search(r"^```c\n(.*?)^```", README, re.M | re.S)[1]


def build_lines():
    """The lines that compile the program, of the copied files and of the installed library."""
    copied, installed = re.findall(r"^cc .*$", README, re.M)
    assert "tel.c" in copied and "pkg-config" in installed
    return {"copied": copied, "installed": installed}


def test_the_program_has_twelve_lines():
    lines = program().splitlines()
    assert len([line for line in lines if line.strip()]) == 12


@pytest.mark.parametrize("way", ["copied", "installed"])
def test_the_program_works(dist, installed, receiver, tmp_path, way):
    (tmp_path / "hello.c").write_text(program())
    environment = {}
    if way == "copied":
        for name in ("tel.c", "tel.h"):
            shutil.copy(dist / name, tmp_path)
    else:
        environment = {"PKG_CONFIG_PATH": str(installed.lib / "pkgconfig"), "LD_LIBRARY_PATH": str(installed.lib),
                       "PKG_CONFIG_SYSROOT_DIR": str(installed.root)}
    run("/bin/sh", "-ec", build_lines()[way], cwd=tmp_path, **environment)
    done = run(tmp_path / "hello", **environment, **receiver.environment(), OTEL_METRICS_EXPORTER="otlp",
               OTEL_LOGS_EXPORTER="otlp")
    span = receiver.wait_named("resize image")
    assert (span.service, span.attributes["image.width"]) == ("hello", 640)
    assert span.trace_id in done.stderr and '"msg":"image resized"' in done.stderr
    receiver.wait_body("/v1/metrics", "images.resized")
    receiver.wait_body("/v1/logs", "image resized")


def test_the_metric_is_shown_to_prometheus(dist, tmp_path):
    """What the README says of /metrics: the same program, which prints the page at its end."""
    page = ("static bool print(void *arg, const char *text, size_t bytes)\n"
            "{\n\t(void)arg;\n\treturn fwrite(text, 1, bytes, stdout) == bytes;\n}\n")
    source = program().replace("int main", page + "int main").replace(
        "\ttel_shutdown", "\ttel_metrics_write(tel_metrics_content_type(NULL), print, NULL);\n\ttel_shutdown")
    (tmp_path / "hello.c").write_text("#include <stdio.h>\n" + source)
    for name in ("tel.c", "tel.h"):
        shutil.copy(dist / name, tmp_path)
    run("/bin/sh", "-ec", build_lines()["copied"], cwd=tmp_path)
    assert re.search(r"^images_resized_total 1(\.0)?$", run(tmp_path / "hello").stdout, re.M)


@pytest.mark.parametrize("name, number", [
    ("TEL_SPAN_SIZE", "2304"), ("SPAN_DATA_BYTES", "2048"), ("TEL_PARENT_SIZE", "12,416"),
    ("TEL_TRACESTATE_MAX", "4127"), ("TRACESTATE_MEMBERS_MAX", "32"), ("TEL_BAGGAGE_MAX", "8192"),
    ("BAGGAGE_MEMBERS_MAX", "64"), ("TEL_LABELS_MAX", "4"), ("TEL_BOUNDS_MAX", "20"), ("METRIC_SERIES_MAX", "256"),
    ("METRIC_VALUE_BYTES", "64"), ("HOOKS_MAX", "16"), ("LOG_LINE_MAX", "16,384"),
    ("LOG_VALUE_MAX", "4096"), ("ATTRS_MAX", "64")])
def test_limits_are_those_of_the_sources(name, number):
    sources = "".join(path.read_text() for path in [*TEL.glob("src/*.[ch]"), *TEL.glob("include/tel/*.h")])
    found = re.findall(rf"#define {name} +(\d+)", sources)
    assert found == [number.replace(",", "")]
    limits = README.partition("\n## Limits\n")[2].partition("\n## ")[0]
    shown = "63" if name == "METRIC_VALUE_BYTES" else number  # the last one is its NUL
    assert re.search(rf"\b{shown}\b", limits)


@pytest.mark.parametrize("document", [TEL / "README.md", COMPLIANCE], ids=["README", "compliance"])
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_tests_that_are_named_exist():
    """Each row of docs/compliance.md that says yes or partly names a test: file, and the name of a test in it."""
    rows = [row for row in COMPLIANCE.read_text().splitlines() if re.match(r"\|.*\| (yes|partly|no)\b", row)]
    assert len(rows) > 150
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        names = re.findall(r"`(tests/[\w/.]+)`: `(\w+)`", cells[2])
        assert names or cells[1].startswith("no"), row
        for file, name in names:
            assert re.search(rf"\b{name}\b", (ROOT / file).read_text()), row
