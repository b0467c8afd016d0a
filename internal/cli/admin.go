package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/partita-db/partita"
)

// How patient the admin server is. Whoever answers for longer (a backup) sets their own deadline.
const (
	adminHeaderTime = 10 * time.Second
	adminReadTime   = time.Minute
	adminWriteTime  = 5 * time.Minute // a profile takes as long as it is told to
	adminIdleTime   = 2 * time.Minute
	adminCloseTime  = time.Second
	maxAdminHeader  = 16 << 10
	// maxAdminConns is how many connections there may be: each takes a file, of which the engine
	// needs some to go on.
	maxAdminConns = 128
)

// adminServer answers on the admin address, from before the database is opened, since that can take
// long and somebody may want to know that it is under way. The file in the data directory that
// tells its address and token is to be right whenever it answers to a token. It cannot be before
// the lock on the directory is taken: until then the directory can be that of a server that runs,
// whose file it has, or of one that was killed, whose file is out of date. So
//
//  1. the addresses are bound, and health is answered, to whom needs no token;
//  2. the lock is taken, and the file written in place of an old one (announce);
//  3. tokens are looked at. A request that brings one before that is told to come again;
//  4. the database is opened, which reads its log, and serves;
//  5. at the end the file is removed (retract), and then the lock is given back.
type adminServer struct {
	handler   *partita.Admin
	instance  string // which one of all servers this is
	http      http.Server
	listeners []net.Listener
	serving   sync.WaitGroup

	mu        sync.Mutex
	file      string // that tells where it is; empty: none does
	retracted bool
	announced atomic.Bool // tokens are looked at
}

// newAdminServer starts a server on the listeners, which it takes over.
func newAdminServer(listeners []net.Listener, o partita.AdminOptions) *adminServer {
	s := &adminServer{handler: partita.NewAdmin(o), instance: rand.Text(), listeners: listeners}
	s.http = http.Server{
		Handler: s, ReadHeaderTimeout: adminHeaderTime, ReadTimeout: adminReadTime, WriteTimeout: adminWriteTime,
		IdleTimeout: adminIdleTime, MaxHeaderBytes: maxAdminHeader, ConnState: new(adminConns).note,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	for _, l := range listeners {
		s.serving.Go(func() {
			if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				o.Logger.Error("the admin address is no longer served", "error", err)
			}
		})
	}
	return s
}

// instanceHeader is the header of answers about health that names the server, as its file does: so
// that whoever asks for the health of the server in a directory does not take another for it, which
// has the address by now.
const instanceHeader = "Partita-Instance"

// ServeHTTP answers one request.
func (s *adminServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	health := r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
	if health {
		w.Header().Set(instanceHeader, s.instance)
	}
	if !s.announced.Load() && !health && r.Header.Get("Authorization") != "" {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":"the server is starting"}`+"\n") // a client may have gone
		return
	}
	s.handler.ServeHTTP(w, r)
}

// announce writes the file in the directory whose lock is held, and has tokens looked at. Without a
// directory there is no file. The program may be ending by now.
func (s *adminServer) announce(dir, url string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if dir != "" && !s.retracted {
		file := filepath.Join(dir, adminFile)
		at := adminAt{Addr: s.addr(), Endpoint: url, Token: s.handler.Token(), Instance: s.instance, PID: os.Getpid()}
		if err := writeAdminFile(file, at); err != nil {
			return fmt.Errorf("writing down the admin address: %w", err)
		}
		s.file = file
	}
	s.announced.Store(true)
	return nil
}

// retract removes the file, unless it is another server's by now, and has none written any more.
func (s *adminServer) retract() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retracted = true
	if s.file == "" {
		return
	}
	var at adminAt
	b, err := os.ReadFile(s.file)
	if err == nil && json.Unmarshal(b, &at) == nil && at.Instance == s.instance {
		os.Remove(s.file) // the next start writes it anew
	}
	s.file = ""
}

// adminConns are the connections to an admin server: since when each is unused; zero while it is in
// use.
type adminConns struct {
	mu     sync.Mutex
	unused map[net.Conn]time.Time
}

// note is http.Server's ConnState. When there are too many connections, the one that has been
// unused for longest is closed, which may be the new one: whoever opens many must not keep away
// those who ask whether the server lives.
func (a *adminConns) note(c net.Conn, state http.ConnState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		if a.unused == nil {
			a.unused = map[net.Conn]time.Time{}
		}
		a.unused[c] = time.Now()
	case http.StateActive:
		a.unused[c] = time.Time{}
	default:
		delete(a.unused, c)
		return
	}
	if len(a.unused) <= maxAdminConns {
		return
	}
	oldest := c
	for other, since := range a.unused {
		if !since.IsZero() && since.Before(a.unused[oldest]) {
			oldest = other
		}
	}
	oldest.Close()
	delete(a.unused, oldest)
}

// addr is where clients of this machine reach the server.
func (s *adminServer) addr() string {
	at := s.listeners[0].Addr().(*net.TCPAddr)
	host := at.IP.String()
	if at.IP.IsUnspecified() || at.IP.IsLoopback() {
		host = "localhost"
		if at.IP.To4() != nil && !at.IP.IsUnspecified() && !at.IP.Equal(net.IPv4(127, 0, 0, 1)) {
			host = at.IP.String() // 127.0.0.2 is a loopback, too
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(at.Port))
}

// close ends the server. What it is asked at the moment it may answer still, but not for long.
func (s *adminServer) close() {
	s.retract()
	ctx, cancel := context.WithTimeout(context.Background(), adminCloseTime)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	s.serving.Wait()
}

// profiles serves /debug/pprof/. (Package net/http/pprof also puts itself into a program's default
// mux; nobody serves that one here, and whoever embeds the database does not import this package.)
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// adminAt is what it says: the admin address, and the URL of the data address.
type adminAt struct {
	Addr     string `json:"address"`
	Endpoint string `json:"endpoint"`
	Token    string `json:"token"`
	Instance string `json:"instance"`
	PID      int    `json:"pid"`
}

// writeAdminFile writes the file, all or nothing.
func writeAdminFile(path string, at adminAt) error {
	b, err := json.MarshalIndent(at, "", "  ")
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	os.Remove(tmp)                                                       // one that is left over
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // never one that somebody else has put there
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}

// findAdmin returns where the admin address is: at addr if that is given, else where the file of
// the data directory says, else at the default one. The token comes from the file only.
func findAdmin(addr, dir string) (adminAt, error) {
	at := adminAt{Addr: defaultAdminAddr}
	if dir == "" {
		dir = defaultData
	}
	b, err := os.ReadFile(filepath.Join(dir, adminFile))
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &at); err != nil {
			return at, errors.New(filepath.Join(dir, adminFile) + " is damaged: " + err.Error())
		}
	case !errors.Is(err, fs.ErrNotExist) && addr == "":
		return at, err
	}
	switch {
	case addr == "off":
		return at, errors.New("--admin-addr is off: there is no server to ask")
	case addr != "" && !strings.HasSuffix(addr, ":0"): // any port is one that the file knows
		at.Addr = reachable(addr)
	}
	return at, nil
}

// reachable is the address under which a client of this machine reaches one that was listened on.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}
