# SPDX-License-Identifier: MIT
"""Requests made from the API's description: what it allows succeeds, what it forbids is refused as it says.

    HYPOTHESIS_PROFILE=long /usr/bin/python3 -m pytest tests/integration/test_openapi_properties.py

searches for minutes, and for other values each time. Otherwise the examples are few, and always the same.
"""
import itertools
import json
import os
import re
import tempfile
from urllib.parse import quote, quote_from_bytes, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from lib import openapi_values as values
from lib.fixtures import fixture_of
from lib.openapi import API, OPERATIONS, OUTSIDE, judge, loads, operation, pointers, resolve
from lib.wait import wait_until

FILES = tempfile.TemporaryDirectory()  # Hypothesis would keep its tables of Unicode in the working directory
set_hypothesis_home_dir(FILES.name)
ALWAYS = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("short", max_examples=12, derandomize=True, **ALWAYS)
settings.register_profile("long", max_examples=400, **ALWAYS)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
LONG = os.environ.get("HYPOTHESIS_PROFILE", "short") == "long"

WITH_BODY = [each for each in OPERATIONS if each.body]
WITH_QUERY = [(each, parameter) for each in OPERATIONS for parameter in each.parameters if parameter["in"] == "query"]
BODY_FAULTS = [(each, fault) for each in WITH_BODY for fault in values.body_faults(each.body)]
HEADERS = ["Idempotency-Key", "traceparent", "tracestate", "baggage", "Accept", "Range", "If-Match", "If-None-Match",
           "If-Modified-Since", "If-Unmodified-Since", "If-Range", "X"]
CONDITIONS = ["If-Match", "If-None-Match"]  # most values say that nothing is to be done
HEADER_VALUES = ["*", '"x"', "bytes=0-5", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 2044 08:49:37 GMT"]
PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7e), max_size=40)
# W3C Trace Context; another one is not refused, but begins a new trace.
VALID_TRACEPARENT = r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
TRACEPARENT = st.from_regex(VALID_TRACEPARENT, fullmatch=True)

described = fixture_of("described", "module")


def ids(items):
    return [" ".join(getattr(part, "label", None) or (part["name"] if isinstance(part, dict) else str(part))
                     for part in item) for item in items]


# ---- requests


class World:
    """A running system, and what is known of its state: what requests that should succeed have to agree with."""

    def __init__(self, system):
        self.system = system
        self.unique = itertools.count()
        self.references = {"user_id": self.new_user()}

    def new_user(self):
        answer, _ = self.create("/api/v1/users", {"name": "Ada", "email": self.new_email("a@b")})
        return loads(answer.body)["id"]

    def send(self, method, path, body=None, headers=(), content_type="application/json"):
        if body is not None and not isinstance(body, bytes):
            body = encode(body)

        def ask():
            return self.system.gateway.request(method, path, body, headers, content_type=content_type)
        answer = ask()
        if answer.status == 429:  # of probes, which are limited
            answer = wait_until(lambda: (again := ask()).status != 429 and again, "the limit does not end")
        if answer.status == 412:
            self.system.gateway.close()  # nginx ends the connection behind its own 412, and does not say so
        return answer

    def create(self, collection, body):
        """(answer, body): of a POST, where there is one."""
        answer = self.send("POST", collection, body)
        judge(answer, operation("POST", collection).responses)
        assert answer.status == 201, answer
        return answer, body

    def body(self, schema, draw):
        body = draw(values.valid(schema, self.references))
        return body | {"email": self.new_email(body["email"])} if "email" in body else body

    def new_email(self, email):
        """That nobody has, and no longer than allowed."""
        local, domain = email.split("@")
        local = f"{next(self.unique):08x}{local}"
        while len(f"{local}@{domain}".encode()) > 254:
            local, domain = (local[:-1], domain) if len(local) > len(domain) else (local, domain[:-1])
        return f"{local}@{domain}"

    def new_key(self, key):
        """Of an Idempotency-Key: one that was not used, with as many characters at most."""
        number = f"{next(self.unique):08x}"
        return key[:1] + number + key[1:] if len(key) < 240 else key[:1] + number + key[9:]

    def existing(self, collection, draw):
        """(id, members) of something that is there: created just now, where clients can create."""
        if "post" in API["paths"][collection]:
            answer, body = self.create(collection, self.body(operation("POST", collection).body, draw))
            path = answer.header("Location")
            assert path.startswith(f"{collection}/"), path
            return path.rsplit("/", 1)[1], body
        item = loads(self.send("GET", collection).body)["items"][0]
        return item["id"], item

    def query(self, wanted, draw):
        pairs = []
        for parameter in wanted.parameters:
            if parameter["in"] != "query" or not draw(st.booleans()):
                continue
            if parameter["name"] == "cursor":  # only what a list has given
                value = loads(self.send("GET", f"{wanted.path}?limit=1").body)["next_cursor"]
            else:
                value = draw(values.valid(parameter["schema"]))
            pairs.append((parameter["name"], value))
        return draw(st.permutations(pairs))

    def headers(self, wanted, draw):
        result = []
        for parameter in wanted.parameters:
            if parameter["in"] == "header" and parameter["name"] not in CONDITIONS and draw(st.booleans()):
                value = draw(values.valid(parameter["schema"]) if "pattern" in parameter["schema"] else
                             PRINTABLE | TRACEPARENT if parameter["name"] == "traceparent" else PRINTABLE)
                if parameter["name"] == "Idempotency-Key":
                    value = self.new_key(value)
                result.append((parameter["name"], value))
        return result


@pytest.fixture(scope="module")
def world(described):
    return World(described)


def encode(value, **options):
    """JSON, also of what is no text: half a surrogate pair goes as its escape."""
    text = json.dumps(value, ensure_ascii=False, default=values.plain, **options)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, default=values.plain, **options).encode()


def path_of(wanted, identifier):
    return wanted.path.replace("{id}", str(identifier))


def check_continued(answer, headers):
    """A traceparent that is valid is continued."""
    for name, value in headers:
        if name == "traceparent" and re.fullmatch(VALID_TRACEPARENT, value):
            assert value[3:35] == answer.trace_id, (value, answer)


# ---- what is allowed


@pytest.mark.parametrize("wanted", OPERATIONS, ids=str)
@given(data=st.data())
def test_what_is_allowed_succeeds(world, wanted, data):
    identifier, known = None, {}
    if "{id}" in wanted.path:
        identifier, known = world.existing(wanted.path.rsplit("/", 1)[0], data.draw)
    body = world.body(wanted.body, data.draw) if wanted.body else None
    headers = world.headers(wanted, data.draw)
    query = urlencode(world.query(wanted, data.draw))
    answer = world.send(wanted.method, path_of(wanted, identifier) + (f"?{query}" if query else ""), body, headers)

    value = judge(answer, wanted.responses, head=wanted.method == "HEAD")
    conditional = "If-None-Match" in dict(headers)
    assert answer.status == wanted.success or (conditional and answer.status == 304), answer
    check_continued(answer, headers)
    for name, stored in (known | (body or {})).items():  # byte for byte, as the code points are the same
        assert value is None or value[name] == stored, (name, stored, value)
    if wanted.method in ("POST", "PATCH"):
        stored = world.send("GET", answer.header("Location") or path_of(wanted, identifier))
        assert loads(stored.body) == value
    if wanted.method == "DELETE":
        assert world.send("GET", path_of(wanted, identifier)).status == 404


def bounds(schema):
    """(value, is it allowed?) on and beside every bound; text also with every character that is special somewhere."""
    schema = resolve(schema)
    if schema["type"] in ("integer", "number"):
        unit, low, high = values.steps(schema)
        return [(n * unit, low <= n <= high) for n in (low - 1, low, low + 1, high - 1, high, high + 1)]
    seed = "a@b" if "@" in schema.get("pattern", "") else "ab"
    texts = [values.stretched(seed, schema["maxLength"] + more) for more in (-1, 0, 1)]
    texts += [seed[:1] + char + seed[1:] for char in values.SUSPECT]
    if schema.get("minLength"):
        texts += ["c" * (schema["minLength"] + more) for more in (-1, 0, 1)]
    return [(text, values.text_fits(schema, text)) for text in texts]


@pytest.mark.parametrize("wanted, name", [
    (each, name) for each in WITH_BODY for name, schema in each.body["properties"].items()
    if "enum" not in resolve(schema)], ids=str)
def test_bounds(world, wanted, name):
    whole = {"name": "Ada", "product": "Tea", "amount": 1, **world.references}
    for value, allowed in bounds(wanted.body["properties"][name]):
        if name == "user_id" and allowed:
            value = world.references[name]  # somebody who is there
        if name == "email" and allowed:  # that nobody has, and as long
            value = world.new_email(value) if len(value) < 100 else f"{next(world.unique):08x}{value[8:]}"
        fields = whole | {"email": world.new_email("a@b"), name: value}
        identifier = world.new_user() if "{id}" in wanted.path else None
        body = {member: fields[member] for member in {*wanted.body.get("required", ()), name}}
        answer = world.send(wanted.method, path_of(wanted, identifier), body)
        answered = judge(answer, wanted.responses)
        if allowed:
            assert answer.status == wanted.success and answered[name] == value, (value, answer)
        else:
            assert answer.status == 422 and pointers(answered) == [("body", name)], (value, answer)


@pytest.mark.parametrize("wanted, parameter", WITH_QUERY, ids=ids(WITH_QUERY))
def test_bounds_of_queries(world, wanted, parameter):
    schema = resolve(parameter["schema"])
    for value, allowed in [(word, True) for word in schema["enum"]] if "enum" in schema else bounds(schema):
        if parameter["name"] == "cursor":  # whatever its length: no list has given it
            allowed = False
        answer = world.send(wanted.method, f"{wanted.path}?{urlencode({parameter['name']: value})}")
        judge(answer, wanted.responses, head=wanted.method == "HEAD")
        assert answer.status == (wanted.success if allowed else 422), (value, answer)


# ---- what is forbidden


@pytest.mark.parametrize("wanted, fault", BODY_FAULTS, ids=ids(BODY_FAULTS))
@settings(max_examples=150 if LONG else 5)
@given(data=st.data())
def test_one_rule_broken_is_422_and_pointed_at(world, wanted, fault, data):
    body = data.draw(values.valid(wanted.body, world.references).filter(
        lambda body: ":" not in fault.label or fault.label.endswith("missing") or fault.label.split(":")[0] in body))
    changed, pointer = data.draw(fault.change(body)), fault.pointer
    if pointer is None:
        changed, pointer = changed
    answer = world.send(wanted.method, path_of(wanted, 1), encode(changed))
    problem = judge(answer, wanted.responses)
    assert answer.status == 422 and pointers(problem) == [pointer], (changed, answer)


TEXT_FAULTS = {
    "integer": ["", "x", "1.5", "1e1", "+1", "0x1", "%201", "1%20", "%", "%2", "%zz", "%00", "1%00", "%ff", "1%0a",
                "--1", "1-", "%d9%a1"],
    "string": ["", "%zz", "%ff", "%00", "%0a", "%c2%85", "x" * 300, "%ed%a0%80"],
}


@pytest.mark.parametrize("wanted, parameter", WITH_QUERY, ids=ids(WITH_QUERY))
@given(data=st.data())
def test_a_query_that_breaks_a_rule_is_422_and_pointed_at(world, wanted, parameter, data):
    schema = resolve(parameter["schema"])
    if schema["type"] == "integer":
        strategy = st.integers(max_value=schema["minimum"] - 1) | st.integers(schema["maximum"] + 1) | st.sampled_from(
            [schema["minimum"] - 1, schema["maximum"] + 1])
    else:  # a word that is none of the enumeration, a cursor that no list has given
        strategy = st.text().filter(lambda word: word not in schema.get("enum", ())).map(
            lambda word: quote(word.encode("utf-8", "surrogatepass")))
    raw = data.draw(strategy.map(str) | st.sampled_from(TEXT_FAULTS[schema["type"]]))
    answer = world.send(wanted.method, f"{wanted.path}?{parameter['name']}={raw}")
    problem = judge(answer, wanted.responses, head=wanted.method == "HEAD")
    assert answer.status == 422, (raw, answer)
    assert problem is None or pointers(problem) == [("query", parameter["name"])], (raw, answer)


@pytest.mark.parametrize("wanted", [each for each in OPERATIONS if "{id}" in each.path], ids=str)
@given(data=st.data())
def test_an_id_out_of_bounds_is_404(world, wanted, data):
    schema = resolve(next(each for each in wanted.parameters if each["name"] == "id")["schema"])
    identifier = data.draw(
        st.integers(max_value=schema["minimum"] - 1) | st.integers(schema["maximum"] + 1)
        | st.integers(1, 99).map(lambda n: f"0{n}")
        | st.text(min_size=1).filter(lambda word: not re.search(r"[/\0\ud800-\udfff]|^\.{1,2}$|^[1-9][0-9]*$", word)
                                     ).map(lambda word: quote(word, safe="")))
    body = data.draw(values.valid(wanted.body)) if wanted.body else None
    answer = world.send(wanted.method, path_of(wanted, identifier), body)
    judge(answer, wanted.responses, head=wanted.method == "HEAD")
    assert answer.status == 404, (identifier, answer)


@given(data=st.data())
def test_a_user_that_is_not_there_is_pointed_at(world, data):
    wanted = operation("POST", "/api/v1/orders")
    body = data.draw(values.valid(wanted.body, {"user_id": data.draw(st.integers(10 ** 9, 2 ** 53 - 1))}))
    answer = world.send("POST", wanted.path, body)
    assert pointers(judge(answer, wanted.responses)) == [("body", "user_id")] and answer.status == 422, answer


@given(data=st.data())
def test_a_key_that_breaks_its_rule_is_400(world, data):
    wanted = operation("POST", "/api/v1/orders")
    schema, = (each["schema"] for each in wanted.parameters if each["name"] == "Idempotency-Key")
    visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xff, blacklist_categories=["Cc"]), max_size=300)
    key = data.draw((visible | st.sampled_from(['""', "x" * 256, '"' + "x" * 256 + '"', '"\\x"', 'a"', '"a"b'])).filter(
        lambda key: not values.matches(schema["pattern"], key.strip(" "))))
    body = data.draw(values.valid(wanted.body, world.references))
    answer = world.send("POST", wanted.path, body, [("Idempotency-Key", key.encode())])
    judge(answer, wanted.responses)
    assert answer.status == 400, (key, answer)


@pytest.mark.parametrize("wanted", WITH_BODY, ids=str)
@given(data=st.data())
def test_a_body_that_is_cut_is_400(world, wanted, data):
    body = encode(data.draw(values.valid(wanted.body, world.references)))
    cut = body[:data.draw(st.integers(0, len(body) - 1))]
    answer = world.send(wanted.method, path_of(wanted, 1), cut)
    problem = judge(answer, wanted.responses)
    try:
        cut.decode()
        assert answer.status == 400, (cut, answer)
    except UnicodeDecodeError:
        assert (answer.status, pointers(problem)) == (422, [("body",)]), (cut, answer)


@pytest.mark.parametrize("wanted", WITH_BODY, ids=str)
@given(data=st.data())
def test_another_media_type_is_415(world, wanted, data):
    body = data.draw(values.valid(wanted.body, world.references))
    kind = data.draw(PRINTABLE.filter(lambda kind: not kind.lower().startswith("application/json")) | st.sampled_from(
        ["application/json5", "application/json+x", "application/jsonx;charset=utf-8", "text/json", None]))
    answer = world.send(wanted.method, path_of(wanted, 1), body, content_type=kind)
    judge(answer, wanted.responses)
    assert answer.status == 415, (kind, answer)


def test_conflicts_are_described(world):
    """What depends on what is stored: no schema says it, the descriptions of the answers do."""
    address = world.new_email("ada@b")
    key = [("Idempotency-Key", world.new_key("key"))]
    user, order = {"name": "Ada", "email": address}, {"product": "Tea", "amount": 1, **world.references}
    first = path_of(operation("GET", "/api/v1/users/{id}"), loads(world.create("/api/v1/users", user)[0].body)["id"])
    other = path_of(operation("GET", "/api/v1/users/{id}"), world.new_user())
    placed = world.send("POST", "/api/v1/orders", order, key).header("Location")
    for method, path, template, body, headers, status in [
            ("POST", "/api/v1/users", "", {"name": "Ada", "email": address.swapcase()}, (), 409),
            ("PATCH", other, "/api/v1/users/{id}", {"email": address.upper()}, (), 409),
            ("PATCH", first, "/api/v1/users/{id}", {"email": address.upper()}, (), 200),
            ("DELETE", first, "/api/v1/users/{id}", None, (), 204),
            ("DELETE", first, "/api/v1/users/{id}", None, (), 404),
            ("POST", "/api/v1/users", "", user, (), 201),
            ("POST", "/api/v1/orders", "", order, key, 201),
            ("POST", "/api/v1/orders", "", order | {"amount": 2}, key, 422),
            ("PATCH", placed, "/api/v1/orders/{id}", {"status": "cancelled"}, (), 200),
            ("PATCH", placed, "/api/v1/orders/{id}", {"status": "cancelled"}, (), 409)]:
        answer = world.send(method, path, body, headers)
        value = judge(answer, operation(method, template or path).responses)
        assert answer.status == status, (method, path, body, answer)
        assert status != 422 or pointers(value) == [], value


# ---- anything at all


@pytest.mark.parametrize("wanted", [each for each in OPERATIONS if "{id}" not in each.path and not each.body], ids=str)
def test_headers_of_conditions_and_ranges_lead_to_described_answers(world, wanted):
    for name, value in itertools.product(HEADERS, HEADER_VALUES):
        answer = world.send(wanted.method, wanted.path, headers=[(name, value)])
        judge(answer, wanted.responses, head=wanted.method == "HEAD")
        assert answer.status in (wanted.success, 304, 412), (name, value, answer)


@pytest.mark.parametrize("path", API["paths"])
@settings(max_examples=3000 if LONG else 40)
@given(data=st.data())
def test_whatever_is_asked_the_answer_is_described(world, path, data):
    method = data.draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]))
    segment = data.draw(st.sampled_from(["1", "2", "99999999"]) | st.text(min_size=1, max_size=20).filter(
        lambda word: not re.search(r"[/\ud800-\udfff]|^\.{1,2}$", word)))
    query = data.draw(st.lists(st.tuples(st.sampled_from(["limit", "cursor", "user_id", "order_id", "status", "x", ""]),
                                         st.sampled_from([b"1", b"100", b"created"]) | st.binary(max_size=12)),
                               max_size=3))
    raw = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in query)
    member = st.sampled_from(["name", "email", "user_id", "product", "amount", "status", "x"])
    body = data.draw(st.none() | st.binary(max_size=40) | values.ANYTHING.map(encode)
                     | st.dictionaries(member, values.ANYTHING, max_size=4).map(encode))
    headers = data.draw(st.lists(st.tuples(st.sampled_from(HEADERS), PRINTABLE | st.sampled_from(HEADER_VALUES)),
                                 max_size=2))
    answer = world.send(method, path.replace("{id}", quote(segment, safe="")) + "?" + raw, body, headers)

    known = [each for each in OPERATIONS if (each.method, each.path) == (method, path)]
    judge(answer, known[0].responses if known else OUTSIDE, head=method == "HEAD")
    assert known or answer.status in (400, 405), answer
    assert answer.status < 500, answer
