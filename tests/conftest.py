# SPDX-License-Identifier: MIT
"""How all tests run side by side, end early, and say what they saw though they passed: record_property("figures", …)

No test sees a setting that apm, or what it is tested with, would take from whoever runs the tests. What an unkind
machine has in its environment (zone, language, proxies) stays.
"""
import os
import re
import shutil
import signal
import tempfile
import urllib.request

import pytest

KEPT = re.compile(r"PATH|HOME|USER|LOGNAME|TMPDIR|TERM|TZ|LANG|LC_[A-Z]+|LOCPATH|CDPATH|[a-z]+_proxy|LD_[A-Z_]+"
                  r"|CC|CCACHE_[A-Z]+|DOCKER_[A-Z_]+|PYTEST_[A-Z_]+"
                  # what the tests themselves take: see their conftest.py and make help
                  r"|MODE|UNIT_MODES|NGINX|[A-Z_]+_BIN|TRACE_CONTEXT_HARNESS|OPENAPI_GENERATOR_JAR|HYPOTHESIS_PROFILE"
                  r"|ATTACK_[A-Z]+|COMMAND_ROUNDS|FAULT_STEP")
for name in [name for name in os.environ if not KEPT.fullmatch(name)]:
    del os.environ[name]
# All that tests ask is on this machine.
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))

os.environ["PATH"] += ":/usr/sbin:/sbin"  # where nginx is; an ordinary user's PATH may lack it
pytest.register_assert_rewrite("lib", "newcomer")  # tests/lib and tests/tel/newcomer.py

LONGEST_TMPDIR = 10  # bytes: the RUN_DIR of a test is up to 65 further down, and may have 75


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """What the tests write is below a short path, whatever the machine's are. SIGTERM is what Ctrl-C is: the fixtures
    stop what they started."""
    if not hasattr(config, "workerinput") and not config.option.basetemp:
        directory = tempfile.gettempdir()
        config.option.basetemp = config.files = tempfile.mkdtemp(
            prefix="apm-test.", dir=directory if len(directory) <= LONGEST_TMPDIR else "/tmp")

    def interrupt(*_):
        if hasattr(config, "workerinput"):  # a worker of pytest-xdist is told once more, by its controller
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A file's tests share what they start, so they stay on one worker; some files' tests share nothing."""
    for item in items:
        if item.path.name not in ("test_unit.py", "test_replay.py", "test_contain.py"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    if hasattr(config, "files"):
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            shutil.rmtree(config.files, ignore_errors=True)
        else:
            terminalreporter.write_line(f"the tests' files are in {config.files}")
    for report in terminalreporter.stats.get("passed", ()):
        for name, text in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(f"{report.nodeid}: {text}")
