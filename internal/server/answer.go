package server

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/partita-db/partita/internal/exception"
)

// The header values that are the same in every answer. All answers share them: they are read only.
var (
	typeAmzJSON     = []string{amzJSON}
	typeJSON        = []string{plainJSON}
	serverName      = []string{"Server"} // what AWS calls itself
	anyOrigin       = []string{"*"}
	corsMaxAge      = []string{"172800"}
	gzipEncoding    = []string{"gzip"}
	deflateEncoding = []string{"deflate"}
	hangUpHeader    = []string{"close"}
	yes             = []string{"true"}
)

// The bodies that are the same whatever was asked.
var (
	unknownXML       = []byte("<UnknownOperationException/>\n")
	unknownOperation = exception.Of("UnknownOperationException").Body("")
	malformed        = exception.Of("SerializationException").Body("")
	internalError    = exception.Of("InternalServerError").Body("Internal server error")
	unavailable      = exception.Of("ServiceUnavailable").
				Body("The memory for large requests is in use. Please try again shortly.")
)

// compressBytes is the length from which a body is compressed for a client that asks for it. Errors
// never are: they can be long (a ConditionalCheckFailedException has an item), and SDKs that unpack
// answers do not all unpack errors (Java's does not).
const compressBytes = 1 << 10

// send sends the answer. It writes the header map directly, with names in canonical form, since
// Header.Set would examine each name and allocate a slice for each value.
func (x *exchange) send(status int, body []byte) {
	header := x.w.Header()
	if status == http.StatusOK && len(body) >= compressBytes && len(x.r.Header["Accept-Encoding"]) > 0 {
		body = x.compress(header, body)
	}
	var digits [10]byte
	x.head.Write(strconv.AppendUint(digits[:0], uint64(crc32.ChecksumIEEE(body)), 10))
	end := x.head.Len()
	x.head.Write(strconv.AppendUint(digits[:0], uint64(len(body)), 10))
	text := x.head.String()
	values := []string{text[:idBytes], text[idBytes:end], text[end:]} // one allocation for three headers
	header["X-Amzn-Requestid"] = values[0:1:1]
	header["X-Amz-Crc32"] = values[1:2:2]
	header["Content-Length"] = values[2:3:3]
	header["Server"] = serverName
	if _, typed := header["Content-Type"]; !typed {
		header["Content-Type"] = nil // or net/http would guess one
	}
	x.status, x.sent = status, len(body)
	if status != http.StatusOK && x.call.Report.Code == "" {
		x.noteCode(body)
	}
	x.w.WriteHeader(status)
	x.w.Write(body) // an error here means that the client has closed the connection
}

// hangUp closes the connection after the answer, because where the next request begins is not
// known. HTTP/2 does not need it: a stream that is abandoned does not disturb the others.
func (x *exchange) hangUp() {
	if x.r.ProtoMajor < 2 {
		x.w.Header()["Connection"] = hangUpHeader
	}
}

// sendUnavailable answers that the memory for large requests is spent, with a status that the SDKs
// retry.
func (x *exchange) sendUnavailable() { x.send(http.StatusServiceUnavailable, unavailable) }

// compress compresses the body as the client accepts it, if that makes it shorter, and says so in
// the header.
func (x *exchange) compress(header http.Header, body []byte) []byte {
	accept := strings.Join(x.r.Header["Accept-Encoding"], ",")
	var encoding []string
	var pool *sync.Pool
	switch {
	case accepts(accept, "gzip"):
		encoding, pool = gzipEncoding, &gzipPool
	case accepts(accept, "deflate"):
		encoding, pool = deflateEncoding, &zlibPool
	default:
		return body
	}
	x.compressed = appendCompressed(x.compressed[:0], body, pool)
	x.compressedReservation.force(&x.h.budget, cap(x.compressed)) // shorter than what has been granted
	if len(x.compressed) >= len(body) {
		return body
	}
	header["Content-Encoding"] = encoding
	return x.compressed
}

// accepts tells whether an Accept-Encoding names the encoding without forbidding it.
func accepts(accept, encoding string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, parameter, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), encoding) {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(parameter, " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !found || err != nil || weight > 0
	}
	return false
}

// errorBody returns the body of the answer to a fault, which must be an *authFault.
func errorBody(fault error) []byte {
	f := fault.(*authFault)
	return worded(f.code, f.message)
}

// worded returns the body of an error with a message.
func worded(code, message string) []byte {
	form := exception.Of(code)
	b := bytes.NewBufferString(`{"__type":"` + form.Type() + `","` + form.MessageKey + `":`)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false) // AWS does not
	e.Encode(message)      // a string: cannot fail
	return append(bytes.TrimSuffix(b.Bytes(), []byte("\n")), '}')
}

// isObject tells whether the body is one JSON object.
func isObject(body []byte) bool {
	return json.Valid(body) && bytes.TrimLeft(body, " \t\r\n")[0] == '{'
}
