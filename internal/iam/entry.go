package iam

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// The policies of new credentials for which none was written.
const (
	FullAccessPolicy = fullAccess
	ReadOnlyPolicy   = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["dynamodb:BatchGetItem", ` +
		`"dynamodb:Describe*", "dynamodb:Get*", "dynamodb:List*", "dynamodb:PartiQLSelect", "dynamodb:Query", "dynamodb:Scan"], "Resource": "*"}]}`
)

// Entry is a new credential, to be written into a document.
type Entry struct {
	AccessKeyID string
	secret      secret
	token       secret // empty: the key has no session token
	o           EntryOptions
}

// EntryOptions are the options of NewEntry.
type EntryOptions struct {
	User         string    // may be empty
	Policy       []byte    // what the key may do, in JSON
	Expires      time.Time // when it expires, in whole seconds; zero: never
	SessionToken bool      // requests must contain a session token, too
}

// NewEntry makes an access key with a random secret, both of AWS's form. As with AWS, ids of keys
// with a session token begin with ASIA, others with AKIA.
func NewEntry(o EntryOptions) (*Entry, error) {
	if !isUser(o.User) {
		return nil, fmt.Errorf("the user %q may have only %s", o.User, userForm)
	}
	if _, err := ParsePolicy(o.Policy); err != nil {
		return nil, fmt.Errorf("the policy: %w", err)
	}
	e := &Entry{secret: newSecret(random(30)), o: o}
	id := make([]byte, 10)
	rand.Read(id) // it never fails
	e.AccessKeyID = "AKIA" + base32.StdEncoding.EncodeToString(id)
	if o.SessionToken {
		e.AccessKeyID = "ASIA" + e.AccessKeyID[len("AKIA"):]
		e.token = newSecret(random(96))
	}
	return e, nil
}

// random returns n random bytes as text.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// Exports returns lines for a shell that set the variables which AWS's programs read. They contain
// the secret, and the session token if there is one.
func (e *Entry) Exports() string {
	lines := fmt.Sprintf("export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n",
		e.AccessKeyID, e.secret.reveal())
	if token := e.token.reveal(); token != "" {
		lines += fmt.Sprintf("export AWS_SESSION_TOKEN=%s\n", token)
	}
	return lines
}

// AppendTo returns the document with the entry added at its end. nil is the empty document. The
// other entries keep their text.
func (e *Entry) AppendTo(document []byte) ([]byte, error) {
	var whole list
	if document != nil {
		var err error
		if whole, err = readList(document); err != nil {
			return nil, err
		}
	}
	added, err := e.encode()
	if err != nil {
		return nil, err
	}
	whole.Credentials = append(whole.Credentials, added)
	return encode(whole)
}

// list is a document whose entries are left as they were written.
type list struct {
	Credentials []json.RawMessage `json:"credentials"`
}

// readList reads a document, all of which is checked.
func readList(document []byte) (whole list, err error) {
	if _, err := parse(document); err != nil {
		return whole, err
	}
	if err := json.Unmarshal(document, &whole); err != nil {
		return whole, errors.New("the document cannot be read") // parse has read it
	}
	return whole, nil
}

// encode writes the entry as it stands in a document.
func (e *Entry) encode() (json.RawMessage, error) {
	expires := ""
	if !e.o.Expires.IsZero() {
		expires = e.o.Expires.UTC().Format(time.RFC3339)
	}
	return encode(struct {
		ID      string          `json:"accessKeyId"`
		Secret  string          `json:"secretAccessKey"`
		Token   string          `json:"sessionToken,omitempty"`
		Expires string          `json:"expires,omitempty"`
		User    string          `json:"user,omitempty"`
		Policy  json.RawMessage `json:"policy"`
	}{e.AccessKeyID, e.secret.reveal(), e.token.reveal(), expires, e.o.User, e.o.Policy})
}

// encode writes JSON for people.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing the credentials: %w", err)
	}
	return b.Bytes(), nil
}

// AppendToFile adds the entry to a file, which is created if there is none. It replaces the file
// atomically: a server that reads it finds the old document or the new one. A file that other users
// can read, or that is not a document of credentials, is not changed, and an error.
func (e *Entry) AppendToFile(path string) error {
	return rewrite(path, e.AppendTo)
}

// ErrNoKey is the error for an access key that a file does not have.
var ErrNoKey = errors.New("there is no such access key")

// DeleteFromFile removes the entry of an access key from a file, atomically as AppendToFile, and
// returns it and how many are left. The error is ErrNoKey if the file does not have the key.
func DeleteFromFile(path, accessKeyID string) (removed *Credential, left int, err error) {
	err = rewrite(path, func(document []byte) (edited []byte, err error) {
		if document == nil {
			return nil, fs.ErrNotExist
		}
		edited, removed, left, err = remove(document, accessKeyID)
		return edited, err
	})
	return removed, left, err
}

// remove returns a document without the entry of an access key.
func remove(document []byte, accessKeyID string) (edited []byte, removed *Credential, left int, err error) {
	credentials, err := parse(document)
	if err != nil {
		return nil, nil, 0, err
	}
	removed, there := credentials[accessKeyID]
	if !there {
		return nil, nil, 0, ErrNoKey
	}
	whole, err := readList(document)
	if err != nil {
		return nil, nil, 0, err
	}
	whole.Credentials = slices.DeleteFunc(whole.Credentials, func(raw json.RawMessage) bool {
		e := entry{}
		e.members, _ = membersOf(raw) // parse has read it
		id, _ := e.text("accessKeyId", true, isKeyID, "")
		return id == accessKeyID
	})
	edited, err = encode(whole)
	return edited, removed, len(whole.Credentials), err
}

// rewriteTries is how often rewrite starts again when other processes change the file meanwhile.
const rewriteTries = 1000

// errChanged says that another process changed the file before it was locked or created.
var errChanged = errors.New("others change the file again and again")

// rewrite replaces the document in a file by what edit makes of it, nil if there is no file.
// Concurrent calls, also of other processes, are serialized by a lock on the file: without it one
// could bring back a key that another has just deleted, or lose one that was handed out. edit may
// be called several times.
func rewrite(path string, edit func(document []byte) ([]byte, error)) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // so that the link's target is replaced, and not the link
	}
	for range rewriteTries {
		if err := rewriteOnce(path, edit); !errors.Is(err, errChanged) {
			return err
		}
	}
	return fmt.Errorf("writing the credentials in %s: %w", path, errChanged)
}

// rewriteOnce is rewrite, unless the file changes before it is locked.
func rewriteOnce(path string, edit func(document []byte) ([]byte, error)) error {
	locked, err := lock(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // read says so as well, or that it is there by now
	case err != nil:
		return err
	default:
		defer locked.Close()
	}
	document, info, err := read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		document, info = nil, nil
	case err != nil:
		return err
	case locked == nil:
		return errChanged
	}
	if document, err = edit(document); err != nil {
		return fmt.Errorf("reading the credentials in %s: %w", path, err)
	}
	if err := replace(path, document, info); err != nil {
		return fmt.Errorf("writing the credentials: %w", err)
	}
	return nil
}

// replace replaces a file, whose owner the new one gets. old is nil if there is none.
func replace(path string, document []byte, old fs.FileInfo) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // it fails if the file has been renamed
	_, err = f.Write(document)
	if err == nil && old != nil {
		err = giveTo(f, old)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := name(f.Name(), path, old == nil); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// name renames the temporary file. If isNew it does not replace an existing file, where the file
// system supports that: another process may have created one meanwhile.
func name(temporary, path string, isNew bool) error {
	if isNew {
		err := os.Link(temporary, path)
		if err == nil {
			return nil
		}
		if _, there := os.Stat(path); errors.Is(err, fs.ErrExist) && there == nil {
			return errChanged
		}
	}
	return os.Rename(temporary, path)
}

// syncDir makes a rename in a directory durable. On Windows it is without this.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
