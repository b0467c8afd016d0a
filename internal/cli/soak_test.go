package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/smithy-go"

	"github.com/partita-db/partita/internal/historytest"
)

var (
	soakTime     = flag.Duration("soak.time", 2*time.Second, "how long TestSoak keeps its load up")
	soakRate     = flag.Float64("soak.rate", 400, "steps a second of TestSoak's load, of one request or two")
	soakItems    = flag.Int("soak.items", 0, "items of each of TestSoak's writers; 0: 150 in a run of less than a minute, else 3000")
	soakSeed     = flag.Uint64("soak.seed", 0, "seed of TestSoak; 0 takes one from the clock")
	soakCSV      = flag.String("soak.csv", "", "a file for TestSoak's samples")
	soakProfiles = flag.String("soak.profiles", "", "a directory for heap and goroutine profiles from TestSoak's second and last tenth")
)

// What TestSoak lets the server have, and what it expects of it at the end.
const (
	soakMemory = 512_000_000
	soakToken  = "the-token-of-the-soak" // of the admin address
	soakWriter = 6                       // clients that write items of their own
	soakStop   = 20 * time.Second        // to end after SIGTERM
	soakBack   = 5 * time.Second         // to listen again
	soakFaults = 20                      // reported; the rest is counted
)

// TestSoak keeps a mixed load on the real program for a while: all kinds of reads and writes,
// transactions, statements, items of 100 bytes to 390 KB, readers of streams, expiry, tables and
// indexes that come and go, clients that send nonsense or hang up in the middle. What is read is
// compared with what was written, money that is moved stays in sum, and a reader of the stream
// counts each change once. Meanwhile the process is watched: its memory, goroutines, threads, open
// files and data directory have to stay level. At the end it stops when told, starts quickly, has
// all its data, and the directory is checked.
//
// The load is of constant size by design: each writer has its slots, whose items are replaced by
// others of the same length. Only what DynamoDB itself keeps grows: stream records, for a day, and
// tokens, for ten minutes. The streams here are thin.
//
//	go test -run TestSoak -timeout 2h ./internal/cli -args -soak.time=1h -soak.csv=samples.csv
func TestSoak(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		*soakTime = min(*soakTime, time.Second)
	}
	k := newSoak(t)
	k.start()
	k.prepare()
	samples := k.run()
	k.verify()
	k.end(syscall.SIGTERM)
	k.watchLog()
	began := time.Now()
	k.start()
	if took := time.Since(began); took > soakBack {
		t.Errorf("the program needed %v to listen again", took)
	} else {
		t.Logf("listens again after %v", took.Round(time.Millisecond))
	}
	k.verify()
	k.s.kill()
	k.watchLog()
	checkDir(t, filepath.Join(k.dir, defaultData))
	k.report(samples)
}

// soak is the load and what it knows of the database.
type soak struct {
	t       *testing.T
	program string
	dir     string // the program's working directory
	seed    uint64
	slots   int // of each writer

	s        *child
	admin    string // the address of the metrics, if there is one
	client   *dynamodb.Client
	readers  *dynamodbstreams.Client
	pace     pace
	tally    tally
	stop     chan struct{} // closed when the load's time is over
	faults   atomic.Int64
	streamed atomic.Int64 // stream records written, roughly

	writers []*soakWorker
	ledger  *soakLedger
	expiry  *soakExpiry
	churn   *soakChurn
}

func newSoak(t *testing.T) *soak {
	k := &soak{t: t, program: build(t), dir: t.TempDir(), seed: *soakSeed, slots: *soakItems, stop: make(chan struct{})}
	if k.seed == 0 {
		k.seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-soak.seed=%d", k.seed)
	if k.slots == 0 {
		if k.slots = 3000; *soakTime < time.Minute {
			k.slots = 150
		}
	}
	k.pace.every = time.Duration(float64(time.Second) / *soakRate)
	k.tally.codes = map[string]int{}
	for id := range soakWriter {
		k.writers = append(k.writers, &soakWorker{soak: k, id: id, random: k.random(id), serials: make([]int, k.slots)})
	}
	k.ledger = newSoakLedger(k)
	k.expiry = newSoakExpiry(k)
	k.churn = &soakChurn{soak: k, random: k.random(101)}
	return k
}

// random is a source of numbers for one of the clients.
func (k *soak) random(client int) *rand.Rand { return rand.New(rand.NewPCG(k.seed, uint64(client))) }

// start starts the program on its directory, and makes clients for it.
func (k *soak) start() {
	k.t.Helper()
	args := []string{"serve", "--port", "0", "--memory-limit", fmt.Sprint(soakMemory), "--log-level", "info"}
	if k.admin = k.adminAddr(); k.admin != "" {
		args = append(args, "--admin-addr", k.admin)
	}
	cmd := childCommand(k.program, args...)
	cmd.Dir, cmd.Env = k.dir, append(os.Environ(), "PARTITA_ADMIN_TOKEN="+soakToken)
	k.s = startCommand(k.t, cmd)
	transport := historytest.Transport{Transport: &http.Transport{
		MaxIdleConnsPerHost: 32, IdleConnTimeout: 10 * time.Second, DisableCompression: true,
	}}
	k.s.client.Transport = transport
	k.client = historytest.NewClient(k.s.url, transport)
	k.readers = dynamodbstreams.New(dynamodbstreams.Options{
		BaseEndpoint: &k.s.url, Region: "us-east-1", Retryer: aws.NopRetryer{}, HTTPClient: k.s.client,
		Credentials: credentials.NewStaticCredentialsProvider("soak", "secret", ""),
	})
}

// adminAddr finds a free port for the admin address, if the program has one.
func (k *soak) adminAddr() string {
	help, err := childCommand(k.program, "serve", "--help").Output()
	if err != nil || !strings.Contains(string(help), "--admin-addr") {
		return ""
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		k.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run keeps the load up for its time, and returns the samples taken meanwhile.
func (k *soak) run() []sample {
	var clients sync.WaitGroup
	for _, w := range k.writers {
		clients.Go(w.work)
	}
	clients.Go(k.ledger.audit)
	clients.Go(k.ledger.follow)
	clients.Go(k.expiry.work)
	clients.Go(k.expiry.follow)
	clients.Go(k.churn.work)
	clients.Go(func() { (&soakRude{soak: k, random: k.random(102)}).work() })
	samples := k.watch(*soakTime)
	close(k.stop)
	clients.Wait()
	return samples
}

// next waits for the load's next step, and tells whether there is one.
func (k *soak) next() bool {
	select {
	case <-k.stop:
		return false
	case <-time.After(k.pace.delay()):
		return true
	}
}

// pause waits, beside the load's pace, and tells whether to go on.
func (k *soak) pause(d time.Duration) bool {
	select {
	case <-k.stop:
		return false
	case <-time.After(d):
		return true
	}
}

// fault reports what must not happen.
func (k *soak) fault(format string, args ...any) {
	if k.faults.Add(1) <= soakFaults {
		k.t.Errorf(format, args...)
	}
}

// end tells the program to end, and expects it to do so well.
func (k *soak) end(signal os.Signal) {
	k.s.client.CloseIdleConnections()
	began := time.Now()
	if err := k.s.cmd.Process.Signal(signal); err != nil {
		k.t.Fatal(err)
	}
	if err := k.s.wait(); err != nil {
		k.t.Errorf("after %v: %v", signal, err)
	}
	took := time.Since(began).Round(time.Millisecond)
	if took > soakStop {
		k.t.Errorf("it ended %v after %v", took, signal)
		return
	}
	k.t.Logf("it ended %v after %v", took, signal)
}

// watchLog looks through what the program logged: nothing at error level, and each kind of warning
// is shown once.
func (k *soak) watchLog() {
	warned := map[string]bool{}
	for line := range strings.Lines(k.s.stderr.String()) {
		_, message, _ := strings.Cut(line, "msg=")
		kind := fmt.Sprintf("%.30s", message)
		switch {
		case strings.Contains(line, "level=INFO"), strings.TrimSpace(line) == "":
		case strings.Contains(line, "level=WARN"):
			if !warned[kind] {
				warned[kind] = true
				k.t.Logf("it warned: %s", line)
			}
		default:
			k.fault("it said: %.2000s", line)
		}
	}
}

// verify compares all that the load knows with what is there.
func (k *soak) verify() {
	k.t.Helper()
	for _, w := range k.writers {
		w.verify()
	}
	k.ledger.verify()
	k.expiry.verify()
}

// pace spreads the steps of all clients evenly.
type pace struct {
	every time.Duration
	mu    sync.Mutex
	free  time.Time // when the next step may begin
}

// delay is how long the caller has to wait for its turn. Steps that could not be taken in time are
// not made up for.
func (p *pace) delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if late := now.Add(-50 * time.Millisecond); p.free.Before(late) {
		p.free = late
	}
	p.free = p.free.Add(p.every)
	return p.free.Sub(now)
}

// tally counts requests by how they ended, and keeps how long they took since the last sample.
type tally struct {
	mu    sync.Mutex
	codes map[string]int // "PutItem ok", "PutItem ConditionalCheckFailedException"
	took  []time.Duration
}

// note counts a request. Without a time it is none that can be measured.
func (y *tally) note(operation, code string, took time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.codes[operation+" "+code]++
	if took > 0 {
		y.took = append(y.took, took)
	}
}

// call makes a request with an SDK's method. code is empty if it succeeded; it may be one of those
// expected, and any other failure is a fault.
func call[In, Out, O any](k *soak, method func(context.Context, *In, ...func(*O)) (*Out, error), in *In, expected ...string) (out *Out, code string, err error) {
	_, operation, _ := strings.Cut(strings.TrimSuffix(fmt.Sprintf("%T", in), "Input"), ".")
	began := time.Now()
	out, err = method(context.Background(), in)
	took := time.Since(began)
	if err == nil {
		k.tally.note(operation, "ok", took)
		return out, "", nil
	}
	code = "failed"
	if e := smithy.APIError(nil); errors.As(err, &e) {
		code = e.ErrorCode()
	}
	k.tally.note(operation, code, took)
	for _, want := range expected {
		if code == want {
			return nil, code, err
		}
	}
	k.fault("%s: %v", operation, err)
	return nil, code, err
}
