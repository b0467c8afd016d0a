// Package golden compares what a test has made with a golden file, the file of the expected result
// that is kept beside the test. One flag writes golden files anew, those of datadriven included:
//
//	go test ./internal/api -run 'TestExact' -rewrite
//
// The flag is datadriven's. This package imports datadriven for it, so that a test binary has it
// whether or not its own tests use datadriven, and only once. Only tests import this package.
package golden

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	_ "github.com/cockroachdb/datadriven" // registers -rewrite
)

// Rewrite tells whether golden files are to be written anew rather than compared (-rewrite).
func Rewrite() bool {
	return flag.Lookup("rewrite").Value.(flag.Getter).Get().(bool)
}

// Compare fails the test if a golden file differs from got, and shows the first line that does.
// With -rewrite it writes got to the file instead.
func Compare(t testing.TB, path string, got []byte) {
	t.Helper()
	if Rewrite() {
		Write(t, path, got)
		return
	}
	want, err := os.ReadFile(path)
	switch {
	case err != nil:
		t.Errorf("%v: write it with -rewrite", err)
	case !bytes.Equal(got, want):
		t.Errorf("%s, which -rewrite writes anew, differs: %s", path, difference(got, want))
	}
}

// Write writes a golden file. Tests that compare by rules of their own call it when Rewrite says
// so.
func Write(t testing.TB, path string, got []byte) {
	t.Helper()
	if err := os.WriteFile(path, got, 0o644); err != nil {
		t.Fatal(err)
	}
}

// difference describes the first line in which two texts differ.
func difference(got, want []byte) string {
	line := 1
	for len(got) > 0 && len(want) > 0 {
		g, gotRest, _ := bytes.Cut(got, []byte("\n"))
		w, wantRest, _ := bytes.Cut(want, []byte("\n"))
		if !bytes.Equal(g, w) {
			return fmt.Sprintf("line %d is\n\t%s\nwant\n\t%s", line, g, w)
		}
		got, want, line = gotRest, wantRest, line+1
	}
	if len(got) == 0 && len(want) == 0 {
		return "by the end of the last line"
	}
	return fmt.Sprintf("from line %d on there is\n%s\nwant\n%s", line, got, want)
}
