// Package server is Partita's HTTP. It takes DynamoDB's requests from package http, checks of them
// what is not an operation's business (method, content type, size, their signature), hands them to
// a Serve function, and sends the answer with the headers that the SDKs look for.
//
// It knows no operation and reads no JSON. A Handler answers requests and works under any net/http
// server; New gives it the listener that Partita runs itself.
package server

import (
	"log/slog"
	"net/http"

	"github.com/partita-db/partita/internal/exception"
	"github.com/partita-db/partita/internal/listen"
)

// tooManyConnections is what a connection is told for which there is no room.
var tooManyConnections = string(exception.Of("ServiceUnavailable").
	Body("There are too many connections. Please try again."))

// New returns a listener that serves the handler, which need not be a Handler. Where it is one that
// verifies signatures, connections are unauthenticated until it has. What package http has to say
// goes to log at debug level: it is about clients.
func New(h http.Handler, log *slog.Logger) *listen.Server {
	own, ok := h.(*Handler)
	return listen.New(h, listen.Options{
		Log: log, Authenticates: ok && own.credentials != nil,
		BusyType: amzJSON, BusyBody: tooManyConnections,
	})
}
