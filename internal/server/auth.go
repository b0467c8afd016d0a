package server

import (
	"net/http"
	"time"

	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/sigv4"
)

// service is the name of the service that signatures must be for.
const service = "dynamodb"

// authenticate determines who sent the request and for which region. On a server without
// authentication any well-formed signature is accepted, and so is none (AWS rejects an unsigned
// request), so that a plain HTTP client can be used; a malformed one is rejected as by AWS.
func (x *exchange) authenticate() (err error) {
	if x.h.credentials == nil {
		x.readSignature()
	}
	if x.call.Target == "" {
		x.call.Target = x.sig.Target
	}
	switch {
	case x.fault != nil:
		return x.fault
	case x.h.credentials == nil:
		x.call.Region = sigv4.ClaimOf(x.sig.Credential).Region
		return nil
	}
	if err := x.verify(); err != nil {
		return err
	}
	if c := listen.ConnOf(x.r.Context()); c != nil && !c.MarkAuthenticated() {
		// The connection was closed to make room for another one. The operation must not run: the
		// client could not learn its outcome.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// claim checks, before the body is read, everything of the signature that does not depend on the
// body, in AWS's order, and notes the fault. A request with a fault gets no more of the server than
// a small body takes (see mostBody): otherwise a client without an access key could make it buffer,
// hash and decompress 16 MiB for each request. On a server without authentication it does nothing.
func (x *exchange) claim() {
	if x.h.credentials == nil {
		return
	}
	if x.readSignature(); x.fault == nil {
		x.fault = x.checkClaim()
	}
	if x.fault != nil && listen.ConnOf(x.r.Context()) == nil {
		x.limitBodyTime()
	}
}

// readSignature reads the signature into x.sig, and notes a fault if it is incomplete.
func (x *exchange) readSignature() {
	var err error
	if x.sig, err = sigv4.Read(x.r); err != nil {
		x.fault = signatureFault(err)
	}
}

// limitBodyTime limits the time for reading the body of a request without a valid claim. It is for
// requests that come through another net/http server than package listen's, which closes
// unauthenticated connections by itself.
func (x *exchange) limitBodyTime() {
	err := http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(listen.UnauthenticatedTime))
	if err != nil && x.h.noDeadlinesLogged.CompareAndSwap(false, true) {
		x.h.log.Warn("the HTTP server in use takes no deadlines for requests: those without a valid signature "+
			"can last; a http.ResponseWriter that wraps another needs a method Unwrap", "error", err)
	}
}

// unauthenticatedBodyBytes is the largest body that is read of a request without a valid claim.
// Together with the one byte more that shows that a body is longer it stays within freeBytes, so
// such requests never draw on the budget.
const unauthenticatedBodyBytes = freeBytes - 1

// checkClaim checks date, scope, access key and session token, which need no body.
func (x *exchange) checkClaim() (err error) {
	now := x.h.now()
	if x.who, err = x.sig.Check(now, service); err != nil {
		return signatureFault(err)
	}
	_, err = x.credential(x.who.AccessKey, x.sig.Token, now)
	return err
}

// verify checks the signature itself, and sets the call's principal and region. It looks the
// credential up again after claim: it may have been removed, or have expired, while the body was
// arriving, which takes up to minutes.
func (x *exchange) verify() error {
	sig, who := &x.sig, x.who
	credential, err := x.credential(who.AccessKey, sig.Token, x.h.now())
	if err != nil {
		return err
	}
	text, ok := x.canonical.StringToSign(x.r, sig, x.payload())
	if sig.Target != "" && sig.Target != x.call.Target {
		return errMismatch // only the target in the query string was signed
	}
	if !ok || !credential.Verify(sig.Day(), who.Region, text, sig.Signature) {
		return errMismatch
	}
	x.call.Principal, x.call.Region = credential.Principal, who.Region
	return nil
}

// credential returns the access key's credential, if the session token fits it and it has not
// expired.
func (x *exchange) credential(key, token string, now time.Time) (*iam.Credential, error) {
	c, known := x.h.credentials.Lookup(key)
	switch {
	case !known, token == "" && c.HasToken(): // as AWS: a session's key alone is an unknown key
		return nil, errUnknownKey
	case !c.TokenIs(token):
		return nil, errBadToken
	case c.Expired(now):
		return nil, errExpired
	}
	return c, nil
}
