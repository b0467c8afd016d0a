package iam

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestSummary says in a line what policies allow.
func TestSummary(t *testing.T) {
	datadriven.RunTest(t, "testdata/summary", func(t *testing.T, d *datadriven.TestData) string {
		text := strings.ReplaceAll(d.Input, "READONLY", ReadOnlyPolicy)
		p, err := ParsePolicy([]byte(text))
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		if got := string(p.JSON()); got != text {
			t.Errorf("JSON() = %s, want it as it was written", got)
		}
		return p.Summary() + "\n"
	})
	if got := FullAccess.Summary(); got != "everything" {
		t.Errorf("FullAccess is %q", got)
	}
}
