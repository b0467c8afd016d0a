package manifest

import "testing"

// FuzzEdits has any bytes for an edit of a MANIFEST. They may be unrecognized, and nothing else.
func FuzzEdits(f *testing.F) {
	f.Add([]byte{tagMinLog, 7, tagLastSeq, 90, tagNextFile, 9, tagDeletedTable, 0, 4})
	f.Add([]byte{tagNewTableFields, 6, 5, 200, 1, 1, 'a', 1, 'b', 10, 10, fieldVirtual, 3, fieldEnd})
	f.Add([]byte{tagNewTableRanges, 6, 5, 20, 1, 1, 'a', 1, 'b', 1, 'c', 1, 'd', 10, 11,
		fieldBlobRefs, 1, 1, 2, 3, fieldEnd})
	f.Fuzz(func(t *testing.T, edit []byte) {
		m := New("MANIFEST-000001")
		m.Add(edit)
		if !m.Unrecognized && len(edit) > 0 && len(m.Files()) > len(edit) {
			t.Errorf("%x: there are %d files", edit, len(m.Files()))
		}
	})
}
