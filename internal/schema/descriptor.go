// Package schema is what is stored: descriptors of tables and streams and the states of their
// changes, the keys of all rows, written and read back, and the rows of expiry, tokens and streams.
//
// All of it is pure: no engine, no clock, no locks, and nothing that is alive only while the
// database is open, as meters are. Descriptors are verified by one rule (verify.go), and the layout
// of the keys is drawn once (keys.go). What tables and indexes derive from descriptors (Table,
// Plan) never changes.
package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/item"
)

// Namespace is what a table's name is unique in. Today there is one for all access keys and regions
// (Region is empty); catalog rows carry it from the start, so that separation can come as an
// option.
type Namespace struct {
	Account string `json:"Account"`
	Region  string `json:"Region"`
}

// DefaultNamespace holds the tables of everybody.
var DefaultNamespace = Namespace{Account: "000000000000"}

// Status is what DescribeTable shows of a table (TableStatus) and of an index (IndexStatus),
// DescribeStream of a stream (StreamStatus), and DescribeTimeToLive of the expiry of items
// (TimeToLiveStatus).
type Status string

// The statuses: four of tables and indexes, and four of streams and expiries.
const (
	StatusCreating Status = "CREATING"
	StatusUpdating Status = "UPDATING"
	StatusDeleting Status = "DELETING"
	StatusActive   Status = "ACTIVE"

	StatusEnabling  Status = "ENABLING"
	StatusEnabled   Status = "ENABLED"
	StatusDisabling Status = "DISABLING"
	StatusDisabled  Status = "DISABLED"
)

// BillingMode is how a table's throughput is paid for.
type BillingMode string

// The billing modes.
const (
	Provisioned   BillingMode = "PROVISIONED"
	PayPerRequest BillingMode = "PAY_PER_REQUEST" // on demand
)

// Projection is which attributes an index holds of its items, besides its keys and the table's.
type Projection string

// The projections.
const (
	ProjectionAll      Projection = "ALL"
	ProjectionKeysOnly Projection = "KEYS_ONLY"
	ProjectionInclude  Projection = "INCLUDE" // those that Index.NonKey names
)

// ViewType is what the records of a stream have of an item besides its key: its images before and
// after the write.
type ViewType string

// The view types.
const (
	ViewKeysOnly        ViewType = "KEYS_ONLY"
	ViewNewImage        ViewType = "NEW_IMAGE"
	ViewOldImage        ViewType = "OLD_IMAGE"
	ViewNewAndOldImages ViewType = "NEW_AND_OLD_IMAGES"
)

// HasNew tells whether records have the item as it is after the write.
func (v ViewType) HasNew() bool { return v == ViewNewImage || v == ViewNewAndOldImages }

// HasOld tells whether records have the item as it was before the write.
func (v ViewType) HasOld() bool { return v == ViewOldImage || v == ViewNewAndOldImages }

// DescriptorFormat is the version of the descriptor's JSON form.
const DescriptorFormat = 1

// Descriptor is all that is known of a table: what CreateTable and UpdateTable said, and the state
// of schema changes. It is stored as JSON, by the names in the tags of its structs: Go names may
// change, tags never do (stored_test.go). A Descriptor inside a Table is never changed; Alter works
// on a copy.
type Descriptor struct {
	Format    int       `json:"Format"` // version of this JSON form, 1
	ID        uint32    `json:"ID"`     // never reused
	Epoch     uint64    `json:"Epoch"`  // grows with each change
	UUID      string    `json:"UUID"`   // TableId
	Namespace Namespace `json:"Namespace"`
	Name      string    `json:"Name"`
	Created   time.Time `json:"Created"`
	State     State     `json:"State"`
	// BusyUntil is when a change that takes --table-delay ends: until then the table is CREATING,
	// UPDATING or DELETING as Busy says.
	BusyUntil time.Time `json:"BusyUntil"`
	Busy      Status    `json:"Busy"`
	// BusyWith is what UPDATING is about, in words of the API's own, for its errors about changes
	// that collide.
	BusyWith string `json:"BusyWith"`

	Attributes []AttributeDefinition `json:"Attributes"` // sorted by name
	Keys       []KeyElement          `json:"Keys"`
	Indexes    []Index               `json:"Indexes"`   // in order of creation, local ones first
	NextIndex  uint16                `json:"NextIndex"` // the next index id

	Billing            BillingMode `json:"Billing"`
	PayPerRequestSince time.Time   `json:"PayPerRequestSince"`
	Throughput         Throughput  `json:"Throughput"`
	OnDemand           *OnDemand   `json:"OnDemand"`
	Warm               *Warm       `json:"Warm"`
	StreamViewType     ViewType    `json:"StreamViewType"` // empty: no stream
	// StreamLabel is of the latest stream, which may have been switched off.
	StreamLabel string `json:"StreamLabel"`
	// StreamID is the stream that writers append to (stream.go); 0: none.
	StreamID           uint64    `json:"StreamLog"`
	StreamCount        uint32    `json:"NextLog"` // how many streams the table has had
	Expiry             *Expiry   `json:"Expiry"`
	SSEType            string    `json:"SSEType"` // KMS, or empty
	SSEKey             string    `json:"SSEKey"`
	TableClass         string    `json:"TableClass"` // empty if never set
	TableClassUpdated  time.Time `json:"TableClassUpdated"`
	DeletionProtection bool      `json:"DeletionProtection"`
	Tags               []Tag     `json:"Tags"` // sorted by key
	ResourcePolicy     string    `json:"ResourcePolicy"`
}

// AttributeDefinition is the type (S, N or B) of an attribute that is a key of the table or of an
// index.
type AttributeDefinition struct {
	Name string    `json:"Name"`
	Type item.Type `json:"Type"`
}

// KeyElement is one attribute of a key schema.
type KeyElement struct {
	Name  string `json:"Name"`
	Range bool   `json:"Range"` // RANGE, else HASH
}

// Throughput are provisioned units and their history, of a table or a GSI; zero when on demand.
type Throughput struct {
	Read           int64     `json:"Read"`
	Write          int64     `json:"Write"`
	LastIncrease   time.Time `json:"LastIncrease"`
	LastDecrease   time.Time `json:"LastDecrease"`
	DecreasesToday int64     `json:"DecreasesToday"` // on the UTC day of LastDecrease
}

// OnDemand are the maxima of on-demand units; 0 is not set, -1 cleared.
type OnDemand struct {
	MaxRead  int64 `json:"MaxRead"`
	MaxWrite int64 `json:"MaxWrite"`
}

// Warm are warm throughput units per second.
type Warm struct {
	Read  int64 `json:"Read"`
	Write int64 `json:"Write"`
}

// Expiry is the time to live of a table's items: an attribute that holds the time, in seconds since
// 1970, after which an item is to be deleted.
type Expiry struct {
	Attribute string `json:"Attribute"`
	// Since is the table's epoch that it came with: it tells one from the next.
	Since uint64 `json:"Since"`
	// Phase is how far the index by expiry is. Items are deleted while it is public.
	Phase
	// BusyUntil is until when it is ENABLING, or with Dropping DISABLING, however far it is.
	BusyUntil time.Time `json:"BusyUntil"`
}

// Tag is a tag of a table.
type Tag struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

// IndexKind is how an index is organized, which its rows, its locks and its consistency follow.
//
// It is stored in the member Local: false and true are a global and a local index, as they were
// when the member was a bool. A further kind should be stored there too, as a string: a version
// that does not know it, one with the bool included, cannot read the row then, and refuses to open
// the directory. In a member of its own it would be skipped by older versions, which would take the
// index for a global one, answer from its rows, and lose the member when they store the row again.
// A row with a further kind should say a higher Format besides, for people.
type IndexKind uint8

// The kinds of indexes.
const (
	GlobalIndex IndexKind = iota
	LocalIndex            // shares the table's hash attribute, and is read and locked with its partitions
)

// MarshalJSON is the kind's stored form.
func (k IndexKind) MarshalJSON() ([]byte, error) {
	switch k {
	case GlobalIndex:
		return []byte("false"), nil
	case LocalIndex:
		return []byte("true"), nil
	}
	return nil, fmt.Errorf("no index has the kind %d", k)
}

// UnmarshalJSON reads the stored form. As for a bool, null is no kind, and leaves the one that is
// there.
func (k *IndexKind) UnmarshalJSON(stored []byte) error {
	switch string(stored) {
	case "false":
		*k = GlobalIndex
	case "true":
		*k = LocalIndex
	case "null":
	default:
		return fmt.Errorf("this version has no index of the kind %s", stored)
	}
	return nil
}

// Index is a secondary index of a table.
type Index struct {
	// ID is the section of its rows; unique within the table, never reused.
	ID         uint16       `json:"ID"`
	Name       string       `json:"Name"`
	Kind       IndexKind    `json:"Local"`
	Keys       []KeyElement `json:"Keys"`
	Projection Projection   `json:"Projection"`
	NonKey     []string     `json:"NonKey"` // INCLUDE's attributes, sorted
	Phase
	Created time.Time `json:"Created"`
	// BusyUntil is until when it is CREATING, with its table, however far it is, or with Updating
	// UPDATING.
	BusyUntil  time.Time  `json:"BusyUntil"`
	Updating   bool       `json:"Updating"` // its throughput was changed last
	Throughput Throughput `json:"Throughput"`
	OnDemand   *OnDemand  `json:"OnDemand"`
	Warm       *Warm      `json:"Warm"`
}

// Clone returns a deep copy of d.
func (d *Descriptor) Clone() *Descriptor {
	b, err := json.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("db: descriptor of %s: %v", d.Name, err)) // plain data: cannot happen
	}
	c := new(Descriptor)
	if err := json.Unmarshal(b, c); err != nil {
		panic(fmt.Sprintf("db: descriptor of %s: %v", d.Name, err))
	}
	return c
}

// Index returns the named index, or nil.
func (d *Descriptor) Index(name string) *Index {
	for i := range d.Indexes {
		if d.Indexes[i].Name == name {
			return &d.Indexes[i]
		}
	}
	return nil
}

// AttributeType returns the declared type of a key attribute, or item.Missing.
func (d *Descriptor) AttributeType(name string) item.Type {
	for _, a := range d.Attributes {
		if a.Name == name {
			return a.Type
		}
	}
	return item.Missing
}

// HasLocalIndex tells whether the table has a local secondary index, and so item collections with a
// size limit.
func (d *Descriptor) HasLocalIndex() bool {
	for i := range d.Indexes {
		if d.Indexes[i].Kind == LocalIndex {
			return true
		}
	}
	return false
}

// SortAttributes brings the definitions of attributes into the order in which they are stored.
func (d *Descriptor) SortAttributes() {
	slices.SortFunc(d.Attributes, func(a, b AttributeDefinition) int { return strings.Compare(a.Name, b.Name) })
}

// pruneAttributes removes the definitions of attributes that are keys of nothing any more.
func (d *Descriptor) pruneAttributes() {
	used := map[string]bool{}
	for _, k := range d.Keys {
		used[k.Name] = true
	}
	for i := range d.Indexes {
		for _, k := range d.Indexes[i].Keys {
			used[k.Name] = true
		}
	}
	kept := d.Attributes[:0]
	for _, a := range d.Attributes {
		if used[a.Name] {
			kept = append(kept, a)
		}
	}
	d.Attributes = kept
}
