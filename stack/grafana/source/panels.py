# SPDX-License-Identifier: MIT
"""Building blocks of the dashboards: queries, links, panels, variables, layout."""
import json
from urllib.parse import quote

PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
LOKI = {"type": "loki", "uid": "loki"}
TEMPO = {"type": "tempo", "uid": "tempo"}

GREEN, YELLOW, RED = "green", "yellow", "red"


# ---- queries ----

def prom(expr, legend="", exemplars=False, instant=False, table=False):
    query = {"datasource": PROMETHEUS, "expr": expr, "legendFormat": legend or "__auto", "editorMode": "code",
             "instant": instant, "range": not instant, "exemplar": exemplars}
    if table:
        query["format"] = "table"
    return query


def logql(expr, legend=""):
    return {"datasource": LOKI, "expr": expr, "legendFormat": legend, "queryType": "range", "maxLines": 200}


def traceql(query, limit=20):
    return {"datasource": TEMPO, "queryType": "traceql", "query": query, "limit": limit, "tableType": "traces"}


# ---- links ----

def to_logs(selector):
    """From a point of a panel to the lines of its service at that time."""
    explore = {"datasource": "loki", "queries": [{"refId": "A", "datasource": LOKI, "expr": selector}],
               "range": {"from": "${__from}", "to": "${__to}"}}
    return {"title": "Logs", "url": "/explore?left=" + quote(json.dumps(explore), safe="${}_.:,"), "targetBlank": False}


LOGS_OF_SERIES = to_logs('{job="application-logs", service="${__field.labels.job}"}')
LOGS_OF_VARIABLE = to_logs('{job="application-logs", service="${service}"}')
SERVICE_OF_SERIES = {"title": "Service ${__field.labels.job}", "targetBlank": False,
                     "url": "/d/apm-service?var-service=${__field.labels.job}&${__url_time_range}"}


# ---- panels ----

def steps(*pairs):
    """steps(GREEN, (0.01, YELLOW), (0.05, RED)): from a value on, a colour."""
    first, *rest = pairs
    return {"mode": "absolute",
            "steps": [{"color": first, "value": None}] + [{"color": color, "value": value} for value, color in rest]}


NONE = steps(GREEN)
ANY_IS_BAD = steps(GREEN, (0.000001, RED))


def panel(kind, title, description, targets, width, height=8, unit="short", thresholds=NONE, links=(), options=None,
          custom=None, source=PROMETHEUS, **defaults):
    targets = targets if isinstance(targets, list) else [targets]
    return {
        "type": kind, "title": title, "description": description, "datasource": source, "_size": (width, height),
        "targets": [{"refId": chr(ord("A") + i), **target} for i, target in enumerate(targets)],
        "fieldConfig": {"defaults": {"unit": unit, "thresholds": thresholds, "links": list(links),
                                     "custom": custom or {}, **defaults}, "overrides": []},
        "options": options or {},
    }


def timeseries(title, description, targets, width=8, unit="short", thresholds=None, **more):
    """Thresholds are drawn as dashed lines, where there are any. soft_max: the axis reaches it at least."""
    soft_max = more.pop("soft_max", None)
    custom = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": 30000,
              "lineInterpolation": "linear", **({"axisSoftMax": soft_max} if soft_max else {}),
              "thresholdsStyle": {"mode": "dashed" if thresholds else "off"}, **more.pop("custom", {})}
    options = {"legend": {"displayMode": "list", "placement": "bottom", "calcs": []},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", title, description, targets, width, unit=unit, thresholds=thresholds or NONE,
                 custom=custom, options=options, **{"min": 0, **more})


def stacked(title, description, targets, width=8, **more):
    return timeseries(title, description, targets, width, custom={"stacking": {"mode": "normal"}, "fillOpacity": 30},
                      **more)


def stat(title, description, targets, width=4, unit="short", thresholds=NONE, height=4, text="auto", **more):
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value",
               "graphMode": "area", "textMode": text, "justifyMode": "auto"}
    return panel("stat", title, description, targets, width, height, unit, thresholds, options=options, **more)


def bars(title, description, targets, width=6, **more):
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "displayMode": "basic",
               "orientation": "horizontal"}
    return panel("bargauge", title, description, targets, width, options=options, **more)


def heatmap(title, description, target, width=8, unit="s", **more):
    """`unit` is that of the buckets; the colours are how many requests a second fell into one."""
    options = {"calculate": False, "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5},
               "yAxis": {"unit": unit}, "tooltip": {"show": True, "yHistogram": False}, "legend": {"show": True},
               "cellGap": 1, "exemplars": {"color": "rgba(0,120,255,0.9)"}}
    return panel("heatmap", title, description, [{**target, "format": "heatmap"}], width, unit="reqps", options=options,
                 **more)


def logs(title, description, expr, width=24, height=9):
    options = {"showTime": True, "wrapLogMessage": True, "enableLogDetails": True, "sortOrder": "Descending",
               "dedupStrategy": "none", "showLabels": False, "prettifyLogMessage": False}
    return panel("logs", title, description, logql(expr), width, height, options=options, source=LOKI)


def log_levels(title, description, selector, width=24, height=5):
    """How many lines of each level there were."""
    options = {"legend": {"displayMode": "list", "placement": "right"}, "tooltip": {"mode": "multi"}}
    custom = {"drawStyle": "bars", "stacking": {"mode": "normal"}, "fillOpacity": 60, "lineWidth": 0}
    expr = f"sum by (level) (count_over_time({selector}[$__interval]))"
    result = panel("timeseries", title, description, logql(expr, "{{level}}"), width, height, source=LOKI,
                   options=options, custom=custom,
                   links=[to_logs('{job="application-logs", level="${__field.labels.level}"}')])
    result["interval"] = "5s"  # a bar is at least this wide
    return result


def traces(title, description, query, width=12, height=9):
    """The columns are Tempo's; what is left of the width is the name's."""
    result = panel("table", title, description, traceql(query), width, height, source=TEMPO,
                   options={"showHeader": True, "cellHeight": "sm"}, custom={"align": "auto"}, unit="none")
    widths = {"Trace ID": 120, "Start time": 180, "Service": 130, "Duration": 90}  # pixels
    result["fieldConfig"]["overrides"] = [
        {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "custom.width", "value": pixels}]}
        for name, pixels in widths.items()]
    return result


def service_graph(title, description, width=24, height=13):
    return panel("nodeGraph", title, description, {"datasource": TEMPO, "queryType": "serviceMap", "limit": 20},
                 width, height, source=TEMPO, unit="none")


def table(title, description, targets, width, columns, height=8, **more):
    """Several instant queries joined by their labels. columns: {"Value #A": ("Rate", "reqps", thresholds)}."""
    result = panel("table", title, description, targets, width, height, options={"showHeader": True}, **more)
    order = {name: position for position, name in enumerate(columns)}
    result["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": {}, "indexByName": order}}]
    for field, (name, unit, thresholds) in columns.items():
        properties = [{"id": "displayName", "value": name}]
        if unit:
            properties += [{"id": "unit", "value": unit}, {"id": "thresholds", "value": thresholds},
                           {"id": "custom.displayMode", "value": "color-text"}, {"id": "decimals", "value": 2}]
        result["fieldConfig"]["overrides"].append({"matcher": {"id": "byName", "options": field},
                                                   "properties": properties})
    return result


# ---- variables and layout ----

def query_variable(name, label, query, multi, default=None, description=""):
    current = {"text": "All", "value": "$__all"} if multi else {"text": default, "value": default}
    return {"name": name, "label": label, "type": "query", "datasource": PROMETHEUS, "description": description,
            "query": {"query": query, "refId": name}, "definition": query, "refresh": 2, "sort": 1, "multi": multi,
            "includeAll": multi, "allValue": ".*" if multi else None, "current": current, "options": []}


def choice_variable(name, label, values, description=""):
    options = [{"text": value, "value": value, "selected": i == 0} for i, value in enumerate(values)]
    return {"name": name, "label": label, "type": "custom", "query": ",".join(values), "options": options,
            "current": {"text": values[0], "value": values[0]}, "description": description, "multi": False,
            "includeAll": False}


def dashboard(uid, title, description, variables, rows):
    """rows: [(title, [panel, …]), …]; panels flow from left to right, 24 units a line."""
    panels, y = [], 0

    def place(item, x, width, height):
        panels.append({"id": len(panels) + 1, "gridPos": {"x": x, "y": y, "w": width, "h": height}, **item})

    for row, items in rows:
        place({"type": "row", "title": row, "collapsed": False, "panels": []}, 0, 24, 1)
        y += 1
        x = line = 0
        for item in items:
            width, height = item["_size"]
            if x + width > 24:
                x, y, line = 0, y + line, 0
            place({key: value for key, value in item.items() if key != "_size"}, x, width, height)
            x, line = x + width, max(line, height)
        y += line
    return {
        "uid": uid, "title": title, "description": description, "tags": ["apm"], "schemaVersion": 37, "version": 1,
        "editable": True, "graphTooltip": 1, "timezone": "", "refresh": "10s",
        "time": {"from": "now-15m", "to": "now"}, "templating": {"list": variables}, "annotations": {"list": []},
        "links": [{"type": "dashboards", "tags": ["apm"], "title": "APM", "asDropdown": False, "includeVars": False,
                   "keepTime": True, "targetBlank": False, "icon": "external link"}],
        "panels": panels,
    }
