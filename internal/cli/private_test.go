package cli

import (
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/partita-db/partita"
)

// TestFilesAreTheOwners starts the program in a data directory that others may look into: they
// cannot read what is in it.
func TestFilesAreTheOwners(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("file modes say nothing there")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := startProgram(t, build(t), dir)
	defer s.kill()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the engine is at work
		}
		if files++; err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil || files < 4 {
		t.Errorf("there are %d files: %v", files, err)
	}
}

// TestAdminConnections opens many connections to the admin address that ask nothing: they take the
// room of one another, and whoever asks is answered.
func TestAdminConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newAdminServer([]net.Listener{l}, partita.AdminOptions{Logger: slog.New(slog.DiscardHandler)})
	defer s.close()
	const more = 40
	ended := make(chan struct{}, maxAdminConns+more)
	for range maxAdminConns + more {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() {
			c.Read(make([]byte, 1)) // nothing is ever said
			ended <- struct{}{}
		}()
	}
	for range more {
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatalf("more than %d connections are open", maxAdminConns)
		}
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := client.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted { // there is no database
		t.Errorf("/healthz: %s", answer.Status)
	}
}
