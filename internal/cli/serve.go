package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/malloc"
	"github.com/partita-db/partita/internal/server"
)

// serve starts the database and runs it until the program is told to end.
type serve struct {
	Addr      string    `group:"Where:" placeholder:"HOST:PORT" help:"Address to listen on; localhost means 127.0.0.1 and ::1. Default: localhost:8000."`
	Port      *uint16   `group:"Where:" placeholder:"PORT" help:"Port of localhost to listen on, instead of --addr; 0 chooses a free one."`
	ReadyFile readyFile `group:"Where:" placeholder:"FILE" help:"Write the URL to connect to, as one line, to this file once requests are served. The file is removed when the server ends, and one from an earlier run when it starts."`
	Data      string    `group:"Where:" placeholder:"DIR" help:"Directory of the data; it is made if it does not exist. Default: ./partita-data."`
	InMemory  bool      `group:"Where:" help:"Keep all data in memory only; it is lost when the server ends."`

	Access  accessFlags  `embed:"" group:"Access:"`
	Network networkFlags `embed:"" group:"Network:"`

	MemoryLimit size `group:"Limits:" default:"512MB" placeholder:"SIZE" help:"Memory budget of the process, such as 512MB or 1GiB, at least 128MB; caches are sized from it. Default: ${default}."`

	Disk diskFlags `embed:"" group:"Limits:"`

	Region      string        `group:"Tables:" default:"us-east-1" placeholder:"NAME" help:"Region in ARNs, for requests that are not signed for a region. Default: ${default}."`
	TableDelay  time.Duration `group:"Tables:" default:"0s" placeholder:"TIME" help:"Time that a table spends in CREATING, UPDATING and DELETING, such as 2s. Default: ${default}: changes take effect at once."`
	TTLInterval time.Duration `group:"Tables:" name:"ttl-interval" default:"1s" placeholder:"TIME" help:"Time between two deletions of expired items, such as 500ms. Stream records older than a day and old transaction tokens are deleted at the same times. Default: ${default}."`

	Admin adminFlags `embed:"" group:"Admin:"`

	LogLevel  string `group:"Log:" enum:"trace,debug,info,warn,error" default:"info" placeholder:"LEVEL" help:"Lowest level to log: trace, debug, info, warn or error. debug shows every request, trace also what the storage engine does. Default: ${default}."`
	LogFormat string `group:"Log:" enum:"text,json" default:"text" placeholder:"FORMAT" help:"Format of the log on standard error, and of the banner on standard output: text or json. Default: ${default}."`

	kong.Plugins // the flags of further engines

	engines []Engine
	url     string    // of the data address, where clients of this machine reach it
	systemd *notifier // from Run on
}

// EngineOptions is what serve tells an engine beside its own flags.
type EngineOptions struct {
	// MemoryLimit is the memory budget of the whole process, in bytes.
	MemoryLimit int64
	Logger      *slog.Logger
	// OnFailure must be called, once, if the engine has stopped itself: the program logs why and
	// ends.
	OnFailure func(error)
}

// Defaults of serve, and its timeouts.
const (
	defaultAddr = "localhost:8000"
	defaultData = "partita-data"
	// drainTime is for requests in progress when the program is told to end. closeTime is for
	// closing a failed engine, whose I/O may hang, and for a start that is in progress.
	drainTime = 30 * time.Second
	closeTime = 5 * time.Second
	// leastMemory is what full write buffers and the smallest caches take together, in bytes.
	leastMemory = 128_000_000
)

// Help adds to the command's help.
func (*serve) Help() string {
	return `Without flags the server listens on localhost:8000, keeps its data in ./partita-data and accepts
any credentials, because only this machine can reach it. Each flag can also be set by the variable
shown after it. SIGINT or SIGTERM ends the server: requests in flight are answered first.

Examples:

	partita serve
	partita serve --in-memory --port 0 --ready-file partita.url
	partita serve --data /srv/partita --memory-limit 4GiB
	partita serve --addr :8000 --credentials credentials.json --tls-cert cert.pem --tls-key key.pem`
}

// Run implements the command. An error that ends the server is reported to systemd. With a log in
// JSON it is logged instead of printed, as every line of standard error must be JSON then.
func (c *serve) Run(s *streams) error {
	log := c.logger(s)
	defer c.notify(s.ctx, log).close()
	err := c.run(s, log)
	if err == nil {
		return nil
	}
	c.systemd.failed(err)
	if c.LogFormat == "json" {
		log.Error("the server ends", "error", oneLine(err))
		return &reported{err}
	}
	return err
}

// run serves until the program is told to end.
func (c *serve) run(s *streams, log *slog.Logger) error {
	addr, err := c.check()
	if err != nil {
		return err
	}
	if err := c.ReadyFile.begin(); err != nil {
		return err
	}
	defer c.ReadyFile.remove()
	if err := c.Access.open(s, addr, log); err != nil {
		return err
	}
	defer c.Access.close()
	secure, err := c.Network.tls(log)
	if err != nil {
		return err
	}
	listeners, err := openListeners(addr)
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	if err := c.Access.check(s, addr, listeners, log); err != nil {
		return err
	}
	if err := c.Admin.open(c.Port != nil && *c.Port == 0, log); err != nil {
		return err
	}
	defer c.Admin.close()
	c.url = endpoint(c.Network.scheme(), addr, listeners)
	limitMemory(int64(c.MemoryLimit))
	failed := make(chan error, 1)
	store, err := c.start(s.ctx, log, firstOf(failed))
	if err != nil || store == nil {
		return err
	}
	fmt.Fprint(s.stdout, c.banner(listeners, store.where))
	srv := c.server(store, secure, log)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(listeners...) }()
	if err := c.ReadyFile.write(c.url); err != nil {
		return errors.Join(err, finish(srv, store, log))
	}
	c.systemd.ready(c.url, store.where)
	select {
	case <-s.ctx.Done():
		c.ReadyFile.remove()
		c.drain()
		return finish(srv, store, log)
	case cause := <-failed:
		return abandon(srv, store, cause)
	case err := <-done:
		return errors.Join(fmt.Errorf("accepting connections: %w", err), store.Close())
	}
}

// server returns the server of the database.
func (c *serve) server(store *store, secure *tls.Config, log *slog.Logger) *listen.Server {
	srv := server.New(store.Handler(), log)
	srv.LimitConnections(c.Network.connections(int64(c.MemoryLimit)))
	if secure != nil {
		srv.UseTLS(secure)
	}
	return srv
}

// firstOf returns a function that sends its argument if the channel has room, and never blocks: one
// reason to end is enough.
func firstOf(failed chan<- error) func(error) {
	return func(cause error) {
		select {
		case failed <- cause:
		default:
		}
	}
}

// check returns an error for flags that contradict one another, and the address to listen on.
func (c *serve) check() (addr string, err error) {
	switch {
	case c.Addr != "" && c.Port != nil:
		return "", errors.New("--addr and --port both say where to listen; give one of them")
	case c.InMemory && c.Data != "":
		return "", errors.New("--in-memory and --data both say where the data is; give one of them")
	case c.MemoryLimit < leastMemory:
		return "", fmt.Errorf("--memory-limit %v is too small; the minimum is %v", c.MemoryLimit, size(leastMemory))
	case c.TableDelay < 0:
		return "", fmt.Errorf("--table-delay %v is negative", c.TableDelay)
	case c.TTLInterval <= 0:
		return "", fmt.Errorf("--ttl-interval %v is not a time to wait", c.TTLInterval)
	case c.Port != nil:
		return net.JoinHostPort("localhost", strconv.Itoa(int(*c.Port))), nil
	case c.Addr != "":
		return c.Addr, nil
	}
	return defaultAddr, nil
}

// logger returns the log that the flags describe, in which it has logged s.misspelt.
func (c *serve) logger(s *streams) *slog.Logger {
	var o slog.HandlerOptions
	var level slog.Level
	if c.LogLevel == "trace" {
		level = pebblekv.LevelTrace
	} else if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		panic(fmt.Sprintf("cli: log level %q: %v", c.LogLevel, err)) // the flag's enum allows no other
	}
	o.Level, o.ReplaceAttr = level, plainErrors
	log := slog.New(slog.NewTextHandler(s.stderr, &o))
	if c.LogFormat == "json" {
		log = slog.New(slog.NewJSONHandler(s.stderr, &o))
	}
	for _, warning := range s.misspelt {
		log.Warn(warning)
	}
	return log
}

// plainErrors makes text of an error among a log's attributes: package slog prints it with %+v,
// which adds the stack traces of the storage engine's errors.
func plainErrors(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindAny {
		if err, ok := a.Value.Any().(error); ok && err != nil {
			a.Value = slog.StringValue(err.Error())
		}
	}
	return a
}

// limitMemory configures the collector for the memory budget, as far as GOMEMLIMIT and GOGC do not.
// Caches off the heap, and what else the collector does not count, are subtracted. While the limit
// is far the heap may grow to several times of what is live, since collections cost processor time.
func limitMemory(limit int64) {
	malloc.KeepLittle()
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit - outsideHeap - pebblekv.OffHeap(limit))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// outsideHeap is the memory of the process, in bytes, that the collector does not count: mostly the
// program itself.
const outsideHeap = 24_000_000

// gcPercent is the growth of the heap between collections while the memory limit is far.
const gcPercent = 200

// store is the open database, with the engine under it if that is not the embedded one.
type store struct {
	*partita.DB
	engine kv.Engine // nil: the embedded one, which the DB closes
	where  string
	admin  *adminFlags
}

// Close closes the database and the engine. It removes the admin file first: once the lock on the
// directory is released, the file can be another server's.
func (s *store) Close() error {
	s.admin.retract()
	err := s.DB.Close()
	if s.engine != nil {
		err = errors.Join(err, s.engine.Close())
	}
	return err
}

// open opens the database that the flags describe, with the engine if it is a further one.
func (c *serve) open(ctx context.Context, log *slog.Logger, onFailure func(error)) (*store, error) {
	o := partita.Options{
		MemoryLimit: int64(c.MemoryLimit), Region: c.Region, TableDelay: c.TableDelay,
		SweepInterval: c.TTLInterval, Logger: log,
		OnFailure: onFailure, AllowHosts: hostOf(c.Addr),
	}
	s := &store{admin: &c.Admin}
	var err error
	for _, apply := range []func(*partita.Options) error{c.Access.apply, c.Network.apply, c.Admin.apply, c.Disk.apply} {
		if err := apply(&o); err != nil {
			return nil, err
		}
	}
	chosen := c.chosen()
	switch {
	case chosen != nil:
		e := EngineOptions{MemoryLimit: o.MemoryLimit, Logger: log, OnFailure: onFailure}
		if s.engine, s.where, err = chosen.Open(ctx, e); err != nil {
			return nil, err
		}
		o.Engine = s.engine
	case c.InMemory:
		o.InMemory, s.where = true, "in memory only: it is gone when this program ends"
	default:
		if o.Dir = c.Data; o.Dir == "" {
			o.Dir = defaultData
		}
		if o.Dir, err = filepath.Abs(o.Dir); err != nil {
			return nil, err
		}
		s.where = o.Dir
		o.OnLocked = func() error { return c.Admin.announce(o.Dir, c.url) }
	}
	if o.OnLocked == nil {
		if err := c.Admin.announce("", c.url); err != nil {
			return nil, err
		}
	}
	if s.DB, err = partita.Open(o); err != nil {
		if s.engine != nil {
			err = errors.Join(err, s.engine.Close())
		}
		return nil, withHolder(ctx, err, o.Dir)
	}
	return s, nil
}

// chosen returns the further engine that the flags ask for, or nil.
func (c *serve) chosen() Engine {
	for _, e := range c.engines {
		if e.Chosen() {
			return e
		}
	}
	return nil
}

// finish ends a healthy server: requests in progress are answered, then everything is written out.
func finish(srv *listen.Server, store *store, log *slog.Logger) error {
	log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		log.Warn("some requests were cut off", "error", err)
	}
	if err := store.Close(); err != nil {
		return fmt.Errorf("closing the database: %w", err)
	}
	log.Info("stopped")
	return nil
}

// abandon ends a server whose engine has stopped itself. No request can succeed any more, so it
// waits for nothing for long: a hanging disk must not keep the process from ending, after which a
// supervisor restarts it.
func abandon(srv *listen.Server, store *store, cause error) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.Background(), closeTime/2)
		defer cancel()
		_ = srv.Shutdown(ctx) // the cause is the error that matters
		_ = store.Close()
	}()
	select {
	case <-ended:
	case <-time.After(closeTime):
	}
	if errors.Is(cause, pebblekv.ErrTakenAway) {
		return fmt.Errorf("the storage engine has stopped itself: %w "+
			"(put it back before the next start, which makes an empty database where there is none)", cause)
	}
	return fmt.Errorf("the storage engine has stopped itself: %w (a restart serves what is on disk)", cause)
}
