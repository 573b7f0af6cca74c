# SPDX-License-Identifier: MIT
"""The supervisor's own log, a JSON object a line, as all logs here are."""
import json
import os
import sys
from datetime import datetime, timezone

from apm.files import open_own


def now_text():
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def say(level, message, **facts):
    line = {"ts": now_text(), "level": level, "service": "supervisor", "msg": message, **facts}
    log_file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


class LogFile:
    """Opened for each line, of which there are few: so it may be moved away at any time."""
    path = None

    def write(self, text):
        try:
            with open(open_own(self.path, os.O_WRONLY | os.O_APPEND), "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
        except OSError as error:
            print(f"{self.path}: {error.strerror}: {text}", end="", file=sys.stderr, flush=True)


log_file = LogFile()
