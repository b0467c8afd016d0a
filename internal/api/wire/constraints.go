package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Violations collects what the constraints of the service model find, for DynamoDB's "N validation
// errors detected". The methods add in the order in which they are called: an operation calls them
// in the order that recorded answers have, which is often not that of the members. Paths are
// members as messages spell them: "tableName", "requestItems.x.member.keys". The zero Violations is
// empty.
type Violations struct{ list []string }

// maxViolations is how many DynamoDB reports at most; it does not count those beyond.
const maxViolations = 10

// Add notes a violation: the value as Java prints it, the member's path, and the constraint's text.
func (v *Violations) Add(value, path, constraint string) {
	v.Note("Value '" + value + "' at '" + path + "' failed to satisfy constraint: " + constraint)
}

// Count is how many are noted. UpdateItem reports one of several enums only.
func (v *Violations) Count() int { return len(v.list) }

// Null notes that a required member is absent.
func (v *Violations) Null(path string) {
	v.Note("Value null at '" + path + "' failed to satisfy constraint: Member must not be null")
}

// Note adds a text as it is, for constraints that AWS prints in another form than Add's.
func (v *Violations) Note(text string) {
	if len(v.list) < maxViolations {
		v.list = append(v.list, text)
	}
}

// Err returns the ValidationException of all violations, or nil. A handler returns it before it
// checks rules between members.
func (v *Violations) Err() error {
	switch len(v.list) {
	case 0:
		return nil
	case 1:
		return Validation("1 validation error detected: " + v.list[0])
	}
	return Validation(strconv.Itoa(len(v.list)) + " validation errors detected: " + strings.Join(v.list, "; "))
}

// Enum is a set of legal values, in the order in which DynamoDB prints them.
type Enum []string

// EnumOf is the enum of typed constants.
func EnumOf[T ~string](values ...T) Enum {
	e := make(Enum, len(values))
	for i, v := range values {
		e[i] = string(v)
	}
	return e
}

// Enum checks the value of a member that may be absent.
func (v *Violations) Enum(o OptString, path string, set Enum) {
	if !o.Set {
		return
	}
	for _, e := range set {
		if o.V == e {
			return
		}
	}
	v.Add(o.V, path, "Member must satisfy enum value set: ["+strings.Join(set, ", ")+"]")
}

// Integer checks the bounds of a member that may be absent. max < min is no maximum.
func (v *Violations) Integer(o OptInt, path string, min, max int64) {
	switch {
	case !o.Set:
	case o.V < min:
		v.Add(strconv.FormatInt(o.V, 10), path, fmt.Sprintf("Member must have value greater than or equal to %d", min))
	case max >= min && o.V > max:
		v.Add(strconv.FormatInt(o.V, 10), path, fmt.Sprintf("Member must have value less than or equal to %d", max))
	}
}

// Length checks the length n of a string or list, which messages print as value. max < min is no
// maximum.
func (v *Violations) Length(n int, value, path string, min, max int) {
	switch {
	case n < min:
		v.Add(value, path, fmt.Sprintf("Member must have length greater than or equal to %d", min))
	case max >= min && n > max:
		v.Add(value, path, fmt.Sprintf("Member must have length less than or equal to %d", max))
	}
}

// Elements checks the lengths, in characters, of a list's strings: a message names the whole list,
// so there is one at most. With min 0 the message has no lower bound.
func (v *Violations) Elements(list []string, path string, min, max int) {
	for _, s := range list {
		if n := utf8.RuneCountInString(s); n < min || n > max {
			bounds := fmt.Sprintf("Member must have length less than or equal to %d", max)
			if min > 0 {
				bounds += fmt.Sprintf(", Member must have length greater than or equal to %d", min)
			}
			v.Add(JavaList(list), path, "Member must satisfy constraint: ["+bounds+"]")
			return
		}
	}
}

// NamePattern is the constraint on the names of tables and indexes.
const NamePattern = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"

// IsName tells whether s matches NamePattern; an empty s does not.
func IsName(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return s != ""
}

// IndexName checks an index name (or another name of 3 to 255 characters) that may be absent:
// pattern first, then length.
func (v *Violations) IndexName(o OptString, path string) {
	if !o.Set {
		return
	}
	if o.V != "" && !IsName(o.V) {
		v.Add(o.V, path, NamePattern)
	}
	v.Length(len(o.V), o.V, path, 3, 255)
}

// TableName checks a required TableName, which can be an ARN. min is the least length: 1 on the
// data plane, 3 on the control plane.
func (v *Violations) TableName(o OptString, min int) { v.TableNameAt(o, "tableName", min) }

// TableNameAt is TableName for one that stands deeper in the request.
func (v *Violations) TableNameAt(o OptString, path string, min int) {
	switch {
	case !o.Set:
		v.Null(path)
	case strings.HasPrefix(o.V, "arn:"):
		if len(o.V) > MaxTableARN {
			v.Length(len(o.V), o.V, path, 1, MaxTableARN)
		} else if _, problem := TableOfARN(o.V); problem != "" {
			v.Note(problem + " in '" + o.V + "'")
		}
	default:
		if o.V != "" && !IsName(o.V) {
			v.Add(o.V, path, NamePattern)
		}
		v.Length(len(o.V), o.V, path, min, 255)
	}
}

// MaxTableARN is the length of the longest ARN that is accepted as a table's name.
const MaxTableARN = 1024

// partitions are those of AWS, groups of regions; an ARN names one.
var partitions = []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"}

// TableOfARN returns the table's name in a table's ARN, or what is wrong with it. Region and
// account are not compared with the request's: there is one table of the name under all of them.
func TableOfARN(arn string) (name, problem string) {
	parts := strings.SplitN(arn, ":", 6) // arn:partition:dynamodb:region:account:resource
	switch {
	case len(parts) < 6 || parts[2] != "dynamodb":
		return "", "Invalid resource type"
	case !slices.Contains(partitions, parts[1]):
		return "", "Invalid AWS partition"
	case !isRegion(parts[3]):
		return "", "Invalid AWS region"
	}
	name, ok := strings.CutPrefix(parts[5], "table/")
	if !ok || !IsName(name) {
		return "", "Invalid resource type"
	}
	return name, ""
}

// isRegion tells whether s has the form of a region's name; "local" has it, too.
func isRegion(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != ""
}

// BareTableName is the table's name in a checked TableName, which may be an ARN. Package db,
// policies and fingerprints know tables by this name only.
func BareTableName(s string) string {
	if strings.HasPrefix(s, "arn:") {
		name, _ := TableOfARN(s)
		return name
	}
	return s
}

// JavaList prints a list as Java does, as values in messages are printed: [a, b].
func JavaList(list []string) string { return "[" + strings.Join(list, ", ") + "]" }

// Required checks a string that must be there, and the number of its characters.
func (v *Violations) Required(o OptString, path string, min, max int) {
	if !o.Set {
		v.Null(path)
		return
	}
	v.Length(utf8.RuneCountInString(o.V), o.V, path, min, max)
}
