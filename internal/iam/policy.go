package iam

// Policy is a list of statements. It does not change once it is parsed, and is safe for concurrent use.
type Policy struct{}
