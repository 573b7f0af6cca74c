# SPDX-License-Identifier: MIT
"""Fixtures that every folder of tests on whole systems shares: its conftest.py imports them."""
import subprocess
import sys
from contextlib import ExitStack

import pytest

from lib import otlp, sandbox
from lib.place import Place
from lib.ports import free_ports
from lib.system import ROOT, System


@pytest.fixture(scope="session", autouse=True)
def build():
    """The binaries of this MODE are those of the sources."""
    sandbox.build(ROOT)


@pytest.fixture(scope="session")
def classes(tmp_path_factory):
    return otlp.compile_proto(tmp_path_factory.mktemp("proto"))


@pytest.fixture(scope="session")
def make_system(request, build, classes, tmp_path_factory):
    """Starts systems; stops and judges what a test left running. After an interruption there is nothing to judge."""
    running = []

    def prepare(name, **options):
        return System(tmp_path_factory.mktemp(name), classes, **options)

    def make(name, **options):
        system = prepare(name, **options)
        try:
            system.start()
        except BaseException:
            system.abandon()
            raise
        running.append(system)
        return system

    def finish(system):
        running.remove(system)
        if request.session.exitstatus == pytest.ExitCode.INTERRUPTED:
            system.abandon()
        else:
            system.close()

    make.prepare, make.finish = prepare, finish
    yield make
    with ExitStack() as stack:  # all of them, also when one has a fault
        for system in list(running):
            stack.callback(finish, system)


@pytest.fixture
def stranger():
    """Somebody else's process, whose number a test writes where those of ours stand: it must outlive the test."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield process
    assert process.poll() is None, "a process that is not apm's was ended"
    process.kill()
    process.wait()


def fixture_of(name, scope, **options):
    @pytest.fixture(scope=scope, name=name)
    def fixture(make_system):
        system = make_system(name, **options)
        yield system
        make_system.finish(system)
    return fixture


def console_fixture(name):
    """A system with a console and a trace store, as make run starts it, but that spans are sent sooner."""
    @pytest.fixture(scope="module", name=name)
    def fixture(make_system):
        console, otlp_port, tempo, grafana = free_ports(4)
        system = make_system(name, environment={
            "CONSOLE": "on", "CONSOLE_PORT": str(console), "OTEL_EXPORTER_OTLP_ENDPOINT": "",
            "OTLP_HTTP_PORT": str(otlp_port), "TRACES_PORT": str(tempo), "GRAFANA_PORT": str(grafana)})
        system.ports |= {"console": console, "otlp": otlp_port}
        yield system
        make_system.finish(system)
    return fixture


@pytest.fixture
def collector(classes):
    """A collector of one test's own."""
    made = otlp.Collector(classes)
    yield made
    made.close()
    assert not made.errors


@pytest.fixture
def place(tmp_path):
    """What the commands look at, played by servers of the test: see tests/lib/place.py."""
    one = Place(tmp_path)
    yield one
    one.close()
