package pebblekv

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/partita-db/partita/internal/kv/pebblekv/manifest"
)

// Pebble numbers what it writes: each batch begins with a sequence number and the count of its
// rows, and the next batch goes on from there, in the same log or in the next. When a memtable is
// full Pebble ends its log with a mark, syncs it, and only then makes the next; an Open turns all
// that the logs hold into tables before it makes a log of its own. So, of the logs that hold rows
// which are in no table yet (live ones), each but the newest ends with its mark, and the numbers
// have no hole. A hole, or a mark that is not there, says that a log, or a part of one, is gone,
// and with it what was acknowledged. Pebble itself does not look: it takes the logs that are there
// for all that were.
//
// Some holes are none. Tables that are ingested get a number each and may be in no log: they are
// in the MANIFEST, or, if it was not written any more, in files that it has never known. Of what
// the power has cut off the end of the newest log the numbers may not be given again, but the next
// log begins behind an Open, when those before it are not live any more. (An excise of Pebble's
// takes a number that is nowhere: whoever uses it has to account for it here.) And the number of
// the oldest live log, as an Open writes it down, is one that no file gets.
//
// The end of the newest log is where the writing stopped, whatever stopped it: what was cut off
// there cannot be seen. What is written behind a place that cannot be read may have been there
// before the power was lost, which keeps no order, or the place is damaged. Pebble drops it in
// either case; whoever opens the store is told.

// liveLog is a log that holds rows that may be in no table yet.
type liveLog struct {
	name   string
	number uint64
}

// logCheck looks for holes in the logs.
type logCheck struct {
	fs  vfs.FS
	dir string
	m   *manifest.Manifest
	// next is the sequence number that the next batch should have; 0: nobody knows.
	next uint64
	// strict says that the next batch may not begin below next either.
	strict bool
	last   string // the log of the batch before; empty: there was none
	// unknown is how many tables may have been given numbers by an ingest that was cut off.
	unknown int
	buf     []byte
	// dropped says what is behind a place in the newest log that cannot be read; empty: nothing.
	dropped string
}

// checkLogs refuses a directory whose logs have holes. dropped says what Pebble will drop of the
// newest log, and is empty as a rule.
func checkLogs(fs vfs.FS, dir string, names []string, m *manifest.Manifest) (dropped string, err error) {
	if m.Unrecognized {
		return "", nil // Pebble will say so
	}
	live := liveLogs(names, m.MinLog)
	if err := checkOldest(names, m, live); err != nil {
		return "", err
	}
	c := &logCheck{fs: fs, dir: dir, m: m, unknown: m.UnknownTables(names), buf: make([]byte, 32<<10)}
	if len(live) > 0 && live[0].number != m.MinLog {
		c.begin()
	}
	for i, l := range live {
		successor := ""
		if i+1 < len(live) {
			successor = live[i+1].name
		}
		if err := c.log(l, successor); err != nil {
			return "", err
		}
	}
	return c.dropped, nil
}

// liveLogs are the logs from that of a number on, in order.
func liveLogs(names []string, from uint64) (live []liveLog) {
	for _, name := range names {
		if n, ok := manifest.FileNumber(name, "", ".log"); ok && n >= from {
			live = append(live, liveLog{name, n})
		}
	}
	slices.SortFunc(live, func(a, b liveLog) int { return cmp.Compare(a.number, b.number) })
	return live
}

// checkOldest refuses a directory in which the oldest live log must be and is not. Files are
// numbered in the order in which they are made. An Open takes the number for which there is no file
// before that of its MANIFEST, and makes its log before its OPTIONS. After a clean end the log has
// no rows, and may be gone.
func checkOldest(names []string, m *manifest.Manifest, live []liveLog) error {
	if len(live) > 0 && live[0].number == m.MinLog {
		return nil
	}
	if m.MinLog > m.Number && !(m.Sealed && len(live) == 0) {
		return damaged("the log %06d.log is missing, and its rows are in no other file", m.MinLog)
	}
	for _, name := range names {
		if n, ok := manifest.FileNumber(name, "OPTIONS-", ""); ok && n > m.MinLog && len(live) == 0 {
			return damaged("there is no log, and one was made before %s: a file with a number below %d and the "+
				"ending .log is missing", name, n)
		}
	}
	return nil
}

// begin says what the first batch should be if the number of the oldest live log is one that no
// file has.
func (c *logCheck) begin() {
	switch {
	case c.m.MinLog == 0:
		c.next, c.strict = firstSeq, true // all that was ever written is in the logs
	case c.m.MinSeq != 0:
		c.next, c.strict = max(c.m.MinSeq+1, firstSeq), c.m.Exact
	}
}

// firstSeq is the sequence number of the first row of a store.
const firstSeq = 10

// log reads a log. Behind one that has a successor nothing may be missing.
func (c *logCheck) log(l liveLog, successor string) (err error) {
	f, err := c.fs.Open(c.fs.PathJoin(c.dir, l.name), vfs.SequentialReadsOption)
	if err != nil {
		return fmt.Errorf("reading the log %s: %w", l.name, err)
	}
	defer func() { _ = f.Close() }() // it was only read
	r := logReader(record.NewReader, f, l.number)
	tail := false // a hole in front of the next batch may be of a power cut
	if successor == "" {
		if tail, err = c.beginsLate(f); err != nil {
			return fmt.Errorf("reading the log %s: %w", l.name, err)
		}
	}
	for ; ; tail = successor == "" {
		begin := r.Offset()
		h, err := c.batch(r)
		switch {
		case err == io.EOF:
			return c.end(f, l, r.Offset(), successor)
		case errors.Is(err, record.ErrUnexpectedEOF) && successor == "":
			return c.lookBehind(f, l, begin)
		case errors.Is(err, record.ErrUnexpectedEOF), errors.Is(err, record.ErrInvalidChunk),
			errors.Is(err, record.ErrZeroedChunk), errors.Is(err, errShort):
			return damaged("the log %s cannot be read from byte %d on (%w), and more was written behind it",
				l.name, begin, err)
		case err != nil:
			return fmt.Errorf("reading the log %s: %w", l.name, err)
		}
		if err := c.follow(l, uint64(h.SeqNum), uint64(h.Count), tail); err != nil {
			return err
		}
	}
}

// lookBehind looks whether chunks of the log follow behind a place that cannot be read.
func (c *logCheck) lookBehind(f vfs.File, l liveLog, at int64) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading the log %s: %w", l.name, err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, at, info.Size()-at))
	if err != nil {
		return fmt.Errorf("reading the log %s: %w", l.name, err)
	}
	number := binary.LittleEndian.AppendUint32(nil, uint32(l.number))
	for from := chunkHeader + 1; from < len(b); { // the first chunk is the one that cannot be read
		i := bytes.Index(b[from:], number)
		if i < 0 {
			return nil
		}
		from += i + 1
		if isChunk(b[from-1-chunkHeader:]) {
			c.dropped = fmt.Sprintf("the newest log %s cannot be read from byte %d on, "+
				"and what was written behind it is dropped: "+
				"the power was lost while it was written, or the file is damaged", l.name, at)
			return nil
		}
	}
	return nil
}

// isChunk tells whether b begins with a whole chunk of a log, of any of the types that have its
// number.
func isChunk(b []byte) bool {
	n := logHeader + int(binary.LittleEndian.Uint16(b[4:]))
	switch t := b[6]; {
	case t < endMarkType || t > lastChunkType:
		return false
	case t >= endMarkType+4:
		n += 8 // of a log that tells how far it was synced
	}
	return n <= len(b) && maskedSum(b[6:n]) == binary.LittleEndian.Uint32(b)
}

// logReader is record.NewReader, whose second argument has a type that cannot be named.
func logReader[N ~uint64](newReader func(io.Reader, N) *record.Reader, r io.Reader, number uint64) *record.Reader {
	return newReader(r, N(number))
}

// errShort says that a record is shorter than the least that a batch can be.
var errShort = errors.New("a record is too short")

// batch reads the header of the next batch; io.EOF says that there is none.
func (c *logCheck) batch(r *record.Reader) (h batchrepr.Header, err error) {
	one, err := r.Next()
	if err != nil {
		return h, err
	}
	n, err := io.ReadFull(one, c.buf[:batchrepr.HeaderLen])
	h, ok := batchrepr.ReadHeader(c.buf[:n])
	for err == nil { // to the end, as one that has none does not count
		_, err = one.Read(c.buf)
	}
	switch {
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return h, err
	case !ok:
		return h, errShort
	}
	return h, nil
}

// beginsLate tells whether the first chunk of a log is not there: what was not synced when the
// power was lost is there in part.
func (c *logCheck) beginsLate(f vfs.File) (bool, error) {
	b := make([]byte, 1<<20) // more than a chunk
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return false, err
	}
	return n < logHeader || !isChunk(b[:n]), nil
}

// follow wants a batch to begin where the one before has ended. In the tail, which may not have
// been synced when the power was lost, it need not: Pebble skips what it cannot read at the end of
// a block. Nobody was told a success of what is missing there, or the file is damaged.
func (c *logCheck) follow(l liveLog, seq, count uint64, tail bool) error {
	if count == 0 { // it has no rows
		return nil
	}
	hole := c.next != 0 && (seq > c.next && !c.ingested(c.next, seq) || seq < c.next && c.strict)
	if hole && tail {
		c.dropped = fmt.Sprintf("in the newest log %s something is missing before the sequence number %d: "+
			"the power was lost while it was written, or the file is damaged", l.name, seq)
		hole = false
	}
	if hole {
		where := fmt.Sprintf("between the logs %s and %s", c.last, l.name)
		switch c.last {
		case "":
			where = fmt.Sprintf("before the log %s", l.name)
		case l.name:
			where = fmt.Sprintf("within the log %s", l.name)
		}
		return damaged("%s something is missing: the next sequence number should be %d, and is %d", where, c.next, seq)
	}
	c.next, c.strict, c.last = max(c.next, seq+count), false, l.name
	return nil
}

// ingested tells whether tables may have been given all sequence numbers from one up to another.
// There is one ingest at a time, so that one only can have been cut off.
func (c *logCheck) ingested(from, to uint64) bool {
	missing := 0
	for n := from; n < to && missing <= c.unknown; n++ {
		if n > c.m.Since && !c.m.Single[n] {
			missing++
		}
	}
	if missing > c.unknown {
		return false
	}
	if missing > 0 {
		c.unknown = 0
	}
	return true
}

// A log that was ended has the header of an empty chunk as its mark: a checksum and a length of 0,
// the type of a whole chunk, and the number of the log and one, 4 bytes.
const (
	endMark     = 4 + 2 + 1 + 4
	endMarkType = 5
	// logHeader is the header of such chunks, and lastChunkType the last of their types.
	logHeader     = endMark
	lastChunkType = endMarkType + 7
)

// end wants the mark at the end of a log that has a successor.
func (c *logCheck) end(f vfs.File, l liveLog, at int64, successor string) error {
	if successor == "" {
		return nil
	}
	mark := c.buf[:endMark]
	n, err := f.ReadAt(mark, at)
	switch {
	case err != nil && err != io.EOF:
		return fmt.Errorf("reading the log %s: %w", l.name, err)
	case n < endMark || mark[6] != endMarkType || binary.LittleEndian.Uint32(mark[7:]) != uint32(l.number)+1:
		return damaged("the log %s ends at byte %d, before its end, and %s goes on behind it", l.name, at, successor)
	}
	return nil
}
