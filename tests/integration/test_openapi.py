# SPDX-License-Identifier: MIT
"""The API's description and the running system have the same paths and methods; nginx serves the description."""
import re

import jsonschema
import pytest
import yaml

from lib.client import Client, check_problem
from lib.openapi import API, FILE, METHODS, OPERATIONS, OUTSIDE, SOURCE, loads, resolve, validate
from lib.system import ROOT
from lib.wait import wait_until

MISSING_ID = "9007199254740991"
ASKED = [method.upper() for method in METHODS if method != "trace"]  # nginx refuses TRACE for any path


# ---- the file


def test_the_json_is_made_of_the_yaml():
    made = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    assert loads(FILE.read_text(encoding="utf-8")) == API
    assert yaml.safe_load(FILE.read_text(encoding="utf-8")) == made, "run: make openapi"


def every(node, key):
    """All values below a key, wherever it is."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from every(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from every(value, key)


def test_references_lead_somewhere():
    for reference in every(API, "$ref"):
        assert resolve({"$ref": reference}), reference


def test_what_is_shared_is_used():
    used = set(every(API, "$ref"))
    for kind, shared in API["components"].items():
        assert {f"#/components/{kind}/{name}" for name in shared} <= used


def test_schemas_are_schemas_and_their_examples_fit():
    for schema in [*every(API, "schema"), *API["components"]["schemas"].values()]:
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", ()):
            validate(example, schema)
    for media in every(API["paths"], "application/json"):
        if "example" in media:
            validate(media["example"], media["schema"])


def test_operations_have_what_readers_need():
    names = [operation.raw["operationId"] for operation in OPERATIONS]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in API["tags"]}
    for operation in OPERATIONS:
        assert operation.raw["summary"] and operation.raw["description"], operation
        assert set(operation.raw["tags"]) <= tags, operation
        assert [parameter["name"] for parameter in operation.parameters if parameter["in"] == "path"] == \
            re.findall(r"{(\w+)}", operation.path), operation
        assert any(status < 300 for status in operation.responses), operation
        for response in operation.responses.values():
            assert response["description"] and {"X-Trace-Id", "Server-Timing"} <= set(response["headers"]), operation


def test_generators_can_use_it():
    """What clients that are generated stumble over; test_openapi_clients.py makes some."""
    schemas = API["components"]["schemas"]
    assert not [name for name in schemas if name.removeprefix("New") in schemas and name.startswith("New")], \
        "Go's constructor of the one is called as the other"
    for schema in [*every(API, "schema"), *schemas.values(), *every(API, "properties")]:
        for one in [schema, *(member for member in schema.values() if isinstance(member, dict))]:
            assert one.get("maximum", 0) < 2 ** 31 or one["format"] == "int64", one
            assert "pattern" not in one or one.get("format") not in ("date-time", "date"), one
            assert one.get("type") != "number" or one["format"] == "double", one
    assert API["security"] == [] and API["info"]["contact"] and API["info"]["license"]


def test_the_cursor_of_the_example_is_one(system):
    cursor, = API["components"]["schemas"]["Cursor"]["examples"]
    for path in ("/api/v1/users", "/api/v1/orders", "/api/v1/notifications"):
        answer = system.gateway.get(f"{path}?cursor={cursor}")
        assert answer.status == 200, answer
    orders = system.gateway.get(f"/api/v1/orders?cursor={cursor}&limit=1").json()["items"]
    assert orders[0]["id"] == 20


# ---- the routes


def program_routes():
    """The templates in the route tables of all programs: what the gateway could answer."""
    sources = [*sorted((ROOT / "fcgi/services").glob("*.c")), ROOT / "fcgi/app/health.c"]
    found = {path for source in sources for path in re.findall(r'{"[A-Z]+", "(/[^"]*)"', source.read_text())}
    assert len(found) > 6, found
    return found


def gateway_locations(system):
    """The paths that nginx's configuration of the gateway names, as it runs."""
    def expand(text):
        return re.sub(r"^\s*include (services/\*\.conf|\w+\.conf);", lambda match: "".join(
            expand(file.read_text()) for file in sorted((system.run / "nginx").glob(match[1]))), text, flags=re.M)
    servers = re.split(r"^server {$", (system.run / "nginx/settings/servers.conf").read_text(), flags=re.M)
    gateway, = (expand(server) for server in servers[1:] if "include gateway.conf;" in server)
    found = set(re.findall(r"^\s*location (?:= |~ |\^~ )?([^\s@]\S*) {", gateway, flags=re.M))
    assert {"/api/v1/users", "/healthz"} <= found, found
    return found


def logged_route(system, answer):
    return wait_until(lambda: [line["route"] for line in system.log_lines("api-gateway")
                               if line["trace_id"] == answer.trace_id], f"no line of {answer}")[0]


def ask(system, method, template):
    """(status, Allow, the template of the route that answered) of the running system. Nothing has the id."""
    path = re.sub(r"{\w+}", MISSING_ID, template)
    answer = system.gateway.request(method, path, b"{}" if method in ("POST", "PUT", "PATCH") else None)
    route = template if template in ("/healthz", "/readyz") else logged_route(system, answer)
    return answer, route


def candidates(system):
    return sorted(program_routes() | gateway_locations(system) | set(API["paths"])
                  | {path.rsplit("/", 1)[0] + "/{id}" for path in gateway_locations(system)})


def test_what_the_gateway_answers_is_described_and_what_is_described_is_answered(system):
    answered = set()
    for template in candidates(system):
        for method in ASKED:
            answer, route = ask(system, method, template)
            is_there = route == template and answer.status != 405  # a 404 of a route: it has no such id
            if is_there or answer.status not in (404, 405):
                answered.add((method, template))
    described = {(operation.method, operation.path) for operation in OPERATIONS}
    assert answered - described == set(), "nginx/console/openapi.yaml lacks these: add them, then make openapi"
    assert described - answered == set(), "nginx/console/openapi.yaml has these, but nobody answers them"


@pytest.mark.parametrize("template", API["paths"])
def test_allow_names_the_methods_that_are_described(system, template):
    answer, _ = ask(system, "OPTIONS", template)
    check_problem(answer, 405)
    assert set(answer.header("Allow").split(", ")) == {
        operation.method for operation in OPERATIONS if operation.path == template}
    assert 405 in OUTSIDE


# ---- how nginx serves it


def test_it_is_served(system):
    answer = system.gateway.get("/openapi.json")
    assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
    assert answer.body == FILE.read_bytes()
    line, = system.wait_log("api-gateway", lambda line: line["trace_id"] == answer.trace_id, "of the request")
    assert (line["path"], line["route"], line["status"]) == ("/openapi.json", "", 200)
    head = system.gateway.request("HEAD", "/openapi.json")
    assert (head.status, head.body, head.header("Content-Length")) == (200, b"", str(len(answer.body)))
    same = system.gateway.get("/openapi.json", [("If-None-Match", answer.header("ETag"))])
    assert (same.status, same.body) == (304, b"")
    assert system.gateway.get("/openapi.json", [("Range", "bytes=0-9")]).status == 200
    with Client(system.ports["gateway"]) as client:  # nginx ends the connection behind its own 412
        check_problem(client.get("/openapi.json", [("If-Match", '"other"')]), 412)


@pytest.mark.parametrize("path", ["/openapi.yaml", "/openapi.js", "/openapi.json/", "/openapi.json/x", "/openapi.jso",
                                  "/openapi.json.", "/openapi.json%00", "/openapi.json..%2fnginx.conf", "/nginx.conf",
                                  "/console/openapi.json", "/openapi.json%2f..%2fnginx.conf"])
def test_nothing_else_is(system, path):
    answer = system.gateway.get(path)
    check_problem(answer, 400 if "%00" in path else 404)


def test_only_the_gateway_serves_it(system):
    for name in ("metrics", *system.services):
        check_problem(system.client(name).get("/openapi.json"), 404)
