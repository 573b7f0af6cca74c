# SPDX-License-Identifier: MIT
"""A fourth service is one C file and one nginx file: it builds, routes, traces, logs and is scraped."""
from lib import metrics, sandbox, trees
from lib.client import check_problem


def test_two_files_are_all_that_changed(extended):
    assert sandbox.changes(extended.root) == {
        f"{folder}/services/{name}.{suffix}": "new"
        for name in ("greetings", "relays") for folder, suffix in (("fcgi", "c"), ("nginx", "conf"))}


def test_it_routes_and_traces(extended):
    answer = extended.gateway.get("/api/v1/greetings/1")
    assert (answer.status, answer.json()) == (200, {"user_id": 1, "greeting": "Hello"})
    spans = extended.trace(answer)
    trees.check_shape(spans, ((
        "api-gateway", "SERVER", "GET /api/v1/greetings/{id}", ((
            "api-gateway", "CLIENT", "GET", ((
                "greeting-service", "SERVER", "GET /api/v1/greetings/{id}", ((
                    "greeting-service", "CLIENT", "GET", ((
                        "user-service", "SERVER", "GET /api/v1/users/{id}", ((
                            "user-service", "CLIENT", "SELECT users", ()),)),)),)),)),)),))
    trees.check_nesting(spans)


def test_its_errors_are_everyones(extended):
    check_problem(extended.gateway.get("/api/v1/greetings/x"), 404)
    check_problem(extended.gateway.get("/api/v1/greetings"), 404)
    refused = extended.gateway.post("/api/v1/greetings/1", {})
    check_problem(refused, 405)
    assert set(refused.header("Allow").split(", ")) == {"GET", "HEAD"}


def test_it_is_scraped_logged_and_ready(extended):
    before = extended.scrape("greetings")
    answer = extended.gateway.get("/api/v1/greetings/1")
    after = extended.scrape("greetings")
    assert after[metrics.key("greetings_total")] == before.get(metrics.key("greetings_total"), 0) + 1
    labels = {"http_request_method": "GET", "http_route": "/api/v1/greetings/{id}", "http_response_status_code": "200"}
    assert metrics.total(after, "http_server_request_duration_seconds_count", **labels) >= 1
    line, = extended.wait_log("greeting-service", lambda line: line.get("trace_id") == answer.trace_id, "of the call")
    assert line["service"] == "greeting-service"
    assert extended.gateway.get("/readyz").status == 200
    done = extended.ctl("status")
    assert "greetings" in done.stdout
