package listen_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startServer runs a server, which set may change before, until the end of the test. It makes no
// rounds but those of the test.
func startServer(t *testing.T, h http.Handler, set func(*listen.Server)) (*listen.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(h, slog.New(slog.DiscardHandler))
	s.SetInterval(24 * time.Hour)
	if set != nil {
		set(s)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, l.Addr().String()
}
