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

// Timeouts of the admin server. A handler that takes longer (backup) sets its own deadlines.
const (
	adminHeaderTime = 10 * time.Second
	adminReadTime   = time.Minute
	adminWriteTime  = 5 * time.Minute // a profile takes as long as its request says
	adminIdleTime   = 2 * time.Minute
	adminCloseTime  = time.Second
	maxAdminHeader  = 16 << 10
	// maxAdminConns is how many connections there may be. Each takes a file descriptor; without a
	// limit clients could take those that the engine needs.
	maxAdminConns = 128
)

// adminServer answers on the admin address. It starts before the database is opened, since opening
// can take long and probes must get an answer meanwhile. A file in the data directory has its
// address and token, and must be right whenever requests with a token are accepted. Before the lock
// on the directory is taken it cannot be: until then the directory may belong to a running server,
// whose file must stay, or to one that was killed, whose file is out of date. Therefore
//
//  1. the addresses are bound, and requests for health without a token are answered;
//  2. the lock is taken, and the file replaces an old one (announce);
//  3. requests with a token are accepted. Those before are told to retry;
//  4. the database is opened, which reads its log, and serves;
//  5. at the end the file is removed (retract), and then the lock is released.
type adminServer struct {
	handler   *partita.Admin
	instance  string // random, different for each start
	http      http.Server
	listeners []net.Listener
	serving   sync.WaitGroup

	mu        sync.Mutex
	file      string // the name of the file; empty: there is none
	retracted bool
	announced atomic.Bool // requests with a token are accepted
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

// instanceHeader is the header, in answers about health, with the instance that the file has as
// well. "partita health --data" compares them: after the server was killed, another one may have
// its address.
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
		_, _ = io.WriteString(w, `{"error":"the server is starting"}`+"\n")
		return
	}
	s.handler.ServeHTTP(w, r)
}

// announce writes the file into dir, whose lock the caller holds, and from then on requests with a
// token are accepted. dir is empty if there is no directory, and so no file. After retract it does
// nothing.
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

// retract removes the file, unless another server has replaced it, and prevents a later announce
// from writing one.
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
		os.Remove(s.file) // if it fails the next start replaces it
	}
	s.file = ""
}

// adminConns are the connections to an admin server, with the time since which each is unused; zero
// while it is in use.
type adminConns struct {
	mu     sync.Mutex
	unused map[net.Conn]time.Time
}

// note is http.Server's ConnState. When there are too many connections it closes the one that has
// been unused for longest, which may be the new one: clients that only open connections must not
// keep probes from being answered, or the server would be restarted for it.
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
			host = at.IP.String() // such as 127.0.0.2, on which 127.0.0.1 does not answer
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(at.Port))
}

// close ends the server. Requests in progress have a short time to end.
func (s *adminServer) close() {
	s.retract()
	ctx, cancel := context.WithTimeout(context.Background(), adminCloseTime)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	s.serving.Wait()
}

// profiles serves /debug/pprof/. Package net/http/pprof also registers itself in
// http.DefaultServeMux, which this program does not serve; programs that embed the database do not
// import this package, so their default mux stays as it is.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// adminAt is the contents of the file.
type adminAt struct {
	Addr     string `json:"address"`
	Endpoint string `json:"endpoint"`
	Token    string `json:"token"`
	Instance string `json:"instance"`
	PID      int    `json:"pid"`
}

// writeAdminFile writes the file atomically, readable by its owner only.
func writeAdminFile(path string, at adminAt) error {
	b, err := json.MarshalIndent(at, "", "  ")
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	os.Remove(tmp) // left over from a crash
	// O_EXCL: a file, or link, that another user has put there must not receive the token.
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
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
	case addr != "" && !strings.HasSuffix(addr, ":0"): // with port 0 only the file has the real one
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
