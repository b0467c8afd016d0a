package server

import (
	"strings"

	"github.com/partita-db/partita/internal/sigv4"
)

// authFault is one of AWS's exceptions about signatures, with AWS's message.
type authFault struct{ code, message string }

func (f *authFault) Error() string { return f.code + ": " + f.message }

// incomplete, invalid and unrecognized return faults with the code that they are named after.
func incomplete(message string) error { return &authFault{"IncompleteSignatureException", message} }
func invalid(message string) error    { return &authFault{"InvalidSignatureException", message} }
func unrecognized(message string) error {
	return &authFault{"UnrecognizedClientException", message}
}

// The faults whose words never differ.
var (
	errTwoSignatures = invalid(
		"Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	errUnsigned   = &authFault{"MissingAuthenticationTokenException", "Request is missing Authentication Token"}
	errNoHost     = invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
	errUnknownKey = unrecognized("The security token included in the request is invalid.")
	// AWS's message for a wrong token differs from that for an unknown key by the full stop alone.
	errBadToken = unrecognized("The security token included in the request is invalid")
	errExpired  = &authFault{"ExpiredTokenException", "The security token included in the request is expired"}
	errMismatch = invalid("The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
)

// signatureFault returns AWS's exception for an error of package sigv4.
func signatureFault(err error) error {
	switch err {
	case sigv4.ErrSignedTwice:
		return errTwoSignatures
	case sigv4.ErrHostNotSigned:
		return errNoHost
	}
	switch err := err.(type) {
	case *sigv4.MissingError:
		return incomplete(missingParts(err))
	case *sigv4.DateError:
		return dateFaultOf(err)
	case *sigv4.AlgorithmError:
		return incomplete("Unsupported AWS 'algorithm': '" + err.Algorithm +
			"' (only AWS4-HMAC-SHA256 for now). ")
	case *sigv4.CredentialError:
		return invalid("Credential must have exactly 5 slash-delimited elements, " +
			"e.g. keyid/date/region/service/term, got '" + err.Credential + "'")
	case *sigv4.ScopeError:
		return invalid(wrongScope(err))
	}
	return errUnsigned
}

// missingParts is AWS's message that names the parts which a signature lacks.
func missingParts(e *sigv4.MissingError) string {
	var b strings.Builder
	for _, name := range e.Parts {
		switch {
		case e.InQuery:
			b.WriteString("AWS query-string parameters must include '" + name + "'. ")
		case name == "X-Amz-Date":
			b.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
		default:
			b.WriteString("Authorization header requires '" + name + "' parameter. ")
		}
	}
	if e.InQuery {
		return b.String() + "Re-examine the query-string parameters."
	}
	return b.String() + "Authorization=" + e.Authorization
}

// dateFaultOf is AWS's exception for the date of a signature.
func dateFaultOf(e *sigv4.DateError) error {
	limit, now := e.Limit.Format(sigv4.DateFormat), e.Now.Format(sigv4.DateFormat)
	switch e.Fault {
	case sigv4.DateExpired:
		return invalid("Signature expired: " + e.Date + " is now earlier than " + limit + " (" + now + " - 15 min.)")
	case sigv4.DateNotYet:
		return invalid("Signature not yet current: " + e.Date + " is still later than " + limit +
			" (" + now + " + 15 min.)")
	}
	return incomplete("Date must be in ISO-8601 'basic format'. Got '" + e.Date +
		"'. See http://en.wikipedia.org/wiki/ISO_8601")
}

// wrongScope is AWS's message for the scope of a signature: all that is wrong with it, in AWS's
// order.
func wrongScope(e *sigv4.ScopeError) string {
	var b strings.Builder
	if e.WrongRegion {
		b.WriteString("Credential should be scoped to a valid region, not '" + e.Region + "'. ")
	}
	if e.WrongService {
		b.WriteString("Credential should be scoped to correct service: '" + service + "'. ")
	}
	if e.WrongTerminator {
		b.WriteString("Credential should be scoped with a valid terminator: 'aws4_request', not '" +
			e.Terminator + "'. ")
	}
	if e.WrongDay {
		b.WriteString("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
			e.Day + "' != '" + e.Date[:len("20060102")] + "', from '" + e.Date + "'.")
	}
	return b.String()
}
