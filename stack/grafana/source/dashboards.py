#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes ../dashboards/*.json, which Grafana reads: make dashboards. The JSON is checked in; what is edited is here."""
import json
import pathlib

from overview import overview
from service import service
from telemetry import telemetry


def main():
    directory = pathlib.Path(__file__).resolve().parents[1] / "dashboards"
    for content in (overview, service, telemetry):
        text = json.dumps(content(), indent=1, ensure_ascii=False)
        (directory / f"{content.__name__}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
