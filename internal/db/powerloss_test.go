package db

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

var powerPoints = flag.Int("power.points", 80, "how often TestPowerLoss cuts the power")

// What TestPowerLoss does with one history.
const (
	powerClients = 4
	powerLives   = 3 // how often the history goes on after a cut
	powerCuts    = 8 // in each life, the last of which ends it
	powerGap     = 60
)

// TestPowerLoss cuts the power at random moments of a random history, also in the middle of flushes, compactions, changes of the
// manifest and of a recovery from the cut before, with any part of what was not synced kept. The history is of concurrent clients
// that write items alone, in batches and in transactions with tokens, of two tables whose indexes, streams and expiry come and go, of
// tables that are made and deleted, and of items that expire by a clock that is turned. After each cut everything that was acknowledged
// or shown is there, nothing is there in part, the stream tells exactly what happened, tokens are remembered, Check finds nothing, and
// the database goes on.
func TestPowerLoss(t *testing.T) {
	s := seed(t)
	points := *powerPoints
	if testing.Short() {
		points = min(points, 24)
	}
	for n := 0; points > 0; n++ {
		cuts := min(points, powerLives*powerCuts)
		points -= cuts
		t.Run(fmt.Sprint("history ", n), func(t *testing.T) {
			t.Parallel()
			w := newPowerWorld(t, s+uint64(n), false)
			for cuts > 0 && len(w.faults) == 0 {
				w.live(min(cuts, powerCuts))
				cuts -= powerCuts
			}
			for _, fault := range w.faults[:min(len(w.faults), 20)] {
				t.Error(fault)
			}
		})
	}
}

// TestPowerLossNeedsTheSync switches the sync of the log off and wants the test above to notice.
func TestPowerLossNeedsTheSync(t *testing.T) {
	w := newPowerWorld(t, seed(t), true)
	for range powerLives {
		if w.live(powerCuts); len(w.faults) > 0 {
			t.Logf("%d faults, as there should be, such as: %s", len(w.faults), w.faults[0])
			return
		}
	}
	t.Error("nothing was lost although the log was not synced: the test tests nothing")
}

// powerWorld is a database whose power is cut, and all that is known of it outside.
type powerWorld struct {
	t        *testing.T
	seed     uint64
	unsynced bool
	lives    int
	clock    atomic.Int64
	mem      *vfs.MemFS
	d        *DB
	tables   []*Table // with the stream that is never switched off, and the side table

	mu       sync.Mutex
	off      bool // nothing that happens from now on counts
	clients  []*powerClient
	features map[string][]powerFeatures // by table: those known, and those asked for
	temps    []*powerTemp
	shown    map[uint32][]powerRecord
	swept    powerSweep
	faults   []string
}

// newPowerWorld makes the tables. They outlive even a disk that does not sync.
func newPowerWorld(t *testing.T, seed uint64, unsynced bool) *powerWorld {
	w := &powerWorld{
		t: t, seed: seed, unsynced: unsynced, mem: vfs.NewCrashableMem(), features: map[string][]powerFeatures{}, shown: map[uint32][]powerRecord{},
		swept: powerSweep{acked: make([]int, powerClients)},
	}
	w.clock.Store(1_700_000_000e9)
	engine, d, err := w.open(w.mem)
	if err != nil {
		t.Fatal(err)
	}
	side := modelDescriptor()
	side.Name = "side"
	for _, desc := range []*Descriptor{streamedDescriptor(), side} {
		table, err := d.Create(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		w.tables = append(w.tables, table)
		w.features[table.Name] = []powerFeatures{featuresOf(&table.Descriptor)}
	}
	setExpiry(t, d, "e")
	w.features["model"] = []powerFeatures{{stream: "NEW_AND_OLD_IMAGES", expiry: "e"}}
	if err := errors.Join(d.Close(), engine.Close()); err != nil {
		t.Fatal(err)
	}
	for i := range powerClients {
		w.clients = append(w.clients, &powerClient{name: fmt.Sprint("c", i), rnd: w.random(uint64(i))})
	}
	return w
}

// random is a source of randomness of its own.
func (w *powerWorld) random(n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.seed, n+1000*uint64(w.lives)))
}

// fault notes what went wrong.
func (w *powerWorld) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.off {
		w.faults = append(w.faults, fmt.Sprintf(format, args...))
	}
}

// faulty tells whether anything went wrong.
func (w *powerWorld) faulty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.faults) > 0
}

// open opens the database on a file system. Its memtables are small, so that there is something to flush and to compact.
func (w *powerWorld) open(fs vfs.FS) (*pebblekv.Engine, *DB, error) {
	now := func() time.Time { return time.Unix(0, w.clock.Load()) }
	engine, err := pebblekv.Open(pebblekv.Options{
		Dir: "data", FS: fs, Clock: now, MemoryLimit: 16 << 20, MemtableBytes: 64 << 10, Stripes: 64, FreeSpaceFloor: -1,
	})
	if err != nil {
		return nil, nil, err
	}
	d, err := Open(engine, Options{Now: now, SweepInterval: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, errors.Join(err, engine.Close())
	}
	return engine, d, nil
}

// live opens the database, works on it, and cuts the power so many times; the first cuts may come while it opens. What the last cut
// leaves is the database of the next life.
func (w *powerWorld) live(cuts int) {
	rnd := w.random(100)
	under := vfs.FS(w.mem)
	if w.unsynced {
		under = unsyncedLogs{w.mem}
	}
	fs := newPowerFS(under, rnd, powerGap)
	last := make(chan *powerCut, 1)
	fs.arm(func() {
		cut := w.cut(rnd)
		cuts--
		end := cuts <= 0 || w.faulty()
		if end {
			fs.cut = nil
			w.note(func() { w.off = true })
		}
		if cut.verify(true); end {
			last <- cut
		}
	})
	engine, d, err := w.open(fs)
	if err != nil {
		w.t.Fatal(err)
	}
	w.d = d
	all := w.load()
	cut := <-last
	all.Wait()
	if err := errors.Join(d.Close(), engine.Close()); err != nil {
		w.t.Fatal(err)
	}
	if len(w.faults) == 0 {
		w.revive(cut)
	}
}

// revive makes the world what the cut has left, in which no client knows less than there is.
func (w *powerWorld) revive(cut *powerCut) {
	w.lives++
	w.off, w.mem = false, cut.rest
	for i, c := range w.clients {
		c.ops = slices.Clone(cut.asked(i))
		for n := cut.before.acked[i]; n < len(c.ops); n++ { // it has happened in so far as verify has found out
			happened := slices.DeleteFunc(slices.Clone(c.ops[n].writes), func(one *powerWrite) bool { return cut.undone[one] })
			c.ops[n] = &powerOp{writes: happened}
		}
		c.acked, c.rnd = len(c.ops), w.random(uint64(i))
	}
	for _, table := range w.tables {
		w.features[table.Name] = []powerFeatures{cut.features[table.Name]}
	}
	w.temps = nil
	for _, temp := range cut.temps {
		w.temps = append(w.temps, &temp)
	}
	w.shown, w.swept = cut.before.shown, cut.before.swept
}

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

// verify opens what the cut has left and compares it with what is known. If again is set the power goes a second time, during the recovery.
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
	problems, err := c.d.Check(context.Background(), nil)
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
		got := featuresOf(&c.d.Lookup(DefaultNamespace, table.Name).Descriptor)
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
		table := c.d.Lookup(DefaultNamespace, name)
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

// mustBe tells whether a write must be there: it was acknowledged, or a later operation of the same client is there, or another
// write of the same transaction.
func (c *powerCut) mustBe(client int, one *powerWrite) bool {
	ops := c.asked(client)
	whole := one.op < len(ops) && ops[one.op].transaction != nil
	return one.op < c.before.acked[client] || one.op < c.seen[client] || one.op == c.seen[client] && whole
}

// read returns all records of a stream, shard by shard, and wants their positions to ascend.
func (c *powerCut) read(l *Log) (shards [][]*StreamRecord) {
	for shard := range uint32(l.Shards) {
		var all []*StreamRecord
		after, n := Position{}, -1
		for n != len(all) {
			n = len(all)
			last, _, err := c.d.ReadStream(context.Background(), l, shard, after, 1000, func(r *StreamRecord) bool {
				if string(r.Position[:]) <= string(after[:]) || n < len(all) && string(r.Position[:]) <= string(all[len(all)-1].Position[:]) {
					c.problem("a stream record has the position %x, after %x", r.Position, after)
				}
				all = append(all, r)
				return true
			})
			if err != nil {
				c.problem("reading stream %s: %v", l.path, err)
				return shards
			}
			after = last
		}
		shards = append(shards, all)
	}
	return shards
}

// replay wants the first table's stream to tell exactly what happened, and returns the items that it makes.
func (c *powerCut) replay(items map[string]item.Item, writes map[string][]*powerWrite) map[string]item.Item {
	made, next := map[string]item.Item{}, map[string]int{}
	for shard, records := range c.read(c.d.StreamByID(c.w.tables[0].StreamLog)) {
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

// leave notes the writes that no record tells of, though the first of them would have changed the item.
func (c *powerCut) leave(place string, ws []*powerWrite, it item.Item) {
	for i, one := range ws {
		if !item.SameAttributes(it, one.apply(it)) {
			c.left[clientOf(place)] = append(c.left[clientOf(place)], ws[i:]...)
			return
		}
	}
}

// follow finds the write that a record tells of, which is one of ws from number next on: those before it changed nothing. It returns
// the number behind it.
func (c *powerCut) follow(place string, r *StreamRecord, ws []*powerWrite, next int) int {
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

// replaySide wants the changes of each item to follow one another in each of the side table's streams, and the one that is written now
// to end with the items.
func (c *powerCut) replaySide(items map[string]item.Item) {
	side := c.d.Lookup(DefaultNamespace, "side")
	logs, _ := c.d.Streams(DefaultNamespace, "side", "", "", 10000)
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
			if l.ID == side.StreamLog && !item.SameAttributes(items[place], it) {
				c.problem("%s is %.100s, and the stream tells of %.100s", place, items[place].AppendJSON(nil), it.AppendJSON(nil))
			}
		}
	}
}

// swept wants an item not to be there that was known to be deleted, as a sweep ended that found it expired.
func (c *powerCut) swept(place string, it item.Item) {
	v, ok := it.Get("v").Int64()
	if s := c.before.swept; ok && int(v) < s.acked[clientOf(place)] && expired(it.Get("e"), s.now) {
		c.problem("%s is there, of operation %d, which had expired before the sweep of %d", place, v, s.now/1e9)
	}
}

// compareSide wants an item without a stream to be as its writes left it, up to one that may be the last.
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

// goOn writes, deletes what has expired, and checks again: what the cut has left is a database like any other.
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
