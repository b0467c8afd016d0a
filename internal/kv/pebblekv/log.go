package pebblekv

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/partita-db/partita/internal/kv"
)

// shardID names a shard of a log.
type shardID struct {
	log   uint64
	shard uint32
}

// shard is what the engine keeps in memory of a log shard, from its first use on.
type shard struct {
	id shardID

	// mu is held from the giving of positions until they are visible, so that positions become
	// visible in order.
	mu   sync.Mutex
	last kv.Position // the highest ever given
	// trimmed is the highest position that TrimLog removed, as on the disk. It keeps what was given
	// from being given again when the records themselves, which tell it otherwise, are gone.
	trimmed kv.Position

	ends    sync.Mutex // after mu
	durable kv.Position
	// unsynced are the commits above durable, in order.
	unsynced []shardEnd
	slew     slewClock // under mu
}

// shardEnd is the last position of a commit.
type shardEnd struct {
	position kv.Position
	commit   *commit
}

// shard returns the shard, which it finds on the disk when it is used for the first time.
func (e *Engine) shard(id shardID) (*shard, error) {
	e.shardsMu.RLock()
	s := e.shards[id]
	e.shardsMu.RUnlock()
	if s != nil {
		return s, nil
	}
	// Held while the shard is loaded: of two shards with one id both would give the same positions.
	e.shardsMu.Lock()
	defer e.shardsMu.Unlock()
	if s = e.shards[id]; s != nil {
		return s, nil
	}
	s, err := e.loadShard(id)
	if err == nil {
		e.shards[id] = s
	}
	return s, err
}

// loadShard finds out how far a shard got. What it finds was there at Open, which made it durable.
func (e *Engine) loadShard(id shardID) (s *shard, err error) {
	s = &shard{id: id}
	v := &view{e: e, within: -1}
	defer v.closeInto(&err)
	defer e.engineCall(&err) // runs first: after a panic closeInto must leave Pebble alone
	trimmed, err := v.get(trimmedKey(id))
	if err != nil {
		return nil, err
	}
	copy(s.trimmed[:], trimmed)
	s.last = s.trimmed
	start, end := shardBounds(id, kv.Position{}, maxPosition)
	err = v.scan(start, end, kv.Backward, func(key, _ []byte) (bool, error) {
		if p := recordPosition(key); bytes.Compare(p[:], s.last[:]) > 0 {
			s.last = p
		}
		return false, nil
	})
	s.durable = s.last
	return s, err
}

// maxPosition is the last of all positions.
var maxPosition = kv.Position(bytes.Repeat([]byte{0xff}, 16))

// shardBounds are the bounds of the keys of a shard's records after one position and up to another.
func shardBounds(id shardID, after, upTo kv.Position) (start, end []byte) {
	start = append(appendRecordKey(nil, id, after), 0)
	end = append(appendRecordKey(nil, id, upTo), 0)
	return start, end
}

// next gives the next position: the clock's, or the slewed one where that is behind the last, or
// the one above the last if that is later. The shard is locked.
func (s *shard) next(now time.Time, elapsed func() time.Duration) kv.Position {
	last := int64(binary.BigEndian.Uint64(s.last[:8])>>16) * 1000
	t := uint64(s.slew.at(now.UnixMicro(), last, elapsed)/1000) << 16
	t = max(t, binary.BigEndian.Uint64(s.last[:8])+1)
	seq := binary.BigEndian.Uint64(s.last[8:]) + 1
	binary.BigEndian.PutUint64(s.last[:8], t)
	binary.BigEndian.PutUint64(s.last[8:], seq)
	return s.last
}

// applied notes that c, which gave the positions up to the last, is visible. The shard is locked.
func (s *shard) applied(c *commit) {
	s.ends.Lock()
	defer s.ends.Unlock()
	s.advance()
	s.unsynced = append(s.unsynced, shardEnd{s.last, c})
}

// advance moves durable past the commits that became so.
func (s *shard) advance() {
	n := 0
	for n < len(s.unsynced) && s.unsynced[n].commit.durable() {
		s.durable = s.unsynced[n].position
		n++
	}
	if n == len(s.unsynced) {
		s.unsynced = nil
	} else {
		s.unsynced = s.unsynced[n:]
	}
}

// durableEnd returns the shard's durable position, and the newest commit above it, if there is one.
func (s *shard) durableEnd() (kv.Position, *commit) {
	s.ends.Lock()
	defer s.ends.Unlock()
	s.advance()
	if n := len(s.unsynced); n > 0 {
		return s.durable, s.unsynced[n-1].commit
	}
	return s.durable, nil
}

// ReadLog implements kv.Engine.
func (e *Engine) ReadLog(
	ctx context.Context, log uint64, shardNum uint32, after kv.Position, page kv.Page,
) (records []kv.Record, end kv.Position, err error) {
	if err := e.enter(); err != nil {
		return nil, end, err
	}
	defer e.exit()
	s, err := e.shard(shardID{log, shardNum})
	if err != nil {
		return nil, end, err
	}
	// The end comes before the records: what becomes visible meanwhile has a later position, and is
	// not read (readRecords).
	end, newest := s.durableEnd()
	if newest != nil && newest.lazy {
		// No other call may come that asks for its sync, and a reader would wait forever.
		if err := e.sync(ctx); err != nil {
			return nil, end, err
		}
		end, _ = s.durableEnd()
	}
	if page.Records > 0 {
		records, err = e.readRecords(s.id, after, end, page)
	}
	if err == nil {
		err = e.failure()
	}
	return records, end, err
}

// readRecords copies the records after one position and up to another, which is durable. All of
// them are visible, as positions become visible in order.
func (e *Engine) readRecords(
	id shardID, after, upTo kv.Position, page kv.Page,
) (records []kv.Record, err error) {
	start, end := shardBounds(id, after, upTo)
	v := &view{e: e, within: -1}
	defer v.closeInto(&err)
	size := 0
	err = v.scan(start, end, kv.Forward, func(key, value []byte) (bool, error) {
		size += len(value)
		if len(records) >= page.Records || len(records) > 0 && size > page.Bytes {
			return false, nil
		}
		records = append(records, kv.Record{Position: recordPosition(key), Data: bytes.Clone(value)})
		return true, nil
	})
	return records, err
}

// TrimLog implements kv.Engine. It runs even when space is short, as it makes some.
func (e *Engine) TrimLog(ctx context.Context, log uint64, shardNum uint32, upTo kv.Position) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.exit()
	s, err := e.shard(shardID{log, shardNum})
	if err != nil {
		return err
	}
	if err := e.room(0); err != nil {
		return err
	}
	b := e.db.NewBatch()
	c := &commit{order: &e.order}
	if err := e.trim(s, upTo, c, b); err != nil || b.Empty() {
		return err
	}
	if err := e.syncWait(c, b); err != nil {
		return unknown(err)
	}
	return b.Close()
}

// trim applies the removal as c, if there is anything to remove.
func (e *Engine) trim(s *shard, upTo kv.Position, c *commit, b *pebble.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.Compare(upTo[:], s.last[:]) > 0 {
		upTo = s.last // what is not there cannot be removed, and must not bring its positions forward
	}
	if bytes.Compare(upTo[:], s.trimmed[:]) <= 0 {
		return nil
	}
	// From where the last removal ended, so that the tombstones do not pile up. The mark is in the
	// same batch: records that are gone without one could have their positions given again.
	start, end := shardBounds(s.id, s.trimmed, upTo)
	if err := b.DeleteRange(start, end, nil); err != nil {
		return err
	}
	if err := b.Set(trimmedKey(s.id), upTo[:], nil); err != nil {
		return err
	}
	if err := e.apply(c, b); err != nil {
		return unknown(err)
	}
	s.trimmed = upTo
	return nil
}

// DropLog implements kv.Engine. Like TrimLog it runs even when space is short.
func (e *Engine) DropLog(_ context.Context, log uint64) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.exit()
	if err := e.room(0); err != nil {
		return err
	}
	b := e.db.NewBatch()
	for _, kind := range []byte{kindRecord, kindTrimmed} {
		start, end := logBounds(kind, log)
		if err := b.DeleteRange(start, end, nil); err != nil {
			return err
		}
	}
	if err := e.applySynced(b); err != nil {
		return err
	}
	// Last: a shard that is loaded before the rows are gone would keep what they say.
	e.shardsMu.Lock()
	defer e.shardsMu.Unlock()
	maps.DeleteFunc(e.shards, func(id shardID, _ *shard) bool { return id.log == log })
	return nil
}
