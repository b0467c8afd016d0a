package server

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// maxBodyBytes is the largest body that DynamoDB takes, compressed or not.
const maxBodyBytes = 16 << 20

// Why a body was not read.
var (
	errBodyTooLarge    = errors.New("server: the body is larger than 16 MiB")
	errBudgetSpent     = errors.New("server: the memory for large bodies is spent")
	errUnauthenticated = errors.New("server: nothing is decompressed for who has no access key")
	errDecompress      = errors.New("server: the body does not decompress")
)

// readBody reads the request's body into x.in, decompressed.
func (x *exchange) readBody() error {
	r := x.r
	encoding := encodingOf(r)
	if r.ContentLength == 0 && (encoding == "" || x.fault != nil) {
		return nil
	}
	if r.ContentLength > int64(x.mostBody()) {
		return errBodyTooLarge
	}
	if encoding == "" {
		return x.fill(r.Body, int(r.ContentLength))
	}
	if x.fault != nil {
		return errUnauthenticated
	}
	body := io.Reader(r.Body)
	if x.h.credentials != nil { // the signature is of the bytes as sent, before decompression
		x.raw = sha256.New()
		body = io.TeeReader(body, x.raw)
	}
	unpacked, err := decompress(encoding, body)
	if err != nil {
		return err
	}
	if err := x.fill(unpacked, -1); err != nil || x.raw == nil {
		return err
	}
	return readOn(body)
}

// encodingOf is the request's Content-Encoding in lower case, empty for none or identity. Several,
// in one header or more, are joined, which decompress then rejects as AWS does.
func encodingOf(r *http.Request) string {
	switch values := r.Header["Content-Encoding"]; {
	case len(values) == 0, len(values) == 1 && (values[0] == "" || strings.EqualFold(values[0], "identity")):
		return ""
	default:
		return strings.ToLower(strings.Join(values, ","))
	}
}

// mostBody is how large the request's body may be.
func (x *exchange) mostBody() int {
	if x.fault != nil {
		return unauthenticatedBodyBytes
	}
	return maxBodyBytes
}

// readOn reads what the decompressor has left of the body: the payload's hash is of all of it.
func readOn(body io.Reader) error {
	switch _, err := io.CopyN(io.Discard, body, maxBodyBytes+1); err {
	case io.EOF:
		return nil
	case nil:
		return errBodyTooLarge
	default:
		return err
	}
}

// payload returns the SHA-256 of the body as it was sent.
func (x *exchange) payload() [sha256.Size]byte {
	if x.raw == nil {
		return sha256.Sum256(x.in)
	}
	return [sha256.Size]byte(x.raw.Sum(nil))
}

// fill reads src to its end into x.in. length is the Content-Length, -1 if it is not known. The
// buffer doubles as the bytes arrive, beginning with freeBytes: if it had the announced length at
// once, clients could reserve the whole budget by headers alone, without sending a body.
func (x *exchange) fill(src io.Reader, length int) error {
	most, limit := length, x.mostBody()
	if length < 0 {
		most = limit + 1 // one byte more tells that there is more
	}
	step := min(most, freeBytes)
	share := bodyShare{h: x.h}
	defer share.giveBack()
	for {
		if step > freeBytes && !share.raise(x.unauthenticatedConn(), int64(decodedBytes(step))) {
			return errBudgetSpent
		}
		if err := x.growBody(step); err != nil {
			return err
		}
		for len(x.in) < step {
			n, err := src.Read(x.in[len(x.in):step])
			x.in = x.in[:len(x.in)+n]
			switch {
			case err == nil:
			case len(x.in) == length, length < 0 && err == io.EOF && len(x.in) <= limit:
				return nil
			case err == io.EOF && len(x.in) > limit:
				return errBodyTooLarge
			default:
				return err
			}
		}
		if step == most {
			break
		}
		step = min(most, 2*step)
	}
	if length < 0 {
		return errBodyTooLarge
	}
	return nil
}

// decompress returns a reader of the decompressed body. An unknown encoding is an error: its bytes
// must not be parsed as if they were not encoded.
func decompress(encoding string, body io.Reader) (io.Reader, error) {
	b := bufio.NewReader(io.LimitReader(body, maxBodyBytes+1))
	switch encoding {
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, errDecompress
		}
		z.Multistream(false)
		return decompressor{&members{z, b}}, nil
	case "deflate":
		// RFC 9110 means zlib's format, but some clients send the bare one.
		if first, _ := b.Peek(2); len(first) == 2 && first[0]&15 == 8 && (int(first[0])<<8+int(first[1]))%31 == 0 {
			z, err := zlib.NewReader(b)
			if err != nil {
				return nil, errDecompress
			}
			return decompressor{z}, nil
		}
		return decompressor{flate.NewReader(b)}, nil
	}
	return nil, errDecompress
}

// members reads the members of a gzip stream one after the other (RFC 1952, section 2.2), and
// ignores, as AWS does, trailing bytes that do not begin another member. gzip.Reader's own
// multistream mode would return an error for those.
type members struct {
	z  *gzip.Reader
	in *bufio.Reader
}

// Read implements io.Reader.
func (m *members) Read(p []byte) (int, error) {
	for {
		n, err := m.z.Read(p)
		if err != io.EOF {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
		if magic, err := m.in.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
			if _, err := io.Copy(io.Discard, m.in); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
		if err := m.z.Reset(m.in); err != nil {
			return 0, errDecompress
		}
		m.z.Multistream(false)
	}
}

// decompressor is a decompressor whose errors are all errDecompress.
type decompressor struct{ io.Reader }

// Read implements io.Reader.
func (u decompressor) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = errDecompress
	}
	return n, err
}

// refuseBody answers a request whose body was not taken.
func (x *exchange) refuseBody(err error) {
	x.in = keep(x.in)
	x.release()
	x.call.Target = cmp.Or(one(x.r.Header, "X-Amz-Target"), x.sig.Target) // for the metrics and the log
	switch {
	case x.fault != nil && x.r.Method == http.MethodPost:
		x.discard()
		x.w.Header()["Content-Type"] = typeAmzJSON
		x.send(http.StatusBadRequest, errorBody(x.fault))
	case errors.Is(err, errBodyTooLarge), errors.Is(err, errUnauthenticated):
		x.discard()
		x.send(http.StatusRequestEntityTooLarge, nil)
	case errors.Is(err, errBudgetSpent):
		x.discard()
		x.w.Header()["Content-Type"] = typeAmzJSON
		x.sendUnavailable()
	case errors.Is(err, errDecompress):
		x.discard()
		x.w.Header()["Content-Type"] = typeAmzJSON
		// For the metrics: AWS answers with a 500, but it is the client's error.
		x.call.Report.Code = "SerializationException"
		x.why = "the Content-Encoding is not known, or the body is none of that encoding"
		x.send(http.StatusInternalServerError, internalError)
	default:
		// The connection broke, or its chunks are malformed: where the next request begins is not
		// known.
		x.hangUp()
		x.why = "the body did not come to its end, or its chunks are malformed"
		x.w.Header()["Content-Type"] = typeAmzJSON
		x.send(http.StatusBadRequest, malformed)
	}
}

// discard reads and drops a body that was rejected, up to twice the largest one: most clients read
// the answer only when they have sent the body, and if the connection were closed with bytes unread
// the kernel would send a reset, which makes the client lose the answer. A client that waits for
// "100 Continue" has not begun to send; the read would make net/http ask for the body.
func (x *exchange) discard() {
	waits := len(x.r.Header["Expect"]) > 0
	if x.r.ContentLength > 2*maxBodyBytes || (waits && x.r.ContentLength > int64(x.mostBody())) {
		x.hangUp()
		return
	}
	if n, err := io.CopyN(io.Discard, x.r.Body, 2*maxBodyBytes); n == 2*maxBodyBytes || (err != nil && err != io.EOF) {
		x.hangUp()
	}
}
