// Package partita is a DynamoDB to run yourself: a database that speaks DynamoDB's wire protocol, so that the AWS SDKs, the
// AWS CLI and the tools built on them work with it unchanged.
//
// This package holds all of it in one process. Open a database in a directory, serve its Handler with net/http, and point
// any DynamoDB client at it:
//
//	db, err := partita.Open(partita.Options{Dir: "data"}) // or InMemory: true
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//	return http.ListenAndServe("localhost:8000", db.Handler())
//
// What a client was answered is on disk, and is there again at the next Open. One process can have the directory open.
//
// Without Options.Credentials nobody is asked who he is: keep such a handler on loopback addresses. For a network there are
// credentials with policies; timeouts, limits of connections and TLS are then those of your http.Server. (The program partita
// brings its own.)
//
// # Clients
//
// A client needs the address, a region, and credentials, of which any will do. The one of aws-sdk-go-v2:
//
//	client := dynamodb.New(dynamodb.Options{
//		BaseEndpoint: aws.String("http://localhost:8000"),
//		Region:       "us-east-1",
//		Credentials:  credentials.NewStaticCredentialsProvider("any", "credentials", ""),
//	})
//
// From there on it is DynamoDB: CreateTable, which is ready at once unless Options.TableDelay says otherwise, PutItem, Query and
// the rest. The examples below make a table, write to it and read from it.
//
// # Time
//
// Options.Clock tells the time to all that depends on it: items that expire, streams that forget, tokens of transactions. Every
// second (Options.SweepInterval) the database does what is due; a program that turns its clock by hand calls [DB.Sweep].
//
// Without one it is the machine's clock, with one exception: that it is more than an hour further
// on than the time that has passed is believed when it has lasted a minute. A Clock of the
// program's own is believed whatever it shows.
//
// # Tests
//
// Package partitatest gives a Go test a database of its own, with clients and without a port, a clock to turn, and ways to
// fill tables from Go values and from JSON.
//
// The program cmd/partita adds the command line, and docs/architecture.md tells how it is built.
package partita

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
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

// Engine is the ordered, transactional key-value store that a database rests on.
type Engine = kv.Engine

// Options for Open. One of Dir, InMemory and Engine says where the data is.
type Options struct {
	// Dir is the data directory of the embedded engine. It is made if there is none. One process can hold it at a time.
	Dir string
	// InMemory keeps everything in memory: nothing survives Close.
	InMemory bool
	// Engine is another engine to keep the data in. It stays the caller's to close, after Close.
	Engine Engine

	// MemoryLimit is what the process may use, in bytes: caches and buffers are sized from it. It binds nothing else (see
	// runtime/debug.SetMemoryLimit for that). 0 means caches as for 512 MiB, and with InMemory small ones.
	MemoryLimit int64
	// FreeSpaceFloor is the free space, in bytes, to keep on the volume of Dir: below it writes are refused, reads go on, and
	// writes resume by themselves. 0 means a twentieth of the volume, between 96 MiB (or half of it) and 1 GiB;
	// negative means none.
	FreeSpaceFloor int64
	// BallastBytes is the size of a file that the embedded engine keeps in Dir so that it can be removed when the volume is full:
	// what is written even then, at a start and by DeleteTable, finds room. There is none while the store is smaller, or where
	// it would leave less than the floor. 0 means 96 MiB; negative means none.
	BallastBytes int64
	// Region stands in ARNs where a request was not signed for one. Empty: us-east-1.
	Region string
	// TableDelay is how long tables stay in CREATING, UPDATING and DELETING. 0: they are usable at once.
	TableDelay time.Duration
	// Clock tells the time to everything that depends on it, and is always believed. nil: the
	// machine's clock, whose jumps ahead by more than an hour are believed when they have lasted a
	// minute.
	Clock func() time.Time
	// SweepInterval is how often the database looks for what is due: expired items, stream records of yesterday, old
	// transaction tokens. 0: every second; negative: never, but for calls of Sweep.
	SweepInterval time.Duration
	// AllowHosts and CORSOrigins are for servers that ask nobody for credentials. Those refuse requests under host names that
	// a stranger could have pointed at them, and requests of web pages from other machines, so that no page reaches them
	// through a browser. AllowHosts adds host names to the allowed ones (addresses, localhost, names without a dot or under
	// .localhost, .local, .internal, .test, .home.arpa); CORSOrigins adds origins, as https://console.example, to those of
	// localhost. "*" is any.
	AllowHosts, CORSOrigins []string
	// Credentials are the access keys that requests must be signed with, and what each may do. They stay the caller's to close.
	// nil: nobody is asked who he is, and everybody may do everything.
	Credentials *Credentials
	// Admin, if it is given, tells of this database from the end of Open on: health, metrics. Nothing is counted without it.
	Admin *Admin
	// SlowRequest is how long a request may take before Logger is told of it, without values. 0: as long as it likes.
	SlowRequest time.Duration
	// MaxRequests is how many requests are worked on at a time. More are answered ThrottlingException at once. 0: 4096.
	MaxRequests int
	// Logger takes what whoever runs the database should know. nil: slog.Default.
	Logger *slog.Logger
	// OnFailure is called, once, when the embedded engine has stopped itself because a write or a sync failed. Every request
	// is answered with an error from then on; only a restart, which serves what is on disk, ends that.
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

// Credentials are access keys with their secrets, their users and their policies. They are safe for concurrent use, and hide
// the secrets however they are printed.
type Credentials = iam.Store

// OpenCredentials returns the credentials of a file, which others than its owner must not be able to read, and follows it until
// its Close: a change holds within a second or two. One that cannot be read is logged, and leaves all as it was. logger nil:
// slog.Default.
//
// "partita credentials new --file FILE" makes such a file:
//
//	{"credentials": [{
//	  "accessKeyId": "AKIA...", "secretAccessKey": "...",
//	  "user": "alice",
//	  "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}
//	}]}
//
// A credential may also have a sessionToken, which requests must then bring, and an RFC 3339 time at which it expires. The
// user is the access key id where there is none. There is no policy unless it is written.
func OpenCredentials(path string, logger *slog.Logger) (*Credentials, error) {
	return iam.OpenFile(path, logger)
}

// ParseCredentials returns the credentials of a document of the same form.
func ParseCredentials(document []byte) (*Credentials, error) { return iam.Parse(document) }

// errNoPlace says that Options do not tell where the data is, or tell it twice.
var errNoPlace = errors.New("partita: one of Options.Dir, Options.InMemory and Options.Engine must be given")

// DB is an open database.
type DB struct {
	db      *db.DB
	owned   kv.Engine // to close after db; nil if the engine is the caller's
	handler http.Handler
}

// Open opens a database, and creates it if there is none.
func Open(o Options) (*DB, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	now, elapsed := o.time()
	engine, owned, err := open(o, now, elapsed)
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
		Open:        o.Credentials == nil,
		MaxRequests: o.MaxRequests,
		AllowHosts:  o.AllowHosts,
		CORSOrigins: o.CORSOrigins,
		Credentials: o.Credentials,
		// Without a Clock signatures go by time.Now: where the machine's clock was wrong at boot and
		// jumps to the right time, right signatures are accepted at once.
		Now:         o.Clock,
		Metrics:     figures,
		SlowRequest: o.SlowRequest,
		Logger:      o.Logger,
	})
	if o.Admin != nil {
		o.Admin.Attach(admin.Source{DB: inner, Engine: engine, Metrics: figures, Buffers: handler.Buffers})
	}
	return &DB{db: inner, owned: owned, handler: handler}, nil
}

// Admin answers those who run a database: a handler for an address of its own, with /healthz, /readyz, /metrics for Prometheus,
// and what acts, for which requests need its token. It can be served before Open, and says then that the database is starting;
// Drain tells it that the end has begun.
type Admin = admin.Handler

// AdminOptions are the options of an Admin.
type AdminOptions = admin.Options

// NewAdmin returns an Admin, to be given to Open.
func NewAdmin(o AdminOptions) *Admin { return admin.New(o) }

// open returns the engine that the options ask for, a second time if it is ours to close.
func open(o Options, now func() time.Time, elapsed func() time.Duration) (engine, owned kv.Engine, err error) {
	places := 0
	for _, given := range []bool{o.Dir != "", o.InMemory, o.Engine != nil} {
		if given {
			places++
		}
	}
	switch {
	case places != 1:
		return nil, nil, errNoPlace
	case o.Engine != nil:
		return o.Engine, nil, nil
	}
	e, err := pebblekv.Open(pebblekv.Options{
		Dir: o.Dir, InMemory: o.InMemory, Clock: now, Elapsed: elapsed, MemoryLimit: o.MemoryLimit,
		FreeSpaceFloor: o.FreeSpaceFloor, BallastBytes: o.BallastBytes, Logger: o.Logger, OnFailure: o.OnFailure,
	})
	if err != nil {
		return nil, nil, err
	}
	return e, e, nil
}

// bufferBytes is the part of the memory that large bodies and answers may take together: an eighth, but never less than
// one body and one answer of the largest size.
func bufferBytes(memoryLimit int64) int64 {
	if memoryLimit == 0 {
		return 0 // the server's own
	}
	return max(memoryLimit/8, 40<<20)
}

// Handler answers DynamoDB requests. It works until Close.
func (d *DB) Handler() http.Handler { return d.handler }

// Sweep does now what the database does by itself as time goes by, each Options.SweepInterval: it deletes the items that have
// expired, trims streams, forgets old transaction tokens, and ends tables whose time in DELETING is over. With a Clock that
// is turned by hand, call it after turning: when it returns, all that is due has been done. For that it waits for indexes that
// are being built.
func (d *DB) Sweep(ctx context.Context) error {
	if err := d.db.Settle(ctx); err != nil {
		return err
	}
	return d.db.Sweep(ctx)
}

// Backup writes a consistent copy of the whole database into a directory on this machine while requests go on: all that was answered
// before it was called, and of what is in flight all of a write or nothing. The directory must not exist or be empty, its
// parent must exist, and it must not lie in the data directory. Files that never change are linked where the volume
// allows it, so that a copy there takes little time and space, and is no more safe from the disk than the original.
//
// The copy is durable when Backup returns nil; if it fails, or ctx ends, nothing is left. Open opens a copy as any
// data directory; to keep it as a backup, restore it elsewhere ("partita restore") instead. A database on an Engine
// without a method Checkpoint(ctx, dir) error cannot be copied so, and the error says that.
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

// Close stops the background jobs, writes out what is in memory and closes the data directory. Requests must have ended
// (http.Server.Shutdown waits for them); later ones are answered with an error.
func (d *DB) Close() error {
	err := d.db.Close()
	if d.owned != nil {
		err = errors.Join(err, d.owned.Close())
	}
	return err
}
