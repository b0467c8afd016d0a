package db

import (
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// planOf returns the plan of the index that the row with the key belongs to, or nil.
func (t *Table) planOf(key []byte) *indexPlan {
	if len(key) < sectionPrefixLen {
		return nil
	}
	section := binary.BigEndian.Uint16(key[5:])
	i := slices.IndexFunc(t.plans, func(p *indexPlan) bool { return p.x.ID == section })
	if i < 0 {
		return nil
	}
	return t.plans[i]
}

// describeKey shows the key attributes in a row's key, as DynamoDB's JSON, for people; in hexadecimal if they cannot be read.
func (t *Table) describeKey(key []byte) string {
	if entries, ok := t.readKey(key); ok {
		return string(item.New(entries).AppendJSON(nil))
	}
	return hex.EncodeToString(key)
}

// readKey reads the attributes out of a row's key; ok is false if they are not all there.
func (t *Table) readKey(key []byte) (entries []item.Entry, ok bool) {
	if len(key) < kv.FrontLen {
		return nil, false
	}
	attributes, rest := t.own, key[kv.FrontLen:]
	switch p := t.planOf(key); {
	case p != nil:
		attributes = slices.Concat(p.hash, p.rng)
		if p.x.Kind == GlobalIndex {
			attributes = append(attributes, t.hash)
		}
		if t.sort.name != "" {
			attributes = append(attributes, t.sort)
		}
	case binary.BigEndian.Uint16(key[5:]) == sectionExpiry:
		if len(rest) < 8 {
			return nil, false
		}
		rest = rest[8:]
	}
	for i, a := range attributes {
		raw := i == len(attributes)-1 && t.sort.name != ""
		v, n := readPart(rest, a.typ, raw)
		if n < 0 {
			return nil, false
		}
		rest = rest[n:]
		if !slices.ContainsFunc(entries, func(e item.Entry) bool { return e.Name == a.name }) {
			entries = append(entries, item.Entry{Name: a.name, Value: v})
		}
	}
	return entries, len(rest) == 0
}

// readPart reads a value that appendPart wrote, or, raw, one that is all of b. n is how long it is; below zero: it is none.
func readPart(b []byte, typ item.Type, raw bool) (v item.Value, n int) {
	text := b
	if n = len(b); !raw && typ == item.N {
		n = numberLen(b)
		text = b[:max(n, 0)]
	} else if !raw {
		text, n = readGroups(b)
	}
	if n < 0 {
		return v, n
	}
	switch typ {
	case item.S:
		v = item.String(string(text))
	case item.B:
		return item.Binary(text), n
	case item.N:
		v, _ = item.ParseValue(append([]byte{byte(item.N), byte(len(text))}, text...))
	}
	if !v.Exists() || v.Verify() != nil {
		return v, -1
	}
	return v, n
}

// numberLen is the length of the number's form that b begins with, or below zero.
func numberLen(b []byte) int {
	if len(b) == 0 {
		return -1
	}
	end := byte(0)
	switch b[0] {
	case 0x02: // zero
		return 1
	case 0x01: // negative: all is complemented
		end = 0xFF
	}
	if i := slices.Index(b[min(2, len(b)):], end); i >= 0 && i < 22 {
		return 2 + i + 1
	}
	return -1
}

// readGroups reads what appendGroups wrote.
func readGroups(b []byte) (text []byte, n int) {
	for len(b[n:]) >= 9 {
		group := b[n : n+9]
		n += 9
		if group[8] == 0xFF {
			text = append(text, group[:8]...)
			continue
		}
		if used := int(group[8]) - 0xF7; used >= 0 && used < 8 {
			return append(text, group[:used]...), n
		}
		break
	}
	return nil, -1
}
