package admin

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/partita-db/partita/internal/webpage"
)

// entry is something that the admin address answers.
type entry struct {
	method, path string
	answers      string
	guarded      bool // it requires the token
}

// entries are all that the address answers.
func (h *Handler) entries() []entry {
	all := []entry{
		{"GET", "/healthz", "whether the process works, or has to be restarted", false},
		{"GET", "/readyz", "whether requests are served now, and if not why", false},
		{"GET", "/metrics", "figures for Prometheus", h.o.Exposed},
		{"POST", "/backup", `writes a copy of all data: {"directory": "/an/absolute/path"}`, true},
	}
	if h.o.Profiles != nil {
		all = append(all, entry{"GET", "/debug/pprof/", "profiles, for go tool pprof", true})
	}
	return all
}

const (
	// indexTitle is the first line of the list.
	indexTitle = "Partita, for those who operate it"
	// indexToken says what is behind the entries that require the token.
	indexToken = "The token goes into a header: Authorization: Bearer TOKEN"
)

// index lists what there is, for a browser as a page. It contains nothing that the documentation
// does not, so it requires no token.
func (h *Handler) index(w http.ResponseWriter, r *http.Request) {
	if webpage.Wanted(r) {
		webpage.SetHeaders(w.Header())
		_, _ = w.Write(webpage.Append(nil, indexTitle, h.indexBody()))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", indexTitle)
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, e := range h.entries() {
		fmt.Fprintf(columns, "%s\t%s\t%s\n", e.method, e.path, e.says())
	}
	_ = columns.Flush() // into memory
	fmt.Fprintf(&b, "\n%s\n", indexToken)
	_, _ = io.WriteString(w, b.String())
}

// says describes the entry: what it answers, and whether the token is required.
func (e entry) says() string {
	if e.guarded {
		return e.answers + " (requires the token)"
	}
	return e.answers
}

// indexBody is the list as HTML. Entries that a browser can open, which sends no token, are links.
func (h *Handler) indexBody() string {
	var b strings.Builder
	b.WriteString("<table>\n")
	for _, e := range h.entries() {
		path := e.path
		if !e.guarded && e.method == http.MethodGet {
			path = `<a href="` + e.path + `">` + e.path + `</a>`
		}
		fmt.Fprintf(&b, "<tr><td><code>%s</code></td><td><code>%s</code></td><td>%s</td></tr>\n",
			e.method, path, html.EscapeString(e.says()))
	}
	fmt.Fprintf(&b, "</table>\n<p>%s</p>\n", html.EscapeString(indexToken))
	return b.String()
}
