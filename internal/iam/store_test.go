package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/partita-db/partita/internal/sigv4/sigv4test"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// everything is a policy.
const everything = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}`

// document is one with a credential for each id, of the secret.
func document(secret string, ids ...string) []byte {
	var entries []string
	for _, id := range ids {
		entries = append(entries, fmt.Sprintf(`{"accessKeyId": %q, "secretAccessKey": %q, "user": "alice", "policy": %s}`, id, secret, everything))
	}
	return []byte(`{"credentials": [` + strings.Join(entries, ",\n") + "]}\n")
}

// TestDocument reads documents, good and bad. POLICY stands for one that allows everything.
func TestDocument(t *testing.T) {
	datadriven.RunTest(t, "testdata/document", func(t *testing.T, d *datadriven.TestData) string {
		s, err := Parse([]byte(strings.ReplaceAll(d.Input, "POLICY", everything)))
		if err != nil {
			for _, hidden := range []string{"s3cret", "t0ken"} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("the message tells the secret: %v", err)
				}
			}
			return err.Error() + "\n"
		}
		defer s.Close()
		n, users := s.Count()
		return fmt.Sprintf("%d credentials of %d users\n%s", n, users, s.list())
	})
}

// list prints credentials, sorted.
func (s *Store) list() string {
	var lines []string
	for _, c := range s.List() {
		lines = append(lines, fmt.Sprintf("%s, token %v, expires %v\n", c, c.HasToken(), c.Expires))
	}
	return strings.Join(lines, "")
}

// TestSecretsAreHidden prints credentials in every way that comes to mind.
func TestSecretsAreHidden(t *testing.T) {
	s, err := Parse([]byte(`{"credentials": [{"accessKeyId": "A", "secretAccessKey": "s3cret", "sessionToken": "t0ken", "policy": ` + everything + `}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := s.Lookup("A")
	c.Verify("20150830", "us-east-1", []byte("text"), strings.Repeat("0", 64))
	type holder struct {
		Exported *Credential
		Value    secret
		hidden   *Credential
		value    secret
		store    *Store
	}
	h := holder{Exported: c, Value: c.secret, hidden: c, value: c.token, store: s}
	var log bytes.Buffer
	text, js := slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))
	for name, v := range map[string]any{
		"credential": c, "secret": c.secret, "token": &c.token, "store": s, "holder": h, "pointer": &h, "principal": c.Principal,
		"error": fmt.Errorf("with %v", c), "map": map[string]*Credential{"A": c}, "list": []*Credential{c},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			log.WriteString(fmt.Sprintf(verb, v) + "\n")
		}
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		log.Write(encoded)
		text.Info(name, "value", v, "group", slog.GroupValue(slog.Any("in", v)))
		js.Info(name, "value", v, "group", slog.GroupValue(slog.Any("in", v)))
	}
	for _, secret := range []string{"s3cret", "t0ken", fmt.Sprintf("%x", "s3cret"), fmt.Sprintf("%x", "t0ken"), "czNjcmV0", "dDBrZW4"} {
		if i := strings.Index(log.String(), secret); i >= 0 {
			t.Errorf("%s is shown: …%s…", secret, log.String()[max(0, i-100):i+20])
		}
	}
	if !strings.Contains(log.String(), "access key A of A") {
		t.Errorf("the credential is not shown at all:\n%s", &log)
	}
}

// write writes a file that has a time of change of its own.
func write(t *testing.T, path string, document []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, document, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestReload changes the file under a store, which looks at it when the test says so.
func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.json")
	write(t, path, document("first", "A", "B"), 0o600)
	var log bytes.Buffer
	s, err := OpenFile(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.Close() // from here on the test looks
	signed := func(secret string) string {
		return sigv4test.Signing{Secret: secret, Date: "20150830T120000Z"}.Complete().Signature("text")
	}
	accepts := func(when, id, secret string, want bool) {
		t.Helper()
		c, ok := s.Lookup(id)
		if got := ok && c.Verify("20150830", "us-east-1", []byte("text"), signed(secret)); got != want {
			t.Errorf("%s: %s with secret %s is accepted: %v, want %v", when, id, secret, got, want)
		}
	}
	logged := func(when, want string, times int) {
		t.Helper()
		s.look()
		s.look()
		if got := strings.Count(log.String(), want); got != times {
			t.Errorf("%s: the log has %q %d times, want %d:\n%s", when, want, got, times, &log)
		}
		log.Reset()
	}
	accepts("at first", "A", "first", true)
	logged("at first", "level", 0)

	write(t, path, document("second", "A"), 0o600)
	logged("with a new secret", `msg="the credentials were read again" file=`+path+` credentials=1 users=1`, 1)
	accepts("with a new secret", "A", "second", true)
	accepts("with a new secret", "A", "first", false) // its key was kept, with the old credential
	accepts("without the other one", "B", "first", false)

	write(t, path, []byte(`{"credentials": [{"accessKeyId": "A", "secretAccessKey": "third"}]}`), 0o600)
	logged("without a policy", `level=ERROR msg="the credentials stay as they were"`, 1)
	accepts("without a policy", "A", "second", true)

	write(t, path, document("fourth", "A"), 0o640)
	logged("readable by the group", "chmod 600", 1)
	accepts("readable by the group", "A", "second", true)

	write(t, path, document("fourth", "A"), 0o600)
	logged("private again", "read again", 1)
	accepts("private again", "A", "fourth", true)

	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	logged("after a chmod alone", "chmod 600", 1)
	accepts("after a chmod alone", "A", "fourth", true)

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	logged("without a file", "level=ERROR", 1)
	accepts("without a file", "A", "fourth", true)

	other := path + ".new"
	write(t, other, document("fifth1", "A"), 0o600) // as long as the last one
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	logged("after a rename", "read again", 1)
	accepts("after a rename", "A", "fifth1", true)
}

// TestFollows waits for a store to see a change by itself.
func TestFollows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.json")
	write(t, path, document("secret", "A"), 0o600)
	s, err := OpenFile(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write(t, path, document("secret", "A", "B"), 0o600)
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if _, ok := s.Lookup("B"); ok {
			break
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatal("the change is not seen after ten seconds")
		}
	}
	if err := s.Close(); err != nil { // a second time does no harm
		t.Error(err)
	}
}

// TestOpenRefuses opens what is no file of credentials.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	good := document("s3cret", "A")
	for name, mode := range map[string]os.FileMode{"group": 0o640, "others": 0o604, "writable": 0o620} {
		write(t, filepath.Join(dir, name), good, mode)
	}
	write(t, filepath.Join(dir, "bad"), []byte("{\n\"credentials\": s3cret"), 0o400)
	write(t, filepath.Join(dir, "empty"), nil, 0o600)
	for name, want := range map[string]string{
		"group":    "can be read or changed by others (mode 0640): chmod 600 " + filepath.Join(dir, "group"),
		"others":   "(mode 0604): chmod 600",
		"writable": "(mode 0620): chmod 600",
		"bad":      filepath.Join(dir, "bad") + ": line 2 is not JSON, at column 16",
		"empty":    "the document is empty",
		"none":     "no such file",
		"":         "is not a regular file",
	} {
		s, err := OpenFile(filepath.Join(dir, name), nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
		if err == nil {
			s.Close()
		}
	}
}
