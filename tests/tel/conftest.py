# SPDX-License-Identifier: MIT
"""The telemetry library as a stranger gets it: as files to copy, installed, and as Debian packages.

All is built in temporary directories, with nothing of this repository but what these ways give.
"""
import pytest

from lib.fixtures import classes  # noqa: F401
from newcomer import Installed, Receiver, make


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """A directory with what `make tel-dist` writes."""
    directory = tmp_path_factory.mktemp("dist")
    make("tel-dist", TEL_OUT=directory)
    return directory


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """What `make install-tel` puts below DESTDIR."""
    directory = tmp_path_factory.mktemp("installed")
    make("install-tel", PREFIX="/opt/tel", DESTDIR=directory / "root", TEL_OUT=directory / "build")
    return Installed(directory / "root", "/opt/tel", "/opt/tel/lib")


@pytest.fixture
def receiver(classes):  # noqa: F811
    one = Receiver(classes)
    yield one
    one.close()
    assert not one.errors
