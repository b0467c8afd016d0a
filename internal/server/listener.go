// Package server is DynamoDB's protocol between net/http and package api. It reads the body, checks
// what is common to all operations (origin, method, content type, size, signature), calls a Serve
// function, and sends the answer with the headers that the SDKs require. It logs and counts
// requests.
//
// It executes no operation, and leaves connections to package listen and signatures to package
// sigv4. A Handler works under any net/http server; New returns Partita's own listener for it.
package server

import (
	"log/slog"
	"net/http"

	"github.com/partita-db/partita/internal/exception"
	"github.com/partita-db/partita/internal/listen"
)

// tooManyConnections is the body of the answer to a connection over the limit.
var tooManyConnections = string(exception.Of("ServiceUnavailable").
	Body("There are too many connections. Please try again."))

// New returns a listener that serves the handler, which need not be a *Handler. If it is one with
// credentials, connections count as unauthenticated until it has verified a signature on them.
// net/http's errors, which are about clients, go to log at debug level.
func New(h http.Handler, log *slog.Logger) *listen.Server {
	own, ok := h.(*Handler)
	return listen.New(h, listen.Options{
		Log: log, Authenticates: ok && own.credentials != nil,
		BusyType: amzJSON, BusyBody: tooManyConnections,
	})
}
