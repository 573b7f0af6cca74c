# SPDX-License-Identifier: MIT
"""Places and cancels an order, by the client that openapi-generator makes for Python. Prints its id."""
import sys

import openapi_client as client

configuration = client.Configuration(host=sys.argv[1])
with client.ApiClient(configuration) as api:
    users, orders = client.UsersApi(api), client.OrdersApi(api)
    user = users.create_user(client.UserCreate(name="Ada", email=sys.argv[2]))
    order = orders.create_order(client.OrderCreate(user_id=user.id, product="测试商品", amount=123456.78),
                                idempotency_key=f'"{sys.argv[2]}"')
    page = orders.list_orders(user_id=user.id, limit=1)
    assert [one.id for one in page.items] == [order.id] and page.next_cursor is None, page
    tag = orders.get_order_with_http_info(order.id).headers["ETag"]
    change = client.OrderChange(status="cancelled")
    try:
        orders.cancel_order(order.id, change, if_match='"x"')
        raise AssertionError("another state was changed")
    except client.ApiException as error:
        assert error.status == 412, error
    orders.cancel_order(order.id, change, if_match=tag)
    print(order.id)
