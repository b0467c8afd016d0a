package partitatest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// What newcomers give Seed and SeedJSON, and what they are told then.

// Parts of DynamoDB's messages about the keys of an item.
const (
	missingKey    = "Missing the key "
	wrongKeyType  = "Type mismatch for key "
	actualMap     = "actual: M"
	tagsNameThem  = "dynamodbav tags name attributes"
	useTypedItems = "this looks like DynamoDB's JSON: use SeedDynamoDBJSON"
)

// marshal returns the item that a Go value stands for. attributevalue.MarshalMap makes an empty one
// of what is none.
func marshal(v any) (attributes, error) {
	if isText(v) {
		return nil, fmt.Errorf("a %T is no item: SeedJSON and SeedDynamoDBJSON read JSON", v)
	}
	value, err := attributevalue.Marshal(v)
	if err != nil {
		return nil, err
	}
	if m, ok := value.(*types.AttributeValueMemberM); ok {
		return m.Value, nil
	}
	what := fmt.Sprintf("a %T", v)
	if r := reflect.ValueOf(v); v == nil {
		what = "nil"
	} else if (r.Kind() == reflect.Pointer || r.Kind() == reflect.Map) && r.IsNil() {
		what = fmt.Sprintf("a nil %T", v)
	}
	return nil, fmt.Errorf("%s is no item: an item is a struct or a map", what)
}

// isText tells whether v is what JSON comes in, a string, bytes or a reader, and not one that says
// itself which item it is.
func isText(v any) bool {
	if _, ok := v.(attributevalue.Marshaler); ok {
		return false
	}
	if _, ok := v.(io.Reader); ok {
		return true
	}
	t := reflect.TypeOf(v)
	return t != nil && (t.Kind() == reflect.String || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8)
}

// tagAdvice is the advice for an item made of v: that json tags do not name attributes. It is nil
// unless v is a struct that has these only.
func tagAdvice(v any) func(error) string {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	field := ""
	for _, f := range reflect.VisibleFields(t) {
		if _, named := f.Tag.Lookup("dynamodbav"); named {
			return nil
		}
		if _, tagged := f.Tag.Lookup("json"); tagged && field == "" {
			field = f.Name
		}
	}
	if field == "" {
		return nil
	}
	return func(err error) string {
		if !strings.Contains(err.Error(), missingKey) {
			return ""
		}
		return fmt.Sprintf("%s has json tags, and %s", t, tagsNameThem)
	}
}

// typedAdvice is the advice for an item that SeedJSON has made of raw: that this looks like
// DynamoDB's JSON.
func typedAdvice(raw []byte) func(error) string {
	return func(err error) string {
		text := err.Error()
		mismatch := strings.Contains(text, wrongKeyType) && strings.Contains(text, actualMap)
		if (mismatch || strings.Contains(text, missingKey)) && looksTyped(raw) {
			return useTypedItems
		}
		return ""
	}
}

// looksTyped tells whether SeedDynamoDBJSON finds items in a JSON object.
func looksTyped(raw []byte) bool {
	seeds, err := typedItems(nil, bytes.TrimSpace(raw), 1)
	return err == nil && slices.ContainsFunc(seeds, func(s seed) bool { return len(s.item) > 0 })
}

// itemHint says which attributes the item of a PutItem has instead of a key that it lacks; "" if
// the error is another one.
func itemHint(f failure, body []byte) string {
	_, key, ok := strings.Cut(f.message, missingKey)
	if !ok || f.operation != "PutItem" {
		return ""
	}
	key = strings.TrimSuffix(key, " in the item")
	var in struct{ Item map[string]json.RawMessage }
	if json.Unmarshal(body, &in) != nil {
		return ""
	}
	if len(in.Item) == 0 {
		return "; the item has no attributes"
	}
	var names []string
	similar := ""
	for name := range in.Item {
		names = append(names, strconv.Quote(name))
		if strings.EqualFold(name, key) {
			similar = fmt.Sprintf(" (case matters; %s: `dynamodbav:%q`)", tagsNameThem, key)
		}
	}
	slices.Sort(names)
	text := "; the item has " + strings.Join(names[:min(len(names), maxNamed)], ", ")
	if left := len(names) - maxNamed; left > 0 {
		text += fmt.Sprintf(" and %d more", left)
	}
	return text + similar
}
