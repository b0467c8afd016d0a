package partita

import (
	"log/slog"

	"github.com/partita-db/partita/internal/iam"
)

// Credentials are access keys with their secrets, their users and their policies, as
// [OpenCredentials] and [ParseCredentials] return them; a zero Credentials is of no use. They are
// safe for concurrent use, and no way of printing them shows a secret.
type Credentials struct {
	store *iam.Store
}

// OpenCredentials returns the credentials in a file, and reads the file again when it changes: a
// change is in force within two seconds. A changed file that cannot be read, or that has an error,
// is reported to logger (nil: slog.Default) and leaves the credentials unchanged. Close stops the
// reading of the file.
//
// It is an error if the file is larger than 16 MiB, if users other than its owner may read or
// write it (except on Windows), or if it is not a document of this form:
//
//	{"credentials": [{
//	  "accessKeyId": "AKIA...", "secretAccessKey": "...",
//	  "user": "alice",
//	  "policy": {"Version": "2012-10-17", "Statement": [
//	    {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}
//	}]}
//
// The policy is in the language of AWS's IAM. A credential may also have a sessionToken, which
// requests must then contain, and expires, an RFC 3339 time from which the credential is rejected.
// Without a user, the user is the access key id. "partita credentials new --file FILE" writes such
// files.
func OpenCredentials(path string, logger *slog.Logger) (*Credentials, error) {
	store, err := iam.OpenFile(path, logger)
	if err != nil {
		return nil, err
	}
	return &Credentials{store}, nil
}

// ParseCredentials returns the credentials in a document, which has the form that [OpenCredentials]
// describes; it is an error if it does not. They never change.
func ParseCredentials(document []byte) (*Credentials, error) {
	store, err := iam.Parse(document)
	if err != nil {
		return nil, err
	}
	return &Credentials{store}, nil
}

// Count returns how many access keys there are now, expired ones included, and how many users have
// them.
func (c *Credentials) Count() (keys, users int) { return c.store.Count() }

// Close stops the reading of the file. The credentials remain usable, in their last state. It
// always returns nil, and a second Close does nothing.
func (c *Credentials) Close() error { return c.store.Close() }
