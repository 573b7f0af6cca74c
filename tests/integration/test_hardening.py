# SPDX-License-Identifier: MIT
"""How the programs are built: what the compiler and the linker can do against exploits is in the files."""
import platform
import re
import subprocess

import pytest

from lib import sandbox
from lib.system import ROOT

PROGRAMS = ["users", "orders", "notifications", "gateway"]


@pytest.fixture(scope="module", autouse=True)
def release(build):
    sandbox.build(ROOT, "release")


def readelf(*arguments):
    done = subprocess.run(["readelf", "--wide", *arguments], cwd=ROOT / "build/release", capture_output=True, text=True,
                          check=True)
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_file(program):
    """Position-independent; nothing writable is executable, and nothing that the loader resolves stays writable."""
    file = f"bin/{program}"
    assert re.search(r"Type: +DYN", readelf("--file-header", file))
    segments = readelf("--program-headers", file)
    flags = dict(re.findall(r"^ +(\w+) +(?:0x\w+ +){5}([R ][W ][E ]) ", segments, re.M))
    assert flags["GNU_STACK"] == "RW " and flags["GNU_RELRO"] == "R  " and "RWE" not in segments, segments
    dynamic = readelf("--dynamic", file)
    assert re.search(r"\(FLAGS_1\) +Flags:.*\bNOW\b.*\bPIE\b", dynamic), dynamic
    assert not re.search("RPATH|RUNPATH|TEXTREL", dynamic), dynamic


@pytest.mark.parametrize("program", PROGRAMS)
def test_calls_are_checked(program):
    """Stack protector and FORTIFY: the checking functions are there, and none that never asks for a size."""
    calls = set(re.findall(r" UND (\w+)@", readelf("--dyn-syms", f"bin/{program}")))
    assert {"__stack_chk_fail", "__snprintf_chk", "__memcpy_chk", "__printf_chk"} <= calls, calls
    assert not calls & {"sprintf", "vsprintf", "strcat", "gets"}, calls


def test_every_object_was_compiled_so():
    """The compiler's own note of its options in the debug information."""
    for program in PROGRAMS:
        notes = set(re.findall(rb"GNU C\d+ [^\0]+", (ROOT / "build/release/bin" / program).read_bytes()))
        if not notes:
            pytest.skip("not built by gcc")
        wanted = [b"-fPIE", b"-fstack-protector-strong"]
        if platform.machine() == "x86_64":
            wanted += [b"-fcf-protection", b"-fstack-clash-protection"]
        for note in notes:
            assert all(option in note for option in wanted), note


def test_jumps_are_marked():
    if platform.machine() != "x86_64":
        pytest.skip("a mark of x86-64")
    text = readelf("--notes", "libapm.a") + readelf("--notes", "libtel.a")
    assert text.count("IBT, SHSTK") == text.count("File: ") > 30
