package cli

import (
	"context"
	"flag"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/historytest"
)

var historyKills = flag.Int("history.kills", 4, "how often TestCrashesHistory ends the server in each of its histories")

// TestCrashesHistory records the histories of clients whose server is killed, or told to end, and
// started again on the same directory, over and over, and looks for an order in them. What was
// answered before a kill must be there after it, what was shown too; what was not answered has
// happened before the server died, or never; and a transaction with a token, which is sent again
// until it is answered, has happened once. At the end the directory is checked.
func TestCrashesHistory(t *testing.T) {
	t.Parallel()
	for name, transactions := range map[string]bool{"items": false, "transactions": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crashHistory(t, transactions)
		})
	}
}

func crashHistory(t *testing.T, transactions bool) {
	seed := *crashSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-crash.seed=%d", seed)
	kills := *historyKills
	if testing.Short() {
		kills = min(kills, 2)
	}
	random := rand.New(rand.NewPCG(seed, 1000))
	program, dir := build(t), filepath.Join(t.TempDir(), "data")
	load := historytest.NewLoad(seed, "history", 8, transactions)
	lives := make([]int, kills+1)
	for life := range lives {
		s := startProgram(t, program, dir)
		transport := historytest.Transport{Transport: &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true}}
		client := historytest.NewClient(s.url, transport)
		if life == 0 {
			if err := historytest.CreateTable(context.Background(), client, "history"); err != nil {
				t.Fatal(err)
			}
		}
		requests := 200 // of the last life
		ended := make(chan error, 1)
		if life < kills {
			requests = 1 << 30
		}
		go func() { ended <- load.Run(context.Background(), client, requests) }()
		if life < kills {
			time.Sleep(time.Duration(50+random.IntN(200)) * time.Millisecond)
			s.finish(random.IntN(4) == 0)
		}
		if err := <-ended; err != nil {
			t.Fatalf("%v\n%s", err, s.stderr)
		}
		transport.CloseIdleConnections()
		s.kill()
		load.Settle()
		lives[life] = load.Len()
	}
	t.Logf("requests by life: %d", lives)
	if transactions {
		load.Check(t)
	} else {
		load.CheckItems(t)
	}
	checkDir(t, dir)
}

// finish ends the program: it is told to, or killed.
func (s *child) finish(told bool) {
	if !told {
		s.kill()
		return
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.wait(); err != nil {
		s.t.Errorf("after SIGTERM: %v\n%s", err, s.stderr)
	}
}
