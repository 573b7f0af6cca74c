# SPDX-License-Identifier: MIT
"""The library as Debian packages: built as Debian builds, judged by lintian, unpacked and used."""
import re
import subprocess

import pytest

from newcomer import EXAMPLES, ROOT, Installed, declared, make, run, wanted


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A directory with the packages."""
    wanted("dpkg-buildpackage")
    wanted("dh")
    directory = tmp_path_factory.mktemp("deb")
    make("tel-deb", TEL_OUT=directory)
    source, = directory.glob("libtel-*/")
    run("dpkg-buildpackage", "-us", "-uc", cwd=source, DEB_BUILD_OPTIONS="noautodbgsym")
    return directory


def test_the_packages_are_used(built, tmp_path):
    root = tmp_path / "root"
    for package in ("libtel0", "libtel-dev"):
        archive, = built.glob(f"{package}_*.deb")
        run("dpkg", "-x", archive, root)
    multiarch = run("dpkg-architecture", "-qDEB_HOST_MULTIARCH").stdout.strip()
    unpacked = Installed(root, "/usr", f"/usr/lib/{multiarch}")
    program = unpacked.build(EXAMPLES / "hello.c", tmp_path / "hello")
    assert '"msg":"image resized"' in unpacked.run(program).stderr
    assert (root / "usr/share/man/man3/tel_span_start.3.gz").is_symlink() or \
        (root / "usr/share/man/man3/tel_span_start.3.gz").is_file()
    assert (root / "usr/share/doc/libtel-dev/examples/hello.c").read_text() == (EXAMPLES / "hello.c").read_text()
    assert "Permission is hereby granted" in (root / "usr/share/doc/libtel0/copyright").read_text()


def test_lintian_finds_no_error(built):
    wanted("lintian")
    changes, = built.glob("*.changes")
    done = subprocess.run(["lintian", "--no-user-dirs", "--allow-root", "--fail-on", "error", changes],
                          capture_output=True, text=True, timeout=500, cwd=built)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_symbols_file_has_what_is_declared():
    """make tel-abi writes it anew."""
    text = (ROOT / "fcgi/tel/debian/libtel0.symbols").read_text()
    assert set(re.findall(r"^ (tel_\w+)@LIBTEL_0 ", text, re.M)) == declared()
