package partita_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOptions checks that it must be clear where the data is.
func TestOptions(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	engine, err := pebblekv.Open(pebblekv.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	const once = ": the data can be in one place only"
	for _, c := range []struct {
		o    partita.Options
		want string
	}{
		{partita.Options{}, "partita: one of Options.Dir, Options.InMemory and Options.Engine must be given"},
		{partita.Options{Dir: "data", InMemory: true},
			`partita: Options.Dir ("data") and Options.InMemory are given` + once},
		{partita.Options{InMemory: true, Engine: engine},
			`partita: Options.InMemory and Options.Engine are given` + once},
	} {
		c.o.Logger = quiet
		db, err := partita.Open(c.o)
		if err == nil {
			db.Close()
		}
		if fmt.Sprint(err) != c.want {
			t.Errorf("Open: %v, want %s", err, c.want)
		}
	}
}

// TestZero checks that credentials that no function has made are not taken for none, which would
// open the database to everybody.
func TestZero(t *testing.T) {
	for _, o := range []partita.Options{{Credentials: new(partita.Credentials)}, {Admin: new(partita.Admin)}} {
		o.InMemory, o.Logger = true, slog.New(slog.DiscardHandler)
		if db, err := partita.Open(o); err == nil {
			db.Close()
			t.Errorf("Open(%+v) succeeded", o)
		}
	}
}

// TestHiddenSecrets prints credentials in every way.
func TestHiddenSecrets(t *testing.T) {
	keys, err := partita.ParseCredentials([]byte(`{"credentials": [{"accessKeyId": "KEY", "secretAccessKey": "hush-hush",
		"policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	o := partita.Options{Credentials: keys}
	fmt.Fprintf(&text, "%v %+v %#v %+v %#v %+v", keys, keys, keys, o, o, *keys)
	slog.New(slog.NewTextHandler(&text, nil)).Info("", "keys", keys, "value", *keys)
	slog.New(slog.NewJSONHandler(&text, nil)).Info("", "keys", keys)
	if strings.Contains(text.String(), "hush") || text.Len() == 0 {
		t.Errorf("the secret is printed: %s", text.String())
	}
}

// TestEngine checks that an engine of the caller's stays the caller's.
func TestEngine(t *testing.T) {
	engine, err := pebblekv.Open(pebblekv.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		db, err := partita.Open(partita.Options{Engine: engine, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := engine.Close(); err != nil {
		t.Errorf("the engine was closed with the database: %v", err)
	}
}

// TestDirHeld checks that one directory is open once.
func TestDirHeld(t *testing.T) {
	o := partita.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}
	first, err := partita.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	second, err := partita.Open(o)
	const want = "the data directory is open already, in this process or another: "
	if !errors.Is(err, pebblekv.ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("the second Open: %v, %v", second, err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	again, err := partita.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// TestCloseTwice closes a database several times at once: the first does it, and the others find it
// done.
func TestCloseTwice(t *testing.T) {
	o := partita.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}
	db, err := partita.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	var closers sync.WaitGroup
	for range 4 {
		closers.Go(func() {
			if err := db.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if again, err := partita.Open(o); err == nil {
				again.Close()
			} else if !errors.Is(err, pebblekv.ErrLocked) { // by another of these
				t.Errorf("Open after Close: %v", err)
			}
		})
	}
	closers.Wait()
	if err := db.Close(); err != nil {
		t.Errorf("Close of a closed database: %v", err)
	}
}

// TestAdminOfOne checks that an Admin is for one database, which it may get at a second attempt,
// and that it tells when that is closed.
func TestAdminOfOne(t *testing.T) {
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	holder, err := partita.Open(partita.Options{Dir: dir, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	a := partita.NewAdmin(partita.AdminOptions{})
	check := func(path string, status int, text string) {
		t.Helper()
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost"+path, nil))
		if w.Code != status || !strings.HasPrefix(w.Body.String(), text) {
			t.Errorf("%s: %d %q, want %d %q", path, w.Code, w.Body, status, text)
		}
	}
	o := partita.Options{Dir: dir, Admin: a, Logger: quiet}
	if _, err := partita.Open(o); !errors.Is(err, pebblekv.ErrLocked) {
		t.Errorf("Open of a directory that is open: %v", err)
	}
	check("/healthz", 202, "starting: ")
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := partita.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	check("/healthz", 200, "ok")
	taken := func() {
		t.Helper()
		_, err := partita.Open(partita.Options{InMemory: true, Admin: a, Logger: quiet})
		if err == nil || !strings.HasPrefix(err.Error(), "partita: Options.Admin is another database's") {
			t.Errorf("a second Open with an Admin: %v", err)
		}
	}
	taken()
	check("/readyz", 200, "ready")
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	check("/healthz", 503, "closed: ")
	check("/readyz", 503, "closed: ")
	check("/metrics", 200, "")
	taken()
	a.Drain()
	check("/healthz", 202, "draining: ")
}

// TestCloseFails checks that the first Close alone returns what has failed.
func TestCloseFails(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a directory that is open cannot be renamed")
	}
	dir, failed := filepath.Join(t.TempDir(), "data"), make(chan error, 1)
	db, err := partita.Open(partita.Options{
		Dir: dir, Logger: slog.New(slog.DiscardHandler), OnFailure: func(err error) { failed <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-failed:
	case <-time.After(time.Minute):
		t.Fatal("the engine has not stopped itself")
	}
	if err := db.Close(); !errors.Is(err, kv.ErrFailed) {
		t.Errorf("Close after a failure: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}
