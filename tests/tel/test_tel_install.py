# SPDX-License-Identifier: MIT
"""The library as make install-tel puts it down: found by pkg-config and CMake, with its manual."""
import re
import shutil

import pytest

from newcomer import EXAMPLES, STRICT, declared, run, wanted

LISTS = """
cmake_minimum_required(VERSION 3.10)
project(hello C CXX)
find_package(tel 0.1 REQUIRED)
add_executable(shared hello.c)
target_link_libraries(shared tel::tel)
add_executable(static hello.c)
target_link_libraries(static tel::static)
add_executable(cplusplus hello.cc)
target_compile_features(cplusplus PRIVATE cxx_std_17)
target_link_libraries(cplusplus tel::tel)
"""


def exported(installed, *options):
    lines = run("nm", "--defined-only", *options).stdout.splitlines()
    return {line.split()[2].partition("@")[0] for line in lines if len(line.split()) == 3}


def test_only_what_the_headers_declare_leaves_the_library(installed):
    node = {"LIBTEL_0"}
    assert exported(installed, "-D", installed.lib / "libtel.so") == declared() | node
    assert exported(installed, "-g", installed.lib / "libtel.a") == declared()


def test_the_shared_library(installed, tmp_path):
    dynamic = run("readelf", "-d", installed.lib / "libtel.so").stdout
    assert re.search(r"SONAME.*\[libtel\.so\.0\]", dynamic)
    assert {*re.findall(r"NEEDED.*\[(\w+)", dynamic)} <= {"libcurl", "libz", "libm", "libc", "libpthread", "ld"}
    assert {path.name for path in installed.lib.glob("libtel.so*")} == {"libtel.so", "libtel.so.0", "libtel.so.0.1.0"}
    run("strip", "-o", tmp_path / "stripped", installed.lib / "libtel.so")
    assert (tmp_path / "stripped").stat().st_size <= 150_000


def static(installed):
    """What pkg-config --static says, as one writes it to take libtel along and nothing else."""
    return ["-l:libtel.a" if flag == "-ltel" else flag for flag in installed.flags("--static")]


@pytest.mark.parametrize("compiler, source", [
    ("gcc -std=c11", "hello.c"), ("clang -std=c11", "hello.c"), ("g++ -std=c++17", "hello.cc"),
    ("clang++ -std=c++17", "hello.cc")])
@pytest.mark.parametrize("taken_along", [False, True], ids=["shared", "static"])
def test_pkg_config(installed, tmp_path, compiler, source, taken_along):
    wanted(compiler.split()[0])
    program = tmp_path / "hello"
    if taken_along:
        run(*compiler.split(), *STRICT, EXAMPLES / source, "-o", program, *static(installed))
    else:
        installed.build(EXAMPLES / source, program, compiler=compiler)
    assert ("libtel" in run("readelf", "-d", program).stdout) == (not taken_along)
    assert '"msg":"image resized"' in installed.run(program).stderr


@pytest.mark.parametrize("line", ['#include "tel.h"', "#include <tel.h>", "#include <tel/tel.h>", '#include "ship.h"',
                                  "#include <tel/ship.h>"])
def test_the_headers_are_found(installed, tmp_path, line):
    (tmp_path / "main.c").write_text(f"{line}\nint main(void)\n{{\n\treturn !tel_version()[0];\n}}\n")
    installed.run(installed.build(tmp_path / "main.c", tmp_path / "main"))


def test_the_version_is_one(installed):
    header = re.search(r'#define TEL_VERSION "(.*)"', (installed.prefix / "include/tel/tel.h").read_text())[1]
    assert f"Version: {header}\n" in (installed.lib / "pkgconfig/tel.pc").read_text()
    assert f'"{header}"' in (installed.lib / "cmake/tel/tel-config-version.cmake").read_text()
    assert (installed.lib / f"libtel.so.{header}").is_file()


def test_cmake(installed, tmp_path):
    wanted("cmake")
    (tmp_path / "CMakeLists.txt").write_text(LISTS)
    for name in ("hello.c", "hello.cc"):
        shutil.copy(EXAMPLES / name, tmp_path)
    flags = " ".join(STRICT)
    run("cmake", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={installed.prefix}", f"-DCMAKE_C_FLAGS={flags}",
        f"-DCMAKE_CXX_FLAGS={flags}", cwd=tmp_path)
    run("cmake", "--build", "build", cwd=tmp_path)
    for name in ("shared", "static", "cplusplus"):
        assert '"msg":"image resized"' in run(tmp_path / "build" / name).stderr
    assert "libtel" not in run("readelf", "-d", tmp_path / "build/static").stdout


@pytest.mark.parametrize("version, found", [("0.0.1", True), ("0.2", False), ("1.0", False)])
def test_cmake_looks_at_the_version(installed, tmp_path, version, found):
    wanted("cmake")
    (tmp_path / "CMakeLists.txt").write_text(LISTS.replace("tel 0.1", f"tel {version}"))
    for name in ("hello.c", "hello.cc"):
        shutil.copy(EXAMPLES / name, tmp_path)
    done = run("cmake", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={installed.prefix}", cwd=tmp_path, ok=False)
    assert (done.returncode == 0) == found, done.stderr


def test_each_function_has_a_page(installed):
    pages = installed.prefix / "share/man/man3"
    assert declared() <= {path.stem for path in pages.iterdir()}
    for path in pages.iterdir():
        text = path.read_text()
        if text.startswith(".so "):
            assert path.stem in (pages.parent / text.split()[1]).read_text().replace("\\-", "-"), path


def test_the_manual_is_sound(installed):
    wanted("mandoc")
    manual = installed.prefix / "share/man/man3"
    pages = [path for path in manual.iterdir() if not path.read_text().startswith(".so ")]
    assert len(pages) >= 8
    run("mandoc", "-T", "lint", "-W", "warning", *pages)
    text = run("mandoc", "-T", "utf8", manual / "tel_span.3").stdout
    assert "Links to a span of another trace." in text
