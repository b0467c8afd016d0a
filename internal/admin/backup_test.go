package admin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/dbtest"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// slowCopier is an engine whose checkpoints wait until they are let go, or their context ends.
type slowCopier struct {
	kv.Engine
	begun, let chan struct{}
}

// Checkpoint implements kv.Checkpointer.
func (s *slowCopier) Checkpoint(ctx context.Context, dir string) error {
	s.begun <- struct{}{}
	select {
	case <-s.let:
		return s.Engine.(kv.Checkpointer).Checkpoint(ctx, dir)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// plainEngine is an engine that cannot copy itself.
type plainEngine struct{ kv.Engine }

// backupServer serves the admin address of a database in memory whose engine wrap has wrapped.
func backupServer(t *testing.T, wrap func(kv.Engine) kv.Engine) *httptest.Server {
	t.Helper()
	d := dbtest.Open(t, dbtest.Options{})
	h := New(Options{Token: "secret", Logger: slog.New(slog.DiscardHandler)})
	h.Attach(Source{DB: d.DB, Engine: wrap(d.Engine)})
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// askBackup asks for a backup and returns the status and the last line of the answer.
func askBackup(ctx context.Context, t *testing.T, s *httptest.Server, token, body string) (status int, a backupAnswer) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/backup", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.Client().Do(r)
	if err != nil {
		return 0, a
	}
	defer resp.Body.Close()
	for d := json.NewDecoder(resp.Body); d.More(); {
		a = backupAnswer{}
		if err := d.Decode(&a); err != nil {
			break
		}
	}
	return resp.StatusCode, a
}

// bodyOf is the request for a directory.
func bodyOf(dir string) string {
	b, _ := json.Marshal(backupRequest{dir})
	return string(b)
}

// TestBackup asks for backups with and without the token, to places good and bad.
func TestBackup(t *testing.T) {
	s := backupServer(t, func(e kv.Engine) kv.Engine { return e })
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "closed"), 0o500); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		token, body string
		status      int
		want        string
	}{
		{"", bodyOf(filepath.Join(dir, "a")), http.StatusUnauthorized, ""},
		{"wrong", bodyOf(filepath.Join(dir, "a")), http.StatusUnauthorized, ""},
		{"secret", bodyOf("relative"), http.StatusBadRequest, "not an absolute path"},
		{"secret", "x", http.StatusBadRequest, "the request is no backup's"},
		{"secret", `{"folder":"/x"}`, http.StatusBadRequest, "the request is no backup's"},
		{"secret", bodyOf(filepath.Join(dir, "no/parent")), http.StatusBadRequest, "no such file"},
		{"secret", bodyOf(filepath.Join(dir, "a")), http.StatusOK, ""},
		{"secret", bodyOf(filepath.Join(dir, "a")), http.StatusBadRequest, "not empty"},
	} {
		status, a := askBackup(t.Context(), t, s, c.token, c.body)
		if status != c.status || !strings.Contains(a.Error, c.want) || a.Done != (status == http.StatusOK) {
			t.Errorf("%s %s: %d %+v, want %d %q", c.token, c.body, status, a, c.status, c.want)
		}
		if a.Done && (a.Bytes == 0 || pebblekv.CheckFormat(a.Directory) != nil) {
			t.Errorf("the backup %+v is none", a)
		}
	}
	if os.Getuid() != 0 {
		status, a := askBackup(t.Context(), t, s, "secret", bodyOf(filepath.Join(dir, "closed/a")))
		if status != http.StatusBadRequest || !strings.Contains(a.Error, "the server, which runs as user id") {
			t.Errorf("a directory that cannot be written to: %d %+v", status, a)
		}
	}
	plain := backupServer(t, func(e kv.Engine) kv.Engine { return plainEngine{e} })
	if status, a := askBackup(t.Context(), t, plain, "secret", bodyOf(filepath.Join(dir, "b"))); status != http.StatusNotImplemented || a.Error == "" {
		t.Errorf("an engine that cannot copy itself: %d %+v", status, a)
	}
}

// TestOneBackup wants a second backup refused while one is being written, progress told meanwhile,
// and one that is cancelled gone.
func TestOneBackup(t *testing.T) {
	slow := &slowCopier{begun: make(chan struct{}), let: make(chan struct{})}
	s := backupServer(t, func(e kv.Engine) kv.Engine { slow.Engine = e; return slow })
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		askBackup(ctx, t, s, "secret", bodyOf(filepath.Join(dir, "a")))
	}()
	<-slow.begun
	if status, a := askBackup(t.Context(), t, s, "secret", bodyOf(filepath.Join(dir, "b"))); status != http.StatusConflict || a.Error == "" {
		t.Errorf("a second backup: %d %+v", status, a)
	}
	cancel()
	<-gone
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("a cancelled backup has left %v", left)
	}
	done := make(chan backupAnswer)
	go func() {
		for { // the server notices a moment after the client that it has gone
			status, a := askBackup(t.Context(), t, s, "secret", bodyOf(filepath.Join(dir, "c")))
			if status != http.StatusConflict {
				done <- a
				return
			}
		}
	}()
	<-slow.begun
	close(slow.let)
	if a := <-done; !a.Done {
		t.Errorf("the backup after it: %+v", a)
	}
}
