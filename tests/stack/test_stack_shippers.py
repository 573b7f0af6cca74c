# SPDX-License-Identifier: MIT
"""Both log shippers with the shipped configuration, each with a Loki of its own: what is expected of one is expected of
the other, to the label and the nanosecond."""
import json
import os
import signal
import sys
import time
import urllib.parse

import pytest
from backends import ROOT, Stack, answer_of, fetch, program
from lib.wait import wait_until

sys.path.append(str(ROOT / "stack/native"))
from apm import rotation  # noqa: E402

RETRIES = {"alloy": "loki_write_batch_retries_total", "promtail": "promtail_batch_retries_total"}
DROPPED = {"alloy": "loki_write_dropped_entries_total", "promtail": "promtail_dropped_entries_total"}
TOO_OLD = {"alloy": "loki_process_dropped_lines_total", "promtail": "logentry_dropped_lines_total"}
OLD_BUDGET = 10  # the tries after which both give up by default
JOB = {"job": "application-logs"}


class Shipping(Stack):
    """with Shipping(directory, "alloy"): Loki and one shipper, and logs that the test writes."""

    def __init__(self, directory, shipper):
        super().__init__(directory, ["loki", shipper])
        self.shipper, self.log = shipper, self.dir / "logs"
        self.log.mkdir()

    def ctl(self, command, check=True):
        """No system: the logs are the test's."""

    def end(self, name, signum=signal.SIGTERM):
        """`name` is loki or the shipper."""
        process = self.processes.pop(name)
        process.send_signal(signum)
        process.wait(60)

    def begin(self, name):
        getattr(self, f"start_{name}")()

    def write(self, name, *lines, end="\n"):
        with open(self.log / name, "a", encoding="utf-8") as file:
            file.write("".join(line + end for line in lines))

    def entries(self, name, pipeline=""):
        """[(labels, structured metadata, time in ns, line)] of a file in Loki, in order of time."""
        parameters = {"query": f'{{filename="{self.log}/{name}"}} {pipeline}', "limit": 5000, "direction": "forward",
                      "start": time.time_ns() - 3600 * 10**9}
        status, _, text = fetch(f"{self.url('LOKI')}/loki/api/v1/query_range?{urllib.parse.urlencode(parameters)}",
                                headers={"X-Loki-Response-Encoding-Flags": "categorize-labels"})
        if status != 200:
            return []
        found = []
        for stream in json.loads(text)["data"]["result"]:
            labels = {key: value for key, value in stream["stream"].items() if key not in ("filename", "service_name")}
            for at, line, more in stream["values"]:
                metadata = {key: value for key, value in more.get("structuredMetadata", {}).items()
                            if key != "detected_level"}  # Loki's own
                found.append((labels, metadata, int(at), line))
        return sorted(found, key=lambda entry: entry[2])

    def expect(self, name, expected, seconds=30):
        wait_until(lambda: len(self.entries(name)) >= len(expected),
                   lambda: f"{len(expected)} lines of {name}: {len(self.entries(name))} came", seconds)
        assert self.entries(name) == expected

    def expect_texts(self, name, lines, seconds=30):
        """Each line once, whatever the order of those of one moment."""
        wait_until(lambda: len(self.entries(name)) >= len(lines),
                   lambda: f"{len(lines)} lines of {name}: {len(self.entries(name))} came", seconds)
        assert sorted(entry[3] for entry in self.entries(name)) == sorted(lines)

    def metric(self, names):
        """The sum of the shipper's series of this name."""
        text = fetch(self.url(self.shipper.upper()) + "/metrics")[2]
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith((names[self.shipper] + "{", names[self.shipper] + " ")))


@pytest.fixture(scope="module", params=["alloy", "promtail"])
def shipper(request):
    missing = [name for name in ("loki", request.param) if not program(name)]
    if missing:
        variables = ", ".join(f"{name.upper()}_BIN" for name in missing)
        pytest.skip(f"no program {', '.join(missing)}: neither on PATH nor given as {variables}")
    return request.param


@pytest.fixture(scope="module")
def shipping(shipper, tmp_path_factory):
    with Shipping(tmp_path_factory.mktemp(shipper), shipper) as stack:
        yield stack
        assert stack.metric(DROPPED) == 0, "lines were given up"


class Lines:
    """Lines of one service, a millisecond apart."""

    def __init__(self, service, ago_seconds=60):
        self.service = service
        self.at = (time.time_ns() // 10**9 - ago_seconds) * 10**9

    def __call__(self, count=1, level="info", **facts):
        """[(line, entry)]"""
        result = []
        for number in range(count):
            self.at += 1_000_000
            seconds, rest = divmod(self.at, 10**9)
            ts = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1000:06}Z"
            line = json.dumps({"ts": ts, "level": level, "service": self.service, "msg": f"line {number}", **facts},
                              ensure_ascii=False, separators=(",", ":"))
            metadata = {key: facts[key] for key in ("trace_id", "span_id") if key in facts}
            labels = {**JOB, "service": self.service, "level": level}
            result.append((line, (labels, metadata, self.at, line)))
        return result


def texts(made):
    return [line for line, _ in made]


def test_lines_are_shipped_with_labels_ids_time_and_text(shipping):
    lines = Lines("order-service")
    made = lines(trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331", product="测试商品")
    made += lines(level="error", reason='a "quote", a \\ and a \t')
    made += lines(level="warn", trace_id="0af7651916cd43dd8448eb211c80319d", odd="é\u2028😀")
    made += lines(2)  # of one level, and of one moment with what comes after
    same = json.loads(made[-1][0])
    twin = json.dumps({**same, "msg": "of the same moment"})
    shipping.write("order-service.log", *texts(made), twin)
    expected = [entry for _, entry in made]
    expected.append((*expected[-1][:3], twin))
    wait_until(lambda: len(shipping.entries("order-service.log")) >= len(expected), "the lines", 30)
    assert sorted(shipping.entries("order-service.log"), key=repr) == sorted(expected, key=repr)


def test_a_line_that_is_no_json_follows_the_line_before_it(shipping):
    """It is a line all the same; without a time of its own it has that of the last one, as good as."""
    lines = Lines("user-service")
    good = lines(2)
    shipping.write("user-service.log", good[0][0], "Segmentation fault", '{"ts":', good[1][0])
    wait_until(lambda: len(shipping.entries("user-service.log")) >= 4, "four lines", 30)
    entries = shipping.entries("user-service.log")
    plain = [entry for entry in entries if entry not in (good[0][1], good[1][1])]
    assert len(entries) == 4 and [entry[3] for entry in plain] == ["Segmentation fault", '{"ts":']
    assert all(labels == JOB and not metadata for labels, metadata, _, _ in plain)


def test_the_error_log_of_nginx(shipping):
    now = int(time.time()) - 60
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(now))
    levels = {"debug": "debug", "info": "info", "notice": "info", "warn": "warn", "error": "error", "crit": "error",
              "alert": "error", "emerg": "error"}
    lines = [f"{stamp} [{level}] 7#8: *{number} said 测试商品, client: 127.0.0.1" for number, level in enumerate(levels)]
    shipping.write("nginx-error.log", *lines, f"{stamp} [warn] 7#9: of no connection")
    expected = [({**JOB, "service": "api-gateway", "level": level}, {"process": "7#8", "connection": str(number)},
                 now * 10**9, line) for number, (level, line) in enumerate(zip(levels.values(), lines))]
    expected.append(({**JOB, "service": "api-gateway", "level": "warn"}, {"process": "7#9"}, now * 10**9,
                     f"{stamp} [warn] 7#9: of no connection"))
    wait_until(lambda: len(shipping.entries("nginx-error.log")) >= len(expected), "the lines", 30)
    assert sorted(shipping.entries("nginx-error.log"), key=repr) == sorted(expected, key=repr)


def test_a_line_without_its_end_is_waited_for(shipping):
    lines = Lines("half-service")
    first, half, later = lines(3)
    shipping.write("half-service.log", first[0])
    shipping.write("half-service.log", half[0][:50], end="")
    shipping.expect("half-service.log", [first[1]])
    other = Lines("other-service")(1)
    shipping.write("other-service.log", *texts(other))
    shipping.expect_texts("other-service.log", texts(other))
    assert shipping.entries("half-service.log") == [first[1]]
    shipping.write("half-service.log", half[0][50:], later[0])
    shipping.expect("half-service.log", [first[1], half[1], later[1]])


def test_a_very_long_line_is_cut_and_the_others_come(shipping):
    lines = Lines("long-service")
    before, long, after = lines()[0], lines(text="x" * 300_000)[0], lines()[0]
    shipping.write("long-service.log", before[0], long[0], after[0])
    cut = long[1][:3] + (long[0][:256 * 1024],)
    shipping.expect("long-service.log", [before[1], cut, after[1]])


def test_what_loki_would_refuse_for_its_age_is_left_out(shipping):
    lines, old = Lines("aged-service"), Lines("aged-service", 25 * 3600)
    fresh = lines(2)
    before = shipping.metric(TOO_OLD)
    shipping.write("aged-service.log", old()[0][0], *texts(fresh))
    shipping.expect("aged-service.log", [entry for _, entry in fresh])
    assert shipping.metric(TOO_OLD) == before + 1, "it is counted"


def test_logs_that_are_begun_anew(shipping):
    """As the supervisor and the containers do it, again and again."""
    lines, log = Lines("rotated-service"), shipping.log / "rotated-service.log"
    made = lines()
    shipping.write(log.name, *texts(made))
    shipping.expect(log.name, [entry for _, entry in made])  # the file is known
    for _ in range(4):
        made += lines(200)
        shipping.write(log.name, *texts(made[-200:]))
        made += lines(2)
        rotation.begin_anew(str(log), 2)
        shipping.write(f"{log.name}.1", *texts(made[-2:]))  # its writer has not had its signal
        made += lines(20)
        shipping.write(log.name, *texts(made[-20:]))
        shipping.expect(log.name, [entry for _, entry in made])  # then the next one


def test_renaming_and_truncating(shipping):
    """What a person or logrotate does."""
    lines, log = Lines("moved-service"), shipping.log / "moved-service.log"
    made = lines(5)
    shipping.write(log.name, *texts(made))
    shipping.expect(log.name, [entry for _, entry in made])
    log.rename(f"{log}.1")
    made += lines(5)
    shipping.write(log.name, *texts(made[-5:]))
    shipping.expect(log.name, [entry for _, entry in made])
    os.truncate(log, 0)
    made += lines(1)  # fewer bytes than before
    shipping.write(log.name, *texts(made[-1:]))
    shipping.expect(log.name, [entry for _, entry in made])


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_the_shipper_goes_on_where_it_was(shipping, signum):
    name = f"restart-{int(signum)}.log"
    lines = Lines("restart-service")
    made = lines(50)
    shipping.write(name, *texts(made))
    shipping.expect(name, [entry for _, entry in made])
    shipping.end(shipping.shipper, signum)
    made += lines(50)
    shipping.write(name, *texts(made[-50:]))
    shipping.begin(shipping.shipper)
    shipping.expect(name, [entry for _, entry in made])


def test_loki_may_be_away(shipping):
    """For longer than the shippers' own patience, while a log is begun anew: nothing is lost, and nothing doubled."""
    lines, log = Lines("away-service"), shipping.log / "away-service.log"
    made = lines(20)
    shipping.write(log.name, *texts(made))
    shipping.expect(log.name, [entry for _, entry in made])
    before = shipping.metric(RETRIES)
    shipping.end("loki")
    made += lines(600, filler="x" * 25_000)  # more than is held in memory
    shipping.write(log.name, *texts(made[-600:]))
    rotation.begin_anew(str(log), 2)
    made += lines(600, filler="y" * 25_000)
    shipping.write(log.name, *texts(made[-600:]))
    wait_until(lambda: shipping.metric(RETRIES) > before + OLD_BUDGET,
               lambda: f"more tries: {shipping.metric(RETRIES) - before}", 180)
    shipping.begin("loki")

    def times():
        return [entry[2] for entry in shipping.entries(log.name, '| line_format "short"')]
    wait_until(lambda: len(times()) >= len(made), lambda: f"{len(made)} lines: {len(times())} came", 120)
    assert times() == [entry[2] for _, entry in made]
    assert shipping.metric(DROPPED) == 0


def test_every_line_of_a_system_is_shipped_while_its_logs_are_begun_anew(shipper, tmp_path):
    """Of each service. A line that is written in the millisecond between the new file and the signal may be missed."""
    stack = Stack(tmp_path, ["loki", shipper])
    stack.env |= {"LOG_MAX_MB": "1", "LOG_KEEP": "50", "OTEL_TRACES_SAMPLER": "always_off", "TRACE_STORE": "off"}
    names = ["api-gateway", "user-service", "order-service"]

    def lines(name):
        return sum(path.read_bytes().count(b"\n") for path in tmp_path.glob(f"logs/{name}.log*")
                   if path.suffix == ".log" or path.suffix[1:].isdigit())

    def shipped(name):
        query = f'sum(count_over_time({{filename="{tmp_path}/logs/{name}.log"}}[10m]))'
        result = answer_of(stack.url("LOKI") + "/loki/api/v1/query", query=query)["data"]["result"]
        return int(float(result[0]["value"][1])) if result else 0
    with stack:
        wait_until(lambda: all(map(shipped, names[1:])), "the first lines", 30)
        done = stack.run(ROOT / "stack/native/load", "--rate", "300", "--seconds", "15")
        assert done.returncode == 0, done.stderr
        assert len(list(tmp_path.glob("logs/api-gateway.log.[0-9]*"))) >= 2, "no log was begun anew"
        for name in names:
            wait_until(lambda name=name: lines(name) - 2 <= shipped(name) <= lines(name),
                       lambda name=name: f"{lines(name)} lines of {name}: {shipped(name)} came", 180)
