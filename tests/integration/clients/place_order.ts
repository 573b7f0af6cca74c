// SPDX-License-Identifier: MIT
// Places and cancels an order, by the client that openapi-generator makes for TypeScript. Prints its id.
import {Configuration, OrderChangeStatusEnum, OrdersApi, ResponseError, UsersApi} from "./index";

declare const process: {argv: string[]; exitCode: number};

async function main(url: string, email: string): Promise<void> {
	const configuration = new Configuration({basePath: url});
	const users = new UsersApi(configuration);
	const orders = new OrdersApi(configuration);

	const user = await users.createUser({userCreate: {name: "Ada", email}});
	const order = await orders.createOrder({idempotencyKey: `"${email}"`,
		orderCreate: {userId: user.id, product: "测试商品", amount: 123456.78}});
	const page = await orders.listOrders({userId: user.id, limit: 1});
	if (page.items.length !== 1 || page.items[0].id !== order.id || page.nextCursor !== null)
		throw new Error(`the list has ${JSON.stringify(page)}`);
	const tag = (await orders.getOrderRaw({id: order.id})).raw.headers.get("ETag") ?? "";
	const change = {id: order.id, orderChange: {status: OrderChangeStatusEnum.Cancelled}};
	const refused = await orders.cancelOrder({...change, ifMatch: '"x"'}).catch((error) => error);
	if (!(refused instanceof ResponseError) || refused.response.status !== 412)
		throw new Error(`another state was changed: ${refused}`);
	await orders.cancelOrder({...change, ifMatch: tag});
	console.log(order.id);
}

main(process.argv[2], process.argv[3]).catch((error) => {
	console.error(error);
	process.exitCode = 1;
});
