# SPDX-License-Identifier: MIT
"""ETag, If-Match and If-None-Match on single users, orders and notifications (RFC 9110, sections 8.8.3 and 13)."""
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.client import Client, check_problem, email

STRONG = re.compile(r'"[!#-~]+"')
MISSING = "/api/v1/users/9007199254740991"


def make_user(api):
    answer = api.post("/api/v1/users", {"name": "Ada", "email": email()})
    assert answer.status == 201
    return answer


def make_order(api):
    answer = api.post("/api/v1/orders", {"user_id": 1, "product": "Tea", "amount": 1})
    assert answer.status == 201 and answer.json()["notification"] == "sent"
    return answer


@pytest.fixture(params=["users", "orders"])
def made(request, api):
    """(path, ETag, a change that a PATCH may ask for)"""
    answer = make_user(api) if request.param == "users" else make_order(api)
    change = {"name": "Zoë"} if request.param == "users" else {"status": "cancelled"}
    return answer.header("Location"), answer.header("ETag"), change


def test_every_answer_of_one_state_has_one_strong_etag(api, made):
    path, etag, change = made
    assert STRONG.fullmatch(etag)
    for answer in (api.get(path), api.request("HEAD", path), api.get(path, [("Accept-Encoding", "gzip")])):
        assert (answer.status, answer.header("ETag")) == (200, etag)
        assert answer.header("Cache-Control") == "private, no-cache"
    changed = api.patch(path, change)
    assert changed.header("ETag") != etag and changed.header("ETag") == api.get(path).header("ETag")


def test_notifications_have_one(api):
    notification = api.get("/api/v1/notifications?limit=1").json()["items"][0]
    path = f"/api/v1/notifications/{notification['id']}"
    etag = api.get(path).header("ETag")
    assert STRONG.fullmatch(etag)
    assert api.get(path, [("If-None-Match", etag)]).status == 304


def test_lists_and_problems_have_none(api):
    for path in ("/api/v1/users", "/api/v1/orders", "/api/v1/notifications", MISSING):
        assert api.get(path).header("ETag") is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_known_is_not_sent_again(system, made, method):
    path, etag, _ = made
    api = system.gateway
    for tags in (etag, f"W/{etag}", f'"x", {etag}', "*", f'W/"y" ,, W/{etag},'):
        answer = api.request(method, path, headers=[("If-None-Match", tags)])
        assert (answer.status, answer.body, answer.header("ETag")) == (304, b"", etag), tags
        assert answer.header("Content-Type") is None and answer.header("Cache-Control") == "private, no-cache"
    for tags in ('"x"', etag.strip('"'), f"x{etag}", f'"x" {etag}', etag[:-1]):
        assert api.request(method, path, headers=[("If-None-Match", tags)]).status == 200, tags
    assert api.request(method, path, headers=[("If-None-Match", '"x"'), ("If-Match", etag)]).status == 200
    answer = api.request(method, path, headers=[("If-Match", '"x"'), ("If-None-Match", etag)])
    assert answer.status == 412 and answer.header("ETag") is None
    assert api.request(method, MISSING, headers=[("If-None-Match", "*")]).status == 404


def test_a_304_is_traced_as_what_it_is(system, made):
    path, etag, _ = made
    answer = system.gateway.get(path, [("If-None-Match", etag)])
    server = [span for span in system.trace(answer) if span.kind == "SERVER"]
    assert {span.attributes["http.response.status_code"] for span in server} == {304} and len(server) == 2
    assert not [span for span in server if "error.type" in span.attributes]


@pytest.mark.parametrize("header, tags", [
    ("If-Match", '"x"'), ("If-Match", "W/{}"), ("If-Match", ""), ("If-Match", "x"), ("If-Match", 'W/"x", W/{}'),
    ("If-Match", '"x" {}'), ("If-None-Match", "*"), ("If-None-Match", "{}"), ("If-None-Match", 'W/"x", W/{}')])
def test_a_change_of_another_state_is_refused(api, made, header, tags):
    path, etag, change = made
    before = api.get(path)
    conditions = [(header, tags.format(etag))]
    check_problem(api.patch(path, change, conditions), 412)
    if "users" in path:
        check_problem(api.delete(path, conditions), 412)
    after = api.get(path)
    assert (after.body, after.header("ETag")) == (before.body, etag)


@pytest.mark.parametrize("header, tags", [
    ("If-Match", "{}"), ("If-Match", "*"), ("If-Match", '"x", {}'), ("If-Match", 'W/"x" , {},'),
    ("If-None-Match", '"x"'), ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")])
def test_a_change_of_this_state_is_made(api, made, header, tags):
    path, etag, change = made
    changed = api.patch(path, change, [(header, tags.format(etag))])
    assert changed.status == 200 and changed.header("ETag") != etag
    if "users" in path:
        tags = tags.format(changed.header("ETag"))
        assert api.delete(path, [(header, tags)]).status == 204


def test_conditions_come_after_other_faults(api, made):
    """RFC 9110, section 13.2.1: what would be refused in any case keeps its answer."""
    path, etag, change = made
    wrong = [("If-Match", '"x"')]
    check_problem(api.patch(path, {}, wrong), 422)
    check_problem(api.patch(path, b"{", wrong), 400)
    check_problem(api.patch(MISSING.replace("users", path.split("/")[3]), change, wrong), 404)
    check_problem(api.delete(MISSING, wrong), 404)
    check_problem(api.patch(MISSING, {"name": "a"}, [("If-Match", "*")]), 404)


def test_a_cancelled_order(api):
    answer = make_order(api)
    path, etag = answer.header("Location"), answer.header("ETag")
    cancelled = api.patch(path, {"status": "cancelled"}, [("If-Match", etag)])
    assert cancelled.status == 200
    check_problem(api.patch(path, {"status": "cancelled"}, [("If-Match", etag)]), 412)
    check_problem(api.patch(path, {"status": "cancelled"}, [("If-Match", cancelled.header("ETag"))]), 409)


def test_a_taken_address_is_still_a_conflict(api):
    one, other = make_user(api), make_user(api)
    taken = {"email": other.json()["email"]}
    check_problem(api.patch(one.header("Location"), taken, [("If-Match", one.header("ETag"))]), 409)


def test_a_repeated_order_has_the_etag_of_now(api):
    key = [("Idempotency-Key", f'"{email()}"')]
    order = {"user_id": 1, "product": "Tea", "amount": 2}
    first = api.post("/api/v1/orders", order, key)
    again = api.post("/api/v1/orders", order, [*key, ("If-None-Match", first.header("ETag"))])
    assert again.status == 201 and again.header("ETag") == api.get(first.header("Location")).header("ETag")


def test_no_update_is_lost(system):
    """Of changes that are made at once of one state, one happens: the condition is looked at inside the commit."""
    user = make_user(system.gateway)
    path, etag = user.header("Location"), user.header("ETag")

    def change(number):
        with Client(system.ports["gateway"]) as client:
            answer = client.patch(path, {"name": f"number {number}"}, [("If-Match", etag)])
            return answer.status, number
    for first in range(0, 40, 8):  # no name comes twice: the state would be the one of before
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(change, range(first, first + 8)))
        winner, = (number for status, number in answers if status == 200)
        assert sorted(status for status, _ in answers) == [200] + [412] * 7
        now = system.gateway.get(path)
        assert now.json()["name"] == f"number {winner}"
        etag = now.header("ETag")
