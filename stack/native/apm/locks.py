# SPDX-License-Identifier: MIT
"""Locks on a RUN_DIR, and who holds them. The kernel gives a lock back when its last holder ends, however it ends."""
import fcntl
import os
import signal
import time
from pathlib import Path

from apm.files import open_own

LEFT_SECONDS = 6  # for processes whose supervisor has died: the kernel has told them to end


def take(path):
    """The descriptor that holds the lock on this file, which children do not inherit; None when somebody has it."""
    fd = open_own(path, os.O_RDWR, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def holders(path):
    """The processes, but this one, that have the file open."""
    wanted = os.stat(path)
    found = []
    for directory in Path("/proc").glob("[0-9]*/fd"):
        pid = int(directory.parent.name)
        try:
            if pid != os.getpid() and any(os.path.samestat(os.stat(link), wanted) for link in directory.iterdir()):
                found.append(pid)
        except OSError:
            pass  # it has just ended, or is somebody else's
    return found


def kill_holder(pid, path):
    """Kills a process that has the file open. It is looked at again through a handle, so no other one can be hit."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:  # it has just ended, or the kernel does not let us
        return
    try:
        if pid in holders(path):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def take_from_left(path, say=lambda pid: None):
    """
    The lock that the parts of an earlier supervisor hold (stack/native/supervisor): waits until they have ended, and
    kills those that do not. `say` is told each that is killed. None when one cannot be ended: it is another user's.
    """
    patience = time.monotonic() + LEFT_SECONDS
    while (fd := take(path)) is None:
        if time.monotonic() > patience:
            for pid in holders(path):
                say(pid)
                kill_holder(pid, path)
        if time.monotonic() > patience + LEFT_SECONDS:
            return None
        time.sleep(0.02)
    return fd
