package db

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// powerWrite is one write of a client.
type powerWrite struct {
	op    int // the client's operation that it is part of
	side  bool
	key   item.Item
	put   item.Item // missing: a delete or an update
	delta bool      // an update, which sets v and n to the operation's number
}

// apply is what the write makes of an item.
func (w *powerWrite) apply(old item.Item) item.Item {
	switch {
	case w.put.Exists():
		return w.put
	case !w.delta:
		return item.Item{}
	case !old.Exists():
		old = w.key
	}
	return old.With([]item.Entry{attr("n", item.Int(int64(w.op))), attr("v", item.Int(int64(w.op)))})
}

// place names the item that is written.
func (w *powerWrite) place() string { return powerPlace(w.side, w.key) }

// powerPlace names an item of one of both tables.
func powerPlace(side bool, it item.Item) string {
	if side {
		return "side " + keyText(it)
	}
	return keyText(it)
}

// powerOp is one operation of a client: a write, a batch or a transaction.
type powerOp struct {
	writes      []*powerWrite
	transaction *Transaction // nil if each write is atomic alone
}

// powerClient writes items that nobody else writes, one operation after the other.
type powerClient struct {
	name string
	rnd  *rand.Rand
	// ops are all operations it has asked for; of the first acked it knows that they were done.
	// Under powerWorld.mu.
	ops   []*powerOp
	acked int
}

// operation is the client's next one, which it does not ask for yet.
func (c *powerClient) operation(w *powerWorld) *powerOp {
	op, n := &powerOp{}, 1
	kind := c.rnd.IntN(4)
	if kind > 1 {
		n = 2 + c.rnd.IntN(3)
	}
	for range n {
		one := c.write(w)
		if !slices.ContainsFunc(op.writes, func(o *powerWrite) bool { return o.place() == one.place() }) {
			op.writes = append(op.writes, one)
		}
	}
	if kind == 3 {
		op.transaction = &Transaction{}
		for _, one := range op.writes {
			op.transaction.Actions = append(op.transaction.Actions, Action{Write: w.write(one)})
		}
		if c.rnd.IntN(2) == 0 {
			op.transaction.Token = &schema.Token{Operation: schema.TokenTransactWriteItems, Value: fmt.Sprint(c.name, "-", len(c.ops))}
		}
	}
	return op
}

// write is a random write.
func (c *powerClient) write(w *powerWorld) *powerWrite {
	one := &powerWrite{op: len(c.ops), side: c.rnd.IntN(3) == 0}
	one.key = item.New([]item.Entry{
		attr("pk", item.String(fmt.Sprint(c.name, "/", c.rnd.IntN(3)))), attr("sk", item.Int(int64(c.rnd.IntN(4)))),
	})
	switch c.rnd.IntN(6) {
	case 0:
	case 1:
		one.delta = true
	default:
		es := []item.Entry{
			attr("v", item.Int(int64(one.op))), attr("n", item.Int(int64(one.op%7))), attr("a", item.String(fmt.Sprint(c.rnd.IntN(4)))),
			attr("b", item.Binary([]byte{byte(c.rnd.IntN(5))})), attr("x", item.String(randomText(c.rnd, c.rnd.IntN(3000)))),
		}
		if !one.side && c.rnd.IntN(3) == 0 {
			es = append(es, attr("e", item.Int(w.clock.Now().Unix()+int64(c.rnd.IntN(12)-2))))
		}
		one.put = one.key.With(es)
	}
	return one
}

// randomText is a text that does not compress away.
func randomText(rnd *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%x", rnd.Uint64())
	}
	return b.String()[:n]
}

// write is the write as the database takes it.
func (w *powerWorld) write(one *powerWrite) Write {
	out := Write{Table: w.tables[0], Key: one.key, Change: Delete{}}
	if one.side {
		out.Table = w.tables[1]
	}
	switch {
	case one.put.Exists():
		out.Change = Put{one.put}
	case one.delta:
		u, err := w.d.Expressions().Update("SET v = :v, n = :v", &expr.Params{Values: []expr.Value{{Key: ":v", Value: item.Int(int64(one.op))}}})
		if err != nil {
			panic(err)
		}
		out.Change = updateChange{u, one.key}
	}
	return out
}

// do asks the database for the operation.
func (op *powerOp) do(w *powerWorld) error {
	if op.transaction != nil {
		_, err := w.d.Transact(context.Background(), op.transaction)
		return err
	}
	if len(op.writes) == 1 {
		one := w.write(op.writes[0])
		_, err := w.d.Write(context.Background(), &one)
		return err
	}
	var writes []Write
	for _, one := range op.writes {
		writes = append(writes, w.write(one))
	}
	_, errs := w.d.WriteEach(context.Background(), writes)
	return errors.Join(errs...)
}

// run works until the power is off.
func (c *powerClient) run(w *powerWorld) {
	for {
		op := c.operation(w)
		if !w.note(func() { c.ops = append(c.ops, op) }) {
			return
		}
		if err := op.do(w); err != nil {
			w.fault("client %s, operation %d: %v", c.name, len(c.ops)-1, err)
			return
		}
		if !w.note(func() { c.acked = len(c.ops) }) {
			return
		}
		time.Sleep(time.Duration(c.rnd.IntN(300)) * time.Microsecond)
	}
}

// note changes what is known of the world, unless the power is off: then nothing more happens in
// it, and note returns false.
func (w *powerWorld) note(change func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.off {
		change()
	}
	return !w.off
}

// sweep turns the clock and sweeps, over and over.
func (w *powerWorld) sweep() {
	rnd := w.random(101)
	for {
		var now time.Time
		acked := make([]int, len(w.clients))
		on := w.note(func() {
			w.clock.Advance(time.Duration(rnd.IntN(2000)) * time.Millisecond)
			now = w.clock.Now()
			for i, c := range w.clients {
				acked[i] = c.acked
			}
		})
		if !on {
			return
		}
		if err := w.d.Sweep(context.Background()); err != nil {
			w.fault("a sweep: %v", err)
			return
		}
		w.note(func() { w.swept = powerSweep{now, acked} })
		time.Sleep(time.Duration(rnd.IntN(5)) * time.Millisecond)
	}
}

// powerSweep is a sweep that is over: when it began, and what each client had written by then.
type powerSweep struct {
	now   time.Time
	acked []int
}

// powerFeatures is what has been switched on in a table, as its descriptor says.
type powerFeatures struct{ index, stream, expiry string }

// featuresOf are those of a descriptor. What is being removed is off.
func featuresOf(desc *schema.Descriptor) (f powerFeatures) {
	if x := desc.Index("churn"); x != nil && !x.Dropping {
		f.index = x.Name
	}
	if e := desc.Expiry; e != nil && !e.Dropping {
		f.expiry = e.Attribute
	}
	f.stream = string(desc.StreamViewType)
	return f
}

// powerTemp is a table that is made, filled and deleted again.
type powerTemp struct {
	made, deleted           bool // it is known to be
	askedToMake, askedToEnd bool
	items                   int // at least
}

// churn changes tables, and makes and deletes others, until the power is off.
func (w *powerWorld) churn() {
	rnd := w.random(102)
	for n := 0; ; n++ {
		var err error
		switch rnd.IntN(6) {
		case 0, 1:
			err = w.alter(rnd.IntN(2), rnd, toggleIndex)
		case 2:
			err = w.alter(1, rnd, toggleStream)
		case 3:
			err = w.alter(1, rnd, w.toggleExpiry)
		default:
			err = w.temporary(rnd)
		}
		if errors.Is(err, errPowerOff) {
			return
		}
		if err != nil && !errors.Is(err, ErrExpiryBusy) {
			w.fault("a schema change: %v", err)
			return
		}
		time.Sleep(time.Duration(rnd.IntN(8)) * time.Millisecond)
	}
}

var errPowerOff = errors.New("the power is off")

// toggleIndex adds an index or drops it, in whatever state it is.
func toggleIndex(desc *schema.Descriptor) error {
	if x := desc.Index("churn"); x != nil {
		x.Drop()
		return nil
	}
	desc.Indexes = append(desc.Indexes, gsi("churn", "ALL", "n", "|", "a"))
	return nil
}

// toggleStream switches a stream on or off.
func toggleStream(desc *schema.Descriptor) error {
	if desc.StreamViewType == "" {
		desc.StreamViewType = "NEW_AND_OLD_IMAGES"
	} else {
		desc.StreamViewType = ""
	}
	return nil
}

// toggleExpiry switches the expiry on or off. The numbers in n are no times at which anything
// expires.
func (w *powerWorld) toggleExpiry(desc *schema.Descriptor) error {
	attribute := "n"
	if featuresOf(desc).expiry != "" {
		attribute = ""
	}
	return w.d.changeExpiry(attribute, always)(desc)
}

// alter changes a table, with or without a wait for the job that follows.
func (w *powerWorld) alter(table int, rnd *rand.Rand, change func(*schema.Descriptor) error) error {
	alter := w.d.Alter
	if rnd.IntN(2) == 0 {
		alter = w.d.alter
	}
	name := w.tables[table].Name
	_, _, err := alter(context.Background(), schema.DefaultNamespace, name, false, func(desc *schema.Descriptor) error {
		if err := change(desc); err != nil {
			return err
		}
		if !w.note(func() { w.features[name] = append(w.features[name][:1:1], featuresOf(desc)) }) {
			return errPowerOff
		}
		return nil
	})
	if err == nil && !w.note(func() { w.features[name] = w.features[name][1:] }) {
		err = errPowerOff
	}
	return err
}

// temporary makes, fills or deletes a table.
func (w *powerWorld) temporary(rnd *rand.Rand) error {
	var temp *powerTemp
	name, last := "", len(w.temps)-1
	if last >= 0 && !w.temps[last].deleted {
		temp, name = w.temps[last], fmt.Sprint("temp", last)
	}
	ctx := context.Background()
	switch {
	case temp == nil:
		temp, name = &powerTemp{}, fmt.Sprint("temp", last+1)
		return w.known(
			func() { temp.askedToMake, w.temps = true, append(w.temps, temp) },
			func() error {
				desc := streamedDescriptor()
				desc.Name = name
				_, err := w.d.Create(ctx, desc)
				return err
			},
			func() { temp.made = true })
	case temp.items < 2 || rnd.IntN(3) > 0:
		n := temp.items
		return w.known(func() {}, func() error {
			it := expiring(n, item.Value{})
			_, err := w.d.Write(ctx, &Write{Table: w.d.Lookup(schema.DefaultNamespace, name), Key: it, Change: Put{it}})
			return err
		}, func() { temp.items++ })
	}
	return w.known(
		func() { temp.askedToEnd = true },
		func() error {
			delete := w.d.Delete
			if rnd.IntN(2) == 0 {
				delete = w.d.delete
			}
			_, err := delete(ctx, schema.DefaultNamespace, name, func(*Table) error { return nil })
			return err
		},
		func() { temp.deleted = true })
}

// known does something with a note before and after it.
func (w *powerWorld) known(asked func(), do func() error, done func()) error {
	if !w.note(asked) {
		return errPowerOff
	}
	if err := do(); err != nil {
		return err
	}
	if !w.note(done) {
		return errPowerOff
	}
	return nil
}

// follow reads the stream of the first table, and remembers what it was shown.
func (w *powerWorld) follow() {
	l := w.d.StreamByID(w.tables[0].StreamID)
	for {
		for shard := range uint32(l.Shards) {
			after := schema.Position{}
			if seen := w.shown[shard]; len(seen) > 0 {
				after = seen[len(seen)-1].at
			}
			var got []powerRecord
			read := StreamRead{Stream: l, Shard: shard, After: after, Limit: 1000}
			if _, _, err := w.d.ReadStream(context.Background(), read, func(r *schema.StreamRecord) bool {
				got = append(got, recordOf(r))
				return true
			}); err != nil {
				w.fault("reading the stream: %v", err)
				return
			}
			if !w.note(func() { w.shown[shard] = append(w.shown[shard], got...) }) {
				return
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// powerRecord is a stream record that a reader was shown.
type powerRecord struct {
	at   schema.Position
	what string
}

// recordOf is what to remember of a record.
func recordOf(r *schema.StreamRecord) powerRecord {
	return powerRecord{r.Position, fmt.Sprintf("%s %s %s", r.Name, keyText(r.Keys), r.New.Get("v").AppendText(nil))}
}

// powerBounds is what is known at a moment: of the time before it, or after.
type powerBounds struct {
	ops      [][]*powerOp // of each client, that it has asked for
	acked    []int
	features map[string][]powerFeatures
	temps    []powerTemp
	shown    map[uint32][]powerRecord
	swept    powerSweep
	now      time.Time
}

// bounds returns what is known now.
func (w *powerWorld) bounds() *powerBounds {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &powerBounds{features: maps.Clone(w.features), shown: maps.Clone(w.shown), swept: w.swept, now: w.clock.Now()}
	for _, c := range w.clients {
		b.acked, b.ops = append(b.acked, c.acked), append(b.ops, c.ops)
	}
	for _, t := range w.temps {
		b.temps = append(b.temps, *t)
	}
	return b
}

// load runs all who work on the database until the power is off.
func (w *powerWorld) load() *sync.WaitGroup {
	var all sync.WaitGroup
	for _, c := range w.clients {
		all.Go(func() { c.run(w) })
	}
	for _, run := range []func(){w.sweep, w.churn, w.follow} {
		all.Go(run)
	}
	return &all
}
