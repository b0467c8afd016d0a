package webpage

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWanted has the Accept headers of browsers, and of what is none.
func TestWanted(t *testing.T) {
	for accept, want := range map[string]bool{
		"text/html": true, "TEXT/HTML": true, "text/html;q=0.5": true, "image/png, text/html ; level=1;q=1": true,
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8":     true, // Firefox
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/apng,*/*;q=0.8,a/b;v=b3;q=0.7": true, // Chrome
		"": false, "*/*": false, "text/*": false, "application/json": false,
		"text/html;q=0": false, "text/html; q=0.0": false,
		"text/htmlx": false, "application/xhtml+xml": false, "application/x-amz-json-1.0": false,
		"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2": false, // Java until 11
		"text/html, image/gif, image/jpeg, */*; q=0.2":         false, // Java since
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "PUT"} {
			r := httptest.NewRequest(method, "/", nil)
			if accept != "" {
				r.Header.Set("Accept", accept)
			}
			if got := Wanted(r); got != (want && (method == "GET" || method == "HEAD")) {
				t.Errorf("%s with Accept %q wants a page: %v", method, accept, got)
			}
		}
	}
}

// TestPage checks that the policy allows the page's own style, and that a title is text.
func TestPage(t *testing.T) {
	h := http.Header{}
	SetHeaders(h)
	got := string(Append(nil, "<b> & c", "<p>body</p>"))
	if !strings.Contains(got, "<title>&lt;b&gt; &amp; c</title>") || !strings.HasSuffix(got, "<p>body</p>") {
		t.Errorf("the page is %s", got)
	}
	// The hash in the policy is of what a browser finds between the tags.
	_, inside, _ := strings.Cut(got, "<style>")
	inside, _, _ = strings.Cut(inside, "</style>")
	if inside != style || strings.ContainsRune(style, '\r') || strings.Contains(style, "<") {
		t.Errorf("the style is %q", inside)
	}
	if p := h.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'; style-src 'sha256-") ||
		strings.Contains(p, "unsafe") || strings.Contains(p, "http") {
		t.Errorf("the policy is %s", p)
	}
}
