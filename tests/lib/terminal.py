# SPDX-License-Identifier: MIT
"""A command as a person runs it: on a terminal of 80 columns, or through a pipe."""
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata

from lib.wait import SLOWNESS

ESCAPES = re.compile(r"\033\[[0-9;]*[mK]")


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class Screen:
    """The output of a command on a terminal; interrupt: a text at whose sight Ctrl-C is pressed."""

    def __init__(self, command, env, cwd="/", columns=80, interrupt=None):
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(command, env=env, cwd=cwd, stdin=slave, stdout=slave, stderr=slave,
                                   start_new_session=True)
        os.close(slave)
        raw, deadline = b"", time.monotonic() + 60 * SLOWNESS
        try:
            while time.monotonic() < deadline:
                if not select.select([master], [], [], 0.1)[0]:
                    continue
                try:
                    raw += os.read(master, 1 << 16)
                except OSError:  # the other side is closed
                    break
                if interrupt and interrupt in raw.decode("utf-8", "replace"):
                    interrupt = None
                    os.killpg(process.pid, signal.SIGINT)
            self.status = process.wait(timeout=10 * SLOWNESS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(master)
        self.raw = raw.decode("utf-8", "strict")
        self.text = ESCAPES.sub("", self.raw)
        lines = self.text.replace("\r\n", "\n").split("\n")
        self.lines = [line.rpartition("\r")[2] for line in lines if line]

    @property
    def widest(self):
        return max(map(width, self.lines), default=0)
