// Package iam knows who may do what: the credentials that requests are signed with, as they stand
// in a file, and the policies that go with them, in the language of AWS's IAM as far as it concerns
// DynamoDB.
//
// It reads no requests (package server does, and has a Credential verify the signature; the secrets
// stay here) and knows no operations (package api says what a request wants to do, and asks).
package iam

// Account is the account that everybody belongs to, as it stands in ARNs.
const Account = "000000000000"

// Principal is who made a request: the user of an access key, with the policy of that key.
type Principal struct {
	AccessKeyID string
	User        string  // the last part of the user's ARN
	Policy      *Policy // what the key may do; never nil
}

// ARN names the user, as arn:aws:iam::000000000000:user/NAME.
func (p *Principal) ARN() string { return "arn:aws:iam::" + Account + ":user/" + p.User }

// Access is one thing that a request wants to do, and on what.
type Access struct {
	Action   string // without the service: GetItem
	Resource string // an ARN, or * for an action on none
	// Values returns the values of a condition key, such as dynamodb:LeadingKeys, as this request
	// has them; there is false where the request has no such key. nil: the request has none at all.
	// It is called only if a statement asks for the key.
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

// The decisions. What no statement allows is denied.
const (
	DeniedByDefault  Decision = iota // no statement applies
	DeniedExplicitly                 // a statement with the effect Deny applies, whatever others say
	Allowed
)
