package blackbox_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/historytest"
)

var (
	historyOps  = flag.Int("history.ops", 3000, "requests in the histories of each kind")
	historySeed = flag.Uint64("history.seed", 0, "seed of the recorded histories; 0 takes one from the clock")
)

// historyPiece is the longest history that is looked at: the search takes more than twice as long
// for one twice as long.
const historyPiece = 3000

// runHistories records as many requests as there are to be, in pieces, and lets check look at each.
func runHistories(t *testing.T, clients int, transactions bool, check func(*historytest.Load, testing.TB)) {
	t.Helper()
	left := *historyOps
	if testing.Short() {
		left = min(left, 600) // the search takes some forty times as long under the race detector
	}
	for ; left > 0 && !t.Failed(); left -= historyPiece {
		load := historyLoad(t, clients, transactions)
		if err := load.Run(ctx, historytest.NewClient(url, historyTransport(t)), min(left, historyPiece)); err != nil {
			t.Fatal(err)
		}
		check(load, t)
	}
}

// historyLoad makes a table and the load of a recorded history.
func historyLoad(t *testing.T, clients int, transactions bool) *historytest.Load {
	t.Helper()
	seed := *historySeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-history.seed=%d", seed)
	table := fmt.Sprintf("history-%d", time.Now().UnixNano())
	if err := historytest.CreateTable(ctx, client, table); err != nil {
		t.Fatal(err)
	}
	return historytest.NewLoad(seed, table, clients, transactions)
}

// historyTransport connects to the server.
func historyTransport(t *testing.T) historytest.Transport {
	transport := historytest.Transport{Transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// TestItemsAreLinearizable: puts, updates, deletes, conditions, reads, the elements of batches, and
// the items that queries and scans show, whether they ask for the latest data or not, happen at one
// moment between request and answer.
func TestItemsAreLinearizable(t *testing.T) {
	runHistories(t, 12, false, func(l *historytest.Load, t testing.TB) { l.CheckItems(t) })
}

// TestTransactionsAreSerializable: transactions, of items and of statements, happen at one moment
// as a whole, among themselves, the writes of single items, and queries and scans of all.
func TestTransactionsAreSerializable(t *testing.T) {
	runHistories(t, 10, true, func(l *historytest.Load, t testing.TB) { l.Check(t) })
}

// forgetful is a transport to a server that breaks its promise: now and then it answers a read as
// it did a moment ago.
type forgetful struct {
	historytest.Transport
	target string // of the operation
	random *rand.Rand

	mu  sync.Mutex
	was map[string][]byte // answers by request
}

// RoundTrip implements http.RoundTripper.
func (f *forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("X-Amz-Target") != "DynamoDB_20120810."+f.target {
		return f.Transport.RoundTrip(r)
	}
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(asked))
	answer, err := f.Transport.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		return answer, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.was[string(asked)]; old != nil && f.random.IntN(3) == 0 {
		body = old
	}
	f.was[string(asked)] = body
	answer.Body = io.NopCloser(bytes.NewReader(body))
	answer.ContentLength = int64(len(body))
	answer.Header.Del("X-Amz-Crc32")
	return answer, nil
}

// TestBrokenPromisesAreFound: the histories of a server that shows old items are not taken for good
// ones.
func TestBrokenPromisesAreFound(t *testing.T) {
	for target, transactions := range map[string]bool{"GetItem": false, "Query": true, "Scan": true} {
		load := historyLoad(t, 4, transactions)
		broken := &forgetful{
			Transport: historyTransport(t), target: target, random: rand.New(rand.NewPCG(1, 2)), was: map[string][]byte{},
		}
		if err := load.Run(ctx, historytest.NewClient(url, broken), 2400); err != nil {
			t.Fatal(err)
		}
		if !load.Finds(!transactions) {
			t.Errorf("nothing is found in a history with old answers of %s", target)
		}
	}
}
