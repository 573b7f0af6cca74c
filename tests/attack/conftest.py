# SPDX-License-Identifier: MIT
"""Tests that try to break the promises: kills, malformed requests, bad collectors, time.

    /usr/bin/python3 -m pytest tests/attack      a short variant of each
    ATTACK_SECONDS=60 …                          the long ones: make attack
    MODE=asan …, MODE=tsan …                     with the sanitizers' binaries
"""
import os

import pytest

from lib.fixtures import build, classes, make_system, stranger  # noqa: F401


@pytest.fixture(scope="session")
def seconds():
    """How long an attack goes on."""
    return float(os.environ.get("ATTACK_SECONDS", 10))


@pytest.fixture
def progress(capsys):
    """Prints how far a long attack is, when it runs alone."""
    def print_line(text):
        if "PYTEST_XDIST_WORKER" not in os.environ:
            with capsys.disabled():
                print(f"\n  {text}", end="", flush=True)
    return print_line


@pytest.fixture
def say(progress, record_property):
    """Prints figures that are worth reading when all is well, too; at the end when tests run side by side."""
    def print_line(text):
        progress(text + "\n")
        if "PYTEST_XDIST_WORKER" in os.environ:
            record_property("figures", text)
    return print_line
