# SPDX-License-Identifier: MIT
"""make doctor where the backends run in containers: pretended ones, each of which is stopped in turn. It has to be
named first, with what follows from it below and nothing else."""
import json
import os
import re

import backends  # noqa: F401  finds lib
import pytest

from lib.place import BACKENDS, ID, PORTS, batches, faults, serve_well, span, up

SERVICES = ("api-gateway", "user-service", "order-service", "notification-service", "gateway-shipper")
PARTS = ("tempo", "prometheus", "loki", "grafana", "alertmanager", "alloy", "node-exporter")
# What is on the way from one who asks to the part, by what the doctor says of it then.
FOLLOWERS = {
    "tempo": ["Tempo does not answer", "data source tempo", "the trace ", "newest exemplar"],
    "prometheus": ["Prometheus does not answer", "no request metrics", "no exemplars", "data source prometheus"],
    "loki": ["Loki does not answer", "Loki lacks", "data source loki"],
    "grafana": ["Grafana does not answer"] + ["data source"] * 3,
    "alertmanager": ["Alertmanager does not answer"],
    "alloy": ["Prometheus does not reach alloy", "Loki lacks"],
    "node-exporter": ["Prometheus does not reach node-exporter"],
}


def as_json(value):
    return (200, "application/json", json.dumps(value))


def prometheus(place, without):
    """A function of the path that is asked for."""
    jobs = ["api-gateway", "user-service", *PARTS]

    def series(names):
        return as_json({"data": {"result": [{"metric": {"job": name}, "value": [0, "1"]} for name in names]}})
    exemplar = {"labels": {"trace_id": ID}, "timestamp": 1}

    def answer(path):
        asked = re.search(r"job%3D%22([\w-]+)%22", path)
        if path.startswith("/-/ready"):
            return (200, "text/plain", "Prometheus Server is Ready.")
        if "query_exemplars" in path:
            return as_json({"data": [{"exemplars": [exemplar]}]})
        if "query=up" in path:
            return series([name for name in jobs if not asked or name == asked[1] != without])
        return series(jobs[:2])
    return answer


def serve_backends(place, without=""):
    trace = as_json(batches(span(1), span(2, 1), span(3, 2)))
    streams = {"data": {"result": [{"stream": {"service": name}} for name in ("api-gateway", "user-service")]}}
    lines = as_json({} if without == "alloy" else streams)
    sources = {"prometheus": "/api/v1/query", "tempo": "/api/echo", "loki": "/loki/api/v1/labels"}
    bad = (502, "text/html", "<html><title>502 Bad Gateway</title><style>b{}</style><b>nginx</b></html>")
    answers = {
        "tempo": {"/metrics": (200, "text/plain", "tempo_build_info 1"), f"/api/traces/{ID}": trace},
        "prometheus": prometheus(place, without),
        "loki": {"/metrics": (200, "text/plain", "loki_build_info 1"), "/loki/api/v1/query_range": lines},
        "grafana": {"/api/health": as_json({"database": "ok"})} | {
            f"/api/datasources/proxy/uid/{name}{path}": bad if name == without else as_json({})
            for name, path in sources.items()},
        "alertmanager": {"/metrics": (200, "text/plain", "alertmanager_build_info 1")}}
    for name, answer in answers.items():
        if name != without:
            place.serve(name.upper(), answer)


def docker(place, names, stopped="", project="apm"):
    """A docker that lists these containers of the project."""
    ended, well = "exited\\tExited (0) 5 seconds ago", "running\\tUp 2 hours (healthy)"
    lines = "\\n".join(f"{name}\\t{ended if name == stopped else well}" for name in names)
    (place.dir / "bin").mkdir()
    (place.dir / "bin/docker").write_text(
        f"#!/bin/sh\ncase \"$* \" in *project={project}\\ *) printf '{lines}\\n' ;; esac\n")
    (place.dir / "bin/docker").chmod(0o755)
    return f"{place.dir}/bin:{os.environ['PATH']}"


def in_containers(place, stopped="", docker_says=True):
    """What the doctor says of make stack-up."""
    (place.run / "settings.json").unlink()
    serve_well(place, "METRICS", "TRACES")
    serve_backends(place, stopped)
    ports = {f"{name}_PORT": place.ports[name] for name in PORTS + BACKENDS}
    path = docker(place, [*SERVICES, *PARTS] if docker_says else [], stopped)
    if not docker_says:
        (place.dir / "bin/docker").write_text("#!/bin/sh\nexit 1\n")
    return place.ask("doctor", "--wait", "0", PATH=path, **ports)


def test_all_is_well_in_containers(place):
    done = in_containers(place)
    assert done.returncode == 0 and "FAIL" not in done.stdout, done.stdout
    assert "all 12 containers run" in done.stdout and "Prometheus reaches alloy" in done.stdout
    assert "Alertmanager answers at port" in done.stdout


def follows(found, expected):
    """Each line that follows is expected, and none is missing."""
    rest = list(found)
    for text in expected:
        rest.remove(next((line for line in rest if text in line), text))
    return not rest


@pytest.mark.parametrize("stopped", PARTS)
def test_a_stopped_container_is_named_first(place, stopped):
    done = in_containers(place, stopped)
    (what, following), = faults(done.stdout)
    assert done.returncode == 1
    assert what == f"the container {stopped} is not well: Exited (0) 5 seconds ago"
    assert follows(following, FOLLOWERS[stopped]), done.stdout
    assert f"→ docker compose -f stack/compose.yaml logs --tail 50 {stopped}; or start it: make stack-up" in " ".join(
        done.stdout.split())
    assert "<" not in done.stdout and "make logs" not in done.stdout and "b{}" not in done.stdout


@pytest.mark.parametrize("stopped", PARTS)
def test_where_docker_does_not_say(place, stopped):
    """As for a user who may not ask it: the part is found out by what does not answer."""
    done = in_containers(place, stopped, docker_says=False)
    (what, following), = faults(done.stdout)
    assert FOLLOWERS[stopped][0] in what and follows(following, FOLLOWERS[stopped][1:]), done.stdout


@pytest.mark.parametrize("stopped", PARTS)
def test_beside_a_native_system(place, stopped):
    """Spans go to the Tempo in a container, which is why nobody listens where they go."""
    number = place.ports["OTLP_HTTP"]
    place.remember(TRACE_STORE="off", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{number}",
                   TEMPO_URL=f"http://127.0.0.1:{place.ports['TEMPO']}")
    serve_well(place, "TRACES")
    place.supervise(up("nginx", "users", "orders", "notifications", "gateway"))
    serve_backends(place, stopped)
    if stopped != "tempo":
        place.serve("OTLP_HTTP", {})
    done = place.ask("doctor", "--wait", "0", PATH=docker(place, PARTS, stopped, "apm-backends"))
    (what, following), = faults(done.stdout)
    assert what == f"the container {stopped} is not well: Exited (0) 5 seconds ago", done.stdout
    more = ["where nobody listens"] if stopped == "tempo" else []
    assert follows(following, [text for text in FOLLOWERS[stopped] + more if not (more and text == "the trace ")]), \
        done.stdout
    assert "docker compose -p apm-backends logs --tail 50" in done.stdout


def test_a_program_that_is_not_well_inside(place):
    """The remedy names a file that is there, in the container that writes it."""
    (place.run / "settings.json").unlink()
    serve_well(place, "METRICS", "TRACES", "ORDERS")
    place.serve("ORDERS", {"/readyz": (503, "application/json", '{"status":503,"detail":"The database is away."}')})
    serve_backends(place)
    done = place.ask("doctor", "--wait", "0", PATH=docker(place, [*SERVICES, *PARTS]),
                     **{f"{name}_PORT": place.ports[name] for name in PORTS + BACKENDS})
    (what, following), = faults(done.stdout)
    assert what == "orders is not ready: 503 The database is away." and not following
    assert "→ docker compose -f stack/compose.yaml exec order-service tail -n 50 /var/log/apps/order-service.log" in \
        " ".join(done.stdout.split())
