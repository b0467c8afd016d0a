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
)

// The policies that new credentials have where nobody has written one.
const (
	FullAccessPolicy = fullAccess
	ReadOnlyPolicy   = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["dynamodb:BatchGetItem", ` +
		`"dynamodb:Describe*", "dynamodb:Get*", "dynamodb:List*", "dynamodb:PartiQLSelect", "dynamodb:Query", "dynamodb:Scan"], "Resource": "*"}]}`
)

// Entry is a new credential, to be written into a document.
type Entry struct {
	AccessKeyID string
	secret      secret
	user        string
	policy      json.RawMessage
}

// NewEntry makes an access key with a secret, both of AWS's form, for a user with a policy. user may be empty.
func NewEntry(user string, policy []byte) (*Entry, error) {
	if !isUser(user) {
		return nil, fmt.Errorf("the user %q may have only %s", user, userForm)
	}
	if _, err := ParsePolicy(policy); err != nil {
		return nil, fmt.Errorf("the policy: %w", err)
	}
	id, key := make([]byte, 10), make([]byte, 30)
	rand.Read(id) // it never fails
	rand.Read(key)
	return &Entry{
		AccessKeyID: "AKIA" + base32.StdEncoding.EncodeToString(id),
		secret:      newSecret(base64.StdEncoding.EncodeToString(key)),
		user:        user,
		policy:      policy,
	}, nil
}

// Exports are two lines for a shell that set the variables that AWS's programs look at. They show the secret.
func (e *Entry) Exports() string {
	return fmt.Sprintf("export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n", e.AccessKeyID, e.secret.reveal())
}

// AppendTo returns a document with the entry at its end, behind all that it has. nil is the empty document.
func (e *Entry) AppendTo(document []byte) ([]byte, error) {
	var whole struct {
		Credentials []json.RawMessage `json:"credentials"`
	}
	if document != nil {
		if _, err := parse(document); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(document, &whole); err != nil {
			return nil, errors.New("the document cannot be read") // parse has read it
		}
	}
	added, err := e.encode()
	if err != nil {
		return nil, err
	}
	whole.Credentials = append(whole.Credentials, added)
	return encode(whole)
}

// encode writes the entry as it stands in a document.
func (e *Entry) encode() (json.RawMessage, error) {
	return encode(struct {
		ID     string          `json:"accessKeyId"`
		Secret string          `json:"secretAccessKey"`
		User   string          `json:"user,omitempty"`
		Policy json.RawMessage `json:"policy"`
	}{e.AccessKeyID, e.secret.reveal(), e.user, e.policy})
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

// AppendToFile adds the entry to a file, which is made if there is none, in one step: whoever reads it meets the old
// document or the new one. A file that others can read, or that is no document of credentials, stays as it is.
func (e *Entry) AppendToFile(path string) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the link is to stay one
	}
	document, info, err := read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		document, info = nil, nil
	case err != nil:
		return err
	}
	if document, err = e.AppendTo(document); err != nil {
		return fmt.Errorf("reading the credentials in %s: %w", path, err)
	}
	if err := replace(path, document, info); err != nil {
		return fmt.Errorf("writing the credentials: %w", err)
	}
	return nil
}

// replace puts a file in place of another, whose owner it gets. old is nil if there is none.
func replace(path string, document []byte, old fs.FileInfo) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // nobody else may read it
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // unless it has got its name
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
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name in a directory durable. Windows does so by itself.
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
