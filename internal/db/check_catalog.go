package db

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/partita-db/partita/internal/kv"
)

// own is what the engine showed of what it keeps for itself.
type own struct {
	shown    bool // it does show
	counters map[uint64][]kv.Count
	trimmed  map[shardID]Position
	shards   map[shardID]bool // those with records
	bound    uint64           // of stamps
}

// shardID names a shard of a log.
type shardID struct {
	log   uint64
	shard uint32
}

// catalog reads the catalog: names, descriptors of tables and streams, cursors.
func (c *checker) catalog() error {
	id, err := c.r.Get(nextIDKey())
	if c.memory != nil {
		c.inUse = c.memory()
	}
	c.began()
	if err != nil {
		return err
	}
	c.nextID = 1
	switch {
	case len(id) == 4:
		c.nextID = binary.BigEndian.Uint32(id)
	case id != nil:
		c.notef(KindCatalog, "the next table id is %d bytes long", len(id))
	}
	for _, step := range []func() error{c.descriptors, c.tableNames, c.logDescriptors, c.cursors, c.catalogStrays} {
		if err := step(); err != nil {
			return err
		}
	}
	c.agree()
	return nil
}

// descriptors reads the descriptors of all tables.
func (c *checker) descriptors() error {
	uuids := map[string]uint32{}
	return c.r.Scan(catalogRange(catalogDescriptor), false, func(key, value []byte) (bool, error) {
		if len(key) != 2+4 {
			c.notef(KindDescriptor, "the key %x is no table's", key)
			return true, nil
		}
		id := binary.BigEndian.Uint32(key[2:])
		desc, f := parseDescriptor(key, value)
		for _, fault := range f {
			c.broken[id] = true
			c.note(Problem{Kind: KindDescriptor, Table: desc.Name, Detail: fmt.Sprintf("the descriptor of table id %d: %s", id, fault)})
		}
		if f != nil {
			return true, nil
		}
		t := newTable(desc)
		c.tables[id] = t
		f.given(id, c.nextID)
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
	err := c.r.Scan(catalogRange(catalogName), false, func(key, value []byte) (bool, error) {
		if len(value) != 4 {
			c.notef(KindCatalog, "the name row %x has no table id", key)
			return true, nil
		}
		id := binary.BigEndian.Uint32(value)
		c.names[id] = true
		if t := c.tables[id]; !c.broken[id] && (t == nil || string(nameKey(t.Namespace, t.Name)) != string(key)) {
			c.notef(KindCatalog, "the name %s stands for table id %d, which has no descriptor of that name", readName(key), id)
		}
		return true, nil
	})
	for _, id := range sortedKeys(c.tables) {
		t := c.tables[id]
		if named := c.names[id]; named != (t.State != StateDropped) {
			c.noteTable(KindCatalog, t, "its state is %s, and it stands under a name: %v", t.State, named)
		}
	}
	return err
}

// readName is the table's name in the key of a name row.
func readName(key []byte) string {
	rest := key[2:]
	for range 2 { // account and region
		_, n := readGroups(rest)
		if n < 0 {
			return fmt.Sprintf("%x", key)
		}
		rest = rest[n:]
	}
	return fmt.Sprintf("%q", rest)
}

// logDescriptors reads the descriptors of all streams, and holds them against their tables.
func (c *checker) logDescriptors() error {
	err := c.r.Scan(catalogRange(catalogLog), false, func(key, value []byte) (bool, error) {
		l, f := parseLog(key, value)
		f.given(l.TableID, c.nextID)
		for _, fault := range f {
			c.notef(KindStream, "the stream row %x: %s", key, fault)
		}
		if f != nil {
			if len(key) == 2+8 {
				c.logs[binary.BigEndian.Uint64(key[2:])] = nil // it is there, and cannot be used
			}
			return true, nil
		}
		c.logs[l.ID] = l
		if t := c.tables[l.TableID]; !c.broken[l.TableID] {
			if err := l.belongs(t); err != nil {
				c.note(Problem{Kind: KindStream, Table: l.Table, Detail: fmt.Sprintf("stream %s: %v", l.Label, err)})
			}
		}
		return true, nil
	})
	for _, id := range sortedKeys(c.tables) {
		t := c.tables[id]
		l, there := c.logs[t.StreamLog]
		switch {
		case t.StreamLog == 0 || there && l == nil:
		case !there || !l.Ended.IsZero():
			c.noteTable(KindStream, t, "it writes stream %s, which has ended, or is not there", t.StreamLabel)
		case l.ViewType != t.StreamViewType || l.Label != t.StreamLabel:
			c.noteTable(KindStream, t, "it writes a stream %s of %s, which is %s of %s", t.StreamLabel, t.StreamViewType, l.Label, l.ViewType)
		}
		t.setShards(c.usableLogs())
	}
	return err
}

// usableLogs are the logs without those that cannot be used.
func (c *checker) usableLogs() map[uint64]*Log {
	usable := map[uint64]*Log{}
	for id, l := range c.logs {
		if l != nil {
			usable[id] = l
		}
	}
	return usable
}

// belongs holds a stream's descriptor against the table that it names, nil if that is gone.
func (l *Log) belongs(t *Table) error {
	switch {
	case t == nil && l.Ended.IsZero():
		return errors.New("it has not ended, and its table is gone")
	case t == nil:
	case l.Ended.IsZero() && t.StreamLog != l.ID:
		return errors.New("it has not ended, and the table does not write it")
	case t.UUID != l.TableUUID || t.Name != l.Table || uint32(l.ID) > t.NextLog || !slices.Equal(t.Keys, l.Keys):
		return errors.New("it names a table of the same id, and of another name, key or age")
	}
	return nil
}

// cursors checks that backfills are under way where there are cursors.
func (c *checker) cursors() error {
	return c.r.Scan(catalogRange(catalogBackfill), false, func(key, value []byte) (bool, error) {
		if len(key) != 2+4+2 {
			c.notef(KindCursor, "the key %x is no cursor's", key)
			return true, nil
		}
		id, part := binary.BigEndian.Uint32(key[2:]), binary.BigEndian.Uint16(key[6:])
		t := c.tables[id]
		switch {
		case c.broken[id]:
		case t == nil:
			c.notef(KindCursor, "there is one of table id %d, which does not exist", id)
		case !t.backfills(part):
			c.noteTable(KindCursor, t, "there is one of section %d, which is not being built", part)
		case !bytes.HasPrefix(value, appendSection(nil, id, sectionItems)) || len(value) < kv.FrontLen:
			c.noteTable(KindCursor, t, "that of section %d stands at %x, which is no item's key", part, value)
		}
		return true, nil
	})
}

// backfills tells whether a section may have a cursor: it is being built, or removed before it was.
func (t *Table) backfills(section uint16) bool {
	if e := t.Expiry; section == sectionExpiry {
		return !e.settled()
	}
	return slices.ContainsFunc(t.Indexes, func(x Index) bool { return x.ID == section && !x.settled() })
}

// catalogStrays looks for rows of the catalog that are of no kind.
func (c *checker) catalogStrays() error {
	kinds := []byte{catalogName, catalogDescriptor, catalogBackfill, catalogLog}
	prefix := []byte{spaceCatalog}
	return c.r.Scan(kv.Range{Start: prefix, End: prefixEnd(prefix)}, false, func(key, _ []byte) (bool, error) {
		if !bytes.Equal(key, nextIDKey()) && (len(key) < 2 || !slices.Contains(kinds, key[1])) {
			c.notef(KindCatalog, "the row %x is of no kind", key)
		}
		return true, nil
	})
}

// agree holds the descriptors against those that an open database has in memory.
func (c *checker) agree() {
	if c.memory == nil {
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
		Trimmed: func(log uint64, shard uint32, upTo Position) { c.own.trimmed[shardID{log, shard}] = upTo },
		Shard:   func(log uint64, shard uint32) { c.own.shards[shardID{log, shard}] = true },
		Stamp:   func(bound uint64) { c.own.bound = bound },
		Unknown: func(key []byte, what string) { c.notef(KindEngine, "row %x: %s", key, what) },
	})
	stray := map[uint64]bool{}
	for _, ids := range []map[shardID]bool{c.own.shards, marked(c.own.trimmed)} {
		for id := range ids {
			l, there := c.logs[id.log]
			if !there || l != nil && id.shard >= uint32(l.Shards) {
				stray[id.log] = true
			}
		}
	}
	for _, log := range sortedKeys(stray) {
		c.notef(KindStream, "there are records, or marks of trimmed ones, of log %x that belong to no shard of a stream", log)
	}
	return err
}

// marked are the shards that have a mark.
func marked(trimmed map[shardID]Position) map[shardID]bool {
	ids := map[shardID]bool{}
	for id := range trimmed {
		ids[id] = true
	}
	return ids
}

// checkTokens checks that the rows of tokens and their expiry rows belong to each other.
func (c *checker) checkTokens() error {
	prefix, due := []byte{spaceTokens}, map[string]bool{}
	err := c.r.Scan(kv.Range{Start: prefix, End: prefixEnd(prefix)}, false, func(key, row []byte) (bool, error) {
		c.out.Bytes += int64(len(key) + len(row))
		switch {
		case len(key) > tokenScope && key[1] == tokenRow && tokenDamage(key, row) == nil:
			c.out.Tokens++
			due[string(appendTokenExpiryKey(nil, key, tokenExpiryOf(row)))] = true
		case len(key) > tokenScope && key[1] == tokenRow:
			c.notef(KindToken, "%v", tokenDamage(key, row))
		case due[string(key)]: // expiry rows come behind all tokens
			delete(due, string(key))
		default:
			c.notef(KindToken, "row %x is no token's", key)
		}
		return true, c.ctx.Err()
	})
	for _, key := range sortedKeys(due) {
		c.notef(KindToken, "a token that ends at %v has no row %x that says so", time.UnixMilli(int64(binary.BigEndian.Uint64([]byte(key[2:])))).UTC(), key)
	}
	return err
}

// tokenDamage says what is wrong with the row of a token.
func tokenDamage(key, row []byte) error {
	if err := checkTokenRow(key, row); err != nil {
		return err
	}
	if again := appendTokenExpiryKey(nil, key, 0); !bytes.Equal(tokenKeyOf(again), key) {
		return fmt.Errorf("token row %x stands under another's hash", key)
	}
	for rest := row[tokenHead:]; len(rest) > 0; {
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return fmt.Errorf("token row %x: its images are damaged", key)
		}
		rest = rest[n:]
	}
	return nil
}

// tokenKeyOf is the key of the token with the expiry row.
func tokenKeyOf(expiryKey []byte) []byte {
	key, _ := splitTokenExpiryKey(expiryKey)
	return key
}
