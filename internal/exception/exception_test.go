package exception

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTable checks that codes are sorted and distinct, and that a signature's fault is one of
// access.
func TestTable(t *testing.T) {
	all := All()
	for i, e := range all {
		if i > 0 && all[i-1].Code >= e.Code {
			t.Errorf("%s comes after %s", e.Code, all[i-1].Code)
		}
		if e.Signature && !e.Access {
			t.Errorf("%s is of a signature, and not of access", e.Code)
		}
	}
}

// TestForms holds how exceptions are written to answers that were captured.
func TestForms(t *testing.T) {
	for _, test := range []struct {
		code, message, want string
		status              int
	}{
		{"ValidationException", "m", `{"__type":"com.amazon.coral.validate#ValidationException","message":"m"}`, 400},
		{"SerializationException", "", `{"__type":"com.amazon.coral.service#SerializationException"}`, 400},
		{"SerializationException", "m", `{"__type":"com.amazon.coral.service#SerializationException","Message":"m"}`, 400},
		{"AccessDeniedException", "m", `{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"m"}`, 400},
		{"UnrecognizedClientException", "m", `{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"m"}`, 400},
		{"ResourceNotFoundException", "m", `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"m"}`, 400},
		{"TransactionCanceledException", "m", `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"m"}`, 400},
		{"InternalServerError", "m", `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"m"}`, 500},
		{"InternalFailure", "m", `{"__type":"com.amazon.coral.service#InternalFailure","message":"m"}`, 500},
		{"ServiceUnavailable", "m", `{"__type":"com.amazonaws.dynamodb.v20120810#ServiceUnavailable","message":"m"}`, 503},
		{"MadeUpException", "m", `{"__type":"com.amazonaws.dynamodb.v20120810#MadeUpException","message":"m"}`, 400},
	} {
		e := Of(test.code)
		if got := string(e.Body(test.message)); got != test.want || e.Status != test.status || !json.Valid([]byte(got)) {
			t.Errorf("%s: %d %s, want %d %s", test.code, e.Status, got, test.status, test.want)
		}
	}
}

// TestTableIsWhole looks for codes in the packages that word errors: each is in the table.
func TestTableIsWhole(t *testing.T) {
	code := regexp.MustCompile(`"([A-Z][A-Za-z]+Exception|InternalServerError|InternalFailure|ServiceUnavailable)"`)
	found := 0
	for _, dir := range []string{"../api", "../api/*", "../server"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range code.FindAllStringSubmatch(string(text), -1) {
				found++
				if !slices.ContainsFunc(All(), func(e Exception) bool { return e.Code == match[1] }) {
					t.Errorf("%s: %s is not in the table", file, match[1])
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d codes are found", found)
	}
}
