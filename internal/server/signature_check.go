package server

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
	// basicFormat is ISO 8601's, as dates stand in signatures.
	basicFormat = "20060102T150405Z"
	// maxSkew is how far the date of a signature may be from ours. A presigned request lives as
	// long, too: what its X-Amz-Expires says is for other services.
	maxSkew = 15 * time.Minute
)

// check checks all of a signature that can be checked without the body and the secret, in AWS's
// order, and returns whose it claims to be. service is the name of the service that it must be for.
func (sig *signature) check(now time.Time, service string) (claim, error) {
	if *sig == (signature{}) {
		return claim{}, errNotSigned
	}
	if err := checkDate(sig.date, now); err != nil {
		return claim{}, err
	}
	if !signs(sig.signedHeaders, "host") {
		return claim{}, errHostNotSigned
	}
	if sig.algorithm != algorithm {
		return claim{}, &algorithmError{sig.algorithm}
	}
	return sig.checkScope(service)
}

// checkDate checks that a date is one, and near enough.
func checkDate(date string, now time.Time) error {
	t, err := time.Parse(basicFormat, date)
	if err != nil || len(date) != len(basicFormat) {
		return &dateError{Date: date, Fault: dateMalformed}
	}
	now = now.UTC().Truncate(time.Second)
	if limit := now.Add(-maxSkew); t.Before(limit) {
		return &dateError{date, dateExpired, now, limit}
	}
	if limit := now.Add(maxSkew); t.After(limit) {
		return &dateError{date, dateNotYet, now, limit}
	}
	return nil
}

// checkScope checks that a credential is one for the service and for the signature's day.
func (sig *signature) checkScope(service string) (claim, error) {
	if strings.Count(sig.credential, "/") != 4 {
		return claim{}, &credentialError{sig.credential}
	}
	e := scopeError{Date: sig.date}
	key, rest, _ := strings.Cut(sig.credential, "/")
	e.Day, rest, _ = strings.Cut(rest, "/")
	e.Region, rest, _ = strings.Cut(rest, "/")
	e.Service, e.Terminator, _ = strings.Cut(rest, "/")
	e.WrongRegion = !isRegion(e.Region)
	e.WrongService = e.Service != service
	e.WrongTerminator = e.Terminator != terminator
	e.WrongDay = e.Day != sig.day()
	if e.WrongRegion || e.WrongService || e.WrongTerminator || e.WrongDay {
		wrong := e // only what is wrong is allocated
		return claim{}, &wrong
	}
	return claim{key, e.Region}, nil
}

// day is the day of a signature whose date was checked.
func (sig *signature) day() string { return sig.date[:len("20060102")] }
