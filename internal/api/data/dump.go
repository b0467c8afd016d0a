package data

import (
	"github.com/partita-db/partita/internal/item"
)

// dumpItem prints an item in a dump, cut off when it gets long.
func dumpItem(it item.Item) string {
	b := []byte{'{'}
	if it.Exists() {
		for name, v := range it.Attributes() {
			if len(b) > 1 {
				b = append(b, ", "...)
			}
			b = v.AppendText(append(append(b, name...), '='))
			if len(b) > maxDumpBytes {
				return string(b[:maxDumpBytes]) + "...}"
			}
		}
	}
	return string(append(b, '}'))
}

// maxDumpBytes ends the dump of a request in a message.
const maxDumpBytes = 2048
