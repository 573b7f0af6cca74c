# SPDX-License-Identifier: MIT
"""An alert's way to somebody: Prometheus and Loki raise it, Alertmanager sends it, alert-log writes it down."""
import json
import re
import signal
import time
from datetime import datetime, timedelta, timezone

import pytest
from backends import STACK, Stack, fetch, program, shipper
from lib.wait import wait_until
from promql import targets
from test_stack_rules import alerts, tool

CONFIGURATION = STACK / "alertmanager/alertmanager.yml"


class Watched(Stack):
    """The rules fire after a second of what they wait 30 s for."""

    def write_prometheus(self):
        super().write_prometheus()
        for file in (self.dir / "prometheus/rules").glob("*.yml"):
            file.write_text(re.sub(r"for: [23]0s", "for: 1s", file.read_text()))

    def lines_of_alerts(self):
        """What alert-log wrote: [object, …]"""
        path = self.dir / "logs/alerts.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def notified(self, alert, state="firing", job=""):
        """The lines about this alert."""
        return [line for line in self.lines_of_alerts()
                if (line.get("alert"), line.get("state"), line.get("job")) == (alert, state, job)]

    def beats(self):
        return [line for line in self.lines_of_alerts() if line["msg"] == "Heartbeat"]

    def wait_for(self, alert, state="firing", job="", seconds=40):
        return wait_until(lambda: self.notified(alert, state, job), lambda: f"{alert} of {job} is {state}: "
                          f"{[line['msg'] for line in self.lines_of_alerts()]}", seconds)[-1]

    def raise_alert(self, annotations=None, **labels):
        """As Prometheus sends it; it ends after a minute."""
        end = (datetime.now(timezone.utc) + timedelta(minutes=1)).isoformat()
        status, _, text = fetch(self.url("ALERTMANAGER") + "/api/v2/alerts", [
            {"labels": labels, "annotations": {"summary": "of a test", **(annotations or {})}, "endsAt": end}])
        assert status == 200, text

    def firing(self):
        return {series["metric"]["alertname"] for series in self.promql('ALERTS{alertstate="firing"}')}


def started(directory, backends):
    missing = [name for name in backends if name != "alert-log" and not program(*NAMES.get(name, [name]))]
    if missing:
        pytest.skip(f"no program {', '.join(missing)} on PATH, nor given as "
                    + ", ".join(f"{name.upper().replace('-', '_')}_BIN" for name in missing))
    return Watched(directory, backends)


NAMES = {"alertmanager": ["alertmanager", "prometheus-alertmanager"],
         "node-exporter": ["node_exporter", "prometheus-node-exporter"]}


# ---- on paper ----

@pytest.fixture(scope="module")
def amtool():
    return tool("amtool", "prometheus-alertmanager")


def test_configuration(amtool):
    assert "SUCCESS" in amtool("check-config", str(CONFIGURATION))


@pytest.mark.parametrize("labels, receiver", [
    ("alertname=BackendDown severity=page", "alerts"), ("alertname=LogLinesLost severity=ticket", "alerts"),
    ("alertname=HeartbeatMissing severity=page", "alerts"), ("alertname=Heartbeat severity=none", "heartbeat"),
    ("alertname=HeartbeatUnheard severity=none", "nobody")])
def test_routes(amtool, labels, receiver):
    assert amtool("config", "routes", "test", f"--config.file={CONFIGURATION}", *labels.split()).split()[0] == receiver


def test_inhibition_names_alerts_that_exist():
    text = CONFIGURATION.read_text()
    matchers = re.findall(r"_matchers: \[alertname =~? \"?([\w|.*+]+)", text)
    assert len(matchers) == 2 * text.count("source_matchers:") > 10
    for pattern in "|".join(matchers).split("|"):
        assert any(re.fullmatch(pattern, name) for name in alerts()), pattern


# ---- with Debian's programs ----

@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    with started(tmp_path_factory.mktemp("watched"), ["alert-log", "alertmanager", "prometheus",
                                                      "node-exporter"]) as stack:
        yield stack


def test_a_fresh_system_beats_and_is_silent(watched):
    beats = wait_until(lambda: len(found := watched.beats()) >= 3 and found,
                       lambda: f"three beats: {watched.lines_of_alerts()}", 60)
    for beat in beats:
        assert set(beat) == {"ts", "level", "service", "msg"} and beat["level"] == "debug", beat
    assert {line["msg"] for line in watched.lines_of_alerts()} == {"Heartbeat"}
    assert watched.firing() == {"Heartbeat"}
    found, = watched.promql("prometheus_notifications_alertmanagers_discovered")
    assert found["value"][1] == "1"


def test_every_name_of_a_metric_is_known(watched):
    """To these versions; those of other backends are tested with them."""
    known = {series["metric"]["__name__"] for series in watched.promql('{job=~"prometheus|alertmanager|api-gateway"}')}
    text = "".join(file.read_text() for file in (STACK / "prometheus/rules").glob("*.yml"))
    asked = set(re.findall(r"\b((?:prometheus|alertmanager)_(?!remote_storage|tsdb_\.)\w+)\b", text))
    assert len(asked) >= 7
    assert asked <= known, asked - known
    failures = [name for name in known if re.fullmatch(r"prometheus_tsdb_.+_(failed|failures|corruptions)_total", name)]
    assert len(failures) >= 9, failures


def test_a_dead_target_arrives_and_so_does_its_end(watched, record_property):
    watched.stop("node-exporter")
    begun = time.monotonic()
    line = watched.wait_for("BackendDown", job="node-exporter")
    record_property("figures", f"told {time.monotonic() - begun:.1f} s after its end, scraped every second")
    assert line["msg"] == "BackendDown firing: node-exporter does not answer its scrape"
    assert (line["level"], line["service"], line["severity"]) == ("error", "alertmanager", "page")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["ts"])
    alert, = line["alerts"]
    assert alert["labels"]["job"] == "node-exporter" and "make stack-status" in alert["annotations"]["description"]
    watched.start_node_exporter()
    line = watched.wait_for("BackendDown", "resolved", "node-exporter")
    assert line["level"] == "info" and line["alerts"][0]["status"] == "resolved"


def test_a_target_that_is_gone_is_told(watched):
    targets = watched.dir / "prometheus/targets.yml"
    text = targets.read_text()
    targets.write_text(re.sub(r"- labels: {job: node-exporter}\n.*\n", "", text))
    assert "TargetGone firing: node-exporter" in watched.wait_for("TargetGone", job="node-exporter")["msg"]
    targets.write_text(text)
    watched.wait_for("TargetGone", "resolved", "node-exporter")


def test_a_cause_holds_back_what_follows_from_it(watched):
    watched.raise_alert(alertname="ServiceDown", job="notification-service", severity="page")
    for name, job in (("HighErrorRate", "notification-service"), ("HighErrorRate", "api-gateway"),
                      ("OutboxBacklog", "order-service"), ("HighErrorRate", "user-service"),
                      ("TelemetryLoss", "notification-service")):
        watched.raise_alert(alertname=name, job=job, severity="ticket")
    watched.raise_alert(alertname="NeighbourFails", job="order-service", peer="notifications", severity="ticket")
    told = [watched.wait_for("ServiceDown", job="notification-service"),
            watched.wait_for("HighErrorRate", job="user-service"),
            watched.wait_for("TelemetryLoss", job="notification-service")]
    assert all(told)
    status, _, text = fetch(watched.url("ALERTMANAGER") + "/api/v2/alerts?active=false&silenced=false")
    assert status == 200
    assert {(alert["labels"]["alertname"], alert["labels"]["job"]) for alert in json.loads(text)} == {
        ("HighErrorRate", "notification-service"), ("HighErrorRate", "api-gateway"), ("OutboxBacklog", "order-service"),
        ("NeighbourFails", "order-service")}
    assert not watched.notified("HighErrorRate", job="notification-service")
    assert not watched.notified("HighErrorRate", job="api-gateway")


def test_any_text_makes_a_line_of_json(watched):
    summary = 'a "quote", a \\, a\nnew line, <tag> & 测试 {"status":"resolved"},{"status":"x"}],"groupLabels":{}'
    watched.raise_alert(alertname="OddText", job="a-job", severity="ticket", annotations={"summary": summary})
    line = watched.wait_for("OddText", job="a-job")
    assert line["msg"] == f"OddText firing: {summary}" and line["alerts"][0]["annotations"]["summary"] == summary


def test_alerts_of_one_name_and_job_share_a_line(watched):
    for reason in ("rate_limited", "line_too_long"):
        watched.raise_alert(alertname="Grouped", job="loki", reason=reason, severity="page",
                            annotations={"summary": reason})
    line = watched.wait_for("Grouped", job="loki")
    assert re.fullmatch(r"Grouped firing: (rate_limited|line_too_long) \(and others\)", line["msg"])
    assert {alert["labels"]["reason"] for alert in line["alerts"]} == {"rate_limited", "line_too_long"}


@pytest.mark.parametrize("body", [{}, {"receiver": "alerts", "status": "firing", "alerts": []}, {"text": "x" * 500000},
                                  {"receiver": "x\n{\"msg\":\"forged\"}", "status": "firing", "alerts": [{}]}])
def test_what_is_no_notification_is_refused(watched, body):
    before = len([line for line in watched.lines_of_alerts() if line["msg"] != "Heartbeat"])
    for path in ("alerts", "heartbeat"):
        assert fetch(f"{watched.url('ALERT_LOG')}/{path}", body)[0] == 400
    assert fetch(watched.url("ALERT_LOG") + "/alerts")[0] == 400
    assert len([line for line in watched.lines_of_alerts() if line["msg"] != "Heartbeat"]) == before


def test_a_new_file_is_begun_when_asked(watched):
    log = watched.dir / "logs/alerts.log"
    old = log.rename(log.with_suffix(".log.1"))
    watched.processes["alert-log"].send_signal(signal.SIGUSR1)
    wait_until(watched.beats, "a beat in the new file", 30)
    log.write_text(old.read_text() + log.read_text())


def test_a_receiver_that_is_away_is_told(watched):
    """To whoever looks at Prometheus or Grafana; and what was not delivered comes when it is back."""
    watched.stop("alert-log")
    wait_until(lambda: "AlertsNotDelivered" in watched.firing(), lambda: f"AlertsNotDelivered: {watched.firing()}", 60)
    watched.raise_alert(alertname="WhileAway", job="a-job", severity="ticket")
    watched.start_alert_log()
    watched.wait_for("WhileAway", job="a-job", seconds=60)


def test_an_alertmanager_that_is_away_is_told(watched):
    watched.stop("alertmanager")
    wait_until(lambda: {"BackendDown", "AlertsNotSent"} <= watched.firing(), watched.firing, 60)
    watched.start_alertmanager()
    before = len(watched.beats())
    wait_until(lambda: len(watched.beats()) > before, "the heart beats again", 30)


# ---- with Loki ----

@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    with started(tmp_path_factory.mktemp("heard"), ["alert-log", "alertmanager", "prometheus", "loki",
                                                    shipper()]) as stack:
        wait_until(lambda: stack.lines('{service="alertmanager", level="debug"}'), "the heartbeat is in Loki", 60)
        yield stack


def test_loki_watches_prometheus(heard, record_property):
    time.sleep(20)  # as long as a beat may be missing: the start alone raises nothing
    assert not heard.notified("HeartbeatMissing", job="prometheus")
    heard.stop("prometheus")
    begun = time.monotonic()
    line = heard.wait_for("HeartbeatMissing", job="prometheus", seconds=90)
    record_property("figures", f"told {time.monotonic() - begun:.0f} s after the end of Prometheus")
    assert line["level"] == "error" and "no heartbeat" in line["msg"]
    wait_until(lambda: any("HeartbeatMissing firing" in text for _, text in heard.lines(
        '{service="alertmanager", level="error"}')), "its line is in Loki as well", 30)
    heard.start_prometheus()
    heard.wait_for("HeartbeatMissing", "resolved", "prometheus", 60)


def test_loki_that_was_away_does_not_blame_prometheus(heard):
    already = len(heard.notified("HeartbeatMissing", job="prometheus"))
    heard.stop("loki")
    heard.wait_for("BackendDown", job="loki")
    time.sleep(40)
    heard.start_loki()
    heard.wait_for("BackendDown", "resolved", "loki", 60)
    wait_until(lambda: "HeartbeatUnheard" not in heard.firing(), "Loki hears the heart again", 60)
    time.sleep(30)
    assert len(heard.notified("HeartbeatMissing", job="prometheus")) == already


def test_the_rules_of_loki_are_evaluated(heard):
    assert "HeartbeatUnwatched" not in heard.firing()
    known = {series["metric"]["__name__"] for series in heard.promql('{job=~"loki|alloy|promtail"}')}
    of_shipper = "loki_(?:write|source)" if shipper() == "alloy" else "promtail"
    asked = set(re.findall(rf"\b((?:loki_(?:prometheus|ruler|ingester_wal_disk)|{of_shipper})_\w+)\b", "".join(
        file.read_text() for file in (STACK / "prometheus/rules").glob("*.yml"))))
    assert len(asked) >= 8 and asked <= known, asked - known


def test_the_dashboard_shows_what_was_told(heard):
    query, = [target["expr"] for _, title, target in targets() if title == "Notifications"]
    heard.raise_alert(alertname="OnTheDashboard", job="a-job", severity="ticket")
    wait_until(lambda: "OnTheDashboard firing: of a test" in [text for _, text in heard.lines(query)],
               lambda: heard.lines(query), 60)
    assert "Heartbeat" not in [text for _, text in heard.lines(query)]


# ---- with every backend ----

def test_a_healthy_stack_is_silent_and_has_what_the_rules_ask_for(full):
    asked = {"tempo_distributor_spans_received_total", "prometheus_remote_storage_samples_failed_total",
             "prometheus_remote_storage_samples_retried_total", "tempo_live_store_completion_failed_retries_total",
             "tempo_live_store_local_failed_flushes_total", "tempodb_compaction_errors_total",
             "tempodb_retention_errors_total"}

    def missing():
        return asked - {series["metric"]["__name__"] for series in full.promql('{job="tempo"}')}
    wait_until(lambda: not missing(), lambda: f"metrics {missing()}", 60)
    firing = {series["metric"]["alertname"] for series in full.promql('ALERTS{alertstate="firing", severity!="none"}')}
    assert firing <= {"AlertsNotSent"}, "there is no Alertmanager here"
