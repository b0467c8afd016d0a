package api

import (
	"context"
	"strings"
	"testing"
)

// BenchmarkItem measures the item operations from request bytes to answer bytes, on items of about 1 KB in memory.
func BenchmarkItem(b *testing.B) {
	const value = `{"a":{"S":"user#1"},"b":{"N":"12345"},"name":{"S":"somebody"},"tags":{"SS":["x","y","z"]},"m":{"M":{"n":{"N":"1.5"},"t":{"BOOL":true}}},"text":{"S":"`
	it := value + strings.Repeat("lorem ipsum ", 80) + `"}}`
	const key = `"TableName":"T","Key":{"a":{"S":"user#1"},"b":{"N":"12345"}}`
	tests := []struct{ name, op, body string }{
		{"Get", "GetItem", `{` + key + `}`},
		{"GetProjected", "GetItem", `{` + key + `,"ProjectionExpression":"#n, m.n","ExpressionAttributeNames":{"#n":"name"}}`},
		{"Put", "PutItem", `{"TableName":"T","Item":` + it + `}`},
		{"PutConditional", "PutItem", `{"TableName":"T","Item":` + it + `,"ConditionExpression":"b = :b","ExpressionAttributeValues":{":b":{"N":"12345"}}}`},
		{"Update", "UpdateItem", `{` + key + `,"UpdateExpression":"SET m.n = m.n + :one, #n = :n","ExpressionAttributeNames":{"#n":"name"},"ExpressionAttributeValues":{":one":{"N":"1"},":n":{"S":"me"}}}`},
		{"Select", "ExecuteStatement", `{"Statement":"SELECT * FROM T WHERE a = ? AND b = ?","Parameters":[{"S":"user#1"},{"N":"12345"}]}`},
		{"UpdateStatement", "ExecuteStatement", `{"Statement":"UPDATE T SET m.n = m.n + 1 SET name = ? WHERE a = ? AND b = ?","Parameters":[{"S":"me"},{"S":"user#1"},{"N":"12345"}]}`},
		{"Delete", "DeleteItem", `{"TableName":"T","Key":{"a":{"S":"none"},"b":{"N":"1"}}}`},
	}
	for _, test := range tests {
		b.Run(test.name, func(b *testing.B) {
			s := newService(b)
			s.createTable(b, "T", true)
			s.must(b, "PutItem", `{"TableName":"T","Item":`+it+`}`)
			r := &Request{Target: targetPrefix + test.op, Body: []byte(test.body)}
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				status, body := s.Serve(context.Background(), r, out[:0])
				if status != 200 {
					b.Fatalf("%s", body)
				}
				out = body
			}
		})
	}
}
