# SPDX-License-Identifier: MIT
"""Logs that have grown too large make way: FILE becomes FILE.1, FILE.1 becomes FILE.2, and so on. In containers
stack/container/rotate does the same."""
import os
import re
from pathlib import Path

from apm.files import open_own
from apm.journal import log_file, say

LOG_LINK = re.compile(r"(.*\.log)(?:\.\d+)?(?: \(deleted\))?")  # to a log, whatever has become of it


def written(pid):
    """{log: the file below /proc} that the process writes to; it may not be the one of that name any more."""
    found = {}
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            link = LOG_LINK.fullmatch(os.readlink(descriptor))
            if link and is_writable(f"/proc/{pid}/fdinfo/{descriptor.name}"):
                found[link[1]] = descriptor
        except OSError:  # closed meanwhile
            pass
    return found


def is_writable(fdinfo):
    flags = re.search(r"flags:\s*([0-7]+)", Path(fdinfo).read_text(encoding="ascii"))
    return int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY


def same(left, right):
    try:
        return os.path.samestat(os.stat(left), os.stat(right))
    except OSError:
        return False


def make_room(path, keep):
    """Only up to the first number that is free: when this is tried again and again, the older files stay."""
    free = next((number for number in range(1, keep) if not os.path.lexists(f"{path}.{number}")), keep)
    for number in range(free, 1, -1):
        os.replace(f"{path}.{number - 1}", f"{path}.{number}")
    while free == keep and os.path.lexists(f"{path}.{keep + 1}"):  # more were kept before
        keep = free = keep + 1
        os.unlink(f"{path}.{keep}")


def begin_anew(path, keep):
    """
    Raises OSError. Whoever writes to the file does so to FILE.1 from here on, until it is told to open its log. There
    is a file of the name at any moment: who follows it never finds that it has gone.
    """
    empty, last = f"{path}.new", f"{path}.1"
    linked = same(path, last)  # by an earlier call that was cut short
    if not linked:
        make_room(path, keep)
    try:
        os.close(open_own(empty, os.O_WRONLY | os.O_TRUNC))
        if not linked:
            os.link(path, last)
        os.replace(empty, path)
    except OSError:  # a file system without hard links, or without room: the writer makes the new file
        Path(empty).unlink(missing_ok=True)
        os.replace(path, last)
        if same(path, last):  # two names of one file, of which os.replace leaves both
            os.unlink(path)


class Logs:
    """Of the supervisor and the processes that it holds."""

    def __init__(self):
        self.max_bytes = 0  # 0: a log may grow without end
        self.keep = 0  # FILE.1 to FILE.N
        self.said = set()  # troubles

    def look(self, pids, tell):
        """
        Begins those anew that are too large. tell(pid): that a process has to open its log, for whatever reason. It is
        told at once: what it writes until then may be missed by who follows the log and has seen the new file.
        """
        troubles, begun = set(), []
        opened = [(path, file, pid) for pid in pids for path, file in written(pid).items()]
        for path, file, pid in opened:
            if not same(path, file):
                self.restore(path, file, troubles)
                tell(pid)
        for log in {log_file.path, *(path for path, _, _ in opened)}:
            if self.begin(log, troubles):
                begun.append(os.path.basename(log))
                for pid in (pid for path, _, pid in opened if path == log):
                    tell(pid)
        if begun:
            say("info", "logs were begun anew", files=sorted(begun))
        for text, reason in troubles - self.said:
            say("error", text, reason=reason)
        self.said = troubles

    def begin(self, path, troubles):
        try:
            if not self.max_bytes or os.path.getsize(path) <= self.max_bytes:
                return False
            begin_anew(path, self.keep)
            return True
        except FileNotFoundError:
            return False
        except OSError as error:
            troubles.add(("a log cannot be begun anew and grows on", str(error)))
            return False

    @staticmethod
    def restore(path, file, troubles):
        """A log that somebody has removed needs a directory at least."""
        try:
            if os.stat(file).st_nlink == 0:
                troubles.add(("a log was removed while it was written", path))
                os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError as error:
            troubles.add(("a log cannot be begun anew", str(error)))
