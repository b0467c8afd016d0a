package cli

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// attributes is an item, or a part of one, as the SDK has it.
type attributes = map[string]types.AttributeValue

func textValue(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func intValue(n int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.Itoa(n)}
}

// The table of the items that the writers own, and its index.
var (
	soakTable = new("soak-items")
	soakIndex = new("by-group")
)

// What a request of the load may be answered with beside success.
const (
	conditionFailed = "ConditionalCheckFailedException"
	cancelledCode   = "TransactionCanceledException"
	conflictCode    = "TransactionConflictException"
)

// soakWorker is a client with items of its own: one partition, a slot for each sort key. The serial
// of a slot, which is in all of its item, is how often it was written; 0 is a slot without an item.
type soakWorker struct {
	*soak
	id      int
	random  *rand.Rand
	serials []int
	written int
}

// soakKey, soakGroup and soakItem are what a writer's slot holds.
func soakKey(id, slot int) attributes {
	return attributes{"k": textValue(fmt.Sprint("client-", id)), "r": intValue(slot)}
}

func soakGroup(id, slot int) string { return fmt.Sprint("group-", id, "-", slot%50) }

func soakItem(id, slot, serial int) attributes {
	if serial == 0 {
		return nil
	}
	it := soakKey(id, slot)
	it["n"], it["g"] = intValue(serial), textValue(soakGroup(id, slot))
	seal := fmt.Sprintf("%d/%d/%d ", id, slot, serial)
	size := soakSize(slot)
	it["filling"] = textValue(strings.Repeat(seal, size/len(seal)+1)[:size])
	return it
}

// soakSize is the length of a slot's filling: two of nearly all that an item may have, a few long
// ones, and otherwise from next to nothing to 4,000 bytes.
func soakSize(slot int) int {
	switch {
	case slot < 2:
		return 390_000
	case slot < 8:
		return 30_000 + 5000*slot
	}
	return 20 + slot*7919%4000
}

// slot picks a slot; the long items are picked about once in a hundred times.
func (w *soakWorker) slot() int {
	if w.random.IntN(100) == 0 {
		return w.random.IntN(8)
	}
	return 8 + w.random.IntN(len(w.serials)-8)
}

// some picks n different slots of short items, at most ten.
func (w *soakWorker) some(n int) []int {
	first, step := w.random.IntN(len(w.serials)), 1+w.random.IntN(5)
	slots := make([]int, n)
	for i := range slots {
		slots[i] = 8 + (first+i*step)%(len(w.serials)-8)
	}
	return slots
}

// serial returns a new serial.
func (w *soakWorker) serial() int {
	w.written++
	return w.written
}

// item is what is in the slot.
func (w *soakWorker) item(slot int) attributes { return soakItem(w.id, slot, w.serials[slot]) }

// key is the slot's key.
func (w *soakWorker) key(slot int) attributes { return soakKey(w.id, slot) }

// compare checks what a request has shown of a slot.
func (w *soakWorker) compare(what string, slot int, got, want attributes) {
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		w.fault("%s of client %d's slot %d: got %s, want %s", what, w.id, slot, brief(got), brief(want))
	}
}

// brief shows an item without most of its filling.
func brief(it attributes) string {
	if len(it) == 0 {
		return "none"
	}
	n, _ := it["n"].(*types.AttributeValueMemberN)
	pad, _ := it["filling"].(*types.AttributeValueMemberS)
	if n == nil || pad == nil {
		return fmt.Sprintf("%d other attributes", len(it))
	}
	return fmt.Sprintf("{n: %s, filling: %d bytes %.20q}", n.Value, len(pad.Value), pad.Value)
}

// steps are what the clients do, with weights.
var steps = []struct {
	weight int
	run    func(w *soakWorker)
}{
	{12, (*soakWorker).put}, {8, (*soakWorker).putIf}, {10, (*soakWorker).update}, {6, (*soakWorker).remove},
	{20, (*soakWorker).get}, {5, (*soakWorker).query}, {3, (*soakWorker).queryIndex}, {2, (*soakWorker).scan},
	{3, (*soakWorker).batchWrite}, {4, (*soakWorker).batchGet},
	{4, (*soakWorker).transactWrite}, {4, (*soakWorker).transactGet},
	{8, (*soakWorker).statement}, {3, (*soakWorker).statements}, {2, (*soakWorker).transaction},
	{5, func(w *soakWorker) { w.ledger.transfer(w.random) }},
}

// work takes random steps until the time is over.
func (w *soakWorker) work() {
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	for w.next() {
		at := w.random.IntN(total)
		for _, s := range steps {
			if at -= s.weight; at < 0 {
				s.run(w)
				break
			}
		}
	}
}

func (w *soakWorker) put() {
	slot, serial := w.slot(), w.serial()
	out, _, err := call(w.soak, w.client.PutItem, &dynamodb.PutItemInput{
		TableName: soakTable, Item: soakItem(w.id, slot, serial), ReturnValues: types.ReturnValueAllOld,
	})
	if err == nil {
		w.compare("PutItem's old item", slot, out.Attributes, w.item(slot))
		w.serials[slot] = serial
	}
}

// putIf puts under a condition that holds every other time.
func (w *soakWorker) putIf() {
	slot, serial := w.slot(), w.serial()
	holds := w.random.IntN(2) == 0
	expected := w.serials[slot]
	if !holds {
		expected += 1_000_000_000
	}
	in := &dynamodb.PutItemInput{
		TableName: soakTable, Item: soakItem(w.id, slot, serial), ConditionExpression: new("n = :n"),
		ExpressionAttributeValues:           attributes{":n": intValue(expected)},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if holds && w.serials[slot] == 0 {
		in.ConditionExpression, in.ExpressionAttributeValues = new("attribute_not_exists(r)"), nil
	}
	if holds {
		if _, _, err := call(w.soak, w.client.PutItem, in); err == nil {
			w.serials[slot] = serial
		}
		return
	}
	_, _, err := call(w.soak, w.client.PutItem, in, conditionFailed)
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		w.fault("PutItem under a condition that does not hold: %v", err)
		return
	}
	w.compare("the item that failed a condition", slot, failed.Item, w.item(slot))
}

func (w *soakWorker) update() {
	slot, serial := w.slot(), w.serial()
	it := soakItem(w.id, slot, serial)
	out, _, err := call(w.soak, w.client.UpdateItem, &dynamodb.UpdateItemInput{
		TableName: soakTable, Key: w.key(slot), UpdateExpression: new("SET n = :n, g = :g, filling = :p"), ReturnValues: types.ReturnValueAllNew,
		ExpressionAttributeValues: attributes{":n": it["n"], ":g": it["g"], ":p": it["filling"]},
	})
	if err == nil {
		w.serials[slot] = serial
		w.compare("UpdateItem's new item", slot, out.Attributes, it)
	}
}

func (w *soakWorker) remove() {
	slot := w.slot()
	out, _, err := call(w.soak, w.client.DeleteItem, &dynamodb.DeleteItemInput{
		TableName: soakTable, Key: w.key(slot), ReturnValues: types.ReturnValueAllOld,
	})
	if err == nil {
		w.compare("DeleteItem's old item", slot, out.Attributes, w.item(slot))
		w.serials[slot] = 0
	}
}

func (w *soakWorker) get() {
	slot := w.slot()
	out, _, err := call(w.soak, w.client.GetItem, &dynamodb.GetItemInput{
		TableName: soakTable, Key: w.key(slot), ConsistentRead: new(w.random.IntN(2) == 0),
	})
	if err == nil {
		w.compare("GetItem", slot, out.Item, w.item(slot))
	}
}

// query reads a range of the partition, page by page.
func (w *soakWorker) query() {
	first := w.random.IntN(len(w.serials))
	if first > 50 && w.random.IntN(10) == 0 {
		first = 0 // with the long ones
	}
	w.compareRange(first, min(first+50, len(w.serials)))
}

// compareRange compares the slots from first up to, without, end with what a query shows.
func (w *soakWorker) compareRange(first, end int) {
	in := &dynamodb.QueryInput{
		TableName: soakTable, KeyConditionExpression: new("k = :k AND r BETWEEN :a AND :z"),
		ExpressionAttributeValues: attributes{":k": w.key(0)["k"], ":a": intValue(first), ":z": intValue(end - 1)},
		ConsistentRead:            new(w.random.IntN(2) == 0),
	}
	slot := first
	for {
		out, _, err := call(w.soak, w.client.Query, in)
		if err != nil {
			return
		}
		for _, it := range out.Items {
			for slot < end && w.serials[slot] == 0 {
				slot++
			}
			if slot >= end {
				w.fault("Query of client %d's slots %d to %d shows more than there is: %s", w.id, first, end, brief(it))
				return
			}
			w.compare("Query", slot, it, w.item(slot))
			slot++
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
			break
		}
	}
	for ; slot < end; slot++ {
		w.compare("Query", slot, nil, w.item(slot))
	}
}

// queryIndex counts a group.
func (w *soakWorker) queryIndex() {
	group, want, got := w.random.IntN(50), 0, 0
	for slot := group; slot < len(w.serials); slot += 50 {
		if w.serials[slot] != 0 {
			want++
		}
	}
	in := &dynamodb.QueryInput{
		TableName: soakTable, IndexName: soakIndex, KeyConditionExpression: new("g = :g"), Limit: new(int32(25)),
		ExpressionAttributeValues: attributes{":g": textValue(soakGroup(w.id, group))},
	}
	for {
		out, _, err := call(w.soak, w.client.Query, in)
		if err != nil {
			return
		}
		got += len(out.Items)
		if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
			break
		}
	}
	if got != want {
		w.fault("the index has %d items of client %d's group %d, want %d", got, w.id, group, want)
	}
}

// scan reads a page of everybody's items: each must be one that its owner has written at some time,
// whole.
func (w *soakWorker) scan() {
	out, _, err := call(w.soak, w.client.Scan, &dynamodb.ScanInput{
		TableName: soakTable, Limit: new(int32(20)), ExclusiveStartKey: soakKey(w.random.IntN(soakWriter), w.random.IntN(len(w.serials))),
	})
	if err != nil {
		return
	}
	for _, it := range out.Items {
		var id, slot, serial int
		if _, err := fmt.Sscanf(it["filling"].(*types.AttributeValueMemberS).Value, "%d/%d/%d ", &id, &slot, &serial); err != nil {
			w.fault("Scan shows %s: %v", brief(it), err)
			continue
		}
		w.compare("Scan", slot, it, soakItem(id, slot, serial))
	}
}

func (w *soakWorker) batchWrite() {
	serials := map[int]int{}
	var requests []types.WriteRequest
	for _, slot := range w.some(10) {
		if w.random.IntN(5) == 0 {
			serials[slot] = 0
			requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: w.key(slot)}})
			continue
		}
		serials[slot] = w.serial()
		requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: soakItem(w.id, slot, serials[slot])}})
	}
	w.writeBatch(requests, serials)
}

// writeBatch writes the slots' new items.
func (w *soakWorker) writeBatch(requests []types.WriteRequest, serials map[int]int) {
	out, _, err := call(w.soak, w.client.BatchWriteItem, &dynamodb.BatchWriteItemInput{
		RequestItems: map[string][]types.WriteRequest{*soakTable: requests},
	})
	if err != nil {
		return
	}
	if len(out.UnprocessedItems) > 0 {
		w.fault("BatchWriteItem leaves %d items", len(out.UnprocessedItems[*soakTable]))
	}
	for slot, serial := range serials {
		w.serials[slot] = serial
	}
}

func (w *soakWorker) batchGet() {
	want := map[string]int{}
	var keys []attributes
	for _, slot := range w.some(10) {
		want[strconv.Itoa(slot)] = slot
		keys = append(keys, w.key(slot))
	}
	out, _, err := call(w.soak, w.client.BatchGetItem, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{*soakTable: {Keys: keys}},
	})
	if err != nil {
		return
	}
	for _, it := range out.Responses[*soakTable] {
		slot := it["r"].(*types.AttributeValueMemberN).Value
		w.compare("BatchGetItem", want[slot], it, w.item(want[slot]))
		delete(want, slot)
	}
	for _, slot := range want {
		w.compare("BatchGetItem", slot, nil, w.item(slot))
	}
}

// transactWrite replaces three items; every fifth time a condition on a fourth fails it.
func (w *soakWorker) transactWrite() {
	slots, fails := w.some(4), w.random.IntN(5) == 0
	serials := map[int]int{}
	var actions []types.TransactWriteItem
	for _, slot := range slots[:3] {
		serials[slot] = w.serial()
		actions = append(actions, types.TransactWriteItem{Put: &types.Put{TableName: soakTable, Item: soakItem(w.id, slot, serials[slot])}})
	}
	check := &types.ConditionCheck{TableName: soakTable, Key: w.key(slots[3]), ConditionExpression: new("attribute_not_exists(nothing)")}
	if fails {
		check.ConditionExpression = new("attribute_exists(nothing)")
	}
	in := &dynamodb.TransactWriteItemsInput{TransactItems: append(actions, types.TransactWriteItem{ConditionCheck: check})}
	if fails {
		if _, _, err := call(w.soak, w.client.TransactWriteItems, in, cancelledCode); err == nil {
			w.fault("TransactWriteItems succeeds with a condition that does not hold")
		}
		return
	}
	if _, _, err := call(w.soak, w.client.TransactWriteItems, in); err == nil {
		for slot, serial := range serials {
			w.serials[slot] = serial
		}
	}
}

func (w *soakWorker) transactGet() {
	slots := w.some(3)
	in := &dynamodb.TransactGetItemsInput{}
	for _, slot := range slots {
		in.TransactItems = append(in.TransactItems, types.TransactGetItem{Get: &types.Get{TableName: soakTable, Key: w.key(slot)}})
	}
	out, _, err := call(w.soak, w.client.TransactGetItems, in)
	if err != nil {
		return
	}
	for i, slot := range slots {
		w.compare("TransactGetItems", slot, out.Responses[i].Item, w.item(slot))
	}
}

// verify compares all of the writer's slots.
func (w *soakWorker) verify() { w.compareRange(0, len(w.serials)) }
