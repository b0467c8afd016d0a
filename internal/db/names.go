package db

import "github.com/partita-db/partita/internal/schema"

// Names of package schema that package api has from here.
type (
	AttributeDefinition = schema.AttributeDefinition
	BillingMode         = schema.BillingMode
	Descriptor          = schema.Descriptor
	Index               = schema.Index
	IndexKind           = schema.IndexKind
	KeyElement          = schema.KeyElement
	KeyError            = schema.KeyError
	Log                 = Stream
	OnDemand            = schema.OnDemand
	Phase               = schema.Phase
	Position            = schema.Position
	Projection          = schema.Projection
	Shard               = schema.Shard
	Status              = schema.Status
	StreamRecord        = schema.StreamRecord
	Tag                 = schema.Tag
	Throughput          = schema.Throughput
	Token               = schema.Token
	TokenOperation      = schema.TokenOperation
	ViewType            = schema.ViewType
	Warm                = schema.Warm
)

// Constants of package schema, likewise.
const (
	GlobalIndex = schema.GlobalIndex
	LocalIndex  = schema.LocalIndex

	KeyMissing      = schema.KeyMissing
	KeyType         = schema.KeyType
	KeyEmpty        = schema.KeyEmpty
	KeyHashTooLong  = schema.KeyHashTooLong
	KeyRangeTooLong = schema.KeyRangeTooLong

	Provisioned   = schema.Provisioned
	PayPerRequest = schema.PayPerRequest

	ProjectionAll      = schema.ProjectionAll
	ProjectionKeysOnly = schema.ProjectionKeysOnly
	ProjectionInclude  = schema.ProjectionInclude

	StateDeleteOnly = schema.StateDeleteOnly
	StateWriteOnly  = schema.StateWriteOnly
	StatePublic     = schema.StatePublic
	StateDropped    = schema.StateDropped

	StatusCreating  = schema.StatusCreating
	StatusUpdating  = schema.StatusUpdating
	StatusDeleting  = schema.StatusDeleting
	StatusActive    = schema.StatusActive
	StatusEnabling  = schema.StatusEnabling
	StatusEnabled   = schema.StatusEnabled
	StatusDisabling = schema.StatusDisabling
	StatusDisabled  = schema.StatusDisabled

	TokenTransactWriteItems = schema.TokenTransactWriteItems
	TokenExecuteTransaction = schema.TokenExecuteTransaction

	ViewKeysOnly        = schema.ViewKeysOnly
	ViewNewImage        = schema.ViewNewImage
	ViewOldImage        = schema.ViewOldImage
	ViewNewAndOldImages = schema.ViewNewAndOldImages
)

// DefaultNamespace is that of package schema.
var DefaultNamespace = schema.DefaultNamespace

// Functions of package schema, likewise.
var (
	PositionAt = schema.PositionAt
	TimeOf     = schema.TimeOf
)
