# SPDX-License-Identifier: MIT
"""Fixtures of the integration tests: whole systems on real nginx, see tests/lib/system.py.

    /usr/bin/python3 -m pytest tests/integration           all of them
    MODE=asan …                                            with the sanitizers' binaries
    NGINX=/path/to/nginx …                                 with another nginx
    TRACE_CONTEXT_HARNESS=directory …                      with W3C's validation harness (its folder test/)
    OPENAPI_GENERATOR_JAR=file …                           with clients made of the API's description
"""
import pytest

from lib import sandbox
from lib.fixtures import build, classes, collector, fixture_of, make_system, place, stranger  # noqa: F401
from lib.ports import free_ports
from lib.program import Program
from lib.wait import SLOWNESS

# The one that most tests share: nothing is broken in it.
system = fixture_of("system", "session")
# The one whose parts are killed and stopped.
victim = fixture_of("victim", "module", environment={"CALL_TIMEOUT_MS": str(2000 * SLOWNESS)})


@pytest.fixture
def program(tmp_path_factory, build):  # noqa: F811
    """Starts single programs, see tests/lib/program.py; ends them and looks for reports of sanitizers."""
    made = []

    def make(name="users", start=True, **environment):
        made.append(Program(name, tmp_path_factory.mktemp("p"), **environment))
        return made[-1].start() if start else made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def extended(make_system, tmp_path_factory):  # noqa: F811
    """A system with two more services, made of one C file and one nginx file each, in a copy of the sources."""
    tree = sandbox.copy_tree(tmp_path_factory.mktemp("tree"))
    for name in ("greetings", "relays"):
        sandbox.add_service(tree, name)
    sandbox.build(tree)
    peer_port, = free_ports(1)
    system = make_system("extended", root=tree, environment={"PEER_URL": f"http://127.0.0.1:{peer_port}"},
                         services={"greetings": "greeting-service", "relays": "relay-service"})
    system.peer_port = peer_port
    yield system
    make_system.finish(system)


@pytest.fixture
def api(system):
    return system.gateway
