package db

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/schema"
)

// powerCut is what a cut leaves, and what was known before it and after.
type powerCut struct {
	w             *powerWorld
	rnd           *rand.Rand
	clone         *vfs.MemFS
	rest          *vfs.MemFS // the same, for the next life
	before, after *powerBounds

	d        *DB
	engine   *pebblekv.Engine
	seen     []int // by client: the latest operation of which anything is there
	left     [][]*powerWrite
	undone   map[*powerWrite]bool // what was asked for and has not happened
	features map[string]powerFeatures
	temps    []powerTemp
	problems []string
}

// cut cuts the power.
func (w *powerWorld) cut(rnd *rand.Rand) *powerCut {
	c := &powerCut{w: w, rnd: rnd, before: w.bounds()}
	percent := []int{0, 0, 100, rnd.IntN(101)}[rnd.IntN(4)]
	c.clone = w.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rnd})
	c.after = w.bounds()
	c.rest = c.clone.CrashClone(vfs.CrashCloneCfg{})
	return c
}

// verify opens what the cut has left and compares it with what is known. If again is set the power
// goes a second time, during the recovery.
func (c *powerCut) verify(again bool) {
	var second *powerCut
	fs := newPowerFS(c.clone, c.rnd, 20)
	cutAgain := func() {
		if second == nil {
			percent := []int{0, 50}[c.rnd.IntN(2)]
			clone := c.clone.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rnd})
			second = &powerCut{w: c.w, rnd: c.rnd, clone: clone, before: c.before, after: c.after}
		}
	}
	if again {
		fs.arm(cutAgain)
	}
	var err error
	if c.engine, c.d, err = c.w.open(fs); err != nil {
		c.problem("opening: %v", err)
	} else {
		fs.arm(nil)
		c.compareAndClose()
	}
	c.w.mu.Lock()
	c.w.faults = append(c.w.faults, c.problems...)
	c.w.mu.Unlock()
	if second != nil {
		second.verify(false)
	}
}

// compareAndClose compares everything, goes on for a little, and closes the database.
func (c *powerCut) compareAndClose() {
	c.compare()
	if len(c.problems) == 0 {
		c.goOn()
	}
	if err := errors.Join(c.d.Close(), c.engine.Close()); err != nil {
		c.problem("closing: %v", err)
	}
}

// problem notes a problem.
func (c *powerCut) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// settle waits until no background job runs.
func (c *powerCut) settle() {
	for deadline := time.Now().Add(20 * time.Second); c.d.works(); runtime.Gosched() {
		if time.Now().After(deadline) {
			c.problem("the background jobs do not end")
			return
		}
	}
}

// compare compares everything.
func (c *powerCut) compare() {
	c.settle()
	c.check()
	c.schema()
	c.seen, c.left, c.undone = make([]int, powerClients), make([][]*powerWrite, powerClients), map[*powerWrite]bool{}
	for i := range c.seen {
		c.seen[i] = -1
	}
	c.compareItems()
	if len(c.problems) == 0 {
		c.tokens()
	}
}

// check runs Check.
func (c *powerCut) check() {
	problems, err := checkOpen(context.Background(), c.d)
	if err != nil {
		c.problem("Check: %v", err)
	}
	for _, p := range problems[:min(len(problems), 5)] {
		c.problem("Check: %v", p)
	}
}

// schema wants each table to be as it was known or asked to be.
func (c *powerCut) schema() {
	c.features = map[string]powerFeatures{}
	for _, table := range c.w.tables {
		got := featuresOf(&c.d.Lookup(schema.DefaultNamespace, table.Name).Descriptor)
		c.features[table.Name] = got
		if known := append(slices.Clone(c.before.features[table.Name]), c.after.features[table.Name]...); !slices.Contains(known, got) {
			c.problem("table %s has %v, want one of %v", table.Name, got, known)
		}
	}
	for i, after := range c.after.temps {
		before := powerTemp{}
		if i < len(c.before.temps) {
			before = c.before.temps[i]
		}
		name := fmt.Sprint("temp", i)
		table := c.d.Lookup(schema.DefaultNamespace, name)
		switch {
		case table == nil && before.made && !after.askedToEnd:
			c.problem("table %s is gone", name)
		case table != nil && before.deleted:
			c.problem("table %s is there again", name)
		case table != nil:
			n, _ := c.d.Counts(table, nil)
			if int(n) < before.items || int(n) > after.items+1 {
				c.problem("table %s has %d items, want %d to %d", name, n, before.items, after.items+1)
			}
			c.temps = append(c.temps, powerTemp{made: true, askedToMake: true, items: int(n)})
			continue
		}
		c.temps = append(c.temps, powerTemp{made: true, askedToMake: true, askedToEnd: true, deleted: true})
	}
}

// compareItems compares the items and what the streams tell of them with what the clients did.
func (c *powerCut) compareItems() {
	items := [2]map[string]item.Item{}
	for i, table := range c.w.tables {
		items[i] = c.scan(table)
	}
	writes := c.byPlace()
	stream := c.replay(items[0], writes)
	c.replaySide(items[1])
	for place, it := range items[0] {
		if !item.SameAttributes(stream[place], it) {
			c.problem("%s is %.100s, and the stream tells of %.100s", place, it.AppendJSON(nil), stream[place].AppendJSON(nil))
		}
		c.swept(place, it)
	}
	for place, it := range stream {
		if it.Exists() && !items[0][place].Exists() {
			c.problem("%s is gone, and the stream tells of %.100s", place, it.AppendJSON(nil))
		}
	}
	for place, it := range items[1] {
		c.saw(place, it)
	}
	for client, left := range c.left {
		for _, one := range left {
			if c.mustBe(client, one) {
				c.problem("the stream tells nothing of operation %d of client %d on %s; %d are acknowledged, and %d is there",
					one.op, client, one.place(), c.before.acked[client], c.seen[client])
			}
			c.undone[one] = true
		}
	}
	for place, ws := range writes {
		if strings.HasPrefix(place, "side ") {
			c.compareSide(place, ws, items[1][place])
		}
	}
}

// scan returns a table's items by their place.
func (c *powerCut) scan(table *Table) map[string]item.Item {
	items := map[string]item.Item{}
	for read := (Read{Table: table, Consistent: true}); ; {
		page, err := c.d.Read(context.Background(), &read, func(it item.Item) (bool, error) {
			items[powerPlace(table.Name == "side", it)] = it.Clone()
			return true, nil
		})
		if err != nil {
			c.problem("reading table %s: %v", table.Name, err)
		}
		if read.After = page.Last; !page.Last.Exists() {
			return items
		}
	}
}

// byPlace returns what was asked for, by item, in order.
func (c *powerCut) byPlace() map[string][]*powerWrite {
	writes := map[string][]*powerWrite{}
	for i := range powerClients {
		for _, op := range c.asked(i) {
			for _, one := range op.writes {
				writes[one.place()] = append(writes[one.place()], one)
			}
		}
	}
	return writes
}

// asked is what a client had asked for at the end.
func (c *powerCut) asked(client int) []*powerOp { return c.after.ops[client] }

// clientOf is whose item it is.
func clientOf(place string) int {
	return int(place[strings.Index(place, "c")+1] - '0')
}

// saw notes the operation that an item is from.
func (c *powerCut) saw(place string, it item.Item) {
	if v, ok := it.Get("v").Int64(); ok {
		c.seen[clientOf(place)] = max(c.seen[clientOf(place)], int(v))
	}
}

// mustBe tells whether a write must be there: it was acknowledged, or a later operation of the same
// client is there, or another write of the same transaction.
func (c *powerCut) mustBe(client int, one *powerWrite) bool {
	ops := c.asked(client)
	whole := one.op < len(ops) && ops[one.op].transaction != nil
	return one.op < c.before.acked[client] || one.op < c.seen[client] || one.op == c.seen[client] && whole
}

// read returns all records of a stream, shard by shard, and wants their positions to ascend.
func (c *powerCut) read(l *Stream) (shards [][]*schema.StreamRecord) {
	for shard := range uint32(l.Shards) {
		var all []*schema.StreamRecord
		after, n := schema.Position{}, -1
		for n != len(all) {
			n = len(all)
			read := StreamRead{Stream: l, Shard: shard, After: after, Limit: 1000}
			last, _, err := c.d.ReadStream(context.Background(), read, func(r *schema.StreamRecord) bool {
				if string(r.Position[:]) <= string(after[:]) || n < len(all) && string(r.Position[:]) <= string(all[len(all)-1].Position[:]) {
					c.problem("a stream record has the position %x, after %x", r.Position, after)
				}
				all = append(all, r)
				return true
			})
			if err != nil {
				c.problem("reading stream %s: %v", l.Path(), err)
				return shards
			}
			after = last
		}
		shards = append(shards, all)
	}
	return shards
}

// replay wants the first table's stream to tell exactly what happened, and returns the items that
// it makes.
func (c *powerCut) replay(items map[string]item.Item, writes map[string][]*powerWrite) map[string]item.Item {
	made, next := map[string]item.Item{}, map[string]int{}
	for shard, records := range c.read(c.d.StreamByID(c.w.tables[0].StreamID)) {
		shown := c.before.shown[uint32(shard)]
		for i, r := range records {
			if i < len(shown) && recordOf(r) != shown[i] {
				c.problem("record %d of shard %d is %v, and a reader was shown %v", i, shard, recordOf(r), shown[i])
			}
			place := keyText(r.Keys)
			if old := made[place]; !item.SameAttributes(old, r.Old) {
				c.problem("%s of %s begins with %.100s, after %.100s", r.Name, place, r.Old.AppendJSON(nil), old.AppendJSON(nil))
			}
			next[place] = c.follow(place, r, writes[place], next[place])
			made[place] = r.New
		}
		if len(records) < len(shown) {
			c.problem("shard %d has %d records, and a reader was shown %d", shard, len(records), len(shown))
		}
	}
	for place, ws := range writes {
		if !strings.HasPrefix(place, "side ") {
			c.leave(place, ws[next[place]:], made[place])
		}
	}
	return made
}

// leave notes the writes that no record tells of, though the first of them would have changed the
// item.
func (c *powerCut) leave(place string, ws []*powerWrite, it item.Item) {
	for i, one := range ws {
		if !item.SameAttributes(it, one.apply(it)) {
			c.left[clientOf(place)] = append(c.left[clientOf(place)], ws[i:]...)
			return
		}
	}
}

// follow finds the write that a record tells of, which is one of ws from number next on: those
// before it changed nothing. It returns the number behind it.
func (c *powerCut) follow(place string, r *schema.StreamRecord, ws []*powerWrite, next int) int {
	if r.ByService {
		if r.New.Exists() || !expired(r.Old.Get("e"), c.after.now) {
			c.problem("the service made %.100s of %.100s", r.New.AppendJSON(nil), r.Old.AppendJSON(nil))
		}
		return next
	}
	for ; next < len(ws); next++ {
		new := ws[next].apply(r.Old)
		if item.SameAttributes(new, r.Old) {
			continue
		}
		if !item.SameAttributes(new, r.New) {
			break
		}
		c.seen[clientOf(place)] = max(c.seen[clientOf(place)], ws[next].op)
		return next + 1
	}
	c.problem("%s is told to become %.100s, which nobody wrote then", place, r.New.AppendJSON(nil))
	return next
}

// replaySide wants the changes of each item to follow one another in each of the side table's
// streams, and the one that is written now to end with the items.
func (c *powerCut) replaySide(items map[string]item.Item) {
	side := c.d.Lookup(schema.DefaultNamespace, "side")
	logs, _ := c.d.Streams(schema.DefaultNamespace, "side", "", "", 10000)
	for _, l := range logs {
		made := map[string]item.Item{}
		for _, records := range c.read(l) {
			for _, r := range records {
				place := powerPlace(true, r.Keys)
				if old, ok := made[place]; ok && !item.SameAttributes(old, r.Old) {
					c.problem("%s of %s begins with %.100s, after %.100s", r.Name, place, r.Old.AppendJSON(nil), old.AppendJSON(nil))
				}
				made[place] = r.New
			}
		}
		for place, it := range made {
			if l.ID == side.StreamID && !item.SameAttributes(items[place], it) {
				c.problem("%s is %.100s, and the stream tells of %.100s", place, items[place].AppendJSON(nil), it.AppendJSON(nil))
			}
		}
	}
}

// swept wants an item not to be there that was known to be deleted, as a sweep ended that found it
// expired.
func (c *powerCut) swept(place string, it item.Item) {
	v, ok := it.Get("v").Int64()
	if s := c.before.swept; ok && int(v) < s.acked[clientOf(place)] && expired(it.Get("e"), s.now) {
		c.problem("%s is there, of operation %d, which had expired before the sweep of %d", place, v, s.now.Unix())
	}
}

// compareSide wants an item without a stream to be as its writes left it, up to one that may be the
// last.
func (c *powerCut) compareSide(place string, ws []*powerWrite, got item.Item) {
	var state item.Item
	client, n := clientOf(place), 0
	for ; n < len(ws) && c.mustBe(client, ws[n]); n++ {
		state = ws[n].apply(state)
	}
	for ; n < len(ws) && !item.SameAttributes(state, got); n++ {
		state = ws[n].apply(state)
	}
	if !item.SameAttributes(state, got) {
		c.problem("%s is %.100s, which it may not be; %d operations are acknowledged, and %d is there",
			place, got.AppendJSON(nil), c.before.acked[client], c.seen[client])
	}
	for _, one := range ws[n:] {
		c.undone[one] = true
	}
}

// tokens sends the latest transactions again: those that are there do nothing.
func (c *powerCut) tokens() {
	for i, ops := range c.before.ops {
		sent := 0
		for n := len(ops) - 1; n >= 0 && sent < 2; n-- {
			t := ops[n].transaction
			if t == nil || t.Token == nil || n >= c.before.acked[i] {
				continue
			}
			sent++
			if out, err := c.d.Transact(context.Background(), t); err != nil || !out.Replayed {
				c.problem("transaction %d of client %d, sent again: %v, replayed %v", n, i, err, out.Replayed)
			}
		}
	}
}

// goOn writes, deletes what has expired, and checks again: what the cut has left is a database like
// any other.
func (c *powerCut) goOn() {
	ctx := context.Background()
	for _, table := range c.w.tables {
		it := expiring(1, item.Int(1))
		if _, err := c.d.Write(ctx, &Write{Table: table, Key: it, Change: Put{it}}); err != nil {
			c.problem("writing to table %s: %v", table.Name, err)
		}
	}
	if c.rnd.IntN(4) > 0 {
		return
	}
	if err := c.d.Sweep(ctx); err != nil {
		c.problem("a sweep: %v", err)
	}
	c.settle()
	c.check()
}
