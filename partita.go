// Package partita is a DynamoDB-compatible database that you run yourself. It speaks DynamoDB's
// wire protocol, so the AWS SDKs, the AWS CLI and the tools built on them work with it unchanged.
//
// This package is the whole database, for use in one process. Open a database in a directory, serve
// its Handler with net/http, and point any DynamoDB client at it:
//
//	db, err := partita.Open(partita.Options{Dir: "data"}) // or InMemory: true
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//	return http.ListenAndServe("localhost:8000", db.Handler())
//
// Acknowledged writes are on disk, and are present at the next Open. A directory can be open once
// at a time.
//
// Without Options.Credentials there is no authentication: serve such a handler on loopback
// addresses only. For a network there are [Credentials] with policies; timeouts, limits of
// connections and TLS are then those of your http.Server. (The program partita has its own.)
//
// # Clients
//
// A client requires the address, a region, and credentials; without Options.Credentials any
// credentials work. A client of aws-sdk-go-v2:
//
//	client := dynamodb.New(dynamodb.Options{
//		BaseEndpoint: aws.String("http://localhost:8000"),
//		Region:       "us-east-1",
//		Credentials:  credentials.NewStaticCredentialsProvider("any", "credentials", ""),
//	})
//
// The client can then call CreateTable, PutItem, Query and the other operations. A new table is
// usable at once, unless Options.TableDelay is set. The examples below create a table, write to it
// and read from it.
//
// # Operation
//
// An [Admin] is a second handler, for a separate address: health, readiness, metrics for
// Prometheus, backups.
//
// # Time
//
// Options.Clock determines the time for everything that depends on it: items that expire, stream
// records that are a day old, tokens of transactions. Every second (Options.SweepInterval) the
// database deletes what has expired; a program that moves its clock itself calls [DB.Sweep].
//
// The default is the machine's clock, with one exception: a jump ahead of more than an hour beyond
// the time that has passed is accepted only when it has lasted a minute. A Clock is always trusted.
//
// # Tests
//
// Package partitatest gives each Go test its own database, with clients and without a port, a clock
// that the test can move, and functions that fill tables from Go values and from JSON.
//
// The program cmd/partita adds the command line; docs/architecture.md describes the design.
package partita

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/partita-db/partita/internal/admin"
	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/clock"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/kv"
	"github.com/partita-db/partita/internal/kv/pebblekv"
	"github.com/partita-db/partita/internal/metrics"
	"github.com/partita-db/partita/internal/server"
)

// Options are the options of [Open]. Exactly one of Dir, InMemory and Engine must be given; the
// zero value of every other field is usable.
type Options struct {
	// Dir is the data directory, which is created if it does not exist. It can be open once at a
	// time.
	Dir string
	// InMemory keeps everything in memory: nothing is left after Close.
	InMemory bool
	// Engine is another storage engine than the embedded one. Its type is in an internal package,
	// so only modules whose path begins with this one's, github.com/partita-db/partita/, can
	// provide one; for all others it is nil. It remains the caller's, to be closed after Close.
	Engine kv.Engine

	// MemoryLimit is the memory budget of the process, in bytes: caches and buffers are sized from
	// it. It enforces nothing else (runtime/debug.SetMemoryLimit does). 0: caches as for 512 MiB,
	// and with InMemory small ones.
	MemoryLimit int64
	// FreeSpaceFloor is the free space to keep on the volume of Dir, in bytes: below it writes are
	// rejected, reads go on, and writes resume by themselves. 0: a twentieth of the volume, but at
	// least 96 MiB (or half of the volume if that is less) and at most 1 GiB; negative: none.
	FreeSpaceFloor int64
	// BallastBytes is the size, in bytes, of a file in Dir that the embedded engine removes when
	// the volume is full, so that what must be written even then (at a start, by DeleteTable) finds
	// room. The file is not there while the data is smaller than it, or where it would leave less
	// than FreeSpaceFloor. 0: 96 MiB; negative: no such file.
	BallastBytes int64
	// Region is the region in ARNs for requests that are not signed for one. Empty: us-east-1.
	Region string
	// TableDelay is how long tables stay in CREATING, UPDATING and DELETING. 0: they change at
	// once.
	TableDelay time.Duration
	// Clock tells the time to everything that depends on it, and is always believed. nil: the
	// machine's clock, whose jumps ahead by more than an hour are believed when they have lasted a
	// minute. It is called from several goroutines at a time.
	Clock func() time.Time
	// SweepInterval is how often the database does what is due: it deletes expired items, stream
	// records older than a day and transaction tokens older than ten minutes. 0: every second;
	// negative: only when Sweep is called.
	SweepInterval time.Duration
	// AllowHosts has host names, without ports, under which requests are answered although there
	// are no Credentials. Without Credentials, requests under names that a web page's owner could
	// have pointed at this machine are rejected with status 403; IP addresses, names without a dot
	// and names under .localhost, .local, .internal, .test and .home.arpa are always allowed. "*"
	// allows all. It has no effect with Credentials.
	AllowHosts []string
	// CORSOrigins has origins, such as https://console.example, whose web pages may use the
	// database although there are no Credentials. Those of localhost and of loopback addresses
	// always may. "*" allows all. It has no effect with Credentials, where all pages may, as with
	// AWS, since they lack a signature.
	CORSOrigins []string
	// Credentials are the access keys that requests must be signed with, and what each is allowed
	// to do. They remain the caller's, to be closed after Close. nil: no authentication, and
	// everybody is allowed everything.
	Credentials *Credentials
	// Admin reports on this database from the end of Open on: health, metrics. nil: there are no
	// metrics, and nothing is counted. It is for one database: each Open needs another one, unless
	// the Open before has failed.
	Admin *Admin
	// SlowRequest is the duration from which on a request is logged as slow, without values. 0:
	// none is.
	SlowRequest time.Duration
	// MaxRequests is how many requests are executed at a time. Further ones are answered with
	// ThrottlingException at once, which SDKs retry. 0: 4096.
	MaxRequests int
	// Logger takes what those who operate the database should know. nil: slog.Default.
	Logger *slog.Logger
	// OnLocked is called once by Open, when the process has locked Dir and before the data in it is
	// read, which can take minutes: for files of the caller's own in Dir. Open returns its error.
	// It is not called without a Dir.
	OnLocked func() error
	// OnFailure is called once, with the cause, when the embedded engine has stopped itself because
	// a write or a sync failed. From then on every request is answered with an error; only a
	// restart, which serves what is on disk, ends that. It runs in a goroutine of its own. nil:
	// nothing is called.
	OnFailure func(error)

	// machine is the clock where Clock is nil; nil: the machine's. Tests have others.
	machine *clock.Clock
}

// time returns the clock of everything that depends on it, and the time that has passed, as far as
// that can be told apart.
func (o *Options) time() (now func() time.Time, elapsed func() time.Duration) {
	if o.Clock != nil {
		return o.Clock, nil
	}
	if o.machine == nil {
		o.machine = clock.New(o.Logger)
	}
	return o.machine.Now, o.machine.Elapsed
}

// What is wrong with Options.
var (
	errNoPlace = errors.New("partita: one of Options.Dir, Options.InMemory and Options.Engine must be given")
	// errZeroCredentials and errZeroAdmin are for a zero struct that a caller made without the
	// package's functions.
	errZeroCredentials = errors.New(
		"partita: Options.Credentials was not made by OpenCredentials or ParseCredentials")
	errZeroAdmin  = errors.New("partita: Options.Admin was not made by NewAdmin")
	errAdminTaken = errors.New(
		"partita: Options.Admin is another database's: make one by NewAdmin for each Open")
)

// credentialState returns the function that reports the state of the credentials to the Admin; nil
// without authentication.
func (o *Options) credentialState() func() admin.Credentials {
	if o.Credentials == nil {
		return nil
	}
	store, now := o.Credentials.store, o.Clock
	if now == nil {
		now = time.Now // as signatures go by it
	}
	return func() admin.Credentials { return admin.Credentials(store.State(now())) }
}

// DB is an open database, as [Open] returns it. It is safe for concurrent use.
type DB struct {
	db      *db.DB
	owned   kv.Engine // to close after db; nil if the engine is the caller's
	handler http.Handler
	admin   *admin.Handler // that reports on this database; nil: there is none
	closing sync.Once
}

// Open opens a database, and creates it if there is none. It fails if the options contradict one
// another, if the directory is open already (in this process or another) or cannot be used, or if
// what is in it is damaged. Nothing is left open then.
func Open(o Options) (*DB, error) {
	store, err := o.store()
	if err != nil {
		return nil, err
	}
	if o.Admin == nil {
		return o.open(store)
	}
	if !o.Admin.handler.Claim() {
		return nil, errAdminTaken
	}
	d, err := o.open(store)
	if err != nil {
		o.Admin.handler.Release()
	}
	return d, err
}

// open is Open with the credentials, and an Admin that is ours.
func (o Options) open(store *iam.Store) (*DB, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	now, elapsed := o.time()
	engine, owned, err := openEngine(o, now, elapsed)
	if err != nil {
		return nil, err
	}
	var figures *metrics.Metrics
	if o.Admin != nil {
		figures = metrics.New(api.OperationNames())
	}
	inner, err := db.Open(engine, db.Options{
		Now: now, Elapsed: elapsed, TableDelay: o.TableDelay, SweepInterval: o.SweepInterval,
		Metrics: figures, Logger: o.Logger,
		WriteMemory: o.MemoryLimit / 8, CatalogMemory: o.MemoryLimit / 4,
	})
	if err != nil {
		if owned != nil {
			err = errors.Join(err, owned.Close())
		}
		return nil, err
	}
	service := api.New(inner, api.Options{Region: o.Region, Logger: o.Logger})
	handler := server.NewHandler(server.Options{
		Serve:       service.Serve,
		Known:       api.Known,
		Region:      o.Region,
		BufferBytes: bufferBytes(o.MemoryLimit),
		Open:        store == nil,
		MaxRequests: o.MaxRequests,
		AllowHosts:  o.AllowHosts,
		CORSOrigins: o.CORSOrigins,
		Credentials: store,
		// Without a Clock signatures go by time.Now: where the machine's clock was wrong at boot
		// and jumps to the right time, right signatures are accepted at once.
		Now:         o.Clock,
		Metrics:     figures,
		SlowRequest: o.SlowRequest,
		Logger:      o.Logger,
	})
	d := &DB{db: inner, owned: owned, handler: handler}
	if o.Admin != nil {
		d.admin = o.Admin.handler
		d.admin.Attach(admin.Source{
			DB: inner, Engine: engine, Metrics: figures, Buffers: handler.Buffers, Credentials: o.credentialState(),
		})
	}
	return d, nil
}

// store returns the credentials that requests are verified with, nil for no authentication. A zero
// Credentials is an error: the caller meant to have authentication, and must not get a database
// without.
func (o *Options) store() (*iam.Store, error) {
	switch {
	case o.Admin != nil && o.Admin.handler == nil:
		return nil, errZeroAdmin
	case o.Credentials == nil:
		return nil, nil
	case o.Credentials.store == nil:
		return nil, errZeroCredentials
	}
	return o.Credentials.store, nil
}

// checkPlace returns an error unless the options tell, once, where the data is.
func (o *Options) checkPlace() error {
	var places []string
	if o.Dir != "" {
		places = append(places, fmt.Sprintf("Options.Dir (%q)", o.Dir))
	}
	if o.InMemory {
		places = append(places, "Options.InMemory")
	}
	if o.Engine != nil {
		places = append(places, "Options.Engine")
	}
	switch len(places) {
	case 0:
		return errNoPlace
	case 1:
		return nil
	}
	return fmt.Errorf("partita: %s are given: the data can be in one place only", strings.Join(places, " and "))
}

// openEngine returns the engine that the options ask for, a second time if it is ours to close.
func openEngine(o Options, now func() time.Time, elapsed func() time.Duration) (engine, owned kv.Engine, err error) {
	if err := o.checkPlace(); err != nil {
		return nil, nil, err
	}
	if o.Engine != nil {
		return o.Engine, nil, nil
	}
	e, err := pebblekv.Open(pebblekv.Options{
		Dir: o.Dir, InMemory: o.InMemory, Clock: now, Elapsed: elapsed, MemoryLimit: o.MemoryLimit,
		FreeSpaceFloor: o.FreeSpaceFloor, BallastBytes: o.BallastBytes, Logger: o.Logger,
		OnLocked: o.OnLocked, OnFailure: o.OnFailure,
	})
	if err != nil {
		return nil, nil, err
	}
	return e, e, nil
}

// bufferBytes is the part of the memory that large bodies and answers may take together: an eighth,
// but never less than one body and one answer of the largest size.
func bufferBytes(memoryLimit int64) int64 {
	if memoryLimit == 0 {
		return 0 // the server's own
	}
	return max(memoryLimit/8, 40<<20)
}

// Handler returns the handler of DynamoDB requests, always the same. Its errors are DynamoDB's.
// After Close it answers every request with an error.
func (d *DB) Handler() http.Handler { return d.handler }

// Sweep does now what the database does by itself each Options.SweepInterval: it deletes the items
// that have expired, stream records older than a day and transaction tokens older than ten minutes,
// and completes tables whose time in DELETING is over. With a Clock that the program moves, call it
// after each move: when it returns nil, all that was due has been done. For that it waits for
// indexes that are being built. It returns ctx's error if ctx ends, and otherwise the errors in
// reading and writing, joined.
func (d *DB) Sweep(ctx context.Context) error {
	if err := d.db.Settle(ctx); err != nil {
		return err
	}
	return d.db.Sweep(ctx)
}

// Backup writes a consistent copy of the whole database into a directory on this machine while
// requests go on: everything that was answered before the call, and of each request in progress
// either all of its writes or none. The directory must be empty or not exist, its parent must
// exist, and it must not lie in the data directory. Files that never change are linked where the
// volume allows it, so that a copy there takes little time and space, and is no safer from the disk
// than the original.
//
// The copy is durable when Backup returns nil; if it fails, or ctx ends, nothing is left of it.
// Open opens a copy as any data directory; to keep it as a backup, restore it elsewhere ("partita
// restore") instead. It is an error if the database has an Options.Engine that cannot copy itself.
func (d *DB) Backup(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := d.db.Backup(ctx, dir); err != nil {
		return fmt.Errorf("backup into %s: %w", dir, err)
	}
	return nil
}

// Close stops the background jobs, writes out what is in memory and closes the data directory. The
// requests must have ended (http.Server.Shutdown waits for them); later ones are answered with an
// error, and Options.Admin reports that the database is closed. It returns the errors in writing
// and closing, joined. It does not close what the options brought: Engine and Credentials.
//
// A second Close does nothing and returns nil, when the first is done.
func (d *DB) Close() (err error) {
	d.closing.Do(func() { err = d.close() })
	return err
}

// close is the first Close.
func (d *DB) close() error {
	if d.admin != nil {
		d.admin.Close()
	}
	err := d.db.Close()
	if d.owned != nil {
		err = errors.Join(err, d.owned.Close())
	}
	return err
}
