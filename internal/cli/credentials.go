package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/word"
)

// credentialsCommand makes access keys, tells of them, and takes them away.
type credentialsCommand struct {
	New    newCredentials    `cmd:"" help:"Make an access key."`
	List   listCredentials   `cmd:"" help:"List access keys and what they may do, without their secrets."`
	Delete deleteCredentials `cmd:"" help:"Remove an access key from a file."`
}

// newCredentials makes an access key.
type newCredentials struct {
	File         string `placeholder:"FILE" help:"Credentials file to add the key to; it is made if it does not exist. Default: print a document that holds this key alone."`
	User         string `placeholder:"NAME" help:"User that the key is for, as named in ARNs. Default: the access key id."`
	Policy       string `placeholder:"FILE" help:"File with a policy, in the language of AWS's IAM, that says what the key may do. Default: everything."`
	ReadOnly     bool   `help:"Let the key read everything and change nothing."`
	Expires      string `placeholder:"TIME" help:"When the key expires: after a duration such as 720h, or at a time such as 2027-01-31T12:00:00Z. Default: never."`
	SessionToken bool   `help:"Also make a session token, which requests must then contain, as with temporary keys of AWS."`
}

// Run implements the command. Standard output has what is to be kept, and nothing else.
func (c *newCredentials) Run(s *streams) error {
	o := iam.EntryOptions{User: c.User, SessionToken: c.SessionToken}
	var err error
	if o.Policy, err = c.policy(); err != nil {
		return err
	}
	if o.Expires, err = c.expires(time.Now()); err != nil {
		return err
	}
	entry, err := iam.NewEntry(o)
	if err != nil {
		return err
	}
	if c.File == "" {
		document, err := entry.AppendTo(nil)
		if err != nil {
			return err
		}
		s.stdout.Write(document)
		return nil
	}
	if err := entry.AppendToFile(c.File); err != nil {
		return err
	}
	fmt.Fprint(s.stdout, entry.Exports())
	fmt.Fprintf(s.stderr, "added to %s; \"partita serve --credentials %s\" asks for it\n", c.File, word.ShellQuote(c.File))
	return nil
}

// policy is the policy that the flags ask for.
func (c *newCredentials) policy() ([]byte, error) {
	switch {
	case c.Policy != "" && c.ReadOnly:
		return nil, errors.New("--policy and --read-only both say what it may do; give one of them")
	case c.Policy != "":
		policy, err := os.ReadFile(c.Policy)
		if err != nil {
			return nil, fmt.Errorf("reading the policy: %w", err)
		}
		return policy, nil
	case c.ReadOnly:
		return []byte(iam.ReadOnlyPolicy), nil
	}
	return []byte(iam.FullAccessPolicy), nil
}

// expires is when the key ends, in whole seconds; zero for never.
func (c *newCredentials) expires(now time.Time) (time.Time, error) {
	if c.Expires == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, c.Expires)
	if err != nil {
		after, err := time.ParseDuration(c.Expires)
		if err != nil {
			return at, fmt.Errorf("--expires %s is neither a duration such as 720h nor a time such as 2027-01-31T12:00:00Z",
				c.Expires)
		}
		at = now.Add(after)
	}
	if at = at.UTC().Truncate(time.Second); !at.After(now) {
		return at, fmt.Errorf("--expires %s is in the past", c.Expires)
	}
	return at, nil
}

// listCredentials lists access keys.
type listCredentials struct {
	File string `required:"" placeholder:"FILE" help:"The credentials file."`
	JSON bool   `name:"json" help:"Print JSON, with the whole policy of each key."`
}

// Run implements the command.
func (c *listCredentials) Run(s *streams) error {
	store, err := iam.OpenFile(c.File, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer store.Close()
	if c.JSON {
		return printKeys(s, store.List())
	}
	w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ACCESS KEY\tUSER\tEXPIRES\tSESSION TOKEN\tMAY")
	for _, k := range store.List() {
		expires, token := "never", "no"
		if !k.Expires.IsZero() {
			expires = k.Expires.Format(time.RFC3339)
		}
		if k.Expired(time.Now()) {
			expires += " (expired)"
		}
		if k.HasToken() {
			token = "yes"
		}
		p := k.Principal
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.AccessKeyID, p.User, expires, token, p.Policy.Summary())
	}
	return w.Flush()
}

// printedKey is an access key as list --json prints it.
type printedKey struct {
	AccessKeyID  string          `json:"accessKeyId"`
	User         string          `json:"user"`
	Expires      *time.Time      `json:"expires,omitempty"`
	Expired      bool            `json:"expired"`
	SessionToken bool            `json:"hasSessionToken"`
	Policy       json.RawMessage `json:"policy"`
}

// printKeys prints access keys as JSON.
func printKeys(s *streams, keys []*iam.Credential) error {
	printed := []printedKey{} // not nil, which would be printed as null
	for _, k := range keys {
		p := printedKey{
			AccessKeyID: k.Principal.AccessKeyID, User: k.Principal.User, Expired: k.Expired(time.Now()),
			SessionToken: k.HasToken(), Policy: k.Principal.Policy.JSON(),
		}
		if !k.Expires.IsZero() {
			p.Expires = &k.Expires
		}
		printed = append(printed, p)
	}
	e := json.NewEncoder(s.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"credentials": printed})
}

// deleteCredentials removes an access key from a file.
type deleteCredentials struct {
	File        string `required:"" placeholder:"FILE" help:"The file."`
	AccessKeyID string `arg:"" name:"access-key-id" help:"The key to remove, as \"partita credentials list\" shows it."`
}

// Run implements the command.
func (c *deleteCredentials) Run(s *streams) error {
	removed, left, err := iam.DeleteFromFile(c.File, c.AccessKeyID)
	if errors.Is(err, iam.ErrNoKey) {
		return fmt.Errorf("%s has no access key %q; \"partita credentials list --file %s\" shows those that it has",
			c.File, c.AccessKeyID, word.ShellQuote(c.File))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "deleted %v from %s; a server that follows the file refuses it within two seconds\n",
		removed, c.File)
	if left == 0 {
		fmt.Fprintln(s.stdout, "it was the last one: a server that follows the file refuses every request "+
			"until a key is added")
	}
	return nil
}
