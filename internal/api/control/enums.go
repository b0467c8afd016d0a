package control

import (
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

// The enums of the control plane, as DynamoDB prints them when a value is none of them.
var (
	enumAttributeType = wire.Enum{"B", "N", "S"}
	enumKeyType       = wire.Enum{"HASH", "RANGE"}
	enumProjection    = wire.EnumOf(schema.ProjectionAll, schema.ProjectionInclude, schema.ProjectionKeysOnly)
	enumBilling       = wire.EnumOf(schema.Provisioned, schema.PayPerRequest)
)
