# SPDX-License-Identifier: MIT
"""One part that the supervisor holds: nginx or a program, what it is to be, and the process that it is."""
import ctypes
import grp
import hashlib
import os
import signal
import socket
import time
from pathlib import Path

from apm.files import open_own
from apm.journal import now_text, say

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
OPEN_FILES = 8192  # descriptors that a part may have, where the hard limit allows it
BACKLOG = 4096  # the kernel takes net.core.somaxconn when that is less
END_SECONDS = 8  # for a part that was told to end; then it is killed
STEADY_SECONDS = 3  # a part that lived so long has come up
PAUSES = (0, 0.1, 0.2, 0.4, 0.8)  # before a start, by the number of deaths in a row
STDERR_MAX = 1 << 20  # bytes of a part's own words that are kept at its next start

MODULES = ("files", "journal", "locks", "part", "rotation")  # that the supervisor is made of

libc = ctypes.CDLL(None, use_errno=True)


def prctl(option, value):
    """prctl(2): the kernel's settings of this process."""
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def file_digest(path):
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        return error.strerror


def end_text(status):
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.Signals(-code).name})"


def supervisor_program():
    """Digests of the files that the supervisor is made of: another version of it would not understand this one."""
    here = Path(__file__).resolve().parent
    return [file_digest(path) for path in (here.parent / "supervisor", *(here / f"{name}.py" for name in MODULES))]


class Part:
    """One nginx or one program: what it is to be, and the process that it is."""

    def __init__(self, name, run_dir):
        self.name, self.stderr = name, run_dir / f"{name}.stderr"
        self.wanted = None  # the specification it is to run with; None: it is to end
        self.runs = None  # (specification, digests of its files) of the process
        self.pid = None
        self.listener = None
        self.place = None  # the path of its socket, and which file that is
        self.since = 0  # monotonic, of the last start
        self.started_at = None  # the same as a date
        self.restarts = 0  # after ends that nobody asked for
        self.deaths = 0  # of these, in a row
        self.last = None  # how it ended the last time, when that was not asked
        self.next_start = 0
        self.words_from = 0  # the size of its stderr when it was started
        self.kill_at = None  # set while it ends

    @property
    def state(self):
        if self.pid:
            return "up" if self.wanted and not self.kill_at else "ending"
        return "waiting" if self.wanted else "down"

    def differs(self):
        return self.runs != (self.wanted, [file_digest(path) for path in self.wanted["files"]])

    def listen(self):
        """Makes the socket, which stays when the process ends: requests wait in it for the next one."""
        path, group = self.wanted["socket"], self.wanted["group"]
        if not path or self.listener:
            return
        Path(path).unlink(missing_ok=True)  # of an earlier supervisor; the lock says that it is gone
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(path)
            os.chmod(path, 0o660)
            if group:
                os.chown(path, -1, grp.getgrnam(group).gr_gid)
            listener.listen(BACKLOG)
            self.place = (path, os.stat(path))
        except BaseException:
            listener.close()
            raise
        self.listener = listener

    def close(self):
        """The socket's file goes too, unless it is another one by now."""
        if not self.listener:
            return
        path, own = self.place
        try:
            if os.path.samestat(os.stat(path), own):
                os.unlink(path)
        except FileNotFoundError:
            pass
        self.listener.close()
        self.listener = None

    def start(self):
        self.listen()
        specification = self.wanted
        self.runs = (specification, [file_digest(path) for path in specification["files"]])
        parent = os.getpid()
        self.words_from = self.trim_words()
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))  # the child has our handlers until it has none
        pid = os.fork()
        if pid == 0:
            self.become(specification, parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        self.pid, self.kill_at = pid, None
        self.since, self.started_at = time.monotonic(), now_text()
        say("info", "started", part=self.name, pid=pid)

    def trim_words(self):
        """Keeps what it says from growing without end. Returns the size of what is there."""
        try:
            size = os.stat(self.stderr).st_size
            if size > STDERR_MAX:
                os.truncate(self.stderr, size := 0)
            return size
        except FileNotFoundError:
            return 0

    def become(self, specification, parent):
        """The child: turns into the part. Whatever fails is written where the part's own words go."""
        try:
            output = open_own(self.stderr, os.O_WRONLY | os.O_APPEND, 0o640)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.setsid()
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)
            os.dup2(self.listener.fileno() if self.listener else os.open(os.devnull, os.O_RDWR), 0)
            os.umask(0o022)
            for number in range(1, signal.NSIG):
                if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                    signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # "open the log again" ends nobody who is not listening yet
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.execve(specification["argv"][0], specification["argv"], specification["env"])
        except BaseException as error:
            os.write(2, f"{specification['argv'][0]} cannot be started: {error}\n".encode())
        os._exit(127)

    def end(self):
        if self.pid and not self.kill_at:
            self.kill_at = time.monotonic() + END_SECONDS
            os.kill(self.pid, self.runs[0]["end_signal"])

    def ended(self, status):
        text = end_text(status)
        asked = self.kill_at is not None
        lived = time.monotonic() - self.since
        self.deaths = 0 if asked or lived >= STEADY_SECONDS else self.deaths + 1
        self.pause(PAUSES[min(self.deaths, len(PAUSES) - 1)])
        if not asked:
            self.restarts += 1
            self.last = f"{text}: {self.last_words()}".rstrip(": ")
        say("info" if asked else "error", "ended", part=self.name, pid=self.pid, reason=text)
        self.pid = self.kill_at = self.runs = None

    def pause(self, seconds):
        """Who has no socket here makes its own, and a predecessor's children may have theirs for a moment."""
        self.next_start = time.monotonic() + (seconds if self.listener else max(seconds, PAUSES[1]))

    def last_words(self):
        try:
            with open(self.stderr, "rb") as file:
                file.seek(self.words_from)
                lines = file.read(1 << 16).decode("utf-8", "replace").splitlines()
        except OSError:
            lines = []
        return next((line for line in reversed(lines) if line.strip()), "")[:500]

    def report(self):
        steady = self.pid and time.monotonic() >= self.since + STEADY_SECONDS
        return {"name": self.name, "state": self.state, "pid": self.pid, "restarts": self.restarts,
                "deaths": 0 if steady else self.deaths, "since": self.started_at, "last": self.last}
