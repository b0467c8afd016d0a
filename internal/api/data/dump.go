package data

import (
	"github.com/partita-db/partita/internal/item"
)

// dumpItem prints an item as Java does, for the dump of a request in a message. It is cut off at
// maxDumpBytes: a message must not be as long as the request.
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

// maxDumpBytes is about the length of a dump. AWS's limit is not known.
const maxDumpBytes = 2048
