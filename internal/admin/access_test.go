package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAccess asks for each path with and without the token, on an address of this machine and on
// one that others reach.
func TestAccess(t *testing.T) {
	profiles := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("a profile")) })
	const token = "the token of this test"
	for _, test := range []struct {
		path                   string
		open, exposed, allowed int // without the token here, without it where others come, and with it
	}{
		{"/healthz", 202, 202, 202}, // there is no database
		{"/readyz", 503, 503, 503},
		{"/metrics", 200, 401, 200},
		{"/debug/pprof/heap", 401, 401, 200},
		{"/nothing", 404, 404, 404},
	} {
		for _, exposed := range []bool{false, true} {
			h := New(Options{Token: token, Exposed: exposed, Profiles: profiles})
			without := test.open
			if exposed {
				without = test.exposed
			}
			for authorization, want := range map[string]int{
				"": without, "Bearer wrong": without, "Basic " + token: without, "Bearer " + token + "x": without, "Bearer " + token: test.allowed, "bearer " + token: test.allowed,
			} {
				r := httptest.NewRequest("GET", "http://localhost:8002"+test.path, nil)
				if authorization != "" {
					r.Header.Set("Authorization", authorization)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != want {
					t.Errorf("%s, exposed %v, Authorization %q: %d, want %d", test.path, exposed, authorization, w.Code, want)
				}
				if strings.Contains(w.Body.String(), token) {
					t.Errorf("%s shows the token", test.path)
				}
			}
		}
	}
}

// TestHosts checks which names requests may come under: those that no stranger can give to this
// machine.
func TestHosts(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:8002": true, "LocalHost.:8002": true, "db.localhost:1": true, "127.0.0.1:8002": true, "[::1]:8002": true,
		"::1": true, "192.168.1.7:80": true, "evil.example": false, "localhost.evil.example:8002": false, "127.0.0.1.evil.example": false, "": false,
	} {
		for _, exposed := range []bool{false, true} {
			r := httptest.NewRequest("GET", "/healthz", nil)
			r.Host = host
			w := httptest.NewRecorder()
			New(Options{Exposed: exposed}).ServeHTTP(w, r)
			if got := w.Code == http.StatusAccepted; got != (want || exposed) {
				t.Errorf("Host %q, exposed %v: %d", host, exposed, w.Code)
			}
		}
	}
}

// TestNotServing checks that a server that is starting, or is being stopped, lives, does not say
// that it serves, and is not ready.
func TestNotServing(t *testing.T) {
	h := New(Options{})
	for _, says := range []string{"starting: ", "draining: "} {
		for path, want := range map[string]int{"/healthz": 202, "/readyz": 503} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost"+path, nil))
			if w.Code != want || !strings.HasPrefix(w.Body.String(), says) {
				t.Errorf("%s: %d %s, want %d %s", path, w.Code, w.Body, want, says)
			}
		}
		h.Drain()
	}
}
