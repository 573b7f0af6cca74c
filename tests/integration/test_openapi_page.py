# SPDX-License-Identifier: MIT
"""The API's description as the console shows it: nothing is missing, and its examples work as a reader pastes them."""
import re
import subprocess

import pytest

from lib.browser import Browser
from lib.client import parse_raw
from lib.fixtures import console_fixture
from lib.openapi import OPERATIONS, judge
from lib.wait import SLOWNESS, wait_until

SHOWN = [operation for operation in OPERATIONS if operation.method != "HEAD"]  # of which GET's entry tells

described = console_fixture("described")


@pytest.fixture(scope="module")
def page(described, tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser"), described.ports["console"]) as browser, browser.judged():
        browser.open()
        browser.click('nav a[data-tab="api"]')
        browser.wait(".api-operation")
        yield browser


def test_every_operation_is_shown(page):
    methods, paths = page.texts(".api-method"), page.texts(".api-path")
    assert sorted(zip(methods, paths)) == sorted((each.method, each.path) for each in SHOWN)
    assert len(page.texts(".api-parameters")) == len(page.texts(".api-answers")) == len(SHOWN)
    assert {str(status) for each in SHOWN for status in each.responses} == set(page.texts(".api-status"))


def test_bounds_are_shown(page):
    body, = [text for text in page.texts(".api-body") if "Answered 201, the order" in text]
    for words in ("1 to 200 characters", "0.01 to 1000000; in steps of 0.01", "1 to 9007199254740991",
                  "Idempotency-Key"):
        assert words in body, words


def test_the_copy_button_says_what_it_did(page):
    page.use(".api-copy")
    first, *others = wait_until(lambda: (texts := page.texts(".api-copy"))[0] != "Copy" and texts,
                                "the button says nothing", interval=0.05)
    assert first in ("Copied", "Selected") and set(others) == {"Copy"}


def test_the_examples_work(page, described):
    """In order; what deletes comes last."""
    lines = page.texts(".api-example code")
    assert len(lines) == len(SHOWN) and all(f":{described.ports['gateway']}/" in line for line in lines)
    for line in sorted(lines, key=lambda line: "DELETE" in line):
        method = (re.search(r"-X (\w+)", line) or ["", "GET"])[1]
        done = subprocess.run(["sh", "-c", line.replace("curl", "curl -s --noproxy '*'", 1)], capture_output=True,
                              timeout=30 * SLOWNESS, check=True)
        answer = parse_raw(done.stdout)
        path = re.sub(r"/\d+$", "/{id}", re.search(r":\d+(/[^ ]+)", line)[1])
        operation, = (each for each in SHOWN if (each.method, each.path) == (method, path))
        judge(answer, operation.responses)
        assert answer.status == operation.success, (line, answer)
