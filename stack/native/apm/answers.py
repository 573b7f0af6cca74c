# SPDX-License-Identifier: MIT
"""Asks the parts of a system: by HTTP, and the supervisor by its socket."""
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Mapping, NamedTuple

from apm import client
from apm.common import Refused, opener
from apm.parts import host
from apm.settings import speaks_tls
from apm.terminal import said

BODY_MAX = 256 << 20  # bytes


class Answer(NamedTuple):
    status: int  # 0: there was none, and `text` says why
    headers: Mapping
    text: str

    @property
    def json(self):
        """None unless it is 200 and JSON."""
        try:
            return json.loads(self.text) if self.status == 200 else None
        except (ValueError, RecursionError):
            return None

    def __str__(self):
        """For a person, after "is answered": of a problem (RFC 9457) what it says."""
        if not self.status:
            return f"nothing ({said(self.text)})"
        try:
            problem = members(json.loads(self.text)).get("detail")
        except (ValueError, RecursionError):
            problem = None
        text = said(problem if isinstance(problem, str) else self.text)
        return text if text.startswith(str(self.status)) else f"{self.status} {text}".strip()


def read(answer, deadline):
    """The body, however slowly it comes."""
    parts, size = [], 0
    while size < BODY_MAX and time.monotonic() < deadline:
        part = answer.read1(1 << 16)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts).decode("utf-8", "replace")


def get(url, timeout=5, headers=None, **parameters):
    """The answer to a GET; never raises."""
    if parameters:
        url += "?" + urllib.parse.urlencode(parameters)
    deadline = time.monotonic() + timeout
    try:
        request = urllib.request.Request(url, headers={"Accept": "application/json, */*;q=0.5", **(headers or {})})
        with opener.open(request, timeout=timeout) as answer:
            return Answer(answer.status, answer.headers, read(answer, deadline))
    except urllib.error.HTTPError as error:
        try:
            text = read(error, deadline)
        except (OSError, http.client.HTTPException):
            text = ""
        return Answer(error.code, error.headers, text)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return Answer(0, {}, str(getattr(reason, "strerror", None) or reason or type(error).__name__))


# ---- where to ask ----

def gateway(values):
    """The gateway's URL without TLS; beside TLS it listens on the loopback alone."""
    address = "" if speaks_tls(values) else values["GATEWAY_ADDRESS"]
    return f"http://{host(address)}:{values['GATEWAY_PORT']}"


def own(values, variable):
    """The URL of a part's own port, which is for this machine."""
    return f"http://{host(values['SERVICE_ADDRESS'])}:{values[variable]}"


def store(values, environment):
    """Where traces are read: what is given, else the running system's."""
    if environment.get("TRACES_URL"):
        return environment["TRACES_URL"].rstrip("/")
    if environment.get("TRACES_PORT") and not environment.get("TEMPO_URL"):
        return own(values, "TRACES_PORT")
    return values["TEMPO_URL"]


# ---- JSON of strangers ----

def members(value):
    return value if isinstance(value, dict) else {}


def items(value):
    """Those of a list that are objects."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


# ---- the supervisor ----

def parts(run_dir):
    """{name: report} as the supervisor has them; None when none runs. Raises Refused when it does not say."""
    try:
        found = client.ask(run_dir, "state", seconds=2)["parts"]
        return {str(part["name"]): part for part in found}
    except client.NotRunning:
        return None
    except PermissionError:
        raise Refused(f"{run_dir} belongs to another user, and so does what runs there\n"
                      "look as that user, or with sudo") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"the supervisor of {run_dir} does not answer as it should: {error}\n"
                      "make stop says what to do, then make run") from None
