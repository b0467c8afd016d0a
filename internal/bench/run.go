package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// run is one workload under way, or the filling of a table.
type run struct {
	*session
	*layout
	workload   *Workload
	table      *table
	choose     chooser
	histograms [kinds]histogram
	counts     counts

	began   time.Time
	tickets atomic.Int64 // operations that have been given a moment of the schedule
	stopped atomic.Bool  // no further operation begins; stop is closed then
	stop    chan struct{}
	ended   <-chan struct{}         // closed if the run is broken off
	end     context.CancelCauseFunc // breaks it off
}

// newRun returns a run, and the context that ends with it.
func (s *session) newRun(ctx context.Context, wl *Workload, t *table) (*run, context.Context) {
	r := &run{session: s, layout: t.layout, workload: wl, table: t, stop: make(chan struct{})}
	ctx, r.end = context.WithCancelCause(ctx)
	r.ended = ctx.Done()
	dist := wl.dist
	if s.Dist != "" {
		dist = s.Dist
	}
	r.choose = newChooser(dist, s.Theta, s.Records, t.ins)
	return r, ctx
}

// start starts the workers, each with a goroutine that calls do. wait waits for them; if the run is
// broken off, their requests are.
func (r *run) start(ctx context.Context, do func(*worker)) (workers []*worker, wait func()) {
	workers = make([]*worker, r.Connections)
	var group sync.WaitGroup
	r.began = time.Now()
	for i := range workers {
		workers[i] = r.newWorker(i)
		group.Go(func() { do(workers[i]) })
	}
	release := context.AfterFunc(ctx, func() {
		for _, w := range workers {
			w.c.abort()
		}
	})
	return workers, func() {
		group.Wait()
		release()
	}
}

// measure runs a workload, and reads back what it has written.
func (s *session) measure(ctx context.Context, wl *Workload, t *table) (*Result, error) {
	r, ctx := s.newRun(ctx, wl, t)
	defer r.end(nil)
	workers, wait := r.start(ctx, (*worker).work)
	r.observe(ctx, "warming up", s.Warmup)
	for k := range r.histograms {
		r.histograms[k].max.Store(0)
	}
	m := startMeter(s.PID)
	o := r.observe(ctx, "measuring", s.Duration)
	used := m.stop()
	r.stopped.Store(true)
	close(r.stop)
	wait()
	for _, w := range workers {
		r.counts.dropped += w.c.dropped
	}
	if ctx.Err() == nil {
		s.tell(Progress{Workload: wl.Name, Stage: "reading back", Wrong: r.counts.wrong.Load()})
		r.readBack(r.newWorker(len(workers)))
	}
	return r.result(o, used), context.Cause(ctx)
}

// observation is what happened in a time.
type observation struct {
	kinds  [kinds]*snapshot
	series [kinds][]Second
	step   time.Duration // of the series
}

// observe watches the run for a time, and tells each second how it goes.
func (r *run) observe(ctx context.Context, stage string, d time.Duration) *observation {
	o := &observation{step: time.Second}
	if d < 3*time.Second {
		o.step = max(d/5, time.Millisecond)
	}
	var first, last [kinds]*snapshot
	for k := range first {
		first[k] = r.histograms[k].snapshot()
	}
	last = first
	began := time.Now()
	for at := began; ; {
		next := min(at.Sub(began)+o.step, d)
		if next <= at.Sub(began) || !sleep(time.Until(began.Add(next)), ctx.Done()) {
			break
		}
		now := time.Now()
		last = r.sample(o, last, now.Sub(at),
			Progress{Workload: r.workload.Name, Stage: stage, Done: now.Sub(began), Of: d})
		at = now
	}
	for k := range first {
		o.kinds[k] = last[k].since(first[k])
	}
	return o
}

// sample adds what happened since the last sample to the series, tells of it, and returns the
// histograms of now.
func (r *run) sample(o *observation, last [kinds]*snapshot, took time.Duration, p Progress) (now [kinds]*snapshot) {
	all := &snapshot{}
	for k := range now {
		now[k] = r.histograms[k].snapshot()
		d := now[k].since(last[k])
		second := Second{OpsPerSecond: float64(d.n) / took.Seconds(), P99: micros(d.quantile(.99))}
		o.series[k] = append(o.series[k], second)
		if !kind(k).part() {
			all.add(d)
		}
	}
	p.OpsPerSecond, p.P99, p.Wrong = float64(all.n)/took.Seconds(), all.quantile(.99), r.counts.wrong.Load()
	r.tell(p)
	return now
}

// readBack looks at what the watched records hold after the run, and at the last inserts.
func (r *run) readBack(w *worker) {
	defer w.c.close()
	for rec, watched := range r.table.track.watched {
		if len(watched.fields) == 0 {
			continue
		}
		w.body = w.appendGet(w.body[:0], rec, true)
		answer := w.call("GetItem", w.body)
		if answer == nil {
			continue
		}
		for field := range watched.fields {
			w.tag = w.layout.tag(w.tag[:0], rec, field)
			value := w.find(answer, w.tag)
			if value == nil || !watched.holds(field, value) {
				w.wrong("after the run field%d of record %d is %.60q: no acknowledged write that is the newest", field, rec, value)
			}
			r.counts.readBack++
		}
	}
	known := r.table.ins.known.Load()
	for rec := max(r.Records, known-100); rec < known; rec++ {
		w.read(rec, true)
		r.counts.readBack++
	}
}
