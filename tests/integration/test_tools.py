# SPDX-License-Identifier: MIT
"""What the commands with which a person looks have in common, make trace, logs, doctor and load; and make load."""
import re
import shutil
import subprocess

import pytest

from lib.place import ID, READY, TOOLS, batches, line, piped, serve_trace, span
from lib.system import ROOT
from lib.terminal import width


def test_no_shell_reads_what_a_person_gives_to_make(place, tmp_path):
    mark = tmp_path / "mark"
    for text in (f'"; touch {mark}; "', f"$$(touch {mark})", f"$(shell touch {mark})", f"`touch {mark}`",
                 f"'; touch {mark} #"):
        for target, name in (("trace", "ID"), ("logs", "SERVICE"), ("logs", "TRACE"), ("load", "RATE")):
            done = subprocess.run(["make", "-s", target, f"{name}={text}"], env=place.env(), cwd=ROOT, check=False,
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode and text[:9] in done.stderr, done.stderr
            assert not mark.exists(), (target, text)


def test_a_closed_pipe_is_no_fault(place):
    serve_trace(place, batches(*[span(i + 1, i, "x" * 80) for i in range(5000)]))
    (place.log / "order-service.log").write_bytes(line() * 5000)
    for tool, more in (("trace", {"ID": ID}), ("logs", {"LINES": "5000"})):
        with piped(tool, place, **more) as one:
            one.stdout.readline()
            one.stdout.close()
            assert one.stderr.read() == b"" and one.wait() == 0


@pytest.mark.parametrize("tool", ["trace", "logs", "load", "doctor"])
def test_output_that_nobody_can_have(place, tool):
    (place.log / "order-service.log").write_bytes(line() * 5)
    done = subprocess.run(["sh", "-c", f"'{TOOLS / tool}' >&- 2>&-; echo $?"], env=place.env(), check=False,
                          capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0\n" if tool == "logs" else "1\n", "")
    done = subprocess.run(["sh", "-c", f"'{TOOLS / tool}' >/dev/full"], env=place.env(), check=False,
                          capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("apm: ") and "Traceback" not in done.stderr


def test_ctrl_c_needs_no_words(place):
    place.serve("TRACES", {})
    screen = place.look("trace", ID, interrupt="so far, looking for more")
    assert screen.status == 130 and screen.lines[-1:] in ([], [""]), screen.text


@pytest.mark.parametrize("how", [
    {"LC_ALL": "C"}, {"LC_ALL": "nowhere"}, {"http_proxy": "http://127.0.0.1:1"}, {"TZ": "Asia/Kathmandu"},
    {"CDPATH": "/tmp"}, {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"}])
def test_the_environment_changes_nothing(place, tmp_path, how):
    serve_trace(place, batches(span(1)))
    (tmp_path / "json.py").write_text("raise SystemExit('this is not the json that is meant')")
    before = place.ask("trace", ID).stdout
    assert place.ask("trace", ID, cwd=tmp_path, **how).stdout == before
    assert subprocess.run(["make", "-s", "trace", f"ID={ID}"], env=place.env(**how), cwd=ROOT, check=False,
                          capture_output=True).stdout.decode() == before


def test_the_sources_may_be_anywhere(place, tmp_path):
    serve_trace(place, batches(span(1)))
    there = tmp_path / "mit Leer zeichen ä"
    for part in ("stack/native", "nginx"):
        shutil.copytree(ROOT / part, there / part)
    shutil.copy(ROOT / "stack/defaults.env", there / "stack")
    done = subprocess.run([there / "stack/native/trace", ID], env=place.env(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (place.log / "a b.log").write_bytes(line())
    done = subprocess.run([there / "stack/native/logs"], env=place.env(), capture_output=True, check=False)
    assert done.stdout == line(), done.stderr


@pytest.mark.parametrize("tool", ["trace", "logs", "load", "doctor"])
def test_help(place, tool):
    done = place.ask(tool, "--help")
    assert done.returncode == 0 and f"make {tool}" in done.stdout and "Exit codes: 0" in done.stdout
    assert max(map(width, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("tool", ["trace", "logs", "load", "doctor"])
def test_settings_that_cannot_be_used(place, tool):
    done = place.ask(tool, GATEWAY_PORT="x")
    assert done.returncode == 2 and done.stderr.startswith("apm: GATEWAY_PORT is 'x': it has to be")


# ---- make load ----

@pytest.mark.parametrize("name, text", [
    ("RATE", "x"), ("RATE", "0"), ("RATE", "nan"), ("RATE", "1e9"), ("SECONDS", "-1")])
def test_numbers_of_load(place, name, text):
    done = place.ask("load", **{name: text})
    assert done.returncode == 2 and f"{name} is '{text}': it has to be a number from " in done.stderr


def test_load_where_nobody_answers(place):
    done = place.ask("load", "--rate", "50")  # without an end: it ends by itself
    assert done.returncode == 1 and f"nobody answers at http://127.0.0.1:{place.ports['GATEWAY']}" in done.stderr
    assert "make run" in done.stderr and "make doctor" in done.stderr


def test_load_ends_with_a_summary(place):
    place.serve("GATEWAY", lambda path: (201, "application/json", "[]"))  # an answer that apm does not give
    screen = place.look("load", interrupt="2xx")
    assert screen.status == 0 and re.search(r"\d+ requests answered, 0 not, by http://127", screen.text), screen.text


def test_load_through_a_pipe_that_is_closed(place):
    place.serve("GATEWAY", lambda path: READY)
    with piped("load", place) as one:
        assert b"requests/s" in one.stdout.readline()
        one.stdout.close()
        assert one.wait(timeout=60) == 0 and one.stderr.read() == b""
