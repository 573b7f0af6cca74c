# SPDX-License-Identifier: MIT
"""Asks the supervisor of a RUN_DIR."""
import json
import socket
from pathlib import Path


class NotRunning(Exception):
    """There is no supervisor in this RUN_DIR."""


def ask(run_dir, command, seconds=10, **fields):
    """Its answer to one command (see stack/native/supervisor). Raises NotRunning, PermissionError or OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(str(Path(run_dir) / "supervisor.sock"))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise NotRunning(run_dir) from None
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps({"command": command, **fields}).encode() + b"\n")
            stream.flush()
            line = stream.readline()
    if not line:
        raise NotRunning(run_dir)
    return json.loads(line)


def parts(run_dir):
    """{name: report} of the parts, {} when there is no supervisor."""
    try:
        return {part["name"]: part for part in ask(run_dir, "state")["parts"]}
    except NotRunning:
        return {}
