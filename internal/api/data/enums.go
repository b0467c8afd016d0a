package data

import "github.com/partita-db/partita/internal/api/wire"

// The enums of the data plane, as DynamoDB prints them when a value is none of them.
var (
	enumConsumed     = wire.Enum{"INDEXES", "TOTAL", "NONE"}
	enumReturnValues = wire.Enum{"ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"}
	enumOnFailure    = wire.Enum{"ALL_OLD", "NONE"}
	enumMetrics      = wire.Enum{"SIZE", "NONE"}
	enumSelect       = wire.Enum{"SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"}
	enumConditional  = wire.Enum{"OR", "AND"}
)
