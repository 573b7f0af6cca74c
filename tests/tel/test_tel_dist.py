# SPDX-License-Identifier: MIT
"""The library as files to copy: tel.c, tel.h and ship.h, compiled in an empty directory without a flag."""
import os
import shutil
from pathlib import Path

import pytest

from newcomer import EXAMPLES, LIBRARIES, STRICT, declared, run, wanted

PROGRAMS = Path(__file__).parent / "programs"
BOTH = '#include "ship.h"\n#include "tel.h"\nint main(void)\n{\n\treturn !tel_version()[0];\n}\n'


@pytest.fixture
def copied(dist, tmp_path):
    for name in ("tel.c", "tel.h", "ship.h"):
        shutil.copy(dist / name, tmp_path)
    return tmp_path


def test_the_licence_comes_along(dist):
    assert (dist / "LICENSE").read_text().startswith("MIT License")


@pytest.mark.parametrize("compiler", ["cc", "clang"])
def test_it_compiles_without_a_flag(copied, compiler):
    run(wanted(compiler), "-c", "tel.c", cwd=copied)
    names = {line.split()[-1] for line in run("nm", "-g", "--defined-only", copied / "tel.o").stdout.splitlines()
             if line.split()[1:2]}
    assert names == declared()


@pytest.mark.parametrize("compiler", ["gcc -std=c11", "gcc -std=gnu11", "gcc -std=gnu17 -O3", "clang -std=c11"])
def test_it_compiles_without_a_warning(copied, compiler):
    wanted(compiler.split()[0])
    run(*compiler.split(), *STRICT, "-c", "tel.c", cwd=copied)


@pytest.mark.parametrize("compiler", ["g++ -std=c++17", "clang++ -std=c++17"])
def test_cplusplus_takes_both_headers(copied, compiler):
    wanted(compiler.split()[0])
    (copied / "both.cc").write_text(BOTH)
    run("cc", "-c", "tel.c", cwd=copied)
    run(*compiler.split(), *STRICT, "both.cc", "tel.o", *LIBRARIES, "-o", "both", cwd=copied)
    run(copied / "both")


@pytest.mark.parametrize("sanitizers", ["address,undefined", "undefined", "thread"])
def test_sanitizers_have_nothing_to_say(copied, receiver, sanitizers):
    shutil.copy(EXAMPLES / "hello.c", copied)
    run("gcc", "-g", "-O1", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all", "hello.c", "tel.c", *LIBRARIES,
        "-o", "hello", cwd=copied)
    done = run(copied / "hello", **receiver.environment())
    receiver.wait_named("resize image")
    assert "Sanitizer" not in done.stderr and "image resized" in done.stderr


def test_musl(copied):
    """Another C library, without libcurl and zlib: spans are counted and go nowhere, metrics and logs are as ever."""
    shutil.copy(EXAMPLES / "hello.c", copied)
    run(wanted("musl-gcc"), "-DTEL_NO_HTTP", "-DTEL_NO_GZIP", *STRICT, "-static", "hello.c", "tel.c", "-pthread", "-o",
        "hello", cwd=copied)
    assert '"msg":"image resized"' in run(copied / "hello").stderr


def test_a_program_keeps_its_names(copied):
    """jansson has a json_string too; both libraries are linked statically."""
    run("cc", "-c", "tel.c", cwd=copied)
    run("ar", "rcs", "libtel.a", "tel.o", cwd=copied)
    run("cc", f"-I{copied}", PROGRAMS / "jansson.c", "-L.", "-Wl,-Bstatic", "-ltel", "-ljansson", "-Wl,-Bdynamic",
        *LIBRARIES, "-o", "main", cwd=copied)
    assert '"msg":"hello"' in run(copied / "main").stderr


def test_what_is_written_does_not_depend_on_the_place(dist, tmp_path):
    """No path of the machine that wrote it is in the files."""
    for name in ("tel.c", "tel.h", "ship.h"):
        text = (dist / name).read_text()
        assert os.path.expanduser("~") + "/" not in text and "#line" not in text
