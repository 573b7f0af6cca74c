# SPDX-License-Identifier: MIT
"""What is known without Prometheus, Tempo and Loki: the request lines in the log files, the rows in the databases,
/proc, and the services' own counters, read at two quiet moments with traffic between them."""
import json
import os
import re
import sqlite3
import time
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path

from backends import SERVICES, answer_of, fetch
from lib.wait import wait_until
from lib import metrics
from lib.system import parts_of

PORT_OF = {"api-gateway": "METRICS", "user-service": "USERS", "order-service": "ORDERS",
           "notification-service": "NOTIFICATIONS"}
PART_OF = {"api-gateway": "gateway", "user-service": "users", "order-service": "orders",
           "notification-service": "notifications"}
# The database of a service, which is the name of its node on the graph, and of the table that requests read and write.
DATABASE = {service: part for service, part in PART_OF.items() if service != "api-gateway"}
TICKS = os.sysconf("SC_CLK_TCK")
COUNTED = "http_server_request_duration_seconds_count"
EXPORTED = "otel_sdk_exporter_span_exported_total"
RECEIVED = "tempo_metrics_generator_spans_received_total"
CALLS = "traces_spanmetrics_calls_total"
WAIT_OF_TEMPO = 14  # seconds: service_graphs.wait, and two each for its looks for edges whose time is over


def scrape(stack, service):
    """{(name, labels): value}, as the service says it."""
    return metrics.samples(fetch(f"{stack.url(PORT_OF[service])}/metrics", headers={"Accept": "text/plain"})[2])


def log_line(text):
    """A line of a log file; nginx's own messages are plain text."""
    if text.startswith("{"):
        return json.loads(text)
    level = re.search(r"\[(\w+)\]", text).group(1)
    known = {"debug": "debug", "info": "info", "notice": "info", "warn": "warn"}
    return {"service": "api-gateway", "level": known.get(level, "error"), "msg": text}


def log_lines(stack):
    """{file: [line]} of every log file."""
    return {file.stem: [log_line(text) for text in file.read_text(encoding="utf-8").splitlines()]
            for file in sorted((stack.dir / "logs").glob("*.log"))}


def requests(lines):
    return [line for line in lines if line["msg"] == "request"]


def fullest_disk():
    """The share in use."""
    shares = [0]
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        device, point, kind = line.split()[:3]
        if device.startswith("/dev/") and not re.fullmatch("tmpfs|squashfs|overlay", kind) and os.path.isdir(point):
            size = os.statvfs(point)
            shares.append(1 - size.f_bavail / size.f_blocks)
    return max(shares)


def memory_in_use():
    fields = dict(re.findall(r"(\w+):\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii")))
    return 1 - int(fields["MemAvailable"]) / int(fields["MemTotal"])


def process(pid):
    """What the kernel says of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    most = re.search(r"Max open files\s+(\d+)", Path(f"/proc/{pid}/limits").read_text(encoding="ascii")).group(1)
    return {"cpu": (int(fields[11]) + int(fields[12])) / TICKS, "memory": pages * os.sysconf("SC_PAGE_SIZE"),
            "files": len(os.listdir(f"/proc/{pid}/fd")), "most files": int(most),
            "age": uptime - int(fields[19]) / TICKS}


def processor_time():
    """Seconds since the machine's start that its processors spent in each state."""
    names = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    return dict(zip(names, (int(ticks) / TICKS for ticks in first[1:])))


class Moment:
    """All that is known now."""

    def __init__(self, stack):
        self.lines = log_lines(stack)
        self.own = {service: scrape(stack, service) for service in SERVICES}
        parts = parts_of(stack.dir / "run")
        self.processes = {service: process(parts[part]["pid"]) for service, part in PART_OF.items()}
        self.processor_time = processor_time()
        self.rows = {}
        for name in DATABASE.values():
            with closing(sqlite3.connect(f"file:{stack.dir}/data/{name}.db?mode=ro", uri=True)) as database:
                self.rows[name] = database.execute(f"SELECT max(id), count(*) FROM {name}").fetchone()
        self.at = time.time()


class Truth:
    """What happened between two moments."""

    def __init__(self, stack, before, after):
        self.stack, self.before, self.after = stack, before, after
        self.end = after.scraped
        self.seconds = after.scraped - before.at  # begins before the last scrape of the quiet

    def written(self, file):
        """The lines of a log file."""
        return self.after.lines[file][len(self.before.lines.get(file, [])):]

    def all_written(self):
        return [line for file in self.after.lines for line in self.written(file)]

    def lines(self, service):
        """The request lines of a service."""
        return requests(self.written(service))

    def grouped(self, service, *names):
        """{(value of each label of the metric): [line]}"""
        result = defaultdict(list)
        for line in self.lines(service):
            labels = {"job": service, "http_request_method": line["method"],
                      "http_route": line.get("route") or "_unmatched", "http_response_status_code": str(line["status"])}
            result[tuple(labels[name] for name in names)].append(line)
        return result

    def every(self, *names):
        """The same of all services; "job" should be among the names."""
        result = defaultdict(list)
        for service in SERVICES:
            for key, lines in self.grouped(service, *names).items():
                result[key] += lines
        return result

    def own(self, service, name, *labels, **where):
        """{label values: growth} of the service's own counter; where: only series with these labels."""
        def of(moment):
            kept = {key: value for key, value in moment.own[service].items() if set(where.items()) <= key[1]}
            return metrics.by_label(kept, name, *labels)
        before = of(self.before)
        return {key: value - before.get(key, 0) for key, value in of(self.after).items()}

    def total(self, service, name, **where):
        return sum(self.own(service, name, **where).values())

    def rows(self, database, sql):
        """The one figure that a query gives; {since}: the id of the last row before."""
        with closing(sqlite3.connect(f"file:{self.stack.dir}/data/{database}.db?mode=ro", uri=True)) as connection:
            return connection.execute(sql.format(since=self.before.rows[database][0] or 0)).fetchone()[0] or 0

    def host_share(self, *states):
        """The share of all processors' time that went into some states."""
        spent = {name: self.after.processor_time[name] - self.before.processor_time[name]
                 for name in self.after.processor_time}
        return sum(spent[name] for name in states) / sum(spent.values())

    def edges(self):
        """{(client, server): (requests, failed)}: the edges of the service graph. A call failed for its client when its
        answer was a 4xx or 5xx; a request through the gateway when it was a 5xx, or nobody waited for the answer."""
        calls = defaultdict(Counter)
        for line in self.lines("api-gateway"):
            calls["user", "api-gateway"][line["status"] >= 499] += 1
            for address, status in zip(line["up_addr"].split(", "), line["up_status"].split(", ")):
                if status not in ("", "-"):
                    service = next(name for name, part in PART_OF.items() if address.endswith(f"/{part}.sock"))
                    calls["api-gateway", service][int(status) >= 400] += 1
        for service in ("user-service", "notification-service"):  # who was called, not by the gateway
            for line in self.lines(service):
                calls["order-service", service][line["status"] >= 400] += 1
            calls["order-service", service] -= calls["api-gateway", service]
        for service, database in DATABASE.items():
            operations = self.own(service, "db_client_operation_duration_seconds_count", db_collection_name=database)
            calls[service, database][False] += sum(operations.values())
        return {edge: (sum(count.values()), count[True]) for edge, count in calls.items() if sum(count.values())}


def is_quiet(stack):
    """Nothing is under way: what the files say is counted, and Prometheus has scraped it."""
    lines = log_lines(stack)
    for service in SERVICES:
        own = scrape(stack, service)
        if metrics.total(own, COUNTED) != len(requests(lines[service])) \
                or metrics.total(own, "http_server_active_requests") or metrics.total(own, "order_outbox_pending"):
            return False
        seen = answer_of(stack.url("PROMETHEUS") + "/api/v1/query", query=f'{COUNTED}{{job="{service}"}}')
        if not seen or sum(float(series["value"][1]) for series in seen["data"]["result"]) \
                != metrics.total(own, COUNTED):
            return False
        if "tempo" in stack.backends and metrics.spans_started(own) != metrics.spans_done(own):
            return False
    return True


def newer(stack, expression, since):
    """Whether Prometheus has samples of all the series, younger than a moment."""
    oldest = stack.promql(f"min(timestamp({expression}))")
    return not oldest or float(oldest[0]["value"][1]) > since


def wait_for_tempo(stack):
    """Until Tempo has all spans, and what it has written since then is younger than the longest that it waits for the
    other half of an edge."""
    sent = sum(metrics.total(scrape(stack, service), EXPORTED, error_type="") for service in SERVICES)
    received = f"sum({RECEIVED}) or vector(0)"
    wait_until(lambda: float(stack.promql(received)[0]["value"][1]) >= sent, lambda: f"Tempo has {sent} spans", 20)
    since = time.time() + WAIT_OF_TEMPO
    wait_until(lambda: newer(stack, CALLS, since), "newer metrics of Tempo", 60)


def quiet(stack):
    """A moment at which nothing is under way, and which Prometheus has seen."""
    wait_until(lambda: is_quiet(stack), "the services' counters, their log files and Prometheus agree", 40)
    if "tempo" in stack.backends:
        wait_for_tempo(stack)
    moment = Moment(stack)
    # One more sample of everything: it is of a moment when nothing grew any more.
    targets = len(SERVICES) + len(stack.backends)
    wait_until(lambda: len(stack.promql("up == 1")) == targets and newer(stack, "up", moment.at)
               and newer(stack, CALLS, moment.at), "a sample of everything", 60)
    moment.scraped = time.time()
    return moment
