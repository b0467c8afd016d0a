package server

import (
	"hash"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/partita-db/partita/internal/api"
	"github.com/partita-db/partita/internal/sigv4"
)

const (
	// freeBytes is the size up to which the buffers of bodies and answers do not draw on the
	// budget.
	freeBytes = 4 << 10
	// pooledBytes is the largest buffer that an exchange keeps for the next one. Those of large
	// answers have pools of their own.
	pooledBytes = 64 << 10
	// idBytes is the length of a request id.
	idBytes = 52
	// headBytes is the length of all header values that one answer has for itself: id, checksum,
	// content length.
	headBytes = idBytes + 10 + 10
)

// exchange is one request and its answer, with the memory that the next one uses again.
type exchange struct {
	h    *Handler
	w    http.ResponseWriter
	r    *http.Request
	call api.Request

	in         []byte // the body, decompressed
	out        []byte // the answer's body
	small      []byte // the pooled buffer that out has outgrown, for the next exchange; nil: out is it
	compressed []byte // the same, compressed

	sig   sigv4.Signature
	who   sigv4.Claim // access key and region that it claims; set only where there are credentials
	fault error       // an *authFault, what is wrong with the claim; nil: nothing so far

	raw       hash.Hash // SHA-256 of the body as sent, where in has it decompressed; nil: in is as sent
	canonical sigv4.Canonical

	head strings.Builder // the text behind the header values: one allocation for all of them
	id   string          // x-amzn-RequestId

	// what in, out and compressed have drawn from the budget
	inReservation, outReservation, compressedReservation reservation

	logged   bool      // the log is at debug level
	began    time.Time // zero if neither metrics nor the log need it
	status   int
	sent     int
	why      string // for the log: what is wrong, where AWS's answer does not say
	reported bool   // the rejection has been logged already, or is not to be
}

// end counts and logs the exchange, returns what it took from the budget, and puts it back into the
// pool, without buffers that have grown large: a few huge requests would otherwise leave every
// pooled exchange with a huge buffer. It logs first, as the log reads the buffers.
func (x *exchange) end() {
	h := x.h
	if x.status != http.StatusOK {
		x.explain()
	}
	if !x.began.IsZero() {
		x.logRequest()
	}
	if x.status != http.StatusOK || x.call.Report.Inner != "" {
		x.logClientError()
	}
	x.release()
	x.canonical.Release()
	if x.small != nil {
		x.out = x.small
	}
	*x = exchange{in: keep(x.in), out: keep(x.out), compressed: keep(x.compressed), canonical: x.canonical}
	h.pool.Put(x)
}

// keep returns the buffer, emptied, if it may go back to the pool.
func keep(b []byte) []byte {
	if cap(b) > pooledBytes {
		return nil
	}
	return b[:0]
}

// idAlphabet is what request ids are written in: 32 of [A-Z0-9], five bits each.
const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

// newID gives the exchange its request id. It need not be hard to guess, only unlikely to come
// twice.
func (x *exchange) newID() {
	var id [idBytes]byte
	for i := 0; i < idBytes; {
		bits := rand.Uint64()
		for n := 0; n < 12 && i < idBytes; n++ {
			id[i] = idAlphabet[bits&31]
			bits >>= 5
			i++
		}
	}
	x.head.Grow(headBytes)
	x.head.Write(id[:])
	x.id = x.head.String()
}
