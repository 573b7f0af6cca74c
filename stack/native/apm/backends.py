# SPDX-License-Identifier: MIT
"""The doctor's questions to Prometheus, Alertmanager, Loki, Grafana and Tempo, and through Prometheus to the rest."""
import base64
import time
from typing import NamedTuple

from apm import answers, parts, settings
from apm.answers import items, members
from apm.diagnosis import Check, container_checks, eventually, stranger
from apm.spans import Trace
from apm.common import Refused
from apm.compose import SHIPPERS

JOBS = {"api-gateway", "user-service"}  # those of the request that is followed


class Backend(NamedTuple):
    name: str
    variable: str
    path: str  # where it says who it is
    sign: str  # a part of that answer
    optional: bool = False  # nobody need have asked for it


KNOWN = [
    Backend("Tempo", "TEMPO_PORT", "/metrics", "tempo_build_info"),
    Backend("Prometheus", "PROMETHEUS_PORT", "/-/ready", "Prometheus"),
    Backend("Loki", "LOKI_PORT", "/metrics", "loki_build_info"),
    Backend("Grafana", "GRAFANA_PORT", "/api/health", '"database"'),
    Backend("Alertmanager", "ALERTMANAGER_PORT", "/metrics", "alertmanager_build_info", optional=True),
]
# Parts that only Prometheus reaches, by the names that containers and scrapes have.
BY_SCRAPE = (*SHIPPERS, "node-exporter")
DATA_SOURCES = [("prometheus", "Prometheus", "/api/v1/query?query=1"), ("tempo", "Tempo", "/api/echo"),
                ("loki", "Loki", "/loki/api/v1/labels")]


class Backends:
    """Those at the ports that the environment names, or at their usual ones."""

    def __init__(self, environment, place, containers):
        self.values = {**settings.defaults(), **{name: text for name, text in environment.items() if text}}
        self.place, self.containers = place, containers
        address = parts.host(self.values["BIND_ADDRESS"])
        self.number = {one.name: self.values[one.variable] for one in KNOWN}
        self.url = {name: f"http://{address}:{number}" for name, number in self.number.items()}
        self.traces = self.url["Tempo"]  # where exemplars lead to
        self.there = {one.name for one in KNOWN if one.sign in answers.get(self.url[one.name] + one.path).text}

    def are_ours(self):
        """Whether they belong to this system: a Prometheus or Grafana of somebody else may have the usual port."""
        return bool(self.there & {"Tempo", "Loki"}) or bool(self.jobs('up{job="api-gateway"}'))

    # ---- Prometheus

    def promql(self, path, **parameters):
        answer = members(answers.get(f"{self.url['Prometheus']}/api/v1/{path}", **parameters).json)
        return answer.get("data")

    def jobs(self, query):
        if "Prometheus" not in self.there:
            return set()
        series = items(members(self.promql("query", query=query)).get("result"))
        return {str(members(one.get("metric")).get("job")) for one in series}

    def check_metrics(self, wait):
        def scraped():
            found = self.jobs("http_server_request_duration_seconds_count")
            return found if JOBS <= found else None
        found = eventually(scraped, wait)
        if found:
            return f"Prometheus has the request metrics of {', '.join(sorted(found))}"
        missing = ", ".join(sorted(JOBS - self.jobs("http_server_request_duration_seconds_count")))
        raise Refused(f"Prometheus has no request metrics of {missing}\n"
                      f"{self.url['Prometheus']}/targets says what each scrape met")

    def check_exemplar(self, wait, has_trace):
        def newest():
            now = time.time()
            series = items(self.promql("query_exemplars", start=now - 3600, end=now,
                                       query='http_server_request_duration_seconds_bucket{job="user-service"}'))
            found = [(float(one["timestamp"]), one["labels"]["trace_id"]) for each in series
                     for one in items(each.get("exemplars")) if "trace_id" in members(one.get("labels"))]
            return max(found, default=None)
        exemplar = eventually(newest, wait)
        if not exemplar:
            raise Refused("Prometheus has no exemplars of the user service\nit must run with "
                          "--enable-feature=exemplar-storage and scrape OpenMetrics; unsampled requests leave none")
        if not eventually(lambda: has_trace(exemplar[1]), min(wait, 5)):
            raise Refused(f"the newest exemplar names trace {exemplar[1]}, which is not stored\n"
                          "it is older than what is kept (1 h), or lost: see the dashboard Telemetry health")
        return f"the newest exemplar leads to a trace ({exemplar[1]})"

    def check_scrape(self, job, wait):
        if eventually(lambda: self.jobs(f'up{{job="{job}"}} == 1'), min(wait, 5)):
            return f"Prometheus reaches {job}"
        raise Refused(f"Prometheus does not reach {job}\n{self.place.look(job)}; or start it: {self.place.start}")

    # ---- Loki

    def check_lines(self, wait, trace_id):
        if not trace_id:
            return None

        def services():
            answer = answers.get(self.url["Loki"] + "/loki/api/v1/query_range", start=time.time_ns() - 600 * 10**9,
                                 query=f'{{job="application-logs"}} | trace_id="{trace_id}"')
            return {str(members(one.get("stream")).get("service"))
                    for one in items(members(members(answer.json).get("data")).get("result"))}
        if eventually(lambda: JOBS <= services(), wait):
            return "Loki has the request's lines of api-gateway and user-service"
        missing = ", ".join(sorted(JOBS - services()))
        shipper = next((name for name in SHIPPERS if name in self.containers), SHIPPERS[0])
        raise Refused(f"Loki lacks the request's lines of {missing}\nis {shipper} up, and does it see the logs? "
                      f"{self.place.look(shipper)}")

    # ---- Grafana

    def check_data_source(self, uid, path):
        login = f"{self.values['GRAFANA_USER']}:{self.values['GRAFANA_PASSWORD']}"
        answer = answers.get(f"{self.url['Grafana']}/api/datasources/proxy/uid/{uid}{path}", headers={
            "Authorization": "Basic " + base64.b64encode(login.encode("utf-8", "replace")).decode()})
        if answer.status == 200:
            return f"Grafana reaches its data source {uid}"
        if answer.status == 401:
            raise Refused("Grafana does not take the login\n"
                          "set GRAFANA_USER and GRAFANA_PASSWORD to those of its first start")
        raise Refused(f"Grafana does not reach its data source {uid}: {answer}\n{self.place.look('grafana')}")

    # ---- all

    def check_there(self, one):
        if one.name in self.there:
            return f"{one.name} answers at port {self.number[one.name]}"
        answer = answers.get(self.url[one.name] + one.path)
        if answer.status == 0:
            raise Refused(f"{one.name} does not answer at port {self.number[one.name]} ({answer.text})\n"
                          f"{self.place.look(one.name.lower())}; or start it: {self.place.start}")
        if answer.status >= 500:
            raise Refused(f"{one.name} is not ready: {answer}\n{self.place.look(one.name.lower())}")
        raise stranger(self.number[one.name], one.variable, answer)

    def presence_checks(self, without=()):
        """Are they there? Questions to them rest on these checks, and so do parts that send them something."""
        yield from container_checks(self.containers, self.place)
        scraped = self.jobs("up") | set(self.containers)
        for one in KNOWN:
            name = one.name.lower()
            if one.name not in without and (not one.optional or one.name in self.there or name in scraped):
                yield Check(one.name, (f"container {name}",), lambda _, one=one: self.check_there(one))
        for job in BY_SCRAPE:
            if job in scraped and "Prometheus" in self.there:
                yield Check(job, (f"container {job}", "Prometheus"), lambda wait, job=job: self.check_scrape(job, wait))

    def checks(self, prefix, request, without=()):
        """`prefix`: of the names of the system's checks; request(): the trace id of the request, "" without one."""
        yield Check("metrics", ("Prometheus", f"{prefix}nginx", f"{prefix}users", f"{prefix}gateway",
                                "container gateway-shipper"), self.check_metrics)
        yield Check("exemplar", ("Prometheus", "metrics", "Tempo", f"{prefix}trace"),
                    lambda wait: self.check_exemplar(wait, self.has_trace))
        shippers = (name for one in SHIPPERS for name in (f"container {one}", one))
        yield Check("lines", ("Loki", *shippers, f"{prefix}request"), lambda wait: self.check_lines(wait, request()))
        for uid, name, path in DATA_SOURCES:
            if name not in without:
                yield Check(f"data source {uid}", ("Grafana", name),
                            lambda _, uid=uid, path=path: self.check_data_source(uid, path))

    def has_trace(self, trace_id):
        return Trace(answers.get(f"{self.traces}/api/traces/{trace_id}").json).spans
