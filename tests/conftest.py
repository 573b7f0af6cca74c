"""How all tests run side by side, end early, and say what they saw though they passed: record_property("figures", …)"""
import signal

import pytest


def pytest_configure(config):
    """SIGTERM is what Ctrl-C is: the fixtures stop what they started."""
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


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.stats.get("passed", ()):
        for name, text in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(f"{report.nodeid}: {text}")
