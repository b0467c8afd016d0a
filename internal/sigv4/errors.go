package sigv4

import (
	"errors"
	"time"
)

// Errors of Read and Check without details. The caller words them for the client.
var (
	// ErrSignedTwice: there is a signature in the header and one in the query string.
	ErrSignedTwice = errors.New("sigv4: the request is signed in its query string and in its header")
	// ErrNotSigned: there is no signature of version 4.
	ErrNotSigned = errors.New("sigv4: the request is not signed")
	// ErrHostNotSigned: the signature does not include the Host, so that the request could be
	// repeated at another server.
	ErrHostNotSigned = errors.New("sigv4: the Host is not signed")
)

// MissingError is the error of Read for an incomplete signature.
type MissingError struct {
	InQuery bool
	// Parts are the names of the missing parameters, in AWS's order. The date, which is a header
	// beside Authorization, is X-Amz-Date.
	Parts []string
	// Authorization is the header that lacks them; empty if InQuery.
	Authorization string
}

// Error implements error.
func (e *MissingError) Error() string { return "sigv4: the signature is incomplete" }

// DateFault is what is wrong with a date.
type DateFault int

// The faults of a date. They begin with 1.
const (
	DateMalformed DateFault = iota + 1 // it is not in the format of signatures
	DateExpired                        // it is before Limit
	DateNotYet                         // it is after Limit
)

// DateError is the error of Check for the date of a signature.
type DateError struct {
	Date  string
	Fault DateFault
	// Now is the time that the date was compared with, and Limit the first or last that would be
	// accepted, both in UTC; zero for a malformed date.
	Now, Limit time.Time
}

// Error implements error.
func (e *DateError) Error() string {
	return "sigv4: the date of the signature is malformed or too far away"
}

// AlgorithmError is the error of Check for a signature by another algorithm.
type AlgorithmError struct{ Algorithm string }

// Error implements error.
func (e *AlgorithmError) Error() string { return "sigv4: the algorithm is not " + algorithm }

// CredentialError is the error of Check for a credential that does not have five parts.
type CredentialError struct{ Credential string }

// Error implements error.
func (e *CredentialError) Error() string { return "sigv4: the credential does not have five parts" }

// ScopeError is the error of Check for a signature of another scope: the scope, and which of its
// parts are wrong.
type ScopeError struct {
	Day, Region, Service, Terminator                     string
	WrongDay, WrongRegion, WrongService, WrongTerminator bool
	Date                                                 string // of the signature
}

// Error implements error.
func (e *ScopeError) Error() string { return "sigv4: the signature is for another scope" }
