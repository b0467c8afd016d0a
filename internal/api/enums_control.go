package api

import "github.com/partita-db/partita/internal/db"

// The enums of the control plane, as DynamoDB prints them when a value is none of them.
var (
	enumAttributeType = enum{"B", "N", "S"}
	enumKeyType       = enum{"HASH", "RANGE"}
	enumProjection    = enumOf(db.ProjectionAll, db.ProjectionInclude, db.ProjectionKeysOnly)
	enumBilling       = enumOf(db.Provisioned, db.PayPerRequest)
)
