package sigv4

import (
	"net/http"
	"net/url"
	"testing"
)

// FuzzRead reads signatures of any form. Whatever comes, the region of a claim can stand in an ARN.
func FuzzRead(f *testing.F) {
	f.Add("", "AWS4-HMAC-SHA256 Credential=a/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	f.Add("X-Amz-Algorithm=a&X-Amz-Credential=a", "")
	f.Add("X-Amz-Algorithm=%", "AWS4-")
	f.Add("", "AWS4-HMAC-SHA256 Credential=/////, Credential")
	f.Fuzz(func(t *testing.T, query, authorization string) {
		r := &http.Request{URL: &url.URL{Path: "/", RawQuery: query}, Header: http.Header{"Date": {"now"}}}
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		sig, err := Read(r)
		if who := ClaimOf(sig.Credential); err == nil && who.Region != "" && !isRegion(who.Region) {
			t.Errorf("the region is %q", who.Region)
		}
	})
}
