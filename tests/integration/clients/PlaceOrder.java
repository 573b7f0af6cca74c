// SPDX-License-Identifier: MIT
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.OrdersApi;
import org.openapitools.client.api.UsersApi;
import org.openapitools.client.model.OrderChange;
import org.openapitools.client.model.OrderCreate;
import org.openapitools.client.model.UserCreate;

/** Places and cancels an order, by the client that openapi-generator makes for Java. Prints its id. */
public class PlaceOrder {
	public static void main(String[] args) throws Exception {
		ApiClient client = new ApiClient();
		client.updateBaseUri(args[0]);
		UsersApi users = new UsersApi(client);
		OrdersApi orders = new OrdersApi(client);

		var user = users.createUser(new UserCreate().name("Ada").email(args[1]), null, null, null);
		var order = orders.createOrder(new OrderCreate().userId(user.getId()).product("测试商品").amount(123456.78),
			"\"" + args[1] + "\"", null, null, null);
		var page = orders.listOrders(user.getId(), null, 1, null, null, null, null);
		if (page.getItems().size() != 1 || !page.getItems().get(0).getId().equals(order.getId()))
			throw new Exception("the list has " + page);
		String tag = orders.getOrderWithHttpInfo(order.getId(), null, null, null, null, null).getHeaders()
			.entrySet().stream().filter(one -> one.getKey().equalsIgnoreCase("ETag")).findFirst().get().getValue().get(0);
		var change = new OrderChange().status(OrderChange.StatusEnum.CANCELLED);
		try {
			orders.cancelOrder(order.getId(), change, "\"x\"", null, null, null, null);
			throw new Exception("another state was changed");
		} catch (ApiException error) {
			if (error.getCode() != 412)
				throw error;
		}
		orders.cancelOrder(order.getId(), change, tag, null, null, null, null);
		System.out.println(order.getId());
	}
}
