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

// authenticate finds out who sent the request and for which region. Without credentials to compare
// with, whatever has the shape of a signature will do, and so will none: it is nobody's then, and
// is answered (AWS would miss its token), so that a plain HTTP client can be used.
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
	if x.readSignature(); x.fault == nil {
		x.fault = x.checkClaim()
	}
	if x.fault != nil && listen.ConnOf(x.r.Context()) == nil {
		x.limitBodyTime()
	}
}

// readSignature reads what the request says of its signature, and notes the fault if it is not
// whole.
func (x *exchange) readSignature() {
	var err error
	if x.sig, err = sigv4.Read(x.r); err != nil {
		x.fault = signatureFault(err)
	}
}

// limitBodyTime bounds the time in which the body may come of a request that has no signature, or
// one that cannot be right. It is for requests that come over another server than package listen's,
// which closes unauthenticated connections by itself.
func (x *exchange) limitBodyTime() {
	err := http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(listen.UnauthenticatedTime))
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
	now := x.h.now()
	if x.who, err = x.sig.Check(now, service); err != nil {
		return signatureFault(err)
	}
	_, err = x.credential(x.who.AccessKey, x.sig.Token, now)
	return err
}

// verify checks the signature of a claim. On success the call has its principal and its region. The
// credential is looked up once more: it may have been taken away while the body came.
func (x *exchange) verify() error {
	sig, who := &x.sig, x.who
	credential, err := x.credential(who.AccessKey, sig.Token, x.h.now())
	if err != nil {
		return err
	}
	text, ok := x.canonical.StringToSign(x.r, sig, x.payload())
	if sig.Target != "" && sig.Target != x.call.Target {
		return errMismatch // the header is not the one that was signed
	}
	if !ok || !credential.Verify(sig.Day(), who.Region, text, sig.Signature) {
		return errMismatch
	}
	x.call.Principal, x.call.Region = credential.Principal, who.Region
	return nil
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
