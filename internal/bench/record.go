package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A record is an item of --fields strings, field0 and so on, beside its key. The first characters
// of each value are a tag that is computed from the key and the number of the field, so that any
// item of any answer can be checked by itself: the right field of the right record. The rest is
// random and does not compress.
const (
	tagLength = 8
	// leastField is how long a value is at least: the tag, and enough for no two writes of a field
	// to be the same.
	leastField = 2 * tagLength
	// mostItem is DynamoDB's limit of an item.
	mostItem = 400 << 10
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// textBytes is more than an item can have: a value may be as long as that.
const textBytes = 1 << 20

// text is what values are cut from.
var text = sync.OnceValue(func() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, textBytes)
	for i := range b {
		b[i] = alphabet[r.Uint32()&63]
	}
	return b
})

// The filter of scan-filter: tags are spread evenly over 64² beginnings, of which these are fewer
// than the filter's value.
const (
	filterField = 0
	filterValue = "6" // after "-" and "0" to "5": 7 of 64
)

// layout is the shape of a table and of the records in it.
type layout struct {
	table      string
	sorted     bool  // items have a sort key
	collection int64 // how many items of a sorted table have the same partition key
	fields     int
	length     int // of a value
	indexes    int
}

// newLayout returns the layout for the settings. The name of the table contains all of it, so that
// a table that exists already under the name has the same layout.
func newLayout(s *Settings, sorted bool) *layout {
	l := &layout{sorted: sorted, collection: 1, fields: s.Fields, length: s.RecordBytes / s.Fields, indexes: s.Indexes}
	l.table = fmt.Sprintf("%s-%dx%d", s.Table, l.fields, l.length)
	if sorted {
		l.collection = s.Collection
		l.table += fmt.Sprintf("-sorted%d", l.collection)
	}
	if l.indexes > 0 {
		l.table += fmt.Sprintf("-gsi%d", l.indexes)
	}
	return l
}

// key returns what the key of a record is made of: the number in the partition key, and the sort
// key, 0 without one.
func (l *layout) key(rec int64) (partition uint64, place int64) {
	if l.sorted {
		return fnv64(uint64(rec / l.collection)), rec % l.collection
	}
	return fnv64(uint64(rec)), 0
}

// appendTag appends the tag of a field of the record with the key.
func appendTag(b []byte, partition uint64, place int64, field int) []byte {
	h := fnv64(partition+uint64(place)*0x9e3779b97f4a7c15+uint64(field)*0xc2b2ae3d27d4eb4f) >> 8
	for range tagLength {
		b = append(b, alphabet[h&63])
		h >>= 6
	}
	return b
}

// tag appends the tag of a field of a record.
func (l *layout) tag(b []byte, rec int64, field int) []byte {
	partition, place := l.key(rec)
	return appendTag(b, partition, place, field)
}

// appendValue appends a new value of a field of a record.
func (l *layout) appendValue(b []byte, rec int64, field int, r *rand.Rand) []byte {
	b = l.tag(b, rec, field)
	source, n := text(), l.length-tagLength
	at := r.IntN(len(source) - n)
	return append(b, source[at:at+n]...)
}

// partitionPrefix stands before the number in a partition key.
const partitionPrefix = "user"

// appendPartition appends a partition key.
func appendPartition(b []byte, partition uint64) []byte {
	return strconv.AppendUint(append(b, partitionPrefix...), partition, 10)
}

// appendPlace appends a sort key: eight digits or more.
func appendPlace(b []byte, place int64) []byte {
	var room [20]byte
	digits := strconv.AppendInt(room[:0], place, 10)
	b = append(b, "00000000"[:max(0, 8-len(digits))]...)
	return append(b, digits...)
}

// appendKey appends the members of a key.
func (l *layout) appendKey(b []byte, rec int64) []byte {
	partition, place := l.key(rec)
	b = append(b, `"pk":{"S":"`...)
	b = append(appendPartition(b, partition), `"}`...)
	if l.sorted {
		b = append(b, `,"sk":{"S":"`...)
		b = append(appendPlace(b, place), `"}`...)
	}
	return b
}

// appendItem appends a record with new values.
func (l *layout) appendItem(b []byte, rec int64, r *rand.Rand) []byte {
	b = l.appendKey(append(b, '{'), rec)
	for field := range l.fields {
		b = append(b, `,"field`...)
		b = strconv.AppendInt(b, int64(field), 10)
		b = append(b, `":{"S":"`...)
		b = l.appendValue(b, rec, field, r)
		b = append(b, `"}`...)
	}
	return append(b, '}')
}

// appendTable appends the beginning of most requests.
func (l *layout) appendTable(b []byte) []byte {
	b = append(b, `{"TableName":"`...)
	return append(append(b, l.table...), '"')
}

// appendPut appends the parameters of a put, of an item of its own or within a transaction, without
// the last brace.
func (l *layout) appendPut(b []byte, rec int64, r *rand.Rand) []byte {
	b = append(l.appendTable(b), `,"Item":`...)
	return l.appendItem(b, rec, r)
}

// appendGet appends a GetItem.
func (l *layout) appendGet(b []byte, rec int64, consistent bool) []byte {
	b = append(l.appendTable(b), `,"Key":{`...)
	b = append(l.appendKey(b, rec), '}')
	if consistent {
		b = append(b, `,"ConsistentRead":true`...)
	}
	return append(b, '}')
}

// appendUpdate appends the parameters of an update of one field, without the last brace; with old,
// on the condition that the field has that value.
func (l *layout) appendUpdate(b []byte, rec int64, field int, value, old []byte) []byte {
	b = append(l.appendTable(b), `,"Key":{`...)
	b = l.appendKey(b, rec)
	b = append(b, `},"UpdateExpression":"SET #f = :v","ExpressionAttributeNames":{"#f":"field`...)
	b = strconv.AppendInt(b, int64(field), 10)
	b = append(b, `"},"ExpressionAttributeValues":{":v":{"S":"`...)
	b = append(append(b, value...), `"}`...)
	if old == nil {
		return append(b, '}')
	}
	b = append(b, `,":o":{"S":"`...)
	b = append(b, old...)
	return append(b, `"}},"ConditionExpression":"#f = :o"`...)
}

// appendQuery appends a Query of up to limit items of a collection, from a record on.
func (l *layout) appendQuery(b []byte, rec int64, limit int, consistent bool) []byte {
	partition, place := l.key(rec)
	b = l.appendTable(b)
	b = append(b, `,"KeyConditionExpression":"pk = :p AND sk >= :s","ExpressionAttributeValues":{":p":{"S":"`...)
	b = appendPartition(b, partition)
	b = append(b, `"},":s":{"S":"`...)
	b = appendPlace(b, place)
	b = append(b, `"}},"Limit":`...)
	b = strconv.AppendInt(b, int64(limit), 10)
	if consistent {
		b = append(b, `,"ConsistentRead":true`...)
	}
	return append(b, '}')
}

// scanOptions say how a Scan reads: with the filter of filterField, with strong consistency.
type scanOptions struct{ filter, consistent bool }

// appendScan appends a Scan of a page, after the key (in JSON; empty: from the beginning).
func (l *layout) appendScan(b []byte, after []byte, limit int, o scanOptions) []byte {
	b = append(l.appendTable(b), `,"Limit":`...)
	b = strconv.AppendInt(b, int64(limit), 10)
	if len(after) > 0 {
		b = append(append(b, `,"ExclusiveStartKey":`...), after...)
	}
	if o.filter {
		b = append(b, `,"FilterExpression":"field`+strconv.Itoa(filterField)+
			` < :v","ExpressionAttributeValues":{":v":{"S":"`+filterValue+`"}}`...)
	}
	if o.consistent {
		b = append(b, `,"ConsistentRead":true`...)
	}
	return append(b, '}')
}

// create returns a CreateTable. Index i has the field i as its partition key (from the last field
// on, the first again), and all attributes: each write changes a row of each index, and moves the
// rows of those whose field it changes.
func (l *layout) create() []byte {
	names, keys := []string{"pk"}, `{"AttributeName":"pk","KeyType":"HASH"}`
	if l.sorted {
		names, keys = append(names, "sk"), keys+`,{"AttributeName":"sk","KeyType":"RANGE"}`
	}
	var indexes []string
	for i := range l.indexes {
		field := "field" + strconv.Itoa(i%l.fields)
		if !slices.Contains(names, field) {
			names = append(names, field)
		}
		indexes = append(indexes, fmt.Sprintf(`{"IndexName":"index%d","KeySchema":[{"AttributeName":%q,"KeyType":"HASH"}],`+
			`"Projection":{"ProjectionType":"ALL"}}`, i, field))
	}
	for i, name := range names {
		names[i] = fmt.Sprintf(`{"AttributeName":%q,"AttributeType":"S"}`, name)
	}
	b := append(l.appendTable(nil), `,"AttributeDefinitions":[`+strings.Join(names, ",")+`],"KeySchema":[`+keys+`]`...)
	if l.indexes > 0 {
		b = append(b, `,"GlobalSecondaryIndexes":[`+strings.Join(indexes, ",")+`]`...)
	}
	return append(b, `,"BillingMode":"PAY_PER_REQUEST"}`...)
}

// find returns the value with the tag in an answer, without decoding the JSON; nil if it is not
// there, or has another length.
func (l *layout) find(answer, tag []byte) []byte {
	for {
		i := bytes.Index(answer, tag)
		if i < 0 {
			return nil
		}
		if i > 0 && answer[i-1] == '"' && len(answer) > i+l.length && answer[i+l.length] == '"' {
			return answer[i : i+l.length]
		}
		answer = answer[i+1:]
	}
}

// number returns the number that is the value of a member of an answer, -1 if there is none. The
// name has its quotes, which do not occur within a value of ours.
func number(answer []byte, name string) int {
	i := bytes.LastIndex(answer, []byte(name))
	if i < 0 {
		return -1
	}
	rest := bytes.TrimLeft(answer[i+len(name):], " :\n")
	n := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if n <= 0 {
		return -1
	}
	v, err := strconv.Atoi(string(rest[:n]))
	if err != nil {
		return -1
	}
	return v
}

// object returns the JSON object that is the value of a member of an answer, nil if there is none.
// No string of ours has a brace in it.
func object(answer []byte, name string) []byte {
	i := bytes.LastIndex(answer, []byte(name))
	if i < 0 {
		return nil
	}
	rest := bytes.TrimLeft(answer[i+len(name):], " :\n")
	if len(rest) == 0 || rest[0] != '{' {
		return nil
	}
	depth := 0
	for at, c := range rest {
		switch c {
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth == 0 {
			return rest[:at+1]
		}
	}
	return nil
}

// item is a record as encoding/json reads it.
type item map[string]map[string]any

// text returns the value of a string; empty if the attribute is none.
func (it item) text(name string) string {
	s, _ := it[name]["S"].(string)
	return s
}

// check looks at every attribute of an item, and returns the item's key.
func (l *layout) check(it item) (partition uint64, place int64, err error) {
	digits, ok := strings.CutPrefix(it.text("pk"), partitionPrefix)
	if partition, err = strconv.ParseUint(digits, 10, 64); err != nil || !ok {
		return 0, 0, fmt.Errorf("an item has the key %v", it["pk"])
	}
	attributes := 1 + l.fields
	if l.sorted {
		attributes++
		if place, err = strconv.ParseInt(it.text("sk"), 10, 64); err != nil {
			return 0, 0, fmt.Errorf("an item has the sort key %v", it["sk"])
		}
	}
	if len(it) != attributes {
		return 0, 0, fmt.Errorf("item %s has %d attributes, not %d", it.text("pk"), len(it), attributes)
	}
	for field := range l.fields {
		name := "field" + strconv.Itoa(field)
		value, tag := it.text(name), appendTag(nil, partition, place, field)
		if len(value) != l.length || !strings.HasPrefix(value, string(tag)) {
			return 0, 0, fmt.Errorf("item %s %s has a %s %.60v, which should have %d characters and begin with %s",
				it.text("pk"), it.text("sk"), name, it[name], l.length, tag)
		}
	}
	return partition, place, nil
}

// checkRecord looks at every attribute of the item that should be a record.
func (l *layout) checkRecord(it item, rec int64) error {
	partition, place, err := l.check(it)
	if err != nil {
		return err
	}
	if wantPartition, wantPlace := l.key(rec); partition != wantPartition || place != wantPlace {
		return fmt.Errorf("record %d was asked for, and %s %s came", rec, it.text("pk"), it.text("sk"))
	}
	return nil
}

// decode reads an answer.
func decode(answer []byte, into any) error {
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("the answer is not the JSON that it should be: %w", err)
	}
	return nil
}

// passes tells whether the filter of scan-filter lets a record through, whatever its values are
// now.
func (l *layout) passes(rec int64) bool {
	var tag [tagLength]byte
	return string(l.tag(tag[:0], rec, filterField)) < filterValue
}
