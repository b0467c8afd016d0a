package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/iam"
)

// authFault is what is wrong with the way a request was signed: one of AWS's exceptions about
// signatures.
type authFault struct{ code, message string }

func (f *authFault) Error() string { return f.code + ": " + f.message }

// incomplete, invalid and unrecognized return faults of the three kinds.
func incomplete(message string) error { return &authFault{"IncompleteSignatureException", message} }
func invalid(message string) error    { return &authFault{"InvalidSignatureException", message} }
func unrecognized(message string) error {
	return &authFault{"UnrecognizedClientException", message}
}

// The faults whose words never differ.
var (
	errSignedTwice = invalid("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	errUnsigned    = &authFault{"MissingAuthenticationTokenException", "Request is missing Authentication Token"}
	errNoHost      = invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
	errUnknownKey  = unrecognized("The security token included in the request is invalid.")
	errBadToken    = unrecognized("The security token included in the request is invalid") // it is AWS that has no full stop here
	errExpired     = &authFault{"ExpiredTokenException", "The security token included in the request is expired"}
	errMismatch    = invalid("The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
)

const (
	// algorithm is the only one there is for us. AWS has another for signatures that hold in
	// several regions.
	algorithm = "AWS4-HMAC-SHA256"
	// basicFormat is ISO 8601's, as dates stand in signatures.
	basicFormat = "20060102T150405Z"
	// maxSkew is how far the date of a signature may be from ours. A presigned request lives as
	// long, too: what its X-Amz-Expires says is for other services.
	maxSkew = 15 * time.Minute
)

// authenticate finds out who sent the request and for which region. Without credentials to compare
// with, whatever has the shape of a signature will do, and so will none: it is nobody's then, and
// is answered (AWS would miss its token), so that a plain HTTP client can be used.
func (x *exchange) authenticate() (err error) {
	if x.h.credentials == nil {
		x.sig, x.fault = readSignature(x.r)
	}
	if x.call.Target == "" {
		x.call.Target = x.sig.target
	}
	switch {
	case x.fault != nil:
		return x.fault
	case x.h.credentials == nil:
		x.call.Region = scope(x.sig.credential).region
		return nil
	}
	if err := x.verify(); err != nil {
		return err
	}
	if c := connOf(x.r.Context()); c != nil && !c.markAuthenticated() {
		panic(http.ErrAbortHandler) // nothing is done for who is not there any more
	}
	return nil
}

// claim looks, where there are credentials, at what the request says of its signature before its
// body is read, and notes the fault. All but the signature itself is checked then, in AWS's order:
// who does not even name an access key gets no more of the server than a small body takes, in
// memory, in work and in time.
func (x *exchange) claim() {
	if x.h.credentials == nil {
		return
	}
	if x.sig, x.fault = readSignature(x.r); x.fault == nil {
		x.fault = x.checkClaim()
	}
	if x.fault != nil && connOf(x.r.Context()) == nil {
		x.limitBodyTime()
	}
}

// limitBodyTime bounds the time in which the body may come of a request that has no signature, or
// one that cannot be right. It is for requests that come over another server than this package's,
// which closes unauthenticated connections by itself (unauthenticated.go).
func (x *exchange) limitBodyTime() {
	err := http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(unauthenticatedTime))
	if err != nil && x.h.noDeadlinesLogged.CompareAndSwap(false, true) {
		x.h.log.Warn("the HTTP server in use takes no deadlines for requests: those without a valid signature "+
			"can last; a http.ResponseWriter that wraps another needs a method Unwrap", "error", err)
	}
}

// unauthenticatedBodyBytes is the largest body that is looked at of a request that has no
// signature, or one that cannot be right. It does not draw on the budget, nor does the byte behind
// it that tells that there are more.
const unauthenticatedBodyBytes = freeBytes - 1

// checkClaim checks all of a signature that can be checked without the body.
func (x *exchange) checkClaim() (err error) {
	sig, now := &x.sig, x.h.now()
	if *sig == (signature{}) {
		return errUnsigned
	}
	if err := checkDate(sig.date, now); err != nil {
		return err
	}
	if !signs(sig.signedHeaders, "host") {
		return errNoHost
	}
	if sig.algorithm != algorithm {
		return incomplete("Unsupported AWS 'algorithm': '" + sig.algorithm + "' (only AWS4-HMAC-SHA256 for now). ")
	}
	if x.who, err = checkScope(sig); err != nil {
		return err
	}
	_, err = x.credential(x.who.key, sig.token, now)
	return err
}

// verify checks the signature of a claim. On success the call has its principal and its region. The
// credential is looked up once more: it may have been taken away while the body came.
func (x *exchange) verify() error {
	sig, who := &x.sig, x.who
	credential, err := x.credential(who.key, sig.token, x.h.now())
	if err != nil {
		return err
	}
	x.canonical.date, x.canonical.scope = sig.date, sig.credential[len(who.key)+1:]
	text, ok := x.canonical.stringToSign(x.r, sig, x.payload())
	if sig.target != "" && sig.target != x.call.Target {
		return errMismatch // the header is not the one that was signed
	}
	if !ok || !credential.Verify(sig.date[:len("20060102")], who.region, text, sig.signature) {
		return errMismatch
	}
	x.call.Principal, x.call.Region = credential.Principal, who.region
	return nil
}

// checkDate checks that a date is one, and near enough.
func checkDate(date string, now time.Time) error {
	t, err := time.Parse(basicFormat, date)
	if err != nil || len(date) != len(basicFormat) {
		return incomplete("Date must be in ISO-8601 'basic format'. Got '" + date + "'. See http://en.wikipedia.org/wiki/ISO_8601")
	}
	now = now.UTC().Truncate(time.Second)
	if limit := now.Add(-maxSkew); t.Before(limit) {
		return invalid("Signature expired: " + date + " is now earlier than " + limit.Format(basicFormat) +
			" (" + now.Format(basicFormat) + " - 15 min.)")
	}
	if limit := now.Add(maxSkew); t.After(limit) {
		return invalid("Signature not yet current: " + date + " is still later than " + limit.Format(basicFormat) +
			" (" + now.Format(basicFormat) + " + 15 min.)")
	}
	return nil
}

// checkScope checks that a credential is one for this service and for the signature's day.
func checkScope(sig *signature) (who signer, err error) {
	if strings.Count(sig.credential, "/") != 4 {
		return signer{}, invalid("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" +
			sig.credential + "'")
	}
	key, rest, _ := strings.Cut(sig.credential, "/")
	date, rest, _ := strings.Cut(rest, "/")
	region, rest, _ := strings.Cut(rest, "/")
	service, term, _ := strings.Cut(rest, "/")
	day := sig.date[:len("20060102")]
	if isRegion(region) && service == "dynamodb" && term == "aws4_request" && date == day {
		return signer{key, region}, nil
	}
	var b strings.Builder
	if !isRegion(region) {
		b.WriteString("Credential should be scoped to a valid region, not '" + region + "'. ")
	}
	if service != "dynamodb" {
		b.WriteString("Credential should be scoped to correct service: 'dynamodb'. ")
	}
	if term != "aws4_request" {
		b.WriteString("Credential should be scoped with a valid terminator: 'aws4_request', not '" + term + "'. ")
	}
	if date != day {
		b.WriteString("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
			date + "' != '" + day + "', from '" + sig.date + "'.")
	}
	return signer{}, invalid(b.String())
}

// credential returns the access key's credential, if the session token fits it and its time is not
// over.
func (x *exchange) credential(key, token string, now time.Time) (*iam.Credential, error) {
	c, known := x.h.credentials.Lookup(key)
	switch {
	case !known, token == "" && c.HasToken(): // the key of a session is none without it
		return nil, errUnknownKey
	case !c.TokenIs(token):
		return nil, errBadToken
	case c.Expired(now):
		return nil, errExpired
	}
	return c, nil
}
