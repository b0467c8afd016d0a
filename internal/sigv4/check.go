package sigv4

import (
	"strings"
	"time"
)

const (
	// algorithm is the only one there is for us. AWS has another for signatures that hold in
	// several regions.
	algorithm = "AWS4-HMAC-SHA256"
	// terminator ends every scope.
	terminator = "aws4_request"
	// DateFormat is ISO 8601's, as dates stand in signatures.
	DateFormat = "20060102T150405Z"
	// maxSkew is how far the date of a signature may be from ours. A presigned request lives as
	// long, too: what its X-Amz-Expires says is for other services.
	maxSkew = 15 * time.Minute
)

// Check checks all of a signature that can be checked without the body and the secret, in AWS's
// order, and returns whose it claims to be. service is the name of the service that it must be for.
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

// checkDate checks that a date is one, and near enough.
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

// checkScope checks that a credential is one for the service and for the signature's day.
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
		wrong := e // only what is wrong is allocated
		return Claim{}, &wrong
	}
	return Claim{key, e.Region}, nil
}

// Day is the day of a signature whose date was checked.
func (sig *Signature) Day() string { return sig.Date[:len("20060102")] }
