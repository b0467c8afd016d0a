package listen

import (
	"maps"
	"net/http"
)

// strict asks more of the requests than net/http does, which sends here what the loop of this
// package does not serve. What has a head of more than maxHeaderBytes is refused, as by AWS. What
// has chunks, or is of HTTP/1.0, is the last request of its connection: with a Content-Length
// beside its Transfer-Encoding, whoever is between us and the client may have seen the request end
// at another place (RFC 9112, section 6.1), and net/http does not tell whether there was one.
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

// headSize is the length of a request's head, as it stands in HTTP/1.1.
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

// refuseHead answers a request whose head is too long: so does AWS, and with what body is not
// known.
func refuseHead(w http.ResponseWriter) {
	maps.Copy(w.Header(), refusal)
	w.WriteHeader(http.StatusBadRequest)
}

// closeConnection is the Connection of an answer with which the connection ends. Nobody may change
// it.
var closeConnection = []string{"close"}

// refusal is the header of that answer.
var refusal = http.Header{"Connection": closeConnection, "Content-Length": {"0"}}
