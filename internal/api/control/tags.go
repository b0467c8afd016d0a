package control

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/schema"
)

// Limits on tags, in characters and in number.
const (
	maxTagKey   = 128
	maxTagValue = 256
	maxTags     = 50
	maxARN      = 1283
)

type tag struct{ key, value wire.OptString }

func (c op) tags(dst *optList[tag]) error {
	return structs(c, dst, "Tag", func(t *tag, name string) error {
		switch name {
		case "Key":
			return c.ReadString(&t.key)
		case "Value":
			return c.ReadString(&t.value)
		}
		return c.Skip()
	})
}

// checkTags checks tags as they are sent. The limit on their number is for all tags of a table:
// mergeTags checks it.
func checkTags(ts []tag) error {
	seen := map[string]bool{}
	for _, t := range ts {
		if err := checkTagKey(t.key); err != nil {
			return err
		}
		if !t.value.Set || !isTagText(t.value.V, 0, maxTagValue) {
			return wire.Validation("The Tag Value provided is invalid, Value: " + orNull(t.value))
		}
		if len(t.key.V) >= 4 && strings.EqualFold(t.key.V[:4], "aws:") {
			return wire.Validation("Tag Key cannot be prefixed with aws:, Key: " + t.key.V)
		}
	}
	for _, t := range ts {
		if seen[t.key.V] {
			return wire.Validation("Duplicate Tag Keys provided as input: Duplicate Tag Key found " + t.key.V)
		}
		seen[t.key.V] = true
	}
	return nil
}

func checkTagKey(key wire.OptString) error {
	if !isTagText(key.V, 1, maxTagKey) {
		return wire.Validation("The Tag Key provided is invalid, Key: " + orNull(key))
	}
	return nil
}

// isTagText tells whether s has min to max characters, and only those that tags can have: letters,
// numbers, blanks and some signs (Developer Guide, Tagging restrictions; the @ is what AWS's other
// services, and users, have besides).
func isTagText(s string, min, max int) bool {
	for _, c := range s {
		if !unicode.In(c, unicode.L, unicode.N, unicode.Z) && !strings.ContainsRune("+-=._:/@", c) {
			return false
		}
	}
	n := utf8.RuneCountInString(s)
	return n >= min && n <= max
}

// mergeTags returns the old tags, which stay unchanged, with checked ones added or put in their
// place, sorted by key.
func mergeTags(old []schema.Tag, ts []tag) ([]schema.Tag, error) {
	merged := slices.Clone(old)
	for _, t := range ts {
		i, found := slices.BinarySearchFunc(merged, t.key.V, func(t schema.Tag, key string) int {
			return strings.Compare(t.Key, key)
		})
		if found {
			merged[i].Value = t.value.V
		} else {
			merged = slices.Insert(merged, i, schema.Tag{Key: t.key.V, Value: t.value.V})
		}
	}
	if len(merged) > maxTags {
		return nil, wire.Validation("Number of Tags exceed the current limit for the provided ResourceArn")
	}
	return merged, nil
}

func (v *violations) resourceARN(o wire.OptString) {
	v.Required(o, "resourceArn", 1, maxARN)
}

// taggable returns the name of the table that an ARN names. Region and account are not compared
// with the request's. Streams have no tags in Partita, and are not found; on AWS only newer
// accounts have such tags.
func taggable(arn string) (name string, _ error) {
	if !strings.HasPrefix(arn, "arn:") {
		return "", wire.Validation(wire.Invalid + "ARNs must start with 'arn:': " + arn)
	}
	parts := strings.SplitN(arn, ":", 6) // arn:partition:dynamodb:region:account:resource
	if len(parts) < 6 || parts[2] != "dynamodb" {
		return "", wire.Validation(wire.Invalid + "Provided Arn is not a DynamoDB resource arn: " + arn)
	}
	path := strings.Split(parts[5], "/") // table/<name>/<kind>/<id>
	switch {
	case len(path) < 2 || path[0] != "table" || !wire.IsName(path[1]):
		return "", wire.Validation(wire.Invalid + "Provided Arn is not a DynamoDB resource arn: " + arn)
	case len(path) == 2:
		return path[1], nil
	case len(path) == 4 && path[2] == "stream":
		return "", errNoResource(arn)
	case path[2] == "index":
		return "", wire.Validation(wire.Invalid + "Invalid resource arn provided, only table or stream is accepted. Provided resource arn: " + arn)
	}
	return "", wire.Validation(wire.Invalid + "Provided Arn is not a DynamoDB resource arn: " + arn)
}

// errNoResource is the error for an ARN of something that does not exist.
func errNoResource(arn string) *wire.Error {
	return wire.NewError("ResourceNotFoundException", "Requested resource not found: ResourceArn: "+arn+" not found")
}

// alterTags changes a table's tags, if the policy allows the action. change must not edit old, and
// can be called more than once. AWS locks tags for two seconds after a change, and reads lag
// behind; here the change is complete when it is answered, so there is no lock.
func (c op) alterTags(action, arn string, change func(old []schema.Tag) ([]schema.Tag, error)) error {
	name, err := taggable(arn)
	if err != nil {
		return err
	}
	if err := c.AskTable(action, name); err != nil {
		return err
	}
	_, _, err = c.DB.Alter(c.Ctx, schema.DefaultNamespace, name, db.Unseen, func(d *schema.Descriptor) error {
		if statusOf(d, c.DB.Now()) == schema.StatusDeleting {
			return inUse("Table is being deleted: " + d.Name)
		}
		merged, err := change(d.Tags)
		d.Tags = merged
		return err
	})
	if errors.Is(err, db.ErrTableNotFound) {
		return errNoResource(arn)
	}
	return err
}
