package cli

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// soakFigure is something that is watched. It has to stay level, if it has a factor: the median of
// the run's last tenth may be at most factor times that of its second tenth, and room more.
type soakFigure struct {
	name   string
	factor float64
	room   float64
}

// soakFigures are the columns of a sample.
//
// The room for memory is what the server may fill late: caches and write buffers are part of its
// limit, and a garbage collection comes when the heap has grown by a multiple of what is live.
// Threads are never given back by Go, and one comes with each system call that blocks at the same
// moment as others. The engine keeps its tables' files open, whose number depends on where its
// compactions are, and so does what it has not yet removed from the directory: room for a few of
// its write buffers, and what the log and a compaction hold twice. What the streams have to keep
// comes on top, see report.
var soakFigures = []soakFigure{
	{"rss_mib", 1.25, 40}, {"heap_mib", 1.25, 40}, {"goroutines", 1.1, 30}, {"threads", 1.1, 10}, {"open_files", 1.2, 40},
	{"dir_mib", 1.2, 64}, {"dir_files", 1.2, 40}, {"p50_ms", 2, 2}, {"p99_ms", 3, 50}, {"requests_per_s", 0, 0},
}

// Columns that are looked at by name.
const (
	rssColumn = 0
	dirColumn = 5
)

const (
	// soakLevel is the shortest run of which tenths say anything: in a shorter one caches fill.
	soakLevel = 3 * time.Minute
	// soakRecordBytes is far more than what a record of these streams takes on the disk.
	soakRecordBytes = 400
)

// sample is what the figures were at a time. What could not be read is not a number.
type sample struct {
	at     time.Duration
	values []float64
}

// watch samples until the time is over: 120 times, but at most twice a second.
func (k *soak) watch(whole time.Duration) (samples []sample) {
	began, last := time.Now(), time.Now()
	out, done := k.csv()
	defer done()
	profiled := 0
	for every := max(whole/120, 500*time.Millisecond); time.Since(began) < whole && k.faults.Load() < 100; {
		time.Sleep(min(every, whole-time.Since(began)))
		one := sample{time.Since(began), append(k.process(), k.latencies(time.Since(last))...)}
		last = time.Now()
		samples = append(samples, one)
		row := []string{fmt.Sprintf("%.1f", one.at.Seconds())}
		for _, v := range one.values {
			row = append(row, strconv.FormatFloat(v, 'f', 2, 64))
		}
		out.Write(row)
		out.Flush()
		if tenths := int(10 * one.at / whole); tenths >= 2 && profiled == 0 || tenths >= 9 && profiled == 1 {
			profiled++
			k.profile(profiled)
		}
	}
	return samples
}

// csv opens the file for the samples, if one is wanted.
func (k *soak) csv() (*csv.Writer, func()) {
	if *soakCSV == "" {
		return csv.NewWriter(io.Discard), func() {}
	}
	f, err := os.Create(*soakCSV)
	if err != nil {
		k.t.Fatal(err)
	}
	w := csv.NewWriter(f)
	head := []string{"seconds"}
	for _, g := range soakFigures {
		head = append(head, g.name)
	}
	w.Write(head)
	return w, func() { f.Close() }
}

// process reads the figures of the process and its directory.
func (k *soak) process() []float64 {
	rss, threads := math.NaN(), math.NaN()
	pid := fmt.Sprint("/proc/", k.s.cmd.Process.Pid)
	if status, err := os.ReadFile(pid + "/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			name, value, _ := strings.Cut(line, ":")
			v, _ := strconv.ParseFloat(strings.Fields(value + " 0")[0], 64)
			switch name {
			case "VmRSS":
				rss = v / 1024
			case "Threads":
				threads = v
			}
		}
	}
	files := math.NaN()
	if open, err := os.ReadDir(pid + "/fd"); err == nil {
		files = float64(len(open))
	}
	heap, goroutines := k.metrics()
	dirBytes, dirFiles := dirSize(filepath.Join(k.dir, defaultData))
	return []float64{rss, heap, goroutines, threads, files, dirBytes, dirFiles}
}

// dirSize is what a directory holds, in MiB as the disk counts it, and in files.
func dirSize(dir string) (mib, files float64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil { // it may be gone already
				mib += float64(info.Size()) / (1 << 20)
				files++
			}
		}
		return nil
	})
	return mib, files
}

// metrics reads the heap and the number of goroutines from the admin address.
func (k *soak) metrics() (heap, goroutines float64) {
	heap, goroutines = math.NaN(), math.NaN()
	body, err := k.get("/metrics")
	if err != nil {
		return heap, goroutines
	}
	defer body.Close()
	for lines := bufio.NewScanner(body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
		case name == "go_memstats_heap_inuse_bytes":
			heap = v / (1 << 20)
		case name == "go_goroutines":
			goroutines = v
		}
	}
	return heap, goroutines
}

// get asks the admin address.
func (k *soak) get(path string) (io.ReadCloser, error) {
	if k.admin == "" {
		return nil, fmt.Errorf("there is no admin address")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+k.admin+path, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+soakToken)
	resp, err := k.s.client.Do(r)
	if err != nil {
		cancel()
		return nil, err
	}
	if resp.StatusCode != 200 {
		resp.Body.Close()
		cancel()
		return nil, fmt.Errorf("%s answers %s", path, resp.Status)
	}
	return bodyOf{resp.Body, cancel}, nil
}

// bodyOf is an answer's body that ends its request's context when it is closed.
type bodyOf struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b bodyOf) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// profile keeps the heap's and the goroutines' profiles, if they are wanted.
func (k *soak) profile(n int) {
	if *soakProfiles == "" {
		return
	}
	for _, kind := range []string{"heap", "goroutine"} {
		body, err := k.get("/debug/pprof/" + kind)
		if err != nil {
			k.t.Logf("no profile: %v", err)
			return
		}
		data, err := io.ReadAll(body)
		body.Close()
		if err == nil {
			err = os.WriteFile(filepath.Join(*soakProfiles, fmt.Sprint(kind, "-", n, ".pb.gz")), data, 0o600)
		}
		if err != nil {
			k.t.Logf("no profile: %v", err)
		}
	}
}

// latencies are the median and the 99th percentile of what the requests of the time since the last
// sample took, in milliseconds, and how many there were a second.
func (k *soak) latencies(window time.Duration) []float64 {
	k.tally.mu.Lock()
	took := k.tally.took
	k.tally.took = nil
	k.tally.mu.Unlock()
	if len(took) == 0 {
		return []float64{math.NaN(), math.NaN(), 0}
	}
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))]) / 1e6 }
	return []float64{at(0.5), at(0.99), float64(len(took)) / window.Seconds()}
}

// report shows the run by tenths and by answers, and judges whether the figures are level.
func (k *soak) report(samples []sample) {
	k.t.Helper()
	k.t.Logf("requests by answer:\n%s", k.answers())
	if n := k.faults.Load(); n > soakFaults {
		k.t.Errorf("%d faults in all", n)
	}
	if len(samples) < 10 {
		k.t.Logf("%d samples are too few to say anything of tenths", len(samples))
		return
	}
	tenths := make([][]float64, 10)
	for i := range tenths {
		tenths[i] = medians(samples[i*len(samples)/10 : (i+1)*len(samples)/10])
	}
	k.t.Logf("medians by tenths of %v; %d stream records were written:\n%s", soakTime, k.streamed.Load(), table(tenths))
	if *soakTime < soakLevel {
		k.t.Logf("a run of less than %v is not judged", soakLevel)
		return
	}
	k.judge(tenths[1], tenths[9])
}

// judge compares the last tenth with the second.
func (k *soak) judge(second, last []float64) {
	for i, g := range soakFigures {
		limit := g.factor*second[i] + g.room
		if i == dirColumn {
			limit += float64(k.streamed.Load()) * soakRecordBytes / (1 << 20)
		}
		switch {
		case g.factor == 0 || math.IsNaN(limit):
		case last[i] > limit:
			k.t.Errorf("%s was %.1f in the second tenth and is %.1f in the last, more than %.1f", g.name, second[i], last[i], limit)
		}
	}
	if limit := 1.1 * soakMemory / (1 << 20); last[rssColumn] > limit {
		k.t.Errorf("the process takes %.0f MiB, more than %.0f", last[rssColumn], limit)
	}
}

// medians are those of each figure.
func medians(samples []sample) []float64 {
	m := make([]float64, len(soakFigures))
	for i := range m {
		var values []float64
		for _, s := range samples {
			if !math.IsNaN(s.values[i]) {
				values = append(values, s.values[i])
			}
		}
		if m[i] = math.NaN(); len(values) > 0 {
			slices.Sort(values)
			m[i] = values[len(values)/2]
		}
	}
	return m
}

// table prints the tenths.
func table(tenths [][]float64) string {
	var b strings.Builder
	b.WriteString("tenth")
	for _, g := range soakFigures {
		fmt.Fprintf(&b, " %14s", g.name)
	}
	for i, t := range tenths {
		fmt.Fprintf(&b, "\n%5d", i+1)
		for _, v := range t {
			fmt.Fprintf(&b, " %14.1f", v)
		}
	}
	return b.String()
}

// answers lists how often each operation was answered with what.
func (k *soak) answers() string {
	k.tally.mu.Lock()
	defer k.tally.mu.Unlock()
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(k.tally.codes)) {
		fmt.Fprintf(&b, "%8d %s\n", k.tally.codes[what], what)
	}
	return b.String()
}
