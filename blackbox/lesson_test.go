package blackbox_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TestLesson is an introduction to DynamoDB, line by line: the management of a shop's orders. What
// it prints is what the lesson says it prints. At the end the table is deleted.
func TestLesson(t *testing.T) {
	t.Parallel()
	orders := new("orders")
	status := lessonTable(t, orders)
	same(t, "status of the new table", status, types.TableStatusCreating)
	described := must(client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: orders}))(t).Table
	same(t, "status at once", described.TableStatus, types.TableStatusActive)

	put(t, orders, lessonOrder())
	lessonGet(t, orders)
	lessonQuery(t, orders)
	lessonUpdate(t, orders)
	lessonIndex(t, orders)

	must(client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: orders}))(t)
	_, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: orders})
	refused(t, err, "ResourceNotFoundException", "Requested resource not found: Table: orders not found")
}

// lessonTable creates the table: orders by customer and date.
func lessonTable(t *testing.T, orders *string) types.TableStatus {
	out := must(client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: orders,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: new("user_id"), KeyType: types.KeyTypeHash},
			{AttributeName: new("order_date"), KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: new("user_id"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: new("order_date"), AttributeType: types.ScalarAttributeTypeS},
		},
		BillingMode: types.BillingModePayPerRequest,
	}))(t)
	return out.TableDescription.TableStatus
}

// lessonOrder is the order that the lesson writes.
func lessonOrder() attrs {
	return attrs{
		"user_id":    s("u_441"),
		"order_date": s("2024-01-15"),
		"order_id":   s("ord_8821"),
		"status":     s("delivered"),
		"total":      n("149.99"),
		"items": l(
			m(attrs{"sku": s("TEE-M-BLUE"), "qty": n("2"), "price": n("29.99")}),
			m(attrs{"sku": s("HAT-L-RED"), "qty": n("1"), "price": n("19.99")}),
		),
	}
}

// lessonKey is its key.
func lessonKey() attrs { return attrs{"user_id": s("u_441"), "order_date": s("2024-01-15")} }

// lessonGet fetches one exact order.
func lessonGet(t *testing.T, orders *string) {
	out := must(client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: orders, Key: lessonKey(), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}))(t)
	var order struct {
		Total attributevalue.Number `dynamodbav:"total"`
	}
	if err := attributevalue.UnmarshalMap(out.Item, &order); err != nil {
		t.Fatal(err)
	}
	same(t, "printed", fmt.Sprintf("Order total: £%s", order.Total), "Order total: £149.99")
	same(t, "capacity", *out.ConsumedCapacity.CapacityUnits, 0.5)
	same(t, "the whole order", show(out.Item), `{items: [{price: 29.99, qty: 2, sku: "TEE-M-BLUE"}, {price: 19.99, qty: 1, sku: "HAT-L-RED"}], `+
		`order_date: "2024-01-15", order_id: "ord_8821", status: "delivered", total: 149.99, user_id: "u_441"}`)
	same(t, "an order that is not there", get(t, orders, attrs{"user_id": s("u_441"), "order_date": s("2024-02-30")}), "none")
}

// lessonQuery gets all orders of a customer in January.
func lessonQuery(t *testing.T, orders *string) {
	for date, total := range map[string]string{
		"2023-12-31": "10", "2024-01-03": "89.99", "2024-01-22": "34.50", "2024-01-29": "220.00", "2024-02-03": "120",
	} {
		put(t, orders, attrs{"user_id": s("u_441"), "order_date": s(date), "total": n(total)})
	}
	put(t, orders, attrs{"user_id": s("u_882"), "order_date": s("2024-01-10"), "total": n("1")})
	out := must(client.Query(ctx, &dynamodb.QueryInput{
		TableName:              orders,
		KeyConditionExpression: new("user_id = :user AND order_date BETWEEN :from AND :to"),
		ProjectionExpression:   new("user_id, order_date, #total"),
		ExpressionAttributeNames: map[string]string{
			"#total": "total", // a reserved word
		},
		ExpressionAttributeValues: attrs{":user": s("u_441"), ":from": s("2024-01-01"), ":to": s("2024-01-31")},
		ReturnConsumedCapacity:    types.ReturnConsumedCapacityTotal,
	}))(t)
	same(t, "printed", fmt.Sprintf("Orders in January: %d", len(out.Items)), "Orders in January: 4")
	same(t, "orders", showAll(out.Items), `{order_date: "2024-01-03", total: 89.99, user_id: "u_441"}
{order_date: "2024-01-15", total: 149.99, user_id: "u_441"}
{order_date: "2024-01-22", total: 34.5, user_id: "u_441"}
{order_date: "2024-01-29", total: 220, user_id: "u_441"}`)
	same(t, "items scanned", out.ScannedCount, 4)
	same(t, "capacity", *out.ConsumedCapacity.CapacityUnits, 0.5)
}

// lessonUpdate ships the order.
func lessonUpdate(t *testing.T, orders *string) {
	update := func(expression string, names map[string]string) (*dynamodb.UpdateItemOutput, error) {
		return client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: orders, Key: lessonKey(), UpdateExpression: &expression, ExpressionAttributeNames: names,
			ExpressionAttributeValues: attrs{":status": s("shipped"), ":tracking": s("DHL-9921-EU"), ":ts": s("2024-01-16T09:00:00")},
		})
	}
	_, err := update("SET status = :status, tracking = :tracking, updated_at = :ts", nil)
	invalid(t, err, oneError+"Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: status")
	must(update("SET #s = :status, tracking = :tracking, updated_at = :ts", map[string]string{"#s": "status"}))(t)
	same(t, "the shipped order", get(t, orders, lessonKey()),
		`{items: [{price: 29.99, qty: 2, sku: "TEE-M-BLUE"}, {price: 19.99, qty: 1, sku: "HAT-L-RED"}], `+
			`order_date: "2024-01-15", order_id: "ord_8821", status: "shipped", total: 149.99, tracking: "DHL-9921-EU", `+
			`updated_at: "2024-01-16T09:00:00", user_id: "u_441"}`)
}

// lessonIndex adds the index by status to the live table, and finds the shipped orders of January.
func lessonIndex(t *testing.T, orders *string) {
	must(client.UpdateTable(ctx, &dynamodb.UpdateTableInput{
		TableName: orders,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: new("status"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: new("order_date"), AttributeType: types.ScalarAttributeTypeS},
		},
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{
			IndexName: new("status-date-index"),
			KeySchema: []types.KeySchemaElement{
				{AttributeName: new("status"), KeyType: types.KeyTypeHash},
				{AttributeName: new("order_date"), KeyType: types.KeyTypeRange},
			},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}}},
	}))(t)
	awaitIndex(t, orders, "status-date-index")
	out := must(client.Query(ctx, &dynamodb.QueryInput{
		TableName:                 orders,
		IndexName:                 new("status-date-index"),
		KeyConditionExpression:    new("#s = :shipped AND order_date BETWEEN :from AND :to"),
		ProjectionExpression:      new("order_id"),
		ExpressionAttributeNames:  map[string]string{"#s": "status"},
		ExpressionAttributeValues: attrs{":shipped": s("shipped"), ":from": s("2024-01-01"), ":to": s("2024-01-31")},
	}))(t)
	same(t, "printed", fmt.Sprintf("Shipped orders in January: %d", len(out.Items)), "Shipped orders in January: 1")
	same(t, "shipped", showAll(out.Items), `{order_id: "ord_8821"}`)
}
