package server

import (
	"net/http"
	"strings"
)

// signature is what a request says of how it was signed, in its Authorization header or in its
// query string.
type signature struct {
	algorithm     string
	credential    string // <key>/<date>/<region>/<service>/<term>
	signedHeaders string // names, with semicolons between them
	signature     string
	date          string
	token         string // of the session; empty: none
	target        string // in a query string, what X-Amz-Target is in a header; empty: it is in the header
	inQuery       bool
}

// claim is who says to have signed a request, and for which region. Either may be empty where the
// credential does not say.
type claim struct{ key, region string }

// readSignature finds a request's signature and checks that it has all its parts. The signature of
// a request that has none is the zero one.
func readSignature(r *http.Request) (signature, error) {
	header := first(r.Header, "Authorization")
	if r.URL.RawQuery != "" && hasParameter(r.URL.RawQuery, "X-Amz-Algorithm") {
		if header != "" {
			return signature{}, errSignedTwice
		}
		return inQuery(r)
	}
	if len(r.Header["Authorization"]) == 0 {
		return signature{}, nil
	}
	if !strings.HasPrefix(header, "AWS4-") {
		return signature{}, errNotSigned
	}
	return inHeader(r, header)
}

// inHeader reads a signature in the Authorization header:
// AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/dynamodb/aws4_request, SignedHeaders=<…>, Signature=<…>
func inHeader(r *http.Request, header string) (signature, error) {
	sig := signature{date: first(r.Header, "X-Amz-Date"), token: first(r.Header, "X-Amz-Security-Token")}
	if sig.date == "" {
		sig.date = first(r.Header, "Date")
	}
	var rest string
	sig.algorithm, rest, _ = strings.Cut(header, " ")
	for rest != "" {
		end := 0
		for end < len(rest) && rest[end] != ',' && rest[end] != ' ' {
			end++
		}
		name, value, _ := strings.Cut(rest[:end], "=")
		rest = rest[min(end+1, len(rest)):]
		switch name {
		case "Credential":
			sig.credential = value
		case "Signature":
			sig.signature = value
		case "SignedHeaders":
			sig.signedHeaders = value
		}
	}
	if missing := sig.missing(); missing != nil {
		return signature{}, &missingError{Parts: missing, Authorization: header}
	}
	return sig, nil
}

// missing tells which parts a signature in a header lacks.
func (sig *signature) missing() (names []string) {
	for _, p := range [...]struct{ name, value string }{
		{"Credential", sig.credential}, {"Signature", sig.signature}, {"SignedHeaders", sig.signedHeaders},
		{"X-Amz-Date", sig.date},
	} {
		if p.value == "" {
			names = append(names, p.name)
		}
	}
	return names
}

// inQuery reads a signature in the query string. Of a parameter that is there twice the first
// counts.
func inQuery(r *http.Request) (signature, error) {
	sig := signature{inQuery: true}
	for query := r.URL.RawQuery; query != ""; {
		var name, value string
		name, value, query = nextParameter(query)
		if part := sig.parameter(unescape(name)); part != nil && *part == "" {
			*part = unescape(value)
		}
	}
	var missing []string
	for _, name := range [...]string{ // in the order in which AWS misses them
		"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date",
	} {
		if *sig.parameter(name) == "" {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return signature{}, &missingError{InQuery: true, Parts: missing}
	}
	if sig.token == "" {
		sig.token = first(r.Header, "X-Amz-Security-Token")
	}
	return sig, nil
}

// parameter is the part of the signature that a parameter of the query string tells, or nil.
func (sig *signature) parameter(name string) *string {
	switch name {
	case "X-Amz-Algorithm":
		return &sig.algorithm
	case "X-Amz-Credential":
		return &sig.credential
	case "X-Amz-Signature":
		return &sig.signature
	case "X-Amz-SignedHeaders":
		return &sig.signedHeaders
	case "X-Amz-Date":
		return &sig.date
	case "X-Amz-Security-Token":
		return &sig.token
	case "X-Amz-Target":
		return &sig.target // presigners move all X-Amz headers there
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

// nextParameter cuts the first parameter off a query string. Where there is nothing between two
// ampersands there is none.
func nextParameter(query string) (name, value, rest string) {
	pair, rest, _ := strings.Cut(query, "&")
	name, value, _ = strings.Cut(pair, "=")
	return name, value, strings.TrimLeft(rest, "&")
}

// signs tells whether SignedHeaders has a header's name.
func signs(signedHeaders, name string) bool {
	for signedHeaders != "" {
		var n string
		if n, signedHeaders, _ = strings.Cut(signedHeaders, ";"); strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// claimOf reads a credential, <key>/<date>/<region>/<service>/<term>, from its end: nothing forbids
// a local user a key with slashes. A signature for several regions (SigV4A) names none and has a
// part less.
func claimOf(credential string) claim {
	rest, term, _ := cutLast(credential)
	if term != terminator {
		return claim{key: credential}
	}
	rest, _, _ = cutLast(rest)
	rest, region, ok := cutLast(rest)
	key, _, dated := cutLast(rest)
	if !ok || !dated || !isRegion(region) {
		return claim{key: credential}
	}
	return claim{key: key, region: region}
}

// cutLast cuts s at its last slash.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// isRegion tells whether a name may stand for the region in an ARN. People who run a database at
// home make up names of their own, so only the letters are looked at.
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

// first returns the first value of a header given in canonical form, or "". Unlike Header.Get it
// does not look at the name to see whether it is canonical.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
