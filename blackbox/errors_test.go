package blackbox_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TestErrorTypes finds errors by the types that the SDK has for them.
func TestErrorTypes(t *testing.T) {
	t.Parallel()
	table := simple(t)
	put(t, table, attrs{"a": s("1"), "x": n("1")})

	_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: new("no-such-table"), Key: attrs{"a": s("1")}})
	var notFound *types.ResourceNotFoundException
	if !errors.As(err, &notFound) {
		t.Fatal(err)
	}
	same(t, "message", *notFound.Message, "Requested resource not found")

	_, err = client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: attrs{"a": s("1")}, ConditionExpression: new("x > x2"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		t.Fatal(err)
	}
	same(t, "message", *failed.Message, "The conditional request failed")
	same(t, "item", show(failed.Item), `{a: "1", x: 1}`)

}

// TestAnswer is about the headers of an answer, and the bytes of it.
func TestAnswer(t *testing.T) {
	t.Parallel()
	table := simple(t)
	put(t, table, attrs{"a": s("1"), "x": n("1.50"), "e": s("\u2028<&>\"\\/\n\x01é")})
	for _, c := range []struct {
		operation, body string
		status          int
		want            string
	}{
		{"GetItem", `{"TableName":"` + *table + `","Key":{"a":{"S":"1"}},"ReturnConsumedCapacity":"TOTAL"}`, 200, `{"Item":{"a":{"S":"1"},` +
			`"e":{"S":"` + "\u2028" + `<&>\"\\/\n\u0001é"},"x":{"N":"1.5"}},"ConsumedCapacity":{"TableName":"` + *table + `","CapacityUnits":0.5}}`},
		{"GetItem", `{"TableName":"` + *table + `","Key":{"a":{"S":"none"}}}`, 200, `{}`},
		{"PutItem", `{"TableName":"` + *table + `","Item":{"a":{"S":"2"}}}`, 200, `{}`},
		{"DeleteItem", `{"TableName":"` + *table + `","Key":{"a":{"S":"2"}}}`, 200, `{}`},
		{"UpdateItem", `{"TableName":"` + *table + `","Key":{"a":{"S":"1"}}}`, 200, `{}`},
		{"BatchGetItem", `{"RequestItems":{"` + *table + `":{"Keys":[{"a":{"S":"none"}}]}}}`, 200, `{"Responses":{"` + *table + `":[]},"UnprocessedKeys":{}}`},
		{"BatchWriteItem", `{"RequestItems":{"` + *table + `":[{"DeleteRequest":{"Key":{"a":{"S":"none"}}}}]}}`, 200, `{"UnprocessedItems":{}}`},
		{"Query", `{"TableName":"` + *table + `","KeyConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"S":"none"}}}`, 200,
			`{"Items":[],"Count":0,"ScannedCount":0}`},
		{"Query", `{"TableName":"` + *table + `","Select":"COUNT","KeyConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"S":"1"}}}`, 200,
			`{"Count":1,"ScannedCount":1}`},
		{"PutItem", `{}`, 400, `{"__type":"com.amazon.coral.validate#ValidationException","message":"1 validation error detected: ` +
			`Value null at 'tableName' failed to satisfy constraint: Member must not be null"}`},
		{"PutItem", `{"TableName":"no-such-table","Item":{"a":{"S":"1"}}}`, 400,
			`{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found"}`},
		{"PutItem", `{"TableName":"` + *table + `","Item":{"a":{"S":"1"}},"ConditionExpression":"attribute_not_exists(a)"}`, 400,
			`{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`},
		{"PutItem", `{"TableName":5}`, 400,
			`{"__type":"com.amazon.coral.service#SerializationException","Message":"NUMBER_VALUE cannot be converted to String"}`},
		{"PutItem", `{"TableName":`, 400, `{"__type":"com.amazon.coral.service#SerializationException"}`},
		{"PutThing", `{}`, 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
		{"PutThing", ``, 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
		{"putItem", `{}`, 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
		{"PutThing", `{"a":`, 400, `{"__type":"com.amazon.coral.service#SerializationException"}`},
	} {
		status, header, answer := send(t, http.MethodPost, c.body, map[string]string{"X-Amz-Target": "DynamoDB_20120810." + c.operation})
		same(t, c.operation+c.body, fmt.Sprint(status, " ", answer), fmt.Sprint(c.status, " ", c.want))
		same(t, "X-Amz-Crc32", header.Get("X-Amz-Crc32"), strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(answer))), 10))
		same(t, "Content-Type", header.Get("Content-Type"), "application/x-amz-json-1.0")
		same(t, "Content-Length", header.Get("Content-Length"), strconv.Itoa(len(answer)))
		if id := header.Get("X-Amzn-Requestid"); !regexp.MustCompile(`^[A-Z0-9]{52}$`).MatchString(id) {
			t.Errorf("request id %q", id)
		}
	}
}

// TestWire is about requests that are none, and what is no call.
func TestWire(t *testing.T) {
	t.Parallel()
	const list = "DynamoDB_20120810.ListTables"
	const unknown = "<UnknownOperationException/>\n"
	for what, c := range map[string]struct {
		method, body string
		headers      map[string]string
		status       int
		answer       string
	}{
		"GET":                 {"GET", "", nil, 200, "healthy: dynamodb.us-east-1.amazonaws.com "},
		"PUT":                 {"PUT", "{}", map[string]string{"X-Amz-Target": list}, 404, unknown},
		"another JSON":        {"POST", "{}", map[string]string{"X-Amz-Target": list, "Content-Type": "application/x-amz-json-1.1"}, 404, unknown},
		"no type":             {"POST", "{}", map[string]string{"X-Amz-Target": list, "Content-Type": ""}, 404, unknown},
		"no target":           {"POST", "{}", nil, 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
		"the first API":       {"POST", "{}", map[string]string{"X-Amz-Target": "DynamoDB_20111205.ListTables"}, 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
		"the other API":       {"POST", "{}", map[string]string{"X-Amz-Target": "DynamoDBStreams_20120810.ListTables"}, 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
		"no body":             {"POST", "", map[string]string{"X-Amz-Target": list}, 400, `{"__type":"com.amazon.coral.service#SerializationException"}`},
		"an array":            {"POST", "[]", map[string]string{"X-Amz-Target": list}, 400, `{"__type":"com.amazon.coral.service#SerializationException"}`},
		"a trailing comma":    {"POST", `{"Limit":1,}`, map[string]string{"X-Amz-Target": list}, 400, `{"__type":"com.amazon.coral.service#SerializationException"}`},
		"something behind":    {"POST", `{} {}`, map[string]string{"X-Amz-Target": list}, 400, `{"__type":"com.amazon.coral.service#SerializationException"}`},
		"a control character": {"POST", "{\"a\":\"\n\"}", map[string]string{"X-Amz-Target": list}, 400, `{"__type":"com.amazon.coral.service#SerializationException"}`},
		"unsigned": {"POST", "{}", map[string]string{"X-Amz-Target": list, "Authorization": "Bearer x"}, 400,
			`{"__type":"com.amazon.coral.service#MissingAuthenticationTokenException","message":"Request is missing Authentication Token"}`},
		"half signed": {"POST", "{}", map[string]string{"X-Amz-Target": list, "Authorization": "AWS4-HMAC-SHA256 Credential=x"}, 400,
			`{"__type":"com.amazon.coral.service#IncompleteSignatureException","message":"Authorization header requires 'Signature' parameter. ` +
				`Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256 Credential=x"}`},
	} {
		status, _, answer := send(t, c.method, c.body, c.headers)
		same(t, what, fmt.Sprint(status, " ", answer), fmt.Sprint(c.status, " ", c.answer))
	}

	_, header, _ := send(t, "POST", "{}", map[string]string{"X-Amz-Target": list, "Content-Type": "application/json; charset=UTF-8"})
	same(t, "plain JSON", header.Get("Content-Type"), "application/json")
	_, header, _ = send(t, "OPTIONS", "", map[string]string{"Origin": "http://localhost:3000", "Access-Control-Request-Headers": "x-amz-target"})
	same(t, "CORS", fmt.Sprint(header.Get("Access-Control-Allow-Origin"), header.Get("Access-Control-Allow-Headers"), header.Get("Access-Control-Max-Age")),
		"*x-amz-target172800")
	status, _, answer := send(t, "POST", strings.Repeat(" ", 16<<20+1), map[string]string{"X-Amz-Target": list})
	same(t, "more than 16 MB", fmt.Sprint(status, answer), "413")
}

// TestCompression is about answers and requests that are compressed.
func TestCompression(t *testing.T) {
	t.Parallel()
	table := simple(t)
	text := strings.Repeat("compressible ", 1000)
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	fmt.Fprintf(w, `{"TableName":%q,"Item":{"a":{"S":"1"},"t":{"S":%q}}}`, *table, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	status, _, answer := send(t, http.MethodPost, body.String(), map[string]string{"X-Amz-Target": "DynamoDB_20120810.PutItem", "Content-Encoding": "gzip"})
	same(t, "a compressed request", fmt.Sprint(status, answer), "200{}")

	_, header, answer := send(t, http.MethodPost, fmt.Sprintf(`{"TableName":%q,"Key":{"a":{"S":"1"}}}`, *table),
		map[string]string{"X-Amz-Target": "DynamoDB_20120810.GetItem", "Accept-Encoding": "gzip"})
	same(t, "encoding", header.Get("Content-Encoding"), "gzip")
	same(t, "checksum of what is sent", header.Get("X-Amz-Crc32"), strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(answer))), 10))
	r, err := gzip.NewReader(strings.NewReader(answer))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	same(t, "a compressed answer", fmt.Sprint(string(plain), err), `{"Item":{"a":{"S":"1"},"t":{"S":"`+text+`"}}}<nil>`)
}

// TestJSONTypes is about members of a wrong type, which no SDK can send: each declared type and
// each JSON value.
func TestJSONTypes(t *testing.T) {
	t.Parallel()
	const (
		structure = "Start of structure or map found where not expected"
		shape     = "com.amazonaws.dynamodb.v20120810."
		generic   = "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class java.lang.Class " +
			"(sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and java.lang.Class are in module java.base of loader 'bootstrap')"
		ok = "" // goes on to the validation
	)
	// A member by its operation and body, with ? for the value, and the messages for the values.
	values := []string{`true`, `5`, `1.5`, `"text"`, `[]`, `{}`}
	for _, c := range []struct {
		operation, body string
		messages        [6]string
	}{
		{"PutItem", `{"TableName":?}`, [6]string{"TRUE_VALUE cannot be converted to String", "NUMBER_VALUE cannot be converted to String",
			"DECIMAL_VALUE cannot be converted to String", ok, "Unrecognized collection type class java.lang.String", structure}},
		{"PutItem", `{"Item":{"x":{"N":?}}}`, [6]string{"TRUE_VALUE cannot be converted to String", "NUMBER_VALUE cannot be converted to String",
			"DECIMAL_VALUE cannot be converted to String", ok, "Unrecognized collection type class java.lang.String", structure}},
		{"PutItem", `{"Item":{"x":{"SS":[?]}}}`, [6]string{"TRUE_VALUE cannot be converted to String", "NUMBER_VALUE cannot be converted to String",
			"DECIMAL_VALUE cannot be converted to String", ok, "Unrecognized collection type class java.lang.String", structure}},
		{"GetItem", `{"ConsistentRead":?}`, [6]string{ok, "NUMBER_VALUE cannot be converted to Boolean", "DECIMAL_VALUE cannot be converted to Boolean",
			"Unexpected token received from parser", "Unrecognized collection type class java.lang.Boolean", structure}},
		{"PutItem", `{"Item":{"x":{"BOOL":?}}}`, [6]string{ok, "NUMBER_VALUE cannot be converted to Boolean", "DECIMAL_VALUE cannot be converted to Boolean",
			"Unexpected token received from parser", "Unrecognized collection type class java.lang.Boolean", structure}},
		{"Scan", `{"Limit":?}`, [6]string{"TRUE_VALUE cannot be converted to Integer", ok, ok, "STRING_VALUE cannot be converted to Integer",
			"Unrecognized collection type class java.lang.Integer", structure}},
		{"PutItem", `{"Item":{"x":{"B":?}}}`, [6]string{"only base-64-encoded strings are convertible to bytes",
			"only base-64-encoded strings are convertible to bytes", "only base-64-encoded strings are convertible to bytes", ok,
			"Unrecognized collection type class java.nio.ByteBuffer", structure}},
		{"PutItem", `{"Item":{"x":{"BS":?}}}`, [6]string{"Unexpected field type", "Unexpected field type", "Unexpected field type", "Unexpected field type", ok, structure}},
		{"GetItem", `{"AttributesToGet":?}`, [6]string{"Unexpected field type", "Unexpected field type", "Unexpected field type", "Unexpected field type", ok, structure}},
		{"PutItem", `{"Item":?}`, [6]string{"Unexpected field type", "Unexpected field type", "Unexpected field type", "Unexpected field type",
			"Unrecognized collection type java.util.Map<java.lang.String, " + shape + "AttributeValue>", ok}},
		{"PutItem", `{"ExpressionAttributeNames":?}`, [6]string{"Unexpected field type", "Unexpected field type", "Unexpected field type", "Unexpected field type",
			"Unrecognized collection type java.util.Map<java.lang.String, java.lang.String>", ok}},
		{"PutItem", `{"Item":{"x":?}}`, [6]string{"Unexpected value type in payload", "Unexpected value type in payload", "Unexpected value type in payload",
			"Unexpected value type in payload", "Unrecognized collection type class " + shape + "AttributeValue", ok}},
		{"PutItem", `{"Item":{"x":{"L":[?]}}}`, [6]string{"Unexpected value type in payload", "Unexpected value type in payload", "Unexpected value type in payload",
			"Unexpected value type in payload", "Unrecognized collection type class " + shape + "AttributeValue", ok}},
		{"Query", `{"KeyConditions":{"x":?}}`, [6]string{"Unexpected value type in payload", "Unexpected value type in payload", "Unexpected value type in payload",
			"Unexpected value type in payload", "Unrecognized collection type class " + shape + "Condition", ok}},
		{"UpdateItem", `{"AttributeUpdates":{"x":?}}`, [6]string{"Unexpected value type in payload", "Unexpected value type in payload", "Unexpected value type in payload",
			"Unexpected value type in payload", "Unrecognized collection type class " + shape + "AttributeValueUpdate", ok}},
		{"DeleteItem", `{"Expected":{"x":?}}`, [6]string{"Unexpected value type in payload", "Unexpected value type in payload", "Unexpected value type in payload",
			"Unexpected value type in payload", "Unrecognized collection type class " + shape + "ExpectedAttributeValue", ok}},
		{"BatchGetItem", `{"RequestItems":{"x":?}}`, [6]string{"Unexpected value type in payload", "Unexpected value type in payload", "Unexpected value type in payload",
			"Unexpected value type in payload", "Unrecognized collection type class " + shape + "KeysAndAttributes", ok}},
		{"BatchGetItem", `{"RequestItems":{"x":{"Keys":[?]}}}`, [6]string{generic, generic, generic, generic,
			"Unrecognized collection type java.util.Map<java.lang.String, " + shape + "AttributeValue>", ok}},
		{"BatchWriteItem", `{"RequestItems":?}`, [6]string{"Unexpected field type", "Unexpected field type", "Unexpected field type", "Unexpected field type",
			"Unrecognized collection type java.util.Map<java.lang.String, java.util.List<" + shape + "WriteRequest>>", ok}},
		{"BatchWriteItem", `{"RequestItems":{"x":?}}`, [6]string{generic, generic, generic, generic, ok, structure}},
		{"BatchWriteItem", `{"RequestItems":{"x":[?]}}`, [6]string{"Unexpected value type in payload", "Unexpected value type in payload",
			"Unexpected value type in payload", "Unexpected value type in payload", "Unrecognized collection type class " + shape + "WriteRequest", ok}},
		{"BatchWriteItem", `{"RequestItems":{"x":[{"PutRequest":?}]}}`, [6]string{"Unexpected field type", "Unexpected field type", "Unexpected field type",
			"Unexpected field type", "Unrecognized collection type class " + shape + "PutRequest", ok}},
	} {
		for i, value := range values {
			body := strings.Replace(c.body, "?", value, 1)
			status, answer := raw(t, c.operation, body)
			want := `400 {"__type":"com.amazon.coral.service#SerializationException","Message":"` + c.messages[i] + `"}`
			if c.messages[i] == ok {
				if strings.Contains(answer, "#SerializationException") {
					t.Errorf("%s %s: %d %s", c.operation, body, status, answer)
				}
				continue
			}
			same(t, c.operation+" "+body, fmt.Sprint(status, " ", answer), want)
		}
	}
	for blob, message := range map[string]string{
		"abc":   "Base64 encoded length is expected a multiple of 4 bytes but found: 3",
		"YW==":  "Invalid last non-pad Base64 character dectected",
		"abcde": "Base64 encoded length is expected a multiple of 4 bytes but found: 5",
	} {
		_, answer := raw(t, "PutItem", `{"TableName":"abc","Item":{"x":{"B":"`+blob+`"}}}`)
		same(t, blob, answer, `{"__type":"com.amazon.coral.service#SerializationException","Message":"`+message+`"}`)
	}
}

// TestJSONLenience is about what is let through: unknown and null members, any order, and members
// that come again.
func TestJSONLenience(t *testing.T) {
	t.Parallel()
	table := simple(t)
	for body, want := range map[string]string{
		`{"TableName":"T","Item":{"a":{"S":"unknown"},"x":{"N":"1","Z":[5]}},"Colour":{"a":[1,"b",null]}}`: `{a: "unknown", x: 1}`,
		`{"TableName":"T","Item":{"a":{"S":"null","N":null},"x":null},"ConditionExpression":null}`:         `{a: "null"}`,
		`{"Item":{"a":{"S":"order"}},"ReturnValues":"NONE","TableName":"T"}`:                               `{a: "order"}`,
		`{"TableName":"abc","Item":{"a":{"S":"again"},"x":{"N":"1"},"x":{"N":"2"}},"TableName":"T"}`:       `{a: "again", x: 2}`,
		"\t{ \"TableName\" : \"T\" ,\r\n\"Item\":{\"\\u0061\":{\"S\":\"esc\\u0061pes\"}}}\n":               `{a: "escapes"}`,
		`{"TableName":"T","Item":{"a":{"S":"words"},"t":{"BOOL":"YES"},"f":{"BOOL":"0"}}}`:                 `{a: "words", f: false, t: true}`,
		`{"TableName":"T","Item":{"a":{"S":"pair"},"x":{"S":"\ud834\udd1e"}}}`:                             `{a: "pair", x: "𝄞"}`,
	} {
		status, answer := raw(t, "PutItem", strings.ReplaceAll(body, `"T"`, `"`+*table+`"`))
		same(t, body, fmt.Sprint(status, answer), "200{}")
		key := regexp.MustCompile(`^{a: "(\w+)"`).FindStringSubmatch(want)[1]
		same(t, body, get(t, table, attrs{"a": s(key)}), want)
	}
	_, answer := raw(t, "Scan", `{"TableName":"`+*table+`","Limit":2.9,"Select":"COUNT"}`) // fractions are cut off
	same(t, "a fraction", answer[:30], `{"Count":2,"ScannedCount":2,"L`)
}

// TestOrderOfChecks is about requests with several faults: which one is told.
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	table := simple(t)
	for _, c := range []struct{ operation, body, message string }{
		// PutItem: the table's name alone; then all constraints; then values; expressions;
		// ReturnValues; size; table; key.
		{"PutItem", `{"TableName":"","ReturnValues":"X"}`,
			oneError + "Value '' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"PutItem", `{"TableName":"T","ReturnValues":"X","Item":{"a":{}}}`, oneError + "Value 'X' at 'returnValues' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"},
		{"PutItem", `{"TableName":"T","Item":{"a":{},"b":{"NULL":false}},"ConditionExpression":""}`,
			oneError + oneOrMore + "Null attribute value types must have the value of true"},
		{"PutItem", `{"TableName":"T","Item":{"a":{}},"ConditionExpression":""}`,
			"Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
		{"PutItem", `{"TableName":"T","Item":{"b":{"S":"x"}},"ConditionExpression":"a","ReturnValues":"ALL_NEW"}`,
			oneError + `Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "a"`},
		{"PutItem", `{"TableName":"none","Item":{"b":{"S":"x"}},"ReturnValues":"ALL_NEW"}`, oneError + "ReturnValues can only be ALL_OLD or NONE"},
		{"PutItem", `{"TableName":"none","Item":{"b":{"S":"` + strings.Repeat("x", 400<<10) + `"}}}`, "Item size has exceeded the maximum allowed size"},
		{"PutItem", `{"TableName":"none","Item":{"b":{"S":"x"}}}`, "Requested resource not found"},
		{"PutItem", `{"TableName":"T","Item":{"b":{"S":"x"}},"ConditionExpression":"a = b"}`, oneOrMore + "Missing the key a in the item"},
		// UpdateItem: of the enums only the first.
		{"UpdateItem", `{"TableName":"T","ReturnValues":"X","ReturnConsumedCapacity":"Y"}`, "2 validation errors detected: " +
			"Value null at 'key' failed to satisfy constraint: Member must not be null; Value 'X' at 'returnValues' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"},
		{"UpdateItem", `{"TableName":"T","Key":{"a":{}},"UpdateExpression":"SET x"}`,
			"Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
		{"UpdateItem", `{"TableName":"none","Key":{},"UpdateExpression":"SET a = b","ConditionExpression":"x"}`,
			oneError + `Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "x"`},
		{"UpdateItem", `{"TableName":"T","Key":{"b":{"S":"x"}},"UpdateExpression":"SET a = b"}`, keyMismatch},
		// GetItem collects all constraints, the key's absence last.
		{"GetItem", `{"AttributesToGet":[],"ReturnConsumedCapacity":"X"}`, "4 validation errors detected: " +
			"Value 'X' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]; " +
			"Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
			"Value null at 'tableName' failed to satisfy constraint: Member must not be null; " +
			"Value null at 'key' failed to satisfy constraint: Member must not be null"},
		// Types come before all of that, in the order of the operation's members and not in that of
		// the request.
		{"PutItem", `{"Item":5,"TableName":5}`, "NUMBER_VALUE cannot be converted to String"},
		{"Query", `{"TableName":"T"}`, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."},
		{"Query", `{"TableName":"none","KeyConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"S":"x"}},"Select":"SPECIFIC_ATTRIBUTES"}`,
			oneError + "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"},
		{"Query", `{"TableName":"T","Limit":0}`, oneError + "Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"BatchGetItem", `{}`, oneError + "Value null at 'requestItems' failed to satisfy constraint: Member must not be null"},
		{"BatchWriteItem", `{}`, oneError + "Value null at 'requestItems' failed to satisfy constraint: Member must not be null"},
	} {
		_, answer := raw(t, c.operation, strings.ReplaceAll(c.body, `"T"`, `"`+*table+`"`))
		message := regexp.MustCompile(`"[mM]essage":"(.*)"}$`).FindStringSubmatch(answer)
		if message == nil {
			t.Errorf("%s %s: %s", c.operation, c.body, answer)
			continue
		}
		same(t, fmt.Sprintf("%s %.200s", c.operation, c.body), strings.ReplaceAll(message[1], `\"`, `"`), c.message)
	}
}
