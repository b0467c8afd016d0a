package call

import (
	"strings"
	"testing"
)

// cutTests are messages and what is left of them, where id, Tab-1 and by.owner are of the schema.
var cutTests = []struct{ message, want string }{
	{"", ""},
	{"The conditional request failed", "The conditional request failed"},
	{"1 validation error detected: Value 'hunter2' at 'tableName' failed to satisfy constraint: Member must " +
		"have length less than or equal to 255",
		"1 validation error detected: Value … at 'tableName' failed to satisfy constraint: Member must have " +
			"length less than or equal to …"},
	{"1 validation error detected: Value '' at 'statement' failed to satisfy constraint: Member must have " +
		"length greater than or equal to 1",
		"1 validation error detected: Value … at 'statement' failed to satisfy constraint: Member must have " +
			"length greater than or equal to …"},
	{"2 validation errors detected: Value 'it's hunter2' at 'transactItems.1.member.put.tableName' failed to " +
		"satisfy constraint: " +
		"Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value null at " +
		"'requestItems.hunter2.member.keys' failed to satisfy constraint: Member must not be null",
		"2 validation errors detected: Value … at 'transactItems.….member.put.tableName' failed to satisfy " +
			"constraint: " +
			"Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value null at " +
			"'requestItems.….member.keys' failed to satisfy constraint: Member must not be null"},
	{"1 validation error detected: Value 'x' at 'y' deleted' at 'returnValues' failed to satisfy constraint: " +
		"Member must satisfy enum value set: [ALL_NEW, NONE]",
		"1 validation error detected: Value … at '…' deleted… failed to satisfy constraint: Member must " +
			"satisfy enum value set: [ALL_NEW, NONE]"},
	{"1 validation error detected: Value '[TransactGetItem(get=Get(key={id={S:hunter2\n",
		"1 validation error detected: Value …"},
	{`Invalid UpdateExpression: Syntax error; token: "hunter2", near: "= hunter2 :v"`,
		"Invalid UpdateExpression: Syntax error; token: …, near: …"},
	{`Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "SET"`,
		"Invalid UpdateExpression: Syntax error; token: …, near: …"},
	{"Invalid KeyConditionExpression: Attribute name is a reserved keyword; reserved keyword: status",
		"Invalid KeyConditionExpression: Attribute name is a reserved keyword; reserved keyword: status"},
	{"Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute " +
		"value: :hunter2",
		"Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute " +
			"value: :…"},
	{"Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of " +
		"these paths; path one: [ab, cd, [1]], path two: [ab]",
		"Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of " +
			"these paths; path one: […]], path two: […]"},
	{"One or more parameter values were invalid: Missing the key id in the item",
		"One or more parameter values were invalid: Missing the key id in the item"},
	{"One or more parameter values were invalid: Missing the key pk in the item",
		"One or more parameter values were invalid: Missing the key … in the item"},
	{"One or more parameter values were invalid: Type mismatch for key id expected: S actual: N",
		"One or more parameter values were invalid: Type mismatch for key id expected: S actual: N"},
	{"Requested resource not found: Table: Tab-1 not found",
		"Requested resource not found: Table: Tab-1 not found"},
	{"The table does not have the specified index: by.owner",
		"The table does not have the specified index: by.owner"},
	{"The table does not have the specified index: key-value", "The table does not have the specified index: …"},
	{"The parameter cannot be converted to a numeric value: 4711.5",
		"The parameter cannot be converted to a numeric value: …"},
	{"Attempting to store more than 38 significant digits in a Number",
		"Attempting to store more than … significant digits in a Number"},
	{"The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 12 is not " +
		"less than TotalSegments: 3",
		"The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: … is not " +
			"less than TotalSegments: …"},
	{"The parameter 'TableName' is required but was not present in the request",
		"The parameter 'TableName' is required but was not present in the request"},
	{"Statement wasn't well formed, can't be processed: Unexpected token",
		"Statement wasn't well formed, can't be processed: Unexpected token"},
	{"Statement wasn't well formed, can't be processed: Expected 'delete hunter2'",
		"Statement wasn't well formed, can't be processed: Expected …"},
	{"Invalid AWS partition in 'arn:aws-xx:dynamodb:us-east-1:1:table/hunter2'", "Invalid AWS partition in …"},
	{"User: arn:aws:iam::000000000000:user/ann is not authorized to perform: dynamodb:GetItem on resource: " +
		"arn:aws:dynamodb:us-east-1:000000000000:table/Yours " +
		"because no identity-based policy allows the dynamodb:GetItem action",
		"User: arn:aws:… is not authorized to perform: dynamodb:GetItem on resource: " +
			"arn:aws:dynamodb:us-east-1:… because no identity-based policy allows the dynamodb:GetItem action"},
	{"Invalid StreamArn: hünter\x00\x1b[2mzwei", "Invalid StreamArn: …"},
	{"Tag Key cannot be prefixed with aws:, Key: aws:hunter2",
		"Tag Key cannot be prefixed with aws:, Key: …"},
	{"The parameter cannot be converted to a numeric value: the user has the key 0123456789abcdef",
		"The parameter cannot be converted to a numeric value: …"},
	{"1 validation error detected: One or more parameter values were invalid: Input collection [the key, the key] " +
		"contains duplicates.",
		"1 validation error detected: One or more parameter values were invalid: Input collection [… " +
			"contains duplicates."},
	{"Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to " +
		"lower bound; lower bound operand: AttributeValue: {S:user value}, upper bound operand: " +
		"AttributeValue: {S:a key}",
		"Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to " +
			"lower bound; lower bound operand: AttributeValue: …"},
	{"One or more parameter values were invalid: Type mismatch for key id expected: S actual: N; the value",
		"One or more parameter values were invalid: Type mismatch for key id expected: S actual: N; the value"},
}

// TestCutValues checks what is left of messages.
func TestCutValues(t *testing.T) {
	named := func(word string) bool { return word == "id" || word == "Tab-1" || word == "by.owner" }
	for _, test := range cutTests {
		if got := cutValues(test.message, named); got != test.want {
			t.Errorf("cutValues(%q)\n = %q\nwant %q", test.message, got, test.want)
		}
	}
}

// TestCutLong checks that what is left of a message with a whole request in it is short, and says
// still what is wrong.
func TestCutLong(t *testing.T) {
	message := "1 validation error detected: Value '" + strings.Repeat("hunter2 'x' ", 1<<20) +
		"' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have " +
		"length less than or equal to 25]"
	got := cutValues(message, func(string) bool { return false })
	if len(got) > maxCut+len(cutMark) || strings.Contains(got, "hunter2") || !strings.Contains(got,
		"at 'requestItems' failed to satisfy constraint") {
		t.Errorf("what is left: %q", got)
	}
	if got := cutValues(strings.Repeat("table ", 1000),
		func(string) bool { return false }); len(got) > maxCut+len(cutMark) {
		t.Errorf("%d bytes are left", len(got))
	}
}

// FuzzCutValues looks for a text that comes through, in the places in which messages have what a
// client sent. Texts of the words of messages alone cannot be told from those.
func FuzzCutValues(f *testing.F) {
	f.Add("hunter2")
	f.Add("it's a secret' at 'tableName")
	f.Add(`x", near: "y`)
	f.Add("12345.678E+9")
	f.Add("Table: hunter2")
	f.Fuzz(func(t *testing.T, text string) {
		secret := "zq" + text + "qz"
		for _, message := range []string{
			"1 validation error detected: Value '" + secret +
				"' at 'tableName' failed to satisfy constraint: Member must not be null",
			"1 validation error detected: Value null at 'requestItems." + secret +
				".member.keys' failed to satisfy constraint: Member must not be null",
			`Invalid UpdateExpression: Syntax error; token: "` + secret + `", near: "a ` + secret + ` b"`,
			"Invalid FilterExpression: An expression attribute name used in the document path is not defined; " +
				"attribute name: #" + secret,
			"Attribute name is a reserved keyword; reserved keyword: " + secret,
			"Duplicate Tag Keys provided as input: Duplicate Tag Key found " + secret,
			secret, secret + " " + secret, "[" + secret + ", " + secret + "]",
		} {
			got := cutValues(message, func(string) bool { return false })
			if strings.Contains(got, secret) || strings.Contains(got, "zq") || strings.Contains(got, "qz") {
				t.Fatalf("cutValues(%q) = %q has it", message, got)
			}
			if strings.ContainsAny(got, "\r\n\x00\x1b") || len(got) > maxCut+len(cutMark) {
				t.Fatalf("cutValues(%q) = %q", message, got)
			}
		}
	})
}
