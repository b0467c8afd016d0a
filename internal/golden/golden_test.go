package golden

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a test that records how it fails.
type recorder struct {
	testing.TB
	failures []string
}

func (*recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// compared is how Compare fails for a file with the text want; nil: it does not.
func compared(t *testing.T, got, want string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.golden")
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
	r := &recorder{TB: t}
	Compare(r, path, []byte(got))
	return r.failures
}

// TestCompare tells files that differ from those that do not, and names the line.
func TestCompare(t *testing.T) {
	for _, c := range []struct{ got, want, failure string }{
		{"", "", ""},
		{"a\nb\n", "a\nb\n", ""},
		{"a\nb\n", "a\nc\n", "line 2 is\n\tb\nwant\n\tc"},
		{"a\n", "a\nb\n", "from line 2 on there is\n\nwant\nb"},
		{"a\nb\n", "a\n", "from line 2 on there is\nb\n\nwant\n"},
		{"a", "a\n", "by the end of the last line"},
	} {
		failures := compared(t, c.got, c.want)
		if len(failures) > 1 || (c.failure == "") != (len(failures) == 0) ||
			!strings.Contains(strings.Join(failures, ""), c.failure) {
			t.Errorf("Compare(%q) with %q fails with %q, want %q", c.got, c.want, failures, c.failure)
		}
	}
}

// TestCompareMissing fails for a file that is not there, with the way to make it.
func TestCompareMissing(t *testing.T) {
	r := &recorder{TB: t}
	Compare(r, filepath.Join(t.TempDir(), "x.golden"), nil)
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], "-rewrite") {
		t.Errorf("it fails with %q", r.failures)
	}
}

// TestRewrite writes the file with the flag set, and only then.
func TestRewrite(t *testing.T) {
	was := fmt.Sprint(Rewrite())
	t.Cleanup(func() {
		if err := flag.Set("rewrite", was); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(t.TempDir(), "x.golden")
	for _, rewrite := range []bool{true, false} {
		if err := flag.Set("rewrite", fmt.Sprint(rewrite)); err != nil {
			t.Fatal(err)
		}
		r := &recorder{TB: t}
		Compare(r, path, fmt.Appendf(nil, "rewrite %t\n", rewrite))
		if failed := len(r.failures) > 0; failed == rewrite {
			t.Errorf("rewrite %t: it fails with %q", rewrite, r.failures)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "rewrite true\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
}
