package api

// The enums of the data plane, as DynamoDB prints them when a value is none of them.
var (
	enumConsumed     = enum{"INDEXES", "TOTAL", "NONE"}
	enumReturnValues = enum{"ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"}
	enumOnFailure    = enum{"ALL_OLD", "NONE"}
	enumMetrics      = enum{"SIZE", "NONE"}
	enumSelect       = enum{"SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"}
	enumConditional  = enum{"OR", "AND"}
	enumComparison   = enum{"IN", "NULL", "BETWEEN", "LT", "NOT_CONTAINS", "EQ", "GT", "NOT_NULL", "NE", "LE", "BEGINS_WITH", "GE", "CONTAINS"}
	enumAction       = enum{"ADD", "PUT", "DELETE"}
)
