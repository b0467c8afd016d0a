// Package exception is the table of the errors that DynamoDB answers with: for each code the status
// of the response, how it is written, and what kind of error it is. The messages are not here: each
// stands beside the check that raises it.
//
// The forms are those of captured answers. Codes with the namespace of Coral, AWS's framework for
// services, come from the layer in front of DynamoDB.
package exception

// Exception is the form of an error. Its flags are what the SDKs, the log and the metrics
// distinguish.
type Exception struct {
	Code       string // the exception's name, without namespace
	Status     int    // HTTP status
	Namespace  string // with Code it is the member __type
	MessageKey string // the name of the member with the message
	Throttles  bool   // SDKs retry it, after a wait
	Access     bool   // rejected by authentication or authorization
	Signature  bool   // rejected by authentication, before the operation is looked at
	Ordinary   bool   // correct programs get it, too
}

// The namespaces.
const (
	dynamodb = "com.amazonaws.dynamodb.v20120810#"
	service  = "com.amazon.coral.service#"
	validate = "com.amazon.coral.validate#"
)

// Two spellings of the member with the message.
const (
	lower = "message"
	upper = "Message"
)

// table has all codes that are answered, or will be.
var table = []Exception{
	{Code: "AccessDeniedException", Namespace: service, MessageKey: upper, Access: true},
	{Code: "ConditionalCheckFailedException", Ordinary: true},
	{Code: "DuplicateItemException", Ordinary: true},
	{Code: "ExpiredIteratorException", Ordinary: true},
	{Code: "ExpiredTokenException", Namespace: service, Access: true, Signature: true},
	{Code: "IdempotentParameterMismatchException", MessageKey: upper},
	{Code: "IncompleteSignatureException", Namespace: service, Access: true, Signature: true},
	{Code: "InternalFailure", Status: 500, Namespace: service},
	{Code: "InternalServerError", Status: 500},
	{Code: "InvalidSignatureException", Namespace: service, Access: true, Signature: true},
	{Code: "ItemCollectionSizeLimitExceededException"},
	{Code: "LimitExceededException"},
	{Code: "MissingAuthenticationTokenException", Namespace: service, Access: true, Signature: true},
	{Code: "PolicyNotFoundException"},
	{Code: "ProvisionedThroughputExceededException", Throttles: true, Ordinary: true},
	{Code: "RequestLimitExceeded", Throttles: true, Ordinary: true},
	{Code: "ResourceInUseException"},
	{Code: "ResourceNotFoundException"},
	{Code: "SerializationException", Namespace: service, MessageKey: upper},
	{Code: "ServiceUnavailable", Status: 503, Throttles: true},
	{Code: "ThrottlingException", Throttles: true, Ordinary: true},
	{Code: "TransactionCanceledException", MessageKey: upper},
	{Code: "TransactionConflictException", Ordinary: true},
	{Code: "TransactionInProgressException", MessageKey: upper, Ordinary: true},
	{Code: "TrimmedDataAccessException", Ordinary: true},
	{Code: "UnknownOperationException", Namespace: service},
	{Code: "UnrecognizedClientException", Namespace: service, Access: true, Signature: true},
	{Code: "ValidationException", Namespace: validate},
}

// byCode is table by code. Making it fills in the defaults in table.
var byCode = func() map[string]*Exception {
	m := make(map[string]*Exception, len(table))
	for i := range table {
		e := &table[i]
		if e.Status == 0 {
			e.Status = 400
		}
		if e.Namespace == "" {
			e.Namespace = dynamodb
		}
		if e.MessageKey == "" {
			e.MessageKey = lower
		}
		m[e.Code] = e
	}
	return m
}()

// Of returns the exception with the code. For a code that is not in the table it returns one with
// the defaults and no flags.
func Of(code string) Exception {
	if e := byCode[code]; e != nil {
		return *e
	}
	return Exception{Code: code, Status: 400, Namespace: dynamodb, MessageKey: lower}
}

// All returns a copy of the table, sorted by code.
func All() []Exception { return append([]Exception(nil), table...) }

// Type returns the member __type: namespace and code.
func (e Exception) Type() string { return e.Namespace + e.Code }

// Body returns the body of an answer with the error. The message is not escaped, so it must contain
// nothing that JSON requires to be; if it is empty the body has no such member.
func (e Exception) Body(message string) []byte {
	body := `{"__type":"` + e.Type() + `"`
	if message != "" {
		body += `,"` + e.MessageKey + `":"` + message + `"`
	}
	return []byte(body + "}")
}
