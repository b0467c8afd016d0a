package check

import (
	"bytes"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/schema"
)

// link is what the last record of an item, so far, says of it.
type link struct {
	exists bool
	image  digest // of the new image, where the stream shows it
}

// shardCheck is the check of one shard of a stream.
type shardCheck struct {
	c       *checker
	stream  *schema.Stream
	t       *schema.Table // with the stream's keys; a stand-in where the table is gone
	id      shardID
	last    schema.Position
	first   bool // no record was seen
	chain   map[digest]link
	showNew bool
	showOld bool
}

func (c *checker) checkStreams() error {
	for _, id := range sortedKeys(c.streams) {
		stream := c.streams[id]
		if stream == nil || !c.own.shown {
			continue
		}
		for shard := range uint32(stream.Shards) {
			if err := c.newShardCheck(stream, shard).run(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *checker) newShardCheck(stream *schema.Stream, shard uint32) *shardCheck {
	s := &shardCheck{c: c, stream: stream, id: shardID{stream.ID, shard}, first: true, chain: map[digest]link{}}
	s.showNew = stream.ViewType.HasNew()
	s.showOld = stream.ViewType.HasOld()
	s.last = c.own.trimmed[s.id]
	if s.t = c.tables[stream.TableID]; s.t == nil {
		s.t = schema.NewTable(&schema.Descriptor{ID: stream.TableID, Name: stream.Table, Keys: stream.Keys})
	}
	return s
}

// note notes a problem with the record at p.
func (s *shardCheck) note(p schema.Position, key, detail string) {
	at := "stream " + s.stream.Label + ", " + s.stream.ShardID(s.id.shard) +
		", sequence number " + schema.SequenceNumber(p)
	s.c.note(Problem{Kind: KindRecord, Table: s.stream.Table, Key: key, Detail: at + ": " + detail})
}

func (s *shardCheck) run() error {
	if !s.c.own.shards[s.id] {
		s.end()
		return nil
	}
	var err error
	scanErr := s.c.r.(kv.Inspector).Records(s.id.log, s.id.shard, func(r kv.Record) bool {
		s.c.out.StreamRecords++
		s.place(r.Position)
		s.record(r)
		s.last, s.first = r.Position, false
		err = s.c.saw(StageStreams, 0, len(r.Data)+len(r.Position)+14)
		return err == nil
	})
	if scanErr != nil || err != nil {
		return errorOf(scanErr, err)
	}
	s.end()
	if s.stream.Ended.IsZero() && s.t.StreamID == s.stream.ID && s.t.State == schema.StatePublic && len(s.chain) > 0 {
		return s.items()
	}
	return nil
}

func errorOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// place checks a record's position against the one before, or the last that was trimmed. Both its
// halves grow, the second by one.
func (s *shardCheck) place(p schema.Position) {
	time, number := schema.PlaceOf(p), schema.NumberOf(p)
	lastTime, lastNumber := schema.PlaceOf(s.last), schema.NumberOf(s.last)
	switch {
	case s.first && string(p[:]) <= string(s.last[:]):
		s.note(p, "", "it was trimmed, and is there")
	case s.first:
	case time <= lastTime || number <= lastNumber:
		s.note(p, "", "it is out of order")
	case number != lastNumber+1:
		s.note(p, "", "records before it are missing")
		clear(s.chain) // they may have been of any item
	}
	if s.stream.Ends != nil && string(p[:]) > string(s.stream.Ends[s.id.shard][:]) {
		s.note(p, "", "it lies behind the end of its shard, which is closed")
	}
}

// end checks the end of a closed shard: it is the last position that was given.
func (s *shardCheck) end() {
	if s.stream.Ends == nil || s.stream.Gone(s.c.o.Now()) { // it may be half removed
		return
	}
	if end := s.stream.Ends[s.id.shard]; string(s.last[:]) < string(end[:]) {
		s.note(end, "", "it is the end of the shard, which is closed, and there is no such record")
	}
}

func (s *shardCheck) record(raw kv.Record) {
	r, what := s.parse(raw)
	if what != "" {
		s.note(raw.Position, "", what)
		clear(s.chain) // it may have been of any item
		return
	}
	itemKey := s.t.AppendItemKey(nil, r.Keys)
	key := string(r.Keys.AppendJSON(nil))
	if shard := schema.ShardOf(itemKey, s.stream.Shards); shard != s.id.shard {
		s.note(raw.Position, key, "it belongs to "+s.stream.ShardID(shard))
	}
	hadOld, hasNew := r.HadOld(), r.HasNew()
	switch {
	case !hadOld && !hasNew:
		s.note(raw.Position, key, "there was no item before it, and none is there after it")
	case r.New.Exists() != (hasNew && s.showNew) || r.Old.Exists() != (hadOld && s.showOld):
		s.note(raw.Position, key, "its images are not those of a stream of "+string(s.stream.ViewType))
	case r.New.Exists() && item.SameAttributes(r.New, r.Old):
		s.note(raw.Position, key, "its images are the same")
	case r.New.Exists() && !item.SameAttributes(r.New.Pick(s.t.LastKeys), r.Keys),
		r.Old.Exists() && !item.SameAttributes(r.Old.Pick(s.t.LastKeys), r.Keys):
		s.note(raw.Position, key, "its images have another key")
	}
	s.follow(itemKey, key, r)
}

// parse reads a record, and says what is wrong with its form.
func (s *shardCheck) parse(raw kv.Record) (r *schema.StreamRecord, what string) {
	r, err := schema.ParseRecord(raw)
	if err != nil {
		return nil, "it is damaged, or was written by a newer version"
	}
	for _, it := range []item.Item{r.Keys, r.New, r.Old} {
		if it.Verify() != nil {
			return nil, "an image is damaged"
		}
	}
	if r.Keys.Len() != len(s.stream.Keys) || !r.Understood() {
		return nil, "it has not the key attributes of the table, or unknown flags"
	}
	for _, k := range s.stream.Keys {
		if schema.KeyLen(r.Keys.Get(k.Name)) == 0 {
			return nil, "it has not the key attributes of the table"
		}
	}
	return r, ""
}

// follow holds a record against the one before of the same item.
func (s *shardCheck) follow(itemKey []byte, key string, r *schema.StreamRecord) {
	p, hadOld, hasNew := r.Position, r.HadOld(), r.HasNew()
	at := s.c.digestOf(itemKey)
	before, known := s.chain[at]
	switch {
	case !known && len(s.chain) >= s.c.o.FollowKeys:
		s.c.out.Unfollowed++
		return
	case known && before.exists != hadOld:
		s.note(p, key, "the record before it says otherwise whether the item was there")
	case known && before.exists && r.Old.Exists() && s.showNew && s.c.digestItem(r.Old) != before.image:
		s.note(p, key, "its old image is not the new image of the record before it")
	}
	now := link{exists: hasNew}
	if r.New.Exists() {
		now.image = s.c.digestItem(r.New)
	}
	s.chain[at] = now
}

// digestOf is the digest of some bytes.
func (c *checker) digestOf(b []byte) (d digest) {
	for i, seed := range c.seeds {
		d[i] = maphash.Bytes(seed, b)
	}
	return d
}

// digestItem is the digest of an item's attributes.
func (c *checker) digestItem(it item.Item) digest {
	c.scratch = it.AppendStored(c.scratch[:0], 0)
	return c.digestOf(c.scratch)
}

// items holds the last record of each item against the item, in the part of the table that belongs
// to the shard.
func (s *shardCheck) items() error {
	c, wrong := s.c, map[digest]string{}
	rows := schema.SegmentRange(new(schema.Bounds), s.t.ID, schema.SectionItems, int(s.id.shard), s.stream.Shards)
	err := c.r.Scan(rows, kv.Forward, func(key, value []byte) (bool, error) {
		at := c.digestOf(key)
		last, told := s.chain[at]
		if !told {
			return true, c.ctx.Err()
		}
		delete(s.chain, at)
		switch it, ok := whole(s.t, key, value); {
		case !ok: // noted with the rows
		case !last.exists:
			wrong[at] = "it says that the item was removed, and the item is there"
		case s.showNew && c.digestItem(it) != last.image:
			wrong[at] = "it is the last of the item, which looks otherwise by now"
		}
		return true, c.ctx.Err()
	})
	for at, last := range s.chain {
		if last.exists {
			wrong[at] = "it is the last of an item that is not there"
		}
	}
	if err != nil || len(wrong) == 0 {
		return err
	}
	return s.name(wrong)
}

func comparePositions(a, b schema.Position) int { return bytes.Compare(a[:], b[:]) }

// name notes what is wrong with the last records of some items, whose keys it looks up once more.
func (s *shardCheck) name(wrong map[digest]string) error {
	last, keys := map[digest]schema.Position{}, map[digest]string{}
	err := s.c.r.(kv.Inspector).Records(s.id.log, s.id.shard, func(raw kv.Record) bool {
		if r, what := s.parse(raw); what == "" {
			at := s.c.digestOf(s.t.AppendItemKey(nil, r.Keys))
			if wrong[at] != "" {
				last[at], keys[at] = raw.Position, string(r.Keys.AppendJSON(nil))
			}
		}
		return s.c.ctx.Err() == nil
	})
	inOrder := func(a, b digest) int { return comparePositions(last[a], last[b]) }
	for _, at := range slices.SortedFunc(maps.Keys(wrong), inOrder) {
		s.note(last[at], keys[at], wrong[at])
	}
	return errorOf(err, s.c.ctx.Err())
}
