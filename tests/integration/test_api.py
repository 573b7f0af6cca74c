# SPDX-License-Identifier: MIT
"""The HTTP interface through the gateway: every row of its table."""
import re
import uuid
from datetime import datetime, timezone

import pytest

from lib.client import Client, check_problem, check_traced, email

CHINESE = "测试商品"
ORDER = {"user_id": 1, "product": "Tea", "amount": 1}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
MISSING_ID = 9007199254740991


def new_user(api, name="Ada"):
    answer = api.post("/api/v1/users", {"name": name, "email": email()})
    assert answer.status == 201, answer
    return answer.json()


def new_order(api, headers=(), **fields):
    answer = api.post("/api/v1/orders", {"user_id": 1, "product": "Tea", "amount": 9.9} | fields, headers)
    assert answer.status == 201, answer
    return answer.json()


def check_time(text):
    assert TIME.fullmatch(text), text
    age = datetime.now(timezone.utc) - datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert -5 < age.total_seconds() < 600, text


# ---- users


def test_a_user_is_created_read_changed_and_deleted(api):
    address = email()
    answer = api.post("/api/v1/users", {"name": CHINESE, "email": address})
    assert answer.status == 201
    assert answer.header("Content-Type") == "application/json"
    user = answer.json()
    assert list(user) == ["id", "name", "email", "created_at"]
    assert (user["name"], user["email"]) == (CHINESE, address)
    check_time(user["created_at"])
    path = f"/api/v1/users/{user['id']}"
    assert answer.header("Location") == path

    assert api.get(path).json() == user
    changed = api.patch(path, {"name": "Zoë"})
    assert (changed.status, changed.json()) == (200, user | {"name": "Zoë"})
    other = email()
    assert api.patch(path, {"email": other}).json() == user | {"name": "Zoë", "email": other}
    gone = api.delete(path)
    assert (gone.status, gone.body, gone.header("Content-Type")) == (204, b"", None)
    for answer in (api.get(path), api.patch(path, {"name": "x"}), api.delete(path)):
        check_problem(answer, 404)


def test_an_email_is_taken_once(api):
    first, second = new_user(api), new_user(api)
    check_problem(api.post("/api/v1/users", {"name": "x", "email": first["email"]}), 409)
    check_problem(api.patch(f"/api/v1/users/{second['id']}", {"email": first["email"]}), 409)
    assert api.patch(f"/api/v1/users/{first['id']}", {"email": first["email"]}).status == 200


def test_the_lists_have_seed_data(system):
    # The seed is there before any test: what it holds has the lowest ids.
    assert len(system.gateway.get("/api/v1/users?limit=100").json()["items"]) >= 10
    assert system.gateway.get("/api/v1/orders").json()["items"]
    assert system.gateway.get("/api/v1/notifications").json()["items"]


# ---- orders


def test_an_order_is_created_with_text_byte_for_byte(api):
    body = '{"user_id": 1, "product": "测试商品", "amount": 99.99}'.encode()
    answer = api.request("POST", "/api/v1/orders", body)
    assert answer.status == 201
    order = answer.json()
    assert list(order) == ["id", "user_id", "product", "amount", "status", "notification", "created_at"]
    assert order | {"id": 0, "created_at": ""} == {
        "id": 0, "user_id": 1, "product": CHINESE, "amount": 99.99, "status": "created", "notification": "sent",
        "created_at": ""}
    assert CHINESE.encode() in answer.body and b'"amount":99.99' in answer.body.replace(b" ", b"")
    check_time(order["created_at"])
    assert answer.header("Location") == f"/api/v1/orders/{order['id']}"
    assert api.get(answer.header("Location")).json() == order
    assert api.get("/api/v1/orders?limit=1").json()["items"] == [order]


def test_the_example_is_stored_as_integer_cents(api, system):
    order = new_order(api, product=CHINESE, amount=99.99)
    row = system.query("orders", "SELECT * FROM orders WHERE id = ?", order["id"])
    assert len(row) == 1 and CHINESE in row[0] and 9999 in row[0], row


@pytest.mark.parametrize("amount,written", [
    ("0.01", "0.01"), ("1000000", "1000000"), ("1000000.00", "1000000"), ("0.1", "0.1"), ("19.90", "19.9"),
    ("1e2", "100"), ("4.35", "4.35"), ("999999.99", "999999.99"), ("1.10", "1.1"), ("2.5e-1", "0.25"),
])
def test_amounts_are_exact(api, amount, written):
    body = f'{{"user_id":1,"product":"x","amount":{amount}}}'.encode()
    answer = api.request("POST", "/api/v1/orders", body)
    assert answer.status == 201
    assert f'"amount":{written},'.encode() in answer.body.replace(b" ", b"")


def test_text_of_every_kind_comes_back(api):
    for product in ("x", "á" * 200, "😀" * 200, '"\\/', "<script>&amp;'", "e\u0301 \u200d \u202e", "\u2028 \uffff",
                    "a\u00a0b", "\U0010ffff"):
        order = new_order(api, product=product)
        assert order["product"] == product
        assert api.get(f"/api/v1/orders/{order['id']}").json()["product"] == product
    escaped = b'{"user_id":1,"product":"\\u6d4b\\ud83d\\ude00","amount":1}'
    assert api.request("POST", "/api/v1/orders", escaped).json()["product"] == "测😀"


def test_an_order_is_cancelled_once(api):
    order = new_order(api)
    path = f"/api/v1/orders/{order['id']}"
    answer = api.patch(path, {"status": "cancelled"})
    assert (answer.status, answer.json()) == (200, order | {"status": "cancelled"})
    check_problem(api.patch(path, {"status": "cancelled"}), 409)
    assert api.get(path).json()["status"] == "cancelled"
    check_problem(api.patch(path, {"status": "created"}), 422)
    check_problem(api.patch(f"/api/v1/orders/{MISSING_ID}", {"status": "cancelled"}), 404)


def test_an_order_needs_its_user(api, system):
    before = system.query("orders", "SELECT count(*) FROM orders")
    problem = check_problem(api.post("/api/v1/orders", {"user_id": MISSING_ID, "product": "x", "amount": 1}), 422)
    assert str(MISSING_ID) in problem["detail"] or problem.get("errors"), problem
    assert system.query("orders", "SELECT count(*) FROM orders") == before


def test_orders_are_filtered_and_newest_first(api):
    user = new_user(api)["id"]
    orders = [new_order(api, user_id=user, product=f"p{n}") for n in range(4)]
    api.patch(f"/api/v1/orders/{orders[1]['id']}", {"status": "cancelled"})
    ids = [order["id"] for order in orders]

    def listed(query):
        return [order["id"] for order in api.get(f"/api/v1/orders?user_id={user}{query}").json()["items"]]
    assert listed("") == ids[::-1]
    assert listed("&status=cancelled") == [ids[1]]
    assert listed("&status=created") == [ids[3], ids[2], ids[0]]
    assert listed("&status=created&limit=2") == [ids[3], ids[2]]
    assert api.get(f"/api/v1/orders?user_id={MISSING_ID}").json() == {"items": [], "next_cursor": None}


# ---- notifications


def test_an_order_is_notified_once(api, system):
    order = new_order(api)
    items = api.get(f"/api/v1/notifications?order_id={order['id']}").json()["items"]
    assert len(items) == 1
    notification = items[0]
    assert list(notification) == ["id", "event_id", "user_id", "order_id", "channel", "message", "status", "created_at"]
    assert (notification["user_id"], notification["order_id"]) == (1, order["id"])
    uuid.UUID(notification["event_id"])
    check_time(notification["created_at"])
    assert api.get(f"/api/v1/notifications/{notification['id']}").json() == notification
    assert notification in api.get("/api/v1/notifications?user_id=1&limit=100").json()["items"]
    check_problem(api.get(f"/api/v1/notifications/{MISSING_ID}"), 404)


def test_a_notification_is_posted_to_the_service_alone(api, system):
    event = {"event_id": str(uuid.uuid4()), "user_id": 1, "order_id": 424242, "channel": "email", "message": "hello"}
    refused = api.post("/api/v1/notifications", event)
    check_problem(refused, 405)
    assert "POST" not in refused.header("Allow") and "GET" in refused.header("Allow")

    with Client(system.ports["notifications"], traced=False) as direct:
        first = direct.post("/api/v1/notifications", event)
        assert first.status == 201, first
        again = direct.post("/api/v1/notifications", event)
        assert again.status == 200 and again.json()["id"] == first.json()["id"]
    assert len(api.get("/api/v1/notifications?order_id=424242").json()["items"]) == 1


# ---- lists


@pytest.mark.parametrize("path", ["users", "orders", "notifications"])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_paging_shows_every_item_once(api, system, path, limit):
    if limit == 1 and system.query(path, f"SELECT count(*) FROM {path}")[0][0] > 150:
        limit = 3
    seen, query = [], f"?limit={limit}"
    while True:
        page = api.get(f"/api/v1/{path}{query}").json()
        assert list(page) == ["items", "next_cursor"] and len(page["items"]) <= limit
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == limit
        query = f"?limit={limit}&cursor={page['next_cursor']}"
    stored = [row[0] for row in system.query(path, f"SELECT id FROM {path}")]
    assert len(seen) == len(set(seen)) and sorted(seen) == sorted(stored)
    if path == "orders":
        assert seen == sorted(seen, reverse=True)


def test_the_default_limit_is_20(api):
    for _ in range(21 - len(api.get("/api/v1/users?limit=21").json()["items"])):
        new_user(api)
    page = api.get("/api/v1/users").json()
    assert len(page["items"]) == 20 and page["next_cursor"]


@pytest.mark.parametrize("path", ["users", "orders", "notifications"])
@pytest.mark.parametrize("query", [
    "limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=99999999999999999999", "limit=%00",
    "cursor=nonsense", "cursor=%ff", "cursor=-1", "limit=%zz",
])
def test_bad_paging_is_refused(api, path, query):
    problem = check_problem(api.get(f"/api/v1/{path}?{query}"), 422)
    assert problem["errors"], problem


@pytest.mark.parametrize("path,query", [
    ("orders", "user_id=x"), ("orders", "user_id=0"), ("orders", "status=lost"), ("orders", "user_id=1&status="),
    ("notifications", "order_id=x"), ("notifications", "user_id=-5"),
])
def test_bad_filters_are_refused(api, path, query):
    assert check_problem(api.get(f"/api/v1/{path}?{query}"), 422)["errors"]


# ---- Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07)


def test_a_key_stores_one_order(api, system):
    key = [("Idempotency-Key", f'"{uuid.uuid4()}"')]
    before = system.query("orders", "SELECT count(*) FROM orders")[0][0]
    first = new_order(api, key, product="once")
    again = api.post("/api/v1/orders", {"user_id": 1, "product": "once", "amount": 9.9}, key)
    assert (again.status, again.json()) == (201, first)
    assert again.header("Location") == f"/api/v1/orders/{first['id']}"
    api.patch(f"/api/v1/orders/{first['id']}", {"status": "cancelled"})
    assert new_order(api, key, product="once") == first | {"status": "cancelled"}
    check_problem(api.post("/api/v1/orders", {"user_id": 1, "product": "twice", "amount": 9.9}, key), 422)
    assert system.query("orders", "SELECT count(*) FROM orders")[0][0] == before + 1
    assert len(api.get(f"/api/v1/notifications?order_id={first['id']}").json()["items"]) == 1


def test_a_refused_request_may_be_tried_again_with_its_key(api):
    key = [("Idempotency-Key", f'"{uuid.uuid4()}"')]
    check_problem(api.post("/api/v1/orders", {"user_id": MISSING_ID, "product": "x", "amount": 1}, key), 422)
    check_problem(api.post("/api/v1/orders", {"user_id": 1, "product": "", "amount": 1}, key), 422)
    new_order(api, key)


@pytest.mark.parametrize("key", ['""', '"unfinished', 'a b', '"' + "x" * 256 + '"', "é".encode(), '"a\\x"', '"a" "b"'])
def test_a_malformed_key_is_400(api, key):
    check_problem(api.post("/api/v1/orders", ORDER, [("Idempotency-Key", key)]), 400)


def test_a_key_of_255_characters_is_taken(api):
    name = uuid.uuid4().hex + "x" * 223
    key = [("Idempotency-Key", f'"{name}"')]
    assert new_order(api, key)["id"] == new_order(api, key)["id"]


# ---- health


def test_health(api, system):
    for path in ("/healthz", "/readyz"):
        assert api.get(path).status == 200
    for program in system.programs:
        with Client(system.port_of(program), traced=False) as client:
            assert client.get("/healthz").status == 200
            assert client.get("/readyz").status == 200
            assert client.get("/metrics").status == 200


def test_service_ports_answer_their_own_paths_alone(system):
    for program in system.services:
        with Client(system.ports[program], traced=False) as client:
            for path in system.services:
                answer = check_traced(client.get(f"/api/v1/{path}"))
                assert answer.status == (200 if path == program else 404), (program, path)
                if answer.status == 404:
                    check_problem(answer, 404)
