package rowcache

import (
	"encoding/binary"
	"sync"
)

// shard is a part of a Cache, under one lock.
//
// Its rows lie one behind the other in segments, which are large and free of pointers, so that
// neither the allocator nor the collector has work with them. What stays is chosen as S3-FIFO does
// (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): a row begins in the
// small queue, a tenth of the memory; from its end those go on to the main queue that were asked
// for again meanwhile, and of the others the hash is remembered, so that they begin in the main
// queue the next time. At the end of the main queue rows that were asked for begin anew. So rows
// that are read once, as by a walk through a table, pass through the small queue and displace
// nothing.
//
// An entry:
//
//	hash(8) · length of row(4) · room for it(4) · length of key(2) · uses(1) · queue(1)
//	key · row · what is left of the room
//
// It counts if the index says that the hash is there; else it was removed or replaced.
type shard struct {
	mu    sync.Mutex
	slots []slot // there from the first use on
	// index has the places of the rows: segment * segmentBytes + offset.
	index    map[uint64]uint32
	segments [][]byte
	queues   [2]queue
	// spare is the segment that takes the rows which stay when the oldest of the main queue is
	// emptied; -1: none yet.
	spare int
	// ghosts are hashes, shortened, of rows that have left the small queue, each where its hash
	// belongs.
	ghosts       []uint32
	hits, misses int64
	_            [64]byte // a shard's neighbours are busy
}

// queue is a queue of segments. Rows are added to the newest; the oldest is emptied as a whole.
type queue struct {
	segments []int // their numbers, oldest first
	most     int
	used     int // bytes of the newest
}

const (
	smallQueue = 0
	mainQueue  = 1

	segmentBytes = 128 << 10
	entryHeader  = 20
	// LargestRow is the most that the key and the row of an entry take.
	LargestRow = segmentBytes/4 - entryHeader - roomUnit
	// roomUnit is what the room for a row is a multiple of, so that one that grows a little stays
	// where it is.
	roomUnit = 32
	// goneLen is the length of a row that is known to be gone.
	goneLen = 1<<32 - 1
	// mostUses is how many uses of a row count.
	mostUses = 3
	// mostKept is how much of a segment of the main queue stays when it is emptied, at most: each
	// time there is room for more.
	mostKept = segmentBytes / 4 * 3
)

// limit sets how much the shard may take.
func (s *shard) limit(size int) {
	n := max(4, size/segmentBytes)
	s.queues[smallQueue].most = max(1, n/10)
	s.queues[mainQueue].most = n - s.queues[smallQueue].most - 1 // without the spare one
	s.spare = -1
}

// slot is the hash's. With the first the shard begins to take memory.
func (s *shard) slot(hash uint64) *slot {
	if s.slots == nil {
		s.slots = make([]slot, slotsPerShard)
		for i := range s.slots {
			s.slots[i].version = 1
		}
		s.index = make(map[uint64]uint32)
	}
	return &s.slots[hash%slotsPerShard]
}

// entry is an entry, from its header on.
type entry []byte

func (e entry) hash() uint64 { return binary.LittleEndian.Uint64(e) }
func (e entry) rowLen() int  { return int(binary.LittleEndian.Uint32(e[8:])) }
func (e entry) gone() bool   { return binary.LittleEndian.Uint32(e[8:]) == goneLen }
func (e entry) room() int    { return int(binary.LittleEndian.Uint32(e[12:])) }
func (e entry) keyLen() int  { return int(binary.LittleEndian.Uint16(e[16:])) }
func (e entry) uses() byte   { return e[18] }
func (e entry) queue() byte  { return e[19] }
func (e entry) size() int    { return entryHeader + e.keyLen() + e.room() }
func (e entry) key() []byte  { return e[entryHeader:][:e.keyLen()] }
func (e entry) row() []byte  { return e[entryHeader+e.keyLen():][:e.rowLen()] }

// vanish notes that the store has no such row any more.
func (e entry) vanish() { binary.LittleEndian.PutUint32(e[8:], goneLen) }

// touch notes that the row was asked for.
func (e entry) touch() { e[18] = min(e[18]+1, mostUses) }

// setRow replaces the row by one for which there is room.
func (e entry) setRow(row []byte) {
	binary.LittleEndian.PutUint32(e[8:], uint32(len(row)))
	copy(e[entryHeader+e.keyLen():], row)
}

func (s *shard) at(place uint32) entry {
	return s.segments[place/segmentBytes][place%segmentBytes:]
}

// find is the entry of the key, nil if there is none.
func (s *shard) find(hash uint64, key []byte) entry {
	place, ok := s.index[hash]
	if !ok {
		return nil
	}
	if e := s.at(place); string(e.key()) == string(key) {
		return e
	}
	return nil
}

// add adds a row that is not there. One with the same hash, if there is such a thing, gives way.
func (s *shard) add(hash uint64, key, row []byte) {
	if s.find(hash, key) != nil {
		return // two have missed it
	}
	q := smallQueue
	if g := s.ghost(hash); *g == ghostOf(hash) {
		*g, q = 0, mainQueue
	}
	s.append(q, hash, key, row)
}

func (s *shard) append(q int, hash uint64, key, row []byte) {
	room := (len(row) + roomUnit - 1) / roomUnit * roomUnit
	place := s.place(q, entryHeader+len(key)+room)
	e := s.at(place)
	binary.LittleEndian.PutUint64(e, hash)
	binary.LittleEndian.PutUint32(e[12:], uint32(room))
	binary.LittleEndian.PutUint16(e[16:], uint16(len(key)))
	e[18], e[19] = 0, byte(q)
	copy(e[entryHeader:], key)
	e.setRow(row)
	s.index[hash] = place
}

// replace replaces a row that is there.
func (s *shard) replace(hash uint64, key, row []byte) {
	e := s.find(hash, key)
	switch {
	case e == nil:
	case len(row) <= e.room():
		e.setRow(row)
	default:
		delete(s.index, hash)
		s.append(int(e.queue()), hash, key, row)
	}
}

func (s *shard) remove(hash uint64, key []byte) {
	if s.find(hash, key) != nil {
		delete(s.index, hash)
	}
}

// vanish notes that a row is gone, if it is there. Items that stand for locks come and go all the
// time, and the store steps over all that it remembers of such a row to find that there is none.
func (s *shard) vanish(hash uint64, key []byte) {
	if e := s.find(hash, key); e != nil {
		e.vanish()
	}
}

// removeRange removes the rows of a range.
func (s *shard) removeRange(start, end []byte) {
	for hash, place := range s.index {
		if key := string(s.at(place).key()); key >= string(start) && key < string(end) {
			delete(s.index, hash)
		}
	}
}

// place makes room for n bytes at the newest end of a queue.
func (s *shard) place(q int, n int) uint32 {
	queue := &s.queues[q]
	if len(queue.segments) == 0 || queue.used+n > segmentBytes {
		s.end(queue)
		s.turn(q)
	}
	place := queue.segments[len(queue.segments)-1]*segmentBytes + queue.used
	queue.used += n
	return uint32(place)
}

// end marks where the entries of the newest segment end, if they do not fill it.
func (s *shard) end(q *queue) {
	if n := len(q.segments); n > 0 && q.used+entryHeader <= segmentBytes {
		clear(s.segments[q.segments[n-1]][q.used:][:entryHeader])
	}
}

// turn gives a queue a new newest segment, with room for any entry.
func (s *shard) turn(q int) {
	queue := &s.queues[q]
	switch {
	case len(queue.segments) < queue.most:
		queue.push(s.newSegment())
	case q == smallQueue:
		oldest := queue.pop()
		s.emptySmall(s.segments[oldest])
		queue.push(oldest)
	default:
		if s.spare < 0 {
			s.spare = s.newSegment()
		}
		oldest := queue.pop()
		queue.push(s.spare)
		s.emptyMain(s.segments[oldest])
		s.spare = oldest
	}
}

func (q *queue) push(segment int) {
	q.segments, q.used = append(q.segments, segment), 0
}

// pop takes the oldest segment away.
func (q *queue) pop() int {
	oldest := q.segments[0]
	q.segments = q.segments[:copy(q.segments, q.segments[1:])]
	return oldest
}

func (s *shard) newSegment() int {
	s.segments = append(s.segments, make([]byte, segmentBytes))
	return len(s.segments) - 1
}

// entries calls fn for each entry of a segment that counts, which it has taken out of the index.
func (s *shard) entries(segment []byte, fn func(entry)) {
	for rest := entry(segment); len(rest) >= entryHeader && rest.keyLen() > 0; {
		e := rest[:rest.size()]
		rest = rest[len(e):]
		if place, ok := s.index[e.hash()]; ok && &s.at(place)[0] == &e[0] {
			delete(s.index, e.hash())
			fn(e)
		}
	}
}

// emptySmall empties a segment of the small queue. All of it goes on while there is memory that
// nobody has used yet.
func (s *shard) emptySmall(segment []byte) {
	all := len(s.queues[mainQueue].segments) < s.queues[mainQueue].most
	s.entries(segment, func(e entry) {
		switch {
		case e.gone():
		case all || e.uses() > 0:
			s.append(mainQueue, e.hash(), e.key(), e.row())
		default:
			*s.ghost(e.hash()) = ghostOf(e.hash())
		}
	})
}

// emptyMain empties a segment of the main queue. What stays goes to its newest, which is empty.
func (s *shard) emptyMain(segment []byte) {
	queue := &s.queues[mainQueue]
	s.entries(segment, func(e entry) {
		if e.uses() > 0 && !e.gone() && queue.used+len(e) <= mostKept {
			uses := e.uses() - 1
			s.append(mainQueue, e.hash(), e.key(), e.row())
			s.at(s.index[e.hash()])[18] = uses
		}
	})
}

// ghost is where the hash's ghost would be. There are about as many as rows of a kilobyte in the
// main queue.
func (s *shard) ghost(hash uint64) *uint32 {
	if s.ghosts == nil {
		s.ghosts = make([]uint32, (s.queues[smallQueue].most+s.queues[mainQueue].most)*(segmentBytes>>10))
	}
	return &s.ghosts[hash>>32%uint64(len(s.ghosts))]
}

// ghostOf is what is remembered of a hash. It is not zero.
func ghostOf(hash uint64) uint32 { return uint32(hash) | 1 }

// size is what the rows, the index and the rest take, about.
func (s *shard) size() int64 {
	const perRow = 32 // in the index
	return int64(len(s.segments))*segmentBytes + int64(len(s.index))*perRow + int64(len(s.ghosts))*4
}
