package sigv4

import (
	"errors"
	"time"
)

// What is wrong with a signature, where there is nothing more to say.
var (
	// ErrSignedTwice is of a request with a signature in the header and one in the query string.
	ErrSignedTwice = errors.New("sigv4: the request is signed in its query string and in its header")
	// ErrNotSigned is of a request without a signature of any version 4.
	ErrNotSigned = errors.New("sigv4: the request is not signed")
	// ErrHostNotSigned is of a signature that does not include the Host.
	ErrHostNotSigned = errors.New("sigv4: the Host is not signed")
)

// MissingError says which parts a signature lacks.
type MissingError struct {
	InQuery bool
	// Parts are the names of the missing parameters, in the order in which AWS names them. In a
	// header the date, which has a header of its own, is X-Amz-Date.
	Parts []string
	// Authorization is the header that lacks them; empty if it is the query string that does.
	Authorization string
}

// Error implements error.
func (e *MissingError) Error() string { return "sigv4: the signature is incomplete" }

// DateFault is what is wrong with a date.
type DateFault int

// The faults of a date.
const (
	DateMalformed DateFault = iota + 1 // it is not in the format of signatures
	DateExpired                        // it is too long ago
	DateNotYet                         // it is too far ahead
)

// DateError says that the date of a signature cannot be used.
type DateError struct {
	Date  string
	Fault DateFault
	// Now is the time that the date was compared with, and Limit the first or last that would do;
	// both are zero for a malformed date.
	Now, Limit time.Time
}

// Error implements error.
func (e *DateError) Error() string {
	return "sigv4: the date of the signature is malformed or too far away"
}

// AlgorithmError says that a signature is by another algorithm.
type AlgorithmError struct{ Algorithm string }

// Error implements error.
func (e *AlgorithmError) Error() string { return "sigv4: the algorithm is not " + algorithm }

// CredentialError says that a credential does not have five parts.
type CredentialError struct{ Credential string }

// Error implements error.
func (e *CredentialError) Error() string { return "sigv4: the credential does not have five parts" }

// ScopeError says that a signature is for another scope: what the scope is, and what is wrong
// there.
type ScopeError struct {
	Day, Region, Service, Terminator                     string
	WrongDay, WrongRegion, WrongService, WrongTerminator bool
	Date                                                 string // of the signature
}

// Error implements error.
func (e *ScopeError) Error() string { return "sigv4: the signature is for another scope" }
