package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// batchAnswer is an answer of BatchGetItem.
type batchAnswer struct {
	Responses       map[string][]json.RawMessage
	UnprocessedKeys map[string]struct {
		Keys                     []json.RawMessage
		ConsistentRead           bool
		ProjectionExpression     string
		ExpressionAttributeNames map[string]string
		AttributesToGet          []string
	}
	ConsumedCapacity []struct{ CapacityUnits float64 }
}

// batchTable makes a table T with n items of the attribute v, keys 1 to n.
func batchTable(t *testing.T, n int, v string) *testService {
	t.Helper()
	s := newService(t)
	s.createTable(t, "T", false)
	for i := 1; i <= n; i++ {
		s.must(t, "PutItem", fmt.Sprintf(`{"TableName":"T","Item":{"a":{"S":"%d"},"v":%s}}`, i, v))
	}
	return s
}

// TestBatchGetBound fills the response of BatchGetItem, with large items and with numbers that
// print much longer than they count, and follows UnprocessedKeys to the end.
func TestBatchGetBound(t *testing.T) {
	tests := []struct {
		name  string
		items int
		value string
		rest  string // of the KeysAndAttributes
		want  []int  // items answered, call by call
	}{
		{"sizes", 45, `{"S":"` + strings.Repeat("x", 409590) + `"}`, `,"ConsistentRead":true,"ExpressionAttributeNames":{"#a":"a"},"ProjectionExpression":"#a"`, []int{40, 5}},
		{"encoded", 3, `{"L":[` + strings.Repeat(`{"N":"1E125"},`, 99999) + `{"N":"1"}]}`, ``, []int{1, 1, 1}},
		{"unprojected", 2, `{"L":[` + strings.Repeat(`{"N":"1E125"},`, 99999) + `{"N":"1"}]}`, `,"AttributesToGet":["a"]`, []int{2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := batchTable(t, test.items, test.value)
			var keys []string
			for i := 1; i <= test.items; i++ {
				keys = append(keys, fmt.Sprintf(`{"a":{"S":"%d"}}`, i))
			}
			items := `{"T":{"Keys":[` + strings.Join(keys, ",") + `]` + test.rest + `}}`
			for n, want := range test.want {
				body := s.must(t, "BatchGetItem", `{"ReturnConsumedCapacity":"TOTAL","RequestItems":`+items+`}`)
				var a batchAnswer
				if err := json.Unmarshal([]byte(body), &a); err != nil {
					t.Fatal(err)
				}
				left := a.UnprocessedKeys["T"]
				if len(a.Responses["T"]) != want || (n < len(test.want)-1) != (len(left.Keys) > 0) {
					t.Fatalf("call %d: %d items and %d keys left, want %d items", n, len(a.Responses["T"]), len(left.Keys), want)
				}
				if len(left.Keys) > 0 {
					var raw map[string]json.RawMessage
					if err := json.Unmarshal([]byte(body), &raw); err != nil {
						t.Fatal(err)
					}
					items = string(raw["UnprocessedKeys"])
					if test.name == "sizes" && (!left.ConsistentRead || left.ProjectionExpression != "#a" || left.ExpressionAttributeNames["#a"] != "a") {
						t.Errorf("UnprocessedKeys = %+v", left)
					}
				}
				if units := a.ConsumedCapacity[0].CapacityUnits; test.name == "sizes" && units != float64(100*want) {
					t.Errorf("call %d: %v units for %d items", n, units, want)
				}
			}
		})
	}
}
