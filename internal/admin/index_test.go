package admin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// ask sends a request to a server under a Host, and returns the answer with its body.
func ask(t *testing.T, s *httptest.Server, method, path, host, accept string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// TestIndex asks a server for its list, as text and as a page.
func TestIndex(t *testing.T) {
	o := Options{Token: "the token of this test", Version: "1.2.3", Profiles: http.NotFoundHandler()}
	s := httptest.NewServer(New(o))
	defer s.Close()
	const want = `Partita, for those who operate it

GET   /healthz       whether the process works, or has to be restarted
GET   /readyz        whether requests are served now, and if not why
GET   /metrics       figures for Prometheus
POST  /backup        writes a copy of all data: {"directory": "/an/absolute/path"} (requires the token)
GET   /debug/pprof/  profiles, for go tool pprof (requires the token)

The token goes into a header: Authorization: Bearer TOKEN
`
	for _, accept := range []string{"", "*/*", "application/json"} {
		resp, got := ask(t, s, "GET", "/", "localhost", accept)
		if resp.StatusCode != 200 || got != want || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("with Accept %q: %d %v\n%s\nwant\n%s", accept, resp.StatusCode, resp.Header, got, want)
		}
	}
	resp, got := ask(t, s, "GET", "/", "127.0.0.1:8002", "text/html,*/*;q=0.8")
	policy := resp.Header.Get("Content-Security-Policy")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" ||
		!strings.HasPrefix(policy, "default-src 'none'; ") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the page: %d %v", resp.StatusCode, resp.Header)
	}
	for _, said := range []string{"<td>figures for Prometheus</td>", "{&#34;directory&#34;: ", "<code>/backup</code>"} {
		if !strings.Contains(got, said) {
			t.Errorf("the page lacks %s:\n%s", said, got)
		}
	}
	links := regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(got, -1)
	if len(links) != 3 || strings.Contains(got, "1.2.3") || strings.Contains(got, "the token of") {
		t.Errorf("the page is %s", got)
	}
	for _, link := range links {
		if resp, _ := ask(t, s, "GET", link[1], "localhost", ""); resp.StatusCode == 404 || resp.StatusCode == 401 {
			t.Errorf("the page leads to %s: %d", link[1], resp.StatusCode)
		}
	}
	resp, got = ask(t, s, "HEAD", "/", "localhost", "")
	if resp.StatusCode != 200 || got != "" || resp.ContentLength != int64(len(want)) {
		t.Errorf("HEAD: %d, %d bytes", resp.StatusCode, resp.ContentLength)
	}
	if resp, _ := ask(t, s, "POST", "/", "localhost", ""); resp.StatusCode != 405 {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}

// TestIndexOf checks who gets the list, and that it is of the server that is asked.
func TestIndexOf(t *testing.T) {
	here, exposed := httptest.NewServer(New(Options{})), httptest.NewServer(New(Options{Exposed: true}))
	defer here.Close()
	defer exposed.Close()
	for _, accept := range []string{"", "text/html"} {
		resp, body := ask(t, here, "GET", "/", "evil.example", accept)
		if resp.StatusCode != 403 || strings.Contains(body, "healthz") {
			t.Errorf("under a stranger's name: %d %s", resp.StatusCode, body)
		}
	}
	if _, body := ask(t, here, "GET", "/", "localhost", ""); strings.Contains(body, "pprof") ||
		!strings.Contains(body, "figures for Prometheus\n") {
		t.Errorf("without profiles the list is\n%s", body)
	}
	_, body := ask(t, exposed, "GET", "/", "db.example", "")
	if !strings.Contains(body, "figures for Prometheus (requires the token)\n") {
		t.Errorf("where others come the list is\n%s", body)
	}
}
