package data

import (
	"strings"

	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/partiql"
	"github.com/partita-db/partita/internal/schema"
)

// choice is how a request chooses its items, for Report.Condition. It is kept as it is, and printed
// only at the end of a call that turned out to be slow.
type choice struct {
	parts []expr.KeyPart      // of a Query
	use   partiql.KeyUse      // of a SELECT
	keys  []schema.KeyElement // of a SELECT: of the table or index; nil if it is none
}

// given tells whether there is a choice: the request is a Query or a SELECT.
func (h *choice) given() bool { return h.parts != nil || h.keys != nil }

// maxCondition is the length of a printed choice: attribute names can be long.
const maxCondition = 1 << 10

// String is the choice with names and without values: pk = ? AND sk BETWEEN ? AND ?
func (h *choice) String() string {
	var b strings.Builder
	for i := range h.use.Hash {
		if i == 0 {
			for j := range h.use.Hash[0] {
				part(&b, h.keys[j].Name, expr.EQ, len(h.use.Hash))
			}
		}
	}
	for _, p := range h.use.Range {
		part(&b, p.Attribute, p.Operator, 1)
	}
	for _, p := range h.parts {
		part(&b, p.Attribute, p.Operator, 1)
	}
	text := b.String()
	if len(text) > maxCondition {
		text = strings.ToValidUTF8(text[:maxCondition], "") + "…"
	}
	return text
}

// part adds the condition on one attribute, with the number of its alternative values.
func part(b *strings.Builder, name string, op expr.Operator, alternatives int) {
	if b.Len() > 0 {
		b.WriteString(" AND ")
	}
	switch {
	case alternatives > 1:
		b.WriteString(name + " IN (?" + strings.Repeat(", ?", min(alternatives, maxInValues)-1) + ")")
	case op == expr.BETWEEN:
		b.WriteString(name + " BETWEEN ? AND ?")
	case op == expr.BEGINS_WITH:
		b.WriteString("begins_with(" + name + ", ?)")
	case op == expr.EQ, op == expr.LT, op == expr.LE, op == expr.GT, op == expr.GE:
		signs := map[expr.Operator]string{expr.EQ: "=", expr.LT: "<", expr.LE: "<=", expr.GT: ">", expr.GE: ">="}
		b.WriteString(name + " " + signs[op] + " ?")
	default: // a legacy operator, with which the Query was rejected
		b.WriteString(name + " " + op.String())
	}
}
