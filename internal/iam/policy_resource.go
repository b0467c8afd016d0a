package iam

import "strings"

// resource is a pattern for ARNs in a statement. Its path may have variables.
type resource struct {
	any    bool    // *
	region pattern // of an ARN
	path   template
}

// target is the resource of an Access, parsed.
type target struct {
	arn          bool // false for *, an action on no resource
	region, path string
}

// The parts of ARNs that are the same in all of ours.
const (
	arnPrefix  = "arn:aws:dynamodb:"
	arnAccount = ":" + Account + ":"
)

// targetOf takes the resource of an Access apart: arn:aws:dynamodb:REGION:000000000000:PATH, or *.
func targetOf(s string) target {
	rest, arn := strings.CutPrefix(s, arnPrefix)
	if !arn {
		return target{}
	}
	region, path, _ := strings.Cut(rest, arnAccount)
	return target{arn: true, region: region, path: path}
}

// matches tells whether the resource includes the target. Only * includes that of an action on no
// resource.
func (r *resource) matches(t target, p *Principal) bool {
	if r.any {
		return true
	}
	return t.arn && r.region.matches(t.region) && r.path.of(p).matches(t.path)
}

// parseResources reads Resource or NotResource.
func parseResources(list node, variables bool) ([]resource, error) {
	if _, err := list.texts(); err != nil {
		return nil, err
	}
	var resources []resource
	for _, n := range list.elements() {
		r, err := parseResource(n, n.value.(string), variables)
		if err != nil {
			return nil, err
		}
		resources = append(resources, r)
	}
	return resources, nil
}

// ignoreRegions makes resources match in all regions, whatever their ARNs name. It is for
// statements that take permissions away: all regions here are one set of tables and the client
// chooses the region of its request, so it could otherwise avoid a Deny by naming another one.
func ignoreRegions(resources []resource) {
	for i := range resources {
		if !resources[i].any {
			resources[i].region = pattern([]byte{anyRun})
		}
	}
}

// parseResource reads * or an ARN. As with AWS, a * at the end of an incomplete ARN stands for all
// parts that are missing.
func parseResource(n node, text string, variables bool) (r resource, err error) {
	if text == "*" {
		return resource{any: true}, nil
	}
	parts := strings.SplitN(text, ":", 6)
	if parts[0] != "arn" {
		return r, n.errorf("%q is neither * nor an ARN", text)
	}
	if len(parts) < 3 || parts[2] != "dynamodb" {
		return r, n.errorf("%q is not an ARN of DynamoDB", text)
	}
	if len(parts) < 6 && !strings.HasSuffix(text, "*") {
		return r, n.errorf("%q has %d parts of the 6 of an ARN", text, len(parts))
	}
	for len(parts) < 6 {
		parts = append(parts, "*")
	}
	for _, s := range parts[:5] {
		if strings.Contains(s, "${") {
			return r, n.errorf("%q has a variable before the resource's own name", text)
		}
	}
	if !wildcards(parts[1]).matches("aws") {
		return r, n.errorf("%q is of the partition %s; everything here is of aws", text, parts[1])
	}
	if !wildcards(parts[4]).matches(Account) {
		return r, n.errorf("%q is of the account %s; everything here is of %s", text, parts[4], Account)
	}
	r.region = wildcards(parts[3])
	if r.path, err = parseTemplate(n, parts[5], syntax{wild: true, variables: variables}); err != nil {
		return r, err
	}
	return r, r.path.checkPath(n, text)
}

// The resources of DynamoDB, as they begin, and what tables have below them.
var (
	resourceTypes = []string{"table/", "global-table/"}
	belowTables   = []string{"index/", "stream/", "backup/", "import/", "export/"}
)

// checkPath checks, as far as the text before the first wildcard or variable tells, that the last
// part of an ARN names a kind of resource that DynamoDB has: a misspelt one would never match.
func (t *template) checkPath(n node, text string) error {
	first, all := t.first()
	known, open := first.literal(), !all || first.wild()
	if !begins(known, open, resourceTypes) {
		return n.errorf("%q is none of DynamoDB's resources, table/NAME and what is below it, and global-table/NAME", text)
	}
	_, below, _ := strings.Cut(known, "/")
	_, below, found := strings.Cut(below, "/")
	if found && (strings.HasPrefix(known, "global-") || !begins(below, open, belowTables)) {
		return n.errorf("%q: tables have below them %s", text, strings.Join(belowTables, "NAME, ")+"NAME")
	}
	return nil
}

// begins tells whether s begins with one of the words and continues. If s is open at its end, it
// may also be that word, or its beginning.
func begins(s string, open bool, words []string) bool {
	for _, w := range words {
		if strings.HasPrefix(s, w) && (open || len(s) > len(w)) || open && strings.HasPrefix(w, s) {
			return true
		}
	}
	return false
}
