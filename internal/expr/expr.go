// Package expr is DynamoDB's expression language: it lexes, parses and checks condition, filter,
// key condition, projection and update expressions, with DynamoDB's limits and messages, and runs
// them on encoded items. The legacy parameters (Expected, QueryFilter, AttributeUpdates,
// AttributesToGet, …) are built into the same forms.
//
// An expression is used in two steps. Parsing depends on the text alone, and its result is cached
// by it. Binding gives the placeholders their names and values, runs the checks that need them, and
// is done for each request. What comes out (Condition, KeyCondition, Projection, Update) belongs to
// one request and is not safe for concurrent use. It holds views of the request's names and values.
//
// The language is that of the Amazon DynamoDB Developer Guide ("Using expressions in DynamoDB",
// "Legacy conditional parameters"); messages, and which of several errors is reported, are those of
// recorded answers of the service.
//
// The package knows nothing of tables: which attributes are keys is for its callers.
package expr

// Kind is the kind of an expression; its String is the parameter's name, as messages print it.
type Kind int

// The kinds of expressions.
const (
	KindCondition Kind = iota
	KindFilter
	KindKeyCondition
	KindProjection
	KindUpdate
)

// String returns the parameter's name: "ConditionExpression", "FilterExpression", …
func (k Kind) String() string {
	return [...]string{
		"ConditionExpression", "FilterExpression", "KeyConditionExpression", "ProjectionExpression", "UpdateExpression",
	}[k]
}

// Error is the error of a rejected expression. Message is DynamoDB's whole text, "Invalid <Kind>: "
// included where DynamoDB has it.
type Error struct {
	Message string
	// Empty marks the error of an empty expression: PutItem and UpdateItem, which wrap the other
	// errors, do not wrap this one.
	Empty bool
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }
