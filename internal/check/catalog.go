package check

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// own is what the engine showed of what it keeps for itself.
type own struct {
	shown    bool // it does show
	counters map[uint64][]kv.Count
	trimmed  map[shardID]schema.Position
	shards   map[shardID]bool // those with records
	bound    uint64           // of stamps
}

// shardID names a shard of a stream.
type shardID struct {
	log   uint64
	shard uint32
}

// catalog reads the catalog: names, descriptors of tables and streams, cursors.
func (c *checker) catalog() error {
	id, err := c.r.Get(schema.NextIDKey())
	c.began()
	if err != nil {
		return err
	}
	c.nextID = 1
	switch next, ok := schema.ReadTableID(id); {
	case ok:
		c.nextID = next
	case id != nil:
		c.notef(KindCatalog, "the next table id is %d bytes long", len(id))
	}
	for _, step := range []func() error{c.descriptors, c.tableNames, c.streamDescriptors, c.cursors, c.catalogStrays} {
		if err := step(); err != nil {
			return err
		}
	}
	c.agree()
	return nil
}

func (c *checker) descriptors() error {
	uuids := map[string]uint32{}
	return c.r.Scan(schema.DescriptorRange(), kv.Forward, func(key, value []byte) (bool, error) {
		id, ok := schema.ReadDescriptorKey(key)
		if !ok {
			c.notef(KindDescriptor, "the key %x is no table's", key)
			return true, nil
		}
		desc, f := schema.ParseDescriptor(key, value)
		for _, fault := range f {
			c.broken[id] = true
			detail := fmt.Sprintf("the descriptor of table id %d: %s", id, fault)
			c.note(Problem{Kind: KindDescriptor, Table: desc.Name, Detail: detail})
		}
		if f != nil {
			return true, nil
		}
		t := schema.NewTable(desc)
		c.tables[id] = t
		f.Given(id, c.nextID)
		for _, fault := range f {
			c.noteTable(KindCatalog, t, "%s", fault)
		}
		if other, taken := uuids[t.UUID]; taken {
			c.noteTable(KindDescriptor, t, "its UUID %s is that of table id %d as well", t.UUID, other)
		}
		uuids[t.UUID] = id
		return true, nil
	})
}

// tableNames checks that names and descriptors belong to each other.
func (c *checker) tableNames() error {
	err := c.r.Scan(schema.NameRange(), kv.Forward, func(key, value []byte) (bool, error) {
		id, ok := schema.ReadTableID(value)
		if !ok {
			c.notef(KindCatalog, "the name row %x has no table id", key)
			return true, nil
		}
		c.names[id] = true
		t := c.tables[id]
		if !c.broken[id] && (t == nil || string(schema.NameKey(t.Namespace, t.Name)) != string(key)) {
			c.notef(KindCatalog, "the name %s stands for table id %d, which has no descriptor of that name",
				readName(key), id)
		}
		return true, nil
	})
	for _, id := range sortedKeys(c.tables) {
		t := c.tables[id]
		if named := c.names[id]; named != (t.State != schema.StateDropped) {
			c.noteTable(KindCatalog, t, "its state is %s, and it stands under a name: %v", t.State, named)
		}
	}
	return err
}

// readName is the table's name in the key of a name row.
func readName(key []byte) string {
	if _, name, ok := schema.ReadNameKey(key); ok {
		return fmt.Sprintf("%q", name)
	}
	return fmt.Sprintf("%x", key)
}

// streamDescriptors reads the descriptors of all streams, and holds them against their tables.
func (c *checker) streamDescriptors() error {
	err := c.r.Scan(schema.StreamRange(), kv.Forward, func(key, value []byte) (bool, error) {
		stream, f := schema.ParseStream(key, value)
		f.Given(stream.TableID, c.nextID)
		for _, fault := range f {
			c.notef(KindStream, "the stream row %x: %s", key, fault)
		}
		if f != nil {
			if id, ok := schema.ReadStreamKey(key); ok {
				c.streams[id] = nil // it is there, and cannot be used
			}
			return true, nil
		}
		c.streams[stream.ID] = stream
		if t := c.tables[stream.TableID]; !c.broken[stream.TableID] {
			if err := belongs(stream, t); err != nil {
				detail := fmt.Sprintf("stream %s: %v", stream.Label, err)
				c.note(Problem{Kind: KindStream, Table: stream.Table, Detail: detail})
			}
		}
		return true, nil
	})
	for _, id := range sortedKeys(c.tables) {
		t := c.tables[id]
		stream, there := c.streams[t.StreamID]
		switch {
		case t.StreamID == 0 || there && stream == nil:
		case !there || !stream.Ended.IsZero():
			c.noteTable(KindStream, t, "it writes stream %s, which has ended, or is not there", t.StreamLabel)
		case stream.ViewType != t.StreamViewType || stream.Label != t.StreamLabel:
			c.noteTable(KindStream, t, "it writes a stream %s of %s, which is %s of %s",
				t.StreamLabel, t.StreamViewType, stream.Label, stream.ViewType)
		}
	}
	return err
}

// belongs holds a stream's descriptor against the table that it names, nil if that is gone.
func belongs(stream *schema.Stream, t *schema.Table) error {
	switch {
	case t == nil && stream.Ended.IsZero():
		return errors.New("it has not ended, and its table is gone")
	case t == nil:
	case stream.Ended.IsZero() && t.StreamID != stream.ID:
		return errors.New("it has not ended, and the table does not write it")
	case t.UUID != stream.TableUUID || t.Name != stream.Table || uint32(stream.ID) > t.StreamCount ||
		!slices.Equal(t.Keys, stream.Keys):
		return errors.New("it names a table of the same id, and of another name, key or age")
	}
	return nil
}

// cursors checks that backfills are under way where there are cursors.
func (c *checker) cursors() error {
	return c.r.Scan(schema.BackfillRange(), kv.Forward, func(key, value []byte) (bool, error) {
		id, section, ok := schema.ReadBackfillKey(key)
		if !ok {
			c.notef(KindCursor, "the key %x is no cursor's", key)
			return true, nil
		}
		t := c.tables[id]
		at, _, isRow := schema.SplitFront(value)
		switch {
		case c.broken[id]:
		case t == nil:
			c.notef(KindCursor, "there is one of table id %d, which does not exist", id)
		case !backfills(t, section):
			c.noteTable(KindCursor, t, "there is one of section %d, which is not being built", section)
		case !isRow || at.Table != id || at.Section != schema.SectionItems:
			c.noteTable(KindCursor, t, "that of section %d stands at %x, which is no item's key", section, value)
		}
		return true, nil
	})
}

// backfills tells whether a section may have a cursor: it is being built, or removed before it was.
func backfills(t *schema.Table, section uint16) bool {
	if e := t.Expiry; section == schema.SectionExpiry {
		return !e.Settled()
	}
	return slices.ContainsFunc(t.Indexes, func(x schema.Index) bool { return x.ID == section && !x.Settled() })
}

// catalogStrays looks for rows of the catalog that are of no kind.
func (c *checker) catalogStrays() error {
	return c.r.Scan(schema.CatalogRange(), kv.Forward, func(key, _ []byte) (bool, error) {
		if !schema.IsCatalogKey(key) {
			c.notef(KindCatalog, "the row %x is of no kind", key)
		}
		return true, nil
	})
}

// agree holds the descriptors against those that an open database has in memory.
func (c *checker) agree() {
	if c.inUse == nil {
		return
	}
	for _, id := range sortedKeys(c.inUse) {
		if t := c.tables[id]; !c.broken[id] && (t == nil || t.Epoch != c.inUse[id].Epoch) {
			c.noteTable(KindDescriptor, c.inUse[id], "the stored descriptor is not the one in use")
		}
	}
	for _, id := range sortedKeys(c.tables) {
		if c.inUse[id] == nil {
			c.noteTable(KindDescriptor, c.tables[id], "there is a stored descriptor, and no table in use")
		}
	}
}

// inspect has the engine show what it keeps for itself.
func (c *checker) inspect() error {
	r, ok := c.r.(kv.Inspector)
	if !ok {
		return nil
	}
	c.own.shown = true
	err := r.Inspect(kv.Own{
		Counter: func(id uint64, counts []kv.Count) {
			c.own.counters[id] = counts
			for _, n := range counts {
				c.total += n.Items
			}
		},
		Trimmed: func(log uint64, shard uint32, upTo schema.Position) { c.own.trimmed[shardID{log, shard}] = upTo },
		Shard:   func(log uint64, shard uint32) { c.own.shards[shardID{log, shard}] = true },
		Stamp:   func(bound uint64) { c.own.bound = bound },
		Unknown: func(key []byte, what string) { c.notef(KindEngine, "row %x: %s", key, what) },
	})
	stray := map[uint64]bool{}
	for _, ids := range []map[shardID]bool{c.own.shards, marked(c.own.trimmed)} {
		for id := range ids {
			stream, there := c.streams[id.log]
			if !there || stream != nil && id.shard >= uint32(stream.Shards) {
				stray[id.log] = true
			}
		}
	}
	for _, log := range sortedKeys(stray) {
		c.notef(KindStream, "there are records, or marks of trimmed ones, of log %x that belong to "+
			"no shard of a stream", log)
	}
	return err
}

// marked are the shards that have a mark.
func marked(trimmed map[shardID]schema.Position) map[shardID]bool {
	ids := map[shardID]bool{}
	for id := range trimmed {
		ids[id] = true
	}
	return ids
}

// checkTokens checks that the rows of tokens and their expiry rows belong to each other.
func (c *checker) checkTokens() error {
	due := map[string]bool{}
	err := c.r.Scan(schema.TokenRange(), kv.Forward, func(key, row []byte) (bool, error) {
		c.out.Bytes += int64(len(key) + len(row))
		switch {
		case schema.IsTokenKey(key):
			token, err := schema.VerifyToken(key, row)
			if err != nil {
				c.notef(KindToken, "%v", err)
				break
			}
			c.out.Tokens++
			due[string(schema.AppendTokenExpiryKey(nil, key, token.Expiry))] = true
		case due[string(key)]: // expiry rows come behind all tokens
			delete(due, string(key))
		default:
			c.notef(KindToken, "row %x is no token's", key)
		}
		return true, c.ctx.Err()
	})
	for _, key := range sortedKeys(due) {
		_, expiry, _ := schema.SplitTokenExpiryKey([]byte(key))
		c.notef(KindToken, "a token that ends at %v has no row %x that says so",
			time.UnixMilli(int64(expiry)).UTC(), key)
	}
	return err
}
