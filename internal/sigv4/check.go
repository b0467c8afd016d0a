package sigv4

import (
	"strings"
	"time"
)

const (
	// algorithm is the only one that is supported. AWS has another for signatures that are valid in
	// several regions (SigV4A).
	algorithm = "AWS4-HMAC-SHA256"
	// terminator ends every scope.
	terminator = "aws4_request"
	// DateFormat is the format of a signature's date, in UTC: ISO 8601's basic format.
	DateFormat = "20060102T150405Z"
	// maxSkew is how far the date of a signature may be from the server's time, which limits how
	// long an intercepted request can be repeated. It applies to presigned requests, too: DynamoDB
	// ignores X-Amz-Expires.
	maxSkew = 15 * time.Minute
)

// Check checks everything of a signature that needs neither the body nor the secret, in AWS's
// order, and returns what it claims. service is the name of the service that it must be for. Errors
// are ErrNotSigned, ErrHostNotSigned, *DateError, *AlgorithmError, *CredentialError, *ScopeError.
func (sig *Signature) Check(now time.Time, service string) (Claim, error) {
	if *sig == (Signature{}) {
		return Claim{}, ErrNotSigned
	}
	if err := checkDate(sig.Date, now); err != nil {
		return Claim{}, err
	}
	if !signs(sig.SignedHeaders, "host") {
		return Claim{}, ErrHostNotSigned
	}
	if sig.Algorithm != algorithm {
		return Claim{}, &AlgorithmError{sig.Algorithm}
	}
	return sig.checkScope(service)
}

// checkDate checks the format of a date, and that it is within maxSkew of now.
func checkDate(date string, now time.Time) error {
	t, err := time.Parse(DateFormat, date)
	if err != nil || len(date) != len(DateFormat) {
		return &DateError{Date: date, Fault: DateMalformed}
	}
	now = now.UTC().Truncate(time.Second)
	if limit := now.Add(-maxSkew); t.Before(limit) {
		return &DateError{date, DateExpired, now, limit}
	}
	if limit := now.Add(maxSkew); t.After(limit) {
		return &DateError{date, DateNotYet, now, limit}
	}
	return nil
}

// checkScope checks that a credential is for the service and for the signature's day, and has a
// possible region; any region is accepted.
func (sig *Signature) checkScope(service string) (Claim, error) {
	if strings.Count(sig.Credential, "/") != 4 {
		return Claim{}, &CredentialError{sig.Credential}
	}
	e := ScopeError{Date: sig.Date}
	key, rest, _ := strings.Cut(sig.Credential, "/")
	e.Day, rest, _ = strings.Cut(rest, "/")
	e.Region, rest, _ = strings.Cut(rest, "/")
	e.Service, e.Terminator, _ = strings.Cut(rest, "/")
	e.WrongRegion = !isRegion(e.Region)
	e.WrongService = e.Service != service
	e.WrongTerminator = e.Terminator != terminator
	e.WrongDay = e.Day != sig.Day()
	if e.WrongRegion || e.WrongService || e.WrongTerminator || e.WrongDay {
		wrong := e // so that e itself is not allocated
		return Claim{}, &wrong
	}
	return Claim{key, e.Region}, nil
}

// Day is the day of the signature, YYYYMMDD. It panics if the date was not checked.
func (sig *Signature) Day() string { return sig.Date[:len("20060102")] }
