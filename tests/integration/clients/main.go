// SPDX-License-Identifier: MIT
// Places and cancels an order, by the client that openapi-generator makes for Go. Prints its id.
package main

import (
	"context"
	"fmt"
	"os"

	openapi "github.com/GIT_USER_ID/GIT_REPO_ID"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	configuration := openapi.NewConfiguration()
	configuration.Servers = openapi.ServerConfigurations{{URL: os.Args[1]}}
	client := openapi.NewAPIClient(configuration)
	ctx := context.Background()

	user, _, err := client.UsersAPI.CreateUser(ctx).UserCreate(*openapi.NewUserCreate("Ada", os.Args[2])).Execute()
	check(err)
	order, _, err := client.OrdersAPI.CreateOrder(ctx).IdempotencyKey("\"" + os.Args[2] + "\"").
		OrderCreate(*openapi.NewOrderCreate(user.Id, "测试商品", 123456.78)).Execute()
	check(err)
	page, _, err := client.OrdersAPI.ListOrders(ctx).UserId(user.Id).Limit(1).Execute()
	check(err)
	if len(page.Items) != 1 || page.Items[0].Amount != order.Amount || page.NextCursor.Get() != nil {
		check(fmt.Errorf("the list has %v", page))
	}
	_, answer, err := client.OrdersAPI.GetOrder(ctx, order.Id).Execute()
	check(err)
	change := *openapi.NewOrderChange("cancelled")
	_, refused, err := client.OrdersAPI.CancelOrder(ctx, order.Id).OrderChange(change).IfMatch("\"x\"").Execute()
	if err == nil || refused.StatusCode != 412 {
		check(fmt.Errorf("another state was changed: %v", refused))
	}
	_, _, err = client.OrdersAPI.CancelOrder(ctx, order.Id).OrderChange(change).IfMatch(answer.Header.Get("ETag")).Execute()
	check(err)
	fmt.Println(order.Id)
}
