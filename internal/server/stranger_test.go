package server

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
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

// TestStrangers sends large bodies with and without a signature that may be right: whose cannot be gets none of the memory for
// large bodies, nothing decompressed, and little time.
func TestStrangers(t *testing.T) {
	large := object(maxBodyBytes)
	bomb := packed(t, "gzip", large)
	alice := signing{key: "AKIDALICE", secret: "alices"}
	for _, test := range []struct {
		name, encoding, body string
		s                    *signing // nil: it is not signed
		chunked              bool
		code                 string
		drawn                bool
	}{
		{"nobody's", "", large, nil, false, "MissingAuthenticationTokenException", false},
		{"nobody's, chunked", "", large, nil, true, "MissingAuthenticationTokenException", false},
		{"nobody's, just too large", "", object(strangerBytes + 1), nil, true, "MissingAuthenticationTokenException", false},
		{"nobody's bomb", "gzip", bomb, nil, false, "MissingAuthenticationTokenException", false},
		{"nobody's small bomb", "gzip", packed(t, "gzip", object(4000)), nil, true, "MissingAuthenticationTokenException", false},
		{"an unknown key's", "", large, &signing{key: "AKIDNOBODY", secret: "x"}, false, "UnrecognizedClientException", false},
		{"an old one", "", large, &signing{key: "AKIDALICE", secret: "alices", date: "20261122T110000Z"}, false, "InvalidSignatureException", false},
		{"a wrong secret's", "", large, &signing{key: "AKIDALICE", secret: "bobs"}, false, "InvalidSignatureException", true},
		{"alice's", "", large, &alice, false, "", true},
		{"alice's, packed", "gzip", bomb, &alice, true, "", true},
	} {
		h := guarded(t, func() time.Time { return noon })
		var most int64
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Content-Type", amzJSON)
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810.PutItem")
		if test.encoding != "" {
			r.Header.Set("Content-Encoding", test.encoding)
		}
		if test.s != nil {
			test.s.sign(r, []byte(test.body))
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
		if limited := !w.deadline.IsZero(); limited == test.drawn || limited && time.Until(w.deadline) > strangerTime {
			t.Errorf("%s may take until %v", test.name, w.deadline)
		}
	}
}

// TestStrangersHealth asks for the health page with a body, which nobody needs to sign, but not of any size.
func TestStrangersHealth(t *testing.T) {
	for size, want := range map[int]int{0: 200, strangerBytes: 200, strangerBytes + 1: 413} {
		h := guarded(t, func() time.Time { return noon })
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", bytes.NewReader(make([]byte, size))))
		if w.Code != want {
			t.Errorf("with %d bytes: %d, want %d", size, w.Code, want)
		}
	}
}

// TestEndedWhileSending has a credential end while its request is being sent.
func TestEndedWhileSending(t *testing.T) {
	now := noon
	h := guarded(t, func() time.Time { return now })
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Content-Type", amzJSON)
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.PutItem")
	signing{key: "AKIDBOB", secret: "bobs"}.sign(r, []byte("{}"))
	r.Body, r.ContentLength = upload{strings.NewReader("{}"), func() { now = noon.Add(time.Second) }}, 2
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Body.String(); w.Code != 400 || !strings.Contains(got, "ExpiredTokenException") {
		t.Errorf("answered %d %s", w.Code, got)
	}
}
