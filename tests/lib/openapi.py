# SPDX-License-Identifier: MIT
"""The description of the API, nginx/console/openapi.json: its operations, and answers judged by it.

Debian's python3-jsonschema judges bodies and headers (OpenAPI 3.1 schemas are those of JSON Schema 2020-12). Numbers
are read as decimals: in binary, 4.35 is no multiple of 0.01.
"""
import decimal
import json
import re
from dataclasses import dataclass
from urllib.parse import unquote

import jsonschema

from lib.system import ROOT

SOURCE = ROOT / "nginx/console/openapi.yaml"
FILE = ROOT / "nginx/console/openapi.json"
METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")


def loads(data):
    return json.loads(data, parse_float=decimal.Decimal)


def closed(schema):
    """Answers may get members that are described later; what is answered today is described today."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(part) for name, part in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)
    return schema


API = loads(FILE.read_text(encoding="utf-8"))
RESOLVER = jsonschema.RefResolver.from_schema(closed(API))


def resolve(value):
    while "$ref" in value:
        node = API
        for part in value["$ref"].removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        value = node
    return value


def validate(value, schema):
    """Raises jsonschema.ValidationError."""
    checker = jsonschema.Draft202012Validator(closed(schema), resolver=RESOLVER,
                                              format_checker=jsonschema.draft202012_format_checker)
    checker.validate(value)


@dataclass(frozen=True)
class Operation:
    method: str  # "GET"
    path: str  # the template

    @property
    def raw(self):
        return API["paths"][self.path][self.method.lower()]

    @property
    def parameters(self):
        return [resolve(each) for each in [*API["paths"][self.path].get("parameters", ()),
                                           *self.raw.get("parameters", ())]]

    @property
    def body(self):
        """The schema of the request's body; None: it takes none."""
        media = self.raw.get("requestBody", {}).get("content", {}).get("application/json")
        return resolve(media["schema"]) if media else None

    @property
    def responses(self):
        return {int(status): resolve(response) for status, response in self.raw["responses"].items()}

    @property
    def success(self):
        """The status that a request gets when nothing is wrong."""
        return min(status for status in self.responses if status < 300)

    def __str__(self):
        return f"{self.method} {self.path}"


OPERATIONS = [Operation(method.upper(), path) for path, item in API["paths"].items() for method in METHODS
              if method in item]
OUTSIDE = {int(status): resolve(response)
           for status, response in API["x-outside-operations"]["responses"].items()}


def operation(method, path):
    found, = (each for each in OPERATIONS if (each.method, each.path) == (method, path))
    return found


def check_headers(answer, response):
    for name, header in response.get("headers", {}).items():
        header = resolve(header)
        value = answer.header(name)
        assert value is not None or not header.get("required"), (name, answer)
        if value is not None:
            validate(value, header["schema"])


def judge(answer, responses, head=False):
    """The status is described, and so are the headers and the body; returns the body's value."""
    assert answer.status in responses, f"{answer.status} is not described: {answer}"
    response = responses[answer.status]
    check_headers(answer, response)
    content = response.get("content", {})
    kind = answer.header("Content-Type")
    assert kind in content or (kind is None and not content), (kind, answer)
    if head or kind is None:
        assert answer.body == b"", answer
        return None
    value = loads(answer.body)
    validate(value, content[kind]["schema"])
    if answer.status >= 400:
        assert (value["status"], value["trace_id"]) == (answer.status, answer.trace_id), answer
    return value


def pointers(problem):
    """Of the `errors`, decoded: ("body", member …) or ("query", name)."""
    result = []
    for error in problem.get("errors", ()):
        kind, _, rest = re.fullmatch("(#|[?])(/?)(.*)", error["pointer"], re.S).groups()
        rest = unquote(rest, errors="strict")
        if kind == "?":
            result.append(("query", rest))
        elif error["pointer"] == "#":
            result.append(("body",))
        else:
            result.append(("body", *(part.replace("~1", "/").replace("~0", "~") for part in rest.split("/"))))
    return result
