package server

import (
	"html"
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/webpage"
	"github.com/partita-db/partita/internal/word"
)

// A browser that opens the server's address gets a page that says what this is and how programs
// connect to it, in place of AWS's health answer. The page needs no authentication, so it contains
// nothing that a client without credentials cannot learn otherwise: the region, which the health
// answer has as well, and whether signatures are verified, which any request shows. It does not
// contain the version, which would tell an attacker which known faults to try.

// project is the only address that the page links to.
const project = "https://github.com/partita-db/partita"

// wantsPage tells whether the request is a browser's for the page. One with an Origin comes from a
// script, which does not show it.
func (x *exchange) wantsPage() bool {
	path := x.r.URL.Path
	return x.r.Method != http.MethodPost && (path == "/" || path == "") && !origin(x.r) && webpage.Wanted(x.r)
}

// sendPage answers with the page.
func (x *exchange) sendPage() {
	webpage.SetHeaders(x.w.Header())
	x.send(http.StatusOK, webpage.Append(nil, "Partita", x.h.instructions(endpointOf(x.r))))
}

// instructions are the body of the page. The endpoint comes from the request's Host: everything
// that is not constant is quoted for the shell, into which users paste it, and then escaped as
// HTML.
func (h *Handler) instructions(endpoint string) string {
	key, secret := "local", "local"
	access := "Any credentials will do: this server does not verify signatures."
	sign := ""
	if h.credentials != nil {
		key, secret = "YOUR_ACCESS_KEY_ID", "YOUR_SECRET_ACCESS_KEY"
		access = "Requests must be signed with an access key of this server. Its operator has them."
		sign = "  --aws-sigv4 " + word.ShellQuote("aws:amz:"+h.region+":dynamodb") +
			` --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"` + " \\\n"
	}
	url, region := word.ShellQuote(endpoint), word.ShellQuote(h.region)
	environment := "export AWS_ENDPOINT_URL_DYNAMODB=" + url +
		"\nexport AWS_ENDPOINT_URL_DYNAMODB_STREAMS=" + url +
		"\nexport AWS_REGION=" + region + " AWS_DEFAULT_REGION=" + region +
		"\nexport AWS_ACCESS_KEY_ID=" + key + " AWS_SECRET_ACCESS_KEY=" + secret +
		"\naws dynamodb list-tables"
	curl := "curl " + word.ShellQuote(endpoint+"/") + " \\\n" + sign +
		"  -H 'Content-Type: application/x-amz-json-1.0' \\\n" +
		"  -H 'X-Amz-Target: DynamoDB_20120810.ListTables' -d '{}'"
	return "<p>A database that speaks DynamoDB's protocol answers here. The AWS SDKs, the AWS CLI and the tools\n" +
		"built on them work with it.</p>\n" +
		"<h2>Connect</h2>\n<p>The endpoint is <code>" + html.EscapeString(endpoint) + "</code>. " + access + "\n" +
		"The AWS CLI and recent SDKs find both in the environment:</p>\n" +
		"<pre>" + html.EscapeString(environment) + "</pre>\n" +
		"<h2>Without an SDK</h2>\n<pre>" + html.EscapeString(curl) + "</pre>\n" +
		"<p>Documentation: <a href=\"" + project + "\">" + strings.TrimPrefix(project, "https://") + "</a></p>\n"
}

// ordinaryHost is a name or an IPv4 address with or without a port, as browsers write them.
var ordinaryHost = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}(:[0-9]{1,5})?$`)

// endpointOf is the URL under which the client reaches the server, by the request's Host. A Host of
// an unusual form is not repeated on the page.
func endpointOf(r *http.Request) string {
	scheme := "http://"
	if c := listen.ConnOf(r.Context()); r.TLS != nil || c != nil && c.Secure() {
		scheme = "https://"
	}
	if ordinaryHost.MatchString(r.Host) || bracketed(r.Host) {
		return scheme + r.Host
	}
	return scheme + "localhost:8000"
}

// bracketed tells whether a Host is an IPv6 address, with or without a port.
func bracketed(host string) bool {
	if strings.HasSuffix(host, "]") {
		host += ":80"
	}
	at, err := netip.ParseAddrPort(host)
	return err == nil && at.Addr().Is6() && at.Addr().Zone() == ""
}
