package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// faulty is the embedded engine on a disk in memory that can be made to fail.
type faulty struct {
	Faulty bool `help:"Use the disk that fails."`

	mem    *vfs.MemFS
	floor  int64
	fails  func(errorfs.Op) bool
	with   error
	armed  atomic.Bool
	gate   sync.RWMutex // held for writing while the disk stands still
	stands func(errorfs.Op) bool
	latch  time.Duration // to wait for one; 0: 300 ms

	onFailure func(error) // once it is open
}

func (f *faulty) Chosen() bool { return f.Faulty }

// MaybeError implements errorfs.Injector.
func (f *faulty) MaybeError(op errorfs.Op) error {
	if f.stands != nil && f.stands(op) {
		f.gate.RLock()
		defer f.gate.RUnlock()
	}
	if f.armed.Load() && f.fails(op) {
		return f.with
	}
	return nil
}

// String implements errorfs.Injector.
func (f *faulty) String() string { return "faulty" }

func (f *faulty) Open(_ context.Context, o EngineOptions) (kv.Engine, string, error) {
	f.onFailure = o.OnFailure
	e, err := pebblekv.Open(pebblekv.Options{
		Dir: "data", FS: newFaultFS(f.mem, f), MemoryLimit: o.MemoryLimit, MemtableBytes: 256 << 10, FreeSpaceFloor: f.floor,
		LatchTimeout: cmp.Or(f.latch, 300*time.Millisecond), Logger: o.Logger, OnFailure: o.OnFailure,
	})
	return e, "a disk that fails", err
}

// faultFS is errorfs.Wrap, for log files that are used again as well: those errorfs does not watch.
type faultFS struct {
	*errorfs.FS
	injector errorfs.Injector
}

// newFaultFS wraps a file system.
func newFaultFS(fs vfs.FS, injector errorfs.Injector) *faultFS {
	return &faultFS{errorfs.Wrap(fs, injector), injector}
}

func (fs *faultFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(old, name, c)
	if err != nil {
		return nil, err
	}
	return errorfs.WrapFile(f, errorfs.InjectorFunc(func(op errorfs.Op) error {
		op.Path = name
		return fs.injector.MaybeError(op)
	})), nil
}

// ops matches operations of a kind on files with that beginning or end.
func ops(name string, kinds ...errorfs.OpKind) func(errorfs.Op) bool {
	return func(op errorfs.Op) bool {
		base := op.Path[strings.LastIndexByte(op.Path, '/')+1:]
		for _, k := range kinds {
			if op.Kind == k && (strings.HasPrefix(base, name) || strings.HasSuffix(base, name)) {
				return true
			}
		}
		return false
	}
}

// serveFaulty starts the program on the disk.
func serveFaulty(t *testing.T, f *faulty) (*program, *child) {
	t.Helper()
	p := begin(t, nil, []Engine{f}, "serve", "--port", "0", "--faulty")
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return p, &child{t: t, url: "http://127.0.0.1:" + p.port(), client: &http.Client{Transport: transport, Timeout: childPatience}, stderr: &p.stderr}
}

// put puts an item of the crash tests' table.
func put(ctx context.Context, s *child, key, value string) error {
	_, err := s.call(ctx, "PutItem", object{"TableName": crashTable, "Item": item(key, value)})
	return err
}

// TestFaultsEndTheProgram breaks the disk under the whole program, in the ways in which the log and
// the manifest can break, while clients write: the program says why and ends with status 1 within
// ten seconds, though requests are under way, and what it has acknowledged is there when it starts
// again, also when the power goes with it.
func TestFaultsEndTheProgram(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fails func(errorfs.Op) bool
		with  error
	}{
		{"log sync", ops(".log", errorfs.OpFileSync, errorfs.OpFileSyncData), syscall.EIO},
		{"log write", ops(".log", errorfs.OpFileWrite), syscall.ENOSPC},
		{"manifest sync", ops("MANIFEST", errorfs.OpFileSync, errorfs.OpFileSyncData), syscall.EIO},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{mem: vfs.NewCrashableMem(), fails: test.fails, with: test.with}
			p, s := serveFaulty(t, f)
			s.create()
			var wg sync.WaitGroup
			var mu sync.Mutex
			acked := map[string]string{}
			for c := range 4 {
				wg.Go(func() {
					for n := 0; ; n++ {
						key, value := fmt.Sprint(c, "-", n%50), fmt.Sprint(n, strings.Repeat("x", 2000))
						answer := (*refusal)(nil)
						err := put(context.Background(), s, key, value)
						if errors.As(err, &answer) && strings.Contains(answer.body, "ThrottlingException") {
							continue // a machine that is slow beyond the latches' 300 ms; without writes nothing would fail
						}
						if err != nil {
							return
						}
						mu.Lock()
						acked[key] = value
						mu.Unlock()
					}
				})
			}
			eventually(t, s, "writes that are acknowledged", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(acked) >= 40
			})
			f.armed.Store(true)
			began := time.Now()
			if status := p.status(); status != 1 {
				t.Errorf("exit status %d, want 1", status)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("the program took %v to end", took)
			}
			wg.Wait()
			if said := p.stderr.String(); !strings.Contains(said, "partita: the storage engine has stopped itself") ||
				!strings.Contains(said, test.with.Error()) {
				t.Errorf("said:\n%.3000s", said)
			}
			f.armed.Store(false)
			for what, mem := range map[string]*vfs.MemFS{"a restart": f.mem, "a power cut": f.mem.CrashClone(vfs.CrashCloneCfg{})} {
				p, s := serveFaulty(t, &faulty{mem: mem})
				stored := s.scan("")
				for key, value := range acked {
					n, m := 0, 0
					fmt.Sscan(value, &n)
					if fmt.Sscan(stored[key], &m); m < n {
						t.Errorf("after %s item %s is %.10q, and %.10q was acknowledged", what, key, stored[key], value)
					}
				}
				if len(acked) == 0 || len(s.scan("by-group")) != len(stored) {
					t.Errorf("after %s there are %d items, %d in the index; %d were acknowledged", what, len(stored), len(s.scan("by-group")), len(acked))
				}
				p.stop()
			}
		})
	}
}

// TestSlowDisk has the disk stand still where the log goes on in another file: whoever waits for a
// latch that its writer holds is told to try again, and whoever was not told so is acknowledged
// when the disk goes on.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	f := &faulty{mem: vfs.NewCrashableMem(), stands: ops(".log", errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpFileSync, errorfs.OpFileSyncData)}
	p, s := serveFaulty(t, f)
	s.create()
	f.gate.Lock()
	release := sync.OnceFunc(f.gate.Unlock)
	defer release()
	var throttled, others atomic.Int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	acked := map[string]string{}
	for c := range 60 {
		wg.Go(func() {
			key, value := fmt.Sprint("k", c%6), fmt.Sprint(c, strings.Repeat("x", 30000)) // more than a memtable
			err := put(context.Background(), s, key, value)
			answer := (*refusal)(nil)
			switch {
			case err == nil:
				mu.Lock()
				acked[value] = key
				mu.Unlock()
			case errors.As(err, &answer) && answer.status == 400 && strings.Contains(answer.body, "ThrottlingException"):
				if throttled.Add(1) == 1 {
					release()
				}
			default:
				others.Add(1)
				t.Errorf("put: %v", err)
			}
		})
	}
	wg.Wait()
	if throttled.Load() == 0 {
		t.Error("nobody was throttled")
	}
	onlyAcked := func(s *child, when string) {
		stored := s.scan("")
		for _, key := range acked {
			if acked[stored[key]] != key {
				t.Errorf("%s item %s is %.10q, which was not acknowledged", when, key, stored[key])
			}
		}
		for key, value := range stored {
			if acked[value] != key {
				t.Errorf("%s item %s is %.10q, which was refused", when, key, value)
			}
		}
	}
	onlyAcked(s, "afterwards")
	t.Logf("%d acknowledged, %d throttled", len(acked), throttled.Load())
	cut := f.mem.CrashClone(vfs.CrashCloneCfg{})
	p.stop()
	for when, mem := range map[string]*vfs.MemFS{"after a restart": f.mem, "after a power cut": cut} {
		p, s := serveFaulty(t, &faulty{mem: mem})
		onlyAcked(s, when)
		p.stop()
	}
}

// TestFailingReads has table files that cannot be read: that request is answered with an error, and
// the log says why. When the disk is well again, so is everything.
func TestFailingReads(t *testing.T) {
	t.Parallel()
	f := &faulty{mem: vfs.NewMem(), with: syscall.EIO, fails: ops(".sst", errorfs.OpFileRead, errorfs.OpFileReadAt)}
	p, s := serveFaulty(t, f)
	s.create()
	for n := range 400 {
		if err := put(context.Background(), s, fmt.Sprint(n), strings.Repeat("x", 3000)); err != nil {
			t.Fatal(err)
		}
	}
	p.stop() // so that the block cache is empty
	f.armed.Store(false)
	p, s = serveFaulty(t, f)
	f.armed.Store(true)
	_, err := s.call(context.Background(), "Scan", object{"TableName": crashTable})
	if answer := (*refusal)(nil); !errors.As(err, &answer) || answer.status != 500 || !strings.Contains(answer.body, "InternalServerError") {
		t.Errorf("a scan of tables that cannot be read: %v", err)
	}
	if !strings.Contains(p.stderr.String(), syscall.EIO.Error()) {
		t.Errorf("the log does not say why:\n%s", &p.stderr)
	}
	f.armed.Store(false)
	if n := len(s.scan("")); n != 400 {
		t.Errorf("%d items are there, want 400", n)
	}
	p.stop()
}

// TestNearlyFullDisk goes below the free-space floor and back: writes are refused in words that say
// what it is, reads, streams and the health answer go on, DeleteTable makes room, a patient SDK
// does not notice, and the log is not flooded.
func TestNearlyFullDisk(t *testing.T) {
	t.Parallel()
	f := &faulty{mem: vfs.NewMem(), floor: 1 << 20}
	usage := func(free uint64) { f.mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: free, TotalBytes: 100 << 20}) }
	usage(50 << 20)
	p, s := serveFaulty(t, f)
	arn := s.create()
	ctx := context.Background()
	s.must("CreateTable", object{
		"TableName": "spare", "BillingMode": "PAY_PER_REQUEST", "KeySchema": []object{{"AttributeName": "k", "KeyType": "HASH"}},
		"AttributeDefinitions": []object{{"AttributeName": "k", "AttributeType": "S"}},
	})
	if err := put(ctx, s, "a", "1"); err != nil {
		t.Fatal(err)
	}
	usage(1 << 19)
	var refused error
	for n, end := 0, time.Now().Add(10*time.Second); refused == nil && time.Now().Before(end); n++ {
		refused = put(ctx, s, "a", fmt.Sprint(n)) // the program looks once a second
	}
	if answer := (*refusal)(nil); !errors.As(refused, &answer) || answer.status != 500 || !strings.Contains(answer.body, "InternalServerError") ||
		!strings.Contains(answer.body, "Writes are refused because the volume that holds the data is nearly full") {
		t.Fatalf("a write on a full disk: %v", refused)
	}
	if got := s.scan("")["a"]; got == "" {
		t.Error("the item cannot be read")
	}
	stream := streamed{arn: arn, shown: map[string][]string{}}
	if shards := stream.shards(s); len(shards) == 0 {
		t.Error("the stream has no shards")
	}
	if _, err := health("127.0.0.1", s.url[strings.LastIndexByte(s.url, ':')+1:]); err != nil {
		t.Errorf("health: %v", err)
	}
	if _, err := s.call(ctx, "DeleteItem", object{"TableName": crashTable, "Key": object{"k": str("a")}}); err == nil {
		t.Error("a DeleteItem goes through, which makes no room at once")
	}
	s.must("DeleteTable", object{"TableName": "spare"})
	time.AfterFunc(300*time.Millisecond, func() { usage(50 << 20) })
	client := dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(s.url), Region: "us-east-1", HTTPClient: s.client,
		Credentials: credentials.NewStaticCredentialsProvider("any", "credentials", ""), RetryMaxAttempts: 20,
	})
	if _, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(crashTable), Item: map[string]types.AttributeValue{
		"k": &types.AttributeValueMemberS{Value: "a"}, "v": &types.AttributeValueMemberS{Value: "3"}, "g": &types.AttributeValueMemberS{Value: "g"},
	}}); err != nil {
		t.Errorf("an SDK's write while room is made: %v", err)
	}
	if got := s.scan("")["a"]; got != "3" {
		t.Errorf("the item is %q, want 3", got)
	}
	p.stop()
	for _, line := range []string{"writes are refused: the volume is nearly full", "writes are taken again"} {
		if n := strings.Count(p.stderr.String(), line); n != 1 {
			t.Errorf("the log says %d times %q:\n%s", n, line, &p.stderr)
		}
	}
	if n := strings.Count(p.stderr.String(), "\n"); n > 30 {
		t.Errorf("the log has %d lines", n)
	}
}
