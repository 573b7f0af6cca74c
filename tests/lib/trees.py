# SPDX-License-Identifier: MIT
"""Traces as trees: shapes that can be compared, and nesting in time."""


def index(spans):
    """{span id: span}; every span once."""
    result = {}
    for span in spans:
        assert span.span_id not in result, f"{span} came twice"
        result[span.span_id] = span
    return result


def shape(spans):
    """((service, kind, name, (children …)) …) of the roots, siblings in order of start."""
    by_id = index(spans)
    children = {}
    for span in spans:
        parent = span.parent_id if span.parent_id in by_id else ""
        children.setdefault(parent, []).append(span)

    def build(parent):
        ordered = sorted(children.get(parent, ()), key=lambda span: span.start)
        return tuple((span.service, span.kind, span.name, build(span.span_id)) for span in ordered)
    return build("")


def draw(tree, depth=0):
    return "".join("  " * depth + f"{service} {kind} {name}\n" + draw(children, depth + 1)
                   for service, kind, name, children in tree)


def check_shape(spans, expected):
    got = shape(spans)
    assert got == expected, f"the trace is\n{draw(got)}and should be\n{draw(expected)}"


def check_nesting(spans):
    """Every child inside its parent, with no tolerance; one root at most has its parent elsewhere."""
    by_id = index(spans)
    for span in spans:
        assert 0 < span.start <= span.end, f"{span}: {span.start} {span.end}"
        parent = by_id.get(span.parent_id)
        if parent:
            assert parent.start <= span.start, f"{span} starts {parent.start - span.start} ns before {parent}"
            assert span.end <= parent.end, f"{span} ends {span.end - parent.end} ns after {parent}"


def only(spans, service, kind, name=None):
    found = [span for span in spans if span.service == service and span.kind == kind
             and (name is None or span.name == name)]
    assert len(found) == 1, f"{service} {kind} {name}: {[str(span) for span in spans]}"
    return found[0]
