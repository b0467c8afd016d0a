package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/wiretest"
)

// panicky is a body that panics, as a decoder might.
type panicky struct{}

func (panicky) Read([]byte) (int, error) { panic("the decoder is broken") }

// TestPanicBeforeTheCall checks that a panic outside of Serve is answered and logged as well.
func TestPanicBeforeTheCall(t *testing.T) {
	o, log := open(nil, nil)
	h := NewHandler(o)
	r := httptest.NewRequest("POST", "http://localhost/", io.MultiReader(strings.NewReader(wiretest.Object(100000)), panicky{}))
	r.ContentLength = 200000
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 500 || w.Body.String() != string(internalError) || w.Header().Get("Connection") != "close" {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	id := w.Header().Get("X-Amzn-Requestid")
	for _, want := range []string{"the decoder is broken", "request_id=" + id, "panicky"} {
		if !strings.Contains(log(), want) {
			t.Errorf("the log has no %q:\n%s", want, log())
		}
	}
	if left := h.budget.left.Load(); left != defaultBufferBytes {
		t.Errorf("%d bytes of the budget are left", left)
	}
}

// breaking is a client to which writing panics.
type breaking struct{ http.ResponseWriter }

func (breaking) Write([]byte) (int, error) { panic("the answer is broken") }

// TestPanicAfterTheCall checks that half an answer is cut off.
func TestPanicAfterTheCall(t *testing.T) {
	o, log := open(nil, nil)
	h := NewHandler(o)
	r := httptest.NewRequest("GET", "http://localhost/", nil)
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("the panic is %v", p)
		}
		if !strings.Contains(log(), "the answer is broken") {
			t.Errorf("the log:\n%s", log())
		}
		if h.requestLimit.running.Load() != 0 || h.budget.left.Load() != defaultBufferBytes {
			t.Errorf("%d run, %d bytes are left", h.requestLimit.running.Load(), h.budget.left.Load())
		}
	}()
	h.ServeHTTP(breaking{httptest.NewRecorder()}, r)
}
