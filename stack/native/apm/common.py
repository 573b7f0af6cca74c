# SPDX-License-Identifier: MIT
"""Functions that all commands share: how they refuse, ask, wait, and name files."""
import time
import urllib.request
from pathlib import Path

from apm.settings import ROOT

PATIENCE_SECONDS = 3  # that a person is left without a word
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):
    """Says what is wrong, and what to do about it, a line each; `status` is the exit code of the command."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def wait(condition, seconds, patience=None):
    """Whether it became true in time. `patience` says what is waited for; a person reads it every few seconds."""
    begin = time.monotonic()
    said = begin
    while not condition():
        now = time.monotonic()
        if now > begin + seconds:
            return False
        if patience and now > said + PATIENCE_SECONDS:
            print(f"apm waits: {patience()}", flush=True)
            said = now
        time.sleep(0.02)
    return True


def relative(path):
    """A path as a person at the root of the sources writes it."""
    path = Path(path)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def tail(path, lines=3):
    try:
        return "\n".join(Path(path).read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
