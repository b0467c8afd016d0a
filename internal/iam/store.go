package iam

// Store is the credentials that a server accepts. It is safe for concurrent use.
type Store struct{}
