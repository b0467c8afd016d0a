package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// table is a table that workloads run on.
type table struct {
	*layout
	ins     *inserts
	track   *tracker
	passing func() int64 // how many of the loaded records pass the filter
	made    bool         // by this session
}

// tableTime is how long a table may take to come into being, or to go.
const tableTime = 10 * time.Minute

// table returns the table that a workload runs on; the first time it is made and filled, as
// Config.Load says.
func (s *session) table(ctx context.Context, wl *Workload) (*table, error) {
	if t := s.tables[wl.sorted]; t != nil {
		return t, nil
	}
	l := newLayout(&s.Settings, wl.sorted)
	t := &table{layout: l, ins: newInserts(s.Records), track: newTracker(s.Records)}
	t.passing = sync.OnceValue(func() (n int64) {
		for rec := range s.Records {
			if l.passes(rec) {
				n++
			}
		}
		return n
	})
	s.tables[wl.sorted] = t
	full, err := s.prepare(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", l.table, err)
	}
	if !full {
		err = s.load(ctx, t)
	}
	return t, err
}

// prepare makes the table if it is not there, and tells whether all records are in it.
func (s *session) prepare(ctx context.Context, t *table) (full bool, err error) {
	if s.Load == LoadNever {
		return true, nil
	}
	c := s.dialer.connect()
	defer c.close()
	defer context.AfterFunc(ctx, c.abort)()
	status, err := describe(c, t.layout)
	if err != nil {
		return false, err
	}
	if status != "" && s.Load == LoadAlways {
		if err := drop(ctx, c, t.layout); err != nil {
			return false, err
		}
		status = ""
	}
	if status == "" {
		if _, err := ask(c, "CreateTable", t.create()); err != nil {
			return false, err
		}
		t.made = true
	}
	if err := await(ctx, c, t.layout, "ACTIVE"); err != nil {
		return false, err
	}
	return !t.made && s.full(c, t), nil
}

// full tells whether the first, the middle and the last record are in the table.
func (s *session) full(c *conn, t *table) bool {
	for _, rec := range []int64{0, s.Records / 2, s.Records - 1} {
		answer, err := ask(c, "GetItem", t.appendGet(nil, rec, true))
		if err != nil || t.find(answer, t.tag(nil, rec, 0)) == nil {
			return false
		}
	}
	return true
}

// apiError is an answer that is an error.
type apiError struct {
	target string
	status int
	answer string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s answers with status %d: %s", e.target, e.status, e.answer)
}

// ask sends a request that is not measured.
func ask(c *conn, target string, body []byte) ([]byte, error) {
	status, answer, err := c.do(target, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	if status != 200 {
		return nil, &apiError{target, status, string(clipped(answer))}
	}
	return answer, nil
}

// describe returns the status of a table, empty if there is none.
func describe(c *conn, l *layout) (string, error) {
	answer, err := ask(c, "DescribeTable", append(l.appendTable(nil), '}'))
	var refused *apiError
	if errors.As(err, &refused) && bytes.Contains([]byte(refused.answer), []byte("ResourceNotFoundException")) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var out struct{ Table struct{ TableStatus string } }
	if err := decode(answer, &out); err != nil {
		return "", err
	}
	if out.Table.TableStatus == "" {
		return "", fmt.Errorf("DescribeTable does not say what the status is: %s", clipped(answer))
	}
	return out.Table.TableStatus, nil
}

// await waits until a table has a status; empty is for no table.
func await(ctx context.Context, c *conn, l *layout, want string) error {
	pause := 10 * time.Millisecond
	for began := time.Now(); ; pause = min(2*pause, time.Second) {
		status, err := describe(c, l)
		switch {
		case err != nil:
			return err
		case status == want:
			return nil
		case time.Since(began) > tableTime:
			return fmt.Errorf("the table is %s for %v now", status, tableTime)
		case !sleep(pause, ctx.Done()):
			return context.Cause(ctx)
		}
	}
}

// drop deletes a table.
func drop(ctx context.Context, c *conn, l *layout) error {
	if _, err := ask(c, "DeleteTable", append(l.appendTable(nil), '}')); err != nil {
		return err
	}
	return await(ctx, c, l, "")
}

// removeTables deletes what the session has made. It does so after an interruption, too.
func (s *session) removeTables() error {
	ctx, cancel := context.WithTimeout(context.Background(), opTime)
	defer cancel()
	var errs []error
	for _, t := range s.tables {
		if !t.made {
			continue
		}
		c := s.dialer.connect()
		if err := drop(ctx, c, t.layout); err != nil {
			errs = append(errs, fmt.Errorf("deleting table %s: %w", t.layout.table, err))
		}
		c.close()
	}
	return errors.Join(errs...)
}

// load fills a table.
func (s *session) load(ctx context.Context, t *table) error {
	r, ctx := s.newRun(ctx, &Workload{Name: "load"}, t)
	defer r.end(nil)
	var next, done atomic.Int64
	_, wait := r.start(ctx, func(w *worker) {
		defer w.c.close()
		for ctx.Err() == nil && w.loadSome(&next, &done) {
		}
	})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for sleep(time.Second, r.stop) {
			n := done.Load()
			s.tell(Progress{Workload: "load", Stage: "loading " + t.layout.table, Records: n, OfRecords: s.Records,
				OpsPerSecond: float64(n) / time.Since(r.began).Seconds(), Wrong: r.counts.wrong.Load()})
		}
	}()
	wait()
	close(r.stop)
	<-finished
	s.report.Loads = append(s.report.Loads, Load{t.layout.table, done.Load(), time.Since(r.began).Seconds()})
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if n := r.counts.wrong.Load(); n > 0 {
		return fmt.Errorf("filling table %s: %d errors", t.layout.table, n)
	}
	return nil
}

// loadSome puts the next records. It returns false if there are no more, or after an error.
func (w *worker) loadSome(next, done *atomic.Int64) bool {
	n := int64(w.loadBatch())
	from := next.Add(n) - n
	to := min(from+n, w.Records)
	if from >= to {
		return false
	}
	w.records = w.records[:0]
	for rec := from; rec < to; rec++ {
		w.records = append(w.records, rec)
	}
	ok := false
	if w.LoadBatch == 1 {
		ok = w.putRecord(from)
	} else {
		ok = w.putBatch()
	}
	if ok {
		done.Add(to - from)
	}
	return ok
}

// mostBatch is how many bytes a BatchWriteItem has at most: 16 MB, less what stands around the
// values.
const mostBatch = 12 << 20

// loadBatch is how many records one request of a load has.
func (s *session) loadBatch() int {
	return max(1, min(s.Config.LoadBatch, mostBatch/s.RecordBytes))
}
