// Package iam is authentication and authorization: the credentials in a file, and their policies,
// in the language of AWS's IAM as far as it concerns DynamoDB.
//
// It reads no requests: package server passes the string to sign to Credential.Verify, so that the
// secrets stay in this package. It knows no operations: package api describes what a request does
// as Accesses, and asks the policy.
package iam

// Account is the account in all ARNs.
const Account = "000000000000"

// Principal is who made a request: the user of an access key, with the policy of that key.
type Principal struct {
	AccessKeyID string
	User        string  // the last part of the user's ARN
	Policy      *Policy // what the key may do; never nil
}

// ARN names the user, as arn:aws:iam::000000000000:user/NAME.
func (p *Principal) ARN() string { return "arn:aws:iam::" + Account + ":user/" + p.User }

// Access is one action of a request on one resource.
type Access struct {
	Action   string // without the service: GetItem
	Resource string // an ARN, or * for an action on none
	// Values returns the request's values of a condition key, such as dynamodb:LeadingKeys; there
	// is false if it has no such key. nil: it has none at all. It is called only if a statement has
	// a condition on the key, as computing the values can be expensive.
	Values func(key string) (values []string, there bool)
}

// The condition keys that a request can have values for. LeadingKeys and Attributes can have
// several.
const (
	KeyLeadingKeys            = "dynamodb:LeadingKeys" // the partition keys of the items that it is about
	KeyAttributes             = "dynamodb:Attributes"  // the top-level attributes that it names
	KeySelect                 = "dynamodb:Select"
	KeyReturnValues           = "dynamodb:ReturnValues"
	KeyReturnConsumedCapacity = "dynamodb:ReturnConsumedCapacity"
	KeyEnclosingOperation     = "dynamodb:EnclosingOperation" // the transaction that the action is part of
	KeyFullTableScan          = "dynamodb:FullTableScan"      // of a PartiQL statement: true or false
)

// Decision is what a policy says of an Access.
type Decision int

// The decisions. The zero value denies.
const (
	DeniedByDefault  Decision = iota // no statement applies
	DeniedExplicitly                 // a statement with the effect Deny applies, whatever others say
	Allowed
)
