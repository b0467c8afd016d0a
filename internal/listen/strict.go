package listen

import (
	"maps"
	"net/http"
)

// strict wraps the handler of the requests that net/http serves, and requires more than net/http
// does. It rejects a head of more than maxHeaderBytes, as AWS does. It closes the connection after
// a request with chunks or of HTTP/1.0: such a request may have had a Content-Length beside its
// Transfer-Encoding, and then a proxy before us may have seen it end at another place, which is
// used for request smuggling (RFC 9112, sections 6.1 and 11.2). net/http accepts these and does not
// tell whether there was one.
func strict(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if headSize(r) > maxHeaderBytes {
			refuseHead(w)
			return
		}
		if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0) {
			w.Header()["Connection"] = closeConnection
		}
		h.ServeHTTP(w, r)
	})
}

// headSize is the length of a request's head, as it is or would be in HTTP/1.1.
func headSize(r *http.Request) int {
	size := len(r.Method) + len(" ") + len(r.RequestURI) + len(" HTTP/1.1\r\n") + len("\r\n")
	if r.Host != "" {
		size += len("Host: \r\n") + len(r.Host)
	}
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(": \r\n") + len(v)
		}
	}
	return size
}

// refuseHead answers a request whose head is too long, with AWS's status. Which body AWS sends is
// not known.
func refuseHead(w http.ResponseWriter) {
	maps.Copy(w.Header(), refusal)
	w.WriteHeader(http.StatusBadRequest)
}

// closeConnection is the Connection header of an answer after which the connection is closed. It is
// shared and must not be changed.
var closeConnection = []string{"close"}

// refusal is the header of the answer to a head that is too long. It is shared and must not be
// changed.
var refusal = http.Header{"Connection": closeConnection, "Content-Length": {"0"}}
