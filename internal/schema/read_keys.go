package schema

import (
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/kv"
)

// This file reads the keys that keys.go draws and writes.

// Front is what the key of a row begins with.
type Front struct {
	Table   uint32
	Section uint16
	// Hash is that of the partition, or in the index by expiry the second.
	Hash uint64
}

// SplitFront splits the key of a row into its front and the components behind it. ok is false for
// what is no key of a row.
func SplitFront(key []byte) (f Front, components []byte, ok bool) {
	if len(key) < kv.FrontLen || key[0] != spaceRows {
		return f, nil, false
	}
	f.Table = binary.BigEndian.Uint32(key[1:])
	f.Section = binary.BigEndian.Uint16(key[sectionPrefixLen-2:])
	f.Hash = HashOf(key)
	return f, key[kv.FrontLen:], true
}

// HashOf is the hash in the front of a row's key; in the index by expiry it is the second.
func HashOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[sectionPrefixLen:]) }

// SameFront tells whether two lock keys, of items or tokens, have the same front, and so a latch in
// common.
func SameFront(a, b []byte) bool { return string(a[:kv.FrontLen]) == string(b[:kv.FrontLen]) }

// readID reads a key of the catalog that ends with an id of so many bytes, which is what is left.
func readID(key []byte, kind byte, size int) (id []byte, ok bool) {
	if len(key) != 2+size || key[0] != spaceCatalog || key[1] != kind {
		return nil, false
	}
	return key[2:], true
}

// ReadDescriptorKey is the table id in the key of a descriptor.
func ReadDescriptorKey(key []byte) (id uint32, ok bool) {
	if b, ok := readID(key, catalogDescriptor, 4); ok {
		return binary.BigEndian.Uint32(b), true
	}
	return 0, false
}

// ReadStreamKey is the stream's id in the key of its descriptor.
func ReadStreamKey(key []byte) (id uint64, ok bool) {
	if b, ok := readID(key, catalogStream, 8); ok {
		return binary.BigEndian.Uint64(b), true
	}
	return 0, false
}

// ReadBackfillKey is the table id and the section in the key of a cursor.
func ReadBackfillKey(key []byte) (table uint32, section uint16, ok bool) {
	if b, ok := readID(key, catalogBackfill, 4+2); ok {
		return binary.BigEndian.Uint32(b), binary.BigEndian.Uint16(b[4:]), true
	}
	return 0, 0, false
}

// ReadNameKey is the namespace and the table's name in the key of a name row.
func ReadNameKey(key []byte) (ns Namespace, name string, ok bool) {
	if len(key) < 2 {
		return ns, "", false
	}
	rest := key[2:]
	for _, of := range []*string{&ns.Account, &ns.Region} {
		text, n := readGroups(rest)
		if n < 0 {
			return ns, "", false
		}
		*of, rest = string(text), rest[n:]
	}
	return ns, string(rest), true
}

// ReadTableID reads a table id that is the value of a row.
func ReadTableID(value []byte) (id uint32, ok bool) {
	if len(value) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(value), true
}

// IsCatalogKey tells whether the catalog has rows of the key's kind.
func IsCatalogKey(key []byte) bool {
	if string(key) == string(NextIDKey()) {
		return true
	}
	kinds := []byte{catalogName, catalogDescriptor, catalogBackfill, catalogStream}
	return len(key) >= 2 && key[0] == spaceCatalog && slices.Contains(kinds, key[1])
}

// PlanOf returns the plan of the index that the row with the key belongs to, or nil.
func (t *Table) PlanOf(key []byte) *Plan {
	if len(key) < sectionPrefixLen {
		return nil
	}
	return t.PlanOfSection(binary.BigEndian.Uint16(key[sectionPrefixLen-2:]))
}

// PlanOfSection returns the plan of the index whose rows are the section, or nil.
func (t *Table) PlanOfSection(section uint16) *Plan {
	i := slices.IndexFunc(t.Plans, func(p *Plan) bool { return p.ID == section })
	if i < 0 {
		return nil
	}
	return t.Plans[i]
}

// DescribeKey shows the key attributes in a row's key, as DynamoDB's JSON, for people; in
// hexadecimal if they cannot be read.
func (t *Table) DescribeKey(key []byte) string {
	if attributes, ok := t.ReadKey(key); ok {
		return string(attributes.AppendJSON(nil))
	}
	return hex.EncodeToString(key)
}

// ReadKey is the key attributes in a row's key; ok is false if they cannot be read. The section is
// one that the table has.
func (t *Table) ReadKey(key []byte) (attributes item.Item, ok bool) {
	entries, ok := t.readKey(key)
	if !ok {
		return item.Item{}, false
	}
	return item.New(entries), true
}

// readKey reads the attributes out of a row's key; ok is false if they are not all there.
func (t *Table) readKey(key []byte) (entries []item.Entry, ok bool) {
	f, rest, ok := SplitFront(key)
	if !ok {
		return nil, false
	}
	attributes := t.KeyAttributes
	switch p := t.PlanOfSection(f.Section); {
	case p != nil:
		attributes = slices.Concat(p.Hash, p.Range)
		if p.Kind == GlobalIndex {
			attributes = append(attributes, t.Hash)
		}
		if t.Sort.Name != "" {
			attributes = append(attributes, t.Sort)
		}
	case f.Section == SectionExpiry:
		if len(rest) < hashLen {
			return nil, false
		}
		rest = rest[hashLen:]
	}
	for i, a := range attributes {
		raw := i == len(attributes)-1 && t.Sort.Name != ""
		v, n := readComponent(rest, a.Type, raw)
		if n < 0 {
			return nil, false
		}
		rest = rest[n:]
		if !slices.ContainsFunc(entries, func(e item.Entry) bool { return e.Name == a.Name }) {
			entries = append(entries, item.Entry{Name: a.Name, Value: v})
		}
	}
	return entries, len(rest) == 0
}

// readComponent reads a value that appendComponent wrote, or, raw, one that is all of b. n is how
// long it is; below zero: it is none.
func readComponent(b []byte, typ item.Type, raw bool) (v item.Value, n int) {
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
