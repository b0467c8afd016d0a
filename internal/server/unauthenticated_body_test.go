package server

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/sigv4/sigv4test"
	"github.com/partita-db/partita/internal/wiretest"
)

// upload is a body that looks at the handler while it is read, and its length if that is announced.
type upload struct {
	io.Reader
	look func()
}

func (u upload) Read(p []byte) (int, error) {
	u.look()
	return u.Reader.Read(p)
}

func (upload) Close() error { return nil }

// patience is a writer that takes a deadline for the body.
type patience struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (p *patience) SetReadDeadline(t time.Time) error {
	p.deadline = t
	return nil
}

// TestUnauthenticatedBodies sends large bodies with and without a signature that may be right:
// whose cannot be gets none of the memory for large bodies, nothing decompressed, and little time.
func TestUnauthenticatedBodies(t *testing.T) {
	large := wiretest.Object(maxBodyBytes)
	bomb := compressed(t, "gzip", large)
	alice := sigv4test.Signing{Key: "AKIDALICE", Secret: "alices"}
	for _, test := range []struct {
		name, encoding, body string
		s                    *sigv4test.Signing // nil: it is not signed
		chunked              bool
		code                 string
		drawn                bool
	}{
		{"nobody's", "", large, nil, false, "MissingAuthenticationTokenException", false},
		{"nobody's, chunked", "", large, nil, true, "MissingAuthenticationTokenException", false},
		{"nobody's, just too large", "", wiretest.Object(unauthenticatedBodyBytes + 1), nil, true, "MissingAuthenticationTokenException", false},
		{"nobody's bomb", "gzip", bomb, nil, false, "MissingAuthenticationTokenException", false},
		{"nobody's small bomb", "gzip", compressed(t, "gzip", wiretest.Object(4000)), nil, true, "MissingAuthenticationTokenException", false},
		{"an unknown key's", "", large, &sigv4test.Signing{Key: "AKIDNOBODY", Secret: "x"}, false, "UnrecognizedClientException", false},
		{"an old one", "", large, &sigv4test.Signing{Key: "AKIDALICE", Secret: "alices", Date: "20261122T110000Z"}, false, "InvalidSignatureException", false},
		{"a wrong secret's", "", large, &sigv4test.Signing{Key: "AKIDALICE", Secret: "bobs"}, false, "InvalidSignatureException", true},
		{"alice's", "", large, &alice, false, "", true},
		{"alice's, packed", "gzip", bomb, &alice, true, "", true},
	} {
		h := guarded(t, func() time.Time { return wiretest.Noon })
		var most int64
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Content-Type", amzJSON)
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810.PutItem")
		if test.encoding != "" {
			r.Header.Set("Content-Encoding", test.encoding)
		}
		if test.s != nil {
			test.s.Sign(r, []byte(test.body))
		}
		r.Body = upload{strings.NewReader(test.body), func() { used, _ := h.Buffers(); most = max(most, used) }}
		if r.ContentLength = int64(len(test.body)); test.chunked {
			r.ContentLength = -1
		}
		w := &patience{ResponseRecorder: httptest.NewRecorder()}
		h.ServeHTTP(w, r)
		if got := w.Body.String(); w.Code == http.StatusOK != (test.code == "") || !strings.Contains(got, test.code) {
			t.Errorf("%s was answered %d %.200s, want %s", test.name, w.Code, got, test.code)
		}
		if most > 0 != test.drawn {
			t.Errorf("%s drew %d bytes", test.name, most)
		}
		if limited := !w.deadline.IsZero(); limited == test.drawn || limited && time.Until(w.deadline) > listen.UnauthenticatedTime {
			t.Errorf("%s may take until %v", test.name, w.deadline)
		}
	}
}

// TestUnauthenticatedHealth asks for the health page with a body, which nobody needs to sign, but
// not of any size.
func TestUnauthenticatedHealth(t *testing.T) {
	for size, want := range map[int]int{0: 200, unauthenticatedBodyBytes: 200, unauthenticatedBodyBytes + 1: 413} {
		h := guarded(t, func() time.Time { return wiretest.Noon })
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", bytes.NewReader(make([]byte, size))))
		if w.Code != want {
			t.Errorf("with %d bytes: %d, want %d", size, w.Code, want)
		}
	}
}

// TestEndedWhileSending has a credential end while its request is being sent.
func TestEndedWhileSending(t *testing.T) {
	clock := clocktest.New(wiretest.Noon)
	h := guarded(t, clock.Now)
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Content-Type", amzJSON)
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.PutItem")
	sigv4test.Signing{Key: "AKIDBOB", Secret: "bobs"}.Sign(r, []byte("{}"))
	r.Body, r.ContentLength = upload{strings.NewReader("{}"), func() { clock.Advance(time.Second) }}, 2
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Body.String(); w.Code != 400 || !strings.Contains(got, "ExpiredTokenException") {
		t.Errorf("answered %d %s", w.Code, got)
	}
}

// TestNoDeadlines serves unauthenticated connections through a server that takes no deadlines, and
// looks into the log: it says so, once.
func TestNoDeadlines(t *testing.T) {
	o, log := open(nil, nil)
	var err error
	if o.Credentials, err = iam.Parse([]byte(wiretest.Everybody)); err != nil {
		t.Fatal(err)
	}
	o.Open, o.Now = false, func() time.Time { return wiretest.Noon }
	h := NewHandler(o)
	for range 3 {
		h.ServeHTTP(httptest.NewRecorder(), wiretest.CallBy(nil, "localhost", "/", "{}"))
	}
	if text := log(); strings.Count(text, "takes no deadlines") != 1 {
		t.Errorf("the log:\n%s", text)
	}
}
