package server

import (
	"errors"
	"time"
)

// What is wrong with a signature, where there is nothing more to say.
var (
	// errSignedTwice is of a request with a signature in the header and one in the query string.
	errSignedTwice = errors.New("sigv4: the request is signed in its query string and in its header")
	// errNotSigned is of a request without a signature of any version 4.
	errNotSigned = errors.New("sigv4: the request is not signed")
	// errHostNotSigned is of a signature that does not include the Host.
	errHostNotSigned = errors.New("sigv4: the Host is not signed")
)

// missingError says which parts a signature lacks.
type missingError struct {
	InQuery bool
	// Parts are the names of the missing parameters, in the order in which AWS names them. In a
	// header the date, which has a header of its own, is X-Amz-Date.
	Parts []string
	// Authorization is the header that lacks them; empty if it is the query string that does.
	Authorization string
}

// Error implements error.
func (e *missingError) Error() string { return "sigv4: the signature is incomplete" }

// dateFault is what is wrong with a date.
type dateFault int

// The faults of a date.
const (
	dateMalformed dateFault = iota + 1 // it is not in the format of signatures
	dateExpired                        // it is too long ago
	dateNotYet                         // it is too far ahead
)

// dateError says that the date of a signature cannot be used.
type dateError struct {
	Date  string
	Fault dateFault
	// Now is the time that the date was compared with, and Limit the first or last that would do;
	// both are zero for a malformed date.
	Now, Limit time.Time
}

// Error implements error.
func (e *dateError) Error() string {
	return "sigv4: the date of the signature is malformed or too far away"
}

// algorithmError says that a signature is by another algorithm.
type algorithmError struct{ Algorithm string }

// Error implements error.
func (e *algorithmError) Error() string { return "sigv4: the algorithm is not " + algorithm }

// credentialError says that a credential does not have five parts.
type credentialError struct{ Credential string }

// Error implements error.
func (e *credentialError) Error() string { return "sigv4: the credential does not have five parts" }

// scopeError says that a signature is for another scope: what the scope is, and what is wrong
// there.
type scopeError struct {
	Day, Region, Service, Terminator                     string
	WrongDay, WrongRegion, WrongService, WrongTerminator bool
	Date                                                 string // of the signature
}

// Error implements error.
func (e *scopeError) Error() string { return "sigv4: the signature is for another scope" }
