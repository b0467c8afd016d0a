package server

import (
	"net/http"
	"net/url"
	"strings"
)

// authFault is what is wrong with the way a request was signed: one of AWS's exceptions about signatures.
type authFault struct{ code, message string }

func (f *authFault) Error() string { return f.code + ": " + f.message }

// The faults whose words never differ.
var (
	errSignedTwice = &authFault{"InvalidSignatureException",
		"Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."}
	errUnsigned = &authFault{"MissingAuthenticationTokenException", "Request is missing Authentication Token"}
)

// signer is who signed a request and for which region. Either may be empty where the credential does not say.
type signer struct{ key, region string }

// authenticate checks that a signature, if there is one, has all its parts, and returns who says to have made it. Any
// credentials will do: the signature itself is not verified. As long as that is so, a request that is not signed at all is
// nobody's, and is answered (AWS would miss its token), so that a plain HTTP client can be used.
func authenticate(r *http.Request) (signer, error) {
	header := one(r.Header, "Authorization")
	if r.URL.RawQuery != "" {
		if query := r.URL.Query(); query.Has("X-Amz-Algorithm") {
			if header != "" {
				return signer{}, errSignedTwice
			}
			return inQuery(query)
		}
	}
	if len(r.Header["Authorization"]) == 0 {
		return signer{}, nil
	}
	if !strings.HasPrefix(header, "AWS4-") {
		return signer{}, errUnsigned
	}
	return inHeader(r, header)
}

// inHeader reads a signature in the Authorization header:
// AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/dynamodb/aws4_request, SignedHeaders=<…>, Signature=<…>
func inHeader(r *http.Request, header string) (signer, error) {
	var credential, signature, signedHeaders string
	_, rest, _ := strings.Cut(header, " ")
	for rest != "" {
		var part string
		if i := strings.IndexAny(rest, ", "); i >= 0 {
			part, rest = rest[:i], rest[i+1:]
		} else {
			part, rest = rest, ""
		}
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "Credential":
			credential = value
		case "Signature":
			signature = value
		case "SignedHeaders":
			signedHeaders = value
		}
	}
	dated := one(r.Header, "X-Amz-Date") != "" || one(r.Header, "Date") != ""
	if credential != "" && signature != "" && signedHeaders != "" && dated {
		return scope(credential), nil
	}
	var b strings.Builder
	for _, p := range [...]struct {
		name, value string
	}{{"Credential", credential}, {"Signature", signature}, {"SignedHeaders", signedHeaders}} {
		if p.value == "" {
			b.WriteString("Authorization header requires '" + p.name + "' parameter. ")
		}
	}
	if !dated {
		b.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	b.WriteString("Authorization=" + header)
	return signer{}, &authFault{"IncompleteSignatureException", b.String()}
}

// queryParts are the parameters of a presigned request, in the order in which AWS misses them.
var queryParts = [...]string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"}

// inQuery reads a signature in the query string.
func inQuery(query url.Values) (signer, error) {
	var b strings.Builder
	for _, name := range queryParts {
		if query.Get(name) == "" {
			b.WriteString("AWS query-string parameters must include '" + name + "'. ")
		}
	}
	if b.Len() > 0 {
		b.WriteString("Re-examine the query-string parameters.")
		return signer{}, &authFault{"IncompleteSignatureException", b.String()}
	}
	return scope(query.Get("X-Amz-Credential")), nil
}

// scope reads a credential, <key>/<date>/<region>/<service>/<term>, from its end: nothing forbids a local user a key with
// slashes. A signature for several regions (SigV4A) names none and has a part less.
func scope(credential string) signer {
	rest, term, _ := cutLast(credential)
	if term != "aws4_request" {
		return signer{key: credential}
	}
	rest, _, _ = cutLast(rest)
	rest, region, ok := cutLast(rest)
	key, _, dated := cutLast(rest)
	if !ok || !dated || !isRegion(region) {
		return signer{key: credential}
	}
	return signer{key: key, region: region}
}

// cutLast cuts s at its last slash.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// isRegion tells whether a name may stand for the region in an ARN. People who run a database at home make up names of
// their own, so only the letters are looked at.
func isRegion(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
