package bench

import (
	"bytes"
	"slices"
	"time"
)

// put replaces a record.
func (w *worker) put() (kind, bool) { return kindPut, w.putRecord(w.choose.next(w.random)) }

// putFirst replaces a record of the first partition.
func (w *worker) putFirst() (kind, bool) {
	return kindPut, w.putRecord(w.random.Int64N(min(w.collection, w.Records)))
}

// insert puts a new record.
func (w *worker) insert() (kind, bool) {
	rec := w.table.ins.take()
	ok := w.putRecord(rec)
	if ok {
		w.table.ins.ack(rec)
	}
	return kindPut, ok
}

// putRecord puts a record.
func (w *worker) putRecord(rec int64) bool {
	w.body = append(w.appendPut(w.body[:0], rec, w.random), '}')
	began := time.Now()
	ok := w.call("PutItem", w.body) != nil
	w.wrote(rec, began, ok)
	return ok
}

// wrote notes that w.body was to put a record.
func (w *worker) wrote(rec int64, began time.Time, ok bool) {
	if w.table.track.watched[rec] == nil {
		return
	}
	for field := range w.fields {
		w.tag = w.layout.tag(w.tag[:0], rec, field)
		w.table.track.wrote(rec, field, w.find(w.body, w.tag), began, ok)
	}
}

// update changes a field of a record.
func (w *worker) update() (kind, bool) {
	ok, _ := w.set(w.choose.next(w.random), w.random.IntN(w.fields), nil)
	return kindUpdate, ok
}

// updateFirst changes a field of the first record.
func (w *worker) updateFirst() (kind, bool) {
	ok, _ := w.set(0, w.random.IntN(w.fields), nil)
	return kindUpdate, ok
}

// set changes a field of a record, if it has the value old where that is not nil. lost says that it
// has another.
func (w *worker) set(rec int64, field int, old []byte) (ok, lost bool) {
	w.value = w.appendValue(w.value[:0], rec, field, w.random)
	w.body = append(w.appendUpdate(w.body[:0], rec, field, w.value, old), '}')
	began := time.Now()
	w.lost = false
	ok = w.call("UpdateItem", w.body) != nil
	if !w.lost {
		w.table.track.wrote(rec, field, w.value, began, ok)
	}
	return ok, w.lost
}

// mostRaces is how often a worker tries again what others were faster with.
const mostRaces = 100

// modify reads a record and replaces a field on the condition that it still has the value that was
// read; if it has not, all over again.
func (w *worker) modify() (kind, bool) {
	rec, field := w.choose.next(w.random), w.random.IntN(w.fields)
	for range mostRaces {
		w.body = w.appendGet(w.body[:0], rec, true)
		began := time.Now()
		answer := w.call("GetItem", w.body)
		if answer == nil || !w.hold("GetItem", w.has(answer, rec)) {
			return kindModify, false
		}
		w.took(kindModifyGet, began)
		w.tag = w.layout.tag(w.tag[:0], rec, field)
		w.old = append(w.old[:0], w.find(answer, w.tag)...)
		began = time.Now()
		ok, lost := w.set(rec, field, w.old)
		if ok {
			w.took(kindModifyUpdate, began)
		}
		if !lost {
			return kindModify, ok
		}
	}
	return kindModify, w.wrong("record %d: %d conditional updates in a row came too late", rec, mostRaces)
}

// chooseSeveral fills w.records with different records.
func (w *worker) chooseSeveral(n int) {
	w.records = w.records[:0]
	for len(w.records) < int(min(int64(n), w.Records)) {
		rec := w.choose.next(w.random)
		for slices.Contains(w.records, rec) {
			rec = w.random.Int64N(w.Records)
		}
		w.records = append(w.records, rec)
	}
}

// batchWrite replaces several records.
func (w *worker) batchWrite() (kind, bool) {
	w.chooseSeveral(w.Batch)
	return kindBatchWrite, w.putBatch()
}

// putBatch puts w.records.
func (w *worker) putBatch() bool {
	w.body = append(append(append(w.body[:0], `{"RequestItems":{"`...), w.layout.table...), `":[`...)
	for i, rec := range w.records {
		if i > 0 {
			w.body = append(w.body, ',')
		}
		w.body = append(w.appendItem(append(w.body, `{"PutRequest":{"Item":`...), rec, w.random), `}}`...)
	}
	w.body = append(w.body, `]}}`...)
	began := time.Now()
	ok := w.callUntilDone("BatchWriteItem", `"UnprocessedItems"`, nil)
	for _, rec := range w.records {
		w.wrote(rec, began, ok)
	}
	return ok
}

// transact puts two records and updates two others, all or none.
func (w *worker) transact() (kind, bool) {
	w.chooseSeveral(transactItems)
	field := w.random.IntN(w.fields)
	w.body = append(w.body[:0], `{"TransactItems":[`...)
	for i, rec := range w.records {
		if i > 0 {
			w.body = append(w.body, ',')
		}
		if i < transactItems/2 {
			w.body = append(w.appendPut(append(w.body, `{"Put":`...), rec, w.random), `}}`...)
			continue
		}
		w.value = w.appendValue(w.value[:0], rec, field, w.random)
		w.body = append(w.appendUpdate(append(w.body, `{"Update":`...), rec, field, w.value, nil), `}}`...)
	}
	w.body = append(w.body, `]}`...)
	began := time.Now()
	ok := w.call("TransactWriteItems", w.body) != nil
	for i, rec := range w.records {
		if i < transactItems/2 {
			w.wrote(rec, began, ok)
			continue
		}
		w.tag = w.layout.tag(w.tag[:0], rec, field)
		w.table.track.wrote(rec, field, w.find(w.body, w.tag), began, ok)
	}
	return kindTransact, ok
}

// callUntilDone sends w.body, and then what the server has left for later, until nothing is left.
// check, if there is one, looks at each answer and returns how many items it has; there must be as
// many as w.records.
func (w *worker) callUntilDone(target, left string, check func([]byte) (int, error)) bool {
	items := 0
	for body, tries := w.body, 0; tries < mostRaces; tries++ {
		answer := w.call(target, body)
		if answer == nil {
			return false
		}
		if check != nil {
			n, err := check(answer)
			if err != nil {
				return w.hold(target, err)
			}
			items += n
		}
		rest := object(answer, left)
		if !bytes.Contains(rest, []byte(`"pk"`)) {
			return check == nil || items == len(w.records) ||
				w.wrong("%s of %d items has answered %d", target, len(w.records), items)
		}
		w.counts.throttled.Add(1)
		w.pause(tries)
		w.again = append(append(append(w.again[:0], `{"RequestItems":`...), rest...), '}')
		body = w.again
	}
	return w.wrong("%s: something was left for later %d times in a row", target, mostRaces)
}
