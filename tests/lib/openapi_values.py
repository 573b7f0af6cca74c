# SPDX-License-Identifier: MIT
"""Hypothesis' strategies made of the schemas of the API's description: values that keep all rules, that break one."""
import decimal
import functools
import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from hypothesis import strategies as st

from lib.openapi import resolve

BODY = ("body",)
# What text is checked for somewhere: controls, white space of every kind, what separates the parts of a value.
SUSPECT = "\x01\t\n\r\x1f \x7f\x80\x85\x9f\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000@\"\\,é"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6)


def matches(pattern, text):
    """As ECMA-262 has it: $ is the end, not the line's."""
    return re.search(re.sub(r"\$$", r"\\Z", pattern), text) is not None


def stretched(text, length):
    """Longer, by what is allowed there: no pattern of the description minds an x behind the first character."""
    return text[:1] + "x" * (length - len(text)) + text[1:]


def room(schema, text):
    """How many characters of one byte it may have more."""
    return min(schema["maxLength"] - len(text), schema.get("x-maxBytes", 4000) - len(text.encode()))


def text_fits(schema, text):
    return (schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", 400)
            and len(text.encode()) <= schema.get("x-maxBytes", 4000) and matches(schema.get("pattern", ""), text))


def text(schema):
    return text_of(json.dumps(schema, default=str))


@functools.lru_cache(maxsize=None)  # to read a pattern takes a while
def text_of(schema):
    schema = json.loads(schema)
    pattern = schema.get("pattern", "^[!-~]*$")
    anchored = r"\A(?:" + pattern.removeprefix("^").removesuffix("$") + r")\Z"
    some = st.from_regex(anchored).filter(lambda value: text_fits(schema, value))
    if "maxLength" not in schema:
        return some
    return some | some.map(lambda value: stretched(value, len(value) + room(schema, value)))


def steps(schema):
    """The bounds of a number, in units of its step."""
    unit = schema.get("multipleOf", 1)
    return unit, int(schema["minimum"] / unit), int(schema["maximum"] / unit)


def number(schema):
    unit, low, high = steps(schema)
    return (st.integers(low, high) | st.sampled_from([low, low + 1, high - 1, high])).map(lambda n: n * unit)


def valid(schema, references=None):
    """Values that keep the schema's rules. `references` {member: value}: what must be the id of something."""
    schema = resolve(schema)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "string":
        return text(schema)
    if schema["type"] in ("integer", "number"):
        return number(schema)
    assert schema["type"] == "object", schema
    members = {name: st.just(references[name]) if name in (references or {}) else valid(member)
               for name, member in schema["properties"].items()}
    required = schema.get("required", [])
    return st.fixed_dictionaries({name: members[name] for name in required},
                                 optional={name: members[name] for name in members if name not in required}
                                 ).filter(lambda value: len(value) >= schema.get("minProperties", 0))


# ---- one rule broken


@dataclass(frozen=True)
class Fault:
    label: str
    change: object  # (value that keeps all rules) -> strategy of values that break this one
    pointer: tuple  # what the answer must point at; None: something


def other_types(kind):
    """Values of every type but this one; 1 is a number, too, and 0.5 is no integer."""
    some = {"null": [None], "boolean": [True, False], "array": [[], [1]], "object": [{}, {"a": 1}], "string": ["1", ""],
            "integer": [1], "number": [0.5, 1.5]}
    same = {"number": {"number", "integer"}}.get(kind, {kind})
    return st.sampled_from([value for name, values in some.items() if name not in same for value in values])


def with_suspect(schema, value):
    """The value with a character more that its pattern does not let pass."""
    candidates = [value[:at] + char + value[at:] for char in SUSPECT for at in (0, len(value) // 2, len(value))]
    return st.sampled_from([each for each in candidates if not matches(schema["pattern"], each)])


def text_faults(schema):
    if "enum" in schema:
        yield "another word", lambda value: st.text(
            st.characters(min_codepoint=0x20, max_codepoint=0x7e)).filter(lambda word: word not in schema["enum"])
        return
    if schema.get("minLength"):
        yield "too short", lambda value: st.just(value[:schema["minLength"] - 1])
    if "maxLength" in schema:
        yield "one character too many", lambda value: st.just(stretched(value, schema["maxLength"] + 1))
        yield "far too long", lambda value: st.integers(schema["maxLength"] + 2, 3000).map(
            lambda length: stretched(value, length))
    if "x-maxBytes" in schema:
        yield "a byte too many", lambda value: st.just("é" + stretched(value, len(value) + room(schema, value) - 1))
    if "pattern" in schema:
        yield "a forbidden character", lambda value: with_suspect(schema, value)


def number_faults(schema):
    unit, low, high = steps(schema)
    yield "one below", lambda value: st.just((low - 1) * unit)
    yield "one above", lambda value: st.just((high + 1) * unit)
    yield "far below", lambda value: st.integers(max_value=low - 1).map(lambda n: n * unit)
    yield "far above", lambda value: st.integers(high + 1, 10 ** 40).map(lambda n: n * unit)
    if "multipleOf" in schema:
        tenth = unit / 10
        yield "between two steps", lambda value: st.integers(1, 9).map(
            lambda n: value + n * tenth if value < high * unit else value - n * tenth)


def value_faults(schema):
    """(label, change) of every rule for one value."""
    schema = resolve(schema)
    yield "another type", lambda value: other_types(schema["type"])
    yield from text_faults(schema) if schema["type"] == "string" else number_faults(schema)


def replaced(name, change):
    return lambda body: change(body[name]).map(lambda value: {**body, name: value})


def unknown_member(schema, body):
    longest = resolve({"$ref": "#/components/schemas/FieldError"})["properties"]["pointer"]["maxLength"]
    names = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40).filter(
        lambda name: name not in schema["properties"] and len(quote(f"#/{name}")) <= longest)
    return st.tuples(names, ANYTHING).map(lambda member: ({**body, member[0]: member[1]}, (*BODY, member[0])))


def body_faults(schema):
    """Every way to break one rule of a body. The value of a change may be a pair: the body, and its own pointer."""
    yield Fault("no object", lambda body: other_types("object"), BODY)
    yield Fault("unknown member", lambda body: unknown_member(schema, body), None)
    if schema.get("minProperties"):
        yield Fault("too few members", lambda body: st.just({}), (*BODY, next(iter(schema["properties"]))))
    for name in schema.get("required", ()):
        yield Fault(f"{name}: missing", lambda body, name=name: st.just(
            {key: value for key, value in body.items() if key != name}), (*BODY, name))
    for name, member in schema["properties"].items():
        for label, change in value_faults(member):
            yield Fault(f"{name}: {label}", replaced(name, change), (*BODY, name))
        if resolve(member)["type"] == "string":
            yield Fault(f"{name}: U+0000", replaced(name, lambda value: st.just(f"{value}\0")), BODY)
            yield Fault(f"{name}: half a surrogate pair", replaced(name, lambda value: st.sampled_from(
                [f"{value}\ud800", f"\udfff{value}"])), BODY)


def plain(value):
    """As json.dumps takes it."""
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(value)
