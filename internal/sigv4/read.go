// Package sigv4 is AWS's Signature Version 4: it reads the signature of a request, checks what
// needs no secret, writes the canonical form that was signed, and derives the signing keys.
// Verification (Read, Signature.Check, Canonical, Keys) and signing (Signer) share form and keys.
//
// It is for any service. It words no answers: what is wrong with a signature it returns as typed
// errors.
package sigv4

import (
	"net/http"
	"strings"
)

// Signature is the signature of a request as it was sent, in its Authorization header or in its
// query string. Nothing in it is verified.
type Signature struct {
	Algorithm     string
	Credential    string // <key>/<date>/<region>/<service>/<term>
	SignedHeaders string // names, with semicolons between them
	Signature     string
	Date          string
	Token         string // of the session; empty: none
	Target        string // X-Amz-Target, if it is in the query string; empty: it is in the header
	InQuery       bool
}

// Claim is the access key that a request names in its credential, and the region. Either may be
// empty if the credential does not have it.
type Claim struct{ AccessKey, Region string }

// Read returns the signature of a request, the zero one if there is none. Errors are
// ErrSignedTwice, ErrNotSigned for another scheme in Authorization, and *MissingError.
func Read(r *http.Request) (Signature, error) {
	header := first(r.Header, "Authorization")
	if r.URL.RawQuery != "" && hasParameter(r.URL.RawQuery, "X-Amz-Algorithm") {
		if header != "" {
			return Signature{}, ErrSignedTwice
		}
		return inQuery(r)
	}
	if len(r.Header["Authorization"]) == 0 {
		return Signature{}, nil
	}
	if !strings.HasPrefix(header, "AWS4-") {
		return Signature{}, ErrNotSigned
	}
	return inHeader(r, header)
}

// inHeader reads a signature in the Authorization header:
//
//	AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request,
//	SignedHeaders=<…>, Signature=<…>
func inHeader(r *http.Request, header string) (Signature, error) {
	sig := Signature{Date: first(r.Header, "X-Amz-Date"), Token: first(r.Header, "X-Amz-Security-Token")}
	if sig.Date == "" {
		sig.Date = first(r.Header, "Date")
	}
	var rest string
	sig.Algorithm, rest, _ = strings.Cut(header, " ")
	for rest != "" {
		end := 0
		for end < len(rest) && rest[end] != ',' && rest[end] != ' ' {
			end++
		}
		name, value, _ := strings.Cut(rest[:end], "=")
		rest = rest[min(end+1, len(rest)):]
		switch name {
		case "Credential":
			sig.Credential = value
		case "Signature":
			sig.Signature = value
		case "SignedHeaders":
			sig.SignedHeaders = value
		}
	}
	if missing := sig.missing(); missing != nil {
		return Signature{}, &MissingError{Parts: missing, Authorization: header}
	}
	return sig, nil
}

// missing returns the parts that a signature in a header lacks, in AWS's order.
func (sig *Signature) missing() (names []string) {
	for _, p := range [...]struct{ name, value string }{
		{"Credential", sig.Credential}, {"Signature", sig.Signature}, {"SignedHeaders", sig.SignedHeaders},
		{"X-Amz-Date", sig.Date},
	} {
		if p.value == "" {
			names = append(names, p.name)
		}
	}
	return names
}

// inQuery reads a signature in the query string. If a parameter is there twice the first counts.
func inQuery(r *http.Request) (Signature, error) {
	sig := Signature{InQuery: true}
	for query := r.URL.RawQuery; query != ""; {
		var name, value string
		name, value, query = nextParameter(query)
		if part := sig.parameter(unescape(name)); part != nil && *part == "" {
			*part = unescape(value)
		}
	}
	var missing []string
	for _, name := range [...]string{ // AWS's order
		"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date",
	} {
		if *sig.parameter(name) == "" {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return Signature{}, &MissingError{InQuery: true, Parts: missing}
	}
	if sig.Token == "" {
		sig.Token = first(r.Header, "X-Amz-Security-Token")
	}
	return sig, nil
}

// parameter is the field for a parameter of the query string, nil if there is none.
func (sig *Signature) parameter(name string) *string {
	switch name {
	case "X-Amz-Algorithm":
		return &sig.Algorithm
	case "X-Amz-Credential":
		return &sig.Credential
	case "X-Amz-Signature":
		return &sig.Signature
	case "X-Amz-SignedHeaders":
		return &sig.SignedHeaders
	case "X-Amz-Date":
		return &sig.Date
	case "X-Amz-Security-Token":
		return &sig.Token
	case "X-Amz-Target":
		return &sig.Target // presigners move all X-Amz headers into the query
	}
	return nil
}

// hasParameter tells whether a query string has a parameter of the name.
func hasParameter(query, name string) bool {
	for query != "" {
		var n string
		if n, _, query = nextParameter(query); unescape(n) == name {
			return true
		}
	}
	return false
}

// nextParameter cuts the first parameter off a query string, and skips empty ones behind it.
func nextParameter(query string) (name, value, rest string) {
	pair, rest, _ := strings.Cut(query, "&")
	name, value, _ = strings.Cut(pair, "=")
	return name, value, strings.TrimLeft(rest, "&")
}

// signs tells whether SignedHeaders contains the name, in any case.
func signs(signedHeaders, name string) bool {
	for signedHeaders != "" {
		var n string
		if n, signedHeaders, _ = strings.Cut(signedHeaders, ";"); strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// ClaimOf returns the claim of a credential, <key>/<date>/<region>/<service>/<term>, without
// checking it. It reads from the end, since on a server without authentication a key can be any
// text, also one with slashes. A signature for several regions (SigV4A) has no region and one part
// less.
func ClaimOf(credential string) Claim {
	rest, term, _ := cutLast(credential)
	if term != terminator {
		return Claim{AccessKey: credential}
	}
	rest, _, _ = cutLast(rest)
	rest, region, ok := cutLast(rest)
	key, _, dated := cutLast(rest)
	if !ok || !dated || !isRegion(region) {
		return Claim{AccessKey: credential}
	}
	return Claim{AccessKey: key, Region: region}
}

// cutLast cuts s at its last slash.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// isRegion tells whether a name can be the region in an ARN. It need not be one of AWS's, as users
// choose names of their own, so only length and characters are checked.
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

// first returns the first value of a header, or "". The name must be canonical: unlike Header.Get
// it does not spend time on making it so.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
