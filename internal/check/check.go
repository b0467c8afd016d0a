// Package check verifies all that is stored against all else: catalog, rows, index rows, expiry
// rows, counters, streams and tokens. It is "partita check", and what tests run on a database in
// use.
//
// It knows what is stored from package schema, and reads it from a kv.Engine. It knows nothing of
// package db, whose mistakes it is there to find, but for Frozen.
package check

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// Kind is a kind of problem, in words for people.
type Kind string

// The kinds of problems.
const (
	KindFile       Kind = "damaged file"            // of the engine's; rows are not looked at then
	KindEngine     Kind = "row of the engine's"     // a row among its own that is none of them
	KindCatalog    Kind = "catalog"                 // names, the next id, rows of no kind
	KindDescriptor Kind = "descriptor"              // of a table
	KindCursor     Kind = "backfill cursor"         //
	KindStray      Kind = "rows that are nobody's"  // of no table, index or key space
	KindRow        Kind = "damaged row"             // not in the form in which items are stored
	KindKey        Kind = "row under another's key" //
	KindStamp      Kind = "stamp"                   //
	KindIndex      Kind = "index"                   // a row that is missing, differs from its item, or has none
	KindExpiry     Kind = "expiry"                  // a row that is missing, or is not that of its item
	KindCounter    Kind = "counter"                 //
	KindStream     Kind = "stream"                  // its descriptor, its end
	KindRecord     Kind = "stream record"           //
	KindToken      Kind = "transaction token"       //
)

// Kinds are all kinds, in the order in which a summary lists them.
var Kinds = []Kind{
	KindFile, KindEngine, KindCatalog, KindDescriptor, KindCursor, KindStray, KindRow, KindKey, KindStamp, KindIndex,
	KindExpiry, KindCounter, KindStream, KindRecord, KindToken,
}

// Problem is one thing that a check found. Table, Index and Key are empty where it is not about
// one.
type Problem struct {
	Kind  Kind
	Table string
	Index string `json:",omitempty"`
	// Key has the key attributes of the row as DynamoDB's JSON, or its bytes in hexadecimal where
	// they cannot be read. Nothing else that users have stored is ever told.
	Key    string `json:",omitempty"`
	Detail string
}

// String is the problem in a line, without its kind.
func (p Problem) String() string {
	var at []string
	for _, place := range []struct{ what, name string }{{"table", p.Table}, {"index", p.Index}, {"key", p.Key}} {
		if place.name != "" {
			at = append(at, place.what+" "+place.name)
		}
	}
	return strings.Join(append(at, p.Detail), ": ")
}

// Stage is what a check is doing.
type Stage string

// The stages, in their order.
const (
	StageFiles   Stage = "files"   // counted in bytes
	StageStreams Stage = "streams" // counted in records, of an unknown number
	StageRows    Stage = "rows"
)

// Progress is how far a check is. Total is 0 where it is not known.
type Progress struct {
	Stage       Stage
	Done, Total int64
}

// Options say what Run does.
type Options struct {
	// Files has the engine verify its files first.
	Files bool
	// MaxProblems is how many problems are listed; 0: 1000. All are counted.
	MaxProblems int
	// Progress, if not nil, is called now and then.
	Progress func(Progress)
	// Now is the time, which tells what streams are forgotten; nil: time.Now.
	Now func() time.Time
	// FollowKeys is of how many items, in each shard of a stream, the records are held against each
	// other; 0: a million. It bounds the memory: about 80 MB for a million.
	FollowKeys int
	// Open, if not nil, is the database that has the engine open. Its tables in memory are held
	// against those that are stored.
	Open Frozen
}

// Frozen is an open database.
type Frozen interface {
	// Freeze keeps the catalog, in memory and stored, as it is, until release is called, which may
	// be called more than once. It returns the tables, by id.
	Freeze() (tables map[uint32]*schema.Table, release func())
}

// Report is what a check found.
type Report struct {
	Tables, Items, IndexRows, ExpiryRows int64
	Streams, StreamRecords, Tokens       int64
	// Unfollowed are the stream records that were not held against others of the same item, for
	// FollowKeys.
	Unfollowed int64
	// Bytes are those of all rows seen, keys included.
	Bytes int64
	// Found counts all problems, Problems lists the first of them.
	Found    map[Kind]int64
	Problems []Problem
}

// Clean tells whether there is no problem.
func (r *Report) Clean() bool { return len(r.Found) == 0 }

type checker struct {
	ctx    context.Context
	o      Options
	engine kv.Engine
	r      kv.Reader
	out    *Report
	// inUse are the tables of the open database; nil if there is none. They are held as they are
	// until the view has begun, which began says.
	inUse map[uint32]*schema.Table
	began func()

	nextID  uint32
	names   map[uint32]bool // tables that have a name
	tables  map[uint32]*schema.Table
	broken  map[uint32]bool // tables whose descriptor cannot be used: their rows are left alone
	streams map[uint64]*schema.Stream
	own     own

	seeds    [2]maphash.Seed
	sections map[sectionID]*sectionCheck
	done     int64
	total    int64
	scratch  []byte
}

// sectionID names a section of a table.
type sectionID struct {
	table   uint32
	section uint16
}

// Run verifies all that an engine keeps for a database: catalog, streams and tables against each
// other, every row's form, every index and expiry row against its item and back, counters against a
// recount, streams against the items, orphans. It reads one consistent view, so the database may be
// in use. The error is that of reading; what is wrong with the data is in the report.
func Run(ctx context.Context, engine kv.Engine, o Options) (*Report, error) {
	return newChecker(ctx, engine, o).run()
}

// newChecker prepares a check.
func newChecker(ctx context.Context, engine kv.Engine, o Options) *checker {
	o.MaxProblems = cmp.Or(o.MaxProblems, 1000)
	o.FollowKeys = cmp.Or(o.FollowKeys, 1_000_000)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return &checker{
		ctx: ctx, o: o, engine: engine, began: func() {},
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
	}
}

func (c *checker) run() (*Report, error) {
	c.out = &Report{Found: map[Kind]int64{}}
	if c.o.Files {
		if err := c.files(); err != nil || !c.out.Clean() {
			return c.out, err
		}
	}
	if c.o.Open != nil {
		// Until the view has begun: a change in between would be in one and not in the other.
		c.inUse, c.began = c.o.Open.Freeze()
		defer c.began()
	}
	err := c.engine.View(c.ctx, kv.ReadOptions{Consistent: true}, func(r kv.Reader) error {
		c.begin(r)
		steps := []func() error{
			c.catalog, c.inspect, c.checkTokens, c.checkStreams, c.rows, c.compare, c.strays,
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		c.counters()
		return nil
	})
	c.out.Tables, c.out.Streams = int64(len(c.tables)), int64(len(c.streams))
	return c.out, err
}

// begin forgets what an earlier run, whose view came to nothing, has found.
func (c *checker) begin(r kv.Reader) {
	c.r, c.out, c.done = r, &Report{Found: map[Kind]int64{}}, 0
	c.names, c.broken, c.tables = map[uint32]bool{}, map[uint32]bool{}, map[uint32]*schema.Table{}
	c.streams, c.sections = map[uint64]*schema.Stream{}, map[sectionID]*sectionCheck{}
	c.own = own{counters: map[uint64][]kv.Count{}, trimmed: map[shardID]schema.Position{}, shards: map[shardID]bool{}}
}

func (c *checker) files() error {
	v, ok := c.engine.(kv.Verifier)
	if !ok {
		return nil
	}
	damage, err := v.VerifyFiles(c.ctx, func(done, total int64) { c.o.Progress(Progress{StageFiles, done, total}) })
	for _, d := range damage {
		c.note(Problem{Kind: KindFile, Detail: d})
	}
	return err
}

func (c *checker) note(p Problem) {
	if c.out.Found[p.Kind]++; len(c.out.Problems) < c.o.MaxProblems {
		c.out.Problems = append(c.out.Problems, p)
	}
}

// notef notes a problem that is about no row of a table.
func (c *checker) notef(kind Kind, format string, args ...any) {
	c.note(Problem{Kind: kind, Detail: fmt.Sprintf(format, args...)})
}

// noteRow notes a problem with the row of a table.
func (c *checker) noteRow(kind Kind, t *schema.Table, key []byte, format string, args ...any) {
	p := Problem{Kind: kind, Table: t.Name, Key: t.DescribeKey(key), Detail: fmt.Sprintf(format, args...)}
	if plan := t.PlanOf(key); plan != nil {
		p.Index = plan.Name
	}
	c.note(p)
}

// noteTable notes a problem with a table as a whole.
func (c *checker) noteTable(kind Kind, t *schema.Table, format string, args ...any) {
	c.note(Problem{Kind: kind, Table: t.Name, Detail: fmt.Sprintf(format, args...)})
}

// saw counts a row, and reports progress and looks for the context's end now and then.
func (c *checker) saw(stage Stage, total int64, bytes int) error {
	c.out.Bytes += int64(bytes)
	if c.done++; c.done%4096 == 0 {
		c.o.Progress(Progress{stage, c.done, total})
		return c.ctx.Err()
	}
	return nil
}

// strays looks for rows that begin with a byte that nothing begins with.
func (c *checker) strays() error {
	count := map[byte]int{}
	for _, r := range schema.StrayRanges() {
		err := c.r.Scan(r, kv.Forward, func(key, _ []byte) (bool, error) {
			count[key[0]]++
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	for _, space := range sortedKeys(count) {
		c.notef(KindStray, "%d rows have keys that begin with %02x, as none do", count[space], space)
	}
	return nil
}

// counters compares the counters with what was counted. Rows that are being removed are not counted
// with the rest.
func (c *checker) counters() {
	for _, id := range sortedKeys(c.tables) {
		t := c.tables[id]
		if t.State == schema.StateDropped {
			continue
		}
		counts := map[uint32]kv.Count{}
		for _, n := range c.counter(uint64(id)) {
			counts[n.Section] = n
		}
		for _, sec := range c.countedSections(t) {
			n := counts[uint32(sec.section)]
			delete(counts, uint32(sec.section))
			if !sec.uncountable && (n.Items != sec.items || n.Bytes != sec.bytes) {
				detail := fmt.Sprintf("the counter says %d rows of %d bytes, and there are %d of %d",
					n.Items, n.Bytes, sec.items, sec.bytes)
				c.note(Problem{Kind: KindCounter, Table: t.Name, Index: sec.index, Detail: detail})
			}
		}
		for _, s := range sortedKeys(counts) {
			if !removing(t, s) {
				c.noteTable(KindCounter, t, "the counter says %d rows of section %d, which the table has not",
					counts[s].Items, s)
			}
		}
	}
	for _, id := range sortedKeys(c.own.counters) {
		if c.tables[uint32(id)] == nil && !c.broken[uint32(id)] || id>>32 != 0 {
			c.notef(KindCounter, "there is a counter of table id %d, which does not exist", id)
		}
	}
}

// counter returns a table's counter as the view shows it, or, of an engine that does not, the
// present one.
func (c *checker) counter(id uint64) []kv.Count {
	if c.own.shown {
		return c.own.counters[id]
	}
	return c.engine.Counter(id)
}

// countedSections are the sections of a table whose rows are counted, with what was counted.
func (c *checker) countedSections(t *schema.Table) []*sectionCheck {
	sections := []*sectionCheck{c.section(t, schema.SectionItems)}
	for _, p := range t.Plans {
		if p.State != schema.StateAbsent {
			sections = append(sections, c.section(t, p.ID))
		}
	}
	return sections
}

// removing tells whether the section's rows are being removed.
func removing(t *schema.Table, section uint32) bool {
	return slices.ContainsFunc(t.Indexes, func(x schema.Index) bool {
		return uint32(x.ID) == section && x.State == schema.StateAbsent
	})
}

// sortedKeys are the keys of a map, ascending.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
