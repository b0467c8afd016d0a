// Package webpage is what the pages for browsers on a server's two addresses have in common: which
// requests get one, its style, and its security headers. Its callers provide what is on it.
package webpage

import (
	"crypto/sha256"
	_ "embed" // for the style
	"encoding/base64"
	"html"
	"net/http"
	"strconv"
	"strings"
)

// style is how all pages look.
//
//go:embed style.css
var style string

// policy is the Content-Security-Policy of all pages: style, by its hash, and nothing else. If some
// text were not escaped, a script in it would not run.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// Wanted tells whether a request is a browser's for a page: a GET or HEAD that accepts text/html by
// name. curl, health checks and SDKs accept */* or nothing, and get the answer for programs.
func Wanted(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	accept := strings.Join(r.Header["Accept"], ",")
	if strings.HasPrefix(accept, javaAccept) {
		return false
	}
	for part := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "text/html") {
			return !refused(parameters)
		}
	}
	return false
}

// javaAccept begins the default Accept of java.net.HttpURLConnection: these are not browsers.
const javaAccept = "text/html, image/gif, image/jpeg, "

// refused tells whether the parameters of a media type in an Accept have q=0.
func refused(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(name, "q") {
			weight, err := strconv.ParseFloat(value, 64)
			return err == nil && weight == 0
		}
	}
	return false
}

// SetHeaders sets the headers of a page: its type, and that browsers must not guess another one,
// cache it, show it in a frame, or send its URL as a referrer.
func SetHeaders(h http.Header) {
	h["Content-Type"] = []string{"text/html; charset=utf-8"}
	h["Content-Security-Policy"] = []string{policy}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Referrer-Policy"] = []string{"no-referrer"}
	h["Cache-Control"] = []string{"no-store"}
	h["Vary"] = []string{"Accept"}
}

// Append appends a whole page. The title is text, which it escapes; the body is HTML.
func Append(out []byte, title, body string) []byte {
	title = html.EscapeString(title)
	for _, part := range []string{
		"<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
		"<title>", title, "</title>\n<style>", style, "</style>\n<h1>", title, "</h1>\n", body,
	} {
		out = append(out, part...)
	}
	return out
}
