package api

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/golden"
)

// compatibilityPage is the document for users, whose table of operations stands between the two
// marks.
const (
	compatibilityPage = "../../docs/compatibility.md"
	operationsBegin   = "<!-- operations: written by TestCompatibility -->\n"
	operationsEnd     = "<!-- end of operations -->\n"
)

// TestCompatibility holds the table of operations in the document to ops.go. To write it anew:
// go test ./internal/api -run Compatibility -rewrite
func TestCompatibility(t *testing.T) {
	page, err := os.ReadFile(compatibilityPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(page), operationsBegin)
	got, after, ended := strings.Cut(rest, operationsEnd)
	if !begun || !ended {
		t.Fatalf("%s has not the marks %q and %q", compatibilityPage, operationsBegin, operationsEnd)
	}
	want := operationsTable("Main API", operations) + operationsTable("Streams API", streamOperations)
	switch {
	case got == want:
	case golden.Rewrite():
		golden.Write(t, compatibilityPage, []byte(before+operationsBegin+want+operationsEnd+after))
	default:
		t.Errorf("%s says\n%s\nwant\n%s(-rewrite writes it)", compatibilityPage, got, want)
	}
}

// operationsTable lists the operations of an API, three in a row, and how many of them are
// answered.
func operationsTable(title string, ops []operation) string {
	const columns = 3
	var b strings.Builder
	answered := 0
	for i, op := range ops {
		mark := "—"
		if op.handle != nil {
			mark = "✓"
			answered++
		}
		b.WriteString("| " + op.name + " | " + mark + " ")
		if (i+1)%columns == 0 {
			b.WriteString("|\n")
		}
	}
	if n := len(ops) % columns; n > 0 {
		b.WriteString(strings.Repeat("| | ", columns-n) + "|\n")
	}
	head := strings.Repeat("| operation | ", columns) + "|\n" + strings.Repeat("|---|:-:", columns) + "|\n"
	return "\n**" + title + "**: " + strconv.Itoa(answered) + " of " + strconv.Itoa(len(ops)) + "\n\n" + head + b.String() + "\n"
}
