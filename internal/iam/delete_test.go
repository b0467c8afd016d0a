package iam

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestTemporaryEntry makes a credential that ends and has a session token, and reads it back.
func TestTemporaryEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.json")
	ends := time.Date(2027, 1, 31, 12, 0, 0, 0, time.FixedZone("", 3600))
	e, err := NewEntry(EntryOptions{User: "alice", Policy: []byte(ReadOnlyPolicy), Expires: ends, SessionToken: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.AppendToFile(path); err != nil {
		t.Fatal(err)
	}
	s, err := OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, ok := s.Lookup(e.AccessKeyID)
	if !ok || !strings.HasPrefix(e.AccessKeyID, "ASIA") {
		t.Fatalf("%s is %v", e.AccessKeyID, c)
	}
	lines := strings.Split(e.Exports(), "\n")
	token, there := strings.CutPrefix(lines[2], "export AWS_SESSION_TOKEN=")
	if !there || !c.TokenIs(token) || c.TokenIs("") || c.TokenIs(token+"x") {
		t.Errorf("the token of %q is not the key's", lines)
	}
	if !c.Expires.Equal(ends) || c.Expired(ends.Add(-time.Second)) || !c.Expired(ends) {
		t.Errorf("it expires at %v, want %v", c.Expires, ends)
	}
}

// TestDeleteFromFile removes keys one after the other, through a link. What is left stays as it is.
func TestDeleteFromFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "credentials.json"), filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	write(t, path, document("a<b>&c", "A", "B", "C"), 0o600)
	has := func(want string) {
		t.Helper()
		s, err := OpenFile(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		got := ""
		for _, c := range s.List() {
			got += c.Principal.AccessKeyID
			if c.secret.reveal() != "a<b>&c" || c.Principal.User != "alice" || !c.Principal.MayEverything() {
				t.Errorf("%v is not what it was", c)
			}
		}
		if info, err := os.Stat(path); got != want || err != nil || info.Mode() != 0o600 {
			t.Errorf("%q is left, mode %v (%v), want %q and 0600", got, info.Mode(), err, want)
		}
	}
	for i, test := range []struct{ id, left string }{{"B", "AC"}, {"A", "C"}, {"C", ""}} {
		removed, left, err := DeleteFromFile(link, test.id)
		if err != nil || left != 2-i || removed.Principal.AccessKeyID != test.id {
			t.Errorf("DeleteFromFile(%s) = %v, %d, %v", test.id, removed, left, err)
		}
		has(test.left)
	}
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("the link is now %q, %v", target, err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}
}

// TestRewriteTogether adds and deletes keys of one file at the same time, as several processes do:
// each change is there in the end.
func TestRewriteTogether(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no lock")
	}
	path := filepath.Join(t.TempDir(), "credentials.json")
	const each = 8
	var wait sync.WaitGroup
	var mu sync.Mutex
	left := map[string]bool{}
	for i := range 2 * each {
		wait.Go(func() {
			e, err := NewEntry(EntryOptions{Policy: []byte(everything)})
			if err == nil {
				err = e.AppendToFile(path)
			}
			if err == nil && i%2 == 0 {
				_, _, err = DeleteFromFile(path, e.AccessKeyID)
			} else if err == nil {
				mu.Lock()
				left[e.AccessKeyID] = true
				mu.Unlock()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	s, err := OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range s.List() {
		if !left[c.Principal.AccessKeyID] {
			t.Errorf("%s has come back", c.Principal.AccessKeyID)
		}
	}
	if n, _ := s.Count(); n != each {
		t.Errorf("%d keys are there, want %d", n, each)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

// TestDeleteRefuses leaves files alone that do not have the key, or that it should not touch.
func TestDeleteRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, test := range []struct {
		text, want string
		mode       os.FileMode
	}{
		{string(document("s3cret", "A", "B")), "no such access key", 0o600},
		{string(document("s3cret", "A", "B")), "chmod 600", 0o640},
		{`{"credentials": [{"accessKeyId": "C"}]}`, "secretAccessKey is missing", 0o600},
	} {
		write(t, path, []byte(test.text), test.mode)
		if removed, _, err := DeleteFromFile(path, "C"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, %v, want %q", removed, err, test.want)
		}
		if now, _ := os.ReadFile(path); string(now) != test.text {
			t.Errorf("%q has become %q", test.text, now)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := DeleteFromFile(path, "C"); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file was made")
	}
}

// TestState tells how a store is that follows a file: what is in force, and whether that is what
// the file says.
func TestState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.json")
	write(t, path, []byte(`{"credentials": [
		{"accessKeyId": "A", "secretAccessKey": "s", "policy": `+everything+`},
		{"accessKeyId": "B", "secretAccessKey": "s", "expires": "2027-03-01T00:00:00Z", "policy": `+everything+`},
		{"accessKeyId": "C", "secretAccessKey": "s", "expires": "2027-02-01T00:00:00Z", "policy": `+everything+`}]}`), 0o600)
	s, err := OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Close() // from here on the test looks
	february := time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)
	march := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	for now, want := range map[time.Time]State{
		february.Add(-time.Second): {true, 3, 0, february},
		february:                   {true, 3, 1, march},
		march:                      {true, 3, 2, time.Time{}},
	} {
		if got := s.State(now); got != want {
			t.Errorf("State(%v) = %v, want %v", now, got, want)
		}
	}
	for _, step := range []struct {
		document string
		want     State
	}{
		{"garbage", State{Readable: false, Keys: 3, NextExpiry: february}},
		{string(document("other", "A")), State{Readable: true, Keys: 1}},
	} {
		write(t, path, []byte(step.document), 0o600)
		s.look()
		s.look()
		if got := s.State(february.Add(-time.Hour)); got != step.want {
			t.Errorf("after %q: %v, want %v", step.document, got, step.want)
		}
	}
}
