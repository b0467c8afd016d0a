package partita_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOptions checks that it must be clear where the data is.
func TestOptions(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	for _, o := range []partita.Options{
		{},
		{Dir: t.TempDir(), InMemory: true},
	} {
		o.Logger = quiet
		if db, err := partita.Open(o); err == nil {
			db.Close()
			t.Errorf("Open(%+v) succeeded", o)
		}
	}
}

// TestZero checks that credentials that no function has made are not taken for none, which would open the database to everybody.
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
	if second, err := partita.Open(o); !errors.Is(err, pebblekv.ErrLocked) {
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
