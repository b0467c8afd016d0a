package bench

import (
	"bytes"
	"fmt"
	"slices"
)

// get reads a record.
func (w *worker) get() (kind, bool) {
	return kindGet, w.read(w.choose.next(w.random), w.Consistent)
}

// read reads a record and checks one field of the answer, or if deep the whole.
func (w *worker) read(rec int64, consistent bool) bool {
	w.body = w.appendGet(w.body[:0], rec, consistent)
	answer := w.call("GetItem", w.body)
	if answer == nil || !w.hold("GetItem", w.has(answer, rec)) {
		return false
	}
	if !w.deep() {
		return true
	}
	var out struct{ Item item }
	err := decode(answer, &out)
	if err == nil {
		err = w.checkRecord(out.Item, rec)
	}
	return w.hold("GetItem", err)
}

// has looks for a field, any one, of a record in an answer.
func (w *worker) has(answer []byte, rec int64) error {
	field := w.random.IntN(w.fields)
	w.tag = w.layout.tag(w.tag[:0], rec, field)
	if w.find(answer, w.tag) == nil {
		return fmt.Errorf("record %d lacks its field%d, %s…, in %s", rec, field, w.tag, clipped(answer))
	}
	return nil
}

// batchGet reads several records.
func (w *worker) batchGet() (kind, bool) {
	w.chooseSeveral(w.Batch)
	w.body = append(append(append(w.body[:0], `{"RequestItems":{"`...), w.layout.table...), `":{"Keys":[`...)
	for i, rec := range w.records {
		if i > 0 {
			w.body = append(w.body, ',')
		}
		w.body = append(w.appendKey(append(w.body, '{'), rec), '}')
	}
	w.body = append(w.body, ']')
	if w.Consistent {
		w.body = append(w.body, `,"ConsistentRead":true`...)
	}
	w.body = append(w.body, `}}}`...)
	return kindBatchGet, w.callUntilDone("BatchGetItem", `"UnprocessedKeys"`, w.checkBatch)
}

// checkBatch checks an answer to a BatchGetItem, which may have only some of the records: all in it
// must have been requested. It returns how many there are.
func (w *worker) checkBatch(answer []byte) (items int, err error) {
	items = bytes.Count(answer, []byte(`"pk"`)) - bytes.Count(object(answer, `"UnprocessedKeys"`), []byte(`"pk"`))
	if items == len(w.records) {
		err = w.has(answer, w.records[0])
	}
	if err != nil || !w.deep() {
		return items, err
	}
	var out struct{ Responses map[string][]item }
	if err := decode(answer, &out); err != nil {
		return 0, err
	}
	for _, it := range out.Responses[w.layout.table] {
		partition, _, err := w.check(it)
		if err != nil {
			return 0, err
		}
		if !slices.ContainsFunc(w.records, func(rec int64) bool { return fnv64(uint64(rec)) == partition }) {
			return 0, fmt.Errorf("item %s was not asked for", it.text("pk"))
		}
	}
	return items, nil
}

// query reads 20 items of a collection.
func (w *worker) query() (kind, bool) {
	rec := w.choose.next(w.random)
	first := rec - rec%w.collection
	last := max(first, min(first+w.collection, w.table.ins.known.Load())-queryItems)
	return kindQuery, w.queryFrom(min(rec, last), queryItems)
}

// queryAny reads some items of a collection.
func (w *worker) queryAny() (kind, bool) {
	return kindQuery, w.queryFrom(w.choose.next(w.random), 1+w.random.IntN(w.ScanLength))
}

// queryFrom reads up to limit items from a record on. The answer must have those that were
// acknowledged before the request.
func (w *worker) queryFrom(rec int64, limit int) bool {
	end := (rec/w.collection + 1) * w.collection
	least := min(int64(limit), min(w.table.ins.known.Load(), end)-rec)
	w.body = w.appendQuery(w.body[:0], rec, limit, w.Consistent)
	answer := w.call("Query", w.body)
	if answer == nil {
		return false
	}
	if n := int64(number(answer, `"Count"`)); n < least || n > int64(limit) {
		return w.wrong("Query of %d items from record %d on: %d came, of %d at least: %s", limit, rec, n, least, clipped(answer))
	}
	if !w.hold("Query", w.has(answer, rec)) || !w.hold("Query", w.has(answer, rec+least-1)) {
		return false
	}
	return !w.deep() || w.hold("Query", w.checkQuery(answer, rec, least))
}

// checkQuery checks all items of a Query's answer: the known records come first, in order.
func (w *worker) checkQuery(answer []byte, rec, least int64) error {
	var out struct {
		Items []item
		Count int
	}
	if err := decode(answer, &out); err != nil {
		return err
	}
	if len(out.Items) != out.Count {
		return fmt.Errorf("there are %d items, and a Count of %d", len(out.Items), out.Count)
	}
	for i, it := range out.Items {
		if int64(i) < least {
			if err := w.checkRecord(it, rec+int64(i)); err != nil {
				return err
			}
			continue
		}
		if _, _, err := w.check(it); err != nil { // inserted while the Query ran, or by an earlier run
			return err
		}
		if it.text("sk") <= out.Items[i-1].text("sk") {
			return fmt.Errorf("item %s comes after %s", it.text("sk"), out.Items[i-1].text("sk"))
		}
	}
	return nil
}

// walk is a worker's Scan of a table, page after page. The first walk begins at some record, later
// ones at the beginning of the table.
type walk struct {
	after         []byte // the key where the next page begins
	whole         bool   // since the beginning of the table
	known         int64  // records that were there when it began
	seen, matched int64
}

// scan reads the next page of a table.
func (w *worker) scan() (kind, bool) { return kindScan, w.page(false) }

// scanFilter reads the next page of a table through a filter.
func (w *worker) scanFilter() (kind, bool) { return kindScan, w.page(true) }

// page reads the next page.
func (w *worker) page(filter bool) bool {
	if w.walk.known == 0 {
		w.walk.known = w.table.ins.known.Load()
		if !w.walk.whole {
			w.walk.after = append(w.appendKey(append(w.walk.after[:0], '{'), w.choose.next(w.random)), '}')
		}
	}
	w.body = w.appendScan(w.body[:0], w.walk.after, scanItems, scanOptions{filter: filter, consistent: w.Consistent})
	answer := w.call("Scan", w.body)
	if answer == nil {
		return false
	}
	after := object(answer, `"LastEvaluatedKey"`)
	if err := w.checkPage(answer, after, filter); err != nil {
		w.walk = walk{}
		return w.hold("Scan", err)
	}
	if w.walk.after = append(w.walk.after[:0], after...); len(after) > 0 {
		return true
	}
	ended := w.walk
	w.walk = walk{whole: true}
	return w.hold("Scan", w.checkWalk(&ended, filter))
}

// checkPage checks an answer whose LastEvaluatedKey is after, nil if it is the last page. It always
// checks the counts, and only one of DeepEvery pages item by item.
func (w *worker) checkPage(answer, after []byte, filter bool) error {
	seen, matched := number(answer, `"ScannedCount"`), number(answer, `"Count"`)
	keys, more := bytes.Count(answer, []byte(`"pk"`)), after != nil
	if more {
		keys-- // that of after
	}
	w.walk.seen += int64(seen)
	w.walk.matched += int64(matched)
	switch {
	case keys != matched || matched > seen || seen > scanItems || !filter && seen != matched:
		return fmt.Errorf("a page has %d items, a Count of %d and a ScannedCount of %d", keys, matched, seen)
	case more && seen < scanItems && seen*w.length*w.fields < mostPage*9/10:
		return fmt.Errorf("a page ends after %d items, though there are more", seen)
	case !w.deep():
		return nil
	}
	return w.checkPageItems(answer, filter)
}

// mostPage is how many bytes of items a page has at most.
const mostPage = 1 << 20

// checkPageItems checks each item of a page.
func (w *worker) checkPageItems(answer []byte, filter bool) error {
	var out struct{ Items []item }
	if err := decode(answer, &out); err != nil {
		return err
	}
	there := map[string]bool{}
	for _, it := range out.Items {
		if _, _, err := w.check(it); err != nil {
			return err
		}
		if filter && it.text(fmt.Sprint("field", filterField)) >= filterValue {
			return fmt.Errorf("item %s does not pass the filter", it.text("pk"))
		}
		if there[it.text("pk")] {
			return fmt.Errorf("item %s comes twice", it.text("pk"))
		}
		there[it.text("pk")] = true
	}
	return nil
}

// checkWalk checks the counts of a walk through the whole table: nothing is ever deleted, so it
// must have all records that were known when it began.
func (w *worker) checkWalk(k *walk, filter bool) error {
	switch {
	case !k.whole:
		return nil
	case k.seen < k.known:
		return fmt.Errorf("the pages of the whole table have %d items together, of at least %d", k.seen, k.known)
	case filter && k.matched < w.table.passing():
		return fmt.Errorf("%d items of the whole table pass the filter, of at least %d", k.matched, w.table.passing())
	}
	return nil
}
