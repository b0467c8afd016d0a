package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

var volumes = flag.Bool("volumes", false, "run TestFullVolume, which fills volumes of its own in memory")

// startOnVolume starts the real program with its data on a volume of its own, in a mount namespace that ends with it. It
// skips the test where that is not to be had.
func startOnVolume(t *testing.T, size, floor string) *child {
	t.Helper()
	dir := t.TempDir()
	mount := `mount -t tmpfs -o size=` + size + ` tmpfs "$1"`
	if err := childCommand("unshare", "-r", "-m", "sh", "-c", mount, "sh", dir).Run(); err != nil {
		t.Skipf("no volume can be mounted on %s: %v", runtime.GOOS, err)
	}
	return startCommand(t, childCommand("unshare", "-r", "-m", "sh", "-c", mount+` && exec "$0" serve --port 0 --data "$1/data" --free-space-floor "$2"`,
		build(t), dir, floor))
}

// fillVolume writes to a new table until that fails, and returns the error.
func fillVolume(t *testing.T, s *child) error {
	t.Helper()
	s.must("CreateTable", object{
		"TableName": "bulk", "BillingMode": "PAY_PER_REQUEST", "KeySchema": []object{{"AttributeName": "k", "KeyType": "HASH"}},
		"AttributeDefinitions": []object{{"AttributeName": "k", "AttributeType": "S"}},
	})
	random := rand.New(rand.NewPCG(1, 1))
	for n := range 3000 {
		var text strings.Builder // that does not compress away
		for text.Len() < 90000 {
			fmt.Fprintf(&text, "%x", random.Uint64())
		}
		in := object{"TableName": "bulk", "Item": object{"k": str(fmt.Sprint(n)), "v": str(text.String())}}
		if _, err := s.call(context.Background(), "PutItem", in); err != nil {
			t.Logf("after %d items: %v", n, err)
			return err
		}
	}
	t.Fatal("the volume does not fill up")
	return nil
}

// TestFullVolume fills a real volume. Above its floor the program refuses writes and serves reads, and a table that is deleted makes
// room. Without a floor it ends, and says that there is no space left.
func TestFullVolume(t *testing.T) {
	if !*volumes {
		t.Skip("writes a hundred megabytes; asked for with -volumes")
	}
	s := startOnVolume(t, "256m", "100MiB")
	s.create()
	if err := put(context.Background(), s, "kept", "value"); err != nil {
		t.Fatal(err)
	}
	answer := (*refusal)(nil)
	if err := fillVolume(t, s); !errors.As(err, &answer) || !strings.Contains(answer.body, "nearly full") {
		t.Fatalf("the full volume: %v\n%s", err, s.stderr)
	}
	if out := s.must("GetItem", object{"TableName": crashTable, "Key": object{"k": str("kept")}}); out["Item"] == nil {
		t.Error("the item cannot be read")
	}
	s.must("DeleteTable", object{"TableName": "bulk"})
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if put(context.Background(), s, "kept", fmt.Sprint(time.Now())) == nil {
			t.Logf("writes are taken again %v after DeleteTable", time.Since(began))
			break
		}
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("the table that is deleted makes no room:\n%s", s.stderr)
		}
	}
	s.kill()

	s = startOnVolume(t, "48m", "0")
	ended := make(chan error, 1)
	if err := fillVolume(t, s); err == nil {
		t.Fatal("no error")
	}
	go func() { ended <- s.wait() }()
	select {
	case err := <-ended:
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("the program ended with %v, want status 1", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("the program does not end:\n%s", s.stderr)
	}
	if said := s.stderr.String(); !strings.Contains(said, "no space left on device") {
		t.Errorf("said:\n%s", said)
	}
}
