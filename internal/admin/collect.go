package admin

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/exception"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/metrics"
)

// others stands for the tables, or indexes, that have no series of their own. It is no legal name.
const others = "(others)"

// collectTime is how long reading the database's figures may take.
const collectTime = 10 * time.Second

// descs are the descriptions of all metrics, in the order in which they are made below.
var descs []*prometheus.Desc

// desc describes a metric. Its help is one sentence.
func desc(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc("partita_"+name, help, labels, nil)
	descs = append(descs, d)
	return d
}

// Requests.
var (
	requests      = desc("requests_total", "Requests that were answered, by operation and error code.", "operation", "code")
	duration      = desc("request_duration_seconds", "How long requests took, from header to the last byte of the answer.", "operation")
	requestBytes  = desc("request_bytes_total", "Bytes of the requests' bodies, decompressed.", "operation")
	responseBytes = desc("response_bytes_total", "Bytes of the answers' bodies, as sent.", "operation")
	inFlight      = desc("requests_in_flight", "Requests that are being answered.")
	slow          = desc("slow_requests_total", "Requests that took longer than --slow-request.")
	throttled     = desc("throttled_requests_total", "Requests that were told to come again later.", "operation")
	authFailures  = desc("auth_failures_total", "Requests that were refused for who sent them, by error code.", "code")
	buffers       = desc("buffer_bytes", "Memory that large bodies and answers use now.")
	bufferLimit   = desc("buffer_limit_bytes", "Memory that large bodies and answers may use together.")
	writeMemory   = desc("write_memory_bytes", "Memory that large writes hold now.")
	writeLimit    = desc("write_memory_limit_bytes", "Memory that large writes may hold together.")
	writeWaiting  = desc("write_memory_waiting", "Large writes that wait for memory now.")
	catalogMemory = desc("catalog_bytes", "Memory that the descriptors of tables and streams take, about.")
	catalogLimit  = desc("catalog_limit_bytes", "Memory that the descriptors of tables and streams may take.")
)

// Access keys.
var (
	keysReadable = desc("credentials_readable", "1 if the credentials file is in force, 0 while it cannot be read.")
	keysCount    = desc("credentials_keys", "Access keys in force, with those that have expired.")
	keysExpired  = desc("credentials_expired_keys", "Access keys that have expired.")
	keysNext     = desc("credentials_next_expiry_timestamp_seconds", "When the next access key expires, in Unix time.")
)

// Tables.
var (
	tables     = desc("tables", "Tables that there are.")
	capacity   = desc("consumed_capacity_units_total", "Capacity units used, by table and index (none: the table itself), read and write.", "table", "index", "kind")
	items      = desc("table_items", "Items in a table, or in an index.", "table", "index")
	bytes      = desc("table_size_bytes", "Bytes in a table, or in an index, in DynamoDB's sizes.", "table", "index")
	expired    = desc("expired_items_total", "Items that were deleted when their time to live was over.", "table")
	records    = desc("stream_records_total", "Records written to a table's stream.", "table")
	newest     = desc("stream_newest_record_age_seconds", "Age of the newest record in a table's stream.", "table")
	oldest     = desc("stream_oldest_record_age_seconds", "Age of the oldest record that can be read from a table's stream.", "table")
	lag        = desc("stream_lag_seconds", "For how long the oldest record has waited that no reader has seen, of the shards read since the start.", "table")
	filled     = desc("index_backfill_rows", "Items that the backfill of an index has done.", "table", "index")
	toFill     = desc("index_backfill_estimated_rows", "Items that the table had when the backfill of an index began.", "table", "index")
	sweeps     = desc("sweep_duration_seconds", "How long the rounds of expiry, trimming and forgetting took.")
	sweepFails = desc("sweep_failures_total", "Rounds of expiry, trimming and forgetting that failed.")
	jobFails   = desc("background_job_failures_total", "Attempts of background jobs that failed and are made again.")
)

// The storage engine.
var (
	failed        = desc("engine_failed", "1 if the storage engine has stopped itself, else 0.")
	refused       = desc("engine_writes_refused", "1 while writes are refused because the volume is nearly full, else 0.")
	freeBytes     = desc("engine_volume_free_bytes", "Bytes that are free on the volume of the data.")
	floorBytes    = desc("engine_volume_floor_bytes", "Free bytes below which writes are refused.")
	ballastBytes  = desc("engine_ballast_bytes", "Bytes that are set aside on the volume, to be given back when it is full.")
	commits       = desc("engine_commits_total", "Commits of the storage engine.")
	syncs         = desc("engine_sync_duration_seconds", "How long syncs of the log took.")
	cacheHits     = desc("engine_cache_hits_total", "Blocks that were found in the cache.")
	cacheMisses   = desc("engine_cache_misses_total", "Blocks that were read from the disk.")
	cacheBytes    = desc("engine_cache_bytes", "Bytes of the block cache in use.")
	rowHits       = desc("engine_row_cache_hits_total", "Rows, read by their key, that were found in the cache of rows.")
	rowMisses     = desc("engine_row_cache_misses_total", "Rows, read by their key, that were not there and were looked for in the store.")
	rowBytes      = desc("engine_row_cache_bytes", "Bytes of the cache of rows in use.")
	memtableBytes = desc("engine_memtable_bytes", "Bytes of the tables in memory that take the writes.")
	diskBytes     = desc("engine_disk_bytes", "Bytes that the data takes on the disk.")
	debtBytes     = desc("engine_compaction_debt_bytes", "Bytes that compactions have yet to rewrite.")
	amplification = desc("engine_read_amplification", "Sorted runs that a read goes through at most.")
	l0Files       = desc("engine_l0_files", "Files in level 0.")
	stalls        = desc("engine_write_stalls_total", "Times that writes were held up until compactions had caught up.")
	stallSeconds  = desc("engine_write_stall_seconds_total", "How long writes were held up.")
	waits         = desc("engine_latch_waits_total", "Times that a write waited for another one of the same keys.")
	waitSeconds   = desc("engine_latch_wait_seconds_total", "How long writes waited for others of the same keys.")
	stampsAhead   = desc("engine_stamps_ahead_seconds", "How far the newest commit's time is ahead of the clock.")
	waitsInVain   = desc("engine_latch_timeouts_total", "Waits for other writes of the same keys that were given up.")
	buildInfo     = desc("build_info", "1, with what the program was built from.", "version", "goversion")
)

// The codes that throttled and authFailures sum up.
var (
	throttlingCodes = codesOf(func(e exception.Exception) bool { return e.Throttles })
	authCodes       = append(codesOf(func(e exception.Exception) bool { return e.Access }), "Forbidden")
)

// codesOf are the codes of the exceptions of a kind.
func codesOf(kind func(exception.Exception) bool) (codes []string) {
	for _, e := range exception.All() {
		if kind(e) {
			codes = append(codes, e.Code)
		}
	}
	return codes
}

// Describe implements prometheus.Collector.
func (h *Handler) Describe(out chan<- *prometheus.Desc) {
	for _, d := range descs {
		out <- d
	}
}

// Collect implements prometheus.Collector. Before there is a database it has only buildInfo.
func (h *Handler) Collect(out chan<- prometheus.Metric) {
	e := emitter{out}
	e.gauge(buildInfo, 1, h.o.Version, runtime.Version())
	s := h.source.Load()
	if s == nil {
		return
	}
	e.requests(s.Metrics)
	m := s.DB.Memory()
	e.gauge(writeMemory, float64(m.WritesUsed))
	e.gauge(writeLimit, float64(m.WritesLimit))
	e.gauge(writeWaiting, float64(m.WritesWaiting))
	e.gauge(catalogMemory, float64(m.CatalogUsed))
	e.gauge(catalogLimit, float64(m.CatalogLimit))
	if s.Buffers != nil {
		used, limit := s.Buffers()
		e.gauge(buffers, float64(used))
		e.gauge(bufferLimit, float64(limit))
	}
	if s.Credentials != nil {
		e.credentials(s.Credentials())
	}
	e.background(s.Metrics)
	e.engine(s.Engine.Metrics())
	ctx, cancel := context.WithTimeout(context.Background(), collectTime)
	defer cancel()
	figures, err := s.DB.Figures(ctx)
	if err != nil {
		h.log.Warn("the figures of tables cannot be read", "error", err)
		return
	}
	e.tables(figures, s.Metrics)
}

// emitter makes metrics of figures.
type emitter struct{ out chan<- prometheus.Metric }

func (e emitter) counter(d *prometheus.Desc, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (e emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (e emitter) histogram(d *prometheus.Desc, h *metrics.Histogram, labels ...string) {
	buckets, count, sum := h.Read()
	e.out <- prometheus.MustNewConstHistogram(d, count, sum, buckets, labels...)
}

// yes is a gauge of 1 or 0.
func (e emitter) yes(d *prometheus.Desc, is bool) {
	v := 0.0
	if is {
		v = 1
	}
	e.gauge(d, v)
}

// requests are the requests. Operations that have not been called are left out.
func (e emitter) requests(m *metrics.Metrics) {
	refused := make(map[string]float64, len(authCodes))
	for i := range m.Operations {
		e.operation(&m.Operations[i], refused)
	}
	for _, code := range authCodes {
		e.counter(authFailures, refused[code], code)
	}
	e.gauge(inFlight, float64(m.InFlight.Load()))
	e.counter(slow, float64(m.SlowRequests.Load()))
}

// operation is one operation. Authentication and authorization failures are added to refused, by
// code.
func (e emitter) operation(o *metrics.Operation, refused map[string]float64) {
	any, later := false, 0.0
	for i := range o.Codes {
		n, code := float64(o.Codes[i].Load()), metrics.Code(i)
		if n == 0 {
			continue
		}
		any = true
		e.counter(requests, n, o.Name, code)
		if slices.Contains(authCodes, code) {
			refused[code] += n
		}
		if slices.Contains(throttlingCodes, code) {
			later += n
		}
	}
	if !any {
		return
	}
	e.counter(throttled, later, o.Name)
	e.histogram(duration, &o.Took, o.Name)
	e.counter(requestBytes, float64(o.BytesIn.Load()), o.Name)
	e.counter(responseBytes, float64(o.BytesOut.Load()), o.Name)
}

// Credentials is the state of the access keys.
type Credentials struct {
	Readable   bool // the newest contents of their file are in force
	Keys       int
	Expired    int       // of them
	NextExpiry time.Time // of those that have not expired; zero: none does
}

// credentials are the access keys.
func (e emitter) credentials(c Credentials) {
	e.yes(keysReadable, c.Readable)
	e.gauge(keysCount, float64(c.Keys))
	e.gauge(keysExpired, float64(c.Expired))
	if !c.NextExpiry.IsZero() {
		e.gauge(keysNext, float64(c.NextExpiry.Unix()))
	}
}

// background is the work of the background jobs.
func (e emitter) background(m *metrics.Metrics) {
	e.histogram(sweeps, &m.Sweeps)
	e.counter(sweepFails, float64(m.SweepFailures.Load()))
	e.counter(jobFails, float64(m.JobFailures.Load()))
}

// tables are all tables. Those without own figures are summed up.
func (e emitter) tables(all []db.Figures, m *metrics.Metrics) {
	e.gauge(tables, float64(len(all)))
	sharedTable, sharedIndex := m.Shared()
	rest, restIndexes := db.Figures{Name: others, Meter: sharedTable}, db.IndexFigures{Name: others, Meter: sharedIndex}
	anyTable, anyIndex := false, false
	for i := range all {
		t := &all[i]
		own := t.Indexes[:0:0]
		for _, x := range t.Indexes {
			if x.Meter.Shared {
				restIndexes.Items += x.Items
				restIndexes.Bytes += x.Bytes
				anyIndex = true
			} else {
				own = append(own, x)
			}
		}
		t.Indexes = own
		if t.Meter.Shared {
			rest.Items, rest.Bytes, anyTable = rest.Items+t.Items, rest.Bytes+t.Bytes, true
			continue
		}
		e.table(t)
	}
	if anyTable {
		e.table(&rest)
	}
	if anyIndex {
		e.index(others, &restIndexes)
	}
}

// table is one table.
func (e emitter) table(t *db.Figures) {
	e.capacity(&t.Meter.Read, &t.Meter.Write, t.Name, "")
	e.gauge(items, float64(t.Items), t.Name, "")
	e.gauge(bytes, float64(t.Bytes), t.Name, "")
	e.counter(expired, float64(t.Meter.Expired.Load()), t.Name)
	if n := t.Meter.Records.Load(); n > 0 || t.Stream != nil {
		e.counter(records, float64(n), t.Name)
	}
	if s := t.Stream; s != nil && s.Any {
		e.gauge(newest, s.Newest.Seconds(), t.Name)
		e.gauge(oldest, s.Oldest.Seconds(), t.Name)
	}
	if s := t.Stream; s != nil && s.Read {
		e.gauge(lag, s.Lag.Seconds(), t.Name)
	}
	for i := range t.Indexes {
		e.index(t.Name, &t.Indexes[i])
	}
}

// index is one index.
func (e emitter) index(table string, x *db.IndexFigures) {
	e.capacity(&x.Meter.Read, &x.Meter.Write, table, x.Name)
	e.gauge(items, float64(x.Items), table, x.Name)
	e.gauge(bytes, float64(x.Bytes), table, x.Name)
	if b := x.Building; b != nil {
		e.gauge(filled, float64(b.Done.Load()), table, x.Name)
		e.gauge(toFill, float64(b.Estimated.Load()), table, x.Name)
	}
}

// capacity is what was used of a table or an index.
func (e emitter) capacity(read, write *metrics.Units, table, index string) {
	e.counter(capacity, read.Load(), table, index, "read")
	e.counter(capacity, write.Load(), table, index, "write")
}

// engine is the storage engine. One that has stopped itself has no other figures.
func (e emitter) engine(m kv.Metrics) {
	e.yes(failed, m.Failed != nil)
	if m.Failed != nil {
		return
	}
	e.yes(refused, m.NoSpace)
	for _, f := range []struct {
		desc  *prometheus.Desc
		value float64
	}{
		{freeBytes, float64(m.FreeBytes)}, {floorBytes, float64(m.FloorBytes)},
		{ballastBytes, float64(m.BallastBytes)}, {cacheBytes, float64(m.BlockCacheBytes)},
		{rowBytes, float64(m.RowCacheBytes)},
		{memtableBytes, float64(m.MemtableBytes)}, {diskBytes, float64(m.DiskBytes)},
		{debtBytes, float64(m.CompactionBytesEstimate)},
		{amplification, float64(m.ReadAmplification)}, {l0Files, float64(m.L0Files)},
		{stampsAhead, m.StampsAheadSeconds},
	} {
		e.gauge(f.desc, f.value)
	}
	for _, f := range []struct {
		desc  *prometheus.Desc
		value float64
	}{
		{commits, float64(m.Commits)},
		{cacheHits, float64(m.BlockCacheHits)}, {cacheMisses, float64(m.BlockCacheMisses)},
		{rowHits, float64(m.RowCacheHits)}, {rowMisses, float64(m.RowCacheMisses)},
		{stalls, float64(m.WriteStalls)}, {stallSeconds, m.WriteStallSeconds}, {waits, float64(m.LatchWaits)},
		{waitSeconds, m.LatchWaitSeconds}, {waitsInVain, float64(m.LatchTimeouts)},
	} {
		e.counter(f.desc, f.value)
	}
	e.out <- prometheus.MustNewConstHistogram(syncs, m.Syncs.Count, m.Syncs.Sum, m.Syncs.Buckets)
}
