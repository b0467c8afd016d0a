package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// endTime is how long a program may take to end whose engine has stopped itself.
const endTime = 10 * time.Second

// hang has so many clients write more than fits into the memtables while the disk stands still, and
// returns when all of their requests are under way: they hang in the sync of the log, behind the
// log that is full, and in the latches of those. The errors come later.
func hang(t *testing.T, p *program, s *child, clients int) chan error {
	t.Helper()
	errs := make(chan error, clients)
	for c := range clients {
		go func() {
			errs <- put(context.Background(), s, fmt.Sprint("k", c%6), fmt.Sprint(c, strings.Repeat("x", 30000)))
		}()
	}
	in := fmt.Sprintf("\npartita_requests_in_flight %d\n", clients)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, text := p.ask("/metrics"); strings.Contains(text, in) {
			return errs
		}
		if time.Now().After(deadline) || len(errs) > 0 {
			t.Fatalf("the requests do not hang; %d are answered", len(errs))
		}
	}
}

// TestHangingRequestsAreAnswered has the sync that requests wait for fail at last: all of them,
// wherever they hang, are answered that it is over, and the program ends though a client is in the
// middle of its request.
func TestHangingRequestsAreAnswered(t *testing.T) {
	t.Parallel()
	const clients = 60
	logs := ops(".log", errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpFileSync, errorfs.OpFileSyncData)
	f := &faulty{mem: vfs.NewMem(), stands: logs, fails: logs, with: syscall.EIO, latch: time.Hour}
	p, s := serveFaulty(t, f)
	s.create()
	f.gate.Lock()
	release := sync.OnceFunc(f.gate.Unlock)
	defer release()
	errs := hang(t, p, s, clients)
	halfRequest(t, s)
	began := time.Now()
	f.armed.Store(true)
	release()
	for range clients {
		err := <-errs
		if answer := (*refusal)(nil); !errors.As(err, &answer) || answer.status != 500 || !strings.Contains(answer.body, "InternalServerError") {
			t.Errorf("a request that hung: %v", err)
		}
	}
	t.Logf("all were answered after %v", time.Since(began))
	if status := p.status(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	if took := time.Since(began); took > endTime {
		t.Errorf("the program took %v to end", took)
	}
}

// TestHangingDiskEndsTheProgram has the engine stop itself while the disk does not come back at
// all: the program ends under requests that nobody can answer any more.
func TestHangingDiskEndsTheProgram(t *testing.T) {
	t.Parallel()
	f := &faulty{mem: vfs.NewMem(), latch: time.Hour}
	f.stands = ops(".log", errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpFileSync, errorfs.OpFileSyncData)
	p, s := serveFaulty(t, f)
	s.create()
	f.gate.Lock()
	release := sync.OnceFunc(f.gate.Unlock)
	defer release()
	errs := hang(t, p, s, 30)
	began := time.Now()
	f.onFailure(syscall.EIO) // as for a MANIFEST that cannot be written
	if status := p.status(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	if took := time.Since(began); took > endTime {
		t.Errorf("the program took %v to end", took)
	}
	release() // a process would be gone
	for range 30 {
		<-errs
	}
}
