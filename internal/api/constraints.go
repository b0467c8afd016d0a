package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Violations collects what the constraints of the service model find, for DynamoDB's "N validation errors detected".
type Violations struct{ list []string }

// maxViolations is how many DynamoDB reports at most.
const maxViolations = 10

// add notes a violation: the value as printed, the member's path, and the constraint's text.
func (v *Violations) add(value, path, constraint string) {
	v.note("Value '" + value + "' at '" + path + "' failed to satisfy constraint: " + constraint)
}

// count is how many there are.
func (v *Violations) count() int { return len(v.list) }

// null notes that a required member is absent.
func (v *Violations) null(path string) {
	v.note("Value null at '" + path + "' failed to satisfy constraint: Member must not be null")
}

// note adds a whole problem text.
func (v *Violations) note(text string) {
	if len(v.list) < maxViolations {
		v.list = append(v.list, text)
	}
}

// err returns the ValidationException of all violations, or nil.
func (v *Violations) err() error {
	switch len(v.list) {
	case 0:
		return nil
	case 1:
		return validation("1 validation error detected: " + v.list[0])
	}
	return validation(strconv.Itoa(len(v.list)) + " validation errors detected: " + strings.Join(v.list, "; "))
}

// enum is a set of legal values, in the order in which DynamoDB prints them.
type enum []string

// enumOf is the enum of values that have a type.
func enumOf[T ~string](values ...T) enum {
	e := make(enum, len(values))
	for i, v := range values {
		e[i] = string(v)
	}
	return e
}

// enum checks a member that may be absent.
func (v *Violations) enum(o optString, path string, set enum) {
	if !o.Set {
		return
	}
	for _, e := range set {
		if o.V == e {
			return
		}
	}
	v.add(o.V, path, "Member must satisfy enum value set: ["+strings.Join(set, ", ")+"]")
}

// integer checks the bounds of a member that may be absent. No maximum: max < min.
func (v *Violations) integer(o optInt, path string, min, max int64) {
	switch {
	case !o.Set:
	case o.V < min:
		v.add(strconv.FormatInt(o.V, 10), path, fmt.Sprintf("Member must have value greater than or equal to %d", min))
	case max >= min && o.V > max:
		v.add(strconv.FormatInt(o.V, 10), path, fmt.Sprintf("Member must have value less than or equal to %d", max))
	}
}

// length checks the length of a string or list printed as value.
func (v *Violations) length(n int, value, path string, min, max int) {
	switch {
	case n < min:
		v.add(value, path, fmt.Sprintf("Member must have length greater than or equal to %d", min))
	case max >= min && n > max:
		v.add(value, path, fmt.Sprintf("Member must have length less than or equal to %d", max))
	}
}

// elements checks the lengths, in characters, of a list's strings. No minimum: min is 0.
func (v *Violations) elements(list []string, path string, min, max int) {
	for _, s := range list {
		if n := utf8.RuneCountInString(s); n < min || n > max {
			bounds := fmt.Sprintf("Member must have length less than or equal to %d", max)
			if min > 0 {
				bounds += fmt.Sprintf(", Member must have length greater than or equal to %d", min)
			}
			v.add(bracketed(list), path, "Member must satisfy constraint: ["+bounds+"]")
			return
		}
	}
}

// namePattern is the constraint on the names of tables and indexes.
const namePattern = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"

// isName tells whether s matches namePattern; an empty s does not.
func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return s != ""
}

// name checks an index name (or another name of 3 to 255 characters) that may be absent: pattern first, then length.
func (v *Violations) name(o optString, path string) {
	if !o.Set {
		return
	}
	if o.V != "" && !isName(o.V) {
		v.add(o.V, path, namePattern)
	}
	v.length(len(o.V), o.V, path, 3, 255)
}

// tableName checks a TableName that is required. min is the least length: 1 for the data plane, 3 for the control plane.
func (v *Violations) tableName(o optString, min int) { v.tableNameAt(o, "tableName", min) }

// tableNameAt is tableName for one that stands deeper in the request.
func (v *Violations) tableNameAt(o optString, path string, min int) {
	switch {
	case !o.Set:
		v.null(path)
	case strings.HasPrefix(o.V, "arn:"):
		if len(o.V) > maxTableARN {
			v.length(len(o.V), o.V, path, 1, maxTableARN)
		} else if _, problem := tableOfARN(o.V); problem != "" {
			v.note(problem + " in '" + o.V + "'")
		}
	default:
		if o.V != "" && !isName(o.V) {
			v.add(o.V, path, namePattern)
		}
		v.length(len(o.V), o.V, path, min, 255)
	}
}

// maxTableARN is the length of the longest ARN that can stand for a table's name.
const maxTableARN = 1024

// partitions are AWS's, of which an ARN names one.
var partitions = []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"}

// tableOfARN returns the table's name in a table's ARN, or what is wrong with it. Which region and account it names does not
// matter: a table is one and the same under all of them.
func tableOfARN(arn string) (name, problem string) {
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
	if !ok || !isName(name) {
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

// bareTableName is the table's name in a checked TableName, which may be an ARN.
func bareTableName(s string) string {
	if strings.HasPrefix(s, "arn:") {
		name, _ := tableOfARN(s)
		return name
	}
	return s
}

// bracketed prints a list as Java does: [a, b].
func bracketed(list []string) string { return "[" + strings.Join(list, ", ") + "]" }

// required checks a string that must be there, and the number of its characters.
func (v *Violations) required(o optString, path string, min, max int) {
	if !o.Set {
		v.null(path)
		return
	}
	v.length(utf8.RuneCountInString(o.V), o.V, path, min, max)
}
